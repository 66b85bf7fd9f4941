"""Sums over buildings that a reader chose, with noise that asking again cannot take away. Pure.

Each building has one noisy figure, made from the installation's secret, the building and its true figure; a
sum is the sum of these. So every answer is a function of one noisy table, and no number of questions, moved
polygons or complements tells more than that table: the difference of two sums is a noisy figure again, the
same each time. (Noise drawn anew for each set would be averaged away by asking for many sets.) A figure that
changed gets other noise, so that the change itself is not told by a difference between two days.

The noise is Laplace's with `SCALE`, which makes one household more or less change the odds of any answer by
at most exp(1 / 5): see Dwork and Roth, The Algorithmic Foundations of Differential Privacy (2014), 3.3.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterable
from dataclasses import dataclass

# households, and residents at two and a half a household
SCALE = {"households": 5.0, "residents": 12.5}
STEP = 10


@dataclass(frozen=True)
class Part:
    """A building's figure. key: what names the building in the whole installation."""

    key: str
    value: float


def noise(secret: bytes, measure: str, part: Part) -> float:
    """The noise of one building's figure, the same each time."""
    told = f"{measure}\n{part.key}\n{part.value!r}".encode()
    drawn = int.from_bytes(hmac.new(secret, told, hashlib.sha256).digest()[:7], "big")
    uniform = (drawn + 0.5) / 2**56 - 0.5  # between −½ and ½, never either
    return -SCALE[measure] * math.copysign(math.log1p(-2 * abs(uniform)), uniform)


def noisy_sum(secret: bytes, measure: str, parts: Iterable[Part]) -> int:
    """The sum of noisy figures, to the nearest ten, not below nought."""
    total = math.fsum(part.value + noise(secret, measure, part) for part in parts)
    return max(0, STEP * round(total / STEP))
