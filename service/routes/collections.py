"""Collections and their features, after OGC API – Features."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.access import visible_collections
from service.context import Context, InContext, find_collection
from service.faults import UnknownError
from service.pages import page
from service.registry import Collection
from service.schemas import ItemQuery, ItemsQuery, PageQuery, read_box, read_span
from service.store import figures, items

router = APIRouter(tags=["features"])

GEOJSON = "application/geo+json"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def _json(body: Any) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), media_type="application/json")


def _link(href: str, rel: str, kind: str, title: str = "") -> dict[str, str]:
    return {"href": href, "rel": rel, "type": kind} | ({"title": title} if title else {})


def describe(context: Context, collection: Collection, extent: tuple[float, ...] | None) -> dict[str, Any]:
    """A collection as JSON: names in the asked language, the columns that the principal may see, units."""
    _, allowed = find_collection(context, collection.name)
    path = f"/collections/{collection.name}"
    body: dict[str, Any] = {
        "id": collection.name,
        "title": getattr(collection, context.lang),
        "description": getattr(collection, f"about_{context.lang}"),
        "itemType": "feature",
        "crs": [CRS84],
        "columns": [
            {"name": column.name, "type": column.kind, "title": getattr(column, context.lang)}
            | ({"unit": column.unit_in(context.lang)} if column.unit else {})
            for column, _ in allowed.columns
        ],
        "links": [
            _link(context.href(path, f="json"), "self", "application/json"),
            _link(context.href(f"{path}/items"), "items", GEOJSON),
        ],
    }
    if extent is not None:
        body["extent"] = {"spatial": {"bbox": [list(extent)], "crs": CRS84}}
    return body


@router.get("/collections", summary="All collections")
def list_collections(context: InContext, query: Annotated[PageQuery, Query()]) -> Response:
    """Every collection that the asking role may know of."""
    with context.reading() as connection:
        extent = figures.select_extent(connection, context.principal)
    collections = [describe(context, one, extent) for one in visible_collections(context.principal)]
    if context.html:
        return page(context, "collections.html", collections=collections)
    links = [_link(context.href("/collections", f="json"), "self", "application/json")]
    return _json({"links": links, "collections": collections})


@router.get("/collections/{name}", summary="One collection")
def show_collection(context: InContext, name: str, query: Annotated[PageQuery, Query()]) -> Response:
    """Title, extent and columns with their units."""
    collection, _ = find_collection(context, name)
    with context.reading() as connection:
        extent = figures.select_extent(connection, context.principal)
    body = describe(context, collection, extent)
    if context.html:
        return page(context, "collection.html", collection=body)
    return _json(body)


@router.get("/collections/{name}/items", summary="Features", response_class=Response)
def list_items(context: InContext, name: str, query: Annotated[ItemsQuery, Query()]) -> Response:
    """Features as GeoJSON, a page at a time; the link `next` leads on."""
    collection, allowed = find_collection(context, name)
    box = None if query.bbox is None else read_box(query.bbox)
    span = None if query.datetime is None else read_span(query.datetime)
    with context.reading() as connection:
        found = items.select_page(
            connection,
            collection,
            allowed,
            limit=query.limit,
            offset=query.offset,
            cursor=query.cursor,
            box=box,
            span=span,
        )
    path = f"/collections/{collection.name}"
    asked = query.model_dump(exclude_unset=True, exclude={"cursor", "offset"})
    at = query.model_dump(exclude_unset=True)
    links = [
        _link(context.href(f"{path}/items", **at), "self", GEOJSON),
        _link(context.href(path), "collection", "application/json"),
    ]
    if found.following is not None:
        following = asked | {"limit": query.limit, "cursor": found.following}
        links.append(_link(context.href(f"{path}/items", **following), "next", GEOJSON))
    body = (
        f'{{"type":"FeatureCollection","features":[{found.features}],'
        f'"numberReturned":{found.returned},"links":{json.dumps(links, ensure_ascii=False)}}}'
    )
    return Response(body.encode(), media_type=GEOJSON)


@router.get("/collections/{name}/items/{key:path}", summary="One feature", response_class=Response)
def show_item(context: InContext, name: str, key: str, query: Annotated[ItemQuery, Query()]) -> Response:
    """One feature as GeoJSON."""
    collection, allowed = find_collection(context, name)
    with context.reading() as connection:
        feature = items.select_item(connection, collection, allowed, key)
    if feature is None:
        raise UnknownError("item", name=collection.name, key=key[:60])
    path = f"/collections/{collection.name}"
    return feature_answer(
        feature,
        [
            _link(context.href(f"{path}/items/{quote(key, safe=':')}"), "self", GEOJSON),
            _link(context.href(path), "collection", "application/json"),
        ],
    )


def feature_answer(feature: str, links: list[dict[str, str]]) -> Response:
    """One feature with its links."""
    body = f'{feature[:-1]},"links":{json.dumps(links, ensure_ascii=False)}}}'
    return Response(body.encode(), media_type=GEOJSON)
