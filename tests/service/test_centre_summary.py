"""The two sentences of the centre's page, at the edges: none, one, few, one place, nothing before, hidden."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.centre.answer import write_figures
from service.centre.change import compare
from service.centre.figures import Days, Figures, GridFigures, rate_of
from service.centre.place import Clock, Division
from service.centre.question import Filters, Interval, read_filters
from service.centre.silence import Part, Silence
from service.centre.summary import summarise
from service.store.centre import Community, GridRow, Overdue, Tallies

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
TOWN = Division("990101001001", (Community("990101001001", "桃源社区", False, ""),))
HOUSEHOLDS = {"001": 300, "002": 300, "003": 12, "004": 250}


def figures(
    cases: dict[str, tuple[int, int]],
    *,
    kinds: dict[str, tuple[int, int]] | None = None,
    filters: Filters | None = None,
    compared: bool = True,
    overdue: Overdue | None = None,
    division: Division = TOWN,
    anchor: str = "now",
) -> Figures:
    """Figures of a division in whose grids so many cases lie, now and before."""
    filters = filters or Filters()
    interval = filters.interval(NOW, None)
    total = (sum(now for now, _ in cases.values()), sum(before for _, before in cases.values()))
    codes = [code for code in HOUSEHOLDS if code in cases]
    changes: list[Any] = [None] * len(codes)
    if compared:
        changes = compare([cases[c][0] for c in codes], [cases[c][1] for c in codes], 0.5)
    rows = [
        GridRow(TOWN.code + code, TOWN.code, "", HOUSEHOLDS[code], 2.5 * HOUSEHOLDS[code]) for code in codes
    ]
    grids = tuple(
        GridFigures(
            row,
            cases[code][0],
            change,
            rate_of(cases[code][0], row, filters) if filters.rate else None,
            rate_of(cases[code][1], row, filters) if filters.rate else None,
        )
        for code, row, change in zip(codes, rows, changes, strict=True)
    )
    return Figures(
        division=division,
        filters=filters,
        clock=Clock(NOW, anchor),
        interval=interval,
        earlier=interval.before if compared else None,
        tallies=Tallies(total=total, categories=kinds or {"noise": total}),
        change=compare([total[0]], [total[1]], 0.5)[0] if compared else None,
        grids=grids,
        days=Days("day", (NOW.date(),), (total[0],)),
        matrix=((0,) * 24,) * 7,
        newest=(),
        overdue=overdue,
        tiers=True,
        at_places=False,
    )


def late(total: int, hours: float, undated: int = 0) -> Overdue:
    """So many overdue cases, the first since so many hours."""
    due = (NOW - timedelta(hours=hours)).isoformat()
    return Overdue(total, undated, [{"properties": {"due": due}}] if total else [])


CASES: tuple[tuple[Figures, str, str], ...] = (
    (
        figures({"001": (0, 0), "002": (0, 0)}),
        "近30天没有事件。与前30天持平（0件）。",
        "In the last 30 days there were no cases. That is as many as in the 30 days before (0).",
    ),
    (
        figures({"001": (1, 3), "002": (0, 1)}),
        "近30天只有1件事件，在001网格，数量太少，看不出规律。比前30天的4件少3件（−75%），属于偶然波动范围，各网格的升降都在偶然范围内。",
        "In the last 30 days there was only one case, in grid 001: too few to show a pattern. "
        "That is 3 fewer than the 4 of the 30 days before (−75%), no more than chance; "
        "no grid rises or falls by more than chance.",
    ),
    (
        figures({"001": (4, 0), "002": (2, 0)}, compared=False),
        "近30天只有6件事件，不足10件，数量太少，看不出规律。此前没有可比的完整数据，无法判断升降。",
        "In the last 30 days there were 6 cases, fewer than 10: "
        "too few to show a pattern. "
        "There are no complete data from before, so a rise or fall cannot be told.",
    ),
    (
        figures({"001": (31, 12), "002": (0, 3)}, overdue=late(2, 80)),
        "近30天共有31件事件，全部在001网格；以噪声扰民为主（31件）。"
        "比前30天的15件多16件（+107%），上升超出偶然波动，明显上升的是001网格（12→31件）；超期未结2件，最久的已超期3天。",
        "In the last 30 days there were 31 cases, all in grid 001; mostly noise (31). "
        "That is 16 more than the 15 of the 30 days before (+107%): a rise beyond chance; "
        "clearly rising: grid 001 (12 → 31); 2 open cases are overdue, the oldest by 3 days.",
    ),
    (
        figures(
            {"001": (10, 60), "002": (10, 11)},
            kinds={"noise": (8, 40), "manhole": (12, 31)},
            overdue=late(0, 0),
        ),
        "近30天共有20件事件，最多的是001网格、002网格（各10件）；以井盖问题为主（12件）。"
        "比前30天的71件少51件（−72%），下降超出偶然波动，明显下降的是001网格（60→10件）；没有超期未结的事件。",
        "In the last 30 days there were 20 cases, most in grid 001, grid 002 (10 each); "
        "mostly manhole cover (12). "
        "That is 51 fewer than the 71 of the 30 days before (−72%): a fall beyond chance; "
        "clearly falling: grid 001 (60 → 10); no open case is overdue.",
    ),
    (
        figures(dict.fromkeys(HOUSEHOLDS, (25, 25)), overdue=late(0, 0, undated=4)),
        "近30天共有100件事件，分布较均匀，最多的4个网格各25件；以噪声扰民为主（100件）。"
        "与前30天持平（100件），各网格的升降都在偶然范围内；未见超期，但部分未结事件没有登记办结时限。",
        "In the last 30 days there were 100 cases, evenly spread: the 4 grids with most have 25 each; "
        "mostly noise (100). "
        "That is as many as in the 30 days before (100); no grid rises or falls by more than chance; "
        "none is known to be overdue, but some open cases have no time limit on record.",
    ),
    (
        figures(
            {"001": (30, 30), "003": (40, 40), "004": (15, 15)},
            filters=Filters(rate="households"),
            overdue=late(1, 1),
        ),
        "近30天共有85件事件，按每千户计最高的是001网格（100.0件）；以噪声扰民为主（85件）。"
        "与前30天持平（85件），各网格的升降都在偶然范围内；超期未结1件，已超期不到2小时。",
        "In the last 30 days there were 85 cases, most for every 1,000 households in grid 001 (100.0); "
        "mostly noise (85). "
        "That is as many as in the 30 days before (85); no grid rises or falls by more than chance; "
        "one open case is overdue by less than two hours.",
    ),
    (
        figures({"001": (9, 0), "003": (9, 0)}, filters=Filters(rate="residents"), compared=False),
        "近30天共有18件事件，各网格件数或户数不足，不显示比率；以噪声扰民为主（18件）。此前没有可比的完整数据，无法判断升降。",
        "In the last 30 days there were 18 cases; no grid has enough cases or households for a rate; "
        "mostly noise (18). "
        "There are no complete data from before, so a rise or fall cannot be told.",
    ),
)


@pytest.mark.parametrize(("told", "zh", "en"), CASES, ids=[str(place) for place in range(len(CASES))])
def test_the_summary_says_what_the_map_shows(told: Figures, zh: str, en: str) -> None:
    assert summarise(told) == {"zh": zh, "en": en}
    # two sentences, and the same in the answer
    assert zh.count("。") == 2
    assert len(re.findall(r"\.(?: [A-Z]|$)", en)) == 2
    assert write_figures(told)["summary"] == {"zh": zh, "en": en}


@pytest.mark.parametrize(
    ("part", "first", "last", "zh", "en"),
    [
        ("now", False, True, "2026年11月1日之后没有事件", "no case came after 1 November 2026"),
        (
            "now",
            False,
            False,
            "2026年11月1日至2026年11月12日之间没有事件",
            "no case came between 1 November 2026 and 12 November 2026",
        ),
        ("now", True, True, "本时段没有任何事件", "no case at all in this time"),
        (
            "previous",
            True,
            False,
            "前一时段中2026年11月12日之前没有事件",
            "the time before has no case before 12 November 2026",
        ),
    ],
)
def test_where_data_may_be_missing_no_rise_or_fall_is_told(
    part: Part, first: bool, last: bool, zh: str, en: str
) -> None:
    begin, end = (datetime(2026, 11, day, 4, tzinfo=UTC) for day in (1, 12))
    silence = Silence(part, begin, end, 1e-9, first, last)
    found = figures({"001": (30, 90), "002": (20, 20)}, overdue=late(0, 0))
    assert found.change is not None
    change = dataclasses.replace(found.change, verdict="withheld")
    told = write_figures(dataclasses.replace(found, silence=silence, change=change))
    assert told["summary"]["zh"].endswith(
        f"。前30天有110件，但{zh}，可能缺少数据，升降不作判断；没有超期未结的事件。"
    )
    assert told["summary"]["en"].endswith(
        f". There were 110 in the 30 days before, but {en}: data may be missing, "
        "so no rise or fall is told; no open case is overdue."
    )
    assert (told["change"]["p"], told["change"]["verdict"]) == (None, "withheld")
    assert told["silence"] == {
        "of": part,
        "begin": "2026-11-01T04:00:00Z",
        "end": "2026-11-12T04:00:00Z",
        "days": 11.0,
        "p": 1e-9,
        "words": {"zh": zh, "en": en},
    }
    alone = dataclasses.replace(figures({"001": (30, 0)}, compared=False), silence=silence)
    assert summarise(alone)["zh"].endswith(f"。此前没有可比的完整数据，无法判断升降；{zh}，可能缺少数据。")


def test_of_a_time_that_is_not_over_only_what_is_counts() -> None:
    """A whole month asked for on its 22nd day is compared by 22 days."""
    month = read_filters([("datetime", "2026-11-01/2026-11-30")])
    found = figures({"001": (20, 30)}, filters=month)
    assert found.covered == Interval(found.interval.begin, NOW + timedelta(minutes=1))
    assert "which has a different number of hours" in summarise(found)["en"]


def test_times_and_filters_are_named() -> None:
    one_kind = read_filters([("category", "noise"), ("datetime", "2026-10-01/2026-10-31")])
    zh, en = summarise(figures({"001": (20, 20)}, filters=one_kind)).values()
    assert zh.startswith("2026年10月1日至2026年10月31日共有20件噪声扰民事件")
    assert en.startswith("From 1 October 2026 to 31 October 2026 there were 20 cases of noise")
    assert "此前同样长的时间" in zh
    chosen = summarise(
        figures({"001": (20, 20)}, filters=read_filters([("status", "open"), ("last", "24h")]))
    )
    assert chosen["zh"].startswith("近24小时共有20件符合筛选条件的事件")
    made_up = summarise(figures({"001": (20, 20)}, anchor="newest"))
    assert made_up["zh"].startswith("截至2026年11月22日的30天内共有20件事件")
    # the midnight after the last day, or its last moment: the same days
    for end in ("2026-10-31T16:00:00Z", "2026-10-31T15:59:59.999999Z"):
        span = read_filters([("datetime", f"2026-09-30T16:00:00Z/{end}")])
        assert summarise(figures({"001": (20, 20)}, filters=span))["zh"].startswith(
            "2026年10月1日至2026年10月31日共有20件"
        )
    day = read_filters([("datetime", "2026-10-01T01:00:00Z/2026-10-01T03:00:00Z")])
    assert summarise(figures({"001": (20, 20)}, filters=day))["en"].startswith(
        "On 1 October 2026 there were 20"
    )


def test_times_of_unequal_hours_are_told_so() -> None:
    # thirty days hold five Sundays or four
    sundays = read_filters([("weekdays", "7")])
    found = figures({"001": (40, 10)}, filters=sundays)
    here, before = (sundays.exposure(one) for one in (found.interval, found.interval.before))
    assert here != before
    zh, en = summarise(found).values()
    assert "折算后上升超出偶然波动" in zh
    assert "allowing for that, there is a rise beyond chance" in en


def crossed(told: Figures) -> Figures:
    """The same with cases from before a redraw beside every grid."""
    return dataclasses.replace(told, grids=tuple(dataclasses.replace(one, crossing=1) for one in told.grids))


def test_a_number_with_cases_from_before_a_redraw_is_about() -> None:
    plain = figures({"001": (30, 5), "002": (5, 5)})
    assert "001网格（30件，占86%）" in summarise(plain)["zh"]
    zh, en = summarise(crossed(plain)).values()
    assert "001网格（约30件，占86%）" in zh
    assert "001网格（约5→30件）" in zh
    assert "grid 001 (about 30, 86%)" in en
    rated = crossed(figures({"001": (30, 5)}, filters=Filters(rate="households")))
    assert "in grid 001 (about 100.0)" in summarise(rated)["en"]


def test_grids_that_count_together_are_all_named() -> None:
    told = figures({"001": (30, 5), "002": (5, 5)})
    codes = tuple(f"{TOWN.code}{ending}" for ending in ("001", "003", "004", "005"))
    first = dataclasses.replace(told.grids[0], grid=dataclasses.replace(told.grids[0].grid, grids=codes))
    zh, en = summarise(dataclasses.replace(told, grids=(first, *told.grids[1:]))).values()
    assert "件数最多的是001, 003–005网格（合并统计）（30件，占86%）" in zh
    assert "grids 001, 003–005 together (30, 86%)" in en


def test_in_several_communities_a_grid_is_named_with_its_own() -> None:
    office = Division("990101001", (*TOWN.communities, Community("990101001002", "", False, "")))
    told = figures({"001": (20, 20), "002": (5, 5)}, division=office)
    assert "件数最多的是桃源社区001网格（20件，占80%）" in summarise(told)["zh"]
    assert "grid 001 of 桃源社区" in summarise(told)["en"]
    nameless = dataclasses.replace(
        told,
        grids=tuple(
            dataclasses.replace(one, grid=dataclasses.replace(one.grid, community="990101001002"))
            for one in told.grids
        ),
    )
    assert "件数最多的是990101001002 001网格（20件" in summarise(nameless)["zh"]
    named = dataclasses.replace(
        told,
        division=TOWN,
        grids=tuple(
            dataclasses.replace(one, grid=dataclasses.replace(one.grid, name="学堂网格"))
            for one in told.grids
        ),
    )
    assert "件数最多的是学堂网格（20件" in summarise(named)["zh"]


def test_words_are_never_too_many_for_two_sentences() -> None:
    many = dict.fromkeys(HOUSEHOLDS, (60, 5))
    zh = summarise(figures(many))["zh"]
    assert "等4个网格" in zh
    assert len(zh) < 200


def test_intervals_of_charts_are_bounded() -> None:
    from service.centre.figures import _days

    hours = {500_000 + 24 * day: (1, 0) for day in range(4000)}
    begin = datetime(1, 1, 2, tzinfo=UTC)
    found = _days(hours, Interval(begin, datetime(9990, 1, 1, tzinfo=UTC)))
    assert found.step == "month"
    assert len(found.starts) < 140
    assert sum(found.cases) == 4000
    year = {hour: pair for hour, pair in hours.items() if 500_000 <= hour < 508_000}
    weeks = _days(year, Interval(datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)))
    assert weeks.step == "week"
