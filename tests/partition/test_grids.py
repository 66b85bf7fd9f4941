"""Grids read well on paper: no needle, no sliver, no tail."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from partition.geometry.blocks import segments
from partition.geometry.grids import match_edges, without_passed
from partition.split import split_area
from partition.wishes.policy import Profile, Size
from tests.lattice import Town, make_town

PROFILE = Profile("test", Size("households", 150, 220, 300))
NEEDLE = 10.0  # degrees
NECK_M = 1.0  # half a neck
SLIVER_M2 = 50.0

# houses that stand across streets, or walls within a metre of each other, leave nothing else than needles
towns = st.builds(
    Town,
    columns=st.integers(2, 5),
    rows=st.integers(2, 4),
    bend_m=st.sampled_from([0.0, 6.0, 14.0]),
    most_households=st.sampled_from([30, 80, 200]),
    gap_share=st.sampled_from([0.0, 0.1, 0.4]),
    river=st.booleans(),
    wall=st.booleans(),
    dual=st.booleans(),
    communities=st.integers(1, 2),
    seed=st.integers(0, 10_000),
)


def sharpest(polygon: shapely.Geometry) -> float:
    """The smallest angle (degrees) between two edges of an outline that meet."""
    least = 180.0
    for ring in shapely.get_rings(shapely.get_parts(polygon)):
        corners = shapely.get_coordinates(ring)[:-1]
        back, ahead = np.roll(corners, 1, axis=0) - corners, np.roll(corners, -1, axis=0) - corners
        cosine = (back * ahead).sum(axis=1) / np.hypot(*back.T) / np.hypot(*ahead.T)
        least = min(least, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).min()))
    return least


def slivers(polygon: shapely.Geometry, houses) -> list[shapely.Geometry]:
    """Small parts of a polygon that hold no house and hang on it by a neck, or by nothing."""
    parts = shapely.buffer(shapely.get_parts(shapely.buffer(polygon, -NECK_M)), NECK_M)
    small = parts[shapely.area(parts) < SLIVER_M2] if len(parts) > 1 else parts[:0]
    return [part for part in small if not len(houses.query(part, predicate="intersects"))]


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(towns)
# a street crosses the river at 8 degrees, just beyond a corner of three grids
@example(
    Town(
        columns=5,
        rows=2,
        bend_m=14.0,
        most_households=200,
        gap_share=0.1,
        river=True,
        wall=True,
        dual=True,
        seed=5,
    )
)
def test_no_needles_and_no_slivers(town: Town) -> None:
    area = make_town(town)
    grids = split_area(area, PROFILE, effort=100).grids
    houses = shapely.STRtree(area.buildings.geometry.to_numpy())
    for code, polygon in zip(grids["code"], grids.geometry, strict=True):
        assert sharpest(polygon) >= NEEDLE, code
        assert not slivers(polygon, houses), code


def test_grids_of_several_parts_share_vertices_too() -> None:
    islands = shapely.MultiPolygon([shapely.box(0, 0, 100, 100), shapely.box(0, 150, 100, 200)])
    start, _, owner = segments(np.array([islands, shapely.box(100, 0, 200, 100)], dtype=object))
    assert np.bincount(owner).tolist() == [8, 4]
    assert len(start) == 12
    beside = [shapely.box(100, 0, 200, 60), shapely.box(100, 60, 200, 200)]
    shapes = gpd.GeoDataFrame(geometry=[islands, *beside])
    matched = match_edges(shapes, shapes).geometry.to_numpy()
    assert shapely.coverage_is_valid(matched)
    turned = shapely.transform(matched, lambda xy: xy @ np.array([[0.8, -0.6], [0.6, 0.8]]))
    assert shapely.coverage_is_valid(turned)


def test_vertices_of_streets_that_are_no_border_do_not_stay_on_the_communitys() -> None:
    """Points on the border stay that are its own, a corner of two grids, or off the line."""
    west = shapely.Polygon([(0, 0), (3, 0), (5, 0), (5, 10), (0, 10)])
    east = shapely.Polygon([(5, 0), (7, 0), (8, -1e-3), (9, 0), (10, 0), (10, 10), (5, 10)])
    border = shapely.LineString([(0, 0), (3, 0), (8, -1e-3), (10, 0), (10, 10), (0, 10), (0, 0)])
    hole = shapely.Polygon(west.exterior, [[(1, 1), (2, 1), (2, 2), (1, 2)]])
    thin = without_passed(np.array([hole, east], dtype=object), border)
    assert shapely.get_coordinates(thin[0]).tolist() == shapely.get_coordinates(hole).tolist()
    assert shapely.get_coordinates(thin[1]).tolist() == shapely.get_coordinates(east).tolist()
    straight = shapely.LineString([(0, 0), (3, 0), (10, 0), (10, 10), (0, 10), (0, 0)])
    flat = shapely.Polygon([(5, 0), (7, 0), (9, 0), (10, 0), (10, 10), (5, 10)])
    parts = shapely.MultiPolygon([flat, shapely.box(20, 0, 21, 1)])
    thin = without_passed(np.array([hole, parts], dtype=object), straight)
    assert shapely.get_coordinates(thin[0]).tolist() == shapely.get_coordinates(hole).tolist()
    assert shapely.get_coordinates(thin[1]).tolist() == [
        *([5, 0], [10, 0], [10, 10], [5, 10], [5, 0]),
        *shapely.get_coordinates(shapely.box(20, 0, 21, 1)).tolist(),
    ]


def test_a_corner_of_two_vertices_within_rounding_keeps_one() -> None:
    """Each lies in line with the other and what is beyond it."""
    near = 10 - 1e-8
    corner = shapely.Polygon([(0, 0), (near, 0), (10, 1e-8), (10, 10), (0, 10)])
    border = shapely.LineString([(0, 0), (20, 0)])
    upright = shapely.LineString([(10, 0), (10, 10)])
    (thin,) = without_passed(np.array([corner], dtype=object), shapely.union_all([border, upright]))
    assert shapely.area(thin) == pytest.approx(100, abs=1e-6)
    assert len(shapely.get_coordinates(thin)) == 5
