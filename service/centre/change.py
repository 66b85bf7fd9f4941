"""Whether a number of cases differs from an earlier one by more than chance.

Given the sum of two Poisson counts, the later one is binomial, with the share of its time in both times: an
exact test of equal rates (Przyborowski and Wilenski 1940). Two-sided: twice the smaller tail, at most 1. Of
several areas tested at once, those are called changed that Benjamini and Hochberg's procedure (1995) keeps,
so that at most `LEVEL` of them are expected to be false. Cases that come in clusters (one report often made
twice) vary more than Poisson's, so what is called more than chance is so at best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

LEVEL = 0.05

Verdict = Literal["more", "fewer", "chance", "withheld"]


@dataclass(frozen=True)
class Change:
    """A count and the one before. percent: None where there was none before.

    verdict: withheld where data may be missing.
    """

    now: int
    before: int
    p: float
    verdict: Verdict

    @property
    def difference(self) -> int:
        """How many more."""
        return self.now - self.before

    @property
    def percent(self) -> float | None:
        """How many more for a hundred of before."""
        return None if not self.before else 100 * self.difference / self.before


def compare(now: Sequence[int], before: Sequence[int], share: float) -> list[Change]:
    """Each count with the one before it. share: of the later time in both together, between 0 and 1."""
    after, earlier = np.asarray(now, dtype=np.int64), np.asarray(before, dtype=np.int64)
    chances = p_values(after, earlier, share)
    kept = discoveries(chances, LEVEL)
    found = []
    for one, other, p, changed in zip(
        after.tolist(), earlier.tolist(), chances.tolist(), kept.tolist(), strict=True
    ):
        rising = one * (1 - share) > other * share
        verdict: Verdict = "chance" if not changed else "more" if rising else "fewer"
        found.append(Change(one, other, p, verdict))
    return found


def p_values(
    now: npt.NDArray[np.int64], before: npt.NDArray[np.int64], share: float
) -> npt.NDArray[np.float64]:
    """The chance of a difference at least as great either way, if nothing has changed."""
    from scipy.special import bdtr, bdtrc

    total = now + before
    at_most = bdtr(now, total, share)
    at_least = np.where(now > 0, bdtrc(np.maximum(now - 1, 0), total, share), 1.0)
    p: npt.NDArray[np.float64] = np.minimum(2 * np.minimum(at_most, at_least), 1.0)
    return p


def discoveries(p: npt.NDArray[np.float64], level: float) -> npt.NDArray[np.bool_]:
    """Which of several tests are kept so that the expected share of false ones is at most `level`."""
    many = len(p)
    if not many:
        return np.zeros(0, dtype=bool)
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered <= level * np.arange(1, many + 1) / many)
    return np.zeros(many, dtype=bool) if not len(passed) else p <= ordered[passed[-1]]
