"""Spanning trees and their branches, summed up again by hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from partition.solver.balance import Balance
from partition.solver.ground import Ground, make_ground
from partition.solver.problem import Problem, Weights
from partition.solver.rng import make_state
from partition.solver.trees import LOAD, Room, gather, grow_tree, make_room, sort_by_key, weigh_tree
from tests.unit_lattice import lattice

BALANCE = Balance(150.0, 200.0, 250.0)
STAMP = 7


class Grown(NamedTuple):
    """A tree over some units of a board, and what it was grown from."""

    ground: Ground
    labels: np.ndarray
    room: Room
    units: int


def grown(
    columns: int, rows: int, labels: list[int], start: int, grids: tuple[int, int, int], seed: int = 0, **more
):
    """A tree over the units of three grids that are walked to from a unit."""
    rng = np.random.default_rng(seed)
    graph = lattice(columns, rows, rng.integers(0, 90, columns * rows))
    one, other = np.minimum(graph.rows(), graph.indices), np.maximum(graph.rows(), graph.indices)
    graph.cost[:] = (37.0 * one + 11.0 * other) % 100.0 - 20.0
    graph.length[:] = 50.0 + (13.0 * one + 7.0 * other) % 50.0
    for a, b in more.pop("severed", ()):
        graph.walk[(one == a) & (other == b)] = False
    problem = Problem.of_households(graph, BALANCE, Weights(moved_m=3.0))
    for name, value in more.items():
        object.__setattr__(problem, name, np.asarray(value))
    ground = make_ground(problem)
    count = len(labels)
    held = np.array(labels, dtype=np.int32)
    room = make_room(np.full(count, -1, dtype=np.int64), np.empty(count, np.int32), count, 2 * count + 1, 1)
    m = gather(ground, held, start, *grids, room, STAMP)
    grow_tree(ground, m, 5.0, room, STAMP, make_state(seed))
    weigh_tree(ground, held, m, grids[0], grids[1], True, room, STAMP)
    return Grown(ground, held, room, m)


def branches(tree: Grown) -> list[set[int]]:
    """The units of the branch of each place, by following parents."""
    below = [{int(tree.room.members[p])} for p in range(tree.units)]
    for p in tree.room.order[1 : tree.units][::-1]:
        below[tree.room.parent[p]] |= below[p]
    return below


def test_only_units_that_can_be_walked_to_are_gathered() -> None:
    # 0 0 1 2
    # 1 1 1 2
    labels = [0, 0, 1, 2, 1, 1, 1, 2]
    assert set(grown(4, 2, labels, 0, (0, 1, -1)).room.members[:6].tolist()) == {0, 1, 2, 4, 5, 6}
    assert grown(4, 2, labels, 0, (0, 1, 2)).units == 8
    assert grown(4, 2, labels, 0, (0, 2, -1)).units == 2  # they do not touch
    assert grown(4, 2, labels, 7, (2, 2, 2)).units == 2
    parted = grown(4, 2, labels, 0, (0, 1, -1), severed=[(0, 4), (1, 5), (1, 2)])
    assert set(parted.room.members[: parted.units].tolist()) == {0, 1}
    assert (parted.room.mark == STAMP).tolist() == [True, True] + [False] * 6


@pytest.mark.parametrize("seed", range(6))
def test_a_tree_spans_its_units_along_walkable_borders(seed: int) -> None:
    tree = grown(4, 3, [0] * 6 + [1] * 6, 0, (0, 1, -1), seed, severed=[(5, 6), (1, 2)])
    order = tree.room.order[: tree.units].tolist()
    parent, members = tree.room.parent.tolist(), tree.room.members.tolist()
    assert sorted(order) == list(range(12))
    assert parent[order[0]] == -1
    graph = lattice(4, 3, 0)
    pairs = set(zip(graph.rows().tolist(), graph.indices.tolist(), strict=True)) - {
        (1, 2),
        (2, 1),
        (5, 6),
        (6, 5),
    }
    for at, p in enumerate(order[1:], start=1):
        assert parent[p] in order[:at]
        assert (members[p], members[parent[p]]) in pairs
        assert tree.room.depth[p] == tree.room.depth[parent[p]] + 1


@pytest.mark.parametrize("seed", range(4))
def test_a_branch_is_a_run_of_the_order_and_its_sums_are_those_of_its_units(seed: int) -> None:
    labels = [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2, 2]
    previous = [0, 1, 1, -1, 0, 0, 1, 0, 2, 2, 2, 2]
    frozen = [1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0]
    tree = grown(4, 3, labels, 0, (0, 1, -1), seed, previous=previous, frozen=frozen)
    g, room = tree.ground, tree.room
    assert tree.units == 8
    within = set(room.members[:8].tolist())
    arcs = [
        (u, int(g.arcs["unit"][at]), float(g.arcs["cost"][at]), float(g.arcs["length"][at]))
        for u in within
        for at in range(g.units["first"][u], g.units["first"][u + 1])
        if int(g.arcs["unit"][at]) in within
    ]
    for at, p in enumerate(room.order[:8].tolist()):
        own = branches(tree)[p]
        run = {int(room.members[q]) for q in room.order[at : at + room.size[p]]}
        assert run == own
        units = g.units[sorted(own)]
        moved_to_b = sum(u["stays"] for u in units if u["previous"] != 1)
        moved_to_a = sum(u["stays"] for u in units if u["previous"] != 0)
        expected = [
            units["area"].sum(),
            sum(cost for u, _, cost, _ in arcs if u in own),
            sum(cost for u, v, cost, _ in arcs if u in own and v in own) / 2,
            sum(length for u, _, _, length in arcs if u in own),
            units["around"].sum(),
            sum(length for u, v, _, length in arcs if u in own and v in own) / 2,
            moved_to_b,
            moved_to_a,
        ]
        assert room.sums[p, :LOAD].tolist() == pytest.approx(expected)
        assert room.sums[p, LOAD] == g.load[sorted(own), 0].sum()
        assert room.fast[p].tolist() == [
            sum(bool(g.units[u]["frozen"]) and labels[u] == grid for u in own) for grid in (0, 1)
        ]


def test_without_borders_only_units_are_summed() -> None:
    tree = grown(4, 1, [0, 0, 0, 0], 0, (0, 0, 0))
    weigh_tree(tree.ground, tree.labels, 4, 0, 0, False, tree.room, STAMP)
    root = tree.room.sums[tree.room.order[0]]
    assert root[[1, 2, 3, 5]].tolist() == [0, 0, 0, 0]
    assert root[0] == 4e4
    assert root[LOAD] == tree.ground.load.sum()


def test_trees_run_across_costly_borders_and_are_drawn_anew() -> None:
    graph = lattice(2, 2, 10)
    # a ring of four: the border of 0 and 1 costs least, so the tree most often leaves it out
    one, other = np.minimum(graph.rows(), graph.indices), np.maximum(graph.rows(), graph.indices)
    graph.cost[:] = np.where((one == 0) & (other == 1), 1.0, 200.0)
    ground = make_ground(Problem.of_households(graph, BALANCE))
    room = make_room(np.full(4, -1, dtype=np.int64), np.empty(4, np.int32), 4, 9, 1)
    labels = np.zeros(4, dtype=np.int32)
    state, cut, roots = make_state(1), 0, set()
    for turn in range(200):
        m = gather(ground, labels, 0, 0, 0, 0, room, turn)
        grow_tree(ground, m, 5.0, room, turn, state)
        place = dict(zip(room.members[:4].tolist(), range(4), strict=True))
        joined = {frozenset((p, int(room.parent[p]))) for p in range(4) if room.parent[p] >= 0}
        cut += frozenset((place[0], place[1])) not in joined
        roots.add(int(room.members[room.order[0]]))
    assert 170 < cut < 200
    assert roots == {0, 1, 2, 3}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 100])
def test_borders_are_sorted_by_their_key(count: int) -> None:
    key = np.random.default_rng(count).random(count + 3)
    turn = np.arange(count + 3, dtype=np.int32)
    sort_by_key(key, turn, count)
    assert turn[:count].tolist() == np.argsort(key[:count]).tolist()
    assert turn[count:].tolist() == [count, count + 1, count + 2]
