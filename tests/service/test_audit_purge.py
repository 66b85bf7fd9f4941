"""The audit as it is read, and what is removed when its time is past."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

from service import db
from service.access import Role
from service.cli import app
from service.commands import register
from service.operating import OperatingError
from service.postgres.cluster import Cluster
from service.privacy.retention import read_retention
from service.store import retention

from .api import Served, fill, serve
from .conftest import own_database
from .towns import CODE

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Served]:
    with contextmanager(own_database)(cluster) as database, serve(database, fill(database)) as served:
        centre = served.client(Role.CENTRE)
        for category in ("disabled", "floating"):
            assert centre.get(f"/figures?division={CODE}&category={category}").status_code == 200
        own = served.rows("select min(code) from grids")[0][0]
        worker = served.client(Role.GRID_WORKER, grids=frozenset({own}))
        assert worker.get(f"/figures?division={CODE}&category=disabled").status_code == 200
        yield served


@pytest.fixture
def run(town: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The command line on the town's database."""
    if not app.registered_commands:
        register(app)
    for name, engine in (("DATABASE_URL", town.database.app), ("OWNER_DATABASE_URL", town.database.owner)):
        monkeypatch.setenv(f"WANGGE_{name}", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")
    from service.commands.terminal import terminal

    terminal.cache_clear()
    yield CliRunner()
    terminal.cache_clear()


# --- reading ---


def test_the_privacy_officer_reads_who_saw_which_group_where(town: Served) -> None:
    client = town.client(Role.PRIVACY_OFFICER)
    found = client.get("/audit", params={"action": "view", "category": "disabled"}).json()["lines"]
    assert [(line["role"], line["subject"]) for line in found] == [
        ("grid_worker", "test grid_worker"),
        ("centre", "test centre"),
    ]
    assert len(found[0]["grids"]) == 1
    assert len(found[1]["grids"]) == len(town.rows("select 1 from grids where valid_to is null"))
    assert {line["division"] for line in found} == {CODE}
    assert found[0]["details"]["route"] == "/figures"
    page = client.get("/audit", params={"limit": "1"}).json()
    following = [link["href"] for link in page["links"] if link["rel"] == "next"]
    numbers = [page["lines"][0]["number"]]
    while following:
        page = client.get(following[0]).json()
        numbers += [line["number"] for line in page["lines"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == town.rows("select count(*) from audit")[0][0]
    assert client.get("/audit", params={"since": "2999-01-01"}).json()["lines"] == []
    assert client.get("/audit", params={"since": "soon"}).status_code == 400
    assert client.get("/audit", params={"limit": "0"}).status_code == 400


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER, Role.PLANNER, Role.CENTRE])
def test_the_audit_is_not_for_others(town: Served, role: Role) -> None:
    client = town.client(role, grids=frozenset({"x"}) if role is Role.GRID_WORKER else frozenset())
    assert client.get("/audit").status_code == 403


def test_an_officer_reads_of_the_own_divisions_only(town: Served) -> None:
    client = town.client(Role.PRIVACY_OFFICER, scope="990202")
    assert client.get("/audit").json()["lines"] == []


def test_the_command_lists_and_writes_the_audit(run: CliRunner) -> None:
    shown = run.invoke(app, ["audit", "--action", "view", "--subject", "test centre"])
    assert shown.exit_code == 0, shown.output
    assert "saw exact counts" in shown.output
    assert "test grid_worker" not in shown.output
    told = run.invoke(app, ["audit", "--format", "csv", "--division", "9901"])
    lines = list(csv.DictReader(io.StringIO(told.stdout)))
    assert {line["action"] for line in lines} == {"view", "publish"}
    told = run.invoke(app, ["audit", "--format", "json", "--category", "floating"])
    one = json.loads(told.stdout.splitlines()[0])
    assert (one["subject"], one["category"], one["division"]) == ("test centre", "floating", CODE)
    assert run.invoke(app, ["audit", "--since", "yesterday"]).exit_code == 2


def test_a_name_that_a_key_has_is_not_given_to_another_holder_by_accident(run: CliRunner) -> None:
    make = ["token", "create", "--role", "planner", "--name", "the same"]
    assert run.invoke(app, make).exit_code == 0
    refused = run.invoke(app, make)
    assert refused.exit_code == 2, refused.output
    told = " ".join(refused.output.split())
    assert "has a valid key already" in told
    assert "wg_" not in told
    number = re.search(r"no\. (\d+)", told)
    assert number is not None
    assert run.invoke(app, [*make, "--another"]).exit_code == 0
    for line in run.invoke(app, ["token", "list"]).output.splitlines():
        if "the same" in line:
            assert run.invoke(app, ["token", "revoke", line.split()[0]]).exit_code == 0
    assert run.invoke(app, make).exit_code == 0


# --- kept, and removed ---


@pytest.mark.parametrize(
    "statement", ["update audit set principal = 'x'", "delete from audit", "truncate audit"]
)
def test_nobody_changes_what_is_on_record(town: Served, statement: str) -> None:
    for engine in (town.database.app, town.database.owner):
        with (
            db.transaction(engine, role="privacy_officer", scope=[db.EVERYWHERE]) as connection,
            pytest.raises(ProgrammingError, match=r"permission denied|append-only"),
            connection.begin_nested(),
        ):
            connection.execute(text(statement))


def _age(town: Served) -> None:
    """Rows of every kind, some past their time and some not."""
    with town.database.owner.begin() as connection:
        for statement in (
            "update cases set time = now() - interval '400 days'"
            " where status = 'closed' and category = 'rubbish'",
            "update cases set time = now() - interval '2000 days' where case_id in ('k1', 'k7')",
            "update cases set time = now() where status <> 'closed'",
            "insert into sessions (digest, role, expires_at) values"
            " ('a', 'centre', now() - interval '40 days'), ('b', 'centre', now() - interval '20 days')",
            "insert into login_links (digest, role, expires_at, used_at) values"
            " ('a', 'centre', now() + interval '1 day', now() - interval '8 days')",
            "insert into api_keys (digest, hint, name, role, expires_at) values"
            " ('a', 'wg_', 'old', 'centre', now() - interval '366 days')",
            "insert into events (division_code, kind, collection, at)"
            " select code, 'created', 'cases', now() - interval '2 days' from divisions limit 1",
            "insert into answers (who, key, asked, status, at) values"
            " ('a', 'old', 'a', 201, now() - interval '2 days'), ('a', 'new', 'a', 201, now())",
            "insert into case_imports (actor, at) values ('of closed cases', now() - interval '2100 days'),"
            " ('of open cases', now() - interval '2100 days'), ('of none yet', now())",
            "update cases set import_id = (select id from case_imports where actor = 'of closed cases')"
            " where case_id in ('k1', 'k7')",
            "update cases set import_id = (select id from case_imports where actor = 'of open cases')"
            " where status <> 'closed'",
            "insert into audit (division_code, action, at) values ('', 'view', now() - interval '1200 days'),"
            " ('', 'view', now() - interval '1000 days')",
        ):
            connection.execute(text(statement))


def test_what_is_past_its_time_goes_and_the_audit_says_so(town: Served, run: CliRunner) -> None:
    _age(town)
    before = {row.case_id: row for row in town.rows("select *, st_astext(geom) point from cases")}
    told = run.invoke(app, ["purge", "--dry-run"])
    assert told.exit_code == 0, told.output
    assert "nothing was removed" in told.output
    assert len(town.rows("select 1 from cases")) == len(before)
    counted = retention.count_past
    with town.database.owner.connect() as connection:
        wanted = counted(connection, read_retention())
    told = run.invoke(app, ["purge"])
    assert told.exit_code == 0, told.output
    with town.database.owner.connect() as connection:
        assert not any(counted(connection, read_retention()).values())

    cases = {row.case_id: row for row in town.rows("select *, st_astext(geom) point from cases")}
    assert before.keys() - cases.keys() == {"k1", "k7"}
    points = {row[0] for row in town.rows("select st_astext(place) from cases")}
    moved = 0
    for key, row in cases.items():
        if row.status == "closed" and row.category == "rubbish":
            assert row.building_id is None
            assert row.point in points
            assert row.place is not None
            moved += row.point != before[key].point
        else:
            assert (row.point, row.building_id) == (before[key].point, before[key].building_id)
    assert moved > 10
    assert {bytes(row[0]) for row in town.rows("select digest from sessions")} >= {b"b"}
    assert b"a" not in {bytes(row[0]) for row in town.rows("select digest from sessions")}
    lines = town.rows("select * from audit where action = 'purge'")
    assert len(lines) == 1
    removed = lines[0].details["removed"]
    assert removed["cases"] == wanted["cases"] == 2
    assert removed["case_points"] >= moved
    assert removed["audit"] == removed["sessions"] == removed["login_links"] == removed["api_keys"] == 1
    assert removed["events"] == wanted["events"] >= 1
    assert removed["answers"] == 1
    assert removed["case_imports"] == 1  # with the last of its cases, in the same run
    assert town.rows("select actor from case_imports order by 1") == [("of none yet",), ("of open cases",)]
    assert town.rows("select key from answers") == [("new",)]
    kept = town.rows("select 1 from audit where at < now() - interval '900 days'")
    assert len(kept) == 1  # younger than three years


def test_a_file_of_periods_is_checked(tmp_path: Path) -> None:
    own = tmp_path / "retention.toml"
    own.write_text("cases = 0\nsessions = 3\n")
    found = read_retention(own)
    assert (found.cases, found.sessions, found.audit) == (0, 3, 1095)
    for wrong, key in (
        ("case = 3", "retention-name"),
        ("cases = -1", "retention-days"),
        ("cases = true", "retention-days"),
        ("audit = 30", "retention-audit"),
        ("cases", "retention-file"),
    ):
        own.write_text(wrong)
        with pytest.raises(OperatingError) as caught:
            read_retention(own)
        assert caught.value.key == key
    with pytest.raises(OperatingError):
        read_retention(tmp_path / "absent.toml")
