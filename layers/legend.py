"""What the colours and lines mean: one legend a theme, in both languages, as plain data."""

from __future__ import annotations

from typing import Any

from layers import palette
from layers.group_bands import codes_of, group_bands, withheld_reasons
from layers.view import CommunityView, GroupSurface, Surface
from partition.texts import LANGUAGES, catalogue

Both = dict[str, str]


def both(key: str, /, **values: object) -> Both:
    """A text of the catalogue in every language."""
    return {lang: catalogue("layers").say(key, lang, **values) for lang in LANGUAGES}


def legends(view: CommunityView) -> list[dict[str, Any]]:
    """One legend a theme: theme, title, entries (symbol, colour, label) and notes."""
    found = [_grids(view)]
    if view.cases is not None:
        found.append(_cases(view.cases))
    return [*found, *(_group(group) for group in view.groups)]


def _grids(view: CommunityView) -> dict[str, Any]:
    present = set(view.streets["class"])
    entries = [
        {"symbol": "line-grid", "label": both("legend.grid_border")},
        {"symbol": "line-community", "label": both("legend.community_border")},
    ]
    entries += [
        {"symbol": f"line-{kind}", "label": both(f"legend.street_{kind}")}
        for kind in ("arterial", "water", "rail", "wall")
        if kind in present
    ]
    return {
        "theme": "grids",
        "title": both("legend.title"),
        "entries": entries,
        "notes": [both("legend.grids_note")],
    }


def _cases(surface: Surface) -> dict[str, Any]:
    values = {"days": surface.days, "cases": f"{surface.cases:,}", "min": surface.min_cases}
    if not len(surface.cells):
        return {
            "theme": "cases",
            "title": both("legend.cases_unit"),
            "entries": [],
            "notes": [both("legend.cases_too_few", **values)],
        }
    colours = palette.ramp(palette.DENSITY, len(surface.breaks) + 1)
    entries: list[dict[str, Any]] = [
        {
            "symbol": "fill",
            "colour": colour,
            "label": both("legend.range", lower=_plain(lower), upper=_plain(upper)),
        }
        for colour, lower, upper in zip(
            colours[:-1], (0.0, *surface.breaks[:-1]), surface.breaks, strict=True
        )
    ]
    highest = both("legend.or_more", lower=_plain(surface.breaks[-1]))
    entries.append({"symbol": "fill", "colour": colours[-1], "label": highest})
    entries.append({"symbol": "blank", "label": both("legend.cases_floor", **values)})
    method = both(
        "legend.cases_method", bandwidth=round(surface.bandwidth_m), cell=round(surface.cell_m), **values
    )
    return {
        "theme": "cases",
        "title": both("legend.cases_unit"),
        "entries": entries,
        "notes": [method, both("legend.cases_fixed")],
    }


def _group(group: GroupSurface) -> dict[str, Any]:
    entries: list[dict[str, Any]] = [
        {"symbol": "fill", "colour": band["colour"], "label": band["label"]} for band in group_bands(group)
    ]
    notes = [dict(group.note)] if any(group.note.values()) else []
    reasons = withheld_reasons(group)
    if reasons:
        entries.append({"symbol": "hatch", "label": both("map.withheld")})
        notes += reasons
    if any(len(codes_of(grids)) > 1 for grids in group.cells["grids"]):
        notes.append(both("legend.groups_together"))
    if not len(group.cells):
        notes.append(both("legend.groups_none"))
    return {"theme": f"group:{group.group}", "title": dict(group.label), "entries": entries, "notes": notes}


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
