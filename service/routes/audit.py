"""The audit, for those who answer for privacy."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.access import may_read_audit
from service.faults import ForbiddenError, MalformedError
from service.links import JSON, link
from service.query.span import read_instant
from service.routes.collections import answer_json, write_instant
from service.store import audit
from service.store.audit import Line, Search
from service.web.context import InContext
from service.web.schemas import AuditQuery

router = APIRouter(tags=["privacy"])


@router.get("/audit", summary="Who saw what", response_class=Response)
def show_audit(context: InContext, query: Annotated[AuditQuery, Query()]) -> Response:
    """Lines of the audit, newest first, for the privacy officer and the administrator; `next` leads on."""
    if not may_read_audit(context.principal):
        raise ForbiddenError("forbidden")
    wanted = Search(
        since=_instant("since", query.since),
        until=_instant("until", query.until),
        subject=query.subject or "",
        division=query.division or "",
        category=query.category or "",
        action=query.action or "",
    )
    with context.reading() as connection:
        lines, following = audit.search(connection, wanted, limit=query.limit, before=query.before)
    asked = query.model_dump(exclude={"before"}, exclude_none=True)
    links = [link(context.href("/audit", **asked, before=query.before), "self", JSON)]
    if following is not None:
        links.append(link(context.href("/audit", **asked, before=following), "next", JSON))
    answer = answer_json({"lines": [describe(line) for line in lines], "links": links})
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def describe(line: Line) -> dict[str, Any]:
    """A line as JSON."""
    return {
        "number": line.number,
        "at": write_instant(line.at),
        "subject": line.subject,
        "role": line.role,
        "action": line.action,
        "division": line.division,
        "category": line.category,
        "grids": line.place.split(),
        "details": dict(line.details),
    }


def _instant(name: str, value: str | None) -> datetime | None:
    if value is None:
        return None
    found = read_instant(value)
    if found is None:
        raise MalformedError("datetime", value=value[:60])
    return found[0]
