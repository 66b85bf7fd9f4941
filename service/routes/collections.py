"""Collections: what each is, how far it reaches in space and time, and where its features and schema are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.access import Access, visible_collections
from service.links import GEOJSON, HTML, JSON, OGC_REL, SCHEMA, link
from service.query.crs import CRS84, STORAGE, offered
from service.registry import Collection
from service.routes.enclosures import enclosures
from service.store.catalogue import About
from service.web.context import Context, InContext, find_collection
from service.web.feature_schema import describe_features
from service.web.origins import origin_of
from service.web.pages import page
from service.web.schemas import PageQuery

router = APIRouter(tags=["features"])

GREGORIAN = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"


def answer_json(body: Any, kind: str = JSON) -> Response:
    """A JSON document as an answer."""
    return Response(json.dumps(body, ensure_ascii=False), media_type=kind)


def path_of(collection: Collection) -> str:
    """The collection's path."""
    return f"/collections/{quote(collection.name, safe='')}"


def describe(context: Context, collection: Collection, allowed: Access) -> dict[str, Any]:
    """A collection as JSON, in the asked language, as the principal may see it."""
    about = context.catalogues.about(context.principal, collection, allowed)
    path = path_of(collection)
    origin = origin_of(collection, about, context.request.app.state.licence, context.lang)
    body: dict[str, Any] = {
        "id": collection.name,
        "title": getattr(collection, context.lang),
        "description": getattr(collection, f"about_{context.lang}"),
        "attribution": origin.attribution,
        "license": origin.licence,
        "itemType": "feature",
        "crs": [crs.uri for crs in offered(about.extent)],
        "storageCrs": STORAGE.uri,
        "links": [
            link(context.href(path, f="json"), "self", JSON),
            link(context.href(path, f="html"), "alternate", HTML),
            link(context.href(f"{path}/items", f="json"), "items", GEOJSON),
            link(context.href(f"{path}/items", f="html"), "items", HTML),
            link(context.href(f"{path}/schema"), f"{OGC_REL}schema", SCHEMA),
            link(context.href(f"{path}/queryables"), f"{OGC_REL}queryables", SCHEMA),
            link(context.href(f"{path}/sortables"), f"{OGC_REL}sortables", SCHEMA),
            link(context.href(f"{path}/tiles"), f"{OGC_REL}tilesets-vector", JSON),
            *enclosures(context, path),
        ],
    }
    if origin.rights:
        body["rights"] = origin.rights
    if origin.licence.startswith(("http://", "https://")):
        body["links"].append(link(origin.licence, "license", HTML))
    extent = describe_extent(about)
    if extent:
        body["extent"] = extent
    return body


def downloads_of(context: Context, links: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Titles and addresses of downloads, of all links, as pages show them.

    Long texts in a Shapefile are cut there, and its note says so: a person has no use for a refusal.
    """
    found = [(one["title"], context.inside(one["href"])) for one in links if one["rel"] == "enclosure"]
    return [(title, f"{href}&fit=cut" if title == "Shapefile" else href) for title, href in found]


def describe_extent(about: About) -> dict[str, Any]:
    """How far a collection reaches in space and time; empty where it holds nothing."""
    extent: dict[str, Any] = {}
    if about.extent is not None:
        extent["spatial"] = {"bbox": [list(about.extent)], "crs": CRS84.uri}
    if about.begin is not None:
        interval = [None if one is None else write_instant(one) for one in (about.begin, about.end)]
        extent["temporal"] = {"interval": [interval], "trs": GREGORIAN}
    return extent


def write_instant(instant: datetime) -> str:
    """An instant of RFC 3339, UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def visible(context: Context) -> list[tuple[Collection, Access]]:
    """The collections that the principal may know of, and what of them."""
    known = visible_collections(context.principal, context.catalogues.current().all())
    return [find_collection(context, collection.name) for collection in known]


@router.get("/collections", summary="All collections", response_class=Response)
def list_collections(context: InContext, query: Annotated[PageQuery, Query()]) -> Response:
    """Every collection that the asking role may know of."""
    described = [describe(context, collection, allowed) for collection, allowed in visible(context)]
    if context.html:
        return page(context, "collections.html", collections=described)
    body = {
        "links": [
            link(context.href("/collections", f="json"), "self", JSON),
            link(context.href("/collections", f="html"), "alternate", HTML),
        ],
        "crs": [crs.uri for crs in offered(None)],
        "collections": described,
    }
    return answer_json(body)


@router.get("/collections/{name}", summary="One collection", response_class=Response)
def show_collection(context: InContext, name: str, query: Annotated[PageQuery, Query()]) -> Response:
    """Title, source, licence, extent, coordinate systems, and links to features and schema."""
    collection, allowed = find_collection(context, name)
    body = describe(context, collection, allowed)
    if not context.html:
        return answer_json(body)
    schema = describe_features(
        collection, allowed, context.lang, context.href(f"{path_of(collection)}/schema"), "schema"
    )
    units = {column.name: column.unit_in(context.lang) for column, _ in allowed.columns}
    return page(
        context,
        "collection.html",
        collection=body,
        path=path_of(collection),
        schema=schema,
        units=units,
        downloads=downloads_of(context, body["links"]),
        backdrop="" if collection.name == "streets" else "/collections/streets/items?limit=2000",
    )
