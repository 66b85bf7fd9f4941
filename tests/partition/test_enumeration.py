"""Which units the list of all sets keeps together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from partition.solver.balance import Balance
from partition.solver.enumeration import list_sets, ties_of
from partition.solver.problem import Problem
from tests.unit_lattice import lattice


def row(frozen: list[bool], previous: list[int]) -> Problem:
    """Four units of ten households side by side."""
    problem = Problem.of_households(lattice(4, 1, 10), Balance(10, 20, 30))
    return replace(problem, previous=np.array(previous), frozen=np.array(frozen))


def test_only_frozen_units_with_a_grid_of_before_are_tied() -> None:
    tie, count = ties_of(row([True, True, False, True], [3, 3, 3, -1]))
    assert tie.tolist() == [0, 0, -1, -1]
    assert count.tolist() == [2]
    tie, count = ties_of(row([True, True, True, True], [5, 2, 2, 5]))
    assert tie.tolist() == [1, 0, 0, 1]
    assert count.tolist() == [2, 2]
    tie, count = ties_of(row([False] * 4, [0, 0, 0, 0]))
    assert tie.tolist() == [-1] * 4
    assert ties_of(replace(row([True] * 4, [0] * 4), previous=None))[0].tolist() == [-1] * 4


def test_no_set_holds_a_part_of_what_is_tied_or_two_ties() -> None:
    listed = list_sets(row([False, True, True, False], [0, 1, 1, 2]))
    sets = [
        tuple(sorted(block.members[block.start[i] : block.start[i + 1]].tolist()))
        for block in listed.blocks
        for i in range(len(block))
    ]
    assert sorted(sets) == [(0,), (0, 1, 2), (1, 2), (1, 2, 3), (3,)]
    listed = list_sets(row([False, True, True, False], [0, 1, 2, 2]))
    assert sum(len(block) for block in listed.blocks) == 6  # each unit alone, and the outer two joined to one
