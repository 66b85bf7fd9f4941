"""What is near a point, in a straight line or on foot."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from service.access import access
from service.faults import MalformedError
from service.links import GEOJSON, link
from service.query.box import read_number
from service.registry import COLLECTIONS
from service.routes.plans import whole
from service.store.nearby import CANDIDATES_MOST, select_nearby, walk_to
from service.store.networks import Networks
from service.web.context import InContext, find_collection
from service.web.schemas import LocateQuery, Words

router = APIRouter(tags=["grids"])

RADIUS_M = 2000.0
LIMIT_MOST = 1000


class NearbyQuery(LocateQuery):
    """A point, and what is looked for round it."""

    collection: Words = Field("facilities", description="What is looked for.", max_length=63)
    kind: Words | None = Field(None, description="Only of this kind (facilities).", max_length=100)
    radius: str = Field("2000", description="Metres, at most 2,000.")
    limit: str = Field("10", description="The nearest so many, at most 1,000.")
    by: Literal["line", "street"] = Field("line", description="In a straight line, or on foot along streets.")


@router.get("/nearby", summary="The nearest features", response_class=Response)
def find_nearby(context: InContext, query: Annotated[NearbyQuery, Query()]) -> Response:
    """GeoJSON, nearest first, each with `distance_m`: metres in a straight line, or on foot from door to
    door. Cases lie where the asking role sees them.
    """
    collection, allowed = find_collection(context, query.collection)
    radius = read_number(query.radius)
    if radius is None or not 0 < radius <= RADIUS_M:
        raise MalformedError(
            "number-range", name="radius", value=query.radius[:60], lower=0, upper=int(RADIUS_M)
        )
    limit = whole("limit", query.limit, 1, LIMIT_MOST)
    equal = {}
    if query.kind is not None:
        if "kind" not in {column.name for column, _ in allowed.columns}:
            raise MalformedError("parameter-unknown", name="kind")
        equal["kind"] = query.kind
    on_foot = query.by == "street"
    with context.reading() as connection:
        found = select_nearby(
            connection,
            collection,
            allowed,
            query.lon,
            query.lat,
            radius=radius,
            limit=CANDIDATES_MOST if on_foot else limit,
            equal=equal,
        )
        seen = access(context.principal, COLLECTIONS["streets"])
        if on_foot and found and seen is not None:
            networks: Networks = context.request.app.state.networks
            ways = networks.around(connection, seen, query.lon, query.lat)
    if on_foot:
        walked = found and seen is not None
        found = walk_to(ways, query.lon, query.lat, found, radius, limit) if walked else []
    asked = query.model_dump(exclude_none=True, exclude={"lang", "f"})
    told = {
        "type": "FeatureCollection",
        "numberReturned": len(found),
        "links": [link(context.href("/nearby", **asked), "self", GEOJSON)],
        "features": [{**one.feature, "distance_m": round(one.metres, 1)} for one in found],
    }
    return Response(json.dumps(told, ensure_ascii=False), media_type=GEOJSON)
