"""Names of communities on a street office's page: folded or shortened, none lies on another community."""

from __future__ import annotations

import geopandas as gpd
import pytest
from playwright.sync_api import Browser, Page, expect

from layers.centre_map import render
from tests.browser import Trouble, closed_page
from tests.layers import views
from tests.layers.centre_town import ADDRESS, Town, centre_view, serving

pytestmark = pytest.mark.browser

NAMES = ("滨江新区城市综合服务示范片区第二十三社区居民委员会", "", "柳湾社区")
STARTS = (NAMES[0], "990101001002", NAMES[2])
SLACK = 12  # pixels; a letter's


def page_of_three() -> str:
    """The hand-made community cut into three of 200 m by 400 m, side by side."""
    codes = [f"99010100100{number}" for number in (1, 2, 3)]
    shapes = [views.box(200 * column, 0, 200, 400) for column in range(3)]
    communities = gpd.GeoDataFrame({"code": codes, "name": NAMES}, geometry=shapes, crs=views.METRIC)
    grids = centre_view().grids
    grids = grids.assign(community=[codes[number % 3] for number in range(len(grids))])
    return render(centre_view(communities=views.to_degrees(communities), grids=grids), lang="zh")


@pytest.mark.parametrize(
    ("width", "height", "query"), [(1280, 720, ""), (390, 844, ""), (1920, 1080, "wall=1")]
)
def test_a_name_lies_on_no_other_community(browser: Browser, width: int, height: int, query: str) -> None:
    """A long name is folded or shortened, of a code the end is told."""
    trouble = Trouble()
    with serving(Town()) as address, closed_page(browser, trouble, width, height) as page:
        body = page_of_three()
        page.route(
            f"**{ADDRESS}?{query}",
            lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"),
        )
        page.goto(f"{address}?{query}")
        expect(page.locator(".cc-figure")).not_to_have_count(0)
        expect(page.locator("path.cc-community")).to_have_count(3)
        # a grid of the community without a name is told with the code
        assert page.evaluate("centre.grid_name(centre.page.grids[1])").startswith("990101001002 ")
        whole = names_and_areas(page)
        assert len(whole) == 3
        for text, box, others in whole:
            for other in others:
                across = min(box[2], other[2]) - max(box[0], other[0])
                down = min(box[3], other[3]) - max(box[1], other[1])
                assert min(across, down) < SLACK, (text, box, other)
    assert trouble == Trouble()


def names_and_areas(page: Page) -> list[tuple[str, list[float], list[list[float]]]]:
    """Each name, its box, and the boxes of the communities that it does not name."""
    names, areas = page.evaluate(
        """() => {
          const all = of => [...document.querySelectorAll(of)];
          const sides = ["left", "top", "right", "bottom"];
          const box = one => { const at = one.getBoundingClientRect(); return sides.map(side => at[side]); };
          return [all(".cc-community-name b").map(node => [node.textContent, box(node)]),
                  all("path.cc-community").map(box)];
        }"""
    )
    told = []
    for text, box in names:
        whose = [n for n, start in enumerate(STARTS) if text.lstrip("…")[:2] in start]
        assert len(whose) == 1, text
        told.append((text, box, [area for n, area in enumerate(areas) if n != whose[0]]))
    return told
