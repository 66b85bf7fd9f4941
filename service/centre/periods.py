"""The periods that `/centre/{division}/compare` lays side by side: months of Beijing's calendar, or spans."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from layers.months import in_both
from partition.texts import LANGUAGES
from service.centre.place import Clock
from service.centre.question import BEIJING, Filters, Interval, write_span
from service.centre.stretch import MONTH_DAYS, reaches_back
from service.faults import MalformedError
from service.query.box import short
from service.query.span import read_span

MONTHS_MOST = 24
# until so many days of a month are over, the last thirty days say more
DAYS_LEAST = 7
_TICK = timedelta(microseconds=1)


def propose_sides(sides: tuple[str, str], clock: Clock) -> tuple[str, str]:
    """Both sides as in an address, "" being filled in. Raises MalformedError.

    Without any: the running month beside the one before, of which the same days count; in a month's first
    week the last thirty days that are over beside the thirty before, if cases reach back so far. Beside a
    month on the right stands the one before it, beside a span the equally long time before it.
    """
    left, right = sides
    if not left and not right:
        running = month_of(clock.now)
        if clock.end - read_period(running, clock).begin < timedelta(days=DAYS_LEAST):
            earlier, later = _days_before(clock.now, 2 * MONTH_DAYS), _days_before(clock.now, MONTH_DAYS)
            if reaches_back(read_period(earlier, clock), clock.oldest):
                return earlier, later
        return month_before(running), running
    right = right or month_of(clock.now)
    if left:
        return left, right
    if _is_month(right):
        return month_before(right), right
    try:
        return write_span(read_period(right, clock).before.inclusive), right
    except OverflowError:
        raise MalformedError("datetime", value=short(right)) from None


def read_period(side: str, clock: Clock) -> Interval:
    """A month (`2026-09`) or a span as collections take it. Raises MalformedError."""
    if not _is_month(side):
        return Filters(last="", span=read_span(side, BEIJING)).interval(clock.now, clock.oldest)
    begin = _begin(side)
    try:
        after = begin.astimezone(BEIJING) + timedelta(days=32)
        return Interval(begin, after.replace(day=1).astimezone(UTC))
    except OverflowError:
        raise MalformedError("datetime", value=short(side)) from None


def name_period(side: str, interval: Interval) -> dict[str, str]:
    """What a period is called: October 2026, or its days."""
    if _is_month(side):
        return in_both(interval.begin.astimezone(BEIJING).date())
    first, last = write_ends(interval)
    return dict.fromkeys(LANGUAGES, first if first == last else f"{first} – {last}")


def write_ends(interval: Interval) -> tuple[str, str]:
    """The first and the last of it by Beijing's clock: days if it is made of whole ones, else minutes."""
    first, after = interval.begin.astimezone(BEIJING), interval.end.astimezone(BEIJING)
    whole = first.time() == time.min == after.time()
    form = "%Y-%m-%d" if whole else "%Y-%m-%d %H:%M"
    return f"{first:{form}}", f"{max(first, after - _TICK):{form}}"


def offer_months(clock: Clock, asked: Sequence[str]) -> list[str]:
    """The months with cases, the newest first, and what was asked for besides."""
    last = clock.now.astimezone(BEIJING)
    oldest = (clock.oldest or clock.now).astimezone(BEIJING)
    newest, first = last.year * 12 + last.month - 1, oldest.year * 12 + oldest.month - 1
    months = [
        f"{n // 12:04d}-{n % 12 + 1:02d}" for n in range(newest, max(first, newest - MONTHS_MOST) - 1, -1)
    ]
    return [*months, *(side for side in dict.fromkeys(asked) if side not in months)]


def month_of(at: datetime) -> str:
    """The month of a time, as an address has it."""
    there = at.astimezone(BEIJING)
    return f"{there.year:04d}-{there.month:02d}"


def month_before(month: str) -> str:
    """The month before one. Raises MalformedError."""
    try:
        return month_of(_begin(month) - timedelta(days=1))
    except OverflowError:
        raise MalformedError("datetime", value=short(month)) from None


def _days_before(now: datetime, first: int) -> str:
    """Thirty days that begin so many days ago."""
    today = now.astimezone(BEIJING).date()
    begin = today - timedelta(days=first)
    return f"{begin}/{begin + timedelta(days=MONTH_DAYS - 1)}"


def _is_month(side: str) -> bool:
    return re.fullmatch(r"\d{4}-\d{2}", side, re.ASCII) is not None


def _begin(month: str) -> datetime:
    """When a month begins in Beijing. Raises MalformedError."""
    try:
        return datetime(int(month[:4]), int(month[5:]), 1, tzinfo=BEIJING).astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedError(
            "parameter-value", name="left, right", value=short(month), choice="2026-09"
        ) from None
