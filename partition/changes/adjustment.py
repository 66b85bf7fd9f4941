"""An old plan brought into range again with few households moved (动态调整): local moves from the old labels.

Only grids out of range and those around them take part. A move takes a unit, with whatever would hang on it
alone, from its grid to a neighbouring one; simulated annealing weighs households out of range, households
moved, grids touched, and last the objective of a fresh plan. Where that does not bring all into range, or a
grid is far from it, the number of grids changes: an overfull grid is split, one far too small is dissolved
into its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.balance import count_grids
from partition.solver.graph import Graph
from partition.solver.problem import Problem
from partition.solver.rng import below, draw, make_state
from partition.solver.seed import seed_plan

EFFORT, FEW = 500, 40  # proposals by unit that takes part, in each run, as if they were at least so many
RUNS = 2  # from one plan, each with a seed of its own
TURNS, IDLE = 60, 12  # times that each grid is taken up anew, and in vain before it is left at that
LIMIT, LEAST = 8000, 1500  # proposals in all, by unit, of which there are counted at least so many
MAIN, BORDERS = 0.6, 0.2  # of them without a change of number, and for better borders
REACHES = (1, 2, 4, 8)  # grids this many borders away from one out of range take part
MOVED_M = 500.0  # metres of border for each household moved, unless the weights say otherwise
HOT, WARM, COLD = 20.0, 3.0, 0.05  # temperatures, in households
HOTTER = (1.0, 1.0, 4.0, 1.0, 12.0, 50.0)  # times that, when turn after turn was in vain
HEAVY = 8.0  # households moved that one household out of range is worth, when hot
PER_UNIT, PER_GRID = 0.2, 1.0  # households for each unit moved and each grid touched
SPARE = 0.1  # more households than the fewest may move where that makes better borders,
SPARE_M, SPARE_UNIT, SPARE_GRID = 25.0, 1.0, 10.0  # weighed like this
EASED = 2.0  # times the cap, where a search that heeds it from the beginning finds no plan in range
FURTHER, WASTEFUL = 2, 2.0  # changes of number beyond those needed; households moved for each too many
FEWEST = 1e-6


@dataclass(frozen=True)
class Adjusted:
    """`labels` gives each unit's grid: g < `before` is grid g of the old plan, others are new; a grid that
    was dissolved has no unit left. outside: what is out of range in all, in units of the first range. moved:
    households of the units that were in another grid before. price: what was minimised after the range, in
    households.
    """

    labels: Numbers
    before: int
    outside: float
    moved: int
    price: float

    @property
    def founded(self) -> Numbers:
        """Grids that were not there before."""
        there = np.unique(self.labels)
        return there[there >= self.before]

    @property
    def dissolved(self) -> Numbers:
        """Grids of before that are no more."""
        return np.setdiff1d(np.arange(self.before), self.labels)


def adjust_plan(
    problem: Problem,
    *,
    before: int | None = None,
    most_moved: float | None = None,
    same_number: bool = False,
    spare: float = SPARE,
    effort: int = EFFORT,
    limit: int | None = None,
    seed: int = 0,
) -> Adjusted:
    """Bring the plan `problem.previous` into range again, with the fewest households moved.

    `previous` gives each unit's grid before, -1 for new ground; `frozen` units stay. A plan that is in range,
    connected and complete comes back as it is. before: how many grids there were, where some of them have no
    unit here. most_moved: no more households than this change grid; grids are then in range, and in one
    piece, as far as that allows. same_number: grids are neither split nor dissolved. spare: this share more
    households than the fewest that were found may move where borders get better by it. effort: proposals by
    unit that takes part in a run; limit: proposals in all, `LIMIT` by unit if not given. The graph may have
    several walkable components. Raises ValueError without `previous`.
    """
    if problem.previous is None:
        raise ValueError("a problem without a previous plan")
    found = _adjust(problem, before or 0, most_moved, same_number, spare, effort, limit, seed)
    for eased in (EASED, math.inf):  # the way to few moves may lead over more
        if not most_moved or limit is not None or found.outside <= FEWEST:
            break
        cap = None if math.isinf(eased) else eased * most_moved
        other = _adjust(problem, before or 0, cap, same_number, spare, effort, limit, seed)
        if other.moved <= most_moved and _is_better(other, found):
            found = other
    return found


def _adjust(
    problem: Problem,
    before: int,
    most_moved: float | None,
    same_number: bool,
    spare: float,
    effort: int,
    limit: int | None,
    seed: int,
) -> Adjusted:
    """One search of `adjust_plan`."""
    search = _Search(problem, before, most_moved, effort, seed)
    limit = LIMIT * max(len(problem), LEAST) if limit is None else limit
    late = int(BORDERS * limit)
    search.left = limit - late if same_number else int(MAIN * limit)
    settled = settle_pieces(problem, search.before, found=not same_number, most_moved=search.cap)
    old = search.judge(settled)
    chosen = search.relieve(old)
    # one change of number after the other, as long as the plan gets better by it; the first also from the old
    # plan, since a grid that nearly died out has been filled meanwhile
    search.left = 0 if same_number else limit - late - int(MAIN * limit)
    while search.left:
        better, first = chosen, old is not chosen
        near = [*search.other_numbers(chosen), *(search.without_empty(old) if first else ())]
        for starts in (near, [*search.renumbered(old, chosen)] if first else []):
            quota = search.left // (2 * max(len(starts), 1))
            for start in starts:
                found = search.relieve(start, quota)
                if _is_better(found, better):
                    better = found
        if better is chosen:
            break
        chosen = old = better
    search.left = late
    return search.smooth(chosen, spare)


def _is_better(one: Adjusted, other: Adjusted) -> bool:
    """The range first, then households moved with what else is in the price."""
    return one.outside < other.outside - FEWEST or (
        one.outside < other.outside + FEWEST and one.price < other.price - FEWEST
    )


# --- where it starts ---


def settle_pieces(
    problem: Problem, before: int, *, found: bool = True, most_moved: float = math.inf
) -> Numbers:
    """The old labels made whole: new ground, and pieces that hang on their grid no more, join the grid beside
    them with the costliest border between; walkable components without any grid become new ones. Of each grid
    the piece with most households stays (of equal ones the first), and frozen units do.

    found: without, no grid is new as long as there is an old one: what hangs on nothing stays in its own.
    most_moved: pieces stay where they are once so many households changed grid, the largest first.
    """
    assert problem.previous is not None  # noqa: S101 - the callers see to it
    graph, labels = problem.graph, problem.previous.copy()
    frozen = _frozen(problem)
    piece = pieces(graph, labels)
    weight = np.bincount(piece, weights=graph.households + 1e-3)
    grid = np.empty(len(weight), dtype=np.int64)
    grid[piece] = labels
    order = np.lexsort((np.arange(len(weight)), -weight, grid))
    stays = np.zeros(len(weight), dtype=np.bool_)
    stays[order[np.unique(grid[order], return_index=True)[1]]] = True
    people = np.bincount(piece, weights=np.where(frozen | (labels < 0), 0, graph.households))
    people[stays] = 0.0
    order = np.argsort(people, kind="stable")
    stays[order[np.cumsum(people[order]) > most_moved]] = True
    labels[~stays[piece] & ~frozen] = -1
    _fill(graph, labels)
    if not found:
        labels = np.where(labels < 0, problem.previous, labels)
    component = graph.components()
    fresh = max(before, int(labels.max(initial=-1)) + 1)
    for number in np.unique(component[labels < 0]):
        members = np.flatnonzero(component == number)
        part = problem.subset(members)
        _, best, _ = count_grids(np.rint(part.load[:, 0]).astype(np.int64), problem.ranges[0])
        labels[members] = fresh + seed_plan(part, best, seed=0)
        fresh += best
    return labels


def pieces(graph: Graph, labels: Numbers) -> Numbers:
    """The connected piece of its grid that each unit lies in, numbered from 0."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = graph.rows()
    same = graph.walk & (labels[rows] == labels[graph.indices])
    links = coo_array(
        (np.ones(int(same.sum()), dtype=np.int8), (rows[same], graph.indices[same])),
        shape=(len(graph), len(graph)),
    )
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _fill(graph: Graph, labels: Numbers) -> None:
    """Give units without a grid that of a neighbour, ring by ring."""
    rows = graph.rows()
    while True:
        arc = np.flatnonzero(graph.walk & (labels[rows] < 0) & (labels[graph.indices] >= 0))
        if not len(arc):
            return
        width = int(labels.max()) + 1
        key, place = np.unique(rows[arc] * width + labels[graph.indices[arc]], return_inverse=True)
        pull = np.bincount(place.reshape(-1), weights=graph.cost[arc])
        unit = key // width
        order = np.lexsort((key, -pull, unit))
        _, first = np.unique(unit[order], return_index=True)
        labels[unit[order][first]] = (key % width)[order][first]


def _frozen(problem: Problem) -> Flags:
    return np.zeros(len(problem), dtype=np.bool_) if problem.frozen is None else problem.frozen


# --- the search ---


class _Search:
    """One problem with what all runs need; `left` is the number of proposals that may still be made."""

    def __init__(
        self, problem: Problem, before: int, most_moved: float | None, effort: int, seed: int
    ) -> None:
        assert problem.previous is not None  # noqa: S101 - the caller sees to it
        self.problem, self.graph, self.effort, self.seed = problem, problem.graph, effort, seed
        self.previous = problem.previous.astype(np.int64)
        self.before = max(int(self.previous.max(initial=-1)) + 1, before)
        self.cap = math.inf if most_moved is None else float(most_moved)
        self.frozen = _frozen(problem)
        self.left = 0
        # all measures in units of the first; one above the upper bound counts as the bound, so it stays alone
        self.target = np.array([balance.target for balance in problem.ranges])
        scale = self.target[0] / self.target
        self.upper = np.array([balance.upper for balance in problem.ranges]) * scale
        self.lower = np.array([balance.lower for balance in problem.ranges]) * scale
        self.load = np.minimum(problem.load * scale, self.upper)
        self.target = self.target * scale
        metre = 1.0 / (problem.weights.moved_m or MOVED_M)
        wishes = np.array([1.0, problem.weights.deviation_m, problem.weights.compactness_m])
        self.weight = np.append(metre * wishes, [PER_UNIT, PER_GRID])
        self.late_weight = np.append(wishes / SPARE_M, [SPARE_UNIT, SPARE_GRID])

    def judge(self, labels: Numbers) -> Adjusted:
        """A plan with its figures."""
        return self._anneal(labels, np.empty(0, dtype=np.int64), HOT, 0)

    def run(self, labels: Numbers, units: Numbers, hot: float) -> Adjusted:
        """The best that one run over these units finds."""
        steps = min(self.effort * max(len(units), FEW), self.left)
        self.left -= steps
        return self._anneal(labels, units, hot, steps)

    def _anneal(self, labels: Numbers, units: Numbers, hot: float, steps: int) -> Adjusted:
        graph = self.graph
        fixed = np.ones(len(graph), dtype=np.bool_)
        fixed[units] = False
        self.seed += 7919
        best, outside, moved, price = _anneal(
            graph.indptr, graph.indices, graph.length, graph.cost, graph.walk,
            self.load, graph.area, graph.outer, graph.households.astype(np.float64),
            labels.astype(np.int64), self.previous, int(labels.max()) + 1, units.astype(np.int64), fixed,
            self.lower, self.upper, self.target, self.weight, self.cap, hot, steps, make_state(self.seed),
        )  # fmt: skip
        return Adjusted(best, self.before, float(outside), round(moved), float(price))

    def relieve(self, start: Adjusted, quota: int | None = None) -> Adjusted:
        """Bring the plan into range as far as it goes with this number of grids, with at most `quota`
        proposals.

        One grid out of range after the other, with those around it; wider where that does not suffice. Then
        all that changed together, from a low temperature. Then again and again what was done around one grid
        is undone, and done anew.
        """
        kept = 0 if quota is None else max(self.left - quota, 0)
        self.left -= kept
        plan = start
        wrong = self.out_of_range(start)
        for grid in wrong.tolist():
            met = False
            for reach in REACHES:
                if not self.left or (not met and grid not in self.out_of_range(plan)):
                    break
                around = self.near(plan.labels, np.array([grid]), reach)
                plan = self.best_run(plan, around, HOT)
                if met:
                    break
                met = grid not in self.out_of_range(plan)  # one reach more may move fewer
        plan = self.polish(plan)
        idle = 0
        for turn in range(TURNS):
            if not self.left or idle == IDLE:
                break
            idle += 1
            for grid in wrong.tolist():
                again = self.redo(plan, start, grid, 1 + turn % 3, HOT * HOTTER[idle % len(HOTTER)])
                if _is_better(again, plan):
                    plan, idle = again, 0
        plan = self.polish(plan)
        self.left += kept
        return plan

    def redo(self, plan: Adjusted, start: Adjusted, grid: int, reach: int, hot: float) -> Adjusted:
        """The plan with what was done around a grid undone, and done anew."""
        window = self.near(start.labels, np.array([grid]), reach)
        labels = plan.labels.copy()
        labels[window] = start.labels[window]
        if pieces(self.graph, labels).max() > pieces(self.graph, plan.labels).max():
            # what hung on the undone units goes back too, with all that changed together with it
            window = self.linked(plan, start, grid)
            labels = plan.labels.copy()
            labels[window] = start.labels[window]
        around = self.near(labels, np.union1d(labels[window], [grid]), 1)
        if not len(around) or self.judge(labels).moved > self.cap:
            return plan
        return self.run(labels, around, hot)

    def linked(self, plan: Adjusted, start: Adjusted, grid: int) -> Numbers:
        """The units that changed in the grids that exchanged units with this one, or with one of these."""
        changed = np.flatnonzero(plan.labels != start.labels)
        old, new = start.labels[changed], plan.labels[changed]
        reached = np.zeros(int(max(start.labels.max(), plan.labels.max())) + 1, dtype=bool)
        reached[grid] = True
        while True:
            before = reached.sum()
            reached[new[reached[old]]] = True
            reached[old[reached[new]]] = True
            if reached.sum() == before:
                return changed[reached[old]]

    def polish(self, plan: Adjusted) -> Adjusted:
        """All that changed once more, together and from a low temperature."""
        changed = (plan.labels != self.previous) & (self.previous >= 0)
        grids = np.union1d(plan.labels[changed], self.previous[changed])
        grids = np.union1d(grids, self.out_of_range(plan))
        return self.best_run(plan, self.near(plan.labels, grids, 1), WARM) if len(grids) else plan

    def smooth(self, plan: Adjusted, spare: float) -> Adjusted:
        """Better borders round what changed, for a few more households than had to move."""
        if not plan.moved:
            return plan
        self.cap = min(self.cap, math.floor((1 + spare) * plan.moved))
        self.weight = self.late_weight
        plan = self.judge(plan.labels)
        while self.left:
            found = self.polish(plan)
            if not _is_better(found, plan):
                break
            plan = found
        return plan

    def best_run(self, plan: Adjusted, units: Numbers, hot: float) -> Adjusted:
        best = plan
        for _ in range(RUNS if len(units) else 0):
            found = self.run(plan.labels, units, hot)
            if _is_better(found, best):
                best = found
        return best

    def near(self, labels: Numbers, grids: Numbers, reach: int) -> Numbers:
        """Units of the grids and of those at most `reach` borders away, but for frozen ones."""
        rows = self.graph.rows()
        between = self.graph.walk & (labels[rows] != labels[self.graph.indices])
        a, b = labels[rows[between]], labels[self.graph.indices[between]]
        reached = np.zeros(max(int(labels.max()), int(grids.max())) + 1, dtype=bool)
        reached[grids] = True
        for _ in range(reach):
            reached[b[reached[a]]] = True
        return np.flatnonzero(reached[labels] & ~self.frozen)

    def held(self, labels: Numbers) -> Lengths:
        """What each grid holds by measure; rows up to the greatest label."""
        return np.stack([np.bincount(labels, weights=load) for load in self.load.T], axis=1).astype(float)

    def out_of_range(self, plan: Adjusted) -> Numbers:
        """The grids out of range, the farthest first."""
        held = self.held(plan.labels)
        there = np.bincount(plan.labels) > 0
        out = np.maximum(np.maximum(held - self.upper, self.lower - held), 0).sum(axis=1) * there
        order: Numbers = np.argsort(-out, kind="stable")
        return np.asarray(order[out[order] > FEWEST], dtype=np.int64)

    # --- another number of grids ---

    def other_numbers(self, plan: Adjusted) -> Iterator[Adjusted]:
        """Plans to start from that have one grid more or less, where there is cause: grids still out of
        range, or so far out of it in the old plan that a change of number may move fewer households.
        """
        natural = self.held(settle_pieces(self.problem, self.before))
        held = self.held(plan.labels)
        size = max(len(held), len(natural), self.before)
        natural, held = (np.pad(one, ((0, size - len(one)), (0, 0))) for one in (natural, held))
        there = np.bincount(plan.labels, minlength=size) > 0
        stuck = np.zeros(size, dtype=bool)
        stuck[plan.labels[self.frozen]] = True
        over = (held > self.upper).any(axis=1) | (natural > self.upper + self.lower).any(axis=1)
        under = (held < self.lower).any(axis=1) | (
            (natural < self.lower / 2).any(axis=1) & (natural > 0).any(axis=1)
        )
        starts = [self.split(plan, grid, size) for grid in np.flatnonzero(over & there & ~stuck).tolist()]
        starts += [self.dissolve(plan, [grid]) for grid in np.flatnonzero(under & there & ~stuck).tolist()]
        for labels in starts:
            if labels is not None:
                start = self.judge(labels)
                if start.moved <= self.cap:
                    yield start

    def without_empty(self, plan: Adjusted) -> Iterator[Adjusted]:
        """The plan without one of the grids that hold less than half of a lower bound, and without them
        all.
        """
        held = self.held(plan.labels)
        empty = (held < self.lower / 2).any(axis=1) & (np.bincount(plan.labels, minlength=len(held)) > 0)
        empty[plan.labels[self.frozen]] = False
        grids = np.flatnonzero(empty).tolist()
        for some in [*([grid] for grid in grids), *([grids] if len(grids) > 1 else [])]:
            labels = self.dissolve(plan, some)
            if labels is not None:
                start = self.judge(labels)
                if start.moved <= self.cap:
                    yield start

    def renumbered(self, plan: Adjusted, bettered: Adjusted) -> Iterator[Adjusted]:
        """The plan with its fullest grids split, or its emptiest dissolved, as many as the ranges ask for and
        up to `FURTHER` more: where keeping their number left some out of range, or moved by far more than
        those who are too many or missing.
        """
        held = self.held(plan.labels)
        there = np.bincount(plan.labels, minlength=len(held)) > 0
        stuck = np.zeros(len(held), dtype=bool)
        stuck[plan.labels[self.frozen]] = True
        total, k = held.sum(axis=0), int(there.sum())
        least, most = math.ceil((total / self.upper).max() - FEWEST), (total / self.lower).min()
        beyond = (
            np.maximum(held - self.upper, 0)[:, 0].sum(),
            np.maximum(self.lower - held, 0)[there, 0].sum(),
        )
        if least <= k <= most and bettered.outside <= FEWEST and bettered.moved <= WASTEFUL * max(beyond):
            return
        fullest = np.argsort(-(held / self.upper).max(axis=1), kind="stable")
        fullest = fullest[(there & ~stuck & (held > self.upper).any(axis=1))[fullest]].tolist()
        emptiest = np.argsort((held / self.lower).min(axis=1), kind="stable")
        emptiest = emptiest[(there & ~stuck & (held < self.lower).any(axis=1))[emptiest]].tolist()
        for grids, needed in ((fullest, max(least - k, 0)), (emptiest, max(k - math.floor(most), 0))):
            changed = plan
            for number, grid in enumerate(grids[: needed + FURTHER], 1):
                assert changed is not None  # noqa: S101 - the loop ends else
                fresh = max(int(changed.labels.max()) + 1, self.before)
                labels = (
                    self.split(changed, grid, fresh) if grids is fullest else self.dissolve(changed, [grid])
                )
                if labels is None:
                    break
                changed = self.judge(labels)
                if number >= needed and changed.moved <= self.cap:
                    yield changed

    def split(self, plan: Adjusted, grid: int, fresh: int) -> Numbers | None:
        """Half of a grid becomes the new grid `fresh`, the half that holds fewer of those who were there."""
        members = np.flatnonzero(plan.labels == grid)
        part = self.problem.subset(members)
        if len(members) < 2 or part.graph.components().max() > 0:
            return None
        half = seed_plan(part, 2, seed=self.seed)
        home = np.where(self.previous[members] == grid, self.graph.households[members], 0)
        kept = np.bincount(half, weights=home, minlength=2)
        labels = plan.labels.copy()
        labels[members[half != int(np.argmax(kept))]] = fresh
        return labels

    def dissolve(self, plan: Adjusted, grids: list[int]) -> Numbers | None:
        """Grids are shared out among their neighbours."""
        labels = plan.labels.copy()
        labels[np.isin(labels, grids)] = -1
        _fill(self.graph, labels)
        return labels if (labels >= 0).all() else None


@numba.njit(cache=True, inline="always")
def _out(held, lower, upper):  # type: ignore[no-untyped-def]
    out = 0.0
    for m in range(len(lower)):
        out += max(held[m] - upper[m], lower[m] - held[m], 0.0)
    return out


@numba.njit(cache=True, inline="always")
def _shape(held, area, around, target, weight):  # type: ignore[no-untyped-def]
    """Deviation and raggedness of one grid, in households."""
    off = (held[0] - target[0]) / target[0]
    ragged = around * around / (4.0 * math.pi * area) if area > 0.0 else 1.0
    return weight[1] * off * off + weight[2] * (ragged - 1.0)


@numba.njit(cache=True)
def _hanging(u, a, indptr, indices, walk, labels, load, mark, stamp, taken, stack):  # type: ignore[no-untyped-def]
    """`u` and what of grid `a` would be cut off if it left: `taken[:m]`. The heaviest part stays."""
    taken[0] = u
    mark[u] = stamp
    m = 1
    keep_from = -1
    keep_to = -1
    keep_load = -1.0
    for arc in range(indptr[u], indptr[u + 1]):
        v = indices[arc]
        if not walk[arc] or labels[v] != a or mark[v] == stamp:
            continue
        begin = m
        whole = 0.0
        mark[v] = stamp
        stack[0] = v
        top = 1
        while top > 0:
            top -= 1
            w = stack[top]
            taken[m] = w
            m += 1
            whole += load[w, 0] + 1e-3
            for e in range(indptr[w], indptr[w + 1]):
                x = indices[e]
                if walk[e] and labels[x] == a and mark[x] != stamp:
                    mark[x] = stamp
                    stack[top] = x
                    top += 1
        if whole > keep_load:
            keep_load = whole
            keep_from = begin
            keep_to = m
    if keep_from >= 0:
        for i in range(keep_to, m):
            taken[keep_from + i - keep_to] = taken[i]
        m -= keep_to - keep_from
    return m


@numba.njit(cache=True)
def _anneal(  # type: ignore[no-untyped-def]
    indptr, indices, length, cost, walk, load, area, outer, households, labels, previous, k, units, frozen,
    lower, upper, target, weight, cap, hot, steps, state,
):  # fmt: skip
    n = len(labels)
    measures = load.shape[1]
    held = np.zeros((k, measures))
    surface = np.zeros(k)
    around = np.zeros(k)
    count = np.zeros(k, np.int64)
    foreign = np.zeros(max(k, previous.max() + 1), np.int64)  # units that came to or left a grid
    outside = 0.0
    moved = 0.0
    price = 0.0
    for u in range(n):
        g = labels[u]
        for m in range(measures):
            held[g, m] += load[u, m]
        surface[g] += area[u]
        around[g] += outer[u]
        count[g] += 1
        if previous[u] >= 0 and previous[u] != g:
            moved += households[u]
            price += households[u] + weight[3]
            foreign[g] += 1
            foreign[previous[u]] += 1
        for arc in range(indptr[u], indptr[u + 1]):
            if labels[indices[arc]] != g:
                around[g] += length[arc]
                price += 0.5 * weight[0] * cost[arc]
    for g in range(k):
        if count[g] > 0:
            outside += _out(held[g], lower, upper)
            price += _shape(held[g], surface[g], around[g], target, weight)
    for g in range(len(foreign)):
        if foreign[g] > 0:
            price += weight[4]
    best = labels.copy()
    best_outside = outside
    best_moved = moved
    best_price = price
    mark = np.zeros(n, np.int64)
    in_set = np.zeros(n, np.int64)
    taken = np.empty(n + 1, np.int64)
    stack = np.empty(n + 1, np.int64)
    held_a = np.empty(measures)
    held_b = np.empty(measures)
    cooling = math.log(COLD / hot) / max(steps, 1)
    for step in range(steps):
        u = units[below(state, len(units))]
        degree = indptr[u + 1] - indptr[u]
        if degree == 0 or frozen[u]:
            continue
        arc = indptr[u] + below(state, degree)
        a = labels[u]
        b = labels[indices[arc]]
        if a == b or not walk[arc]:
            continue
        stamp = step + 1
        m = _hanging(u, a, indptr, indices, walk, labels, load, mark, stamp, taken, stack)
        if m >= count[a]:
            continue
        fixed = False
        for i in range(m):
            in_set[taken[i]] = stamp
            fixed = fixed or frozen[taken[i]]
        if fixed:
            continue
        for q in range(measures):
            held_a[q] = held[a, q]
            held_b[q] = held[b, q]
        surface_moved = 0.0
        around_a = around[a]
        around_b = around[b]
        change = 0.0
        change_moved = 0.0
        change_a = 0
        change_b = 0
        for i in range(m):
            v = taken[i]
            surface_moved += area[v]
            for q in range(measures):
                held_a[q] -= load[v, q]
                held_b[q] += load[v, q]
            around_a -= outer[v]
            around_b += outer[v]
            for e in range(indptr[v], indptr[v + 1]):
                w = indices[e]
                if in_set[w] == stamp:
                    continue
                g = labels[w]
                if g == a:
                    around_a += length[e]
                    around_b += length[e]
                    change += weight[0] * cost[e]
                elif g == b:
                    around_a -= length[e]
                    around_b -= length[e]
                    change -= weight[0] * cost[e]
                else:
                    around_a -= length[e]
                    around_b += length[e]
            p = previous[v]
            if p >= 0:
                if p == a:  # leaves home: both grids are touched by it
                    change_moved += households[v]
                    change += households[v] + weight[3]
                    change_a += 1
                    change_b += 1
                elif p == b:  # comes home
                    change_moved -= households[v]
                    change -= households[v] + weight[3]
                    change_a -= 1
                    change_b -= 1
                else:  # was away already, from a third grid
                    change_a -= 1
                    change_b += 1
        if moved + change_moved > cap + 1e-6 and change_moved > 0:
            continue
        change += weight[4] * (
            (foreign[a] + change_a > 0) - (foreign[a] > 0) + (foreign[b] + change_b > 0) - (foreign[b] > 0)
        )
        change += _shape(held_a, surface[a] - surface_moved, around_a, target, weight)
        change += _shape(held_b, surface[b] + surface_moved, around_b, target, weight)
        change -= _shape(held[a], surface[a], around[a], target, weight)
        change -= _shape(held[b], surface[b], around[b], target, weight)
        change_outside = (
            _out(held_a, lower, upper)
            + _out(held_b, lower, upper)
            - _out(held[a], lower, upper)
            - _out(held[b], lower, upper)
        )
        gain = change + HEAVY * change_outside
        if gain > 0.0 and draw(state) >= math.exp(-gain / (hot * math.exp(cooling * step))):
            continue
        for i in range(m):
            v = taken[i]
            labels[v] = b
        for q in range(measures):
            held[a, q] = held_a[q]
            held[b, q] = held_b[q]
        surface[a] -= surface_moved
        surface[b] += surface_moved
        around[a] = around_a
        around[b] = around_b
        count[a] -= m
        count[b] += m
        foreign[a] += change_a
        foreign[b] += change_b
        moved += change_moved
        price += change
        outside += change_outside
        if outside < best_outside - 1e-6 or (outside < best_outside + 1e-6 and price < best_price - 1e-6):
            best_outside = outside
            best_moved = moved
            best_price = price
            for i in range(len(units)):
                best[units[i]] = labels[units[i]]
    return best, best_outside, best_moved, best_price
