"""Before and after: what became of the cases in fixed areas when borders were redrawn or a measure was taken.

Cases of both times are counted in the same areas by where they happened
(`layers.statistics.cells.count_points`), never by the grid code they were filed under: a redraw then moves
no case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import gammaln
from scipy.stats import beta, binom, false_discovery_control
from scipy.stats import t as student

from layers.statistics.statement import Both, Statement, both, odds
from layers.statistics.units import Floats, Whole

LEAST_CASES = 10  # before and after together; an area with fewer is not judged
LEAST_CONTROLS = 5  # areas, to tell how much areas differ by themselves
COVER = 0.95
_WIDEST = 40.0  # ln of a ratio that no count can tell from infinity

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Change:
    """A ratio with its interval of 95 % and two-sided p; infinite or NaN where the counts do not tell."""

    ratio: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """areas: one row an area, in the order of the input: before, after, ratio, low, high, p, q, kind.

    ratio: after to before, each by its days (and exposure); with controls, that divided by the same of the
    controls. low, high: interval of 95 %. q: p after the control of false discoveries. kind: `more`,
    `fewer`, `none`, `few` (too few cases to judge), `control`. overall: the same of all areas under
    comparison together. dispersion: how much more than by chance areas without a measure differ, 1 where
    that is not known or not more.
    """

    areas: pd.DataFrame
    overall: Change
    dispersion: float
    statement: Statement
    level: float


def compare(
    before: Whole,
    after: Whole,
    *,
    days: tuple[float, float],
    exposure: tuple[Floats, Floats] | None = None,
    controls: Flags | None = None,
    level: float = 0.05,
) -> Comparison:
    """Cases of `days[0]` days before against those of `days[1]` days after, by area.

    Without `controls` each area is held against itself: given all its cases, those after are binomial
    (Przyborowski and Wilenski 1940; interval of Clopper and Pearson). With `controls` (n flags), each
    area's change is held against that of all control areas (difference in differences, as a ratio of
    ratios): given the margins the cases after are hypergeometric (Fisher; exact interval), and where
    control areas differ from each other by more than chance (5 or more of them, by Pearson's dispersion), p
    and interval are widened by as much (Student's t on the logarithm). Raises ValueError for lengths that
    differ, counts below 0, days that are not positive, or controls that are all or none of the areas.
    """
    n = len(before)
    exposure_before, exposure_after = (np.ones(n), np.ones(n)) if exposure is None else exposure
    if not len(after) == len(exposure_before) == len(exposure_after) == n:
        raise ValueError("before, after and exposure must be of the same areas")
    if n and min(before.min(), after.min()) < 0:
        raise ValueError("counts must be 0 or more")
    if min(days) <= 0 or not math.isfinite(sum(days)):
        raise ValueError("days must be positive")
    if controls is not None and (len(controls) != n or controls.all() or not controls.any()):
        raise ValueError("controls must be some of the areas, not all")
    with np.errstate(divide="ignore", invalid="ignore"):
        # how many cases after there are for one before, if nothing changed
        times = exposure_after * days[1] / (exposure_before * days[0])
    usable = np.isfinite(times) & (times > 0)
    treated = np.ones(n, dtype=np.bool_) if controls is None else ~controls
    total = before + after
    judged = treated & usable & (total >= LEAST_CASES)

    rest, dispersion = None, 1.0
    if controls is not None:
        chosen = controls & usable
        # controls stand for what would have come of their cases before
        rest = (int(before[chosen].sum()), int(after[chosen].sum()), _mean_times(before, times, chosen))
        dispersion = _dispersion(before[chosen], after[chosen], times[chosen])
    degrees = 0 if controls is None else max(1, int((controls & usable & (total > 0)).sum()) - 1)

    def change(b: int, a: int, by: float) -> Change:
        if rest is None:
            return _ratio(b, a, by)
        return _ratio_of_ratios(b, a, by, rest, dispersion, degrees)

    rows = [
        change(int(before[k]), int(after[k]), float(times[k])) if judged[k] else Change(*(math.nan,) * 4)
        for k in range(n)
    ]
    table = pd.DataFrame(
        {
            "before": before,
            "after": after,
            "ratio": [row.ratio for row in rows],
            "low": [row.low for row in rows],
            "high": [row.high for row in rows],
            "p": [row.p for row in rows],
        }
    )
    q = np.full(n, np.nan)
    if judged.any():
        q[judged] = false_discovery_control(table.loc[judged, "p"].to_numpy(dtype=np.float64), method="bh")
    kind = np.where(treated, "few", "control").astype(object)
    kind[judged] = "none"
    found = judged & (np.nan_to_num(q, nan=1.0) <= level)
    kind[found] = np.where(table.loc[found, "ratio"] > 1, "more", "fewer")
    table["q"], table["kind"] = q, kind

    group = treated & usable
    overall = (
        change(int(before[group].sum()), int(after[group].sum()), _mean_times(before, times, group))
        if total[group].sum()
        else Change(*(math.nan,) * 4)
    )
    enough = int(total[group].sum()) >= LEAST_CASES and (rest is None or min(rest[:2]) > 0)
    return Comparison(
        table,
        overall,
        dispersion,
        Statement(
            _method(days, controls, exposure is not None, level),
            both("statistics.compare_caveat" if controls is None else "statistics.compare_controls_caveat"),
            _verdict(overall, kind[judged], int(total[group].sum()), enough, controls is not None, level),
            answered=enough,
            notes=_notes(treated & ~usable, dispersion),
        ),
        level,
    )


def _mean_times(before: Whole, times: Floats, chosen: Flags) -> float:
    """`times` of several areas together, weighed by their cases before (alike where there are none)."""
    weights = before[chosen].astype(np.float64)
    if not weights.sum():
        weights = np.ones(int(chosen.sum()))
    return float((weights * times[chosen]).sum() / weights.sum()) if len(weights) else 1.0


def _ratio(b: int, a: int, times: float) -> Change:
    """Of two Poisson counts, by what the second would be if nothing had changed."""
    n, share = a + b, times / (1 + times)
    p = min(1.0, 2 * min(float(binom.cdf(a, n, share)), float(binom.sf(a - 1, n, share))))
    tail = (1 - COVER) / 2
    low = float(beta.ppf(tail, a, b + 1)) if a else 0.0
    high = float(beta.isf(tail, a + 1, b)) if b else 1.0

    def of(part: float) -> float:
        return part / (1 - part) / times if part < 1 else math.inf

    return Change(a / b / times if b else math.inf, of(low), of(high), p)


def _ratio_of_ratios(
    b: int, a: int, times: float, rest: tuple[int, int, float], dispersion: float, degrees: int
) -> Change:
    """Of an area's ratio to that of the controls."""
    control_b, control_a, control_times = rest
    if not control_a or not control_b:
        return Change(math.nan, 0.0, math.inf, 1.0)
    shift = times / control_times  # of the odds ratio if nothing had changed in either
    whole, after_all, size = a + b + control_a + control_b, a + control_a, a + b
    least, most = max(0, size + after_all - whole), min(size, after_all)
    law = np.arange(least, most + 1, dtype=np.float64)
    # Fisher's noncentral hypergeometric distribution, up to odds_ratio ** law and the sum of all
    weights = -(
        gammaln(law + 1)
        + gammaln(size - law + 1)
        + gammaln(after_all - law + 1)
        + gammaln(whole - size - after_all + law + 1)
    )

    def tails(log_odds: float) -> tuple[float, float]:
        logs = weights + law * log_odds
        chances = np.exp(logs - logs.max())
        whole_sum = float(chances.sum())
        return float(chances[: a - least + 1].sum()) / whole_sum, float(
            chances[a - least :].sum()
        ) / whole_sum

    p = min(1.0, 2 * min(tails(math.log(shift))))
    tail = (1 - COVER) / 2

    def bound(side: int) -> float:
        def beyond(log_odds: float) -> float:
            return tails(log_odds)[side] - tail

        return math.exp(float(brentq(beyond, -_WIDEST, _WIDEST, xtol=1e-6))) / shift

    low = bound(1) if a > least else 0.0
    high = bound(0) if a < most else math.inf
    ratio = (a / b) / (control_a / control_b) / shift if b else math.inf
    if dispersion > 1:
        middle = math.log((a + 0.5) / (b + 0.5) / ((control_a + 0.5) / (control_b + 0.5)) / shift)
        error = math.sqrt(
            dispersion * (1 / (a + 0.5) + 1 / (b + 0.5) + 1 / (control_a + 0.5) + 1 / (control_b + 0.5))
        )
        reach = float(student.isf(tail, degrees)) * error
        p = max(p, 2 * float(student.sf(abs(middle) / error, degrees)))
        low, high = min(low, math.exp(middle - reach)), max(high, math.exp(middle + reach))
    return Change(ratio, low, high, p)


def _dispersion(before: Whole, after: Whole, times: Floats) -> float:
    """Pearson's dispersion of the areas' changes round their common one; at least 1."""
    n = before + after
    if int((n > 0).sum()) < LEAST_CONTROLS or not before.sum() or not after.sum():
        return 1.0
    b, a, by = before[n > 0], after[n > 0], times[n > 0]
    common = float(a.sum() / (b * by).sum()) if b.sum() else 1.0
    share = common * by / (1 + common * by)
    expected = (a + b) * share
    squares = float(((a - expected) ** 2 / (expected * (1 - share))).sum())
    return max(1.0, squares / (len(a) - 1))


def _method(days: tuple[float, float], controls: Flags | None, exposure: bool, level: float) -> Both:
    values = {"before": f"{days[0]:g}", "after": f"{days[1]:g}", "level": f"{level:.0%}"}
    rate = both("statistics.compare_by_exposure") if exposure else both("statistics.compare_by_days")
    if controls is None:
        return both("statistics.compare_method", rate=rate, **values)
    return both("statistics.compare_controls_method", rate=rate, controls=int(controls.sum()), **values)


def _notes(out: Flags, dispersion: float) -> tuple[Both, ...]:
    notes = []
    if out.any():
        notes.append(both("statistics.compare_left_out", areas=int(out.sum())))
    if dispersion > 1:
        notes.append(both("statistics.compare_dispersion", times=f"{dispersion:.1f}"))
    return tuple(notes)


def _verdict(
    overall: Change,
    kind: npt.NDArray[np.object_],
    cases: int,
    enough: bool,
    controls: bool,
    level: float,
) -> Both:
    if not enough:
        return both("statistics.compare_few", cases=cases, least=LEAST_CASES)
    values = {
        "ratio": _times(overall.ratio),
        "low": _times(overall.low),
        "high": _times(overall.high),
        "p": odds(overall.p),
        "against": both("statistics.compare_against" if controls else "statistics.compare_alone"),
    }
    if overall.p > level:
        whole = both("statistics.compare_chance", **values)
    else:
        whole = both("statistics.compare_more" if overall.ratio > 1 else "statistics.compare_fewer", **values)
    more, fewer = int((kind == "more").sum()), int((kind == "fewer").sum())
    key = "statistics.compare_areas" if more or fewer else "statistics.compare_no_area"
    return both("statistics.two", first=whole, second=both(key, judged=len(kind), more=more, fewer=fewer))


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if math.isfinite(ratio) else "∞"
