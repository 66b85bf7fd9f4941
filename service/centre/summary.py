"""What a view shows, in two sentences: how many cases and where, and how that compares with before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from layers.codes import short_code, short_codes
from layers.months import name_month
from partition.texts import LANGUAGES, Language, catalogue
from service.centre.figures import Figures, GridFigures, kinds
from service.centre.question import BEIJING, Filters, Interval
from service.centre.silence import Silence
from service.privacy.disclosure import rules
from service.vocabulary import vocabulary

# grids that a sentence names; of more it tells the number
NAMED = 3
_TICK = timedelta(microseconds=1)
_EVEN = 0.0005  # hours of two times that differ by less are the same


def summarise(figures: Figures) -> Mapping[Language, str]:
    """Two sentences in each language."""
    return {
        lang: f"{_now(figures, lang)}{_stop(lang)}{_then(figures, lang)}{_stop(lang, last=True)}"
        for lang in LANGUAGES
    }


def few_words(cases: int, lang: Language) -> str:
    """That there are too few cases for a pattern."""
    return _say("few_words", lang, cases=cases, least=rules().floor.rate_hidden)


def silent_words(silence: Silence, lang: Language) -> str:
    """That no case came for so long, and what to ask."""
    first = write_day(silence.begin - _TICK, lang)
    last = write_day(silence.end, lang)
    key = {
        (True, True): "silent_all",
        (True, False): "silent_until",
        (False, True): "silent_since",
        (False, False): "silent_between",
    }[silence.first, silence.last]
    return _say(f"{key}_{silence.part}", lang, first=first, last=last)


def label_of(group: str, value: str, lang: Language) -> str:
    """A value of the data in words, where there are any; else as it is."""
    return labels_of(group, value)[lang]


def labels_of(group: str, value: str) -> dict[str, str]:
    """The same in both languages. Of a category that is not known, `written` is the language it is in."""
    if group == "category":
        return vocabulary().label(value)
    texts, key = catalogue("service"), f"{group}.{value}"
    return {lang: texts.say(key, lang) if key in texts else value for lang in LANGUAGES}


def grid_name(figures: Figures, grid: GridFigures, lang: Language) -> str:
    """A grid as people call it: its name or last three digits; with its community if there are several.

    Of grids that count together all are named.
    """
    if len(grid.grid.grids) > 1:
        name = _say("grids_together", lang, names=short_codes(grid.grid.grids))
    else:
        name = grid.grid.name or _say("grid", lang, name=short_code(grid.grid.code))
    if len(figures.division.communities) == 1:
        return name
    told = {one.code: one.name for one in figures.division.communities}
    community = told.get(grid.grid.community) or grid.grid.community
    if lang == "zh" and community[-1:].isascii() and name[:1].isascii():
        community += " "  # the digits of both would be one number
    return _say("grid_of", lang, community=community, grid=name)


# --- how many, and where ---


def _now(figures: Figures, lang: Language) -> str:
    total, least = figures.total, rules().floor.rate_hidden
    told: dict[str, object] = {"when": when(figures, lang), "what": _what(figures, lang), "total": total}
    if not total:
        return _say("none", lang, **told)
    where = _where(figures, lang)
    if total == 1:
        return _say("one", lang, where=where, **told)
    if figures.few:
        return _say("few", lang, where=where, least=least, **told)
    return _say("some", lang, where=where, kind=_kind(figures, lang), **told)


def when(figures: Figures, lang: Language) -> str:
    """The time asked about, as a sentence begins with it."""
    if figures.filters.last:
        if figures.clock.anchor == "now":
            return _say(f"last_{figures.filters.last}", lang)
        day = write_day(figures.clock.now, lang)
        return _say(f"until_{figures.filters.last}", lang, day=day)
    first = write_day(figures.interval.begin, lang)
    # both ends are part of a span; who writes the midnight after the last day means that day
    last = write_day(max(figures.interval.begin, figures.interval.end - 2 * _TICK), lang)
    return _say("on_day" if first == last else "from_to", lang, first=first, last=last)


def write_day(time: datetime, lang: Language) -> str:
    """The day of Beijing's calendar in words."""
    day = time.astimezone(BEIJING)
    return _say("day", lang, year=day.year, day=day.day, name=name_month(day.month, lang))


def _what(figures: Figures, lang: Language) -> str:
    filters = figures.filters
    others = Filters(category=filters.category, last=filters.last, span=filters.span)
    narrowed = (filters.status, filters.tier, filters.hours, filters.weekdays) != (
        others.status,
        others.tier,
        others.hours,
        others.weekdays,
    )
    ending = "_one" if figures.total == 1 else ""
    if narrowed or len(filters.category) > 1:
        return _say(f"chosen_cases{ending}", lang)
    if filters.category:
        return _say(f"one_kind{ending}", lang, kind=label_of("category", filters.category[0], lang))
    return _say(f"all_cases{ending}", lang)


def _where(figures: Figures, lang: Language) -> str:
    if figures.filters.rate and not figures.few:
        return _where_rated(figures, lang)
    most = max((grid.cases for grid in figures.grids), default=0)
    if figures.grids and not most and not figures.few and not figures.approximate:
        return _say("at_none", lang)
    if not most or (figures.few and figures.total > 1):
        return ""  # where the most of a few are is no pattern
    first = [grid for grid in figures.grids if grid.cases == most]
    names = [grid_name(figures, grid, lang) for grid in first[:NAMED]]
    if figures.total == 1:
        return _say("at_one", lang, grid=names[0])
    if most == figures.total:
        return _say("at_all", lang, grid=names[0])
    if len(first) > NAMED:
        return _say("at_many", lang, count=len(first), cases=_about(first, most, lang))
    if len(first) > 1:
        return _say("at_several", lang, grids=_listed(names, lang), cases=_about(first, most, lang))
    share = 100 * most / figures.total
    told = _say("under_one", lang) if share < 1 else f"{share:.0f}"
    return _say("at_most", lang, grid=names[0], cases=_about(first, most, lang), share=told)


def _where_rated(figures: Figures, lang: Language) -> str:
    shown = [
        (grid.rate.value, grid)
        for grid in figures.grids
        if grid.rate is not None and grid.rate.value is not None
    ]
    if not shown:
        return _say("at_rate_hidden", lang)
    value, grid = max(shown, key=lambda pair: (pair[0], pair[1].cases, pair[1].grid.code))
    assert grid.rate is not None  # noqa: S101  # `shown` holds no others
    key = "at_rate_unstable" if grid.rate.state == "unstable" else "at_rate"
    unit = _say(figures.filters.rate, lang)
    return _say(
        key, lang, unit=unit, grid=grid_name(figures, grid, lang), rate=_about([grid], f"{value:.1f}", lang)
    )


def _about(grids: Sequence[GridFigures], number: object, lang: Language) -> object:
    """A number of grids, as an approximate one where cases from before a redraw are counted beside them."""
    return _say("about", lang, number=number) if any(grid.crossing for grid in grids) else number


def _kind(figures: Figures, lang: Language) -> str:
    found = kinds(figures)
    if len(figures.filters.category) == 1 or not found:
        return ""
    name, (cases, _) = found[0]
    key = "kind" if cases * 2 >= figures.total else "kind_most"
    return _say(key, lang, kind=label_of("category", name, lang), cases=cases)


# --- compared with before ---


def _then(figures: Figures, lang: Language) -> str:
    return _compared(figures, lang) + _moved(figures, lang) + _late(figures, lang)


def _compared(figures: Figures, lang: Language) -> str:
    change = figures.change
    if change is None or figures.earlier is None:
        words = "" if figures.silence is None else silent_words(figures.silence, lang)
        return _say("incomparable", lang) + (words and _say("silent_too", lang, words=words))
    before = _say(f"before_{figures.filters.last or 'span'}", lang)
    if figures.silence is not None:
        told = _say("before_cases", lang, before=before, cases=change.before)
        return told + _say("silent", lang, words=silent_words(figures.silence, lang))
    if not _even(figures.filters, figures.covered, figures.earlier):
        verdict = _say(f"uneven_{change.verdict}", lang)
        return _say("uneven", lang, before=before, cases=change.before, verdict=verdict)
    if not change.difference:
        return _say("same", lang, before=before, cases=change.before)
    rising = change.difference > 0
    key = ("rise" if rising else "fall") + ("_chance" if change.verdict == "chance" else "")
    percent = ""
    if change.percent is not None:
        percent = f"{change.percent:+.{0 if abs(change.percent) >= 10 else 1}f}%".replace("-", "−")
    bracketed = percent and (f"（{percent}）" if lang == "zh" else f" ({percent})")
    return _say(
        key,
        lang,
        before=before,
        cases=change.before,
        difference=abs(change.difference),
        percent=bracketed,
    )


def _even(filters: Filters, one: Interval, other: Interval) -> bool:
    return abs(filters.exposure(one) - filters.exposure(other)) < _EVEN


def _moved(figures: Figures, lang: Language) -> str:
    if figures.change is None or figures.silence is not None:
        return ""
    parts = []
    for verdict, key in (("more", "grids_up"), ("fewer", "grids_down")):
        found = [grid for grid in figures.grids if grid.change and grid.change.verdict == verdict]
        if found:
            found.sort(key=lambda grid: (-abs(grid.cases - _before(grid)), grid.grid.code))
            names = [
                _say(
                    "grid_change",
                    lang,
                    grid=grid_name(figures, grid, lang),
                    before=_about([grid], _before(grid), lang),
                    now=grid.cases,
                )
                for grid in found[:NAMED]
            ]
            more = _say("more_grids", lang, count=len(found)) if len(found) > NAMED else ""
            parts.append(_say(key, lang, grids=_listed(names, lang) + more))
    if not parts and len(figures.grids) > 1 and figures.total + figures.change.before:
        return _say("grids_chance", lang)
    return "".join(parts)


def _before(grid: GridFigures) -> int:
    return grid.change.before if grid.change else 0


def _late(figures: Figures, lang: Language) -> str:
    if figures.overdue is None:
        return ""
    count = figures.overdue.total
    if not count:
        # that nothing is overdue can be said only where limits were written down
        return _say("overdue_unknown" if figures.overdue.undated else "overdue_none", lang)
    first = figures.overdue.first
    due = datetime.fromisoformat(first[0]["properties"]["due"])
    hours = int((figures.clock.now - due) / timedelta(hours=1))
    if hours < 48:
        time = _say("hour_one", lang) if hours < 2 else _say("hours", lang, count=hours)
    else:
        time = _say("days", lang, count=hours // 24)
    return _say("overdue" if count > 1 else "overdue_one", lang, count=count, time=time)


def _listed(names: Sequence[str], lang: Language) -> str:
    return ("、" if lang == "zh" else ", ").join(names)


def _stop(lang: Language, *, last: bool = False) -> str:
    return "。" if lang == "zh" else "." if last else ". "


def _say(key: str, lang: Language, /, **values: object) -> str:
    return catalogue("service").say(f"centre.{key}", lang, **values)
