"""Months as people read them: October 2026, Oct 2026 where room is short, 2026年10月. As `wangge.js` does."""

from __future__ import annotations

from datetime import date

from partition.texts import LANGUAGES, Language, catalogue


def name_month(month: int, lang: Language, *, short: bool = False) -> str:
    """The name of a month (1 … 12) without its year."""
    names = catalogue("layers").say("map.months_short" if short else "map.months", lang).split()
    return names[month - 1]


def write_month(month: date, lang: Language, *, short: bool = False) -> str:
    """The month that a day lies in, with its year: write_month(date(2026, 10, 1), "en") is October 2026."""
    name = name_month(month.month, lang, short=short)
    return catalogue("layers").say("map.month", lang, year=month.year, name=name)


def in_both(month: date, *, short: bool = False) -> dict[str, str]:
    """The same in every language."""
    return {lang: write_month(month, lang, short=short) for lang in LANGUAGES}
