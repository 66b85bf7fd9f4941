"""OPTIONS: which methods an address has for the asking role."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from service.access import may_write
from service.faults import UnknownError
from service.web.context import find_context


class _OptionsRoute(APIRoute):
    """A route for every address and this method only: to all others it does not exist."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if scope["method"] == "OPTIONS" else (Match.NONE, {})


router = APIRouter(include_in_schema=False, route_class=_OptionsRoute)

_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


@router.options("/{path:path}")
def show_methods(request: Request, path: str) -> Response:
    """`Allow` lists the methods; those that change features only where the principal may change some."""
    context = find_context(request)
    methods: set[str] = set()
    name = ""
    for route in request.app.state.routes:
        match, scope = route.matches({**request.scope, "method": "GET"})
        own = set(getattr(route, "methods", None) or ()) - {"OPTIONS"}
        if match is not Match.NONE and own:
            methods |= own
            if route.path.startswith("/collections/{name}/items"):
                name = scope["path_params"]["name"]
    if name:
        collection = context.catalogues.find(name)
        if collection is None or not may_write(context.principal, collection):
            methods -= _CHANGING
        else:
            methods -= _CHANGING - set(collection.methods)
    if not methods:
        raise UnknownError("no-page", path=request.url.path[:60])
    if "GET" in methods:
        methods |= {"HEAD"}
    return Response(status_code=204, headers={"Allow": ", ".join(sorted(methods | {"OPTIONS"}))})
