"""Units that stay together become one: a problem contracted, and its plan expanded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.graph import Graph, from_arcs
from partition.solver.problem import Problem

# why units could not be put together: they are more than a grid may hold, or are so with what shares their
# ground, or nobody can walk between them
Hindrance = Literal["", "large", "shared", "apart"]
What = Literal["compound", "village_group"]


@dataclass(frozen=True)
class Wish:
    """Units that should stay together: those of one compound or village group, by number, ascending."""

    name: str
    units: Numbers
    hard: bool = False
    what: What = "compound"


@dataclass(frozen=True)
class Atoms:
    """`group` gives each unit's atom (0 …), numbered by their first units; `hindrances` tells for each wish
    why it is not met, "" where it is.
    """

    group: Numbers
    hindrances: tuple[Hindrance, ...]

    def united(self) -> Flags:
        """Atoms of more than one unit."""
        return np.asarray(np.bincount(self.group) > 1)


def unite(problem: Problem, wishes: Sequence[Wish], upper: Lengths) -> Atoms:
    """Put the units of each wish together as far as one grid can hold them, the first wishes first.

    upper: what a grid may hold by each measure. A wish whose units fit only in part is not met at all. Units
    of several wishes make one atom of them.
    """
    graph = problem.graph
    group = np.arange(len(graph), dtype=np.int64)
    hindrances: list[Hindrance] = []
    for wish in wishes:
        together = np.isin(group, group[wish.units])
        hindrance: Hindrance = ""
        if (problem.load[wish.units].sum(axis=0) > upper).any():
            hindrance = "large"
        elif (problem.load[together].sum(axis=0) > upper).any():
            hindrance = "shared"
        elif graph.components(without=~together).max(initial=-1) > 0:
            hindrance = "apart"
        else:
            group[together] = group[together].min(initial=len(graph))
        hindrances.append(hindrance)
    return Atoms(np.unique(group, return_inverse=True)[1].reshape(-1), tuple(hindrances))


def contract(problem: Problem, group: Numbers) -> Problem:
    """The problem in which each group of units is one unit.

    Groups must hang together. A group is frozen where one of its units is; its previous grid is that of most
    of its households.
    """
    graph, count = problem.graph, int(group.max(initial=-1)) + 1
    if count == len(graph):
        return problem
    load = np.zeros((count, problem.load.shape[1]))
    np.add.at(load, group, problem.load)
    return replace(
        problem,
        graph=contract_graph(graph, group),
        load=load,
        previous=None if problem.previous is None else _previous(problem, group, count),
        frozen=None
        if problem.frozen is None
        else np.bincount(group, weights=problem.frozen, minlength=count) > 0,
    )


def contract_graph(graph: Graph, group: Numbers) -> Graph:
    """The graph in which each group of units is one unit; borders within a group are no more."""
    count = int(group.max(initial=-1)) + 1
    rows, cols = group[graph.rows()], group[graph.indices]
    between = rows != cols
    keys, arc = np.unique(rows[between] * count + cols[between], return_inverse=True)
    arc = arc.reshape(-1)

    def summed(values: np.ndarray, place: Numbers, length: int) -> np.ndarray:
        return np.bincount(place, weights=values, minlength=length)

    made = from_arcs(
        summed(graph.households, group, count).astype(np.int64),
        summed(graph.area, group, count),
        summed(graph.outer, group, count),
        keys // max(count, 1),
        keys % max(count, 1),
        summed(graph.length[between], arc, len(keys)),
        summed(graph.cost[between], arc, len(keys)),
        summed(graph.walk[between], arc, len(keys)) > 0,
    )
    links = {(min(pair), max(pair)) for pair in ((int(group[a]), int(group[b])) for a, b in graph.links)}
    return replace(made, links=tuple(sorted(pair for pair in links if pair[0] != pair[1])))


def _previous(problem: Problem, group: Numbers, count: int) -> Numbers:
    assert problem.previous is not None  # noqa: S101 - asked only then
    votes = np.zeros((count, int(problem.previous.max(initial=-1)) + 2))
    # units without households have a say where there are no others
    np.add.at(votes, (group, problem.previous + 1), problem.graph.households + 1e-6)
    return np.asarray(votes.argmax(axis=1) - 1, dtype=np.int64)


def pieces(graph: Graph, members: Flags) -> Numbers:
    """The piece of each unit among `members` that touch, walkable or not; -1 for the others."""
    rows, cols = graph.rows(), graph.indices
    kept = members[rows] & members[cols]
    links = coo_array((np.ones(kept.sum()), (rows[kept], cols[kept])), shape=(len(graph), len(graph)))
    _, found = connected_components(links, directed=False)
    label = np.full(len(graph), -1, dtype=np.int64)
    label[members] = np.unique(found[members], return_inverse=True)[1].reshape(-1)
    return label
