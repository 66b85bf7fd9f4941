"""What always holds of a density, on areas and cases drawn at random."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy.fft
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.density import case_lattice, lay_ground
from layers.density.surface import estimate_density
from tests.layers.land import area, degrees

Floats = npt.NDArray[np.float64]

quick = settings(max_examples=25, deadline=None, derandomize=True)


def star(radii: list[float]) -> shapely.Polygon:
    """A polygon round the middle with its corners at these distances."""
    turn = np.arange(len(radii)) * 2 * math.pi / len(radii)
    return shapely.Polygon(np.column_stack([np.cos(turn), np.sin(turn)]) * np.array(radii)[:, None])


stars = st.lists(st.floats(3, 700), min_size=3, max_size=9).map(star)
cases = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 400), st.floats(1, 400)).map(
    lambda drawn: np.random.default_rng(drawn[0]).normal(0, drawn[2], (drawn[1], 2))
)


@given(stars, cases, st.randoms(use_true_random=False))
@quick
def test_order_and_threads_do_not_matter(shape: shapely.Polygon, at: Floats, rng: object) -> None:
    """To the last digit."""
    ground = lay_ground(area(shape))
    order = np.argsort([rng.random() for _ in at])  # type: ignore[attr-defined]
    one = estimate_density(ground, degrees(at))
    with scipy.fft.set_workers(3):
        other = estimate_density(lay_ground(area(shape)), degrees(at)[order])
    np.testing.assert_array_equal(one.density, other.density)
    np.testing.assert_array_equal(one.near, other.near)


@given(stars, cases, st.tuples(st.floats(-300, 300), st.floats(-300, 300)))
@quick
def test_a_further_case_never_lowers_anything(
    shape: shapely.Polygon, at: Floats, further: tuple[float, float]
) -> None:
    ground = lay_ground(area(shape))
    before = estimate_density(ground, degrees(at))
    after = estimate_density(ground, degrees([*at.tolist(), further]))
    assert (after.near >= before.near).all()
    assert after.cases - before.cases in (0, 1)
    slack = 1e-12 * np.nanmax(after.density, initial=0.0)
    assert (after.density >= before.density - slack)[~np.isnan(before.density)].all()


@given(stars, cases)
@quick
def test_a_count_is_as_many_cases(shape: shapely.Polygon, at: Floats) -> None:
    """A place with a count of three and the place given three times."""
    ground = lay_ground(area(shape))
    counted = estimate_density(ground, degrees(at), np.full(len(at), 3))
    listed = estimate_density(ground, degrees(np.repeat(at, 3, axis=0)))
    np.testing.assert_array_equal(counted.density, listed.density)
    np.testing.assert_array_equal(counted.near, listed.near)


@given(stars, cases, st.floats(-60, 60))
@quick
def test_elsewhere_at_the_same_latitude_it_is_the_same(
    shape: shapely.Polygon, at: Floats, east: float
) -> None:
    """A community moved along its parallel takes its surface with it."""
    here, there = (
        lay_ground(area(shape)),
        lay_ground(shapely.transform(area(shape), lambda p: p + np.array([east, 0]))),
    )
    one, other = (
        estimate_density(here, degrees(at)),
        estimate_density(there, degrees(at) + np.array([east, 0])),
    )
    assert (here.columns, here.rows, here.cell_m) == (there.columns, there.rows, there.cell_m)
    np.testing.assert_allclose(
        one.density, other.density, rtol=1e-3, atol=1e-3 * np.nanmax(one.density, initial=1e-9)
    )


@given(stars, cases, st.floats(0, math.pi))
@quick
def test_in_parts_it_is_the_same(shape: shapely.Polygon, at: Floats, turn: float) -> None:
    """A community given as the two halves of a cut."""
    along = 5000 * np.array([math.cos(turn), math.sin(turn)])
    across = np.array([-along[1], along[0]])
    side = shapely.Polygon([along, -along, across - along, along + across])
    halves = [shape.intersection(side), shape.difference(side)]
    halves = [half for half in halves if half.area > 0]
    one = case_lattice(lay_ground(area(shape)), degrees(at), days=30, min_cases=0)
    other = case_lattice(lay_ground([area(half) for half in halves]), degrees(at), days=30, min_cases=0)
    assert abs(one.cases - other.cases) <= 1  # on the cut itself
    if one.cases == other.cases:
        np.testing.assert_allclose(
            one.values, other.values, rtol=1e-4, atol=1e-4 * np.nanmax(one.values, initial=1)
        )


@given(stars, st.integers(1, 200))
@quick
def test_all_cases_at_one_place(shape: shapely.Polygon, many: int) -> None:
    """Nothing overflows, nothing is negative, and what is beyond the bandwidth is nought."""
    at = degrees(np.zeros((many, 2)))
    found = estimate_density(lay_ground(area(shape)), at)
    assert found.cases == many
    inside = ~np.isnan(found.density)
    assert (found.density[inside] >= 0).all()
    assert np.isfinite(found.density[inside]).all()
    assert set(np.unique(found.near)) <= {0, many}
    assert found.density[inside & (found.near > 0)].max() > 0


@given(stars, cases)
@quick
def test_mass_within_is_what_the_cases_have_within(shape: shapely.Polygon, at: Floats) -> None:
    """Density times the least mass adds up to at most the cases: the rest of their kernels lies beyond."""
    ground = lay_ground(area(shape))
    found = estimate_density(ground, degrees(at))
    share = (
        np.nan_to_num(found.density[::-1])
        * ground.cover[1:-1, 1:-1]
        .reshape(ground.rows, ground.parts, ground.columns, ground.parts)
        .sum(axis=(1, 3))
        * ground.step_m**2
    )
    least = ground.mass[ground.cover > 0].min()
    assert share.sum() * least <= found.cases * (1 + 1e-9)
    assert share.sum() >= 0
