"""The colours of a community's grids, which stay with them from publication to publication.

Nothing is stored: they are made anew, the same each time, by following the versions of the grids from one
publication to the next, as far as the principal may see them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from service.access import Principal, access
from service.registry import COLLECTIONS

# publications that are followed; a grid older than that has the colour that the oldest of them gives it
STEPS_MOST = 12


def select_colours(connection: Connection, principal: Principal, division: str) -> dict[str, int]:
    """A number from 0 for each grid in force, such that neighbours differ (`layers.colouring`)."""
    import geopandas as gpd
    import shapely

    from layers.colouring import colour, neighbours
    from layers.utm import utm_crs

    allowed = access(principal, COLLECTIONS["grids"])
    if allowed is None:
        return {}
    rows = connection.execute(
        text(f"""
            select t.code, t.valid_from, t.valid_to, st_asbinary(t.geom) as shape from grids t
            where {allowed.always} and t.division_code = :division order by t.code, t.valid_from
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "division": division},
    ).all()
    found: dict[str, int] = {}
    for time in sorted({row.valid_from for row in rows})[-STEPS_MOST:]:
        held = [row for row in rows if _holds(row, time)]
        shapes = gpd.GeoSeries([shapely.from_wkb(bytes(row.shape)) for row in held], crs=4326)
        adjacent = neighbours(shapes.to_crs(utm_crs(shapes)))
        made = colour(adjacent, [found.get(row.code) for row in held])
        found = {row.code: number for row, number in zip(held, made.colours, strict=True)}
    return found


def _holds(row: Any, time: datetime) -> bool:
    """Whether a version of a grid was in force at a time."""
    return bool(row.valid_from <= time and (row.valid_to is None or time < row.valid_to))
