"""Random spanning trees of a few grids, and what lies on either side of each of their branches."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from partition.arrays import Lengths, Numbers
from partition.solver.rng import draw

LOAD = 8  # the first of the columns of loads in `Room.sums`

Places = npt.NDArray[np.int32]


class Room(NamedTuple):
    """Room to work in, for sets of at most so many units and borders between them.

    By unit of the whole problem (shared by all threads, who never meet at one unit): `mark`, `place` (a
    unit's place in `members`). By place: `members`, the spanning tree (`order`: parents before children, a
    branch is a run of it; `parent`, `depth`, `size` of the branch) and `sums` over the branch (see
    `weigh_tree`), `fast`: frozen units in it. By border: `tail`, `head`, `key`, `turn`. `kept`, `was`:
    units and their labels before, to be put back.
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
    kept: Places
    was: Places


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
        np.empty(units, np.int32),
        np.empty(units, np.int32),
    )


@numba.njit(cache=True, nogil=True)
def gather(ground, labels, u, a, b, c, room, stamp):  # type: ignore[no-untyped-def]
    """Put the units that are walked to from `u` within grids `a`, `b` and `c` into `room.members`, mark them
    with `stamp`, and return how many there are.
    """
    units, arcs = ground.units, ground.arcs
    mark, place, members = room.mark, room.place, room.members
    mark[u] = stamp
    place[u] = 0
    members[0] = u
    m = 1
    done = 0
    while done < m:
        v = members[done]
        done += 1
        for at in range(units[v].first, units[v + 1].first):
            w = arcs[at].unit
            if mark[w] == stamp or not arcs[at].walk:
                continue
            if labels[w] == a or labels[w] == b or labels[w] == c:
                mark[w] = stamp
                place[w] = m
                members[m] = w
                m += 1
    return m


@numba.njit(cache=True, nogil=True)
def grow_tree(ground, m, even, room, stamp, state):  # type: ignore[no-untyped-def]
    """A random spanning tree of the `m` gathered units (Kruskal with random keys), biased to run across
    costly borders so that cheap ones are cut; the greater `even` (weighted m), the less.
    """
    units, arcs, mark, place, members = (
        ground.units,
        ground.arcs,
        room.mark,
        room.place,
        room.members,
    )
    tail, head, key, turn = room.tail, room.head, room.key, room.turn
    first, link, to, root = room.first, room.link, room.to, room.size
    order, parent, depth = room.order, room.parent, room.depth
    edges = 0
    for p in range(m):
        u = members[p]
        first[p] = -1
        root[p] = p  # root of its piece, for now
        for at in range(units[u].first, units[u + 1].first):
            v = arcs[at].unit
            if v > u and mark[v] == stamp and arcs[at].walk:
                tail[edges] = p
                head[edges] = place[v]
                key[edges] = draw(state) / (even + max(arcs[at].cost, 0.0))
                turn[edges] = edges
                edges += 1
    sort_by_key(key, turn, edges)
    links = 0
    for i in range(edges):
        e = turn[i]
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
            p = tail[e]
            q = head[e]
            to[links] = q
            link[links] = first[p]
            first[p] = links
            to[links + 1] = p
            link[links + 1] = first[q]
            first[q] = links + 1
            links += 2
            if links == 2 * (m - 1):
                break
    # depth first; the stack grows at the end of `order` that is not yet filled
    start = min(int(draw(state) * m), m - 1)
    top = m - 1
    order[top] = start
    parent[start] = -1
    depth[start] = 0
    for i in range(m):
        p = order[top]
        top += 1
        order[i] = p
        at = first[p]
        while at >= 0:
            q = to[at]
            if q != parent[p]:
                parent[q] = p
                depth[q] = depth[p] + 1
                top -= 1
                order[top] = q
            at = link[at]


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
    units, arcs, load = ground.units, ground.arcs, ground.load
    mark, place, members, order = room.mark, room.place, room.members, room.order
    parent, depth, size, sums, fast = (
        room.parent,
        room.depth,
        room.size,
        room.sums,
        room.fast,
    )
    measures = load.shape[1]
    for p in range(m):
        u = members[p]
        sums[p, 0] = units[u].area
        sums[p, 1] = 0.0
        sums[p, 2] = 0.0
        sums[p, 3] = 0.0
        sums[p, 4] = units[u].around
        sums[p, 5] = 0.0
        sums[p, 6] = 0.0 if units[u].previous == b else units[u].stays
        sums[p, 7] = 0.0 if units[u].previous == a else units[u].stays
        for j in range(measures):
            sums[p, LOAD + j] = load[u, j]
        size[p] = 1
        fast[p, 0] = 1 if units[u].frozen and labels[u] == a else 0
        fast[p, 1] = 1 if units[u].frozen and labels[u] == b else 0
    for p in range(m if borders else 0):
        u = members[p]
        for at in range(units[u].first, units[u + 1].first):
            v = arcs[at].unit
            if mark[v] != stamp:
                continue
            sums[p, 1] += arcs[at].cost
            sums[p, 3] += arcs[at].length
            if v > u:  # the border is inside every branch that holds where both ends' ways to the root meet
                x = p
                y = place[v]
                while x != y:
                    if depth[x] >= depth[y]:
                        x = parent[x]
                    else:
                        y = parent[y]
                sums[x, 2] += arcs[at].cost
                sums[x, 5] += arcs[at].length
    for i in range(m - 1, 0, -1):
        p = order[i]
        q = parent[p]
        size[q] += size[p]
        fast[q, 0] += fast[p, 0]
        fast[q, 1] += fast[p, 1]
        for column in range(LOAD + measures):
            sums[q, column] += sums[p, column]
