"""Geometry as it comes, made fit for use: what is mended is counted by row, so that it can be reported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

Shapes = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]

POINT, LINE, RING, POLYGON = 0, 1, 2, 3
MULTI_POINT, MULTI_LINE, MULTI_POLYGON, COLLECTION = 4, 5, 6, 7

# wider than this, an overlap or a gap between communities is no slip of the drawing; metres
SLIVER_M = 3.0


@dataclass(frozen=True)
class Repaired:
    """Shapes by row (None: nothing usable is left), and what was done to each row."""

    shapes: Shapes
    empty: Flags  # nothing was there
    wrong: Flags  # another kind of geometry
    flat: Flags  # Z or M was there and is dropped
    mended: Flags  # self-crossing and the like, made valid
    vanished: Flags  # without area or length once made valid

    @property
    def usable(self) -> Flags:
        usable: Flags = ~(self.empty | self.wrong | self.vanished)
        return usable


def repair_polygons(shapes: Shapes) -> Repaired:
    """Each row as a valid, flat Polygon or MultiPolygon. Collections are taken for their polygons."""
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    kinds = shapely.get_type_id(shapes)
    flat = shapely.has_z(shapes) | shapely.has_m(shapes)
    shapes = _flat(shapes)
    for row in np.flatnonzero((kinds == COLLECTION) & ~empty):
        parts = shapely.get_parts(shapes[row])
        if np.isin(shapely.get_type_id(parts), (POLYGON, MULTI_POLYGON)).all():
            shapes[row], kinds[row] = shapely.union_all(parts), POLYGON
    wrong = ~empty & ~np.isin(kinds, (POLYGON, MULTI_POLYGON))
    judged = ~(empty | wrong)
    finite = np.zeros(len(shapes), dtype=bool)
    finite[judged] = np.isfinite(shapely.bounds(shapes[judged])).all(axis=1)
    mended = judged & finite & ~shapely.is_valid(shapes)
    shapes[mended] = shapely.make_valid(shapes[mended], method="structure", keep_collapsed=False)
    for row in np.flatnonzero(mended):
        shapes[row] = _polygonal(shapes[row])
    shapes[judged & ~finite] = None
    vanished = judged & ~(np.nan_to_num(shapely.area(shapes)) > 0)
    shapes[empty | wrong | vanished] = None
    return Repaired(shapes, empty, wrong, flat & judged, mended & ~vanished, vanished)


def _flat(shapes: Shapes) -> Shapes:
    """A copy without Z and M; heights that are no numbers are no matter."""
    with np.errstate(invalid="ignore"):
        flat: Shapes = shapely.force_2d(shapes)
    return flat


def _polygonal(shape: shapely.Geometry) -> shapely.Geometry:
    parts = shapely.get_parts(shapely.get_parts(np.array([shape])))
    parts = parts[shapely.get_type_id(parts) == POLYGON]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(list(parts))


@dataclass(frozen=True)
class Lines:
    """Single-part lines, the row each came from, and what was done by row."""

    shapes: Shapes
    rows: npt.NDArray[np.intp]
    empty: Flags
    wrong: Flags
    flat: Flags
    several: Flags  # of several parts, now one line each
    outlines: Flags  # polygons, taken by their outline


def explode_lines(shapes: Shapes) -> Lines:
    """Every row as flat LineStrings of some length. A polygon (a river's surface) counts by its outline."""
    count = len(shapes)
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    kinds = shapely.get_type_id(shapes)
    flat = ~empty & (shapely.has_z(shapes) | shapely.has_m(shapes))
    shapes = _flat(shapes)
    outlines = ~empty & np.isin(kinds, (POLYGON, MULTI_POLYGON))
    shapes[outlines] = shapely.boundary(shapes[outlines])
    several = ~empty & ~outlines & (kinds >= MULTI_POINT) & (shapely.get_num_geometries(shapes) > 1)
    shapes[empty] = None
    parts, rows = shapely.get_parts(shapes, return_index=True)
    parts, inner = shapely.get_parts(parts, return_index=True)
    rows = rows[inner]
    usable = np.isin(shapely.get_type_id(parts), (LINE, RING)) & (shapely.length(parts) > 0)
    usable &= np.isfinite(shapely.bounds(parts)).all(axis=1)
    parts, rows = parts[usable], rows[usable]
    rings = shapely.get_type_id(parts) == RING
    parts[rings] = [shapely.LineString(ring.coords) for ring in parts[rings]]
    left = np.zeros(count, dtype=bool)
    left[rows] = True
    return Lines(parts, rows, empty, ~empty & ~left, flat & left, several & left, outlines & left)


def are_slivers(first: shapely.Geometry, second: shapely.Geometry) -> bool:
    """Whether two polygons overlap by a sliver only: nowhere wider than `SLIVER_M`, and a small share."""
    overlap = shapely.intersection(first, second)
    if overlap.area > 0.05 * min(first.area, second.area):
        return False
    return bool(shapely.is_empty(shapely.buffer(overlap, -SLIVER_M / 2)))


def clean_coverage(shapes: Shapes) -> tuple[Shapes, float, float]:
    """Polygons that meet edge to edge, slivers removed; with the area of overlaps and of gaps removed, in m².

    Shapes that are a coverage already come back as they are.
    """
    if len(shapes) < 2 or shapely.coverage_is_valid(shapes, gap_width=SLIVER_M):
        return shapes, 0.0, 0.0
    before = shapely.union_all(shapes)
    cleaned = shapely.coverage_clean(shapes, gap_width=SLIVER_M)
    overlaps = float(shapely.area(shapes).sum() - before.area)
    gaps = float(shapely.area(shapely.difference(shapely.union_all(cleaned), before)))
    return cleaned, max(overlaps, 0.0), gaps
