"""The centre's page in Chromium, a million cases in the database: its weight, when it is drawn, how it pans.

    python -m tests.benchmarks.centre.page

Two processors for all of it: server, PostgreSQL and browser. `first`: the browser and the server have just
started, and the page is asked for at once, or when the server has made itself ready. All figures are medians
of RUNS visits, each with an empty cache: of a community, and of a street office to whose 25 communities all
the cases belong.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page
from rich.console import Console
from rich.table import Table

from service import db
from service.access import Principal, Role
from service.identity.accounts import Accounts
from service.main import create_app
from service.postgres.cluster import Cluster
from service.web.serving import make_server
from tests.benchmarks.service import ground
from tests.benchmarks.service.processes import ours
from tests.browser import Trouble, chromium, closed_page

PROCESSORS = 2
COMMUNITIES = 25
CASES = 1_000_000
RUNS = 5
PATIENCE_S = 60.0
READY_S = 3.0  # by when a server has made itself ready for the first page
PAN_STEPS = 90
SLOW_MS = 34.0  # a frame longer than two of sixty a second is seen as a jerk


@dataclass(frozen=True)
class Visit:
    """One visit. Bytes as sent and as decoded until all is drawn; milliseconds from the click; frames of a
    drag across the map.
    """

    sent: int
    decoded: int
    requests: int
    drawn_ms: float
    frames_ms: tuple[float, ...]

    @property
    def slow(self) -> float:
        """The share of frames that are seen as a jerk."""
        return sum(frame > SLOW_MS for frame in self.frames_ms) / max(1, len(self.frames_ms))


@contextmanager
def city(communities: int, cases: int) -> Iterator[db.Database]:
    """A database with a city in it, in a cluster of its own."""
    with tempfile.TemporaryDirectory(prefix="wangge-page-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        with Cluster(root / "state", root / "run").running() as running:
            running.create_database("page")
            opened = db.Database(
                db.open_owner(running.url("owner", "page")), db.open_app(running.url("app", "page"))
            )
            db.migrate(opened.owner)
            ground.fill(opened.owner, communities, cases)
            yield opened
            opened.owner.dispose()
            opened.app.dispose()


@contextmanager
def serving(database: db.Database) -> Iterator[tuple[str, Accounts]]:
    """The service on a port of loopback, in this process."""
    accounts = Accounts(database.app)
    app = create_app(database, accounts=accounts)
    server = make_server(app)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}", accounts
        finally:
            app.state.workshop.close()
            server.should_exit = True
            thread.join()


@contextmanager
def started(database: db.Database) -> Iterator[str]:
    """A server process of its own, as `wangge serve` starts it; its address."""
    with ours("wangge", database.app.url, database.owner.url) as server:
        yield f"http://127.0.0.1:{server.port}"


def visit(browser: Browser, address: str, accounts: Accounts, path: str) -> Visit:
    """Open the page with an empty cache, wait until it is drawn, and drag the map."""
    token = accounts.invite(Principal(Role.CENTRE, subject="benchmark"))
    with closed_page(browser, Trouble(), 1920, 1080) as page:
        page.goto(f"{address}/login?token={token}")
        told = {"sent": 0, "decoded": 0, "requests": 0}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        session.on("Network.loadingFinished", lambda event: add(told, "sent", event["encodedDataLength"]))
        session.on("Network.dataReceived", lambda event: add(told, "decoded", event["dataLength"]))
        session.on("Network.requestWillBeSent", lambda _: add(told, "requests", 1))
        page.goto(f"{address}{path}?lang=zh")
        drawn = wait_drawn(page)
        weight = dict(told)
        return Visit(weight["sent"], weight["decoded"], weight["requests"], drawn, drag(page))


def add(told: dict[str, int], name: str, much: float) -> None:
    """Count."""
    told[name] += int(much)


def wait_drawn(page: Page) -> float:
    """Milliseconds from the navigation until the page says that all is drawn."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        marks = page.evaluate("performance.getEntriesByName('centre-drawn').map(mark => mark.startTime)")
        if marks:
            return float(marks[0])
        page.wait_for_timeout(20)
    raise TimeoutError("the page was not drawn")


def drag(page: Page) -> tuple[float, ...]:
    """Milliseconds of each frame while the map is dragged to and fro."""
    page.evaluate(
        """() => { window.frames_ms = []; let last = performance.now(); window.watching = true;
           const step = now => { window.frames_ms.push(now - last); last = now;
             if (window.watching) requestAnimationFrame(step); };
           requestAnimationFrame(step); }"""
    )
    page.mouse.move(900, 600)
    page.mouse.down()
    for step in range(PAN_STEPS):
        away = step if step < PAN_STEPS / 2 else PAN_STEPS - step
        page.mouse.move(900 + 5 * away, 600 - 3 * away)
    page.mouse.up()
    told: list[float] = page.evaluate("() => { window.watching = false; return window.frames_ms.slice(2); }")
    return tuple(told)


def summary(name: str, visits: list[Visit]) -> list[str]:
    """A line of the table."""
    frames = sorted(frame for one in visits for frame in one.frames_ms)
    return [
        name,
        f"{statistics.median(one.requests for one in visits):.0f}",
        f"{statistics.median(one.sent for one in visits) / 1e6:.2f}",
        f"{statistics.median(one.decoded for one in visits) / 1e6:.2f}",
        f"{statistics.median(one.drawn_ms for one in visits) / 1e3:.2f}",
        f"{statistics.median(frames):.1f}",
        f"{frames[int(0.95 * (len(frames) - 1))]:.1f}",
        f"{100 * statistics.mean(one.slow for one in visits):.1f}",
    ]


def main(arguments: list[str] | None = None) -> None:
    """Make the city, visit its pages, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--communities", type=int, default=COMMUNITIES)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--runs", type=int, default=RUNS)
    asked = parser.parse_args(arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    community = ground.code_of(0)
    table: Any = Table(
        title=f"{asked.cases:,} cases, {asked.communities} communities; {PROCESSORS} processors"
    )
    for head in (
        "page",
        "requests",
        "MB sent",
        "MB decoded",
        "drawn, s",
        "frame, ms",
        "95 %",
        "over 34 ms, %",
    ):
        table.add_column(head, justify="left" if head == "page" else "right")
    with city(asked.communities, asked.cases) as database:
        accounts = Accounts(database.app)
        for name, wait in (("a community, first, at once", 0.0), (f"…, after {READY_S:g} s", READY_S)):
            visits = []
            for _ in range(asked.runs):
                with started(database) as address, chromium() as browser:
                    time.sleep(wait)
                    visits.append(visit(browser, address, accounts, f"/centre/{community}"))
            table.add_row(*summary(name, visits))
        with started(database) as address, chromium() as browser:
            for name, code in (("a community", community), ("a street office", community[:9])):
                visits = [visit(browser, address, accounts, f"/centre/{code}") for _ in range(asked.runs + 1)]
                table.add_row(*summary(name, visits[1:]))  # the first is told above
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
