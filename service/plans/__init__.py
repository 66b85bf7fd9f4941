"""Plans made, edited and written out."""
