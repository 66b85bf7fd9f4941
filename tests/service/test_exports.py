"""Downloads of collections: what each format holds, for whom, and what happens when disk or client go."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import httpx
import pandas as pd
import pytest
import shapely
from click.testing import Result
from sqlalchemy import text
from typer.testing import CliRunner

from service.access import PUBLIC, Principal, Role, access
from service.commands import collection as commands
from service.commands import terminal
from service.commands.demo import user
from service.exports import download, names
from service.exports.desk import Desk
from service.exports.faults import FullDiskError
from service.exports.formats import FORMATS
from service.exports.outputs import write_rows
from service.exports.shelf import KeptFile, Shelf
from service.exports.workshop import Making, Workshop
from service.faults import BusyError, RateError
from service.privacy.seals import Seals
from service.query.question import Question
from service.registry import COLLECTIONS, Collection
from service.store.added import Declaration, add_collection, read_collections, remove_collection
from service.store.exports import Rows
from service.web.context import Context, client_of
from service.web.shown import Shown

from .api import Served, serve
from .towns import CODE

pytestmark = pytest.mark.database

BELT = "http://www.opengis.net/def/crs/EPSG/0/4548"
FILES = ("gpkg", "shp", "fgb")
READER = """
import json, sys, warnings
import pyogrio
warnings.simplefilter("ignore")
for line in sys.stdin:
    found = {}
    for name, kind in pyogrio.list_layers(line.strip()):
        frame = pyogrio.read_dataframe(line.strip(), layer=name)
        shapes = [None if one is None else one.wkt for one in frame.geometry]
        rows = json.loads(frame.drop(columns="geometry").to_json(orient="records", date_format="iso"))
        found[name] = {"kind": kind, "crs": frame.crs.to_epsg(), "rows": rows, "shapes": shapes}
    print(json.dumps(found), flush=True)
"""
READERS: list[subprocess.Popen[str]] = []


@pytest.fixture(scope="module", autouse=True)
def reader() -> Iterator[None]:
    """GDAL in a process of its own, for all that is read back."""
    command = [sys.executable, "-c", READER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        READERS.append(process)
        yield
        READERS.clear()


def read_back(path: Path | str) -> dict[str, Any]:
    """Layers of a file as GDAL reads them; a text is a name of GDAL's own."""
    (process,) = READERS
    assert process.stdin is not None
    assert process.stdout is not None
    name = f"/vsizip/{path}" if str(path).endswith(".zip") else str(path)
    print(name, file=process.stdin, flush=True)
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


@pytest.fixture
def client(served: Served) -> httpx.Client:
    return served.client()


def fetch(client: httpx.Client, folder: Path, name: str, form: str, **asked: str) -> dict[str, Any]:
    """Download a collection, and the one layer that GDAL finds in it."""
    answer = client.get(f"/collections/{name}/export", params={"f": form, **asked})
    assert answer.status_code == 200, answer.text
    path = folder / f"{name}{FORMATS[form].suffix}"
    path.write_bytes(answer.content)
    (layer,) = read_back(path).values()
    assert len(layer["rows"]) == int(answer.headers["ogc-numbermatched"])
    assert isinstance(layer, dict)
    return layer


def items_of(client: httpx.Client, name: str, **asked: str) -> dict[str, Any]:
    """The features of a collection by id."""
    answer = client.get(f"/collections/{name}/items", params={"limit": "10000", **asked})
    assert answer.status_code == 200
    return {feature["id"]: feature for feature in answer.json()["features"]}


# --- what the files hold ---


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("name", ["buildings", "streets", "cases", "facilities"])
def test_a_file_holds_the_features_of_the_items(served: Served, tmp_path: Path, form: str, name: str) -> None:
    client = served.client(Role.PLANNER)
    wanted = items_of(client, name)
    layer = fetch(client, tmp_path, name, form)
    assert layer["crs"] == 4326
    order = [row["id"] for row in layer["rows"]]
    assert (sorted(order) if form == "fgb" else order) == (sorted(wanted) if form == "fgb" else list(wanted))
    short = dict(zip(layer["rows"][0], ["id", *next(iter(wanted.values()))["properties"]], strict=True))
    for row, shape in zip(layer["rows"], layer["shapes"], strict=True):
        feature = wanted[row["id"]]
        assert shapely.from_wkt(shape).equals(shapely.geometry.shape(feature["geometry"]))
        for column, full in list(short.items())[1:]:
            assert alike(row[column], feature["properties"][full]), (column, row[column])


def alike(read: Any, told: Any) -> bool:
    """Equal, with times in any notation; a Shapefile has no empty texts, and 0 and 1 for no and yes."""
    if isinstance(told, str) and told[4:5] == "-" and "T" in told:
        return bool(pd.Timestamp(read) == pd.Timestamp(told).floor("ms"))
    if told == "" or told is None:
        return read in (None, "")
    return bool(read == told)


def test_grids_keep_every_column_and_their_shapes(client: httpx.Client, tmp_path: Path) -> None:
    wanted = items_of(client, "grids", crs=BELT)
    for form in ("gpkg", "fgb"):
        layer = fetch(client, tmp_path, "grids", form, crs=BELT)
        assert layer["crs"] == 4548
        assert layer["kind"] == "MultiPolygon"
        for row, shape in zip(layer["rows"], layer["shapes"], strict=True):
            feature = wanted[row.pop("id")]
            # northing comes first in the items of a belt, easting in files
            turned = shapely.transform(shapely.from_wkt(shape), lambda points: points[:, ::-1])
            assert turned.equals(shapely.geometry.shape(feature["geometry"]))
            assert list(row) == list(feature["properties"])
            assert all(alike(row[name], told) for name, told in feature["properties"].items())


def test_geojson_is_of_rfc_7946(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.get("/collections/grids/export")
    assert answer.headers["content-type"] == "application/geo+json"
    assert "content-length" not in answer.headers
    body = answer.json()
    assert list(body) == ["type", "name", "features", "numberReturned"]
    assert body["numberReturned"] == len(body["features"]) == int(answer.headers["ogc-numbermatched"]) > 5
    for feature in body["features"]:
        for ring in feature["geometry"]["coordinates"][:1]:
            assert shapely.LinearRing(ring).is_ccw
    wanted = items_of(client, "grids")
    assert {one["id"]: one["properties"] for one in body["features"]} == {
        key: one["properties"] for key, one in wanted.items()
    }
    (tmp_path / "grids.geojson").write_bytes(answer.content)
    assert read_back(tmp_path / "grids.geojson")["grids"]["crs"] == 4326
    refused = client.get("/collections/grids/export", params={"crs": BELT, "lang": "en"})
    assert refused.status_code == 400
    assert "CRS84 only" in refused.json()["detail"]


def test_holes_turn_the_other_way(served: Served) -> None:
    ring = shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 2))
    for turned in (shapely.geometry.polygon.orient(ring, 1), shapely.geometry.polygon.orient(ring, -1)):
        with layer_of(served, {"a": [1]}, [turned]) as name:
            feature = served.client().get(f"/collections/{name}/export").json()["features"][0]
            outer, inner = feature["geometry"]["coordinates"]
            assert shapely.LinearRing(outer).is_ccw
            assert not shapely.LinearRing(inner).is_ccw


def table(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_csv_has_points_as_numbers_and_other_shapes_as_wkt(client: httpx.Client) -> None:
    answer = client.get("/collections/facilities/export?f=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert not answer.content.startswith("\ufeff".encode())
    for row in table(answer):
        feature = items_of(client, "facilities")[row["id"]]
        assert [float(row["lon"]), float(row["lat"])] == feature["geometry"]["coordinates"]
        assert row["name"] == feature["properties"]["name"]
    streets = table(client.get("/collections/streets/export?f=csv&encoding=UTF-8-BOM"))
    for row in streets:
        feature = items_of(client, "streets")[row["id"]]
        assert shapely.from_wkt(row["wkt"]).equals(shapely.geometry.shape(feature["geometry"]))
        assert row["bridge"] == "false"
    bom = client.get("/collections/streets/export?f=csv&encoding=UTF-8-BOM")
    assert bom.content.startswith("\ufeffid,".encode())
    assert "wkt" not in table(client.get("/collections/streets/export?f=csv&geometry=none"))[0]
    inside = table(client.get(f"/collections/grids/export?f=csv&geometry=xy&crs={BELT}"))
    shapes = {
        key: shapely.geometry.shape(one["geometry"])
        for key, one in items_of(client, "grids", crs=BELT).items()
    }
    for row in inside:  # northing comes first in the items of a belt
        assert shapes[row["id"]].contains(shapely.Point(float(row["y"]), float(row["x"])))


@contextmanager
def layer_of(served: Served, columns: dict[str, Any], shapes: list[Any], **declared: Any) -> Iterator[str]:
    """An added collection, as long as the context lasts."""
    frame = gpd.GeoDataFrame(columns, geometry=shapes, crs=4326)
    with served.database.owner.begin() as connection:
        add_collection(connection, frame, Declaration("extra", "open", **declared))
    try:
        yield "extra"
    finally:
        with served.database.owner.begin() as connection:
            remove_collection(connection, "extra")


POINT = shapely.Point(117, 30.72)


def test_no_cell_of_a_table_is_a_formula(served: Served) -> None:
    evil = ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＠x"]
    plain = ["a=b", "1-2", 'with "quotes", commas\r\nand lines', "", "号", "100% :name"]
    with layer_of(served, {"=name": evil + plain, "n": range(-1, 14)}, [POINT] * 15) as name:
        answer = served.client().get(f"/collections/{name}/export?f=csv")
    rows = table(answer)
    assert answer.text.startswith("id,'=name,n,lon,lat\r\n")
    assert [row["'=name"] for row in rows] == [f"'{one}" for one in evil] + plain
    assert [row["n"] for row in rows] == [str(number) for number in range(-1, 14)]  # a number is none


def test_null_and_the_empty_text_differ_in_a_table(served: Served) -> None:
    columns = {"text": [None, ""], "day": pd.array([None, "2026-05-01"], dtype=object)}
    with layer_of(served, columns, [POINT, None]) as name:
        lines = served.client().get(f"/collections/{name}/export?f=csv").text.split("\r\n")
    assert lines[1].endswith(",,,117,30.72")
    assert lines[2].endswith(',"","2026-05-01",,')


# --- what is asked for ---


@pytest.mark.parametrize("form", FORMATS)
def test_filters_boxes_orders_and_columns_are_those_of_the_items(
    client: httpx.Client, tmp_path: Path, form: str
) -> None:
    west, south, east, north = client.get("/collections/buildings").json()["extent"]["spatial"]["bbox"][0]
    asked = {
        "bbox": f"{west},{south},{(west + east) / 2},{north}",
        "filter": "use <> 'school' AND building_id LIKE '001-%'",
        "sortby": "-building_id",
        "properties": "building_id,use",
    }
    wanted = items_of(client, "buildings", **asked)
    assert 10 < len(wanted) < len(items_of(client, "buildings"))
    if form == "csv":
        rows: Any = table(client.get("/collections/buildings/export", params={"f": form, **asked}))
    else:
        rows = fetch(client, tmp_path, "buildings", form, **asked)["rows"]
    assert [row["building_id" if form != "shp" else "building_i"] for row in rows] == [
        one["properties"]["building_id"] for one in wanted.values()
    ]
    assert "grid" not in rows[0]
    equal = client.get("/collections/buildings/export", params={"f": "geojson", "use": "school"}).json()
    assert {one["id"] for one in equal["features"]} == set(items_of(client, "buildings", use="school"))


@pytest.mark.parametrize("form", FORMATS)
def test_no_columns_may_be_wanted(client: httpx.Client, tmp_path: Path, form: str) -> None:
    if form == "csv":
        answer = client.get("/collections/grids/export?f=csv&properties=&geometry=none")
        assert sorted(answer.text.split()[1:]) == sorted(f'"{key}"' for key in items_of(client, "grids"))
    else:
        layer = fetch(client, tmp_path, "grids", form, properties="")
        assert {row["id"] for row in layer["rows"]} == set(items_of(client, "grids"))
        assert list(layer["rows"][0]) == ["id"]


@pytest.mark.parametrize("form", FORMATS)
def test_an_answer_without_features_is_a_file_too(client: httpx.Client, tmp_path: Path, form: str) -> None:
    asked = {"filter": "use = 'nothing of the kind'"}
    if form == "csv":
        answer = client.get("/collections/buildings/export", params={"f": form, **asked})
        assert (answer.headers["ogc-numbermatched"], table(answer)) == ("0", [])
        assert answer.text.startswith("id,building_id,")
    else:
        assert fetch(client, tmp_path, "buildings", form, **asked)["rows"] == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("f=dwg", "geojson, gpkg, shp, csv, fgb"),
        ("f=gpkg&encoding=GBK", "encoding"),
        ("f=csv&encoding=GBK", "UTF-8-BOM"),
        ("f=shp&geometry=wkt", "geometry"),
        ("f=csv&geometry=polygon", "none"),
        ("f=geojson&fit=cut", "fit"),
        ("f=csv&limit=5", "limit"),
        ("f=csv&households=3", "households"),
        ("f=gpkg&filter=households > 3", "households"),
        ("f=shp&sortby=households", "households"),
        ("f=fgb&properties=households", "households"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_name(client: httpx.Client, asked: str, told: str) -> None:
    answer = client.get(f"/collections/buildings/export?lang=en&{asked}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.json()["detail"]


def test_pages_lead_to_the_downloads(client: httpx.Client) -> None:
    for path in ("/collections/buildings", "/collections/buildings/items?use=school&limit=3&offset=2"):
        links = [one for one in client.get(path).json()["links"] if one["rel"] == "enclosure"]
        assert [one["title"] for one in links] == [one.title for one in FORMATS.values()]
        for one in links:
            answer = client.get(one["href"])
            assert answer.status_code == 200
            assert answer.headers["content-type"].partition(";")[0] == one["type"]
            if "items" in path:
                schools = len(items_of(client, "buildings", use="school"))
                assert answer.headers["ogc-numbermatched"] == str(schools)
        shown = client.get(path, headers={"accept": "text/html"}).text
        assert "下载全部" in shown
        assert shown.count("/collections/buildings/export?") == len(FORMATS)
    page = client.get("/collections/grids?f=html&lang=en").text
    assert "Download all" in page
    assert "f=shp&amp;fit=cut" in page
    described = client.get("/api").json()["paths"]["/collections/grids/export"]["get"]
    assert set(described["responses"]["200"]["content"]) == {one.media for one in FORMATS.values()}
    named = {one.get("name") for one in described["parameters"]}
    assert {"f", "crs", "sortby", "encoding", "geometry", "fit", "households"} <= named
    assert not {"limit", "offset", "cursor"} & named


def test_a_download_known_to_the_client_is_not_made_again(client: httpx.Client) -> None:
    first = client.get("/collections/grids/export?f=gpkg")
    tag = first.headers["etag"]
    again = client.get("/collections/grids/export?f=gpkg", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/collections/grids/export?f=fgb", headers={"if-none-match": tag})
    assert other.status_code == 200
    assert again.headers["etag"] == tag


# --- going on after a broken connection ---


@pytest.fixture(scope="module")
def twin(served: Served) -> Iterator[Served]:
    """Another server of the same database, as behind a balancer, or after a start."""
    with serve(served.database, served.area) as running:
        yield running


@pytest.mark.parametrize("form", FORMATS)
def test_a_broken_download_goes_on_on_whichever_server(served: Served, twin: Served, form: str) -> None:
    path = f"/collections/buildings/export?f={form}"
    whole = served.client(Role.PLANNER).get(path)
    assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
    tag, size = whole.headers["etag"], len(whole.content)
    assert not tag.startswith("W/")  # If-Range takes no weak ones
    for server in (served, twin):
        client = server.client(Role.PLANNER)
        assert client.head(path).headers["etag"] == tag
        rest = client.get(path, headers={"range": "bytes=1000-", "if-range": tag})
        assert rest.status_code == 206
        assert rest.headers["content-range"] == f"bytes 1000-{size - 1}/{size}"
        assert rest.headers["content-length"] == str(size - 1000)
        assert rest.headers["etag"] == tag
        assert rest.content == whole.content[1000:]
        assert client.get(path, headers={"range": "bytes=-7"}).content == whole.content[-7:]
        assert client.get(path, headers={"range": "bytes=5-9"}).content == whole.content[5:10]


@pytest.mark.parametrize("form", ["fgb", "gpkg"])
def test_gdal_reads_a_file_on_the_server_in_parts(
    served: Served, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    parts = []
    read = download.FileSource.open

    def noting(source: download.FileSource) -> dict[str, str]:
        headers = read(source)
        parts.append(source.status)
        return headers

    monkeypatch.setattr(download.FileSource, "open", noting)
    (layer,) = read_back(f"/vsicurl/{served.address}/collections/buildings/export?f={form}").values()
    assert {row["id"] for row in layer["rows"]} == set(items_of(client, "buildings"))
    assert set(parts) == {206}


def test_what_changed_meanwhile_is_sent_whole(served: Served) -> None:
    client = served.client()
    paths = [f"/collections/compounds/export?f={form}" for form in ("csv", "gpkg")]
    before = [client.get(path).headers["etag"] for path in paths]
    with served.database.owner.begin() as connection:
        connection.execute(text("update compounds set name = name || '园'"))
    for path, tag in zip(paths, before, strict=True):
        answer = client.get(path, headers={"range": "bytes=100-", "if-range": tag})
        assert answer.status_code == 200
        assert answer.headers["etag"] != tag
        assert answer.content == client.get(path).content
        # in another form, too, a tag is none of this file
        other = client.get(f"{path}&properties=name", headers={"range": "bytes=9-", "if-range": tag})
        assert other.status_code == 200


def test_rows_in_another_order_are_another_file(served: Served) -> None:
    """What they are sorted by need not be among what is shown."""
    client = served.client(Role.PLANNER)
    path = "/collections/buildings/export?f=csv&properties=use&sortby=households"
    before = client.get(path)
    [(row, kept)] = served.rows(
        "select id, households from buildings order by households desc, id desc limit 1"
    )
    change = text("update buildings set households = :households where id = :row")
    with served.database.owner.begin() as connection:
        connection.execute(change, {"row": row, "households": 0})
    try:
        after = client.get(path, headers={"if-none-match": before.headers["etag"]})
        assert after.status_code == 200
        assert sorted(after.text.splitlines()) == sorted(before.text.splitlines())
        assert after.content != before.content
        assert after.headers["etag"] != before.headers["etag"]
    finally:
        with served.database.owner.begin() as connection:
            connection.execute(change, {"row": row, "households": kept})


def test_the_tag_of_a_download_tells_no_number_of_a_row(
    served: Served, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that it is made from can be had or tried, but for a secret of the installation."""
    found = client.get("/collections/grids/export?f=csv")
    other = Seals(b"another", "")
    monkeypatch.setattr(Context, "seals", property(lambda _: other))
    served.app.state.shown = Shown()
    again = client.get("/collections/grids/export?f=csv")
    assert again.content == found.content
    assert again.headers["etag"] != found.headers["etag"]


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=1-2,5-6", "rows=1-2", "bytes=-", "bytes=x-", "bytes"])
def test_what_is_no_part_is_sent_whole(client: httpx.Client, asked: str) -> None:
    answer = client.get("/collections/compounds/export?f=csv", headers={"range": asked})
    assert answer.status_code == 200
    assert answer.content == client.get("/collections/compounds/export?f=csv").content


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused_with_the_size(client: httpx.Client, asked: str) -> None:
    path = "/collections/compounds/export?f=csv"
    size = len(client.get(path).content)
    answer = client.get(path, headers={"range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert answer.json()["code"] == "range"
    assert answer.headers["content-type"] == "application/problem+json"


def test_parts_of_one_file_are_one_line_on_record(served: Served) -> None:
    def lines(form: str, client: httpx.Client, **headers: str) -> int:
        before = served.rows("select coalesce(max(id), 0) from audit")[0][0]
        answer = client.get(f"/collections/cases/export?f={form}", headers=headers)
        assert answer.status_code in (200, 206)
        return len(served.rows("select 1 from audit where id > :before", before=before))

    centre = served.client(Role.CENTRE)
    served.app.state.workshop.shelf.clear()
    assert lines("gpkg", centre, range="bytes=500-") == 1  # nobody has a part without a line
    assert lines("gpkg", centre, range="bytes=0-499") == 0
    assert lines("csv", centre) == 1
    assert lines("csv", centre, range="bytes=9-") == 1  # the stream was no kept file
    assert lines("csv", centre, range="bytes=20-") == 0
    assert lines("csv", centre) == lines("gpkg", centre) == 1  # downloads of their own


def test_a_kept_file_is_nobody_elses(served: Served) -> None:
    path = "/collections/buildings/export?f=gpkg"
    whole = {role: served.client(role).get(path) for role in (Role.PUBLIC, Role.PLANNER)}
    tags = {role: answer.headers["etag"] for role, answer in whole.items()}
    assert tags[Role.PUBLIC] != tags[Role.PLANNER]
    wanted = {"range": "bytes=100-", "if-range": tags[Role.PLANNER]}
    answer = served.client().get(path, headers=wanted)
    assert (answer.status_code, answer.content) == (200, whole[Role.PUBLIC].content)


def test_kept_files_leave_by_size_number_and_time(tmp_path: Path) -> None:
    def made(name: str, size: int) -> KeptFile:
        path = tmp_path / name
        path.write_bytes(bytes(size))
        file = KeptFile(path)
        path.unlink()
        return file

    def held() -> int:
        found = []
        for one in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # another thread closed it meanwhile
                found.append(str(one.readlink()))
        return sum(str(tmp_path) in one for one in found)

    shelf = Shelf(100, files=3, seconds=0.05)
    for name, size in (("a", 40), ("b", 40), ("c", 40), ("d", 400)):
        file = made(name, size)
        shelf.put(name, file)
        file.let_go()
    assert shelf.take("a") is None  # c took its place
    assert shelf.take("d") is None  # too large to be kept
    assert held() == 2
    reader = shelf.take("b")
    assert reader is not None
    shelf.clear()
    assert reader.read(10, 100) == bytes(30)  # who reads keeps it
    reader.let_go()
    assert held() == 0
    file = made("e", 10)
    shelf.put("e", file)
    file.let_go()
    assert soon(lambda: len(shelf) == 0)
    assert held() == 0


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_rows_make_the_same_file(client: httpx.Client, form: str) -> None:
    first, second = (client.get(f"/collections/buildings/export?f={form}") for _ in range(2))
    assert first.content == second.content


@pytest.mark.parametrize("form", FORMATS)
def test_only_headers_are_made_for_head(served: Served, client: httpx.Client, form: str) -> None:
    answer = client.head(f"/collections/buildings/export?f={form}")
    assert answer.status_code == 200
    assert answer.headers["ogc-numbermatched"] == str(len(items_of(client, "buildings")))
    assert f'{FORMATS[form].suffix}"' in answer.headers["content-disposition"]
    assert answer.content == b""


# --- who gets what ---


@pytest.mark.parametrize("form", FORMATS)
def test_nobody_downloads_what_they_may_not_see(served: Served, tmp_path: Path, form: str) -> None:
    for role in (Role.PUBLIC, Role.CONSUMER, Role.PLANNER, Role.CENTRE):
        client = served.client(role)
        for name in ("buildings", "cases"):
            wanted = items_of(client, name)
            columns = ["id", *next(iter(wanted.values()))["properties"]]
            if form == "csv":
                rows: list[Any] = table(client.get(f"/collections/{name}/export?f=csv"))
                places = ["lon", "lat"] if name == "cases" else ["wkt"]
            else:
                rows, places = fetch(client, tmp_path, name, form)["rows"], []
            assert {row["id"] for row in rows} == set(wanted)
            if form == "shp":
                columns = names.unlike(columns, most=10)
            if form == "geojson":
                columns = list(dict.fromkeys(columns))
            assert list(rows[0]) == columns + places
    assert "households" not in items_of(served.client(), "buildings").popitem()[1]["properties"]


def test_who_takes_away_more_than_the_public_is_on_record(served: Served) -> None:
    before = served.rows("select max(id) from audit")[0][0] or 0
    served.client().get("/collections/buildings/export?f=csv")
    served.client(Role.CENTRE).get("/collections/streets/export?f=csv")
    served.client(Role.CENTRE).head("/collections/cases/export?f=csv")
    assert not served.rows("select 1 from audit where id > :before", before=before)
    served.client(Role.CENTRE).get("/collections/cases/export?f=gpkg&category=dispute")
    (row,) = served.rows("select * from audit where id > :before", before=before)
    assert (row.action, row.role, row.principal) == ("export", "centre", "test centre")
    disputes = len(items_of(served.client(Role.CENTRE), "cases", category="dispute"))
    told = {"collection": "cases", "format": "gpkg", "features": disputes, "narrowed": True}
    assert told.items() <= row.details.items()
    assert row.division_code == CODE


def test_each_community_has_a_line_of_its_own_on_record(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(path: str, **who: Any) -> list[tuple[str, dict[str, Any]]]:
        before = served.rows("select max(id) from audit")[0][0] or 0
        assert served.client(Role.PLANNER, **who).get(path).status_code == 200
        found = served.rows("select * from audit where id > :before order by id", before=before)
        return [(row.division_code, row.details) for row in found]

    path = "/collections/buildings/export?f=csv"
    counts = dict(served.rows("select division_code, count(*) from buildings group by 1"))
    assert len(counts) == 2
    whole = lines(path)
    assert {code: details["features"] for code, details in whole} == counts
    assert [code for code, _ in lines(path, scope=CODE)] == [CODE]
    assert [(code, told["features"]) for code, told in lines(f"{path}&use=zebra")] == [("", 0)]
    monkeypatch.setattr("service.store.exports.AUDITED_MOST", 1)
    first, rest = lines(path)
    assert first == whole[0]
    assert rest[0] == "…"
    assert {"communities": 1, "features": counts[max(counts)]}.items() <= rest[1].items()
    # whoever answers for one community finds what was taken from it
    officer = served.client(Role.PRIVACY_OFFICER, scope=CODE)
    found = officer.get("/audit", params={"action": "export", "limit": "1"}).json()["lines"]
    assert found[0]["division"] == CODE


# --- Shapefiles ---


def test_chinese_text_comes_back_from_a_shapefile_of_either_encoding(
    client: httpx.Client, tmp_path: Path
) -> None:
    names_ = {one["properties"]["name"] for one in items_of(client, "streets").values()}
    for encoding, page in (("GBK", "gbk"), ("UTF-8", "utf-8")):
        layer = fetch(client, tmp_path, "streets", "shp", encoding=encoding)
        assert {row["name"] for row in layer["rows"]} == names_
        with zipfile.ZipFile(tmp_path / "streets.zip") as archive:
            assert sorted(archive.namelist()) == [
                f"streets.{suffix}" for suffix in ("cpg", "dbf", "prj", "shp", "shx", "txt")
            ]
            assert archive.read("streets.cpg").decode() == encoding
            assert "1号路".encode(page) in archive.read("streets.dbf")


def test_long_names_are_shortened_and_told(client: httpx.Client, tmp_path: Path) -> None:
    layer = fetch(client, tmp_path, "cases", "shp")
    assert max(map(len, layer["rows"][0])) <= 10
    with zipfile.ZipFile(tmp_path / "cases.zip") as archive:
        note = archive.read("cases.txt").decode("utf-8-sig")
    for name in layer["rows"][0]:
        assert f"\r\n{name} = " in note
    shorter = names.unlike(["buildings_unknown", "buildings_u2", "Buildings_", "楼栋户数统计"], most=10)
    assert shorter == ["buildings_", "building_1", "Building_2", "楼栋户"]
    assert names.unlike(["楼栋户数统计"], most=10, encoding="gbk") == ["楼栋户数统"]


def test_what_a_shapefile_cannot_hold_is_refused_all_at_once(served: Served, tmp_path: Path) -> None:
    columns = {
        "note": ["长" * 90, "短", "x" * 255, "y" * 254],
        "name": ["𠮷野", "王", "😀", "é"],
        "number": [10**18, 5, -(10**18), 10**15 - 1],
    }
    with layer_of(served, columns, [POINT] * 4) as name:
        client = served.client()
        asked = {"f": "shp", "lang": "en", "encoding": "GBK"}
        refused = client.get(f"/collections/{name}/export", params=asked)
        assert refused.status_code == 422
        told = refused.json()["detail"]
        assert "1 of note are longer than 254 bytes" in told
        assert "2 of name have characters that GBK lacks" in told
        assert "2 of number have more than 18 digits" in told
        assert (
            "2 of note"
            in client.get(f"/collections/{name}/export", params={**asked, "encoding": "UTF-8"}).json()[
                "detail"
            ]
        )
        layer = fetch(client, tmp_path, name, "shp", fit="cut", encoding="GBK")
        assert [row["note"] for row in layer["rows"]] == ["长" * 90, "短", "x" * 254, "y" * 254]
        assert [row["name"] for row in layer["rows"]] == ["?野", "王", "?", "é"]
        assert [row["number"] for row in layer["rows"]] == [None, 5, None, 10**15 - 1]
        with zipfile.ZipFile(tmp_path / "extra.zip") as archive:
            note = archive.read("extra.txt").decode("utf-8-sig")
        assert note.count("values had characters that GBK lacks") == 1
        kept = fetch(client, tmp_path, name, "shp", properties="", encoding="GBK")
        assert len(kept["rows"]) == 4


def test_each_kind_of_geometry_has_a_shapefile_of_its_own(served: Served, tmp_path: Path) -> None:
    shapes = [
        POINT,
        shapely.LineString([(117, 30), (117.1, 30)]),
        shapely.box(117, 30, 117.1, 30.1),
        shapely.MultiPolygon([shapely.box(117, 30, 117.1, 30.1), shapely.box(118, 30, 118.1, 30.1)]),
        shapely.MultiPoint([(117, 30), (117, 31)]),
    ]
    with layer_of(served, {"n": range(5)}, shapes) as name:
        client = served.client()
        path = tmp_path / "extra.zip"
        path.write_bytes(client.get(f"/collections/{name}/export?f=shp").content)
        found = read_back(path)
        mixed = fetch(client, tmp_path, name, "gpkg")
        flat = fetch(client, tmp_path, name, "fgb")
    assert {layer: [row["n"] for row in one["rows"]] for layer, one in found.items()} == {
        "extra_point": [0],
        "extra_line": [1],
        "extra_polygon": [2, 3],
        "extra_multipoint": [4],
    }
    for one in (mixed, flat):
        read = {
            row["n"]: shapely.from_wkt(shape) for row, shape in zip(one["rows"], one["shapes"], strict=True)
        }
        assert all(read[place].equals(shape) for place, shape in enumerate(shapes))


def test_every_kind_of_value_comes_back(served: Served, tmp_path: Path) -> None:
    columns = {
        "fid": [5, 5, 7],
        "geom": ["a", None, ""],
        "ID": ["x", "y", "z"],
        "whole": pd.array([2**53 + 1, None, -1], dtype="Int64"),
        "part": [0.1, None, -1e300],
        "yes": pd.array([True, None, False], dtype="boolean"),
        "moment": pd.to_datetime(
            ["2026-05-01T12:00:00.123Z", None, "1969-12-31T23:59:59Z"], format="ISO8601"
        ),
    }
    shapes = [POINT, None, POINT]
    with layer_of(served, columns, shapes) as name:
        client = served.client()
        for form in ("gpkg", "fgb"):
            layer = fetch(client, tmp_path, name, form)
            values = {key: [row[key] for row in layer["rows"]] for key in layer["rows"][0]}
            assert values["fid"] == [5, 5, 7]
            assert values["ID"] == ["x", "y", "z"]
            assert layer["shapes"] == ["POINT (117 30.72)", None, "POINT (117 30.72)"]
            assert values["geom"] == ["a", None, ""]
            assert [None if one is None else int(one) for one in values["whole"]][1:] == [None, -1]
            assert values["part"] == [0.1, None, -1e300]
            assert [pd.Timestamp(one) for one in values["moment"]][::2] == list(columns["moment"])[::2]
            assert values["moment"][1] is None


# --- limits, disks, and clients that leave ---


def rows_of(served: Served, name: str = "buildings", role: Role = Role.CENTRE) -> Rows:
    principal = Principal(role)
    allowed = access(principal, COLLECTIONS[name])
    assert allowed is not None
    return Rows(served.database.app, principal, COLLECTIONS[name], allowed, Question())


@pytest.fixture(scope="module")
def crowd(served: Served) -> Iterator[Collection]:
    """An added collection of many rows."""
    frame = gpd.GeoDataFrame({"name": ["一号"]}, geometry=[POINT], crs=4326)
    with served.database.owner.begin() as connection:
        add_collection(connection, frame, Declaration("crowd", "open"))
        (collection,) = (one for one in read_collections(connection) if one.name == "crowd")
        connection.execute(
            text(
                f"insert into {collection.table} (geom, c1) select st_makepoint(117 + n * 1e-5, 30), "  # noqa: S608
                "repeat(md5(n::text), 20) from generate_series(1, 60000) n"
            )
        )
    yield collection
    with served.database.owner.begin() as connection:
        remove_collection(connection, "crowd")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = os.geteuid() == 0 and subprocess.run(  # noqa: S603
        ["/bin/mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not made or made.returncode:
        pytest.skip("needs a disk of its own: only root may mount one")
    yield folder
    subprocess.run(["/bin/umount", str(folder)], check=True)  # noqa: S603


def crowd_rows(served: Served, crowd: Collection) -> Rows:
    allowed = access(PUBLIC, crowd)
    assert allowed is not None
    return Rows(served.database.app, PUBLIC, crowd, allowed, Question())


@pytest.mark.parametrize("reserve", [0, 64 << 20])
@pytest.mark.parametrize("form", FILES)
def test_a_full_disk_leaves_nothing(
    served: Served, crowd: Collection, disk: Path, form: str, reserve: int
) -> None:
    workshop = Workshop(disk, reserve=reserve)
    rows = crowd_rows(served, crowd)
    rows.open()
    fit: Any = "cut"
    try:
        with workshop.room() as room, pytest.raises(FullDiskError):
            Making(workshop, rows, FORMATS[form], fit=fit).make(room)
    finally:
        rows.close()
        workshop.close()
    assert list(disk.iterdir()) == []


def test_a_full_disk_is_told_and_nothing_is_sent(served: Served, disk: Path) -> None:
    kept = served.app.state.workshop
    served.app.state.workshop = Workshop(disk)
    try:
        answer = served.client().get("/collections/buildings/export?f=gpkg&lang=en")
        assert answer.status_code == 507
        assert answer.headers["content-type"] == "application/problem+json"
        assert "no room" in answer.json()["detail"]
        assert served.client().get("/collections/buildings/export?f=csv").status_code == 200  # needs no disk
        part = served.client().get("/collections/buildings/export?f=csv", headers={"range": "bytes=9-"})
        assert part.status_code == 507
    finally:
        served.app.state.workshop.close()
        served.app.state.workshop = kept
    assert list(disk.iterdir()) == []


def test_kept_files_make_room_on_a_full_disk(served: Served, disk: Path) -> None:
    kept = served.app.state.workshop
    served.app.state.workshop = workshop = Workshop(disk, reserve=0)
    try:
        large = disk / "large"
        room = os.statvfs(disk)
        large.write_bytes(bytes(room.f_bavail * room.f_frsize - 40_000))
        file = KeptFile(large)
        large.unlink()
        workshop.shelf.put("large", file)
        file.let_go()
        answer = served.client().get("/collections/buildings/export?f=gpkg")
        assert answer.status_code == 200
        assert workshop.shelf.take("large") is None
    finally:
        workshop.close()
        served.app.state.workshop = kept


def readers(served: Served, crowd: Collection) -> list[int]:
    """Processes of the database that read the crowd."""
    sql = "select pid from pg_locks where relation = cast(:name as regclass) and pid <> pg_backend_pid()"
    return [row.pid for row in served.rows(sql, name=crowd.table)]


def soon(holds: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def request(
    served: Served, path: str, source: str = "127.0.0.1", *, buffer: int = 0
) -> Iterator[socket.socket]:
    """A connection on which the path was asked for. buffer: bytes that its system takes before it does."""
    host, _, port = served.address.removeprefix("http://").partition(":")
    with socket.socket() as connection:
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.bind((source, 0))
        connection.connect((host, int(port)))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        yield connection


@pytest.mark.parametrize("form", ["geojson", "csv"])
def test_a_client_that_leaves_frees_its_connection(served: Served, crowd: Collection, form: str) -> None:
    with served.client().stream("GET", f"/collections/crowd/export?f={form}") as answer:
        assert answer.status_code == 200
        assert answer.headers["ogc-numbermatched"] == "60001"
        parts = answer.iter_raw()  # dropped, it would close the connection
        next(parts)
        assert len(readers(served, crowd)) == 1
        assert served.app.state.desk.running == 1
    assert soon(lambda: served.app.state.desk.running == 0 and not readers(served, crowd))
    assert served.client().get("/collections/grids/export").status_code == 200


@pytest.mark.parametrize("limit", ["STALL_S", "LONGEST_S"])
def test_a_client_that_takes_nothing_is_dropped(
    served: Served, crowd: Collection, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(download, limit, 0.3)
    with request(served, "/collections/crowd/export") as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert readers(served, crowd)
        assert soon(lambda: served.app.state.desk.running == 0 and not readers(served, crowd))
        connection.settimeout(20)
        received = b""
        while piece := connection.recv(1 << 20):
            received = received[-10:] + piece
        assert not received.endswith(b"0\r\n\r\n")  # the end of a body in chunks


def test_a_client_that_leaves_before_the_file_is_made_ends_the_work(
    served: Served, crowd: Collection, tmp_path: Path
) -> None:
    kept = served.app.state.workshop
    served.app.state.workshop = workshop = Workshop(tmp_path)
    try:
        with request(served, "/collections/crowd/export?f=gpkg&sortby=name"):
            assert soon(lambda: bool(list(tmp_path.glob("export-*/*"))))
        assert soon(lambda: served.app.state.desk.running == 0 and not readers(served, crowd))
        assert list(tmp_path.iterdir()) == []
    finally:
        workshop.close()
        served.app.state.workshop = kept


def test_a_body_that_breaks_off_is_not_taken_for_whole(served: Served, crowd: Collection) -> None:
    with served.client().stream("GET", "/collections/crowd/export") as answer:
        parts = answer.iter_raw()
        next(parts)
        (reader,) = readers(served, crowd)
        with served.database.app.begin() as connection:
            connection.execute(text("select pg_terminate_backend(:pid)"), {"pid": reader})
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in parts:
                pass
    assert soon(lambda: served.app.state.desk.running == 0)


def test_only_so_many_exports_at_once() -> None:
    desk = Desk(at_once=3, each=2)
    with desk.place("a"), desk.place("a"):
        with pytest.raises(RateError), desk.place("a"):
            pass
        with desk.place("b"), pytest.raises(BusyError), desk.place("c"):
            pass
        with desk.place("c"):
            assert desk.running == 3
    assert desk.running == 0


def test_the_public_has_half_of_the_places(served: Served, crowd: Collection) -> None:
    """Three addresses of this machine: the third finds none, whoever is known does."""
    path = "/collections/crowd/export"
    with request(served, path) as one, request(served, path, "127.0.0.2") as other:
        assert one.recv(15) == other.recv(15) == b"HTTP/1.1 200 OK"
        assert served.app.state.desk.running == 2
        for source, status, code in (
            ("127.0.0.1", 429, "export-many"),
            ("127.0.0.2", 429, "export-many"),
            ("127.0.0.3", 503, "export-public"),
        ):
            with request(served, path, source) as third:
                third.settimeout(20)
                answer = ""
                while "}" not in answer:
                    answer += third.recv(4000).decode()
                assert f" {status} " in answer.partition("\n")[0]
                assert code in answer
                assert "retry-after: 20" in answer.lower()
        with served.client(Role.CONSUMER).stream("GET", path) as answer:
            assert answer.status_code == 200
    assert soon(lambda: served.app.state.desk.running == 0)
    desk = Desk()
    with desk.place("a", public=True), desk.place("b", public=True):
        with pytest.raises(BusyError), desk.place("c", public=True):
            pass
        with desk.place("known"), desk.place("known"), pytest.raises(BusyError), desk.place("other"):
            pass
    with desk.place("c", public=True):
        assert desk.running == 1


@pytest.mark.parametrize("form", ["geojson", "fgb"])
def test_a_client_that_takes_little_loses_its_place(
    served: Served, crowd: Collection, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """It takes 4 kB every few milliseconds, so it never stalls; who takes all there is goes on."""
    monkeypatch.setattr(download, "OVER_S", 0.5)
    monkeypatch.setattr(download, "LEAST", 2_000_000)
    path = f"/collections/crowd/export?f={form}"
    with request(served, path, buffer=4096) as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        end = time.monotonic() + 20
        while served.app.state.desk.running and time.monotonic() < end:
            connection.recv(4096)
            time.sleep(0.01)
        assert served.app.state.desk.running == 0
    assert not readers(served, crowd)
    monkeypatch.setattr(download, "LEAST", 10_000)
    whole = served.client().get(path)
    assert len(whole.content) > 4_000_000


def test_an_ipv6_network_is_one_client() -> None:
    def client(address: str) -> str:
        request: Any = SimpleNamespace(client=SimpleNamespace(host=address))
        return client_of(request)

    assert client("2001:db8::1") == client("2001:db8::ffff:2") != client("2001:db8:0:1::1")
    assert client("192.0.2.1") != client("192.0.2.2")


def test_who_comes_too_often_is_told_when_to_come_again(served: Served) -> None:
    kept = served.app.state.desk
    try:
        for desk, status in ((Desk(public_each=0), 429), (Desk(at_once=0), 503)):
            served.app.state.desk = desk
            answer = served.client().get("/collections/grids/export?lang=en")
            assert (answer.status_code, answer.headers["retry-after"]) == (status, "20")
            assert "export" in answer.json()["detail"]
    finally:
        served.app.state.desk = kept


def test_what_killed_servers_left_is_removed_and_the_work_of_others_is_not(tmp_path: Path) -> None:
    left = tmp_path / "export-left"
    left.mkdir()
    (left / "half.gpkg").write_bytes(b"half")
    with Workshop(tmp_path).room() as room:
        assert [one.name for one in tmp_path.iterdir()] == [room.name]
        assert Workshop(tmp_path).sweep() == 0
        assert room.exists()
    assert list(tmp_path.iterdir()) == []


SERVER = """
import marshal, os, subprocess, sys, time
from service.exports.workshop import Workshop, Writer
from service.exports.writer import Job, send
import dataclasses
shop = Workshop({folder!r})
with shop.room() as room, shop.writer() as writer:
    job = Job(str(room), "GPKG", "a", "point", 4326, "geom", ["id"], ["string"], [("id", "", "", "")])
    send(writer._target, dataclasses.asdict(job))
    send(writer._target, [("a", bytes.fromhex("0101000000" + "00" * 16))] * 30000)
    while not list(room.iterdir()):
        time.sleep(0.01)
    print(writer._process.pid, flush=True)
    time.sleep(60)
"""


def test_the_writer_of_a_killed_server_removes_what_it_wrote_and_ends(tmp_path: Path) -> None:
    code = SERVER.format(folder=tmp_path).replace(
        repr(tmp_path), f"__import__('pathlib').Path({str(tmp_path)!r})"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout is not None
        writer = int(server.stdout.readline())
        assert list(tmp_path.glob("export-*/a.gpkg"))
        server.send_signal(signal.SIGKILL)
    assert soon(lambda: not Path(f"/proc/{writer}").exists())
    assert list(tmp_path.iterdir()) == []


def test_a_writer_is_used_again_and_a_dead_one_replaced(served: Served, tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    try:
        seen = []
        for kill in (False, True, False):
            rows = rows_of(served)
            rows.open()
            try:
                with workshop.room() as room:
                    assert Making(workshop, rows, FORMATS["fgb"]).make(room).stat().st_size > 1000
            finally:
                rows.close()
            (writer,) = workshop._idle
            seen.append(writer)
            if kill:
                writer.kill()
                assert soon(lambda one=writer: not one.alive)  # type: ignore[misc]
        assert seen[0] is seen[1] is not seen[2]
    finally:
        workshop.close()


def test_who_leaves_with_a_finished_file_ends_nobody_elses_work(served: Served, tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    rows = rows_of(served)
    rows.open()
    try:
        with workshop.room() as room:
            made = Making(workshop, rows, FORMATS["fgb"])
            made.make(room)
        with workshop.writer() as writer:  # the same process, for another file
            made.abort()
            time.sleep(0.2)
            assert writer.alive
    finally:
        rows.close()
        workshop.close()


# --- files of one's own ---


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.fgb", "a.csv", "网格.shp", "a.zip"])
def test_a_file_of_ones_own_is_whole_or_as_it_was(served: Served, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("what was there before")
    told: list[int] = []

    def write(fit: Any, tell: Callable[[int], None]) -> None:
        rows = rows_of(served, "grids")
        rows.open()
        try:
            write_rows(path, rows, encoding="UTF-8", place="wkt", fit=fit, tell=tell)
        finally:
            rows.close()

    def stop(done: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write("cut", stop)
    assert path.read_text() == "what was there before"
    assert list(tmp_path.iterdir()) == [path]
    write("cut", told.append)
    assert told[-1] == len(served.rows("select 1 from grids where valid_to is null"))
    if path.suffix != ".csv":
        (layer,) = read_back(path).values()
        assert len(layer["rows"]) == told[-1]
    stems = {one.stem for one in tmp_path.iterdir()}
    assert stems == {path.stem}


@pytest.fixture
def wangge(served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`wangge collection` on the town's database; returns what it printed and how it ended."""
    for name, engine in (("", served.database.app), ("OWNER_", served.database.owner)):
        monkeypatch.setenv(f"WANGGE_{name}DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")
    terminal.terminal.cache_clear()
    return lambda *given: CliRunner().invoke(commands.group, ["export", *map(str, given)])


def test_the_command_line_writes_what_a_filter_finds(
    served: Served, wangge: Callable[..., Result], tmp_path: Path
) -> None:
    wanted = items_of(
        served.client(Role.PLANNER), "buildings", filter="use = 'school'", sortby="-building_id"
    )
    before = served.rows("select max(id) from audit")[0][0] or 0
    out = tmp_path / "schools.fgb"
    done = wangge(
        "buildings",
        "--out",
        out,
        "--filter",
        "use = 'school'",
        "--sortby",
        "-building_id",
        "--crs",
        "EPSG:4548",
    )
    assert done.exit_code == 0, done.output
    assert f"{len(wanted)} features" in done.output
    layer = read_back(out)["buildings"]
    assert layer["crs"] == 4548
    assert [row["id"] for row in layer["rows"]] == list(wanted)
    assert "households" in layer["rows"][0]
    lines = served.rows("select * from audit where id > :before", before=before)
    assert {(line.action, line.role, line.principal) for line in lines} == {("export", "planner", user())}
    told = {"collection": "buildings", "format": "fgb", "narrowed": True}
    assert all(told.items() <= line.details.items() for line in lines)
    assert sum(line.details["features"] for line in lines) == len(wanted)
    out = tmp_path / "open.csv"
    assert wangge("buildings", "--out", out, "--role", "public", "--geometry", "none").exit_code == 0
    assert out.read_bytes().startswith(b"id,building_id,community,use,grid\r\n")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["open.csv", "schools.fgb"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["zebra", "--out", "a.gpkg"], "zebra"),
        (["grids", "--out", "a.dwg"], ".fgb"),
        (["grids", "--out", "nowhere/a.gpkg"], "nowhere"),
        (["grids", "--out", "a.gpkg", "--filter", "zebra = 1"], "zebra"),
        (["grids", "--out", "a.geojson", "--crs", "EPSG:4548"], "CRS84"),
        (["grids", "--out", "a.gpkg", "--cut"], "fit"),
        (["cases", "--out", "a.gpkg", "--properties", "due", "--role", "public"], "due"),
    ],
)
def test_the_command_line_refuses_with_a_sentence(
    wangge: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = wangge(*given)
    assert done.exit_code == 2, done.output
    assert told in done.output
    assert list(tmp_path.iterdir()) == []


def test_what_a_shapefile_cannot_hold_ends_the_command(
    wangge: Callable[..., Result], served: Served, tmp_path: Path
) -> None:
    with layer_of(served, {"note": ["x" * 300]}, [POINT]) as name:
        out = tmp_path / "a.shp"
        done = wangge(name, "--out", out)
        assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
        assert "1 of note are longer than 254 bytes" in done.output
        assert wangge(name, "--out", out, "--cut").exit_code == 0
    assert read_back(out)["a"]["rows"][0]["note"] == "x" * 254
    assert {one.suffix for one in tmp_path.iterdir()} == {".shp", ".shx", ".dbf", ".prj", ".cpg", ".txt"}


def test_a_full_disk_leaves_no_file_of_ones_own(
    wangge: Callable[..., Result], crowd: Collection, disk: Path
) -> None:
    for name in ("a.csv", "a.gpkg", "a.fgb", "a.zip", "a.geojson"):
        done = wangge("crowd", "--out", disk / name, *(["--cut"] if name == "a.zip" else []))
        assert done.exit_code == 2, done.output
        assert "No space left" in done.output or "no room" in done.output
        assert list(disk.iterdir()) == []
