"""Networks of ways round a point, kept in the memory of this process as long as the streets are the same.

To make a network of all ways within a walk of two kilometres takes longer than to walk on it. So it is made
for a square of a hundredth of a degree and everything that can be reached from there, and serves whoever asks
from within the square. As with tiles, it is kept with the version of what it was made of.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from service.access import Access
from service.query.box import Box
from service.store.centre import select_version
from service.store.walks import select_ways

if TYPE_CHECKING:
    from partition.geometry.walking import Network

SQUARE = 0.01  # degrees
DEGREE_M = 110_500.0  # of latitude, where it is shortest
AROUND = 1.25  # ways may lead a little out of the circle
KEPT = 12


@dataclass(frozen=True)
class Ways:
    """The network of a square; crs: metres round its middle, as PROJ text."""

    network: Network
    crs: str


class Networks:
    """The networks that were used last, of walks up to `reach_m` metres."""

    def __init__(self, reach_m: float, most: int = KEPT) -> None:
        self.reach_m = reach_m
        self._kept: OrderedDict[tuple[object, ...], tuple[int, Ways]] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def around(self, connection: Connection, streets: Access, lon: float, lat: float) -> Ways:
        """The network round a point (degrees), of the ways that the principal may see."""
        column, row = math.floor(lon / SQUARE), math.floor(lat / SQUARE)
        version = select_version(connection, ("divisions", "grids", "streets"))
        key = (streets.fingerprint, column, row)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept[0] == version:
                self._kept.move_to_end(key)
                return kept[1]
        made = self._made(connection, streets, (column + 0.5) * SQUARE, (row + 0.5) * SQUARE)
        with self._lock:
            self._kept[key] = (version, made)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made

    def _made(self, connection: Connection, streets: Access, lon: float, lat: float) -> Ways:
        from partition.geometry.walking import build_network

        high = SQUARE / 2 + AROUND * self.reach_m / DEGREE_M
        wide = SQUARE / 2 + AROUND * self.reach_m / DEGREE_M / max(
            math.cos(math.radians(min(abs(lat) + high, 89.0))), 0.01
        )
        box = Box(lon - wide, lat - high, lon + wide, lat + high)
        crs = f"+proj=aeqd +lat_0={lat!r} +lon_0={lon!r} +datum=WGS84 +units=m"
        return Ways(build_network(select_ways(connection, streets, box).to_crs(crs)), crs)
