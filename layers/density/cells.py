"""The density as coloured cells, clipped to the community, for a page that draws polygons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from layers.density.breaks import LADDER
from layers.density.ground import Ground, lay_ground
from layers.density.lattice import Lattice
from layers.density.surface import MIN_CASES, case_lattice

if TYPE_CHECKING:
    import geopandas as gpd

    from layers.view import Surface


def case_surface(
    points: gpd.GeoSeries,
    community: BaseGeometry,
    *,
    days: int,
    bandwidth_m: float | None = None,
    cell_m: float | None = None,
    min_cases: int = MIN_CASES,
    breaks: Sequence[float] = LADDER,
) -> Surface:
    """The density of cases in a community, in cases per km² and 30 days, as cells clipped to it.

    `points` (any CRS) are the cases of `days` days; those outside `community` (EPSG:4326) are left out.
    Bandwidth and cells are chosen by the area where they are not given: see `lay_ground`, and `case_lattice`
    for the estimate and the errors. breaks: between the classes; unless others are given those that are the
    same for every community, month and filter.
    """
    from layers.view import Surface

    ground = lay_ground(community, bandwidth_m=bandwidth_m, cell_m=cell_m)
    places = shapely.get_coordinates(points.to_crs(4326).to_numpy())
    lattice = case_lattice(ground, places, days=days, min_cases=min_cases, breaks=breaks)
    return Surface(
        cells=lattice_cells(lattice, ground),
        breaks=lattice.breaks,
        bandwidth_m=ground.bandwidth_m,
        cell_m=ground.cell_m,
        cases=lattice.cases,
        days=days,
        min_cases=min_cases,
    )


def lattice_cells(lattice: Lattice, ground: Ground) -> gpd.GeoDataFrame:
    """The shown cells as polygons clipped to the area: value, geometry; EPSG:4326, in the lattice's order."""
    import geopandas as gpd

    rows, columns = np.nonzero(~np.isnan(lattice.values))
    size = lattice.cell_m
    x, y = lattice.origin[0] + columns * size, lattice.origin[1] - rows * size
    squares = gpd.GeoSeries(shapely.box(x, y - size, x + size, y), crs=lattice.crs).to_crs(4326)
    shapely.prepare(ground.area)
    cells = squares.to_numpy()
    whole = shapely.contains_properly(ground.area, cells)
    cells[~whole] = shapely.intersection(cells[~whole], ground.area)
    values = lattice.values[rows, columns]
    real = shapely.area(cells) > 0
    return gpd.GeoDataFrame({"value": values[real]}, geometry=cells[real], crs=4326)
