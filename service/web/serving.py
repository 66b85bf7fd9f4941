"""The server process: until Ctrl-C or SIGTERM, and then gone with all it started."""

from __future__ import annotations

import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from service.operating import OperatingError
from service.upkeep.memory import share_arenas

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

PORTS_TRIED = 50
GRACE_S = 35  # longer than the longest statement: what was begun is finished


class Stopped(BaseException):  # like KeyboardInterrupt, no error
    """Somebody asked the process to end."""


@contextmanager
def stopping() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into `Stopped`, once: what is then being put away is not interrupted again."""

    def stop(number: int, frame: FrameType | None) -> None:
        for sign in signs:
            signal.signal(sign, signal.SIG_IGN)
        raise Stopped

    signs = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {sign: signal.signal(sign, stop) for sign in signs}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def listen(host: str, port: int, *, search: bool = False) -> socket.socket:
    """A listening socket; with `search` the next free port if `port` is taken. Raises OperatingError."""
    last = min(port + PORTS_TRIED, 65535) if search and port else port
    for candidate in range(port, last + 1):
        try:
            return _bind(host, candidate)
        except OSError as error:
            if error.errno == errno.EACCES:
                raise OperatingError("serve-port-closed", port=candidate) from None
            if error.errno != errno.EADDRINUSE:
                raise OperatingError("serve-address", host=host, reason=error.strerror) from None
    raise OperatingError("serve-port-taken", port=port)


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError:
        bound.close()
        raise
    return bound


def address_of(bound: socket.socket) -> str:
    """The address that a browser takes for `bound`, without a slash at its end."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def make_server(
    app: FastAPI, *, ready: Callable[[], None] | None = None, proxies: str = "127.0.0.1"
) -> uvicorn.Server:
    """A server for `app` that logs no addresses; `ready` is called when it answers. proxies: whom to believe
    for whom they ask.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if ready is not None:
                ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.events.close()  # streams end only when they are told to
            await super().shutdown(sockets)

    # its access log would hold the tokens of login links; ours (service.web.guard) does not
    logging.getLogger("uvicorn.access").disabled = True
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            forwarded_allow_ips=proxies,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


def run(
    app: FastAPI,
    bound: socket.socket,
    *,
    ready: Callable[[], None] | None = None,
    proxies: str = "127.0.0.1",
) -> None:
    """Serve `app` on `bound` until asked to end; to be called within `stopping`.

    Once it answers, it makes ready for the first page (`service.upkeep.warming`).
    """
    from service.upkeep.warming import Warming  # with all that makes pages: who only listens needs none of it

    share_arenas()
    state = app.state
    warming = Warming(state.database, state.pages, state.grounds)

    def answering() -> None:
        if ready is not None:
            ready()
        warming.begin()

    server = make_server(app, ready=answering, proxies=proxies)
    # a closed terminal ends the server as a signal that it knows does; it raises that again for `stopping`
    signal.signal(signal.SIGHUP, lambda number, frame: server.handle_exit(signal.SIGTERM, frame))
    try:
        server.run(sockets=[bound])
    finally:
        warming.close()
