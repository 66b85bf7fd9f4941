"""From an existing plan to the next: redraw, edits, lineage."""
