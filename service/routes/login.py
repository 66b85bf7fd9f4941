"""In by a one-time link or an API key, out by a button; and who one is."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import Field

from service.faults import LinkSpentError, NotAllowedInError, RateError
from service.identity.accounts import COOKIE, SESSION, csrf_of
from service.upkeep.limits import Limits, key_of
from service.web.context import InContext, InForm, client_of
from service.web.guard import is_loopback
from service.web.pages import NEXT_MOST, page
from service.web.schemas import HealthQuery, LoginQuery

router = APIRouter(tags=["service"])


class WayInQuery(LoginQuery):
    """A login link, or a page to come back to."""

    next: str | None = Field(None, description="Path of the page that was left.", max_length=NEXT_MOST)


@router.get("/login", include_in_schema=False)
def log_in(context: InContext, query: Annotated[WayInQuery, Query()]) -> Response:
    """Trade the link for a session; the link is spent afterwards. Without one, ask for a key.

    next: where a key then leads, a path of this server.
    """
    if query.token is None:
        return page(context, "login.html", next=query.next or "")
    limits: Limits = context.request.app.state.limits
    address = client_of(context.request)
    if after := limits.try_key(key_of(query.token), address):
        raise RateError("rate-keys", after)
    cookie = context.accounts.redeem(query.token)
    if cookie is None:
        limits.note_wrong(key_of(query.token), address)
        raise LinkSpentError("link-spent")
    return _let_in(context.request, cookie, "")


@router.post("/login", include_in_schema=False)
def log_in_by_key(
    context: InForm,
    key: Annotated[str, Form(max_length=8_000)],
    next: Annotated[str, Form(max_length=NEXT_MOST)] = "",
) -> Response:
    """Trade an API key (or a JWT) typed into the page for a session."""
    key, request = key.strip(), context.request
    limits: Limits = request.app.state.limits
    address = client_of(request)
    if after := limits.try_key(key_of(key), address):
        raise RateError("rate-keys", after)
    try:
        cookie = context.accounts.trade(key)
    except NotAllowedInError:
        limits.note_wrong(key_of(key), address)
        raise
    return _let_in(request, cookie, next)


@router.post("/logout", include_in_schema=False)
def log_out(context: InForm) -> Response:
    """End the session: neither this browser's cookie nor a copy of it lets anyone in again."""
    context.accounts.end(context.request.cookies.get(COOKIE))
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax", path="/")
    return answer


@router.get("/session", summary="Who I am")
def show_session(context: InContext, query: Annotated[HealthQuery, Query()]) -> dict[str, Any]:
    """Role, divisions and grids of whoever asks; for a session also the token that changes must bring."""
    principal = context.principal
    told: dict[str, Any] = {
        "role": principal.role.value,
        "scope": list(principal.scope),
        "grids": sorted(principal.grids),
        "subject": principal.subject,
    }
    cookie = context.request.cookies.get(COOKIE)
    if cookie and principal.role != "public" and "authorization" not in context.request.headers:
        told["csrf"] = csrf_of(cookie)
    return told


# a path of this server and nothing else: two slashes, or one and a backslash, begin another host's address
_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")


def _let_in(request: Request, cookie: str, back: str) -> Response:
    answer = RedirectResponse(back if _PATH.fullmatch(back) else "/", status_code=303)
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=int(SESSION.total_seconds()),
        httponly=True,
        samesite="lax",
        # a plain connection is safe on this machine only
        secure=not is_loopback(request.url.hostname or ""),
        path="/",
    )
    return answer
