"""Like stands beside like: what of two times is compared, and which periods are proposed. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.centre.periods import month_before, name_period, offer_months, propose_sides, read_period
from service.centre.place import Clock
from service.centre.question import BEIJING, Filters, Interval, read_filters
from service.centre.stretch import ALIKE, EVEN_H, align, reaches_back, time_before
from service.faults import MalformedError

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ALL = Filters()
MINUTE = timedelta(minutes=1)


def clock(text: str, oldest: datetime | None = LONG_AGO) -> Clock:
    return Clock(datetime.fromisoformat(text).replace(tzinfo=BEIJING).astimezone(UTC), "now", oldest)


def month(text: str) -> Interval:
    return read_period(text, clock("2026-11-22T12:00"))


def beijing(interval: Interval) -> tuple[str, str]:
    first, last = (end.astimezone(BEIJING) for end in (interval.begin, interval.end))
    return f"{first:%m-%d %H:%M}", f"{last:%m-%d %H:%M}"


MONTHS = st.tuples(st.integers(2021, 2030), st.integers(1, 12)).map(lambda told: f"{told[0]}-{told[1]:02d}")


@given(left=MONTHS, right=MONTHS, share=st.floats(0.0001, 0.9999), running=st.sampled_from((0, 1)))
def test_a_month_that_is_not_over_stands_beside_as_many_days(
    left: str, right: str, share: float, running: int
) -> None:
    """Both begin where they begin, neither goes beyond now, and both are equally long."""
    asked = (month(left), month(right))
    one = asked[running]
    end = one.begin + share * one.length
    told = align(ALL, asked, end, LONG_AGO)
    if asked[1 - running].begin >= end:
        assert told is None  # it has not begun
        return
    assert told is not None
    assert all(part.begin == whole.begin for part, whole in zip(told.intervals, asked, strict=True))
    assert all(part.end <= min(whole.end, end) for part, whole in zip(told.intervals, asked, strict=True))
    passed = [min(whole.end, end) - whole.begin for whole in asked]
    assert [part.length for part in told.intervals] == [min(passed)] * 2
    assert told.even
    assert told.share == 0.5
    assert told.running[running]
    assert told.cut == tuple(length > min(passed) for length in passed)


def test_the_first_days_of_november_beside_those_of_october() -> None:
    end = clock("2026-11-22T17:31").end
    told = align(ALL, (month("2026-10"), month("2026-11")), end, LONG_AGO)
    assert told is not None
    assert [beijing(part) for part in told.intervals] == [
        ("10-01 00:00", "10-22 17:32"),
        ("11-01 00:00", "11-22 17:32"),
    ]
    assert (told.even, told.running, told.cut, told.share) == (True, (False, True), (True, False), 0.5)
    swapped = align(ALL, (month("2026-11"), month("2026-10")), end, LONG_AGO)
    assert swapped is not None
    assert swapped.intervals == told.intervals[::-1]


def test_beside_a_short_month_no_more_than_its_days_count() -> None:
    """On 30 March the first 28 days of both: February has no others."""
    end = clock("2026-03-30T11:59").end
    told = align(ALL, (month("2026-02"), month("2026-03")), end, LONG_AGO)
    assert told is not None
    assert told.days == pytest.approx((28, 28))
    assert (told.even, told.cut) == (True, (False, True))
    over = align(ALL, (month("2026-02"), month("2026-03")), clock("2026-04-01T00:00").end, LONG_AGO)
    assert over is not None
    assert over.days == pytest.approx((28, 31))


@pytest.mark.parametrize(
    ("left", "right", "days"),
    [("2026-01", "2026-02", (31, 28)), ("2024-02", "2024-03", (29, 31)), ("2026-07", "2026-08", (31, 31))],
)
def test_months_that_are_over_stay_whole(left: str, right: str, days: tuple[float, float]) -> None:
    told = align(ALL, (month(left), month(right)), clock("2026-11-22T12:00").end, LONG_AGO)
    assert told is not None
    assert told.intervals == (month(left), month(right))
    assert told.days == pytest.approx(days)
    assert told.even == (days[0] == days[1])
    assert told.share == pytest.approx(days[1] / sum(days))
    assert (told.running, told.cut) == ((False, False), (False, False))


def test_what_is_not_alike_in_length_is_not_cut() -> None:
    """A year beside a running month: the first weeks of the year would be another question."""
    now = clock("2026-11-22T12:00")
    year = read_period("2025-01-01/2025-12-31", now)
    told = align(ALL, (year, month("2026-11")), now.end, LONG_AGO)
    assert told is not None
    assert told.intervals[0] == year
    assert told.cut == (False, False)
    assert not told.even
    assert month("2026-02").length >= ALIKE * month("2026-01").length


def test_filters_on_hours_are_reckoned_with() -> None:
    """October 2026 has five Saturdays and four Sundays, November four and five: nine days of either."""
    now = clock("2026-12-05T12:00")
    asked = (month("2026-10"), month("2026-11"))
    ends = align(read_filters([("weekdays", "6,7")]), asked, now.end, LONG_AGO)
    assert ends is not None
    assert ends.hours == (9 * 24, 9 * 24)
    assert ends.even
    assert ends.days == pytest.approx((31.5, 31.5))
    nights = align(read_filters([("hours", "22-6")]), asked, now.end, LONG_AGO)
    assert nights is not None
    assert nights.days == pytest.approx((31, 30))
    sundays = align(read_filters([("weekdays", "7")]), asked, now.end, LONG_AGO)
    assert sundays is not None
    assert sundays.hours == (4 * 24, 5 * 24)
    assert not sundays.even
    monday = read_period("2026-10-05", now)
    assert align(read_filters([("weekdays", "7")]), (monday, asked[1]), now.end, LONG_AGO) is None


def test_what_begins_before_the_first_case_is_not_compared() -> None:
    now = clock("2026-11-22T12:00")
    asked = (month("2026-09"), month("2026-10"))
    for day, known in ((None, (False, False)), (2, (True, True)), (4, (False, True)), (30, (False, True))):
        oldest = None if day is None else datetime(2026, 9, day, tzinfo=BEIJING)
        told = align(ALL, asked, now.end, oldest)
        assert told is not None
        assert (told.known, told.comparable) == (known, all(known))
    assert not reaches_back(asked[1], datetime(2026, 10, 31, tzinfo=BEIJING))


@given(
    begin=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    days=st.floats(0.01, 1000),
    share=st.floats(0.001, 2),
)
def test_the_time_before_is_as_long_as_what_is_over(begin: datetime, days: float, share: float) -> None:
    interval = Interval(begin, begin + timedelta(days=days))
    end = begin + share * interval.length
    before = time_before(interval, end)
    assert before.end == interval.begin
    assert before.length == interval.within(None, end).length
    assert abs(ALL.exposure(before) - ALL.exposure(interval.within(None, end))) < EVEN_H


@pytest.mark.parametrize(
    ("now", "proposed"),
    [
        ("2026-11-22T17:31", ("2026-10", "2026-11")),
        ("2026-11-08T00:00", ("2026-10", "2026-11")),
        # in the first week thirty days that are over say more
        ("2026-11-07T23:58", ("2026-09-08/2026-10-07", "2026-10-08/2026-11-06")),
        ("2026-11-01T00:00", ("2026-09-02/2026-10-01", "2026-10-02/2026-10-31")),
        ("2026-03-31T12:00", ("2026-02", "2026-03")),
    ],
)
def test_without_sides_like_stands_beside_like(now: str, proposed: tuple[str, str]) -> None:
    at = clock(now)
    sides = propose_sides(("", ""), at)
    assert sides == proposed
    told = align(ALL, (read_period(sides[0], at), read_period(sides[1], at)), at.end, LONG_AGO)
    assert told is not None
    assert told.even
    # where cases do not reach back to the older, the running month is shown
    young = clock(now, at.now - timedelta(days=20))
    assert propose_sides(("", ""), young)[1] == f"{at.now.astimezone(BEIJING):%Y-%m}"


def test_one_side_is_given_the_other_follows() -> None:
    now = clock("2026-11-22T17:31")
    assert propose_sides(("", "2026-03"), now) == ("2026-02", "2026-03")
    assert propose_sides(("2025-11", ""), now) == ("2025-11", "2026-11")
    left, right = propose_sides(("", "2026-11-08/2026-11-14"), now)
    before, after = read_period(left, now), read_period(right, now)
    assert (before.end, before.length) == (after.begin, after.length)
    for side in ("0001-01", "2026-13", "0001-01-01/0001-01-31"):
        with pytest.raises(MalformedError):
            propose_sides(("", side), now)


def test_periods_are_named() -> None:
    now = clock("2026-11-22T17:31")
    for side, zh, en in (
        ("2026-02", "2026年2月", "February 2026"),
        ("2026-11-08/2026-11-14", "2026-11-08 – 2026-11-14", "2026-11-08 – 2026-11-14"),
        ("2026-11-08", "2026-11-08", "2026-11-08"),
        (
            "2026-11-08T01:00:00Z/2026-11-08T02:59:59.999999Z",
            "2026-11-08 09:00 – 2026-11-08 10:59",
            "2026-11-08 09:00 – 2026-11-08 10:59",
        ),
    ):
        assert name_period(side, read_period(side, now)) == {"zh": zh, "en": en}
    assert month_before("2026-01") == "2025-12"
    young = clock("2026-11-22T17:31", datetime(2026, 9, 30, 17, tzinfo=UTC))  # 1 October in Beijing
    assert offer_months(young, ["2026-09", "2026-11", "2026-09"]) == ["2026-11", "2026-10", "2026-09"]
