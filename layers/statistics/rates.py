"""Rates with the noise of small numbers taken out: empirical Bayes smoothing (esda)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from layers.statistics.errors import need_extra
from layers.statistics.neighbours import Floats, Neighbours
from layers.statistics.statement import Statement, both, odds
from layers.statistics.units import Units

LEAST_LOCAL = 30
Whom = Literal["", "households", "residents"]
LEAST_UNITS = 2
_SETS = 250  # sets of counts in one pass, so that memory stays flat


@dataclass(frozen=True)
class Rates:
    """units: one row a unit, in the order of the input: count, exposure, rate, smoothed (cases per `per`),
    kind.

    kind: `known`, or `unknown` for a unit without a denominator, whose rates are NaN. overall: the rate of
    all units together. spread: the variance between the true rates (per one, not per `per`); 0 where chance
    explains all differences. p: of the test that all units have the same rate; NaN where it was not made.
    """

    units: pd.DataFrame
    statement: Statement
    per: float
    overall: float
    spread: float
    p: float


def smoothed_rates(
    units: Units,
    neighbours: Neighbours | None = None,
    *,
    per: float = 1000.0,
    whom: Whom = "",
    least_cases: int = 0,
    judged: bool = True,
    runs: int = 1999,
    seed: int = 0,
) -> Rates:
    """Each unit's rate, drawn towards the mean the more the smaller its denominator is (Marshall 1991).

    The mean is that of all units, or with `neighbours` that of the unit and its neighbours (from 30 units
    on; below that the statement says that all units were used). Where the differences are no larger than
    counts of that size must show, every smoothed rate is the mean; esda alone would then turn high rates
    into low ones. Units without a denominator are named and left out. Whether units differ at all is told by
    Pearson's statistic, held against that of `runs` sets of as many cases dealt out by denominator alone
    (few cases do not follow its limit, chi-square); not `judged` where counts do not lie in the units that
    their denominators are of. The verdict speaks of `whom`, and names no rate on fewer than `least_cases`
    cases. Raises ValueError without `exposure`, MissingExtra without esda.
    """
    if units.exposure is None:
        raise ValueError("rates need an exposure")
    if neighbours is not None and len(neighbours) != len(units):
        raise ValueError("neighbours and units must be of the same length")
    order = units.order()
    exposure = units.exposure.astype(np.float64)
    table = pd.DataFrame(
        {
            "count": units.counts,
            "exposure": exposure,
            "rate": np.nan,
            "smoothed": np.nan,
            "kind": np.where(units.known(), "known", "unknown").astype(object),
        }
    )
    local = neighbours is not None and len(order) >= LEAST_LOCAL
    where = both("statistics.rates_local" if local else "statistics.rates_global")
    of = both(f"statistics.per_{whom or 'one'}", per=f"{per:,.0f}")
    method = both("statistics.rates_method", per=of, where=where)
    caveat = both("statistics.rates_caveat")
    notes = list(units.left_out())
    if neighbours is not None and not local:
        notes.append(both("statistics.rates_not_local", units=len(order), least=LEAST_LOCAL))
    counts, at_risk = units.counts[order].astype(np.float64), exposure[order]
    if len(order) < LEAST_UNITS or not counts.sum():
        key = "statistics.rates_none" if len(order) >= LEAST_UNITS else "statistics.rates_few"
        statement = Statement(method, caveat, both(key, units=len(order)), answered=False, notes=tuple(notes))
        return Rates(table, statement, per, 0.0 if len(order) >= LEAST_UNITS else np.nan, 0.0, np.nan)

    overall = float(counts.sum() / at_risk.sum())
    raw = counts / at_risk
    spread = max(
        0.0, float((at_risk * (raw - overall) ** 2).sum() / at_risk.sum() - overall / at_risk.mean())
    )
    if local and neighbours is not None:
        smoothed = _local(counts, at_risk, neighbours.take(order))
    elif spread > 0:
        with need_extra():
            from esda.smoothing import Empirical_Bayes
        smoothed = np.asarray(Empirical_Bayes(counts, at_risk).r).ravel()
    else:
        smoothed = np.full(len(order), overall)
    table.loc[order, "rate"] = raw * per
    table.loc[order, "smoothed"] = smoothed * per
    expected = overall * at_risk
    p = _differ(counts, expected, runs, seed) if judged else np.nan
    values = {"overall": f"{overall * per:.1f}", "per": of, "units": len(order), "p": odds(p)}
    if not judged:
        verdict = both("statistics.rates_not_judged", **values)
    elif p > 0.05:
        verdict = both("statistics.rates_chance", **values)
    else:
        told = smoothed[counts >= least_cases] * per
        ends = (
            both("statistics.rates_ends", low=f"{told.min():.1f}", high=f"{told.max():.1f}")
            if len(told) > 1
            else ""
        )
        verdict = both("statistics.rates_differ", **values, ends=ends)
    return Rates(table, Statement(method, caveat, verdict, notes=tuple(notes)), per, overall, spread, p)


def _differ(counts: Floats, expected: Floats, runs: int, seed: int) -> float:
    """How often cases dealt out by what is expected differ from it as much; both sum to the same."""
    observed = float(((counts - expected) ** 2 / expected).sum())
    rng, total, extreme = np.random.default_rng(seed), int(counts.sum()), 0
    for first in range(0, runs, _SETS):
        dealt = rng.multinomial(total, expected / expected.sum(), size=min(_SETS, runs - first))
        squares = ((dealt - expected) ** 2 / expected).sum(axis=1)
        extreme += int((squares >= observed * (1 - 1e-9)).sum())
    return (extreme + 1) / (runs + 1)


def _local(counts: Floats, at_risk: Floats, near: Neighbours) -> Floats:
    """esda's spatial empirical Bayes; an island has only itself and keeps the mean of all."""
    with need_extra():
        from esda.smoothing import Spatial_Empirical_Bayes
    # where nobody nearby has a case, mean and variance are both 0 and esda's weight is 0 / 0
    with np.errstate(invalid="ignore"):
        smoothed = np.asarray(Spatial_Empirical_Bayes(counts, at_risk, near.graph().to_W()).r).ravel()
    around = counts + np.array(
        [counts[near.indices[near.starts[k] : near.starts[k + 1]]].sum() for k in range(len(counts))]
    )
    smoothed = np.where(around > 0, smoothed, 0.0)
    return np.where(near.counts > 0, smoothed, counts.sum() / at_risk.sum())
