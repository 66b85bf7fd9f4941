"""Plans that were edited or drawn elsewhere."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from shapely import LineString, box

from partition.changes.rebuild import grids_from_polygons, rebuild_grids
from partition.reasons.judgement import judge_plan
from partition.split import Split, split_area
from partition.wishes.policy import Profile, Size
from tests.asserts import assert_valid_plan
from tests.lattice import Town, make_area, make_town

PROFILE = Profile("test", Size("households", 150, 220, 300))


def rebuilt(area, codes) -> tuple:
    grids, buildings, notes = rebuild_grids(area, np.array(codes, dtype=object), PROFILE)
    return Split(grids, buildings, grids, None, PROFILE, 0), notes  # type: ignore[arg-type]


def test_a_plan_is_rebuilt_from_its_column_alone() -> None:
    area = make_town(Town(seed=3, communities=2))
    plan = split_area(area, PROFILE, effort=500)
    again, notes = rebuilt(area, plan.buildings["grid"])
    assert notes == ()
    assert_valid_plan(area, again)
    assert again.buildings["grid"].to_list() == plan.buildings["grid"].to_list()
    assert judge_plan(area, again.grids, again.buildings, PROFILE).sound


def test_a_building_moved_to_the_next_grid_takes_its_ground_along() -> None:
    streets = [LineString([(100, -5), (100, 105)])]
    houses = [box(x, y, x + 15, y + 15) for x in (10, 60, 110, 160) for y in (10, 60)]
    area = make_area([box(0, 0, 200, 100)], streets, ["local"], houses, [50] * 8)
    codes = np.array(["C1-001"] * 4 + ["C1-002"] * 4, dtype=object)
    codes[2] = "C1-002"  # the house at (60, 10), west of the street
    plan, notes = rebuilt(area, codes)
    assert notes == ()
    assert_valid_plan(area, plan)
    assert plan.grids.set_index("code")["households"].to_dict() == {"C1-001": 150, "C1-002": 250}
    assert plan.grids.geometry.iloc[1].contains(houses[2])


def test_buildings_without_a_code_join_the_grid_around_them() -> None:
    area = make_town(Town(seed=3))
    plan = split_area(area, PROFILE, effort=500)
    codes = plan.buildings["grid"].to_numpy(dtype=object)
    codes[::7] = ""
    again, notes = rebuilt(area, codes)
    assert [note.code for note in notes] == ["grid_added"]
    assert_valid_plan(area, again)


def test_an_edit_that_tears_a_grid_apart_is_told() -> None:
    streets = [LineString([(x, -5), (x, 105)]) for x in (100, 200)]
    houses = [box(x, 40, x + 15, 60) for x in (40, 140, 240)]
    area = make_area([box(0, 0, 300, 100)], streets, ["local"] * 2, houses, [200] * 3)
    plan, _ = rebuilt(area, ["C1-001", "C1-002", "C1-001"])
    judgement = judge_plan(area, plan.grids, plan.buildings, PROFILE)
    assert not judgement.sound
    assert {v.code for v in judgement.violations} >= {"fragment"}


def test_polygons_drawn_by_hand_are_judged_as_they_are() -> None:
    houses = [box(x, 40, x + 15, 60) for x in (40, 140, 240)]
    area = make_area([box(0, 0, 300, 100)], [], [], houses, [200] * 3)
    shapes = [box(0, 0, 100, 100), box(95, 0, 150, 100), box(160, 0, 310, 100)]
    drawn = area.communities.iloc[[0, 0, 0]].reset_index(drop=True).assign(code=["C1-001", "C1-002", "x"])
    grids, buildings = grids_from_polygons(area, drawn.set_geometry(shapes, crs=area.crs))
    judgement = judge_plan(area, grids, buildings, PROFILE)
    found = {v.code: v for v in judgement.violations}
    assert set(found) == {"gap", "overlap", "outside", "code_malformed", "building_cut"}
    assert found["building_cut"].rows == ("B0001",)  # the gap runs through it
    assert found["gap"].values == {"gaps": 1, "area_m2": 1000.0}
    assert found["overlap"].rows == ("C1-001/C1-002",)
    assert found["overlap"].values["area_m2"] == 500.0
    assert found["outside"].values["area_m2"] == 1000.0
    assert judgement.figures["share_in_range"] == 1.0


def test_what_two_polygons_claim_is_the_first_ones_and_a_grid_lies_where_most_of_it_is() -> None:
    area = make_area(
        [box(0, 0, 100, 100), box(100, 0, 200, 100)], [], [],
        [box(x, 40, x + 6, 60) for x in (40, 92, 112, 140)], [10, 20, 30, 40],
    )  # fmt: skip
    shapes = [box(0, 0, 100, 100), box(90, 0, 130, 100), box(100, 0, 200, 100)]
    drawn = gpd.GeoDataFrame({"code": ["C1-001", "C2-001", "C2-002"]}, geometry=shapes, crs=area.crs)
    grids, buildings = grids_from_polygons(area, drawn)
    assert buildings["grid"].to_list() == ["C1-001", "C1-001", "C2-001", "C2-002"]
    assert grids["community"].to_list() == ["C1", "C2", "C2"]
    assert grids["households"].to_list() == [30, 30, 40]
    assert grids["area_m2"].to_list() == [10_000, 4_000, 10_000]
    turned, other = grids_from_polygons(area, drawn.iloc[::-1])
    assert turned["code"].to_list() == ["C2-002", "C2-001", "C1-001"]
    assert other["grid"].to_list() == ["C1-001", "C2-001", "C2-002", "C2-002"]


def test_a_border_through_a_building_is_told() -> None:
    house = box(90, 40, 115, 60)
    houses = [house, box(150, 40, 170, 60), box(20, 40, 40, 60)]
    area = make_area([box(0, 0, 200, 100)], [], [], houses, [100, 150, 200])
    drawn = area.communities.iloc[[0, 0]].reset_index(drop=True).assign(code=["C1-001", "C1-002"])
    grids, buildings = grids_from_polygons(
        area, drawn.set_geometry([box(0, 0, 100, 100), box(100, 0, 200, 100)], crs=area.crs)
    )
    violations = judge_plan(area, grids, buildings, PROFILE).violations
    assert [(v.code, v.rows) for v in violations] == [("building_cut", ("B0000",))]
    assert shapely.area(grids.geometry.to_numpy()).sum() == 20_000


def test_what_a_plan_lost_is_told() -> None:
    houses = [box(x, 40, x + 15, 60) for x in (40, 140)]
    area = make_area([box(0, 0, 200, 100)], [], [], houses, [200] * 2)
    grids, buildings = grids_from_polygons(
        area, area.communities.assign(code=["C1-001"]).set_geometry([box(0, 0, 100, 100)], crs=area.crs)
    )
    judgement = judge_plan(area, grids, buildings, PROFILE)
    lost = [v for v in judgement.violations if v.code == "building_without_grid"]
    assert [v.rows for v in lost] == [("B0001",)]
    assert not judgement.sound


def test_codes_that_are_repeated_foreign_or_official_in_the_making() -> None:
    shapes = [box(0, 0, 100, 100), box(100, 0, 200, 100)]
    area = make_area(shapes, [], [], [box(x, 40, x + 15, 60) for x in (40, 140)], [200] * 2)
    for codes, wrong in (
        (["C1-001", "C1-001"], {"code_repeated": ("C1-001",), "code_foreign": ("C1-001",)}),
        (["C1-001", "C3-001"], {"code_foreign": ("C3-001",)}),
        (["C1-001", "110101001001001"], {}),
        (["C1-001", "11010100100100"], {"code_malformed": ("11010100100100",)}),
        (["C1-001", "C2-01"], {"code_malformed": ("C2-01",)}),
    ):
        drawn = area.communities.assign(code=codes)
        judged = judge_plan(area, *grids_from_polygons(area, drawn), PROFILE)
        assert {v.code: v.rows for v in judged.violations} == wrong


def test_a_building_whose_unit_went_elsewhere_is_told() -> None:
    """Two buildings that overlap are one unit: it goes where most households are."""
    houses = [box(20, 40, 40, 60), box(35, 40, 55, 60), box(140, 40, 155, 60)]
    area = make_area([box(0, 0, 200, 100)], [], [], houses, [50, 10, 100])
    plan, notes = rebuilt(area, ["C1-001", "C1-002", "C1-002"])
    assert [(note.code, note.rows) for note in notes] == [("grid_changed", ("B0001",))]
    assert plan.buildings["grid"].to_list() == ["C1-001", "C1-001", "C1-002"]
