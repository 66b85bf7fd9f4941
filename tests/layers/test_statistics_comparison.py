"""Before and after: exact intervals, control areas, areas that a redraw leaves where they are; cells."""

from __future__ import annotations

import math
from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scipy.stats import binomtest, fisher_exact
from scipy.stats.contingency import odds_ratio

from layers.statistics.cells import area_of_points, count_points, square_cells
from layers.statistics.comparison import compare
from tests.benchmarks import chance

N = np.array


def test_a_ratio_has_the_exact_interval() -> None:
    """30 days with 20 cases, then 60 days with 20: half the rate, Clopper and Pearson's interval."""
    found = compare(N([20]), N([20]), days=(30, 60))
    exact = binomtest(20, 40, 2 / 3).proportion_ci(0.95, method="exact")
    row = found.areas.iloc[0]
    assert row["ratio"] == pytest.approx(0.5)
    assert row["low"] == pytest.approx(exact.low / (1 - exact.low) / 2)
    assert row["high"] == pytest.approx(exact.high / (1 - exact.high) / 2)
    assert row["p"] == pytest.approx(2 * binomtest(20, 40, 2 / 3, alternative="less").pvalue)
    assert row["kind"] == "fewer"
    assert "Cases fell to 0.50 times" in found.statement.verdict["en"]
    assert "减少到 0.50 倍" in found.statement.verdict["zh"]


def test_no_more_than_chance_is_said() -> None:
    found = compare(N([20, 30]), N([24, 27]), days=(30, 30))
    assert "no more than chance" in found.statement.verdict["en"]
    assert "没有超出偶然" in found.statement.verdict["zh"]
    assert list(found.areas["kind"]) == ["none", "none"]


def test_against_controls_it_is_fishers_test() -> None:
    before, after = N([40, 100, 60]), N([20, 110, 70])
    found = compare(before, after, days=(30, 45), controls=N([False, True, True]))
    table = [[20, 180], [40, 160]]
    exact = odds_ratio(N([[20, 40], [180, 160]]), kind="conditional").confidence_interval(0.95)
    row = found.areas.iloc[0]
    assert row["ratio"] == pytest.approx((20 / 40) / (180 / 160))
    assert row["low"] == pytest.approx(exact.low, rel=1e-4)
    assert row["high"] == pytest.approx(exact.high, rel=1e-4)
    assert row["p"] == pytest.approx(2 * fisher_exact(table, alternative="less").pvalue, rel=1e-6)
    assert list(found.areas["kind"]) == ["fewer", "control", "control"]
    assert found.overall.ratio == pytest.approx(row["ratio"])
    assert "control areas" in found.statement.verdict["en"]


def test_a_season_that_all_share_is_not_the_measure() -> None:
    before, after = np.full(20, 40), np.full(20, 20)
    flags = np.arange(20) >= 5
    assert (compare(before, after, days=(30, 30)).areas["kind"] == "fewer").all()
    against = compare(before, after, days=(30, 30), controls=flags)
    assert (against.areas["kind"][:5] == "none").all()
    assert against.overall.ratio == pytest.approx(1)


def test_restless_controls_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    level = np.full(21, 100)
    calm = compare(level, N([60, *[100] * 20]), days=(30, 30), controls=np.arange(21) > 0)
    ups = N([60, *(100 + rng.choice([-45, 45], 20))])
    restless = compare(level, ups, days=(30, 30), controls=np.arange(21) > 0)
    assert calm.dispersion == 1
    assert restless.dispersion > 5
    assert restless.areas["high"][0] > calm.areas["high"][0]
    assert restless.areas["kind"][0] == "none"
    assert calm.areas["kind"][0] == "fewer"
    assert "times as much as by chance" in restless.statement.notes[0]["en"]


def test_exposure_counts() -> None:
    """Twice the cases among twice the households are no change; an area without any is named."""
    people = (N([100.0, 100, 0, np.nan]), N([200.0, 100, 50, 10]))
    found = compare(N([50, 20, 9, 9]), N([100, 21, 9, 9]), days=(30, 30), exposure=people)
    assert found.areas["ratio"][0] == pytest.approx(1)
    assert list(found.areas["kind"]) == ["none", "none", "few", "few"]
    assert "2 areas" in found.statement.notes[0]["en"]
    assert found.overall.ratio == pytest.approx(1, abs=0.03)


def test_few_cases_are_not_judged() -> None:
    found = compare(N([3, 0]), N([4, 1]), days=(30, 30))
    assert list(found.areas["kind"]) == ["few", "few"]
    assert not found.statement.answered
    assert "no judgement" in found.statement.verdict["en"]
    nothing = compare(N([0, 0]), N([0, 0]), days=(30, 30))
    assert math.isnan(nothing.overall.ratio)
    without = compare(N([30, 0]), N([30, 0]), days=(30, 30), controls=N([False, True]))
    assert not without.statement.answered


def test_from_none_to_many() -> None:
    row = compare(N([0, 30]), N([20, 0]), days=(30, 30)).areas
    assert row["ratio"][0] == math.inf
    assert row["high"][0] == math.inf
    assert row["low"][0] > 3
    assert row["ratio"][1] == 0
    assert row["low"][1] == 0
    assert list(row["kind"]) == ["more", "fewer"]
    against = compare(N([0, 30, 50]), N([20, 0, 50]), days=(30, 30), controls=N([False, False, True])).areas
    assert list(against["kind"]) == ["more", "fewer", "control"]
    assert against["high"][0] == math.inf
    assert against["low"][1] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"after": N([1])},
        {"before": N([-1, 2])},
        {"days": (0, 30)},
        {"days": (30, math.inf)},
        {"controls": N([True, True])},
        {"controls": N([False, False])},
        {"controls": N([True])},
    ],
)
def test_what_cannot_be_compared(wrong: dict[str, object]) -> None:
    given: dict[str, object] = {"before": N([1, 2]), "after": N([1, 2]), "days": (30, 30)} | wrong
    with pytest.raises(ValueError, match="must"):
        compare(given.pop("before"), given.pop("after"), **given)  # type: ignore[arg-type]


# --- cells ---


def test_cells_cover_the_area_and_nothing_else() -> None:
    area = shapely.Polygon([(3, 5), (470, 40), (430, 390), (180, 260), (20, 420)])
    cells = square_cells(area, 100)
    assert shapely.union_all(cells.geometry).symmetric_difference(area).area < 1e-6
    assert cells.area.sum() == pytest.approx(area.area)
    whole = cells[cells.area > 9999.9]
    assert len(whole)
    for column, row, shape in zip(whole["column"], whole["row"], whole.geometry, strict=True):
        assert shape.equals(shapely.box(column * 100, row * 100, column * 100 + 100, row * 100 + 100))
    # the lattice is the same for what lies beside
    beside = square_cells(shapely.box(470, 0, 600, 100), 100)
    assert set(beside["column"]) == {4, 5}
    with pytest.raises(ValueError, match="positive"):
        square_cells(area, 0)


def test_every_point_is_counted_once() -> None:
    cells = square_cells(shapely.box(0, 0, 300, 200), 100).geometry
    points = gpd.GeoSeries(gpd.points_from_xy([50, 100, 100, 250, 999], [50, 50, 100, 150, 0]))
    assert count_points(cells, points).sum() == 4
    order = np.random.default_rng(2).permutation(len(cells))
    turned = area_of_points(cells.iloc[order].reset_index(drop=True), points)
    assert [order[k] if k >= 0 else -1 for k in turned] == list(area_of_points(cells, points))
    weights = N([1.0, 2, 3, 4, 5])
    assert count_points(cells, points, weights).sum() == 10


def test_a_redraw_moves_no_case() -> None:
    """The same cases, filed under old and new codes, in the same areas."""
    rng = np.random.default_rng(1)
    cells = square_cells(shapely.box(0, 0, 400, 400), 100).geometry
    points = gpd.GeoSeries(gpd.points_from_xy(*rng.uniform(0, 400, (2, 600))))
    half = count_points(cells, points[:300]).astype(np.int64)
    rest = count_points(cells, points[300:]).astype(np.int64)
    found = compare(half, rest, days=(30, 30))
    assert half.sum() == rest.sum() == 300
    assert (found.areas["kind"] == "none").all()


@pytest.mark.long
@pytest.mark.parametrize(
    "experiment", [chance.change, chance.change_against_controls, chance.change_of_restless_areas]
)
def test_false_discoveries(experiment: Callable[[int], int]) -> None:
    """Where nothing changed, at most 5 % of comparisons show an area that did."""
    maps = 1000
    found = experiment(maps)
    assert found <= 0.05 * maps + 3.3 * math.sqrt(maps * 0.05 * 0.95), found
