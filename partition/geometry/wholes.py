"""What should stay whole: compounds and yards, and village groups, as units of a community."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import shapely

from partition.area import Area
from partition.arrays import Lengths, Numbers
from partition.geometry.units import Units
from partition.intake.inner import inner_points
from partition.solver.atoms import Wish
from partition.wishes.loads import total_loads
from partition.wishes.rules import Profile, Size


def find_wishes(units: Units, area: Area, buildings: gpd.GeoDataFrame, profile: Profile) -> tuple[Wish, ...]:
    """The compounds and the village groups of one community that lie in more than one unit; the hard ones
    first, those of the rule (`estates_whole`, `village_groups`).

    buildings: the community's rows. A compound is the units that hold its buildings (by their inner points),
    and those that lie in it for the most part.
    """
    compounds = _compounds(units, area.compounds, buildings)
    groups = _village_groups(units, buildings)
    wishes = [
        *(Wish(name, members, "estates_whole" in profile.wishes) for _, name, members in compounds),
        *(
            Wish(name, members, "village_groups" in profile.wishes, "village_group")
            for name, members in groups
        ),
    ]
    return tuple(sorted((wish for wish in wishes if len(wish.units) > 1), key=lambda wish: not wish.hard))


def mixes_groups(units: Units, buildings: gpd.GeoDataFrame, profile: Profile) -> Numbers:
    """The units that hold buildings of several village groups, where the rule keeps these whole."""
    if "village_groups" not in profile.wishes:
        return np.empty(0, dtype=np.int64)
    names = buildings["village_group"].to_numpy().astype(str)
    there = (names != "") & (units.building_unit >= 0)
    _, group = np.unique(names[there], return_inverse=True)
    pairs = np.unique(np.stack([units.building_unit[there], group.reshape(-1)], axis=1), axis=0)
    return np.flatnonzero(np.bincount(pairs[:, 0], minlength=len(units)) > 1)


def crowded_compounds(
    units: Units, area: Area, buildings: gpd.GeoDataFrame, sizes: Sequence[Size], load: Lengths
) -> Numbers:
    """The compounds that a grid could hold, but not with the others in their blocks; their walls could help.

    load: of the units, one column for each of the sizes.
    """
    upper = np.array([size.upper for size in sizes])
    points = inner_points(buildings.geometry.to_numpy())
    found = []
    for number, _, members in _compounds(units, area.compounds, buildings):
        if (load[members].sum(axis=0) > upper).any():
            inside = shapely.intersects(area.compounds.geometry.iloc[number], points)
            ground = np.array([area.compounds.geometry.iloc[number].area])
            own = total_loads(buildings, sizes, np.where(inside, 0, -1), ground)[0]
            if (own <= upper).all():
                found.append(number)
    return np.array(found, dtype=np.int64)


def mark_units(wishes: tuple[Wish, ...], count: int) -> Numbers:
    """The wish that each of `count` units belongs to, the first of several; -1 for none."""
    found = np.full(count, -1, dtype=np.int64)
    for number in range(len(wishes) - 1, -1, -1):
        found[wishes[number].units] = number
    return found


def _compounds(
    units: Units, compounds: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame
) -> list[tuple[int, str, Numbers]]:
    """The compounds with buildings: number, id, units."""
    if not len(compounds):
        return []
    shapes = compounds.geometry.to_numpy()
    points = inner_points(buildings.geometry.to_numpy())
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
    names = compounds["id"].astype(str).to_list()
    return [(c, names[c], np.flatnonzero(belongs[:, c])) for c in np.flatnonzero(settled).tolist()]


def _village_groups(units: Units, buildings: gpd.GeoDataFrame) -> list[tuple[str, Numbers]]:
    names = buildings["village_group"].to_numpy().astype(str)
    placed = (names != "") & (units.building_unit >= 0)
    return [
        (name, np.unique(units.building_unit[placed & (names == name)]))
        for name in np.unique(names[placed]).tolist()
    ]
