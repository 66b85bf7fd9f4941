"""Downloads of a collection: all features that answer a question, as a file of one of five formats."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.access import Role
from service.exports import texts
from service.exports.download import Download, FileSource, TextSource
from service.exports.formats import FORMATS, Format
from service.exports.options import CHOICES, read_options
from service.exports.parts import read_part
from service.exports.workshop import Made, Making, Workshop, Writing
from service.query.question import GENERAL, NARROWING, SHAPING, Question, read_question
from service.registry import Collection
from service.routes.items import check_crs, headers_of, read_form
from service.store.exports import Rows, record_export
from service.web.context import Context, find_collection, find_context
from service.web.shown import Shown, is_had
from service.web.tags import digest, sha256

router = APIRouter(tags=["features"])

ASKED = GENERAL | NARROWING | SHAPING | {"sortby"}


@router.get("/collections/{name}/export", summary="Download", response_class=Response)
def export_collection(request: Request, name: str) -> Response:
    """All features that answer the question, as a file; `OGC-NumberMatched` says how many there are. A broken
    download goes on by `Range` and `If-Range`.
    """
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
    # files bear the day they are made on, texts do not
    day = "" if chosen.streamed else datetime.now(UTC).strftime("%Y%m%d")
    mark = digest(allowed, request.url.path, request.url.query, _writers(), day)
    headers = _headers(context, collection, chosen, question)
    rows = Rows(context.engine, context.principal, collection, allowed, question)
    head = bool(request.scope.get("wangge.head"))

    def begin(opened: Rows) -> tuple[dict[str, str], bool]:
        tag = _tag(context, opened, mark)
        return {"OGC-NumberMatched": str(opened.count), "ETag": tag}, is_had(context, tag)

    def record(opened: Rows) -> None:
        record_export(opened, chosen.name)

    parts: Any = texts.geojson
    if chosen.name == "csv":
        parts = partial(texts.csv, encoding=encoding, place=place)
    workshop: Workshop = request.app.state.workshop
    part = None if head else read_part(request.headers.get("range"))
    source: TextSource | FileSource
    if head or (chosen.streamed and part is None):
        source = TextSource(rows, begin, parts, None if head else record)
    else:
        making: Made = Making(workshop, rows, chosen, encoding=encoding, fit=fit)
        if chosen.streamed:
            making = Writing(workshop, rows, parts, chosen.suffix)
        if_range = request.headers.get("if-range")
        source = FileSource(making, begin, record, holder=context.holder, part=part, if_range=if_range)
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


def _tag(context: Context, opened: Rows, mark: str) -> str:
    """The tag of the file: strong, for the same rows are written as the same bytes."""
    shown: Shown = context.request.app.state.shown
    before = shown.find(mark)
    if before is not None and before[0] == opened.version:
        return before[1]
    tag = f'"{context.seals.seal("export", sha256(f"{mark} {opened.count} {opened.state()}".encode()))}"'
    shown.keep(mark, opened.version, tag)
    return tag


@cache
def _writers() -> str:
    """The programs that write files: another edition of them may write other bytes."""
    return " ".join(f"{name} {version(name)}" for name in ("wangge", "pyogrio"))


def _headers(context: Context, collection: Collection, chosen: Format, question: Question) -> dict[str, str]:
    headers = headers_of(context, collection, None, question.crs) | {"Accept-Ranges": "bytes"}
    day = datetime.now(UTC).strftime("%Y%m%d")
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in collection.name
    )
    headers["Content-Disposition"] = f'attachment; filename="{plain}-{day}{chosen.suffix}"'
    return headers
