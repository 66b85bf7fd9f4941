"""The cheapest grid at given prices, root by root: a branch and bound on minimum cuts.

The root of a set is its unit of highest rank (see `rank_units`), so that each set has one root and the sets
of a root hold only units that rank below it. For given prices of the units the cost of a set, half its cut
borders less its prices, is a submodular function; what connectedness and the range ask for is left out or
priced by a multiplier, and so one minimum cut bounds all sets that hold some units and leave others out. The
cut is kept as a flow that only grows while units are decided.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.pool import STRICT, Leniency, Members, capped_load
from partition.solver.problem import Problem

FREE, IN, OUT = 0, 1, 2
SLIGHT = 1e-9
EACH = 12  # sets told of each root


@dataclass(frozen=True)
class Priced:
    """By root (as asked): `lower` bounds the reduced cost of its sets, at most 0; `nodes` of the search. The
    sets found with a reduced cost below the ceiling, as CSR (`start`, `members`), and their `count` by root.
    """

    lower: Lengths
    nodes: Numbers
    count: Numbers
    start: Numbers
    members: Members


def rank_units(problem: Problem) -> Numbers:
    """The rank of each unit: 0 for the one with the greatest load (in upper bounds of the measures) times the
    square of its neighbours. Without such units what is left falls apart, so that later roots have little to
    search.
    """
    graph = problem.graph
    upper = np.array([balance.upper for balance in problem.ranges])
    neighbours = np.bincount(graph.rows()[graph.walk], minlength=len(problem))
    weight = (capped_load(problem) / upper).max(axis=1) * neighbours**2
    rank = np.empty(len(problem), dtype=np.int64)
    rank[np.lexsort((np.arange(len(problem)), -weight))] = np.arange(len(problem))
    return rank


def price_sets(
    problem: Problem,
    price: Lengths,
    count_price: float,
    roots: Numbers,
    *,
    ceiling: float,
    most_nodes: int,
    each: int = EACH,
    threads: int = 1,
    stop: Flags | None = None,
    leniency: Leniency = STRICT,
) -> Priced:
    """Search the `each` cheapest sets of each root by border cost alone (and by what is outside the range
    where that may be, see `pool.Leniency`), those with a reduced cost below `ceiling`.

    What is left after `most_nodes` of a root is left alone; `lower` is valid all the same. Whoever sets
    `stop[0]` meanwhile ends the search early, likewise.
    """
    graph = problem.graph
    load = capped_load(problem)
    bounds = np.array([[b.lower, b.upper] for b in problem.ranges], dtype=np.float64)
    rank = rank_units(problem)
    stop = np.zeros(1, np.bool_) if stop is None else stop
    owed, count_owed = leniency.owed(len(problem))
    price, count_price = price + owed, count_price + count_owed

    def task(root: int) -> tuple[float, int, Numbers, Numbers]:
        lower, nodes, start, members = _search(
            root, rank, graph.indptr, graph.indices, graph.cost, graph.walk, load, bounds,
            price, count_price, ceiling, most_nodes, each, stop, leniency.outside_m, leniency.most,
        )  # fmt: skip
        return float(lower), int(nodes), start, members

    if threads > 1:
        with ThreadPoolExecutor(threads) as executor:
            answers = list(executor.map(task, [int(r) for r in roots]))
    else:
        answers = [task(int(r)) for r in roots]
    starts, end = [np.zeros(1, np.int64)], 0
    for _, _, start, _ in answers:
        starts.append(start[1:] + end)
        end += int(start[-1])
    return Priced(
        np.array([answer[0] for answer in answers]),
        np.array([answer[1] for answer in answers], dtype=np.int64),
        np.array([len(answer[2]) - 1 for answer in answers], dtype=np.int64),
        np.concatenate(starts),
        np.concatenate([answer[3] for answer in answers]).astype(np.int32),
    )


@numba.njit(cache=True, nogil=True)
def _saturate(  # type: ignore[no-untyped-def]
    bound, best, status, residual, first, head, capacity, back, sink, queue, came
):
    """Push along shortest paths from free units that would rather be in to such as would rather be out, until
    there is none or the bound, which each push lifts, reaches `best`. Returns the bound. No arc with capacity
    leads to a unit that is decided.
    """
    m = len(status)
    while bound < best:
        # against the arcs, from all that would rather be out at once
        top = 0
        for i in range(m):
            sink[i] = -1
            if status[i] == FREE and residual[i] < -SLIGHT:
                sink[i] = i
                queue[top] = i
                top += 1
        done = 0
        source = -1
        while done < top and source < 0:
            v = queue[done]
            done += 1
            for arc in range(first[v], first[v + 1]):
                w = head[arc]
                if sink[w] >= 0 or capacity[back[arc]] <= SLIGHT:
                    continue
                sink[w] = sink[v]
                came[w] = arc
                if residual[w] > SLIGHT:
                    source = w
                    break
                queue[top] = w
                top += 1
        if source < 0:
            break
        end = sink[source]
        push = min(residual[source], -residual[end])
        w = source
        while w != end:
            push = min(push, capacity[back[came[w]]])
            w = head[back[came[w]]]
        w = source
        while w != end:
            capacity[back[came[w]]] -= push
            capacity[came[w]] += push
            w = head[back[came[w]]]
        residual[source] -= push
        residual[end] += push
        bound += push
    return bound


@numba.njit(cache=True, nogil=True)
def _nearby(root, rank, indptr, indices, walk, load, upper):  # type: ignore[no-untyped-def]
    """Units that can be in a set of this root: ranked below it and reached within the upper bounds. First the
    root.
    """
    n = len(rank)
    units = np.empty(n, np.int64)
    place = np.full(n, -1, np.int64)
    reach = np.full(n, np.inf)
    done = np.zeros(n, np.bool_)
    reach[root] = load[root, 0]
    frontier = np.empty(n, np.int64)
    frontier[0] = root
    waiting = 1
    count = 0
    while waiting > 0:
        best = 0
        for q in range(1, waiting):
            if reach[frontier[q]] < reach[frontier[best]]:
                best = q
        u = frontier[best]
        waiting -= 1
        frontier[best] = frontier[waiting]
        done[u] = True
        place[u] = count
        units[count] = u
        count += 1
        for arc in range(indptr[u], indptr[u + 1]):
            v = indices[arc]
            if not walk[arc] or done[v] or rank[v] < rank[root]:
                continue
            far = reach[u] + load[v, 0]
            if far > upper + SLIGHT or far >= reach[v]:
                continue
            if reach[v] == np.inf:
                frontier[waiting] = v
                waiting += 1
            reach[v] = far
    return units[:count].copy(), place


@numba.njit(cache=True, nogil=True)
def _is_known(piece, value, place, found_units, found_count, found_value):  # type: ignore[no-untyped-def]
    """Whether the piece is one of the sets found: several nodes of the search may end in the same."""
    count = piece.sum()
    for q in range(len(found_value)):
        if found_value[q] == value and found_count[q] == count:
            same = True
            for p in range(count):
                same = same and piece[place[found_units[q, p]]]
            if same:
                return True
    return False


@numba.njit(cache=True, nogil=True)
def _search(  # type: ignore[no-untyped-def]
    root,
    rank,
    indptr,
    indices,
    cost,
    walk,
    load,
    bounds,
    price,
    count_price,
    ceiling,
    most_nodes,
    each,
    stop,
    outside_m,
    most_outside,
):
    measures = load.shape[1]
    lower_range = bounds[0, 0]
    upper_range = bounds[0, 1]
    lenient = most_outside > 0.0
    bounds = bounds.copy()  # from here on: beyond these no set can be
    bounds[:, 0] -= most_outside
    bounds[:, 1] += most_outside
    units, place = _nearby(root, rank, indptr, indices, walk, load, bounds[0, 1])
    m = len(units)
    found_units = np.empty((each, m), np.int32)
    found_count = np.zeros(each, np.int64)
    found_value = np.full(each, np.inf)
    found = 0
    for measure in range(measures):
        total = 0.0
        for i in range(m):
            total += load[units[i], measure]
        if total < bounds[measure, 0] - SLIGHT:
            return 0.0, 0, np.zeros(1, np.int64), np.empty(0, np.int64)
    # the network: an arc for each pair that touches; capacity half the cost of its border
    first = np.zeros(m + 1, np.int64)
    for i in range(m):
        u = units[i]
        arcs = 0
        for arc in range(indptr[u], indptr[u + 1]):
            if place[indices[arc]] >= 0:
                arcs += 1
        first[i + 1] = first[i] + arcs
    total_arcs = first[m]
    head = np.empty(total_arcs, np.int64)
    back = np.empty(total_arcs, np.int64)
    weight = np.empty(total_arcs)
    passable = np.empty(total_arcs, np.bool_)
    alone = np.empty(m)  # what a unit adds whatever its neighbours here do
    held = np.empty((m, measures))
    for i in range(m):
        u = units[i]
        alone[i] = -price[u]
        for measure in range(measures):
            held[i, measure] = load[u, measure]
        e = first[i]
        for arc in range(indptr[u], indptr[u + 1]):
            v = indices[arc]
            if place[v] >= 0:
                head[e] = place[v]
                weight[e] = 0.5 * cost[arc]
                passable[e] = walk[arc]
                e += 1
            else:
                alone[i] += 0.5 * cost[arc]
    for i in range(m):
        for e in range(first[i], first[i + 1]):
            j = head[e]
            for f in range(first[j], first[j + 1]):
                if head[f] == i:
                    back[e] = f
    # the state of a node of the search; one row for each that waits
    depth_room = m + 2
    s_status = np.zeros((depth_room, m), np.int8)
    s_residual = np.zeros((depth_room, m))
    s_capacity = np.zeros((depth_room, total_arcs))
    s_bound = np.zeros(depth_room)
    s_lambda = np.zeros(depth_room)
    s_fix = np.zeros(depth_room, np.int64)  # the unit this node decides, and how
    s_how = np.zeros(depth_room, np.int8)
    status = np.zeros(m, np.int8)
    residual = np.empty(m)
    capacity = np.empty(total_arcs)
    sink = np.empty(m, np.int64)
    queue = np.empty(m + 1, np.int64)
    came = np.empty(m, np.int64)
    reach = np.empty(m)
    done = np.zeros(m, np.bool_)
    todo = np.empty(2 * m + 2, np.int64)
    chosen = np.zeros(m, np.bool_)
    piece = np.zeros(m, np.bool_)
    held_in = np.zeros(measures)
    # the first node: nothing decided but the root
    bound = -count_price
    for i in range(m):
        residual[i] = -alone[i]  # positive: would rather be in
        for e in range(first[i], first[i + 1]):
            capacity[e] = max(weight[e], 0.0)
            if weight[e] < 0.0:  # a border that pays: reckoned as cut until both sides are in
                residual[i] -= weight[e]
        if residual[i] > 0.0:
            bound -= residual[i]
    multiplier = 0.0
    s_status[0] = status
    s_residual[0] = residual
    s_capacity[0] = capacity
    s_bound[0] = bound
    s_lambda[0] = 0.0
    s_fix[0] = 0
    s_how[0] = IN
    top = 1
    nodes = 0
    best = ceiling  # nothing at or above this is of interest
    floor = 0.0  # the least bound of what was given up or found
    while top > 0:
        if nodes >= most_nodes or stop[0]:
            for q in range(top):
                floor = min(floor, s_bound[q])
            break
        top -= 1
        bound = s_bound[top]
        if bound >= best:
            floor = min(floor, bound)
            continue
        nodes += 1
        status[:] = s_status[top]
        residual[:] = s_residual[top]
        capacity[:] = s_capacity[top]
        multiplier = s_lambda[top]
        todo[0] = s_fix[top] if s_how[top] == IN else -1 - s_fix[top]
        pending = 1
        dead = False
        tuned = 0
        largest = outside_m if lenient else 0.5  # step of the multiplier
        while True:
            # decide what is to be decided, and let the flow grow
            while pending > 0:
                pending -= 1
                i = todo[pending] if todo[pending] >= 0 else -1 - todo[pending]
                how = IN if todo[pending] >= 0 else OUT
                if status[i] == how:
                    continue
                if status[i] != FREE:
                    dead = True
                    break
                status[i] = how
                if how == IN:
                    bound += max(-residual[i], 0.0)
                    for e in range(first[i], first[i + 1]):
                        if weight[e] < 0.0 and status[head[e]] == IN:
                            bound -= 2.0 * weight[e]
                else:
                    bound += max(residual[i], 0.0)
                # what it shares with a free neighbour is from now on the neighbour's alone
                for e in range(first[i], first[i + 1]):
                    j = head[e]
                    if status[j] == FREE:
                        before = max(residual[j], 0.0)
                        if how == IN:
                            bound += capacity[e]
                            residual[j] += capacity[e]
                        else:
                            residual[j] -= capacity[back[e]]
                        bound += before - max(residual[j], 0.0)
                    capacity[e] = 0.0
                    capacity[back[e]] = 0.0
            if dead:
                break
            bound = _saturate(bound, best, status, residual, first, head, capacity, back, sink, queue, came)
            if bound >= best:
                dead = True
                break
            # what can still be reached from the root within the range
            held_in[:] = 0.0
            for i in range(m):
                if status[i] == IN:
                    for measure in range(measures):
                        held_in[measure] += held[i, measure]
            for measure in range(measures):
                if held_in[measure] > bounds[measure, 1] + SLIGHT:
                    dead = True
            if dead:
                break
            done[:] = False
            reach[:] = np.inf
            reach[0] = held_in[0]
            queue[0] = 0
            waiting = 1
            within = held_in[0]
            while waiting > 0:
                q_best = 0
                for q in range(1, waiting):
                    if reach[queue[q]] < reach[queue[q_best]]:
                        q_best = q
                i = queue[q_best]
                waiting -= 1
                queue[q_best] = queue[waiting]
                done[i] = True
                if status[i] == FREE:
                    within += held[i, 0]
                for e in range(first[i], first[i + 1]):
                    j = head[e]
                    if not passable[e] or done[j] or status[j] == OUT:
                        continue
                    far = reach[i] if status[j] == IN else reach[i] + held[j, 0]
                    if far > bounds[0, 1] + SLIGHT or far >= reach[j]:
                        continue
                    if status[j] == FREE:
                        over = False
                        for measure in range(1, measures):
                            if held_in[measure] + held[j, measure] > bounds[measure, 1] + SLIGHT:
                                over = True
                        if over:
                            continue
                    if reach[j] == np.inf:
                        queue[waiting] = j
                        waiting += 1
                    reach[j] = far
            if within < bounds[0, 0] - SLIGHT:
                dead = True
                break
            for i in range(m):
                if not done[i]:
                    if status[i] == IN:
                        dead = True
                        break
                    if status[i] == FREE:
                        todo[pending] = -1 - i
                        pending += 1
                elif status[i] == FREE:
                    # a decision that would lift the bound over what is of interest is made the other way
                    if abs(residual[i]) >= best - bound:
                        floor = min(floor, bound + abs(residual[i]))
                    if bound + residual[i] >= best:
                        todo[pending] = i
                        pending += 1
                    elif bound - residual[i] >= best:
                        todo[pending] = -1 - i
                        pending += 1
            if dead:
                break
            if pending > 0:
                continue
            # the cut: all that hangs on what would rather be in
            waiting = 0
            for i in range(m):
                chosen[i] = status[i] == IN
                if status[i] == FREE and residual[i] > SLIGHT:
                    chosen[i] = True
                    queue[waiting] = i
                    waiting += 1
            while waiting > 0:
                waiting -= 1
                i = queue[waiting]
                for e in range(first[i], first[i + 1]):
                    if capacity[e] > SLIGHT and not chosen[head[e]] and status[head[e]] == FREE:
                        chosen[head[e]] = True
                        queue[waiting] = head[e]
                        waiting += 1
            cut_load = 0.0
            for i in range(m):
                if chosen[i]:
                    cut_load += held[i, 0]
            # price the range where the cut breaks it, where it may be broken for no more than that costs
            if tuned < (12 if nodes == 1 else 2) and (
                cut_load > upper_range + SLIGHT or cut_load < lower_range - SLIGHT
            ):
                # the multiplier's step: what the excess would have to pay to come back in
                excess = cut_load - upper_range if cut_load > upper_range else cut_load - lower_range
                step = (best - bound) / excess
                if abs(step) > largest:
                    step = largest if step > 0 else -largest
                if nodes > 1:
                    step *= 0.5
                target = max(min(multiplier + step, outside_m), -outside_m)
                if multiplier * target < 0.0:
                    target = 0.0
                shift = target - multiplier
                if abs(shift) > 1e-6:
                    tuned += 1
                    kept_bound = bound
                    s_status[top] = status
                    s_residual[top] = residual
                    s_capacity[top] = capacity
                    side = upper_range if (multiplier > 0.0 or target > 0.0) else lower_range
                    bound -= shift * side
                    for i in range(m):
                        more = shift * held[i, 0]
                        if status[i] == IN:
                            bound += more
                        elif status[i] == FREE:
                            # x·more joins the unit's own term
                            bound += max(residual[i], 0.0)
                            residual[i] -= more
                            bound -= max(residual[i], 0.0)
                    bound = _saturate(
                        bound, best, status, residual, first, head, capacity, back, sink, queue, came
                    )
                    if bound > kept_bound + 1e-7:
                        multiplier = target
                        if bound >= best:
                            dead = True
                            break
                        continue
                    bound = kept_bound
                    status[:] = s_status[top]
                    residual[:] = s_residual[top]
                    capacity[:] = s_capacity[top]
                    if not lenient:
                        tuned = 99
                    elif tuned < 99:
                        largest = 0.3 * abs(shift)
                        continue
            break
        if dead:
            if bound >= best:
                floor = min(floor, bound)
            continue
        # the piece of the cut that hangs on the root is a set, in range or not
        piece[:] = False
        piece[0] = True
        queue[0] = 0
        waiting = 1
        while waiting > 0:
            waiting -= 1
            i = queue[waiting]
            for e in range(first[i], first[i + 1]):
                j = head[e]
                if passable[e] and chosen[j] and not piece[j]:
                    piece[j] = True
                    queue[waiting] = j
                    waiting += 1
        true = -count_price
        fits = True
        beyond = 0.0
        for measure in range(measures):
            total = 0.0
            for i in range(m):
                if piece[i]:
                    total += held[i, measure]
            if total > bounds[measure, 1] + SLIGHT or total < bounds[measure, 0] - SLIGHT:
                fits = False
            if measure == 0:
                beyond += max(lower_range - total, total - upper_range, 0.0)
            else:
                beyond += max(
                    bounds[measure, 0] + most_outside - total, total - bounds[measure, 1] + most_outside, 0.0
                )
        if lenient:
            fits = fits and beyond <= most_outside + SLIGHT
            true += outside_m * beyond
        for i in range(m):
            if piece[i]:
                true += alone[i]
                for e in range(first[i], first[i + 1]):
                    if not piece[head[e]]:
                        true += weight[e]
        if fits and true < best:
            floor = min(floor, true)
        met = found_count[:found], found_value[:found]
        if fits and true < best and not _is_known(piece, true, place, found_units, *met):
            slot = found
            if found == each:
                slot = 0
                for q in range(1, each):
                    if found_value[q] > found_value[slot]:
                        slot = q
            else:
                found += 1
            count = 0
            for i in range(m):
                if piece[i]:
                    found_units[slot, count] = units[i]
                    count += 1
            found_value[slot] = true
            found_count[slot] = count
            if found == each:
                best = found_value.max()
        if bound >= best - 1e-7:
            floor = min(floor, bound)
            continue
        # branch on a unit beside what is in: first the one that decides most
        pick = -1
        score = -1.0
        for i in range(m):
            if status[i] != FREE:
                continue
            beside = False
            for e in range(first[i], first[i + 1]):
                if passable[e] and status[head[e]] == IN:
                    beside = True
            if not beside:
                continue
            s = held[i, 0] / upper_range + 1e-3 * abs(residual[i])
            if s > score:
                score = s
                pick = i
        if pick < 0:
            continue
        likely = IN if chosen[pick] else OUT
        for turn in range(2):
            s_status[top] = status
            s_residual[top] = residual
            s_capacity[top] = capacity
            s_bound[top] = bound
            s_lambda[top] = multiplier
            s_fix[top] = pick
            if turn == 0:
                s_how[top] = OUT if likely == IN else IN
            else:
                s_how[top] = likely
            top += 1
    found_start = np.zeros(found + 1, np.int64)
    for q in range(found):
        found_start[q + 1] = found_start[q] + found_count[q]
    found_members = np.empty(found_start[found], np.int64)
    for q in range(found):
        found_members[found_start[q] : found_start[q + 1]] = found_units[q, : found_count[q]]
    return floor, nodes, found_start, found_members
