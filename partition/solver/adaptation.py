"""A first plan out of the previous one, when units or the number of grids have changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.problem import Problem
from partition.solver.seed import seed_plan


def adapt_plan(problem: Problem, grids: int, *, seed: int) -> Numbers:
    """The previous plan mended: every unit in a grid, every grid connected, `grids` of them as far as frozen
    units allow.

    Of a grid that fell apart, the piece with frozen units or else with most households keeps the number; new
    units join a neighbour; the smallest grids are joined or the largest halved until there are enough. New
    grids have the numbers after all previous ones. The units must hang together.
    """
    if problem.previous is None or not (problem.previous >= 0).any():
        return seed_plan(problem, grids, seed=seed)
    labels = _spread(problem, _keep_pieces(problem))
    load = _load(problem)
    while len(np.unique(labels)) > grids:
        if not _join_smallest(problem, labels, load):
            break
    fresh = int(problem.previous.max()) + 1
    while len(np.unique(labels)) < grids:
        if not _halve_largest(problem, labels, load, fresh, seed):
            break
        fresh += 1
    return labels


def _load(problem: Problem) -> Lengths:
    """The load of each unit, the mean of the measures, each by its target."""
    mean: Lengths = (problem.load / np.array([balance.target for balance in problem.ranges])).mean(axis=1)
    return mean


def _frozen(problem: Problem) -> Flags:
    return problem.frozen if problem.frozen is not None else np.zeros(len(problem), dtype=np.bool_)


def _keep_pieces(problem: Problem) -> Numbers:
    """The previous grids, of each one piece only; -1 elsewhere."""
    assert problem.previous is not None  # noqa: S101 - the caller looked
    graph, previous = problem.graph, problem.previous
    rows = graph.rows()
    inside = graph.walk & (previous[rows] == previous[graph.indices])
    arcs = coo_array(
        (np.ones(int(inside.sum()), dtype=np.int8), (rows[inside], graph.indices[inside])),
        shape=(len(graph), len(graph)),
    )
    pieces, piece = connected_components(arcs, directed=False)
    merit = np.zeros((3, pieces))
    merit[0] = np.bincount(piece, weights=_frozen(problem), minlength=pieces)
    merit[1] = np.bincount(piece, weights=graph.households, minlength=pieces)
    merit[2] = np.bincount(piece, minlength=pieces)
    grid = np.full(pieces, -1, dtype=np.int64)
    grid[piece] = previous
    kept = np.zeros(pieces, dtype=np.bool_)
    found: set[int] = set()
    for i in np.lexsort((np.arange(pieces), -merit[2], -merit[1], -merit[0])):
        if grid[i] >= 0 and int(grid[i]) not in found:
            found.add(int(grid[i]))
            kept[i] = True
    labels: Numbers = np.where(kept[piece], previous, -1)
    return labels


def _spread(problem: Problem, labels: Numbers) -> Numbers:
    """Units without a grid join a walkable neighbour's, ring by ring: where most border would be lost."""
    graph = problem.graph
    rows = graph.rows()
    labels = labels.copy()
    while (labels < 0).any():
        arcs = np.flatnonzero(graph.walk & (labels[rows] < 0) & (labels[graph.indices] >= 0))
        if not len(arcs):
            raise ValueError("the units do not hang together")
        order = arcs[np.lexsort((labels[graph.indices[arcs]], -graph.cost[arcs], rows[arcs]))]
        units, first = np.unique(rows[order], return_index=True)
        labels[units] = labels[graph.indices[order[first]]]
    return labels


def _join_smallest(problem: Problem, labels: Numbers, load: Lengths) -> bool:
    """Join the smallest grid that may go with the smallest grid beside it; changes `labels`."""
    graph = problem.graph
    rows = graph.rows()
    frozen = np.unique(labels[_frozen(problem)])
    held = np.bincount(labels, weights=load)
    between = graph.walk & (labels[rows] != labels[graph.indices])
    for small in sorted(set(np.unique(labels).tolist()) - set(frozen.tolist()), key=lambda g: (held[g], g)):
        beside = np.unique(labels[graph.indices[between & (labels[rows] == small)]])
        if len(beside):
            other = min(beside.tolist(), key=lambda g: (held[g], g))
            keep, gone = (
                (small, other) if held[small] > held[other] and other not in frozen else (other, small)
            )
            labels[labels == gone] = keep
            return True
    return False


def _halve_largest(problem: Problem, labels: Numbers, load: Lengths, fresh: int, seed: int) -> bool:
    """Halve the largest grid that can be; the larger half, or that with frozen units, keeps the number.
    Changes `labels`.
    """
    frozen = _frozen(problem)
    held = np.bincount(labels, weights=load)
    for large in sorted(np.unique(labels).tolist(), key=lambda g: (-held[g], g)):
        units = np.flatnonzero(labels == large)
        if len(units) < 2:
            continue
        part = replace(problem.subset(units), previous=None, frozen=None)
        half = seed_plan(part, 2, seed=seed + fresh)
        locked = np.bincount(half, weights=frozen[units], minlength=2) > 0
        if locked.all():
            continue
        keeps = (
            int(np.argmax(locked)) if locked.any() else int(np.argmax(np.bincount(half, weights=load[units])))
        )
        labels[units[half != keeps]] = fresh
        return True
    return False
