"""Isochrones: the ground within so many minutes' walk of a facility, as polygons.

A spot belongs to the isochrone if one who stands there gets on the nearest street that no wall or water parts
from it, straight, and from there along the streets reaches a facility in time: the same walk that homes are
measured by. The walk is computed on a lattice of spots, whose contours are drawn (linear between spots, as in
marching squares). A home on the wrong side of them, in a nook smaller than the lattice, gets a small circle
of its own, so that a home inside the polygon is a home that counts, without exception. Buffers round the
streets that are reached, as often drawn, would end at a fixed distance from the street however long the walk
there was, and would cross walls and rivers; hulls of what is reached would fill what is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import geopandas as gpd
import numpy as np
import shapely
from contourpy import FillType, contour_generator
from shapely.geometry.base import BaseGeometry

from layers.reach.ground import Ground, Walks
from layers.reach.shares import MINUTES, reach_limits
from partition.arrays import Flags, Geometries, Lengths
from partition.geometry.walking import WALK_M_PER_MINUTE, find_access, walk_to_nearest

FINEST_M = 5.0  # between spots of the lattice
MOST_SPOTS = 30_000  # within the division; larger ones get a wider lattice


def draw_isochrones(
    ground: Ground,
    walks: Walks,
    division: gpd.GeoSeries,
    *,
    minutes: Sequence[float] = MINUTES,
    metres_per_minute: float = WALK_M_PER_MINUTE,
    cell_m: float | None = None,
) -> gpd.GeoDataFrame:
    """minutes, area_m2, geometry (EPSG:4326) of each isochrone within `division` (any CRS), shortest first.

    Each holds the shorter ones; parts that do not hang together are parts of one MultiPolygon, which is empty
    where nothing is reached. Corners are kept to a quarter of `cell_m`, the distance between spots of the
    lattice, by default 5 m or what MOST_SPOTS spots allow.
    """
    limits = reach_limits(minutes, metres_per_minute)
    area = shapely.make_valid(division.to_crs(ground.crs).union_all())
    cell = cell_m or max(FINEST_M, math.sqrt(area.area / MOST_SPOTS))
    x, y, metres = _walks_on_lattice(ground, walks, area, cell)
    found: list[BaseGeometry] = []
    for limit in limits:
        shape = shapely.intersection(_contour(x, y, metres, limit, cell), area)
        if found:
            shape = shapely.union(shape, found[-1])  # where four spots leave it open, the shorter one decides
        found.append(_surface(shape))
    found = _simplified(found, area, cell / 4)
    found = _corrected(found, ground, walks, limits, area, cell / 2)
    frame = gpd.GeoDataFrame(
        {"minutes": [float(value) for value in minutes], "area_m2": [round(s.area, 1) for s in found]},
        geometry=found,
        crs=ground.crs,
    )
    return frame.to_crs(4326)


def _walks_on_lattice(
    ground: Ground, walks: Walks, area: BaseGeometry, cell: float
) -> tuple[Lengths, Lengths, np.ma.MaskedArray[tuple[int, int], np.dtype[np.float64]]]:
    """The walk from each spot of a lattice over the area and one spot beyond; others are masked."""
    west, south, east, north = area.bounds
    x = np.arange(math.floor(west / cell) - 1, math.ceil(east / cell) + 2) * cell
    y = np.arange(math.floor(south / cell) - 1, math.ceil(north / cell) + 2) * cell
    around = area.buffer(1.5 * cell)
    shapely.prepare(around)
    every = np.meshgrid(x, y)
    asked = shapely.contains_xy(around, *every)
    spots = find_access(ground.network, shapely.points(every[0][asked], every[1][asked]))
    metres = np.full(asked.shape, np.inf)
    metres[asked], _ = walk_to_nearest(ground.network, walks.places, spots)
    return x, y, np.ma.MaskedArray(metres, mask=~asked)


def _contour(
    x: Lengths,
    y: Lengths,
    metres: np.ma.MaskedArray[tuple[int, int], np.dtype[np.float64]],
    limit: float,
    cell: float,
) -> BaseGeometry:
    """Where the walk is at most `limit`."""
    if len(x) < 2 or len(y) < 2 or not bool((metres <= limit).any()):
        return shapely.MultiPolygon()
    # beyond a wall the walk may be any longer: it counts as longer by a cell, the border lies near the wall
    generator = contour_generator(
        x=x, y=y, z=np.ma.minimum(metres, limit + cell), fill_type=FillType.OuterOffset, corner_mask=True
    )
    shapes: list[BaseGeometry] = []
    for points, offsets in zip(*generator.filled(-1.0, limit), strict=True):
        rings = [points[a:b] for a, b in pairwise(offsets)]
        shapes.append(shapely.Polygon(rings[0], rings[1:]))
    return shapely.union_all(shapely.make_valid(np.array(shapes, dtype=object)))


def _simplified(shapes: list[BaseGeometry], area: BaseGeometry, tolerance: float) -> list[BaseGeometry]:
    """With fewer corners, but for those of the area's border.

    The rings between the isochrones, and what is left of the area, keep sharing theirs, so that each
    isochrone still holds the shorter ones.
    """
    rings = [shapes[0], *(shapely.difference(b, a) for a, b in pairwise([*shapes, area]))]
    parts: Geometries = shapely.coverage_simplify(
        np.array([_surface(ring) for ring in rings], dtype=object), tolerance, simplify_boundary=False
    )
    return [_surface(shapely.union_all(parts[: place + 1])) for place in range(len(shapes))]


def _corrected(
    shapes: list[BaseGeometry],
    ground: Ground,
    walks: Walks,
    limits: Sequence[float],
    area: BaseGeometry,
    radius: float,
) -> list[BaseGeometry]:
    """With every home of the area on its side: circles round those that are not, as large as others allow."""
    every = ground.homes.geometry.to_numpy()
    inner = np.flatnonzero(shapely.intersects(area, every))
    points, metres = every[inner], walks.metres[inner]
    found: list[BaseGeometry] = []
    outer = area
    for shape, limit in list(zip(shapes, limits, strict=True))[::-1]:
        counts = metres <= limit
        shapely.prepare(shape)
        within = shapely.intersects(shape, points)
        rings = [_circles(points, mine, ~mine, within != counts, radius) for mine in (counts, ~counts)]
        mended = shapely.difference(shapely.union(shape, rings[0]), rings[1])
        outer = _surface(shapely.intersection(mended, outer))
        found.append(outer)
    return found[::-1]


def _circles(points: Geometries, mine: Flags, others: Flags, wrong: Flags, radius: float) -> BaseGeometry:
    """Circles round those of `mine` that are `wrong`, clear of the others."""
    rows = np.flatnonzero(mine & wrong)
    if not len(rows):
        return shapely.MultiPolygon()
    size = np.full(len(rows), radius)
    if others.any():
        near = shapely.STRtree(points[others]).nearest(points[rows])
        size = np.minimum(size, 0.45 * shapely.distance(points[rows], points[others][near]))
    return shapely.union_all(shapely.buffer(points[rows], size, quad_segs=4))


def _surface(shape: BaseGeometry) -> shapely.MultiPolygon:
    """The areas of a geometry, as one MultiPolygon; slivers that the intersection left are dropped."""
    parts = shapely.get_parts(shapely.get_parts(shape))
    kept = [part for part in parts if part.geom_type == "Polygon" and part.area > 1e-6]
    return shapely.MultiPolygon(kept)
