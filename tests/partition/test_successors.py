"""What comes of a merger, on a street of four communities reckoned by hand."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
from shapely import LineString, Point, box

from partition.area import Area
from partition.merging.merge import merge_communities
from partition.merging.successors import Merger
from partition.wishes.rules import Size
from tests.lattice import CRS, make_area

PAIRS = (Size("households", 150, 200, 250),)


def street(households: list[list[int]], residents: list[list[float]] | None = None) -> Area:
    """Communities of 300 m in a row, each with houses at 100 m and 200 m, 20 m off the street they lie on."""
    count = len(households)
    shapes = [box(300 * n, 0, 300 * n + 300, 200) for n in range(count)]
    houses = [box(300 * n + x - 10, 10, 300 * n + x + 10, 30) for n in range(count) for x in (100, 200)]
    way = LineString([(0, 0), (300 * count, 0)])
    area = make_area(shapes, [way], ["local"], houses, np.array(households).reshape(-1))
    codes = [f"11010100100{n + 1}" for n in range(count)]
    frame = area.communities.assign(code=codes, id=codes, name=[f"社区{n}" for n in range(count)])
    area = replace(area, communities=frame)
    if residents is None:
        return area
    return replace(area, buildings=area.buildings.assign(residents=np.array(residents).reshape(-1)))


def stations(*x: float) -> gpd.GeoDataFrame:
    columns = {"id": [f"S{n}" for n in range(len(x))], "name": "站", "kind": "居委会"}
    return gpd.GeoDataFrame(columns, geometry=[Point(at, 0) for at in x], crs=CRS)


def merged(
    area: Area, into: int, *at: float, sizes: tuple[Size, ...] = PAIRS, limit_m: float = 1200.0
) -> Merger:
    facilities = stations(*at) if at else None
    return merge_communities(area, into, sizes=sizes, facilities=facilities, limit_m=limit_m, effort=200)


def kept(made: Merger) -> list[str]:
    """The last digit of the code that each old community has now."""
    return [code[-1] for code in made.lineage["new_code"]]


def test_the_code_that_stays_is_that_of_most_households_then_residents_then_the_lower() -> None:
    even = [[50, 50]] * 4
    assert kept(merged(street([[50, 40], [60, 50], [60, 50], [50, 40]]), 2)) == ["2", "2", "3", "3"]
    people = [[100.0, 100.0], [100.0, 101.0], [90.0, 90.0], [80.0, 99.0]]
    assert kept(merged(street(even, people), 2)) == ["2", "2", "3", "3"]
    assert kept(merged(street(even), 2)) == ["1", "1", "3", "3"]


def test_the_lineage_tells_what_became_of_every_community() -> None:
    made = merged(street([[50, 40], [60, 50], [60, 50], [50, 40]]), 2)
    assert made.lineage.columns.to_list() == [
        *("old_id", "old_code", "old_name", "new_id", "new_code", "new_name"),
        *("fate", "households", "residents", "area_m2"),
    ]
    assert made.lineage["fate"].to_list() == ["dissolved", "kept", "kept", "dissolved"]
    assert made.lineage["new_name"].to_list() == ["社区1", "社区1", "社区2", "社区2"]
    assert made.lineage["households"].to_list() == [90, 110, 110, 90]
    assert made.lineage["residents"].to_list() == [225, 275, 275, 225]
    assert made.lineage["area_m2"].to_list() == [60_000] * 4
    assert (made.figures["kept"], made.figures["dissolved"]) == (2, 2)
    assert (made.figures["communities_before"], made.figures["communities"], made.figures["asked"]) == (
        4,
        2,
        2,
    )


def test_the_communities_hold_what_they_were_made_of() -> None:
    made = merged(street([[50, 40], [60, 50], [70, 50], [50, 40]]), 2)
    new = made.communities
    assert new["id"].to_list() == ["110101001002", "110101001003"]
    assert new["merged"].to_list() == [2, 2]
    assert new["households"].to_list() == [200, 210]
    assert new["residents"].to_list() == [500, 525]
    assert new["area_m2"].to_list() == [120_000, 120_000]
    assert new.geometry.iloc[0].equals(box(0, 0, 600, 200))
    figures = made.figures
    assert (figures["households"], figures["residents"], figures["share_in_range"]) == (410, 1025, 1.0)
    assert figures["variation"] == round(5 / 205, 4)
    assert figures["polsby_popper"] == round(4 * np.pi * 120_000 / 1600**2, 4)
    assert made.violations == ()


def test_walks_are_from_each_door_to_the_station_of_its_new_community() -> None:
    made = merged(street([[50, 40], [60, 50], [60, 50], [50, 40]]), 2, 250, 590, 610, 1000)
    assert made.communities["station"].to_list() == ["S0", "S3"]
    metres = [170, 70, 170, 270, 320, 220, 20, 120]
    assert made.walks["walk_m"].to_list() == metres
    assert made.walks["station"].to_list() == ["S0"] * 4 + ["S3"] * 4
    assert made.walks["community"].to_list() == ["110101001002"] * 4 + ["110101001003"] * 4
    assert made.walks["minutes"].to_list() == [round(m / 80, 1) for m in metres]
    assert made.walks["reason"].to_list() == [""] * 8
    held = np.array([50, 40, 60, 50, 60, 50, 50, 40])
    by_half = (metres * held).reshape(2, 4).sum(axis=1)
    assert made.communities["walk_m"].to_list() == [round(m / 200, 1) for m in by_half]
    assert made.communities["farthest_m"].to_list() == [270, 320]
    assert made.communities["unreached"].to_list() == [0, 0]
    assert made.figures["mean_walk_m"] == round(by_half.sum() / 400, 1)
    assert (made.figures["farthest_m"], made.figures["share_within_walk"], made.figures["unreached"]) == (
        320,
        1.0,
        0,
    )


def test_who_is_beyond_the_walk_is_counted_with_the_reason() -> None:
    area, at = street([[50, 40], [60, 50], [60, 50], [50, 40]]), (250, 590, 610, 1000)
    made = merged(area, 2, *at, limit_m=220.0)
    # 270 m and 320 m to the station chosen; they are near another, which is far from more
    assert made.walks["reason"].to_list() == ["", "", "", "grouping", "grouping", "", "", ""]
    assert made.communities["unreached"].to_list() == [50, 60]
    assert made.communities["farthest_m"].to_list() == [170, 220]
    assert [(f.code, f.rows, f.values["households"]) for f in made.violations] == [
        ("reach_grouping", ("B0003",), 50),
        ("reach_grouping", ("B0004",), 60),
    ]
    assert made.violations[0].values["least"] == 110
    assert made.violations[0].values["limit_m"] == 220
    assert made.violations[0].values["minutes"] == 2.8
    assert (made.figures["unreached"], made.figures["share_within_walk"]) == (110, 0.725)
    assert made.sound
    near = merged(area, 2, *at, limit_m=100.0)
    assert near.walks["reason"].to_list() == [
        "nowhere",
        "",
        "nowhere",
        "nowhere",
        "nowhere",
        "nowhere",
        "",
        "nowhere",
    ]
    assert [(f.code, len(f.rows)) for f in near.violations] == [("reach_nowhere", 3), ("reach_nowhere", 3)]


def test_real_stations_stay_and_of_proposed_ones_the_chosen() -> None:
    area = street([[50, 40], [60, 50], [60, 50], [50, 40]])
    made = merged(area, 2, 250, 280, 550)  # the last two communities have none
    own = made.stations
    assert own.columns.to_list() == ["id", "name", "kind", "community", "chosen", "geometry"]
    real = own[own["kind"] != ""]
    assert real["id"].to_list() == ["S0", "S1", "S2"]
    assert real["chosen"].sum() == 1
    proposed = own[own["kind"] == ""]
    assert proposed["chosen"].to_list() == [True]
    assert proposed["community"].to_list() == ["110101001003"]
    (note,) = made.findings
    assert (note.code, note.rows) == ("station_proposed", ("110101001003", "110101001004"))


def test_residents_that_nobody_knows_are_none_in_the_report() -> None:
    nobody = np.full((4, 2), np.nan)
    made = merged(street([[50, 40], [60, 50], [60, 50], [50, 40]], nobody.tolist()), 2)
    assert made.communities["residents"].isna().all()
    assert made.figures["residents"] is None
    told = made.to_dict()
    assert [line["residents"] for line in told["communities"]] == [None, None]
    assert "geometry" not in told["communities"][0]
    assert len(told["lineage"]) == 4
    some = nobody.copy()
    some[0, 0] = 90.0
    half = merged(street([[50, 40], [60, 50], [60, 50], [50, 40]], some.tolist()), 2)
    assert half.communities["residents"].fillna(-1).to_list() == [90, -1]
    assert half.figures["residents"] == 90


def test_sizes_that_cannot_be_met_are_told_with_their_share() -> None:
    few = merged(street([[50, 40], [10, 5]]), 1)
    # asked for one, and all 105 households are too few for it
    assert [(f.code, f.rows) for f in few.violations] == [("merge_wanted_number", ("110101001001",))]
    assert few.violations[0].values["proven"] is True
    assert few.figures["share_in_range"] == 0.0
    large = merged(street([[150, 110], [60, 50], [60, 50]]), 2)
    assert [(f.code, f.rows) for f in large.violations] == [("merge_alone", ("110101001001",))]
    assert large.figures["share_in_range"] == 0.5
    assert large.sound


def test_more_communities_than_asked_for_are_told() -> None:
    area = street([[50, 40], [60, 50]])
    frame = area.communities.assign(code=["110101001001", "110101002001"])  # two street offices
    made = merged(replace(area, communities=frame), 1, sizes=(Size("households", 10, 100, 300),))
    (fault,) = [f for f in made.violations if f.code == "merge_more"]
    assert fault.values == {"into": 1, "made": 2}


def test_a_single_household_walks_as_far_as_it_does() -> None:
    made = merged(street([[1, 0], [0, 0]]), 1, 250, sizes=(Size("households", 0, 1, 5),))
    assert made.walks["walk_m"].to_list() == [170]
    assert made.communities["walk_m"].to_list() == [170]
    assert made.figures["mean_walk_m"] == 170
