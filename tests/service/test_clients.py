"""Clients that people use, against the service: GDAL, OWSLib, and the requests that QGIS makes."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import httpx
import numpy as np
import pyproj
import pytest
import shapely
from owslib.ogcapi.features import Features

from service.access import Role
from service.query.crs import BELTS

from .towns import CODE

if TYPE_CHECKING:
    from .api import Served

pytestmark = pytest.mark.database

GEOJSON = "application/geo+json, application/json;q=0.5"


READ = """
import sys, pickle, pyogrio
address, layer, options = pickle.load(sys.stdin.buffer)
frame = pyogrio.read_dataframe("OAPIF:" + address, layer=layer, **options)
pickle.dump(frame, sys.stdout.buffer)
"""


def read(served: Served, collection: str, **options: Any) -> gpd.GeoDataFrame:
    """A layer as GDAL reads it, in a process of its own: it would keep the server's thread from answering."""
    asked = pickle.dumps((served.address, collection, options))
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-c", READ], input=asked, capture_output=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
    return pickle.loads(run.stdout)  # noqa: S301


def stored(served: Served, collection: str, geometry: str = "geom") -> dict[str, shapely.Geometry]:
    key = {"buildings": "division_code || ':' || building_id", "grids": "code"}[collection]
    rows = served.rows(
        f"select {key} as key, st_asbinary({geometry}) as wkb from {collection}"  # noqa: S608
        f" where division_code = :code {'and part = 0' if collection == 'buildings' else ''}",
        code=CODE,
    )
    return {row.key: shapely.from_wkb(bytes(row.wkb)) for row in rows}


# --- GDAL ---


def test_gdal_finds_every_collection(served: Served) -> None:
    asked = f"import pyogrio; print(*pyogrio.list_layers('OAPIF:{served.address}')[:, 0])"
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True
    )
    assert set(run.stdout.split()) >= {"grids", "buildings", "streets", "facilities", "cases"}


@pytest.mark.parametrize("page", [7, 1000])
def test_gdal_reads_every_feature_over_pages(served: Served, page: int) -> None:
    frame = read(served, "buildings", PAGE_SIZE=str(page))
    rows = served.rows("select count(*) from buildings where division_code = :code", code=CODE)
    assert len(frame) == rows[0][0]
    whole = stored(served, "buildings")
    found = dict(zip(frame["community"] + ":" + frame["building_id"], frame.geometry, strict=True))
    assert set(found) == set(whole)
    # to the last digit: what is read could be written back
    same = [
        shapely.equals_exact(shape, found[key], 0) for key, shape in whole.items() if "-0" not in key[-2:]
    ]
    assert same
    assert all(same)


def test_gdal_asks_for_a_box(served: Served) -> None:
    whole = stored(served, "grids")
    target = min(whole.values(), key=lambda shape: shape.area)
    middle = target.representative_point()
    near = read(served, "grids", bbox=(middle.x - 1e-6, middle.y - 1e-6, middle.x + 1e-6, middle.y + 1e-6))
    assert len(near) == 1
    assert whole[near["code"].iloc[0]].contains(middle)


def test_gdal_filters_on_the_server(served: Served) -> None:
    client = served.client()
    code = client.get("/collections/grids/items?limit=1").json()["features"][0]["id"]
    frame = read(served, "grids", where=f"code = '{code}'")
    assert frame["code"].tolist() == [code]


def test_gdal_takes_another_system(served: Served) -> None:
    for uri, code in (("EPSG:3857", 3857), (f"EPSG:{BELTS[117].srid}", BELTS[117].srid)):
        frame = read(served, "grids", CRS=uri)
        assert frame.crs == pyproj.CRS.from_epsg(code)
        whole = gpd.GeoSeries(stored(served, "grids"), crs=4326).to_crs(code)
        for grid, shape in zip(frame["code"], frame.geometry, strict=True):
            expected = whole[grid]
            assert shapely.hausdorff_distance(shape, expected) < 1e-6


# --- OWSLib ---


def test_owslib_reads_collections_schemas_and_features(served: Served) -> None:
    api = Features(served.address)
    assert set(api.feature_collections()) >= {"grids", "buildings", "cases"}
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in api.conformance()["conformsTo"]
    assert api.collection("grids")["id"] == "grids"
    queryables = api.collection_queryables("grids")
    assert queryables["properties"]["area_m2"]["type"] == "number"
    found = api.collection_items("grids", limit=3)
    assert found["numberReturned"] == 3
    one = api.collection_item("grids", found["features"][1]["id"])
    assert one["properties"] == found["features"][1]["properties"]
    dear = api.collection_items("grids", filter="buildings > 0 AND kind = 'basic'", limit=1000)
    assert dear["numberMatched"] == dear["numberReturned"] > 3
    assert api.api()["openapi"].startswith("3.0")


# --- QGIS ---


def qgis(served: Served, address: str, **query: Any) -> httpx.Response:
    """As QGIS asks: its own Accept header, absolute links followed as they are."""
    answer = served.client().get(address, params=query or None, headers={"accept": GEOJSON})
    assert answer.status_code == 200, answer.text
    return answer


def test_qgis_walks_from_the_landing_page_to_the_last_feature(served: Served) -> None:
    landing = qgis(served, "/").json()
    links = {link["rel"]: link["href"] for link in landing["links"]}
    described = served.client().get(
        links["service-desc"], headers={"accept": "application/vnd.oai.openapi+json;version=3.0"}
    )
    # QGIS takes the largest page from the API's description
    limits = [
        one["schema"]["maximum"]
        for one in described.json()["components"]["parameters"].values()
        if one["name"] == "limit"
    ]
    assert limits == [10_000]
    listed = qgis(served, links["data"]).json()["collections"]
    buildings = next(one for one in listed if one["id"] == "buildings")
    items = next(
        link["href"]
        for link in buildings["links"]
        if link["rel"] == "items" and link["type"] == "application/geo+json"
    )
    seen: list[str] = []
    body = qgis(served, items, limit=13).json()
    while True:
        seen += [feature["id"] for feature in body["features"]]
        following = [link for link in body["links"] if link["rel"] == "next"]
        if not following:
            break
        assert following[0]["type"] == "application/geo+json"
        body = qgis(served, following[0]["href"]).json()
    rows = served.rows("select count(*) from buildings where division_code = :code", code=CODE)
    assert len(seen) == len(set(seen)) == rows[0][0]


def test_qgis_counts_by_asking(served: Served) -> None:
    rows = served.rows("select count(*) from buildings where division_code = :code", code=CODE)[0][0]
    body = qgis(served, "/collections/buildings/items", limit=1, count="true").json()
    assert (body["numberMatched"], body["numberReturned"]) == (rows, 1)
    last = qgis(served, "/collections/buildings/items", limit=10, offset=rows - 4).json()
    assert (last["numberMatched"], last["numberReturned"]) == (rows, 4)


def test_qgis_skips_by_offset(served: Served) -> None:
    whole = qgis(served, "/collections/buildings/items", limit=1000).json()["features"]
    parts: list[Any] = []
    while True:
        found = qgis(served, "/collections/buildings/items", limit=50, offset=len(parts)).json()["features"]
        parts += found
        if len(found) < 50:
            break
    assert parts == whole


def test_qgis_negotiates_the_system(served: Served) -> None:
    collection = qgis(served, "/collections/grids").json()
    assert collection["storageCrs"] in collection["crs"]
    assert collection["crs"][4:] == [BELTS[117].uri]
    west, south, east, north = collection["extent"]["spatial"]["bbox"][0]
    plain = qgis(served, "/collections/grids/items").json()["features"]
    for uri in collection["crs"]:
        code = uri.rpartition("/")[2]
        system = pyproj.CRS.from_user_input("OGC:CRS84" if code == "CRS84" else f"EPSG:{code}")
        project = pyproj.Transformer.from_crs("OGC:CRS84", system)  # in the authority's order of axes
        corners = np.array([project.transform(x, y) for x in (west, east) for y in (south, north)])
        box = ",".join(repr(float(one)) for one in [*corners.min(axis=0), *corners.max(axis=0)])
        answer = qgis(served, "/collections/grids/items", **{"crs": uri, "bbox": box, "bbox-crs": uri})
        assert answer.headers["content-crs"] == f"<{uri}>"
        features = answer.json()["features"]
        assert [one["id"] for one in features] == [one["id"] for one in plain]
        for one, other in zip(plain, features, strict=True):
            expected = np.column_stack(
                project.transform(
                    *shapely.get_coordinates(shapely.from_geojson(json.dumps(one["geometry"]))).T
                )
            )
            found = shapely.get_coordinates(shapely.from_geojson(json.dumps(other["geometry"])))
            assert np.abs(expected - found).max() < (1e-9 if system.is_geographic else 1e-6)


def test_qgis_asks_which_methods_there_are(served: Served) -> None:
    address = "/collections/facilities/items"
    allow = {
        role: set(served.client(role).options(address).headers["allow"].split(", "))
        for role in (Role.PUBLIC, Role.PLANNER)
    }
    assert allow[Role.PUBLIC] == {"GET", "HEAD", "OPTIONS"}
    described = served.client(Role.PLANNER).get("/api").json()["paths"][address]
    assert allow[Role.PLANNER] == {"HEAD", "OPTIONS"} | {method.upper() for method in described}
    assert served.client().options("/nothing").status_code == 404


def test_a_page_of_another_origin_may_read_as_the_public(served: Served) -> None:
    client = served.client()
    origin = {"origin": "https://map.example", "sec-fetch-site": "cross-site"}
    asked = {
        **origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }
    before = client.options("/collections/grids/items", headers=asked)
    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in before.headers["access-control-allow-headers"]
    answer = client.get("/collections/grids/items?limit=1", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
