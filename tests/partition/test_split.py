"""The whole way, on inputs that are not usual."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely import LineString, MultiPolygon, box

from data.sample import path as sample_path
from data.vector import read_area
from partition import division
from partition.area import Area
from partition.errors import InputError
from partition.findings import Finding
from partition.intake.frames import check_area
from partition.reasons.explanation import explain
from partition.solver.constraints import Reason
from partition.solver.layout import Search
from partition.split import Split, split_area
from partition.wishes.policy import Profile, Size, load_profile
from tests.asserts import assert_valid_plan
from tests.lattice import Town, make_area, make_town

PROFILE = Profile("test", Size("households", 200, 300, 400))


def split(area: Area, **options: object) -> Split:
    made = split_area(area, PROFILE, effort=500, **options)  # type: ignore[arg-type]
    assert_valid_plan(area, made)
    return made


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return sorted(finding.code for finding in findings)


def test_a_community_without_buildings_is_one_grid() -> None:
    made = split(make_area([box(0, 0, 100, 100)], [LineString([(50, -5), (50, 105)])], ["local"], [], []))
    assert made.grids["code"].to_list() == ["C1-001"]
    assert made.grids["households"].to_list() == [0]
    assert codes(made.report.violations) == ["size_too_few"]
    assert made.report.sound


def test_without_streets_borders_run_between_buildings() -> None:
    houses = [box(x, y, x + 15, y + 12) for x in range(10, 200, 40) for y in range(10, 160, 40)]
    made = split(make_area([box(0, 0, 210, 170)], [], [], houses, [60] * len(houses)))
    assert len(made.grids) == 4
    assert made.report.judgement.figures["share_in_range"] == 1.0
    assert made.report.judgement.figures["border_m"].keys() == {"none"}


def test_a_building_above_the_bound_is_a_grid_with_its_reason() -> None:
    houses = [box(x, 40, x + 15, 60) for x in (10, 60, 110, 160)]
    made = split(make_area([box(0, 0, 210, 100)], [], [], houses, [250, 500, 220, 40]))
    (violation,) = made.report.violations
    assert violation.code == "size_building"
    assert violation.text() == (
        f"grids: grid {violation.rows[0]} holds 500 households, above 400, because building B0001 alone "
        "has 500; a building is never split."
    )
    assert violation.text("zh").startswith("grids: 网格")
    assert made.report.sound


def test_islands_and_holes() -> None:
    mainland = box(0, 0, 200, 100).difference(box(80, 40, 100, 60))
    island = box(240, 0, 280, 40)
    houses = [box(10, 10, 30, 30), box(150, 10, 170, 30), box(250, 10, 260, 20)]
    made = split(make_area([MultiPolygon([mainland, island])], [], [], houses, [150, 120, 20]))
    assert made.grids["households"].to_list() == [290]
    assert codes(made.report.violations) == ["grid_on_islands"]
    assert made.report.sound


def test_rows_of_one_building_share_its_grid() -> None:
    streets = [LineString([(x, -5), (x, 105)]) for x in (100, 200)]
    houses = [box(x, 40, x + 15, 60) for x in (10, 60, 110, 160, 210, 260)]
    ids = ["A", "B", "C", "D", "A", "E"]
    made = split(
        make_area([box(0, 0, 300, 100)], streets, ["local"] * 2, houses, [150, 150, 60, 60, 0, 180], ids)
    )
    grid = made.buildings.set_index("id")["grid"]
    assert grid["A"].nunique() == 1


def test_the_number_of_grids_can_be_asked_for() -> None:
    area = make_town(Town(columns=3, rows=3, gap_share=0, most_households=60))
    households = int(area.buildings["households"].sum())
    made = split(area, grids=5)
    assert len(made.grids) == 5
    many = split(area, grids=40)
    assert len(many.grids) == 40
    assert set(codes(many.report.violations)) == {"size_wanted_number"}
    assert households == many.grids["households"].sum()


def test_codes_are_never_issued_twice() -> None:
    area = make_town(Town(columns=2, rows=2))
    made = split(area, issued={"C1": ["C1-001", "C1-017"]})
    assert made.grids["code"].iloc[0] == "C1-018"
    coded = replace(area, communities=area.communities.assign(code="999901001001"))
    assert split(coded).grids["code"].iloc[0] == "999901001001001"


def test_missing_households_are_counted_by_grid() -> None:
    area = make_town(Town(columns=2, rows=2))
    unknown = area.buildings["households"] < 10
    buildings = area.buildings.assign(
        unknown=unknown, households=area.buildings["households"].where(~unknown, 0)
    )
    made = split(replace(area, buildings=buildings))
    assert made.grids["buildings_unknown"].sum() == unknown.sum() > 0


def test_the_order_of_rows_does_not_matter() -> None:
    """Streets shuffled; `check_area` sees to the same for buildings and communities."""
    area = make_town(Town(seed=5))
    shuffled = area.streets.sample(frac=1, random_state=1).reset_index(drop=True)
    one, other = split(area), split(replace(area, streets=shuffled))
    assert one.buildings["grid"].to_list() == other.buildings["grid"].to_list()
    assert shapely.equals_exact(one.grids.geometry.to_numpy(), other.grids.geometry.to_numpy()).all()


def test_progress_is_told_and_the_report_is_plain_data() -> None:
    import json

    told: list[tuple[str, float]] = []
    area = make_town(Town(communities=2))
    made = split(area, progress=lambda step, share: told.append((step, share)))
    assert list(dict.fromkeys(step for step, _ in told)) == ["divide", "grids", "judge"]
    for name in ("divide", "judge"):
        shares = [share for step, share in told if step == name]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)
    report = json.loads(json.dumps(made.report.to_dict()))
    assert report["figures"]["households"] == int(area.buildings["households"].sum())
    assert sum(grid["households"] for grid in report["grids"]) == report["figures"]["households"]
    steps = {"blocks", "units", "graph", "plan", "grids", "join", "judge", "sum"}
    assert set(report["seconds"]) == steps


@pytest.mark.parametrize("kind", ["water", "wall"])
def test_what_nobody_can_cross_parts_grids(kind: str) -> None:
    houses = [box(x, y, x + 20, y + 20) for x in (20, 80, 140) for y in (20, 140)]
    line = LineString([(-5, 100), (205, 100)])
    area = make_area([box(0, 0, 200, 200)], [line], [kind], houses, [50] * 6)
    made = split(area)
    south = shapely.get_y(shapely.centroid(area.buildings.geometry.to_numpy())) < 100
    assert not set(made.buildings["grid"][south]) & set(made.buildings["grid"][~south])
    assert codes(made.report.violations) == ["size_cut_off"] * 2
    assert np.sort(made.grids["households"]).tolist() == [150, 150]


@pytest.mark.parametrize(("wanted", "made"), [(3, 3), (12, 12), (13, 12)])
def test_the_number_of_grids_asked_for_is_made_as_far_as_buildings_allow(wanted: int, made: int) -> None:
    houses = [box(x, y, x + 15, y + 12) for x in range(10, 130, 30) for y in range(10, 100, 30)]
    street = LineString([(62, -5), (62, 105)])
    done = split(make_area([box(0, 0, 130, 100)], [street], ["local"], houses, [10] * 12), grids=wanted)
    assert len(done.grids) == made
    told = [v for v in done.report.violations if v.code == "grids_fewer"]
    assert [v.values for v in told] == ([{"wanted": 13, "made": 12}] if wanted == 13 else [])


def test_fewer_grids_than_parts_that_nobody_can_walk_between_are_told() -> None:
    houses = [box(x, 40, x + 15, 60) for x in (10, 40, 120, 150)]
    river = LineString([(90, -5), (90, 105)])
    done = split(make_area([box(0, 0, 180, 100)], [river], ["water"], houses, [80] * 4), grids=1)
    assert len(done.grids) == 2
    assert "grids_more" in codes(done.report.violations)


def test_a_number_that_was_not_made_is_not_blamed_for_the_sizes() -> None:
    area = make_area(
        [box(0, 0, 100, 100)],
        [LineString([(50, -10), (50, 110)])],
        ["water"],
        [box(10, 10, 20, 20), box(80, 10, 90, 20)],
        [150, 150],
    )
    causes = {fault.code for fault in split(area, grids=1).report.violations}
    assert causes == {"grids_more", "size_cut_off"}


def test_buildings_that_cannot_be_parted_are_named_together() -> None:
    houses = [box(10, 40, 30, 60), box(20, 40, 40, 60), box(150, 40, 170, 60)]
    done = split(make_area([box(0, 0, 210, 100)], [], [], houses, [250, 250, 220]))
    (violation,) = done.report.violations
    assert violation.code == "size_buildings"
    assert violation.values["alone"] == 500
    assert "B0000, B0001" in violation.text()


def test_more_grids_than_numbers_is_a_wrong_call_with_its_mend() -> None:
    houses = [box(x, y, x + 6, y + 6) for x in range(0, 400, 10) for y in range(0, 260, 10)]
    area = make_area([box(-2, -2, 400, 260)], [], [], houses, [5] * len(houses))
    with pytest.raises(InputError) as told:
        split_area(area, PROFILE.with_size(1, 5, 5), effort=1)
    (finding,) = told.value.findings
    assert finding.values == {"number": 1040, "left": 999}
    assert "--lower" in finding.text()
    assert "编码" in finding.text("zh")


def test_more_balance_makes_grids_more_even_and_borders_dearer() -> None:
    area = make_town(Town(columns=8, rows=8, most_households=40, seed=2))
    plans = [split_area(area, PROFILE.with_balance(balance)) for balance in (0.0, 1.0, 10.0)]
    for plan in plans:
        assert_valid_plan(area, plan)
        assert plan.report.judgement.figures["share_in_range"] == 1
    uneven, usual, even = (plan.report.judgement.figures["variation"] for plan in plans)
    assert even < usual < uneven
    cheap, _, dear = (border_cost(plan) for plan in plans)
    assert cheap < dear


def border_cost(plan: Split) -> float:
    [community] = plan.report.judgement.communities
    return sum(PROFILE.border_cost[name] * metres for name, metres in community["border_m"].items())


def test_the_search_is_longer_where_nothing_shows_why_grids_are_out_of_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two ranges that leave each grid of the sample hardly any room."""
    area, profile = check_area(read_area(sample_path())), load_profile("shigu")

    asked = []
    divide = division.Ground.divide

    def watched(ground: division.Ground, cut_above: float, search: Search) -> division.Division:
        asked.append((search.finest, search.effort))
        return divide(ground, cut_above, search)

    monkeypatch.setattr(division.Ground, "divide", watched)
    made = split_area(area, profile, effort=60)
    assert not made.report.sound
    assert asked == [(False, 60), (False, 60), (True, 60), (True, 600)]
    asked.clear()
    assert split_area(area, load_profile("yichang"), effort=600).report.sound
    assert {effort for _, effort in asked} == {600}


def test_a_building_of_several_rows_is_one_building_in_the_reason() -> None:
    reason = Reason("building", 500.0, unit=0)
    told = explain(
        reason,
        code="001",
        households=500,
        held=[500.0],
        sizes=[Size("households", 200, 300, 400)],
        measures=["households"],
        community="C1",
        buildings=["B1", "B1"],
    )
    assert told.code == "size_building"
    assert told.values["building"] == "B1"


def test_one_household_is_told_as_one() -> None:
    def said(held: int) -> str:
        values = {
            "measure": "households",
            "held": held,
            "alone": 1,
            "measure_alone": "households",
            "lower_alone": 150,
            "lower": 1,
            "upper": 9,
        }
        return Finding("size_cut_off", "violated", "grids", rows=("001",), values=values).text("en")

    assert "holds 1 household:" in said(1)
    assert "part the 1 household here" in said(1)
    assert "holds 21 households:" in said(21)
