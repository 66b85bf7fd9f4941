"""Single statements that read: each is a transaction of its own, in which the row policies know who asks.

Who asks is told by the statement itself, so that one round trip does: `WHO` is evaluated before whatever
refers to `who.told`, and holds until the statement ends. Were it evaluated later, nothing would be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql import psycopg as dialect

from service.access import Principal
from service.db import EVERYWHERE, keyed

_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]

WHO = """(select set_config('wangge.role', :who_role, true) || set_config('wangge.scope', :who_scope, true)
    || set_config('wangge.grids', :who_grids, true) || set_config('wangge.principal', :who_subject, true)
    as told
) who"""


class Unread(Loader):
    """A text as the bytes that came: they go on as they are."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def who(principal: Principal) -> dict[str, object]:
    """The parameters of `WHO`."""
    return {
        "who_role": principal.role.value,
        "who_scope": ",".join(prefix or EVERYWHERE for prefix in principal.scope),
        "who_grids": ",".join(sorted(principal.grids)),
        "who_subject": principal.subject,
    }


def read_row(
    engine: Engine,
    sql: str,
    parameters: Mapping[str, object],
    *,
    raw: bool = False,
    by_key: bool = False,
) -> Any:
    """The first row that `sql` yields, None if there is none. raw: texts come as bytes of UTF-8.

    by_key: rows are found by their keys, whatever the values: the plan is made once.
    """
    statement = driver_text(sql)
    # a connection that broke while it lay idle costs a second attempt, not the request
    try:
        return _read_row(engine, statement, parameters, raw, by_key)
    except psycopg.OperationalError as error:
        if error.sqlstate is not None and not error.sqlstate.startswith(("08", "57P")):
            raise
        return _read_row(engine, statement, parameters, raw, by_key)


def _read_row(
    engine: Engine, statement: str, parameters: Mapping[str, object], raw: bool, by_key: bool
) -> Any:
    taken = (keyed(engine) if by_key else engine).raw_connection()
    connection = cast("psycopg.Connection[Any]", taken.driver_connection)
    single = connection.autocommit  # as it is on all connections for rows found by their keys
    try:
        if not single:
            connection.autocommit = True
        with connection.cursor(binary=True) as cursor:
            if raw:
                cursor.adapters.register_loader("text", Unread)
            cursor.execute(statement, parameters, prepare=True if by_key else None)
            return cursor.fetchone()
    finally:
        if connection.closed:
            taken.invalidate()
        else:
            if not single:
                connection.autocommit = False
            taken.close()


@lru_cache(maxsize=2048)
def driver_text(sql: str) -> str:
    """`:name` as psycopg writes it."""
    return str(text(sql).compile(dialect=_DIALECT))
