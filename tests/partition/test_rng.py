"""The generator against its reference, and its streams apart from each other."""

from __future__ import annotations

import numpy as np
import pytest

from partition.solver.rng import below, draw, make_state, word

# the first words after the seed 1234567, as published with the generator
FIRST = (
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
)


def words(*seeds: int, count: int = 5) -> list[int]:
    state = make_state(*seeds)
    return [int(word(state)) for _ in range(count)]


def test_words_are_those_of_the_reference() -> None:
    assert tuple(words(1234567)) == FIRST


def test_numbers_are_drawn_from_the_high_bits() -> None:
    state = make_state(1234567)
    assert [draw(state) for _ in FIRST] == [(one >> 11) / 2**53 for one in FIRST]
    state = make_state(1234567)
    assert [below(state, 10) for _ in FIRST] == [int((one >> 11) / 2**53 * 10) for one in FIRST]


def test_every_number_below_comes_equally_often() -> None:
    state = make_state(5)
    drawn = np.bincount([below(state, 6) for _ in range(6000)], minlength=6)
    assert len(drawn) == 6
    assert (abs(drawn - 1000) < 150).all()


def test_each_round_and_patch_has_a_stream_of_its_own() -> None:
    names = [(seed, done, patch) for seed in range(4) for done in (0, 1, 500) for patch in range(4)]
    streams = [tuple(words(*name)) for name in names]
    assert len(set(streams)) == len(names)
    assert len({one for stream in streams for one in stream}) == 5 * len(names)
    assert words(3, 5) != words(5, 3)
    assert words(3) == words(3) != words(3, 0)
    assert words(0) != words(0, 0) != words(0, 0, 0)


@pytest.mark.parametrize("seed", [-1, 2**64 - 1, 2**70])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    assert words(seed) == words(seed % 2**64)
    assert words(seed, 1) == words(seed % 2**64, 1)
