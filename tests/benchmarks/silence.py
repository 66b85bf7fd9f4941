"""How often a time with all its cases is said to lack some: `python -m tests.benchmarks.silence`.

Cases of two times in a row are drawn under several laws, none of which lacks any; each time that
`service.centre.silence` tells a stretch is a false alarm. Below, the same with days taken out: how many are
found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from service.centre.question import Interval
from service.centre.silence import find_silence

NOW = datetime(2026, 11, 22, 9, 31, tzinfo=UTC)
SEED = 20261122
Floats = npt.NDArray[np.float64]
# weights of the hours of a day in Beijing, as in the sample community: few at night
NIGHT = np.r_[np.full(6, 0.1), np.full(3, 3.0), np.full(8, 2.0), np.full(5, 4.0), np.full(2, 1.0)]


@dataclass(frozen=True)
class Law:
    """When cases come: weights of hours since 1970 (UTC), and reports that one event brings on average."""

    name: str
    weights: Callable[[npt.NDArray[np.int64]], Floats]
    reports: float = 1.0


def _flat(hours: npt.NDArray[np.int64]) -> Floats:
    return np.ones(len(hours))


def _daily(hours: npt.NDArray[np.int64]) -> Floats:
    return NIGHT[(hours + 8) % 24]


def _weekday(hours: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = ((hours + 8) // 24 + 3) % 7
    return found


def _office(hours: npt.NDArray[np.int64]) -> Floats:
    return np.where(_weekday(hours) < 5, _daily(hours), 0.0)


def _season(hours: npt.NDArray[np.int64]) -> Floats:
    return _daily(hours) * (1.0 + 0.7 * np.cos(2 * np.pi * hours / (365 * 24)))


def _falling(hours: npt.NDArray[np.int64]) -> Floats:
    return _daily(hours) * np.where(np.arange(len(hours)) < len(hours) // 2, 1.0, 0.3)


LAWS = (
    Law("even", _flat),
    Law("few at night", _daily),
    Law("none at weekends", _office),
    Law("seasons (1 : 5.7)", _season),
    Law("falling to 30 %", _falling),
    Law("two reports an event", _daily, 2.0),
)
SPANS_DAYS = (1, 7, 30, 90, 365)
RATES = (0.5, 2.0, 7.0, 40.0)


def draw(
    law: Law, rng: np.random.Generator, days: int, rate: float
) -> tuple[Mapping[int, int], Interval, Interval]:
    """Cases by hour of a week and two times of so many days, `rate` a day on average, and both times."""
    interval = Interval(NOW - timedelta(days=days), NOW)
    first, last = _hour(interval.before.begin - timedelta(weeks=1)), _hour(interval.end)
    hours = np.arange(first, last + 1)
    weights = law.weights(hours)
    events = rng.poisson(rate * (2 * days + 7) / law.reports * weights / weights.sum())
    cases = events + rng.poisson((law.reports - 1) * events)
    return dict(zip(hours.tolist(), cases.tolist(), strict=True)), interval, interval.before


def is_told(cases: Mapping[int, int], interval: Interval, earlier: Interval) -> bool:
    """Whether a stretch without cases is told."""
    begin, first = _hour(interval.begin), _hour(earlier.begin)
    now = {hour: count for hour, count in cases.items() if hour >= begin}
    before = {hour: count for hour, count in cases.items() if first <= hour < begin}

    def count(time: Interval) -> int:
        return sum(cases.get(hour, 0) for hour in range(_hour(time.begin), _hour(time.end)))

    return find_silence(now, interval, before, earlier, count) is not None


def _hour(time: datetime) -> int:
    return int(time.timestamp() // 3600)


def false_alarms(law: Law, days: int, rate: float, rounds: int, seed: int = SEED) -> int:
    """In how many of so many rounds a stretch is told, though nothing is missing."""
    rng = np.random.Generator(np.random.PCG64([seed, days, int(10 * rate)]))
    return sum(is_told(*draw(law, rng, days, rate)) for _ in range(rounds))


def found(days: int, missing: int, rate: float, rounds: int, seed: int = SEED) -> int:
    """In how many of so many rounds the last `missing` days are told, of which all cases were taken out."""
    rng = np.random.Generator(np.random.PCG64([seed, days, missing, int(10 * rate)]))
    count = 0
    for _ in range(rounds):
        cases, interval, earlier = draw(LAWS[1], rng, days, rate)
        end = _hour(interval.end) - 24 * missing
        kept = {hour: 0 if hour >= end else number for hour, number in cases.items()}
        count += is_told(kept, interval, earlier)
    return count


def tell(line: str) -> None:
    """Print a line."""
    print(line, flush=True)  # noqa: T201


def main(rounds: int = 2_000) -> None:
    """Print both tables, in per cent."""
    tell(f"False alarms, % of {rounds} draws, for spans of {', '.join(map(str, SPANS_DAYS))} days:")
    for law in LAWS:
        for rate in RATES:
            shares = [100 * false_alarms(law, days, rate, rounds) / rounds for days in SPANS_DAYS]
            tell(f"{law.name:22} {rate:5} a day  " + "  ".join(f"{share:6.2f}" for share in shares))
    tell("Found, %, of the last 2, 4, 8, 16 days of 30 taken out:")
    for rate in RATES:
        shares = [100 * found(30, missing, rate, rounds // 4) / (rounds // 4) for missing in (2, 4, 8, 16)]
        tell(f"{'few at night':22} {rate:5} a day  " + "  ".join(f"{share:6.1f}" for share in shares))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
