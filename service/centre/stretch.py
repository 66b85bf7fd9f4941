"""Which part of two times is compared, so that like stands beside like.

One rule for the centre's page, which asks about a time and the one before, and for two periods side by side:

- A time that is not over counts as far as it has come, and stands beside an equally long part of the other.
  The time before ends where it begins; of two periods that are alike in length (two months) both are taken
  from their beginnings: the first 22 days of November beside the first 22 of October.
- Periods that are over stay whole. Where lengths differ, as those of months of 28 and of 31 days, numbers are
  compared by the day.
- Nothing is compared with a time of which more than a tenth lies before the first case: numbers would seem to
  rise from none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.centre.question import Filters, Interval

# of two times that are alike, the shorter has at least this part of the longer: February has 28/31 of January
ALIKE = 0.9
UNKNOWN_MOST = 0.1
EVEN_H = 0.0005  # times whose hours differ by less are equally long
WEEK_H = 168
MONTH_DAYS = 30


@dataclass(frozen=True)
class Stretch:
    """The parts of two periods that are compared, and the hours of each that the filters let through.

    usual: the part of a week's hours that the filters let through. running: of either side, whether it is
    not over. cut: whether it was shortened to stand beside one that is not. known: whether the cases reach
    back to its beginning.
    """

    intervals: tuple[Interval, Interval]
    hours: tuple[float, float]
    usual: float
    running: tuple[bool, bool]
    cut: tuple[bool, bool]
    known: tuple[bool, bool]

    @property
    def share(self) -> float:
        """The second's part of the hours of both."""
        return self.hours[1] / (self.hours[0] + self.hours[1])

    @property
    def even(self) -> bool:
        """Whether both have equally many hours, so that plain numbers compare."""
        return abs(self.hours[0] - self.hours[1]) < EVEN_H

    @property
    def comparable(self) -> bool:
        """Whether cases reach back to the beginnings of both."""
        return all(self.known)

    @property
    def days(self) -> tuple[float, float]:
        """How many days' worth of hours each has; without filters on hours and weekdays, its days."""
        first, second = (hours / (24 * self.usual) for hours in self.hours)
        return first, second


def align(
    filters: Filters, asked: tuple[Interval, Interval], end: datetime, oldest: datetime | None
) -> Stretch | None:
    """What of two periods is compared. end: until when cases can have happened; oldest: when the first did.

    None: one of them holds no hour that is over and that the filters let through.
    """
    running = (_runs(asked[0], end), _runs(asked[1], end))
    over = tuple(interval.within(None, end) for interval in asked)
    lengths = sorted(interval.length for interval in asked)
    parts = [over[0], over[1]]
    if lengths[0] >= ALIKE * lengths[1]:
        shortest = min(part.length for part in over)
        if any(running):
            parts = [Interval(part.begin, part.begin + shortest) for part in over]
    first, second = (filters.exposure(part) for part in parts)
    if not first or not second:
        return None
    return Stretch(
        (parts[0], parts[1]),
        (first, second),
        usual_share(filters),
        running,
        (parts[0] != over[0], parts[1] != over[1]),
        (reaches_back(parts[0], oldest), reaches_back(parts[1], oldest)),
    )


def time_before(interval: Interval, end: datetime) -> Interval:
    """The time just before one, as long as what of that is over by `end`. OverflowError: there is none."""
    return interval.within(None, end).before


def reaches_back(interval: Interval, oldest: datetime | None) -> bool:
    """Whether cases reach back to where the interval begins. oldest: the time of the first."""
    return oldest is not None and oldest < interval.begin + UNKNOWN_MOST * interval.length


def usual_share(filters: Filters) -> float:
    """The part of a week's hours that the filters on hours and weekdays let through."""
    hours = 24 if filters.hours is None else len(filters.hours)
    weekdays = 7 if filters.weekdays is None else len(filters.weekdays)
    return hours * weekdays / WEEK_H


def _runs(interval: Interval, end: datetime) -> bool:
    return interval.begin < end < interval.end
