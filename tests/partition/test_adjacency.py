"""Islands of a community are joined to it where they are too small to be grids."""

from __future__ import annotations

import numpy as np
import pytest
from shapely import box

from partition.geometry.adjacency import link_islands
from partition.solver.graph import Graph, from_arcs


def two_islands(households: list[int]) -> Graph:
    """Two units on each of two islands."""
    a, b = np.array([0, 2]), np.array([1, 3])
    ten = np.full(4, 10.0)
    return from_arcs(
        np.array(households), np.full(4, 100.0), np.full(4, 30.0),
        np.concatenate([a, b]), np.concatenate([b, a]), ten, ten, np.ones(4, dtype=bool),
    )  # fmt: skip


OUTLINES = np.array([box(x, 0, x + 10, 10) for x in (0, 10, 50, 60)], dtype=object)
PARTS = np.array([0, 0, 1, 1])


@pytest.mark.parametrize(("held", "linked"), [(9, True), (10, False), (11, False)])
def test_an_island_below_the_bound_is_joined_to_the_nearest_unit(held: int, linked: bool) -> None:
    graph = link_islands(two_islands([20, 20, held - 4, 4]), PARTS, OUTLINES, 10)
    pairs = {(int(u), int(v)) for u, v in zip(graph.rows(), graph.indices, strict=True)}
    assert ((1, 2) in pairs and (2, 1) in pairs) == linked
    assert len(pairs) == (6 if linked else 4)
    assert len(np.unique(graph.components())) == (1 if linked else 2)
    new = (graph.rows() == 1) & (graph.indices == 2)
    assert (graph.length[new] == 0).all()
    assert (graph.cost[new] == 0).all()
    assert graph.walk[new].all()


def test_ground_cut_off_on_one_island_is_not_joined() -> None:
    graph = link_islands(two_islands([20, 20, 1, 1]), np.zeros(4, dtype=int), OUTLINES, 10)
    assert len(np.unique(graph.components())) == 2
