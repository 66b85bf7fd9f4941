"""From lines to blocks, units, borders and the four bounds: shapes in metres."""
