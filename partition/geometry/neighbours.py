"""Which polygons of a drawn coverage are neighbours, and what runs between them: grids, areas, communities.

Polygons that were drawn elsewhere follow streets only nearly. So, unlike between blocks, what runs along a
border is looked up within a few metres, as plans are judged.
"""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import shapely

from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.geometry.adjacency import build_graph, link_islands
from partition.geometry.blocks import STRENGTH, Blocks, Borders, match_segments
from partition.geometry.linework import CLASS_NUMBER, GATE_M, SEVERING, WALKABLE, find_crossings
from partition.geometry.units import Units
from partition.solver.graph import Graph

STEP_M = 2.0  # what runs along a border is looked up at points this far apart,
NEAR_M = 4.0  # within this distance;
NEAR_WIDE_M = 12.0  # of the middle of wide streets
WIDE = ("arterial", "secondary")
SEVERED_M = 1.0  # a border this close to unbridged water or rail, or to a wall, runs along it


def build_neighbours(
    polygons: Geometries,
    households: Numbers,
    streets: gpd.GeoDataFrame,
    border_cost: Mapping[str, float],
    crossing_cost: Mapping[str, float],
    *,
    parts: Numbers | None = None,
    lower: float = 0.0,
) -> Graph:
    """The graph of polygons that share their vertices (metres), as `adjacency.build_graph` makes it of units.

    parts: the polygon of the community that each one lies in; a whole part with fewer than `lower` households
    is joined to its nearest neighbour though they do not touch (see `adjacency.link_islands`).
    """
    every = np.arange(len(polygons), dtype=np.int64)
    borders = find_borders(polygons, streets)
    units = Units(Blocks(polygons, borders), every, households, shapely.area(polygons).round(3), every)
    graph = build_graph(units, border_cost, crossing_cost)
    return graph if parts is None else link_islands(graph, parts, polygons, lower)


def find_borders(polygons: Geometries, streets: gpd.GeoDataFrame) -> Borders:
    """The borders between the polygons, in pieces of at most STEP_M, with what runs there."""
    one, other, start, end, outer = match_segments(polygons)
    length = np.hypot(*(end - start).T)
    pieces = np.maximum(np.ceil(length / STEP_M), 1).astype(np.int64)
    which = np.repeat(np.arange(len(length)), pieces)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    at = (number + 0.5) / np.repeat(pieces, pieces)
    place = start[which] + at[:, None] * (end[which] - start[which])
    metres = length[which] / np.repeat(pieces, pieces)
    near = streets.iloc[np.sort(streets.sindex.query(_around(place), predicate="intersects"))]
    a, b = one[which], other[which]
    severed = _severed(a, b, place, near)
    return Borders(a, b, metres, _kinds(place, near), severed, outer)


def _around(place: Lengths) -> shapely.Geometry:
    if not len(place):
        return shapely.Polygon()
    low, high = place.min(axis=0) - NEAR_WIDE_M, place.max(axis=0) + NEAR_WIDE_M
    return shapely.box(*low, *high)


def _kinds(place: Lengths, streets: gpd.GeoDataFrame) -> Numbers:
    """The class number of what runs at each place: the strongest nearby."""
    strength = np.full(len(place), len(STRENGTH) - 1)
    names = streets["class"].to_numpy()
    lines = streets.geometry.to_numpy()
    ground = ~streets["tunnel"].to_numpy(dtype=bool)
    points = shapely.points(place)
    for wide, distance in ((True, NEAR_WIDE_M), (False, NEAR_M)):
        some = np.flatnonzero(ground & (np.isin(names, WIDE) == wide))
        if len(some) and len(points):
            rank = np.array([STRENGTH.index(name) for name in names[some]])
            point, line = shapely.STRtree(lines[some]).query(points, predicate="dwithin", distance=distance)
            np.minimum.at(strength, point, rank[line])
    kinds: Numbers = np.array([CLASS_NUMBER[name] for name in STRENGTH], dtype=np.int64)[strength]
    return kinds


def _severed(a: Numbers, b: Numbers, place: Lengths, streets: gpd.GeoDataFrame) -> Flags:
    """At which places nobody can walk across: along water, rail or a wall, unless a way leads through
    anywhere between the same two polygons.
    """
    severed = np.zeros(len(place), dtype=bool)
    names, lines = streets["class"].to_numpy(), streets.geometry.to_numpy()
    tunnel = streets["tunnel"].to_numpy(dtype=bool)
    severing = lines[np.isin(names, SEVERING) & ~tunnel]
    if not len(severing) or not len(place):
        return severed
    point, _ = shapely.STRtree(severing).query(shapely.points(place), predicate="dwithin", distance=SEVERED_M)
    severed[point] = True
    ways = lines[np.isin(names, WALKABLE) & ~(tunnel & (names == "arterial"))]
    crossings = find_crossings(severing, ways)
    cut = np.flatnonzero(severed)
    if len(crossings) and len(cut):
        reach = STEP_M / 2 + SEVERED_M + GATE_M
        _, near = shapely.STRtree(shapely.points(place[cut])).query(
            crossings, predicate="dwithin", distance=reach
        )
        count = int(max(a.max(), b.max())) + 1
        key = a * count + b
        severed &= ~np.isin(key, key[cut[near]])
    return severed
