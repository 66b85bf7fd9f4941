"""Patches of whole neighbouring grids, that threads better side by side without meeting."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from partition.arrays import Numbers
from partition.solver.ground import Ground, Tally
from partition.solver.rng import State, below

GRIDS_A_PATCH = 50  # enough that few borders lie between patches, few enough that a patch stays in the cache


class Patches(NamedTuple):
    """p patches: `of_grid` gives each grid's patch; the units of patch i are `units[start[i]:start[i+1]]`."""

    of_grid: Numbers
    units: Numbers
    start: Numbers


def count_patches(grids: int) -> int:
    """How many patches: a power of two, so that they come out even; it depends on the grids alone, so that a
    plan is the same for any number of threads.
    """
    number = 1
    while number * 2 * GRIDS_A_PATCH <= grids * 1.5:
        number *= 2
    return number


def make_patches(ground: Ground, tally: Tally, number: int, state: State) -> Patches:
    """Halve the grids again and again, each time along a front that spreads from one side (another at each
    call), until there are `number` patches of nearly as many units each.
    """
    if number == 1:
        n = len(tally.labels)
        of_grid = np.zeros(len(tally.grids), np.int64)
        return Patches(of_grid, np.arange(n), np.array([0, n]))
    return Patches(*_halve_grids(ground, tally, number, state))


@numba.njit(cache=True, nogil=True)
def _halve_grids(ground, tally, number, state):  # type: ignore[no-untyped-def]
    units, arcs, labels, grids = ground.units, ground.arcs, tally.labels, tally.grids
    n = len(labels)
    k = len(tally.grids)
    # which grids touch, as lists by grid (a pair may stand there several times)
    start = np.zeros(k + 2, np.int64)
    for u in range(n):
        for at in range(units[u].first, units[u + 1].first):
            if labels[arcs[at].unit] != labels[u]:
                start[labels[u] + 2] += 1
    for g in range(k):
        start[g + 2] += start[g + 1]
    beside = np.empty(start[k + 1], np.int32)
    for u in range(n):
        g = labels[u]
        for at in range(units[u].first, units[u + 1].first):
            if labels[arcs[at].unit] != g:
                beside[start[g + 1]] = labels[arcs[at].unit]
                start[g + 1] += 1
    order = np.arange(k).astype(np.int32)
    front = np.empty(k, np.int32)
    patch = np.zeros(k, np.int64)
    seen = np.full(k, -1, np.int64)
    pieces = np.zeros(number + 1, np.int64)
    pieces[1] = k
    made = 1
    turn = 0
    while made < number:
        # from the last piece to the first, so that they can be moved apart
        for i in range(made - 1, -1, -1):
            low = pieces[i]
            high = pieces[i + 1]
            if high > low:
                root = order[low + below(state, high - low)]
                for _ in range(2):  # the second sweep starts at the far end of the first
                    turn += 1
                    root = _spread(order, low, high, root, start, beside, patch, seen, turn, front)
            whole = 0
            for at in range(low, high):
                whole += grids[front[at]].units
            middle = low
            half = 0
            for at in range(low, high):
                order[at] = front[at]
                if 2 * half < whole:
                    half += grids[front[at]].units
                    middle = at + 1
            for at in range(low, high):
                patch[order[at]] = 2 * i + (1 if at >= middle else 0)
            pieces[2 * i + 2] = high
            pieces[2 * i + 1] = middle
            pieces[2 * i] = low
        made *= 2
    free = 0
    for g in range(k):  # numbers without units are shared out
        if grids[g].units == 0:
            patch[g] = free % number
            free += 1
    first = np.zeros(number + 1, np.int64)
    for u in range(n):
        first[patch[labels[u]] + 1] += 1
    for i in range(number):
        first[i + 1] += first[i]
    fill = first[:-1].copy()
    units_of = np.empty(n, np.int64)
    for u in range(n):
        i = patch[labels[u]]
        units_of[fill[i]] = u
        fill[i] += 1
    return patch, units_of, first


@numba.njit(cache=True, nogil=True)
def _spread(order, low, high, root, start, beside, patch, seen, turn, front):  # type: ignore[no-untyped-def]
    """Write the grids `order[low:high]` into `front` as a front that spreads from `root` meets them. Returns
    the last.
    """
    own = patch[root]
    filled = low
    done = low
    rest = low
    front[filled] = root
    seen[root] = turn
    filled += 1
    while filled < high:
        if done == filled:  # the piece has parts that do not touch
            while seen[order[rest]] == turn:
                rest += 1
            front[filled] = order[rest]
            seen[order[rest]] = turn
            filled += 1
        g = front[done]
        done += 1
        for at in range(start[g], start[g + 1]):
            h = beside[at]
            if patch[h] == own and seen[h] != turn:
                seen[h] = turn
                front[filled] = h
                filled += 1
    return front[high - 1]
