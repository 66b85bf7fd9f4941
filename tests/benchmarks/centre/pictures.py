"""The pictures of docs/centre.md: the page of the sample community, as the centre sees it.

python -m tests.benchmarks.centre.pictures
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import expect

from service import db
from service.access import Principal, Role
from service.demo import prepare
from service.postgres.cluster import Cluster
from tests.benchmarks.centre.page import serving
from tests.browser import Trouble, chromium, closed_page

IMAGES = Path(__file__).parents[3] / "docs" / "images"
QUALITY = 72
# name, window, address; the grid with most cases is 012
# the sample's times as they are stored, so that pictures and pages tell the same dates
UNTIL = datetime(2026, 10, 31, 16, tzinfo=UTC)
VIEWS = (
    ("centre-heat", (1280, 720), ""),
    ("centre-grids", (1280, 720), "theme=grids&rate=households&grid={division}012"),
    ("centre-wall", (1920, 1080), "wall=1&theme=grids&previous=true"),
)


@contextmanager
def sample() -> Iterator[tuple[db.Database, str]]:
    """A database with the sample community, divided and published; and its code."""
    with tempfile.TemporaryDirectory(prefix="wangge-pictures-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        with Cluster(root / "state", root / "run").running() as running:
            running.create_database("pictures")
            opened = db.Database(
                db.open_owner(running.url("owner", "pictures")), db.open_app(running.url("app", "pictures"))
            )
            db.migrate(opened.owner)
            yield opened, prepare(opened, quietly, UNTIL).division
            opened.owner.dispose()
            opened.app.dispose()


@contextmanager
def quietly(_: str) -> Iterator[object]:
    """A step of the demo, without a word."""
    yield lambda *_: None


def main() -> None:
    """Take the pictures in both languages."""
    with sample() as (database, division), serving(database) as (address, accounts), chromium() as browser:
        for lang in ("zh", "en"):
            for name, (width, height), query in VIEWS:
                token = accounts.invite(Principal(Role.CENTRE, subject="pictures"))
                with closed_page(browser, Trouble(), width, height) as page:
                    page.goto(f"{address}/login?token={token}")
                    page.goto(f"{address}/centre/{division}?lang={lang}&{query.format(division=division)}")
                    expect(page.locator(".cc-figure")).not_to_have_count(0)
                    expect(page.locator("#cc-legend li")).not_to_have_count(0)
                    page.wait_for_timeout(1500)
                    path = IMAGES / f"{name}-{lang}.jpg"
                    page.screenshot(path=path, type="jpeg", quality=QUALITY)


if __name__ == "__main__":
    main()
