"""What is known of a database's collections: which there are, and what each says of itself."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from service.access import Access, Principal
from service.db import EVERYWHERE, transaction
from service.query.crs import Extent
from service.registry import COLLECTIONS, Catalogue, Collection
from service.store.items import select_version, version_sql
from service.store.reading import WHO, read_row, who

KEPT = 1024
DEAR_S = 0.05
LONGEST_S = 300.0


@dataclass(frozen=True)
class About:
    """What is said of a collection besides its schema, as one principal sees it.

    extent: degrees. begin, end: the time its rows are about; end is None where it is open. origins: of the
    communities that the rows come from, their attribution ("": not stated) and whether they are made up.
    """

    extent: Extent | None = None
    begin: datetime | None = None
    end: datetime | None = None
    origins: tuple[tuple[str, bool], ...] = ()


@dataclass
class _Kept:
    version: int
    about: About
    until: float


class Catalogues:
    """The catalogue of one database, read anew when it changes, and what was found about its collections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._catalogue = Catalogue(-1)
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def current(self) -> Catalogue:
        """The catalogue as the database has it now."""
        from service.store.added import read_collections

        version = select_version(self._engine, Principal(), ("added_collections",))
        if version != self._catalogue.version:
            with transaction(self._engine, role="public", scope=[EVERYWHERE]) as connection:
                added = {collection.name: collection for collection in read_collections(connection)}
            # read after the version: never older than what it stands for
            self._catalogue = Catalogue(version, added)
        return self._catalogue

    def find(self, name: str) -> Collection | None:
        """The collection called `name`; those built in are known without asking."""
        return COLLECTIONS.get(name) or self.current().get(name)

    def about(self, principal: Principal, collection: Collection, access: Access) -> About:
        """What the collection says of itself to the principal.

        Never older than its last change, but where finding out is dear: then no more than a hundredth of the
        time is spent on it, and what was found holds for up to five minutes.
        """
        key = (f"{collection.table} {collection.name}", access.fingerprint)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and (
            time.monotonic() < kept.until
            or kept.version == select_version(self._engine, principal, _sources(collection))
        ):
            return kept.about
        begun = time.monotonic()
        version, about = _read_about(self._engine, principal, collection, access)
        spent = time.monotonic() - begun
        rest = min(100 * spent, LONGEST_S) if spent > DEAR_S else 0.0
        with self._lock:
            self._kept[key] = _Kept(version, about, begun + spent + rest)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return about


def _sources(collection: Collection) -> tuple[str, ...]:
    """What the answer depends on: communities say where their rows come from."""
    return tuple({*collection.sources, "divisions"}) if collection.divided else collection.sources


def _read_about(
    engine: Engine, principal: Principal, collection: Collection, access: Access
) -> tuple[int, About]:
    begins = collection.begins or "null::timestamptz"
    ends = collection.ends or "null::timestamptz"
    origin = "null"
    if collection.divided:
        # those of communities in which the principal sees something: that others are there is not told
        origin = f"""(select jsonb_agg(distinct jsonb_build_array(d.attribution, d.synthetic))
            from divisions d where v.version is not null and exists (
                select from {collection.table} t where t.division_code = d.code and {access.always}))"""  # noqa: S608
    row = read_row(
        engine,
        f"""
        select v.version, st_xmin(e.extent), st_ymin(e.extent), st_xmax(e.extent), st_ymax(e.extent),
               e.begins, e.ends, {origin}
        from {WHO}
        cross join lateral ({version_sql("who.told is not null")}) v
        cross join lateral (
            select st_extent({access.geometry}) filter (where {collection.current}) as extent,
                   min({begins}) as begins,
                   case when bool_and({ends} is not null) then max({ends}) end as ends
            from {collection.table} t where v.version is not null and {access.always}
        ) e
        """,  # noqa: S608  # identifiers come from the registry only
        {**who(principal), **access.parameters, "sources": list(_sources(collection))},
    )
    version, west, south, east, north, begin, end, found = row
    extent = None
    if west is not None:
        extent = (max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0))
    origins = tuple(sorted((text, synthetic) for text, synthetic in found or ()))
    return version, About(extent, begin, end, origins)
