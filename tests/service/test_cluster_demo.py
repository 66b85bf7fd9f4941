"""`wangge demo` and what it leaves behind: nothing, however it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.postgres.cluster import Cluster
from service.postgres.cluster_files import processes_in

pytestmark = [pytest.mark.long, pytest.mark.database]

SECONDS = 120
WANGGE = Path(sys.executable).with_name("wangge")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """State that the demos of this module share, where the server's user may enter."""
    made = Path(tempfile.mkdtemp(prefix="wangge-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANGGE_")}
    return kept | {"WANGGE_STATE_DIR": str(folder / "state"), "WANGGE_RUNTIME_DIR": str(folder / "run")}


def servers(folder: Path) -> list[int]:
    return processes_in(Cluster(folder / "state", folder / "run").data)


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A demo in a process group of its own, as a terminal starts it, and the address of its map."""
    process = subprocess.Popen(  # noqa: S603
        [WANGGE, "demo", "--port", "0", "--no-browser"],
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"http://127\.0\.0\.1:\d+/maps/\S+", line)
        if found:
            return process, found[0]
    pytest.fail(f"the demo ended with {process.wait(SECONDS)}")


def test_once_writes_its_files_and_ends(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [WANGGE, "demo", "--once", "--out", tmp_path / "out"],
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "map.html",
        "plan.gpkg",
        "report.json",
    ]
    assert servers(folder) == []


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_by_a_signal(folder: Path, wanted: signal.Signals) -> None:
    process, address = start(folder)
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310
        assert answer.status == 200
    assert servers(folder)
    os.killpg(process.pid, wanted)
    process.communicate(timeout=SECONDS)
    assert servers(folder) == []
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=5)  # noqa: S310


def test_killed_and_started_again(folder: Path) -> None:
    process, _ = start(folder)
    process.kill()
    process.communicate()
    assert servers(folder)
    process, address = start(folder)
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310
        assert answer.status == 200
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=SECONDS)
    assert servers(folder) == []
