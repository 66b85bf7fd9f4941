"""Links of JSON documents, and the media types that they name."""

from __future__ import annotations

JSON = "application/json"
GEOJSON = "application/geo+json"
HTML = "text/html"
SCHEMA = "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
MVT = "application/vnd.mapbox-vector-tile"
OGC_REL = "http://www.opengis.net/def/rel/ogc/1.0/"


def link(href: str, rel: str, kind: str, title: str = "", **more: str) -> dict[str, str]:
    """A link of RFC 8288 as OGC API documents write it."""
    return {"href": href, "rel": rel, "type": kind} | ({"title": title} if title else {}) | more
