"""四至: what each grid lies between, east, south, west and north, in words.

A grid's outline is taken in small pieces. Each piece looks outward to one of four sides, and what runs along
it has a name: a street, a water, a railway, a wall; where nothing runs, the two buildings it passes between,
the grid or the community beyond.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import geopandas as gpd
import numpy as np
import shapely

from partition.area import STREET_CLASSES, Area, call_buildings
from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.geometry.blocks import STRENGTH, segments
from partition.texts import Language, catalogue

Side = Literal["east", "south", "west", "north"]
Beyond = Literal["buildings", "grid", "community", "edge"]
SIDES: tuple[Side, ...] = get_args(Side)  # in the order in which 四至 are told
Kind = Literal["arterial", "secondary", "local", "lane", "path", "water", "rail", "wall"] | Beyond

PIECE_M = 6.0  # the outline is looked at in pieces of at most this length
WINDOW_M = 40.0  # a piece faces the way that the outline does over this far to both sides, at most,
WINDOW_SHARE = 0.05  # and over this share of the outline
SQUARE = 0.25  # an outline whose parts agree less than this on a direction has none: due east it is
REACH_M = {"arterial": 14.0, "secondary": 12.0}  # how far off what names a border may run: it may be wide
REACH_OTHERS_M = 4.0
SAME_WAY = 40.0  # degrees between a border and a street that runs along it
GAP_M = 40.0  # a border runs between two buildings that are this near to it
LEAST_SHARE = 0.25  # of a side, for a line that is named besides the side's greatest part,
LEAST_SHARE_UNMARKED = 0.4  # and for ground where no line runs
LEAST_SHARE_OF_GAPS = 0.3  # of the border with one grid, for a building that it runs past
MOST = 3  # things on one side
ACROSS_M = 0.5  # what lies this far across the border lies beyond it
BEHIND_M = 5.0  # a grid that goes on this far behind a piece of its outline, or farther, is not bounded there
CODED = re.compile(r"[A-Za-z]{1,2}-?[0-9]{1,5}")
# what a machine calls a building: a row's number, an identifier of a database; nobody finds a house by it
MACHINE = re.compile(r"#[0-9]+|.*[0-9]{6,}.*|[0-9A-Fa-f-]{16,}")


@dataclass(frozen=True)
class Abutment:
    """What runs along part of a side: its class, its names, and the metres.

    names: of the street, water, railway or wall; of the grid's own buildings; the code of the grid beyond
    (which is not told: codes change); the name of the community beyond; empty where it has none (an unnamed
    lane, the edge of the area). across: of the buildings on the other side.
    """

    kind: Kind
    names: tuple[str, ...]
    length_m: float
    across: tuple[str, ...] = ()


@dataclass(frozen=True)
class Abuttals:
    """The four bounds of one grid, each side's parts in the order in which one walks them clockwise."""

    sides: Mapping[Side, tuple[Abutment, ...]]

    def text(self, lang: Language) -> str:
        """The sentence: 东至…，南至…，西至…，北至…。"""
        say = catalogue("partition").say
        told = {side: _list(self.sides[side], lang) for side in SIDES}
        return say("abuttals.sentence", lang, **told)


def find_abuttals(grids: gpd.GeoDataFrame, area: Area) -> list[Abuttals]:
    """The four bounds of each grid.

    grids: code, community, geometry (metres, in `area.crs`); all those of a community, so that neighbours are
    known, of one community or of several. Turning the area by 90° turns the sides with it.
    """
    if not len(grids):
        return []
    area = _around(area, grids)
    outline = _trace(grids.geometry.to_numpy())
    side = _face_sides(outline, len(grids))
    bound = _bounds(outline, side, grids.geometry.to_numpy())
    # clockwise: down the east side, westward along the south, and so on
    along = (outline.middle * np.array([(0.0, -1.0), (-1.0, 0.0), (0.0, 1.0), (1.0, 0.0)])[side]).sum(axis=1)
    stretches = _find_stretches(outline, grids, area)
    gathered: list[dict[int, dict[_Stretch, _Run]]] = [{} for _ in range(len(grids))]
    for grid, where, stretch, length, at, counts in zip(
        outline.grid.tolist(),
        side.tolist(),
        stretches,
        outline.length.tolist(),
        along.tolist(),
        bound.tolist(),
        strict=True,
    ):
        if counts:
            gathered[grid].setdefault(where, {}).setdefault(stretch, _Run()).add(length, at)
    return [Abuttals({s: _chief(sides.get(i, {})) for i, s in enumerate(SIDES)}) for sides in gathered]


def _around(area: Area, grids: gpd.GeoDataFrame) -> Area:
    """The area near the grids, so that each community of a city looks at its own surroundings only."""
    box = shapely.buffer(shapely.box(*grids.total_bounds), GAP_M)
    near = {
        layer: frame.iloc[np.sort(frame.sindex.query(box, predicate="intersects"))]
        for layer, frame in (
            ("communities", area.communities),
            ("streets", area.streets),
            ("buildings", area.buildings),
        )
    }
    return replace(area, **near)


class _Stretch(NamedTuple):
    """What a piece of outline is summed up under: a line's kind and name, or the grid across (its code) with
    the two buildings between which the border runs there.
    """

    kind: Kind
    name: str
    between: tuple[str, str] | None = None


@dataclass
class _Run:
    """Metres of outline, and where they lie along the side (each piece's place times its metres, summed)."""

    metres: float = 0.0
    moment: float = 0.0

    def add(self, metres: float, place: float) -> None:
        self.metres += metres
        self.moment += metres * place

    def join(self, other: _Run) -> None:
        self.metres += other.metres
        self.moment += other.moment

    @property
    def place(self) -> float:
        return self.moment / max(self.metres, 1e-9)


def _chief(side: Mapping[_Stretch, _Run]) -> tuple[Abutment, ...]:
    """The parts of a side that are worth a word, clockwise."""
    things: dict[tuple[Kind, str], _Run] = {}
    gaps: dict[tuple[Kind, str], dict[tuple[str, str], _Run]] = {}
    for stretch, run in side.items():
        thing = stretch.kind, stretch.name
        things.setdefault(thing, _Run()).join(run)
        if stretch.between is not None:
            gaps.setdefault(thing, {})[stretch.between] = run
    total = sum(run.metres for run in things.values())
    parts: list[tuple[float, Abutment]] = []
    for rank, thing in enumerate(sorted(things, key=lambda one: (-round(things[one].metres, 3), one))):
        (kind, name), run = thing, things[thing]
        least = LEAST_SHARE if kind in STREET_CLASSES else LEAST_SHARE_UNMARKED
        if rank >= MOST or (rank and run.metres < least * total):
            continue
        told = Abutment(kind, (name,) if name else (), round(run.metres, 1))
        parts.append((run.place, _between(gaps.get(thing, {}), run.metres) or told))
    return tuple(part for _, part in sorted(parts, key=lambda part: (round(part[0], 3), part[1].names)))


def _between(gaps: Mapping[tuple[str, str], _Run], metres: float) -> Abutment | None:
    """The buildings between which a border of this length runs, those on either side clockwise; None where on
    one side none stands along enough of it, or one building stands on both.
    """
    sides: list[tuple[str, ...]] = []
    for number in (0, 1):
        along: dict[str, _Run] = {}
        for pair, gap in gaps.items():
            along.setdefault(pair[number], _Run()).join(gap)
        some = [name for name, run in along.items() if run.metres >= LEAST_SHARE_OF_GAPS * metres]
        sides.append(tuple(sorted(some, key=lambda name: (round(along[name].place, 3), name))))
    own, other = sides
    if not own or not other or set(own) & set(other):
        return None
    return Abutment("buildings", own, round(sum(gap.metres for gap in gaps.values()), 1), other)


def _list(parts: tuple[Abutment, ...], lang: Language) -> str:
    say = catalogue("partition").say
    words = []
    for part in parts:
        key = f"abuttals.{part.kind}" if part.names else f"abuttals.unnamed_{part.kind}"
        if part.kind == "buildings":
            key += "_several" if len(part.names) + len(part.across) > 2 else ""
            words.append(say(key, lang, name=_call(part.names, lang), other=_call(part.across, lang)))
        else:
            words.append(say(key, lang, **dict(zip(["name"], part.names, strict=False))))
    return _enumerate(list(dict.fromkeys(words)) or [say("abuttals.nothing", lang)], lang)


def _enumerate(words: Sequence[str], lang: Language) -> str:
    if lang == "zh":
        return "、".join(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _call(buildings: Sequence[str], lang: Language) -> str:
    """A bare number is read as the number of a house, a number with a letter or two as that of a block."""
    keys = ["number" if b.isdigit() else "code" if CODED.fullmatch(b) else "name" for b in buildings]
    say = catalogue("partition").say
    if len(set(keys)) == 1:  # one 栋 for all of them
        return say(f"abuttals.building_{keys[0]}", lang, name=_enumerate(buildings, lang))
    called = [say(f"abuttals.building_{key}", lang, name=b) for key, b in zip(keys, buildings, strict=True)]
    return _enumerate(called, lang)


@dataclass(frozen=True)
class _Outline:
    """Pieces of the outlines, by piece: the grid, its middle (n, 2) and length, the segment it lies on
    (`step`, end less start), and a vector that points outward, smoothed over a window.
    """

    grid: Numbers
    middle: Lengths
    length: Lengths
    step: Lengths
    outward: Lengths


def _trace(polygons: Geometries) -> _Outline:
    """Walk round every outline (holes are left out: what lies within a grid does not bound it)."""
    parts, owner = shapely.get_parts(polygons, return_index=True)
    shells = shapely.polygons(shapely.get_exterior_ring(parts))
    shells = shapely.orient_polygons(shells)  # counter-clockwise: outward is to the right
    start, end, shell = segments(shells)
    length = np.hypot(*(end - start).T)
    # one long coordinate along all shells, with a metre between two of them
    run_start = np.cumsum(length) - length + shell
    run_end = run_start + length
    round_m = np.bincount(shell, weights=length)
    first = run_start[np.searchsorted(shell, np.arange(len(shells)))]
    count = np.maximum(np.ceil(length / PIECE_M), 1).astype(np.int64)
    which = np.repeat(np.arange(len(start)), count)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    share = ((number + 0.5) / count[which])[:, None]
    at = run_start[which] + share[:, 0] * length[which]
    window = np.minimum(WINDOW_M, WINDOW_SHARE * round_m)[shell[which]]

    knots = np.stack([run_start, run_end], axis=1).reshape(-1)
    places = np.stack([start, end], axis=1).reshape(-1, 2)

    def place(run_at: Lengths) -> Lengths:
        ring = shell[which]
        around = first[ring] + np.mod(run_at - first[ring], round_m[ring])
        return np.stack([np.interp(around, knots, places[:, i]) for i in (0, 1)], axis=1)

    chord = place(at + window) - place(at - window)
    return _Outline(
        grid=owner[shell][which].astype(np.int64),
        middle=start[which] + share * (end - start)[which],
        length=(length / count)[which],
        step=(end - start)[which],
        outward=np.stack([chord[:, 1], -chord[:, 0]], axis=1),
    )


def _face_sides(outline: _Outline, count: int) -> Numbers:
    """The side of each piece, a position in SIDES.

    The four sides are those of the grid's own rectangle, not of the compass: a grid between slanted streets
    has four sides too. The direction of the rectangle is that of most of the outline, told apart by quarter
    turns; of the four ways to turn it, the one nearest to that of all grids together is taken.
    """
    angle = np.arctan2(outline.step[:, 1], outline.step[:, 0])
    quarter = outline.length * np.exp(4j * angle)
    by_grid = np.bincount(outline.grid, weights=quarter.real, minlength=count) + 1j * np.bincount(
        outline.grid, weights=quarter.imag, minlength=count
    )
    around = np.bincount(outline.grid, weights=outline.length, minlength=count)
    turn = np.where(np.abs(by_grid) >= SQUARE * around, np.angle(by_grid) / 4, 0.0)
    common = np.angle(by_grid.sum()) / 4
    turn -= np.round((turn - common) / (np.pi / 2)) * (np.pi / 2)
    outward = np.arctan2(outline.outward[:, 1], outline.outward[:, 0]) - turn[outline.grid]
    anticlockwise = np.round(outward / (np.pi / 2)).astype(np.int64)  # east, north, west, south, and again
    return np.asarray((-anticlockwise) % 4, dtype=np.int64)


def _bounds(outline: _Outline, side: Numbers, polygons: Geometries) -> Flags:
    """Which pieces bound their grid on their side: the grid does not go on behind them. Where no piece of a
    side does, all count.
    """
    ways = np.array([(1.0, 0.0), (0.0, -1.0), (-1.0, 0.0), (0.0, 1.0)])[side]
    reach = shapely.length(polygons)[outline.grid]  # beyond all of the grid
    rays = np.stack([outline.middle + ways * BEHIND_M, outline.middle + ways * reach[:, None]], axis=1)
    shapely.prepare(polygons)
    free = ~shapely.intersects(polygons[outline.grid], shapely.linestrings(rays))
    place = outline.grid * 4 + side
    some = np.bincount(place, weights=free) > 0
    return np.asarray(free | ~some[place])


def _find_stretches(outline: _Outline, grids: gpd.GeoDataFrame, area: Area) -> list[_Stretch]:
    points = shapely.points(outline.middle)
    line = _street_along(points, outline.step, area.streets)
    kinds, names = area.streets["class"].to_list(), area.streets["name"].to_list()
    beyond, across = _beyond(outline, line < 0, grids, area.communities)
    own, other = _buildings_beside(points, outline.grid, beyond, grids, area.buildings)
    called, codes = call_buildings(area), grids["code"].to_list()
    communities = [
        str(name or key) for name, key in zip(area.communities["name"], area.communities["id"], strict=True)
    ]
    found = []
    for street, mine, theirs, grid, community in zip(
        *(column.tolist() for column in (line, own, other, beyond, across)), strict=True
    ):
        if street >= 0:
            found.append(_Stretch(kinds[street], names[street]))
        elif grid >= 0:
            pair = (called[mine], called[theirs]) if mine >= 0 and theirs >= 0 else ("", "")
            told = pair[0] != pair[1] and not any(MACHINE.fullmatch(name) for name in pair)
            found.append(_Stretch("grid", codes[grid], pair if told else None))
        elif community >= 0:
            found.append(_Stretch("community", communities[community]))
        else:
            found.append(_Stretch("edge", ""))
    return found


def _street_along(points: Geometries, step: Lengths, streets: gpd.GeoDataFrame) -> Numbers:
    """The line that runs along each piece, the nearest; of those on one line the strongest; -1 for none."""
    found = np.full(len(points), -1, dtype=np.int64)
    kept = np.flatnonzero(~streets["tunnel"].to_numpy(dtype=bool))
    if not len(kept):
        return found
    lines, names = streets.geometry.to_numpy()[kept], streets["class"].to_numpy()[kept]
    reach = np.array([REACH_M.get(name, REACH_OTHERS_M) for name in names])
    tree = shapely.STRtree(lines)
    pairs = []
    for distance in np.unique(reach):
        point, line = tree.query(points, predicate="dwithin", distance=float(distance))
        some = reach[line] == distance
        pairs.append(np.stack([point[some], line[some]]))
    point, line = np.concatenate(pairs, axis=1)
    at = shapely.line_locate_point(lines[line], points[point])
    away = shapely.distance(lines[line], points[point])
    ahead, behind = (
        shapely.get_coordinates(shapely.line_interpolate_point(lines[line], np.maximum(at + d, 0.0)))
        for d in (2.0, -2.0)
    )
    course = ahead - behind
    inner = np.abs((course * step[point]).sum(axis=1))
    along = inner >= np.cos(np.radians(SAME_WAY)) * np.hypot(*course.T) * np.hypot(*step[point].T)
    point, line, away = point[along], line[along], away[along]
    rank = np.array([STRENGTH.index(name) for name in names])[line]
    unnamed = streets["name"].to_numpy()[kept[line]] == ""
    order = np.lexsort((line, unnamed, rank, away.round(1), point))
    first = order[np.unique(point[order], return_index=True)[1]]
    found[point[first]] = kept[line[first]]
    return found


def _buildings_beside(
    points: Geometries, grid: Numbers, beyond: Numbers, grids: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame
) -> tuple[Numbers, Numbers]:
    """Rows of the nearest building on either side of the pieces that have a grid beyond, -1 for none."""
    own, other = (np.full(len(points), -1, dtype=np.int64) for _ in range(2))
    some = np.flatnonzero(beyond >= 0)
    if not len(some) or not len(buildings):
        return own, other
    footprints = buildings.geometry.to_numpy()
    piece, foot = shapely.STRtree(footprints).query(points[some], predicate="dwithin", distance=GAP_M)
    piece = some[piece]
    away = shapely.distance(points[piece], footprints[foot]).round(2)
    near, row = np.unique(foot, return_inverse=True)
    holder = _holder(footprints[near], grids.geometry.to_numpy())[row.reshape(-1)]
    for side, rows in ((grid, own), (beyond, other)):
        here = np.flatnonzero(holder == side[piece])
        order = here[np.lexsort((foot[here], away[here], piece[here]))]
        first = order[np.unique(piece[order], return_index=True)[1]]
        rows[piece[first]] = foot[first]
    return own, other


def _holder(footprints: Geometries, polygons: Geometries) -> Numbers:
    """The polygon that holds a point of each footprint, -1 for none."""
    found = np.full(len(footprints), -1, dtype=np.int64)
    foot, polygon = shapely.STRtree(polygons).query(shapely.point_on_surface(footprints), "intersects")
    found[foot] = polygon
    return found


def _beyond(
    outline: _Outline, free: Flags, grids: gpd.GeoDataFrame, communities: gpd.GeoDataFrame
) -> tuple[Numbers, Numbers]:
    """The grid of the same community just across the pieces where nothing runs, and the other community: -1
    for none.
    """
    grid, community = (np.full(len(outline.grid), -1, dtype=np.int64) for _ in range(2))
    some = np.flatnonzero(free)
    right = np.stack([outline.step[some, 1], -outline.step[some, 0]], axis=1)
    right *= ACROSS_M / np.maximum(np.hypot(*right.T), 1e-9)[:, None]
    outside = shapely.points(outline.middle[some] + right)
    own = grids["community"].to_numpy()[outline.grid[some]]
    for found, frame, name in ((grid, grids, "community"), (community, communities, "id")):
        piece, there = shapely.STRtree(frame.geometry.to_numpy()).query(outside, predicate="intersects")
        same = frame[name].to_numpy()[there] == own[piece]
        right_one = same if frame is grids else ~same
        found[some[piece[right_one]]] = there[right_one]
    return np.where(grid == outline.grid, -1, grid), community
