"""Where one colour ends and the next begins: round numbers, the same for everything that is compared."""

from __future__ import annotations

import math

_CLASSES = 5


def round_breaks(highest: float) -> tuple[float, ...]:
    """Upper bounds of five classes from the series 1, 2, 5, 10, 20, 50 …; the last one reaches `highest`.

    Steps by a factor of about two keep the everyday level readable beside a hot spot of ten times as much.
    """
    if highest <= 0:
        return (1.0,)
    power = math.floor(math.log10(highest))
    series = [digit * 10.0**exponent for exponent in range(power - 2, power + 2) for digit in (1, 2, 5)]
    last = next(position for position, bound in enumerate(series) if bound >= highest * (1 - 1e-12))
    return tuple(float(f"{bound:.0e}") for bound in series[last - _CLASSES + 1 : last + 1])


def change_breaks(greatest: float) -> tuple[float, ...]:
    """Upper bounds of five classes of a difference, even on both sides: strong fall, fall, about the same, …

    `greatest` is the greatest difference either way; the first class begins at minus the last bound.
    """
    if greatest <= 0:
        return (-0.5, -0.2, 0.2, 0.5, 1.0)
    small, middle, large = round_breaks(greatest)[-3:]
    return (-middle, -small, small, middle, large)
