"""Old borders that a building stands across today: each is led round it, so that the building lies whole in
one grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from scipy.spatial import cKDTree

from partition.area import Area
from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.geometry.grids import dissolve, match_edges, shorn
from partition.geometry.linework import CROSSED_M, NODE_M, cluster_footprints
from partition.geometry.metrics import cut_buildings, inner_borders
from partition.tiers.nesting import claim_slivers

NEW_M = 0.05  # a border this deep inside a new building cuts it; others have been beside theirs before
BESIDE_M = 1e-3
TIED = 1e6  # households


@dataclass(frozen=True)
class Cleared:
    """Grids whose borders cut no building. codes: the grid of each row of the area's buildings. across: the
    rows that borders were led round. moved: codes of the grids whose border is another by that.
    """

    grids: gpd.GeoDataFrame
    codes: Geometries
    across: Numbers
    moved: frozenset[str]


def clear_borders(area: Area, grids: gpd.GeoDataFrame, codes: Geometries, fresh: Flags) -> Cleared:
    """Lead the borders of an old plan round the buildings that stand across them.

    grids: code, community, geometry, a coverage. codes: the grid of each row of `area.buildings`. fresh: the
    rows that are new. A building goes, with those that it overlaps, to the grid among those it stands in that
    has most of their households so far; where all are new, to the one that it stands in for the most part.
    What is cut off by that and holds no building goes to the neighbour with the longest border.
    """
    shapes, codes = grids.geometry.to_numpy().copy(), codes.copy()
    footprints = area.buildings.geometry.to_numpy()
    own = np.array([*grids["code"]], dtype=object)
    across: list[int] = []
    moved: set[str] = set()
    for number, community in enumerate(area.communities["id"]):
        near = np.flatnonzero(grids["community"].to_numpy() == community)
        rows = np.flatnonzero(area.buildings["community"].to_numpy() == number)
        if len(near) < 2 or not len(rows):
            continue
        regions, member = _astride(shapes[near], footprints[rows], fresh[rows])
        if not len(regions):
            continue
        weight = _weights(area.buildings.iloc[rows], member, codes[rows], fresh[rows])
        home = _homes(shapes[near], own[near], regions, member, codes[rows], weight)
        drawn = _led_round(shapes[near], regions, home, shapely.point_on_surface(footprints[rows]))
        inside = member >= 0
        codes[rows[inside]] = own[near][home[member[inside]]]
        across += rows[inside].tolist()
        moved |= {
            str(code)
            for code, old, new in zip(own[near], shapes[near], drawn, strict=True)
            if not shapely.equals_exact(old, new, 0.0)
        }
        shapes[near] = drawn
    if not across:
        return Cleared(grids, codes, np.empty(0, dtype=np.int64), frozenset())
    cleared = grids.set_geometry(gpd.GeoSeries(list(shapes), index=grids.index, crs=grids.crs))
    cleared = cleared[~shapely.is_empty(shapes)].reset_index(drop=True)
    return Cleared(match_edges(cleared, area.communities), codes, np.array(sorted(across)), frozenset(moved))


def _astride(shapes: Geometries, footprints: Geometries, fresh: Flags) -> tuple[Geometries, Numbers]:
    """What stands across borders, buildings that overlap united; and the region of each building, -1 for
    none.
    """
    borders = inner_borders(shapes)
    cut = cut_buildings(borders, footprints, CROSSED_M)
    new = np.flatnonzero(fresh)
    cut = np.union1d(cut, new[cut_buildings(borders, footprints[new], NEW_M)])
    if not len(cut):
        return np.empty(0, dtype=object), np.full(len(footprints), -1)
    regions, member = cluster_footprints(footprints)
    across = np.unique(member[cut])
    place = np.full(len(regions), -1)
    place[across] = np.arange(len(across))
    return regions[across], place[member]


def _weights(buildings: gpd.GeoDataFrame, member: Numbers, codes: Geometries, fresh: Flags) -> Lengths:
    """How much each building draws its region to the grid that it is in: by its households so far; with all
    might where it has more rows, that lie there outside every region.
    """
    atom = buildings["atom"].to_numpy()
    elsewhere = set(zip(atom[member < 0].tolist(), codes[member < 0].tolist(), strict=True))
    tied = np.array([pair in elsewhere for pair in zip(atom.tolist(), codes.tolist(), strict=True)])
    return np.where(fresh, 0.0, buildings["households"].to_numpy()) + np.where(tied, TIED, 0.0)


def _homes(
    shapes: Geometries,
    own: Geometries,
    regions: Geometries,
    member: Numbers,
    codes: Geometries,
    weight: Lengths,
) -> Numbers:
    """The grid that each region goes to."""
    region, grid = shapely.STRtree(shapes).query(regions, predicate="intersects")
    shared = shapely.area(shapely.intersection(regions[region], shapes[grid]))
    known = np.zeros((len(regions), len(shapes)))
    place = {code: number for number, code in enumerate(own)}
    at = np.array([place.get(code, -1) for code in codes])
    there = (member >= 0) & (at >= 0)
    np.add.at(known, (member[there], at[there]), weight[there])
    order = np.lexsort((-grid, shared.round(6), known[region, grid] * (shared > BESIDE_M), region))
    home = np.zeros(len(regions), dtype=np.int64)
    home[region[order]] = grid[order]  # the last one stays
    return home


def _led_round(shapes: Geometries, regions: Geometries, home: Numbers, buildings: Geometries) -> Geometries:
    """The polygons of the grids, with each region whole in its home."""
    near = np.unique(shapely.STRtree(shapes).query(regions, predicate="dwithin", distance=BESIDE_M)[1])
    edges = shapely.unary_union(shapely.boundary(np.concatenate([shapes[near], regions])), grid_size=NODE_M)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(edges)))
    points = shapely.point_on_surface(faces)
    label = np.full(len(faces), -1, dtype=np.int64)
    face, grid = shapely.STRtree(shapes[near]).query(points, predicate="intersects")
    label[face] = grid
    faces, points, label = faces[label >= 0], points[label >= 0], label[label >= 0]
    before = label.copy()
    face, region = shapely.STRtree(regions).query(points, predicate="intersects")
    label[face] = np.searchsorted(near, home[region])
    label = _without_scraps(faces, before, label, buildings)
    drawn = shapes.copy()
    drawn[near] = _as_they_were(dissolve(faces, label, len(near)), shapes[near])
    return drawn


def _as_they_were(drawn: Geometries, shapes: Geometries) -> Geometries:
    """Polygons with the vertices of the shapes where these stood before all was noded, to the last digit."""
    old = np.unique(shapely.get_coordinates(shapes), axis=0)
    points = shapely.get_coordinates(drawn)
    away, nearest = cKDTree(old).query(points, distance_upper_bound=10 * NODE_M)
    same = np.isfinite(away)
    points[same] = old[nearest[same]]
    return shorn(np.asarray(shapely.remove_repeated_points(shapely.set_coordinates(drawn, points))))


def _without_scraps(faces: Geometries, before: Numbers, label: Numbers, buildings: Geometries) -> Numbers:
    """What a region cut off its grid, if it is empty, goes to the neighbour with the longest border."""
    label = label.copy()
    for grid in np.unique(before[before != label]).tolist():
        own = np.flatnonzero(label == grid)
        parts = shapely.get_parts(dissolve(faces[own], np.zeros(len(own), dtype=np.int64), 1))
        if len(parts) < 2:
            continue
        lost = shapely.union_all(faces[(before == grid) & (label != grid)])
        inside = shapely.STRtree(parts).query(buildings, predicate="intersects")[1]
        held = np.bincount(inside, minlength=len(parts))
        scrap = (held == 0) & (shapely.distance(parts, lost) < BESIDE_M)
        scrap &= np.arange(len(parts)) != np.lexsort((shapely.area(parts), held))[-1]
        face, _ = shapely.STRtree(parts[scrap]).query(
            shapely.point_on_surface(faces[own]), predicate="intersects"
        )
        label[own[face]] = -1
    claim_slivers(faces, label)
    return label
