"""The figures of a plan, against what a ruler says."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import LineString, Point, box

from partition.geometry.metrics import (
    cut_buildings,
    grids_of_compounds,
    inner_borders,
    measure_cover,
    measure_streets,
    polsby_popper,
    sample_lines,
    variation,
)
from tests.lattice import CRS

NOTHING = np.empty(0, dtype=object)


def shapes(*geometries: shapely.Geometry) -> np.ndarray:
    return np.array(geometries, dtype=object)


def streets(*rows: tuple[str, list[tuple[float, float]]], tunnel: tuple[int, ...] = ()) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"class": [kind for kind, _ in rows], "tunnel": [row in tunnel for row in range(len(rows))]},
        geometry=[LineString(points) for _, points in rows],
        crs=CRS,
    )


def test_roundness_of_known_shapes() -> None:
    circle = Point(0, 0).buffer(100, quad_segs=256)
    found = polsby_popper(shapes(box(0, 0, 7, 7), box(0, 0, 1, 3), circle, shapely.Polygon()))
    assert found == pytest.approx([np.pi / 4, 12 * np.pi / 64, 1.0, 0.0], abs=1e-4)


def test_variation_is_that_of_the_whole_population() -> None:
    assert variation(np.array([1.0, 3.0])) == 0.5
    assert variation(np.array([2, 2, 2])) == 0.0
    assert variation(np.array([0, 0])) == 0.0
    assert variation(np.array([])) == 0.0


# --- cover ---


def test_a_division_without_fault_has_none() -> None:
    cover = measure_cover(shapes(box(0, 0, 10, 10), box(10, 0, 20, 10)), box(0, 0, 20, 10))
    assert (cover.gaps_m2, cover.overlaps_m2, cover.outside_m2, cover.gaps, cover.overlaps) == (
        0,
        0,
        0,
        0,
        (),
    )


def test_gaps_overlaps_and_ground_outside_are_measured() -> None:
    grids = shapes(box(0, 0, 10, 10), box(20, 0, 31, 10), box(8, 0, 15, 10), box(30, 0, 33, 4))
    cover = measure_cover(grids, box(0, 0, 32, 10))
    assert cover.gaps == 2  # between 15 and 20, and above the last
    assert cover.gaps_m2 == pytest.approx(50 + 6)
    assert cover.overlaps == ((0, 2), (1, 3))
    assert cover.overlaps_m2 == pytest.approx(20 + 4)
    assert cover.outside_m2 == pytest.approx(4)


def test_rounding_is_no_fault() -> None:
    cover = measure_cover(shapes(box(0, 0, 10, 10.0005), box(9.9995, 0, 20, 9.9995)), box(0, 0, 20, 10))
    assert (cover.gaps_m2, cover.overlaps_m2, cover.outside_m2, cover.gaps, cover.overlaps) == (
        0,
        0,
        0,
        0,
        (),
    )


def test_without_grids_the_community_is_one_gap() -> None:
    cover = measure_cover(NOTHING, box(0, 0, 20, 10))
    assert (cover.gaps_m2, cover.overlaps_m2, cover.outside_m2, cover.gaps, cover.overlaps) == (
        200,
        0,
        0,
        1,
        (),
    )


# --- borders and streets ---

QUARTERS = shapes(*(box(x, y, x + 50, y + 50) for x in (0, 50) for y in (0, 50)))
SQUARE = box(0, 0, 100, 100)


def test_borders_between_neighbours_are_there_once() -> None:
    lines = inner_borders(QUARTERS)
    assert len(lines) == 4
    assert shapely.length(lines).tolist() == [50] * 4
    assert shapely.equals(
        shapely.union_all(lines), shapely.from_wkt("MULTILINESTRING ((50 0, 50 100), (0 50, 100 50))")
    )
    assert len(inner_borders(QUARTERS[:1])) == 0


def test_lines_are_sampled_in_the_middle_of_equal_pieces() -> None:
    points, metres = sample_lines(
        shapes(LineString([(0, 0), (5, 0)]), Point(0, 0), LineString([(9, 0), (9, 2)]))
    )
    assert shapely.get_coordinates(points).round(6).tolist() == [
        [0.833333, 0],
        [2.5, 0],
        [4.166667, 0],
        [9, 1],
    ]
    assert metres == pytest.approx([5 / 3] * 3 + [2])
    assert [len(part) for part in sample_lines(NOTHING)] == [0, 0]
    assert [len(part) for part in sample_lines(shapes(LineString([(1, 1), (1, 1)])))] == [0, 0]


@pytest.mark.parametrize(
    ("ways", "counted"),
    [
        ([("lane", 50), ("secondary", 38.5)], "secondary"),  # wide streets reach 12 m,
        ([("lane", 50), ("secondary", 37.5)], "lane"),
        ([("arterial", 61.5)], "arterial"),
        ([("arterial", 62.5)], "none"),
        ([("local", 53.5), ("path", 50)], "local"),  # others 4 m
        ([("local", 54.5), ("path", 50)], "path"),
        ([("wall", 54.5)], "none"),
        ([("water", 47), ("arterial", 50)], "water"),
    ],
)
def test_a_border_counts_as_the_strongest_line_that_runs_along_it(
    ways: list[tuple[str, float]], counted: str
) -> None:
    lines = streets(*((kind, [(x, -20), (x, 70)]) for kind, x in ways))
    found = measure_streets(QUARTERS[[0, 2]], box(0, 0, 100, 50), lines)
    assert found.border_m == {counted: 50.0}
    assert found.along_share == (counted != "none")


def test_a_border_may_run_along_a_street_in_part() -> None:
    found = measure_streets(QUARTERS, SQUARE, streets(("local", [(-20, 50), (26, 50)])))
    assert found.border_m == {"local": 30.0, "none": 170.0}  # up to 4 m beyond its end
    assert found.along_share == pytest.approx(0.15)


def test_streets_left_inside_grids_are_those_away_from_every_border() -> None:
    ways = streets(
        ("lane", [(50, 0), (50, 100)]),  # along the border, so left in no grid but at the community's edge
        ("lane", [(20, -30), (20, 130)]),  # 100 m of it in the community, within 4 m of borders thrice
        ("arterial", [(0, 75), (100, 75)]),
        ("rail", [(0, 25), (100, 25)]),
        tunnel=(3,),
    )
    inside = measure_streets(QUARTERS, SQUARE, ways).inside_m
    assert set(inside) == {"lane", "arterial"}
    assert inside["lane"] == pytest.approx(100 - 4 - 8 - 4, abs=2.1)
    assert inside["arterial"] == pytest.approx(100 - 12 - 24 - 12, abs=2.1)


def test_a_tunnel_counts_where_it_runs_along_a_border() -> None:
    ways = streets(("local", [(50, 0), (50, 100)]), tunnel=(0,))
    found = measure_streets(QUARTERS[[0, 2]], box(0, 0, 100, 50), ways)
    assert found.border_m == {"local": 50.0}
    assert found.along_share == 1.0
    assert found.inside_m == {}


def test_without_borders_all_runs_along_streets_and_without_streets_nothing_does() -> None:
    alone = measure_streets(shapes(SQUARE), SQUARE, streets(("lane", [(20, 0), (20, 100)])))
    assert (alone.border_m, alone.along_share) == ({}, 1.0)
    assert alone.inside_m == {"lane": 92.0}
    bare = measure_streets(QUARTERS, SQUARE, streets(("lane", [(200, 0), (200, 100)])))
    assert (bare.border_m, bare.along_share, bare.inside_m) == ({"none": 200.0}, 0.0, {})
    assert measure_streets(NOTHING, SQUARE, streets(("lane", [(20, 0), (20, 100)]))).inside_m == {
        "lane": 100.0
    }


# --- buildings and compounds ---


def test_a_border_along_a_wall_cuts_nothing() -> None:
    feet = shapes(box(0, 0, 10, 10), box(20, 0, 30, 10), box(40, 0, 50, 10), box(60, 0, 70, 10))
    borders = shapes(
        LineString([(10, -5), (10, 15)]),  # along the wall of the first
        LineString([(20.05, -5), (20.05, 15)]),  # within the wall of the second
        LineString([(49, -5), (49, 15)]),  # through the third
        LineString([(60.1, 9.5), (60.5, 15)]),  # into the corner of the last for less than half a metre
    )
    assert cut_buildings(borders, feet).tolist() == [2]
    assert cut_buildings(borders, feet, 0.05).tolist() == [2, 3]
    assert cut_buildings(NOTHING, feet).tolist() == []
    assert cut_buildings(borders, NOTHING).tolist() == []


def test_pieces_of_one_cut_add_up() -> None:
    foot = shapes(box(0, 0, 10, 10))
    halves = shapes(LineString([(9.5, 9), (9.5, 9.3)]), LineString([(9.5, 9.3), (9.5, 9.6)]))
    assert cut_buildings(halves, foot).tolist() == [0]
    assert cut_buildings(halves[:1], foot).tolist() == []


def test_compounds_are_found_in_the_grids_of_their_buildings() -> None:
    compounds = shapes(box(0, 0, 10, 10), box(20, 0, 30, 10), box(40, 0, 50, 10))
    points = shapes(Point(1, 1), Point(9, 9), Point(2, 2), Point(25, 5), Point(26, 5), Point(70, 5))
    grid = np.array(["C1-002", "C1-001", "C1-002", "", "C1-003", "C1-004"], dtype=object)
    assert grids_of_compounds(compounds, points, grid) == {0: ["C1-001", "C1-002"], 1: ["C1-003"]}
    assert grids_of_compounds(NOTHING, points, grid) == {}
    assert grids_of_compounds(compounds, NOTHING, grid[:0]) == {}
