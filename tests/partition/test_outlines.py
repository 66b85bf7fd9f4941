"""Borders on paper: straight where they can be, and still an exact division."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import LineString, box

from partition.area import Area
from partition.geometry.blocks import Borders
from partition.geometry.grids import dissolve
from partition.geometry.linework import CLASS_NUMBER, build_linework, cluster_footprints
from partition.geometry.metrics import cut_buildings, inner_borders
from partition.geometry.outlines import (
    _apart,
    _courses,
    _cross,
    _off,
    _part_segments,
    _subdivide,
    _unshared,
    _walk,
    draw_outlines,
    straightest,
)
from partition.geometry.units import Units, build_units
from partition.wishes.policy import BORDER_COST
from tests.lattice import Town, make_area, make_town


def units_of(area: Area, cut_above: float) -> Units:
    polygon = area.communities.geometry.iloc[0]
    footprints, _ = cluster_footprints(area.buildings.geometry.to_numpy())
    linework = build_linework(area.streets, polygon, footprints)
    return build_units(linework, polygon, area.buildings, BORDER_COST, cut_above)


def turning(lines) -> float:
    """Degrees turned along the lines, in all."""
    turned = 0.0
    for line in shapely.get_parts(shapely.line_merge(shapely.union_all(lines))):
        step = np.diff(shapely.get_coordinates(line), axis=0)
        course = np.degrees(np.unwrap(np.arctan2(step[:, 1], step[:, 0])))
        turned += float(np.abs(np.diff(course)).sum())
    return turned


def sharpest(polygons) -> float:
    """The smallest angle (degrees) between two edges of an outline that meet."""
    least = 180.0
    for ring in shapely.get_rings(polygons):
        corners = shapely.get_coordinates(ring)[:-1]
        back, ahead = np.roll(corners, 1, axis=0) - corners, np.roll(corners, -1, axis=0) - corners
        cosine = (back * ahead).sum(axis=1) / np.hypot(*back.T) / np.hypot(*ahead.T)
        least = min(least, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).min()))
    return least


def test_a_border_between_two_rows_of_houses_is_one_straight_line() -> None:
    rng = np.random.default_rng(4)
    houses = [
        box(x, y + shift, x + 14, y + shift + 12)
        for x in range(10, 190, 22)
        for y, shift in ((20, rng.uniform(-4, 4)), (70, rng.uniform(-4, 4)))
    ]
    area = make_area([box(0, 0, 200, 100)], [], [], houses, [50] * len(houses))
    units = units_of(area, 100)
    row = np.zeros(len(units), dtype=np.int64)
    row[units.building_unit] = np.array([house.bounds[1] > 45 for house in houses])
    plain = dissolve(units.blocks.faces, row[units.unit], 2)
    drawn = draw_outlines(units, row[units.unit], 2, np.array(houses, dtype=object))
    assert len(inner_borders(plain)) > 10
    assert len(inner_borders(drawn)) == 1
    assert not len(cut_buildings(inner_borders(drawn), np.array(houses, dtype=object), 0.0))


def test_a_border_that_cannot_be_straight_turns_as_little_as_it_must() -> None:
    houses = [box(10, 10, 90, 60), box(110, 40, 190, 90)]
    area = make_area([box(0, 0, 200, 100)], [], [], houses, [50] * 2)
    units = units_of(area, 60)
    drawn = draw_outlines(units, units.building_unit.argsort()[units.unit], 2, np.array(houses, dtype=object))
    border = shapely.union_all(inner_borders(drawn))
    assert border.distance(shapely.union_all(houses)) > 1.9
    assert len(inner_borders(drawn)) <= 3


def test_what_runs_along_a_street_stays_there() -> None:
    street = LineString([(-5, 50), (60, 55), (120, 45), (205, 50)])
    area = make_area([box(0, 0, 200, 100)], [street], ["local"], [box(20, 10, 40, 30)], [50])
    units = units_of(area, 400)
    label = np.arange(len(units))[units.unit]
    drawn = draw_outlines(units, label, len(units), area.buildings.geometry.to_numpy())
    plain = dissolve(units.blocks.faces, label, len(units))
    assert shapely.equals_exact(shapely.normalize(drawn), shapely.normalize(plain)).all()


def test_a_grid_within_another_stays_within() -> None:
    houses = [box(x, y, x + 12, y + 12) for x in range(10, 190, 30) for y in range(10, 190, 30)]
    area = make_area([box(0, 0, 200, 200)], [], [], houses, [50] * len(houses))
    units = units_of(area, 60)
    middle = box(60, 60, 140, 140)
    label = np.zeros(len(units), dtype=np.int64)
    label[units.building_unit] = [int(middle.contains(house)) for house in houses]
    drawn = draw_outlines(units, label[units.unit], 2, np.array(houses, dtype=object))
    assert shapely.coverage_is_valid(drawn)
    assert shapely.get_num_interior_rings(drawn[0]) == 1
    assert [drawn[label[units.building_unit[i]]].contains(house) for i, house in enumerate(houses)] == [
        True
    ] * len(houses)


def test_the_fewest_pieces_are_kept_and_what_stands_beside_stays_there() -> None:
    points = np.array([(0.0, 0.0), (10, 8), (20, 0), (30, 8), (40, 0)])
    nothing, none = np.empty((0, 4)), np.empty((0, 2))
    assert straightest(points, nothing, np.empty(0), none, none, none).tolist() == [0, 4]
    below = np.array([(19.0, -0.2, 21.0, -0.2)])
    assert straightest(points, below, np.array([0.1]), none, none, none).tolist() == [0, 4]
    above = np.array([(9.0, 2.0, 11.0, 2.0)])  # under the first bow: a straight line would pass below it
    kept = straightest(points, above, np.array([0.1]), np.array([(10.0, 2.0)]), none, none)
    assert kept.tolist()[:2] == [0, 1]
    wall = np.array([(20.0, -5.0, 20.0, 5.0)])  # the chain crosses it at its own point only
    assert straightest(points, wall, np.array([0.1]), none, none, none).tolist() == [0, 2, 4]


NONE = np.empty((0, 2))


def kept(
    points: list[tuple[float, float]],
    lines: list[tuple[float, float, float, float]] | None = None,
    clear: float = 0.1,
    probes: list[tuple[float, float]] | None = None,
    first: list[tuple[float, float]] | None = None,
    last: list[tuple[float, float]] | None = None,
) -> list[int]:
    """Which points of a chain are kept, the same walked from either end."""
    chain = np.array(points, dtype=float)
    beside = np.array(lines or np.empty((0, 4)), dtype=float).reshape(-1, 4)
    rest = np.full(len(beside), clear), np.array(probes or NONE, dtype=float).reshape(-1, 2)
    ends = [np.array(courses or NONE, dtype=float).reshape(-1, 2) for courses in (first, last)]
    there = straightest(chain, beside, *rest, *ends).tolist()
    back = straightest(np.ascontiguousarray(chain[::-1]), beside, *rest, *ends[::-1]).tolist()
    assert [len(chain) - 1 - place for place in back[::-1]] == there
    return there


def test_a_piece_more_must_save_fifteen_metres() -> None:
    # a bow over a wall: along its three points it is as long as it is; over two corners it is shorter
    over = [(0.0, 0.0), (0, 20), (0, 22), (30, 22), (60, 22), (60, 20), (60, 0)]
    assert kept(over) == [0, 6]
    wall = [(29.0, -1.0, 29.0, 21.0), (31.0, -1.0, 31.0, 21.0)]
    # with one corner at (30, 22): two pieces of 37.2 m; with corners at the sides: 104 m and three pieces
    assert kept(over, wall, probes=[(30.0, 10.0)]) == [0, 3, 6]


def test_no_piece_stands_for_more_than_250_metres_of_the_chain() -> None:
    assert kept([(0.0, 0.0), (125, 0), (250, 0)]) == [0, 2]
    assert len(kept([(0.0, 0.0), (125, 0), (250.1, 0)])) == 3
    long = np.array([(10.0 * n, 0.0) for n in range(61)])
    assert len(straightest(long, np.empty((0, 4)), np.empty(0), NONE, NONE, NONE)) == 4  # 600 m, three pieces
    assert kept([(0.0, 0.0), (400, 0)]) == [0, 1]  # points beside each other may always be joined


def test_a_piece_keeps_clear_of_lines_but_need_not_be_farther_than_the_chain_was() -> None:
    bow = [(0.0, 0.0), (50, 10), (100, 0)]
    below = [(40.0, -3.0, 60.0, -3.0)]
    assert kept(bow, below, 2.9) == [0, 2]
    assert kept(bow, below, 3.1) == [0, 1, 2]
    near = [(-5.0, -3.0, 5.0, -3.0)]  # the chain begins 3 m away itself
    assert kept(bow, near, 5.0) == [0, 2]
    for beside in ([(104.0, -5.0, 104.0, 5.0)], [(-4.0, -5.0, -4.0, 5.0)], [(20.0, -9.0, 80.0, -6.0)]):
        assert kept(bow, beside, 3.9) == [0, 2]


def test_a_line_is_crossed_only_where_the_chain_crossed_it() -> None:
    bow = [(0.0, 0.0), (50, 10), (100, 0)]
    assert kept(bow, [(50.0, 5.0, 50.0, -5.0)]) == [0, 1, 2]
    through = [(50.0, 30.0, 50.0, -30.0)]  # the chain meets it at its own point
    assert kept(bow, through) == [0, 1, 2]
    ends = [(0.0, 0.0, -20.0, -20.0), (100.0, 0.0, 120.0, -20.0)]  # lines that leave the chain's ends
    assert kept(bow, ends) == [0, 2]


def test_what_stands_beside_the_chain_stays_on_its_side() -> None:
    bow = [(0.0, 0.0), (50, 10), (100, 0)]
    assert kept(bow, probes=[(50.0, 9.0)]) == [0, 1, 2]
    assert kept(bow, probes=[(50.0, 11.0)]) == [0, 2]
    assert kept(bow, probes=[(50.0, -1.0)]) == [0, 2]
    assert kept(bow, probes=[(50.0, 11.0), (20.0, 2.0)]) == [0, 1, 2]
    upright = [(0.0, 0.0), (10, 50), (0, 100)]
    assert kept(upright, probes=[(9.0, 50.0)]) == [0, 1, 2]
    assert kept(upright, probes=[(11.0, 50.0)]) == [0, 2]
    assert kept(upright, probes=[(-1.0, 50.0)]) == [0, 2]
    # a chain that goes round a point twice as high is straightened past both its bows or neither
    wave = [(0.0, 0.0), (25, 10), (50, 0), (75, -10), (100, 0)]
    assert kept(wave, probes=[(25.0, 5.0)]) == [0, 1, 4]
    assert kept(wave, probes=[(75.0, -5.0)]) == [0, 3, 4]


@pytest.mark.parametrize(
    ("degrees", "straight"),
    [
        (-10.0, False),
        (-29.0, False),
        (-31.0, True),
        (-90.0, True),
        (180.0, True),
        (20.0, False),
        (29.0, True),
    ],
)
def test_no_piece_leaves_another_line_at_less_than_thirty_degrees(degrees: float, straight: bool) -> None:
    bow = [
        (0.0, 0.0),
        (50, 60),
        (100, 0),
    ]  # it leaves its ends at 50 degrees: so 29 is no sharper than before
    course = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    wanted = [0, 2] if straight else [0, 1, 2]
    assert kept(bow, first=[course]) == wanted
    assert kept(bow, last=[(-course[0], course[1])]) == wanted


def test_where_the_chain_left_at_a_sharp_angle_itself_it_may_stay_as_sharp() -> None:
    flat = [(0.0, 0.0), (50, 5), (100, 0)]
    assert kept(flat, first=[(np.cos(0.3), np.sin(0.3))]) == [0, 2]
    assert kept(flat, first=[(np.cos(0.2), -np.sin(0.2))]) == [0, 1, 2]


def test_a_chain_whose_first_piece_is_a_metre_long_is_straightened_too() -> None:
    course = [(0.0, -1.0)]
    assert kept([(0.0, 0.0), (1, 0), (30, 4), (60, 0)], first=course) == [0, 3]
    assert kept([(0.0, 0.0), (30, 4), (59, 0), (60, 0)], last=course) == [0, 3]


towns = st.builds(
    Town,
    columns=st.integers(1, 4),
    rows=st.integers(1, 4),
    bend_m=st.sampled_from([0.0, 14.0]),
    most_households=st.sampled_from([30, 80]),
    gap_share=st.sampled_from([0.1, 0.5]),
    river=st.booleans(),
    wall=st.booleans(),
    careless=st.booleans(),
    dual=st.booleans(),
    seed=st.integers(0, 10_000),
)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(towns, st.integers(2, 9))
def test_on_paper_as_before_nothing_is_lost_and_no_border_turns_more(town: Town, count: int) -> None:
    area = make_town(town)
    footprints = area.buildings.geometry.to_numpy()
    units = units_of(area, 60)
    # whatever the plan: grids by chance, so that borders run everywhere
    grid = np.random.default_rng(town.seed).integers(0, count, len(units))
    _, grid = np.unique(grid, return_inverse=True)
    label = grid.reshape(-1)[units.unit]
    plain = dissolve(units.blocks.faces, label, int(label.max()) + 1)
    drawn = draw_outlines(units, label, int(label.max()) + 1, footprints)
    assert shapely.is_valid(drawn).all()
    assert shapely.coverage_is_valid(drawn)
    assert shapely.area(drawn).sum() == pytest.approx(area.communities.geometry.iloc[0].area, abs=1e-3)
    before, after = inner_borders(plain), inner_borders(drawn)
    if len(before):
        assert turning(after) <= turning(before) + 1e-6
        assert shapely.length(after).sum() <= shapely.length(before).sum() + 1e-6
        assert sharpest(drawn) >= min(sharpest(plain), 10.0) - 1e-6
    whole = np.delete(np.arange(len(footprints)), cut_buildings(before, footprints, 0.0))
    assert not len(cut_buildings(after, footprints[whole], 0.05))
    points = shapely.point_on_surface(footprints[whole])
    held = units.building_unit[whole] >= 0
    homes = grid.reshape(-1)[units.building_unit[whole][held]]
    inside = shapely.intersects(drawn[homes], points[held])
    assert (inside == shapely.intersects(plain[homes], points[held])).all()


def test_a_point_that_cannot_be_next_does_not_end_the_search_beyond_it() -> None:
    # the spike costs more than the way round it, and the straight way beyond costs less than both
    assert kept([(0.0, 0.0), (10, 0), (10, 30), (20, 0), (100, 0)]) == [0, 4]
    # a wall stands across the piece to the third point, not across that to the last
    wall = np.array([(20.0, 5.0, 24.0, 1.0)])
    over = np.array([(0.0, 0.0), (0, 30), (50, 8), (50, 60)])
    found = straightest(over, wall, np.array([0.1]), NONE, NONE, NONE)
    assert found.tolist() == [0, 3]
    # at the chain's beginning only the second of three pieces leaves the other line widely enough
    ahead = np.array([(0.0, 0.0), (0, 10), (30, 12), (10, 60)])
    found = straightest(ahead, np.empty((0, 4)), np.empty(0), NONE, np.array([(1.0, 0.0)]), NONE)
    assert found.tolist() == [0, 3]
    # a point that the chain passes on the one side, and the piece to the third point on the other
    found = straightest(over, np.empty((0, 4)), np.empty(0), np.array([(20.0, 10.0)]), NONE, NONE)
    assert found.tolist() == [0, 3]


def test_a_chain_gets_further_points_at_even_distances() -> None:
    fine = _subdivide(np.array([(0.0, 0.0), (10, 0), (10, 1), (10, 5)]))
    assert fine == pytest.approx(np.array([(0, 0), (10 / 3, 0), (20 / 3, 0), (10, 0), (10, 1), (10, 5)]))
    fine = _subdivide(np.array([(0.0, 0.0), (6, 8)]))
    assert fine == pytest.approx(np.array([(0, 0), (2, 8 / 3), (4, 16 / 3), (6, 8)]))


def test_courses_are_those_of_the_lines_that_end_in_the_point() -> None:
    lines = np.array(
        [(0.0, 0.0, 3.0, 4.0), (8.0, 0.0, 0.0, 0.0), (1.0, 1.0, 2.0, 2.0), (0.0, 0.0, 0.0, -2.0)]
    )
    assert _courses(lines, np.array([0.0, 0.0])).tolist() == [[0.6, 0.8], [0.0, -1.0], [1.0, 0.0]]
    assert _courses(lines, np.array([9.0, 9.0])).shape == (0, 2)


def test_segments_of_one_polygon_only() -> None:
    start = np.array([(0.0, 0.0), (1, 0), (1, 1), (5, 5)])
    end = np.array([(1.0, 0.0), (0, 0), (2, 1), (6, 5)])
    assert _unshared(start, end).tolist() == [False, False, True, True]


def borders_of(rows: list[tuple[str, tuple[float, float], tuple[float, float]]]) -> Borders:
    start, end = (np.array([row[i] for row in rows], dtype=float) for i in (1, 2))
    kind = np.array([CLASS_NUMBER[row[0]] if row[0] != "none" else 0 for row in rows])
    n = len(rows)
    none = np.zeros(n, dtype=np.int64)
    return Borders(none, none + 1, np.hypot(*(end - start).T), kind, none > 0, np.zeros(2), start, end)


def test_what_a_border_may_leave_and_what_it_must_heed() -> None:
    rows = [
        ("none", (0.0, 0.0), (10.0, 0.0)),
        ("path", (10.0, 0.0), (20.0, 0.0)),  # a few metres along a footpath
        ("path", (20.0, 0.0), (34.9, 0.0)),
        ("none", (34.9, 0.0), (50.0, 0.0)),
        ("path", (50.0, 0.0), (75.0, 0.0)),  # 25 m of it
        ("lane", (75.0, 0.0), (80.0, 0.0)),
        ("path", (10.0, 0.0), (10.0, 9.0)),  # within a grid
        ("none", (10.0, 9.0), (10.0, 19.0)),
    ]
    between = np.array([True] * 6 + [False] * 2)
    free, heeded = _part_segments(borders_of(rows), between)
    assert free.tolist() == [True, True, True, True, False, False, False, False]
    assert heeded.tolist() == [False, False, False, False, True, True, False, False]
    # a border that only follows the footpath stays there
    free, heeded = _part_segments(borders_of(rows[1:3]), between[1:3])
    assert free.tolist() == [False, False]
    assert heeded.tolist() == [True, True]


def test_chains_run_from_fixed_point_to_fixed_point_and_rings_are_cut_open() -> None:
    places = [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0), (5.0, 5.0), (6.0, 5.0), (6.0, 6.0)]
    pairs = [(0, 1), (2, 1), (2, 3), (4, 5), (5, 6), (6, 4)]
    first, last = np.array(pairs).T
    ends = np.array([places[a] for a, _ in pairs] + [places[b] for _, b in pairs])
    low, high = np.array([0, 0, 0, 1, 1, 1]), np.array([1, 1, 1, 2, 2, 2])
    fixed = np.array([True, False, False, True, False, False, False])
    ways = [way.tolist() for way in _walk(first, last, low, high, fixed.copy(), ends)]
    assert ways[0] == [list(places[n]) for n in (0, 1, 2, 3)]
    assert ways[1] == [list(places[n]) for n in (4, 5, 6, 4)]
    assert len(ways) == 2
    # where another grid begins, the chain ends
    ways = list(_walk(first, last, low, np.array([1, 1, 2, 2, 2, 2]), fixed.copy(), ends))
    assert [len(way) for way in ways] == [3, 2, 4]


def test_points_beside_each_other_are_joined_even_across_a_line() -> None:
    assert kept([(0.0, 0.0), (50, 0), (100, 40)], [(25.0, -5.0, 25.0, 50.0)]) == [0, 1, 2]


def test_pieces_are_as_far_apart_as_measured_by_another() -> None:
    rng = np.random.default_rng(6)
    for _ in range(300):
        a, b, c, d = rng.integers(-4, 5, (4, 2)).astype(float) + rng.choice([0.0, 0.25], (4, 2))
        one, other = shapely.LineString([a, b]), shapely.LineString([c, d])
        line = np.concatenate([c, d])
        assert _apart(a, b, line) == pytest.approx(shapely.distance(one, other), abs=1e-12)
        assert _off(a[0], a[1], *line) == pytest.approx(shapely.distance(shapely.Point(a), other), abs=1e-12)
        if one.length and other.length:
            assert _cross(a, b, line) == one.crosses(other)
