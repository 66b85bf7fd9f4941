"""How many grids, and how far a grid may be from its target."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partition.arrays import Numbers
from partition.wishes.policy import Size


@dataclass(frozen=True)
class Balance:
    """The range of households wanted of each grid, bounds inclusive."""

    lower: float
    target: float
    upper: float

    @classmethod
    def of(cls, size: Size) -> Balance:
        return cls(size.lower, size.target, size.upper)

    def excess(self, households: Numbers) -> Numbers:
        """Households of each grid beyond the range; 0 within."""
        over, under = households - math.floor(self.upper), math.ceil(self.lower) - households
        return np.maximum(np.maximum(over, under), 0)


def count_grids(households: Numbers, balance: Balance) -> tuple[int, int, int]:
    """Least, best and greatest number of grids for units that hang together.

    A unit above the upper bound is a grid by itself; the rest is divided. Where no number lets every grid be
    in range, least > greatest, and best is the number that comes nearest.
    """
    oversize = households > balance.upper
    rest = int(households[~oversize].sum())
    alone = int(oversize.sum())
    least = alone + math.ceil(rest / balance.upper)
    greatest = alone + (math.floor(rest / balance.lower) if balance.lower > 0 else len(households))
    wanted = alone + max(round(rest / balance.target), 1 if rest or not alone else 0)
    best = min(max(wanted, least), max(greatest, least, 1))
    return max(least, 1), min(max(best, 1), max(len(households), 1)), greatest
