"""Every script, style, font and picture that a map may use, from the installed packages.

folium and branca name their assets by addresses of content networks. `asset_of` maps such an address to the
name under which `read` finds the file in a locked wheel, and under which the service serves it
(`/static/<name>`; names contain slashes, because style sheets refer to their neighbours by relative paths).
Some that folium puts into every map are left out (`dropped`); any other address is an UnknownAsset.
"""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from layers.errors import UnknownAsset

# Folder of names → distribution and folder in it. Files are located, not imported: the XStatic packages are
# namespace packages of the old kind, and importing folium costs half a second.
_WHEELS = {
    "leaflet": ("XStatic-Leaflet", "xstatic/pkg/leaflet/data"),
    "jquery": ("XStatic-jQuery", "xstatic/pkg/jquery/data"),
    "font-awesome": ("XStatic-Font-Awesome", "xstatic/pkg/font_awesome/data"),
    "folium": ("folium", "folium/templates"),
}
_OWN = Path(__file__).parent / "templates"
# Scripts that are sent as one, in the order in which they run: a page of many small ones asks once.
JOINED: Mapping[str, tuple[str, ...]] = {
    "centre.js": (
        "wangge.js",
        "base_map.js",
        "facility_map.js",
        "heat_map.js",
        "choropleth.js",
        "labels.js",
        "card.js",
        "centre/page.js",
        "centre/view.js",
        "centre/source.js",
        "centre/colours.js",
        "centre/legend.js",
        "centre/lattice.js",
        "centre/ground.js",
        "centre/grids.js",
        "centre/player.js",
        "centre/people.js",
        "centre/finer.js",
        "centre/statistics.js",
        "centre/reach.js",
        "centre/cases.js",
        "centre/filters.js",
        "centre/hours.js",
        "centre/summary.js",
        "centre/lists.js",
        "centre/card.js",
        "centre/levels.js",
        "centre/tiers.js",
        "events.js",
        "session.js",
        "centre/live.js",
        "centre/redrawn.js",
        "centre/start.js",
    ),
}
_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}

# What folium 0.20 and branca 0.8 name, by pattern so that a patch release of the same file still maps.
ADDRESSES = (
    (re.compile(r"^https://[^/]+/npm/leaflet@1\.9\.\d+/dist/(leaflet\.(?:js|css))$"), r"leaflet/\1"),
    (re.compile(r"^https://code\.jquery\.com/jquery-3\.\d+\.\d+\.min\.js$"), "jquery/jquery.min.js"),
    (re.compile(r"^https://[^/]+/ajax/libs/jquery/3\.\d+\.\d+/jquery\.min\.js$"), "jquery/jquery.min.js"),
    (
        re.compile(
            r"^https://[^/]+/npm/@fortawesome/fontawesome-free@6\.\d+\.\d+/css/((?:all|solid)\.min\.css)$"
        ),
        r"font-awesome/css/\1",
    ),
    (
        re.compile(
            r"^https://[^/]+/gh/python-visualization/folium(?:@main)?/folium/templates/([\w.]+\.min\.js)$"
        ),
        r"folium/\1",
    ),
)


@dataclass(frozen=True)
class Dropped:
    """An address that folium puts into every map and that a page may do without.

    needed_by: what a page's scripts say where they do need it; such a page is not drawn (UnknownAsset).
    """

    address: re.Pattern[str]
    reason: str
    needed_by: str | None = None


DROPPED = (
    Dropped(
        re.compile(
            r"^https://[^/]+/npm/bootstrap@5\.\d+\.\d+/dist/(?:css|js)/bootstrap(?:\.bundle)?\.min\.(?:css|js)$"
        ),
        "Bootstrap styles the text of popups; folium itself uses none of it",
        "bootstrap.",
    ),
    Dropped(
        re.compile(r"^https://[^/]+/bootstrap/3\.\d+\.\d+/css/bootstrap-glyphicons\.css$"),
        "glyphs for markers of AwesomeMarkers, which are not drawn either",
        "L.AwesomeMarkers",
    ),
    Dropped(
        re.compile(
            r"^https://[^/]+/ajax/libs/Leaflet\.awesome-markers/2\.\d+\.\d+/leaflet\.awesome-markers\.(?:css|js)$"
        ),
        "folium.Icon's markers; ours are inline SVG",
        "L.AwesomeMarkers",
    ),
    Dropped(
        re.compile(
            r"^https://[^/]+/gh/python-visualization/folium(?:@main)?/folium/templates/leaflet\.awesome\.rotate\.min\.css$"
        ),
        "turns folium.Icon's markers, which are not drawn",
        "L.AwesomeMarkers",
    ),
)
_NAME = re.compile(r"^[\w@-][\w@.-]*(?:/[\w@-][\w@.-]*)*\Z", re.A)
_CSS_URL = re.compile(r"url\(\s*(['\"]?)(?!data:|#)([^'\")]+)\1\s*\)")


def asset_of(address: str) -> str:
    """The asset's name for an address as folium writes it, or for the name itself.

    Raises UnknownAsset where no installed package holds it.
    """
    for pattern, name in ADDRESSES:
        match = pattern.match(address)
        if match:
            found = match.expand(name)
            _path(found)
            return found
    if "//" in address:
        raise UnknownAsset(address)
    if address not in JOINED:
        _path(address)
    return address


def dropped(address: str) -> Dropped | None:
    """What is known of an address that is left out of pages; None for every other."""
    return next((known for known in DROPPED if known.address.match(address)), None)


def read(name: str) -> tuple[bytes, str]:
    """Content and media type of the asset `name`, for example `leaflet/leaflet.js` or `wangge.css`.

    Raises UnknownAsset for every other name, so that the service can answer 404.
    """
    if name in JOINED:
        return b"\n".join(_path(script).read_bytes() for script in JOINED[name]), _MEDIA_TYPES[".js"]
    path = _path(name)
    return path.read_bytes(), _MEDIA_TYPES[path.suffix]


def style_inlined(name: str) -> str:
    """The style sheet `name` with its pictures and fonts as data, for pages that stand alone."""

    def as_data(match: re.Match[str]) -> str:
        target = match[2].partition("#")[0].partition("?")[0]
        if not target:
            return match[0]
        content, media_type = read(posixpath.normpath(posixpath.join(posixpath.dirname(name), target)))
        return f"url(data:{media_type};base64,{base64.b64encode(content).decode()})"

    return _CSS_URL.sub(as_data, read(name)[0].decode())


@cache
def icon(name: str) -> tuple[str, str]:
    """View box and path of the solid Font Awesome icon `name`, for inline SVG."""
    text = read(f"font-awesome/svgs/solid/{name}.svg")[0].decode()
    box = re.search(r'viewBox="([\d. ]+)"', text)
    path = re.search(r'<path d="([^"]+)"', text)
    if box is None or path is None:
        raise UnknownAsset(f"font-awesome/svgs/solid/{name}.svg")
    return box[1], path[1]


@cache
def _folder(top: str) -> Path:
    package, inside = _WHEELS[top]
    return Path(str(distribution(package).locate_file(inside))).resolve()


def _path(name: str) -> Path:
    if not _NAME.match(name):
        raise UnknownAsset(name)
    top, _, rest = name.partition("/")
    folder, inside = (_folder(top), rest) if rest and top in _WHEELS else (_OWN, name)
    path = (folder / inside).resolve()
    if path.suffix not in _MEDIA_TYPES or not path.is_relative_to(folder) or not path.is_file():
        raise UnknownAsset(name)
    return path
