"""Whether the service can answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import text

from service.context import InContext
from service.schemas import HealthQuery

router = APIRouter(tags=["service"])


@router.get("/healthz", summary="Is it up?")
def show_health(context: InContext, query: Annotated[HealthQuery, Query()]) -> dict[str, str]:
    """`ok` if the database answers; 503 otherwise."""
    with context.reading() as connection:
        connection.execute(text("select 1"))
    return {"status": "ok"}
