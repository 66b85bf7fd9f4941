"""In which grids the buildings of places lie: kept, since it changes with buildings and grids alone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, text

KEPT = 1024  # communities; a hundred places take about 30 kB

Spot = tuple[float, float]

_READ = text("""
    select p.division_code as division, st_x(p.place) as x, st_y(p.place) as y, b.grid_code as grid,
           count(*) as buildings,
           p.era = max(p.era) over (partition by p.division_code) as present
    from case_places p
    join buildings b on b.division_code = p.division_code and b.building_id = p.building_id and b.part = 0
    where p.division_code = any(cast(:divisions as text[])) and b.grid_code is not null
    group by p.division_code, p.era, p.place, b.grid_code
    order by p.division_code, x, y, grid
""")


@dataclass(frozen=True)
class PlaceGrids:
    """The grids of a community's places (degrees), with the number of buildings in each.

    present: the places that cases get now; all: those of cases from other times, too.
    """

    present: Mapping[Spot, Mapping[str, int]] = field(default_factory=dict)
    all: Mapping[Spot, Mapping[str, int]] = field(default_factory=dict)


_kept: WeakKeyDictionary[Engine, OrderedDict[str, tuple[int, PlaceGrids]]] = WeakKeyDictionary()
_lock = threading.Lock()


def read_place_grids(
    connection: Connection, divisions: Sequence[str], version: int
) -> Mapping[str, PlaceGrids]:
    """The grids of the communities' places, by code of the community.

    version: of the collection of buildings, read earlier in this transaction, which must not have changed
    buildings itself. The communities are those that the row policies let the asking principal see.
    """
    found: dict[str, PlaceGrids] = {}
    with _lock:
        mine = _kept.setdefault(connection.engine, OrderedDict())
        for code in divisions:
            kept = mine.get(code)
            if kept is not None and kept[0] == version:
                found[code] = kept[1]
                mine.move_to_end(code)
    lacking = [code for code in divisions if code not in found]
    if not lacking:
        return found
    read = _read(connection, lacking)
    with _lock:
        for code, told in read.items():
            mine[code] = (version, told)
            mine.move_to_end(code)
        while len(mine) > KEPT:
            mine.popitem(last=False)
    return {**found, **read}


def _read(connection: Connection, divisions: Sequence[str]) -> dict[str, PlaceGrids]:
    present: dict[str, dict[Spot, dict[str, int]]] = {code: {} for code in divisions}
    every: dict[str, dict[Spot, dict[str, int]]] = {code: {} for code in divisions}
    for row in connection.execute(_READ, {"divisions": list(divisions)}):
        for told in (every, present) if row.present else (every,):
            counts = told[row.division].setdefault((row.x, row.y), {})
            counts[row.grid] = counts.get(row.grid, 0) + row.buildings
    return {code: PlaceGrids(present[code], every[code]) for code in divisions}
