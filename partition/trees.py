"""Random spanning trees of a few grids, and what lies on either side of each of their branches."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from partition.arrays import Lengths, Numbers
from partition.rng import draw

LOAD = 8  # the first of the columns of loads in `Room.sums`

Places = npt.NDArray[np.int32]


class Room(NamedTuple):
    """Room to work in, for sets of at most so many units and borders between them.

    By unit of the whole problem (shared by all threads, who never meet at one unit): `mark`, `place` (a
    unit's place in `members`). By place: `members`, the spanning tree (`order`: parents before children, a
    branch is a run of it; `parent`, `depth`, `size` of the branch) and `sums` over the branch (see
    `weigh_tree`), `fast`: frozen units in it. By border: `tail`, `head`, `key`, `turn`.
    """

    mark: Numbers
    place: Places
    members: Places
    order: Places
    parent: Places
    depth: Places
    size: Places
    first: Places
    link: Places
    to: Places
    sums: Lengths
    fast: Places
    tail: Places
    head: Places
    key: Lengths
    turn: Places


@numba.njit(cache=True, nogil=True)
def make_room(mark, place, units, borders, measures):  # type: ignore[no-untyped-def]
    """Room for sets of so many units with so many borders inside."""
    return Room(
        mark,
        place,
        np.empty(units + 1, np.int32),
        np.empty(units, np.int32),
        np.empty(units, np.int32),
        np.empty(units, np.int32),
        np.empty(units, np.int32),
        np.empty(units, np.int32),
        np.empty(2 * units, np.int32),
        np.empty(2 * units, np.int32),
        np.empty((units, LOAD + measures)),
        np.empty((units, 2), np.int32),
        np.empty(borders, np.int32),
        np.empty(borders, np.int32),
        np.empty(borders),
        np.empty(borders, np.int32),
    )


@numba.njit(cache=True, nogil=True)
def gather(ground, labels, u, a, b, room, stamp):  # type: ignore[no-untyped-def]
    """Put the units that are walked to from `u` within grids `a` and `b` into `room.members`, mark them with
    `stamp`, and return how many there are.
    """
    room.mark[u] = stamp
    room.place[u] = 0
    room.members[0] = u
    m = 1
    done = 0
    while done < m:
        v = room.members[done]
        done += 1
        for arc in range(ground.indptr[v], ground.indptr[v + 1]):
            w = ground.indices[arc]
            if (labels[w] == a or labels[w] == b) and room.mark[w] != stamp and ground.walk[arc]:
                room.mark[w] = stamp
                room.place[w] = m
                room.members[m] = w
                m += 1
    return m


@numba.njit(cache=True, nogil=True)
def grow_tree(ground, m, even, room, stamp, state):  # type: ignore[no-untyped-def]
    """A random spanning tree of the `m` gathered units (Kruskal with random keys), biased to run across
    costly borders so that cheap ones are cut; the greater `even` (weighted m), the less.
    """
    edges = 0
    for p in range(m):
        u = room.members[p]
        room.first[p] = -1
        room.size[p] = p  # root of its piece, for now
        for arc in range(ground.indptr[u], ground.indptr[u + 1]):
            v = ground.indices[arc]
            if v > u and room.mark[v] == stamp and ground.walk[arc]:
                room.tail[edges] = p
                room.head[edges] = room.place[v]
                room.key[edges] = draw(state) / (even + max(ground.cost[arc], 0.0))
                room.turn[edges] = edges
                edges += 1
    sort_by_key(room.key, room.turn, edges)
    root = room.size
    links = 0
    for i in range(edges):
        e = room.turn[i]
        a = room.tail[e]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        b = room.head[e]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a != b:
            root[a] = b
            p = room.tail[e]
            q = room.head[e]
            room.to[links] = q
            room.link[links] = room.first[p]
            room.first[p] = links
            room.to[links + 1] = p
            room.link[links + 1] = room.first[q]
            room.first[q] = links + 1
            links += 2
            if links == 2 * (m - 1):
                break
    # depth first; the stack grows at the end of `order` that is not yet filled
    start = min(int(draw(state) * m), m - 1)
    top = m - 1
    room.order[top] = start
    room.parent[start] = -1
    room.depth[start] = 0
    for i in range(m):
        p = room.order[top]
        top += 1
        room.order[i] = p
        at = room.first[p]
        while at >= 0:
            q = room.to[at]
            if q != room.parent[p]:
                room.parent[q] = p
                room.depth[q] = room.depth[p] + 1
                top -= 1
                room.order[top] = q
            at = room.link[at]


@numba.njit(cache=True, nogil=True)
def sort_by_key(key, turn, count):  # type: ignore[no-untyped-def]
    """Order the first `count` of `turn` by their key (Shell's sort)."""
    gap = max(count // 2, 1)
    while gap > 0:
        for i in range(gap, count):
            e = turn[i]
            k = key[e]
            j = i
            while j >= gap and key[turn[j - gap]] > k:
                turn[j] = turn[j - gap]
                j -= gap
            turn[j] = e
        gap = max(gap * 4 // 9, 1) if gap > 1 else 0


@numba.njit(cache=True, nogil=True)
def weigh_tree(ground, labels, m, a, b, borders, room, stamp):  # type: ignore[no-untyped-def]
    """Sum up every branch of the tree into `room.sums`, `room.size` and `room.fast`.

    Columns: 0 area; 1 cost of all borders of its units within the set, 2 of those inside the branch (so the
    cut is 1 - 2·2); 3 and 5 their lengths; 4 the units' outlines; 6, 7 cost of moved households if the branch
    is grid `b`, `a`; from LOAD the loads. `fast`: frozen units of grid `a`, of grid `b`. Without `borders`
    columns 1, 2, 3 and 5 stay 0; they take as many steps a unit as the tree is high.
    """
    sums = room.sums
    measures = ground.load.shape[1]
    for p in range(m):
        u = room.members[p]
        sums[p, 0] = ground.area[u]
        sums[p, 1] = 0.0
        sums[p, 2] = 0.0
        sums[p, 3] = 0.0
        sums[p, 4] = ground.around[u]
        sums[p, 5] = 0.0
        sums[p, 6] = 0.0 if ground.previous[u] == b else ground.stays[u]
        sums[p, 7] = 0.0 if ground.previous[u] == a else ground.stays[u]
        for j in range(measures):
            sums[p, LOAD + j] = ground.load[u, j]
        room.size[p] = 1
        room.fast[p, 0] = 1 if ground.frozen[u] and labels[u] == a else 0
        room.fast[p, 1] = 1 if ground.frozen[u] and labels[u] == b else 0
    for p in range(m if borders else 0):
        u = room.members[p]
        for arc in range(ground.indptr[u], ground.indptr[u + 1]):
            v = ground.indices[arc]
            if room.mark[v] != stamp:
                continue
            sums[p, 1] += ground.cost[arc]
            sums[p, 3] += ground.length[arc]
            if v > u:  # the border is inside every branch that holds where both ends' ways to the root meet
                x = p
                y = room.place[v]
                while x != y:
                    if room.depth[x] >= room.depth[y]:
                        x = room.parent[x]
                    else:
                        y = room.parent[y]
                sums[x, 2] += ground.cost[arc]
                sums[x, 5] += ground.length[arc]
    for i in range(m - 1, 0, -1):
        p = room.order[i]
        q = room.parent[p]
        room.size[q] += room.size[p]
        room.fast[q, 0] += room.fast[p, 0]
        room.fast[q, 1] += room.fast[p, 1]
        for column in range(LOAD + measures):
            sums[q, column] += sums[p, column]
