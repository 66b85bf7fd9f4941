"""Black-box conformance to OGC API – Features, run against the service as each role.

The tests and the standard's data lie beside the checkout; without them there is nothing to run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from service import db
from service.access import Role
from service.plans.publishing import read_layer_of
from service.store.added import Declaration, add_collection

from .api import HIDDEN, Served, fill, serve
from .test_cql2 import ERRATA, vectors
from .towns import CODE

STANDARD = Path(__file__).parents[3] / "shared" / "ogc"
CLASSES = "core,geojson,html,oas30,crs,filter,schemas"

pytestmark = [
    pytest.mark.database,
    pytest.mark.skipif(not STANDARD.is_dir(), reason="the conformance tests are not beside the checkout"),
]


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """The town, with facilities in every corner, cases in its middle, and the standard's layers beside it."""
    area = fill(module_database)
    with module_database.owner.begin() as connection:
        connection.execute(
            text("""
                insert into facilities (division_code, facility_id, kind, name, geom)
                select d.code, 'x' || n, 'lamp', '路灯' || n, st_setsrid(st_makepoint(
                    st_xmin(d.geom) + (n % 23) / 22.0 * (st_xmax(d.geom) - st_xmin(d.geom)),
                    st_ymin(d.geom) + (n / 23) / 22.0 * (st_ymax(d.geom) - st_ymin(d.geom))), 4326)
                from divisions d, generate_series(0, 528) n where d.code = :code
            """),
            {"code": CODE},
        )
        connection.execute(
            text("""
                insert into cases (division_code, case_id, category, time, geom, place)
                select f.division_code, 'y' || f.id, 'rubbish', now(), f.geom, f.geom from facilities f
            """)
        )
        connection.execute(  # between the two towns, where some tests look
            text("""
                insert into buildings (division_code, building_id, ordinal, geom)
                select :code, 'between', 9999, st_setsrid(st_makeenvelope(
                    x0 + 0.4 * (x1 - x0), y0 + 0.4 * (y1 - y0),
                    x0 + 0.5 * (x1 - x0), y0 + 0.5 * (y1 - y0)), 4326)
                from (select min(st_xmin(geom)) as x0, max(st_xmax(geom)) as x1, min(st_ymin(geom)) as y0,
                             max(st_ymax(geom)) as y1 from buildings) e
            """),
            {"code": HIDDEN},
        )
        for name in sorted({vector["collection"] for vector in vectors()}):
            layer, geometry = read_layer_of(Path(f"{STANDARD / 'ne110m4cql2.gpkg'}|layername={name}"))
            add_collection(connection, layer, Declaration(name, "open", geometry_name=geometry))
    with serve(module_database, area) as running:
        yield running


def conform(served: Served, role: Role, folder: Path, *more: str) -> dict[str, Any]:
    """What the tests say, run with the role's session."""
    cookies = "; ".join(f"{name}={value}" for name, value in served.client(role).cookies.items())
    answers = folder / "answers.json"
    headers = ["--header", f"Cookie: {cookies}"] if cookies else []
    run = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-X", "utf8", str(STANDARD / "conform.py"), served.address),
            *("--json", str(answers), "-q", *headers, *more),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answers.is_file(), run.stdout + run.stderr
    found: dict[str, Any] = json.loads(answers.read_text(encoding="utf-8"))
    return found


COLLECTIONS = ("grids", "buildings", "facilities", "cases")
FIRST = {("public", "grids"), ("public", "facilities"), ("planner", "buildings"), ("centre", "cases")}


@pytest.mark.parametrize(
    ("role", "collection"),
    [
        pytest.param(role, name, marks=() if (role, name) in FIRST else pytest.mark.long)
        for role in (Role.PUBLIC, Role.PLANNER, Role.CENTRE)
        for name in COLLECTIONS
    ],
)
def test_each_role_is_answered_as_the_standard_has_it(
    town: Served, tmp_path: Path, role: Role, collection: str
) -> None:
    rows = conform(town, role, tmp_path, "--collection", collection, "--classes", CLASSES)["rows"]
    assert [row for row in rows if row[2] not in ("PASS", "SKIP")] == []
    passed = {row[0] for row in rows if row[2] == "PASS"}
    assert passed == set(CLASSES.split(","))
    assert len([row for row in rows if row[2] == "PASS"]) >= 60


def test_the_standards_filters_find_what_they_should(town: Served, tmp_path: Path) -> None:
    found = conform(
        town,
        Role.PUBLIC,
        tmp_path,
        *("--collection", "grids", "--classes", "cql2"),
        *("--cql2-vectors", str(STANDARD / "cql2_vectors.json")),
    )
    assert sum(one["of"] for one in found["detail"].values()) == len(vectors())
    bad = [text for one in found["detail"].values() for text in one["bad"]]
    wrong_in_the_file = [text for text in bad if text.rpartition(":")[0] in ERRATA]
    assert bad == wrong_in_the_file
