"""One border for one road, however many lines it is drawn with."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import LineString, Point, box

from partition.area import Area
from partition.geometry.blocks import Blocks, Borders, build_blocks
from partition.geometry.grids import dissolve
from partition.geometry.linework import CLASS_NUMBER, Linework, build_linework, cluster_footprints
from partition.geometry.medians import (
    _along,
    _built,
    _is_ragged,
    _lies_beside_street,
    _lies_in_street,
    _sides,
    _sides_of_groups,
    _touching,
    part_medians,
)
from partition.geometry.metrics import inner_borders, sample_lines
from partition.geometry.units import Units, build_units
from partition.wishes.policy import BORDER_COST
from tests.lattice import make_area

HOUSES = [box(x, y, x + 20, y + 20) for x in range(40, 600, 80) for y in (40, 340)]


def units_of(area: Area) -> Units:
    polygon = area.communities.geometry.iloc[0]
    footprints, _ = cluster_footprints(area.buildings.geometry.to_numpy())
    return build_units(
        build_linework(area.streets, polygon, footprints), polygon, area.buildings, BORDER_COST, 400
    )


def town(*streets: tuple[str, LineString]) -> Area:
    lines, classes = [line for _, line in streets], [kind for kind, _ in streets]
    return make_area([box(0, 0, 640, 400)], lines, classes, HOUSES, [50] * len(HOUSES))


def banks(area: Area) -> np.ndarray:
    """The town's north and south as two polygons."""
    units = units_of(area)
    middle = shapely.get_coordinates(shapely.centroid(dissolve(units.blocks.faces, units.unit, len(units))))
    return dissolve(units.blocks.faces, (middle[:, 1] > 200).astype(int)[units.unit], 2)


def carriageways(apart: float, kind: str = "arterial") -> list[tuple[str, LineString]]:
    return [(kind, LineString([(-5, 200 + side), (645, 200 + side)])) for side in (-apart / 2, apart / 2)]


def off_middle(border, middle: LineString) -> float:
    """The share of a border that is more than a metre off the middle of the road."""
    points, share = sample_lines(inner_borders(border))
    return float(share[shapely.distance(points, middle) > 1.0].sum() / share.sum())


MIDDLE = LineString([(0, 200), (640, 200)])


@pytest.mark.parametrize("apart", [6.0, 12.0, 20.0, 30.0])
@pytest.mark.parametrize("every", [640, 160, 80])
def test_the_border_runs_between_the_carriageways_all_the_way(apart: float, every: int) -> None:
    side_streets = [
        ("local", LineString([(x, bank), (x, 200 + side * apart / 2)]))
        for x in range(every, 640, every)
        for side, bank in ((-1, -5), (1, 405))
    ]
    border = banks(town(*carriageways(apart), *side_streets))
    assert off_middle(border, MIDDLE) < 0.03
    assert shapely.area(border) == pytest.approx([640 * 200] * 2, rel=0.01)


def test_streets_and_zebra_crossings_over_the_median_do_not_move_the_border() -> None:
    over = [("local", LineString([(x, -5), (x, 405)])) for x in (150, 420)]
    zebras = [("path", LineString([(x, 180), (x, 220)])) for x in (60, 80, 240, 262, 500, 560)]
    border = banks(town(*carriageways(16), *over, *zebras))
    assert off_middle(border, MIDDLE) < 0.05


def test_a_pavement_drawn_beside_a_street_is_no_second_carriageway() -> None:
    pavement = ("path", LineString([(-5, 208), (645, 208)]))
    street = ("arterial", LineString([(-5, 200), (645, 200)]))
    assert off_middle(banks(town(street, pavement)), MIDDLE) == 0.0
    blocks = [("local", LineString([(x, 208), (x, 405)])) for x in (160, 320, 480)]
    units = units_of(town(street, pavement, *blocks))
    assert sorted(units.area_m2.tolist()) == pytest.approx([160 * 200] * 4 + [640 * 200], rel=0.01)


def test_half_a_road_inside_the_border_of_the_community_is_shared_by_the_blocks_along_it() -> None:
    side_streets = [("local", LineString([(x, 12), (x, 405)])) for x in (160, 320, 480)]
    units = units_of(town(("arterial", LineString([(-5, 12), (645, 12)])), *side_streets))
    assert sorted(units.area_m2.tolist()) == pytest.approx([160 * 400] * 4, rel=0.01)


def test_the_island_of_a_roundabout_is_shared_by_the_blocks_around_it() -> None:
    ring = Point(320, 200).buffer(18)
    arms = [LineString([(320, -5), (320, 182)]), LineString([(320, 218), (320, 405)])]
    arms += [LineString([(-5, 200), (302, 200)]), LineString([(338, 200), (645, 200)])]
    area = town(("secondary", LineString(ring.exterior)), *(("secondary", arm) for arm in arms))
    units = units_of(area)
    assert sorted(units.area_m2.tolist()) == pytest.approx([320 * 200] * 4, rel=0.01)
    border = inner_borders(dissolve(units.blocks.faces, units.unit, len(units)))
    assert shapely.length(shapely.intersection(shapely.union_all(border), ring)) == pytest.approx(
        72, rel=0.15
    )


def test_the_triangle_at_a_slip_road_is_no_grid_of_its_own() -> None:
    main = ("arterial", LineString([(-5, 200), (645, 200)]))
    side = ("local", LineString([(320, 200), (320, 405)]))
    slip = ("local", LineString([(290, 200), (320, 240)]))
    units = units_of(town(main, side, slip))
    assert len(units) == 3
    assert units.area_m2.min() > 60_000


# --- which faces are medians, by their own rules ---

NONE = np.empty(0, dtype=object)


def array(*shapes: shapely.Geometry) -> np.ndarray:
    return np.array(shapes, dtype=object)


def test_width_and_length_are_those_of_the_rectangle_of_equal_area_and_perimeter() -> None:
    width, length = _sides(array(box(0, 0, 30, 130), box(0, 0, 7, 3), box(0, 0, 5, 5), Point(0, 0).buffer(9)))
    assert width[:3].tolist() == [30, 3, 5]
    assert length[:3].tolist() == [130, 7, 5]
    assert width[3] == length[3]  # no rectangle of so short a perimeter has so large an area


def test_ragged_is_what_is_rounder_than_no_rectangle_ten_and_a_half_times_as_long_as_wide() -> None:
    faces = [box(0, 0, w, w * ratio) for w in (0.1, 1, 10, 90) for ratio in (1, 10.4, 10.6, 30)]
    assert _is_ragged(array(*faces)).tolist() == [False, False, True, True] * 4


def in_street(
    width: float, length: float, around: float, others: list[tuple[int, float]], outer: float = 0.0
) -> tuple[bool, bool]:
    """Is face 2 of six, a rectangle, a median in a street, or a strip beside one? around: metres along a
    street with face 0; others: faces and metres along a path.
    """
    faces = [box(1000 * n, 0, 1000 * n + 200, 200) for n in range(6)]
    faces[2] = box(0, 0, width, length)
    rows = [(0, around, "local"), *((face, metres, "path") for face, metres in others)]
    a, b = (np.array([f(face, 2) for face, _, _ in rows]) for f in (min, max))
    kind = np.array([CLASS_NUMBER[name] for _, _, name in rows])
    outers = np.array([0.0, 0.0, outer, 0.0, 0.0, 0.0])
    borders = Borders(a, b, np.array([row[1] for row in rows]), kind, np.zeros(len(a), dtype=bool), outers)
    blocks = Blocks(array(*faces), borders)
    found, beside = _lies_in_street(blocks), _lies_beside_street(blocks)
    assert not found[[1, 3, 4, 5]].any()
    return bool(found[2]), bool(beside[2])


@pytest.mark.parametrize(
    ("width", "length", "around", "others", "outer", "told"),
    [
        (30, 130, 256, [(1, 64)], 0, True),  # four fifths of its outline along streets
        (30, 130, 255, [(1, 65)], 0, False),
        (30, 119, 298, [], 0, False),  # not long enough
        (30, 121, 302, [], 0, True),
        (31.9, 140, 343, [], 0, True),
        (32.1, 140, 344, [], 0, False),  # too wide
        (38, 39, 154, [], 0, True),  # an island
        (39, 39, 156, [], 0, False),
        (30, 130, 128, [(0, 38), (1, 38), (3, 38), (4, 39), (5, 39)], 0, True),  # ends of all sorts
        (30, 130, 127, [(0, 39), (1, 38), (3, 38), (4, 39), (5, 39)], 0, False),
        (30, 130, 200, [(1, 39.5), (3, 38)], 0, False),  # too long for an end
        (30, 130, 200, [(3, 20), (3, 20), (4, 38)], 0, False),  # which may be in parts
        (30, 130, 200, [(1, 20), (1, 20), (0, 38)], 0, False),
        (30, 130, 200, [(3, 20), (1, 20), (4, 38)], 0, True),
        (30, 130, 200, [(3, 30)], 39, True),
        (30, 130, 200, [(3, 30)], 39.5, False),  # or the border of the community
    ],
)
def test_a_median_is_a_strip_or_an_island_with_streets_around(
    width: float, length: float, around: float, others: list[tuple[int, float]], outer: float, told: bool
) -> None:
    assert in_street(width, length, around, others, outer)[0] == told


def test_a_pavement_is_a_narrow_strip_with_a_street_along_three_tenths() -> None:
    assert in_street(14.9, 85.1, 60, [])[1]
    assert not in_street(14.9, 85.1, 59.9, [])[1]
    assert not in_street(15.1, 85.1, 180, [])[1]


def test_points_along_an_outline_are_no_corners_and_two_metres_apart_at_most() -> None:
    ring = [(0, 0), (5, 0), (5, 3), (0, 3)]
    wanted = {(x, y) for x in (0.8333, 2.5, 4.1667) for y in (0, 3)}
    wanted |= {(x, y) for x in (0, 5) for y in (0.75, 2.25)}
    assert set(map(tuple, _along(shapely.Polygon(ring)).round(4).tolist())) == wanted
    hollow = box(0, 0, 10, 10).difference(box(4, 4, 6, 6))
    points = _along(hollow)
    assert len(points) == 4 * 5 + 4
    assert shapely.distance(shapely.points(points), shapely.boundary(hollow)).max() == 0


def test_a_face_is_built_on_where_a_footprint_reaches_into_it() -> None:
    faces = array(box(0, 0, 10, 10), box(10, 0, 20, 10), box(20, 0, 30, 10))
    assert _built(faces, array(box(2, 2, 10.0009, 12), box(29.9, 2, 40, 3))).tolist() == [True, False, True]
    assert _built(faces, array(box(2, 2, 10.002, 12))).tolist() == [True, True, False]
    assert _built(faces, NONE).tolist() == [False] * 3


def test_medians_that_touch_go_together_with_their_borders() -> None:
    a, b = np.array([0, 1, 2, 3, 0]), np.array([1, 2, 3, 4, 4])
    borders = Borders(a, b, np.ones(5), np.zeros(5, int), np.zeros(5, bool), np.zeros(6))
    blocks = Blocks(array(*(box(n, 0, n + 1, 1) for n in range(6))), borders)
    groups = _touching(blocks, np.array([1, 2, 4, 5]))
    assert [group.tolist() for group in groups] == [[1, 2], [4], [5]]
    sides = _sides_of_groups(groups, borders, 6)
    assert [side.tolist() for side in sides] == [[0, 1, 2], [3, 4], []]


def road(*streets: tuple[str, list[tuple[float, float]]], houses: tuple = ()) -> tuple[Linework, Linework]:
    """Two carriageways 20 m apart, the ground between them ending at x = 360 before a house; before and after
    their medians are parted.
    """
    rows = [
        ("arterial", [(0, 100), (400, 100)]),
        ("arterial", [(0, 120), (400, 120)]),
        ("path", [(360, 100), (360, 120)]),
        *streets,
    ]
    lines = array(*(LineString(points) for _, points in rows))
    linework = Linework(lines, np.array([CLASS_NUMBER[kind] for kind, _ in rows]), NONE)
    blocks = build_blocks(linework, box(0, 0, 400, 220))
    return linework, part_medians(blocks, linework, array(box(365, 105, 390, 115), *houses))


def added(before: Linework, after: Linework) -> shapely.Geometry:
    assert after.lines[: len(before.lines)].tolist() == before.lines.tolist()
    return shapely.union_all(after.lines[len(before.lines) :])


@pytest.mark.parametrize(("x", "parted"), [(180, True), (325, True), (335, False)])
def test_whoever_is_along_a_road_for_one_and_a_half_widths_has_part_of_it(x: float, parted: bool) -> None:
    """A block to the north-east is along it from x on; the house at its end is not along it."""
    before, after = road(("local", [(x, 120), (x, 220)]))
    found = added(before, after)
    west = shapely.clip_by_rect(found, -1, 0, x - 10, 220)
    assert shapely.hausdorff_distance(west, LineString([(0, 110), (x - 10, 110)])) < 0.5
    assert found.intersects(box(x - 1, 113, x + 1, 119)) == parted
    assert found.bounds[2] > 350
    assert set(after.classes[len(before.classes) :].tolist()) == {CLASS_NUMBER["arterial"]}
    assert [area.bounds for area in after.medians] == [(0, 100, 360, 120)]


def test_ground_along_water_is_not_shared_across_it() -> None:
    before, after = road(("water", [(0, 100), (400, 100)]))
    assert added(before, after).is_empty
    assert [area.bounds for area in after.medians] == [(0, 100, 360, 120)]
    over = road(("water", [(0, 100), (400, 100)]), ("local", [(180, 120), (180, 220)]))
    found = added(*over)
    assert shapely.hausdorff_distance(found, LineString([(180, 100), (180, 120)])) < 1.2
    assert over[1].classes[len(over[0].classes) :].tolist() == [0]


def test_what_is_built_on_is_no_median() -> None:
    before, after = road(houses=(box(20, 105, 40, 115),))
    assert after is before


def test_a_strip_between_a_street_and_its_pavement_goes_to_the_blocks_behind() -> None:
    rows = [
        ("arterial", [(0, 100), (400, 100)]),
        ("path", [(0, 108), (400, 108)]),
        ("local", [(150, 108), (150, 220)]),
    ]
    lines = array(*(LineString(points) for _, points in rows))
    linework = Linework(lines, np.array([CLASS_NUMBER[kind] for kind, _ in rows]), NONE)
    blocks = build_blocks(linework, box(0, 0, 400, 220))
    houses = array(*(box(x, y, x + 30, y + 30) for x in (50, 250) for y in (30, 150)))
    after = part_medians(blocks, linework, houses)
    found = added(linework, after)
    assert shapely.hausdorff_distance(found, LineString([(150, 100), (150, 108)])) < 1.2
    assert after.classes.tolist()[3:] == [0]
