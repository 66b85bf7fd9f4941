"""Server-sent events on a real port: nothing is lost or doubled, and nobody is told what they may not see."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import NullPool, create_engine, text

from service import db
from service.access import Role
from service.events import Hub
from service.privacy.seals import Seals
from service.routes import events as room
from service.store import events as store
from service.store.events import Cursor, Place
from service.store.seals import seals_of

from .api import HIDDEN, Served, fill, serve
from .towns import CODE

pytestmark = pytest.mark.database

PATIENCE_S = 40.0


class Ear:
    """A client that listens in a thread and keeps what it is told."""

    def __init__(self, client: httpx.Client, after: str | None = None, division: str = "") -> None:
        self.told: queue.Queue[dict[str, Any]] = queue.Queue()
        self.last = ""
        self._open, self._left = threading.Event(), threading.Event()
        self._client, self._after, self._division = client, after, division
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        assert self._open.wait(PATIENCE_S)

    def _listen(self) -> None:
        headers = {} if self._after is None else {"last-event-id": self._after}
        try:
            query = {"division": self._division} if self._division else {}
            with self._client.stream(
                "GET", "/events", params=query, headers=headers, timeout=PATIENCE_S
            ) as answer:
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith("text/event-stream")
                fields: dict[str, str] = {}
                for line in answer.iter_lines():
                    if self._left.is_set():
                        return
                    name, _, value = line.partition(": ")
                    if line:
                        fields[name] = value
                        continue
                    self.last = fields.get("id", self.last)
                    if "event" in fields:
                        self.told.put({**fields, "data": json.loads(fields["data"])})
                    self._open.set()
                    fields = {}
        except (httpx.StreamError, httpx.TransportError):
            pass  # the server went, or was silent for long
        finally:
            self._open.set()

    def next(self) -> dict[str, Any]:
        return self.told.get(timeout=PATIENCE_S)

    def cases(self, wanted: set[str]) -> list[str]:
        """Ids of cases told of, in order, until all that are wanted have been."""
        found: list[str] = []
        while not wanted <= set(found):
            event = self.next()
            if event["data"]["collection"] == "cases" and "feature" in event["data"]:
                found.append(event["data"]["feature"]["properties"]["case_id"])
        return found

    def close(self) -> None:
        """Leave at the next line or heartbeat: a connection is closed by the thread that reads it."""
        self._left.set()
        self._thread.join(PATIENCE_S)
        self._client.close()


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """The town with a running server."""
    before, room.PACE = room.PACE, room.Pace(heartbeat=0.3)  # who hangs up is noticed by its silence
    with serve(module_database, fill(module_database)) as running:
        yield running
    room.PACE = before


_HELD_BACK = """
    select count(*) from events
    where xid >= cast(cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as bigint)
"""


def settle(town: Served) -> None:
    """Wait until nothing is held back of what was written before: transactions of other databases of the
    cluster hold it back, too, and who begins to listen meanwhile is told of it.
    """
    end = time.monotonic() + PATIENCE_S
    while town.rows(_HELD_BACK)[0][0] and time.monotonic() < end:
        time.sleep(0.1)


@pytest.fixture
def ear(town: Served) -> Iterator[Callable[..., Ear]]:
    """Opens ears, and closes them after the test."""
    opened: list[Ear] = []

    def listen(role: Role = Role.CENTRE, after: str | None = None, **who: Any) -> Ear:
        client = town.client(role, **who)
        if after is None:
            settle(town)
        opened.append(Ear(client, after))
        return opened[-1]

    yield listen
    for one in opened:
        one.close()


_ADD = text("""
    insert into cases (division_code, case_id, category, time, geom, place, grid_code)
    select d.code, :name || n, :category, now(), st_pointonsurface(d.geom), st_pointonsurface(d.geom), :grid
    from divisions d, generate_series(1, :count) n where d.code = :code
""")


def add(
    connection: Any,
    name: str,
    *,
    count: int = 1,
    category: str = "rubbish",
    code: str = CODE,
    grid: str | None = None,
) -> None:
    connection.execute(_ADD, {"name": name, "count": count, "category": category, "code": code, "grid": grid})


def test_what_commits_late_is_neither_lost_nor_doubled(town: Served, ear: Callable[..., Ear]) -> None:
    """The older transaction writes first and commits last."""
    listener = ear()
    with town.database.owner.connect() as slow, town.database.owner.connect() as quick, slow.begin():
        add(slow, "slow-a")
        with quick.begin():
            add(quick, "quick")
        time.sleep(1.5)  # long enough for a reader that only looks at numbers to have passed by
        # what others did before may still come, held back by a transaction elsewhere in the cluster
        assert not [one for one in list(listener.told.queue) if "quick" in str(one) or "slow" in str(one)]
        add(slow, "slow-b")
    found = listener.cases({"slow-a1", "slow-b1", "quick1"})
    assert sorted(one for one in found if "quick" in one or "slow" in one) == ["quick1", "slow-a1", "slow-b1"]


def test_no_writer_waits_for_another_to_commit(town: Served) -> None:
    """However many there are, and whatever backends they got."""
    counted = "select sum(version) from collection_versions where collection = 'cases'"
    [(before,)] = town.rows(counted)
    writers = create_engine(town.database.owner.url, poolclass=NullPool)  # a pool has fewer
    with ExitStack() as open_ones:
        for number in range(20):
            connection = open_ones.enter_context(writers.connect())
            open_ones.enter_context(connection.begin())
            connection.execute(text("set local lock_timeout = '10s'"))
            add(connection, f"writer-{number}-")
            with connection.begin_nested() as taken_back:
                add(connection, f"never-{number}-")
                taken_back.rollback()
            add(connection, f"again-{number}-")
    [(after,)] = town.rows(counted)
    assert after == before + 40
    # the next ones count where these did
    [(shards,)] = town.rows("select count(*) from collection_versions where collection = 'cases'")
    with town.database.owner.begin() as connection:
        add(connection, "later-")
    assert town.rows("select count(*), sum(version) from collection_versions where collection = 'cases'") == [
        (shards, after + 1)
    ]


def test_who_comes_again_goes_on_where_he_was(town: Served, ear: Callable[..., Ear]) -> None:
    first = ear()
    with town.database.owner.begin() as connection:
        add(connection, "one-", count=5)
    told = [first.next() for _ in range(5)]
    first.close()
    with town.database.owner.begin() as connection:
        add(connection, "two-", count=5)
    # from the middle of the first transaction
    second = ear(after=told[2]["id"])
    assert second.cases({"two-5"}) == ["one-4", "one-5", *(f"two-{n}" for n in range(1, 6))]
    again = ear(after=second.last)
    with town.database.owner.begin() as connection:
        add(connection, "three-")
    assert again.cases({"three-1"}) == ["three-1"]


def test_each_is_told_what_the_role_may_see_and_as_it_may_see_it(
    town: Served, ear: Callable[..., Ear]
) -> None:
    grids = sorted(code for (code,) in town.rows("select code from grids where valid_to is null"))
    ears = {
        "centre": ear(Role.CENTRE),
        "elsewhere": ear(Role.CENTRE, scope="3301"),
        "worker": ear(Role.GRID_WORKER, grids=frozenset(grids[:1])),
        "public": ear(Role.PUBLIC),
    }
    with town.database.owner.begin() as connection:
        add(connection, "mine", grid=grids[0], category="dispute")
        add(connection, "theirs", grid=grids[1], category="dispute")
        add(connection, "hidden", code=HIDDEN)
        add(connection, "open", grid=grids[1])
    seen = {name: [] for name in ears}  # type: dict[str, list[dict[str, Any]]]
    for name, one in ears.items():
        if name == "elsewhere":
            continue
        while not any(event["properties"]["case_id"] == "open1" for event in seen[name]):
            seen[name].append(one.next()["data"]["feature"])
    ids = {name: [event["properties"]["case_id"] for event in told] for name, told in seen.items()}
    assert ids == {
        "centre": ["mine1", "theirs1", "hidden1", "open1"],
        "worker": ["mine1", "open1"],
        "public": ["open1"],
        "elsewhere": [],
    }
    assert ears["elsewhere"].told.empty()
    assert {"grid", "building_id"} & set(seen["public"][0]["properties"]) == set()
    assert seen["worker"][0]["properties"]["grid"] == grids[0]
    assert seen["worker"][1]["properties"]["grid"] is None


def test_public_points_are_places(town: Served, ear: Callable[..., Ear]) -> None:
    listener = ear(Role.PUBLIC)
    centre = town.client(Role.CENTRE)
    [(x, y)] = town.rows(
        "select st_x(p), st_y(p) from (select st_centroid(geom) p from divisions where code = :c) d", c=CODE
    )
    body = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [x + 3e-5, y]},
        "properties": {"category": "noise", "case_id": "snapped"},
    }
    made = centre.post(
        "/collections/cases/items", json=body, headers={"content-type": "application/geo+json"}
    )
    assert made.status_code == 201, made.text
    feature = listener.next()["data"]["feature"]
    [(place,)] = town.rows("select st_asgeojson(place, 15) from cases where case_id = 'snapped'")
    assert feature["geometry"]["coordinates"] == pytest.approx(json.loads(place)["coordinates"])
    assert feature["geometry"]["coordinates"] != pytest.approx([x + 3e-5, y])


def test_changes_and_publications_are_told_and_many_cases_at_once(
    town: Served, ear: Callable[..., Ear]
) -> None:
    listener, public = ear(), ear(Role.PUBLIC)
    with town.database.owner.begin() as connection:
        add(connection, "many-", count=1001)
    assert listener.next()["event"] == "imported"
    with town.database.owner.begin() as connection:
        connection.execute(text("update cases set status = 'filed' where case_id = 'many-7'"))
        connection.execute(text("update cases set status = 'filed' where case_id = 'many-7'"))  # as it was
    event = listener.next()
    assert (event["event"], event["data"]["feature"]["properties"]["status"]) == ("changed", "filed")
    with town.database.owner.begin() as connection:
        connection.execute(
            text(
                "insert into events (division_code, kind, collection, row_id)"
                " values (:a, 'published', 'plans', 7), (:b, 'published', 'plans', 8)"
            ),
            {"a": HIDDEN, "b": CODE},
        )
    kinds = [public.next() for _ in range(3)]
    assert [one["event"] for one in kinds] == ["imported", "changed", "published"]
    assert kinds[2]["data"]["community"] == CODE  # nothing of the community that is not published


LISTENING = "from pg_stat_activity where datname = current_database() and query ilike 'listen%'"


def test_one_connection_listens_for_all(town: Served, ear: Callable[..., Ear]) -> None:
    ears = [ear(Role.PUBLIC) for _ in range(5)]
    with town.database.owner.begin() as connection:
        add(connection, "heard")
    assert [one.cases({"heard1"}) for one in ears] == [["heard1"]] * 5
    with town.database.app.connect() as connection:
        assert connection.scalar(text(f"select count(*) {LISTENING}")) == 1


def test_the_ear_hears_again_after_its_connection_was_ended(town: Served, ear: Callable[..., Ear]) -> None:
    listener = ear()
    with town.database.owner.begin() as connection:
        add(connection, "before-the-end")
    assert listener.cases({"before-the-end1"}) == ["before-the-end1"]
    with town.database.app.connect() as connection:
        ended = connection.scalars(text(f"select pg_terminate_backend(pid) {LISTENING}")).all()
    assert ended == [True]
    with town.database.owner.begin() as connection:
        add(connection, "after-the-end")
    assert listener.cases({"after-the-end1"}) == ["after-the-end1"]


def kinds(database: db.Database, position: Any, count: int) -> list[str]:
    """Kinds of the events after a position, once nothing elsewhere in the cluster holds them back."""
    for _ in range(200):
        found = [event.kind for event in store.read_events(database.app, position, 10)]
        if len(found) == count:
            break
        time.sleep(0.1)
    return found


def test_old_events_go_and_who_missed_some_is_told_so(scratch: db.Database) -> None:
    fill(scratch)
    position = store.read_position(scratch.app)
    with scratch.owner.begin() as connection:
        connection.execute(text("delete from events"))
        add(connection, "old-", count=3)
        connection.execute(text("update events set at = now() - interval '25 hours'"))
    with scratch.owner.begin() as connection:
        add(connection, "new-")
    assert kinds(scratch, position, 4) == ["created"] * 4
    now = datetime.now(UTC)
    assert not store.has_missed(scratch.app, Place(position, now))
    assert store.purge(scratch.app) == 2
    assert kinds(scratch, position, 2) == ["purged", "created"]
    left = store.read_events(scratch.app, position, 10)
    # a transaction of a day: what it told late was forgotten early, and is missed by who is up to date
    assert store.has_missed(scratch.app, Place(position, now))
    assert not store.has_missed(scratch.app, Place(left[0].cursor, now))
    assert store.has_missed(scratch.app, Place(left[0].cursor, now - timedelta(hours=23, minutes=1)))
    assert store.purge(scratch.app) == 0


def test_who_was_away_too_long_begins_anew(town: Served, ear: Callable[..., Ear]) -> None:
    seals, now = seals_of(town.database.app), datetime.now(UTC)
    position = store.read_position(town.database.app)
    long_ago = store.seal_place(seals, Place(position, now - timedelta(hours=24)))
    ahead = store.seal_place(seals, Place(Cursor(10**15, 1), now))  # of a cluster that was restored
    elsewhere = store.seal_now(Seals(b"another installation's"), position)
    for after in (long_ago, ahead, elsewhere):
        assert ear(after=after).next()["event"] == "reset"
    told = store.seal_now(seals, position)
    forged = told[:-2] + ("AA" if told[-2:] != "AA" else "BB")
    for bad in ("x", "12-1", told[:-1], forged, told[:9] + "A" * 54):
        answer = town.client().get("/events", headers={"last-event-id": bad})
        assert (answer.status_code, answer.json()["code"]) == (400, "events-place"), bad
    assert town.client().get("/events?f=json").status_code == 400


def test_a_quiet_stream_shows_life_and_ends_in_time(town: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PACE", room.Pace(heartbeat=0.2, stall=5.0, longest=1.5))
    with town.client().stream("GET", "/events", timeout=PATIENCE_S) as answer:
        lines = list(answer.iter_lines())  # until the server ends it
    assert lines.count(": ") >= 2
    assert lines[0] == "retry: 3000"


def test_only_so_many_listen_at_once(town: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.events.LISTENERS_MOST", 0)
    answer = town.client().get("/events")
    assert (answer.status_code, answer.json()["code"]) == (503, "events-full")
    assert answer.headers["retry-after"] == "30"


def test_no_client_takes_the_places_of_the_others(
    town: Served, ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub: Hub = town.app.state.events
    for name, most in (("MOST", 6), ("EACH", 2), ("PUBLIC_EACH", 3), ("PUBLIC", 3)):
        monkeypatch.setattr(f"service.events.LISTENERS_{name}", most, raising=False)
    _until(lambda: hub.listeners == 0)
    public = [ear(Role.PUBLIC) for _ in range(3)]
    answer = town.client().get("/events?lang=en")
    assert (answer.status_code, answer.json()["code"]) == (429, "events-many")
    assert answer.headers["retry-after"] == "30"
    assert "3" in answer.json()["detail"]
    monkeypatch.setattr("service.events.LISTENERS_PUBLIC_EACH", 9)  # as from further addresses
    answer = town.client().get("/events")
    assert (answer.status_code, answer.json()["code"]) == (503, "events-public")
    assert answer.headers["retry-after"] == "30"
    centre = [ear(Role.CENTRE) for _ in range(2)]
    assert town.client(Role.CENTRE).get("/events").json()["code"] == "events-many"
    ear(Role.PLANNER)
    assert town.client(Role.CONSUMER).get("/events").json()["code"] == "events-full"
    for one in (*public, *centre):
        one.close()
    _until(lambda: hub.listeners == 1)
    ear(Role.PUBLIC)  # places are given back
    ear(Role.CENTRE)


def test_a_listener_that_takes_nothing_is_dropped(town: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    from urllib.parse import urlsplit

    monkeypatch.setattr(room, "PACE", room.Pace(heartbeat=0.2, stall=0.5))
    hub: Hub = town.app.state.events
    at = urlsplit(town.address)
    with closing(socket.socket()) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((at.hostname, at.port))
        deaf.sendall(f"GET /events HTTP/1.1\r\nHost: {at.hostname}\r\n\r\n".encode())
        assert deaf.recv(64)
        _until(lambda: hub.listeners == 1)
        for round_ in range(12):
            with town.database.owner.begin() as connection:
                for part in range(9):  # a hundred of a kind are told one by one
                    add(connection, f"flood-{round_}-{part}-", count=100)
        _until(lambda: hub.listeners == 0)


def test_the_ring_is_bounded_and_the_slow_read_from_the_database(
    town: Served, ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.events.BATCH", 7)
    hub: Hub = town.app.state.events
    _until(lambda: hub.listeners == 0 and hub._thread is None)
    monkeypatch.setattr(hub, "_ring", type(hub._ring)(maxlen=10))
    monkeypatch.setattr("service.events.RING", 10)
    start = store.read_position(town.database.app)
    listener = ear()
    with town.database.owner.begin() as connection:
        add(connection, "ring-", count=60)
    wanted = [f"ring-{n}" for n in range(1, 61)]
    assert listener.cases(set(wanted)) == wanted
    assert len(hub._ring) <= 10
    late = ear(after=store.seal_now(seals_of(town.database.app), start))
    assert late.cases(set(wanted)) == wanted


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_cursors_are_ordered_by_transaction_first() -> None:
    assert sorted([Cursor(2, 1), Cursor(1, 9), Cursor(1, 2)]) == [Cursor(1, 2), Cursor(1, 9), Cursor(2, 1)]


# --- what a listener may not notice ---


def overhear(town: Served, role: Role, seconds: float, meanwhile: Callable[[], None]) -> list[str]:
    """All lines that the role is told until then, from a stream in which `meanwhile` happens."""
    lines: list[str] = []
    with town.client(role).stream("GET", "/events", timeout=PATIENCE_S) as answer:
        end = time.monotonic() + seconds
        for line in answer.iter_lines():
            lines.append(line)
            if len(lines) == 3:
                meanwhile()
            if time.monotonic() > end:
                break
    return lines


def hidden_events(town: Served) -> None:
    """Withheld cases, one of a community that is not published, many at once; changes of these, and of what
    the public does not see of cases that it sees.
    """
    with town.database.owner.begin() as connection:
        add(connection, f"unseen-{time.monotonic_ns()}-", category="dispute")
        add(connection, f"unseen-{time.monotonic_ns()}-", code=HIDDEN)
    with town.database.owner.begin() as connection:
        add(connection, f"unseen-{time.monotonic_ns()}-", category="dispute", count=1200)
    for change in (
        "update cases set status = 'filed' where category = 'dispute' and case_id like 'unseen-%'",
        "update cases set tier = 'street', due_at = now() where case_id in ('k1', 'k2')",
        "update cases set tier = 'street', due_at = now(), grid_code = null where category = 'rubbish'",
    ):
        with town.database.owner.begin() as connection:
            connection.execute(text(change))
    time.sleep(1.5)


def test_who_sees_nothing_of_what_happened_is_told_the_same_as_if_nothing_had(town: Served) -> None:
    """Same lines, but for ids; these have one length, and all differ whether or not something happened."""
    quiet = overhear(town, Role.PUBLIC, 4.0, lambda: time.sleep(2.0))
    busy = overhear(town, Role.PUBLIC, 4.0, lambda: hidden_events(town))
    centre = overhear(town, Role.CENTRE, 4.0, lambda: hidden_events(town))
    assert sum(line.startswith("event: ") for line in centre) > 4
    ids: list[str] = []
    seen = []
    for lines in (quiet, busy):
        ids += [line for line in lines if line.startswith("id: ")]
        seen.append({"id" if line.startswith("id: ") else line for line in lines})
    assert seen[0] == seen[1] == {"retry: 3000", "id", "", ": "}
    assert len(set(ids)) == len(ids) > 12
    assert {len(one) for one in ids} == {len("id: ") + 8 + 1 + 54}


def test_places_before_and_after_a_hidden_event_lead_to_the_same(
    town: Served, ear: Callable[..., Ear]
) -> None:
    """Also where the hidden ones are forgotten meanwhile: what is missed depends on the time alone."""
    seals, database = seals_of(town.database.app), town.database
    before = store.read_position(database.app)
    with database.owner.begin() as connection:
        add(connection, "unseen-between-", category="dispute", count=3)
    _until(lambda: store.read_position(database.app).xid > before.xid)
    after = store.read_position(database.app)
    with database.owner.begin() as connection:
        add(connection, "seen-after-")
    for hours, wanted in ((0, ["created"]), (22, ["created"]), (23.5, ["reset"])):
        at = datetime.now(UTC) - timedelta(hours=hours)
        for place in (before, after):
            listener = ear(Role.PUBLIC, after=store.seal_place(seals, Place(place, at)))
            assert [listener.next()["event"]] == wanted


def test_the_id_of_an_event_is_the_same_each_time(town: Served, ear: Callable[..., Ear]) -> None:
    start = store.seal_now(seals_of(town.database.app), store.read_position(town.database.app))
    live = ear(Role.PUBLIC)
    with town.database.owner.begin() as connection:
        add(connection, "named-")
    first = live.next()
    assert (
        ear(Role.CENTRE, after=start).next()["id"]
        == ear(Role.PUBLIC, after=start).next()["id"]
        == first["id"]
    )
    place = store.open_place(seals_of(town.database.app), first["id"])
    [(xid, number)] = town.rows("select xid, id from events order by id desc limit 1")
    assert place is not None
    assert place.cursor == (xid, number)


def test_changes_are_told_to_those_who_see_what_changed(town: Served, ear: Callable[..., Ear]) -> None:
    """The tier of a case is for consumers, its grid for the grid's worker, withheld cases for the centre."""
    grids = sorted(code for (code,) in town.rows("select code from grids where valid_to is null"))
    with town.database.owner.begin() as connection:
        add(connection, "seen-by-some-", grid=grids[0])
    roles = {
        "centre": ear(Role.CENTRE),
        "consumer": ear(Role.CONSUMER),
        "worker": ear(Role.GRID_WORKER, grids=frozenset(grids[:1])),
        "public": ear(Role.PUBLIC),
    }
    for column, value in (
        ("tier", "street"),
        ("grid_code", grids[1]),  # from the worker's grid to another
        ("building_id", "another"),
        ("status", "filed"),
    ):
        change = text(f"update cases set {column} = :value where case_id = 'seen-by-some-1'")  # noqa: S608
        with town.database.owner.begin() as connection:
            connection.execute(change, {"value": value})
    with town.database.owner.begin() as connection:
        add(connection, "withheld-", category="dispute", grid=grids[0], count=1001)
    with town.database.owner.begin() as connection:
        add(connection, "the-end-")
    told = {}
    for name, one in roles.items():
        told[name] = [one.next()["event"]]
        while told[name][-1] != "created":
            told[name].append(one.next()["event"])
    assert told == {
        "centre": ["changed"] * 4 + ["imported", "created"],
        "consumer": ["changed", "changed", "created"],
        "worker": ["changed", "changed", "changed", "imported", "created"],
        "public": ["changed", "created"],
    }
