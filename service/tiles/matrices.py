"""Tile matrix sets (OGC 17-083r4): which tiles there are, and where each lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from service.query.crs import MERCATOR, MERCATOR_M, Extent, mercator_degrees

if TYPE_CHECKING:
    from morecantile import TileMatrixSet

NAME = "WebMercatorQuad"
LEVELS = 25  # 0 to 24: there a tile is 2.4 m wide
NORTH = 85.0511287798066  # where the square of Web Mercator ends


@dataclass(frozen=True)
class Tile:
    """One tile of WebMercatorQuad: level, column from the west, row from the north."""

    level: int
    column: int
    row: int

    def bounds(self, margin: float = 0.0) -> Extent:
        """West, south, east, north in degrees, wider on each side by `margin` of the tile's width."""
        width = 2 * MERCATOR_M / 2**self.level
        left, top = self.column * width - MERCATOR_M, MERCATOR_M - self.row * width
        more = margin * width
        west, south = mercator_degrees(max(left - more, -MERCATOR_M), max(top - width - more, -MERCATOR_M))
        east, north = mercator_degrees(min(left + width + more, MERCATOR_M), min(top + more, MERCATOR_M))
        return west, south, east, north


def read_tile(level: str, row: str, column: str) -> Tile | None:
    """The tile of that address; None if there is none."""
    numbers = [int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
               for text in (level, column, row)]  # fmt: skip
    tile = Tile(*numbers)
    if not 0 <= tile.level < LEVELS:
        return None
    if not (0 <= tile.column < 2**tile.level and 0 <= tile.row < 2**tile.level):
        return None
    return tile


@cache
def definition() -> Mapping[str, Any]:
    """WebMercatorQuad as the standard writes it."""
    matrices: dict[str, Any] = _set().model_dump(mode="json", exclude_none=True, by_alias=True)
    matrices["tileMatrices"] = matrices["tileMatrices"][:LEVELS]
    matrices["crs"] = MERCATOR.uri
    return matrices


def limits(extent: Extent) -> list[dict[str, int | str]]:
    """The tiles of each level that the extent (degrees) reaches into."""
    west, south, east, north = extent
    south, north = max(south, -NORTH), min(north, NORTH)
    found: list[dict[str, int | str]] = []
    for level in range(LEVELS):
        first, last = _set().tile(west, north, level), _set().tile(east, south, level)
        most = 2**level - 1
        found.append(
            {
                "tileMatrix": str(level),
                "minTileRow": min(max(first.y, 0), most),
                "maxTileRow": min(max(last.y, 0), most),
                "minTileCol": min(max(first.x, 0), most),
                "maxTileCol": min(max(last.x, 0), most),
            }
        )
    return found


@cache
def _set() -> TileMatrixSet:
    from morecantile import tms

    return tms.get(NAME)
