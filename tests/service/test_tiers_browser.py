"""The levels of the centre's page in Chromium: from the community through area and grid to the small grid."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from service import db
from service.access import Principal, Role
from tests.browser import Trouble, accessibility_faults, closed_page

from .api import Served, fill, serve
from .towns import CODE

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = [pytest.mark.database, pytest.mark.browser]


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """The published town, whose grids lie in three areas and are divided into small grids."""
    with serve(module_database, fill(module_database)) as served:
        yield served


def enter(page: Page, town: Served, role: Role, address: str = f"/centre/{CODE}?lang=zh&theme=grids") -> None:
    """Log in and open the page."""
    if role is not Role.PUBLIC:
        page.goto(f"{town.address}/login?token={town.accounts.invite(Principal(role, subject='levels'))}")
    page.goto(f"{town.address}{address}")
    expect(page.locator("html")).to_have_attribute("data-ready", "true")


def way(page: Page) -> list[str]:
    """Where the page says that one is."""
    return page.locator(".cc-way > button, .cc-way > span").all_inner_texts()


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CENTRE])
def test_every_level_is_reached_by_keys_and_stands_in_the_address(
    town: Served, browser: Browser, role: Role
) -> None:
    trouble = Trouble()
    with closed_page(browser, trouble) as page:
        told: list[str] = []
        page.on("response", lambda one: told.append(one.text()) if "/collections/tiers" in one.url else None)
        enter(page, town, role)
        below = page.locator(".cc-below button")
        expect(below).to_have_text(["第1片区", "第2片区", "第3片区"])
        assert way(page) == ["全社区"]
        below.first.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".cc-way [aria-current]")).to_have_text("第1片区")
        expect(page.locator(".cc-way [aria-current]")).to_be_focused()
        grids = below.all_inner_texts()
        members = town.rows(
            "select grids, households from tiers where valid_to is null and level = -1 limit 1"
        )
        assert grids == [code[-3:] for code in sorted(members[0].grids)]
        expect(page.locator(".cc-way small")).to_contain_text(
            f"{len(grids)} 个网格 · {members[0].households:,} 户 · "
        )
        assert faults_at_rest(page) == []
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".cc-way [aria-current]")).to_have_text(f"网格 {grids[0]}")
        expect(page.locator("#cc-card")).to_be_visible()
        expect(below.first).to_have_text("微网格 1")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".cc-way [aria-current]")).to_have_text("微网格 1")
        assert way(page) == ["全社区", "第1片区", f"网格 {grids[0]}", "微网格 1"]
        # what the link says is what is shown again, and back leads back
        page.reload()
        expect(page.locator(".cc-way [aria-current]")).to_have_text("微网格 1")
        page.go_back()
        expect(page.locator(".cc-way [aria-current]")).to_have_text(f"网格 {grids[0]}")
        page.locator(".cc-way button").first.click()
        expect(below).to_have_text(["第1片区", "第2片区", "第3片区"])
        assert "area=" not in page.url
        assert "grid=" not in page.url
        small = [one["properties"] for text in told for one in json.loads(text)["features"]]
        assert small
        for one in small:  # a shape: what may be known of it beyond that is the planner's and the centre's
            if one["level"] > 0:
                assert (one["households"] is None) == (role is Role.PUBLIC)
        assert trouble == Trouble()


def test_a_grid_chosen_elsewhere_tells_where_it_lies(town: Served, browser: Browser) -> None:
    rows = town.rows("select grids[1] as code, name_en from tiers where valid_to is null and level = -1")
    with closed_page(browser, Trouble()) as page:
        enter(page, town, Role.PUBLIC)
        for row in rows[1:]:
            page.locator(".cc-below button").first.click()
            page.evaluate("code => centre.change({grid: code})", row.code)
            name = row.name_en.capitalize()
            page.evaluate("wangge.translate('en')")
            expect(page.locator(".cc-way")).to_contain_text(f"{name}›Grid {row.code[-3:]}")
            assert "area=" not in page.url  # the area that was chosen is left
            page.evaluate("wangge.translate('zh')")
            page.locator(".cc-way button").first.click()


def test_several_communities_lead_to_their_areas(town: Served, browser: Browser) -> None:
    trouble = Trouble()
    with closed_page(browser, trouble, 390, 844) as page:
        enter(page, town, Role.CENTRE, f"/centre/{CODE[:9]}?lang=en&theme=grids")
        expect(page.locator(".cc-levels")).to_be_hidden()
        page.locator(f"[data-community='{CODE}']").focus()
        page.keyboard.press("Enter")
        below = page.locator(".cc-below button")
        expect(below).to_have_text(["Area 1", "Area 2", "Area 3"])
        below.nth(1).click()
        expect(page.locator(".cc-way [aria-current]")).to_have_text("Area 2")
        assert len(way(page)) == 3
        below.first.click()
        expect(page.locator(".cc-below button").first).to_have_text("Small grid 1")
        page.locator("#cc-card .wg-close").click()
        expect(page.locator(".cc-way [aria-current]")).to_have_text("Area 2")
        page.locator(".cc-way button").nth(1).click()
        expect(below).to_have_text(["Area 1", "Area 2", "Area 3"])
        assert faults_at_rest(page) == []
        # the whole is that of the office again
        page.keyboard.press("Escape")
        page.keyboard.press("0")
        expect(page.locator(".cc-levels")).to_be_hidden()
        expect(page.locator(f"[data-community='{CODE}']")).to_be_visible()
        assert trouble == Trouble()


def faults_at_rest(page: Page) -> list[str]:
    """What axe-core finds when no figures are on their way: until they come the old ones are pale."""
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    return accessibility_faults(page)


def drawn_cells(page: Page) -> Locator:
    """The areas of publication that the map shows; lines round those counted together are not among them."""
    return page.locator(".leaflet-wg-groups-pane path.wg-heat-cell")


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CENTRE])
def test_everything_follows_the_area_and_back_leads_to_the_whole(
    town: Served, browser: Browser, role: Role
) -> None:
    trouble = Trouble()
    members = town.rows("select grids from tiers where valid_to is null and level = -1 order by key")
    inside = sorted(members[1].grids)
    area = f"{CODE}:above1-2"
    client = town.client(role)
    span = "datetime=2026-01-01/2026-03-01"
    told = {name: client.get(f"/centre/{CODE}/cases?{span}{name}").json() for name in ("", f"&area={area}")}
    whole, part = told[""], told[f"&area={area}"]
    assert 0 < part["total"] < whole["total"]
    with closed_page(browser, trouble) as page:
        enter(page, town, role, f"/centre/{CODE}?lang=zh&theme=grids&list=grids&{span}")
        total = page.locator("#cc-figures dd").first
        expect(total).to_contain_text(f"{whole['total']:,}")
        entries = page.locator("#cc-list .cc-entry")
        expect(entries).to_have_count(len(whole["by_grid"]))
        kinds = page.evaluate("centre.page.facilities.map(kind => [kind.kind, kind.points.length])")
        page.locator(".cc-below button").nth(1).click()
        # figures, words, lists
        expect(total).to_contain_text(f"{part['total']:,}")
        expect(page.locator("#cc-summary")).to_contain_text("第2片区：")
        expect(page.locator("#cc-chips")).to_contain_text("第2片区")
        expect(entries).to_have_count(len(part["by_grid"]))
        codes = {
            code for text in entries.evaluate_all("n => n.map(x => x.dataset.codes)") for code in text.split()
        }
        assert codes == {code for row in part["by_grid"] for code in row["grids"]}
        assert codes >= set(inside)
        expect(page.locator(".cc-list-area")).to_contain_text(f"第2片区 · {len(inside)} 个网格")
        page.locator("#cc-tab-newest").click()
        expect(entries).to_have_count(len(part["newest"]))
        ids = entries.evaluate_all("n => n.map(x => x.dataset.id)")
        assert ids == [one["id"] for one in part["newest"]]
        # facilities: how many stand in it
        inner = page.evaluate(
            "centre.page.facilities.map(k => k.points.filter(p => centre.area().contains(p[0], p[1])).length)"
        )
        counts = page.locator("input[name=wg-kind] ~ .cc-count").all_text_contents()
        assert [int(text) for text in counts] == inner
        assert sum(inner) < sum(count for _, count in kinds)
        # people: what is published of its grids, whole
        page.locator("input[name=cc-theme][value=people]").check(force=True)
        expect(page.locator("#cc-legend h2")).to_contain_text(" · 第2片区")
        cells = page.evaluate(
            "centre.page.groups.find(g => g.group === centre.view.choice).cells.map(c => c.codes)"
        )
        mine = [cell for cell in cells if set(cell) & set(inside)]
        assert 0 < len(mine) < len(cells) or len(cells) == 1
        expect(drawn_cells(page)).to_have_count(len(mine))
        beyond = [cell for cell in mine if set(cell) - set(inside)]
        expect(page.locator("#cc-legend")).to_contain_text("网格合并公布" if beyond else "第2片区")
        # statistics and heat are of the whole, and say so
        for theme, words in (("statistics", "第2片区以外淡显"), ("heat", "只显示第2片区")):
            page.locator(f"input[name=cc-theme][value={theme}]").check(force=True)
            expect(page.locator("#cc-legend")).to_contain_text(words, timeout=30_000)
        # the address says all of it, to somebody else as well
        address = page.url
        page.goto("about:blank")
        page.goto(address)
        expect(total).to_contain_text(f"{part['total']:,}")
        expect(page.locator(".cc-way [aria-current]")).to_have_text("第2片区")
        page.locator("input[name=cc-theme][value=people]").check(force=True)
        expect(page.locator("#cc-legend h2")).to_contain_text(" · 第2片区")
        expect(drawn_cells(page)).to_have_count(len(mine))
        assert faults_at_rest(page) == []
        # its grids keep it, and the way out leads to the whole
        page.locator(".cc-below button").first.click()
        expect(page.locator("#cc-card")).to_be_visible()
        expect(total).to_contain_text(f"{part['total']:,}")
        page.go_back()
        expect(page.locator("#cc-card")).to_be_hidden()
        assert "area=" in page.url
        page.locator("#cc-chips .cc-chip", has_text="第2片区").click()
        expect(total).to_contain_text(f"{whole['total']:,}")
        expect(drawn_cells(page)).to_have_count(len(cells))
        page.go_back()
        expect(total).to_contain_text(f"{part['total']:,}")
        expect(drawn_cells(page)).to_have_count(len(mine))
        assert trouble == Trouble()


def test_an_area_that_is_no_more_is_left(town: Served, browser: Browser) -> None:
    """An address from before a new plan."""
    trouble = Trouble()
    with closed_page(browser, trouble) as page:
        enter(page, town, Role.CENTRE, f"/centre/{CODE}?lang=zh&theme=grids&area={CODE}:above1-9")
        expect(page.locator("#cc-summary")).not_to_contain_text("片区：")
        expect(page.locator("#cc-figures dd").first).to_be_visible()
        assert way(page) == ["全社区"]
        assert trouble == Trouble()
