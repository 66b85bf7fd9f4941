"""The audit: who saw which group where, and what was done with the data. Only added to, and read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from service.access import Principal


@dataclass(frozen=True)
class Line:
    """One line. place: codes of the grids that were seen, or nothing where it is about the division whole."""

    number: int
    at: datetime
    subject: str
    role: str
    action: str
    division: str
    category: str
    place: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Search:
    """Which lines: from `since` (inclusive) until `until` (exclusive); texts equal, division by prefix."""

    since: datetime | None = None
    until: datetime | None = None
    subject: str = ""
    division: str = ""
    category: str = ""
    action: str = ""


def record_view(
    connection: Connection,
    principal: Principal,
    division: str,
    category: str,
    grids: Sequence[str],
    route: str,
) -> None:
    """Put on record that the principal saw exact figures of a group in grids of a community."""
    record(
        connection,
        principal,
        "view",
        division,
        category,
        place=" ".join(grids),
        details={"grids": len(grids), "route": route},
    )


def record(
    connection: Connection,
    principal: Principal,
    action: str,
    division: str = "",
    category: str = "",
    *,
    place: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add a line within the caller's transaction."""
    record_each(connection, principal, action, {division: details or {}}, category, place=place)


def record_each(
    connection: Connection,
    principal: Principal,
    action: str,
    divisions: Mapping[str, Mapping[str, Any]],
    category: str = "",
    *,
    place: str = "",
) -> None:
    """Add a line for each division, with its details, within the caller's transaction."""
    connection.execute(
        text("""
            insert into audit (division_code, principal, role, action, group_code, place, details)
            select n.division, :subject, :role, :action, :category, :place, cast(n.details as jsonb)
            from unnest(cast(:divisions as text[]), cast(:details as text[])) with ordinality
                as n(division, details, number)
            order by n.number
        """),
        {
            "divisions": list(divisions),
            "subject": principal.subject,
            "role": principal.role.value,
            "action": action,
            "category": category,
            "place": place,
            "details": [json.dumps(details, ensure_ascii=False) for details in divisions.values()],
        },
    )


def search(
    connection: Connection, wanted: Search, *, limit: int, before: int | None = None
) -> tuple[list[Line], int | None]:
    """The lines, newest first, at most `limit`; and the number before which the next page begins.

    Which of them the caller may see, the row policies say.
    """
    clauses = {
        "at >= :since": wanted.since,
        "at < :until": wanted.until,
        "principal = :subject": wanted.subject,
        "division_code ^@ :division": wanted.division,
        "group_code = :category": wanted.category,
        "action = :action": wanted.action,
        "id < :before": before,
    }
    held = {sql: value for sql, value in clauses.items() if value is not None and value != ""}
    rows = connection.execute(
        text(f"""
            select id, at, principal, role, action, division_code, group_code, place, details
            from audit where {" and ".join([*held, "true"])} order by id desc limit :limit
        """),  # noqa: S608 - the clauses above
        {sql.rpartition(":")[2]: value for sql, value in held.items()} | {"limit": limit + 1},
    ).all()
    lines = [Line(*row) for row in rows[:limit]]
    return lines, lines[-1].number if len(rows) > limit else None
