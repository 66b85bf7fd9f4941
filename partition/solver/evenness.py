"""The least cost at a limit of unevenness, proven: every possible grid is listed, and so many of them chosen
that together are no further than the limit from their targets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from partition.arrays import Lengths, Numbers
from partition.solver.enumeration import Block, Catalogue, TooManySetsError, list_sets, price_block
from partition.solver.master import BETTER, Burden, Master, decide_sets
from partition.solver.pool import Pool, off_target
from partition.solver.problem import Problem

MOST_SETS = 20_000_000  # listed at most
MOST_COLUMNS = 60_000  # of them handed to the integer program at most
NODES = 200_000  # of its tree
EACH = 5  # sets of each root that come into the LP at a time
FIRST = 0.002  # of the LP's value: what the sets may cost more that are tried first
ENOUGH = 1e-4  # weighted m of reduced cost that a set may have below nothing at the end


@dataclass(frozen=True)
class Settled:
    """The cheapest plan found, None if none was; and what any such plan costs at `least` (weighted m), for
    certain: infinite where there is none.
    """

    labels: Numbers | None
    least: float


def settle_evenly(
    problem: Problem, grids: int, most_off: float, known: Numbers | None = None, *, threads: int = 1
) -> Settled:
    """The plan of so many grids, all in range, of least cost among those whose grids together are no further
    than `most_off` from the target of the first measure; `known` is such a plan, if there is one.

    The LP over all possible grids bounds the cost; a grid whose reduced cost is more than a plan has to spare
    above that is not in the plan. Too many grids or sets left: the known plan, and how far the proof came.
    """
    try:
        listed = list_sets(problem, most=MOST_SETS, threads=threads)
    except TooManySetsError:
        return Settled(known, -math.inf)
    off = [off_target(problem, block.start, block.members.astype(np.int32)) for block in listed.blocks]
    own = None if known is None else Pool.of_plan(problem, known)
    value = math.inf if own is None else float(own.cost.sum())
    dearest = max((float(np.abs(block.cost).max()) for block in listed.blocks), default=1.0)
    master = Master(len(problem), grids, 10.0 * dearest + 1.0, most=most_off)
    if own is not None:
        master.add(own.start, own.members, own.cost, off_target(problem, own.start, own.members))
    while True:
        relaxed = master.solve()
        priced = [
            _priced(block, far, relaxed.burden_price) for block, far in zip(listed.blocks, off, strict=True)
        ]
        chosen = [price_block(block, relaxed.price, relaxed.count_price, -ENOUGH, EACH) for block in priced]
        if not sum(map(len, chosen)):
            break
        _add(master, listed, off, chosen)
    if relaxed.uncovered > BETTER:
        return Settled(None, math.inf)
    lowest = least = relaxed.value - grids * ENOUGH
    # first few sets, with little to spare above the LP; more as long as no plan comes out that cheap
    spare = FIRST * max(lowest, 1.0)
    while least < value - BETTER:
        kept = [price_block(block, relaxed.price, relaxed.count_price, spare, 0) for block in priced]
        if sum(map(len, kept)) > MOST_COLUMNS:
            break
        start, members, cost = listed.pick(kept)
        burden = Burden(off_target(problem, start, members), most_off)
        choice = decide_sets(len(problem), grids, start, members, cost, nodes=NODES, burden=burden)
        if choice.places is not None and float(cost[choice.places].sum()) < value - BETTER:
            value = float(cost[choice.places].sum())
            known = Pool(start, members, np.zeros(0, np.uint64), cost).labels(choice.places, len(problem))
        if not choice.certain:
            break
        # a plan that costs less than this has no other sets, and the choice was among them
        least = min(value, lowest + spare)
        if sum(map(len, kept)) == len(listed):
            least = value
        spare *= 2.0
    return Settled(known, least)


def _priced(block: Block, off: Lengths, burden_price: float) -> Block:
    """The block with what its sets are off as part of their cost."""
    return replace(block, cost=block.cost - burden_price * off)


def _add(master: Master, listed: Catalogue, off: list[Lengths], chosen: list[Numbers]) -> None:
    """Let the chosen sets into the LP."""
    start, members, cost = listed.pick(chosen)
    borne = np.concatenate([far[places] for far, places in zip(off, chosen, strict=True)])
    master.add(start, members, cost, borne)
