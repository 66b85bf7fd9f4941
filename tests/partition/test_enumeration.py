"""The list of all sets that could be grids, against trying all; which units it keeps together."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from partition.solver.balance import Balance
from partition.solver.enumeration import (
    Block,
    TooManySetsError,
    in_order,
    least_reduced,
    list_sets,
    price_block,
    ties_of,
)
from partition.solver.problem import Problem, Weights
from tests.unit_lattice import lattice


def row(frozen: list[bool], previous: list[int]) -> Problem:
    """Four units of ten households side by side."""
    problem = Problem.of_households(lattice(4, 1, 10), Balance(10, 20, 30))
    return replace(problem, previous=np.array(previous), frozen=np.array(frozen))


def test_only_frozen_units_with_a_grid_of_before_are_tied() -> None:
    tie, count = ties_of(row([True, True, False, True], [3, 3, 3, -1]))
    assert tie.tolist() == [0, 0, -1, -1]
    assert count.tolist() == [2]
    tie, count = ties_of(row([True, True, True, True], [5, 2, 2, 5]))
    assert tie.tolist() == [1, 0, 0, 1]
    assert count.tolist() == [2, 2]
    tie, count = ties_of(row([False] * 4, [0, 0, 0, 0]))
    assert tie.tolist() == [-1] * 4
    assert ties_of(replace(row([True] * 4, [0] * 4), previous=None))[0].tolist() == [-1] * 4


def test_no_set_holds_a_part_of_what_is_tied_or_two_ties() -> None:
    listed = list_sets(row([False, True, True, False], [0, 1, 1, 2]))
    sets = [
        tuple(sorted(block.members[block.start[i] : block.start[i + 1]].tolist()))
        for block in listed.blocks
        for i in range(len(block))
    ]
    assert sorted(sets) == [(0,), (0, 1, 2), (1, 2), (1, 2, 3), (3,)]
    listed = list_sets(row([False, True, True, False], [0, 1, 2, 2]))
    assert sum(len(block) for block in listed.blocks) == 6  # each unit alone, and the outer two joined to one


def uneven(seed: int, columns: int = 4, rows: int = 3) -> Problem:
    """A lattice of uneven streets with two ranges; one unit is above the first bound by itself."""
    rng = np.random.default_rng(seed)
    n = columns * rows
    households = rng.integers(0, 60, n)
    households[seed % n] = 150
    graph = lattice(columns, rows, households)
    one, other = np.minimum(graph.rows(), graph.indices), np.maximum(graph.rows(), graph.indices)
    pair = one * n + other
    graph.cost[:] = rng.uniform(-20.0, 100.0, n * n)[pair]
    graph.length[:] = rng.uniform(20.0, 80.0, n * n)[pair]
    graph.walk[:] = (rng.random(n * n) > 0.15)[pair]
    graph.area[:] = rng.uniform(4e3, 9e3, n)
    load = np.stack([households, rng.integers(0, 50, n)], axis=1).astype(float)
    ranges = (Balance(60.0, 90.0, 120.0), Balance(10.0, 60.0, 130.0))
    return Problem(graph, load, ranges, Weights(deviation_m=700.0, compactness_m=30.0))


def by_hand(problem: Problem) -> dict[tuple[int, ...], float]:
    """Every connected set in range, and what it costs, by trying all."""
    graph, n = problem.graph, len(problem)
    upper = np.array([b.upper for b in problem.ranges])
    lower, target = (np.array([getattr(b, name) for b in problem.ranges]) for name in ("lower", "target"))
    load = np.minimum(problem.load, upper)
    rows = graph.rows()
    found = {}
    for number in range(1, 1 << n):
        inside = (number >> np.arange(n) & 1).astype(bool)
        held = load[inside].sum(axis=0)
        if (held < lower - 1e-9).any() or (held > upper + 1e-9).any():
            continue
        if graph.components(without=~inside).max() > 0:
            continue
        cut = inside[rows] & ~inside[graph.indices]
        around = graph.outer[inside].sum() + graph.length[cut].sum()
        cost = 0.5 * graph.cost[cut].sum() + 700.0 * (((held - target) / target) ** 2).sum()
        cost += 30.0 * (around**2 / (4 * np.pi * graph.area[inside].sum()) - 1.0)
        found[tuple(np.flatnonzero(inside).tolist())] = float(cost)
    return found


def sets_of(block: Block) -> list[tuple[int, ...]]:
    return [
        tuple(sorted(block.members[block.start[i] : block.start[i + 1]].tolist())) for i in range(len(block))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_the_list_holds_every_set_with_its_cost(seed: int) -> None:
    problem = uneven(seed)
    listed = list_sets(problem)
    found = [pair for block in listed.blocks for pair in zip(sets_of(block), block.cost, strict=True)]
    expected = by_hand(problem)
    assert len(found) == len(listed) == len(expected)
    assert dict(found) == pytest.approx(expected)
    assert listed.visited >= len(listed)
    again = list_sets(problem, threads=3)
    assert [sets_of(block) for block in again.blocks] == [sets_of(block) for block in listed.blocks]


def test_sets_lie_root_by_root() -> None:
    listed = list_sets(uneven(1))
    roots = [min(one) for block in listed.blocks for one in sets_of(block)]
    assert roots == sorted(roots)
    for block in listed.blocks:
        ends = [0, *block.root_end.tolist()]
        for begin, end in pairwise(ends):
            assert len({min(one) for one in sets_of(block)[begin:end]}) <= 1
        assert ends[-1] == len(block)


def test_many_sets_need_more_room_than_there_is_at_first() -> None:
    problem = Problem.of_households(lattice(5, 4, 10), Balance(40.0, 60.0, 70.0))
    listed = list_sets(problem)
    sets = [one for block in listed.blocks for one in sets_of(block)]
    assert len(sets) > 3000
    assert len(set(sets)) == len(sets)
    assert {len(one) for one in sets} == {4, 5, 6, 7}
    exact = list_sets(problem, most=len(sets))
    assert len(exact) == len(sets)
    with pytest.raises(TooManySetsError):
        list_sets(problem, most=len(sets) - 1)


def test_chosen_sets_are_picked_from_every_block() -> None:
    listed = list_sets(uneven(2))
    places = [np.arange(0, len(block), 3) for block in listed.blocks]
    places[0] = places[0][:0]
    start, members, cost = listed.pick(places)
    wanted = [sets_of(block)[i] for block, some in zip(listed.blocks, places, strict=True) for i in some]
    assert [tuple(sorted(members[a:b].tolist())) for a, b in pairwise(start.tolist())] == wanted
    expected = by_hand(uneven(2))
    assert cost.tolist() == pytest.approx([expected[one] for one in wanted])
    nothing = listed.pick([some[:0] for some in places])
    assert [part.tolist() for part in nothing] == [[0], [], []]


@pytest.mark.parametrize("each", [0, 1, 2, 3, 10_000])
def test_prices_pick_the_best_of_each_root(each: int) -> None:
    problem = Problem.of_households(lattice(4, 4, 10), Balance(40.0, 60.0, 70.0))
    problem.graph.cost[:] = np.random.default_rng(3).uniform(0.0, 90.0, len(problem.graph.cost))
    price, count_price, below = np.random.default_rng(4).uniform(0.0, 60.0, 16), 12.5, 30.0
    met = 0
    for block in list_sets(problem).blocks:
        reduced = block.cost - count_price - np.add.reduceat(price[block.members], block.start[:-1])
        assert least_reduced(block, price, count_price) == pytest.approx(reduced.min())
        chosen = price_block(block, price, count_price, below, each).tolist()
        met += len(chosen)
        ends = [0, *block.root_end.tolist()]
        wanted: list[int] = []
        for begin, end in pairwise(ends):
            own = [i for i in range(begin, end) if reduced[i] < below]
            wanted += sorted(own, key=lambda i: reduced[i])[:each] if each else own
        assert chosen == wanted
    assert met > 5


def test_tasks_are_answered_in_order() -> None:
    for threads in (1, 2, 5):
        assert list(in_order(lambda item: item * item, range(0, 60, 2), threads)) == [
            item * item for item in range(0, 60, 2)
        ]
