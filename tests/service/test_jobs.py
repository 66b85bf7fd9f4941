"""Runs as jobs: asked for, watched, dismissed; a worker that is killed loses nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from service.access import Role
from service.jobs.runner import BUSY, SPACE, perform
from service.jobs.worker import TRIES
from service.postgres.cluster import Cluster

from .api import HIDDEN, Served, serve_town
from .towns import CODE

pytestmark = pytest.mark.database

ROOT = Path(__file__).resolve().parents[2]
SOON_S = 60.0
LONG = 1_000_000  # proposals by unit: minutes of work


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Served]:
    """A published town of this module's own."""
    with serve_town(cluster, "wangge_template", "wangge_jobs") as running:
        yield running


def urls(town: Served) -> dict[str, str]:
    """The environment in which a process finds the town's database."""
    return {
        "WANGGE_DATABASE_URL": town.database.app.url.render_as_string(hide_password=False),
        "WANGGE_OWNER_DATABASE_URL": town.database.owner.url.render_as_string(hide_password=False),
        "WANGGE_LANG": "en",
    }


@contextmanager
def worker(town: Served, *, stalled: float = 2.0) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process on the town's database; ended, however the test does."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", "from service.cli import main; main()", "worker", "--stalled", str(stalled)],
        cwd=ROOT,
        env={**os.environ, **urls(town), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until(asked: Callable[[], Any], seconds: float = SOON_S) -> Any:
    """What `asked` says as soon as it says something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = asked()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come to pass")


def ask(client: httpx.Client, process: str = "partition", **inputs: Any) -> str:
    """The address of a new job."""
    answer = client.post(f"/processes/{process}/execution", json={"inputs": {"division": CODE, **inputs}})
    assert answer.status_code == 201, answer.text
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.json()["status"] == "accepted"
    return answer.headers["location"]


def ended(client: httpx.Client, job: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        told = client.get(job).json()
        return told if told["status"] not in ("accepted", "running") else None

    found: dict[str, Any] = until(look)
    return found


def runs_of(town: Served, job: str) -> Any:
    (row,) = town.rows("select * from runs where key = :k", k=job.rpartition("/")[2])
    return row


def plans_now(town: Served) -> int:
    return int(town.rows("select count(*) n from plans")[0].n)


# --- without a worker ---


def test_processes_are_described(town: Served) -> None:
    client = town.client()
    listed = client.get("/processes", params={"lang": "zh"}).json()["processes"]
    assert [(one["id"], one["title"]) for one in listed] == [
        ("partition", "网格划分"),
        ("redraw", "动态调整"),
    ]
    for one in listed:
        assert one["jobControlOptions"] == ["async-execute", "dismiss"]
        told = client.get(f"/processes/{one['id']}").json()
        assert told["inputs"]["division"]["minOccurs"] == 1
        assert told["outputs"]["plan"]["schema"]["type"] == "integer"
    assert client.get("/processes/fly").status_code == 404
    assert [one["id"] for one in client.get("/processes", params={"limit": 1}).json()["processes"]] == [
        "partition"
    ]
    assert client.get("/processes", params={"limit": 0}).status_code == 400
    links = {link["rel"]: link["href"] for link in client.get("/", params={"f": "json"}).json()["links"]}
    for name in ("processes", "job-list"):
        assert client.get(links[f"http://www.opengis.net/def/rel/ogc/1.0/{name}"]).status_code == 200


def test_what_is_not_there_has_the_type_that_the_standard_names(town: Served) -> None:
    client = town.client(Role.PLANNER)
    job = ask(client)
    for path, kind in (
        ("/processes/fly", "no-such-process"),
        ("/jobs/none", "no-such-job"),
        ("/jobs/none/results", "no-such-job"),
        (f"{job}/results", "result-not-ready"),
    ):
        answer = client.get(path, headers={"accept": "application/json"})
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("application/problem+json")
        told = answer.json()
        assert told["type"] == f"http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/{kind}"
        assert told["status"] == 404
    body = {"inputs": {"division": CODE}}
    assert client.post("/processes/fly/execution", json=body).json()["type"].endswith("/no-such-process")
    assert client.delete("/jobs/none").json()["type"].endswith("/no-such-job")
    client.delete(job)


@pytest.mark.parametrize("role", tuple(Role))
def test_planners_ask_and_officials_watch(town: Served, role: Role) -> None:
    planner, client = town.client(Role.PLANNER), town.client(role)
    job = ask(planner)
    may = role in (Role.PLANNER, Role.ADMIN)
    sees = may or role in (Role.CENTRE, Role.PRIVACY_OFFICER)
    assert client.get(job).status_code == (200 if sees else 404)
    assert client.get(f"{job}/results").status_code == 404
    assert bool(client.get("/jobs").json()["jobs"]) == sees
    body = {"inputs": {"division": CODE}}
    answer = client.post("/processes/partition/execution", json=body)
    assert answer.status_code == (201 if may else 403), answer.text
    assert client.delete(job).status_code == (200 if may else 403)
    elsewhere = town.client(role, scope="330")
    assert elsewhere.get("/jobs").json()["numberMatched"] == 0
    assert elsewhere.get(job).status_code == 404
    if may:
        assert elsewhere.delete(job).status_code == 404
        assert elsewhere.post("/processes/partition/execution", json=body).status_code == 404
        client.delete(answer.headers["location"])
    planner.delete(job)


def test_a_job_that_waits_is_dismissed_at_once(town: Served) -> None:
    client, before = town.client(Role.PLANNER), plans_now(town)
    job = ask(client)
    assert client.delete(job).json()["status"] == "dismissed"
    assert client.delete(job).json()["status"] == "dismissed"
    refused = client.get(f"{job}/results")
    assert (refused.status_code, refused.json()["code"]) == (409, "job-ended")
    row = runs_of(town, job)
    (queued,) = town.rows("select status from procrastinate_jobs where id = :j", j=row.job_id)
    assert queued.status == "cancelled"
    assert perform(town.database.app, row.id) == 0  # a worker that had it already
    assert plans_now(town) == before


def test_what_is_wrong_with_a_request_is_said(town: Served) -> None:
    client = town.client(Role.PLANNER)
    before = town.rows("select count(*) n from runs")[0].n
    for inputs, status in (
        ({}, 400),
        ({"division": "990101001999"}, 404),
        ({"division": CODE, "profile": "nowhere"}, 400),
        ({"division": CODE, "profile": "/etc/passwd"}, 400),
        ({"division": CODE, "grids": 0}, 400),
        ({"division": CODE, "effort": "much"}, 400),
        ({"division": CODE, "locked": ["x"]}, 400),
        ({"division": CODE, "base_plan": 99_999_999}, 404),
        ({"division": CODE, "wings": 2}, 400),
        ({"division": CODE, "tiers": "3"}, 400),
        ({"division": CODE, "tiers": ["3"] * 9}, 400),
        ({"division": CODE, "tiers": ["片" * 100 + "=3"]}, 400),
    ):
        answer = client.post("/processes/partition/execution", json={"inputs": inputs})
        assert answer.status_code == status, (inputs, answer.text)
    nothing = client.post("/processes/redraw/execution", json={"inputs": {"division": HIDDEN}})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "plan-unpublished")
    assert client.post("/processes/fly/execution", json={"inputs": {"division": CODE}}).status_code == 404
    assert town.rows("select count(*) n from runs")[0].n == before
    for path in ("/jobs/none", "/jobs/%00", "/jobs/none/results"):
        assert client.get(path).status_code == 404


def test_a_run_makes_one_plan_however_often_it_is_begun(town: Served) -> None:
    client, before = town.client(Role.PLANNER), plans_now(town)
    job = ask(client, seed=3)
    row = runs_of(town, job)
    with town.database.owner.connect() as other:  # somebody who has it already
        other.execute(text("select pg_advisory_lock(:s, :r)"), {"s": SPACE, "r": row.id})
        assert perform(town.database.app, row.id) == BUSY
        other.execute(text("select pg_advisory_unlock_all()"))
    assert plans_now(town) == before
    for _ in range(2):
        assert perform(town.database.app, row.id) == 0
    assert plans_now(town) == before + 1
    told = client.get(job).json()
    assert (told["status"], told["progress"]) == ("successful", 100)
    results = client.get(f"{job}/results")
    plan = results.json()["plan"]
    assert results.json() == {"plan": plan}
    assert results.links["related"]["url"].endswith(f"/plans/{plan}")
    assert client.get(f"/plans/{plan}").json()["author"] == "test planner"
    assert client.delete(job).json()["status"] == "successful"  # what ended stays as it is
    with town.database.owner.begin() as connection:
        connection.execute(text("select procrastinate_cancel_job_v1(:j, true, false)"), {"j": row.job_id})


def test_a_run_makes_the_tiers_that_are_asked_for(town: Served) -> None:
    client = town.client(Role.PLANNER)
    schema = client.get("/processes/partition").json()["inputs"]["tiers"]["schema"]
    asked = ["片区=2", "60-80-110"]
    assert all(re.search(schema["items"]["pattern"], one) for one in asked)
    job = ask(client, tiers=asked)
    assert perform(town.database.app, runs_of(town, job).id) == 0
    made = client.get(f"{job}/results").json()
    outputs = client.get("/processes/partition").json()["outputs"]
    assert made.keys() == outputs.keys()
    assert [(one["level"], one["name"]["zh"]) for one in made["tiers"]] == [
        (-1, "片区"),
        (0, "网格"),
        (1, "微网格"),
    ]
    kept = client.get(f"/plans/{made['plan']}/tiers").json()["features"]
    for one in made["tiers"]:
        assert set(outputs["tiers"]["schema"]["items"]["required"]) <= one.keys()
        if one["level"]:
            own = [each["properties"] for each in kept if each["properties"]["level"] == one["level"]]
            assert len(own) == one["grids"]
            assert max(each["households"] for each in own) == one["greatest"]
    assert made["tiers"][0]["grids"] == 2
    assert client.get(job).json()["inputs"]["tiers"] == asked
    client.delete(job)


@pytest.mark.parametrize(
    ("tiers", "code", "named"),
    [
        (["片区=four"], "tier-form", "片区=four"),
        (["110-80-60"], "tier-form", "110-80-60"),
        (["0"], "tier-form", "0"),
        (["9999999"], "tier-form", "9999999"),
        (["片区=3", "片区=4"], "tier-name", "片区"),
        (["网格=4"], "tier-name", "网格"),
    ],
)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_tier_that_is_none_is_told_at_once(
    town: Served, tiers: list[str], code: str, named: str, lang: str
) -> None:
    client = town.client(Role.PLANNER)
    pattern = client.get("/processes/partition").json()["inputs"]["tiers"]["schema"]["items"]["pattern"]
    if tiers in (["片区=four"], ["0"]):
        assert not re.search(pattern, tiers[0])
    body = {"inputs": {"division": CODE, "tiers": tiers}}
    answer = client.post("/processes/partition/execution", json=body, params={"lang": lang})
    assert answer.status_code == 400
    told = answer.json()
    assert told["code"] == code
    assert named in told["detail"]
    # a plan is drawn anew with the tiers that it has
    again = client.post("/processes/redraw/execution", json={"inputs": {"division": CODE, "tiers": ["3"]}})
    assert (again.status_code, again.json()["code"]) == (400, "parameter-unknown")


def test_a_run_that_cannot_be_done_says_why_in_both_languages(town: Served) -> None:
    client = town.client(Role.PLANNER)
    job = ask(client, process="redraw", locked=["nowhere"])
    row = runs_of(town, job)
    assert perform(town.database.app, row.id) == 0
    said = {lang: client.get(job, params={"lang": lang}).json()["message"] for lang in ("zh", "en")}
    assert "nowhere" in said["zh"]
    assert "nowhere" in said["en"]
    assert said["zh"] != said["en"]
    with town.database.owner.begin() as connection:
        connection.execute(text("select procrastinate_cancel_job_v1(:j, true, false)"), {"j": row.job_id})


# --- with workers ---


def test_a_worker_makes_plans_and_redraws_them(town: Served) -> None:
    client, before = town.client(Role.PLANNER), plans_now(town)
    jobs = [ask(client, seed=1, reason="试算"), ask(client, process="redraw")]
    with worker(town):
        for job in jobs:
            told = ended(client, job)
            assert told["status"] == "successful", told
            assert told["started"] <= told["finished"]
    assert plans_now(town) == before + 2
    listed = client.get("/jobs", params={"status": "successful", "processID": "redraw"}).json()
    assert jobs[1].rpartition("/")[2] in {one["jobID"] for one in listed["jobs"]}


@pytest.mark.long
def test_a_killed_worker_s_run_is_done_by_another(town: Served) -> None:
    client, before = town.client(Role.PLANNER), plans_now(town)
    job = ask(client, effort=20_000)
    row = runs_of(town, job)
    with worker(town) as first:
        until(lambda: client.get(job).json()["status"] == "running")
        until(lambda: holder(town, row.id))
        child = holder(town, row.id)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        until(lambda: not holder(town, row.id))  # the run's own process is gone with it
        assert child
        assert client.get(job).json()["status"] == "running"
        with worker(town):
            assert ended(client, job)["status"] == "successful"
            query = "select status from procrastinate_jobs where id = :j"
            until(lambda: town.rows(query, j=row.job_id)[0].status == "succeeded")
    assert plans_now(town) == before + 1


@pytest.mark.long
def test_a_dismissed_run_stops_soon_and_leaves_the_worker_free(town: Served) -> None:
    client, before = town.client(Role.PLANNER), plans_now(town)
    job = ask(client, effort=LONG)
    row = runs_of(town, job)
    with worker(town) as running:
        until(lambda: holder(town, row.id))
        assert client.delete(job).json()["status"] == "dismissed"
        until(lambda: not holder(town, row.id), 15)
        assert client.get(job).json()["status"] == "dismissed"
        assert running.poll() is None
        assert ended(client, ask(client, seed=2))["status"] == "successful"
    assert plans_now(town) == before + 1


@pytest.mark.long
def test_a_run_whose_process_is_killed_again_and_again_is_given_up(town: Served) -> None:
    client, before = town.client(Role.PLANNER), plans_now(town)
    job = ask(client, effort=LONG)
    row, mark = runs_of(town, job), urls(town)["WANGGE_DATABASE_URL"]
    with worker(town):
        for _ in range(3):
            pid = until(lambda: child_of(row.id, mark))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: child_of(row.id, mark) != pid)
        assert ended(client, job)["status"] == "failed"
    assert plans_now(town) == before


@pytest.mark.long
def test_a_run_that_is_held_elsewhere_is_never_given_up(town: Served) -> None:
    """Not even if nobody gets it for longer than a lost one would be tried; then it is done."""
    client = town.client(Role.PLANNER)
    with town.database.app.connect() as elsewhere:
        job = ask(client, seed=6)
        row = runs_of(town, job)
        elsewhere.execute(text("select pg_advisory_lock(:space, :run)"), {"space": SPACE, "run": row.id})
        with worker(town):
            tries = "select attempts from procrastinate_jobs where id = :j"
            until(lambda: town.rows(tries, j=row.job_id)[0][0] > TRIES)
            elsewhere.execute(text("select pg_advisory_unlock_all()"))
            assert ended(client, job)["status"] == "successful"


def test_a_worker_beside_a_server_comes_back_and_goes_with_it(town: Served) -> None:
    program = "import time; from service.jobs.beside import worker_beside\n"
    program += "with worker_beside(): time.sleep(120)"
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **urls(town), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
    ) as server:
        try:
            first = until(lambda: beside(server.pid))
            os.kill(first, signal.SIGKILL)
            second = until(lambda: beside(server.pid, not_this=first))
            client = town.client(Role.PLANNER)
            assert ended(client, ask(client, seed=4))["status"] == "successful"
        finally:
            server.kill()
    until(lambda: not Path(f"/proc/{second}").exists(), 30)


def beside(parent: int, *, not_this: int = 0) -> int | None:
    """The worker that is a child of `parent`."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    threads = Path(f"/proc/{parent}/task").iterdir()
    children += [pid for thread in threads for pid in (thread / "children").read_text().split()]
    for pid in map(int, children):
        with suppress(OSError):
            if pid != not_this and b"service.jobs.beside" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return None


def holder(town: Served, run: int) -> int | None:
    """The database's process that holds the run's lock."""
    found = town.rows(
        """select pid from pg_locks where locktype = 'advisory' and classid = :s and objid = :r
           and database = (select oid from pg_database where datname = current_database())""",
        s=SPACE,
        r=run,
    )
    return int(found[0].pid) if found else None


def child_of(run: int, mark: str) -> int | None:
    """The process that works on a run, with `mark` in its environment: other tests have such numbers."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if b"service.jobs.runner" not in words or str(run).encode() not in words:
                    continue
                if mark.encode() in (folder / "environ").read_bytes():
                    return int(folder.name)
    return None
