"""An area chosen on the centre's page, where areas of publication and communities do not keep to it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from playwright.sync_api import Browser, Page, Route, expect

from layers.assets import read
from layers.centre_map import AreaOfGrids, CentreView, render
from layers.view import GroupSurface
from tests.browser import Trouble, closed_page
from tests.layers.centre_town import ADDRESS, base, centre_view

pytestmark = pytest.mark.browser

CODE, OTHER = "990101001001", "990101001002"


def area(number: int, *grids: int, community: str = CODE) -> AreaOfGrids:
    """An area of the grids with these numbers."""
    names = {"zh": f"第{number}片区", "en": f"area {number}"}
    codes = [f"{community}{grid:03d}" for grid in grids]
    return AreaOfGrids(f"above1-{number}", community, -1, {"zh": "片区", "en": "area"}, names, "", codes)


def coded(surface: GroupSurface, community: str = CODE) -> GroupSurface:
    """The surface with whole codes, as the service makes it."""
    cells = surface.cells
    whole = [" ".join(f"{community}{short}" for short in text.split(", ")) for text in cells["grids"]]
    return replace(surface, cells=cells.assign(codes=whole))


def open_view(page: Page, view: CentreView, query: str) -> None:
    """The page of the view, answered without a server."""
    html = render(view, lang="zh", assets="static")

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path == ADDRESS:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif path == f"{ADDRESS}/base":
            route.fulfill(
                body=json.dumps(base("bbox=" in route.request.url)), content_type="application/json"
            )
        else:
            content, kind = read(path.removeprefix("/static/"))
            route.fulfill(body=content, content_type=kind)

    page.route("http://127.0.0.1/**", answer)
    page.goto(f"http://127.0.0.1{ADDRESS}?{query}")
    expect(page.locator("html")).to_have_attribute("data-ready", "true")


def test_people_of_an_area_are_what_is_published_of_its_grids(browser: Browser) -> None:
    """Of three areas of publication one lies in both areas: it is shown whole in either, and told so."""
    plain = centre_view(cases=False, categories=(), statuses=(), tiers=(), card=False)
    view = replace(
        plain, groups=tuple(coded(one) for one in plain.groups), areas=(area(1, 1, 4, 5), area(2, 2, 3, 6))
    )
    cells, legend = ".leaflet-wg-groups-pane path.wg-heat-cell", "#cc-legend"
    trouble = Trouble()
    with closed_page(browser, trouble) as page:
        open_view(page, view, "lang=zh&theme=people&list=grids")
        expect(page.locator(cells)).to_have_count(3)
        expect(page.locator("#cc-list .cc-entry")).to_have_count(6)
        expect(page.locator(legend)).not_to_contain_text("处")
        for number, shown, counts, grids in (
            (1, 2, ["1 处"], [1, 4, 5]),
            (2, 2, ["1 处", "1 处"], [2, 3, 6]),
        ):
            page.locator(".cc-way button, .cc-way span").first.click()
            page.locator(".cc-below button").nth(number - 1).click()
            expect(page.locator(cells)).to_have_count(shown)
            expect(page.locator(f"{legend} h2")).to_have_text(f"独居老人 · 第{number}片区")
            entries = page.locator(f"{legend} li").all_inner_texts()
            assert [text.split(" · ")[1] for text in entries if " · " in text] == counts
            expect(page.locator(legend)).to_contain_text("其中 1 处与片区外的网格合并公布")
            assert ("不公布" in page.locator(legend).inner_text()) == (number == 1)  # grid 005
            told = page.locator("#cc-list .cc-entry").evaluate_all("nodes => nodes.map(n => n.dataset.code)")
            assert told == [f"{CODE}{grid:03d}" for grid in grids]
            # what the page says of a grid in front is the band of the whole, as it is without an area
            tip = page.evaluate(f"wangge.tips['group:elderly_alone'](centre.grid('{CODE}{grids[0]:03d}'))")
            assert "10–19 人" in tip
        page.locator(".cc-way button").first.click()
        expect(page.locator(cells)).to_have_count(3)
        assert trouble == Trouble()


def test_grids_of_two_communities_with_one_number_are_not_confused(browser: Browser) -> None:
    plain = centre_view(cases=False, categories=(), statuses=(), tiers=(), card=False)

    def east(frame: gpd.GeoDataFrame, **columns: Any) -> gpd.GeoDataFrame:
        shapes = [shapely.affinity.translate(shape, 0.01) for shape in frame.geometry]
        return frame.set_geometry(gpd.GeoSeries(shapes, index=frame.index, crs=4326)).assign(**columns)

    codes = plain.grids["code"].str.replace(CODE, OTHER)
    grids = pd.concat([plain.grids, east(plain.grids, code=codes, community=OTHER)], ignore_index=True)
    communities = pd.concat(
        [plain.communities, east(plain.communities, code=OTHER, name="松林社区")], ignore_index=True
    )
    (group,) = (coded(one) for one in plain.groups)
    theirs = east(coded(group, OTHER).cells, label_zh="50–99 人", rank=2)
    joined = replace(group, cells=pd.concat([group.cells, theirs], ignore_index=True))
    view = replace(
        plain,
        communities=communities,
        grids=grids,
        groups=(joined,),
        areas=(area(1, 1, 4, 5), area(1, 1, 2, 3, community=OTHER)),
    )
    trouble = Trouble()
    with closed_page(browser, trouble) as page:
        open_view(page, view, f"lang=zh&theme=people&area={OTHER}:above1-1")
        tips = [
            page.evaluate(f"wangge.tips['group:elderly_alone'](centre.grid('{code}001'))")
            for code in (CODE, OTHER)
        ]
        assert "10–19 人" in tips[0]
        assert "50–99 人" in tips[1]
        shown = page.evaluate(
            "centre.page.groups[0].cells"
            ".filter(cell => cell.codes.some(code => centre.area().grids.includes(code))).length"
        )
        expect(page.locator(".leaflet-wg-groups-pane path.wg-heat-cell")).to_have_count(shown)
        assert shown == 2
        assert trouble == Trouble()
