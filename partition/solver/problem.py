"""What the solver is given: units, what is measured of them, the ranges, and what each wish is worth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from partition.arrays import Flags, Lengths, Numbers
from partition.solver.balance import Balance
from partition.solver.graph import Graph


@dataclass(frozen=True)
class Weights:
    """What a wish is worth, in weighted metres of border.

    range_m: each household (or other unit of the measure) outside its range; the solver treats the range as
    a hard bound where it can be met. deviation_m: a grid at twice its target, growing with the square.
    compactness_m: a grid of Polsby-Popper ½ against a circle; it grows with the inverse of Polsby-Popper.
    moved_m: each household whose unit leaves the grid it was in before.
    """

    range_m: float = 50.0
    deviation_m: float = 5000.0
    compactness_m: float = 100.0
    moved_m: float = 0.0

    def balanced(self, by: float) -> Weights:
        """The same, but even grids count `by` times as much."""
        return replace(self, deviation_m=self.deviation_m * by)


@dataclass(frozen=True)
class Problem:
    """n units of one community (or part of one) to be put into grids.

    graph: the units; wishes that live on borders (whole compounds, pure zones, crossings) are part of its
    `cost`. load: what is measured by unit, shape (n, m), one column for each of the m ≥ 1 `ranges`; every
    range holds at once. previous: the grid of each unit before, -1 for none; grid g of the solution is grid
    g of before. frozen: units that stay in the grid of the first plan. Grids that are locked as a whole, and
    zones that stand apart, are no part of the problem: take the `subset` of the other units.
    """

    graph: Graph
    load: Lengths
    ranges: tuple[Balance, ...]
    weights: Weights = field(default_factory=Weights)
    previous: Numbers | None = None
    frozen: Flags | None = None

    @classmethod
    def of_households(cls, graph: Graph, balance: Balance, weights: Weights | None = None) -> Problem:
        """The usual problem: one range, of households."""
        return cls(graph, graph.households[:, None].astype(np.float64), (balance,), weights or Weights())

    def __len__(self) -> int:
        return len(self.graph)

    def oversize(self) -> Flags:
        """Units above an upper bound by themselves: each of them can only be a grid of its own."""
        upper = np.array([balance.upper for balance in self.ranges])
        return np.asarray((self.load > upper).any(axis=1), dtype=np.bool_)

    def subset(self, members: Numbers) -> Problem:
        """The problem of some units only; borders with the others count as the community's border."""
        return replace(
            self,
            graph=self.graph.subset(members),
            load=self.load[members],
            previous=None if self.previous is None else self.previous[members],
            frozen=None if self.frozen is None else self.frozen[members],
        )
