from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely
from shapely import LineString, box

from partition.geometry.adjacency import build_graph, link_islands
from partition.geometry.blocks import Blocks, Borders
from partition.geometry.grids import dissolve
from partition.geometry.linework import BORDER_CLASSES, build_linework, cluster_footprints
from partition.geometry.metrics import cut_buildings, inner_borders
from partition.geometry.units import (
    Units,
    _Joining,
    _locate,
    _number_units,
    build_units,
    cut_between_buildings,
    largest_within,
)
from partition.wishes.policy import BORDER_COST, CROSSING_COST
from tests.lattice import make_area


def units_of(area, cut_above: float = 400) -> Units:
    polygon = area.communities.geometry.iloc[0]
    footprints, _ = cluster_footprints(area.buildings.geometry.to_numpy())
    return build_units(
        build_linework(area.streets, polygon, footprints), polygon, area.buildings, BORDER_COST, cut_above
    )


def test_a_block_that_fits_is_one_unit_and_a_larger_one_is_cut() -> None:
    houses = [box(x, y, x + 15, y + 12) for x in (10, 60, 110) for y in (10, 60)]
    area = make_area([box(0, 0, 150, 100)], [], [], houses, [90] * 6)
    assert len(units_of(area, 540)) == 1
    cut = units_of(area, 539)
    assert sorted(cut.households.tolist()) == [90] * 6
    polygons = dissolve(cut.blocks.faces, cut.unit, len(cut))
    assert shapely.coverage_is_valid(polygons)
    assert not len(cut_buildings(inner_borders(polygons), np.array(houses, dtype=object), 0.0))


def test_touching_houses_are_cut_along_their_common_wall() -> None:
    houses = np.array([box(10, 10, 30, 30), box(30, 10, 50, 30), box(50, 12, 70, 30)], dtype=object)
    lines = cut_between_buildings(box(0, 0, 80, 40), houses)
    assert not len(cut_buildings(lines, houses, 0.05))
    inside = shapely.intersection(shapely.union_all(lines), box(29.5, 12, 30.5, 28))
    assert inside.length == pytest.approx(16, abs=0.5)


def test_a_courtyard_house_keeps_the_house_in_its_yard() -> None:
    ring = box(10, 10, 60, 60).difference(box(20, 20, 50, 50))
    area = make_area(
        [box(0, 0, 150, 100)], [], [], [ring, box(30, 30, 40, 40), box(100, 30, 120, 50)], [300, 50, 90]
    )
    assert sorted(units_of(area).households.tolist()) == [90, 350]


def test_rows_with_one_id_end_in_one_unit() -> None:
    streets = [LineString([(100, -5), (100, 105)]), LineString([(200, -5), (200, 105)])]
    houses = [box(20, 20, 40, 40), box(220, 20, 240, 40), box(120, 60, 140, 80), box(120, 10, 140, 20)]
    area = make_area(
        [box(0, 0, 300, 100)], streets, ["local"] * 2, houses, [50, 0, 70, 10], ids=["A", "A", "B", "C"]
    )
    units = units_of(area)
    assert units.building_unit[0] == units.building_unit[1]
    assert units.households.sum() == 130


def test_slivers_and_small_empty_faces_join_a_neighbour() -> None:
    streets = [LineString([(100, -5), (100, 105)]), LineString([(103, -5), (103, 105)])]
    area = make_area(
        [box(0, 0, 200, 100)], streets, ["lane"] * 2, [box(20, 20, 40, 40), box(150, 20, 170, 40)], [50, 60]
    )
    units = units_of(area)
    assert units.households.tolist() == [50, 60]
    assert units.area_m2.sum() == pytest.approx(20_000)


def test_a_dual_carriageway_is_parted_along_its_middle() -> None:
    streets = [LineString([(x, -5), (x, 405)]) for x in (190, 210)] + [LineString([(-5, 200), (405, 200)])]
    houses = [box(x, y, x + 20, y + 20) for x in (50, 300) for y in (50, 300)]
    area = make_area([box(0, 0, 400, 400)], streets, ["arterial", "arterial", "local"], houses, [50] * 4)
    units = units_of(area)
    assert len(units) == 4
    assert units.area_m2 == pytest.approx([40_000] * 4, rel=0.01)
    graph = build_graph(units, BORDER_COST, CROSSING_COST)
    middle = graph.cost[graph.length > 150]
    assert (middle < 160).all()
    assert (middle < 0).any(), "the middle of an arterial counts as arterial"


def test_a_large_empty_block_stays_a_unit() -> None:
    streets = [LineString([(100, -5), (100, 105)])]
    area = make_area([box(0, 0, 200, 100)], streets, ["local"], [box(20, 20, 40, 40)], [50])
    assert units_of(area).households.tolist() == [50, 0]


def test_an_empty_block_that_nobody_can_reach_joins_a_neighbour() -> None:
    banks = [LineString([(-5, y), (405, y)]) for y in (90, 130)]
    area = make_area(
        [box(0, 0, 400, 220)], banks, ["water"] * 2, [box(20, 20, 40, 40), box(20, 160, 40, 180)], [50, 60]
    )
    units = units_of(area)
    assert units.households.tolist() == [50, 60]
    assert not build_graph(units, BORDER_COST, CROSSING_COST).walk.any()


def test_the_graph_prices_borders_by_what_runs_there() -> None:
    streets = [LineString([(100, -5), (100, 105)])]
    for kind, price in (("lane", 1.0), ("arterial", 0.2 - 0.5), ("wall", 0.8)):
        area = make_area(
            [box(0, 0, 200, 100)], streets, [kind], [box(20, 20, 40, 40), box(150, 20, 170, 40)], [5, 6]
        )
        graph = build_graph(units_of(area), BORDER_COST, CROSSING_COST)
        assert graph.length.tolist() == pytest.approx([100, 100])
        assert graph.cost.tolist() == pytest.approx([100 * price] * 2)
        assert graph.walk.tolist() == [kind != "wall"] * 2


def test_only_small_islands_are_linked() -> None:
    island = shapely.MultiPolygon([box(0, 0, 100, 100), box(150, 0, 200, 50)])
    area = make_area([island], [], [], [box(20, 20, 40, 40), box(160, 10, 180, 30)], [250, 60])
    units = units_of(area)
    graph = build_graph(units, BORDER_COST, CROSSING_COST)
    outlines = dissolve(units.blocks.faces, units.unit, len(units))
    assert link_islands(graph, np.array([0, 1]), outlines, 200).links == ((1, 0),)
    assert link_islands(graph, np.array([0, 1]), outlines, 50).links == ()


# --- faces joined to units ---

LANE, ARTERIAL = BORDER_CLASSES.index("lane"), BORDER_CLASSES.index("arterial")


def joining(
    faces: list[shapely.Geometry], pairs: list[tuple[int, int, float, int, bool]], kept: tuple[int, ...] = ()
) -> _Joining:
    """Faces with the borders told: two faces, metres, class, and whether nobody can walk across."""
    a, b, length, kind, severed = (list(column) for column in zip(*pairs, strict=True))
    shared = np.bincount(a + b, weights=length + length, minlength=len(faces))
    shapes = np.array(faces, dtype=object)
    outer = shapely.length(shapes) - shared
    borders = Borders(
        np.array(a), np.array(b), np.array(length, float), np.array(kind), np.array(severed), outer
    )
    return _Joining(shapes, borders, np.isin(np.arange(len(faces)), kept), BORDER_COST)


def groups(join: _Joining) -> list[list[int]]:
    roots = join.roots()
    return sorted(np.flatnonzero(roots == root).tolist() for root in np.unique(roots))


def row(*widths: float) -> list[shapely.Geometry]:
    ends = np.cumsum([0.0, *widths])
    return [box(a, 0, b, 100) for a, b in itertools.pairwise(ends)]


def test_a_face_is_small_by_its_area_or_its_width_or_where_nobody_reaches_it() -> None:
    # 100 m high: 15 m wide is 1,500 m²; twice the area over the perimeter is 12 m at 13.64 m of width
    for width, small in ((14.9, True), (15.1, False)):
        join = joining(row(200, width, 200), [(0, 1, 100, LANE, False), (1, 2, 100, LANE, False)], (0, 2))
        assert join._is_small(1) == small
    thin = [box(0, 0, 300, 50), box(0, 50, 300, 62.4), box(0, 63, 300, 200)]
    assert joining(thin, [(0, 1, 300, LANE, False)], (0,))._is_small(1)
    wide = [box(0, 0, 300, 50), box(0, 50, 300, 63), box(0, 63, 300, 200)]
    assert not joining(wide, [(0, 1, 300, LANE, False)], (0,))._is_small(1)
    assert not joining(thin, [(0, 1, 300, LANE, False)], (0, 1))._is_small(1)
    large = row(200, 200)
    for metres, small in ((0.9, True), (1.0, False)):  # of border that can be walked across
        pairs = [(0, 1, 99, LANE, True), (0, 1, metres, LANE, False)]
        assert joining(large, pairs, (0,))._is_small(1) == small


def test_a_small_face_joins_along_its_costliest_side_that_can_be_crossed() -> None:
    faces = [box(0, 0, 100, 100), box(100, 0, 110, 100), box(110, 0, 200, 100), box(100, 100, 110, 300)]
    ends = [(1, 3, 10, LANE, False)]

    def beside(*pairs: tuple[int, int, float, int, bool]) -> int:
        return joining(faces, [*pairs, *ends], (0, 2))._beside_most(1)

    # a lane costs more than an arterial: the lane is joined over
    assert beside((0, 1, 100, LANE, False), (1, 2, 100, ARTERIAL, False)) == 0
    assert beside((0, 1, 100, ARTERIAL, False), (1, 2, 100, LANE, False)) == 2
    assert beside((0, 1, 100, LANE, False), (1, 2, 100, LANE, False)) == 0  # of equal ones the first
    assert beside((0, 1, 100, LANE, True), (1, 2, 100, ARTERIAL, False)) == 2
    # along nothing that can be crossed: over its end
    assert beside((0, 1, 100, LANE, True), (1, 2, 100, LANE, True)) == 3
    # half its longest side is along it, less is an end
    assert beside((0, 1, 100, ARTERIAL, False), (1, 2, 50, LANE, False)) == 2
    assert beside((0, 1, 100, ARTERIAL, False), (1, 2, 49, LANE, False)) == 0
    none = joining(faces[:3], [(0, 1, 100, ARTERIAL, True), (1, 2, 100, LANE, True)], (0, 2))
    assert none._beside_most(1) == 2


def test_small_faces_are_absorbed_the_smallest_first() -> None:
    pairs = [(i, i + 1, 100.0, LANE, False) for i in range(4)]
    # 4 m and 8 m together are less than 15 m and 13.6 m wide: they end with a neighbour both
    join = joining(row(200, 4, 8, 6, 200), pairs, (0, 4))
    join.absorb_small()
    assert groups(join) == [[0, 1, 2, 3], [4]]
    join = joining(row(200, 8, 9, 200, 200), pairs, (0, 4))
    join.absorb_small()
    assert groups(join) == [[0, 1, 2], [3], [4]]
    assert join.area[join.root(0)] == pytest.approx(21_700)
    assert join.kept[join.root(1)]
    (entry,) = join.near[join.root(0)].values()
    assert entry[1:] == [100.0, 100.0]
    alone = joining([box(0, 0, 5, 5), box(50, 0, 55, 5)], [(0, 1, 0.0, LANE, False)])
    alone.near = [{}, {}]
    alone.absorb_small()
    assert groups(alone) == [[0], [1]]


def test_pieces_of_a_median_join_what_lies_beside_them_but_not_each_other() -> None:
    pairs = [(0, 1, 50, LANE, False), (1, 2, 50, LANE, False), (1, 3, 100, ARTERIAL, False)]
    faces = [*row(50, 20, 20), box(50, 100, 70, 300)]
    for costlier, expected in ((100.0, [[0], [1, 2], [3]]), (50.0, [[0, 1], [2], [3]])):
        join = joining(faces, [pairs[0], (1, 2, costlier, LANE, False)])
        join.share_medians(np.array([False, True, False, False]))
        assert groups(join) == expected
    join = joining(faces, pairs)
    join.share_medians(np.array([True, True, False, False]))
    assert groups(join) == [[0], [1, 2], [3]]
    # more than a metre that can be walked across comes before any cost
    for metres, expected in ((1.5, [[0], [1, 2], [3]]), (1.0, [[0, 1], [2], [3]])):
        join = joining(faces, [(0, 1, 90, LANE, True), (1, 2, metres, LANE, False)])
        join.share_medians(np.array([False, True, False, False]))
        assert groups(join) == expected


def test_tails_join_unless_they_are_kept() -> None:
    pairs = [(0, 1, 100, LANE, False), (1, 2, 100, ARTERIAL, False)]
    for kept, expected in (((), [[0, 1], [2]]), ((1,), [[0], [1], [2]])):
        join = joining(row(50, 20, 60), pairs, kept)
        join.share_tails(np.array([False, True, False]))
        assert groups(join) == expected


def test_rows_of_one_building_bring_the_fewest_faces_between_them() -> None:
    pairs = [
        (0, 1, 10, LANE, False),
        (1, 2, 10, LANE, False),
        (2, 3, 10, LANE, False),
        (0, 4, 10, LANE, True),
    ]
    pairs += [(3, 4, 10, LANE, False), (1, 4, 10, LANE, False)]
    join = joining(row(50, 50, 50, 50, 50), pairs)
    assert join._way(0, 3) == [3, 2, 1, 0]  # the first of those as short
    assert join._way(0, 4) == [4, 1, 0]  # nobody walks from 0 to 4
    assert join._way(2, 2) == [2]
    join.unite_atoms(np.array([0, 4, 3]), np.array([7, 7, 9]))
    assert groups(join) == [[0, 1, 4], [2], [3]]
    apart = joining(row(50, 50, 50), [(0, 1, 10, LANE, True), (1, 2, 10, LANE, False)])
    apart.unite_atoms(np.array([0, 2]), np.array([3, 3]))
    assert groups(apart) == [[0, 2], [1]]


def test_faces_in_one_area_that_touch_are_one() -> None:
    pairs = [(0, 1, 10, LANE, False), (1, 2, 10, LANE, False), (2, 3, 10, LANE, False)]
    join = joining(row(50, 50, 50, 50), pairs)
    a, b = np.array([0, 1, 2]), np.array([1, 2, 3])
    join.unite_areas(np.array([-1, 4, 4, -1]), Borders(a, b, a, a, a, a))
    assert groups(join) == [[0], [1, 2], [3]]
    join.unite_areas(np.array([-1, -1, 0, 0]), Borders(a, b, a, a, a, a))
    assert groups(join) == [[0], [1, 2, 3]]


def test_the_largest_face_of_each_area() -> None:
    faces = np.array([box(0, 0, 10, 10), box(10, 0, 30, 10), box(30, 0, 50, 10), box(100, 0, 110, 10)])
    areas = np.array([box(0, 0, 60, 10), box(90, 0, 120, 10), box(200, 0, 210, 10)])
    assert largest_within(faces, areas).tolist() == [1, 3]  # of equal ones the first; nothing in the third
    assert largest_within(faces, areas[:0]).tolist() == []


def test_a_building_lies_in_its_face_or_with_its_rows_or_in_the_nearest() -> None:
    faces = np.array([box(0, 0, 10, 10), box(10, 0, 30, 10), box(50, 0, 60, 10)])
    houses = [box(1, 1, 3, 3), box(9, 4, 11, 6), box(40, 4, 44, 6), box(32, 4, 34, 6), box(55, 4, 57, 6)]
    area = make_area([box(0, 0, 60, 10)], [], [], houses, [1] * 5)
    rows = area.buildings.assign(atom=[0, 1, 2, 3, 4])
    # one on a border is in the first of the two; one outside is in the nearest
    assert _locate(faces, rows).tolist() == [0, 0, 2, 1, 2]
    assert _locate(faces, rows.assign(atom=[0, 1, 0, 3, 4])).tolist() == [0, 0, 0, 1, 2]
    assert _locate(faces, rows.assign(atom=[0, 1, 3, 3, 4])).tolist() == [0, 0, 2, 2, 2]


def test_units_are_numbered_by_their_first_building_and_empty_ones_by_area() -> None:
    faces = np.array([box(0, 0, 10, 10), box(10, 0, 30, 10), box(30, 0, 35, 10), box(35, 0, 40, 10.001)])
    none = np.empty(0, np.int64)
    blocks = Blocks(faces, Borders(none, none, np.empty(0), none, np.empty(0, bool), np.zeros(4)))
    roots, people = np.array([7, 3, 3, 1]), np.array([5, 0, 2, 0])
    units = _number_units(blocks, roots, people, np.array([0, 2, -1]), np.array([4, 2, 0]))
    assert units.unit.tolist() == [1, 0, 0, 2]
    assert units.households.tolist() == [2, 5, 0]
    assert units.area_m2.tolist() == [250, 100, 50.005]
    assert units.building_unit.tolist() == [1, 0, -1]
    empty = _number_units(blocks, np.arange(4), 0 * people, none, none)
    assert empty.unit.tolist() == [2, 3, 0, 1]
    nothing = Blocks(faces[:0], Borders(none, none, np.empty(0), none, np.empty(0, bool), np.zeros(0)))
    assert len(_number_units(nothing, none, none, none, none)) == 0
