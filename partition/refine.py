"""Moves that better a plan: units change grid, neighbouring grids are merged and split anew; simulated
annealing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np

from partition.arrays import Numbers
from partition.problem import Problem
from partition.rng import below, draw, make_state
from partition.trees import span

RESPLIT_SHARE = 0.03  # of the proposals merge two grids and split them anew
HOT_M, COLD_M = 150.0, 1.0  # temperatures, in weighted metres


@dataclass(frozen=True)
class Refined:
    """Labels, households outside the range in all, and the value of the objective (weighted m; the range left
    out).
    """

    labels: Numbers
    outside: float
    value: float


def refine_plan(problem: Problem, labels: Numbers, *, steps: int, seed: int) -> Refined:
    """Better a plan by `steps` proposals; grids stay connected and none gets empty. Same arguments, same
    result.

    A unit above the upper bound counts as the upper bound, so that it stays alone.
    """
    graph, balance, weights = problem.graph, problem.ranges[0], problem.weights
    best, outside, value = _anneal(
        graph.indptr, graph.indices, graph.length, graph.cost, graph.walk,
        np.minimum(problem.load[:, 0], balance.upper), graph.area, graph.outer,
        labels.astype(np.int64), int(labels.max()) + 1,
        np.array([balance.lower, balance.target, balance.upper]),
        np.array([weights.range_m, weights.deviation_m, weights.compactness_m]),
        steps, make_state(seed),
    )  # fmt: skip
    return Refined(best, outside, value)


@numba.njit(cache=True, inline="always")
def _outside(h, size):  # type: ignore[no-untyped-def]
    return max(h - size[2], size[0] - h, 0.0)


@numba.njit(cache=True, inline="always")
def _worth(h, area, perimeter, size, weight):  # type: ignore[no-untyped-def]
    """What one grid costs beside its borders and its range."""
    off = (h - size[1]) / size[1]
    # the inverse of Polsby-Popper: one snake costs more than several ragged grids
    raggedness = perimeter * perimeter / (4.0 * math.pi * area) if area > 0.0 else 1.0
    return weight[1] * off * off + weight[2] * (raggedness - 1.0)


@numba.njit(cache=True)
def _holds_without(u, label, indptr, indices, walk, labels, count, mark, stamp, stack):  # type: ignore[no-untyped-def]
    """Whether the grid still hangs together when `u` leaves it."""
    start = -1
    for arc in range(indptr[u], indptr[u + 1]):
        if walk[arc] and labels[indices[arc]] == label:
            start = indices[arc]
            break
    if start < 0:
        return False
    mark[u] = stamp
    mark[start] = stamp
    stack[0] = start
    top = 1
    reached = 1
    while top > 0:
        top -= 1
        v = stack[top]
        for arc in range(indptr[v], indptr[v + 1]):
            w = indices[arc]
            if walk[arc] and labels[w] == label and mark[w] != stamp:
                mark[w] = stamp
                stack[top] = w
                top += 1
                reached += 1
    return reached == count - 1


@numba.njit(cache=True)
def _anneal(indptr, indices, length, cost, walk, load, area, outer, labels, k, size, weight, steps, state):  # type: ignore[no-untyped-def]
    n = len(labels)
    whole = outer.copy()
    for u in range(n):
        for arc in range(indptr[u], indptr[u + 1]):
            whole[u] += length[arc]
    held = np.zeros(k)
    surface = np.zeros(k)
    around = np.zeros(k)
    count = np.zeros(k, np.int64)
    value = 0.0
    for u in range(n):
        g = labels[u]
        held[g] += load[u]
        surface[g] += area[u]
        around[g] += outer[u]
        count[g] += 1
        for arc in range(indptr[u], indptr[u + 1]):
            if labels[indices[arc]] != g:
                around[g] += length[arc]
                value += 0.5 * cost[arc]
    outside = 0.0
    for g in range(k):
        outside += _outside(held[g], size)
        value += _worth(held[g], surface[g], around[g], size, weight)
    best = labels.copy()
    best_outside = outside
    best_value = value
    mark = np.zeros(n, np.int64)
    stack = np.empty(n + 1, np.int64)
    position = np.full(n, -1, np.int64)
    if k < 2:
        return best, best_outside, best_value
    cooling = math.log(COLD_M / HOT_M) / max(steps, 1)
    for step in range(steps):
        heat = HOT_M * math.exp(cooling * step)
        u = below(state, n)
        degree = indptr[u + 1] - indptr[u]
        if degree == 0:
            continue
        arc = indptr[u] + below(state, degree)
        a = labels[u]
        b = labels[indices[arc]]
        if a == b or not walk[arc]:
            continue
        if draw(state) < RESPLIT_SHARE:
            change, change_outside, moved = _resplit(
                a, b, indptr, indices, length, cost, walk, load, area, outer, labels,
                held, surface, around, size, weight, position, state,
            )  # fmt: skip
            if not moved:
                continue
            gain = change + weight[0] * change_outside
            if gain > 0 and draw(state) >= math.exp(-gain / heat):
                for v in range(n):
                    if position[v] >= 0:
                        position[v] = -1
                continue
            for g in (a, b):
                held[g] = 0.0
                surface[g] = 0.0
                around[g] = 0.0
                count[g] = 0
            for v in range(n):
                if position[v] >= 0:
                    labels[v] = a if position[v] == 0 else b
                    position[v] = -1
            for v in range(n):
                g = labels[v]
                if g == a or g == b:  # noqa: SIM109 - numba would build a tuple
                    held[g] += load[v]
                    surface[g] += area[v]
                    around[g] += outer[v]
                    count[g] += 1
                    for e in range(indptr[v], indptr[v + 1]):
                        if labels[indices[e]] != g:
                            around[g] += length[e]
            value += change
            outside += change_outside
        else:
            if count[a] == 1:
                continue
            with_a = 0.0
            with_b = 0.0
            change = 0.0
            for e in range(indptr[u], indptr[u + 1]):
                g = labels[indices[e]]
                if g == a:
                    with_a += length[e]
                    change += cost[e]
                elif g == b:
                    with_b += length[e]
                    change -= cost[e]
            held_a = held[a] - load[u]
            held_b = held[b] + load[u]
            around_a = around[a] - whole[u] + 2.0 * with_a
            around_b = around[b] + whole[u] - 2.0 * with_b
            change += _worth(held_a, surface[a] - area[u], around_a, size, weight)
            change += _worth(held_b, surface[b] + area[u], around_b, size, weight)
            change -= _worth(held[a], surface[a], around[a], size, weight)
            change -= _worth(held[b], surface[b], around[b], size, weight)
            change_outside = (
                _outside(held_a, size)
                + _outside(held_b, size)
                - _outside(held[a], size)
                - _outside(held[b], size)
            )
            gain = change + weight[0] * change_outside
            if gain > 0 and draw(state) >= math.exp(-gain / heat):
                continue
            if not _holds_without(u, a, indptr, indices, walk, labels, count[a], mark, step + 1, stack):
                continue
            labels[u] = b
            held[a] = held_a
            held[b] = held_b
            surface[a] -= area[u]
            surface[b] += area[u]
            around[a] = around_a
            around[b] = around_b
            count[a] -= 1
            count[b] += 1
            value += change
            outside += change_outside
        if outside < best_outside - 1e-6 or (outside < best_outside + 1e-6 and value < best_value - 1e-6):
            best_outside = outside
            best_value = value
            best[:] = labels
    return best, best_outside, best_value


@numba.njit(cache=True)
def _resplit(  # type: ignore[no-untyped-def]
    a,
    b,
    indptr,
    indices,
    length,
    cost,
    walk,
    load,
    area,
    outer,
    labels,
    held,
    surface,
    around,
    size,
    weight,
    position,
    state,
):
    """The best cut of a random spanning tree over two grids. Leaves 0 (first) or 1 (second) in `position` of
    their units.
    """
    n = len(labels)
    m = 0
    for u in range(n):
        if labels[u] == a or labels[u] == b:
            m += 1
    members = np.empty(m, np.int64)
    m = 0
    for u in range(n):
        if labels[u] == a or labels[u] == b:
            members[m] = u
            position[u] = m
            m += 1
    order, parent = span(members, position, indptr, indices, cost, walk, state)
    if len(order) < m:
        for p in range(m):
            position[members[p]] = -1
        return 0.0, 0.0, False
    place = np.empty(m, np.int64)
    below_it = np.ones(m, np.int64)
    weight_of = np.empty(m)
    for i in range(m):
        place[order[i]] = i
        weight_of[i] = load[members[i]]
    for i in range(m - 1, 0, -1):
        p = order[i]
        below_it[parent[p]] += below_it[p]
        weight_of[parent[p]] += weight_of[p]
    total = held[a] + held[b]
    total_surface = surface[a] + surface[b]
    before = _worth(held[a], surface[a], around[a], size, weight) + _worth(
        held[b], surface[b], around[b], size, weight
    )
    before_outside = _outside(held[a], size) + _outside(held[b], size)
    shared = 0.0
    for p in range(m):
        u = members[p]
        for e in range(indptr[u], indptr[u + 1]):
            v = indices[e]
            if position[v] > p and labels[v] != labels[u]:
                shared += cost[e]
    best = np.inf
    best_i = -1
    best_change = 0.0
    best_outside = 0.0
    for i in range(1, m):
        p = order[i]
        inside = weight_of[p]
        now_outside = _outside(inside, size) + _outside(total - inside, size)
        if now_outside > before_outside + 20.0:
            continue
        cut = 0.0
        surface_in = 0.0
        around_in = 0.0
        around_out = 0.0
        last = i + below_it[p]
        for j in range(m):
            u = members[order[j]]
            within = i <= j < last
            edge = outer[u]
            for e in range(indptr[u], indptr[u + 1]):
                q = position[indices[e]]
                if q < 0:
                    edge += length[e]
                elif (i <= place[q] < last) != within:
                    edge += length[e]
                    cut += 0.5 * cost[e]
            if within:
                surface_in += area[u]
                around_in += edge
            else:
                around_out += edge
        now = cut - shared - before
        now += _worth(inside, surface_in, around_in, size, weight)
        now += _worth(total - inside, total_surface - surface_in, around_out, size, weight)
        if now + weight[0] * now_outside < best:
            best = now + weight[0] * now_outside
            best_i = i
            best_change = now
            best_outside = now_outside - before_outside
    if best_i < 0:
        for p in range(m):
            position[members[p]] = -1
        return 0.0, 0.0, False
    last = best_i + below_it[order[best_i]]
    for j in range(m):
        position[members[order[j]]] = 1 if best_i <= j < last else 0
    return best_change, best_outside, True
