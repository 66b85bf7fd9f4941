"""The ground that is walked on: the network of streets, and where the homes get on it."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from partition.arrays import Flags, Lengths, Numbers
from partition.geometry.walking import Access, Network, build_network, find_access, walk_to_nearest
from partition.intake.inner import inner_points

OUT_OF_SERVICE = ("missing", "disused")  # conditions of facilities that serve nobody


@dataclass(frozen=True, eq=False)
class Ground:
    """A network in metres, and homes on it. `lay_ground` makes it; it may be asked many questions.

    homes: id (str), grid (str, "" for none), households (float64, NaN where unknown), use (str), geometry
    (points within the buildings, in `crs`), sorted by id and place. doors: where they get on the network.
    """

    crs: pyproj.CRS
    network: Network
    homes: gpd.GeoDataFrame
    doors: Access

    @property
    def households(self) -> Lengths:
        """Households by building, 0 where unknown."""
        known: Lengths = self.homes["households"].fillna(0.0).to_numpy(dtype=np.float64)
        return known

    @property
    def unknown(self) -> Flags:
        """Buildings whose households are not known."""
        missing: Flags = self.homes["households"].isna().to_numpy()
        return missing


@dataclass(frozen=True, eq=False)
class Walks:
    """The walk from each home to the nearest facility, door to door.

    metres: inf where no way leads to any. nearest: row in `facilities`, -1 for none. facilities: those that
    serve, in the order of the frame given, with a fresh index; places: where they get on the network.
    """

    metres: Lengths
    nearest: Numbers
    facilities: gpd.GeoDataFrame
    places: Access


def lay_ground(
    streets: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame, *, crs: pyproj.CRS | None = None
) -> Ground:
    """The walking network of `streets` and the doors of `buildings`.

    streets: class (as in `partition.area`), bridge, tunnel, layer, and single lines; both frames in any CRS.
    buildings: id and, where known, grid, households (NaN: unknown), use; points or polygons. A row is
    counted once; rows of one building carry their households together. crs: in metres; by default that of
    their middle, see `local_crs`. The order of the rows changes nothing.
    """
    metric = crs or local_crs((buildings if len(buildings) else streets).geometry)
    ways = streets.to_crs(metric)
    # a line that two frames give in another order is the same line
    ways = ways.iloc[np.argsort(shapely.to_wkb(ways.geometry.to_numpy()), kind="stable")]
    network = build_network(ways.reset_index(drop=True))
    return Ground(metric, network, *_settle(buildings.to_crs(metric), network))


def local_crs(shapes: gpd.GeoSeries) -> pyproj.CRS:
    """Metres round the middle of `shapes` (any CRS), true to a centimetre a kilometre within 50 km of it."""
    west, south, east, north = shapes.to_crs(4326).total_bounds
    return middle_crs((west + east) / 2, (south + north) / 2)


def middle_crs(lon: float, lat: float) -> pyproj.CRS:
    """Metres round a place, given in degrees, which is rounded to a hundredth."""
    return pyproj.CRS(f"+proj=aeqd +lat_0={lat:.2f} +lon_0={lon:.2f} +datum=WGS84 +units=m")


def _settle(buildings: gpd.GeoDataFrame, network: Network) -> tuple[gpd.GeoDataFrame, Access]:
    points = inner_points(buildings.geometry.to_numpy()) if len(buildings) else np.empty(0, dtype=object)
    homes = gpd.GeoDataFrame(
        {
            "id": _texts(buildings, "id"),
            "grid": _texts(buildings, "grid"),
            "use": _texts(buildings, "use"),
            "households": (
                pd.to_numeric(buildings["households"], errors="raise").astype(float).to_numpy()
                if "households" in buildings
                else np.full(len(buildings), np.nan)
            ),
        },
        geometry=list(points),
        crs=buildings.crs,
    )
    xy = shapely.get_coordinates(points).round(2)
    order = np.lexsort((xy[:, 1], xy[:, 0], homes["id"].to_numpy().astype(str)))
    homes = homes.iloc[order].reset_index(drop=True)
    return homes, find_access(network, homes.geometry.to_numpy())


def _texts(frame: gpd.GeoDataFrame, column: str) -> list[str]:
    if column not in frame:
        return [""] * len(frame)
    values = frame[column].astype(object)
    return [str(value) for value in values.where(values.notna(), "")]


def serving(facilities: gpd.GeoDataFrame) -> Flags:
    """Which of the facilities serve: all but those that are missing or out of use (`condition`)."""
    if "condition" not in facilities:
        return np.ones(len(facilities), dtype=bool)
    out: Flags = ~facilities["condition"].isin(OUT_OF_SERVICE).to_numpy()
    return out


def walk_to_facilities(ground: Ground, facilities: gpd.GeoDataFrame) -> Walks:
    """The walk from every home to the nearest of `facilities` that serves (any CRS and geometry)."""
    own = facilities[serving(facilities)].to_crs(ground.crs).reset_index(drop=True)
    places = find_access(ground.network, shapely.point_on_surface(own.geometry.to_numpy()))
    metres, nearest = walk_to_nearest(ground.network, places, ground.doors)
    return Walks(metres, nearest, own, places)
