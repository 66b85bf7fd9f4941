"""A point within a shape that stands for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

Shapes = npt.NDArray[np.object_]


def inner_points(shapes: Shapes) -> Shapes:
    """A point within each polygon that moves and turns with it: its centre of gravity. Where that lies
    outside, one halfway through the polygon, as it is seen along the way from there to its farthest corner.
    """
    points: Shapes = np.asarray(shapely.centroid(shapes), dtype=object)
    for row in np.flatnonzero(~shapely.intersects(shapes, points)):
        middle = shapely.get_coordinates(points[row])[0]
        ways = shapely.get_coordinates(shapes[row]) - middle
        x, y = ways[np.argmax(np.hypot(*ways.T))] / np.hypot(*ways.T).max()
        turn = np.array([[x, -y], [y, x]])
        seen = shapely.transform(shapes[row], lambda xy, m=middle, t=turn: (xy - m) @ t)
        inner = shapely.point_on_surface(seen)
        points[row] = shapely.transform(inner, lambda xy, m=middle, t=turn: xy @ t.T + m)
    return points
