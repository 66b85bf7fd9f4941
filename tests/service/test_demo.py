"""`wangge demo`, `serve` and `map` as processes: links, ports, roles, the second run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.privacy.disclosure import rules

pytestmark = pytest.mark.database

SECONDS = 120
WANGGE = Path(sys.executable).with_name("wangge")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """State in which the sample is published; where the server's user may enter."""
    made = Path(tempfile.mkdtemp(prefix="wangge-"))
    made.chmod(0o755)
    done = call(made, "demo", "--once", "--out", made / "out")
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
    process, printed = start(home, "demo", "--port", "0")
    address = re.search(r"http://127\.0\.0\.1:\d+", printed)
    assert address is not None
    assert httpx.get(f"{address[0]}/").status_code == 200
    assert end(process)[0] == 0
    assert call(home, "plans").stdout == before


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
