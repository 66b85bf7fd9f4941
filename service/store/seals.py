"""The seals of a database: made from its own secret, kept as long as its connections are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event

from service.db import EVERYWHERE, keyed
from service.privacy.seals import Seals
from service.store.reading import WHO, read_row
from service.store.timelines import TIMELINE

_READ = f"""
    select s.bits, s.home from {WHO} cross join lateral (
        select bits, (select oid from pg_database where datname = current_database())
            || ' ' || ({TIMELINE} and who.told is not null) as home
        from secrets where who.told is not null and name = 'noise'
    ) s
"""  # noqa: S608  # nothing of a caller's is in it
_SELF = {"who_role": "disclosure", "who_scope": EVERYWHERE, "who_grids": "", "who_subject": ""}


@dataclass(eq=False)
class _Kept:
    seals: Seals | None = None
    connected: int = 0


_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def seals_of(engine: Engine) -> Seals:
    """What seals the places of rows in this database.

    Read again whenever a new connection is made: behind it there may be another database, restored from a
    backup in the place of the one before, or the same one in another time line.
    """
    kept = _kept.get(engine)
    if kept is None:
        kept = _kept.setdefault(engine, _Kept())
        for one in {engine, keyed(engine)}:
            event.listen(one, "connect", _forgetting(kept))
    if kept.seals is not None:
        return kept.seals
    for _ in range(2):  # the first reading may have made a connection itself
        connected = kept.connected
        bits, home = read_row(engine, _READ, _SELF, by_key=True)
        seals = Seals(bytes(bits), home)
        if kept.connected == connected:
            kept.seals = seals
            break
    return seals


def _forgetting(kept: _Kept) -> Any:
    """What forgets the seals when a connection is made."""

    def forget(connection: Any, record: Any) -> None:
        kept.connected += 1
        kept.seals = None

    return forget
