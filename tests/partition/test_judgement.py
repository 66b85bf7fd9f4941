"""Plans drawn by hand, judged: what each promise says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from shapely import box

from partition.area import Area
from partition.changes.rebuild import grids_from_polygons
from partition.reasons.judgement import Judgement, judge_plan
from partition.wishes.policy import Profile, Size
from tests.lattice import make_area

PROFILE = Profile("test", Size("households", 150, 200, 300))


def three_houses(groups: list[str]) -> Area:
    houses = [box(x, 40, x + 15, 60) for x in (20, 120, 220)]
    area = make_area([box(0, 0, 300, 100)], [], [], houses, [180, 140, 100])
    return replace(area, buildings=area.buildings.assign(village_group=groups))


def judged(area: Area, profile: Profile = PROFILE) -> Judgement:
    """Of two grids: 180 households in the west, 240 in the east."""
    drawn = area.communities.iloc[[0, 0]].reset_index(drop=True).assign(code=["C1-001", "C1-002"])
    grids, buildings = grids_from_polygons(
        area, drawn.set_geometry([box(0, 0, 100, 100), box(100, 0, 300, 100)], crs=area.crs)
    )
    return judge_plan(area, grids, buildings, profile)


def test_deviations_are_those_from_the_target() -> None:
    figures = judged(three_houses(["", "", ""])).figures
    assert figures["mean_deviation"] == pytest.approx((0.1 + 0.2) / 2)
    assert figures["max_deviation"] == 0.2
    assert figures["measures"]["households"]["max_deviation"] == 0.2
    assert figures["measures"]["households"]["mean_deviation"] == pytest.approx(0.15)
    assert figures["share_in_range"] == 1.0
    assert figures["variation"] == pytest.approx(30 / 210, abs=1e-4)


@pytest.mark.parametrize(
    ("groups", "torn"),
    [(["A", "A", "B"], ["A"]), (["A", "B", "B"], []), (["B", "", "B"], ["B"]), (["", "", ""], [])],
)
def test_village_groups_in_several_grids_are_told_where_the_rule_keeps_them(
    groups: list[str], torn: list[str]
) -> None:
    kept = replace(PROFILE, wishes=("village_groups",))
    told = [v for v in judged(three_houses(groups), kept).violations if "group" in v.code]
    assert [v.rows[0].split()[0] for v in told] == torn
    assert not [v for v in judged(three_houses(groups)).violations if "group" in v.code]


def test_a_grid_out_of_range_is_told_with_what_it_holds() -> None:
    tight = replace(PROFILE, size=Size("households", 190, 200, 239))
    told = judged(three_houses(["", "", ""]), tight).violations
    assert {v.rows[0] for v in told} == {"C1-001", "C1-002"}
    exact = replace(PROFILE, size=Size("households", 180, 200, 240))
    judgement = judged(three_houses(["", "", ""]), exact)
    assert judgement.violations == ()
    assert [line["in_range"] for line in judgement.grids] == [True, True]
    assert [line["deviation"] for line in judgement.grids] == [-0.1, 0.2]
