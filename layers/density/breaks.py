"""Where one colour ends and the next begins: round numbers, the same for everything that is compared."""

from __future__ import annotations

import math

_CLASSES = 5

# Cases per km² and 30 days: the lower bounds of the classes above the first, fixed once for all, so that a
# colour means the same on every day, through every filter and in every step of an animation. Ten thousand
# households on a km², each with one case a year, make eight hundred.
LADDER = (100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0)
# Bounds of a difference of that, mirrored about nought; the class in the middle is "about the same".
CHANGE_LADDER = (-2000.0, -500.0, -100.0, 100.0, 500.0, 2000.0)


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
