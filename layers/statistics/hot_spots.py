"""Hot and cold spots: Getis-Ord Gi* and local Moran (esda), with false discoveries controlled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from layers.statistics.errors import need_extra
from layers.statistics.neighbours import Floats, Neighbours
from layers.statistics.permutation import permutation_p
from layers.statistics.statement import Both, Statement, both
from layers.statistics.units import Units

Method = Literal["gi", "moran"]
LEAST_UNITS = 30


@dataclass(frozen=True)
class HotSpots:
    """units: one row a unit, in the order of the input: value, score, p, q, draws, kind.

    value: what was tested (the count, or the standardised rate). score: the z-value of Gi*, or Moran's Ii.
    q: p after the control of false discoveries (Benjamini and Hochberg 1995). kind: `hot`, `cold`, `none`;
    with local Moran `hot` (high among high), `cold` (low among low), `high` (a high among low), `low` (a
    low among high), `none`; `alone` is a unit without neighbours, `unknown` one without a denominator.
    alike: all values equal.
    """

    units: pd.DataFrame
    statement: Statement
    method: Method
    level: float


def hot_spots(
    units: Units,
    neighbours: Neighbours,
    *,
    method: Method = "gi",
    level: float = 0.05,
    seed: int = 0,
    threads: int | None = None,
) -> HotSpots:
    """Units whose surroundings hold more or fewer cases than chance deals out, at false-discovery rate
    `level`.

    With an exposure the value is the rate, standardised by what its denominator lets vary (Assunção and
    Reis 1999), so that a unit of three households does not stand out by a single case. Gi* takes a unit
    together with its neighbours (binary weights, Ord and Getis 1995), in its p too; local Moran a unit
    against the mean of its neighbours (Anselin 1995). Fewer than 30 units, or values that are all alike,
    are answered by a sentence alone. Raises ValueError for a level outside (0, 0.5] or an unknown method,
    MissingExtra without esda.
    """
    if not 0 < level <= 0.5 or method not in get_args(Method):
        raise ValueError("the level must lie between 0 and 0.5, the method be gi or moran")
    if len(neighbours) != len(units):
        raise ValueError("neighbours and units must be of the same length")
    order = units.order()
    near = neighbours.take(order)
    table = _empty(len(units))
    table.loc[~units.known(), "kind"] = "unknown"
    few = len(order) < LEAST_UNITS
    values = np.zeros(0) if few else _values(units, order)
    alike = not few and float(np.ptp(values)) <= 1e-9 * max(1.0, float(np.abs(values).max()))
    if few or alike:
        verdict = (
            both("statistics.too_few_units", units=len(order), least=LEAST_UNITS)
            if few
            else both("statistics.all_alike", units=len(order))
        )
        statement = Statement(
            _method(method, neighbours, units, level, 0),
            both(f"statistics.{method}_caveat"),
            verdict,
            answered=alike,
            notes=units.left_out(),
        )
        return HotSpots(table, statement, method, level)

    score, high = _scores(values, near, method)
    p, draws = permutation_p(values, near, level=level, seed=seed, own=method == "gi", threads=threads)
    tested = near.counts > 0
    q = np.full(len(values), np.nan)
    if tested.any():
        q[tested] = false_discovery_control(p[tested], method="bh")
    kind = np.where(tested, "none", "alone").astype(object)
    answered = bool(tested.any())
    found = tested & (np.nan_to_num(q, nan=1.0) <= level)
    kind[found] = _kinds(values, near, method, high)[found]
    for name, column in {
        "value": values,
        "score": score,
        "p": p,
        "q": q,
        "draws": draws,
        "kind": kind,
    }.items():
        table.loc[order, name] = column
    notes = list(units.left_out())
    if (alone := int((~tested).sum())) > 0:
        notes.append(both("statistics.islands", units=alone))
    statement = Statement(
        _method(method, neighbours, units, level, int(draws.max(initial=0))),
        both(f"statistics.{method}_caveat"),
        _verdict(method, kind[tested], level) if answered else both("statistics.all_alone", units=len(order)),
        answered=answered,
        notes=tuple(notes),
    )
    return HotSpots(table, statement, method, level)


def _empty(n: int) -> pd.DataFrame:
    empty = np.full(n, np.nan)
    return pd.DataFrame(
        {
            "value": empty,
            "score": empty.copy(),
            "p": empty.copy(),
            "q": empty.copy(),
            "draws": np.zeros(n, dtype=np.int64),
            "kind": np.full(n, "none", dtype=object),
        }
    )


def _values(units: Units, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
    """Counts, or rates in units of what their denominators let vary.

    As esda's `assuncao_rate`, but for the variance between the true rates, which is not let below 0: near
    there esda divides by almost nothing.
    """
    counts = units.counts[order].astype(np.float64)
    if units.exposure is None or not counts.sum():
        return counts
    at_risk = units.exposure[order].astype(np.float64)
    rates, mean = counts / at_risk, counts.sum() / at_risk.sum()
    spread = (at_risk * (rates - mean) ** 2).sum() / at_risk.sum() - mean / at_risk.mean()
    standardised: Floats = (rates - mean) / np.sqrt(max(0.0, spread) + mean / at_risk)
    return standardised


def _scores(
    values: Floats, near: Neighbours, method: Method
) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """The statistic of each unit, NaN for islands, and whether the unit's own value is above the mean."""
    with need_extra():
        from esda import G_Local, Moran_Local
    graph = near.graph()
    above = values > values.mean()
    if method == "moran":
        score = np.asarray(Moran_Local(values, graph, transformation="r", permutations=0).Is)
    else:
        # Gi* does not change with a shift, but esda divides by the sum, which standardised rates have about 0
        score = np.asarray(
            G_Local(values - values.min() + 1.0, graph, transform="B", permutations=0, star=True).Zs
        )
    return np.where(near.counts > 0, score, np.nan), above


def _kinds(
    values: Floats, near: Neighbours, method: Method, above: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """What a unit is if it is anything: by what its p is of, and for Moran by its own value besides."""
    total = values.sum()
    around = np.array(
        [values[near.indices[near.starts[k] : near.starts[k + 1]]].sum() for k in range(len(values))]
    )
    if method == "gi":
        return np.where(around + values > (near.counts + 1) * values.mean(), "hot", "cold").astype(object)
    surrounded = around > near.counts * (total - values) / max(1, len(values) - 1)
    own = np.where(above, "high", "low")
    return np.where(surrounded & above, "hot", np.where(~surrounded & ~above, "cold", own)).astype(object)


def _method(method: Method, neighbours: Neighbours, units: Units, level: float, draws: int) -> Both:
    tested = both(f"statistics.of_{units.tested}")
    return both(
        f"statistics.{method}_method",
        neighbours=neighbours.words,
        tested=tested,
        level=f"{level:.0%}",
        draws=f"{draws:,}",
    )


def _verdict(method: Method, kind: np.ndarray[tuple[int], np.dtype[np.object_]], level: float) -> Both:
    counts = {name: int((kind == name).sum()) for name in ("hot", "cold", "high", "low")}
    if not sum(counts.values()):
        return both("statistics.chance_units", units=len(kind))
    return both(f"statistics.{method}_found", units=len(kind), level=f"{level:.0%}", **counts)
