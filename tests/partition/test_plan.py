from __future__ import annotations

import itertools

import numpy as np
import pytest

from partition.solver.balance import Balance, count_grids
from partition.solver.constraints import out_of_range
from partition.solver.graph import Graph, from_arcs
from partition.solver.plan import make_plan
from partition.solver.problem import Problem, Weights
from partition.solver.refine import refine_plan
from partition.solver.seed import seed_plan


def lattice(columns: int, rows: int, households, cost=1.0) -> Graph:
    """Square units of 100 m; every border 100 m."""
    n = columns * rows
    number = np.arange(n).reshape(rows, columns)
    pairs = np.vstack(
        [np.c_[number[:, :-1].ravel(), number[:, 1:].ravel()], np.c_[number[:-1].ravel(), number[1:].ravel()]]
    )
    a, b = np.concatenate([pairs, pairs[:, ::-1]]).T
    degree = np.bincount(a, minlength=n)
    return from_arcs(
        np.broadcast_to(np.asarray(households, dtype=np.int64), n).copy(), np.full(n, 1e4),
        (4 - degree) * 100.0,
        a, b, np.full(len(a), 100.0), np.full(len(a), 100.0 * cost), np.ones(len(a), dtype=bool),
    )  # fmt: skip


def objective(graph: Graph, labels, balance: Balance, weights: Weights) -> float:
    rows = graph.rows()
    cut = labels[rows] != labels[graph.indices]
    value = graph.cost[cut].sum() / 2
    for g in np.unique(labels):
        held = graph.households[labels == g].sum()
        around = graph.outer[labels == g].sum() + graph.length[cut & (labels[rows] == g)].sum()
        value += weights.deviation_m * (held / balance.target - 1) ** 2
        value += weights.compactness_m * (around**2 / (4 * np.pi * graph.area[labels == g].sum()) - 1)
    return float(value)


def connected(graph: Graph, labels) -> bool:
    return all(graph.components(without=labels != g).max() == 0 for g in np.unique(labels))


@pytest.mark.parametrize("seed", range(5))
def test_a_first_plan_has_k_connected_grids(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = lattice(7, 6, rng.integers(0, 90, 42))
    for k in (1, 2, 7, 20, 42):
        labels = seed_plan(Problem.of_households(graph, Balance(60, 90, 130)), k, seed=seed)
        assert sorted(np.unique(labels)) == list(range(k))
        assert connected(graph, labels)
    with pytest.raises(ValueError, match="43 grids of 42 units"):
        seed_plan(Problem.of_households(graph, Balance(60, 90, 130)), 43, seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_refinement_reports_the_true_value_and_keeps_grids_connected(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = lattice(6, 6, rng.integers(10, 60, 36), cost=rng.uniform(0.5, 2))
    balance, weights = Balance(100, 140, 200), Weights()
    problem = Problem.of_households(graph, balance, weights)
    first = seed_plan(problem, 9, seed=seed)
    done = refine_plan(problem, first, steps=20_000, seed=seed)
    assert connected(graph, done.labels)
    assert len(np.unique(done.labels)) == 9
    held = np.bincount(done.labels, weights=graph.households)
    assert done.outside == pytest.approx(balance.excess(held).sum())
    assert done.value == pytest.approx(objective(graph, done.labels, balance, weights))
    assert (
        done.value <= objective(graph, first, balance, weights) + 1e-6
        or done.outside < balance.excess(np.bincount(first, weights=graph.households)).sum()
    )


def test_the_plan_of_a_tiny_town_is_the_best_there_is() -> None:
    rng = np.random.default_rng(3)
    graph = lattice(4, 3, rng.integers(20, 60, 12), cost=1.0)
    balance, weights = Balance(110, 150, 190), Weights()
    k = count_grids(graph.households, balance)[1]
    best = np.inf
    for rest in itertools.product(range(k), repeat=11):
        labels = np.array((0, *rest))
        held = np.bincount(labels, weights=graph.households, minlength=k)
        if not balance.excess(held).any() and connected(graph, labels):
            best = min(best, objective(graph, labels, balance, weights))
    plan = make_plan(Problem.of_households(graph, balance, weights), grids=None, effort=4000, seed=0)
    assert plan.outside == 0
    assert plan.value == pytest.approx(best)


def test_a_unit_above_the_bound_stays_alone() -> None:
    graph = lattice(5, 5, [40] * 12 + [450] + [40] * 12)
    plan = make_plan(
        Problem.of_households(graph, Balance(200, 300, 400), Weights()), grids=None, effort=4000, seed=1
    )
    held = plan.households(graph)
    assert plan.outside == 0
    assert sorted(held)[-1] == 450
    reasons = out_of_range(Problem.of_households(graph, Balance(200, 300, 400)), plan.assignment, fixed=False)
    assert [(r.cause, r.amount, r.unit) for r in reasons.values()] == [("building", 450, 12)]


def test_count_of_grids() -> None:
    balance = Balance(200, 300, 400)
    assert count_grids(np.array([100] * 9), balance) == (3, 3, 4)
    assert count_grids(np.array([1000] + [100] * 6), balance) == (3, 3, 4)
    least, best, greatest = count_grids(np.array([450]), Balance(250, 300, 400))
    assert (least, best, greatest) == (1, 1, 1)
    least, _, greatest = count_grids(np.array([225, 225]), Balance(250, 300, 400))
    assert least > greatest
