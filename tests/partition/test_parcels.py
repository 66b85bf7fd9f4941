"""Each community with what concerns it, cut out of an area."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely import LineString, box

from partition.area import Area
from partition.parcels import NEAR_M, buildings_by_community, cut_parcels
from tests.lattice import make_area

HOME, OTHER = box(0, 0, 100, 100), box(1000, 0, 1100, 100)


def area_of(houses: list[shapely.Geometry], community: list[int], streets: list[LineString]) -> Area:
    area = make_area([HOME, OTHER], streets, ["lane"] * len(streets), houses, [5] * len(houses))
    return replace(area, buildings=area.buildings.assign(community=np.array(community)))


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_building_that_reaches_beyond_brings_what_is_near_it(turn: int) -> None:
    def turned(shape: shapely.Geometry) -> shapely.Geometry:
        return shapely.affinity.rotate(shape, 90 * turn, origin=(50, 50))

    far = 100 + NEAR_M + 50
    long, street = turned(box(90, 40, far + 10, 60)), turned(LineString([(far, 0), (far, 100)]))
    other = turned(LineString([(far + 30, 0), (far + 30, 100)]))
    (parcel, _) = cut_parcels(area_of([long, box(1010, 10, 1020, 20)], [0, 1], [street, other]))
    assert parcel.streets.geometry.to_list() == [street]
    short = turned(box(90, 40, 99, 60))
    (parcel, _) = cut_parcels(area_of([short, box(1010, 10, 1020, 20)], [0, 1], [street, other]))
    assert len(parcel.streets) == 0


def test_what_is_near_enough_is_in_the_parcel_in_its_order() -> None:
    near = [LineString([(x, 0), (x, 100)]) for x in (100 + NEAR_M - 1, 50, 100 + NEAR_M + 1, 1050)]
    houses = [box(10, 10, 20, 20), box(1010, 10, 1020, 20), box(30, 30, 40, 40)]
    first, second = cut_parcels(area_of(houses, [0, 1, 0], near))
    assert first.streets.geometry.to_list() == near[:2]
    assert second.streets.geometry.to_list() == near[3:]
    assert first.buildings.geometry.to_list() == [houses[0], houses[2]]
    assert second.buildings.geometry.to_list() == [houses[1]]
    assert first.communities.geometry.to_list() == [HOME]
    assert first.buildings.index.tolist() == [0, 1]
    assert set(first.buildings["community"]) == set(second.buildings["community"]) == {0}


def test_buildings_of_each_community() -> None:
    houses = [box(10, 10, 20, 20)] * 5
    rows = buildings_by_community(area_of(houses, [1, -1, 0, 1, 0], []))
    assert [own.tolist() for own in rows] == [[2, 4], [0, 3]]
