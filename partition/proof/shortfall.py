"""Where no plan has every grid in range: how near the best one comes, proven."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from partition.arrays import Numbers
from partition.proof.bound import THOROUGH, Bound, Budget, Clock, prove_borders
from partition.proof.certificate import fingerprint
from partition.solver.pool import Leniency, Pool, capped_load, outside
from partition.solver.problem import Problem

HOUSEHOLD_M = 50.0, 1000.0, 20_000.0  # for a household outside that might be avoided: dearer step by step
EXACT = 1e-6  # households that make no difference


@dataclass(frozen=True)
class Shortfall:
    """The best plan known, first by households (or what else is measured) outside the ranges in all, then by
    the cost of its borders; and what no plan can be better than.

    outside: of the plan; `least_outside`: of any plan. border: the cost of the plan's borders (weighted m);
    `least_border`: of any plan that has no more outside than this one. proofs: of the first and of the
    second; `status`: "optimal" where nothing is better in either.
    """

    labels: Numbers
    outside: float
    least_outside: float
    border: float
    least_border: float
    proofs: tuple[Bound, Bound]

    @property
    def status(self) -> str:
        sure = self.outside - self.least_outside < EXACT * max(self.outside, 1.0) and self.gap < EXACT
        return "optimal" if sure else "stopped" if "stopped" in [p.status for p in self.proofs] else "gap"

    @property
    def gap(self) -> float:
        """How much of the plan's border cost could be spared at most, if no more were outside."""
        return max(self.border - self.least_border, 0.0) / max(abs(self.border), 1e-9)


def prove_shortfall(
    problem: Problem,
    labels: Numbers,
    *,
    k: int | None = None,
    time_limit: float | None = None,
    threads: int = 1,
    budget: Budget = THOROUGH,
) -> Shortfall:
    """Bound how far out of range plans of as many grids as `labels` has (or `k`) must be, and what their
    borders cost then; better the plan on the way. A unit above an upper bound counts as the upper bound.

    Other wishes than borders, households moved and frozen units are no part of it. The same answer whatever
    `threads`, unless `time_limit` (seconds) strikes.
    """
    problem = replace(problem, previous=None, frozen=None)
    labels = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
    grids = int(labels.max()) + 1 if k is None else k
    free = replace(problem, graph=replace(problem.graph, cost=np.zeros(len(problem.graph.cost))))
    with Clock(time_limit) as clock:
        most = _outside_of(problem, labels, grids)
        first = prove_borders(free, labels, grids, Leniency(1.0, most), clock, threads, budget)
        best = labels if first.labels is None else first.labels
        now, least = _outside_of(problem, best, grids), max(first.lower, 0.0)
        owed = first.certificate
        # the plan has so much more outside than the prices account for: a cheaper plan may save what it costs
        spare = now - float(owed.price.sum()) - grids * owed.count_price
        tight = spare < EXACT
        prices = (
            HOUSEHOLD_M[1:] if tight else (max(problem.weights.range_m, HOUSEHOLD_M[0]), *HOUSEHOLD_M[1:])
        )
        second, least_border = first, -np.inf
        for outside_m in prices:
            price = Leniency(outside_m, now, owed.price, owed.count_price)
            proof = prove_borders(problem, best, grids, price, clock, threads, budget)
            found = best if proof.labels is None else proof.labels
            # all that is outside beyond what the prices account for may be what a cheaper plan saves
            lower = proof.lower - outside_m * max(spare, 0.0)
            if lower > least_border:
                second, least_border = proof, lower
            if _outside_of(problem, found, grids) > now + EXACT:
                continue  # too cheap: the plan found has more outside
            best = min(best, found, key=lambda labels: float(_plan(problem, labels).cost.sum()))
            if proof.status != "gap":
                break
    certificate = replace(owed, objective="outside", fingerprint=fingerprint(problem))
    return Shortfall(
        best,
        _outside_of(problem, best, grids),
        least,
        float(_plan(problem, best).cost.sum()),
        least_border,
        (replace(first, objective="outside", certificate=certificate), second),
    )


def _plan(problem: Problem, labels: Numbers) -> Pool:
    """The plan's grids by their borders alone."""
    return Pool.of_plan(
        replace(problem, weights=replace(problem.weights, deviation_m=0.0, compactness_m=0.0)), labels
    )


def _outside_of(problem: Problem, labels: Numbers, grids: int) -> float:
    """What the plan has outside the ranges in all; as much as can be where the labels are no such plan."""
    own = _plan(problem, labels)
    if len(own) == grids:
        return float(outside(problem, own.start, own.members).sum())
    lower = sum(balance.lower for balance in problem.ranges)
    return float(capped_load(problem).sum()) + grids * lower
