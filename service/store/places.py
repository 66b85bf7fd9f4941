"""The places to which cases are moved. A place once given stays, as long as the case's own point does.

Were it found anew whenever a building came or went, the case would be in both places, and both together may
hold fewer addresses than either.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Connection, Engine, text

from service.privacy.disclosure import rules
from service.privacy.places import Numbers, Places, Points, move_to_places, spread

# communities whose places are kept in memory; a thousand buildings take about 100 kB
KEPT = 512

_BUILDINGS = text("""
    select avg(st_x(p)) as x, avg(st_y(p)) as y
    from (select building_id, st_pointonsurface(geom) as p from buildings where division_code = :division) b
    group by building_id
""")
_CASES = text("""
    select id, st_x(geom) as x, st_y(geom) as y from cases where division_code = :division and place is null
""")
_WRITE = text("""
    update cases c set place = st_setsrid(st_makepoint(n.x, n.y), 4326)
    from unnest(cast(:ids as bigint[]), cast(:xs as float8[]), cast(:ys as float8[])) as n(id, x, y)
    where c.id = n.id
""")
_CLEAR = text("update cases set place = null where division_code = :division and place is not null")


def spread_cases(connection: Connection, division: str, points: Points) -> Points:
    """Cases at their places (degrees, shape (m, 2)), dealt out among the buildings of each place."""
    buildings, stretch = _read_buildings(connection, division)
    return spread(points * stretch, buildings * stretch, rules().floor.addresses) / stretch


def _read_buildings(connection: Connection, division: str) -> tuple[Points, Points]:
    """A point a building in degrees, and what to multiply degrees by for metres' proportions."""
    rows = connection.execute(_BUILDINGS, {"division": division})
    points = np.array([(row.x, row.y) for row in rows], dtype=float).reshape(-1, 2)
    return points, np.array([np.cos(np.radians(points[:, 1].mean())) if len(points) else 1.0, 1.0])


def place_cases(connection: Connection, division: str) -> int:
    """Give cases of the division that have no place theirs; returns how many got one.

    With too few buildings for a place there is none, and those given before are taken back.
    """
    cases = connection.execute(_CASES, {"division": division}).all()
    buildings, stretch = _read_buildings(connection, division)
    least = rules().floor.addresses
    if len(buildings) < least:
        connection.execute(_CLEAR, {"division": division})
        return 0
    points = np.array([(row.x, row.y) for row in cases], dtype=float).reshape(-1, 2)
    places = move_to_places(points * stretch, buildings * stretch, least) / stretch
    found = ~np.isnan(places[:, 0])
    connection.execute(
        _WRITE,
        {
            "ids": [row.id for row, kept in zip(cases, found, strict=True) if kept],
            "xs": np.round(places[found, 0], 7).tolist(),
            "ys": np.round(places[found, 1], 7).tolist(),
        },
    )
    return int(found.sum())


# --- places of cases that come one by one ---


@dataclass(frozen=True)
class _Kept:
    version: int
    places: Places
    stretch: Points


_kept: WeakKeyDictionary[Engine, OrderedDict[str, _Kept]] = WeakKeyDictionary()
_lock = threading.Lock()


def find_places_of(connection: Connection, division: str, points: Points, version: int) -> Points:
    """The places (degrees; NaN: none) of points in the division, equal to those of `place_cases`.

    version: of the collection of buildings, read earlier in this transaction, which must not have changed
    buildings itself. What is kept is never older than its version, so it is never stale.
    """
    kept = _keep(connection, division, version)
    return np.round(kept.places.of(points * kept.stretch) / kept.stretch, 7)


def places_of_buildings(connection: Connection, division: str, points: Points, version: int) -> Points:
    """The places (degrees; NaN: none) at which cases in buildings are told, by a point of each building.

    version: as in `find_places_of`.
    """
    kept = _keep(connection, division, version)
    return np.asarray(np.round(kept.places.of(points * kept.stretch) / kept.stretch, 7))


def deal_cases(
    connection: Connection, division: str, places: Points, counts: Numbers, steps: Numbers, version: int
) -> tuple[Points, Numbers, Numbers]:
    """Numbers of cases at places (degrees) by step, dealt out among the buildings: points, numbers, steps.

    version: as in `find_places_of`.
    """
    kept = _keep(connection, division, version)
    points, dealt, at = kept.places.deal(places * kept.stretch, counts, steps)
    return points / kept.stretch, dealt, at


def _keep(connection: Connection, division: str, version: int) -> _Kept:
    with _lock:
        mine = _kept.setdefault(connection.engine, OrderedDict())
        kept = mine.get(division)
    if kept is None or kept.version != version:
        buildings, stretch = _read_buildings(connection, division)
        kept = _Kept(version, Places(buildings * stretch, rules().floor.addresses), stretch)
        with _lock:
            mine[division] = kept
            mine.move_to_end(division)
            while len(mine) > KEPT:
                mine.popitem(last=False)
    return kept
