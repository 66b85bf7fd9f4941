"""Locate, maps, pages, login, headers and log, over HTTP."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
import shapely

from service.access import Role
from service.identity.accounts import COOKIE
from service.privacy.disclosure import rules
from service.web.address import Address, _read, find_address

from .api import HIDDEN
from .towns import CODE

if TYPE_CHECKING:
    from .api import Served

pytestmark = pytest.mark.database


def grids_of(served: Served) -> dict[str, shapely.Geometry]:
    body = served.client().get("/collections/grids/items", params={"limit": 1000}).json()
    return {
        feature["id"]: shapely.from_geojson(json.dumps(feature["geometry"])) for feature in body["features"]
    }


def test_units_are_named_for_programs_and_for_people(served: Served) -> None:
    client = served.client()
    units = {
        name: one.get("x-ogc-unit")
        for name, one in client.get("/collections/grids/schema").json()["properties"].items()
    }
    assert (units["households"], units["area_m2"], units["code"]) == ("{household}", "m2", None)
    for lang, words in (("zh", ["户", "人", "m²"]), ("en", ["households", "people", "m²"])):
        page = client.get("/collections/grids", params={"f": "html", "lang": lang}).text
        assert all(f"<td>{word}</td>" in page for word in words)


# --- locate ---


def test_locate_finds_the_grid_around_a_point(served: Served) -> None:
    client = served.client()
    for code, shape in grids_of(served).items():
        point = shape.representative_point()
        answer = client.get("/locate", params={"lon": point.x, "lat": point.y})
        assert answer.status_code == 200
        body = answer.json()
        assert body["id"] == body["properties"]["code"] == code
        assert {link["rel"] for link in body["links"]} == {"self", "canonical"}
        canonical = next(link["href"] for link in body["links"] if link["rel"] == "canonical")
        assert client.get(canonical).json()["id"] == code


def test_on_a_border_the_lower_code_answers_each_time(served: Served) -> None:
    client = served.client()
    rows = served.rows("select code, st_asbinary(geom) from grids where valid_to is null")
    shapes = {code: shapely.from_wkb(bytes(wkb)) for code, wkb in rows}  # as they are, not rounded
    tried = 0
    for one, shape in shapes.items():
        for x, y in shapely.get_coordinates(shape.exterior)[:-1]:
            around = sorted(code for code, other in shapes.items() if other.intersects(shapely.Point(x, y)))
            if len(around) < 2:
                continue
            tried += 1
            answers = {client.get("/locate", params={"lon": x, "lat": y}).json()["id"] for _ in range(2)}
            assert answers == {around[0]}, (one, around)
    assert tried > 10


def test_locate_misses_outside_and_in_unpublished_communities(served: Served) -> None:
    client = served.client()
    assert client.get("/locate", params={"lon": 0, "lat": 0}).status_code == 404
    x, y = served.rows(
        "select st_x(st_centroid(geom)), st_y(st_centroid(geom)) from divisions where code = :code",
        code=HIDDEN,
    )[0]
    answer = served.client(Role.CENTRE).get("/locate", params={"lon": x, "lat": y})
    assert answer.status_code == 404
    assert answer.json()["code"] == "grid-there"


# --- maps ---


def places(html: str) -> set[tuple[float, float]]:
    """Every two numbers with at least five decimals that follow each other in a page, both ways round.

    Either number alone says nothing: the rows and columns of a lattice meet any latitude and longitude.
    """
    found = [round(float(number), 6) for number in re.findall(r"-?\d+\.\d{5,}", html)]
    return {pair for one, other in pairwise(found) for pair in ((one, other), (other, one))}


@pytest.mark.parametrize("role", Role)
def test_no_map_holds_a_case_point_or_a_count_that_the_role_may_not_see(served: Served, role: Role) -> None:
    own = frozenset({f"{CODE}001"}) if role is Role.GRID_WORKER else frozenset()
    answer = served.client(role, grids=own).get(f"/maps/{CODE}", params={"lang": "en"})
    assert answer.status_code == 200
    html = answer.text
    shown = places(html)
    for x, y in served.rows("select st_x(geom), st_y(geom) from cases"):
        assert (round(x, 6), round(y, 6)) not in shown
    cards = _cards(html)
    assert set(cards) == {code for (code,) in served.rows("select code from grids where valid_to is null")}
    labels = {rule.label["en"]: rule for rule in rules().groups.values()}
    counts = {
        (row.grid_code, row.category): row.count
        for row in served.rows(
            "select b.grid_code, p.category, sum(p.count) as count from population_groups p join"
            " (select distinct division_code, building_id, grid_code from buildings) b"
            " using (division_code, building_id) group by 1, 2"
        )
    }
    all_groups = {"floating", "elderly_alone", "disabled", "left_behind_children"}
    wanted = {Role.PUBLIC: {"floating"}}.get(role, all_groups)
    if role in (Role.CONSUMER, Role.GRID_WORKER):
        wanted = {"floating", "elderly_alone"}
    for code, card in cards.items():
        assert {labels[group["label"]["en"]].name for group in card["groups"]} == (
            all_groups if code in own else wanted
        )
        for group in card["groups"]:
            rule = labels[group["label"]["en"]]
            exact = re.fullmatch(r"\d+", group["value"]["en"])
            if role is Role.CENTRE or code in own:
                assert exact
                assert int(group["value"]["en"]) == counts.get((code, rule.name), 0)
            else:
                assert not exact
                assert re.match(
                    r"(\d+–\d+|\d+ or more|fewer than \d+)( \(together with [\d ]+\))?$"
                    + (r"|counted together with your own grids, and not shown apart$" if own else ""),
                    group["value"]["en"],
                )
                lower = re.match(r"(\d+)(–| or more)", group["value"]["en"])
                assert lower is None or int(lower[1]) >= rule.k
    recent = {
        code: [case["category"]["en"] for case in card["cases"]["recent"]] for code, card in cards.items()
    }
    if role is Role.CENTRE:
        assert any("dispute" in cases for cases in recent.values())
    else:
        assert not any(cases for code, cases in recent.items() if code not in own)
        assert own or "dispute" not in html


def _cards(html: str) -> dict[str, dict[str, Any]]:
    """What the page knows of each grid, by code."""
    found = re.search(
        r'<script type="application/json" id="grid_map_\d+-data">(.*?)</script>', html, re.DOTALL
    )
    assert found is not None
    return {card["code"]: card for card in json.loads(found[1])["grids"]}


def _values(cards: dict[str, dict[str, Any]], label: str) -> list[str]:
    """What the cards say of a group, in English."""
    groups = [group for card in cards.values() for group in card["groups"]]
    return [group["value"]["en"] for group in groups if group["label"]["en"] == label]


def _people(html: str) -> list[dict[str, Any]]:
    """Who is responsible, as the cards have them."""
    posts = [post for card in _cards(html).values() for post in card["staff"]["posts"]]
    return [person for post in posts for person in post["people"]]


def test_a_group_is_never_blank_for_those_who_may_see_it(served: Served) -> None:
    """Elderly people live in one corner only; still each grid belongs to an area that shows a band."""
    cards = _cards(served.client(Role.PLANNER).get(f"/maps/{CODE}").text)
    label = rules().groups["elderly_alone"].label["en"]
    values = _values(cards, label)
    assert len(values) == len(cards)
    assert not any(value.startswith("fewer") for value in values)
    assert any("together with" in value for value in values)
    few = rules().groups["left_behind_children"].label["en"]
    values = _values(cards, few)
    assert {value.split(" (")[0] for value in values} == {"fewer than 10"}


def test_exact_views_are_put_on_record_each_time(served: Served) -> None:
    count = "select count(*) from audit where action = 'view'"
    before = served.rows(count)[0][0]
    served.client(Role.PLANNER).get(f"/maps/{CODE}")
    assert served.rows(count)[0][0] == before
    client = served.client(Role.CENTRE)
    for _ in range(2):
        client.get(f"/maps/{CODE}")
    rows = served.rows("select * from audit where action = 'view' order by id")[before:]
    groups = {"floating", "elderly_alone", "disabled", "left_behind_children"}
    assert sorted(row.group_code for row in rows) == sorted([*groups, *groups])
    assert {(row.role, row.principal, row.division_code) for row in rows} == {("centre", "test centre", CODE)}
    worker = served.client(Role.GRID_WORKER, grids=frozenset({f"{CODE}002"}))
    worker.get(f"/maps/{CODE}")
    rows = served.rows("select * from audit where action = 'view' and role = 'grid_worker' order by id desc")
    assert rows[0].details == {"grids": 1, "route": "/maps"}
    assert rows[0].place == f"{CODE}002"


def test_a_map_is_never_stale(served: Served) -> None:
    from sqlalchemy import text

    client = served.client()
    first = client.get(f"/maps/{CODE}").text
    assert client.get(f"/maps/{CODE}").text == first
    with served.database.owner.begin() as connection:
        connection.execute(
            text(
                "update grid_staff set name = '新来的'"
                " where id = (select min(id) from grid_staff where grid_code <> '')"
            )
        )
    renewed = client.get(f"/maps/{CODE}").text
    names = [{person["name"] for person in _people(html)} for html in (first, renewed)]
    assert "新来的" in names[1] - names[0]
    # counts of people are those of the day of publication
    with served.database.owner.begin() as connection:
        connection.execute(
            text("update population_groups set count = count + 40 where category = 'floating'")
        )
    try:
        assert client.get(f"/maps/{CODE}").text == renewed
    finally:
        with served.database.owner.begin() as connection:
            connection.execute(
                text("update population_groups set count = count - 40 where category = 'floating'")
            )


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER])
def test_counts_of_cases_tell_no_more_than_their_places(served: Served, role: Role) -> None:
    """The number on a card follows from the rows that the role may see, and from nothing else."""
    own = frozenset({f"{CODE}001"}) if role is Role.GRID_WORKER else frozenset()
    client = served.client(role, grids=own)
    shapes = sorted(grids_of(served).items())
    rows = client.get("/collections/cases/items", params={"limit": 10_000}).json()["features"]
    times = [datetime.fromisoformat(row["properties"]["time"]) for row in rows]
    expected: dict[str, int] = dict.fromkeys(dict(shapes), 0)
    for row, time in zip(rows, times, strict=True):
        if time <= max(times) - timedelta(days=30):
            continue
        known = row["properties"].get("grid")
        place = shapely.Point(row["geometry"]["coordinates"])
        code = known or min(shapes, key=lambda entry: (entry[1].distance(place), entry[0]))[0]
        expected[code] += known is not None or code not in own
    cards = _cards(client.get(f"/maps/{CODE}").text)
    assert {code: card["cases"]["last_30_days"] for code, card in cards.items()} == expected
    assert not any(card["cases"]["about"] for card in cards.values())  # nothing was redrawn
    assert sum(expected.values()) > 5


def test_who_is_responsible_is_public_and_how_to_call_them_is_not(served: Served) -> None:
    for role in (Role.PUBLIC, Role.CONSUMER):
        staff = _people(served.client(role).get(f"/maps/{CODE}").text)
        assert staff
        assert all(person["name"] for person in staff)
        assert any(person["phone"] for person in staff) == (role is not Role.PUBLIC)


def test_the_id_of_a_community_may_hold_any_character(served: Served) -> None:
    from sqlalchemy import text

    odd = '一区/1 #?&"%'
    rename = text("update divisions set code = :new, division_code = :new where code = :old")
    with served.database.owner.begin() as connection:
        connection.execute(rename, {"old": HIDDEN, "new": odd})
    try:
        client = served.client(Role.PLANNER)
        assert client.get(f"/maps/{quote(odd)}").status_code == 200
        assert client.get(f"/maps/{quote(odd, safe='')}").status_code == 200
        ordinal = served.rows("select min(ordinal) from streets where division_code = :code", code=odd)[0][0]
        key = quote(f"{odd}:{ordinal}")
        item = client.get(f"/collections/streets/items/{key}").json()
        assert item["properties"]["community"] == odd
        assert client.get(item["links"][0]["href"]).json() == item
    finally:
        with served.database.owner.begin() as connection:
            connection.execute(rename, {"old": odd, "new": HIDDEN})


# --- pages, login, headers ---


def test_the_point_to_try_locate_at_is_in_a_grid(served: Served) -> None:
    client = served.client()
    page = client.get("/", headers={"accept": "text/html"}).text
    found = re.search(r'href="(/locate\?[^"]*)"', page)
    assert found is not None
    assert client.get(found[1].replace("&amp;", "&")).status_code == 200


def test_the_landing_page_speaks_both_languages_and_both_forms(served: Served) -> None:
    client = served.client()
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    zh = client.get("/", headers=browser).text
    en = client.get("/", headers={**browser, "accept-language": "en-GB,en;q=0.9,zh;q=0.3"}).text
    assert "社区网格" in zh
    assert "Community grids" in en
    assert f"/maps/{CODE}" in zh
    assert HIDDEN not in zh
    assert client.get("/", params={"lang": "en"}, headers=browser).text.replace(
        '?lang=en"', '"'
    ) == en.replace('?lang=en"', '"')
    assert HIDDEN in served.client(Role.PLANNER).get("/", headers=browser).text
    links = client.get("/").json()["links"]
    for link in links:
        assert client.get(link["href"]).status_code == 200
    for path in ("/collections", "/collections/cases", "/nothing"):
        page = client.get(path, headers=browser)
        assert page.headers["content-type"].startswith("text/html")
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.text, re.DOTALL)
        assert all(tag.startswith(' src="/static/') and not own for tag, own in scripts)


def test_no_page_names_another_host(served: Served) -> None:
    browser = {"accept": "text/html"}
    for role in (Role.PUBLIC, Role.CENTRE):
        grid = served.client().get("/collections/grids/items?limit=1").json()["features"][0]["id"]
        for path in (
            *("/", "/collections", "/collections/grids", f"/maps/{CODE}", "/nothing", "/api.html"),
            *("/conformance", "/collections/buildings/items", f"/collections/grids/items/{grid}"),
        ):
            html = served.client(role).get(path, headers=browser).text
            for address in re.findall(r"(?:src|href|action)=\"([^\"]*)\"", html):
                assert re.match(r"[/#?]|data:", address), address


def test_a_link_lets_in_once(served: Served) -> None:
    from service.access import Principal

    token = served.accounts.invite(Principal(Role.CENTRE))
    first = served.client()
    answer = first.get("/login", params={"token": token})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert token not in cookie
    assert first.get("/collections/cases/items").json()["features"][0]["properties"]["grid"]
    second = served.client()
    assert second.get("/login", params={"token": token}).status_code == 403
    assert "grid" not in second.get("/collections/cases/items").json()["features"][0]["properties"]
    forged = first.post("/logout")
    assert (forged.status_code, forged.json()["code"]) == (403, "csrf")
    token = first.get("/session").json()["csrf"]
    assert first.post("/logout", headers={"x-csrf-token": token}).status_code == 303
    assert "grid" not in first.get("/collections/cases/items").json()["features"][0]["properties"]


def test_a_copy_of_the_cookie_is_worth_nothing_after_logout(served: Served) -> None:
    client = served.client(Role.CENTRE)
    copy = client.cookies[COOKIE]
    headers = {"cookie": f"{COOKIE}={copy}"}
    path = "/collections/cases/items?limit=1"
    assert "grid" in served.client().get(path, headers=headers).json()["features"][0]["properties"]
    client.post("/logout")
    assert "grid" not in served.client().get(path, headers=headers).json()["features"][0]["properties"]


def test_every_answer_keeps_to_itself(served: Served) -> None:
    client = served.client()
    for path in (
        "/",
        "/collections/grids/items",
        f"/maps/{CODE}",
        "/static/wangge.css",
        "/nothing",
        "/locate",
    ):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert "unsafe-inline" not in re.search(r"script-src ([^;]*)", policy)[1]  # type: ignore[index]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_an_unforeseen_error_keeps_to_itself_too(served: Served) -> None:
    from service import db

    from .api import serve

    bare = db.Database(served.database.owner, db.open_app(served.database.app.url.set(database="postgres")))
    with serve(bare, served.area) as other:
        for accept in ("application/json", "text/html"):
            answer = httpx.get(f"{other.address}/collections/grids/items", headers={"accept": accept})
            assert answer.status_code == 500
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "private, no-store"
            for inside in ("select ", "relation", "Traceback", "psycopg", ".py"):
                assert inside not in answer.text
    bare.app.dispose()


def test_no_address_makes_a_page_link_to_another_host(served: Served) -> None:
    url = httpx.URL(served.address).copy_with(raw_path=b"//elsewhere.example/x")
    page = served.client().get(url, headers={"accept": "text/html"})
    assert page.status_code == 404
    assert re.findall(r'href="(//[^"]*)"', page.text) == []


def test_other_names_of_this_machine_are_not_answered(served: Served) -> None:
    client = served.client()
    assert client.get("/", headers={"host": "grids.example:8000"}).status_code == 421
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert client.get("/", headers={"host": host}).status_code == 200


def test_a_long_name_of_this_machine_is_not_kept(served: Served) -> None:
    """Nor is it read, for what reads addresses keeps them, too. Whoever asks may write any."""
    client = served.client()
    kept = _read.cache_info().currsize
    for letter in "abc":
        assert client.get("/", headers={"host": letter * 10_000}).status_code == 421
    assert _read.cache_info().currsize == kept
    assert find_address({"headers": [(b"host", b"a" * 10_000)]}) == Address("", "")


def test_a_page_of_another_server_cannot_log_anyone_out(served: Served) -> None:
    client = served.client(Role.CENTRE)
    for site in ("cross-site", "same-site"):
        answer = client.post("/logout", headers={"sec-fetch-site": site})
        assert answer.status_code == 403
        assert answer.json()["code"] == "foreign-page"
    features = client.get("/collections/cases/items?limit=1", headers={"sec-fetch-site": "cross-site"}).json()
    assert "grid" in features["features"][0]["properties"]
    assert client.post("/logout", headers={"sec-fetch-site": "same-origin"}).status_code == 303


def test_heads_have_no_body_and_other_methods_are_refused(served: Served) -> None:
    client = served.client()
    head = client.head("/collections/grids/items")
    assert head.status_code == 200
    assert head.content == b""
    for method in ("POST", "PUT", "DELETE"):
        answer = client.request(method, "/collections/grids/items")
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"


def test_assets_are_served_and_asked_again(served: Served) -> None:
    client = served.client()
    answer = client.get("/static/leaflet/leaflet.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    again = client.get("/static/leaflet/leaflet.js", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_the_log_has_paths_and_no_tokens(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        served.client().get("/login", params={"token": "very-secret-token"})
        served.client().get("/healthz")
    assert "GET /login 403" in caplog.text
    assert "GET /healthz 200" in caplog.text
    # the client under test logs its own address; the service must not
    logged = [
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    ]
    assert not any("very-secret-token" in line for line in logged)


def test_health_without_a_database_is_503(served: Served) -> None:
    from service import db

    from .api import serve

    gone = db.Database(served.database.owner, db.open_app(served.database.app.url.set(database="not_there")))
    with serve(gone, served.area) as other:
        assert httpx.get(f"{other.address}/healthz").json() == {"status": "ok"}  # the process itself is up
        for path in ("/readyz", "/collections/grids/items"):
            answer = httpx.get(f"{other.address}{path}")
            assert answer.status_code == 503
            assert "not_there" not in answer.text
    gone.app.dispose()
