"""Labels that do not collide: where each stands at a scale, which wait for a larger one, which get a line.

A label belongs where its area is widest: at the centre of the largest inscribed circle. Where it fits it
stands there or near; where something is in the way, or the area is too small for it, it stands beside, with a
line to its place; where that is not free either, it is hidden until the reader comes closer. `labels.js`
places by the same rules in the browser; a test holds the two against each other, to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import geopandas as gpd
import shapely

Box = tuple[float, float, float, float]  # west, north, east, south: y grows downwards, as on a screen

GAP = 2.0  # kept free round a label
LEAST = 5.0  # radius of an area under which its label is not shown at all
REACH = 76.0  # a line is no longer than this
_STEP = 12.0  # between places that are tried along a direction
_LINE = 3.0  # a line is kept free to both sides
_CELL = 64.0  # of the index
# twelve directions as written numbers, so that browser and Python agree to the last digit
_HALF, _ROOT = 0.5, 0.8660254037844386
DIRECTIONS = (
    (1.0, 0.0),
    (-1.0, 0.0),
    (_ROOT, -_HALF),
    (-_ROOT, -_HALF),
    (_ROOT, _HALF),
    (-_ROOT, _HALF),
    (_HALF, -_ROOT),
    (-_HALF, -_ROOT),
    (_HALF, _ROOT),
    (-_HALF, _ROOT),
    (0.0, -1.0),
    (0.0, 1.0),
)


@dataclass(frozen=True)
class Label:
    """A label of `width` × `height` for the area whose largest inscribed circle has its centre at x, y.

    Pixels (or any unit of paper; y grows downwards). A higher priority is placed first; of equals the one
    with the wider area.
    """

    x: float
    y: float
    radius: float
    width: float
    height: float
    priority: float = 0.0


@dataclass(frozen=True)
class Placed:
    """Where a label's middle stands, and the line to its area: from x, y of the area to the label's edge."""

    x: float
    y: float
    line: Box | None = None


def label_points(polygons_m: gpd.GeoSeries) -> tuple[gpd.GeoSeries, list[float]]:
    """Where a polygon's label sits: the centre of its largest inscribed circle, and the circle's radius.

    `polygons_m` is in a metric CRS, and so are the points and radii.
    """
    parts = [_largest(polygon) for polygon in polygons_m]
    radii = [shapely.maximum_inscribed_circle(part, tolerance=part.area**0.5 / 100) for part in parts]
    centres = [shapely.get_point(radius, 0) for radius in radii]
    return gpd.GeoSeries(centres, crs=polygons_m.crs), [float(radius.length) for radius in radii]


def _largest(polygon: shapely.Geometry) -> shapely.Geometry:
    return max(shapely.get_parts(polygon), key=lambda part: part.area)


def place_labels(
    labels: Sequence[Label], obstacles: Iterable[Box] = (), frame: Box | None = None
) -> list[Placed | None]:
    """Where each label stands; None for those that are hidden at this scale. frame: out of which no label is
    moved that has its place in it.

    No label that is shown overlaps another, another's line, or an obstacle; nor do lines cross.
    """
    taken = _Taken()
    for box in obstacles:
        taken.add(box)
    placed: list[Placed | None] = [None] * len(labels)
    order = sorted(range(len(labels)), key=lambda n: (-labels[n].priority, -labels[n].radius, n))
    for n in order:
        found = _inside(labels[n], taken, frame) or _beside(labels[n], taken, frame)
        if found is None:
            continue
        placed[n] = found
        taken.add(_box(labels[n], found.x, found.y))
        if found.line is not None:
            for box in _along(found.line):
                taken.add(box)
    return placed


def _kept(label: Label, frame: Box | None, x: float, y: float) -> bool:
    if frame is None or not (frame[0] <= label.x <= frame[2] and frame[1] <= label.y <= frame[3]):
        return True
    half, tall = label.width / 2, label.height / 2
    return x - half >= frame[0] and y - tall >= frame[1] and x + half <= frame[2] and y + tall <= frame[3]


def _inside(label: Label, taken: _Taken, frame: Box | None) -> Placed | None:
    half, tall = label.width / 2, label.height / 2
    if half > label.radius * 1.1 or tall > label.radius * 1.1:
        return None
    room = label.radius * 1.25
    places = [(label.x, label.y)]
    for ring in (1, 2, 3):
        away = ring * label.radius * 0.28
        for across, down in DIRECTIONS:
            if abs(across * away) + half <= room and abs(down * away) + tall <= room:
                x, y = label.x + across * away, label.y + down * away
                if _kept(label, frame, x, y):
                    places.append((x, y))
    return next((Placed(x, y) for x, y in places if taken.is_free(_box(label, x, y))), None)


def _beside(label: Label, taken: _Taken, frame: Box | None) -> Placed | None:
    if label.radius < LEAST:
        return None
    half, tall = label.width / 2, label.height / 2
    away = label.radius + _STEP
    while away <= REACH:
        for across, down in DIRECTIONS:
            # the label's near edge is `away` from the place
            x = label.x + across * (away + half)
            y = label.y + down * (away + tall)
            line = (label.x, label.y, x - across * half, y - down * tall)
            if not _kept(label, frame, x, y):
                continue
            if taken.is_free(_box(label, x, y)) and all(taken.is_free(box) for box in _along(line)):
                return Placed(x, y, line)
        away += _STEP
    return None


def _box(label: Label, x: float, y: float) -> Box:
    half, tall = label.width / 2 + GAP, label.height / 2 + GAP
    return (x - half, y - tall, x + half, y + tall)


def _along(line: Box) -> list[Box]:
    """Small squares that hold a line."""
    across, down = line[2] - line[0], line[3] - line[1]
    steps = max(1, math.ceil(math.sqrt(across * across + down * down) / _LINE))
    return [
        (x - _LINE, y - _LINE, x + _LINE, y + _LINE)
        for x, y in (
            (line[0] + across * step / steps, line[1] + down * step / steps) for step in range(steps + 1)
        )
    ]


class _Taken:
    """Boxes that nothing may overlap, by cells of a lattice."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], list[Box]] = {}

    def add(self, box: Box) -> None:
        for cell in _cells(box):
            self._cells.setdefault(cell, []).append(box)

    def is_free(self, box: Box) -> bool:
        return not any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
            for cell in _cells(box)
            for other in self._cells.get(cell, ())
        )


def _cells(box: Box) -> list[tuple[int, int]]:
    return [
        (column, row)
        for column in range(math.floor(box[0] / _CELL), math.floor(box[2] / _CELL) + 1)
        for row in range(math.floor(box[1] / _CELL), math.floor(box[3] / _CELL) + 1)
    ]
