"""The embedded cluster: its life, its roles and databases, its backup, and what it says when it cannot."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, cast

import psycopg
import pytest
import sqlalchemy
from sqlalchemy import text
from typer import Typer
from typer.testing import CliRunner

from service.commands import cluster as commands
from service.db import migrate, open_app, open_owner
from service.postgres import keeper
from service.postgres.cluster import Cluster, ClusterError
from service.postgres.cluster_files import ADMIN_LINE, ServerUser, find_programs, is_server, processes_in
from service.settings import Settings

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the server's user may enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="wangge-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster that runs while this module's tests do."""
    with Cluster(folder / "shared", folder / "run").running() as running:
        yield running


def ask(cluster: Cluster, role: str, query: str, database: str = "wangge") -> object:
    engine = sqlalchemy.create_engine(cluster.url(role, database), poolclass=sqlalchemy.NullPool)  # type: ignore[arg-type]
    with engine.begin() as connection:
        result = connection.execute(text(query))
        return result.scalar() if result.returns_rows else None


# --- life ---


def test_first_and_next_start(folder: Path) -> None:
    cluster = Cluster(folder / "life", folder / "run")
    assert cluster.status().state == "absent"
    with cluster.running():
        first = cluster.status()
        assert first.state == "running"
        assert first.pid is not None
        assert is_server(first.pid, cluster.data)
        ask(cluster, "owner", "create table kept as select 42 as number")
    assert cluster.status().state == "stopped"
    assert processes_in(cluster.data) == []
    assert list(cluster.home.glob("data.new-*")) == []
    with cluster.running():
        assert cluster.status().pid != first.pid
        assert ask(cluster, "owner", "select number from kept") == 42
    assert processes_in(cluster.data) == []


def test_last_user_stops_the_server(folder: Path) -> None:
    state = (folder / "life", folder / "run")
    with Cluster(*state).running() as outer:
        pid = outer.status().pid
        with Cluster(*state).running() as inner:
            assert inner.status().pid == pid
        assert outer.status().pid == pid
        assert ask(outer, "app", "select 1") == 1
    assert processes_in(outer.data) == []


def test_an_error_inside_stops_the_server_too(folder: Path) -> None:
    cluster = Cluster(folder / "life", folder / "run")
    with pytest.raises(ZeroDivisionError), cluster.running():
        raise ZeroDivisionError
    assert processes_in(cluster.data) == []


def test_kept_server_outlives_its_users(folder: Path) -> None:
    cluster = Cluster(folder / "life", folder / "run")
    cluster.start()
    try:
        pid = cluster.status().pid
        assert cluster.status().kept
        with cluster.running():
            with pytest.raises(ClusterError) as refused:
                cluster.stop()
            assert refused.value.key == "cluster-in-use"
        assert cluster.status().pid == pid
    finally:
        assert cluster.stop(force=True)
    assert processes_in(cluster.data) == []
    assert not cluster.stop()
    # the mark of a server that is gone keeps no other
    with cluster.running():
        assert not cluster.status().kept
    assert processes_in(cluster.data) == []


def test_a_lost_server_that_did_not_start_is_started_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Cluster(folder / "lost", folder / "run").running() as cluster:
        assert not cluster.revive()
        pid = cluster.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while cluster.status().state == "running":
            time.sleep(0.01)
        with monkeypatch.context() as full:
            full.setattr(cluster, "_write_settings", fail)
            for _ in range(2):
                with pytest.raises(ClusterError):
                    cluster.revive()
        assert cluster.revive()
        assert ask(cluster, "app", "select 1", "postgres") == 1
        cluster.stop(force=True)
        assert not cluster.revive()


def test_a_keeper_goes_on_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = threading.Event()

    class Failing:
        left: ClassVar = [
            OSError(errno.ENOMEM, "no memory"),
            ClusterError("cluster-start", reason="", log=""),
        ]

        def revive(self) -> bool:
            if self.left:
                raise self.left.pop()
            seen.set()
            return False

    monkeypatch.setattr(keeper, "LOOK_S", 0.01)
    monkeypatch.setattr(keeper, "AGAIN_S", 0.01)
    with keeper.keeping(cast(Cluster, Failing())):
        assert seen.wait(10)


def test_socket_swept_away_under_a_kept_server(folder: Path) -> None:
    cluster = Cluster(folder / "life", folder / "run")
    cluster.start()
    try:
        shutil.rmtree(cluster.socket_dir)
        with cluster.running():
            assert ask(cluster, "app", "select 1") == 1
    finally:
        cluster.stop(force=True)


def test_folders_with_spaces_quotes_and_chinese(folder: Path) -> None:
    cluster = Cluster(folder / "网格 it's", folder / "run 目录")
    with cluster.running():
        assert ask(cluster, "app", "select 1") == 1
    shutil.rmtree(cluster.home)


# --- roles, databases, settings ---


def test_roles(cluster: Cluster) -> None:
    assert ask(cluster, "owner", "select current_user") == "wangge_owner"
    assert ask(cluster, "app", "select current_user") == "wangge_app"
    assert (
        ask(
            cluster,
            "app",
            "select rolsuper or rolbypassrls or rolcreatedb from pg_roles where rolname = current_user",
        )
        is False
    )
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = 'wangge'"
    assert ask(cluster, "app", owner) == "wangge_owner"
    with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"):
        ask(cluster, "app", "create table mine (number int)")
    ask(cluster, "owner", "create table theirs (number int)")
    with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"):
        ask(cluster, "app", "select number from theirs")


def test_postgis_without_a_superuser(cluster: Cluster) -> None:
    version = ask(cluster, "app", "select extversion from pg_extension where extname = 'postgis'")
    assert tuple(map(int, str(version).split(".")[:2])) >= (3, 3)
    assert (
        ask(
            cluster,
            "app",
            "select proleakproof from pg_proc where oid = "
            "'geometry_overlaps(geometry, geometry)'::regprocedure",
        )
        is True
    )


def test_nothing_listens_on_the_network(cluster: Cluster) -> None:
    assert ask(cluster, "app", "show listen_addresses") == ""
    assert ask(cluster, "app", "show fsync") == "on"
    assert ask(cluster, "app", "show jit") == "off"
    assert cluster.status().socket.stat().st_mode & 0o077 == 0


def test_databases_from_a_template(cluster: Cluster) -> None:
    cluster.create_database("first")
    ask(cluster, "owner", "create table kept as select 7 as number", "first")
    cluster.create_database("second", template="first")
    assert ask(cluster, "owner", "select number from kept", "second") == 7
    assert ask(cluster, "owner", "select st_area('POLYGON((0 0,0 2,2 2,2 0,0 0))'::geometry)", "second") == 4
    for name in ("second", "first", "never-made"):
        cluster.drop_database(name)
    with cluster.administration() as connection:
        left = connection.execute("select datname from pg_database where datname in ('first', 'second')")
        assert left.fetchall() == []


# --- backup ---


@pytest.fixture
def filled(folder: Path) -> Iterator[Cluster]:
    """A migrated cluster with one row more in it."""
    with Cluster(folder / "filled", folder / "run").running() as cluster:
        owner = open_owner(cluster.url("owner"))
        migrate(owner)
        owner.dispose()
        ask(cluster, "owner", "drop table if exists kept")
        ask(
            cluster,
            "owner",
            "create table kept as select '朝阳社区' as name, st_point(116, 40, 4326) as geom",
        )
        yield cluster


def names(cluster: Cluster) -> object:
    return ask(cluster, "owner", "select array_agg(name) from kept where st_x(geom) = 116")


def databases(cluster: Cluster) -> set[str]:
    with cluster.administration() as connection:
        return {row[0] for row in connection.execute("select datname from pg_database")}


def test_backup_and_restore(filled: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "备份 1.dump"
    assert filled.backup(file) == file.stat().st_size
    assert file.stat().st_mode & 0o077 == 0
    ask(filled, "owner", "update kept set name = 'changed'")
    assert names(filled) == ["changed"]
    # someone is connected meanwhile
    app = open_app(filled.url("app"))
    with app.connect() as connection:
        connection.execute(text("select 1"))
        filled.restore(file)
        connection.invalidate()
    app.dispose()
    assert names(filled) == ["朝阳社区"]
    assert databases(filled) == {"postgres", "template0", "template1", "wangge"}
    # the app's rights came back with it, and no more than those
    assert ask(filled, "app", "select has_table_privilege('grids', 'select')") is True
    with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"):
        ask(filled, "app", "create table mine (number int)")
    # a restored database can be backed up and restored again
    filled.backup(file)
    filled.restore(file)
    assert names(filled) == ["朝阳社区"]


def test_a_database_that_was_brought_back_by_other_means(
    filled: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recovery to a point in time, or a replica that takes over, is told by its owner."""
    socket = filled.status().socket
    monkeypatch.setenv("WANGGE_DATABASE_URL", f"postgresql://wangge_owner:unused@/wangge?host={socket}")
    app = Typer()
    commands.add_to(app)
    asked = (
        "select coalesce(sum(version), 0)::bigint from collection_versions where collection = '(timeline)'"
    )
    found = [ask(filled, "owner", asked)]
    for _ in range(2):
        told = CliRunner().invoke(app, ["db", "restored"])
        assert told.exit_code == 0, told.output
        found.append(ask(filled, "owner", asked))
    begun = [int(str(one)) for one in found]
    assert begun == sorted(set(begun))


def test_broken_backup_leaves_the_database(filled: Cluster, tmp_path: Path) -> None:
    whole = tmp_path / "whole.dump"
    filled.backup(whole)
    broken = tmp_path / "broken.dump"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    no_backup = tmp_path / "no.dump"
    no_backup.write_text("select 1")
    for file, key in (
        (broken, "restore-failed"),
        (no_backup, "restore-no-backup"),
        (tmp_path / "absent", "backup-file"),
    ):
        with pytest.raises(ClusterError) as refused:
            filled.restore(file)
        assert refused.value.key == key
        assert file.name in str(refused.value)
    assert names(filled) == ["朝阳社区"]
    assert databases(filled) == {"postgres", "template0", "template1", "wangge"}


def test_foreign_backup_is_refused(cluster: Cluster, filled: Cluster, tmp_path: Path) -> None:
    cluster.backup(tmp_path / "foreign.dump")  # never migrated
    with pytest.raises(ClusterError) as refused:
        filled.restore(tmp_path / "foreign.dump")
    assert refused.value.key == "restore-foreign"
    assert names(filled) == ["朝阳社区"]


def test_unwritable_backup_leaves_nothing(filled: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ClusterError) as refused:
        filled.backup(tmp_path / "absent" / "x.dump")
    assert refused.value.key == "backup-file"
    (tmp_path / "folder").mkdir()
    with pytest.raises(ClusterError):
        filled.backup(tmp_path / "folder")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_backup_of_a_server_by_its_address(
    filled: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = filled.status().socket
    address = f"postgresql://wangge_owner:unused@/wangge?host={socket}"
    monkeypatch.setenv("WANGGE_DATABASE_URL", address)
    app = Typer()
    commands.add_to(app)
    file = tmp_path / "server.dump"
    made = CliRunner().invoke(app, ["db", "backup", str(file)])
    assert made.exit_code == 0, made.output
    assert file.read_bytes().startswith(b"PGDMP")
    # the owner role may not make databases, and says so
    refused = CliRunner().invoke(app, ["db", "restore", str(file)])
    assert refused.exit_code == 2
    assert "permission denied" in refused.output
    assert names(filled) == ["朝阳社区"]
    # an administrator may
    monkeypatch.setenv("WANGGE_OWNER_DATABASE_URL", address.replace("wangge_owner", "postgres"))
    ask(filled, "owner", "update kept set name = 'changed'")
    restored = CliRunner().invoke(app, ["db", "restore", str(file)])
    assert restored.exit_code == 0, restored.output
    assert ask(filled, "superuser", "select name from kept") == "朝阳社区"


# --- what it says when it cannot ---


def refusal(cluster: Cluster) -> ClusterError:
    with pytest.raises(ClusterError) as refused, cluster.running():
        pass
    assert refused.value.text("zh") != refused.value.text("en")
    return refused.value


def test_missing_programs(folder: Path, tmp_path: Path) -> None:
    error = refusal(Cluster(folder / "none", folder / "run", program_root=tmp_path))
    assert str(error).splitlines()[-1] == ADMIN_LINE
    assert "apt-get install" in ADMIN_LINE
    assert "'" not in ADMIN_LINE
    assert '"' not in ADMIN_LINE


def test_programs_without_postgis_do_not_count(tmp_path: Path) -> None:
    root = tmp_path / "lib" / "postgresql"
    for version in (15, 17, 9):
        program = root / str(version) / "bin" / "postgres"
        program.parent.mkdir(parents=True)
        program.touch()
    for version in (9, 15):
        control = tmp_path / "share" / "postgresql" / str(version) / "extension" / "postgis.control"
        control.parent.mkdir(parents=True)
        control.touch()
    assert find_programs(root=root).version == 15
    assert find_programs(9, root=root).version == 9
    with pytest.raises(ClusterError, match="postgresql-17-postgis-3"):
        find_programs(17, root=root)


def test_data_of_a_version_that_is_not_installed(folder: Path) -> None:
    cluster = Cluster(folder / "old", folder / "run")
    cluster.data.mkdir(parents=True)
    (cluster.data / "PG_VERSION").write_text("99\n")
    assert "postgresql-99-postgis-3" in str(refusal(cluster))


def test_socket_path_too_long(folder: Path) -> None:
    error = refusal(Cluster(folder / "long", folder / ("x" * 90)))
    assert error.key == "cluster-socket-long"
    assert "WANGGE_RUNTIME_DIR" in str(error)


def test_socket_path_that_clients_cannot_name(folder: Path) -> None:
    assert refusal(Cluster(folder / "comma", folder / "a,b")).key == "cluster-socket-comma"


def test_state_folder_that_is_a_file(folder: Path) -> None:
    (folder / "file").touch()
    error = refusal(Cluster(folder / "file", folder / "run"))
    assert error.key == "cluster-folder"
    assert str(folder / "file") in str(error)


def test_socket_folder_of_somebody_else(folder: Path) -> None:
    cluster = Cluster(folder / "foreign", folder / "run")
    cluster.socket_dir.mkdir(parents=True)
    cluster.socket_dir.chmod(0o777)
    assert refusal(cluster).key == "cluster-socket-foreign"
    assert processes_in(cluster.data) == []


def test_folder_above_the_socket_that_all_may_change(folder: Path) -> None:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    assert refusal(Cluster(folder / "opened", folder / "open")).key == "cluster-socket-foreign"
    (folder / "open").chmod(0o1777)  # as /tmp is
    with Cluster(folder / "opened", folder / "open").running():
        pass


def test_default_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANGGE_STATE_DIR", "WANGGE_RUNTIME_DIR", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)  # an ordinary user without a login session
    assert Settings().runtime_dir == Path("/tmp/wangge-4321")  # noqa: S108
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert Settings().runtime_dir == tmp_path / "wangge"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Settings().runtime_dir == Path("/run/wangge")
    assert Settings().state_dir == Path("/var/lib/wangge")  # the server's user may not enter /root


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_state_folder_closed_to_the_server(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    error = refusal(Cluster(folder / "closed" / "state", folder / "run"))
    assert error.key == "cluster-closed-folder"
    assert str(folder / "closed") in str(error)


def test_only_a_server_in_its_folder_counts(cluster: Cluster, folder: Path) -> None:
    server = cluster.status().pid
    assert server is not None
    assert is_server(server, cluster.data)
    assert not is_server(server, folder)
    assert not is_server(os.getpid(), Path.cwd())
    assert not is_server(server, folder / "absent")


def test_server_runs_as_an_ordinary_user(cluster: Cluster) -> None:
    owner = cluster.data.stat().st_uid
    assert owner != 0
    assert owner == ServerUser.find().uid


# --- the command line ---


def test_db_commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANGGE_STATE_DIR", str(folder / "life"))
    monkeypatch.setenv("WANGGE_RUNTIME_DIR", str(folder / "run"))
    monkeypatch.delenv("WANGGE_DATABASE_URL", raising=False)
    app = Typer()
    commands.add_to(app)

    def call(*words: str) -> int:
        return CliRunner().invoke(app, words).exit_code

    cluster = Cluster(folder / "life", folder / "run")
    with cluster.running():
        pass
    assert call("db", "status") == 1
    assert call("db", "start") == 0
    try:
        assert call("db", "status") == 0
        assert call("db", "migrate") == 0
        assert ask(cluster, "app", "select count(*) from grids") == 0
        assert call("doctor") == 0
    finally:
        assert call("db", "stop", "--force") == 0
    assert processes_in(cluster.data) == []
    monkeypatch.setenv("WANGGE_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/none")
    assert call("db", "start") == 2
    said = CliRunner().invoke(app, ["doctor"])
    assert said.exit_code == 1
    assert "secret" not in said.output


def test_a_connection_uses_the_socket_of_the_live_server(folder: Path) -> None:
    # another login session has another runtime folder
    with Cluster(folder / "life", folder / "run").running() as first:
        second = Cluster(folder / "life", folder / "elsewhere")
        with (
            second.running(),
            psycopg.connect(host=str(second.url().query["host"]), user="wangge_app", dbname="wangge"),
        ):
            assert second.status().socket == first.status().socket
