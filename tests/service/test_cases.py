"""Cases: made singly and in batches in their grid and place, taken step by step, overdue ones listed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import text

from service import casework, db
from service.access import Principal, Role
from service.faults import FixedError, ForbiddenError, MalformedError
from service.models.base import CASE_STATUSES
from service.store.cases import locate_cases
from service.store.places import place_cases

from .api import HIDDEN, Served, fill, serve
from .towns import CODE

pytestmark = pytest.mark.database

GEOJSON = {"content-type": "application/geo+json"}
MERGE = {"content-type": "application/merge-patch+json"}
JSON = {"content-type": "application/json"}
ITEMS = "/collections/cases/items"


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """The town with a running server."""
    with serve(module_database, fill(module_database)) as running:
        yield running


def points(served: Served, count: int, seed: int = 1) -> list[list[float]]:
    """Points strewn over the published community."""
    [box] = served.rows(
        "select st_xmin(geom), st_ymin(geom), st_xmax(geom), st_ymax(geom) from divisions where code = :c",
        c=CODE,
    )
    west, south, east, north = box
    shares = np.random.default_rng(seed).uniform(0.02, 0.98, (count, 2))
    return (shares * [east - west, north - south] + [west, south]).tolist()


def case(at: list[float], **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": at},
        "properties": {"category": "rubbish", **properties},
    }


def make(client: httpx.Client, at: list[float], **properties: Any) -> str:
    answer = client.post(ITEMS, json=case(at, **properties), headers=GEOJSON)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def step(client: httpx.Client, where: str, tag: str | None = None, **body: str) -> httpx.Response:
    """One step; on the present version unless another tag is given."""
    tag = client.get(where).headers["etag"] if tag is None else tag
    return client.post(steps(where), content=json.dumps(body), headers={**JSON, "if-match": tag})


def steps(where: str) -> str:
    return f"/cases/{where.rpartition('/')[2]}/steps"


# --- made ---


def test_a_case_is_in_its_grid_at_its_place_and_due(town: Served) -> None:
    client = town.client(Role.CENTRE)
    for at in points(town, 12):
        read = client.get(make(client, at, category="垃圾堆放")).json()
        assert read["geometry"]["coordinates"] == pytest.approx(at, abs=1e-12)
        told = read["properties"]
        [(grid,)] = town.rows(
            "select min(code) from grids"
            " where valid_to is null and st_covers(geom, st_setsrid(st_point(:x, :y), 4326))",
            x=at[0],
            y=at[1],
        )
        assert (told["grid"], told["status"], told["community"]) == (grid, "discovered", CODE)
        due, reported = (datetime.fromisoformat(told[name]) for name in ("due", "time"))
        assert due - reported == timedelta(hours=24)


def test_places_are_those_of_a_load_to_the_last_digit(town: Served) -> None:
    client = town.client(Role.CENTRE)
    several = points(town, 40, seed=3)
    body = {
        "type": "FeatureCollection",
        "features": [case(at, case_id=f"p{n}") for n, at in enumerate(several)],
    }
    assert client.post(ITEMS, json=body, headers=GEOJSON).status_code == 201
    make(client, several[0], case_id="p-single")
    shown = (
        "select case_id, st_astext(place, 15), grid_code from cases where case_id like 'p%' order by case_id"
    )
    online = town.rows(shown)
    assert all(place is not None and grid is not None for _, place, grid in online)
    with town.database.owner.connect() as connection:
        connection.execute(
            text("""update cases set place = null, place_era = null, grid_code = null
                                   where case_id like 'p%'""")
        )
        locate_cases(connection, CODE)
        place_cases(connection, CODE)
        offline = list(connection.execute(text(shown)))
        connection.rollback()
    assert offline == online
    assert online[0][1] == next(place for name, place, _ in online if name == "p-single")
    # each place is that of at least eight buildings
    [(least,)] = town.rows("""
        select min(n) from (select count(*) as n from (
            select distinct on (b.building_id) b.building_id, c.place from buildings b
            join lateral (select distinct place from cases where case_id like 'p%') c on true
            where b.division_code = '990101001001'
            order by b.building_id, b.geom <-> c.place) nearest group by place) counts
    """)
    assert least >= 4  # those nearest to a place are not all its own


def test_places_follow_the_buildings_that_there_are(town: Served) -> None:
    """What is kept in memory is of the present version of the buildings, which a load places anew."""
    client = town.client(Role.CENTRE)
    at = points(town, 1, seed=9)[0]
    make(client, at, case_id="before")
    with town.database.owner.begin() as connection:
        connection.execute(
            text("""insert into buildings (division_code, building_id, ordinal, grid_code, geom)
                    select :c, 'late-' || n, 90000 + n,
                        (select c.grid_code from cases c where case_id = 'before'),
                           st_expand(st_setsrid(st_point(:x + n * 1e-6, :y), 4326), 1e-7)
                    from generate_series(1, 16) n"""),
            {"c": CODE, "x": at[0], "y": at[1]},
        )
        place_cases(connection, CODE)
    make(client, at, case_id="after")
    with town.database.owner.begin() as connection:
        connection.execute(text("delete from buildings where building_id like 'late-%'"))
        place_cases(connection, CODE)
    places = dict(
        town.rows("select case_id, st_astext(place) from cases where case_id in ('before', 'after')")
    )
    assert places["before"] != places["after"]
    make(client, at, case_id="again")
    [(again,)] = town.rows("select st_astext(place) from cases where case_id = 'again'")
    assert again == places["before"]


def test_where_there_are_too_few_buildings_others_see_nothing(town: Served) -> None:
    with town.database.owner.begin() as connection:
        connection.execute(
            text("""insert into divisions (code, division_code, community_id, source_crs, metric_crs, geom)
                    values ('990101001009', '990101001009', 'x', 'EPSG:4548', 'EPSG:4548',
                            st_makeenvelope(100, 20, 100.01, 20.01, 4326))""")
        )
    where = make(town.client(Role.CENTRE), [100.005, 20.005])
    assert town.client(Role.CENTRE).get(where).status_code == 200
    for role in (Role.PLANNER, Role.CONSUMER, Role.PUBLIC):
        assert town.client(role).get(where).status_code == 404


def test_a_case_at_a_building_is_in_its_grid(town: Served) -> None:
    [(building, grid)] = town.rows(
        "select building_id, grid_code from buildings where division_code = :c order by ordinal desc limit 1",
        c=CODE,
    )
    at = points(town, 30)
    client = town.client(Role.CENTRE)
    assert client.get(make(client, at[0], building_id=building)).json()["properties"]["grid"] == grid


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"category": None}, "write-missing", "category"),
        ({"category": "  "}, "write-missing", "category"),
        ({"status": "closed"}, "write-choice", "status"),
        ({"status": "lost"}, "write-choice", "status"),
        ({"tier": "moon"}, "write-choice", "tier"),
        ({"grid": "1"}, "write-readonly", "grid"),
        ({"time": "yesterday"}, "write-kind", "time"),
        ({"time": "9999-12-31T23:00:00Z"}, "write-range", "time"),
        ({"category": "x 990101199001011234"}, "write-identity", "category"),
        ({"community": HIDDEN}, "write-outside", HIDDEN),
    ],
)
def test_what_is_wrong_with_a_case_is_named(
    town: Served, change: dict[str, Any], code: str, named: str
) -> None:
    client = town.client(Role.CENTRE)
    [at] = points(town, 1)
    answer = client.post(ITEMS, json=case(at, **change), headers=GEOJSON)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert named in answer.json()["detail"]
    several = {"type": "FeatureCollection", "features": [case(at), case(at, **change)]}
    before = town.rows("select count(*) from cases")
    answer = client.post(ITEMS, json=several, headers=GEOJSON)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]
    assert town.rows("select count(*) from cases") == before


def test_a_batch_is_stored_whole_or_not_at_all(town: Served) -> None:
    client = town.client(Role.CENTRE)
    several = points(town, 2_500, seed=4)
    body = {
        "type": "FeatureCollection",
        "features": [case(at, case_id=f"b{n}") for n, at in enumerate(several)],
    }
    answer = client.post(ITEMS, json=body, headers=GEOJSON)
    assert (answer.status_code, answer.json()["created"]) == (201, 2_500)
    assert answer.json()["ids"][17] == f"{CODE}:b17"
    [(count, unlocated, unplaced)] = town.rows(
        "select count(*), count(*) filter (where grid_code is null), count(*) filter (where place is null)"
        " from cases where case_id ~ '^b[0-9]'"
    )
    assert (count, unlocated, unplaced) == (2_500, 0, 0)
    [(begun,)] = town.rows(
        "select count(*) from case_steps s join cases c on c.id = case_row where case_id ~ '^b[0-9]'"
    )
    assert begun == 2_500
    body["features"][1]["properties"]["case_id"] = "b-new"
    assert client.post(ITEMS, json=body, headers=GEOJSON).status_code == 409
    assert town.rows("select count(*) from cases where case_id = 'b-new'") == [(0,)]
    body["features"] = [case(several[0])] * 10_001
    answer = client.post(ITEMS, json=body, headers=GEOJSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "case-batch")
    for features in ([], None, 5, [5]):
        answer = client.post(ITEMS, json={**body, "features": features}, headers=GEOJSON)
        assert answer.status_code == 400


def test_a_workers_batch_ends_at_his_grids(town: Served) -> None:
    [(grid,)] = town.rows("select min(code) from grids where valid_to is null")
    client = town.client(Role.GRID_WORKER, grids=frozenset({grid}))
    several = [case(at) for at in points(town, 60, seed=6)]
    before = town.rows("select count(*) from cases")
    answer = client.post(ITEMS, json={"type": "FeatureCollection", "features": several}, headers=GEOJSON)
    assert answer.status_code == 403
    assert town.rows("select count(*) from cases") == before


def test_a_case_that_comes_during_a_publication_is_in_the_new_grid(town: Served) -> None:
    """The publication has closed a grid and located the cases, and not ended yet."""
    client = town.client(Role.CENTRE)
    [at] = points(town, 1, seed=12)
    with ThreadPoolExecutor(1) as pool, town.database.owner.connect() as publishing:
        with publishing.begin() as transaction:
            publishing.execute(text("update grids set name = name where valid_to is null"))
            locate_cases(publishing, CODE)
            posted = pool.submit(make, client, at, case_id="meanwhile")
            time.sleep(1.0)
            assert not posted.done()
            transaction.commit()
        assert client.get(posted.result()).status_code == 200


# --- steps ---


def test_a_case_goes_its_way_and_its_history_is_kept(town: Served) -> None:
    client = town.client(Role.CENTRE)
    where = make(client, points(town, 1)[0])
    way = ["filed", "dispatched", "handled", "returned", "dispatched", "handled", "verified", "closed"]
    for status in way:
        answer = step(client, where, status=status, note=f"到 {status}")
        assert answer.status_code == 201, answer.text
        assert client.get(where, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    history = client.get(steps(where)).json()["steps"]
    assert [one["to_status"] for one in history] == ["discovered", *way]
    assert [one["from_status"] for one in history] == ["", "discovered", *way[:-1]]
    assert history[3]["note"] == "到 handled"
    assert all(one["actor"] == "test centre" for one in history)
    answer = step(client, where, status="filed")
    assert (answer.status_code, answer.json()["code"]) == (409, "case-step")
    answer = client.patch(
        where,
        json={"properties": {"category": "x"}},
        headers={**MERGE, "if-match": client.get(where).headers["etag"]},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "case-closed")


def test_a_step_is_taken_on_the_version_it_was_decided_on(town: Served) -> None:
    client = town.client(Role.CENTRE)
    where = make(client, points(town, 1)[0])
    tag = client.get(where).headers["etag"]
    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(lambda _: step(client, where, tag, status="filed").status_code, range(6)))
    assert found == [201, 412, 412, 412, 412, 412]
    answer = client.post(steps(where), json={"status": "dispatched"})
    assert (answer.status_code, answer.json()["code"]) == (428, "write-unlocked")
    assert len(client.get(steps(where)).json()["steps"]) == 2


def test_cases_climb_tier_by_tier(town: Served) -> None:
    client = town.client(Role.CENTRE)
    where = make(client, points(town, 1)[0], tier="grid")
    worker = town.client(Role.GRID_WORKER, grids=frozenset({client.get(where).json()["properties"]["grid"]}))
    assert step(worker, where, tier="community", note="需要社区协调").status_code == 201
    answer = step(worker, where, tier="county")
    assert (answer.status_code, answer.json()["code"]) == (409, "case-tier")
    assert step(worker, where, tier="grid").status_code == 409  # down again: the centre's
    assert step(client, where, tier="street").status_code == 201
    assert step(client, where, tier="grid").status_code == 201
    climbed = [(one["from_tier"], one["to_tier"]) for one in client.get(steps(where)).json()["steps"]]
    assert climbed == [("", "grid"), ("grid", "community"), ("community", "street"), ("street", "grid")]


def test_who_takes_which_step(town: Served) -> None:
    centre = town.client(Role.CENTRE)
    where = make(centre, points(town, 1)[0])
    grid = centre.get(where).json()["properties"]["grid"]
    mine = town.client(Role.GRID_WORKER, grids=frozenset({grid}))
    other = town.client(Role.GRID_WORKER, grids=frozenset({"none"}))
    assert step(other, where, "*", status="filed").status_code == 403
    assert other.get(steps(where)).status_code == 403
    for role in (Role.PUBLIC, Role.CONSUMER, Role.PLANNER, Role.ADMIN, Role.PRIVACY_OFFICER):
        client = town.client(role)
        assert step(client, where, "*", status="filed").status_code == 403, role
        assert client.get(steps(where)).status_code == 403, role
    assert step(mine, where, status="filed").status_code == 201
    answer = step(mine, where, status="dispatched")
    assert (answer.status_code, answer.json()["code"]) == (403, "case-step-role")
    assert [one["to_status"] for one in mine.get(steps(where)).json()["steps"]] == ["discovered", "filed"]


def test_a_patch_obeys_the_same_rules_as_a_step(town: Served) -> None:
    centre = town.client(Role.CENTRE)
    where = make(centre, points(town, 1)[0])
    grid = centre.get(where).json()["properties"]["grid"]
    worker = town.client(Role.GRID_WORKER, grids=frozenset({grid}))

    def patch(client: httpx.Client, **properties: Any) -> httpx.Response:
        return client.patch(where, json={"properties": properties}, headers={**MERGE, "if-match": "*"})

    assert patch(worker, status="closed").status_code == 409
    assert patch(worker, status="filed", category="noise").status_code == 204
    assert patch(worker, due="2031-01-01T00:00:00Z").status_code == 403
    assert patch(centre, due="2031-01-01T00:00:00Z").status_code == 204
    assert patch(centre, case_id="x").status_code == 400
    assert [one["to_status"] for one in centre.get(steps(where)).json()["steps"]] == ["discovered", "filed"]
    whole = centre.get(where).json()
    whole["properties"]["category"] = "lamp"
    tag = centre.get(where).headers["etag"]
    assert centre.put(where, json=whole, headers={**GEOJSON, "if-match": tag}).status_code == 204
    assert centre.get(where).json()["properties"] == whole["properties"]


def test_a_case_that_is_moved_gets_another_grid_and_place(town: Served) -> None:
    client = town.client(Role.CENTRE)
    [(one, x1, y1), (other, x2, y2)] = town.rows(
        "select code, st_x(p), st_y(p) from (select code, st_pointonsurface(geom) p from grids"
        " where valid_to is null order by code limit 2) g"
    )
    where = make(client, [x1, y1], case_id="wanderer")
    shown = "select grid_code, st_astext(place) from cases where case_id = 'wanderer'"
    [before] = town.rows(shown)
    assert before[0] == one
    change = {"geometry": {"type": "Point", "coordinates": [x2, y2]}}
    tag = client.get(where).headers["etag"]
    moved = client.patch(where, json=change, headers={**MERGE, "if-match": tag})
    assert moved.status_code == 204
    assert client.get(where, headers={"if-none-match": moved.headers["etag"]}).status_code == 304
    [after] = town.rows(shown)
    assert after[0] == other
    assert after[1] not in (None, before[1])
    worker = town.client(Role.GRID_WORKER, grids=frozenset({other}))
    change["geometry"]["coordinates"] = [x1, y1]
    answer = worker.patch(where, json=change, headers={**MERGE, "if-match": "*"})
    assert answer.status_code == 403  # out of his own grids
    assert town.rows(shown) == [after]


def test_overdue_cases_are_listed_the_longest_first(town: Served) -> None:
    client = town.client(Role.CENTRE)
    old = datetime.now(UTC) - timedelta(days=30)
    for hours in (3, 1, 2):
        make(
            client,
            points(town, 1)[0],
            case_id=f"late{hours}",
            due=f"{old + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}",
        )
    make(client, points(town, 1)[0], case_id="not-late")

    def listed(reader: httpx.Client, **asked: Any) -> list[str]:
        answer = reader.get("/cases/overdue", params=asked)
        assert answer.status_code == 200, answer.text
        return [one["properties"]["case_id"] for one in answer.json()["features"]]

    assert [one for one in listed(client) if one.startswith("late")] == ["late1", "late2", "late3"]
    assert "not-late" not in listed(client)
    first = client.get("/cases/overdue", params={"limit": 2}).json()
    following = next(link["href"] for link in first["links"] if link["rel"] == "next")
    second = client.get(following).json()["features"]
    assert not {one["id"] for one in second} & {one["id"] for one in first["features"]}
    assert town.client().get("/cases/overdue").status_code == 403
    assert listed(town.client(Role.CENTRE, scope="3301")) == []


def test_cases_are_closed_not_deleted(town: Served) -> None:
    client = town.client(Role.CENTRE)
    where = make(client, points(town, 1)[0])
    answer = client.delete(where, headers={"if-match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (405, "write-methods")


@pytest.mark.parametrize(
    "body",
    ["5", "[]", "{}", '{"note": "x"}', '{"status": 5}', '{"status": "filed", "x": 1}', '{"status": "lost"}',
     '{"tier": "moon"}', '{"status": "discovered"}', '{"status": "filed", "note": "990101199001011234"}'],
)  # fmt: skip
def test_a_step_that_is_none_is_refused(town: Served, body: str) -> None:
    client = town.client(Role.CENTRE)
    where = make(client, points(town, 1)[0])
    answer = client.post(steps(where), content=body, headers={**JSON, "if-match": "*"})
    assert answer.status_code == 400, answer.text
    assert len(client.get(steps(where)).json()["steps"]) == 1


def test_posts_from_many_at_once_are_all_there(town: Served) -> None:
    """Also while somebody keeps taking the community's cases for himself."""
    client = town.client(Role.CENTRE)
    several = points(town, 60, seed=21)
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            with town.database.owner.begin() as connection:
                locate_cases(connection, CODE)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(lambda one: make(client, one[1], case_id=f"m{one[0]}"), enumerate(several)))
    finally:
        stop.set()
        thread.join()
    assert len(set(made)) == 60
    assert town.rows("select count(*) from cases where case_id ~ '^m[0-9]' and grid_code is not null") == [
        (60,)
    ]


# --- the rules by themselves ---

CENTRE, WORKER = Principal(Role.CENTRE), Principal(Role.GRID_WORKER)


def test_every_status_is_reached_and_only_the_last_is_left_nowhere() -> None:
    assert set(casework.NEXT) == set(CASE_STATUSES)
    assert {after for step_ in casework.NEXT.values() for after in step_} == set(CASE_STATUSES) - {
        casework.FIRST
    }
    assert [status for status, after in casework.NEXT.items() if not after] == [casework.LAST]
    assert all(after in casework.NEXT[before] for before, after in casework.WORKERS)


def test_steps_that_are_not_in_the_order_are_refused_to_everybody() -> None:
    for before in CASE_STATUSES:
        for after in CASE_STATUSES:
            if after in casework.NEXT[before]:
                casework.check_step(CENTRE, before, after)
            else:
                with pytest.raises(FixedError):
                    casework.check_step(CENTRE, before, after)
    with pytest.raises(ForbiddenError):
        casework.check_step(WORKER, "verified", "closed")


def test_a_closed_case_climbs_no_more() -> None:
    with pytest.raises(FixedError):
        casework.check_tier(CENTRE, "closed", "grid", "community")
    with pytest.raises(FixedError):
        casework.check_tier(WORKER, "filed", "city", "grid")
    with pytest.raises(MalformedError):
        casework.check_tier(CENTRE, "filed", "grid", "planet")


@pytest.mark.parametrize(
    ("category", "hours"), [("燃气泄漏", 2), ("Gas leak", 2), ("占道经营", 24), ("其他", 72)]
)
def test_how_long_a_case_may_take_stands_in_a_file(category: str, hours: int) -> None:
    begun = datetime(2026, 5, 1, tzinfo=UTC)
    assert casework.due_at(category, begun) - begun == timedelta(hours=hours)
