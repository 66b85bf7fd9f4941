"""The share of a square that a polygon covers is exact."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import shapely.affinity
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.density.coverage import cover_squares

ROWS, COLUMNS, SIDE = 9, 11, 2.5


def by_shapely(shape: shapely.Geometry) -> np.ndarray:
    """Square by square."""
    column, row = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    squares = shapely.box(column * SIDE, row * SIDE, (column + 1) * SIDE, (row + 1) * SIDE)
    return shapely.area(shapely.intersection(squares, shape)) / SIDE**2


# on lines of the raster as often as beside them
places = st.tuples(
    st.one_of(st.integers(0, COLUMNS).map(lambda n: n * SIDE), st.floats(0, COLUMNS * SIDE)),
    st.one_of(st.integers(0, ROWS).map(lambda n: n * SIDE), st.floats(0, ROWS * SIDE)),
)


@given(st.lists(st.lists(places, min_size=3, max_size=7), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_as_square_by_square(rings: list[list[tuple[float, float]]]) -> None:
    """Whatever the polygons: holes, several parts, edges along lines of the raster, corners on corners."""
    shape = shapely.union_all([shapely.make_valid(shapely.Polygon(ring)) for ring in rings])
    shape = shape.difference(shapely.box(4.0, 5.0, 7.5, 8.75))
    cover, crossed = cover_squares(shape, 0, 0, SIDE, COLUMNS, ROWS)
    np.testing.assert_allclose(cover, by_shapely(shape), atol=1e-8)
    partly = (cover > 1e-6) & (cover < 1 - 1e-6)
    assert crossed[partly].all()


def test_direction_of_rings_does_not_matter() -> None:
    shape = shapely.Point(12, 11).buffer(8).difference(shapely.Point(13, 10).buffer(3))
    one, _ = cover_squares(shape, 0, 0, SIDE, COLUMNS, ROWS)
    other, _ = cover_squares(shapely.reverse(shape), 0, 0, SIDE, COLUMNS, ROWS)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, by_shapely(shape), atol=1e-9)
    assert one.sum() * SIDE**2 == pytest.approx(shape.area, rel=1e-12)
