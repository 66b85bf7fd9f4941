"""Plans: proposals kept with their units, grids and the building → grid mapping, and read back as frames."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import pandas as pd
import pyproj
from sqlalchemy import Connection, RowMapping, TextClause, case, func, insert, select, text, update

from partition.geometry.grids import BOUND_COLUMNS
from partition.split import Split
from service import models
from service.store.errors import ConflictError, NotFoundError
from service.store.geometry import metric, read_metric, stored
from service.store.merge import copy_rows


@dataclass(frozen=True)
class PlanFrames:
    """A stored plan as frames in the community's input CRS.

    grids: code, community, kind, households, residents, buildings, buildings_unknown, area_m2,
    bounds_zh, bounds_en (四至), geometry.
    buildings: id, households, residents, use, floors, grid, geometry. Neither has a figure about a population
    group.
    """

    grids: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame


def save_plan(
    connection: Connection, division: str, split: Split, *, author: str = "", reason: str = ""
) -> int:
    """Keep the grids of one community as a draft made on what is published now; returns the plan's number.

    ConflictError if the community's buildings changed since the split was made.
    """
    community = connection.execute(
        select(models.divisions.c.community_id).where(models.divisions.c.code == division)
    ).scalar_one()
    grids = split.grids[split.grids["community"] == community]
    units = split.units[split.units["grid"].isin(set(grids["code"]))]
    buildings = split.buildings[split.buildings["grid"].isin(set(grids["code"]))]
    report = split.report.to_dict()
    plan = int(
        connection.execute(
            insert(models.plans)
            .values(
                division_code=division,
                profile=split.profile.name,
                policy=dataclasses.asdict(split.profile),
                seed=split.seed,
                figures=report.get("figures", {}),
                report=report,
                base_plan_id=published_plan(connection, division),
                author=author,
                reason=reason,
            )
            .returning(models.plans.c.id)
        ).scalar_one()
    )
    _copy_grids(connection, division, plan, grids)
    ids = {
        "division_code": [division] * len(units),
        "plan_id": [plan] * len(units),
        "unit": units["unit"].tolist(),
    }
    copy_rows(
        connection,
        models.plan_units,
        {
            **ids,
            "households": units["households"].tolist(),
            "geom": stored(units.geometry),
            "metric_wkb": metric(units.geometry),
        },
    )
    copy_rows(connection, models.plan_assignments, {**ids, "grid_code": units["grid"].tolist()})
    atoms = buildings.groupby("id", sort=False).agg(grid=("grid", "first"), households=("households", "sum"))
    copy_rows(
        connection,
        models.plan_buildings,
        {
            "division_code": [division] * len(atoms),
            "plan_id": [plan] * len(atoms),
            "building_id": atoms.index.tolist(),
            "grid_code": atoms["grid"].tolist(),
            "households": atoms["households"].tolist(),
        },
    )
    return plan


def _copy_grids(connection: Connection, division: str, plan: int, grids: gpd.GeoDataFrame) -> None:
    residents = grids["residents"].astype(object).where(grids["residents"].notna(), None)
    copy_rows(
        connection,
        models.plan_grids,
        {
            "division_code": [division] * len(grids),
            "plan_id": [plan] * len(grids),
            "code": grids["code"].tolist(),
            "kind": grids["kind"].tolist(),
            "households": grids["households"].tolist(),
            "residents": residents.tolist(),
            "buildings": grids["buildings"].tolist(),
            "buildings_unknown": grids["buildings_unknown"].tolist(),
            "area_m2": grids["area_m2"].tolist(),
            **{name: grids[name].tolist() if name in grids else [""] * len(grids) for name in BOUND_COLUMNS},
            "geom": stored(grids.geometry),
            "metric_wkb": metric(grids.geometry),
        },
    )


def published_plan(connection: Connection, division: str) -> int | None:
    """The number of the community's published plan, if there is one."""
    plans = models.plans.c
    found = connection.scalar(
        select(plans.id).where(plans.division_code == division, plans.status == "published")
    )
    return None if found is None else int(found)


def get_plan(connection: Connection, plan: int) -> RowMapping:
    """The plan's row; NotFoundError if there is none of that number."""
    found = connection.execute(select(models.plans).where(models.plans.c.id == plan)).mappings().first()
    if found is None:
        raise NotFoundError("plan-unknown", plan=plan)
    return found


def list_plans(connection: Connection, division: str | None = None) -> list[RowMapping]:
    """Plans with their numbers of grids and households, newest first."""
    plans, grids = models.plans.c, models.plan_grids.c
    query = (
        select(
            plans.id,
            plans.division_code,
            plans.status,
            plans.profile,
            plans.seed,
            plans.base_plan_id,
            plans.author,
            plans.reason,
            plans.created_at,
            func.count(grids.id).label("grids"),
            func.coalesce(func.sum(grids.households), 0).label("households"),
        )
        .outerjoin(models.plan_grids, grids.plan_id == plans.id)
        .group_by(plans.id)
        .order_by(plans.id.desc())
    )
    if division is not None:
        query = query.where(plans.division_code == division)
    return list(connection.execute(query).mappings())


def read_plan(connection: Connection, plan: int) -> PlanFrames:
    """The plan as frames."""
    division = get_plan(connection, plan)["division_code"]
    about = (
        connection.execute(select(models.divisions).where(models.divisions.c.code == division))
        .mappings()
        .one()
    )
    crs = pyproj.CRS.from_user_input(about["metric_crs"])
    source = pyproj.CRS.from_user_input(about["source_crs"])
    t = models.plan_grids
    rows = connection.execute(select(t).where(t.c.plan_id == plan).order_by(t.c.code)).mappings().all()
    figures = ("code", "kind", "households", "residents", "buildings", "buildings_unknown", "area_m2")
    columns = (*figures, *BOUND_COLUMNS)
    grids = gpd.GeoDataFrame(
        {name: [row[name] for row in rows] for name in columns}, geometry=_shapes(rows, crs), crs=crs
    ).to_crs(source)
    grids["residents"] = grids["residents"].astype("float64")
    grids.insert(1, "community", about["community_id"])
    return PlanFrames(grids, _plan_buildings(connection, division, plan, crs, source))


def _plan_buildings(
    connection: Connection, division: str, plan: int, crs: pyproj.CRS, source: pyproj.CRS
) -> gpd.GeoDataFrame:
    b, p = models.buildings, models.plan_buildings
    rows = (
        connection.execute(
            select(b, p.c.grid_code.label("grid"))
            .outerjoin(p, (p.c.building_id == b.c.building_id) & (p.c.plan_id == plan))
            .where(b.c.division_code == division)
            .order_by(b.c.ordinal, b.c.id)
        )
        .mappings()
        .all()
    )
    return gpd.GeoDataFrame(
        {
            "id": [row["building_id"] for row in rows],
            "households": pd.array(
                [
                    None if row["households_unknown"] and not row["estimated"] else row["households"]
                    for row in rows
                ],
                dtype="Int64",
            ),
            "residents": pd.Series([row["residents"] for row in rows], dtype="float64"),
            "use": [row["use"] for row in rows],
            "floors": pd.Series([row["floors"] for row in rows], dtype="float64"),
            "grid": [row["grid"] or "" for row in rows],
        },
        geometry=_shapes(rows, crs),
        crs=crs,
    ).to_crs(source)


def _shapes(rows: Any, crs: pyproj.CRS) -> gpd.GeoSeries:
    return read_metric([row["metric_wkb"] for row in rows], [row["geom"].data for row in rows], crs)


# --- codes ---


def issued_codes(connection: Connection, division: str) -> set[str]:
    """Every code that a grid of the community has or had."""
    grids = models.grids.c
    return set(connection.scalars(select(grids.code).where(grids.division_code == division).distinct()))


def settle_codes(connection: Connection, plan: int) -> dict[str, str]:
    """Give the plan's grids the codes with which they would come into force now; returns those that changed.

    A grid with the same buildings as one in force has its code; the others have, in their order, the numbers
    after all that were ever issued. ConflictError if the plan was published.
    """
    row = get_plan(connection, plan)
    if row["status"] in ("published", "archived"):
        raise ConflictError("plan-closed", plan=plan, status=row["status"])
    division = row["division_code"]
    proposed = _members(connection, _PROPOSED, plan=plan)
    held = {members: code for code, members in _members(connection, _IN_FORCE, division=division).items()}
    issued = issued_codes(connection, division)
    settled = {code: held[members] for code, members in proposed.items() if members in held}
    other = sorted(set(proposed) - set(settled))
    settled |= dict(zip(other, next_codes(connection, division, len(other), issued), strict=True))
    changed = {old: new for old, new in settled.items() if old != new}
    _rename(connection, plan, changed)
    return changed


def next_codes(connection: Connection, division: str, count: int, issued: set[str]) -> list[str]:
    """The next `count` codes of the community after all that were `issued`."""
    from partition.codes import code_prefix, issue_codes

    row = (
        connection.execute(select(models.divisions).where(models.divisions.c.code == division))
        .mappings()
        .one()
    )
    return issue_codes(code_prefix(row["community_id"], "" if row["local"] else division), count, issued)


# Buildings by grid code; a grid without buildings is known by its shape instead.
_PROPOSED = text("""
    select g.code, coalesce(
        array_agg(m.building_id order by m.building_id) filter (where m.building_id is not null),
        array['shape', md5(st_asbinary(st_normalize(g.geom)))]) as members
    from plan_grids g left join plan_buildings m on m.plan_id = g.plan_id and m.grid_code = g.code
    where g.plan_id = :plan
    group by g.code, g.geom
""")
_IN_FORCE = text("""
    select g.code, coalesce(
        array_agg(m.building_id order by m.building_id) filter (where m.building_id is not null),
        array['shape', md5(st_asbinary(st_normalize(g.geom)))]) as members
    from grids g
    left join buildings m on m.division_code = g.division_code and m.grid_code = g.code and m.part = 0
    where g.division_code = :division and g.valid_to is null
    group by g.code, g.geom
""")


def _members(connection: Connection, query: TextClause, **values: Any) -> dict[str, tuple[str, ...]]:
    return {row.code: tuple(row.members) for row in connection.execute(query, values)}


def _rename(connection: Connection, plan: int, codes: Mapping[str, str]) -> None:
    """Change codes within a plan, in two steps, since a new code may be another grid's old one."""
    if not codes:
        return
    named = (models.plan_grids.c.code, models.plan_assignments.c.grid_code, models.plan_buildings.c.grid_code)
    for column in named:
        rows = update(column.table).where(column.table.c.plan_id == plan)
        marked = {old: f"~{new}" for old, new in codes.items()}
        connection.execute(rows.where(column.in_(codes)).values({column: case(marked, value=column)}))
        connection.execute(rows.where(column.like("~%")).values({column: func.substr(column, 2)}))
    report = get_plan(connection, plan)["report"]
    connection.execute(
        update(models.plans).where(models.plans.c.id == plan).values(report=_renamed(report, codes))
    )


def rename_split(split: Split, codes: Mapping[str, str]) -> Split:
    """The split with other codes of its grids (old → new), in its frames and in what its report says."""
    if not codes:
        return split
    judgement = split.report.judgement
    violations = tuple(
        dataclasses.replace(
            finding,
            rows=tuple(_renamed(list(finding.rows), codes)),
            values=_renamed(dict(finding.values), codes),
        )
        for finding in judgement.violations
    )
    judged = dataclasses.replace(judgement, grids=_renamed(judgement.grids, codes), violations=violations)
    return dataclasses.replace(
        split,
        grids=split.grids.assign(code=split.grids["code"].replace(codes)),
        buildings=split.buildings.assign(grid=split.buildings["grid"].replace(codes)),
        units=split.units.assign(grid=split.units["grid"].replace(codes)),
        report=dataclasses.replace(split.report, judgement=judged),
    )


def _renamed(report: Any, codes: Mapping[str, str]) -> Any:
    """The report with new codes, in values and inside sentences."""
    if isinstance(report, dict):
        return {key: _renamed(value, codes) for key, value in report.items()}
    if isinstance(report, list):
        return [_renamed(value, codes) for value in report]
    if isinstance(report, str):
        pattern = "|".join(re.escape(code) for code in sorted(codes, key=len, reverse=True))
        return re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", lambda found: codes[found[0]], report)
    return report
