"""Figures as JSON: the answer of `/centre/{division}/cases` (its shape stands in `service.centre`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layers.codes import short_codes
from partition.texts import LANGUAGES, Language, catalogue
from service.centre.change import Change
from service.centre.figures import Figures, GridFigures, View, kinds, levels, states
from service.centre.question import Filters, Interval, write_span, write_time
from service.centre.summary import few_words, labels_of, silent_words, summarise
from service.privacy.disclosure import rules
from service.store.centre import Pair


def write_view(view: View | Figures) -> dict[str, Any]:
    """What was asked, where, and of which time."""
    return {
        "division": view.division.code,
        "name": dict(view.division.name),
        "query": view.filters.address(),
        "as_of": write_time(view.clock.now),
        "anchor": view.clock.anchor,
        "span": write_interval(view.interval),
        "previous_span": None if view.earlier is None else write_interval(view.earlier),
    }


def write_interval(interval: Interval) -> dict[str, Any]:
    """A time: its two ends, its length in days, and as the collections take it."""
    return {
        "begin": write_time(interval.begin),
        "end": write_time(interval.end),
        "days": round(interval.days, 4),
        "datetime": write_span(interval.inclusive),
    }


def write_figures(figures: Figures) -> dict[str, Any]:
    """The figures as the answer has them, but for its links."""
    compared = figures.change is not None
    return {
        **write_view(figures),
        "area": _area(figures),
        "total": figures.total,
        "previous_total": figures.tallies.total[1] if compared else None,
        "overdue_total": None if figures.overdue is None else figures.overdue.total,
        "undated_total": None if figures.overdue is None else figures.overdue.undated,
        "change": _change(figures.change),
        "silence": _silence(figures),
        "rate": _rate(figures.filters),
        "by_grid": [_grid(grid) for grid in figures.grids],
        "elsewhere": figures.total - sum(grid.cases for grid in figures.grids),
        "at_places": figures.at_places,
        "approximate": figures.approximate,
        "by_category": _values("category", kinds(figures), compared),
        "by_status": _values("case_status", states(figures), compared),
        "by_tier": _values("tier", levels(figures), compared) if figures.tiers else None,
        "by_day": {
            "step": figures.days.step,
            "starts": [day.isoformat() for day in figures.days.starts],
            "cases": list(figures.days.cases),
        },
        "by_hour": {
            "cases": [list(row) for row in figures.matrix],
            "most": max(max(row) for row in figures.matrix),
        },
        "newest": list(figures.newest),
        "overdue": None if figures.overdue is None else figures.overdue.first,
        "few": write_few(figures.total) if figures.few else None,
        "summary": {lang: _in_area(figures, words, lang) for lang, words in summarise(figures).items()},
        "method": {lang: catalogue("service").say("centre.method", lang) for lang in LANGUAGES},
    }


def _area(figures: Figures) -> dict[str, Any] | None:
    area = figures.area
    return None if area is None else {"id": area.id, "name": dict(area.name), "grids": sorted(area.grids)}


def _in_area(figures: Figures, words: str, lang: Language) -> str:
    """The words, which begin with the area of which they are said."""
    if figures.area is None:
        return words
    name = figures.area.name[lang]
    return catalogue("service").say("centre.in_area", lang, area=name[:1].upper() + name[1:], words=words)


def write_few(cases: int) -> dict[str, Any]:
    """That there are too few cases for a pattern."""
    words = {lang: few_words(cases, lang) for lang in LANGUAGES}
    return {"cases": cases, "least": rules().floor.rate_hidden, "words": words}


def items_query(figures: Figures) -> Mapping[str, str] | None:
    """How `/collections/cases/items` is asked for the same cases; None where it cannot be.

    It knows neither hours of the day nor beginnings of codes, and grids only where these are told.
    """
    filters, area = figures.filters, figures.area
    if area is not None and figures.at_places:
        return None
    if filters.hours is not None or filters.weekdays is not None:
        return None
    if area is None and len(figures.division.communities) > 1:
        return None
    parts = [] if area is None else [f"grid IN ({', '.join(_quoted(code) for code in sorted(area.grids))})"]
    for name, values in (
        ("category", filters.category),
        ("status", filters.statuses),
        ("tier", filters.tier),
    ):
        if values:
            parts.append(f"{name} IN ({', '.join(_quoted(value) for value in values)})")
    query = {
        "community": figures.division.codes[0] if area is None else area.community,
        "datetime": write_span(figures.interval.inclusive),
    }
    return query | ({"filter": " AND ".join(parts)} if parts else {})


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {
        "difference": change.difference,
        "percent": None if change.percent is None else round(change.percent, 1),
        "p": None if change.verdict == "withheld" else _short(change.p),
        "verdict": change.verdict,
    }


def _silence(figures: Figures) -> dict[str, Any] | None:
    silence = figures.silence
    if silence is None:
        return None
    return {
        "of": silence.part,
        "begin": write_time(silence.begin),
        "end": write_time(silence.end),
        "days": round(silence.days, 1),
        "p": _short(silence.chance),
        "words": {lang: silent_words(silence, lang) for lang in LANGUAGES},
    }


def _short(p: float) -> float:
    """A chance to three digits."""
    return float(f"{p:.3g}")


def _rate(filters: Filters) -> dict[str, Any] | None:
    if not filters.rate:
        return None
    floor = rules().floor
    annotation = {"households": "household", "residents": "person"}[filters.rate]
    return {
        "per": filters.rate,
        "unit": f"{{case}}/(1000.{{{annotation}}})",
        "cases_hidden_below": floor.rate_hidden,
        "cases_unstable_below": floor.rate_unstable,
        "households_least": floor.households,
    }


def _grid(grid: GridFigures) -> dict[str, Any]:
    change, rated, before = grid.change, grid.rate, grid.before
    told: dict[str, Any] = {
        "grid": grid.grid.code,
        "grids": list(grid.grid.grids),
        "label": short_codes(grid.grid.grids),
        "community": grid.grid.community,
        "cases": grid.cases,
        "crossing": grid.crossing,
        "previous": None if change is None else change.before,
        **(_change(change) or {"difference": None, "percent": None, "p": None, "verdict": None}),
    }
    difference = None
    if rated is not None and before is not None and rated.value is not None and before.value is not None:
        difference = round(rated.value - before.value, 2)
    return told | {
        "rate": None if rated is None or rated.value is None else round(rated.value, 2),
        "rate_state": None if rated is None else rated.state,
        "rate_difference": difference,
        "denominator": None if rated is None else rated.denominator,
    }


def _values(group: str, found: Sequence[tuple[str, Pair]], compared: bool) -> list[dict[str, Any]]:
    return [
        {
            "value": value,
            "label": labels_of(group, value),
            "cases": now,
            "previous": before if compared else None,
        }
        for value, (now, before) in found
    ]
