"""Black-box conformance to OGC API – Features Part 4, as a planner with a key of her own."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service import db
from service.access import Principal, Role
from service.identity.accounts import make_key
from service.store.accounts import add_key

from .api import Served, fill, serve
from .towns import CODE

STANDARD = Path(__file__).parents[3] / "shared" / "ogc"

pytestmark = [
    pytest.mark.database,
    pytest.mark.skipif(not STANDARD.is_dir(), reason="the conformance tests are not beside the checkout"),
]


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """A town whose facilities may be written."""
    with serve(module_database, fill(module_database)) as running:
        yield running


@pytest.mark.parametrize("scope", ["", CODE])
def test_a_planner_writes_as_the_standard_has_it(town: Served, tmp_path: Path, scope: str) -> None:
    secret, hint = make_key()
    with town.database.owner.begin() as connection:
        add_key(
            connection,
            secret,
            dataclasses.replace(Principal(Role.PLANNER), scope=(scope,)),
            hint=hint,
            name="conformance",
            issued_by="tests",
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
    answers = tmp_path / "answers.json"
    before = town.rows("select facility_id, kind, name, st_astext(geom) from facilities order by id")
    run = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-X", "utf8", str(STANDARD / "conform.py"), town.address),
            *("--collection", "grids", "--write", "facilities", "--classes", "crud"),
            *("--header", f"Authorization: Bearer {secret}", "--json", str(answers), "-q"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answers.is_file(), run.stdout + run.stderr
    rows = json.loads(answers.read_text(encoding="utf-8"))["rows"]
    assert [row for row in rows if row[2] != "PASS"] == []
    assert len(rows) == 10
    assert town.rows("select facility_id, kind, name, st_astext(geom) from facilities order by id") == before
