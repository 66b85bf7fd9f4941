from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import LineString, Point, box

from partition.geometry.blocks import (
    STRENGTH,
    _near_crossing,
    build_blocks,
    find_borders,
    match_segments,
    segments,
    total,
    undirected,
)
from partition.geometry.linework import (
    BORDER_CLASSES,
    CLASS_NUMBER,
    GATE_M,
    Linework,
    build_linework,
    close_near_misses,
    cluster_footprints,
    detour,
    fill_holes,
    find_crossings,
)
from tests.lattice import CRS

SQUARE = box(0, 0, 200, 200)


def streets(*rows: tuple[str, LineString], **flags: list[bool]) -> gpd.GeoDataFrame:
    count = len(rows)
    frame = {
        "class": [kind for kind, _ in rows],
        "bridge": False,
        "tunnel": False,
        "layer": 0,
        "oneway": False,
        "name": "",
    }
    return gpd.GeoDataFrame(
        frame | {k: v for k, v in flags.items() if len(v) == count}, geometry=[g for _, g in rows], crs=CRS
    )


def divide(frame: gpd.GeoDataFrame, footprints=()):
    obstacles, _ = cluster_footprints(np.array(list(footprints), dtype=object))
    linework = build_linework(frame, SQUARE, obstacles)
    return build_blocks(linework, SQUARE), linework


def test_a_street_across_makes_two_blocks_that_cover_the_community() -> None:
    blocks, _ = divide(streets(("local", LineString([(-5, 100), (205, 100)]))))
    assert shapely.area(blocks.faces).round(6).tolist() == [20_000, 20_000]
    assert blocks.borders.length.sum() == pytest.approx(200)
    assert BORDER_CLASSES[blocks.borders.kind[0]] == "local"
    assert blocks.borders.outer.tolist() == pytest.approx([400, 400])


def test_a_dangling_street_bounds_nothing() -> None:
    blocks, _ = divide(streets(("local", LineString([(0, 100), (150, 100)]))))
    assert len(blocks.faces) == 1


@pytest.mark.parametrize(("stop", "faces"), [(196, 2), (190, 1)])
def test_a_near_miss_is_closed_within_the_tolerance_only(stop: float, faces: int) -> None:
    blocks, linework = divide(streets(("local", LineString([(0, 100), (stop, 100)]))))
    assert len(blocks.faces) == faces
    assert linework.near_misses == faces - 1


def test_a_near_miss_is_not_closed_through_a_building() -> None:
    blocks, _ = divide(streets(("local", LineString([(0, 100), (196, 100)]))), [box(197, 90, 199, 110)])
    assert len(blocks.faces) == 1


def test_a_tunnel_bounds_nothing() -> None:
    frame = streets(("arterial", LineString([(-5, 100), (205, 100)])), tunnel=[True])
    assert len(divide(frame)[0].faces) == 1


def test_a_line_through_a_building_goes_round_it() -> None:
    house = box(90, 80, 120, 110)
    blocks, linework = divide(streets(("local", LineString([(-5, 100), (205, 100)]))), [house])
    assert linework.detours == 1
    inside = [shapely.area(shapely.intersection(face, house)) for face in blocks.faces]
    assert sorted(np.round(inside, 6)) == [0, 0, house.area]


def test_holes_of_footprints_are_filled_and_overlapping_footprints_united() -> None:
    yard = box(0, 0, 30, 30).difference(box(10, 10, 20, 20))
    obstacles, member = cluster_footprints(
        np.array([yard, box(25, 25, 40, 40), box(40, 25, 50, 40)], dtype=object)
    )
    assert len(obstacles) == 2
    assert member[0] == member[1] != member[2], "footprints that only touch stay apart"
    assert obstacles[member[0]].area == pytest.approx(900 + 225 - 25)


@pytest.mark.parametrize(
    ("way", "leads_through"),
    [
        (LineString([(50, 0), (50, 100)]), True),
        (LineString([(50, 0), (50, 50)]), False),
        (LineString([(0, 40), (100, 40)]), False),
    ],
)
def test_only_a_way_that_leads_through_is_a_crossing(way: LineString, leads_through: bool) -> None:
    river = LineString([(0, 50), (100, 50)])
    found = find_crossings(np.array([river], dtype=object), np.array([way], dtype=object))
    assert [p.equals_exact(Point(50, 50), 0.01) for p in found] == ([True] if leads_through else [])


def test_two_ways_that_meet_at_a_gate_lead_through() -> None:
    wall = LineString([(0, 50), (100, 50)])
    ways = [LineString([(50, 0), (50, 50)]), LineString([(50, 50), (60, 100)])]
    assert len(find_crossings(np.array([wall], dtype=object), np.array(ways, dtype=object))) == 1


def test_a_river_severs_unless_a_bridge_crosses_it() -> None:
    river = ("water", LineString([(-5, 100), (205, 100)]))
    blocks, _ = divide(streets(river))
    assert blocks.borders.severed.all()
    blocks, _ = divide(streets(river, ("path", LineString([(60, 60), (60, 140)]))))
    assert not blocks.borders.severed.any()
    under = streets(river, ("path", LineString([(60, 60), (60, 140)])), tunnel=[False, True])
    assert not divide(under)[0].borders.severed.any(), "an underpass is a crossing though it bounds nothing"


def test_a_crossing_that_is_not_marked_as_a_bridge_is_counted() -> None:
    river = ("water", LineString([(-5, 100), (205, 100)]))
    ways = [("path", LineString([(x, 60), (x, 140)])) for x in (60, 120, 180)]
    assert divide(streets(river, *ways))[1].unmarked == 3
    assert divide(streets(river, *ways, bridge=[False, True, False, False]))[1].unmarked == 2
    assert divide(streets(river, *ways, bridge=[False, True, True, True]))[1].unmarked == 0
    wall = ("wall", LineString([(-5, 100), (205, 100)]))
    assert divide(streets(wall, *ways))[1].unmarked == 0, "a gate is no bridge"


def test_the_strongest_of_two_lines_names_the_border() -> None:
    line = LineString([(-5, 100), (205, 100)])
    blocks, _ = divide(streets(("path", line), ("arterial", line)))
    assert {BORDER_CLASSES[k] for k in blocks.borders.kind} == {"arterial"}


def test_the_order_of_streets_does_not_matter() -> None:
    rows = [("local", LineString([(-5, y), (205, y + 7)])) for y in (40, 90, 150)]
    rows += [("lane", LineString([(x, -5), (x + 3, 205)])) for x in (33, 120)]
    one, other = divide(streets(*rows))[0], divide(streets(*rows[::-1]))[0]
    assert shapely.equals_exact(one.faces, other.faces).all()


def test_lines_that_end_on_a_slanted_line_meet_it_whatever_the_rounding() -> None:
    avenue = LineString([(-5, 3), (205, 117.3)])
    lanes = [LineString([avenue.interpolate(d), (5 + d * 0.9, 205)]) for d in np.linspace(11.3, 200.7, 12)]
    blocks, linework = divide(streets(("arterial", avenue), *(("lane", lane) for lane in lanes)))
    assert len(blocks.faces) == len(lanes) + 2
    assert linework.near_misses == 0
    assert shapely.area(blocks.faces).sum() == pytest.approx(SQUARE.area, abs=1e-3)


def test_lines_on_top_of_each_other_but_for_rounding_leave_no_sliver() -> None:
    lines = [LineString([(-5, 3), (71 + k * 1e-10, 43), (205, 117.3 + k * 1e-10)]) for k in range(4)]
    blocks, _ = divide(streets(*(("local", line) for line in lines)))
    assert len(blocks.faces) == 2


# --- one room after the other ---

NONE = np.empty(0, dtype=object)


def array(*shapes: shapely.Geometry) -> np.ndarray:
    return np.array(shapes, dtype=object)


def row(y: float, *xs: float) -> LineString:
    return LineString([(x, y) for x in xs])


def test_further_lines_join_the_linework() -> None:
    first = Linework(array(row(0, 0, 9)), np.array([3]), NONE)
    assert (first.near_misses, first.detours, first.unmarked) == (0, 0, 0)
    assert len(first.medians) == len(first.tails) == len(first.apart) == 0
    plain = first.with_lines(array(row(1, 0, 9), row(2, 0, 9)))
    assert plain.classes.tolist() == [3, 0, 0]
    assert plain.lines.tolist() == [row(0, 0, 9), row(1, 0, 9), row(2, 0, 9)]
    more = plain.with_lines(
        array(row(3, 0, 9)), np.array([5]), medians=array(SQUARE), tails=array(box(0, 0, 1, 1))
    )
    assert more.classes.tolist() == [3, 0, 0, 5]
    again = more.with_lines(NONE, medians=array(SQUARE), tails=array(SQUARE, SQUARE))
    assert (len(again.medians), len(again.tails)) == (2, 3)
    kept = again.with_lines(NONE)
    assert (len(kept.medians), len(kept.tails), len(kept.lines)) == (2, 3, 4)


def joined(*lines: LineString, footprints: np.ndarray = NONE) -> list[LineString]:
    return close_near_misses(array(*lines), SQUARE, footprints).tolist()


def test_a_dangling_end_is_joined_to_the_nearest_line_and_a_tenth_of_a_millimetre_beyond() -> None:
    (join,) = joined(row(100, 20, 196))
    assert join.coords[0] == (196, 100)
    assert not joined(row(100, 20, 194.9))
    ends = [list(line.coords) for line in joined(row(100, 3, 196.5))]
    assert ends == [[(3, 100), (pytest.approx(-1e-4), 100)], [(196.5, 100), (pytest.approx(200.0001), 100)]]
    # the nearest of several
    others = LineString([(154, 50), (154, 150)]), LineString([(152, 101), (152, 150)])
    nearest = {line.coords[0]: line.coords[1] for line in joined(row(100, 0, 150), *others)}
    assert nearest[150, 100] == pytest.approx((152, 101), abs=1e-3)
    assert joined() == []
    assert joined(row(100, 0, 200)) == []


def test_a_join_is_not_led_through_a_footprint() -> None:
    assert len(joined(row(100, 20, 196), footprints=array(box(10, 10, 20, 20)))) == 1
    assert joined(row(100, 20, 196), footprints=array(box(197, 90, 199, 110))) == []
    both = row(100, 3, 196)
    (left,) = joined(both, footprints=array(box(197, 90, 199, 110)))
    assert left.coords[0] == (3, 100)


@pytest.mark.parametrize(("length", "missed"), [(6.0, False), (9.8, False), (10.2, True)])
def test_a_stub_is_near_the_street_it_comes_from_and_has_not_missed_it(length: float, missed: bool) -> None:
    """It leaves a street at a small angle, and ends three metres beside it."""
    stub = LineString([(100, 100), (100 + np.sqrt(length**2 - 9), 103)])
    for way in (stub, stub.reverse()):
        for street in (row(100, 0, 200), row(100, 200, 0)):
            assert len(joined(street, way)) == missed
    # but it may miss another
    assert len(joined(row(100, 0, 200), stub, row(106, 0, 200))) == 1


def test_one_walks_round_the_end_of_a_wall_and_through_where_ways_lead_to_both_sides() -> None:
    wall = array(row(0, 0, 10))
    across = LineString([(5, -5), (5, 5)])
    cases = {
        across: True,
        LineString([(10, -5), (10, 5)]): True,  # at its end
        LineString([(5, 0), (5, 5)]): False,  # it only comes up to it
        LineString([(5, -0.4), (5, 5)]): False,  # not far enough beyond to be there
        LineString([(5, -0.6), (5, 5)]): True,
        LineString([(20, -5), (20, 5)]): False,
    }
    for way, leads in cases.items():
        assert [point.coords[0] for point in find_crossings(wall, array(way))] == [
            (way.coords[0][0], 0.0)
        ] * leads
    assert len(find_crossings(NONE, array(across))) == len(find_crossings(wall, NONE)) == 0
    assert GATE_M / 3 == 0.5


def test_holes_are_filled_shape_by_shape() -> None:
    ring = box(0, 0, 10, 10).difference(box(2, 2, 4, 4))
    pair = shapely.MultiPolygon([ring, box(20, 0, 30, 10)])
    assert fill_holes(array(ring))[0].equals(box(0, 0, 10, 10))
    filled = fill_holes(array(ring, pair))
    assert filled[0].equals(box(0, 0, 10, 10))
    assert filled[1].equals(shapely.union_all([box(0, 0, 10, 10), box(20, 0, 30, 10)]))


def test_lines_are_led_round_what_they_cross_by_more_than_the_tolerance() -> None:
    lines, classes = array(row(5, -5, 15), row(0, -5, 15), row(50, 0, 9)), np.array([3, 4, 5])
    house = box(0, 0, 10, 10)
    for none in (
        NONE,
        array(box(14.6, 0, 20, 10)),
        array(box(0, 5, 10, 20)),
    ):  # beside it, or along its outline
        kept, same, count = detour(lines, classes, none)
        assert (kept.tolist(), same.tolist(), count) == (lines.tolist(), classes.tolist(), 0)
    made, kinds, count = detour(lines, classes, array(box(100, 0, 110, 9), house, box(14.4, 3, 20, 6)))
    assert count == 2
    assert kinds.tolist() == [3, 3, 4, 5, 0, 0]
    assert shapely.length(made).tolist() == pytest.approx([5, 4.4, 20, 9, 40, 17.2])
    empty, no_kind, zero = detour(NONE, classes[:0], array(house))
    assert (len(empty), len(no_kind), zero) == (0, 0, 0)


def test_borders_read_the_same_from_both_sides() -> None:
    start, end = np.array([(0.0, 0), (1, 5), (1, 2), (3, 3)]), np.array([(1.0, 0), (0, 9), (1, 1), (3, 3)])
    one, other = undirected(start, end), undirected(end, start)
    assert one[0].tolist() == other[0].tolist() == [[0, 0], [0, 9], [1, 1], [3, 3]]
    assert one[1].tolist() == other[1].tolist() == [[1, 0], [1, 5], [1, 2], [3, 3]]
    assert total(np.array([2, 0, 2]), np.array([1.5, 2.0, 3.0]), 4).tolist() == [2, 0, 4.5, 0]


def test_segments_of_all_rings_by_their_polygons_and_those_that_two_share() -> None:
    hole = box(3, 3, 6, 6)
    shapes = array(
        shapely.MultiPolygon([box(0, 0, 9, 9).difference(hole), box(20, 0, 21, 1)]), hole, box(9, 0, 12, 9)
    )
    _, _, owner = segments(shapes)
    assert np.bincount(owner).tolist() == [12, 4, 4]
    a, b, start, end, outer = match_segments(shapes)
    pairs = sorted(zip(a.tolist(), b.tolist(), np.hypot(*(end - start).T).tolist(), strict=True))
    assert pairs == [(0, 1, 3.0)] * 4 + [(0, 2, 9.0)]
    assert outer.tolist() == [9 * 3 + 4, 0, 15]


def test_what_runs_along_a_border_is_the_strongest_line_there_or_none() -> None:
    faces = array(box(0, 0, 10, 10), box(10, 0, 20, 10), box(20, 0, 30, 10))
    at = LineString([(10, -5), (10, 15)])
    far = LineString([(50, 0), (50, 9)])
    for weaker, stronger in zip(STRENGTH[1:-1], STRENGTH[:-2], strict=True):
        kinds = np.array([CLASS_NUMBER[name] for name in (weaker, stronger, "rail")])
        borders = find_borders(faces, Linework(array(at, at, far), kinds, NONE))
        assert [BORDER_CLASSES[kind] for kind in borders.kind] == [stronger, "none"]
        cuts = {weaker, stronger} & {"water", "rail", "wall"}
        assert borders.severed.tolist() == [bool(cuts), False]
        assert borders.outer.tolist() == [30, 20, 30]
        assert (borders.a.tolist(), borders.b.tolist(), borders.length.tolist()) == ([0, 1], [1, 2], [10, 10])
    bare = find_borders(faces, Linework(NONE, np.empty(0, int), NONE))
    assert bare.kind.tolist() == [CLASS_NUMBER["none"]] * 2
    assert not bare.severed.any()
    single = find_borders(
        faces[:1], Linework(array(at), np.array([CLASS_NUMBER["wall"]]), array(Point(10, 5)))
    )
    assert len(single.kind) == 0


def test_a_crossing_opens_the_whole_border_between_its_two_faces_and_no_other() -> None:
    rng = np.random.default_rng(4)
    pairs = np.array([(a, b) for a in range(6) for b in range(a + 1, 6) for _ in range(2)])
    start = np.column_stack([10.0 * np.arange(len(pairs)), np.zeros(len(pairs))])
    end = start + np.array([5.0, 0.0])
    for _ in range(20):
        severing = rng.random(len(pairs)) < 0.7
        at = rng.choice(len(pairs), 2, replace=False)
        crossings = shapely.points(start[at] + np.array([2.0, 0.49]))
        found = _near_crossing(pairs[:, 0], pairs[:, 1], start, end, severing, crossings)
        open_pairs = {tuple(pairs[n]) for n in at if severing[n]}
        assert found.tolist() == [tuple(pair) in open_pairs for pair in pairs]
        beside = shapely.points(start[at] + np.array([2.0, 0.51]))
        assert not _near_crossing(pairs[:, 0], pairs[:, 1], start, end, severing, beside).any()
