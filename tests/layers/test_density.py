"""The density of cases: even stays even up to the border, mass is kept, values are those of the formula."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyproj
import pytest
import shapely
import shapely.affinity

from layers.density import (
    Ground,
    Lattice,
    case_lattice,
    case_surface,
    lay_ground,
    round_breaks,
)
from layers.density.surface import bin_cases
from tests.layers.land import area, degrees, metres
from tests.layers.views import METRIC, SOUTH, WEST, community, to_degrees

Floats = npt.NDArray[np.float64]

# an L with a hole, askew: borders of every kind and direction
SHAPE = shapely.affinity.rotate(
    shapely.union_all([shapely.box(-300, -250, 300, 0), shapely.box(-300, -250, -100, 250)]).difference(
        shapely.box(20, -160, 100, -80)
    ),
    17,
)
PEAK = 3 / (math.pi * 100**2)


@pytest.fixture(scope="module")
def askew() -> Ground:
    return lay_ground(area(SHAPE))


def middles(lattice: Lattice) -> Floats:
    """x, y of the cells' middles in metres from the plane's middle, rows × columns × 2."""
    x = lattice.origin[0] + (np.arange(lattice.columns) + 0.5) * lattice.cell_m
    y = lattice.origin[1] - (np.arange(lattice.rows) + 0.5) * lattice.cell_m
    west, _, _, north = lattice.bounds
    corner = metres([[west, north]])[0]
    grid = np.stack(np.meshgrid(x - x[0], y - y[0]), axis=-1)
    return grid + corner + [lattice.cell_m / 2, -lattice.cell_m / 2]


def scatter(shape: shapely.Geometry, step: float) -> Floats:
    """Places `step` apart everywhere in `shape`, in metres."""
    west, south, east, north = shape.bounds
    x, y = np.meshgrid(np.arange(west, east, step), np.arange(south, north, step))
    at = np.column_stack([x.ravel(), y.ravel()]) + step / 2
    return at[shapely.contains_xy(shape, at)]


def test_even_intensity_is_even_up_to_the_border(askew: Ground) -> None:
    """Cases on a grid of 1 m: the same density in every cell, at corners, at the hole and in the middle."""
    lattice = case_lattice(askew, degrees(scatter(SHAPE, 1.0)), days=30)
    inside = ~np.isnan(lattice.values)
    assert inside.sum() > 1800
    np.testing.assert_allclose(lattice.values[inside], 1e6, rtol=0.01)
    assert np.mean(np.abs(lattice.values[inside] - 1e6)) < 1000


def test_without_the_correction_the_border_would_sink(askew: Ground) -> None:
    """What the correction is for: the kernel's mass is about half at a straight border, less at corners."""
    border = askew.near_border & (askew.cover > 0.4) & (askew.cover < 0.6)
    assert np.median(askew.mass[border]) == pytest.approx(0.5, abs=0.1)
    assert askew.mass[border].min() < 0.3
    assert askew.mass.max() == pytest.approx(1.0, abs=1e-9)


def test_values_are_those_of_the_formula(askew: Ground) -> None:
    """Against the sum of kernels over the mass, both by brute force, at every cell."""
    cases = np.random.default_rng(1).normal(0, 130, (300, 2))
    cases = cases[shapely.contains_xy(SHAPE, cases)]
    lattice = case_lattice(askew, degrees(cases), days=30, min_cases=0)
    whole = lattice.values[np.isfinite(lattice.values)]
    ground = scatter(SHAPE, 2.0)
    worst = 0.0
    at = middles(lattice)
    for row in range(0, lattice.rows, 3):
        for column in range(0, lattice.columns, 3):
            middle = at[row, column]
            if not SHAPE.contains(shapely.box(*(middle - 5), *(middle + 5))):
                continue
            mass = _quartic(ground - middle).sum() * 4.0
            nodes = middle + np.stack(np.meshgrid([-10 / 3, 0, 10 / 3], [-10 / 3, 0, 10 / 3]), -1).reshape(
                -1, 2
            )
            raw = np.mean([_quartic(cases - node).sum() for node in nodes])
            worst = max(worst, abs(lattice.values[row, column] / 1e6 - raw / mass))
    assert worst < 0.02 * whole.max() / 1e6
    assert worst < 0.25 * PEAK


def _quartic(offsets: Floats) -> Floats:
    return PEAK * np.clip(1 - (offsets**2).sum(axis=1) / 100**2, 0, None) ** 2


def test_value_of_a_single_case() -> None:
    """At a case the quartic kernel is 3/(πh²), at half the bandwidth (3/4)² of that, beyond it nothing."""
    ground = lay_ground(area(shapely.box(-300, -300, 300, 300)), bandwidth_m=80, cell_m=1)
    lattice = case_lattice(ground, degrees([[0.5, 0.5]]), days=30, min_cases=0)
    far = np.hypot(*np.moveaxis(middles(lattice) - [0.5, 0.5], -1, 0))
    peak = 1e6 * 3 / (math.pi * 80**2)
    assert lattice.values[far < 0.6].max() == pytest.approx(peak, rel=0.002)
    np.testing.assert_allclose(lattice.values[np.abs(far - 40) < 0.3], peak * 0.75**2, rtol=0.02)
    assert np.nanmax(lattice.values[far > 82]) == 0
    assert lattice.near[far < 79].min() == 1
    assert lattice.near[far > 81].max() == 0


def test_mass_is_conserved(askew: Ground) -> None:
    """Before the correction, what lies inside and what went over the border add up to the cases, exactly."""
    cases = scatter(SHAPE, 9.0)
    linear, whole = bin_cases(askew, askew.to_metres(degrees(cases)), np.ones(len(cases), dtype=np.int64))
    assert linear.sum() == len(cases) == whole.sum()
    padded = np.zeros(askew.padded)
    padded[: linear.shape[0], : linear.shape[1]] = linear
    everywhere = np.fft.irfft2(np.fft.rfft2(padded) * askew.kernel, s=askew.padded)
    assert everywhere.sum() == pytest.approx(len(cases), rel=1e-12)


def test_mass_away_from_the_border_is_the_cases() -> None:
    """Density times area adds up to the number of cases."""
    cases = np.random.default_rng(1).uniform(-100, 100, (57, 2))
    ground = lay_ground(area(shapely.box(-250, -250, 253, 259)))
    lattice = case_lattice(ground, degrees(cases), days=30, min_cases=0)
    share = np.nan_to_num(lattice.values) * lattice.cell_m**2 / 1e6
    assert share.sum() == pytest.approx(57, rel=1e-3)


@pytest.mark.parametrize("latitude", [0.0, 45.0, -60.0])
def test_a_square_kilometre_is_one_everywhere(latitude: float) -> None:
    """On a strip of 50 km from south to north: metres on the ground, not those of the projection."""
    strip = shapely.box(100.0, latitude - 0.225, 100.02, latitude + 0.225)
    area_m2, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(strip)
    ground = lay_ground(strip)
    assert ground.area_km2 == pytest.approx(area_m2 / 1e6, rel=1e-4)


# --- in words and numbers a page can use ---


def test_unit_is_cases_per_square_kilometre_and_month() -> None:
    """1,200 cases spread over 0.24 km² in 60 days are 2,500 per km² and 30 days."""
    x, y = np.meshgrid(np.arange(5, 600, 10), np.arange(10, 400, 20))
    points = gpd.GeoSeries(shapely.points(x.ravel() + WEST, y.ravel() + SOUTH), crs=METRIC)
    surface = case_surface(points, to_degrees(community()).geometry.iloc[0], days=60)
    assert surface.cases == 1200
    assert surface.cells["value"].median() == pytest.approx(2500, rel=0.02)
    assert surface.breaks[-1] >= surface.cells["value"].max()


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
    assert near.max() < 105


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
