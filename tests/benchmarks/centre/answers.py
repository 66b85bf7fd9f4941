"""What the centre's page asks of the server, with a million cases in the database: time, processors, bytes.

    python -m tests.benchmarks.centre.answers

Two processors for the server and PostgreSQL. Each question is asked so that nothing of it is kept (each time
without another hour of the day); `together`: figures and surface at once, as the page asks them; `kept`: the
same again. Medians of RUNS, by the clock and in processor time of server and PostgreSQL. `--first`: only the
first surface of the whole city that a server draws for the public, and the next one; medians of RUNS servers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from service import db
from service.access import Principal, Role
from service.identity.accounts import make_key
from service.postgres.cluster import Cluster
from service.store.accounts import add_key
from tests.benchmarks.pages import renew, table
from tests.benchmarks.service.ground import code_of, fill
from tests.benchmarks.service.processes import Meter, Server, ask, ours

PROCESSORS = 2
COMMUNITIES = 250
CASES = 1_000_000
RUNS = 5
WARM_SECONDS = 5
TENS = 11  # digits that ten of the city's communities share
EVERYTHING = "datetime=2025-01-01/2026-12-31"
ROLES = (Role.CENTRE, Role.PUBLIC)
HEADS = {
    "en": (
        "role",
        "division",
        "time",
        "figures",
        "CPU",
        "kB",
        "surface",
        "CPU",
        "kB",
        "together",
        "CPU",
        "kept",
    ),
    "zh": ("角色", "区划", "时间", "统计", "CPU", "kB", "密度", "CPU", "kB", "同时", "CPU", "再问"),
}
WORDS = {
    "centre": "指挥中心",
    "public": "公众",
    "a community": "一个社区",
    "ten communities": "十个社区",
    "all communities": "全部社区",
    "30 days": "30 天",
    "all times": "全部",
}


@dataclass(frozen=True)
class Spent:
    """Milliseconds by the clock and of processors; bytes as sent (gzip)."""

    clock: float
    processor: float
    sent: int


Start = Callable[[], AbstractContextManager[Server]]


@contextmanager
def city(communities: int, cases: int) -> Iterator[tuple[Start, Meter, dict[Role, dict[str, str]]]]:
    """What starts a server on a city of its own; headers that let each role in."""
    with tempfile.TemporaryDirectory(prefix="wangge-centre-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        with Cluster(root / "state", root / "run").running() as running:
            running.create_database("centre")
            owner, app = running.url("owner", "centre"), running.url("app", "centre")
            engine = db.open_owner(owner)
            db.migrate(engine)
            fill(engine, communities, cases)
            headers: dict[Role, dict[str, str]] = {Role.PUBLIC: {"Accept-Encoding": "gzip"}}
            key, hint = make_key()
            with engine.begin() as connection:
                add_key(
                    connection,
                    key,
                    Principal(Role.CENTRE, ("",), subject="bench"),
                    hint=hint,
                    name="bench",
                    issued_by="bench",
                    expires_at=datetime.now(UTC) + timedelta(days=1),
                )
            headers[Role.CENTRE] = {**headers[Role.PUBLIC], "Authorization": f"Bearer {key}"}
            engine.dispose()
            yield partial(ours, "wangge", app, owner), Meter.of(root / "state"), headers


def spend(
    server: Server, meter: Meter, paths: list[str], headers: dict[str, str], status: int = 200
) -> Spent:
    """What it takes to answer all of these at once."""
    connections = [server.connect() for _ in paths]
    sizes = [0] * len(paths)

    def one(place: int) -> None:
        sizes[place] = len(ask(connections[place], paths[place], headers, (status,))[1])

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(paths))]
    before, began = server.seconds() + meter.seconds(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock = time.perf_counter() - began
    processor = server.seconds() + meter.seconds() - before
    for connection in connections:
        connection.close()
    return Spent(1000 * clock, 1000 * processor, sum(sizes))


def middle(found: list[Spent]) -> Spent:
    """Medians."""
    return Spent(
        statistics.median(one.clock for one in found),
        statistics.median(one.processor for one in found),
        round(statistics.median(one.sent for one in found)),
    )


def measure(server: Server, meter: Meter, headers: dict[Role, dict[str, str]], runs: int) -> list[list[str]]:
    """Rows of the table."""
    rows = []
    divisions = (
        ("a community", code_of(0)),
        ("ten communities", code_of(0)[:TENS]),
        ("all communities", code_of(0)[:4]),
    )
    for role in ROLES:
        for name, code in divisions:
            for span, query in (("30 days", "last=30d"), ("all times", EVERYTHING)):
                asked = {
                    "figures": [f"/centre/{code}/cases?{query}"],
                    "surface": [f"/centre/{code}/surface?{query}"],
                    "together": [f"/centre/{code}/{what}?{query}" for what in ("cases", "surface")],
                }
                # grounds are laid and places of buildings found once for all questions that follow
                spend(server, meter, asked["together"], headers[role])
                cells = [role.value, name, span]
                for what, paths in asked.items():
                    found = []
                    for run in range(runs):
                        fresh = [f"{path}&hours={_all_but(run, what)}" for path in paths]
                        found.append(spend(server, meter, fresh, headers[role]))
                    told = middle(found)
                    cells += [f"{told.clock:,.0f}", f"{told.processor:,.0f}"]
                    if what != "together":
                        cells.append(f"{told.sent / 1000:,.0f}")
                kept = middle([spend(server, meter, asked["together"], headers[role]) for _ in range(runs)])
                cells.append(f"{kept.clock:,.0f}")
                rows.append(cells)
                sys.stderr.write(f"{cells}\n")
    return rows


def measure_first(start: Start, meter: Meter, headers: dict[str, str], runs: int) -> str:
    """What the first surface of all communities takes, and the next."""
    found: list[list[Spent]] = [[], []]
    for _ in range(runs):
        with start() as server:
            time.sleep(WARM_SECONDS)  # it makes itself ready for the first page meanwhile
            for run, of in enumerate(found):
                path = f"/centre/{code_of(0)[:4]}/surface?{EVERYTHING}&hours={_all_but(run, 'surface')}"
                of.append(spend(server, meter, [path], headers))
    first, next_ = (middle(of) for of in found)
    return (
        f"first {first.clock:,.0f} ms, CPU {first.processor:,.0f} ms; "
        f"next {next_.clock:,.0f} ms, CPU {next_.processor:,.0f} ms"
    )


def _all_but(run: int, what: str) -> str:
    """Hours of the day, all but one: another one for each run, so that nothing is kept of it."""
    hour = 1 + (run + {"figures": 0, "surface": 7, "together": 14}[what]) % 22
    return f"0-{hour},{hour + 1}-24"


def main() -> None:
    """Build the city, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--communities", type=int, default=COMMUNITIES)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--docs", action="store_true", help="renew the tables in docs/")
    parser.add_argument("--first", action="store_true", help="only the first surface of all communities")
    told = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    with city(told.communities, told.cases) as (start, meter, headers):
        if told.first:
            sys.stdout.write(measure_first(start, meter, headers[Role.PUBLIC], told.runs) + "\n")
            return
        with start() as server:
            rows = measure(server, meter, headers, told.runs)
    told_in = {lang: write(rows, lang) for lang in HEADS}
    sys.stdout.write(told_in["en"] + "\n")
    if told.docs:
        renew("centre", "answers", told_in)


def write(rows: list[list[str]], lang: str) -> str:
    """The table in a language."""
    words = WORDS if lang == "zh" else {}
    return table(HEADS[lang], [[words.get(cell, cell) for cell in row] for row in rows], named=3)


if __name__ == "__main__":
    main()
