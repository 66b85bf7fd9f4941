"""Routes whose functions read the request themselves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool


class DirectRoute(APIRoute):
    """A route whose function is given the request and the parts of the path, as texts, and answers whole.

    It is described as others are; but FastAPI resolves nothing for it, which takes longer than to find a row.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = self.endpoint

        async def handle(request: Request) -> Response:
            found: Response = await run_in_threadpool(answer, request, **request.path_params)
            return found

        return handle
