"""What the first page of the centre would wait for, done beside the server once it answers: modules are
loaded, templates compiled, and what it asks of the database is asked once, as the public asks it.

Statistics are not among it: their compiled kernels take as much memory as the server, and few ask for them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from partition.texts import LANGUAGES
from service.access import PUBLIC
from service.centre.answer import write_figures
from service.centre.change import compare
from service.centre.figures import count_cases, read_view
from service.centre.page import Pages
from service.centre.place import cases_access, list_divisions
from service.centre.question import Filters
from service.centre.surface import Grounds, draw_surface
from service.db import Database, keyed
from service.faults import ServiceError
from service.maps.community import introduce, one_state

logger = logging.getLogger(__name__)


class Warming:
    """The thread that does it, a step after another."""

    def __init__(self, database: Database, pages: Pages, grounds: Grounds) -> None:
        self._database, self._pages, self._grounds = database, pages, grounds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._warm, name="warming")

    def begin(self) -> None:
        """Begin, without waiting."""
        self._thread.start()

    def close(self) -> None:
        """Begin no further step, and wait for the one that is being done."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _warm(self) -> None:
        begun = time.perf_counter()
        steps: tuple[Callable[[], object], ...] = (draw_a_page, spread_a_case, self._ask_keys, self._ask)
        missed = []
        for step in steps:
            if self._closed.is_set():
                return
            try:
                step()
            except (psycopg.Error, SQLAlchemyError, ServiceError) as error:
                missed.append(f"{step.__name__.strip('_')}: {type(error).__name__}")
        seconds = round(time.perf_counter() - begun, 2)
        logger.info("warm after %.2f s", seconds, extra={"facts": {"seconds": seconds, "missed": missed}})

    def _ask_keys(self) -> None:
        with keyed(self._database.app).connect():
            pass

    def _ask(self) -> None:
        """What the page of the first community asks of the database."""
        with one_state(self._database.app) as connection:
            introduce(connection, PUBLIC)
            found = [one for one in list_divisions(connection, PUBLIC) if len(one.codes) == 1]
            if not found:
                return
            self._pages.page(connection, PUBLIC, found[0], f"/centre/{found[0].code}", LANGUAGES[0])
            cases = cases_access(PUBLIC)
            view = read_view(connection, cases, found[0], Filters())
            write_figures(count_cases(connection, PUBLIC, cases, view))
            draw_surface(connection, PUBLIC, cases, view, self._grounds)


def draw_a_page() -> None:
    """A page of the centre with one grid, for nobody: what draws pages is loaded by it."""
    import geopandas as gpd
    from shapely.geometry import box

    from layers.centre_map import CentreView, render

    square = gpd.GeoDataFrame(
        {"code": ["0"], "name": [""], "community": ["0"], "households": [0], "residents": [0], "head": [""]},
        geometry=[box(111.3, 30.7, 111.31, 30.71)],
        crs=4326,
    )
    facilities = gpd.GeoDataFrame({"kind": [], "name": [], "condition": []}, geometry=[], crs=4326)
    name = {str(lang): "" for lang in LANGUAGES}
    render(CentreView("0", name, "/centre/0", square, square, facilities), assets="static")


def spread_a_case() -> None:
    """The density of one case, and whether its number has changed."""
    from shapely.geometry import box

    from layers.density import case_lattice, lay_ground

    case_lattice(lay_ground(box(111.3, 30.7, 111.31, 30.71)), [(111.305, 30.705)], days=30.0)
    compare([1], [1], 0.5)
