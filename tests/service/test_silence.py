"""A stretch without cases that is too long for chance: told where data are missing, hardly ever elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.centre.question import BEIJING, Interval
from service.centre.silence import LEVEL, Silence, find_silence
from tests.benchmarks.silence import LAWS, NOW, false_alarms, found

MONTH = Interval(NOW - timedelta(days=30), NOW)
END = int(NOW.timestamp() // 3600)


def even(days: range, cases: int = 6) -> dict[int, int]:
    """Cases at as many hours of each of these days before the end (0: the last 24 hours)."""
    return {END - 24 * day - 3 * n: 1 for day in days for n in range(cases)}


def never(_: Interval) -> int:
    return 0


def told(now: Mapping[int, int], before: Mapping[int, int], interval: Interval = MONTH) -> Silence | None:
    return find_silence(now, interval, before, interval.before, never)


def shifted(cases: Mapping[int, int], days: int = 30) -> dict[int, int]:
    return {hour - 24 * days: count for hour, count in cases.items()}


FULL = even(range(30))
BEFORE = shifted(FULL)


def test_nothing_is_told_of_a_steady_time() -> None:
    assert told(FULL, BEFORE) is None


def test_data_that_end_early_are_told_with_the_last_case() -> None:
    silence = told(even(range(10, 30)), BEFORE)
    assert silence is not None
    assert (silence.part, silence.first, silence.last) == ("now", False, True)
    assert silence.begin == datetime.fromtimestamp((END - 240 + 1) * 3600, UTC)
    assert silence.end == NOW
    # the chance by hand: 120 cases, none in 10 of 30 days, which could begin on any of 30
    assert silence.chance == pytest.approx(30 * (20 / 30) ** 120)


def test_a_single_case_at_the_end_hides_nothing() -> None:
    """A demo of old data, and one case that was posted today."""
    silence = told({END: 1, **even(range(22, 30))}, BEFORE)
    assert silence is not None
    assert (silence.part, silence.first, silence.last) == ("now", False, False)
    assert silence.end == datetime.fromtimestamp(END * 3600, UTC)
    assert silence.days == pytest.approx(22 - 1 / 24)


def test_a_gap_in_the_time_before_is_told_too() -> None:
    silence = told(FULL, shifted(even(range(15, 30))))
    assert silence is not None
    assert (silence.part, silence.last) == ("previous", True)
    assert silence.end == MONTH.begin


def test_a_time_without_any_case_is_measured_by_the_other() -> None:
    silence = told({}, BEFORE)
    assert silence is not None
    assert (silence.part, silence.first, silence.last) == ("now", True, True)
    assert (silence.begin, silence.end) == (MONTH.begin, MONTH.end)
    rare = dict.fromkeys(sorted(BEFORE)[:180:20], 1)
    assert len(rare) == 9
    assert told({}, rare) is None
    silence = told(FULL, {})
    assert silence is not None
    assert silence.part == "previous"
    assert told({}, {}) is None


def test_a_case_or_two_are_no_rate() -> None:
    """Somebody tries it out, a month after the data ended."""
    for tried in ({END: 1}, {END: 1, END - 24: 1}):
        silence = told(tried, BEFORE)
        assert silence is not None
        assert (silence.part, silence.first) == ("now", True)
        assert silence.end == datetime.fromtimestamp(min(tried) * 3600, UTC)
        rising = told(FULL, shifted(tried))
        assert rising is not None
        assert rising.part == "previous"
        assert told(tried, dict.fromkeys(sorted(BEFORE)[:180:20], 1)) is None


def test_weekends_off_are_a_habit() -> None:
    def working(hour: int) -> bool:
        return datetime.fromtimestamp(hour * 3600, BEIJING).weekday() < 5

    now = {hour: 3 for hour in FULL if working(hour)}
    before = {hour: 3 for hour in BEFORE if working(hour)}
    assert told(now, before) is None
    # a week off is none
    gone = {hour: count for hour, count in now.items() if not END - 24 * 16 <= hour < END - 24 * 9}
    silence = told(gone, before)
    assert silence is not None
    assert silence.days >= 7


def test_a_day_without_cases_is_looked_up_a_week_before() -> None:
    day = Interval(NOW - timedelta(days=1), NOW)
    asked: list[Interval] = []

    def usual(time: Interval) -> int:
        asked.append(time)
        return 12

    before = {END - 24 - 3 * n: 4 for n in range(6)}
    assert find_silence({}, day, before, day.before, never) is None
    assert find_silence({}, day, before, day.before, usual) is not None
    assert asked == [Interval(day.begin - timedelta(days=7), day.end - timedelta(days=7))]


def test_repeated_reports_are_fewer_than_they_seem() -> None:
    """Thirty reports on each of a few days say less than as many that came one by one."""
    bursts = {END - 24 * day: 30 for day in (0, 3, 9, 16, 22, 29)}
    single = {END - 24 * day - 3 * n: 5 for day in (*range(9), *range(16, 30)) for n in range(6)}
    assert told(bursts, shifted(bursts)) is None
    assert told(single, shifted(single)) is not None


@settings(max_examples=200, deadline=None)
@given(
    hours=st.dictionaries(st.integers(0, 24 * 60 - 1), st.integers(0, 40), max_size=60),
    days=st.integers(1, 30),
    minutes=st.integers(0, 59),
)
def test_what_is_told_holds_no_case(hours: dict[int, int], days: int, minutes: int) -> None:
    interval = Interval(NOW - timedelta(days=days, minutes=minutes), NOW)
    begin, first = (time.begin.timestamp() // 3600 for time in (interval, interval.before))
    cases = {END - hour: count for hour, count in hours.items()}
    now = {hour: count for hour, count in cases.items() if hour >= begin}
    before = {hour: count for hour, count in cases.items() if first <= hour < begin}
    silence = find_silence(now, interval, before, interval.before, lambda _: 1)
    if silence is None:
        return
    assert 0 <= silence.chance < LEVEL
    inside = interval if silence.part == "now" else interval.before
    assert inside.begin <= silence.begin < silence.end <= inside.end
    assert silence.days >= 1
    counted = now if silence.part == "now" else before
    first, last = silence.begin.timestamp() / 3600, silence.end.timestamp() / 3600
    assert not any(count for hour, count in counted.items() if first <= hour < last)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("days", [1, 7, 30])
def test_false_alarms_are_rare(law: object, days: int) -> None:
    """Whatever the rhythm; reports in pairs are allowed for, nearly."""
    assert law in LAWS
    chosen = next(one for one in LAWS if one is law)
    assert false_alarms(chosen, days, 7.0, 150) <= (6 if chosen.reports > 1 or days == 1 else 2)


def test_what_is_missing_is_found() -> None:
    assert found(30, 8, 7.0, 40) == 40
    assert found(30, 16, 2.0, 40) >= 38
