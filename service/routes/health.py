"""Whether the service can answer."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text

from service.routes.context import InContext

router = APIRouter(tags=["service"])


@router.get("/healthz", summary="Is it up?")
def show_health(context: InContext) -> dict[str, str]:
    """`ok` if the database answers; 503 otherwise."""
    with context.reading() as connection:
        connection.execute(text("select 1"))
    return {"status": "ok"}
