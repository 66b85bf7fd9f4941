"""A number or a range as people write it: `4`, `60-110`, `60-80-110`."""

from __future__ import annotations

import math


def read_bounds(text: str) -> list[float]:
    """A number, or a range `LOWER-TARGET-UPPER` or `LOWER-UPPER` (whose target is the middle): one number or
    three; none where the text is neither.
    """
    try:
        bounds = [float(part) for part in text.split("-")]
    except ValueError:
        return []
    if len(bounds) == 2:
        bounds.insert(1, sum(bounds) / 2)
    fine = len(bounds) in (1, 3) and all(math.isfinite(bound) and bound >= 0 for bound in bounds)
    return bounds if fine and sorted(bounds) == bounds and bounds[len(bounds) // 2] > 0 else []
