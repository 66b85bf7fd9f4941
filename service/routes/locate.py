"""Which grid is there?"""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.context import InContext, find_collection
from service.faults import UnknownError
from service.links import GEOJSON, link
from service.routes.item import item_path, with_links
from service.schemas import LocateQuery
from service.store import items

router = APIRouter(tags=["grids"])


@router.get("/locate", summary="The published grid at a point", response_class=Response)
def locate(context: InContext, query: Annotated[LocateQuery, Query()]) -> Response:
    """The published grid at `lon`, `lat` as GeoJSON; on a border the one of the lower code."""
    collection, allowed = find_collection(context, "grids")
    found = items.select_at(
        context.engine, context.principal, collection, allowed, lon=query.lon, lat=query.lat
    )
    if found is None:
        raise UnknownError("grid-there", lon=query.lon, lat=query.lat)
    path = item_path(collection, str(json.loads(found.feature)["id"]))
    links = [
        link(context.href("/locate", lon=query.lon, lat=query.lat), "self", GEOJSON),
        link(context.href(path), "canonical", GEOJSON),
    ]
    return Response(with_links(found.feature, links), media_type=GEOJSON)
