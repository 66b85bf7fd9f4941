"""The ground plan of the sample community: streets, border, estates and footprints of a place that is none.

The plan is drawn on squared paper (metres, x east, y north) and then bent by `bend`, so that streets curve
and blocks are not square. Nothing here is random: the same plan comes out each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.affinity import rotate, translate
from shapely.geometry import LineString, MultiLineString, Point, Polygon
from shapely.ops import substring

Floats = NDArray[np.float64]
Place = tuple[float, float]

STEP_M = 25.0  # no piece of a street is longer, so that it can bend
REACH_M = 6.0  # a street's end as near as this to another street meets it
CORNER_DEGREES, CURVE_M = 9.0, 16.0  # a sharper turn is a curve that begins this far from its corner


@dataclass(frozen=True)
class Way:
    """A street, railway, water course or wall of the plan; `points` run in the direction of travel."""

    name: str
    class_: str
    points: Sequence[Place]
    bridge: bool = False
    tunnel: bool = False
    layer: int = 0
    oneway: bool = False


@dataclass(frozen=True)
class House:
    """A footprint with what it is: form (a key of `FORMS`), quarter, floors and dwellings on a floor."""

    form: str
    quarter: str
    floors: int
    dwellings: int
    shape: Polygon
    name: str = ""


@dataclass(frozen=True)
class Estate:
    """A walled housing estate (小区): its ground, and the places where its wall opens."""

    id: str
    name: str
    corners: Sequence[Place]
    gates: Sequence[Place]


@dataclass(frozen=True)
class Town:
    """The bent plan, in metres from its south-west corner."""

    border: Polygon
    ways: list[tuple[Way, LineString]]
    estates: list[tuple[Estate, Polygon]]
    gates: list[Point]
    houses: list[House]
    parks: list[tuple[str, Polygon]] = field(default_factory=list)


def bend(points: Floats) -> Floats:
    """Squared paper → ground: a slight turn, and long waves in both directions. Metres; shape (n, 2)."""
    x, y = points[:, 0], points[:, 1]
    east = x + 0.075 * (y - 300) + 9 * np.sin(2 * np.pi * y / 680 + 0.7) + 4 * np.sin(2 * np.pi * x / 410)
    north = (
        y - 0.045 * (x - 415) + 9 * np.sin(2 * np.pi * x / 760 + 1.2) + 4 * np.sin(2 * np.pi * y / 390 + 2)
    )
    return 0.9965 * np.column_stack((east, north))


def bend_point(place: Place) -> Point:
    """The one place `place` of the squared paper on the ground."""
    return Point(bend(np.array([place], dtype=float))[0])


def heading(place: Place) -> float:
    """The direction in degrees, counter-clockwise from east, in which the paper's x axis runs at `place`."""
    (x0, y0), (x1, y1) = bend(np.array([(place[0] - 5, place[1]), (place[0] + 5, place[1])]))
    return float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))


def river_x(y: float) -> float:
    """The river's middle on the paper at height `y`."""
    return 594 + 20 * float(np.sin(2 * np.pi * (y + 40) / 560)) + 5 * float(np.sin(2 * np.pi * y / 230))


def _bank(offset: float, south: float, north: float) -> list[Place]:
    heights = np.linspace(south, north, max(2, round((north - south) / 20) + 1))
    return [(river_x(y) + offset, float(y)) for y in heights]


WEST_BANK = -38.0
EAST_BANK = 36.0

# Only helps to draw the border, which runs between the arterial's carriageways.
_MEDIAN = Way("median", "median", [(0, -60), (0, 300), (0, 660)])

WAYS: list[Way] = [
    Way("文昌大道", "arterial", [(9, -60), (9, 300), (9, 566)], oneway=True),
    Way("文昌大道", "arterial", [(9, 566), (9, 614)], tunnel=True, layer=-1, oneway=True),
    Way("文昌大道", "arterial", [(9, 614), (9, 660)], oneway=True),
    Way("文昌大道", "arterial", [(-9, 660), (-9, 614)], oneway=True),
    Way("文昌大道", "arterial", [(-9, 614), (-9, 566)], tunnel=True, layer=-1, oneway=True),
    Way("文昌大道", "arterial", [(-9, 566), (-9, 300), (-9, -60)], oneway=True),
    Way("铁路", "rail", [(-70, 586), (0, 588), (200, 592), (420, 592), (river_x(590) - 22, 590)]),
    Way(
        "铁路", "rail", [(river_x(590) - 22, 590), (river_x(590) + 22, 589.5)], bridge=True, layer=1
    ),
    Way("铁路", "rail", [(river_x(590) + 22, 589.5), (830, 583), (905, 579)]),
    Way("清溪河", "water", _bank(0, -70, 660)),
    Way("人民路", "secondary", [(-70, 294), (0, 297), (204, 300), (402, 308), (river_x(306) - 20, 306)]),
    Way(
        "人民路",
        "secondary",
        [(river_x(306) - 20, 306), (river_x(306) + 20, 304)],
        bridge=True,
        layer=1,
    ),
    Way("人民路", "secondary", [(river_x(306) + 20, 304), (732, 297), (832, 293), (905, 288)]),
    Way("东环路", "secondary", [(838, -60), (834, 140), (832, 293), (830, 440), (830, 560)]),
    Way("东环路", "secondary", [(830, 560), (830, 604)], tunnel=True, layer=-1),
    Way("东环路", "secondary", [(830, 604), (832, 660)]),
    Way("南门街", "local", [(-70, -4), (0, 0), (206, 4), (404, 2), (river_x(0) + WEST_BANK, 0)]),
    Way("东门街", "local", [(river_x(12) + EAST_BANK, 12), (736, 8), (836, 10), (905, 14)]),
    Way("滨河路", "local", _bank(WEST_BANK, 0, 566)),
    Way("桂花街", "local", [(206, 4), (199, 150), (204, 300), (207, 440), (205, 570)]),
    Way("书院街", "local", [(404, 2), (396, 140), (402, 308)]),
    Way("文昌巷", "local", [(9, 146), (110, 150), (199, 152)]),
    Way("学堂路", "local", [(9, 436), (110, 432), (207, 436)]),
    Way("杏林路", "local", [(436, 307), (440, 440), (436, 572)]),
    Way("兴业街", "local", [(river_x(152) + EAST_BANK, 152), (734, 148), (834, 150)]),
    Way("河东巷", "lane", _bank(EAST_BANK, 12, 302)),
    Way("铁道巷", "lane", [(9, 562), (24, 579), (110, 581), (190, 581), (205, 570)]),
    Way("铁道巷", "lane", [(205, 570), (320, 573), (436, 572), (river_x(566) + WEST_BANK, 566)]),
    Way("古井巷", "lane", [(200, 206), (262, 202), (300, 208), (350, 204), (399, 210)]),
    Way("灯笼巷", "lane", [(201, 104), (250, 100), (300, 105), (352, 99), (397, 106)]),
    Way("竹巷", "lane", [(304, 3), (297, 60), (300, 105), (306, 156), (300, 208), (303, 304)]),
    Way("豆腐巷", "lane", [(250, 203), (253, 236), (249, 268)]),
    Way("染坊弄", "lane", [(352, 99), (349, 70), (354, 42)]),
    Way("书包弄", "lane", [(350, 204), (354, 236), (350, 262)]),
    Way("酱园巷", "lane", [(397, 112), (470, 116), (river_x(116) + WEST_BANK, 118)]),
    Way("柳荫巷", "lane", [(440, 436), (500, 432), (river_x(432) + WEST_BANK, 434)]),
    Way("兰花巷", "lane", [(734, 148), (730, 220), (732, 297)]),
    Way("茶馆弄", "lane", [(100, 150), (103, 96), (99, 62)]),
    # paths within the estates and along the river
    Way("滨河步道", "path", [*_bank(20, 328, 560)]),
    Way("滨河步道", "path", [(river_x(328) + 20, 328), (660, 301)]),
    Way("文昌小区中路", "path", [(207, 440), (260, 441), (321, 444), (380, 442), (440, 440)]),
    Way("文昌小区南路", "path", [(321, 305), (321, 380), (321, 444), (321, 546)]),
    Way("江畔花园南路", "path", [(732, 297), (732, 352)]),
    Way("江畔花园环路", "path", [(732, 352), (668, 358), (656, 400), (658, 500), (672, 552), (734, 557),
                            (792, 549), (803, 500), (804, 400), (792, 353), (732, 352)]),
    Way("江畔花园东路", "path", [(803, 448), (830, 448)]),
    Way("江畔花园中路", "path", [(732, 352), (730, 392)]),
    Way("机械厂大院路", "path", [(398, 200), (440, 204), (478, 206), (480, 270), (480, 307)]),
    Way("机械厂大院南路", "path", [(478, 206), (476, 160), (475, 142)]),
    Way("学校门前路", "path", [(110, 432), (112, 452), (116, 508)]),
    Way("幼儿园门前路", "path", [(438.5, 480), (480, 482)]),
]  # fmt: skip

ESTATES: list[Estate] = [
    Estate(
        "C1",
        "江畔花园",
        [(650, 314), (820, 308), (818, 572), (652, 576), (644, 440)],
        [(732, 311), (819, 447.5)],
    ),
    Estate(
        "C2", "文昌小区", [(215, 312), (428, 317), (431, 440), (427, 561), (214, 560), (216, 440)],
        [(321, 314.5), (216, 440), (431, 440)],
    ),
    Estate(
        "C3", "机械厂家属院", [(407, 128), (543, 132), (532, 200), (530, 296), (411, 299), (408, 200)],
        [(408, 200.5), (480, 297.5)],
    ),
]  # fmt: skip

# Walled grounds that are no estates.
YARDS: list[tuple[str, Sequence[Place], Sequence[Place]]] = [
    ("样例小学围墙", [(26, 452), (194, 450), (194, 574), (30, 572)], [(112, 451)]),
    ("样例幼儿园围墙", [(462, 472), (545, 472), (545, 530), (460, 532)], [(461.5, 481)]),
]

PARKS: list[tuple[str, Sequence[Place]]] = [
    ("清溪公园", [(river_x(y) + 15, y) for y in range(320, 561, 20)] + [(640, 560), (636, 440), (642, 320)]),
    ("古井广场", [(206, 262), (240, 262), (240, 292), (206, 292)]),
]

GATE_M = 11.5  # so wide that an end of the wall is no near miss of the path through the gate


# --- lines -----------------------------------------------------------------------------------------------


def _with_vertex(points: list[Place], place: Place) -> list[Place]:
    """`points` with `place`, which lies on one of the pieces, as a vertex."""
    if place in points:
        return points
    line = LineString(points)
    at = line.project(Point(place))
    along = [line.project(Point(p)) for p in points]
    along[-1] = line.length
    index = int(np.searchsorted(along, at))
    return [*points[:index], place, *points[index:]]


def _meet(lines: list[list[Place]], apart: set[tuple[int, int]]) -> list[list[Place]]:
    """Lines that share a vertex where they cross or one ends on another; pairs in `apart` do not meet."""
    lines = [list(points) for points in lines]
    for i, points in enumerate(lines):
        for end in (0, -1):
            for j in range(len(lines)):
                if i == j or (i, j) in apart or points[end] in lines[j]:
                    continue
                other = LineString(lines[j])
                here = Point(points[end])
                if other.distance(here) > REACH_M:
                    continue
                vertex = min(lines[j], key=lambda p: here.distance(Point(p)))
                if here.distance(Point(vertex)) > REACH_M:
                    on = other.interpolate(other.project(here))
                    vertex = (on.x, on.y)
                    lines[j] = _with_vertex(lines[j], vertex)
                points[end] = vertex
    for i in range(len(lines)):
        for j in range(i + 1, len(lines)):
            if (i, j) in apart:
                continue
            common = LineString(lines[i]).intersection(LineString(lines[j]))
            for part in shapely.get_parts(common):
                if part.geom_type != "Point":
                    continue
                nearest = min((*lines[i], *lines[j]), key=lambda p: part.distance(Point(p)))
                place = nearest if part.distance(Point(nearest)) < 1e-6 else (part.x, part.y)
                lines[i] = _with_vertex(lines[i], place)
                lines[j] = _with_vertex(lines[j], place)
    return lines


def _curve(before: Place, corner: Place, after: Place) -> list[Place]:
    """Points of a curve that cuts the corner; the corner itself where the line hardly turns."""
    a, b, c = np.array(before), np.array(corner), np.array(after)
    into, out = float(np.hypot(*(b - a))), float(np.hypot(*(c - b)))
    turn = np.degrees(np.arccos(np.clip(np.dot(b - a, c - b) / (into * out), -1, 1)))
    if turn < CORNER_DEGREES:
        return [corner]
    reach = min(CURVE_M, 0.45 * into, 0.45 * out)
    start, end = b + (a - b) * reach / into, b + (c - b) * reach / out
    steps = np.linspace(0.0, 1.0, 5)[:, None]
    curve = (1 - steps) ** 2 * start + 2 * steps * (1 - steps) * b + steps**2 * end
    return [(float(x), float(y)) for x, y in curve]


def _rounded(lines: list[list[Place]]) -> list[list[Place]]:
    """Lines whose corners are curves, except where they meet."""
    shared = Counter(place for points in lines for place in set(points))
    result = []
    for points in lines:
        smooth = [points[0]]
        for before, here, after in zip(points, points[1:], points[2:], strict=False):
            smooth += [here] if shared[here] > 1 else _curve(before, here, after)
        result.append([*smooth, points[-1]])
    return result


def _bent(points: Sequence[Place], *, closed: bool = False) -> Floats:
    """The points on the ground, with more of them between, so that straight pieces bend."""
    ring = [*points, points[0]] if closed else list(points)
    dense: list[Place] = [ring[0]]
    for (x0, y0), (x1, y1) in pairwise(ring):
        pieces = max(1, int(np.ceil(np.hypot(x1 - x0, y1 - y0) / STEP_M)))
        dense += [(x0 + (x1 - x0) * k / pieces, y0 + (y1 - y0) * k / pieces) for k in range(1, pieces)] + [
            (x1, y1)
        ]
    return bend(np.array(dense))


def _between(points: list[Place], start: Place, end: Place) -> list[Place]:
    """The part of a line between two of its vertices, in that direction."""
    i, j = points.index(start), points.index(end)
    return points[i : j + 1] if i <= j else points[j : i + 1][::-1]


def _crossing(a: list[Place], b: list[Place]) -> Place:
    """The vertex that two lines share."""
    return next(p for p in a if p in b)


def _draw_ways() -> tuple[list[list[Place]], list[Place]]:
    """The points of each way of WAYS on the paper, meeting each other; and the border's corners."""
    ways = [*WAYS, _MEDIAN]
    # Streets and the railway bridge the river: no vertex of theirs is shared with it.
    apart = {
        (i, j)
        for i, a in enumerate(ways)
        for j, b in enumerate(ways)
        if (a.class_ == "water") != (b.class_ == "water")
    }
    lines = _rounded(_meet([list(way.points) for way in ways], apart))

    def line(name: str, part: int = 0) -> list[Place]:
        return lines[[i for i, way in enumerate(ways) if way.name == name][part]]

    median, south_west, south_east = line("median"), line("南门街"), line("东门街")
    rail_west, rail_bridge, rail_east = line("铁路", 0), line("铁路", 1), line("铁路", 2)
    ring_south, ring_tunnel = line("东环路", 0), line("东环路", 1)
    sw, nw = _crossing(median, south_west), _crossing(median, rail_west)
    ne, se = _crossing(ring_tunnel, rail_east), _crossing(ring_south, south_east)
    border = [
        *_between(median, sw, nw),
        *_between(rail_west, nw, rail_bridge[0]),
        rail_bridge[-1],
        *_between(rail_east, rail_bridge[-1], ne),
        *_between(ring_tunnel, ne, ring_south[-1]),
        *_between(ring_south, ring_south[-1], se),
        *_between(south_east, se, south_east[0]),
        *_between(south_west, south_west[-1], sw),
    ]
    ring = [place for k, place in enumerate(border) if k == 0 or place != border[k - 1]]
    return lines[:-1], ring[:-1] if ring[0] == ring[-1] else ring


# --- walls -----------------------------------------------------------------------------------------------


def _walls(ring: LineString, gates: Iterable[Point]) -> list[LineString]:
    """The estate's outline, open at its gates."""
    openings = shapely.union_all([gate.buffer(GATE_M / 2) for gate in gates])
    rest = ring.difference(openings)
    merged = shapely.line_merge(rest) if isinstance(rest, MultiLineString) else rest
    return sorted(shapely.get_parts(merged).tolist(), key=lambda part: part.coords[0])


# --- footprints ------------------------------------------------------------------------------------------


def _box(w: float, d: float, x: float = 0.0, y: float = 0.0) -> Polygon:
    return shapely.box(x - w / 2, y - d / 2, x + w / 2, y + d / 2)


def _slab(w: float, d: float) -> Polygon:
    """A block of flats of several stairs, each stair standing out to the north."""
    stairs = max(1, round(w / 17))
    bays = [_box(5.2, 1.6, (k + 0.5) * w / stairs - w / 2, d / 2 + 0.4) for k in range(stairs)]
    return shapely.union_all([_box(w, d), *bays])


def _stepped(w: float, d: float) -> Polygon:
    """A block of flats whose halves stand a few metres apart in depth."""
    return shapely.union_all([_box(w / 2 + 0.01, d, -w / 4, 1.8), _box(w / 2 + 0.01, d, w / 4, -1.8)])


def _tower(w: float, d: float) -> Polygon:
    """A tower with two wings and recesses between them."""
    body = _box(w, d)
    cuts = [_box(3.0, 4.0, x, -d / 2 + 1.0) for x in (-w / 6, w / 6)] + [_box(w / 4, 3.0, 0, d / 2)]
    return body.difference(shapely.union_all(cuts))


def _court(w: float, d: float) -> Polygon:
    """A house on three sides of a yard that opens to the south."""
    return _box(w, d).difference(_box(w * 0.42, d * 0.62, 0, -d * 0.25))


def _corner(w: float, d: float) -> Polygon:
    """A house with two wings at a right angle."""
    return _box(w, d).difference(_box(w * 0.5, d * 0.5, w * 0.26, -d * 0.26))


def _comb(w: float, d: float) -> Polygon:
    """A school: a long corridor with three wings."""
    wings = [_box(9, d, x, 0) for x in (-w / 2 + 4.5, 0, w / 2 - 4.5)]
    return shapely.union_all([_box(w, 9, 0, d / 2 - 4.5), *wings])


FORMS = {
    "slab": _slab,
    "stepped": _stepped,
    "tower": _tower,
    "court": _court,
    "corner": _corner,
    "comb": _comb,
    "plain": _box,
}


def _stand(shape: Polygon, place: Place, turn: float) -> Polygon:
    """`shape`, drawn about the origin, at `place` of the paper, turned with the streets there."""
    at = bend_point(place)
    return translate(rotate(shape, heading(place) + turn, origin=(0, 0)), at.x, at.y)


def _place(
    form: str,
    quarter: str,
    at: Place,
    size: Place,
    floors: int,
    dwellings: int,
    turn: float = 0,
    name: str = "",
) -> House:
    return House(form, quarter, floors, dwellings, _stand(FORMS[form](*size), at, turn), name)


def _towers() -> list[House]:
    """The towers of 江畔花园, facing south, the tallest along the railway."""
    spots = [
        (688, 332, 17), (776, 329, 17),
        (684, 392, 22), (778, 390, 22),
        (732, 424, 26), (684, 456, 24),
        (780, 454, 26), (732, 490, 28),
        (690, 528, 30), (776, 524, 30),
    ]  # fmt: skip
    return [_place("tower", "towers", (x, y), (30, 15), floors, 4, -1.5) for x, y, floors in spots]


def _estate_slabs() -> list[House]:
    """The six-storey slabs of 文昌小区."""
    houses = []
    for row, y in enumerate((333, 361, 389, 417, 468, 497, 526)):
        for column, (x, w) in enumerate(((241, 40), (290, 44), (351, 42), (401, 44))):
            form = "slab" if (row + column) % 3 else "stepped"
            houses.append(_place(form, "slabs", (x, y), (w, 11.5), 6, 6, 1.0))
    return houses


def _yard_houses() -> list[House]:
    """机械厂家属院: flats of several decades, and the yard's boiler house and bicycle shed."""
    return [
        _place("slab", "yard", (440, 148), (44, 11.5), 5, 6),
        _place("slab", "yard", (506, 149), (44, 11.5), 5, 6),
        _place("plain", "yard", (436, 178), (48, 10.5), 4, 8),
        _place("slab", "yard", (508, 176), (38, 11.5), 6, 6),
        _place("plain", "yard", (502, 204), (34, 10.5), 3, 8),
        _place("slab", "yard", (436, 228), (44, 11.5), 6, 6),
        _place("slab", "yard", (505, 232), (40, 11.5), 6, 6),
        _place("slab", "yard", (436, 256), (44, 11.5), 6, 6),
        _place("slab", "yard", (505, 260), (38, 11.5), 6, 6),
        _place("tower", "yard", (443, 283), (26, 14), 15, 4),
        _place("slab", "yard", (506, 285), (36, 11.5), 7, 4),
        _place("plain", "service", (458, 192), (10, 7), 1, 0, name="锅炉房"),
        _place("plain", "service", (526, 204), (6, 9), 1, 0, name="车棚"),
    ]


def _front_houses() -> list[House]:
    """Flats along the streets, most with shops below."""
    # x, y, width, floors, and a turn of 90° where the house stands along a street that runs north
    spots = [
        # south-west, below 文昌巷
        (66, 76, 46, 6, 0), (66, 124, 46, 6, 0), (137, 24, 50, 7, 0), (137, 54, 50, 6, 0),
        (138, 84, 48, 6, 0), (140, 128, 56, 7, 0), (184, 68, 58, 7, -91),
        # south-west, above 文昌巷
        (74, 174, 52, 6, 0), (136, 178, 46, 7, 0), (74, 204, 52, 6, 0), (136, 209, 46, 7, 0),
        (74, 235, 52, 6, 0), (136, 240, 46, 6, 0), (184, 196, 60, 7, -88), (148, 278, 64, 7, 0),
        # north-west, below 学堂路
        (76, 321, 56, 7, 0), (148, 323, 60, 7, 0), (74, 353, 46, 6, 0), (134, 356, 48, 6, 0),
        (74, 384, 46, 6, 0), (134, 388, 48, 6, 0), (188, 386, 62, 7, -90),
        # between 杏林路 and 滨河路
        (490, 327, 60, 7, -2), (480, 356, 46, 6, 0), (482, 384, 50, 6, 0), (490, 412, 62, 6, -3),
        (486, 456, 60, 6, 0), (490, 550, 64, 7, 3), (518, 369, 38, 6, -87),
        # between 南门街 and 酱园巷
        (446, 22, 58, 7, 0), (518, 21, 52, 7, 0), (440, 54, 46, 6, 0), (500, 56, 44, 6, 0),
        (446, 90, 58, 6, 0), (518, 93, 48, 6, 2), (540, 58, 34, 5, -84),
        # east of the river, below 兴业街
        (692, 31, 56, 7, 0), (774, 29, 58, 7, 0), (690, 62, 46, 6, 0), (774, 62, 50, 6, 0),
        (774, 94, 50, 6, 0), (690, 128, 52, 6, 0), (770, 128, 46, 6, 0), (815, 86, 64, 7, -91),
        # east of the river, above 兴业街
        (688, 173, 50, 6, 0), (774, 172, 50, 6, 0),
        (774, 206, 50, 6, 0), (690, 206, 46, 6, 0), (690, 272, 54, 7, 0), (780, 273, 66, 7, 0),
        (815, 210, 66, 7, -91), (774, 239, 50, 6, 0),
    ]  # fmt: skip
    return [
        _place("slab", "front", (x, y), (w, 12), floors, 2 * round(w / 17), turn)
        for x, y, w, floors, turn in spots
    ]


def _public_houses() -> list[House]:
    """What is not lived in."""
    return [
        _place("comb", "school", (116, 540), (88, 36), 4, 0, name="样例小学教学楼"),
        _place("plain", "school", (170, 482), (26, 40), 1, 0, name="样例小学体育馆"),
        _place("corner", "kindergarten", (506, 500), (40, 30), 3, 0, name="样例幼儿园"),
        _place("plain", "market", (58, 34), (54, 34), 2, 0, name="文昌农贸市场"),
        _place("plain", "service_station", (228, 280), (26, 14), 2, 0, name="样例社区服务站"),
        _place("corner", "clinic", (690, 96), (36, 22), 3, 0, name="社区卫生服务站"),
        _place("plain", "elderly_care", (690, 239), (34, 16), 2, 0, name="养老服务站"),
        _place("plain", "police", (374, 288), (20, 12), 2, 0, name="社区警务室"),
        _place("plain", "shop", (32, 180), (13, 38), 2, 0),
        _place("plain", "shop", (32, 226), (13, 38), 2, 0),
        _place("plain", "shop", (32, 272), (13, 34), 2, 0),
        _place("plain", "shop", (32, 326), (13, 34), 2, 0),
        _place("plain", "shop", (32, 372), (13, 38), 2, 0),
        _place("plain", "shop", (32, 416), (13, 26), 2, 0),
        _place("plain", "shop", (32, 98), (13, 60), 3, 0),
        _place("plain", "shop", (86, 276), (40, 13), 2, 0),
        _place("plain", "toilet", (276, 288), (9, 6), 1, 0, name="公共厕所"),
        _place("plain", "toilet", (640, 330), (7, 5), 1, 0, name="公共厕所"),
        _place("plain", "substation", (732, 530), (10, 8), 1, 0, name="配电房"),
    ]


# Where a house that would stand on a lane is tried again.
NUDGES = ((0, 0), (3, 0), (-3, 0), (0, 3), (0, -3), (3, 3), (-3, -3), (5, -3), (-5, 3))


def _old_houses(count: int, taken: list[Polygon], streets: list[tuple[Way, LineString]]) -> list[House]:
    """Courtyard houses of the old quarter: in rows between the lanes, none on a lane or on another house."""
    lines = shapely.union_all([line.buffer(_half_width(way) + 1.5) for way, line in streets])
    stops = shapely.union_all(
        [lines, *[shape.buffer(2.0) for shape in taken], *[_ground(p) for _, p in PARKS]]
    )
    houses: list[House] = []
    for row in range(17):
        for column in range(13):
            k = row * 13 + column
            wobble = ((k * 37) % 11 - 5) / 5, ((k * 53) % 13 - 6) / 6
            x, y = 214 + 14.6 * column + 1.2 * wobble[0], 17 + 17.2 * row + 1.5 * wobble[1]
            w, d = 10.5 + (k * 29) % 4, 10.5 + (k * 17) % 5
            form = ("court", "plain", "court", "corner", "plain")[(k * 7) % 5]
            for dx, dy in NUDGES:
                house = _place(
                    form, "old", (x + dx, y + dy), (w, d), 1 + (k * 13) % 5 // 2, 1, 2.0 * wobble[1]
                )
                near = any(house.shape.distance(other.shape) < 0.6 for other in houses)
                if not near and not house.shape.intersects(stops):
                    houses.append(house)
                    break
    if len(houses) < count:
        raise ValueError(f"the old quarter has room for {len(houses)} houses, {count} are wanted")
    # Leave out evenly, so that gardens lie scattered among the houses.
    keep = np.floor(np.arange(count) * len(houses) / count).astype(int)
    return [houses[k] for k in keep]


def _ground(corners: Sequence[Place]) -> Polygon:
    return Polygon(_bent(corners, closed=True))


# Ground that each kind takes on either side of its line, in metres: no house stands there.
HALF_WIDTH_M = {
    "arterial": 6.0,
    "secondary": 7.0,
    "local": 4.5,
    "lane": 1.8,
    "path": 1.5,
    "water": 12.0,
    "rail": 5.0,
    "wall": 0.3,
}


def _half_width(way: Way) -> float:
    return HALF_WIDTH_M[way.class_]


def draw_town(buildings: int) -> Town:
    """The whole plan with exactly `buildings` footprints."""
    lines, ring = _draw_ways()
    ways = [(way, LineString(_bent(points))) for way, points in zip(WAYS, lines, strict=True)]
    border = Polygon(_bent(ring, closed=True))
    estates = [(estate, _ground(estate.corners)) for estate in ESTATES]
    gates: list[Point] = []
    for estate, ground in estates:
        outline = LineString(ground.exterior.coords)
        own = [outline.interpolate(outline.project(bend_point(gate))) for gate in estate.gates]
        gates += own
        ways += [(Way(f"{estate.name}围墙", "wall", []), wall) for wall in _walls(outline, own)]
    for name, corners, openings in YARDS:
        outline = LineString(_bent(corners, closed=True))
        own = [outline.interpolate(outline.project(bend_point(gate))) for gate in openings]
        gates += own
        ways += [(Way(name, "wall", []), wall) for wall in _walls(outline, own)]
    houses = [*_towers(), *_estate_slabs(), *_yard_houses(), *_front_houses(), *_public_houses()]
    old = _old_houses(buildings - len(houses), [house.shape for house in houses], ways)
    return Town(
        border=border,
        ways=ways,
        estates=estates,
        gates=gates,
        houses=houses + old,
        parks=[(name, _ground(corners)) for name, corners in PARKS],
    )


def along(line: LineString, spacing: float, offset: float = 0.0) -> list[Point]:
    """Points every `spacing` metres along a line, `offset` metres to its left (right where negative)."""
    places = []
    for at in np.arange(spacing / 2, line.length, spacing):
        piece = substring(line, max(0.0, at - 0.5), min(line.length, at + 0.5))
        (x0, y0), (x1, y1) = piece.coords[0], piece.coords[-1]
        length = float(np.hypot(x1 - x0, y1 - y0))
        left = (-(y1 - y0) / length, (x1 - x0) / length)
        middle = line.interpolate(at)
        places.append(Point(middle.x + offset * left[0], middle.y + offset * left[1]))
    return places
