"""A city cut into parcels: one community each, with all of the other layers that concerns it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import shapely

from partition.area import Area
from partition.arrays import Geometries, Lengths, Numbers

NEAR_M = 12.0  # what runs this close outside a community still says what its border runs along


def cut_parcels(area: Area) -> Iterator[Area]:
    """The communities of an area, each as an area of its own, in order; made one after the other.

    A parcel's rows are those of the area in their order: `buildings_by_community` tells which. The cost grows
    with the rows of the area, not with rows × communities. `original_buildings` stays behind.
    """
    rows = buildings_by_community(area)
    boxes, owner = _reach(area, rows)
    streets = _near(area.streets.geometry.to_numpy(), boxes, owner, len(area.communities))
    compounds = _near(area.compounds.geometry.to_numpy(), boxes, owner, len(area.communities))
    zones = _near(area.zones.geometry.to_numpy(), boxes, owner, len(area.communities))
    left = area.original_buildings.iloc[:0]
    for number, own in enumerate(rows):
        buildings = area.buildings.iloc[own].reset_index(drop=True)
        _, atom = np.unique(buildings["atom"].to_numpy(), return_inverse=True)
        yield replace(
            area,
            communities=area.communities.iloc[number : number + 1].reset_index(drop=True),
            streets=area.streets.iloc[streets[number]].reset_index(drop=True),
            buildings=buildings.assign(community=0, atom=atom.reshape(-1)),
            compounds=area.compounds.iloc[compounds[number]].reset_index(drop=True),
            zones=area.zones.iloc[zones[number]].reset_index(drop=True),
            original_buildings=left,
            findings=(),
        )


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
