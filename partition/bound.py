"""How far a plan is from the best possible: a lower bound that no plan can beat, with its proof."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.arrays import Lengths, Numbers
from partition.branching import INTEGRAL, Branched, Leaf, Tree, branch
from partition.certificate import Certificate, fingerprint
from partition.enumeration import (
    MOST_SETS,
    Catalogue,
    least_reduced,
    list_sets,
    price_block,
    ties_of,
)
from partition.master import Master, Relaxed
from partition.pool import Members, Pool, capped_load
from partition.problem import Problem

EACH = 20  # sets of each root that join the LP in a round
MOST_COLUMNS = 150_000  # that the branch and bound can work on
MOST_NODES = 4_000  # of the branch and bound
FIRST_GAP = 0.002  # of the LP's value: where the best plan is looked for first
EXACT = 1e-7  # relative: what counts as equal


@dataclass(frozen=True)
class Bound:
    """No plan of `grids` connected grids in range costs less than `lower` (weighted m).

    value: what the best plan known costs (infinite if none is in range); gap: (value - lower) / value.
    status: "optimal", "gap", "stopped" (by the clock, or by the limit of steps) or "infeasible": there is no
    such plan, proven. objective: "all", or "border" where only the cost of borders could be bounded; `value`
    is then the border cost too. labels: the best plan known, the given one unless a better was found.
    """

    lower: float
    value: float
    gap: float
    status: str
    objective: str
    grids: int
    labels: Numbers | None
    certificate: Certificate
    sets: int
    rounds: int
    nodes: int


class Clock:
    """Whether the time is over; never, without a limit."""

    def __init__(self, time_limit: float | None) -> None:
        self._end = None if time_limit is None else time.monotonic() + time_limit

    def over(self) -> bool:
        return self._end is not None and time.monotonic() > self._end


def prove(
    problem: Problem,
    labels: Numbers,
    *,
    k: int | None = None,
    pool: Pool | None = None,
    time_limit: float | None = None,
    threads: int = 1,
    most_sets: int = MOST_SETS,
) -> Bound:
    """Bound the cost of all plans with as many grids as `labels` has (or `k`), every grid in range.

    Where all possible grids can be listed (about 6 units a grid), the best plan is found and proven, whatever
    the wishes cost; beyond, the border cost alone is bounded. The work is counted in steps, so that the
    answer repeats whatever `threads`, unless `time_limit` (seconds) strikes: then the status is "stopped".
    """
    clock = Clock(time_limit)
    labels = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if problem.frozen is not None:
        problem = replace(problem, previous=labels)
    grids = int(labels.max()) + 1 if k is None else k
    known = known_plan(problem, labels, grids)
    start = known if known is not None else Pool.empty()
    if pool is not None and problem.frozen is None:
        start = start.merged(pool.take(np.flatnonzero(pool.feasible(problem))))
    catalogue = list_sets(problem, most=most_sets, threads=threads)
    return _Listing(problem, grids, catalogue, start, clock, threads).prove(labels, known)


def known_plan(problem: Problem, labels: Numbers, grids: int) -> Pool | None:
    """The grids of the plan if there are as many as asked for, each connected and in range."""
    graph = problem.graph
    own = Pool.of_plan(problem, labels)
    together = graph.walk & (labels[graph.rows()] == labels[graph.indices])
    links = coo_array(
        (np.ones(int(together.sum()), np.int8), (graph.rows()[together], graph.indices[together])),
        shape=(len(graph), len(graph)),
    )
    pieces = connected_components(links, directed=False)[0]
    return own if len(own) == pieces == grids and bool(own.feasible(problem).all()) else None


@dataclass(frozen=True)
class _Optimum:
    """The LP over all sets: its answer, the least reduced cost of any set, what every plan costs at least."""

    relaxed: Relaxed
    least: float
    rounds: int
    grids: int

    @property
    def lower(self) -> float:
        return self._plan() + self.grids * min(self.least, 0.0)

    def limit(self, value: float) -> float:
        """The reduced cost above which a set is in no plan that costs less than `value`."""
        return value - self._plan() - (self.grids - 1) * min(self.least, 0.0)

    def _plan(self) -> float:
        return float(self.relaxed.price.sum()) + self.grids * self.relaxed.count_price


class _Listing:
    """The proof over the list of all sets."""

    def __init__(
        self, problem: Problem, grids: int, catalogue: Catalogue, start: Pool, clock: Clock, threads: int
    ) -> None:
        self.problem, self.grids, self.catalogue, self.start = problem, grids, catalogue, start
        self.clock, self.threads = clock, threads
        self.nodes = 0

    def prove(self, labels: Numbers, known: Pool | None) -> Bound:
        self.value = math.inf if known is None else float(known.cost.sum())
        self.labels = None if known is None else labels
        costs = [float(np.abs(block.cost).max()) for block in self.catalogue.blocks]
        penalty = 10.0 * max(costs, default=1.0) + 1.0
        optimum = self._relax(self.catalogue, penalty)
        while optimum.relaxed.uncovered > INTEGRAL and not self.clock.over():
            # no plan at all, or the penalty was too small
            if known is None:
                empty = self._relax(_without_cost(self.catalogue), 1.0)
                if empty.lower > INTEGRAL:
                    return self._answer("infeasible", empty.lower, empty, _leaf(empty))
            penalty *= 30.0
            optimum = self._relax(self.catalogue, penalty)
        if self.clock.over():
            return self._answer("stopped", optimum.lower, optimum, _leaf(optimum))
        return self._close(optimum)

    def _relax(self, catalogue: Catalogue, penalty: float) -> _Optimum:
        """The optimum of the LP over the whole list: sets join while any has a negative reduced cost."""
        problem, grids = self.problem, self.grids
        master = Master(len(problem), grids, penalty)
        start = self.start
        costs = start.cost if catalogue is self.catalogue else np.zeros(len(start))
        master.add(start.start, start.members, costs)
        price, count_price, below, rounds = _fair_price(problem, catalogue), 0.0, math.inf, 0
        with ThreadPoolExecutor(self.threads) as executor:
            while True:
                relaxed = Relaxed(0.0, price, count_price, np.empty(0), 0.0)
                picked = list(executor.map(
                    lambda block: price_block(block, price, count_price, below, EACH),  # noqa: B023
                    catalogue.blocks,
                ))  # fmt: skip
                first, members, cost = catalogue.pick(picked)
                if rounds and (not len(cost) or self.clock.over()):
                    break
                master.add(first, members, cost)
                relaxed = master.solve()
                price, count_price, rounds = relaxed.price, relaxed.count_price, rounds + 1
                below = -EXACT * max(1.0, abs(relaxed.value) / grids)
            least = min(
                executor.map(lambda block: least_reduced(block, price, count_price), catalogue.blocks),
                default=0.0,
            )
        return _Optimum(master.solve(), least, rounds, grids)

    def _close(self, optimum: _Optimum) -> Bound:
        """Branch over the sets that can be in a plan near the LP's value, and look further off if need be."""
        size = max(1.0, abs(optimum.lower))
        margin, width = EXACT * size, FIRST_GAP * size
        lower, tree = optimum.lower, _leaf(optimum)
        while not self.clock.over():
            target = min(self.value, optimum.lower + width)
            price, limit = optimum.relaxed, optimum.limit(target) + margin
            picked = [
                price_block(block, price.price, price.count_price, limit, 0)
                for block in self.catalogue.blocks
            ]
            count = sum(map(len, picked))
            if count > MOST_COLUMNS:
                break
            found = self._branch(*self.catalogue.pick(picked), target, margin, 10.0 * size)
            if found.lower > lower:
                lower, tree = found.lower, found.tree
            if not found.complete:
                break
            if found.chosen is not None or target == self.value:
                return self._answer("optimal", lower, optimum, tree)
            if count == len(self.catalogue):
                # everything was tried, so there is no plan unless it costs more than what was looked for
                free = _without_cost(self.catalogue)
                found = self._branch(*free.pick(picked), 0.5, 1e-6, 1.0)
                if found.complete and found.chosen is None:
                    nothing = Relaxed(0.0, np.zeros(len(self.problem)), 0.0, np.empty(0), 0.0)
                    empty = _Optimum(nothing, 0.0, optimum.rounds, self.grids)
                    return self._answer("infeasible", found.lower, empty, found.tree)
            width *= 3.0
        return self._answer("stopped", lower, optimum, tree)

    def _branch(
        self, start: Numbers, members: Members, cost: Lengths, target: float, margin: float, penalty: float
    ) -> Branched:
        units = len(self.problem)
        master = Master(units, self.grids, penalty)
        master.add(start, members, cost)
        found = branch(
            master, start, members, cost, value=target, margin=margin, most_nodes=MOST_NODES - self.nodes
        )
        self.nodes += found.nodes
        if found.chosen is not None:
            self.value = found.value
            self.labels = Pool(start, members, np.empty(0, np.uint64), cost).labels(found.chosen, units)
        return found

    def _answer(self, status: str, lower: float, optimum: _Optimum, tree: Tree) -> Bound:
        return make_bound(
            self.problem, self.grids, "all", status, self.value, lower, self.labels, optimum.relaxed, tree,
            sets=len(self.catalogue), rounds=optimum.rounds, nodes=self.nodes,
        )  # fmt: skip


def make_bound(
    problem: Problem,
    grids: int,
    objective: str,
    status: str,
    value: float,
    lower: float,
    labels: Numbers | None,
    prices: Relaxed,
    tree: Tree,
    *,
    sets: int,
    rounds: int,
    nodes: int,
) -> Bound:
    """The bound and its certificate."""
    if status == "infeasible":
        value, labels = math.inf, None
    known = math.isfinite(value)
    certificate = Certificate(
        fingerprint(problem),
        len(problem),
        grids,
        tuple((b.lower, b.target, b.upper) for b in problem.ranges),
        problem.weights,
        ties_of(problem)[0],
        objective,
        status,
        value if known else None,
        lower,
        labels,
        prices.price,
        prices.count_price,
        tree,
    )
    gap = max(value - lower, 0.0) / max(abs(value), 1e-9) if known else math.inf
    return Bound(lower, value, gap, status, objective, grids, labels, certificate, sets, rounds, nodes)


def _fair_price(problem: Problem, catalogue: Catalogue) -> Lengths:
    """Prices to begin with: a cheap grid's cost, shared out by load."""
    load = capped_load(problem)[:, 0]
    cheap = [float(np.quantile(block.cost, 0.01)) for block in catalogue.blocks]
    return np.asarray(load / problem.ranges[0].target * min(cheap, default=0.0))


def _without_cost(catalogue: Catalogue) -> Catalogue:
    blocks = tuple(replace(block, cost=np.zeros(len(block))) for block in catalogue.blocks)
    return replace(catalogue, blocks=blocks)


def _leaf(optimum: _Optimum) -> Tree:
    return (Leaf(optimum.relaxed.price, optimum.relaxed.count_price),)
