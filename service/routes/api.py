"""The API's own description: OpenAPI 3.0 for programs, and a page for people that needs no script."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.links import OPENAPI
from service.query.crs import offered
from service.routes.collections import answer_json, visible
from service.web.context import Context, InContext
from service.web.openapi import describe_api
from service.web.pages import page
from service.web.schemas import HealthQuery, PageQuery

router = APIRouter(tags=["service"])


@router.get("/api", summary="OpenAPI 3.0", response_class=Response)
def show_api(context: InContext, query: Annotated[PageQuery, Query()]) -> Response:
    """Every path and parameter that the asking role may know of."""
    return _page(context) if context.html else answer_json(_describe(context), OPENAPI)


@router.get("/api.html", summary="The API for people", response_class=Response)
def show_api_page(context: InContext, query: Annotated[HealthQuery, Query()]) -> Response:
    """The same as a page."""
    return _page(context)


def _describe(context: Context) -> dict[str, Any]:
    known = [
        (
            collection,
            allowed,
            offered(context.catalogues.about(context.principal, collection, allowed).extent),
        )
        for collection, allowed in visible(context)
    ]
    return describe_api(context.request.app, context.base, context.lang, context.principal, known)


def _page(context: Context) -> Response:
    document = _describe(context)
    shared = document["components"]["parameters"]
    operations = [
        {
            "path": path,
            "method": method.upper(),
            "summary": operation.get("summary", ""),
            "about": operation.get("description", ""),
            "parameters": [
                shared[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
                for one in operation.get("parameters", [])
            ],
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return page(context, "api.html", operations=operations)
