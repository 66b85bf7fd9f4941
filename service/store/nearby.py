"""What is near a point, and which grids points are in.

Everything runs on what the principal may see: cases lie at their places unless their points are shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from service.access import Access
from service.query.question import Question
from service.registry import Collection
from service.store.items import columns_sql, feature_sql
from service.store.networks import DEGREE_M, Ways

CHUNK = 10_000
CANDIDATES_MOST = 2000


@dataclass(frozen=True)
class Near:
    """A feature and its distance in metres."""

    feature: dict[str, Any]
    metres: float
    lon: float
    lat: float


def locate_points(
    connection: Connection, access: Access, lons: Sequence[float], lats: Sequence[float]
) -> Iterator[list[str | None]]:
    """The code of the grid at each point (degrees), None for none, in chunks; on a border the lower code."""
    sql = text(f"""
        select g.code from unnest(cast(:lons as float8[]), cast(:lats as float8[]))
            with ordinality as p (lon, lat, place)
        cross join lateral (select st_setsrid(st_makepoint(p.lon, p.lat), 4326) as geom) q
        left join lateral (
            select t.code from grids t
            where {access.predicate} and t.geom && q.geom and st_intersects(t.geom, q.geom)
            order by t.code limit 1
        ) g on true
        order by p.place
    """)  # noqa: S608  # identifiers come from the registry only
    for begin in range(0, len(lons), CHUNK):
        some = slice(begin, begin + CHUNK)
        values = {**access.parameters, "lons": list(lons[some]), "lats": list(lats[some])}
        yield list(connection.scalars(sql, values))


def select_nearby(
    connection: Connection,
    collection: Collection,
    access: Access,
    lon: float,
    lat: float,
    *,
    radius: float,
    limit: int,
    equal: Mapping[str, str] | None = None,
) -> list[Near]:
    """Features within `radius` metres in a straight line, nearest first.

    equal: properties of the collection that the principal sees, with the value each must have.
    """
    asked, columns = equal or {}, {column.name: sql for column, sql in access.columns}
    high = radius / DEGREE_M
    wide = high / max(math.cos(math.radians(min(abs(lat) + high, 89.0))), 0.01)
    box = "st_makeenvelope(:west, :south, :east, :north, 4326)"
    clauses = [f"({columns[name]})::text = :eq_{place}" for place, name in enumerate(asked)]
    found = connection.execute(
        text(f"""
            select {feature_sql(collection, access, Question())} as feature, n.metres,
                   st_x(n.middle) as lon, st_y(n.middle) as lat
            from {collection.table} t
            cross join lateral (
                select st_distance(({access.geometry})::geography,
                                   st_setsrid(st_makepoint(:lon, :lat), 4326)::geography) as metres,
                       st_pointonsurface({access.geometry}) as middle
            ) n
            cross join lateral (select {columns_sql(access.columns)}) r
            where {access.predicate} and ({" or ".join(f"{one} && {box}" for one in access.indexed)})
              and ({access.geometry}) && {box} {"".join(f" and {one}" for one in clauses)}
              and n.metres <= :radius
            order by n.metres, t.id limit :limit
        """),  # noqa: S608  # identifiers come from the registry only
        {
            **access.parameters,
            **{f"eq_{place}": value for place, value in enumerate(asked.values())},
            "lon": lon,
            "lat": lat,
            "west": lon - wide,
            "east": lon + wide,
            "south": lat - high,
            "north": lat + high,
            "radius": radius,
            "limit": limit,
        },
    )
    return [Near(json.loads(row.feature), row.metres, row.lon, row.lat) for row in found]


def walk_to(
    ways: Ways, lon: float, lat: float, near: Sequence[Near], radius: float, limit: int
) -> list[Near]:
    """Those of the features that are within `radius` metres on foot from a point, nearest first, with that
    distance.
    """
    import geopandas as gpd
    import numpy as np
    import shapely

    from partition.geometry.walking import find_access, walk_distances

    places = [(lon, lat), *((one.lon, one.lat) for one in near)]
    doors = find_access(
        ways.network, gpd.GeoSeries(shapely.points(places), crs=4326).to_crs(ways.crs).to_numpy()
    )
    start, goals = doors.take(slice(0, 1)), doors.take(slice(1, None))
    metres = walk_distances(ways.network, start, goals, limit_m=radius)[0]
    order = [place for place in np.argsort(metres, kind="stable").tolist() if math.isfinite(metres[place])]
    return [
        Near(near[place].feature, float(metres[place]), near[place].lon, near[place].lat)
        for place in order[:limit]
    ]
