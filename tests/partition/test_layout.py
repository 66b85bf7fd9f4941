"""Units laid out as grids: zones apart, wholes together where they can be, the rest divided."""

from __future__ import annotations

import numpy as np
import pytest

from partition.solver.atoms import Wish
from partition.solver.balance import Balance
from partition.solver.graph import Graph, from_arcs
from partition.solver.layout import Layout, Search, _is_fine, _misses, lay_out
from partition.solver.plan import Plan
from partition.solver.problem import Problem
from tests.unit_lattice import lattice

BALANCE = Balance(150.0, 200.0, 250.0)
UPPER = np.array([250.0])


def laid(
    graph: Graph,
    *wishes: Wish,
    zone: list[int] | None = None,
    empty: tuple[int, ...] = (),
    grids: int | None = None,
    finest: bool = False,
) -> Layout:
    """The layout of units, of which some stand in zones and some are without buildings."""
    built = ~np.isin(np.arange(len(graph)), empty)
    apart = np.full(len(graph), -1) if zone is None else np.array(zone)
    search = Search(grids, effort=200, seed=0, finest=finest)
    return lay_out(Problem.of_households(graph, BALANCE), UPPER, wishes, apart, built, search)


def wish(name: str, *units: int, hard: bool = False) -> Wish:
    return Wish(name, np.array(units), hard)


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    """The units of each number."""
    return {frozenset(np.flatnonzero(labels == number).tolist()) for number in np.unique(labels)}


# --- what should stay whole ---


def test_wholes_stay_together_where_that_puts_nothing_out_of_range() -> None:
    row = lattice(4, 1, 100)
    made = laid(row, wish("estate", 1, 2))
    # one grid of them all would hold 400, and two of one unit 100 each beside the estate
    assert made.plan.outside == 0
    assert partition(made.plan.assignment) == {frozenset({0, 1}), frozenset({2, 3})}
    assert partition(made.atom) == {frozenset({unit}) for unit in range(4)}
    kept = laid(row, wish("estate", 2, 3))
    assert partition(kept.plan.assignment) == {frozenset({0, 1}), frozenset({2, 3})}
    assert partition(kept.atom) == {frozenset({0}), frozenset({1}), frozenset({2, 3})}


def test_wholes_stay_together_where_dividing_them_would_mend_nothing() -> None:
    row = lattice(4, 1, [60, 10, 10, 20])  # too few for one grid, whatever stays together
    made = laid(row, wish("estate", 1, 2))
    assert made.plan.outside == pytest.approx(50)
    assert partition(made.atom) == {frozenset({0}), frozenset({1, 2}), frozenset({3})}


def test_what_must_stay_whole_does_though_grids_go_out_of_range() -> None:
    made = laid(lattice(4, 1, 100), wish("estate", 1, 2, hard=True))
    assert made.plan.outside > 0
    grid = made.plan.assignment
    assert grid[1] == grid[2]
    assert made.hindered == ()


def test_where_the_number_of_grids_is_asked_for_wholes_give_way_to_it() -> None:
    row = lattice(4, 1, [200, 200, 20, 180])
    free = laid(row, wish("estate", 0, 1), grids=3)
    assert free.plan.grids == 3
    assert free.plan.outside == 0


def test_hard_wishes_come_first_and_those_that_cannot_be_met_say_why() -> None:
    row = lattice(6, 1, [100, 100, 100, 100, 100, 100])
    severed = from_arcs(
        row.households,
        row.area,
        row.outer,
        row.rows(),
        row.indices,
        row.length,
        row.cost,
        ~((np.minimum(row.rows(), row.indices) == 3) & (np.maximum(row.rows(), row.indices) == 4)),
    )
    made = laid(
        severed,
        wish("village", 3, 4, hard=True),
        wish("large", 0, 1, 2, hard=True),
        wish("one", 5, hard=True),
        wish("soft", 1, 2, 3),
    )
    assert made.hindered == (("village", "apart"), ("large", "large"))


def test_what_is_more_than_a_grid_holds_stays_in_as_few_parts_as_can_be() -> None:
    row = lattice(6, 1, [60, 60, 60, 60, 60, 60])
    made = laid(row, wish("village", 0, 1, 2, 3, 4, 5, hard=True))
    parts = partition(made.atom)
    assert sorted(len(part) for part in parts) == [3, 3]  # 360 of at most 250
    assert made.hindered == (("village", "large"),)
    assert partition(made.plan.assignment) == parts
    large = laid(lattice(9, 1, 60), wish("village", *range(9), hard=True))
    assert sorted(len(part) for part in partition(large.atom)) == [3, 3, 3]
    one = laid(lattice(2, 1, [300, 20]), wish("village", 0, 1, hard=True))
    assert len(partition(one.atom)) == 2  # a unit above the bound is a part by itself


# --- zones ---


def test_each_piece_of_a_zone_is_a_grid_of_its_own_after_the_others() -> None:
    row = lattice(8, 1, [100, 100, 0, 100, 100, 5, 0, 7])
    made = laid(row, zone=[-1, -1, 1, -1, -1, 0, 0, 1])
    assert made.kinds == ("basic", "basic", "dedicated", "dedicated", "dedicated")
    # zone 0 first, then the pieces of zone 1 from the first unit on
    assert made.plan.assignment[[5, 6, 2, 7]].tolist() == [2, 2, 3, 4]
    assert partition(made.plan.assignment[[0, 1, 3, 4]]) == {frozenset({0, 1}), frozenset({2, 3})}
    assert made.plan.grids == 5
    assert made.reasons == {}


def test_the_number_asked_for_counts_the_grids_of_zones() -> None:
    row = lattice(6, 1, [200, 0, 100, 100, 100, 100])
    zone = [-1, 0, -1, -1, -1, -1]
    assert laid(row, zone=zone, grids=4).plan.grids == 4
    assert laid(row, zone=zone, grids=4).kinds == ("basic",) * 3 + ("dedicated",)
    # at least one grid is left for the rest, and one more for what the zone cuts off from it
    assert laid(row, zone=zone, grids=1).plan.grids == 3


def test_ground_without_buildings_that_a_zone_cuts_off_is_the_zones() -> None:
    # 0 1 2
    # 3 4 5  zones: 1 is zone 0; 4 and 5 are zone 1; unit 2 lies between both and the border
    block = lattice(3, 2, [200, 0, 0, 0, 0, 0])
    made = laid(block, zone=[-1, 0, -1, -1, 1, 1], empty=(2,))
    assert made.kinds == ("basic", "dedicated", "dedicated")
    assert made.plan.assignment[[0, 3]].tolist() == [0, 0]
    assert made.plan.assignment[[1, 4, 5]].tolist() == [1, 2, 2]
    assert made.plan.assignment[2] in (1, 2)  # 100 m beside either: the first
    assert made.plan.assignment[2] == 1
    lived = laid(block, zone=[-1, 0, -1, -1, 1, 1])
    assert lived.kinds == ("basic", "basic", "dedicated", "dedicated")


def test_cut_off_ground_goes_to_the_zone_with_the_longer_border() -> None:
    # 0 1 2 3      unit 1 and 2 are empty, cut off by zone 0 (unit 0) and zone 1 (units 5, 6, 7, 3)
    # 4 5 6 7
    block = lattice(4, 2, [0, 0, 0, 0, 200, 0, 0, 0])
    made = laid(block, zone=[0, -1, -1, 1, -1, 1, 1, 1], empty=(1, 2))
    assert made.plan.assignment.tolist() == [1, 2, 2, 2, 0, 2, 2, 2]


def test_where_all_stands_apart_there_is_no_basic_grid() -> None:
    made = laid(lattice(3, 1, [10, 20, 30]), zone=[0, 0, 1])
    assert made.plan.assignment.tolist() == [0, 0, 1]
    assert made.plan.grids == 2
    assert made.kinds == ("dedicated", "dedicated")
    assert made.plan.outside == made.plan.value == 0


def test_reasons_name_units_as_the_community_numbers_them() -> None:
    row = lattice(5, 1, [0, 200, 400, 90, 90])
    made = laid(row, zone=[0, -1, -1, -1, -1], finest=True)
    grid = int(made.plan.assignment[2])
    assert made.reasons[grid].cause == "building"
    assert made.reasons[grid].unit == 2
    assert made.reasons[grid].amount == 400
    assert set(made.reasons) == {grid}


def test_a_rest_that_only_zones_part_from_the_others_is_told_so() -> None:
    row = lattice(4, 1, [100, 0, 200, 200])
    made = laid(row, zone=[-1, 0, -1, -1])
    (reason,) = made.reasons.values()
    assert (reason.cause, reason.amount, reason.unit) == ("zone", 100, -1)


def test_wishes_hold_for_their_units_outside_zones() -> None:
    row = lattice(5, 1, [0, 100, 100, 100, 100])
    made = laid(row, wish("estate", 0, 3, 4), zone=[0, -1, -1, -1, -1])
    assert made.atom[3] == made.atom[4]
    assert len(np.unique(made.atom)) == 4


def test_units_prove_something_only_where_they_cannot_be_cut_further() -> None:
    row = lattice(3, 1, [130, 140, 130])  # 400 for two grids, but no two of them fit one
    problem, none = Problem.of_households(row, BALANCE), np.full(3, -1)
    causes = []
    for search in (Search(None, 200, 0), Search(None, 200, 0, finest=True)):
        made = lay_out(problem, UPPER, (), none, np.ones(3, dtype=bool), search)
        causes.append({reason.cause for reason in made.reasons.values()})
    assert causes == [{"unproven"}, {"indivisible"}]


def test_what_a_plan_misses_is_the_number_asked_for_and_then_the_range() -> None:
    def missed(grids: int | None, made: int, outside: float) -> tuple[int, float]:
        plan, search = Plan(np.arange(made), made, outside, 7.0), Search(grids, effort=1, seed=0)
        assert _is_fine(plan, search) == (_misses(plan, search) == (0, 0.0))
        return _misses(plan, search)

    assert missed(None, 4, 0.0) == (0, 0.0)
    assert missed(None, 4, 1.23456789) == (0, 1.234568)
    assert missed(4, 4, 0.0) == (0, 0.0)
    assert missed(4, 7, 0.0) == missed(10, 7, 0.0) == (3, 0.0)
    assert missed(4, 5, 2.0) == (1, 2.0)
    assert missed(None, 4, 4e-7) == (0, 0.0)


def test_a_wish_of_one_unit_or_none_left_among_the_basic_ones_counts_for_nothing() -> None:
    """Each wish that is parted is told with its own hindrance, whatever wishes of one unit lie between."""
    problem = Problem.of_households(lattice(6, 1, [100] * 6), Balance(90, 100, 110))
    zone = np.array([-1, -1, -1, -1, -1, 0])
    wishes = [
        wish("one", 0),
        wish("large", 0, 1),
        wish("at the zone", 4, 5),
        wish("in it", 5),
        wish("too", 1, 2),
    ]
    made = lay_out(
        problem, np.array([110.0]), wishes, zone, np.ones(6, dtype=bool), Search(None, effort=50, seed=0)
    )  # fmt: skip
    assert [(part.name, part.cause) for part in made.partings] == [
        ("large", "large"), ("at the zone", "zone"), ("too", "large"),
    ]  # fmt: skip
