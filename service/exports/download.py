"""A download: what is sent, while the client takes it.

Nothing is sent before the first rows are there, or the whole file; so whatever goes wrong until then is an
answer that says so. What goes wrong later ends the connection without the end of the body, which every client
notices. A client that is gone, or takes nothing any more, ends the work in the database and on the disk.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Protocol, TypeVar

import psycopg
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from service.exports.desk import Desk
from service.exports.faults import FailedError, FullDiskError
from service.exports.parts import Part
from service.exports.shelf import KeptFile
from service.exports.workshop import Made
from service.store.exports import LONGEST_S, Rows

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
# what is told of open rows: further headers, and whether the client has what would be sent
Begin = Callable[[Rows], tuple[dict[str, str], bool]]

PIECE = 64 << 10
STALL_S = 30.0
# a client that takes fewer bytes a second, over so many seconds in which it was waited for, is dropped
LEAST = 10_000
OVER_S = 60.0


class SlowError(TimeoutError):
    """The client takes so little that others wait for its place."""


class Source(Protocol):
    """What is sent, with which status. All but `abort` are called by one thread at a time; nothing after
    `close`.
    """

    status: int

    def open(self) -> dict[str, str]:
        """Get ready to send, with these further headers; nothing, where the status is 304."""

    def next(self) -> bytes:
        """The next part; nothing at the end."""

    def abort(self) -> None:
        """Make whatever runs end soon. From any thread."""

    def close(self) -> None:
        """Put everything back."""


class TextSource:
    """Text that is made while it is sent. begin: what is told of the rows once they are open. record: puts on
    record who gets them.
    """

    def __init__(
        self,
        rows: Rows,
        begin: Begin,
        parts: Callable[[Rows], Iterator[bytes]],
        record: Callable[[Rows], None] | None = None,
    ) -> None:
        self.rows, self.begin, self.parts, self.record = rows, begin, parts, record
        self.status = 200
        self._first = b""
        self._rest: Iterator[bytes] = iter(())

    def open(self) -> dict[str, str]:
        self.rows.open()
        headers, had = self.begin(self.rows)
        if had:
            self.status = 304
            return headers
        if self.record is not None:
            self.record(self.rows)
        self._rest = self.parts(self.rows)
        self._first = next(self._rest)
        return headers

    def next(self) -> bytes:
        first, self._first = self._first, b""
        return first or next(self._rest, b"")

    def abort(self) -> None:
        self.rows.abort()

    def close(self) -> None:
        self.rows.close()


class FileSource:
    """A file that is made before it is sent, or was made before, by the tag that `begin` tells; and of it the
    part that is wanted, if it is of the file that the client has a part of (if_range).

    Whoever comes for further parts of a file, by the name of holder, is on record once.
    """

    def __init__(
        self,
        making: Made,
        begin: Begin,
        record: Callable[[Rows], None],
        *,
        holder: str = "",
        part: Part | None = None,
        if_range: str | None = None,
    ) -> None:
        self.making, self.rows, self.begin, self.record = making, making.rows, begin, record
        self.holder, self.part, self.if_range = holder, part, if_range
        self.status = 200
        self._file: KeptFile | None = None
        self._place = self._end = 0

    def open(self) -> dict[str, str]:
        self.rows.open()
        headers, had = self.begin(self.rows)
        if had:
            self.status = 304
            return headers
        tag = headers["ETag"]
        shelf = self.making.workshop.shelf
        self._file = file = shelf.take(tag) or self._made()
        if self.part is None or self.holder not in file.told:
            self.record(self.rows)
            file.told.add(self.holder)
        self.rows.close()
        shelf.put(tag, file)
        self._end = file.size
        if self.part is not None and self.if_range in (None, tag):
            self._place, self._end = self.part.within(file.size)
            self.status = 206
            headers["Content-Range"] = f"bytes {self._place}-{self._end - 1}/{file.size}"
        return headers | {"Content-Length": str(self._end - self._place)}

    def _made(self) -> KeptFile:
        workshop = self.making.workshop
        with workshop.room() as folder:
            try:
                path = self.making.make(folder)
            except FullDiskError:
                if not workshop.shelf.clear():
                    raise
                path = self.making.make(folder)  # in the place of what was kept
            # in its folder it is removed; open, it outlives it
            return KeptFile(path)

    def next(self) -> bytes:
        if self._file is None:
            return b""
        found = self._file.read(self._place, min(4 * PIECE, self._end - self._place))
        self._place += len(found)
        return found

    def abort(self) -> None:
        self.rows.abort()
        self.making.abort()

    def close(self) -> None:
        self.rows.close()
        file, self._file = self._file, None
        if file is not None:
            file.let_go()


class Download(Response):
    """Sends a source. client: for whom it counts at the desk; public: as one of those not logged in. head:
    only the headers are wanted.
    """

    def __init__(
        self,
        source: Source,
        desk: Desk,
        client: str,
        *,
        public: bool,
        media_type: str,
        headers: dict[str, str],
        head: bool = False,
    ) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]
        self.headers["X-Accel-Buffering"] = "no"
        self.source, self.desk, self.client, self.head = source, desk, client, head
        self.public, self.started = public, False
        self._waited, self._taken = 0.0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until everything is sent, or the client is gone."""
        with ExitStack() as held:
            held.enter_context(self.desk.place(self.client, public=self.public))
            gone = asyncio.create_task(_wait_gone(receive))
            sending = asyncio.create_task(self._send(send, held))
            try:
                await asyncio.wait({gone, sending}, timeout=LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    self._settle(sending)
            finally:
                gone.cancel()
                if not sending.done():
                    await self._abandon(sending)
                await run_in_threadpool(self.source.close)

    async def _send(self, send: Send, held: ExitStack) -> None:
        self.headers.update(await _whole(self.source.open))
        self.status_code = self.source.status
        if self.status_code == 304:
            del self.headers["content-type"]
        if self.status_code == 304 or self.head:
            await self._let_go(held)
            await self._start(send)
        else:
            await self._start(send)
            await self._send_parts(send, held)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, send: Send) -> None:
        self.started = True
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    async def _send_parts(self, send: Send, held: ExitStack) -> None:
        part = await _whole(self.source.next)
        while part:
            # the database works on the next part while this one is on its way
            ahead = asyncio.create_task(run_in_threadpool(self.source.next))
            try:
                last = (len(part) - 1) // PIECE * PIECE
                for place in range(0, last, PIECE):
                    await self._send_piece(send, part[place : place + PIECE])
                following = await asyncio.shield(ahead)
            finally:
                if not ahead.done():
                    await run_in_threadpool(self.source.abort)
                await asyncio.wait({ahead})
                if not ahead.cancelled():
                    ahead.exception()  # seen
            if not following:
                # a client that has the last byte may come again at once
                await self._let_go(held)
            await self._send_piece(send, part[last:])
            part = following

    async def _send_piece(self, send: Send, piece: bytes) -> None:
        begun = time.monotonic()
        async with asyncio.timeout(STALL_S):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        self._waited += time.monotonic() - begun
        self._taken += len(piece)
        if self._waited >= OVER_S:
            if self._taken < LEAST * self._waited:
                raise SlowError
            self._waited, self._taken = 0.0, 0

    async def _let_go(self, held: ExitStack) -> None:
        """Put back everything that others wait for."""
        await _whole(self.source.close)
        held.close()

    async def _abandon(self, sending: asyncio.Task[None]) -> None:
        """End the work, and wait until its thread has put away what it made."""
        await run_in_threadpool(self.source.abort)
        sending.cancel()
        await asyncio.wait({sending})
        if not sending.cancelled() and (error := sending.exception()) is not None:
            logger.info("exports: given up (%s)", type(error).__name__)

    def _settle(self, sending: asyncio.Task[None]) -> None:
        """Raise what went wrong before anything was sent; what went wrong later has ended the body."""
        error = sending.exception()
        if error is None:
            return
        if not self.started:
            raise error
        if isinstance(error, (TimeoutError, psycopg.Error, SQLAlchemyError, FailedError, OSError)):
            logger.warning("exports: broken off (%s)", type(error).__name__)
            return
        raise error


async def _whole(work: Callable[[], Result]) -> Result:
    """Do the work in a thread. Who is cancelled meanwhile waits for its end: a thread cannot be cancelled."""
    task = asyncio.create_task(run_in_threadpool(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen
        raise


async def _wait_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
