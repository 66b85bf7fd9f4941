"""Plans as resources: who sees and decides what, edits by two planners at once, and publications."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service import db
from service.access import Role
from service.plans.planning import plan_community
from service.postgres.cluster import Cluster

from .api import PROFILE, Served, serve_town
from .towns import CODE

pytestmark = pytest.mark.database

ROLES = tuple(Role)
OFFICIALS = {Role.PLANNER, Role.CENTRE, Role.PRIVACY_OFFICER, Role.ADMIN}
ELSEWHERE = "330"


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Served]:
    """A published town of this module's own."""
    with serve_town(cluster, "wangge_template", "wangge_plans") as running:
        yield running


def draft(town: Served) -> int:
    """A new draft, begun as the published plan."""
    (row,) = town.rows("select id from plans where status = 'published' and division_code = :c", c=CODE)
    answer = planner(town).post("/plans", json={"plan": row.id, "reason": "试调"})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"/plans/{answer.json()['id']}")
    return int(answer.json()["id"])


def planner(town: Served, name: str = "甲") -> httpx.Client:
    """A planner's client; planners of other names are other people."""
    from service.access import Principal
    from service.identity.accounts import COOKIE, csrf_of

    client = httpx.Client(base_url=town.address, timeout=60)
    town.clients.append(client)
    token = town.accounts.invite(Principal(Role.PLANNER, ("99",), frozenset(), name))
    assert client.get("/login", params={"token": token}).status_code == 303
    client.headers["x-csrf-token"] = csrf_of(client.cookies[COOKIE])
    return client


def units(client: httpx.Client, plan: int) -> dict[int, str]:
    """Grid by unit."""
    found = client.get(f"/plans/{plan}/units").json()["features"]
    return {one["properties"]["unit"]: one["properties"]["grid"] for one in found}


def edit(client: httpx.Client, plan: int, revision: int, operation: str, **more: Any) -> httpx.Response:
    return client.post(f"/plans/{plan}/edits", json={"operation": operation, "revision": revision, **more})


def step(client: httpx.Client, plan: int, to: str, **more: Any) -> httpx.Response:
    return client.post(f"/plans/{plan}/status", json={"status": to, **more})


# --- who sees what ---


@pytest.mark.parametrize("role", ROLES)
def test_drafts_are_for_officials_and_published_plans_for_everybody(town: Served, role: Role) -> None:
    made = draft(town)
    client = town.client(role)
    listed = client.get("/plans").json()
    assert listed["numberMatched"] == len(listed["plans"])
    statuses = {plan["status"] for plan in listed["plans"]}
    assert statuses == ({"draft", "published"} if role in OFFICIALS else {"published"}) | (
        statuses - {"draft", "published"} if role in OFFICIALS else set()
    )
    paths = [f"/plans/{made}", *(f"/plans/{made}/{n}" for n in ("grids", "units", "notes", "revisions"))]
    for path in paths:
        assert client.get(path).status_code == (200 if role in OFFICIALS else 404), path
    (published,) = [plan for plan in listed["plans"] if plan["status"] == "published"]
    shown = client.get(f"/plans/{published['id']}").json()
    assert shown["figures"]["grids"] > 1
    assert ("report" in shown) == (role in OFFICIALS)
    may = role in (Role.PLANNER, Role.ADMIN)
    for answer in (
        client.post("/plans", json={"plan": published["id"]}),
        edit(client, made, 0, "rebalance"),
        step(client, made, "archived"),
    ):
        assert (answer.status_code < 300) == may, answer.text
        assert may or answer.status_code in (401, 403)
    assert client.post(f"/plans/{made}/notes", json={"text": "看过"}).status_code == (201 if may else 403)


@pytest.mark.parametrize("role", [Role.PLANNER, Role.ADMIN, Role.CENTRE])
def test_plans_outside_the_scope_are_not_there(town: Served, role: Role) -> None:
    made = draft(town)
    client = town.client(role, scope=ELSEWHERE)
    assert client.get("/plans").json()["plans"] == []
    assert client.get(f"/plans/{made}").status_code == 404
    if role is not Role.CENTRE:
        assert edit(client, made, 0, "rebalance").status_code == 404
        assert step(client, made, "submitted").status_code == 404
        assert client.post("/plans", json={"plan": made}).status_code == 404


def test_filters_and_pages(town: Served) -> None:
    for _ in range(3):
        draft(town)
    client = planner(town)
    every = client.get("/plans", params={"limit": 500}).json()
    first = client.get("/plans", params={"limit": 2}).json()
    assert first["numberMatched"] == every["numberMatched"] > 3
    (onward,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
    assert client.get(onward).json()["plans"] == every["plans"][2:4]
    drafts = client.get("/plans", params={"status": "draft", "author": "甲", "limit": 500}).json()["plans"]
    assert drafts
    assert {(plan["status"], plan["author"]) for plan in drafts} == {("draft", "甲")}
    assert client.get("/plans", params={"division": "9902"}).json()["numberMatched"] == 0
    for wrong in ({"limit": "0"}, {"limit": "x"}, {"offset": "-1"}, {"status": "lost"}, {"colour": "red"}):
        assert client.get("/plans", params=wrong).status_code == 400, wrong
    for path in ("/plans/x", "/plans/99999999999999999999", "/plans/-1", "/plans/0"):
        assert client.get(path).status_code == 404, path


# --- edits ---


def test_every_edit_makes_a_revision_and_undo_takes_it_back(town: Served) -> None:
    client, made = planner(town), draft(town)
    before = units(client, made)
    codes = sorted(set(before.values()))
    here, there = codes[0], codes[1]
    mine = [unit for unit, grid in before.items() if grid == here]

    moved = edit(client, made, 0, "move", units=mine[:1], grid=there).json()
    assert moved["revision"] == 1
    after = units(client, made)
    assert {u for u in before if before[u] != after[u]} == set(mine[:1])
    by_code = {line["code"]: line for line in moved["grids"]}
    assert by_code[there]["units"] == sum(grid == there for grid in after.values())
    sums = {
        row.grid_code: row.n
        for row in town.rows(
            "select grid_code, sum(households) n from plan_buildings where plan_id = :p group by 1", p=made
        )
    }
    assert {code: line["households"] for code, line in by_code.items()} == sums
    assert all(v["text"]["zh"] and v["text"]["en"] for v in moved["violations"])

    back = edit(client, made, 1, "undo").json()
    assert (back["revision"], back["operation"]["to"]) == (2, 0)
    assert units(client, made) == before
    assert edit(client, made, 2, "undo").status_code == 409

    split = edit(client, made, 2, "split", grid=here).json()
    fresh = {line["code"] for line in split["grids"]} - set(codes)
    assert len(fresh) == 1
    locked = edit(client, made, 3, "lock", grids=[here]).json()
    assert [line["code"] for line in locked["grids"] if line["locked"]] == [here]
    refused = edit(client, made, 4, "merge", grids=[here, *fresh])
    assert refused.status_code == 422
    assert refused.json()["findings"][0]["code"] == "edit_locked"
    assert edit(client, made, 4, "unlock", grids=[here]).json()["revision"] == 5
    merged = edit(client, made, 5, "merge", grids=[here, *fresh]).json()
    assert {line["code"] for line in merged["grids"]} == set(codes)
    now = units(client, made)
    one, other = (next(u for u, g in now.items() if g == grid) for grid in (here, there))
    swapped = edit(client, made, 6, "swap", units=[one], others=[other])
    assert swapped.json()["revision"] == 7
    assert edit(client, made, 7, "rebalance").json()["revision"] == 8
    told = client.get(f"/plans/{made}/revisions").json()
    assert [r["operation"]["operation"] for r in told["revisions"]] == [
        *("begin", "move", "undo", "split", "lock", "unlock", "merge", "swap", "rebalance")
    ]
    assert {r["author"] for r in told["revisions"]} == {"甲"}
    assert client.get(f"/plans/{made}/grids").json()["revision"] == 8


def test_what_is_wrong_with_an_edit_is_said(town: Served) -> None:
    client, made = planner(town), draft(town)
    code = next(iter(units(client, made).values()))
    for body, status in (
        ({"operation": "move", "revision": 0, "grid": code}, 400),
        ({"operation": "move", "revision": 0, "units": [10**6], "grid": code}, 422),
        ({"operation": "move", "revision": 0, "units": [0], "grid": "nowhere"}, 422),
        ({"operation": "merge", "revision": 0, "grids": [code]}, 422),
        ({"operation": "fly", "revision": 0}, 400),
        ({"operation": "move", "revision": 0, "units": ["x"], "grid": code}, 400),
        ({"operation": "undo", "revision": 0}, 409),
        ({"operation": "rebalance", "revision": 5}, 409),
        ({"operation": "rebalance"}, 400),
        ({"operation": "rebalance", "revision": 0, "wings": 2}, 400),
        ([], 400),
    ):
        answer = client.post(f"/plans/{made}/edits", json=body)
        assert answer.status_code == status, (body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    for reason, code in (("\x00", "write-character"), ("11010519491231002X", "write-identity")):
        for path, body in (
            ("/plans", {"plan": made, "reason": reason}),
            (f"/plans/{made}/notes", {"text": reason}),
            (f"/plans/{made}/status", {"status": "submitted", "reason": reason}),
        ):
            answer = client.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (400, code), path
    for query in ({"division": "\x00"}, {"author": "a\x00"}):
        assert client.get("/plans", params=query).status_code == 400
    assert client.get(f"/plans/{made}").json()["revision"] == 0


def test_two_planners_cannot_overwrite_each_other(town: Served) -> None:
    made = draft(town)
    clients = [planner(town, "甲"), planner(town, "乙")]
    codes = sorted(set(units(clients[0], made).values()))
    revision = 0
    for turn in range(3):
        barrier, answers = threading.Barrier(2), [None, None]

        def race(which: int, turn: int = turn, revision: int = revision) -> None:
            barrier.wait(30)  # noqa: B023 - joined below
            operation = "lock" if turn % 2 == 0 else "unlock"
            answers[which] = edit(clients[which], made, revision, operation, grids=[codes[which]])  # noqa: B023

        if turn % 2:  # something locked to unlock, of either
            assert edit(clients[0], made, revision, "lock", grids=codes[:2]).status_code == 200
            revision += 1
        threads = [threading.Thread(target=race, args=(n, turn, revision)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = sorted(answers, key=lambda answer: answer.status_code)
        assert [answer.status_code for answer in done] == [200, 409]
        revision += 1
        assert done[0].json()["revision"] == revision
        assert done[1].json()["revision"] == revision  # so that it can be looked at, and tried again
    kept = town.rows("select revision from plan_revisions where plan_id = :p order by 1", p=made)
    assert [row.revision for row in kept] == list(range(revision + 1))


# --- life ---


def test_a_plan_is_approved_by_another_and_comes_into_force_whole(town: Served) -> None:
    maker, other = planner(town, "甲"), planner(town, "乙")
    made = draft(town)
    before = town.rows("select code from grids where valid_to is null and division_code = :c", c=CODE)
    codes = sorted(row.code for row in before)
    target = codes[0]
    moved = [u for u, g in units(maker, made).items() if g == codes[1]][:1]
    assert edit(maker, made, 0, "move", units=moved, grid=target).status_code == 200

    assert step(maker, made, "published").status_code == 409
    assert step(maker, made, "submitted", reason="请审").status_code == 200
    assert edit(maker, made, 1, "rebalance").status_code == 409
    assert step(maker, made, "approved").json()["code"] == "plan-own"
    tagged = other.get(f"/plans/{made}").headers["etag"]
    assert other.post(f"/plans/{made}/notes", json={"text": "同意"}).status_code == 201
    stale = other.post(f"/plans/{made}/status", json={"status": "approved"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    approved = other.post(f"/plans/{made}/status", json={"status": "approved"}, headers={"If-Match": tagged})
    assert approved.status_code == 200, approved.text
    cases = town.rows("select count(*) n, count(grid_code) k from cases where division_code = :c", c=CODE)
    done = step(other, made, "published", reason="会议通过")
    assert done.status_code == 200, done.text
    told = done.json()["publication"]
    assert told["opened"]
    assert told["closed"]

    # the grids of before are closed at the moment at which the new ones begin, and none of both is missing
    (ended,) = town.rows(
        "select count(*) n from grids where valid_to is not null and code = any(:c)", c=told["closed"]
    )
    assert ended.n == len(told["closed"])
    now = town.rows("select code, plan_id from grids where valid_to is null and division_code = :c", c=CODE)
    assert {row.plan_id for row in now} == {made}
    assert sorted(row.code for row in now) == sorted(told["opened"] + told["kept"])
    stray = town.rows(
        """select count(*) n from buildings b where division_code = :c and not exists (
        select from grids g where g.code = b.grid_code and g.valid_to is null)""",
        c=CODE,
    )
    assert stray[0].n == 0
    wrong = town.rows(
        """select count(*) n from cases k where division_code = :c and grid_code is not null
        and not exists (select from grids g where g.code = k.grid_code and g.valid_to is null)""",
        c=CODE,
    )
    assert wrong[0].n == 0
    after = town.rows("select count(*) n, count(grid_code) k from cases where division_code = :c", c=CODE)
    assert after == cases
    lineage = town.rows("select old_code, new_code from grid_lineage where plan_id = :p", p=made)
    assert {row.old_code for row in lineage} <= set(told["closed"])
    events = town.rows(
        "select feature, division_code from events where kind = 'published' and row_id = :p", p=made
    )
    assert [(row.feature, row.division_code) for row in events] == [(str(made), CODE)]
    (audited,) = town.rows(
        "select principal, role from audit where action = 'publish' and (details ->> 'plan')::bigint = :p",
        p=made,
    )
    assert (audited.principal, audited.role) == ("乙", "planner")
    notes = other.get(f"/plans/{made}/notes").json()["notes"]
    assert [(n["from_status"], n["to_status"], n["author"]) for n in notes] == [
        ("draft", "submitted", "甲"),
        ("submitted", "submitted", "乙"),
        ("submitted", "approved", "乙"),
        ("approved", "published", "乙"),
    ]
    assert step(other, made, "archived").status_code == 409


def test_an_interrupted_publication_leaves_nothing_half(town: Served) -> None:
    maker, other = planner(town, "甲"), planner(town, "乙")
    made = draft(town)
    codes = sorted(set(units(maker, made).values()))
    moved = [u for u, g in units(maker, made).items() if g == codes[1]][:1]
    assert edit(maker, made, 0, "move", units=moved, grid=codes[0]).status_code == 200
    assert step(maker, made, "submitted").status_code == 200
    assert step(other, made, "approved").status_code == 200
    everything = """
        select 'grids', count(*), count(valid_to), md5(string_agg(id || code || version, ','
            order by id)) from grids
        union all select 'lineage', count(*), 0, '' from grid_lineage
        union all select 'plans', count(*), 0, md5(string_agg(status || version, ',' order by id)) from plans
        union all select 'buildings', count(*), 0, md5(string_agg(grid_code, ',' order by id)) from buildings
        union all select 'cases', count(*), 0, md5(string_agg(coalesce(grid_code, ''), ','
            order by id)) from cases
        union all select 'notes', count(*), 0, '' from plan_notes
        union all select 'events', count(*), 0, '' from events
        union all select 'audit', count(*), 0, '' from audit
    """
    before = town.rows(everything)
    # the writing of staff, last but two of the steps, waits for this lock; then its server process is ended
    holding = town.database.owner.connect()
    lock = holding.begin()
    holding.execute(text("lock table grid_staff in access exclusive mode"))
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(step(other, made, "published")))
    thread.start()
    ended = False
    for _ in range(200):
        found = town.rows("""select pid from pg_locks
            where relation = 'grid_staff'::regclass and not granted and database =
                (select oid from pg_database where datname = current_database())""")
        if found:
            os.kill(found[0].pid, signal.SIGTERM)
            ended = True
            break
        thread.join(0.05)
    lock.rollback()
    holding.close()
    thread.join()
    assert ended
    assert answers[0].status_code == 503
    assert town.rows(everything) == before
    assert step(other, made, "published").status_code == 200


def test_what_breaks_a_promise_is_not_published(town: Served) -> None:
    maker, other = planner(town, "甲"), planner(town, "乙")
    made = draft(town)
    with town.database.owner.begin() as connection:
        connection.execute(
            text("""
            update plan_grids set households = households + 1
            where id = (select min(id) from plan_grids where plan_id = :p)"""),
            {"p": made},
        )
    assert step(maker, made, "submitted").status_code == 200
    assert step(other, made, "approved").status_code == 200
    refused = step(other, made, "published")
    assert refused.status_code == 422
    assert {finding["code"] for finding in refused.json()["findings"]} == {"publish_figures"}
    assert step(other, made, "draft").status_code == 200


def test_a_plan_of_an_older_publication_names_what_it_replaces(town: Served) -> None:
    planned = plan_community(town.database.owner, CODE, PROFILE, seed=5, author="丙")
    maker, other = planner(town, "甲"), planner(town, "乙")
    another = draft(town)
    for plan in (planned.plan, another):
        assert step(maker, plan, "submitted").status_code == 200
        assert step(other, plan, "approved").status_code == 200
    assert step(other, another, "published").status_code == 200
    refused = step(other, planned.plan, "published")
    assert refused.json()["code"] == "publish-superseded"
    assert step(other, planned.plan, "published", over=another).status_code == 200


@pytest.mark.parametrize("role", [role.value for role in ROLES if role not in (Role.PLANNER, Role.ADMIN)])
def test_the_database_lets_nobody_else_write_plans(town: Served, role: str) -> None:
    made = draft(town)
    for table in ("plans", "plan_grids", "plan_assignments", "plan_buildings"):
        with db.transaction(town.database.app, role=role, scope=[db.EVERYWHERE]) as connection:
            changed = connection.execute(text(f"update {table} set version = version"))  # noqa: S608
            assert changed.rowcount == 0, table
    for sql in (
        "insert into plan_notes (division_code, plan_id, from_status, to_status)"
        " values (:c, :p, 'draft', 'draft')",
        "insert into plan_revisions (division_code, plan_id, revision) values (:c, :p, 99)",
    ):
        with (
            pytest.raises(DBAPIError, match="row-level security"),
            db.transaction(town.database.app, role=role, scope=[db.EVERYWHERE]) as connection,
        ):
            connection.execute(text(sql), {"c": CODE, "p": made})


def test_revisions_and_notes_cannot_be_rewritten(town: Served) -> None:
    for table in ("plan_notes", "plan_revisions"):
        for verb in (f"update {table} set author = ''", f"delete from {table}"):  # noqa: S608
            with (
                pytest.raises(DBAPIError, match="permission denied"),
                db.transaction(town.database.app, role="admin", scope=[db.EVERYWHERE]) as connection,
            ):
                connection.execute(text(verb))


def test_the_database_itself_asks_for_four_eyes(town: Served) -> None:
    """Whatever the service forgot to ask: whoever had a hand in a plan does not approve it."""

    def change(who: str, sql: str) -> None:
        with db.transaction(
            town.database.app, role="planner", scope=[db.EVERYWHERE], principal=who
        ) as connection:
            assert connection.execute(text(sql), {"p": made}).rowcount == 1

    made = draft(town)  # by 甲
    editor, submitter = planner(town, "乙"), planner(town, "丙")
    grids = units(editor, made)
    unit = min(grids)
    answer = edit(editor, made, 0, "lock", grids=[grids[unit]])
    assert answer.status_code == 200, answer.text
    approve = "update plans set status = 'approved' where id = :p"
    publish = "update plans set status = 'published', published_at = now() where id = :p"
    with pytest.raises(DBAPIError, match="was not approved"):
        change("丁", publish)
    assert step(submitter, made, "submitted").status_code == 200
    for who in ("甲", "乙", "丙", ""):
        with pytest.raises(DBAPIError, match="approved by somebody else"):
            change(who, approve)
    with pytest.raises(DBAPIError, match="was not approved"):
        change("丁", publish)
    with pytest.raises(DBAPIError, match="the author of plan"):
        change("甲", "update plans set author = 'another' where id = :p")
    change("丁", approve)
    assert town.rows("select status from plans where id = :p", p=made) == [("approved",)]


def test_the_database_lets_plans_begin_as_drafts_of_their_makers(town: Served) -> None:
    begin = text("""
        insert into plans (division_code, profile, policy, seed, status, author)
        select division_code, profile, policy, seed, :status, :author from plans where status = 'published'
        and division_code = :c returning id
    """)

    def attempt(status: str, author: str) -> int:
        with db.transaction(
            town.database.app, role="planner", scope=[db.EVERYWHERE], principal="eve"
        ) as connection:
            return int(connection.scalar(begin, {"status": status, "author": author, "c": CODE}) or 0)

    for status, author in (("approved", "eve"), ("submitted", "eve"), ("archived", "eve"), ("draft", "bob")):
        with pytest.raises(DBAPIError, match="begins as a draft of whoever makes it"):
            attempt(status, author)
    made = attempt("draft", "eve")
    assert town.rows("select status, author from plans where id = :p", p=made) == [("draft", "eve")]


def test_the_database_keeps_what_was_submitted(town: Served) -> None:
    """Neither assignments, grids, units nor buildings change once a plan is no draft."""
    made = draft(town)
    published = town.rows("select id from plans where status = 'published' and division_code = :c", c=CODE)
    changes = (
        "update plan_assignments set grid_code = (select max(code) from plan_grids where plan_id = :p)"
        " where plan_id = :p",
        "update plan_grids set households = households + 1 where plan_id = :p",
        "update plan_units set households = households + 1 where plan_id = :p",
        "delete from plan_units where plan_id = :p",
        "delete from plan_buildings where plan_id = :p",
        "insert into plan_buildings (division_code, plan_id, building_id, grid_code, households)"
        " select division_code, plan_id, 'one more', grid_code, 1 from plan_buildings where plan_id = :p"
        " limit 1",
        "update plans set policy = '{}' where id = :p",
        "update plans set revision = 7, status = 'draft' where id = :p",
        "update plans set locked = '{x}' where id = :p",
    )

    def change(sql: str, plan: int, *, undone: bool = False) -> None:
        with db.transaction(
            town.database.app, role="planner", scope=[db.EVERYWHERE], principal="eve"
        ) as connection:
            assert connection.execute(text(sql), {"p": plan}).rowcount > 0, sql
            if undone:
                connection.rollback()

    for sql in changes:
        change(sql, made, undone=True)  # a draft's are its makers'
    assert step(planner(town, "甲"), made, "submitted").status_code == 200
    for plan in (made, published[0].id):
        for sql in changes:
            with pytest.raises(DBAPIError, match=r"is no draft|cannot go from"):
                change(sql, plan)
    # its grids may have other codes when it comes into force, each another one
    rename = text("select wangge_rename_plan_grids(:p, :former, :coming)")
    grids = town.rows("select code from plan_grids where plan_id = :p order by 1", p=made)
    codes = [row.code for row in grids]
    for former, coming, role in (
        (codes[:2], [codes[0], codes[0]], "planner"),
        (codes[:1], codes[1:2], "planner"),
        (["nowhere"], ["elsewhere"], "planner"),
        (codes[:2], codes[1::-1], "centre"),
    ):
        with (
            pytest.raises(DBAPIError, match=r"another code|unique|no plan"),
            db.transaction(town.database.app, role=role, scope=[db.EVERYWHERE]) as connection,
        ):
            connection.execute(rename, {"p": made, "former": former, "coming": coming})
    assignments = "select unit, grid_code from plan_assignments where plan_id = :p order by 1"
    before = town.rows(assignments, p=made)
    with db.transaction(town.database.app, role="planner", scope=[db.EVERYWHERE]) as connection:
        connection.execute(rename, {"p": made, "former": codes[:2], "coming": codes[1::-1]})
    swapped = dict(zip(codes[:2], codes[1::-1], strict=True))
    assert town.rows(assignments, p=made) == [(u, swapped.get(code, code)) for u, code in before]
