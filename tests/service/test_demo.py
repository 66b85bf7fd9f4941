"""`wangge demo`, `serve` and `map` as processes: links, ports, roles, the second run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyogrio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import sample
from data.sample import LICENCE, SOURCE
from service.demo import recent
from service.privacy.disclosure import rules

pytestmark = pytest.mark.database

SECONDS = 120
WANGGE = Path(sys.executable).with_name("wangge")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """State in which the sample is published; where the server's user may enter."""
    made = Path(tempfile.mkdtemp(prefix="wangge-"))
    made.chmod(0o755)
    # the examples of docs/ name days of the stored sample
    done = call(made, "demo", "--once", "--out", made / "out", "--until", "2026-10-31")
    assert done.returncode == 0, done.stderr
    yield made
    shutil.rmtree(made)


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANGGE_")}
    return kept | {
        "WANGGE_STATE_DIR": str(home / "state"),
        "WANGGE_RUNTIME_DIR": str(home / "run"),
        "WANGGE_LANG": "en",
    }


def call(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [WANGGE, *arguments],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def start(home: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A serving command, and what it printed until it was ready."""
    process = subprocess.Popen(  # noqa: S603
        [WANGGE, *arguments],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if "Ctrl-C" in line:
            return process, printed
    pytest.fail(f"ended with {process.wait(SECONDS)}: {printed}{process.communicate()[1]}")


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Ctrl-C; the exit code and what was logged."""
    os.killpg(process.pid, signal.SIGINT)
    _, logged = process.communicate(timeout=SECONDS)
    return process.returncode, logged


def test_the_second_run_makes_nothing_anew(home: Path) -> None:
    before = call(home, "plans").stdout
    process, printed = start(home, "demo", "--port", "0", "--until", "2027-05-05")
    address = re.search(r"http://127\.0\.0\.1:\d+", printed)
    assert address is not None
    assert httpx.get(f"{address[0]}/").status_code == 200
    collections = httpx.get(f"{address[0]}/collections").json()["collections"]
    shown = httpx.get(f"{address[0]}/collections/grids", headers={"accept": "text/html"}).text
    newest = httpx.get(f"{address[0]}/collections/cases/items?sortby=-time&limit=1").json()["features"][0]
    assert end(process)[0] == 0
    assert call(home, "plans").stdout == before
    assert {(one["attribution"], one["license"]) for one in collections} == {(SOURCE, LICENCE)}
    assert LICENCE in shown
    assert SOURCE in shown
    # nor are its times moved again: what a link shows stays
    assert newest["properties"]["time"].startswith("2026-10-31")


@settings(max_examples=30, deadline=None)
@given(st.datetimes(datetime(1990, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC)))
def test_the_sample_ends_in_the_week_before_and_keeps_its_rhythm(now: datetime) -> None:
    stored = pyogrio.read_dataframe(sample.path(), layer="cases")
    moved = recent(stored, now)
    age = now - moved["time"].max()
    assert timedelta(0) <= age < timedelta(weeks=1)
    shift = moved["time"] - stored["time"]
    assert shift.nunique() == 1
    assert shift[0] % timedelta(weeks=1) == timedelta(0)
    assert ((moved["due"] - moved["time"]).dropna() == (stored["due"] - stored["time"]).dropna()).all()
    assert moved.drop(columns=["time", "due"]).equals(stored.drop(columns=["time", "due"]))


def test_a_day_that_no_sample_can_end_on(home: Path) -> None:
    for day in ("9999-12-31", "0001-01-01", "tomorrow"):
        refused = call(home, "demo", "--once", "--until", day)
        assert refused.returncode == 2
        assert "--until" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_printed_link_lets_in_once_and_is_not_logged(home: Path) -> None:
    process, printed = start(home, "serve", "--port", "0")
    links = re.findall(r"http://\S+/login\?token=\S+", printed)
    assert len(links) == 2
    with httpx.Client() as client:
        assert client.get(links[0]).status_code == 303
        origin = links[0].split("/login")[0]
        columns = client.get(f"{origin}/collections/buildings/items?limit=1").json()["features"][0][
            "properties"
        ]
        assert "households" in columns
    assert httpx.get(links[0]).status_code == 403
    code, logged = end(process)
    assert code == 0
    assert "GET /login 303" in logged
    assert not any(link.split("token=")[1] in logged for link in links)


def test_a_taken_port(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = call(home, "serve", "--port", port)
        assert refused.returncode == 2
        assert f"Port {port} is taken" in refused.stderr
        refused = call(home, "demo", "--port", port)
        assert refused.returncode == 2
        assert f"Port {port} is taken" in refused.stderr


def test_the_default_port_gives_way(home: Path) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", 8000))
            holder.listen()
        except OSError:
            pass  # somebody else holds it, which does as well
        process, printed = start(home, "demo")
        assert "Port 8000 is taken" in printed
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", printed)
        assert found is not None
        assert 8000 < int(found[1]) <= 8050
        assert end(process)[0] == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "grids.example"])  # noqa: S104
def test_other_machines_are_not_served_while_nobody_could_log_in(home: Path, host: str) -> None:
    refused = call(home, "serve", "--host", host)
    assert refused.returncode == 2
    assert "wangge token create" in refused.stderr
    assert host in refused.stderr


def test_a_map_file_shows_what_its_role_may_see(home: Path) -> None:
    pages = {}
    for role in ("public", "planner", "centre"):
        out = home / f"{role}.html"
        done = call(home, "map", "999901001001", "--out", out, "--role", role)
        assert done.returncode == 0, done.stderr
        pages[role] = out.read_text(encoding="utf-8")
        assert not re.search(r'<(script|link|img)[^>]*(src|href)="(?!data:)', pages[role])
    disabled = rules().groups["disabled"].label["en"]
    assert [disabled in pages[role] for role in pages] == [False, True, True]
    assert call(home, "map", "nowhere", "--out", home / "x.html").returncode == 2
    assert call(home, "map", "999901001001", "--out", home / "none" / "x.html").returncode == 2
    assert not (home / "x.html").exists()


@dataclass
class Example:
    """A line of `curl` on a page of docs/."""

    method: str = "GET"
    address: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    parameters: list[tuple[str, str]] = field(default_factory=list)
    body: str | None = None


def examples(page: Path) -> list[Example]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [read_example(shlex.split(line)[1:]) for line in lines if line.startswith("curl ")]


def read_example(words: list[str]) -> Example:
    example, asked = Example(), iter(words)
    told: list[str] = []
    for word in asked:
        if word == "-X":
            example.method = next(asked)
        elif word == "-H":
            name, value = next(asked).split(": ", 1)
            example.headers[name] = value
        elif word in ("-d", "--data-urlencode"):
            told.append(next(asked))
        elif word == "-o":
            next(asked)
        elif word not in ("-G", "-N"):
            assert word.startswith("http"), word
            example.address = word
    if example.method == "GET":
        example.parameters = [(one.split("=", 1)[0], one.split("=", 1)[1]) for one in told]
    elif told:
        (example.body,) = told
    return example


def test_the_examples_on_the_page_of_the_api_do_what_it_says(home: Path) -> None:
    made = call(home, "token", "create", "--role", "planner", "--name", "street office", "--scope", "999901")
    key = re.search(r"wg_[\w-]+", made.stdout)
    assert key is not None
    process, printed = start(home, "serve", "--port", "0")
    here = re.search(r"http://127\.0\.0\.1:\d+", printed)
    assert here is not None
    asked = 0
    try:
        tag = ""
        for example in examples(Path(__file__).parents[2] / "docs" / "api.md"):
            headers = {
                name: value.replace("$KEY", key[0]).replace('"…"', tag)
                for name, value in example.headers.items()
            }
            address = example.address.replace("http://127.0.0.1:8000", here[0])
            url = httpx.URL(address).copy_merge_params(example.parameters)
            with httpx.stream(
                example.method, url, headers=headers, content=example.body, timeout=30
            ) as answer:
                if address.endswith("/events"):
                    assert answer.headers["content-type"].startswith("text/event-stream")
                else:
                    body = answer.read()
                    assert answer.status_code in (200, 201, 204), (example, body)
                    # each example finds something
                    assert example.method != "GET" or b'"features":[]' not in body, example
                    assert answer.status_code != 204 or example.method == "PATCH", example
                tag = answer.headers.get("etag", tag)
            asked += 1
    finally:
        assert end(process)[0] == 0
    assert asked >= 10


def program(page: str) -> str:
    """The program on a page of the API, without its comments."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    (found,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return re.sub(r"^#.*\n", "", found, flags=re.MULTILINE)


def test_the_notebook_on_the_api_does_what_it_shows(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    made = call(home, "token", "create", "--role", "planner", "--name", "notebook", "--scope", "999901")
    key = re.search(r"wg_[\w-]+", made.stdout)
    assert key is not None
    notebooks = Path(__file__).parents[2] / "notebooks"
    notebook = nbformat.read(notebooks / "05_api.ipynb", as_version=4)
    process, printed = start(home, "serve", "--port", "0")
    try:
        here = re.search(r"http://127\.0\.0\.1:\d+", printed)
        assert here is not None
        monkeypatch.setenv("WANGGE_ADDRESS", here[0])
        monkeypatch.setenv("WANGGE_KEY", key[0])
        monkeypatch.setenv("PYTHONPATH", str(notebooks.parent))
        client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(notebooks)}})
        outputs = [out for cell in client.execute().cells for out in cell.get("outputs", [])]
    finally:
        assert end(process)[0] == 0
    assert not [out for out in outputs if out.get("name") == "stderr"]
    told = "".join(out.get("text", "") for out in outputs)
    assert re.findall(r"^(?:公众|规划) \w+ (\d+)", told, re.M) == ["400", "200"]
    assert "ids all different: True" in told
    pages = re.findall(r"pages of \[([\d, ]+)\]", told)[0].split(", ")
    assert len(pages) > 1
    assert "application/vnd.mapbox-vector-tile" in told
    assert re.findall(r"^(POST|PATCH|DELETE) +(\d+)", told, re.M) == [
        ("POST", "201"),
        ("PATCH", "428"),
        ("PATCH", "204"),
        ("PATCH", "412"),
        ("DELETE", "204"),
    ]
    assert "GET   北门摄像头" in told
    assert told.count("400 filter-property") == 2
    pictures = [out["data"]["image/svg+xml"] for out in outputs if "image/svg+xml" in out.get("data", {})]
    assert len(pictures) == 1
    assert pictures[0].count("<path") >= 15


def test_the_program_on_the_page_of_the_api_does_what_it_says(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program("api.md") == program("api.zh-CN.md")
    for name, planner in (("KEY", "one planner"), ("OTHER_KEY", "another planner")):
        made = call(home, "token", "create", "--role", "planner", "--name", planner, "--scope", "999901")
        key = re.search(r"wg_[\w-]+", made.stdout)
        assert key is not None
        monkeypatch.setenv(name, key[0])
    process, printed = start(home, "serve", "--port", "0")
    try:
        here = re.search(r"http://127\.0\.0\.1:\d+", printed)
        assert here is not None
        headers = {"Authorization": f"Bearer {os.environ['KEY']}", "Content-Type": "application/geo+json"}
        camera = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [111.319, 31.174]},
            "properties": {"code": "C-1", "name": "东门", "kind": "camera", "community": sample.ID},
        }
        made_one = httpx.post(f"{here[0]}/collections/facilities/items", json=camera, headers=headers)
        assert made_one.status_code in (201, 409)  # another test made it
        told: dict[str, Any] = {}
        exec(program("api.md").replace("http://127.0.0.1:8000", here[0]), told)  # noqa: S102  # our own page's
        try:
            assert len({one["id"] for one in told["found"]}) == len(told["found"]) > 200
            assert told["api"].get(told["camera"]).json()["properties"]["name"].endswith("（西）")
            assert told["api"].get(told["plan"]).json()["status"] == "published"
        finally:
            told["api"].close()
            told["other"].close()
    finally:
        assert end(process)[0] == 0
