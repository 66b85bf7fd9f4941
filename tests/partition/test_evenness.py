from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from partition.solver import evenness
from partition.solver.balance import Balance
from partition.solver.enumeration import list_sets
from partition.solver.evenness import settle_evenly
from partition.solver.graph import from_arcs
from partition.solver.joining import join_plans, total_off
from partition.solver.pool import Pool
from partition.solver.problem import Problem, Weights
from partition.solver.refine import Refined
from tests.partition.test_plan import connected, lattice


def area(seed: int) -> Problem:
    """Twelve units, three or four of them a grid."""
    rng = np.random.default_rng(seed)
    graph = lattice(4, 3, rng.integers(1, 10, 12), cost=1.0)
    low, high = np.minimum(graph.rows(), graph.indices), np.maximum(graph.rows(), graph.indices)
    graph.cost[:] = rng.integers(1, 40, 144)[low * 12 + high]
    return Problem.of_households(graph, Balance(8, 16, 30), Weights(deviation_m=0.0, compactness_m=0.0))


def every_plan(problem: Problem, grids: int) -> Iterator[tuple[float, float]]:
    """Cost, and households off the targets, of each plan there is: grid by grid, each with the first unit
    that has none.
    """
    listed = list_sets(problem)
    start, members, cost = listed.pick([np.arange(len(block)) for block in listed.blocks])
    sets = [frozenset(members[a:b].tolist()) for a, b in itertools.pairwise(start)]
    off = [abs(sum(int(problem.graph.households[u]) for u in units) - 16) for units in sets]

    def rest(left: frozenset[int], more: int) -> Iterator[tuple[float, float]]:
        if not left or not more:
            if not left and not more:
                yield 0.0, 0.0
            return
        for units, own, far in zip(sets, cost, off, strict=True):
            if min(left) in units and units <= left:
                for other, further in rest(left - units, more - 1):
                    yield own + other, far + further

    return rest(frozenset(range(len(problem))), grids)


@pytest.mark.parametrize("seed", range(4))
def test_the_cheapest_even_plan_is_that_of_brute_force(seed: int) -> None:
    problem = area(seed)
    grids = max(round(problem.graph.households.sum() / 16), 2)
    plans = list(every_plan(problem, grids))
    offs = sorted({off for _, off in plans})
    for most in (offs[0], offs[len(offs) // 3], offs[-1]):
        least = min(cost for cost, off in plans if off <= most)
        settled = settle_evenly(problem, grids, most + 1e-6)
        assert settled.labels is not None
        assert settled.least == pytest.approx(least, abs=1e-2)
        assert Pool.of_plan(problem, settled.labels).cost.sum() == pytest.approx(least)
        assert total_off(problem, settled.labels) <= most
        assert connected(problem.graph, settled.labels)
        again = settle_evenly(problem, grids, most + 1e-6, settled.labels)
        assert again.least == pytest.approx(least, abs=1e-2)
    none = settle_evenly(problem, grids, offs[0] - 0.5)
    assert none.labels is None
    assert none.least == math.inf


def test_too_many_possible_grids_leave_the_known_plan_unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evenness, "MOST_SETS", 10)
    known = np.repeat([0, 1, 2], 4)
    settled = settle_evenly(area(0), 3, 100.0, known)
    assert settled.labels is known
    assert settled.least == -math.inf


def test_joined_plans_keep_to_what_they_may_be_off() -> None:
    problem = area(1)
    grids = round(problem.graph.households.sum() / 16)
    plans = sorted(every_plan(problem, grids))
    cheapest = plans[0]
    most = min(off for _, off in plans)
    even = settle_evenly(problem, grids, most + 1e-6).labels
    cheap = settle_evenly(problem, grids, 1e6).labels
    assert even is not None
    assert cheap is not None
    assert cheapest[1] > most, "the cheapest plan is not the most even one"
    both = [Refined(labels, 0.0, float(Pool.of_plan(problem, labels).cost.sum())) for labels in (cheap, even)]
    joined = join_plans(problem, both, most_off=most + 1e-6)
    assert total_off(problem, joined.labels) <= most
    assert joined.value == pytest.approx(min(cost for cost, off in plans if off <= most))
    assert join_plans(problem, both).value == pytest.approx(cheapest[0])


def test_half_grids_that_add_up_are_no_plan() -> None:
    # two triangles, two units a grid: three grids of halves cover all, three whole ones cannot
    pairs = np.array([(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)])
    a, b = np.concatenate([pairs, pairs[:, ::-1]]).T
    ten, size = np.full(6, 10), np.full(12, 5.0)
    graph = from_arcs(ten, np.full(6, 100.0), np.zeros(6), a, b, size, size, np.ones(12, dtype=bool))
    none = Weights(deviation_m=0.0, compactness_m=0.0)
    problem = Problem.of_households(graph, Balance(20, 20, 20), none)
    settled = settle_evenly(problem, 3, 100.0)
    assert settled.labels is None
    assert settled.least == math.inf
    whole = settle_evenly(Problem.of_households(graph, Balance(10, 20, 20), none), 4, 100.0)
    assert whole.labels is not None
    assert whole.least == pytest.approx(20.0, abs=1e-2)  # each triangle is cut along two of its borders
    # of the four grids two are ten off their target
    assert settle_evenly(Problem.of_households(graph, Balance(10, 20, 20), none), 4, 19.0).labels is None
