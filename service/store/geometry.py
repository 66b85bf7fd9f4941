"""Geometry between frames in metres and the columns `geom` (EPSG:4326) and `metric_wkb`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely

from service.models import SRID


def crs_text(crs: pyproj.CRS) -> str:
    """The CRS as text that `pyproj` reads back as the same: its authority's code, or WKT."""
    authority = crs.to_authority(min_confidence=100)
    return ":".join(authority) if authority and pyproj.CRS(":".join(authority)) == crs else str(crs.to_wkt())


def stored(frame: gpd.GeoSeries) -> list[str]:
    """Hexadecimal EWKB in EPSG:4326 of geometries in any CRS, valid, two-dimensional."""
    shapes = shapely.force_2d(frame.to_crs(SRID).to_numpy())
    for i in np.flatnonzero(~shapely.is_valid(shapes)):
        shapes[i] = _mended(shapes[i])  # what was valid to a hair may not be after the transformation
    shapes = shapely.orient_polygons(shapes)  # outer rings counterclockwise, as GeoJSON has them
    return [str(text) for text in shapely.to_wkb(shapely.set_srid(shapes, SRID), hex=True, include_srid=True)]


def stored_any(frame: gpd.GeoSeries) -> list[str | None]:
    """Hexadecimal EWKB in EPSG:4326 of geometries of any kind as they are; None where there is none."""
    shapes = shapely.orient_polygons(shapely.force_2d(frame.to_crs(SRID).to_numpy()))
    texts = shapely.to_wkb(shapely.set_srid(shapes, SRID), hex=True, include_srid=True)
    return [None if text is None else str(text) for text in texts]


def _mended(shape: shapely.Geometry) -> shapely.Geometry:
    parts = shapely.get_parts(shapely.make_valid(shape, method="structure", keep_collapsed=False))
    surfaces = [part for part in parts if part.geom_type == "Polygon"]
    return surfaces[0] if len(surfaces) == 1 else shapely.multipolygons(surfaces)


def metric(frame: gpd.GeoSeries) -> list[bytes]:
    """WKB of geometries as they are, for `metric_wkb`."""
    return [bytes(wkb) for wkb in shapely.to_wkb(frame.to_numpy())]


def read_metric(wkb: Sequence[bytes | None], geom: Sequence[bytes], crs: pyproj.CRS) -> gpd.GeoSeries:
    """Geometries in `crs`: those of `metric_wkb`, or from `geom` (WKB, EPSG:4326) where that was edited."""
    shapes = shapely.from_wkb(np.array([None if one is None else bytes(one) for one in wkb], dtype=object))
    edited = np.array([one is None for one in wkb], dtype=bool)
    if edited.any():
        shapes[edited] = read_stored(
            [one for one, is_edited in zip(geom, edited, strict=True) if is_edited]
        ).to_crs(crs)
    return gpd.GeoSeries(list(shapes), crs=crs)


def read_stored(geom: Sequence[Any]) -> gpd.GeoSeries:
    """Geometries in EPSG:4326 from WKB."""
    return gpd.GeoSeries(list(shapely.from_wkb([bytes(one) for one in geom])), crs=SRID)
