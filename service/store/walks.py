"""What walks are reckoned from: ways, buildings and facilities, as the principal may see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from service.access import Access, Principal, access
from service.query.box import Box
from service.registry import COLLECTIONS

if TYPE_CHECKING:
    import geopandas as gpd

# on which the ground depends, and an answer about walks
GROUND_SOURCES = ("buildings", "divisions", "grids", "streets")
SOURCES = (*GROUND_SOURCES, "facilities")


def select_ways(connection: Connection, streets: Access, box: Box) -> gpd.GeoDataFrame:
    """Streets and barriers that touch the box: class, name, bridge, tunnel, layer, geometry (degrees)."""
    import geopandas as gpd
    import shapely

    rows = connection.execute(
        text(f"""
            select t.class, t.name, t.bridge, t.tunnel, t.layer, st_asbinary(t.geom) as geom from streets t
            where {streets.predicate} and t.geom && st_makeenvelope(:west, :south, :east, :north, 4326)
            order by t.id
        """),  # noqa: S608  # identifiers come from the registry only
        {**streets.parameters, **_corners(box)},
    ).all()
    return gpd.GeoDataFrame(
        {
            "class": [row[0] for row in rows],
            "name": [row[1] for row in rows],
            "bridge": [row[2] for row in rows],
            "tunnel": [row[3] for row in rows],
            "layer": [row[4] for row in rows],
        },
        geometry=list(shapely.from_wkb([bytes(row[5]) for row in rows])),
        crs=4326,
    )


def count_buildings(connection: Connection, principal: Principal, divisions: Sequence[str]) -> int:
    """How many rows `select_homes` has."""
    allowed = access(principal, COLLECTIONS["buildings"])
    if allowed is None:
        return 0
    return int(
        connection.execute(
            text(f"""
                select count(*) from buildings t
                where {allowed.predicate} and t.division_code = any(cast(:divisions as text[]))
            """),  # noqa: S608  # identifiers come from the registry only
            {**allowed.parameters, "divisions": list(divisions)},
        ).scalar_one()
    )


def select_homes(
    connection: Connection, principal: Principal, divisions: Sequence[str]
) -> tuple[gpd.GeoDataFrame, bool]:
    """The buildings of the communities: id, grid ("" for none), use, geometry (degrees); floors and
    households (NaN: unknown) where the principal sees them; and whether it sees the households.

    An id is a building's within its community, and begins with the community's code where there are several.
    """
    import geopandas as gpd
    import shapely

    allowed = access(principal, COLLECTIONS["buildings"])
    if allowed is None:
        return gpd.GeoDataFrame({"id": [], "grid": [], "use": []}, geometry=[], crs=4326), False
    seen = {column.name: sql for column, sql in allowed.columns}
    more = [name for name in ("floors", "households") if name in seen]
    several = len(divisions) > 1
    rows = connection.execute(
        text(f"""
            select {"t.division_code || ':' || " if several else ""}t.building_id as id,
                   coalesce({seen["grid"]}, '') as grid, coalesce({seen["use"]}, '') as use,
                   st_asbinary({allowed.geometry}) as geom
                   {"".join(f", ({seen[name]})::float8 as {name}" for name in more)}
            from buildings t
            where {allowed.predicate} and t.division_code = any(cast(:divisions as text[])) order by t.id
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "divisions": list(divisions)},
    ).all()
    frame = gpd.GeoDataFrame(
        {name: [getattr(row, name) for row in rows] for name in ("id", "grid", "use", *more)},
        geometry=list(shapely.from_wkb([bytes(row.geom) for row in rows])),
        crs=4326,
    )
    return frame.astype(dict.fromkeys(more, float)), "households" in seen


def select_kinds(connection: Connection, principal: Principal, divisions: Sequence[str]) -> list[str]:
    """The kinds of facilities in the communities, as the data have them."""
    allowed = access(principal, COLLECTIONS["facilities"])
    if allowed is None:
        return []
    rows = connection.scalars(
        text(f"""
            select distinct t.kind from facilities t
            where {allowed.predicate} and t.division_code = any(cast(:divisions as text[])) order by 1
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "divisions": list(divisions)},
    )
    return list(rows)


def select_kinds_near(connection: Connection, facilities: Access, box: Box) -> list[str]:
    """The kinds of facilities in a box."""
    rows = connection.scalars(
        text(f"""
            select distinct t.kind from facilities t where {facilities.predicate}
                and t.geom && st_makeenvelope(:west, :south, :east, :north, 4326) order by 1
        """),  # noqa: S608  # identifiers come from the registry only
        {**facilities.parameters, **_corners(box)},
    )
    return list(rows)


def select_facilities(
    connection: Connection, facilities: Access, box: Box, kinds: Sequence[str]
) -> gpd.GeoDataFrame:
    """Facilities of the kinds in a box: id (as in the collection), name, condition, geometry (degrees)."""
    import geopandas as gpd
    import shapely

    key = COLLECTIONS["facilities"].key
    rows = connection.execute(
        text(f"""
            select {key} as id, t.name, t.condition, st_asbinary({facilities.geometry}) as geom
            from facilities t
            where {facilities.predicate} and t.kind = any(cast(:kinds as text[]))
                and t.geom && st_makeenvelope(:west, :south, :east, :north, 4326)
            order by 1
        """),  # noqa: S608  # identifiers come from the registry only
        {**facilities.parameters, **_corners(box), "kinds": list(kinds)},
    ).all()
    return gpd.GeoDataFrame(
        {name: [getattr(row, name) for row in rows] for name in ("id", "name", "condition")},
        geometry=list(shapely.from_wkb([bytes(row.geom) for row in rows])),
        crs=4326,
    )


def _corners(box: Box) -> dict[str, float]:
    return {"west": box.west, "south": box.south, "east": box.east, "north": box.north}
