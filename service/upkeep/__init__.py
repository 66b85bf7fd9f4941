"""What keeps a running service well: its logs, its measures, its limits, and a database that comes back."""
