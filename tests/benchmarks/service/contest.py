"""Who answers the same question at what cost: contestants take turns, and medians of rounds are told."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import cycle
from typing import Any

import psycopg
from psycopg.adapt import Loader
from psycopg.pq import Format

from tests.benchmarks.service.processes import Meter, Server, ask

ROUNDS = 5


class _Raw(Loader):
    """Text as the bytes that came."""

    format = Format.BINARY

    def load(self, data: Any) -> bytes:
        return bytes(data)


@dataclass
class Contestant:
    """Asks by `once`, so many times a round; `server`: the process that answers besides PostgreSQL, if any.

    before: what is done ahead of each round, outside of the measure.
    """

    name: str
    once: Callable[[], int]
    times: int
    server: Server | None = None
    before: Callable[[], None] | None = None


@dataclass(frozen=True)
class Spent:
    """Processor milliseconds of one request: medians of what the server took, PostgreSQL, and both."""

    server: float
    database: float
    whole: float

    def __str__(self) -> str:
        parts = f" ({self.server:.2f} + {self.database:.2f})" if self.server else ""
        return f"{self.whole:.2f}{parts}"


def measure(contestants: Sequence[Contestant], meter: Meter, rounds: int = ROUNDS) -> dict[str, Spent]:
    """What one request of each takes."""
    found: dict[str, list[tuple[float, float]]] = {one.name: [] for one in contestants}
    for _ in range(rounds):
        for one in contestants:
            if one.before is not None:
                one.before()
            else:
                for _ in range(min(3, one.times)):
                    one.once()
            server, database = _spent(one, meter)
            for _ in range(one.times):
                one.once()
            after = _spent(one, meter)
            each = 1000 / one.times
            found[one.name].append((each * (after[0] - server), each * (after[1] - database)))
    return {
        name: Spent(*(statistics.median(part) for part in (*zip(*rows, strict=True), map(sum, rows))))
        for name, rows in found.items()
    }


def _spent(one: Contestant, meter: Meter) -> tuple[float, float]:
    return one.server.seconds() if one.server else 0.0, meter.seconds()


def request(
    server: Server,
    paths: Sequence[str],
    headers: Mapping[str, str] | None = None,
    statuses: Sequence[int] = (200,),
) -> Callable[[], int]:
    """Asks the server for one path after another over one connection; returns the size of the answer."""
    turns, connection = cycle(paths), server.connect()

    def once() -> int:
        return len(ask(connection, next(turns), headers or {}, statuses)[1])

    return once


def conditional(server: Server, paths: Sequence[str]) -> Callable[[], int]:
    """Asks anew for what it has: with the ETag that came."""
    connection: HTTPConnection = server.connect()
    tags = {path: ask(connection, path, {})[2]["ETag"] for path in paths}
    turns = cycle(paths)

    def once() -> int:
        path = next(turns)
        return len(ask(connection, path, {"If-None-Match": tags[path]}, (304,))[1])

    return once


def statement(
    connection: psycopg.Connection[Any], sql: str, parameters: Sequence[Mapping[str, object]]
) -> Callable[[], int]:
    """Runs a prepared statement with one set of values after another; returns the size of what came."""
    turns = cycle(parameters)
    cursor = connection.cursor(binary=True)
    cursor.adapters.register_loader("text", _Raw)

    def once() -> int:
        row = cursor.execute(sql, next(turns), prepare=True).fetchone()
        return len(row[0]) if row and row[0] else 0

    return once
