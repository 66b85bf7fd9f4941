"""One move at a time: what it may cost, what it leaves behind, and that the books stay right.

On a row of units there is but one spanning tree, so the best cut is known.
"""

from __future__ import annotations

import numpy as np
import pytest

from partition.solver.balance import Balance
from partition.solver.ground import Ground, Tally, make_ground, measure
from partition.solver.moves import could_be, divide, flip, resplit, third_grid
from partition.solver.problem import Problem, Weights
from partition.solver.rng import make_state
from partition.solver.trees import make_room
from tests.unit_lattice import lattice

BALANCE = Balance(150.0, 200.0, 250.0)
EVEN = Weights(compactness_m=0.0)
ROUND = Weights(compactness_m=100.0)
FREE = 1e9  # a threshold that no move exceeds


class Board:
    """Units, and a plan of them on which moves are tried one by one."""

    def __init__(
        self, columns: int, rows: int, households, labels, weights: Weights = EVEN, grids: int = 0, **more
    ) -> None:
        graph = lattice(columns, rows, households)
        problem = Problem.of_households(graph, BALANCE, weights)
        for name, value in more.items():
            object.__setattr__(problem, name, np.asarray(value))
        self.ground: Ground = make_ground(problem)
        self.count = max(grids, max(labels) + 1)
        self.tally: Tally
        self.tally, _, self.value = measure(self.ground, np.array(labels), self.count)
        self.mark = np.full(len(labels), -1, dtype=np.int64)
        self.place = np.empty(len(labels), dtype=np.int32)
        self.outside_m, self.stamp = 50.0, 0

    @property
    def labels(self) -> list[int]:
        return self.tally.labels.tolist()

    def cost(self, labels=None) -> float:
        """What a plan costs, what is out of range included."""
        _, outside, value = measure(
            self.ground, np.array(self.labels if labels is None else labels), self.count
        )
        return value + self.outside_m * outside

    def assert_books(self) -> None:
        """The tally is what its labels say, and no grid is in pieces."""
        fresh, _, _ = measure(self.ground, self.tally.labels, self.count)
        assert self.tally.grids["units"].tolist() == fresh.grids["units"].tolist()
        for name in ("area", "around"):
            assert self.tally.grids[name] == pytest.approx(fresh.grids[name])
        assert self.tally.held == pytest.approx(fresh.held)

    def flip(self, unit: int, grid: int, threshold: float) -> bool:
        g, t = self.ground, self.tally
        queue = np.empty(len(t.labels) + 1, dtype=np.int32)
        self.stamp += 2
        return bool(
            flip(
                g.units, g.arcs, g.load, g.bounds, self.outside_m, g.ragged_m, t.labels, t.grids, t.held,
                unit, grid, threshold, self.mark, queue, self.stamp,
            )
        )  # fmt: skip

    def resplit(self, unit: int, other: int, third: int, threshold: float, seed: int = 0) -> bool:
        return bool(self._tree_move(resplit, unit, other, third, threshold, seed))

    def divide(self, unit: int, other: int, new: int, threshold: float, seed: int = 0) -> bool:
        return bool(self._tree_move(divide, unit, other, new, threshold, seed))

    def _tree_move(self, move, unit, other, third, threshold, seed):
        self.stamp += 2
        room = make_room(self.mark, self.place, len(self.labels), 2 * len(self.labels) + 1, 1)
        return move(
            self.ground, self.tally, unit, other, third, threshold, self.outside_m, 0.0, room, self.stamp,
            make_state(seed),
        )  # fmt: skip


# --- one unit ---


@pytest.mark.parametrize("weights", [EVEN, ROUND])
def test_a_unit_goes_over_for_exactly_what_that_costs(weights: Weights) -> None:
    before, after = [0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0, 1, 0, 0, 1, 1]
    households = [40, 50, 60, 70, 30, 20, 10, 80]
    board = Board(4, 2, households, before, weights)
    change = board.cost(after) - board.cost(before)
    assert not board.flip(6, 1, change - 1e-6)
    assert board.labels == before
    board.assert_books()
    assert board.flip(6, 1, change + 1e-6)
    assert board.labels == after
    board.assert_books()


def test_a_unit_stays_where_its_grid_would_fall_apart() -> None:
    row = Board(5, 1, 50, [0, 0, 0, 0, 1])
    assert not row.flip(1, 1, FREE)
    ring = Board(3, 3, 50, [1, 0, 0, 0, 1, 0, 0, 0, 0])  # the ring is open at the first unit
    assert not ring.flip(2, 1, FREE)
    assert not ring.flip(5, 1, FREE)
    assert ring.flip(1, 1, FREE)
    ring.assert_books()
    closed = Board(3, 3, 50, [0, 0, 0, 0, 1, 0, 0, 0, 0])
    assert closed.flip(1, 1, FREE)  # a ring holds without any one of its units
    closed.assert_books()


def test_the_last_unit_of_a_grid_and_a_frozen_one_stay() -> None:
    assert not Board(3, 1, 50, [0, 0, 1]).flip(2, 0, FREE)
    frozen = Board(4, 1, 50, [0, 0, 1, 1], frozen=[False, True, False, False])
    assert not frozen.flip(1, 1, FREE)
    assert frozen.flip(2, 0, FREE)


def test_going_home_gains_what_leaving_cost() -> None:
    moved = Weights(compactness_m=0.0, moved_m=20.0)
    board = Board(4, 1, 50, [0, 0, 1, 1], moved, previous=[0, 0, 0, 1])
    there = [0, 0, 0, 1]
    gain = board.cost(there) - board.cost()
    assert gain < 0
    assert not board.flip(2, 0, gain - 1e-6)
    assert board.flip(2, 0, gain + 1e-6)
    assert not board.flip(2, 1, -gain - 1e-6)
    assert board.flip(2, 1, -gain + 1e-6)
    board.assert_books()


def test_a_unit_without_households_is_moved_for_its_borders_alone() -> None:
    board = Board(3, 2, [200, 0, 200, 200, 0, 200], [0, 0, 1, 0, 1, 1])
    # the border runs along three sides; with unit 4 in grid 0, along two
    assert not board.flip(4, 0, -100.001)
    assert board.flip(4, 0, -99.999)
    assert board.labels == [0, 0, 1, 0, 0, 1]
    board.assert_books()


# --- joined and split anew ---


@pytest.mark.parametrize("weights", [EVEN, ROUND])
def test_two_grids_of_a_row_are_split_at_the_best_place(weights: Weights) -> None:
    board = Board(4, 1, 100, [0, 1, 1, 1], weights)
    gain = board.cost([0, 0, 1, 1]) - board.cost()
    assert gain < 0
    assert not board.resplit(0, 1, -1, gain - 1e-6)
    assert board.labels == [0, 1, 1, 1]
    assert board.resplit(0, 1, -1, gain + 1e-6)
    assert board.labels in ([0, 0, 1, 1], [1, 1, 0, 0])
    board.assert_books()


def test_grids_keep_their_names_where_these_have_a_meaning() -> None:
    moved = Weights(compactness_m=0.0, moved_m=1.0)
    for seed in range(4):
        board = Board(4, 1, 100, [0, 1, 1, 1], moved, previous=[0, 0, 1, 1])
        assert board.resplit(1, 0, -1, 0.0, seed)
        assert board.labels == [0, 0, 1, 1]
        board.assert_books()


def test_frozen_units_keep_their_grid_when_it_is_split_anew() -> None:
    for seed in range(4):
        frozen = Board(6, 1, [100, 100, 0, 0, 100, 100], [0, 1, 1, 1, 1, 1], frozen=[1, 0, 0, 0, 0, 1])
        assert frozen.resplit(0, 1, -1, 0.0, seed)
        assert (frozen.labels[0], frozen.labels[5]) == (0, 1)
        assert frozen.labels[:2] + frozen.labels[4:] == [0, 0, 1, 1]
        frozen.assert_books()
    both = Board(4, 1, 100, [0, 1, 1, 1], frozen=[1, 0, 0, 1])
    assert both.resplit(2, 0, -1, 0.0)
    assert both.labels == [0, 0, 1, 1]


@pytest.mark.parametrize("third", [0, 1, 2])
@pytest.mark.parametrize("weights", [EVEN, ROUND])
def test_three_grids_become_two_for_exactly_what_that_costs(third: int, weights: Weights) -> None:
    start = [0, 0, 1, 1, 2, 2]
    a, b = (grid for grid in range(3) if grid != third)
    board = Board(6, 1, 60, start, weights)
    change = board.cost([a, a, a, b, b, b]) - board.cost()
    assert not board.resplit(2 * a, b, third, change - 1e-6)
    assert board.labels == start
    assert board.resplit(2 * a, b, third, change + 1e-6)
    assert sorted(board.labels) == sorted([a, a, a, b, b, b])
    assert board.labels[:3] == board.labels[:1] * 3
    assert board.tally.grids["units"][third] == 0
    board.assert_books()


@pytest.mark.parametrize("new", [0, 1, 2])
@pytest.mark.parametrize("weights", [EVEN, ROUND])
def test_two_grids_become_three_for_exactly_what_that_costs(new: int, weights: Weights) -> None:
    a, b = (grid for grid in range(3) if grid != new)
    start = [a, a, a, b, b, b]
    board = Board(6, 1, 90, start, weights, grids=3)
    change = board.cost([a, a, b, b, new, new]) - board.cost()
    assert not board.divide(0, b, new, change - 1e-6)
    assert board.labels == start
    board.assert_books()
    assert board.divide(0, b, new, change + 1e-6)
    assert sorted(board.tally.grids["units"].tolist()) == [2, 2, 2]
    assert board.labels[::2] == board.labels[1::2]
    board.assert_books()


def test_two_units_are_not_three_grids() -> None:
    assert not Board(2, 1, 200, [0, 1], grids=3).divide(0, 1, 2, FREE)
    assert Board(3, 1, 200, [0, 1, 1], grids=3).divide(0, 1, 2, FREE)


@pytest.mark.parametrize("weights", [EVEN, ROUND])
def test_whatever_is_tried_on_a_town_the_books_stay_right_and_no_move_costs_more_than_it_may(
    weights: Weights,
) -> None:
    rng = np.random.default_rng(7)
    households = rng.integers(0, 90, 48)
    labels = (np.arange(48) // 8 // 2 * 2 + np.arange(48) % 8 // 4).tolist()
    board = Board(8, 6, households, labels, weights, grids=7)
    made = 0
    for turn in range(300):
        unit, before, threshold = int(rng.integers(48)), board.cost(), float(rng.choice([0.0, 300.0]))
        first, last = board.ground.units["first"][unit : unit + 2]
        other = int(board.tally.labels[board.ground.arcs["unit"][rng.integers(first, last)]])
        if other == board.labels[unit]:
            continue
        empty = np.flatnonzero(board.tally.grids["units"] == 0)
        if turn % 5 == 0:
            done = board.resplit(unit, other, -1, threshold, turn)
        elif turn % 5 == 1 and len(empty):
            done = board.divide(unit, other, int(empty[0]), threshold, turn)
        else:
            done = board.flip(unit, other, threshold)
        made += done
        assert board.cost() <= before + threshold + 1e-6
        assert done or board.cost() == pytest.approx(before)
        board.assert_books()
    assert made > 30
    graph = lattice(8, 6, households)
    for grid in np.unique(board.labels):
        own = np.array(board.labels) == grid
        assert graph.components(without=~own).max() == 0


# --- what is asked before ---


def test_a_third_grid_is_one_that_touches_the_neighbour() -> None:
    # 0 0 1
    # 2 2 1
    board = Board(3, 2, 50, [0, 0, 1, 2, 2, 1])
    g, t = board.ground, board.tally
    found = {third_grid(g.units, g.arcs, t.labels, 1, 2, make_state(seed)) for seed in range(40)}
    assert found == {-1}  # unit 2 touches 0 and its own only
    found = {third_grid(g.units, g.arcs, t.labels, 1, 4, make_state(seed)) for seed in range(40)}
    assert found == {-1, 1}
    severed = g.arcs.copy()
    severed["walk"][(severed["unit"] == 5)] = 0
    found = {third_grid(g.units, severed, t.labels, 1, 4, make_state(seed)) for seed in range(40)}
    assert found == {-1}


@pytest.mark.parametrize(
    ("households", "grids", "possible"),
    [
        ((150, 150, 150), 3, True),
        ((149, 150, 150), 3, False),
        ((250, 250, 250), 3, True),
        ((250, 250, 251), 3, False),
        ((100, 100, 100), 2, True),
        ((100, 100, 99), 2, False),
    ],
)
def test_what_grids_hold_must_do_for_their_number(
    households: tuple[int, ...], grids: int, possible: bool
) -> None:
    held, bounds = np.array(households, dtype=float)[:, None], np.array([[150.0, 250.0, 200.0, 1.0]])
    for a, b, c in ((0, 1, 2), (2, 1, 0)):
        assert could_be(grids, held, bounds, a, b, c) == possible
    assert could_be(1, held, bounds, 0, 1, -1) == (150 <= held[:2].sum() <= 250)
