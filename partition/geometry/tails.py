"""Thin tails of faces: ground too narrow to be of use to the block it hangs on.

Where a street runs along the border of its community, or two lines part at a slight angle, a block trails a
strip of a metre's width along them. Such a tail is parted from the block at its neck, and joins whatever it
lies along.
"""

from __future__ import annotations

import numpy as np
import shapely

from partition.arrays import Geometries
from partition.geometry.linework import Linework

NARROW_M = 3.0  # a tail is narrower than this,
LONG_M = 12.0  # and longer;
LEAST_M2 = 3.0  # what is smaller is a corner
OVERHANG_M = 0.05  # a neck is drawn this much too long, so that noding surely meets both sides


def part_tails(faces: Geometries, linework: Linework, footprints: Geometries) -> Linework:
    """Add the necks of all tails to the linework (metres), and the tails themselves. What a footprint reaches
    into is none.
    """
    core = shapely.buffer(faces, -NARROW_M / 2, quad_segs=4)
    some = np.flatnonzero(~shapely.is_empty(core))
    # a little wider than the core was, so that what is wide enough leaves no trace
    wide = shapely.buffer(core[some], NARROW_M / 2 * 1.1, quad_segs=4)
    parts, owner = shapely.get_parts(shapely.difference(faces[some], wide), return_index=True)
    tail = (shapely.area(parts) > LEAST_M2) & (shapely.length(parts) > 2 * LONG_M)
    parts, owner = parts[tail], some[owner[tail]]
    if len(parts) and len(footprints):
        built = np.unique(shapely.STRtree(footprints).query(parts, predicate="intersects")[0])
        parts, owner = np.delete(parts, built), np.delete(owner, built)
    if not len(parts):
        return linework
    outline = shapely.buffer(shapely.boundary(faces[owner]), OVERHANG_M / 10)
    open_sides = shapely.get_parts(shapely.line_merge(shapely.difference(shapely.boundary(parts), outline)))
    ends = shapely.get_coordinates(
        [shapely.get_point(open_sides, 0), shapely.get_point(open_sides, -1)]
    ).reshape(2, -1, 2)
    along = ends[1] - ends[0]
    length = np.hypot(*along.T)
    across = (length > 0) & (length < 2 * NARROW_M)
    ends, along = ends[:, across], along[across] / length[across, None] * 2 * OVERHANG_M
    necks = shapely.linestrings(np.stack([ends[0] - along, ends[1] + along], axis=1))
    return linework.with_lines(necks, tails=parts)
