"""Corners too sharp to be of use go to the neighbour."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import LineString, Polygon, box
from shapely.affinity import rotate

from partition.geometry.tips import trim_tips

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
