"""How far a community's plan is from the best possible, proven with little work, and said in words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from partition.division import Division
from partition.findings import Finding
from partition.proof.bound import QUICK, Budget, known_plan, prove
from partition.proof.generation import border_problem
from partition.proof.shortfall import prove_shortfall
from partition.solver.atoms import contract
from partition.solver.pool import Pool, outside
from partition.texts import LANGUAGES, catalogue


@dataclass(frozen=True)
class Optimality:
    """A community's plan beside the best possible with as many grids; dedicated grids are left out.

    objective: "all" wishes, or "border" where only the cost of borders could be bounded. cost_m: what the
    plan costs (weighted m). outside: households (or what else is measured) of the plan outside the ranges;
    `found`: of a plan that has fewer there, if one was found on the way; `least_outside`: of every plan at
    least. least_m: what every plan costs at least that has no more than `found` outside. large: grids above a
    bound since what cannot be parted is; they count as in range. proven: nothing is better.
    """

    community: str
    grids: int
    objective: str
    cost_m: float
    least_m: float
    outside: float
    found: float
    least_outside: float
    large: int = 0

    @property
    def above(self) -> float:
        """How much the plan may cost above the best possible, as a share of that; infinite where
        that may be nothing or, with borders that are wished for, less than nothing.
        """
        spare = self.cost_m - self.least_m
        if spare <= 1e-6 * max(abs(self.cost_m), 1.0):
            return 0.0
        return spare / self.least_m if self.least_m > 0 else math.inf

    @property
    def proven(self) -> bool:
        return self.above < 1e-6 and self.outside - self.least_outside < 1e-6 * max(self.outside, 1.0)

    def finding(self) -> Finding:
        """It in words."""
        kind = "spare" if math.isinf(self.above) else self.objective
        if self.outside > self.found + 1e-6:
            kind = "avoidable"
        elif self.outside > 0:
            kind = "outside" if math.isfinite(self.above) else "least" if self.least_outside > 0 else "open"
        elif self.proven and self.objective == "all":
            kind = "best"
        texts = catalogue("partition")
        but = {lang: texts.say("optimality.large", lang, large=self.large) for lang in LANGUAGES}
        values = {
            "but_zh": but["zh"] if self.large else "",
            "but_en": but["en"] if self.large else "",
            "community": self.community,
            "grids": self.grids,
            "above": "—" if math.isinf(self.above) else f"{math.ceil(self.above * 1000 - 1e-6) / 10:.1f}",
            "outside": f"{self.outside:,.0f}",
            "spare": f"{self.cost_m - self.least_m:,.0f}",
            "found": f"{self.found:,.0f}",
            "least": f"{max(math.ceil(self.least_outside - 1e-4), 0):,}",
        }
        return Finding(f"optimality_{kind}", "noted", values=values)

    def to_dict(self) -> dict[str, Any]:
        """It as plain data, ready for JSON."""
        rounded = {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }
        above = None if math.isinf(self.above) else round(self.above, 6)
        return {**rounded, "above": above, "proven": self.proven, "text": self.finding().to_dict()["text"]}


def weigh_up(division: Division, community: str, *, budget: Budget = QUICK, threads: int = 1) -> Optimality:
    """Prove how near the best the plan of a community is. The same answer whatever `threads`."""
    basic = np.array([kind == "basic" for kind in division.kinds], dtype=np.bool_)
    units = np.flatnonzero(basic[division.plan.assignment])
    _, first, group = np.unique(division.atom[units], return_index=True, return_inverse=True)
    if (division.plan.assignment[units] != division.plan.assignment[units[first]][group.reshape(-1)]).any():
        first = group = np.arange(len(units))  # an alternative, with wholes taken apart
    labels = np.unique(division.plan.assignment[units[first]], return_inverse=True)[1].reshape(-1)
    labels = labels.astype(np.int64)
    grids = int(labels.max(initial=-1)) + 1
    if grids == 0:
        return Optimality(community, 0, "all", 0.0, 0.0, 0.0, 0.0, 0.0)
    problem = contract(division.problem.subset(units), group.reshape(-1))
    large = int(problem.oversize().sum())
    if known_plan(problem, labels, grids) is not None:
        bound = prove(problem, labels, budget=budget, threads=threads)
        wished = problem if bound.objective == "all" else border_problem(problem)
        cost = float(Pool.of_plan(wished, labels).cost.sum())
        return Optimality(community, grids, bound.objective, cost, bound.lower, 0.0, 0.0, 0.0, large)
    own = Pool.of_plan(border_problem(problem), labels)
    missing = float(outside(problem, own.start, own.members).sum())
    short = prove_shortfall(problem, labels, budget=budget, threads=threads)
    return Optimality(
        community, grids, "border", float(own.cost.sum()), short.least_border,
        missing, short.outside, short.least_outside, large,
    )  # fmt: skip
