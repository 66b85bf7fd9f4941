"""The centre's page left open: the login ends, grids are redrawn, one goes back; maps keep their zoom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import text

from service import db
from service.access import Principal, Role
from service.identity.accounts import COOKIE
from service.plans.planning import plan_community
from service.routes import events
from service.store.grids import publish_plan
from tests.browser import Trouble, closed_page

from .api import PROFILE, Served, fill, serve
from .test_accounts import issue
from .towns import CODE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.database, pytest.mark.browser]

ADDRESS = f"/centre/{CODE}"


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """The published town; a third of its cases is nothing for the public."""
    area = fill(module_database)
    with module_database.owner.begin() as connection:
        connection.execute(
            text("""
                update cases c set category = (array['rubbish', 'noise', 'domestic_violence'])[1 + n % 3]
                from (select id, row_number() over (order by id)::int as n from cases) k where k.id = c.id
            """)
        )
    with pytest.MonkeyPatch.context() as patch, serve(module_database, area) as served:
        patch.setattr(events, "PACE", events.Pace(heartbeat=0.3))
        yield served


@pytest.fixture
def page(town: Served, browser: Browser) -> Iterator[Page]:
    """A page that the command centre has logged in with; what goes wrong in it is a fault."""
    trouble = Trouble()
    with closed_page(browser, trouble) as opened:
        token = town.accounts.invite(Principal(Role.CENTRE, ("",), frozenset(), "lasting"))
        opened.goto(f"{town.address}/login?token={token}")
        yield opened
    assert trouble.outside == []
    assert [error for error in trouble.errors if "400 (Bad Request)" not in error] == []


def open_centre(page: Page, town: Served, query: str) -> None:
    from playwright.sync_api import expect

    page.goto(f"{town.address}{ADDRESS}?{query}")
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    expect(page.locator(".cc-figure")).not_to_have_count(0)
    expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")


def figure(page: Page) -> int:
    """The number of cases that the page shows."""
    return int(page.locator(".cc-figure dd").first.evaluate("node => node.firstChild.textContent"))


def end_session(page: Page, town: Served) -> None:
    """As after twelve hours; the browser keeps the cookie."""
    cookie = next(one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
    town.accounts.end(cookie)


def middle(town: Served) -> tuple[float, float]:
    """Longitude and latitude of the town's middle."""
    lon, lat = town.rows("select st_x(c), st_y(c) from (select st_centroid(geom) c from divisions) d")[0]
    return lon, lat


def report(client: httpx.Client, town: Served) -> None:
    """A case that everybody may know of, in the minute in which the data end."""
    newest = town.rows("select max(time) from cases")[0][0]
    told = {"community": CODE, "category": "noise", "time": newest.isoformat()}
    case = {"type": "Feature", "geometry": {"type": "Point", "coordinates": middle(town)}, "properties": told}
    answer = client.post("/collections/cases/items", json=case)
    assert answer.status_code == 201, answer.text


def test_a_login_that_ends_is_told_and_nothing_else_is_shown(town: Served, page: Page) -> None:
    """The public's figures never stand in the place of the centre's; who logs in again is where they were."""
    from playwright.sync_api import expect

    client = town.client(Role.CENTRE)
    open_centre(page, town, "lang=en&theme=grids&last=30d&weekdays=1-7")
    total = figure(page)
    end_session(page, town)
    report(client, town)
    expect(page.locator("#cc-live")).to_have_attribute("data-state", "away")
    expect(page.locator("#cc-live-words")).to_contain_text("Login ended, data as of")
    expect(page.locator("#cc-summary")).to_contain_text("Your login has ended.")
    assert figure(page) == total
    # a filter that the public has not is refused, and for the same reason
    page.check("input[name=tier][value=grid]")
    expect(page.locator("#cc-summary")).to_contain_text("Your login has ended.")
    page.click("text=中文")
    expect(page.locator("#cc-live-words")).to_contain_text("登录已失效")
    page.uncheck("input[name=tier][value=grid]")
    shown = page.url
    page.locator("#cc-summary a").click()
    page.fill("input[name=key]", issue(town.database, Principal(Role.CENTRE, ("",), subject="again"))[0])
    page.keyboard.press("Enter")
    expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
    assert page.url == shown
    assert figure(page) == total + 1


def test_a_login_in_another_tab_is_enough(town: Served, page: Page) -> None:
    from playwright.sync_api import expect

    client = town.client(Role.CENTRE)
    open_centre(page, town, "lang=en")
    end_session(page, town)
    report(client, town)
    expect(page.locator("#cc-live")).to_have_attribute("data-state", "away")
    other = page.context.new_page()
    token = town.accounts.invite(Principal(Role.CENTRE, ("",), frozenset(), "lasting"))
    other.goto(f"{town.address}/login?token={token}")
    report(client, town)
    expect(page.locator("#cc-live")).to_have_attribute("data-state", "live")
    expect(page.locator("#cc-summary")).not_to_contain_text("login")


def test_who_logs_in_as_another_sees_the_other_page(town: Served, page: Page) -> None:
    """Every tab of a browser is logged in alike: none shows one role's figures on the page of another."""
    from playwright.sync_api import expect

    client = town.client(Role.CENTRE)
    open_centre(page, town, "lang=en&theme=grids")
    expect(page.locator("#cc-left")).to_contain_text("Viewing as: command centre")
    token = town.accounts.invite(Principal(Role.PLANNER, ("",), subject="lasting"))
    page.context.new_page().goto(f"{town.address}/login?token={token}")
    report(client, town)
    expect(page.locator("#cc-left")).to_contain_text("Viewing as: planner")
    assert "theme=grids" in page.url


@pytest.mark.parametrize(
    "back", ["https://example.org/", "//example.org/", "/\\example.org", "/a\r\nSet-Cookie: x=1", "centre"]
)
def test_a_login_leads_to_no_other_host(town: Served, back: str) -> None:
    secret, _ = issue(town.database, Principal(Role.CENTRE, ("",), subject="back"))
    answer = town.client().post("/login", data={"key": secret, "next": back})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"


def test_a_link_that_asks_for_more_offers_to_log_in(town: Served, page: Page) -> None:
    """Who was sent a colleague's link is told what of it is not open to them, and gets there by logging in.

    A condition that nobody has is told of in the same words.
    """
    from playwright.sync_api import expect

    html = {"Accept": "text/html"}
    link = f"{ADDRESS}?lang=en&theme=grids&tier=grid&last=7d"
    told = town.client().get(link, headers=html)
    unknown = town.client().get(link.replace("tier=", "layer="), headers=html)
    assert (told.status_code, unknown.status_code) == (400, 400)
    assert told.text.replace("tier", "layer") == unknown.text
    assert "“tier” is a condition that this page does not have, or only for some roles" in told.text
    for name in ("tier", "layer"):
        answer = town.client().get(link.replace("tier=", f"{name}="), headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "parameter-unknown")
        assert answer.json()["detail"].startswith(f"There is no parameter {name} here.")
    end_session(page, town)
    page.goto(f"{town.address}{link}")
    page.get_by_role("main").get_by_role("link", name="Log in").click()
    page.fill("input[name=key]", issue(town.database, Principal(Role.CENTRE, ("",), subject="sent"))[0])
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    expect(page.locator("input[name=tier][value=grid]")).to_be_checked()
    assert "last=7d" in page.url


def test_back_leads_to_the_whole(town: Served, page: Page) -> None:
    """A view without a place is the whole, by the back button as by its link."""
    open_centre(page, town, "lang=en")
    whole = page.evaluate("centre.map.getCenter()")
    page.evaluate("centre.change({ grid: centre.page.grids[2].code })")
    page.evaluate("centre.map.panBy([300, 200], { animate: false })")
    assert "at=" in page.url
    page.go_back()
    page.wait_for_function("centre.view.at === '' && centre.view.grid === ''")
    # in pixels; the panels may leave a little more room than when the page was opened
    away = page.evaluate(
        "at => { const m = centre.map; return m.project(at).distanceTo(m.project(m.getCenter())); }", whole
    )
    assert away < 60
    assert "at=" not in page.url


@pytest.mark.parametrize(("asked", "least", "most"), [("99", 21, 21), ("-5", 1, 12), ("16.5", 16.5, 16.5)])
def test_an_address_cannot_ask_for_a_zoom_beyond_the_maps(
    town: Served, page: Page, asked: str, least: float, most: float
) -> None:
    """Drawing at zoom 99 does not end; at 26 it takes half a minute."""
    lon, lat = town.rows(
        "select st_x(c), st_y(c) from (select st_centroid(geom) c from divisions limit 1) d"
    )[0]
    open_centre(page, town, f"lang=en&at={lat},{lon},{asked}")
    assert least <= page.evaluate("centre.map.getZoom()") <= most
    for _ in range(4):
        page.click("#wg-in")
    assert page.evaluate("centre.map.getZoom()") <= 21


def test_a_redraw_reaches_a_page_that_is_open(town: Served, page: Page) -> None:
    """Other grids come into force: the page shows them without a hand, and keeps its view."""
    from playwright.sync_api import expect

    gone = str(town.rows("select max(code) from grids where valid_to is null")[0][0])
    open_centre(page, town, f"lang=en&theme=grids&last=7d&grid={gone}")
    expect(page.locator("#cc-card h2")).to_be_visible()
    count = page.locator("path.wg-grid").count()
    planned = plan_community(town.database.owner, CODE, PROFILE, grids=count - 2)
    with town.database.owner.begin() as connection:
        publish_plan(connection, planned.plan)
    now = [row[0] for row in town.rows("select code from grids where valid_to is null order by code")]
    assert gone not in now
    expect(page.locator("path.wg-grid")).to_have_count(len(now))
    assert sorted(page.evaluate("centre.page.grids.map(grid => grid.code)")) == now
    expect(page.locator("#cc-note")).to_contain_text("The grids were redrawn")
    expect(page.locator("#cc-note")).to_contain_text(f"{gone} is not among those in force")
    assert "last=7d" in page.url
    assert "grid=" not in page.url


def test_a_card_that_is_read_is_left_as_it_is_and_kept_true(town: Served, page: Page) -> None:
    """Its card tells what happens in a grid, and takes neither focus nor what was opened from its reader."""
    from playwright.sync_api import expect

    code = town.rows("""
        select g.code from grids g, (select st_centroid(geom) c from divisions order by id limit 1) d
        where valid_to is null and st_intersects(g.geom, d.c)
    """)[0][0]
    client = town.client(Role.CENTRE)
    open_centre(page, town, f"lang=en&theme=grids&grid={code}")
    card = page.locator("#cc-card")
    months = card.locator("details")
    expect(months).to_have_count(1)
    months.locator("summary").click()
    link = card.locator(".wg-card-links a").nth(1)
    link.focus()
    told = int(str(client.get(f"{ADDRESS}/grids/{code}/card").json()["cases"]["last_30_days"]))
    expect(card).to_contain_text(f"Cases, last 30 days{told}")
    report(client, town)
    expect(card).to_contain_text(f"Cases, last 30 days{told + 1}")
    expect(months).to_have_attribute("open", "")
    expect(link).to_be_focused()


def test_numbers_of_the_question_before_are_pale(town: Served, page: Page) -> None:
    """The filters say 7 days at once; until the answer is there the numbers are those of 30."""
    from playwright.sync_api import expect

    open_centre(page, town, "lang=en")
    # no answer to that question until it is taken back
    page.evaluate(
        """() => {
          const ask = window.fetch;
          const silent = how => new Promise((_, refuse) => {
            how.signal.addEventListener("abort", () => refuse(how.signal.reason));
          });
          window.fetch = (at, how) => String(at).includes("cases?last=7d") ? silent(how) : ask(at, how);
        }"""
    )
    page.click("label:has(input[name=cc-last][value='7d'])")
    for shown in ("#cc-figures", "#cc-overview"):
        expect(page.locator(shown)).to_have_attribute("aria-busy", "true")
        expect(page.locator(shown)).to_have_css("opacity", "0.4")
    page.click("label:has(input[name=cc-last][value='24h'])")
    expect(page.locator("#cc-figures")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#cc-figures")).to_have_css("opacity", "1")


@pytest.mark.parametrize(("theme", "asked"), [("statistics:gi", "/statistics/"), ("heat", "/surface")])
def test_a_legend_says_that_its_answer_is_not_there_yet(
    town: Served, page: Page, theme: str, asked: str
) -> None:
    """A statistic takes the server seconds, and a slow line more."""
    from playwright.sync_api import expect

    page.add_init_script(
        """{
          const ask = window.fetch, held = new Promise(go => { window.let_go = go; });
          const wait = at => String(at).includes("ASKED") ? held : Promise.resolve();
          window.fetch = (at, how) => wait(at).then(() => ask(at, how));
        }""".replace("ASKED", asked)
    )
    open_centre(page, town, f"lang=en&theme={theme}")
    legend = page.locator("#cc-legend")
    expect(legend).to_contain_text("Working it out …")
    expect(legend.locator(".cc-waiting")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("#cc-folded")).to_contain_text("Working it out …")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.evaluate("window.let_go()")
    expect(legend.locator("li, .cc-verdict")).not_to_have_count(0)
    expect(legend.locator(".cc-waiting")).to_have_count(0)


def test_what_is_being_typed_is_not_wiped_by_an_answer(town: Served, page: Page) -> None:
    """The settings of a statistic are written anew with each answer, whenever something happens."""
    from playwright.sync_api import expect

    open_centre(page, town, "lang=en&theme=statistics:compare@grids")
    page.locator("#cc-legend .cc-verdict").wait_for()
    page.click("#cc-legend .cc-finer summary")
    areas = page.locator("#cc-legend input[name=areas]")
    areas.fill("1, ")
    page.evaluate("centre.draw_legend()")
    assert areas.input_value() == "1, "
    labels = page.evaluate("centre.page.grids.slice(0, 2).map(grid => grid.label)")  # whatever was redrawn
    areas.fill(" ".join(labels))
    areas.press("Enter")
    expect(page).to_have_url(re.compile("areas="))
    page.evaluate("centre.draw_legend()")
    assert areas.input_value() == ", ".join(labels)
