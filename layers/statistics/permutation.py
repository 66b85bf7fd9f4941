"""How often chance alone gives a unit such neighbours: conditional permutation, counted in both tails.

esda's own engine draws one set of neighbours for all units and stops at a fixed number of draws, so that
with many units no p-value is small enough to pass a false-discovery control, and keeps every simulated
value in memory. Here each unit has a stream of its own, and is drawn for until its p-value is known well
enough.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numba
import numpy as np
import numpy.typing as npt

from layers.statistics.neighbours import Neighbours
from partition.solver.rng import below, make_state

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Result = TypeVar("Result")

LEAST_DRAWS = 999
ENOUGH = 50  # so many draws at least as extreme settle a tail: its p-value is then known to about 14 %


def permutation_p(
    values: Floats,
    neighbours: Neighbours,
    *,
    level: float,
    seed: int,
    own: bool = False,
    threads: int | None = None,
) -> tuple[Floats, Whole]:
    """Two-sided p-values of each unit's sum over its neighbours, and the number of draws; islands: NaN and 0.

    The values of all other units are dealt out to a unit's neighbours at random, its own stays (Anselin
    1995). With `own` the sum is that of the unit and its neighbours, and the values of all units are dealt
    out to them: the law whose mean and variance are those of Gi* (Ord and Getis 1995). A draw that ties
    with what was observed counts as more extreme in both tails, the p of a tail is (extreme + 1) / (draws
    + 1), and the two-sided p twice the smaller one, at most 1: counts are discrete, so p-values err on
    the safe side. A tail with `ENOUGH` extreme draws after `LEAST_DRAWS` or more is settled there, with p
    = ENOUGH / draws (Besag and Clifford 1991); else draws go on until a p below `level` / n is possible,
    so that a single unit of n can pass the false-discovery control.
    """
    n = len(values)
    most = max(LEAST_DRAWS, math.ceil(2 * n / level))
    p, draws = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    states = np.array([make_state(seed, k)[0] for k in range(n)], dtype=np.uint64)
    slack = 1e-9 * max(1.0, float(np.abs(values).sum()))

    def work(first: int, last: int) -> None:
        _tails(
            values,
            neighbours.starts,
            neighbours.indices,
            states,
            slack,
            LEAST_DRAWS,
            most,
            ENOUGH,
            own,
            first,
            last,
            p,
            draws,
        )

    run_in_parts(work, n, threads)
    return p, draws


def run_in_parts(work: Callable[[int, int], Result], n: int, threads: int | None) -> list[Result]:
    """What `work(first, last)` gives for parts of 0 … n − 1, on several threads (all cores for None)."""
    count = max(1, threads if threads is not None else (os.cpu_count() or 1))
    edges = np.linspace(0, n, min(n, 4 * count) + 1).astype(int)
    parts = [(int(a), int(b)) for a, b in pairwise(edges) if b > a]
    with ThreadPoolExecutor(count) as pool:
        return [done.result() for done in [pool.submit(work, *part) for part in parts]]


@numba.njit(cache=True, nogil=True)
def _tails(  # type: ignore[no-untyped-def]
    values, starts, indices, states, slack, least, most, enough, own, first, last, p, draws
):
    n = len(values)
    deck = np.empty(n, dtype=np.int64)
    state = np.empty(1, dtype=np.uint64)
    for unit in range(first, last):
        size = starts[unit + 1] - starts[unit]
        if size == 0:
            continue
        observed, cards = 0.0, n - 1
        if own:
            observed, cards = values[unit], n
            size += 1
        for at in range(starts[unit], starts[unit + 1]):
            observed += values[indices[at]]
        for k in range(n):
            deck[k] = k
        deck[unit] = n - 1  # the last card is the unit's own, which is dealt with `own` alone
        deck[n - 1] = unit
        state[0] = states[unit]
        up, down, p_up, p_down = 0, 0, -1.0, -1.0
        done = 0
        while done < most and (p_up < 0 or p_down < 0):
            dealt = 0.0
            for k in range(size):
                other = k + below(state, cards - k)
                deck[k], deck[other] = deck[other], deck[k]
                dealt += values[deck[k]]
            done += 1
            if dealt >= observed - slack:
                up += 1
            if dealt <= observed + slack:
                down += 1
            if done >= least:
                if p_up < 0 and up >= enough:
                    p_up = up / done if up == enough and done > least else (up + 1) / (done + 1)
                if p_down < 0 and down >= enough:
                    p_down = down / done if down == enough and done > least else (down + 1) / (done + 1)
        if p_up < 0:
            p_up = (up + 1) / (done + 1)
        if p_down < 0:
            p_down = (down + 1) / (done + 1)
        p[unit] = min(1.0, 2 * min(p_up, p_down))
        draws[unit] = done
