"""Plans that are as good but really different, for a planner to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partition.area import Area
from partition.arrays import Numbers
from partition.division import Division
from partition.findings import Finding
from partition.geometry.wholes import find_wishes
from partition.solver.atoms import contract, unite
from partition.solver.constraints import out_of_range
from partition.solver.layout import BASIC
from partition.solver.partings import vary_partings
from partition.solver.plan import EFFORT, Plan, make_plan
from partition.solver.problem import Problem
from partition.solver.refine import refine_plan
from partition.wishes.rules import Profile

WORSE = 0.08  # an alternative may cost this much more than the best plan
DIFFERENT = 0.12  # of the households are in another grid than in any plan chosen before
AVOIDED = (0.15, 0.3, 0.6, 1.2)  # what borders of plans chosen before cost more, of a usual border's cost
TRIES = 4  # for each alternative, with each of these
HOT_M = 10.0  # temperature at which an alternative is bettered without that surcharge
LASTING = 0.3  # of the effort, for that


@dataclass(frozen=True)
class Alternative:
    """A plan; `differs` is the share of households that are in another grid than in the plan of the same
    number among those before it, after the best renaming: one figure for each.
    """

    plan: Plan
    differs: tuple[float, ...]


def find_alternatives(
    problem: Problem,
    count: int,
    *,
    grids: int | None = None,
    best: Plan | None = None,
    worse: float = WORSE,
    different: float = DIFFERENT,
    effort: int = EFFORT,
    seed: int = 0,
    threads: int = 1,
) -> tuple[Alternative, ...]:
    """Up to `count` plans of one community, the best first: `best`, or the one that `make_plan` finds.

    Each of the others is no more out of range than the best, costs at most `worse` more than it (as a share),
    and has at least the share `different` of the households in another grid than each one before it. There
    are fewer where no more are found. grids, effort, seed, threads: as in `make_plan`.
    """
    if best is None:
        best = make_plan(problem, grids=grids, effort=effort, seed=seed, threads=threads)
    households = problem.graph.households
    chosen = [Alternative(best, ())]
    most = best.value + worse * abs(best.value)
    found: list[Plan] = []  # good ones; what is not chosen now may be the next
    trial, level = 0, 0
    while len(chosen) < count:
        fitting = _different(found, chosen, households, different)
        while not fitting and level < len(AVOIDED):
            for _ in range(TRIES):
                trial += 1
                plan = _one_more(
                    problem, chosen, AVOIDED[level], best.grids, effort, seed + 15_485_863 * trial, threads
                )
                if plan.outside <= best.outside + 1e-6 and plan.value <= most:
                    found.append(plan)
            fitting = _different(found, chosen, households, different)
            level += not fitting  # what does not suffice for this one hardly does for the next
        if not fitting:
            break
        chosen.append(max(fitting, key=lambda one: (min(one.differs), -one.plan.value)))
    return tuple(chosen)


def _different(
    found: Sequence[Plan], chosen: Sequence[Alternative], households: Numbers, different: float
) -> list[Alternative]:
    """Those of the plans found that differ enough from each one chosen."""
    compared = [
        Alternative(
            plan, tuple(share_elsewhere(households, one.plan.assignment, plan.assignment) for one in chosen)
        )
        for plan in found
    ]
    return [one for one in compared if min(one.differs) >= different]


def _one_more(
    problem: Problem,
    chosen: list[Alternative],
    avoided: float,
    grids: int,
    effort: int,
    seed: int,
    threads: int,
) -> Plan:
    """A plan that shuns the borders of those chosen; it is bettered without that in the end."""
    graph = problem.graph
    rows = graph.rows()
    used = np.zeros(len(rows))
    for one in chosen:
        used += one.plan.assignment[rows] != one.plan.assignment[graph.indices]
    usual = float(np.median(np.abs(graph.cost[graph.length > 0]))) if (graph.length > 0).any() else 0.0
    surcharge = avoided * usual * used
    shunning = replace(problem, graph=replace(graph, cost=graph.cost + surcharge))
    plan = make_plan(shunning, grids=grids, effort=effort, seed=seed, threads=threads)
    steps = max(int(LASTING * effort * len(problem)), 1)
    done = refine_plan(problem, plan.assignment, steps=steps, seed=seed + 1, threads=threads, hot_m=HOT_M)
    return Plan(done.labels, plan.grids, done.outside, done.value)


def share_elsewhere(households: Numbers, one: Numbers, other: Numbers) -> float:
    """The share of households that are in another grid in the other plan, after the best renaming of its
    grids.
    """
    from scipy.optimize import linear_sum_assignment

    shared = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(shared, (one, other), households)
    rows, columns = linear_sum_assignment(-shared)
    return float(1.0 - shared[rows, columns].sum() / max(float(households.sum()), 1e-9))


def vary_division(
    parcel: Area,
    profile: Profile,
    division: Division,
    count: int,
    *,
    effort: int,
    seed: int,
    threads: int = 1,
) -> tuple[Division, ...]:
    """A division of a parcel's community, and the alternatives to it: `count` plans in all. Grids that stand
    apart and what the rule keeps whole are as they were. Where there are fewer, all have a finding, and the
    division itself stands for those that were not found.
    """
    of_unit = np.array(division.kinds, dtype=object)[division.plan.assignment]
    rest = np.flatnonzero(of_unit == BASIC)
    basic = division.problem.subset(rest)
    wishes = find_wishes(division.units, parcel, parcel.buildings, profile)
    hard = [
        replace(wish, units=np.searchsorted(rest, wish.units[np.isin(wish.units, rest)]))
        for wish in wishes
        if wish.hard and np.isin(wish.units, rest).any()
    ]
    upper = np.array([size.upper for size in division.sizes])
    group = unite(basic, hard, upper).group
    first = np.unique(group, return_index=True)[1]
    problem = contract(basic, group)
    used, assignment = np.unique(division.plan.assignment[rest][first], return_inverse=True)
    best = replace(division.plan, assignment=assignment.reshape(-1), grids=len(used))
    found = find_alternatives(problem, count, best=best, effort=effort, seed=seed, threads=threads)
    made = [division]
    for one in found[1:]:
        plan = one.plan
        apart, place = np.unique(division.plan.assignment[of_unit != BASIC], return_inverse=True)
        whole = np.empty(len(of_unit), dtype=np.int64)
        whole[rest] = plan.assignment[group]
        whole[of_unit != BASIC] = plan.grids + place.reshape(-1)
        reasons = {
            grid: replace(why, unit=int(rest[first[why.unit]]) if why.unit >= 0 else -1)
            for grid, why in out_of_range(problem, plan.assignment, fixed=False).items()
        }
        kinds = (BASIC,) * plan.grids + tuple(division.kinds[grid] for grid in apart.tolist())
        varied = Plan(whole, plan.grids + len(apart), plan.outside, plan.value)
        parted = vary_partings(division.partings, wishes, whole)
        made.append(replace(division, plan=varied, kinds=kinds, reasons=reasons, partings=parted))
    if len(found) == count:
        return tuple(made)
    values = {"wanted": count, "made": len(found)}
    rows = (str(parcel.communities["id"].iloc[0]),)
    told = Finding("alternatives_fewer", "noted", "community", rows=rows, values=values)
    made += [division] * (count - len(made))
    return tuple(replace(one, findings=(*one.findings, told)) for one in made)
