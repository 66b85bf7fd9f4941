"""Vector tiles: what a decoder finds in them is what items finds, for each role; kept, and never stale."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import mapbox_vector_tile
import pytest
from shapely.geometry import shape
from sqlalchemy import text

from service import db
from service.access import Role
from service.routes import tiles as tile_routes
from service.store import tiles
from service.tiles.cache import OVERHEAD, MadeTile, TileCache
from service.tiles.matrices import LEVELS, Tile, definition, limits, read_tile

from .api import Served, fill, serve
from .towns import CODE

pytestmark = pytest.mark.database

LEVEL = 16
COLLECTIONS = ("grids", "buildings", "streets", "facilities", "cases", "compounds", "communities")
ROLES = (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER, Role.PLANNER, Role.CENTRE)


def fraction(lon: float, lat: float, level: int) -> tuple[float, float]:
    """Column and row, with fractions, of a point in degrees."""
    width = 2**level
    turns = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return (lon + 180) / 360 * width, turns * width


def tiles_of(client: httpx.Client, collection: str, level: int = LEVEL) -> Iterator[tuple[int, int]]:
    """Row and column of the tiles over the whole collection."""
    west, south, east, north = client.get(f"/collections/{collection}?f=json").json()["extent"]["spatial"][
        "bbox"
    ][0]
    left, top = fraction(west, north, level)
    right, bottom = fraction(east, south, level)
    yield from itertools.product(range(int(top), int(bottom) + 1), range(int(left), int(right) + 1))


def path_of(collection: str, row: int, column: int, level: int = LEVEL) -> str:
    return f"/collections/{collection}/tiles/WebMercatorQuad/{level}/{row}/{column}"


def features_of(
    client: httpx.Client, collection: str, level: int = LEVEL, **asked: str
) -> dict[str, dict[str, Any]]:
    """The features of all tiles of a level by their id, as the decoder has them, in degrees."""
    found: dict[str, dict[str, Any]] = {}
    for row, column in tiles_of(client, collection, level):
        answer = client.get(path_of(collection, row, column, level), params=asked)
        if answer.status_code == 204:
            continue
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
        decoded = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})
        assert list(decoded) == [collection]
        assert decoded[collection]["extent"] == 4096
        for feature in decoded[collection]["features"]:
            key = feature["properties"].pop("id", None) or feature["properties"]["code"]
            if key not in found or not is_marginal(feature):
                found[key] = {**feature, "row": row, "column": column}
    return found


def is_marginal(feature: dict[str, Any]) -> bool:
    """Whether a point lies beyond the border of its tile."""
    at = feature["geometry"]["coordinates"]
    return feature["geometry"]["type"] == "Point" and not all(0 <= step <= 4096 for step in at)


def degrees(feature: dict[str, Any], level: int) -> tuple[float, float]:
    x, y = feature["geometry"]["coordinates"]
    return (
        (feature["column"] + x / 4096) / 2**level * 360 - 180,
        math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (feature["row"] + y / 4096) / 2**level)))),
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_decoder_finds_what_items_finds(served: Served, role: Role) -> None:
    own = served.rows("select code from grids where valid_to is null order by code limit 1")[0][0]
    client = served.client(role, grids=frozenset({own}) if role is Role.GRID_WORKER else frozenset())
    for collection in COLLECTIONS:
        items = client.get(f"/collections/{collection}/items?limit=10000").json()["features"]
        found = features_of(client, collection)
        assert set(found) == {str(item["id"]) for item in items}, collection
        for item in items:
            told = {name: value for name, value in item["properties"].items() if value is not None}
            got = found[str(item["id"])]
            assert got["properties"].pop("id", item["id"]) == item["id"]
            assert got["properties"] == told, collection
            if item["geometry"]["type"] == "Point":
                lon, lat = degrees(got, LEVEL)
                step = 360 / 2**LEVEL / 4096
                assert abs(lon - item["geometry"]["coordinates"][0]) < step
                assert abs(lat - item["geometry"]["coordinates"][1]) < step


def test_polygons_lie_where_items_has_them(served: Served) -> None:
    client = served.client()
    (item,) = client.get("/collections/buildings/items?limit=1").json()["features"]
    middle = shape(item["geometry"]).centroid
    column, row = fraction(middle.x, middle.y, 18)
    answer = client.get(path_of("buildings", int(row), int(column), 18))
    layer = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})["buildings"]
    (feature,) = [one for one in layer["features"] if one["properties"]["id"] == item["id"]]
    x, y = (column % 1) * 4096, (row % 1) * 4096
    clipped = shape(feature["geometry"])
    assert clipped.buffer(1).contains(shape({"type": "Point", "coordinates": [x, y]}))


def test_filters_and_columns_are_those_of_items(served: Served) -> None:
    client = served.client(Role.PLANNER)
    items = client.get("/collections/buildings/items?filter=use='school'&limit=10000").json()["features"]
    found = features_of(client, "buildings", filter="use='school'", properties="use,households")
    assert set(found) == {item["id"] for item in items}
    assert {name for one in found.values() for name in one["properties"]} == {"use", "households"}
    row, column = next(tiles_of(client, "cases"))
    early = features_of(client, "cases", datetime="2026-01-01/2026-01-10")
    shown = client.get("/collections/cases/items?datetime=2026-01-01/2026-01-10&limit=10000").json()
    assert set(early) == {item["id"] for item in shown["features"]}
    public = served.client()
    for asked in ("filter=households>3", "households=3", "properties=households", "bbox=0,0,1,1", "zoom=3"):
        answer = public.get(f"{path_of('buildings', row, column)}?{asked}")
        assert answer.status_code == 400, asked


def test_places_stand_for_cases_and_sensitive_ones_are_withheld(served: Served) -> None:
    shown = features_of(served.client(), "cases")
    assert shown
    assert {one["properties"]["category"] for one in shown.values()} == {"rubbish"}
    exact = features_of(served.client(Role.CENTRE), "cases")
    assert len(exact) > len(shown)
    moved = [key for key, one in shown.items() if one["geometry"] != exact[key]["geometry"]]
    assert len(moved) > len(shown) / 2
    assert not {"grid", "building_id"} & {name for one in shown.values() for name in one["properties"]}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/collections/grids/tiles/WebMercatorQuad/3/8/1", 404),
        ("/collections/grids/tiles/WebMercatorQuad/3/1/8", 404),
        ("/collections/grids/tiles/WebMercatorQuad/25/0/0", 404),
        ("/collections/grids/tiles/WebMercatorQuad/-1/0/0", 404),
        ("/collections/grids/tiles/WebMercatorQuad/3/1.5/x", 404),
        ("/collections/grids/tiles/NoSuchSet/3/1/1", 404),
        ("/collections/nothing/tiles/WebMercatorQuad/3/1/1", 404),
        ("/collections/nothing/tiles", 404),
        ("/tileMatrixSets/NoSuchSet", 404),
        ("/tiles/NoSuchSet", 404),
        ("/tiles/WebMercatorQuad/0/0/0?collections=grids,nothing", 404),
        ("/tiles/WebMercatorQuad/0/0/0?collections=", 404),
        ("/tiles/WebMercatorQuad/0/0/0?use=school", 400),
        ("/collections/grids/tiles?x=1", 400),
        ("/collections/grids/tiles/WebMercatorQuad?f=xml", 400),
        ("/collections/grids/tiles/WebMercatorQuad/3/1/1?f=json", 400),
        ("/collections/grids/tiles/WebMercatorQuad/14/0/0", 204),
        ("/collections/grids/tiles/WebMercatorQuad?f=tilejson", 200),
    ],
)
def test_what_is_no_tile_is_refused(served: Served, path: str, status: int) -> None:
    answer = served.client().get(path)
    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.json()["detail"]) > 10


def test_tile_sets_say_what_is_in_them(served: Served) -> None:
    client = served.client(Role.PLANNER)
    links = client.get("/collections/buildings?f=json").json()["links"]
    (listed,) = [one["href"] for one in links if one["rel"].endswith("tilesets-vector")]
    (one,) = client.get(listed).json()["tilesets"]
    body = client.get(next(link["href"] for link in one["links"] if link["rel"] == "self")).json()
    assert body["dataType"] == "vector"
    assert "10000" in body["description"]
    assert "500 kB" in client.get(f"{listed}/WebMercatorQuad?lang=en").text
    (layer,) = body["layers"]
    assert layer["id"] == "buildings"
    assert layer["geometryDimension"] == 2
    items = client.get("/collections/buildings/items?limit=1").json()["features"][0]
    assert set(layer["propertiesSchema"]["properties"]) == set(items["properties"])
    assert len(body["tileMatrixSetLimits"]) == LEVELS
    rows = {(one["minTileRow"], one["minTileCol"]) for one in body["tileMatrixSetLimits"][LEVEL : LEVEL + 1]}
    assert rows == {min(tiles_of(client, "buildings"))}
    told = client.get(next(x["href"] for x in body["links"] if x.get("title") == "TileJSON")).json()
    assert told["tilejson"] == "3.0.0"
    row, column = next(tiles_of(client, "buildings"))
    address = told["tiles"][0].replace("{z}", str(LEVEL)).replace("{x}", str(column))
    assert client.get(address.replace("{y}", str(row))).status_code == 200
    hidden = served.client().get("/collections/buildings/tiles/WebMercatorQuad").json()["layers"][0]
    assert "households" not in hidden["propertiesSchema"]["properties"]


def test_all_collections_lie_in_one_tile(served: Served) -> None:
    client = served.client()
    (one,) = client.get("/tiles").json()["tilesets"]
    body = client.get(next(link["href"] for link in one["links"] if link["rel"] == "self")).json()
    assert [layer["id"] for layer in body["layers"]] == [
        one["id"] for one in client.get("/collections?f=json").json()["collections"]
    ]
    centre = body["centerPoint"]["coordinates"]
    column, row = fraction(*centre, LEVEL)
    path = f"/tiles/WebMercatorQuad/{LEVEL}/{int(row)}/{int(column)}"
    answer = client.get(path)
    whole = mapbox_vector_tile.decode(answer.content)
    assert {"grids", "buildings", "streets"} <= set(whole)
    assert client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    some = mapbox_vector_tile.decode(client.get(f"{path}?collections=streets,grids").content)
    assert list(some) == ["streets", "grids"]
    alone = client.get(path_of("grids", int(row), int(column))).content
    assert mapbox_vector_tile.decode(alone)["grids"] == some["grids"]


def test_a_full_tile_keeps_the_largest_and_stays_small(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = served.client()
    rows = client.get("/collections/buildings/items?limit=10000").json()["features"]
    largest = sorted((shape(row["geometry"]).area for row in rows), reverse=True)[:40]
    areas = {row["id"]: shape(row["geometry"]).area for row in rows}
    assert "wangge-thinned" not in client.get(path_of("buildings", 0, 0, 0)).headers
    monkeypatch.setattr(tiles, "FEATURES_MOST", 40)
    answer = client.get(f"{path_of('buildings', 0, 0, 0)}?properties=use")  # all shrink to nothing here
    assert answer.status_code == 204
    west, south, _, _ = client.get("/collections/buildings?f=json").json()["extent"]["spatial"]["bbox"][0]
    column, row = fraction(west, south, 15)
    answer = client.get(f"{path_of('buildings', int(row), int(column), 15)}?properties=use")
    assert answer.headers["wangge-thinned"] == "true"
    features = mapbox_vector_tile.decode(answer.content)["buildings"]["features"]
    assert len(features) == 40
    kept = sorted((areas[one["properties"]["id"]] for one in features), reverse=True)
    assert kept == pytest.approx(largest, rel=0.3)
    monkeypatch.setattr(tiles, "FEATURES_MOST", 10_000)
    monkeypatch.setattr(tiles, "SIZE_MOST", 2_000)
    smaller = client.get(f"{path_of('buildings', int(row), int(column), 15)}?properties=use,grid")
    assert smaller.headers["wangge-thinned"] == "true"
    assert 1_000 < len(smaller.content) <= 2_000


def test_points_sampled_at_one_level_are_there_at_the_next(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = served.client(Role.CENTRE)
    monkeypatch.setattr(tiles, "FEATURES_MOST", 30)
    seen: set[str] = set()
    for level in (10, 13, 15, 17):
        found = {
            key
            for key, one in features_of(client, "cases", level, properties="status").items()
            if not is_marginal(one)
        }
        assert seen <= found
        seen = found
    assert len(seen) > 100


@pytest.fixture
def town(scratch: db.Database) -> Iterator[Served]:
    with serve(scratch, fill(scratch)) as running:
        yield running


def test_no_reader_is_given_a_tile_from_before_a_committed_write(town: Served) -> None:
    client = town.client()
    west, south, east, north = client.get("/collections/facilities?f=json").json()["extent"]["spatial"][
        "bbox"
    ][0]
    column, row = fraction((west + east) / 2, (south + north) / 2, 12)
    path = path_of("facilities", int(row), int(column), 12)
    committed = 0
    faults: list[str] = []
    answered: list[int] = []
    done = threading.Event()

    def write() -> None:
        nonlocal committed
        for number in range(1, 121):
            with town.database.owner.begin() as connection:
                connection.execute(
                    text("update facilities set name = :n where facility_id = 'f1' and division_code = :c"),
                    {"n": f"{number}", "c": CODE},
                )
            committed = number
            done.wait(0.01)
        done.set()

    def read() -> None:
        with httpx.Client(base_url=town.address) as own:
            tag, known = "", 0
            rest = 3
            while rest:
                rest -= done.is_set()
                least = committed  # before the request is sent
                answer = own.get(path, headers={"If-None-Match": tag} if tag else {})
                answered.append(answer.status_code)
                if answer.status_code == 200:
                    layer = mapbox_vector_tile.decode(answer.content)["facilities"]
                    (name,) = [
                        one["properties"]["name"]
                        for one in layer["features"]
                        if one["properties"]["id"] == f"{CODE}:f1"
                    ]
                    tag, known = answer.headers["etag"], int(name) if name.isdigit() else 0
                elif answer.status_code != 304:
                    faults.append(answer.text)
                if known < least:
                    faults.append(f"{answer.status_code}: {known} after {least}")

    threads = [threading.Thread(target=write), *(threading.Thread(target=read) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert set(answered) == {200, 304}
    final = mapbox_vector_tile.decode(client.get(path).content)["facilities"]["features"]
    assert "120" in {one["properties"].get("name") for one in final}


def test_a_kept_tile_is_for_those_who_see_the_same(town: Served) -> None:
    public, centre = town.client(), town.client(Role.CENTRE)
    row, column = next(tiles_of(public, "cases", 14))
    path = path_of("cases", row, column, 14)
    first = public.get(path)
    assert public.get(path).content == first.content
    assert centre.get(path).content != first.content
    assert centre.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 200
    assert public.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert first.headers["cache-control"] == "public, no-cache"
    assert centre.get(path).headers["cache-control"] == "private, no-store"


def test_a_client_that_unpacks_gzip_gets_less_of_the_same(served: Served) -> None:
    client = served.client()
    row, column = next(tiles_of(client, "buildings", 14))
    path = path_of("buildings", row, column, 14)
    plain = client.get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for _ in range(2):  # packed once, then kept so
        packed = client.get(path, headers={"accept-encoding": "br;q=1.0, gzip;q=0.8"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == plain.content
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
        assert "Accept-Encoding" in packed.headers["vary"]
        assert packed.headers["etag"] == plain.headers["etag"]
    assert "content-encoding" not in client.get(path, headers={"accept-encoding": "gzip;q=0"}).headers
    assert "Accept-Encoding" in plain.headers["vary"]
    whole = client.get(f"/tiles/WebMercatorQuad/14/{row}/{column}", headers={"accept-encoding": "gzip"})
    assert whole.headers["content-encoding"] == "gzip"
    assert "buildings" in mapbox_vector_tile.decode(whole.content)


def test_many_who_ask_for_a_tile_at_once_have_it_made_once(
    town: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = town.client()
    row, column = next(tiles_of(public, "buildings", 14))
    path = path_of("buildings", row, column, 14)
    made: list[int] = []
    all_here = threading.Event()

    def make(*arguments: Any) -> MadeTile:
        made.append(1)
        all_here.wait(20)
        return tiles.select_tile(*arguments)

    monkeypatch.setattr(tile_routes, "select_tile", make)
    waiting = town.app.state.tiles
    answers: list[httpx.Response] = []

    def ask() -> None:
        with httpx.Client(base_url=town.address, timeout=30) as own:
            answers.append(own.get(path))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while [turn.waiting for turn in list(waiting._turns.values())] != [6] and time.monotonic() < deadline:
        time.sleep(0.01)
    all_here.set()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({answer.content for answer in answers}) == 1
    assert [answer.status_code for answer in answers] == [200] * 6
    assert waiting._turns == {}


def test_nobody_waits_long_for_a_tile_that_another_makes() -> None:
    cache = TileCache(patience=0.05)
    with cache.turn("slow") as waited:
        assert not waited
        with cache.turn("slow") as waited:
            assert waited
    with pytest.raises(ValueError, match="slow"), cache.turn("slow"):
        raise ValueError("slow")
    assert cache._turns == {}


def test_the_cache_keeps_what_was_used_last_within_its_bytes() -> None:
    cache = TileCache(10 * (OVERHEAD + 100))
    for number in range(15):
        cache.keep(number, MadeTile(1, bytes(100)))
        cache.take(0, 1)
    assert len(cache) == 10
    assert cache.held <= cache.most
    assert cache.take(0, 1) is not None
    assert cache.take(1, 1) is None
    assert cache.take(14, 2) is None
    cache.keep(14, MadeTile(3, b"new"))
    cache.keep(14, MadeTile(2, b"old"))
    assert cache.take(14, 3) == MadeTile(3, b"new")
    cache.keep(99, MadeTile(1, bytes(cache.most)))
    assert not cache.holds(99)
    assert cache.held == sum(OVERHEAD + (100 if key != 14 else 3) for key in range(15) if cache.holds(key))


def test_matrices_are_those_of_the_standard() -> None:
    assert [one["matrixWidth"] for one in definition()["tileMatrices"]] == [2**n for n in range(LEVELS)]
    assert Tile(0, 0, 0).bounds() == pytest.approx((-180, -85.0511287798, 180, 85.0511287798))
    west, south, east, north = Tile(3, 5, 2).bounds()
    assert fraction(west, north, 3) == pytest.approx((5, 2))
    assert fraction(east, south, 3) == pytest.approx((6, 3))
    assert read_tile("3", "2", "5") == Tile(3, 5, 2)
    assert all(read_tile(*one) is None for one in (("3", "8", "0"), ("x", "0", "0"), ("³", "0", "0")))
    world = limits((-180, -90, 180, 90))
    assert [one["maxTileCol"] for one in world] == [2**n - 1 for n in range(LEVELS)]
    assert [one["maxTileRow"] for one in world] == [2**n - 1 for n in range(LEVELS)]
