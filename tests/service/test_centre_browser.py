"""The centre's page on the real service in Chromium, the network closed: every role, every theme, live."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from service import db
from service.access import Principal, Role
from service.routes import events
from tests.browser import Trouble, accessibility_faults, closed_page

from .api import HIDDEN, Served, fill, serve
from .towns import CODE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response

pytestmark = [pytest.mark.database, pytest.mark.browser]

ADDRESS = f"/centre/{CODE}"
BAND = re.compile(r"^(\d+[–-]\d+ 人|\d+ 人及以上|\d+ 人以上|.*不公布.*|不足 \d+ 人.*|少于 \d+ 人.*)$")
WITH_TIERS = set(Role) - {Role.PUBLIC}


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """The published town; some cases are late, some sensitive, most with a place of their own."""
    area = fill(module_database)
    with module_database.owner.begin() as connection:
        connection.execute(
            text("""
                update cases c set due_at = time + interval '1 day',
                    tier = (array['grid', 'community', 'street'])[1 + n % 3],
                    category = (array['rubbish', 'noise', 'domestic_violence'])[1 + n % 3]
                from (select id, row_number() over (order by id)::int as n from cases) k where k.id = c.id
            """)
        )
    with pytest.MonkeyPatch.context() as patch, serve(module_database, area) as served:
        patch.setattr(events, "PACE", events.Pace(heartbeat=0.3))  # who hangs up is noticed by its silence
        yield served


def own_grid(town: Served) -> str:
    """The grid with most cases: a worker's own."""
    rows = town.rows(
        "select grid_code from cases where grid_code is not null group by 1 order by count(*) desc"
    )
    return str(rows[0][0])


def principal_of(town: Served, role: Role) -> Principal:
    """The role, for the whole town; a worker has one grid."""
    grids = frozenset({own_grid(town)}) if role is Role.GRID_WORKER else frozenset()
    return Principal(role, ("",), grids, f"browser {role}")


@contextmanager
def visitor(
    town: Served, browser: Browser, role: Role, width: int = 1280, height: int = 720, **options: Any
) -> Iterator[tuple[Page, list[Response], Trouble]]:
    """A page logged in as the role, and every answer that it gets."""
    trouble = Trouble()
    with closed_page(browser, trouble, width, height, **options) as page:
        if role is not Role.PUBLIC:
            token = town.accounts.invite(principal_of(town, role))
            page.goto(f"{town.address}/login?token={token}")
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer))
        yield page, answers, trouble


def open_centre(page: Page, town: Served, query: str = "lang=zh") -> None:
    """Open the page and wait for its figures."""
    from playwright.sync_api import expect

    page.goto(f"{town.address}{ADDRESS}?{query}")
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    expect(page.locator(".cc-figure")).not_to_have_count(0)


def bodies_of(answers: list[Response]) -> dict[str, str]:
    """What the page was told, by address; scripts, styles and the endless stream left out."""
    return {
        answer.url: answer.text()
        for answer in answers
        if "/static/" not in answer.url and "/events" not in answer.url and answer.status == 200
    }


def pairs(told: Any) -> Iterator[tuple[float, float]]:
    """Every pair of numbers in an answer that could be a place, both ways round."""
    if isinstance(told, dict):
        for value in told.values():
            yield from pairs(value)
        if {"lng", "lat"} <= told.keys():
            yield float(told["lng"]), float(told["lat"])
    elif isinstance(told, list):
        if len(told) >= 2 and all(isinstance(one, float) for one in told[:2]):
            yield told[0], told[1]
            yield told[1], told[0]
        for value in told:
            if isinstance(value, (dict, list)):
                yield from pairs(value)


def page_data(html: str) -> dict[str, Any]:
    """The data in the page itself."""
    found = re.search(r'id="wangge-page">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


def test_a_span_is_told_as_it_was_asked_for(town: Served, browser: Browser) -> None:
    """Beijing's days, from far away; what is counted back from the newest case says so, and nothing else."""
    from playwright.sync_api import expect

    rows = town.rows("select max(time at time zone 'Asia/Shanghai')::date as newest from cases")
    first, last = (f"{rows[0].newest - timedelta(days=days):%Y-%m-%d}" for days in (9, 0))
    with visitor(town, browser, Role.CENTRE, timezone_id="America/Los_Angeles") as (page, _, trouble):
        for lang, counted in (("zh", "以最新一件为准"), ("en", "counted back from the newest case")):
            words = page.locator("#cc-span-words")
            open_centre(page, town, f"lang={lang}")
            expect(words).to_contain_text(counted)
            open_centre(page, town, f"lang={lang}&datetime={first}/{last}")
            expect(words).to_contain_text(first)
            expect(words).to_contain_text(last)
            expect(words).not_to_contain_text(counted)
            assert ":" not in words.inner_text()
            expect(page.locator(".cc-chip").first).to_have_text(f"{first} – {last}×")
            # the summary names the same days, by the same calendar
            begins = page.locator("#cc-summary").inner_text()[:60]
            for day in (first, last):
                assert (f"{int(day[8:])}日" if lang == "zh" else f"{int(day[8:])} ") in begins
    assert trouble == Trouble()


def test_finer_parameters_of_a_statistic_stand_in_the_address(town: Served, browser: Browser) -> None:
    """Each control asks with its parameter; a link shows the same; a method is asked what it knows."""
    from playwright.sync_api import expect

    def asked() -> dict[str, list[str]]:
        return parse_qs(urlsplit([one.url for one in answers if "/statistics/" in one.url][-1]).query)

    with visitor(town, browser, Role.CENTRE) as (page, answers, trouble):
        open_centre(page, town, "lang=zh&theme=statistics:scan@cells")
        finer = page.locator("#cc-legend .cc-finer")
        expect(page.locator("#cc-legend .cc-verdict")).to_be_visible(timeout=60_000)  # compiled at first
        assert not set(asked()) & {"cell", "runs", "share", "radius", "side", "seed"}
        finer.locator("summary").click()
        chosen = {"side": "both", "share": "0.1", "radius": "300", "cell": "150", "runs": "99"}
        for name, value in chosen.items():
            with page.expect_response(lambda answer: "/statistics/scan?" in answer.url):
                finer.locator(f"select[name={name}]").focus()
                finer.locator(f"select[name={name}]").select_option(value)
            # the one that was used keeps the focus, and the rest stays open
            expect(finer.locator(f"select[name={name}]")).to_be_focused()
        with page.expect_response(lambda answer: "/statistics/scan?" in answer.url):
            finer.locator("input[name=seed]").fill("7")
            finer.locator("input[name=seed]").press("Enter")
        told = {name: [value] for name, value in (chosen | {"seed": "7"}).items()}
        assert {name: value for name, value in asked().items() if name in told} == told
        assert {
            name: value for name, value in parse_qs(urlsplit(page.url).query).items() if name in told
        } == told
        expect(finer.locator("summary")).to_have_text("参数（已改 6 项）")
        expect(page.locator("#cc-legend")).to_contain_text("99")
        shared = page.url
        # another method knows some of them, and is asked for these alone
        with page.expect_response(lambda answer: "/statistics/gi?" in answer.url):
            page.click("label:has(input[name=cc-statistics][value=gi])")
        assert {name for name in asked() if name in told} == {"cell", "seed"}
        expect(finer.locator("select, input")).to_have_count(2)
        page.click("#cc-legend .cc-action")  # grids have no squares
        expect(finer.locator("select, input")).to_have_count(1)
        page.goto(shared.replace("lang=zh", "lang=en"))
        expect(page.locator("#cc-legend .cc-verdict")).to_be_visible(timeout=30_000)
        assert {name: value for name, value in asked().items() if name in told} == told
        finer.locator("summary").click()
        for name, value in (chosen | {"seed": "7"}).items():
            expect(finer.locator(f"[name={name}]")).to_have_value(value)
        finer.get_by_role("button", name="Defaults").click()
        expect(page).to_have_url(re.compile("statistics:scan(@|%40)cells(?!.*runs=)"))
        # one that no list has is shown all the same, and a wrong one is told
        open_centre(page, town, "lang=en&theme=statistics:scan@cells&cell=120")
        finer.locator("summary").click()
        expect(finer.locator("select[name=cell]")).to_have_value("120")
        assert trouble == Trouble()
        open_centre(page, town, "lang=en&theme=statistics:scan@cells&cell=7")
        expect(page.locator("#cc-legend .cc-warning")).to_contain_text("50")
        expect(finer.locator("summary")).to_have_text("Settings (1 changed)")
        trouble.errors.clear()
        # before and after a measure, in the grids where it was taken
        open_centre(page, town, "lang=zh&theme=statistics:compare@grids")
        finer.locator("summary").click()
        areas = finer.locator("input[name=areas]")
        areas.fill("1，2 zebra")
        areas.press("Enter")
        assert areas.evaluate("node => node.validationMessage") == "没有网格 zebra"
        with page.expect_response(lambda answer: "areas=" in answer.url):
            areas.fill("1，2")
            areas.press("Enter")
        assert asked()["areas"] == [f"{CODE}001,{CODE}002"]
        expect(areas).to_have_value("001, 002")
        newest = town.rows("select max(time) as newest from cases")[0].newest
        day = f"{newest - timedelta(days=10):%Y-%m-%d}"
        with page.expect_response(lambda answer: "areas=" in answer.url and "at=" in answer.url):
            finer.locator("input[name=since]").fill(day)
        assert asked()["at"] == [day]
        assert parse_qs(urlsplit(page.url).query)["since"] == [day]
        assert trouble == Trouble()


@pytest.mark.parametrize("role", list(Role))
def test_each_role_sees_its_own(town: Served, browser: Browser, role: Role) -> None:
    """Every theme is drawn without an error; nothing that the page was told goes beyond the role's right."""
    from playwright.sync_api import expect

    with visitor(town, browser, role) as (page, answers, trouble):
        open_centre(page, town)
        expect(page.locator(".leaflet-wg-streets-pane path")).not_to_have_count(0)
        expect(page.locator("#cc-summary .cc-sentences")).to_be_visible()
        expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
        for theme in ("grids", "statistics", "people", "reach"):
            page.click(f"label:has(input[name=cc-theme][value={theme}])")
            expect(page.locator("#cc-legend h2")).to_be_visible()
            if theme in ("statistics", "reach"):
                expect(page.locator("#cc-legend .cc-verdict, #cc-legend .cc-warning")).to_be_visible()
        page.click("#cc-tab-grids")
        page.locator(".cc-entry").first.click()
        expect(page.locator("#cc-card .wg-card-section")).not_to_have_count(0)
        expect(page.locator("#cc-card .wg-card-figures dd")).to_have_count(4)
        expect(page.locator("[data-filter=tier]")).to_have_count(1 if role in WITH_TIERS else 0)
        told = bodies_of(answers)
        assert trouble == Trouble()

    whole = "\n".join(told.values())
    mine = own_grid(town) if role is Role.GRID_WORKER else ""
    exact = role is Role.CENTRE
    assert ("domestic_violence" in whole) == (exact or bool(mine))
    rows = town.rows(
        "select st_x(geom), st_y(geom), st_x(place), st_y(place), grid_code from cases where geom is not null"
    )
    hidden = {
        (round(x, 6), round(y, 6))
        for x, y, place_x, place_y, grid in rows
        if not exact and grid != mine and (x, y) != (place_x, place_y)
    }
    assert exact or len(hidden) > 100
    lists = {url: json.loads(body) for url, body in told.items() if body.startswith("{")}
    assert any("/cases?" in url for url in lists)
    assert any("/surface?" in url for url in lists)
    for url, answer in lists.items():
        shown = {(round(x, 6), round(y, 6)) for x, y in pairs(answer)}
        assert not shown & hidden, url

    groups = page_data(next(body for body in told.values() if body.startswith("<!DOCTYPE")))["groups"]
    assert groups
    for group in groups:
        for cell in group["cells"]:
            assert BAND.match(cell["label"]["zh"]), cell["label"]
    names = {group["group"] for group in groups}
    assert ("disabled" in names) == Principal(role).reaches(Role.PLANNER)


def test_a_new_case_appears_without_a_reload(town: Served, browser: Browser) -> None:
    """Reported through the API, it stands at the head of the list, and on the map."""
    from playwright.sync_api import expect

    client = town.client(Role.CENTRE)
    lon, lat = town.rows(
        "select st_x(c), st_y(c) from (select st_centroid(geom) c from divisions limit 1) d"
    )[0]
    with visitor(town, browser, Role.CENTRE) as (page, _, trouble):
        open_centre(page, town)
        expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
        page.evaluate("window.untouched = true")
        report = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lon, lat]},
            "properties": {
                "community": CODE,
                "category": "manhole",
                "time": datetime.now(UTC).isoformat(),
                "status": "discovered",
            },
        }
        answer = client.post("/collections/cases/items", json=report)
        assert answer.status_code == 201, answer.text
        expect(page.locator(".cc-entry.cc-fresh b").first).to_have_text("井盖问题")
        expect(page.locator(".cc-case.cc-fresh")).to_have_count(1)
        # its category is the first of its kind here: it can be filtered by all the same
        page.check("input[name=category][value=manhole]")
        expect(page.locator(".cc-entry")).to_have_count(1)
        page.uncheck("input[name=category][value=manhole]")
        assert page.evaluate("window.untouched") is True
        # without a network it says so; with it again, the page is live without a hand
        page.context.set_offline(True)
        expect(page.locator("#cc-live")).to_have_attribute("data-state", "away")
        page.context.set_offline(False)
        expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
        assert trouble.outside == []
        assert all("ERR_INTERNET_DISCONNECTED" in error for error in trouble.errors)


def test_a_shared_link_shows_the_same(town: Served, browser: Browser) -> None:
    """Filters, theme, place and grid come back from the address, for another who may see them."""
    from playwright.sync_api import expect

    with visitor(town, browser, Role.CENTRE) as (page, _, trouble):
        open_centre(page, town, "lang=en")
        page.check("input[name=category][value=noise]")
        page.check("input[name=status][value=open]")
        page.click("label:has(input[name=cc-theme][value=grids])")
        page.click("label:has(input[name=cc-measure][value=residents])")
        page.click("#cc-tab-grids")
        page.locator(".cc-entry").first.click()
        page.click("#wg-in")
        expect(page).to_have_url(re.compile("at="))
        expect(page).to_have_url(re.compile("rate=residents"))
        shared, total = page.url, page.locator(".cc-figure dd").first.inner_text()
        assert trouble == Trouble()
    with visitor(town, browser, Role.CENTRE, 1920, 1080) as (page, _, trouble):
        page.goto(shared)
        expect(page.locator(".cc-figure dd").first).to_have_text(total)
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.locator("input[name=category][value=noise]")).to_be_checked()
        expect(page.locator("input[name=cc-measure][value=residents]")).to_be_checked()
        expect(page.locator("#cc-card h2")).to_be_visible()
        assert page.url == shared
        assert trouble == Trouble()


def test_a_street_offices_page(town: Served, browser: Browser) -> None:
    """All its communities that are published; of the other one the public learns nothing."""
    from playwright.sync_api import expect

    office = CODE[:9]
    with visitor(town, browser, Role.PUBLIC) as (page, answers, trouble):
        page.goto(f"{town.address}/centre/{office}?lang=zh")
        expect(page.locator(".cc-figure")).not_to_have_count(0)
        page.click("#cc-tab-grids")
        expect(page.locator(".cc-entry")).not_to_have_count(0)
        assert not any(HIDDEN in body for body in bodies_of(answers).values())
        assert trouble == Trouble()
    with visitor(town, browser, Role.PUBLIC) as (page, _, trouble):
        refused = page.goto(f"{town.address}/centre/{HIDDEN}")
        assert refused is not None
        assert refused.status == 404


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_accessibility(town: Served, browser: Browser, size: tuple[int, int]) -> None:
    """axe-core finds nothing serious on the real page with a card open, and with reach on it."""
    from playwright.sync_api import expect

    with visitor(town, browser, Role.CENTRE, *size) as (page, _, trouble):
        open_centre(page, town, f"lang=zh&theme=reach&grid={own_grid(town)}")
        expect(page.locator("#cc-card .wg-card-section")).not_to_have_count(0)
        expect(page.locator("#cc-legend .cc-verdict")).to_have_count(1)
        assert accessibility_faults(page) == []
        assert trouble == Trouble()


# --- on a phone and a tablet ---

# what lies on the map: the lines above it, the line below it, and what floats beside it
LINES = (".cc-bar", ".cc-theme-row", ".cc-choices:not([hidden])", ".cc-levels")
FLOATING = (".cc-tools", ".cc-player:not([hidden])")
BELOW = ".cc-sheets button:not([hidden])"
PRESSED = (
    ".cc-bar a, .cc-themes label, .cc-themes button, .cc-sheets button, .cc-tools button, .cc-player button"
)


def boxes(page: Page, of: str) -> list[tuple[float, float, float, float]]:
    """Where each of them is seen: left, top, right, bottom in pixels; those not drawn left out."""
    told: list[list[float]] = page.evaluate(
        """of => Array.from(document.querySelectorAll(of), node => node.getBoundingClientRect())
             .filter(box => box.width && box.height)
             .map(box => [box.left, box.top, box.right, box.bottom])""",
        of,
    )
    return [(one[0], one[1], one[2], one[3]) for one in told]


def hard_to_press(page: Page) -> list[str]:
    """Controls wholly in sight that a finger 21 pixels above or below their middle does not hit."""
    told: list[str] = page.evaluate(
        """of => Array.from(document.querySelectorAll(of)).filter(node => {
             const box = node.getBoundingClientRect(), y = (box.top + box.bottom) / 2;
             const hits = (x, y) => {
               const at = document.elementFromPoint(x, y);
               return at !== null && at.closest(of) === node;
             };
             if (!box.width || !hits(box.left + 4, y) || !hits(box.right - 4, y)) return false;
             const x = (box.left + box.right) / 2;
             return !(hits(x, y - 21) && hits(x, y + 21));
           }).map(node => node.textContent.trim() || node.id)""",
        PRESSED,
    )
    return told


def check_the_map_has_room(page: Page, size: tuple[int, int], where: str) -> None:
    """At least half of the height is the map's, the community is seen whole in it, and nothing overlaps."""
    width, height = size
    lines = [box for of in LINES for box in boxes(page, of)]
    floating = [box for of in FLOATING for box in boxes(page, of)]
    below = boxes(page, BELOW)
    top, bottom = max(box[3] for box in lines), min(box[1] for box in below)
    assert bottom - top >= height / 2, (where, top, bottom)
    every = lines + floating + below
    for n, one in enumerate(every):
        assert one[0] >= 0, (where, one)
        assert one[1] >= 0, (where, one)
        assert one[2] <= width, (where, one)
        assert one[3] <= height, (where, one)
        for other in every[:n]:
            apart = one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
            assert apart, (where, one, other)
    covered = sum((box[2] - box[0]) * (box[3] - box[1]) for box in floating)
    assert covered <= (bottom - top) * width / 8, where
    grids = boxes(page, ".leaflet-wg-grids-pane path.wg-grid")
    west, north = min(box[0] for box in grids), min(box[1] for box in grids)
    east, south = max(box[2] for box in grids), max(box[3] for box in grids)
    assert north >= top - 1, where
    assert south <= bottom + 1, where
    assert 0 <= west < east <= width, where
    # as large as that allows
    assert east - west > 0.7 * width or south - north > 0.7 * (bottom - top), where
    assert page.evaluate("document.documentElement.scrollWidth") <= width, where
    assert hard_to_press(page) == [], where


@pytest.mark.parametrize("size", [(390, 844), (844, 390), (360, 640), (768, 1024)])
def test_on_a_phone_half_of_the_height_is_the_maps(
    town: Served, browser: Browser, size: tuple[int, int]
) -> None:
    """In every theme and both languages; what is folded for it opens, by keys too, and nothing is lost."""
    from playwright.sync_api import expect

    # all times: the latest days hold next to nothing where another test has reported a case
    with visitor(town, browser, Role.CENTRE, *size) as (page, _, trouble):
        open_centre(page, town, "lang=zh&datetime=2020-01-01/..")
        expect(page.locator(".leaflet-wg-streets-pane path")).not_to_have_count(0)
        folded, legend = page.locator("#cc-folded"), page.locator("#cc-legend")
        for lang in ("zh", "en"):
            page.click(f"[data-lang={lang}]")
            for theme in ("heat", "grids", "statistics", "people", "reach"):
                page.click(f"label:has(input[name=cc-theme][value={theme}])")
                expect(page.locator("html")).to_have_attribute("data-theme", theme)
                if theme in ("statistics", "reach"):  # compiled at first
                    expect(legend.locator(".cc-verdict")).to_have_count(1, timeout=60_000)
                expect(legend).to_be_hidden()
                # which unit the colours have is told beside them
                title = legend.locator("h2").text_content()
                assert title
                expect(folded).to_have_text(title)
                expect(folded).to_have_accessible_name(f"{'图例' if lang == 'zh' else 'Legend'} · {title}")
                check_the_map_has_room(page, size, f"{theme}, {lang}")
        # a legend opens by keys; the focus goes along, and comes back
        folded.focus()
        page.keyboard.press("Enter")
        expect(folded).to_have_attribute("aria-expanded", "true")
        expect(legend.locator(".cc-verdict")).to_be_in_viewport()
        expect(legend.locator("li")).not_to_have_count(0)
        expect(page.locator("#cc-legend-sheet .cc-sheet-close")).to_be_focused()
        assert accessibility_faults(page) == []
        page.keyboard.press("Escape")
        expect(legend).to_be_hidden()
        expect(folded).to_be_focused()
        # with its caveat, and the settings of the method
        page.click("label:has(input[name=cc-theme][value=statistics])")
        folded.click()
        expect(legend.locator(".cc-caveat").first).to_be_visible()
        legend.locator(".cc-finer summary").click()
        expect(legend.locator(".cc-finer select").first).to_be_visible()
        page.click("#cc-legend-sheet .cc-sheet-close")
        expect(folded).to_be_focused()
        expect(page.locator("#cc-live")).to_be_in_viewport()
        expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
        page.click("[data-sheet=cc-left]")
        expect(page.locator(".cc-published")).to_have_count(1)
        assert trouble == Trouble()


def test_on_a_phone_the_way_is_one_line_and_a_blank_map_says_why(town: Served, browser: Browser) -> None:
    """However deep one is, where one is stays in sight; too few cases are told without opening anything."""
    from playwright.sync_api import expect

    with visitor(town, browser, Role.CENTRE, 390, 844) as (page, _, trouble):
        open_centre(page, town, f"lang=en&theme=grids&grid={own_grid(town)}")
        way = page.locator(".cc-levels")
        expect(way.locator(".cc-below button")).not_to_have_count(0)
        way.locator(".cc-below button").last.click()  # the card makes way
        here = way.locator("[aria-current]")
        expect(here).to_contain_text("Small grid")
        expect(here).to_be_in_viewport(ratio=1)
        [(_, top, _, bottom)] = boxes(page, ".cc-levels")
        assert 44 <= bottom - top <= 50
        way.locator("button").first.click()
        expect(way.locator("button").first).to_be_in_viewport(ratio=1)
        open_centre(page, town, "lang=zh&theme=heat&datetime=2001-01-01/2001-01-07")
        folded = page.locator("#cc-folded")
        expect(folded).to_have_class(re.compile("cc-warned"))
        expect(folded).to_contain_text("事件太少")
        assert trouble == Trouble()
