"""The application: routes, guard and errors around one database."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI

from service.db import Database
from service.errors import add_handlers
from service.guard import Guard
from service.mapping import Maps
from service.routes import collections, health, landing, locate, login, maps, static
from service.sessions import Sessions


def create_app(
    database: Database, *, sessions: Sessions | None = None, hosts: Collection[str] = ()
) -> FastAPI:
    """The service on `database`. `hosts`: names it answers for besides those of this machine's loopback.

    `sessions` holds the login links handed out; without it everybody is the public.
    """
    app = FastAPI(
        title="Wangge 网格",
        summary="Community management grids as GeoJSON and maps",
        version=_version(),
        openapi_url="/api",
        docs_url=None,  # these pages would take their scripts from other hosts
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.database = database
    app.state.sessions = sessions or Sessions()
    app.state.maps = Maps()
    for routes in (landing, health, collections, locate, maps, static, login):
        app.include_router(routes.router)
    add_handlers(app)
    app.add_middleware(Guard, hosts=hosts)
    return app


def _version() -> str:
    from importlib.metadata import version

    return version("wangge")
