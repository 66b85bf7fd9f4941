"""Areas coloured by a figure: fixed classes, every state drawn and named, the browser's colours the same."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from layers.assets import read
from layers.choropleth import MEASURES, STATES, classes, fill, legend

LEVELS = ("grid", "community")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MEASURES)
def test_classes_are_round_apart_and_named(name: str, level: str) -> None:
    """Round steps; a colour and a label of its own for each class."""
    made = classes(name, level)  # type: ignore[arg-type]
    assert all(a < b for a, b in pairwise(made.ladder))
    for step in made.ladder:
        assert round(step / 10 ** math.floor(math.log10(step)), 6) in (1, 2, 3, 4, 5, 6, 8, 9.5)
    many = len(made.ladder) * (2 if made.change else 1) + 1
    assert len(made.colours) == len(set(made.colours)) == len(made.labels) == many
    for lang in ("zh", "en"):
        assert len({label[lang] for label in made.labels}) == many
        assert made.unit[lang]


@given(
    name=st.sampled_from(sorted(MEASURES)),
    values=st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2),
)
def test_more_is_never_a_lower_class(name: str, values: tuple[float, float]) -> None:
    """Every number has a class, in order; a change and its opposite lie as far from the middle."""
    made = classes(name)
    least, most = sorted(values)
    assert 0 <= made.place(least) <= made.place(most) < len(made.colours)
    if made.change:
        assert made.place(least) + made.place(-least) == len(made.colours) - 1
        assert made.place(0.0) == len(made.ladder)


def test_a_step_belongs_to_the_class_that_begins_there() -> None:
    """As the labels say: 5–9 begins with 5, −5 ends what −4 is not in."""
    cases, change = classes("cases"), classes("cases_change")
    assert [cases.labels[cases.place(value)]["en"] for value in (0, 1, 4, 5, 9, 50)] == [
        "0",
        "1",
        "2–4",
        "5–9",
        "5–9",
        "50 and more",
    ]
    assert [change.labels[change.place(value)]["en"] for value in (-20, -5, -4, 0, 4, 5, 20)] == [
        "−20 and less",
        "−19 to −5",
        "−4 to −1",
        "no change",
        "+1 to +4",
        "+5 to +19",
        "+20 and more",
    ]


def test_the_unit_names_its_denominator() -> None:
    """A rate without one is no rate."""
    assert legend(classes("case_rate_households"))["title"] == {
        "zh": "事件率（件／千户）",
        "en": "Case rate (cases per 1,000 households)",
    }


def test_no_figure_is_not_nought() -> None:
    """Unknown, withheld and too few are hatched, each in its own way, and in the legend where shown."""
    made = classes("case_rate_households")
    assert fill(made, None).pattern == "none"
    assert fill(made, math.nan).place is None
    assert fill(made, 3.0, "withheld").place is None  # even if a figure came with it
    assert fill(made, 30.0, "unstable") != fill(made, 30.0)
    assert fill(made, 30.0, "unstable").colour == fill(made, 30.0).colour
    symbols = [entry["symbol"] for entry in legend(made, STATES)["entries"]]
    assert symbols[-4:] == ["hatch-unstable", "hatch-few", "hatch-withheld", "hatch-none"]
    assert "hatch-none" not in [entry["symbol"] for entry in legend(made)["entries"]]


@pytest.mark.browser
def test_the_browser_colours_alike(page: Page, tmp_path: Path) -> None:
    """Every measure, on steps, beside them, far out, without a number, in every state."""
    scripts = [read(name)[0].decode() for name in ("wangge.js", "choropleth.js")]
    path = tmp_path / "page.html"
    path.write_text("".join(f"<script>{script}</script>" for script in scripts), encoding="utf-8")
    page.goto(path.as_uri())
    asked, wanted = [], []
    for name in MEASURES:
        for level in LEVELS:
            made = classes(name, level)  # type: ignore[arg-type]
            values: list[float | None] = [None, 0.0, 1e9, -1e9]
            for step in made.ladder:
                for value in (step, math.nextafter(step, 0), math.nextafter(step, math.inf), step + 0.5):
                    values += [value, -value]
            for value in values:
                for state in STATES:
                    asked.append([f"{name}/{level}", value, state])
                    drawn = fill(made, value, state)
                    wanted.append([drawn.place, drawn.colour, drawn.pattern])
    specs = {f"{name}/{level}": classes(name, level).specification() for name in MEASURES for level in LEVELS}  # type: ignore[arg-type]
    found = page.evaluate(
        """([specs, asked]) => asked.map(([name, value, state]) => {
             const drawn = wangge.choropleth.fill(specs[name], value, state);
             return [drawn.place, drawn.colour, drawn.pattern];
           })""",
        [json.loads(json.dumps(specs)), asked],
    )
    assert len(found) > 2000
    assert found == wanted
