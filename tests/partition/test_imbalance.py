"""Grids out of their tier's range: listed, summed up, and explained."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
from shapely import box

from partition.area import Area
from partition.city.outcome import Failure
from partition.solver.constraints import Reason
from partition.tiers.imbalance import find_failures, find_miscounts, find_size_faults, list_imbalance, sum_up
from partition.tiers.levels import Level
from partition.wishes.rules import Size
from tests.lattice import CRS, make_area

NAME = {"zh": "楼组", "en": "block"}


def tier(count: int, measure: str = "households", **more) -> Level:
    shapes = np.array([box(100 * n, 0, 100 * n + 100, 100) for n in range(count)], dtype=object)
    return Level(
        NAME,
        Size(measure, 100, 200, 300),  # type: ignore[arg-type]
        numbered=True,
        polygons=shapes,
        building=more.pop("building", np.empty(0, dtype=np.int64)),
        community=np.zeros(count, dtype=np.int64),
        **more,
    )


def table(measured: list[float], *, code: list[str] | None = None, **bounds: list[float]) -> gpd.GeoDataFrame:
    count = len(measured)
    lower, target, upper = (
        np.array(bounds.get(name, [usual] * count), dtype=float)
        for name, usual in (("lower", 100), ("target", 200), ("upper", 300))
    )
    held = np.array(measured, dtype=float)
    return gpd.GeoDataFrame(
        {
            "code": code if code is not None else [f"C1-00{n}" for n in range(count)],
            "name": [f"第{n}楼组" for n in range(count)],
            "name_en": [f"block {n}" for n in range(count)],
            "parent": "C1-9",
            "community": "C1",
            "measured": held,
            "lower": lower,
            "target": target,
            "upper": upper,
            "in_range": (held >= lower) & (held <= upper),
        },
        geometry=[box(100 * n, 0, 100 * n + 100, 100) for n in range(count)],
        crs=CRS,
    )


def area(households: list[int], communities: int = 1) -> Area:
    width = 100 * len(households) / communities
    shapes = [box(n * width, 0, n * width + width, 100) for n in range(communities)]
    houses = [box(100 * n + 40, 40, 100 * n + 60, 60) for n in range(len(households))]
    return make_area(shapes, [], [], houses, households)


def test_a_tier_is_summed_up() -> None:
    found = sum_up(1, tier(4), table([100, 300, 50.04, 150]))
    assert found == {
        "tier": 2,
        "name": NAME,
        "numbered": True,
        "grids": 4,
        "measure": "households",
        "least": 50.04,
        "mean": 150.0,
        "greatest": 300.0,
        "variation": round(float(np.std([100, 300, 50.04, 150]) / 150.01), 4),
        "share_in_range": 0.75,
    }


def test_grids_out_of_range_are_listed_with_how_far() -> None:
    some = tier(6)
    some.reasons = {1: Reason("building", 400.0)}
    found = list_imbalance(0, some, table([350, 351, 100, 50, 49, 300]))
    assert [(line["code"], line["measured"], line["beyond"], line["far"]) for line in found] == [
        ("C1-000", 350, 0.25, False),
        ("C1-001", 351, 0.255, True),
        ("C1-003", 50, 0.25, False),
        ("C1-004", 49, 0.255, True),
    ]
    assert [line["reason"] for line in found] == ["unproven", "building", "unproven", "unproven"]
    assert found[0] | {"code": ""} == {
        "tier": 1,
        "tier_name": NAME,
        "code": "",
        "name": {"zh": "第0楼组", "en": "block 0"},
        "community": "C1",
        "measure": "households",
        "measured": 350.0,
        "lower": 100.0,
        "upper": 300.0,
        "beyond": 0.25,
        "far": False,
        "reason": "unproven",
    }


def test_a_fault_names_the_building_that_is_to_blame() -> None:
    # the second grid holds two buildings that are lived in (of one id) and an empty one
    town = area([90, 200, 0, 201, 110])
    ids = ["A", "B", "C", "B", "D"]
    town = replace(town, buildings=town.buildings.assign(id=ids))
    some = tier(3, building=np.array([0, 1, 1, 1, 2]), parent=np.array([1, 1, 1]))
    some.reasons = {0: Reason("too_few", 90.0), 1: Reason("building", 401.0)}
    larger = tier(2)
    larger.words = {"zh": ["第1片区", "第2片区"], "en": ["area 1", "area 2"]}
    few, large = find_size_faults(town, some, larger, table([90, 401, 110]))
    assert (few.code, few.level, few.layer, few.rows) == ("tier_too_few", "violated", "tiers", ("C1-000",))
    assert (large.code, large.rows) == ("tier_building", ("C1-001",))
    assert (large.values["building"], large.values["alone"], large.values["proven"]) == ("B", 401.0, True)
    assert few.values["building"] == ""
    assert few.values == few.values | {
        "tier_zh": "楼组",
        "tier_en": "block",
        "name_zh": "第0楼组",
        "name_en": "block 0",
        "parent_zh": "第2片区",
        "parent_en": "area 2",
        "unit_zh": "户",
        "unit_en": "households",
        "measured": 90.0,
        "lower": 100.0,
        "upper": 300.0,
    }
    for fault in (few, large):
        assert fault.text("zh") != fault.text("en")


def test_without_a_tier_above_the_community_is_the_parent_and_of_several_it_is_named() -> None:
    (fault,) = find_size_faults(area([90]), tier(1, building=np.array([0])), None, table([90], code=[""]))
    assert (fault.code, fault.rows) == ("tier_unproven", ("第0楼组",))
    assert (fault.values["parent_zh"], fault.values["parent_en"]) == ("C1", "C1")
    assert fault.values["proven"] is False
    two = find_size_faults(area([90, 120], 2), tier(2, building=np.array([0, 1])), tier(2), table([90, 120]))
    assert [(f.values["name_zh"], f.values["name_en"]) for f in two] == [("C1 第0楼组", "C1 block 0")]
    assert two[0].values["parent_zh"] == "C1"


@pytest.mark.parametrize(
    ("measure", "unit"),
    [("residents", "人"), ("area", "平方米"), ("workload", "工作量"), ("households", "户")],
)
def test_every_measure_has_its_unit(measure: str, unit: str) -> None:
    (fault,) = find_size_faults(area([90]), tier(1, measure, building=np.array([0])), None, table([90]))
    assert fault.values["unit_zh"] == unit


def test_a_number_that_was_not_made_is_told_by_community() -> None:
    some = tier(3)
    some.asked = {1: (4, 5), 0: (4, 3)}
    found = find_miscounts(some, np.array(["C1", "C2"], dtype=object))
    assert [(f.code, f.rows, f.values["wanted"], f.values["made"]) for f in found] == [
        ("tier_fewer", ("C1",), 4, 3),
        ("tier_more", ("C2",), 4, 5),
    ]
    assert find_miscounts(tier(3), np.array(["C1"], dtype=object)) == []


def test_what_broke_is_told_by_its_parent_in_order() -> None:
    some = tier(3)
    some.failures = {2: Failure("ValueError: b", "there"), 0: Failure("KeyError: a", "here")}
    found = find_failures(some, table([90, 100, 110]))
    assert [(f.code, f.rows, f.values["error"], f.values["where"]) for f in found] == [
        ("tier_failed", ("C1-9",), "KeyError: a", "here"),
        ("tier_failed", ("C1-9",), "ValueError: b", "there"),
    ]
    assert not any(f.values["proven"] for f in found)
