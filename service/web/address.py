"""Under which address a request was sent here, as its client wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from starlette.requests import Request

LONGEST = (
    300  # a name of the internet with its port; what is longer is nobody's, and is neither read nor kept
)


class Address(NamedTuple):
    """The host's name without its port, and the service's address without a slash at its end."""

    host: str
    base: str


def find_address(scope: Mapping[str, Any]) -> Address:
    """The address of a request's scope (ASGI); an empty one of a name that is too long."""
    host = next((value for name, value in scope["headers"] if name == b"host"), None)
    if host is not None and len(host) > LONGEST:
        return Address("", "")
    server = scope.get("server")
    return _read(scope.get("scheme", "http"), host, server and tuple(server), scope.get("root_path", ""))


@lru_cache(maxsize=1024)  # a server is called by few names
def _read(scheme: str, host: bytes | None, server: tuple[str, int] | None, root: str) -> Address:
    request = Request(
        {
            "type": "http",
            "scheme": scheme,
            "server": server,
            "headers": [] if host is None else [(b"host", host)],
            "root_path": root,
            "path": f"{root}/",
            "query_string": b"",
        }
    )
    return Address(request.url.hostname or "", str(request.base_url).rstrip("/"))
