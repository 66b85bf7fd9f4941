"""Where a facility could stand: buildings of a fitting use, and street corners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
import shapely

from layers.reach.ground import Ground
from partition.arrays import Geometries, Numbers
from partition.geometry.linework import WALKABLE
from partition.geometry.walking import Access, Network, find_access
from partition.texts import LANGUAGES, Language, catalogue

Places = Literal["both", "buildings", "corners"]

# uses (words of files among them) of buildings that a service could move into
FITTING = frozenset(
    {
        *("mixed", "shop", "service", "service_station", "office", "public", "civic", "commercial", "retail"),
        *(
            "government",
            "community_centre",
            "商住",
            "商业",
            "商铺",
            "办公",
            "公共",
            "公建",
            "服务",
            "综合",
            "底商",
        ),
    }
)
CORNER_WAYS = 3  # ways that meet at a corner
CORNER_APART_M = 20.0  # corners nearer to each other are one
NAMED_M = 15.0  # a corner is called by the streets this near
BESIDE_M = 60.0  # or by the building this near


@dataclass(frozen=True, eq=False)
class Sites:
    """Candidates, buildings first, by id; then corners from west to east.

    frame: id (a building's, or `corner:` and a number), place ("building" | "corner"), label_zh, label_en,
    geometry (points in the ground's CRS). access: where they get on the network.
    """

    frame: gpd.GeoDataFrame
    access: Access

    def __len__(self) -> int:
        return len(self.frame)

    def label(self, site: int) -> Mapping[Language, str]:
        """What the candidate is called."""
        return {lang: str(self.frame[f"label_{lang}"].iloc[site]) for lang in LANGUAGES}


def list_sites(
    ground: Ground, streets: gpd.GeoDataFrame, division: gpd.GeoSeries, *, places: Places = "both"
) -> Sites:
    """The candidates within `division` (any CRS, as `streets`: class, name).

    Buildings are those of the ground's homes whose use is in FITTING; corners are where CORNER_WAYS or more
    ways meet on the ground.
    """
    area = shapely.make_valid(division.to_crs(ground.crs).union_all())
    names = _Names.of(ground, streets)
    ids: list[str] = []
    kinds: list[str] = []
    labels: list[Mapping[Language, str]] = []
    points: list[Geometries] = []
    if places != "corners":
        rows = _fitting(ground, area)
        own = ground.homes.geometry.to_numpy()[rows]
        points.append(own)
        ids += ground.homes["id"].to_numpy()[rows].tolist()
        kinds += ["building"] * len(rows)
        labels += [names.of_building(id, point) for id, point in zip(ids, own, strict=True)]
    if places != "buildings":
        own = _corners(ground.network, area)
        points.append(own)
        ids += [f"corner:{number}" for number in range(1, len(own) + 1)]
        kinds += ["corner"] * len(own)
        labels += [names.of_corner(point) for point in own]
    every = np.concatenate(points)
    frame = gpd.GeoDataFrame(
        {"id": ids, "place": kinds, **{f"label_{lang}": [one[lang] for one in labels] for lang in LANGUAGES}},
        geometry=list(every),
        crs=ground.crs,
    )
    return Sites(frame, find_access(ground.network, every))


def _fitting(ground: Ground, area: shapely.Geometry) -> Numbers:
    """Rows of the ground's buildings of a fitting use, each building once."""
    words = ground.homes["use"].astype(str).str.strip().str.lower()
    fits = words.isin(FITTING).to_numpy() & shapely.intersects(area, ground.homes.geometry.to_numpy())
    rows = np.flatnonzero(fits)
    first = np.unique(ground.homes["id"].to_numpy()[rows].astype(str), return_index=True)[1]
    return rows[np.sort(first)].astype(np.int64)


def _corners(network: Network, area: shapely.Geometry) -> Geometries:
    """Where ways meet on the ground, from west to east."""
    ends = np.concatenate([network.start[network.open], network.end[network.open]])
    ways = np.bincount(ends, minlength=len(network))
    nodes = network.nodes[ways >= CORNER_WAYS]
    nodes = nodes[np.lexsort((nodes[:, 1].round(2), nodes[:, 0].round(2)))]
    points: Geometries = shapely.points(nodes)
    points = points[shapely.intersects(area, points)]
    tree = shapely.STRtree(points)
    one, other = tree.query(points, predicate="dwithin", distance=CORNER_APART_M)
    kept = np.ones(len(points), dtype=bool)
    for a, b in sorted(zip(one.tolist(), other.tolist(), strict=True)):
        if a < b and kept[a]:
            kept[b] = False
    return points[kept]


@dataclass(frozen=True, eq=False)
class _Names:
    """What places are called: by the named streets near them, or by a building."""

    tree: shapely.STRtree
    names: list[str]
    buildings: shapely.STRtree
    ids: list[str]

    @classmethod
    def of(cls, ground: Ground, streets: gpd.GeoDataFrame) -> _Names:
        ways = streets[streets["class"].isin(WALKABLE)].to_crs(ground.crs)
        names = ways["name"].fillna("").astype(str).str.strip() if "name" in ways else None
        named = ways[names != ""] if names is not None else ways.iloc[:0]
        return cls(
            shapely.STRtree(named.geometry.to_numpy()),
            [] if names is None else names[names != ""].tolist(),
            shapely.STRtree(ground.homes.geometry.to_numpy()),
            ground.homes["id"].tolist(),
        )

    def near(self, point: shapely.Point, within: float) -> list[str]:
        """Names of the streets within so many metres, nearest first."""
        rows = self.tree.query(point, predicate="dwithin", distance=within)
        found = sorted((round(self.tree.geometries[row].distance(point), 1), self.names[row]) for row in rows)
        return list(dict.fromkeys(name for _, name in found))

    def of_building(self, id: str, point: shapely.Point) -> Mapping[Language, str]:
        streets = self.near(point, BESIDE_M)
        key = "reach.site_building_on" if streets else "reach.site_building"
        return _both(key, id=id, street=streets[0] if streets else "")

    def of_corner(self, point: shapely.Point) -> Mapping[Language, str]:
        streets = self.near(point, NAMED_M)
        if len(streets) > 1:
            return _both("reach.site_corner", one=streets[0], other=streets[1])
        rows = self.buildings.query_nearest(point, max_distance=BESIDE_M, all_matches=False)
        beside = self.ids[int(rows[0])] if len(rows) else ""
        if streets:
            key = "reach.site_corner_on_by" if beside else "reach.site_corner_on"
            return _both(key, one=streets[0], id=beside)
        return _both("reach.site_corner_by" if beside else "reach.site_corner_somewhere", id=beside)


def _both(key: str, **values: object) -> Mapping[Language, str]:
    texts = catalogue("layers")
    return {lang: texts.say(key, lang, **values) for lang in LANGUAGES}
