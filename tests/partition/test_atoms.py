"""Units put together, and the problem that comes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from partition.solver.atoms import Wish, contract, contract_graph, pieces, unite
from partition.solver.balance import Balance, count_grids
from partition.solver.graph import Graph
from partition.solver.problem import Problem
from tests.unit_lattice import lattice

UPPER = np.array([100.0])


def problem_of(graph: Graph, **more: object) -> Problem:
    return replace(Problem.of_households(graph, Balance(50.0, 80.0, 100.0)), **more)  # type: ignore[arg-type]


def united(graph: Graph, *units: list[int]) -> tuple[list[int], tuple[str, ...]]:
    atoms = unite(problem_of(graph), [Wish(str(n), np.array(some)) for n, some in enumerate(units)], UPPER)
    assert atoms.united().tolist() == (np.bincount(atoms.group) > 1).tolist()
    return atoms.group.tolist(), atoms.hindrances


# 0 1 2
# 3 4 5
BOARD = lattice(3, 2, [10, 20, 30, 40, 50, 60])


def test_units_are_put_together_as_far_as_a_grid_holds_them() -> None:
    assert united(BOARD, [0, 1, 3]) == ([0, 0, 1, 0, 2, 3], ("",))
    assert united(BOARD, [3, 5]) == ([0, 1, 2, 3, 4, 5], ("apart",))
    assert united(lattice(3, 1, [40, 0, 60]), [0, 1, 2]) == ([0, 0, 0], ("",))  # 100 is not too much
    assert united(lattice(3, 1, [41, 0, 60]), [0, 1, 2]) == ([0, 1, 2], ("large",))


def test_what_shares_units_becomes_one_or_stands_in_the_way() -> None:
    assert united(BOARD, [0, 1], [1, 2], [0, 3]) == ([0, 0, 0, 0, 1, 2], ("", "", ""))
    assert united(BOARD, [0, 3], [0, 1, 2]) == ([0, 0, 0, 0, 1, 2], ("", ""))
    assert united(BOARD, [1, 4], [1, 2]) == ([0, 1, 1, 2, 1, 3], ("", ""))
    assert united(BOARD, [1, 4], [0, 3, 1]) == ([0, 1, 2, 3, 1, 4], ("", "shared"))


def test_nobody_is_put_together_across_a_wall() -> None:
    rows = BOARD.rows()
    walled = replace(BOARD, walk=BOARD.walk & (np.minimum(rows, BOARD.indices) != 0))
    assert united(walled, [0, 1]) == ([0, 1, 2, 3, 4, 5], ("apart",))


def test_a_contracted_problem_adds_up() -> None:
    graph = replace(BOARD, cost=np.arange(14, dtype=float), links=((0, 5), (1, 0), (2, 5)))
    group = np.array([0, 0, 1, 0, 2, 2])
    small = contract(problem_of(graph), group)
    assert small.load[:, 0].tolist() == [70, 30, 110]
    assert small.graph.households.tolist() == [70, 30, 110]
    assert small.graph.area.tolist() == [3e4, 1e4, 2e4]
    assert small.graph.outer.tolist() == [500, 200, 300]
    pairs = list(zip(small.graph.rows().tolist(), small.graph.indices.tolist(), strict=True))
    assert pairs == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert small.graph.length.tolist() == [100, 200, 100, 100, 200, 100]
    place = {(a, b): c for a, b, c in zip(graph.rows(), graph.indices, graph.cost, strict=True)}
    assert small.graph.cost.tolist() == [
        *(place[1, 2], place[1, 4] + place[3, 4], place[2, 1], place[2, 5]),
        *(place[4, 1] + place[4, 3], place[5, 2]),
    ]  # fmt: skip
    assert small.graph.links == ((0, 2), (1, 2))
    assert small.graph.walk.all()
    assert small.previous is None
    assert small.frozen is None


def test_a_way_that_one_unit_has_all_have() -> None:
    rows, cols = BOARD.rows(), BOARD.indices
    open_ = (np.minimum(rows, cols) == 1) & (np.maximum(rows, cols) == 2)
    graph = replace(BOARD, walk=open_)
    small = contract_graph(graph, np.array([0, 0, 1, 0, 1, 1]))
    assert small.walk.tolist() == [True, True]
    closed = replace(BOARD, walk=np.zeros(14, dtype=bool))
    assert not contract_graph(closed, np.array([0, 0, 1, 0, 1, 1])).walk.any()


def test_a_group_was_where_most_of_its_households_were_and_is_frozen_with_one_unit() -> None:
    problem = problem_of(
        BOARD, previous=np.array([3, 1, 0, -1, 2, -1]), frozen=np.array([1, 0, 0, 0, 0, 0], dtype=bool)
    )
    small = contract(problem, np.array([0, 0, 1, 2, 2, 2]))
    # 10 were in 3 and 20 in 1; 50 were in 2, 100 nowhere
    assert small.previous is not None
    assert small.previous.tolist() == [1, 0, -1]
    assert small.frozen is not None
    assert small.frozen.tolist() == [True, False, False]
    empty = replace(lattice(3, 2, 0))
    nobody = contract(problem_of(empty, previous=np.array([1, 1, 0, 2, 2, -1])), np.array([0, 0, 0, 1, 1, 1]))
    assert nobody.previous is not None
    assert nobody.previous.tolist() == [1, 2]


def test_where_nothing_is_put_together_the_problem_stays_the_same() -> None:
    problem = problem_of(BOARD)
    assert contract(problem, np.arange(6)) is problem


def test_pieces_touch_though_nobody_walks_between_them() -> None:
    members = np.array([True, False, True, True, False, True])
    assert pieces(BOARD, members).tolist() == [0, -1, 1, 0, -1, 1]
    walled = replace(BOARD, walk=np.zeros(14, dtype=bool))
    assert pieces(walled, members).tolist() == [0, -1, 1, 0, -1, 1]
    assert pieces(BOARD, ~members).tolist() == [-1, 0, -1, -1, 0, -1]
    assert pieces(BOARD, np.zeros(6, dtype=bool)).tolist() == [-1] * 6


@pytest.mark.parametrize(
    ("households", "balance", "counted"),
    [
        ([100, 100, 100, 100], Balance(150, 200, 250), (2, 2, 2)),
        ([100, 100, 100], Balance(150, 200, 250), (2, 2, 2)),
        ([149], Balance(150, 200, 250), (1, 1, 0)),
        ([60] * 10, Balance(100, 150, 200), (3, 4, 6)),
        ([60] * 10, Balance(0, 150, 200), (3, 4, 10)),
        ([900, 60, 60], Balance(100, 150, 200), (2, 2, 2)),
        ([900], Balance(100, 150, 200), (1, 1, 1)),
        ([0, 0], Balance(100, 150, 200), (1, 1, 0)),
        ([0, 0], Balance(0, 150, 200), (1, 1, 2)),
        ([130, 130, 130], Balance(120, 125, 128), (3, 3, 3)),  # each is too large by itself
    ],
)
def test_how_many_grids_there_may_be(
    households: list[int], balance: Balance, counted: tuple[int, int, int]
) -> None:
    assert count_grids(np.array(households), balance) == counted


def test_households_beyond_a_range() -> None:
    balance = Balance(99.5, 150, 200.5)
    assert balance.excess(np.array([90, 99, 100, 150, 200, 201, 250])).tolist() == [10, 1, 0, 0, 0, 1, 50]


def test_graphs_of_some_units_keep_what_they_had() -> None:
    part = BOARD.subset(np.array([4, 1, 2]))
    assert part.households.tolist() == [50, 20, 30]
    assert part.outer.tolist() == [100 + 200, 100 + 100, 200 + 100]
    assert list(zip(part.rows().tolist(), part.indices.tolist(), strict=True)) == [
        (0, 1),
        (1, 0),
        (1, 2),
        (2, 1),
    ]
    assert part.components().tolist() == [0, 0, 0]
    assert BOARD.components(without=np.array([False, True, False, False, True, False])).tolist() == [
        0, -1, 1, 0, -1, 1
    ]  # fmt: skip
