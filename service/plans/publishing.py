"""A layer of a file, checked, ready to be published as a collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from service.operating import OperatingError

if TYPE_CHECKING:
    import geopandas as gpd


def read_layer_of(
    path: Path, *, encoding: str | None = None, drop_personal: bool = False
) -> tuple[gpd.GeoDataFrame, str]:
    """The layer with its columns as they are, and its geometry column's name in the file (else `geom`).

    Raises InputError if the file cannot be read or holds personal columns (unless these are dropped), and
    OperatingError if it has several layers and none is named, no geometry, or no CRS.
    """
    import geopandas as gpd
    import pandas as pd
    import pyogrio

    from data.files import Source, list_layers, read_layer
    from partition.errors import InputError
    from partition.findings import Finding
    from partition.intake.personal import find_personal

    source = Source.of(path, encoding)
    names = list_layers(source)
    if source.layer is None and len(names) != 1:
        raise OperatingError("collection-layers", path=source.path, layers=", ".join(names))
    layer = source.layer or names[0]
    if layer not in names:
        raise OperatingError("collection-layers", path=source.path, layers=", ".join(names))
    frame = read_layer(source, layer).frame
    if not isinstance(frame, gpd.GeoDataFrame) or frame.active_geometry_name is None:
        raise OperatingError("collection-no-geometry", path=source.path)
    if frame.crs is None:
        raise OperatingError("collection-no-crs", path=source.path)
    personal = find_personal(frame, layer)
    if personal and not drop_personal:
        raise InputError(
            [
                Finding(
                    "personal_refused",
                    "refused",
                    layer=layer,
                    column=name,
                    file=str(source.path),
                    rows=tuple(f"#{row + 1}" for row in rows.nonzero()[0].tolist()),
                    values={"count": int(rows.sum())},
                )
                for name, rows in personal.items()
            ]
        )
    if source.is_table or source.suffix == ".zip":
        return frame.drop(columns=list(personal)), "geom"
    told = pyogrio.read_info(source.path, layer=layer)
    kinds = zip(told["fields"], told["ogr_types"], told["ogr_subtypes"], strict=True)
    for name, kind, detail in kinds:  # what pandas has no kind of its own for
        if name not in frame.columns:
            continue
        if detail == "OFSTBoolean":
            frame[name] = frame[name].astype("boolean")
        elif kind == "OFTDate":
            days = pd.to_datetime(frame[name]).dt.date.astype(object)
            frame[name] = days.where(frame[name].notna(), None)
    return frame.drop(columns=list(personal)), str(told.get("geometry_name") or "geom")
