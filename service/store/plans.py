"""Plans: proposals kept with their units, grids and the building → grid mapping, and read back as frames."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import geopandas as gpd
import pandas as pd
import pyproj
from sqlalchemy import Connection, RowMapping, TextClause, func, insert, literal, select, text, update

from partition.geometry.grids import BOUND_COLUMNS
from service import models
from service.access import Principal, plans_seen
from service.store.errors import ConflictError, NotFoundError
from service.store.geometry import metric, read_metric, stored
from service.store.merge import copy_rows
from service.store.tiers import PLAN_TIERS, copy_tiers, read_tiers

if TYPE_CHECKING:  # the solver is loaded where plans are made
    from partition.split import Split


@dataclass(frozen=True)
class PlanFrames:
    """A stored plan as frames in the community's input CRS.

    grids: code, community, kind, households, residents, buildings, buildings_unknown, area_m2,
    bounds_zh, bounds_en (四至), geometry.
    buildings: id, households, residents, use, floors, grid, geometry. tiers: as `read_tiers` has them. None
    has a figure about a population group.
    """

    grids: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    tiers: gpd.GeoDataFrame | None = None


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
    copy_grids(connection, division, plan, grids)
    ids: dict[str, list[Any]] = {
        "division_code": [division] * len(units),
        "plan_id": [plan] * len(units),
        "unit": list(range(len(units))),  # within the community
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


def copy_grids(connection: Connection, division: str, plan: int, grids: gpd.GeoDataFrame) -> None:
    """Add grids (as `Split.grids`) to the plan."""
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


@dataclass(frozen=True)
class PlanFilter:
    """Which plans are listed: of divisions whose code begins so, of a status, author, profile."""

    division: str = ""
    status: str | None = None
    author: str | None = None
    profile: str | None = None


def select_plans(
    connection: Connection, principal: Principal, wanted: PlanFilter, *, limit: int, offset: int
) -> tuple[list[RowMapping], int]:
    """A page of the plans that the principal sees, newest first, and how many there are in all."""
    seen, parameters = plans_seen(principal)
    clauses, asked = [seen], {"division": wanted.division}
    if wanted.division:
        clauses.append("t.division_code ^@ :division")
    for name in ("status", "author", "profile"):
        value = getattr(wanted, name)
        if value is not None:
            clauses.append(f"t.{name} = :{name}")
            asked[name] = value
    rows = connection.execute(
        text(f"""
            select {_ABOUT}, count(*) over () as matched from plans t
            where {" and ".join(clauses)} order by t.id desc limit :limit offset :offset
        """),  # noqa: S608 - fixed text
        {**parameters, **asked, "limit": limit, "offset": offset},
    )
    found = list(rows.mappings())
    if found or not offset:
        return found, int(found[0]["matched"]) if found else 0
    return [], select_plans(connection, principal, wanted, limit=1, offset=0)[1]


def select_plan(connection: Connection, principal: Principal, plan: int) -> RowMapping | None:
    """A plan with its report, if the principal sees it."""
    seen, parameters = plans_seen(principal)
    return (
        connection.execute(
            text(f"select {_ABOUT}, t.report, t.locked from plans t where t.id = :plan and {seen}"),  # noqa: S608
            {**parameters, "plan": plan},
        )
        .mappings()
        .first()
    )


# a total beside grids whose households are withheld would give theirs away
_ABOUT = """
    t.id, t.version, t.updated_at, t.division_code, t.status, t.profile, t.policy, t.seed, t.figures,
    t.base_plan_id, t.author, t.reason, t.created_at, t.published_at, t.archived_at, t.revision,
    (select min(g.households) from grids g where g.plan_id = t.id and t.status = 'published')
        as least_households
"""


def select_plan_features(connection: Connection, plan: int, layer: PlanLayer) -> bytes:
    """The plan's grids or units as GeoJSON features joined by commas, made by PostGIS."""
    found = connection.scalar(
        text(f"""
            select convert_to(coalesce(string_agg(json_build_object('type', 'Feature', 'id', f.id,
                'geometry', st_asgeojson(f.geom, 9, 0)::json, 'properties', f.told)::text, ','
                order by f.place), ''), 'UTF8')
            from ({_FEATURES[layer]}) f
        """),  # noqa: S608 - fixed text
        {"plan": plan},
    )
    return bytes(found)


PlanLayer = Literal["grids", "units", "tiers"]
_FEATURES: Mapping[PlanLayer, str] = {
    "grids": """
        select g.code as place, g.code as id, g.geom, json_build_object('code', g.code, 'kind', g.kind,
            'households', g.households, 'residents', g.residents, 'buildings', g.buildings,
            'buildings_unknown', g.buildings_unknown, 'area_m2', g.area_m2, 'bounds_zh', g.bounds_zh,
            'bounds_en', g.bounds_en, 'locked', g.code = any(p.locked)) as told
        from plan_grids g join plans p on p.id = g.plan_id where g.plan_id = :plan
    """,
    "units": """
        select lpad(g.unit::text, 10, '0') as place, g.unit as id, g.geom,
            json_build_object('unit', g.unit, 'grid', a.grid_code, 'households', g.households) as told
        from plan_units g join plan_assignments a on a.plan_id = g.plan_id and a.unit = g.unit
        where g.plan_id = :plan
    """,
    "tiers": PLAN_TIERS,
}


def copy_plan(connection: Connection, plan: int, *, author: str, reason: str) -> int:
    """A new draft that is what the plan is, made on what is published now; returns its number."""
    row = get_plan(connection, plan)
    made = int(
        connection.execute(
            insert(models.plans)
            .values(
                division_code=row["division_code"],
                profile=row["profile"],
                policy=row["policy"],
                seed=row["seed"],
                figures=row["figures"],
                report=row["report"],
                base_plan_id=published_plan(connection, row["division_code"]),
                author=author,
                reason=reason,
            )
            .returning(models.plans.c.id)
        ).scalar_one()
    )
    for table in (models.plan_units, models.plan_assignments, models.plan_buildings, models.plan_grids):
        names = [c.name for c in table.c if c.name not in ("id", "version", "updated_at", "plan_id")]
        query = select(literal(made), *(table.c[name] for name in names)).where(table.c.plan_id == plan)
        connection.execute(insert(table).from_select(["plan_id", *names], query.order_by(table.c.id)))
    copy_tiers(connection, plan, made)
    return made


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
    tiers = read_tiers(connection, plan)
    return PlanFrames(
        grids,
        _plan_buildings(connection, division, plan, crs, source),
        None if tiers is None else tiers.to_crs(source),
    )


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


def read_former(
    connection: Connection, division: str, plan: int, crs: pyproj.CRS
) -> tuple[gpd.GeoDataFrame, dict[str, list[str]]]:
    """What a redraw takes of a plan: its polygons (`code`, geometry in `crs`), and codes by building.

    Raises NotFoundError if the division has no such plan.
    """
    if get_plan(connection, plan)["division_code"] != division:
        raise NotFoundError("plan-unknown", plan=plan)
    g, b = models.plan_grids, models.plan_buildings.c
    rows = connection.execute(select(g).where(g.c.plan_id == plan).order_by(g.c.code)).mappings().all()
    polygons = gpd.GeoDataFrame({"code": [row["code"] for row in rows]}, geometry=_shapes(rows, crs), crs=crs)
    found = connection.execute(select(b.building_id, b.grid_code).where(b.plan_id == plan))
    return polygons, {row.building_id: [row.grid_code] for row in found}


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


_RECODE = text("select wangge_rename_plan_grids(:plan, cast(:former as text[]), cast(:coming as text[]))")


def _rename(connection: Connection, plan: int, codes: Mapping[str, str]) -> None:
    """Change codes within a plan; a new code may be another grid's old one."""
    if not codes:
        return
    # only so does the database let codes change once the plan is no draft
    connection.execute(_RECODE, {"plan": plan, "former": list(codes), "coming": list(codes.values())})
    row = get_plan(connection, plan)
    connection.execute(
        update(models.plans).where(models.plans.c.id == plan).values(report=_renamed(row["report"], codes))
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
