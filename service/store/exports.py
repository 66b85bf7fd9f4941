"""All rows that answer a question, in one snapshot, a batch at a time: what exports are made of.

The rows come from a cursor of the server, so that neither side holds more than a batch. Texts are made by
PostgreSQL and pass through as bytes; for files with types of their own, values come as they are.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

import psycopg
from sqlalchemy import Engine

from service.access import Access, Principal
from service.db import EVERYWHERE, transaction
from service.query.condition import Condition
from service.query.fields import fields_of
from service.query.question import Question, condition, order_by, selected
from service.registry import Collection, Column, Kind
from service.store import audit
from service.store.items import columns_sql, feature_sql, version_sql
from service.store.reading import Unread, driver_text, who

Place = Literal["wkt", "xy", "none"]
BATCH_BYTES = 256_000
BATCH_ROWS = 5_000
LONGEST_S = 3600
AUDITED_MOST = 500  # lines of the audit for one export
# what a spreadsheet would take for a formula, in half and in full width
_FORMULA = r"^[=+@\t\r\n＝＋－＠-]"


@dataclass(frozen=True)
class Heading:
    """A column of an export: its name there, its kind, and the column that it shows (None: the id)."""

    name: str
    kind: Kind
    column: Column | None = None


class Rows:
    """The rows, from `open` to `close`. One thread reads at a time; `abort` may come from any."""

    def __init__(
        self,
        engine: Engine,
        principal: Principal,
        collection: Collection,
        access: Access,
        question: Question,
    ) -> None:
        self.collection, self.access, self.question = collection, access, question
        self.count, self.version, self.fetched = 0, 0, 0
        self.communities: dict[str, int] = {}  # how many of the rows are in each
        self.engine, self.principal = engine, principal
        self._taken: Any = None
        self._connection: psycopg.Connection[Any] | None = None
        self._cursor: psycopg.ServerCursor[Any] | None = None
        self._batch = 100
        self._lock = threading.Lock()
        self._aborted = False

    @property
    def headings(self) -> tuple[Heading, ...]:
        """The feature id and the columns asked for."""
        columns = [column for column, _ in selected(self.question, self.access)]
        taken = {column.name.casefold() for column in columns}
        key = next(name for name in ("id", "feature_id", "wangge_id") if name not in taken)
        return (
            Heading(key, "string"),
            *(Heading(column.name, column.kind, column) for column in columns),
        )

    def open(self) -> None:
        """Begin the transaction, tell the row policies who asks, and find how many rows there are."""
        self._taken = self.engine.raw_connection()
        connection = cast("psycopg.Connection[Any]", self._taken.driver_connection)
        with self._lock:
            self._connection = connection
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        self._check()
        asked = {**who(self.principal), "longest": f"{LONGEST_S}s"}
        with connection.cursor(binary=True) as cursor:
            cursor.execute(
                driver_text(
                    "select set_config('wangge.role', :who_role, true),"
                    " set_config('wangge.scope', :who_scope, true),"
                    " set_config('wangge.grids', :who_grids, true),"
                    " set_config('wangge.principal', :who_subject, true),"
                    # a slow client makes the transaction wait; all rows are wanted, not the first soon
                    " set_config('idle_in_transaction_session_timeout', :longest, true),"
                    " set_config('cursor_tuple_fraction', '1', true)"
                ),
                asked,
            )
            rows = self._rows()
            community = "t.division_code" if self.collection.divided else "''"
            found = cursor.execute(
                driver_text(f"""
                    select (select v.version from ({version_sql("true")}) v),
                           coalesce(array_agg(c.community order by c.community), '{{}}'),
                           coalesce(array_agg(c.count order by c.community), '{{}}')
                    from (select {community} as community, count(*) as count
                          from {self.collection.table} t where {rows.sql} group by 1) c
                """),  # noqa: S608  # identifiers come from the registry only
                {**rows.parameters, "sources": list(self.collection.sources)},
            ).fetchone()
        self.version, names, counts = found or (0, [], [])
        self.communities = dict(zip(names, counts, strict=True))
        self.count = sum(counts)

    def state(self) -> int:
        """A digest (64 bits) of the rows, of all that a file shows of them, and of their order.

        It changes with nothing that is not shown, as the version does. Numbers of rows are in it: whoever
        knew it could try which they are.
        """
        if self._connection is None:
            raise ValueError("not open")
        self._check()
        rows = self._rows()
        # rows that are equal in what they are sorted by come by their keys
        shown = ["t.id", f"({self.collection.key})::text", f"({self.access.geometry})::bytea"]
        shown += [sql for _, sql in selected(self.question, self.access)]
        fields = fields_of(self.collection, self.access)
        shown += [fields[one.name].sql for one in self.question.sort]
        with self._connection.cursor(binary=True) as cursor:
            found = cursor.execute(
                driver_text(f"""
                    select coalesce(bit_xor(hash_record_extended(row({", ".join(shown)}), 0)), 0)
                    from {self.collection.table} t where {rows.sql}
                """),  # noqa: S608  # identifiers come from the registry only
                rows.parameters,
            ).fetchone()
        return int(found[0]) if found else 0

    def select_geojson(self) -> None:
        """Each row as a GeoJSON feature of RFC 7946: outer rings run against the clock."""
        turned = dataclasses.replace(self.access, geometry=f"st_forcepolygonccw({self.access.geometry})")
        self._select(
            feature_sql(self.collection, turned, self.question),
            columns_sql(selected(self.question, self.access)),
            text=True,
        )

    def select_csv(self, place: Place) -> None:
        """Each row as a line of CSV; `place`: its geometry as WKT, as coordinates, or not at all."""
        cells = [_quoted(f"({self.collection.key})::text")]
        named = []
        for number, (column, sql) in enumerate(selected(self.question, self.access)):
            named.append(f"{sql} as c{number}")
            match column.kind:
                case "string":
                    cells.append(_quoted(f"r.c{number}::text"))
                case "date-time" | "date":
                    cells.append(f"coalesce(to_json(r.c{number}) #>> '{{}}', '')")
                case _:
                    cells.append(f"coalesce(r.c{number}::text, '')")
        shape = self.question.crs.geometry(self.access.geometry)
        if place == "wkt":
            cells.append(f"""coalesce('"' || st_astext({shape}, 15) || '"', '')""")
        elif place == "xy":
            point = "r.place"
            named.append(
                f"{shape if self.collection.shape == 'point' else f'st_pointonsurface({shape})'} as place"
            )
            cells += [f"coalesce(st_{axis}({point})::text, '')" for axis in "xy"]
        self._select(" || ',' || ".join(cells), ", ".join(named), text=True)

    def select_values(self) -> None:
        """Each row as values: id, columns, and the geometry as WKB, x before y.

        Times are whole milliseconds, dates whole days, both since 1970.
        """
        wanted = [f"({self.collection.key})::text"]
        for column, sql in selected(self.question, self.access):
            match column.kind:
                case "string":
                    wanted.append(f"({sql})::text")
                case "integer":
                    wanted.append(f"({sql})::bigint")
                case "number":
                    wanted.append(f"({sql})::float8")
                case "boolean":
                    wanted.append(f"({sql})::boolean")
                case "date-time":
                    wanted.append(
                        f"case when isfinite({sql}) then floor(extract(epoch from {sql}) * 1000)::bigint end"
                    )
                case "date":
                    wanted.append(f"case when isfinite({sql}) then ({sql} - date '1970-01-01')::bigint end")
        wanted.append(f"st_asbinary({self.question.crs.geometry(self.access.geometry)})")
        self._select(", ".join(wanted), "", text=False)

    def fetch(self) -> list[tuple[Any, ...]]:
        """The next rows, about as many as make a batch; none at the end."""
        self._check()
        if self._cursor is None:
            raise ValueError("nothing is selected")
        rows = self._cursor.fetchmany(self._batch)
        if rows:
            size = sum(len(one) for row in rows for one in row if isinstance(one, (bytes, str)))
            size += 16 * len(rows) * len(rows[0])
            self.fetched += len(rows)
            self._batch = max(1, min(BATCH_ROWS, BATCH_BYTES * len(rows) // size))
        return rows

    def close(self) -> None:
        """End the transaction; the connection goes back to the pool, or is gone where it was aborted."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if self._aborted:
                connection.close()
            if self._cursor is not None:
                self._cursor.close()
            connection.rollback()
            connection.isolation_level = connection.read_only = None
        except psycopg.Error:
            self._taken.invalidate()
        finally:
            self._taken.close()

    def abort(self) -> None:
        """Stop what runs in the database, now; whoever reads meets QueryCanceled."""
        with self._lock:
            self._aborted = True
            if self._connection is not None and not self._connection.closed:
                with suppress(psycopg.Error):  # of a server that is gone, or too busy to listen
                    self._connection.cancel_safe(timeout=2.0)

    def _check(self) -> None:
        if self._aborted:
            raise psycopg.errors.QueryCanceled

    def _rows(self) -> Condition:
        return condition(self.question, self.collection, self.access)

    def _select(self, wanted: str, named: str, *, text: bool) -> None:
        if self._connection is None:
            raise ValueError("not open")
        rows = self._rows()
        beside = f"cross join lateral (select {named}) r" if text else ""  # of no columns too
        sql = f"""
            select {wanted} from (
                select t.* from {self.collection.table} t where {rows.sql}
                order by {order_by(self.question, self.collection, self.access)}
            ) t {beside}
        """  # noqa: S608  # identifiers come from the registry only
        if self._cursor is not None:  # begun anew
            self._cursor.close()
            self.fetched = 0
        # in the order of the subquery, which nothing above it changes
        self._cursor = self._connection.cursor("export")
        self._cursor.format = psycopg.pq.Format.BINARY
        if text:
            self._cursor.adapters.register_loader("text", Unread)
        self._cursor.execute(driver_text(sql), dict(rows.parameters), binary=True)


def record_export(rows: Rows, form: str) -> None:
    """Put on record who takes away more of a collection than the public may see; before anything is given.

    A line for each community, so that whoever answers for it finds it; of more than AUDITED_MOST the rest in
    one line with `…` for the community, which those see who see all.
    """
    principal, collection, question = rows.principal, rows.collection, rows.question
    if principal.role.value == "public" or collection.sensitivity == "open":
        return
    with transaction(
        rows.engine,
        role=principal.role.value,
        scope=[prefix or EVERYWHERE for prefix in principal.scope],
        grids=sorted(principal.grids),
        principal=principal.subject,
    ) as connection:
        told = {
            "collection": collection.name,
            "format": form,
            "narrowed": question.narrowed,
            "columns": len(selected(question, rows.access)),
        }
        counts = list(rows.communities.items())
        if not counts:  # that somebody looked and found nothing
            counts = [(prefix, 0) for prefix in principal.scope]
        named = {code: {**told, "features": count} for code, count in counts[:AUDITED_MOST]}
        audit.record_each(connection, principal, "export", named)
        if rest := counts[AUDITED_MOST:]:
            more = {"features": sum(count for _, count in rest), "communities": len(rest)}
            audit.record(connection, principal, "export", "…", details={**told, **more})


def _quoted(sql: str) -> str:
    """SQL of a text as a cell: quoted, never a formula; null is empty, the empty text a pair of quotes."""
    guarded = f"case when {sql} ~ '{_FORMULA}' then '''' || {sql} else {sql} end"
    return f"""coalesce('"' || replace({guarded}, '"', '""') || '"', '')"""


def column_titles(headings: Sequence[Heading]) -> list[tuple[str, str, str, str]]:
    """Of each column: name, title in Chinese and in English, unit."""
    told = []
    for one in headings:
        if one.column is None:
            told.append((one.name, "要素编号", "feature id", ""))
        else:
            told.append((one.name, one.column.zh, one.column.en, one.column.unit))
    return told
