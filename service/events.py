"""One ear for the database's events in each process, and a stream for each who listens.

The ear keeps the latest events in a ring of bounded size. A listener is a cursor: what the ring no longer
holds, or does not hold yet, it reads from the database. So memory does not grow with those who are slow.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
from fastapi.concurrency import run_in_threadpool
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.access import Principal, Role, access
from service.faults import BusyError, RateError
from service.privacy.disclosure import rules
from service.privacy.seals import Seals
from service.registry import COLLECTIONS
from service.store import events as store
from service.store.events import Cursor, Event
from service.store.seals import seals_of

logger = logging.getLogger(__name__)

RING = 5_000
BATCH = 500
LISTENERS_MOST = 2_000
LISTENERS_EACH = 50  # of one holder: a wall, and a few tabs of everybody in the room
LISTENERS_PUBLIC_EACH = 20  # of one address of those not logged in
LISTENERS_PUBLIC = LISTENERS_MOST // 2  # of all of them: whoever has many addresses cannot take all places
RETRY_S = 30
POLL_S = 1.0  # a transaction that ends without events of its own may let others' be told
AWAY_S = 1.0
PURGE_S = 3600.0
TEXTS_KEPT = 64


@dataclass(eq=False)
class Listener:
    """Someone who listens: woken whenever there may be more. client: for whom the place counts."""

    loop: asyncio.AbstractEventLoop
    client: str
    public: bool
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """The ear of one process; it listens as long as somebody listens to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._places: Counter[str] = Counter()
        self._public = 0
        self._thread: threading.Thread | None = None
        self._ring: deque[Event] = deque(maxlen=RING)
        # events after it, as far as the ring goes, are in the ring; None: nobody has looked yet
        self._floor: Cursor | None = None
        self._texts: OrderedDict[tuple[Any, ...], asyncio.Task[list[bytes]]] = OrderedDict()
        self.closing = False

    def close(self) -> None:
        """Let all streams end: the server does. Who listened comes again, to the next server."""
        self.closing = True
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            _wake(listener)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def join(self, client: str, *, public: bool) -> Listener:
        """A new listener in the running loop; public: of one not logged in.

        Raises RateError if the client has too many, BusyError if there are too many in all.
        """
        listener = Listener(asyncio.get_running_loop(), client, public)
        each = LISTENERS_PUBLIC_EACH if public else LISTENERS_EACH
        with self._lock:
            if self._places[client] >= each:
                raise RateError("events-many", RETRY_S, most=each)
            if len(self._listeners) >= LISTENERS_MOST:
                raise BusyError("events-full")
            if public and self._public >= LISTENERS_PUBLIC:
                raise BusyError("events-public")
            self._listeners.add(listener)
            self._places[client] += 1
            self._public += public
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="events", daemon=True)
                self._thread.start()
        return listener

    def leave(self, listener: Listener) -> None:
        """The listener is gone; the last one ends the listening."""
        with self._lock:
            if listener not in self._listeners:
                return
            self._listeners.discard(listener)
            self._public -= listener.public
            self._places[listener.client] -= 1
            if not self._places[listener.client]:
                del self._places[listener.client]

    async def after(self, cursor: Cursor) -> list[Event]:
        """The next events after the cursor; none if there are none yet."""
        with self._lock:
            if self._floor is not None and cursor >= self._floor:
                if not self._ring or self._ring[-1].cursor <= cursor:
                    return []
                found = []
                for event in reversed(self._ring):  # whoever keeps up is near the end
                    if event.cursor <= cursor:
                        break
                    found.append(event)
                return found[::-1][:BATCH]
        return await run_in_threadpool(store.read_events, self.engine, cursor, BATCH)

    async def texts(self, principal: Principal, batch: Sequence[Event]) -> list[bytes]:
        """What the principal is told of each event (nothing: empty). Found once for all who see the same."""
        key = (
            *(principal.role, principal.scope, principal.grids),
            *(batch[0].cursor, batch[-1].cursor, len(batch)),
        )
        task = self._texts.get(key)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(run_in_threadpool(tell, self.engine, principal, batch))
            self._texts[key] = task
            while len(self._texts) > TEXTS_KEPT:
                self._texts.popitem(last=False)
        try:
            # one listener that leaves must not take it from the others
            return await asyncio.shield(task)
        finally:
            if task.done() and (task.cancelled() or task.exception() is not None):
                self._texts.pop(key, None)

    # --- in a thread of its own ---

    def _listen(self) -> None:
        try:
            self._hear()
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _hear(self) -> None:
        purged = 0.0
        while self._wanted():
            try:
                with _ear(self.engine) as ear:
                    while self._wanted():
                        self._catch_up()
                        if time.monotonic() - purged > PURGE_S:
                            purged = time.monotonic()
                            store.purge(self.engine)
                        for _ in ear.notifies(timeout=POLL_S, stop_after=1):
                            pass
            except (psycopg.Error, SQLAlchemyError) as error:
                logger.warning("events: the database is away (%s)", type(error).__name__)
                time.sleep(AWAY_S)

    def _wanted(self) -> bool:
        with self._lock:
            if self._listeners:
                return True
            self._thread = None
            self._floor = None
            self._ring.clear()
            return False

    def _catch_up(self) -> None:
        if self._floor is None:
            position = store.read_position(self.engine)
            with self._lock:
                self._floor = position
        while True:
            last = self._ring[-1].cursor if self._ring else self._floor
            found = store.read_events(self.engine, last, BATCH)
            if not found:
                return
            with self._lock:
                for event in found:
                    if len(self._ring) == RING:
                        self._floor = self._ring[0].cursor
                    self._ring.append(event)
                listeners = list(self._listeners)
            for listener in listeners:
                _wake(listener)


def _wake(listener: Listener) -> None:
    try:
        listener.loop.call_soon_threadsafe(listener.woken.set)
    except RuntimeError:
        return  # its loop has ended, and so has it


@contextmanager
def _ear(engine: Engine) -> Iterator[psycopg.Connection[Any]]:
    """A connection of its own, outside of the pool, that hears of new events."""
    taken = engine.raw_connection()
    own = cast("psycopg.Connection[Any]", taken.driver_connection)
    taken.detach()
    with closing(own) as connection:
        connection.autocommit = True
        connection.execute(sql.SQL("listen {}").format(sql.Identifier(store.CHANNEL)))
        yield connection


def tell(engine: Engine, principal: Principal, batch: Sequence[Event]) -> list[bytes]:
    """What the principal may be told of each event, as the rows are now; nothing of what it may not see."""
    cases, communities = COLLECTIONS["cases"], COLLECTIONS["communities"]
    rows: dict[int, str] = {}
    allowed = access(principal, cases)
    kinds = {event: kind for event in batch if (kind := kind_told(principal, event))}
    wanted = sorted({event.row for event in kinds if event.collection == "cases" and event.row is not None})
    if allowed is not None and wanted:
        rows = store.read_rows(engine, principal, cases, allowed, wanted)
    codes = sorted({event.division for event in kinds if event.kind in ("imported", "published")})
    seen: set[str] = set()
    allowed = access(principal, communities)
    if allowed is not None and codes:
        seen = store.read_communities(engine, principal, communities, allowed, codes)
    seals = seals_of(engine)
    return [_text(seals, event, kinds[event], rows, seen) if event in kinds else b"" for event in batch]


def kind_told(principal: Principal, event: Event) -> str:
    """As what the principal is told of the event: as if nothing were there but what it sees. "": not at all.

    A case that it did not see before is new to it; of one that it sees no longer it is told nothing, as of
    one that was forgotten.
    """
    if event.collection != "cases":
        return event.kind
    if principal.reaches(Role.CENTRE):
        return event.kind if "centre" in event.audience else ""
    own = principal.grids if principal.role is Role.GRID_WORKER else frozenset()
    audience = "open" if principal.role is Role.PUBLIC else "known"
    if event.kind == "imported":
        shown = audience in event.audience and any(not rules().sensitive(one) for one in event.categories)
        return event.kind if shown or event.grids & own else ""
    # of what is or was in his own grid a worker is told as its worker alone
    mine = event.grid in own or event.was_grid in own
    told = bool(event.grids & own) if mine else audience in event.audience
    if not told or not (event.grid in own or _is_shown(event.category)):
        return ""
    return "changed" if event.was_grid in own or _is_shown(event.was_category) else "created"


def _is_shown(category: str | None) -> bool:
    return category is not None and not rules().sensitive(category)


def _text(seals: Seals, event: Event, kind: str, rows: dict[int, str], communities: set[str]) -> bytes:
    # whole seconds: finer ones would measure how long a batch took, with what is hidden in it
    about: dict[str, Any] = {
        "collection": event.collection,
        "at": event.at.replace(microsecond=0).isoformat(),
    }
    if event.kind in ("imported", "published"):
        if event.division not in communities:
            return b""
        about["community"] = event.division
        if event.collection == "plans":
            about["plan"] = event.row
        return frame(kind, json.dumps(about, ensure_ascii=False), store.seal_event(seals, event))
    feature = rows.get(event.row or 0) if event.collection == "cases" else None
    if feature is None:
        return b""
    head = json.dumps(about, ensure_ascii=False)[:-1]
    return frame(kind, f'{head}, "feature": {feature}}}', store.seal_event(seals, event))


def frame(kind: str, data: str, place: str) -> bytes:
    """An event as text/event-stream; JSON has no bare line breaks."""
    return f"id: {place}\nevent: {kind}\ndata: {data}\n\n".encode()
