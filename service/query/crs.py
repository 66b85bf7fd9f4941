"""Coordinate reference systems that features are asked for and shown in. Stored are degrees of EPSG:4326."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from service.faults import MalformedError

if TYPE_CHECKING:
    from pyproj import Transformer

_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
MERCATOR_M = 20037508.342789244


@dataclass(frozen=True)
class Crs:
    """uri: its name. srid: that of PostGIS. flipped: its authority gives y before x. metric: in metres."""

    uri: str
    srid: int
    flipped: bool = False
    metric: bool = False

    @property
    def geographic(self) -> bool:
        """Whether coordinates are those of storage, up to their order.

        CGCS2000 and WGS 84 agree within what either is known to; PROJ's transformation between them is none.
        """
        return not self.metric

    def geometry(self, sql: str) -> str:
        """SQL of the geometry `sql` (EPSG:4326) in this system, x before y."""
        return f"st_transform({sql}, {self.srid})" if self.metric else sql

    def ordered(self, sql: str) -> str:
        """SQL of the geometry `sql` (EPSG:4326) in this system, in its authority's order of axes."""
        sql = self.geometry(sql)
        return f"st_flipcoordinates({sql})" if self.flipped else sql

    def project(self, shape: Any) -> Any:
        """A geometry of shapely in this system, axes as its authority orders them, in degrees east and north.

        Raises MalformedError if it lies where the system means nothing.
        """
        import numpy as np
        import shapely

        x, y = (1, 0) if self.flipped else (0, 1)

        def to_degrees(points: Any) -> Any:
            if not self.metric:
                return np.column_stack((points[:, x], points[:, y]))
            east, north = _transformer(self.srid).transform(points[:, x], points[:, y])
            degrees = np.column_stack((east, north))
            if not np.isfinite(degrees).all():
                raise MalformedError("crs-outside", crs=self.uri)
            return degrees

        return shapely.transform(shape, to_degrees)


CRS84 = Crs("http://www.opengis.net/def/crs/OGC/1.3/CRS84", 4326)
WGS84 = Crs(f"{_EPSG}4326", 4326, flipped=True)
CGCS2000 = Crs(f"{_EPSG}4490", 4490, flipped=True)
MERCATOR = Crs(f"{_EPSG}3857", 3857, metric=True)
# CGCS2000 / 3-degree Gauss-Krüger, false easting 500 km, by central meridian: northing comes first
BELTS: Mapping[int, Crs] = {
    meridian: Crs(
        f"{_EPSG}{4534 + (meridian - 75) // 3}", 4534 + (meridian - 75) // 3, flipped=True, metric=True
    )
    for meridian in range(75, 136, 3)
}
STORAGE = CRS84
KNOWN: Mapping[str, Crs] = {crs.uri: crs for crs in (CRS84, WGS84, CGCS2000, MERCATOR, *BELTS.values())}

Extent = tuple[float, float, float, float]


def offered(extent: Extent | None) -> tuple[Crs, ...]:
    """The systems that a collection is offered in: those of the world, and the belts that it reaches into."""
    return (CRS84, WGS84, CGCS2000, MERCATOR, *belts_of(extent))


def belts_of(extent: Extent | None) -> tuple[Crs, ...]:
    """The belts that west, south, east, north (degrees) reach into; none for what reaches beyond China."""
    if extent is None:
        return ()
    west, south, east, north = extent
    if west < 73 or south < 3 or east > 136 or north > 54:
        return ()
    return tuple(crs for meridian, crs in BELTS.items() if west <= meridian + 1.5 and east >= meridian - 1.5)


def read_crs(name: str, value: str) -> Crs:
    """The system whose URI the parameter `name` holds. Raises MalformedError for any other."""
    known = KNOWN.get(value)
    if known is None:
        raise MalformedError("crs", name=name, value=value[:100])
    return known


@cache
def _transformer(srid: int) -> Transformer:
    from pyproj import Transformer

    return Transformer.from_crs(srid, 4326, always_xy=True)


def mercator_degrees(x: float, y: float) -> tuple[float, float]:
    """Degrees east and north of a point in EPSG:3857; finite for finite metres."""
    turns = y / MERCATOR_M
    return x / MERCATOR_M * 180, math.degrees(math.atan(math.sinh(max(min(turns, 4.0), -4.0) * math.pi)))
