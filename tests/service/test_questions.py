"""Questions over HTTP: sort orders, selections, equalities, counts, times past, tags that are never stale."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from service import db
from service.access import Role
from service.privacy.seals import Seals
from service.query.crs import BELTS, KNOWN
from service.store.seals import seals_of
from service.web.tags import row_versions

from .api import Served, fill, serve
from .towns import CODE

pytestmark = pytest.mark.database

OLD = f"{CODE}001"


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """A town of which one grid was in force before with other figures, and another is no more."""
    area = fill(module_database)
    with module_database.owner.begin() as connection:
        for code, begin, end in (
            (OLD, "2020-01-01", "2021-01-01"),
            (f"{CODE}900", "2020-01-01", "2020-06-01"),
        ):
            connection.execute(
                text("""
                    insert into grids (division_code, code, households, residents, buildings, area_m2,
                                       valid_from, valid_to, geom)
                    select division_code, :code, 777, 1999, 9, 1234.5, :begin, :end, geom
                    from grids where code = :like and valid_to is null
                """),
                {"code": code, "begin": begin, "end": end, "like": OLD},
            )
    with serve(module_database, area) as running:
        yield running


def items(client: httpx.Client, collection: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/collections/{collection}/items", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def everything(client: httpx.Client, collection: str, **query: Any) -> list[dict[str, Any]]:
    body = items(client, collection, **query)
    features = body["features"]
    while following := [link["href"] for link in body["links"] if link["rel"] == "next"]:
        body = client.get(following[0]).json()
        assert body["features"]
        features += body["features"]
    return list(features)


# --- times ---


def test_the_grids_of_a_day_are_those_then_in_force(town: Served) -> None:
    client = town.client()
    now = {feature["id"] for feature in everything(client, "grids")}
    assert f"{CODE}900" not in now
    spring = everything(client, "grids", datetime="2020-03-01")
    assert [feature["id"] for feature in spring] == [OLD, f"{CODE}900"]
    autumn = everything(client, "grids", datetime="2020-10-01")
    assert [feature["id"] for feature in autumn] == [OLD]
    assert everything(client, "grids", datetime="2023-01-01") == []
    # at the instant of a change, what begins is in force and what ends is not
    assert everything(client, "grids", datetime="2021-01-01T00:00:00Z") == []
    whole = everything(client, "grids", datetime="2020-01-01/..")
    assert sorted(feature["id"] for feature in whole) == sorted([*now, OLD, f"{CODE}900"])


def test_one_grid_is_the_latest_of_a_time(town: Served) -> None:
    client = town.client(Role.PLANNER)
    path = f"/collections/grids/items/{OLD}"
    assert client.get(path).json()["properties"]["valid_to"] is None
    then = client.get(path, params={"datetime": "2020-03-01"}).json()["properties"]
    assert (then["households"], then["valid_to"]) == (777, "2021-01-01T00:00:00+00:00")
    assert client.get(path, params={"datetime": "2023-01-01"}).status_code == 404
    assert client.get(f"/collections/grids/items/{CODE}900").status_code == 404


def test_grids_of_the_past_show_the_public_no_figures(town: Served) -> None:
    """Beside today's figures they would tell how many moved."""
    for role in (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER):
        for feature in everything(town.client(role), "grids", datetime="2020-03-01"):
            assert feature["properties"]["households"] is None
            assert feature["properties"]["residents"] is None
        found = everything(town.client(role), "grids", datetime="2020-03-01", filter="households > 0")
        assert found == []
    assert everything(town.client(Role.PLANNER), "grids", datetime="2020-03-01", filter="households = 777")


def test_the_extent_reaches_back(town: Served) -> None:
    interval = town.client().get("/collections/grids").json()["extent"]["temporal"]["interval"][0]
    assert interval == ["2020-01-01T00:00:00Z", None]


# --- order, selection, equality, count ---


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize(
    "sortby", ["use", "-use", "floors,-building_id", "-floors", "floors", "residents,use", "-residents"]
)
def test_sorted_pages_hold_every_row_once_in_order(town: Served, sortby: str, limit: int) -> None:
    client = town.client(Role.PLANNER)
    asked = {"community": CODE, "filter": "building_id like '001-0%'"}
    if limit == 1:
        asked["filter"] = "building_id like '001-00%'"
    found = everything(client, "buildings", sortby=sortby, limit=limit, **asked)
    plain = everything(client, "buildings", limit=1000, **asked)
    assert sorted(one["id"] for one in found) == sorted(one["id"] for one in plain)
    assert {one["properties"]["floors"] for one in plain} >= ({None, 6.0} if limit > 1 else {6.0})
    for one, other in itertools.pairwise(found):
        assert rank(one, sortby) <= rank(other, sortby)


def rank(feature: dict[str, Any], sortby: str) -> list[Any]:
    """The feature's place in the order; null is larger than any value."""
    keys: list[Any] = []
    for name in sortby.split(","):
        value = feature["properties"][name.lstrip("-")]
        key = (value is None, value if value is not None else 0)
        keys.append(_Reversed(key) if name.startswith("-") else key)
    return keys


@functools.total_ordering
class _Reversed:
    def __init__(self, key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and other.key == self.key

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.key < self.key)

    def __hash__(self) -> int:
        return hash(self.key)


def test_a_cursor_fits_its_own_order_only(town: Served) -> None:
    client = town.client()
    following = next(
        link["href"]
        for link in items(client, "buildings", sortby="use", limit=3)["links"]
        if link["rel"] == "next"
    )
    other = httpx.URL(following).copy_set_param("sortby", "use,grid")
    for address in (other, httpx.URL(following).copy_remove_param("sortby")):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor")


def test_only_the_properties_asked_for_are_answered(town: Served) -> None:
    client = town.client()
    features = items(client, "buildings", properties="use,building_id")["features"]
    assert all(list(feature["properties"]) == ["building_id", "use"] for feature in features)
    one = client.get(f"/collections/buildings/items/{features[0]['id']}", params={"properties": ""})
    assert one.json()["properties"] == {}


def test_properties_equal_what_is_asked(town: Served) -> None:
    client = town.client(Role.PLANNER)
    schools = everything(client, "buildings", use="school")
    assert schools
    assert {one["properties"]["use"] for one in schools} == {"school"}
    both = everything(client, "buildings", use="school", floors="6")
    assert 0 < len(both) < len(schools)
    assert everything(client, "buildings", estimated="false", use="school") == schools
    time = everything(client, "cases")[0]["properties"]["time"]
    assert {one["properties"]["time"] for one in everything(client, "cases", time=time)} == {time}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"households": "18"}, "parameter-unknown"),
        ({"geom": "POINT(0 0)"}, "parameter-unknown"),
        ({"nothing": "18"}, "parameter-unknown"),
        ({"sortby": "households"}, "sort-property"),
        ({"sortby": "-nothing"}, "sort-property"),
        ({"sortby": "geom"}, "sort-property"),
        ({"sortby": "use,use"}, "sort-property"),
        ({"properties": "use,households"}, "property-unknown"),
        ({"filter": "households > 3"}, "filter-property"),
        ({"filter": "nothing > 3"}, "filter-property"),
        ({"filter-lang": "sql", "filter": "true"}, "parameter-value"),
        ({"count": "yes"}, "parameter-value"),
        ({"use": "a\x00b"}, "parameter-value"),
        ({"crs": "EPSG:4326"}, "crs"),
        ({"crs": BELTS[75].uri}, "crs"),
        ({"bbox": "0,0,1,1", "bbox-crs": BELTS[75].uri}, "crs"),
        ({"bbox": "1e12,1e12,2e12,2e12", "bbox-crs": BELTS[117].uri}, "crs-outside"),
        ({"filter": "s_intersects(geom, point(1 1))", "filter-crs": "x"}, "crs"),
    ],
)
def test_what_the_public_may_not_see_is_unknown_like_what_is_not_there(
    town: Served, query: dict[str, str], code: str
) -> None:
    answer = town.client().get("/collections/buildings/items", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_hidden_property_and_none_are_refused_in_the_same_words(town: Served) -> None:
    client = town.client()
    for ask in ("{}=3", "sortby={}", "properties={}", "filter={}=3"):
        answers = [
            client.get(f"/collections/buildings/items?{ask.format(name)}", headers={"accept-language": "en"})
            for name in ("households", "housebolds")
        ]
        texts = [one.text.replace("households", "X").replace("housebolds", "X") for one in answers]
        assert texts[0] == texts[1]


def test_all_that_match_are_counted_when_asked_or_when_the_page_reaches_the_end(town: Served) -> None:
    client = town.client()
    whole = len(everything(client, "buildings"))
    assert "numberMatched" not in items(client, "buildings", limit=3)
    assert items(client, "buildings", limit=3, count="true")["numberMatched"] == whole
    assert items(client, "buildings", limit=1000)["numberMatched"] == whole
    assert items(client, "buildings", limit=1000, offset=whole - 2)["numberMatched"] == whole
    beyond = items(client, "buildings", limit=5, offset=whole + 9)
    assert (beyond["numberReturned"], beyond.get("numberMatched")) == (0, None)
    assert items(client, "buildings", use="school", limit=1, count="true")["numberMatched"] == len(
        everything(client, "buildings", use="school")
    )


def test_a_division_by_zero_is_unknown_and_holds_nowhere(town: Served) -> None:
    answer = town.client().get("/collections/grids/items", params={"filter": "buildings / 0 > 1"})
    assert (answer.status_code, answer.json()["features"]) == (200, [])


def test_every_system_is_answered_with_its_name(town: Served) -> None:
    client = town.client()
    offered = client.get("/collections/grids").json()["crs"]
    assert set(offered) < set(KNOWN)
    for uri in offered:
        for path in ("/collections/grids/items", f"/collections/grids/items/{OLD}"):
            answer = client.get(path, params={"crs": uri})
            assert answer.headers["content-crs"] == f"<{uri}>"


# --- tags ---


def test_what_did_not_change_is_not_sent_again(town: Served) -> None:
    client = town.client()
    for path in ("/collections/buildings/items?limit=5", f"/collections/grids/items/{OLD}"):
        first = client.get(path)
        assert "no-cache" in first.headers["cache-control"]
        again = client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert client.head(path).headers["etag"] == first.headers["etag"]
        other = client.get(path, params={"lang": "en"}, headers={"if-none-match": first.headers["etag"]})
        assert other.status_code == 200


def test_a_tag_is_worth_nothing_to_who_sees_something_else(town: Served) -> None:
    path = "/collections/buildings/items?limit=5"
    tags = {role: town.client(role).get(path).headers["etag"] for role in (Role.PUBLIC, Role.PLANNER)}
    answer = town.client(Role.PLANNER).get(path, headers={"if-none-match": tags[Role.PUBLIC]})
    assert answer.status_code == 200
    assert tags[Role.PUBLIC] != tags[Role.PLANNER]


def test_no_tag_outlives_a_change(town: Served) -> None:
    client = town.client()
    feature = items(client, "facilities", limit=1)["features"][0]["id"]
    paths = ("/collections/facilities/items", f"/collections/facilities/items/{feature}")
    tags = {path: client.get(path).headers["etag"] for path in paths}
    for turn in range(3):
        with town.database.owner.begin() as connection:
            connection.execute(
                text("update facilities set name = :name where division_code || ':' || facility_id = :key"),
                {"name": f"改名{turn}", "key": feature},
            )
        for path in paths:
            answer = client.get(path, headers={"if-none-match": tags[path]})
            assert answer.status_code == 200
            assert f"改名{turn}" in answer.text
            tags[path] = answer.headers["etag"]


def test_a_tag_tells_which_row_was_seen_in_which_version(town: Served) -> None:
    client = town.client(Role.PLANNER)
    tag = client.get(f"/collections/grids/items/{OLD}").headers["etag"]
    row, version = town.rows("select id, version from grids where code = :c and valid_to is null", c=OLD)[0]
    seals = seals_of(town.database.app)
    assert row_versions(seals, tag) == {(row, version)}
    assert row_versions(seals, f'"other", {tag}') == {(row, version)}
    assert row_versions(seals, f"W/{tag}") == set()
    assert row_versions(seals, "*") is None
    assert row_versions(Seals(b"another installation's"), tag) == set()


def test_exact_points_are_not_left_on_the_askers_disk(town: Served) -> None:
    path = "/collections/cases/items?limit=1"
    assert town.client(Role.CENTRE).get(path).headers["cache-control"] == "private, no-store"
    assert town.client().get(path).headers["cache-control"] == "public, no-cache"
