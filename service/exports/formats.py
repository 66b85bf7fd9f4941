"""The formats that features leave in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.links import GEOJSON

Name = Literal["geojson", "gpkg", "shp", "csv", "fgb"]
Fit = Literal["refuse", "cut"]
Encoding = Literal["UTF-8", "UTF-8-BOM", "GBK"]


@dataclass(frozen=True)
class Format:
    """suffix: of the file that is sent. driver: GDAL's; none where PostgreSQL makes the text, which is
    streamed. encodings: that there is a choice of, the first is the default.
    """

    name: Name
    title: str
    media: str
    suffix: str
    driver: str = ""
    encodings: tuple[Encoding, ...] = ("UTF-8",)

    @property
    def streamed(self) -> bool:
        """Whether it is sent while it is being made."""
        return not self.driver


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("geojson", "GeoJSON", GEOJSON, ".geojson"),
        Format("gpkg", "GeoPackage", "application/geopackage+sqlite3", ".gpkg", "GPKG"),
        Format("shp", "Shapefile", "application/zip", ".zip", "ESRI Shapefile", ("UTF-8", "GBK")),
        Format("csv", "CSV", "text/csv", ".csv", encodings=("UTF-8", "UTF-8-BOM")),
        Format("fgb", "FlatGeobuf", "application/flatgeobuf", ".fgb", "FlatGeobuf"),
    )
}
