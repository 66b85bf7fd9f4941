"""The division that is asked about: its communities, and the clock by which it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from partition.texts import LANGUAGES, catalogue
from service.access import Access, Principal, access
from service.faults import MalformedError, UnknownError
from service.registry import COLLECTIONS
from service.store import centre as store
from service.store.centre import Community, Reach

# a street office's code: the first nine of a community's twelve digits
OFFICE_DIGITS = 9
# communities that one page shows at most
COMMUNITIES_MOST = 500


@dataclass(frozen=True)
class Division:
    """A community, or all communities whose codes begin with `code`, as far as the principal sees them."""

    code: str
    communities: tuple[Community, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the communities, ascending."""
        return tuple(one.code for one in self.communities)

    @property
    def synthetic(self) -> bool:
        """Whether all of its data are made up."""
        return all(one.synthetic for one in self.communities)

    @property
    def name(self) -> Mapping[str, str]:
        """What it is called."""
        if len(self.communities) == 1:
            one = self.communities[0]
            return dict.fromkeys(LANGUAGES, one.name or one.code)
        say = catalogue("service").say
        return {
            lang: say("centre.division", lang, code=self.code, count=len(self.communities))
            for lang in LANGUAGES
        }

    @property
    def attribution(self) -> str:
        """Where its data come from."""
        return "; ".join(dict.fromkeys(one.attribution for one in self.communities if one.attribution))


def find_division(connection: Connection, principal: Principal, code: str) -> Division:
    """The division, of which the principal must see something. Raises UnknownError."""
    found = store.select_division(connection, principal, code) if _possible(code) else []
    if not found:
        raise UnknownError("community", code=code[:60])
    exact = tuple(one for one in found if one.code == code)
    if not exact and len(found) > COMMUNITIES_MOST:
        raise MalformedError("centre-wide", code=code, count=len(found), most=COMMUNITIES_MOST)
    return Division(code, exact or tuple(found))


def _possible(code: str) -> bool:
    return bool(code) and "\x00" not in code and len(code) <= 60


def list_divisions(connection: Connection, principal: Principal) -> list[Division]:
    """What the principal may open a page of: street offices of several communities, then every community."""
    communities = store.select_division(connection, principal, "")
    single = [Division(one.code, (one,)) for one in communities]
    groups: dict[str, list[Community]] = {}
    for one in communities:
        if re.fullmatch(r"\d{12}", one.code, re.ASCII):
            groups.setdefault(one.code[:OFFICE_DIGITS], []).append(one)
    return [Division(code, tuple(found)) for code, found in groups.items() if len(found) > 1] + single


def cases_access(principal: Principal) -> Access:
    """What the principal may see of cases. Raises UnknownError if it may not know of them."""
    allowed = access(principal, COLLECTIONS["cases"])
    if allowed is None:
        raise UnknownError("collection", name="cases")
    return allowed


@dataclass(frozen=True)
class Clock:
    """From where times are counted back. anchor: `now`, or `newest` where the data are made up.

    oldest: time of the first case there is.
    """

    now: datetime
    anchor: str
    oldest: datetime | None = None

    @property
    def end(self) -> datetime:
        """Until when cases can have happened: the end of the minute that has begun."""
        return self.now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def clock_of(division: Division, reach: Reach, now: datetime | None = None) -> Clock:
    """The clock of the division: made-up data stand still, so they are told from their newest case."""
    if division.synthetic and reach.newest is not None:
        return Clock(reach.newest.astimezone(UTC), "newest", reach.oldest)
    return Clock((now or read_clock()).replace(second=0, microsecond=0), "now", reach.oldest)


def read_clock() -> datetime:
    """The time."""
    return datetime.now(UTC)
