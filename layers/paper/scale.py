"""True scale: which ratio a map is drawn at, where the ground lies on the paper, and the bar beneath it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
import shapely

# Denominators as printed maps have them; beyond, tenfold again.
_STEPS = (1000, 1250, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 7500, 8000)
_SMALLEST = 500


def local_crs(longitude: float, latitude: float) -> pyproj.CRS:
    """Metres about a place, north up: true to scale within 1 in a million ten kilometres away.

    A UTM zone is off by up to 4 in 10,000, and its north by degrees.
    """
    return pyproj.CRS.from_proj4(
        f"+proj=tmerc +lat_0={latitude:.6f} +lon_0={longitude:.6f} +k=1 +x_0=0 +y_0=0 +ellps=WGS84 +units=m"
    )


def nice_ratio(width_m: float, height_m: float, width_mm: float, height_mm: float) -> int:
    """The largest customary scale, as its denominator, at which the ground fits into the paper."""
    least = 1000 * max(width_m / width_mm, height_m / height_mm)
    if least <= _SMALLEST:
        return _SMALLEST
    power = 10 ** max(math.floor(math.log10(least)) - 3, 0)
    while True:
        for step in _STEPS:
            if step * power >= least:
                return int(step * power)
        power *= 10


def bar_step(ratio: int, room_mm: float) -> int:
    """Metres of one of a scale bar's four fields, which together take at most `room_mm`."""
    most = room_mm * ratio / 1000 / 4
    power = 10 ** math.floor(math.log10(most))
    return int(max(step * power for step in (1, 2, 2.5, 5) if step * power <= most and step * power >= 1))


@dataclass(frozen=True)
class Plot:
    """A window on the paper (mm) with ground (metres, north up) in it: 1 : `ratio` about (x, y)."""

    left: float
    bottom: float
    width: float
    height: float
    x: float
    y: float
    ratio: int

    def ground(self, margin_mm: float = 0.0) -> tuple[float, float, float, float]:
        """West, south, east and north of what is seen, in metres."""
        half_x = (self.width / 2 + margin_mm) * self.ratio / 1000
        half_y = (self.height / 2 + margin_mm) * self.ratio / 1000
        return (self.x - half_x, self.y - half_y, self.x + half_x, self.y + half_y)

    def place(self, geometries: Any) -> Any:
        """Geometries from metres to mm on the paper."""
        middle = np.array([self.left + self.width / 2, self.bottom + self.height / 2])

        def move(at: np.ndarray) -> np.ndarray:
            moved: np.ndarray = (at - [self.x, self.y]) * (1000 / self.ratio) + middle
            return moved

        return shapely.transform(geometries, move)

    def seen(self, geometries: Any, margin_mm: float = 6.0) -> Any:
        """The parts within the window and a margin, from metres to mm."""
        return self.place(shapely.clip_by_rect(geometries, *self.ground(margin_mm)))


def plot_of(
    bounds: tuple[float, float, float, float],
    window: tuple[float, float, float, float],
    *,
    margin_mm: float,
    ratio: int = 0,
) -> Plot:
    """The plot of a window (left, bottom, width, height in mm) around the `bounds` of ground in metres."""
    left, bottom, width, height = window
    west, south, east, north = bounds
    if not ratio:
        room = (width - 2 * margin_mm, height - 2 * margin_mm)
        ratio = nice_ratio(east - west, north - south, *room)
    return Plot(left, bottom, width, height, (west + east) / 2, (south + north) / 2, ratio)
