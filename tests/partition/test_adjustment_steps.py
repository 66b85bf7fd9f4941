"""The steps of an adjustment one by one, on lattices small enough to know what must come out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from partition.changes.adjustment import (
    HOT,
    MOVED_M,
    Adjusted,
    _hanging,
    _is_better,
    _Search,
    pieces,
    settle_pieces,
)
from partition.solver.balance import Balance
from partition.solver.graph import Graph
from partition.solver.problem import Problem, Weights
from tests.unit_lattice import lattice

BALANCE = Balance(80, 100, 120)


def row(households: list[int], previous: list[int], balance: Balance = BALANCE, **more: object) -> Problem:
    """Units in a row."""
    graph = lattice(len(households), 1, households)
    problem = Problem.of_households(graph, balance)
    return replace(problem, previous=np.array(previous), **more)  # type: ignore[arg-type]


def searching(problem: Problem, *, before: int = 0, cap: float | None = None) -> tuple[_Search, Adjusted]:
    """A search that may make no proposal, and the plan of before as it judges it."""
    search = _Search(problem, before, cap, 500, 0)
    assert problem.previous is not None
    return search, search.judge(problem.previous)


def starts(plans: object) -> list[list[int]]:
    return [plan.labels.tolist() for plan in plans]  # type: ignore[attr-defined]


def uneven(seed: int, measures: int = 2) -> Problem:
    """A lattice on which nothing is like anything else, with two ranges; some arcs cannot be walked."""
    rng = np.random.default_rng(seed)
    graph = lattice(8, 7, rng.integers(0, 40, 56))
    n, rows = len(graph), graph.rows()
    pair = np.minimum(rows, graph.indices) * n + np.maximum(rows, graph.indices)
    graph = replace(
        graph,
        area=rng.uniform(4000.0, 9000.0, n),
        outer=rng.uniform(0.0, 60.0, n),
        length=rng.uniform(50.0, 150.0, n * n)[pair],
        cost=rng.uniform(-20.0, 200.0, n * n)[pair],
        walk=(rng.random(n * n) > 0.1)[pair],
    )
    load = np.stack([graph.households, graph.households * 2 + rng.integers(0, 30, n)], axis=1).astype(float)
    ranges = (Balance(60, 90, 130), Balance(140, 240, 360))
    return Problem(graph, load[:, :measures], ranges[:measures], Weights(50.0, 700.0, 90.0, 3.0))


# --- what is better, and by what it is measured ---


@pytest.mark.parametrize(
    ("one", "other", "better"),
    [
        ((0.0, 5.0), (1.0, 1.0), True),  # the range first
        ((1.0, 1.0), (0.0, 5.0), False),
        ((3.0, 4.0), (3.0, 5.0), True),
        ((3.0, 5.0), (3.0, 4.0), False),
        ((3.0, 5.0), (3.0, 5.0), False),
        ((3.0 + 5e-7, 4.0), (3.0, 5.0), True),  # rounding is no difference
        ((3.0 - 5e-7, 5.0), (3.0, 5.0), False),
        ((3.0 - 5e-7, 6.0), (3.0, 5.0), False),
        ((3.0, 5.0 - 5e-7), (3.0, 5.0), False),
        ((3.0 + 2e-6, 4.0), (3.0, 5.0), False),
        ((3.0 - 2e-6, 9.0), (3.0, 5.0), True),
    ],
)
def test_the_range_comes_before_the_price(one: tuple, other: tuple, better: bool) -> None:
    some, rest = (Adjusted(np.zeros(1, np.int64), 1, outside, 0, price) for outside, price in (one, other))
    assert _is_better(some, rest) is better


def test_all_is_measured_in_units_of_the_first_range() -> None:
    problem = Problem(
        lattice(3, 1, [40, 90, 20]),
        np.array([[40.0, 100.0], [90.0, 500.0], [20.0, 40.0]]),
        (Balance(50, 60, 80), Balance(100, 180, 300)),
        Weights(50.0, 600.0, 90.0, 20.0),
        previous=np.array([0, 2, -1]),
    )
    search = _Search(problem, 0, None, 500, 0)
    assert search.target == pytest.approx([60.0, 60.0])
    assert search.upper == pytest.approx([80.0, 100.0])
    assert search.lower == pytest.approx([50.0, 100 / 3])
    assert search.load == pytest.approx(np.array([[40.0, 100 / 3], [80.0, 100.0], [20.0, 40 / 3]]))
    assert search.weight == pytest.approx([1 / 20, 30.0, 4.5, 0.2, 1.0])
    assert search.late_weight == pytest.approx([1 / 25, 24.0, 3.6, 1.0, 10.0])
    assert (search.before, search.cap, search.left) == (3, math.inf, 0)
    free = _Search(replace(problem, weights=Weights(50.0, 600.0, 90.0, 0.0)), 5, 7, 500, 0)
    assert free.weight == pytest.approx([1 / MOVED_M, 1.2, 0.18, 0.2, 1.0])
    assert (free.before, free.cap) == (5, 7.0)
    assert free.held(np.array([1, 1, 3])) == pytest.approx(
        np.array([[0, 0], [120, 400 / 3], [0, 0], [20, 40 / 3]])
    )


def test_grids_out_of_range_are_named_the_farthest_first() -> None:
    problem = row([80, 120, 70, 130, 60, 121, 10], [0, 1, 2, 3, 4, 6, 7])
    search, plan = searching(problem)
    # the third is 10 short, the fifth 20; one unit above the bound counts as the bound
    assert search.out_of_range(plan).tolist() == [7, 4, 2]
    two = replace(problem, load=np.stack([problem.load[:, 0], 250.0 - problem.load[:, 0]], axis=1))
    two = replace(two, ranges=(BALANCE, Balance(0, 200, 170)))
    search, plan = searching(two)
    assert search.out_of_range(plan).tolist() == [7, 4, 2]
    assert plan.outside == pytest.approx(70 + 20 + 10)


def test_a_plan_knows_what_was_founded_and_dissolved() -> None:
    plan = Adjusted(np.array([0, 5, 2, 4]), 4, 0.0, 0, 0.0)
    assert plan.founded.tolist() == [4, 5]
    assert plan.dissolved.tolist() == [1, 3]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("cap", [None, 60.0])
def test_whatever_a_run_finds_its_books_are_those_of_a_fresh_reckoning(seed: int, cap: float | None) -> None:
    rng = np.random.default_rng(seed)
    problem = uneven(seed, 1 + seed % 2)
    labels = np.repeat(np.arange(4), 14).reshape(7, 8)
    labels[:, 4:] += 4
    labels = labels.ravel()
    previous = np.where(rng.random(56) < 0.2, -1, labels)
    previous = np.where(rng.random(56) < 0.1, rng.integers(0, 9, 56), previous)
    frozen = rng.random(56) < 0.15
    search = _Search(replace(problem, previous=previous, frozen=frozen), 0, cap, 500, seed)
    search.left = 4000
    plan = search.judge(labels)
    graph, weight = problem.graph, search.weight
    away = (previous >= 0) & (previous != labels)
    assert plan.moved == graph.households[away].sum()
    held = search.held(labels)
    there = np.bincount(labels) > 0
    out = np.maximum(np.maximum(held - search.upper, search.lower - held), 0)
    assert plan.outside == pytest.approx(out[there].sum())
    cut = labels[graph.rows()] != labels[graph.indices]
    area = np.bincount(labels, weights=graph.area)[there]
    around = np.bincount(labels, weights=graph.outer)
    around = (around + np.bincount(labels[graph.rows()[cut]], graph.length[cut], len(around)))[there]
    uneven_ = ((held[there, 0] - search.target[0]) / search.target[0]) ** 2
    touched = np.union1d(labels[away], previous[away])
    parts = [
        weight[0] * graph.cost[cut].sum() / 2, weight[1] * uneven_.sum(),
        weight[2] * (around**2 / (4 * math.pi * area) - 1).sum(), weight[3] * away.sum(),
        weight[4] * len(touched), plan.moved,
    ]  # fmt: skip
    assert plan.price == pytest.approx(sum(parts))
    found = search.run(plan.labels, np.flatnonzero(~frozen), HOT)
    again = search.judge(found.labels)
    assert (found.outside, found.moved, found.price) == pytest.approx(
        (again.outside, again.moved, again.price)
    )
    assert _is_better(found, plan)
    assert (found.labels == labels)[frozen].all()
    assert pieces(graph, found.labels).max() <= pieces(graph, labels).max()
    assert len(np.unique(found.labels)) == len(np.unique(labels))
    assert cap is None or found.moved <= max(cap, plan.moved)
    assert search.left == 0


def test_a_run_costs_what_it_may_propose() -> None:
    search, plan = searching(row([50] * 8, [0, 0, 1, 1, 2, 2, 3, 3]))
    search.left = 30_000
    search.run(plan.labels, np.arange(8), HOT)
    assert search.left == 30_000 - 500 * 40  # as if there were so many units
    search.run(plan.labels, np.arange(8), HOT)
    assert search.left == 0


# --- what would be cut off ---


def hanging(graph: Graph, unit: int, labels: list[int]) -> list[int]:
    n = len(graph)
    taken, mark = np.empty(n + 1, np.int64), np.zeros(n, np.int64)
    load = graph.households[:, None].astype(np.float64)
    count = _hanging(
        unit, labels[unit], graph.indptr, graph.indices, graph.walk, np.array(labels), load, mark, 7, taken,
        np.empty(n + 1, np.int64),
    )  # fmt: skip
    return taken[:count].tolist()


def test_what_hangs_on_a_unit_leaves_with_it_but_for_the_heaviest_part() -> None:
    path = lattice(5, 1, [5, 5, 9, 5, 5])
    assert hanging(path, 2, [0] * 5) == [2, 3, 4]  # of equal parts the first stays
    assert hanging(path, 0, [0] * 5) == [0]
    assert hanging(path, 2, [1, 0, 0, 0, 1]) == [2, 3]
    assert hanging(path, 2, [0, 1, 0, 1, 0]) == [2]
    assert hanging(lattice(5, 1, [5, 5, 9, 5, 6]), 2, [0] * 5) == [2, 1, 0]
    assert hanging(lattice(5, 1, [0, 0, 9, 0, 0]), 1, [0] * 5) == [1, 0]
    assert hanging(lattice(5, 1, 0), 1, [0] * 5) == [1, 0]  # of empty parts the one of more units stays
    ring = lattice(3, 3, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert hanging(ring, 0, [0, 0, 0, 0, 1, 0, 0, 0, 0]) == [0]
    assert hanging(ring, 1, [0, 0, 0, 1, 1, 1, 0, 0, 0]) == [1, 0]
    star = hanging(ring, 4, [1, 0, 1, 0, 0, 0, 1, 0, 1])
    assert star[0] == 4
    assert sorted(star[1:]) == [1, 3, 5]
    walled = replace(path, walk=np.minimum(path.rows(), path.indices) != 3)
    assert hanging(walled, 2, [0] * 5) == [2, 3]


# --- where it starts ---


def test_settled_pieces_of_a_row() -> None:
    def settled(households: list[int], previous: list[int], **options: object) -> list[int]:
        frozen = options.pop("frozen", None)
        problem = row(households, previous)
        problem = replace(problem, frozen=None if frozen is None else np.array(frozen, dtype=bool))
        return settle_pieces(problem, 3, **options).tolist()  # type: ignore[arg-type]

    assert settled([9, 1, 9, 1, 5], [0, 1, 1, 0, 1]) == [0, 1, 1, 1, 1]
    assert settled([5, 1, 9, 1, 9], [1, 0, 0, 1, 1]) == [0, 0, 0, 1, 1]
    # of empty pieces the one of more units stays, of like ones the first
    assert settled([0, 9, 0, 0, 9], [0, 1, 0, 0, 2]) == [1, 1, 0, 0, 2]
    assert settled([0, 9, 0, 9], [0, 1, 0, 2]) == [0, 1, 1, 2]
    assert settled([5, 9, 6, 9], [0, 1, 0, 2], frozen=[1, 0, 0, 0]) == [0, 1, 0, 2]
    # new ground takes the costliest border; of like ones the lower grid; from there on ring by ring
    assert settled([9, 1, 1, 1, 9], [1, -1, -1, -1, 0]) == [1, 1, 0, 0, 0]
    assert settled([9, 1, 1, 1, 1], [2, -1, -1, -1, -1]) == [2, 2, 2, 2, 2]
    still = [0, 0, 1, 0, 0, 1, 1, 0]
    assert settled([9, 9, 8, 9, 9, 7, 9, 3], still, most_moved=2.0) == still
    assert settled([9, 9, 4, 9, 3, 9, 9], [0, 1, 0, 1, 1, 0, 1], most_moved=13.0) == [0, 0, 1, 1, 1, 0, 1]


def test_new_ground_beside_two_grids_joins_over_the_costlier_border() -> None:
    graph = lattice(3, 1, 5)
    for costs, joined in (((7.0, 8.0), 1), ((8.0, 7.0), 0), ((7.0, 7.0), 0)):
        cost = np.array([costs[0], costs[0], costs[1], costs[1]])
        problem = Problem.of_households(replace(graph, cost=cost), BALANCE)
        assert settle_pieces(replace(problem, previous=np.array([0, -1, 1])), 2).tolist() == [0, joined, 1]
    # two short borders with one grid outweigh one long border with another
    corner = lattice(3, 2, 5)
    problem = Problem.of_households(corner, BALANCE)
    previous = np.array([2, -1, 0, 2, 2, 0])
    cost = np.where((corner.rows() == 1) | (corner.indices == 1), 5.0, 1.0)
    cost[np.maximum(corner.rows(), corner.indices) == 2] = 9.0
    problem = Problem.of_households(replace(corner, cost=cost), BALANCE)
    assert settle_pieces(replace(problem, previous=previous), 3).tolist() == [2, 2, 0, 2, 2, 0]


def test_ground_that_hangs_on_no_grid_becomes_grids_of_its_own() -> None:
    graph = lattice(6, 1, [90, 10, 70, 30, 60, 50])
    gap = replace(graph, walk=np.minimum(graph.rows(), graph.indices) != 1)
    problem = replace(Problem.of_households(gap, BALANCE), previous=np.array([1, 1, -1, -1, -1, -1]))
    assert settle_pieces(problem, 3).tolist() in ([1, 1, 3, 3, 4, 4], [1, 1, 4, 4, 3, 3])
    assert settle_pieces(problem, 0)[2:].min() == 2
    parted = replace(problem, previous=np.array([1, 1, 0, 1, 1, 1]))  # the wall goes through the second grid
    assert settle_pieces(parted, 2).tolist() == [2, 2, 0, 1, 1, 1]
    assert settle_pieces(parted, 2, found=False).tolist() == [1, 1, 0, 1, 1, 1]
    assert settle_pieces(problem, 3, found=False).tolist() == settle_pieces(problem, 3).tolist()
    three = replace(graph, walk=np.isin(np.minimum(graph.rows(), graph.indices), [0, 2, 4]))
    alone = replace(Problem.of_households(three, BALANCE), previous=np.array([-1, -1, 2, 2, -1, -1]))
    assert settle_pieces(alone, 3).tolist() == [3, 3, 2, 2, 4, 4]


# --- around a grid ---


def test_what_lies_near_a_grid() -> None:
    frozen = np.zeros(8, dtype=bool)
    frozen[3] = True
    search, plan = searching(row([50] * 8, [0, 0, 1, 1, 2, 2, 3, 3], frozen=frozen))
    near = lambda grid, reach: search.near(plan.labels, np.array([grid]), reach).tolist()  # noqa: E731
    assert near(0, 0) == [0, 1]
    assert near(0, 1) == [0, 1, 2]
    assert near(0, 2) == [0, 1, 2, 4, 5]
    assert near(2, 1) == [2, 4, 5, 6, 7]
    assert near(9, 3) == []
    graph = search.graph
    walled = replace(graph, walk=np.minimum(graph.rows(), graph.indices) != 3)
    search, plan = searching(replace(search.problem, graph=walled))
    assert search.near(plan.labels, np.array([0]), 5).tolist() == [0, 1, 2]


def test_what_is_linked_by_exchange() -> None:
    search, start = searching(row([50] * 10, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]))
    plan = search.judge(np.array([0, 1, 1, 2, 2, 2, 3, 4, 4, 5]))
    assert search.linked(plan, start, 0).tolist() == [1, 3]
    assert search.linked(plan, start, 2).tolist() == [1, 3]
    assert search.linked(plan, start, 5).tolist() == [7, 9]
    assert search.linked(plan, start, 3).tolist() == [7, 9]
    assert search.linked(start, start, 3).tolist() == []


# --- another number of grids ---


def test_the_half_with_fewer_of_those_who_were_there_becomes_the_new_grid() -> None:
    for previous, halves in (
        ([0, 0, 1, 1], [0, 0, 7, 7]),
        ([1, 1, 0, 0], [7, 7, 0, 0]),
        ([-1, 2, -1, 0], [7, 7, 0, 0]),
    ):
        search, _ = searching(row([50, 50, 50, 50], previous))
        assert search.split(search.judge(np.zeros(4, np.int64)), 0, 7).tolist() == halves
    # households count, not units
    search, _ = searching(row([70, 30, 10, 10, 80], [0, 1, 0, 0, 1]))
    assert search.split(search.judge(np.zeros(5, np.int64)), 0, 5).tolist() == [0, 0, 5, 5, 5]
    plan = search.judge(np.array([0, 1, 1, 2, 0]))
    assert search.split(plan, 2, 7) is None  # one unit
    assert search.split(plan, 0, 7) is None  # in pieces
    two = search.split(plan, 1, 7)
    assert sorted(two.tolist()) == [0, 0, 1, 2, 7]


def test_a_dissolved_grid_is_shared_out() -> None:
    search, plan = searching(row([50] * 7, [0, 1, 1, 1, 1, 2, 2]))
    assert search.dissolve(plan, [1]).tolist() == [0, 0, 0, 2, 2, 2, 2]
    assert search.dissolve(plan, [0]).tolist() == [1, 1, 1, 1, 1, 2, 2]
    assert search.dissolve(plan, [0, 1]).tolist() == [2] * 7
    assert search.dissolve(plan, [0, 1, 2]) is None


def test_causes_for_another_number_of_grids() -> None:
    def others(households: list[int], previous: list[int], labels: list[int] | None = None, **more: object):
        cap = more.pop("cap", None)
        search, plan = searching(row(households, previous, **more), cap=cap)  # type: ignore[arg-type]
        plan = plan if labels is None else search.judge(np.array(labels))
        return starts(search.other_numbers(plan))

    fine, pairs = [50, 50, 50, 50, 50, 50], [0, 0, 1, 1, 2, 2]
    assert others(fine, pairs) == []
    assert others([60, 60, 40, 40, 50, 50], pairs) == []  # on the bounds
    assert others([60, 61, 40, 40, 50, 50], pairs) == [[3, 0, 1, 1, 2, 2]]
    assert others([60, 60, 40, 39, 50, 50], pairs) == [[0, 0, 0, 2, 2, 2]]
    # in range by now, but it was far out in the old plan
    grown = [0, 0, 0, 1, 1, 2]
    assert others([70, 50, 81, 39, 50, 50], grown, pairs) == [[0, 3, 1, 1, 2, 2]]
    assert others([70, 50, 80, 40, 50, 50], grown, pairs) == []
    dying = [0, 0, 2, 1, 1, 1]
    assert others([50, 50, 39, 50, 50, 30], dying, [0, 0, 2, 2, 1, 1]) == [[0, 0, 0, 1, 1, 1]]
    assert others([50, 50, 40, 50, 50, 30], dying, [0, 0, 2, 2, 1, 1]) == []
    assert others([50, 50, 0, 80, 50, 30], dying, [0, 0, 2, 2, 1, 1]) == []  # nobody lived there
    frozen = np.array([0, 1, 0, 0, 0, 0], dtype=bool)
    assert others([60, 61, 40, 40, 50, 50], pairs, frozen=frozen) == []
    frozen = np.array([0, 0, 0, 1, 0, 0], dtype=bool)
    assert others([60, 60, 40, 39, 50, 50], pairs, frozen=frozen) == []
    assert others([60, 60, 40, 39, 50, 50], pairs, cap=79) == [[0, 0, 0, 2, 2, 2]]
    assert others([60, 60, 40, 39, 50, 50], pairs, cap=78) == []
    assert others([60, 61, 40, 40, 50, 50], pairs, cap=60) == [[3, 0, 1, 1, 2, 2]]
    assert others([60, 61, 40, 40, 50, 50], pairs, cap=59) == []


def test_grids_that_nearly_died_out_are_left_away_one_by_one_and_all() -> None:
    search, plan = searching(row([100, 39, 100, 30, 100, 40], [0, 1, 2, 3, 4, 5]))
    assert starts(search.without_empty(plan)) == [
        [0, 0, 2, 3, 4, 5],
        [0, 1, 2, 2, 4, 5],
        [0, 0, 2, 2, 4, 5],
    ]
    search.cap = 39.0
    assert starts(search.without_empty(plan)) == [[0, 0, 2, 3, 4, 5], [0, 1, 2, 2, 4, 5]]
    search.cap = 38.0
    assert starts(search.without_empty(plan)) == [[0, 1, 2, 2, 4, 5]]
    one, plan = searching(row([100, 30, 100], [0, 2, 3]))
    assert starts(one.without_empty(plan)) == [[0, 0, 3]]
    one.frozen[1] = True
    assert starts(one.without_empty(plan)) == []


def test_the_fullest_grids_are_split_and_the_emptiest_dissolved() -> None:
    def again(households: list[int], previous: list[int], **more: object):
        cap, moved, outside = more.pop("cap", None), more.pop("moved", 10_000), more.pop("outside", 0.0)
        search, plan = searching(row(households, previous, **more), cap=cap)  # type: ignore[arg-type]
        return starts(search.renumbered(plan, replace(plan, moved=moved, outside=outside)))

    pairs = [0, 0, 1, 1, 2, 2, 3, 3]
    full = [62, 60, 50, 50, 70, 62, 50, 50]  # 122, 100, 132, 100: two are too full, four are enough
    one_of = [again(full, pairs), again(full, pairs, outside=1.0, moved=0)]
    for found in one_of:
        assert len(found) == 2
        assert [len(set(labels)) for labels in found] == [5, 6]
        assert found[0][:4] == [0, 0, 1, 1]
        assert set(found[0][4:6]) == {2, 4}
        assert set(found[1][:2]) == {0, 5}
    # 2 + 12 are too many: it is no waste where 28 moved
    assert again(full, pairs, moved=28) == []
    assert again(full, pairs, moved=29) == one_of[0]
    # three short of 80 by 1, 5 and 9; at most two of them go beyond what must
    short = [50, 50, 39, 40, 40, 35, 41, 30]
    assert again(short, pairs) == [
        [0, 0, 1, 1, 2, 2, 2, 2],
        [0, 0, 1, 1, 1, 1, 1, 1],
    ]
    assert again(short, pairs, moved=30) == []
    assert again(short, pairs, moved=31) != []
    assert again(short, pairs, cap=71) == [[0, 0, 1, 1, 2, 2, 2, 2]]
    assert again(short, pairs, cap=70) == []
    frozen = np.zeros(8, dtype=bool)
    frozen[7] = True
    assert again(short, pairs, frozen=frozen) == [[0, 0, 1, 1, 1, 3, 3, 3], [0, 0, 0, 0, 3, 3, 3, 3]]


def test_where_the_ranges_ask_for_more_grids_no_plan_with_fewer_is_a_start() -> None:
    search, plan = searching(row([90] * 8, [0, 0, 0, 0, 1, 1, 1, 1]))  # 720 of at most 120: six
    found = starts(search.renumbered(plan, plan))
    assert [len(set(labels)) for labels in found] == []  # two grids can only be split in two each
    search, plan = searching(row([40] * 9, [0, 0, 0, 0, 1, 1, 1, 1, 1]))  # 360: three at least
    found = starts(search.renumbered(plan, plan))
    assert [len(set(labels)) for labels in found] == [3, 4]
    assert min(min(set(labels) - {0, 1}) for labels in found) == 2
    search, plan = searching(row([20] * 10, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]))  # two at most
    assert [len(set(labels)) for labels in starts(search.renumbered(plan, plan))] == [2, 1]
