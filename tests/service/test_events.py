"""Server-sent events on a real port: nothing is lost or doubled, and nobody is told what they may not see."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from service import db
from service.access import Role
from service.events import Hub
from service.routes import events as room
from service.store import events as store
from service.store.events import Cursor

from .api import HIDDEN, Served, fill, serve
from .towns import CODE

pytestmark = pytest.mark.database

PATIENCE_S = 40.0


class Ear:
    """A client that listens in a thread and keeps what it is told."""

    def __init__(self, client: httpx.Client, after: str | None = None) -> None:
        self.told: queue.Queue[dict[str, Any]] = queue.Queue()
        self.last = ""
        self._open = threading.Event()
        self._client, self._after = client, after
        self._answer: httpx.Response | None = None
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        assert self._open.wait(PATIENCE_S)

    def _listen(self) -> None:
        headers = {} if self._after is None else {"last-event-id": self._after}
        try:
            with self._client.stream("GET", "/events", headers=headers, timeout=PATIENCE_S) as answer:
                self._answer = answer
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith("text/event-stream")
                fields: dict[str, str] = {}
                for line in answer.iter_lines():
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
            pass  # closed by us
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
        self._client.close()
        if self._answer is not None:
            self._answer.close()
        self._thread.join(PATIENCE_S)


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """The town with a running server."""
    before, room.PACE = room.PACE, room.Pace(heartbeat=0.3)  # who hangs up is noticed by its silence
    with serve(module_database, fill(module_database)) as running:
        yield running
    room.PACE = before


@pytest.fixture
def ear(town: Served) -> Iterator[Callable[..., Ear]]:
    """Opens ears, and closes them after the test."""
    opened: list[Ear] = []

    def listen(role: Role = Role.CENTRE, after: str | None = None, **who: Any) -> Ear:
        client = town.client(role, **who)
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
    assert not store.has_missed(scratch.app, position)
    assert store.purge(scratch.app) == 2
    assert kinds(scratch, position, 2) == ["purged", "created"]
    left = store.read_events(scratch.app, position, 10)
    assert store.has_missed(scratch.app, position)
    assert not store.has_missed(scratch.app, left[0].cursor)
    assert store.purge(scratch.app) == 0


def test_who_was_away_too_long_begins_anew(town: Served, ear: Callable[..., Ear]) -> None:
    for after in ("999999999999999-1",):
        assert ear(after=after).next()["event"] == "reset"
    assert town.client().get("/events", headers={"last-event-id": "x"}).status_code == 400
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
                add(connection, f"flood-{round_}-", count=900)
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
    late = ear(after=f"{start.xid}-0")
    assert late.cases(set(wanted)) == wanted


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_cursors_are_ordered_by_transaction_first() -> None:
    assert sorted([Cursor(2, 1), Cursor(1, 9), Cursor(1, 2)]) == [Cursor(1, 2), Cursor(1, 9), Cursor(2, 1)]
