"""A stored plan as a file: GeoPackage, GeoJSON or Shapefile. It appears only when it is complete.

GeoPackage: layers `grids` and `buildings` in the community's input CRS. GeoJSON (RFC 7946): the grids, in
WGS 84. Shapefile: the grids in the input CRS with a .cpg; names have ten characters there, so
`buildings_unknown` is `bldg_unkn`, and texts 254 bytes, so the four bounds are left out. No file has a figure
about a population group.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import geopandas as gpd
import pyogrio

from data.plan_file import check_writable, replacing
from partition.geometry.grids import BOUND_COLUMNS
from service.exports.formats import FORMATS
from service.exports.outputs import place_parts
from service.operating import OperatingError
from service.store.plans import PlanFrames

SUFFIXES = (".gpkg", ".geojson", ".json", ".shp")
# names that are longer than a Shapefile's
SHORT_NAMES = {"buildings_unknown": "bldg_unkn"}


def check_export(path: Path, encoding: str | None) -> str:
    """The encoding to write; raises OperatingError or InputError before any work is done."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OperatingError("export.suffix", path=path)
    chosen = (encoding or "UTF-8").upper().replace("UTF8", "UTF-8")
    if chosen not in FORMATS["shp"].encodings or (encoding and suffix != ".shp"):
        raise OperatingError("export.encoding")
    check_writable(path)
    return chosen


def write_export(path: Path, frames: PlanFrames, *, encoding: str | None = None) -> None:
    """Write the plan in the format that the path's suffix names."""
    chosen = check_export(path, encoding)
    grids = frames.grids.assign(residents=frames.grids["residents"].round().astype("Int64"))
    match path.suffix.lower():
        case ".gpkg":
            with replacing(path) as part:
                pyogrio.write_dataframe(grids, part, layer="grids", driver="GPKG")
                pyogrio.write_dataframe(frames.buildings, part, layer="buildings", driver="GPKG", append=True)
                if frames.tiers is not None:
                    pyogrio.write_dataframe(frames.tiers, part, layer="tiers", driver="GPKG", append=True)
        case ".shp":
            _write_shapefile(path, grids.drop(columns=BOUND_COLUMNS).rename(columns=SHORT_NAMES), chosen)
        case _:
            with replacing(path) as part:
                pyogrio.write_dataframe(grids.to_crs(4326), part, driver="GeoJSON", RFC7946="YES")


def _write_shapefile(path: Path, grids: gpd.GeoDataFrame, encoding: str) -> None:
    """A Shapefile is several files: all are written beside their places first, and .shp moves last."""
    with tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=path.parent) as folder:
        part = Path(folder) / path.name
        pyogrio.write_dataframe(grids, part, driver="ESRI Shapefile", encoding=encoding)
        part.with_suffix(".cpg").write_text(encoding, encoding="ascii")
        place_parts(Path(folder), path)
