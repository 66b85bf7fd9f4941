"""Lines halfway between groups of points."""

from __future__ import annotations

import numpy as np
import shapely
from scipy.spatial import Voronoi

from partition.arrays import Geometries, Lengths, Numbers

STRAIGHT_M = 1.0  # the lines are straightened by at most this
OVERHANG_M = 0.05  # they end this far beyond the area, so that noding surely meets its border


def ridges_between(points: Lengths, owner: Numbers, area: shapely.Geometry) -> Geometries:
    """The lines (metres) within `area` that are halfway between points (n, 2) of different owners.

    They are the edges of the points' Voronoi diagram where two owners meet, merged and straightened a little.
    """
    if len(np.unique(owner)) < 2:
        return np.empty(0, dtype=object)
    centre = points.mean(axis=0)
    reach = 10 * np.ptp(points, axis=0).max() + 100
    frame = reach * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])  # so that every ridge wanted is finite
    diagram = Voronoi(np.vstack([points - centre, frame]))
    owner = np.append(owner, [-1] * len(frame))
    pair, ends = diagram.ridge_points, np.asarray(diagram.ridge_vertices)
    wanted = (
        (owner[pair[:, 0]] != owner[pair[:, 1]]) & (owner[pair] >= 0).all(axis=1) & (ends >= 0).all(axis=1)
    )
    ridges = shapely.linestrings(diagram.vertices[ends[wanted]] + centre)
    wider = shapely.buffer(area, OVERHANG_M)
    shapely.prepare(wider)
    merged = shapely.line_merge(shapely.multilinestrings(_clip(ridges, wider)))
    straight = shapely.simplify(shapely.get_parts(merged), STRAIGHT_M)
    return _clip(straight, wider)  # straightened lines may leave the area where it is hollow


def _clip(lines: Geometries, area: shapely.Geometry) -> Geometries:
    """What of the lines lies in the area."""
    whole = shapely.covers(area, lines)
    some = np.flatnonzero(~whole & shapely.intersects(area, lines))
    parts = shapely.get_parts(shapely.intersection(lines[some], area))
    return np.concatenate([lines[whole], parts[shapely.get_dimensions(parts) == 1]])
