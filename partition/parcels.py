"""A city cut into parcels: one community each, with all of the other layers that concerns it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area, call_buildings
from partition.arrays import Geometries, Lengths, Numbers

BESIDE_M = 1.0  # communities this near to each other touch
NEAR_M = 12.0  # what runs this close outside a community still says what its border runs along


def cut_parcels(area: Area) -> Iterator[Area]:
    """The communities of an area, each as an area of its own, in order; made one after the other.

    The first of a parcel's communities is its own; those beside it follow, for their names.

    A parcel's rows are those of the area in their order: `buildings_by_community` tells which.
    `original_buildings` stays behind. The cost grows with the rows of the area, not with rows × communities.
    """
    rows = buildings_by_community(area)
    boxes, owner = _reach(area, rows)
    streets = _near(area.streets.geometry.to_numpy(), boxes, owner, len(area.communities))
    compounds = _near(area.compounds.geometry.to_numpy(), boxes, owner, len(area.communities))
    zones = _near(area.zones.geometry.to_numpy(), boxes, owner, len(area.communities))
    left = area.original_buildings.iloc[:0]
    buildings = area.buildings.assign(community=0, atom=_atoms(area), called=call_buildings(area))
    beside = _beside(area.communities.geometry.to_numpy())
    for number, own in enumerate(rows):
        yield replace(
            area,
            communities=_take(area.communities, beside[number]),
            streets=_take(area.streets, streets[number]),
            buildings=_take(buildings, own),
            compounds=_take(area.compounds, compounds[number]),
            zones=_take(area.zones, zones[number]),
            original_buildings=left,
            findings=(),
        )


def _beside(communities: Geometries) -> list[Numbers]:
    """Each community, and after it those that touch it, ascending."""
    one, other = shapely.STRtree(communities).query(communities, predicate="dwithin", distance=BESIDE_M)
    order = np.lexsort((other, one != other, one))
    return np.split(other[order], np.searchsorted(one[order], np.arange(1, len(communities))))


def _atoms(area: Area) -> Numbers:
    """The atom of each building, numbered from 0 in each community in the order they have."""
    community, atom = area.buildings["community"].to_numpy(), area.buildings["atom"].to_numpy()
    order = np.lexsort((atom, community))
    fresh = np.ones(len(order), dtype=np.int64)
    fresh[1:] = (np.diff(community[order]) != 0) | (np.diff(atom[order]) != 0)
    number = np.cumsum(fresh) - 1
    first = np.searchsorted(community[order], community[order])  # where its community begins
    found = np.empty(len(order), dtype=np.int64)
    found[order] = number - number[first]
    return found


def _take(frame: gpd.GeoDataFrame, rows: Numbers) -> gpd.GeoDataFrame:
    """Some rows of a frame, numbered anew."""
    taken = frame.take(rows)
    taken.index = pd.RangeIndex(len(rows))
    return taken


def buildings_by_community(area: Area) -> list[Numbers]:
    """The rows of `area.buildings` in each community, ascending."""
    community = area.buildings["community"].to_numpy()
    order = np.argsort(community, kind="stable")
    starts = np.searchsorted(community[order], np.arange(len(area.communities) + 1))
    return np.split(order, starts)[1:-1]


def _reach(area: Area, rows: list[Numbers]) -> tuple[Geometries, Numbers]:
    """Boxes (metres) that hold all that concerns each community: round it, and round each of its buildings
    that reaches beyond. With the community of each box.
    """
    home = shapely.bounds(area.communities.geometry.to_numpy()) + NEAR_M * np.array([-1, -1, 1, 1])
    order = np.concatenate([np.empty(0, dtype=np.int64), *rows])
    community = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    bounds: Lengths = shapely.bounds(area.buildings.geometry.to_numpy()[order])
    inside = (bounds[:, :2] >= home[community, :2]).all(axis=1) & (bounds[:, 2:] <= home[community, 2:]).all(
        axis=1
    )
    boxes = np.concatenate([home, bounds[~inside]])
    return np.asarray(shapely.box(*boxes.T)), np.concatenate([np.arange(len(rows)), community[~inside]])


def _near(shapes: Geometries, boxes: Geometries, owner: Numbers, count: int) -> list[Numbers]:
    """The rows of the shapes whose own box meets a box of each of `count` owners, ascending."""
    box, shape = shapely.STRtree(shapes).query(boxes)
    pairs = np.unique(np.column_stack([owner[box], shape]), axis=0)
    return np.split(pairs[:, 1], np.searchsorted(pairs[:, 0], np.arange(1, count)))
