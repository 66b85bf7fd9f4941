"""Sets of units as columns: kept once, with their cost; keys by which they are told apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from partition.solver.balance import Balance
from partition.solver.pool import (
    STRICT,
    Buffer,
    Leniency,
    Pool,
    hash_sets,
    is_noted,
    make_keys,
    note_grid,
    off_target,
    outside,
)
from partition.solver.problem import Problem, Weights
from tests.unit_lattice import lattice


def test_no_two_units_share_a_key_and_bits_are_even() -> None:
    keys = make_keys(200_000)
    assert len(np.unique(keys)) == len(keys)
    bits = (keys[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.01
    assert make_keys(3).tolist() == keys[:3].tolist()


def test_no_two_of_many_pairs_share_a_hash() -> None:
    units = 600
    one, other = np.triu_indices(units, 1)
    members = np.stack([one, other], axis=1).ravel().astype(np.int32)
    hashes = hash_sets(np.arange(0, len(members) + 1, 2), members, make_keys(units))
    assert len(np.unique(hashes)) == len(one)


def test_room_of_a_buffer() -> None:
    buffer = Buffer.of(10, 100)
    assert len(buffer.hash) == 100
    assert len(buffer.members) == 1600
    assert len(buffer.table) == 256  # a power of two, at most half full
    assert len(Buffer.of(10, 100, 7).members) == 7
    assert len(Buffer.of(10, 0).table) == 16


def pool_of(*sets: list[int], leniency: Leniency = STRICT) -> Pool:
    """The pool of sets of units of a row."""
    start = np.concatenate([[0], np.cumsum([len(one) for one in sets])])
    return Pool.of_sets(row(), start, np.concatenate(sets).astype(np.int32), leniency)


def row() -> Problem:
    """Five units side by side, the last above the bound by itself."""
    ranges = (Balance(100.0, 200.0, 250.0),)
    return Problem.of_households(lattice(5, 1, [100, 60, 50, 0, 400]), *ranges, Weights(50.0, 4000.0, 0.0))


def sets_of(pool: Pool) -> list[list[int]]:
    return [pool.members[a:b].tolist() for a, b in pairwise(pool.start.tolist())]


def test_sets_are_kept_once_each_with_its_units_in_order() -> None:
    pool = pool_of([2, 1, 0], [4], [0, 1, 2], [3, 2])
    assert sets_of(pool) == [[0, 1, 2], [4], [2, 3]]
    assert len(pool) == 3
    assert len(Pool.empty()) == 0
    assert pool.hash.tolist() == pool_of([1, 0, 2], [4], [2, 3]).hash.tolist()


def test_a_grid_costs_half_its_border_and_its_deviation() -> None:
    pool = pool_of([0], [1, 2], [3, 4], [0, 1, 2, 3, 4], [2])
    # a row has borders of 100 m; the target is 200, and 400 households count as 250
    assert pool.cost.tolist() == pytest.approx(
        [
            50 + 4000 * 0.5**2,
            100 + 4000 * (90 / 200) ** 2,
            50 + 4000 * (50 / 200) ** 2,
            4000 * (260 / 200) ** 2,
            100 + 4000 * (150 / 200) ** 2,
        ]
    )


def test_raggedness_is_that_of_the_outline() -> None:
    problem = Problem.of_households(lattice(5, 1, 100), Balance(1.0, 100.0, 999.0), Weights(50.0, 0.0, 10.0))
    pool = Pool.of_sets(problem, np.array([0, 1, 3]), np.array([2, 0, 1], dtype=np.int32))
    around = np.array([400.0, 600.0])
    ragged = 10.0 * (around**2 / (4 * np.pi * np.array([1e4, 2e4])) - 1)
    assert pool.cost == pytest.approx(np.array([100.0, 50.0]) + ragged)


def test_what_is_outside_the_range_and_how_far_off_the_target() -> None:
    pool = pool_of([0], [1], [1, 2], [0, 1, 2], [4], [4, 0], [3])
    assert outside(row(), pool.start, pool.members).tolist() == [0, 40, 0, 0, 0, 100, 100]
    assert off_target(row(), pool.start, pool.members).tolist() == [100, 140, 90, 10, 200, 300, 200]
    assert pool.feasible(row()).tolist() == [True, False, True, True, True, False, False]
    assert pool.feasible(row(), Leniency(1.0, 40.0)).tolist() == [True, True, True, True, True, False, False]
    none = Pool.empty()
    assert (
        len(outside(row(), none.start, none.members)) == len(off_target(row(), none.start, none.members)) == 0
    )


def test_what_is_outside_has_its_price_less_what_is_owed() -> None:
    strict = pool_of([0], [1], [4, 0]).cost
    lenient = pool_of([0], [1], [4, 0], leniency=Leniency(2.0, 100.0)).cost
    assert lenient - strict == pytest.approx([0, 80, 200])
    owed = Leniency(2.0, 100.0, np.array([1.0, 2.0, 4.0, 8.0, 16.0]), 3.0)
    assert pool_of([0], [1], [4, 0], leniency=owed).cost - lenient == pytest.approx([-8, -10, -40])


def test_pools_are_merged_and_taken_from_in_order() -> None:
    one, other = pool_of([0], [1, 2]), pool_of([3], [2, 1], [4])
    both = one.merged(other)
    assert sets_of(both) == [[0], [1, 2], [3], [4]]
    assert both.cost.tolist() == one.cost.tolist() + other.cost[[0, 2]].tolist()
    assert both.hash.tolist() == one.hash.tolist() + other.hash[[0, 2]].tolist()
    assert sets_of(Pool.empty().merged(one)) == sets_of(one.merged(Pool.empty())) == [[0], [1, 2]]
    assert sets_of(both.take(np.array([3, 1]))) == [[4], [1, 2]]
    assert both.take(np.array([3, 1])).cost.tolist() == both.cost[[3, 1]].tolist()


def test_a_plan_is_a_pool_and_a_pool_makes_a_plan() -> None:
    plan = Pool.of_plan(row(), np.array([7, 2, 2, 7, 0]))
    assert sets_of(plan) == [[4], [1, 2], [0, 3]]
    assert plan.labels(np.array([2, 0]), 5).tolist() == [0, -1, -1, 0, 1]


def test_a_buffer_becomes_a_pool() -> None:
    buffer = Buffer.of(5, 3)
    for units in ([1, 0], [4]):
        members = np.array(units)
        key = np.bitwise_xor.reduce(buffer.keys[members])
        assert not is_noted(key, buffer.hash, buffer.table)
        assert note_grid(
            key, members, len(units), buffer.start, buffer.members, buffer.hash, buffer.table, buffer.used
        )
        assert is_noted(key, buffer.hash, buffer.table)
    assert sets_of(Pool.of_buffer(row(), buffer)) == [[0, 1], [4]]


def test_a_buffer_holds_as_many_members_as_it_has_room_for() -> None:
    buffer = Buffer.of(6, 3, members=4)

    def note(*units: int) -> bool:
        members = np.array(units)
        key = np.bitwise_xor.reduce(buffer.keys[members])
        return bool(
            note_grid(
                key, members, len(units), buffer.start, buffer.members, buffer.hash, buffer.table, buffer.used
            )
        )

    assert note(0, 1, 2)
    assert not note(3, 4)
    assert note(5)
    assert buffer.start.tolist()[:3] == [0, 3, 4]


def test_a_full_table_tells_sets_apart_whose_keys_share_a_place() -> None:
    buffer = Buffer.of(40, 8)
    for unit in range(8):
        assert note_grid(
            buffer.keys[unit],
            np.array([unit]),
            1,
            buffer.start,
            buffer.members,
            buffer.hash,
            buffer.table,
            buffer.used,
        )
    found = [bool(is_noted(key, buffer.hash, buffer.table)) for key in buffer.keys]
    assert found == [True] * 8 + [False] * 32
    assert len(buffer.table) == 16
