"""Why what should stay whole lies in several grids."""

from __future__ import annotations

import numpy as np

from partition.arrays import Numbers
from partition.solver.atoms import Wish
from partition.solver.balance import Balance
from partition.solver.layout import Layout, Search, lay_out
from partition.solver.partings import Parting, find_partings, vary_partings
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
