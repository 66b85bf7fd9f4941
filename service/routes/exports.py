"""Downloads of a collection: all features that answer a question, as a file of one of five formats."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.access import Role, may_know_versions
from service.exports import texts
from service.exports.download import Download, FileSource, TextSource
from service.exports.formats import FORMATS, Format
from service.exports.options import CHOICES, read_options
from service.exports.workshop import Making
from service.query.question import GENERAL, NARROWING, SHAPING, Question, read_question
from service.registry import Collection
from service.routes.items import check_crs, headers_of, read_form
from service.store.exports import Rows, record_export
from service.web.context import Context, find_collection, find_context
from service.web.tags import digest, known_version, page_tag

router = APIRouter(tags=["features"])

ASKED = GENERAL | NARROWING | SHAPING | {"sortby"}


@router.get("/collections/{name}/export", summary="Download", response_class=Response)
def export_collection(request: Request, name: str) -> Response:
    """All features that answer the question, as a file; `OGC-NumberMatched` says how many there are."""
    context = find_context(request)
    collection, allowed = find_collection(context, name)
    parameters = dict(request.query_params)
    read_form(parameters, tuple(FORMATS))
    chosen = FORMATS[parameters.get("f", "geojson")]
    options = {one: parameters.pop(one) for one in CHOICES if one in parameters}
    question = read_question(parameters, collection, allowed, known=ASKED)
    given = (question.crs, parameters.get("bbox-crs"), parameters.get("filter-crs"))
    check_crs(context, collection, allowed, *given)
    encoding, place, fit = read_options(options, chosen, collection, question.crs)
    mark = digest(allowed, request.url.path, request.url.query)
    headers = _headers(context, collection, chosen, question)
    rows = Rows(context.engine, context.principal, collection, allowed, question)
    head = bool(request.scope.get("wangge.head"))

    def begin(opened: Rows) -> dict[str, str] | None:
        more = {"OGC-NumberMatched": str(opened.count)}
        if may_know_versions(context.principal, collection):
            if known_version(request.headers.get("if-none-match"), mark) == opened.version:
                return None
            more["ETag"] = page_tag(opened.version, mark)
        if not head:
            record_export(opened, chosen.name)
        return more

    source: TextSource | FileSource
    if head or chosen.streamed:
        parts: Any = texts.geojson
        if chosen.name == "csv":
            parts = partial(texts.csv, encoding=encoding, place=place)
        source = TextSource(rows, begin, parts)
    else:
        making = Making(request.app.state.workshop, rows, chosen, encoding=encoding, fit=fit)
        source = FileSource(making, begin)
    media = f"{chosen.media}; charset=utf-8" if chosen.name == "csv" else chosen.media
    return Download(
        source,
        request.app.state.desk,
        context.client,
        public=context.principal.role is Role.PUBLIC,
        media_type=media,
        headers=headers,
        head=head,
    )


def _headers(context: Context, collection: Collection, chosen: Format, question: Question) -> dict[str, str]:
    headers = headers_of(context, collection, None, question.crs)
    day = datetime.now(UTC).strftime("%Y%m%d")
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in collection.name
    )
    headers["Content-Disposition"] = f'attachment; filename="{plain}-{day}{chosen.suffix}"'
    return headers
