"""Corners too sharp to be of use go to the neighbour."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import LineString, Polygon, box
from shapely.affinity import rotate

from partition.geometry.tips import _find_tips, _Outlines, _within, _without_spurs, trim_tips

NONE = np.empty(0, dtype=object)
# west lies between the x axis and a street that leads down to it slightly; where the street ends, north goes
# on down to the axis. south lies below the axis.
TIP, END = (100.0, 0.0), (90.0, 1.5)
WEST = Polygon([(0, 0), TIP, END, (0, 15)])
NORTH = Polygon([(0, 15), END, TIP, (200, 0), (200, 100), (0, 100)])
SOUTH = Polygon([(0, -50), (200, -50), (200, 0), TIP, (0, 0)])
SHORTER, LONGER = LineString([TIP, END]), LineString([(0, 0), TIP])


def town() -> np.ndarray:
    return np.array([WEST, NORTH, SOUTH], dtype=object)


def array(*shapes: shapely.Geometry) -> np.ndarray:
    return np.array(shapes, dtype=object)


def assert_covered(before: np.ndarray, after: np.ndarray) -> None:
    assert shapely.is_valid(after).all()
    assert shapely.coverage_is_valid(after)
    assert shapely.union_all(after).symmetric_difference(shapely.union_all(before)).area < 1e-9


def test_a_tip_goes_to_the_grid_across_its_shorter_side() -> None:
    after = trim_tips(town(), NONE, NONE)
    assert_covered(town(), after)
    assert list(after[0].exterior.coords)[:-1] == [(0, 0), (90, 0), END, (0, 15)]
    assert after[1].area == pytest.approx(NORTH.area + 7.5)
    assert after[2].area == pytest.approx(SOUTH.area)
    assert (90, 0) in after[2].exterior.coords


def test_a_tip_goes_across_no_barrier() -> None:
    after = trim_tips(town(), NONE, array(SHORTER))
    assert_covered(town(), after)
    assert after[1].equals_exact(NORTH)
    assert after[2].area == pytest.approx(SOUTH.area + 7.5)
    assert shapely.equals_exact(trim_tips(town(), NONE, array(SHORTER, LONGER)), town()).all()
    along = trim_tips(town(), NONE, array(LONGER))
    assert along[1].area == pytest.approx(NORTH.area + 7.5)


def test_what_a_house_reaches_into_is_no_tip() -> None:
    assert shapely.equals_exact(trim_tips(town(), array(box(85, 0.2, 93, 0.5)), NONE), town()).all()
    assert trim_tips(town(), array(box(80, 0.2, 89, 0.5)), NONE)[0].area < WEST.area


@pytest.mark.parametrize("settled", [0, 1, 2])
def test_what_is_settled_neither_gives_nor_gets(settled: int) -> None:
    loose = np.arange(3) != settled
    assert shapely.equals_exact(trim_tips(town(), NONE, NONE, loose), town()).all()


def test_a_tip_at_the_edge_goes_to_the_only_neighbour() -> None:
    after = trim_tips(town()[:2], NONE, NONE)
    assert_covered(town()[:2], after)
    assert after[1].area == pytest.approx(NORTH.area + 7.5)
    after = trim_tips(town()[[0, 2]], NONE, NONE)
    assert_covered(town()[[0, 2]], after)
    assert after[1].area == pytest.approx(SOUTH.area + 7.5)
    assert trim_tips(array(WEST), NONE, NONE)[0].equals_exact(WEST)


def test_where_a_ring_begins_makes_no_difference() -> None:
    wanted = trim_tips(town(), NONE, NONE)
    for first in range(4):
        for second in range(6):
            shapes = town()
            for i, turn in ((0, first), (1, second)):
                ring = list(shapes[i].exterior.coords)[:-1]
                shapes[i] = Polygon(ring[turn:] + ring[:turn])
            assert shapely.equals(trim_tips(shapes, NONE, NONE), wanted).all()


def test_a_spike_into_a_neighbour_is_drawn_straight() -> None:
    east = Polygon([(50, 0), (100, 0), (100, 100), (50, 100), (50, 51), (44, 50.5), (50, 50)])
    west = box(0, 0, 100, 100).difference(east)
    for order in ([0, 1], [1, 0]):
        before = np.array([west, east], dtype=object)[order]
        after = trim_tips(before, NONE, NONE)
        assert_covered(before, after)
        assert (44, 50.5) not in shapely.get_coordinates(after).tolist()
        assert shapely.area(after)[order[1]] == pytest.approx(5000, abs=1)


def test_a_tip_ends_where_its_shorter_side_does() -> None:
    west = Polygon([(0, 0), (100, 0), (95, 1), (84, 4.0), (84, 60), (0, 60)])
    north = Polygon([(84, 60), (84, 4.0), (95, 1), (100, 0), (200, 0), (200, 60)])
    after = trim_tips(array(west, north), NONE, NONE)
    assert_covered(array(west, north), after)
    assert shapely.bounds(after[0])[2] == pytest.approx(95)
    assert after[0].area == pytest.approx(west.area - 2.5)


def test_two_tips_at_one_point_are_both_cut() -> None:
    west = Polygon([(0, 0), (100, 0), (92, -1), (92, -40), (0, -40)])
    north = Polygon([(0, 0), (100, 0), (92, 1), (92, 40), (0, 40)])
    east = Polygon([(92, -40), (92, -1), (100, 0), (92, 1), (92, 40), (150, 40), (150, -40)])
    after = trim_tips(array(west, north, east), NONE, NONE)
    assert_covered(array(west, north, east), after)
    assert shapely.bounds(after[:2])[:, 2] == pytest.approx([92, 92])


def test_a_wide_corner_stays_and_so_does_a_small_triangle() -> None:
    wide = array(Polygon([(0, 0), (100, 0), (0, 20)]), Polygon([(100, 0), (100, 90), (0, 90), (0, 20)]))
    assert shapely.equals_exact(trim_tips(wide, NONE, NONE), wide).all()
    # most of it would go
    small = array(Polygon([(0, 0), (9, 0), (8, 1)]), Polygon([(0, 0), (8, 1), (9, 0), (9, 9), (0, 9)]))
    assert shapely.equals_exact(trim_tips(small, NONE, NONE), small).all()


@pytest.mark.parametrize("degrees", [37, 90, 200])
def test_turned_towns_are_trimmed_alike(degrees: float) -> None:
    turned = np.array([rotate(shape, degrees, origin=(0, 0)) for shape in town()], dtype=object)
    after = trim_tips(turned, NONE, NONE)
    back = np.array([rotate(shape, -degrees, origin=(0, 0)) for shape in after], dtype=object)
    there = shapely.hausdorff_distance(back, trim_tips(town(), NONE, NONE))
    assert there.max() < 1e-6


# --- which corners are tips, and what is left without them ---


def corner(degrees: float, shorter: float, longer: float, *, ahead: bool = True, at: float = 0.0) -> Polygon:
    """A quadrangle with a corner of so many degrees at the origin, its longer side after it or before; turned
    by `at`.
    """
    end = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]) * shorter
    ring = [(0.0, 0.0), (longer, 0.0), (longer, 40.0), (end[0] - 9.0, 60.0), tuple(end)]
    shape = Polygon(ring)
    if not ahead:  # mirrored, so that the ring is walked the other way round
        shape = shapely.transform(shape, lambda xy: xy * (1.0, -1.0))
    return rotate(shape, at, origin=(0, 0))


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("at", [0.0, 73.0, 200.0])
@pytest.mark.parametrize(
    ("degrees", "shorter", "is_tip"),
    [(19.9, 8.0, True), (20.1, 8.0, False), (10.0, 17.0, True), (10.0, 17.4, False), (0.5, 90.0, True)],
)
def test_a_tip_is_sharper_than_twenty_degrees_and_narrower_than_three_metres(
    degrees: float, shorter: float, is_tip: bool, ahead: bool, at: float
) -> None:
    tips = _find_tips(array(box(500, 500, 600, 600), corner(degrees, shorter, 100.0, ahead=ahead, at=at)))
    assert len(tips) == is_tip
    for tip in tips:
        turn = np.radians(at)
        way = np.array([np.cos(turn), np.sin(turn)])
        side = np.radians(degrees) * (1 if ahead else -1) + turn
        assert (tip.polygon, tip.ahead) == (1, ahead)
        assert tip.point == pytest.approx((0, 0), abs=1e-9)
        assert tip.far == pytest.approx(tuple(100 * way), abs=1e-9)
        assert tip.near == pytest.approx((shorter * np.cos(side), shorter * np.sin(side)), abs=1e-9)
        assert tip.cut == pytest.approx(tuple(shorter * np.cos(np.radians(degrees)) * way), abs=1e-9)


def test_a_cut_that_would_end_beside_a_corner_ends_in_it() -> None:
    for longer, cut in ((8.2, 8.2), (8.3, 8.0 * np.cos(np.radians(15)))):
        (tip,) = _find_tips(array(corner(15.0, 8.0, longer)))
        assert tip.cut[0] == pytest.approx(cut)
        assert tip.far[0] == longer


def test_the_narrowest_tip_comes_first_wherever_its_ring_begins() -> None:
    for first in range(5):
        shapes = []
        for degrees, x in ((15.0, 0.0), (5.0, 300.0), (9.0, 600.0)):
            ring = shapely.get_coordinates(corner(degrees, 8.0, 100.0))[:-1]
            shapes.append(Polygon(np.roll(ring + np.array([x, 0.0]), first, axis=0)))
        tips = _find_tips(array(shapely.MultiPolygon(shapes[:2]), shapes[2]))
        assert [(tip.polygon, tip.point[0]) for tip in tips] == [(0, 300), (1, 600), (0, 0)]


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("degrees", [25.0, 35.0, 90.0, 170.0, 190.0, 260.0])
def test_what_is_left_at_the_end_of_the_shorter_side(degrees: float, ahead: bool, first: int) -> None:
    """The angle between the cut and the polygon's next side there, whichever side of its tip is longer."""
    near = np.array([30.0, 2.0])
    cut = np.array([float(np.hypot(*near)) * np.cos(np.arctan2(2.0, 30.0)), 0.0])
    way = np.arctan2(*(cut - near)[::-1]) + np.radians(degrees)
    beyond = near + np.array([np.cos(way), np.sin(way)])
    ring = np.array([(0.0, 0.0), (100.0, 0.0), (100.0, 200.0), (-60.0, 300.0), beyond, near])
    ring = ring if ahead else ring * (1.0, -1.0)
    shape = Polygon(np.roll(ring, first, axis=0))
    house = box(-500, -500, -490, -490)
    outlines = _Outlines(array(house, shapely.MultiPolygon([house, shape])), np.ones(2, dtype=bool))
    (tip,) = [tip for tip in _find_tips(array(shape)) if tip.point == (0.0, 0.0)]
    assert tip.ahead == ahead
    tip = type(tip)(1, tip.point, tip.near, tip.cut, tip.far, tip.ahead)
    assert outlines._left(tip) == pytest.approx(degrees)


def test_a_tip_is_a_small_part_of_its_grid_and_all_its_own() -> None:
    tip, *_ = _find_tips(array(corner(15.0, 8.0, 100.0)))
    ground = shapely.area(tip.triangle)
    assert ground == pytest.approx(0.5 * (8 * np.cos(np.radians(15))) * (8 * np.sin(np.radians(15))))
    for share, told in ((0.099, True), (0.101, False)):
        assert _within(tip, box(0, 0, 20, ground / share / 20.0)) == told
    hole = box(5, 0.1, 5.2, 0.2)
    assert not _within(tip, box(0, 0, 20, 60).difference(hole))
    assert _within(tip, box(0, 0, 20, 60).difference(box(5, 0.1, 5.05, 0.2)))


def test_ways_there_and_back_are_left_out() -> None:
    a, b, c, d, e = ((float(x), float(x * x)) for x in range(5))
    for ring in (
        [a, b, c],
        [a, a, b, c],
        [a, b, c, a],
        [a, b, d, b, c],
        [a, b, d, e, d, b, c],
        [d, a, b, c, a],
    ):
        for first in range(len(ring)):
            left = _without_spurs(ring[first:] + ring[:first])
            start = left.index(a)
            assert left[start:] + left[:start] == [a, b, c]


def test_what_is_in_a_footprint_by_less_than_a_hand_is_nothing() -> None:
    small = array(box(85, 0.2, 85.1, 0.29))
    assert trim_tips(town(), small, NONE)[0].area < WEST.area
    assert trim_tips(town(), array(box(92, 0.2, 92.1, 0.35)), NONE)[0].equals_exact(WEST)
    assert trim_tips(town(), array(box(92, 0.2, 92.1, 0.29)), NONE)[0].area < WEST.area


def test_a_grid_of_several_parts_keeps_them() -> None:
    far = box(0, 200, 50, 250)
    for number in (0, 1):
        before = town()
        before[number] = shapely.MultiPolygon([far, before[number]])
        after = trim_tips(before, NONE, NONE)
        assert_covered(before, after)
        assert shapely.get_num_geometries(after).tolist() == [1 + (n == number) for n in range(3)]
        assert after[0].area == pytest.approx(WEST.area - 7.5 + far.area * (number == 0))


def test_tips_at_all_corners_of_a_grid_are_all_cut() -> None:
    """A square with a thorn at each corner, inside a larger one."""
    ways = [(45 + 90 * n + off, 200.0 - 12.0 * (off != 0)) for n in range(4) for off in (-0.4, 0.0, 0.4)]
    star = Polygon([(r * np.cos(np.radians(way)), r * np.sin(np.radians(way))) for way, r in ways])
    frame = box(-250, -250, 250, 250).difference(star)
    before = array(star, frame)
    after = trim_tips(before, NONE, NONE)
    assert_covered(before, after)
    assert len(_find_tips(before)) == 4
    assert _find_tips(after) == []
    assert shapely.get_num_coordinates(after[0]) == 9
