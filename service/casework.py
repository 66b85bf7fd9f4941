"""The work on a case: which steps there are and who takes them, the tiers it climbs, when it is due. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from service.access import Principal, Role
from service.faults import FixedError, ForbiddenError, MalformedError

FIRST, LAST = "discovered", "closed"

# 发现 → 立案 → 派遣 → 处置 → 核查 → 结案; whoever cannot do a step returns the case (退回)
NEXT: Mapping[str, tuple[str, ...]] = {
    "discovered": ("filed", "returned"),
    "filed": ("dispatched", "returned"),
    "dispatched": ("handled", "returned"),
    "handled": ("verified", "returned"),
    "verified": ("closed", "returned"),
    "returned": ("filed", "dispatched", "closed"),
    "closed": (),
}
# a grid worker reports, handles, and looks whether it was done; the centre files, dispatches and closes too
WORKERS: frozenset[tuple[str, str]] = frozenset(
    {
        ("discovered", "filed"),
        ("dispatched", "handled"),
        ("dispatched", "returned"),
        ("handled", "verified"),
        ("handled", "returned"),
    }
)
TIERS = ("grid", "community", "street", "county", "city")


@dataclass(frozen=True)
class Limits:
    """Hours by words in the category; `hours` for all others."""

    hours: int
    by_words: tuple[tuple[re.Pattern[str], int], ...]


@lru_cache(maxsize=1)
def limits() -> Limits:
    """`casework.toml`."""
    with Path(__file__).with_name("casework.toml").open("rb") as file:
        told = tomllib.load(file)
    entries = tuple(
        (re.compile("|".join(map(re.escape, entry["words"])), re.IGNORECASE), int(entry["hours"]))
        for entry in told["limits"]
    )
    return Limits(int(told["hours"]), entries)


@lru_cache(maxsize=4096)
def hours_for(category: str) -> int:
    """How many hours a case of the category may take."""
    known = limits()
    return next((hours for pattern, hours in known.by_words if pattern.search(category)), known.hours)


def due_at(category: str, time: datetime) -> datetime:
    """When a case reported at `time` is to be closed. MalformedError: beyond the calendar."""
    try:
        return time + timedelta(hours=hours_for(category))
    except OverflowError:
        raise MalformedError("write-range", name="time", value=time.isoformat()) from None


def check_step(principal: Principal, before: str, after: str) -> None:
    """Raise FixedError if no case goes from `before` to `after`, ForbiddenError if not by this principal."""
    if after not in NEXT[before]:
        raise FixedError("case-step", before=before, after=after, known=", ".join(NEXT[before]) or "-")
    if principal.role is not Role.CENTRE and (before, after) not in WORKERS:
        raise ForbiddenError("case-step-role", before=before, after=after)


def check_tier(principal: Principal, status: str, before: str, after: str) -> None:
    """Raise FixedError unless an open case climbs to the next tier. The centre may send it back down, too."""
    if after == before:
        return
    if status == LAST:
        raise FixedError("case-closed")
    if after not in TIERS:
        raise MalformedError("write-choice", name="tier", value=after[:60], choice=", ".join(TIERS))
    rank = TIERS.index(before) if before in TIERS else 0
    higher = TIERS[rank + 1 : rank + 2]
    if after not in higher and not (principal.role is Role.CENTRE and TIERS.index(after) <= rank):
        raise FixedError("case-tier", before=before or TIERS[0], after=after, known=", ".join(higher) or "-")
