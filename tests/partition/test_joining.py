from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from partition.proof.bound import prove
from partition.solver import joining
from partition.solver.balance import Balance
from partition.solver.ground import make_ground, measure
from partition.solver.joining import (
    FEW,
    UNEVEN_M,
    WINDOW,
    Seen,
    _choose,
    _merit,
    _window,
    join_plans,
    total_off,
)
from partition.solver.plan import make_plan
from partition.solver.pool import Pool
from partition.solver.problem import Problem, Weights
from partition.solver.refine import Refined, refine_plan
from partition.solver.seed import seed_plan
from tests.partition.test_master import row
from tests.partition.test_plan import connected
from tests.partition.test_refine import town
from tests.unit_lattice import lattice


def test_joined_plans_are_no_worse_than_the_best_and_add_up() -> None:
    problem = town(16, seed=4)
    k = round(problem.graph.households.sum() / problem.ranges[0].target)
    plans = [
        refine_plan(problem, seed_plan(problem, k, seed=seed), steps=80_000, seed=seed) for seed in range(6)
    ]
    joined = join_plans(problem, plans)
    best = min((plan.outside, plan.value) for plan in plans)
    assert (joined.outside, joined.value) < best
    assert connected(problem.graph, joined.labels)
    _, outside, value = measure(make_ground(problem), joined.labels, k)
    assert (outside, value) == (joined.outside, joined.value)


def test_without_time_the_best_is_returned_as_hurried() -> None:
    problem = town(6, seed=4)
    plans = [Refined(seed_plan(problem, 4, seed=seed), 0.0, float(seed)) for seed in range(2)]
    joined = join_plans(problem, plans, seconds=0.0)
    assert joined.hurried
    assert joined.labels.tolist() == plans[0].labels.tolist()


def test_grids_seen_are_kept_once() -> None:
    problem = town(6, seed=1)
    seen = Seen(problem)
    for seed in (1, 1, 2):
        seen.add(seed_plan(problem, 4, seed=seed) + 7)
    sets = {
        tuple(np.flatnonzero(labels == g))
        for labels in (seed_plan(problem, 4, seed=1), seed_plan(problem, 4, seed=2))
        for g in range(4)
    }
    pool = seen.pool()
    found = {tuple(pool.members[a:b]) for a, b in zip(pool.start[:-1], pool.start[1:], strict=True)}
    assert found == sets
    assert len(pool) == len(sets)


def test_few_units_are_divided_in_the_best_way() -> None:
    problem = town(5, seed=3)
    plan = make_plan(problem)
    bound = prove(problem, plan.assignment, k=plan.grids)
    assert bound.status == "optimal"
    assert np.isclose(plan.value, bound.lower, rtol=1e-6)


def test_halves_of_uneven_plans_make_an_even_one() -> None:
    none = Weights(deviation_m=0.0, compactness_m=0.0)
    problem = Problem.of_households(lattice(8, 1, 10), Balance(10.0, 20.0, 30.0), none)
    uneven = [np.array([0, 0, 0, 1, 2, 2, 3, 3]), np.array([0, 0, 1, 1, 2, 2, 2, 3])]
    plans = [Refined(labels, 0.0, 300.0) for labels in uneven]
    assert [total_off(problem, plan.labels) for plan in plans] == [20, 20]
    joined = join_plans(problem, plans, most_off=0.0)
    assert total_off(problem, joined.labels) == 0
    assert (joined.outside, joined.value) == (0.0, 300.0)
    # where no choice is so even, the nearest plan is returned
    assert total_off(problem, join_plans(problem, plans[:1], most_off=0.0).labels) == 20
    # grids out of range are no choice either
    narrow = Problem.of_households(problem.graph, Balance(20.0, 20.0, 20.0), none)
    wide = [Refined(labels, 20.0, 300.0) for labels in uneven]
    assert join_plans(narrow, wide, most_off=0.0).outside == 0.0


def test_how_many_grids_the_set_partition_chooses_at_once() -> None:
    problem = town(6, seed=1)
    assert [_window(problem, grids) for grids in (400, 401)] == [400, WINDOW]
    even = replace(problem, weights=replace(problem.weights, deviation_m=UNEVEN_M))
    evener = replace(problem, weights=replace(problem.weights, deviation_m=UNEVEN_M + 1.0))
    assert [_window(one, 100) for one in (even, evener)] == [100, FEW]


def test_every_grid_is_listed_or_none() -> None:
    problem = Problem.of_households(lattice(4, 1, 10), Balance(10.0, 20.0, 20.0))
    for most, count in ((6, 0), (7, 7)):
        seen = Seen(problem)
        seen.list_all(most)
        assert (len(seen.pool()), seen.complete) == (count, count == 7)


# --- chosen from a list ---


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("most", [0.0, 20.0, 40.0, math.inf])
def test_a_plan_of_a_list_is_the_best_that_keeps_to_the_limit(seed: int, most: float) -> None:
    """Intervals of two to four units of a row, and longer ones that cost less but are out of range."""
    problem, pool = row(18, seed)
    border = problem.graph.cost[problem.graph.indices > problem.graph.rows()]
    heavy = np.concatenate([np.arange(0, 6), np.arange(6, 12), np.arange(12, 18)]).astype(np.int32)
    listed = pool.merged(Pool.of_sets(problem, np.array([0, 6, 12, 18]), heavy))
    for grids in (5, 6, 7):
        cuts = [np.cumsum(widths) for widths in product((2, 3, 4), repeat=grids) if sum(widths) == 18]
        costs = {tuple(ends): border[ends[:-1] - 1].sum() for ends in cuts}
        off = {ends: 10.0 * sum(width != 3 for width in np.diff((0, *ends))) for ends in costs}
        fine = [cost for ends, cost in costs.items() if off[ends] <= most]
        labels = _choose(problem, listed, grids, most)
        assert (labels is not None) == bool(fine)
        if labels is not None:
            assert Pool.of_plan(problem, labels).cost.sum() == pytest.approx(min(fine))
            assert total_off(problem, labels) <= most
            assert len(np.unique(labels)) == grids
    assert _choose(problem, listed, 3, most) is None
    assert _choose(problem, Pool.empty(), 6, most) is None


def test_of_a_long_list_the_cheapest_by_the_prices_are_chosen_from(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, pool = row(18)
    best = _choose(problem, pool, 6, math.inf)
    assert best is not None
    monkeypatch.setattr(joining, "CHEAPEST", 24)
    few = _choose(problem, pool, 6, math.inf)
    assert few is not None, "the LP is tight here: what costs nothing by its prices is the best plan"
    assert few.tolist() == best.tolist()


def test_plans_are_put_aside_until_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, _ = row(18)
    monkeypatch.setattr(joining, "PENDING", 36)
    seen = Seen(problem)
    plans = [np.arange(18) // 3, 7 + np.arange(18) // 6, (np.arange(18) + 1) // 3 * 5]
    for plan, waiting in zip(plans, (1, 2, 0), strict=True):
        seen.add(plan)
        assert len(seen._plans) == waiting
    pool = seen.pool()
    found = {tuple(pool.members[a:b].tolist()) for a, b in pairwise(pool.start)}
    assert found == {tuple(np.flatnonzero(plan == grid)) for plan in plans for grid in np.unique(plan)}
    assert len(pool) == len(found)
    assert not seen.complete
    seen.list_all(10)
    assert not seen.complete
    seen.list_all(1000)
    assert seen.complete


def test_what_makes_one_plan_better_than_another() -> None:
    problem, _ = row(18)
    even, odd = np.arange(18) // 3, np.minimum(np.arange(18) // 4, 4)  # the last of two units, others of four
    assert _merit(problem, Refined(even, 0.12345678, 9.5), math.inf) == (0.123457, 0.0, 9.5)
    assert total_off(problem, odd) == 50.0
    assert _merit(problem, Refined(odd, 0.0, 9.5), math.inf) == (0.0, 0.0, 9.5)
    assert _merit(problem, Refined(odd, 0.0, 9.5), 12.5) == (0.0, 37.5, 9.5)
    assert _merit(problem, Refined(odd, 0.0, 9.5), 50.0) == (0.0, 0.0, 9.5)
    plans = [Refined(even, 5.0, 1.0), Refined(odd, 0.0, 9.0), Refined(even, 0.0, 9.5)]
    assert join_plans(problem, plans, seconds=0.0).labels is odd
    assert join_plans(problem, plans, seconds=0.0).hurried
    assert join_plans(problem, plans, seconds=0.0, most_off=20.0).labels is even
    kept = replace(problem, previous=even)
    assert join_plans(kept, plans) is plans[1]


@pytest.mark.parametrize(
    ("grids", "deviation", "window"),
    [(30, 0.0, 30), (400, 0.0, 400), (401, 0.0, 60), (30, 6000.0, 30), (30, 6000.5, 14), (900, 9000.0, 14)],
)
def test_how_many_grids_are_chosen_at_once_by_their_number_and_evenness(
    grids: int, deviation: float, window: int
) -> None:
    problem, _ = row(18)
    weights = replace(problem.weights, deviation_m=deviation)
    assert _window(replace(problem, weights=weights), grids) == window
