"""What every request and answer passes: the address asked for, the size of the body, headers that keep a page
to itself, the request's id, its measures, and the access log.

The log names method, path and status, never the query: a login link's token stands there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from ipaddress import ip_address

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.faults import ForeignPageError, ServiceError, TooLargeError, WrongHostError
from service.upkeep.logs import REQUEST_ID, clean_path, request_id
from service.upkeep.metrics import NO_ROUTE, Metrics
from service.web.address import find_address
from service.web.bodies import BODY_MOST
from service.web.errors import STATUS, problem
from service.web.headers import HEADERS, SHARED

logger = logging.getLogger("service.access_log")

# headers of answers as they are sent, by whether pages of any origin may read them
_FOR_US = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())
_FOR_ALL = (*_FOR_US, *((name.lower().encode(), value.encode()) for name, value in SHARED.items()))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`, a name or an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_foreign(request: Request) -> bool:
    """Whether a page of another server makes the browser ask for more than to read."""
    site = request.headers.get("sec-fetch-site", "none")  # only browsers send it
    return request.method not in ("GET", "HEAD", "OPTIONS") and site not in ("same-origin", "none")


class Guard:
    """The outermost layer of the application. `hosts`: further names it answers for besides loopback ones.

    Asking for the name keeps a foreign page from reaching a server on loopback by a name that resolves to it;
    a cookie alone does not tell pages of other ports of this machine from ours. bodies: how many bytes a body
    may have, by path, where it may be more than others.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str] = (),
        bodies: Mapping[str, int] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.app = app
        self.hosts = frozenset(hosts)
        self.bodies = dict(bodies or {})
        self.metrics = metrics or Metrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        passage = _Passage(scope, receive, send, self.bodies.get(scope["path"], BODY_MOST))
        REQUEST_ID.set(passage.id)
        self.metrics.underway.inc()
        try:
            refusal = self._refusal(passage)
            if refusal is None:
                await self.app(passage.scope, passage.receive, passage.send)
            else:
                await passage.refuse(refusal)
        finally:
            self.metrics.underway.dec()
            route = getattr(passage.scope.get("route"), "path", NO_ROUTE)
            spent = time.perf_counter() - passage.begun
            self.metrics.note(passage.method, route, passage.status, spent, passage.sent)
            path = clean_path(scope.get("raw_path", b"").partition(b"?")[0].decode("ascii", "replace"))
            facts = {
                "method": passage.method,
                "path": path,
                "route": route,
                "status": passage.status,
                "ms": round(1000 * spent, 1),
                "bytes": passage.sent,
            }
            logger.info(
                *("%s %s %d %.0f ms", passage.method, path, passage.status, 1000 * spent),
                extra={"facts": facts},
            )

    def _refusal(self, passage: _Passage) -> ServiceError | None:
        name = find_address(passage.scope).host
        if not (is_loopback(name) or name in self.hosts):
            return WrongHostError("host")
        if _is_foreign(passage.request):
            return ForeignPageError("foreign-page")
        told = passage.request.headers.get("content-length", "")
        if told.isdecimal() and int(told[:20]) > passage.most:
            return passage.too_large()
        return None


class _Passage:
    """One request on its way in, and its answer on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        self.begun = time.perf_counter()
        self.method: str = scope["method"]
        # a route for GET answers HEAD; what it says is not sent
        self.scope = {**scope, "method": "GET", "wangge.head": True} if self.method == "HEAD" else scope
        self.most = most
        self.request = Request(self.scope)
        self.id = request_id(self.request.headers.get("x-request-id"))
        self.status = 500
        self.sent = 0
        self._receive, self._send = receive, send
        self._received = 0
        self._begun = self._refused = False

    def too_large(self) -> ServiceError:
        return TooLargeError("write-large", most_kb=self.most // 1000)

    async def refuse(self, refusal: ServiceError) -> None:
        answer = problem(self.request, STATUS[type(refusal)], refusal)
        await answer(self.scope, self._receive, self.send)

    async def receive(self) -> Message:
        """What comes in; a body that grows too large is answered here, and goes no further."""
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received <= self.most:
            return message
        if not self._begun:
            await self.refuse(self.too_large())
            self._refused = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """What goes out, with the headers that every answer has."""
        if self._refused:
            return
        if message["type"] == "http.response.start":
            self._begun = True
            self.status = message["status"]
            usual = _FOR_ALL if self.scope["method"] in ("GET", "OPTIONS") else _FOR_US
            told = [one for one in message.get("headers", ()) if one[0] != b"x-request-id"]
            named = {name for name, _ in told}
            told += [(name, value) for name, value in usual if name not in named]
            message = {**message, "headers": [*told, (b"x-request-id", self.id.encode())]}
        elif message["type"] == "http.response.body":
            if self.method == "HEAD":
                message = {**message, "body": b""}
            self.sent += len(message.get("body", b""))
        await self._send(message)
