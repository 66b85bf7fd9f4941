"""Why a grid is out of range: the reasons that can be proven."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from partition.arrays import Numbers
from partition.balance import Balance
from partition.graph import Graph

Cause = Literal["building", "pocket", "cut_off", "too_few", "no_number", "wanted_number", "unproven"]


@dataclass(frozen=True)
class Reason:
    """Why one grid is out of range.

    building: a unit that cannot be cut exceeds the upper bound alone (`unit`, `households`). pocket: what is
    left beside such units cannot make grids in range. cut_off: water, rail or walls part these households
    from the rest. too_few: the community holds less than one grid. no_number: no number of grids puts all of
    them in range. wanted_number: the number of grids asked for does not allow it. unproven: none of these.
    """

    cause: Cause
    households: int
    unit: int = -1

    @property
    def proven(self) -> bool:
        return self.cause != "unproven"


def out_of_range(graph: Graph, assignment: Numbers, balance: Balance, *, fixed: bool) -> dict[int, Reason]:
    """The grids out of range, each with the best reason that can be proven. `fixed`: the number of grids was
    asked for.
    """
    held = np.bincount(assignment, weights=graph.households).astype(np.int64)
    if fixed and (held.sum() > len(held) * balance.upper or held.sum() < len(held) * balance.lower):
        return {
            int(g): Reason("wanted_number", int(held.sum())) for g in np.flatnonzero(balance.excess(held))
        }
    oversize = graph.households > balance.upper
    component, pocket = graph.components(), graph.components(without=oversize)
    return {
        int(grid): _reason(graph, np.flatnonzero(assignment == grid), component, pocket, oversize, balance)
        for grid in np.flatnonzero(balance.excess(held))
    }


def _reason(
    graph: Graph,
    members: Numbers,
    component: Numbers,
    pocket: Numbers,
    oversize: np.ndarray,
    balance: Balance,
) -> Reason:
    whole = int(graph.households[component == component[members[0]]].sum())
    large = members[oversize[members]]
    others = members[~oversize[members] & (graph.households[members] > 0)]
    if len(large) == 1 and not len(others):
        return Reason("building", int(graph.households[large[0]]), int(large[0]))
    if not oversize.any() or not len(large):
        if whole < balance.lower:
            cut = (component != component[members[0]]) & (graph.households > 0)
            return Reason("cut_off" if cut.any() else "too_few", whole)
        if (
            not len(large)
            and not oversize[component == component[members[0]]].any()
            and not _divides(whole, balance)
        ):
            return Reason("no_number", whole)
    pockets = np.unique(pocket[others])
    left = [int(graph.households[pocket == p].sum()) for p in pockets]
    if (
        oversize[component == component[members[0]]].any()
        and left
        and not any(_divides(h, balance) for h in left)
    ):
        return Reason("pocket", sum(left), int(large[0]) if len(large) else -1)
    return Reason("unproven", int(graph.households[members].sum()))


def _divides(households: int, balance: Balance) -> bool:
    """Whether some number of grids in range adds up to these households."""
    least = math.ceil(households / balance.upper)
    return least * balance.lower <= households and least > 0
