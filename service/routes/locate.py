"""Which grid is there?"""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.context import InContext, find_collection
from service.faults import UnknownError
from service.routes.collections import GEOJSON, feature_answer
from service.schemas import LocateQuery
from service.store import items

router = APIRouter(tags=["grids"])


@router.get("/locate", summary="The published grid at a point", response_class=Response)
def locate(context: InContext, query: Annotated[LocateQuery, Query()]) -> Response:
    """The published grid at `lon`, `lat` as GeoJSON; on a border the one of the lower code."""
    collection, allowed = find_collection(context, "grids")
    with context.reading() as connection:
        feature = items.select_at(connection, collection, allowed, lon=query.lon, lat=query.lat)
    if feature is None:
        raise UnknownError("grid-there", lon=query.lon, lat=query.lat)
    key = quote(str(json.loads(feature)["id"]), safe=":")
    return feature_answer(
        feature,
        [
            {
                "href": context.href("/locate", lon=query.lon, lat=query.lat),
                "rel": "self",
                "type": GEOJSON,
            },
            {"href": context.href(f"/collections/grids/items/{key}"), "rel": "canonical", "type": GEOJSON},
        ],
    )
