"""The figures of a view: how many cases, where, of what kind, when, and how that compares with before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection

from service.access import Access, Principal, Role
from service.casework import TIERS
from service.centre.change import Change, compare
from service.centre.place import Clock, Division, clock_of
from service.centre.question import Filters, Interval
from service.centre.silence import Silence, find_silence
from service.centre.stretch import reaches_back, time_before
from service.models.base import CASE_STATUSES
from service.privacy.disclosure import rate, rules
from service.query.condition import Condition, all_of
from service.store import centre as store
from service.store.area_cases import Area, of_area
from service.store.centre import GridRow, Overdue, Pair, Reach, Tallies
from service.store.grid_cases import select_units

RateState = Literal["stable", "unstable", "hidden"]
Step = Literal["day", "week", "month"]

# nothing is said to rise or fall where a larger share of the cases lies across borders drawn since
CROSSING_MOST = 0.05
# so many columns at most has a chart of days
DAYS_MOST, WEEKS_MOST = 120, 260
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EAST_H = 8  # hours of Beijing's clock before UTC's


@dataclass(frozen=True)
class Rated:
    """Cases for every 1,000 of a grid's households or residents; `value` is None where it is hidden."""

    value: float | None
    state: RateState
    denominator: int | None


@dataclass(frozen=True)
class GridFigures:
    """Cases of a grid, or of several that count together.

    change: None where there is nothing to compare with; rate: where none is asked for. crossing: cases, of
    both times, at places from before a redraw that cross its borders, counted in it or beside it.
    """

    grid: GridRow
    cases: int
    change: Change | None
    rate: Rated | None
    before: Rated | None
    crossing: int = 0


@dataclass(frozen=True)
class Days:
    """Cases by day, week or month of Beijing's calendar: first days, and a number for each."""

    step: Step
    starts: tuple[date, ...]
    cases: tuple[int, ...]


@dataclass(frozen=True)
class Figures:
    """Everything that `/centre/{division}/cases` tells, in the terms of the domain.

    earlier: None where there is nothing to compare with. matrix: seven days of 24 hours, Monday first.
    overdue: None where the reader does not know what is due when. silence: a stretch in which data may be
    missing; then no verdict is told.
    """

    division: Division
    filters: Filters
    clock: Clock
    interval: Interval
    earlier: Interval | None
    tallies: Tallies
    change: Change | None
    grids: tuple[GridFigures, ...]
    days: Days
    matrix: tuple[tuple[int, ...], ...]
    newest: Sequence[Any]
    overdue: Overdue | None
    tiers: bool
    at_places: bool
    silence: Silence | None = None
    area: Area | None = None

    @property
    def covered(self) -> Interval:
        """The part of the time asked about that can have cases: not before the first, nor after now."""
        return self.interval.within(self.clock.oldest, self.clock.end)

    @property
    def total(self) -> int:
        """Cases in the time asked about."""
        return self.tallies.total[0]

    @property
    def approximate(self) -> bool:
        """Whether cases of grids are counted beside them, since they are from before a redraw."""
        return any(grid.crossing for grid in self.grids)

    @property
    def by_code(self) -> Mapping[str, GridFigures]:
        """What is told of each grid, itself or with others together."""
        return {code: told for told in self.grids for code in told.grid.grids}

    @property
    def few(self) -> bool:
        """Whether there are too few to speak of a pattern."""
        return self.total < rules().floor.rate_hidden


@dataclass(frozen=True)
class View:
    """A question in its place and time: what figures and surface are computed for."""

    division: Division
    filters: Filters
    clock: Clock
    interval: Interval
    earlier: Interval | None
    area: Area | None = None  # of its grids alone; None: of the whole division

    @property
    def covered(self) -> Interval:
        """The part of the time asked about that can have cases: not before the first, nor after now."""
        return self.interval.within(self.clock.oldest, self.clock.end)


def read_view(
    connection: Connection, cases: Access, division: Division, filters: Filters, now: datetime | None = None
) -> View:
    """The view of a division through the filters, counted back from `now` (default: the clock's)."""
    reach = store.select_reach(connection, cases, division.codes)
    clock = clock_of(division, reach, now)
    interval = filters.interval(clock.now, reach.oldest)
    return View(division, filters, clock, interval, _earlier(filters, interval, reach, clock))


def _earlier(filters: Filters, interval: Interval, reach: Reach, clock: Clock) -> Interval | None:
    """The time before, unless it begins before there were any cases: numbers would seem to rise from none."""
    try:
        before = time_before(interval, clock.end)
    except OverflowError:
        return None
    over = interval.within(None, clock.end)
    compared = filters.exposure(before) > 0 and filters.exposure(over) > 0
    return before if compared and reaches_back(before, reach.oldest) else None


def count_cases(connection: Connection, principal: Principal, cases: Access, view: View) -> Figures:
    """The figures of a view."""
    filters, interval, codes = view.filters, view.interval, view.division.codes
    asked = filters.condition({column.name: sql for column, sql in cases.columns})
    begin = view.earlier.begin if view.earlier is not None else interval.begin
    times = (begin, interval.begin, interval.end)
    units = select_units(connection, principal, codes)
    if view.area is not None:
        asked = all_of(asked, of_area(connection, principal, cases, units, view.area))
    tallies = store.select_tallies(connection, principal, cases, codes, asked, times, units)
    share = 0.0
    change = None
    if view.earlier is not None:
        # of a time that is not over, the part that is
        here, there = filters.exposure(view.covered), filters.exposure(view.earlier)
        share = here / (here + there)
        change = compare([tallies.total[0]], [tallies.total[1]], share)[0]
    silence = find_silence(
        {hour: pair[0] for hour, pair in tallies.hours.items()},
        view.covered,
        {hour: pair[1] for hour, pair in tallies.hours.items()},
        view.earlier,
        counting(connection, cases, codes, asked),
    )
    if silence is not None and change is not None:
        change = replace(change, verdict="withheld")
    rows = store.join_rows(store.select_grid_rows(connection, principal, codes), units)
    if view.area is not None:
        rows = [row for row in rows if view.area.holds(row.grids)]
    return Figures(
        division=view.division,
        filters=filters,
        clock=view.clock,
        interval=interval,
        earlier=view.earlier,
        tallies=tallies,
        change=change,
        grids=_grids(rows, tallies, filters, share, told=silence is None),
        days=_days(tallies.hours, interval),
        matrix=_matrix(tallies.hours),
        newest=store.select_newest(connection, cases, codes, asked, times[1:]),
        overdue=store.select_overdue(connection, cases, codes, asked, view.clock.now),
        tiers=any(column.name == "tier" for column, _ in cases.columns),
        at_places=not principal.reaches(Role.CENTRE),
        silence=silence,
        area=view.area,
    )


def counting(
    connection: Connection, cases: Access, codes: Sequence[str], asked: Condition
) -> Callable[[Interval], int]:
    """How many cases of the communities `asked` finds in a time."""

    def count(time: Interval) -> int:
        return store.count_cases(connection, cases, codes, asked, (time.begin, time.end))

    return count


def _grids(
    rows: Sequence[GridRow],
    tallies: Tallies,
    filters: Filters,
    share: float,
    *,
    told: bool,
) -> tuple[GridFigures, ...]:
    pairs = [tallies.grids.get(row.code, (0, 0)) for row in rows]
    crossing = [tallies.crossing.get(row.code, 0) for row in rows]
    changes = compare_grids(pairs, crossing, share, told=told) if share else [None] * len(rows)
    found = []
    for row, (now, before), change, crossed in zip(rows, pairs, changes, crossing, strict=True):
        rated = rate_of(now, row, filters) if filters.rate else None
        earlier = rate_of(before, row, filters) if filters.rate and share else None
        found.append(GridFigures(row, now, change, rated, earlier, crossed))
    return tuple(found)


def compare_grids(
    pairs: Sequence[Pair], crossing: Sequence[int], share: float, *, told: bool = True
) -> list[Change]:
    """The change of each pair, now and before. share: the later time's part of the hours of both.

    Where more than `CROSSING_MOST` of the cases cross borders, and without `told`, no verdict is given, and
    the test of the others takes no notice of these.
    """
    judged = [
        told and cases <= CROSSING_MOST * sum(pair) for cases, pair in zip(crossing, pairs, strict=True)
    ]
    found: dict[int, Change] = {}
    for wanted in (True, False):
        rows = [row for row, one in enumerate(judged) if one is wanted]
        changes = compare([pairs[row][0] for row in rows], [pairs[row][1] for row in rows], share)
        for row, change in zip(rows, changes, strict=True):
            found[row] = change if wanted else replace(change, verdict="withheld")
    return [found[row] for row in range(len(pairs))]


def rate_of(cases: int, grid: GridRow, filters: Filters) -> Rated:
    """The grid's cases for every 1,000 households or residents, by the rules of disclosure control.

    A rate of residents, too, rests on the households behind it.
    """
    told = rate(cases, grid.households or 0, rules().floor)
    per = grid.households if filters.rate == "households" else grid.residents
    if told.value is None or not per:
        return Rated(None, "hidden", None)
    return Rated(1000 * cases / per, "unstable" if told.unstable else "stable", round(per))


def states(figures: Figures) -> list[tuple[str, Pair]]:
    """Every known status with its numbers, in the order of the work."""
    return [(status, figures.tallies.statuses.get(status, (0, 0))) for status in CASE_STATUSES]


def levels(figures: Figures) -> list[tuple[str, Pair]]:
    """Every known tier with its numbers, from below; then what else there is."""
    found = figures.tallies.tiers
    names = [*TIERS, *sorted(name for name in found if name not in TIERS)]
    return [(name, found.get(name, (0, 0))) for name in names]


def kinds(figures: Figures) -> list[tuple[str, Pair]]:
    """The categories there are, the most frequent first."""
    found = figures.tallies.categories.items()
    return sorted(found, key=lambda pair: (-pair[1][0], -pair[1][1], pair[0]))


# --- time ---


def _days(hours: Mapping[int, Pair], interval: Interval) -> Days:
    first = _day_of(interval.begin)
    last = max(first, _day_of(interval.end - timedelta(microseconds=1)))
    step: Step = "day"
    if (last - first).days >= 7 * WEEKS_MOST and (told := [hour for hour, pair in hours.items() if pair[0]]):
        # of a span without a real beginning or end only the part in which there are cases
        first, last = _day_at(min(told)), _day_at(max(told))
    if (last - first).days >= DAYS_MOST:
        step = "week" if (last - first).days < 7 * WEEKS_MOST else "month"
    starts = _starts(first, last, step)
    places = {start: place for place, start in enumerate(starts)}
    counts = [0] * len(starts)
    for hour, (now, _) in hours.items():
        if now:
            counts[places[_start_of(_day_at(hour), step)]] += now
    return Days(step, starts, tuple(counts))


def _day_of(time: datetime) -> date:
    return (time.astimezone(UTC) + timedelta(hours=_EAST_H)).date()


def _day_at(hour: int) -> date:
    return _EPOCH.date() + timedelta(days=(hour + _EAST_H) // 24)


def _start_of(day: date, step: Step) -> date:
    if step == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if step == "month" else day


def _starts(first: date, last: date, step: Step) -> tuple[date, ...]:
    found = [_start_of(first, step)]
    while True:
        after = _start_of(found[-1] + timedelta(days={"day": 1, "week": 7, "month": 31}[step]), step)
        if after > last:
            return tuple(found)
        found.append(after)


def _matrix(hours: Mapping[int, Pair]) -> tuple[tuple[int, ...], ...]:
    counts = [[0] * 24 for _ in range(7)]
    for hour, (now, _) in hours.items():
        day, clock = divmod(hour + _EAST_H, 24)
        counts[(day + 3) % 7][clock] += now  # 1 January 1970 was a Thursday
    return tuple(tuple(row) for row in counts)
