"""What a server holds before anybody plans: the solver and its compiler are loaded where plans are made; and
what it makes ready once it answers.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL

from partition.texts import LANGUAGES
from service import db
from service.access import PUBLIC
from service.centre import page as room
from service.centre.page import Pages
from service.centre.place import find_division
from service.centre.surface import Grounds
from service.maps.community import introduce, one_state
from service.postgres.cluster import Cluster
from service.upkeep import warming
from service.upkeep.warming import Warming

from .api import Served
from .towns import CODE

HEAVY = {"numba", "highspy", "partition.solver.refine", "matplotlib", "folium"}


def loaded(after: str) -> str:
    """Which of the heavy modules a process has loaded that did `after`."""
    code = f"import sys; {after}; print(sorted({HEAVY!r} & set(sys.modules)))"
    told = subprocess.run(  # noqa: S603  # our own words
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def test_the_server_starts_without_the_solver() -> None:
    assert loaded("import service.main, service.upkeep.warming") == "[]"


def test_what_is_made_ready_holds_no_compiler_either() -> None:
    steps = "warming.draw_a_page(); warming.spread_a_case()"
    assert loaded(f"from service.upkeep import warming; {steps}") == "['folium']"


def ended(database: db.Database, pages: Pages, caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What is logged of a warming that comes to its end."""
    made = Warming(database, pages, Grounds())
    with caplog.at_level(logging.INFO, "service"):
        made.begin()
        made._thread.join()
    made.close()
    return [line for line in caplog.records if line.name.startswith("service.")]


@pytest.mark.database
def test_the_first_page_is_there_before_anybody_asks(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = Pages()
    [line] = ended(served.database, pages, caplog)
    assert line.name == "service.upkeep.warming"
    assert line.levelno == logging.INFO
    assert line.facts["missed"] == []  # type: ignore[attr-defined]
    monkeypatch.setattr(room, "open_page", None)  # it would be made anew
    with one_state(served.database.app) as connection:
        introduce(connection, PUBLIC)
        division = find_division(connection, PUBLIC, CODE)
        html = pages.page(connection, PUBLIC, division, f"/centre/{CODE}", LANGUAGES[0])
    assert "centre.js" in html


def test_a_database_that_is_away_is_told_in_the_one_line(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = URL.create("postgresql+psycopg", "wangge_app", host="127.0.0.1", port=1, database="none")
    away = db.Database(db.open_owner(nowhere), db.open_app(nowhere))
    [line] = ended(away, Pages(), caplog)
    assert line.facts["missed"] == ["ask_keys: OperationalError", "ask: OperationalError"]  # type: ignore[attr-defined]
    assert line.exc_info is None


def test_once_closed_nothing_more_is_begun(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def draw() -> None:
        begun.set()
        go_on.wait(60)

    monkeypatch.setattr(warming, "draw_a_page", draw)
    monkeypatch.setattr(warming, "spread_a_case", None)
    nowhere = URL.create("postgresql+psycopg", "wangge_app", host="127.0.0.1", port=1, database="none")
    made = Warming(db.Database(db.open_owner(nowhere), db.open_app(nowhere)), Pages(), Grounds())
    with caplog.at_level(logging.INFO, "service"):
        made.begin()
        assert begun.wait(60)
        closing = threading.Thread(target=made.close)
        closing.start()
        closing.join(0.2)
        assert closing.is_alive()  # what was begun is finished
        go_on.set()
        closing.join(60)
    assert not made._thread.is_alive()
    assert not [line for line in caplog.records if line.name.startswith("service.")]
    Warming(db.Database(db.open_owner(nowhere), db.open_app(nowhere)), Pages(), Grounds()).close()


@pytest.mark.database
def test_a_server_answers_first_tells_one_line_and_ends_at_once(
    cluster: Cluster, served: Served, tmp_path: Path
) -> None:
    name = str(served.database.app.url.database)
    told = {role: cluster.url(role, name).render_as_string(hide_password=False) for role in ("app", "owner")}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANGGE_")} | {
        "WANGGE_DATABASE_URL": told["app"],
        "WANGGE_OWNER_DATABASE_URL": told["owner"],
        "WANGGE_LANG": "en",
    }
    command = [str(Path(sys.executable).with_name("wangge")), "serve", "--port", "0"]
    for waiting in (True, False):
        log = tmp_path / f"log-{waiting}"
        with (
            log.open("w") as errors,
            subprocess.Popen(  # noqa: S603  # our own words
                command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as server,
        ):
            try:
                address = next(
                    found[0] for line in server.stdout or () if (found := re.search(r"http://[\d.:]+", line))
                )
                assert httpx.get(f"{address}/readyz", timeout=30).json() == {"status": "ready"}
                while waiting and "warm" not in log.read_text():
                    httpx.get(f"{address}/healthz", timeout=30)
            finally:
                server.terminate()
            assert server.wait(60) == 0
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        of_warming = [line for line in lines if line["logger"] == "service.upkeep.warming"]
        assert len(of_warming) == 1 or (not waiting and not of_warming)
        assert {line["logger"] for line in lines} <= {"service.upkeep.warming", "service.access_log"}
