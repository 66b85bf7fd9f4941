"""Ground that belongs to nobody in particular: strips between carriageways, islands in roundabouts, ragged
leftovers.

It is shared out among the blocks around it, along the middle. So a border between grids runs down the middle
of a wide road, no sliver is left, and no grid trails along a railway because an empty strip does.
"""

from __future__ import annotations

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.geometry.blocks import Blocks, Borders, total
from partition.geometry.linework import CLASS_NUMBER, SAME_M, SEVERING, Linework
from partition.geometry.ridges import ridges_between

WIDE_M = 32.0  # a strip between carriageways is at most this wide,
LONG = 4.0  # and this many times as long;
ISLAND_M2 = 1500.0  # an island in a street is smaller than this
SHARE = 0.8  # of the outline runs along streets,
LESS = 0.4  # or this much, where the rest are its ends: zebra crossings and the like,
END_WIDTHS = 1.3  # none of them longer than this many widths
PAVEMENT_M = 15.0  # a strip beside a street is narrower than this,
LESS_BESIDE = 0.3  # and has the street along this much of its outline
AROUND = tuple(CLASS_NUMBER[name] for name in ("local", "secondary", "arterial"))
RAGGED = 0.25  # Polsby-Popper below which an empty face is no block
LEAST_SIDE = 0.1  # a block along less of the outline than this gets no part: it lies at the end, not beside;
LEAST_WIDTHS = 1.5  # along a road, one that is along it for this many widths lies beside
STEP_M = 2.0


def part_medians(blocks: Blocks, linework: Linework, footprints: Geometries) -> Linework:
    """Add the middle lines of all medians to the linework (metres), and the medians themselves.

    A face that a footprint reaches into is none. A middle line counts as the street that runs around it.
    """
    empty = ~_built(blocks.faces, footprints)
    street = empty & _lies_in_street(blocks)
    ragged = empty & ~street & _is_ragged(blocks.faces)
    groups = _touching(blocks, np.flatnonzero(street)) + [np.array([f]) for f in np.flatnonzero(ragged)]
    if not groups:
        return linework
    faces, borders = blocks.faces, blocks.borders
    # nothing is shared out across water, rail or a wall, even where a bridge or a gate leads through
    open_border = ~np.isin(borders.kind, [CLASS_NUMBER[name] for name in SEVERING])
    pavement = ragged & _lies_beside_street(blocks)
    along_street = np.isin(borders.kind, AROUND)
    around = np.flatnonzero(~(street | ragged))
    tree = shapely.STRtree(faces[around])
    areas = np.array([shapely.coverage_union_all(faces[members]) for members in groups], dtype=object)
    sides = _sides_of_groups(groups, borders, len(faces))
    lines: list[Geometries] = []
    classes: list[int] = []
    for members, area, side in zip(groups, areas, sides, strict=True):
        points = _along(area)
        owner = np.full(len(points), -1, dtype=np.int64)
        point, face = tree.query(shapely.points(points), predicate="dwithin", distance=1e-6)
        owner[point] = around[face]
        shared = side[open_border[side]]
        behind = shared[~along_street[shared]]
        if pavement[members[0]] and borders.length[behind].sum() >= LESS_BESIDE * area.length:
            shared = behind  # it belongs to the blocks behind it, and the border stays in the street
        reached = np.concatenate([borders.b[shared], borders.a[shared]])
        owner[~np.isin(owner, reached)] = -1
        blocks_beside, count = np.unique(owner[owner >= 0], return_counts=True)
        width = float(_sides(np.array([area]))[0][0])
        beside = count >= LEAST_SIDE * count.sum()
        if street[members[0]] or pavement[members[0]]:  # as long as a road may be
            beside |= count * STEP_M >= LEAST_WIDTHS * width
        owner[~np.isin(owner, blocks_beside[beside])] = -1
        ridges = ridges_between(points[owner >= 0], owner[owner >= 0], area)
        lines.append(ridges)
        length = total(borders.kind[side], borders.length[side], max(AROUND) + 1)
        kind = max(AROUND, key=lambda number: (length[number], number)) if street[members[0]] else 0
        classes += [kind] * len(ridges)
    return linework.with_lines(np.concatenate(lines), np.array(classes, dtype=np.int64), medians=areas)


def _sides_of_groups(groups: list[Numbers], borders: Borders, count: int) -> list[Numbers]:
    """The borders of each group of faces, by their row."""
    group = np.full(count, -1, dtype=np.int64)
    for number, members in enumerate(groups):
        group[members] = number
    row = np.tile(np.arange(len(borders.a)), 2)
    of = np.concatenate([group[borders.a], group[borders.b]])
    pairs = np.unique(np.column_stack([of, row])[of >= 0], axis=0)
    return np.split(pairs[:, 1], np.searchsorted(pairs[:, 0], np.arange(1, len(groups))))


def _along(area: shapely.Geometry) -> Lengths:
    """Points (n, 2) along the outline, at most STEP_M apart, none of them a corner."""
    edge = shapely.get_parts(shapely.segmentize(shapely.boundary(area), STEP_M))
    corners, ring = shapely.get_coordinates(edge, return_index=True)
    return np.asarray(((corners[:-1] + corners[1:]) / 2)[ring[:-1] == ring[1:]])


def _built(faces: Geometries, footprints: Geometries) -> Flags:
    built = np.zeros(len(faces), dtype=bool)
    foot, face = shapely.STRtree(faces).query(footprints, predicate="intersects")
    built[face[shapely.area(shapely.intersection(footprints[foot], faces[face])) > SAME_M]] = True
    return built


def _lies_in_street(blocks: Blocks) -> Flags:
    """Which faces have streets around them and are either long and narrow, or small."""
    faces, borders = blocks.faces, blocks.borders
    street, around = np.isin(borders.kind, AROUND), _along_streets(blocks)
    width, length = _sides(faces)
    strip = (width < WIDE_M) & (length > LONG * width)
    small = shapely.area(faces) < ISLAND_M2
    ends = (around >= LESS * shapely.length(faces)) & (_longest_other(blocks, street) <= END_WIDTHS * width)
    return np.asarray((strip | small) & ((around >= SHARE * shapely.length(faces)) | ends))


def _lies_beside_street(blocks: Blocks) -> Flags:
    """Which faces are narrow strips with a street along one side: what lies between it and its pavement,
    where that is drawn as a way of its own.
    """
    width, _ = _sides(blocks.faces)
    return np.asarray(
        (width < PAVEMENT_M) & (_along_streets(blocks) >= LESS_BESIDE * shapely.length(blocks.faces))
    )


def _along_streets(blocks: Blocks) -> Lengths:
    """Of each face, the metres of outline along streets."""
    borders, count = blocks.borders, len(blocks.faces)
    street = np.isin(borders.kind, AROUND)
    a, b, length = borders.a[street], borders.b[street], borders.length[street]
    return total(a, length, count) + total(b, length, count)


def _sides(faces: Geometries) -> tuple[Lengths, Lengths]:
    """Width and length (m) of the rectangles of the same area and perimeter: their sum is half the perimeter,
    their product the area.
    """
    half = shapely.length(faces) / 4
    spread = np.sqrt(np.maximum(half**2 - shapely.area(faces), 0))
    return half - spread, half + spread


def _longest_other(blocks: Blocks, street: Flags) -> Lengths:
    """Of each face, the metres along the neighbour with which it shares most that is no street."""
    borders, count = blocks.borders, len(blocks.faces)
    longest = borders.outer.copy()
    a, b, length = borders.a[~street], borders.b[~street], borders.length[~street]
    for one, other in ((a, b), (b, a)):
        pair, which = np.unique(one * count + other, return_inverse=True)
        np.maximum.at(longest, pair // count, total(which.reshape(-1), length, len(pair)))
    return longest


def _is_ragged(faces: Geometries) -> Flags:
    return np.asarray(4 * np.pi * shapely.area(faces) < RAGGED * shapely.length(faces) ** 2)


def _touching(blocks: Blocks, medians: Numbers) -> list[Numbers]:
    """Medians that touch, together."""
    borders, count = blocks.borders, len(blocks.faces)
    both = np.isin(borders.a, medians) & np.isin(borders.b, medians)
    links = coo_array((np.ones(both.sum()), (borders.a[both], borders.b[both])), shape=(count, count))
    _, label = connected_components(links, directed=False)
    return [medians[label[medians] == c] for c in np.unique(label[medians])]
