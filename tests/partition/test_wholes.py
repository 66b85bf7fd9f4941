"""What should stay whole, on a row of units drawn by hand."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
from shapely import box

from partition.area import Area
from partition.geometry.blocks import Blocks, Borders
from partition.geometry.units import Units
from partition.geometry.wholes import crowded_compounds, find_wishes, mark_units, mixes_groups
from partition.solver.atoms import Wish
from partition.wishes.loads import weigh_area
from partition.wishes.rules import Profile, Size
from tests.lattice import CRS, make_area

SIZE = Size("households", 10, 50, 100)
PLAIN = Profile("test", SIZE)
NONE = np.empty(0, dtype=np.int64)


def row(houses: list[tuple[float, int]], groups: list[str] | None = None, **compounds) -> tuple[Units, Area]:
    """Four units of 100 m side by side, houses at x with households; compounds from x to x by id."""
    feet = [box(x - 5, 40, x + 5, 60) for x, _ in houses]
    held = np.array([households for _, households in houses])
    area = make_area([box(0, 0, 400, 100)], [], [], feet, held)
    estates = gpd.GeoDataFrame(
        {"id": list(compounds), "name": ""},
        geometry=[box(a, 0, b, 100) for a, b in compounds.values()],
        crs=CRS,
    )
    buildings = area.buildings.assign(village_group=[""] * len(houses) if groups is None else groups)
    faces = np.array([box(100 * n, 0, 100 * n + 100, 100) for n in range(4)], dtype=object)
    borders = Borders(NONE, NONE, np.empty(0), NONE, np.empty(0, dtype=bool), np.zeros(4))
    unit = np.array([int(x // 100) if x >= 0 else -1 for x, _ in houses])
    households = np.bincount(unit[unit >= 0], weights=held[unit >= 0], minlength=4).astype(np.int64)
    units = Units(Blocks(faces, borders), np.arange(4), households, np.full(4, 1e4), unit)
    return units, replace(area, buildings=buildings, compounds=estates)


def wished(units: Units, area: Area, *wishes: str) -> list[tuple[str, list[int], bool]]:
    found = find_wishes(units, area, area.buildings, replace(PLAIN, wishes=wishes))
    return [(wish.name, wish.units.tolist(), wish.hard) for wish in found]


def test_a_compound_is_the_units_of_its_houses_and_of_most_of_its_ground() -> None:
    units, area = row([(20, 5), (380, 5)], E1=(0, 140), E2=(0, 151), E3=(350, 400), E4=(150, 250))
    # E1 holds a house in the first unit alone, E3 in the last; nobody lives in E4
    assert wished(units, area) == [("E2", [0, 1], False)]
    assert wished(units, area, "estates_whole") == [("E2", [0, 1], True)]
    across, area = row([(20, 5), (120, 5)], E1=(0, 140))
    assert wished(across, area) == [("E1", [0, 1], False)]


def test_village_groups_are_the_units_of_their_houses_and_hard_ones_come_first() -> None:
    units, area = row(
        [(20, 5), (120, 5), (220, 5), (320, 5), (340, 5)], ["B", "B", "A", "A", ""], E1=(100, 300)
    )
    assert wished(units, area) == [("E1", [1, 2], False), ("A", [2, 3], False), ("B", [0, 1], False)]
    assert wished(units, area, "village_groups") == [
        ("A", [2, 3], True),
        ("B", [0, 1], True),
        ("E1", [1, 2], False),
    ]
    alone, area = row([(20, 5), (40, 5)], ["A", "A"])
    assert wished(alone, area) == []


def test_houses_without_a_unit_wish_nothing() -> None:
    units, area = row([(20, 5), (120, 5)], ["A", "A"], E1=(0, 200))
    lost = replace(units, building_unit=np.array([0, -1]))
    assert wished(lost, area) == [("E1", [0, 1], False)]  # by its ground
    assert find_wishes(lost, replace(area, compounds=area.compounds.iloc[:0]), area.buildings, PLAIN) == ()


def test_units_that_mix_groups_are_told_where_the_rule_keeps_groups() -> None:
    units, area = row(
        [(20, 5), (40, 5), (120, 5), (140, 5), (220, 5), (240, 5)], ["A", "B", "A", "A", "B", ""]
    )
    kept = replace(PLAIN, wishes=("village_groups",))
    assert mixes_groups(units, area.buildings, kept).tolist() == [0]
    assert mixes_groups(units, area.buildings, PLAIN).tolist() == []


@pytest.mark.parametrize(
    ("own", "others", "crowded"), [(100, 1, True), (101, 0, False), (60, 40, False), (60, 41, True)]
)
def test_a_compound_that_fits_alone_but_not_with_its_block_is_crowded(
    own: int, others: int, crowded: bool
) -> None:
    units, area = row([(20, own), (80, others)], E1=(0, 50))
    weighed, _ = weigh_area(area, PLAIN)
    load = units.households[:, None].astype(float)
    found = crowded_compounds(units, weighed, weighed.buildings, (SIZE,), load)
    assert found.tolist() == ([0] if crowded else [])


def test_of_several_wishes_the_first_marks_a_unit() -> None:
    wishes = (Wish("a", np.array([1, 2])), Wish("b", np.array([2, 3])), Wish("c", np.array([4])))
    assert mark_units(wishes, 6).tolist() == [-1, 0, 0, 1, 2, -1]
    assert mark_units((), 2).tolist() == [-1, -1]
