"""Whether a time holds a stretch without cases that is too long for chance: then data may be missing.

Cases are counted by days: 24 hours each, back from the time's end, so that no rhythm of the day matters. If
cases come independently with the usual rate of each weekday, all of the n near a stretch of days (`NEAR` days
on either side) fall outside it with the chance (1 - m)^n, where m is its part of what is expected there: a
Poisson process given its sum. Cases in clusters (reports that repeat each other) vary more: n is divided by
the dispersion of the other days (Pearson's X² by its degrees of freedom, at least 1), as in quasi-Poisson
models. The stretch could begin on any day, so the chance is multiplied by the number of days (Bonferroni). A
time with fewer than `FEW` cases is measured by the rate of the one that it is compared with. Where fewer than
two weeks are at hand, a stretch that was without cases a week before, too, is a habit. Below `LEVEL` the
stretch is told, and a rise or fall is not. `python -m tests.benchmarks.silence` measures false alarms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from service.centre.question import BEIJING, Interval

LEVEL = 0.001
# days on either side of a stretch whose rate is taken for its own: a year's summer says little of its winter
NEAR = 30
# a time with fewer cases has no rate of its own
FEW = 3
# with fewer days a weekday is seen once, and a stretch without cases would be taken for its habit
_WEEKS_KNOWN = 14
_DAY_H = 24
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Part = Literal["now", "previous"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Silence:
    """A stretch without cases: of the time asked about or of the one before, its ends, and how likely it is.

    begin, end: of the hours without a case. first, last: whether it begins, or ends, with the time itself.
    """

    part: Part
    begin: datetime
    end: datetime
    chance: float
    first: bool
    last: bool

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.end - self.begin) / timedelta(days=1)

    @property
    def week_before(self) -> Interval:
        """The same hours a week before."""
        return Interval(self.begin - timedelta(weeks=1), self.end - timedelta(weeks=1))


def find_silence(
    now: Mapping[int, int],
    interval: Interval,
    before: Mapping[int, int],
    earlier: Interval | None,
    count: Callable[[Interval], int],
) -> Silence | None:
    """The least likely stretch without cases of `interval`, else of `earlier`; None: no chance below `LEVEL`.

    now, before: cases by hours since 1970 (UTC) in each. Of a time with hardly a case it is asked how likely
    that is at the other's rate. count: the cases of another time, by the same filters.
    """
    here = _Days.of(now, interval)
    there = None if earlier is None else _Days.of(before, earlier)
    times = [days for days in (here, there) if days is not None]
    rates, known = _weekday_rates(times), sum(len(days.counts) for days in times)
    parts: tuple[tuple[Part, _Days | None, _Days | None], ...] = (
        ("now", here, there),
        ("previous", there, here),
    )
    for part, days, other in parts:
        if days is None:
            continue
        own = other is None or days.total >= FEW
        found = days.stretch(rates) if own else days.compared(rates, other)
        if found is None or found[2] >= LEVEL:
            continue
        silence = days.silence(part, *found)
        if known >= _WEEKS_KNOWN or count(silence.week_before):
            return silence
    return None


@dataclass(frozen=True)
class _Days:
    """A time by its whole days, back from its end: cases of each (the oldest first), and its weekday."""

    counts: Floats
    weekdays: npt.NDArray[np.int64]
    interval: Interval
    hours: npt.NDArray[np.int64]
    total: int

    @classmethod
    def of(cls, hours: Mapping[int, int], interval: Interval) -> _Days:
        first, last = _hour(interval.begin), _hour(interval.end - timedelta(microseconds=1)) + 1
        days = max(0, (last - first) // _DAY_H)
        counts = np.zeros(days)
        told = np.array(sorted(hour for hour, cases in hours.items() if cases), dtype=np.int64)
        for hour in told.tolist():
            place = days - 1 - (last - 1 - hour) // _DAY_H
            if 0 <= place < days:  # later than its end are cases only where the data reach beyond now
                counts[place] += hours[hour]
        middle = interval.end.astimezone(BEIJING) - timedelta(hours=12)
        weekdays = (middle.weekday() - np.arange(days)[::-1]) % 7
        return cls(counts, weekdays, interval, told, sum(hours.values()))

    def stretch(self, rates: Floats) -> tuple[int, int, float] | None:
        """The least likely days in a row without cases: the first, the one after, and the chance."""
        found: tuple[int, int, float] | None = None
        expected = rates[self.weekdays]
        for begin, end in _runs(self.counts == 0):
            near = slice(max(0, begin - NEAR), end + NEAR)
            counts, hoped = self.counts[near], expected[near]
            mass = float(expected[begin:end].sum() / hoped.sum()) if hoped.sum() else 0.0
            others = np.r_[self.counts[near.start : begin], self.counts[end : near.stop]]
            usual = np.r_[expected[near.start : begin], expected[end : near.stop]]
            chance = min(1.0, len(self.counts) * _missed(mass, counts.sum(), _dispersion(others, usual)))
            if found is None or chance < found[2]:
                found = (begin, end, chance)
        return found

    def compared(self, rates: Floats, other: _Days | None) -> tuple[int, int, float] | None:
        """The least likely days in a row without cases, or the whole without any, at the other's rate."""
        if other is None:
            return None
        found: tuple[int, int, float] | None = None
        expected, usual = rates[self.weekdays], rates[other.weekdays]
        spread = _dispersion(other.counts, usual)
        for begin, end in _runs(self.counts == 0):
            hoped = expected[begin:end].sum()
            share = float(hoped / (hoped + usual.sum())) if hoped + usual.sum() else 0.0
            begins = len(self.counts) if self.total else 1
            chance = min(1.0, begins * _missed(share, other.counts.sum(), spread))
            if found is None or chance < found[2]:
                found = (begin, end, chance)
        return found

    def silence(self, part: Part, begin: int, end: int, chance: float) -> Silence:
        """The days as a stretch, widened to the cases on both its sides."""
        last = _hour(self.interval.end - timedelta(microseconds=1)) + 1
        inside = last - _DAY_H * (len(self.counts) - begin)
        before, after = self.hours[self.hours < inside], self.hours[self.hours >= inside]
        return Silence(
            part,
            _EPOCH + timedelta(hours=int(before[-1]) + 1) if len(before) else self.interval.begin,
            _EPOCH + timedelta(hours=int(after[0])) if len(after) else self.interval.end,
            chance,
            first=not len(before),
            last=not len(after),
        )


def _weekday_rates(times: list[_Days]) -> Floats:
    """What each weekday has, on average; alike for all where too few days are known."""
    counts = np.concatenate([days.counts for days in times])
    weekdays = np.concatenate([days.weekdays for days in times])
    if len(counts) < _WEEKS_KNOWN:
        return np.ones(7)
    seen = np.bincount(weekdays, minlength=7)
    rates: Floats = np.bincount(weekdays, weights=counts, minlength=7) / np.maximum(seen, 1)
    return rates


def _missed(mass: float, cases: float, dispersion: float) -> float:
    """The chance that none of so many cases falls into a part of what is expected."""
    return float((1.0 - mass) ** (cases / dispersion)) if mass < 1 else 0.0 if cases else 1.0


def _dispersion(counts: Floats, expected: Floats) -> float:
    """How much more the counts vary than Poisson's with rates in proportion to `expected`; at least 1."""
    known = expected > 0
    if known.sum() < 2 or not counts[known].sum():
        return 1.0
    fitted = expected[known] * (counts[known].sum() / expected[known].sum())
    return max(1.0, float(((counts[known] - fitted) ** 2 / fitted).sum() / (known.sum() - 1)))


def _runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where the mask is true: the first place, and the one after, of each run."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False]))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _hour(time: datetime) -> int:
    return int((time - _EPOCH) // timedelta(hours=1))
