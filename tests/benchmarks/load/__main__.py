"""36,000 mixed requests in five minutes on a private server on loopback: `make load`.

Starts `wangge demo` with a database of its own in a temporary folder, sends a fixed mix of reads, tiles,
writes and edits at a fixed rate (ARGS="--requests 2000 --rate 150"), while clients listen to its events and
its worker makes a plan, and stops everything. Prints latencies, counted from when a request was due, and
memory and CPU of all processes. Ends with 1 if any request failed, an event was not told, the run did not
succeed, or memory grew.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import re
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from socket import SHUT_RDWR

from .mix import Mix
from .server import HOST, RefusedError, Server, Use, demo

WARM_UP = 300
QUIET_S = 15.0
GROWTH = 1.1


@dataclass
class Outcome:
    """Latencies in seconds by kind, and what failed."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Ear:
    """A client that listens to events until it is closed, and keeps which cases it was told of."""

    def __init__(self, server: Server) -> None:
        self.heard: set[str] = set()
        self.broken = ""
        self._connection = HTTPConnection(HOST, server.port, timeout=60)
        self._connection.request(
            "GET", "/events", headers={"Authorization": f"Bearer {server.keys['centre']}"}
        )
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while line := self._answer.readline():
                self.heard.update(_names(line))
            self.broken = "" if self._ending.is_set() else "the stream ended"
        except (OSError, HTTPException) as error:
            self.broken = "" if self._ending.is_set() else repr(error)

    def close(self) -> None:
        """Hang up."""
        self._ending.set()
        with suppress(OSError):
            self._socket.shutdown(SHUT_RDWR)
        self._thread.join()
        self._connection.close()


def _names(line: bytes) -> list[str]:
    return [name.decode() for name in re.findall(rb'"case_id": ?"(load-\w+)"', line)]


def send(mix: Mix, count: int, rate: float, threads: int, seed: int) -> Outcome:
    """Send `count` requests at `rate` a second over `threads` connections; being late counts as latency."""
    outcome = Outcome()
    kinds = mix.kinds()
    rng = random.Random(seed)  # noqa: S311
    names = rng.choices(list(kinds), [weight for weight, _ in kinds.values()], k=count)
    waiting: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    for number, name in enumerate(names):
        waiting.put((number, name))
    began = time.monotonic()

    def work(which: int) -> None:
        client = mix.server.client()
        own = random.Random(seed * 1000 + which)  # noqa: S311
        while True:
            try:
                number, name = waiting.get_nowait()
            except queue.Empty:
                break
            due = began + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                kinds[name][1](client, own)
            except (OSError, HTTPException, RefusedError) as error:
                client.close()
                with outcome.lock:
                    outcome.failures.append(f"{name}: {error!r}")
            else:
                with outcome.lock:
                    outcome.latencies[name].append(time.monotonic() - due)
        client.close()

    workers = [threading.Thread(target=work, args=(which,)) for which in range(threads)]
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
    """Run the load; 1 if anything that is promised was not kept."""
    parser = argparse.ArgumentParser(prog="make load ARGS=…", description=__doc__)
    parser.add_argument("--requests", type=int, default=36_000)
    parser.add_argument("--rate", type=float, default=120.0, help="requests a second")
    parser.add_argument("--threads", type=int, default=24)
    parser.add_argument("--listeners", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    with demo() as server:
        mix = Mix.of(server)
        ears = [Ear(server) for _ in range(wanted.listeners)]
        warm = send(mix, WARM_UP, wanted.rate, 4, wanted.seed + 1)
        uses = [("start", server.uses())]
        job = mix.begin_run()
        half = threading.Timer(
            wanted.requests / wanted.rate / 2, lambda: uses.append(("middle", server.uses()))
        )
        half.start()
        began = time.monotonic()
        outcome = send(mix, wanted.requests, wanted.rate, wanted.threads, wanted.seed)
        seconds = time.monotonic() - began
        half.cancel()
        uses.append(("end", server.uses()))
        faults = [*warm.failures, *outcome.failures]
        faults += check_run(server, job)
        faults += check_ears(ears, mix.written)
        faults += check_measures(server, wanted.requests)
        for ear in ears:
            ear.close()
    for line in report(wanted.requests, seconds, outcome):
        sys.stdout.write(line + "\n")
    sys.stdout.write(
        f"{wanted.listeners} listeners were each told of {len(mix.written)} cases; one partition run\n"
    )
    for line in tell_uses(uses, wanted.requests):
        sys.stdout.write(line + "\n")
    faults += check_memory(uses)
    for fault in faults[:10]:
        sys.stderr.write(f"failed: {fault}\n")
    return 1 if faults else 0


def check_run(server: Server, job: str) -> list[str]:
    """The run must have made its plan."""
    client = server.client()
    until = time.monotonic() + QUIET_S
    while True:
        told = json.loads(client.ask(job, role="planner").body)
        if told["status"] not in ("accepted", "running") or time.monotonic() > until:
            client.close()
            return [] if told["status"] == "successful" else [f"run: {told['status']} {told['message']}"]
        time.sleep(0.5)


def check_ears(ears: list[Ear], written: set[str]) -> list[str]:
    """Every listener must have been told of every case."""
    until = time.monotonic() + QUIET_S
    while time.monotonic() < until and any(not ear.heard >= written for ear in ears):
        time.sleep(0.2)
    faults = [f"listener: {ear.broken}" for ear in ears if ear.broken]
    return faults + [
        f"listener: not told of {len(written - ear.heard)} cases" for ear in ears if not ear.heard >= written
    ]


def check_measures(server: Server, count: int) -> list[str]:
    """The server's own count: as many as were sent, and no error of its own."""
    client = server.client()
    told = client.ask("/metrics", role="admin").body.decode()
    client.close()
    answers = re.findall(r'^wangge_requests_total\{.*status="(\d+)"\} (\S+)$', told, re.MULTILINE)
    wrong = sum(float(number) for status, number in answers if status.startswith("5"))
    every = sum(float(number) for _, number in answers)
    faults = [f"measures: {wrong:.0f} answers of 5xx"] if wrong else []
    return faults + ([f"measures: only {every:.0f} requests"] if every < count else [])


def check_memory(uses: list[tuple[str, dict[str, Use]]]) -> list[str]:
    """What server and database hold may not grow from the middle to the end."""
    told = dict(uses)
    if "middle" not in told:
        return []
    return [
        f"memory of {name}: {told['middle'][name].memory:.0f} MB, then {told['end'][name].memory:.0f} MB"
        for name in ("server", "PostgreSQL")
        if told["end"][name].memory > GROWTH * told["middle"][name].memory + 10
    ]


def tell_uses(uses: list[tuple[str, dict[str, Use]]], count: int) -> Iterator[str]:
    """Memory and CPU, a line each."""
    names = list(uses[0][1])
    yield f"{'memory, MB':12} " + " ".join(f"{when:>8}" for when, _ in uses)
    for name in names:
        yield f"{name:12} " + " ".join(f"{use[name].memory:8.0f}" for _, use in uses)
    yield f"{'CPU':12} {'seconds':>8} {'ms each':>8}"
    for name in names:
        spent = uses[-1][1][name].seconds - uses[0][1][name].seconds
        yield f"{name:12} {spent:8.1f} {1000 * spent / count:8.2f}"


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
