"""Grids nested in larger grids."""
