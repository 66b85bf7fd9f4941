"""What stands on cards of grids: facilities in them, cases by month, the newest cases, for one principal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, text

from service.access import Access, Principal, access
from service.registry import COLLECTIONS
from service.store.grid_cases import find_units, own_sql, place_sql, select_units


@dataclass(frozen=True)
class Months:
    """Cases by grid and month of Beijing's calendar (`2026-09`), between two times.

    about: grids with cases from before a redraw at places that cross their borders, whose numbers are
    approximate. together: the codes of all
    grids with which a grid counts, itself among them; each has the number of all. oldest: the first case
    that is counted; None: there is none.
    """

    counts: Mapping[str, Mapping[str, int]]
    about: frozenset[str]
    together: Mapping[str, tuple[str, ...]]
    oldest: datetime | None


def select_grid(
    connection: Connection, principal: Principal, divisions: Sequence[str], code: str
) -> RowMapping | None:
    """A grid in force of one of the communities, with the columns that the principal sees, and its box in
    degrees: west, south, east, north.
    """
    allowed = access(principal, COLLECTIONS["grids"])
    if allowed is None:
        return None
    columns = ", ".join(f'{sql} as "{column.name}"' for column, sql in allowed.columns)
    return (
        connection.execute(
            text(f"""
                select {columns}, st_xmin(t.geom) as west, st_ymin(t.geom) as south,
                       st_xmax(t.geom) as east, st_ymax(t.geom) as north
                from grids t
                where {allowed.predicate} and t.division_code = any(cast(:divisions as text[]))
                  and t.code = :code
            """),  # noqa: S608  # identifiers come from the registry only
            {**allowed.parameters, "divisions": list(divisions), "code": code},
        )
        .mappings()
        .one_or_none()
    )


def select_facility_kinds(
    connection: Connection, principal: Principal, division: str
) -> dict[str, list[str]]:
    """The kinds of the facilities in each grid of a community; on a border, those of the lower code."""
    grids, facilities = access(principal, COLLECTIONS["grids"]), access(principal, COLLECTIONS["facilities"])
    if grids is None or facilities is None:
        return {}
    kind = next(sql for column, sql in facilities.columns if column.name == "kind")
    rows = connection.execute(
        text(f"""
            select code, kind, count(*) as many from (
                select distinct on (f.id) f.kind, g.code
                from (select t.id, {kind} as kind, {facilities.geometry} as geom from facilities t
                      where {facilities.predicate} and t.division_code = :division) f
                join (select t.code, t.geom from grids t
                      where {grids.predicate} and t.division_code = :division) g
                  on g.geom && f.geom and st_covers(g.geom, f.geom)
                order by f.id, g.code
            ) placed group by code, kind order by code, kind
        """),  # noqa: S608  # identifiers come from the registry only
        {**grids.parameters, **facilities.parameters, "division": division},
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.code, []).extend([row.kind] * row.many)
    return found


def select_months(
    connection: Connection, principal: Principal, division: str, since: datetime, until: datetime
) -> Months | None:
    """The cases of a community by grid and month, as `service.store.grid_cases` counts them.

    None: the principal may not see cases.
    """
    cases = access(principal, COLLECTIONS["cases"])
    if cases is None:
        return None
    rows = connection.execute(
        text(f"""
            select own, st_x(place) as x, st_y(place) as y, month, count(*) as many, min(time) as oldest
            from (
                select {own_sql(cases)} as own, {place_sql(principal, cases)} as place, t.time,
                       to_char(t.time at time zone interval '8 hours', 'YYYY-MM') as month
                from cases t
                where {cases.predicate} and t.division_code = :division
                  and t.time >= :since and t.time < :until
            ) c group by own, place, month
        """),  # noqa: S608  # identifiers come from the registry only
        {**cases.parameters, "division": division, "since": since, "until": until},
    ).all()
    units = select_units(connection, principal, [division])
    sums: dict[str | None, Counter[str]] = {unit: Counter() for unit in units.grids}
    found = find_units(connection, principal, units, [(division, row.own, row.x, row.y) for row in rows])
    for unit, row in zip(found, rows, strict=True):
        if unit in sums:
            sums[unit][row.month] += row.many
    together = {code: codes for codes in units.grids.values() for code in codes}
    counts = {code: sums[units.of(code)] for code in together}
    crossing = {
        unit
        for row in rows
        if row.own is None and row.x is not None
        for unit in units.crossing(division, (row.x, row.y))
    }
    about = frozenset(code for unit in crossing for code in units.grids[unit])
    oldest = min((row.oldest for row in rows), default=None)
    return Months(counts, about, together, oldest)


def select_recent(
    connection: Connection, cases: Access, code: str, since: datetime, until: datetime, limit: int
) -> list[RowMapping]:
    """The newest cases of a grid that the principal may see as its own: time, category, status."""
    told: dict[str, str] = {column.name: sql for column, sql in cases.columns}
    rows = connection.execute(
        text(f"""
            select {told["time"]} as time, {told["category"]} as category, {told["status"]} as status
            from cases t
            where {cases.predicate} and {own_sql(cases)} = :code and t.time >= :since and t.time < :until
            order by t.time desc, t.id limit :limit
        """),  # noqa: S608  # identifiers come from the registry only
        {**cases.parameters, "code": code, "since": since, "until": until, "limit": limit},
    )
    return list(rows.mappings())
