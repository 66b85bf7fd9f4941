"""Partition runs as jobs of a queue in PostgreSQL, and the processes that work on them."""
