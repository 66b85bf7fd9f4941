"""Heat maps on the page: bands with the same colours everywhere, areas counted together, reasons in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from layers import palette
from layers.community_map import render
from layers.density import LADDER
from layers.group_bands import group_bands
from layers.heat_map import CaseHeat, GroupHeat
from layers.legend import legends
from layers.view import GroupSurface
from tests.browser import Page
from tests.layers.views import view

LOWERS = (5, 10, 20, 50, 100, 200, 500)
BANDS = tuple({"zh": f"{lower} 人起", "en": f"from {lower}"} for lower in LOWERS)
WHY = {
    "zh": "本区域 6 个网格合并后仍不足 10 人，或不足 20 户，为保护隐私不公布",
    "en": "withheld to protect privacy: fewer than 10 people, or fewer than 20 households, with all 6 grids",
}


def surface(*ranks: int, **changes: Any) -> GroupSurface:
    """The hand-made group with its three areas in these bands."""
    (group,) = view().groups
    labels = [BANDS[rank - 1] if rank else {"zh": "不足 5 人", "en": "fewer than 5"} for rank in ranks]
    cells = group.cells.assign(
        rank=list(ranks), **{f"label_{lang}": [label[lang] for label in labels] for lang in ("zh", "en")}
    )
    return replace(group, cells=cells, bands=BANDS, **changes)


def legend(group: GroupSurface) -> dict[str, Any]:
    """The group's legend."""
    return next(one for one in legends(view(groups=(group,))) if one["theme"].startswith("group:"))


def test_a_density_has_one_colour_wherever_it_is() -> None:
    """A quiet month is pale and a busy year is dark, by the same classes as on the centre's page."""
    assert view().cases is not None
    cells = view().cases.cells
    quiet = replace(view().cases, cells=cells.assign(value=np.linspace(1, 150, len(cells))))
    busy = replace(view().cases, cells=cells.assign(value=np.linspace(150, 30_000, len(cells))))
    drawn = [{one["lower"]: one for one in CaseHeat(each).data["classes"]} for each in (quiet, busy)]
    bounds = (0.0, *LADDER)
    assert [list(each) for each in drawn] == [list(bounds)] * 2
    for lower, upper, colour in zip(bounds, (*LADDER, None), palette.DENSITY, strict=True):
        for each in drawn:
            assert (each[lower]["upper"], each[lower]["colour"]) == (upper, colour)
    assert [lower for lower in bounds if drawn[0][lower]["rings"]] == [0.0, 100.0]
    assert [lower for lower in bounds if drawn[1][lower]["rings"]] == [*LADDER]
    # a value on a bound begins the next class, as in the browser
    edge = CaseHeat(replace(quiet, cells=cells.assign(value=100.0))).data["classes"]
    assert [bool(one["rings"]) for one in edge] == [lower == 100.0 for lower in bounds]
    legend = next(one for one in legends(view(cases=quiet)) if one["theme"] == "cases")
    labels = [entry["label"]["en"] for entry in legend["entries"]]
    assert labels[:2] == ["0–100", "100–200"]
    assert labels[8] == "20,000 or more"
    assert [entry["colour"] for entry in legend["entries"][:9]] == list(palette.DENSITY)
    assert "Classes are fixed" in legend["notes"][1]["en"]


def test_a_band_has_one_colour_wherever_it_is() -> None:
    """Whatever other bands a community has: maps of two communities, or of two years, can be compared."""
    few, many = group_bands(surface(1, 2, 2)), group_bands(surface(2, 5, 7))
    assert [band["rank"] for band in few] == [1, 2]
    assert [band["rank"] for band in many] == list(range(2, 8))
    assert many[0] == few[1]
    assert len({band["colour"] for band in [*few, *many]}) == 7
    drawn = GroupHeat(surface(2, 5, 0)).data["cells"]
    assert {cell["rank"]: cell["colour"] for cell in drawn} == {
        0: None,
        2: many[0]["colour"],
        5: many[3]["colour"],
    }


def test_the_legend_has_every_band_from_the_lowest_to_the_highest() -> None:
    """Gaps in between are seen as such."""
    found = legend(surface(2, 4, 4))
    assert [entry["label"]["en"] for entry in found["entries"]] == ["from 10", "from 20", "from 50"]
    assert [entry["symbol"] for entry in found["entries"]] == ["fill"] * 3
    hidden = legend(surface(0, 0, 0))
    assert [entry["symbol"] for entry in hidden["entries"]] == ["hatch"]


def test_what_is_counted_together_is_said() -> None:
    """Only where something is."""
    together = "Grids within a thick line are counted together"
    assert any(note["en"].startswith(together) for note in legend(surface(1, 1, 1))["notes"])
    alone = surface(1, 1, 1)
    alone = replace(alone, cells=alone.cells.assign(grids=["001", "003", "005"]))
    assert not any(note["en"].startswith(together) for note in legend(alone)["notes"])
    assert {cell["together"] for cell in GroupHeat(alone).data["cells"]} == {1}


def test_what_is_withheld_says_why() -> None:
    """In the legend, and on the area; each reason once."""
    group = surface(0, 0, 3)
    cells = group.cells.assign(**{f"why_{lang}": [text, text, ""] for lang, text in WHY.items()})
    told = legend(replace(group, cells=cells))
    assert told["entries"][-1] == {"symbol": "hatch", "label": {"zh": "不公布", "en": "withheld"}}
    assert [note for note in told["notes"] if note == WHY] == [WHY]
    drawn = GroupHeat(replace(group, cells=cells)).data["cells"]
    assert [cell["why"] for cell in drawn] == [WHY, WHY, None]


def test_no_area_is_said() -> None:
    group = surface(1, 1, 1)
    told = legend(replace(group, cells=group.cells.iloc[:0]))
    assert told["entries"] == []
    assert told["notes"][-1]["en"] == "No area can be published."


@pytest.mark.browser
def test_areas_are_drawn_and_told(page: Page, tmp_path: Any) -> None:
    """A line round what is counted together, its number of grids, and the reason under the pointer."""
    group = surface(2, 4, 0)
    cells = group.cells.assign(**{f"why_{lang}": ["", "", text] for lang, text in WHY.items()})
    path = tmp_path / "map.html"
    path.write_text(render(view(groups=(replace(group, cells=cells),)), lang="zh"), encoding="utf-8")
    page.goto(path.as_uri())
    page.check("input[value='group:elderly_alone']")
    expect(page.locator("path.wg-together")).to_have_count(2)
    words = [text for text in page.locator(".wg-band").all_text_contents() if text]
    assert sorted(words) == ["10 人起（3 格合计）", "50 人起（2 格合计）", "不公布"]
    page.locator("path[data-code='990101001001005']").hover(position={"x": 20, "y": 20})
    expect(page.locator(".wg-tip").last).to_contain_text("为保护隐私不公布")
    page.locator("path[data-code='990101001001001']").hover(position={"x": 20, "y": 20})
    expect(page.locator(".wg-tip").last).to_contain_text("10 人起（网格 001、002、004 合计）")
    page.check("input[value=grids]")
    expect(page.locator("path.wg-together")).to_have_count(0)
