"""Patches: whole grids, each in one patch, of nearly as many units each."""

from __future__ import annotations

import numpy as np
import pytest

from partition.solver.balance import Balance
from partition.solver.ground import make_ground, measure
from partition.solver.patches import Patches, count_patches, make_patches
from partition.solver.problem import Problem
from partition.solver.rng import make_state
from tests.unit_lattice import lattice


@pytest.mark.parametrize(
    ("grids", "patches"), [(1, 1), (66, 1), (67, 2), (133, 2), (134, 4), (266, 4), (267, 8), (10_000, 256)]
)
def test_the_number_of_patches_follows_from_that_of_the_grids(grids: int, patches: int) -> None:
    assert count_patches(grids) == patches


def patched(
    number: int, seed: int, spare: int = 0, columns: int = 16, rows: int = 12
) -> tuple[Patches, np.ndarray]:
    """Patches of a lattice whose grids are blocks of two by two, and the labels."""
    n = np.arange(columns * rows)
    labels = n // columns // 2 * (columns // 2) + n % columns // 2
    problem = Problem.of_households(lattice(columns, rows, 10), Balance(1.0, 40.0, 99.0))
    ground = make_ground(problem)
    tally, _, _ = measure(ground, labels, int(labels.max()) + 1 + spare)
    return make_patches(ground, tally, number, make_state(seed)), labels


@pytest.mark.parametrize("number", [2, 4, 8])
@pytest.mark.parametrize("seed", range(3))
def test_every_grid_lies_in_one_patch_and_all_patches_are_as_large(number: int, seed: int) -> None:
    patches, labels = patched(number, seed)
    assert patches.start[0] == 0
    assert patches.start[-1] == len(labels)
    assert sorted(patches.units.tolist()) == list(range(len(labels)))
    for i in range(number):
        own = patches.units[patches.start[i] : patches.start[i + 1]]
        assert set(patches.of_grid[labels[own]].tolist()) == {i}
        assert (np.diff(own) > 0).all()
        assert len(own) == len(labels) // number  # 48 grids of four units each


def test_patches_are_fronts_not_scraps() -> None:
    """Of a lattice of eight by six grids in four patches, few borders lie between patches."""
    for seed in range(5):
        patches, _ = patched(4, seed)
        field = patches.of_grid.reshape(6, 8)
        between = (np.diff(field, axis=0) != 0).sum() + (np.diff(field, axis=1) != 0).sum()
        assert between <= 26  # of 82; four blocks have 14


def test_another_draw_makes_other_patches_and_the_same_draw_the_same() -> None:
    made = [tuple(patched(4, seed)[0].of_grid.tolist()) for seed in (0, 0, 1, 2, 3)]
    assert made[0] == made[1]
    assert len(set(made)) > 2


def test_numbers_without_units_are_shared_out() -> None:
    patches, labels = patched(4, 0, spare=6)
    assert patches.of_grid[labels.max() + 1 :].tolist() == [0, 1, 2, 3, 0, 1]
    assert np.diff(patches.start).tolist() == [48] * 4


def test_one_patch_holds_all() -> None:
    patches, labels = patched(1, 0, spare=2)
    assert patches.of_grid.tolist() == [0] * 50
    assert patches.units.tolist() == list(range(len(labels)))
    assert patches.start.tolist() == [0, len(labels)]


def test_grids_that_do_not_touch_are_patched_too() -> None:
    columns, rows = 12, 1
    labels = np.arange(12)
    graph = lattice(columns, rows, 10)
    apart = graph.subset(np.array([0, 2, 4, 6, 8, 10, 11]))
    ground = make_ground(Problem.of_households(apart, Balance(1.0, 10.0, 20.0)))
    tally, _, _ = measure(ground, labels[:7], 7)
    patches = make_patches(ground, tally, 2, make_state(3))
    assert sorted(np.bincount(patches.of_grid).tolist()) == [3, 4]
    assert sorted(patches.units.tolist()) == list(range(7))
