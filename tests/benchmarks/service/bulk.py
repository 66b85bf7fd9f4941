"""Much at once, by the clock: cases one by one and in batches, files of cases, a whole layer."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from sqlalchemy import URL

from tests.benchmarks.service.ground import CATEGORIES, COLUMNS, GRID_M, ROWS, Ground, across, to_degrees
from tests.benchmarks.service.processes import Meter, Server

POSTS = 1_600
CONNECTIONS = 8
BATCH = 5_000
FILE = 200_000
CASES = "/collections/cases/items"


def _points(ground: Ground, count: int, seed: int) -> Any:
    """Points anywhere in the whole rows of communities."""
    wide = across(ground.communities)
    extent = np.array([wide * COLUMNS, ground.communities // wide * ROWS]) * GRID_M
    return np.array(to_degrees(np.random.default_rng(seed).uniform(1, extent - 1, (count, 2))))


def _feature(point: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": point.tolist()},
        "properties": {"category": "路灯损坏"},
    }


def posts(
    server: Server, meter: Meter, headers: Mapping[str, str], ground: Ground
) -> Iterator[tuple[str, str, str, str]]:
    """Cases one by one over several connections, then in batches."""
    headers = {**headers, "Content-Type": "application/geo+json"}

    def send(bodies: list[bytes]) -> None:
        connection = server.connect()
        for body in bodies:
            connection.request("POST", CASES, body, headers)
            answer = connection.getresponse()
            told = answer.read()
            if answer.status != 201:
                raise ValueError(f"{answer.status}: {told[:300]!r}")

    singles = [json.dumps(_feature(point)).encode() for point in _points(ground, POSTS, 3)]
    send(singles[: POSTS // 4])  # the places of buildings are then at hand
    spent, begun = meter.seconds() + server.seconds(), time.perf_counter()
    shares = [singles[start::CONNECTIONS] for start in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, shares))
    seconds = time.perf_counter() - begun
    spent = meter.seconds() + server.seconds() - spent
    yield (
        f"cases posted one by one, {CONNECTIONS} connections",
        f"{1000 * spent / POSTS:.2f}",
        "200/s",
        f"{POSTS / seconds:,.0f}/s",
    )
    features = [_feature(point) for point in _points(ground, 2 * BATCH, 4)]
    whole = [
        json.dumps({"type": "FeatureCollection", "features": features[first : first + BATCH]}).encode()
        for first in (0, BATCH)
    ]
    spent, begun = meter.seconds() + server.seconds(), time.perf_counter()
    send(whole)
    seconds = time.perf_counter() - begun
    spent = meter.seconds() + server.seconds() - spent
    yield (
        f"cases posted in batches of {BATCH:,}",
        f"{1000 * spent / (2 * BATCH):.3f} a case",
        "2,000/s",
        f"{2 * BATCH / seconds:,.0f}/s",
    )


def imported(app: URL, owner: URL, folder: Path, ground: Ground) -> Iterator[tuple[str, str, str, str]]:
    """A file of cases through `wangge cases import`, from the start of the command to its end."""
    path = folder / "cases.csv"
    points = _points(ground, FILE, int(time.time()))
    mark = f"F{int(time.time())}"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("case_id", "category", "time", "status", "lon", "lat"))
        for number, (x, y) in enumerate(points):
            minute = f"2026-03-{1 + number % 28:02d} {number % 24:02d}:{number % 60:02d}:00"
            row = (f"{mark}-{number}", CATEGORIES[number % 6], minute, "办结", f"{x:.7f}", f"{y:.7f}")
            writer.writerow(row)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("WANGGE_")},
        "WANGGE_DATABASE_URL": app.render_as_string(hide_password=False),
        "WANGGE_OWNER_DATABASE_URL": owner.render_as_string(hide_password=False),
    }
    command = [str(Path(sys.executable).with_name("wangge")), "cases", "import", str(path)]
    meter = Meter.of(folder / "state")
    spent, begun = meter.seconds(), time.perf_counter()
    before = os.times()
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere) as process:  # noqa: S603
        while process.poll() is None:
            meter.seconds()  # of a connection that has ended nothing would be known
            time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"the import ended with {process.returncode}")
    after = os.times()
    seconds = time.perf_counter() - begun
    cpu = meter.seconds() - spent + after.children_user - before.children_user
    cpu += after.children_system - before.children_system
    yield (
        f"file of {FILE:,} cases imported",
        f"{1000 * cpu / FILE:.3f} a case",
        "50,000/s",
        f"{FILE / seconds:,.0f}/s",
    )


def whole_layer(server: Server, collection: str) -> tuple[float, float, int]:
    """Seconds for all features as GeoJSON, how many MB the server grew at most, and how many came."""
    process = psutil.Process(server.pid)
    before = most = process.memory_info().rss
    done = threading.Event()

    def look() -> None:
        nonlocal most
        while not done.wait(0.05):
            most = max(most, process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    begun = time.perf_counter()
    connection = server.connect()
    connection.request("GET", f"/collections/{collection}/export?f=geojson")
    answer = connection.getresponse()
    if answer.status != 200:
        raise ValueError(f"{answer.status}: {answer.read()[:300]!r}")
    while answer.read(1 << 20):
        pass
    seconds = time.perf_counter() - begun
    done.set()
    looking.join()
    return seconds, (most - before) / 1e6, int(answer.headers["OGC-NumberMatched"])
