"""spopt's location models, made small first.

Each takes what is known of homes and candidates as arrays, and returns the chosen candidates by number.
Homes that no candidate serves better than what stands there are left out, homes that the same candidates
serve are one, and so are candidates that serve the same homes; none of this changes the best answer. The
solver is HiGHS through PuLP, on one thread as everywhere in this process, to the very optimum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layers.errors import LayersError
from partition.arrays import Flags, Lengths, Numbers

SECONDS = 30.0  # after which the solver is stopped: then there is no answer, rather than a poor one
MOST_CENTRED = 5_000  # homes × candidates beyond which the p-center is found by covering
MOST_ENTRIES = 60_000  # homes × candidates that a model is built for; PuLP holds an object for each


class SolverMissing(LayersError):  # noqa: N818
    """The models for several sites need the extra `statistics`: pip install "wangge[statistics]"."""


class TooLarge(LayersError):  # noqa: N818
    """There are too many homes and candidates for the model.

    homes, candidates: how many remain after everything that cannot matter was left out.
    """

    def __init__(self, homes: int, candidates: int) -> None:
        self.homes, self.candidates = homes, candidates
        super().__init__(f"{homes} homes by {candidates} candidates are more than {MOST_ENTRIES}")


class Unsettled(LayersError):  # noqa: N818
    """The solver did not find the best sites in time."""


def cover_most(covers: Flags, weights: Lengths, order: Numbers, add: int) -> Numbers:
    """The `add` candidates that cover most (MCLP: Church and ReVelle 1974).

    covers (homes, candidates): who would be within reach of what. weights: households. order: the rank of
    each candidate, best first, where several serve the same homes. May return fewer, where these cover all
    that can be covered.
    """
    useful = covers.any(axis=1) & (weights > 0)
    covers, weights = covers[useful], weights[useful]
    chosen = _distinct(covers, order)
    covers = covers[:, chosen]
    patterns, which = np.unique(covers, axis=0, return_inverse=True)
    held = np.bincount(which.reshape(-1), weights=weights, minlength=len(patterns))
    if len(chosen) <= add:
        return np.sort(chosen)
    _check(*patterns.shape)
    MCLP, _, _, solver = _models()  # noqa: N806
    cost = np.where(patterns, 0.0, 1.0)
    model = MCLP.from_cost_matrix(cost, held, service_radius=0.5, p_facilities=add)
    return np.sort(chosen[_solved(model, solver)])


def _distinct(covers: Flags, order: Numbers) -> Numbers:
    """Candidates of which none covers only what another covers too; of equal ones the first in `order`."""
    ranked = np.argsort(order, kind="stable")
    ranked = ranked[covers[:, ranked].any(axis=0)]
    _, first = np.unique(covers[:, ranked], axis=1, return_index=True)
    own = ranked[np.sort(first)]
    table: Lengths = covers[:, own].astype(np.float64)
    shared = table.T @ table
    size = np.diag(shared)
    within = (shared == size[:, None]) & (
        size[None, :] > size[:, None]
    )  # j covers all that i covers, and more
    kept: Numbers = own[~within.any(axis=1)].astype(np.int64)
    return kept


def shorten_most(walk: Lengths, now: Lengths, weights: Lengths, add: int) -> Numbers:
    """The `add` candidates that make the walks of all shortest (p-median: Hakimi 1964).

    walk (homes, candidates), now (homes,): metres to each candidate, and to what stands there; finite.
    """
    helped = (walk < now[:, None]).any(axis=1) & (weights > 0)
    walk, now, weights = walk[helped], now[helped], weights[helped]
    useful = np.flatnonzero((walk < now[:, None]).any(axis=0))
    if len(useful) <= add:
        return useful.astype(np.int64)
    _check(len(now), len(useful) + 1)
    _, PMedian, _, solver = _models()  # noqa: N806
    cost = np.column_stack([now, np.minimum(walk[:, useful], now[:, None])])  # first all that stands there
    fixed = np.array([1] + [0] * len(useful))
    model = PMedian.from_cost_matrix(cost, weights, p_facilities=add + 1, predefined_facilities_arr=fixed)
    return useful[_solved(model, solver)[1:] - 1].astype(np.int64)


def shorten_longest(walk: Lengths, now: Lengths, add: int) -> Numbers:
    """The `add` candidates that make the longest walk shortest (p-center: Hakimi 1964); arrays as above."""
    # whoever walks less now than somebody must in any case does not decide
    least = float(np.minimum(walk.min(axis=1, initial=np.inf), now).max(initial=0.0))
    deciding = now > least
    walk, now = walk[deciding], now[deciding]
    useful = np.flatnonzero((walk < now[:, None]).any(axis=0))
    if len(useful) <= add:
        return useful.astype(np.int64)
    if len(now) * (len(useful) + 1) > MOST_CENTRED:
        return useful[_within_least(walk[:, useful], now, add)]
    _, _, PCenter, solver = _models()  # noqa: N806
    cost = np.column_stack([now, np.minimum(walk[:, useful], now[:, None])])
    fixed = np.array([1] + [0] * len(useful))
    model = PCenter.from_cost_matrix(cost, p_facilities=add + 1, predefined_facilities_arr=fixed)
    return useful[_solved(model, solver)[1:] - 1].astype(np.int64)


def _within_least(walk: Lengths, now: Lengths, add: int) -> Numbers:
    """The same by covering: the least metres within which `add` candidates, or what stands, serve everybody.

    Between two walks that somebody has, or has now, nothing changes, so the least is one of these, found by
    halving.
    """
    steps = np.unique(np.concatenate([walk[walk < now.max()], now]))
    low, high = 0, len(steps) - 1  # as far as now, everybody is served
    best = np.empty(0, dtype=np.int64)
    while low < high:
        middle = (low + high) // 2
        left = now > steps[middle]
        near = walk[left] <= steps[middle]
        chosen = np.empty(0, dtype=np.int64)
        if near.any(axis=1).all():
            chosen = cover_most(near, np.ones(len(near)), np.arange(walk.shape[1]), add)
        if len(chosen) and near[:, chosen].any(axis=1).all():
            best, high = chosen, middle
        else:
            low = middle + 1
    return best


def _check(homes: int, candidates: int) -> None:
    if homes * candidates > MOST_ENTRIES:
        raise TooLarge(homes, candidates)


def _models() -> tuple[Any, Any, Any, Any]:
    """MCLP, PMedian, PCenter and the solver."""
    try:
        import pulp
        from spopt.locate import MCLP, PCenter, PMedian
    except ModuleNotFoundError as error:
        raise SolverMissing from error
    solver = pulp.HiGHS(msg=False, gapRel=0.0, gapAbs=0.0, threads=1, timeLimit=SECONDS)
    return MCLP, PMedian, PCenter, solver


def _solved(model: Any, solver: Any) -> Numbers:
    """The candidates that the model opens."""
    import pulp

    try:
        model.solve(solver, results=False)
    except RuntimeError as error:
        raise Unsettled from error
    if model.problem.sol_status != pulp.LpSolutionOptimal:
        raise Unsettled
    opened = np.array([variable.value() > 0.5 for variable in model.fac_vars])
    return np.flatnonzero(opened).astype(np.int64)
