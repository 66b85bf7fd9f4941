"""First plans out of previous ones, on rows of units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from partition.solver.adaptation import adapt_plan
from partition.solver.balance import Balance
from partition.solver.problem import Problem
from tests.unit_lattice import lattice


def row(households: list[int], previous: list[int], frozen: list[int] | None = None) -> Problem:
    """Units side by side, each walkable to the next."""
    problem = Problem.of_households(lattice(len(households), 1, households), Balance(5, 10, 15))
    still = None if frozen is None else np.isin(np.arange(len(households)), frozen)
    return replace(problem, previous=np.array(previous), frozen=still)


@pytest.mark.parametrize(
    ("households", "previous", "frozen", "grids", "expected"),
    [
        # as it was
        ([5, 5, 5, 5], [0, 0, 1, 1], None, 2, [0, 0, 1, 1]),
        # new ground joins what it touches
        ([5, 5, 5, 5], [-1, 0, 1, -1], None, 2, [0, 0, 1, 1]),
        # of two pieces the one with more households keeps the number, unless units of the other are frozen
        ([9, 5, 5, 5], [0, 1, 1, 0], None, 2, [0, 1, 1, 1]),
        ([9, 5, 5, 5], [0, 1, 1, 0], [3], 2, [1, 1, 1, 0]),
        # of equal ones that with more units
        ([4, 9, 2, 2], [0, 1, 0, 0], None, 2, [1, 1, 0, 0]),
        # too many: the smallest joins its smaller neighbour, and the larger of both keeps its number
        ([6, 3, 4, 9], [0, 1, 2, 3], None, 3, [0, 2, 2, 3]),
        # whose units are frozen does not give its number away
        ([6, 3, 4, 9], [0, 1, 2, 3], [1], 3, [0, 1, 1, 3]),
        # too few: the largest is halved, its larger half keeps the number, the new one was never used
        ([5, 5, 5, 7], [0, 2, 2, 2], None, 3, [0, 2, 2, 3]),
        ([5, 5, 5, 7], [0, 2, 2, 2], [3], 3, [0, 3, 3, 2]),  # or that with frozen units
        # nothing can be halved
        ([5, 5], [0, 1], None, 3, [0, 1]),
    ],
)
def test_the_plan_mended(
    households: list[int], previous: list[int], frozen: list[int] | None, grids: int, expected: list[int]
) -> None:
    assert adapt_plan(row(households, previous, frozen), grids, seed=0).tolist() == expected


def test_without_a_plan_it_begins_anew() -> None:
    problem = row([5] * 6, [-1] * 6)
    labels = adapt_plan(problem, 3, seed=0)
    assert np.bincount(labels).tolist() == [2, 2, 2]


def test_where_the_largest_cannot_be_halved_the_next_one_is() -> None:
    single = adapt_plan(row([20, 5, 5], [0, 1, 1]), 3, seed=0)
    assert single[0] == 0
    assert set(single[1:].tolist()) == {1, 2}
    locked = adapt_plan(row([5, 5, 9, 9], [0, 0, 1, 1], [2, 3]), 3, seed=0)
    assert locked[2:].tolist() == [1, 1]
    assert set(locked[:2].tolist()) == {0, 2}
