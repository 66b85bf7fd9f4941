"""Features as GeoJSON text made by PostGIS and passed through as bytes.

Every filter runs on what the principal may see. One statement, one snapshot: the version of the collection
is that of the very rows beside it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from sqlalchemy import Engine

from service.access import Access, Principal
from service.postgres.timelines import NAME
from service.query.condition import Condition
from service.query.crs import Crs
from service.query.question import (
    Question,
    after,
    condition,
    open_place,
    order_by,
    place_of,
    seal_place,
    selected,
)
from service.query.span import meets
from service.registry import Collection, Column
from service.store.reading import WHO, read_row, who
from service.store.seals import seals_of

# Doubles are written with as many digits as tell them apart, so that what is read can be written back.
DIGITS = 15
_HEAD = b'{"type":"Feature","id":'


@dataclass(frozen=True)
class Page:
    """Features as GeoJSON text, joined by commas.

    version: of the collection. following: cursor of the next page, None at the end. matched: how many there
    are on all pages, where that was asked or is plain.
    """

    version: int
    features: bytes
    returned: int
    following: str | None = None
    matched: int | None = None


@dataclass(frozen=True)
class Item:
    """One feature as GeoJSON text, with the surrogate key and the version of its row."""

    feature: bytes
    row: int
    version: int


def select_version(engine: Engine, principal: Principal, sources: tuple[str, ...]) -> int:
    """The version of the collections `sources` (`Collection.sources`); grows with every change of them."""
    sql = f"select v.version from {WHO} cross join lateral ({version_sql('who.told is not null')}) v"  # noqa: S608
    parameters = {**who(principal), "sources": list(sources)}
    return int(read_row(engine, sql, parameters, by_key=True)[0])


def select_page(
    engine: Engine, principal: Principal, collection: Collection, access: Access, question: Question
) -> Page:
    """A page of features, in the sort order. MalformedError: the cursor is none of this collection's."""
    rows = condition(question, collection, access)
    place = None if question.cursor is None else open_place(seals_of(engine), collection, access, question)
    beyond = after(question, collection, access, place)
    matched = "null::bigint"
    if question.count:
        matched = (
            f"(select count(*) from {collection.table} t"  # noqa: S608  # identifiers of the registry
            f" where v.version is not null and {rows.sql})"
        )
    sql = f"""
        select v.version, p.features, p.found, p.place, p.matched
        from {WHO}
        cross join lateral ({version_sql("who.told is not null")}) v
        cross join lateral (
            select string_agg(f.feature, ',') as features, cardinality(array_agg(f.id)) as found,
                   (array_agg(f.place))[:limit]::text as place,
                   {matched} as matched
            from (
                select t.id, {place_of(question, collection, access) if question.sort else "t.id"} as place,
                       {feature_sql(collection, access, question)} as feature
                from (
                    select t.* from {collection.table} t
                    where v.version is not null and {rows.sql} and ({beyond.sql})
                    order by {order_by(question, collection, access)} limit :fetched offset :offset
                ) t
                cross join lateral (select {columns_sql(selected(question, access))}) r
            ) f
        ) p
    """  # noqa: S608  # identifiers come from the registry only
    parameters = {
        **who(principal),
        **rows.parameters,
        **beyond.parameters,
        "sources": list(collection.sources),
        "limit": question.limit,
        "fetched": question.limit + 1,
        "offset": question.offset,
    }
    version, features, found, ended, counted = read_row(engine, sql, parameters, raw=True)
    found = found or 0
    following = None
    if found > question.limit:
        features = _but_last(features)
        last = json.loads(ended) if question.sort else [int(ended)]
        following = seal_place(seals_of(engine), collection, question, last)
    elif counted is None and question.cursor is None and (found or not question.offset):
        counted = question.offset + found  # the last page, reached by counting
    return Page(version, features or b"", min(found, question.limit), following, counted)


def count_rows(
    engine: Engine, principal: Principal, collection: Collection, access: Access, question: Question
) -> int:
    """How many features answer the question, on all pages."""
    rows = condition(question, collection, access)
    sql = f"""
        select c.count from {WHO} cross join lateral (
            select count(*) as count from {collection.table} t where who.told is not null and {rows.sql}
        ) c
    """  # noqa: S608  # identifiers come from the registry only
    return int(read_row(engine, sql, {**who(principal), **rows.parameters})[0])


def select_item(
    engine: Engine,
    principal: Principal,
    collection: Collection,
    access: Access,
    key: str,
    question: Question | None = None,
) -> Item | None:
    """One feature; None if there is none that the principal may see.

    Of the question its CRS, its properties and its time count; of several versions at that time, the latest.
    """
    asked = question or Question()
    found = find_by(collection, key)
    if found is None:
        return None
    rows = Condition(access.always if asked.span else access.predicate, access.parameters)
    timed = Condition("true")
    if asked.span is not None and collection.begins:
        timed = meets(asked.span, collection.begins, collection.ends, "q_")
    sql = f"""
        select p.feature, p.id, p.version from {WHO} cross join lateral (
            select {feature_sql(collection, access, asked)} as feature, t.id, t.version
            from {collection.table} t
            cross join lateral (select {columns_sql(selected(asked, access))}) r
            where who.told is not null and {rows.sql} and {timed.sql} and {found.sql}
            order by t.id desc limit 1
        ) p
    """  # noqa: S608  # identifiers come from the registry only
    parameters = {**who(principal), **rows.parameters, **timed.parameters, **found.parameters}
    row = read_row(engine, sql, parameters, raw=True, by_key=True)
    return None if row is None else Item(*row)


def select_at(
    engine: Engine, principal: Principal, collection: Collection, access: Access, *, lon: float, lat: float
) -> Item | None:
    """The feature at a point in degrees; on a border the one of the lowest key."""
    point = "st_setsrid(st_makepoint(:lon, :lat), 4326)"
    sql = f"""
        select p.feature, p.id, p.version from {WHO} cross join lateral (
            select {feature_sql(collection, access, Question())} as feature, t.id, t.version
            from {collection.table} t
            cross join lateral (select {columns_sql(access.columns)}) r
            where who.told is not null and {access.predicate}
              and ({" or ".join(f"{one} && {point}" for one in access.indexed)})
              and st_intersects({access.geometry}, {point})
            order by {collection.key} limit 1
        ) p
    """  # noqa: S608  # identifiers come from the registry only
    parameters = {**who(principal), **access.parameters, "lon": lon, "lat": lat}
    row = read_row(engine, sql, parameters, raw=True)
    return None if row is None else Item(*row)


# --- parts of statements ---


def version_sql(told: str) -> str:
    """SQL of the version of the collections `:sources`; told: what makes sure that policies know who asks.

    With the time line's, so that the counts of a restored database are no versions of the lost one.
    """
    return (
        "select coalesce(sum(version), 0)::bigint as version from collection_versions"  # noqa: S608
        f" where {told} and collection = any(cast(:sources as text[]) || text '{NAME}')"
    )


def feature_sql(collection: Collection, access: Access, question: Question) -> str:
    """SQL of a row as a GeoJSON feature, its properties being the row `r`."""
    return (
        f"""'{_HEAD.decode()}' || to_json({collection.key})::text || ',"geometry":'"""
        f""" || coalesce({geojson_sql(access.geometry, question.crs)}, 'null')"""
        """ || ',"properties":' || row_to_json(r)::text || '}'"""
    )


def geojson_sql(geometry: str, crs: Crs) -> str:
    """SQL of a geometry as GeoJSON in `crs`, in its authority's order of axes, with all its digits."""
    return f"st_asgeojson({crs.ordered(geometry)}, {DIGITS}, 0)"


def columns_sql(columns: tuple[tuple[Column, str], ...]) -> str:
    """SQL of columns by their public names."""
    return ", ".join(f"{sql} as {quoted(column.name)}" for column, sql in columns)


def quoted(name: str) -> str:
    """A name as an identifier, in SQL whose parameters begin with a colon."""
    escaped = name.replace('"', '""').replace(":", r"\:")
    return f'"{escaped}"'


def find_by(collection: Collection, key: str) -> Condition | None:
    """The rows whose feature id is `key`, by columns that an index has; None if it can be nobody's id.

    The id itself is made of several columns and no policy lets an index on it be used.
    """
    if "\x00" in key:
        return None
    if collection.by == "code":
        return Condition("t.code = :key", {"key": key})
    if collection.by == "row":
        whole = _whole(key, 18)
        return None if whole is None else Condition("t.id = :key", {"key": whole})
    parts = key.split(":")
    heads = [":".join(parts[:place]) for place in range(1, min(len(parts), 9))]
    tails: list[object] = [":".join(parts[place:]) for place in range(1, min(len(parts), 9))]
    if collection.local == "ordinal":
        tails = [whole for tail in tails if (whole := _whole(str(tail), 9)) is not None]
    else:
        tails += [str(tail).rpartition("~")[0] for tail in tails if "~" in str(tail)]
    if not tails:
        return None
    return Condition(
        f"t.division_code = any(:key_divisions) and t.{collection.local} = any(:key_locals)"
        f" and {collection.key} = :key",
        {"key_divisions": heads, "key_locals": tails, "key": key},
    )


def _whole(text: str, digits: int) -> int | None:
    return int(text) if re.fullmatch(rf"0|[1-9]\d{{0,{digits - 1}}}", text, re.ASCII) else None


def _but_last(features: bytes) -> bytes:
    """All but the last of features joined by commas. No text within a feature holds a bare quotation mark,
    so the beginning of a feature is found nowhere else."""
    return features[: features.rindex(b"," + _HEAD)]
