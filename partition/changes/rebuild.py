"""A plan that is given by building becomes polygons again: what a planner edited elsewhere is made whole."""

from __future__ import annotations

import heapq
from dataclasses import replace

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Numbers
from partition.findings import Finding
from partition.geometry.adjacency import build_graph
from partition.geometry.grids import match_edges, total_by_grid
from partition.geometry.linework import build_linework, cluster_footprints
from partition.geometry.outlines import draw_outlines
from partition.geometry.units import Units, build_labelled_units
from partition.geometry.zones import find_zones, with_outlines
from partition.intake.inner import inner_points
from partition.parcels import buildings_by_community, cut_parcels
from partition.solver.graph import Graph
from partition.wishes.policy import Profile


def rebuild_grids(
    area: Area, codes: npt.NDArray[np.object_], profile: Profile
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, tuple[Finding, ...]]:
    """Draw the grids of a building → grid mapping.

    codes: the code of each row of `area.buildings`, "" for none. Returns grids (as `Split.grids`), buildings
    with the `grid` each really got, and what had to be changed: a building without a code joins the grid
    around it, and buildings that cannot be parted get one code.
    """
    found = np.full(len(area.buildings), "", dtype=object)
    drawn: list[gpd.GeoDataFrame] = []
    for parcel, own in zip(cut_parcels(area), buildings_by_community(area), strict=True):
        community = next(parcel.communities.itertuples())
        frame = parcel.buildings
        names, label = np.unique(codes[own].astype(str), return_inverse=True)
        label = label.reshape(-1).astype(np.int64)
        if len(names) and names[0] == "":
            names, label = names[1:], label - 1
        if not len(names):
            names, label = np.array([f"{community.code or community.id + '-'}001"]), np.full(len(own), -1)
        footprints, _ = cluster_footprints(frame.geometry.to_numpy())
        zones = find_zones(parcel, 0, profile).shapes
        linework = build_linework(with_outlines(parcel.streets, zones), community.geometry, footprints)
        linework = replace(linework, apart=zones)
        units = build_labelled_units(linework, community.geometry, frame, label, profile.border_cost)
        graph = build_graph(units, profile.border_cost, {})
        assignment = spread(graph, _labels_of(units, label, frame["households"].to_numpy(), len(names)))
        used = np.unique(assignment)
        label = np.searchsorted(used, assignment[units.unit])
        polygons = draw_outlines(units, label, len(used), frame.geometry.to_numpy())
        unit = units.building_unit
        found[own] = np.where(unit >= 0, names[assignment[unit]].astype(object), "")
        drawn.append(
            gpd.GeoDataFrame(
                {"code": names[used].astype(object), "community": community.id},
                geometry=list(polygons),
                crs=area.crs,
            )
        )
    buildings = area.buildings.assign(grid=found)
    grids = match_edges(pd.concat(drawn, ignore_index=True), area.communities)
    grids = grids.join(total_by_grid(buildings[buildings["grid"] != ""], grids["code"].to_list()), on="code")
    grids["area_m2"] = grids.geometry.area.round(2)
    inside = area.buildings["community"].to_numpy() >= 0
    changed = inside & (codes != "") & (buildings["grid"].to_numpy() != codes)
    added = inside & (codes == "")
    ids = area.buildings["id"].to_numpy().astype(str)
    findings = []
    if changed.any():
        findings.append(Finding("grid_changed", "repaired", "buildings", "grid", rows=tuple(ids[changed])))
    if added.any():
        findings.append(Finding("grid_added", "repaired", "buildings", "grid", rows=tuple(ids[added])))
    return grids, buildings, tuple(findings)


def _labels_of(units: Units, label: Numbers, households: Numbers, count: int) -> Numbers:
    """The label of each unit: that of most of its households, then of most of its buildings; -1 for none."""
    votes = np.zeros((len(units), count))
    placed = (label >= 0) & (units.building_unit >= 0)
    np.add.at(votes, (units.building_unit[placed], label[placed]), households[placed] + 1e-6)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1).astype(np.int64)


def spread(graph: Graph, label: Numbers) -> Numbers:
    """Give every unit without a label one of a neighbour: first so that pieces of a grid meet, then by the
    costliest border. Units that touch nothing labelled get the label 0.
    """
    label = label.copy()
    _join_pieces(graph, label)
    heap: list[tuple[float, int, int]] = []

    def offer(unit: int) -> None:
        for arc in range(graph.indptr[unit], graph.indptr[unit + 1]):
            other = int(graph.indices[arc])
            if label[other] < 0:
                span = slice(graph.indptr[other], graph.indptr[other + 1])
                same = label[graph.indices[span]] == label[unit]
                pull = float(graph.cost[span][same].sum()) + (1e6 if (graph.walk[span] & same).any() else 0.0)
                heapq.heappush(heap, (-pull, other, int(label[unit])))

    for unit in np.flatnonzero(label >= 0).tolist():
        offer(unit)
    while heap:
        _, unit, wanted = heapq.heappop(heap)
        if label[unit] < 0:
            label[unit] = wanted
            offer(unit)
    return np.where(label < 0, 0, label)


def _join_pieces(graph: Graph, label: Numbers) -> None:
    """Where a grid lies in pieces, take free units between them, by the shortest way over walkable
    borders.
    """
    for wanted in range(int(label.max(initial=-1)) + 1):
        while True:
            piece = graph.components(without=label != wanted)
            if piece.max(initial=-1) < 1:
                break
            way = _shortest(graph, label, piece)
            if not way:
                break
            label[way] = wanted


def _shortest(graph: Graph, label: Numbers, piece: Numbers) -> list[int]:
    """Free units on the shortest way (by √area) from piece 0 to any other; empty when there is none."""
    heap = [(0.0, int(unit)) for unit in np.flatnonzero(piece == 0)]
    before: dict[int, int] = {}
    distance = {unit: 0.0 for _, unit in heap}
    while heap:
        far, unit = heapq.heappop(heap)
        if piece[unit] > 0:
            way = []
            unit = before[unit]
            while piece[unit] != 0:
                way.append(unit)
                unit = before[unit]
            return way
        for arc in range(graph.indptr[unit], graph.indptr[unit + 1]):
            other = int(graph.indices[arc])
            if graph.walk[arc] and (label[other] < 0 or piece[other] > 0):
                reach = far + float(np.sqrt(graph.area[other]))
                if reach < distance.get(other, np.inf):
                    distance[other] = reach
                    before[other] = unit
                    heapq.heappush(heap, (reach, other))
    return []


def grids_from_polygons(area: Area, polygons: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Grids and buildings of a plan that is given by polygons (`code`, geometry in `area.crs`), taken as they
    are; only vertices are put in where a neighbour has one.

    A grid belongs to the community that holds most of it, a building to the first grid that holds its point.
    """
    points = inner_points(area.buildings.geometry.to_numpy())
    building, grid = shapely.STRtree(polygons.geometry.to_numpy()).query(points, predicate="intersects")
    order = np.lexsort((-grid, building))
    codes = np.full(len(points), "", dtype=object)
    codes[building[order]] = polygons["code"].to_numpy().astype(object)[grid[order]]
    buildings = area.buildings.assign(grid=codes)
    shapes = area.communities.geometry.to_numpy()
    g, c = shapely.STRtree(shapes).query(polygons.geometry.to_numpy(), predicate="intersects")
    shared = shapely.area(shapely.intersection(polygons.geometry.to_numpy()[g], shapes[c]))
    home = np.zeros(len(polygons), dtype=np.int64)
    order = np.lexsort((shared, g))
    home[g[order]] = c[order]
    grids = match_edges(polygons[["code", "geometry"]].reset_index(drop=True), area.communities)
    grids["community"] = area.communities["id"].to_numpy()[home]
    first = grids.drop_duplicates("code")["code"].to_list()
    totals = total_by_grid(buildings[buildings["grid"] != ""], first)
    grids = grids.join(totals, on="code")
    grids["area_m2"] = grids.geometry.area.round(2)
    return grids, buildings
