from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from partition.solver.adaptation import adapt_plan
from partition.solver.balance import Balance
from partition.solver.ground import make_ground, measure, sum_up
from partition.solver.patches import count_patches, make_patches
from partition.solver.plan import make_plan
from partition.solver.problem import Problem, Weights
from partition.solver.refine import _quota, refine_plan
from partition.solver.rng import make_state
from partition.solver.seed import seed_plan
from tests.partition.test_plan import connected, lattice, objective

BALANCE = Balance(200, 300, 400)


def town(side: int, seed: int = 0, weights: Weights | None = None) -> Problem:
    rng = np.random.default_rng(seed)
    graph = lattice(side, side, rng.integers(0, 60, side * side))
    low, high = np.minimum(graph.rows(), graph.indices), np.maximum(graph.rows(), graph.indices)
    cost = rng.choice([0.2, 0.5, 1.0, 3.0], side**4)[low * side**2 + high] * graph.length
    return Problem.of_households(replace(graph, cost=cost), BALANCE, weights)


def test_the_plan_is_the_same_for_any_number_of_threads() -> None:
    problem = town(60)
    assert count_patches(360) > 1
    firsts = [seed_plan(problem, 360, seed=5, threads=threads) for threads in (1, 3)]
    assert firsts[0].tolist() == firsts[1].tolist()
    plans = [refine_plan(problem, firsts[0], steps=400_000, seed=5, threads=t) for t in (1, 2, 4)]
    assert plans[0].labels.tolist() == plans[1].labels.tolist() == plans[2].labels.tolist()
    assert plans[0].labels.tolist() != refine_plan(problem, firsts[0], steps=400_000, seed=6).labels.tolist()
    assert connected(problem.graph, plans[0].labels)
    assert len(np.unique(plans[0].labels)) == 360
    assert plans[0].value < 0.95 * measure(make_ground(problem), firsts[0], 360)[2]


def test_patches_hold_whole_grids_and_every_unit_once() -> None:
    problem = town(60)
    labels = seed_plan(problem, 360, seed=1)
    ground = make_ground(problem)
    tally, _, _ = measure(ground, labels, 360)
    one, other = (make_patches(ground, tally, 8, make_state(seed)) for seed in (1, 2))
    assert sorted(one.units) == list(range(len(problem)))
    sizes = np.diff(one.start)
    assert sizes.max() - sizes.min() < 0.2 * sizes.mean()
    for i in range(8):
        assert set(one.of_grid[labels[one.units[one.start[i] : one.start[i + 1]]]]) == {i}
    assert one.of_grid.tolist() != other.of_grid.tolist()


@pytest.mark.parametrize("weights", [Weights(), Weights(deviation_m=0, compactness_m=0)])
def test_what_is_kept_of_each_grid_is_what_its_units_give(weights: Weights) -> None:
    problem = town(16, seed=2, weights=weights)
    labels = seed_plan(problem, 24, seed=2)
    done = refine_plan(problem, labels, steps=150_000, seed=2)
    assert done.value == pytest.approx(objective(problem.graph, done.labels, BALANCE, weights))
    held = np.bincount(done.labels, weights=problem.graph.households)
    assert done.outside == pytest.approx(BALANCE.excess(held).sum(), abs=1e-4)
    ground = make_ground(problem)
    tally, outside, value = measure(ground, done.labels, 24)
    before = (tally.grids.copy(), tally.held.copy())
    assert sum_up(ground, tally) == pytest.approx((outside, value))
    assert np.array_equal(before[0], tally.grids)
    assert np.array_equal(before[1], tally.held)


def test_moves_leave_true_sums_behind() -> None:
    from partition.solver.moves import divide, flip, resplit
    from partition.solver.trees import make_room

    problem = town(12, seed=3)
    graph, ground = problem.graph, make_ground(problem)
    labels = seed_plan(problem, 14, seed=3)
    tally, _, _ = measure(ground, labels, 16)
    mark, place = np.full(144, -1, np.int64), np.empty(144, np.int32)
    room = make_room(mark, place, 144, len(graph.indices), 1)
    state, rng = make_state(3), np.random.default_rng(3)
    done = {"flip": 0, "resplit": 0, "divide": 0, "join": 0}
    for step in range(3000):
        u = int(rng.integers(144))
        around = tally.labels[graph.indices[graph.indptr[u] : graph.indptr[u + 1]]]
        others = np.unique(around[around != tally.labels[u]])
        spare = np.flatnonzero(tally.grids["units"] == 0)
        if not len(others):
            continue
        b, stamp = int(others[0]), 2 * step
        kind = ("flip", "resplit", "divide", "join")[step % 4]
        if kind == "flip":
            done[kind] += flip(
                ground.units, ground.arcs, ground.load, ground.bounds, 1.0, ground.ragged_m,
                tally.labels, tally.grids, tally.held, u, b, 300.0, mark, room.members, stamp,
            )  # fmt: skip
        elif kind == "resplit":
            done[kind] += resplit(ground, tally, u, b, -1, 500.0, 1.0, 1.0, room, stamp, state)
        elif kind == "divide" and len(spare):
            done[kind] += divide(ground, tally, u, b, int(spare[0]), 3000.0, 1.0, 1.0, room, stamp, state)
        elif kind == "join" and len(others) > 1 and len(spare) < 3:
            done[kind] += resplit(ground, tally, u, b, int(others[1]), 9000.0, 1.0, 1.0, room, stamp, state)
        grids, held = tally.grids.copy(), tally.held.copy()
        if step % 50 == 0:
            sum_up(ground, tally)
            for name in ("units", "area", "around"):
                assert grids[name] == pytest.approx(tally.grids[name], abs=1e-6)
            assert held == pytest.approx(tally.held)
            assert connected(graph, tally.labels.astype(np.int64))
    assert min(done.values()) > 0


def test_households_that_move_cost_what_they_should() -> None:
    problem = town(14, seed=4, weights=Weights(moved_m=7.0))
    before = seed_plan(problem, 18, seed=4)
    before[:3] = -1
    free = refine_plan(problem, seed_plan(problem, 18, seed=4), steps=100_000, seed=4)
    problem = replace(problem, previous=before)
    start = np.where(before >= 0, before, before[3])
    done = refine_plan(problem, start, steps=100_000, seed=4)
    moved = problem.graph.households[(before >= 0) & (done.labels != before)].sum()
    plain = objective(problem.graph, done.labels, BALANCE, problem.weights)
    assert done.value == pytest.approx(plain + 7.0 * moved)
    dear = replace(problem, weights=Weights(moved_m=1e6))
    held = np.bincount(before[before >= 0], weights=problem.graph.households[before >= 0])
    if not BALANCE.excess(held).any():
        kept = refine_plan(dear, start, steps=100_000, seed=4)
        assert (kept.labels[before >= 0] == before[before >= 0]).all()
    assert (free.labels != before).mean() > (done.labels != before).mean()


def test_frozen_units_stay() -> None:
    problem = town(14, seed=5)
    first = seed_plan(problem, 18, seed=5)
    frozen = np.random.default_rng(5).random(len(problem)) < 0.2
    done = refine_plan(replace(problem, frozen=frozen), first, steps=200_000, seed=5)
    assert (done.labels[frozen] == first[frozen]).all()
    assert (done.labels != first).any()
    assert connected(problem.graph, done.labels)


def test_two_ranges_hold_at_once() -> None:
    problem = town(14, seed=6)
    rng = np.random.default_rng(6)
    residents = problem.load[:, 0] * rng.uniform(1.5, 4, len(problem))
    both = replace(
        problem,
        load=np.column_stack([problem.load[:, 0], residents]),
        ranges=(BALANCE, Balance(600, 800, 1000)),
    )
    one, two = (make_plan(p, grids=19, effort=4000, seed=1) for p in (problem, both))
    assert two.outside == 0
    for column, balance in zip(both.load.T, both.ranges, strict=True):
        held = np.bincount(two.assignment, weights=column)
        assert held.min() >= balance.lower - 1e-6
        assert held.max() <= balance.upper + 1e-6
    alone = np.bincount(one.assignment, weights=residents)
    assert alone.max() > 1000 or alone.min() < 600


def test_a_clock_that_strikes_is_told() -> None:
    problem = town(30, seed=7)
    first = seed_plan(problem, 88, seed=7)
    done = refine_plan(problem, first, steps=10**12, seed=7, seconds=0.3)
    assert done.hurried
    assert connected(problem.graph, done.labels)
    assert len(np.unique(done.labels)) == 88
    assert not refine_plan(problem, first, steps=1000, seed=7).hurried


def test_the_previous_plan_is_mended_when_units_and_numbers_change() -> None:
    problem = town(14, seed=8)
    before = seed_plan(problem, 18, seed=8)
    gap = np.flatnonzero(before == before[100])
    previous = before.copy()
    previous[gap] = -1  # a grid of units that are new
    problem = replace(problem, previous=previous)
    for grids in (17, 18, 20, 15):
        labels = adapt_plan(problem, grids, seed=1)
        assert len(np.unique(labels)) == grids
        assert connected(problem.graph, labels)
        if grids >= 17:
            known = previous >= 0
            kept = np.isin(labels[known], previous[known])
            assert (labels[known][kept] == previous[known][kept]).all()
    frozen = np.isin(before, np.delete(np.unique(previous), 0)[:12])
    fixed = adapt_plan(replace(problem, frozen=frozen), 13, seed=1)
    assert (fixed[frozen] == previous[frozen]).all()


def test_a_plan_keeps_the_numbers_of_before() -> None:
    problem = town(12, seed=9, weights=Weights(moved_m=20.0))
    first = make_plan(problem, effort=2000, seed=1)
    names = 3 + 2 * np.arange(first.grids)
    problem = replace(problem, previous=names[first.assignment])
    again = make_plan(problem, effort=2000, seed=2, hot_m=5.0)
    assert (again.assignment == problem.previous).mean() > 0.9
    assert again.outside == 0


@pytest.mark.parametrize(("grids", "number"), [(0, 3), (1, 3), (5, 3), (8, 20), (9, 9), (9, 4), (-4, 3)])
def test_patches_share_the_grids_that_may_come_or_go(grids: int, number: int) -> None:
    quotas = [_quota(grids, i, number) for i in range(number)]
    assert sum(quotas) == max(grids, 0)
    assert quotas == sorted(quotas, reverse=True)
    assert max(quotas) - min(quotas) <= 1


def test_of_many_patches_three_times_as_many_may_try() -> None:
    assert [sum(_quota(9, i, number) for i in range(number)) for number in (10, 27, 28, 50)] == [
        10,
        27,
        27,
        27,
    ]
    assert _quota(9, 26, 50) == 1
    assert _quota(9, 27, 50) == 0
