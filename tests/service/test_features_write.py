"""Features written through the API: who may, what is refused and why, and that no update is lost."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import geopandas as gpd
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import Point
from sqlalchemy import text

from service import db
from service.access import Role
from service.registry import COLLECTIONS
from service.store.added import Declaration, add_collection
from service.store.communities import load_area

from .api import HIDDEN, Served, fill, serve
from .towns import CODE, make_layers

pytestmark = pytest.mark.database

GEOJSON = {"content-type": "application/geo+json"}
MERGE = {"content-type": "application/merge-patch+json"}
ROLES = tuple(Role)
OWN = f"{CODE}001"


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """The town, with a layer that planners may write and one that nobody may."""
    area = fill(module_database)
    layer = gpd.GeoDataFrame(
        {"label": ["a", "b"], "size": [1, 2], "day": ["x", "y"]},
        geometry=[Point(117.0, 30.7), Point(117.001, 30.701)],
        crs=4326,
    )
    with module_database.owner.begin() as connection:
        add_collection(connection, layer, Declaration("benches", "open", writable=True))
        add_collection(connection, layer, Declaration("stones", "internal"))
    with serve(module_database, area) as running:
        yield running


def first(client: httpx.Client, name: str, **asked: Any) -> dict[str, Any]:
    """A feature as it is read, without links."""
    answer = client.get(f"/collections/{name}/items", params={"limit": 1, **asked})
    assert answer.status_code == 200, answer.text
    feature: dict[str, Any] = answer.json()["features"][0]
    return feature


def address(name: str, feature: dict[str, Any]) -> str:
    return f"/collections/{name}/items/{feature['id']}"


def tag(client: httpx.Client, where: str) -> dict[str, str]:
    return {"if-match": client.get(where).headers["etag"]}


def lamp(served: Served, **properties: Any) -> dict[str, Any]:
    """A new facility in the middle of the town."""
    [(x, y)] = served.rows(
        "select st_x(st_centroid(geom)), st_y(st_centroid(geom)) from divisions where code = :c", c=CODE
    )
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [x, y]},
        "properties": {"kind": "lamp", **properties},
    }


def case(served: Served, **properties: Any) -> dict[str, Any]:
    return lamp(served) | {"properties": {"category": "rubbish", **properties}}


# --- who may ---

WRITERS = {name: {Role.PLANNER, Role.ADMIN} for name in (*COLLECTIONS, "benches")}
WRITERS["cases"] = {Role.CENTRE, Role.GRID_WORKER}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_writes_only_what_is_its_own(town: Served, role: Role) -> None:
    client = town.client(role, grids=frozenset({OWN}))
    reader = town.client(Role.CENTRE)
    for name, method in itertools.product(
        [*COLLECTIONS, "benches", "stones"], ["POST", "PUT", "PATCH", "DELETE"]
    ):
        where = f"/collections/{name}/items"
        if method != "POST":
            where = address(name, first(reader, name))
        answer = client.request(method, where, content=b"{", headers=MERGE if method == "PATCH" else GEOJSON)
        found = (answer.status_code, name, method)
        if name == "stones":
            assert answer.status_code == (404 if role is Role.PUBLIC else 405), found
        elif method not in COLLECTIONS.get(name, COLLECTIONS["streets"]).methods:
            assert answer.status_code == 405, found
            assert method not in answer.headers["allow"]
        elif role not in WRITERS[name]:
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), found
        else:
            # let in: now it is the body that is wrong, or the version that is missing
            assert answer.status_code == (428 if method == "DELETE" else 400), (found, answer.text)
        allowed = client.options(where).headers.get("allow", "") if name != "stones" else ""
        assert (method in allowed.split(", ")) == (answer.status_code in (400, 428)), (found, allowed)


def test_a_planner_of_elsewhere_changes_nothing_here(town: Served) -> None:
    client = town.client(Role.PLANNER, scope="3301")
    here = town.client(Role.PLANNER)
    answer = client.post("/collections/facilities/items", json=lamp(town), headers=GEOJSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "write-forbidden")
    answer = client.post("/collections/facilities/items", json=lamp(town, community=CODE), headers=GEOJSON)
    assert answer.status_code == 403
    for name in ("facilities", "buildings", "streets", "grids", "communities"):
        where = address(name, first(here, name))
        answer = client.patch(where, json={"properties": {"name": "x"}}, headers={**MERGE, "if-match": "*"})
        assert answer.status_code == (404 if name != "buildings" else 400), (name, answer.text)
    answer = client.post("/collections/benches/items", json=lamp(town) | {"properties": {}}, headers=GEOJSON)
    assert answer.status_code == 403  # rows of no division are for those who plan everywhere


def test_a_worker_writes_cases_of_own_grids_only(town: Served) -> None:
    centre = town.client(Role.CENTRE)
    made = centre.post("/collections/cases/items", json=case(town), headers=GEOJSON)
    assert made.status_code == 201, made.text
    grid = centre.get(made.headers["location"]).json()["properties"]["grid"]
    other = next(
        code for (code,) in town.rows("select code from grids where valid_to is null") if code != grid
    )
    mine, foreign = (town.client(Role.GRID_WORKER, grids=frozenset({code})) for code in (grid, other))
    assert mine.post("/collections/cases/items", json=case(town), headers=GEOJSON).status_code == 201
    refused = foreign.post("/collections/cases/items", json=case(town), headers=GEOJSON)
    assert (refused.status_code, refused.json()["code"]) == (403, "write-forbidden")
    change = {"properties": {"category": "noise"}}
    where = made.headers["location"]
    assert foreign.patch(where, json=change, headers={**MERGE, "if-match": "*"}).status_code == 403
    assert mine.patch(where, json=change, headers={**MERGE, "if-match": "*"}).status_code == 204


# --- versions ---


def test_of_many_writers_with_one_version_exactly_one_wins(town: Served) -> None:
    client = town.client(Role.PLANNER)
    where = client.post("/collections/facilities/items", json=lamp(town), headers=GEOJSON).headers["location"]
    lock = tag(client, where)

    def write(number: int) -> int:
        change = {"properties": {"name": f"w{number}"}}
        return client.patch(where, json=change, headers={**MERGE, **lock}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(write, range(16))) == {204: 1, 412: 15}
    assert client.delete(where, headers=lock).status_code == 412
    assert client.delete(where).status_code == 428
    assert client.delete(where, headers={"if-match": 'W/"x"'}).status_code == 412
    assert client.delete(where, headers=tag(client, where)).status_code == 204
    assert client.delete(where, headers=lock).status_code == 404


def test_no_update_is_lost(town: Served) -> None:
    """Each of many writers adds its mark by reading, writing and, if somebody was faster, beginning again."""
    client = town.client(Role.PLANNER)
    where = client.post("/collections/facilities/items", json=lamp(town), headers=GEOJSON).headers["location"]
    stop = threading.Event()

    def add(mark: str) -> None:
        while not stop.is_set():
            read = client.get(where)
            name = read.json()["properties"]["name"] + mark
            headers = {**MERGE, "if-match": read.headers["etag"]}
            if client.patch(where, json={"properties": {"name": name}}, headers=headers).status_code == 204:
                return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, "abcdef" * 3))
    assert Counter(client.get(where).json()["properties"]["name"]) == dict.fromkeys("abcdef", 3)


def test_a_tag_that_a_write_brings_is_that_of_the_next_read(town: Served) -> None:
    client = town.client(Role.PLANNER)
    made = client.post("/collections/facilities/items", json=lamp(town), headers=GEOJSON)
    read = client.get(made.headers["location"], headers={"if-none-match": made.headers["etag"]})
    assert read.status_code == 304
    changed = client.patch(
        made.headers["location"],
        json={"properties": {"name": "新"}},
        headers={**MERGE, "if-match": made.headers["etag"]},
    )
    assert changed.headers["etag"] != made.headers["etag"]
    again = client.get(made.headers["location"], headers={"if-none-match": changed.headers["etag"]})
    assert again.status_code == 304


def test_the_condition_of_a_facility_is_written_and_read(town: Served) -> None:
    client = town.client(Role.PLANNER)
    made = client.post("/collections/facilities/items", json=lamp(town, condition="damaged"), headers=GEOJSON)
    where = made.headers["location"]
    assert town.client(Role.PUBLIC).get(where).json()["properties"]["condition"] == "damaged"
    mended = {"properties": {"condition": "good"}}
    assert client.patch(where, json=mended, headers={**MERGE, "if-match": "*"}).status_code == 204
    assert client.get(where).json()["properties"]["condition"] == "good"
    wrong = {"properties": {"condition": "wobbly"}}
    answer = client.patch(where, json=wrong, headers={**MERGE, "if-match": "*"})
    assert answer.status_code == 400
    assert "damaged" in answer.text


# --- what is refused ---


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"properties": {"kind": ""}}, "write-missing", "kind"),
        ({"properties": {}}, "write-missing", "kind"),
        ({"properties": {"kind": "x", "colour": "red"}}, "write-unknown", "colour"),
        ({"properties": {"kind": 5}}, "write-kind", "kind"),
        ({"properties": {"kind": "x", "name": "家 990101199001011234"}}, "write-identity", "name"),
        ({"properties": {"kind": "x", "name": "a\u0000b"}}, "write-character", "name"),
        ({"properties": {"kind": "x" * 4001}}, "write-long", "kind"),
        ({"geometry": None}, "write-no-geometry", "geometry"),
        ({"geometry": {"type": "Point", "coordinates": [117.0]}}, "write-geometry", "geometry"),
        ({"geometry": {"type": "Point", "coordinates": [200.0, 30.0]}}, "write-degrees", "geometry"),
        ({"geometry": {"type": "Point", "coordinates": [10.0, 10.0]}}, "write-nowhere", "geometry"),
        ({"geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}}, "write-shape", "geometry"),
        ({"type": "Point"}, "write-feature", "Feature"),
        ({"properties": {"kind": "x", "community": HIDDEN}}, "write-outside", HIDDEN),
        ({"properties": 5}, "write-feature", "properties"),
    ],
)
def test_what_is_wrong_is_named(town: Served, change: dict[str, Any], code: str, named: str) -> None:
    client = town.client(Role.PLANNER)
    body = json.dumps({**lamp(town), **change})
    for lang in ("zh", "en"):
        answer = client.post(
            "/collections/facilities/items", content=body, headers=GEOJSON, params={"lang": lang}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert named in answer.json()["detail"]


def test_bodies_of_other_kinds_or_sizes_are_refused(town: Served) -> None:
    client = town.client(Role.PLANNER)
    where = "/collections/facilities/items"
    for kind in ("text/plain", "", "application/merge-patch+json"):
        assert client.post(where, content=b"{}", headers={"content-type": kind}).status_code == 415
    packed = {**GEOJSON, "content-encoding": "gzip"}
    assert client.post(where, content=b"{}", headers=packed).status_code == 415
    assert client.post(where, content=b" " * 2_000_001, headers=GEOJSON).status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 100_000

    assert client.post(where, content=pieces(), headers=GEOJSON).status_code == 413
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b"NaN", b'{"type":"\\ud800"}', b"9" * 5000):
        answer = client.post(where, content=body, headers=GEOJSON)
        assert answer.status_code == 400, body[:20]
    street = first(client, "streets")
    street["geometry"]["coordinates"] = [[117.0 + i / 1e6, 30.7] for i in range(10_001)]
    answer = client.post("/collections/streets/items", json=street, headers=GEOJSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "write-vertices")


def test_a_code_is_given_once(town: Served) -> None:
    client = town.client(Role.PLANNER)
    made = client.post("/collections/facilities/items", json=lamp(town, code="only"), headers=GEOJSON)
    assert made.headers["location"].endswith(f"/{CODE}:only")
    again = client.post("/collections/facilities/items", json=lamp(town, code="only"), headers=GEOJSON)
    assert (again.status_code, again.json()["code"]) == (409, "write-taken")
    renamed = client.patch(
        made.headers["location"], json={"properties": {"code": "x"}}, headers={**MERGE, "if-match": "*"}
    )
    assert (renamed.status_code, renamed.json()["code"]) == (400, "write-readonly")


# --- each collection ---


def test_borders_of_grids_change_by_plans_only(town: Served) -> None:
    client = town.client(Role.PLANNER)
    grid = first(client, "grids")
    where = address("grids", grid)
    named = client.patch(
        where, json={"properties": {"name": "东网格"}}, headers={**MERGE, **tag(client, where)}
    )
    assert named.status_code == 204
    assert client.get(where).json()["properties"]["name"] == "东网格"
    read = client.get(where).json()
    same = client.put(where, json=read, headers={**GEOJSON, **tag(client, where)})
    assert same.status_code == 204  # nothing but what is there
    read["geometry"]["coordinates"][0][0][0] += 1e-5
    read["geometry"]["coordinates"][0][-1][0] += 1e-5
    answer = client.put(where, json=read, headers={**GEOJSON, **tag(client, where)})
    assert (answer.status_code, answer.json()["code"]) == (409, "write-fixed-grids")
    answer = client.patch(
        where, json={"properties": {"households": 1}}, headers={**MERGE, **tag(client, where)}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "write-readonly")
    assert client.delete(where, headers=tag(client, where)).status_code == 405


def test_households_stand_with_a_buildings_first_part(town: Served) -> None:
    client = town.client(Role.PLANNER)
    [(number,)] = town.rows(
        "select building_id from buildings where part = 1 and division_code = :c limit 1", c=CODE
    )
    one = f"/collections/buildings/items/{CODE}:{number}"
    change = {"properties": {"households": None, "floors": 9}}
    assert client.patch(one, json=change, headers={**MERGE, **tag(client, one)}).status_code == 204
    [row] = town.rows(
        "select households, households_unknown, floors from buildings where building_id = :b and part = 0",
        b=number,
    )
    assert tuple(row) == (0, True, 9.0)
    change = {"properties": {"households": 12}}
    assert client.patch(one, json=change, headers={**MERGE, **tag(client, one)}).status_code == 204
    assert client.get(one).json()["properties"]["households"] == 12
    answer = client.patch(f"{one}~1", json=change, headers={**MERGE, "if-match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (400, "write-part")
    answer = client.patch(one, json={"properties": {"households": -1}}, headers={**MERGE, "if-match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (400, "write-range")


def test_streets_are_numbered_and_checked(town: Served) -> None:
    client = town.client(Role.PLANNER)
    street = first(client, "streets")
    body = {
        "type": "Feature",
        "geometry": street["geometry"],
        "properties": {"class": "lane", "name": "新巷"},
    }
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(
                lambda _: client.post("/collections/streets/items", json=body, headers=GEOJSON), range(6)
            )
        )
    assert [one.status_code for one in made] == [201] * 6
    assert len({one.headers["location"] for one in made}) == 6
    body["properties"]["class"] = "highway"
    answer = client.post("/collections/streets/items", json=body, headers=GEOJSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "write-choice")
    assert "lane" in answer.json()["detail"]
    for one in made:
        where = one.headers["location"]
        assert client.delete(where, headers=tag(client, where)).status_code == 204


def test_added_collections_are_written_where_they_are_declared_so(town: Served) -> None:
    client = town.client(Role.PLANNER)
    body = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [117.0, 30.7]},
        "properties": {"size": 5},
    }
    made = client.post("/collections/benches/items", json=body, headers=GEOJSON)
    assert made.status_code == 201, made.text
    where = made.headers["location"]
    assert client.get(where).json()["properties"] == {"label": None, "size": 5, "day": None}
    for wrong in (5.5, "5", True, 2**60):
        answer = client.patch(where, json={"properties": {"size": wrong}}, headers={**MERGE, "if-match": "*"})
        assert answer.status_code == 400, wrong
    assert client.delete(where, headers=tag(client, where)).status_code == 204


def test_coordinates_may_come_in_another_system(town: Served) -> None:
    client = town.client(Role.PLANNER)
    there = address("facilities", first(client, "facilities"))
    for crs in ("EPSG/0/4326", "EPSG/0/4490", "EPSG/0/3857", "EPSG/0/4548"):
        uri = f"http://www.opengis.net/def/crs/{crs}"
        shown = client.get(there, params={"crs": uri})
        body = {"type": "Feature", "geometry": shown.json()["geometry"], "properties": {"kind": "lamp"}}
        made = client.post(
            "/collections/facilities/items",
            json=body,
            headers={**GEOJSON, "content-crs": shown.headers["content-crs"]},
        )
        assert made.status_code == 201, made.text
        at = [client.get(one).json()["geometry"]["coordinates"] for one in (there, made.headers["location"])]
        assert at[0] == pytest.approx(at[1], abs=1e-9)
    answer = client.post(
        "/collections/facilities/items", json=lamp(town), headers={**GEOJSON, "content-crs": "<urn:x>"}
    )
    assert answer.status_code == 400


def test_a_reload_takes_over_what_was_written(scratch: db.Database) -> None:
    """The file is the whole: what it does not hold goes, what it holds comes back as it was."""
    area = fill(scratch)
    with serve(scratch, area) as served:
        client = served.client(Role.PLANNER)
        made = client.post("/collections/facilities/items", json=lamp(served), headers=GEOJSON)
        assert made.status_code == 201
        old = first(client, "facilities")
        where = address("facilities", old)
        change = {"properties": {"name": "改"}}
        assert client.patch(where, json=change, headers={**MERGE, **tag(client, where)}).status_code == 204
        with scratch.owner.begin() as connection:
            loaded = load_area(connection, area, make_layers(area, cases=180))
        assert loaded.changes["facilities"].removed == 1
        assert loaded.changes["facilities"].changed == 1
        assert client.get(made.headers["location"]).status_code == 404
        assert client.get(where).json()["properties"] == old["properties"]


# --- bodies of every kind ---

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
numbers = st.floats(allow_nan=False, width=32) | st.integers(-200, 200)
geometries = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["Point", "LineString", "Polygon", "MultiPolygon", "GeometryCollection", "x"]
        ),
        "coordinates": st.recursive(
            st.lists(numbers, max_size=4), lambda inner: st.lists(inner, max_size=5), max_leaves=12
        ),
    }
)
features = st.fixed_dictionaries(
    {
        "type": st.just("Feature") | values,
        "geometry": geometries | values,
        "properties": st.dictionaries(
            st.sampled_from(
                ["code", "name", "kind", "community", "class", "layer", "households", "category", "time"]
            ),
            values,
        )
        | values,
    }
)


@pytest.mark.parametrize("name", ["facilities", "streets", "compounds", "benches", "cases"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=features | values)
def test_no_body_breaks_the_service(town: Served, name: str, body: Any) -> None:
    client = _shared(town, Role.CENTRE if name == "cases" else Role.PLANNER)
    sent = json.dumps(body).encode()
    made = client.post(f"/collections/{name}/items", content=sent, headers=GEOJSON)
    assert made.status_code in (201, 400, 403, 409, 413), (made.status_code, sent)
    where = address(name, first(client, name))
    for method, headers in (("PUT", GEOJSON), ("PATCH", MERGE)):
        answer = client.request(method, where, content=sent, headers={**headers, "if-match": "*"})
        assert answer.status_code in (204, 400, 403, 409, 413), (method, answer.status_code, sent)


_clients: dict[tuple[str, Role], httpx.Client] = {}


def _shared(served: Served, role: Role) -> httpx.Client:
    key = (served.address, role)
    if key not in _clients:
        _clients[key] = served.client(role)
    return _clients[key]


def test_nothing_of_the_database_is_said(town: Served) -> None:
    with town.database.owner.begin() as connection:
        connection.execute(
            text("alter table facilities add constraint ck_facilities_test check (name <> 'boom')")
        )
    answer = town.client(Role.PLANNER).post(
        "/collections/facilities/items", json=lamp(town, name="boom"), headers=GEOJSON
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "write-refused")
    assert not {"insert", "violates", "psycopg"} & set(answer.text.lower().split())
