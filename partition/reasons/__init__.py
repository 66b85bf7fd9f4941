"""What a plan keeps and violates, and why."""
