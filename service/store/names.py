"""What communities are called, for lists that tell their codes."""

from __future__ import annotations

from sqlalchemy import Connection, text

from service.access import Principal, access
from service.registry import COLLECTIONS


def select_names(connection: Connection, principal: Principal) -> list[tuple[str, str]]:
    """Code and name of the communities with a name that the principal may know of, by code."""
    allowed = access(principal, COLLECTIONS["communities"])
    if allowed is None:
        return []
    rows = connection.execute(
        text(f"""
            select t.code, t.name from divisions t
            where {allowed.predicate} and t.name <> '' order by t.code
        """),  # noqa: S608  # identifiers come from the registry only
        allowed.parameters,
    )
    return [(row.code, row.name) for row in rows]
