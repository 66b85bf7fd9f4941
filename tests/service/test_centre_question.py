"""The centre's filters: read, written, bounded in time; and whether a difference is more than chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from service.centre.change import LEVEL, compare, discoveries, p_values
from service.centre.question import (
    CASE_STATUSES,
    LETTERS_MOST,
    VALUES_MOST,
    Filters,
    Interval,
    read_filters,
)
from service.faults import MalformedError
from service.query.span import Span

BEIJING = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 22, 9, 30, 20, tzinfo=UTC)
TIMES = st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))


@st.composite
def filters(draw: st.DrawFn) -> Filters:
    """Any filters there are, in the form in which equal ones are equal."""
    span = None
    if draw(st.booleans()):
        begin, end = sorted([draw(TIMES), draw(TIMES)])
        open_end = draw(st.sampled_from(["", "begin", "end"]))
        span = Span(None if open_end == "begin" else begin, None if open_end == "end" else end)

    def numbers(least: int, most: int) -> tuple[int, ...] | None:
        chosen = draw(st.sets(st.integers(least, most), min_size=1))
        return None if len(chosen) == most - least + 1 else tuple(sorted(chosen))

    # an address may name them twice, and must not be longer than is taken
    word = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=LETTERS_MOST)
    return Filters(
        category=tuple(sorted(draw(st.sets(word, max_size=VALUES_MOST // 2)))),
        status=tuple(one for one in ("open", *CASE_STATUSES) if draw(st.booleans())),
        tier=tuple(one for one in ("grid", "community", "street") if draw(st.booleans())),
        last="" if span else draw(st.sampled_from(["24h", "7d", "30d"])),
        span=span,
        hours=numbers(0, 23),
        weekdays=numbers(1, 7),
        rate=draw(st.sampled_from(["", "households", "residents"])),  # type: ignore[arg-type]
        previous=draw(st.booleans()),
    )


@given(filters())
def test_an_address_leads_to_the_view_it_was_written_for(asked: Filters) -> None:
    assert read_filters(parse_qsl(asked.address(), keep_blank_values=True)) == asked


@given(filters(), st.randoms())
def test_equal_views_have_one_address(asked: Filters, chance: st.DataObject) -> None:
    pairs = parse_qsl(asked.address(), keep_blank_values=True)
    chance.shuffle(pairs)  # type: ignore[attr-defined]
    assert (
        read_filters([*pairs, *(pair for pair in pairs if pair[0] == "category")]).address()
        == asked.address()
    )


@pytest.mark.parametrize(
    ("written", "hours"),
    [("8-18", range(8, 18)), ("22-6", [0, 1, 2, 3, 4, 5, 22, 23]), ("7,12", [7, 12]), ("0-24", None),
     ("23-24", [23]), ("23-0", [23]), ("8-9", [8]), ("0-12,12-24", None), ("9,8-10", [8, 9])],
)  # fmt: skip
def test_hours_are_by_the_clock(written: str, hours: range | list[int] | None) -> None:
    assert read_filters([("hours", written)]).hours == (None if hours is None else tuple(hours))


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("1-5", (1, 2, 3, 4, 5)),
        ("6,7", (6, 7)),
        ("6-1", (1, 6, 7)),
        ("3", (3,)),
        ("1-7", None),
        ("1,3-5", (1, 3, 4, 5)),
    ],
)
def test_weekdays_begin_with_monday(written: str, days: tuple[int, ...] | None) -> None:
    assert read_filters([("weekdays", written)]).weekdays == days


def test_what_is_open_is_not_closed() -> None:
    assert read_filters([("status", "open")]).statuses == tuple(s for s in CASE_STATUSES if s != "closed")
    assert read_filters([("status", "open"), ("status", "closed")]).statuses == CASE_STATUSES
    assert read_filters([]).statuses == ()


def test_tiers_are_unknown_to_those_who_see_none() -> None:
    with pytest.raises(MalformedError) as known:
        read_filters([("tier", "grid")], tiers=False)
    assert known.value.key == "parameter-unknown"
    with pytest.raises(MalformedError) as unseen:
        Filters(tier=("grid",)).condition({"time": "t.time"})
    assert unseen.value.key == "parameter-unknown"


@pytest.mark.parametrize(("last", "days"), [("24h", 1), ("7d", 7), ("30d", 30)])
def test_what_is_counted_back_ends_with_the_minute(last: str, days: float) -> None:
    interval = Filters(last=last).interval(NOW, None)
    assert interval.end == datetime(2026, 11, 22, 9, 31, tzinfo=UTC)
    assert interval.days == days
    assert interval.before == Interval(interval.begin - interval.length, interval.begin)
    # whoever asks within the minute asks the same
    assert interval == Filters(last=last).interval(NOW.replace(second=59, microsecond=999999), None)


def test_a_span_is_as_in_the_collections_but_its_dates_are_beijing_s() -> None:
    day = read_filters([("datetime", "2026-10-01/2026-10-31")]).interval(NOW, None)
    assert (day.begin, day.end) == (
        datetime(2026, 9, 30, 16, tzinfo=UTC),
        datetime(2026, 10, 31, 16, tzinfo=UTC),
    )
    assert day.days == 31
    assert day.inclusive.end == datetime(2026, 10, 31, 15, 59, 59, 999999, tzinfo=UTC)
    instant = read_filters([("datetime", "2026-10-01T08:00:00Z")]).interval(NOW, None)
    assert instant.length == timedelta(microseconds=1)
    oldest = datetime(2026, 1, 1, tzinfo=UTC)
    assert read_filters([("datetime", "../2026-10-31")]).interval(NOW, oldest).begin == oldest
    assert read_filters([("datetime", "2026-10-01/..")]).interval(NOW, oldest).end > NOW
    for far in ("9999-12-31", "0001-01-01", "0001-01-01/9999-12-31", "../9999-12-31"):
        bounds = read_filters([("datetime", far)]).interval(NOW, oldest)
        assert bounds.begin < bounds.end
        assert Filters(hours=(3,), weekdays=(1,)).exposure(bounds) >= 0


@given(TIMES, st.integers(1, 9), st.integers(1, 24))
def test_parts_of_a_time_follow_each_other_without_a_gap(begin: datetime, days: int, parts: int) -> None:
    interval = Interval(begin, begin + timedelta(days=days))
    found = interval.split(parts)
    assert [one.end for one in found[:-1]] == [one.begin for one in found[1:]]
    assert (found[0].begin, found[-1].end, len(found)) == (interval.begin, interval.end, parts)


@given(TIMES, st.integers(1, 30 * 24 * 12), filters())
def test_exposure_is_the_time_that_passes_the_filters(begin: datetime, steps: int, asked: Filters) -> None:
    begin = begin.replace(minute=begin.minute // 5 * 5, second=0, microsecond=0)
    interval = Interval(begin, begin + timedelta(minutes=5 * steps))
    passed = 0
    for step in range(steps):
        local = (begin + timedelta(minutes=5 * step)).astimezone(BEIJING)
        passed += (asked.hours is None or local.hour in asked.hours) and (
            asked.weekdays is None or local.isoweekday() in asked.weekdays
        )
    assert asked.exposure(interval) == pytest.approx(passed / 12, abs=1e-6)


# --- more than chance, or not ---


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.05, 0.95))
def test_chances_are_those_of_the_exact_test(now: int, before: int, share: float) -> None:
    found = float(p_values(np.array([now]), np.array([before]), share)[0])
    total = now + before
    tails = binom.cdf(now, total, share), binom.sf(now - 1, total, share)
    assert found == pytest.approx(min(1.0, 2 * min(tails)), abs=1e-9)


def test_equal_rates_are_seldom_called_changed() -> None:
    rng = np.random.default_rng(7)
    false, runs = 0, 400
    for _ in range(runs):
        means = rng.uniform(0, 40, 30)
        changes = compare(rng.poisson(means).tolist(), rng.poisson(means).tolist(), 0.5)
        false += any(change.verdict != "chance" for change in changes)
    # the share of runs with any false discovery is at most the level where nothing has changed
    assert false / runs <= LEVEL


def test_a_change_is_told_with_its_direction_and_size() -> None:
    more, fewer, same, none = compare([60, 5, 20, 0], [20, 40, 20, 0], 0.5)
    assert (more.verdict, fewer.verdict, same.verdict, none.verdict) == ("more", "fewer", "chance", "chance")
    assert (more.difference, more.percent) == (40, 200.0)
    assert (none.percent, none.p) == (None, 1.0)
    # in a third of the time as many cases are a rise
    assert compare([40], [40], 0.25)[0].verdict == "more"
    assert compare([], [], 0.5) == []


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216, 0.222, 0.251])
    assert discoveries(p, 0.05).sum() == 2  # 0.008 is below 2/12 of the level, 0.039 above 3/12
    assert discoveries(p, 0.101).sum() == 5  # 0.042 is below 5/12, though 0.039 is above 3/12
    assert discoveries(p[::-1], 0.101).tolist() == [False] * 7 + [True] * 5
