"""The grids module's small tools: hairs, vertices put in, figures from buildings."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import box

from partition.geometry.grids import (
    _insert,
    _turns_back,
    _without_hairs,
    dissolve,
    grid_frame,
    match_edges,
    shorn,
    total_by_grid,
)

SQUARE = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]


@pytest.mark.parametrize(
    ("a", "b", "c", "back"),
    [
        ((0, 0), (10, 0), (4, 0), True),
        ((0, 0), (10, 0), (-4, 0), True),
        ((0, 0), (10, 0), (14, 0), False),
        ((0, 0), (10, 0), (10, 5), False),
        ((0, 0), (10, 0), (4, 0.00009), True),
        ((0, 0), (10, 0), (0, 0.0002), False),
        ((0, 0), (3, 4), (0, 0), True),
        ((1, 1), (4, 5), (2.5, 3), True),
        ((0, 0), (3, 4), (0, 8), False),
    ],
)
def test_which_corners_turn_back(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], back: bool
) -> None:
    assert _turns_back(a, b, c) == back
    assert _turns_back(c, b, a) == back


def ring(*points: tuple[float, float]) -> shapely.Geometry:
    return shapely.linearrings([*points, points[0]])


@pytest.mark.parametrize("turn", range(6))
def test_a_hair_is_cut_off_wherever_the_ring_begins(turn: int) -> None:
    hairy = [*SQUARE[:2], (30.0, 0.0), (10.0, 0.0), *SQUARE[2:]]
    made = _without_hairs(ring(*hairy[turn:], *hairy[:turn]))
    assert made is not None
    assert shapely.polygons(made).equals(box(0, 0, 10, 10))
    assert shapely.get_num_points(made) == 5


def test_a_hair_on_a_hair_and_a_ring_that_is_nothing_else() -> None:
    double = [*SQUARE[:2], (20.0, 0.0), (20.0, 9.0), (20.0, 0.0), (10.0, 0.0), *SQUARE[2:]]
    made = _without_hairs(ring(*double))
    assert made is not None
    assert shapely.polygons(made).equals(box(0, 0, 10, 10))
    assert _without_hairs(ring((0.0, 0.0), (5.0, 0.0), (9.0, 0.0), (5.0, 0.0))) is None
    assert _without_hairs(ring((0.0, 0.0), (5.0, 0.0), (5.0, 7.0), (5.0, 0.0))) is None
    assert shapely.equals_exact(_without_hairs(ring(*SQUARE)), ring(*SQUARE))


def test_only_what_is_not_valid_is_shorn() -> None:
    hole = [(2.0, 2.0), (4.0, 2.0), (4.0, 4.0), (2.0, 4.0)]
    spiked = shapely.Polygon([*SQUARE[:2], (30, 0), (10, 0), *SQUARE[2:]], [hole, [(6, 6), (8, 6), (6, 6)]])
    fine = box(50, 0, 60, 10)
    pair = shapely.multipolygons([shapely.Polygon([*SQUARE[:2], (30, 0), (10, 0), *SQUARE[2:]]), fine])
    given = np.array([fine, spiked, pair], dtype=object)
    made = shorn(given)
    assert made[0] is fine
    assert made[1].equals(shapely.Polygon(SQUARE, [hole]))
    assert made[2].geom_type == "MultiPolygon"
    assert made[2].area == 200
    assert given[1] is spiked
    flat = shapely.Polygon([(0, 0), (5, 0), (9, 0), (5, 0)])
    assert shorn(np.array([flat], dtype=object))[0] is flat


def test_points_on_the_border_become_vertices_in_their_order() -> None:
    points = np.array([(7.0, 0.0), (3.0, 0.00005), (10.0, 0.0), (5.0, 0.001), (0.0, 5.0), (20.0, 0.0)])
    made = _insert(shapely.Polygon(SQUARE), points)
    corners = [(0, 0), (3, 0.00005), (7, 0), (10, 0), (10, 10), (0, 10), (0, 5), (0, 0)]
    assert shapely.get_coordinates(made).tolist() == [list(map(float, p)) for p in corners]
    hole = [(2.0, 2.0), (4.0, 2.0), (4.0, 4.0), (2.0, 4.0)]
    both = shapely.multipolygons([shapely.Polygon(SQUARE, [hole]), box(50, 0, 60, 10)])
    made = _insert(both, np.array([(3.0, 2.0), (55.0, 10.0)]))
    assert made.geom_type == "MultiPolygon"
    assert [shapely.get_num_coordinates(part) for part in made.geoms] == [5 + 6, 6]
    assert made.equals(both)


def test_vertices_that_rounding_parted_become_one_and_corners_stay() -> None:
    west = shapely.Polygon([(0, 0), (10, 0), (10, 5.00004), (10, 10), (0, 10)])
    east = shapely.Polygon([(10, 0), (20, 0), (20, 10), (10, 10), (10.00003, 5)])
    frame = gpd.GeoDataFrame(geometry=[west, east], index=[4, 9])
    communities = gpd.GeoDataFrame(geometry=[west, east])
    made = match_edges(frame, communities)
    assert shapely.coverage_is_valid(made.geometry.to_numpy())
    assert made.index.tolist() == [4, 9]
    assert shapely.area(made.geometry.to_numpy()) == pytest.approx([100, 100], abs=1e-2)
    # the vertex that is a community's corner stays to the last digit
    corner = gpd.GeoDataFrame(geometry=[box(10.00003, 5, 12, 7)])
    made = match_edges(frame, corner)
    assert (10.00003, 5.0) in {tuple(p) for p in shapely.get_coordinates(made.geometry.iloc[0]).tolist()}
    other = gpd.GeoDataFrame(geometry=[box(8, 5.00004, 10, 7)])
    made = match_edges(frame, other)
    assert (10.0, 5.00004) in {tuple(p) for p in shapely.get_coordinates(made.geometry.iloc[1]).tolist()}


def test_the_other_side_gets_the_vertices_of_a_border() -> None:
    frame = gpd.GeoDataFrame(geometry=[box(0, 0, 10, 30), box(10, 0, 20, 10), box(10, 10, 20, 30)])
    made = match_edges(frame, frame).geometry
    assert shapely.get_num_coordinates(made.to_numpy()).tolist() == [6, 5, 5]
    assert [10.0, 10.0] in shapely.get_coordinates(made.iloc[0]).tolist()
    assert [one.equals(other) for one, other in zip(made, frame.geometry, strict=True)] == [True] * 3


def test_faces_of_one_label_are_one_polygon() -> None:
    faces = np.array([box(x, 0, x + 10, 10) for x in (0, 10, 20)], dtype=object)
    made = dissolve(faces, np.array([1, 0, 1]), 3)
    assert shapely.area(made).tolist() == [100, 200, 0]
    assert made[1].geom_type == "MultiPolygon"
    assert dissolve(faces, np.array([0, 0, 1]), 2)[0].equals(box(0, 0, 20, 10))


def test_figures_of_grids_from_their_buildings() -> None:
    buildings = gpd.GeoDataFrame(
        {
            "grid": ["B", "B", "A", "A", "C"],
            "atom": [4, 4, 1, 2, 9],
            "households": [3, 4, 10, 0, 0],
            "residents": [8.0, np.nan, np.nan, np.nan, 0.0],
            "unknown": [False, False, False, True, True],
        }
    )
    table = total_by_grid(buildings, ["A", "B", "C", "D"])
    assert table.index.tolist() == ["A", "B", "C", "D"]
    assert table["households"].tolist() == [10, 7, 0, 0]
    assert table["buildings"].tolist() == [2, 1, 1, 0]
    assert table["buildings_unknown"].tolist() == [1, 0, 1, 0]
    assert table["residents"].fillna(-1).tolist() == [-1, 8, 0, -1]
    assert table["households"].dtype == table["buildings_unknown"].dtype == np.int64


def test_a_grid_of_which_nothing_is_said_is_basic() -> None:
    columns = ["code", "community", "households", "residents", "buildings", "buildings_unknown", "area_m2"]
    frame = gpd.GeoDataFrame({key: [1] for key in columns} | {"more": [2]}, geometry=[box(0, 0, 1, 1)])
    assert grid_frame(frame)["kind"].tolist() == ["basic"]
    assert "more" not in grid_frame(frame)
    assert grid_frame(frame.assign(kind="dedicated"))["kind"].tolist() == ["dedicated"]
