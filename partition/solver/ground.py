"""What the solver's compiled code stands on: a problem as plain arrays, and the sums kept of each grid."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from partition.arrays import Lengths, Numbers
from partition.solver.problem import Problem

Records = npt.NDArray[np.void]

SLACK = 1e-6  # households; sums of loads that are no whole numbers may be off by less


UNIT = np.dtype(
    [
        ("first", np.int64),  # its first arc; the next unit's first is the end
        ("area", np.float64),
        ("around", np.float64),  # m, its whole outline
        ("most", np.float64),  # weighted m: no flip gains more in borders and moved households
        ("stays", np.float64),  # weighted m for leaving its previous grid
        ("previous", np.int32),  # -1 none
        ("frozen", np.int32),
    ]
)
ARC = np.dtype([("unit", np.int32), ("walk", np.int32), ("cost", np.float64), ("length", np.float64)])
GRID = np.dtype([("units", np.int64), ("area", np.float64), ("around", np.float64)])


class Ground(NamedTuple):
    """A problem of n units and m measures; nothing here changes while it is solved.

    `units` (n + 1, of `UNIT`), `arcs` (of `ARC`, sorted by their unit), `load` (n, m; capped at the upper
    bound, so that a unit above it stays alone in its grid), `bounds` (m, 4): lower, upper, target, weighted m
    per squared deviation. `outside_m`: weighted m for each household outside the range. `ragged_m`: the
    weight of compactness.

    What belongs together lies together, for the cache. Compiled loops take the arrays out first: taking one
    out of a tuple costs as much as a look at a neighbour.
    """

    units: Records
    arcs: Records
    load: Lengths
    bounds: Lengths
    outside_m: float
    ragged_m: float


class Tally(NamedTuple):
    """A plan of k grids: each unit's `labels`, and by grid how many units it has, its area and outline
    (`grids`, of `GRID`), and what it holds (`held`, (k, m)). A grid without units is no grid and costs
    nothing.
    """

    labels: npt.NDArray[np.int32]
    grids: Records
    held: Lengths


def make_ground(problem: Problem) -> Ground:
    """The problem as the compiled code wants it."""
    graph, weights, n = problem.graph, problem.weights, len(problem)
    rows = graph.rows()
    upper = np.array([balance.upper for balance in problem.ranges])
    units = np.zeros(n + 1, dtype=UNIT)
    units["first"] = graph.indptr
    units["area"][:n] = graph.area
    units["around"][:n] = graph.outer + np.bincount(rows, weights=graph.length, minlength=n)
    units["previous"][:n] = -1 if problem.previous is None else problem.previous
    units["stays"][:n] = np.where(units["previous"][:n] >= 0, weights.moved_m * graph.households, 0.0)
    units["most"][:n] = units["stays"][:n] + np.bincount(rows, weights=np.abs(graph.cost), minlength=n)
    units["frozen"][:n] = False if problem.frozen is None else problem.frozen
    arcs = np.zeros(len(graph.indices), dtype=ARC)
    arcs["unit"], arcs["walk"], arcs["cost"] = graph.indices, graph.walk, graph.cost
    arcs["length"] = graph.length
    return Ground(
        units=units,
        arcs=arcs,
        load=np.ascontiguousarray(np.minimum(problem.load, upper), dtype=np.float64),
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
        grids=np.zeros(grids, dtype=GRID),
        held=np.zeros((grids, ground.load.shape[1])),
    )
    outside, value = sum_up(ground, tally)
    return tally, float(outside), float(value)


@numba.njit(cache=True, nogil=True)
def sum_up(ground, tally):  # type: ignore[no-untyped-def]
    """Fill a tally from its labels. Returns households outside and value, as `measure`."""
    units, arcs, load, bounds = ground.units, ground.arcs, ground.load, ground.bounds
    labels, grids, held = tally.labels, tally.grids, tally.held
    measures = load.shape[1]
    held[:] = 0.0
    for g in range(len(grids)):
        grids[g].units = 0
        grids[g].area = 0.0
        grids[g].around = 0.0
    value = 0.0
    for u in range(len(labels)):
        g = labels[u]
        grids[g].units += 1
        grids[g].area += units[u].area
        grids[g].around += units[u].around
        for j in range(measures):
            held[g, j] += load[u, j]
        if units[u].previous != g:
            value += units[u].stays
        for at in range(units[u].first, units[u + 1].first):
            if labels[arcs[at].unit] == g:
                grids[g].around -= arcs[at].length
            else:
                value += 0.5 * arcs[at].cost
    outside = 0.0
    for g in range(len(grids)):
        if grids[g].units == 0:
            continue
        for j in range(measures):
            outside += beyond(bounds, j, held[g, j])
            value += size_cost(bounds, 0.0, j, held[g, j])
        value += shape_cost(ground.ragged_m, grids[g].area, grids[g].around)
    return outside, value


@numba.njit(cache=True, inline="always")
def beyond(bounds, j, held):  # type: ignore[no-untyped-def]
    """How much a grid that holds so much is outside the range of measure `j`."""
    return max(held - bounds[j, 1] - SLACK, bounds[j, 0] - held - SLACK, 0.0)


@numba.njit(cache=True, inline="always")
def size_cost(bounds, outside_m, j, held):  # type: ignore[no-untyped-def]
    """What it costs (weighted m) that a grid holds so much of measure `j`."""
    off = held - bounds[j, 2]
    return outside_m * beyond(bounds, j, held) + bounds[j, 3] * off * off


@numba.njit(cache=True, inline="always")
def shape_cost(ragged_m, area, around):  # type: ignore[no-untyped-def]
    """What the shape of a grid costs (weighted m), by the inverse of Polsby-Popper, perimeter² / (4π area):
    so one snake costs more than several ragged grids.
    """
    if ragged_m == 0.0 or area <= 0.0:
        return 0.0
    return ragged_m * (around * around / (4.0 * math.pi * area) - 1.0)
