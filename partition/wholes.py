"""What should stay whole: compounds and yards, and village groups, as units of a community."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely

from partition.area import Area
from partition.arrays import Geometries, Numbers
from partition.atoms import Wish
from partition.rules import Profile
from partition.units import Units


def find_wishes(units: Units, area: Area, buildings: gpd.GeoDataFrame, profile: Profile) -> tuple[Wish, ...]:
    """The compounds and the village groups of one community that lie in more than one unit; the hard ones
    first, those of the rule (`estates_whole`, `village_groups`).

    buildings: the community's rows. A compound is the units that hold its buildings (by their inner points),
    and those that lie in it for the most part.
    """
    compounds = _compounds(units, area.compounds, buildings)
    groups = _village_groups(units, buildings)
    wishes = [
        *(Wish(name, members, "estates_whole" in profile.wishes) for name, members in compounds),
        *(Wish(name, members, "village_groups" in profile.wishes) for name, members in groups),
    ]
    return tuple(sorted((wish for wish in wishes if len(wish.units) > 1), key=lambda wish: not wish.hard))


def mixes_wholes(units: Units, area: Area, buildings: gpd.GeoDataFrame, profile: Profile) -> Numbers:
    """The units that hold buildings of several things that the rule keeps whole."""
    marks = []
    if "estates_whole" in profile.wishes and len(area.compounds):
        marks.append(compound_of(buildings, area.compounds.geometry.to_numpy()))
    if "village_groups" in profile.wishes:
        names = buildings["village_group"].to_numpy().astype(str)
        marks.append(np.unique(names, return_inverse=True)[1].reshape(-1) - (names == "").any())
    mixed = np.zeros(len(units), dtype=bool)
    for mark in marks:
        there = (mark >= 0) & (units.building_unit >= 0)
        pairs = np.unique(np.stack([units.building_unit[there], mark[there]], axis=1), axis=0)
        mixed |= np.bincount(pairs[:, 0], minlength=len(units)) > 1
    return np.flatnonzero(mixed)


def compound_of(buildings: gpd.GeoDataFrame, compounds: Geometries) -> Numbers:
    """The compound that holds each building's inner point, -1 for none; of several, the first."""
    found = np.full(len(buildings), -1, dtype=np.int64)
    points = shapely.point_on_surface(buildings.geometry.to_numpy())
    point, compound = shapely.STRtree(compounds).query(points, predicate="intersects")
    order = np.lexsort((-compound, point))
    found[point[order]] = compound[order]
    return found


def mark_units(wishes: tuple[Wish, ...], count: int) -> Numbers:
    """The wish that each of `count` units belongs to, the first of several; -1 for none."""
    found = np.full(count, -1, dtype=np.int64)
    for number in range(len(wishes) - 1, -1, -1):
        found[wishes[number].units] = number
    return found


def _compounds(
    units: Units, compounds: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame
) -> list[tuple[str, Numbers]]:
    if not len(compounds):
        return []
    shapes = compounds.geometry.to_numpy()
    points = shapely.point_on_surface(buildings.geometry.to_numpy())
    building, holder = shapely.STRtree(shapes).query(points, predicate="intersects")
    unit = units.building_unit[building]
    inside = np.zeros((len(units), len(shapes)))
    face, around = shapely.STRtree(shapes).query(
        shapely.point_on_surface(units.blocks.faces), predicate="intersects"
    )
    np.add.at(inside, (units.unit[face], around), shapely.area(units.blocks.faces)[face])
    belongs = inside > units.area_m2[:, None] / 2
    belongs[unit[unit >= 0], holder[unit >= 0]] = True
    settled = np.isin(np.arange(len(shapes)), holder)
    names = compounds["id"].to_numpy().astype(str)
    return [(names[c], np.flatnonzero(belongs[:, c])) for c in np.flatnonzero(settled)]


def _village_groups(units: Units, buildings: gpd.GeoDataFrame) -> list[tuple[str, Numbers]]:
    names = buildings["village_group"].to_numpy().astype(str)
    placed = (names != "") & (units.building_unit >= 0)
    return [
        (name, np.unique(units.building_unit[placed & (names == name)]))
        for name in np.unique(names[placed]).tolist()
    ]
