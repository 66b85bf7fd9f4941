"""Cases: new ones, singly and in batches, their steps, and those that are overdue."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy import Connection

from service.access import Access, Role
from service.centre import place as clocks
from service.faults import ForbiddenError, MalformedError, TooLargeError, UnknownError
from service.links import GEOJSON, JSON, link
from service.query.box import short
from service.query.crs import CRS84
from service.query.draft import Draft
from service.query.question import read_question
from service.registry import COLLECTIONS, Collection, Column
from service.routes.collections import answer_json, write_instant
from service.routes.item import item_path
from service.routes.plans import following_of, names_of
from service.routes.writing import as_json, claim, tag_of, versions_of
from service.store import cases, features, items
from service.store.features import Written
from service.web.bodies import FEATURE_MEDIA, body_crs, read_body, read_feature, read_json, read_text
from service.web.context import Context, find_collection, find_context
from service.web.pages import answer_or_page
from service.web.repeats import answer_once

router = APIRouter(tags=["cases"])

FORMS = ("json", "geojson", "html")  # of the list of overdue cases
BATCH_MOST = 10_000
BATCH_BODY_MOST = 16_000_000
NOTE = Column("note", "", "string", "说明", "note")
_STEP_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("status", "tier", "note")},
                "additionalProperties": False,
            }
        }
    },
}
_LOCK = {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}}


async def add_cases(context: Context, collection: Collection, allowed: Access) -> Response:
    """Make a case, or all cases of a FeatureCollection or none of them."""
    request = context.request
    body = await read_body(request, FEATURE_MEDIA, BATCH_BODY_MOST)

    def add() -> Response:
        node = read_json(body)
        several = isinstance(node, dict) and node.get("type") == "FeatureCollection"
        nodes = node.get("features") if several else [node]
        if not isinstance(nodes, list) or not nodes:
            raise MalformedError("case-batch", most=BATCH_MOST)
        if len(nodes) > BATCH_MOST:
            raise TooLargeError("case-batch", most=BATCH_MOST)
        known, crs, now = tuple(column for column, _ in allowed.columns), body_crs(request), datetime.now(UTC)
        read = []
        for place, one in enumerate(nodes, start=1):
            try:
                draft = read_feature(one, collection, known, crs)
                if context.principal.role is not Role.CENTRE and draft.values.get("case_id"):
                    # were a taken number refused, one would learn which withheld cases there are
                    raise ForbiddenError("case-number")
                read.append(cases.read_case(draft, now))
            except MalformedError as error:
                if not several:
                    raise
                # each message says what is wrong; which of them, the batch does
                raise MalformedError("case-of-batch", place=place, reason=error.text(context.lang)) from None

        def write(connection: Connection) -> Response:
            written = cases.add_cases(connection, context.principal, collection, read)
            if several:
                return as_json({"created": len(written), "ids": [one.key for one in written]}, 201)
            headers = {
                "Location": context.href(item_path(collection, written[0].key)),
                "ETag": tag_of(context, collection, allowed, written[0]),
            }
            return Response(status_code=201, headers=headers)

        return answer_once(context, body, write)

    return await run_in_threadpool(add)


@router.post(
    "/cases/{key:path}/steps",
    summary="Take a case a step on",
    response_class=Response,
    status_code=201,
    openapi_extra={"requestBody": _STEP_BODY, "parameters": [_LOCK]},
)
async def take_step(request: Request, key: str) -> Response:
    """The next status, or the next tier, or both; `If-Match` names the version it was decided on."""
    context, collection, allowed = await run_in_threadpool(claim, request, "cases", "PATCH")
    body = await read_body(request, (JSON,))

    def step() -> Written:
        values, note = _read_step(read_json(body))
        with context.writing() as connection:
            found = features.lock_feature(connection, collection, allowed, key)
            features.check_version(found, versions_of(context))
            if not any(found.values.get(name) != value for name, value in values.items()):
                raise MalformedError("case-no-step")
            return cases.change_case(
                connection,
                context.principal,
                collection,
                allowed,
                found,
                Draft(values),
                whole=False,
                note=note,
            )

    written = await run_in_threadpool(step)
    return Response(status_code=201, headers={"ETag": tag_of(context, collection, allowed, written)})


def _read_step(node: Any) -> tuple[dict[str, str], str]:
    if not isinstance(node, dict) or not {"status", "tier"} & set(node) <= set(node) or len(node) > 3:
        raise MalformedError("case-step-body")
    columns = {name: COLLECTIONS["cases"].column(name) for name in ("status", "tier")} | {"note": NOTE}
    values = {}
    for name, value in node.items():
        if name not in columns:
            raise MalformedError("write-unknown", name=name[:60], known=", ".join(columns))
        if not isinstance(value, str):
            raise MalformedError("write-kind", name=name, value=str(value)[:60], kind="string")
        values[name] = read_text(columns[name], value)
    note = values.pop("note", "")
    if not values:
        raise MalformedError("case-step-body")
    return values, note


@router.get("/cases/{key:path}/steps", summary="What happened to a case", response_class=Response)
def show_steps(request: Request, key: str) -> Response:
    """The case's history, for those who answer for it."""
    context = find_context(request)
    collection, allowed = find_collection(context, "cases")
    found = items.select_item(context.engine, context.principal, collection, allowed, key)
    if found is None:
        raise UnknownError("item", name=collection.name, key=key[:60])
    grid = json.loads(found.feature)["properties"].get("grid")
    if context.principal.role is not Role.CENTRE and grid not in context.principal.grids:
        raise ForbiddenError("forbidden")
    with context.reading() as connection:
        steps = [_step(one) for one in cases.list_steps(connection, found.row)]
    links = [
        link(context.href(f"/cases/{key}/steps"), "self", JSON),
        link(context.href(item_path(collection, key)), "up", GEOJSON),
    ]
    answer = answer_json({"steps": steps, "links": links})
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _step(step: cases.Step) -> Mapping[str, Any]:
    return {**dataclasses.asdict(step), "at": write_instant(step.at)}


@router.get("/cases/overdue", summary="Cases that are overdue", response_class=Response)
def list_overdue(request: Request) -> Response:
    """Open cases whose time is up, the longest overdue first; a page at a time."""
    context = find_context(request)
    collection, allowed = find_collection(context, "cases")
    if "due" not in {column.name for column, _ in allowed.columns}:
        raise ForbiddenError("forbidden")
    asked = dict(request.query_params)
    if unknown := set(asked) - {"limit", "offset", "lang", "bbox", "f"}:
        raise MalformedError("parameter-unknown", name=min(unknown)[:60])
    if asked.get("f", "json") not in FORMS:
        raise MalformedError("parameter-value", name="f", value=short(asked["f"]), choice=", ".join(FORMS))
    now = clocks.read_clock().replace(microsecond=0)
    overdue = f"due < TIMESTAMP('{now:%Y-%m-%dT%H:%M:%SZ}') AND status <> 'closed'"
    question = read_question({**asked, "filter": overdue, "sortby": "due"}, collection, allowed)
    if question.crs is not CRS84:
        raise MalformedError("parameter-unknown", name="crs")
    page = items.select_page(context.engine, context.principal, collection, allowed, question)
    more: list[dict[str, str]] = [link(context.href("/cases/overdue", **asked), "self", GEOJSON)]
    if page.following is not None:
        following = {**asked, "offset": question.offset + question.limit}
        more.append(link(context.href("/cases/overdue", **following), "next", GEOJSON))
    tail = json.dumps({"numberReturned": page.returned, "links": more}, ensure_ascii=False).encode()
    body = b'{"type":"FeatureCollection","features":[' + page.features + b"]," + tail[1:]
    listed = Response(body, media_type=GEOJSON, headers={"Cache-Control": "private, no-store"})
    names: dict[str, str] = {}
    if context.html:
        with context.reading() as connection:
            names = names_of(context, connection)
    return answer_or_page(
        context,
        listed,
        "overdue.html",
        names=names,
        now=now.isoformat(),
        late={one["id"]: _late(one, now) for one in json.loads(body)["features"]} if context.html else {},
        following=following_of(context, more),
    )


def _late(feature: Mapping[str, Any], now: datetime) -> tuple[str, int]:
    """For how long a case is late: the text's key, and how many hours or days."""
    hours = max(0, int((now - datetime.fromisoformat(feature["properties"]["due"])).total_seconds() // 3600))
    return ("overdue.hours", hours) if hours < 48 else ("overdue.days", hours // 24)
