"""Links to the downloads of a collection, one a format."""

from __future__ import annotations

from collections.abc import Mapping

from service.exports.formats import FORMATS
from service.links import link
from service.web.context import Context

# of one page, or of one form
_APART = ("limit", "offset", "cursor", "count", "f", "lang")


def enclosures(
    context: Context, path: str, parameters: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Links to what the parameters of a page ask for, all of it, below the collection's path."""
    asked = {name: value for name, value in (parameters or {}).items() if name not in _APART}
    address = context.href(f"{path}/export", **asked)
    address += "&" if asked else "?"
    plain = address
    if "crs" in asked:  # GeoJSON has one coordinate system
        del asked["crs"]
        plain = context.href(f"{path}/export", **asked) + ("&" if asked else "?")
    return [
        link(f"{plain if one.name == 'geojson' else address}f={one.name}", "enclosure", one.media, one.title)
        for one in FORMATS.values()
    ]
