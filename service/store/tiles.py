"""Vector tiles (MVT) made by PostGIS of what the principal may see: geometry, rows and columns of `access`.

Where a tile would hold more than FEATURES_MOST features or SIZE_MOST bytes, the largest are kept (areas by
area, then lines by length), and of points a sample by a fixed order of all: so what one level shows the next
one shows too. Geometry is snapped to the tile's own raster of EXTENT steps; what is smaller than a step is
left out by that.
"""

from __future__ import annotations

from sqlalchemy import Engine

from service.access import Access, Principal
from service.query.condition import Condition, all_of
from service.query.question import Question, condition, selected
from service.registry import Collection, Column
from service.store.items import quoted, version_sql
from service.store.reading import WHO, read_row, who
from service.tiles.cache import MadeTile
from service.tiles.matrices import Tile

EXTENT = 4096
BUFFER = 64  # steps beyond the border, so that outlines drawn along it meet
FEATURES_MOST = 10_000
SIZE_MOST = 500_000  # bytes
NUMBER_MOST = 2**53 - 1  # what JavaScript reads exactly


def select_tile(
    engine: Engine,
    principal: Principal,
    collection: Collection,
    access: Access,
    question: Question,
    tile: Tile,
) -> MadeTile:
    """The tile of what answers the question; no bytes where nothing does."""
    most = FEATURES_MOST
    version, content, found = _read(engine, principal, collection, access, question, tile, most + 1, False)
    if found <= most and len(content) <= SIZE_MOST:
        return MadeTile(version, content)
    if found <= most:
        most = _fewer(found, len(content))
    while True:
        version, content, found = _read(engine, principal, collection, access, question, tile, most, True)
        if len(content) <= SIZE_MOST:
            return MadeTile(version, content, thinned=True)
        most = _fewer(min(most, found), len(content))


def _fewer(features: int, size: int) -> int:
    """How many features should fit, if so many take `size` bytes."""
    return min(features - 1, int(0.9 * features * SIZE_MOST / size))


def _read(
    engine: Engine,
    principal: Principal,
    collection: Collection,
    access: Access,
    question: Question,
    tile: Tile,
    most: int,
    ranked: bool,
) -> tuple[int, bytes, int]:
    rows = all_of(condition(question, collection, access), _near(tile, access))
    columns = selected(question, access)
    names = {column.name for column, _ in columns}
    shape, number = _unused("drawn", names), _unused("row", names)
    told = [f"{_value(column, sql)} as {quoted(column.name)}" for column, sql in columns]
    if collection.by != "row" and "id" not in names:
        told.insert(0, f"{collection.key} as id")
    # numbers of rows count those that are hidden: a number for scripts, made of the feature's own id
    told.append(f"hashtextextended({collection.key}, 0) & {NUMBER_MOST} as {number}")
    # the order of the rows in the table tells which of them changed last, if only in a hidden column; and the
    # same rows are the same bytes, whichever way they were found
    order = f"order by {_rank(collection, access)}" if ranked else "order by t.id"
    sql = f"""
        select v.version, p.tile, p.found
        from {WHO}
        cross join lateral ({version_sql("who.told is not null")}) v
        cross join lateral (
            select st_asmvt(m, :layer, {EXTENT}, '{shape}', '{number}') as tile, count(*) as found
            from (
                select {_drawn(access)} as {shape}, {", ".join(told)}
                from {collection.table} t
                where v.version is not null and {rows.sql}
                {order} limit :most
            ) m
        ) p
    """  # noqa: S608  # identifiers come from the registry only
    parameters = {
        **who(principal),
        **rows.parameters,
        "sources": list(collection.sources),
        "layer": collection.name,
        "most": most,
        "level": tile.level,
        "column": tile.column,
        "row": tile.row,
    }
    version, content, found = read_row(engine, sql, parameters)
    return version, bytes(content or b""), found


def _drawn(access: Access) -> str:
    """SQL of the geometry in steps of the tile."""
    return (
        f"st_asmvtgeom(st_transform({access.geometry}, 3857), "
        f"st_tileenvelope(:level, :column, :row), {EXTENT}, {BUFFER}, true)"
    )


def _near(tile: Tile, access: Access) -> Condition:
    """That a stored geometry's box meets the tile's: what the index finds."""
    west, south, east, north = tile.bounds(BUFFER / EXTENT)
    area = "st_makeenvelope(:tile_w, :tile_s, :tile_e, :tile_n, 4326)"
    near = " or ".join(f"{column} && {area}" for column in access.indexed)
    return Condition(near, {"tile_w": west, "tile_s": south, "tile_e": east, "tile_n": north})


def _rank(collection: Collection, access: Access) -> str:
    """SQL of the order in which features are kept."""
    chance = "hashint8(t.id), t.id"
    if "polygon" in collection.shape:
        return f"st_area({access.geometry}) desc, {chance}"
    if "linestring" in collection.shape:
        return f"st_length({access.geometry}) desc, {chance}"
    if "point" in collection.shape:
        return chance
    return f"st_area({access.geometry}) desc, st_length({access.geometry}) desc, {chance}"


def _value(column: Column, sql: str) -> str:
    """SQL of a value that a tile can hold, written as items write it."""
    match column.kind:
        case "number":
            return f"({sql})::double precision"
        case "date" | "date-time":
            return f"(to_json({sql}) #>> '{{}}')"
        case _:
            return sql


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
