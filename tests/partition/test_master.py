"""The set partition over intervals of a row, against all ways to cut it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from partition.solver import master
from partition.solver.balance import Balance
from partition.solver.enumeration import list_sets
from partition.solver.master import (
    Burden,
    Choice,
    Master,
    _columns,
    _Index,
    _nearest,
    _neighbours,
    choose_sets,
    decide_sets,
    improve,
)
from partition.solver.pool import Pool, off_target
from partition.solver.problem import Problem, Weights
from tests.unit_lattice import lattice

UNITS = 7
INTERVALS = [(a, b) for a in range(UNITS) for b in range(a + 1, UNITS + 1)]
START = np.concatenate([[0], np.cumsum([b - a for a, b in INTERVALS])])
MEMBERS = np.concatenate([np.arange(a, b) for a, b in INTERVALS]).astype(np.int32)
COST = np.random.default_rng(8).integers(10, 100, len(INTERVALS)).astype(float)
BORNE = np.random.default_rng(9).integers(0, 9, len(INTERVALS)).astype(float)
PLACE = {interval: place for place, interval in enumerate(INTERVALS)}


def cuts(grids: int) -> list[list[int]]:
    """All ways to cut the row into so many pieces, as places of the intervals."""
    return [
        [PLACE[pair] for pair in pairwise([0, *inner, UNITS])]
        for inner in combinations(range(1, UNITS), grids - 1)
    ]


def chosen(grids: int, **options) -> list[int] | None:
    found = choose_sets(UNITS, grids, START, MEMBERS, COST, **options)
    return None if found is None else sorted(found.tolist())


@pytest.mark.parametrize("grids", range(1, UNITS + 1))
def test_the_cheapest_partition_is_chosen(grids: int) -> None:
    best = min(cuts(grids), key=lambda places: COST[places].sum())
    assert chosen(grids) == sorted(best)
    for first in cuts(grids)[:3]:
        assert chosen(grids, first=np.array(first)) == sorted(best)


@pytest.mark.parametrize("most", [3.0, 8.0, 12.0, 50.0])
def test_what_sets_bear_together_is_limited(most: float) -> None:
    fine = [places for places in cuts(4) if BORNE[places].sum() <= most]
    found = decide_sets(UNITS, 4, START, MEMBERS, COST, burden=Burden(BORNE, most))
    assert found.certain
    if fine:
        assert found.places is not None
        assert COST[found.places].sum() == min(COST[places].sum() for places in fine)
        assert BORNE[found.places].sum() <= most
    else:
        assert found.places is None


def test_where_no_partition_is_there_none_is_chosen_for_certain() -> None:
    pairs = [PLACE[a, a + 2] for a in range(UNITS - 1)]
    start = np.arange(0, 2 * len(pairs) + 1, 2)
    members = np.concatenate([MEMBERS[START[p] : START[p + 1]] for p in pairs])
    assert decide_sets(UNITS, 4, start, members, COST[pairs]) == Choice(None, True)
    assert decide_sets(UNITS, 4, np.zeros(1, np.int64), members[:0], COST[:0]) == Choice(None, True)
    assert decide_sets(UNITS, 8, START, MEMBERS, COST).places is None
    even = decide_sets(6, 3, start[:6], members[:10], COST[pairs][:5])
    assert even.places is not None
    assert even.places.tolist() == [0, 2, 4]


def solved(grids: int, penalty: float = 1e4) -> Master:
    lp = Master(UNITS, grids, penalty)
    lp.add(START, MEMBERS, COST)
    return lp


@pytest.mark.parametrize("grids", [1, 3, 5])
def test_prices_prove_the_value(grids: int) -> None:
    lp = solved(grids)
    assert lp.columns == len(INTERVALS)
    answer = lp.solve()
    best = min(COST[places].sum() for places in cuts(grids))
    assert answer.value <= best + 1e-6
    assert answer.uncovered == pytest.approx(0)
    assert answer.price.sum() + grids * answer.count_price == pytest.approx(answer.value)
    reduced = COST - answer.count_price - np.add.reduceat(answer.price[MEMBERS], START[:-1])
    assert reduced.min() >= -1e-6
    assert reduced[answer.share > 1e-6] == pytest.approx(0, abs=1e-6)
    assert answer.share.sum() == pytest.approx(grids)
    covered = np.zeros(UNITS)
    np.add.at(covered, MEMBERS, np.repeat(answer.share, np.diff(START)))
    assert covered == pytest.approx(1)
    assert answer.burden_price == 0.0


def test_what_nothing_covers_costs_the_penalty() -> None:
    lp = Master(3, 1, 50.0)
    lp.add(np.array([0, 2]), np.array([0, 1], dtype=np.int32), np.array([7.0]))
    answer = lp.solve()
    assert (answer.value, answer.uncovered) == (57.0, 1.0)
    assert answer.price[2] == 50.0
    lp.add(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0))
    assert lp.columns == 1
    lp.add(np.array([0, 3]), np.array([0, 1, 2], dtype=np.int32), np.array([20.0]))
    assert (lp.solve().value, lp.solve().uncovered) == (20.0, 0.0)
    lp.forbid(np.array([False, True]))
    assert lp.solve().value == 57.0
    lp.forbid(np.array([False, False]))
    assert lp.solve().value == 20.0


def test_prices_stay_within_their_box() -> None:
    lp = solved(3)
    free = lp.solve()
    low, high = np.append(np.full(UNITS, -4.0), -3.0), np.append(np.full(UNITS, 6.0), 2.0)
    lp.box(low, high)
    boxed = lp.solve()
    for price, least, most in zip([*boxed.price, boxed.count_price], low, high, strict=True):
        assert least - 1e-9 <= price <= most + 1e-9
    assert boxed.price.max() == pytest.approx(6.0)
    assert boxed.value < free.value
    reduced = COST - boxed.count_price - np.add.reduceat(boxed.price[MEMBERS], START[:-1])
    assert reduced.min() >= -1e-6


def test_a_burden_has_a_price_where_it_presses() -> None:
    best = min(cuts(3), key=lambda places: COST[places].sum())
    tight = Master(UNITS, 3, 1e4, most=float(BORNE[best].sum()) - 1.0)
    tight.add(START, MEMBERS, COST, BORNE)
    pressed = tight.solve()
    assert pressed.burden_price < 0
    assert pressed.value > solved(3).solve().value
    assert pressed.price.shape == (UNITS,)
    loose = Master(UNITS, 3, 1e4, most=1e3)
    loose.add(START, MEMBERS, COST, BORNE)
    assert loose.solve().burden_price == pytest.approx(0)
    assert loose.solve().value == pytest.approx(solved(3).solve().value)
    borne = (BORNE * pressed.share).sum()
    assert borne <= BORNE[best].sum() - 1 + 1e-6


# --- a plan bettered from a pool ---


def row(units: int = 24, seed: int = 2) -> tuple[Problem, Pool]:
    """A row of units with borders of uneven cost, and all its intervals of two to four units."""
    graph = lattice(units, 1, 10)
    one = np.minimum(graph.rows(), graph.indices)
    graph.cost[:] = np.random.default_rng(seed).uniform(1.0, 100.0, units)[one]
    problem = Problem.of_households(graph, Balance(20.0, 30.0, 40.0), Weights(50.0, 0.0, 0.0))
    spans = [(a, a + w) for w in (2, 3, 4) for a in range(units - w + 1)]
    start = np.concatenate([[0], np.cumsum([b - a for a, b in spans])])
    return problem, Pool.of_sets(
        problem, start, np.concatenate([np.arange(a, b) for a, b in spans]).astype(np.int32)
    )


def cost_of(problem: Problem, labels: np.ndarray) -> float:
    return float(Pool.of_plan(problem, labels).cost.sum())


def best_of(problem: Problem, grids: int) -> float:
    """The least cost of so many intervals of two to four units, unit by unit."""
    border = problem.graph.cost[problem.graph.indices > problem.graph.rows()]
    best = {(0, 0): 0.0}
    for end in range(2, len(problem) + 1):
        for used in range(1, grids + 1):
            before = [best.get((end - w, used - 1), np.inf) for w in (2, 3, 4)]
            best[end, used] = min(before) + (border[end - 1] if end < len(problem) else 0.0)
    return best[len(problem), grids]


def test_a_plan_becomes_the_best_that_the_pool_holds() -> None:
    problem, pool = row()
    plan = np.arange(24) // 3
    better = improve(problem, plan, pool)
    assert cost_of(problem, better) == pytest.approx(best_of(problem, 8))
    assert np.unique(better).tolist() == list(range(8))
    assert cost_of(problem, better) < cost_of(problem, plan)
    again = improve(problem, better, pool)
    assert again.tolist() == better.tolist()


def test_window_by_window_it_gets_better_round_by_round() -> None:
    problem, pool = row(60)
    plan = np.arange(60) // 3
    costs = [cost_of(problem, improve(problem, plan, pool, window=3, rounds=n)) for n in (0, 1, 2, 8)]
    assert costs[0] == cost_of(problem, plan)
    assert costs[0] > costs[1] > costs[2] > costs[3]
    assert costs[3] >= best_of(problem, 20) - 1e-6
    assert costs[3] <= 1.1 * best_of(problem, 20)
    assert cost_of(problem, improve(problem, plan, pool, window=20)) == pytest.approx(best_of(problem, 20))


def test_grids_out_of_range_stay_as_they_are() -> None:
    problem, pool = row()
    plan = np.concatenate([np.zeros(5, int), 1 + np.arange(19) // 3])  # the first holds 50 of at most 40
    better = improve(problem, plan, pool)
    assert better[:5].tolist() == [0] * 5
    assert (better[5:] != 0).all()
    assert cost_of(problem, better) <= cost_of(problem, plan)


def test_a_plan_stays_as_far_off_its_targets_as_it_may() -> None:
    problem, pool = row()
    plan = np.arange(24) // 3
    even = improve(problem, plan, pool, most_off=0.0)
    assert cost_of(problem, even) == cost_of(problem, plan)
    some = improve(problem, plan, pool, most_off=40.0)
    own = Pool.of_plan(problem, some)
    assert off_target(problem, own.start, own.members).sum() <= 40
    assert best_of(problem, 8) <= cost_of(problem, some) < cost_of(problem, plan)


def test_grids_around_a_grid_are_those_reached_first_and_in_range() -> None:
    problem = Problem.of_households(lattice(4, 3, 10), Balance(0.0, 10.0, 20.0))
    beside = _neighbours(problem, np.arange(12), 12)
    assert [b.tolist() for b in beside[:6]] == [[1, 4], [0, 2, 5], [1, 3, 6], [2, 7], [0, 5, 8], [1, 4, 6, 9]]
    fits = np.ones(12, dtype=bool)
    assert _nearest(5, beside, fits, 1).tolist() == [5]
    assert _nearest(5, beside, fits, 5).tolist() == [5, 1, 4, 6, 9]
    assert _nearest(0, beside, fits, 4).tolist() == [0, 1, 4, 2]
    fits[[1, 6]] = False
    assert _nearest(5, beside, fits, 9).tolist() == [5, 4, 9, 0, 8, 10, 11, 7, 3]
    assert _nearest(5, beside, fits, 99).tolist() == [5, 4, 9, 0, 8, 10, 11, 7, 3, 2]


def test_sets_wholly_inside_are_found_by_their_first_unit() -> None:
    _, pool = row(6)
    index = _Index(pool, 6)
    inside = np.array([False, True, True, True, False, True])
    found = [pool.members[pool.start[s] : pool.start[s + 1]].tolist() for s in index.within(pool, inside)]
    assert found == [[1, 2], [2, 3], [1, 2, 3]]
    assert not len(index.within(pool, np.array([False] * 5 + [True])))


def test_where_labels_keep_a_meaning_the_plan_stays() -> None:
    problem, pool = row()
    plan = np.arange(24) // 3
    for kept in (
        replace(problem, previous=plan),
        replace(problem, frozen=np.zeros(24, dtype=bool)),
    ):
        assert improve(kept, plan, pool) is plan
    assert improve(problem, plan + 5, Pool.empty()).tolist() == plan.tolist()


def test_no_more_columns_are_handed_over_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, pool = row()
    plan = np.arange(24) // 3
    best = cost_of(problem, improve(problem, plan, pool))
    monkeypatch.setattr(master, "IP_COLUMNS", 12)
    assert best <= cost_of(problem, improve(problem, plan, pool)) <= cost_of(problem, plan)
    handed = []
    choose = master.choose_sets

    def watched(units: int, grids: int, start, members, cost, **options) -> np.ndarray | None:
        handed.append(len(cost))
        return choose(units, grids, start, members, cost, **options)

    monkeypatch.setattr(master, "choose_sets", watched)
    improve(problem, plan, pool)
    assert handed == [12]


def test_a_plan_that_is_the_best_of_the_pool_is_returned_as_it_is() -> None:
    problem, pool = row(60)
    best = improve(problem, np.arange(60) // 3, pool, window=20)
    assert improve(problem, best, pool, window=4).tolist() == best.tolist()
    # two windows of four grids each, at most: each grid is looked at, whatever is out of range
    plan = np.concatenate([np.zeros(5, int), 1 + np.arange(55) // 3])
    better = improve(problem, plan, pool, window=4, rounds=4)
    assert better[:5].tolist() == [0] * 5
    assert cost_of(problem, better) < cost_of(problem, plan)


def test_columns_hold_their_units_the_count_and_what_they_bear() -> None:
    start, members = np.array([0, 2, 3]), np.array([0, 2, 1], dtype=np.int32)
    starts, index, value = _columns(start, members, 3, None)
    assert (starts.tolist(), index.tolist(), value.tolist()) == ([0, 3, 5], [0, 2, 3, 1, 3], [1.0] * 5)
    starts, index, value = _columns(start, members, 3, np.array([5.0, 7.0]))
    assert (starts.tolist(), index.tolist()) == ([0, 4, 7], [0, 2, 3, 4, 1, 3, 4])
    assert value.tolist() == [1, 1, 1, 5, 1, 1, 7]


def test_some_of_a_list_is_added_and_forbidden() -> None:
    answer = Master(UNITS, 3, 1e4)
    answer.add(START[10:], MEMBERS, COST[10:])  # a list that begins somewhere else
    assert answer.columns == len(INTERVALS) - 10
    some = [places for places in cuts(3) if min(places) >= 10]
    assert not some, "the first unit is only in the first intervals"
    assert answer.solve().uncovered > 0
    whole = solved(3)
    best = min(cuts(3), key=lambda places: COST[places].sum())
    others = [places for places in cuts(3) if best[1] not in places]
    whole.forbid(np.isin(np.arange(len(COST)), [best[1]]))
    assert whole.solve().value <= min(COST[places].sum() for places in others) + 1e-6
    assert whole.solve().share[best[1]] == 0


def test_a_search_of_no_time_finds_none_for_certain_or_what_it_began_with() -> None:
    first = np.array(cuts(4)[0])
    found = decide_sets(UNITS, 4, START, MEMBERS, COST, first=first, time_limit=0.0, nodes=0)
    assert not found.certain or COST[found.places].sum() == min(COST[p].sum() for p in cuts(4))
    assert found.places is None or COST[found.places].sum() <= COST[first].sum()


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    solved(3).solve()
    chosen(3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seed", range(2))
def test_a_choice_costs_what_another_solver_finds_the_least(seed: int) -> None:
    _, pool = square()
    rng = np.random.default_rng(seed)
    cost, each = rng.uniform(1.0, 100.0, len(pool)), rng.integers(0, 9, len(pool)).astype(float)
    rows = np.append(pool.members, np.full(len(pool), 36))
    columns = np.append(np.repeat(np.arange(len(pool)), np.diff(pool.start)), np.arange(len(pool)))
    matrix = coo_array((np.ones(len(rows)), (rows, columns)), shape=(37, len(pool)))
    exactly = LinearConstraint(matrix, *[np.append(np.ones(36), 12.0)] * 2)
    best = milp(cost, constraints=exactly, integrality=1, bounds=Bounds(0, 1))
    found = decide_sets(36, 12, pool.start, pool.members, cost)
    assert found.certain
    assert cost[found.places].sum() == pytest.approx(best.fun)
    most = 0.7 * each[found.places].sum()
    both = [exactly, LinearConstraint(each[None], -np.inf, most)]
    light = milp(cost, constraints=both, integrality=1, bounds=Bounds(0, 1))
    within = decide_sets(36, 12, pool.start, pool.members, cost, burden=Burden(each, most))
    assert within.certain
    assert cost[within.places].sum() == pytest.approx(light.fun)
    assert each[within.places].sum() <= most + 1e-6


# --- cut short, and within limits ---


def square() -> tuple[Problem, Pool]:
    """All grids of two to four units of a lattice whose LP is not tight."""
    graph = lattice(6, 6, 10)
    low, high = np.minimum(graph.rows(), graph.indices), np.maximum(graph.rows(), graph.indices)
    graph.cost[:] = np.random.default_rng(3).uniform(1.0, 100.0, 36 * 36)[low * 36 + high]
    problem = Problem.of_households(graph, Balance(20.0, 30.0, 40.0), Weights(50.0, 0.0, 0.0))
    listed = list_sets(problem)
    start, members, _ = listed.pick([np.arange(len(block)) for block in listed.blocks])
    return problem, Pool.of_sets(problem, start, members)


def test_a_choice_cut_short_is_not_certain_and_no_worse_than_what_it_began_with() -> None:
    _, pool = square()
    rows = np.arange(36) // 3
    first = np.array([
        n for n, (a, b) in enumerate(pairwise(pool.start)) if pool.members[a:b].tolist() in
        [np.flatnonzero(rows == grid).tolist() for grid in range(12)]
    ])  # fmt: skip
    assert len(first) == 12
    sets = 36, 12, pool.start, pool.members, pool.cost
    best = decide_sets(*sets)
    assert best.certain
    assert best.places is not None
    least = pool.cost[best.places].sum()
    for limit in ({"time_limit": 0.0}, {"nodes": 0}):
        assert decide_sets(*sets, **limit) == Choice(None, False)
    for limit in ({"nodes": 0}, {"time_limit": 0.0}):
        begun = decide_sets(*sets, first=first, **limit)
        if begun.places is not None:  # a solver that has no time at all may not even look at it
            assert least - 1e-6 <= pool.cost[begun.places].sum() <= pool.cost[first].sum()
    assert decide_sets(*sets, first=first, nodes=0).places is not None
    assert decide_sets(*sets, first=first, nodes=0).certain is False
    for limit in ({"time_limit": 1e9}, {"nodes": 10**6}):
        found = decide_sets(*sets, **limit)
        assert found.certain
        assert found.places is not None
        assert pool.cost[found.places].sum() == pytest.approx(least)


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_is_the_best_of_all_that_are_no_further_off_their_targets(seed: int) -> None:
    """Every way to cut the row into intervals of two to four units."""
    problem, pool = row(18, seed)
    border = problem.graph.cost[problem.graph.indices > problem.graph.rows()]
    cut = [
        (np.cumsum(widths)[:-1], 10.0 * sum(width != 3 for width in widths))
        for widths in product((2, 3, 4), repeat=6) if sum(widths) == 18
    ]  # fmt: skip
    for most in (0.0, 20.0, 40.0, 60.0):
        best = min(border[ends - 1].sum() for ends, off in cut if off <= most)
        found = improve(problem, np.arange(18) // 3, pool, most_off=most)
        assert cost_of(problem, found) == pytest.approx(best)
        own = Pool.of_plan(problem, found)
        assert off_target(problem, own.start, own.members).sum() <= most
    # a window of it: what lies outside is off as much as it is
    some = improve(problem, np.arange(18) // 3, pool, most_off=20.0)
    for window in (2, 3, 4):
        again = improve(problem, some, pool, window=window, rounds=1, most_off=20.0)
        own = Pool.of_plan(problem, again)
        assert off_target(problem, own.start, own.members).sum() <= 20
        assert cost_of(problem, again) == pytest.approx(cost_of(problem, some))


def watched(
    monkeypatch: pytest.MonkeyPatch, problem: Problem, plan, pool: Pool, **options
) -> list[list[int]]:
    """The windows that were looked at, in their order."""
    seen: list[list[int]] = []
    better = master._better

    def look(problem, labels, pool, index, around, *rest):
        seen.append(sorted(around.tolist()))
        return better(problem, labels, pool, index, around, *rest)

    monkeypatch.setattr(master, "_better", look)
    improve(problem, plan, pool, **options)
    return seen


def test_windows_go_through_a_plan_until_each_grid_was_looked_at_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem, _ = row(60)
    plan = np.arange(60) // 3
    nothing = Pool.empty()
    assert watched(monkeypatch, problem, plan, nothing, window=10) == [list(range(20))]
    seen = watched(monkeypatch, problem, plan, nothing, window=9)
    assert all(len(window) == 9 for window in seen)
    # centre after centre: the first grid looked at least often; once through, since nothing got better
    times = np.zeros(20, dtype=int)
    for window in seen:
        centre = int(np.argmin(times))
        near = sorted(range(20), key=lambda grid: abs(grid - centre))
        assert set(near[:8]) <= set(window)
        times[window] += 1
        times[centre] += 1
    assert times.min() == 2
    # what is out of range is in no window
    heavy = np.concatenate([np.zeros(5, int), 1 + np.arange(55) // 3])
    seen = watched(monkeypatch, problem, heavy, nothing, window=4)
    assert seen
    assert all(0 not in window for window in seen)
