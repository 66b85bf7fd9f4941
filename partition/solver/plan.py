"""A plan: which grid each unit of a community belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from partition.arrays import Numbers
from partition.solver.adaptation import adapt_plan
from partition.solver.balance import count_grids
from partition.solver.graph import Graph
from partition.solver.joining import Seen, join_plans
from partition.solver.problem import Problem
from partition.solver.refine import COLD_M, Refined, refine_plan
from partition.solver.seed import seed_plan

EFFORT = 10_000  # proposals by unit
SEARCHES = 16  # that the effort is shared out to, each from another first plan
RESTARTS = 2  # the same where labels keep a meaning, so that plans cannot be joined
AGREE = 2  # more searches that end in the best plan: then it will hardly be bettered
ROUNDS = 32  # of each search
HOT_M = 200.0  # weighted metres; with the wishes of a plan hills are higher than with borders alone
KEEP_BELOW_M = 40.0  # temperature (weighted m) below which the grids of a search are kept for joining
LISTED = 20_000  # possible grids at most for all of them to be listed
ALIKE = 1e-3  # households and weighted m


@dataclass(frozen=True)
class Plan:
    """`assignment` gives each unit's grid (0 … `grids`-1); `outside` is the households beyond the range,
    `value` the objective in weighted metres (see `problem.Weights`).

    Where there was a plan before, a grid keeps its number, new ones come after all numbers of before, and the
    numbers of grids that are no more hold no unit.
    """

    assignment: Numbers
    grids: int
    outside: float
    value: float

    def households(self, graph: Graph) -> Numbers:
        """Households of each grid."""
        return np.bincount(self.assignment, weights=graph.households, minlength=self.grids).astype(np.int64)


def make_plan(
    problem: Problem,
    *,
    grids: int | None = None,
    effort: int = EFFORT,
    seed: int = 0,
    threads: int = 1,
    hot_m: float = HOT_M,
    cold_m: float = COLD_M,
) -> Plan:
    """The best plan found for one community: each walkable component is divided by itself.

    `grids` fixes the number of grids in all; otherwise each component gets the number that suits its
    households, or that it had before. `effort` is counted in proposals by unit; `hot_m` and `cold_m` are the
    temperatures of `refine_plan`: a low `hot_m` stays near the previous plan.
    """
    graph = problem.graph
    component = graph.components()
    members = [np.flatnonzero(component == c) for c in range(int(component.max()) + 1)]
    members.sort(key=lambda units: int(units[0]))
    wanted = share_out(grids, graph, members) if grids is not None else [None] * len(members)
    before = _claim_grids(problem, component)
    assignment = np.full(len(graph), -1, dtype=np.int64)
    made = 0 if problem.previous is None else int(problem.previous.max(initial=-1)) + 1
    outside, value = 0.0, 0.0
    for number, (units, fixed) in enumerate(zip(members, wanted, strict=True)):
        part, names = problem.subset(units), np.empty(0, dtype=np.int64)
        if before is not None:
            names = np.unique(before[units][before[units] >= 0])
            local = np.where(before[units] >= 0, np.searchsorted(names, before[units]), -1)
            part = replace(part, previous=local)
        plan = _divide(part, fixed, effort, seed * 1_000_003 + number, threads, hot_m, cold_m)
        new = max(plan.grids - len(names), 0)
        names = np.concatenate([names, made + np.arange(new)])
        assignment[units] = names[plan.assignment]
        made, outside, value = made + new, outside + plan.outside, value + plan.value
    return Plan(assignment, made, outside, value)


def share_out(grids: int, graph: Graph, members: list[Numbers]) -> list[int]:
    """Share a fixed number of grids among components by their households: at least one each, largest
    remainder first.
    """
    households = np.array([graph.households[units].sum() for units in members], dtype=np.float64)
    room = np.array([len(units) for units in members])
    share = np.ones(len(members), dtype=np.int64)
    while share.sum() < grids and (share < room).any():
        load = np.where(share < room, households / share, -1.0)
        share[int(np.argmax(load))] += 1
    return [int(n) for n in share]


def numbers_of_grids(problem: Problem) -> list[int]:
    """The numbers of grids to try for units that hang together, the likeliest first."""
    counts = [
        count_grids(load, balance) for load, balance in zip(problem.load.T, problem.ranges, strict=True)
    ]
    least, greatest = max(count[0] for count in counts), min(count[2] for count in counts)
    before = 0 if problem.previous is None else len(np.unique(problem.previous[problem.previous >= 0]))
    best = before or round(sum(count[1] for count in counts) / len(counts))
    best = min(max(best, min(least, max(greatest, 1)), 1), max(greatest, least, 1), len(problem))
    others = sorted(range(max(least, 1), min(greatest, len(problem)) + 1), key=lambda k: (abs(k - best), k))
    return [best, *[k for k in others if k != best][:4]]


def _claim_grids(problem: Problem, component: Numbers) -> Numbers | None:
    """The previous grid of each unit; a grid that lay in several components lives on in the one that holds
    most of its households.
    """
    if problem.previous is None:
        return None
    known = np.flatnonzero(problem.previous >= 0)
    grid, where = problem.previous[known], component[known]
    weight = problem.graph.households[known] + 1.0 / (len(problem) + 1)
    pairs, pair = np.unique(np.stack([grid, where]), axis=1, return_inverse=True)
    held = np.bincount(pair.reshape(-1), weights=weight, minlength=pairs.shape[1])
    claimed: dict[int, int] = {}
    for i in np.argsort(held, kind="stable"):
        claimed[int(pairs[0, i])] = int(pairs[1, i])
    lives = np.array([claimed[int(g)] == c for g, c in zip(grid, where, strict=True)], dtype=bool)
    before = np.full(len(problem), -1, dtype=np.int64)
    before[known[lives]] = grid[lives]
    return before


def _divide(
    problem: Problem, fixed: int | None, effort: int, seed: int, threads: int, hot_m: float, cold_m: float
) -> Plan:
    """Divide units that hang together: several searches, until the best plan was found three times or the
    effort is spent; then the set partition puts the best grids of all of them together.
    """
    numbers = [min(fixed, len(problem))] if fixed is not None else numbers_of_grids(problem)
    chosen: Refined | None = None
    for k in numbers:  # the best number first; others only where it does not come out
        best = _search(problem, k, effort, seed + 104729 * k, threads, hot_m, cold_m)
        chosen = best if chosen is None else min(chosen, best, key=_merit)
        if chosen.outside == 0:
            break
    assert chosen is not None  # noqa: S101 - `numbers` is never empty
    return Plan(chosen.labels, int(chosen.labels.max()) + 1, chosen.outside, chosen.value)


def _search(
    problem: Problem, grids: int, effort: int, seed: int, threads: int, hot_m: float, cold_m: float
) -> Refined:
    """The best plan of so many grids."""
    found: list[Refined] = []
    seen = Seen(problem)
    free = problem.previous is None and problem.frozen is None
    searches = SEARCHES if free else RESTARTS
    if free:
        seen.list_all(LISTED)

    def watch(labels: Numbers, heat: float) -> None:
        if heat < KEEP_BELOW_M:
            seen.add(labels)

    for run in range(searches):
        first = _first_plan(problem, grids, seed + 7919 * run, threads)
        done = refine_plan(
            problem, first, steps=effort * len(problem) // searches, seed=seed + 31 * run, threads=threads,
            hot_m=hot_m, cold_m=cold_m, rounds=ROUNDS, watch=watch if free and not seen.complete else None,
        )  # fmt: skip
        again = sum(_is_same(done, plan) for plan in found)
        found.append(done)
        if grids == 1:
            return done
        if seen.complete and done.outside == 0:
            break
        if again >= AGREE and _merit(done) <= min(map(_merit, found)):
            joined = join_plans(problem, found, seen)
            if _is_same(joined, done):
                return done
            found.append(joined)
    return join_plans(problem, found, seen)


def _is_same(one: Refined, other: Refined) -> bool:
    return abs(one.value - other.value) + abs(one.outside - other.outside) < ALIKE


def _merit(plan: Refined) -> tuple[float, float]:
    """Less is better: the range first, to a millionth of a household, then the value."""
    return round(plan.outside, 6), round(plan.value, 3)


def _first_plan(problem: Problem, grids: int, seed: int, threads: int) -> Numbers:
    if problem.previous is not None and (problem.previous >= 0).any():
        return adapt_plan(problem, grids, seed=seed)
    return seed_plan(problem, grids, seed=seed, threads=threads)
