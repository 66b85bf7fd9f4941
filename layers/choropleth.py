"""Areas coloured by a figure, in classes that stay the same across time and filters.

A measure has a ladder of round steps (1, 2, 5, 10 …), fixed once for all: the same number has the same colour
today and in a year, for one category of cases and for all, so that two maps can be laid side by side. A
difference has the steps mirrored about nought. `choropleth.js` colours by the same specification in the
browser; a test holds the two against each other.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from layers import palette
from layers.legend import Both, both
from partition.texts import LANGUAGES, catalogue

# shown: a figure; unstable: one that rests on few cases; few: hidden, since it would rest on too few;
# withheld: hidden to protect privacy; none: nobody knows it
State = Literal["shown", "unstable", "few", "withheld", "none"]
STATES: tuple[State, ...] = ("shown", "unstable", "few", "withheld", "none")
Level = Literal["grid", "community"]
_LARGER: Mapping[Level, int] = {"grid": 1, "community": 10}

NO_FIGURE = "#f4f2ee"  # ground of hatched areas
HATCH = "#8f8b82"


@dataclass(frozen=True)
class Measure:
    """What a figure is of. ladder: ascending steps, the lower bounds of the classes above the first.

    change: a difference, whose classes are mirrored about nought. extensive: a count, which is larger for a
    larger area, so that communities have ten times the steps of grids. Unit, denominator and name are texts
    `choropleth.<name>`, `choropleth.unit_<unit>`, `choropleth.per_<per>`.
    """

    name: str
    ladder: tuple[float, ...]
    unit: str
    per: str = ""
    change: bool = False
    extensive: bool = False


_SIX = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("cases", _SIX, "cases", extensive=True),
        Measure("case_rate_households", (5.0, 10.0, 20.0, 50.0, 100.0, 200.0), "cases", "households"),
        Measure("case_rate_residents", (2.0, 5.0, 10.0, 20.0, 50.0, 100.0), "cases", "residents"),
        # of times of unequal length: what there would be in thirty days
        Measure("cases_30_days", _SIX, "cases", "30_days", extensive=True),
        Measure(
            "case_rate_households_30_days",
            (5.0, 10.0, 20.0, 50.0, 100.0, 200.0),
            "cases",
            "households_30_days",
        ),
        Measure(
            "case_rate_residents_30_days", (2.0, 5.0, 10.0, 20.0, 50.0, 100.0), "cases", "residents_30_days"
        ),
        Measure("cases_change", (1.0, 5.0, 20.0), "cases", change=True, extensive=True),
        Measure("case_rate_households_change", (5.0, 20.0, 50.0), "cases", "households", change=True),
        Measure("case_rate_residents_change", (2.0, 10.0, 20.0), "cases", "residents", change=True),
        Measure("households", (50.0, 100.0, 200.0, 300.0, 400.0, 500.0), "households", extensive=True),
        Measure("households_change", (1.0, 20.0, 100.0), "households", change=True, extensive=True),
        Measure("residents", (100.0, 200.0, 500.0, 800.0, 1000.0, 2000.0), "residents", extensive=True),
        Measure("density", (10.0, 20.0, 50.0, 100.0, 200.0, 500.0), "households", "hectare"),
        Measure("vacancies", (1.0, 2.0, 5.0), "posts", extensive=True),
        Measure("share", (20.0, 40.0, 60.0, 80.0, 95.0), "percent"),
    )
}


@dataclass(frozen=True)
class Classes:
    """A measure's classes at a level, from the least on: one colour and one label each.

    ladder: as of the measure, in the level's size. A sequential measure has len(ladder) + 1 classes; a change
    has 2 × len(ladder) + 1, the middle one around nought.
    """

    name: str
    ladder: tuple[float, ...]
    change: bool
    colours: tuple[str, ...]
    labels: tuple[Both, ...]
    title: Both
    unit: Both

    def place(self, value: float) -> int:
        """The class of `value`, from 0. A value on a step belongs to the class that begins there."""
        if not self.change:
            return bisect_right(self.ladder, value)
        steps = bisect_right(self.ladder, abs(value))
        return len(self.ladder) + (steps if value > 0 else -steps)

    def specification(self) -> dict[str, Any]:
        """What `choropleth.js` reads."""
        return {
            "name": self.name,
            "ladder": list(self.ladder),
            "change": self.change,
            "colours": list(self.colours),
            "labels": [dict(label) for label in self.labels],
            "title": dict(self.title),
            "unit": dict(self.unit),
            "no_figure": {"ground": NO_FIGURE, "hatch": HATCH},
            "states": {state: both(f"choropleth.state_{state}") for state in STATES if state != "shown"},
        }


@dataclass(frozen=True)
class Fill:
    """How an area is drawn: its class (None without a figure), ground colour, and a pattern over it or ""."""

    place: int | None
    colour: str
    pattern: Literal["", "unstable", "few", "withheld", "none"]


def classes(name: str, level: Level = "grid") -> Classes:
    """The classes of the measure `name`; KeyError if there is no such measure."""
    measure = MEASURES[name]
    size = _LARGER[level] if measure.extensive else 1
    ladder = tuple(step * size if step > 1 else step for step in measure.ladder)  # none stays none
    many = 2 * len(ladder) + 1 if measure.change else len(ladder) + 1
    ramp = palette.CHANGE if measure.change else palette.FIGURES
    whole = measure.unit in ("cases", "households", "residents", "posts") and not measure.per
    unit = both(f"choropleth.unit_{measure.unit}")
    if measure.per:
        say = catalogue("layers").say
        unit = {lang: say(f"choropleth.per_{measure.per}", lang, unit=unit[lang]) for lang in LANGUAGES}
    return Classes(
        name,
        ladder,
        measure.change,
        palette.ramp(ramp, many),
        tuple(_changes(ladder, whole) if measure.change else _ranges(ladder, whole)),
        both(f"choropleth.{name}"),
        unit,
    )


def fill(made: Classes, value: float | None, state: State = "shown") -> Fill:
    """How an area of this value is drawn; without a value, or with one that is no number, as not known."""
    if state == "few" or state == "withheld" or state == "none":
        return Fill(None, NO_FIGURE, state)
    if value is None or math.isnan(value):
        return Fill(None, NO_FIGURE, "none")
    place = made.place(value)
    return Fill(place, made.colours[place], "unstable" if state == "unstable" else "")


def legend(made: Classes, states: Iterable[State] = ()) -> dict[str, Any]:
    """A legend as those of `layers.legend`: unit and denominator in the title, one entry a class, and one for
    each of `states` that the map shows.
    """
    entries: list[dict[str, Any]] = [
        {"symbol": "fill", "colour": colour, "label": dict(label)}
        for colour, label in zip(made.colours, made.labels, strict=True)
    ]
    shown = set(states)
    entries += [
        {"symbol": f"hatch-{state}", "colour": NO_FIGURE, "label": both(f"choropleth.state_{state}")}
        for state in STATES
        if state in shown and state != "shown"
    ]
    say = catalogue("layers").say
    title = {
        lang: say("choropleth.title", lang, title=made.title[lang], unit=made.unit[lang])
        for lang in LANGUAGES
    }
    return {"theme": made.name, "title": title, "entries": entries, "notes": [both("choropleth.fixed")]}


def _ranges(ladder: tuple[float, ...], whole: bool) -> list[Both]:
    """0–4, 5–9, … 50 and more for whole numbers, 5–10 for others (a step belongs to what begins there)."""
    labels: list[Both] = []
    for step in pairwise((0.0, *ladder)):
        lower, upper = _span(*step, whole)
        one = {str(lang): lower for lang in LANGUAGES}
        labels.append(one if lower == upper else both("legend.range", lower=lower, upper=upper))
    return [*labels, both("choropleth.from", lower=_plain(ladder[-1]))]


def _changes(ladder: tuple[float, ...], whole: bool) -> list[Both]:
    """−20 and less, −19 to −5, … no change … +5 to +19, +20 and more."""
    steps = [_span(lower, upper, whole) for lower, upper in pairwise(ladder)]
    last = _plain(ladder[-1])
    none = whole and ladder[0] == 1
    return [
        both("choropleth.to", upper=f"−{last}"),
        *(
            both("choropleth.between", lower=f"−{upper}", upper=f"−{lower}")
            for lower, upper in reversed(steps)
        ),
        both("choropleth.same") if none else both("choropleth.about", upper=_plain(ladder[0])),
        *(both("choropleth.between", lower=f"+{lower}", upper=f"+{upper}") for lower, upper in steps),
        both("choropleth.from", lower=f"+{last}"),
    ]


def _span(lower: float, upper: float, whole: bool) -> tuple[str, str]:
    return _plain(lower), _plain(upper - 1 if whole else upper)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
