from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import LineString, box

from partition.geometry.adjacency import build_graph, link_islands
from partition.geometry.grids import dissolve
from partition.geometry.linework import build_linework, cluster_footprints
from partition.geometry.metrics import cut_buildings, inner_borders
from partition.geometry.units import Units, build_units, cut_between_buildings
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
