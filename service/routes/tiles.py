"""OGC API – Tiles: vector tiles of each collection and of all together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.access import Access
from service.faults import MalformedError, UnknownError
from service.links import MVT
from service.query.box import short
from service.query.crs import CRS84
from service.query.question import GENERAL, NARROWING, Question, read_question
from service.registry import Collection
from service.routes.collections import visible
from service.routes.items import headers_of, read_form
from service.routes.tilesets import check_set
from service.store.items import select_version
from service.store.tiles import select_tile
from service.tiles.cache import MadeTile, TileCache
from service.tiles.matrices import LEVELS, Tile, read_tile
from service.web.context import Context, find_collection, find_context
from service.web.direct import DirectRoute
from service.web.headers import takes_gzip
from service.web.shown import is_had, tag_of_shown, unchanged
from service.web.tags import digest

router = APIRouter(tags=["tiles"], route_class=DirectRoute)

ASKED = GENERAL | (NARROWING - {"bbox", "bbox-crs"}) | {"properties"}
ASKED_OF_ALL = GENERAL | {"datetime"}


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
    kept = _kept(context, cache, key, collection)
    made = kept or _make(context, cache, key, collection, allowed, question, tile)
    tag = tag_of_shown(context, [collection], mark, made.version, lambda: [made.digest])
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
    tag = tag_of_shown(context, collections, mark, version, lambda: [made.digest for made in layers])
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
    check_set(matrices)
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
