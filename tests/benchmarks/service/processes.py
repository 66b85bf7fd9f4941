"""The servers that are measured, and what processor time they and PostgreSQL take."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import CannotSendRequest, HTTPConnection
from pathlib import Path
from urllib.parse import quote

import psutil
from sqlalchemy import URL

HOST = "127.0.0.1"
START_SECONDS = 120


@dataclass
class Meter:
    """Processor seconds of PostgreSQL, all of its processes together."""

    postmaster: int
    _gone: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, state: Path) -> Meter:
        """Of the cluster whose state folder that is."""
        pid = next(state.rglob("postmaster.pid")).read_text().split()[0]
        return cls(int(pid))

    def seconds(self) -> float:
        """So far; of processes that have ended, what they had when last looked at."""
        for child in psutil.Process(self.postmaster).children():
            try:
                spent = Path(f"/proc/{child.pid}/schedstat").read_text().split()[0]
            except (FileNotFoundError, ProcessLookupError):
                continue
            self._gone[child.pid] = int(spent) / 1e9
        return sum(self._gone.values())


@dataclass
class Server:
    """A running server: its process and port."""

    name: str
    pid: int
    port: int
    _seen: dict[str, float] = field(default_factory=dict)

    def seconds(self) -> float:
        """Processor seconds so far, of all its threads; of those that have ended, what was last seen."""
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                spent = (thread / "schedstat").read_text().split()[0]
            except (FileNotFoundError, ProcessLookupError):
                continue
            self._seen[thread.name] = int(spent) / 1e9
        return sum(self._seen.values())

    def connect(self) -> HTTPConnection:
        """A connection that is kept."""
        return HTTPConnection(HOST, self.port, timeout=120)


def ask(
    connection: HTTPConnection, path: str, headers: Mapping[str, str], statuses: Sequence[int] = (200,)
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, body and headers. Raises ValueError on a status that is not expected."""
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
    except (ConnectionError, CannotSendRequest):  # it lay idle too long
        connection.close()
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
    body = answer.read()
    if answer.status not in statuses:
        raise ValueError(f"{answer.status} {path}: {body[:300]!r}")
    return answer.status, body, answer.headers


@contextmanager
def ours(name: str, app: URL, owner: URL) -> Iterator[Server]:
    """`wangge serve` on that database; its policies bind the role in `app`."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("WANGGE_")},
        "WANGGE_DATABASE_URL": app.render_as_string(hide_password=False),
        "WANGGE_OWNER_DATABASE_URL": owner.render_as_string(hide_password=False),
        "WANGGE_LANG": "en",
        "WANGGE_RATE": "0",
    }
    command = [str(Path(sys.executable).with_name("wangge")), "serve", "--port", "0"]
    with _running(command, environment) as (process, started):
        for line in process.stdout or ():
            found = re.search(rf"http://{re.escape(HOST)}:(\d+)/", line)
            if found:
                break
        else:
            raise SystemExit(f"{name} did not start (status {process.wait()})")
        started()
        yield Server(name, process.pid, int(found[1]))


@contextmanager
def tipg(database: URL, schema: str, key: str) -> Iterator[Server]:
    """tipg on the views of `schema`, whose column `key` is unique; one process, as ours."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    host = f"{quote(str(database.query['host']), safe='')}:{database.query['port']}"
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{database.username}@{host}/{database.database}",
        "TIPG_DB_SCHEMAS": f'["{schema}"]',
        "TIPG_DB_SPATIAL_EXTENT": "false",
        "TIPG_DB_DATETIME_EXTENT": "false",
        "TIPG_CATALOG_TTL": "86400",
        "TIPG_FALLBACK_KEY_NAMES": f'["{key}"]',
    }
    command = [sys.executable, "-m", "uvicorn", "tipg.main:app", "--host", HOST, "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning"]
    with _running(command, environment) as (process, started):
        server = Server("tipg", process.pid, port)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                ask(server.connect(), "/healthz", {})
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit("tipg did not start") from None
                time.sleep(0.2)
            else:
                break
        started()
        yield server


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], Callable[[], None]]]:
    """The process, and what is to be called when it has started: else it is ended in time."""
    process = subprocess.Popen(  # noqa: S603
        command,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the access log is written, not read
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        yield process, watchdog.cancel
    finally:
        watchdog.cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
