"""The first plan: connected, none empty, about even, whatever the load."""

from __future__ import annotations

import numpy as np
import pytest

from partition.solver.balance import Balance
from partition.solver.problem import Problem
from partition.solver.seed import seed_plan
from tests.unit_lattice import lattice


def seeded(columns: int, rows: int, households, grids: int, seed: int = 0, **options) -> np.ndarray:
    """The labels, each grid checked to be there and to hang together."""
    graph = lattice(columns, rows, households)
    labels = seed_plan(Problem.of_households(graph, Balance(50.0, 100.0, 150.0)), grids, seed=seed, **options)
    assert np.unique(labels).tolist() == list(range(grids))
    for grid in range(grids):
        assert graph.components(without=labels != grid).max() == 0
    return labels


def held(labels: np.ndarray, households: np.ndarray) -> list[float]:
    return np.bincount(labels, weights=np.broadcast_to(households, len(labels))).tolist()


@pytest.mark.parametrize("grids", [1, 2, 3, 4, 6, 12])
def test_a_row_is_cut_into_equal_pieces(grids: int) -> None:
    assert held(seeded(12, 1, 10, grids), np.array(10)) == [120 / grids] * grids


@pytest.mark.parametrize("seed", range(3))
def test_loads_come_out_about_even(seed: int) -> None:
    households = np.random.default_rng(seed).integers(0, 40, 400)
    loads = held(seeded(20, 20, households, 16, seed), households)
    mean = sum(loads) / 16
    assert max(abs(load / mean - 1) for load in loads) < 0.5
    assert np.std(loads) / mean < 0.25


def test_units_without_households_are_divided_by_their_number() -> None:
    sizes = np.bincount(seeded(12, 1, 0, 4))
    assert sizes.min() >= 1
    assert sizes.max() <= 5


def test_a_unit_above_the_bound_is_a_grid_of_its_own() -> None:
    households = np.array([20, 20, 20, 900, 20, 20, 20])
    labels = seeded(7, 1, households, 3)
    assert sorted(held(labels, households)) == [60, 60, 900]


def test_every_unit_may_be_a_grid_but_no_more() -> None:
    assert sorted(seeded(3, 2, [9, 0, 0, 0, 0, 0], 6).tolist()) == list(range(6))
    with pytest.raises(ValueError, match="7 grids of 6 units"):
        seeded(3, 2, 9, 7)


def test_two_measures_count_alike_each_by_its_target() -> None:
    graph = lattice(8, 1, 0)
    # the first measure lies in the west, the second, a hundred times as large, in the east
    load = np.array([[10, 0]] * 4 + [[0, 1000]] * 4, dtype=float)
    ranges = (Balance(0.0, 20.0, 99.0), Balance(0.0, 2000.0, 9900.0))
    labels = seed_plan(Problem(graph, load, ranges), 4, seed=0)
    assert sorted(np.bincount(labels).tolist()) == [2, 2, 2, 2]


def test_the_same_seed_gives_the_same_plan_for_any_number_of_threads() -> None:
    households = np.random.default_rng(1).integers(0, 40, 900)
    plans = [seeded(30, 30, households, 30, seed, threads=t) for seed, t in ((5, 1), (5, 3), (6, 1))]
    assert (plans[0] == plans[1]).all()
    assert (plans[0] != plans[2]).any()


def test_borders_are_cut_where_they_cost_little() -> None:
    cheap = 0
    for seed in range(10):
        graph = lattice(6, 6, 10)
        one, other = np.minimum(graph.rows(), graph.indices), np.maximum(graph.rows(), graph.indices)
        street = (one // 6 == 2) & (other // 6 == 3)
        graph.cost[:] = np.where(street, 5.0, 300.0)
        labels = seed_plan(Problem.of_households(graph, Balance(0.0, 180.0, 400.0)), 2, seed=seed)
        cheap += bool((labels[:18] == labels[0]).all() and (labels[18:] != labels[0]).all())
    assert cheap == 10
