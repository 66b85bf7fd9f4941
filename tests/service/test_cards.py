"""A grid's card: what each role is told, against the raw tables; the same on the map as in the answer."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import httpx
import pytest
import shapely
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from service.access import Principal, Role
from service.maps.cards import recent_case
from service.maps.colours import select_colours
from tests.browser import Trouble, closed_page

from .api import HIDDEN, Served
from .towns import CODE

pytestmark = pytest.mark.database


def card_of(client: httpx.Client, code: str, division: str = CODE) -> dict[str, Any]:
    """The card as the client is told it."""
    answer = client.get(f"/centre/{division}/grids/{code}/card")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def codes(served: Served) -> list[str]:
    """The grids in force."""
    rows = served.rows(
        "select code from grids where division_code = :code and valid_to is null order by 1", code=CODE
    )
    return [row.code for row in rows]


@pytest.fixture(scope="module")
def clients(served: Served, codes: list[str]) -> dict[Role, httpx.Client]:
    """One a role; the worker's grid is the first."""
    return {
        role: served.client(role, grids=frozenset(codes[:1]) if role is Role.GRID_WORKER else frozenset())
        for role in Role
    }


def test_a_card_tells_what_the_tables_hold(
    served: Served, clients: dict[Role, httpx.Client], codes: list[str]
) -> None:
    """For the centre every figure is the tables' own."""
    for code in codes:
        card = card_of(clients[Role.CENTRE], code)
        row = served.rows("select * from grids where code = :code and valid_to is null", code=code)[0]
        figures = card["figures"]
        assert (figures["households"], figures["buildings"]) == (row.households, row.buildings)
        assert figures["area_m2"] == pytest.approx(row.area_m2, abs=0.06)
        assert card["bounds"] == {"zh": row.bounds_zh, "en": row.bounds_en}
        assert card["community"] == CODE
        assert card["range"] == {"lower": 200, "upper": 400}
        counted = served.rows(
            """select to_char(time at time zone 'Asia/Shanghai', 'YYYY-MM') as month, count(*) as many
               from cases where grid_code = :code group by 1""",
            code=code,
        )
        months = {month["month"]: month["cases"] for month in card["cases"]["months"]}
        assert sum(months.values()) == sum(one.many for one in counted) > 0
        assert {one.month: one.many for one in counted}.items() <= months.items()
        recently = served.rows(
            """select count(*) as many from cases where grid_code = :code and time >=
               (select date_trunc('minute', max(time)) - interval '43199 minutes' from cases)""",
            code=code,
        )
        assert card["cases"]["last_30_days"] == recently[0].many
        assert card["cases"]["about"] is False
        assert [len(card["cases"]["recent"])] <= [5]
        kinds = served.rows(
            "select count(*) as many from facilities f, grids g where g.code = :code and g.valid_to is null"
            " and st_covers(g.geom, f.geom)",
            code=code,
        )[0]
        assert sum(kind["count"] for kind in card["facilities"]) <= kinds.many
    everywhere = [card_of(clients[Role.CENTRE], code)["facilities"] for code in codes]
    assert sum(kind["count"] for card in everywhere for kind in card) > 0


def test_posts_and_their_vacancies_are_those_of_the_staff_list(
    served: Served, clients: dict[Role, httpx.Client], codes: list[str]
) -> None:
    """The same people and vacancies as `/staff`; work phones are not for the public."""
    for role in (Role.PUBLIC, Role.CONSUMER):
        posts = {
            post["code"]: post
            for post in clients[role].get("/staff", params={"division": CODE}).json()["posts"]
        }
        for code in codes:
            staff = card_of(clients[role], code)["staff"]
            assert staff["vacancies"] == posts[code]["vacancies"]
            names = [person["name"] for post in staff["posts"] for person in post["people"]]
            told = [person["name"] for slot in posts[code]["slots"] for person in slot["people"]]
            assert names == told + [person["name"] for person in posts[code]["others"]]
            phones = [person["phone"] for post in staff["posts"] for person in post["people"]]
            assert not any(phones) or role is not Role.PUBLIC


def test_groups_are_banded_and_exact_ones_are_on_record(
    served: Served, clients: dict[Role, httpx.Client], codes: list[str]
) -> None:
    """The centre reads counts, which the audit keeps; others the bands of `/figures`, or nothing."""
    counted = "select count(*) as many from audit where details ->> 'route' = '/centre/grids/card'"
    before = served.rows(counted)[0].many
    told = card_of(clients[Role.CENTRE], codes[1])["groups"]
    figures = clients[Role.CENTRE].get("/figures", params={"division": CODE, "lang": "en"}).json()["groups"]
    exact = {group["label"]: {one["grid"]: one["count"] for one in group["counts"]} for group in figures}
    found = {line["label"]["en"]: line["value"]["en"] for line in told}
    assert found
    for label, value in found.items():
        assert str(exact[label][codes[1]]) in value
    assert served.rows(counted)[0].many == before + len(found)
    worker = card_of(clients[Role.GRID_WORKER], codes[0])
    assert {line["label"]["en"] for line in worker["groups"]} == set(found)
    middle = served.rows(counted)[0].many
    public = card_of(clients[Role.PUBLIC], codes[1])["groups"]
    shown = clients[Role.PUBLIC].get("/figures", params={"division": CODE, "lang": "en"}).json()["groups"]
    assert {line["label"]["en"] for line in public} == {group["label"] for group in shown}
    for line in public:
        group = next(group for group in shown if group["label"] == line["label"]["en"])
        area = next(area for area in group["areas"] if codes[1] in area["grids"])
        assert line["value"]["en"].startswith(area["label"])
    assert served.rows(counted)[0].many == middle


def test_outside_the_centre_cases_are_counted_at_their_places(
    served: Served, clients: dict[Role, httpx.Client], codes: list[str]
) -> None:
    """What a planner's cards add up to is what the collection shows; a worker's own grid is exact."""
    seen = clients[Role.PLANNER].get("/collections/cases/items", params={"limit": 1, "count": "true"}).json()
    cards = [card_of(clients[Role.PLANNER], code) for code in codes]
    # nothing was redrawn, and every grid has places of its own
    assert not any(card["cases"]["about"] or card["cases"]["together"] for card in cards)
    assert sum(month["cases"] for card in cards for month in card["cases"]["months"]) == seen["numberMatched"]
    assert not any(card["cases"]["recent"] for card in cards)
    own, other = (card_of(clients[Role.GRID_WORKER], code) for code in codes[:2])
    centre = card_of(clients[Role.CENTRE], codes[0])
    assert own["cases"] == centre["cases"]
    assert own["cases"]["recent"]
    assert other["cases"]["recent"] == []


def test_the_page_shows_the_card_that_is_answered(
    clients: dict[Role, httpx.Client], codes: list[str]
) -> None:
    """One implementation: the map's card differs from the answer in links and what is drawn only."""
    for role in (Role.PUBLIC, Role.PLANNER, Role.GRID_WORKER, Role.CENTRE):
        html = clients[role].get(f"/maps/{CODE}").text
        found = re.search(r'id="grid_map_\w+-data">(.*?)</script>', html, re.DOTALL)
        assert found is not None
        for drawn in json.loads(found[1])["grids"]:
            answer = card_of(clients[role], drawn["code"])
            for name in ("figures", "range", "staff", "facilities", "groups", "cases", "freshness", "bounds"):
                assert drawn[name] == answer[name], (role, drawn["code"], name)


def test_links_lead_to_what_they_say(clients: dict[Role, httpx.Client], codes: list[str]) -> None:
    """Each address answers the same role, and the buildings are as many as the card says."""
    for role in (Role.PUBLIC, Role.CENTRE):
        card = card_of(clients[role], codes[0])
        links = {link["rel"]: link["href"] for link in card["links"]}
        assert set(links) == {"self", "alternate", "grid", "buildings", "facilities", "cases", "lineage"}
        for rel, href in links.items():
            if rel != "alternate":
                assert clients[role].get(href).status_code == 200, href
        items = clients[role].get(f"{links['buildings']}&limit=1000").json()["features"]
        found = {item["properties"]["building_id"] for item in items}  # one may be of several parts
        assert len(found) == card["figures"]["buildings"]


def test_by_the_street_office_and_by_the_community_it_is_one_card(
    clients: dict[Role, httpx.Client], codes: list[str]
) -> None:
    """Reached through a prefix, it is the same but for the addresses."""
    whole, prefix = (card_of(clients[Role.CENTRE], codes[0], division) for division in (CODE, CODE[:9]))
    assert {**whole, "links": []} == {**prefix, "links": []}


@pytest.mark.parametrize(
    ("division", "code"),
    [(CODE, "zebra"), (CODE, "%00"), (HIDDEN, "{own}"), ("999999999", "{own}"), (CODE, "990101001001999")],
)
def test_what_is_not_there_or_not_to_be_known_is_404(
    clients: dict[Role, httpx.Client], codes: list[str], division: str, code: str
) -> None:
    """One answer for both, a problem with its words."""
    answer = clients[Role.PUBLIC].get(f"/centre/{division}/grids/{code.format(own=codes[0])}/card")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.browser
def test_from_the_office_to_the_community_to_the_grid_to_its_buildings(
    served: Served, browser: Browser, trouble: Trouble, codes: list[str]
) -> None:
    """A planner goes down all levels and back; only he is told the households of buildings."""
    counted = served.rows(
        "select count(distinct building_id) as many from buildings where grid_code = :code", code=codes[2]
    )
    for role, columns in (
        (Role.PLANNER, ["楼号", "用途", "层数", "户数"]),
        (Role.CONSUMER, ["楼号", "用途", "层数"]),
        (Role.PUBLIC, ["楼号", "用途"]),
    ):
        with closed_page(browser, trouble) as page:
            if role is not Role.PUBLIC:
                token = served.accounts.invite(Principal(role, ("",), frozenset(), "browser"))
                page.goto(f"{served.address}/login?token={token}")
            division = CODE[:9] if role is Role.PLANNER else CODE
            page.goto(f"{served.address}/centre/{division}?theme=grids&lang=zh")
            expect(page.locator("html")).to_have_attribute("data-ready", "true")
            if role is Role.PLANNER:
                expect(page.locator("path.cc-community")).to_have_count(2)  # the one not published, too
                expect(page.locator(".cc-levels")).to_be_hidden()
                page.locator(f"path[data-community='{CODE}']").press("Enter")
                expect(page.locator("path.cc-community")).to_have_count(0)
                expect(page.locator(".cc-levels [aria-current]")).to_be_visible()
            page.locator(f"path[data-code='{codes[2]}']").click(force=True)
            expect(page.locator(".wg-grid-card .wg-code")).to_have_text(codes[2])
            page.click("text=查看楼栋")
            heads = page.locator(".wg-buildings thead th")
            expect(heads).to_have_text(columns)
            rows = page.locator(".wg-buildings tbody tr")
            names = set(rows.locator("th").all_inner_texts())
            assert len(names) == counted[0].many
            rows.first.hover()
            expect(page.locator(".leaflet-wg-card-buildings-pane path[fill='#e0a23a']")).to_have_count(1)
            page.keyboard.press("Escape")
            expect(page.locator(".leaflet-wg-card-buildings-pane path")).to_have_count(0)
            if role is Role.PLANNER:
                page.locator(".cc-levels button").first.click()
                expect(page.locator("path.cc-community")).to_have_count(2)
    assert trouble == Trouble()


def test_grids_keep_their_colours_from_publication_to_publication(served: Served, codes: list[str]) -> None:
    """Where two grids become one, the others have the colours that they had, but for few around."""
    planner = Principal(Role.PLANNER)
    shapes_of = (
        "select code, st_asbinary(geom) as shape from grids where valid_to is null and division_code = :code"
    )
    with served.database.owner.connect() as connection, connection.begin() as transaction:
        before = select_colours(connection, planner, CODE)
        assert before.keys() == set(codes)
        grids = {
            row.code: shapely.from_wkb(bytes(row.shape))
            for row in connection.execute(text(shapes_of), {"code": CODE})
        }
        one, other = next(pair for pair in combinations(codes, 2) if touch(grids[pair[0]], grids[pair[1]]))
        connection.execute(
            text("""
                insert into grids (division_code, code, plan_id, households, residents, buildings, area_m2,
                                   geom, valid_from)
                select division_code, :made, min(plan_id), sum(households), sum(residents), sum(buildings),
                       sum(area_m2), st_multi(st_union(geom)), clock_timestamp()
                from grids where code in (:one, :other) group by division_code
            """),
            {"made": f"{CODE}999", "one": one, "other": other},
        )
        connection.execute(
            text("""
                update grids set valid_to = (select valid_from from grids where code = :made)
                where code in (:one, :other)
            """),
            {"made": f"{CODE}999", "one": one, "other": other},
        )
        after = select_colours(connection, planner, CODE)
        grids = {
            row.code: shapely.from_wkb(bytes(row.shape))
            for row in connection.execute(text(shapes_of), {"code": CODE})
        }
        transaction.rollback()
    assert after.keys() == grids.keys() == set(codes) - {one, other} | {f"{CODE}999"}
    for a, b in combinations(sorted(grids), 2):
        assert not touch(grids[a], grids[b]) or after[a] != after[b]
    changed = [code for code in set(before) & set(after) if before[code] != after[code]]
    assert len(changed) <= 3  # as few as leave the map with its fewest colours
    assert len(codes) > 9


def touch(one: shapely.Geometry, other: shapely.Geometry) -> bool:
    """Whether two grids share a length of border, in degrees."""
    return bool(one.intersection(other).length > 5e-5)


def test_the_day_of_a_case_is_beijing_s() -> None:
    from datetime import UTC, datetime

    row = {"time": datetime(2026, 10, 1, 17, 30, tzinfo=UTC), "category": "noise", "status": "discovered"}
    assert recent_case(row)["date"] == "2026-10-02"
