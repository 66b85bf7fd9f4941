"""Small problems settled, against every grouping there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from partition.proof import settling
from partition.proof.settling import settle
from partition.solver.balance import Balance
from partition.solver.graph import Graph, from_arcs
from partition.solver.problem import Problem


def row_of(loads: list[int]) -> Problem:
    """Units in a row, each walkable to the next over 10 m of border."""
    count = len(loads)
    a = np.arange(count - 1)
    rows, cols = np.concatenate([a, a + 1]), np.concatenate([a + 1, a])
    lengths = np.full(len(rows), 10.0)
    graph: Graph = from_arcs(
        np.array(loads),
        np.full(count, 100.0),
        np.full(count, 20.0),
        rows,
        cols,
        lengths,
        lengths,
        np.ones(len(rows), dtype=bool),
    )
    return Problem.of_households(graph, Balance(50, 80, 100))


def cuts_in_range(loads: list[int], number: int | None) -> list[list[int]]:
    """Every way to cut the row into groups in range, as the loads of the groups."""
    found = []
    for cut in product((False, True), repeat=len(loads) - 1):
        groups = np.split(np.array(loads), np.flatnonzero(cut) + 1)
        held = [min(int(group.sum()), 100) if len(group) == 1 else int(group.sum()) for group in groups]
        if all(50 <= h <= 100 for h in held) and (number is None or len(groups) == number):
            found.append(held)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_in_range_is_found_wherever_there_is_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    loads = rng.integers(5, 70, rng.integers(3, 10)).tolist()
    for number in (None, 2, 3):
        settled = settle(row_of(loads), number)
        ways = cuts_in_range(loads, number)
        assert settled.proven == (not ways)
        assert (settled.labels is not None) == bool(ways)
        if settled.labels is not None:
            held = np.bincount(settled.labels, weights=loads)
            assert sorted(held.astype(int).tolist()) in [sorted(way) for way in ways]


def test_a_unit_above_the_bound_may_stand_alone() -> None:
    settled = settle(row_of([60, 300, 40, 30]))
    assert settled.labels is not None
    assert len(set(settled.labels.tolist())) == 3
    assert settle(row_of([30, 300, 40, 30])).proven  # 30 is left beside it


def test_too_many_groups_settle_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "MOST_SETS", 3)
    settled = settle(row_of([20] * 12))
    assert settled.labels is None
    assert not settled.proven
