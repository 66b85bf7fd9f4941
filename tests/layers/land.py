"""A plane in metres to lay areas and cases on: EPSG:4326 and back, true to scale where it lies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

Floats = npt.NDArray[np.float64]

LATITUDE = 30.7
_TURN = pyproj.Transformer.from_crs(
    f"+proj=merc +lat_ts={LATITUDE} +lon_0=111.3 +y_0=-3561000 +datum=WGS84", "EPSG:4326", always_xy=True
)
_SHIFT = _TURN.transform(111.3, LATITUDE, direction="INVERSE")


def degrees(metres: npt.ArrayLike) -> Floats:
    """Longitude and latitude of x, y (n × 2, metres from the plane's middle)."""
    at = np.asarray(metres, dtype=float).reshape(-1, 2) + _SHIFT
    return np.column_stack(_TURN.transform(at[:, 0], at[:, 1]))


def metres(degrees_: npt.ArrayLike) -> Floats:
    """x, y in metres from the plane's middle."""
    at = np.asarray(degrees_, dtype=float).reshape(-1, 2)
    return np.column_stack(_TURN.transform(at[:, 0], at[:, 1], direction="INVERSE")) - _SHIFT


def area(shape: BaseGeometry) -> BaseGeometry:
    """A shape in metres, in EPSG:4326."""
    return shapely.transform(shape, degrees)
