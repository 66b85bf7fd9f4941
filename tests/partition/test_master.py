"""The set partition over intervals of a row, against all ways to cut it."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from partition.solver.balance import Balance
from partition.solver.master import Burden, Choice, Master, choose_sets, decide_sets, improve
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
    master = Master(UNITS, grids, penalty)
    master.add(START, MEMBERS, COST)
    return master


@pytest.mark.parametrize("grids", [1, 3, 5])
def test_prices_prove_the_value(grids: int) -> None:
    master = solved(grids)
    assert master.columns == len(INTERVALS)
    answer = master.solve()
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
    master = Master(3, 1, 50.0)
    master.add(np.array([0, 2]), np.array([0, 1], dtype=np.int32), np.array([7.0]))
    answer = master.solve()
    assert (answer.value, answer.uncovered) == (57.0, 1.0)
    assert answer.price[2] == 50.0
    master.add(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0))
    assert master.columns == 1
    master.add(np.array([0, 3]), np.array([0, 1, 2], dtype=np.int32), np.array([20.0]))
    assert (master.solve().value, master.solve().uncovered) == (20.0, 0.0)
    master.forbid(np.array([False, True]))
    assert master.solve().value == 57.0
    master.forbid(np.array([False, False]))
    assert master.solve().value == 20.0


def test_prices_stay_within_their_box() -> None:
    master = solved(3)
    free = master.solve()
    low, high = np.append(np.full(UNITS, -4.0), -3.0), np.append(np.full(UNITS, 6.0), 2.0)
    master.box(low, high)
    boxed = master.solve()
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


def row(units: int = 24) -> tuple[Problem, Pool]:
    """A row of units with borders of uneven cost, and all its intervals of two to four units."""
    graph = lattice(units, 1, 10)
    one = np.minimum(graph.rows(), graph.indices)
    graph.cost[:] = np.random.default_rng(2).uniform(1.0, 100.0, units)[one]
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
    assert costs[0] > costs[1] >= costs[2] >= costs[3]
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
