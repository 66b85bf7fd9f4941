"""Ground without a grid given to the grids around it, on lattices of units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from partition.changes.rebuild import spread
from partition.solver.graph import Graph
from tests.unit_lattice import lattice


def priced(columns: int, rows: int, dear: dict[tuple[int, int], float]) -> Graph:
    """A lattice with borders of 10, but for some."""
    graph = lattice(columns, rows, 10)
    graph.cost[:] = 10.0
    for at, (a, b) in enumerate(zip(graph.rows().tolist(), graph.indices.tolist(), strict=True)):
        graph.cost[at] = dear.get((min(a, b), max(a, b)), 10.0)
    return graph


def test_what_has_a_grid_keeps_it() -> None:
    label = np.array([0, 0, 1, 1])
    assert spread(priced(4, 1, {}), label).tolist() == [0, 0, 1, 1]
    free = np.array([0, -1, 1, 1])
    assert spread(priced(4, 1, {(1, 2): 50.0}), free).tolist() == [0, 1, 1, 1]
    assert free.tolist() == [0, -1, 1, 1], "the labels given stay as they are"


def test_free_ground_goes_where_its_border_costs_most() -> None:
    assert spread(priced(3, 1, {(0, 1): 20.0}), np.array([0, -1, 1])).tolist() == [0, 0, 1]
    assert spread(priced(3, 1, {(1, 2): 20.0}), np.array([0, -1, 1])).tolist() == [0, 1, 1]
    # two sides of 10 weigh more than one of 15
    # 0 . 1
    # 0 0 1
    both = priced(3, 2, {(1, 2): 15.0})
    assert spread(both, np.array([0, -1, 1, 0, 0, 1])).tolist() == [0, 0, 1, 0, 0, 1]


def test_ground_goes_where_one_can_walk_to_it_first() -> None:
    graph = priced(3, 1, {(0, 1): 90.0})
    rows = graph.rows()
    walled = replace(graph, walk=~(np.minimum(rows, graph.indices) == 0))
    assert spread(walled, np.array([0, -1, 1])).tolist() == [0, 1, 1]


def test_free_ground_behind_free_ground_follows() -> None:
    found = spread(priced(6, 1, {(0, 1): 99.0, (1, 2): 98.0, (2, 3): 97.0}), np.array([0, -1, -1, -1, -1, 1]))
    assert found.tolist()[:4] == [0, 0, 0, 0]
    assert set(found.tolist()) == {0, 1}


def test_pieces_of_a_grid_meet_over_free_ground_by_the_shortest_way() -> None:
    # 0 . 0    the way between is short over the unit of 1, and longer below
    # . . .
    graph = priced(3, 2, {})
    assert spread(graph, np.array([0, -1, 0, 1, 1, 1])).tolist() == [0, 0, 0, 1, 1, 1]
    # the middle above is large: the way round below is three small units
    wide = replace(graph, area=np.array([1e4, 1e9, 1e4, 1e4, 1e4, 1e4]))
    found = spread(wide, np.array([0, -1, 0, -1, -1, -1]))
    assert found[[3, 4, 5]].tolist() == [0, 0, 0]
    # what another grid holds is no way
    barred = spread(priced(5, 1, {(0, 1): 5.0, (3, 4): 5.0}), np.array([0, -1, 1, -1, 0]))
    assert barred.tolist() == [0, 1, 1, 1, 0]


def test_three_pieces_meet_one_after_the_other() -> None:
    # 0 . 0 . 0 with a row of another grid below
    label = np.array([0, -1, 0, -1, 0, 1, 1, 1, 1, 1])
    dear = {(unit, unit + 5): 99.0 for unit in range(5)}
    assert spread(priced(5, 2, dear), label).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_what_touches_no_grid_is_the_first_ones() -> None:
    assert spread(priced(3, 1, {}), np.array([-1, -1, -1])).tolist() == [0, 0, 0]
