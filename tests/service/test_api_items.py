"""Collections and their features over HTTP: pages, boxes, times, errors, and what each role is shown."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
import shapely

from service.access import Principal, Role, access
from service.privacy.disclosure import rules
from service.query.question import PARAMETERS
from service.registry import COLLECTIONS
from service.vocabulary import vocabulary
from service.web.openapi import PREFIX

from .api import HIDDEN
from .towns import CODE

if TYPE_CHECKING:
    from .api import Served

pytestmark = pytest.mark.database


def everything(client: httpx.Client, collection: str, **query: Any) -> list[dict[str, Any]]:
    """All features, by following `next`."""
    features: list[dict[str, Any]] = []
    answer = client.get(f"/collections/{collection}/items", params={"limit": 1000, **query})
    while True:
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["numberReturned"] == len(body["features"])
        features += body["features"]
        following = [link["href"] for link in body["links"] if link["rel"] == "next"]
        if not following:
            return features
        answer = client.get(following[0])


def ids(features: list[dict[str, Any]]) -> list[str]:
    return [feature["id"] for feature in features]


# --- what each role is shown ---


@pytest.mark.parametrize("role", Role)
def test_each_role_sees_its_columns_and_rows_and_no_others(served: Served, role: Role) -> None:
    client = served.client(role)
    for collection in COLLECTIONS.values():
        allowed = access(Principal(role), collection)
        assert allowed is not None
        features = everything(client, collection.name)
        assert features
        wanted = {column.name for column, _ in allowed.columns}
        assert all(set(feature["properties"]) == wanted for feature in features)
        communities = {f["properties"].get("community", f["properties"].get("code")) for f in features}
        sees_unpublished = role in (Role.PLANNER, Role.CENTRE, Role.PRIVACY_OFFICER, Role.ADMIN)
        has_rows = collection.name in ("buildings", "streets", "compounds", "communities")
        assert communities == ({CODE, HIDDEN} if sees_unpublished and has_rows else {CODE})


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.CENTRE])
def test_only_the_centre_sees_points_and_sensitive_cases(served: Served, role: Role) -> None:
    rows = served.rows(
        "select case_id, category, st_x(geom), st_y(geom), st_x(place), st_y(place) from cases"
    )
    features = everything(served.client(role), "cases")
    ordinary = {row.case_id: row for row in rows if not rules().sensitive(row.category)}
    assert {f["properties"]["case_id"] for f in features} == set(ordinary)
    assert len(ordinary) < len(rows)
    by_place: dict[tuple[float, ...], int] = {}
    for feature in features:
        row = ordinary[feature["properties"]["case_id"]]
        x, y = feature["geometry"]["coordinates"]
        assert (x, y) == pytest.approx((row[4], row[5]), abs=1e-7)
        assert (round(x, 6), round(y, 6)) != (round(row[2], 6), round(row[3], 6))
        by_place[x, y] = by_place.get((x, y), 0) + 1
    assert len(by_place) < len(features)


def test_the_centre_sees_every_case_where_it_is(served: Served) -> None:
    rows = served.rows("select case_id, st_x(geom), st_y(geom) from cases")
    features = everything(served.client(Role.CENTRE), "cases")
    found = {f["properties"]["case_id"]: f["geometry"]["coordinates"] for f in features}
    assert set(found) == {row.case_id for row in rows}
    for row in rows:
        assert found[row.case_id] == pytest.approx([row[1], row[2]], abs=1e-7)


def test_a_worker_sees_his_own_grids_cases_whole_and_the_rest_like_others(served: Served) -> None:
    own = served.rows(
        "select grid_code from cases where grid_code is not null group by 1 order by count(*) desc limit 1"
    )[0][0]
    features = everything(served.client(Role.GRID_WORKER, grids=frozenset({own})), "cases")
    rows = {
        row.case_id: row for row in served.rows("select *, st_x(geom) as x, st_x(place) as moved from cases")
    }
    seen_whole = {f["properties"]["case_id"] for f in features if f["properties"]["grid"] is not None}
    assert seen_whole == {case for case, row in rows.items() if row.grid_code == own}
    assert any(rules().sensitive(rows[case].category) for case in seen_whole)
    for feature in features:
        row = rows[feature["properties"]["case_id"]]
        whole = row.grid_code == own
        assert feature["geometry"]["coordinates"][0] == pytest.approx(row.x if whole else row.moved, abs=1e-7)
        assert whole or (feature["properties"]["building_id"] is None and not rules().sensitive(row.category))


def test_a_box_finds_moved_cases_where_they_are_shown(served: Served) -> None:
    """A box drawn round a case's true point must not tell that it is there."""
    client = served.client()
    row = next(
        row
        for row in served.rows("select *, st_x(geom) as x, st_y(geom) as y from cases order by id")
        if not rules().sensitive(row.category)
    )
    box = f"{row.x - 1e-6},{row.y - 1e-6},{row.x + 1e-6},{row.y + 1e-6}"
    assert row.case_id not in {f["properties"]["case_id"] for f in everything(client, "cases", bbox=box)}
    centre = everything(served.client(Role.CENTRE), "cases", bbox=box)
    assert row.case_id in {f["properties"]["case_id"] for f in centre}


def test_a_scope_hides_other_communities(served: Served) -> None:
    inside = everything(served.client(Role.PLANNER, scope=HIDDEN), "buildings")
    assert {f["properties"]["community"] for f in inside} == {HIDDEN}
    outside = served.client(Role.CENTRE, scope="12")
    assert everything(outside, "buildings") == []
    assert outside.get(f"/maps/{CODE}").status_code == 404
    grid = everything(served.client(), "grids")[0]["id"]
    assert outside.get(f"/collections/grids/items/{grid}").status_code == 404


def test_an_item_has_what_its_page_has(served: Served) -> None:
    for role in (Role.PUBLIC, Role.PLANNER, Role.CENTRE):
        client = served.client(role)
        for name in COLLECTIONS:
            for feature in everything(client, name)[::7]:
                answer = client.get(f"/collections/{name}/items/{quote(feature['id'])}")
                assert answer.status_code == 200
                assert answer.headers["content-type"] == "application/geo+json"
                body = answer.json()
                assert {link["rel"] for link in body.pop("links")} == {"self", "alternate", "collection"}
                assert body == feature


def test_a_hidden_item_is_unknown(served: Served) -> None:
    sensitive = served.rows("select division_code || ':' || case_id from cases where category = 'dispute'")[
        0
    ][0]
    assert served.client(Role.CENTRE).get(f"/collections/cases/items/{sensitive}").status_code == 200
    for role in set(Role) - {Role.CENTRE}:
        assert served.client(role).get(f"/collections/cases/items/{sensitive}").status_code == 404
    building = f"{HIDDEN}:002-00-0"
    assert served.client(Role.PLANNER).get(f"/collections/buildings/items/{building}").status_code == 200
    assert served.client().get(f"/collections/buildings/items/{building}").status_code == 404


# --- pages, boxes, times ---


@pytest.mark.parametrize("limit", [1, 7, 64, 10_000])
def test_pages_hold_every_row_once(served: Served, limit: int) -> None:
    client = served.client(Role.CENTRE)
    for name in ("buildings", "cases") if limit > 1 else ("grids",):
        whole = ids(everything(client, name))
        assert len(whole) == len(set(whole))
        assert ids(everything(client, name, limit=limit)) == whole


def test_the_limit_may_change_on_the_way_and_offset_skips(served: Served) -> None:
    client = served.client()
    whole = ids(everything(client, "buildings"))
    found: list[str] = []
    address: str | None = "/collections/buildings/items?limit=3"
    limits = iter([3, 11, 50] + [1000] * 5)
    while address:
        url = httpx.URL(address)
        body = client.get(url.copy_set_param("limit", next(limits))).json()
        found += ids(body["features"])
        address = next((link["href"] for link in body["links"] if link["rel"] == "next"), None)
    assert found == whole
    skipped = client.get("/collections/buildings/items", params={"offset": 5, "limit": 4}).json()
    assert ids(skipped["features"]) == whole[5:9]
    assert ids(client.get("/collections/buildings/items").json()["features"]) == whole[:100]


def test_boxes(served: Served) -> None:
    client = served.client()
    buildings = everything(client, "buildings")
    first = buildings[0]
    xs = [x for x, _ in first["geometry"]["coordinates"][0]]
    ys = [y for _, y in first["geometry"]["coordinates"][0]]
    box = f"{min(xs) - 1e-6},{min(ys) - 1e-6},{max(xs) + 1e-6},{max(ys) + 1e-6}"
    near = everything(client, "buildings", bbox=box)
    assert first["id"] in ids(near)
    assert len(near) < 10
    parts = box.split(",")
    with_heights = ",".join([*parts[:2], "-5", *parts[2:], "99.5"])
    assert ids(everything(client, "buildings", bbox=with_heights)) == ids(near)
    # from a little west of the building eastward round the world to a little east of another
    assert ids(everything(client, "buildings", bbox=f"{min(xs) - 1e-6},-90,-170,90")) != []
    assert everything(client, "buildings", bbox="170,-90,-170,90") == []
    assert everything(client, "buildings", bbox="-10,-10,10,10") == []


def test_times(served: Served) -> None:
    client = served.client(Role.CENTRE)
    whole = everything(client, "cases")
    times = sorted(feature["properties"]["time"] for feature in whole)
    middle = times[len(times) // 2].replace("+00:00", "Z")
    before = everything(client, "cases", datetime=f"../{middle}")
    after = everything(client, "cases", datetime=f"{middle}/..")
    at = everything(client, "cases", datetime=middle)
    assert len(at) >= 1
    assert len(before) + len(after) == len(whole) + len(at)
    day = times[0][:10]
    assert ids(everything(client, "cases", datetime=day)) == [
        f["id"] for f in whole if f["properties"]["time"].startswith(day)
    ]
    assert everything(client, "grids", datetime="2001-01-01/2001-12-31") == []
    assert len(everything(client, "grids", datetime="2001-01-01/..")) > 0
    assert len(everything(client, "streets", datetime="2001-01-01")) > 0  # not about a time


def test_more_than_a_page_holds_is_a_full_page(served: Served) -> None:
    """OGC API – Features 1.0.1: a limit above the largest is no error but taken as the largest."""
    client = served.client()
    beyond, largest = (
        client.get("/collections/grids/items", params={"limit": limit}).json() for limit in (10**6, 10_000)
    )
    assert beyond["features"] == largest["features"]
    assert beyond["numberReturned"] == largest["numberReturned"] > 0


def test_the_last_day_there_is_may_end_an_interval(served: Served) -> None:
    answer = served.client().get("/collections/grids/items", params={"datetime": "2020-01-01/9999-12-31"})
    assert answer.json()["numberReturned"] > 0


# --- what is refused ---


@pytest.mark.parametrize(
    ("path", "code", "named"),
    [
        ("/collections/grids/items?limit=0", "whole-number", "limit"),
        ("/collections/grids/items?limit=ten", "whole-number", "ten"),
        ("/collections/grids/items?limit=1.5", "whole-number", "1.5"),
        ("/collections/grids/items?limit=٣", "whole-number", "limit"),
        ("/collections/grids/items?offset=-1", "whole-number", "offset"),
        ("/collections/grids/items?cursor=x", "cursor", "x"),
        ("/collections/grids/items?cursor=99999999999999999999", "cursor", "9999"),
        ("/collections/grids/items?colour=red", "parameter-unknown", "colour"),
        ("/healthz?colour=red", "parameter-unknown", "colour"),
        ("/collections/grids/items?limit=1&limit=2", "parameter-repeated", "limit"),
        ("/collections/grids/items?bbox=1,2,3", "bbox-numbers", "1,2,3"),
        ("/collections/grids/items?bbox=1,2,3,x", "bbox-numbers", "x"),
        ("/collections/grids/items?bbox=1,2,nan,4", "bbox-numbers", "nan"),
        ("/collections/grids/items?bbox=", "bbox-numbers", "bbox"),
        ("/collections/grids/items?bbox=0,50,10,40", "bbox-order", "0,50,10,40"),
        ("/collections/grids/items?bbox=0,0,200,10", "bbox-range", "200"),
        ("/collections/grids/items?bbox=0,0,0,1e400", "bbox-numbers", "1e400"),
        ("/collections/grids/items?datetime=yesterday", "datetime", "yesterday"),
        ("/collections/grids/items?datetime=2025-13-01", "datetime", "2025-13-01"),
        ("/collections/grids/items?datetime=../..", "datetime", "../.."),
        ("/collections/grids/items?datetime=2025-01-02/2025-01-01", "datetime-order", "2025-01-02"),
        ("/collections/grids/items?datetime=0001-01-01T00:00:00%2B14:00", "datetime", "0001"),
        ("/collections/grids/items?f=xml", "parameter-value", "xml"),
        ("/collections?bbox=1,2,3,4", "parameter-unknown", "bbox"),
        ("/locate?lon=116", "parameter-missing", "lat"),
        ("/locate?lon=181&lat=0", "degrees", "181"),
        ("/locate?lon=116&lat=91", "degrees", "91"),
        ("/locate?lon=116&lat=inf", "degrees", "inf"),
        (f"/maps/{CODE}?colour=red", "parameter-unknown", "colour"),
        (f"/maps/{CODE}?lang=fr", "parameter-value", "fr"),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(
    served: Served, path: str, code: str, named: str
) -> None:
    for lang in ("en", "zh"):
        answer = served.client().get(path, headers={"accept-language": lang})
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body["status"] == 400
        assert body["code"] == code
        assert named in body["detail"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/collections/nothing", "collection"),
        ("/collections/nothing/items", "collection"),
        ("/collections/population_groups/items", "collection"),
        ("/collections/grids/items/none", "item"),
        ("/collections/grids/items/%00", "no-page"),
        ("/collections/buildings/items/" + quote("x';drop table grids;--"), "item"),
        ("/maps/none", "community"),
        (f"/maps/{HIDDEN}", "community"),
        ("/static/../pyproject.toml", "no-page"),
        ("/static/%2e%2e/%2e%2e/etc/passwd", "asset"),
        ("/static/nothing.css", "asset"),
        ("/docs", "no-page"),
        ("/redoc", "no-page"),
    ],
)
def test_what_is_unknown_is_not_found(served: Served, path: str, code: str) -> None:
    answer = served.client().get(path)
    assert answer.status_code == 404, answer.text
    assert answer.json()["code"] == code


def test_a_fault_within_is_answered_without_internals(served: Served) -> None:
    """The table is taken away for a moment: whatever goes wrong inside, the answer holds none of it."""
    from sqlalchemy import text

    with served.database.owner.begin() as connection:
        connection.execute(text("alter table facilities rename to facilities_away"))
    try:
        answer = served.client().get("/collections/facilities/items")
    finally:
        with served.database.owner.begin() as connection:
            connection.execute(text("alter table facilities_away rename to facilities"))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "facilities" not in answer.text
    assert "select" not in answer.text.lower()


# --- descriptions ---


def test_collections_describe_what_the_role_may_see(served: Served) -> None:
    for role in (Role.PUBLIC, Role.PLANNER, Role.CENTRE):
        client = served.client(role)
        listed = client.get("/collections").json()["collections"]
        assert [one["id"] for one in listed] == list(COLLECTIONS)
        for one in listed:
            assert client.get(f"/collections/{one['id']}").json() == one
            features = everything(client, one["id"])
            links = {link["rel"].rpartition("/")[2]: link["href"] for link in one["links"]}
            schemas = {
                purpose: client.get(links[purpose]).json()["properties"]
                for purpose in ("schema", "queryables", "sortables")
            }
            names = set(features[0]["properties"])
            # what is shown only where it is asked for
            names |= {column.name for column in COLLECTIONS[one["id"]].columns if column.asked}
            assert set(schemas["schema"]) == names | {"id", "geom"}
            assert set(schemas["queryables"]) == names | {"geom"}
            assert set(schemas["sortables"]) == names
            west, south, east, north = one["extent"]["spatial"]["bbox"][0]
            assert -180 < west < east < 180
            assert -90 < south < north < 90
            for feature in features:
                left, bottom, right, top = shapely.from_geojson(json.dumps(feature["geometry"])).bounds
                assert west <= left <= right <= east
                assert south <= bottom <= top <= north
    titles = [
        client.get("/collections/grids", params={"lang": lang}).json()["title"] for lang in ("zh", "en")
    ]
    assert titles == ["网格", "grids"]


@pytest.mark.parametrize("role", list(Role))
def test_names_of_categories_are_told_where_they_are_asked_for(served: Served, role: Role) -> None:
    """Alike in items and in a file; who may not see a case hears nothing of it by its category's name."""
    client = served.client(role)
    plain = everything(client, "cases")
    assert "category_zh" not in plain[0]["properties"]
    names = "case_id,category,category_zh,category_en"
    told = [one["properties"] for one in everything(client, "cases", properties=names)]
    assert [list(one) for one in told] == [names.split(",")] * len(plain)
    known = vocabulary()
    for one, row in zip(plain, told, strict=True):
        label = known.label(one["properties"]["category"])
        assert row == {
            "case_id": one["properties"]["case_id"],
            "category": one["properties"]["category"],
            "category_zh": label["zh"],
            "category_en": label["en"],
        }
    assert {row["category_en"] for row in told} >= {"refuse"}
    # in a browser the name, and what was written
    rubbish = next(one for one in plain if one["properties"]["category"] == "rubbish")
    for address in ("/collections/cases/items", f"/collections/cases/items/{quote(str(rubbish['id']))}"):
        html = client.get(address, params={"f": "html", "lang": "en"}).text
        assert '<span>refuse</span> <small class="wg-code">rubbish</small>' in html
    answer = client.get(
        "/collections/cases/export", params={"f": "csv", "properties": names, "geometry": "none"}
    )
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert sorted(tuple(row[name] for name in names.split(",")) for row in rows) == sorted(
        tuple(row.values()) for row in told
    )
    disputes = sum(row["category"] == "dispute" for row in told)
    assert (disputes > 0) == (role is Role.CENTRE)
    for query in ({"category_zh": "矛盾纠纷"}, {"filter": "category_en = 'dispute'"}):
        counted = client.get("/collections/cases/items", params={**query, "count": "true", "limit": 1}).json()
        assert counted["numberMatched"] == disputes
    ordered = everything(client, "cases", sortby="-category_en", properties="category_en")
    values = [one["properties"]["category_en"] for one in ordered]
    assert values == sorted(values, reverse=True)


def test_the_extent_in_time_is_that_of_the_rows(served: Served) -> None:
    first, last = served.rows("select min(time), max(time) from cases")[0]
    interval = served.client(Role.CENTRE).get("/collections/cases").json()["extent"]["temporal"]["interval"]
    assert [datetime.fromisoformat(one) for one in interval[0]] == [first, last]
    in_force = served.client().get("/collections/grids").json()["extent"]["temporal"]["interval"][0]
    assert in_force[1] is None
    assert "temporal" not in served.client().get("/collections/streets").json()["extent"]


def test_openapi_names_every_path(served: Served) -> None:
    client = served.client()
    answer = client.get("/api")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    document = answer.json()
    assert document["openapi"].startswith("3.0")
    paths = document["paths"]
    assert {"/", "/conformance", "/collections", "/collections/grids/items", "/locate"} <= set(paths)
    assert not any(path.startswith("/collections/{name}") for path in paths)
    shared = document["components"]["parameters"]
    parameters = {
        shared[one["$ref"].rpartition("/")[2]]["name"] if "$ref" in one else one["name"]
        for one in paths["/collections/buildings/items"]["get"]["parameters"]
    }
    assert parameters > PARAMETERS
    assert parameters - PARAMETERS == {"building_id", "community", "use", "grid"}


def test_openapi_tells_nobody_of_what_they_may_not_see(served: Served) -> None:
    for role in Role:
        document = served.client(role).get("/api").json()
        told = document["components"]["schemas"]["buildingsFeature"]["allOf"][1]["properties"]["properties"]
        allowed = access(Principal(role), COLLECTIONS["buildings"])
        assert allowed is not None
        assert set(told["properties"]) == {column.name for column, _ in allowed.columns}


def test_openapi_names_the_methods_that_a_collection_has(served: Served) -> None:
    for role, name, one in (
        (Role.PLANNER, "grids", {"get", "put", "patch"}),
        (Role.PLANNER, "facilities", {"get", "put", "patch", "delete"}),
        (Role.CENTRE, "cases", {"get", "put", "patch"}),
        (Role.CENTRE, "facilities", {"get"}),
    ):
        paths = served.client(role).get("/api").json()["paths"]
        assert set(paths[f"/collections/{name}/items/{{key}}"]) == one, (role, name)
        posted = (role, name) in ((Role.PLANNER, "facilities"), (Role.CENTRE, "cases"))
        assert ("post" in paths[f"/collections/{name}/items"]) == posted, (role, name)


def test_every_route_is_described(served: Served) -> None:
    """What the application routes, the document has; but for pages of its own doors and its assets."""
    document = served.client(Role.ADMIN).get("/api").json()
    for path, method in routed(served):
        if path.startswith(PREFIX) and method != "get":
            continue  # described where the role may write
        shown = path.replace(PREFIX, "/collections/facilities").replace(":path}", "}")
        assert method in document["paths"][shown], (method, path)


def routed(served: Served) -> list[tuple[str, str]]:
    """Paths and methods of the application that are meant for clients."""
    from fastapi.routing import APIRoute

    from service.main import create_app

    routes = [one for one in create_app(served.database).routes if isinstance(one, APIRoute)]
    return [(one.path, method.lower()) for one in routes if one.include_in_schema for method in one.methods]
