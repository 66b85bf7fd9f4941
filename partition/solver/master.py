"""The set partition: choose grids from a list so that each unit lies in one of them, at least cost."""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.pool import Members, Pool, off_target, take_sets
from partition.solver.problem import Problem

WINDOW = 14  # neighbouring grids chosen anew at once where a plan has more
IP_NODES = 2_000  # of the solver's tree: counted, so that the answer repeats
IP_COLUMNS = 40_000  # handed to the integer program at most
BETTER = 1e-6  # weighted metres that count as better


@dataclass(frozen=True)
class Relaxed:
    """The LP's answer: `value`, `price` of each unit and of the count (its duals), `share` of each column,
    what is `uncovered` (units and grids that no column of the list could cover), and the `burden_price` of
    one more of what may be borne (0 or less; see `Burden`).
    """

    value: float
    price: Lengths
    count_price: float
    share: Lengths
    uncovered: float
    burden_price: float = 0.0


@dataclass(frozen=True)
class Burden:
    """One more condition: what the chosen sets bear (`each`, by set) is at `most` so much in all."""

    each: Lengths
    most: float

    def of(self, sets: Numbers) -> Burden:
        """The same of some of the sets."""
        return Burden(self.each[sets], self.most)


class Master:
    """The LP of the set partition over a list of sets that grows: least cost, each unit in one set, `grids`
    sets in all. What is not covered, or covered too often, costs `penalty` a unit; so no price is beyond it.
    With `most`, what all sets bear together is no more (see `Burden`).
    """

    def __init__(self, units: int, grids: int, penalty: float, *, most: float | None = None) -> None:
        self.units, self.grids = units, grids
        self.columns = 0
        rows = units + 1
        self._burdened = most is not None
        self._highs = highs = _solver()
        covering = np.tile(np.arange(rows), 2)  # columns that cover a row, and columns that take away from it
        self._spare = len(covering)
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = self._spare, rows
        model.col_cost_ = np.full(self._spare, penalty)
        model.col_lower_ = np.zeros(self._spare)
        model.col_upper_ = np.full(self._spare, highspy.kHighsInf)
        sides = np.append(np.ones(units), float(grids))
        model.row_lower_ = sides
        model.row_upper_ = sides
        model.a_matrix_.start_ = np.arange(self._spare + 1, dtype=np.int32)
        model.a_matrix_.index_ = covering.astype(np.int32)
        model.a_matrix_.value_ = np.repeat([1.0, -1.0], rows)
        highs.passModel(model)
        if most is not None:
            none = np.empty(0)
            highs.addRow(-highspy.kHighsInf, most, 0, none.astype(np.int32), none)

    def box(self, low: Lengths, high: Lengths) -> None:
        """Keep the prices (of the units, and of the count at the end) between two bounds."""
        self._highs.changeColsCost(
            self._spare, np.arange(self._spare, dtype=np.int32), np.concatenate([high, -low])
        )

    def add(self, start: Numbers, members: Members, cost: Lengths, borne: Lengths | None = None) -> None:
        """Append sets to the list: `members[start[0]:start[-1]]`; what they bear, if that is limited."""
        count = len(cost)
        if not count:
            return
        starts, index, value = _columns(
            start - start[0], members[start[0] : start[-1]], self.units, borne if self._burdened else None
        )
        self._highs.addCols(
            count, np.asarray(cost, np.float64), np.zeros(count), np.full(count, highspy.kHighsInf),
            len(index), starts, index, value,
        )  # fmt: skip
        self.columns += count

    def forbid(self, forbidden: Flags) -> None:
        """Take exactly the marked sets out of the list for the next answers."""
        count = self.columns
        self._highs.changeColsBounds(
            count, np.arange(self._spare, self._spare + count, dtype=np.int32),
            np.zeros(count), np.where(forbidden, 0.0, highspy.kHighsInf),
        )  # fmt: skip

    def solve(self) -> Relaxed:
        """The optimum of the LP as it stands."""
        self._highs.run()
        solution = self._highs.getSolution()
        price = np.array(solution.row_dual)
        share = np.array(solution.col_value)
        return Relaxed(
            float(self._highs.getInfo().objective_function_value),
            price[: self.units],
            float(price[self.units]),
            share[self._spare :],
            float(share[: self._spare].sum()),
            float(price[-1]) if self._burdened else 0.0,
        )


def _columns(
    start: Numbers, members: Members, units: int, borne: Lengths | None
) -> tuple[Members, Members, Lengths]:
    """The matrix by columns: each set's units, after them the row of the count and that of the burden."""
    more = 1 if borne is None else 2
    rows = np.tile(np.arange(units, units + more), len(start) - 1)
    index = np.insert(members.astype(np.int32), np.repeat(start[1:], more), rows)
    value = np.ones(len(index))
    starts = (start + more * np.arange(len(start))).astype(np.int32)
    if borne is not None:
        value[starts[1:] - 1] = borne
    return starts, index.astype(np.int32), value


def _solver() -> highspy.Highs:
    """HiGHS as it answers alike each time, and says nothing."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.silent()
    highs.setOptionValue("threads", 1)  # whoever asks for more after the first gets no answer at all
    highs.setOptionValue("random_seed", 1)
    return highs


@dataclass(frozen=True)
class Choice:
    """The places of the chosen sets, None where there are none; `certain`: no other choice is better."""

    places: Numbers | None
    certain: bool


def choose_sets(
    units: int,
    grids: int,
    start: Numbers,
    members: Members,
    cost: Lengths,
    *,
    nodes: int = IP_NODES,
    first: Numbers | None = None,
    time_limit: float | None = None,
    burden: Burden | None = None,
) -> Numbers | None:
    """The sets of a least-cost partition into `grids` sets of the list: their places, None if there is none
    or none was found within so many nodes. `first` is a partition to start from, `burden` a condition more.
    """
    return decide_sets(
        units, grids, start, members, cost, nodes=nodes, first=first, time_limit=time_limit, burden=burden
    ).places


def decide_sets(
    units: int,
    grids: int,
    start: Numbers,
    members: Members,
    cost: Lengths,
    *,
    nodes: int = IP_NODES,
    first: Numbers | None = None,
    time_limit: float | None = None,
    burden: Burden | None = None,
) -> Choice:
    """The same, and whether it is certain."""
    count = len(cost)
    if not count:
        return Choice(None, True)
    highs = _solver()
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.setOptionValue("mip_abs_gap", BETTER)
    highs.setOptionValue("mip_max_nodes", nodes)
    if time_limit is not None:
        highs.setOptionValue("time_limit", time_limit)
    model = highspy.HighsLp()
    sides = np.append(np.ones(units), float(grids))
    least, most = sides, sides
    if burden is not None:
        least, most = np.append(sides, -highspy.kHighsInf), np.append(sides, burden.most)
    model.num_col_, model.num_row_ = count, len(most)
    model.col_cost_ = np.asarray(cost, np.float64)
    model.col_lower_ = np.zeros(count)
    model.col_upper_ = np.ones(count)
    model.row_lower_ = least
    model.row_upper_ = most
    starts, index, value = _columns(start, members, units, None if burden is None else burden.each)
    model.a_matrix_.start_ = starts
    model.a_matrix_.index_ = index
    model.a_matrix_.value_ = value
    model.integrality_ = [highspy.HighsVarType.kInteger] * count
    highs.passModel(model)
    if first is not None:
        solution = highspy.HighsSolution()
        taken = np.zeros(count)
        taken[first] = 1.0
        solution.col_value = taken.tolist()
        highs.setSolution(solution)
    highs.run()
    ended, status = highs.getModelStatus(), highspy.HighsModelStatus
    # nothing here is unbounded
    certain = ended in (status.kOptimal, status.kInfeasible, status.kUnboundedOrInfeasible)
    if highs.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Choice(None, certain)
    chosen = np.flatnonzero(np.array(highs.getSolution().col_value) > 0.5)
    covered = np.zeros(units, dtype=np.int64)
    for column in chosen:
        covered[members[start[column] : start[column + 1]]] += 1
    whole = len(chosen) == grids and bool((covered == 1).all())
    light = burden is None or float(burden.each[chosen].sum()) <= burden.most + BETTER
    return Choice(chosen, certain) if whole and light else Choice(None, False)


def improve(
    problem: Problem,
    labels: Numbers,
    pool: Pool,
    *,
    window: int = WINDOW,
    rounds: int = 2,
    nodes: int = IP_NODES,
    time_limit: float | None = None,
    most_off: float | None = None,
) -> Numbers:
    """The best plan that can be put together from the pool's grids and the plan's own, with as many grids.

    A plan of more than `window` grids is gone through window by window of neighbouring grids, `rounds` times
    at most. Grids out of range stay as they are, and so does the whole plan where labels carry a meaning (a
    `previous` plan or `frozen` units). The answer is never worse, and it repeats unless `time_limit`
    (seconds, of each integer program) strikes. With `most_off`, all grids together stay no further than that
    from their targets (see `pool.off_target`); the plan given must keep to it.
    """
    if problem.previous is not None or problem.frozen is not None:
        return labels
    labels = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
    own = Pool.of_plan(problem, labels)
    fits = own.feasible(problem)
    everything = own.merged(pool)
    everything = everything.take(np.flatnonzero(everything.feasible(problem)))
    index = _Index(everything, len(problem))
    grids = int(labels.max()) + 1
    if int(fits.sum()) <= 2 * window:
        return _better(problem, labels, everything, index, np.flatnonzero(fits), nodes, time_limit, most_off)
    for _ in range(rounds):
        before = labels
        neighbours = _neighbours(problem, labels, grids)
        times = np.zeros(grids, dtype=np.int64)
        while True:
            # the grid looked at least often, with its nearest ones, until each was looked at twice
            fits = _fitting(problem, labels)
            looked = np.where(fits, times, 2)
            centre = int(np.argmin(looked))
            if looked[centre] >= 2:
                break
            around = _nearest(centre, neighbours, fits, window)
            times[around] += 1
            times[centre] += 1
            changed = _better(problem, labels, everything, index, around, nodes, time_limit, most_off)
            if changed is not labels:
                labels = changed
                neighbours = _neighbours(problem, labels, grids)
        if before is labels:
            break
    return labels


class _Index:
    """The sets of a pool by their first unit."""

    def __init__(self, pool: Pool, units: int) -> None:
        first = pool.members[pool.start[:-1]]
        self.order = np.argsort(first, kind="stable")
        self.start = np.searchsorted(first[self.order], np.arange(units + 1))

    def within(self, pool: Pool, inside: Flags) -> Numbers:
        """The sets that lie wholly in the marked units."""
        candidates = np.concatenate(
            [self.order[self.start[u] : self.start[u + 1]] for u in np.flatnonzero(inside)]
        )
        start, members = take_sets(pool.start, pool.members, candidates)
        if not len(candidates):
            return candidates
        whole = np.add.reduceat((~inside[members]).astype(np.int64), start[:-1]) == 0
        return np.sort(candidates[whole])


def _fitting(problem: Problem, labels: Numbers) -> Flags:
    return Pool.of_plan(problem, labels).feasible(problem)


def _neighbours(problem: Problem, labels: Numbers, grids: int) -> list[Numbers]:
    graph = problem.graph
    a, b = labels[graph.rows()], labels[graph.indices]
    pairs = np.unique((a * grids + b)[a != b])
    of, beside = np.divmod(pairs, grids)
    return np.split(beside, np.searchsorted(of, np.arange(1, grids)))


def _nearest(centre: int, neighbours: list[Numbers], fits: Flags, window: int) -> Numbers:
    """Up to `window` grids reached first from the centre, those in range only."""
    found, queue = [centre], [centre]
    seen = {centre}
    while queue and len(found) < window:
        for g in neighbours[queue.pop(0)]:
            grid = int(g)
            if grid not in seen and fits[grid]:
                seen.add(grid)
                found.append(grid)
                queue.append(grid)
    return np.array(found[:window], dtype=np.int64)


def _better(
    problem: Problem,
    labels: Numbers,
    pool: Pool,
    index: _Index,
    around: Numbers,
    nodes: int,
    time_limit: float | None,
    most_off: float | None,
) -> Numbers:
    """The plan with the grids `around` chosen anew; the same object where there is no better choice."""
    if not len(around):
        return labels
    inside = np.isin(labels, around)
    columns = index.within(pool, inside)
    units = int(inside.sum())
    start, members = take_sets(pool.start, pool.members, columns)
    borne = None if most_off is None else off_target(problem, start, members)
    members = (np.cumsum(inside) - 1)[members].astype(np.int32)
    cost = pool.cost[columns]
    # what the window pays for its outer border is in both sums
    own = Pool.of_plan(problem, labels).take(np.sort(around))
    now = float(own.cost.sum())
    burden = None
    if borne is not None and most_off is not None:
        # what the grids outside the window are off is fixed
        every = Pool.of_plan(problem, labels)
        off = off_target(problem, every.start, every.members)
        burden = Burden(borne, most_off - float(off.sum() - off[around].sum()))
    master = Master(
        units, len(around), 10.0 * max(float(np.abs(cost).max()), 1.0),
        most=None if burden is None else burden.most,
    )  # fmt: skip
    master.add(start, members, cost, borne)
    relaxed = master.solve()
    if relaxed.value > now - BETTER:
        return labels
    reduced = cost - relaxed.count_price - np.add.reduceat(relaxed.price[members], start[:-1])
    if borne is not None:
        reduced -= relaxed.burden_price * borne
    kept = np.flatnonzero(reduced <= now - relaxed.value + BETTER)
    if len(kept) > IP_COLUMNS:
        kept = np.sort(kept[np.argsort(reduced[kept], kind="stable")[:IP_COLUMNS]])
    first = np.flatnonzero(np.isin(pool.hash[columns[kept]], own.hash))
    start, members = take_sets(start, members, kept)
    chosen = choose_sets(
        units,
        len(around),
        start,
        members,
        cost[kept],
        nodes=nodes,
        first=first if len(first) == len(around) else None,
        time_limit=time_limit,
        burden=None if burden is None else burden.of(kept),
    )
    if chosen is None or float(cost[kept[chosen]].sum()) > now - BETTER:
        return labels
    result = labels.copy()
    for grid, column in zip(np.sort(around), columns[kept[chosen]], strict=True):
        result[pool.members[pool.start[column] : pool.start[column + 1]]] = grid
    return result
