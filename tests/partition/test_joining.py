from __future__ import annotations

from dataclasses import replace

import numpy as np

from partition.proof.bound import prove
from partition.solver.balance import Balance
from partition.solver.ground import make_ground, measure
from partition.solver.joining import FEW, UNEVEN_M, WINDOW, Seen, _window, join_plans, total_off
from partition.solver.plan import make_plan
from partition.solver.problem import Problem, Weights
from partition.solver.refine import Refined, refine_plan
from partition.solver.seed import seed_plan
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
