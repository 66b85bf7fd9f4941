"""The page in Debian's Chromium with the network closed."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect

from layers.assets import read
from layers.community_map import render
from tests.browser import Trouble, accessibility_faults, closed_page
from tests.layers.test_community_map import EVIL
from tests.layers.views import view, with_names

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hand-made view as a file that stands alone."""
    path: Path = tmp_path_factory.mktemp("map") / "map.html"
    path.write_text(render(view(), lang="zh", assets="inline"), encoding="utf-8")
    return path.as_uri()


def shown(page: Page, pane: str) -> int:
    """Shapes in a pane that have an outline on the screen."""
    return page.locator(f".leaflet-{pane}-pane path:not([d='M0 0'])").count()


def test_map_is_drawn(page: Page, address: str) -> None:
    """Grids, borders, streets, buildings, names and numbers are on the screen, within the window."""
    page.goto(address)
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    expect(page.locator("path.wg-grid")).to_have_count(6)
    expect(page.locator(".wg-number b")).to_have_text([f"00{n}" for n in range(1, 7)])
    expect(page.locator(".wg-name")).not_to_have_count(0)
    assert "和" in "".join(page.locator(".wg-name").all_text_contents())
    assert shown(page, "wg-buildings") >= 2
    assert shown(page, "wg-streets") >= 5
    for shape in page.locator("path.wg-grid").all():
        box = shape.bounding_box()
        assert box is not None
        assert box["x"] >= 288
        assert box["y"] >= 72
        assert box["x"] + box["width"] <= 1280
        assert box["y"] + box["height"] <= 720
    expect(page.locator(".leaflet-control-scale-line")).to_contain_text("m")


def test_neighbours_have_different_colours_on_screen(page: Page, address: str) -> None:
    """As the browser paints them."""
    page.goto(address)
    fills = [shape.get_attribute("fill") for shape in page.locator("path.wg-grid").all()]
    assert fills[0] != fills[1]
    assert fills[0] != fills[3]
    assert fills[1] != fills[4]


def test_layers_switch(page: Page, address: str) -> None:
    """One theme at a time, with its legend; facilities and base map by check box."""
    page.goto(address)
    assert (shown(page, "wg-cases"), shown(page, "wg-groups")) == (0, 0)
    page.check("input[value=cases]")
    assert shown(page, "wg-cases") >= 3
    expect(page.locator(".wg-legend:visible h2")).to_have_text("事件密度：件／平方公里·月（30 天）")
    expect(page.locator("path.wg-grid").first).to_have_attribute("fill-opacity", "0")
    page.check("input[value='group:elderly_alone']")
    assert (shown(page, "wg-cases"), shown(page, "wg-groups")) == (0, 3)
    hatched = page.locator(".leaflet-wg-groups-pane path[fill='url(#wg-hatch)']")
    expect(hatched).to_have_count(1)
    expect(page.locator(".wg-band.wg-withheld")).to_contain_text("不公布")
    page.check("input[value=grids]")
    assert (shown(page, "wg-cases"), shown(page, "wg-groups")) == (0, 0)

    assert shown(page, "wg-dots") == 0
    page.check("input[value=lamp]")
    assert shown(page, "wg-dots") == 28
    expect(page.locator(".wg-place")).to_have_count(2)
    page.uncheck("input[value=clinic]")
    expect(page.locator(".wg-place")).to_have_count(1)
    page.uncheck("input[value=buildings]")
    assert shown(page, "wg-buildings") == 0
    page.uncheck("input[value=names]")
    expect(page.locator(".wg-name")).to_have_count(0)


def test_a_click_opens_the_card(page: Page, address: str) -> None:
    """Code, figures, staff with a vacancy, groups, cases; Escape closes it."""
    page.goto(address)
    page.locator("path.wg-grid").nth(2).click(position={"x": 20, "y": 20})
    card = page.locator("#wg-card")
    expect(card.locator("h2")).to_have_text("003")
    expect(card.locator(".wg-code")).to_have_text("990101001001003")
    expect(card).to_contain_text("330")
    expect(card).to_contain_text("在 200–400 户范围内")
    expect(card.locator(".wg-people li").nth(1)).to_contain_text("空缺")
    expect(card.locator(".wg-people a").first).to_have_attribute("href", "tel:00001234")
    expect(card).to_contain_text("10–19 人")
    expect(card).to_contain_text("占道经营")
    box, chosen = card.bounding_box(), page.locator("path.wg-grid").nth(2).bounding_box()
    assert box is not None
    assert chosen is not None
    assert (
        chosen["x"] + chosen["width"] <= box["x"]
    )  # the map made room: no part of the grid is under its card
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()


def test_the_card_has_its_months_as_a_table_too(page: Page, address: str) -> None:
    """Bars are named, the table holds the same numbers; nothing serious for axe-core with the card open."""
    page.goto(address)
    page.locator("path.wg-grid").nth(2).click(position={"x": 20, "y": 20})
    card = page.locator("#wg-card")
    expect(card.locator(".wg-months")).to_have_attribute("role", "img")
    expect(card.locator(".wg-month")).to_have_count(10)
    card.locator(".wg-as-table summary").click()
    rows = [row.split("\t") for row in card.locator(".wg-as-table tbody tr").all_inner_texts()]
    assert rows[0] == ["2026年1月", "0"]
    assert rows[2] == ["2026年3月", "14"]
    assert rows[-1] == ["2026年10月", "12 （不足整月）"]
    named = card.locator(".wg-month-name").all_text_contents()
    assert (named[0], named[-1]) == ("2026年1月", "10月")
    tall = [float(bar.get_attribute("height") or 0) for bar in card.locator(".wg-month").all()]
    most = max(int(row[1].split()[0]) for row in rows)
    assert tall == pytest.approx([56 * int(row[1].split()[0]) / most for row in rows], abs=0.01)
    assert accessibility_faults(page) == []


def test_unknown_is_not_nought(page: Page, address: str) -> None:
    """Residents that nobody counted, buildings without households, cases that the role may not see."""
    page.goto(address)
    page.locator("path.wg-grid").nth(4).click(position={"x": 20, "y": 20})
    expect(page.locator("#wg-card")).to_contain_text("不详")
    page.locator("path.wg-grid").nth(1).click(position={"x": 20, "y": 20})
    expect(page.locator("#wg-card")).to_contain_text("其中 2 栋户数不详")
    page.locator("path.wg-grid").nth(3).click(position={"x": 20, "y": 20})
    expect(page.locator("#wg-card h2")).to_have_text("004")
    expect(page.locator("#wg-card h3").last).not_to_contain_text("0 件")


def test_language_toggles_without_a_network(page: Page, address: str) -> None:
    """Everything a person reads changes, the open card too, and back."""
    page.goto(address)
    page.locator("path.wg-grid").nth(2).click(position={"x": 20, "y": 20})
    page.click("[data-lang=en]")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page).to_have_title("柳湾社区 · community grids")
    expect(page.locator("#wg-card")).to_contain_text("within 200–400 households")
    expect(page.locator("#wg-card .wg-people")).to_contain_text("vacant")
    expect(page.locator("#wg-layers")).to_contain_text("Case density")
    names = {"柳湾社区", "中文", "邮筒"}
    left = page.locator("header.wg-bar, #wg-layers").all_inner_texts()
    words = {word for text in left for word in text.replace("·", "\n").split("\n")}
    chinese = {word.strip() for word in words if any("\u4e00" <= letter <= "\u9fff" for letter in word)}
    assert chinese == names
    page.click("[data-lang=zh]")
    expect(page.locator("#wg-layers")).to_contain_text("事件热力")


def test_language_by_address(page: Page, address: str) -> None:
    """A link to the English file."""
    page.goto(f"{address}?lang=en")
    expect(page.locator("#wg-layers")).to_contain_text("Case density")


def test_keyboard_is_enough(page: Page, address: str) -> None:
    """Tab reaches the grids, Enter opens the card and moves into it, Escape leads back."""
    page.goto(address)
    page.locator("path.wg-grid").nth(1).focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.code") == "990101001001003"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "网格 003，330 户"
    page.keyboard.press("Enter")
    expect(page.locator("#wg-card h2")).to_be_focused()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.code") == "990101001001003"


def test_zoom_keeps_the_map_together(page: Page, address: str) -> None:
    """Streets widen, names are set anew, the whole comes back."""
    page.goto(address)
    street = page.locator(".leaflet-wg-streets-pane path").last
    street_width = street.get_attribute("stroke-width")
    assert street_width
    for _ in range(3):
        page.click("#wg-in")
    expect(street).not_to_have_attribute("stroke-width", street_width)
    expect(page.locator(".wg-name")).not_to_have_count(0)
    page.click("#wg-whole")
    expect(street).to_have_attribute("stroke-width", street_width)


def test_names_from_files_never_run(page: Page, tmp_path: Path) -> None:
    """Markup and template marks in names are read as text, in the bar, on the card and in the tips."""
    whole = view()
    evil = whole.grids.assign(staff=[[{"role": EVIL, "name": EVIL, "phone": ""}]] * len(whole.grids))
    text = render(
        view(
            community=with_names(whole.community, EVIL),
            grids=evil,
            facilities=with_names(whole.facilities, EVIL),
            streets=with_names(whole.streets, EVIL),
        ),
        lang="zh",
        assets="inline",
    )
    path = tmp_path / "evil.html"
    path.write_text(text, encoding="utf-8")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss())[0])
    page.goto(path.as_uri())
    expect(page.locator("h1")).to_contain_text(EVIL)
    page.locator("path.wg-grid").first.click(position={"x": 20, "y": 20})
    expect(page.locator("#wg-card .wg-people b")).to_have_text(EVIL.strip())
    page.locator(".wg-place").first.hover()
    expect(page.locator(".wg-tip-box b").last).to_have_text(EVIL)
    page.click("[data-lang=en]")
    assert page.locator("img").count() == 0
    assert asked == []


@pytest.fixture
def server() -> Iterator[str]:
    """The page with scripts from /static/, served on the loopback; its address."""
    text = render(view(), lang="en", assets="static").encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith("/static/"):
                content, kind = read(path.removeprefix("/static/"))
            else:
                content, kind = text, "text/html; charset=utf-8"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/map"
        running.shutdown()
        thread.join()


def test_page_with_static_scripts(page: Page, server: str) -> None:
    """The server's form of the page: drawn too, and the language stays in the address."""
    page.goto(server)
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    expect(page.locator("path.wg-grid")).to_have_count(6)
    page.click("[data-lang=zh]")
    expect(page).to_have_url(f"{server}?lang=zh")
    expect(page.locator("#wg-layers")).to_contain_text("事件热力")


def test_phone(browser: Browser, trouble: Trouble, address: str) -> None:
    """At 390 by 844 the panels are sheets that open and close; nothing is wider than the screen."""
    with closed_page(browser, trouble, 390, 844) as page:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        panel = page.locator("#wg-layers")
        expect(panel).to_be_hidden()
        page.click("#wg-layers-button")
        expect(panel).to_be_visible()
        page.check("input[value=cases]")
        page.click("#wg-layers-close")
        expect(panel).to_be_hidden()
        page.locator("path.wg-grid").first.click()
        card = page.locator("#wg-card")
        expect(card.locator("h2")).to_have_text("001")
        box = card.bounding_box()
        assert box is not None
        assert (round(box["x"]), round(box["width"])) == (0, 390)
        chosen = page.locator("path.wg-grid").first.bounding_box()
        assert chosen is not None
        assert chosen["y"] < box["y"]
        page.click("#wg-card .wg-close")
        expect(card).to_be_hidden()
    assert trouble == Trouble()
