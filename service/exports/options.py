"""What only some formats have a choice of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from service.exports.formats import Encoding, Fit, Format
from service.faults import MalformedError
from service.query.box import short
from service.query.crs import CRS84, Crs
from service.registry import Collection
from service.store.exports import Place

# by parameter: its values
CHOICES: Mapping[str, tuple[str, ...]] = {
    "encoding": ("UTF-8", "UTF-8-BOM", "GBK"),
    "geometry": ("wkt", "xy", "none"),
    "fit": ("refuse", "cut"),
}


def read_options(
    options: Mapping[str, str], chosen: Format, collection: Collection, crs: Crs
) -> tuple[Encoding, Place, Fit]:
    """The options that the format has, with its defaults. Raises MalformedError for others."""
    if chosen.name == "geojson" and crs is not CRS84:
        raise MalformedError("export-crs", value=crs.uri)
    allowed = {
        "encoding": chosen.encodings if len(chosen.encodings) > 1 else (),
        "geometry": CHOICES["geometry"] if chosen.name == "csv" else (),
        "fit": CHOICES["fit"] if chosen.name == "shp" else (),
    }
    for name, value in options.items():
        if not allowed[name]:
            raise MalformedError("export-option", name=name, format=chosen.title)
        if value not in allowed[name]:
            choice = ", ".join(allowed[name])
            raise MalformedError("parameter-value", name=name, value=short(value), choice=choice)
    place = options.get("geometry", "xy" if collection.shape == "point" else "wkt")
    return (
        cast(Encoding, options.get("encoding", chosen.encodings[0])),
        cast(Place, place),
        cast(Fit, options.get("fit", "refuse")),
    )
