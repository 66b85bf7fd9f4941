"""Whether coordinates can be what their CRS says, and the likely slip where they cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj

from partition.intake.crs import to_lonlat

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]

# a transverse Mercator plane is not used where it stretches more: about 11 degrees from its meridian
MOST_STRETCH = 0.02
# how far outside the CRS's own area of use coordinates are still taken for meant, degrees
AREA_MARGIN = 5.0
# numbers that fit degrees and are this close are degrees: a city spans less, a few houses in metres span more
MOST_DEGREES = 5.0


@dataclass(frozen=True)
class OutOfRange:
    """Rows that cannot be right, and the key of the hint: "", "_swapped", "_degrees" or "_metres"."""

    rows: Flags
    hint: str


def find_out_of_range(crs: pyproj.CRS, bounds: Numbers) -> OutOfRange | None:
    """Judge the bounds (n x 4: x0, y0, x1, y1; NaN for none) of a layer's rows. None: all may be right."""
    some = np.isfinite(bounds).all(axis=1)
    wild = np.isinf(bounds).any(axis=1)
    if not (some | wild).any():
        return None
    low, high = bounds[some][:, :2], bounds[some][:, 2:]
    corners = np.stack([low, high], axis=1)
    swapped = corners[..., ::-1]
    bad: Flags = ~_possible(crs, corners)
    if not bad.any() and len(corners) and not _in_use(crs, corners).any() and _in_use(crs, swapped).all():
        bad[:] = True  # each would fit, the other way round only
    rows: Flags = np.array(wild, dtype=bool)
    rows[np.flatnonzero(some)[bad]] = True
    if not rows.any():
        return None
    return OutOfRange(rows, _hint(crs, corners[bad], swapped[bad]))


def _hint(crs: pyproj.CRS, corners: Numbers, swapped: Numbers) -> str:
    if not len(corners):
        return ""
    if crs.is_projected and (np.abs(corners[..., 0]) <= 180).all() and (np.abs(corners[..., 1]) <= 180).all():
        return "_degrees"
    if crs.is_geographic and (np.abs(corners).max(axis=(1, 2)) > 1000).all():
        return "_metres"
    return "_swapped" if (_possible(crs, swapped) & _in_use(crs, swapped)).all() else ""


def _possible(crs: pyproj.CRS, corners: Numbers) -> Flags:
    """By row, whether both corners lie where the CRS has a meaning."""
    x, y = corners[..., 0], corners[..., 1]
    if crs.is_geographic:
        return np.asarray(((np.abs(x) <= 180) & (np.abs(y) <= 90)).all(axis=1))
    lon, lat = to_lonlat(crs).transform(x, y)
    lon, lat = np.asarray(lon), np.asarray(lat)
    finite = np.isfinite(lon) & np.isfinite(lat)
    degrees = (np.abs(x) <= 180) & (np.abs(y) <= 90)
    fits = np.array(finite.all(axis=1), dtype=bool)
    if len(degrees) and degrees.all() and max(np.ptp(x), np.ptp(y)) < MOST_DEGREES:
        fits[:] = False
    if "Transverse Mercator" in (crs.coordinate_operation.method_name if crs.coordinate_operation else ""):
        factors = pyproj.Proj(crs).get_factors(
            np.where(finite, lon, 0.0).ravel(), np.where(finite, lat, 0.0).ravel()
        )
        stretch = np.abs(np.asarray(factors.meridional_scale).reshape(x.shape) - 1)
        fits &= (stretch <= MOST_STRETCH).all(axis=1)
    return fits


def _in_use(crs: pyproj.CRS, corners: Numbers) -> Flags:
    """By row, whether both corners lie in or near the CRS's area of use."""
    lon, lat = to_lonlat(crs).transform(corners[..., 0], corners[..., 1])
    lon, lat = np.asarray(lon), np.asarray(lat)
    use = crs.area_of_use or _recognised(crs)
    if use is None or use.west > use.east:
        inside: Flags = (np.isfinite(lon) & (np.abs(lat) <= 90)).all(axis=1)
        return inside
    within: Flags = (lon >= use.west - AREA_MARGIN) & (lon <= use.east + AREA_MARGIN)
    within &= (lat >= use.south - AREA_MARGIN) & (lat <= use.north + AREA_MARGIN)
    return np.asarray(within.all(axis=1))


def _recognised(crs: pyproj.CRS) -> Any:
    """The area of use of the EPSG code behind a .prj file's own wording, if there is one."""
    code = crs.to_epsg(min_confidence=25)
    return pyproj.CRS.from_epsg(code).area_of_use if code else None
