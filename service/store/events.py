"""What happened, in an order in which nothing committed late is skipped; and what of it one may be told.

A place in that order counts events, hidden ones too, and transactions. So what a listener keeps is sealed.
The id of an event is the same each time. Of a place between events it is another each time, for it holds the
time: nobody sees whether the place moved on since the last one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, text

from service.access import Access, Principal
from service.db import EVERYWHERE, transaction
from service.faults import MalformedError
from service.privacy.seals import Seals
from service.query.box import short
from service.query.question import Question
from service.registry import Collection
from service.store.items import columns_sql, feature_sql
from service.store.reading import WHO, read_row, who

CHANNEL = "wangge_events"
GATE = "gate"  # the service itself, at its own door
KEPT = timedelta(days=1)
# Who was away for longer reads anew, whether anything was forgotten meanwhile or not: whether it was would
# tell of hidden events. An hour less than they are kept, for transactions that take long.
AWAY_MOST = KEPT - timedelta(hours=1)


class Cursor(NamedTuple):
    """A place in the order of events."""

    xid: int
    id: int


@dataclass(frozen=True)
class Event:
    """Something that happened: keys only. kind: created, changed, imported (many at once), published, or
    purged: those before it are forgotten.

    audience: who is told ("centre", "known", "open"); grids: whose own workers are. categories: of many cases
    at once. category, grid: of the case then; was_category, was_grid: before it changed. Categories are None
    where the case had no place that is shown.
    """

    cursor: Cursor
    at: datetime
    kind: str
    collection: str
    division: str
    row: int | None
    audience: frozenset[str] = frozenset()
    categories: tuple[str, ...] = ()
    grids: frozenset[str] = frozenset()
    category: str | None = None
    grid: str = ""
    was_category: str | None = None
    was_grid: str | None = None


@dataclass(frozen=True)
class Place:
    """What a listener brings back: a place in the order, and when it was told."""

    cursor: Cursor
    at: datetime


# Transactions that began earlier may still write; what is younger than the oldest of them waits for it.
_READ = text("""
    select xid, id, at, kind, collection, division_code, row_id, audience, categories, grids,
           category, grid_code, was_category, was_grid
    from events
    where (xid, id) > (:xid, :id)
      and xid < cast(cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as bigint)
    order by xid, id limit :most
""")
_NOW = text("select cast(cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as bigint)")
_MISSED = text("select exists (select from events where kind = 'purged' and (xid, id) > (:xid, :id))")


def seal_event(seals: Seals, event: Event) -> str:
    """The id of an event."""
    return seal_place(seals, Place(event.cursor, event.at))


def seal_now(seals: Seals, cursor: Cursor) -> str:
    """The id of a place between events, as it is told now; never the same twice."""
    return seal_place(seals, Place(cursor, datetime.now(UTC)))


def open_place(seals: Seals, told: str) -> Place | None:
    """The place that an id names; None if it is one of another database. Raises MalformedError."""
    found = re.fullmatch(r"([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]{54})", told.strip(), re.ASCII)
    if found is None:
        raise MalformedError("events-place", value=short(told))
    if found[1] != seals.mark:
        return None
    content = seals.open("event", found[2])
    if content is None:
        raise MalformedError("events-place", value=short(told))
    xid, number, at = struct.unpack(">qqq", content)
    return Place(Cursor(xid, number), _EPOCH + timedelta(microseconds=at))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seal_place(seals: Seals, place: Place) -> str:
    """The id of a place, told then."""
    at = (place.at - _EPOCH) // timedelta(microseconds=1)
    return f"{seals.mark}.{seals.seal('event', struct.pack('>qqq', *place.cursor, at))}"


def read_position(engine: Engine) -> Cursor:
    """The place before which everything has been told."""
    with _gate(engine) as connection:
        return Cursor(int(connection.execute(_NOW).scalar_one()), 0)


def read_events(engine: Engine, after: Cursor, most: int) -> list[Event]:
    """Events after the cursor, in order; none that could still be overtaken."""
    with _gate(engine) as connection:
        rows = connection.execute(_READ, {"xid": after.xid, "id": after.id, "most": most}).all()
    return [
        Event(
            Cursor(row.xid, row.id),
            row.at,
            *(row.kind, row.collection, row.division_code, row.row_id),
            frozenset(row.audience),
            tuple(row.categories),
            frozenset(row.grids),
            *(row.category, row.grid_code, row.was_category, row.was_grid),
        )
        for row in rows
    ]


def has_missed(engine: Engine, place: Place) -> bool:
    """Whether events after the place may no longer be kept.

    Within `AWAY_MOST` that is so only where a transaction took an hour.
    """
    if datetime.now(UTC) - place.at > AWAY_MOST:
        return True
    with _gate(engine) as connection:
        return bool(connection.scalar(_MISSED, {"xid": place.cursor.xid, "id": place.cursor.id}))


def purge_events(connection: Connection, kept: timedelta = KEPT) -> int:
    """Forget events older than that; returns how many."""
    return int(connection.scalar(text("select wangge_purge_events(:kept)"), {"kept": kept}) or 0)


def purge(engine: Engine) -> int:
    """Forget old events in a transaction of its own."""
    with _gate(engine) as connection:
        return purge_events(connection)


def read_rows(
    engine: Engine, principal: Principal, collection: Collection, access: Access, rows: Sequence[int]
) -> dict[int, str]:
    """Those of the rows that the principal may see now, as GeoJSON."""
    found = read_row(
        engine,
        f"""
        select p.ids, p.features from {WHO} cross join lateral (
            select array_agg(t.id) as ids,
                   array_agg({feature_sql(collection, access, Question())}) as features
            from {collection.table} t cross join lateral (select {columns_sql(access.columns)}) r
            where who.told is not null and {access.predicate} and t.id = any(cast(:rows as bigint[]))
        ) p
        """,  # noqa: S608  # identifiers come from the registry only
        {**who(principal), **access.parameters, "rows": list(rows)},
    )
    return dict(zip(found[0] or (), found[1] or (), strict=True))


def read_communities(
    engine: Engine, principal: Principal, communities: Collection, access: Access, codes: Sequence[str]
) -> set[str]:
    """Those of the communities that the principal may see now."""
    found: Any = read_row(
        engine,
        f"""
        select p.codes from {WHO} cross join lateral (
            select array_agg(t.code) as codes from {communities.table} t
            where who.told is not null and {access.predicate} and t.code = any(cast(:codes as text[]))
        ) p
        """,  # noqa: S608
        {**who(principal), **access.parameters, "codes": list(codes)},
    )
    return set(found[0] or ())


def _gate(engine: Engine) -> Any:
    return transaction(engine, role=GATE, scope=[EVERYWHERE])
