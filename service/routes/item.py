"""One feature."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.access import may_know_row_versions
from service.faults import UnknownError
from service.links import GEOJSON, HTML, JSON, link
from service.query.question import GENERAL, read_question
from service.registry import Collection
from service.routes.collections import path_of
from service.routes.items import backdrop_of, check_crs, headers_of, read_form
from service.store import items
from service.web.context import Context, find_collection, find_context
from service.web.direct import DirectRoute
from service.web.pages import page
from service.web.tags import content_tag, digest, feature_tag, is_known

router = APIRouter(tags=["features"], route_class=DirectRoute)

PARAMETERS = GENERAL | {"crs", "properties", "datetime"}


def item_path(collection: Collection, key: str) -> str:
    """The path of the feature with the id `key`."""
    return f"{path_of(collection)}/items/{quote(key, safe=':')}"


@router.get("/collections/{name}/items/{key:path}", summary="One feature", response_class=Response)
def show_item(request: Request, name: str, key: str) -> Response:
    """One feature as GeoJSON; its ETag names the version of its row."""
    context = find_context(request)
    collection, allowed = find_collection(context, name)
    parameters = dict(request.query_params)
    read_form(parameters)
    question = read_question(parameters, collection, allowed, known=PARAMETERS)
    check_crs(context, collection, allowed, question.crs)
    found = items.select_item(context.engine, context.principal, collection, allowed, key, question)
    if found is None:
        raise UnknownError("item", name=collection.name, key=key[:60])
    mark = digest(allowed, context.base, *context.asked, context.html, context.lang)
    # of cases it depends on the grid that they lie in
    shown = json.loads(found.feature)["properties"] if collection.sensitivity == "cases" else {}
    if may_know_row_versions(context.principal, collection, shown):
        tag = feature_tag(context.seals, found.row, found.version, mark)
    else:
        tag = content_tag(mark, found.feature)
    headers = headers_of(context, collection, tag, question.crs)
    if is_known(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    path = item_path(collection, key)
    forms = {form: context.href(path, **{**parameters, "f": form}) for form in ("json", "html")}
    if context.html:
        return _page(context, collection, key, found.feature, context.inside(forms["json"]), headers)
    links = [
        link(forms["json"], "self", GEOJSON),
        link(forms["html"], "alternate", HTML),
        link(context.href(path_of(collection)), "collection", JSON),
    ]
    return Response(with_links(found.feature, links), media_type=GEOJSON, headers=headers)


def with_links(feature: bytes, links: list[dict[str, str]]) -> bytes:
    """A feature with its links."""
    return feature[:-1] + b',"links":' + json.dumps(links, ensure_ascii=False).encode() + b"}"


def _page(
    context: Context,
    collection: Collection,
    key: str,
    feature: bytes,
    data: str,
    headers: dict[str, str],
) -> Response:
    body: dict[str, Any] = json.loads(feature)
    named = {column.name: column for column in collection.columns}
    answer = page(
        context,
        "item.html",
        collection=collection,
        path=path_of(collection),
        key=key,
        properties=[(named[name], value) for name, value in body["properties"].items()],
        data=data,
        backdrop=backdrop_of(collection),
    )
    del answer.headers["vary"]
    answer.headers.update({name: value for name, value in headers.items() if name != "Content-Crs"})
    return answer
