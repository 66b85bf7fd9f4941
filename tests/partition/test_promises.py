"""What is violated by a plan that somebody drew, promise by promise."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
from shapely import LineString, MultiPolygon, box

from partition.area import Area
from partition.findings import Finding
from partition.reasons.judgement import PROMISES, Judgement, judge_plan
from partition.wishes.rules import Profile, Size
from tests.lattice import CRS, make_area

ANY = Profile("test", Size("households", 0, 200, 1000))
HOUSES = {"B1": box(20, 40, 40, 60), "B2": box(120, 40, 140, 60), "B3": box(220, 40, 240, 60)}


def town(streets: list[LineString] | None = None, shape=None, **columns: object) -> Area:
    """Three houses in a community of 300 m by 100 m."""
    lines = streets or []
    shapes = [box(0, 0, 300, 100) if shape is None else shape]
    area = make_area(
        shapes, lines, ["local"] * len(lines), list(HOUSES.values()), [100, 120, 140], list(HOUSES)
    )
    return replace(area, buildings=area.buildings.assign(**columns))


def judged(
    area: Area, shapes: dict[str, object], grid: list[str] | None = None, home: str = "C1"
) -> Judgement:
    """The judgement on grids by code; houses are in the grid that holds them, unless told otherwise."""
    polygons = np.array(list(shapes.values()), dtype=object)
    inner = area.buildings.geometry.representative_point()
    codes = list(shapes)
    own = [next((c for c, s in shapes.items() if s.intersects(point)), "") for point in inner]
    buildings = area.buildings.assign(grid=own if grid is None else grid)
    held = [buildings[buildings["grid"] == code] for code in codes]
    frame = {
        "code": codes,
        "community": home,
        "households": [int(some["households"].sum()) for some in held],
        "residents": [float(some["residents"].sum()) for some in held],
        "buildings": [len(some) for some in held],
        "buildings_unknown": [int(some["unknown"].sum()) for some in held],
    }
    return judge_plan(area, gpd.GeoDataFrame(frame, geometry=list(polygons), crs=CRS), buildings, ANY)


def told(judgement: Judgement) -> list[tuple[str, tuple[str, ...]]]:
    return [(fault.code, fault.rows) for fault in judgement.violations]


HALVES = {"C1-001": box(0, 0, 100, 100), "C1-002": box(100, 0, 300, 100)}


def test_a_plan_without_fault() -> None:
    found = judged(town(unknown=[True, False, False]), HALVES)
    assert found.violations == ()
    assert found.sound
    assert found.communities == [
        found.communities[0]
        | {
            "id": "C1",
            "grids": 2,
            "households": 360,
            "residents": 900,
            "buildings": 3,
            "buildings_unknown": 1,
            "area_m2": 30_000.0,
            "variation": round(80 / 180, 4),
            "border_m": {"none": 100.0},
            "inside_m": {},
            "along_streets": 0.0,
        }
    ]
    assert [
        (g["code"], g["households"], g["residents"], g["buildings"], g["area_m2"]) for g in found.grids
    ] == [
        ("C1-001", 100, 250, 1, 10_000),
        ("C1-002", 260, 650, 2, 20_000),
    ]
    assert [g["polsby_popper"] for g in found.grids] == [0.7854, round(4 * np.pi * 2e4 / 600**2, 4)]
    assert found.figures["polsby_popper"] == pytest.approx(np.mean([0.7854, 0.6981]), abs=2e-4)
    assert (found.figures["grids"], found.figures["households"]) == (2, 360)
    assert (found.figures["along_streets"], found.figures["border_m"]) == (0.0, {"none": 100.0})


def test_residents_that_nobody_knows_are_none() -> None:
    area = town(residents=[np.nan] * 3)
    frame = gpd.GeoDataFrame(
        {
            "code": ["C1-001"],
            "community": "C1",
            "households": 360,
            "residents": np.nan,
            "buildings": 3,
            "buildings_unknown": 0,
        },
        geometry=[box(0, 0, 300, 100)],
        crs=CRS,
    )
    found = judge_plan(area, frame, area.buildings.assign(grid="C1-001"), ANY)
    assert found.grids[0]["residents"] is None
    assert found.communities[0]["residents"] is None
    assert found.figures["along_streets"] == 1.0


def test_gaps_overlaps_and_ground_outside() -> None:
    found = judged(town(), {"C1-001": box(0, 0, 110, 100), "C1-002": box(100, 0, 290, 101)})
    assert told(found) == [("gap", ("C1",)), ("overlap", ("C1-001/C1-002",)), ("outside", ("C1",))]
    gap, overlap, outside = found.violations
    assert gap.values == {"gaps": 1, "area_m2": 1000.0}
    assert overlap.values["area_m2"] == 1000.0
    assert outside.values["area_m2"] == 190.0
    assert not found.sound
    assert (found.figures["gaps"], found.figures["overlaps"], found.figures["fragments"]) == (1, 1, 0)


def test_a_grid_in_pieces_is_a_fault_unless_each_lies_on_an_island_of_its_own() -> None:
    ends = MultiPolygon([box(0, 0, 100, 100), box(200, 0, 300, 100)])
    torn = judged(town(), {"C1-001": ends, "C1-002": box(100, 0, 200, 100)})
    assert told(torn) == [("fragment", ("C1-001",))]
    assert torn.figures["fragments"] == 1
    assert torn.violations[0].values["pieces"] == 2
    islands = MultiPolygon([box(0, 0, 160, 100), box(200, 0, 300, 100)])
    apart = judged(town(shape=islands), {"C1-001": islands})
    assert [(f.code, f.level) for f in apart.violations] == [("grid_on_islands", "noted")]
    assert apart.sound
    # two pieces on one island
    three = MultiPolygon([box(0, 0, 50, 100), box(100, 0, 160, 100), box(200, 0, 300, 100)])
    both = judged(town(shape=islands), {"C1-001": three, "C1-002": box(50, 0, 100, 100)})
    assert [fault for fault, _ in told(both)] == ["fragment"]


def test_a_house_that_a_border_cuts_is_told_unless_a_street_cuts_it_too() -> None:
    cut = {"C1-001": box(0, 0, 130, 100), "C1-002": box(130, 0, 300, 100)}
    found = judged(town(), cut)
    assert told(found) == [("building_cut", ("B2",))]
    assert found.figures["buildings_cut"] == 1
    street = LineString([(130, 0), (130, 100)])
    assert judged(town([street]), cut).violations == ()
    beside = judged(town([LineString([(150, 0), (150, 100)])]), cut)
    assert told(beside) == [("building_cut", ("B2",))]


def test_codes_that_are_none_or_another_communitys() -> None:
    assert told(judged(town(), {"C1-1": HALVES["C1-001"], "C1-002": HALVES["C1-002"]})) == [
        ("code_malformed", ("C1-1",))
    ]
    assert told(judged(town(), {"C2-001": HALVES["C1-001"], "C1-002": HALVES["C1-002"]})) == [
        ("code_foreign", ("C2-001",))
    ]
    # a community without a code may still get an official one, one with a code has no other
    official = {"110101001001001": HALVES["C1-001"], "110101001001002": HALVES["C1-002"]}
    assert judged(town(), official).violations == ()
    area = town()
    coded = replace(area, communities=area.communities.assign(code="110101001001"))
    assert judged(coded, official).violations == ()
    other = replace(area, communities=area.communities.assign(code="110101001002"))
    assert told(judged(other, official)) == [("code_foreign", tuple(official))]
    assert [code for code, _ in told(judged(coded, HALVES))] == ["code_foreign"]


def test_a_house_without_a_grid_is_told() -> None:
    found = judged(town(), HALVES, ["C1-001", "", ""])
    assert told(found) == [("building_without_grid", ("B2", "B3"))]
    outside = judged(town(community=[0, -1, 0]), HALVES, ["C1-001", "", "C1-002"])
    assert "building_without_grid" not in [code for code, _ in told(outside)]


def test_promises_decide_whether_a_plan_is_sound() -> None:
    found = judged(town(), HALVES)

    def sound(code: str, **values: object) -> bool:
        return replace(found, violations=(Finding(code, "violated", values=values),)).sound

    assert not any(sound(code) for code in PROMISES)
    assert sound("size_building", proven=True)
    assert not sound("size_unproven", proven=False)
    assert sound("compound_split")


def test_bounds_are_named_by_code() -> None:
    found = judged(town(), HALVES)
    frame = gpd.GeoDataFrame({"code": ["C1-002", "C9-001", "C1-001"]}, geometry=[None] * 3, crs=CRS)
    named = found.name_bounds(frame)
    assert named.columns.to_list() == ["code", "bounds_zh", "bounds_en", "geometry"]
    assert named["bounds_zh"].iloc[0] == found.grids[1]["bounds"]["zh"]
    assert named["bounds_en"].iloc[2] == found.grids[0]["bounds"]["en"]
    assert named["bounds_zh"].iloc[1] == named["bounds_en"].iloc[1] == ""


def test_compounds_in_several_grids_be_it_of_two_communities() -> None:
    area = make_area(
        [box(0, 0, 150, 100), box(150, 0, 300, 100)],
        [],
        [],
        list(HOUSES.values()),
        [100, 120, 140],
        list(HOUSES),
    )
    estates = gpd.GeoDataFrame(
        {"id": ["E1", "E2", "E3"], "name": ""},
        geometry=[box(100, 0, 300, 100), box(0, 0, 100, 100), box(0, 0, 150, 100)],
        crs=CRS,
    )
    area = replace(area, compounds=estates)
    frame = gpd.GeoDataFrame(
        {
            "code": ["C1-001", "C1-002", "C2-001"],
            "community": ["C1", "C1", "C2"],
            "households": [100, 120, 140],
            "residents": [250.0, 300.0, 350.0],
            "buildings": 1,
            "buildings_unknown": 0,
        },
        geometry=[box(0, 0, 100, 100), box(100, 0, 150, 100), box(150, 0, 300, 100)],
        crs=CRS,
    )
    found = judge_plan(area, frame, area.buildings.assign(grid=["C1-001", "C1-002", "C2-001"]), ANY)
    assert told(found) == [("compound_split_border", ("E1",)), ("compound_split", ("E3",))]
    assert found.figures["split_compounds"] == 2
    assert found.violations[0].values["grids"] == "C1-002, C2-001"
    assert [line["grids"] for line in found.communities] == [2, 1]
