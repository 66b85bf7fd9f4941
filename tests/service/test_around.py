"""Which grids points are in, what is near a point, who answers for a grid, and what became of it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import shapely

from service.access import Role
from service.plans.planning import plan_community
from service.postgres.cluster import Cluster
from service.store.grids import publish_plan

from .api import PROFILE, Served, serve_town
from .towns import CODE

pytestmark = pytest.mark.database

ROLES = tuple(Role)


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Served]:
    """A published town of this module's own."""
    with serve_town(cluster, "wangge_template", "wangge_around") as running:
        yield running


def extent(town: Served) -> tuple[float, float, float, float]:
    (row,) = town.rows(
        "select st_extent(geom)::box2d b, min(st_xmin(geom)) w, min(st_ymin(geom)) s,"
        " max(st_xmax(geom)) e, max(st_ymax(geom)) n from divisions where code = :c",
        c=CODE,
    )
    return row.w, row.s, row.e, row.n


def spread(town: Served, count: int) -> np.ndarray:
    """Points over the town and a little beyond."""
    west, south, east, north = extent(town)
    rng = np.random.default_rng(7)
    x = rng.uniform(west - (east - west) / 10, east + (east - west) / 10, count)
    y = rng.uniform(south, north, count)
    return np.column_stack([x, y])


def reckoned(town: Served, points: np.ndarray) -> list[str | None]:
    """The grids of points, by shapely."""
    rows = town.rows("select code, st_asbinary(geom) g from grids where valid_to is null order by code")
    shapes = np.array([shapely.from_wkb(bytes(row.g)) for row in rows], dtype=object)
    found: list[str | None] = [None] * len(points)
    point, grid = shapely.STRtree(shapes).query(shapely.points(points), predicate="intersects")
    for i, g in zip(point[::-1].tolist(), grid[::-1].tolist(), strict=True):
        code = rows[g].code
        found[i] = code if found[i] is None else min(code, found[i])
    return found


# --- locate ---


def test_points_are_located_in_every_form(town: Served) -> None:
    client, points = town.client(), spread(town, 300)
    wanted = reckoned(town, points)
    assert None in wanted
    assert len(set(wanted)) > 4
    pairs = client.post("/locate", json=points.tolist()).json()
    assert [one["grid"] for one in pairs["points"]] == wanted
    assert [one["id"] for one in pairs["points"]] == list(range(1, 301))
    assert pairs["numberLocated"] == sum(code is not None for code in wanted)
    objects = [{"id": f"p{i}", "lon": x, "lat": y} for i, (x, y) in enumerate(points.tolist())]
    told = client.post("/locate", json={"points": objects}).json()["points"]
    assert told == [{"id": f"p{i}", "grid": code} for i, code in enumerate(wanted)]
    features = [
        {"type": "Feature", "id": i, "properties": None, "geometry": {"type": "Point", "coordinates": at}}
        for i, at in enumerate(points.tolist())
    ]
    body = json.dumps({"type": "FeatureCollection", "features": features})
    geo = client.post("/locate", content=body, headers={"content-type": "application/geo+json"}).json()
    assert [one["grid"] for one in geo["points"]] == wanted
    lines = "id,lat,lon\n" + "".join(f"=p{i},{y!r},{x!r}\n" for i, (x, y) in enumerate(points.tolist()))
    table = client.post("/locate", content=lines, headers={"content-type": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["grid"] or None for row in rows] == wanted
    assert rows[0]["id"] == "'=p0"  # no formula for a spreadsheet
    single = client.get("/locate", params={"lon": points[0, 0], "lat": points[0, 1]})
    assert single.status_code == (404 if wanted[0] is None else 200)


def test_a_hundred_thousand_points_at_once_and_no_more(town: Served) -> None:
    client, points = town.client(), spread(town, 100_000)
    told = client.post("/locate", json=points.round(6).tolist()).json()
    assert told["numberPoints"] == 100_000
    assert [one["grid"] for one in told["points"]] == reckoned(town, points.round(6))
    more = client.post("/locate", json=[[1, 1]] * 100_001)
    assert (more.status_code, more.json()["code"]) == (400, "points-most")


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        ("[[1, 2], [3]]", "application/json", 400),
        ("[[1, 95]]", "application/json", 400),
        ('[["x", 1]]', "application/json", 400),
        ("[[true, 1]]", "application/json", 400),
        ('{"points": 3}', "application/json", 400),
        ("[[1e999, 1]]", "application/json", 400),
        ("7", "application/json", 400),
        ("{", "application/json", 400),
        ("a,b\n1,2\n", "text/csv", 400),
        ("lon,lat\n1,\n", "text/csv", 400),
        (b"lon,lat\n\xff,1\n", "text/csv", 400),
        ("[[1, 2]]", "application/xml", 415),
        ("[]", "application/json", 200),
    ],
)
def test_points_that_are_none(town: Served, body: str | bytes, media: str, status: int) -> None:
    answer = town.client().post("/locate", content=body, headers={"content-type": media})
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("role", ROLES)
def test_each_role_locates_in_its_own_scope_only(town: Served, role: Role) -> None:
    points = spread(town, 50).tolist()
    assert town.client(role).post("/locate", json=points).json()["numberLocated"] > 30
    if role is not Role.PUBLIC:
        elsewhere = town.client(role, scope="330")
        assert elsewhere.post("/locate", json=points).json()["numberLocated"] == 0


# --- nearby ---


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Roughly, for places this near each other."""
    return math.hypot((a[0] - b[0]) * 111_320 * math.cos(math.radians(a[1])), (a[1] - b[1]) * 110_850)


def near(client: httpx.Client, at: tuple[float, float], **more: object) -> dict[str, object]:
    answer = client.get("/nearby", params={"lon": at[0], "lat": at[1], **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_the_nearest_come_first_in_a_straight_line(town: Served) -> None:
    client = town.client(Role.PLANNER)
    west, south, east, north = extent(town)
    at = ((west + east) / 2, (south + north) / 2)
    found = near(client, at, collection="buildings", limit=20)["features"]
    distances = [one["distance_m"] for one in found]
    assert distances == sorted(distances)
    rows = town.rows(
        """select building_id, st_distance(geom::geography,
               st_setsrid(st_makepoint(:x, :y), 4326)::geography) d
           from buildings where division_code = :c order by d limit 20""",
        x=at[0],
        y=at[1],
        c=CODE,
    )
    assert distances == pytest.approx([row.d for row in rows], abs=0.06)
    inside = near(client, at, collection="buildings", limit=1000, radius=40)["features"]
    assert 0 < len(inside) < 60
    assert max(one["distance_m"] for one in inside) <= 40
    (clinic,) = near(client, at, kind="clinic")["features"]
    assert clinic["properties"]["kind"] == "clinic"
    assert clinic["distance_m"] == pytest.approx(metres(at, clinic["geometry"]["coordinates"]), rel=0.01)


def test_on_foot_is_never_nearer_than_in_a_straight_line(town: Served) -> None:
    client = town.client()
    west, south, east, north = extent(town)
    at = (west + (east - west) * 0.4, south + (north - south) * 0.6)
    straight = {one["id"]: one["distance_m"] for one in near(client, at)["features"]}
    on_foot = near(client, at, by="street")["features"]
    assert {one["id"] for one in on_foot} == set(straight)
    for one in on_foot:
        assert straight[one["id"]] <= one["distance_m"] + 0.2 <= 2.0 * straight[one["id"]] + 150
    distances = [one["distance_m"] for one in on_foot]
    assert distances == sorted(distances)
    assert near(client, at, by="street", radius=5)["features"] == []


@pytest.mark.parametrize("role", ROLES)
def test_nearby_shows_what_items_show(town: Served, role: Role) -> None:
    client = town.client(role)
    west, south, east, north = extent(town)
    at = ((west + east) / 2, (south + north) / 2)
    for name in ("facilities", "buildings", "cases", "grids", "streets"):
        items = client.get(f"/collections/{name}/items", params={"limit": 1000}).json()["features"]
        shown = {one["id"]: (one["properties"], one["geometry"]) for one in items}
        found = near(client, at, collection=name, limit=1000)["features"]
        assert found, name
        for one in found:
            assert (one["properties"], one["geometry"]) == shown[one["id"]], name
    if role is not Role.PUBLIC:
        assert near(town.client(role, scope="330"), at)["features"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"radius": "2001"}, {"radius": "0"}, {"radius": "x"}, {"limit": "1001"}, {"limit": "0"},
        {"by": "air"}, {"lon": "200"}, {"collection": "cases", "kind": "x"}, {"colour": "red"},
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_search_is_said(town: Served, wrong: dict[str, str]) -> None:
    answer = town.client().get("/nearby", params={"lon": "117", "lat": "30.7", **wrong})
    assert answer.status_code == 400, answer.text
    assert (
        town.client().get("/nearby", params={"lon": 1, "lat": 1, "collection": "people"}).status_code == 404
    )


# --- staff and freshness ---


@pytest.mark.parametrize("role", ROLES)
def test_staff_and_vacancies(town: Served, role: Role) -> None:
    told = town.client(role).get("/staff", params={"lang": "zh"}).json()
    grids = [post for post in told["posts"] if post["tier"] == "grid"]
    held = [person for post in grids for slot in post["slots"] for person in slot["people"]]
    assert {person["name"] for person in held} == {"甲", "乙", "丙"}
    assert all(("phone" in person) == (role is not Role.PUBLIC) for person in held)
    missing = sum(slot["vacancies"] for post in told["posts"] for slot in post["slots"])
    assert told["vacancies"] == missing > len(grids)  # no grid has a head
    workers = {post["code"]: post["slots"][1]["vacancies"] for post in grids}
    assert sum(count == 0 for count in workers.values()) == 3
    vacant = town.client(role).get("/staff", params={"vacant": "true", "division": CODE}).json()
    assert all(post["vacancies"] for post in vacant["posts"])
    assert town.client(role).get("/staff", params={"division": "33"}).json()["posts"] == []


@pytest.mark.parametrize("role", ROLES)
def test_freshness_follows_the_data(town: Served, role: Role) -> None:
    client = town.client(role)
    before = {one["code"]: one for one in client.get("/freshness").json()["grids"]}
    assert before
    assert all(("cases" in one["layers"]) == (role is Role.CENTRE) for one in before.values())
    code = min(before)
    with town.database.owner.begin() as connection:
        from sqlalchemy import text

        connection.execute(
            text(
                "update buildings set floors = coalesce(floors, 0) + 1 where id ="
                " (select min(id) from buildings where grid_code = :g)"
            ),
            {"g": code},
        )
    after = {one["code"]: one for one in client.get("/freshness").json()["grids"]}
    if role in (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER):  # to the day: hidden columns change too
        assert {one["layers"]["buildings"][10:19] for one in after.values()} == {"T00:00:00"}
        return
    assert {c for c in after if after[c] != before[c]} == {code}
    assert after[code]["latest"] == after[code]["layers"]["buildings"] > before[code]["latest"]


# --- lineage; last, since it publishes ---


def test_lineage_follows_a_code_through_publications(town: Served) -> None:
    client, official = town.client(), town.client(Role.PLANNER)
    first = {row.code for row in town.rows("select code from grids where valid_to is null")}
    for seed in (11, 12):
        planned = plan_community(town.database.owner, CODE, PROFILE, seed=seed, grids=len(first) - seed % 10)
        with town.database.owner.begin() as connection:
            publish_plan(connection, planned.plan)
    now = {row.code for row in town.rows("select code from grids where valid_to is null")}
    steps = town.rows("select old_code, new_code, at from grid_lineage order by at")
    old = sorted(first - now)[0]
    told = client.get(f"/grids/{old}/lineage").json()
    assert told["in_force"] is False
    assert told["before"] == []

    reached, edge = set(), {(old, None)}
    while edge:
        code, since = edge.pop()
        for step in steps:
            if step.old_code == code and (since is None or step.at > since):
                pair = (step.old_code, step.new_code)
                if pair not in reached:
                    reached.add(pair)
                    edge.add((step.new_code, step.at))
    assert {(step["old_code"], step["new_code"]) for step in told["after"]} == reached
    leaf = told["after"][-1]["new_code"]
    assert old in {step["old_code"] for step in client.get(f"/grids/{leaf}/lineage").json()["before"]}
    assert "households" not in told["after"][0]
    assert official.get(f"/grids/{old}/lineage").json()["after"][0]["households"] >= 0
    assert client.get("/grids/nowhere/lineage").status_code == 404
    assert town.client(Role.PLANNER, scope="330").get(f"/grids/{old}/lineage").status_code == 404
