"""Codes and names of tiers: every number counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shapely import box

from partition.city.outcome import Failure
from partition.errors import InputError
from partition.solver.constraints import Reason
from partition.tiers.levels import GRID, Level
from partition.tiers.nesting import Range
from partition.tiers.numbering import number_levels
from partition.wishes.rules import Size
from tests.lattice import make_area

SIZE = Size("households", 100, 200, 300)
AREA = {"zh": "片区", "en": "area"}
BLOCK = {"zh": "楼组", "en": "block"}
ROW = make_area([box(0, 0, 600, 100)], [], [], [box(5, 5, 10, 10)], [1])


def level(names, shapes, parent=None, *, basic=False, numbered=True, community=None, building=()) -> Level:
    count = len(shapes)
    return Level(
        name=names,
        size=SIZE,
        numbered=numbered,
        polygons=np.array(shapes, dtype=object),
        building=np.array(building, dtype=np.int64),
        community=np.zeros(count, dtype=np.int64) if community is None else np.array(community),
        parent=None if parent is None else np.array(parent),
        ranges=[Range(replace(SIZE, target=200 + number)) for number in range(count)],
        exempt=np.arange(count) == count - 1,
        basic=basic,
    )


def towers(numbered: bool = True) -> list[Level]:
    """Two areas of three grids of two blocks each, all drawn from east to west: the wrong way round."""
    areas = level(AREA, [box(300, 0, 600, 100), box(0, 0, 300, 100)], numbered=numbered)
    grids = level(
        GRID, [box(x, 0, x + 100, 100) for x in range(500, -1, -100)], [0, 0, 0, 1, 1, 1], basic=True
    )
    blocks = level(
        BLOCK,
        [box(x, 0, x + 50, 100) for x in range(550, -1, -50)],
        np.repeat(np.arange(6), 2),
        building=[11, 0, -1],
    )
    return [areas, grids, blocks]


def west(tier: Level) -> list[float]:
    return [shape.bounds[0] for shape in tier.polygons]


def test_every_tier_is_numbered_in_reading_order_within_its_parent() -> None:
    areas, grids, blocks = tiers = towers()
    number_levels(ROW, tiers, None, True, ())
    assert west(areas) == [0, 300]
    assert west(grids) == [0, 100, 200, 300, 400, 500]
    assert west(blocks) == list(range(0, 600, 50))
    assert grids.parents.tolist() == [0, 0, 0, 1, 1, 1]
    assert blocks.parents.tolist() == np.repeat(np.arange(6), 2).tolist()
    assert areas.code == ["C1-1", "C1-2"]
    # three digits for a grid, of which the area's is one
    assert grids.code == ["C1-101", "C1-102", "C1-103", "C1-201", "C1-202", "C1-203"]
    assert blocks.code == [f"{grid}{number}" for grid in grids.code for number in ("01", "02")]


def test_what_belongs_to_a_grid_goes_with_it() -> None:
    areas, _, blocks = tiers = towers()
    blocks.reasons = {0: Reason("building", 400.0)}
    blocks.failures = {2: Failure("ValueError", "here")}
    number_levels(ROW, tiers, None, True, ())
    assert blocks.rows == list(range(11, -1, -1))
    assert blocks.building.tolist() == [0, 11, -1]
    assert [want.size.target for want in blocks.ranges] == [211 - number for number in range(12)]
    assert np.flatnonzero(blocks.exempt).tolist() == [0]
    assert set(blocks.reasons) == {11}
    assert set(blocks.failures) == {9}
    assert areas.rows == [1, 0]


def test_names_count_within_the_community_above_and_within_the_parent_below() -> None:
    areas, grids, blocks = tiers = towers()
    number_levels(ROW, tiers, None, True, ())
    assert areas.words == {"zh": ["第1片区", "第2片区"], "en": ["area 1", "area 2"]}
    assert grids.words["zh"][3:] == ["201网格", "202网格", "203网格"]
    assert grids.words["en"][0] == "grid 101"
    assert blocks.words["zh"][:3] == ["101网格第1楼组", "101网格第2楼组", "102网格第1楼组"]
    assert blocks.words["en"][-1] == "grid 203, block 2"


@pytest.mark.parametrize(("numbered", "renumber"), [(False, True), (True, False)])
def test_a_tier_without_numbers_leaves_all_digits_to_the_grids(numbered: bool, renumber: bool) -> None:
    areas, grids, blocks = tiers = towers(numbered)
    number_levels(ROW, tiers, None, renumber, ())
    assert areas.code == ["", ""]
    assert not areas.numbered
    assert grids.code == [f"C1-{number:03d}" for number in range(1, 7)]
    assert blocks.code[:3] == ["C1-00101", "C1-00102", "C1-00201"]
    assert areas.words["zh"] == ["第1片区", "第2片区"]


def test_a_third_numbered_tier_above_finds_no_digit_left() -> None:
    whole = [box(0, 0, 600, 100)]
    tiers = [level(AREA, whole), *(level(AREA, whole, [0]) for _ in range(2))]
    grids = level(GRID, [box(300, 0, 600, 100), box(0, 0, 300, 100)], [0, 0], basic=True)
    number_levels(ROW, [*tiers, grids], None, True, ())
    assert [tier.numbered for tier in tiers] == [True, True, False]
    assert [tier.code for tier in tiers] == [["C1-1"], ["C1-11"], [""]]
    assert grids.code == ["C1-111", "C1-112"]


def test_codes_that_are_kept_keep_their_order_and_children_follow_them() -> None:
    _, grids, blocks = towers()
    grids.parent = None
    kept = ["C1-007", "C1-003", "C1-009", "C1-001", "C1-002", "C1-004"]  # from east to west
    number_levels(ROW, [grids, blocks], kept, True, ())
    assert grids.code == sorted(kept)
    assert west(grids) == [200, 100, 400, 0, 500, 300]
    assert blocks.code[:2] == ["C1-00101", "C1-00102"]
    assert west(blocks)[:4] == [200, 250, 100, 150]


def test_codes_once_issued_are_not_issued_again() -> None:
    areas, grids, blocks = tiers = towers()
    number_levels(ROW, tiers, None, True, ("C1-1", "C1-3", "C1-502", "C1-50203", "C1-999999"))
    assert areas.code == ["C1-4", "C1-5"]
    assert grids.code[2:5] == ["C1-403", "C1-503", "C1-504"]
    assert blocks.code[:2] == ["C1-40101", "C1-40102"]


def test_more_than_nine_areas_are_too_many_for_a_digit() -> None:
    shapes = [box(60 * n, 0, 60 * n + 60, 100) for n in range(10)]
    full = [level(AREA, shapes[:9]), level(GRID, shapes[:9], range(9), basic=True)]
    number_levels(ROW, full, None, True, ())
    assert full[1].code == [f"C1-{n}01" for n in range(1, 10)]
    tiers = [level(AREA, shapes), level(GRID, shapes, range(10), basic=True)]
    with pytest.raises(InputError) as refused:
        number_levels(ROW, tiers, None, True, ())
    (finding,) = refused.value.findings
    assert (finding.code, finding.rows) == ("tier_codes_exhausted", ("C1-",))
    assert (finding.values["number"], finding.values["left"]) == (10, 9)


def test_communities_come_one_after_the_other_with_heads_of_their_own() -> None:
    area = make_area([box(0, 0, 300, 100), box(300, 0, 600, 100)], [], [], [box(5, 5, 10, 10)], [1])
    area = replace(area, communities=area.communities.assign(code=["110101001001", ""]))
    grids = level(
        GRID, [box(x, 0, x + 150, 100) for x in (0, 300, 150, 450)], basic=True, community=[0, 1, 0, 1]
    )
    number_levels(area, [grids], None, True, ())
    assert grids.code == ["110101001001001", "110101001001002", "C2-001", "C2-002"]
    assert west(grids) == [0, 150, 300, 450]
    assert grids.words["zh"] == ["001网格", "002网格", "001网格", "002网格"]
    assert grids.community.tolist() == [0, 0, 1, 1]
