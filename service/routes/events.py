"""Server-sent events: new and changed cases and published plans, to each what they may see."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from service.access import Role
from service.events import RETRY_S, Hub, Listener
from service.faults import BusyError, MalformedError, RateError
from service.store import events as store
from service.store.events import Cursor, Place
from service.store.seals import seals_of
from service.web.context import Context, find_context
from service.web.errors import STATUS, problem

logger = logging.getLogger(__name__)
router = APIRouter(tags=["events"])

MEDIA = "text/event-stream"
PIECE = 32_000


@dataclass(frozen=True)
class Pace:
    """Seconds. heartbeat: between signs of life. stall: until a listener that takes nothing is dropped.
    longest: until the stream ends, so that who listens is let in anew, or, with a revoked key, is not.
    """

    heartbeat: float = 15.0
    stall: float = 20.0
    longest: float = 900.0


PACE = Pace()


# OpenAPI 3.0 has no way to describe an answer that does not end, and its clients wait for one that does
@router.get("/events", response_class=Response, include_in_schema=False)
async def listen(request: Request) -> Response:
    """Server-sent events; `Last-Event-ID` (or `after`) resumes where the last stream ended, `division` tells
    only of communities whose code begins so.

    Kinds: created and changed (a case, with its feature), imported (many cases of a community at once),
    published (a plan), reset (events were missed: read anew).
    """
    context = await run_in_threadpool(find_context, request)
    for name in request.query_params:
        if name not in ("after", "division", "lang"):
            raise MalformedError("parameter-unknown", name=name[:60])
    told = request.headers.get("last-event-id") or request.query_params.get("after")
    hub: Hub = request.app.state.events
    place = None
    if told is not None:
        seals = await run_in_threadpool(seals_of, hub.engine)
        place = store.open_place(seals, told) or ELSEWHERE
    division = request.query_params.get("division", "")
    if "\x00" in division:
        raise MalformedError("parameter-value", name="division", value="U+0000", choice="UTF-8")
    return Stream(request, hub, context, place, division)


# the place of whoever listened to another database, or to this one before it was restored
ELSEWHERE = Place(Cursor(0, 0), datetime.min.replace(tzinfo=UTC))


class Stream(Response):
    """Tells one listener what it may know, until it goes, takes nothing any more, or was told long enough."""

    media_type = MEDIA

    def __init__(
        self, request: Request, hub: Hub, context: Context, place: Place | None, division: str = ""
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"
        self.request, self.hub, self.place, self.division = request, hub, place, division
        self.principal, self.client = context.principal, context.client
        self.pace = PACE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the stream ends."""
        try:
            listener = self.hub.join(self.client, public=self.principal.role is Role.PUBLIC)
        except (RateError, BusyError) as error:
            refusal = problem(self.request, STATUS[type(error)], error)
            refusal.headers["Retry-After"] = str(RETRY_S)
            await refusal(scope, receive, send)
            return
        gone = asyncio.create_task(_wait_gone(receive))
        telling = asyncio.create_task(self._tell(listener, send))
        try:
            done, _ = await asyncio.wait(
                {gone, telling}, timeout=self.pace.longest, return_when=asyncio.FIRST_COMPLETED
            )
            if telling in done:
                telling.result()
            if gone not in done:
                telling.cancel()
                await asyncio.wait({telling})
                async with asyncio.timeout(self.pace.stall):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            return  # it takes nothing; what it missed it will be told when it comes again
        except (psycopg.Error, SQLAlchemyError) as error:
            # the client comes again by itself, and is told what it missed
            logger.warning("events: the database is away (%s)", type(error).__name__)
        finally:
            self.hub.leave(listener)
            gone.cancel()
            telling.cancel()

    async def _tell(self, listener: Listener, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for piece in self._pieces(listener):
            async with asyncio.timeout(self.pace.stall):
                await send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _pieces(self, listener: Listener) -> AsyncIterator[bytes]:
        seals = await run_in_threadpool(seals_of, self.hub.engine)
        position = await run_in_threadpool(store.read_position, self.hub.engine)
        cursor = position
        if self.place is not None:
            cursor = self.place.cursor
            missed = await run_in_threadpool(store.has_missed, self.hub.engine, self.place)
            if missed or cursor.xid > position.xid:
                cursor = position
                yield f"id: {store.seal_now(seals, cursor)}\nevent: reset\ndata: {{}}\n\n".encode()
        yield f"retry: 3000\nid: {store.seal_now(seals, cursor)}\n\n".encode()
        spoken = time.monotonic()
        while not self.hub.closing:
            listener.woken.clear()
            batch = await self.hub.after(cursor)
            texts = await self.hub.texts(self.principal, batch) if batch else []
            piece = b""
            for event, text in zip(batch, texts, strict=True):
                if event.division.startswith(self.division):
                    piece += text
                cursor = event.cursor
                if len(piece) > PIECE:
                    yield piece
                    piece, spoken = b"", time.monotonic()
            if piece:
                yield piece
                spoken = time.monotonic()
            if batch:
                continue
            rest = spoken + self.pace.heartbeat - time.monotonic()
            try:
                async with asyncio.timeout(max(rest, 0.0)):
                    await listener.woken.wait()
            except TimeoutError:
                # what this one was not told is behind it all the same, and another id each time does not tell
                yield f": \nid: {store.seal_now(seals, cursor)}\n\n".encode()
                spoken = time.monotonic()


async def _wait_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
