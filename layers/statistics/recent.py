"""Clusters of the last days: the prospective space-time scan, in cylinders that reach up to the last day."""

from __future__ import annotations

import numpy as np

from layers.statistics.scan import (
    Bounds,
    Scan,
    Windows,
    bounds_words,
    check_runs,
    clusters_by_row,
    scan_verdict,
    scan_windows,
)
from layers.statistics.statement import Statement, both
from layers.statistics.units import Floats, Units, Whole

LEAST_CASES = 5  # of a cluster of the last days; two cases that meet are no alarm


def scan_recent(
    places: Floats,
    by_day: Whole,
    *,
    exposure: Floats | None = None,
    day_weights: Floats | None = None,
    longest: int = 7,
    bounds: Bounds | None = None,
    runs: int = 999,
    level: float = 0.05,
    seed: int = 0,
    threads: int | None = None,
) -> Scan:
    """Circles in which cases rose in the last 1 … `longest` days.

    places: n × 2, metres. by_day: n × days, cases of each unit on each day, the last column the last day.
    day_weights: by day, its part of the time that was looked at (hours, of a filter by hours and weekdays);
    None: all days alike. The permutation needs none: it keeps how many cases each day has.
    Without `exposure` the days are dealt out again among the cases (space-time permutation, Kulldorff et
    al. 2005): what is always worse at a place, or on a day everywhere, is not a cluster. With `exposure`
    cases are expected in proportion to it and to the day's weight (prospective Poisson scan, Kulldorff
    2001). Without `bounds` a cluster has 5 cases or more: fewer are no alarm, however rare.
    Scanning afresh every day at `level` gives a false alarm in about 1 / `level` days even where nothing
    happens. Raises ValueError where `longest` is not between 1 and half of the days, where the weights are
    not one a day, 0 or more and not all 0, and as `scan_circles` does.
    """
    bounds = bounds or Bounds(least_cases=LEAST_CASES)
    check_runs(runs, level)
    if by_day.ndim != 2 or not 1 <= longest <= by_day.shape[1] // 2:
        raise ValueError("longest must lie between 1 and half of the days")
    days = by_day.shape[1]
    day_weights = np.ones(days) if day_weights is None else day_weights.astype(np.float64)
    if len(day_weights) != days or not (day_weights >= 0).all() or not 0 < day_weights.sum() < np.inf:
        raise ValueError("day_weights must be one a day, 0 or more, and not all 0")
    part = (day_weights / day_weights.sum())[::-1][:longest]  # the last day first
    units = Units(places, by_day.sum(axis=1), exposure)
    order = _order(units, by_day)
    counts = by_day[order]
    total = int(counts.sum())
    of_unit = counts.sum(axis=1)
    latest = counts[:, ::-1][:, :longest].T  # the last day first
    if exposure is None:
        weights = of_unit.astype(np.float64)
        scales = np.cumsum(latest.sum(axis=1)) / max(1, total)
    else:
        at_risk = exposure[order].astype(np.float64)
        weights = at_risk / at_risk.sum() * total if len(order) else at_risk
        scales = np.cumsum(part)
    windows = Windows(
        order,
        units.places[order].astype(np.float64),
        weights,
        scales.astype(np.float64),
        np.cumsum(latest, axis=0),
        total,
        days=tuple(range(1, longest + 1)),
    )
    of_day = latest.sum(axis=1)

    def permute(run: int) -> Whole:
        rng = np.random.default_rng([seed, run])
        left, dealt = of_unit.copy(), np.empty((longest, len(order)), dtype=np.int64)
        for day in range(longest):
            dealt[day] = rng.multivariate_hypergeometric(left, of_day[day], method="marginals")
            left -= dealt[day]
        return np.cumsum(dealt, axis=0)

    def deal(run: int) -> Whole:
        shares = np.append(np.outer(weights / total, part), 0.0)
        shares[-1] = max(0.0, 1.0 - shares[:-1].sum())
        dealt = np.random.default_rng([seed, run]).multinomial(total, shares)[:-1]
        return np.cumsum(dealt.reshape(len(order), longest).T, axis=0)

    clusters, critical = scan_windows(
        windows, permute if exposure is None else deal, bounds, runs=runs, level=level, threads=threads
    )
    kind = "permutation" if exposure is None else "poisson"
    method = both(f"statistics.recent_{kind}", longest=longest, days=days, **bounds_words(bounds, runs))
    verdict, answered = scan_verdict(clusters, len(order), total, level)
    statement = Statement(
        method,
        both(f"statistics.recent_{kind}_caveat", every=round(1 / level)),
        verdict,
        answered=answered,
        notes=units.left_out(),
    )
    return Scan(tuple(clusters), clusters_by_row(clusters, len(units)), critical, runs, level, statement)


def _order(units: Units, by_day: Whole) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """As `Units.order`, with units at one place told apart by their days."""
    exposure = np.zeros(len(units)) if units.exposure is None else np.nan_to_num(units.exposure)
    order = np.lexsort((*by_day.T, exposure, units.places[:, 1], units.places[:, 0]))
    return order[units.known()[order]]
