"""Features as GeoJSON text made by PostGIS; every filter runs on what the principal may see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from service.access import Access
from service.registry import Collection
from service.schemas import Box, Span

DIGITS = 7  # about 1 cm


@dataclass(frozen=True)
class Page:
    """Features as GeoJSON text, joined by commas. `following`: cursor of the next page, None at the end."""

    features: str
    returned: int
    following: int | None


def select_page(
    connection: Connection,
    collection: Collection,
    access: Access,
    *,
    limit: int,
    offset: int = 0,
    cursor: int | None = None,
    box: Box | None = None,
    span: Span | None = None,
) -> Page:
    """At most `limit` features after `cursor`, within `box` and `span`, in the order of the surrogate key."""
    parameters: dict[str, Any] = {
        **access.parameters,
        "limit": limit,
        "offset": offset,
        "cursor": cursor or 0,
    }
    boxes = _envelopes(box)
    for place, (west, south, east, north) in enumerate(boxes):
        parameters |= {f"w{place}": west, f"s{place}": south, f"e{place}": east, f"n{place}": north}
    timed = span is not None and bool(collection.begins)
    if timed and span is not None:
        parameters |= {"begin": span.begin, "end": span.end}
    row = connection.execute(_page_sql(collection, _Shape(access), len(boxes), timed), parameters).one()
    return Page(row.features or "", row.returned, row.last if row.found > limit else None)


def select_item(connection: Connection, collection: Collection, access: Access, key: str) -> str | None:
    """One feature as GeoJSON text; None if there is none that the principal may see."""
    sql = _item_sql(collection, _Shape(access))
    return connection.execute(sql, {**access.parameters, "key": key}).scalar()


def select_at(
    connection: Connection, collection: Collection, access: Access, *, lon: float, lat: float
) -> str | None:
    """The feature at a point in degrees as GeoJSON text; on a border the one of the lowest key."""
    sql = _at_sql(collection, _Shape(access))
    return connection.execute(sql, {**access.parameters, "lon": lon, "lat": lat}).scalar()


def _envelopes(box: Box | None) -> list[tuple[float, float, float, float]]:
    if box is None:
        return []
    if box.west <= box.east:
        return [(box.west, box.south, box.east, box.north)]
    return [(box.west, box.south, 180.0, box.north), (-180.0, box.south, box.east, box.north)]


class _Shape:
    """The SQL of an access without its parameters' values: what distinguishes one query text from another."""

    def __init__(self, access: Access) -> None:
        self.predicate = access.predicate
        self.geometry = access.geometry
        self.columns = tuple((column.name, sql) for column, sql in access.columns)

    def __hash__(self) -> int:
        return hash((self.predicate, self.geometry, self.columns))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shape) and vars(self) == vars(other)


def _feature(collection: Collection, shape: _Shape) -> str:
    properties = ", ".join(f"'{name}', {sql}" for name, sql in shape.columns)
    return (
        f"""'{{"type":"Feature","id":' || to_json({collection.key})::text"""
        f""" || ',"geometry":' || coalesce(st_asgeojson({shape.geometry}, {DIGITS}), 'null')"""
        f""" || ',"properties":' || json_build_object({properties})::text || '}}'"""
    )


@lru_cache(maxsize=256)
def _page_sql(collection: Collection, shape: _Shape, boxes: int, timed: bool) -> TextClause:
    where = [shape.predicate, "t.id > :cursor"]
    if boxes:
        within = (
            f"({shape.geometry} && st_makeenvelope(:w{n}, :s{n}, :e{n}, :n{n}, 4326)"
            f" and st_intersects({shape.geometry}, st_makeenvelope(:w{n}, :s{n}, :e{n}, :n{n}, 4326)))"
            for n in range(boxes)
        )
        where.append("(" + " or ".join(within) + ")")
    if timed:
        where.append(f"{collection.begins} <= coalesce(cast(:end as timestamptz), 'infinity')")
        where.append(
            f"coalesce({collection.ends}, 'infinity') >= coalesce(cast(:begin as timestamptz), '-infinity')"
        )
    # rows are chosen before a single geometry is written out; one more shows whether there is a next page
    return text(f"""
        with chosen as (
            select t.id from {collection.table} t where {" and ".join(where)}
            order by t.id limit cast(:limit as integer) + 1 offset :offset
        ), page as (select id from chosen order by id limit :limit)
        select string_agg(f.feature, ',' order by f.id) as features, count(*) as returned, max(f.id) as last,
               (select count(*) from chosen) as found
        from (
            select t.id, {_feature(collection, shape)} as feature
            from {collection.table} t join page using (id)
        ) f
    """)  # noqa: S608  # identifiers come from the registry only


@lru_cache(maxsize=256)
def _item_sql(collection: Collection, shape: _Shape) -> TextClause:
    return text(f"""
        select {_feature(collection, shape)} from {collection.table} t
        where {shape.predicate} and {collection.key} = :key
          and t.division_code in (
              select d.code from divisions d where starts_with(:key, d.code)
          )
        order by t.id limit 1
    """)  # noqa: S608  # identifiers come from the registry only


@lru_cache(maxsize=256)
def _at_sql(collection: Collection, shape: _Shape) -> TextClause:
    point = "st_setsrid(st_makepoint(:lon, :lat), 4326)"
    return text(f"""
        select {_feature(collection, shape)} from {collection.table} t
        where {shape.predicate} and {shape.geometry} && {point} and st_intersects({shape.geometry}, {point})
        order by {collection.key} limit 1
    """)  # noqa: S608  # identifiers come from the registry only
