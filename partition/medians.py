"""Strips between carriageways and the islands of roundabouts: shared out along their middle, so that a border
between grids runs down the middle of a wide road and no sliver is left.
"""

from __future__ import annotations

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.blocks import Blocks
from partition.linework import CLASS_NUMBER, SAME_M, Geometries, Linework, Numbers
from partition.ridges import ridges_between

WIDE_M = 25.0  # a strip between carriageways is at most this wide,
LONG = 4.0  # and this many times as long;
ISLAND_M2 = 1500.0  # an island in a street is smaller than this
SHARE = 0.8  # of the outline runs along streets
AROUND = tuple(CLASS_NUMBER[name] for name in ("local", "secondary", "arterial"))
STEP_M = 2.0


def part_medians(blocks: Blocks, linework: Linework, footprints: Geometries) -> Linework:
    """Add the middle lines of all medians to the linework (metres), and the medians themselves.

    A face that a footprint reaches into is no median.
    """
    median = find_medians(blocks, footprints)
    if not median.any():
        return linework
    lines: list[Geometries] = []
    classes: list[int] = []
    faces, borders = blocks.faces, blocks.borders
    group = _groups(blocks, np.flatnonzero(median))
    others = np.flatnonzero(~median)
    tree = shapely.STRtree(faces[others])
    areas = np.array([shapely.coverage_union_all(faces[members]) for members in group], dtype=object)
    for members, area in zip(group, areas, strict=True):
        edge = shapely.segmentize(shapely.boundary(area), STEP_M)
        corners, ring = shapely.get_coordinates(shapely.get_parts(edge), return_index=True)
        same = ring[:-1] == ring[1:]
        middles = ((corners[:-1] + corners[1:]) / 2)[same]
        owner = np.full(len(middles), -1, dtype=np.int64)
        point, face = tree.query(shapely.points(middles), predicate="dwithin", distance=1e-6)
        owner[point] = others[face]
        ridges = ridges_between(middles[owner >= 0], owner[owner >= 0], area)
        lines.append(ridges)
        around = np.isin(borders.a, members) | np.isin(borders.b, members)
        length = np.bincount(borders.kind[around], weights=borders.length[around], minlength=max(AROUND) + 1)
        classes += [max(AROUND, key=lambda kind: (length[kind], kind))] * len(ridges)
    return linework.with_lines(np.concatenate(lines), np.array(classes, dtype=np.int64), areas)


def find_medians(blocks: Blocks, footprints: Geometries) -> np.ndarray:
    """Which faces lie in a street: without a building, streets around, and either long and narrow or
    small.
    """
    faces, borders = blocks.faces, blocks.borders
    street = np.isin(borders.kind, AROUND)
    around = np.zeros(len(faces))
    for side in (borders.a, borders.b):
        around += np.bincount(side[street], weights=borders.length[street], minlength=len(faces))
    perimeter = shapely.length(faces)
    # the rectangle of the same area and perimeter: length + width = P / 2, length × width = A
    half = perimeter / 4
    spread = np.sqrt(np.maximum(half**2 - shapely.area(faces), 0))
    strip = (half - spread < WIDE_M) & (half + spread > LONG * (half - spread))
    small = shapely.area(faces) < ISLAND_M2
    built = np.zeros(len(faces), dtype=bool)
    if len(footprints):
        foot, face = shapely.STRtree(faces).query(footprints, predicate="intersects")
        built[face[shapely.area(shapely.intersection(footprints[foot], faces[face])) > SAME_M]] = True
    return np.asarray((strip | small) & (around >= SHARE * perimeter) & ~built)


def _groups(blocks: Blocks, medians: Numbers) -> list[Numbers]:
    """Medians that touch, together."""
    borders, count = blocks.borders, len(blocks.faces)
    both = np.isin(borders.a, medians) & np.isin(borders.b, medians)
    links = coo_array((np.ones(both.sum()), (borders.a[both], borders.b[both])), shape=(count, count))
    _, label = connected_components(links, directed=False)
    return [medians[label[medians] == c] for c in np.unique(label[medians])]
