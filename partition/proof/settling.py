"""Small problems settled: every group of units in range is listed, so that a plan in range is found wherever
there is one, or it is proven that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from partition.arrays import Flags, Numbers
from partition.solver.constraints import numbers
from partition.solver.enumeration import TooManySetsError, list_sets
from partition.solver.graph import from_arcs
from partition.solver.master import decide_sets
from partition.solver.pool import Pool
from partition.solver.problem import Problem

MOST_SETS = 30_000  # listed at most: a second's work
NODES = 20_000  # of the integer program's tree


@dataclass(frozen=True)
class Settled:
    """The plan in range of least cost, None where there is none; `proven` where that is certain."""

    labels: Numbers | None
    proven: bool


def settle(problem: Problem, number: int | None = None) -> Settled:
    """Look for a plan with every grid in range, of so many grids, or of any number that the ranges allow.

    A unit above an upper bound counts as that bound. Where there are too many groups to list, it can still be
    proven that there is no plan, if there is none even where units that hold nothing may be walked across by
    all. Else nothing is settled.
    """
    try:
        return _settle(problem, number)
    except TooManySetsError:
        pass
    looser = without_empty(problem)
    if looser is None:
        return Settled(None, False)
    try:
        return Settled(None, _settle(looser, number).proven)
    except TooManySetsError:
        return Settled(None, False)


def _settle(problem: Problem, number: int | None) -> Settled:
    found = list_sets(problem, most=MOST_SETS)
    covered = np.zeros(len(problem), dtype=bool)
    start, members, _ = found.pick([np.arange(len(block)) for block in found.blocks])
    covered[members] = True
    if not covered.all():
        return Settled(None, True)
    pool = Pool.of_sets(problem, start, members)
    best: tuple[float, Numbers] | None = None
    certain = True
    for count in _counts(problem, number):
        choice = decide_sets(len(problem), count, pool.start, pool.members, pool.cost, nodes=NODES)
        certain = certain and choice.certain
        if choice.places is not None:
            value = float(pool.cost[choice.places].sum())
            if best is None or value < best[0]:
                best = value, pool.labels(choice.places, len(problem))
    return Settled(None if best is None else best[1], best is None and certain)


def without_empty(problem: Problem) -> Problem | None:
    """The problem of the units that hold something, two of which lie beside each other too where one can walk
    between them over others alone; None where that says nothing of the problem itself.

    A plan in range of the whole problem is one here: each of its grids still hangs together, and none of them
    is empty as long as some range has a lower bound.
    """
    empty: Flags = np.asarray(~(problem.load > 0).any(axis=1))
    bounded = any(balance.lower > 0 for balance in problem.ranges)
    if not empty.any() or not bounded or problem.frozen is not None:
        return None
    graph, kept = problem.graph, np.flatnonzero(~empty)
    rows, walk = graph.rows(), graph.walk
    ground = graph.components(without=~empty)
    beside = walk & ~empty[rows] & empty[graph.indices]
    pairs = {
        (int(a), int(b))
        for a, b in zip(rows[walk], graph.indices[walk], strict=True)
        if not empty[[a, b]].any()
    }
    for piece in np.unique(ground[empty]).tolist():
        around = np.unique(rows[beside & (ground[graph.indices] == piece)]).tolist()
        pairs |= {(a, b) for a in around for b in around if a != b}
    arcs = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    place = np.cumsum(~empty) - 1
    border = np.ones(len(arcs))
    made = from_arcs(
        graph.households[kept],
        graph.area[kept],
        graph.outer[kept],
        place[arcs[:, 0]],
        place[arcs[:, 1]],
        border,
        border,
        np.ones(len(arcs), dtype=bool),
    )
    return replace(problem.subset(kept), graph=made)


def _counts(problem: Problem, number: int | None) -> list[int]:
    """The numbers of grids to look at."""
    if number is not None:
        return [number]
    upper = np.array([balance.upper for balance in problem.ranges])
    possible = numbers(np.minimum(problem.load, upper).sum(axis=0), problem.ranges)
    return [] if possible is None else list(range(possible[0], min(possible[1], len(problem)) + 1))
