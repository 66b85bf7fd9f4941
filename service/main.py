"""The application: routes, guard and errors around one database."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI

from service.centre.page import Pages
from service.centre.reach import Footing
from service.centre.surface import Grounds
from service.db import Database
from service.events import Hub
from service.exports.desk import Desk
from service.exports.workshop import Workshop
from service.identity.accounts import Accounts
from service.maps.community import Maps
from service.plans.drafts import Benches
from service.routes import (
    api,
    audit,
    cards,
    cases,
    centre,
    collections,
    compare,
    conformance,
    edits,
    events,
    exports,
    features_write,
    figures,
    guide,
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
    reach,
    schema,
    staff,
    static,
    statistics,
    tiles,
    tilesets,
)
from service.store.catalogue import Catalogues
from service.store.networks import Networks
from service.tiles.cache import TileCache
from service.upkeep.limits import Limits
from service.upkeep.metrics import Metrics
from service.upkeep.states import states_of
from service.vocabulary import vocabulary
from service.web import points
from service.web.errors import add_handlers
from service.web.guard import Guard
from service.web.shown import Shown

ROOMS = (
    *(landing, api, conformance, health, collections, schema, items, item, features_write, cases, events),
    *(plans, edits, processes, jobs, nearby, staff),
    *(exports, tilesets, tiles, locate, maps, centre, statistics, reach, cards, compare),
    *(figures, audit, guide, static, login, options),
)
# asked most, so looked at first
BUSY = (items, item, tiles)

# bytes of answers of the centre that are kept
VIEWS_MOST = 64 * 1024 * 1024

# bytes of bodies that may be larger than `service.web.bodies.BODY_MOST`
BODIES = {"/locate": points.BODY_MOST, "/collections/cases/items": cases.BATCH_BODY_MOST}


def create_app(
    database: Database,
    *,
    accounts: Accounts | None = None,
    hosts: Collection[str] = (),
    licence: str = "",
    limits: Limits | None = None,
    metrics_token: str = "",
    workshop: Workshop | None = None,
) -> FastAPI:
    """The service on `database`. `hosts`: names it answers for besides those of this machine's loopback.

    `accounts` says who asks; by default the keys and sessions of the database. `licence`: under which the
    collections that are built in may be used, an SPDX identifier or an address. `limits`: what one client may
    ask; by default anything. `metrics_token`: opens the measures, besides an administrator's key. `workshop`:
    where files for downloads are made.
    """
    vocabulary()  # a file of names that is at fault is told now, not to who asks first
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
    app.state.shown = Shown()
    app.state.maps = Maps()
    app.state.pages = Pages()
    app.state.grounds = Grounds()
    app.state.footing = Footing()
    app.state.networks = Networks(nearby.RADIUS_M)
    app.state.views = TileCache(VIEWS_MOST)
    app.state.events = Hub(database.app)
    app.state.benches = Benches()
    app.state.workshop = workshop or Workshop()
    app.state.desk = Desk()
    app.state.limits = limits or Limits()
    app.state.metrics_token = metrics_token
    app.state.metrics = metrics = Metrics(states_of(app))
    app.state.routes = tuple(route for room in ROOMS for route in room.router.routes)
    # not as routers within the router: each would be asked, and the one that knows asked twice
    for room in sorted(ROOMS, key=lambda room: room not in BUSY):
        app.routes.extend(room.router.routes)
    add_handlers(app)
    app.add_middleware(Guard, hosts=hosts, bodies=BODIES, metrics=metrics)
    return app


def _version() -> str:
    from importlib.metadata import version

    return version("wangge")
