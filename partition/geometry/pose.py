"""The pose in which a community is divided: its own buildings say where its middle is and which way is ahead.

Reckoning in floating point is not the same in every place and direction: sums differ in their last digits,
ties fall otherwise, arcs begin elsewhere, and in the end another plan comes out. So every community is
divided in a pose that follows from its content alone, on a lattice far coarser than those digits and far
finer than anything drawn. What was drawn then goes back; vertices of the input return to where they were, to
the last digit, and what lies on the community's border is put on it again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Flags, Geometries, Lengths, Numbers

PER_METRE = 1e5  # places of the lattice on one metre: it moves nothing by more than 0.01 mm
MEETS_M = 3e-5  # a vertex this near to a line is on it, and stays on it: ways back are off by less
SAME_M = 1e-9  # a point this near to a place of the lattice was put there
ON_BORDER_M = 4e-5  # a new vertex this near to the community's border lies on it
NUMBERED = re.compile("#[0-9]+", re.ASCII)  # what the check calls a row without id
ALIKE_M2 = 0.01  # buildings whose areas differ by less than this are as large
AS_FAR_M = 0.01  # buildings whose distances differ by less than this are as far away
NEAREST_M = 1.0  # what is nearer than this gives no direction

LAYERS = ("communities", "streets", "buildings", "compounds", "zones")


@dataclass(frozen=True)
class Pose:
    """Where a community was, so that what is drawn of it can go back.

    origin (2,): the place (metres) that is 0, 0 in the pose. ahead (2,): the unit vector that is 1, 0 there.
    known (n,): the vertices of the input on the lattice, ascending, as x + iy; place (n, 2): where they were.
    border: the community's, where it was. row: for each of the parcel's buildings its row in the pose.
    """

    origin: Lengths
    ahead: Lengths
    known: npt.NDArray[np.complex128]
    place: Lengths
    border: shapely.Geometry
    row: Numbers

    def back(self, shapes: Geometries) -> Geometries:
        """Geometries of the pose where they belong. Equal vertices stay equal."""
        return np.asarray(shapely.transform(shapes, self._back))

    def _back(self, points: Lengths) -> Lengths:
        distinct, which = np.unique(_as_complex(points), return_inverse=True)
        points = _as_pairs(distinct)
        nearest = _on_lattice(points)
        key = _as_complex(nearest)
        at = np.minimum(np.searchsorted(self.known, key), len(self.known) - 1)
        known = (self.known[at] == key) & (np.abs(points - nearest).max(axis=1) < SAME_M)
        found = self.origin + _turn(points, self.ahead * (1.0, -1.0))
        found[known] = self.place[at[known]]
        fresh = np.flatnonzero(~known)
        fresh = fresh[shapely.dwithin(shapely.points(found[fresh]), self.border, ON_BORDER_M)]
        along = shapely.line_locate_point(self.border, shapely.points(found[fresh]))
        found[fresh] = shapely.get_coordinates(shapely.line_interpolate_point(self.border, along))
        return np.asarray(found[which.reshape(-1)])


def take_pose(parcel: Area) -> tuple[Area, Pose]:
    """The first community of a parcel with all that concerns it in its pose, and the way back.

    The rows of buildings and streets come in an order of the pose's own; those of compounds and zones keep
    theirs, that of their ids.
    """
    parcel = replace(parcel, communities=parcel.communities.iloc[:1])
    origin, ahead = _bearings(parcel)
    border = shapely.boundary(parcel.communities.geometry.iloc[0])
    layers = {layer: getattr(parcel, layer) for layer in LAYERS}
    shapes = [frame.geometry.to_numpy() for frame in layers.values()]
    places = shapely.get_coordinates(np.concatenate(shapes))
    turned = [np.asarray(shapely.transform(some, lambda xy: _turn(xy - origin, ahead))) for some in shapes]
    known, first = np.unique(_as_complex(_on_lattice(_turn(places - origin, ahead))), return_index=True)
    settled = _settle(turned)
    frames = {
        layer: frame.set_geometry(gpd.GeoSeries(list(some), index=frame.index, crs=frame.crs))
        for (layer, frame), some in zip(layers.items(), settled, strict=True)
    }
    buildings = _number_anew(frames["buildings"])
    rows = _order(buildings, ["atom"])
    frames["buildings"] = _taken(buildings, rows)
    frames["streets"] = _taken(frames["streets"], _order(frames["streets"], ["class", "tunnel", "bridge"]))
    pose = Pose(origin, ahead, known, places[first], border, np.argsort(rows))
    return replace(parcel, **frames), pose


def _bearings(parcel: Area) -> tuple[Lengths, Lengths]:
    """Origin and direction: from the first building to the one that is farthest from it, the first of
    several; by their centres of gravity. The first has the lowest atom; where there are no ids, it is the
    largest.
    """
    community = shapely.get_coordinates(shapely.centroid(parcel.communities.geometry.iloc[0]))[0]
    if not len(parcel.buildings):
        return community, np.array([1.0, 0.0])
    middle, size = _middles(parcel.buildings, community)
    named = _are_named(parcel.buildings)
    first = int(np.argmax(named if named.any() else size >= size.max() - ALIKE_M2))
    ways = np.vstack([middle, np.zeros(2)]) - middle[first]  # the community's, where all is one building
    away = np.hypot(*ways.T)
    farthest = int(np.argmax(away >= away.max() - AS_FAR_M))
    if away[farthest] < NEAREST_M:
        return community + middle[first], np.array([1.0, 0.0])
    return community + middle[first], ways[farthest] / away[farthest]


def _middles(buildings: gpd.GeoDataFrame, origin: Lengths) -> tuple[Lengths, Lengths]:
    """Of each atom, ascending, the centre of gravity (n, 2) and the area."""
    _, atom = np.unique(buildings["atom"].to_numpy(), return_inverse=True)
    shapes = buildings.geometry.to_numpy()
    weight = shapely.area(shapes)
    size: Lengths = np.bincount(atom.reshape(-1), weights=weight).astype(np.float64)
    moment = (shapely.get_coordinates(shapely.centroid(shapes)) - origin) * weight[:, None]
    sums = [np.bincount(atom.reshape(-1), weights=axis) for axis in moment.T]
    return np.stack(sums, axis=1) / size[:, None], size


def _are_named(buildings: gpd.GeoDataFrame) -> Flags:
    """Of each atom, ascending, whether it has an id of its own, not only the number of its row."""
    first = np.unique(buildings["atom"].to_numpy(), return_index=True)[1]
    return np.array([NUMBERED.fullmatch(name) is None for name in buildings["id"].astype(str).iloc[first]])


def _number_anew(buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The buildings of a pose with the atoms that have no id numbered by where they lie, before all others:
    the order of rows in a file says nothing.
    """
    if not len(buildings):
        return buildings
    middle, _ = _middles(buildings, np.zeros(2))
    named = _are_named(buildings)
    order = np.lexsort((np.arange(len(named)), *np.where(named[:, None], 0.0, middle).T, named))
    _, atom = np.unique(buildings["atom"].to_numpy(), return_inverse=True)
    return buildings.assign(atom=np.argsort(order)[atom.reshape(-1)])


def _turn(points: Lengths, ahead: Lengths) -> Lengths:
    """The points (n, 2) as seen by one who looks in this direction."""
    x, y = points[:, 0], points[:, 1]
    return np.stack([x * ahead[0] + y * ahead[1], y * ahead[0] - x * ahead[1]], axis=1)


def _on_lattice(points: Lengths) -> Lengths:
    nearest: Lengths = np.round(points * PER_METRE) / PER_METRE + 0.0  # no -0.0
    return nearest


def _as_complex(points: Lengths) -> npt.NDArray[np.complex128]:
    """Points (n, 2) as numbers that NumPy can sort."""
    return np.ascontiguousarray(points, dtype=np.float64).view(np.complex128).reshape(-1)


def _as_pairs(numbers: npt.NDArray[np.complex128]) -> Lengths:
    return np.stack([numbers.real, numbers.imag], axis=1)


def _order(frame: gpd.GeoDataFrame, first: list[str]) -> Numbers:
    """The order of rows by these columns, then by their geometry."""
    keys = pd.DataFrame(frame[first]).assign(
        wkb=list(shapely.to_wkb(shapely.normalize(frame.geometry.to_numpy())))
    )
    keys.index = pd.RangeIndex(len(keys))
    return keys.sort_values([*first, "wkb"], kind="stable").index.to_numpy(dtype=np.int64)


def _taken(frame: gpd.GeoDataFrame, rows: Numbers) -> gpd.GeoDataFrame:
    taken = frame.take(rows)
    taken.index = pd.RangeIndex(len(rows))
    return taken


# --- on the lattice ---


def _settle(layers: Sequence[Geometries]) -> list[Geometries]:
    """The geometries with all vertices on the lattice; what would not stay valid stays as it is.

    A vertex that lies on a line of another becomes a vertex of that line first: so it does not come off.
    """
    ragged = [shapely.to_ragged_array(some) if len(some) else None for some in layers]
    there = [one for one in ragged if one is not None]
    sizes = np.array([len(one[1]) for one in there])
    base = np.append(0, np.cumsum(sizes))
    ends = np.concatenate([start + one[2][0][1:] for start, one in zip(base, there, strict=False)])
    points = np.concatenate([one[1] for one in there])
    after, more = _meetings(points, ends)
    settled = []
    number = 0
    for some, one in zip(layers, ragged, strict=True):
        if one is None:
            settled.append(some)
            continue
        low, high = base[number], base[number + 1]
        number += 1
        own = (after >= low) & (after < high)
        kind, coords, offsets = one
        put = after[own] - low + 1
        coords = _on_lattice(np.insert(coords, put, more[own], axis=0))
        inner = offsets[0] + np.searchsorted(put, offsets[0], side="right")
        shapes = shapely.from_ragged_array(kind, coords, (inner, *offsets[1:]))
        shapes = shapely.remove_repeated_points(shapes)
        single = (shapely.get_type_id(some) == 3) & (shapely.get_type_id(shapes) == 6)
        shapes[single] = shapely.get_geometry(shapes[single], 0)
        sound = shapely.is_valid(shapes) & ~shapely.is_empty(shapes)
        settled.append(np.where(sound, shapes, some))
    return settled


def _meetings(points: Lengths, ends: Numbers) -> tuple[Numbers, Lengths]:
    """Vertices that lie on segments of which they are no end: the row of the segment's start, ascending, and
    the vertex (n, 2). ends: the row after the last vertex of each line.
    """
    start = np.delete(np.arange(len(points)), ends - 1)
    tree = shapely.STRtree(shapely.linestrings(np.stack([points[start], points[start + 1]], axis=1)))
    vertices = _as_pairs(np.unique(_as_complex(points)))
    vertex, segment = tree.query(shapely.points(vertices), predicate="dwithin", distance=MEETS_M)
    way = points[start[segment] + 1] - points[start[segment]]
    off = vertices[vertex] - points[start[segment]]
    along = (off * way).sum(axis=1) / np.maximum((way**2).sum(axis=1), 1e-18)
    length = np.hypot(*way.T)
    inner = (along * length > MEETS_M) & ((1 - along) * length > MEETS_M)
    vertex, segment, along = vertex[inner], segment[inner], along[inner]
    order = np.lexsort((along, segment))
    return start[segment[order]], vertices[vertex[order]]
