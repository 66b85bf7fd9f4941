"""The two moves of the search: a unit changes grid; two neighbouring grids are joined and split anew."""

from __future__ import annotations

import numba
import numpy as np

from partition.solver.ground import shape_cost, size_cost
from partition.solver.rng import below
from partition.solver.trees import LOAD, gather, grow_tree, weigh_tree


@numba.njit(cache=True, nogil=True, inline="always")
def flip(  # type: ignore[no-untyped-def]
    units,
    arcs,
    load,
    bounds,
    outside_m,
    ragged_m,
    labels,
    grids,
    held,
    u,
    b,
    threshold,
    mark,
    queue,
    stamp,
):
    """Let unit `u` go over to the neighbouring grid `b` if that costs at most `threshold` and its own grid
    stays in one piece. Returns whether it went.
    """
    a = labels[u]
    if grids[a].units == 1 or units[u].frozen:
        return False
    change = 0.0
    for j in range(load.shape[1]):
        more = load[u, j]
        if more != 0.0:
            change += size_cost(bounds, outside_m, j, held[a, j] - more)
            change -= size_cost(bounds, outside_m, j, held[a, j])
            change += size_cost(bounds, outside_m, j, held[b, j] + more)
            change -= size_cost(bounds, outside_m, j, held[b, j])
    if ragged_m == 0.0 and change - units[u].most > threshold:
        return False
    with_a = 0.0
    with_b = 0.0
    beside = 0  # neighbours in the same grid
    for at in range(units[u].first, units[u + 1].first):
        g = labels[arcs[at].unit]
        if g == a:
            with_a += arcs[at].length
            change += arcs[at].cost
            beside += arcs[at].walk
        elif g == b:
            with_b += arcs[at].length
            change -= arcs[at].cost
    if units[u].previous == a:
        change += units[u].stays
    elif units[u].previous == b:
        change -= units[u].stays
    area = units[u].area
    around_a = grids[a].around - units[u].around + 2.0 * with_a
    around_b = grids[b].around + units[u].around - 2.0 * with_b
    if ragged_m != 0.0:
        change += shape_cost(ragged_m, grids[a].area - area, around_a)
        change += shape_cost(ragged_m, grids[b].area + area, around_b)
        change -= shape_cost(ragged_m, grids[a].area, grids[a].around)
        change -= shape_cost(ragged_m, grids[b].area, grids[b].around)
    if change > threshold:
        return False
    if beside > 1 and not holds_without(units, arcs, labels, u, beside, mark, queue, stamp):
        return False
    labels[u] = b
    for j in range(load.shape[1]):
        held[a, j] -= load[u, j]
        held[b, j] += load[u, j]
    grids[a].area -= area
    grids[b].area += area
    grids[a].around = around_a
    grids[b].around = around_b
    grids[a].units -= 1
    grids[b].units += 1
    return True


@numba.njit(cache=True, nogil=True)
def holds_without(units, arcs, labels, u, beside, mark, queue, stamp):  # type: ignore[no-untyped-def]
    """Whether the grid of `u` still hangs together when `u` leaves it: all `beside` walkable neighbours in it
    are reached from one of them.
    """
    label = labels[u]
    for at in range(units[u].first, units[u + 1].first):
        v = arcs[at].unit
        if arcs[at].walk and labels[v] == label:
            mark[v] = stamp  # wanted
            queue[0] = v
    mark[u] = stamp + 1  # seen
    mark[queue[0]] = stamp + 1
    waiting = 1
    missing = beside - 1
    done = 0
    while done < waiting:
        v = queue[done]
        done += 1
        for at in range(units[v].first, units[v + 1].first):
            w = arcs[at].unit
            if labels[w] == label and mark[w] != stamp + 1 and arcs[at].walk:
                if mark[w] == stamp:
                    missing -= 1
                    if missing == 0:
                        return True
                mark[w] = stamp + 1
                queue[waiting] = w
                waiting += 1
    return False


@numba.njit(cache=True, nogil=True)
def resplit(ground, tally, u, b, c, threshold, outside_m, bias, room, stamp, state):  # type: ignore[no-untyped-def]
    """Join the grid of unit `u` with its neighbour `b` and split both anew at the best cut of a random
    spanning tree, if that costs at most `threshold`. Returns whether it was done.

    With `c` (else -1) three grids become two, and `c` has no unit any more; not for problems with frozen
    units or a previous plan.
    """
    units, arcs, bounds = ground.units, ground.arcs, ground.bounds
    labels, grids, held = tally.labels, tally.grids, tally.held
    ragged_m = ground.ragged_m
    a = labels[u]
    m = gather(ground, labels, u, a, b, c, room, stamp)
    grow_tree(ground, m, bias, room, stamp, state)
    weigh_tree(ground, labels, m, a, b, True, room, stamp)
    sums, order, members, size, fast, mark = (
        room.sums, room.order, room.members, room.size, room.fast, room.mark,
    )  # fmt: skip
    measures = ground.load.shape[1]
    root = order[0]
    before = shape_cost(ragged_m, grids[a].area, grids[a].around)
    before += shape_cost(ragged_m, grids[b].area, grids[b].around)
    if c >= 0:
        before += shape_cost(ragged_m, grids[c].area, grids[c].around)
    for j in range(measures):
        before += size_cost(bounds, outside_m, j, held[a, j]) + size_cost(bounds, outside_m, j, held[b, j])
        if c >= 0:
            before += size_cost(bounds, outside_m, j, held[c, j])
    for p in range(m):
        v = members[p]
        if units[v].previous != labels[v]:
            before += units[v].stays
        for at in range(units[v].first, units[v + 1].first):
            w = arcs[at].unit
            if w > v and labels[w] != labels[v] and mark[w] == stamp:
                before += arcs[at].cost
    lowest = before + threshold
    chosen = -1
    swapped = False
    for i in range(1, m):
        p = order[i]
        now = sums[p, 1] - 2.0 * sums[p, 2]
        for j in range(measures):
            inside = sums[p, LOAD + j]
            now += size_cost(bounds, outside_m, j, inside) + size_cost(
                bounds, outside_m, j, sums[root, LOAD + j] - inside
            )
        if now > lowest and ragged_m == 0.0:
            continue
        if ragged_m != 0.0:
            around = sums[p, 4] - 2.0 * sums[p, 5]
            # what the rest keeps inside: all but what is inside the subtree or crosses
            crossing = sums[p, 3] - 2.0 * sums[p, 5]
            kept = sums[root, 5] - sums[p, 5] - crossing
            rest = sums[root, 4] - sums[p, 4] - 2.0 * kept
            now += shape_cost(ragged_m, sums[p, 0], around)
            now += shape_cost(ragged_m, sums[root, 0] - sums[p, 0], rest)
        # the subtree becomes grid b, or grid a
        frozen_a = fast[p, 0]
        frozen_b = fast[p, 1]
        if frozen_a == 0 and frozen_b == fast[root, 1]:
            whole = now + sums[p, 6] + sums[root, 7] - sums[p, 7]
            if whole < lowest:
                lowest = whole
                chosen = i
                swapped = False
        if frozen_b == 0 and frozen_a == fast[root, 0]:
            whole = now + sums[root, 6] - sums[p, 6] + sums[p, 7]
            if whole < lowest:
                lowest = whole
                chosen = i
                swapped = True
    if chosen < 0:
        return False
    p = order[chosen]
    inner = a if swapped else b
    outer = b if swapped else a
    for i in range(m):
        labels[members[order[i]]] = outer
    for i in range(chosen, chosen + size[p]):
        labels[members[order[i]]] = inner
    crossing = sums[p, 3] - 2.0 * sums[p, 5]
    grids[inner].around = sums[p, 4] - 2.0 * sums[p, 5]
    grids[outer].around = sums[root, 4] - sums[p, 4] - 2.0 * (sums[root, 5] - sums[p, 5] - crossing)
    grids[inner].area = sums[p, 0]
    grids[outer].area = sums[root, 0] - sums[p, 0]
    grids[inner].units = size[p]
    grids[outer].units = m - size[p]
    for j in range(measures):
        held[inner, j] = sums[p, LOAD + j]
        held[outer, j] = sums[root, LOAD + j] - sums[p, LOAD + j]
    if c >= 0:
        _clear(grids, held, c)
    return True


@numba.njit(cache=True, nogil=True)
def third_grid(units, arcs, labels, u, v, state):  # type: ignore[no-untyped-def]
    """A grid that touches unit `v`, beside those of `u` and `v`; -1 if the draw hits none."""
    first = units[v].first
    at = first + below(state, units[v + 1].first - first)
    c = labels[arcs[at].unit]
    return c if c != labels[u] and c != labels[v] and arcs[at].walk else -1


@numba.njit(cache=True, nogil=True)
def could_be(grids, held, bounds, a, b, c):  # type: ignore[no-untyped-def]
    """Whether what grids `a`, `b` and `c` (or -1) hold is enough for so many grids and not too much."""
    for j in range(held.shape[1]):
        whole = held[a, j] + held[b, j] + (held[c, j] if c >= 0 else 0.0)
        if whole < grids * bounds[j, 0] or whole > grids * bounds[j, 1]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _clear(grids, held, g):  # type: ignore[no-untyped-def]
    grids[g].units = 0
    grids[g].area = 0.0
    grids[g].around = 0.0
    for j in range(held.shape[1]):
        held[g, j] = 0.0


@numba.njit(cache=True, nogil=True)
def divide(ground, tally, u, b, c, threshold, outside_m, bias, room, stamp, state):  # type: ignore[no-untyped-def]
    """Make three grids of the grid of unit `u` and its neighbour `b`, if that costs at most `threshold`; the
    third is `c`, which has no unit yet. A branch of one tree is cut off, a second tree halves the rest.

    Returns whether it was done. Not for problems with frozen units or a previous plan.
    """
    units, arcs, bounds = ground.units, ground.arcs, ground.bounds
    labels, grids, held = tally.labels, tally.grids, tally.held
    sums, order, members, size = room.sums, room.order, room.members, room.size
    ragged_m = ground.ragged_m
    measures = ground.load.shape[1]
    a = labels[u]
    change = -shape_cost(ragged_m, grids[a].area, grids[a].around)
    change -= shape_cost(ragged_m, grids[b].area, grids[b].around)
    for j in range(measures):
        change -= size_cost(bounds, outside_m, j, held[a, j]) + size_cost(bounds, outside_m, j, held[b, j])
    whole = gather(ground, labels, u, a, b, -1, room, stamp)
    if whole < 3:
        return False
    for p in range(whole):
        v = members[p]
        room.kept[p] = v
        room.was[p] = labels[v]
        for at in range(units[v].first, units[v + 1].first):
            w = arcs[at].unit
            if w > v and labels[w] != labels[v] and room.mark[w] == stamp:
                change -= arcs[at].cost
    grow_tree(ground, whole, bias, room, stamp, state)
    weigh_tree(ground, labels, whole, a, b, True, room, stamp)
    chosen, cost = _cheapest_branch(ground, whole, 2, outside_m, room)
    if chosen < 0 or change + cost > threshold:
        return False
    p = order[chosen]
    area, around, count = sums[p, 0], sums[p, 4] - 2.0 * sums[p, 5], size[p]
    change += sums[p, 1] - 2.0 * sums[p, 2] + shape_cost(ragged_m, area, around)
    for j in range(measures):
        held[c, j] = sums[p, LOAD + j]
        change += size_cost(bounds, outside_m, j, held[c, j])
    start = members[order[0]]
    for i in range(whole):
        labels[members[order[i]]] = c if chosen <= i < chosen + count else a
    m = gather(ground, labels, start, a, a, a, room, stamp + 1)
    grow_tree(ground, m, bias, room, stamp + 1, state)
    weigh_tree(ground, labels, m, a, a, True, room, stamp + 1)
    chosen, cost = _cheapest_branch(ground, m, 1, outside_m, room)
    if chosen < 0 or change + cost > threshold:
        for q in range(whole):
            labels[room.kept[q]] = room.was[q]
        for j in range(measures):
            held[c, j] = 0.0
        return False
    p = order[chosen]
    root = order[0]
    for i in range(chosen, chosen + size[p]):
        labels[members[order[i]]] = b
    crossing = sums[p, 3] - 2.0 * sums[p, 5]
    grids[c].units = count
    grids[c].area = area
    grids[c].around = around
    grids[b].units = size[p]
    grids[b].area = sums[p, 0]
    grids[b].around = sums[p, 4] - 2.0 * sums[p, 5]
    grids[a].units = m - size[p]
    grids[a].area = sums[root, 0] - sums[p, 0]
    grids[a].around = sums[root, 4] - sums[p, 4] - 2.0 * (sums[root, 5] - sums[p, 5] - crossing)
    for j in range(measures):
        held[b, j] = sums[p, LOAD + j]
        held[a, j] = sums[root, LOAD + j] - sums[p, LOAD + j]
    return True


@numba.njit(cache=True, nogil=True)
def _cheapest_branch(ground, m, parts, outside_m, room):  # type: ignore[no-untyped-def]
    """Where in the order the branch starts that is best made a grid, the rest being `parts` grids (if there
    are two, they are taken as equal and as round as can be); -1 if there is none. And what it costs.
    """
    bounds, ragged_m, sums = ground.bounds, ground.ragged_m, room.sums
    root = room.order[0]
    lowest = np.inf
    chosen = -1
    for i in range(1, m):
        p = room.order[i]
        if m - room.size[p] < parts:
            continue
        now = sums[p, 1] - 2.0 * sums[p, 2]
        for j in range(ground.load.shape[1]):
            inside = sums[p, LOAD + j]
            now += size_cost(bounds, outside_m, j, inside)
            now += parts * size_cost(bounds, outside_m, j, (sums[root, LOAD + j] - inside) / parts)
        if now >= lowest:
            continue
        if ragged_m != 0.0:
            now += shape_cost(ragged_m, sums[p, 0], sums[p, 4] - 2.0 * sums[p, 5])
            if parts == 1:
                crossing = sums[p, 3] - 2.0 * sums[p, 5]
                rest = sums[root, 4] - sums[p, 4] - 2.0 * (sums[root, 5] - sums[p, 5] - crossing)
                now += shape_cost(ragged_m, sums[root, 0] - sums[p, 0], rest)
        if now < lowest:
            lowest = now
            chosen = i
    return chosen, lowest
