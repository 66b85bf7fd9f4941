"""Colours, in one place. Checked by a test to stay apart for readers with red-green colour blindness."""

from __future__ import annotations

# Fill of grids; neighbours get different ones. Ours: soft, of similar weight, apart in lightness and hue.
# blue comes late: next to water it would look like water. Four do for grids of one piece; the rest are for
# those of several parts, of which more than four may all meet each other
GRIDS = ("#f4cd7a", "#b7dfc6", "#d0938f", "#7faad3", "#d9d0ee", "#b4844c", "#7ca4f4", "#ece4ac")

# Density of cases, light to dark (warm), and key population (cool), one colour a class.
CASES = ("#fbe3b5", "#f8c377", "#ee9a4c", "#d86c2f", "#a8421b")
GROUPS = ("#e3edf4", "#c6dbe8", "#a5c8dc", "#82b1cd", "#5f98bb", "#407ea6", "#2a648b", "#174a6c")

# The same on the fixed ladder of densities (`layers.density.breaks.LADDER`): one colour a class.
DENSITY = (
    *("#fdf0cf", "#fbdca0", "#f8c377", "#f2a456", "#e5833f"),
    *("#cf622a", "#ae441e", "#87291d", "#5a1625"),
)

# Any other figure by area, few to many; the first is nought, or below the first break.
FIGURES = ("#f5f2e3", "#d9e5b8", "#a9d3ae", "#71b8ae", "#3f98a8", "#2a6c93", "#24436f")

# Change against the period before: fewer (blue) to more (red), nought in the middle.
CHANGE = ("#2166ac", "#67a9cf", "#c3dcec", "#f1efe9", "#fbd0b0", "#ef8a62", "#b2182b")
# What a local statistic says of a place; "none" is no sign of anything but chance.
SPOTS = {
    "hot": "#b2182b",
    "cold": "#2166ac",
    "high_high": "#b2182b",
    "high_low": "#ef8a62",
    "low_high": "#92c5de",
    "low_low": "#2166ac",
    "none": "#ebe8e1",
}
# Minutes on foot, near to far.
WALKS = ("#0f766e", "#5fb0a5", "#b9ddd5")

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
