"""Tiers above and below the grids: kept with their plan, in force with its grids, following its edits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import geopandas as gpd
import httpx
import pytest
import shapely
from shapely.geometry import shape
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from partition.tiers.levels import Ask
from partition.wishes.rules import TierRule
from service import db
from service.access import Role
from service.plans.planning import plan_community, redraw_community
from service.postgres.cluster import Cluster
from service.store.errors import PlanRefusedError
from service.store.grids import publish_plan
from service.store.tiers import Moved, follow_grids

from .api import PROFILE, Served, serve_town
from .towns import CODE

pytestmark = pytest.mark.database

ASKS = (Ask(number=2), Ask(number=16))
ROLES = tuple(Role)


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Served]:
    """A published town whose grids lie in two areas and are divided into small grids."""
    with serve_town(cluster, "wangge_template", "wangge_tiers") as running:
        publish(running, tiers=ASKS)
        yield running


def publish(town: Served, **options: Any) -> int:
    """A new plan of the town, in force."""
    made = plan_community(town.database.owner, CODE, PROFILE, **options)
    with town.database.owner.begin() as connection:
        publish_plan(connection, made.plan)
    return made.plan


def features(
    client: httpx.Client, path: str = "/collections/tiers/items", **query: Any
) -> list[dict[str, Any]]:
    limit = {"limit": 1000} if path.startswith("/collections") else {}
    answer = client.get(path, params=limit | query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["features"]
    return found


def of_level(found: list[dict[str, Any]], level: int) -> list[dict[str, Any]]:
    return [one for one in found if one["properties"]["level"] == level]


def test_tiers_come_into_force_with_their_grids(town: Served) -> None:
    client = town.client(Role.PLANNER)
    tiers, grids = features(client), features(client, "/collections/grids/items")
    areas, small = of_level(tiers, -1), of_level(tiers, 1)
    shapes = {one["id"]: shape(one["geometry"]) for one in grids}
    held = {one["id"]: one["properties"] for one in grids}
    assert len(areas) == 2
    told = {one["id"]: one["properties"] for one in features(client, level="-1", properties="name_zh,grids")}
    assert told == {
        one["id"]: {name: one["properties"][name] for name in ("name_zh", "grids")} for one in areas
    }
    assert len(areas) + len(small) == len(tiers)
    assert len(small) >= len(grids)
    codes = [code for one in areas for code in one["properties"]["grids"].split()]
    assert sorted(codes) == sorted(shapes)
    for one in areas:
        told, members = one["properties"], one["properties"]["grids"].split()
        union = shapely.union_all([shapes[code] for code in members])
        assert shape(one["geometry"]).symmetric_difference(union).area < 1e-12
        for name in ("households", "residents", "buildings", "buildings_unknown"):
            assert told[name] == pytest.approx(sum(held[code][name] for code in members)), name
        assert told["name_zh"] in ("第1片区", "第2片区")
        assert told["parent"] is None
        assert told["code"] is None
    for code, grid in shapes.items():
        parts = [one for one in small if one["properties"]["parent"] == code]
        union = shapely.union_all([shape(one["geometry"]) for one in parts])
        assert union.symmetric_difference(grid).area < 1e-12
        assert sum(one["properties"]["households"] for one in parts) == held[code]["households"]
        assert [one["properties"]["code"] for one in parts] == [
            f"{code}{place + 1:02}" for place in range(len(parts))
        ]
        assert parts[0]["properties"]["name_zh"] == f"{code[-3:]}网格第1微网格"
        assert parts[0]["properties"]["key"] == f"{code}.1"


def test_tiers_of_a_day_are_those_that_were_in_force(town: Served) -> None:
    client = town.client()
    before = {one["id"]: one["properties"]["valid_from"] for one in features(client)}
    newest = max(before.values())
    publish(town)  # a plan without tiers
    assert features(client) == []
    closed = features(client, datetime=newest)
    assert {one["id"] for one in closed} == set(before)
    assert all(one["properties"]["valid_to"] for one in closed)
    assert all(one["properties"]["households"] is None for one in closed)  # they would tell what moved
    publish(town, tiers=ASKS)
    assert {one["id"] for one in of_level(features(client), -1)} == {f"{CODE}:above1-1", f"{CODE}:above1-2"}
    assert len(features(client, datetime="2020-01-01T00:00:00Z/..")) >= 2 * len(before)


@pytest.mark.parametrize("role", ROLES)
def test_small_grids_are_shapes_below_the_planner(town: Served, role: Role) -> None:
    client = town.client(role)
    official = role in (Role.PLANNER, Role.CENTRE, Role.PRIVACY_OFFICER, Role.ADMIN)
    for one in of_level(features(client), 1):
        told = one["properties"]
        assert (told["households"] is not None) == official
        assert (told["residents"] is not None) == official
        assert told["area_m2"] > 0
    few = features(client, filter="level = 1 AND households < 10000")
    assert bool(few) == official
    outside = town.client(role, scope="330")
    assert features(outside) == [] or role is Role.PUBLIC


def test_a_sum_is_withheld_where_one_of_its_grids_is(town: Served) -> None:
    """An area with a grid of a handful of households: the rest of the sum is that grid."""
    public, planner = town.client(), town.client(Role.PLANNER)
    area = of_level(features(public), -1)[0]
    assert area["properties"]["households"] > 0
    code = area["properties"]["grids"].split()[0]
    with town.database.owner.begin() as connection:
        for statement in (
            "alter table grids disable trigger tr_grids_frozen",
            "alter table tiers disable trigger tr_tiers_frozen",
            "update grids set households = 19 where valid_to is null and code = :code",
            """update tiers t set least_households = (select min(households) from grids g
               where g.valid_to is null and g.code = any (t.grids)) where valid_to is null""",
            "alter table grids enable trigger tr_grids_frozen",
            "alter table tiers enable trigger tr_tiers_frozen",
        ):
            values = {"code": code} if ":code" in statement else {}
            connection.execute(text(statement), values)
    path = f"/collections/tiers/items/{area['id']}"
    assert public.get(path).json()["properties"]["households"] is None
    assert public.get(path).json()["properties"]["residents"] is None
    assert planner.get(path).json()["properties"]["households"] == area["properties"]["households"]
    found = features(public, filter=f"households = {area['properties']['households']}")
    assert area["id"] not in {one["id"] for one in found}
    publish(town, tiers=ASKS)


def test_nobody_writes_tiers_and_what_was_published_stays(town: Served) -> None:
    planner = town.client(Role.PLANNER)
    (area, *_) = of_level(features(planner), -1)
    path = f"/collections/tiers/items/{area['id']}"
    etag = planner.get(path).headers["etag"]
    assert planner.delete(path, headers={"if-match": etag}).status_code == 405
    for statement in (
        "update tiers set households = households + 1 where valid_to is null",
        "update tiers set geom = st_translate(geom, 1, 0) where valid_to is null",
        "update tiers set grids = '{}' where valid_to is null",
        "update tiers set valid_to = null where valid_to is not null",
    ):
        with pytest.raises(DBAPIError, match="is published and stays"), town.database.owner.begin() as owner:
            owner.execute(text(statement))
    with (
        pytest.raises(DBAPIError, match="permission denied"),
        db.transaction(town.database.app, role="planner", scope=["99"]) as app,
    ):
        app.execute(text("delete from tiers"))


def test_what_is_told_of_tiers_names_the_grids_as_they_are_kept(town: Served) -> None:
    """Codes are given when a plan is kept: a new division's go on after all that were issued."""
    first = plan_community(town.database.owner, CODE, PROFILE, tiers=(Ask(size=(5, 9, 10)),))
    second = plan_community(town.database.owner, CODE, PROFILE, grids=5, tiers=(Ask(size=(5, 9, 10)),))
    for made in (first, second):
        assert made.tiers is not None
        codes = set(made.split.grids["code"])
        assert codes == {
            row.code for row in town.rows("select code from plan_grids where plan_id = :p", p=made.plan)
        }
        assert made.tiers.violations
        texts = [finding.text(lang) for finding in made.tiers.violations for lang in ("zh", "en")]
        numbers = {one for text in texts for one in re.findall(r"(\d{3})网格|grid (\d{3})", text)}
        assert numbers
        assert {a or b for a, b in numbers} <= {code[-3:] for code in codes}
        assert {line["code"][:15] for line in made.tiers.imbalance} <= codes
    assert set(second.split.grids["code"]).isdisjoint(
        row.code for row in town.rows("select code from grids where division_code = :c", c=CODE)
    )


# --- drafts ---


def begin(town: Served, planner: httpx.Client) -> int:
    """A draft that is what the published plan is."""
    (row,) = town.rows("select id from plans where status = 'published' and division_code = :c", c=CODE)
    answer = planner.post("/plans", json={"plan": row.id, "reason": "试调"})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def drawn(planner: httpx.Client, plan: int) -> dict[str, dict[str, Any]]:
    """The plan's tiers by id, without the last digits of their shapes."""
    return {
        one["id"]: one["properties"] | {"shape": shape(one["geometry"])}
        for one in features(planner, f"/plans/{plan}/tiers")
    }


def edit(planner: httpx.Client, plan: int, operation: str, **more: Any) -> dict[str, Any]:
    revision = planner.get(f"/plans/{plan}").json()["revision"]
    answer = planner.post(f"/plans/{plan}/edits", json={"operation": operation, "revision": revision, **more})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_areas_follow_their_grids_and_small_grids_go_with_theirs(town: Served) -> None:
    planner = town.client(Role.PLANNER)
    plan = begin(town, planner)
    first = drawn(planner, plan)
    assert {key: told["households"] for key, told in first.items()} == {
        one["properties"]["key"]: one["properties"]["households"] for one in features(planner)
    }
    grid = of_level(features(planner), -1)[0]["properties"]["grids"].split()[0]
    told = edit(planner, plan, "lock", grids=[grid])
    assert told["tiers"] == {
        "above": 2,
        "below": len(first) - 2,
        "dropped": [],
        "apart": [],
    }
    told = edit(planner, plan, "unlock", grids=[grid])
    told = edit(planner, plan, "split", grid=grid)
    assert grid in told["tiers"]["dropped"]
    now = drawn(planner, plan)
    assert not [key for key in now if key.startswith(f"{grid}.")]
    grids = {one["id"]: one for one in features(planner, f"/plans/{plan}/grids")}
    codes = [code for key, one in now.items() if key.startswith("above") for code in one["grids"].split()]
    assert sorted(codes) == sorted(grids)
    for key, one in now.items():
        members = one["grids"].split()
        if key.startswith("above"):
            assert one["households"] == sum(grids[code]["properties"]["households"] for code in members)
            assert one["households"] == first[key]["households"]  # both halves stayed in the area
            union = shapely.union_all([shape(grids[code]["geometry"]) for code in members])
            assert one["shape"].symmetric_difference(union).area < 1e-12
    told = edit(planner, plan, "undo")
    assert told["tiers"]["dropped"] == []
    assert drawn(planner, plan).keys() == first.keys()


def test_a_draft_with_edited_tiers_comes_into_force(town: Served) -> None:
    planner = town.client(Role.PLANNER)
    plan = begin(town, planner)
    one, other = (area["properties"]["grids"].split() for area in of_level(features(planner), -1))
    # two neighbours on either side of the areas' border, made one
    shapes = {grid["id"]: shape(grid["geometry"]) for grid in features(planner, f"/plans/{plan}/grids")}
    pair = next((a, b) for a in one for b in other if shapes[a].intersection(shapes[b]).length > 1e-4)
    told = edit(planner, plan, "merge", grids=list(pair))
    assert set(pair) <= {*told["tiers"]["dropped"]}
    with town.database.owner.begin() as connection:
        publish_plan(connection, plan)
    tiers, grids = features(planner), features(planner, "/collections/grids/items")
    codes = [code for area in of_level(tiers, -1) for code in area["properties"]["grids"].split()]
    assert sorted(codes) == sorted(grid["id"] for grid in grids)
    divided = {small["properties"]["parent"] for small in of_level(tiers, 1)}
    assert divided < set(codes)
    assert not divided & set(pair)
    # a redraw of what is in force keeps what stays true as well
    (row,) = town.rows("select id from plans where status = 'published' and division_code = :c", c=CODE)
    made = redraw_community(town.database.owner, CODE, PROFILE, base=row.id)
    again = drawn(planner, made.plan)
    fresh = {grid["id"] for grid in features(planner, f"/plans/{made.plan}/grids")}
    held = [code for key, area in again.items() if key.startswith("above") for code in area["grids"].split()]
    assert sorted(held) == sorted(fresh)
    publish(town, tiers=ASKS)


def test_tiers_that_do_not_agree_with_their_grids_do_not_come_into_force(town: Served) -> None:
    planner = town.client(Role.PLANNER)
    for statement in (
        "update plan_tiers set members = members[2:] where plan_id = :plan and level < 0",
        "update plan_tiers set kept = false where plan_id = :plan and level > 0 and place = '1'",
    ):
        plan = begin(town, planner)
        with town.database.owner.begin() as connection:
            connection.execute(text(statement), {"plan": plan})
            with pytest.raises(PlanRefusedError) as caught:
                publish_plan(connection, plan)
            assert [finding.code for finding in caught.value.findings] == ["publish_tiers"]


def test_an_area_in_pieces_is_told_and_does_not_come_into_force(town: Served) -> None:
    """As a grid in pieces: a draft may be so on the way, what is in force may not."""
    planner = town.client(Role.PLANNER)
    plan = begin(town, planner)
    shapes = {grid["id"]: shape(grid["geometry"]) for grid in features(planner, f"/plans/{plan}/grids")}

    def apart(codes: list[str]) -> bool:
        return len(shapely.get_parts(shapely.union_all([shapes[code] for code in codes]))) > 1

    first, second = (area["properties"]["grids"].split() for area in of_level(features(planner), -1))
    # a grid that its own area surrounds, or that touches the other area in no line, goes there
    given = next(code for code in first if apart([*second, code]))
    rest = [code for code in first if code != given]
    names = ["第2片区", *(["第1片区"] if apart(rest) else [])]
    for lang, words in (("zh", "不连片"), ("en", "in several pieces")):
        with town.database.owner.begin() as connection:
            for place, codes in (("1", rest), ("2", sorted([*second, given]))):
                connection.execute(
                    text(
                        "update plan_tiers set members = :codes, at_first = :codes"
                        " where plan_id = :plan and level = -1 and place = :place"
                    ),
                    {"codes": codes, "plan": plan, "place": place},
                )
            with pytest.raises(PlanRefusedError) as caught:
                publish_plan(connection, plan)
        (finding,) = caught.value.findings
        assert finding.code == "publish_area_fragment"
        assert words in finding.text(lang)
        assert all(name in finding.text("zh") for name in names)
    told = edit(planner, plan, "lock", grids=[given])
    assert {name["zh"] for name in told["tiers"]["apart"]} == set(names)
    # back where it was, it comes into force
    with town.database.owner.begin() as connection:
        for place, codes in (("1", first), ("2", second)):
            connection.execute(
                text("update plan_tiers set members = :c, at_first = :c where plan_id = :p and place = :n"),
                {"c": codes, "p": plan, "n": place},
            )
    assert edit(planner, plan, "unlock", grids=[given])["tiers"]["apart"] == []
    with town.database.owner.begin() as connection:
        publish_plan(connection, plan)


@pytest.mark.parametrize("role", ROLES)
def test_the_tiers_of_a_draft_are_for_officials(town: Served, role: Role) -> None:
    plan = begin(town, town.client(Role.PLANNER))
    official = role in (Role.PLANNER, Role.CENTRE, Role.PRIVACY_OFFICER, Role.ADMIN)
    assert town.client(role).get(f"/plans/{plan}/tiers").status_code == (200 if official else 404)
    with db.transaction(town.database.app, role=str(role), scope=["99"]) as connection:
        assert (connection.scalar(text("select count(*) from plan_tiers")) > 0) == official
        if role is not Role.PUBLIC:
            assert connection.scalar(text("select count(*) from tiers")) > 0


def test_tiers_of_several_levels_nest(town: Served) -> None:
    """Two above and two below, by a profile: keys, names and parents lead from large to small."""

    def tier(zh: str, target: float, above: bool, numbered: bool) -> TierRule:
        name = {"zh": zh, "en": zh}
        return TierRule(name, "households", target * 0.5, target, target * 1.6, numbered, above)

    layered = replace(
        PROFILE,
        tiers=(
            tier("大区", 3000, True, False),
            tier("片区", 1200, True, False),
            tier("微网格", 120, False, True),
            tier("楼组", 50, False, False),
        ),
    )
    made = plan_community(town.database.owner, CODE, layered)
    assert made.tiers is not None
    with town.database.owner.begin() as connection:
        publish_plan(connection, made.plan)
    client = town.client(Role.PLANNER)
    tiers = features(client)
    by_key = {one["properties"]["key"]: one["properties"] for one in tiers}
    grids = {one["id"] for one in features(client, "/collections/grids/items")}
    assert {one["level"] for one in by_key.values()} == {-2, -1, 1, 2}
    for key, told in by_key.items():
        parent = told["parent"]
        if told["level"] == -2:
            assert parent is None
        elif told["level"] == 1:
            assert parent in grids
            assert told["code"] == f"{parent}{int(key.rpartition('.')[2]):02}"
        else:
            assert by_key[parent]["level"] == told["level"] - 1
            held = by_key[parent]["grids"].split()
            assert set(told["grids"].split()) <= set(held)
        if told["level"] == 2:
            assert told["name_zh"].startswith(by_key[parent]["name_zh"])
            assert told["code"] is None
    publish(town, tiers=ASKS)


def test_small_grids_are_fitted_to_a_border_that_is_drawn_anew(town: Served) -> None:
    """Borders are drawn anew at each edit, also of grids that nothing moved into or out of."""
    plan = begin(town, town.client(Role.PLANNER))
    with town.database.owner.begin() as connection:
        metric = connection.scalar(text("select metric_crs from divisions where code = :c"), {"c": CODE})
        rows = connection.execute(
            text("select code, metric_wkb from plan_grids where plan_id = :p order by code"), {"p": plan}
        ).all()
        shapes = [shapely.from_wkb(bytes(row.metric_wkb)) for row in rows]
        ground = shapely.union_all(shapes)
        border = shapes[0].intersection(shapely.union_all(shapes[1:]))
        given = border.interpolate(0.3, normalized=True).buffer(2.0).intersection(ground)
        shapes = [shapes[0].union(given), *(one.difference(given) for one in shapes[1:])]
        codes = [row.code for row in rows]
        frame = gpd.GeoDataFrame({"code": codes}, geometry=shapes, crs=metric)
        follow_grids(connection, plan, [Moved(code, code, 100) for code in codes], frame)
        kept = connection.execute(
            text("select grid, kept, metric_wkb, area_m2 from plan_tiers where plan_id = :p and level = 1"),
            {"p": plan},
        ).all()
        assert all(row.kept for row in kept)
        for code, drawn in zip(codes, shapes, strict=True):
            parts = [shapely.from_wkb(bytes(row.metric_wkb)) for row in kept if row.grid == code]
            assert all(part.geom_type == "Polygon" and part.is_valid for part in parts)
            assert shapely.union_all(parts).symmetric_difference(drawn).area < 1e-3
            assert sum(part.area for part in parts) == pytest.approx(drawn.area, abs=1e-3)
        # where nobody can say which part is whose, they go
        cut = shapes[0].difference(shapes[0].centroid.buffer(500.0))
        frame = gpd.GeoDataFrame({"code": codes}, geometry=[cut, *shapes[1:]], crs=metric)
        follow_grids(connection, plan, [Moved(code, code, 100) for code in codes], frame)
        gone = connection.scalars(
            text("select distinct grid from plan_tiers where plan_id = :p and not kept"), {"p": plan}
        )
        assert list(gone) == codes[:1]
