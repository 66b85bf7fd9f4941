"""Why a grid is out of range: the reasons that can be proven."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from partition.arrays import Numbers
from partition.balance import Balance
from partition.graph import Graph

Cause = Literal[
    "building", "pocket", "cut_off", "too_few", "no_number", "indivisible", "wanted_number", "unproven"
]

FEW = 12  # units whose groupings are all tried


@dataclass(frozen=True)
class Reason:
    """Why one grid is out of range.

    building: a unit that cannot be cut exceeds the upper bound alone (`unit`, `households`). pocket: what is
    left beside such units cannot make grids in range. cut_off: water, rail or walls part these households
    from the rest. too_few: the community holds less than one grid. no_number: no number of grids puts all of
    them in range. indivisible: no grouping of the buildings does. wanted_number: the number of grids asked
    for does not allow it. unproven: none of these.
    """

    cause: Cause
    households: int
    unit: int = -1

    @property
    def proven(self) -> bool:
        return self.cause != "unproven"


def out_of_range(
    graph: Graph, assignment: Numbers, balance: Balance, *, fixed: bool, finest: bool = False
) -> dict[int, Reason]:
    """The grids out of range, each with the best reason that can be proven.

    fixed: the number of grids was asked for. finest: no unit can be cut further, so that units prove
    something.
    """
    held = np.bincount(assignment, weights=graph.households).astype(np.int64)
    if fixed and (held.sum() > len(held) * balance.upper or held.sum() < len(held) * balance.lower):
        return {
            int(g): Reason("wanted_number", int(held.sum())) for g in np.flatnonzero(balance.excess(held))
        }
    oversize = graph.households > balance.upper
    component, pocket = graph.components(), graph.components(without=oversize)
    return {
        int(grid): _reason(
            graph, np.flatnonzero(assignment == grid), component, pocket, oversize, balance, finest
        )
        for grid in np.flatnonzero(balance.excess(held))
    }


def _reason(
    graph: Graph,
    members: Numbers,
    component: Numbers,
    pocket: Numbers,
    oversize: np.ndarray,
    balance: Balance,
    finest: bool,
) -> Reason:
    same = component == component[members[0]]
    whole = int(graph.households[same].sum())
    large = members[oversize[members]]
    others = members[~oversize[members] & (graph.households[members] > 0)]
    if len(large) == 1 and not len(others):
        return Reason("building", int(graph.households[large[0]]), int(large[0]))
    if whole < balance.lower:
        return Reason("cut_off" if graph.households[~same].any() else "too_few", whole)
    if not oversize[same].any():
        if not _divides(whole, balance):
            return Reason("no_number", whole)
        loads = graph.households[same & (graph.households > 0)].tolist()
        grouped = not finest or len(loads) > FEW or _groups(loads, balance)
        return Reason("unproven" if grouped else "indivisible", whole)
    left = [int(graph.households[pocket == p].sum()) for p in np.unique(pocket[others])]
    if left and not any(_divides(households, balance) for households in left):
        return Reason("pocket", sum(left), int(large[0]) if len(large) else -1)
    return Reason("unproven", int(graph.households[members].sum()))


def _divides(households: int, balance: Balance) -> bool:
    """Whether some number of grids in range adds up to these households."""
    least = math.ceil(households / balance.upper)
    return least * balance.lower <= households and least > 0


def _groups(loads: list[int], balance: Balance) -> bool:
    """Whether a few indivisible loads can be put together so that every group is in range, wherever they
    lie.
    """
    total = [0] * (1 << len(loads))
    for mask in range(1, len(total)):
        low = mask & -mask
        total[mask] = total[mask ^ low] + loads[low.bit_length() - 1]
    possible = [False] * len(total)
    possible[0] = True
    for mask in range(1, len(total)):
        low = mask & -mask
        rest = mask ^ low
        part = rest  # the group of the first load: it, and any others
        while True:
            if balance.lower <= total[part | low] <= balance.upper and possible[rest ^ part]:
                possible[mask] = True
                break
            if not part:
                break
            part = (part - 1) & rest
    return possible[-1]
