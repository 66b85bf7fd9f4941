"""Colours, in one place. Checked by a test to stay apart for readers with red-green colour blindness."""

from __future__ import annotations

# Fill of grids; neighbours get different ones. Ours: soft, of similar weight, apart in lightness and hue.
GRIDS = ("#8fb8de", "#f2c879", "#9fd0b8", "#d9a5b8", "#c9c2e8")

# Density of cases, light to dark (warm), and key population (cool), one colour a class.
CASES = ("#fde8c4", "#fbc884", "#f29d4f", "#d96a2b", "#a53d16")
GROUPS = ("#dfeaf2", "#b3d0e2", "#7fb0cd", "#4a8ab1", "#235f8a", "#123f63")

GROUND = "#f3f1eb"
WATER = "#a9cde0"
BUILDINGS = {
    "residential": "#d8d3c8",
    "commercial": "#dccbb4",
    "public": "#c9cfd6",
    "other": "#dedad2",
}


def ramp(colours: tuple[str, ...], classes: int) -> tuple[str, ...]:
    """`classes` colours spread over the whole of `colours`, light to dark."""
    if classes <= 0:
        return ()
    if classes == 1:
        return (colours[len(colours) // 2],)
    last = len(colours) - 1
    return tuple(colours[round(i * last / (classes - 1))] for i in range(classes))
