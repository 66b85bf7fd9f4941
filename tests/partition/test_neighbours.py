"""Neighbours among polygons that were drawn elsewhere, on a plan small enough to count."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from shapely import LineString, Polygon, box

from partition.geometry.linework import CLASS_NUMBER
from partition.geometry.neighbours import build_neighbours, find_borders
from partition.wishes.rules import BORDER_COST
from tests.lattice import CRS

ROW = np.array([box(0, 0, 100, 50), box(100, 0, 200, 50), box(200, 0, 300, 50)], dtype=object)
NAMES = {number: name for name, number in CLASS_NUMBER.items()}


def streets(*rows: tuple[str, list[tuple[float, float]]], tunnel: tuple[int, ...] = ()) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"class": [kind for kind, _ in rows], "tunnel": [row in tunnel for row in range(len(rows))]},
        geometry=[LineString(points) for _, points in rows],
        crs=CRS,
    )


def kinds(*rows: tuple[str, list[tuple[float, float]]], tunnel: tuple[int, ...] = ()) -> dict[str, float]:
    """Metres of the border between the first two polygons, by what runs there."""
    borders = find_borders(ROW[:2], streets(*rows, tunnel=tunnel))
    assert borders.length.sum() == pytest.approx(50)
    return {
        NAMES[kind]: round(float(borders.length[borders.kind == kind].sum()), 6)
        for kind in np.unique(borders.kind).tolist()
    }


def walks(*rows: tuple[str, list[tuple[float, float]]], tunnel: tuple[int, ...] = ()) -> bool:
    """Whether one can walk from the first polygon to the second."""
    graph = build_neighbours(ROW[:2], np.array([10, 10]), streets(*rows, tunnel=tunnel), BORDER_COST, {})
    return bool(graph.walk.all())


def test_borders_are_taken_in_pieces_of_two_metres() -> None:
    borders = find_borders(ROW, streets(("lane", [(0, 80), (300, 80)])))
    assert (borders.a < borders.b).all()
    assert set(zip(borders.a.tolist(), borders.b.tolist(), strict=True)) == {(0, 1), (1, 2)}
    assert borders.length.tolist() == [2.0] * 50
    assert borders.outer.tolist() == [250, 200, 250]
    assert not borders.severed.any()
    odd = find_borders(np.array([box(0, 0, 9, 3), box(9, 0, 18, 3)]), streets(("lane", [(0, 80), (9, 80)])))
    assert odd.length.tolist() == [1.5, 1.5]


def test_a_street_drawn_a_few_metres_off_runs_along_the_border() -> None:
    assert kinds(("lane", [(96.1, -20), (96.1, 70)])) == {"lane": 50}
    assert kinds(("lane", [(95.9, -20), (95.9, 70)])) == {"none": 50}
    assert kinds(("arterial", [(111.9, -20), (111.9, 70)])) == {"arterial": 50}
    assert kinds(("secondary", [(112.1, -20), (112.1, 70)])) == {"none": 50}


def test_of_several_lines_the_strongest_counts_and_tunnels_do_not() -> None:
    lane, wide = ("lane", [(100, -20), (100, 70)]), ("secondary", [(110, -20), (110, 70)])
    rail = ("rail", [(101, -20), (101, 70)])
    assert kinds(lane, wide) == {"secondary": 50}
    assert kinds(wide, lane, rail) == {"rail": 50}
    assert kinds(lane, rail, tunnel=(1,)) == {"lane": 50}


def test_part_of_a_border_may_run_along_a_street() -> None:
    found = kinds(("local", [(100, -20), (100, 20)]))
    assert found == {"local": 24, "none": 26}  # up to 4 m beyond its end


def test_nobody_walks_across_water_without_a_bridge() -> None:
    river = ("water", [(100.9, -20), (100.9, 70)])
    assert not walks(river)
    assert walks(("water", [(101.1, -20), (101.1, 70)]))  # more than a metre off: it runs within one of them
    assert walks(river, ("lane", [(80, 25), (120, 25)]))
    assert walks(river, tunnel=(0,))
    assert not walks(river, ("lane", [(80, 25), (98, 25)]))
    assert not walks(river, ("arterial", [(80, 25), (120, 25)]), tunnel=(1,))
    assert walks(river, ("path", [(80, 25), (120, 25)]), tunnel=(1,))


def test_a_bridge_opens_the_border_between_its_two_polygons_only() -> None:
    rivers = [("water", [(x, -20), (x, 70)]) for x in (100, 200)]
    bridge = ("lane", [(80, 25), (120, 25)])
    graph = build_neighbours(ROW, np.array([10, 10, 10]), streets(*rivers, bridge), BORDER_COST, {})
    assert graph.components().tolist() == [0, 0, 1]
    borders = find_borders(ROW, streets(*rivers, bridge))
    assert borders.severed.tolist() == (borders.a == 1).tolist()


def test_the_graph_prices_borders_by_what_runs_there() -> None:
    ways = streets(("lane", [(100, -20), (100, 70)]), ("arterial", [(200, -20), (200, 70)]))
    graph = build_neighbours(ROW, np.array([1, 2, 3]), ways, BORDER_COST, {"arterial": 0.5})
    cost = {(a, b): c for a, b, c in zip(graph.rows(), graph.indices, graph.cost, strict=True)}
    assert cost[0, 1] == cost[1, 0] == pytest.approx(50 * 1.0)
    assert cost[1, 2] == cost[2, 1] == pytest.approx(50 * (0.2 - 0.5))
    assert graph.households.tolist() == [1, 2, 3]
    assert graph.area.tolist() == [5000.0] * 3
    assert graph.outer.tolist() == [250, 200, 250]


def test_a_small_island_is_joined_to_its_nearest_neighbour() -> None:
    shapes = np.array([*ROW[:2], box(230, 0, 260, 50)], dtype=object)
    way = streets(("lane", [(100, -20), (100, 70)]))
    parts = np.array([0, 0, 1])

    def links(lower: float) -> tuple[tuple[int, int], ...]:
        graph = build_neighbours(
            shapes, np.array([90, 90, 80]), way, BORDER_COST, {}, parts=parts, lower=lower
        )
        return graph.links

    assert links(80) == ()
    assert links(81) == ((2, 1),)
    alone = build_neighbours(shapes, np.array([90, 90, 80]), way, BORDER_COST, {}, lower=81)
    assert alone.components().tolist() == [0, 0, 1]


def test_polygons_that_do_not_touch_have_no_borders() -> None:
    apart = np.array([box(0, 0, 10, 10), box(50, 0, 60, 10)], dtype=object)
    borders = find_borders(apart, streets(("lane", [(0, 0), (60, 0)])))
    assert len(borders.a) == len(borders.kind) == len(borders.severed) == 0
    none = find_borders(apart[:0], streets(("lane", [(0, 0), (60, 0)])))
    assert len(none.outer) == 0
    corner = np.array([Polygon([(0, 0), (10, 0), (10, 10)]), box(10, 10, 20, 20)], dtype=object)
    assert len(find_borders(corner, streets(("lane", [(0, 0), (60, 0)]))).a) == 0
