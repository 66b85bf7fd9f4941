"""Units of a statistic: areas or buildings with a place, a count of cases and, for rates, a denominator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from layers.statistics.statement import Both, both

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """places: n × 2, metres, a unit's middle. counts: cases, n. exposure: what the cases are compared with.

    The exposure is households, residents, or the area where every hectare counts alike; NaN is not known.
    None stands for units that are all alike. basis: what the exposure is, for the words. Raises ValueError
    for lengths that differ, and negative or broken counts.
    """

    places: Floats
    counts: Whole
    exposure: Floats | None = None
    basis: Literal["people", "area"] = "people"

    def __post_init__(self) -> None:
        n = len(self.counts)
        if self.places.shape != (n, 2) or (self.exposure is not None and self.exposure.shape != (n,)):
            raise ValueError("places (n × 2), counts (n) and exposure (n) must be of the same units")
        if not np.isfinite(self.places).all():
            raise ValueError("a place is not a point")
        if not np.issubdtype(self.counts.dtype, np.integer) or (n and self.counts.min() < 0):
            raise ValueError("counts must be whole numbers, 0 or more")
        if self.exposure is not None and (np.nan_to_num(self.exposure, posinf=-1.0) < 0).any():
            raise ValueError("exposure must be 0 or more, or NaN where it is not known")

    def __len__(self) -> int:
        return len(self.counts)

    def known(self) -> npt.NDArray[np.bool_]:
        """Units that take part: those with a denominator above 0."""
        if self.exposure is None:
            return np.ones(len(self), dtype=np.bool_)
        return np.nan_to_num(self.exposure) > 0

    @property
    def tested(self) -> str:
        """What is tested: `counts`, `rates` or `area` (cases per area)."""
        return "counts" if self.exposure is None else "rates" if self.basis == "people" else "area"

    def order(self) -> npt.NDArray[np.intp]:
        """The units that take part from west to east, whatever the order of the rows."""
        exposure = np.zeros(len(self)) if self.exposure is None else np.nan_to_num(self.exposure)
        order = np.lexsort((exposure, self.counts, self.places[:, 1], self.places[:, 0]))
        return order[self.known()[order]]

    def left_out(self) -> tuple[Both, ...]:
        """A note on units without a denominator; none where there are none."""
        out = ~self.known()
        if not out.any():
            return ()
        key = "statistics.left_out" if self.basis == "people" else "statistics.left_out_ground"
        return (both(key, units=int(out.sum()), cases=int(self.counts[out].sum())),)
