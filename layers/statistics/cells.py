"""Square cells over an area, and points counted in areas."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

Whole = npt.NDArray[np.int64]


def square_cells(area: BaseGeometry, cell_m: float) -> gpd.GeoDataFrame:
    """Squares of `cell_m` metres, clipped to `area` (metres), from the south-west: column, row, geometry.

    The lattice is that of whole multiples of `cell_m`, so that areas side by side, and the same area next
    year, share it. Slivers without an area are left out. Raises ValueError for a size that is not positive.
    """
    if not 0 < cell_m < math.inf:
        raise ValueError("cell_m must be positive")
    west, south, east, north = area.bounds
    columns = np.arange(math.floor(west / cell_m), math.ceil(east / cell_m), dtype=np.int64)
    rows = np.arange(math.floor(south / cell_m), math.ceil(north / cell_m), dtype=np.int64)
    column, row = (grid.ravel() for grid in np.meshgrid(columns, rows))
    x, y = column * cell_m, row * cell_m
    squares = shapely.box(x, y, x + cell_m, y + cell_m)
    shapely.prepare(area)
    near = shapely.intersects(area, squares)
    inner = shapely.contains(area, squares)
    squares[near & ~inner] = shapely.intersection(squares[near & ~inner], area)
    kept = near & (shapely.area(squares) > 1e-6 * cell_m**2)
    return gpd.GeoDataFrame({"column": column[kept], "row": row[kept]}, geometry=squares[kept])


def count_points(
    areas: gpd.GeoSeries, points: gpd.GeoSeries, weights: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """How many points lie in each area (or their `weights` together); a point in none is not counted.

    A point on a border that two areas share is counted once, in the one whose middle lies farther west
    (then south).
    """
    found = area_of_points(areas, points)
    inside = found >= 0
    return np.bincount(
        found[inside], weights=None if weights is None else weights[inside], minlength=len(areas)
    ).astype(np.float64)


def area_of_points(areas: gpd.GeoSeries, points: gpd.GeoSeries) -> Whole:
    """The position of the area each point lies in, −1 for none; on a shared border as `count_points` says."""
    shapes = np.asarray(areas.to_numpy())
    middles = shapely.get_coordinates(shapely.centroid(shapes)).reshape(-1, 2)
    rank = np.empty(len(shapes), dtype=np.int64)
    rank[np.lexsort((middles[:, 1], middles[:, 0]))] = np.arange(len(shapes))
    point, area = shapely.STRtree(shapes).query(np.asarray(points.to_numpy()), predicate="intersects")
    found = np.full(len(points), -1, dtype=np.int64)
    order = np.argsort(-rank[area], kind="stable")  # the lowest rank is written last
    found[point[order]] = area[order]
    return found
