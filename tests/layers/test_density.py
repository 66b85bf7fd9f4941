"""The density of cases: even stays even up to the border, mass is kept, values are those of the formula."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import pytest
import shapely

from layers.density import case_surface, density_field, round_breaks
from tests.layers.views import METRIC, SOUTH, WEST, community, to_degrees

# an L with a hole: borders of every kind
AREA = shapely.union_all([shapely.box(0, 0, 600, 250), shapely.box(0, 0, 200, 500)]).difference(
    shapely.box(320, 90, 400, 170)
)


def test_even_intensity_is_even_up_to_the_border() -> None:
    """Cases on every point of the computing grid: the same density in every cell, corner or middle."""
    step = 25 / 4
    x, y = np.meshgrid(np.arange(step / 2, 600, step), np.arange(step / 2, 500, step))
    inside = shapely.contains_xy(AREA, x, y)
    points = np.column_stack([x[inside], y[inside]])
    field = density_field(points, AREA, bandwidth_m=100, cell_m=25)
    assert len(field.cells) > 300
    np.testing.assert_allclose(field.density, 1 / step**2, rtol=0.005)


def test_without_the_correction_the_border_would_sink() -> None:
    """A case on a straight border has half its kernel beyond it, so its value there is doubled."""
    area = shapely.box(0, 0, 300, 300)
    inner = density_field(np.array([[150.0, 150.0]]), area, bandwidth_m=100, cell_m=1)
    edge = density_field(np.array([[150.0, 0.0]]), area, bandwidth_m=100, cell_m=1)
    assert edge.density.max() / inner.density.max() == pytest.approx(2.0, abs=0.04)


def test_mass_is_kept_away_from_the_border() -> None:
    """Density times area adds up to the number of cases."""
    points = np.random.default_rng(1).uniform(150, 350, (57, 2))
    field = density_field(points, shapely.box(0, 0, 503, 509), bandwidth_m=100, cell_m=20)
    assert (field.density * shapely.area(field.cells)).sum() == pytest.approx(57, rel=0.002)


def test_mass_of_an_even_scatter_is_kept_with_the_border() -> None:
    """Up to the border the sum is right on average."""
    points = np.random.default_rng(2).uniform(0, 600, (6000, 2))
    points = points[shapely.contains_xy(AREA, points)]
    field = density_field(points, AREA, bandwidth_m=100, cell_m=25)
    assert (field.density * shapely.area(field.cells)).sum() == pytest.approx(len(points), rel=0.03)


def test_value_of_a_single_case() -> None:
    """At a case the quartic kernel is 3/(πh²); at half the bandwidth (3/4)² of that."""
    field = density_field(np.array([[300.5, 300.5]]), shapely.box(0, 0, 600, 600), bandwidth_m=80, cell_m=1)
    middles = shapely.get_coordinates(shapely.centroid(field.cells))
    peak = 3 / (math.pi * 80**2)
    at = field.density[np.hypot(*(middles - [300.5, 300.5]).T) < 0.1]
    half = field.density[np.hypot(*(middles - [340.5, 300.5]).T) < 0.1]
    assert at == pytest.approx([peak], rel=0.002)
    assert half == pytest.approx([peak * 0.75**2], rel=0.002)
    assert field.density[np.hypot(*(middles - [300.5, 300.5]).T) > 82].max() == 0


def test_unit_is_cases_per_square_kilometre_and_month() -> None:
    """1,200 cases spread over 0.24 km² in 60 days are 2,500 per km² and 30 days."""
    x, y = np.meshgrid(np.arange(5, 600, 10), np.arange(10, 400, 20))
    points = gpd.GeoSeries(shapely.points(x.ravel() + WEST, y.ravel() + SOUTH), crs=METRIC)
    surface = case_surface(points, to_degrees(community()).geometry.iloc[0], days=60)
    assert surface.cases == 1200
    assert surface.cells["value"].median() == pytest.approx(2500, rel=0.02)
    assert surface.breaks[-1] >= surface.cells["value"].max()


def test_order_of_cases_does_not_matter() -> None:
    """The very same numbers, whatever the order."""
    points = np.random.default_rng(3).uniform(0, 500, (200, 2))
    one = density_field(points, AREA, bandwidth_m=100, cell_m=25)
    other = density_field(points[::-1], AREA, bandwidth_m=100, cell_m=25)
    assert np.array_equal(one.density, other.density)
    assert np.array_equal(one.reach, other.reach)


def test_few_cases_are_not_shown() -> None:
    """Four cases in one place are under the floor of five; a fifth shows them; those outside never count."""
    here = to_degrees(community()).geometry.iloc[0]
    at = [shapely.Point(WEST + 300 + n, SOUTH + 200) for n in range(5)]
    outside = [shapely.Point(WEST - 20, SOUTH + 200)] * 9
    few = case_surface(gpd.GeoSeries(at[:4] + outside, crs=METRIC), here, days=30)
    assert (few.cases, len(few.cells), few.breaks) == (4, 0, ())
    enough = case_surface(gpd.GeoSeries(at + outside, crs=METRIC), here, days=30)
    assert enough.cases == 5
    near = enough.cells.to_crs(METRIC).distance(shapely.Point(WEST + 302, SOUTH + 200))
    assert len(enough.cells) > 0
    assert near.max() < 100


def test_no_cases_make_an_empty_surface() -> None:
    """Nothing to show is an answer."""
    surface = case_surface(gpd.GeoSeries([], crs=4326), to_degrees(community()).geometry.iloc[0], days=30)
    assert (surface.cases, len(surface.cells)) == (0, 0)


@pytest.mark.parametrize("wrong", [{"days": 0}, {"bandwidth_m": 0.0}, {"cell_m": -1.0}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    """No division by nothing."""
    values = {"days": 30, **wrong}
    with pytest.raises(ValueError, match="must be positive"):
        case_surface(gpd.GeoSeries([], crs=4326), to_degrees(community()).geometry.iloc[0], **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("highest", "breaks"),
    [
        (5, (0.2, 0.5, 1, 2, 5)),
        (5.1, (0.5, 1, 2, 5, 10)),
        (73, (5, 10, 20, 50, 100)),
        (0.3, (0.02, 0.05, 0.1, 0.2, 0.5)),
        (2600, (200, 500, 1000, 2000, 5000)),
        (0, (1,)),
    ],
)
def test_breaks_are_round(highest: float, breaks: tuple[float, ...]) -> None:
    """Five classes of the series 1, 2, 5, 10; the last one reaches the highest value."""
    assert round_breaks(highest) == pytest.approx(breaks)
