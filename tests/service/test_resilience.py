"""Real processes that are killed, stopped and cut off: what was acknowledged stays, nothing is half done, and
everything comes back by itself.

A cluster of this module's own, and `wangge serve` as a process, with its worker beside it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from partition.wishes.policy import Profile, Size
from service import db
from service.access import Principal, Role
from service.identity.accounts import make_key
from service.jobs.runner import SPACE
from service.plans.planning import plan_community
from service.postgres.cluster import Cluster
from service.postgres.cluster_files import processes_in
from service.store.accounts import add_key

from .api import fill
from .test_jobs import beside, child_of, until
from .towns import CODE

pytestmark = [pytest.mark.database, pytest.mark.long]

WANGGE = Path(sys.executable).with_name("wangge")
GEOJSON = {"content-type": "application/geo+json"}
AWAY = (httpx.TransportError, httpx.StreamError)


@dataclass
class World:
    """A cluster with a published town in it, and keys to its service."""

    folder: Path
    cluster: Cluster
    database: db.Database
    keys: dict[str, str]
    point: tuple[float, float]
    port: int
    log: Path
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    clients: list[httpx.Client] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANGGE_")}
        return kept | {
            "WANGGE_STATE_DIR": str(self.folder / "state"),
            "WANGGE_RUNTIME_DIR": str(self.folder / "run"),
            "WANGGE_LANG": "en",
            "WANGGE_RATE": "0",
        }

    def start(self) -> subprocess.Popen[bytes]:
        """A server, once it answers."""
        with self.log.open("ab") as log:
            server = subprocess.Popen(  # noqa: S603
                [WANGGE, "serve", "--port", str(self.port)],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.servers.append(server)
        until(lambda: server.poll() is not None or self.is_ready())
        assert server.poll() is None, self.log.read_text()
        return server

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200
        except AWAY:
            return False

    def client(self, who: str = "centre", seconds: float = 30) -> httpx.Client:
        bearer = {"authorization": f"Bearer {self.keys[who]}"}
        address = f"http://127.0.0.1:{self.port}"
        self.clients.append(httpx.Client(base_url=address, headers=bearer, timeout=seconds))
        return self.clients[-1]

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.database.owner.connect() as connection:
            return list(connection.execute(text(sql), values))

    def backends(self, which: str = "true") -> list[int]:
        """Processes of PostgreSQL that work for the service, the latest asked first."""
        query = f"""select pid from pg_stat_activity where usename = 'wangge_app' and {which}
                    order by query_start desc"""  # noqa: S608
        with self.cluster.administration() as connection:  # others do not see what they are at
            return [int(pid) for (pid,) in connection.execute(query.encode())]

    def postmaster(self) -> int:
        pid = self.cluster.status().pid
        assert pid is not None
        return pid


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="wangge-"))
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cluster = Cluster(folder / "state", folder / "run")
    with cluster.running():
        database = db.Database(db.open_owner(cluster.url("owner")), db.open_app(cluster.url("app")))
        db.migrate(database.owner)
        fill(database)
        keys = {
            name: _add_key(database, name, role)
            for name, role in (
                ("centre", Role.CENTRE),
                ("maker", Role.PLANNER),
                ("other", Role.PLANNER),
                ("admin", Role.ADMIN),
            )
        }
        made = World(folder, cluster, database, keys, (0, 0), port, folder / "log")
        where = "select st_centroid(geom) p from divisions where code = :c"
        [(x, y)] = made.rows(f"select st_x(p), st_y(p) from ({where}) d", c=CODE)  # noqa: S608
        made.point = (x, y)
        yield made
        database.owner.dispose()
        database.app.dispose()
    shutil.rmtree(folder)


def _add_key(database: db.Database, name: str, role: Role) -> str:
    secret, hint = make_key()
    expires = datetime.now(UTC) + timedelta(days=1)
    with database.owner.begin() as connection:
        who = Principal(role, ("",), subject=name)
        add_key(connection, secret, who, hint=hint, name=name, issued_by="test", expires_at=expires)
    return secret


@pytest.fixture
def server(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """A running server; whichever runs at the end of the test is ended."""
    yield world.start()
    for client in world.clients:
        client.close()
    world.clients.clear()
    for one in world.servers:
        if one.poll() is None:
            one.terminate()
            try:
                one.wait(60)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
    world.servers.clear()


class Writers:
    """Clients that post cases without pause, come again when cut off, and keep what they were told."""

    def __init__(self, world: World, name: str, threads: int = 4) -> None:
        self.world, self.name = world, name
        self.acknowledged: set[str] = set()
        self.sent: set[str] = set()
        self.cut = 0
        self.statuses: dict[int, int] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(one,)) for one in range(threads)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def count(self) -> int:
        return len(self.acknowledged)

    def go_on(self, more: int = 20) -> None:
        """Wait until that many more were acknowledged."""
        wanted = self.count() + more
        until(lambda: self.count() >= wanted)

    def _write(self, which: int) -> None:
        number = 0
        client = self.world.client(seconds=10)
        while not self._ending.is_set():
            number += 1
            name = f"{self.name}-{which}-{number}"
            self.sent.add(name)
            body = {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": self.world.point},
                "properties": {"category": "noise", "case_id": name},
            }
            try:
                answer = client.post("/collections/cases/items", json=body, headers=GEOJSON)
            except AWAY:
                with self._lock:
                    self.cut += 1
                client.close()
                client = self.world.client(seconds=10)
                time.sleep(0.1)
                continue
            with self._lock:
                self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
                if answer.status_code == 201:
                    self.acknowledged.add(name)
            if answer.status_code != 201:
                time.sleep(0.1)
        client.close()


def check_writes(world: World, writers: Writers) -> None:
    """Every acknowledged case is there, once, with place, first step and event; none is half there."""
    rows = world.rows(
        """select c.case_id, c.grid_code is not null and c.place is not null as located,
                  (select count(*) from case_steps s where s.case_row = c.id) as steps,
                  (select count(*) from events e where e.row_id = c.id and e.kind = 'created') as events
           from cases c where starts_with(c.case_id, :name)""",
        name=f"{writers.name}-",
    )
    found = [row.case_id for row in rows]
    assert len(found) == len(set(found))
    assert writers.acknowledged <= set(found) <= writers.sent
    assert {(row.located, row.steps, row.events) for row in rows} == {(True, 1, 1)}
    assert set(writers.statuses) <= {201, 503}, writers.statuses  # told that it was away, and nothing else


# --- the server ---


def test_a_killed_server_lost_nothing_that_it_acknowledged(
    world: World, server: subprocess.Popen[bytes]
) -> None:
    worker = until(lambda: beside(server.pid))
    with Writers(world, "server") as writers:
        for _ in range(3):
            writers.go_on()
            server.kill()
            server.wait()
            server = world.start()
        writers.go_on()
    assert writers.cut
    check_writes(world, writers)
    until(lambda: not world.backends("state like 'idle in%'"))  # none stays
    until(lambda: not Path(f"/proc/{worker}").exists())  # its worker went with it


def test_a_write_whose_answer_was_lost_is_done_once(world: World, server: subprocess.Popen[bytes]) -> None:
    """Killed between the write and its answer, and before the write: the client sends the same again."""
    x, y = world.point
    place = {"type": "Point", "coordinates": [x, y]}
    body = {"type": "Feature", "geometry": place, "properties": {"category": "lost-answer"}}
    counted = "select count(*) n from cases where category = 'lost-answer'"

    def send(key: str) -> httpx.Response:
        headers = {**GEOJSON, "idempotency-key": key}
        content = json.dumps(body).encode()
        return world.client().post("/collections/cases/items", content=content, headers=headers)

    def send_and_die(key: str, written: bool) -> None:
        """Send it, and kill the server once the case is there (or while it cannot be), unread."""
        told = json.dumps(body).encode()
        head = (
            f"POST /collections/cases/items HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: {key}\r\n"
            f"Authorization: Bearer {world.keys['centre']}\r\nContent-Type: application/geo+json\r\n"
            f"Content-Length: {len(told)}\r\n\r\n"
        )
        before = world.rows(counted)[0].n
        with (
            socket.create_connection(("127.0.0.1", world.port)) as connection,
            world.database.owner.connect() as other,
            other.begin() as holding,
        ):
            if not written:
                other.execute(text("lock table cases in share mode"))
            connection.sendall(head.encode() + told)
            if written:
                until(lambda: world.rows(counted)[0].n > before)
            else:
                until(lambda: world.rows("select 1 from pg_locks where not granted"))
            world.servers[-1].kill()
            world.servers[-1].wait()
            holding.rollback()

    send_and_die("lost-1", written=True)
    world.start()
    first = send("lost-1")
    assert first.status_code == 201
    assert world.rows(counted)[0].n == 1
    assert send("lost-1").headers["location"] == first.headers["location"]
    send_and_die("lost-2", written=False)
    world.start()
    until(lambda: not world.backends("state like 'idle in %'"))
    second = send("lost-2")
    assert second.status_code == 201
    assert world.rows(counted)[0].n == 2
    assert second.headers["location"] != first.headers["location"]
    body["properties"] = {"category": "another"}
    assert send("lost-1").status_code == 422


def test_a_server_that_is_asked_to_end_finishes_what_it_began(
    world: World, server: subprocess.Popen[bytes]
) -> None:
    client = world.client()
    answers: list[httpx.Response] = []
    streams: list[bytes] = []

    def ask() -> None:
        answers.append(client.get("/collections/facilities/items"))

    def listen() -> None:
        with world.client().stream("GET", "/events") as answer:
            listening.set()
            streams.append(answer.read())

    listening = threading.Event()
    threads = [threading.Thread(target=ask), threading.Thread(target=listen)]
    with world.database.owner.connect() as holder, holder.begin():
        holder.execute(text("lock table facilities in access exclusive mode"))
        for thread in threads:
            thread.start()
        until(lambda: world.backends("wait_event_type = 'Lock'"))
        assert listening.wait(10)
        server.terminate()
        threads[1].join(10)  # streams do not hold it up
        assert not threads[1].is_alive()
        until(lambda: not _accepts(world.port))
        assert server.poll() is None
        assert not answers
    threads[0].join()
    assert (answers[0].status_code, answers[0].json()["numberReturned"]) == (200, 2)
    assert streams[0].startswith(b"retry:")
    assert server.wait(30) == 0


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def test_clients_that_vanish_leave_nothing(world: World, server: subprocess.Popen[bytes]) -> None:
    """In mid-question, in mid-body, in mid-answer and in mid-stream."""
    key = world.keys["centre"]
    heads = [
        "GET /collections/cases/items?limit=10000 HTTP/1.1",
        "GET /collections/buildings/items?limit=10000 HTTP/1.1",
        "GET /events HTTP/1.1",
        "POST /collections/cases/items HTTP/1.1\r\nContent-Type: application/geo+json\r\nContent-Length: 99",
    ]
    for round_ in range(50):
        head = heads[round_ % len(heads)]
        with socket.create_connection(("127.0.0.1", world.port)) as one:
            one.sendall(f"{head}\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n{{".encode())
            if round_ % 2:
                one.recv(100) if "POST" not in head else time.sleep(0.01)
    client = world.client("admin")

    def quiet() -> bool:
        told = client.get("/metrics").text
        used = re.search(r'wangge_database_connections\{state="used"\} (\S+)', told)
        under = re.search(r"^wangge_requests_underway (\S+)", told, re.MULTILINE)
        assert used
        assert under
        # the asking itself is one
        return float(used[1]) == 0 and float(under[1]) == 1

    until(quiet)
    until(lambda: not world.backends("state like 'idle in%'"))  # what the server itself is at ends, too
    with Writers(world, "after") as writers:
        writers.go_on()
    check_writes(world, writers)


# --- the database ---


@pytest.mark.parametrize("victim", ["backend", "postmaster", "everything"])
def test_a_killed_database_comes_back_and_lost_nothing_that_was_acknowledged(
    world: World, server: subprocess.Popen[bytes], victim: str
) -> None:
    with Writers(world, f"database-{victim}") as writers:
        for _ in range(2):
            writers.go_on()
            before = world.postmaster()
            if victim == "backend":
                os.kill(world.backends()[0], signal.SIGKILL)
            elif victim == "postmaster":
                os.kill(before, signal.SIGKILL)
            else:
                for pid in processes_in(world.cluster.data):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            until(lambda: writers.cut or 503 in writers.statuses)
            world.database.owner.dispose()
            until(world.is_ready)
            writers.go_on()
    assert server.poll() is None  # the same process, which nobody helped
    check_writes(world, writers)


def test_a_restarted_database_is_found_again_and_no_event_is_lost(
    world: World, server: subprocess.Popen[bytes]
) -> None:
    heard: set[str] = set()
    ending = threading.Event()

    def listen() -> None:
        last = None
        while not ending.is_set():
            with suppress(*AWAY), world.client(seconds=20) as client:
                headers = {} if last is None else {"last-event-id": last}
                with client.stream("GET", "/events", headers=headers) as answer:
                    for line in answer.iter_lines():
                        name, _, value = line.partition(": ")
                        if name == "id":
                            last = value
                        assert line != "event: reset"
                        heard.update(re.findall(r'"case_id": ?"(restart-[\d-]+)"', line))
                        if ending.is_set():
                            return
            time.sleep(0.2)

    ear = threading.Thread(target=listen)
    ear.start()
    time.sleep(1)
    try:
        with Writers(world, "restart") as writers:
            writers.go_on()
            world.database.owner.dispose()
            assert world.cluster.stop(force=True)
            until(lambda: not world.is_ready())
            assert httpx.get(f"http://127.0.0.1:{world.port}/healthz").status_code == 200
            time.sleep(2)
            assert world.cluster.status().state == "stopped"  # what was stopped on purpose stays so
            world.cluster.start()
            until(world.is_ready)
            writers.go_on()
        until(lambda: heard >= writers.acknowledged)
    finally:
        ending.set()
        ear.join(30)
    assert server.poll() is None
    check_writes(world, writers)


@contextmanager
def publishing(world: World, plan: int) -> Iterator[list[int]]:
    """A plan on its way into force, in a thread; yields the statuses that its client was told."""
    told: list[int] = []

    def publish() -> None:
        with suppress(*AWAY):
            client = world.client("other", seconds=30)
            told.append(client.post(f"/plans/{plan}/status", json={"status": "published"}).status_code)

    thread = threading.Thread(target=publish)
    thread.start()
    yield told
    thread.join()


def test_a_publication_is_whole_or_not_at_all_whenever_the_database_dies(
    world: World, server: subprocess.Popen[bytes]
) -> None:
    outcomes = set()
    lower = 200
    # at moments spread over the time that a publication takes
    for delay in (0.0, 0.03, 0.06, 0.1, 0.15, 0.25):
        lower = 450 - lower  # another plan each time
        profile = Profile("turn", Size("households", lower, lower + 100, lower + 200))
        plan = plan_community(world.database.owner, CODE, profile, author="maker").plan
        maker, other = world.client("maker"), world.client("other")
        assert maker.post(f"/plans/{plan}/status", json={"status": "submitted"}).status_code == 200
        assert other.post(f"/plans/{plan}/status", json={"status": "approved"}).status_code == 200
        with publishing(world, plan) as told:
            time.sleep(delay)
            os.kill(world.postmaster(), signal.SIGKILL)
        world.database.owner.dispose()
        until(world.is_ready)
        outcomes.add(check_publication(world, plan, told))
    assert server.poll() is None
    assert False in outcomes  # some were interrupted


def check_publication(world: World, plan: int, told: list[int]) -> bool:
    """Whether the plan is in force; it is wholly, or not at all."""
    [(status,)] = world.rows("select status from plans where id = :p", p=plan)
    published = world.rows("select id from plans where division_code = :c and status = 'published'", c=CODE)
    assert len(published) == 1
    [(number, share, plans)] = world.rows(
        """select count(*), st_area(st_symdifference(st_union(g.geom), min(d.geom))) / st_area(min(d.geom)),
                  array_agg(distinct g.plan_id)
           from grids g join divisions d on d.code = g.division_code
           where g.division_code = :c and g.valid_to is null""",
        c=CODE,
    )
    assert number
    assert share < 1e-4  # degrees are no metres; a grid that lacks is a thousand times that
    homeless = """select count(*) from buildings b where division_code = :c and not exists (
        select from grids g where g.valid_to is null and g.code = b.grid_code and g.division_code = :c)"""
    assert world.rows(homeless, c=CODE)[0][0] == 0
    assert (status == "published") == (published[0].id == plan)
    if status == "published":
        assert plan in plans
    else:
        assert status == "approved"
        assert plan not in plans
        assert 200 not in told
    return bool(status == "published")


def test_a_run_ends_well_though_the_database_dies_under_it(
    world: World, server: subprocess.Popen[bytes]
) -> None:
    client = world.client("maker")
    [(before,)] = world.rows("select count(*) from plans")
    inputs = {"division": CODE, "profile": "yichang", "effort": 20_000}
    answer = client.post("/processes/partition/execution", json={"inputs": inputs})
    assert answer.status_code == 201, answer.text
    job = answer.headers["location"]
    [(run,)] = world.rows("select id from runs where key = :k", k=job.rpartition("/")[2])
    until(lambda: child_of(run, str(world.folder)))
    until(lambda: world.rows("select 1 from pg_locks where locktype = 'advisory' and classid = :s", s=SPACE))
    world.database.owner.dispose()
    os.kill(world.postmaster(), signal.SIGKILL)
    until(world.is_ready)
    until(lambda: client.get(job).json().get("status") == "successful", 120)
    assert world.rows("select count(*) from plans")[0][0] == before + 1
    until(lambda: not world.rows("select 1 from procrastinate_jobs where status in ('todo', 'doing')"))
    assert server.poll() is None


# --- backup ---


# 2200 is the schema public in every database of PostgreSQL
PARTS = {
    "sequences": "select schemaname || sequencename || coalesce(last_value, 0) m from pg_sequences",
    "policies": "select p::text m from pg_policies p",
    "triggers": "select tgenabled::text || pg_get_triggerdef(oid) m from pg_trigger where not tgisinternal",
    "rights": "select relname || coalesce(relacl::text, '') m from pg_class where relnamespace = 2200",
    "functions": "select oid::regprocedure || prosrc m from pg_proc where pronamespace = 2200",
    "indexes": "select indexdef m from pg_indexes where schemaname = 'public'",
    "constraints": "select pg_get_constraintdef(oid) m from pg_constraint where connamespace = 2200",
}


def checksums(world: World) -> dict[str, tuple[int, str]]:
    """Number of rows and a checksum of every table, and of what else a database is made of.

    Without the row of the time line, which is another one after a restore.
    """
    tables = world.rows(
        """select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables
           where schemaname not in ('pg_catalog', 'information_schema') order by 1"""
    )
    told = {}
    for (name,) in tables:
        [(count, digest)] = world.rows(
            f"select count(*), md5(coalesce(string_agg(m, '' order by m), ''))"  # noqa: S608
            f" from (select md5(t::text) m from {name} t where t::text not like '(\"(timeline)\",%') x"
        )
        told[name] = (count, digest)
    for what, query in PARTS.items():
        [(count, digest)] = world.rows(
            f"select count(*), md5(string_agg(m, '' order by m)) from ({query}) x"  # noqa: S608
        )
        told[what] = (count, digest)
    return told


def test_what_is_restored_is_what_was_backed_up(world: World, tmp_path: Path) -> None:
    """Every table by count and checksum, and rights, policies, triggers, sequences and indexes."""
    file = tmp_path / "whole.dump"
    before = checksums(world)
    assert before["public.cases"][0] > 100
    assert before["public.audit"][0] > 0
    call(world, "db", "backup", str(file))
    with world.database.owner.begin() as connection:
        connection.execute(text("delete from cases"))
        connection.execute(text("update buildings set floors = 99"))
        connection.execute(text("drop policy if exists seeing on cases"))
    changed = checksums(world)
    assert changed["public.cases"] != before["public.cases"]
    world.database.owner.dispose()
    call(world, "db", "restore", str(file))
    assert checksums(world) == before
    [(begun,)] = world.rows("select version from collection_versions where collection = '(timeline)'")
    assert begun > 10**15  # microseconds


def test_a_backup_made_under_writes_is_of_one_moment_and_the_server_goes_on_after_a_restore(
    world: World, server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "busy.dump"
    client = world.client()
    (told,) = first_lines(client, 1, "id: ")
    more = client.get("/collections/cases/items?limit=3").json()["links"]
    following = next(link["href"] for link in more if link["rel"] == "next")
    with Writers(world, "backup") as writers:
        writers.go_on()
        known = set(writers.acknowledged)
        call(world, "db", "backup", str(file))
        writers.go_on()
        world.database.owner.dispose()
        call(world, "db", "restore", str(file))
        until(world.is_ready)
        writers.go_on()
    rows = world.rows(
        """select c.case_id, (select count(*) from case_steps s where s.case_row = c.id) as steps
           from cases c where starts_with(c.case_id, 'backup-')"""
    )
    assert known <= {row.case_id for row in rows}
    assert {row.steps for row in rows} == {1}
    assert server.poll() is None
    # events since the backup are lost, so who listened reads anew; keys of rows are what they were
    assert first_lines(client, 1, "event: ", told.removeprefix("id: ")) == ["event: reset"]
    assert client.get(following).status_code == 200


def first_lines(client: httpx.Client, count: int, begin: str, after: str | None = None) -> list[str]:
    """The first lines of a stream of events that begin so."""
    found: list[str] = []
    headers = {} if after is None else {"last-event-id": after}
    with client.stream("GET", "/events", headers=headers) as answer:
        for line in answer.iter_lines():
            found += [line] if line.startswith(begin) else []
            if len(found) == count:
                break
    return found


def call(world: World, *words: str) -> None:
    done = subprocess.run(  # noqa: S603
        [WANGGE, *words], env=world.environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


# --- a restore under a running server ---


def facility(world: World, client: httpx.Client, number: str) -> str:
    """A facility in the middle of the town; its path."""
    made = client.post(
        "/collections/facilities/items",
        headers=GEOJSON,
        json={
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": list(world.point)},
            "properties": {"code": number, "kind": "垃圾点", "name": number},
        },
    )
    assert made.status_code == 201, made.text
    return httpx.URL(made.headers["location"]).path


def test_after_a_restore_nothing_of_the_lost_time_line_is_shown_as_if_it_were(
    world: World, server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Tiles, pages and 304s: the counts of changes are the same again, and mean something else."""
    import mapbox_vector_tile
    from morecantile import tms

    file = tmp_path / "before.dump"
    client = world.client("admin")
    tile = tms.get("WebMercatorQuad").tile(*world.point, 14)
    drawn = f"/collections/facilities/tiles/WebMercatorQuad/14/{tile.y}/{tile.x}"
    listed = "/collections/facilities/items?limit=1000"

    def names(path: str) -> set[str]:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        if path == listed:
            return {one["properties"]["name"] for one in answer.json()["features"]}
        layer = mapbox_vector_tile.decode(answer.content)["facilities"]
        return {one["properties"]["name"] for one in layer["features"]}

    call(world, "db", "backup", str(file))
    facility(world, client, "LOST")
    tags = {path: client.get(path).headers["etag"] for path in (drawn, listed)}
    for path in tags:
        assert "LOST" in names(path)
        assert client.get(path, headers={"if-none-match": tags[path]}).status_code == 304
    world.database.owner.dispose()
    call(world, "db", "restore", str(file))
    until(world.is_ready)
    facility(world, client, "FOUND")
    for path in tags:
        assert client.get(path, headers={"if-none-match": tags[path]}).status_code == 200
        assert "LOST" not in names(path)
        assert "FOUND" in names(path)
        tag = client.get(path).headers["etag"]
        assert client.get(path, headers={"if-none-match": tag}).status_code == 304


def test_after_a_restore_nobody_writes_over_a_change_that_they_did_not_see(
    world: World, server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "before.dump"
    one, other = world.client("admin"), world.client("admin")
    path = facility(world, one, "SHARED")
    change = {**GEOJSON, "content-type": "application/merge-patch+json"}

    def patch(client: httpx.Client, name: str, tag: str) -> httpx.Response:
        body = {"properties": {"name": name}}
        return client.patch(path, headers={**change, "if-match": tag}, json=body)

    call(world, "db", "backup", str(file))
    assert patch(one, "lost", one.get(path).headers["etag"]).status_code == 204
    lost = one.get(path).headers["etag"]
    world.database.owner.dispose()
    call(world, "db", "restore", str(file))
    until(world.is_ready)
    assert patch(other, "theirs", other.get(path).headers["etag"]).status_code == 204
    assert patch(one, "blind", lost).status_code == 412
    assert one.get(path).json()["properties"]["name"] == "theirs"
    assert patch(one, "seen", one.get(path).headers["etag"]).status_code == 204


def test_the_log_is_json_lines_without_keys(world: World, server: subprocess.Popen[bytes]) -> None:
    """Of all that this module did, crashes included."""
    import json

    with world.client() as client:
        client.get("/session", headers={"x-request-id": "the-last-request"})
    until(lambda: "the-last-request" in world.log.read_text())  # it is told after the answer
    told = [json.loads(line) for line in world.log.read_text().splitlines() if line.startswith("{")]
    assert any(one.get("request") == "the-last-request" for one in told)
    for key in world.keys.values():
        assert key not in world.log.read_text()
    assert not [line for line in world.log.read_text().splitlines() if line and not line.startswith("{")]
