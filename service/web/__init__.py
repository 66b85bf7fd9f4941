"""Requests and answers: what routes share."""
