"""The pool: every grid that a search has seen, once each, with its cost as a column of the set partition."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numba
import numpy as np
import numpy.typing as npt

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.problem import Problem

Hashes = npt.NDArray[np.uint64]
Members = npt.NDArray[np.int32]


def make_keys(units: int) -> Hashes:
    """A random key for each unit (SplitMix64 of its number), for Zobrist hashes of sets of units."""
    z = (np.arange(1, units + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


@dataclass(frozen=True)
class Leniency:
    """What a household (or other unit of a measure) outside its range costs (`outside_m`, weighted m), and
    how many a grid may have outside at `most`. Strict: none.

    price, count_price: how many households outside are owed to each unit and to each grid whatever the plan,
    as proven before; only what is beyond that is reckoned as cost, so that it does not drown the borders.
    """

    outside_m: float = math.inf
    most: float = 0.0
    price: Lengths = field(default_factory=lambda: np.zeros(0))
    count_price: float = 0.0

    def owed(self, units: int) -> tuple[Lengths, float]:
        """What is owed to each unit and each grid, in weighted m."""
        if not len(self.price):
            return np.zeros(units), 0.0
        return self.outside_m * self.price, self.outside_m * self.count_price


STRICT = Leniency()


@dataclass(frozen=True)
class Pool:
    """c sets of units as CSR: set i is `members[start[i]:start[i+1]]`, ascending; `cost` (c) is what it adds
    to the objective (weighted m, see `column_costs`), `hash` (c) the exclusive or of its units' keys.
    """

    start: Numbers
    members: Members
    hash: Hashes
    cost: Lengths

    def __len__(self) -> int:
        return len(self.hash)

    @classmethod
    def empty(cls) -> Pool:
        return cls(
            np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.uint64), np.empty(0, np.float64)
        )

    @classmethod
    def of_sets(cls, problem: Problem, start: Numbers, members: Members, leniency: Leniency = STRICT) -> Pool:
        """The pool of given sets of units; a set given twice is kept once."""
        members = _sorted_within(np.asarray(start, np.int64), np.asarray(members, np.int32))
        hashes = hash_sets(start, members, make_keys(len(problem)))
        first = np.sort(np.unique(hashes, return_index=True)[1])
        pool = cls(np.asarray(start, np.int64), members, hashes, np.zeros(len(hashes)))
        pool = pool if len(first) == len(hashes) else pool.take(first)
        return cls(
            pool.start, pool.members, pool.hash, column_costs(problem, pool.start, pool.members, leniency)
        )

    @classmethod
    def of_plan(cls, problem: Problem, labels: Numbers, leniency: Leniency = STRICT) -> Pool:
        """The grids of one plan."""
        order = np.argsort(labels, kind="stable")
        _, counts = np.unique(labels, return_counts=True)
        return cls.of_sets(
            problem, np.concatenate([[0], np.cumsum(counts)]), order.astype(np.int32), leniency
        )

    @classmethod
    def of_buffer(cls, problem: Problem, buffer: Buffer) -> Pool:
        """What a kernel has written down."""
        return cls.of_sets(
            problem,
            buffer.start[: buffer.used[0] + 1].copy(),
            buffer.members[: int(buffer.start[buffer.used[0]])].copy(),
        )

    def take(self, chosen: Numbers) -> Pool:
        """The pool of some of the sets, in the order given."""
        start, members = take_sets(self.start, self.members, chosen)
        return Pool(start, members, self.hash[chosen], self.cost[chosen])

    def merged(self, other: Pool) -> Pool:
        """Both pools as one; sets of the other that are here already are left out."""
        if not len(self):
            return other
        new = np.flatnonzero(~np.isin(other.hash, self.hash))
        more = other.take(new)
        return Pool(
            np.concatenate([self.start, self.start[-1] + more.start[1:]]),
            np.concatenate([self.members, more.members]),
            np.concatenate([self.hash, more.hash]),
            np.concatenate([self.cost, more.cost]),
        )

    def feasible(self, problem: Problem, leniency: Leniency = STRICT) -> Flags:
        """Which sets are in every range, or no further outside than may be; a unit above an upper bound
        counts as the upper bound.
        """
        return outside(problem, self.start, self.members) <= leniency.most + 1e-9

    def labels(self, chosen: Numbers, units: int) -> Numbers:
        """The plan made of the chosen sets, -1 where none of them covers a unit."""
        labels = np.full(units, -1, dtype=np.int64)
        for grid, column in enumerate(chosen):
            labels[self.members[self.start[column] : self.start[column + 1]]] = grid
        return labels


@dataclass(frozen=True)
class Buffer:
    """Room for a kernel to note grids in, fixed in size: what does not fit is not noted.

    `start` (c+1), `members`, `hash` (c) as in `Pool`; `table` is a hash table of the sets (open addressing,
    -1 free, a power of two long); `used[0]` counts the sets. `keys` is each unit's random key: a kernel keeps
    the exclusive or of the keys of each grid's units, and calls `note_grid` when that is new to it.
    """

    start: Numbers
    members: Members
    hash: Hashes
    table: Numbers
    used: Numbers
    keys: Hashes

    @classmethod
    def of(cls, units: int, sets: int, members: int | None = None) -> Buffer:
        """Room for `sets` sets of a problem with so many units, 16 members each unless told."""
        slots = 1 << max(4, math.ceil(math.log2(max(sets, 1) * 2)))
        room = members if members is not None else 16 * sets
        return cls(
            np.zeros(sets + 1, np.int64),
            np.empty(room, np.int32),
            np.empty(sets, np.uint64),
            np.full(slots, -1, np.int64),
            np.zeros(1, np.int64),
            make_keys(units),
        )


@numba.njit(cache=True)
def is_noted(key, hashes, table):  # type: ignore[no-untyped-def]
    """Whether a grid with this key is in the buffer."""
    slot = np.int64(key & np.uint64(len(table) - 1))
    while table[slot] >= 0:
        if hashes[table[slot]] == key:
            return True
        slot = (slot + 1) & (len(table) - 1)
    return False


@numba.njit(cache=True)
def note_grid(key, units, count, start, members, hashes, table, used):  # type: ignore[no-untyped-def]
    """Note the grid of `units[:count]`, whose keys' exclusive or is `key`. False: it is there, or no room."""
    if used[0] >= len(hashes) or start[used[0]] + count > len(members):
        return False
    slot = np.int64(key & np.uint64(len(table) - 1))
    while table[slot] >= 0:
        if hashes[table[slot]] == key:
            return False
        slot = (slot + 1) & (len(table) - 1)
    table[slot] = used[0]
    hashes[used[0]] = key
    first = start[used[0]]
    for i in range(count):
        members[first + i] = units[i]
    used[0] += 1
    start[used[0]] = first + count
    return True


def column_costs(problem: Problem, start: Numbers, members: Members, leniency: Leniency = STRICT) -> Lengths:
    """What each set costs as a grid, in weighted metres: half the cost of its cut borders, its deviation from
    the targets and its raggedness (see `problem.Weights`); and what it has outside the ranges, where these
    are lenient.

    The costs of a plan's grids add up to the plan's value.
    """
    graph, weights = problem.graph, problem.weights
    size = np.array([[b.lower, b.target, b.upper] for b in problem.ranges])
    costs: Lengths = np.asarray(
        _column_costs(
            start, members, graph.indptr, graph.indices, graph.length, graph.cost,
            capped_load(problem), graph.area, graph.outer, size,
            weights.deviation_m, weights.compactness_m,
        )
    )  # fmt: skip
    if math.isinf(leniency.outside_m):
        return costs
    price, count_price = leniency.owed(len(problem))
    owed = np.add.reduceat(price[members], start[:-1]) if len(members) else np.zeros(len(costs))
    return costs + leniency.outside_m * outside(problem, start, members) - owed - count_price


def capped_load(problem: Problem) -> Lengths:
    """The load by unit and measure; a unit above an upper bound counts as the upper bound."""
    upper = np.array([balance.upper for balance in problem.ranges])
    return np.ascontiguousarray(np.minimum(problem.load, upper), dtype=np.float64)


def outside(problem: Problem, start: Numbers, members: Members) -> Lengths:
    """How much of each set is outside the ranges, summed over the measures."""
    load = capped_load(problem)
    beyond = np.zeros(len(start) - 1)
    for measure, balance in enumerate(problem.ranges):
        held = np.add.reduceat(load[members, measure], start[:-1]) if len(members) else np.zeros(len(beyond))
        beyond += np.maximum(np.maximum(balance.lower - held, held - balance.upper), 0.0)
    return beyond


def off_target(problem: Problem, start: Numbers, members: Members) -> Lengths:
    """How far each set is from the target of the first measure, above or below; no unit is capped."""
    held = np.add.reduceat(problem.load[members, 0], start[:-1]) if len(members) else np.zeros(len(start) - 1)
    return np.asarray(np.abs(held - problem.ranges[0].target))


@numba.njit(cache=True)
def _column_costs(  # type: ignore[no-untyped-def]
    start, members, indptr, indices, length, cost, load, area, outer, size, deviation, compactness
):
    sets = len(start) - 1
    result = np.zeros(sets)
    mark = np.full(len(area), -1, np.int64)
    for i in range(sets):
        for p in range(start[i], start[i + 1]):
            mark[members[p]] = i
        cut = 0.0
        surface = 0.0
        around = 0.0
        for p in range(start[i], start[i + 1]):
            u = members[p]
            surface += area[u]
            around += outer[u]
            for arc in range(indptr[u], indptr[u + 1]):
                if mark[indices[arc]] != i:
                    cut += cost[arc]
                    around += length[arc]
        total = 0.5 * cut
        for measure in range(load.shape[1]):
            held = 0.0
            for p in range(start[i], start[i + 1]):
                held += load[members[p], measure]
            off = (held - size[measure, 1]) / size[measure, 1]
            total += deviation * off * off
        if surface > 0.0:
            total += compactness * (around * around / (4.0 * math.pi * surface) - 1.0)
        result[i] = total
    return result


@numba.njit(cache=True)
def hash_sets(start, members, keys):  # type: ignore[no-untyped-def]
    """The exclusive or of the keys of each set's units."""
    result = np.zeros(len(start) - 1, np.uint64)
    for i in range(len(start) - 1):
        h = np.uint64(0)
        for p in range(start[i], start[i + 1]):
            h ^= keys[members[p]]
        result[i] = h
    return result


@numba.njit(cache=True)
def _sorted_within(start, members):  # type: ignore[no-untyped-def]
    result = members.copy()
    for i in range(len(start) - 1):
        for p in range(start[i] + 1, start[i + 1]):
            u = result[p]
            q = p - 1
            while q >= start[i] and result[q] > u:
                result[q + 1] = result[q]
                q -= 1
            result[q + 1] = u
    return result


@numba.njit(cache=True)
def take_sets(start, members, chosen):  # type: ignore[no-untyped-def]
    """The CSR of some of the sets, in the order given."""
    first = np.zeros(len(chosen) + 1, np.int64)
    for j in range(len(chosen)):
        first[j + 1] = first[j] + start[chosen[j] + 1] - start[chosen[j]]
    result = np.empty(first[-1], members.dtype)
    for j in range(len(chosen)):
        result[first[j] : first[j + 1]] = members[start[chosen[j]] : start[chosen[j] + 1]]
    return first, result
