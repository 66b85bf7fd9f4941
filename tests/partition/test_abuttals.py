"""四至 as a person would say them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import LineString, box
from shapely.affinity import rotate

from partition.area import Area
from partition.geometry.abuttals import (
    SIDES,
    Abutment,
    Abuttals,
    _between,
    _beyond,
    _bounds,
    _buildings_beside,
    _call,
    _chief,
    _face_sides,
    _holder,
    _Outline,
    _Run,
    _street_along,
    _Stretch,
    _trace,
    find_abuttals,
)
from tests.lattice import CRS, make_area

SQUARE = box(0, 0, 400, 400)
# a square of five grids round the crossing of 解放路 (north to south) and an avenue (two carriageways)
STREETS = {
    "解放路": ("secondary", [(200, -10), (200, 410)]),
    "沿江大道": ("arterial", [(-10, 193), (410, 193)]),
    "沿江大道 ": ("arterial", [(-10, 207), (410, 207)]),
    "清溪": ("water", [(-10, 0), (410, 0)]),
    "铁路": ("rail", [(400, -10), (400, 410)]),
    "": ("lane", [(0, -10), (0, 410)]),
}
HOUSES = {
    "12": box(20, 250, 80, 270),
    "13": box(20, 330, 80, 350),
    "A7": box(250, 250, 280, 270),
    "1": box(20, 20, 40, 40),
    "2": box(250, 20, 270, 40),
}
GRIDS = {
    "C1-001": box(0, 300, 200, 400),
    "C1-002": box(0, 200, 200, 300),
    "C1-003": box(200, 200, 400, 400),
    "C1-004": box(0, 0, 200, 200),
    "C1-005": box(200, 0, 400, 200),
}


def town(streets=STREETS, community=(SQUARE,)) -> Area:
    lines = [LineString(points) for _, points in streets.values()]
    classes = [kind for kind, _ in streets.values()]
    area = make_area(list(community), lines, classes, list(HOUSES.values()), [10] * len(HOUSES), list(HOUSES))
    return replace(area, streets=area.streets.assign(name=[name.strip() for name in streets]))


def grids(shapes=GRIDS) -> gpd.GeoDataFrame:
    frame = {"code": list(shapes), "community": [code.partition("-")[0] for code in shapes]}
    return gpd.GeoDataFrame(frame, geometry=list(shapes.values()), crs=CRS)


def say(found: list[Abuttals], lang="zh") -> list[str]:
    return [one.text(lang) for one in found]


def test_the_bounds_are_what_a_person_would_say() -> None:
    assert say(find_abuttals(grids(), town())) == [
        "东至解放路，南至13号楼与12号楼之间，西至无名巷，北至社区边界。",
        "东至解放路，南至沿江大道，西至无名巷，北至12号楼与13号楼之间。",
        "东至铁路，南至沿江大道，西至解放路，北至社区边界。",
        "东至解放路，南至清溪，西至无名巷，北至沿江大道。",
        "东至铁路，南至清溪，西至解放路，北至沿江大道。",
    ]
    assert say(find_abuttals(grids(), town()), "en")[1] == (
        "Bounded on the east by 解放路; on the south by 沿江大道; on the west by an unnamed lane; "
        "on the north by the line between the buildings 12 and 13."
    )


def housed(names: dict[str, shapely.Geometry]) -> Area:
    area = make_area([SQUARE], [], [], list(names.values()), [10] * len(names), list(names))
    return replace(area, streets=area.streets.assign(name=""))


HALVES = {"C1-001": box(0, 200, 400, 400), "C1-002": box(0, 0, 400, 200)}


def test_a_border_past_several_buildings_names_them_once_clockwise() -> None:
    area = housed({"B1": box(20, 220, 180, 240), "B2": box(220, 220, 380, 240), "B3": box(20, 160, 380, 180)})
    north, south = find_abuttals(grids(HALVES), area)
    assert "南至B2、B1栋与B3栋之间，" in north.text("zh")
    assert "北至B3栋与B1、B2栋之间。" in south.text("zh")
    assert "on the south by the line between the buildings B2 and B1 on this side and B3 on the other;" in (
        north.text("en")
    )
    (border,) = north.sides["south"]
    assert (border.names, border.across) == (("B2", "B1"), ("B3",))
    assert border.length_m == pytest.approx(400, abs=12)


def test_names_of_different_kinds_are_called_each_in_its_way() -> None:
    area = housed(
        {"B1": box(20, 220, 180, 240), "文昌阁": box(220, 220, 380, 240), "7": box(20, 160, 380, 180)}
    )
    assert "南至文昌阁、B1栋与7号楼之间，" in find_abuttals(grids(HALVES), area)[0].text("zh")


@pytest.mark.parametrize("name", ["w371387510", "#12", "5f3c2a10-77aa-4e0c-9b21-0a1b2c3d4e5f", "420502001"])
def test_what_only_a_machine_calls_a_building_is_not_told(name: str) -> None:
    area = housed({"B1": box(20, 220, 380, 240), name: box(20, 160, 380, 180)})
    north, south = say(find_abuttals(grids(HALVES), area))
    assert "南至相邻网格，" in north
    assert "北至相邻网格。" in south


def test_a_building_along_little_of_a_border_is_not_told() -> None:
    wide = {f"B{n}": box(100 * n - 90, 220, 100 * n - 20, 240) for n in (1, 2, 3, 4)}
    north, _ = say(find_abuttals(grids(HALVES), housed({**wide, "B9": box(20, 160, 380, 180)})))
    assert "南至相邻网格，" in north


def test_lengths_and_kinds_are_told() -> None:
    sides = find_abuttals(grids(), town())[4].sides
    assert {side: [(p.kind, p.names) for p in sides[side]] for side in SIDES} == {
        "east": [("rail", ("铁路",))],
        "south": [("water", ("清溪",))],
        "west": [("secondary", ("解放路",))],
        "north": [("arterial", ("沿江大道",))],
    }
    assert [sides[side][0].length_m for side in SIDES] == pytest.approx([200] * 4, abs=6)


def turned(frame: gpd.GeoDataFrame, degrees: float) -> gpd.GeoDataFrame:
    return frame.set_geometry([rotate(g, degrees, origin=(0, 0)) for g in frame.geometry])


def turn(area: Area, degrees: float) -> Area:
    layers = {name: turned(getattr(area, name), degrees) for name in ("communities", "streets", "buildings")}
    return replace(area, **layers)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turning_the_town_by_90_degrees_turns_the_words(quarters: int) -> None:
    before = find_abuttals(grids(), town())
    after = find_abuttals(turned(grids(), 90 * quarters), turn(town(), 90 * quarters))
    anticlockwise = ("east", "north", "west", "south")
    for one, other in zip(before, after, strict=True):
        for i, side in enumerate(anticlockwise):
            told = [(part.kind, part.names) for part in other.sides[anticlockwise[(i + quarters) % 4]]]
            assert told == [(part.kind, part.names) for part in one.sides[side]]


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_a_slanted_town_has_the_sides_of_its_streets(degrees: float) -> None:
    after = find_abuttals(turned(grids(), degrees), turn(town(), degrees))
    assert say(after) == say(find_abuttals(grids(), town()))


def test_a_vertex_here_or_there_changes_no_word() -> None:
    rng = np.random.default_rng(5)
    fine = shapely.segmentize(grids().geometry.to_numpy(), 10.0)
    fine = shapely.transform(fine, lambda xy: xy.round(6))
    places = np.unique(shapely.get_coordinates(fine), axis=0)
    moved = dict(zip(map(tuple, places.tolist()), places + rng.uniform(-0.8, 0.8, places.shape), strict=True))
    shaken = shapely.transform(fine, lambda xy: np.array([moved[tuple(p)] for p in xy.tolist()]))
    after = find_abuttals(grids().set_geometry(list(shaken)), town())
    assert say(after) == say(find_abuttals(grids(), town()))


def test_several_things_on_a_side_are_told_clockwise_and_crossing_streets_are_not_among_them() -> None:
    streets = dict(STREETS)
    del streets["解放路"]
    streets["北街"] = ("local", [(200, 300), (200, 410)])
    streets["南街"] = ("lane", [(200, 190), (200, 300)])
    for number, y in enumerate(range(210, 400, 12)):
        streets[f"横巷{number}"] = ("lane", [(150, y), (200, y)])
    west, east = {"C1-001": box(0, 200, 200, 400), "C1-002": box(200, 200, 400, 400)}.items()
    found = say(find_abuttals(grids(dict([west, east])), town(streets)))
    assert found[0].startswith("东至北街、南街，")
    assert "西至南街、北街，" in found[1]


def test_across_the_border_of_the_community_lies_its_neighbour() -> None:
    communities = (box(0, 200, 400, 400), box(0, 0, 400, 200))
    streets = {name: row for name, row in STREETS.items() if "沿江" not in name}
    area = town(streets, communities)
    area = replace(area, communities=area.communities.assign(name=["江北社区", "江南社区"]))
    alone = grids({"C1-001": box(0, 200, 200, 400), "C1-002": box(200, 200, 400, 400)})
    assert "南至江南社区界，" in say(find_abuttals(alone, area))[0]
    others = grids({"C2-001": box(0, 0, 200, 200), "C2-002": box(200, 0, 400, 200)})
    together = pd.concat([alone, others], ignore_index=True)
    assert say(find_abuttals(together, area))[:2] == say(find_abuttals(alone, area))
    assert "北至江北社区界。" in say(find_abuttals(together, area))[2]


def test_a_grid_round_another_is_bounded_by_what_lies_outside_both() -> None:
    inner = box(120, 260, 180, 340)
    ring = box(0, 200, 200, 400).difference(box(120, 260, 200, 340))
    found = say(find_abuttals(grids({"C1-001": inner, "C1-002": ring}), town()))
    assert found[1] == "东至解放路，南至沿江大道，西至无名巷，北至社区边界。"


def test_a_tunnel_bounds_nothing() -> None:
    area = town()
    area = replace(area, streets=area.streets.assign(tunnel=area.streets["name"] == "铁路"))
    assert say(find_abuttals(grids(), area))[2] == "东至社区边界，南至沿江大道，西至解放路，北至社区边界。"


def test_no_grids_no_bounds() -> None:
    assert find_abuttals(grids({}).iloc[:0], town()) == []


def test_a_street_named_like_a_house_is_no_house() -> None:
    area = town({"A7" if name == "解放路" else name: row for name, row in STREETS.items()})
    assert say(find_abuttals(grids(), area))[1].startswith("东至A7，")
    assert "on the east by A7;" in say(find_abuttals(grids(), area), "en")[1]


# --- what of a side is worth a word ---


def runs(**metres: float) -> dict[_Stretch, _Run]:
    """Stretches of a side by kind, one after the other, each in its middle."""
    found, at = {}, 0.0
    for name, length in metres.items():
        kind, _, rest = name.partition("_")
        run = _Run()
        run.add(length, at + length / 2)
        found[_Stretch(kind, rest)] = run  # type: ignore[arg-type]
        at += length
    return found


def chief(**metres: float) -> list[tuple[str, tuple[str, ...], float]]:
    return [(part.kind, part.names, part.length_m) for part in _chief(runs(**metres))]


def test_a_street_is_told_from_a_quarter_of_a_side_on_and_open_ground_from_two_fifths() -> None:
    assert chief(local_A=75, lane_B=25) == [("local", ("A",), 75), ("lane", ("B",), 25)]
    assert chief(local_A=76, lane_B=24) == [("local", ("A",), 76)]
    assert chief(local_A=60, community_B=40) == [("local", ("A",), 60), ("community", ("B",), 40)]
    assert chief(local_A=61, community_B=39) == [("local", ("A",), 61)]
    # the greatest part is told whatever its share, and no more than three
    few = {f"lane_{n}": 10.0 for n in "ABCDEFGHIJ"}
    assert chief(**few) == [("lane", ("A",), 10)]
    assert chief(lane_A=25, lane_B=25, lane_C=25, lane_D=25) == [("lane", (n,), 25) for n in "ABC"]
    assert chief(edge=12.34) == [("edge", (), 12.3)]
    assert chief() == []


def test_what_runs_twice_along_a_side_is_told_once_where_most_of_it_is() -> None:
    first, second, other = _Run(), _Run(), _Run()
    first.add(10, 0.0)
    second.add(30, 100.0)
    other.add(40, 60.0)
    assert second.place == 100.0
    side = {
        _Stretch("grid", "G", ("1", "2")): first,
        _Stretch("grid", "G"): second,
        _Stretch("lane", "L"): other,
    }
    told = _chief(side)
    assert [(part.kind, part.length_m) for part in told] == [("lane", 40), ("grid", 40)]
    assert first.metres == 10  # what was looked at is left alone
    side[_Stretch("grid", "G", ("1", "3"))] = early = _Run()
    early.add(60, 10.0)
    (grid, lane) = _chief(side)
    assert (grid.kind, grid.names, grid.across, grid.length_m) == ("buildings", ("1",), ("3",), 70)
    assert lane.kind == "lane"


def gaps(*rows: tuple[str, str, float, float]) -> dict[tuple[str, str], _Run]:
    found = {}
    for own, other, metres, place in rows:
        found[own, other] = _Run()
        found[own, other].add(metres, place)
    return found


def test_a_border_runs_between_buildings_that_stand_along_enough_of_it() -> None:
    assert _between(gaps(("1", "2", 30, 0)), 100) == Abutment("buildings", ("1",), 30, ("2",))
    assert _between(gaps(("1", "2", 29, 0)), 100) is None
    several = _between(gaps(("1", "8", 20, 0), ("1", "9", 20, 50), ("2", "9", 30, 20)), 100)
    assert several == Abutment("buildings", ("2", "1"), 70, ("9",))
    assert _between(gaps(("1", "8", 20, 0), ("2", "8", 20, 50)), 100) is None
    assert _between(gaps(("1", "2", 40, 0), ("2", "3", 40, 50)), 100) is None
    assert _between({}, 100) is None


@pytest.mark.parametrize(
    ("names", "zh", "en"),
    [
        (["12"], "12号楼", "12"),
        (["A7", "B12"], "A7、B12栋", "A7 and B12"),
        (["A-7"], "A-7栋", "A-7"),
        (["文昌阁"], "文昌阁", "文昌阁"),
        (["ABC7", "5"], "ABC7、5号楼", "ABC7 and 5"),
        (["1", "2", "3"], "1、2、3号楼", "1, 2 and 3"),
    ],
)
def test_how_buildings_are_called(names: list[str], zh: str, en: str) -> None:
    assert _call(names, "zh") == zh
    assert en in _call(names, "en")


def test_a_side_of_nothing_and_the_same_word_twice() -> None:
    assert Abuttals(dict.fromkeys(SIDES, ())).text("zh").count("至") >= 4
    lane = Abutment("lane", (), 5.0)
    sides = {side: (lane, Abutment("lane", (), 6.0)) for side in SIDES}
    assert Abuttals(sides).text("zh") == "东至无名巷，南至无名巷，西至无名巷，北至无名巷。"
    two = (Abutment("lane", ("甲巷",), 5.0), Abutment("local", ("乙路",), 6.0), lane)
    assert Abuttals(dict.fromkeys(SIDES, two)).text("zh").startswith("东至甲巷、乙路、无名巷，")
    assert "on the east by 甲巷, 乙路 and an unnamed lane;" in Abuttals(dict.fromkeys(SIDES, two)).text("en")


def test_a_street_names_a_border_as_far_off_as_it_may_be_wide() -> None:
    """A street alongside the southern edge of a grid, so many metres inside it."""
    shape = {"C1-001": SQUARE}
    for kind, reach in (("arterial", 14.0), ("secondary", 12.0), ("local", 4.0), ("water", 4.0)):
        for off, told in ((reach - 0.2, True), (reach + 0.2, False)):
            area = town({"长街": (kind, [(-10, off), (410, off)])})
            (found,) = find_abuttals(grids(shape), area)
            assert (found.sides["south"][0].names == ("长街",)) == told, (kind, off)


def test_the_stronger_of_two_streets_names_the_border_and_a_named_one_before_another() -> None:
    shape = {"C1-001": SQUARE}
    south = [(-10, 0), (410, 0)]
    lanes = {"小巷": ("lane", south), "大街": ("arterial", south)}
    for streets in (lanes, dict(reversed(lanes.items()))):
        assert find_abuttals(grids(shape), town(streets))[0].sides["south"][0].names == ("大街",)
    for streets in (
        {"": ("lane", south), "小巷": ("lane", south)},
        {"小巷": ("lane", south), "": ("lane", south)},
    ):
        assert find_abuttals(grids(shape), town(streets))[0].sides["south"][0].names == ("小巷",)
    nearer = {"小巷": ("lane", south), "大街": ("arterial", [(-10, 3), (410, 3)])}
    assert find_abuttals(grids(shape), town(nearer))[0].sides["south"][0].names == ("小巷",)
    # what crosses is no bound, what slants by 35 degrees is one, by 45 none
    for degrees, named in ((30, True), (50, False)):
        slanted = {}
        for number, x in enumerate(range(-400, 410, 8)):
            far = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]) * 7
            slanted[f"斜街{' ' * number}"] = (
                "local",
                [tuple(np.array([x, 0]) - far), tuple(np.array([x, 0]) + far)],
            )
        (found,) = find_abuttals(grids(shape), town(slanted))
        assert (found.sides["south"][0].names == ("斜街",)) == named, degrees


@pytest.mark.parametrize("degrees", [43, 47])
def test_of_grids_about_half_a_quarter_turned_all_have_their_sides_the_same_way(degrees: float) -> None:
    """A slanted town, and in it a small grid a little more slanted: which way is east is told by the town."""
    corners = [(0, 0), (100, 0), (100, 100), (0, 100)]
    ends = dict(zip("南东北西", zip(corners, corners[1:] + corners[:1], strict=True), strict=True))
    lines = {f"{name}街": rotate(LineString(two), degrees, origin=(50, 50)) for name, two in ends.items()}
    area = town({name: ("lane", list(line.coords)) for name, line in lines.items()})
    small = rotate(box(0, 0, 100, 100), degrees, origin=(50, 50))
    large = rotate(box(1000, 0, 2000, 1000), 43, origin=(1500, 500))
    found = find_abuttals(grids({"C1-001": large, "C1-002": small}), area)
    assert found[1].text("zh") == "东至东街，南至南街，西至西街，北至北街。"


# --- the pieces of outlines, one by one ---

FORMS = {
    "a large square, where the window is cut off": box(0, 0, 400, 400),
    "a small one with a corner cut off": shapely.Polygon(
        [(500, 0), (560, 0), (560, 30), (540, 47), (500, 47)]
    ),
    "two parts, one with a hole": shapely.MultiPolygon(
        [box(600, 0, 700, 90).difference(box(620, 20, 650, 50)), box(600, 200, 655, 233)]
    ),
}


def shells_of(shape: shapely.Geometry) -> list[shapely.LineString]:
    return [
        shapely.orient_polygons(shapely.Polygon(part.exterior)).exterior for part in shapely.get_parts(shape)
    ]


def test_an_outline_is_taken_in_pieces_that_look_outward() -> None:
    """Each piece against the ring it lies on, measured by shapely."""
    shapes = np.array(list(FORMS.values()), dtype=object)
    pieces = _trace(shapes)
    for number, shape in enumerate(shapes):
        own = np.flatnonzero(pieces.grid == number)
        wanted = []
        for ring in shells_of(shape):
            window = min(40.0, 0.05 * ring.length)
            corners = shapely.get_coordinates(ring)
            for a, b in pairwise(corners):
                count = -(-float(np.hypot(*(b - a))) // 6)
                for share in (np.arange(count) + 0.5) / count:
                    middle = a + share * (b - a)
                    at = ring.project(shapely.Point(middle))
                    ahead, behind = (ring.interpolate((at + d) % ring.length) for d in (window, -window))
                    outward = ahead.y - behind.y, behind.x - ahead.x
                    wanted.append([*middle, np.hypot(*(b - a)) / count, *(b - a), *outward])
        found = np.column_stack([pieces.middle, pieces.length, pieces.step, pieces.outward])[own]
        assert found == pytest.approx(np.array(wanted), abs=1e-9)


@pytest.mark.parametrize("degrees", [0.0, 17.0, -30.0])
def test_a_piece_has_the_side_that_its_normal_has_in_the_grid_s_own_rectangle(degrees: float) -> None:
    square = _trace(np.array([rotate(box(0, 0, 100, 100), degrees)], dtype=object))
    side = _face_sides(square, 1)
    way = np.degrees(np.arctan2(square.outward[:, 1], square.outward[:, 0])) - degrees
    wanted = np.array([0, 3, 2, 1])[np.round(way / 90).astype(int) % 4]
    assert side.tolist() == wanted.tolist()
    assert np.bincount(side).tolist() == [17] * 4


def test_a_grid_without_a_direction_of_its_own_has_the_sides_of_the_compass() -> None:
    """A round one, and a slanted square beside it, which has a direction: each its own."""
    ring = shapely.Point(0, 0).buffer(100, quad_segs=32)
    pieces = _trace(np.array([ring, rotate(box(300, 0, 360, 60), 20)], dtype=object))
    side = _face_sides(pieces, 2)
    way = np.degrees(np.arctan2(pieces.outward[:, 1], pieces.outward[:, 0]))
    way -= np.where(pieces.grid == 0, 0.0, 20.0)
    assert side.tolist() == np.array([0, 3, 2, 1])[np.round(way / 90).astype(int) % 4].tolist()


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize(("gap", "bounds"), [(2.9, True), (6.0, False), (60.0, False)])
def test_what_the_grid_goes_on_behind_is_no_bound(quarters: int, gap: float, bounds: bool) -> None:
    """A square, and two metres of the same grid behind a gap to its south: does the square's south count?"""
    body, strip = box(0, 0, 100, 100), box(0, -gap - 2, 100, -gap)
    link = box(0, -gap, 4, 0)  # no piece of its middle faces south
    shape = rotate(shapely.union_all([body, strip, link]), 90 * quarters, origin=(0, 0))
    pieces = _trace(np.array([shape], dtype=object))
    south = SIDES.index(("south", "east", "north", "west")[quarters])
    middle = shapely.get_coordinates(rotate(shapely.MultiPoint(pieces.middle), -90 * quarters, origin=(0, 0)))
    side = np.full(len(middle), (south + 2) % 4)
    facing = (middle[:, 1] > -1) & (middle[:, 1] < 1) & (middle[:, 0] > 20) & (middle[:, 0] < 90)
    last = np.isclose(middle[:, 1], -gap - 2)
    side[facing | last] = south
    counts = _bounds(pieces, side, np.array([shape], dtype=object))
    assert facing.sum() > 5
    assert counts[facing].tolist() == [bounds] * facing.sum()
    assert counts[last].all()
    # where nothing else faces that way, it counts
    side[last] = (south + 2) % 4
    assert _bounds(pieces, side, np.array([shape], dtype=object))[facing].all()


def pieces_of(*rows: tuple[int, tuple[float, float], tuple[float, float]]) -> _Outline:
    grid, middle, step = zip(*rows, strict=True)
    step = np.array(step, dtype=float)
    return _Outline(np.array(grid), np.array(middle, dtype=float), np.hypot(*step.T), step, step)


def lines(*rows: tuple[str, str, list[tuple[float, float]]], tunnel: int = -1) -> gpd.GeoDataFrame:
    frame = {"class": [row[0] for row in rows], "name": [row[1] for row in rows]}
    frame["tunnel"] = [n == tunnel for n in range(len(rows))]
    return gpd.GeoDataFrame(frame, geometry=[LineString(row[2]) for row in rows], crs=CRS)


def along(streets: gpd.GeoDataFrame, at: tuple[float, float], step: tuple[float, float]) -> int:
    return int(_street_along(shapely.points([at]), np.array([step], dtype=float), streets)[0])


def test_a_street_is_along_a_piece_by_its_course_two_metres_either_way() -> None:
    """A street that begins beside the piece and turns off after two metres; the same the other way round."""
    bent = [(50, 0), (52, 0), (52, 90)]
    for way in (bent, bent[::-1]):
        assert along(lines(("lane", "", way)), (50, 1), (6, 0)) == 0
        assert along(lines(("lane", "", way)), (52, 50), (6, 0)) == -1
        assert along(lines(("lane", "", way)), (51, 50), (0, -6)) == 0
    # forty degrees are the same way
    for degrees, found in ((39.9, 0), (-39.9, 0), (140.1, 0), (40.1, -1), (-40.1, -1), (220.1, -1)):
        step = 5 * np.cos(np.radians(degrees)), 5 * np.sin(np.radians(degrees))
        assert along(lines(("lane", "", [(0, 0), (100, 0)])), (50, 1), step) == found


def test_of_several_streets_the_nearest_then_the_strongest_then_a_named_one_is_taken() -> None:
    def straight(y: float) -> list[tuple[float, float]]:
        return [(0, y), (100, y)]

    def best(*rows: tuple[str, str, list[tuple[float, float]]], tunnel: int = -1) -> int:
        return along(lines(*rows, tunnel=tunnel), (50, 0), (6, 0))

    assert best(("lane", "", straight(3)), ("path", "", straight(2.9))) == 1
    assert best(("lane", "", straight(3)), ("arterial", "", straight(3.02))) == 1
    assert best(("lane", "", straight(3)), ("arterial", "", straight(3.2))) == 0
    assert best(("lane", "", straight(3)), ("lane", "A", straight(-3))) == 1
    assert best(("lane", "B", straight(3)), ("lane", "A", straight(-3))) == 0
    assert best(("lane", "", straight(3)), ("arterial", "", straight(3)), tunnel=1) == 0
    assert best(("lane", "", straight(3)), tunnel=0) == -1
    assert (
        best(("secondary", "", straight(13)), ("lane", "", straight(5)), ("arterial", "", straight(13))) == 2
    )
    # each piece its own, also where the first lines are tunnels
    streets = lines(
        ("lane", "", straight(0)), ("lane", "", straight(50)), ("lane", "", straight(100)), tunnel=0
    )
    points = shapely.points([(50, 101), (50, 1), (50, 49)])
    assert _street_along(points, np.full((3, 2), [6.0, 0.0]), streets).tolist() == [2, -1, 1]


def test_half_a_metre_across_lies_the_grid_or_the_community_beyond() -> None:
    frame = grids({
        "C1-001": box(0, 0, 50, 50), "C1-002": box(50.4, 0, 100, 50), "C1-003": box(0, 50.7, 50, 90),
        "C2-001": box(0, -40, 50, 0),
    })  # fmt: skip
    communities = gpd.GeoDataFrame(
        {"id": ["C1", "C2"]}, geometry=[box(0, 0, 100, 100), box(0, -40, 50, 0)], crs=CRS
    )
    middles = [(50, 25), (25, 50), (0, 25), (25, 0)]
    pieces = pieces_of(*zip([0] * 4, middles, [(0, 9), (-9, 0), (0, -9), (9, 0)], strict=True))
    grid, community = _beyond(pieces, np.ones(4, dtype=bool), frame, communities)
    assert (grid.tolist(), community.tolist()) == ([1, -1, -1, -1], [-1, -1, -1, 1])
    grid, community = _beyond(pieces, np.array([False, True, True, True]), frame, communities)
    assert (grid.tolist(), community.tolist()) == ([-1] * 4, [-1, -1, -1, 1])
    # the smallest step is one too, and what looks into its own grid has none beyond
    inward = pieces_of((0, (50, 25), (0, 0.001)), (0, (50, 25), (0, -9)))
    assert _beyond(inward, np.ones(2, dtype=bool), frame, communities)[0].tolist() == [1, -1]


def test_the_nearest_building_on_either_side_within_forty_metres() -> None:
    frame = grids({"C1-001": box(0, 0, 100, 100), "C1-002": box(100, 0, 200, 100)})
    shapes = [
        box(40, 40, 59, 60),
        box(61, 80, 70, 90),
        box(61, 40, 70, 44),
        box(139, 40, 150, 60),
        box(300, 0, 309, 9),
    ]
    houses = gpd.GeoDataFrame({"id": list("abcde")}, geometry=shapes, crs=CRS)
    points = shapely.points([(100, 50), (100, 2), (100, 95), (100, 50)])
    grid, beyond = np.array([0, 0, 1, 0]), np.array([1, 1, 0, -1])
    own, other = _buildings_beside(points, grid, beyond, frame, houses)
    assert (own.tolist(), other.tolist()) == ([2, -1, -1, -1], [3, -1, 1, -1])
    nothing = _buildings_beside(points, grid, beyond, frame, houses.iloc[:0])
    assert [rows.tolist() for rows in nothing] == [[-1] * 4] * 2
    assert _holder(np.array(shapes, dtype=object), frame.geometry.to_numpy()).tolist() == [0, 0, 0, 1, -1]


def test_places_along_each_side_are_told_clockwise_and_in_metres() -> None:
    """Two streets on each side of a square, the second of twice the length, each where it lies."""
    names = {
        "东": [(400, 400), (400, 250), (400, 0)], "南": [(400, 0), (250, 0), (0, 0)],
        "西": [(0, 0), (0, 150), (0, 400)], "北": [(0, 400), (150, 400), (400, 400)],
    }  # fmt: skip
    streets = {}
    for name, (a, b, c) in names.items():
        streets |= {f"{name}一": ("lane", [a, b]), f"{name}二": ("lane", [b, c])}
    (found,) = find_abuttals(grids({"C1-001": SQUARE}), town(streets))
    assert found.text("zh") == "东至东一、东二，南至南一、南二，西至西一、西二，北至北一、北二。"
    for parts in found.sides.values():
        assert [part.length_m for part in parts] == pytest.approx([150, 250], abs=7)
        assert sum(part.length_m for part in parts) == pytest.approx(400)


def test_the_inner_walls_of_a_grid_with_a_notch_bound_it_on_no_side() -> None:
    notched = box(0, 0, 100, 100).difference(box(40, 20, 60, 100))
    (found,) = find_abuttals(grids({"C1-001": notched}), housed({}))
    assert [part.length_m for side in SIDES for part in found.sides[side]] == pytest.approx([100] * 4, abs=10)


def test_streets_along_a_slanted_side_are_told_in_their_order_too() -> None:
    """A street along each half of each side of a square that is turned by thirty degrees."""
    shape = rotate(box(0, 0, 400, 400), 30, origin=(0, 0))
    corners = shapely.get_coordinates(shapely.orient_polygons(shape).exterior)[:4][::-1]  # clockwise
    streets, told = {}, []
    for number, (a, b) in enumerate(zip(corners, np.roll(corners, -1, axis=0), strict=True)):
        half = (a + b) / 2
        streets |= {
            f"{number}甲": ("lane", [tuple(a), tuple(half)]),
            f"{number}乙": ("lane", [tuple(half), tuple(b)]),
        }
        told.append((f"{number}甲", f"{number}乙"))
    (found,) = find_abuttals(grids({"C1-001": shape}), town(streets, (shape,)))
    sides = [tuple(part.names[0] for part in found.sides[side]) for side in SIDES]
    assert sorted(sides) == sorted(told)
