"""One grid's card, `GET /centre/{division}/grids/{code}/card`, as `layers.cards` describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from layers.cards import describe_grid
from partition.texts import LANGUAGES, catalogue
from service.access import Access, Principal, Role, access
from service.centre.place import clock_of, find_division
from service.centre.question import Filters
from service.faults import UnknownError
from service.maps.cards import card_columns, counted_of, counted_with, group_lines, recent_case
from service.maps.community import RECENT_SHOWN, is_ranged, size_range
from service.registry import COLLECTIONS
from service.store import audit, figures
from service.store import centre as store
from service.store.cards import select_grid, select_months, select_recent

ROUTE = "/centre/grids/card"


@dataclass(frozen=True)
class Card:
    """A grid's card for one principal. box: west, south, east, north in degrees. own_cases: whether the
    principal sees which cases are the grid's own.
    """

    told: Mapping[str, Any]
    division: str
    code: str
    box: tuple[float, float, float, float]
    own_cases: bool


def draw_card(connection: Connection, principal: Principal, division: str, code: str) -> Card:
    """The card of a grid in force. UnknownError: of the division or the grid the principal may not know.

    Exact figures of groups on it are put on record.
    """
    place = find_division(connection, principal, division)
    row = None if "\x00" in code else select_grid(connection, principal, place.codes, code)
    if row is None:
        raise UnknownError("grid-code", code=code.replace("\x00", "%00")[:60])
    community = str(row["community"])
    publication = figures.select_publication(connection, community)
    line = None if publication is None else publication.grids.get(code)
    groups = figures.select_groups(connection, principal, community)
    columns: dict[str, Any] = {**row, "ranged": is_ranged(line)}
    columns["groups"] = group_lines(groups, {code}).get(code, [])
    cases = access(principal, COLLECTIONS["cases"])
    clock = None
    if cases is not None:
        reach = store.select_reach(connection, cases, [community])
        # no figure of cases is told of a handful of households
        if row["households"] is not None and reach.newest is not None:
            clock = clock_of(place, reach)
    until = None if clock is None else clock.now
    columns |= card_columns(connection, principal, community, [code], until)[code]
    if clock is not None and cases is not None:
        span = Filters().interval(clock.now, None)
        counted = select_months(connection, principal, community, span.begin, span.end)
        if counted is not None:
            columns["cases_30d"] = counted_of(counted, code)
            columns["cases_together"] = counted_with(counted, code)
            columns["cases_about"] = code in counted.about
        recent = select_recent(connection, cases, code, span.begin, span.end, RECENT_SHOWN)
        columns["recent"] = [recent_case(dict(one)) for one in recent]
    for group in groups:
        if code in group.counts:
            audit.record_view(connection, principal, community, group.rule.name, [code], ROUTE)
    told = describe_grid(columns, size_range(publication))
    box = (row["west"], row["south"], row["east"], row["north"])
    return Card(told, community, code, box, _sees_own(principal, cases, code))


def _sees_own(principal: Principal, cases: Access | None, code: str) -> bool:
    return cases is not None and (principal.reaches(Role.CENTRE) or code in principal.grids)


def link_titles(name: str) -> dict[str, str]:
    """What a link of the card is called, in both languages."""
    say = catalogue("service").say
    return {lang: say(f"card.link_{name}", lang) for lang in LANGUAGES}
