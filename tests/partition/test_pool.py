"""Keys by which sets of units are told apart."""

from __future__ import annotations

import numpy as np

from partition.solver.pool import Buffer, hash_sets, make_keys


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
