"""Why what should stay whole lies in several grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.atoms import Hindrance, What, Wish, unite
from partition.solver.constraints import beyond
from partition.solver.problem import Problem

PartingCause = Literal["zone", "large", "shared", "apart", "number", "range", "weighed"]


@dataclass(frozen=True)
class Parting:
    """Why units that should stay together lie in several grids.

    zone: some of them stand apart. large: they are more than a grid may hold; shared: they are with what else
    should be whole on their ground; `amount` is what is meant, in the measure at place `measure`. apart:
    nobody can walk between them. range: the best plan found that met all such wishes has `kept` of that
    measure out of range, this one `made`. number: that plan has `kept` grids, this one `made`, nearer to the
    number asked for. weighed: none of these; other wishes weighed more.
    """

    name: str
    what: What
    cause: PartingCause
    measure: int = 0
    amount: float = 0.0
    kept: float = 0.0
    made: float = 0.0


def is_parted(wish: Wish, assignment: Numbers) -> bool:
    """Whether the units of a wish lie in several grids."""
    return len(wish.units) > 1 and bool((assignment[wish.units] != assignment[wish.units[0]]).any())


def hindered_parting(
    wish: Wish, hindrance: Hindrance, group: Numbers, load: Lengths, upper: Lengths
) -> Parting:
    """What `unite` found to hinder a wish. group: the atoms that it made; load: by unit, shape (n, m)."""
    if hindrance not in ("large", "shared"):
        return Parting(wish.name, wish.what, "apart")
    units = wish.units if hindrance == "large" else np.flatnonzero(np.isin(group, group[wish.units]))
    held = load[units].sum(axis=0)
    by = int(np.argmax(held / upper))
    return Parting(wish.name, wish.what, hindrance, by, float(held[by]))


def given_up(wish: Wish, problem: Problem, whole: Numbers, made: Numbers) -> Parting:
    """A wish that could have been met, but for what all such wishes together put out of range: `whole` and
    `made` are the plans with and without them.
    """
    before, after = (_beyond(problem, plan) for plan in (whole, made))
    by = int(np.argmax((before - after) / [balance.target for balance in problem.ranges]))
    return Parting(wish.name, wish.what, "range", by, kept=float(before[by]), made=float(after[by]))


def _beyond(problem: Problem, assignment: Numbers) -> Lengths:
    held = np.zeros((int(assignment.max(initial=-1)) + 1, len(problem.ranges)))
    np.add.at(held, assignment, problem.load)
    return np.asarray(beyond(held, problem.ranges).sum(axis=0))


def find_partings(
    problem: Problem, wishes: Sequence[Wish], assignment: Numbers, zone: Flags, upper: Lengths
) -> tuple[Parting, ...]:
    """Why a plan that was made elsewhere does not meet wishes, each taken by itself: what hinders it in any
    plan, else "weighed". zone: the units that stand apart.
    """
    found = []
    for wish in wishes:
        if is_parted(wish, assignment):
            (hindrance,) = unite(problem, [wish], upper).hindrances
            if hindrance:
                alone = np.arange(len(problem))
                found.append(hindered_parting(wish, hindrance, alone, problem.load, upper))
            else:
                cause: PartingCause = "zone" if zone[wish.units].any() else "weighed"
                found.append(Parting(wish.name, wish.what, cause))
    return tuple(found)


def vary_partings(
    partings: Sequence[Parting], wishes: Sequence[Wish], assignment: Numbers
) -> tuple[Parting, ...]:
    """The same for another plan of the same units, which was free to part what should be whole: what hindered
    a wish still does, others were outweighed.
    """
    known = {
        (one.what, one.name): one for one in partings if one.cause in ("zone", "large", "shared", "apart")
    }
    return tuple(
        known.get((wish.what, wish.name), Parting(wish.name, wish.what, "weighed"))
        for wish in wishes
        if is_parted(wish, assignment)
    )
