"""The database: where it is, its two engines, one transaction a request, and the migrations."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, OperationalError

from service.operating import OperatingError
from service.postgres.cluster_files import BOOTSTRAP_SQL

if TYPE_CHECKING:
    from alembic.config import Config

    from service.postgres.backup import Place
    from service.settings import Settings

Progress = Callable[[str, float], None]

APP_ROLE = "wangge_app"
POSTGIS = (3, 3)
# the service's longest statement; loading and planning run as the owner, who has no limit
STATEMENT_MS = 30_000
LOCK_MS = 5_000
EVERYWHERE = "*"


class DatabaseError(OperatingError):
    """The database cannot be used."""


@dataclass(frozen=True)
class Database:
    """Two engines: `owner` loads, plans, publishes, migrates; `app` serves and meets the row policies."""

    owner: Engine
    app: Engine


@contextmanager
def database(settings: Settings, *, keep: bool = False) -> Iterator[Database]:
    """The database of `settings`, ready to use for the time of the context.

    With `WANGGE_DATABASE_URL` that server, whose migrations must be up to date; without it the embedded
    cluster, which is started and migrated if need be. Raises DatabaseError or ClusterError with the mend.
    keep: start the embedded cluster again whenever it is lost.
    """
    with engines(settings, keep=keep) as opened:
        if settings.database_url is None:
            if not is_current(opened.owner):
                migrate(opened.owner)
        elif not is_current(opened.app):
            raise DatabaseError("database-behind", database=opened.app.url.database)
        yield opened


@contextmanager
def engines(settings: Settings, *, keep: bool = False) -> Iterator[Database]:
    """The engines of `settings`, whether migrated or not."""
    if settings.database_url is None:
        from service.postgres.cluster import Cluster
        from service.postgres.keeper import keeping

        with (
            Cluster(settings.state_dir, settings.runtime_dir).running() as cluster,
            keeping(cluster) if keep else nullcontext(),
        ):
            yield from _opened(settings, cluster.url("owner"), cluster.url("app"))
        return
    app = _url(settings.database_url.get_secret_value(), "WANGGE_DATABASE_URL")
    owner = app
    if settings.owner_database_url is not None:
        owner = _url(settings.owner_database_url.get_secret_value(), "WANGGE_OWNER_DATABASE_URL")
    yield from _opened(settings, owner, app)


def _opened(settings: Settings, owner: URL, app: URL) -> Iterator[Database]:
    opened = Database(open_owner(owner), open_app(app, statement_ms=int(1000 * settings.query_seconds)))
    try:
        yield opened
    finally:
        opened.app.dispose()
        opened.owner.dispose()


def open_owner(url: URL) -> Engine:
    """An engine for the owner: no time limit, small pool."""
    return _engine(url, pool_size=2, application_name="wangge")


def open_app(url: URL, *, statement_ms: int = STATEMENT_MS) -> Engine:
    """An engine for the service: statements and locks have a time limit."""
    # plans are made for the box and the page at hand, never kept for all
    engine = _app_engine(url, 10, "force_custom_plan", statement_ms)
    # each statement on the engine beside it is a transaction: there is none to begin or to roll back
    single: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    _keyed[engine] = beside = _app_engine(url, 5, "force_generic_plan", statement_ms, **single)
    event.listen(engine, "engine_disposed", lambda disposed: beside.dispose())
    return engine


def keyed(engine: Engine) -> Engine:
    """The engine beside the service's own whose plans are kept: for statements that find rows by their keys,
    whose plan is the same for all values and costs more than its execution."""
    return _keyed.get(engine, engine)


_keyed: WeakKeyDictionary[Engine, Engine] = WeakKeyDictionary()


def _app_engine(url: URL, pool_size: int, plans: str, statement_ms: int, **more: Any) -> Engine:
    return _engine(
        url,
        pool_size=pool_size,
        more=more,
        application_name="wangge serve",
        # sorting a page needs no disk
        options=f"-c timezone=UTC -c plan_cache_mode={plans} -c jit=off -c work_mem=16MB "
        f"-c statement_timeout={statement_ms} -c lock_timeout={LOCK_MS} "
        f"-c idle_in_transaction_session_timeout={2 * STATEMENT_MS}",
    )


def _engine(url: URL, *, pool_size: int, more: Mapping[str, Any] | None = None, **connect: str) -> Engine:
    # parameters may hold what nobody may read in a log
    engine = create_engine(
        url,
        pool_size=pool_size,
        hide_parameters=True,
        connect_args={"connect_timeout": 10, **connect},
        **(more or {}),
    )
    event.listen(engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Give no connection away that the server closed: the pool then opens new ones.

    A server that ends says so, or its socket does; asking the socket costs no round trip, as a ping would.
    """
    if connection.closed:
        raise InvalidatePoolError
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        raise InvalidatePoolError


@contextmanager
def place(settings: Settings) -> Iterator[Place]:
    """The database of `settings` for PostgreSQL's own tools, running for the time of the context."""
    from service.postgres.backup import place_of_url

    address = settings.owner_database_url or settings.database_url
    if address is None:
        from service.postgres.cluster import Cluster

        with Cluster(settings.state_dir, settings.runtime_dir).running() as cluster:
            yield cluster.place()
        return
    yield place_of_url(_url(address.get_secret_value(), "WANGGE_OWNER_DATABASE_URL"))


def _url(address: str, name: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError:
        raise DatabaseError("database-url", name=name) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise DatabaseError("database-url", name=name)
    return url.set(drivername="postgresql+psycopg")


# --- transactions ---


@contextmanager
def transaction(
    engine: Engine,
    *,
    role: str,
    scope: Sequence[str] = (),
    grids: Sequence[str] = (),
    principal: str = "",
) -> Iterator[Connection]:
    """One transaction in which the row policies know who asks; rolled back on an error."""
    with engine.begin() as connection:
        declare(connection, role=role, scope=scope, grids=grids, principal=principal)
        yield connection


def declare(
    connection: Connection,
    *,
    role: str,
    scope: Sequence[str] = (),
    grids: Sequence[str] = (),
    principal: str = "",
) -> None:
    """Tell the row policies, until the transaction ends, who asks.

    `scope`: prefixes of division codes, `EVERYWHERE` for all, none for nothing. `grids`: codes of a grid
    worker's own grids. Roles are those of DECISIONS §5, and `disclosure`: the service itself, counting people
    for figures that leave it only after disclosure control. May be called again in the same transaction.
    """
    connection.execute(
        text(
            "select set_config('wangge.role', :role, true), set_config('wangge.scope', :scope, true), "
            "set_config('wangge.grids', :grids, true), set_config('wangge.principal', :principal, true)"
        ),
        {"role": role, "scope": ",".join(scope), "grids": ",".join(grids), "principal": principal},
    )


# --- migrations ---


def migrations() -> Path:
    """The folder of the migrations: beside the packages in a checkout, inside `service` when installed."""
    package = Path(__file__).resolve().parent
    for folder in (package / "migrations", package.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise DatabaseError("database-migrations-missing", path=package / "migrations")


def migrate(engine: Engine, revision: str = "head", progress: Progress | None = None) -> None:
    """Bring the database to `revision` as its owner, in one transaction; who comes meanwhile waits.

    progress: told what is done, and how much of it (0 … 1). Raises DatabaseError if PostGIS or the app's role
    is missing, with the lines that mend it.
    """
    from alembic import command

    with _connected(engine) as connection, connection.begin():
        connection.execute(text("select pg_advisory_xact_lock(hashtext('wangge migrations'))"))
        _check_server(connection)
        config = _config(connection)
        config.attributes["progress"] = progress
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the database back to `revision` ("base": before the first)."""
    from alembic import command

    with _connected(engine) as connection, connection.begin():
        command.downgrade(_config(connection), revision)


def is_current(engine: Engine) -> bool:
    """Whether every migration has run. Raises DatabaseError if the server cannot be reached."""
    with _connected(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return connection.execute(text("select version_num from alembic_version")).scalar() == head()


@lru_cache(maxsize=1)
def head() -> str | None:
    """The newest migration that this program knows."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(migrations())).get_current_head()


def is_fenced(engine: Engine) -> bool:
    """Whether row policies hold for the engine's role; they do not for superusers and the tables' owner."""
    with _connected(engine) as connection:
        return bool(connection.scalar(text("select row_security_active('population_groups')")))


def comparison() -> dict[str, Any]:
    """How the tables of a database are compared with those of `service.models`."""
    from geoalchemy2 import alembic_helpers

    def is_ours(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        if kind == "index" and name is not None and name.startswith("ex_"):
            return False  # the index of an exclusion constraint
        if kind == "table" and name is not None and name.startswith("procrastinate_"):
            return False  # the queue's own, as its library makes them
        return bool(alembic_helpers.include_object(thing, name, kind, reflected, other))  # type: ignore[no-untyped-call]

    return {
        "include_object": is_ours,
        "process_revision_directives": alembic_helpers.writer,
        "render_item": alembic_helpers.render_item,
        "compare_server_default": True,
    }


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except OperationalError as error:
        # the server's own words name user and host, never the password
        reason = " ".join(str(error.orig).split())
        raise DatabaseError("database-unreachable", database=engine.url.database, reason=reason) from None
    with connection:
        yield connection


def _check_server(connection: Connection) -> None:
    database = connection.engine.url.database
    found = {row.extname: row.extversion for row in connection.execute(text("select * from pg_extension"))}
    if "postgis" not in found or "btree_gist" not in found:
        raise DatabaseError("database-extensions", database=database, path=BOOTSTRAP_SQL)
    version = tuple(int(part) for part in str(found["postgis"]).split(".")[:2])
    if version < POSTGIS:
        raise DatabaseError(
            "database-postgis-old", version=found["postgis"], least=".".join(map(str, POSTGIS))
        )
    if not connection.scalar(text("select true from pg_roles where rolname = :role"), {"role": APP_ROLE}):
        raise DatabaseError("database-role", role=APP_ROLE)
