"""What people bring besides the ground, checked before it is stored."""
