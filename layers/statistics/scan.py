"""Kulldorff's scan statistic: where, of all circles, cases are too many or too few for chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from layers.statistics.permutation import run_in_parts
from layers.statistics.scan_kernel import SAME, best_windows, highest_ratios
from layers.statistics.statement import Both, Statement, amount, both, odds
from layers.statistics.units import Floats, Units, Whole
from partition.texts import LANGUAGES

Side = Literal["high", "low", "both"]
MOST_CLUSTERS = 10
_SETS = 250  # sets of counts in one pass, so that memory stays flat


@dataclass(frozen=True)
class Cluster:
    """A circle (or, with `days`, a cylinder) that stands out.

    units: rows of the input in it, by distance from the middle. centre: x, y in metres. radius_m: to the
    middle of the farthest unit; 0 for one unit. relative_risk: rate within over rate without, infinite
    where no case lies outside. ratio: log likelihood ratio. p: (runs at least as extreme + 1) / (runs + 1).
    days: length of the span that ends with the last day, or None. high: more cases than expected.
    """

    units: npt.NDArray[np.intp]
    centre: tuple[float, float]
    radius_m: float
    cases: int
    expected: float
    relative_risk: float
    ratio: float
    p: float
    high: bool
    days: int | None = None


@dataclass(frozen=True)
class Scan:
    """clusters: the most likely one first, none sharing a unit with one before it; each with its p.

    found: those with p at most `level`; only they are more than chance. cluster_of: by row of the input,
    which of `clusters` holds it, −1 for none. critical: the log likelihood ratio that a cluster must exceed
    at `level`.
    """

    clusters: tuple[Cluster, ...]
    cluster_of: Whole
    critical: float
    runs: int
    level: float
    statement: Statement

    @property
    def found(self) -> tuple[Cluster, ...]:
        return tuple(cluster for cluster in self.clusters if cluster.p <= self.level)


@dataclass(frozen=True)
class Windows:
    """What is scanned. places, weights (expected up to a factor): units in canonical order, their rows in
    `order`.

    scales: by span, weight × scale is expected in it. counts: spans × n. days: length of each span, or None.
    """

    order: npt.NDArray[np.intp]
    places: Floats
    weights: Floats
    scales: Floats
    counts: Whole
    total: int
    days: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Bounds:
    """Circles to be scanned.

    most_share: of all that is expected, within one circle. most_radius_m: its radius, None for any.
    least_cases: of a high cluster. Raises ValueError for bounds out of range.
    """

    most_share: float = 0.5
    most_radius_m: float | None = None
    least_cases: int = 2
    side: Side = "high"

    def __post_init__(self) -> None:
        if not 0 < self.most_share <= 0.5:
            raise ValueError("most_share must lie above 0 and be at most 0.5")
        if self.most_radius_m is not None and not 0 <= self.most_radius_m < math.inf:
            raise ValueError("most_radius_m must be 0 or more")
        if self.side not in get_args(Side) or self.least_cases < 1:
            raise ValueError("side must be high, low or both, least_cases at least 1")


def scan_circles(
    units: Units,
    *,
    bounds: Bounds | None = None,
    runs: int = 999,
    level: float = 0.05,
    seed: int = 0,
    threads: int | None = None,
) -> Scan:
    """The Poisson scan over circles round each unit (Kulldorff 1997), with secondary clusters that do not
    overlap.

    Cases are expected in proportion to the exposure (alike without one). A run deals all cases out again by
    these shares; each run has a stream of its own, seeded by `seed` and its number. Units without a
    denominator are left out. Raises ValueError for bounds, `runs` or `level` out of range.
    """
    bounds = bounds or Bounds()
    check_runs(runs, level)
    order = units.order()
    counts = units.counts[order]
    exposure = np.ones(len(order)) if units.exposure is None else units.exposure[order].astype(np.float64)
    total = int(counts.sum())
    shares = exposure / exposure.sum() if len(order) else exposure
    windows = Windows(
        order, units.places[order].astype(np.float64), shares * total, np.ones(1), counts[None, :], total
    )

    def simulate(run: int) -> Whole:
        return np.random.default_rng([seed, run]).multinomial(total, shares)[None, :]

    clusters, critical = scan_windows(windows, simulate, bounds, runs=runs, level=level, threads=threads)
    tested = both(f"statistics.scan_by_{units.tested}")
    method = both("statistics.scan_method", tested=tested, **bounds_words(bounds, runs))
    verdict, answered = scan_verdict(clusters, len(order), total, level)
    statement = Statement(
        method, both("statistics.scan_caveat"), verdict, answered=answered, notes=units.left_out()
    )
    return Scan(tuple(clusters), clusters_by_row(clusters, len(units)), critical, runs, level, statement)


def check_runs(runs: int, level: float) -> None:
    """Raises ValueError where `runs` cannot give a p-value as low as `level`."""
    if not 0 < level <= 0.5 or (runs + 1) * level < 1:
        raise ValueError("the level must lie between 0 and 0.5, and runs + 1 be at least 1 / level")


def scan_windows(
    windows: Windows,
    simulate: Callable[[int], Whole],
    bounds: Bounds,
    *,
    runs: int,
    level: float,
    threads: int | None,
) -> tuple[list[Cluster], float]:
    """Clusters, the most likely first, and the critical ratio; the same for every model of chance.

    simulate(run): counts like `windows.counts` under chance. Every cluster, the secondary ones too, is held
    against the highest ratios of the runs.
    """
    if windows.total < 2 or len(windows.order) < 2:
        return [], math.nan
    counts_of = np.arange(windows.total + 1, dtype=np.float64)
    table = xlogy(counts_of, counts_of) + xlogy(windows.total - counts_of, windows.total - counts_of)
    weight = bounds.most_share * float(windows.weights.sum()) * (1 + SAME)
    radius = math.inf if bounds.most_radius_m is None else bounds.most_radius_m**2 * (1 + SAME)
    high, low = bounds.side != "low", bounds.side != "high"
    limits = (table, weight, radius, high, low, bounds.least_cases)
    ground = (windows.places, windows.weights, windows.scales)

    maxima = np.zeros(runs)
    for first in range(0, runs, _SETS):
        batch = np.stack([simulate(run) for run in range(first, min(runs, first + _SETS))], axis=2)
        batch = np.ascontiguousarray(batch, dtype=np.int32)
        parts = run_in_parts(
            partial(highest_ratios, *ground, batch, windows.total, *limits), len(windows.order), threads
        )
        maxima[first : first + batch.shape[2]] = np.maximum.reduce(parts)
    critical = float(np.sort(maxima)[runs - math.floor(level * (runs + 1) + SAME)])

    observed = np.ascontiguousarray(windows.counts[:, :, None], dtype=np.int32)
    clusters: list[Cluster] = []
    taken = np.zeros(len(windows.order), dtype=np.bool_)
    while len(clusters) < MOST_CLUSTERS:
        found = best_windows(*ground, observed, windows.total, *limits, taken)
        if found[:, 0].max() <= SAME:
            break
        cluster, members = _cluster(windows, found, maxima)
        clusters.append(cluster)
        taken[members] = True
    return clusters, critical


def _cluster(windows: Windows, found: Floats, maxima: Floats) -> tuple[Cluster, npt.NDArray[np.intp]]:
    """The best of the best windows round each unit; of equal ones the smallest, then the most western."""
    best = found[:, 0].max()
    equal = np.flatnonzero(found[:, 0] >= best - SAME * max(1.0, best))
    centre = equal[np.argmin(np.round(found[equal, 3], 6))]
    span, size = int(found[centre, 1]), int(found[centre, 2])
    squared = ((windows.places - windows.places[centre]) ** 2).sum(axis=1)
    members = np.argsort(squared, kind="stable")[:size]
    cases = int(windows.counts[span, members].sum())
    expected = float(windows.weights[members].sum() * windows.scales[span])
    outside = windows.total - cases
    within, without = cases / expected, outside / (windows.total - expected)
    extreme = int((maxima >= best - SAME * max(1.0, best)).sum())
    return (
        Cluster(
            units=windows.order[members],
            centre=(float(windows.places[centre, 0]), float(windows.places[centre, 1])),
            radius_m=math.sqrt(found[centre, 3]),
            cases=cases,
            expected=expected,
            relative_risk=within / without if outside else math.inf,
            ratio=float(best),
            p=(extreme + 1) / (len(maxima) + 1),
            high=cases > expected,
            days=None if windows.days is None else windows.days[span],
        ),
        members,
    )


def clusters_by_row(clusters: Sequence[Cluster], n: int) -> Whole:
    """By row of the input, which of `clusters` holds it; −1 for none."""
    held = np.full(n, -1, dtype=np.int64)
    for number, cluster in enumerate(clusters):
        held[cluster.units] = number
    return held


def bounds_words(bounds: Bounds, runs: int) -> dict[str, Both | str]:
    """The bounds as the sentence of the method says them."""
    radius = (
        both("statistics.any_radius")
        if bounds.most_radius_m is None
        else both("statistics.most_radius", metres=f"{bounds.most_radius_m:g}")
    )
    return {
        "share": f"{bounds.most_share:.0%}",
        "radius": radius,
        "side": both(f"statistics.side_{bounds.side}"),
        "runs": f"{runs:,}",
    }


def scan_verdict(clusters: Sequence[Cluster], units: int, total: int, level: float) -> tuple[Both, bool]:
    """The plain sentence, and whether there was anything to answer."""
    if total < 2 or units < 2:
        return both("statistics.scan_nothing", units=units, cases=total), False
    if not clusters or clusters[0].p > level:
        p = clusters[0].p if clusters else 1.0
        return both("statistics.scan_chance", cases=f"{total:,}", p=odds(p)), True
    first = clusters[0]
    found = sum(cluster.p <= level for cluster in clusters)
    sort = "high" if first.high else "low"
    key = "statistics.scan_span_one" if first.days == 1 else "statistics.scan_span"
    span = both(key, days=first.days) if first.days else dict.fromkeys(LANGUAGES, "")
    return both(
        f"statistics.scan_found_{sort}",
        found=found,
        cases=first.cases,
        expected=amount(first.expected),
        risk=both("statistics.risk", times=amount(first.relative_risk))
        if math.isfinite(first.relative_risk)
        else both("statistics.risk_all"),
        radius=both("statistics.scan_radius", metres=f"{first.radius_m:.0f}")
        if first.radius_m >= 0.5
        else both("statistics.scan_one_unit"),
        span=span,
        p=odds(first.p),
    ), True
