"""The density of cases: even stays even up to the border, mass is kept, values are those of the formula."""

from __future__ import annotations

import json
import math

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyproj
import pytest
import shapely
import shapely.affinity
from scipy.integrate import quad

from layers.density import (
    LADDER,
    Ground,
    Lattice,
    case_change,
    case_frames,
    case_lattice,
    case_surface,
    change_breaks,
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


def test_a_gradient_and_a_hill_are_found() -> None:
    """A slope is kept as it is; a Gaussian hill is lowered by what the kernel smooths, no more, no less."""
    ground = lay_ground(area(shapely.box(-505, -505, 505, 505)))
    at = scatter(shapely.box(-505, -505, 505, 505), 5.0)
    lattice = case_lattice(
        ground, degrees(at), counts=(2000 + 2 * at[:, 0]).astype(int), days=30, min_cases=0
    )
    where = middles(lattice)
    inner = np.abs(where).max(axis=-1) < 395
    true = (2000 + 2 * where[..., 0]) * 1e6 / 25
    np.testing.assert_allclose(lattice.values[inner], true[inner], rtol=2e-4)

    width = 90.0
    hill = np.rint(1e4 * np.exp(-(at**2).sum(axis=1) / (2 * width**2))).astype(int)
    lattice = case_lattice(ground, degrees(at), counts=hill, days=30, min_cases=0)
    top = np.nanmax(lattice.values) / (1e4 * 1e6 / 25)
    # the kernel's mean of the hill at its top: 6∫ t(1 − t²)² exp(−t²h²/2s²) dt
    lowered = quad(lambda t: 6 * t * (1 - t**2) ** 2 * math.exp(-((t * 100 / width) ** 2) / 2), 0, 1)[0]
    assert top == pytest.approx(lowered, rel=0.002)


def test_counted_cases_lie_within_the_stated_error() -> None:
    """Bins of 4 m instead of places: each case moves by at most 2√2 m, its kernel by 1.54·d/h of its peak."""
    ground = lay_ground(area(shapely.box(-250, -250, 250, 250)))
    rng = np.random.default_rng(5)
    for _ in range(20):
        case = rng.uniform(-120, 120, (1, 2))
        binned = np.floor(case / 4) * 4 + 2
        exact = case_lattice(ground, degrees(case), days=30, min_cases=0)
        about = case_lattice(ground, degrees(binned), counts=[1], days=30, min_cases=0)
        moved = float(np.hypot(*(binned - case)[0]))
        error = np.nanmax(np.abs(exact.values - about.values)) / 1e6
        assert error <= 1.54 * (moved + 0.1) / 100 * PEAK
        assert (moved > 0.5) <= (error > 0)
    many = rng.normal(0, 60, (4000, 2))
    bins, counts = np.unique(np.floor(many / 4), axis=0, return_counts=True)
    exact = case_lattice(ground, degrees(many), days=30)
    about = case_lattice(ground, degrees(bins * 4 + 2), counts=counts, days=30, min_cases=0)
    both = ~np.isnan(exact.values)
    assert about.cases == exact.cases == 4000
    assert np.abs(exact.values - about.values)[both].max() < 0.004 * np.nanmax(exact.values)


def test_near_counts_the_cases_within_the_bandwidth(askew: Ground) -> None:
    """Of the cell's middle; a case within a node's square of the bandwidth may fall on either side."""
    cases = np.random.default_rng(6).normal((-155, -100), 70, (80, 2))
    lattice = case_lattice(askew, degrees(cases), days=30)
    cases = cases[shapely.contains_xy(SHAPE, cases)]
    far = np.hypot(*np.moveaxis(middles(lattice)[:, :, None] - cases, -1, 0))
    slack = askew.step_m / math.sqrt(2) + 0.1
    assert ((far < 100 - slack).sum(axis=2) <= lattice.near).all()
    assert ((far < 100 + slack).sum(axis=2) >= lattice.near).all()
    assert abs(lattice.near.sum() / (far < 100).sum() - 1) < 0.01


def test_even_intensity_is_even_from_south_to_north() -> None:
    """Over 60 km at 60° N, where a Mercator projection grows by 2 %."""
    strip = shapely.box(20.0, 59.73, 20.05, 60.27)
    longitude, latitude = np.meshgrid(np.arange(20.0005, 20.05, 0.001), np.arange(59.7305, 60.27, 0.0005))
    squares = np.cos(np.radians(latitude.ravel()))  # the ground that each place stands for, but for 0.01 %
    counts = np.rint(1e5 * squares).astype(int)
    ground = lay_ground(strip, bandwidth_m=400)
    lattice = case_lattice(
        ground, np.column_stack([longitude.ravel(), latitude.ravel()]), counts=counts, days=30
    )
    rows = np.nanmean(lattice.values, axis=1)
    np.testing.assert_allclose(rows[8:-8], counts.sum() / ground.area_km2, rtol=0.003)


# --- several periods, several communities ---


def test_frames_share_their_breaks_and_add_up(askew: Ground) -> None:
    """The mean of the steps is the density of the whole; one step's peak sets the classes of all."""
    rng = np.random.default_rng(8)
    cases = rng.normal(0, 150, (900, 2))
    steps = rng.integers(-1, 4, 900)  # those of step −1 are of another time
    frames = case_frames(askew, degrees(cases), steps, frames=4, days=7, min_cases=0)
    whole = case_lattice(askew, degrees(cases[steps >= 0]), days=28, min_cases=0)
    np.testing.assert_allclose(np.mean([one.values for one in frames], axis=0), whole.values, rtol=1e-9)
    assert len({one.breaks for one in frames}) == 1
    assert frames[0].breaks[-1] >= max(np.nanmax(one.values) for one in frames) > frames[0].breaks[-2]
    assert sum(one.cases for one in frames) == whole.cases
    floored = case_frames(askew, degrees(cases), steps, frames=4, days=7, breaks=(1, 2, 3))
    assert {one.breaks for one in floored} == {(1, 2, 3)}
    with pytest.raises(ValueError, match="one step"):
        case_frames(askew, degrees(cases), steps[1:], frames=4, days=7)


def test_change_is_the_difference_of_two_densities(askew: Ground) -> None:
    """Breaks are even on both sides; where there were cases and are none now, the fall is shown."""
    rng = np.random.default_rng(9)
    now, before = rng.normal((-150, 0), 40, (300, 2)), rng.normal((150, -150), 40, (150, 2))
    change = case_change(askew, degrees(now), degrees(before), days=30, days_before=15)
    one = case_lattice(askew, degrees(now), days=30, min_cases=0)
    other = case_lattice(askew, degrees(before), days=15, min_cases=0)
    shown = ~np.isnan(change.values)
    np.testing.assert_allclose(change.values[shown], (one.values - other.values)[shown], atol=1e-6)
    assert np.nanmax(change.values) > change.breaks[-2]
    assert np.nanmin(change.values) < -change.breaks[-2]
    assert change.breaks[-1] >= np.nanmax(np.abs(change.values))
    assert change.breaks[:2] == (-change.breaks[3], -change.breaks[2])
    enough = np.maximum(one.near, other.near) >= 5
    assert (shown == (enough & ~np.isnan(one.values))).all()
    nothing = case_change(askew, [], [], days=30)
    assert nothing.few
    assert nothing.breaks == ()


def test_communities_side_by_side_have_no_border_between_them() -> None:
    """Cases on both sides of the border of two communities: one surface over both, even across."""
    left, right = shapely.box(-300, -200, 0, 200), shapely.box(0, -200, 300, 200)
    places = degrees(scatter(shapely.box(-300, -200, 300, 200), 2.0))
    lattice = case_lattice(lay_ground([area(left), area(right)]), places, days=30)
    np.testing.assert_allclose(lattice.values[~np.isnan(lattice.values)], 25e4, rtol=0.01)
    alone = case_lattice(lay_ground(area(left)), places, days=30)
    assert alone.cases == lattice.cases / 2
    np.testing.assert_allclose(alone.values[~np.isnan(alone.values)], 25e4, rtol=0.01)


# --- sizes ---


@pytest.mark.parametrize(
    ("width", "height", "cell", "bandwidth"),
    [
        (30, 20, 10, 100),
        (700, 700, 10, 100),
        (2_100, 2_000, 20, 100),
        (4_500, 5_000, 25, 100),
        (9_000, 9_000, 50, 200),
        (60_000, 40_000, 250, 1000),
        (50_000, 300, 20, 100),
    ],
)
def test_cells_are_chosen_by_the_area(width: float, height: float, cell: float, bandwidth: float) -> None:
    """Never more than about 40,000 cells, and the bandwidth is at least two of them."""
    ground = lay_ground(area(shapely.box(-width / 2, -height / 2, width / 2, height / 2)))
    assert (ground.cell_m, ground.bandwidth_m) == (cell, bandwidth)
    assert ground.columns * ground.rows <= 40_000
    assert ground.step_m <= bandwidth / 10


def test_a_tiny_area_has_its_cases_over_its_size() -> None:
    """Where all of the area is near, the density is cases by area, wherever in it they are."""
    for shape in (
        shapely.box(0, 0, 4, 3),
        shapely.Polygon([(0, 0), (9, 1), (2, 6)]),
        shapely.box(0, 0, 0.3, 12),
    ):
        lattice = case_lattice(lay_ground(area(shape)), degrees([[0.25, 0.5]] * 7), days=30)
        assert lattice.cases == 7
        shown = lattice.values[~np.isnan(lattice.values)]
        assert len(shown) >= 1
        np.testing.assert_allclose(shown, 7e6 / shape.area, rtol=0.02)


@pytest.mark.parametrize(
    "wrong", [shapely.Polygon(), shapely.LineString([(0, 0), (1, 1)]), shapely.Point(111, 30), []]
)
def test_no_area_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="polygon"):
        lay_ground(wrong)  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused(askew: Ground) -> None:
    """In words, before anything is computed."""
    with pytest.raises(ValueError, match="less than two cells"):
        lay_ground(area(SHAPE), bandwidth_m=50, cell_m=30)
    with pytest.raises(ValueError, match="must be positive"):
        lay_ground(area(SHAPE), bandwidth_m=math.nan)
    with pytest.raises(ValueError, match="days"):
        case_lattice(askew, [], days=0)
    with pytest.raises(ValueError, match="pairs"):
        case_lattice(askew, [[1, 2, 3]], days=1)
    for counts in ([1, 2], [-1]):
        with pytest.raises(ValueError, match="one count"):
            case_lattice(askew, degrees([[0, 0]]), counts=counts, days=1)


def test_places_that_are_none_are_left_out(askew: Ground) -> None:
    """A place without coordinates, at a pole or on the other side of the earth is not within the area."""
    odd = [
        [math.nan, math.nan],
        [111.3, 90.0],
        [-68.7, 30.7],
        [111.3, math.inf],
        *degrees([[-200, 0]]).tolist(),
    ]
    assert case_lattice(askew, odd, days=30).cases == 1


# --- in words and numbers a page can use ---


def test_a_lattice_is_sent_as_plain_numbers(askew: Ground) -> None:
    """Row by row from the north, three digits, null where nothing is shown."""
    cases = np.random.default_rng(4).normal((-155, -178), 25, (200, 2))
    lattice = case_lattice(askew, degrees(cases), days=30)
    sent = json.loads(json.dumps(lattice.as_json()))
    values = np.array([math.nan if value is None else value for value in sent["values"]])
    assert len(values) == sent["columns"] * sent["rows"]
    values = values.reshape(sent["rows"], sent["columns"])
    np.testing.assert_array_equal(np.isnan(values), np.isnan(lattice.values))
    shown = ~np.isnan(values)
    np.testing.assert_allclose(values[shown], lattice.values[shown], rtol=0.005)
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    west, south, east, north = sent["bounds"]
    x = west + (column + 0.5) / sent["columns"] * (east - west)
    y = north - (row + 0.5) / sent["rows"] * (north - south)
    assert np.hypot(*(metres([[x, y]])[0] - cases.mean(axis=0))) < 30
    assert (sent["unit"], sent["cases"], sent["days"]) == ("cases/km²/month", lattice.cases, 30)
    assert len(json.dumps(sent)) < 60_000


def test_a_lattice_lies_upright_on_a_web_map() -> None:
    """Stretched over its bounds on a web map, a cell 40 km away from the middle is off by under a metre."""
    ground = lay_ground(area(shapely.box(-20_000, -40_000, 20_000, 40_000)))
    to_web = pyproj.Transformer.from_crs(ground.crs, "EPSG:3857", always_xy=True)
    west, south, east, north = ground.bounds
    (left, right), (bottom, top) = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform(
        [west, east], [south, north]
    )
    for column in range(0, ground.columns + 1, 20):
        for row in range(0, ground.rows + 1, 20):
            x, y = ground.origin[0] + column * ground.cell_m, ground.origin[1] - row * ground.cell_m
            on_map = to_web.transform(x, y)
            stretched = (
                left + column / ground.columns * (right - left),
                top - row / ground.rows * (top - bottom),
            )
            assert math.dist(on_map, stretched) * math.cos(math.radians(30.7)) < 1.0


def test_breaks_of_a_change_are_even() -> None:
    """The same steps up and down."""
    assert change_breaks(73) == (-50, -20, 20, 50, 100)
    assert change_breaks(0) == (-0.5, -0.2, 0.2, 0.5, 1.0)


def test_unit_is_cases_per_square_kilometre_and_month() -> None:
    """1,200 cases spread over 0.24 km² in 60 days are 2,500 per km² and 30 days."""
    x, y = np.meshgrid(np.arange(5, 600, 10), np.arange(10, 400, 20))
    points = gpd.GeoSeries(shapely.points(x.ravel() + WEST, y.ravel() + SOUTH), crs=METRIC)
    surface = case_surface(points, to_degrees(community()).geometry.iloc[0], days=60)
    assert surface.cases == 1200
    assert surface.cells["value"].median() == pytest.approx(2500, rel=0.02)
    # the classes of every map, whatever the data
    assert surface.breaks == LADDER


def test_few_cases_are_not_shown() -> None:
    """Four cases in one place are under the floor of five; a fifth shows them; those outside never count."""
    here = to_degrees(community()).geometry.iloc[0]
    at = [shapely.Point(WEST + 300 + n, SOUTH + 200) for n in range(5)]
    outside = [shapely.Point(WEST - 20, SOUTH + 200)] * 9
    few = case_surface(gpd.GeoSeries(at[:4] + outside, crs=METRIC), here, days=30)
    assert (few.cases, len(few.cells), few.breaks) == (4, 0, LADDER)
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
