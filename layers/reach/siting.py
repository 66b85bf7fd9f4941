"""Where one more facility, or a few, would help most.

Three aims: `coverage`, the most households that come within so many minutes' walk (MCLP); `walk`, the
shortest walks on average (p-median); `farthest`, the shortest walk of those who walk farthest (p-center).
What stands already stays and counts. One site is found by trying every candidate; several by spopt's models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from layers.reach.ground import Ground, Walks
from layers.reach.models import (
    SolverMissing,
    TooLarge,
    Unsettled,
    cover_most,
    shorten_longest,
    shorten_most,
)
from layers.reach.sites import Sites
from partition.arrays import Flags, Lengths, Numbers
from partition.geometry.walking import WALK_M_PER_MINUTE, walk_distances

Aim = Literal["coverage", "walk", "farthest"]
AIMS: tuple[Aim, ...] = get_args(Aim)
Reason = Literal[
    "found",
    "all_within",
    "nothing_gained",
    "no_sites",
    "no_homes",
    "too_large",
    "unsettled",
    "extra_missing",
]

MOST_SITES = 10
MOST_CANDIDATES = 4000
MOST_WALKS = 8_000_000  # homes × candidates
AT_ONCE = 256
HOUR_MIN = 60.0  # a household that reaches nothing counts as walking so long
BEYOND_M = 1.0  # where only the limit counts, whoever walks farther counts as walking so much farther
PASSES = 10  # in which equally good sites are exchanged


@dataclass(frozen=True)
class Gain:
    """A site, by its number among the candidates, and the households that it brings within the limit besides
    those of the sites before it.
    """

    site: int
    households: float


@dataclass(frozen=True)
class Siting:
    """The best sites, those that gain most first, and what they change.

    asked: how many were asked for; `gains` may be fewer, where more would change nothing. reason: why there
    are none. households: all whose number is known. within: those within the limit, before and after. mean,
    farthest: minutes of walk, before and after, over the households that some candidate or facility serves;
    one that nothing serves yet counts as walking HOUR_MIN.
    """

    aim: Aim
    minutes: float
    asked: int
    candidates: int
    reason: Reason
    gains: tuple[Gain, ...] = ()
    households: float = 0.0
    within: tuple[float, float] = (0.0, 0.0)
    mean: tuple[float, float] = (0.0, 0.0)
    farthest: tuple[float, float] = (0.0, 0.0)

    @property
    def shares(self) -> tuple[float, float]:
        """The part of the households within the limit, 0 to 1, before and after."""
        known = self.households or 1.0
        return self.within[0] / known, self.within[1] / known


def choose_sites(
    ground: Ground,
    walks: Walks,
    sites: Sites,
    *,
    add: int = 1,
    minutes: float = 15.0,
    aim: Aim = "coverage",
    metres_per_minute: float = WALK_M_PER_MINUTE,
) -> Siting:
    """The `add` sites that serve `aim` best.

    Of equally good ones those to which all walk less, then the first in the order of `sites`. Nothing is
    raised where there is no answer: `reason` tells why. Raises ValueError for numbers out of range.
    """
    if not 1 <= add <= MOST_SITES or not minutes > 0 or not metres_per_minute > 0 or aim not in AIMS:
        raise ValueError(f"add must be 1 to {MOST_SITES}, minutes and pace positive, aim one of {AIMS}")
    limit, cap = minutes * metres_per_minute, HOUR_MIN * metres_per_minute
    homes = np.flatnonzero(ground.households > 0)
    weights, now = ground.households[homes], walks.metres[homes]
    answer = Siting(aim, minutes, add, len(sites), "no_homes", households=float(weights.sum()))
    if not len(homes):
        return answer
    within = float(weights[now <= limit].sum())
    answer = replace(answer, within=(within, within))
    if aim == "coverage" and within == answer.households:
        return replace(answer, reason="all_within")
    if not len(sites):
        return replace(answer, reason="no_sites")
    asked = np.flatnonzero(now > limit) if aim == "coverage" else np.arange(len(homes))
    if len(sites) > MOST_CANDIDATES or len(sites) * len(asked) > MOST_WALKS:
        return replace(answer, reason="too_large")
    cap = limit + BEYOND_M if aim == "coverage" else cap
    walk = _walk_to_sites(ground, sites, homes[asked], cap)
    task = _Task(aim, walk, np.minimum(now[asked], cap), weights[asked], limit, cap)
    try:
        chosen = task.best(add)
    except TooLarge:
        return replace(answer, reason="too_large")
    except Unsettled:
        return replace(answer, reason="unsettled")
    except SolverMissing:
        return replace(answer, reason="extra_missing")
    return task.told(answer, chosen, metres_per_minute)


def _walk_to_sites(ground: Ground, sites: Sites, homes: Numbers, limit: float) -> Lengths:
    """Metres from each home to each site, at most `limit`, which also stands for farther and for no way."""
    doors = ground.doors.take(homes)
    found = np.empty((len(homes), len(sites)))
    for begin in range(0, len(sites), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        far = walk_distances(ground.network, sites.access.take(some), doors, limit_m=limit)
        found[:, some] = np.minimum(far, limit).T
    return found


@dataclass(frozen=True, eq=False)
class _Task:
    """walk (homes, sites), now, weights (homes,): metres, capped; households."""

    aim: Aim
    walk: Lengths
    now: Lengths
    weights: Lengths
    limit: float
    cap: float

    @cached_property
    def served(self) -> Flags:
        """The homes that a site, or what stands there, serves."""
        able: Flags = np.minimum(self.walk.min(axis=1), self.now) < self.cap
        return able

    def best(self, add: int) -> Numbers:
        """The sites, by number, in no particular order."""
        if add == 1:
            chosen = np.zeros(1, dtype=np.int64)
        elif self.aim == "coverage":
            near = (self.walk <= self.limit) & (self.now > self.limit)[:, None]
            chosen = cover_most(near, self.weights, self._ranks(), add)
        elif self.aim == "walk":
            chosen = shorten_most(self.walk, self.now, self.weights, add)
        else:
            # whom nothing serves does not decide where the others' sites stand
            chosen = shorten_longest(self.walk[self.served], self.now[self.served], add)
        return self._settled(chosen)

    def worth(self, metres: Lengths) -> tuple[Lengths, Lengths]:
        """How good walks are, less is better, and what decides between equals; metres: (homes, plans).

        Rounded, so that sums taken in another order do not decide.
        """
        total = (self.weights @ metres).round(3)
        if self.aim == "coverage":
            return -(self.weights @ (metres <= self.limit)).round(6), total
        if self.aim == "walk":
            return total, np.zeros_like(total)
        return metres[self.served].max(axis=0, initial=0.0).round(3), total

    def _ranks(self) -> Numbers:
        """The place of each site when its walks alone decide."""
        _, total = self.worth(np.minimum(self.walk, self.now[:, None]))
        return np.argsort(np.argsort(total, kind="stable"), kind="stable").astype(np.int64)

    def _settled(self, chosen: Numbers) -> Numbers:
        """Sites as good as these, or better, by the rules for equals."""
        own = chosen.tolist()
        for _ in range(PASSES):
            before = list(own)
            for place in range(len(own)):
                others = [site for site in own if site != own[place]]
                rest = np.minimum(self.now, self.walk[:, others].min(axis=1, initial=self.cap))
                good, equal = self.worth(np.minimum(self.walk, rest[:, None]))
                order = np.lexsort((equal, good))  # stable: of equals the first
                own[place] = int(order[0])
            if own == before:
                break
        return np.array(sorted(set(own)), dtype=np.int64)

    def told(self, answer: Siting, chosen: Numbers, pace: float) -> Siting:
        """The answer with these sites: those that gain most first, without those that gain nothing."""
        left, metres, order = chosen.tolist(), self.now, []
        while left:
            plans = np.minimum(self.walk[:, left], metres[:, None])
            good, equal = self.worth(plans)
            first = int(np.lexsort((equal, good))[0])
            stands = self.worth(metres[:, None])
            helps = good[first] < stands[0][0]
            # the farthest may be brought nearer only by several together
            if not helps and (self.aim != "farthest" or equal[first] >= stands[1][0]):
                break
            gained = self.weights[(metres > self.limit) & (plans[:, first] <= self.limit)].sum()
            order.append(Gain(left[first], float(gained)))
            metres = plans[:, first]
            left.remove(left[first])
        if self.worth(metres[:, None])[0][0] >= self.worth(self.now[:, None])[0][0]:
            return replace(answer, reason="nothing_gained")
        gained = sum(one.households for one in order)
        answer = replace(
            answer, reason="found", gains=tuple(order), within=(answer.within[0], answer.within[0] + gained)
        )
        if self.aim == "coverage":
            return answer
        before, after, held = (
            self.now[self.served] / pace,
            metres[self.served] / pace,
            self.weights[self.served],
        )
        return replace(
            answer,
            mean=(float(held @ before / held.sum()), float(held @ after / held.sum())),
            farthest=(float(before.max()), float(after.max())),
        )
