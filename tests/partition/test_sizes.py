"""Grids held against sizes and wholes: ranges, zones, villages, compounds, on plans drawn by hand."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
from shapely import box

from partition.area import Area
from partition.findings import Finding
from partition.geometry.zones import Zones
from partition.reasons.sizes import (
    Share,
    Sizes,
    find_dedicated,
    judge_sizes,
    mark_kinds,
    place_in,
    share_of,
    shares_of_compounds,
    sum_figures,
)
from partition.wishes.loads import weigh_area
from partition.wishes.rules import Profile, Size, ZoneRule
from tests.lattice import CRS, make_area

HOUSEHOLDS = Size("households", 150, 200, 300)
PLAIN = Profile("test", HOUSEHOLDS)


def row(households: list[int], grid: list[str], **columns: object) -> Area:
    """One house in each hundred metres of a community, and the grid of each."""
    houses = [box(100 * n + 40, 40, 100 * n + 60, 60) for n in range(len(households))]
    area = make_area([box(0, 0, 100 * len(households), 100)], [], [], houses, households)
    return replace(area, buildings=area.buildings.assign(grid=grid, **columns))


def grids(area: Area, **spans: tuple[float, float]) -> gpd.GeoDataFrame:
    """Grids from x to x, by code, with what they hold."""
    held = area.buildings.groupby("grid")["households"].sum()
    frame = {"code": list(spans), "community": "C1", "households": [int(held.get(code, 0)) for code in spans]}
    return gpd.GeoDataFrame(frame, geometry=[box(a, 0, b, 100) for a, b in spans.values()], crs=CRS)


def codes(sizes: Sizes) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(finding.code, finding.level, finding.rows) for finding in sizes.findings]


def fields(*rows: tuple[str, float, float]) -> gpd.GeoDataFrame:
    """Schools from x to x."""
    columns = {"id": [name for name, _, _ in rows], "name": "", "kind": "school", "complexity": 1.0}
    return gpd.GeoDataFrame(columns, geometry=[box(a, 0, b, 100) for _, a, b in rows], crs=CRS)


# --- the range ---


def test_bounds_are_within_and_what_lies_beyond_is_a_fault() -> None:
    area = row([150, 300, 149, 301], ["a", "b", "c", "d"])
    sizes = judge_sizes(area, grids(area, a=(0, 100), b=(100, 200), c=(200, 300), d=(300, 400)), PLAIN, {})
    assert [line["in_range"] for line in sizes.lines] == [True, True, False, False]
    assert [line["deviation"] for line in sizes.lines] == [-0.25, 0.5, -0.255, 0.505]
    assert [line["held"] for line in sizes.lines] == [{"households": held} for held in (150, 300, 149, 301)]
    assert {line["kind"] for line in sizes.lines} == {"basic"}
    assert not any(line["exempt"] for line in sizes.lines)
    assert sizes.targets == {"households": 200}
    # a single building above the bound proves its fault; what is too little, nothing does
    assert codes(sizes) == [("size_unproven", "violated", ("c",)), ("size_building", "violated", ("d",))]
    assert sizes.findings[1].values["building"] == "B0003"
    assert sizes.findings[1].values["alone"] == 301
    assert sizes.findings[0].values["held"] == 149


def test_a_building_beside_others_that_count_proves_nothing() -> None:
    area = row([301, 1, 400, 0], ["a", "a", "b", "b"])
    sizes = judge_sizes(area, grids(area, a=(0, 200), b=(200, 400)), PLAIN, {})
    assert codes(sizes) == [("size_unproven", "violated", ("a",)), ("size_building", "violated", ("b",))]


def test_a_reason_that_is_known_is_told_as_it_is() -> None:
    area = row([400], ["a"])
    known = Finding("size_pocket", "violated", "grids", rows=("a",))
    assert judge_sizes(area, grids(area, a=(0, 100)), PLAIN, {"a": known}).findings == (known,)


def test_of_two_ranges_the_one_that_is_missed_by_more_is_told() -> None:
    two = replace(PLAIN, second=Size("residents", 300, 400, 500))
    area = row([310, 160, 160], ["a", "b", "c"], residents=[700.0, 290.0, 400.0])
    sizes = judge_sizes(area, grids(area, a=(0, 100), b=(100, 200), c=(200, 300)), two, {})
    assert sizes.targets == {"households": 200, "residents": 400}
    assert [line["in_range"] for line in sizes.lines] == [False, False, True]
    # a building is told in the first measure that it exceeds, what nothing proves in that missed by more
    assert [(f.code, f.values["measure"]) for f in sizes.findings] == [
        ("size_building", "households"),
        ("size_unproven", "residents"),
    ]
    assert sizes.lines[0]["held"] == {"households": 310, "residents": 700}


def test_sizes_that_are_a_guide_are_noted() -> None:
    area = row([400], ["a"])
    sizes = judge_sizes(area, grids(area, a=(0, 100)), replace(PLAIN, wishes=("soft",)), {})
    assert codes(sizes) == [("size_soft", "noted", ("a",))]
    assert sizes.lines[0]["in_range"] is False


def test_ground_is_measured_by_the_grid() -> None:
    area = row([1, 1], ["a", "b"])
    by_area = Profile("test", Size("area", 10_000, 15_000, 20_000))
    sizes = judge_sizes(area, grids(area, a=(0, 100), b=(100, 310)), by_area, {})
    assert [line["held"]["area"] for line in sizes.lines] == [10_000, 21_000]
    assert codes(sizes) == [("size_unproven", "violated", ("b",))]


# --- zones ---


def test_a_grid_that_is_a_zone_is_exempt() -> None:
    area = replace(row([200, 0, 200], ["a", "b", "c"]), zones=fields(("Z1", 100, 200)))
    apart = replace(PLAIN, zones=ZoneRule(), wishes=("zones",))
    sizes = judge_sizes(area, grids(area, a=(0, 100), b=(100, 200), c=(200, 300)), apart, {})
    assert [line["kind"] for line in sizes.lines] == ["basic", "dedicated", "basic"]
    assert [line["exempt"] for line in sizes.lines] == [False, True, False]
    assert [line["deviation"] for line in sizes.lines] == [0.0, None, 0.0]
    assert codes(sizes) == [("zones_apart", "noted", ("b",))]


def test_a_zone_that_shares_a_grid_with_others_is_told_with_its_grids() -> None:
    area = replace(row([200, 0, 200], ["a", "b", "c"]), zones=fields(("Z1", 100, 200)))
    apart = replace(PLAIN, zones=ZoneRule(), wishes=("zones",))
    half = judge_sizes(area, grids(area, a=(0, 150), b=(150, 200), c=(200, 300)), apart, {})
    assert codes(half)[-1] == ("zone_mixed", "violated", ("Z1",))
    assert half.findings[-1].values["grids"] == "a, b"
    # as much as a twentieth of its ground may lie elsewhere
    slip = judge_sizes(area, grids(area, a=(0, 104.9), b=(104.9, 200), c=(200, 300)), apart, {})
    assert [code for code, _, _ in codes(slip)] == ["zones_apart"]
    more = judge_sizes(area, grids(area, a=(0, 105.1), b=(105.1, 200), c=(200, 300)), apart, {})
    assert [code for code, _, _ in codes(more)] == ["zones_apart", "zone_mixed"]


def test_a_house_of_a_zone_in_another_grid_mixes_them() -> None:
    area = replace(row([200, 1, 200], ["a", "a", "c"]), zones=fields(("Z1", 100, 200)))
    apart = replace(PLAIN, zones=ZoneRule(), wishes=("zones",))
    found = judge_sizes(area, grids(area, a=(0, 100), b=(100, 200), c=(200, 300)), apart, {})
    assert codes(found)[-1] == ("zone_mixed", "violated", ("Z1",))
    assert found.findings[-1].values["grids"] == "a"


def test_a_grid_is_a_zone_where_it_holds_most_of_it_and_nobody_from_elsewhere() -> None:
    area = row([5, 0, 7], ["a", "b", "c"])
    zones = Zones(("Z1", "Z2"), np.array([box(100, 0, 200, 100), box(265, 0, 300, 100)], dtype=object))

    def found(**spans: tuple[float, float]) -> list[bool]:
        frame = grids(area, **spans)
        place = place_in(area.buildings["grid"].to_numpy().astype(str), frame["code"].to_numpy().astype(str))
        return find_dedicated(frame, zones, area.buildings, place).tolist()

    assert found(a=(0, 100), b=(100, 200), c=(200, 300)) == [False, True, False]  # c holds a house outside
    assert found(a=(0, 149), b=(149, 200), c=(200, 300)) == [False, True, False]
    assert found(a=(0, 151), b=(151, 200), c=(200, 300)) == [False, False, False]
    assert found(a=(0, 100), b=(100, 250), d=(250, 300)) == [False, True, True]


def test_a_plan_drawn_elsewhere_gets_its_kinds() -> None:
    area = replace(row([200, 0, 200], ["a", "b", "c"]), zones=fields(("Z1", 100, 200)))
    drawn = grids(area, a=(0, 100), b=(100, 200), c=(200, 300))
    apart = replace(PLAIN, zones=ZoneRule(), wishes=("zones",))
    assert mark_kinds(area, drawn, area.buildings, apart)["kind"].to_list() == ["basic", "dedicated", "basic"]
    assert mark_kinds(area, drawn, area.buildings, PLAIN)["kind"].to_list() == ["basic"] * 3
    known = judge_sizes(area, drawn.assign(kind=["dedicated", "basic", "basic"]), PLAIN, {})
    assert [line["kind"] for line in known.lines] == ["dedicated", "basic", "basic"]


# --- villages ---


@pytest.mark.parametrize(
    ("kind", "households", "code"),
    [("rural", 199, "village_whole"), ("rural", 200, None), ("urban", 199, None), ("", 199, None)],
)
def test_a_small_village_is_one_grid_whatever_it_holds(kind: str, households: int, code: str | None) -> None:
    rules = replace(PLAIN, size=Size("households", 300, 400, 500), village_whole=200)
    area = row([households], ["a"])
    area = replace(area, communities=area.communities.assign(**{"class": kind}))
    sizes = judge_sizes(area, grids(area, a=(0, 100)), rules, {})
    assert [name for name, _, _ in codes(sizes)] == ([code] if code else ["size_unproven"])
    assert sizes.lines[0]["exempt"] == (code is not None)


def test_a_small_village_in_two_grids_is_told() -> None:
    rules = replace(PLAIN, size=Size("households", 10, 50, 500), village_whole=200)
    area = row([60, 60], ["a", "b"])
    area = replace(area, communities=area.communities.assign(**{"class": "rural"}))
    sizes = judge_sizes(area, grids(area, a=(0, 100), b=(100, 200)), rules, {})
    assert codes(sizes) == [("village_split", "violated", ("C1",))]
    assert (sizes.findings[0].values["households"], sizes.findings[0].values["grids"]) == (120, 2)
    assert not any(line["exempt"] for line in sizes.lines)


# --- compounds and village groups ---


def test_what_is_too_large_for_a_grid_is_told_with_the_least_number_of_parts() -> None:
    large = Share("compound", frozenset({"b", "a"}), {"households": (601.0, 300.0, 601.0)})
    finding = large.finding("E1")
    assert (finding.code, finding.rows, finding.layer) == ("compound_split_large", ("E1",), "compounds")
    assert finding.values == {"grids": "a, b", "held": 601, "measure": "households", "upper": 300, "least": 3}
    # a building above the bound has a grid to itself: 1 + one for the rest
    tower = Share("village_group", frozenset({"a"}), {"households": (1000.0, 300.0, 600.0)})
    assert (tower.finding("G").code, tower.finding("G").layer) == ("village_group_split_large", "buildings")
    assert tower.finding("G").values["least"] == 2
    fits = Share("compound", frozenset({"a", "b"}), {"households": (300.0, 300.0, 300.0)})
    assert fits.finding("E1").code == "compound_split"


def test_shares_of_two_communities_add_up() -> None:
    one = Share("compound", frozenset({"a"}), {"households": (100.0, 300.0, 90.0)})
    other = Share(
        "compound", frozenset({"b"}), {"households": (50.0, 400.0, 40.0), "residents": (7.0, 8.0, 6.0)}
    )
    both = one.joined(other)
    assert both.codes == {"a", "b"}
    assert both.load == {"households": (150.0, 400.0, 130.0), "residents": (7.0, 8.0, 6.0)}
    assert both.finding("E1").code == "compound_split_border"
    third = Share("compound", frozenset({"c", "d"}), {})
    assert both.joined(Share("compound", frozenset({"c"}), {})).parted
    assert not both.joined(third).parted
    assert not third.parted


def test_what_buildings_hold_is_summed_by_building() -> None:
    area, _ = weigh_area(row([200, 200, 250], ["a", "a", "b"], atom=[0, 0, 1]), PLAIN)
    share = share_of("compound", area.buildings, ["a", "a", "b"], (HOUSEHOLDS, Size("area", 1, 2, 3)))
    assert share.codes == {"a", "b"}
    assert share.load == {"households": (650.0, 300, 550.0)}
    assert share_of("compound", area.buildings.iloc[:0], [], (HOUSEHOLDS,)).load == {}


def test_compounds_hold_the_buildings_on_their_ground_that_have_a_grid() -> None:
    area, _ = weigh_area(row([10, 20, 30], ["a", "", "b"]), PLAIN)
    estates = gpd.GeoDataFrame(
        {"id": ["E1", "E2", "E3"], "name": ""},
        geometry=[box(0, 0, 200, 100), box(0, 0, 300, 100), box(0, 0, 10, 10)],
        crs=CRS,
    )
    shares = shares_of_compounds(replace(area, compounds=estates), PLAIN)
    assert {name: (sorted(s.codes), s.load["households"][0]) for name, s in shares.items()} == {
        "E1": (["a"], 10),
        "E2": (["a", "b"], 40),
    }
    assert shares_of_compounds(area, PLAIN) == {}


# --- figures ---


def test_places_of_codes() -> None:
    known = np.array(["b", "c", "a"])
    assert place_in(np.array(["a", "", "c", "d", "b", "a"]), known).tolist() == [2, -1, 1, -1, 0, 2]
    assert place_in(np.array(["a"]), known[:0]).tolist() == [-1]


def line(households: float, target: float, *, exempt: bool = False, kind: str = "basic", fits: bool = True):
    off = None if exempt else households / target - 1
    return {
        "kind": kind,
        "exempt": exempt,
        "held": {"households": households},
        "deviation": off,
        "in_range": fits,
    }


def test_figures_are_those_of_the_grids_that_have_a_range() -> None:
    lines = [
        line(150, 200, fits=False),
        line(250, 200),
        line(5, 200, exempt=True, kind="dedicated"),
        line(400, 500),
    ]
    figures = sum_figures(lines, [{"households": 200}] * 3 + [{"households": 500}])
    assert figures["share_in_range"] == 0.6667
    assert figures["mean_deviation"] == pytest.approx((0.25 + 0.25 + 0.2) / 3, abs=1e-4)
    assert figures["max_deviation"] == 0.25
    assert figures["dedicated"] == 1
    held = np.array([150, 250, 400])
    assert figures["measures"] == {
        "households": {
            "variation": round(float(held.std() / held.mean()), 4),
            "mean_deviation": 0.2333,
            "max_deviation": 0.25,
        }
    }


def test_measures_of_some_communities_only_are_summed_there() -> None:
    one, other = line(150, 200), line(250, 200)
    other["held"] = {"households": 250, "residents": 900}
    figures = sum_figures([one, other], [{"households": 200}, {"households": 200, "residents": 1000}])
    assert figures["measures"]["residents"] == {"variation": 0.0, "mean_deviation": 0.1, "max_deviation": 0.1}
    assert figures["measures"]["households"]["variation"] == 0.25


def test_where_no_grid_has_a_range_nothing_is_off() -> None:
    figures = sum_figures([line(5, 200, exempt=True, kind="dedicated")], [{"households": 200}])
    assert (figures["share_in_range"], figures["mean_deviation"], figures["max_deviation"]) == (1.0, 0.0, 0.0)
    assert (figures["measures"], figures["dedicated"]) == ({}, 1)
