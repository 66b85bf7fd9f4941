"""Further collections: a layer becomes a table of the schema `layers`, with declaration and row policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from psycopg import sql
from sqlalchemy import Connection, insert, select

from service import models
from service.registry import COLLECTIONS, Collection, Column, Kind, Shape
from service.store.errors import ConflictError, NotFoundError
from service.store.merge import copy_into, driver_of

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

SCHEMA = "layers"
Sensitivity = Literal["open", "internal", "restricted"]
# who sees a layer at all
LEAST: Mapping[Sensitivity, str] = {"open": "public", "internal": "consumer", "restricted": "centre"}
_TYPES: Mapping[Kind, str] = {
    "string": "text",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "date": "date",
    "date-time": "timestamptz",
}


@dataclass(frozen=True)
class _Field:
    name: str
    column: str
    kind: Kind


@dataclass(frozen=True)
class Declaration:
    """What a layer is and who may see it. Titles and texts may be empty."""

    name: str
    sensitivity: Sensitivity
    title_zh: str = ""
    title_en: str = ""
    about_zh: str = ""
    about_en: str = ""
    attribution: str = ""
    licence: str = ""
    geometry_name: str = "geom"
    writable: bool = False


def add_collection(connection: Connection, layer: gpd.GeoDataFrame, declared: Declaration) -> int:
    """Publish the rows of `layer` (any CRS) under the declaration; returns how many.

    Rows belong to no division: whoever the sensitivity lets in sees them all. ConflictError if a collection
    of that name is there already.
    """
    from service.store.geometry import stored_any

    taken = connection.scalar(
        select(models.added_collections.c.id).where(models.added_collections.c.name == declared.name)
    )
    if taken is not None or declared.name in COLLECTIONS:
        raise ConflictError("collection-exists", name=declared.name)
    columns = [
        _Field(str(name), f"c{place}", kind_of(layer[name]))
        for place, name in enumerate(layer.columns.drop(layer.geometry.name), start=1)
    ]
    number = connection.execute(
        insert(models.added_collections)
        .values(
            name=declared.name,
            table_name=declared.name,
            title_zh=declared.title_zh,
            title_en=declared.title_en,
            about_zh=declared.about_zh,
            about_en=declared.about_en,
            attribution=declared.attribution,
            licence=declared.licence,
            sensitivity=declared.sensitivity,
            least=LEAST[declared.sensitivity],
            geometry_kind=_shape(set(layer.geometry.geom_type.dropna())),
            geometry_name=declared.geometry_name,
            columns=[dataclasses.asdict(one) for one in columns],
            writable=declared.writable,
        )
        .returning(models.added_collections.c.id)
    ).scalar_one()
    table = f"layer_{number}"
    connection.execute(
        models.added_collections.update()
        .where(models.added_collections.c.id == number)
        .values(table_name=f"{SCHEMA}.{table}")
    )
    _make_table(connection, table, columns, LEAST[declared.sensitivity], declared)
    values: dict[str, list[Any]] = {"geom": stored_any(layer.geometry)}
    values |= {one.column: _plain(layer[one.name], one.kind) for one in columns}
    return copy_into(connection, sql.Identifier(SCHEMA, table), values)


def remove_collection(connection: Connection, name: str) -> None:
    """Take an added collection away with its rows. NotFoundError if there is none of that name."""
    table = connection.execute(
        models.added_collections.delete()
        .where(models.added_collections.c.name == name)
        .returning(models.added_collections.c.table_name)
    ).scalar()
    if table is None:
        raise NotFoundError("collection-unknown", name=name)
    driver_of(connection).execute(sql.SQL("drop table {}").format(sql.Identifier(*table.split("."))))


def read_collections(connection: Connection) -> tuple[Collection, ...]:
    """The added collections, in the order of their names."""
    added = models.added_collections
    rows = connection.execute(select(added).order_by(added.c.name)).mappings()
    return tuple(_collection(row) for row in rows)


def _collection(row: Mapping[Any, Any]) -> Collection:
    columns = tuple(
        Column(one["name"], f"t.{one['column']}", one["kind"], "", "", writable=row["writable"])
        for one in row["columns"]
    )
    return Collection(
        name=row["name"],
        table=row["table_name"],
        key="t.id::text",
        zh=row["title_zh"] or row["title_en"] or row["name"],
        en=row["title_en"] or row["title_zh"] or row["name"],
        about_zh=row["about_zh"] or row["about_en"],
        about_en=row["about_en"] or row["about_zh"],
        columns=columns,
        by="row",
        geometry_name=row["geometry_name"],
        shape=row["geometry_kind"],
        attribution=row["attribution"],
        licence=row["licence"],
        least=row["least"],
        writable=row["writable"],
        divided=False,
    )


def _shape(kinds: set[str]) -> Shape:
    """The kind of a layer's geometries, in the words of `Collection.shape`."""
    plain = {kind.lower() for kind in kinds}
    for single in get_args(Shape):
        one, _, several = single.partition("-or-")
        if plain and plain <= {one, several}:
            return cast(Shape, single)
    return "any"


def kind_of(values: pd.Series) -> Kind:
    """The kind of a column's values."""
    from datetime import date, datetime

    import pandas as pd

    if pd.api.types.is_bool_dtype(values.dtype):
        return "boolean"
    if pd.api.types.is_integer_dtype(values.dtype):
        return "integer"
    if pd.api.types.is_float_dtype(values.dtype):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "date-time"
    given = values.dropna()
    days = given.map(lambda one: isinstance(one, date) and not isinstance(one, datetime))
    if len(given) and days.all():
        return "date"
    return "string"


def _plain(values: pd.Series, kind: Kind) -> list[Any]:
    import pandas as pd

    if kind == "date-time":
        values = pd.to_datetime(values, utc=True)
    known = values.notna()
    if kind == "string":
        return [str(one) if ok else None for one, ok in zip(values, known, strict=True)]
    if kind in ("date", "date-time"):
        moments = pd.to_datetime(values)
        return [
            (one.date() if kind == "date" else one.to_pydatetime()) if ok else None
            for one, ok in zip(moments, known, strict=True)
        ]
    cast = {"boolean": bool, "integer": int, "number": float}[kind]
    return [cast(one) if ok else None for one, ok in zip(values, known, strict=True)]


def _make_table(
    connection: Connection,
    table: str,
    columns: list[_Field],
    least: str,
    declared: Declaration,
) -> None:
    name = sql.Identifier(SCHEMA, table)
    fields = [sql.SQL("{} " + _TYPES[one.kind]).format(sql.Identifier(one.column)) for one in columns]
    common = (
        "id bigint generated always as identity primary key, version integer not null default 1, "
        "updated_at timestamptz not null default now(), division_code text not null default '', "
        "geom geometry(geometry, 4326)"
    )
    plain = [
        sql.SQL("create table {} ({})").format(name, sql.SQL(", ").join([sql.SQL(common), *fields])),
        sql.SQL("create index on {} using gist (geom)").format(name),
        sql.SQL(
            "create trigger touch before update on {} for each row when (old.* is distinct from new.*) "
            "execute function wangge_touch()"
        ).format(name),
        sql.SQL(
            "create trigger changed after insert or update or delete or truncate on {} "
            "for each statement execute function wangge_changed({})"
        ).format(name, sql.Literal(f"{SCHEMA}.{table}")),
        sql.SQL("alter table {} enable row level security").format(name),
        sql.SQL(
            "create policy reading on {} for select to wangge_app using ((select wangge_role()) = any({}) "
            "and cardinality((select wangge_scopes())) > 0)"
        ).format(name, sql.Literal(_roles_from(least))),
        sql.SQL("grant select on {} to wangge_app").format(name),
    ]
    if declared.writable:
        # rows of no division are for those who plan everywhere
        plain += [
            sql.SQL("grant insert, update, delete on {} to wangge_app").format(name),
            sql.SQL(
                "create policy writing on {} for all to wangge_app using ((select wangge_role()) in "
                "('planner', 'admin') and division_code ^@ any ((select wangge_scopes())::text[]))"
            ).format(name),
        ]
    driver = driver_of(connection)
    for statement in plain:
        driver.execute(statement)


def _roles_from(least: str) -> list[str]:
    from service.access import STANDING, Role

    return [role.value for role in Role if STANDING[role] >= STANDING[Role(least)]]
