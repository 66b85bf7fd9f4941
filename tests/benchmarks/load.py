"""A bounded load on a private server on loopback: `make load` (ARGS="--requests 2000 --rate 150").

Starts `wangge demo` with a database of its own in a temporary folder, sends a fixed mix of reads at a fixed
rate, and stops everything. Prints latencies, counted from when a request was due, and the memory of the
server before and after. Ends with 1 if any request failed.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

HOST = "127.0.0.1"
START_SECONDS = 300
TIMEOUT_SECONDS = 30
WARM_UP = 20


@dataclass(frozen=True)
class Server:
    """A running server: its process, port, and the community it shows."""

    pid: int
    port: int
    community: str

    def get(self, connection: HTTPConnection, path: str) -> bytes:
        """The body of `path`. Raises ValueError on any status but 200."""
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(f"{answer.status} {path}")
        return body

    def resident_mb(self) -> float:
        """Resident memory of the process in megabytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


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
                server.get(HTTPConnection(HOST, server.port, timeout=TIMEOUT_SECONDS), "/")
                sys.stdout.write(f"{run} start to a served page: {time.monotonic() - began:.1f} s\n")
                if run == "warm":
                    yield server
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(folder: Path) -> Iterator[Server]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANGGE_")}
    environment |= {"WANGGE_STATE_DIR": str(folder / "state"), "WANGGE_RUNTIME_DIR": str(folder / "run")}
    command = [str(Path(sys.executable).with_name("wangge")), "demo", "--port", "0", "--no-browser"]
    process = subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield _announced(process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _announced(process: subprocess.Popen[str]) -> Server:
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        for line in process.stdout or ():
            found = re.search(rf"http://{re.escape(HOST)}:(\d+)/maps/(\S+)", line)
            if found:
                return Server(process.pid, int(found[1]), found[2])
    finally:
        watchdog.cancel()
    raise SystemExit(f"load: the server did not start (status {process.wait()})")


def plan_requests(server: Server, count: int, seed: int) -> list[tuple[str, str]]:
    """A fixed mix of `count` reads, each with the name of its kind."""
    connection = HTTPConnection(HOST, server.port, timeout=TIMEOUT_SECONDS)
    buildings = json.loads(server.get(connection, "/collections/buildings/items?limit=100"))["features"]
    connection.close()
    corners = [_points(building["geometry"]["coordinates"]) for building in buildings]
    points = [point for ring in corners for point in ring]
    west, south = (min(axis) for axis in zip(*points, strict=True))
    east, north = (max(axis) for axis in zip(*points, strict=True))
    rng = random.Random(seed)  # noqa: S311

    def anywhere() -> tuple[float, float]:
        return rng.uniform(west, east), rng.uniform(south, north)

    def items(collection: str) -> str:
        x, y = anywhere()
        width, height = (east - west) / 4, (north - south) / 4
        box = ",".join(f"{value:.6f}" for value in (x - width, y - height, x + width, y + height))
        return f"/collections/{collection}/items?bbox={box}&limit={rng.choice((10, 50, 100))}"

    def place() -> str:
        x, y = rng.choice(rng.choice(corners))
        return f"/locate?lon={x:.7f}&lat={y:.7f}"

    kinds: dict[str, tuple[int, Callable[[], str]]] = {
        "collections": (5, lambda: "/collections"),
        "grids": (20, lambda: items("grids")),
        "buildings": (25, lambda: items("buildings")),
        "streets": (5, lambda: items("streets")),
        "facilities": (10, lambda: items("facilities")),
        "locate": (25, place),
        "map": (5, lambda: f"/maps/{server.community}"),
        "healthz": (5, lambda: "/healthz"),
    }
    names = rng.choices(list(kinds), [weight for weight, _ in kinds.values()], k=count)
    return [(name, kinds[name][1]()) for name in names]


def _points(coordinates: list[object]) -> list[tuple[float, float]]:
    if coordinates and isinstance(coordinates[0], float | int):
        return [(coordinates[0], coordinates[1])]  # type: ignore[list-item]
    return [point for part in coordinates for point in _points(part)]  # type: ignore[arg-type]


@dataclass
class Outcome:
    """Latencies in seconds by kind, and what failed."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def send(server: Server, requests: list[tuple[str, str]], rate: float, threads: int) -> Outcome:
    """Send `requests` at `rate` a second over `threads` connections; being late counts as latency."""
    outcome = Outcome()
    waiting: queue.SimpleQueue[tuple[int, str, str]] = queue.SimpleQueue()
    for number, (kind, path) in enumerate(requests):
        waiting.put((number, kind, path))
    began = time.monotonic()

    def work() -> None:
        connection = HTTPConnection(HOST, server.port, timeout=TIMEOUT_SECONDS)
        while True:
            try:
                number, kind, path = waiting.get_nowait()
            except queue.Empty:
                break
            due = began + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                server.get(connection, path)
            except (OSError, HTTPException, ValueError) as error:
                connection.close()
                with outcome.lock:
                    outcome.failures.append(f"{path}: {error!r}")
            else:
                with outcome.lock:
                    outcome.latencies[kind].append(time.monotonic() - due)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return outcome


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> int:
    """Run the load; 1 if any request failed."""
    parser = argparse.ArgumentParser(prog="make load ARGS=…", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    with demo() as server:
        requests = plan_requests(server, wanted.requests, wanted.seed)
        send(server, requests[:WARM_UP], wanted.rate, 1)
        before = server.resident_mb()
        began = time.monotonic()
        outcome = send(server, requests, wanted.rate, wanted.threads)
        seconds = time.monotonic() - began
        after = server.resident_mb()
    for line in report(len(requests), seconds, outcome):
        sys.stdout.write(line + "\n")
    sys.stdout.write(f"memory of the server: {before:.0f} MB before, {after:.0f} MB after\n")
    for failure in outcome.failures[:10]:
        sys.stderr.write(f"failed: {failure}\n")
    return 1 if outcome.failures else 0


def report(count: int, seconds: float, outcome: Outcome) -> Iterator[str]:
    """The figures, a line each."""
    failed = len(outcome.failures)
    rate = count / seconds
    yield f"{count} requests in {seconds:.1f} s ({rate:.0f}/s), {failed} failed ({failed / count:.2%})"
    yield f"{'':12} {'requests':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}"
    every = [latency for values in outcome.latencies.values() for latency in values]
    for kind, values in [*sorted(outcome.latencies.items()), ("all", every)]:
        if values:
            figures = " ".join(f"{1000 * quantile(values, share):8.1f}" for share in (0.5, 0.95, 0.99))
            yield f"{kind:12} {len(values):8} {figures}"


if __name__ == "__main__":
    sys.exit(main())
