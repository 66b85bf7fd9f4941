"""A private server with its own database, keys to it, and what its processes use."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

HOST = "127.0.0.1"
START_SECONDS = 300
TIMEOUT_SECONDS = 60
IDLE_SECONDS = 3
ROLES = ("consumer", "centre", "planner", "admin")
TICKS = os.sysconf("SC_CLK_TCK")


class RefusedError(Exception):
    """An answer that is none of those expected."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]


class Client:
    """One connection, opened again when it breaks."""

    def __init__(self, port: int, keys: dict[str, str]) -> None:
        self.keys = keys
        self._asked = 0.0
        self._connection = HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)

    def ask(
        self,
        path: str,
        *,
        role: str = "public",
        method: str = "GET",
        body: bytes | None = None,
        media: str = "application/json",
        expected: tuple[int, ...] = (200,),
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Ask as the role. RefusedError: another status than expected."""
        given = {} if body is None else {"Content-Type": media}
        if role != "public":
            given["Authorization"] = f"Bearer {self.keys[role]}"
        if time.monotonic() - self._asked > IDLE_SECONDS:
            self._connection.close()  # the server may be about to do so
        self._connection.request(method, path, body, {**given, **(headers or {})})
        answer = self._connection.getresponse()
        told = answer.read()
        self._asked = time.monotonic()
        if answer.status not in expected:
            raise RefusedError(f"{answer.status} {method} {path}: {told[:200].decode(errors='replace')}")
        return Answer(answer.status, told, {name.lower(): value for name, value in answer.getheaders()})

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._connection.close()


@dataclass(frozen=True)
class Use:
    """What one kind of process uses: memory of its own in megabytes, and seconds of CPU since it began."""

    memory: float
    seconds: float


@dataclass
class Server:
    """A running server: its process, port, the community that it shows, and keys by role."""

    pid: int
    port: int
    community: str
    data: Path
    keys: dict[str, str] = field(default_factory=dict)

    def client(self) -> Client:
        """A new connection."""
        return Client(self.port, self.keys)

    def uses(self) -> dict[str, Use]:
        """What the server, its worker with the run's process, and PostgreSQL use now."""
        parents = {pid: parent for pid in _processes() if (parent := _parent(pid)) is not None}
        below = {pid for pid in parents if _is_below(pid, self.pid, parents)}
        database = set()
        with suppress(OSError, IndexError, ValueError):
            postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
            database = {pid for pid in parents if _is_below(pid, postmaster, parents)} | {postmaster}
        return {"server": _use({self.pid}), "worker": _use(below), "PostgreSQL": _use(database)}


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def _parent(pid: int) -> int | None:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def _is_below(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def _use(pids: set[int]) -> Use:
    memory = seconds = 0.0
    for pid in pids:
        with suppress(OSError):  # it ended meanwhile
            # shared memory is counted nowhere: PostgreSQL's is fixed, and would be counted for each process
            found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            memory += int(found[1]) / 1024 if found else 0.0
            # with that of its children that have ended: backends come and go
            seconds += sum(int(word) for word in words[11:15]) / TICKS
    return Use(memory, seconds)


@contextmanager
def demo() -> Iterator[Server]:
    """`wangge demo` with its own state, started for the second time; stopped afterwards as by Ctrl-C.

    Prints how long both starts took to a served page.
    """
    folder = Path(tempfile.mkdtemp(prefix="wangge-load-"))
    folder.chmod(0o755)  # root's PostgreSQL is another user
    try:
        for run in ("first", "warm"):
            began = time.monotonic()
            with _running(folder) as server:
                server.client().ask("/")
                sys.stdout.write(f"{run} start to a served page: {time.monotonic() - began:.1f} s\n")
                if run == "warm":
                    server.keys = {role: _make_key(folder, role) for role in ROLES}
                    yield server
    finally:
        shutil.rmtree(folder)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANGGE_")}
    return kept | {"WANGGE_STATE_DIR": str(folder / "state"), "WANGGE_RUNTIME_DIR": str(folder / "run")}


def _wangge() -> str:
    return str(Path(sys.executable).with_name("wangge"))


def _make_key(folder: Path, role: str) -> str:
    command = [_wangge(), "token", "create", "--role", role, "--name", f"load {role}"]
    return subprocess.run(  # noqa: S603
        command,
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout.strip()


@contextmanager
def _running(folder: Path) -> Iterator[Server]:
    command = [_wangge(), "demo", "--port", "0", "--no-browser"]
    process = subprocess.Popen(  # noqa: S603
        command, env=_environment(folder), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        port, community = _announced(process)
        yield Server(process.pid, port, community, folder / "state" / "postgres" / "data")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _announced(process: subprocess.Popen[str]) -> tuple[int, str]:
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        for line in process.stdout or ():
            found = re.search(rf"http://{re.escape(HOST)}:(\d+)/maps/(\S+)", line)
            if found:
                return int(found[1]), found[2]
    finally:
        watchdog.cancel()
    raise SystemExit(f"load: the server did not start (status {process.wait()})")
