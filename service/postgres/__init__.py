"""The PostgreSQL cluster of our own, and backups of any."""
