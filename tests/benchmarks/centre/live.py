"""How soon the centre's page shows a case: from the answer to its report until it stands in the list.

    python -m tests.benchmarks.centre.live

The page is that of a street office to which a million cases belong; server, PostgreSQL and browser share two
processors. Reports come one after another through the API, each somewhere in the first community.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import unquote

import httpx
from rich.console import Console
from sqlalchemy import text

from service.access import Principal, Role
from service.identity.accounts import COOKIE, Accounts, csrf_of
from tests.benchmarks.centre.page import CASES, COMMUNITIES, PROCESSORS, city, serving, wait_drawn
from tests.benchmarks.service import ground
from tests.browser import Trouble, chromium, closed_page

REPORTS = 40
MOST_S = 30.0
PAUSE_S = 1.5  # reports of a busy city, not a flood: those are asked for together


def log_in(address: str, accounts: Accounts) -> httpx.Client:
    """A client of the command centre."""
    client = httpx.Client(base_url=address, timeout=30)
    answer = client.get(
        "/login", params={"token": accounts.invite(Principal(Role.CENTRE, subject="reports"))}
    )
    assert answer.status_code == 303
    client.headers["x-csrf-token"] = csrf_of(client.cookies[COOKIE])
    return client


def report(client: httpx.Client, community: str, lon: float, lat: float) -> str:
    """Report a case now; its id."""
    properties = {
        "community": community,
        "category": "manhole",
        "time": datetime.now(UTC).isoformat(),
        "status": "discovered",
    }
    body = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": properties,
    }
    answer = client.post("/collections/cases/items", json=body)
    answer.raise_for_status()
    return unquote(answer.headers["location"].rpartition("/")[2])


def main(arguments: list[str] | None = None) -> None:
    """Make the city, open the page, report, and print how long each took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--communities", type=int, default=COMMUNITIES)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--reports", type=int, default=REPORTS)
    asked = parser.parse_args(arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    community = ground.code_of(0)
    taken: list[float] = []
    with (
        city(asked.communities, asked.cases) as database,
        serving(database) as (address, accounts),
        chromium() as browser,
        closed_page(browser, Trouble(), 1920, 1080) as page,
    ):
        with database.owner.connect() as connection:
            middle = (
                "select st_x(c), st_y(c) from (select st_centroid(geom) c from divisions where code = :d) m"
            )
            lon, lat = connection.execute(text(middle), {"d": community}).one()
        page.goto(f"{address}/login?token={accounts.invite(Principal(Role.CENTRE, subject='benchmark'))}")
        page.goto(f"{address}/centre/{community[:9]}?lang=zh")
        wait_drawn(page)
        page.wait_for_selector("#cc-live[data-state=live]")
        with closing(log_in(address, accounts)) as client:
            for _ in range(asked.reports):
                case = report(client, community, lon, lat)
                since = time.perf_counter()
                page.wait_for_selector(f".cc-entry[data-id='{case}']", timeout=1000 * MOST_S)
                taken.append(time.perf_counter() - since)
                page.wait_for_timeout(1000 * PAUSE_S)
    taken.sort()
    Console(width=110).print(
        f"{len(taken)} reports among {asked.cases:,} cases, seen after "
        f"{statistics.median(taken):.2f} s (median), {taken[int(0.95 * (len(taken) - 1))]:.2f} s (95 %), "
        f"{taken[-1]:.2f} s (slowest)"
    )


if __name__ == "__main__":
    main()
