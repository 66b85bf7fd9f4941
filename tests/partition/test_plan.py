from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from partition.solver import plan as planning
from partition.solver.adaptation import adapt_plan
from partition.solver.balance import Balance, count_grids
from partition.solver.constraints import out_of_range
from partition.solver.graph import Graph, from_arcs
from partition.solver.plan import (
    _claim_grids,
    _first_plan,
    _is_same,
    _merit,
    make_plan,
    numbers_of_grids,
    share_out,
)
from partition.solver.problem import Problem, Weights
from partition.solver.refine import Refined, refine_plan
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


# --- how many grids, and whose numbers they have ---


def row(*households: int, ranges: tuple[Balance, ...] = (Balance(50, 80, 100),)) -> Problem:
    load = np.tile(np.array(households, dtype=float)[:, None], len(ranges))
    return Problem(lattice(len(households), 1, list(households)), load, ranges)


def test_grids_are_shared_out_by_households_and_each_component_has_one() -> None:
    graph = row(*[10] * 12).graph
    members = [np.arange(6), np.arange(6, 9), np.arange(9, 12)]
    assert [share_out(n, graph, members) for n in (1, 3, 4, 5, 6, 12, 99)] == [
        [1, 1, 1], [1, 1, 1], [2, 1, 1], [3, 1, 1], [3, 2, 1], [6, 3, 3], [6, 3, 3],
    ]  # fmt: skip
    graph = row(90, 0, 0, 30, 0, 0, 1, 1, 1).graph
    members = [np.arange(2), np.arange(2, 6), np.arange(6, 9)]
    # no component has more grids than units, whatever it holds
    assert [share_out(n, graph, members) for n in (4, 5, 8, 9)] == [
        [2, 1, 1],
        [2, 2, 1],
        [2, 4, 2],
        [2, 4, 3],
    ]


def test_the_numbers_of_grids_to_try_likeliest_first() -> None:
    assert numbers_of_grids(row(*[40] * 10)) == [5, 4, 6, 7, 8]
    assert numbers_of_grids(row(*[80] * 3)) == [3]  # no more than there are units
    assert numbers_of_grids(row(400)) == [1]
    assert numbers_of_grids(row(10, 10)) == [1]
    assert numbers_of_grids(row(0, 0)) == [1]
    assert numbers_of_grids(row(*[40] * 10, ranges=(Balance(0, 80, 1000),))) == [5, 4, 6, 3, 7]
    # by two ranges the mean of what suits either, among what both allow
    both = Balance(50, 80, 100), Balance(30, 40, 70)
    assert numbers_of_grids(row(*[40] * 10, ranges=both)) == [8, 7, 6]
    assert numbers_of_grids(row(*[40] * 10, ranges=(Balance(90, 95, 100), Balance(30, 40, 70)))) == [6]
    # before all others the number there was
    for before, tried in ((6, [6, 5, 7, 4, 8]), (2, [4, 5, 6, 7, 8]), (10, [8, 7, 6, 5, 4])):
        known = np.arange(10) % before
        assert numbers_of_grids(replace(row(*[40] * 10), previous=known)) == tried
    some = np.array([3, 3, 7, 7, 7, 9, 9, 9, -1, -1])
    assert numbers_of_grids(replace(row(*[20] * 10), previous=some))[0] == 3


def test_a_grid_of_before_lives_on_where_most_of_its_households_are() -> None:
    problem = row(5, 3, 0, 9, 0, 0, 4)
    component = np.array([0, 0, 0, 1, 1, 2, 2])
    assert _claim_grids(problem, component) is None
    previous = np.array([0, 4, 4, 0, 4, 9, -1])
    claimed = _claim_grids(replace(problem, previous=previous), component)
    assert claimed is not None
    assert claimed.tolist() == [-1, 4, 4, 0, -1, 9, -1]
    # without any households, where most of its units are
    empty = _claim_grids(
        replace(row(0, 0, 0, 0, 0, 0, 0), previous=np.array([5, 5, 1, 5, 1, 1, 1])), component
    )
    assert empty is not None
    assert empty.tolist() == [5, 5, -1, -1, -1, 1, 1]


def apart(*households: int, at: int) -> Problem:
    """A row that nobody can walk past one of its borders."""
    problem = row(*households)
    rows, cols = problem.graph.rows(), problem.graph.indices
    problem.graph.walk[(np.minimum(rows, cols) == at - 1) & (np.maximum(rows, cols) == at)] = False
    return problem


def test_components_are_divided_each_by_itself_and_numbered_one_after_the_other() -> None:
    problem = apart(*[40] * 8, at=4)
    made = make_plan(problem, effort=300)
    assert made.grids == 4
    assert made.outside == 0
    assert made.assignment.tolist() == [
        *np.repeat(made.assignment[[0, 2]], 2),
        *np.repeat(made.assignment[[4, 6]], 2),
    ]
    assert sorted(made.assignment[::2].tolist()) == [0, 1, 2, 3]
    assert set(made.assignment[:4]) == {0, 1}
    assert made.households(problem.graph).tolist() == [80] * 4
    # the border that nobody can walk across is nobody's to choose
    whole = objective(problem.graph, made.assignment, problem.ranges[0], problem.weights)
    assert made.value == pytest.approx(whole - 100.0)
    more = make_plan(problem, effort=300, grids=5)
    assert (more.grids, len(np.unique(more.assignment))) == (5, 5)
    assert more.outside == pytest.approx(20.0)  # two single units of 40
    few = make_plan(problem, effort=300, grids=1)
    assert few.grids == 2
    assert few.outside == pytest.approx(120.0)


def test_new_grids_come_after_all_numbers_of_before() -> None:
    problem = apart(*[40] * 8, at=4)
    kept = replace(problem, previous=np.array([6, 6, 2, 2, 6, -1, -1, -1]))
    made = make_plan(kept, effort=300)
    assert made.assignment[:4].tolist() == [6, 6, 2, 2]
    # grid 6 lives on in the first part only; the other part has new numbers
    assert sorted(set(made.assignment[4:].tolist())) == [7, 8]
    assert made.grids == 9
    assert made.households(problem.graph).tolist() == [0, 0, 80, 0, 0, 0, 80, 80, 80]


def searched(monkeypatch: pytest.MonkeyPatch, problem: Problem, **options: Any) -> list[dict[str, Any]]:
    """What the searches of a plan were asked for."""
    asked: list[dict[str, Any]] = []
    refine: Callable[..., Refined] = planning.refine_plan

    def look(problem: Problem, labels: np.ndarray, **given: Any) -> Refined:
        asked.append(given | {"first": labels})
        return refine(problem, labels, **given)

    monkeypatch.setattr(planning, "refine_plan", look)
    make_plan(problem, **options)
    monkeypatch.undo()
    return asked


def test_searches_end_when_the_best_plan_was_found_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = row(*[40] * 12)
    (once,) = searched(monkeypatch, problem, effort=160, grids=6)
    assert once["steps"] == 160 * 12 // 16
    assert (once["rounds"], once["hot_m"], once["cold_m"]) == (32, 200.0, 3.0)
    assert once["watch"] is None, "all possible grids are known already"
    with monkeypatch.context() as patch:
        patch.setattr(planning, "LISTED", 5)
        three = searched(monkeypatch, problem, effort=160, grids=6)
    assert len(searched(monkeypatch, problem, effort=160, grids=1)) == 1
    monkeypatch.setattr(planning, "LISTED", 5)
    three = searched(monkeypatch, problem, effort=160, grids=6, hot_m=50.0)
    monkeypatch.setattr(planning, "LISTED", 5)
    assert 3 <= len(three) < 16
    assert all(one["hot_m"] == 50.0 and one["watch"] is not None for one in three)
    assert np.diff([one["seed"] for one in three]).tolist() == [31] * (len(three) - 1)
    monkeypatch.setattr(planning, "AGREE", 99)
    assert len(searched(monkeypatch, problem, effort=160, grids=6)) == 16


def test_where_labels_keep_a_meaning_two_searches_begin_with_the_plan_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    previous = np.repeat(np.arange(6), 2)
    kept = replace(row(*[40] * 12), previous=previous)
    two = searched(monkeypatch, kept, effort=100, hot_m=5.0)
    assert len(two) == 2
    for one in two:
        assert one["steps"] == 100 * 12 // 2
        assert one["watch"] is None
        assert one["first"].tolist() == previous.tolist()
    some = replace(kept, previous=np.where(previous > 3, -1, previous))
    assert _first_plan(some, 6, 5, 1).tolist() == adapt_plan(some, 6, seed=5).tolist()
    nobody = replace(kept, previous=np.full(12, -1))
    assert _first_plan(nobody, 6, 3, 1).tolist() == seed_plan(nobody, 6, seed=3).tolist()


def test_plans_are_told_apart_to_a_thousandth_and_the_range_comes_first() -> None:
    def plan(outside: float, value: float) -> Refined:
        return Refined(np.zeros(1, int), outside, value)

    assert _merit(plan(1.23456789, 2.34567)) == (1.234568, 2.346)
    assert _merit(plan(0.0, 9.0)) < _merit(plan(1.0, 1.0)) < _merit(plan(1.0, 2.0))
    assert _is_same(plan(1.0, 5.0), plan(1.0004, 5.0004))
    assert not _is_same(plan(1.0, 5.0), plan(1.0006, 5.0006))
    assert not _is_same(plan(1.0, 5.0), plan(1.0, 4.0))
    assert not _is_same(plan(2.0, 4.0), plan(1.0, 5.0))
