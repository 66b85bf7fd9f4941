"""The application: routes, guard and errors around one database."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI

from service.accounts import Accounts
from service.db import Database
from service.drafts import Benches
from service.errors import add_handlers
from service.events import Hub
from service.guard import Guard
from service.mapping import Maps
from service.routes import (
    api,
    audit,
    cases,
    collections,
    conformance,
    edits,
    events,
    features_write,
    figures,
    health,
    item,
    items,
    jobs,
    landing,
    locate,
    login,
    maps,
    nearby,
    options,
    plans,
    processes,
    schema,
    staff,
    static,
    tiles,
)
from service.store.catalogue import Catalogues
from service.tiles.cache import TileCache

ROOMS = (
    *(landing, api, conformance, health, collections, schema, items, item, features_write, cases, events),
    *(plans, edits, processes, jobs, nearby, staff),
    *(tiles, locate, maps, figures, audit, static, login, options),
)


def create_app(
    database: Database,
    *,
    accounts: Accounts | None = None,
    hosts: Collection[str] = (),
    licence: str = "",
) -> FastAPI:
    """The service on `database`. `hosts`: names it answers for besides those of this machine's loopback.

    `accounts` says who asks; by default the keys and sessions of the database. `licence`: under which the
    collections that are built in may be used, an SPDX identifier or an address.
    """
    app = FastAPI(
        title="Wangge 网格",
        summary="Community management grids as GeoJSON and maps",
        version=_version(),
        openapi_url=None,  # service/openapi.py describes the API, for each role
        docs_url=None,  # these pages would take their scripts from other hosts
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.database = database
    app.state.accounts = accounts or Accounts(database.app)
    app.state.catalogues = Catalogues(database.app)
    app.state.licence = licence
    app.state.tiles = TileCache()
    app.state.maps = Maps()
    app.state.events = Hub(database.app)
    app.state.benches = Benches()
    for room in ROOMS:
        app.include_router(room.router)
    app.state.routes = tuple(route for room in ROOMS for route in room.router.routes)
    add_handlers(app)
    app.add_middleware(Guard, hosts=hosts)
    return app


def _version() -> str:
    from importlib.metadata import version

    return version("wangge")
