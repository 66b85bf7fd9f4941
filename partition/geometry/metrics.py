"""Figures by which a plan is judged; all of them from polygons, so that a plan drawn elsewhere gets the
same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from partition.arrays import Geometries, Lengths
from partition.geometry.blocks import STRENGTH, segments, undirected

STEP_M = 2.0  # borders and streets are measured at points this far apart
NEAR_M = {
    "arterial": 12.0,
    "secondary": 12.0,
}  # a border within this of a line runs along it; wide streets are wider
NEAR_OTHERS_M = 4.0
WALL_M = 0.1  # a border this close within the outline of a building runs along its wall
TRACE_M2 = 0.01  # a gap or an overlap smaller than this is rounding


def polsby_popper(polygons: Geometries) -> Lengths:
    """4πA/P² (Polsby and Popper 1991): 1 for a circle, towards 0 for the ragged."""
    return np.asarray(4 * np.pi * shapely.area(polygons) / np.maximum(shapely.length(polygons), 1e-9) ** 2)


def variation(values: npt.NDArray[np.number[Any]]) -> float:
    """Coefficient of variation: standard deviation (of the population) by mean; 0 for nothing."""
    mean = float(np.mean(values)) if len(values) else 0.0
    return float(np.std(values)) / mean if mean else 0.0


@dataclass(frozen=True)
class Cover:
    """How the grids cover a community: areas in m², and the pieces themselves."""

    gaps_m2: float
    overlaps_m2: float
    outside_m2: float
    gaps: int
    overlaps: tuple[tuple[int, int], ...]


def measure_cover(grids: Geometries, community: shapely.Geometry) -> Cover:
    """Gaps (community without grid), overlaps (pairs of grids on the same ground), and grid outside the
    community.
    """
    union = shapely.union_all(grids) if len(grids) else shapely.Polygon()
    missing = shapely.get_parts(shapely.difference(community, union))
    missing = missing[shapely.area(missing) > TRACE_M2]
    beyond = shapely.area(shapely.difference(union, community))
    a, b = (
        shapely.STRtree(grids).query(grids, predicate="intersects") if len(grids) else (np.empty(0, int),) * 2
    )
    a, b = a[a < b], b[a < b]
    shared = shapely.area(shapely.intersection(grids[a], grids[b]))
    double = shared > TRACE_M2
    return Cover(
        gaps_m2=float(shapely.area(missing).sum()),
        overlaps_m2=float(shared[double].sum()),
        outside_m2=float(beyond) if beyond > TRACE_M2 else 0.0,
        gaps=len(missing),
        overlaps=tuple(sorted(zip(a[double].tolist(), b[double].tolist(), strict=True))),
    )


@dataclass(frozen=True)
class Streetwise:
    """Metres by class of what runs there ("none" where nothing does).

    border_m: of the borders between grids; inside_m: of the streets left inside grids. `along_share` is the
    share of the border that runs along any line of `streets`; a tunnel counts there, though it bounds
    nothing.
    """

    border_m: dict[str, float]
    inside_m: dict[str, float]
    along_share: float


def measure_streets(grids: Geometries, community: shapely.Geometry, streets: gpd.GeoDataFrame) -> Streetwise:
    """Hold the borders between the grids of one community against its streets (metres)."""
    near = np.sort(streets.sindex.query(shapely.buffer(community, 12.0), predicate="intersects"))
    lines = streets.geometry.to_numpy()[near]
    names = streets["class"].to_numpy()[near]
    reach = np.array([NEAR_M.get(name, NEAR_OTHERS_M) for name in names])
    points, share = sample_lines(inner_borders(grids))
    strength = np.full(len(points), len(STRENGTH) - 1)
    if len(points) and len(lines):
        rank = np.array([STRENGTH.index(name) for name in names])
        for distance in np.unique(reach):
            some = np.flatnonzero(reach == distance)
            p, line = shapely.STRtree(lines[some]).query(points, predicate="dwithin", distance=distance)
            np.minimum.at(strength, p, rank[some[line]])
    border = {
        name: float(share[strength == i].sum()) for i, name in enumerate(STRENGTH) if (strength == i).any()
    }
    total = sum(border.values())
    return Streetwise(
        border_m={name: round(m, 1) for name, m in border.items()},
        inside_m=_left_inside(grids, lines, names, reach, near, streets, community),
        along_share=1.0 - border.get("none", 0.0) / total if total else 1.0,
    )


def _left_inside(
    grids: Geometries,
    lines: Geometries,
    names: npt.NDArray[np.object_],
    reach: Lengths,
    near: npt.NDArray[np.int64],
    streets: gpd.GeoDataFrame,
    community: shapely.Geometry,
) -> dict[str, float]:
    tunnel = streets["tunnel"].to_numpy(dtype=bool)[near]
    inside: dict[str, float] = {}
    edges = shapely.get_parts(shapely.boundary(grids)) if len(grids) else np.empty(0, dtype=object)
    tree = shapely.STRtree(edges)
    for name in sorted(set(names[~tunnel].tolist())):
        some = lines[(names == name) & ~tunnel]
        points, share = sample_lines(shapely.get_parts(shapely.intersection(some, community)))
        if not len(points):
            continue
        border, _ = tree.query(points, predicate="dwithin", distance=float(reach[names == name][0]))
        free = np.ones(len(points), dtype=bool)
        free[border] = False
        inside[name] = round(float(share[free].sum()), 1)
    return inside


def inner_borders(grids: Geometries) -> Geometries:
    """The lines between neighbouring grids, each once. Grids must share their vertices."""
    start, end, _ = segments(grids)
    start, end = undirected(start, end)
    pairs, count = np.unique(np.hstack([start, end]), axis=0, return_counts=True)
    return np.asarray(shapely.linestrings(pairs[count > 1].reshape(-1, 2, 2)))


def sample_lines(lines: Geometries) -> tuple[Geometries, Lengths]:
    """Points in the middle of pieces of at most STEP_M of the lines, and the metres each stands for."""
    lines = lines[(shapely.get_dimensions(lines) == 1) & (shapely.length(lines) > 0)] if len(lines) else lines
    if not len(lines):
        return np.empty(0, dtype=object), np.empty(0)
    length = shapely.length(lines)
    pieces = np.maximum(np.ceil(length / STEP_M), 1).astype(np.int64)
    which = np.repeat(np.arange(len(lines)), pieces)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    at = (number + 0.5) / pieces[which]
    return np.asarray(shapely.line_interpolate_point(lines[which], at, normalized=True)), (length / pieces)[
        which
    ]


def cut_buildings(
    borders: Geometries, footprints: Geometries, tolerance_m: float = 0.5
) -> npt.NDArray[np.int64]:
    """The footprints that a border crosses by more than the tolerance."""
    if not len(borders) or not len(footprints):
        return np.empty(0, dtype=np.int64)
    line, foot = shapely.STRtree(footprints).query(borders, predicate="intersects")
    near, which = np.unique(foot, return_inverse=True)
    core = shapely.buffer(footprints[near], -WALL_M, join_style="mitre")
    inside = shapely.length(shapely.intersection(borders[line], core[which.reshape(-1)]))
    return near[np.bincount(which.reshape(-1), weights=inside, minlength=len(near)) > tolerance_m]


def grids_of_compounds(
    compounds: Geometries, points: Geometries, grid: npt.NDArray[np.object_]
) -> dict[int, list[str]]:
    """The codes of the grids that hold buildings (by their points) of each compound, by its number."""
    found: dict[int, set[str]] = {}
    if len(compounds) and len(points):
        point, compound = shapely.STRtree(compounds).query(points, predicate="intersects")
        for c, code in zip(compound.tolist(), grid[point].tolist(), strict=True):
            if code:
                found.setdefault(c, set()).add(code)
    return {c: sorted(codes) for c, codes in sorted(found.items())}
