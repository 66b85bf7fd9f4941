"""Times that features are asked for at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from service.faults import MalformedError
from service.query.box import short
from service.query.condition import Condition


@dataclass(frozen=True)
class Span:
    """A time from begin to end, both inclusive; None is open."""

    begin: datetime | None
    end: datetime | None


_FIRST = datetime(1, 1, 2, tzinfo=UTC)  # a day before it may have no date in another zone
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII)


def read_span(value: str, zone: tzinfo = UTC) -> Span:
    """An instant or `begin/end` of RFC 3339; `..` or nothing is open; a date alone: its day in `zone`."""
    parts = value.split("/")
    if len(parts) > 2 or all(part in ("", "..") for part in parts):
        raise MalformedError("datetime", value=short(value))
    ends = [read_instant(part, zone) for part in parts]
    if any(end is None and part not in ("", "..") for end, part in zip(ends, parts, strict=True)):
        raise MalformedError("datetime", value=short(value))
    if len(ends) == 1:
        ends *= 2
    begin = ends[0][0] if ends[0] else None
    end = ends[1][1] if ends[1] else None
    if begin is not None and end is not None and begin > end:
        raise MalformedError("datetime-order", value=short(value))
    return Span(begin, end)


def read_instant(text: str, zone: tzinfo = UTC) -> tuple[datetime, datetime] | None:
    """First and last instant of a date in `zone` or time of RFC 3339, in UTC; None for any other text."""
    try:
        if _DATE.match(text):
            day = max(datetime.fromisoformat(text).replace(tzinfo=zone), _FIRST).astimezone(UTC)
            return day, day + timedelta(days=1, microseconds=-1)
        if _TIME.match(text):
            instant = datetime.fromisoformat(text.upper()).astimezone(UTC)
            return instant, instant
    except (ValueError, OverflowError):
        return None
    return None


def meets(span: Span, begins: str, ends: str, prefix: str) -> Condition:
    """That the time from `begins` to `ends` (SQL; null: open, nothing: an instant or always) meets the span.

    A time that has ended is half-open: at the instant of a change only what then began is there.
    """
    clauses: list[str] = []
    parameters: dict[str, object] = {}
    if span.end is not None:
        clauses.append(f"{begins} <= :{prefix}end")
        parameters[f"{prefix}end"] = span.end
    if span.begin is not None:
        if ends and ends != begins:
            clauses.append(f"coalesce({ends}, 'infinity') > :{prefix}begin")
        else:
            clauses.append(f"{begins} >= :{prefix}begin")
        parameters[f"{prefix}begin"] = span.begin
    return Condition(" and ".join(clauses), parameters)
