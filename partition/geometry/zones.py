"""What stands apart: schools, malls, parks and the like, each a grid of its own (专属网格)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.area import Area
from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.geometry.units import Units, largest_within
from partition.intake.inner import inner_points
from partition.wishes.rules import Profile

COMPLEX = "complex"  # the kind of a zone that counts for more instead of standing apart
LEAST_M2 = 1500.0  # a piece smaller than this, and than half of its zone, is the slip of a pen
SLIP = 0.001  # of a zone's ground that may be in other units
YARD_M = 20.0  # buildings of a use that stands apart are one yard when they are this near
ROOM_M = 3.0  # of ground round such buildings, and half of that before others


@dataclass(frozen=True)
class Mixing:
    """Why a zone is not a grid of its own ground alone. houses: it shares units that cannot be parted with
    `buildings` (ids) that are lived in and stand outside. ground: `share` of it lies in units of other
    ground, which are not cut along its outline. drawn: nothing hinders it, the plan was drawn so.
    """

    zone: str
    cause: Literal["houses", "ground", "drawn"]
    buildings: tuple[str, ...] = ()
    share: float = 0.0


@dataclass(frozen=True)
class Zones:
    """The zones of one community that stand apart, in order: ids, and disjoint polygons in metres."""

    ids: tuple[str, ...]
    shapes: Geometries

    @classmethod
    def nowhere(cls) -> Zones:
        """No zone at all."""
        return cls((), np.empty(0, dtype=object))

    def __len__(self) -> int:
        return len(self.ids)

    def of_points(self, points: Geometries) -> Numbers:
        """The zone that holds each point, -1 for none."""
        found = np.full(len(points), -1, dtype=np.int64)
        if len(self):
            point, zone = shapely.STRtree(self.shapes).query(points, predicate="intersects")
            order = np.lexsort((-zone, point))
            found[point[order]] = zone[order]
        return found

    def are_outside(self, buildings: gpd.GeoDataFrame) -> Flags:
        """The buildings that are lived in, and lie in no zone by their inner points."""
        lived = buildings["households"].to_numpy() > 0
        outside = self.of_points(inner_points(buildings.geometry.to_numpy())) < 0
        return np.asarray(lived & outside, dtype=np.bool_)

    def of_units(self, units: Units, buildings: gpd.GeoDataFrame) -> Numbers:
        """The zone of each unit, -1 for none: a unit is the zone's that holds its largest face, or that holds
        more than half of the unit's ground; in either case no building that is lived in lies outside.
        """
        found = np.full(len(units), -1, dtype=np.int64)
        if len(self):
            share = self._ground(units)
            own = self._claimed(units, share)
            own[units.building_unit[self.are_outside(buildings) & (units.building_unit >= 0)]] = False
            found[own] = share.argmax(axis=1)[own]
        return found

    def mixings(self, units: Units, buildings: gpd.GeoDataFrame) -> tuple[Mixing, ...]:
        """Why zones have ground in units that are not their own (see `of_units`), in the zones' order."""
        if not len(self):
            return ()
        ground, own = self._ground(units), self.of_units(units, buildings)
        claimed = self._claimed(units, ground)
        outside = self.are_outside(buildings)
        ids = buildings["id"].to_numpy().astype(str)
        found = []
        for number, name in enumerate(self.ids):
            elsewhere = (ground[:, number] > 0) & (own != number)
            held = elsewhere & claimed & (ground.argmax(axis=1) == number)
            if held.any():
                beside = ids[outside & np.isin(units.building_unit, np.flatnonzero(held))]
                found.append(Mixing(name, "houses", tuple(sorted(set(beside.tolist())))))
                continue
            faces = units.blocks.faces[own[units.unit] == number]
            inside = shapely.area(shapely.intersection(faces, self.shapes[number])).sum()
            share = 1.0 - float(inside) / float(shapely.area(self.shapes[number]))
            if share > SLIP:
                found.append(Mixing(name, "ground", share=share))
        return tuple(found)

    def _ground(self, units: Units) -> Lengths:
        """The m² of each zone in each unit, by whole faces, shape (units, zones)."""
        faces, unit = units.blocks.faces, units.unit
        area = shapely.area(faces)
        zone = self.of_points(shapely.point_on_surface(faces))
        share = np.zeros((len(units), len(self)))
        np.add.at(share, (unit[zone >= 0], zone[zone >= 0]), area[zone >= 0])
        return share

    def _claimed(self, units: Units, share: Lengths) -> Flags:
        """The units that are a zone's by their ground."""
        largest = np.zeros(len(units), dtype=bool)
        largest[units.unit[largest_within(units.blocks.faces, self.shapes)]] = True
        return np.asarray((share.max(axis=1) > units.area_m2 / 2) | (largest & (share.max(axis=1) > 0)))


def with_outlines(streets: gpd.GeoDataFrame, shapes: Geometries) -> gpd.GeoDataFrame:
    """The streets, and the outlines of some ground among them. Where an outline runs beside a street, the
    strip between them is no unit, and joins the ground.
    """
    if not len(shapes):
        return streets
    lines = shapely.get_parts(shapely.boundary(shapes))
    rows = {"class": "outline", "bridge": False, "tunnel": False, "layer": 0, "oneway": False, "name": ""}
    further = gpd.GeoDataFrame(rows, geometry=list(lines), index=range(len(lines)), crs=streets.crs)
    return pd.concat([streets, further], ignore_index=True)


def find_zones(area: Area, number: int, profile: Profile) -> Zones:
    """What stands apart in a community by the profile; where zones overlap, the first has the ground."""
    community = area.communities.geometry.iloc[number]
    ids: list[str] = []
    shapes: list[shapely.Geometry] = []
    taken = shapely.Polygon()
    for name, shape in _wanted(area, number, profile):
        piece = shapely.difference(shapely.intersection(shape, community), taken)
        parts = shapely.get_parts(piece)
        polygons = parts[shapely.get_dimensions(parts) == 2]
        large = polygons[shapely.area(polygons) >= min(LEAST_M2, shape.area / 2)]
        if len(large):
            ids.append(name)
            shapes.append(shapely.union_all(large))
            taken = shapely.union(taken, shapes[-1])
    return Zones(tuple(ids), np.array(shapes, dtype=object))


def _wanted(area: Area, number: int, profile: Profile) -> Iterator[tuple[str, shapely.Geometry]]:
    rule = profile.zones
    if rule is None:
        return
    for zone in area.zones.itertuples():
        if zone.kind in rule.kinds if rule.kinds else zone.kind != COMPLEX:
            yield str(zone.id), zone.geometry
    for compound in area.compounds.itertuples():
        if {str(compound.id), compound.name} & set(rule.compounds):
            yield str(compound.id), compound.geometry
    yield from _yards(area.buildings[area.buildings["community"] == number], rule.uses)


def _yards(buildings: gpd.GeoDataFrame, uses: tuple[str, ...]) -> Iterator[tuple[str, shapely.Geometry]]:
    """The ground of buildings that are used so, by groups that stand near each other; called by the first."""
    chosen = np.flatnonzero(buildings["use"].isin(uses).to_numpy())
    if not len(chosen):
        return
    footprints = buildings.geometry.to_numpy()
    own, others = footprints[chosen], np.delete(footprints, chosen)
    a, b = shapely.STRtree(own).query(own, predicate="dwithin", distance=YARD_M)
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(own), len(own)))
    count, yard = connected_components(links, directed=False)
    ids = buildings["id"].to_numpy().astype(str)[chosen]
    for number in range(count):
        members = own[yard == number]
        ground = shapely.buffer(
            shapely.buffer(shapely.union_all(members), YARD_M / 2 + ROOM_M), -YARD_M / 2, join_style="mitre"
        )
        beside = others[shapely.dwithin(others, ground, ROOM_M)] if len(others) else others
        kept = shapely.difference(ground, shapely.buffer(shapely.union_all(beside), ROOM_M / 2))
        yield str(ids[yard == number][0]), shapely.union(kept, shapely.union_all(members))
