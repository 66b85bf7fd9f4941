"""The use case "show me": the sample community loaded, divided, published, and written to files if asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from service.access import Principal
from service.db import Database
from service.plans.planning import plan_community

if TYPE_CHECKING:
    import geopandas as gpd

PROFILE = "yichang"
AREAS = 3  # above the grids
SMALL = (60.0, 80.0, 110.0)  # households of a small grid below them
FILES = ("plan.gpkg", "map.html", "report.json")

Tell = Callable[[str, float], None]
Step = Callable[[str], AbstractContextManager[Tell]]


@dataclass(frozen=True)
class Ready:
    """The sample in force: its division and the published plan's number."""

    division: str
    plan: int


def prepare(database: Database, step: Step, now: datetime | None = None) -> Ready:
    """Load, divide and publish the sample, each in a step; at once if this version of it is in force already.

    The newest of its cases lies at most a week before `now` (default: the clock's), see `recent`. A sample in
    force keeps its times, however long ago it was loaded: links and what was written beside it stay true. A
    plan that somebody published over it since is left alone. Raises InputError or OperatingError.
    """
    from data import sample

    path = sample.path()
    told = f"{version('wangge')} {PROFILE} {AREAS} {SMALL}"
    mark = hashlib.sha256(path.read_bytes() + told.encode()).hexdigest()
    with database.owner.begin() as connection:
        ready = _find(connection, mark)
    if ready is not None:
        return ready
    with step("load"):
        division = _load(database, path, now or datetime.now(UTC))
    with step("plan") as tell:
        from partition.tiers.levels import Ask
        from partition.wishes.policy import load_profile

        tiers = (Ask(number=AREAS), Ask(size=SMALL))
        planned = plan_community(
            database.owner, division, load_profile(PROFILE), tiers=tiers, author="demo", progress=tell
        )
    with step("publish"), database.owner.begin() as connection:
        from service.store.grids import publish_plan

        publish_plan(connection, planned.plan, author="demo")
        _remember(connection, division, mark)
    return Ready(division, planned.plan)


def recent(cases: gpd.GeoDataFrame, now: datetime) -> gpd.GeoDataFrame:
    """The cases (columns time, due) moved by whole weeks: the newest lies at most a week before `now`.

    Whole weeks leave hours and weekdays as they are, and every limit as long as it was.
    """
    import pandas as pd

    week = pd.Timedelta(weeks=1)
    moved = (pd.Timestamp(now) - cases["time"].max()) // week * week
    return cases.assign(time=cases["time"] + moved, due=cases["due"] + moved)


def _load(database: Database, path: Path, now: datetime) -> str:
    from data.sample import SOURCE
    from data.vector import read_area
    from partition.intake.frames import check_area, clear_personal
    from service.intake.layers import check_layers
    from service.store.communities import load_area

    raw = clear_personal(read_area(path))
    area = check_area(raw)
    layers = check_layers(raw.frames, area, files=raw.files, originals=raw.originals)
    if layers.cases is not None:
        layers = replace(layers, cases=recent(layers.cases, now))
    with database.owner.begin() as connection:
        return load_area(connection, area, layers, synthetic=True, attribution=SOURCE).divisions[0]


def _find(connection: Connection, mark: str) -> Ready | None:
    row = connection.execute(
        text("""
            select p.division_code, p.id from plans p
            where p.status = 'published' and exists (
                select from audit a
                where a.division_code = p.division_code and a.action = 'demo' and a.details ->> 'mark' = :mark
            )
        """),
        {"mark": mark},
    ).first()
    return None if row is None else Ready(row.division_code, row.id)


def _remember(connection: Connection, division: str, mark: str) -> None:
    connection.execute(
        text("""
            insert into audit (division_code, principal, role, action, details)
            values (:division, 'demo', 'admin', 'demo', jsonb_build_object('mark', cast(:mark as text)))
        """),
        {"division": division, "mark": mark},
    )


def write_files(
    database: Database, ready: Ready, principal: Principal, folder: Path, step: Step
) -> list[Path]:
    """Write the plan (GeoPackage), the map as `principal` sees it (one HTML file) and the report (JSON).

    Each file is replaced only when the new one is whole.
    """
    from data.plan_file import replacing
    from service.exports.plans import write_export
    from service.maps.community import write_map
    from service.store.plans import get_plan, read_plan

    folder.mkdir(parents=True, exist_ok=True)
    plan, page, report = (folder / name for name in FILES)
    with step("files"):
        with database.owner.begin() as connection:
            frames = read_plan(connection, ready.plan)
            found = get_plan(connection, ready.plan)["report"]
        write_export(plan, frames)
        with replacing(report) as part:
            part.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    with step("map"):
        write_map(database, principal, ready.division, page)
    return [plan, page, report]
