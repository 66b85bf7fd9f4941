"""Branch and bound over a list of sets that surely holds the best plan, with a proof that can be checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.master import Master, Relaxed
from partition.solver.pool import Members

INTEGRAL = 1e-6  # shares this near to 0 or 1 count as such


@dataclass(frozen=True)
class Leaf:
    """Prices under which no plan of this branch is cheaper than what is claimed."""

    price: Lengths
    count_price: float


@dataclass(frozen=True)
class Fork:
    """Two units are in one grid (`same`: the number of that node) or in two (`apart`): Ryan and Foster."""

    pair: tuple[int, int]
    same: int
    apart: int


Tree = tuple[Leaf | Fork, ...]  # the root first


@dataclass(frozen=True)
class Branched:
    """`tree` proves that nothing is below `lower`; `chosen` are the sets of a plan that costs `value`, None
    if the given value was not bettered. `complete`: lower is value, but for the margin; else it was stopped.
    """

    value: float
    chosen: Numbers | None
    tree: Tree
    lower: float
    nodes: int
    complete: bool


def branch(
    master: Master,
    start: Numbers,
    members: Members,
    cost: Lengths,
    *,
    value: float,
    margin: float,
    most_nodes: int,
    over: Callable[[], bool],
) -> Branched:
    """Prove `value` the least, or find what is less, until time is `over`. `master` holds exactly these sets.

    Depth first, units together before units apart; the pair whose togetherness is nearest to one half.
    """
    units = master.units
    holds = csc_array(
        (np.ones(len(members), dtype=np.int8), members, start), shape=(units, len(cost))
    ).tocsr()
    tree: list[Leaf | Fork | None] = [None]
    chosen: Numbers | None = None
    nothing = Leaf(np.zeros(units), 0.0)
    waiting = [_Open(0, np.zeros(len(cost), dtype=np.bool_), nothing, -np.inf)]
    nodes = 0
    while waiting and nodes < most_nodes and not over():
        nodes += 1
        node = waiting.pop()
        number, forbidden = node.number, node.forbidden
        master.forbid(forbidden)
        relaxed = master.solve()
        leaf = Leaf(relaxed.price, relaxed.count_price)
        lower = safe_bound(relaxed, start, members, cost, ~forbidden, master.grids)
        if lower < value - margin:
            pair = _undecided(relaxed, start, members, units)
            if pair is not None:
                one, other = (_having(holds, unit) for unit in pair)
                tree[number] = Fork(pair, len(tree), len(tree) + 1)
                waiting.append(_Open(len(tree) + 1, forbidden | (one & other), leaf, lower))
                waiting.append(_Open(len(tree), forbidden | (one != other), leaf, lower))
                tree += [None, None]
                continue
            if relaxed.uncovered > INTEGRAL:  # the penalty was too small to prove anything
                waiting.append(_Open(number, forbidden, leaf, lower))
                break
            chosen = np.flatnonzero(relaxed.share > 0.5)
            value = float(cost[chosen].sum())
        tree[number] = leaf
    for node in waiting:  # what was not looked at is bounded by the prices it came with
        tree[node.number] = node.leaf
    least = min([value - margin, *(node.lower for node in waiting)])
    return Branched(value, chosen, tuple(node for node in tree if node), least, nodes, not waiting)


@dataclass(frozen=True)
class _Open:
    """A node to be looked at: its number, the sets forbidden there, what its parent left behind."""

    number: int
    forbidden: Flags
    leaf: Leaf
    lower: float


def safe_bound(
    relaxed: Relaxed, start: Numbers, members: Members, cost: Lengths, allowed: Flags, grids: int
) -> float:
    """What no choice of `grids` allowed sets can be below, by arithmetic on the prices alone: it holds
    however inexact the prices are.
    """
    reduced = cost - relaxed.count_price - np.add.reduceat(relaxed.price[members], start[:-1])
    least = float(reduced[allowed].min()) if allowed.any() else 0.0
    return float(relaxed.price.sum()) + grids * (relaxed.count_price + min(least, 0.0))


def _having(holds: csc_array, unit: int) -> Flags:
    flags = np.zeros(holds.shape[1], dtype=np.bool_)
    flags[holds.indices[holds.indptr[unit] : holds.indptr[unit + 1]]] = True
    return flags


def _undecided(relaxed: Relaxed, start: Numbers, members: Members, units: int) -> tuple[int, int] | None:
    """The pair of units that is most undecided between together and apart."""
    together = np.zeros((units, units))
    for column in np.flatnonzero((relaxed.share > INTEGRAL) & (relaxed.share < 1.0 - INTEGRAL)):
        inside = members[start[column] : start[column + 1]]
        together[np.ix_(inside, inside)] += relaxed.share[column]
    undecided = np.triu(np.minimum(together, 1.0 - together), 1)
    best = int(np.argmax(undecided))
    if undecided.flat[best] <= INTEGRAL:
        return None
    return best // units, best % units
