"""Random spanning trees of a few units, for compiled code."""

from __future__ import annotations

import numba
import numpy as np

from partition.rng import draw


@numba.njit(cache=True)
def span(members, position, indptr, indices, cost, walk, state):  # type: ignore[no-untyped-def]
    """A random spanning tree of the units `members`, biased to run across costly borders (so that cheap ones
    are cut).

    `position` maps a unit to its place in `members`, -1 for others. Returns order (places, parents before
    children) and parent (by place, -1 for the root); order is shorter than members where they do not hang
    together.
    """
    n = len(members)
    count = 0
    for p in range(n):
        u = members[p]
        for arc in range(indptr[u], indptr[u + 1]):
            if walk[arc] and position[indices[arc]] > p:
                count += 1
    tail = np.empty(count, np.int64)
    head = np.empty(count, np.int64)
    key = np.empty(count, np.float64)
    count = 0
    for p in range(n):
        u = members[p]
        for arc in range(indptr[u], indptr[u + 1]):
            q = position[indices[arc]]
            if walk[arc] and q > p:
                tail[count] = p
                head[count] = q
                key[count] = draw(state) / (1.0 + max(cost[arc], 0.0))
                count += 1
    # Kruskal
    root = np.arange(n)
    degree = np.zeros(n + 1, np.int64)
    taken = np.empty(n, np.int64)
    edges = 0
    for e in np.argsort(key, kind="mergesort"):
        a = tail[e]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        b = head[e]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a != b:
            root[a] = b
            taken[edges] = e
            edges += 1
            degree[tail[e]] += 1
            degree[head[e]] += 1
            if edges == n - 1:
                break
    start = np.zeros(n + 1, np.int64)
    for p in range(n):
        start[p + 1] = start[p] + degree[p]
    fill = start[:n].copy()
    neighbour = np.empty(2 * edges, np.int64)
    for t in range(edges):
        a = tail[taken[t]]
        b = head[taken[t]]
        neighbour[fill[a]] = b
        fill[a] += 1
        neighbour[fill[b]] = a
        fill[b] += 1
    # depth first, so that a subtree is a run of the order
    order = np.empty(n, np.int64)
    parent = np.full(n, -1, np.int64)
    seen = np.zeros(n, np.bool_)
    stack = np.empty(n + 1, np.int64)
    first = min(int(draw(state) * n), n - 1)
    stack[0] = first
    seen[first] = True
    top = 1
    reached = 0
    while top > 0:
        top -= 1
        p = stack[top]
        order[reached] = p
        reached += 1
        for i in range(start[p], start[p + 1]):
            q = neighbour[i]
            if not seen[q]:
                seen[q] = True
                parent[q] = p
                stack[top] = q
                top += 1
    return order[:reached], parent
