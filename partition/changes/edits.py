"""A plan in a planner's hand: units are moved, grids merged, split, locked, and the rest is balanced anew.

Every edit returns a new draft with its figures and what it violates; undoing is keeping the old one. An edit
may leave grids out of range or in pieces, since a change is made step by step: that is told as a violation.
Only locks refuse.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from partition.arrays import Flags, Lengths, Numbers
from partition.changes.adjustment import adjust_plan, pieces
from partition.codes import issue_codes
from partition.errors import EditError
from partition.findings import Finding
from partition.reasons.explanation import plain
from partition.solver.problem import Problem
from partition.solver.seed import seed_plan

EFFORT = 200  # proposals by unit that takes part in a run,
REBALANCE = 300_000  # and in all


@dataclass(frozen=True)
class Figures:
    """Figures of a draft by grid, in the order of its codes; a grid that ended holds nothing.

    held: shape (k, m) for k grids and m measures, what the ranges measure. households, units, area_m2,
    perimeter_m, polsby_popper, pieces (connected parts): shape (k,). cost: weighted metres of border in all.
    moved: households that are in another grid than in the plan the draft began with.
    """

    held: Lengths
    households: Numbers
    units: Numbers
    area_m2: Lengths
    perimeter_m: Lengths
    polsby_popper: Lengths
    pieces: Numbers
    cost: float
    moved: int


@dataclass(frozen=True)
class Draft:
    """A plan being edited; immutable. Make one by `open_draft`.

    problem: its `previous` is the plan the draft began with. labels: the grid of each unit, as its place in
    `codes`. codes: of all grids since the draft began; those that ended hold no unit, and are not issued
    again. locked: codes of grids that no edit may change. held: units that an edit placed, which `rebalance`
    leaves there. prefix, issued: for new codes, and those that are taken elsewhere. measures: what each range
    measures, as a key of a text `measure.<name>`.
    """

    problem: Problem
    labels: Numbers
    codes: tuple[str, ...]
    prefix: str
    locked: frozenset[str] = frozenset()
    held: Flags = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    issued: frozenset[str] = frozenset()
    measures: tuple[str, ...] = ("households",)

    @cached_property
    def figures(self) -> Figures:
        graph, labels, k = self.problem.graph, self.labels, len(self.codes)
        held = np.stack([_sum(labels, load, k) for load in self.problem.load.T], axis=1)
        rows = graph.rows()
        cut = labels[rows] != labels[graph.indices]
        perimeter = _sum(labels, graph.outer, k) + _sum(labels[rows[cut]], graph.length[cut], k)
        area = _sum(labels, graph.area, k)
        _, first = np.unique(pieces(graph, labels), return_index=True)
        assert self.problem.previous is not None  # noqa: S101 - `open_draft` sees to it
        moved = (self.problem.previous >= 0) & (self.problem.previous != labels)
        return Figures(
            held=held,
            households=_sum(labels, graph.households, k).astype(np.int64),
            units=np.bincount(labels, minlength=k),
            area_m2=area,
            perimeter_m=perimeter,
            polsby_popper=4 * np.pi * area / np.maximum(perimeter, 1e-9) ** 2,
            pieces=np.bincount(labels[first], minlength=k),
            cost=float(graph.cost[cut].sum() / 2),
            moved=int(graph.households[moved].sum()),
        )

    @cached_property
    def violations(self) -> tuple[Finding, ...]:
        """Grids out of range, and grids in pieces."""
        found: list[Finding] = []
        figures = self.figures
        there = figures.units > 0
        for measure, balance in enumerate(self.problem.ranges):
            amount = figures.held[:, measure]
            for code, wrong in (
                ("draft_above", there & (amount > balance.upper)),
                ("draft_below", there & (amount < balance.lower)),
            ):
                for grid in np.flatnonzero(wrong).tolist():
                    values = {
                        "held": plain(amount[grid]),
                        "measure": self.measures[measure],
                        "lower": plain(balance.lower),
                        "upper": plain(balance.upper),
                    }
                    found.append(Finding(code, "violated", "grids", rows=(self.codes[grid],), values=values))
        for grid in np.flatnonzero(figures.pieces > 1).tolist():
            values = {"pieces": int(figures.pieces[grid])}
            found.append(Finding("fragment", "violated", "grids", rows=(self.codes[grid],), values=values))
        return tuple(found)

    def grid(self, code: str) -> int:
        """The place of a grid that is there. Raises EditError for any other code."""
        if code not in self.codes or not (self.labels == self.codes.index(code)).any():
            raise EditError([Finding("edit_no_grid", "refused", "grids", rows=(code,))])
        return self.codes.index(code)

    def units_of(self, code: str) -> Numbers:
        """The units of a grid."""
        return np.flatnonzero(self.labels == self.grid(code))

    def check_unlocked(self, grids: Iterable[int]) -> None:
        """Raise EditError where one of the grids is locked."""
        closed = tuple(
            code for code in (self.codes[grid] for grid in sorted(set(grids))) if code in self.locked
        )
        if closed:
            raise EditError([Finding("edit_locked", "refused", "grids", rows=closed)])

    def check_units(self, units: Sequence[int] | Numbers) -> Numbers:
        """The units as sorted numbers. Raises EditError where there are none, or no such."""
        chosen = np.unique(np.asarray(units, dtype=np.int64))
        wrong = chosen[(chosen < 0) | (chosen >= len(self.labels))]
        if len(wrong) or not len(chosen):
            raise EditError(
                [Finding("edit_no_unit", "refused", "units", rows=tuple(map(str, wrong.tolist())))]
            )
        return chosen

    def placed(self, labels: Numbers, edited: Numbers | None = None, codes: tuple[str, ...] = ()) -> Draft:
        """The draft with other labels; `edited` units are held from now on, `codes` are new grids'."""
        labels = labels.copy()
        labels.flags.writeable = False
        held = self.held
        if edited is not None:
            held = held.copy()
            held[edited] = True
            held.flags.writeable = False
        return replace(self, labels=labels, held=held, codes=self.codes + codes)

    def new_codes(self, count: int) -> tuple[str, ...]:
        """Codes that were never given."""
        return tuple(issue_codes(self.prefix, count, [*self.codes, *self.issued]))


def _sum(labels: Numbers, amount: Lengths | Numbers, count: int) -> Lengths:
    return np.bincount(labels, weights=amount, minlength=count).astype(np.float64)


def open_draft(
    problem: Problem,
    labels: Numbers,
    codes: Sequence[str],
    *,
    prefix: str,
    locked: Collection[str] = (),
    issued: Collection[str] = (),
    measures: Sequence[str] = ("households",),
) -> Draft:
    """A draft of a plan: `labels` gives each unit's place in `codes`. prefix: of new codes (see
    `codes.code_prefix`). issued: codes given before that are no grid of the plan.
    """
    labels = labels.astype(np.int64)
    labels.flags.writeable = False
    draft = Draft(
        replace(problem, previous=labels, frozen=None),
        labels,
        tuple(codes),
        prefix,
        held=np.zeros(len(labels), dtype=np.bool_),
        issued=frozenset(issued),
        measures=tuple(measures),
    )
    return lock_grids(draft, locked)


def move_units(draft: Draft, units: Sequence[int] | Numbers, code: str) -> Draft:
    """Put units into a grid. A grid that loses its last unit ends.

    Raises EditError where the grid, or one that a unit comes from, is locked.
    """
    chosen, goal = draft.check_units(units), draft.grid(code)
    draft.check_unlocked([goal, *draft.labels[chosen].tolist()])
    labels = draft.labels.copy()
    labels[chosen] = goal
    return draft.placed(labels, chosen)


def swap_units(draft: Draft, ones: Sequence[int] | Numbers, others: Sequence[int] | Numbers) -> Draft:
    """Let units of one grid change places with units of another.

    Raises EditError where either side is of several grids, both are of the same, or one is locked.
    """
    sides = draft.check_units(ones), draft.check_units(others)
    a, b = (np.unique(draft.labels[side]).tolist() for side in sides)
    if len(a) != 1 or len(b) != 1 or a == b:
        rows = tuple(draft.codes[grid] for grid in sorted({*a, *b}))
        raise EditError([Finding("edit_swap", "refused", "grids", rows=rows)])
    draft.check_unlocked([*a, *b])
    labels = draft.labels.copy()
    labels[sides[0]], labels[sides[1]] = b[0], a[0]
    return draft.placed(labels, np.concatenate(sides))


def merge_grids(draft: Draft, codes: Sequence[str]) -> Draft:
    """Make one grid of several; it keeps the code of the one with most households (then units, then the
    lowest code). Raises EditError for fewer than two, and for locked ones.
    """
    grids = [draft.grid(code) for code in dict.fromkeys(codes)]
    if len(grids) < 2:
        raise EditError([Finding("edit_merge", "refused", "grids", rows=tuple(codes))])
    draft.check_unlocked(grids)
    size = draft.figures
    goal = min(grids, key=lambda g: (-size.households[g], -size.units[g], draft.codes[g]))
    chosen = np.flatnonzero(np.isin(draft.labels, grids))
    labels = draft.labels.copy()
    labels[chosen] = goal
    return draft.placed(labels, chosen)


def split_grid(
    draft: Draft, code: str, units: Sequence[int] | Numbers | None = None, *, seed: int = 0
) -> Draft:
    """Make two grids of one: the given units part from it, or about half of it along the cheapest borders.
    The side with more households keeps the code.

    Raises EditError where the grid is locked, or the units are none or all of it.
    """
    grid = draft.grid(code)
    draft.check_unlocked([grid])
    members = draft.units_of(code)
    if units is not None:
        chosen = draft.check_units(units)
        if not np.isin(chosen, members).all() or len(chosen) == len(members):
            raise EditError([Finding("edit_split", "refused", "grids", rows=(code,))])
        apart = np.isin(members, chosen)
    elif len(members) < 2:
        raise EditError([Finding("edit_split", "refused", "grids", rows=(code,))])
    else:
        apart = _halve(draft.problem.subset(members), seed)
    households = draft.problem.graph.households[members]
    if (households[apart].sum(), apart.sum()) > (households[~apart].sum(), (~apart).sum()):
        apart = ~apart
    labels = draft.labels.copy()
    labels[members[apart]] = len(draft.codes)
    return draft.placed(labels, members, draft.new_codes(1))


def _halve(part: Problem, seed: int) -> Flags:
    """Which units part from the others: a connected half; one of the pieces where there are several."""
    piece = part.graph.components()
    if piece.max() > 0:
        return np.asarray(piece == 1, dtype=np.bool_)
    return np.asarray(seed_plan(part, 2, seed=seed) == 1, dtype=np.bool_)


def lock_grids(draft: Draft, codes: Collection[str]) -> Draft:
    """Let no edit change these grids. Raises EditError for a grid that is not there."""
    for code in codes:
        draft.grid(code)
    return replace(draft, locked=draft.locked | frozenset(codes))


def unlock_grids(draft: Draft, codes: Collection[str]) -> Draft:
    """Let edits change these grids again. Raises EditError for a grid that is not there."""
    for code in codes:
        draft.grid(code)
    return replace(draft, locked=draft.locked - frozenset(codes))


def release_units(draft: Draft, units: Sequence[int] | Numbers | None = None) -> Draft:
    """Let `rebalance` move units again that edits placed: the given ones, or all."""
    held = draft.held.copy()
    held[slice(None) if units is None else draft.check_units(units)] = False
    held.flags.writeable = False
    return replace(draft, held=held)


def rebalance(
    draft: Draft, *, most_moved: float | None = None, limit: int = REBALANCE, seed: int = 0
) -> Draft:
    """Bring the other grids into range round what was edited, with the fewest households moved; units that
    edits placed and locked grids stay, and so does the number of grids. most_moved: no more households than
    these change grid. limit: proposals in all.
    """
    closed = [place for place, code in enumerate(draft.codes) if code in draft.locked]
    members = np.flatnonzero(~np.isin(draft.labels, closed))
    if not len(members):
        return draft
    problem = replace(draft.problem, previous=draft.labels, frozen=draft.held).subset(members)
    found = adjust_plan(
        problem,
        before=len(draft.codes),
        most_moved=most_moved,
        same_number=True,
        effort=EFFORT,
        limit=limit,
        seed=seed,
    )
    labels = draft.labels.copy()
    labels[members] = found.labels
    return draft.placed(labels, codes=draft.new_codes(len(found.founded)))
