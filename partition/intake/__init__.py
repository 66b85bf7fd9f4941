"""What people bring, checked once at the border and repaired where it can be."""
