"""Why a grid is out of range: the reasons that can be proven."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.balance import Balance
from partition.solver.problem import Problem

Cause = Literal[
    "building",
    "pocket",
    "pocket_ranges",
    "cut_off",
    "zone",
    "locked",
    "too_few",
    "no_number",
    "two_ranges",
    "indivisible",
    "whole",
    "wanted_number",
    "unproven",
]

Span = tuple[int, int | None]
FEW = 12  # units whose groupings are all tried
ROUNDING = 1e-6  # weighted figures add up to this


@dataclass(frozen=True)
class Shares:
    """What so many `grids` hold in one measure, at least and at most; and the numbers of grids, from `fewest`
    to `most`, that can all be in range.
    """

    grids: int
    least: float
    greatest: float
    fewest: int
    most: int


@dataclass(frozen=True)
class Allowed:
    """What is to be divided, by measure, and the least and the greatest number of grids that each range
    allows for it; the greatest is None where the range has no lower bound.
    """

    amounts: tuple[float, ...]
    numbers: tuple[Span, ...]

    @classmethod
    def of(cls, amounts: Lengths, spans: Sequence[Span | None]) -> Allowed:
        """Where every range allows some number."""
        return cls(tuple(amounts.tolist()), tuple(span for span in spans if span is not None))


@dataclass(frozen=True)
class Reason:
    """Why one grid is out of range.

    building: a unit that cannot be cut exceeds the upper bound alone (`unit`, `amount`). pocket: what is
    left beside such units cannot make grids in range. pocket_ranges: there, some number of grids suits each
    of the ranges, but none suits both. cut_off: water, rail or walls part this amount from the
    rest. zone: zones that stand apart do. too_few: the community holds less than one grid. no_number: no
    number of grids puts all of them in range. two_ranges: some number does for each of the ranges, but none
    for both. indivisible: no grouping of the buildings does; whole: nor of them and of what stays whole.
    locked: the grid may not change. wanted_number: the number of grids asked for does not allow it. unproven:
    none of these.

    amount: in the measure of the range at place `measure`. division: where units that hang together cannot be
    shown to be indivisible, how the plan divides them. allowed: where no number suits two ranges, those that
    suit each.
    """

    cause: Cause
    amount: float
    unit: int = -1
    measure: int = 0
    division: Shares | None = None
    allowed: Allowed | None = None

    @property
    def proven(self) -> bool:
        return self.cause != "unproven"

    @property
    def is_pocket(self) -> bool:
        """Whether finer units could mend it: then less may exceed a bound alone."""
        return self.cause in ("pocket", "pocket_ranges")


def beyond(held: Lengths, ranges: Sequence[Balance]) -> Lengths:
    """How far each of k grids is out of each of m ranges, shape (k, m); 0 within."""
    lower = np.array([balance.lower for balance in ranges])
    upper = np.array([balance.upper for balance in ranges])
    out: Lengths = np.maximum(np.maximum(held - upper, lower - held), 0.0)
    return np.where(out > ROUNDING, out, 0.0)


def out_of_range(
    problem: Problem,
    assignment: Numbers,
    *,
    fixed: bool,
    finest: bool = False,
    united: Flags | None = None,
    around: Numbers | None = None,
    asked: int | None = None,
) -> dict[int, Reason]:
    """The grids out of range, each with the best reason that can be proven.

    fixed: the number of grids was asked for; `asked`: it, where it could not be made. finest: no unit can be
    cut further, so that units prove something. united: units that stay together by the rule. around: the
    walkable component of each unit as long as the zones that stand apart are there too.
    """
    return _Proof(problem, assignment, fixed, finest, united, around, asked).reasons()


class _Proof:
    """The reasons of one plan."""

    def __init__(
        self,
        problem: Problem,
        assignment: Numbers,
        fixed: bool,
        finest: bool,
        united: Flags | None,
        around: Numbers | None,
        asked: int | None,
    ) -> None:
        self.graph, self.load, self.ranges = problem.graph, problem.load, problem.ranges
        self.assignment, self.fixed, self.finest, self.asked = assignment, fixed, finest, asked
        self.united = np.zeros(len(problem), dtype=bool) if united is None else united
        self.held = np.zeros((int(assignment.max(initial=-1)) + 1, len(problem.ranges)))
        np.add.at(self.held, assignment, problem.load)
        self.oversize = problem.oversize()
        self.component = self.graph.components()
        self.pocket = self.graph.components(without=self.oversize)
        self.around = self.component if around is None else around

    def reasons(self) -> dict[int, Reason]:
        wrong = beyond(self.held, self.ranges)
        grids = np.flatnonzero((wrong > 0).any(axis=1))
        if self.fixed:
            total, count = self.held.sum(axis=0), len(self.held) if self.asked is None else self.asked
            for measure, balance in enumerate(self.ranges):
                if not count * balance.lower <= total[measure] <= count * balance.upper:
                    return {int(g): Reason("wanted_number", total[measure], measure=measure) for g in grids}
        target = np.array([balance.target for balance in self.ranges])
        worst = (wrong / target).argmax(axis=1)
        return {int(grid): self.reason(int(grid), int(worst[grid])) for grid in grids}

    def reason(self, grid: int, measure: int) -> Reason:
        """Why a grid is out of range; `measure`: where it is farthest out."""
        members = np.flatnonzero(self.assignment == grid)
        same = self.component == self.component[members[0]]
        lived = (self.load[members] > 0).any(axis=1)
        large = members[self.oversize[members]]
        others = members[~self.oversize[members] & lived]
        if len(large) == 1 and not len(others):
            above = [
                (held - b.upper) / b.target for held, b in zip(self.load[large[0]], self.ranges, strict=True)
            ]
            by = int(np.argmax(above))
            return Reason("building", float(self.load[large[0], by]), int(large[0]), by)
        whole = self.load[same].sum(axis=0)
        for by, balance in enumerate(self.ranges):
            if whole[by] < balance.lower - ROUNDING:
                return Reason(self.parted(members, same, by), float(whole[by]), measure=by)
        if not self.oversize[same].any():
            return self.undivided(same, whole, measure)
        left = [self.load[self.pocket == p].sum(axis=0) for p in np.unique(self.pocket[others])]
        if left and all(numbers(amount, self.ranges) is None for amount in left):
            return self.beside(left, int(large[0]) if len(large) else -1, measure)
        return Reason("unproven", float(self.load[members].sum(axis=0)[measure]), measure=measure)

    def beside(self, left: Sequence[Lengths], large: int, measure: int) -> Reason:
        """Why pockets with these amounts, none of which makes grids in range, do not; by `measure` if so."""
        for amount in left:
            spans = _spans(amount, self.ranges)
            if None not in spans:
                return Reason(
                    "pocket_ranges", float(amount[measure]), large, measure, allowed=Allowed.of(amount, spans)
                )
        lacking = [[span is None for span in _spans(amount, self.ranges)] for amount in left]
        by = measure if any(lack[measure] for lack in lacking) else lacking[0].index(True)
        held = [float(amount[by]) for amount, lack in zip(left, lacking, strict=True) if lack[by]]
        return Reason("pocket", sum(held), large, by)

    def parted(self, members: Numbers, same: Flags, measure: int) -> Cause:
        """What parts the units marked in `same` from the rest of the community, if anything."""
        if self.load[(self.around == self.around[members[0]]) & ~same, measure].any():
            return "zone"
        return "cut_off" if self.load[~same, measure].any() else "too_few"

    def undivided(self, same: Flags, whole: Lengths, measure: int) -> Reason:
        """Why units that hang together, none of them above a bound, are not divided well."""
        spans = _spans(whole, self.ranges)
        if None in spans:
            by = spans.index(None)
            return Reason("no_number", float(whole[by]), measure=by)
        possible = numbers(whole, self.ranges)
        if possible is None:
            allowed = Allowed.of(whole, spans)
            return Reason("two_ranges", float(whole[measure]), measure=measure, allowed=allowed)
        loads = self.load[same & (self.load > 0).any(axis=1)]
        if self.finest and len(loads) <= FEW and not _groups(loads, self.ranges):
            cause: Cause = "whole" if self.united[same].any() else "indivisible"
            return Reason(cause, float(whole[measure]), measure=measure)
        held = self.held[np.unique(self.assignment[same]), measure]
        shares = Shares(len(held), float(held.min()), float(held.max()), *possible)
        return Reason("unproven", float(whole[measure]), measure=measure, division=shares)


def numbers(amount: Lengths, ranges: Sequence[Balance]) -> tuple[int, int] | None:
    """The least and the greatest number of grids that share these amounts, all in every range; None where
    there is no such number.
    """
    least, greatest = 1, None
    for held, balance in zip(amount.tolist(), ranges, strict=True):
        least = max(least, math.ceil((held - ROUNDING) / balance.upper))
        if balance.lower > 0:
            most = math.floor((held + ROUNDING) / balance.lower)
            greatest = most if greatest is None else min(greatest, most)
    if greatest is None:
        return least, least
    return (least, greatest) if least <= greatest else None


def _spans(amounts: Lengths, ranges: Sequence[Balance]) -> list[Span | None]:
    """The numbers of grids that each of the ranges allows by itself, as in `numbers`."""
    found: list[Span | None] = []
    for by, balance in enumerate(ranges):
        span = numbers(amounts[by : by + 1], [balance])
        found.append(span if span is None or balance.lower > 0 else (span[0], None))
    return found


def _groups(loads: Lengths, ranges: Sequence[Balance]) -> bool:
    """Whether a few indivisible loads, shape (n, m), can be put together so that every group is in range,
    wherever they lie.
    """
    count = len(loads)
    total = np.zeros((1 << count, len(ranges)))
    for unit in range(count):
        total[1 << unit : 2 << unit] = total[: 1 << unit] + loads[unit]
    fits = ((beyond(total, ranges) == 0).all(axis=1)).tolist()
    possible = [False] * (1 << count)
    possible[0] = True
    for mask in range(1, 1 << count):
        low = mask & -mask
        rest = part = mask ^ low  # the group of the first load: it, and any others
        while True:
            if fits[part | low] and possible[rest ^ part]:
                possible[mask] = True
                break
            if not part:
                break
            part = (part - 1) & rest
    return possible[-1]
