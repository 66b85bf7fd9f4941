"""Which grid is there? Of one point, or of a hundred thousand."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from service.faults import UnknownError
from service.links import GEOJSON, JSON, link
from service.routes.item import item_path, with_links
from service.store import items
from service.store.nearby import locate_points
from service.web.bodies import read_body
from service.web.context import InContext, find_collection, find_context
from service.web.points import BODY_MOST, CSV, POINT_MEDIA, read_points, write_csv
from service.web.schemas import LocateQuery

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


_POINTS = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"type": "array", "maxItems": 100_000, "items": {}}},
            GEOJSON: {"schema": {"$ref": "#/components/schemas/featureCollection"}},
            CSV: {"schema": {"type": "string"}},
        },
    }
}


@router.post(
    "/locate",
    summary="The published grids at up to 100,000 points",
    response_class=Response,
    openapi_extra=_POINTS,
)
async def locate_many(request: Request) -> Response:
    """CSV (columns lon, lat, perhaps id), JSON ([[lon, lat], …], or objects with lon, lat, perhaps id) or
    GeoJSON points; degrees. CSV is answered with CSV, the others with JSON, in the order of the points.
    """
    context = await run_in_threadpool(find_context, request)
    body = await read_body(request, POINT_MEDIA, BODY_MOST)
    media = request.headers["content-type"].partition(";")[0].strip().lower()

    def find() -> Response:
        points = read_points(body, media)
        _, allowed = find_collection(context, "grids")
        codes: list[str | None] = []
        with context.reading() as connection:
            for some in locate_points(connection, allowed, points.lons, points.lats):
                codes += some
        if media == CSV:
            return Response(write_csv(points, codes), media_type=f"{CSV}; charset=utf-8")
        told = {
            "numberPoints": len(codes),
            "numberLocated": sum(code is not None for code in codes),
            "points": [{"id": key, "grid": code} for key, code in zip(points.ids, codes, strict=True)],
        }
        return Response(json.dumps(told, ensure_ascii=False), media_type=JSON)

    return await run_in_threadpool(find)
