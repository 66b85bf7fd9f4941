"""The ground below the centre's map: streets, water and names, and the buildings of what is looked at.

Kept below `BYTES_MOST` before it is packed, for a whole city too: lines are drawn within a metre of where
they lie, further apart only where that is not enough, then the least ways are left out, and at the very last
the shortest of what is left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection

from service.access import Principal
from service.centre.place import Division
from service.query.box import Box
from service.store import centre as store
from service.store.centre import Street

BYTES_MOST = 600_000
BUILDINGS_MOST = 6_000
METRES = (1.0, 2.0, 4.0)
# what is left out first, where all is too much
LEAST = (("path",), ("path", "wall"), ("path", "wall", "lane"), ("path", "wall", "lane", "local"))
COARSER = (8.0, 16.0, 32.0)
NAMES_SHARE = 0.25  # of the bytes, where even that is too much
_METRES_A_DEGREE = 111_320.0
_BESIDE = 500  # bytes of what the answer tells besides lines and names
_WHERE = ("streets", "bridges", "tunnels")
# one after another until it is little enough: ways are left out before corners are cut that one sees
_WAYS: tuple[tuple[float, tuple[str, ...]], ...] = (
    *((metres, ()) for metres in METRES),
    *((METRES[-1], left) for left in LEAST),
    *((metres, LEAST[-1]) for metres in COARSER),
)


def draw_ground(connection: Connection, principal: Principal, division: Division) -> dict[str, Any]:
    """Streets, water and names of the division."""
    import shapely

    streets = store.select_streets(connection, principal, division.codes)
    outlines = shapely.from_wkb(store.select_outlines(connection, principal, division.codes))
    bounds = np.round(shapely.total_bounds(outlines), 6).tolist()
    drawn: dict[str, Any] = {}
    room, last = BYTES_MOST - _BESIDE, 0.0
    for metres, left in _WAYS:
        if metres != last:
            drawn = _drawn([street for street in streets if street.kind not in left], metres)
        drawn, last = _without(drawn, left), metres
        truncated = _size(drawn) > room
        if not truncated:
            break
    if truncated:
        drawn = _longest(drawn, bounds)
    return {
        "bounds": bounds,
        **drawn,
        "buildings": {},
        "simplified_m": metres,
        "left_out": list(left),
        "truncated": truncated,
    }


def _size(told: object) -> int:
    """Bytes as they are sent, unpacked."""
    return len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())


def _without(drawn: Mapping[str, Any], left: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        where: {kind: lines for kind, lines in drawn[where].items() if kind not in left} for where in _WHERE
    }
    return {**found, "names": [entry for entry in drawn["names"] if entry["class"] not in left]}


def _longest(drawn: Mapping[str, Any], bounds: Sequence[float]) -> dict[str, Any]:
    """As many of the longest lines, and names, as there is room for."""
    stretch = float(np.cos(np.radians((bounds[1] + bounds[3]) / 2)))
    room = BYTES_MOST - _BESIDE
    names, entries = int(NAMES_SHARE * room), []
    for entry in drawn["names"]:
        names -= _size(entry) + 1
        if names < 0:
            break
        entries.append(entry)
    found: dict[str, Any] = {where: {kind: [] for kind in drawn[where]} for where in _WHERE}
    room -= _size({**found, "names": entries})
    every = [
        (-_length(line, stretch), where, kind, place)
        for where in _WHERE
        for kind, lines in drawn[where].items()
        for place, line in enumerate(lines)
    ]
    for _, where, kind, place in sorted(every):
        line = drawn[where][kind][place]
        room -= _size(line) + 1
        if room < 0:
            break
        found[where][kind].append(line)
    return {**found, "names": entries}


def _length(line: Sequence[int], stretch: float) -> float:
    """Length of a packed line, in whichever unit."""
    steps = np.array(line, dtype=float).reshape(-1, 2)[1:] * (1.0, stretch)
    return float(np.hypot(steps[:, 0], steps[:, 1]).sum())


def draw_buildings(
    connection: Connection, principal: Principal, division: Division, box: Box
) -> dict[str, Any]:
    """The buildings of the division in a box; the largest, if there are too many."""
    import shapely

    from layers.base_map import use_group
    from layers.coordinates import packed

    found, more = store.select_footprints(connection, principal, division.codes, box, BUILDINGS_MOST)
    shapes: dict[str, list[Any]] = {}
    for use, wkb in found:
        shapes.setdefault(use_group(use), []).append(shapely.from_wkb(wkb))
    buildings = {use: packed(shapes[use]) for use in sorted(shapes)}
    return {"buildings": buildings, "truncated": more}


def _drawn(streets: Sequence[Street], metres: float) -> dict[str, Any]:
    from layers.coordinates import packed_lines

    found: dict[str, dict[str, Any]] = {"streets": {}, "bridges": {}, "tunnels": {}}
    groups: dict[tuple[str, str], list[Street]] = {}
    for street in streets:
        where = "tunnels" if street.tunnel else "bridges" if street.bridge else "streets"
        groups.setdefault((where, street.kind), []).append(street)
    for where, kind in sorted(groups):
        found[where][kind] = packed_lines(_simple(groups[where, kind], metres))
    return {**found, "names": _names(streets, metres)}


def _names(streets: Sequence[Street], metres: float) -> list[dict[str, Any]]:
    """One entry a name and class, walls left out, the longest first."""
    import shapely

    from layers.coordinates import packed_lines

    named: dict[tuple[str, str], list[Street]] = {}
    for street in streets:
        if street.name.strip() and street.kind != "wall":
            named.setdefault((street.name.strip(), street.kind), []).append(street)
    entries = []
    for (name, kind), rows in named.items():
        # names are set along a line roughly
        lines = _simple(rows, 2 * metres)
        entries.append((-float(shapely.length(lines).sum()), name, kind, lines))
    entries.sort(key=lambda entry: entry[:3])
    return [{"name": name, "class": kind, "lines": packed_lines(lines)} for _, name, kind, lines in entries]


def _simple(streets: Sequence[Street], metres: float) -> Any:
    """The lines joined where they meet end to end, with fewer vertices: within so many metres of them."""
    import shapely

    lines = shapely.from_wkb(np.array([street.wkb for street in streets], dtype=object))
    latitude = float(shapely.total_bounds(lines)[[1, 3]].mean())
    stretch = np.array([np.cos(np.radians(latitude)), 1.0])
    merged = shapely.line_merge(shapely.multilinestrings(shapely.get_parts(lines)))
    even = shapely.transform(merged, lambda at: at * stretch)
    fewer = shapely.simplify(even, metres / _METRES_A_DEGREE, preserve_topology=False)
    return shapely.get_parts(shapely.transform(fewer, lambda at: at / stretch))
