"""Tiers and a merger of the two real areas beside the checkout: every promise kept, every miss proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.vector import read_area
from partition.intake.frames import check_area
from partition.merging.merge import merge_communities
from partition.split import split_area
from partition.tiers.levels import Ask
from partition.tiers.tower import tier_split
from partition.wishes.policy import load_profile
from tests.partition.test_merging import assert_merged
from tests.partition.test_tiers import assert_nested

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real areas are not beside this checkout")


@pytest.mark.parametrize("name", ["monaco", "seoul_gongdeok"])
def test_real_areas_nest_and_every_miss_has_its_proof(name: str) -> None:
    area = check_area(read_area(DATA / f"{name}.gpkg"), missing="estimate")
    split, tiers = tier_split(
        area, split_area(area, load_profile("xisimen")), [Ask("楼栋组", size=(25, 40, 60))]
    )
    assert_nested(area, tiers)
    assert [line["name"]["zh"] for line in tiers.figures] == ["片区", "网格", "微网格", "楼栋组"]
    assert split.grids["code"].to_list() == sorted(split.grids["code"])
    misses = [finding for finding in tiers.violations if not finding.values["proven"]]
    assert len(misses) <= 0.05 * len(tiers.violations)
    assert not [finding for finding in misses if finding.values["tier_en"] == "small grid"]
    small = tiers.frame[(tiers.frame["tier"] == 3) & ~tiers.frame["in_range"]]
    heavy = [finding for finding in tiers.violations if finding.code == "tier_building"]
    assert len(heavy) > len(small) / 2  # towers of flats are the reason


def test_the_wards_of_monaco_merge() -> None:
    area = check_area(read_area(DATA / "monaco.gpkg"), missing="estimate")
    made = merge_communities(area, 3)
    assert_merged(area, made)
    assert made.figures["share_in_range"] == 1.0
    assert made.figures["share_within_walk"] > 0.96
    assert made.figures["gap"] == 0.0
    assert {fault.code for fault in made.violations} == {"reach_grouping", "reach_no_way"}
    assert made.sound
