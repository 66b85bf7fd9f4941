"""A request repeated after a lost answer is done once: `Idempotency-Key` for features, batches and runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service import db
from service.access import Role
from service.store.answers import Answer, find_answer, keep_answer

from .api import Served, fill, serve
from .test_jobs import until
from .towns import CODE

pytestmark = pytest.mark.database

GEOJSON = {"content-type": "application/geo+json"}
ITEMS = "/collections/cases/items"


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """The town with a running server."""
    with serve(module_database, fill(module_database)) as running:
        yield running


def case(town: Served, **properties: Any) -> dict[str, Any]:
    """A case that names no id, so that each time it is done it is another."""
    [(x, y)] = town.rows(
        "select st_x(p), st_y(p) from (select st_centroid(geom) p from divisions where code = :c) d", c=CODE
    )
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [x, y]},
        "properties": {"category": "rubbish", **properties},
    }


def post(client: httpx.Client, key: str | None, body: Any, path: str = ITEMS, **more: str) -> httpx.Response:
    headers = {**GEOJSON, **({} if key is None else {"idempotency-key": key}), **more}
    return client.post(path, json=body, headers=headers)


def count(town: Served, table: str = "cases") -> int:
    return int(town.rows(f"select count(*) from {table}")[0][0])  # noqa: S608


def test_the_same_request_is_done_once_and_answered_again(town: Served) -> None:
    client, before = town.client(Role.CENTRE), count(town)
    first, second = (post(client, "a-1", case(town)) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    for name in ("location", "etag"):
        assert first.headers[name] == second.headers[name]
    assert client.get(second.headers["location"]).status_code == 200
    quoted = post(client, '"a-1"', case(town))  # as structured fields write it
    assert quoted.headers["location"] == first.headers["location"]
    assert count(town) == before + 1
    other = post(client, "a-2", case(town))
    assert other.headers["location"] != first.headers["location"]
    for _ in range(2):
        assert post(client, None, case(town)).status_code == 201
    assert count(town) == before + 4


def test_another_request_with_the_same_key_is_refused(town: Served) -> None:
    client = town.client(Role.CENTRE)
    assert post(client, "b-1", case(town)).status_code == 201
    before = count(town)
    for answer in (
        post(client, "b-1", case(town, category="noise")),
        post(client, "b-1", case(town), **{"content-crs": "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "repeat-other")
    for key in ("", "a b", "é", "x" * 201, 'a"b'):
        answer = client.post(
            ITEMS, json=case(town), headers=[*GEOJSON.items(), ("idempotency-key", key.encode())]
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "repeat-key"), key
    assert count(town) == before
    # of somebody else, or for something else, it is another key
    assert post(town.client(Role.CENTRE, scope=CODE), "b-1", case(town, category="noise")).status_code == 201
    place = case(town) | {"properties": {"code": "b-hydrant", "kind": "hydrant"}}
    assert post(town.client(Role.PLANNER), "b-1", place, "/collections/facilities/items").status_code == 201


def test_what_was_refused_may_be_sent_again_mended(town: Served) -> None:
    client = town.client(Role.CENTRE)
    assert post(client, "c-1", case(town, status="closed")).status_code == 400
    assert post(client, "c-1", case(town)).status_code == 201


def test_batches_features_and_runs_are_repeated_too(town: Served) -> None:
    centre, planner = town.client(Role.CENTRE), town.client(Role.PLANNER)
    batch = {"type": "FeatureCollection", "features": [case(town)] * 25}
    before = count(town)
    told = [post(centre, "d-1", batch) for _ in range(3)]
    assert {one.status_code for one in told} == {201}
    assert told[0].json() == told[1].json() == told[2].json()
    assert told[2].headers["content-type"] == told[0].headers["content-type"]
    assert count(town) == before + 25
    place = case(town) | {"properties": {"code": "hydrant-1", "kind": "hydrant"}}
    made = [post(planner, "d-1", place, "/collections/facilities/items") for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]  # the second would be a conflict
    assert made[0].headers["etag"] == made[1].headers["etag"]
    runs = count(town, "runs")
    jobs = [
        planner.post(
            "/processes/partition/execution",
            json={"inputs": {"division": CODE, "seed": 7}},
            headers={"idempotency-key": "d-1"},
        )
        for _ in range(2)
    ]
    assert [job.status_code for job in jobs] == [201, 201]
    assert jobs[0].headers["location"] == jobs[1].headers["location"]
    assert jobs[1].headers["preference-applied"] == "respond-async"
    assert jobs[0].json() == jobs[1].json()
    assert count(town, "runs") == runs + 1
    other = planner.post(
        "/processes/partition/execution",
        json={"inputs": {"division": CODE, "seed": 8}},
        headers={"idempotency-key": "d-1"},
    )
    assert (other.status_code, other.json()["code"]) == (422, "repeat-other")
    assert planner.delete(jobs[0].headers["location"]).status_code == 200


def test_a_request_that_comes_again_while_it_is_under_way_waits_its_turn(town: Served) -> None:
    client, before = town.client(Role.CENTRE), count(town)
    answers: list[httpx.Response] = []
    with town.database.owner.connect() as other, other.begin() as holding:
        other.execute(text("lock table cases in share mode"))  # the write waits
        thread = threading.Thread(target=lambda: answers.append(post(client, "e-1", case(town))))
        thread.start()
        waits = text("""select count(*) from pg_locks where not granted and relation = 'cases'::regclass
            and database = (select oid from pg_database where datname = current_database())""")
        until(lambda: other.scalar(waits))
        answer = post(town.client(Role.CENTRE), "e-1", case(town))
        assert (answer.status_code, answer.json()["code"]) == (409, "repeat-underway")
        holding.rollback()
    thread.join()
    assert answers[0].status_code == 201
    assert post(client, "e-1", case(town)).headers["location"] == answers[0].headers["location"]
    assert count(town) == before + 1


def test_answers_are_kept_for_a_day_and_are_nobody_elses(scratch: db.Database) -> None:
    who, asked = b"w" * 32, b"a" * 32
    answer = Answer(201, {"location": "/x"}, "正文")

    def find(whose: bytes = who) -> Answer | None:
        with db.transaction(scratch.app, role="centre", scope=["9"]) as connection:
            return find_answer(connection, whose, "key", asked)

    with db.transaction(scratch.app, role="centre", scope=["9"]) as connection:
        assert find_answer(connection, who, "key", asked) is None
        keep_answer(connection, who, "key", asked, answer)
    assert find() == answer
    assert find(b"o" * 32) is None
    with db.transaction(scratch.app, role="admin", scope=[db.EVERYWHERE]) as connection:
        assert connection.scalar(text("select count(*) from answers")) == 0
    with (
        pytest.raises(DBAPIError, match="row-level security"),
        db.transaction(scratch.app, role="centre", scope=["9"]) as connection,
    ):
        connection.execute(
            text("insert into answers (who, key, asked, status) values ('someone', 'k', 'a', 201)")
        )
    for verb in ("update answers set status = 200", "delete from answers"):
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            db.transaction(scratch.app, role="centre", scope=["9"]) as connection,
        ):
            connection.execute(text(verb))
    with scratch.owner.begin() as connection:
        connection.execute(text("update answers set at = now() - interval '25 hours'"))
    assert find() is None
    with db.transaction(scratch.app, role="centre", scope=["9"]) as connection:
        assert find_answer(connection, who, "key", b"other") is None
        keep_answer(connection, who, "key", b"other", answer)  # in the place of the old one
    with scratch.owner.connect() as connection:
        assert connection.scalar(text("select count(*) from answers")) == 1


def test_a_key_is_good_again_after_its_day_however_many_were_forgotten(scratch: db.Database) -> None:
    who, asked, answer = b"w" * 32, b"a" * 32, Answer(201, {}, "")
    with scratch.owner.begin() as connection:
        connection.execute(
            text("""
                insert into answers (who, key, asked, status, at)
                select convert_to('somebody', 'UTF8'), n::text, convert_to('a', 'UTF8'), 201,
                    now() - interval '3 days' + n * interval '1 second' from generate_series(1, 15000) n
                union all select :who, 'mine', convert_to('a', 'UTF8'), 201, now() - interval '25 hours'
            """),
            {"who": who},
        )
    with db.transaction(scratch.app, role="centre", scope=["9"]) as connection:
        assert find_answer(connection, who, "mine", asked) is None
        keep_answer(connection, who, "mine", asked, answer)
    with scratch.owner.connect() as connection:
        left = connection.execute(text("select key::int from answers where key <> 'mine' order by 1")).all()
        assert [key for (key,) in left] == list(range(10001, 15001))  # the oldest went first
    with db.transaction(scratch.app, role="centre", scope=["9"]) as connection:
        assert find_answer(connection, who, "mine", asked) == answer
