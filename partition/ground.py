"""What the solver's compiled code stands on: a problem as plain arrays, and the sums kept of each grid."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from partition.arrays import Flags, Lengths, Numbers
from partition.problem import Problem

SLACK = 1e-6  # households; sums of loads that are no whole numbers may be off by less


class Ground(NamedTuple):
    """A problem of n units and m measures; nothing here changes while it is solved.

    Arcs as in `Graph`. By unit: `load` (n, m; capped at the upper bound, so that a unit above it stays alone
    in its grid), `area`, `around` (m, its whole outline), `most` (weighted m: no flip can gain more in
    borders and moved households), `previous` (-1 none), `stays` (weighted m for leaving its previous grid),
    `frozen`. By measure: `bounds` (m, 4): lower, upper, target, weighted m per squared deviation.
    `outside_m`: weighted m for each household outside the range. `ragged_m`: the weight of compactness.
    """

    indptr: Numbers
    indices: npt.NDArray[np.int32]
    length: Lengths
    cost: Lengths
    walk: Flags
    load: Lengths
    area: Lengths
    around: Lengths
    most: Lengths
    previous: Numbers
    stays: Lengths
    frozen: Flags
    bounds: Lengths
    outside_m: float
    ragged_m: float


class Tally(NamedTuple):
    """A plan of k grids: each unit's `labels`, and by grid what it holds (k, m), its area and outline, and
    how many units it has. A grid without units is no grid and costs nothing.
    """

    labels: npt.NDArray[np.int32]
    held: Lengths
    area: Lengths
    around: Lengths
    units: Numbers


def make_ground(problem: Problem) -> Ground:
    """The problem as the compiled code wants it."""
    graph, weights, n = problem.graph, problem.weights, len(problem)
    rows = graph.rows()
    upper = np.array([balance.upper for balance in problem.ranges])
    previous = problem.previous if problem.previous is not None else np.full(n, -1, dtype=np.int64)
    stays = np.where(previous >= 0, weights.moved_m * graph.households, 0.0)
    return Ground(
        indptr=graph.indptr.astype(np.int64),
        indices=graph.indices.astype(np.int32),
        length=graph.length.astype(np.float64),
        cost=graph.cost.astype(np.float64),
        walk=np.ascontiguousarray(graph.walk, dtype=np.bool_),
        load=np.ascontiguousarray(np.minimum(problem.load, upper), dtype=np.float64),
        area=graph.area.astype(np.float64),
        around=graph.outer + np.bincount(rows, weights=graph.length, minlength=n),
        most=stays + np.bincount(rows, weights=np.abs(graph.cost), minlength=n),
        previous=previous.astype(np.int64),
        stays=stays.astype(np.float64),
        frozen=np.zeros(n, np.bool_) if problem.frozen is None else problem.frozen.astype(np.bool_),
        bounds=np.array(
            [[b.lower, b.upper, b.target, weights.deviation_m / b.target**2] for b in problem.ranges]
        ),
        outside_m=float(weights.range_m),
        ragged_m=float(weights.compactness_m),
    )


def measure(ground: Ground, labels: Numbers, grids: int) -> tuple[Tally, float, float]:
    """The tally of a plan, its households outside the range, and its value (weighted m, the range left out).

    Everything is summed anew from the labels.
    """
    tally = Tally(
        labels=labels.astype(np.int32),
        held=np.zeros((grids, ground.load.shape[1])),
        area=np.zeros(grids),
        around=np.zeros(grids),
        units=np.zeros(grids, np.int64),
    )
    outside, value = sum_up(ground, tally)
    return tally, float(outside), float(value)


@numba.njit(cache=True, nogil=True)
def sum_up(ground, tally):  # type: ignore[no-untyped-def]
    """Fill a tally from its labels. Returns households outside and value, as `measure`."""
    labels = tally.labels
    measures = ground.load.shape[1]
    tally.held[:] = 0.0
    tally.area[:] = 0.0
    tally.around[:] = 0.0
    tally.units[:] = 0
    value = 0.0
    for u in range(len(labels)):
        g = labels[u]
        tally.units[g] += 1
        tally.area[g] += ground.area[u]
        tally.around[g] += ground.around[u]
        for j in range(measures):
            tally.held[g, j] += ground.load[u, j]
        if ground.previous[u] != g:
            value += ground.stays[u]
        for arc in range(ground.indptr[u], ground.indptr[u + 1]):
            if labels[ground.indices[arc]] == g:
                tally.around[g] -= ground.length[arc]
            else:
                value += 0.5 * ground.cost[arc]
    outside = 0.0
    for g in range(len(tally.units)):
        if tally.units[g] == 0:
            continue
        for j in range(measures):
            outside += beyond(ground, j, tally.held[g, j])
            off = tally.held[g, j] - ground.bounds[j, 2]
            value += ground.bounds[j, 3] * off * off
        value += shape_cost(ground, tally.area[g], tally.around[g])
    return outside, value


@numba.njit(cache=True, inline="always")
def beyond(ground, j, held):  # type: ignore[no-untyped-def]
    """How much a grid is outside the range of measure `j`."""
    return max(held - ground.bounds[j, 1] - SLACK, ground.bounds[j, 0] - held - SLACK, 0.0)


@numba.njit(cache=True, inline="always")
def size_cost(ground, j, held):  # type: ignore[no-untyped-def]
    """What it costs (weighted m) that a grid holds so much of measure `j`."""
    off = held - ground.bounds[j, 2]
    return ground.outside_m * beyond(ground, j, held) + ground.bounds[j, 3] * off * off


@numba.njit(cache=True, inline="always")
def shape_cost(ground, area, around):  # type: ignore[no-untyped-def]
    """What the shape of a grid costs (weighted m), by the inverse of Polsby-Popper, perimeter² / (4π area):
    so one snake costs more than several ragged grids.
    """
    if ground.ragged_m == 0.0 or area <= 0.0:
        return 0.0
    return ground.ragged_m * (around * around / (4.0 * math.pi * area) - 1.0)
