"""Features written: one at a time, each on the version that its writer read.

A row is locked, judged and changed in one transaction, so that of two writers with one version one wins.
What the row policies hold back of what `access` shows is not the principal's to change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from service.access import Access, Principal
from service.faults import (
    FixedError,
    ForbiddenError,
    MalformedError,
    StaleError,
    TakenError,
    UnknownError,
)
from service.query.draft import Draft
from service.registry import Collection, Column
from service.store.items import columns_sql, find_by, quoted
from service.store.locks import lock_divisions

if TYPE_CHECKING:
    from shapely import Geometry

# columns that say which feature it is: given when it is made, never changed
NAMING: Mapping[str, str] = {"facilities": "code", "compounds": "compound_id", "cases": "case_id"}
NEEDED: Mapping[str, tuple[str, ...]] = {"facilities": ("kind",), "streets": ("class",)}
# numbered within their community, in the order in which they came
NUMBERED = ("streets", "compounds")
# what null means in columns that are never null
EMPTY: Mapping[str, Any] = {"string": "", "boolean": False, "integer": 0}
NULLABLE = {"floors", "residents", "due"}
# columns that stand with a building's first part
WHOLE = {"households", "residents"}


@dataclass(frozen=True)
class Written:
    """A feature after the write: its id, and the key and version of its row."""

    key: str
    row: int
    version: int


@dataclass(frozen=True)
class Found:
    """A feature before it, locked. values: by public name, as JSON has them. part: of a building."""

    row: int
    version: int
    key: str
    division: str
    values: Mapping[str, Any]
    wkb: bytes | None
    part: int


# --- what is there ---


def lock_feature(connection: Connection, collection: Collection, access: Access, key: str) -> Found:
    """The feature, which nobody else can change until the transaction ends.

    UnknownError: there is none that the principal may see; ForbiddenError: it is not theirs to change.
    """
    found = find_by(collection, key)
    if found is None:
        raise UnknownError("item", name=collection.name, key=key[:60])
    part = "t.part" if collection.table == "buildings" else "0"
    # read first, then locked: to lock is to say that one means to change, which the policies may not let one
    seen = f"""select t.id from {collection.table} t where {access.predicate} and {found.sql}
        order by t.id desc limit 1"""  # noqa: S608  # identifiers come from the registry only
    row = connection.scalar(text(seen), {**access.parameters, **found.parameters})
    if row is None:
        raise UnknownError("item", name=collection.name, key=key[:60])
    with refusing(collection):
        locked = connection.execute(
            text(f"""
                select t.id, t.version, {collection.key} as key, t.division_code, row_to_json(r) as values,
                       st_asbinary({access.geometry}) as wkb, {part} as part
                from {collection.table} t cross join lateral (select {columns_sql(access.columns)}) r
                where t.id = :row and {access.predicate} for update of t
            """),  # noqa: S608
            {**access.parameters, "row": row},
        ).first()
    if locked is None:
        if connection.scalar(text(seen), {**access.parameters, **found.parameters}) is None:
            raise UnknownError("item", name=collection.name, key=key[:60])  # went while we waited
        raise ForbiddenError("write-forbidden")
    wkb = None if locked.wkb is None else bytes(locked.wkb)
    return Found(
        locked.id, locked.version, locked.key, locked.division_code, locked.values or {}, wkb, locked.part
    )


def check_version(found: Found, versions: set[tuple[int, int]] | None) -> None:
    """Raise StaleError unless the feature is one that the client read (`tags.row_versions`)."""
    if versions is not None and (found.row, found.version) not in versions:
        raise StaleError("write-stale")


# --- changes ---


def change_feature(
    connection: Connection, collection: Collection, access: Access, found: Found, draft: Draft, *, whole: bool
) -> Written:
    """Set what the draft holds; with `whole` also empty what it does not hold. MalformedError, FixedError."""
    columns = [column for column, _ in access.columns]
    sent = dict(draft.values)
    for column in columns:
        if not column.writable and column.name in sent and not _same(column, sent.pop(column.name), found):
            raise MalformedError("write-readonly", name=column.name)
    if whole:
        sent = {column.name: None for column in columns if column.writable} | sent
    for name in NEEDED.get(collection.name, ()):
        if name in sent and not sent[name]:
            raise MalformedError("write-missing", name=name)
    sent = {name: value for name, value in sent.items() if not _same(collection.column(name), value, found)}
    if found.part and WHOLE & set(sent):
        first = found.key.rpartition("~")[0]
        raise MalformedError("write-part", name=sorted(WHOLE & set(sent))[0], first=first)
    values = stored_values(collection, sent)
    if whole and draft.shape is None and found.wkb is not None:
        raise MalformedError("write-no-geometry")
    if draft.shape is not None and not _equal(draft.shape, found.wkb):
        if "DELETE" not in collection.methods and collection.sensitivity != "cases":
            key = "write-fixed-grids" if collection.name == "grids" else "write-fixed-geometry"
            raise FixedError(key, name=collection.name)
        if collection.divided:
            check_within(connection, found.division, draft.shape)
        values["geom"] = draft.shape.wkb
    if not values:
        return Written(found.key, found.row, found.version)
    assignments = ", ".join(f"{quoted(name)} = {_bound(name)}" for name in values)
    with refusing(collection):
        row = connection.execute(
            text(
                f"update {collection.table} t set {assignments} where t.id = :row "  # noqa: S608
                f"returning {collection.key} as key, t.version"
            ),
            {**{f"v_{name}": value for name, value in values.items()}, "row": found.row},
        ).one()
    return Written(row.key, found.row, row.version)


def add_feature(
    connection: Connection, principal: Principal, collection: Collection, draft: Draft
) -> Written:
    """A new feature, in its community. MalformedError, ForbiddenError, TakenError."""
    sent = dict(draft.values)
    naming = NAMING.get(collection.name)
    code = sent.pop(naming, None) if naming else None
    community = sent.pop("community", None) if collection.divided else None
    for name in [name for name in sent if not collection.column(name).writable]:
        if sent.pop(name) is not None:
            raise MalformedError("write-readonly", name=name)
    for name in NEEDED.get(collection.name, ()):
        if not sent.get(name):
            raise MalformedError("write-missing", name=name)
    values = stored_values(collection, {name: value for name, value in sent.items() if value is not None})
    if draft.shape is not None:
        values["geom"] = draft.shape.wkb
    elif collection.divided:
        raise MalformedError("write-no-geometry")
    if collection.divided:
        values["division_code"] = division = find_division(connection, principal, draft.shape, community)
        if collection.name in NUMBERED:
            with refusing(collection):
                lock_divisions(connection, [division])
            values["ordinal"] = connection.scalar(
                text(
                    f"select coalesce(max(ordinal), -1) + 1 from {collection.table}"  # noqa: S608
                    " where division_code = :division"
                ),
                {"division": division},
            )
        if naming is not None:
            local = collection.column(naming).sql.removeprefix("t.")
            if collection.local != local:
                values[local] = code or ""
            else:
                values[local] = code or connection.scalar(text("select 'n' || gen_random_uuid()::text"))
    elif "" not in principal.scope:
        raise ForbiddenError("write-forbidden")  # rows of no division are for those who plan everywhere
    listed, bound = ", ".join(map(quoted, values)), ", ".join(map(_bound, values))
    rows = f"({listed}) values ({bound})" if values else "default values"
    with refusing(collection, code or ""):
        row = connection.execute(
            text(
                f"insert into {collection.table} as t {rows} "
                f"returning t.id, {collection.key} as key, t.version"
            ),
            {f"v_{name}": value for name, value in values.items()},
        ).one()
    return Written(row.key, row.id, row.version)


def remove_feature(connection: Connection, collection: Collection, found: Found) -> None:
    """Take the feature away."""
    with refusing(collection):
        gone = connection.execute(
            text(f"delete from {collection.table} t where t.id = :row"),  # noqa: S608
            {"row": found.row},
        ).rowcount
    if not gone:
        raise ForbiddenError("write-forbidden")


# --- where ---


def find_division(
    connection: Connection, principal: Principal, shape: Geometry | None, named: str | None
) -> str:
    """The community that the shape lies in, of those that the principal may see; `named`: which it should be.

    MalformedError: in none, or not in the named one; ForbiddenError: in none of the principal's.
    """
    if shape is None:
        raise MalformedError("write-no-geometry")
    if named is not None and not any(named.startswith(prefix) for prefix in principal.scope):
        raise ForbiddenError("write-forbidden")
    found = connection.scalar(
        text(f"""
            select d.code from divisions d cross join (select st_geomfromwkb(:shape, 4326) as shape) g
            where d.tier = 'community' and d.geom && g.shape and {_WITHIN}
              and (cast(:named as text) is null or d.code = :named)
            order by d.code limit 1
        """),  # noqa: S608
        {"shape": shape.wkb, "named": named},
    )
    if found is not None:
        return str(found)
    if named is not None:
        raise MalformedError("write-outside", community=named[:60])
    if "" in principal.scope:
        raise MalformedError("write-nowhere")
    raise ForbiddenError("write-forbidden")


def check_within(connection: Connection, division: str, shape: Geometry) -> None:
    """Raise MalformedError unless the shape lies in the community."""
    inside = connection.scalar(
        text(f"""
            select true from divisions d cross join (select st_geomfromwkb(:shape, 4326) as shape) g
            where d.code = :division and d.geom && g.shape and {_WITHIN}
        """),  # noqa: S608
        {"shape": shape.wkb, "division": division},
    )
    if not inside:
        raise MalformedError("write-outside", community=division)


# a point lies in a community; of a line or an area at least half does, for streets run on along borders
_WITHIN = """(st_covers(d.geom, g.shape) or case st_dimension(g.shape)
    when 1 then st_length(st_intersection(d.geom, g.shape)) >= 0.5 * st_length(g.shape)
    when 2 then st_area(st_intersection(d.geom, g.shape)) >= 0.5 * st_area(g.shape) else false end)"""


# --- values ---


def stored_values(collection: Collection, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of the table with their values."""
    values: dict[str, Any] = {}
    for name, value in sent.items():
        column = collection.column(name)
        if collection.name == "buildings" and name == "households":
            values |= {"households": value or 0, "households_unknown": value is None, "estimated": False}
            continue
        if value is None and collection.divided and name not in NULLABLE:
            value = EMPTY[column.kind]
        values[column.sql.removeprefix("t.")] = value
    return values


def _bound(name: str) -> str:
    return f"st_geomfromwkb(:v_{name}, 4326)" if name == "geom" else f":v_{name}"


def _same(column: Column, value: Any, found: Found) -> bool:
    now = found.values.get(column.name)
    if value is None or now is None:
        empty = EMPTY.get(column.kind, None) if column.name not in NULLABLE else None
        return bool((value if value is not None else empty) == (now if now is not None else empty))
    if column.kind in ("date", "date-time"):
        from datetime import datetime

        told = datetime.fromisoformat(str(now))
        return bool((told.date() if column.kind == "date" else told) == value)
    return bool(value == now)


def _equal(shape: Geometry, wkb: bytes | None) -> bool:
    import shapely

    if wkb is None:
        return False
    # what came in another system, and went back, differs in its last digits
    return bool(shapely.equals_exact(shape.normalize(), shapely.from_wkb(wkb).normalize(), 1e-11))


@contextmanager
def refusing(collection: Collection, code: str = "") -> Iterator[None]:
    """Say in the words of the service what the database refuses."""
    try:
        yield
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        diagnosis = getattr(error.orig, "diag", None)
        rule = (getattr(diagnosis, "constraint_name", None) or "").partition(f"{collection.name}_")[2]
        if state == "23505":
            raise TakenError("write-taken", name=collection.name, value=code[:60]) from None
        if state == "42501":
            raise ForbiddenError("write-forbidden") from None
        if state == "55P03":
            raise TakenError("write-busy") from None
        if state.startswith(("22", "23")):
            raise MalformedError("write-refused", name=collection.name, rule=rule or state) from None
        raise
