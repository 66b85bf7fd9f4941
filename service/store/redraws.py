"""When borders of grids were last changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from service.access import Principal, access
from service.registry import COLLECTIONS


def select_redraw(
    connection: Connection, principal: Principal, divisions: Sequence[str], begin: datetime, end: datetime
) -> datetime | None:
    """The last time between `begin` and `end` at which grids gave way to others, if any."""
    grids = access(principal, COLLECTIONS["grids"])
    if grids is None:
        return None
    found: datetime | None = connection.scalar(
        text(f"""
            select max(t.valid_to) from grids t
            where {grids.always} and t.division_code = any(cast(:divisions as text[]))
                and t.valid_to > :begin and t.valid_to < :end
        """),  # noqa: S608  # identifiers come from the registry only
        {**grids.parameters, "divisions": list(divisions), "begin": begin, "end": end},
    )
    return found
