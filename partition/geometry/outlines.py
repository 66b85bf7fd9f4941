"""Outlines of grids that read well on paper: where a border runs between buildings, it runs straight.

Units are parted halfway between footprints, so a border between two grids is a chain of such middle lines,
full of small turns. Here each chain gives way to the fewest straight pieces that leave every building on its
side, keep off walls and streets as far as the chain did (up to a limit), and meet other lines at no sharper
angle. What runs along a street, a water or a railway stays where that is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numba
import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.geometry.blocks import Borders, segments, undirected
from partition.geometry.grids import dissolve
from partition.geometry.linework import CLASS_NUMBER, SEVERING
from partition.geometry.tips import trim_tips
from partition.geometry.units import Units

Point = tuple[float, float]

CLEAR_M = 2.0  # a straight piece keeps this far off walls,
CLEAR_OF_LINES_M = 4.0  # and this far off other borders and streets, or as far as the chain before it
PIECE_M = 3.0  # a chain may turn at its own corners, and at points this far apart on it
STEP_M = 25.0  # a border along a footpath for less than this between free stretches is one of them
LINK_M = 15.0  # a piece less is worth this much more length
LONGEST_M = 250.0  # of the chain that one piece stands for
WALL_M = 0.05  # a border this deep within an outline runs along the wall
UNSEEN_M = 0.1  # a turn goes whose triangle is smaller than a square of this side
LEAST_ANGLE = math.cos(math.radians(30.0))  # at which a piece leaves another line at a chain's end


def draw_outlines(
    units: Units, label: Numbers, count: int, footprints: Geometries, settled: Flags | None = None
) -> Geometries:
    """The polygons of grids 0 … count-1; `label` gives each face's grid, `footprints` (metres) the buildings.

    Neighbours share their vertices, and together they cover what the faces cover. Each footprint that no
    border crossed stays in its grid. settled: grids whose borders lose no turn, however small.
    """
    polygons = dissolve(units.blocks.faces, label, count)
    chains = _find_chains(units, label, polygons)
    if chains:
        field = _Field(units, label, polygons, footprints, chains)
        for chain in chains:
            field.straighten(chain)
        polygons = _redraw(polygons, chains)
    # turns too small to see, where lines were noded or met at a hair's breadth; both sides of a border alike
    loose = np.ones(count, dtype=np.bool_) if settled is None else ~settled
    polygons[loose] = shapely.coverage_simplify(polygons[loose], UNSEEN_M, simplify_boundary=False)
    return trim_tips(polygons, footprints, _barriers(units), loose)


def _barriers(units: Units) -> Geometries:
    """The segments along water, rail and walls."""
    borders = units.blocks.borders
    some = np.isin(borders.kind, [CLASS_NUMBER[name] for name in SEVERING])
    return np.asarray(shapely.linestrings(np.stack([borders.start[some], borders.end[some]], axis=1)))


@dataclass
class _Chain:
    """A border between two grids where nothing runs, from one fixed point to the next. `drawn`: as it is put
    on paper.
    """

    points: Lengths
    drawn: Lengths


def _find_chains(units: Units, label: Numbers, polygons: Geometries) -> list[_Chain]:
    """The chains, in an order that does not depend on how faces are numbered."""
    borders = units.blocks.borders
    one, other = label[borders.a], label[borders.b]
    movable, marked = _part_segments(borders, one != other)
    free = np.flatnonzero(movable)
    if not len(free):
        return []
    outer_start, outer_end, _ = segments(polygons)
    outer = np.vstack([outer_start, outer_end])[np.tile(_unshared(outer_start, outer_end), 2)]
    ends = np.vstack([borders.start[free], borders.end[free]])
    still = np.vstack([borders.start[marked], borders.end[marked], outer])
    _, node = np.unique(np.vstack([ends, still]), axis=0, return_inverse=True)
    node = node.reshape(-1)
    first, last = node[: len(free)], node[len(free) : 2 * len(free)]
    degree = np.bincount(node[: 2 * len(free)], minlength=int(node.max()) + 1)
    fixed = degree != 2
    fixed[node[2 * len(free) :]] = True
    low, high = np.minimum(one, other)[free], np.maximum(one, other)[free]
    found = [_Chain(points, points) for points in _walk(first, last, low, high, fixed, ends)]
    return sorted(
        found, key=lambda chain: (-_length(chain.points), *sorted(map(tuple, chain.points[[0, -1]])))
    )


def _part_segments(borders: Borders, between: Flags) -> tuple[Flags, Flags]:
    """Which segments a border may leave, and which lines it must heed. A footpath within a grid is crossed
    anywhere; a border that only steps along a footpath for a few metres need not.
    """
    free = between & (borders.kind == 0)
    path = borders.kind == CLASS_NUMBER["path"]
    steps = np.flatnonzero(between & path)
    if len(steps) and free.any():
        ends = np.vstack([borders.start, borders.end])
        _, node = np.unique(ends, axis=0, return_inverse=True)
        first, last = node.reshape(2, -1)
        links = coo_array((np.ones(len(steps)), (first[steps], last[steps])), shape=(len(ends), len(ends)))
        _, run = connected_components(links, directed=False)
        metres = np.bincount(run[first[steps]], weights=borders.length[steps], minlength=int(run.max()) + 1)
        free[steps[metres[run[first[steps]]] < STEP_M]] = True
    return free, (borders.kind != 0) & ~free & ~(path & ~between)


def _unshared(start: Lengths, end: Lengths) -> Flags:
    """Which segments belong to one polygon only."""
    table = np.hstack(undirected(start, end))
    _, which, times = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(times[which.reshape(-1)] == 1)


def _walk(
    first: Numbers, last: Numbers, low: Numbers, high: Numbers, fixed: Flags, ends: Lengths
) -> Iterator[Lengths]:
    """Follow the free segments from fixed point to fixed point; what is left then are rings, cut open."""
    beside: dict[int, list[int]] = {}
    for s, (a, b) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        beside.setdefault(a, []).append(s)
        beside.setdefault(b, []).append(s)
    place = {}
    for s, (a, b) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        place[a], place[b] = ends[s], ends[s + len(first)]
    for n, some in beside.items():
        if len(some) == 2 and (low[some[0]], high[some[0]]) != (low[some[1]], high[some[1]]):
            fixed[n] = True
    used = np.zeros(len(first), dtype=bool)
    starts = [n for n in beside if fixed[n]]
    rings = sorted((n for n in beside if not fixed[n]), key=lambda n: tuple(place[n]))
    for start in starts + rings:
        for s in beside[start]:
            if used[s]:
                continue
            here, way = start, [place[start]]
            while True:
                used[s] = True
                here = int(last[s] if first[s] == here else first[s])
                way.append(place[here])
                if fixed[here] or here == start:
                    break
                s = next(t for t in beside[here] if t != s)
            yield np.array(way)


class _Field:
    """What a border must not come near: walls, streets, and other borders as they are at the moment."""

    def __init__(
        self,
        units: Units,
        label: Numbers,
        polygons: Geometries,
        footprints: Geometries,
        chains: list[_Chain],
    ) -> None:
        borders = units.blocks.borders
        start, end, _ = segments(polygons)
        outer = _unshared(start, end)
        _, marked = _part_segments(borders, label[borders.a] != label[borders.b])
        still = np.vstack(
            [np.hstack([borders.start[marked], borders.end[marked]]), np.hstack([start[outer], end[outer]])]
        )
        self.still = still
        self.lines = shapely.STRtree(shapely.linestrings(still.reshape(-1, 2, 2)))
        self.footprints = footprints
        self.walls = shapely.STRtree(footprints)
        self.chains = chains
        self.boxes = np.array([_box(chain.drawn) for chain in chains]).reshape(-1, 4)

    def straighten(self, chain: _Chain) -> None:
        """Draw the chain as straight as it can be."""
        points = _subdivide(chain.points)
        if len(points) < 3:
            return
        hull = shapely.buffer(shapely.convex_hull(shapely.multipoints(points)), CLEAR_OF_LINES_M + 1.0)
        lines = self.still[np.sort(self.lines.query(hull, predicate="intersects"))]
        near = np.flatnonzero(
            (self.boxes[:, :2] <= points.max(axis=0)).all(axis=1)
            & (self.boxes[:, 2:] >= points.min(axis=0)).all(axis=1)
        )
        others = [self.chains[n].drawn for n in near if self.chains[n] is not chain]
        lines = np.vstack([lines, *(np.hstack([other[:-1], other[1:]]) for other in others)])
        feet = self.footprints[np.sort(self.walls.query(hull, predicate="intersects"))]
        core = shapely.buffer(feet, -WALL_M, join_style="mitre")
        core = np.where(shapely.is_empty(core), feet, core)
        start, end, _ = segments(core)
        probes = np.vstack(
            [shapely.get_coordinates(shapely.point_on_surface(core)), (lines[:, :2] + lines[:, 2:]) / 2]
        )
        kept = straightest(
            points,
            np.vstack([np.hstack([start, end]), lines]),
            np.append(np.full(len(start), CLEAR_M), np.full(len(lines), CLEAR_OF_LINES_M)),
            probes,
            _courses(lines, points[0]),
            _courses(lines, points[-1]),
        )
        chain.drawn = points[kept]
        own = next(n for n in near if self.chains[n] is chain)
        self.boxes[own] = _box(chain.drawn)


def _box(points: Lengths) -> Lengths:
    """The box round the points, and what must stay clear of it: x and y least, x and y most."""
    return np.concatenate([points.min(axis=0) - CLEAR_OF_LINES_M, points.max(axis=0) + CLEAR_OF_LINES_M])


def _subdivide(points: Lengths) -> Lengths:
    """The chain with further points on it, PIECE_M apart; the same from either end."""
    length = np.hypot(*np.diff(points, axis=0).T)
    count = np.maximum(np.round(length / PIECE_M), 1).astype(np.int64)
    which = np.repeat(np.arange(len(length)), count)
    share = (np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)) / count[which]
    fine = points[which] + share[:, None] * np.diff(points, axis=0)[which]
    return np.vstack([fine, points[-1:]])


def _courses(lines: Lengths, point: Lengths) -> Lengths:
    """Unit vectors (n, 2) along which lines leave the point."""
    from_start = (lines[:, :2] == point).all(axis=1)
    from_end = (lines[:, 2:] == point).all(axis=1)
    away = lines[:, 2:] - lines[:, :2]
    away = np.vstack([away[from_start], -away[from_end]])
    return np.asarray(away / np.maximum(np.hypot(*away.T), 1e-12)[:, None])


def _length(points: Lengths) -> float:
    return round(float(np.hypot(*np.diff(points, axis=0).T).sum()), 3)


@numba.njit(cache=True)
def straightest(points, lines, clear, probes, first_courses, last_courses):  # type: ignore[no-untyped-def]
    """Which points of a chain (n, 2) to keep, so that fewest and shortest straight pieces are left.

    lines (m, 4): what must not be crossed, nor come nearer to than `clear` (m) or than the chain is. probes
    (p, 2): points that must stay on their side. courses: unit vectors in which other lines leave the chain's
    ends. Neighbouring points of the chain may always be joined. Dynamic programming from the end.
    """
    n, m, p = len(points), len(lines), len(probes)
    near = np.empty((n - 1, m))
    for k in range(n - 1):
        for o in range(m):
            near[k, o] = _apart(points[k], points[k + 1], lines[o])
    best = np.full(n, np.inf)
    best[n - 1] = 0.0
    after = np.full(n, n, dtype=np.int64)
    least = np.empty(m)
    inside = np.empty(p, dtype=np.bool_)
    for i in range(n - 2, -1, -1):
        least[:] = np.inf
        inside[:] = False
        walked = 0.0
        for j in range(i + 1, n):
            walked += math.hypot(points[j, 0] - points[j - 1, 0], points[j, 1] - points[j - 1, 1])
            if walked > LONGEST_M and j > i + 1:
                break
            for o in range(m):
                least[o] = min(least[o], near[j - 1, o])
            for q in range(p):
                if _passes(points[j - 1], points[j], probes[q]):
                    inside[q] = not inside[q]
            step = math.hypot(points[j, 0] - points[i, 0], points[j, 1] - points[i, 1])
            cost = best[j] + step + LINK_M
            if cost >= best[i]:
                continue
            if j > i + 1:
                if i == 0 and not _leaves(points, 0, 1, j, first_courses):
                    continue
                if j == n - 1 and not _leaves(points, n - 1, n - 2, i, last_courses):
                    continue
                if not _free(points[i], points[j], lines, clear, least):
                    continue
                if not _keeps_sides(points[i], points[j], probes, inside):
                    continue
            best[i] = cost
            after[i] = j
    kept = np.empty(n, dtype=np.int64)
    count, i = 0, 0
    while i < n:
        kept[count] = i
        count += 1
        i = after[i]
    return kept[:count]


@numba.njit(cache=True)
def _leaves(points, end, beside, to, courses):  # type: ignore[no-untyped-def]
    """Whether the piece from a chain's end makes no sharper angle with the lines that leave there."""
    x, y = points[to, 0] - points[end, 0], points[to, 1] - points[end, 1]
    u, v = points[beside, 0] - points[end, 0], points[beside, 1] - points[end, 1]
    length, before = math.hypot(x, y), math.hypot(u, v)
    if length == 0.0 or before == 0.0:
        return False
    for c in range(len(courses)):
        now = (x * courses[c, 0] + y * courses[c, 1]) / length
        then = (u * courses[c, 0] + v * courses[c, 1]) / before
        if now > max(LEAST_ANGLE, then) + 1e-9:
            return False
    return True


@numba.njit(cache=True)
def _free(a, b, lines, clear, least):  # type: ignore[no-untyped-def]
    for o in range(len(lines)):
        room = min(clear[o], least[o])
        if (
            max(a[0], b[0]) + room < min(lines[o, 0], lines[o, 2])
            or min(a[0], b[0]) - room > max(lines[o, 0], lines[o, 2])
            or max(a[1], b[1]) + room < min(lines[o, 1], lines[o, 3])
            or min(a[1], b[1]) - room > max(lines[o, 1], lines[o, 3])
        ):
            continue
        apart = _apart(a, b, lines[o])
        if apart < room - 1e-6 or (apart == 0.0 and _cross(a, b, lines[o])):
            return False
    return True


@numba.njit(cache=True)
def _keeps_sides(a, b, probes, inside):  # type: ignore[no-untyped-def]
    for q in range(len(probes)):  # noqa: SIM110 - compiled
        if inside[q] != _passes(a, b, probes[q]):
            return False
    return True


@numba.njit(cache=True)
def _passes(a, b, q):  # type: ignore[no-untyped-def]
    """Whether a ray from `q` to the east meets the piece."""
    if (a[1] > q[1]) == (b[1] > q[1]):
        return False
    return q[0] < a[0] + (q[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])


@numba.njit(cache=True)
def _side(ax, ay, bx, by, x, y):  # type: ignore[no-untyped-def]
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax)


@numba.njit(cache=True)
def _cross(a, b, line):  # type: ignore[no-untyped-def]
    """Whether two pieces cross between their ends."""
    one = _side(a[0], a[1], b[0], b[1], line[0], line[1])
    two = _side(a[0], a[1], b[0], b[1], line[2], line[3])
    three = _side(line[0], line[1], line[2], line[3], a[0], a[1])
    four = _side(line[0], line[1], line[2], line[3], b[0], b[1])
    return one * two < 0.0 and three * four < 0.0


@numba.njit(cache=True)
def _off(x, y, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """How far a point is from a piece."""
    u, v = bx - ax, by - ay
    square = u * u + v * v
    t = 0.0 if square == 0.0 else min(max(((x - ax) * u + (y - ay) * v) / square, 0.0), 1.0)
    return math.hypot(x - ax - t * u, y - ay - t * v)


@numba.njit(cache=True)
def _apart(a, b, line):  # type: ignore[no-untyped-def]
    """How far two pieces are from each other; 0 where they cross."""
    if _cross(a, b, line):
        return 0.0
    return min(
        min(
            _off(a[0], a[1], line[0], line[1], line[2], line[3]),
            _off(b[0], b[1], line[0], line[1], line[2], line[3]),
        ),
        min(_off(line[0], line[1], a[0], a[1], b[0], b[1]), _off(line[2], line[3], a[0], a[1], b[0], b[1])),
    )


def _redraw(polygons: Geometries, chains: list[_Chain]) -> Geometries:
    """The polygons with every chain as it is drawn."""
    ahead: dict[tuple[Point, Point], tuple[int, Lengths]] = {}
    inner: set[Point] = set()
    for chain in chains:
        points = [(x, y) for x, y in chain.points.tolist()]
        ahead[points[0], points[1]] = len(points) - 1, chain.drawn
        ahead[points[-1], points[-2]] = len(points) - 1, chain.drawn[::-1]
        inner.update(points[1:-1])
    parts, owner = shapely.get_parts(polygons, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    redrawn = np.array([shapely.linearrings(_retrace(ring, ahead, inner)) for ring in rings], dtype=object)
    first = np.searchsorted(part, np.arange(len(parts) + 1))
    whole = np.array(
        [shapely.polygons(redrawn[a], redrawn[a + 1 : b]) for a, b in pairwise(first)],
        dtype=object,
    )
    if len(parts) == len(polygons):
        return whole
    return np.array(
        [
            shapely.multipolygons(whole[owner == i]) if (owner == i).sum() > 1 else whole[owner == i][0]
            for i in range(len(polygons))
        ],
        dtype=object,
    )


def _retrace(
    ring: shapely.LinearRing,
    ahead: dict[tuple[Point, Point], tuple[int, Lengths]],
    inner: set[Point],
) -> Lengths:
    """The ring's vertices with every chain on it as it is drawn. `ahead`: by a chain's first two points, how
    many segments it has and how it is drawn; `inner`: the points at which no walk begins.
    """
    points = [(x, y) for x, y in shapely.get_coordinates(ring)[:-1].tolist()]
    first = next((i for i, point in enumerate(points) if point not in inner), 0)
    points = points[first:] + points[: first + 1]
    way: list[Point] = []
    i = 0
    while i < len(points) - 1:
        steps, drawn = ahead.get((points[i], points[i + 1]), (1, None))
        way += [points[i]] if drawn is None else [(x, y) for x, y in drawn[:-1].tolist()]
        i += steps
    return np.array([*way, way[0]])
