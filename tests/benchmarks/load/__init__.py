"""A load of every kind on a private server: reads, tiles, writes, edits, listeners and a partition run."""
