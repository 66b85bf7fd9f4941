"""Metric coordinates in and out."""
