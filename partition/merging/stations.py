"""Service stations (社区服务站、党群服务中心) and who reaches them on foot."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Geometries, Lengths, Numbers
from partition.geometry.walking import Access, Network, find_access, walk_distances, walk_to_nearest
from partition.intake.columns import read_texts
from partition.intake.inner import inner_points

# kinds of facilities that are service stations; facilities of other kinds are none
STATION_KINDS = (
    "service_station",
    "community_centre",
    "社区服务站",
    "社区服务中心",
    "党群服务中心",
    "党群服务站",
    "便民服务站",
    "居委会",
    "社区居委会",
)
PLACES = 5  # proposed for a station in a community that has none
AT_ONCE = 32  # stations walked from at once, for the sake of memory


@dataclass(frozen=True)
class Stations:
    """Where the service stations are, or could be.

    frame: id, name, kind ("" for a place that is only proposed), geometry (points in the area's CRS).
    community: of each, by number.
    """

    frame: gpd.GeoDataFrame
    community: Numbers

    def __len__(self) -> int:
        return len(self.community)


@dataclass(frozen=True)
class Reach:
    """Who reaches which station within the limit.

    home: rows of the area's buildings that households live in. beyond (communities, stations): households of
    a community that do not reach the station. walk (communities, stations): household-metres of those that
    do. nearest: metres from each home to the nearest station of all, inf where no way leads to any.
    """

    limit_m: float
    home: Numbers
    doors: Access
    places: Access
    beyond: Lengths
    walk: Lengths
    nearest: Lengths


def find_stations(area: Area, facilities: gpd.GeoDataFrame | None) -> Stations:
    """The service stations among the facilities (kind, and id, name where known; any geometry, in the area's
    CRS). A community without one gets PLACES proposed ones: at the building nearest to the middle of its
    households, and at others as far apart as can be.
    """
    frames, homes = [], []
    if facilities is not None and len(facilities):
        kinds = np.array(read_texts(facilities["kind"]), dtype=object)
        station = np.isin(kinds.astype(str), STATION_KINDS)
        own = facilities[station]
        points = shapely.point_on_surface(own.geometry.to_numpy())
        community = _locate(area, points)
        inside = community >= 0
        ids = read_texts(own["id"]) if "id" in own else [""] * len(own)
        names = read_texts(own["name"]) if "name" in own else [""] * len(own)
        table = {"id": ids, "name": names, "kind": kinds[station]}
        frames.append(gpd.GeoDataFrame(table, geometry=list(points), crs=area.crs)[inside])
        homes.append(community[inside])
    known = np.concatenate(homes) if homes else np.empty(0, dtype=np.int64)
    bare = np.setdiff1d(np.arange(len(area.communities)), known)
    proposed, theirs = _proposed(area, bare)
    frame = pd.concat([*frames, proposed], ignore_index=True)
    community = np.concatenate([known, theirs]).astype(np.int64)
    xy = shapely.get_coordinates(frame.geometry.to_numpy()).round(3)
    order = np.lexsort((xy[:, 1], xy[:, 0], frame["id"].to_numpy().astype(str), community))
    return Stations(frame.iloc[order].reset_index(drop=True), community[order])


def _locate(area: Area, points: Geometries) -> Numbers:
    found = np.full(len(points), -1, dtype=np.int64)
    if len(points):
        point, community = area.communities.sindex.query(points, predicate="intersects")
        order = np.lexsort((-community, point))
        found[point[order]] = community[order]
    return found


def _proposed(area: Area, bare: Numbers) -> tuple[gpd.GeoDataFrame, Numbers]:
    """PLACES places in each community that has no station, and their communities."""
    points: list[Geometries] = []
    names: list[str] = []
    homes: list[int] = []
    community = area.buildings["community"].to_numpy()
    weight = area.buildings["households"].to_numpy()
    inner = inner_points(area.buildings.geometry.to_numpy())
    for number in bare.tolist():
        own = np.flatnonzero((community == number) & (weight > 0))
        own = own if len(own) else np.flatnonzero(community == number)
        places = inner[own[_spread(shapely.get_coordinates(inner[own]), weight[own])]]
        if not len(own):
            places = np.array([shapely.point_on_surface(area.communities.geometry.iloc[number])])
        points.append(places)
        names += [f"{area.communities['id'].iloc[number]}/{place + 1}" for place in range(len(places))]
        homes += [number] * len(places)
    every = list(np.concatenate(points)) if points else []
    frame = gpd.GeoDataFrame({"id": names, "name": "", "kind": ""}, geometry=every, crs=area.crs)
    return frame, np.array(homes, dtype=np.int64)


def _spread(xy: Lengths, weight: Numbers) -> Numbers:
    """Up to PLACES of the points: the one nearest to the middle of the households, then always the one
    farthest from those taken (Gonzalez 1985).
    """
    if not len(xy):
        return np.empty(0, dtype=np.int64)
    middle = np.average(xy, axis=0, weights=np.maximum(weight, 1e-9))
    taken = [int(np.argmin(np.hypot(*(xy - middle).T).round(3)))]
    apart = np.hypot(*(xy - xy[taken[0]]).T).round(3)
    while len(taken) < PLACES and apart.max() > 0:
        taken.append(int(np.argmax(apart)))
        apart = np.minimum(apart, np.hypot(*(xy - xy[taken[-1]]).T).round(3))
    return np.array(taken, dtype=np.int64)


def measure_reach(area: Area, network: Network, stations: Stations, limit_m: float) -> Reach:
    """Walk from every station to every home."""
    weight = area.buildings["households"].to_numpy()
    community = area.buildings["community"].to_numpy()
    home = np.flatnonzero((weight > 0) & (community >= 0))
    doors = find_access(network, inner_points(area.buildings.geometry.to_numpy()[home]))
    places = find_access(network, stations.frame.geometry.to_numpy())
    count = len(area.communities)
    beyond = np.zeros((count, len(stations)))
    walk = np.zeros((count, len(stations)))
    nearest, _ = walk_to_nearest(network, places, doors)
    for begin in range(0, len(stations), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        metres = walk_distances(network, places.take(some), doors, limit_m=limit_m)
        for station, row in enumerate(metres, start=begin):
            far = np.isinf(row)
            here, held = community[home], weight[home]
            beyond[:, station] = np.bincount(here, weights=np.where(far, held, 0), minlength=count)
            walk[:, station] = np.bincount(here, weights=np.where(far, 0, row) * held, minlength=count)
    return Reach(limit_m, home, doors, places, beyond, walk, nearest)
