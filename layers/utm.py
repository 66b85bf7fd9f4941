"""Metres to draw in: the UTM zone of what is drawn.

geopandas' `estimate_utm_crs` searches PROJ's database for it, 50 ms each time, which was most of what a page
of a community took.
"""

from __future__ import annotations

from functools import lru_cache

import geopandas as gpd
import pyproj


def utm_crs(shapes: gpd.GeoSeries | gpd.GeoDataFrame) -> pyproj.CRS:
    """The zone of WGS 84 / UTM in which the middle of `shapes` (EPSG:4326, not empty) lies."""
    west, south, east, north = shapes.total_bounds.tolist()
    zone = int(((west + east) / 2 + 180) // 6) % 60 + 1
    return _zone(zone, south + north < 0)


@lru_cache(maxsize=120)
def _zone(zone: int, southern: bool) -> pyproj.CRS:
    return pyproj.CRS.from_epsg((32700 if southern else 32600) + zone)
