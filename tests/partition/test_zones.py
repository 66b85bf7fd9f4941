"""What stands apart: which ground it has, which units, and why it is not alone on them."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import box

from partition.area import Area
from partition.geometry.blocks import Blocks, Borders
from partition.geometry.units import Units
from partition.geometry.zones import Mixing, Zones, _yards, find_zones, with_outlines
from partition.wishes.policy import Profile, Size
from partition.wishes.rules import ZoneRule
from tests.lattice import CRS, make_area

PROFILE = Profile("test", Size("households", 100, 150, 200))


def array(*shapes: shapely.Geometry) -> np.ndarray:
    return np.array(shapes, dtype=object)


def zones(**shapes: shapely.Geometry) -> Zones:
    return Zones(tuple(shapes), array(*shapes.values()))


def units(*of_face: int, buildings: tuple[int, ...] = ()) -> Units:
    """Faces of 10 m in a row, their units, and those of the buildings."""
    faces = array(*(box(10 * n, 0, 10 * n + 10, 10) for n in range(len(of_face))))
    none, unit = np.empty(0, np.int64), np.array(of_face)
    borders = Borders(none, none, np.empty(0), none, np.empty(0, bool), np.full(len(faces), 40.0))
    area = np.bincount(unit, weights=shapely.area(faces))
    return Units(Blocks(faces, borders), unit, np.zeros(len(area), int), area, np.array(buildings, dtype=int))


def houses(**rows: tuple[float, int]) -> gpd.GeoDataFrame:
    """By id, the middle and the households; each 2 m wide."""
    shapes = [box(x - 1, 4, x + 1, 6) for x, _ in rows.values()]
    return gpd.GeoDataFrame({"id": list(rows), "households": [n for _, n in rows.values()]}, geometry=shapes)


NOBODY = houses()


def test_points_lie_in_the_first_of_the_zones_that_hold_them() -> None:
    two = zones(a=box(0, 0, 10, 10), b=box(10, 0, 20, 10))
    points = shapely.points([(5, 5), (15, 5), (10, 5), (25, 5)])
    assert two.of_points(points).tolist() == [0, 1, 0, -1]
    assert Zones.nowhere().of_points(points).tolist() == [-1] * 4
    assert (len(two), len(Zones.nowhere())) == (2, 0)


def test_outside_is_who_is_lived_in_and_in_no_zone() -> None:
    rows = houses(inside=(5, 3), outside=(15, 3), empty=(25, 0), one=(35, 1))
    assert zones(a=box(0, 0, 10, 10)).are_outside(rows).tolist() == [False, True, False, True]


def test_a_unit_is_a_zone_s_by_its_largest_face_or_more_than_half_its_ground() -> None:
    two = zones(a=box(0, 0, 10, 10), b=box(20, 0, 44, 10))
    assert two.of_units(units(0, 1, 2, 3, 4, 5), NOBODY).tolist() == [0, -1, 1, 1, -1, -1]
    # of a larger unit half is not enough, but for the zone's largest face
    assert two.of_units(units(0, 0, 1, 2, 2, 3), NOBODY).tolist() == [0, 1, -1, -1]
    assert two.of_units(units(0, 0, 0, 1, 1, 1), NOBODY).tolist() == [0, -1]
    more = zones(b=box(20, 0, 54, 10))
    assert more.of_units(units(0, 0, 1, 2, 2, 2), NOBODY).tolist() == [-1, 0, 0]
    assert Zones.nowhere().of_units(units(0, 1), NOBODY).tolist() == [-1, -1]


def test_a_unit_with_a_household_outside_is_no_zone_s() -> None:
    two = zones(a=box(0, 0, 10, 10), b=box(20, 0, 40, 10))
    rows = houses(h1=(15, 2), h2=(25, 2), h3=(5, 2))
    # the first stands outside in the unit of a's ground, the others in their zones
    assert two.of_units(units(0, 0, 1, 1, buildings=(0, 1, 0)), rows).tolist() == [-1, 1]
    assert two.of_units(units(0, 0, 1, 1, buildings=(-1, 1, 0)), rows).tolist() == [0, 1]
    rows["households"] = 0
    assert two.of_units(units(0, 0, 1, 1, buildings=(0, 1, 0)), rows).tolist() == [0, 1]


def test_why_a_zone_is_not_alone_on_its_ground() -> None:
    three = zones(a=box(0, 0, 10, 10), b=box(20, 0, 44, 10), c=box(50, 0, 60, 10))
    rows = houses(h9=(15, 2), h2=(12, 1), empty=(18, 0), inside=(5, 2), c1=(55, 2))
    laid = units(0, 0, 1, 2, 3, 4, buildings=(0, 0, 0, 0, 4))
    assert three.mixings(laid, rows) == (
        Mixing("a", "houses", ("h2", "h9")),
        Mixing("b", "ground", share=pytest.approx(1 / 6)),
    )
    alone = units(0, 1, 2, 3, 4, 5, buildings=(1, 1, 1, 0, 5))
    assert zones(a=box(0, 0, 10, 10), c=box(50, 0, 60, 10)).mixings(alone, rows) == ()
    assert Zones.nowhere().mixings(alone, rows) == ()
    # a slip of the pen is no ground of others; a zone without any unit of its own is all in theirs
    for width, told in ((10.009, ()), (10.02, (Mixing("a", "ground", share=pytest.approx(0.02 / 10.02)),))):
        assert zones(a=box(0, 0, width, 10)).mixings(alone, rows) == told
    small = zones(a=box(12, 2, 14, 4))
    assert small.mixings(alone, rows) == (Mixing("a", "ground", share=1.0),)
    # who stands outside of one zone's unit does not hinder another
    both = zones(a=box(0, 0, 10, 10), b=box(20, 0, 30, 10))
    assert both.mixings(units(0, 0, 1, 2, 3, 4, buildings=(0, 0, 0, 0, 4)), rows) == (
        Mixing("a", "houses", ("h2", "h9")),
    )


def test_the_outlines_of_ground_run_among_the_streets() -> None:
    area = make_area([box(0, 0, 100, 100)], [shapely.LineString([(0, 5), (99, 5)])], ["lane"], [], [])
    assert with_outlines(area.streets, array()) is area.streets
    ring = box(10, 10, 40, 40).difference(box(20, 20, 30, 30))
    more = with_outlines(area.streets, array(ring))
    assert more["class"].to_list() == ["lane", "outline", "outline"]
    assert more.index.to_list() == [0, 1, 2]
    assert shapely.union_all(more.geometry.to_numpy()[1:]).equals(ring.boundary)
    assert not more[["bridge", "tunnel", "oneway"]].to_numpy().any()
    assert (more["layer"].to_list(), more["name"].to_list()) == ([0] * 3, [""] * 3)
    assert more.crs == area.streets.crs


def layers(
    *, drawn: list[tuple[str, str, shapely.Geometry]], estates: list[tuple[str, str, shapely.Geometry]]
) -> Area:
    area = make_area([box(0, 0, 200, 200), box(200, 0, 400, 200)], [], [], [box(5, 5, 15, 15)], [3])
    names, kinds, shapes = zip(*drawn, strict=True) if drawn else ((), (), ())
    ids, called, grounds = zip(*estates, strict=True) if estates else ((), (), ())
    return replace(
        area,
        zones=gpd.GeoDataFrame({"id": list(names), "kind": list(kinds)}, geometry=list(shapes), crs=CRS),
        compounds=gpd.GeoDataFrame({"id": list(ids), "name": list(called)}, geometry=list(grounds), crs=CRS),
    )


def found(area: Area, rule: ZoneRule | None, number: int = 0) -> dict[str, tuple[float, ...]]:
    stands = find_zones(area, number, replace(PROFILE, zones=rule))
    return dict(zip(stands.ids, shapely.bounds(stands.shapes).tolist(), strict=True)) if len(stands) else {}


def test_what_stands_apart_by_the_profile() -> None:
    area = layers(
        drawn=[
            ("Z1", "school", box(0, 0, 100, 50)),
            ("Z2", "mall", box(80, 0, 140, 50)),  # the first has what both have
            ("Z3", "complex", box(0, 150, 50, 200)),
            ("Z4", "park", box(160, 0, 260, 50)),  # across the border
        ],
        estates=[("E1", "花园", box(0, 60, 60, 120)), ("E2", "", box(80, 60, 140, 120))],
    )
    schools, malls, parks = [0, 0, 100, 50], [100, 0, 140, 50], [160, 0, 200, 50]
    assert found(area, None) == {}
    assert found(area, ZoneRule()) == {"Z1": schools, "Z2": malls, "Z4": parks}
    assert found(area, ZoneRule(kinds=("mall", "complex"))) == {
        "Z2": [80, 0, 140, 50],
        "Z3": [0, 150, 50, 200],
    }
    assert found(area, ZoneRule(), 1) == {"Z4": [200, 0, 260, 50]}
    only = ZoneRule(kinds=("mall",), compounds=("花园",))
    assert found(area, only) == {"Z2": [80, 0, 140, 50], "E1": [0, 60, 60, 120]}
    assert list(found(area, ZoneRule(kinds=("none",), compounds=("E2", "E1")))) == ["E1", "E2"]
    assert found(area, ZoneRule(kinds=("none",), compounds=("E3",))) == {}


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        (box(-100, 0, 31, 50), True),  # 1550 m² of it lie in the community
        (box(-100, 0, 29, 50), False),  # 1450 m² are a slip of the pen
        (box(-20, 0, 29, 50), True),  # unless they are more than half of it
        (box(-30, 0, 29, 50), False),
        (box(0, 0, 5, 5), True),  # however small it is
    ],
)
def test_a_small_piece_of_a_zone_across_the_border_is_the_slip_of_a_pen(
    shape: shapely.Geometry, kept: bool
) -> None:
    area = layers(drawn=[("Z1", "school", shape)], estates=[])
    assert list(found(area, ZoneRule())) == ["Z1"] * kept


def yards(
    *rows: tuple[str, shapely.Geometry], uses: tuple[str, ...] = ("school",)
) -> dict[str, shapely.Geometry]:
    frame = gpd.GeoDataFrame(
        {"id": [f"B{n}" for n in range(len(rows))], "use": [use for use, _ in rows], "community": 0},
        geometry=[shape for _, shape in rows],
    )
    return dict(_yards(frame, uses))


def test_buildings_of_a_use_near_each_other_are_one_yard() -> None:
    first, near, far = box(0, 0, 10, 10), box(29.9, 0, 40, 10), box(60.1, 0, 70, 10)
    made = yards(("school", first), ("school", near), ("school", far), ("home", box(300, 0, 310, 10)))
    assert list(made) == ["B0", "B2"]
    assert made["B0"].bounds == pytest.approx((-3, -3, 43, 13))
    assert made["B2"].bounds == pytest.approx((57.1, -3, 73, 13))
    assert made["B0"].covers(shapely.union_all([first, near]))
    both = yards(("school", first), ("school", box(20, 0, 30, 10)))["B0"]
    assert both.covers(box(0, 0, 30, 10))  # the ground between them too
    assert yards(("home", first)) == {}
    assert yards(("home", first), uses=()) == {}
    assert list(yards(("home", first), ("mall", near), uses=("home", "mall"))) == ["B0"]


def test_half_the_room_is_left_before_other_buildings_and_none_of_the_yard_s_own_ground() -> None:
    own = box(0, 0, 10, 10)
    beside, touching, beyond = box(12, 0, 20, 10), box(0, 10, 10, 20), box(-30, 0, -6.5, 10)
    made = yards(("school", own), ("home", beside), ("home", touching), ("home", beyond))["B0"]
    assert made.covers(own)
    assert made.bounds[:2] == pytest.approx((-3, -3))
    assert shapely.distance(made, beside) == pytest.approx(1.5, abs=0.01)
    assert made.bounds[2] == pytest.approx(13, abs=0.5)  # above and below it there is room
    ground = made.difference(own)
    assert shapely.distance(ground, touching) == pytest.approx(1.5, abs=0.01)
    assert made.intersection(touching).area == 0


def test_zones_of_a_use_are_those_of_the_community_s_own_buildings() -> None:
    area = make_area(
        [box(0, 0, 200, 200), box(200, 0, 400, 200)], [], [],
        [box(50, 50, 90, 90), box(300, 50, 340, 90)], [0, 0],
    )  # fmt: skip
    area = replace(area, buildings=area.buildings.assign(use="school"))
    rule = ZoneRule(kinds=("none",), uses=("school",))
    assert found(area, rule) == {"B0000": pytest.approx([47, 47, 93, 93])}
    assert found(area, rule, 1) == {"B0001": pytest.approx([297, 47, 343, 93])}
