"""Every violation of a plan has a reason: by each profile, on the sample, generated towns and real areas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from data import sample
from data.vector import read_area
from partition.area import Area
from partition.intake.frames import check_area
from partition.reasons.causes import prove_causes
from partition.reasons.judgement import judge_plan
from partition.split import split_area, split_plans
from partition.wishes.policy import Profile, Size, ZoneRule, load_profile, profile_names
from tests.asserts import assert_reasoned
from tests.lattice import Town, make_area, make_town

DATA = Path(__file__).parents[3] / "shared" / "data"

TOWNS = {
    "estates": Town(
        columns=5, rows=4, most_households=80, estates=((0, 0, 2, 1), (2, 0, 2, 2), (1, 2, 2, 1)), seed=31
    ),
    "zones": Town(
        columns=5, rows=4, most_households=30, gap_share=0.2, zones=((1, 1, 2, 1), (3, 2, 1, 1)), bend_m=14.0,
        careless=True, seed=32,
    ),
    "river": Town(
        columns=5, rows=4, most_households=30, river=True, bridges=0, wall=True, estates=((1, 0, 2, 2),),
        groups=(2, 1), classes=("rural",), seed=33,
    ),
    "towers": Town(
        columns=5, rows=4, most_households=80, people=(3.2, 4.0), groups=(2, 1), most_shops=30, seed=34
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", profile_names())
@pytest.mark.parametrize("town", sorted(TOWNS))
def test_every_violation_in_a_town_has_a_reason(town: str, name: str) -> None:
    profile = load_profile(name)
    profile = replace(profile, wishes=tuple(sorted({*profile.wishes, "village_groups"})), zones=ZoneRule())
    assert_reasoned(split_area(make_town(TOWNS[town]), profile, effort=200))


@pytest.mark.long
@pytest.mark.parametrize("name", profile_names())
@pytest.mark.parametrize("place", ["sample", "monaco", "seoul_gongdeok"])
def test_every_violation_of_a_real_plan_has_a_reason(place: str, name: str) -> None:
    file = sample.path() if place == "sample" else DATA / f"{place}.gpkg"
    if not file.is_file():
        pytest.skip("the real areas are not beside this checkout")
    area = check_area(read_area(file), missing="estimate")
    assert_reasoned(split_area(area, load_profile(name)))


HALVES = [shapely.box(0, 0, 200, 100), shapely.box(200, 0, 400, 100)]


def row_with_estate(*, wall: bool = False, households: int = 300) -> Area:
    """Four houses in a row, the two in the middle an estate; a wall may part them."""
    houses = [shapely.box(x, 40, x + 30, 60) for x in (10, 110, 210, 310)]
    streets = [shapely.LineString([(200, -1), (200, 101)])] if wall else []
    lived = [240, households, households, 240]
    area = make_area([shapely.box(0, 0, 400, 100)], streets, ["wall"] * len(streets), houses, lived)
    shapes = [shapely.box(100, 0, 300, 100)]
    return replace(
        area, compounds=gpd.GeoDataFrame({"id": ["E"], "name": [""]}, geometry=shapes, crs=area.crs)
    )


def judged_by_hand(area: Area, profile: Profile) -> dict[str, str]:
    """The violations of the plan of two halves, by their first rows, once their causes were looked for."""
    codes = ["C1-001", "C1-002"]
    buildings = area.buildings.assign(grid=[codes[0], codes[0], codes[1], codes[1]])
    held = buildings.groupby("grid")["households"].sum()
    grids = gpd.GeoDataFrame(
        {"code": codes, "community": "C1", "households": held[codes].to_numpy(), "kind": "basic"}
        | {"residents": np.nan, "buildings": 2, "buildings_unknown": 0},
        geometry=HALVES,
        crs=area.crs,
    )
    judged = judge_plan(area, grids, buildings, profile)
    return {v.rows[0]: v.code for v in prove_causes(area, grids, buildings, profile, judged).violations}


def test_a_plan_drawn_by_hand_is_told_why_an_estate_is_divided_or_that_nothing_hinders_it() -> None:
    profile = Profile("test", Size("households", 400, 560, 620))
    assert judged_by_hand(row_with_estate(), profile) == {"E": "compound_split_weighed"}
    assert judged_by_hand(row_with_estate(wall=True), profile) == {"E": "compound_split_apart"}
    assert judged_by_hand(row_with_estate(households=350), profile)["E"] == "compound_split_large"


def test_a_plan_drawn_by_hand_is_told_that_a_zone_could_stand_apart() -> None:
    area = row_with_estate()
    park = {"id": ["Z"], "name": [""], "kind": ["park"], "complexity": [1.0]}
    shapes = [shapely.box(145, 5, 195, 95)]
    area = replace(area, zones=gpd.GeoDataFrame(park, geometry=shapes, crs=area.crs))
    profile = Profile("test", Size("households", 400, 560, 620), zones=ZoneRule(), wishes=("zones",))
    assert judged_by_hand(area, profile)["Z"] == "zone_mixed_drawn"
    around = [shapely.box(105, 5, 195, 95)]  # round the second house, which is then the zone's
    assert judged_by_hand(replace(area, zones=area.zones.set_geometry(around, crs=area.crs)), profile)[
        "Z"
    ] == ("zone_mixed_drawn")


def test_an_alternative_that_divides_an_estate_says_that_other_wishes_weighed_more() -> None:
    estates = ((0, 0, 2, 1), (2, 1, 1, 2), (4, 0, 1, 2), (4, 3, 2, 1))
    area = make_town(Town(columns=6, rows=5, most_households=30, estates=estates, seed=10))
    profile = load_profile("yichang")
    plans = split_plans(area, profile, 3, effort=300)
    for plan in plans:
        assert_reasoned(plan)
    told = {v.code for plan in plans[1:] for v in plan.report.violations}
    assert "compound_split_weighed" in told
