"""A plan becomes polygons: grids that share their vertices, and cover their community exactly."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.geometry.blocks import segments, undirected
from partition.geometry.units import Units

GRID_COLUMNS = [
    "code",
    "community",
    "kind",
    "households",
    "residents",
    "buildings",
    "buildings_unknown",
    "area_m2",
    "geometry",
]
BOUND_COLUMNS = ["bounds_zh", "bounds_en"]  # 四至, once the grids are judged
SAME_POINT_M = 1e-4  # points this close are one, reckoned twice
IN_LINE_M = 1e-6  # so little off a line is on it
ROUNDS = 5  # a vertex put in one polygon may be missing in the next


def grid_frame(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The columns of grids in their order; a grid of which nothing is said is basic."""
    frame = frame if "kind" in frame else frame.assign(kind="basic")
    return frame[GRID_COLUMNS]


def dissolve(faces: Geometries, label: Numbers, count: int) -> Geometries:
    """The union of the faces of each label 0 … count-1; no vertex is moved."""
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], np.arange(count + 1))
    return np.array(
        [_unite(faces[order[starts[i] : starts[i + 1]]]) for i in range(count)],
        dtype=object,
    )


def _unite(faces: Geometries) -> shapely.Geometry:
    try:
        return shapely.coverage_union_all(faces)
    except shapely.GEOSException:  # borders that meet again within rounding: what a coverage may not have
        return shapely.union_all(faces)


def unit_frame(units: Units, grid_of_unit: list[str], crs: pyproj.CRS) -> gpd.GeoDataFrame:
    """The units as a frame: unit, grid (code), households, area_m2, geometry."""
    return gpd.GeoDataFrame(
        {
            "unit": np.arange(len(units)),
            "grid": grid_of_unit,
            "households": units.households,
            "area_m2": units.area_m2,
        },
        geometry=list(dissolve(units.blocks.faces, units.unit, len(units))),
        crs=crs,
    )


def match_edges(grids: gpd.GeoDataFrame, communities: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give grids on both sides of a border between communities the same vertices.

    A street that ends on the border puts a vertex on its side only; the other side gets it here. Nothing else
    moves, and corners of communities stay where they are.
    """
    corners = cKDTree(shapely.get_coordinates(communities.geometry.to_numpy()))
    polygons = grids.geometry.to_numpy()
    for _ in range(ROUNDS):
        polygons = _unify_vertices(polygons, corners)
        polygon, points = _missing_vertices(polygons)
        if not len(polygon):
            break
        order = np.argsort(polygon, kind="stable")
        some, first = np.unique(polygon[order], return_index=True)
        for i, own in zip(some, np.split(points[order], first[1:]), strict=True):
            polygons[i] = _insert(polygons[i], own)
    return grids.set_geometry(gpd.GeoSeries(list(polygons), index=grids.index, crs=grids.crs))


def _missing_vertices(polygons: Geometries) -> tuple[Numbers, Lengths]:
    """Vertices that lie on another polygon's border without being its own: that polygon, the point (n, 2)."""
    start, end, owner = segments(polygons)
    start, end = undirected(start, end)
    _, which, count = np.unique(np.hstack([start, end]), axis=0, return_inverse=True, return_counts=True)
    single = count[which.reshape(-1)] == 1
    start, end, owner = start[single], end[single], owner[single]
    points = np.unique(np.vstack([start, end]), axis=0)
    tree = shapely.STRtree(shapely.linestrings(np.stack([start, end], axis=1)))
    point, line = tree.query(shapely.points(points), predicate="dwithin", distance=SAME_POINT_M)
    own = (points[point] == start[line]).all(axis=1) | (points[point] == end[line]).all(axis=1)
    return owner[line[~own]], points[point[~own]]


def _unify_vertices(polygons: Geometries, corners: cKDTree) -> Geometries:
    """Vertices that differ by rounding only become one: two communities reckoned the same crossing apart."""
    coords, which = np.unique(shapely.get_coordinates(polygons), axis=0, return_inverse=True)
    pairs = cKDTree(coords).query_pairs(SAME_POINT_M, output_type="ndarray")
    if not len(pairs):
        return polygons.copy()
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(coords), len(coords)))
    _, cluster = connected_components(links, directed=False)
    # of several, the one nearest to a corner of a community: one that lies on it stays to the last digit
    order = np.lexsort((corners.query(coords)[0].round(9), cluster))
    target = coords[order[np.unique(cluster[order], return_index=True)[1]]][cluster]
    moved = shapely.set_coordinates(polygons.copy(), target[which.reshape(-1)])
    return shorn(np.asarray(shapely.remove_repeated_points(moved)))


def without_passed(polygons: Geometries, border: shapely.Geometry) -> Geometries:
    """The polygons of a coverage without vertices on the community's border (lines) that mean nothing any
    more: in line with their neighbours, in one polygon only, and none of the border's own.
    """
    parts, owner = shapely.get_parts(polygons, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    points = shapely.get_coordinates(rings)
    ends = np.cumsum(shapely.get_num_coordinates(rings))
    inner = np.ones(len(points), dtype=bool)
    inner[ends - 1] = inner[ends[:-1]] = inner[:1] = False  # where a ring begins and ends
    _, which, times = np.unique(points[inner], axis=0, return_inverse=True, return_counts=True)
    own = {tuple(point) for point in shapely.get_coordinates(border).tolist()}
    place = np.flatnonzero(inner)[times[which.reshape(-1)] == 1]
    place = place[[tuple(point) not in own for point in points[place].tolist()]]
    place = place[shapely.dwithin(shapely.points(points[place]), border, IN_LINE_M)]
    drop = _in_line(points, place)
    place = np.flatnonzero(drop)
    changed = np.unique(owner[part[np.searchsorted(ends, place, side="right")]])
    shapes = polygons.copy()
    for polygon in changed.tolist():
        kept = []
        for one in np.flatnonzero(owner == polygon).tolist():
            shell, *holes = (
                points[ends[ring] - size : ends[ring]][~drop[ends[ring] - size : ends[ring]]]
                for ring in np.flatnonzero(part == one).tolist()
                for size in [shapely.get_num_coordinates(rings[ring])]
            )
            kept.append(shapely.polygons(shell, [shapely.linearrings(hole) for hole in holes] or None))
        shapes[polygon] = kept[0] if len(kept) == 1 else shapely.multipolygons(kept)
    return shapes


def _in_line(points: Lengths, place: Numbers) -> Flags:
    """Which of the points at `place` lie in line with those that stay on either side of them.

    Of a row of them one goes at a time: of two points within rounding on a corner, each is in line with the
    other, and one has to stay.
    """
    may, drop = np.zeros((2, len(points)), dtype=bool)
    may[place] = True
    while True:
        left = np.flatnonzero(~drop)
        before, here, after = left[:-2], left[1:-1], left[2:]
        course, step = points[after] - points[before], points[here] - points[before]
        length = np.maximum(np.hypot(*course.T), SAME_POINT_M)
        off = np.abs(course[:, 0] * step[:, 1] - course[:, 1] * step[:, 0]) / length
        along = (course * step).sum(axis=1) / length
        passed = may[here] & (off < IN_LINE_M) & (along > 0) & (along < length)
        passed[1:] &= ~passed[:-1]
        if not passed.any():
            return drop
        drop[here[passed]] = True


def shorn(polygons: Geometries) -> Geometries:
    """The polygons without hairs: a corner of two vertices that became one goes there and back."""
    shapes = polygons.copy()
    for i in np.flatnonzero(~shapely.is_valid(shapes)):
        shapes[i] = _shorn(shapes[i])
    return shapes


def _shorn(polygon: shapely.Geometry) -> shapely.Geometry:
    parts = []
    for part in shapely.get_parts(polygon):
        shell, *holes = (_without_hairs(ring) for ring in shapely.get_rings(part))
        if shell is not None:
            parts.append(shapely.polygons(shell, [hole for hole in holes if hole is not None] or None))
    if not parts:
        return polygon
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)


def _without_hairs(ring: shapely.Geometry) -> shapely.Geometry | None:
    """The ring without points from which it returns the way it came; None where nothing else is left."""
    points: list[tuple[float, ...]] = []
    for point in map(tuple, shapely.get_coordinates(ring)[:-1].tolist()):
        points.append(point)
        while len(points) > 2 and _turns_back(*points[-3:]):
            del points[-2]
            if points[-1] == points[-2]:
                points.pop()
    while len(points) > 2:
        if points[0] == points[-1] or _turns_back(points[-2], points[-1], points[0]):
            points.pop()
        elif _turns_back(points[-1], points[0], points[1]):
            points.pop(0)
        else:
            return shapely.linearrings([*points, points[0]])
    return None


def _turns_back(a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, ...]) -> bool:
    """Whether the way from b to c is the one from a to b, back again."""
    to, back = (b[0] - a[0], b[1] - a[1]), (c[0] - b[0], c[1] - b[1])
    longer = max(math.hypot(*to), math.hypot(*back))
    off = abs(to[0] * back[1] - to[1] * back[0]) / longer
    return off <= SAME_POINT_M and to[0] * back[0] + to[1] * back[1] < 0


def _insert(polygon: shapely.Geometry, points: Lengths) -> shapely.Geometry:
    """The polygon with those of the points as vertices that lie on its border (see SAME_POINT_M)."""
    rings, owner = shapely.get_rings(shapely.get_parts(polygon), return_index=True)
    parts: dict[int, list[shapely.Geometry]] = {}
    for ring, part in zip(rings, owner, strict=True):
        coords = shapely.get_coordinates(ring)
        start, end = coords[:-1], coords[1:]
        step = end - start
        rows = [start]
        keys = [np.arange(len(start), dtype=np.float64)]
        have = {tuple(c) for c in coords.tolist()}
        fresh = np.array([p for p in points.tolist() if tuple(p) not in have]).reshape(-1, 2)
        for p in fresh:
            along = np.clip(((p - start) * step).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-18), 0, 1)
            off = np.hypot(*(start + along[:, None] * step - p).T)
            segment = int(np.argmin(off))
            if off[segment] <= SAME_POINT_M and 0 < along[segment] < 1:
                rows.append(p[None])
                keys.append(np.array([segment + along[segment]]))
        order = np.argsort(np.concatenate(keys), kind="stable")
        line = np.concatenate(rows)[order]
        parts.setdefault(int(part), []).append(shapely.linearrings(np.vstack([line, line[:1]])))
    polygons = [shapely.polygons(ring[0], ring[1:] or None) for ring in parts.values()]
    return polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)


def total_by_grid(buildings: gpd.GeoDataFrame, codes: list[str]) -> pd.DataFrame:
    """Figures of each grid from its buildings: households, residents (missing where none is known), buildings
    (rows with one id count once) and buildings_unknown (households missing).
    """
    rows = buildings.groupby("grid", sort=False)
    known = rows["residents"].count()
    table = pd.DataFrame(
        {
            "households": rows["households"].sum(),
            "residents": rows["residents"].sum().where(known > 0),
            "buildings": rows["atom"].nunique(),
            "buildings_unknown": buildings[buildings["unknown"]].groupby("grid")["atom"].nunique(),
        }
    ).reindex(codes)
    counts = ["households", "buildings", "buildings_unknown"]
    table[counts] = table[counts].fillna(0).astype(np.int64)
    table["residents"] = table["residents"].astype(np.float64)
    return table
