"""Tiers above and below the grids: kept with a plan, following its edits, and in force with its grids."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import shapely
from sqlalchemy import Connection, RowMapping, select, text

from partition.findings import Finding
from service import models
from service.access import Principal, access
from service.registry import COLLECTIONS
from service.store.geometry import metric, stored
from service.store.merge import copy_rows

if TYPE_CHECKING:
    import geopandas as gpd
    import pyproj

    from partition.tiers.tower import Tiers

# how much (m²) a square kilometre of a grid may differ from what it is divided into: what doubles cannot hold
COVER_M2_PER_KM2 = 0.01
SLIVER_M2 = 1e-4  # between borders that differ by rounding


@dataclass(frozen=True)
class Moved:
    """So many households, and m² (or 1 for a unit or building, whatever it holds), came from a grid of the
    plan as it was made to a grid as it is now.
    """

    former: str
    grid: str
    households: int
    area_m2: float = 1.0

    @property
    def counts(self) -> bool:
        """Whether it is more than where two borders differ by rounding."""
        return self.households > 0 or self.area_m2 >= 1


# --- a plan's tiers are kept ---


def save_tiers(
    connection: Connection, division: str, plan: int, made: Tiers, grids: gpd.GeoDataFrame
) -> None:
    """Keep the tiers of one community's plan, whose grids (as in `Split`) bear the codes of `made`."""
    frame = made.frame[made.frame["community"].isin(set(grids["community"]))]
    basic = int(frame.loc[frame["code"].isin(set(grids["code"])), "tier"].iloc[0])
    _save_above(connection, division, plan, frame[frame["tier"] <= basic], basic)
    _save_below(connection, division, plan, frame[frame["tier"] >= basic], basic)


def _save_above(
    connection: Connection, division: str, plan: int, frame: gpd.GeoDataFrame, basic: int
) -> None:
    members: dict[tuple[int, str], list[str]] = defaultdict(list)
    parent = {(row.tier, row.code or row.name): row.parent for row in frame.itertuples(index=False)}
    for code in frame.loc[frame["tier"] == basic, "code"]:
        held = code
        for tier in range(basic, 1, -1):
            held = parent[tier, held]
            members[tier - 1, held].append(code)
    rows = frame[frame["tier"] < basic]
    if rows.empty:
        return
    inside = [sorted(members[row.tier, row.code or row.name]) for row in rows.itertuples(index=False)]
    copy_rows(
        connection,
        models.plan_tiers,
        {
            **_of(division, plan, len(rows)),
            "level": [tier - basic for tier in rows["tier"]],
            "place": [str(number + 1) for number in rows.groupby("tier").cumcount()],
            "tier_zh": rows["tier_name"].tolist(),
            "tier_en": rows["tier_name_en"].tolist(),
            "name_zh": rows["name"].tolist(),
            "name_en": rows["name_en"].tolist(),
            "members": inside,
            "at_first": inside,
        },
    )


def _save_below(
    connection: Connection, division: str, plan: int, frame: gpd.GeoDataFrame, basic: int
) -> None:
    # of each row: the grid that it lies in, with that grid's names, and its place within it
    within: dict[tuple[int, str], tuple[Any, str]] = {}
    count: dict[tuple[int, str], int] = defaultdict(int)
    told: list[tuple[Any, str]] = []
    for row in frame.itertuples(index=False):
        if row.tier == basic:
            within[row.tier, row.code] = row, ""
            continue
        above = row.tier - 1, row.parent
        grid, place = within[above]
        count[above] += 1
        found = grid, f"{place}.{count[above]}" if place else str(count[above])
        within[row.tier, row.code or row.name] = found
        told.append(found)
    rows = frame[frame["tier"] > basic]
    if rows.empty:
        return
    residents = rows["residents"].astype(object).where(rows["residents"].notna(), None)
    grids = [grid for grid, _ in told]
    named = list(zip(rows["code"], rows["name"], rows["name_en"], grids, strict=True))
    copy_rows(
        connection,
        models.plan_tiers,
        {
            **_of(division, plan, len(rows)),
            "level": [tier - basic for tier in rows["tier"]],
            "place": [place for _, place in told],
            "tier_zh": rows["tier_name"].tolist(),
            "tier_en": rows["tier_name_en"].tolist(),
            "name_zh": [zh.removeprefix(grid.name) for _, zh, _, grid in named],
            "name_en": [en.removeprefix(f"{grid.name_en}, ") for _, _, en, grid in named],
            "code": [code.removeprefix(grid.code) for code, _, _, grid in named],
            "grid": [grid.code for grid in grids],
            "households": rows["households"].tolist(),
            "residents": residents.tolist(),
            "buildings": rows["buildings"].tolist(),
            "buildings_unknown": rows["buildings_unknown"].tolist(),
            "area_m2": rows["area_m2"].tolist(),
            "geom": stored(rows.geometry),
            "metric_wkb": metric(rows.geometry),
        },
    )


def _of(division: str, plan: int, count: int) -> dict[str, list[Any]]:
    return {"division_code": [division] * count, "plan_id": [plan] * count}


def rename_tiers(tiers: Tiers, codes: Mapping[str, str]) -> Tiers:
    """The tiers as told of grids that have other codes now (old → new), in findings and imbalance."""
    if not codes:
        return tiers
    whole = "|".join(map(re.escape, codes))
    numbers = {old[-3:]: new[-3:] for old, new in codes.items()}
    # a small grid's code begins with its grid's, and its name with the number
    coded = re.compile(rf"(?<!\w)(?:{whole})(?=(?:\d\d)*(?!\w))")
    named = re.compile(r"(?<!\w)\d{3}(?=网格)|(?<=grid )\d{3}(?!\w)")

    def told(value: Any) -> Any:
        if isinstance(value, str):
            value = named.sub(lambda found: numbers.get(found[0], found[0]), value)
            return coded.sub(lambda found: codes[found[0]], value)
        if isinstance(value, Mapping):
            return {key: told(one) for key, one in value.items()}
        return tuple(map(told, value)) if isinstance(value, tuple) else value

    violations = tuple(
        replace(finding, rows=told(finding.rows), values=told(finding.values)) for finding in tiers.violations
    )
    return replace(tiers, violations=violations, imbalance=[told(line) for line in tiers.imbalance])


# --- they follow the plan's edits ---


def follow_grids(connection: Connection, plan: int, moved: Sequence[Moved], grids: gpd.GeoDataFrame) -> None:
    """Let the tiers of a draft be what is true of its `grids` (as in `Split`): a grid is in the area from
    which most of its households came (then of its ground); small grids stay where nothing moved into their
    grid or out of it, fitted to its border as that is drawn now.
    """
    t = models.plan_tiers.c
    above = connection.execute(
        select(t.id, t.level, t.at_first).where(t.plan_id == plan, t.level < 0).order_by(t.level, t.id)
    ).all()
    now: dict[int, list[str]] = {row.id: [] for row in above}
    for level in sorted({row.level for row in above}):
        home = {code: row.id for row in above if row.level == level for code in row.at_first}
        for grid, place in _homes(moved, home).items():
            now[place].append(grid)
    for area, codes in now.items():
        connection.execute(_GATHER, {"row": area, "members": sorted(codes), "kept": bool(codes)})
    rows = connection.execute(
        select(t.id, t.level, t.grid, t.place, t.metric_wkb).where(t.plan_id == plan, t.level > 0)
    ).all()
    parts: dict[str, list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.level, row.id)):
        parts[row.grid].append(row)
    changed = {
        code for one in moved if one.former != one.grid and one.counts for code in (one.former, one.grid)
    }
    shapes = dict(zip(grids["code"], grids.geometry, strict=True))
    for code, own in parts.items():
        fitted = None if code in changed else _fit(own, shapes.get(code))
        connection.execute(_KEEP, {"rows": [row.id for row in own], "kept": fitted is not None})
        if fitted:
            _redraw(connection, fitted, grids.crs)


_GATHER = text("""
    update plan_tiers set members = cast(:members as text[]), kept = :kept where id = :row
""")
_KEEP = text("""
    update plan_tiers set kept = :kept where id = any(cast(:rows as bigint[])) and kept <> :kept
""")
_REDRAW = text("""
    update plan_tiers set geom = cast(:geom as geometry), metric_wkb = :metric, area_m2 = :area
    where id = :row
""")


def _homes(moved: Iterable[Moved], home: Mapping[str, int]) -> dict[str, int]:
    """The area of each grid."""
    held: dict[str, dict[int, tuple[int, float]]] = defaultdict(dict)
    for one in moved:
        if one.former in home:
            area = home[one.former]
            households, ground = held[one.grid].get(area, (0, 0.0))
            held[one.grid][area] = households + one.households, ground + one.area_m2
    return {
        grid: max(shares, key=lambda area: (*shares[area], -area)) for grid, shares in sorted(held.items())
    }


def _fit(rows: Sequence[Any], grid: shapely.Geometry | None) -> dict[int, shapely.Geometry] | None:
    """The small grids of a grid, largest first, where they must change to make up the grid; by id. None where
    they cannot: the grid is gone, or one of them would be in pieces or has lost its exact shape.
    """
    if grid is None or any(row.metric_wkb is None for row in rows):
        return None
    outer: dict[str, shapely.Geometry] = {"": grid}
    inner: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        inner[row.place.rpartition(".")[0]].append(row)
    found: dict[int, shapely.Geometry] = {}
    for place, own in inner.items():
        shapes = [shapely.from_wkb(bytes(row.metric_wkb)) for row in own]
        if not _covers(shapes, outer[place]):
            before = shapely.get_num_geometries(shapes)
            shapes = _fit_one(shapes, outer[place])
            if not _covers(shapes, outer[place]) or (shapely.get_num_geometries(shapes) != before).any():
                return None
            found |= {row.id: shape for row, shape in zip(own, shapes, strict=True)}
        outer |= {row.place: shape for row, shape in zip(own, shapes, strict=True)}
    return found


def _fit_one(shapes: Sequence[shapely.Geometry], outer: shapely.Geometry) -> list[shapely.Geometry]:
    """What lies outside is cut off, and what is left of `outer` goes where it borders most."""
    cut = [_solid(shapely.intersection(shape, outer)) for shape in shapes]
    for piece in shapely.get_parts(_solid(shapely.difference(outer, shapely.union_all(cut)))):
        shared = shapely.length(shapely.intersection(shapely.boundary(cut), piece.boundary))
        most = int(shared.argmax())
        cut[most] = shapely.union(cut[most], piece)
    return [_solid(shape) for shape in cut]


def _solid(shape: shapely.Geometry) -> shapely.Geometry:
    """Its surfaces, without slivers of rounding and without the lines that it shares with others."""
    parts = shapely.get_parts(shape)
    return shapely.union_all(parts[shapely.area(parts) > SLIVER_M2])


def _covers(parts: Sequence[shapely.Geometry], grid: shapely.Geometry) -> bool:
    """Whether the parts make up the grid."""
    apart = shapely.area(shapely.symmetric_difference(shapely.union_all(parts), grid))
    return bool(apart <= COVER_M2_PER_KM2 * max(1.0, shapely.area(grid) / 1e6))


def _redraw(connection: Connection, shapes: Mapping[int, shapely.Geometry], crs: pyproj.CRS) -> None:
    import geopandas as gpd

    drawn = gpd.GeoSeries(list(shapes.values()), crs=crs)
    told = zip(shapes, stored(drawn), metric(drawn), drawn.area.round(2), strict=True)
    connection.execute(
        _REDRAW,
        [{"row": row, "geom": geom, "metric": wkb, "area": float(area)} for row, geom, wkb, area in told],
    )


def pass_on_tiers(
    connection: Connection, base: int, plan: int, moved: Sequence[Moved], grids: gpd.GeoDataFrame
) -> None:
    """Give a plan that was made from the plan `base` what stays true of that one's tiers."""
    copy_tiers(connection, base, plan)
    follow_grids(connection, plan, moved, grids)


def copy_tiers(connection: Connection, base: int, plan: int) -> None:
    """Give a plan the tiers that another one has."""
    connection.execute(_COPY, {"base": base, "plan": plan})


_COPY = text("""
    insert into plan_tiers (division_code, plan_id, level, place, tier_zh, tier_en, name_zh, name_en, code,
                            grid, members, at_first, households, residents, buildings, buildings_unknown,
                            area_m2, geom, metric_wkb)
    select division_code, :plan, level, place, tier_zh, tier_en, name_zh, name_en, code, grid, members,
           members, households, residents, buildings, buildings_unknown, area_m2, geom, metric_wkb
    from plan_tiers where plan_id = :base and kept order by id
""")


@dataclass(frozen=True)
class Standing:
    """How a plan's tiers stand. above, below: how many there are; dropped: grids whose small grids went with
    the grid that they divided; apart: names, by language, of areas in several pieces on one part of the
    community.
    """

    above: int
    below: int
    dropped: tuple[str, ...]
    apart: tuple[Mapping[str, str], ...]

    def document(self) -> dict[str, Any]:
        """As answers tell it."""
        return {
            "above": self.above,
            "below": self.below,
            "dropped": list(self.dropped),
            "apart": [dict(name) for name in self.apart],
        }


def select_standing(connection: Connection, plan: int) -> Standing | None:
    """How the plan's tiers stand; None if it was made without any."""
    row = connection.execute(_STANDING, {"plan": plan}).one()
    if not row.made:
        return None
    return Standing(row.above, row.below, tuple(row.dropped), find_apart(connection, plan))


_STANDING = text("""
    with t as (select * from plan_tiers where plan_id = :plan)
    select (select count(*) from t) as made,
           (select count(*) from t where level < 0 and kept) as above,
           (select count(*) from t where level > 0 and kept) as below,
           array(select distinct grid from t where not kept and level > 0 order by 1) as dropped
""")


def find_apart(connection: Connection, plan: int) -> tuple[Mapping[str, str], ...]:
    """Names, by language, of the plan's areas in several pieces on one part of the community, which grids may
    not be either (`service.store.grids`); pieces that meet in a point are apart.
    """
    rows = connection.execute(_APART, {"plan": plan})
    return tuple({"zh": row.name_zh, "en": row.name_en} for row in rows)


_APART = text("""
    with piece as (
             select t.id, (st_dump(st_unaryunion(st_collect(g.geom)))).geom as geom
             from plan_tiers t join plan_grids g on g.plan_id = t.plan_id and g.code = any (t.members)
             where t.plan_id = :plan and t.level < 0 and t.kept group by t.id
         ),
         part as (
             select st_dump(geom) as d from divisions
             where code = (select division_code from plans where id = :plan)
         ),
         island as (select (d).path as number, (d).geom as geom from part),
         apart as (
             select distinct p.id
             from piece p join island i on st_intersects(i.geom, st_pointonsurface(p.geom))
             group by p.id, i.number having count(*) > 1
         )
    select t.name_zh, t.name_en from plan_tiers t join apart using (id) order by t.level, t.id
""")


# a plan's tiers as features: place, id, geom, told
PLAN_TIERS = """
    select lpad((t.level + 100)::text, 3, '0') || t.key as place, t.key as id, t.geom,
        json_build_object('key', t.key, 'level', t.level, 'tier_zh', t.tier_zh, 'tier_en', t.tier_en,
            'name_zh', t.name_zh, 'name_en', t.name_en, 'grids', array_to_string(t.grids, ' '),
            'households', t.households, 'residents', t.residents, 'buildings', t.buildings,
            'buildings_unknown', t.buildings_unknown, 'area_m2', t.area_m2) as told
    from (
        select 'above' || -t.level || '-' || t.place as key, t.level, t.tier_zh, t.tier_en, t.name_zh,
            t.name_en, t.members as grids, g.*
        from plan_tiers t, lateral (
            select sum(households) as households, sum(buildings) as buildings, sum(area_m2) as area_m2,
                sum(buildings_unknown) as buildings_unknown, st_forcepolygonccw(st_union(geom)) as geom,
                case when count(residents) = count(*) then sum(residents) end as residents
            from plan_grids p where p.plan_id = t.plan_id and p.code = any (t.members)
        ) g
        where t.plan_id = :plan and t.level < 0 and t.kept
        union all
        select grid || '.' || place, level, tier_zh, tier_en, name_zh, name_en, array[grid], households,
            buildings, area_m2, buildings_unknown, geom, residents
        from plan_tiers where plan_id = :plan and level > 0 and kept
    ) t
"""


def read_tiers(connection: Connection, plan: int) -> gpd.GeoDataFrame | None:
    """The plan's tiers as a frame in EPSG:4326: key, level, tier and name by language, grids (codes) and
    figures; None if it has none.
    """
    import geopandas as gpd
    import pandas as pd

    rows = connection.execute(
        text(f"select st_asbinary(f.geom) as geom, f.told from ({PLAN_TIERS}) f order by f.place"),  # noqa: S608
        {"plan": plan},
    ).all()
    if not rows:
        return None
    told = pd.DataFrame([row.told for row in rows])
    return gpd.GeoDataFrame(
        told, geometry=shapely.from_wkb([bytes(row.geom) for row in rows]), crs=models.SRID
    )


def select_plan_areas(
    connection: Connection, plan: int
) -> tuple[tuple[Mapping[str, str], tuple[str, ...]], ...]:
    """The areas next above the plan's grids, in order: name by language, and codes of the grids."""
    t = models.plan_tiers.c
    rows = connection.execute(
        select(t.name_zh, t.name_en, t.members).where(t.plan_id == plan, t.level == -1, t.kept).order_by(t.id)
    )
    return tuple(({"zh": row.name_zh, "en": row.name_en}, tuple(row.members)) for row in rows)


# --- a plan comes into force ---


def check_tiers(connection: Connection, plan: int) -> list[Finding]:
    """What keeps the plan's tiers from coming into force: grids in no area or several of one level, small
    grids that do not make up their grid, and areas in several pieces.
    """
    codes = connection.scalars(_FAULTS, {"plan": plan, "cover": COVER_M2_PER_KM2}).all()
    found = [Finding("publish_tiers", "refused", "grids", rows=tuple(codes))] if codes else []
    apart = find_apart(connection, plan)
    if apart:
        names = {
            "names_zh": "、".join(name["zh"] for name in apart),
            "names_en": ", ".join(name["en"] for name in apart),
        }
        found.append(Finding("publish_area_fragment", "refused", "tiers", values=names))
    return found


_FAULTS = text("""
    with t as (select * from plan_tiers where plan_id = :plan and kept),
         g as (select code, st_geomfromwkb(metric_wkb) as geom from plan_grids where plan_id = :plan)
    select g.code from g cross join (select distinct level from t where level < 0) l
        where (select count(*) from t where t.level = l.level and g.code = any (t.members)) <> 1
    union
    select g.code from g join (
            select grid, level, st_unaryunion(st_collect(st_geomfromwkb(metric_wkb))) as geom,
                   sum(st_area(st_geomfromwkb(metric_wkb))) as area
            from t where level > 0 group by grid, level
        ) s on s.grid = g.code
        where greatest(st_area(st_symdifference(s.geom, g.geom)), s.area - st_area(s.geom))
            > :cover * greatest(1, st_area(g.geom) / 1e6)
    union
    select grid from t where level > 0 and grid not in (select code from g)
    order by 1
""")


def change_tiers(connection: Connection, values: Mapping[str, Any]) -> None:
    """Close the tiers of the `division` in force and open those of the `plan`, at the moment `at`."""
    for statement in (_CLOSE, _OPEN_ABOVE, _OPEN_BELOW):
        connection.execute(statement, values)


_CLOSE = text("update tiers set valid_to = :at where division_code = :division and valid_to is null")
_OPEN_ABOVE = text("""
    insert into tiers (division_code, plan_id, key, level, place, tier_zh, tier_en, name_zh, name_en, code,
                       parent, grids, households, residents, buildings, buildings_unknown, area_m2,
                       least_households, valid_from, geom)
    select t.division_code, t.plan_id, 'above' || -t.level || '-' || t.place, t.level, t.place, t.tier_zh,
           t.tier_en, t.name_zh, t.name_en, t.code,
           coalesce((select 'above' || -u.level || '-' || u.place from plan_tiers u
                     where u.plan_id = t.plan_id and u.kept and u.level = t.level - 1
                         and u.members @> t.members
                     order by u.id limit 1), ''),
           t.members, g.households, g.residents, g.buildings, g.buildings_unknown, g.area_m2, g.least, :at,
           g.geom
    from plan_tiers t, lateral (
        select sum(households) as households, sum(buildings) as buildings, sum(area_m2) as area_m2,
               sum(buildings_unknown) as buildings_unknown, min(households) as least,
               case when count(residents) = count(*) then sum(residents) end as residents,
               st_forcepolygonccw(st_union(geom)) as geom
        from plan_grids p where p.plan_id = t.plan_id and p.code = any (t.members)
    ) g
    where t.plan_id = :plan and t.level < 0 and t.kept order by t.level, t.id
""")
_OPEN_BELOW = text("""
    insert into tiers (division_code, plan_id, key, level, place, tier_zh, tier_en, name_zh, name_en, code,
                       parent, grids, households, residents, buildings, buildings_unknown, area_m2,
                       least_households, valid_from, geom)
    select division_code, plan_id, grid || '.' || place, level, place, tier_zh, tier_en,
           right(grid, 3) || '网格' || name_zh, 'grid ' || right(grid, 3) || ', ' || name_en,
           case when code <> '' then grid || code else '' end,
           case when level = 1 then grid else grid || '.' || regexp_replace(place, '[.][^.]*$', '') end,
           array[grid], households, residents, buildings, buildings_unknown, area_m2, households, :at, geom
    from plan_tiers where plan_id = :plan and level > 0 and kept order by level, grid, id
""")


# --- which are in force ---


def select_areas(connection: Connection, principal: Principal, divisions: Sequence[str]) -> list[RowMapping]:
    """The areas in force of some communities as the principal may see them: key, community, level, tier and
    name in both languages, parent, grids (a list); the largest first.
    """
    return _select(connection, principal, divisions, "t.level < 0")


def has_small_grids(connection: Connection, principal: Principal, divisions: Sequence[str]) -> bool:
    """Whether grids of the communities are divided into small ones."""
    return bool(_select(connection, principal, divisions, "t.level > 0", "limit 1"))


def _select(
    connection: Connection, principal: Principal, divisions: Sequence[str], which: str, most: str = ""
) -> list[RowMapping]:
    allowed = access(principal, COLLECTIONS["tiers"])
    if allowed is None:
        return []
    columns = {column.name: sql for column, sql in allowed.columns}
    told = ("key", "community", "level", "tier_zh", "tier_en", "name_zh", "name_en", "parent")
    rows = connection.execute(
        text(f"""
            select {", ".join(f"{columns[name]} as {name}" for name in told)}, t.grids as grids
            from tiers t
            where {allowed.predicate} and {which} and t.division_code = any(cast(:divisions as text[]))
            order by t.division_code, t.level, t.id {most}
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "divisions": list(divisions)},
    )
    return list(rows.mappings())
