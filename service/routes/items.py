"""A collection's features, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.access import Access
from service.faults import MalformedError
from service.links import GEOJSON, HTML, JSON, link
from service.query.box import short
from service.query.crs import BELTS, Crs, offered
from service.query.question import Question, read_question
from service.registry import Collection
from service.routes.collections import downloads_of, path_of, write_instant
from service.routes.enclosures import enclosures
from service.store import items
from service.web.context import Context, find_collection, find_context
from service.web.direct import DirectRoute
from service.web.pages import page
from service.web.shown import is_had, tag_of_shown, unchanged
from service.web.tags import digest, sha256

router = APIRouter(tags=["features"], route_class=DirectRoute)

FORMS = ("json", "geojson", "html")


def read_form(parameters: Mapping[str, str], forms: tuple[str, ...] = FORMS) -> None:
    """Check `f` and `lang`, which the context has read. Raises MalformedError."""
    for name, choice in (("f", forms), ("lang", ("zh", "en"))):
        value = parameters.get(name)
        if value is not None and value not in choice:
            raise MalformedError("parameter-value", name=name, value=short(value), choice=", ".join(choice))


def check_crs(context: Context, collection: Collection, allowed: Access, *asked: Crs | str | None) -> None:
    """Refuse a belt that the collection does not reach into, and so is not offered in."""
    uris = {crs.uri if isinstance(crs, Crs) else crs for crs in asked if crs is not None}
    if uris & {crs.uri for crs in BELTS.values()}:
        about = context.catalogues.about(context.principal, collection, allowed)
        for uri in sorted(uris - {crs.uri for crs in offered(about.extent)}):
            raise MalformedError("crs", name="crs", value=short(uri))


def headers_of(context: Context, collection: Collection, tag: str | None, crs: Crs) -> dict[str, str]:
    """The headers of features: what they are, and who may keep them and how long.

    Where points of homes are shown, nothing is left on the disk of the machine that asked.
    """
    public = context.principal.role.value == "public"
    kept = "public" if public else "private"
    headers = {
        "Content-Crs": f"<{crs.uri}>",
        "Vary": "Accept, Accept-Language, Authorization, Cookie",
        "Cache-Control": f"{kept}, no-cache",
    }
    if collection.sensitivity == "cases" and not public:
        headers["Cache-Control"] = "private, no-store"
    return headers if tag is None else headers | {"ETag": tag}


@router.get("/collections/{name}/items", summary="Features", response_class=Response)
def list_items(request: Request, name: str) -> Response:
    """Features as GeoJSON, a page at a time; the link `next` leads on."""
    context = find_context(request)
    collection, allowed = find_collection(context, name)
    parameters = dict(request.query_params)
    read_form(parameters)
    question = read_question(parameters, collection, allowed)
    check_crs(
        context,
        collection,
        allowed,
        question.crs,
        parameters.get("bbox-crs"),
        parameters.get("filter-crs"),
    )
    mark = digest(allowed, context.base, *context.asked, context.html, context.lang)
    known = unchanged(context, [collection], mark)
    if known is not None:
        return Response(status_code=304, headers=headers_of(context, collection, known, question.crs))
    found = items.select_page(context.engine, context.principal, collection, allowed, question)
    parts = found.features, f"{found.matched} {found.following}".encode()
    tag = tag_of_shown(context, [collection], mark, found.version, lambda: map(sha256, parts))
    headers = headers_of(context, collection, tag, question.crs)
    if is_had(context, tag):
        return Response(status_code=304, headers=headers)
    links = links_of(context, collection, parameters, question, found.following)
    if context.html:
        return _page(context, collection, found, links, headers)
    tail: dict[str, Any] = {"numberReturned": found.returned}
    if found.matched is not None:
        tail["numberMatched"] = found.matched
    tail |= {"timeStamp": write_instant(datetime.now(UTC).replace(microsecond=0)), "links": links}
    body = b"".join(
        (
            b'{"type":"FeatureCollection","features":[',
            found.features,
            b"],",
            json.dumps(tail, ensure_ascii=False).encode()[1:],
        )
    )
    return Response(body, media_type=GEOJSON, headers=headers)


def links_of(
    context: Context,
    collection: Collection,
    parameters: Mapping[str, str],
    question: Question,
    following: str | None,
) -> list[dict[str, str]]:
    """Links of a page: itself, its other form, the next one, the collection, and all features as files."""
    path = path_of(collection)
    shown = "html" if context.html else "json"
    links = [
        link(context.href(f"{path}/items", **{**parameters, "f": form}), rel, kind)
        for form, rel, kind in (
            ("json", "self" if shown == "json" else "alternate", GEOJSON),
            ("html", "self" if shown == "html" else "alternate", HTML),
        )
    ]
    if following is not None:
        kept = {name: value for name, value in parameters.items() if name not in ("cursor", "offset")}
        more = {**kept, "limit": question.limit, "cursor": following}
        kind = HTML if context.html else GEOJSON
        links.append(link(context.href(f"{path}/items", **more), "next", kind))
    links.append(link(context.href(path), "collection", JSON))
    links += enclosures(context, path, parameters)
    return links


def backdrop_of(collection: Collection) -> str:
    """Where a page's map finds what lies under the features; nothing for the streets themselves."""
    return "" if collection.name == "streets" else "/collections/streets/items?limit=2000"


def _page(
    context: Context,
    collection: Collection,
    found: items.Page,
    links: list[dict[str, str]],
    headers: Mapping[str, str],
) -> Response:
    features = json.loads(b"[" + found.features + b"]")
    columns = list(features[0]["properties"]) if features else []
    titles = {column.name: getattr(column, context.lang) or column.name for column in collection.columns}
    answer = page(
        context,
        "items.html",
        collection=collection,
        path=path_of(collection),
        features=features,
        columns=columns,
        titles=titles,
        backdrop=backdrop_of(collection),
        matched=found.matched,
        downloads=downloads_of(context, links),
        data=context.inside(next(one["href"] for one in links if one["type"] == GEOJSON)),
        following=next((context.inside(one["href"]) for one in links if one["rel"] == "next"), None),
    )
    del answer.headers["vary"]
    answer.headers.update({name: value for name, value in headers.items() if name != "Content-Crs"})
    return answer
