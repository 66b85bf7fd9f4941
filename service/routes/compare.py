"""Two plans or two periods side by side, as a page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from service.access import access
from service.centre.compare import draw_comparison
from service.centre.page import mark_of
from service.faults import MalformedError
from service.query.box import short
from service.registry import COLLECTIONS
from service.routes.collections import answer_json
from service.routes.maps import policy_for
from service.routes.viewing import SEEN_AS, find_asking, path_of
from service.web.schemas import CompareQuery

router = APIRouter(tags=["centre"])

SIDES = frozenset({"left", "right"})
SIDE_MOST = 100


def prefers_json(request: Request) -> bool:
    """Whether the client takes JSON and no page."""
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


@router.get(
    "/centre/{division}/compare",
    summary="Two plans or two periods compared",
    response_class=HTMLResponse,
    responses={200: {"content": {"application/json": {}}}},
)
def show_comparison(request: Request, division: str, query: Annotated[CompareQuery, Query()]) -> Response:
    """Two maps in step, what differs in words, and figures. Plans that are not published are for those who
    see drafts, as are the buildings whose grid differs. Periods are compared by the grids in force. As JSON:
    what the page asks for anew when a case is told of.
    """
    asking = find_asking(request, division, others=SIDES)
    for name in ("last", "datetime", "previous"):
        if name in request.query_params:
            raise MalformedError("parameter-unknown", name=name)
    sides = tuple(request.query_params.get(name, "") for name in ("left", "right"))
    for side in sides:
        if len(side) > SIDE_MOST or "\x00" in side:
            raise MalformedError(
                "parameter-value", name="left, right", value=short(side), choice="plan:12, 2026-09"
            )
    context = asking.context
    cases = access(context.principal, COLLECTIONS["cases"])
    with context.recording() as connection:
        view = draw_comparison(
            connection,
            context.principal,
            division,
            (sides[0], sides[1]),
            asking.filters,
            cases,
            f"{path_of(division)}/compare",
        )
    from layers.compare_map import current, render

    if prefers_json(request):
        answer = answer_json(current(view))
        answer.headers.update({"Vary": "Accept, Cookie", "Cache-Control": "private, no-store"})
        answer.headers[SEEN_AS] = mark_of(context.principal)
        return answer
    html = render(view, lang=context.lang)
    headers = {
        "Content-Security-Policy": policy_for(html),
        "Vary": "Accept, Accept-Language, Cookie",
        "Cache-Control": "private, no-store",
    }
    return HTMLResponse(html, headers=headers)
