"""For those who run the service: is it up, can it answer, and how does it fare?"""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy import text

from service import db
from service.access import Role
from service.faults import BusyError, ForbiddenError, RateError
from service.upkeep.limits import Limits, key_of
from service.upkeep.metrics import Metrics
from service.web.context import bearer_of, client_of, find_context
from service.web.schemas import HealthQuery

router = APIRouter(tags=["service"])


@router.get("/healthz", summary="Is it up?")
async def show_health(query: Annotated[HealthQuery, Query()]) -> dict[str, str]:
    """`ok` as long as this process answers; the database may be away (see `/readyz`)."""
    return {"status": "ok"}


@router.get("/readyz", summary="Can it answer?")
def show_readiness(request: Request, query: Annotated[HealthQuery, Query()]) -> dict[str, str]:
    """`ready` if the database answers and has this version's tables; 503 otherwise."""
    limits: Limits = request.app.state.limits
    # a bucket of its own: what else comes from the balancer's address must not make the server unready
    if after := limits.ask(f"readyz {client_of(request)}"):
        raise RateError("rate", after)
    database: db.Database = request.app.state.database
    with database.app.connect() as connection:
        found = connection.scalar(text("select version_num from alembic_version"))
    if found != db.head():
        raise BusyError("not-ready")
    return {"status": "ready"}


# in Prometheus' own format, which OpenAPI cannot describe
@router.get("/metrics", response_class=Response, include_in_schema=False)
def show_metrics(request: Request, query: Annotated[HealthQuery, Query()]) -> Response:
    """Measures for Prometheus, for an administrator's key or the token of the settings."""
    expected: str = request.app.state.metrics_token
    brought = bearer_of(request) or ""
    limits: Limits = request.app.state.limits
    if expected and brought and (after := limits.try_key(key_of(brought), client_of(request))):
        raise RateError("rate-keys", after)
    known = bool(expected) and hmac.compare_digest(brought.encode(), expected.encode())
    if known:
        limits.note_good(key_of(brought))
    elif find_context(request).principal.role is not Role.ADMIN:  # a wrong token counts there
        raise ForbiddenError("forbidden")
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.told(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
