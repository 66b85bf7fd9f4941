"""Two plans and two periods compared: each role is told what the API tells it, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from partition.wishes.policy import Profile, Size
from service.access import Principal, Role
from service.identity.accounts import COOKIE
from service.plans.planning import plan_community
from service.postgres.cluster import Cluster
from service.routes import events
from tests.browser import Trouble, closed_page

from .api import HIDDEN, Served, fill, serve
from .conftest import own_database
from .test_accounts import issue
from .towns import CODE

pytestmark = pytest.mark.database
ADDRESS = f"/centre/{CODE}/compare"
SEERS = (Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN, Role.CENTRE)


@dataclass
class World:
    """A published plan, two drafts, one of another community, and a client a role."""

    served: Served
    published: int
    draft: int
    foreign: int
    clients: dict[Role, httpx.Client]


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[World]:
    with contextmanager(own_database)(cluster) as database:
        area = fill(database)
        smaller = Profile("smaller", Size("households", 120, 180, 240))
        draft = plan_community(database.owner, CODE, smaller, author="a planner")
        foreign = plan_community(database.owner, HIDDEN, smaller, author="a planner")
        with serve(database, area) as served:
            published = served.rows("select id from plans where status = 'published'")[0].id
            own = served.rows("select min(grid_code) from cases where category = 'dispute'")[0][0]
            clients = {
                role: served.client(role, grids=frozenset({own}) if role is Role.GRID_WORKER else frozenset())
                for role in Role
            }
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    events, "PACE", events.Pace(heartbeat=0.3)
                )  # who hangs up is noticed by its silence
                yield World(served, published, draft.plan, foreign.plan, clients)


def page_of(client: httpx.Client, **query: str) -> tuple[dict[str, Any], str]:
    """The data in the page, and its text."""
    answer = client.get(ADDRESS, params=query)
    assert answer.status_code == 200, answer.text[:400]
    assert "frame-ancestors" in answer.headers["content-security-policy"]
    found = re.search(r'id="wangge-page">(.*?)</script>', answer.text, re.DOTALL)
    assert found is not None
    return json.loads(found[1]), answer.text


def table(html: str) -> dict[str, list[str]]:
    """The figures: label in Chinese → left, right, change."""
    rows = re.findall(
        r'<tr><th scope="row"><span data-zh="(.*?)".*?</th><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>',
        html,
    )
    return {unescape(label): [unescape(cell) for cell in cells] for label, *cells in rows}


@pytest.mark.parametrize("role", SEERS)
def test_plans_are_compared_as_they_are_stored(world: World, role: Role) -> None:
    """Grids, sums and the households that change grid, against the tables."""
    page, html = page_of(
        world.clients[role], left=f"plan:{world.published}", right=f"plan:{world.draft}", lang="zh"
    )
    figures = table(html)
    for name, plan in (("left", world.published), ("right", world.draft)):
        rows = world.served.rows(
            "select code, households from plan_grids where plan_id = :plan order by 1", plan=plan
        )
        assert [grid["code"] for grid in page[name]["grids"]] == [row.code for row in rows]
        place = 0 if name == "left" else 1
        assert figures["网格"][place] == str(len(rows))
        assert figures["户数"][place] == f"{sum(row.households for row in rows):,}"
        assert figures["最大网格（户）"][place] == str(max(row.households for row in rows))
    homes = world.served.rows(
        """select o.grid_code as old, n.grid_code as new, o.households
           from plan_buildings o join plan_buildings n on n.building_id = o.building_id
           where o.plan_id = :left and n.plan_id = :right""",
        left=world.published,
        right=world.draft,
    )
    moved = [row for row in homes if page["twins"].get(row.new) != row.old]
    assert 0 < len(moved) < len(homes)
    assert figures["换网格的楼栋"][1] == str(len(moved))
    assert figures["换网格的户数"][1] == f"{sum(row.households for row in moved):,}"
    assert len(page["moved"]) >= len(moved)
    assert page["left"]["borders"] or page["right"]["borders"]
    assert len(set(page["twins"].values())) == len(page["twins"])


def test_a_plan_beside_itself_differs_in_nothing(world: World) -> None:
    """No border, no building, no words; the public may look at what is published."""
    both = f"plan:{world.published}"
    for role in Role:
        page, html = page_of(world.clients[role], left=both, right=both, lang="en")
        assert page["left"]["borders"] == page["right"]["borders"] == page["moved"] == []
        assert page["left"]["grids"] == page["right"]["grids"]
        assert "The two plans are the same." in html
        assert ("换网格的户数" in html) == (role in SEERS)
        shown = {grid["code"]: grid["cells"][0] for grid in page["left"]["grids"]}
        items = world.clients[role].get("/collections/grids/items", params={"limit": 1000}).json()["features"]
        told = {item["id"]: item["properties"]["households"] for item in items}
        assert {code: cell and cell["zh"] for code, cell in shown.items()} == {
            code: None if count is None else f"{count:,} 户" for code, count in told.items()
        }


def test_plans_that_are_not_published_are_not_there_for_others(world: World) -> None:
    """As if there were no such plan; the choices name none of them either."""
    for role in set(Role) - set(SEERS):
        never = world.clients[role].get(ADDRESS, params={"left": "plan:99999", "right": "plan:99999"})
        for sides in ((world.published, world.draft), (world.draft, world.draft)):
            left, right = (f"plan:{plan}" for plan in sides)
            answer = world.clients[role].get(ADDRESS, params={"left": left, "right": right})
            assert answer.status_code == never.status_code == 404
            assert answer.text.replace(f"{world.draft}", "99999") == never.text
        own = f"plan:{world.published}"
        _, html = page_of(world.clients[role], left=own, right=own)
        assert set(re.findall(r'<option value="(.*?)"', html)) == {own}


def written(begin: datetime, end: datetime) -> str:
    """A time as collections take it; its end is no longer part of it."""
    last = end - timedelta(microseconds=1)
    return "/".join(time.astimezone(UTC).isoformat().replace("+00:00", "Z") for time in (begin, last))


def month_of(text: str) -> tuple[datetime, datetime]:
    """When a month of Beijing's calendar begins and ends."""
    begin = datetime.fromisoformat(f"{text}-01T00:00:00+08:00")
    return begin, (begin + timedelta(days=32)).replace(day=1)


def months_of(world: World) -> list[str]:
    """The months with cases."""
    rows = world.served.rows(
        "select distinct to_char(time at time zone 'Asia/Shanghai', 'YYYY-MM') as month from cases order by 1"
    )
    return [row.month for row in rows]


def until(world: World) -> datetime:
    """The minute after the newest case: the town is made up, so its time stands still there."""
    newest: datetime = world.served.rows("select max(time) from cases")[0][0]
    return newest.replace(second=0, microsecond=0) + timedelta(minutes=1)


def both_words(html: str, part: str) -> str:
    """What stands in a part of the page, in Chinese."""
    found = re.search(rf'id="{part}".*?</section>', html, re.DOTALL)
    assert found is not None
    return unescape(" ".join(re.findall(r'data-zh="(.*?)"', found[0])))


@pytest.mark.parametrize("role", Role)
def test_periods_count_as_the_centre_does(world: World, role: Role) -> None:
    """Each side has the numbers of `/centre/{division}/cases` for its stretch: as many days of the month
    that is over as have passed of the one that is not. Classes are the same.
    """
    client = world.clients[role]
    months = months_of(world)
    assert len(months) == 2
    begin, end = month_of(months[1])
    passed = until(world) - begin
    assert timedelta(days=20) < passed < end - begin
    page, html = page_of(client, left=months[0], right=months[1], category="rubbish")
    shares: dict[str, Any] = {}
    for name, month in (("left", months[0]), ("right", months[1])):
        first = month_of(month)[0]
        told = client.get(
            f"/centre/{CODE}/cases",
            params={"datetime": written(first, first + passed), "category": "rubbish"},
        ).json()
        counts = {row["grid"]: row["cases"] for row in told["by_grid"]}
        shares[name] = told["total"]
        for grid in page[name]["grids"]:
            if grid["state"] == "withheld":
                assert (grid["value"], grid["cells"]) == (None, [None])
            else:
                assert grid["value"] == counts[grid["code"]]
    assert sum(shares.values()) > 0
    figures = table(html)
    assert figures["事件数"][:2] == [str(shares["left"]), str(shares["right"])]
    difference = shares["right"] - shares["left"]
    assert (
        figures["事件数"][2]
        == f"{'+' if difference > 0 else '−' if difference < 0 else '±'}{abs(difference)}"
    )
    assert "2026年2月尚未结束：左右两图都只统计各自开头的 " in both_words(html, "cm-basis")
    rated, _ = page_of(client, left=months[0], right=months[1], rate="households")
    assert rated["measure"]["name"] == "case_rate_households"
    for name in ("left", "right"):
        for grid in rated[name]["grids"]:
            assert (grid["value"] is None) == (grid["state"] in ("few", "withheld"))


def test_without_sides_the_running_month_is_compared_with_as_much_of_the_last(world: World) -> None:
    """Told from the newest case, since the town is made up; the choice offers the months with cases."""
    for role in Role:
        page, html = page_of(world.clients[role])
        assert (page["selected"]["left"], page["selected"]["right"]) == ("2026-01", "2026-02")
        assert (page["left"]["title"], page["right"]["title"]) == (
            {"zh": "2026年1月", "en": "January 2026"},
            {"zh": "2026年2月", "en": "February 2026"},
        )
        assert re.findall(r'<option value="(.*?)"', html)[:2] == ["2026-02", "2026-01"]
        # one case each seven hours, whatever the month: like for like there is hardly a difference
        if role is Role.CENTRE:
            assert abs(int(table(html)["事件数"][2].translate({0x2212: "-", 0xB1: "+"}))) <= 1


def test_periods_of_unequal_length_are_compared_by_the_day(world: World) -> None:
    """Twenty days and ten, both over: no plain difference; maps show what there would be in thirty days."""
    client = world.clients[Role.CENTRE]
    sides = {"left": "2026-01-01/2026-01-20", "right": "2026-02-01/2026-02-10"}
    page, html = page_of(client, **sides)
    totals = {}
    for name, days in (("left", 20), ("right", 10)):
        begin, last = sides[name].split("/")
        told = client.get(f"/centre/{CODE}/cases", params={"datetime": f"{begin}/{last}"}).json()
        counts = {row["grid"]: row["cases"] for row in told["by_grid"]}
        totals[name] = told["total"]
        for grid in page[name]["grids"]:
            if grid["state"] == "withheld":
                assert (grid["value"], grid["cells"]) == (None, [None, None])
            else:
                assert grid["value"] == pytest.approx(counts[grid["code"]] * 30 / days)
                assert grid["cells"][0] == f"{counts[grid['code']] * 30 / days:,.1f}"
                assert grid["cells"][1]["zh"] == f"{counts[grid['code']]} 件"
        assert page[name]["title"]["en"] == f"{begin} – {last}"
    assert [column["zh"] for column in page["columns"]] == ["每30天事件数", "事件数"]
    assert page["measure"]["name"] == "cases_30_days"
    figures = table(html)
    left, right = totals["left"], totals["right"]
    assert figures["事件数"][:2] == [str(left), str(right)]
    percent = round(100 * ((right / 10) / (left / 20) - 1))
    assert abs(percent) < 20 < abs(right - left)
    assert figures["事件数"][2] == f"{'+' if percent > 0 else '−' if percent < 0 else '±'}{abs(percent)}%"
    assert figures["日均"][:2] == [f"{left / 20:.1f}", f"{right / 10:.1f}"]
    assert "左右时段长短不同（20 天与 10 天）" in both_words(html, "cm-basis")
    assert "日均变化" in html
    # the same two, the other way round, say the same
    _, swapped = page_of(client, left=sides["right"], right=sides["left"])
    assert "左右时段长短不同（10 天与 20 天）" in both_words(swapped, "cm-basis")
    rated, _ = page_of(client, rate="households", **sides)
    assert rated["measure"]["name"] == "case_rate_households_30_days"
    plain, _ = page_of(client, rate="households", left=sides["left"], right=sides["left"])
    for one, other in zip(rated["left"]["grids"], plain["left"]["grids"], strict=True):
        assert one["state"] == other["state"]
        if other["value"] is not None:
            assert one["value"] == pytest.approx(other["value"] * 30 / 20)


def test_equally_long_periods_that_are_over_need_no_words(world: World) -> None:
    page, html = page_of(
        world.clients[Role.CENTRE], left="2026-01-01/2026-01-14", right="2026-01-15/2026-01-28"
    )
    assert both_words(html, "cm-basis") == ""
    assert page["measure"]["name"] == "cases"
    assert "日均变化" not in html


def test_before_the_first_case_nothing_rises(world: World) -> None:
    """Beside a month without data no difference is shown and nothing is called a change."""
    client = world.clients[Role.CENTRE]
    _, html = page_of(client, left="2025-12", right="2026-01")
    figures = table(html)
    assert figures["事件数"][0] == "0"
    assert int(figures["事件数"][1]) > 50
    assert {row[2] for row in figures.values()} == {"–"}
    assert "左图时段早于最早的事件记录（2026年1月1日）" in both_words(html, "cm-basis")
    assert "数据不够久，升降不作判断。" in both_words(html, "cm-differences")
    assert "▲" not in "".join(row[2] for row in figures.values())


def test_the_page_compares_a_running_time_with_an_equally_long_one_before(world: World) -> None:
    """One rule: `/cases` of a month that is not over, too, counts as many days before as have passed."""
    begin, end = month_of("2026-02")
    passed = until(world) - begin
    client = world.clients[Role.CENTRE]
    told = client.get(f"/centre/{CODE}/cases", params={"datetime": written(begin, end)}).json()
    assert datetime.fromisoformat(told["previous_span"]["begin"]) == begin - passed
    assert datetime.fromisoformat(told["previous_span"]["end"]) == begin
    before = client.get(f"/centre/{CODE}/cases", params={"datetime": written(begin - passed, begin)}).json()
    assert told["change"]["difference"] == told["total"] - before["total"]
    assert "different number of hours" not in told["summary"]["en"]
    surface = {"datetime": written(begin, end), "previous": "true"}
    whole = client.get(f"/centre/{CODE}/surface", params=surface).json()
    part = client.get(
        f"/centre/{CODE}/surface", params=surface | {"datetime": written(begin, begin + passed)}
    ).json()
    assert whole["difference"] == part["difference"] is not None
    assert whole["values"] == part["values"]


def test_what_makes_no_sense_is_told(world: World) -> None:
    """400 with the reason for what is malformed, 404 for what is not there."""
    client = world.clients[Role.PLANNER]
    own = f"plan:{world.published}"
    for query in (
        {"left": own, "right": "2026-01"},
        {"left": own},
        {"left": "plan:x", "right": own},
        {"left": "2026-13", "right": "2026-01"},
        {"left": "yesterday", "right": "2026-01"},
        {"left": "../..", "right": "2026-01"},
        {"left": "2026-02-01/2026-01-01", "right": "2026-01"},
        {"left": "9999-12", "right": "2026-01"},
        {"left": "0000-01", "right": "2026-01"},
        {"left": "0001-01", "right": "2026-01"},
        {"right": "0001-01"},
        {"left": "2026-01", "right": "2026-02", "last": "7d"},
        {"left": "2026-01", "right": "2026-02", "previous": "true"},
        {"left": "2026-01", "right": "2026-02", "rate": "dogs"},
        {"left": "2026-01", "right": "2026-02", "zebra": "1"},
        {"left": "2026-01-05", "right": "2026-02-02", "weekdays": "7"},
        {"left": "x" * 200, "right": "2026-02"},
        {"left": "2026-01\x00", "right": "2026-02"},
    ):
        answer = client.get(ADDRESS, params=query)
        assert answer.status_code == 400, (query, answer.text[:200])
        assert answer.json()["detail"]
    for query in ({"left": own, "right": "plan:99999"}, {"left": own, "right": f"plan:{world.foreign}"}):
        assert client.get(ADDRESS, params=query).status_code == 404
    other = client.get(f"/centre/{CODE[:9]}/compare", params={"left": own, "right": f"plan:{world.foreign}"})
    assert other.status_code == 400  # both may be seen, but they are of two communities
    assert world.clients[Role.PUBLIC].get(f"/centre/{HIDDEN}/compare").status_code == 404


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720), (390, 844)])
def test_the_page_in_a_browser(
    world: World, browser: Browser, trouble: Trouble, width: int, height: int
) -> None:
    """With the network closed: both maps drawn, a side exchanged by its choice, no error."""
    token = world.served.accounts.invite(Principal(Role.PLANNER, ("",), frozenset(), "browser"))
    with closed_page(browser, trouble, width, height) as page:
        page.goto(f"{world.served.address}/login?token={token}")
        page.goto(
            f"{world.served.address}{ADDRESS}?left=plan:{world.published}&right=plan:{world.draft}&lang=en"
        )
        expect(page.locator("html")).to_have_attribute("data-ready", "true")
        count = len(world.served.rows("select 1 from plan_grids where plan_id = :plan", plan=world.draft))
        expect(page.locator("[data-side=right] path.wg-grid")).to_have_count(count)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("select[data-side=right]").select_option(f"plan:{world.published}")
        expect(page.locator(".cm-panel")).to_contain_text("The two plans are the same.")
        page.goto(f"{world.served.address}{ADDRESS}?lang=zh")
        expect(page.locator("html")).to_have_attribute("data-ready", "true")
        expect(page.locator("[data-side=left] .cm-key li")).not_to_have_count(0)
    assert trouble == Trouble()


@pytest.mark.parametrize("role", list(Role))
def test_the_page_and_what_it_asks_anew_say_the_same(world: World, role: Role) -> None:
    """As JSON a comparison has what the page of the same reader has, and no shapes."""
    client = world.clients[role]
    for query in ({}, {"rate": "households"}, {"category": "noise"}):
        page, html = page_of(client, **query)
        told = client.get(ADDRESS, params=query, headers={"accept": "application/json"}).json()
        for side in ("left", "right"):
            kept = [
                {name: grid[name] for name in ("code", "cells", "value", "state")}
                for grid in page[side]["grids"]
            ]
            assert told[side] == {"title": page[side]["title"], "note": told[side]["note"], "grids": kept}
            assert told[side]["note"]["zh"] in unescape(html)
        rows = table(html)
        assert {
            line["label"]["zh"]: [line["left"], line["right"], line["change"]] for line in told["figures"]
        } == rows
        for words in [*told["notes"], *(one["text"] for one in told["differences"])]:
            assert words["zh"] in unescape(html)


def test_a_page_listens_while_one_side_goes_on(world: World) -> None:
    client = world.clients[Role.CENTRE]
    newest = world.served.rows("select max(time at time zone 'Asia/Shanghai') from cases")[0][0]
    now, before, earlier = (f"{newest - timedelta(days=days):%Y-%m}" for days in (0, 32, 64))
    for query, listens in (
        ({}, True),
        ({"left": now, "right": before}, True),
        ({"left": earlier, "right": before}, False),
        ({"left": earlier, "right": f"{newest:%Y-%m-%d}"}, True),
        ({"left": f"plan:{world.published}", "right": f"plan:{world.draft}"}, False),
    ):
        page, html = page_of(client, **query)
        assert (page["events"], 'id="cm-live"' in html) == ("/events" if listens else "", listens), query


@pytest.mark.browser
def test_a_category_that_nobody_knows_says_its_language(
    world: World, browser: Browser, trouble: Trouble
) -> None:
    """As written, and marked, on both pages of the centre, on a card, and in what is asked for anew."""
    served, client = world.served, world.clients[Role.CENTRE]
    lon, lat, newest = served.rows(
        "select st_x(geom), st_y(geom), (select max(time) from cases) from cases where case_id = 'k1'"
    )[0]
    point = {"type": "Point", "coordinates": [lon, lat]}

    def report(name: str, category: str) -> None:
        told = {"case_id": name, "community": CODE, "category": category, "time": newest.isoformat()}
        feature = {"type": "Feature", "geometry": point, "properties": told}
        answer = client.post("/collections/cases/items", json=feature)
        assert answer.status_code == 201, answer.text

    token = served.accounts.invite(Principal(Role.CENTRE, ("",), frozenset(), "browser"))
    try:
        report("odd-1", "天降陨石")
        with closed_page(browser, trouble) as page:
            page.goto(f"{served.address}/login?token={token}")
            page.goto(f"{served.address}{ADDRESS}?lang=en")
            marked = page.locator("#cm-figures th [lang=zh-CN]")
            expect(marked).to_have_text(["天降陨石"])
            expect(page.locator("#cm-figures th [lang]")).to_have_count(1)
            expect(page.locator("#cm-live")).to_have_attribute("data-state", "live")
            report("odd-2", "Meteor")
            expect(page.locator("#cm-figures th [lang=en]")).to_have_text(["Meteor"])
            expect(marked).to_have_text(["天降陨石"])
            page.goto(f"{served.address}/centre/{CODE}?lang=en")
            expect(page.locator("[data-filter=category] [lang=zh-CN]")).to_have_text(["天降陨石"])
            expect(page.locator(".cc-entry b [lang=zh-CN]")).to_have_text(["天降陨石"])
            expect(page.locator(".cc-entry b [lang=en]")).to_have_text(["Meteor"])
            known = page.locator(".cc-entry b").filter(has_text="refuse").first
            expect(known.locator("[lang]")).to_have_count(0)
            # its first case is reported while the page is open
            report("odd-3", "月落")
            expect(page.locator("[data-filter=category] [lang=zh-CN]")).to_have_text(["天降陨石", "月落"])
            page.locator(".cc-entry", has_text="天降陨石").click()
            expect(page.locator(".cc-popup h3 [lang=zh-CN]")).to_have_text("天降陨石")
        grid = served.rows("select grid_code from cases where case_id = 'odd-1'")[0][0]
        card = client.get(f"/centre/{CODE}/grids/{grid}/card").json()
        assert {"zh": "天降陨石", "en": "天降陨石", "written": "zh-CN"} in [
            one["category"] for one in card["cases"]["recent"]
        ]
        told = client.get(f"/centre/{CODE}/cases", params={"last": "24h"}).json()
        labels = {row["value"]: row["label"] for row in told["by_category"]}
        assert labels["Meteor"]["written"] == "en"
        assert "written" not in labels["rubbish"]
    finally:
        with served.database.owner.begin() as connection:
            connection.execute(text("delete from cases where case_id like 'odd-%'"))


@pytest.mark.browser
def test_periods_are_live(world: World, browser: Browser) -> None:
    """A new case is on map and in table without a reload; after a lost connection, what was missed."""
    served, trouble = world.served, Trouble()
    client = world.clients[Role.CENTRE]
    lon, lat, newest = served.rows(
        "select st_x(geom), st_y(geom), (select max(time) from cases) from cases where case_id = 'k1'"
    )[0]

    def report(name: str, category: str = "manhole") -> None:
        told = {"case_id": name, "community": CODE, "category": category, "time": newest.isoformat()}
        feature = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lon, lat]},
            "properties": told,
        }
        answer = client.post("/collections/cases/items", json=feature)
        assert answer.status_code == 201, answer.text

    token = served.accounts.invite(Principal(Role.CENTRE, ("",), frozenset(), "browser"))
    try:
        with closed_page(browser, trouble) as page:
            page.goto(f"{served.address}/login?token={token}")
            page.goto(f"{served.address}{ADDRESS}?lang=zh")
            state, cases = (
                page.locator("#cm-live"),
                page.locator("#cm-figures tr:has(th span:text-is('事件数')) td").nth(1),
            )
            expect(state).to_have_attribute("data-state", "live")
            expect(state).to_have_text(re.compile(r"实时 · \d\d:\d\d 更新"))
            count = int(cases.inner_text())
            numbers = page.locator("[data-side=right] .wg-number small")
            shown = sum(int(one.split()[0]) for one in numbers.all_inner_texts() if one)
            page.evaluate("window.untouched = true")
            report("live-1")
            expect(cases).to_have_text(str(count + 1))
            expect(page.locator("#cm-figures")).to_contain_text("井盖问题")
            expect(page.locator("[data-side=right] .cm-note")).to_contain_text(f"{count + 1} 件")
            assert sum(int(one.split()[0]) for one in numbers.all_inner_texts() if one) == shown + 1
            # both languages, as if the page had been made so
            page.click("[data-lang=en]")
            expect(page.locator("#cm-figures")).to_contain_text("manhole cover")
            expect(page.locator("[data-side=right] .cm-note")).to_contain_text(f"{count + 1} cases")
            page.click("[data-lang=zh]")
            page.context.set_offline(True)
            expect(state).to_have_attribute("data-state", "away")
            expect(state).to_contain_text("正在重新连接")
            report("live-2")
            page.context.set_offline(False)
            expect(state).to_have_attribute("data-state", "live")
            expect(cases).to_have_text(str(count + 2))
            # many changes at once are one question
            asked: list[str] = []
            page.on(
                "request", lambda request: asked.append(request.url) if "/compare" in request.url else None
            )
            for n in range(3, 9):
                report(f"live-{n}")
            expect(cases).to_have_text(str(count + 8))
            assert len(asked) <= 3
            # enough of them, and a grid is named; it leads to the map
            for n in range(9, 60):
                report(f"live-{n}")
            page.locator("#cm-differences button").first.click()
            expect(page.locator("#cm-grid")).to_be_visible()
            assert page.evaluate("window.untouched") is True
        assert trouble.outside == []
        assert all("ERR_INTERNET_DISCONNECTED" in error for error in trouble.errors)
    finally:
        with served.database.owner.begin() as connection:
            connection.execute(text("delete from cases where case_id like 'live-%'"))


@pytest.mark.browser
@pytest.mark.parametrize("query", ["", "&tier=grid"])
def test_a_comparison_keeps_its_figures_when_the_login_ends(
    world: World, browser: Browser, query: str
) -> None:
    """The public's figures never stand below the centre's title; who logs in again is where they were."""
    served, trouble = world.served, Trouble()
    client = world.clients[Role.CENTRE]
    lon, lat, newest = served.rows(
        "select st_x(geom), st_y(geom), (select max(time) from cases) from cases where case_id = 'k1'"
    )[0]

    def report(name: str) -> None:
        told = {"case_id": name, "community": CODE, "category": "manhole", "time": newest.isoformat()}
        place = {"type": "Point", "coordinates": [lon, lat]}
        case = {"type": "Feature", "geometry": place, "properties": told | {"tier": "grid"}}
        answer = client.post("/collections/cases/items", json=case)
        assert answer.status_code == 201, answer.text

    try:
        with closed_page(browser, trouble) as page:
            token = served.accounts.invite(Principal(Role.CENTRE, ("",), frozenset(), "ending"))
            page.goto(f"{served.address}/login?token={token}")
            page.goto(f"{served.address}{ADDRESS}?lang=en{query}")
            state, figures = page.locator("#cm-live"), page.locator("#cm-figures tbody")
            expect(state).to_have_attribute("data-state", "live")
            shown, where = figures.inner_text(), page.url
            cookie = next(one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
            served.accounts.end(cookie)
            report("ended-1")
            expect(state).to_contain_text("Login ended, data as of")
            expect(state).to_have_attribute("data-state", "away")
            assert figures.inner_text() == shown
            page.click("[data-lang=zh]")
            expect(state).to_contain_text("登录已失效")
            page.click("[data-lang=en]")
            state.get_by_role("link", name="Log in again").click()
            token = issue(served.database, Principal(Role.CENTRE, ("",), subject="ending"))[0]
            page.fill("input[name=key]", token)
            page.keyboard.press("Enter")
            expect(state).to_have_attribute("data-state", "live")
            page.wait_for_function(
                "shown => document.querySelector('#cm-figures tbody').innerText !== shown", arg=shown
            )
            assert page.url == where
            # a login in another tab is enough
            cookie = next(one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
            served.accounts.end(cookie)
            report("ended-2")
            expect(state).to_contain_text("Login ended, data as of")
            token = served.accounts.invite(Principal(Role.CENTRE, ("",), frozenset(), "ending"))
            page.context.new_page().goto(f"{served.address}/login?token={token}")
            report("ended-3")
            expect(state).to_have_attribute("data-state", "live")
            expect(state).not_to_contain_text("Login")
        assert trouble.outside == []
        assert [error for error in trouble.errors if "400 (Bad Request)" not in error] == []
    finally:
        with served.database.owner.begin() as connection:
            connection.execute(text("delete from cases where case_id like 'ended-%'"))
