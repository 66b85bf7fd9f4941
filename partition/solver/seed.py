"""A first plan: the units are halved along random spanning trees until there are k grids."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import NamedTuple

import numba
import numpy as np

from partition.arrays import Lengths, Numbers
from partition.solver.ground import make_ground
from partition.solver.problem import Problem
from partition.solver.rng import make_state
from partition.solver.trees import gather, grow_tree, make_room, weigh_tree

TREES = 8  # tried for each halving of few units; fewer for many
TREE_UNITS = 2000  # so many units in all the trees of one halving, more only if one tree is larger
PIECE = 4000  # units that one thread divides to the end
BORDERS_UP_TO = 3000  # units; the borders of larger branches are not weighed, their balance says enough
EVEN_M = 5.0  # see `trees.grow_tree`
UNEVEN_M = 2000.0  # weighted m for one grid that is off by its whole mean load


class Region(NamedTuple):
    """Units that become the grids `base` … `base + grids - 1`; until then all have the label `base`."""

    unit: int
    base: int
    grids: int


def seed_plan(problem: Problem, grids: int, *, seed: int, threads: int = 1) -> Numbers:
    """A grid (0 … grids-1) for each unit, every grid connected, none empty, their loads about even.

    The units must hang together. The load is the mean of the measures, each by its target; a unit above an
    upper bound counts as one grid. Raises ValueError where there are fewer units than grids. Same arguments,
    same result, whatever `threads`.
    """
    n = len(problem)
    if grids > n:
        raise ValueError(f"{grids} grids of {n} units")
    ground = make_ground(problem)
    load = _load(problem, grids)
    labels = np.zeros(n, dtype=np.int32)
    mark, place = np.full(n, -1, dtype=np.int64), np.empty(n, dtype=np.int32)

    def divide(region: Region, units: int) -> list[Region]:
        state = make_state(seed, region.base, region.grids)
        found = _divide(ground, load, labels, *region, units > PIECE, mark, place, state)
        return [Region(int(unit), int(base), int(part)) for unit, base, part in found]

    todo = [Region(0, 0, grids)]
    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        run = map if pool is None else pool.map
        while todo:
            units = np.bincount(labels, minlength=grids)
            parts = run(divide, todo, [int(units[region.base]) for region in todo])
            todo = [region for found in parts for region in found if region.grids > 1]
    return labels.astype(np.int64)


def _load(problem: Problem, grids: int) -> Lengths:
    """The load of each unit, 1 for a grid of the mean."""
    target = np.array([balance.target for balance in problem.ranges])
    load: Lengths = (problem.load / target).mean(axis=1)
    alone = problem.oversize()
    rest, left = load[~alone].sum(), grids - np.count_nonzero(alone)
    load = load * (left / rest) if rest > 0 and left > 0 else load
    return np.where(alone, 1.0, load)


@numba.njit(cache=True, nogil=True)
def _divide(ground, load, labels, unit, base, grids, once, mark, place, state):  # type: ignore[no-untyped-def]
    """Halve a region, only once or until its parts are single grids. Returns the parts."""
    n = len(labels)
    units = 0
    borders = 0
    for u in range(n):
        if labels[u] == base:
            units += 1
            borders += ground.units[u + 1].first - ground.units[u].first
    room = make_room(mark, place, units, borders // 2 + 1, ground.load.shape[1])
    best_members = np.empty(units, np.int32)
    parts = np.empty((grids + 1, 3), np.int64)
    parts[0, 0] = unit
    parts[0, 1] = base
    parts[0, 2] = grids
    count = 1
    own = np.int64(base)
    stamp = own << np.int64(32)
    at = 0
    while at < count:
        grids = parts[at, 2]
        if grids == 1 or (once and count > 1):
            at += 1
            continue
        base = parts[at, 1]
        tries = 1
        best = np.inf
        taken = 0
        tried = 0
        while tried < tries:
            stamp += 1
            m = gather(ground, labels, parts[at, 0], base, base, base, room, stamp)
            tries = min(max(TREE_UNITS // m, 1), TREES)
            tried += 1
            grow_tree(ground, m, EVEN_M, room, stamp, state)
            weigh_tree(ground, labels, m, base, base, m <= BORDERS_UP_TO, room, stamp)
            whole = 0.0
            for p in range(m):
                whole += load[room.members[p]]
                room.sums[p, 0] = load[room.members[p]]
            for i in range(m - 1, 0, -1):
                p = room.order[i]
                room.sums[room.parent[p], 0] += room.sums[p, 0]
            mean = whole / grids
            for i in range(1, m):
                p = room.order[i]
                size = room.size[p]
                inside = room.sums[p, 0]
                share = int(inside / mean + 0.5) if mean > 0.0 else grids * size // m
                share = min(max(share, 1, grids - (m - size)), grids - 1, size)
                rest = grids - share
                off = (inside - mean * share) * (inside - mean * share)
                cost = room.sums[p, 1] - 2.0 * room.sums[p, 2]
                cost += UNEVEN_M * off * (1.0 / share + 1.0 / rest)
                if min(share, rest) * 4 < grids:  # far from the middle: many steps to the end
                    cost += UNEVEN_M * (grids - 4 * min(share, rest))
                if cost < best:
                    best = cost
                    taken = size
                    best_share = share
                    other = room.members[room.order[0]]
                    for q in range(size):
                        best_members[q] = room.members[room.order[i + q]]
        for q in range(taken):
            labels[best_members[q]] = base + grids - best_share
        parts[count, 0] = best_members[0]
        parts[count, 1] = base + grids - best_share
        parts[count, 2] = best_share
        count += 1
        parts[at, 0] = other
        parts[at, 2] = grids - best_share
    for u in range(n):
        if mark[u] >> np.int64(32) == own:
            mark[u] = -1
    return parts[:count]
