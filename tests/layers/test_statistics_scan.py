"""The scan statistic: SaTScan's published results, the formula by hand, planted clusters, chance alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layers.statistics.recent import scan_recent
from layers.statistics.scan import Bounds, scan_circles
from layers.statistics.units import Units
from tests.benchmarks import chance
from tests.benchmarks.chance import lattice

# 281 census tracts of upstate New York, leukaemia 1978-1982: Waller, Turnbull, Clark and Nasca (1992),
# Turnbull et al. (1990), as given with Waller and Gotway, "Applied Spatial Statistics for Public Health Data"
# (2004); cases cut down to whole numbers. Places are degrees, taken as plane coordinates.
NEW_YORK = Path(__file__).parent / "new_york.csv"

# SaTScan 9.6's answers for these very numbers (discrete Poisson, purely spatial, high rates, 999 runs), as
# published with the tests of the R package smerc (github.com/jfrench/smerc): tracts, radius, cases, expected,
# relative risk, log likelihood ratio, p.
HALF = [
    (28, 0.087, 100, 58.28, 1.87, 14.083511, 0.00015),
    (8, 0.13, 38, 17.79, 2.22, 9.019716, 0.016),
    (33, 0.040, 64, 40.85, 1.64, 6.114140, 0.248),
    (4, 0.061, 25, 12.82, 1.99, 4.651839, 0.645),
    (4, 0.026, 12, 5.14, 2.37, 3.363518, 0.965),
    (3, 0.012, 11, 4.61, 2.41, 3.209485, 0.982),
]
TENTH = [
    (26, 0.070, 85, 49.71, 1.84, 11.577255, 0.0010),
    (8, 0.13, 38, 17.79, 2.22, 9.019716, 0.013),
    (33, 0.040, 64, 40.85, 1.64, 6.114140, 0.216),
    (4, 0.061, 25, 12.82, 1.99, 4.651839, 0.609),
    (7, 0.043, 28, 15.54, 1.84, 4.169203, 0.755),
    (4, 0.026, 12, 5.14, 2.37, 3.363518, 0.961),
    (3, 0.012, 11, 4.61, 2.41, 3.209485, 0.976),
]
FIRST = {
    *(52, 50, 37, 49, 38, 48, 53, 39, 15, 47, 51, 1, 40, 44),
    *(16, 2, 55, 36, 14, 43, 13, 45, 3, 35, 17, 11, 12, 46),
}


# 194 visits to hospitals of New York City for fever, by ZIP code (latitude, longitude) and day of November
# 2001: sample data that come with SaTScan and with the R package rsatscan.
NEW_YORK_FEVER = Path(__file__).parent / "new_york_fever.csv"
# ZIP codes, days, cases, expected, log likelihood ratio, p
FEVER = [
    ("11418 11415 11419 11435 11416 11421 11451 11375 11417", 3, 4, 0.67, 3.845418, 0.355),
    ("11372", 1, 2, 0.16, 3.164201, 0.709),
    ("10464 10475 10465 10469 10461 10466 10462 10467 11024 10472", 2, 5, 1.66, 2.192250, 0.979),
]
# what R's scanstatistics finds in made-up cases: scanstatistics.R
SCANSTATISTICS = Path(__file__).parent / "scanstatistics.json"


def new_york() -> Units:
    table = pd.read_csv(NEW_YORK)
    return Units(
        table[["latitude", "longitude"]].to_numpy(),
        table["cases"].to_numpy(),
        table["population"].to_numpy(dtype=np.float64),
    )


@pytest.mark.parametrize(("share", "published"), [(0.5, HALF), (0.1, TENTH)])
def test_satscan_on_the_new_york_leukaemia(
    share: float, published: list[tuple[int, float, int, float, float, float, float]]
) -> None:
    runs = 1999
    scan = scan_circles(new_york(), bounds=Bounds(most_share=share), runs=runs)
    for cluster, (tracts, radius, cases, expected, risk, ratio, p) in zip(
        scan.clusters, published, strict=False
    ):
        assert len(cluster.units) == tracts
        assert cluster.cases == cases
        assert round(cluster.expected, 2) == expected
        assert round(cluster.relative_risk, 2) == risk
        assert cluster.ratio == pytest.approx(ratio, abs=2e-6)
        # SaTScan's circle need not be the smallest round a tract with the same set; ours is
        assert cluster.radius_m <= radius + 0.006
        # both are estimates from Monte Carlo runs: 999 there, `runs` here
        error = math.sqrt(max(p * (1 - p), 0.001) * (1 / 999 + 1 / runs))
        assert cluster.p == pytest.approx(p, abs=3.5 * error)
    assert [cluster.p <= 0.05 for cluster in scan.clusters[:3]] == [True, True, False]
    assert {cluster.cases for cluster in scan.found} == {cluster[2] for cluster in published[:2]}
    if share == 0.5:
        assert {int(unit) + 1 for unit in scan.clusters[0].units} == FIRST
        # tract 110: 9 people and no case; tract 57: in no cluster
        assert scan.cluster_of[109] == 2
        assert scan.cluster_of[56] == -1
    assert "38" not in scan.statement.verdict["en"]
    assert f"{published[0][2]} cases" in scan.statement.verdict["en"]


def test_the_ratio_is_kulldorffs() -> None:
    """Three units in a row, by hand: 8 of 12 cases where 4 are expected."""
    units = Units(np.array([[0.0, 0.0], [10.0, 0.0], [300.0, 0.0]]), np.array([8, 2, 2]), np.ones(3))
    cluster = scan_circles(units, runs=99).clusters[0]
    assert list(cluster.units) == [0]
    assert cluster.expected == 4.0
    assert cluster.ratio == pytest.approx(8 * math.log(8 / 4) + 4 * math.log(4 / 8))
    assert cluster.relative_risk == pytest.approx((8 / 4) / (4 / 8))
    assert cluster.radius_m == 0


def test_a_planted_cluster_is_found_and_named() -> None:
    rng = np.random.default_rng(5)
    places = lattice(12, 12)
    inside = np.hypot(*(places - [400, 700]).T) <= 150
    people = rng.integers(30, 90, len(places)).astype(np.float64)
    counts = rng.poisson(people * np.where(inside, 0.2, 0.05))
    scan = scan_circles(Units(places, counts, people), seed=3)
    first = scan.clusters[0]
    assert first.p == 0.001
    assert first.high
    assert len(set(first.units) & set(np.flatnonzero(inside))) >= 0.7 * inside.sum()
    assert (scan.cluster_of[first.units] == 0).all()
    assert len(scan.found) == 1
    assert "more than chance: 1." in scan.statement.verdict["en"]
    assert "聚集超出偶然" in scan.statement.verdict["zh"]


def test_sides() -> None:
    """A hole is found by low and by both, a heap by high and by both."""
    places = lattice(10, 10)
    hole = np.hypot(*(places - [200, 200]).T) <= 120
    heap = np.hypot(*(places - [700, 700]).T) <= 120
    counts = np.where(hole, 0, np.where(heap, 40, 10))
    units = Units(places, counts)
    found = {side: scan_circles(units, bounds=Bounds(side=side)).found for side in ("high", "low", "both")}
    assert {frozenset(map(int, c.units)) for c in found["high"]} == {frozenset(np.flatnonzero(heap))}
    assert {frozenset(map(int, c.units)) for c in found["low"]} == {frozenset(np.flatnonzero(hole))}
    assert {c.high for c in found["both"]} == {True, False}
    assert found["low"][0].relative_risk == 0
    assert "only 0 cases" in scan_circles(units, bounds=Bounds(side="low")).statement.verdict["en"]


def test_bounds_hold() -> None:
    rng = np.random.default_rng(2)
    places = lattice(9, 9)
    units = Units(places, rng.poisson(3, 81) + 9 * (places[:, 0] < 250))
    for share, radius in ((0.5, 150.0), (0.08, None), (0.2, 0.0)):
        scan = scan_circles(units, bounds=Bounds(most_share=share, most_radius_m=radius), runs=99)
        assert scan.clusters
        for cluster in scan.clusters:
            assert len(cluster.units) <= share * 81
            assert radius is None or cluster.radius_m <= radius
        held = np.concatenate([cluster.units for cluster in scan.clusters])
        assert len(held) == len(set(held))
    few = scan_circles(units, bounds=Bounds(least_cases=400), runs=99)
    assert not few.clusters
    assert "none gather more than by chance" in few.statement.verdict["en"]


def test_units_without_a_denominator_are_named_and_left_out() -> None:
    places = lattice(6, 6)
    people = np.full(36, 20.0)
    people[[3, 4]] = np.nan, 0.0
    counts = np.full(36, 2)
    counts[3] = 50
    scan = scan_circles(Units(places, counts, people), runs=99)
    assert not scan.found
    assert scan.cluster_of[3] == -1
    assert "2 units" in scan.statement.notes[0]["en"]
    assert "52 cases" in scan.statement.notes[0]["en"]


@pytest.mark.parametrize("counts", [np.zeros(9, dtype=np.int64), np.eye(1, 9, dtype=np.int64)[0]])
def test_nothing_to_scan(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    scan = scan_circles(Units(lattice(3, 3), counts))
    assert not scan.clusters
    assert not scan.statement.answered
    assert math.isnan(scan.critical)
    empty = scan_circles(Units(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)))
    assert "0 units" in empty.statement.verdict["en"]


def test_alike_everywhere_is_no_cluster() -> None:
    scan = scan_circles(Units(lattice(8, 8), np.full(64, 5)), bounds=Bounds(side="both"), runs=99)
    assert not scan.found
    assert scan.statement.answered


@pytest.mark.parametrize(
    "wrong",
    [
        {"most_share": 0.0},
        {"most_share": 0.6},
        {"most_radius_m": -1.0},
        {"most_radius_m": math.inf},
        {"side": "up"},
        {"least_cases": 0},
    ],
)
def test_bounds_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        Bounds(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("runs", "level"), [(10, 0.05), (999, 0.0), (999, 0.6)])
def test_runs_that_cannot_reach_the_level(runs: int, level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        scan_circles(Units(lattice(3, 3), np.ones(9, dtype=np.int64)), runs=runs, level=level)


def test_the_critical_ratio_is_where_p_passes_the_level() -> None:
    rng = np.random.default_rng(4)
    for seed in range(5):
        scan = scan_circles(Units(lattice(7, 7), rng.poisson(4, 49)), runs=199, seed=seed)
        for cluster in scan.clusters:
            assert (cluster.p <= 0.05) == (cluster.ratio > scan.critical)


# --- the last days ---


def heap(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """A lattice, its days with one place always bad and one that rose in the last four, and which that is."""
    places = lattice(10, 10)
    by_day = rng.poisson(0.2, (100, 60))
    by_day[7] += rng.poisson(2.0, 60)
    rose = np.hypot(*(places - [600, 600]).T) <= 110
    by_day[rose, -4:] += rng.poisson(1.5, (int(rose.sum()), 4))
    return places, by_day, rose


def test_a_rise_of_the_last_days_is_found_and_what_is_always_bad_is_not() -> None:
    places, by_day, rose = heap(np.random.default_rng(8))
    scan = scan_recent(places, by_day, longest=7)
    first = scan.clusters[0]
    assert first.p == 0.001
    assert first.days in (3, 4, 5)
    assert set(first.units) == set(np.flatnonzero(rose))
    assert first.cases == by_day[rose][:, -first.days :].sum()
    total = by_day.sum()
    assert first.expected == pytest.approx(by_day[rose].sum() * by_day[:, -first.days :].sum() / total)
    assert all(7 not in cluster.units for cluster in scan.found)
    assert f"in the last {first.days} days" in scan.statement.verdict["en"]
    assert f"最近 {first.days} 天内" in scan.statement.verdict["zh"]
    # against a denominator what is always bad stands out too
    poisson = scan_recent(places, by_day, exposure=np.ones(100), longest=7)
    assert any(7 in cluster.units for cluster in poisson.found)
    ends = next(c for c in poisson.clusters if 7 in c.units)
    assert ends.expected == pytest.approx(len(ends.units) / 100 * total * (ends.days or 0) / 60)


def test_a_rise_everywhere_is_no_cluster_of_the_permutation() -> None:
    by_day = np.full((64, 40), 1)
    by_day[:, -3:] = 4
    scan = scan_recent(lattice(8, 8), by_day, longest=5, runs=199)
    assert not scan.found
    assert "more than by chance" in scan.statement.verdict["en"]


def test_days_that_were_looked_at_less_are_expected_less() -> None:
    """Cases of weekends alone, the same on each: the last two days, a weekend, are no rise."""
    rng = np.random.default_rng(3)
    weekend = np.arange(28) % 7 >= 5
    by_day = rng.poisson(0.6, (64, 28)) * weekend
    people = np.ones(64)
    told = scan_recent(lattice(8, 8), by_day, exposure=people, day_weights=weekend * 24.0, longest=4)
    assert not told.found
    assert scan_recent(lattice(8, 8), by_day, exposure=people, longest=4).found
    # the days' numbers are kept by the permutation
    assert not scan_recent(lattice(8, 8), by_day, longest=4).found
    two = told.clusters[0]
    assert two.expected == pytest.approx(by_day.sum() * len(two.units) / 64 * {1: 1, 2: 2}[two.days or 0] / 8)
    for wrong in (np.ones(27), np.zeros(28), np.full(28, np.nan), np.full(28, -1.0)):
        with pytest.raises(ValueError, match="one a day"):
            scan_recent(lattice(8, 8), by_day, exposure=people, day_weights=wrong, longest=4)


def test_a_few_cases_are_no_alarm_and_small_numbers_are_not_nought() -> None:
    by_day = np.zeros((64, 40), dtype=np.int64)
    by_day[np.arange(0, 60, 3), np.arange(20)] = 1
    by_day[9, -1] += 4
    assert not scan_recent(lattice(8, 8), by_day, longest=5).clusters
    by_day[9, -1] += 1
    people = np.ones(64)
    scan = scan_recent(lattice(8, 8), by_day, exposure=people, longest=5)
    assert len(scan.found) == 1
    assert "5 cases in the last day where < 0.1 were expected" in scan.statement.verdict["en"]
    assert "最近一天内发生 5 件，期望 < 0.1 件" in scan.statement.verdict["zh"]


def test_longest_must_fit() -> None:
    with pytest.raises(ValueError, match="half"):
        scan_recent(lattice(3, 3), np.ones((9, 10), dtype=np.int64), longest=6)
    empty = np.zeros((9, 10), dtype=np.int64)
    assert not scan_recent(lattice(3, 3), empty, longest=5).statement.answered
    assert not scan_recent(lattice(3, 3), empty, exposure=np.ones(9), longest=5).clusters


def fever() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The table, places in metres, cases by day."""
    table = pd.read_csv(NEW_YORK_FEVER, dtype={"zip": str, "days": str}).fillna({"days": ""})
    by_day = np.zeros((len(table), 24), dtype=np.int64)
    for row, days in enumerate(table["days"]):
        np.add.at(by_day[row], [int(day) - 1 for day in days.split()], 1)
    assert by_day.shape[0] == 192
    assert by_day.sum() == 194
    latitude, longitude = np.radians(table[["latitude", "longitude"]].to_numpy()).T
    return table, 6_371_009 * np.column_stack([longitude * np.cos(latitude.mean()), latitude]), by_day


def test_satscan_on_the_fever_of_new_york() -> None:
    """SaTScan's summary of its own example (prospective, space-time permutation, circles of 3 km, 7 days, 999
    runs), as the readme of rsatscan (github.com/Kenkleinman/rsatscan) has it: 192 places, 194 cases, 3
    clusters, none of them with p below 0.05. SaTScan leaves out clusters that no run falls short of.
    """
    _, places, by_day = fever()
    scan = scan_recent(places, by_day, longest=7, bounds=Bounds(0.5, 3_000.0, 2))
    assert sum(cluster.p < 1 for cluster in scan.clusters) == 3
    assert not scan.found


def test_satscan_on_the_fever_of_new_york_by_half_of_the_time() -> None:
    """SaTScan 9.4.4's answer for circles of half of all and 12 days, which ended after 141 runs, as published
    with a course (github.com/YalePublicHealthSurveillance/Session-6-SATSCAN-space-time, results/res1.txt).
    """
    table, places, by_day = fever()
    scan = scan_recent(places, by_day, longest=12, bounds=Bounds(0.5, None, 2))
    found = [cluster for cluster in scan.clusters if cluster.p < 1]
    assert len(found) == len(FEVER)
    for cluster, (codes, days, cases, expected, ratio, p) in zip(found, FEVER, strict=True):
        assert set(table["zip"].iloc[cluster.units]) == set(codes.split())
        assert (cluster.days, cluster.cases) == (days, cases)
        assert round(cluster.expected, 2) == expected
        assert cluster.ratio == pytest.approx(ratio, abs=1e-6)
        apart = 4 * math.sqrt(p * (1 - p) * (1 / 141 + 1 / 999)) + 1 / 141
        assert cluster.p == pytest.approx(p, abs=apart)


def test_satscan_on_the_leukaemia_of_the_last_day() -> None:
    """The space-time Poisson scan where only the last day was looked at is the spatial one, whose answers
    SaTScan has published; with half of the time before, every cluster's expectation is half of that.
    """
    units = new_york()
    assert units.exposure is not None
    by_day = np.column_stack([np.zeros_like(units.counts), units.counts])
    bounds = Bounds(most_share=0.5, least_cases=2)
    scan = scan_recent(
        units.places,
        by_day,
        exposure=units.exposure,
        day_weights=np.array([0.0, 1.0]),
        longest=1,
        bounds=bounds,
        runs=99,
    )
    for cluster, (tracts, _, cases, expected, risk, ratio, _) in zip(scan.clusters, HALF, strict=False):
        assert (len(cluster.units), cluster.cases, cluster.days) == (tracts, cases, 1)
        assert round(cluster.expected, 2) == expected
        assert round(cluster.relative_risk, 2) == risk
        assert cluster.ratio == pytest.approx(ratio, abs=2e-6)
    scan = scan_recent(units.places, by_day, exposure=units.exposure, longest=1, bounds=bounds, runs=99)
    first = scan.clusters[0]
    people = units.exposure[first.units].sum() / units.exposure.sum()
    assert first.expected == pytest.approx(552 * people / 2)


@pytest.mark.parametrize(("cases", "ratio"), [(10, 14.060436), (2, 0.386720)])
def test_satscan_on_a_cylinder_of_the_poisson_model(cases: int, ratio: float) -> None:
    """Log likelihood ratios of so many of 1,175 cases where one is expected: as in SaTScan's own test of its
    discrete Poisson model (github.com/scanstatistics/satscan, brain cancer in New Mexico).
    """
    people = np.array([1.0, 59.0, 57.5])
    # one case is expected in the first place in the last of ten days
    by_day = np.zeros((3, 10), dtype=np.int64)
    by_day[0, -1] = cases
    by_day[1, :-1], by_day[2, :-1] = 65, 60
    by_day[1, 0] += 1175 - by_day.sum()
    places = np.array([[0.0, 0.0], [5_000.0, 0.0], [0.0, 9_000.0]])
    scan = scan_recent(places, by_day, exposure=people, longest=1, bounds=Bounds(least_cases=1), runs=19)
    first = scan.clusters[0]
    assert (first.cases, by_day.sum()) == (cases, 1175)
    assert first.expected == pytest.approx(1.0)
    assert first.ratio == pytest.approx(ratio, rel=1e-5)


@pytest.mark.parametrize("number", [0, 1])
def test_another_program_on_the_poisson_scan_of_the_last_days(number: int) -> None:
    """R's scanstatistics (Allévius 2018), a program of its own: the same cylinders, cases, expectations,
    risks and ratios, of a rise and of chance alone, where days were looked at for longer and for shorter; and
    by 9,999 runs of its own the same p, within four standard errors of both.
    """
    told = json.loads(SCANSTATISTICS.read_text())[number]
    runs = 1999
    scan = scan_recent(
        np.array(told["places"], dtype=np.float64),
        np.array(told["counts"]),
        exposure=np.array(told["people"], dtype=np.float64),
        day_weights=np.array(told["weights"], dtype=np.float64),
        longest=told["longest"],
        bounds=Bounds(most_share=0.5, least_cases=1),
        runs=runs,
        seed=1,
    )
    assert len(scan.clusters) >= len(told["clusters"]) == 4
    for ours, theirs in zip(scan.clusters, told["clusters"], strict=False):
        assert set(ours.units.tolist()) == set(theirs["places"])  # the same circle may have two middles
        assert (ours.days, ours.cases) == (theirs["days"], theirs["cases"])
        assert ours.expected == pytest.approx(theirs["expected"], rel=1e-9)
        assert ours.ratio == pytest.approx(theirs["ratio"], rel=1e-9)
        assert ours.relative_risk == pytest.approx(theirs["relative_risk"], rel=1e-9)
        p = theirs["p"]
        apart = 4 * math.sqrt(p * (1 - p) * (1 / runs + 1 / told["runs"])) + 1 / runs
        assert ours.p == pytest.approx(p, abs=apart)
    assert [cluster.p <= 0.05 for cluster in scan.clusters[:2]] == [True, False]


# --- what chance alone gives ---


@pytest.mark.long
@pytest.mark.parametrize(
    "experiment",
    [
        *(chance.circles_at_places, chance.few_circles_at_places),
        *(chance.circles_by_number_at_places, chance.few_circles_by_number_at_places),
        *(chance.days_alike_at_places, chance.days_dealt_again_at_places),
        *chance.WORKERS,
    ],
)
def test_places_raise_no_more_false_alarms(experiment: Callable[[int], int]) -> None:
    """Of maps of nothing but chance at most 5 % have a cluster."""
    maps = 1000
    assert experiment(maps) <= 0.05 * maps + 3.3 * math.sqrt(maps * 0.05 * 0.95)


@pytest.mark.long
@pytest.mark.parametrize("experiment", [chance.circles, chance.days_dealt_again, chance.days_alike])
def test_false_alarms(experiment: Callable[[int], int]) -> None:
    """Of maps of nothing but chance 5 % have a cluster."""
    maps = 1000
    alarms = experiment(maps)
    assert abs(alarms - 0.05 * maps) <= 3.3 * math.sqrt(maps * 0.05 * 0.95), alarms
