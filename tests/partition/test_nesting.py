"""Grids knit together after they were divided one by one, and numbers shared out among them."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import Polygon, box

from partition.solver.balance import Balance
from partition.solver.constraints import Reason
from partition.solver.problem import Problem
from partition.tiers.nesting import (
    Nest,
    Range,
    _by_first_buildings,
    _parts,
    claim_slivers,
    group_grids,
    knit,
    settle_reasons,
    share_number,
)
from partition.wishes.policy import Profile
from partition.wishes.rules import Size
from tests.lattice import make_area
from tests.unit_lattice import lattice

WHOLE = box(0, 0, 300, 100)


def knitted(*polygons: shapely.Geometry, whole: shapely.Geometry = WHOLE) -> np.ndarray:
    """The polygons knit: an exact coverage of the community, each with most of what it was."""
    made = knit(np.array(polygons, dtype=object), whole)
    assert len(made) == len(polygons)
    assert shapely.coverage_is_valid(made)
    assert shapely.is_valid(made).all()
    assert shapely.area(made).sum() == pytest.approx(whole.area)
    assert shapely.area(shapely.symmetric_difference(shapely.union_all(made), whole)) < 1e-6
    return made


def test_what_fits_already_stays_as_it_is() -> None:
    halves = [box(0, 0, 100, 100), box(100, 0, 300, 100)]
    made = knitted(*halves)
    assert [one.equals(other) for one, other in zip(made, halves, strict=True)] == [True, True]


@pytest.mark.parametrize("first", [True, False])
def test_ground_that_nobody_claims_goes_where_its_border_is_longest(first: bool) -> None:
    # a wedge between both: 90 m of border with the west, 30 m and what slants with the east
    west = box(0, 0, 100, 100)
    east = Polygon([(100, 0), (300, 0), (300, 100), (100, 100), (100, 90), (130, 75), (130, 15), (100, 0)])
    order = [west, east] if first else [east, west]
    sizes = shapely.area(knitted(*order)).round(3).tolist()
    wedge = round(WHOLE.area - west.area - east.area, 3)
    assert wedge > 1000
    # east runs along two slanting sides and one upright: longer in all
    assert sizes == ([west.area, east.area + wedge] if first else [east.area + wedge, west.area])
    narrow = Polygon([(100, 0), (300, 0), (300, 100), (100, 100), (101, 90), (100.5, 50), (101, 10)])
    less = shapely.area(knitted(west, box(0, 0, 300, 100) - west)).tolist()
    assert less == [10_000, 20_000]
    assert shapely.area(knitted(west, narrow)).sum() == pytest.approx(30_000)


def test_ground_behind_unclaimed_ground_is_claimed_after_it() -> None:
    # nothing but the middle: the ends hang on it, one of them on a strip that hangs on it
    middle = box(100, 0, 200, 100)
    other = box(200, 0, 210, 100)
    made = knitted(middle, other)
    assert shapely.area(made).tolist() == pytest.approx([20_000, 10_000])


def test_ground_claimed_twice_is_the_first_ones() -> None:
    made = knitted(box(0, 0, 120, 100), box(100, 0, 300, 100))
    assert shapely.area(made).tolist() == pytest.approx([12_000, 18_000])
    made = knitted(box(100, 0, 300, 100), box(0, 0, 120, 100))
    assert shapely.area(made).tolist() == pytest.approx([20_000, 10_000])


def test_what_lies_outside_the_community_is_cut_off() -> None:
    made = knitted(box(-1, -1, 100, 101), box(100, -1, 301, 101))
    assert shapely.area(made).tolist() == pytest.approx([10_000, 20_000])


@pytest.mark.parametrize(
    ("number", "load", "room", "shared"),
    [
        (6, [100, 100, 100], [9, 9, 9], [2, 2, 2]),
        (6, [300, 200, 100], [9, 9, 9], [3, 2, 1]),
        (4, [300, 300, 1], [9, 9, 9], [2, 1, 1]),  # of equal claims the first
        (6, [300, 100, 100], [2, 9, 9], [2, 2, 2]),  # no more than there is room for
        (9, [300, 100], [2, 3], [2, 3]),
        (1, [10, 10], [9, 9], [1, 1]),  # at least one each
        (3, [0, 0, 0], [1, 2, 1], [1, 1, 1]),
        (4, [0, 0, 0], [1, 2, 1], [1, 2, 1]),
        (3, [100], [0], [1]),
        (7, [350, 350 * 2**0.5], [9, 9], [3, 4]),
        (4, [100, 168], [9, 9], [2, 2]),  # 100²/2 against 168²/6
        (4, [100, 178], [9, 9], [1, 3]),
    ],
)
def test_numbers_are_shared_out_evenly(
    number: int, load: list[float], room: list[int], shared: list[int]
) -> None:
    found = share_number(number, np.array(load, dtype=float), np.array(room))
    assert found.tolist() == shared


def test_a_number_gives_a_range_of_a_third_about_the_mean() -> None:
    made = Range.of_number(Size("area", 1, 2, 3), 1200.0, 4)
    assert (made.size.measure, made.size.target, made.number) == ("area", 300, 4)
    assert (made.size.lower, made.size.upper) == pytest.approx((200, 400))
    assert Range.of_number(Size("area", 1, 2, 3), 0.0, 4).size.target > 0
    assert Range(Size("area", 1, 2, 3)).number is None


def test_reasons_that_are_unknown_are_settled_by_a_plan_or_a_proof() -> None:
    unproven = {0: Reason("unproven", 70.0), 1: Reason("building", 900.0)}
    row = Problem.of_households(lattice(4, 1, [30, 40, 40, 30]), Balance(60.0, 70.0, 80.0))
    found, reasons = settle_reasons(row, unproven, 2)
    assert found is not None
    assert found[0] == found[1] != found[2] == found[3]
    assert reasons == {}
    # 30, 60, 50: no two groups of neighbours between 65 and 75
    stuck = Problem.of_households(lattice(3, 1, [30, 60, 50]), Balance(65.0, 70.0, 75.0))
    none, told = settle_reasons(stuck, unproven, 2)
    assert none is None
    assert (told[0].cause, told[0].amount) == ("indivisible", 140)
    assert told[1] is unproven[1]


def test_slivers_are_claimed_by_the_longest_border_from_the_outside_in() -> None:
    faces = np.array(
        [box(0, 0, 100, 100), box(100, 0, 110, 60), box(100, 60, 110, 100), box(110, 0, 200, 100)],
        dtype=object,
    )
    # noded, so that borders match
    faces[0] = Polygon([(0, 0), (100, 0), (100, 60), (100, 100), (0, 100)])
    faces[3] = Polygon([(110, 0), (200, 0), (200, 100), (110, 100), (110, 60)])
    for label, expected in (
        ([0, -1, -1, 1], [0, 0, 0, 1]),  # of equal borders the first one's
        ([1, -1, -1, 0], [1, 0, 0, 0]),
        ([0, -1, 2, -1], [0, 0, 2, 2]),
        ([-1, -1, 3, -1], [3, 3, 3, 3]),
        ([-1, -1, -1, -1], [0, 0, 0, 0]),
        ([0, 1, 2, 3], [0, 1, 2, 3]),
    ):
        found = np.array(label)
        claim_slivers(faces, found)
        assert found.tolist() == expected


def test_parts_of_a_community_that_grids_lie_in() -> None:
    polygons = np.array([box(0, 0, 10, 10), box(50, 0, 60, 10), box(10, 0, 20, 10)], dtype=object)
    whole = shapely.MultiPolygon([box(0, 0, 20, 10), box(50, 0, 60, 10)])
    assert _parts(polygons, whole).tolist() == [0, 1, 0]
    assert _parts(polygons, box(0, 0, 60, 10)).tolist() == [0, 0, 0]


def test_grids_are_numbered_by_their_first_buildings_and_then_by_load() -> None:
    building, atoms = np.array([2, 0, -1, 0, 2]), np.array([5, 9, 0, 7, 3])
    load = np.array([1.0, 8.0, 2.0, 6.0])
    assert _by_first_buildings(building, atoms, load).tolist() == [2, 0, 3, 1]


def grouped(wanted: Range, effort: int = 200) -> tuple[Nest, np.ndarray]:
    """Two communities of six grids in a row each, a building in each grid."""
    polygons = np.array(
        [box(x, y, x + 100, y + 100) for y in (0, 500) for x in range(0, 600, 100)], dtype=object
    )
    area = make_area(
        [box(0, 0, 600, 100), box(0, 500, 600, 600)], [], [],
        [box(x + 20, y + 20, x + 50, y + 50) for y in (0, 500) for x in range(0, 600, 100)], [50] * 12,
    )  # fmt: skip
    load = np.array([50.0] * 6 + [50, 50, 50, 50, 50, 500])
    made = group_grids(
        area, polygons, np.repeat([0, 1], 6), load, np.append(np.arange(11), -1), {0: wanted, 1: wanted},
        Profile("test", Size("households", 80, 100, 150)), seed=0, effort=effort,
    )  # fmt: skip
    return made, polygons


def test_grids_are_grouped_within_their_community() -> None:
    made, polygons = grouped(Range(Size("households", 80, 100, 150)))
    assert set(made.child[:6].tolist()) & set(made.child[6:].tolist()) == set()
    held = np.bincount(made.child, weights=[50.0] * 12)
    assert ((held[made.child[:6]] >= 80) & (held[made.child[:6]] <= 150)).all()
    assert len(made.polygons) == made.child.max() + 1
    for group, polygon in enumerate(made.polygons):
        assert polygon.equals(shapely.union_all(polygons[made.child == group]))
    assert made.building.tolist() == [*made.child[:11].tolist(), -1]
    # what is too large by itself is told, by the number of its larger grid
    alone = int(made.child[11])
    assert {group: reason.proven for group, reason in made.reasons.items()} == {alone: True}
    assert made.failures == {}


def test_a_number_of_larger_grids_is_kept_to() -> None:
    made, _ = grouped(Range(Size("households", 100, 200, 300), 2))
    assert len(np.unique(made.child[:6])) == len(np.unique(made.child[6:])) == 2
    many, _ = grouped(Range(Size("households", 10, 50, 60), 9))
    assert len(np.unique(many.child)) == 12  # no more than there are
