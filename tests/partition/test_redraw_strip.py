"""Redraws of a strip of blocks with four houses each, so plain that all that must come out is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import LineString, Polygon, box

from partition.area import Area
from partition.changes.former import Former, recall_plan
from partition.changes.redraw import Redraw, _bends, _Order, _Task, drop_marks, redraw_area
from partition.clock import Clock
from partition.errors import InputError
from partition.wishes.loads import weigh_area
from partition.wishes.rules import Profile, Size
from tests.lattice import CRS, make_area

PROFILE = Profile("test", Size("households", 80, 100, 120))
BLOCK = [13, 13, 12, 12]


def strip(blocks: list[list[int]], communities: int = 1) -> Area:
    """Blocks of 100 m in a row; the houses of each: south-west, north-west, south-east, north-east. Further
    communities are the same again, farther north.
    """
    rows = range(0, 1000 * communities, 1000)
    houses = [
        box(100 * b + x, y0 + y, 100 * b + x + 20, y0 + y + 20)
        for y0 in rows for b in range(len(blocks)) for x in (20, 60) for y in (20, 60)
    ]  # fmt: skip
    streets = [
        LineString([(100 * b, y - 5), (100 * b, y + 105)]) for y in rows for b in range(1, len(blocks))
    ]
    shapes = [box(0, y, 100 * len(blocks), y + 100) for y in rows]
    return make_area(
        shapes,
        streets,
        ["local"] * len(streets),
        houses,
        [h for block in blocks for h in block] * communities,
    )


def recalled(area: Area, blocks: int = 2, profile: Profile = PROFILE) -> Former:
    """A plan in which each grid has so many blocks."""
    shapes, codes = [], []
    for community, ground in zip(area.communities["id"], area.communities.geometry, strict=True):
        x0, y0, x1, y1 = ground.bounds
        for place, x in enumerate(np.arange(x0, x1, 100 * blocks)):
            shapes.append(box(x, y0, min(x + 100 * blocks, x1), y1))
            codes.append(f"{community}-{place + 1:03d}")
    return recall_plan(area, profile, gpd.GeoDataFrame({"code": codes}, geometry=shapes, crs=CRS), None)


def redrawn(area: Area, **options: Any) -> Redraw:
    return redraw_area(area, recalled(area), PROFILE, **options)


def held(made: Redraw) -> dict[str, int]:
    return dict(zip(made.split.grids["code"], made.split.grids["households"].tolist(), strict=True))


def told(made: Redraw) -> list[tuple[str, tuple[str, ...]]]:
    return [(v.code, v.rows) for v in (*made.split.report.findings, *made.split.report.violations)]


FULL = [[43, 13, 12, 12], *[BLOCK] * 7]  # 130, 100, 100, 100


def test_a_plan_in_range_is_handed_back_and_nothing_is_cut() -> None:
    area = strip([BLOCK] * 8)
    steps: list[tuple[str, float]] = []
    made = redrawn(area, progress=lambda *step: steps.append(step))
    assert steps == [("divide", 0.0), ("divide", 1.0), ("grids", 0.0), ("judge", 0.0), ("judge", 1.0)]
    units = made.split.units
    assert units["grid"].to_list() == units["grid"].sort_values().unique().tolist() == list(held(made))
    assert units["unit"].to_list() == [0, 1, 2, 3]
    assert units["households"].to_list() == [100] * 4
    assert units["area_m2"].to_list() == [20_000] * 4
    assert made.split.grids["area_m2"].to_list() == [20_000] * 4
    assert told(made) == []
    assert len(made.kept) == 4
    assert {"plan", "grids", "judge"} <= set(made.split.report.seconds)


def test_polygons_drawn_by_hand_whose_corners_do_not_meet_stay_as_they_are() -> None:
    area = strip([BLOCK] * 6)
    shapes = [box(0, 0, 200, 100), box(200, 0, 600, 50), box(200, 50, 600, 100)]
    drawn = gpd.GeoDataFrame({"code": ["C1-001", "C1-002", "C1-003"]}, geometry=shapes, crs=CRS)
    former = recall_plan(area, PROFILE, drawn, None)
    made = redraw_area(area, former, PROFILE)
    assert made.kept == {"C1-001", "C1-002", "C1-003"}
    assert all(
        now.equals_exact(then, 0.0)
        for now, then in zip(made.split.grids.geometry, former.grids.geometry, strict=True)
    )


def test_one_house_at_the_border_is_what_moves() -> None:
    made = redrawn(strip(FULL))
    assert held(made) == {"C1-001": 118, "C1-002": 112, "C1-003": 100, "C1-004": 100}
    assert made.kept == {"C1-003", "C1-004"}
    flows = made.register.flows[["old_code", "new_code", "change", "buildings", "households"]]
    assert flows.to_numpy().tolist() == [
        ["C1-001", "C1-001", "kept", 7, 118],
        ["C1-001", "C1-002", "redrawn", 1, 12],
        ["C1-002", "C1-002", "kept", 8, 100],
    ]
    assert np.flatnonzero(made.split.buildings["grid"] == "C1-002").tolist() == [7, *range(8, 16)]
    units = made.split.units
    assert units["unit"].to_list() == list(range(32))
    assert units["households"].to_list() == [h for block in FULL for h in block]
    assert units["area_m2"].to_numpy() == pytest.approx(2500, abs=0.01)
    assert units["grid"].to_list() == made.split.buildings["grid"].to_list()
    # the new border is straight from the street's middle between the houses, the old ones stay
    one, other = made.split.grids.geometry[:2]
    assert one.area == pytest.approx(17_700, abs=100)
    assert one.area + other.area == pytest.approx(40_000, abs=0.01)
    assert shapely.coverage_is_valid(made.split.grids.geometry.to_numpy())


def test_only_what_is_near_is_cut_and_only_where_many_live() -> None:
    """Grids up to four borders from the one out of range are cut; blocks that hold an eighth of the target
    stay whole.
    """
    profile = Profile("test", Size("households", 72, 96, 120))
    few, more = [3, 3, 3, 3], [4, 3, 3, 3]  # 12 and 13
    blocks = [[100, 13, 12, 12], few, *[[22] * 4, few, [22] * 4, more] * 2, [22] * 4, few, [22] * 4, few]
    area = strip(blocks)
    made = redraw_area(area, recalled(area, 2, profile), profile)
    place = np.minimum(shapely.get_coordinates(shapely.centroid(made.split.units.geometry))[:, 0] // 100, 9)
    count = np.bincount(place.astype(int))[:10].tolist()
    assert count[:10] == [4, 1, 4, 1, 4, 4, 4, 1, 4, 4 + 2]  # the last two grids are beyond: a unit each


def test_where_a_whole_block_is_too_much_its_houses_are_told_apart() -> None:
    """121 and 110 households: a block of twelve is too much for the other grid, a house of three not."""
    profile = Profile("test", Size("households", 72, 96, 120))
    area = strip([[109, 0, 0, 0], [3, 3, 3, 3], [28, 28, 27, 27], [0, 0, 0, 0]])
    made = redraw_area(area, recalled(area, 2, profile), profile)
    assert held(made) == {"C1-001": 118, "C1-002": 113}
    assert made.register.moved_buildings == 1
    assert made.split.report.violations == ()


def test_a_cap_is_kept_to_the_last_household() -> None:
    area = strip(FULL)
    for cap in (12, 12 / 430 + 1e-9):
        assert held(redrawn(area, most_moved=cap))["C1-001"] == 118
    for cap, most, proven in ((10, 10, False), (1, 1, True), (0, 0, True), (0.02791 - 1e-5, 11, False)):
        made = redrawn(area, most_moved=cap)
        assert made.register.moved_households == 0
        assert held(made) == {"C1-001": 130, "C1-002": 100, "C1-003": 100, "C1-004": 100}
        (violation,) = made.split.report.violations
        assert (violation.code, violation.level, violation.layer) == ("size_capped", "violated", "grids")
        assert violation.rows == ("C1-001",)
        assert dict(violation.values) == {
            "measure": "households", "most": most, "needed": 12, "lower": 80, "upper": 120, "community": "C1",
            "proven": proven, "households": 130, "held": 130,
        }  # fmt: skip


def test_a_cap_that_keeps_a_grid_from_ending_is_told() -> None:
    made = redrawn(strip([*[BLOCK] * 6, *[[1] * 4] * 2]), most_moved=7)
    (violation,) = made.split.report.violations
    assert (violation.code, violation.rows) == ("size_capped", ("C1-004",))
    assert (violation.values["needed"], violation.values["held"], violation.values["proven"]) == (8, 8, False)
    assert len(made.kept) == 4


def test_communities_share_one_cap() -> None:
    area = strip(FULL, communities=2)
    both = redrawn(area)
    assert [held(both)[code] for code in ("C1-001", "C1-002", "C2-001", "C2-002")] == [118, 112, 118, 112]
    assert both.split.units["unit"].to_list() == list(range(64))
    one = redrawn(area, most_moved=20)
    assert [held(one)[code] for code in ("C1-001", "C1-002", "C2-001", "C2-002")] == [118, 112, 130, 100]
    (violation,) = one.split.report.violations
    assert (violation.rows, violation.values["most"]) == (("C2-001",), 8)
    assert held(redrawn(area, most_moved=24))["C2-001"] == 118


def test_what_is_locked_stays_and_is_told_so() -> None:
    area = strip(FULL)
    made = redrawn(area, locked=["C1-001"])
    assert made.kept == {"C1-001", "C1-002", "C1-003", "C1-004"}
    assert len(made.split.units) == 4  # nothing may change, so nothing is cut
    assert told(made) == [("size_locked", ("C1-001",))]
    (violation,) = made.split.report.violations
    assert (violation.values["households"], violation.values["held"], violation.values["alone"]) == (130,) * 3
    beside = redrawn(area, locked=["C1-002"])  # nothing else is beside it
    assert held(beside) == {"C1-001": 130, "C1-002": 100, "C1-003": 100, "C1-004": 100}
    assert "C1-002" in beside.kept
    with pytest.raises(InputError) as refused:
        redrawn(area, locked=["X", "C1-001", "Y", "X"])
    assert [finding.rows for finding in refused.value.findings] == [("X", "Y")]


def test_a_grid_twice_too_full_is_split() -> None:
    area = strip([[25] * 4, [25, 25, 25, 26], *[BLOCK] * 6])
    made = redrawn(area, staff={"C1-001": "Li", "C1-005": "Wang"})
    assert held(made) == {"C1-001": 101, "C1-002": 100, "C1-003": 100, "C1-004": 100, "C1-005": 100}
    assert made.kept == {"C1-002", "C1-003", "C1-004"}
    assert told(made) == [("redraw_begun", ("C1-005",))]
    assert made.split.report.findings[0].values == {"community": "C1"}
    grids = made.register.grids
    assert grids.to_numpy().tolist() == [
        ["C1-001", "redrawn", 201, 101, 8, 4, "Li", "renew"],
        ["C1-005", "split", 0, 100, 0, 4, "Wang", "new"],
    ]
    assert made.split.grids.geometry[[0, 4]].area.tolist() == pytest.approx([10_000, 10_000], abs=0.01)
    assert made.split.grids["kind"].to_list() == ["basic"] * 5


def test_a_grid_that_nearly_died_out_ends() -> None:
    area = strip([[1, 1, 1, 1]] * 2 + [BLOCK] * 6)
    made = redrawn(area)
    assert held(made) == {"C1-002": 108, "C1-003": 100, "C1-004": 100}
    assert made.kept == {"C1-003", "C1-004"}
    assert told(made) == [("redraw_ended", ("C1-001",))]
    assert made.register.grids[["code", "board"]].to_numpy().tolist() == [
        ["C1-001", "remove"],
        ["C1-002", "renew"],
    ]
    assert made.split.grids.geometry[0].area == pytest.approx(40_000)


def test_a_grid_whose_island_the_community_lost_ends_and_nothing_else_changes() -> None:
    area = strip([BLOCK] * 4)
    islands = shapely.MultiPolygon(
        [box(0, 0, 200, 100), box(200, 0, 400, 100).buffer(-2, join_style="mitre")]
    )
    before = replace(area, communities=area.communities.set_geometry([islands], crs=CRS))
    shapes = list(islands.geoms)
    polygons = gpd.GeoDataFrame({"code": ["C1-001", "C1-002"]}, geometry=shapes, crs=CRS)
    assert recall_plan(before, PROFILE, polygons, None).reshaped == set()
    buildings = area.buildings.assign(community=[0] * 8 + [-1] * 8)
    today = replace(area, communities=area.communities.set_geometry(shapes[:1], crs=CRS), buildings=buildings)
    former = recall_plan(today, PROFILE, polygons, None)
    assert former.reshaped == {"C1-002"}
    made = redraw_area(today, former, PROFILE)
    assert made.kept == {"C1-001"}
    assert held(made) == {"C1-001": 100}


def task(area: Area, former: Former, profile: Profile = PROFILE, *locked: str) -> _Task:
    order = _Order(profile, frozenset(locked), 0)
    area = weigh_area(area, profile)[0]
    return _Task(area, former, np.arange(len(area.buildings)), order, None, Clock())


def test_what_a_redraw_begins_with() -> None:
    area = strip(FULL)
    here = task(area, recalled(area), PROFILE, "C1-002", "C1-009")
    assert here.label.tolist() == np.repeat([0, 1, 2, 3], 8).tolist()
    assert here.held().tolist() == [[130], [100], [100], [100]]
    assert here.out_of_range().tolist() == [True, False, False, False]
    assert here.locked.tolist() == here.still.tolist() == [False, True, False, False]
    assert not here.in_pieces().any()
    low = task(strip([[20] * 4, [0] * 4, *[BLOCK] * 4]), recalled(strip([[20] * 4, [0] * 4, *[BLOCK] * 4])))
    assert not low.out_of_range().any()  # on the bound
    # a village that is one grid by its rule has no range
    rural = replace(area, communities=area.communities.assign(**{"class": "rural"}))
    for least, out in ((431, False), (430, True)):
        rules = replace(PROFILE, village_whole=least)
        assert task(rural, recalled(rural), rules).out_of_range().any() == out
    # sizes that are a guide
    soft = task(area, recalled(area), replace(PROFILE, wishes=("soft",)))
    assert not soft.out_of_range().any()


def test_grids_in_pieces_are_found_part_by_part_of_the_community() -> None:
    area = strip([BLOCK] * 4)
    former = recalled(area)
    pieces = shapely.MultiPolygon([box(0, 0, 100, 100), box(200, 0, 300, 100)])
    rest = shapely.MultiPolygon([box(100, 0, 200, 100), box(300, 0, 400, 100)])
    torn = replace(former, grids=former.grids.set_geometry([pieces, rest], crs=CRS))
    assert task(area, torn).in_pieces().tolist() == [True, True]
    half = replace(former, grids=former.grids.set_geometry([pieces, former.grids.geometry[1]], crs=CRS))
    assert task(area, half).in_pieces().tolist() == [True, False]
    islands = shapely.MultiPolygon([box(0, 0, 150, 100), box(160, 0, 400, 100)])
    parted = replace(area, communities=area.communities.set_geometry([islands], crs=CRS))
    assert task(parted, half).in_pieces().tolist() == [False, False]


# --- vertices that only marked where the border of a unit ended ---


def cleaned(polygons: list[Polygon], before: list[Polygon], touched: list[int]) -> list[int]:
    """The vertices that each polygon has left."""
    codes = [str(number) for number in range(len(polygons))]
    grids = gpd.GeoDataFrame({"code": codes}, geometry=polygons, crs=CRS)
    old = gpd.GeoDataFrame({"code": ["old"]}, geometry=[shapely.union_all(before)], crs=CRS)
    made = drop_marks(grids, old, [codes[place] for place in touched])
    assert made["code"].to_list() == codes
    assert made.crs == CRS
    for now, then in zip(made.geometry, polygons, strict=True):
        assert shapely.area(shapely.symmetric_difference(now, then)) < 1e-3
    return [shapely.get_num_coordinates(shape) - 1 for shape in made.geometry]


def test_marks_on_a_line_are_dropped_on_both_sides_alike() -> None:
    west = Polygon([(0, 0), (100, 0), (100, 30), (100, 70), (100, 100), (0, 100), (0, 50)])
    east = Polygon([(200, 0), (200, 100), (100, 100), (100, 70), (100, 30), (100, 0)])
    far = [box(500, 0, 501, 1)]
    assert cleaned([west, east], far, [0, 1]) == [4, 4]
    assert cleaned([west, east], far, []) == [7, 6]
    assert cleaned([west, east], far, [1]) == [7, 4]
    assert cleaned([west, east], [Polygon([(100, 30), (0, 50), (0, 49)])], [0, 1]) == [6, 5]
    # what is no more than rounding off the line is on it, a millimetre is not
    near, off = (Polygon([(0, 0), (50, by), (100, 0), (100, 100), (0, 100)]) for by in (9e-6, 1e-3))
    assert cleaned([near, off], far, [0, 1]) == [4, 5]
    # where three meet, the vertex stays
    east = Polygon([(100, 0), (200, 0), (200, 100), (100, 100), (100, 50)])
    third = [box(0, 0, 100, 50), box(0, 50, 100, 100), east]
    assert cleaned(third, far, [0, 1, 2]) == [4, 4, 5]


def test_holes_and_several_parts_lose_their_marks_too() -> None:
    hole = [(10, 10), (10, 20), (20, 20), (20, 15), (20, 10)]
    holed = Polygon([(0, 0), (50, 0), (100, 0), (100, 100), (0, 100)], [hole])
    parts = shapely.MultiPolygon([holed, Polygon([(300, 0), (320, 0), (340, 0), (340, 40), (300, 40)])])
    assert cleaned([holed], [box(500, 0, 501, 1)], [0]) == [8 + 1]  # both rings are closed
    assert cleaned([parts], [box(500, 0, 501, 1)], [0]) == [12 + 2]


def test_a_ring_of_which_every_vertex_is_a_mark_stays() -> None:
    turn = np.linspace(0, 2 * np.pi, 6000, endpoint=False)
    circle = Polygon(np.column_stack([10 * np.cos(turn), 10 * np.sin(turn)]))
    assert cleaned([circle], [box(500, 0, 501, 1)], [0]) == [6000]


def test_points_along_which_a_border_turns_stay() -> None:
    ring = shapely.LinearRing([(0, 0), (25, 5e-5), (50, 1e-4), (75, 5e-5), (100, 0), (100, 100), (0, 100)])
    marks = {(25.0, 5e-5), (50.0, 1e-4), (75.0, 5e-5)}
    assert _bends(ring, marks) == {(50.0, 1e-4)}
    assert _bends(ring, {(25.0, 5e-5), (75.0, 5e-5)}) == set()
    assert _bends(ring, marks | {(0.0, 0.0)}) == {(50.0, 1e-4), (0.0, 0.0)}  # across where the ring begins
    assert _bends(ring, set()) == set()
    steps = shapely.LinearRing([(0, 0), (10, 0), (20, 0.5), (30, 1.5), (40, 3), (100, 100), (0, 100)])
    assert _bends(steps, {(10.0, 0.0), (20.0, 0.5), (30.0, 1.5)}) == {(10.0, 0.0), (20.0, 0.5), (30.0, 1.5)}
    near = shapely.LinearRing([(0, 0), (50, 9e-6), (100, 0), (100, 100), (0, 100)])
    assert _bends(near, {(50.0, 9e-6)}) == set()
    back = shapely.LinearRing([(0, 0), (101, 0), (100, 0), (100, 100), (0, 100)])
    assert _bends(back, {(101.0, 0.0)}) == {(101.0, 0.0)}  # beyond the end is off the line
