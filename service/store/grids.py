"""Grids in force: how a plan comes into force, whole or not at all, and which grid is where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyproj
import shapely
from sqlalchemy import Connection, RowMapping, insert, select, text

from partition.findings import Finding
from service import models
from service.access import Principal
from service.db import EVERYWHERE, declare
from service.store.cases import locate_cases
from service.store.communities import locate_buildings
from service.store.errors import ConflictError, PlanRefusedError
from service.store.freezing import freeze_figures
from service.store.geometry import read_metric
from service.store.locks import claim_division
from service.store.places import place_cases
from service.store.plans import get_plan, published_plan, settle_codes
from service.store.staff import assign_staff, follow_lineage
from service.store.tiers import change_tiers, check_tiers

# how much (m²) a square kilometre may differ from the union of its grids: what doubles cannot hold
COVER_M2_PER_KM2 = 0.01


@dataclass(frozen=True)
class Publication:
    """What a publication did: codes that came into force, went out of it, and stayed with their buildings.

    already: the plan was published before, and nothing was done.
    """

    plan: int
    division: str
    opened: tuple[str, ...]
    closed: tuple[str, ...]
    kept: tuple[str, ...]
    households_moved: int = 0
    already: bool = False


def publish_plan(
    connection: Connection,
    plan: int,
    *,
    over: int | None = None,
    author: str = "",
    principal: Principal | None = None,
) -> Publication:
    """Bring the plan into force, within the caller's transaction.

    Checks coverage, contiguity and completeness in the database; closes the community's grids in force, opens
    the plan's, writes their lineage, finds the grid of buildings, cases and staff anew, and archives the plan
    published so far. A plan made on an older publication than the present one is refused unless `over` names
    the present one. Publishing the published plan again changes nothing. `principal` is who asks, where row
    policies bind. Raises ConflictError or PlanRefusedError.
    """
    division = get_plan(connection, plan)["division_code"]
    claim_division(connection, division)
    row = get_plan(connection, plan)  # as it is now that nobody else may change it
    if row["status"] == "published":
        return Publication(plan, division, (), (), _in_force(connection, division), already=True)
    if row["status"] == "archived":
        raise ConflictError("plan-closed", plan=plan, status=row["status"])
    before = published_plan(connection, division)
    if before != (row["base_plan_id"] if over is None else over):
        raise ConflictError(
            "publish-superseded", plan=plan, base=row["base_plan_id"] or "-", published=before or "-"
        )
    findings = check_plan(connection, plan)
    if findings:
        raise PlanRefusedError("publish-refused", findings, plan=plan)
    settle_codes(connection, plan)

    old = _in_force(connection, division)
    # not now(): the transaction may be older than the lock
    values = {"division": division, "plan": plan, "at": connection.scalar(text("select clock_timestamp()"))}
    moved = _write_lineage(connection, values)
    for statement in (_CLOSE, _OPEN, _ARCHIVE, _PUBLISH):
        connection.execute(statement, values)
    change_tiers(connection, values)
    locate_buildings(connection, division)
    with counting(connection, principal, division):
        locate_cases(connection, division)
        place_cases(connection, division)
    follow_lineage(connection, division, plan)
    assign_staff(connection, division)
    freeze_figures(connection, division, plan)
    connection.execute(
        insert(models.audit)
        .inline()  # who publishes may not read the audit, so nothing is returned
        .values(
            division_code=division,
            principal=author,
            role="owner" if principal is None else principal.role.value,
            action="publish",
            details={"plan": plan, "over": before},
        )
    )
    new = _in_force(connection, division)
    return Publication(
        plan,
        division,
        opened=tuple(sorted(set(new) - set(old))),
        closed=tuple(sorted(set(old) - set(new))),
        kept=tuple(sorted(set(old) & set(new))),
        households_moved=moved,
    )


@contextmanager
def counting(connection: Connection, principal: Principal | None, division: str) -> Iterator[None]:
    """Let the service itself see every case of the division, and then the principal again."""
    if principal is None:
        yield
        return
    declare(connection, role="disclosure", scope=[division])
    yield
    scope = [prefix or EVERYWHERE for prefix in principal.scope]
    declare(connection, role=principal.role.value, scope=scope, principal=principal.subject)


_CLOSE = text("update grids set valid_to = :at where division_code = :division and valid_to is null")
_OPEN = text("""
    insert into grids (division_code, code, tier, parent, plan_id, kind, households, residents, buildings,
                       buildings_unknown, area_m2, bounds_zh, bounds_en, valid_from, geom, name)
    select division_code, code, 'grid', division_code, plan_id, kind, households, residents, buildings,
           buildings_unknown, area_m2, bounds_zh, bounds_en, :at, geom,
           coalesce((select g.name from grids g where g.code = p.code order by g.valid_from desc limit 1), '')
    from plan_grids p where plan_id = :plan order by code
""")
_ARCHIVE = text("""
    update plans set status = 'archived', archived_at = :at
    where division_code = :division and status = 'published' and id <> :plan
""")
_PUBLISH = text("update plans set status = 'published', published_at = :at where id = :plan")

# Buildings as they lie in the grids in force against the plan's; kinds: one old grid in several new ones,
# several old ones in one new one, or both.
_LINEAGE = text("""
    insert into grid_lineage (division_code, old_code, new_code, kind, buildings, households, plan_id, at)
    select :division, old_code, new_code,
           case when old_parts > 1 and new_parts = 1 then 'split'
                when old_parts = 1 and new_parts > 1 then 'merged'
                else 'redrawn' end,
           buildings, households, :plan, :at
    from (
        select *, count(*) over (partition by old_code) as old_parts,
               count(*) over (partition by new_code) as new_parts
        from (
            select b.grid_code as old_code, p.grid_code as new_code, count(*) as buildings,
                   sum(p.households) as households
            from plan_buildings p
            join buildings b on b.division_code = :division and b.building_id = p.building_id and b.part = 0
            join grids g on g.code = b.grid_code and g.valid_to is null
            where p.plan_id = :plan
            group by 1, 2
        ) pairs
    ) counted
    where old_code <> new_code
    returning households
""")


def _write_lineage(connection: Connection, values: Mapping[str, Any]) -> int:
    return sum(connection.scalars(_LINEAGE, values))


def _in_force(connection: Connection, division: str) -> tuple[str, ...]:
    grids = models.grids.c
    return tuple(
        connection.scalars(
            select(grids.code)
            .where(grids.division_code == division, grids.valid_to.is_(None))
            .order_by(grids.code)
        )
    )


# --- what a plan must keep to come into force ---


def check_plan(connection: Connection, plan: int) -> list[Finding]:
    """Everything that keeps the plan from coming into force, found by the database on what it holds now.

    Geometry is compared in the community's metric CRS.
    """
    row = get_plan(connection, plan)
    community = _community(connection, row["division_code"])
    values = {"division": row["division_code"], "plan": plan, "community": shapely.to_wkb(community)}
    return [
        *_cover_faults(connection, values, COVER_M2_PER_KM2 * max(1.0, community.area / 1e6)),
        *_fragments(connection, values),
        *_building_faults(connection, values),
        *_figure_faults(connection, values),
        *check_tiers(connection, plan),
    ]


def _community(connection: Connection, division: str) -> shapely.Geometry:
    row = (
        connection.execute(select(models.divisions).where(models.divisions.c.code == division))
        .mappings()
        .one()
    )
    crs = pyproj.CRS.from_user_input(row["metric_crs"])
    return read_metric([row["metric_wkb"]], [row["geom"].data], crs).iloc[0]


_SHAPES = """
    grid as (select code, st_geomfromwkb(metric_wkb) as geom from plan_grids where plan_id = :plan),
    community as (select st_geomfromwkb(:community) as geom)
"""


def _cover_faults(connection: Connection, values: Mapping[str, Any], tolerance: float) -> list[Finding]:
    measured = connection.execute(
        text(f"""
            with {_SHAPES},
                 whole as (
                     select st_unaryunion(st_collect(geom)) as geom, sum(st_area(geom)) as area from grid
                 )
            select coalesce(st_area(st_difference(c.geom, w.geom)), st_area(c.geom)) as gap,
                   coalesce(st_area(st_difference(w.geom, c.geom)), 0) as outside,
                   coalesce(w.area - st_area(w.geom), 0) as overlap
            from community c, whole w
        """),  # noqa: S608 - fixed text
        values,
    ).one()
    return [
        Finding(f"publish_{name}", "refused", "grids", values={"area_m2": round(area, 3)})
        for name, area in measured._mapping.items()
        if area > tolerance
    ]


def _fragments(connection: Connection, values: Mapping[str, Any]) -> list[Finding]:
    """Grids in several pieces on one part of the community; pieces that meet in a point are apart."""
    codes = connection.scalars(
        text(f"""
            with {_SHAPES},
                 piece as (select code, (st_dump(st_unaryunion(geom))).geom as geom from grid),
                 part as (select st_dump(geom) as d from community),
                 island as (select (d).path as number, (d).geom as geom from part)
            select distinct p.code
            from piece p join island i on st_intersects(i.geom, st_pointonsurface(p.geom))
            group by p.code, i.number having count(*) > 1 order by 1
        """),  # noqa: S608 - fixed text
        values,
    ).all()
    return [Finding("publish_fragment", "refused", "grids", rows=tuple(codes))] if codes else []


def _building_faults(connection: Connection, values: Mapping[str, Any]) -> list[Finding]:
    """Buildings that the plan lacks, that are gone, lie outside their grid, or have other households."""
    rows = connection.execute(
        text(f"""
            with {_SHAPES},
                 have as (
                     select building_id, sum(households) as households,
                            st_collect(st_geomfromwkb(metric_wkb))
                                filter (where metric_wkb is not null) as geom
                     from buildings where division_code = :division group by building_id
                 ),
                 planned as (
                     select p.building_id, p.households, g.geom as grid
                     from plan_buildings p left join grid g on g.code = p.grid_code where p.plan_id = :plan
                 )
            select coalesce(h.building_id, p.building_id) as building,
                   case when p.building_id is null then 'building_without_grid'
                        when h.building_id is null then 'building_gone'
                        when p.grid is null or not st_intersects(h.geom, p.grid) then 'building_elsewhere'
                        else 'building_changed' end as fault
            from have h full join planned p on p.building_id = h.building_id
            where p.building_id is null or h.building_id is null or p.grid is null
               or h.households <> p.households or not st_intersects(h.geom, p.grid)
            order by 1
        """),  # noqa: S608 - fixed text
        values,
    ).all()
    faults: dict[str, list[str]] = {}
    for building, fault in rows:
        faults.setdefault(fault, []).append(building)
    return [
        Finding(f"publish_{fault}", "refused", "buildings", rows=tuple(found))
        for fault, found in sorted(faults.items())
    ]


def _figure_faults(connection: Connection, values: Mapping[str, Any]) -> list[Finding]:
    """Grids whose figures are not the sums over their buildings."""
    codes = connection.scalars(
        text("""
            select g.code
            from plan_grids g left join plan_buildings p on p.plan_id = g.plan_id and p.grid_code = g.code
            where g.plan_id = :plan
            group by g.code, g.households, g.buildings
            having g.households <> coalesce(sum(p.households), 0) or g.buildings <> count(p.building_id)
            order by 1
        """),
        values,
    ).all()
    return [Finding("publish_figures", "refused", "grids", rows=tuple(codes))] if codes else []


# --- where ---


def locate(connection: Connection, lon: float, lat: float) -> RowMapping | None:
    """The grid in force at a point (degrees, WGS 84): id, code, name, division_code, households, valid_from.

    On a border, the lower code.
    """
    return (
        connection.execute(
            text("""
                select id, code, name, division_code, households, valid_from
                from grids, (select st_setsrid(st_makepoint(:lon, :lat), 4326) as geom) p
                where valid_to is null and grids.geom && p.geom and st_covers(grids.geom, p.geom)
                order by code limit 1
            """),
            {"lon": lon, "lat": lat},
        )
        .mappings()
        .first()
    )
