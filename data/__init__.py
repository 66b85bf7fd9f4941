"""What people bring becomes frames; and the sample community."""
