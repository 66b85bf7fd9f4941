"""Reach on foot and sites as the service tells them: who sees what, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from shapely.geometry import shape
from sqlalchemy import text

from layers.reach.estimate import estimate_households
from layers.reach.ground import lay_ground, local_crs, walk_to_facilities
from layers.reach.shares import measure_shares
from partition.texts import LANGUAGES
from service.access import PUBLIC, Role
from service.centre import reach
from service.centre.place import find_division
from service.centre.reach import Footing, Question, matching
from service.faults import BusyError, RateError
from service.postgres.cluster import Cluster
from service.store import centre as store
from service.store import networks

from .api import HIDDEN, Served, serve_town
from .test_jobs import until
from .towns import CODE

pytestmark = pytest.mark.database

EXACT = (Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN, Role.CENTRE)
ABOUT = (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER)
HERE = f"/centre/{CODE}"


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Served]:
    """A published town of this module's own, some of whose clinics are out of use."""
    with serve_town(cluster, "wangge_template", "wangge_reach") as running:
        with running.database.owner.begin() as connection:
            connection.execute(
                text("""
                    insert into facilities (division_code, facility_id, kind, name, condition, geom)
                    select t.division_code, v.id, v.kind, v.id, v.condition, st_centroid(t.geom)
                    from (values ('p1', '派出所', 'good', 1), ('p2', 'police', 'disused', 40))
                         v(id, kind, condition, n)
                    join buildings t on t.division_code = :code and t.ordinal = v.n
                """),
                {"code": CODE},
            )
        yield running


def frames(town: Served, role_sees: bool) -> tuple[gpd.GeoDataFrame, ...]:
    """Streets, buildings and the police station, read from the raw tables."""

    def read(sql: str) -> gpd.GeoDataFrame:
        rows = pd.DataFrame([row._mapping for row in town.rows(sql, c=CODE)])
        return gpd.GeoDataFrame(
            rows.drop(columns="wkb"),
            geometry=list(shapely.from_wkb([bytes(g) for g in rows["wkb"]])),
            crs=4326,
        )

    streets = read("select *, st_asbinary(geom) wkb from streets where division_code = :c").drop(
        columns="geom"
    )
    buildings = read(
        "select building_id id, grid_code grid, use, floors,"
        " case when not households_unknown then households end::float8 households, st_asbinary(geom) wkb"
        " from buildings where division_code = :c"
    )
    police = read(
        "select condition, st_asbinary(geom) wkb from facilities where kind in ('派出所', 'police')"
    )
    return streets, buildings, police


def test_whoever_sees_buildings_is_told_exact_shares(town: Served) -> None:
    streets, buildings, police = frames(town, True)
    crs = local_crs(gpd.GeoSeries([shapely.box(*buildings.total_bounds)], crs=4326))
    ground = lay_ground(streets, buildings, crs=crs)
    whole, grids = measure_shares(ground, walk_to_facilities(ground, police), minutes=(1, 2, 4))
    for role in EXACT:
        told = town.client(role).get(f"{HERE}/reach?kind=police&minutes=1,2,4").json()
        assert told["approximate"] is False
        total = told["total"]
        assert (total["households"], total["within"]) == (whole.households, [*map(int, whole.within)])
        assert total["percent"] == [round(100 * share, 1) for share in whole.shares or ()]
        assert total["buildings_unknown"] == int(buildings["households"].isna().sum()) > 0
        assert [one["grid"] for one in told["by_grid"]] == [share.grid for share in grids]
        for one, share in zip(told["by_grid"], grids, strict=True):
            assert one["within"] == [*map(int, share.within)]
        far = {one["id"] for one in told["unreached"]}
        assert 0 < len(far) <= len(buildings)
        assert all(one["minutes"] > 4 for one in told["unreached"])


@pytest.mark.parametrize("role", ABOUT)
def test_others_are_told_what_they_could_reckon_themselves(town: Served, role: Role) -> None:
    client = town.client(role)
    told = client.get(f"{HERE}/reach?kind=police&minutes=1,2,4").json()
    assert told["approximate"] is True
    assert told["unreached"] is None
    for one in (told["total"], *told["by_grid"]):
        assert one["households"] is one["within"] is None
    # from the collections alone, as this role reads them
    items = {
        name: client.get(f"/collections/{name}/items?limit=10000").json()["features"]
        for name in ("streets", "buildings", "grids", "facilities")
    }
    made = {name: gpd.GeoDataFrame.from_features(features, crs=4326) for name, features in items.items()}
    assert "households" not in made["buildings"]
    assert ("floors" in made["buildings"]) is (role is not Role.PUBLIC)
    outline = client.get(f"/collections/communities/items/{CODE}").json()["geometry"]
    crs = local_crs(gpd.GeoSeries([shape(outline)], crs=4326))
    totals = {
        row["code"]: row["households"]
        for row in made["grids"].to_dict("records")
        if row["households"] == row["households"]
    }
    homes = made["buildings"].to_crs(crs)
    homes["households"] = estimate_households(homes, totals)
    ground = lay_ground(made["streets"], homes.rename(columns={"building_id": "id"}), crs=crs)
    police = made["facilities"][made["facilities"]["kind"].isin(["派出所", "police"])]
    whole, grids = measure_shares(ground, walk_to_facilities(ground, police), minutes=(1, 2, 4))
    assert told["total"]["percent"] == pytest.approx([100 * share for share in whole.shares or ()], abs=0.51)
    assert len(grids) == len(told["by_grid"])
    for one, share in zip(told["by_grid"], grids, strict=True):
        assert one["percent"] == pytest.approx([100 * value for value in share.shares or ()], abs=0.51)
    assert "估算" in told["method"]["zh"]
    assert "estimated" in told["method"]["en"]


def test_a_grid_whose_households_are_withheld_has_no_share(
    town: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the floor of 20 households a grid's number is not told, and so no share of it."""
    real = store.select_grid_rows

    def withheld(*given: Any) -> list[store.GridRow]:
        first, *rest = real(*given)
        return [replace(first, households=None), *rest]

    whole = town.client().get(f"{HERE}/reach?kind=police&minutes=9").json()
    monkeypatch.setattr(store, "select_grid_rows", withheld)
    town.app.state.footing = Footing()
    told = town.client().get(f"{HERE}/reach?kind=police&minutes=8").json()
    first, second = told["by_grid"][:2]
    assert first["percent"] is first["beyond_percent"] is None
    assert first["buildings_unknown"] > 0
    assert second["percent"] is not None
    assert told["total"]["buildings_unknown"] == first["buildings_unknown"]
    assert whole["total"]["buildings_unknown"] == 0
    town.app.state.footing = Footing()


def test_isochrones_are_nested_and_lie_in_the_division(town: Served) -> None:
    told = town.client().get(f"{HERE}/reach?kind=派出所&minutes=1,2,4").json()
    features = told["isochrones"]["features"]
    assert [one["properties"]["minutes"] for one in features] == [4, 2, 1]
    shapes = [shape(one["geometry"]) for one in features]
    assert all(one.geom_type == "MultiPolygon" and one.is_valid for one in shapes)
    outline = shape(town.client().get(f"/collections/communities/items/{CODE}").json()["geometry"])
    for outer, inner in zip([outline.buffer(1e-6), *shapes[:-1]], shapes, strict=True):
        assert inner.difference(outer.buffer(2e-6)).is_empty
    places = {one["id"]: one for one in told["facilities"]}
    assert places[f"{CODE}:p1"]["serves"] is True
    assert places[f"{CODE}:p2"]["serves"] is False
    spot = shapely.Point(places[f"{CODE}:p1"]["lng"], places[f"{CODE}:p1"]["lat"])
    assert shapely.distance(shapes[-1], spot) < 1e-4
    for lang in LANGUAGES:
        assert told["summary"][lang]
        assert told["label"][lang]


def test_a_kind_that_nobody_has_is_reached_by_nobody(town: Served) -> None:
    told = town.client(Role.PLANNER).get(f"{HERE}/reach?kind=fire_station").json()
    assert told["facilities"] == []
    assert told["total"]["percent"] == [0, 0, 0]
    assert told["total"]["cut_off_percent"] == 100
    assert "没有在用的" in told["summary"]["zh"]
    first = town.client(Role.PLANNER).get(f"{HERE}/siting?kind=fire_station&minutes=2").json()
    assert first["reason"] == "found"
    assert first["before"]["percent"] == 0
    assert first["sites"][0]["households"] == first["after"]["households"] > 0


@pytest.mark.parametrize("aim", ["coverage", "walk", "farthest"])
def test_sites_help_and_say_how(town: Served, aim: str) -> None:
    address = f"{HERE}/siting?kind=police&minutes=2&aim={aim}"
    exact = town.client(Role.PLANNER).get(address).json()
    about = town.client().get(address).json()
    for told in (exact, about):
        assert (told["reason"], len(told["sites"])) == ("found", 1)
        assert told["after"]["percent"] >= told["before"]["percent"]
        assert told["sites"][0]["label"]["zh"]
        assert shape(told["isochrone"]["geometry"]).covers(
            shapely.Point(told["sites"][0]["lng"], told["sites"][0]["lat"])
        )
    assert exact["sites"][0]["households"] == exact["after"]["households"] - exact["before"]["households"]
    assert about["sites"][0]["households"] is about["before"]["households"] is None
    assert "户。" not in about["summary"]["zh"]
    if aim != "coverage":
        assert exact["after"]["mean_minutes"] < exact["before"]["mean_minutes"]
    # what is told of the share afterwards is what reach tells once it stands there
    site = exact["sites"][0]
    with town.database.owner.begin() as connection:
        connection.execute(
            text("""insert into facilities (division_code, facility_id, kind, geom)
                    values (:c, 'new', 'police', st_setsrid(st_makepoint(:x, :y), 4326))"""),
            {"c": CODE, "x": site["lng"], "y": site["lat"]},
        )
    try:
        after = town.client(Role.PLANNER).get(f"{HERE}/reach?kind=police&minutes=2").json()
        assert after["total"]["within"][0] == pytest.approx(exact["after"]["households"], abs=20)
    finally:
        with town.database.owner.begin() as connection:
            connection.execute(text("delete from facilities where facility_id = 'new'"))


def test_several_sites_and_only_corners(town: Served) -> None:
    client = town.client(Role.CENTRE)
    told = client.get(f"{HERE}/siting?kind=police&minutes=1&add=3&places=corners").json()
    assert 1 < len(told["sites"]) <= 3
    assert {site["place"] for site in told["sites"]} == {"corner"}
    gained = [site["households"] for site in told["sites"]]
    assert gained == sorted(gained, reverse=True)
    assert sum(gained) == told["after"]["households"] - told["before"]["households"]
    one = client.get(f"{HERE}/siting?kind=police&minutes=1&places=corners").json()
    assert one["after"]["households"] <= told["after"]["households"]


def test_without_minutes_the_longest_that_leaves_somebody_out_is_taken(town: Served) -> None:
    client = town.client(Role.PLANNER)
    assert client.get(f"{HERE}/siting?kind=police").json()["minutes"] == 5
    farthest = client.get(f"{HERE}/reach?kind=police&minutes=1").json()["unreached"][0]["minutes"] * 80
    pace = f"{farthest / 12:.1f}"  # twelve minutes to the farthest home
    assert client.get(f"{HERE}/siting?kind=police&pace={pace}").json()["minutes"] == 10
    assert client.get(f"{HERE}/siting?kind=fire_station").json()["minutes"] == 15


def test_where_nothing_is_gained_it_is_said(town: Served) -> None:
    told = town.client(Role.PLANNER).get(f"{HERE}/siting?kind=police&minutes=60").json()
    assert (told["reason"], told["sites"], told["isochrone"]) == ("all_within", [], None)
    assert told["summary"]["zh"].endswith("无需新增。")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("reach", "kind"),
        ("reach?kind=%20", "kind"),
        ("reach?kind=police&minutes=", "minutes"),
        ("reach?kind=police&minutes=5,5", "minutes"),
        ("reach?kind=police&minutes=1,2,3,4,5", "minutes"),
        ("reach?kind=police&minutes=61", "60"),
        ("reach?kind=police&minutes=²", "minutes"),
        ("reach?kind=police&pace=0", "pace"),
        ("reach?kind=police&pace=nan", "pace"),
        ("reach?kind=police&colour=red", "colour"),
        ("reach?kind=police&kind=clinic", "kind"),
        ("siting?kind=police&add=0", "add"),
        ("siting?kind=police&add=6", "add"),
        ("siting?kind=police&minutes=5,10", "minutes"),
        ("siting?kind=police&minutes=", "minutes"),
        ("siting?kind=police&aim=best", "farthest"),
        ("siting?kind=police&places=moon", "corners"),
    ],
)
def test_what_is_wrong_is_named(town: Served, query: str, named: str) -> None:
    for lang in LANGUAGES:
        join = "&" if "?" in query else "?"
        answer = town.client().get(f"{HERE}/{query}{join}lang={lang}")
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert named in answer.json()["detail"]


def test_a_division_that_one_may_not_see_is_not_there(town: Served) -> None:
    for address in (f"/centre/{HIDDEN}", "/centre/nowhere", "/centre/%00"):
        for name in ("reach", "siting"):
            assert town.client().get(f"{address}/{name}?kind=police").status_code == 404
    elsewhere = town.client(Role.PLANNER, scope="88")
    assert elsewhere.get(f"{HERE}/reach?kind=police").status_code == 404
    both = town.client(Role.ADMIN).get(f"/centre/{CODE[:9]}/reach?kind=police").json()
    assert {one["community"] for one in both["by_grid"]} >= {CODE}


def test_an_answer_is_kept_until_something_changes(town: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = reach.lay_place

    def counted(*given: Any) -> Any:
        made.append("ground")
        return real(*given)

    monkeypatch.setattr(reach, "lay_place", counted)
    client = town.client(Role.PLANNER)
    address = f"{HERE}/reach?kind=police&minutes=3"
    town.app.state.footing = Footing()
    first = client.get(address)
    assert client.get(address, headers={"if-none-match": first.headers["etag"]}).status_code == 304
    assert client.get(f"{HERE}/reach?kind=police&minutes=3,5").status_code == 200
    assert made == ["ground"]
    with town.database.owner.begin() as connection:
        connection.execute(
            text(
                "update buildings set households = households + 40 where division_code = :c and ordinal = 1"
            ),
            {"c": CODE},
        )
    again = client.get(address, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 200
    assert again.json()["total"]["households"] == first.json()["total"]["households"] + 40
    assert made == ["ground", "ground"]


def test_only_so_many_are_reckoned_at_once() -> None:
    footing = Footing(at_once=1, patience=0.05)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with footing.room():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    with pytest.raises(BusyError), footing.room():
        pass
    with pytest.raises(BusyError), Footing(queue=0).room():
        pass
    leave.set()
    thread.join()
    with footing.room():
        pass


def test_the_public_leaves_a_place_for_those_who_are_known() -> None:
    """Two dozen without a key, from six addresses, keep nobody out who has one; each of them has a bound."""
    footing = Footing(at_once=2, queue=16, patience=60)
    leave, entered, refused = threading.Event(), threading.Semaphore(0), []

    def hold(address: str) -> None:
        try:
            with footing.room(address, public=True):
                entered.release()
                leave.wait(60)
        except (BusyError, RateError) as error:
            refused.append(type(error))

    threads = [threading.Thread(target=hold, args=(f"10.0.0.{n % 6}",)) for n in range(24)]
    for thread in threads:
        thread.start()
    assert entered.acquire(timeout=10)
    until(lambda: footing.waiting + len(refused) == 23)
    assert refused == [BusyError] * 7  # sixteen wait
    assert not entered.acquire(timeout=0.05)  # one at a time
    with footing.room("centre Li"):
        pass
    leave.set()
    for thread in threads:
        thread.join()
    with footing.room("10.0.0.1", public=True), footing.room("centre Li"):
        pass


def test_one_asker_has_a_bound() -> None:
    footing = Footing(at_once=30)
    for public, asker, most in ((True, "10.0.0.1", 4), (False, "centre Li", 12)):
        with ExitStack() as stack:
            for _ in range(most):
                stack.enter_context(footing.room(asker, public=public))
            with pytest.raises(RateError) as told, footing.room(asker, public=public):
                pass
            assert told.value.after > 0
            stack.enter_context(footing.room(f"{asker}0", public=public))
        with footing.room(asker, public=public):
            pass


def test_many_who_ask_the_same_at_once_are_all_answered(town: Served) -> None:
    town.app.state.footing = Footing()
    clients = [town.client(Role.PLANNER) for _ in range(12)]
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(
            pool.map(lambda client: client.get(f"{HERE}/reach?kind=police&minutes=3,6,9"), clients)
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_a_division_too_large_is_refused(town: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "BUILDINGS_MOST", 10)
    town.app.state.footing = Footing()
    answer = town.client(Role.CONSUMER).get(f"{HERE}/reach?kind=police&minutes=7")
    assert answer.status_code == 413
    assert "10" in answer.json()["detail"]


def test_words_of_the_data_are_matched_to_ours() -> None:
    known = ["派出所", "police", "警务室", "camera", "秘密"]
    assert matching("police", known) == ["派出所", "police", "警务室"]
    assert matching("警务站", known) == ["派出所", "police", "警务室"]
    assert matching("秘密", known) == ["秘密"]
    assert matching("unknown", known) == []


def test_the_grounds_kept_are_of_what_each_sees(town: Served) -> None:
    footing = Footing(most=1)
    with town.database.app.connect() as connection:
        from service.maps.community import introduce

        introduce(connection, PUBLIC)
        division = find_division(connection, PUBLIC, CODE)
        place = footing.of(connection, PUBLIC, division)
        assert footing.of(connection, PUBLIC, division) is place
        assert not place.exact
    assert Question("police", (5,), 75.0).query() == "kind=police&minutes=5&pace=75"


def test_the_network_round_a_point_is_made_once_until_a_street_changes(
    town: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = networks.select_ways

    def counted(*given: Any) -> Any:
        made.append("ways")
        return real(*given)

    monkeypatch.setattr(networks, "select_ways", counted)
    town.app.state.networks = networks.Networks(2000.0)
    client = town.client(Role.PLANNER)
    (spot,) = town.rows(
        "select st_x(p) x, st_y(p) y from (select st_centroid(geom) p from divisions where code = :c) d",
        c=CODE,
    )
    query = {"lon": spot.x, "lat": spot.y, "collection": "facilities", "kind": "police", "by": "street"}

    def walks() -> dict[str, float]:
        found = client.get("/nearby", params=query).json()["features"]
        return {one["id"]: one["distance_m"] for one in found}

    first = walks()
    assert walks() == first
    assert made == ["ways"]
    assert first[f"{CODE}:p2"] > 0
    with town.database.owner.begin() as connection:  # straight to the door of the second
        connection.execute(
            text("""
                insert into streets (division_code, ordinal, class, geom)
                select :c, 9999, 'path', st_makeline(st_setsrid(st_makepoint(:x, :y), 4326), geom)
                from facilities where facility_id = 'p2'
            """),
            {"c": CODE, "x": spot.x, "y": spot.y},
        )
    try:
        shorter = walks()
        assert shorter[f"{CODE}:p2"] < first[f"{CODE}:p2"]
        straight = client.get("/nearby", params={**query, "by": "line"}).json()["features"]
        (line,) = [one["distance_m"] for one in straight if one["id"] == f"{CODE}:p2"]
        assert shorter[f"{CODE}:p2"] == pytest.approx(line, abs=0.2)
        assert made == ["ways", "ways"]
    finally:
        with town.database.owner.begin() as connection:
            connection.execute(text("delete from streets where ordinal = 9999"))
