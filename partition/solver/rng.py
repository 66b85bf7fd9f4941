"""A small generator of random numbers for compiled code: SplitMix64 (Steele, Lea and Flood 2014).

numba's own generator is one per thread and shared by all that runs there; here the state is an argument.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

State = npt.NDArray[np.uint64]

GOLDEN = 0x9E3779B97F4A7C15


def make_state(*seeds: int) -> State:
    """The state of a fresh generator: an array of one number, changed by each draw.

    Several numbers (a seed, a round, a patch) name a stream of its own.
    """
    mixed = 0
    for seed in seeds:
        mixed = _mix((mixed + seed + (GOLDEN if len(seeds) > 1 else 0)) % 2**64) if len(seeds) > 1 else seed
    return np.array([mixed % 2**64], dtype=np.uint64)


def _mix(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


@numba.njit(cache=True, inline="always")
def word(state):  # type: ignore[no-untyped-def]
    """64 random bits."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True, inline="always")
def draw(state):  # type: ignore[no-untyped-def]
    """A number in [0, 1)."""
    return (word(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@numba.njit(cache=True, inline="always")
def below(state, n):  # type: ignore[no-untyped-def]
    """A whole number in [0, n)."""
    return int(draw(state) * n)
