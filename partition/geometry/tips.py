"""Tips of grids: corners so sharp that what lies in them is of no use, such as the end of the strip between a
street and the river that it crosses at a slight angle. They go to the neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from partition.arrays import Flags, Geometries, Lengths

Point = tuple[float, float]
Edge = tuple[Point, Point]

SHARP = 20.0  # degrees: a corner sharper than this is a tip,
NARROW_M = 3.0  # where it is narrower than this at the end of its shorter side
LEAST_LEFT = 30.0  # degrees that stay at that end
SAME_M = 0.5  # a cut that would end this close to a corner ends in it
LINE_M = 0.01  # from a line on which an edge lies
HELD_M2 = 0.01  # of a footprint, which makes a tip one that holds something
MOST = 0.1  # of a grid, that one tip may be
ROUNDS = 5  # behind a tip there may be another


def trim_tips(
    polygons: Geometries, footprints: Geometries, barriers: Geometries, loose: Flags | None = None
) -> Geometries:
    """The coverage (metres) with every tip cut off and given to the grid across its shorter side, or else to
    the one across its longer side.

    What a footprint reaches into is no tip, and nothing is given away across `barriers`. loose: the polygons
    that may change, all if not given. Polygons that share vertices still do; those without tips stay as they
    are, but for a vertex where a cut meets them.
    """
    loose = np.ones(len(polygons), dtype=np.bool_) if loose is None else loose
    walls, feet = shapely.STRtree(barriers), shapely.STRtree(footprints)
    polygons = polygons.copy()
    for _ in range(ROUNDS):
        tips = _find_tips(polygons)
        if not tips:
            break
        outlines = _Outlines(polygons, loose)
        for tip in tips:
            receives = outlines.receiver(tip, walls)
            if receives is not None and not _holds(tip, feet) and _within(tip, polygons[tip.polygon]):
                outlines.cut(tip, receives)
        if not outlines.changed:
            break
        for number in outlines.changed:
            polygons[number] = outlines.draw(number)
    return polygons


@dataclass(frozen=True)
class _Tip:
    """The triangle of a tip: its point, the end of its shorter side, and where the cut meets its longer side,
    which is the edge from the point to `far`. ahead: whether the longer side comes after the point in the
    polygon's ring.
    """

    polygon: int
    point: Point
    near: Point
    cut: Point
    far: Point
    ahead: bool

    @property
    def triangle(self) -> shapely.Polygon:
        return shapely.Polygon([self.point, self.near, self.cut])

    def own(self, side: Point) -> Edge:
        """The edge between the point and the end of a side, as the tip's own ring walks it."""
        return (self.point, side) if (side == self.far) == self.ahead else (side, self.point)


def _oriented(polygons: Geometries) -> Geometries:
    """The polygons with what they hold to the left of every ring."""
    return np.asarray(shapely.orient_polygons(polygons))


def _find_tips(polygons: Geometries) -> list[_Tip]:
    """All tips, the narrowest first."""
    parts, polygon = shapely.get_parts(_oriented(polygons), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    coords, ring = shapely.get_coordinates(rings, return_index=True)
    at = np.flatnonzero(ring[:-1] == ring[1:])
    start, end, owner = coords[at], coords[at + 1], polygon[part[ring[at]]]
    # the corner before each: for the first of a ring its last
    first = np.searchsorted(ring[at], np.arange(len(rings)))
    before = np.arange(len(at)) - 1
    before[first] = np.append(first[1:], len(at)) - 1
    back, ahead = start[before] - start, end - start
    lengths = np.hypot(*back.T), np.hypot(*ahead.T)
    turn = ahead[:, 0] * back[:, 1] - ahead[:, 1] * back[:, 0]
    angle = np.degrees(np.arctan2(turn, (ahead * back).sum(axis=1)))  # within the polygon, or below 0
    width = np.minimum(*lengths) * np.sin(np.radians(angle))
    sharp = np.flatnonzero((angle > 0) & (angle < SHARP) & (width < NARROW_M))
    found = []
    for i in sharp[np.lexsort((start[sharp, 1], start[sharp, 0], width[sharp].round(6)))].tolist():
        longer_ahead = bool(lengths[1][i] >= lengths[0][i])
        near, far = (start[before[i]], end[i]) if longer_ahead else (end[i], start[before[i]])
        shorter, longer = sorted((float(lengths[0][i]), float(lengths[1][i])))
        along = shorter * float(np.cos(np.radians(angle[i])))
        cut = far if longer - along < SAME_M else start[i] + (far - start[i]) / longer * along
        found.append(
            _Tip(int(owner[i]), _point(start[i]), _point(near), _point(cut), _point(far), longer_ahead)
        )
    return found


def _point(place: Lengths) -> Point:
    return float(place[0]), float(place[1])


def _holds(tip: _Tip, feet: shapely.STRtree) -> bool:
    """Whether a footprint reaches into the tip."""
    there = feet.geometries[feet.query(tip.triangle, predicate="intersects")]
    return bool(shapely.area(shapely.intersection(there, tip.triangle)).sum() > HELD_M2)


def _within(tip: _Tip, polygon: shapely.Geometry) -> bool:
    """Whether all of the triangle is the polygon's, and only a small part of it."""
    triangle = tip.triangle
    return bool(triangle.area < MOST * polygon.area and triangle.difference(polygon).area < HELD_M2)


class _Outlines:
    """The rings of a coverage, by polygon, and who walks each edge."""

    def __init__(self, polygons: Geometries, loose: Flags) -> None:
        self.loose = loose
        self.shapes: list[list[list[list[Point]]]] = []
        self.walker: dict[Edge, int] = {}
        self.changed: set[int] = set()
        for number, shape in enumerate(_oriented(polygons)):
            parts = []
            for part in shapely.get_parts(shape):
                rings = [
                    [_point(place) for place in shapely.get_coordinates(ring)[:-1]]
                    for ring in shapely.get_rings(part)
                ]
                for ring in rings:
                    for edge in zip(ring, [*ring[1:], ring[0]], strict=True):
                        self.walker[edge] = number
                parts.append(rings)
            self.shapes.append(parts)

    def receiver(self, tip: _Tip, walls: shapely.STRtree) -> int | None:
        """The polygon to which the tip goes: one with which it shares a side that is no barrier, the shorter
        side first. None: it stays.
        """
        sides = [tip.own(tip.near), tip.own(tip.far)]
        if any(self.walker.get(side) != tip.polygon for side in sides) or self._left(tip) < LEAST_LEFT:
            return None  # an edge that was cut before, or a corner in place of the tip
        rings = [ring for part in self.shapes[tip.polygon] for ring in part]
        if any(sum(ring.count(corner) for ring in rings) > 1 for corner in (tip.point, tip.near, tip.far)):
            return None  # the polygon touches itself there: which of its ways is meant is not clear
        across = [self.walker.get((end, start)) for start, end in sides]
        if not all(self.loose[number] for number in (tip.polygon, *across) if number is not None):
            return None
        for side, other in zip(sides, across, strict=True):
            middle = shapely.Point(np.mean(side, axis=0))
            if other is not None and not len(walls.query(middle, predicate="dwithin", distance=LINE_M)):
                return other
        return None

    def _left(self, tip: _Tip) -> float:
        """Degrees of the polygon at the near end once the tip is gone."""
        for rings in self.shapes[tip.polygon]:
            for ring in rings:
                if tip.near in ring and tip.point in ring:
                    at = ring.index(tip.near)
                    beyond = ring[at - 1] if tip.ahead else ring[(at + 1) % len(ring)]
                    u, v = np.subtract(beyond, tip.near), np.subtract(tip.cut, tip.near)
                    turn = float(u[0] * v[1] - u[1] * v[0]) * (-1 if tip.ahead else 1)
                    angle = float(np.degrees(np.arctan2(turn, float(u @ v))))
                    return angle if angle > 0 else angle + 360.0
        return 0.0

    def cut(self, tip: _Tip, receiver: int) -> None:
        """Give the tip away: its own ring takes the short way, those beside it come up to it."""
        near, far = tip.own(tip.near), tip.own(tip.far)
        beside, beyond = self.walker.get(near[::-1]), self.walker.get(far[::-1])
        own = {near: [tip.near, tip.cut], far: [tip.cut, tip.far]}
        self._replace(tip.polygon, {edge: _along(edge, line) for edge, line in own.items()})
        ways: dict[int, dict[Edge, list[Point]]] = {}
        if beside is not None and beside == receiver:
            ways.setdefault(beside, {})[near[::-1]] = [tip.point, tip.cut, tip.near]
        if beyond is not None:
            inner = [tip.cut] if beside == receiver else [tip.near, tip.cut]
            ways.setdefault(beyond, {})[far[::-1]] = [tip.point, *inner, tip.far]
        for other, lines in ways.items():
            self._replace(other, {edge: _along(edge, line) for edge, line in lines.items()})

    def _replace(self, number: int, ways: dict[Edge, list[Point]]) -> None:
        """Walk the given ways instead of the edges."""
        self.changed.add(number)
        for edge in ways:
            del self.walker[edge]
        for rings in self.shapes[number]:
            for at, ring in enumerate(rings):
                walk: list[Point] = []
                for edge in zip(ring, [*ring[1:], ring[0]], strict=True):
                    walk += ways.get(edge, list(edge))[:-1]
                rings[at] = walk = _without_spurs(walk)
                for edge in zip(walk, [*walk[1:], walk[0]], strict=True):
                    self.walker[edge] = number

    def draw(self, number: int) -> shapely.Geometry:
        parts = [shapely.Polygon(rings[0], rings[1:]) for rings in self.shapes[number]]
        return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _along(edge: Edge, line: list[Point]) -> list[Point]:
    """The line in the direction of the edge that it replaces."""
    forward = edge[0] == line[0] or edge[1] == line[-1]
    return line if forward else line[::-1]


def _without_spurs(ring: list[Point]) -> list[Point]:
    """The ring without ways there and back, and without points twice in a row."""
    while True:
        for at in range(len(ring)):
            if ring[at] == ring[at - 1]:
                ring = ring[:at] + ring[at + 1 :]
                break
            if ring[at] == ring[at - 2]:
                ring = [point for n, point in enumerate(ring) if n not in {at, (at - 1) % len(ring)}]
                break
        else:
            return ring
