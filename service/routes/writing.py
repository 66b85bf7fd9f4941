"""What every write asks first: may the principal do this here, and on which version was it decided?"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from fastapi import Request
from fastapi.responses import Response

from partition.texts import catalogue
from service.access import Access, may_write
from service.faults import ForbiddenError, MalformedError, NoMethodError, UnlockedError
from service.links import JSON
from service.registry import Collection
from service.routes.item import item_path
from service.store.features import Written
from service.web.context import Context, find_collection, find_context
from service.web.tags import digest, feature_tag, row_versions


def claim(request: Request, name: str, method: str) -> tuple[Context, Collection, Access]:
    """Who asks, and that they may use the method on the collection at all.

    UnknownError: the principal may not know of the collection; NoMethodError: nobody may; ForbiddenError.
    """
    context = find_context(request)
    collection, allowed = find_collection(context, name)
    for parameter in request.query_params:
        if parameter != "lang":
            raise MalformedError("parameter-unknown", name=parameter[:60])
    if not collection.writable:
        raise NoMethodError("write-methods", (), name=name, reason=_reason("write-read-only", context, name))
    if method not in collection.methods:
        key = {"grids": "write-fixed-grids", "cases": "write-fixed-cases"}.get(name, "write-fixed-features")
        reason = _reason(key, context, name)
        raise NoMethodError("write-methods", collection.methods, name=name, reason=reason)
    if not may_write(context.principal, collection):
        raise ForbiddenError("forbidden")
    return context, collection, allowed


def tag_of(context: Context, collection: Collection, allowed: Access, written: Written) -> str:
    """The ETag that reading the feature plainly would bring."""
    path = unquote(item_path(collection, written.key))
    mark = digest(allowed, context.base, path, "", False, context.lang)
    return feature_tag(context.seals, written.row, written.version, mark)


def versions_of(context: Context) -> set[tuple[int, int]] | None:
    """The versions that If-Match names; None: any. UnlockedError: there is no If-Match."""
    header = context.request.headers.get("if-match")
    if header is None:
        raise UnlockedError("write-unlocked")
    return row_versions(context.seals, header)


def _reason(key: str, context: Context, name: str) -> str:
    return catalogue("service").say(f"error.{key}", context.lang, name=name)


def as_json(body: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    """A JSON document with a status of its own."""
    return Response(
        json.dumps(body, ensure_ascii=False), status_code=status, media_type=JSON, headers=headers
    )
