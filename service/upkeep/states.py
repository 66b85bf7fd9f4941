"""What is looked up of an application whenever its measures are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import psycopg
from sqlalchemy import Engine, QueuePool
from sqlalchemy.exc import SQLAlchemyError

from service.store import runs
from service.upkeep.metrics import State

if TYPE_CHECKING:
    from fastapi import FastAPI

    from service.events import Hub
    from service.tiles.cache import TileCache


def states_of(app: FastAPI) -> tuple[State, ...]:
    """Connections, the queue, listeners and the tiles kept."""
    engine: Engine = app.state.database.app
    pool = cast(QueuePool, engine.pool)
    hub: Hub = app.state.events
    tiles: TileCache = app.state.tiles
    return (
        State(
            "wangge_database_connections",
            "Connections of this process to the database.",
            "state",
            lambda: {"used": pool.checkedout(), "free": pool.checkedin()},
        ),
        State(
            "wangge_queue",
            "Jobs waiting and worked on, workers that live, seconds that the oldest job has waited; "
            "nothing where the database is away.",
            "what",
            lambda: _queue(engine),
        ),
        State("wangge_listeners", "Clients that listen to events.", "", lambda: {"": hub.listeners}),
        State("wangge_tile_cache_bytes", "Bytes of tiles kept.", "", lambda: {"": tiles.held}),
        State("wangge_tile_cache_tiles", "Tiles kept.", "", lambda: {"": len(tiles)}),
    )


def _queue(engine: Engine) -> Mapping[str, float]:
    try:
        with engine.connect() as connection:
            row = runs.read_queue(connection)
    except (psycopg.Error, SQLAlchemyError):
        return {}
    return {name: float(value) for name, value in row.items()}
