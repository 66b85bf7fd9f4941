"""The centre's page in Debian's Chromium with the network closed, before a hand-made town that answers it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from layers.choropleth import classes
from tests.browser import Trouble, accessibility_faults, closed_page
from tests.layers.centre_town import ADDRESS, BEIJING, CATEGORIES, Town, serving

pytestmark = pytest.mark.browser

GRID = "990101001001002"


@pytest.fixture
def town() -> Town:
    """A town to itself: what a test adds to it or breaks, no other sees."""
    return Town()


@pytest.fixture
def address(town: Town) -> Iterator[str]:
    """Where the town's page is."""
    with serving(town) as served:
        yield served


@pytest.fixture
def page(address: str, page: Page) -> Page:
    """Opened after its server, so closed before it: else it would note that its stream is refused."""
    del address
    return page


def open_page(page: Page, address: str, query: str = "") -> None:
    """Open the page and wait until its figures are there."""
    page.goto(f"{address}?{query}" if query else address)
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    expect(page.locator(".cc-figure")).not_to_have_count(0)


def asked(page: Page) -> dict[str, list[str]]:
    """What stands in the page's address."""
    return parse_qs(urlsplit(page.url).query)


def total(page: Page) -> int:
    """The first of the key numbers."""
    text = page.locator(".cc-figure dd").first.evaluate("node => node.firstChild.textContent")
    return int(str(text).replace(",", ""))


def painted(page: Page) -> int:
    """How many pixels of the surface are not empty."""
    counted: int = page.evaluate(
        """() => { const canvas = document.querySelector(".cc-surface");
           if (!canvas || !canvas.isConnected) return 0;
           const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
           let count = 0; for (let i = 3; i < data.length; i += 4) if (data[i]) count++; return count; }"""
    )
    return counted


def test_the_page_is_drawn(page: Page, address: str, town: Town) -> None:
    """Map, base, grids, heat, filters with numbers, summary, list, live."""
    open_page(page, address)
    expect(page.locator(".wg-number b")).to_have_text([f"00{n}" for n in range(1, 7)])
    expect(page.locator(".wg-name")).not_to_have_count(0)
    expect(page.locator(".cc-surface")).to_be_visible()
    assert painted(page) > 10_000
    expect(page.locator("#cc-legend h2")).to_have_text("事件密度：件／平方公里·月（30 天）")
    expect(page.locator("#cc-summary")).to_contain_text("所选 30 天内共")
    assert total(page) == len(town.figures({})["newest"]) or total(page) == town.figures({})["total"]
    expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
    expect(page.locator(".cc-entry")).to_have_count(50)
    counts = page.locator("[data-filter=category] .cc-count").all_text_contents()
    assert sum(map(int, counts)) == total(page)
    # the whole area is seen beside the panels, and not in the address: nobody moved the map
    assert "at" not in asked(page)
    left, right = page.locator("#cc-legend").bounding_box(), page.locator("#cc-right").bounding_box()
    assert left is not None
    assert right is not None
    for shape in page.locator("path.wg-grid").all():
        box = shape.bounding_box()
        assert box is not None
        assert left["x"] + left["width"] <= box["x"]
        assert box["x"] + box["width"] <= right["x"]


@pytest.mark.parametrize("role", ["public", "planner"])
def test_a_theme_that_is_not_for_the_reader_is_told_of(
    page: Page, address: str, town: Town, role: str
) -> None:
    """A link from somebody who sees more opens with what there is, says so, and leads to it by a login."""
    town.role = role
    open_page(page, address, "lang=en&theme=reach:clinic&last=7d")
    link, note = page.url, page.locator("#cc-note")
    expect(note).to_have_text(
        re.compile("The link leads to “Reach”, which is for other roles or has no data here. “Heat” is shown")
    )
    page.click("[data-lang=zh]")
    expect(note).to_contain_text("链接要看的是“服务圈”")
    way = note.get_by_role("link", name="登录查看")
    if role == "public":
        way.evaluate("node => node.addEventListener('click', event => event.preventDefault())")
        way.click()
        told = parse_qs(urlsplit(str(way.get_attribute("href"))).query)
        assert told == {"lang": ["zh"], "next": [link.removeprefix(address.removesuffix(ADDRESS))]}
    else:  # who is logged in already is not asked to be
        expect(way).to_have_count(0)
    page.click("label:has(input[name=cc-theme][value=grids])")
    expect(note).to_be_hidden()
    open_page(page, address, "theme=grids")
    expect(note).to_be_hidden()
    if role == "public":  # what stays can be put away
        open_page(page, address, "theme=reach")
        note.get_by_role("button", name="关闭").click()
        expect(note).to_be_hidden()


def test_filters_go_through_the_address(page: Page, address: str, town: Town) -> None:
    """Each filter asks anew and stands in the address; a link shows the same; back takes them off."""
    open_page(page, address)
    everything = total(page)
    page.check("input[name=category][value=noise]")
    expect(page.locator(".cc-chip:not(.cc-fixed)")).to_have_count(1)
    expect(page).to_have_url(re.compile("category=noise"))
    noise = len(town.chosen({"category": ["noise"]})[0])
    expect(page.locator(".cc-figure dd").first).to_contain_text(str(noise))
    page.check("input[name=status][value=open]")
    page.check("input[name=tier][value=grid]")
    page.click("label:has(input[name=cc-last][value='7d'])")
    expect(page).to_have_url(re.compile("last=7d"))
    told = {"category": ["noise"], "status": ["open"], "tier": ["grid"], "last": ["7d"]}
    wanted = len(town.chosen(told)[0])
    expect(page.locator(".cc-figure dd").first).to_have_text(re.compile(rf"^{wanted}\b"))
    assert {name: value for name, value in asked(page).items() if name in told} == told

    shared = page.url
    other = page.context.new_page()
    other.goto(shared)
    expect(other.locator(".cc-figure dd").first).to_have_text(re.compile(rf"^{wanted}\b"))
    for name, value in (("category", "noise"), ("status", "open"), ("tier", "grid")):
        expect(other.locator(f"input[name={name}][value={value}]")).to_be_checked()
    expect(other.locator("input[name=cc-last][value='7d']")).to_be_checked()
    other.close()

    for _ in range(4):
        page.go_back()
    expect(page.locator("input[name=category][value=noise]")).not_to_be_checked()
    expect(page.locator("input[name=cc-last][value='30d']")).to_be_checked()
    expect(page.locator(".cc-figure dd").first).to_contain_text(str(everything))
    page.go_forward()
    expect(page.locator("input[name=category][value=noise]")).to_be_checked()
    page.click(".cc-chip:not(.cc-fixed)")
    expect(page.locator("input[name=category][value=noise]")).not_to_be_checked()


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Shanghai", "Pacific/Kiritimati"])
def test_a_span_of_days(browser: Browser, address: str, zone: str) -> None:
    """Whole days, Beijing's wherever the browser is; the same days when the link is opened again."""
    trouble = Trouble()
    with closed_page(browser, trouble, timezone_id=zone) as page:
        open_page(page, address, "lang=zh")
        page.click("label:has(input[name=cc-last][value=span])")
        page.fill("#cc-from", "2026-11-02")
        page.fill("#cc-to", "2026-11-08")
        expect(page).to_have_url(re.compile(r"datetime=2026-11-02/2026-11-08"))
        assert "last" not in asked(page)
        chip = page.locator(".cc-chip").first
        for _ in range(2):
            expect(page.locator("#cc-from")).to_have_value("2026-11-02")
            expect(page.locator("#cc-to")).to_have_value("2026-11-08")
            expect(chip).to_have_text("2026-11-02 – 2026-11-08×")
            expect(page.locator("#cc-span-words")).to_have_text("2026-11-02 至 2026-11-08（北京时间）")
            page.reload()
        # other ways to write a time: the first moments and last of days, hours of a day, an open beginning
        for told, days, words in (
            (
                "2026-11-01T16:00:00Z/2026-11-08T15:59:59.999999Z",
                ("2026-11-02", "2026-11-08"),
                "2026-11-02 – 2026-11-08",
            ),
            (
                "2026-11-01T16:00:00Z/2026-11-08T16:00:00Z",
                ("2026-11-02", "2026-11-08"),
                "2026-11-02 – 2026-11-08",
            ),
            ("2026-11-02t00:00:00%2B08:00/2026-11-02", ("2026-11-02", "2026-11-02"), "2026-11-02"),
            (
                "2026-11-01T20:00:00-08:00/2026-11-01T22:30:00-08:00",
                ("2026-11-02", "2026-11-02"),
                "2026-11-02 12:00 – 2026-11-02 14:30",
            ),
            ("../2026-11-08", ("", "2026-11-08"), "… – 2026-11-08"),
        ):
            open_page(page, address, f"lang=zh&datetime={told}")
            assert [page.input_value(name) for name in ("#cc-from", "#cc-to")] == list(days)
            expect(chip).to_have_text(words + "×")
        # one that is emptied is open
        page.fill("#cc-from", "2026-11-03")
        expect(page).to_have_url(re.compile(r"datetime=2026-11-03/2026-11-08"))
        page.fill("#cc-to", "")
        expect(page).to_have_url(re.compile(r"datetime=2026-11-03/\.\."))
        page.fill("#cc-to", "0202-11-08")
        expect(page).to_have_url(re.compile(r"datetime=2026-11-03/\.\."))
        page.click("#cc-reset")
        expect(page.locator("#cc-span")).to_be_hidden()
        assert "datetime" not in asked(page)
    assert trouble == Trouble()


def test_hours_of_the_week(page: Page, address: str, town: Town) -> None:
    """A rectangle drawn in the matrix filters by hours and weekdays; arrows and Enter do too."""
    open_page(page, address)
    first = page.locator("td[data-day='0'][data-hour='8']")
    first.scroll_into_view_if_needed()
    last = page.locator("td[data-day='4'][data-hour='17']")
    begin, end = first.bounding_box(), last.bounding_box()
    assert begin is not None
    assert end is not None
    page.mouse.move(begin["x"] + 3, begin["y"] + 3)
    page.mouse.down()
    page.mouse.move(end["x"] + 3, end["y"] + 3, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"hours=8-18&weekdays=1-5"))
    wanted = len(town.chosen({"hours": ["8-18"], "weekdays": ["1-5"]})[0])
    expect(page.locator(".cc-figure dd").first).to_have_text(re.compile(rf"^{wanted}\b"))
    expect(page.locator("td.cc-out")).to_have_count(7 * 24 - 5 * 10)
    expect(page.locator("#cc-hours-words")).to_have_text("周一–周五 8:00–18:00")
    page.click("#cc-reset")
    expect(page.locator("td.cc-out")).to_have_count(0)

    page.locator("td[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    assert (asked(page)["hours"], asked(page)["weekdays"]) != (["8-18"], ["1-5"])
    expect(page.locator("td[aria-selected=true]")).to_have_count(2)
    # a night passes midnight
    open_page(page, address, "hours=22-6")
    expect(page.locator("td.cc-out")).to_have_count(7 * 16)


def test_grids_by_count_rate_and_change(page: Page, address: str, town: Town) -> None:
    """Fixed classes; the denominator is stated; few cases are hatched, not coloured; change says chance."""
    open_page(page, address, "theme=grids")
    expect(page.locator("#cc-legend h2")).to_have_text("各网格事件数（件）")
    told = town.figures({})
    row = next(row for row in told["by_grid"] if row["grid"] == GRID)
    spec = classes("cases")
    shape = page.locator(f"path.wg-grid[data-code='{GRID}']")
    expect(shape).to_have_attribute("fill", spec.colours[spec.place(row["cases"])])
    assert painted(page) == 0

    page.click("label:has(input[name=cc-measure][value=households])")
    expect(page).to_have_url(re.compile("rate=households"))
    expect(page.locator("#cc-legend h2")).to_contain_text("千户")
    expect(page.locator("#cc-legend")).to_contain_text("分母为网格户数")
    few = [row["grid"] for row in told["by_grid"] if row["cases"] < 10]
    assert few
    expect(page.locator(f"path.wg-grid[data-code='{few[0]}']")).to_have_attribute(
        "fill", re.compile("wg-few")
    )
    expect(page.locator("#cc-legend")).to_contain_text("太少")
    number = page.locator(".wg-number", has=page.locator("b", has_text=few[0][-3:]))
    expect(number.locator("small")).to_have_text("")

    page.click("label:has(input[name=cc-measure][value=previous])")
    expect(page).to_have_url(re.compile("previous=true"))
    expect(page.locator("#cc-legend")).to_contain_text("时长相同")
    expect(page.locator("#cc-legend li")).not_to_have_count(0)
    page.click("label:has(input[name=cc-measure][value=none])")
    expect(page.locator("#cc-legend h2")).to_have_text("网格")
    assert "previous" not in asked(page)


def test_heat_over_time(page: Page, address: str, town: Town) -> None:
    """Steps of one surface with the same legend; without motion it waits for a hand; Escape of none."""
    open_page(page, address)
    legend = page.locator("#cc-legend ul").inner_text()
    page.click(".cc-animate")
    expect(page.locator(".cc-player output b")).to_contain_text("–")
    assert "frames" in "".join(town.asked)
    assert page.locator("#cc-legend ul").inner_text() == legend
    last, whole = page.locator(".cc-player output").inner_text(), painted(page)
    page.click(".cc-back")
    assert page.locator(".cc-player output").inner_text() != last
    assert painted(page) != whole
    page.click(".cc-stop")
    expect(page.locator(".cc-animate")).to_be_visible()


def test_the_heat_plays_by_itself_and_times_are_beijings(browser: Browser, address: str, town: Town) -> None:
    """With motion the steps follow each other until paused; in New York the page tells the same times."""
    trouble = Trouble()
    elsewhere = {"reduced_motion": "no-preference", "timezone_id": "America/New_York"}
    with closed_page(browser, trouble, **elsewhere) as page:
        open_page(page, address)
        newest = max(case["time"] for case in town.cases) + BEIJING
        expect(page.locator(".cc-entry time").first).to_have_text(newest.strftime("%m-%d %H:%M"))
        page.click(".cc-animate")
        label = page.locator(".cc-player output b")
        first = label.inner_text()
        expect(label).not_to_have_text(first)
        page.click(".cc-pause")
        stopped = label.inner_text()
        page.wait_for_timeout(1200)
        assert label.inner_text() == stopped
    assert trouble == Trouble()


def test_the_surface_is_the_same_whatever_the_zoom(page: Page, address: str, town: Town) -> None:
    """Zooming and panning ask nothing anew and paint nothing anew: one picture is moved."""
    open_page(page, address)
    expect(page.locator(".cc-surface")).to_be_visible()
    before = painted(page)
    questions = [question for question in town.asked if question.startswith("surface")]
    for _ in range(3):
        page.click("#wg-in")
    where = re.compile("[?&]at=")
    expect(page).to_have_url(where)  # the map has come to rest
    assert painted(page) == before
    assert [question for question in town.asked if question.startswith("surface")] == questions
    page.click("#wg-whole")
    expect(page).not_to_have_url(where)


def test_the_whole_asked_for_amid_a_zoom_is_shown_after_it(page: Page, address: str) -> None:
    """Leaflet does nothing with what it is asked for while it zooms."""
    open_page(page, address)
    level = page.evaluate("centre.map.getZoom()")
    where = re.compile("[?&]at=")
    page.click("#wg-in")
    expect(page).to_have_url(where)
    page.evaluate(
        """() => new Promise(done => {
            centre.map.once("zoomanim", () => { centre.whole(); done(); });
            centre.map.zoomIn();
        })"""
    )
    expect(page).not_to_have_url(where)
    assert page.evaluate("centre.map.getZoom()") == level


def test_lists_and_map_belong_together(page: Page, address: str) -> None:
    """An entry flies to its case and opens it; pointing at one marks the other; the grid is a click away."""
    open_page(page, address)
    entry = page.locator(".cc-entry").nth(3)
    marked = page.locator(".cc-case[stroke-width='3']")
    expect(marked).to_have_count(0)
    entry.hover()
    expect(marked).to_have_count(1)
    page.locator(".cc-case").nth(5).hover(force=True)
    expect(page.locator(".cc-entry.cc-hover")).to_have_count(1)
    entry.click()
    popup = page.locator(".cc-popup")
    expect(popup.locator("h3")).to_have_text(entry.locator("b").inner_text())
    expect(popup).to_contain_text("层级")
    assert "at" in asked(page)
    popup.locator(".cc-link").click()
    expect(page).to_have_url(re.compile("grid=9901010010010"))
    expect(page.locator("#cc-card h2")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#cc-card")).to_be_hidden()
    assert "grid" not in asked(page)

    page.click("#cc-tab-overdue")
    expect(page).to_have_url(re.compile("list=overdue"))
    expect(page.locator(".cc-entry time").first).to_contain_text("超期")


def test_a_new_case_appears(page: Page, address: str, town: Town) -> None:
    """Within two seconds, without a reload; many at once are asked for together."""
    open_page(page, address)
    expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
    before = total(page)
    town.add(1, "street_light")
    expect(page.locator(".cc-figure dd").first).to_contain_text(str(before + 1))
    expect(page.locator(".cc-entry").first).to_contain_text("路灯损坏")
    expect(page.locator(".cc-entry").first).to_have_class(re.compile("cc-fresh"))
    questions = sum(question.startswith("cases") for question in town.asked)
    town.add(60)
    expect(page.locator(".cc-figure dd").first).to_contain_text(str(before + 61))
    page.wait_for_timeout(1500)
    assert sum(question.startswith("cases") for question in town.asked) - questions <= 3


def test_it_recovers_from_a_lost_connection(browser: Browser, address: str, town: Town) -> None:
    """It says that it is away and since when the data are old; back again, it shows what it missed."""
    trouble = Trouble()
    with closed_page(browser, trouble) as page:
        open_page(page, address)
        expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
        before = total(page)
        town.dropping = True
        expect(page.locator("#cc-live")).to_have_attribute("data-state", "away")
        expect(page.locator("#cc-live")).to_have_text(re.compile(r"正在重新连接…… 数据截至 \d\d:\d\d"))
        town.add(2)  # nobody is told
        town.dropping = False
        expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
        expect(page.locator(".cc-figure dd").first).to_contain_text(str(before + 2))
    assert trouble.outside == []
    assert all("503" in error for error in trouble.errors)


def test_the_language_changes_without_a_reload(page: Page, address: str, town: Town) -> None:
    """Everything a person reads, and it is kept: in the address, and the next time without it."""
    open_page(page, address, f"theme=grids&grid={GRID}")
    expect(page.locator("#cc-card .wg-card-section")).not_to_have_count(0)
    expect(page.locator(".leaflet-wg-buildings-pane path")).not_to_have_count(0)
    page.evaluate("window.untouched = true")
    asked_before = len(town.asked)
    page.click("[data-lang=en]")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#cc-legend h2")).to_have_text("Cases by grid")
    expect(page.locator("#cc-summary")).to_contain_text("cases in 30 days")
    expect(page.locator("#cc-card")).to_contain_text("Households")
    page.keyboard.press("Escape")
    page.wait_for_timeout(100)
    left = page.locator("header.cc-bar, #cc-left, #cc-right, #cc-legend, #cc-themes").all_inner_texts()
    words = {word.strip() for text in left for word in re.split(r"[·\n×]|Synthetic data", text)}
    chinese = {word for word in words if re.search("[\u4e00-\u9fff]", word)}
    assert chinese <= {"柳湾社区", "中文", "邮筒", "周敏"}
    assert page.evaluate("window.untouched") is True
    assert len(town.asked) == asked_before
    assert asked(page)["lang"] == ["en"]
    page.goto(address)
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_too_few_cases_are_told_plainly(page: Page, address: str, town: Town) -> None:
    """No surface and no classes of four cases: a sentence."""
    town.few = True
    open_page(page, address)
    expect(page.locator("#cc-summary .cc-warning")).to_contain_text("事件太少")
    expect(page.locator("#cc-legend .cc-warning")).to_have_text("事件太少，不绘制热力。")
    assert painted(page) == 0


def test_a_refusal_is_told(browser: Browser, address: str, town: Town) -> None:
    """What the server says stands where the figures would, and they come once it answers."""
    town.refuse = {"cases": 400, "surface": 400, "base": 503}
    trouble = Trouble()
    with closed_page(browser, trouble) as page:
        page.goto(address)
        expect(page.locator("#cc-summary")).to_contain_text("服务器说不行。")
        expect(page.locator("#cc-legend .cc-warning")).to_have_text("服务器说不行。")
        expect(page.locator("path.wg-grid")).to_have_count(6)
        town.refuse = {}
        page.check("input[name=category][value=noise]")
        expect(page.locator("#cc-summary")).to_contain_text("所选 30 天内共")
    assert trouble.outside == []


def test_hot_spots_say_method_and_caveat(page: Page, address: str) -> None:
    """The plain sentence first, then classes, method and caveat."""
    open_page(page, address, "theme=statistics")
    expect(page.locator(".cc-verdict")).to_contain_text("超出偶然")
    expect(page.locator("#cc-legend")).to_contain_text("错误发现率 5 %")
    expect(page.locator("#cc-legend")).to_contain_text("不说明原因")
    expect(page.locator(".leaflet-cc-units-pane path")).to_have_count(6)
    expect(page.locator(".leaflet-cc-units-pane path[fill='#b2182b']")).to_have_count(1)
    page.click(".cc-action")
    expect(page).to_have_url(re.compile("theme=statistics:gi@grids|theme=statistics:gi%40grids"))
    expect(page.locator(".cc-action")).to_have_text("改为按方格计算")
    expect(page.locator("input[name=cc-statistics][value=gi]")).to_be_checked()
    page.click("label:has(input[value=heat])")
    expect(page.locator(".leaflet-cc-units-pane path")).to_have_count(0)


def test_people_are_bands(page: Page, address: str) -> None:
    """Bands with a legend; what is withheld is hatched and says so; no case lies on it."""
    open_page(page, address, "theme=people:elderly_alone")
    expect(page.locator("#cc-legend h2")).to_have_text("独居老人")
    expect(page.locator(".leaflet-wg-groups-pane path[fill='url(#wg-hatch)']")).to_have_count(1)
    expect(page.locator("#cc-legend")).to_contain_text("不公布")
    expect(page.locator(".cc-case")).to_have_count(0)
    page.click("label:has(input[value=grids])")
    expect(page.locator(".leaflet-wg-groups-pane path:not([d='M0 0'])")).to_have_count(0)
    expect(page.locator(".cc-case")).not_to_have_count(0)


def test_the_keyboard_is_enough(page: Page, address: str) -> None:
    """Skip link, filters, themes, map, list: each is reached by Tab; arrows walk within; focus shows."""
    open_page(page, address)
    page.keyboard.press("Tab")
    expect(page.locator(".wg-skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".folium-map")).to_be_focused()
    page.keyboard.press("+")
    expect(page).to_have_url(re.compile("at="))
    page.keyboard.press("0")
    expect(page).not_to_have_url(re.compile("at="))

    page.focus("input[name=cc-theme][value=heat]")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("theme=grids"))
    page.focus("#cc-tab-newest")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#cc-tab-grids")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".cc-entry").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".cc-entry").nth(1)).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    code = page.evaluate("document.activeElement.dataset.code")
    page.keyboard.press("Enter")
    expect(page.locator("#cc-card h2")).to_be_focused()
    assert asked(page)["grid"] == [code]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.code") == code


def test_order_of_focus(page: Page, address: str) -> None:
    """From the bar to filters, themes, tools, lists and map; nothing twice, nothing hidden."""
    open_page(page, address)
    seen: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        place = page.evaluate(
            """() => { const node = document.activeElement;
               const part = node.closest(".cc-bar, .cc-left, .cc-themes, .cc-legend, .cc-player, .cc-tools,"
                 + " .cc-right, .folium-map, .wg-skip");
               return part ? part.classList[part.classList.contains("cc-panel") ? 1 : 0] : "" }"""
        )
        if place == "":
            break
        if not seen or seen[-1] != place:
            seen.append(place)
    assert seen == [
        "wg-skip",
        "cc-bar",
        "cc-left",
        "cc-themes",
        "cc-legend",
        "cc-player",
        "wg-tools",
        "cc-right",
        "folium-map",
    ]


def test_phone(browser: Browser, address: str) -> None:
    """At 390 by 844 the panels are sheets; nothing is wider than the screen; the map stays in sight."""
    trouble = Trouble()
    with closed_page(browser, trouble, 390, 844) as page:
        open_page(page, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        expect(page.locator("#cc-left")).to_be_hidden()
        expect(page.locator("#cc-right")).to_be_hidden()
        page.click("[data-sheet=cc-left]")
        page.check("input[name=category][value=noise]")
        page.click("#cc-left .cc-sheet-close")
        expect(page.locator("#cc-left")).to_be_hidden()
        expect(page.locator("[data-sheet=cc-left]")).to_be_focused()
        page.locator("path.wg-grid").nth(1).click(position={"x": 12, "y": 12})
        sheet = page.locator("#cc-right").bounding_box()
        assert sheet is not None
        assert round(sheet["width"]) == 390
        assert sheet["y"] > 280
        expect(page.locator("#cc-card h2")).to_be_visible()
        chosen = page.locator("path.wg-grid").nth(1).bounding_box()
        assert chosen is not None
        assert chosen["y"] + chosen["height"] <= sheet["y"] + 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.click("#cc-card .wg-close")
        page.locator(".cc-entry").first.click()  # a case opens on the map: the sheet makes way
        expect(page.locator("#cc-right")).to_be_hidden()
        expect(page.locator(".cc-popup h3")).to_be_in_viewport()
    assert trouble == Trouble()


def test_a_phone_that_is_sent_a_walls_address_keeps_its_own_letters(browser: Browser, address: str) -> None:
    """There is no room for a wall's: the bar would cover the themes, and the name would hide the sign."""
    with closed_page(browser, Trouble(), 390, 844) as page:
        open_page(page, address, "wall=1")
        assert asked(page)["wall"] == ["1"]
        bar, themes, sign = (
            page.locator(of).bounding_box() for of in (".cc-bar", ".cc-theme-row", ".cc-name .wg-tag")
        )
        assert bar
        assert themes
        assert sign
        assert themes["y"] >= bar["y"] + bar["height"]
        name = page.locator(".cc-name").bounding_box()
        assert name
        assert sign["x"] + sign["width"] <= name["x"] + name["width"] + 1
        page.set_viewport_size({"width": 1920, "height": 1080})
        expect(page.locator("html.cc-wall")).to_have_count(1)


def test_wall(browser: Browser, address: str) -> None:
    """At 1920 by 1080 on a wall: filters give way, all letters are large, key numbers very large."""
    trouble = Trouble()
    with closed_page(browser, trouble, 1920, 1080) as page:
        open_page(page, address, "wall=1")
        expect(page.locator("#cc-left")).to_be_hidden()
        size = "node => parseFloat(getComputedStyle(node).fontSize)"
        assert page.locator(".cc-figure dd").first.evaluate(size) >= 50
        assert page.locator(".cc-sentences").evaluate(size) >= 22
        assert page.locator(".cc-entry b").first.evaluate(size) >= 22
        assert page.locator(".wg-number b").first.evaluate(size) >= 26
        for small in (".cc-entry small", ".cc-legend li", ".cc-figure dt", ".cc-live"):
            assert page.locator(small).first.evaluate(size) >= 18, small
        page.click("#cc-wall")
        expect(page.locator("#cc-left")).to_be_visible()
        assert "wall" not in asked(page)
    assert trouble == Trouble()


@pytest.mark.parametrize(
    ("size", "query", "press"),
    [
        ((1280, 720), "", ".cc-entry"),
        ((1280, 720), "theme=grids&rate=households&list=grids&lang=en", ""),
        ((1280, 720), f"theme=people&list=overdue&grid={GRID}", ""),
        ((1920, 1080), "theme=statistics&wall=1", ""),
        ((390, 844), "", "[data-sheet=cc-right]"),
        ((390, 844), "lang=en", "[data-sheet=cc-left]"),
    ],
)
def test_accessibility(browser: Browser, address: str, size: tuple[int, int], query: str, press: str) -> None:
    """axe-core finds nothing serious in any theme, size and language."""
    trouble = Trouble()
    with closed_page(browser, trouble, *size) as page:
        open_page(page, address, query)
        if press:
            page.click(press)
        page.wait_for_timeout(300)
        assert accessibility_faults(page) == []


def test_the_same_elsewhere(page: Page, address: str) -> None:
    """Links to the two periods side by side, with the filters, and to the cases as a list."""
    open_page(page, address, "category=noise&hours=8-18&last=7d")
    links = page.locator("#cc-links a")
    expect(links).to_have_count(2)
    told = urlsplit(links.first.get_attribute("href") or "")
    asked_there = parse_qs(told.query)
    assert told.path.endswith("/compare")
    assert (asked_there["category"], asked_there["hours"]) == (["noise"], ["8-18"])
    assert "last" not in asked_there
    begin, _, end = asked_there["left"][0].partition("/")
    assert asked_there["right"][0].startswith(end)
    assert begin < end


def test_who_sees_less_is_shown_less(page: Page, address: str, town: Town) -> None:
    """The public: no tiers, no overdue list, and a word that counts are approximate."""
    town.role = "public"
    open_page(page, address, "theme=grids")
    expect(page.locator("#cc-tab-overdue")).to_be_hidden()
    expect(page.locator(".cc-figure")).to_have_count(3)
    expect(page.locator("#cc-legend .cc-key")).to_contain_text("约数")
    assert len(page.locator("[data-filter=category] input").all()) == len(CATEGORIES)


def test_statistics_follow_the_cases(page: Page, address: str, town: Town) -> None:
    """After a change the verdict is asked anew, the old one standing until then; not at every change."""
    open_page(page, address, "theme=statistics:gi")
    expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
    legend = page.locator("#cc-legend")
    before = legend.locator(".cc-verdict").inner_text()
    page.evaluate(
        """() => { window.blank = 0; new MutationObserver(() => {
             if (!document.querySelector("#cc-legend .cc-verdict")) window.blank += 1;
           }).observe(document.getElementById("cc-legend"), {childList: true}); }"""
    )
    questions = sum(question.startswith("statistics") for question in town.asked)
    for number in range(1, 7):
        town.add(50, grid=f"99010100100100{number}")
    expect(legend.locator(".cc-verdict")).not_to_have_text(before)
    expect(page.locator(".leaflet-cc-units-pane path[fill='#b2182b']")).to_have_count(6)
    assert page.evaluate("window.blank") == 0
    for _ in range(3):
        town.add(1)
        page.wait_for_timeout(1300)
    assert sum(question.startswith("statistics") for question in town.asked) - questions <= 2


@pytest.mark.parametrize(
    "kinds",
    [("hot", "cold", "high", "low", "none"), ("cluster", "cluster_low", "none"), ("more", "fewer", "none")],
)
def test_what_a_statistic_tells_apart_has_colours_apart(
    page: Page, address: str, town: Town, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...]
) -> None:
    """A low square among high ones is no cold spot, and a circle with too few cases no heap of them."""
    told = town.spots({})
    legend = [{"kind": kind, "label": {"zh": kind, "en": kind}, "units": 1} for kind in kinds]
    monkeypatch.setattr(town, "spots", lambda query: {**told, "legend": legend})
    open_page(page, address, "theme=statistics:gi")
    swatches = page.locator("#cc-legend li .wg-swatch rect")
    expect(swatches).to_have_count(len(kinds))
    assert len({swatch.get_attribute("fill") for swatch in swatches.all()}) == len(kinds)


@pytest.mark.parametrize("query", ["", "at=40.000000,116.300000,15"])
def test_a_phone_is_turned(browser: Browser, address: str, query: str) -> None:
    """From upright to wide to sideways the map is fitted anew between the panels, without a fault."""
    trouble = Trouble()
    with closed_page(browser, trouble, 390, 844) as page:
        open_page(page, address, query)
        for width, height in ((1280, 720), (844, 390), (390, 844), (320, 300), (844, 390)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(250)
            assert page.evaluate("[centre.map.getSize().x, centre.map.getSize().y]") == [width, height]
            if query or (width, height) == (320, 300):
                continue
            for shape in page.locator("path.wg-grid").all():
                box = shape.bounding_box()
                assert box is not None
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= width
                assert box["y"] + box["height"] <= height
    assert trouble == Trouble()


def test_a_phone_held_sideways(browser: Browser, address: str) -> None:
    """At 844 by 390 the panels are sheets; the map has most of the screen, and the area is seen whole."""
    trouble = Trouble()
    with closed_page(browser, trouble, 844, 390) as page:
        open_page(page, address)
        expect(page.locator("#cc-left")).to_be_hidden()
        expect(page.locator("#cc-right")).to_be_hidden()
        boxes = [shape.bounding_box() for shape in page.locator("path.wg-grid").all()]
        known = [box for box in boxes if box is not None]
        west, east = min(box["x"] for box in known), max(box["x"] + box["width"] for box in known)
        assert east - west > 280
        page.click("[data-sheet=cc-right]")
        sheet = page.locator("#cc-right").bounding_box()
        assert sheet is not None
        assert sheet["x"] > 400
        assert sheet["y"] + sheet["height"] <= 390
        page.click("#cc-right .cc-sheet-close")
        assert page.evaluate("document.documentElement.scrollWidth") <= 844
    assert trouble == Trouble()


def test_the_heats_classes_never_move(page: Page, address: str, town: Town) -> None:
    """More cases, another filter and a step of the animation leave every class where it was."""
    open_page(page, address)
    live = page.locator("#cc-live")
    expect(live).to_have_attribute("data-state", "live")
    classes_of = page.locator("#cc-legend li:has(.wg-fill)")
    legend = classes_of.all_inner_texts()
    assert len(legend) == 9
    town.add(300)
    expect(page.locator(".cc-figure dd").first).to_contain_text(str(len(town.chosen({})[0])))
    assert classes_of.all_inner_texts() == legend
    page.check("input[name=category][value=noise]")
    expect(page).to_have_url(re.compile("category=noise"))
    page.wait_for_timeout(300)
    assert classes_of.all_inner_texts() == legend
    page.click(".cc-animate")
    expect(page.locator(".cc-player output b")).to_contain_text("–")
    assert classes_of.all_inner_texts() == legend
    expect(page.locator("#cc-legend")).to_contain_text("每一步")


def test_a_step_has_its_own_cases(page: Page, address: str, town: Town) -> None:
    """While the time is stepped through only the step's cases are points on the map."""
    open_page(page, address)
    everything = page.locator(".cc-case").count()
    assert everything == 50
    page.click(".cc-animate")
    expect(page.locator(".cc-player output b")).to_contain_text("–")
    read, found = datetime.fromisoformat, []
    for _ in range(3):
        step = page.evaluate("centre.surface.step()")
        times = [read(feature["properties"]["time"]) for feature in town.figures({})["newest"]]
        found.append(sum(read(step["begin"]) <= time < read(step["end"]) for time in times))
        expect(page.locator(".cc-case")).to_have_count(found[-1])
        page.click(".cc-back")
    assert 0 < max(found) < everything
    page.click(".cc-stop")
    expect(page.locator(".cc-case")).to_have_count(everything)


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (390, 844)])
def test_both_days_of_a_span_are_seen(browser: Browser, address: str, size: tuple[int, int]) -> None:
    """Neither field of the span is cut off by the panel."""
    trouble = Trouble()
    with closed_page(browser, trouble, *size) as page:
        open_page(page, address)
        if size[0] < 760:
            page.click("[data-sheet=cc-left]")
        page.click("label:has(input[name=cc-last][value=span])")
        panel = page.locator("#cc-span").bounding_box()
        assert panel is not None
        for name in ("#cc-from", "#cc-to"):
            field = page.locator(name).bounding_box()
            assert field is not None
            assert field["width"] >= 120
            assert field["x"] + field["width"] <= panel["x"] + panel["width"] + 0.5
    assert trouble == Trouble()


def test_the_change_of_a_rate_is_drawn(page: Page, address: str, town: Town) -> None:
    """With a denominator and the time before the map shows the difference of the rates, in its classes."""
    open_page(page, address, "theme=grids&rate=households&previous=true")
    expect(page.locator("#cc-legend h2")).to_contain_text("每千户")
    told = town.figures({"rate": ["households"], "previous": ["true"]})
    row = next(row for row in told["by_grid"] if row["rate_difference"] is not None)
    spec = classes("case_rate_households_change")
    shape = page.locator(f"path.wg-grid[data-code='{row['grid']}']")
    expect(shape).to_have_attribute("fill", spec.colours[spec.place(row["rate_difference"])])
    few = next(row for row in told["by_grid"] if row["rate_state"] == "hidden")
    expect(page.locator(f"path.wg-grid[data-code='{few['grid']}']")).to_have_attribute(
        "fill", re.compile("wg-few")
    )
    expect(page.locator("input[name=cc-measure][value=previous]")).to_be_checked()


@pytest.mark.parametrize("query", ["theme=people", "theme=grids"])
def test_no_icon_covers_a_figure(page: Page, address: str, query: str) -> None:
    """Icons and figures keep apart at any zoom; bands of people are read without icons."""
    open_page(page, address, query)
    for press in ("#wg-in", "#wg-in", "#wg-out", "#wg-out", "#wg-out"):
        page.click(press)
        page.wait_for_timeout(350)
        covered = page.evaluate(
            """() => { const box = node => node.getBoundingClientRect();
               const seen = query => [...document.querySelectorAll(query)].map(box).filter(b => b.width);
               const icons = seen(".wg-place span");
               const figures = seen(".wg-number:not([hidden]), .wg-band:not([hidden])");
               return [icons.length, icons.filter(a => figures.some(b => a.left < b.right - 3 &&
                 b.left < a.right - 3 && a.top < b.bottom - 3 && b.top < a.bottom - 3)).length]; }"""
        )
        assert covered[1] == 0
        assert (covered[0] == 0) == ("people" in query)
