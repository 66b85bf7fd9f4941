"""Maps filled for one principal."""
