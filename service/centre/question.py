"""What is asked of the centre: the filters of its page and of all its answers, read once from the address.

Times of day, weekdays, and dates without a time are Beijing's (UTC+8 all year). A time is kept as the
half-open interval [begin, end); what the collections take as `datetime` has both its ends, and time stamps
have microseconds, so the two say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby, pairwise
from typing import Literal, cast
from urllib.parse import urlencode

from service.casework import TIERS
from service.faults import MalformedError
from service.models.base import CASE_STATUSES
from service.query.box import short
from service.query.condition import Condition
from service.query.span import Span, read_span

BEIJING = timezone(timedelta(hours=8))
LAST: Mapping[str, timedelta] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
DEFAULT = "30d"
OPEN = "open"
RATES = ("households", "residents")
REPEATABLE = frozenset({"category", "status", "tier"})
FILTERS = REPEATABLE | {"last", "datetime", "hours", "weekdays", "rate", "previous"}
# of a filter; more would make a statement that takes long to read
VALUES_MOST = 50
LETTERS_MOST = 200
_TICK = timedelta(microseconds=1)
_LAST = datetime(9998, 12, 31, tzinfo=UTC)  # what comes after still has a date in Beijing
_HOURS, _DAYS = range(24), range(1, 8)

Per = Literal["", "households", "residents"]


@dataclass(frozen=True)
class Interval:
    """From begin until end, which is no longer part of it; both in UTC."""

    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.begin

    @property
    def days(self) -> float:
        """Its length in days."""
        return self.length / timedelta(days=1)

    @property
    def before(self) -> Interval:
        """The interval just before it, equally long. OverflowError: there is none in the calendar."""
        return Interval(self.begin - self.length, self.begin)

    def within(self, begin: datetime | None, end: datetime) -> Interval:
        """Its part from one time until another; empty, where it begins, if there is none."""
        first = self.begin if begin is None else min(max(self.begin, begin), self.end)
        return Interval(first, max(first, min(self.end, end)))

    @property
    def inclusive(self) -> Span:
        """The same with both its ends, as the collections take it."""
        return Span(self.begin, self.end - _TICK)

    def split(self, parts: int) -> tuple[Interval, ...]:
        """Equal parts, to the microsecond."""
        ends = [self.begin + self.length * place / parts for place in range(parts)] + [self.end]
        return tuple(Interval(*pair) for pair in pairwise(ends))


@dataclass(frozen=True)
class Filters:
    """The filters of one view. Equal if they ask the same: values are sorted and without repetition.

    last: a key of `LAST`, empty where `span` is given instead. hours (0 … 23) and weekdays (1 … 7): None are
    all. rate: of how many thousand what; empty: counts. previous: the difference to the time before.
    """

    category: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    tier: tuple[str, ...] = ()
    last: str = DEFAULT
    span: Span | None = None
    hours: tuple[int, ...] | None = None
    weekdays: tuple[int, ...] | None = None
    rate: Per = ""
    previous: bool = False

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses asked for, `open` among them as those it stands for; none: any."""
        wanted = set(self.status)
        if OPEN in wanted:
            wanted |= {status for status in CASE_STATUSES if status != "closed"}
        return tuple(status for status in CASE_STATUSES if status in wanted)

    def pairs(self) -> list[tuple[str, str]]:
        """Names and values as in an address, in one order; what is as by default is left out."""
        pairs = [(name, value) for name in ("category", "status", "tier") for value in getattr(self, name)]
        if self.span is not None:
            pairs.append(("datetime", write_span(self.span)))
        elif self.last != DEFAULT:
            pairs.append(("last", self.last))
        if self.hours is not None:
            pairs.append(("hours", _written_hours(self.hours)))
        if self.weekdays is not None:
            pairs.append(("weekdays", _written(self.weekdays)))
        if self.rate:
            pairs.append(("rate", self.rate))
        if self.previous:
            pairs.append(("previous", "true"))
        return pairs

    def address(self) -> str:
        """The query of an address, without its question mark: equal for equal views."""
        return urlencode(self.pairs(), safe=",/:")

    def interval(self, now: datetime, oldest: datetime | None) -> Interval:
        """The time asked about. now: from where `last` is counted back, and the end of a span that is open.

        oldest: time of the first case there is, where a span begins that is open. A time counted back ends
        with the minute that has begun, so that equal views of one minute are equal questions.
        """
        if self.span is None:
            end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
            return Interval(end - LAST[self.last], end)
        end = min(self.span.end or max(now, self.span.begin or now), _LAST) + _TICK
        begin = None if self.span.begin is None else min(self.span.begin, _LAST)
        if begin is None:
            begin = min(oldest, end - _TICK) if oldest is not None else end - LAST[DEFAULT]
        return Interval(begin, end)

    def condition(self, columns: Mapping[str, str], *, prefix: str = "f_") -> Condition:
        """All but the time span as SQL over `columns` (names as in the collection, their SQL).

        MalformedError: a filter on a column that is not among them, as if it did not exist.
        """
        clauses: list[str] = []
        parameters: dict[str, object] = {}
        for name, values in (("category", self.category), ("status", self.statuses), ("tier", self.tier)):
            if values:
                if name not in columns:
                    raise MalformedError("parameter-unknown", name=name)
                clauses.append(f"({columns[name]}) = any(cast(:{prefix}{name} as text[]))")
                parameters[f"{prefix}{name}"] = list(values)
        hour = f"(date_part('epoch', {columns['time']}) / 3600)"
        if self.hours is not None:
            clauses.append(f"(floor({hour})::int + 8) % 24 = any(cast(:{prefix}hours as int[]))")
            parameters[f"{prefix}hours"] = list(self.hours)
        if self.weekdays is not None:
            # 1 January 1970 was a Thursday
            clauses.append(
                f"(floor(({hour} + 8) / 24)::int + 3) % 7 + 1 = any(cast(:{prefix}weekdays as int[]))"
            )
            parameters[f"{prefix}weekdays"] = list(self.weekdays)
        return Condition(" and ".join(clauses) or "true", parameters)

    def exposure(self, interval: Interval) -> float:
        """Hours of the interval that the filters on hours and weekdays let through."""
        if self.hours is None and self.weekdays is None:
            return interval.length / timedelta(hours=1)
        hours = set(self.hours if self.hours is not None else _HOURS)
        weekdays = self.weekdays if self.weekdays is not None else tuple(_DAYS)
        day = timedelta(days=1)
        begin = interval.begin.astimezone(BEIJING)
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        whole = int((interval.end - midnight) / day)  # days of which the first may be cut, the last is not
        counts = dict.fromkeys(_DAYS, 0)
        for place in range(7):
            counts[(midnight.isoweekday() + place - 1) % 7 + 1] += (whole - place + 6) // 7
        total = float(len(hours) * sum(counts[weekday] for weekday in weekdays))
        total -= self._passed(midnight, begin, hours, weekdays)
        last = midnight + whole * day
        return total + self._passed(last, interval.end.astimezone(BEIJING), hours, weekdays)

    def _passed(self, midnight: datetime, until: datetime, hours: set[int], weekdays: Sequence[int]) -> float:
        """Hours let through from a midnight until a time of that day."""
        if midnight.isoweekday() not in weekdays:
            return 0.0
        told = (until - midnight) / timedelta(hours=1)
        return sum(min(max(told - hour, 0.0), 1.0) for hour in hours)


def read_filters(
    given: Iterable[tuple[str, str]], *, tiers: bool = True, passed: frozenset[str] = frozenset()
) -> Filters:
    """The filters that names and values of an address ask for.

    tiers: whether the principal knows of tiers; else there is no such filter. passed: names that are not
    filters and are passed over. MalformedError: an unknown name, a repeated one, a value that says nothing.
    """
    several: dict[str, list[str]] = {}
    for name, value in given:
        if name in passed:
            continue
        if name not in FILTERS or (name == "tier" and not tiers):
            raise MalformedError("parameter-unknown", name=short(name))
        if "\x00" in value:
            raise MalformedError("parameter-value", name=name, value="U+0000", choice="UTF-8")
        several.setdefault(name, []).append(value)
    for name, values in several.items():
        if len(values) > 1 and name not in REPEATABLE:
            raise MalformedError("parameter-repeated", name=name)
    one = {name: values[0] for name, values in several.items()}
    if "last" in one and "datetime" in one:
        raise MalformedError("centre-times")
    return Filters(
        category=_read_categories(several.get("category", [])),
        status=_read_known("status", several.get("status", []), (OPEN, *CASE_STATUSES)),
        tier=_read_known("tier", several.get("tier", []), TIERS),
        last="" if "datetime" in one else _read_one(one, "last", tuple(LAST), DEFAULT),
        span=read_span(one["datetime"], BEIJING) if "datetime" in one else None,
        hours=_read_numbers("hours", one["hours"], _HOURS, until=True) if "hours" in one else None,
        weekdays=_read_numbers("weekdays", one["weekdays"], _DAYS) if "weekdays" in one else None,
        rate=cast(Per, _read_one(one, "rate", RATES, "")),
        previous=_read_one(one, "previous", ("true", "false"), "false") == "true",
    )


def _read_categories(values: list[str]) -> tuple[str, ...]:
    if len(values) > VALUES_MOST:
        raise MalformedError("centre-many", name="category", most=VALUES_MOST)
    for value in values:
        if not 0 < len(value) <= LETTERS_MOST:
            raise MalformedError(
                "parameter-value", name="category", value=short(value), choice=f"1 … {LETTERS_MOST}"
            )
    return tuple(sorted(set(values)))


def _read_known(name: str, values: list[str], known: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            raise MalformedError("parameter-value", name=name, value=short(value), choice=", ".join(known))
    return tuple(value for value in known if value in values)


def _read_one(one: Mapping[str, str], name: str, known: tuple[str, ...], default: str) -> str:
    return _read_known(name, [one[name]], known)[0] if name in one else default


def _read_numbers(name: str, text: str, known: range, *, until: bool = False) -> tuple[int, ...] | None:
    """Numbers of `known` that a list of numbers and ranges names; None: all of them.

    A range may go beyond the last to the first. until: its end is when it ends, no longer part of it.
    """
    found: set[int] = set()
    least, count = known[0], len(known)
    for part in text.split(","):
        told = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", part, re.ASCII)
        first = int(told[1]) if told else -1
        last = int(told[2]) - until if told and told[2] else first
        if first not in known or not (last in known or (until and last == least - 1)):
            example = "8-18, 22-6, 7" if until else "1-5, 6,7"
            raise MalformedError("parameter-value", name=name, value=short(text), choice=example)
        steps = (last - first) % count + 1
        if until and told and told[1] == told[2]:
            raise MalformedError("parameter-value", name=name, value=short(text), choice="8-18, 22-6, 7")
        found |= {least + (first - least + step) % count for step in range(steps)}
    return None if len(found) == count else tuple(sorted(found))


def _written(numbers: Sequence[int], *, until: int = 0) -> str:
    parts = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        ends = [number for _, number in run]
        single = len(ends) == 1
        parts.append(str(ends[0]) if single else f"{ends[0]}-{ends[-1] + until}")
    return ",".join(parts)


def _written_hours(hours: Sequence[int]) -> str:
    return _written(hours, until=1)


def write_span(span: Span) -> str:
    """The span as `datetime` takes it."""
    return "/".join(".." if end is None else write_time(end) for end in (span.begin, span.end))


def write_time(time: datetime) -> str:
    """A time as RFC 3339 in UTC, with as many digits as it needs."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
