"""Proven reasons for grids of a plan that somebody drew."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
from shapely import LineString, box

from partition.area import Area
from partition.reasons.causes import prove_causes
from partition.reasons.judgement import Judgement, judge_plan
from partition.wishes.rules import Profile, Size
from tests.lattice import CRS, make_area

HOUSEHOLDS = Size("households", 150, 200, 250)


def row(*blocks: list[int], water: int | None = None) -> Area:
    """Blocks of 100 m in a row between lanes, a house for each number of households in each; a river between
    two of them.
    """
    houses = [
        box(100 * n + 10, 10 + 25 * i, 100 * n + 40, 25 + 25 * i)
        for n, some in enumerate(blocks)
        for i in range(len(some))
    ]
    lanes = [LineString([(100 * n, -5), (100 * n, 105)]) for n in range(1, len(blocks))]
    classes = ["water" if n == water else "lane" for n in range(1, len(blocks))]
    shape = box(0, 0, 100 * len(blocks), 100)
    return make_area([shape], lanes, classes, houses, [held for some in blocks for held in some])


def proven(area: Area, *ends: int, kinds: list[str] | None = None, size: Size = HOUSEHOLDS) -> Judgement:
    """The judgement of grids that end at these x, with reasons as far as they can be proven."""
    spans = list(zip([0, *ends[:-1]], ends, strict=True))
    codes = [f"C1-{n + 1:03d}" for n in range(len(ends))]
    x = area.buildings.geometry.centroid.x.to_numpy()
    place = np.searchsorted(np.array(ends), x)
    buildings = area.buildings.assign(grid=np.array(codes, dtype=object)[place])
    held = np.bincount(place, weights=area.buildings["households"], minlength=len(ends)).astype(int)
    frame = gpd.GeoDataFrame(
        {
            "code": codes,
            "community": "C1",
            "kind": ["basic"] * len(ends) if kinds is None else kinds,
            "households": held,
            "residents": 2.5 * held,
            "buildings": np.bincount(place, minlength=len(ends)),
            "buildings_unknown": 0,
        },
        geometry=[box(a, 0, b, 100) for a, b in spans],
        crs=CRS,
    )
    profile = Profile("test", size)
    judged = judge_plan(area, frame, buildings, profile)
    return prove_causes(area, frame, buildings, profile, judged)


def told(judgement: Judgement) -> list[tuple[str, tuple[str, ...]]]:
    return [(fault.code, fault.rows) for fault in judgement.violations]


def test_a_plan_in_range_needs_no_reason() -> None:
    assert told(proven(row([100, 100], [100, 100]), 100, 200)) == []


def test_two_grids_of_a_community_that_is_too_small_for_one() -> None:
    found = proven(row([60], [70]), 100, 200)
    assert told(found) == [("size_too_few", ("C1-001",)), ("size_too_few", ("C1-002",))]
    assert [fault.values["alone"] for fault in found.violations] == [130, 130]
    assert [fault.values["held"] for fault in found.violations] == [60, 70]
    assert found.sound


def test_what_a_river_cuts_off_is_told_with_what_it_holds() -> None:
    found = proven(row([60], [100, 50], [100, 100], water=1), 100, 200, 300)
    assert told(found) == [("size_cut_off", ("C1-001",))]
    assert found.violations[0].values["alone"] == 60


def test_no_number_of_grids_suits() -> None:
    found = proven(row([130], [140]), 100, 200)
    assert told(found) == [("size_no_number", ("C1-001",)), ("size_no_number", ("C1-002",))]
    assert found.violations[0].values["alone"] == 270


def test_a_house_above_the_bound_leaves_a_pocket_behind() -> None:
    found = proven(row([260], [100]), 200)
    assert [code for code, _ in told(found)] == ["size_pocket"]
    assert found.violations[0].values["building"] == "B0000"
    alone = proven(row([260], [160]), 100, 200)
    assert told(alone) == [("size_building", ("C1-001",))]


def test_what_cannot_be_proven_stays_unproven() -> None:
    # two grids could hold 200 each; the plan has 100 and 300
    found = proven(row([100], [100], [100], [100]), 100, 400)
    assert told(found) == [("size_unproven", ("C1-001",)), ("size_unproven", ("C1-002",))]
    assert not found.sound


def test_a_zone_that_stands_apart_is_not_weighed_with_the_others() -> None:
    found = proven(row([60], [20], [100, 100]), 100, 200, 300, kinds=["basic", "dedicated", "basic"])
    assert ("size_zone", ("C1-001",)) in told(found)
