"""The embedded PostGIS cluster: a private server that starts with its first user and stops with its last.

Below `state_dir/postgres` lie `data` (PostgreSQL's own), `server.conf`, `hba.conf` and `ident.conf` (written
anew at each start), `log`, and two locks: `start.lock`, held exclusively around every start and stop, and
`users.lock`, shared by all clients. Whoever gets `users.lock` exclusively on leaving is the last, and stops
the server. The kernel releases a killed client's lock, so the next one to come or leave notices.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from service.postgres.cluster_files import (
    BOOTSTRAP_SQL,
    DEBIAN_ROOT,
    ClusterError,
    Programs,
    ServerUser,
    find_programs,
    is_server,
    processes_in,
)

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import URL

    from service.postgres.backup import Place

__all__ = ["DATABASE", "ROLES", "Cluster", "ClusterError", "Status"]

Role = Literal["owner", "app", "superuser"]
ROLES: dict[Role, str] = {"owner": "wangge_owner", "app": "wangge_app", "superuser": "postgres"}
DATABASE = "wangge"
PORT = 5432
SOCKET_BYTES = 107  # what sockaddr_un holds, without its closing zero
START_SECONDS = 300  # a recovery after a crash takes its time
FAST_STOP_SECONDS = 60
ORPHAN_SECONDS = 5

# template1 gets the extensions: each database made from it has PostGIS, and nobody need be superuser again
BOOTSTRAP = f"""
{BOOTSTRAP_SQL.read_text(encoding="utf-8")}
CREATE ROLE {ROLES["owner"]} LOGIN;
CREATE ROLE {ROLES["app"]} LOGIN;
CREATE DATABASE {DATABASE} OWNER {ROLES["owner"]};
"""


@dataclass(frozen=True)
class Status:
    """What is known of the cluster without touching it."""

    state: Literal["absent", "stopped", "running"]
    data: Path
    socket: Path
    version: int | None = None
    pid: int | None = None
    users: tuple[int, ...] = ()
    kept: bool = False


class Cluster:
    """A private PostGIS server with its data below `state_dir` and its socket below `runtime_dir`.

    Clients are this machine's processes of the user who owns it (peer authentication over a Unix socket;
    nothing listens on the network). `program_root` is where PostgreSQL's programs are looked for.
    """

    def __init__(self, state_dir: Path, runtime_dir: Path, *, program_root: Path = DEBIAN_ROOT) -> None:
        self.home = Path(state_dir).absolute() / "postgres"
        self.data = self.home / "data"
        self.log = self.home / "log"
        # two clusters may share a runtime folder
        self.socket_dir = (
            Path(runtime_dir).absolute() / hashlib.sha256(os.fsencode(self.data)).hexdigest()[:8]
        )
        self.program_root = program_root
        self._pidfile = self.data / "postmaster.pid"
        self._kept = self.home / "kept"

    @cached_property
    def user(self) -> ServerUser:
        """Who PostgreSQL's programs run as."""
        return ServerUser.find()

    @property
    def programs(self) -> Programs:
        """PostgreSQL's programs: of the data folder's version if there is one."""
        return find_programs(self._version(), root=self.program_root)

    # --- life ---

    @contextmanager
    def running(self) -> Iterator[Cluster]:
        """The server, started if need be, and stopped on leaving if nobody else uses it. May be nested."""
        with self._enter():
            yield self

    @contextmanager
    def _enter(self) -> Iterator[None]:
        self._make_home()
        users = self._open_lock("users.lock")
        try:
            try:
                with self._starting():
                    fcntl.flock(users, fcntl.LOCK_SH)
                    self._ensure_started(alone=self._is_last(users))
                yield
            finally:
                self._leave(users)
        finally:
            os.close(users)

    def start(self) -> None:
        """Start the server and keep it running until `stop`, whoever leaves meanwhile."""
        with self.running():
            self._kept.write_text(" ".join(self._identity()))

    def stop(self, *, force: bool = False) -> bool:
        """Stop the server; False if none ran. Raises ClusterError if others use it, unless `force`."""
        if not self.home.is_dir():
            return False
        users = self._open_lock("users.lock")
        try:
            with self._starting():
                if not force and not self._try_exclusive(users):
                    raise ClusterError("cluster-in-use", users=_listed(self._users()))
                self._kept.unlink(missing_ok=True)
                return self._stop_server()
        finally:
            os.close(users)

    def revive(self) -> bool:
        """Start the server again if it was lost, not if it was stopped. Whether it was. By a user of it."""
        if not self._is_lost():
            return False
        with self._starting():
            if not self._is_lost():  # somebody else was faster
                return False
            before, relic = self._identity(), self._pidfile.read_bytes()
            try:
                self._start_server()
            except BaseException:
                if self._postmaster() is None:  # still lost, and known to be
                    self._pidfile.write_bytes(relic)
                raise
            if self._kept.exists() and self._kept.read_text().split() == before:
                self._kept.write_text(" ".join(self._identity()))
            return True

    def _is_lost(self) -> bool:
        """Whether the server ended without having been asked to: then it left the file with its number."""
        return self._pidfile.exists() and self._postmaster() is None

    def status(self) -> Status:
        """Whether it is there and runs, with whom."""
        version, pid = self._version(), self._postmaster()
        if version is None:
            return Status("absent", self.data, self._socket())
        if pid is None:
            return Status("stopped", self.data, self._socket(), version)
        return Status("running", self.data, self._socket(), version, pid, self._users(), self._is_kept())

    # --- databases ---

    def url(self, role: Role = "owner", database: str = DATABASE) -> URL:
        """Address of `database` as `role` for SQLAlchemy with psycopg 3."""
        from sqlalchemy import URL

        return URL.create(
            "postgresql+psycopg",
            username=ROLES[role],
            database=database,
            query={"host": str(self._socket()), "port": str(PORT)},
        )

    def create_database(self, name: str, template: str | None = None) -> None:
        """Make the database `name` of the owner role, with PostGIS, or as a copy of `template`."""
        from psycopg import sql

        with self.administration() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    sql.Identifier(name),
                    sql.Identifier(ROLES["owner"]),
                    sql.Identifier(template or "template1"),
                )
            )

    def drop_database(self, name: str) -> None:
        """Remove the database `name`, whoever is connected to it; none there is no error."""
        from psycopg import sql

        with self.administration() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    @contextmanager
    def administration(self) -> Iterator[psycopg.Connection]:
        """A superuser's connection in autocommit, to a database that nobody else uses."""
        import psycopg

        with psycopg.connect(
            host=str(self._socket()), port=PORT, user=ROLES["superuser"], dbname="postgres", autocommit=True
        ) as connection:
            yield connection

    # --- backup ---

    def place(self) -> Place:
        """Where the running database is, for PostgreSQL's tools, as superuser."""
        from service.postgres.backup import Place

        parameters = {"host": str(self._socket()), "port": str(PORT), "user": ROLES["superuser"]}
        return Place(parameters, DATABASE, self.programs.folder, self.user)

    def backup(self, file: Path) -> int:
        """Write the whole database to `file` (pg_dump's custom format); its size in bytes."""
        from service.postgres.backup import backup

        with self.running():
            return backup(self.place(), file)

    def restore(self, file: Path) -> None:
        """Replace the database by the backup `file`; if that fails it stays as it was (ClusterError)."""
        from service.postgres.backup import restore

        with self.running():
            restore(self.place(), file)

    # --- locks ---

    def _open_lock(self, name: str) -> int:
        try:
            return os.open(self.home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ClusterError("cluster-folder", path=self.home, reason=error.strerror) from error

    @contextmanager
    def _starting(self) -> Iterator[None]:
        lock = self._open_lock("start.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    @staticmethod
    def _try_exclusive(lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _is_last(self, users: int) -> bool:
        """Whether nobody but the holder of `users` uses the server; to be asked under the start lock.

        A lock's change of kind is not atomic, but everybody else who would take it waits for the start lock.
        """
        if self._try_exclusive(users):
            fcntl.flock(users, fcntl.LOCK_SH)
            return True
        fcntl.flock(users, fcntl.LOCK_SH)  # a refused change may have dropped ours
        return False

    def _leave(self, users: int) -> None:
        with self._starting():
            if self._try_exclusive(users) and not self._is_kept():
                self._stop_server()

    def _users(self) -> tuple[int, ...]:
        """Processes that hold the users' lock, as far as the kernel tells us."""
        try:
            wanted = (self.home / "users.lock").stat()
            table = Path("/proc/locks").read_text()
        except OSError:
            return ()
        file = f"{os.major(wanted.st_dev):02x}:{os.minor(wanted.st_dev):02x}:{wanted.st_ino}"
        holders = {int(words[4]) for line in table.splitlines() if (words := line.split())[5] == file}
        return tuple(sorted(holders - {os.getpid()}))

    def _is_kept(self) -> bool:
        try:
            kept = self._kept.read_text().split()
        except FileNotFoundError:
            return False
        return kept == self._identity() and self._postmaster() is not None

    def _identity(self) -> list[str]:
        """Process id and start time of the server, so that a later one is not taken for it."""
        lines = self._pidfile_lines()
        return [lines[0], lines[2]] if len(lines) > 2 else []

    # --- the server ---

    def _ensure_started(self, *, alone: bool) -> None:
        if self._postmaster() is not None:
            self._await_ready()
            if (self._socket() / f".s.PGSQL.{PORT}").exists():
                return
            # the runtime folder was swept away under it (a logout, a cleaner)
            if not alone:
                raise ClusterError("cluster-socket-gone", path=self._socket(), users=_listed(self._users()))
            self._stop_server()
        for relic in self.home.glob("data.new-*"):
            shutil.rmtree(relic, ignore_errors=True)  # an orphaned initdb may still be writing there
        if self._version() is None:
            self._initialise()
        self._start_server()

    def _version(self) -> int | None:
        try:
            return int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "PG_VERSION"
            raise ClusterError("cluster-folder", path=self.data, reason=reason) from error

    def _pidfile_lines(self) -> list[str]:
        try:
            return self._pidfile.read_text().splitlines()
        except FileNotFoundError:
            return []

    def _postmaster(self) -> int | None:
        """Process id of the server if it lives: after a crash the number in the file may be anybody's."""
        try:
            lines = self._pidfile_lines()
        except PermissionError as error:
            raise ClusterError("cluster-folder", path=self.data, reason=error.strerror) from error
        pid = int(lines[0]) if lines and lines[0].isdigit() else None
        return pid if pid is not None and is_server(pid, self.data) else None

    def _socket(self) -> Path:
        """Folder of the socket: where the live server put it, else where we shall."""
        lines = self._pidfile_lines() if self._postmaster() is not None else []
        return Path(lines[4]) if len(lines) > 4 and lines[4] else self.socket_dir

    def _await_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not (len(lines := self._pidfile_lines()) > 7 and lines[7].strip() == "ready"):
            if self._postmaster() is None or time.monotonic() > until:
                raise ClusterError("cluster-start", reason=self._last_words(), log=self.log)
            time.sleep(0.01)

    def _make_home(self) -> None:
        try:
            self.home.parent.mkdir(parents=True, exist_ok=True)
            self.home.mkdir(mode=0o755, exist_ok=True)
        except OSError as error:
            raise ClusterError("cluster-folder", path=self.home, reason=error.strerror) from error

    def _make_socket_dir(self) -> None:
        length = len(os.fsencode(self.socket_dir / f".s.PGSQL.{PORT}"))
        if length > SOCKET_BYTES:
            raise ClusterError("cluster-socket-long", path=self.socket_dir, bytes=length, most=SOCKET_BYTES)
        if "," in str(self.socket_dir):  # libpq would take it for two hosts
            raise ClusterError("cluster-socket-comma", path=self.socket_dir)
        try:
            self.socket_dir.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self.socket_dir.mkdir(mode=0o700)
                self.user.own(self.socket_dir)
            found, above = self.socket_dir.lstat(), self.socket_dir.parent.stat()
        except OSError as error:
            raise ClusterError("cluster-folder", path=self.socket_dir, reason=error.strerror) from error
        # below /tmp anybody may have made either before us, and put their own in its place later
        if above.st_uid not in (0, os.geteuid()) or (
            above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX
        ):
            raise ClusterError("cluster-socket-foreign", path=self.socket_dir.parent, user=self.user.name)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.user.uid or found.st_mode & 0o022:
            raise ClusterError("cluster-socket-foreign", path=self.socket_dir, user=self.user.name)

    def _initialise(self) -> None:
        """Make the data folder beside its place, then move it: an interrupted first run leaves nothing."""
        programs = self.programs
        fresh = self.home / f"data.new-{secrets.token_hex(4)}"
        try:
            fresh.mkdir(mode=0o700)
            self.user.own(fresh)
            self._run(
                programs,
                "initdb",
                *("-D", fresh, "-U", ROLES["superuser"], "-E", "UTF8", "--locale=C.UTF-8", "-A", "peer"),
                "--no-instructions",
            )
            # the single-user server needs neither socket nor password, and is gone before the folder counts
            self._run(
                programs,
                "postgres",
                *("--single", "-j", "-D", fresh, "-c", "jit=off", "template1"),
                text=BOOTSTRAP.replace(";\n", ";\n\n"),
            )
            fresh.rename(self.data)
        except OSError as error:
            raise ClusterError("cluster-folder", path=self.home, reason=error.strerror) from error
        finally:
            if fresh.exists():
                shutil.rmtree(fresh, ignore_errors=True)

    def _run(self, programs: Programs, name: str, *arguments: str | Path, text: str | None = None) -> None:
        done = self.user.run(
            [programs.path(name), *arguments], text=text.encode() if text is not None else None
        )
        # the single-user server reports a failed statement, and ends with 0
        if done.returncode or b"ERROR:" in done.stderr:
            closed = self.user.closed_folder(self.home)
            if closed is not None:
                raise ClusterError("cluster-closed-folder", path=closed, user=self.user.name)
            said = (done.stderr + b"\n" + done.stdout).decode(errors="replace").strip().splitlines()
            wrong = [line for line in said if re.search("error|FATAL|ERROR|PANIC", line)] or said[-1:]
            raise ClusterError(
                "cluster-program", program=name, reason=" ".join(wrong[:1]), code=done.returncode
            )

    def _write_settings(self) -> Path:
        names = sorted({self.user.name, pwd.getpwuid(os.geteuid()).pw_name})
        hba, ident, conf = (self.home / name for name in ("hba.conf", "ident.conf", "server.conf"))
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.socket_dir}"',
            "unix_socket_permissions": "0700",
            "hba_file": str(hba),
            "ident_file": str(ident),
            "jit": "off",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "max_wal_size": "1GB",
            "recovery_init_sync_method": "syncfs",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "datestyle": "ISO, YMD",
            "default_text_search_config": "pg_catalog.simple",
            "lc_messages": "C",
        }
        for path, text in (
            (hba, "local all all peer map=wangge\n"),
            (ident, "".join(f'wangge "{name}" {role}\n' for name in names for role in ROLES.values())),
            (conf, "".join(f"{name} = {_quoted(value)}\n" for name, value in settings.items())),
        ):
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
        return conf

    def _start_server(self) -> None:
        programs = self.programs
        self._end_orphans()
        self._make_socket_dir()
        # nobody serves this folder (we hold the start lock and looked), so these are relics whose numbers may
        # be another process's by now, which PostgreSQL would take for a live server
        self._pidfile.unlink(missing_ok=True)
        for relic in self.socket_dir.glob(".s.PGSQL.*"):
            relic.unlink(missing_ok=True)
        try:
            conf = self._write_settings()
            self.log.write_bytes(b"")
            self.log.chmod(0o600)
            self.user.own(self.log)
        except OSError as error:
            raise ClusterError("cluster-folder", path=self.home, reason=error.strerror) from error
        try:
            done = self.user.run(
                [
                    *(programs.path("pg_ctl"), "start", "-s", "-w", "-t", str(START_SECONDS)),
                    *("-D", self.data, "-l", self.log, "-o", shlex.quote(f"--config-file={conf}")),
                ]
            )
            if done.returncode:
                closed = self.user.closed_folder(self.home)
                if closed is not None:
                    raise ClusterError("cluster-closed-folder", path=closed, user=self.user.name)
                reason = self._last_words() or done.stderr.decode(errors="replace").strip()
                raise ClusterError("cluster-start", reason=reason, log=self.log)
            self._await_ready()
        except BaseException:
            self._stop_server()  # an interrupted start leaves nothing running
            raise

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return next(
            (line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), "".join(lines[-1:])
        )

    def _stop_server(self) -> bool:
        pid = self._postmaster()
        if pid is not None:
            _signal(pid, signal.SIGINT)  # "fast": transactions are rolled back, a checkpoint is written
            if not self._await_end(FAST_STOP_SECONDS):
                _signal(pid, signal.SIGQUIT)
        self._end_orphans()
        return pid is not None

    def _end_orphans(self) -> None:
        """Backends notice the death of their server soon; one in a long computation is ended."""
        if self._postmaster() is None and not self._await_end(ORPHAN_SECONDS):
            for sent in (signal.SIGQUIT, signal.SIGKILL):
                for orphan in processes_in(self.data):
                    _signal(orphan, sent)
                if self._await_end(ORPHAN_SECONDS):
                    break

    def _await_end(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while processes_in(self.data):
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True


def _signal(pid: int, sent: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, sent)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _listed(users: tuple[int, ...]) -> str:
    return ", ".join(map(str, users)) or "?"
