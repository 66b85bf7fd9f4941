"""OGC API – Tiles: vector tiles of each collection and of all together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from service.access import Access
from service.faults import MalformedError, UnknownError
from service.links import JSON, MVT, OGC_REL, SCHEMA, link
from service.query.box import short
from service.query.crs import CRS84, MERCATOR, Extent
from service.query.question import GENERAL, NARROWING, Question, read_question
from service.registry import Collection
from service.routes.collections import answer_json, path_of, visible
from service.routes.items import headers_of, read_form
from service.store.items import select_version
from service.store.tiles import FEATURES_MOST, SIZE_MOST, select_tile
from service.tiles.cache import MadeTile, TileCache
from service.tiles.matrices import LEVELS, NAME, Tile, definition, limits, read_tile
from service.web.context import Context, InContext, find_collection, find_context
from service.web.feature_schema import describe_features
from service.web.headers import takes_gzip
from service.web.origins import joined, origin_of
from service.web.shown import is_had, tag_of_shown, unchanged
from service.web.tags import digest

router = APIRouter(tags=["tiles"])

TILEJSON = "application/json"
ASKED = GENERAL | (NARROWING - {"bbox", "bbox-crs"}) | {"properties"}
ASKED_OF_ALL = GENERAL | {"datetime"}
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
    _check_set(matrices)
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
    _check_set(matrices)
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
    _check_set(matrices)
    collection, allowed = find_collection(context, name)
    return _tileset(
        context,
        f"{path_of(collection)}/tiles",
        getattr(collection, context.lang),
        [(collection, allowed)],
        query.f == "tilejson",
    )


def _check_set(name: str) -> None:
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


# --- tiles ---


@router.get(
    "/collections/{name}/tiles/{matrices}/{level}/{row}/{column}",
    summary="A vector tile",
    response_class=Response,
)
def show_collection_tile(
    request: Request, name: str, matrices: str, level: str, row: str, column: str
) -> Response:
    """Features in a tile as MVT, as the asking role may see them; 204 where there are none."""
    context = find_context(request)
    collection, allowed = find_collection(context, name)
    tile = _find_tile(matrices, level, row, column)
    parameters = dict(request.query_params)
    read_form(parameters, ("mvt",))
    question = read_question(parameters, collection, allowed, known=ASKED)
    asked = _canonical(parameters)
    key = (collection.table, collection.name, context.principal.role, allowed.fingerprint, tile, asked)
    mark = digest(allowed, collection.table, request.url.path, asked)
    known = unchanged(context, [collection], mark)
    if known is not None:
        return Response(status_code=304, headers=_headers(context, [collection], known))
    cache: TileCache = request.app.state.tiles
    made = _kept(context, cache, key, collection)
    if made is None:
        made = _make(context, cache, key, collection, allowed, question, tile)
    tag = tag_of_shown(context, [collection], mark, made.version, made.digest)
    headers = _headers(context, [collection], tag)
    if is_had(context, tag):
        return Response(status_code=304, headers=headers)
    gzipped = bool(made.content) and takes_gzip(request)
    if gzipped and not made.packed:
        made = made.pack()
        cache.keep(key, made)
    return _answer(made, headers, gzipped)


@router.get(
    "/tiles/{matrices}/{level}/{row}/{column}",
    summary="A vector tile of several collections",
    response_class=Response,
)
def show_tile(request: Request, matrices: str, level: str, row: str, column: str) -> Response:
    """A tile with a layer for each collection; `collections` says which."""
    context = find_context(request)
    tile = _find_tile(matrices, level, row, column)
    parameters = dict(request.query_params)
    read_form(parameters, ("mvt",))
    chosen = _choose(context, parameters.pop("collections", None))
    questions = [
        read_question(parameters, collection, allowed, known=ASKED_OF_ALL) for collection, allowed in chosen
    ]
    asked = _canonical(parameters)
    mark = digest(
        chosen[0][1],
        request.url.path,
        asked,
        *(f"{collection.table} {collection.name} {allowed.fingerprint}" for collection, allowed in chosen),
    )
    collections = [collection for collection, _ in chosen]
    known = unchanged(context, collections, mark)
    if known is not None:
        return Response(status_code=304, headers=_headers(context, collections, known))
    sources = tuple({source for collection in collections for source in collection.sources})
    # asked before the tiles are: what they hold is never older than their tag
    version = select_version(context.engine, context.principal, sources)
    cache: TileCache = request.app.state.tiles
    layers: list[MadeTile] = []
    for (collection, allowed), question in zip(chosen, questions, strict=True):
        key = (collection.table, collection.name, context.principal.role, allowed.fingerprint, tile, asked)
        kept = _kept(context, cache, key, collection)
        layers.append(kept or _make(context, cache, key, collection, allowed, question, tile))
    # layers one after the other are a tile
    content = b"".join(made.content for made in layers)
    tag = tag_of_shown(context, collections, mark, version, *(made.digest for made in layers))
    headers = _headers(context, collections, tag)
    if is_had(context, tag):
        return Response(status_code=304, headers=headers)
    made = MadeTile(version, content, any(made.thinned for made in layers))
    gzipped = bool(content) and takes_gzip(request)
    return _answer(made.pack() if gzipped else made, headers, gzipped)


def _kept(context: Context, cache: TileCache, key: Hashable, collection: Collection) -> MadeTile | None:
    """The tile of the version that is now, if it was made."""
    if not cache.holds(key):
        return None
    return cache.take(key, select_version(context.engine, context.principal, collection.sources))


def _make(
    context: Context,
    cache: TileCache,
    key: Hashable,
    collection: Collection,
    allowed: Access,
    question: Question,
    tile: Tile,
) -> MadeTile:
    """The tile as it is now, made once for all who ask for it meanwhile."""
    with cache.turn(key) as waited:
        if waited:
            version = select_version(context.engine, context.principal, collection.sources)
            made = cache.take(key, version)
            if made is not None:
                return made
        made = select_tile(context.engine, context.principal, collection, allowed, question, tile)
        cache.keep(key, made)
        return made


def _find_tile(matrices: str, level: str, row: str, column: str) -> Tile:
    _check_set(matrices)
    tile = read_tile(level, row, column)
    if tile is None:
        raise UnknownError("tile", place=short(f"{level}/{row}/{column}"), most=LEVELS - 1)
    return tile


def _canonical(parameters: Mapping[str, str]) -> str:
    """What is asked, the same for any order of the parameters; language and form change no tile."""
    return urlencode(sorted((name, value) for name, value in parameters.items() if name not in GENERAL))


def _choose(context: Context, names: str | None) -> list[tuple[Collection, Access]]:
    if names is None:
        return visible(context)
    chosen = list(dict.fromkeys(names.split(",")))
    if len(chosen) > len(visible(context)):
        raise MalformedError("parameter-value", name="collections", value=short(names), choice="…")
    return [find_collection(context, name) for name in chosen]


def _headers(context: Context, collections: Sequence[Collection], tag: str) -> dict[str, str]:
    dearest = next((one for one in collections if one.sensitivity == "cases"), collections[0])
    headers = headers_of(context, dearest, tag, CRS84)
    del headers["Content-Crs"]
    return headers


def _answer(made: MadeTile, headers: dict[str, str], gzipped: bool) -> Response:
    if made.thinned:
        headers["Wangge-Thinned"] = "true"
    if not made.content:
        return Response(status_code=204, headers=headers)
    headers["Vary"] += ", Accept-Encoding"
    if gzipped:
        headers["Content-Encoding"] = "gzip"
        return Response(made.packed, media_type=MVT, headers=headers)
    return Response(made.content, media_type=MVT, headers=headers)
