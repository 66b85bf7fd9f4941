"""Communities joined into larger ones."""
