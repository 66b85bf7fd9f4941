"""Every grid there could be: all connected sets of units within every range, listed root by root."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numba
import numpy as np
import numpy.typing as npt

from partition.arrays import Lengths, Numbers
from partition.errors import PartitionError
from partition.solver.pool import Members, capped_load, take_sets
from partition.solver.problem import Problem

MOST_SETS = 20_000_000  # listed at most: about 25 bytes each
ROOTS_AT_ONCE = 4  # roots a task takes: small enough that threads finish together
TOLERANCE = 1e-9  # of loads

T = TypeVar("T")


class TooManySetsError(PartitionError):
    """There are too many possible grids to list them all."""


@dataclass(frozen=True)
class Block:
    """The sets of some roots, as CSR, with the cost of each; `root_end` says where each root's sets end."""

    start: Numbers
    members: npt.NDArray[np.int16]
    cost: Lengths
    root_end: Numbers

    def __len__(self) -> int:
        return len(self.cost)


@dataclass(frozen=True)
class Catalogue:
    """All connected sets in range, in blocks. `visited` counts the sets looked at to find them."""

    blocks: tuple[Block, ...]
    visited: int

    def __len__(self) -> int:
        return sum(len(block) for block in self.blocks)

    def pick(self, chosen: list[Numbers]) -> tuple[Numbers, Members, Lengths]:
        """The chosen sets, given by their places in each block, as one CSR with costs."""
        starts, members, costs, end = [np.zeros(1, np.int64)], [], [], 0
        for block, places in zip(self.blocks, chosen, strict=True):
            if len(places):
                first, units = take_sets(block.start, block.members, places)
                starts.append(first[1:] + end)
                members.append(units.astype(np.int32))
                costs.append(block.cost[places])
                end += int(first[-1])
        if not costs:
            return np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float64)
        return np.concatenate(starts), np.concatenate(members), np.concatenate(costs)


def list_sets(problem: Problem, *, most: int = MOST_SETS, threads: int = 1) -> Catalogue:
    """Every connected set of units whose load is within every range, each once, with its cost.

    A unit above an upper bound counts as the upper bound. The list does not depend on `threads`.
    Raises `TooManySetsError` when more than `most` sets are in range, or twice as many are met.
    """
    graph, weights = problem.graph, problem.weights
    units = len(problem)
    if units > np.iinfo(np.int16).max:
        raise TooManySetsError
    size = np.array([[b.lower, b.target, b.upper] for b in problem.ranges])
    tie, ties = ties_of(problem)
    arrays = (
        graph.indptr, graph.indices, graph.length, graph.cost, graph.walk,
        capped_load(problem), graph.area, graph.outer, size, weights.deviation_m, weights.compactness_m,
        tie, ties,
    )  # fmt: skip
    blocks: list[Block] = []
    total, visited = 0, 0

    def task(first: int) -> tuple[Block, int]:
        last = min(first + ROOTS_AT_ONCE, units)
        start, members, cost, root_end, met = _list_roots(first, last, most, *arrays)
        return Block(start, members, cost, root_end), int(met)

    for block, met in in_order(task, range(0, units, ROOTS_AT_ONCE), threads):
        total, visited = total + len(block), visited + met
        if total > most or visited > 2 * most or met < 0:
            raise TooManySetsError
        if len(block):
            blocks.append(block)
    return Catalogue(tuple(blocks), visited)


def in_order(task: Callable[[int], T], items: range, threads: int) -> Iterator[T]:
    """The task's answers in the order of the items, a few threads at work ahead."""
    if threads <= 1:
        yield from map(task, items)
        return
    with ThreadPoolExecutor(threads) as executor:
        waiting, upcoming = [], iter(items)
        for item in upcoming:
            waiting.append(executor.submit(task, item))
            if len(waiting) > 3 * threads:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def ties_of(problem: Problem) -> tuple[Numbers, Numbers]:
    """Units that stay in one grid: the number of each unit's tie (-1 none), and how many units each ties."""
    tie = np.full(len(problem), -1, dtype=np.int64)
    if problem.frozen is not None and problem.previous is not None:
        held = problem.frozen & (problem.previous >= 0)
        tie[held] = np.unique(problem.previous[held], return_inverse=True)[1].reshape(-1)
    return tie, np.bincount(tie[tie >= 0], minlength=1).astype(np.int64)


def price_block(block: Block, price: Lengths, count_price: float, below: float, each: int) -> Numbers:
    """Places of the sets whose reduced cost (cost less the prices of its units and of the count) is under
    `below`: of each root the best `each`, all where `each` is 0.
    """
    return np.asarray(
        _price(
            block.start, block.members, block.cost, block.root_end, price, count_price, below, each
        )
    )  # fmt: skip


def least_reduced(block: Block, price: Lengths, count_price: float) -> float:
    """The least reduced cost in the block."""
    return float(_least(block.start, block.members, block.cost, price, count_price))


@numba.njit(cache=True, nogil=True)
def _list_roots(  # type: ignore[no-untyped-def]
    first, last, most, indptr, indices, length, cost, walk, load, area, outer, size,
    deviation, compactness, tie, ties,
):  # fmt: skip
    n = len(area)
    measures = load.shape[1]
    room = 1024
    start = np.zeros(room + 1, np.int64)
    costs = np.empty(room)
    members = np.empty(8 * room, np.int16)
    root_end = np.empty(last - first, np.int64)
    sets = 0
    met = 0
    whole_cost = np.zeros(n)
    whole_length = np.zeros(n)
    for u in range(n):
        for arc in range(indptr[u], indptr[u + 1]):
            whole_cost[u] += cost[arc]
            whole_length[u] += length[arc]
    # 0: free, 1: candidate, given up or before the root, 2: in the set
    state = np.zeros(n, np.int8)
    inside = np.empty(n + 1, np.int64)  # the set, by depth
    held = np.zeros((n + 1, measures))
    cut = np.zeros(n + 1)
    surface = np.zeros(n + 1)
    around = np.zeros(n + 1)
    # the candidates by depth: a depth goes through queue[next:end], and its child appends to that
    queue = np.empty(n + 1, np.int64)
    upcoming = np.zeros(n + 2, np.int64)
    end = np.zeros(n + 2, np.int64)
    bound = size[:, 2] + TOLERANCE
    for root in range(first, last):
        state[:] = 0
        state[: root + 1] = 1
        queue[0] = root
        upcoming[0] = 0
        end[0] = 1
        depth = 0  # units in the set
        while True:
            if upcoming[depth] == end[depth]:
                # all candidates of this set are done: give its last unit back to its parent
                if depth == 0:
                    break
                for q in range(end[depth - 1], end[depth]):
                    state[queue[q]] = 0  # candidates that came with this unit are free again
                depth -= 1
                state[inside[depth]] = 1
                continue
            u = queue[upcoming[depth]]
            upcoming[depth] += 1
            fits = True
            for measure in range(measures):
                if held[depth, measure] + load[u, measure] > bound[measure]:
                    fits = False
            if not fits:
                continue
            state[u] = 2
            inside[depth] = u
            new_cut = cut[depth] + whole_cost[u]
            new_around = around[depth] + outer[u] + whole_length[u]
            tail = end[depth]
            for arc in range(indptr[u], indptr[u + 1]):
                v = indices[arc]
                if state[v] == 2:
                    new_cut -= 2.0 * cost[arc]
                    new_around -= 2.0 * length[arc]
                elif state[v] == 0 and walk[arc]:
                    state[v] = 1
                    queue[tail] = v
                    tail += 1
            for measure in range(measures):
                held[depth + 1, measure] = held[depth, measure] + load[u, measure]
            cut[depth + 1] = new_cut
            around[depth + 1] = new_around
            surface[depth + 1] = surface[depth] + area[u]
            upcoming[depth + 1] = upcoming[depth]
            end[depth + 1] = tail
            depth += 1
            met += 1
            in_range = True
            for measure in range(measures):
                if held[depth, measure] < size[measure, 0] - TOLERANCE:
                    in_range = False
            if in_range:
                # units tied together: all of a tie or none, and never two ties
                tied = -1
                number = 0
                for q in range(depth):
                    t = tie[inside[q]]
                    if t >= 0:
                        if tied >= 0 and t != tied:
                            in_range = False
                        tied = t
                        number += 1
                if tied >= 0 and number != ties[tied]:
                    in_range = False
            if in_range:
                if sets == room:
                    room *= 2
                    grown = np.zeros(room + 1, np.int64)
                    grown[: sets + 1] = start
                    start = grown
                    grown_costs = np.empty(room)
                    grown_costs[:sets] = costs
                    costs = grown_costs
                if start[sets] + n > len(members):
                    grown_members = np.empty(2 * len(members) + n, np.int16)
                    grown_members[: start[sets]] = members[: start[sets]]
                    members = grown_members
                total = 0.5 * new_cut
                for measure in range(measures):
                    off = (held[depth, measure] - size[measure, 1]) / size[measure, 1]
                    total += deviation * off * off
                if surface[depth] > 0.0:
                    total += compactness * (new_around * new_around / (4.0 * math.pi * surface[depth]) - 1.0)
                for q in range(depth):
                    members[start[sets] + q] = inside[q]
                costs[sets] = total
                sets += 1
                start[sets] = start[sets - 1] + depth
            if sets > most or met > 2 * most:
                return start[:1].copy(), members[:0].copy(), costs[:0].copy(), root_end, -1
        root_end[root - first] = sets
    return start[: sets + 1].copy(), members[: start[sets]].copy(), costs[:sets].copy(), root_end, met


@numba.njit(cache=True, nogil=True)
def _price(start, members, cost, root_end, price, count_price, below, each):  # type: ignore[no-untyped-def]
    places = np.empty(1024, np.int64)
    found = 0
    best = np.empty(max(each, 1))
    place = np.empty(max(each, 1), np.int64)
    i = 0
    for root in range(len(root_end)):
        kept = 0
        limit = below
        while i < root_end[root]:
            reduced = cost[i] - count_price
            for p in range(start[i], start[i + 1]):
                reduced -= price[members[p]]
            if reduced < limit:
                if each == 0:
                    if found == len(places):
                        grown = np.empty(2 * found, np.int64)
                        grown[:found] = places
                        places = grown
                    places[found] = i
                    found += 1
                else:
                    # a short sorted list of the best
                    q = kept if kept < each else each - 1
                    while q > 0 and best[q - 1] > reduced:
                        best[q] = best[q - 1]
                        place[q] = place[q - 1]
                        q -= 1
                    best[q] = reduced
                    place[q] = i
                    if kept < each:
                        kept += 1
                    if kept == each:
                        limit = best[each - 1]
            i += 1
        if each > 0:
            if found + kept > len(places):
                grown = np.empty(2 * (found + kept), np.int64)
                grown[:found] = places[:found]
                places = grown
            for q in range(kept):
                places[found] = place[q]
                found += 1
    return places[:found].copy()


@numba.njit(cache=True, nogil=True)
def _least(start, members, cost, price, count_price):  # type: ignore[no-untyped-def]
    least = np.inf
    for i in range(len(cost)):
        reduced = cost[i] - count_price
        for p in range(start[i], start[i + 1]):
            reduced -= price[members[p]]
        least = min(least, reduced)
    return least
