"""The cheapest sets of every root at given prices, against a list of all sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from partition.proof.pricing import Priced, price_sets, rank_units
from partition.solver.balance import Balance
from partition.solver.enumeration import list_sets
from partition.solver.pool import STRICT, Leniency, Pool, column_costs
from partition.solver.problem import Problem, Weights
from tests.unit_lattice import lattice

BORDER = Weights(compactness_m=0.0, deviation_m=0.0)
RANGE = (Balance(60.0, 90.0, 120.0),)
TWO = (Balance(60.0, 90.0, 120.0), Balance(10.0, 60.0, 130.0))
WIDE = (Balance(0.0, 90.0, 150.0),)
EVERY = 10**9
MANY = 2_000  # more than there are


def problem_of(seed: int, ranges: tuple[Balance, ...] = RANGE, columns: int = 4, rows: int = 4) -> Problem:
    """A lattice of uneven streets, some paying, some not to be walked across."""
    rng = np.random.default_rng(seed)
    n = columns * rows
    graph = lattice(columns, rows, np.where(rng.random(n) < 0.2, 0, rng.integers(5, 60, n)))
    one, other = np.minimum(graph.rows(), graph.indices), np.maximum(graph.rows(), graph.indices)
    pair = one * n + other
    drawn = rng.uniform(-20.0, 100.0, n * n)
    graph.cost[:] = drawn[pair]
    graph.walk[:] = (rng.random(n * n) > 0.1)[pair]
    load = np.stack([graph.households, rng.integers(0, 50, n)], axis=1)[:, : len(ranges)].astype(float)
    return Problem(graph, load, ranges, BORDER)


def prices(seed: int, units: int) -> tuple[np.ndarray, float]:
    rng = np.random.default_rng(1000 + seed)
    return rng.uniform(-10.0, 90.0, units), float(rng.uniform(-50.0, 50.0))


def every_set(problem: Problem, leniency: Leniency) -> Pool:
    """All connected sets that may be, with their costs."""
    ranges = tuple(
        Balance(max(b.lower - leniency.most, 0.0), b.target, b.upper + leniency.most) for b in problem.ranges
    )
    listed = list_sets(replace(problem, ranges=ranges))
    start, members, _ = listed.pick([np.arange(len(block)) for block in listed.blocks])
    pool = Pool.of_sets(problem, start, members, leniency)
    return pool.take(np.flatnonzero(pool.feasible(problem, leniency)))


def values(pool: Pool, problem: Problem, price: np.ndarray, count_price: float) -> dict[int, list[float]]:
    """The reduced costs of the sets of each root, ascending."""
    rank = rank_units(problem)
    found: dict[int, list[float]] = {root: [] for root in range(len(problem))}
    for i in range(len(pool)):
        units = pool.members[pool.start[i] : pool.start[i + 1]]
        root = int(units[rank[units].argmin()])
        found[root].append(float(pool.cost[i] - count_price - price[units].sum()))
    return {root: sorted(some) for root, some in found.items()}


def found_values(
    priced: Priced, problem: Problem, price: np.ndarray, count_price: float, leniency: Leniency
) -> dict[int, list[float]]:
    """The same of the sets that were found, each once; each must be one of its root's."""
    found: dict[int, list[float]] = {}
    start = priced.start
    ends = np.cumsum(priced.count)
    for root, (end, count) in enumerate(zip(ends.tolist(), priced.count.tolist(), strict=True)):
        own = values(
            Pool.of_sets(
                problem, start[end - count : end + 1] - start[end - count],
                priced.members[start[end - count] : start[end]], leniency,
            ),
            problem, price, count_price,
        )  # fmt: skip
        assert not any(some for other, some in own.items() if other != root)
        found[root] = own[root]
    return found


CASES = [
    (ranges, leniency, ceiling)
    for ranges in (RANGE, TWO, WIDE)
    for leniency in (STRICT, Leniency(2.0, 30.0))
    for ceiling in (0.0, 40.0)
]


@pytest.mark.parametrize(("ranges", "leniency", "ceiling"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_the_cheapest_sets_of_each_root_are_found(
    ranges: tuple[Balance, ...], leniency: Leniency, ceiling: float, seed: int
) -> None:
    problem = problem_of(seed, ranges)
    price, count_price = prices(seed, len(problem))
    known = values(every_set(problem, leniency), problem, price, count_price)
    for each in (1, 4, MANY):
        priced = price_sets(
            problem, price, count_price, np.arange(len(problem)),
            ceiling=ceiling, each=each, most_nodes=EVERY, leniency=leniency,
        )  # fmt: skip
        found = found_values(priced, problem, price, count_price, leniency)
        for root, some in known.items():
            wanted = [value for value in some if value < ceiling]
            assert priced.count[root] == len(found[root])  # none of them twice
            assert found[root] == pytest.approx(wanted[:each], abs=1e-6)
            assert priced.lower[root] == pytest.approx(min([0.0, *some[:1]]), abs=1e-6)


@pytest.mark.parametrize("nodes", [1, 3, 10])
def test_a_search_cut_short_bounds_all_the_same(nodes: int) -> None:
    for seed in range(8):
        problem = problem_of(seed, RANGE, 5, 4)
        price, count_price = prices(seed, 20)
        known = values(every_set(problem, STRICT), problem, price, count_price)
        priced = price_sets(problem, price, count_price, np.arange(20), ceiling=0.0, most_nodes=nodes)
        assert (priced.nodes <= nodes).all()
        for root, some in known.items():
            assert priced.lower[root] <= min([0.0, *some[:1]]) + 1e-9
        found = found_values(priced, problem, price, count_price, STRICT)
        assert all(value < 0.0 for some in found.values() for value in some)
        stopped = price_sets(
            problem, price, count_price, np.arange(20), ceiling=0.0, most_nodes=EVERY, stop=np.ones(1, bool)
        )
        assert all(stopped.lower[root] <= min([0.0, *some[:1]]) + 1e-9 for root, some in known.items())


def test_roots_are_searched_in_the_order_asked_whatever_the_threads() -> None:
    problem = problem_of(5)
    price, count_price = prices(5, 16)
    every = price_sets(problem, price, count_price, np.arange(16), ceiling=0.0, most_nodes=EVERY)
    roots = np.array([7, 3, 12])
    for threads in (1, 3):
        some = price_sets(problem, price, count_price, roots, ceiling=0.0, most_nodes=EVERY, threads=threads)
        assert some.lower.tolist() == every.lower[roots].tolist()
        assert some.count.tolist() == every.count[roots].tolist()
        assert some.nodes.tolist() == every.nodes[roots].tolist()


def test_no_set_is_known_to_cost_less_than_nothing_where_there_is_none() -> None:
    poor = Problem.of_households(lattice(3, 1, 10), RANGE[0], BORDER)  # 30 households in all
    priced = price_sets(poor, np.full(3, 1e3), 0.0, np.arange(3), ceiling=0.0, most_nodes=EVERY)
    assert (priced.lower.tolist(), priced.count.tolist(), len(priced.members)) == ([0, 0, 0], [0, 0, 0], 0)


def test_what_is_owed_is_reckoned_as_if_it_were_priced() -> None:
    problem = problem_of(2)
    price, count_price = prices(2, 16)
    owed = np.linspace(-3.0, 6.0, 16)
    lenient = Leniency(4.0, 30.0)
    owing = Leniency(4.0, 30.0, owed, 2.5)
    options = {"ceiling": 0.0, "most_nodes": EVERY, "each": 3}
    one = price_sets(problem, price, count_price, np.arange(16), leniency=owing, **options)
    other = price_sets(
        problem, price + 4.0 * owed, count_price + 10.0, np.arange(16), leniency=lenient, **options
    )
    assert one.lower.tolist() == pytest.approx(other.lower.tolist())
    assert one.members.tolist() == other.members.tolist()
    pool = Pool.of_plan(problem, np.arange(16) // 4)
    costs = [column_costs(problem, pool.start, pool.members, how) for how in (owing, lenient)]
    assert costs[1] - costs[0] == pytest.approx(
        [4.0 * owed[4 * i : 4 * i + 4].sum() + 10.0 for i in range(4)]
    )


def test_units_with_most_load_and_neighbours_come_first() -> None:
    # a row: the inner ones have two neighbours, the outer one
    graph = lattice(4, 1, [100, 30, 20, 100])
    rank = rank_units(Problem.of_households(graph, RANGE[0], BORDER))
    assert rank.tolist() == [1, 0, 3, 2]  # 100, 120, 80, 100; of equal ones the first
    severed = replace(graph, walk=graph.walk & (graph.rows() != 1) & (graph.indices != 1))
    assert rank_units(Problem.of_households(severed, RANGE[0], BORDER)).tolist() == [2, 3, 1, 0]
    # a load counts up to the upper bound, by the measure that it fills most
    two = Problem(graph, np.array([[500.0, 0], [0, 65], [0, 0], [0, 130]]), TWO, BORDER)
    assert rank_units(two).tolist() == [1, 0, 3, 2]
