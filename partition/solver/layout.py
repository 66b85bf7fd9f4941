"""The units of one community laid out as grids: zones apart, wholes together, the rest divided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.atoms import Atoms, Hindrance, Wish, contract, pieces, unite
from partition.solver.constraints import Reason, out_of_range
from partition.solver.partings import Parting, given_up, hindered_parting, is_parted
from partition.solver.plan import Plan, make_plan
from partition.solver.problem import Problem

Kind = Literal["basic", "dedicated"]  # 基础网格, 专属网格
BASIC: Kind = "basic"
DEDICATED: Kind = "dedicated"


@dataclass(frozen=True)
class Layout:
    """A plan of all units, the kind of each of its grids, why grids are out of range, and for each hard wish
    that could not be met its name and why. atom: units of one number were kept together. partings: why what
    should be whole is in several grids.
    """

    plan: Plan
    kinds: tuple[Kind, ...]
    reasons: dict[int, Reason]
    hindered: tuple[tuple[str, Hindrance], ...] = ()
    atom: Numbers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    partings: tuple[Parting, ...] = ()


@dataclass(frozen=True)
class Search:
    """How long and from where a plan is searched for. finest: no unit can be cut further."""

    grids: int | None
    effort: int
    seed: int
    threads: int = 1
    finest: bool = False


def lay_out(
    problem: Problem, upper: Lengths, wishes: Sequence[Wish], zone: Numbers, built: Flags, search: Search
) -> Layout:
    """Lay the units out as grids.

    upper: what a grid may hold of each measure. wishes: units that should stay together, hard ones first.
    zone: the zone that stands apart of each unit, -1 for none; each of its pieces is a grid, exempt from the
    range. built: units with buildings.
    """
    dedicated = _stand_apart(problem, zone, built)
    apart = dedicated >= 0
    alone = int(dedicated.max(initial=-1)) + 1
    rest = np.flatnonzero(~apart)
    if not len(rest):
        plan = Plan(dedicated, alone, 0.0, 0.0)
        stand = tuple(Parting(wish.name, wish.what, "zone") for wish in wishes if is_parted(wish, dedicated))
        return Layout(plan, _kinds(0, alone), {}, (), np.arange(len(zone)), stand)
    basic = problem.subset(rest)
    within = [_within(wish, rest) for wish in wishes]
    number = None if search.grids is None else max(search.grids - alone, 1)
    search = replace(search, grids=number)
    several = [wish for wish in within if len(wish.units) > 1]
    divided = divide(basic, upper, several, search)
    plan, atoms, group = divided.plan, divided.must, divided.group
    hard = [wish for wish in several if wish.hard]
    hindered = tuple((wish.name, why) for wish, why in zip(hard, atoms.hindrances, strict=True) if why)
    reasons = _explain(basic, plan, atoms, search, problem.graph.components()[rest])
    atom = np.arange(len(zone)) + len(rest)
    atom[rest] = group
    assignment = dedicated + plan.grids
    assignment[rest] = plan.assignment
    return Layout(
        Plan(assignment, plan.grids + alone, plan.outside, plan.value),
        _kinds(plan.grids, alone),
        {
            grid: replace(why, unit=int(rest[why.unit]) if why.unit >= 0 else -1)
            for grid, why in reasons.items()
        },
        hindered,
        atom,
        _partings(wishes, within, assignment, divided, basic, upper, search),
    )


def _kinds(basic: int, dedicated: int) -> tuple[Kind, ...]:
    return tuple(BASIC if grid < basic else DEDICATED for grid in range(basic + dedicated))


@dataclass(frozen=True)
class Divided:
    """The plan of units without zones. must: the atoms of what must stay together; should: those of all
    wishes, whose hindrances come last there; group: the atom of each unit by what did stay together. whole:
    the plan that met all wishes that could be met, where it was given up.
    """

    plan: Plan
    must: Atoms
    should: Atoms
    group: Numbers
    whole: Plan | None = None


def divide(problem: Problem, upper: Lengths, wishes: Sequence[Wish], search: Search) -> Divided:
    """Divide units without zones.

    What should stay whole does as long as that puts no more out of range: it is tried with all wishes first,
    then with the hard ones alone.
    """
    hard = [wish for wish in wishes if wish.hard]
    must = unite(problem, hard, upper)
    parts = [
        part
        for wish, why in zip(hard, must.hindrances, strict=True)
        if why == "large"
        for part in _parts(problem, wish, upper, search)
    ]
    must = replace(unite(problem, [*hard, *parts], upper), hindrances=must.hindrances)
    should = unite(problem, [*hard, *parts, *wishes], upper)
    plan = _make(problem, should, search)
    if should.group.max() < must.group.max() and not _is_fine(plan, search):
        free = _make(problem, must, search)
        if _misses(free, search) < _misses(plan, search):
            return Divided(free, must, should, must.group, plan)
    return Divided(plan, must, should, should.group)


def _partings(
    wishes: Sequence[Wish],
    within: Sequence[Wish],
    assignment: Numbers,
    divided: Divided,
    problem: Problem,
    upper: Lengths,
    search: Search,
) -> tuple[Parting, ...]:
    """Why wishes are not met. within: the wishes by their units in `problem`, that of what is no zone;
    assignment: of all units.
    """
    found = []
    plan, whole, should = divided.plan, divided.whole, divided.should
    count = sum(len(wish.units) > 1 for wish in within)
    hindrances = iter(should.hindrances[len(should.hindrances) - count :])
    for wish, inside in zip(wishes, within, strict=True):
        hindrance = next(hindrances) if len(inside.units) > 1 else ""
        if not is_parted(wish, assignment):
            continue
        if not is_parted(inside, plan.assignment):
            found.append(Parting(wish.name, wish.what, "zone"))
        elif hindrance:
            found.append(hindered_parting(inside, hindrance, should.group, problem.load, upper))
        elif whole is None:
            found.append(Parting(wish.name, wish.what, "weighed"))
        elif _misses(whole, search)[0] > _misses(plan, search)[0]:
            found.append(Parting(wish.name, wish.what, "number", kept=whole.grids, made=plan.grids))
        else:
            found.append(given_up(wish, problem, whole.assignment, plan.assignment))
    return tuple(found)


def _parts(problem: Problem, wish: Wish, upper: Lengths, search: Search) -> list[Wish]:
    """What is more than a grid may hold, in as few parts as can be; they stay together instead."""
    own = problem.subset(wish.units)
    least = math.ceil(float((own.load.sum(axis=0) / upper).max()))
    if least > len(own) or own.graph.components().max(initial=0) > 0:
        return []
    plan = make_plan(own, grids=least, effort=search.effort, seed=search.seed, threads=search.threads)
    return [Wish(wish.name, wish.units[plan.assignment == part], hard=True) for part in range(least)]


def _make(problem: Problem, atoms: Atoms, search: Search) -> Plan:
    plan = make_plan(
        contract(problem, atoms.group),
        grids=search.grids,
        effort=search.effort,
        seed=search.seed,
        threads=search.threads,
    )
    return replace(plan, assignment=plan.assignment[atoms.group])


def _misses(plan: Plan, search: Search) -> tuple[int, float]:
    return 0 if search.grids is None else abs(plan.grids - search.grids), round(plan.outside, 6)


def _is_fine(plan: Plan, search: Search) -> bool:
    return _misses(plan, search) == (0, 0.0)


def _explain(
    problem: Problem, plan: Plan, atoms: Atoms, search: Search, around: Numbers
) -> dict[int, Reason]:
    first = np.unique(atoms.group, return_index=True)[1]
    reasons = out_of_range(
        contract(problem, atoms.group),
        plan.assignment[first],
        fixed=search.grids is not None,
        finest=search.finest,
        united=atoms.united(),
        around=around[first],
        asked=search.grids,
    )
    return {
        grid: replace(why, unit=int(first[why.unit]) if why.unit >= 0 else -1)
        for grid, why in reasons.items()
    }


def _within(wish: Wish, rest: Numbers) -> Wish:
    """The wish by the numbers that its units have among the rest."""
    there = np.isin(wish.units, rest)
    return replace(wish, units=np.searchsorted(rest, wish.units[there]))


def _stand_apart(problem: Problem, zone: Numbers, built: Flags) -> Numbers:
    """The grid of each unit of a zone, from 0 in the zones' order, piece by piece; -1 for the others.

    What a zone cuts off without any building joins the zone beside it.
    """
    graph = problem.graph
    found = np.full(len(graph), -1, dtype=np.int64)
    made = 0
    for number in range(int(zone.max(initial=-1)) + 1):
        piece = pieces(graph, zone == number)
        found[piece >= 0] = made + piece[piece >= 0]
        made += int(piece.max(initial=-1)) + 1
    if not made:
        return found
    component = graph.components(without=found >= 0)
    settled = np.bincount(component[(component >= 0) & built], minlength=int(component.max(initial=-1)) + 1)
    rows = graph.rows()
    for empty in np.flatnonzero(settled == 0):
        arcs = (component[rows] == empty) & (found[graph.indices] >= 0)
        if arcs.any():
            beside = np.bincount(found[graph.indices[arcs]], weights=graph.length[arcs])
            found[component == empty] = int(beside.argmax())
    return found
