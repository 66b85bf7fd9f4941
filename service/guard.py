"""What every answer passes: the address asked for, headers that keep a page to itself, and the access log.

The log names method, path and status, never the query: a login link's token stands there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import STATUS, problem
from service.faults import ForeignPageError, ServiceError, WrongHostError
from service.headers import HEADERS, SHARED

logger = logging.getLogger("service.access_log")


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
    a cookie alone does not tell pages of other ports of this machine from ours.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500
        head = scope["method"] == "HEAD"
        if head:
            scope = {**scope, "method": "GET"}

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["method"] in ("GET", "OPTIONS"):
                    for name, value in SHARED.items():
                        headers.setdefault(name, value)
            elif head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            request = Request(scope)
            name = request.url.hostname or ""
            refusal: ServiceError | None = None
            if not (is_loopback(name) or name in self.hosts):
                refusal = WrongHostError("host")
            elif _is_foreign(request):
                refusal = ForeignPageError("foreign-page")
            if refusal is None:
                await self.app(scope, receive, send_guarded)
            else:
                answer = problem(request, STATUS[type(refusal)], refusal)
                await answer(scope, receive, send_guarded)
        finally:
            path = scope.get("raw_path", b"").partition(b"?")[0].decode("ascii", "replace")
            spent = 1000 * (time.perf_counter() - begun)
            logger.info("%s %s %d %.0f ms", "HEAD" if head else scope["method"], path, status, spent)
