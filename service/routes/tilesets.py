"""OGC API – Tiles: which tile sets there are, and what is in their tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from service.access import Access
from service.faults import UnknownError
from service.links import JSON, MVT, OGC_REL, SCHEMA, link
from service.query.box import short
from service.query.crs import CRS84, MERCATOR, Extent
from service.registry import Collection
from service.routes.collections import answer_json, path_of, visible
from service.store.tiles import FEATURES_MOST, SIZE_MOST
from service.tiles.matrices import LEVELS, NAME, definition, limits
from service.web.context import Context, InContext, find_collection
from service.web.feature_schema import describe_features
from service.web.origins import joined, origin_of

router = APIRouter(tags=["tiles"])

TILEJSON = "application/json"
DIMENSIONS = {"point": 0, "linestring": 1, "polygon": 2}


class TilesQuery(BaseModel):
    """Parameters of what describes tiles."""

    model_config = ConfigDict(extra="forbid")

    f: Literal["json"] | None = Field(None, description="JSON is the only form.")
    lang: Literal["zh", "en"] | None = Field(None, description="Language of titles and texts.")


class TilesetQuery(TilesQuery):
    """Parameters of a tile set."""

    f: Literal["json", "tilejson"] | None = Field(  # type: ignore[assignment]
        None, description="Metadata of the standard, or TileJSON 3.0."
    )


# --- tile matrix sets ---


@router.get("/tileMatrixSets", summary="Tile matrix sets", response_class=Response)
def list_matrix_sets(context: InContext, query: Annotated[TilesQuery, Query()]) -> Response:
    """Which tile matrix sets there are."""
    told = definition()
    one = {
        "id": told["id"],
        "title": told["title"],
        "uri": told["uri"],
        "crs": told["crs"],
        "links": [link(context.href(f"/tileMatrixSets/{NAME}"), "self", JSON)],
    }
    links = [link(context.href("/tileMatrixSets"), "self", JSON)]
    return answer_json({"tileMatrixSets": [one], "links": links})


@router.get("/tileMatrixSets/{matrices}", summary="A tile matrix set", response_class=Response)
def show_matrix_set(context: InContext, matrices: str, query: Annotated[TilesQuery, Query()]) -> Response:
    """Scales, origin and number of tiles of each level."""
    check_set(matrices)
    return answer_json(dict(definition()))


# --- tile sets ---


@router.get("/tiles", summary="Tile sets of all collections", response_class=Response)
def list_tilesets(context: InContext, query: Annotated[TilesQuery, Query()]) -> Response:
    """The tile sets in which all collections lie together."""
    links = [link(context.href("/tiles"), "self", JSON)]
    return answer_json({"tilesets": [_listed(context, "/tiles", _say(context, "all"))], "links": links})


@router.get("/tiles/{matrices}", summary="A tile set of all collections", response_class=Response)
def show_tileset(context: InContext, matrices: str, query: Annotated[TilesetQuery, Query()]) -> Response:
    """What is in the tiles of all collections, and where they are."""
    check_set(matrices)
    title = _say(context, "all")
    return _tileset(context, "/tiles", title, visible(context), query.f == "tilejson")


@router.get("/collections/{name}/tiles", summary="Tile sets", response_class=Response)
def list_collection_tilesets(
    context: InContext, name: str, query: Annotated[TilesQuery, Query()]
) -> Response:
    """The tile sets of a collection."""
    collection, _ = find_collection(context, name)
    path = f"{path_of(collection)}/tiles"
    links = [link(context.href(path), "self", JSON)]
    title = getattr(collection, context.lang)
    return answer_json({"tilesets": [_listed(context, path, title)], "links": links})


@router.get("/collections/{name}/tiles/{matrices}", summary="A tile set", response_class=Response)
def show_collection_tileset(
    context: InContext, name: str, matrices: str, query: Annotated[TilesetQuery, Query()]
) -> Response:
    """What is in the tiles of a collection, how far they reach, and where they are."""
    check_set(matrices)
    collection, allowed = find_collection(context, name)
    return _tileset(
        context,
        f"{path_of(collection)}/tiles",
        getattr(collection, context.lang),
        [(collection, allowed)],
        query.f == "tilejson",
    )


def check_set(name: str) -> None:
    """Raise UnknownError unless it is the tile matrix set that there is."""
    if name != NAME:
        raise UnknownError("tile-matrix-set", name=short(name), known=NAME)


def _say(context: Context, key: str, **values: object) -> str:
    from partition.texts import catalogue

    return catalogue("service").say(f"tiles.{key}", context.lang, **values)


def _listed(context: Context, path: str, title: str) -> dict[str, Any]:
    """A tile set as lists have it."""
    return {
        "title": title,
        "dataType": "vector",
        "crs": MERCATOR.uri,
        "tileMatrixSetURI": definition()["uri"],
        "links": [
            link(context.href(f"{path}/{NAME}"), "self", JSON),
            link(context.href(f"/tileMatrixSets/{NAME}"), f"{OGC_REL}tiling-scheme", JSON),
            _template(context, path),
        ],
    }


def _template(context: Context, path: str) -> dict[str, Any]:
    href = context.href(f"{path}/{NAME}") + "/{tileMatrix}/{tileRow}/{tileCol}"
    return {**link(href, "item", MVT), "templated": True}


def _tileset(
    context: Context,
    path: str,
    title: str,
    known: Sequence[tuple[Collection, Access]],
    tilejson: bool,
) -> Response:
    """What the tiles of these collections hold."""
    found = [
        (collection, allowed, context.catalogues.about(context.principal, collection, allowed))
        for collection, allowed in known
    ]
    extent = _union([about.extent for _, _, about in found if about.extent is not None])
    licence = str(context.request.app.state.licence)
    origin = joined((origin_of(one, told, licence, context.lang) for one, _, told in found), context.lang)
    about = _say(context, "thinning", features=FEATURES_MOST, size=SIZE_MOST // 1000)
    if tilejson:
        told = _tilejson(context, path, title, about, origin.attribution, known, extent)
        return answer_json(told, TILEJSON)
    body: dict[str, Any] = {
        **_listed(context, path, title),
        "description": about,
        "attribution": origin.attribution,
        "license": origin.licence,
        "mediaTypes": [MVT],
        "layers": [_layer(context, collection, allowed, told.extent) for collection, allowed, told in found],
    }
    body["links"] = [
        *body["links"],
        link(context.href(f"{path}/{NAME}", f="tilejson"), "describedby", TILEJSON, "TileJSON"),
    ]
    if origin.rights:
        body["rights"] = origin.rights
    if extent is not None:
        body["boundingBox"] = _box(extent)
        body["centerPoint"] = {
            "coordinates": [(extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2],
            "crs": CRS84.uri,
            "tileMatrix": str(_level_of(extent)),
        }
        body["tileMatrixSetLimits"] = limits(extent)
    return answer_json(body)


def _layer(
    context: Context, collection: Collection, allowed: Access, extent: Extent | None
) -> dict[str, Any]:
    schema = describe_features(
        collection, allowed, context.lang, context.href(f"{path_of(collection)}/schema"), "schema"
    )
    columns = {column.name for column, _ in allowed.columns}
    schema["properties"] = {name: one for name, one in schema["properties"].items() if name in columns}
    made = {
        "id": collection.name,
        "title": getattr(collection, context.lang),
        "description": getattr(collection, f"about_{context.lang}"),
        "dataType": "vector",
        "crs": MERCATOR.uri,
        "minTileMatrix": "0",
        "maxTileMatrix": str(LEVELS - 1),
        "propertiesSchema": schema,
        "links": [
            link(context.href(path_of(collection)), f"{OGC_REL}geodata", JSON),
            link(context.href(f"{path_of(collection)}/schema"), f"{OGC_REL}schema", SCHEMA),
        ],
    }
    for kind, dimension in DIMENSIONS.items():
        if kind in collection.shape:
            made["geometryDimension"] = dimension
    if extent is not None:
        made["boundingBox"] = _box(extent)
    return made


def _tilejson(
    context: Context,
    path: str,
    title: str,
    about: str,
    attribution: str,
    known: Sequence[tuple[Collection, Access]],
    extent: Extent | None,
) -> dict[str, Any]:
    """TileJSON 3.0, which MapLibre and QGIS read."""
    body: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": title,
        "description": about,
        "attribution": attribution,
        "scheme": "xyz",
        "tiles": [context.href(f"{path}/{NAME}") + "/{z}/{y}/{x}"],
        "minzoom": 0,
        "maxzoom": LEVELS - 1,
        "vector_layers": [
            {
                "id": collection.name,
                "description": getattr(collection, context.lang),
                "fields": {
                    column.name: getattr(column, context.lang) or column.kind for column, _ in allowed.columns
                },
            }
            for collection, allowed in known
        ],
    }
    if extent is not None:
        body["bounds"] = list(extent)
        body["center"] = [(extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2, _level_of(extent)]
    return body


def _union(extents: Sequence[Extent]) -> Extent | None:
    if not extents:
        return None
    west, south, east, north = zip(*extents, strict=True)
    return min(west), min(south), max(east), max(north)


def _box(extent: Extent) -> dict[str, Any]:
    return {"lowerLeft": list(extent[:2]), "upperRight": list(extent[2:]), "crs": CRS84.uri}


def _level_of(extent: Extent) -> int:
    """The level at which the extent is about as wide as a tile."""
    width = max(extent[2] - extent[0], extent[3] - extent[1], 360 / 2 ** (LEVELS - 1))
    level = 0
    while level < LEVELS - 1 and 360 / 2 ** (level + 1) >= width:
        level += 1
    return level
