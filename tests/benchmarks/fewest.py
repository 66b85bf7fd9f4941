"""The fewest households that must change grid, proven: for the benchmark of redraws, on small instances."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from partition.solver.enumeration import list_sets
from partition.solver.problem import Problem


def fewest_moved(problem: Problem, most: float, *, seconds: float = 60.0) -> tuple[float, bool]:
    """The least number of households that change grid in any plan in range, however many grids it has; and
    whether that is the optimum (else a bound below it). most: of a plan that is known, so that sets by which
    more would move need not be looked at.

    All connected sets in range are listed; each may carry on one of the grids of before that it overlaps, or
    be a new one. Every unit lies in one set, and every grid of before is carried on by one set at most.
    """
    previous, households = problem.previous, problem.graph.households
    assert previous is not None
    catalogue = list_sets(problem)
    start, members, _ = catalogue.pick([np.arange(len(block)) for block in catalogue.blocks])
    sets, units = len(start) - 1, len(problem)
    of_set = np.repeat(np.arange(sets), np.diff(start))
    before = int(previous.max()) + 1
    total = np.bincount(of_set, weights=households[members], minlength=sets)
    # what each set holds of each grid of before: a column for each pair, and one for the set as a new grid
    pair, place = np.unique(of_set * before + previous[members], return_inverse=True)
    shared = np.bincount(place, weights=households[members])
    column_set = np.append(pair // before, np.arange(sets))
    column_grid = np.append(pair % before, np.full(sets, -1))
    cost = np.append(total[pair // before] - shared, total)
    left = np.bincount(previous, weights=households, minlength=before)[pair % before] - shared
    useful = np.maximum(cost, np.append(left, np.zeros(sets))) <= most
    column_set, column_grid, cost = column_set[useful], column_grid[useful], cost[useful]
    # rows of units, then of grids of before
    count = np.diff(start)[column_set]
    column = np.repeat(np.arange(len(column_set)), count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    row = members[start[column_set[column]] + offset]
    carried = np.flatnonzero(column_grid >= 0)
    matrix = coo_array(
        (
            np.ones(len(row) + len(carried)),
            (np.append(row, units + column_grid[carried]), np.append(column, carried)),
        ),
        shape=(units + before, len(column_set)),
    ).tocsc()
    least = np.append(np.ones(units), np.zeros(before))
    found = milp(
        cost,
        constraints=LinearConstraint(matrix, least, np.ones(units + before)),
        integrality=np.ones(len(cost)),
        bounds=Bounds(0, 1),
        options={"time_limit": seconds},
    )
    if found.status == 0:
        return float(found.fun), True
    return float(found.mip_dual_bound or 0.0), False
