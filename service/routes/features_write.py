"""Features made, replaced, changed and removed (OGC API – Features Part 4), on the version that was read.

Cases have steps and rules of their own: `service/routes/cases.py` makes them,
`service/store/cases.py` changes them.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy import Connection

from service.access import Access
from service.links import GEOJSON, JSON
from service.routes.cases import add_cases
from service.routes.item import item_path
from service.routes.writing import claim, tag_of, versions_of
from service.store import cases, features
from service.store.features import Written
from service.web.bodies import (
    BODY_MOST,
    FEATURE_MEDIA,
    PATCH_MEDIA,
    body_crs,
    read_body,
    read_feature,
    read_json,
    read_patch,
)
from service.web.repeats import HEADER, answer_once

router = APIRouter(tags=["features"])

_FEATURE = {"schema": {"$ref": "#/components/schemas/feature"}}
_BODY: dict[str, Any] = {"required": True, "content": {GEOJSON: _FEATURE, JSON: _FEATURE}}
_MERGE: dict[str, Any] = {"required": True, "content": {PATCH_MEDIA[0]: {"schema": {"type": "object"}}}}
_LOCK: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag that came with the feature.",
    "schema": {"type": "string"},
}


@router.post(
    "/collections/{name}/items",
    summary="Make a feature",
    status_code=201,
    response_class=Response,
    openapi_extra={"requestBody": _BODY, "parameters": [HEADER]},
)
async def add_item(request: Request, name: str) -> Response:
    """Make a feature; `Location` is where it stands."""
    context, collection, allowed = await run_in_threadpool(claim, request, name, "POST")
    if collection.sensitivity == "cases":
        return await add_cases(context, collection, allowed)
    body = await read_body(request, FEATURE_MEDIA)

    def add() -> Response:
        draft = read_feature(read_json(body), collection, _known(allowed), body_crs(request))

        def write(connection: Connection) -> Response:
            written = features.add_feature(connection, context.principal, collection, draft)
            place = context.href(item_path(collection, written.key))
            headers = {"Location": place, "ETag": tag_of(context, collection, allowed, written)}
            return Response(status_code=201, headers=headers)

        return answer_once(context, body, write)

    return await run_in_threadpool(add)


@router.put(
    "/collections/{name}/items/{key:path}",
    summary="Replace a feature",
    status_code=204,
    response_class=Response,
    openapi_extra={"requestBody": _BODY, "parameters": [_LOCK]},
)
async def replace_item(request: Request, name: str, key: str) -> Response:
    """Replace a feature: properties that are not sent are emptied."""
    return await _change(request, name, key, whole=True)


@router.patch(
    "/collections/{name}/items/{key:path}",
    summary="Change a feature",
    status_code=204,
    response_class=Response,
    openapi_extra={"requestBody": _MERGE, "parameters": [_LOCK]},
)
async def change_item(request: Request, name: str, key: str) -> Response:
    """Change what the merge patch (RFC 7396) holds, and nothing else."""
    return await _change(request, name, key, whole=False)


@router.delete(
    "/collections/{name}/items/{key:path}",
    summary="Remove a feature",
    status_code=204,
    response_class=Response,
    openapi_extra={"parameters": [_LOCK]},
)
def remove_item(request: Request, name: str, key: str) -> Response:
    """Remove a feature."""
    context, collection, allowed = claim(request, name, "DELETE")
    with context.writing() as connection:
        found = features.lock_feature(connection, collection, allowed, key)
        features.check_version(found, versions_of(context))
        features.remove_feature(connection, collection, found)
    return Response(status_code=204)


async def _change(request: Request, name: str, key: str, *, whole: bool) -> Response:
    context, collection, allowed = await run_in_threadpool(claim, request, name, request.method)
    body = await read_body(request, FEATURE_MEDIA if whole else PATCH_MEDIA, BODY_MOST)

    def change() -> Written:
        read = read_feature if whole else read_patch
        draft = read(read_json(body), collection, _known(allowed), body_crs(request))
        with context.writing() as connection:
            found = features.lock_feature(connection, collection, allowed, key)
            features.check_version(found, versions_of(context))
            if collection.sensitivity == "cases":
                return cases.change_case(
                    connection, context.principal, collection, allowed, found, draft, whole=whole
                )
            return features.change_feature(connection, collection, allowed, found, draft, whole=whole)

    written = await run_in_threadpool(change)
    return Response(status_code=204, headers={"ETag": tag_of(context, collection, allowed, written)})


def _known(allowed: Access) -> tuple[Any, ...]:
    return tuple(column for column, _ in allowed.columns)
