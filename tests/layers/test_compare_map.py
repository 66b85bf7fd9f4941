"""The compare page: both maps in step, what differs marked on both, figures as text, without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely
from playwright.sync_api import Browser, Page, expect

from layers.choropleth import classes
from layers.compare_map import Choice, CompareView, Difference, Figure, Side, render
from layers.coordinates import packed_lines
from tests.browser import Trouble, accessibility_faults, closed_page
from tests.layers.test_community_map import EVIL
from tests.layers.views import box, community, grids, streets, to_degrees

NONE = {"zh": "没有差异。", "en": "Nothing differs."}
HOUSEHOLDS = {"zh": "户数", "en": "Households"}


def words(text: str) -> dict[str, str]:
    """The text in both languages."""
    return {"zh": text, "en": f"{text} (en)"}


def ground() -> dict[str, Any]:
    """The streets as the service tells them."""
    found = to_degrees(streets())
    kinds = {kind: packed_lines(rows.geometry) for kind, rows in found.groupby("class")}
    names = [{"name": "和平街", "class": "local", "lines": kinds["local"]}]
    return {"streets": kinds, "bridges": {}, "tunnels": {}, "names": names}


def side(title: str, frame: gpd.GeoDataFrame, **more: Any) -> Side:
    """A side of these grids, with their households as cells."""
    cells = [[f"{households} 户", "–"] for households in frame["households"]]
    told = to_degrees(frame.assign(cells=cells))
    return Side(title, words(title), words(f"{len(frame)} 个网格"), told, **more)


def plans(**changes: Any) -> CompareView:
    """Six grids; on the right the border between 002 and 003 lies 60 m further east, and 006 is divided."""
    before = grids()[["code", "households", "geometry"]]
    after = before.copy()
    after.loc[1, "geometry"] = box(200, 200, 260, 200)
    after.loc[2, "geometry"] = box(460, 200, 140, 200)
    after.loc[5, "geometry"] = box(400, 0, 100, 200)
    new = gpd.GeoDataFrame(
        {"code": ["990101001001007"], "households": [200]}, geometry=[box(500, 0, 100, 200)], crs=before.crs
    )
    after = gpd.GeoDataFrame(shapely_rows(after, new), crs=before.crs)
    gone = to_degrees(gpd.GeoDataFrame(geometry=[line(400)], crs=before.crs)).geometry
    come = to_degrees(gpd.GeoDataFrame(geometry=[line(460)], crs=before.crs)).geometry
    moved = to_degrees(gpd.GeoDataFrame(geometry=[box(410, 240, 30, 90)], crs=before.crs)).geometry
    fields: dict[str, Any] = {
        "kind": "plans",
        "code": "990101001001",
        "name": words("柳湾社区"),
        "address": "/centre/990101001001/compare",
        "left": side("plan:1", before, borders=gone),
        "right": side("plan:2", after, borders=come),
        "communities": to_degrees(community()),
        "twins": {code: code for code in before["code"]},
        "columns": [HOUSEHOLDS, words("常住人口")],
        "figures": [Figure(HOUSEHOLDS, "2,115", "2,315", "+200")],
        "differences": [Difference(words("003 划出 1 栋给 002"), ("990101001001003", "990101001001002"))],
        "none": NONE,
        "moved": moved,
        "ground": ground(),
        "choices": [Choice("plan:1", words("方案 1")), Choice("plan:2", words("方案 2"))],
        "role": "planner",
        "synthetic": True,
    }
    return CompareView(**{**fields, **changes})


def line(east: float) -> shapely.LineString:
    """A north-south line through the upper row."""
    west, south, _, north = box(east, 200, 1, 200).bounds
    return shapely.LineString([(west, south), (west, north)])


def shapely_rows(*frames: gpd.GeoDataFrame) -> dict[str, list[Any]]:
    """The frames' rows below each other."""
    names = ("code", "households", "geometry")
    return {name: [value for frame in frames for value in frame[name]] for name in names}


def periods() -> CompareView:
    """The six grids twice, with cases."""
    frame = grids()[["code", "households", "geometry"]]
    one = frame.assign(
        value=[0.0, 3.0, 12.0, 60.0, None, 5.0], state=["shown"] * 4 + ["withheld", "unstable"]
    )
    other = frame.assign(value=[1.0, 3.0, 30.0, 20.0, None, 5.0], state=["shown"] * 4 + ["withheld", "shown"])
    return plans(
        kind="periods",
        left=side("2026-09", one),
        right=side("2026-10", other),
        differences=[Difference(words("003 增加 18 件"), ("990101001001003",), "more")],
        measure=classes("cases"),
        moved=None,
        columns=[words("事件数"), words("变化")],
    )


def opened(page: Page, path: Path, view: CompareView, lang: Any = "zh") -> None:
    """The view as a file, in the browser."""
    path.write_text(render(view, lang=lang, assets="inline"), encoding="utf-8")
    page.goto(path.as_uri())
    expect(page.locator("html")).to_have_attribute("data-ready", "true")


WHERE = """() => compare_maps().map(map => {
  const at = map.project(map.getCenter(), map.getZoom());
  return [map.getZoom(), at.x, at.y];
})"""
MAPS = "window.compare_maps = () => Object.values(window).filter(value => value instanceof L.Map)"


def test_names_from_files_stay_text() -> None:
    """Markup in any text comes out escaped or as data."""
    evil = plans(
        name={"zh": EVIL, "en": EVIL},
        differences=[Difference({"zh": EVIL, "en": EVIL}, ("990101001001003",))],
        figures=[Figure({"zh": EVIL, "en": EVIL}, EVIL, EVIL, EVIL)],
        choices=[Choice(EVIL, {"zh": EVIL, "en": EVIL})],
        attribution={"zh": EVIL, "en": EVIL},
    )
    text = render(evil, lang="zh")
    assert "alert(1)</script>" not in text
    assert "<img" not in text
    assert "1337" not in text


def test_the_same_view_is_the_same_page() -> None:
    """Whatever the order of rows; and it is small."""
    view = plans()
    turned = plans(right=Side(**{**vars(view.right), "grids": view.right.grids.iloc[::-1]}))
    assert render(view) == render(turned)
    assert len(render(view, assets="inline").encode()) < 500_000


def test_grids_keep_their_colours_across_plans() -> None:
    """A grid and its twin have one colour, so that what is new stands out."""
    found = re.search(r'id="wangge-page">(.*?)</script>', render(plans()), re.DOTALL)
    assert found is not None
    page = json.loads(found[1])
    left = {grid["code"]: grid["colour"] for grid in page["left"]["grids"]}
    right = {grid["code"]: grid["colour"] for grid in page["right"]["grids"]}
    assert sum(left[code] == right[code] for code in left) >= 5
    assert right["990101001001006"] != right["990101001001007"]


def in_step(places: list[list[float]]) -> bool:
    """Whether both maps have one zoom, and their middles lie within a pixel."""
    return all(abs(one - other) <= 1 for one, other in zip(*places, strict=True))


@pytest.mark.browser
def test_both_maps_move_in_step(page: Page, tmp_path: Path) -> None:
    """Zoomed by wheel and button, dragged, and by the keyboard: one place and scale on both."""
    opened(page, tmp_path / "page.html", plans())
    page.evaluate(MAPS)
    first = page.evaluate(WHERE)
    assert in_step(first)
    left, right = (page.locator(f"[data-side={name}] .folium-map") for name in ("left", "right"))
    left.hover()
    page.mouse.wheel(0, -600)
    page.wait_for_function(f"zoom => ({WHERE})()[1][0] > zoom", arg=first[0][0])
    zoomed = page.evaluate(WHERE)
    assert in_step(zoomed)
    assert zoomed[0] != first[0]
    box_of = right.bounding_box()
    assert box_of is not None
    page.mouse.move(box_of["x"] + 150, box_of["y"] + 200)
    page.mouse.down()
    page.mouse.move(box_of["x"] + 90, box_of["y"] + 140, steps=5)
    page.mouse.up()
    dragged = page.evaluate(WHERE)
    assert in_step(dragged)
    assert abs(dragged[0][1] - zoomed[0][1]) > 30
    page.locator("[data-side=right] .leaflet-control-zoom-in").click()
    page.wait_for_function(f"zoom => ({WHERE})()[0][0] > zoom", arg=dragged[0][0])
    assert in_step(page.evaluate(WHERE))


@pytest.mark.browser
def test_hover_and_choice_show_on_both_sides(page: Page, tmp_path: Path) -> None:
    """The twin is outlined too, a ring marks the pointer; the table holds both sides; Escape ends it."""
    opened(page, tmp_path / "page.html", plans())
    other = page.locator("[data-side=right] .leaflet-wg-chosen-pane path:not([d='M0 0'])")
    expect(other).to_have_count(0)
    page.locator("[data-side=left] path.wg-grid").nth(2).hover()
    expect(other).to_have_count(1)
    expect(page.locator("[data-side=right] .leaflet-wg-numbers-pane path")).to_have_count(1)
    page.locator("[data-side=left] path.wg-grid").nth(2).click()
    box_of = page.locator("#cm-grid")
    expect(box_of.locator("h2")).to_have_text("网格 003")
    assert box_of.locator("tr", has_text="户数").all_inner_texts() == ["户数\t330 户\t330 户"]
    page.keyboard.press("Escape")
    expect(box_of).to_be_hidden()
    page.locator("[data-side=right] path.wg-grid").nth(6).focus()
    page.keyboard.press("Enter")
    expect(box_of.locator("h2")).to_be_focused()
    assert box_of.locator("tr").nth(1).inner_text() == "编码\t无\t990101001001007"


@pytest.mark.browser
def test_changed_borders_and_moved_buildings_are_marked(page: Page, tmp_path: Path) -> None:
    """Each side its own borders, both the buildings; a difference leads to its grid."""
    opened(page, tmp_path / "page.html", plans())
    for name in ("left", "right"):
        expect(page.locator(f"[data-side={name}] .leaflet-wg-changed-pane path")).to_have_count(2)
        expect(page.locator(f"[data-side={name}] .leaflet-wg-moved-pane path")).to_have_count(1)
    page.click("text=003 划出 1 栋给 002")
    expect(page.locator("#cm-grid h2")).to_have_text("网格 003")
    page.click("[data-lang=en]")
    expect(page.locator("#cm-grid h2")).to_have_text("Grid 003")
    expect(page).to_have_title("柳湾社区 (en) · compared")
    expect(page.locator("option").first).to_have_text("方案 1 (en)")


@pytest.mark.browser
def test_periods_share_their_classes(page: Page, tmp_path: Path) -> None:
    """One number has one colour on both sides; what is withheld is hatched and in the legend."""
    opened(page, tmp_path / "page.html", periods(), "en")
    fills = {
        name: [
            shape.get_attribute("fill") for shape in page.locator(f"[data-side={name}] path.wg-grid").all()
        ]
        for name in ("left", "right")
    }
    assert fills["left"][1] == fills["right"][1]
    assert fills["left"][2] != fills["right"][2]
    assert fills["left"][4] == fills["right"][4] == "url(#wg-withheld-f4f2ee)"
    assert (fills["left"][5] or "").startswith("url(#wg-unstable")
    legend = page.locator("[data-side=left] .cm-key li").all_inner_texts()
    assert legend[:2] == ["0", "1"]
    assert legend[-2:] == ["few cases: unstable", "withheld to protect privacy"]
    # under both titles, and the grids' own figures with it: without scrolling, at 1280 by 720
    for name in ("left", "right"):
        expect(page.locator(f"[data-side={name}] .cm-key li").last).to_be_in_viewport()
        figures = page.locator(f"[data-side={name}] .wg-number small").all_inner_texts()
        assert sum(text != "" for text in figures) >= 5


@pytest.mark.browser
def test_phone(browser: Browser, trouble: Trouble, tmp_path: Path) -> None:
    """One below the other, nothing wider than the screen."""
    with closed_page(browser, trouble, 390, 844) as page:
        opened(page, tmp_path / "page.html", plans())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [page.locator(f"[data-side={name}] .folium-map").bounding_box() for name in ("left", "right")]
        assert boxes[0] is not None
        assert boxes[1] is not None
        assert boxes[0]["y"] + boxes[0]["height"] < boxes[1]["y"]
        assert boxes[0]["width"] == boxes[1]["width"] == 390
        page.locator("[data-side=left] path.wg-grid").first.click()
        expect(page.locator("#cm-grid h2")).to_have_text("网格 001")
    assert trouble == Trouble()


@pytest.mark.browser
def test_nothing_serious_stands_in_the_way_of_anybody(page: Page, tmp_path: Path) -> None:
    """axe-core, with a grid chosen, for plans and for periods."""
    for name, view in (("plans", plans()), ("periods", periods())):
        opened(page, tmp_path / f"{name}.html", view)
        page.locator("[data-side=left] path.wg-grid").first.click()
        expect(page.locator("#cm-grid h2")).to_be_visible()
        assert accessibility_faults(page) == []
