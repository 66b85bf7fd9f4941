"""The front door: what there is and where, and what the service conforms to."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.access import visible_collections
from service.context import InContext
from service.pages import page
from service.schemas import PageQuery
from service.store import figures

router = APIRouter(tags=["service"])

CONFORMS = (
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)


@router.get("/", summary="Where everything is", response_class=Response)
def show_landing(context: InContext, query: Annotated[PageQuery, Query()]) -> Response:
    """Links to all resources; for a browser the communities with their maps."""
    from partition.texts import catalogue

    if context.html:
        with context.reading() as connection:
            communities = figures.select_communities(connection, context.principal)
            example = figures.select_example(connection, context.principal)
        collections = visible_collections(context.principal)
        return page(
            context, "landing.html", communities=communities, collections=collections, example=example
        )
    say = catalogue("service").say
    places = (
        ("/", "self", "application/json"),
        ("/api", "service-desc", "application/vnd.oai.openapi+json;version=3.1"),
        ("/conformance", "conformance", "application/json"),
        ("/collections", "data", "application/json"),
    )
    body = {
        "title": say("page.name", context.lang),
        "description": say("landing.lead", context.lang),
        "links": [{"href": context.href(path), "rel": rel, "type": kind} for path, rel, kind in places],
    }
    return Response(json.dumps(body, ensure_ascii=False), media_type="application/json")


@router.get("/conformance", summary="Standards kept")
def show_conformance(context: InContext, query: Annotated[PageQuery, Query()]) -> dict[str, list[str]]:
    """Conformance classes of OGC API – Features."""
    return {"conformsTo": list(CONFORMS)}
