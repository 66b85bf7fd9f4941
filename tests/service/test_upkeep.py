"""Logs, measures, readiness and limits of a running service."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service import db
from service.access import Principal, Role
from service.identity.accounts import make_key
from service.query.literals import VERTICES_MOST
from service.store.accounts import add_key, digest
from service.upkeep.limits import BURST_S, WRONG_AT_ONCE, Buckets, Limits, Recent, address_of, holder_of
from service.upkeep.logs import REQUEST_ID, JsonLines, TextLines, clean, clean_path

from .api import Served, serve
from .test_jobs import until
from .towns import CODE

pytestmark = pytest.mark.database

GEOJSON = {"content-type": "application/geo+json"}
TOKEN = "a-token-for-measures"  # noqa: S105 - of this test


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def limited(app: Any, limits: Limits) -> Iterator[None]:
    """The running service with limits of its own."""
    before, app.state.limits = app.state.limits, limits
    yield
    app.state.limits = before


def said(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem, which must say what to do in both languages and nothing of the inside."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = answer.json()
    assert told["status"] == answer.status_code
    assert not re.search(r"select |psycopg|Traceback|\.py\b|/work|/usr", answer.text)
    return answer.status_code, told["code"]


# --- logs ---


def line(form: logging.Formatter, message: str, *arguments: object, **facts: object) -> str:
    record = logging.LogRecord("service.x", logging.INFO, "", 0, message, arguments, None)
    record.facts = facts
    return form.format(record)


def test_a_line_is_one_object_with_its_request_and_facts() -> None:
    token = REQUEST_ID.set("abcdef0123456789")
    try:
        told = json.loads(line(JsonLines(), "GET %s", "/a\nb", status=200, ms=1.5))
        assert "\n" not in line(JsonLines(), "GET %s", "/a\nb")
        assert line(TextLines(), "hello").endswith("INFO hello [abcdef0123456789]")
    finally:
        REQUEST_ID.reset(token)
    assert told | {"at": ""} == {
        "at": "",
        "level": "info",
        "logger": "service.x",
        "message": "GET /a\nb",
        "request": "abcdef0123456789",
        "status": 200,
        "ms": 1.5,
    }


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key wg_AbCdEf0123456789-_x was", "AbCdEf0123456789"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("jwt eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIiOiIxIn0"),
        ("GET /login?token=very-secret&x=1", "very-secret"),
        ("cookie: wangge_session=very-secret; a=b", "very-secret"),
        ("postgresql://someone:very-secret@db/wangge", "very-secret"),
        ("host=db password=very-secret", "very-secret"),
        ("host=db pa\u017f\u017fword=very-secret", "very-secret"),
        ("error\nDETAIL:  Failing row contains (1, very-secret).\nrest", "very-secret"),
        ("resident 110105194912310028 moved", "19491231"),
    ],
)
def test_no_line_holds_a_secret(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in clean(text)
    for form in (JsonLines(), TextLines()):
        assert secret not in line(form, "%s", text, fact=text)


def test_no_path_holds_a_secret_under_its_escapes() -> None:
    """As a mail program may send a login link."""
    for path in ("/login%3Ftoken%3Dvery-secret", "/x/%77g_very-secret", "/login?token=very-secret"):
        assert "very-secret" not in unquote(clean_path(path))
    for path in ("/", "/collections/grids/items", "/maps/%E7%A4%BE%E5%8C%BA", "/a%2Fb"):
        assert clean_path(path) == path


def test_exceptions_are_logged_without_values_of_rows(served: Served) -> None:
    secret = "very-secret"  # noqa: S105 - of this test
    with served.database.owner.connect() as connection, connection.begin():
        connection.execute(text("create temp table one (name text unique)"))
        insert = text("insert into one values (:a), (:a)")
        with pytest.raises(IntegrityError) as failed:
            connection.execute(insert, {"a": secret})
    record = logging.LogRecord("x", logging.ERROR, "", 0, "m", (), failed._excinfo)
    assert secret in logging.Formatter().format(record)
    told = json.loads(JsonLines().format(record))
    assert "UniqueViolation" in told["exception"]
    assert secret not in told["exception"]


def told_of(caplog: pytest.LogCaptureFixture, path: str) -> list[dict[str, Any]]:
    """Facts of the requests logged so far, once that of `path` is: an answer may come before its line."""
    records = [record for record in caplog.records if record.name == "service.access_log"]
    facts: list[dict[str, Any]] = [vars(record)["facts"] for record in records]
    return facts if any(one["path"] == path for one in facts) else []


def test_a_request_is_known_by_its_id(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    client = served.client()
    with caplog.at_level(logging.INFO, "service.access_log"):
        own = client.get("/healthz", headers={"x-request-id": "from-the-proxy-1"})
        for unfit in ("short", "wg_AbCdEf0123456789-x", "x" * 65, "with space in it", 'quote"quote"quote'):
            assert client.get("/healthz", headers={"x-request-id": unfit}).headers["x-request-id"] != unfit
        other = client.get("/no/such/page")
        facts = until(lambda: told_of(caplog, "/no/such/page"))
    assert own.headers["x-request-id"] == "from-the-proxy-1"
    assert re.fullmatch("[0-9a-f]{16}", other.headers["x-request-id"])
    assert facts[0] | {"ms": 0} == {
        "method": "GET", "path": "/healthz", "route": "/healthz", "status": 200, "ms": 0, "bytes": 15,
    }  # fmt: skip
    assert facts[-1]["route"] == "none"
    assert facts[-1]["status"] == 404


# --- measures, health ---


Measures = dict[str, list[tuple[dict[str, str], float]]]


def measures(client: httpx.Client) -> Measures:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: Measures = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def count(found: Measures, name: str, **labels: str) -> float:
    return sum(value for given, value in found.get(name, ()) if labels.items() <= given.items())


def test_measures_are_for_administrators_and_name_routes_only(served: Served) -> None:
    for role in Role:
        answer = served.client(role).get("/metrics")
        if role is not Role.ADMIN:
            assert said(answer) == (403, "forbidden")
    admin, public = served.client(Role.ADMIN), served.client()
    before = measures(admin)
    assert public.get("/locate?lon=111.2345&lat=30.6789").status_code == 404
    assert public.head("/collections/grids/items").status_code == 200
    assert public.get("/very/private/path").status_code == 404
    assert public.request("PROPFIND", "/").status_code == 405
    last = {"name": "wangge_requests_total", "method": "other"}

    def settled() -> Measures | None:  # an answer may come before it is counted
        found = measures(admin)
        return found if count(found, **last) > count(before, **last) else None

    after = until(settled)

    def more(name: str, **labels: str) -> float:
        return count(after, name, **labels) - count(before, name, **labels)

    assert more("wangge_requests_total", route="/locate", method="GET", status="404") == 1
    assert more("wangge_requests_total", route="/collections/{name}/items", method="HEAD") == 1
    assert more("wangge_request_seconds_count", route="/locate") == 1
    assert more("wangge_requests_total", method="other") == 1
    assert more("wangge_requests_total", route="none") >= 1
    assert count(after, "wangge_database_connections") >= 1
    assert {labels["what"] for labels, _ in after["wangge_queue"]} == {
        "waiting", "doing", "oldest_s", "workers",
    }  # fmt: skip
    assert count(after, "process_resident_memory_bytes") > 1e7
    labels = {value for name in after for given, _ in after[name] for value in given.values()}
    personal = ("private", "111.2345", CODE, "test ")
    assert not {one for one in labels if any(word in one for word in personal)}


def test_a_token_opens_the_measures_and_nothing_else(served: Served) -> None:
    served.app.state.metrics_token = TOKEN
    try:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert served.client().get("/metrics", headers=bearer).status_code == 200
        assert said(served.client().get("/audit", headers=bearer)) == (401, "token-invalid")
        wrong = {"authorization": f"Bearer {TOKEN}x"}
        assert said(served.client().get("/metrics", headers=wrong)) == (401, "token-invalid")
    finally:
        served.app.state.metrics_token = ""
    empty = served.client().get("/metrics", headers={"authorization": "Bearer none"})
    assert said(empty) == (401, "token-invalid")


def test_ready_is_only_who_has_the_tables(served: Served, scratch: db.Database) -> None:
    assert served.client().get("/readyz").json() == {"status": "ready"}
    with serve(scratch, served.area) as other:
        assert other.client().get("/readyz").status_code == 200
        with scratch.owner.begin() as connection:
            connection.execute(text("update alembic_version set version_num = 'older'"))
        for lang, word in (("zh", "wangge db migrate"), ("en", "Not ready")):
            answer = other.client().get("/readyz", params={"lang": lang})
            assert said(answer) == (503, "not-ready")
            assert word in answer.json()["detail"]
        assert other.client().get("/healthz").status_code == 200


# --- limits ---


def test_buckets_fill_again_and_those_long_unused_make_room() -> None:
    clock = Clock()
    buckets = Buckets(2.0, 4.0, clock=clock, kept=2)
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    clock.now += 0.5
    assert buckets.take("a") == 0
    assert buckets.wait("a") == 0.5
    clock.now += 100
    assert [buckets.take("a") for _ in range(5)].count(0) == 4  # never fuller than full
    buckets.take("c")
    assert len(buckets) == 2
    assert buckets.wait("b") == 0  # it made room: full again
    recent = Recent(kept=2)
    for one in ("a", "b", "a", "c"):
        recent.note(one)
    assert ["a" in recent, "b" in recent, "c" in recent] == [True, False, True]
    recent.forget("a")
    assert "a" not in recent


def test_an_ipv6_network_is_one_client() -> None:
    assert address_of("2001:db8:1:2::1") == address_of("2001:db8:1:2:ffff::9")
    assert address_of("2001:db8:1:2::1") != address_of("2001:db8:1:3::1")
    assert address_of("::ffff:192.0.2.1") == address_of("192.0.2.1") != address_of("192.0.2.2")


def test_each_key_and_session_has_its_share_and_the_public_one_by_address(served: Served) -> None:
    clock = Clock()
    most = int(2 * BURST_S)
    with limited(served.app, Limits(2.0, clock=clock)):
        public, planner = (
            served.client(),
            served.client(Role.PLANNER),
        )  # logging in is a request of the public
        answers = [public.get("/session") for _ in range(most)]
        assert [one.status_code for one in answers] == [200] * (most - 1) + [429]
        refused = answers[-1]
        assert said(refused) == (429, "rate")
        assert refused.headers["retry-after"] == "1"
        both = {lang: public.get("/session", params={"lang": lang}).json() for lang in ("zh", "en")}
        assert (both["zh"]["title"], both["en"]["title"]) == ("请求过于频繁", "Too many requests")
        # another cookie makes nobody another
        assert public.get("/session", headers={"cookie": "wangge_session=invented"}).status_code == 429
        assert public.get("/healthz").status_code == 200
        assert planner.get("/session").status_code == 200
        for _ in range(most - 1):
            planner.get("/session")
        assert said(planner.get("/session")) == (429, "rate")
        clock.now += 0.5
        assert planner.get("/session").status_code == 200
        assert public.get("/session").status_code == 200


def test_guessing_keys_is_slow_and_known_keys_are_not_held_up(served: Served) -> None:
    clock = Clock()
    with limited(served.app, Limits(1000.0, clock=clock)):
        known = served.client()
        known.headers["authorization"] = f"Bearer {_key(served)}"
        assert known.get("/session").json()["role"] == "consumer"
        guesses = [
            served.client().get("/session", headers={"authorization": f"Bearer wg_{number}"}).status_code
            for number in range(int(WRONG_AT_ONCE) + 2)
        ]
        assert guesses == [401] * int(WRONG_AT_ONCE) + [429] * 2
        answer = served.client().get("/session", headers={"authorization": "Bearer wg_x"})
        assert said(answer) == (429, "rate-keys")
        assert int(answer.headers["retry-after"]) == 2
        assert known.get("/session").status_code == 200
        clock.now += 2
        assert served.client().get("/session", headers={"authorization": "Bearer wg_y"}).status_code == 401


def test_a_key_that_was_revoked_is_no_better_than_a_guess(served: Served) -> None:
    with limited(served.app, Limits(1000.0, clock=Clock())):
        secret = _key(served)
        known = served.client()
        known.headers["authorization"] = f"Bearer {secret}"
        assert known.get("/session").status_code == 200
        with served.database.owner.begin() as connection:
            connection.execute(
                text("update api_keys set revoked_at = now() where digest = :digest"),
                {"digest": digest(secret)},
            )
        told = [known.get("/session").status_code for _ in range(int(WRONG_AT_ONCE) + 1)]
        assert told == [401] * int(WRONG_AT_ONCE) + [429]


def test_many_keys_of_one_holder_share_one_bucket(served: Served) -> None:
    most = int(2 * BURST_S)
    with limited(served.app, Limits(2.0, clock=Clock())):
        clients = [served.client() for _ in range(4)]
        for client in clients:
            client.headers["authorization"] = f"Bearer {_key(served)}"
        told = [clients[turn % 4].get("/session").status_code for turn in range(most + 4)]
        assert told == [200] * most + [429] * 4
        other = served.client()
        other.headers["authorization"] = f"Bearer {_key(served, subject='another')}"
        assert other.get("/session").status_code == 200
        # of a key that names nobody, the key itself
        nameless = [served.client() for _ in range(2)]
        for client in nameless:
            client.headers["authorization"] = f"Bearer {_key(served, subject='')}"
        assert [nameless[0].get("/session").status_code for _ in range(most + 1)][-1] == 429
        assert nameless[1].get("/session").status_code == 200


def test_a_key_a_jwt_and_an_invitation_of_one_name_are_three_holders(served: Served) -> None:
    invited = served.accounts.redeem(served.accounts.invite(Principal(Role.CONSUMER, subject="li")))
    key = served.accounts.trade(_key(served, subject="li"))
    told = {}
    for name, cookie in (("invited", invited), ("key", key)):
        one = served.accounts.session(cookie)
        told[name] = holder_of(one.holder, one.role, one.subject, "")
    told["jwt"] = holder_of("jwt https://sso.example.cn li", "consumer", "li", "")
    assert len(set(told.values())) == 3
    bearer = served.accounts.bearer(_key(served, subject="li"))
    assert holder_of(bearer.holder, bearer.role, bearer.subject, "") == told["key"]
    # of a key that names nobody: all of its sessions, and no other's
    secret = _key(served, subject="")
    first, second = (served.accounts.session(served.accounts.trade(secret)) for _ in range(2))
    assert first.holder == second.holder == served.accounts.bearer(secret).holder != ""
    assert served.accounts.bearer(_key(served, subject="")).holder != first.holder


def test_made_up_cookies_are_guesses_and_a_stale_one_counts_once(served: Served) -> None:
    with limited(served.app, Limits(1000.0, clock=Clock())):
        stale = {"cookie": "wangge_session=of-yesterday"}
        for _ in range(int(WRONG_AT_ONCE) + 5):
            assert served.client().get("/session", headers=stale).json()["role"] == "public"
        known = served.client(Role.PLANNER)
        assert known.get("/session").json()["role"] == "planner"
        told = [
            served.client().get("/session", headers={"cookie": f"wangge_session=made-up-{n}"}).status_code
            for n in range(int(WRONG_AT_ONCE) + 1)
        ]
        assert told == [200] * (int(WRONG_AT_ONCE) - 1) + [429] * 2
        assert served.client().get("/session", headers=stale).status_code == 200
        assert served.client().get("/session").status_code == 200
        assert known.get("/session").status_code == 200


def test_wrong_links_are_guesses_too(served: Served) -> None:
    with limited(served.app, Limits(1000.0, clock=Clock())):
        told = [
            served.client().get("/login", params={"token": f"made-up-{n}"}).status_code
            for n in range(int(WRONG_AT_ONCE) + 1)
        ]
        assert told == [403] * int(WRONG_AT_ONCE) + [429]


def test_wrong_tokens_for_the_measures_are_guesses_too(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.app.state, "metrics_token", "the-right-one", raising=False)

    def ask(token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return served.client().get("/metrics", headers=headers).status_code

    for seen in (True, False):
        with limited(served.app, Limits(1000.0, clock=Clock())):
            if seen:
                assert ask("the-right-one") == 200
            told = [ask(f"wrong-{n}") for n in range(int(WRONG_AT_ONCE) + 1)]
            assert told == [401] * int(WRONG_AT_ONCE) + [429]
            # guessed right after too many guesses, it opens nothing; whoever knew it before goes on
            assert ask("the-right-one") == (200 if seen else 429)


def test_asking_whether_the_server_is_ready_has_a_bucket_of_its_own(served: Served) -> None:
    most = int(2 * BURST_S)
    with limited(served.app, Limits(2.0, clock=Clock())):
        client = served.client()
        told = [client.get("/readyz") for _ in range(most + 1)]
        assert [one.status_code for one in told] == [200] * most + [429]
        assert told[-1].headers["retry-after"] == "1"
        told = [client.get("/session") for _ in range(most + 1)]
        assert [one.status_code for one in told] == [200] * most + [429]


def test_guessing_keys_in_the_form_is_as_slow(served: Served) -> None:
    with limited(served.app, Limits(1000.0, clock=Clock())):
        client = served.client()
        guesses = [
            client.post("/login", data={"key": f"wg_{number}"}).status_code
            for number in range(int(WRONG_AT_ONCE) + 1)
        ]
        assert guesses == [401] * int(WRONG_AT_ONCE) + [429]
        answer = client.get("/session", headers={"authorization": "Bearer wg_x"})
        assert said(answer) == (429, "rate-keys")


def _key(served: Served, subject: str = "test key") -> str:
    """A consumer's key."""
    secret, hint = make_key()
    who = Principal(Role.CONSUMER, ("",), subject=subject)
    until = datetime.now(UTC) + timedelta(days=1)
    with served.database.owner.begin() as connection:
        add_key(connection, secret, who, hint=hint, name="test", issued_by="test", expires_at=until)
    return secret


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/processes/partition/execution", 2_000_000),  # read by the framework
        ("/collections/facilities/items", 2_000_000),
        ("/collections/cases/items", 16_000_000),
        ("/locate", 32_000_000),
        ("/figures/area", 1_000_000),
    ],
)
def test_a_body_is_bounded_whether_it_tells_its_size_or_not(served: Served, path: str, most: int) -> None:
    client = served.client(Role.CENTRE if "cases" in path else Role.ADMIN)
    media = "application/geo+json" if "/items" in path else "application/json"
    for lang in ("zh", "en"):
        told = client.post(
            path, params={"lang": lang}, content=b" " * (most + 1), headers={"content-type": media}
        )
        assert said(told) == (413, "write-large")
        assert f"{most // 1000} KB" in told.json()["detail"]

    def pieces() -> Iterator[bytes]:
        for _ in range(most // 500_000 + 2):
            yield b" " * 500_000

    untold = client.post(path, content=pieces(), headers={"content-type": media})
    assert said(untold) == (413, "write-large")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_pages_filters_and_vertices_are_bounded(served: Served, lang: str) -> None:
    client = served.client(Role.PLANNER)
    for path, code in (
        ("/jobs?limit=501", "number-range"),
        ("/collections/grids/items?limit=0", "whole-number"),
        ("/collections/grids/items?offset=10000000000", "whole-number"),
        (f"/collections/grids/items?filter={'a' * 8001}", "filter-long"),
    ):
        assert said(client.get(f"{path}&lang={lang}")) == (400, code)
    ring = [[117 + place * 1e-7, 30.7] for place in range(VERTICES_MOST)] + [[117, 30.8], [117, 30.7]]
    body = {"geometry": {"type": "Polygon", "coordinates": [ring]}}
    answer = client.post("/figures/area", json=body, params={"lang": lang})
    assert said(answer) == (413, "write-vertices")
    assert str(VERTICES_MOST) in answer.json()["detail"]
    # a page asked for too large is as large as it may be
    assert client.get("/collections/grids/items?limit=100000").status_code == 200


def test_a_query_that_takes_too_long_is_stopped(served: Served) -> None:
    slow = db.open_app(served.database.app.url, statement_ms=300)
    [(x, y)] = served.rows(
        "select st_x(p), st_y(p) from (select st_centroid(st_collect(geom)) p from grids) g"
    )
    body = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [x, y]},
        "properties": {"kind": "clinic"},
    }
    with (
        serve(db.Database(served.database.owner, slow), served.area) as other,
        served.database.owner.connect() as holder,
        holder.begin(),
    ):
        planner = other.client(Role.PLANNER)
        holder.execute(text("lock table facilities in access exclusive mode"))
        for lang, word in (("zh", "查询耗时过长"), ("en", "takes too long")):
            answer = planner.get("/collections/facilities/items", params={"lang": lang})
            assert said(answer) == (422, "question-slow")
            assert word in answer.json()["detail"]
        # by way of SQLAlchemy too, whose errors are its own
        answer = planner.post("/collections/facilities/items", json=body, headers=GEOJSON)
        assert said(answer) == (422, "question-slow")
    slow.dispose()


def test_what_somebody_else_holds_for_long_is_told_apart_from_a_lost_database(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "LOCK_MS", 200)
    impatient = db.open_app(served.database.app.url)
    with (
        serve(db.Database(served.database.owner, impatient), served.area) as other,
        served.database.owner.connect() as holder,
        holder.begin(),
    ):
        holder.execute(text("lock table facilities in access exclusive mode"))
        answer = other.client().get("/collections/facilities/items")
        assert said(answer) == (503, "busy")
        assert answer.headers["retry-after"] == "2"
    impatient.dispose()


def test_a_client_that_stops_in_mid_body_leaves_nothing(served: Served) -> None:
    """Neither a thread that waits for it nor a transaction."""
    client = served.client(Role.PLANNER)
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    at = urlsplit(served.address)
    before = threading.active_count()
    for _ in range(60):  # more than there are threads
        with socket.create_connection((at.hostname or "", at.port or 0)) as cut:
            cut.sendall(
                f"POST /collections/facilities/items HTTP/1.1\r\nHost: {at.hostname}\r\nCookie: {cookie}\r\n"
                f"X-CSRF-Token: {client.headers['x-csrf-token']}\r\nContent-Type: application/geo+json\r\n"
                "Content-Length: 1000\r\n\r\n{".encode()
            )
    assert client.get("/session").status_code == 200
    idle = """select pid from pg_stat_activity where datname = current_database() and usename = current_user
              and state like 'idle in%'"""

    def left() -> list[Any]:
        with served.database.app.connect() as connection:  # other roles do not see what this one is at
            return list(connection.execute(text(idle)))

    with served.database.app.connect() as other:
        other.execute(text("select 1"))
        assert left()  # this one would be seen
    until(lambda: not left())
    assert threading.active_count() <= before + 45
