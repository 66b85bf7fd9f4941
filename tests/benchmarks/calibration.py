"""The figures of the default plan, held against the goals that its weights were calibrated for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from partition.area import Area
from partition.arrays import Numbers
from partition.proof.bound import Budget, prove
from partition.solver.ground import make_ground, measure
from partition.solver.problem import Problem, Weights
from partition.split import split_area
from partition.wishes.policy import load_profile
from tests.benchmarks.curves import Curve, Part, count_grids

PRICES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)  # of unequal grids, times the usual weight
BUDGET = Budget(listed=5_000_000)
HEAD = {
    "en": ["", "communities", "grids", "in range, %", "variation", "Polsby-Popper",
           "border cost ÷ least found", "÷ proven bound"],
    "zh": ["", "社区", "网格", "达标 %", "变异系数", "紧凑度", "边界代价 ÷ 搜到的最小值", "÷ 已证明的下界"],
}  # fmt: skip


@dataclass(frozen=True)
class Calibration:
    """The default plan of an area as `wangge partition` draws it. ratio: its border cost by the least found
    with grids as equal; proven: by what any such plan costs at least, None where that could not be bounded.
    """

    area: str
    communities: int
    grids: int
    in_range: float
    variation: float
    polsby_popper: float
    ratio: float
    proven: float | None

    def cells(self) -> list[str]:
        return [
            self.area,
            str(self.communities),
            str(self.grids),
            f"{100 * self.in_range:.1f}",
            f"{self.variation:.3f}",
            f"{self.polsby_popper:.2f}",
            f"{self.ratio:.3f}",
            "–" if self.proven is None else f"≤ {self.proven:.3f}",
        ]


def calibrate(area: Area, curve: Curve) -> Calibration:
    """The figures of the drawn plan; the border costs are those of its units."""
    figures = split_area(area, load_profile("yichang")).report.judgement.figures
    usual = curve.usual
    bound = bound_borders(curve.parts)
    return Calibration(
        area=curve.area,
        communities=len(area.communities),
        grids=figures["grids"],
        in_range=figures["share_in_range"],
        variation=figures["variation"],
        polsby_popper=figures["polsby_popper"],
        ratio=usual.cost_m / curve.least_at(usual.variation),
        proven=None if bound is None or bound <= 0 else usual.cost_m / bound,
    )


def bound_borders(parts: Sequence[Part]) -> float | None:
    """What the borders cost at least (weighted m) in any plan of as many grids, all in range, which are as
    equal as those of `parts`; None if not all grids there could be were listed for some community.

    With a price on deviation, a plan costs its borders and the price of its deviation. So no plan has lower
    borders than the least of that sum, less the price of the deviation allowed (Lagrange); the best of
    several prices counts.
    """
    best: float | None = None
    for price in PRICES:
        total = 0.0
        weights = Weights(deviation_m=Weights().deviation_m * price, compactness_m=0.0)
        for (problem, labels), grids in zip(parts, count_grids(parts), strict=True):
            weighed = replace(problem, weights=weights, previous=None, frozen=None)
            bound = prove(weighed, labels, k=grids, budget=BUDGET, threads=4)
            if bound.objective != "all" or bound.status == "infeasible":
                return None
            borders = replace(weighed, weights=Weights(deviation_m=0.0, compactness_m=0.0))
            deviation = _value(weighed, labels, grids) - _value(borders, labels, grids)
            total += bound.lower - deviation
        best = total if best is None else max(best, total)
    return best


def _value(problem: Problem, labels: Numbers, grids: int) -> float:
    return measure(make_ground(problem), labels, grids)[2]
