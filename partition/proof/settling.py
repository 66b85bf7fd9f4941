"""Small problems settled: every group of units in range is listed, so that a plan in range is found wherever
there is one, or it is proven that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partition.arrays import Numbers
from partition.solver.constraints import numbers
from partition.solver.enumeration import TooManySetsError, list_sets
from partition.solver.master import choose_sets
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

    A unit above an upper bound counts as that bound. Where there are too many groups to list, nothing is
    settled.
    """
    try:
        found = list_sets(problem, most=MOST_SETS)
    except TooManySetsError:
        return Settled(None, False)
    covered = np.zeros(len(problem), dtype=bool)
    start, members, _ = found.pick([np.arange(len(block)) for block in found.blocks])
    covered[members] = True
    if not covered.all():
        return Settled(None, True)
    pool = Pool.of_sets(problem, start, members)
    best: tuple[float, Numbers] | None = None
    for count in _counts(problem, number):
        chosen = choose_sets(len(problem), count, pool.start, pool.members, pool.cost, nodes=NODES)
        if chosen is not None:
            value = float(pool.cost[chosen].sum())
            if best is None or value < best[0]:
                best = value, pool.labels(chosen, len(problem))
    return Settled(None if best is None else best[1], best is None)


def _counts(problem: Problem, number: int | None) -> list[int]:
    """The numbers of grids to look at."""
    if number is not None:
        return [number]
    upper = np.array([balance.upper for balance in problem.ranges])
    possible = numbers(np.minimum(problem.load, upper).sum(axis=0), problem.ranges)
    return [] if possible is None else list(range(possible[0], min(possible[1], len(problem)) + 1))
