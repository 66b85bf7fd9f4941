"""Links to the downloads of a collection, one a format."""

from __future__ import annotations

from collections.abc import Mapping

from service.context import Context
from service.exports.formats import FORMATS
from service.links import link

# of one page, or of one form
_APART = ("limit", "offset", "cursor", "count", "f", "lang")


def enclosures(
    context: Context, path: str, parameters: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Links to what the parameters of a page ask for, all of it, below the collection's path."""
    asked = {name: value for name, value in (parameters or {}).items() if name not in _APART}
    found = []
    for one in FORMATS.values():
        # GeoJSON has one coordinate system
        own = {name: value for name, value in asked.items() if one.name != "geojson" or name != "crs"}
        found.append(
            link(context.href(f"{path}/export", f=one.name, **own), "enclosure", one.media, one.title)
        )
    return found
