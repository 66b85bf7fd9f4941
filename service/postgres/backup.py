"""Backup and restore of the whole database with PostgreSQL's own tools, embedded or on a server.

A backup is a file in pg_dump's custom format. It is restored into a new database, which takes the old one's
name only when it is complete, so a restore that fails changes nothing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from service.postgres.cluster_files import BOOTSTRAP_SQL, DEBIAN_ROOT, ClusterError, ServerUser
from service.postgres.timelines import BEGIN

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import URL


MAGIC = b"PGDMP"
# what every backup of ours holds, whatever its version
OURS = ("alembic_version", "grids")


@dataclass(frozen=True)
class Place:
    """Where a database is, for PostgreSQL's tools: connection parameters, and who runs them from where."""

    parameters: Mapping[str, str] = field(repr=False)
    database: str
    programs: Path
    user: ServerUser | None = None

    def conninfo(self, database: str) -> str:
        """Connection string for `database`, without the password."""
        from psycopg.conninfo import make_conninfo

        parameters = {name: value for name, value in self.parameters.items() if name != "password"}
        return make_conninfo("", **parameters, dbname=database)

    def run(
        self,
        words: Sequence[str | Path],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one of the tools of `programs`."""
        command = [self.programs / words[0], *words[1:]]
        password = {"PGPASSWORD": self.parameters["password"]} if "password" in self.parameters else {}
        if self.user is not None:
            return self.user.run(
                command,
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or subprocess.PIPE,
                environment=password,
                pass_fds=pass_fds,
            )
        return subprocess.run(  # noqa: S603
            [str(word) for word in command],
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
            pass_fds=pass_fds,
            env={**os.environ, **password, "LC_ALL": "C.UTF-8"},
        )

    @contextmanager
    def connect(self, database: str) -> Iterator[psycopg.Connection]:
        """A connection in autocommit."""
        import psycopg

        try:
            connection = psycopg.connect(**self.parameters, dbname=database, autocommit=True)  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            raise ClusterError("backup-connect", database=database, reason=_one_line(str(error))) from None
        with connection:
            yield connection


def place_of_url(url: URL) -> Place:
    """The database of `url` on a server."""
    named = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    parameters = {name: str(value) for name, value in named.items() if value is not None}
    parameters |= {
        name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()
    }
    return Place(parameters, url.database or "", find_tools())


def find_tools(root: Path = DEBIAN_ROOT) -> Path:
    """Folder of the newest pg_dump and pg_restore: an older pg_dump refuses a newer server."""
    versions = (tool.parent for tool in root.glob("*/bin/pg_dump"))
    newest = max(versions, key=lambda folder: int(folder.parent.name), default=None)
    on_path = shutil.which("pg_dump")
    if newest is None and on_path is None:
        raise ClusterError(
            "backup-tools", line="apt-get install -y --no-install-recommends postgresql-client"
        )
    return newest or Path(str(on_path)).parent


def backup(source: Place, file: Path) -> int:
    """Write the whole database to `file`, which appears only when complete; its size in bytes."""
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        # readable by nobody else: it holds counts that disclosure control keeps from most
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            done = source.run(["pg_dump", "--format=custom", source.conninfo(source.database)], stdout=stream)
            if done.returncode:
                raise ClusterError("backup-failed", reason=_reason(done.stderr))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
        return file.stat().st_size
    except OSError as error:
        raise ClusterError("backup-file", path=file, reason=error.strerror) from error
    finally:
        part.unlink(missing_ok=True)


def restore(target: Place, file: Path) -> None:
    """Replace the whole database by the backup `file`; whoever is connected to the old one is disconnected.

    Raises ClusterError, with the old database as it was, if the file is not a backup of Wangge or cannot be
    restored completely.
    """
    import psycopg
    from psycopg import sql

    contents = _contents(target, file)
    name = sql.Identifier(target.database)
    mark = f"{target.database}_restore_"
    fresh, old = f"{mark}{secrets.token_hex(4)}", f"{mark}{secrets.token_hex(4)}"
    with target.connect("postgres") as connection:
        _drop_relics(connection, mark)
        owner = connection.execute(
            "select pg_get_userbyid(datdba) from pg_database where datname = %s", [target.database]
        ).fetchone()
        try:
            connection.execute(
                sql.SQL("create database {} owner {}").format(
                    sql.Identifier(fresh), sql.Identifier(owner[0]) if owner else sql.SQL("current_user")
                )
            )
            _prepare(target, fresh)
            _fill(target, fresh, file, contents)
            _begin_timeline(target, fresh)
            if owner:
                connection.execute(sql.SQL("alter database {} allow_connections false").format(name))
            try:
                with connection.transaction():
                    connection.execute(
                        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = %s",
                        [target.database],
                    )
                    if owner:
                        connection.execute(
                            sql.SQL("alter database {} rename to {}").format(name, sql.Identifier(old))
                        )
                    connection.execute(
                        sql.SQL("alter database {} rename to {}").format(sql.Identifier(fresh), name)
                    )
            except psycopg.Error:
                if owner:
                    connection.execute(sql.SQL("alter database {} allow_connections true").format(name))
                raise
        except psycopg.Error as error:
            raise ClusterError("restore-failed", file=file, reason=_one_line(str(error))) from error
        finally:
            with suppress(psycopg.Error):  # a relic is removed by the next restore
                _drop_relics(connection, mark)


def _contents(target: Place, file: Path) -> bytes:
    """Table of contents of the backup, for pg_restore, less what the new database has already."""
    try:
        with file.open("rb", buffering=0) as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise ClusterError("restore-no-backup", file=file)
            stream.seek(0)
            listed = target.run(["pg_restore", "--list"], stdin=stream)
    except OSError as error:
        raise ClusterError("backup-file", path=file, reason=error.strerror) from error
    if listed.returncode:
        raise ClusterError("restore-failed", file=file, reason=_reason(listed.stderr))
    lines = listed.stdout.splitlines(keepends=True)
    tables = {
        words[5].decode() for line in lines if (words := line.split())[3:4] == [b"TABLE"] and len(words) > 5
    }
    if not tables.issuperset(OURS):
        raise ClusterError("restore-foreign", file=file)
    # extensions are there and belong to a superuser
    ready = (b" EXTENSION ", b" TABLE DATA public spatial_ref_sys ")
    return b"".join(line for line in lines if not any(part in line for part in ready))


def _prepare(target: Place, database: str) -> None:
    """Give the new database its extensions: it has them from template1 in the embedded cluster."""
    import psycopg

    with target.connect(database) as connection:
        wanted = "select count(*) from pg_extension where extname in ('postgis', 'btree_gist')"
        if connection.execute(wanted).fetchone() == (2,):
            return
        try:
            connection.execute(BOOTSTRAP_SQL.read_bytes())
        except psycopg.errors.InsufficientPrivilege as error:
            raise ClusterError("restore-privilege", reason=_one_line(str(error))) from error


def _fill(target: Place, database: str, file: Path, contents: bytes) -> None:
    # in memory and inherited: the tools may run as another user, who may enter no folder of ours
    with file.open("rb") as stream, os.fdopen(os.memfd_create("contents"), "w+b") as table:
        table.write(contents)
        table.flush()
        keep_owner = [] if target.user is not None else ["--no-owner"]
        done = target.run(
            [
                *("pg_restore", "--exit-on-error", *keep_owner),
                *("--use-list", f"/dev/fd/{table.fileno()}", "--dbname", target.conninfo(database)),
            ],
            stdin=stream,
            pass_fds=[table.fileno()],
        )
    if done.returncode:
        raise ClusterError("restore-failed", file=file, reason=_reason(done.stderr))


def _begin_timeline(target: Place, database: str) -> None:
    """What servers and clients have of the database before, they have of another time line."""
    with target.connect(database) as connection:
        found = connection.execute("select to_regclass('public.collection_versions') is not null").fetchone()
        if found == (True,):  # a backup may be older than the table
            connection.execute(BEGIN.encode())


def _drop_relics(connection: psycopg.Connection, mark: str) -> None:
    from psycopg import sql

    names = connection.execute(
        "select datname from pg_database where starts_with(datname, %s)", [mark]
    ).fetchall()
    for (name,) in names:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _reason(said: bytes) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if "error:" in line]
    return _one_line(lines[0] if lines else said.decode(errors="replace"))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
