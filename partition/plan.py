"""A plan: which grid each unit of a community belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partition.arrays import Numbers
from partition.balance import count_grids
from partition.graph import Graph
from partition.problem import Problem
from partition.refine import refine_plan
from partition.seed import seed_plan

EFFORT = 10_000  # proposals by unit
RESTARTS = 2  # first plans tried for each number of grids


@dataclass(frozen=True)
class Plan:
    """`assignment` gives each unit's grid (0 … `grids`-1); `outside` is the households beyond the range,
    `value` the objective in weighted metres (see `problem.Weights`).
    """

    assignment: Numbers
    grids: int
    outside: float
    value: float

    def households(self, graph: Graph) -> Numbers:
        """Households of each grid."""
        return np.bincount(self.assignment, weights=graph.households, minlength=self.grids).astype(np.int64)


def make_plan(problem: Problem, *, grids: int | None = None, effort: int = EFFORT, seed: int = 0) -> Plan:
    """The best plan found for one community: each walkable component is divided by itself.

    `grids` fixes the number of grids in all; otherwise each component gets the number that suits its
    households.
    """
    graph = problem.graph
    component = graph.components()
    members = [np.flatnonzero(component == c) for c in range(int(component.max()) + 1)]
    members.sort(key=lambda units: int(units[0]))
    wanted = share_out(grids, graph, members) if grids is not None else [None] * len(members)
    assignment = np.full(len(graph), -1, dtype=np.int64)
    made, outside, value = 0, 0.0, 0.0
    for number, (units, fixed) in enumerate(zip(members, wanted, strict=True)):
        part = _divide(problem.subset(units), fixed, effort, seed * 1_000_003 + number)
        assignment[units] = part.assignment + made
        made, outside, value = made + part.grids, outside + part.outside, value + part.value
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


def _divide(problem: Problem, fixed: int | None, effort: int, seed: int) -> Plan:
    """Divide units that hang together."""
    graph, balance = problem.graph, problem.ranges[0]
    load = np.minimum(graph.households, int(balance.upper))
    least, best, greatest = count_grids(graph.households, balance)
    if fixed is not None:
        numbers = [min(fixed, len(graph))]
    else:
        # the best number first; others only where it does not come out
        others = sorted(range(max(least, 1), min(greatest, len(graph)) + 1), key=lambda k: (abs(k - best), k))
        numbers = [best, *[k for k in others if k != best][:4]]
    chosen: Plan | None = None
    for k in numbers:
        for restart in range(RESTARTS):
            first = seed_plan(graph, load, k, seed + 7919 * restart + 104729 * k)
            done = refine_plan(problem, first, steps=effort * len(graph), seed=seed + 31 * restart + k)
            if chosen is None or (done.outside, done.value) < (chosen.outside, chosen.value):
                chosen = Plan(done.labels, k, done.outside, done.value)
            if k == 1:
                break
        if chosen is not None and chosen.outside == 0:
            break
    assert chosen is not None  # noqa: S101 - `numbers` is never empty
    return chosen
