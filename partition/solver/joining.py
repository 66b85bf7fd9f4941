"""Several plans of the same units joined: the best plan that can be put together from all their grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from partition.arrays import Numbers
from partition.solver.enumeration import TooManySetsError, list_sets
from partition.solver.ground import make_ground, measure
from partition.solver.master import Master, choose_sets, improve
from partition.solver.pool import Pool
from partition.solver.problem import Problem
from partition.solver.refine import Refined

WHOLE, WINDOW = 400, 60  # grids that the set partition chooses at once: all of them, or by windows
UNEVEN_M, FEW = 6_000.0, 14  # where evenness is worth more, the set partition is hard: few grids at once
CHEAPEST = 2_000  # grids of them that a plan is chosen from where no search came out
UNCOVERED = 1e-6  # share of a unit
PENDING = 100_000  # labels of plans that are put aside before their grids are told apart


class Seen:
    """The grids of many plans of one problem, each kept once."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.complete = problem, False
        self._pool = Pool.empty()
        self._plans: list[Numbers] = []

    def list_all(self, most: int) -> None:
        """Add every possible grid, if there are no more than `most`: then the grids seen are `complete`."""
        try:
            catalogue = list_sets(self.problem, most=most)
        except TooManySetsError:
            return
        start, members, _ = catalogue.pick([np.arange(len(block)) for block in catalogue.blocks])
        self._pool = self._pool.merged(Pool.of_sets(self.problem, start, members))
        self.complete = True

    def add(self, labels: Numbers) -> None:
        self._plans.append(labels)
        if len(self._plans) * len(labels) > PENDING:
            self.pool()

    def pool(self) -> Pool:
        """All of them."""
        if self._plans:
            # as one plan of as many units as all of them have together, then told back
            labels = np.concatenate(
                [np.unique(plan, return_inverse=True)[1].reshape(-1) for plan in self._plans]
            )
            turn = np.repeat(np.arange(len(self._plans)), len(self.problem))
            order = np.lexsort((labels, turn))
            new = np.flatnonzero(np.diff(labels[order], prepend=-1) | np.diff(turn[order], prepend=-1))
            start = np.append(new, len(order)).astype(np.int64)
            members = (order % len(self.problem)).astype(np.int32)
            self._pool = self._pool.merged(Pool.of_sets(self.problem, start, members))
            self._plans = []
        return self._pool


def join_plans(
    problem: Problem, plans: Sequence[Refined], seen: Seen | None = None, *, seconds: float = math.inf
) -> Refined:
    """The best plan of `plans`, bettered with grids of the others and of those `seen`. As many grids as the
    best has; never worse; the same where labels keep a meaning (a previous plan, frozen units), or where
    less than no time is left of `seconds`.
    """
    best = min(plans, key=lambda plan: (round(plan.outside, 6), plan.value))
    if problem.previous is not None or problem.frozen is not None:
        return best
    if seconds <= 0:
        return replace(best, hurried=True)
    seen = seen or Seen(problem)
    for plan in plans:
        seen.add(plan.labels)
    pool, grids = seen.pool(), len(np.unique(best.labels))
    labels = best.labels
    if best.outside > 0 and seen.complete:
        found = _choose(problem, pool, grids)
        labels = labels if found is None else found
    else:
        labels = improve(
            problem, labels, pool, window=_window(problem, grids), rounds=1,
            time_limit=None if math.isinf(seconds) else seconds,
        )  # fmt: skip
    _, outside, value = measure(make_ground(problem), labels, int(labels.max()) + 1)
    hurried = any(plan.hurried for plan in plans)
    return Refined(labels, outside, value, hurried)


def _window(problem: Problem, grids: int) -> int:
    if problem.weights.deviation_m > UNEVEN_M:
        return FEW
    return grids if grids <= WHOLE else WINDOW


def _choose(problem: Problem, pool: Pool, grids: int) -> Numbers | None:
    """The best plan of grids of the pool that are all in range, among those cheapest by the LP's prices; None
    if there is none.
    """
    pool = pool.take(np.flatnonzero(pool.feasible(problem)))
    if not len(pool):
        return None
    master = Master(len(problem), grids, 10.0 * float(np.abs(pool.cost).max()) + 1.0)
    master.add(pool.start, pool.members, pool.cost)
    relaxed = master.solve()
    if relaxed.uncovered > UNCOVERED:
        return None
    reduced = pool.cost - relaxed.count_price - np.add.reduceat(relaxed.price[pool.members], pool.start[:-1])
    pool = pool.take(np.sort(np.argsort(reduced, kind="stable")[:CHEAPEST]))
    chosen = choose_sets(len(problem), grids, pool.start, pool.members, pool.cost)
    return None if chosen is None else pool.labels(chosen, len(problem))
