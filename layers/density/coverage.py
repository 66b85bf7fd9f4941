"""How much of each square of a raster a polygon covers: exactly, not by counting points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


def cover_squares(
    area: BaseGeometry, west: float, south: float, side: float, columns: int, rows: int
) -> tuple[Floats, Flags]:
    """Share of each square that lies in `area` (0 to 1), and which squares its border runs through.

    Squares of `side` from (`west`, `south`), rows × columns, first row southernmost; `area` must lie within.
    Every piece of border within a square moves area between it and the squares east of it (the way
    font rasterisers count coverage), so that two sums give the exact shares.
    """
    starts, ends = _edges(area)
    starts, ends = (starts - [west, south]) / side, (ends - [west, south]) / side
    starts, ends = _cut(starts, ends)
    middle = (starts + ends) / 2
    column = np.clip(np.floor(middle[:, 0]).astype(np.int64), 0, columns - 1)
    row = np.clip(np.floor(middle[:, 1]).astype(np.int64), 0, rows - 1)
    rise = ends[:, 1] - starts[:, 1]
    east_of_it = column + 1 - middle[:, 0]
    squares = row * (columns + 1) + column
    moved = np.bincount(squares, rise * east_of_it, minlength=rows * (columns + 1))
    moved += np.bincount(squares + 1, rise * (1 - east_of_it), minlength=rows * (columns + 1))
    cover = -np.cumsum(moved.reshape(rows, columns + 1), axis=1)[:, :columns]
    crossed = np.zeros((rows, columns), dtype=bool)
    crossed[row, column] = True
    cover[np.abs(cover) < 1e-9] = 0.0
    return np.clip(cover, 0.0, 1.0), crossed


def _edges(area: BaseGeometry) -> tuple[Floats, Floats]:
    """Both ends of every edge, the inside to the left."""
    parts = shapely.get_parts(shapely.orient_polygons(area, exterior_cw=False))
    polygons = parts[shapely.get_type_id(parts) == 3]
    rings = shapely.get_rings(polygons)
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[1:] == ring[:-1]
    return corners[:-1][joined], corners[1:][joined]


def _cut(starts: Floats, ends: Floats) -> tuple[Floats, Floats]:
    """The edges cut wherever they cross a line of whole numbers."""
    which = [np.arange(len(starts)), np.arange(len(starts))]
    along = [np.zeros(len(starts)), np.ones(len(starts))]
    for axis in (0, 1):
        one, other = starts[:, axis], ends[:, axis]
        low, high = np.minimum(one, other), np.maximum(one, other)
        first = np.floor(low).astype(np.int64) + 1
        crossings = np.maximum(np.ceil(high).astype(np.int64) - first, 0)
        edge = np.repeat(np.arange(len(starts)), crossings)
        line = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(crossings) - crossings, crossings)
        which.append(edge)
        along.append((line - one[edge]) / (other - one)[edge])
    edges, shares = np.concatenate(which), np.clip(np.concatenate(along), 0.0, 1.0)
    order = np.lexsort((shares, edges))
    edges, shares = edges[order], shares[order]
    places = starts[edges] + shares[:, None] * (ends - starts)[edges]
    together = edges[1:] == edges[:-1]
    return places[:-1][together], places[1:][together]
