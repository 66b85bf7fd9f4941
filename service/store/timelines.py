"""The time line of a database, begun and read; see `service.postgres.timelines`."""

from __future__ import annotations

from sqlalchemy import Connection, text

from service.postgres.timelines import BEGIN, NAME

# the time line's row, as SQL of whoever may read any collection; none before the first restore
TIMELINE = f"select coalesce(sum(version), 0) from collection_versions where collection = '{NAME}'"  # noqa: S608


def begin_timeline(connection: Connection) -> None:
    """From the end of the transaction on, no version is one that there was before. By the owner only."""
    connection.execute(text(BEGIN))
