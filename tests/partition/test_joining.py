from __future__ import annotations

import numpy as np

from partition.proof.bound import prove
from partition.solver.ground import make_ground, measure
from partition.solver.joining import Seen, join_plans
from partition.solver.plan import make_plan
from partition.solver.refine import Refined, refine_plan
from partition.solver.seed import seed_plan
from tests.partition.test_plan import connected
from tests.partition.test_refine import town


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
