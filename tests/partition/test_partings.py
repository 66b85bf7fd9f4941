"""Why what should stay whole lies in several grids."""

from __future__ import annotations

import numpy as np

from partition.arrays import Numbers
from partition.solver.atoms import Wish
from partition.solver.balance import Balance
from partition.solver.layout import Layout, Search, lay_out
from partition.solver.partings import (
    Parting,
    find_partings,
    given_up,
    hindered_parting,
    is_parted,
    vary_partings,
)
from partition.solver.problem import Problem
from tests.unit_lattice import lattice

UPPER = np.array([250.0])


def row(*households: int, lower: float = 150.0) -> Problem:
    """Units in a row."""
    return Problem.of_households(lattice(len(households), 1, list(households)), Balance(lower, 200.0, 250.0))


def wish(name: str, *units: int, hard: bool = False) -> Wish:
    return Wish(name, np.array(units), hard)


def laid(problem: Problem, *wishes: Wish, zone: list[int] | None = None, grids: int | None = None) -> Layout:
    apart = np.full(len(problem), -1) if zone is None else np.array(zone)
    built = np.ones(len(problem), dtype=bool)
    return lay_out(problem, UPPER, wishes, apart, built, Search(grids, effort=200, seed=0))


def labels(*grids: int) -> Numbers:
    return np.array(grids, dtype=np.int64)


def test_a_whole_is_given_up_for_the_range_with_what_either_plan_leaves_out() -> None:
    made = laid(row(100, 100, 100, 100), wish("estate", 1, 2))
    # about the estate of 200, two grids of 100: each 50 too few
    assert made.partings == (Parting("estate", "compound", "range", 0, kept=100.0, made=0.0),)
    assert laid(row(100, 100, 100, 100), wish("estate", 0, 1)).partings == ()


def test_a_whole_is_given_up_for_the_number_that_was_asked_for() -> None:
    made = laid(row(100, 100, lower=50.0), wish("estate", 0, 1), grids=2)
    assert made.partings == (Parting("estate", "compound", "number", kept=1, made=2),)


def test_what_hinders_a_whole_is_told_with_its_amount() -> None:
    large = laid(row(200, 200), wish("large", 0, 1))
    assert large.partings == (Parting("large", "compound", "large", 0, 400.0),)
    shared = laid(row(100, 100, 100, 150, lower=50.0), wish("first", 0, 1), wish("other", 1, 2))
    assert Parting("other", "compound", "shared", 0, 300.0) in shared.partings
    assert "first" not in {parting.name for parting in shared.partings}


def test_a_part_that_stands_apart_divides_a_whole() -> None:
    made = laid(row(100, 200, 200), wish("estate", 0, 1), zone=[0, -1, -1])
    assert made.partings == (Parting("estate", "compound", "zone"),)
    both = laid(row(100, 200), wish("estate", 0, 1), zone=[0, 1])
    assert both.partings == (Parting("estate", "compound", "zone"),)


def test_a_plan_made_elsewhere_is_asked_for_each_whole_by_itself() -> None:
    problem = row(100, 100, 100, 200)
    plan = labels(0, 1, 1, 2)
    wishes = [wish("a", 0, 1), wish("b", 1, 2), wish("c", 2, 3), wish("d", 0, 2)]
    nowhere = np.zeros(4, dtype=bool)
    assert find_partings(problem, wishes, plan, nowhere, UPPER) == (
        Parting("a", "compound", "weighed"),
        Parting("c", "compound", "large", 0, 300.0),
        Parting("d", "compound", "apart"),
    )
    there = np.array([True, False, False, False])
    assert find_partings(problem, wishes[:1], plan, there, UPPER) == (Parting("a", "compound", "zone"),)


def test_an_alternative_keeps_what_hinders_and_outweighs_the_rest() -> None:
    known = [Parting("a", "compound", "large", 0, 300.0), Parting("b", "compound", "range", 0, 9.0)]
    wishes = [wish("a", 0, 1), wish("b", 1, 2), wish("c", 2, 3)]
    assert vary_partings(known, wishes, labels(0, 1, 2, 2)) == (
        Parting("a", "compound", "large", 0, 300.0),
        Parting("b", "compound", "weighed"),
    )


def figures(parting: Parting) -> tuple[int, float, float, float]:
    return parting.measure, parting.amount, parting.kept, parting.made


def two(*loads: tuple[float, float]) -> Problem:
    """Units in a row that two things are counted of."""
    graph = lattice(len(loads), 1, [1] * len(loads))
    return Problem(
        graph, np.array(loads, dtype=float), (Balance(10.0, 20.0, 30.0), Balance(100.0, 400.0, 600.0))
    )


def test_a_wish_is_parted_where_its_units_lie_in_several_grids() -> None:
    plan = labels(0, 0, 1, 0)
    told = {(0, 1): False, (0, 1, 3): False, (1, 2): True, (0, 1, 2): True, (2,): False, (): False}
    assert {units: is_parted(wish("a", *units), plan) for units in told} == told


def test_what_hinders_is_told_in_the_measure_that_is_fullest() -> None:
    load = np.array([[20.0, 100.0], [20.0, 100.0], [1.0, 900.0], [5.0, 5.0]])
    upper, alone = np.array([30.0, 600.0]), np.arange(4)
    large = hindered_parting(wish("a", 0, 1), "large", alone, load, upper)
    assert (large.cause, figures(large)) == ("large", (0, 40.0, 0.0, 0.0))
    # by itself, whatever else is one with its units
    assert figures(hindered_parting(wish("a", 0, 1), "large", np.array([0, 1, 1, 3]), load, upper))[1] == 40.0
    wide = hindered_parting(wish("a", 1, 2), "large", alone, load, upper)
    assert figures(wide) == (1, 1000.0, 0.0, 0.0)
    # with what else is one with its units
    shared = hindered_parting(wish("a", 0, 1), "shared", np.array([0, 1, 1, 3]), load, upper)
    assert (shared.cause, figures(shared)) == ("shared", (1, 1100.0, 0.0, 0.0))
    shared = hindered_parting(wish("a", 0, 1), "shared", np.array([0, 1, 2, 1]), load, upper)
    assert figures(shared) == (0, 45.0, 0.0, 0.0)
    apart = hindered_parting(wish("a", 0, 3), "apart", alone, load, upper)
    assert (apart.cause, figures(apart)) == ("apart", (0, 0.0, 0.0, 0.0))


def test_a_wish_is_given_up_for_the_measure_that_it_put_furthest_out_of_range() -> None:
    problem = two((20, 50), (20, 450), (20, 450), (20, 50))
    whole, made = labels(0, 1, 1, 0), labels(0, 0, 1, 1)
    # whole: 40 and 40 of at most 30 are 20 too many; 100 and 900 are 300 too many. Made: 20 too many, nothing
    parting = given_up(wish("a", 1, 2), problem, whole, made)
    assert (parting.cause, figures(parting)) == ("range", (1, 0.0, 300.0, 0.0))
    # 15 of 20 more outside is worse than 150 of 400
    problem = two((5, 150), (25, 300), (25, 375), (5, 150))
    parting = given_up(wish("a", 1, 2), problem, labels(0, 1, 1, 0), labels(0, 0, 1, 1))
    assert figures(parting) == (0, 0.0, 20.0, 0.0)
    fewer = given_up(wish("a", 1, 2), problem, labels(0, 1, 1, 2), labels(0, 0, 1, 1))
    assert figures(fewer) == (0, 0.0, 30.0, 0.0)
