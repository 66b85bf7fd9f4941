"""Facilities of the sample community: public services at their houses, and the furniture of its streets."""

from __future__ import annotations

import geopandas as gpd
import shapely
from shapely.geometry import LineString, Point

from data.town import Town, Way, along, bend_point

# Kinds whose place is the house of that quarter.
HOUSED = {
    "service_station": "社区服务站",
    "clinic": "社区卫生服务站",
    "school": "样例小学",
    "kindergarten": "样例幼儿园",
    "elderly_care": "养老服务站",
    "market": "文昌农贸市场",
    "police": "社区警务室",
    "toilet": "公共厕所",
}
# Kind, classes of street, spacing along it and distance from its middle, both in metres.
SPACED = (
    ("lamp", ("arterial", "secondary", "local"), 34.0, 6.0),
    ("lamp", ("lane",), 40.0, 2.2),
    ("manhole", ("secondary", "local"), 46.0, -1.5),
    ("manhole", ("lane",), 62.0, 0.5),
    ("hydrant", ("secondary", "local"), 115.0, -6.2),
    ("bin", ("secondary", "local"), 90.0, -5.4),
)
BUS_STOPS = (
    ("文昌大道站", (18, 244)),
    ("文昌大道站", (18, 480)),
    ("人民路站", (300, 311)),
    ("河东站", (700, 290)),
    ("东环路站", (824, 250)),
)
CHARGING = (
    ("江畔花园充电棚", (672, 322)),
    ("文昌小区充电棚", (326, 552)),
    ("家属院充电棚", (524, 214)),
    ("沿街充电棚", (106, 206)),
)
BIN_PLACES = (
    *((732, 342), (728, 448), (732, 548), (321, 348), (321, 404), (321, 480), (321, 540), (472, 192)),
    *((472, 250), (108, 104), (106, 190), (106, 220), (106, 340), (106, 370), (475, 74), (484, 38)),
    *((736, 46), (736, 110), (728, 190), (728, 224), (458, 342), (455, 400), (262, 150), (352, 150)),
    *((262, 50), (330, 250)),
)
# Of every so many of a kind one is not in order, counted from south to north.
WORN = {
    "lamp": (17, "damaged"),
    "camera": (13, "damaged"),
    "hydrant": (9, "blocked"),
    "manhole": (34, "missing"),
    "bin": (19, "damaged"),
    "charging": (4, "disused"),
}
WALKED = ("arterial", "secondary", "local", "lane", "path")


def _junctions(ways: list[tuple[Way, LineString]]) -> list[Point]:
    """Where three or more pieces of street meet, in order from south to north."""
    ends: dict[tuple[float, float], int] = {}
    for way, line in ways:
        if way.class_ not in WALKED or way.tunnel:
            continue
        last = len(line.coords) - 1
        for k, place in enumerate(line.coords):
            ends[place] = ends.get(place, 0) + (1 if k in (0, last) else 2)
    return [
        Point(place) for place, count in sorted(ends.items(), key=lambda item: item[0][::-1]) if count >= 3
    ]


def place_facilities(town: Town) -> gpd.GeoDataFrame:
    """id, kind, name, condition and point (metres of the plan) of everything inside the border."""
    rows: list[tuple[str, str, Point]] = []
    for kind, name in HOUSED.items():
        spots = [house.shape.representative_point() for house in town.houses if house.quarter == kind]
        rows += [(kind, name, spot) for spot in (spots[:1] if kind == "school" else spots)]
    rows += [("park", name, ground.representative_point()) for name, ground in town.parks]
    rows += [("bus_stop", name, bend_point(place)) for name, place in BUS_STOPS]
    rows += [("charging", name, bend_point(place)) for name, place in CHARGING]
    rows += [("camera", "", Point(gate.x + 2, gate.y + 2)) for gate in town.gates]
    for junction in _junctions(town.ways):
        near = [spot for kind, _, spot in rows if kind == "camera" and spot.distance(junction) < 25]
        if not near:
            rows.append(("camera", "", Point(junction.x + 5, junction.y + 5)))
    for kind, classes, spacing, offset in SPACED:
        for way, line in town.ways:
            if way.class_ in classes and not way.tunnel and not way.bridge:
                rows += [(kind, "", spot) for spot in along(line, spacing, offset)]
    rows += [("bin", "", bend_point(place)) for place in BIN_PLACES]
    walls = shapely.union_all([house.shape for house in town.houses]).buffer(0.3)
    inside = [
        (kind, name, spot)
        for kind, name, spot in rows
        if town.border.contains(spot) and (kind in HOUSED or not walls.contains(spot))
    ]
    conditions = _conditions([kind for kind, _, _ in inside], [spot for _, _, spot in inside])
    return gpd.GeoDataFrame(
        {
            "id": [f"F{k:04d}" for k in range(1, len(inside) + 1)],
            "kind": [kind for kind, _, _ in inside],
            "name": [name for _, name, _ in inside],
            "condition": conditions,
        },
        geometry=[spot for _, _, spot in inside],
    )


def _conditions(kinds: list[str], spots: list[Point]) -> list[str]:
    """good, or for some of the furniture what is wrong with it."""
    found = ["good"] * len(kinds)
    for kind, (every, word) in WORN.items():
        own = sorted((spot.y, spot.x, k) for k, spot in enumerate(spots) if kinds[k] == kind)
        for _, _, k in own[every // 2 :: every]:
            found[k] = word
    return found
