"""Hot spots, neighbours and smoothed rates: esda's statistics, honest p-values, plain answers."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scipy.stats import hypergeom

from layers.statistics import neighbours as near
from layers.statistics.errors import MissingExtra
from layers.statistics.hot_spots import LEAST_UNITS, hot_spots
from layers.statistics.permutation import ENOUGH, LEAST_DRAWS, permutation_p
from layers.statistics.rates import smoothed_rates
from layers.statistics.units import Units
from tests.benchmarks import chance
from tests.benchmarks.chance import lattice

COLUMNS, ROWS = (axis.ravel() for axis in np.meshgrid(np.arange(12), np.arange(10)))
QUEEN = near.touching_cells(COLUMNS, ROWS)
PLACES = lattice(12, 10)
HEAP = np.hypot(COLUMNS - 3, ROWS - 4) <= 2


def pairs(found: near.Neighbours) -> set[tuple[int, int]]:
    return {
        (i, int(j)) for i in range(len(found)) for j in found.indices[found.starts[i] : found.starts[i + 1]]
    }


# --- neighbours ---


def test_cells_touch_as_their_squares_do() -> None:
    squares = gpd.GeoSeries(shapely.box(COLUMNS, ROWS, COLUMNS + 1, ROWS + 1))
    for rook in (True, False):
        lattice_pairs = pairs(near.touching_cells(COLUMNS, ROWS, rook=rook))
        assert lattice_pairs == pairs(near.touching(squares, rook=rook))
    assert set(QUEEN.counts) == {3, 5, 8}
    with pytest.raises(ValueError, match="same square"):
        near.touching_cells(np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64))


def test_areas_apart_are_islands() -> None:
    apart = gpd.GeoSeries(shapely.box(np.arange(4) * 3.0, 0, np.arange(4) * 3.0 + [3, 3, 2, 1], 1))
    assert pairs(near.touching(apart)) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert list(near.touching(apart).counts) == [1, 2, 1, 0]
    assert not len(near.touching(apart[:1]).indices)


def test_bands_and_the_nearest() -> None:
    places = np.array([[0.0, 0], [10, 0], [10, 0], [40, 0], [400, 0]])
    assert pairs(near.within(places, 30)) == {
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 2),
        (2, 0),
        (2, 1),
        *((1, 3), (2, 3)),
        *((3, 1), (3, 2)),
    }
    assert list(near.within(places, 30).counts) == [2, 3, 3, 2, 0]
    assert pairs(near.nearest(places[[0, 1, 3, 4]], 1)) == {(0, 1), (1, 0), (2, 1), (3, 2)}
    # two at one place are each other's nearest
    assert {(1, 2), (2, 1)} <= pairs(near.nearest(places, 1))
    with pytest.raises(ValueError, match="more places"):
        near.nearest(places, 5)
    with pytest.raises(ValueError, match="positive"):
        near.within(places, 0)


def test_taking_units_keeps_who_is_whose_neighbour() -> None:
    order = np.random.default_rng(1).permutation(120)[:70]
    taken = QUEEN.take(order)
    assert {(int(order[i]), int(order[j])) for i, j in pairs(taken)} == {
        (i, j) for i, j in pairs(QUEEN) if i in order and j in order
    }


# --- permutation ---


def test_p_values_are_those_of_all_permutations() -> None:
    """Counts of 0 and 1: the number of ones among k neighbours is hypergeometric."""
    rng = np.random.default_rng(3)
    values = (rng.random(120) < 0.3).astype(np.float64)
    p, draws = permutation_p(values, QUEEN, level=0.05, seed=1)
    ones = int(values.sum())
    assert draws.max() >= LEAST_DRAWS
    for unit in range(120):
        seen = values[QUEEN.indices[QUEEN.starts[unit] : QUEEN.starts[unit + 1]]].sum()
        law = hypergeom(119, ones - int(values[unit]), int(QUEEN.counts[unit]))
        exact = min(1.0, 2 * min(law.cdf(seen), law.sf(seen - 1)))
        assert p[unit] == pytest.approx(exact, abs=5 * math.sqrt(2 * exact / LEAST_DRAWS) * 1.5 + 0.004)


def test_the_own_value_takes_part_in_gi() -> None:
    """Gi* is of a unit and its neighbours: counts of 0 and 1 among k + 1 of all are hypergeometric."""
    rng = np.random.default_rng(3)
    values = (rng.random(120) < 0.3).astype(np.float64)
    p, _ = permutation_p(values, QUEEN, level=0.05, seed=1, own=True)
    for unit in range(120):
        seen = values[QUEEN.indices[QUEEN.starts[unit] : QUEEN.starts[unit + 1]]].sum() + values[unit]
        law = hypergeom(120, int(values.sum()), int(QUEEN.counts[unit]) + 1)
        exact = min(1.0, 2 * min(law.cdf(seen), law.sf(seen - 1)))
        assert p[unit] == pytest.approx(exact, abs=5 * math.sqrt(2 * exact / LEAST_DRAWS) * 1.5 + 0.004)


def test_the_ring_round_a_cell_of_nought_is_hot_too() -> None:
    counts = np.random.default_rng(0).poisson(3, 120)
    ring = (np.abs(COLUMNS - 5) <= 1) & (np.abs(ROWS - 5) <= 1)
    middle = (COLUMNS == 5) & (ROWS == 5)
    counts[ring] = 9
    counts[middle] = 0
    found = hot_spots(Units(PLACES, counts), QUEEN)
    hot = (found.units["kind"] == "hot").to_numpy()
    assert (hot & ring & ~middle).any()
    assert "may be low itself" in found.statement.caveat["en"]
    assert "自身也可能不高" in found.statement.caveat["zh"]


def test_one_unit_of_many_can_pass_the_control_of_false_discoveries() -> None:
    values = np.zeros(120)
    values[HEAP] = 50
    p, draws = permutation_p(values, QUEEN, level=0.05, seed=0)
    assert p.min() <= 0.05 / 120
    assert draws.max() == math.ceil(2 * 120 / 0.05)
    # what is not extreme is settled early
    assert np.median(draws) < 2000
    assert (p * (draws + 1) >= 2).all()
    settled = draws[(draws > LEAST_DRAWS) & (draws < draws.max())]
    assert len(settled)
    assert ENOUGH == 50


# --- hot spots ---


@pytest.mark.parametrize("method", ["gi", "moran"])
def test_a_heap_is_hot(method: str) -> None:
    counts = np.random.default_rng(4).poisson(np.where(HEAP, 12, 3))
    found = hot_spots(Units(PLACES, counts), QUEEN, method=method)  # type: ignore[arg-type]
    table = found.units
    hot = table["kind"] == "hot"
    assert hot.sum() >= 5
    assert not (hot & (np.hypot(COLUMNS - 3, ROWS - 4) > 4)).any()
    assert (table.loc[hot, "q"] <= 0.05).all()
    assert (table["q"] >= table["p"]).all()
    assert (table.loc[hot, "score"] > 0).all()
    assert f"{hot.sum()}" in found.statement.verdict["en"]
    assert found.statement.answered
    assert f"{table['draws'].max():,} draws" in found.statement.method["en"]


def test_scores_are_esdas() -> None:
    from esda import G_Local, Moran_Local

    counts = np.random.default_rng(5).poisson(3, 120)
    units = Units(PLACES, counts)
    graph = QUEEN.graph()
    np.testing.assert_allclose(
        hot_spots(units, QUEEN).units["score"],
        G_Local(counts.astype(float), graph, transform="B", star=True, permutations=0).Zs,
    )
    np.testing.assert_allclose(
        hot_spots(units, QUEEN, method="moran").units["score"],
        Moran_Local(counts.astype(float), graph, permutations=0).Is,
    )


def test_a_high_one_among_low_ones_is_called_so() -> None:
    counts = np.where((COLUMNS < 6) & ((COLUMNS + ROWS) % 40 < 40), 20, 1)
    counts[62] = 0  # column 2, row 5: low among high
    counts[70] = 40  # column 10, row 5: high among low
    table = hot_spots(Units(PLACES, counts), QUEEN, method="moran").units
    assert table["kind"][62] == "low"
    assert table["kind"][70] == "high"
    assert {"hot", "cold"} <= set(table["kind"])


def test_rates_take_the_denominator_into_account() -> None:
    """Four times the cases where four times the people live are no hot spot."""
    rng = np.random.default_rng(6)
    people = np.where(HEAP, 400.0, 100.0)
    counts = rng.poisson(people * 0.05)
    assert (hot_spots(Units(PLACES, counts), QUEEN).units["kind"] == "hot").sum() >= 5
    rates = hot_spots(Units(PLACES, counts, people), QUEEN)
    assert (rates.units["kind"] == "none").all()
    assert "None of 120 units shows more than chance" in rates.statement.verdict["en"]
    assert "rates" in rates.statement.method["en"]


def test_standardised_rates_are_assuncaos() -> None:
    from esda.smoothing import assuncao_rate

    rng = np.random.default_rng(8)
    people = rng.integers(20, 300, 120).astype(np.float64)
    counts = rng.poisson(people * rng.gamma(4, 0.05 / 4, 120))
    values = hot_spots(Units(PLACES, counts, people), QUEEN).units["value"]
    np.testing.assert_allclose(values, assuncao_rate(counts, people))
    # more even than chance: esda would divide by next to nothing
    even = hot_spots(Units(PLACES, np.round(people * 0.05).astype(np.int64), people), QUEEN)
    assert even.units["value"].abs().max() < 1
    assert (even.units["kind"] == "none").all()


def test_few_units_are_refused_plainly() -> None:
    cells = near.touching_cells(COLUMNS[:29], ROWS[:29])
    found = hot_spots(Units(PLACES[:29], np.arange(29)), cells)
    assert LEAST_UNITS == 30
    assert not found.statement.answered
    assert (found.units["kind"] == "none").all()
    assert found.units["p"].isna().all()
    assert "only 29 units, fewer than 30" in found.statement.verdict["en"]
    assert "只有 29 个单元" in found.statement.verdict["zh"]
    assert hot_spots(
        Units(PLACES[:30], np.arange(30)), near.touching_cells(COLUMNS[:30], ROWS[:30])
    ).statement.answered
    # units without a denominator do not count
    people = np.ones(120)
    people[:91] = np.nan
    assert "only 29 units" in hot_spots(Units(PLACES, np.arange(120), people), QUEEN).statement.verdict["en"]


@pytest.mark.parametrize("exposure", [None, np.full(120, 7.0)])
def test_values_all_alike(exposure: np.ndarray[tuple[int], np.dtype[np.float64]] | None) -> None:
    for count in (0, 4):
        found = hot_spots(Units(PLACES, np.full(120, count), exposure), QUEEN)
        assert "All 120 units have the same value" in found.statement.verdict["en"]
        assert (found.units["kind"] == "none").all()


def test_islands_and_unknown_denominators_are_told_apart() -> None:
    columns, rows = np.append(COLUMNS, 99), np.append(ROWS, 99)
    people = np.full(121, 50.0)
    people[0] = np.nan
    found = hot_spots(
        Units(np.vstack([PLACES, [9900, 9900]]), np.arange(121) % 7, people),
        near.touching_cells(columns, rows),
    )
    assert found.units["kind"][120] == "alone"
    assert math.isnan(found.units["p"][120])
    assert found.units["kind"][0] == "unknown"
    notes = " ".join(note["en"] for note in found.statement.notes)
    assert "1 unit has no known households" in notes
    assert "1 unit has no neighbours" in notes


def test_without_any_neighbours_there_is_nothing_to_judge() -> None:
    found = hot_spots(Units(PLACES, np.arange(120)), near.within(PLACES, 10))
    assert not found.statement.answered
    assert set(found.units["kind"]) == {"alone"}
    assert "None of the 120 units has a neighbour" in found.statement.verdict["en"]


def test_what_cannot_be_asked() -> None:
    units = Units(PLACES, np.zeros(120, dtype=np.int64))
    with pytest.raises(ValueError, match="level"):
        hot_spots(units, QUEEN, level=0)
    with pytest.raises(ValueError, match="method"):
        hot_spots(units, QUEEN, method="getis")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="same length"):
        hot_spots(units, QUEEN.take(np.arange(5)))
    for counts, exposure in (([1.5], None), ([-1], None), ([1], [-2.0]), ([1], [np.inf]), ([1, 2], None)):
        with pytest.raises(ValueError, match="must"):
            Units(np.zeros((1, 2)), np.array(counts), None if exposure is None else np.array(exposure))
    with pytest.raises(ValueError, match="not a point"):
        Units(np.array([[np.nan, 0.0]]), np.array([1]))


def test_without_the_extra_one_plain_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "esda", None)
    with pytest.raises(MissingExtra, match=r"wangge\[statistics\]") as caught:
        hot_spots(Units(PLACES, np.arange(120)), QUEEN)
    assert "statistics" in caught.value.text["zh"]


# --- rates ---


def test_smoothed_rates_are_marshalls() -> None:
    """Global empirical Bayes by its formula; what is small is drawn in more."""
    rng = np.random.default_rng(7)
    people = rng.integers(20, 400, 50).astype(np.float64)
    counts = rng.poisson(people * rng.gamma(8, 0.05 / 8, 50))
    found = smoothed_rates(Units(lattice(10, 5), counts, people), per=100)
    m = counts.sum() / people.sum()
    s2 = (people * (counts / people - m) ** 2).sum() / people.sum() - m / people.mean()
    assert s2 > 0
    expected = m + s2 / (s2 + m / people) * (counts / people - m)
    np.testing.assert_allclose(found.units["smoothed"], expected * 100)
    assert found.overall == pytest.approx(m)
    drawn = (found.units["smoothed"] - 100 * m) / (found.units["rate"] - 100 * m)
    assert np.argsort(drawn[np.argsort(people)].to_numpy()).tolist() == list(range(50))


def test_few_cases_are_held_against_what_few_cases_do() -> None:
    """Three cases in one of two units alike: one time in four. Chi-square would say one in twelve."""
    found = smoothed_rates(Units(PLACES[:2], np.array([3, 0]), np.array([50.0, 50.0])), seed=4)
    assert found.p == pytest.approx(0.25, abs=0.04)
    again = smoothed_rates(Units(PLACES[:2], np.array([3, 0]), np.array([50.0, 50.0])), seed=4)
    assert again.p == found.p
    unequal = smoothed_rates(Units(PLACES[:2], np.array([90, 10]), np.array([50.0, 50.0])))
    assert unequal.p == 1 / 2000


def test_rates_that_do_not_match_are_not_judged() -> None:
    units = Units(PLACES[:2], np.array([90, 10]), np.array([50.0, 50.0]))
    found = smoothed_rates(units, judged=False, whom="households")
    assert math.isnan(found.p)
    assert found.statement.answered
    assert "is not judged" in found.statement.verdict["en"]
    assert "不判断" in found.statement.verdict["zh"]


def test_noise_is_not_turned_upside_down() -> None:
    """Counts more even than chance: esda's weight would be negative; every rate is then the mean."""
    people = np.full(40, 100.0)
    counts = np.array([5, 6] * 20)
    found = smoothed_rates(Units(lattice(8, 5), counts, people))
    np.testing.assert_allclose(found.units["smoothed"], 55.0)
    assert found.spread == 0
    assert "no more than chance" in found.statement.verdict["en"]
    assert "没有超出偶然" in found.statement.verdict["zh"]


def test_local_rates_follow_their_surroundings() -> None:
    people = np.full(120, 40.0)
    counts = np.where(COLUMNS < 6, 6, 1)
    counts[62] = 0
    local = smoothed_rates(Units(PLACES, counts, people), QUEEN).units["smoothed"]
    overall = smoothed_rates(Units(PLACES, counts, people)).units["smoothed"]
    assert local[62] > overall[62]
    assert local[119] == pytest.approx(25.0)
    assert local[0] == pytest.approx(150.0)
    few = smoothed_rates(Units(PLACES[:20], counts[:20], people[:20]), QUEEN.take(np.arange(20)))
    assert "fewer than 30" in few.statement.notes[0]["en"]
    assert "mean of all units" in few.statement.method["en"]


def test_local_rates_without_cases_nearby_are_nought() -> None:
    counts = np.where(COLUMNS > 9, 3, 0)
    local = smoothed_rates(Units(PLACES, counts, np.full(120, 40.0)), QUEEN).units["smoothed"]
    assert local[0] == 0
    assert np.isfinite(local).all()
    columns, rows = np.append(COLUMNS, 99), np.append(ROWS, 99)
    island = Units(np.vstack([PLACES, [9900, 9900]]), np.append(counts, 9), np.full(121, 40.0))
    alone = smoothed_rates(island, near.touching_cells(columns, rows))
    assert alone.units["smoothed"][120] == pytest.approx(1000 * alone.overall)


def test_denominators_that_are_nought_or_unknown_are_named() -> None:
    people = np.full(120, 40.0)
    people[:3] = np.nan, 0.0, np.nan
    found = smoothed_rates(Units(PLACES, np.full(120, 2) + (COLUMNS > 8) * 5, people))
    assert list(found.units["kind"][:4]) == ["unknown"] * 3 + ["known"]
    assert found.units["rate"][:3].isna().all()
    assert "3 units" in found.statement.notes[0]["en"]
    assert "6 cases" in found.statement.notes[0]["en"]
    assert not smoothed_rates(Units(PLACES, np.ones(120, dtype=np.int64), np.zeros(120))).statement.answered
    none = smoothed_rates(Units(PLACES, np.zeros(120, dtype=np.int64), np.ones(120)))
    assert "every rate is 0" in none.statement.verdict["en"]
    with pytest.raises(ValueError, match="exposure"):
        smoothed_rates(Units(PLACES, np.zeros(120, dtype=np.int64)))


# --- chance alone ---


@pytest.mark.long
@pytest.mark.parametrize(
    "experiment",
    [
        *(chance.gi, chance.gi_sparse, chance.gi_rates, chance.moran, chance.moran_rates),
        *(chance.rates, chance.few_rates, chance.rates_at_places),
        *(chance.gi_at_places, chance.gi_rates_at_places),
        *(chance.moran_at_places, chance.moran_rates_at_places),
    ],
)
def test_false_discoveries(experiment: Callable[[int], int]) -> None:
    """Of maps of nothing but chance at most 5 % show a hot spot or a difference."""
    maps = 1000
    found = experiment(maps)
    assert found <= 0.05 * maps + 3.3 * math.sqrt(maps * 0.05 * 0.95), found
