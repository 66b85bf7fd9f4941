"""How far a plan is from the best possible: a lower bound that no plan can beat, with its proof."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Timer

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.arrays import Lengths, Numbers
from partition.proof.branching import INTEGRAL, Branched, Leaf, Tree, branch
from partition.proof.certificate import Certificate, fingerprint
from partition.proof.generation import FEWEST_NODES, Generated, border_problem, generate, near_sets
from partition.solver.enumeration import (
    MOST_SETS,
    Catalogue,
    TooManySetsError,
    least_reduced,
    list_sets,
    price_block,
    ties_of,
)
from partition.solver.master import Master, Relaxed, choose_sets, improve
from partition.solver.pool import STRICT, Leniency, Members, Pool, capped_load
from partition.solver.problem import Problem

EACH = 20  # sets of each root that join the LP in a round
CHOICE_NODES = 500  # of the search for a better plan
CHOICE_EACH = 40  # sets of each root that it chooses from
CHOICE_ROOT_NODES = 5_000  # of the search of each root for them
NEAR_EACH = 20_000  # of each root
NEAR_NODES = 400_000  # of the search of each root for them
FEW_UNITS = 40  # up to which the sets are always listed
FIRST_GAP = 0.002  # of the LP's value: where the best plan is looked for first
EXACT = 1e-7  # relative: what counts as equal


@dataclass(frozen=True)
class Budget:
    """How much is done for a proof, counted in steps: all possible sets are listed up to `listed`, else the
    search for sets may take `nodes` in all; the branch and bound works on so many `columns` of a list, or
    `near` ones found by search, and takes so many `branches`.
    """

    listed: int = MOST_SETS
    nodes: float = math.inf
    columns: int = 150_000
    near: int = 60_000
    branches: int = 4_000


THOROUGH = Budget()
QUICK = Budget(listed=5_000_000, nodes=400_000, columns=30_000, near=10_000, branches=200)  # seconds at most


@dataclass(frozen=True)
class Bound:
    """No plan of `grids` connected grids in range costs less than `lower` (weighted m).

    value: what the best plan known costs (infinite if none is in range); gap: (value - lower) / value.
    status: "optimal", "gap", "stopped" (by the clock) or "infeasible": there is no
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
    """How much time is left; for ever, without a limit. `stop[0]` is set when it is over."""

    def __init__(self, time_limit: float | None) -> None:
        self.stop = np.zeros(1, dtype=np.bool_)
        self._end = None if time_limit is None else self.now() + time_limit
        self._timer = Timer(time_limit or 0.0, self.stop.fill, (True,))
        self._timer.daemon = True
        if time_limit is not None:
            self._timer.start()

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def now(self) -> float:
        return time.monotonic()

    def left(self) -> float | None:
        """Seconds left, None without a limit."""
        return None if self._end is None else max(self._end - self.now(), 0.0)

    def over(self, needed: float = 0.0) -> bool:
        """Whether so many seconds are no longer left."""
        return self._end is not None and self.now() + needed > self._end


@dataclass(frozen=True)
class Case:
    """What is to be proven, and what is known: `known` are the grids of `labels` if these are a plan as asked
    for, `pool` sets to begin with. `wishes`: whether anything but borders costs something. `leniency`: of the
    ranges.
    """

    problem: Problem
    labels: Numbers
    grids: int
    known: Pool | None
    pool: Pool
    clock: Clock
    threads: int
    wishes: bool
    leniency: Leniency = STRICT
    budget: Budget = THOROUGH


def prove(
    problem: Problem,
    labels: Numbers,
    *,
    k: int | None = None,
    pool: Pool | None = None,
    time_limit: float | None = None,
    threads: int = 1,
    budget: Budget = THOROUGH,
) -> Bound:
    """Bound the cost of all plans with as many grids as `labels` has (or `k`), every grid in range.

    The border cost alone is bounded by prices, and often the best plan is proven so. With other wishes, or
    frozen units, the best plan is found and proven where all possible grids can be listed (about 6 units a
    grid); beyond, the border cost alone is bounded. Households moved from a previous plan are no part of the
    cost, and beyond a list nothing is frozen: the bound holds all the same. The work is counted in steps, so
    that the answer repeats whatever `threads`, unless `time_limit` (seconds) strikes: then the status is
    "stopped". `budget`: how much to do at most; less of it proves less, never too much.
    """
    labels = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if problem.frozen is not None:
        problem = replace(problem, previous=labels)
    grids = int(labels.max()) + 1 if k is None else k
    given = Pool.empty() if pool is None or problem.frozen is not None else pool
    with Clock(time_limit) as clock:
        case = _make_case(problem, labels, grids, given, clock, threads, budget)
        beyond = _beyond_all(case)
        if beyond is not None:
            return beyond
        if case.wishes or problem.frozen is not None or len(problem) <= FEW_UNITS:
            try:
                catalogue = list_sets(problem, most=budget.listed, threads=threads)
                return _Listing(case, catalogue).prove()
            except TooManySetsError:
                case = _make_case(border_problem(problem), labels, grids, given, clock, threads, budget)
        return _Generation(replace(case, wishes=_has_wishes(problem)), "border").prove()


def prove_borders(
    problem: Problem,
    labels: Numbers,
    grids: int,
    leniency: Leniency,
    clock: Clock,
    threads: int,
    budget: Budget = THOROUGH,
) -> Bound:
    """Bound the cost of borders, and of what is outside the ranges, of all plans of so many grids of which
    none is further outside than may be. See `shortfall`.
    """
    problem = border_problem(replace(problem, previous=None, frozen=None))
    case = _make_case(problem, labels, grids, Pool.empty(), clock, threads, budget, leniency)
    return _Generation(case, "border").prove()


def known_plan(problem: Problem, labels: Numbers, grids: int, leniency: Leniency = STRICT) -> Pool | None:
    """The grids of the plan if there are as many as asked for, each connected and in range, or as far outside
    as may be.
    """
    graph = problem.graph
    own = Pool.of_plan(problem, labels, leniency)
    together = graph.walk & (labels[graph.rows()] == labels[graph.indices])
    links = coo_array(
        (np.ones(int(together.sum()), np.int8), (graph.rows()[together], graph.indices[together])),
        shape=(len(graph), len(graph)),
    )
    pieces = connected_components(links, directed=False)[0]
    return own if len(own) == pieces == grids and bool(own.feasible(problem, leniency).all()) else None


def _make_case(
    problem: Problem,
    labels: Numbers,
    grids: int,
    pool: Pool,
    clock: Clock,
    threads: int,
    budget: Budget,
    leniency: Leniency = STRICT,
) -> Case:
    known = known_plan(problem, labels, grids, leniency)
    start = Pool.of_sets(problem, pool.start, pool.members) if len(pool) else pool
    start = start.take(np.flatnonzero(start.feasible(problem))) if len(start) else start
    start = start if known is None else known.merged(start)
    return Case(problem, labels, grids, known, start, clock, threads, _has_wishes(problem), leniency, budget)


def _has_wishes(problem: Problem) -> bool:
    return problem.weights.deviation_m != 0.0 or problem.weights.compactness_m != 0.0


def _beyond_all(case: Case) -> Bound | None:
    """The proof that so many grids cannot hold what there is, or there is too little for them."""
    load = capped_load(case.problem)
    for measure, balance in enumerate(case.problem.ranges):
        # at cost 0 these prices leave no grid in range a negative reduced cost
        if balance.lower > 0 and load[:, measure].sum() < case.grids * balance.lower * (1.0 - EXACT):
            price, count_price = -load[:, measure] / balance.lower, 1.0
        elif load[:, measure].sum() > case.grids * balance.upper * (1.0 + EXACT):
            price, count_price = load[:, measure] / balance.upper, -1.0
        else:
            continue
        lower = float(price.sum()) + case.grids * count_price
        optimum = _Optimum(Relaxed(lower, price, count_price, np.empty(0), 0.0), 0.0, 0, case.grids)
        return _Arithmetic(case, "all").answer("infeasible", lower, optimum, _leaf(optimum))
    return None


@dataclass(frozen=True)
class _Near:
    """Sets as CSR with costs. `complete`: all with so low a reduced cost; `everything`: all there are."""

    start: Numbers
    members: Members
    cost: Lengths
    complete: bool
    everything: bool


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


class _Proof(ABC):
    """What both ways of proof share: branch over the sets that can be in a plan near the LP's value."""

    def __init__(self, case: Case, objective: str) -> None:
        self.case = case
        self.problem, self.grids, self.clock, self.threads = (
            case.problem,
            case.grids,
            case.clock,
            case.threads,
        )
        self.objective, self.budget = objective, case.budget
        self.value = math.inf if case.known is None else float(case.known.cost.sum())
        self.labels = None if case.known is None else case.labels
        # a plan made for other wishes too is measured by its border, not replaced
        self.fixed = objective == "border" and case.wishes
        self.sets = self.nodes = 0

    @abstractmethod
    def near(self, optimum: _Optimum, limit: float) -> _Near | None:
        """The sets whose reduced cost is at most `limit`; None where that is too much work."""

    def close(self, optimum: _Optimum) -> Bound:
        """Look for plans near the LP's value, and further off until the best is found and proven."""
        size = max(1.0, abs(optimum.lower))
        margin, width, most_width = EXACT * size, FIRST_GAP * size, math.inf
        lower, tree, started, hurried = optimum.lower, _leaf(optimum), 0.0, False
        if self.value - lower <= margin and not self.fixed:
            return self.answer("optimal", lower, optimum, tree)
        while True:
            if self.clock.over(4.0 * started):  # the next step would take longer than what is left
                hurried = True
                break
            begun = self.clock.now()
            target = min(self.value, optimum.lower + width)
            near = self.near(optimum, optimum.limit(target) + margin)
            if near is None or not near.complete:
                if near is not None:
                    self._choose(near)
                # not so far, then: once more halfway between what went and what did not
                if most_width < math.inf or width == FIRST_GAP * size:
                    break
                most_width, width = width, 0.7 * width
                continue
            found = self._branch(near, near.cost, target, margin, 10.0 * size)
            if found.lower > lower:
                lower, tree = found.lower, found.tree
            if not found.complete:
                self._choose(near)
                break
            if found.chosen is not None or target == self.value:
                return self.answer("gap" if self.fixed else "optimal", lower, optimum, tree)
            if near.everything:
                # so there is no plan, unless it costs more than what was looked for
                found = self._branch(near, np.zeros(len(near.cost)), 0.5, 1e-6, 1.0)
                if found.complete and found.chosen is None:
                    return self.answer("infeasible", found.lower, _nothing(optimum), found.tree)
            width *= 2.0
            if width >= most_width:
                break
            started = self.clock.now() - begun
        status = "stopped" if hurried or self.clock.over() else "gap"
        return self.answer(status, lower, optimum, tree)

    def _choose(self, near: _Near) -> None:
        """A better plan from the sets near the LP's value, if there is one."""
        if self.fixed or self.clock.over():
            return
        chosen = choose_sets(
            len(self.problem), self.grids, near.start, near.members, near.cost,
            nodes=CHOICE_NODES, time_limit=self.clock.left(),
        )  # fmt: skip
        if chosen is not None and float(near.cost[chosen].sum()) < self.value:
            self._keep(near, chosen)

    def _keep(self, near: _Near, chosen: Numbers) -> None:
        sets = Pool(near.start, near.members, np.empty(0, np.uint64), near.cost)
        self.value = float(near.cost[chosen].sum())
        self.labels = sets.labels(chosen, len(self.problem))

    def _branch(self, near: _Near, cost: Lengths, target: float, margin: float, penalty: float) -> Branched:
        units = len(self.problem)
        master = Master(units, self.grids, penalty)
        master.add(near.start, near.members, cost)
        found = branch(
            master, near.start, near.members, cost,
            value=target, margin=margin, most_nodes=self.budget.branches, over=self.clock.over,
        )  # fmt: skip
        self.nodes += found.nodes
        if found.chosen is not None and not self.fixed:
            self._keep(near, found.chosen)
        return found

    def answer(self, status: str, lower: float, optimum: _Optimum, tree: Tree) -> Bound:
        return make_bound(
            self.problem, self.grids, self.objective, status, self.value, lower, self.labels,
            optimum.relaxed, tree, sets=self.sets, rounds=optimum.rounds, nodes=self.nodes,
            leniency=self.case.leniency,
        )  # fmt: skip


class _Arithmetic(_Proof):
    """The proof by sums of loads alone: it needs no set."""

    def near(self, optimum: _Optimum, limit: float) -> None:
        return None


class _Listing(_Proof):
    """The proof over the list of all sets."""

    def __init__(self, case: Case, catalogue: Catalogue) -> None:
        super().__init__(case, "all")
        self.catalogue = catalogue
        self.sets = len(catalogue)

    def prove(self) -> Bound:
        costs = [float(np.abs(block.cost).max()) for block in self.catalogue.blocks]
        penalty = 10.0 * max(costs, default=1.0) + 1.0
        optimum = self._relax(self.catalogue, penalty)
        while optimum.relaxed.uncovered > INTEGRAL and not self.clock.over():
            # no plan at all, or the penalty was too small
            if self.case.known is None:
                empty = self._relax(_without_cost(self.catalogue), 1.0)
                if empty.lower > INTEGRAL:
                    return self.answer("infeasible", empty.lower, empty, _leaf(empty))
            penalty *= 30.0
            optimum = self._relax(self.catalogue, penalty)
        return self.close(optimum)

    def _relax(self, catalogue: Catalogue, penalty: float) -> _Optimum:
        """The optimum of the LP over the whole list: sets join while any has a negative reduced cost."""
        problem, grids = self.problem, self.grids
        master = Master(len(problem), grids, penalty)
        pool = self.case.pool
        master.add(pool.start, pool.members, pool.cost if catalogue is self.catalogue else 0.0 * pool.cost)
        price, count_price, below, rounds = _fair_price(problem, catalogue), 0.0, math.inf, 0
        with ThreadPoolExecutor(self.threads) as executor:
            while True:
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
        return _Optimum(relaxed, least, rounds, grids)

    def near(self, optimum: _Optimum, limit: float) -> _Near | None:
        prices = optimum.relaxed
        picked = [
            price_block(block, prices.price, prices.count_price, limit, 0) for block in self.catalogue.blocks
        ]
        count = sum(map(len, picked))
        if count > self.budget.columns:
            return None
        return _Near(*self.catalogue.pick(picked), complete=True, everything=count == len(self.catalogue))


class _Generation(_Proof):
    """The proof by prices alone, of the border cost."""

    def prove(self) -> Bound:
        case, problem = self.case, self.problem
        # no plan costs more than all borders that cost anything
        all_borders = 0.5 * float(np.maximum(problem.graph.cost, 0.0).sum())
        if case.leniency is not STRICT:
            owed, count_owed = case.leniency.owed(len(problem))
            all_borders += case.leniency.outside_m * case.leniency.most
            all_borders -= float(owed.sum()) + case.grids * count_owed
        enough = min(self.value * (1.0 - EXACT), all_borders * (1.0 + EXACT) + 1.0)
        made = generate(
            problem, case.labels, case.grids, case.pool,
            enough=enough, stop=case.clock.stop, threads=case.threads, leniency=case.leniency,
            most_nodes=self.budget.nodes,
        )  # fmt: skip
        self.nodes = made.nodes
        self.sets = len(made.pool)
        optimum = _Optimum(made.prices, 0.0, made.rounds, case.grids)
        if made.lower > all_borders:
            return self.answer("infeasible", made.lower, optimum, _leaf(optimum))
        if not self.fixed and not case.clock.over() and math.isinf(self.budget.nodes):
            self._better(made)
        return self.close(optimum)

    def _better(self, made: Generated) -> None:
        """A better plan from the sets met so far and some more of each root."""
        problem = self.problem
        more, nodes, _ = near_sets(
            problem, made.prices, max(made.lower, 0.0) / self.grids,
            each=CHOICE_EACH, root_nodes=CHOICE_ROOT_NODES, stop=self.clock.stop, threads=self.threads,
            leniency=self.case.leniency,
        )  # fmt: skip
        self.nodes += nodes
        pool = made.pool.merged(more)
        if self.labels is not None and self.case.leniency is STRICT:
            self.labels = improve(problem, self.labels, pool)
            self.value = float(Pool.of_plan(problem, self.labels).cost.sum())
        self._choose(_Near(pool.start, pool.members, pool.cost, complete=False, everything=False))

    def near(self, optimum: _Optimum, limit: float) -> _Near | None:
        root_nodes = int(min(NEAR_NODES, (self.budget.nodes - self.nodes) / len(self.problem)))
        if root_nodes < FEWEST_NODES:
            return None
        pool, nodes, every = near_sets(
            self.problem, optimum.relaxed, limit,
            each=NEAR_EACH, root_nodes=root_nodes, stop=self.clock.stop, threads=self.threads,
            leniency=self.case.leniency,
        )  # fmt: skip
        self.nodes += nodes
        self.sets += len(pool)
        if len(pool) > self.budget.near or not len(pool):
            return None
        return _Near(pool.start, pool.members, pool.cost, complete=every, everything=False)


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
    leniency: Leniency = STRICT,
) -> Bound:
    """The bound and its certificate. What was owed is part of the certificate's costs and prices."""
    if status == "infeasible":
        value, labels = math.inf, None
    known = math.isfinite(value)
    owed, count_owed = leniency.owed(len(problem))
    due = float(owed.sum()) + grids * count_owed
    tree = tuple(
        Leaf(node.price + owed, node.count_price + count_owed) if isinstance(node, Leaf) else node
        for node in tree
    )
    certificate = Certificate(
        fingerprint(problem),
        len(problem),
        grids,
        tuple((b.lower, b.target, b.upper) for b in problem.ranges),
        problem.weights,
        ties_of(problem)[0],
        objective,
        status,
        value + due if known else None,
        lower + due,
        labels,
        prices.price + owed,
        prices.count_price + count_owed,
        tree,
        None if leniency is STRICT else leniency.outside_m,
        leniency.most,
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


def _nothing(optimum: _Optimum) -> _Optimum:
    """Prices of 0, for a proof that rests on its leaves alone."""
    units = len(optimum.relaxed.price)
    return replace(optimum, relaxed=Relaxed(0.0, np.zeros(units), 0.0, np.empty(0), 0.0), least=0.0)


def _leaf(optimum: _Optimum) -> Tree:
    return (Leaf(optimum.relaxed.price, optimum.relaxed.count_price),)
