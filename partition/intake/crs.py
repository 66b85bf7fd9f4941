"""Metric coordinates in and out. Everywhere in Wangge x comes first (east), then y (north)."""

from __future__ import annotations

import math
import re

import geopandas as gpd
import numpy as np
import pyproj
from pyproj.crs import ProjectedCRS
from pyproj.crs.coordinate_operation import UTMConversion

# lengths in the metric CRS may be off by one in a thousand: a UTM zone or a 6-degree belt keeps within it
MOST_DISTORTION = 1.5e-3
# longitudes of China, whose official plane coordinates are 3-degree belts on CGCS2000 (GB 22021-2008)
CHINA_LON = (73.0, 136.0)
CHINA_LAT = (3.0, 54.0)
FIRST_BELT, FIRST_MERIDIAN, LAST_MERIDIAN = 4534, 75, 135


def is_usable(crs: pyproj.CRS | None) -> bool:
    """Whether the CRS ties coordinates to the Earth (a file may carry an 'undefined' one)."""
    return crs is not None and (crs.is_geographic or crs.is_projected) and "undefined" not in crs.name.lower()


def is_cgcs2000(crs: pyproj.CRS) -> bool:
    """Whether the datum is CGCS2000, under the names that EPSG and ESRI give it."""
    datum = crs.geodetic_crs.datum.name if crs.geodetic_crs is not None and crs.geodetic_crs.datum else ""
    name = re.sub(r"[^a-z0-9]", "", datum.lower())
    return name in {"china2000", "cgcs2000", "dchina2000", "chinageodeticcoordinatesystem2000"}


def choose_metric_crs(source: pyproj.CRS, bounds: tuple[float, float, float, float]) -> pyproj.CRS:
    """The CRS in metres to work in, for an area whose `bounds` (x0, y0, x1, y1) are in `source`.

    The source itself if it is in metres and true to scale there; on CGCS2000 within China the nearest
    3-degree belt (EPSG:4534 to 4554); else the UTM zone on the source's own datum, so that no shift of
    datum comes in.
    """
    if is_metric(source, bounds):
        return source
    lon, lat = centre(source, bounds)
    if is_cgcs2000(source) and CHINA_LON[0] <= lon <= CHINA_LON[1] and CHINA_LAT[0] <= lat <= CHINA_LAT[1]:
        meridian = min(max(3 * math.floor(lon / 3 + 0.5), FIRST_MERIDIAN), LAST_MERIDIAN)
        return pyproj.CRS.from_epsg(FIRST_BELT + (meridian - FIRST_MERIDIAN) // 3)
    zone = min(max(math.floor((lon + 180) / 6) + 1, 1), 60)
    geodetic = _flat(source)
    if geodetic == pyproj.CRS.from_epsg(4326) or geodetic.to_epsg() == 4326:
        return pyproj.CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)
    name = f"{geodetic.name} / UTM zone {zone}{'N' if lat >= 0 else 'S'}"
    conversion = UTMConversion(str(zone), hemisphere="N" if lat >= 0 else "S")
    return ProjectedCRS(conversion, name=name, geodetic_crs=geodetic)


def is_metric(crs: pyproj.CRS, bounds: tuple[float, float, float, float]) -> bool:
    """Whether `crs` is projected, in metres, and true to scale (`MOST_DISTORTION`) at corners and centre."""
    if not crs.is_projected or any(axis.unit_conversion_factor != 1.0 for axis in crs.axis_info[:2]):
        return False
    lon, lat = to_lonlat(crs).transform(*_sample(bounds))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return False
    factors = pyproj.Proj(crs).get_factors(lon, lat)
    scales = np.concatenate([np.atleast_1d(factors.meridional_scale), np.atleast_1d(factors.parallel_scale)])
    return bool(np.isfinite(scales).all() and (np.abs(scales - 1) <= MOST_DISTORTION).all())


def to_lonlat(crs: pyproj.CRS) -> pyproj.Transformer:
    """From `crs` to longitude and latitude in degrees on the same datum."""
    return pyproj.Transformer.from_crs(crs, _flat(crs), always_xy=True)


def centre(crs: pyproj.CRS, bounds: tuple[float, float, float, float]) -> tuple[float, float]:
    """Longitude and latitude of the middle of `bounds`."""
    lon, lat = to_lonlat(crs).transform((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2)
    return float(lon), float(lat)


def to_crs(frame: gpd.GeoDataFrame, crs: pyproj.CRS) -> gpd.GeoDataFrame:
    """The frame in `crs`, x first; the same object where it is in `crs` already."""
    return frame if frame.crs == crs else frame.to_crs(crs)


def _flat(crs: pyproj.CRS) -> pyproj.CRS:
    """The two-dimensional geographic CRS under `crs`, in degrees."""
    geodetic = crs.geodetic_crs or pyproj.CRS.from_epsg(4326)
    return geodetic.to_2d() if len(geodetic.axis_info) > 2 else geodetic


def _sample(bounds: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    x0, y0, x1, y1 = bounds
    return (
        np.array([x0, x0, x1, x1, (x0 + x1) / 2]),
        np.array([y0, y1, y0, y1, (y0 + y1) / 2]),
    )
