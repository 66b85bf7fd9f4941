"""Communities with their layers: from a checked area into the database, and back as the area it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely
from sqlalchemy import Connection, RowMapping, Table, func, select, text

from partition.area import Area
from partition.findings import Finding
from service import models
from service.intake.layers import Layers
from service.store.cases import locate_cases
from service.store.errors import NotFoundError
from service.store.geometry import crs_text, metric, read_metric, stored
from service.store.locks import lock_divisions
from service.store.merge import Change, merge_rows
from service.store.places import place_cases
from service.store.staff import assign_staff
from service.store.timelines import TIMELINE

Progress = Callable[[str, float], None]
Numbers = npt.NDArray[np.int64]

# streets this near are read with a community, in degrees (about 200 m): a border may run along a neighbour's
NEAR_DEGREES = 0.002


@dataclass(frozen=True)
class Loaded:
    """What a load did: divisions' codes, rows by layer, buildings outside every community (not stored).

    findings: communities that lie over others which an earlier load brought.
    """

    divisions: tuple[str, ...]
    changes: Mapping[str, Change] = field(default_factory=dict)
    outside: int = 0
    findings: tuple[Finding, ...] = ()


def division_codes(area: Area) -> list[str]:
    """The code of each community's division: its official code, else its own id."""
    return [row.code or row.id for row in area.communities.itertuples()]


# --- into the database ---


def load_area(
    connection: Connection,
    area: Area,
    layers: Layers | None = None,
    *,
    synthetic: bool | None = None,
    attribution: str | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Make the database hold the area's communities as they are in it, within the caller's transaction.

    Replaces streets, compounds, zones and buildings, and those of facilities, population groups and staff
    that are given; cases are added and changed, never removed; communities that the area does not name are
    left alone. Rows that did not change keep id and version, so the same area twice changes nothing.
    Published grids stay; buildings that are new to them are placed in the grid around them. synthetic and
    attribution stay as they were where they are None.
    """
    layers = layers or Layers()
    loader = _Loader(connection, area, division_codes(area))
    steps: dict[str, Callable[[], Change]] = {
        "community": partial(loader.communities, layers.findings, synthetic, attribution),
        "streets": loader.streets,
        "compounds": loader.compounds,
        "zones": loader.zones,
        "buildings": loader.buildings,
    }
    if layers.facilities is not None:
        steps["facilities"] = partial(loader.facilities, layers.facilities)
    if layers.population_groups is not None:
        steps["population_groups"] = partial(loader.population_groups, layers.population_groups)
    if layers.staff is not None:
        steps["staff"] = partial(loader.staff, layers.staff)
    if layers.cases is not None:
        steps["cases"] = partial(loader.cases, layers.cases)
    tell = progress or (lambda step, share: None)
    lock_divisions(connection, loader.codes)
    changes: dict[str, Change] = {}
    for done, (name, step) in enumerate(steps.items()):
        tell(name, done / len(steps))
        changes[name] = step()
    for code in loader.codes:
        locate_buildings(connection, code)
        locate_cases(connection, code)
        assign_staff(connection, code)
        place_cases(connection, code)
    tell("cases", 1.0)
    outside = int((area.buildings["community"] < 0).sum())
    return Loaded(tuple(loader.codes), changes, outside, _overlaps(connection, loader.codes))


def _overlaps(connection: Connection, divisions: Sequence[str]) -> tuple[Finding, ...]:
    """Communities just loaded that share more than a hundredth of the smaller area with an older one."""
    rows = connection.execute(
        text("""
            select ours, other, area from (
                select n.code as ours, o.code as other, st_area(n.geom) as a, st_area(o.geom) as b,
                       st_area(st_intersection(n.geom, o.geom)) as shared,
                       st_area(st_intersection(n.geom, o.geom)::geography) as area
                from divisions n join divisions o on n.geom && o.geom and o.code <> all(:divisions)
                where n.code = any(:divisions)
            ) pairs
            where shared > least(a, b) / 100 order by ours, other
        """),
        {"divisions": list(divisions)},
    )
    return tuple(
        Finding("load_overlap", "noted", "community", rows=(ours, other), values={"area_m2": round(area)})
        for ours, other, area in rows
    )


@dataclass(frozen=True)
class _Loader:
    """One method a layer; each hands its columns to the merge."""

    connection: Connection
    area: Area
    codes: list[str]

    def communities(
        self, found: Sequence[Finding], synthetic: bool | None, attribution: str | None
    ) -> Change:
        frame = self.area.communities
        count = len(frame)
        findings = json.dumps([finding.to_dict() for finding in (*self.area.findings, *found)])
        marks = {
            code: (was_synthetic, was_attribution)
            for code, was_synthetic, was_attribution in self.connection.execute(
                text("select code, synthetic, attribution from divisions where code = any(:codes)"),
                {"codes": self.codes},
            )
        }
        kept = [marks.get(code, (False, "")) for code in self.codes]
        return merge_rows(
            self.connection,
            models.divisions,
            self.codes,
            ["division_code"],
            {
                "division_code": self.codes,
                "code": self.codes,
                "community_id": _list(frame["id"]),
                "name": _list(frame["name"]),
                "class": _list(frame["class"]),
                "local": _list(frame["code"] == ""),
                "synthetic": [was if synthetic is None else synthetic for was, _ in kept],
                "attribution": [was if attribution is None else attribution for _, was in kept],
                "source_crs": [crs_text(self.area.source_crs)] * count,
                "metric_crs": [crs_text(self.area.crs)] * count,
                "findings": [findings] * count,
                **_shapes(frame.geometry),
            },
            remove=False,
        )

    def streets(self) -> Change:
        frame = self.area.streets
        return self._replace(
            models.streets,
            ["ordinal"],
            _owners(frame.geometry, self.area.communities.geometry, shapely.length),
            {
                "ordinal": list(range(len(frame))),
                "name": _list(frame["name"]),
                "class": _list(frame["class"]),
                "bridge": _list(frame["bridge"]),
                "tunnel": _list(frame["tunnel"]),
                "layer": _list(frame["layer"]),
                "oneway": _list(frame["oneway"]),
                **_shapes(frame.geometry),
            },
        )

    def compounds(self) -> Change:
        frame = self.area.compounds
        return self._replace(
            models.compounds,
            ["ordinal"],
            _owners(frame.geometry, self.area.communities.geometry, shapely.area),
            {
                "ordinal": list(range(len(frame))),
                "compound_id": _list(frame["id"]),
                "name": _list(frame["name"]),
                **_shapes(frame.geometry),
            },
        )

    def zones(self) -> Change:
        frame = self.area.zones
        return self._replace(
            models.zones,
            ["ordinal"],
            _owners(frame.geometry, self.area.communities.geometry, shapely.area),
            {
                "ordinal": list(range(len(frame))),
                "zone_id": _list(frame["id"]),
                "name": _list(frame["name"]),
                "kind": _list(frame["kind"]),
                "complexity": _list(frame["complexity"]),
                **_shapes(frame.geometry),
            },
        )

    def buildings(self) -> Change:
        frame = self.area.buildings[self.area.buildings["community"] >= 0]
        return self._replace(
            models.buildings,
            ["building_id", "part"],
            frame["community"].to_numpy(),
            {
                "building_id": _list(frame["id"]),
                "part": _list(frame.groupby("atom").cumcount()),
                "ordinal": _list(pd.Series(frame.index)),
                "households": _list(frame["households"]),
                "households_unknown": _list(frame["unknown"]),
                "estimated": _list(frame["estimated"]),
                "residents": _list(frame["residents"]),
                "use": _list(frame["use"]),
                "floors": _list(frame["floors"]),
                "shops": _list(frame["shops"]),
                "complexity": _list(frame["complexity"]),
                "village_group": _list(frame["village_group"]),
                **_shapes(frame.geometry),
            },
        )

    def facilities(self, frame: gpd.GeoDataFrame) -> Change:
        return self._replace(
            models.facilities,
            ["facility_id"],
            frame["division"].to_numpy(),
            {
                "facility_id": _list(frame["id"]),
                "kind": _list(frame["kind"]),
                "name": _list(frame["name"]),
                "condition": _list(frame["condition"]),
                "geom": stored(frame.geometry),
            },
        )

    def population_groups(self, frame: pd.DataFrame) -> Change:
        return self._replace(
            models.population_groups,
            ["building_id", "category"],
            frame["division"].to_numpy(),
            {
                "building_id": _list(frame["building"]),
                "category": _list(frame["category"]),
                "count": _list(frame["count"]),
            },
        )

    def staff(self, frame: pd.DataFrame) -> Change:
        return self._replace(
            models.grid_staff,
            ["assigned", "role", "name"],
            frame["division"].to_numpy(),
            {name: _list(frame[name]) for name in ("assigned", "role", "name", "phone")},
        )

    def cases(self, frame: gpd.GeoDataFrame) -> Change:
        building = frame["building"]
        return self._replace(
            models.cases,
            ["case_id"],
            frame["division"].to_numpy(),
            {
                "case_id": _list(frame["id"]),
                "category": _list(frame["category"]),
                "time": _list(frame["time"]),
                "due_at": _list(frame["due"]),
                "status": _list(frame["status"]),
                "tier": _list(frame["tier"]),
                "building_id": _list(building.where(building != "", None)),
                "geom": stored(frame.geometry),
            },
            remove=False,
        )

    def _replace(
        self,
        table: Table,
        key: list[str],
        owner: Numbers,
        columns: Mapping[str, list[Any]],
        *,
        remove: bool = True,
    ) -> Change:
        division = [self.codes[number] for number in owner.tolist()]
        return merge_rows(
            self.connection,
            table,
            self.codes,
            ["division_code", *key],
            {"division_code": division, **columns},
            remove=remove,
        )


def locate_buildings(connection: Connection, division: str) -> int:
    """Give buildings the grid that the published plan has them in, or else that in force around them: where
    it does not know them, or where they lie outside of that grid, for files give ids anew.

    Returns how many got another grid than they had. Rows of one building are in the grid of its first.
    """
    return connection.execute(
        text("""
            update buildings b set grid_code = n.grid_code
            from (
                select f.building_id, coalesce(
                    (select pb.grid_code from plan_buildings pb join plans p on p.id = pb.plan_id
                     join grids g on g.code = pb.grid_code and g.valid_to is null
                     where p.division_code = :division and p.status = 'published'
                       and pb.building_id = f.building_id and g.division_code = :division
                       and st_dwithin(g.geom, st_pointonsurface(f.geom), 1e-6)),
                    (select g.code from grids g
                     where g.division_code = :division and g.valid_to is null
                       and g.geom && f.geom and st_covers(g.geom, st_pointonsurface(f.geom))
                     order by g.code limit 1)
                ) as grid_code
                from buildings f where f.division_code = :division and f.part = 0
            ) n
            where b.division_code = :division and b.building_id = n.building_id
              and b.grid_code is distinct from n.grid_code
        """),
        {"division": division},
    ).rowcount


def _owners(shapes: gpd.GeoSeries, communities: gpd.GeoSeries, size: Callable[[Any], Any]) -> Numbers:
    """The community that holds most of each shape, else the nearest; the first of equals."""
    areas, things = communities.to_numpy(), shapes.to_numpy()
    best = np.zeros(len(things), dtype=np.int64)
    if len(areas) == 1 or not len(things):
        return best
    tree = shapely.STRtree(areas)
    thing, near = tree.query_nearest(things)
    order = np.lexsort((-near, thing))
    best[thing[order]] = near[order]
    thing, community = tree.query(things, predicate="intersects")
    shared = np.round(size(shapely.intersection(things[thing], areas[community])), 6)
    order = np.lexsort((-community, shared, thing))
    best[thing[order]] = community[order]
    return best


def _shapes(frame: gpd.GeoSeries) -> dict[str, list[Any]]:
    return {"geom": stored(frame), "metric_wkb": metric(frame)}


def _list(column: pd.Series) -> list[Any]:
    """Python values, None where missing."""
    return column.astype(object).where(column.notna(), None).tolist()


# --- out of the database ---


def list_communities(connection: Connection) -> list[RowMapping]:
    """Every community: code, community_id, name, local, synthetic, buildings, households, grids in force."""
    divisions, buildings, grids = models.divisions.c, models.buildings, models.grids
    figures = (
        select(
            buildings.c.division_code,
            func.count(buildings.c.building_id.distinct()).label("buildings"),
            func.sum(buildings.c.households).label("households"),
        )
        .group_by(buildings.c.division_code)
        .subquery()
    )
    in_force = (
        select(grids.c.division_code, func.count().label("grids"))
        .where(grids.c.valid_to.is_(None))
        .group_by(grids.c.division_code)
        .subquery()
    )
    query = (
        select(
            divisions.code,
            divisions.community_id,
            divisions.name,
            divisions.local,
            divisions.synthetic,
            func.coalesce(figures.c.buildings, 0).label("buildings"),
            func.coalesce(figures.c.households, 0).label("households"),
            func.coalesce(in_force.c.grids, 0).label("grids"),
        )
        .outerjoin(figures, figures.c.division_code == divisions.code)
        .outerjoin(in_force, in_force.c.division_code == divisions.code)
        .where(divisions.tier == "community")
        .order_by(divisions.code)
    )
    return list(connection.execute(query).mappings())


def has_division(connection: Connection, code: str) -> bool:
    """Whether there is a community of that code, as far as whoever asks may know."""
    divisions = models.divisions.c
    return connection.scalar(select(divisions.id).where(divisions.code == code)) is not None


def find_community(connection: Connection, name: str) -> str:
    """The code of the community whose code, own id or name is `name`; NotFoundError lists those there are."""
    divisions = models.divisions.c
    for column in (divisions.code, divisions.community_id, divisions.name):
        found = connection.scalars(
            select(divisions.code).where(column == name, divisions.tier == "community")
        ).all()
        if len(found) == 1:
            return str(found[0])
    rows = connection.execute(select(divisions.code, divisions.name).order_by(divisions.code)).all()
    if not rows:
        raise NotFoundError("community-none")
    known = ", ".join(f"{code} ({title})" if title else str(code) for code, title in rows)
    raise NotFoundError("community-unknown", name=name, known=known)


def read_area(connection: Connection, code: str) -> Area:
    """The community as the partition takes it, exactly as it was loaded (edited rows: as edited).

    Streets of neighbouring communities are included where they are near.
    """
    division = (
        connection.execute(select(models.divisions).where(models.divisions.c.code == code)).mappings().first()
    )
    if division is None:
        raise NotFoundError("community-unknown", name=code, known="")
    crs = pyproj.CRS.from_user_input(division["metric_crs"])
    source = pyproj.CRS.from_user_input(division["source_crs"])
    communities = _frame(
        [division],
        {"id": ("community_id", "str"), "name": ("name", "str"), "class": ("class", "str")},
        crs,
    )
    communities.insert(2, "code", "" if division["local"] else code)
    t = models.streets.c
    near = func.st_expand(
        select(models.divisions.c.geom).where(models.divisions.c.code == code).scalar_subquery(), NEAR_DEGREES
    )
    streets = _frame(
        connection.execute(
            select(models.streets)
            .where((t.division_code == code) | t.geom.op("&&")(near))
            .order_by(t.ordinal, t.division_code)
        ).mappings(),
        {
            "class": ("class", "str"),
            "bridge": ("bridge", "bool"),
            "tunnel": ("tunnel", "bool"),
            "layer": ("layer", "int64"),
            "oneway": ("oneway", "bool"),
            "name": ("name", "str"),
        },
        crs,
    )
    buildings = _frame(
        _rows(connection, models.buildings, code),
        {
            "id": ("building_id", "str"),
            "households": ("households", "int64"),
            "unknown": ("households_unknown", "bool"),
            "estimated": ("estimated", "bool"),
            "residents": ("residents", "float64"),
            "use": ("use", "str"),
            "floors": ("floors", "float64"),
            "shops": ("shops", "float64"),
            "complexity": ("complexity", "float64"),
            "village_group": ("village_group", "str"),
        },
        crs,
    )
    buildings.insert(0, "row", np.arange(len(buildings), dtype=np.int64))
    buildings.insert(11, "community", np.zeros(len(buildings), dtype=np.int64))
    buildings.insert(12, "atom", pd.factorize(buildings["id"])[0].astype(np.int64))
    compounds = _frame(
        _rows(connection, models.compounds, code),
        {"id": ("compound_id", "str"), "name": ("name", "str")},
        crs,
    )
    zones = _frame(
        _rows(connection, models.zones, code),
        {
            "id": ("zone_id", "str"),
            "name": ("name", "str"),
            "kind": ("kind", "str"),
            "complexity": ("complexity", "float64"),
        },
        crs,
    )
    original = buildings[["id", "households", "residents", "use", "floors", "geometry"]].to_crs(source)
    original["households"] = (
        original["households"].astype("Int64").mask(buildings["unknown"] & ~buildings["estimated"])
    )
    findings = tuple(_finding(entry) for entry in division["findings"])
    return Area(crs, source, communities, streets, buildings, compounds, original, findings, zones)


def fingerprint(connection: Connection, code: str) -> str:
    """What changes whenever anything does that a plan of the community is made from; opaque."""
    return str(
        connection.scalar(
            text(f"""
                select string_agg(part, ' ' order by part) from (
                    select 'divisions ' || version as part from divisions where code = :code
                    union all
                    select concat_ws(' ', 'buildings', count(*), md5(string_agg(
                        concat_ws('/', building_id, part, ordinal, households, residents, shops, complexity,
                                  village_group, md5(st_asbinary(geom))), ',' order by ordinal, id)))
                    from buildings where division_code = :code
                    union all
                    select concat_ws(' ', 'streets', count(*), sum(version), max(id))
                    from streets where division_code = :code
                    union all
                    select concat_ws(' ', 'compounds', count(*), sum(version), max(id))
                    from compounds where division_code = :code
                    union all
                    select concat_ws(' ', 'zones', count(*), sum(version), max(id))
                    from zones where division_code = :code
                    union all
                    select concat_ws(' ', 'time line', ({TIMELINE}))
                ) parts
            """),  # noqa: S608  # nothing of a caller's is in it
            {"code": code},
        )
    )


def _rows(connection: Connection, table: Table, code: str) -> list[RowMapping]:
    return list(
        connection.execute(
            select(table).where(table.c.division_code == code).order_by(table.c.ordinal, table.c.id)
        ).mappings()
    )


def _frame(rows: Any, columns: Mapping[str, tuple[str, str]], crs: pyproj.CRS) -> gpd.GeoDataFrame:
    """Rows of a table as a frame in metres: name → (column of the table, dtype)."""
    found = list(rows)
    shapes = read_metric([row["metric_wkb"] for row in found], [row["geom"].data for row in found], crs)
    data = {
        name: pd.Series([row[column] for row in found], dtype=dtype)
        for name, (column, dtype) in columns.items()
    }
    return gpd.GeoDataFrame(data, geometry=shapes, crs=crs)


def _finding(entry: Mapping[str, Any]) -> Finding:
    return Finding(
        entry["code"],
        entry["level"],
        entry["layer"],
        entry["column"],
        tuple(entry["rows"]),
        entry["values"],
        entry["file"],
    )
