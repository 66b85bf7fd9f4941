"""The centre's figures over HTTP: for each role and any filters just what its items tell, counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from copy import copy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely.geometry import shape
from sqlalchemy import Connection, text

from layers.density import CHANGE_LADDER, LADDER
from service import db
from service.access import Role
from service.centre import surface as room
from service.routes import events
from service.store.places import place_cases

from .api import HIDDEN, Served, fill, serve
from .test_events import Ear, settle
from .towns import CODE

pytestmark = pytest.mark.database

OFFICE = CODE[:9]
BEIJING = timezone(timedelta(hours=8))
STATUSES = ("discovered", "filed", "dispatched", "handled", "verified", "closed", "returned")
WITH_TIERS = set(Role) - {Role.PUBLIC}
AT_PLACES = set(Role) - {Role.CENTRE}  # who sees cases at places


class Town:
    """A town with a running server, a client for each role, and what each may see of it one by one."""

    def __init__(self, served: Served, own: str) -> None:
        self.served, self.own = served, own
        self.clients = {
            role: served.client(role, grids=frozenset({own}) if role is Role.GRID_WORKER else frozenset())
            for role in Role
        }
        self.cases = {role: _read(client, "cases") for role, client in self.clients.items()}
        self.grids = {
            role: {one["id"]: shape(one["geometry"]) for one in _read(client, "grids")}
            for role, client in self.clients.items()
        }
        self.places: dict[tuple[float, float], Counter[str]] = {}
        for row in served.rows(
            """select st_x(p.place) as x, st_y(p.place) as y, b.grid_code as grid
               from case_places p join buildings b using (division_code, building_id)
               where b.part = 0 and b.grid_code is not null"""
        ):
            self.places.setdefault((round(row.x, 7), round(row.y, 7)), Counter())[row.grid] += 1
        self.units = {role: self._units(role) for role in Role}

    def _units(self, role: Role) -> dict[str, tuple[str, ...]]:
        """The grids with which each grid counts: those that share places with it, or with one that does."""
        found = {code: {code} for code in self.grids[role]}
        if role in AT_PLACES:
            mine = {self.own} if role is Role.GRID_WORKER else set()
            for told in self.places.values():
                codes = [code for code in told if code in found and code not in mine]
                whole = set().union(*(found[code] for code in codes))
                for code in whole:
                    found[code] = whole
        return {code: tuple(sorted(codes)) for code, codes in found.items()}


def shrink_grids(connection: Connection) -> None:
    """Two grids with so few buildings that they share places: the others of theirs go to the third."""
    connection.execute(
        text("""
            with kept as (
                select id, row_number() over (partition by grid_code order by building_id) as n
                from buildings where grid_code = any(:small) and part = 0
            )
            update buildings b set grid_code = :other from kept where kept.id = b.id and n > 5
        """),
        {"small": [f"{CODE}001", f"{CODE}002"], "other": f"{CODE}003"},
    )
    connection.execute(
        text("""
            update cases c set grid_code = (
                select b.grid_code from buildings b where b.division_code = c.division_code
                and b.grid_code is not null order by b.geom <-> c.geom limit 1),
                place = null, place_era = null
            where c.grid_code is not null
        """)
    )
    connection.execute(text("delete from case_places"))
    place_cases(connection, CODE)


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Town]:
    """The town; its cases have tiers, limits, and statuses of all kinds."""
    area = fill(module_database)
    with module_database.owner.begin() as connection:
        connection.execute(
            text("""
                update cases c set due_at = time + interval '1 day' * (1 + n % 5),
                    tier = (array['', 'grid', 'community', 'street'])[1 + n % 4],
                    status = (array['discovered', 'filed', 'closed', 'returned', 'closed'])[1 + n % 5],
                    category = (array['rubbish', 'noise', 'dispute'])[1 + n % 3],
                    time = time + interval '37 minutes' * (n % 11)
                from (select id, row_number() over (order by id)::int as n from cases) k where k.id = c.id
            """)
        )
        shrink_grids(connection)
    with pytest.MonkeyPatch.context() as patch, serve(module_database, area) as served:
        patch.setattr(events, "PACE", events.Pace(heartbeat=0.3))  # who hangs up is noticed by its silence
        own = served.rows(
            """select grid_code from cases where grid_code is not null and category <> 'dispute'
               group by grid_code order by count(*) desc, grid_code limit 1"""
        )[0][0]
        yield Town(served, own)


def _read(client: httpx.Client, name: str) -> list[dict[str, Any]]:
    """All items of a collection, a page at a time."""
    found: list[dict[str, Any]] = []
    href = f"/collections/{name}/items?limit=70"
    while href:
        page = client.get(href).json()
        found += page["features"]
        href = next((one["href"] for one in page["links"] if one["rel"] == "next"), "")
    return found


def ask(client: httpx.Client, what: str = "cases", division: str = CODE, **query: Any) -> dict[str, Any]:
    """An answer about the division."""
    answer = client.get(f"/centre/{division}/{what}", params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


# --- the oracle: items of a role, counted by rules written down here once more ---


def _time(feature: dict[str, Any], name: str = "time") -> datetime:
    return datetime.fromisoformat(feature["properties"][name])


def _passes(feature: dict[str, Any], query: dict[str, Any]) -> bool:
    told = feature["properties"]
    local = _time(feature).astimezone(BEIJING)
    statuses = set(query.get("status", STATUSES))
    if "open" in statuses:
        statuses |= set(STATUSES) - {"closed"}
    return (
        told["category"] in query.get("category", [told["category"]])
        and told["status"] in statuses
        and told.get("tier") in query.get("tier", [told.get("tier")])
        and local.hour in query.get("clock", range(24))
        and local.isoweekday() in query.get("week", range(8))
    )


def _grid_of(town: Town, role: Role, feature: dict[str, Any]) -> str | None:
    own = feature["properties"].get("grid")
    if own is not None or role is Role.CENTRE:
        return str(own) if own is not None else None
    mine = {town.own} if role is Role.GRID_WORKER else set()
    x, y = feature["geometry"]["coordinates"][:2]
    codes = {town.units[role][code] for code in town.places[round(x, 7), round(y, 7)] if code not in mine}
    assert len(codes) == 1  # nothing was redrawn here
    return min(codes)[0]


def _told(
    town: Town, role: Role, query: dict[str, Any], begin: datetime, end: datetime
) -> list[dict[str, Any]]:
    return [one for one in town.cases[role] if begin <= _time(one) < end and _passes(one, query)]


def check(town: Town, role: Role, query: dict[str, Any], told: dict[str, Any]) -> None:
    """Every figure of the answer is that of the role's items."""
    begin, end = (datetime.fromisoformat(told["span"][name]) for name in ("begin", "end"))
    here = _told(town, role, query, begin, end)
    assert told["total"] == len(here)
    before: list[dict[str, Any]] | None = None
    if told["previous_span"] is not None:
        earlier = datetime.fromisoformat(told["previous_span"]["begin"])
        # of a time that is not over, the part that is
        until = datetime.fromisoformat(told["as_of"]).replace(second=0, microsecond=0) + timedelta(minutes=1)
        assert begin - earlier == min(end, until) - begin
        before = _told(town, role, query, earlier, begin)
        assert told["change"]["difference"] == len(here) - len(before)
    assert told["previous_total"] == (None if before is None else len(before))
    grids = Counter(_grid_of(town, role, one) for one in here)
    old = Counter(_grid_of(town, role, one) for one in before or ())
    units = sorted(set(town.units[role].values()))
    assert [row["grids"] for row in told["by_grid"]] == [list(unit) for unit in units]
    for row in told["by_grid"]:
        assert (row["grid"], row["crossing"]) == (row["grids"][0], 0)
        assert row["cases"] == grids[row["grid"]], row["grid"]
        assert row["previous"] == (None if before is None else old[row["grid"]])
    assert told["elsewhere"] == grids[None]
    kinds = Counter(one["properties"]["category"] for one in here)
    assert {row["value"]: row["cases"] for row in told["by_category"] if row["cases"]} == kinds
    statuses = Counter(one["properties"]["status"] for one in here)
    assert {row["value"]: row["cases"] for row in told["by_status"]} == {
        status: statuses[status] for status in STATUSES
    }
    if role in WITH_TIERS:
        tiers = Counter(one["properties"]["tier"] for one in here)
        assert {row["value"]: row["cases"] for row in told["by_tier"] if row["cases"]} == tiers
    else:
        assert told["by_tier"] is None
    matrix = np.zeros((7, 24), dtype=int)
    for one in here:
        local = _time(one).astimezone(BEIJING)
        matrix[local.isoweekday() - 1, local.hour] += 1
    assert told["by_hour"]["cases"] == matrix.tolist()
    assert told["by_hour"]["most"] == matrix.max()
    days = Counter(_time(one).astimezone(BEIJING).date().isoformat() for one in here)
    counted = dict(zip(told["by_day"]["starts"], told["by_day"]["cases"], strict=True))
    assert told["by_day"]["step"] == "day"
    assert {day: number for day, number in counted.items() if number} == days
    newest = sorted(here, key=lambda one: (-_time(one).timestamp(), one["id"]))[:50]
    assert [one["id"] for one in told["newest"]] == [one["id"] for one in newest]
    assert told["newest"] == newest
    if role is Role.PUBLIC:
        assert told["overdue"] is told["overdue_total"] is None
        return
    now = datetime.fromisoformat(told["as_of"])
    late = [
        one
        for one in town.cases[role]
        if _passes(one, query) and one["properties"]["status"] != "closed" and _time(one, "due") < now
    ]
    late.sort(key=lambda one: (_time(one, "due"), one["id"]))
    assert told["overdue_total"] == len(late)
    assert told["overdue"] == late[:50]


DAY = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    """Filters as parameters, and `clock` and `week` as what hours and weekdays should let through."""
    query: dict[str, Any] = {}
    # two at once at most: with more hardly a case is left to be counted wrongly
    chosen = draw(st.sets(st.sampled_from(["category", "status", "tier", "hours", "weekdays"]), max_size=2))
    if "category" in chosen:
        kinds = st.sampled_from(["rubbish", "noise", "dispute", "zebra"])
        query["category"] = draw(st.lists(kinds, min_size=1, max_size=3))
    if "status" in chosen:
        query["status"] = draw(st.lists(st.sampled_from([*STATUSES, "open"]), min_size=1, max_size=3))
    if "tier" in chosen:
        query["tier"] = [draw(st.sampled_from(["grid", "street", "city"]))]
    if "hours" in chosen:
        first, length = draw(st.integers(0, 23)), draw(st.integers(1, 23))
        query |= {
            "hours": f"{first}-{(first + length) % 24 or 24}",
            "clock": [(first + n) % 24 for n in range(length)],
        }
    if "weekdays" in chosen:
        first, last = draw(st.integers(1, 7)), draw(st.integers(1, 7))
        query |= {
            "weekdays": f"{first}-{last}",
            "week": [(first - 1 + n) % 7 + 1 for n in range((last - first) % 7 + 1)],
        }
    if draw(st.booleans()):
        query["last"] = draw(st.sampled_from(["24h", "7d", "30d"]))
    else:
        begin = DAY + timedelta(minutes=draw(st.integers(0, 50 * 1440)))
        ends = [begin, begin + timedelta(minutes=draw(st.integers(0, 50 * 1440)))]
        query["datetime"] = "/".join(one.isoformat().replace("+00:00", "Z") for one in ends)
    return query


@pytest.mark.parametrize("role", Role)
@settings(max_examples=30, deadline=None)
@given(query=queries())
@example(query={"datetime": "2026-01-01/2026-03-01"})
@example(query={"last": "7d"})
@example(query={"datetime": "2026-01-20/2026-02-10", "status": ["open"]})
def test_figures_are_those_of_the_items(town: Town, role: Role, query: dict[str, Any]) -> None:
    if role not in WITH_TIERS:
        query = {name: value for name, value in query.items() if name != "tier"}
    asked = {name: value for name, value in query.items() if name not in ("clock", "week")}
    check(town, role, query, ask(town.clients[role], **asked))


@pytest.mark.parametrize("role", Role)
def test_the_link_to_the_items_leads_to_the_same_cases(town: Town, role: Role) -> None:
    client = town.clients[role]
    for query in (
        {},
        {"category": ["noise", "it's"], "status": "open"},
        {"datetime": "2026-01-05/2026-02-01"},
    ):
        told = ask(client, **query)
        href = next(one["href"] for one in told["links"] if one["rel"] == "items")
        items = client.get(f"{href}&count=true&limit=1").json()
        assert items["numberMatched"] == told["total"]
    assert not [one for one in ask(client, hours="8-18")["links"] if one["rel"] == "items"]


def test_a_street_office_is_all_its_communities(town: Town) -> None:
    public, planner = town.clients[Role.PUBLIC], town.clients[Role.PLANNER]
    assert ask(public, division=OFFICE)["total"] == ask(public)["total"]
    # one community of the office is all that the public sees of it
    for code in (CODE, OFFICE, "99"):
        assert public.get(f"/centre/{code}").status_code == 200
        assert planner.get(f"/centre/{code}").status_code == 200
    listed = {one["division"]: one["communities"] for one in planner.get("/centre").json()["divisions"]}
    assert listed == {OFFICE: [CODE, HIDDEN], CODE: [CODE], HIDDEN: [HIDDEN]}
    assert [one["division"] for one in public.get("/centre").json()["divisions"]] == [CODE]
    told = ask(planner, division=OFFICE)
    assert told["total"] == ask(planner)["total"]
    assert told["name"]["zh"] == f"{OFFICE}（2 个社区）"
    nothing = ask(planner, division=HIDDEN)
    assert (nothing["total"], nothing["by_grid"], nothing["newest"]) == (0, [], [])
    assert nothing["few"]["words"]["zh"]
    assert nothing["summary"]["zh"].startswith("近30天没有事件。")
    assert ask(planner, "surface", HIDDEN)["values"] is None


def test_who_may_not_see_a_division_finds_none(town: Town) -> None:
    scoped = town.served.client(Role.PLANNER, scope="1101")
    for client, code in ((town.clients[Role.PUBLIC], HIDDEN), (scoped, CODE), (scoped, "99")):
        absent = client.get("/centre/zebra/cases")
        for what in ("", "/cases", "/surface", "/base"):
            answer = client.get(f"/centre/{code}{what}")
            assert answer.status_code == absent.status_code == 404
            assert answer.text.replace(code, "zebra") == absent.text


BAD = (
    "zebra=1", "last=1y", "last=", "last=7d&last=7d", "last=7d&datetime=2026-01-01", "datetime=yesterday",
    "datetime=2026-02-01/2026-01-01", "hours=8-8", "hours=25", "hours=8-18-20", "hours=", "hours=-1",
    "hours=८", "weekdays=0", "weekdays=1-8", "weekdays=mon", "rate=income", "rate=", "previous=yes",
    "status=lost", "status=open&status=", "tier=planet", "category=",
    f"category={'x' * 201}", "category=%00", "hours=%00",
    "bbox=1,2,3,4", "f=xml", "&".join(f"category={n}" for n in range(51)),
)  # fmt: skip


@pytest.mark.parametrize("query", BAD)
def test_what_cannot_be_understood_is_refused_with_its_reason(town: Town, query: str) -> None:
    for what in ("/cases", "/surface", ""):
        if what == "" and query == "f=xml":
            continue
        answer = town.clients[Role.CENTRE].get(
            f"/centre/{CODE}{what}?{query}", headers={"Accept-Language": "en"}
        )
        assert answer.status_code == 400, (what, answer.text[:200])
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert len(answer.json()["detail"]) > 20


def test_a_mistyped_filter_leads_back_to_the_divisions_page(town: Town) -> None:
    client = town.clients[Role.CENTRE]
    refused = client.get(f"/centre/{CODE}?last=3y&lang=en", headers={"accept": "text/html"})
    assert refused.status_code == 400
    assert f'href="/centre/{CODE}?lang=en"' in refused.text
    assert "Without these filters" in refused.text
    other = client.get("/collections/cases/items?limit=x&lang=en", headers={"accept": "text/html"})
    assert other.status_code == 400
    assert "Without these filters" not in other.text


def test_parameters_of_the_page_are_its_own(town: Town) -> None:
    client = town.clients[Role.CENTRE]
    assert (
        client.get(f"/centre/{CODE}?theme=heat&at=30,117,16&wall=1&grid=1&last=7d&lang=en").status_code == 200
    )
    assert client.get(f"/centre/{CODE}/cases?theme=heat").status_code == 400
    for query in ("frames=1", "frames=25", "frames=two", "frames=2&frames=3"):
        assert client.get(f"/centre/{CODE}/surface?{query}").status_code == 400
    for query in ("bbox=1,2,3", "bbox=a,b,c,d", "last=7d", "bbox="):
        assert client.get(f"/centre/{CODE}/base?{query}").status_code == 400
    # the public knows of no tiers: the filter is as unknown as one that never was
    public = town.clients[Role.PUBLIC]
    never = public.get(f"/centre/{CODE}/cases?zebra=grid")
    assert public.get(f"/centre/{CODE}/cases?tier=grid").text.replace("tier", "zebra") == never.text


def test_rates_have_their_denominator_and_hide_what_is_small(town: Town) -> None:
    client = town.clients[Role.CENTRE]
    grids = {one["id"]: one["properties"] for one in _read(client, "grids")}
    states = set()
    for query in ({"datetime": "2026-01-01/2026-03-01"}, {}, {"category": "noise", "last": "30d"}):
        for per in ("households", "residents"):
            told = ask(client, rate=per, **query)
            assert told["rate"]["per"] == per
            for row in told["by_grid"]:
                states.add(row["rate_state"])
                number = grids[row["grid"]][per]
                if row["cases"] < 10:
                    assert row["rate_state"] == "hidden"
                    assert row["rate"] is row["denominator"] is None
                    continue
                assert row["rate_state"] == ("unstable" if row["cases"] < 20 else "stable")
                assert row["rate"] == pytest.approx(1000 * row["cases"] / number, abs=0.005)
                assert row["denominator"] == round(number)
    assert states == {"hidden", "unstable", "stable"}
    # the same as /figures/rates says
    told = ask(client, rate="households", datetime="2026-01-01/2026-03-01")
    rates = client.get(
        "/figures/rates", params={"division": CODE, "datetime": told["span"]["datetime"]}
    ).json()
    assert [(one["grid"], one["rate"]) for one in rates["rates"]] == [
        (row["grid"], row["rate"]) for row in told["by_grid"]
    ]


@pytest.mark.parametrize("role", sorted(AT_PLACES))
def test_grids_that_share_places_count_what_the_centre_sees_in_all_of_them(town: Town, role: Role) -> None:
    """Not everything in the one in which a place lies, and nothing in the others."""
    query: dict[str, Any] = {"datetime": "2026-01-01/2026-03-01", "category": ["rubbish", "noise"]}
    query |= {"rate": "households"}
    exact = {row["grid"]: row for row in ask(town.clients[Role.CENTRE], **query)["by_grid"]}
    told = ask(town.clients[role], **query)["by_grid"]
    assert max(len(row["grids"]) for row in told) >= 3
    households = {one["id"]: one["properties"]["households"] for one in _read(town.clients[role], "grids")}
    for row in told:
        assert row["cases"] == sum(exact[code]["cases"] for code in row["grids"])
        if row["denominator"] is not None:
            assert row["denominator"] == sum(households[code] for code in row["grids"])
    joined = next(row for row in told if len(row["grids"]) > 1)
    # as everywhere else
    rates = town.clients[role].get(
        "/figures/rates", params={"division": CODE, "datetime": "2026-01-01/2026-03-01"}
    )
    assert [one["grids"] for one in rates.json()["rates"]] == [row["grids"] for row in told]
    statistic = ask(town.clients[role], "statistics/rates", **query)
    units = [one["properties"] for one in statistic["units"]["features"]]
    assert [one["grids"] for one in units] == [row["grids"] for row in told]
    if role is not Role.GRID_WORKER:  # whose own cases count where they lie, and grids kept their shapes here
        assert [one["cases"] for one in units] == [row["cases"] for row in told]
    shapes = {one["properties"]["grid"]: shape(one["geometry"]) for one in statistic["units"]["features"]}
    for code in joined["grids"]:
        outside = town.grids[role][code].difference(shapes[joined["grid"]])
        assert outside.area < 1e-3 * town.grids[role][code].area
    cards = [ask(town.clients[role], f"grids/{code}/card")["cases"] for code in joined["grids"]]
    assert len({(card["together"], card["last_30_days"]) for card in cards}) == 1
    assert cards[0]["together"] == joined["label"] != ""
    assert cards[0]["last_30_days"] == next(
        row["cases"] for row in ask(town.clients[role])["by_grid"] if row["grid"] == joined["grid"]
    )


# --- kept while they hold, and not longer ---


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CENTRE])
@pytest.mark.parametrize("what", ["cases", "surface", "base", "base?bbox=110,20,120,40"])
def test_answers_are_kept_and_known_again(town: Town, role: Role, what: str) -> None:
    client, path = town.clients[role], f"/centre/{CODE}/{what}"
    first = client.get(path)
    assert first.headers["content-encoding"] == "gzip"
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == first.content
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = town.clients[Role.PLANNER].get(path, headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_a_new_case_is_in_the_figures_at_once(town: Town) -> None:
    client = town.clients[Role.CENTRE]
    before = {role: ask(town.clients[role]) for role in Role}
    seen = client.get(f"/centre/{CODE}/surface").json()["cases"]
    home = town.served.rows("select st_x(geom) x, st_y(geom) y from cases where case_id = 'k1'")[0]
    newest = town.served.rows("select max(time) from cases")[0][0]
    made = client.post(
        "/collections/cases/items",
        json={
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [home.x, home.y]},
            "properties": {"case_id": "just-now", "category": "noise", "time": newest.isoformat()},
        },
    )
    assert made.status_code == 201, made.text
    try:
        for role in Role:
            after = ask(town.clients[role])
            assert after["total"] == before[role]["total"] + 1
            assert f"{CODE}:just-now" in [one["id"] for one in after["newest"]]
        assert client.get(f"/centre/{CODE}/surface").json()["cases"] == seen + 1
    finally:
        with town.served.database.owner.begin() as connection:
            connection.execute(text("delete from cases where case_id = 'just-now'"))
    assert {role: ask(town.clients[role])["total"] for role in Role} == {
        role: told["total"] for role, told in before.items()
    }


def test_a_case_after_a_long_silence_brings_no_verdict(town: Town) -> None:
    """Made-up data end; a case of weeks later moves the clock, and what lies between is no fall."""
    client = town.clients[Role.CENTRE]
    steady = ask(client)
    assert steady["silence"] is None
    home = town.served.rows("select st_x(geom) x, st_y(geom) y from cases where case_id = 'k1'")[0]
    newest = town.served.rows("select max(time) from cases")[0][0]
    later = newest + timedelta(days=21)
    made = client.post(
        "/collections/cases/items",
        json={
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [home.x, home.y]},
            "properties": {"case_id": "much-later", "category": "noise", "time": later.isoformat()},
        },
    )
    assert made.status_code == 201, made.text
    try:
        told = ask(client)
        assert told["silence"]["of"] == "now"
        assert told["silence"]["p"] < 0.001
        assert datetime.fromisoformat(told["silence"]["begin"]) <= newest + timedelta(hours=1)
        assert datetime.fromisoformat(told["silence"]["end"]) <= later
        assert (told["change"]["verdict"], told["change"]["p"]) == ("withheld", None)
        assert {row["verdict"] for row in told["by_grid"]} == {"withheld"}
        assert "可能缺少数据，升降不作判断" in told["summary"]["zh"]
    finally:
        with town.served.database.owner.begin() as connection:
            connection.execute(text("delete from cases where case_id = 'much-later'"))
    assert ask(client)["silence"] is None


def test_a_new_case_is_told_and_counted(town: Town) -> None:
    """What the page does: it listens for its division, and asks anew when it is told."""
    settle(town.served)
    ears = {
        role: Ear(town.served.client(role), division=division)
        for role, division in ((Role.CENTRE, CODE), (Role.PUBLIC, OFFICE), (Role.CONSUMER, HIDDEN))
    }
    client = town.clients[Role.CENTRE]
    total = ask(town.clients[Role.PUBLIC])["total"]
    home = town.served.rows("select st_x(geom) x, st_y(geom) y from cases where case_id = 'k1'")[0]
    newest = town.served.rows("select max(time) from cases")[0][0]
    try:
        for name, category in (("secret", "dispute"), ("open", "noise")):
            made = client.post(
                "/collections/cases/items",
                json={
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [home.x, home.y]},
                    "properties": {"case_id": name, "category": category, "time": newest.isoformat()},
                },
            )
            assert made.status_code == 201, made.text
        assert ears[Role.CENTRE].cases({"open"}) == ["secret", "open"]
        told = ears[Role.PUBLIC].next()
        assert (told["event"], told["data"]["feature"]["properties"]["case_id"]) == ("created", "open")
        assert told["data"]["feature"]["properties"]["community"] == CODE
        assert ask(town.clients[Role.PUBLIC])["total"] == total + 1
        assert ears[Role.CONSUMER].told.empty()
        bad = client.get("/events", params={"division": "\x00"})
        assert bad.status_code == 400
    finally:
        for ear in ears.values():
            ear.close()
        with town.served.database.owner.begin() as connection:
            connection.execute(text("delete from cases where case_id in ('secret', 'open')"))


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.GRID_WORKER])
def test_asking_for_each_hour_tells_no_more_than_the_matrix(town: Town, role: Role) -> None:
    """Whoever takes a view apart, by hours, days, kinds or times, and puts it together gets the view."""
    client, query = town.clients[role], {"datetime": "2026-01-05/2026-02-15"}
    whole = ask(client, **query)
    matrix = whole["by_hour"]["cases"]
    for weekday in (1, 4, 7):
        told = ask(client, weekdays=str(weekday), **query)
        assert told["by_hour"]["cases"][weekday - 1] == matrix[weekday - 1]
        assert told["total"] == sum(matrix[weekday - 1])
    for hour in (0, 7, 23):
        assert ask(client, hours=str(hour), **query)["total"] == sum(row[hour] for row in matrix)
    kinds = {row["value"]: row["cases"] for row in whole["by_category"]}
    parts = {kind: ask(client, category=kind, **query) for kind in (*kinds, "dispute", "家庭纠纷")}
    assert {kind: told["total"] for kind, told in parts.items() if told["total"]} == kinds
    if role is Role.PUBLIC:
        assert parts["dispute"]["total"] == parts["家庭纠纷"]["total"] == 0
    grids = Counter[str]()
    for day in ("2026-01-05/2026-01-19", "2026-01-20/2026-01-31", "2026-02-01/2026-02-15"):
        grids.update({row["grid"]: row["cases"] for row in ask(client, datetime=day)["by_grid"]})
    assert grids == {row["grid"]: row["cases"] for row in whole["by_grid"]}


# --- the surface ---


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.GRID_WORKER, Role.CENTRE])
def test_the_surface_holds_the_cases_of_the_figures(town: Town, role: Role) -> None:
    client = town.clients[role]
    query: dict[str, Any] = {"datetime": "2026-01-30/2026-02-12"}
    told = ask(client, "surface", frames=3, previous="true", **query)
    figures = ask(client, **query)
    # a case on the border of a place's grid may lie a hair outside of the community
    assert told["cases"] == pytest.approx(figures["total"], abs=2)
    assert told["difference"]["previous_cases"] == figures["previous_total"]
    assert sum(frame["cases"] for frame in told["frames"]) == told["cases"]
    assert [told["frames"][0]["begin"], told["frames"][-1]["end"]] == [
        told["span"]["begin"],
        told["span"]["end"],
    ]
    cells = told["columns"] * told["rows"]
    for values in (
        told["values"],
        told["difference"]["values"],
        *(frame["values"] for frame in told["frames"]),
    ):
        assert len(values) == cells
    # the surface's mass is its cases: their density times the area, over the time
    shown = np.array([value for value in told["values"] if value is not None])
    mass = shown.sum() * told["cell_m"] ** 2 / 1e6 * told["days"] / 30
    assert 0.5 * told["cases"] < mass < 1.1 * told["cases"]


def test_a_density_is_of_the_time_that_can_have_cases(town: Town) -> None:
    """Not thinned by years before the first one, or by days to come."""
    client = town.clients[Role.CENTRE]
    told = ask(client, "surface", frames=4, datetime="2019-01-01/2035-01-01")
    times = sorted(_time(one) for one in town.cases[Role.CENTRE])
    begin, end = (
        datetime.fromisoformat(told["frames"][place][name]) for place, name in ((0, "begin"), (-1, "end"))
    )
    assert begin == times[0]
    assert times[-1] < end <= datetime.now(UTC)
    assert told["days"] == pytest.approx((end - begin) / timedelta(days=1))
    assert sum(frame["cases"] for frame in told["frames"]) == told["cases"]


def test_the_classes_of_the_surface_never_move(town: Town) -> None:
    """The same bounds for a day and a month, for one category, for every step and for the difference."""
    span = {"datetime": "2026-01-30/2026-02-12"}
    asked: tuple[dict[str, Any], ...] = (span, {**span, "frames": 12}, {**span, "previous": "true"}, {})
    found = [ask(town.clients[Role.CENTRE], "surface", **query) for query in asked]
    assert [told["few"] for told in found[:3]] == [None] * 3
    assert {tuple(told["breaks"]) for told in found if told["few"] is None} == {LADDER}
    assert tuple(found[2]["difference"]["breaks"]) == CHANGE_LADDER


def test_too_few_cases_are_said_plainly_and_not_drawn(town: Town) -> None:
    client = town.clients[Role.CENTRE]
    told = ask(client, "surface", last="24h", frames=2, previous="true")
    assert told["cases"] < 10
    assert told["values"] is None
    assert told["frames"] == []
    assert told["few"]["least"] == 10
    assert "不足10件" in told["few"]["words"]["zh"]
    assert ask(client, last="24h")["few"] == told["few"]


def test_places_are_dealt_out_evenly_whoever_asks(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """No point of the surface is a case's own outside the centre: only buildings of places are."""
    seen: list[np.ndarray] = []
    dealt = room.deal_points

    def spy(connection: Any, points: Any) -> Any:
        found = dealt(connection, points)
        seen.append(found[0])
        return found

    monkeypatch.setattr(room, "deal_points", spy)
    town.served.app.state.views.__init__()
    ask(town.clients[Role.PUBLIC], "surface", datetime="2026-01-01/2026-02-28")
    homes = town.served.rows(
        """select avg(st_x(p)) x, avg(st_y(p)) y from (
               select building_id, st_pointonsurface(geom) p from buildings where division_code = :code
           ) b group by building_id""",
        code=CODE,
    )
    tree = shapely.STRtree(shapely.points([(row.x, row.y) for row in homes]))
    _, gaps = tree.query_nearest(shapely.points(seen[0]), return_distance=True)
    assert len(seen[0]) > 40
    assert gaps.max() < 1e-7


def test_the_ground_is_small_and_within_a_metre(town: Town) -> None:
    told = ask(town.clients[Role.PUBLIC], "base")
    assert told["simplified_m"] == 1.0
    assert told["left_out"] == []
    lines = [line for found in told["streets"].values() for line in found]
    assert lines
    assert all(len(line) % 2 == 0 for line in lines)
    names = {one["name"] for one in told["names"]}
    assert names == {
        row[0] for row in town.served.rows("select name from streets where division_code = :code", code=CODE)
    }
    west, south, east, north = told["bounds"]
    half = ask(town.clients[Role.PUBLIC], "base", bbox=f"{west},{south},{(west + east) / 2},{north}")
    count = sum(len(found) for found in half["buildings"].values())
    everything = town.served.rows("select count(*) from buildings where division_code = :code", code=CODE)[0][
        0
    ]
    assert 0.4 * everything < count < 0.7 * everything
    assert set(half) == {"buildings", "truncated"}
    assert json.dumps(half).count("household") == 0


# --- of an area alone ---


def areas_of(town: Town) -> dict[str, list[str]]:
    """The areas in force by id, with the codes of their grids."""
    rows = town.served.rows(
        "select division_code || ':' || key as id, grids from tiers where level < 0 and valid_to is null"
    )
    return {row.id: list(row.grids) for row in rows}


def narrowed(town: Town, role: Role, grids: list[str]) -> Town:
    """The town as if nothing but these grids, and what counts with them, were in it."""
    part = copy(town)
    codes = {code for grid in grids for code in town.units[role][grid]}
    part.cases = {role: [one for one in town.cases[role] if _grid_of(town, role, one) in codes]}
    part.units = {role: {code: town.units[role][code] for code in codes}}
    return part


@pytest.mark.parametrize("role", Role)
@settings(max_examples=12, deadline=None)
@given(query=queries(), number=st.integers(0, 2))
@example(query={"datetime": "2026-01-01/2026-03-01"}, number=0)
@example(query={"datetime": "2026-01-20/2026-02-10", "status": ["open"]}, number=2)
def test_figures_of_an_area_are_those_of_its_grids_items(
    town: Town, role: Role, query: dict[str, Any], number: int
) -> None:
    if role not in WITH_TIERS:
        query = {name: value for name, value in query.items() if name != "tier"}
    asked = {name: value for name, value in query.items() if name not in ("clock", "week")}
    name, grids = sorted(areas_of(town).items())[number]
    told = ask(town.clients[role], area=name, **asked)
    check(narrowed(town, role, grids), role, query, told)
    assert (told["area"]["id"], told["area"]["grids"]) == (name, sorted(grids))
    assert told["summary"]["zh"].startswith(f"第{number + 1}片区：")
    # and tell nothing that the figures of all grids do not
    whole = ask(town.clients[role], **asked)
    rows = {row["grid"]: row["cases"] for row in whole["by_grid"]}
    assert told["total"] == sum(rows[row["grid"]] for row in told["by_grid"])
    assert (whole["area"], whole["total"] >= told["total"]) == (None, True)


def test_the_cases_of_all_areas_are_those_of_the_community(town: Town) -> None:
    client = town.clients[Role.CENTRE]
    span = {"datetime": "2026-01-01/2026-03-01"}
    parts = [ask(client, area=name, **span) for name in areas_of(town)]
    whole = ask(client, **span)
    assert sum(part["total"] for part in parts) == whole["total"] - whole["elsewhere"]
    assert sum(part["overdue_total"] for part in parts) <= whole["overdue_total"]
    for part in parts:
        href = next(one["href"] for one in part["links"] if one["rel"] == "items")
        assert client.get(f"{href}&count=true&limit=1").json()["numberMatched"] == part["total"]
        own = next(one["href"] for one in part["links"] if one["rel"] == "self")
        assert client.get(own).json()["total"] == part["total"]
        # of a street office it is the same
        assert ask(client, division=OFFICE, area=part["area"]["id"], **span)["total"] == part["total"]
    public = ask(town.clients[Role.PUBLIC], area=next(iter(areas_of(town))), **span)
    assert not [one for one in public["links"] if one["rel"] == "items"]


def test_cases_beyond_the_border_are_told_of_where_they_are_not_drawn(town: Town) -> None:
    """Figures count them, the surface ends at the border: the two do not contradict each other."""
    client = town.clients[Role.CENTRE]
    served = town.served
    before = ask(client, "surface")
    assert before["outside"] is None
    columns = "division_code, case_id, time, geom, category, status"
    with served.database.owner.begin() as connection:
        connection.execute(
            text(f"""
                insert into cases ({columns})
                select d.code, 'beyond-' || n, (select max(time) from cases),
                    st_translate(st_centroid(d.geom), 0.5, 0), 'beyond', 'discovered'
                from divisions d, generate_series(1, 38) n where d.code = :code
            """),  # noqa: S608  # names written above
            {"code": CODE},
        )
    try:
        figures, surface = (ask(client, what, category="beyond") for what in ("cases", "surface"))
        assert (figures["total"], figures["elsewhere"]) == (38, 38)
        assert "38 cases of beyond, all of them outside the grids" in figures["summary"]["en"]
        assert "，都不在各网格之内" in figures["summary"]["zh"]
        assert (surface["cases"], surface["outside"]["cases"], surface["values"]) == (0, 38, None)
        assert surface["few"]["words"]["en"].startswith("Too few cases: 0, fewer than 10")
        for lang in ("zh", "en"):
            assert surface["outside"]["words"][lang] in surface["few"]["words"][lang]
        assert surface["outside"]["words"]["en"].startswith("38 more lie outside the border")
        # beside others the surface is that of those inside, and says how many it leaves out
        both = ask(client, "surface")
        assert (both["cases"], both["outside"]["cases"]) == (before["cases"], 38)
        assert both["values"] == before["values"]
        assert ask(client)["total"] == both["cases"] + 38
    finally:
        with served.database.owner.begin() as connection:
            connection.execute(text("delete from cases where case_id like 'beyond-%'"))


def test_an_area_that_is_not_there_is_named(town: Town) -> None:
    client = town.clients[Role.CENTRE]
    ids = list(areas_of(town))
    for division, area in ((CODE, "above1-9"), (CODE, f"{CODE}001.1"), (HIDDEN, ids[0]), (CODE, "x" * 900)):
        answer = client.get(f"/centre/{division}/cases", params={"area": area})
        assert (answer.status_code, answer.json()["code"]) == (400, "parameter-value")
        assert "area" in answer.json()["detail"]
        assert (ids[0] in answer.json()["detail"]) == (division == CODE or area == ids[0])
    twice = client.get(f"/centre/{CODE}/cases", params=[("area", ids[0]), ("area", ids[0])])
    assert twice.json()["code"] == "parameter-repeated"
    # what knows no area refuses it rather than answer of the whole
    for what in ("surface", "statistics/gi"):
        answer = client.get(f"/centre/{CODE}/{what}", params={"area": ids[0]})
        assert (answer.status_code, answer.json()["code"]) == (400, "parameter-unknown")
