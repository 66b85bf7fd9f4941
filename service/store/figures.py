"""What maps and pages need of a community: frames of what a principal may see, counts to be cleared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from service.access import Access, Principal, access, may_see_exact, may_see_group
from service.privacy.disclosure import Cell, GroupRule, Rate, rate, rules
from service.query.condition import Condition
from service.query.span import Span, meets
from service.registry import COLLECTIONS, Collection
from service.store.freezing import Frozen, read_frozen, uncleared
from service.store.grid_cases import find_units, own_sql, place_sql, select_units
from service.store.timelines import TIMELINE

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True)
class Community:
    """A community as pages list it. `published` is None where no plan is; figures are those of its grids."""

    code: str
    name: str
    synthetic: bool
    grids: int
    households: int | None
    published: datetime | None


@dataclass(frozen=True)
class Publication:
    """The plan in force: its id, day and profile, the class of its community, its figures, and of each grid
    what the plan's report says.
    """

    plan: int
    published: datetime
    policy: Mapping[str, Any]
    community_class: str
    figures: Mapping[str, Any]
    grids: Mapping[str, Mapping[str, Any]]


def select_communities(connection: Connection, principal: Principal) -> list[Community]:
    """The communities that the principal may see, by code."""
    communities = access(principal, COLLECTIONS["communities"])
    grids = access(principal, COLLECTIONS["grids"])
    if communities is None or grids is None:
        return []
    # a total beside grids whose figure is withheld would give theirs away
    households = next(sql for column, sql in grids.columns if column.name == "households")
    rows = connection.execute(
        text(f"""
            select c.code, c.name, c.synthetic, coalesce(g.grids, 0) as grids, g.households, g.published
            from (select t.* from divisions t where {communities.predicate}) c
            left join (
                select t.division_code, count(*) as grids, max(t.valid_from) as published,
                       case when bool_and({households} is not null) then sum({households}) end as households
                from grids t where {grids.predicate} group by t.division_code
            ) g on g.division_code = c.code
            order by c.code
        """),  # noqa: S608  # identifiers come from the registry only
        {**communities.parameters, **grids.parameters},
    )
    return [
        Community(row.code, row.name, row.synthetic, row.grids, row.households, row.published) for row in rows
    ]


def select_extent(connection: Connection, principal: Principal) -> tuple[float, float, float, float] | None:
    """West, south, east, north in degrees of the communities that the principal may see."""
    communities = access(principal, COLLECTIONS["communities"])
    if communities is None:
        return None
    row = connection.execute(
        text(f"""
            select min(st_xmin(t.geom)) as west, min(st_ymin(t.geom)) as south,
                   max(st_xmax(t.geom)) as east, max(st_ymax(t.geom)) as north
            from divisions t where {communities.predicate}
        """),  # noqa: S608  # identifiers come from the registry only
        dict(communities.parameters),
    ).one()
    return None if row.west is None else (row.west, row.south, row.east, row.north)


def select_example(connection: Connection, principal: Principal) -> tuple[float, float] | None:
    """A point (degrees) in the first published grid that the principal may see; None if there is none."""
    grids = access(principal, COLLECTIONS["grids"])
    if grids is None:
        return None
    row = connection.execute(
        text(f"""
            select st_x(p) as lon, st_y(p) as lat
            from (select st_pointonsurface(t.geom) as p from grids t where {grids.predicate}
                  order by t.code limit 1) g
        """),  # noqa: S608  # identifiers come from the registry only
        dict(grids.parameters),
    ).one_or_none()
    return None if row is None else (row.lon, row.lat)


def select_frame(
    connection: Connection, collection: Collection, allowed: Access, divisions: str | Sequence[str]
) -> gpd.GeoDataFrame:
    """A community's rows as a frame in EPSG:4326, by feature id; columns as `allowed` says, and `key`.

    divisions: one, or several, whose rows follow each other by code.
    """
    import geopandas as gpd
    import pandas as pd
    import shapely

    columns = "".join(f', {sql} as "{column.name}"' for column, sql in allowed.columns)
    rows = connection.execute(
        text(f"""
            select t.division_code as _owner, {collection.key} as key,
                   st_asbinary({allowed.geometry}) as geometry{columns}
            from {collection.table} t
            where {allowed.predicate} and t.division_code = any(cast(:divisions as text[])) order by t.id
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "divisions": _listed(divisions)},
    )
    names = list(rows.keys())
    frame = pd.DataFrame(rows.all(), columns=names).sort_values(["_owner", "key"]).reset_index(drop=True)
    del frame["_owner"]
    geometry = shapely.from_wkb(frame.pop("geometry").map(_bytes).to_numpy(dtype=object))
    return gpd.GeoDataFrame(frame, geometry=geometry, crs=4326)


def _listed(divisions: str | Sequence[str]) -> list[str]:
    return [divisions] if isinstance(divisions, str) else list(divisions)


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


def select_publication(connection: Connection, division: str) -> Publication | None:
    """The plan in force in a community; None if none is."""
    row = connection.execute(
        text("""
            select p.id, p.published_at, p.policy, d.class, p.figures, p.report -> 'grids' as grids
            from plans p join divisions d on d.code = p.division_code
            where p.division_code = :division and p.status = 'published'
        """),
        {"division": division},
    ).one_or_none()
    if row is None:
        return None
    lines = {str(line["code"]): line for line in row.grids or ()}
    return Publication(row.id, row.published_at, row.policy, row._mapping["class"], row.figures, lines)


def select_staff(connection: Connection, divisions: str | Sequence[str]) -> list[dict[str, str]]:
    """Staff by grid in force of one community or several: grid, role, name, phone (their work phone)."""
    rows = connection.execute(
        text("""
            select s.grid_code as grid, s.role, s.name, s.phone
            from grid_staff s join grids g on g.code = s.grid_code and g.valid_to is null
            where s.division_code = any(cast(:divisions as text[]))
            order by s.grid_code, s.role, s.name
        """),
        {"divisions": _listed(divisions)},
    )
    return [dict(row) for row in rows.mappings()]


@dataclass(frozen=True)
class Group:
    """What one principal may see of a group's published figures in a community.

    areas: told of in bands, `count` being the band's lower bound; none where the principal may see none.
    counts: exact, by grid. uppers: upper bound of each area's band; none where it is open.
    """

    rule: GroupRule
    frozen_at: datetime
    areas: tuple[Cell, ...]
    uppers: Mapping[tuple[str, ...], int | None]
    counts: Mapping[str, int]


def select_groups(connection: Connection, principal: Principal, division: str) -> list[Group]:
    """The published figures of groups that the principal may see in a community that it may see.

    Exact counts go into the audit: see `service.store.audit.record_view`.
    """
    return select_groups_of(connection, principal, (division,)).get(division, [])


def select_groups_of(
    connection: Connection, principal: Principal, divisions: Sequence[str]
) -> dict[str, list[Group]]:
    """The same of several communities, by code; those without any are left out."""
    with uncleared(connection):
        frozen = read_frozen(connection, divisions)
    found = {code: _seen(principal, told) for code, told in frozen.items()}
    return {code: groups for code, groups in found.items() if groups}


def _seen(principal: Principal, frozen: Sequence[Frozen]) -> list[Group]:
    found = []
    for one in frozen:
        counts = {
            code: count for code, count in one.counts.items() if may_see_exact(principal, one.rule, code)
        }
        areas = one.cells if may_see_group(principal, one.rule) else ()
        if counts or areas:
            found.append(Group(one.rule, one.frozen_at, areas, one.uppers, counts))
    return found


def select_rates(
    connection: Connection, principal: Principal, division: str, span: Span | None
) -> dict[tuple[str, ...], Rate]:
    """Cases for every 1,000 households, of the cases that the principal may see, by the codes of grids in
    force that count together (most are alone; `service.store.grid_cases`).
    """
    grids, cases = access(principal, COLLECTIONS["grids"]), access(principal, COLLECTIONS["cases"])
    if grids is None or cases is None:
        return {}
    households = next(sql for column, sql in grids.columns if column.name == "households")
    timed = Condition("true")
    if span is not None:
        timed = meets(span, "t.time", "t.time", "q_")
    counted = connection.execute(
        text(f"""
            select own, st_x(place) as x, st_y(place) as y, count(*) as cases from (
                select {own_sql(cases)} as own, {place_sql(principal, cases)} as place from cases t
                where {cases.predicate} and {timed.sql} and t.division_code = :division
            ) c
            group by own, place
        """),  # noqa: S608  # identifiers come from the registry only
        {**cases.parameters, **timed.parameters, "division": division},
    ).all()
    units = select_units(connection, principal, [division])
    found = find_units(connection, principal, units, [(division, row.own, row.x, row.y) for row in counted])
    numbers: Counter[str | None] = Counter()
    for unit, row in zip(found, counted, strict=True):
        numbers[unit] += row.cases
    rows = connection.execute(
        text(f"""
            select t.code, {households} as households from grids t
            where {grids.predicate} and t.division_code = :division order by t.code
        """),  # noqa: S608  # identifiers come from the registry only
        {**grids.parameters, "division": division},
    )
    known: dict[str, int | None] = {row.code: row.households for row in rows}
    floor = rules().floor
    rates = {}
    for unit, codes in units.grids.items():
        behind = [known.get(code) for code in codes]
        whole = 0 if None in behind else sum(one or 0 for one in behind)
        rates[codes] = rate(numbers[unit], whole, floor)
    return rates


def select_state(connection: Connection, division: str) -> str:
    """What changes whenever anything on a community's map does; opaque, equal for equal data."""
    parts = " union all ".join(
        f"select '{table}', count(*), coalesce(max(updated_at)::text, ''), coalesce(sum(version), 0)"  # noqa: S608
        f" from {table} where division_code = :division"
        for table in (
            *("divisions", "grids", "plans", "buildings", "streets", "facilities", "cases"),
            *("published_figures", "grid_staff"),
        )
    )
    parts += f" union all select 'time line', 0, '', ({TIMELINE})"  # rows taken out leave no trace
    rows = connection.execute(text(parts), {"division": division})
    return ";".join(f"{row[0]}:{row[1]}:{row[2]}:{row[3]}" for row in rows)
