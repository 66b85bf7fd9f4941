"""The two moves of the search: a unit changes grid; two neighbouring grids are joined and split anew."""

from __future__ import annotations

import numba

from partition.ground import shape_cost, size_cost
from partition.trees import LOAD, gather, grow_tree, weigh_tree


@numba.njit(cache=True, nogil=True)
def flip(ground, tally, u, b, threshold, room, stamp):  # type: ignore[no-untyped-def]
    """Let unit `u` go over to the neighbouring grid `b` if that costs at most `threshold` and its own grid
    stays in one piece. Returns whether it went.
    """
    labels = tally.labels
    a = labels[u]
    if tally.units[a] == 1 or ground.frozen[u]:
        return False
    change = 0.0
    for j in range(ground.load.shape[1]):
        load = ground.load[u, j]
        if load != 0.0:
            held_a = tally.held[a, j]
            held_b = tally.held[b, j]
            change += size_cost(ground, j, held_a - load) - size_cost(ground, j, held_a)
            change += size_cost(ground, j, held_b + load) - size_cost(ground, j, held_b)
    if ground.ragged_m == 0.0 and change - ground.most[u] > threshold:
        return False
    with_a = 0.0
    with_b = 0.0
    beside = 0  # neighbours in the same grid
    for arc in range(ground.indptr[u], ground.indptr[u + 1]):
        g = labels[ground.indices[arc]]
        if g == a:
            with_a += ground.length[arc]
            change += ground.cost[arc]
            if ground.walk[arc]:
                beside += 1
        elif g == b:
            with_b += ground.length[arc]
            change -= ground.cost[arc]
    if ground.previous[u] == a:
        change += ground.stays[u]
    elif ground.previous[u] == b:
        change -= ground.stays[u]
    area = ground.area[u]
    around_a = tally.around[a] - ground.around[u] + 2.0 * with_a
    around_b = tally.around[b] + ground.around[u] - 2.0 * with_b
    if ground.ragged_m != 0.0:
        change += shape_cost(ground, tally.area[a] - area, around_a)
        change += shape_cost(ground, tally.area[b] + area, around_b)
        change -= shape_cost(ground, tally.area[a], tally.around[a])
        change -= shape_cost(ground, tally.area[b], tally.around[b])
    if change > threshold or (beside > 1 and not holds_without(ground, labels, u, beside, room, stamp)):
        return False
    labels[u] = b
    for j in range(ground.load.shape[1]):
        tally.held[a, j] -= ground.load[u, j]
        tally.held[b, j] += ground.load[u, j]
    tally.area[a] -= area
    tally.area[b] += area
    tally.around[a] = around_a
    tally.around[b] = around_b
    tally.units[a] -= 1
    tally.units[b] += 1
    return True


@numba.njit(cache=True, nogil=True)
def holds_without(ground, labels, u, beside, room, stamp):  # type: ignore[no-untyped-def]
    """Whether the grid of `u` still hangs together when `u` leaves it: all `beside` walkable neighbours in it
    are reached from one of them.
    """
    label = labels[u]
    mark = room.mark
    for arc in range(ground.indptr[u], ground.indptr[u + 1]):
        v = ground.indices[arc]
        if ground.walk[arc] and labels[v] == label:
            mark[v] = stamp  # wanted
            start = v
    mark[u] = stamp + 1  # seen
    mark[start] = stamp + 1
    room.members[0] = start
    waiting = 1
    missing = beside - 1
    done = 0
    while done < waiting:
        v = room.members[done]
        done += 1
        for arc in range(ground.indptr[v], ground.indptr[v + 1]):
            w = ground.indices[arc]
            if labels[w] == label and mark[w] != stamp + 1 and ground.walk[arc]:
                if mark[w] == stamp:
                    missing -= 1
                    if missing == 0:
                        return True
                mark[w] = stamp + 1
                room.members[waiting] = w
                waiting += 1
    return False


@numba.njit(cache=True, nogil=True)
def resplit(ground, tally, u, b, threshold, bias, room, stamp, state):  # type: ignore[no-untyped-def]
    """Join the grid of unit `u` with its neighbour `b` and split both anew at the best cut of a random
    spanning tree, if that costs at most `threshold`. Returns whether it was done.
    """
    labels = tally.labels
    a = labels[u]
    m = gather(ground, labels, u, a, b, room, stamp)
    grow_tree(ground, m, bias, room, stamp, state)
    weigh_tree(ground, labels, m, a, b, True, room, stamp)
    sums = room.sums
    measures = ground.load.shape[1]
    root = room.order[0]
    before = shape_cost(ground, tally.area[a], tally.around[a])
    before += shape_cost(ground, tally.area[b], tally.around[b])
    for j in range(measures):
        before += size_cost(ground, j, tally.held[a, j]) + size_cost(ground, j, tally.held[b, j])
    for p in range(m):
        v = room.members[p]
        if ground.previous[v] != labels[v]:
            before += ground.stays[v]
        for arc in range(ground.indptr[v], ground.indptr[v + 1]):
            w = ground.indices[arc]
            if w > v and labels[w] != labels[v] and room.mark[w] == stamp:
                before += ground.cost[arc]
    lowest = before + threshold
    chosen = -1
    swapped = False
    for i in range(1, m):
        p = room.order[i]
        now = sums[p, 1] - 2.0 * sums[p, 2]
        for j in range(measures):
            inside = sums[p, LOAD + j]
            now += size_cost(ground, j, inside) + size_cost(ground, j, sums[root, LOAD + j] - inside)
        if now > lowest and ground.ragged_m == 0.0:
            continue
        if ground.ragged_m != 0.0:
            around = sums[p, 4] - 2.0 * sums[p, 5]
            # what the rest keeps inside: all but what is inside the subtree or crosses
            crossing = sums[p, 3] - 2.0 * sums[p, 5]
            kept = sums[root, 5] - sums[p, 5] - crossing
            rest = sums[root, 4] - sums[p, 4] - 2.0 * kept
            now += shape_cost(ground, sums[p, 0], around)
            now += shape_cost(ground, sums[root, 0] - sums[p, 0], rest)
        # the subtree becomes grid b, or grid a
        frozen_a = room.fast[p, 0]
        frozen_b = room.fast[p, 1]
        if frozen_a == 0 and frozen_b == room.fast[root, 1]:
            whole = now + sums[p, 6] + sums[root, 7] - sums[p, 7]
            if whole < lowest:
                lowest = whole
                chosen = i
                swapped = False
        if frozen_b == 0 and frozen_a == room.fast[root, 0]:
            whole = now + sums[root, 6] - sums[p, 6] + sums[p, 7]
            if whole < lowest:
                lowest = whole
                chosen = i
                swapped = True
    if chosen < 0:
        return False
    p = room.order[chosen]
    inner = a if swapped else b
    outer = b if swapped else a
    for i in range(m):
        labels[room.members[room.order[i]]] = outer
    for i in range(chosen, chosen + room.size[p]):
        labels[room.members[room.order[i]]] = inner
    crossing = sums[p, 3] - 2.0 * sums[p, 5]
    tally.around[inner] = sums[p, 4] - 2.0 * sums[p, 5]
    tally.around[outer] = sums[root, 4] - sums[p, 4] - 2.0 * (sums[root, 5] - sums[p, 5] - crossing)
    tally.area[inner] = sums[p, 0]
    tally.area[outer] = sums[root, 0] - sums[p, 0]
    tally.units[inner] = room.size[p]
    tally.units[outer] = m - room.size[p]
    for j in range(measures):
        tally.held[inner, j] = sums[p, LOAD + j]
        tally.held[outer, j] = sums[root, LOAD + j] - sums[p, LOAD + j]
    return True
