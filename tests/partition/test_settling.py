"""Small problems settled, against every grouping there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from partition.proof import settling
from partition.proof.settling import settle
from partition.solver.balance import Balance
from partition.solver.enumeration import TooManySetsError, list_sets
from partition.solver.graph import Graph, from_arcs
from partition.solver.master import Choice
from partition.solver.pool import Pool
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


def with_yards(loads: list[int], yards: int) -> Problem:
    """The units in a row, and at each of them so many yards that hold nothing, each walkable to its unit."""
    count = len(loads)
    arcs = [(a, a + 1) for a in range(count - 1)]
    arcs += [(a, count + a * yards + y) for a in range(count) for y in range(yards)]
    pairs = np.array(arcs + [(b, a) for a, b in arcs])
    size = count * (yards + 1)
    lengths = np.full(len(pairs), 10.0)
    graph = from_arcs(
        np.array(loads + [0] * (count * yards)),
        np.full(size, 100.0),
        np.full(size, 20.0),
        pairs[:, 0],
        pairs[:, 1],
        lengths,
        lengths,
        np.ones(len(pairs), dtype=bool),
    )
    return Problem.of_households(graph, Balance(50, 80, 100))


@pytest.mark.parametrize("seed", range(20))
def test_empty_ground_does_not_hide_that_there_is_no_plan(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    loads = rng.integers(5, 70, rng.integers(4, 7)).tolist()
    monkeypatch.setattr(settling, "MOST_SETS", 40)
    problem = with_yards(loads, 4)
    with pytest.raises(TooManySetsError):
        list_sets(problem, most=40)
    settled = settle(problem)
    assert settled.labels is None
    assert settled.proven == (not cuts_in_range(loads, None))


def test_ground_without_anybody_may_be_walked_across_by_all() -> None:
    """Four units round an empty one: each is beside each of the others; what hangs by a wall is not."""
    arcs = [(0, 4), (1, 4), (2, 4), (3, 4)]
    pairs = np.array(arcs + [(b, a) for a, b in arcs])
    ones = np.ones(len(pairs))
    walk = (pairs != 3).all(axis=1)
    graph = from_arcs(
        np.array([30, 30, 30, 30, 0]), np.ones(5), np.ones(5), pairs[:, 0], pairs[:, 1], ones, ones, walk
    )
    problem = Problem.of_households(graph, Balance(50, 80, 100))
    looser = settling.without_empty(problem)
    assert looser is not None
    arcs_left = set(zip(looser.graph.rows().tolist(), looser.graph.indices.tolist(), strict=True))
    assert arcs_left == {(a, b) for a in range(3) for b in range(3) if a != b}
    assert looser.graph.households.tolist() == [30, 30, 30, 30]
    free = Problem.of_households(graph, Balance(0, 80, 100))
    assert settling.without_empty(free) is None, "a grid may be empty there"


def test_a_search_that_was_cut_short_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "decide_sets", lambda *args, **options: Choice(None, certain=False))
    assert not settle(row_of([60, 60, 60])).proven


def cost_of(problem: Problem, labels: np.ndarray) -> float:
    return float(Pool.of_plan(problem, labels).cost.sum())


def test_of_all_plans_in_range_the_cheapest_is_taken_whatever_its_number_of_grids() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        loads = rng.integers(15, 45, 8).tolist()
        problem = row_of(loads)
        problem.graph.cost[:] = rng.integers(1, 90, 7)[
            np.minimum(problem.graph.rows(), problem.graph.indices)
        ]
        plans = []
        for cut in product((0, 1), repeat=7):
            labels = np.concatenate([[0], np.cumsum(cut)])
            held = np.bincount(labels, weights=loads)
            if held.min() >= 50 and held.max() <= 100:
                plans.append(labels)
        for number in (None, 2, 3, 4):
            some = [cost_of(problem, plan) for plan in plans if number in (None, plan.max() + 1)]
            settled = settle(problem, number)
            assert (settled.labels is None) == (not some)
            if settled.labels is not None:
                assert cost_of(problem, settled.labels) == pytest.approx(min(some))
                assert not settled.proven


def test_numbers_of_grids_to_look_at() -> None:
    problem = row_of([60, 60, 60, 60])
    assert settling._counts(problem, None) == [3, 4]
    assert settling._counts(problem, 7) == [7]
    assert settling._counts(row_of([90, 90, 90]), None) == [3]  # no more than there are units
    assert settling._counts(row_of([300, 40]), None) == [2]  # which counts as a hundred
    assert settling._counts(row_of([10, 10]), None) == []
    two = replace(problem, load=np.tile(problem.load, 2), ranges=(Balance(50, 80, 100), Balance(80, 80, 80)))
    assert settling._counts(two, None) == [3]


def test_units_that_none_can_take_are_proven_and_too_many_groups_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One unit that no group in range can hold is enough."""
    severed = row_of([60, 60, 20])
    severed.graph.walk[(severed.graph.rows() == 2) | (severed.graph.indices == 2)] = False
    assert settle(severed) == settling.Settled(None, True)
    monkeypatch.setattr(settling, "MOST_SETS", 1)
    assert settle(row_of([60, 60, 60])) == settling.Settled(None, False)  # nothing empty to leave out
    free = Problem.of_households(with_yards([60, 60], 4).graph, Balance(0, 80, 100))
    assert settle(free) == settling.Settled(None, False)
    assert settle(with_yards([30, 30, 30, 30], 4)) == settling.Settled(None, False)
    least = Problem.of_households(with_yards([60, 60], 2).graph, Balance(1, 80, 100))
    assert settling.without_empty(least) is not None  # a grid of one household at least is not empty
