"""Statistics against plain brute force, and whatever the order of the rows and the number of threads."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.statistics.hot_spots import hot_spots
from layers.statistics.neighbours import nearest
from layers.statistics.rates import smoothed_rates
from layers.statistics.recent import LEAST_CASES, scan_recent
from layers.statistics.scan import Bounds, Cluster, scan_circles
from layers.statistics.units import Floats, Units, Whole

quick = settings(max_examples=25, deadline=None, derandomize=True)
seeds = st.integers(0, 10_000)
sides = st.sampled_from(["high", "low", "both"])


def ratio(cases: int, expected: float, total: int) -> float:
    """Kulldorff's log likelihood ratio of a window, as it is written down."""
    inside = cases * math.log(cases / expected) if cases else 0.0
    outside = total - cases
    return inside + (outside * math.log(outside / (total - expected)) if outside else 0.0)


def best_by_hand(
    places: Floats,
    counts: Whole,
    weights: Floats,
    scales: Floats,
    total: int,
    bounds: Bounds,
    taken: set[int],
) -> float:
    """The highest ratio of all circles round all units and all spans, one at a time."""
    best, n = 0.0, len(places)
    whole = weights.sum()
    for centre, span in product(range(n), range(len(scales))):
        away = [math.dist(places[centre], place) for place in places]
        for radius in set(away):
            members = [k for k in range(n) if away[k] <= radius * (1 + 1e-9)]
            expected = float(weights[members].sum() * scales[span])
            if (
                taken & set(members)
                or weights[members].sum() > bounds.most_share * whole * (1 + 1e-9)
                or (bounds.most_radius_m is not None and radius > bounds.most_radius_m)
                or not 0 < expected < total
            ):
                continue
            cases = int(counts[span, members].sum())
            high = cases > expected and cases >= bounds.least_cases
            if (high and bounds.side != "low") or (cases < expected and bounds.side != "high"):
                best = max(best, ratio(cases, expected, total))
    return best


def assert_best(
    clusters: tuple[Cluster, ...],
    places: Floats,
    counts: Whole,
    weights: Floats,
    scales: Floats,
    total: int,
    bounds: Bounds,
) -> None:
    taken: set[int] = set()
    for cluster in clusters:
        by_hand = best_by_hand(places, counts, weights, scales, total, bounds, taken)
        assert math.isclose(cluster.ratio, by_hand, rel_tol=1e-9, abs_tol=1e-9)
        assert math.isclose(
            ratio(cluster.cases, cluster.expected, total), by_hand, rel_tol=1e-7, abs_tol=1e-9
        )
        away = [math.dist(place, cluster.centre) for place in places]
        assert set(map(int, cluster.units)) == {
            k for k, distance in enumerate(away) if distance <= cluster.radius_m * (1 + 1e-9)
        }
        taken |= set(map(int, cluster.units))
    if len(clusters) < 10 and total > 1:
        assert best_by_hand(places, counts, weights, scales, total, bounds, taken) < 1e-8


@quick
@given(seeds, st.integers(2, 14), sides, st.sampled_from([0.1, 0.3, 0.5]), st.booleans(), st.booleans())
def test_circles_are_those_of_brute_force(
    seed: int, n: int, side: str, share: float, on_lattice: bool, narrow: bool
) -> None:
    """Ties in distance (a lattice, units at one place) and empty units included."""
    rng = np.random.default_rng(seed)
    places = rng.integers(0, 4, (n, 2)) * 10.0 if on_lattice else rng.uniform(0, 40, (n, 2))
    people = rng.integers(1, 30, n).astype(np.float64)
    counts = rng.poisson(people * rng.choice([0.02, 0.1, 0.6], n))
    bounds = Bounds(share, 15.0 if narrow else None, 2, side)  # type: ignore[arg-type]
    scan = scan_circles(Units(places, counts, people), bounds=bounds, runs=19)
    total = int(counts.sum())
    weights = people / people.sum() * total
    assert_best(scan.clusters, places, counts[None, :], weights, np.ones(1), total, bounds)


@quick
@given(seeds, st.integers(2, 9), st.integers(1, 4), st.booleans())
def test_cylinders_are_those_of_brute_force(seed: int, n: int, longest: int, people: bool) -> None:
    rng = np.random.default_rng(seed)
    places = rng.integers(0, 4, (n, 2)) * 10.0
    by_day = rng.poisson(rng.choice([0.1, 0.8]), (n, 10))
    exposure = rng.integers(1, 30, n).astype(np.float64) if people else None
    bounds = Bounds(least_cases=LEAST_CASES)
    day_weights = rng.integers(0, 3, 10).astype(np.float64) + (np.arange(10) == 0)
    scan = scan_recent(places, by_day, exposure=exposure, day_weights=day_weights, longest=longest, runs=19)
    total = int(by_day.sum())
    counts = np.stack([by_day[:, -days:].sum(axis=1) for days in range(1, longest + 1)])
    if exposure is None:
        weights = by_day.sum(axis=1).astype(np.float64)
        scales = counts.sum(axis=1) / max(1, total)
    else:
        weights = exposure / exposure.sum() * total
        scales = np.array([day_weights[-days:].sum() for days in range(1, longest + 1)]) / day_weights.sum()
    assert_best(scan.clusters, places, counts, weights, scales, total, bounds)


@quick
@given(seeds, st.booleans())
def test_rows_and_threads_change_nothing(seed: int, on_lattice: bool) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    places = rng.integers(0, 9, (n, 2)) * 10.0 if on_lattice else rng.uniform(0, 90, (n, 2))
    people = rng.integers(5, 60, n).astype(np.float64)
    people[rng.random(n) < 0.1] = np.nan
    counts = rng.poisson(np.nan_to_num(people, nan=4.0) * 0.1)
    by_day = rng.poisson(0.3, (n, 14))
    order = rng.permutation(n)
    near = nearest(places, 4)
    turned = near.take(order)
    here, there = Units(places, counts, people), Units(places[order], counts[order], people[order])

    for method in ("gi", "moran"):
        one = hot_spots(here, near, method=method, seed=seed, threads=1)  # type: ignore[arg-type]
        other = hot_spots(there, turned, method=method, seed=seed, threads=3)  # type: ignore[arg-type]
        assert one.units.iloc[order].reset_index(drop=True).equals(other.units)
        assert one.statement == other.statement

    first = smoothed_rates(here, near)
    second = smoothed_rates(there, turned)
    np.testing.assert_allclose(
        first.units["smoothed"].to_numpy()[order], second.units["smoothed"], rtol=1e-12
    )

    for a, b in (
        (
            scan_circles(here, runs=39, seed=seed, threads=1),
            scan_circles(there, runs=39, seed=seed, threads=3),
        ),
        (
            scan_recent(places, by_day, longest=5, runs=39, seed=seed, threads=1),
            scan_recent(places[order], by_day[order], longest=5, runs=39, seed=seed, threads=3),
        ),
    ):
        assert a.statement == b.statement
        assert a.critical == b.critical
        assert [(c.cases, c.expected, c.ratio, c.p, c.centre, c.radius_m, c.days) for c in a.clusters] == [
            (c.cases, c.expected, c.ratio, c.p, c.centre, c.radius_m, c.days) for c in b.clusters
        ]
        assert (a.cluster_of[order] == b.cluster_of).all()
