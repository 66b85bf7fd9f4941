"""Rows in bulk: COPY into a table, and the merge of a whole layer, which leaves unchanged rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql
from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    import psycopg

# values by column, all of one length; geometries as hexadecimal EWKB
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Change:
    """How many rows of a layer were given, and what became of those in the database."""

    given: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0


def copy_rows(connection: Connection, table: Table, columns: Columns) -> int:
    """Append rows, by COPY where no row policies bind (PostgreSQL has none for it). Returns how many."""
    target, driver = sql.Identifier(table.name), driver_of(connection)
    bound = driver.execute("select row_security_active(%s)", [table.name]).fetchone()
    if bound is None or not bound[0]:
        return copy_into(connection, target, columns)
    rows = list(zip(*columns.values(), strict=True))
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    values = sql.SQL(", ").join([sql.Placeholder()] * len(columns))
    with driver.cursor() as cursor:
        cursor.executemany(sql.SQL("insert into {} ({}) values ({})").format(target, listed, values), rows)
    return len(rows)


def copy_into(connection: Connection, target: sql.Identifier, columns: Columns) -> int:
    """Append rows to the table called `target` by COPY. Returns how many."""
    return _copy(driver_of(connection), target, columns)


def merge_rows(
    connection: Connection,
    table: Table,
    divisions: Sequence[str],
    key: Sequence[str],
    columns: Columns,
    *,
    remove: bool = True,
) -> Change:
    """Make the table hold just these rows for the divisions: others are removed (unless `remove` is off), new
    ones added, and those that differ changed, so that equal rows keep their id and version.

    `key` names columns that are unique together, `division_code` among them.
    """
    driver = driver_of(connection)
    names = list(columns)
    data = [name for name in names if name not in key]
    target, incoming = sql.Identifier(table.name), sql.Identifier(f"incoming_{table.name}")
    listed = sql.SQL(", ").join(map(sql.Identifier, names))
    same = sql.SQL(" and ").join(sql.SQL("t.{0} = i.{0}").format(sql.Identifier(name)) for name in key)
    driver.execute(
        sql.SQL("create temporary table {} on commit drop as select {} from {} with no data").format(
            incoming, listed, target
        )
    )
    given = _copy(driver, incoming, columns)
    driver.execute(
        sql.SQL("create index on {} ({})").format(incoming, sql.SQL(", ").join(map(sql.Identifier, key)))
    )
    driver.execute(sql.SQL("analyze {}").format(incoming))
    removed = changed = 0
    if remove:
        removed = driver.execute(
            sql.SQL(
                "delete from {} t where division_code = any(%s) and not exists (select from {} i where {})"
            ).format(target, incoming, same),
            [list(divisions)],
        ).rowcount
    if data:
        old, new = (
            sql.SQL(", ").join(
                sql.SQL("{}.{}").format(sql.SQL(alias), sql.Identifier(name)) for name in columns
            )
            for alias in "ti"
        )
        changed = driver.execute(
            sql.SQL("update {} t set {} from {} i where {} and ({}) is distinct from ({})").format(
                target,
                sql.SQL(", ").join(sql.SQL("{0} = i.{0}").format(sql.Identifier(name)) for name in data),
                incoming,
                same,
                old,
                new,
            )
        ).rowcount
    added = driver.execute(
        sql.SQL(
            "insert into {} ({}) select {} from {} i where not exists (select from {} t where {})"
        ).format(target, listed, listed, incoming, target, same)
    ).rowcount
    driver.execute(sql.SQL("drop table {}").format(incoming))
    return Change(given, added, changed, removed)


def _copy(driver: psycopg.Connection, target: sql.Identifier, columns: Columns) -> int:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with driver.cursor() as cursor:
        with cursor.copy(sql.SQL("copy {} ({}) from stdin").format(target, names)) as copy:
            for row in zip(*columns.values(), strict=True):
                copy.write_row(row)
        return cursor.rowcount


def driver_of(connection: Connection) -> psycopg.Connection:
    """The driver's own connection, in the same transaction."""
    connection.connection  # noqa: B018 - a closed connection raises here
    return cast("psycopg.Connection", connection.connection.driver_connection)
