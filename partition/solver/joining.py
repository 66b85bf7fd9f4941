"""Several plans of the same units joined: the best plan that can be put together from all their grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from partition.arrays import Numbers
from partition.solver.enumeration import TooManySetsError, list_sets
from partition.solver.ground import make_ground, measure
from partition.solver.master import Burden, Master, choose_sets, improve
from partition.solver.pool import Pool, off_target
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


def total_off(problem: Problem, labels: Numbers) -> float:
    """How far all grids of a plan together are from their targets (households, or the first measure)."""
    own = Pool.of_plan(problem, labels)
    return float(off_target(problem, own.start, own.members).sum())


def join_plans(
    problem: Problem,
    plans: Sequence[Refined],
    seen: Seen | None = None,
    *,
    seconds: float = math.inf,
    most_off: float = math.inf,
) -> Refined:
    """The best plan of `plans`, bettered with grids of the others and of those `seen`. As many grids as the
    best has; never worse; the same where labels keep a meaning (a previous plan, frozen units), or where
    less than no time is left of `seconds`.

    A plan whose grids together are no further than `most_off` from their targets is better than any other;
    where no such plan is found, the one that comes nearest is returned.
    """
    best = min(plans, key=lambda plan: _merit(problem, plan, most_off))
    if problem.previous is not None or problem.frozen is not None:
        return best
    if seconds <= 0:
        return replace(best, hurried=True)
    seen = seen or Seen(problem)
    for plan in plans:
        seen.add(plan.labels)
    pool, grids = seen.pool(), len(np.unique(best.labels))
    labels = best.labels
    if (best.outside > 0 and seen.complete) or _merit(problem, best, most_off)[1] > 0:
        found = _choose(problem, pool, grids, most_off)
        labels = labels if found is None else found
    else:
        labels = improve(
            problem, labels, pool, window=_window(problem, grids), rounds=1,
            time_limit=None if math.isinf(seconds) else seconds,
            most_off=None if math.isinf(most_off) else most_off,
        )  # fmt: skip
    _, outside, value = measure(make_ground(problem), labels, int(labels.max()) + 1)
    hurried = any(plan.hurried for plan in plans)
    return Refined(labels, outside, value, hurried)


def _merit(problem: Problem, plan: Refined, most_off: float) -> tuple[float, float, float]:
    """Less is better: the range first, then what the grids are off beyond `most_off`, then the value."""
    off = 0.0 if math.isinf(most_off) else max(total_off(problem, plan.labels) - most_off, 0.0)
    return round(plan.outside, 6), round(off, 6), plan.value


def _window(problem: Problem, grids: int) -> int:
    if problem.weights.deviation_m > UNEVEN_M:
        return FEW
    return grids if grids <= WHOLE else WINDOW


def _choose(problem: Problem, pool: Pool, grids: int, most_off: float) -> Numbers | None:
    """The best plan of grids of the pool that are all in range, and together no further than `most_off` from
    their targets, among those cheapest by the LP's prices; None if there is none.
    """
    pool = pool.take(np.flatnonzero(pool.feasible(problem)))
    if not len(pool):
        return None
    burden = None
    if not math.isinf(most_off):
        burden = Burden(off_target(problem, pool.start, pool.members), most_off)
    master = Master(
        len(problem), grids, 10.0 * float(np.abs(pool.cost).max()) + 1.0,
        most=None if burden is None else burden.most,
    )  # fmt: skip
    master.add(pool.start, pool.members, pool.cost, None if burden is None else burden.each)
    relaxed = master.solve()
    if relaxed.uncovered > UNCOVERED:
        return None
    reduced = pool.cost - relaxed.count_price - np.add.reduceat(relaxed.price[pool.members], pool.start[:-1])
    if burden is not None:
        reduced -= relaxed.burden_price * burden.each
    cheapest = np.sort(np.argsort(reduced, kind="stable")[:CHEAPEST])
    pool, burden = pool.take(cheapest), None if burden is None else burden.of(cheapest)
    chosen = choose_sets(len(problem), grids, pool.start, pool.members, pool.cost, burden=burden)
    return None if chosen is None else pool.labels(chosen, len(problem))
