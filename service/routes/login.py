"""In by a one-time link, out by a button."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse

from service.context import InContext
from service.faults import LinkSpentError
from service.schemas import LoginQuery
from service.sessions import COOKIE, LIFETIME_S

router = APIRouter(include_in_schema=False)


@router.get("/login")
def log_in(context: InContext, query: Annotated[LoginQuery, Query()]) -> RedirectResponse:
    """Trade the link for a cookie; the link is spent afterwards."""
    cookie = context.sessions.redeem(query.token)
    if cookie is None:
        raise LinkSpentError("link-spent")
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(COOKIE, cookie, max_age=LIFETIME_S, httponly=True, samesite="strict", path="/")
    return answer


@router.post("/logout")
def log_out(context: InContext) -> RedirectResponse:
    """End the session: neither this browser's cookie nor a copy of it lets anyone in again."""
    context.sessions.end(context.request.cookies.get(COOKIE))
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")
    return answer
