"""Linework becomes blocks: the faces between barriers, and what runs along each border between two of
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely

from partition.arrays import Geometries, Lengths, Numbers
from partition.geometry.linework import (
    BORDER_CLASSES,
    CLASS_NUMBER,
    GATE_M,
    SAME_M,
    SEVERING,
    Linework,
    node_lines,
)

# Where several lines coincide, this order says what the border counts as: the strongest first.
STRENGTH = ("water", "rail", "arterial", "secondary", "local", "wall", "lane", "path", "outline", "none")


@dataclass(frozen=True)
class Borders:
    """The segments between two faces: `a` < `b` face numbers, `length` in metres, `kind` class number,
    `severed` true where no one can walk across. `outer` is each face's length of border with the outside, in
    metres. `start` and `end` (n, 2): where the segments lie.
    """

    a: Numbers
    b: Numbers
    length: Lengths
    kind: Numbers
    severed: npt.NDArray[np.bool_]
    outer: Lengths
    start: Lengths = field(default_factory=lambda: np.empty((0, 2)))
    end: Lengths = field(default_factory=lambda: np.empty((0, 2)))


@dataclass(frozen=True)
class Blocks:
    """The faces of one community, an exact coverage of it, and their borders."""

    faces: Geometries
    borders: Borders


def build_blocks(linework: Linework, community: shapely.Geometry) -> Blocks:
    """Node the linework with the community's border and take the faces inside. All in metres.

    Dangling lines bound nothing. The faces share their vertices exactly and their union is the community.
    """
    faces = shapely.get_parts(shapely.polygonize(node_lines(linework.lines, community)))
    inside = shapely.intersects(community, shapely.point_on_surface(faces))
    faces = faces[inside & (shapely.area(faces) > 0)]
    corners = shapely.bounds(faces)
    faces = faces[np.lexsort((corners[:, 0], corners[:, 1], shapely.area(faces).round(3)))]
    return Blocks(faces, find_borders(faces, linework))


def find_borders(faces: Geometries, linework: Linework) -> Borders:
    """Match the faces' segments; equal coordinates mean one border, since noding made them."""
    a, b, start, end, outer = match_segments(faces)
    kind, severing = _what_runs_there(start, end, linework)
    severed = severing & ~_near_crossing(a, b, start, end, severing, linework.crossings)
    return Borders(a, b, np.hypot(*(end - start).T), kind, severed, outer, start, end)


def match_segments(polygons: Geometries) -> tuple[Numbers, Numbers, Lengths, Lengths, Lengths]:
    """The segments that two polygons share, by equal coordinates: the one polygon, the other, start and end
    (n, 2); and of each polygon the metres that it shares with none.
    """
    start, end, owner = segments(polygons)
    start, end = undirected(start, end)
    order = np.lexsort((owner, end[:, 1], end[:, 0], start[:, 1], start[:, 0]))
    start, end, owner = start[order], end[order], owner[order]
    length = np.hypot(*(end - start).T)
    same = np.flatnonzero((start[:-1] == start[1:]).all(axis=1) & (end[:-1] == end[1:]).all(axis=1))
    shared = np.zeros(len(owner), dtype=bool)
    shared[same] = shared[same + 1] = True
    outer = total(owner[~shared], length[~shared], len(polygons))
    same = same[owner[same] != owner[same + 1]]
    return owner[same], owner[same + 1], start[same], end[same], outer


def undirected(start: Lengths, end: Lengths) -> tuple[Lengths, Lengths]:
    """Segments with their ends in order, so that a border reads the same from both sides."""
    swap = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    return np.where(swap[:, None], end, start), np.where(swap[:, None], start, end)


def total(place: Numbers, amount: Lengths, count: int) -> Lengths:
    """The sum of the amounts at each of `count` places."""
    return np.bincount(place, weights=amount, minlength=count).astype(np.float64)


def segments(polygons: Geometries) -> tuple[Lengths, Lengths, Numbers]:
    """All segments of (multi)polygons' rings: starts (n, 2), ends (n, 2), the polygon each belongs to."""
    parts, polygon = shapely.get_parts(polygons, return_index=True)  # `get_rings` passes over multipolygons
    rings, part = shapely.get_rings(parts, return_index=True)
    coords, ring = shapely.get_coordinates(rings, return_index=True)
    inner = np.flatnonzero(ring[:-1] == ring[1:])
    return coords[inner], coords[inner + 1], polygon[part[ring[inner]]].astype(np.int64)


def _what_runs_there(
    start: Lengths, end: Lengths, linework: Linework
) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Class number of each segment, by its midpoint, and whether a severing line runs there."""
    strength = np.full(len(start), len(STRENGTH) - 1)
    severing = np.zeros(len(start), dtype=bool)
    if len(start) and len(linework.lines):
        rank = np.array([STRENGTH.index(name) for name in BORDER_CLASSES])[linework.classes]
        cuts = np.isin(linework.classes, [CLASS_NUMBER[name] for name in SEVERING])
        middle = shapely.points((start + end) / 2)
        segment, line = shapely.STRtree(linework.lines).query(middle, predicate="dwithin", distance=SAME_M)
        np.minimum.at(strength, segment, rank[line])
        severing[segment[cuts[line]]] = True
    return np.array([CLASS_NUMBER[name] for name in STRENGTH])[strength], severing


def _near_crossing(
    a: Numbers,
    b: Numbers,
    start: Lengths,
    end: Lengths,
    severing: npt.NDArray[np.bool_],
    crossings: Geometries,
) -> npt.NDArray[np.bool_]:
    """Whether a way crosses anywhere along the border that the segment's two faces share."""
    passable = np.zeros(len(a), dtype=bool)
    cut = np.flatnonzero(severing)
    if not len(cut) or not len(crossings):
        return passable
    lines = shapely.linestrings(np.stack([start[cut], end[cut]], axis=1))
    _, near = shapely.STRtree(lines).query(crossings, predicate="dwithin", distance=GATE_M / 3)
    open_pairs = np.unique(np.stack([a[cut[near]], b[cut[near]]], axis=1), axis=0)
    keys = a * (b.max() + 1) + b
    passable[:] = np.isin(keys, open_pairs[:, 0] * (b.max() + 1) + open_pairs[:, 1])
    return passable
