"""A first plan: the units are halved along random spanning trees until there are k grids."""

from __future__ import annotations

import math

import numba
import numpy as np

from partition.arrays import Numbers
from partition.graph import Graph
from partition.rng import make_state
from partition.trees import span

TREES = 20  # tried for each halving


def seed_plan(graph: Graph, load: Numbers, k: int, seed: int) -> Numbers:
    """A grid (0 … k-1) for each unit of a connected graph, every grid connected and none empty.

    `load` is what is to be shared out evenly, by unit. Raises ValueError where there are fewer units than
    grids.
    """
    if k > len(graph):
        raise ValueError(f"{k} grids of {len(graph)} units")
    labels = np.zeros(len(graph), dtype=np.int64)
    _halve(graph.indptr, graph.indices, graph.cost, graph.walk, load, labels, k, make_state(seed))
    return labels


@numba.njit(cache=True)
def _halve(indptr, indices, cost, walk, load, labels, k, state):  # type: ignore[no-untyped-def]
    n = len(labels)
    position = np.full(n, -1, np.int64)
    wanted = np.zeros(k, np.int64)  # grids still to be made out of a label
    wanted[0] = k
    fresh = 1
    for label in range(k):
        while wanted[label] > 1:
            members = np.flatnonzero(labels == label)
            m = len(members)
            for p in range(m):
                position[members[p]] = p
            whole = 0.0
            for p in range(m):
                whole += load[members[p]]
            grids = wanted[label]
            part = grids // 2
            best = np.inf
            best_order = np.empty(0, np.int64)
            best_from = 0
            best_to = 0
            best_part = part
            for _ in range(TREES):
                order, parent = span(members, position, indptr, indices, cost, walk, state)
                size = np.ones(m, np.int64)
                weight = np.empty(m, np.float64)
                for p in range(m):
                    weight[p] = load[members[p]]
                for i in range(len(order) - 1, 0, -1):
                    p = order[i]
                    size[parent[p]] += size[p]
                    weight[parent[p]] += weight[p]
                for i in range(1, len(order)):
                    p = order[i]
                    # the subtree takes as many grids as its weight asks for
                    share = math.floor(grids * weight[p] / whole + 0.5) if whole > 0 else part
                    share = min(max(share, 1), grids - 1)
                    if size[p] < share or m - size[p] < grids - share:
                        continue
                    miss = abs(weight[p] - whole * share / grids) / (whole / grids + 1e-9)
                    miss += 0.05 * abs(share - part)  # near the middle, so that the halving ends soon
                    if miss < best - 1e-12:
                        best = miss
                        best_order = order
                        best_from = i
                        best_to = i + size[p]
                        best_part = share
            if len(best_order) == 0:  # no cut leaves both sides enough units: part with a leaf
                best_order, parent = span(members, position, indptr, indices, cost, walk, state)
                best_from = m - 1
                best_to = m
                best_part = 1
            for p in range(m):
                position[members[p]] = -1
            for i in range(best_from, best_to):
                labels[members[best_order[i]]] = fresh
            wanted[fresh] = best_part
            wanted[label] = grids - best_part
            fresh += 1
    return fresh
