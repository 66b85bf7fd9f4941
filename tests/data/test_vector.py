"""A planner's files, as they really come, read into standard frames."""

from __future__ import annotations

import json
import sqlite3
import struct
import warnings
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyogrio
import pytest
import shapely

from data.vector import RawArea, read_area
from partition.errors import InputError
from partition.intake.frames import check_area
from tests.frames import CRS, X, Y, box, buildings, codes, community, frame, line, refusal, streets, the


def write(path: Path, **layers: gpd.GeoDataFrame) -> Path:
    """A GeoPackage of these layers."""
    for layer, one in layers.items():
        pyogrio.write_dataframe(one, path, layer=layer, driver="GPKG", append=path.exists())
    return path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write(tmp_path / "area.gpkg", community=community(), streets=streets(), buildings=buildings())


@pytest.fixture
def shapefile(tmp_path: Path) -> Callable[..., Path]:
    """Buildings as a Shapefile under Chinese names, in an encoding, with the .cpg wanted (None: without)."""

    def make(encoding: str, page: str | None, name: str = "建筑") -> Path:
        own = buildings().rename(columns={"id": "楼号", "households": "户数", "residents": "人口"})
        own["楼号"] = ["一号楼", "二号楼", "三号楼", "四号楼"]
        path = tmp_path / f"{name}.shp"
        pyogrio.write_dataframe(own, path, encoding=encoding)
        path.with_suffix(".cpg").unlink(missing_ok=True)
        if page is not None:
            path.with_suffix(".cpg").write_text(page, encoding="ascii")
        return path

    return make


def fault(*args: Any, **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        check_area(read_area(*args, **options))
    return caught.value


# --- one file ---


def test_a_geopackage_with_standard_names(package: Path) -> None:
    raw = read_area(package)
    assert isinstance(raw, RawArea)
    assert set(raw.frames) == {"community", "streets", "buildings"}
    assert raw.crs is not None
    assert raw.crs.to_epsg() == 4547
    assert raw.findings == ()
    assert set(raw.files.values()) == {str(package)}
    assert check_area(raw).buildings["households"].sum() == 100


def test_chinese_layers_columns_and_values(tmp_path: Path) -> None:
    home = (
        community()
        .rename(columns={"id": "社区编号", "name": "社区名称", "code": "社区代码"})
        .assign(城乡分类="城镇")
    )
    roads = frame(
        [line((0, y), (400, y)) for y in range(10, 100, 10)],
        道路等级=["主干道", "次干道", "支路", "巷", "小路", "河流", "铁路", "围墙", "背街小巷"],
        道路名称=["甲"] * 9,
    )
    houses = buildings().rename(
        columns={
            "id": "楼栋编号",
            "households": "住户数",
            "residents": "常住人口",
            "use": "用途",
            "floors": "层数",
        }
    )
    estates = frame([box(0, 0, 200, 150)], 编号=["E1"], 小区名称=["花园"])
    path = write(tmp_path / "社区数据.gpkg", 社区=home, 道路=roads, 建筑=houses, 小区=estates, 备忘=estates)
    raw = read_area(path)
    assert the(raw.findings, "layer_ignored").values["layers"] == "备忘"
    assert raw.originals["buildings"]["households"] == "住户数"
    area = check_area(raw)
    assert area.communities.iloc[0][["id", "name", "code", "class"]].tolist() == [
        "C1", "甲社区", "429999001001", "urban",
    ]  # fmt: skip
    assert sorted(area.streets["class"]) == sorted(
        ["arterial", "secondary", "local", "lane", "path", "water", "rail", "wall", "lane"]
    )
    assert area.streets["name"].eq("甲").all()
    assert area.buildings["households"].sum() == 100
    assert area.buildings["floors"].eq(6).all()
    assert area.compounds["name"].tolist() == ["花园"]
    assert set(area.original_buildings.columns) == {
        "id",
        "楼栋编号",
        "住户数",
        "常住人口",
        "用途",
        "层数",
        "geometry",
    }


def test_zones_and_what_profiles_ask_for_by_chinese_names(package: Path, tmp_path: Path) -> None:
    own = buildings(商铺数=[1, 2, None, 4], 复杂系数=[1, 2, 1, 1], 村民小组=[1, 1, 2, 2])
    zones = frame([box(0, 0, 50, 50), box(60, 0, 90, 50), box(100, 0, 190, 50)],
                  功能区编号=["甲", "乙", "丙"], 类型=["小学", "购物中心", "驿站"])  # fmt: skip
    path = write(tmp_path / "村.gpkg", 社区=community(), 道路=streets(), 建筑=own, 功能区=zones)
    area = check_area(read_area(path))
    assert dict(zip(area.zones["id"], area.zones["kind"], strict=True)) == {
        "甲": "school",
        "乙": "mall",
        "丙": "驿站",
    }
    assert area.buildings["shops"].sum() == 7
    assert area.buildings["complexity"].tolist() == [1, 2, 1, 1]
    assert area.buildings["village_group"].tolist() == ["1", "1", "2", "2"]
    apart = write(tmp_path / "zones.gpkg", zones=zones.rename(columns={"功能区编号": "id", "类型": "kind"}))
    assert len(check_area(read_area(package, layers={"zones": [apart]})).zones) == 3


def test_openstreetmap_columns(tmp_path: Path) -> None:
    rows = [
        ("primary", None, None, None, "arterial"),
        ("tertiary_link", None, None, None, "secondary"),
        ("residential", None, None, None, "local"),
        ("service", None, None, None, "lane"),
        ("steps", None, None, None, "path"),
        (None, "river", None, None, "water"),
        (None, None, "rail", None, "rail"),
        (None, None, None, "fence", "wall"),
        ("proposed", None, None, None, None),
        (None, None, "platform", None, None),
        (None, None, None, None, "lane"),  # nothing is said: a street without class
    ]
    highway, waterway, railway, barrier, classes = zip(*rows, strict=True)
    roads = frame(
        [line((0, 10 + 5 * n), (400, 10 + 5 * n)) for n in range(len(rows))],
        **{"@id": [f"way/{n}" for n in range(len(rows))], "highway": highway, "waterway": waterway},
        railway=railway,
        barrier=barrier,
        bridge=["viaduct", "no"] + [None] * 9,
        tunnel=[None, None, "building_passage"] + [None] * 8,
    )
    houses = buildings().drop(columns=["id", "use", "floors"])
    houses = houses.assign(
        **{"osm_id": [1, 2, 3, 4], "building": "apartments", "building:levels": ["6", "7", "8", "9"]}
    )
    raw = read_area(write(tmp_path / "osm.gpkg", community=community(), streets=roads, buildings=houses))
    left = the(raw.findings, "street_not_barrier")
    assert left.rows == ("way/8", "way/9")
    assert left.values["words"] == "highway=proposed, railway=platform"
    area = check_area(raw)
    by_y = area.streets.assign(y=area.streets.geometry.bounds["miny"]).sort_values("y")
    assert by_y["class"].tolist() == [one for one in classes if one]
    assert by_y["bridge"].tolist()[:3] == [True, False, False]
    assert by_y["tunnel"].tolist()[:3] == [False, False, True]
    assert area.buildings["id"].tolist() == ["1", "2", "3", "4"]
    assert area.buildings["floors"].tolist() == [6, 7, 8, 9]
    assert area.buildings["use"].tolist() == ["apartments"] * 4


def test_an_own_class_comes_before_osms(tmp_path: Path) -> None:
    roads = streets(**{"class": ["wall", None]}).assign(highway=["primary", "secondary"])
    raw = read_area(write(tmp_path / "a.gpkg", community=community(), streets=roads, buildings=buildings()))
    assert raw.frames["streets"]["class"].tolist() == ["wall", "secondary"]


# --- columns ---


def test_an_exact_name_wins_over_an_alias(tmp_path: Path) -> None:
    houses = buildings().assign(户数=[1, 1, 1, 1], 人口=[1, 1, 1, 1])
    raw = read_area(write(tmp_path / "a.gpkg", community=community(), streets=streets(), buildings=houses))
    area = check_area(raw)
    assert area.buildings["households"].sum() == 100
    assert area.buildings["residents"].sum() == 250
    assert area.original_buildings["户数"].tolist() == [1, 1, 1, 1]


def test_two_aliases_are_a_clear_error(tmp_path: Path) -> None:
    houses = buildings().rename(columns={"households": "户数"}).assign(住户数=[1, 2, 3, 4])
    path = write(tmp_path / "a.gpkg", community=community(), streets=streets(), buildings=houses)
    error = fault(path)
    assert refusal(error) == {("column_ambiguous", "buildings", "households")}
    assert "户数, 住户数" in str(error)
    assert "--map buildings.households=" in str(error)
    area = check_area(read_area(path, columns={"households": "住户数"}))
    assert area.buildings["households"].sum() == 10
    assert area.original_buildings[["户数", "住户数"]].sum().tolist() == [100, 10]


def test_an_idle_id_of_arcgis_stands_aside(tmp_path: Path) -> None:
    houses = buildings().rename(columns={"id": "楼号"}).assign(Id=0)
    raw = read_area(write(tmp_path / "a.gpkg", community=community(), streets=streets(), buildings=houses))
    assert raw.frames["buildings"]["id"].tolist() == ["B1", "B2", "B3", "B4"]
    houses = houses.assign(Id=[1, 2, 3, 4])
    error = fault(write(tmp_path / "b.gpkg", community=community(), streets=streets(), buildings=houses))
    assert refusal(error) == {("column_ambiguous", "buildings", "id")}


def test_a_chosen_column_wins_over_an_exact_name(package: Path) -> None:
    area = check_area(read_area(package, columns={"buildings.households": "floors"}))
    assert area.buildings["households"].tolist() == [6, 6, 6, 6]
    assert area.original_buildings["households"].tolist() == [10, 20, 30, 40]
    assert area.original_buildings["floors"].tolist() == [6, 6, 6, 6]


@pytest.mark.parametrize(
    ("column", "values", "hint"),
    [
        ("总户", [10, 20, 30, 40], True),
        ("户数合计", [10, 20, 30, 40], True),
        ("houshold", [10, 20, 30, 40], True),
        ("anzahl", [10, 20, 30, 40], True),  # the only column of whole numbers left
        ("户主类", ["甲", "乙", "丙", "丁"], False),  # alike, but no number
    ],
)
def test_a_missing_column_brings_a_suggestion(
    tmp_path: Path, column: str, values: list[object], hint: bool
) -> None:
    houses = buildings().rename(columns={"households": column}).assign(**{column: values})
    error = fault(write(tmp_path / "a.gpkg", community=community(), streets=streets(), buildings=houses))
    finding = error.findings[0]
    if hint:
        assert refusal(error) == {("column_missing_hint", "buildings", "households")}
        assert f"--map buildings.households={column}" in finding.text("zh")
        assert f"Did you mean --map buildings.households={column}?" in finding.text("en")
    else:
        assert ("column_missing", "buildings", "households") in refusal(error)


def test_a_map_that_fits_nothing_is_refused(package: Path) -> None:
    columns = {"buildings.households": "总户", "household": "floors", "houses.households": "floors"}
    error = fault(package, columns=columns)
    assert [finding.code for finding in error.findings] == ["map_column", "map_name", "map_name"]
    assert "households, residents" in error.findings[0].text()


# --- separate files ---


def test_separate_files_of_several_kinds(tmp_path: Path) -> None:
    community().to_crs(4326).to_file(tmp_path / "c.geojson")
    streets().to_crs(4490).to_file(tmp_path / "s.gpkg", layer="anything")
    buildings().to_crs(4549).to_file(tmp_path / "b.shp")
    layers = {
        "community": tmp_path / "c.geojson",
        "streets": tmp_path / "s.gpkg",
        "buildings": tmp_path / "b.shp",
    }
    raw = read_area(layers=layers)
    assert raw.crs is not None
    assert raw.crs.to_epsg() == 4326
    assert {f.layer for f in raw.findings if f.code == "reprojected"} == {"streets", "buildings"}
    assert all(one.crs == raw.crs for one in raw.frames.values())
    area = check_area(raw)
    assert area.buildings["households"].sum() == 100
    assert area.buildings.geometry.area.tolist() == pytest.approx([800] * 4, rel=2e-3)
    assert (area.buildings["community"] == 0).all()


def test_a_file_for_a_layer_comes_before_the_package(package: Path, tmp_path: Path) -> None:
    buildings(households=[1, 1, 1, 1]).to_file(tmp_path / "b.shp")
    raw = read_area(package, layers={"buildings": tmp_path / "b.shp"})
    assert the(raw.findings, "layer_replaced").layer == "buildings"
    assert check_area(raw).buildings["households"].sum() == 4


def test_a_folder_of_files(tmp_path: Path, shapefile: Callable[..., Path]) -> None:
    shapefile("GBK", "GBK")
    community().to_file(tmp_path / "社区边界.shp", encoding="GBK")
    streets().to_crs(4326).to_file(tmp_path / "道路.geojson")
    assert check_area(read_area(tmp_path)).buildings["households"].sum() == 100


def test_a_layer_of_a_package_is_chosen_by_name(package: Path) -> None:
    again = read_area(layers={"community": Path(f"{package}|layername=community")})
    assert set(again.frames) == {"community"}
    assert set(read_area(layers={"buildings": package}).frames) == {"buildings"}
    with pytest.raises(InputError) as caught:
        read_area(layers={"community": Path(f"{package}|layername=Community"), "compounds": package})
    assert refusal(caught.value) == {("layer_not_there", "community", ""), ("layer_choice", "compounds", "")}


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8", ","), ("utf-8-sig", ";"), ("gbk", "\t"), ("gb18030", ",")]
)
def test_a_table_is_joined_by_id(tmp_path: Path, encoding: str, mark: str) -> None:
    outline = buildings().drop(columns=["households", "residents"])
    package = write(tmp_path / "a.gpkg", community=community(), streets=streets(), buildings=outline)
    table = tmp_path / "户数.csv"
    rows = [
        ["楼号", "户数", "人口"],
        ["B1", "10", "25"],
        ["B2", "20", ""],
        ["B4", "", "100"],
        ["B9", "90", "9"],
    ]
    table.write_text("\n".join(mark.join(row) for row in rows), encoding=encoding)
    raw = read_area(package, layers={"buildings": table})
    assert the(raw.findings, "columns_joined").values == {
        "table": "户数.csv",
        "columns": "户数, 人口",
        "matched": 3,
    }
    assert the(raw.findings, "table_unmatched").rows == ("B9",)
    assert ("encoding_detected" in codes(raw.findings)) == encoding.startswith("gb")
    area = check_area(raw)
    assert area.buildings["households"].tolist() == [10, 20, 0, 0]
    assert area.buildings["unknown"].tolist() == [False, False, True, True]
    assert the(area.findings, "households_zero").rows == ("B3", "B4")
    assert "户数" in area.original_buildings


def test_outlines_and_table_for_one_layer(tmp_path: Path) -> None:
    write(tmp_path / "a.gpkg", community=community(), streets=streets())
    buildings().drop(columns="households").to_file(tmp_path / "b.shp")
    (tmp_path / "b.csv").write_text("id,households\nB1,1\nB2,2\nB3,3\nB4,4\n")
    raw = read_area(tmp_path / "a.gpkg", layers={"buildings": [tmp_path / "b.csv", tmp_path / "b.shp"]})
    assert check_area(raw).buildings["households"].tolist() == [1, 2, 3, 4]


def test_a_table_with_an_id_twice_is_refused(package: Path, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id,households\nB1,1\nB1,2\n")
    error = fault(package, layers={"buildings": tmp_path / "b.csv"})
    assert refusal(error) == {("table_id_repeated", "buildings", "id")}
    assert error.findings[0].rows == ("B1",)


def test_a_table_alone_is_no_layer_of_shapes(package: Path, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id,households\nB1,1\n")
    error = fault(layers={"community": package, "streets": package, "buildings": tmp_path / "b.csv"})
    assert refusal(error) == {("geometry_missing", "buildings", "")}


@pytest.mark.parametrize(
    ("head", "place"),
    [("经度,纬度", "114.32,30.68"), ("lon,lat", "114.32,30.68"), ("x,y", f"{X + 10},{Y + 10}")],
)
def test_points_from_a_table(package: Path, tmp_path: Path, head: str, place: str) -> None:
    table = tmp_path / "f.csv"
    table.write_text(f"编号,类型,名称,{head}\n007,诊所,甲,{place}\n008,学校,乙,,\n", encoding="utf-8")
    facilities = read_area(package, layers={"facilities": table}).frames["facilities"]
    assert isinstance(facilities, gpd.GeoDataFrame)
    assert facilities.crs == CRS
    assert facilities["id"].tolist() == ["007", "008"]
    assert facilities["kind"].tolist() == ["诊所", "学校"]
    assert facilities.geometry.iloc[0].distance(shapely.Point(X + 10, Y + 10)) < 3000
    assert facilities.geometry.iloc[1] is None


def test_conditions_of_facilities_are_understood(package: Path, tmp_path: Path) -> None:
    table = tmp_path / "f.csv"
    table.write_text(
        "编号,类型,部件状态,经度,纬度\n1,井盖,丢失,114.32,30.68\n2,路灯,完好,114.32,30.68\n"
        "3,路灯,待修,114.32,30.68\n4,路灯,,114.32,30.68\n5,路灯,歪,114.32,30.68\n",
        encoding="utf-8",
    )
    found = read_area(package, layers={"facilities": table}).frames["facilities"]["condition"]
    assert found.fillna("").tolist() == ["missing", "good", "damaged", "", "歪"]


def test_tables_without_place_stay_tables(package: Path, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("楼号,人群类别,人数\nB1,elderly_alone,3\n", encoding="utf-8")
    (tmp_path / "s.csv").write_text(
        "网格编号,岗位,姓名,手机号\n001,网格员,李四,13800001234\n", encoding="utf-8"
    )
    raw = read_area(package, layers={"population_groups": tmp_path / "g.csv", "staff": tmp_path / "s.csv"})
    assert raw.frames["population_groups"].to_dict("records") == [
        {"building": "B1", "category": "elderly_alone", "count": 3}
    ]
    assert raw.frames["staff"].to_dict("records") == [
        {"grid": "001", "role": "网格员", "name": "李四", "phone": "13800001234"}
    ]
    assert check_area(raw).findings == ()


# --- encodings ---


@pytest.mark.parametrize(
    ("encoding", "page", "said", "note"),
    [
        ("GBK", "GBK", None, None),
        ("GBK", "936", None, None),
        ("GB18030", "GB18030", None, None),
        ("UTF-8", "UTF-8", None, None),
        ("GBK", None, None, "GB18030"),
        ("UTF-8", None, None, "UTF-8"),
        ("GBK", "UTF-8", None, "GB18030"),  # the .cpg lies
        ("GBK", "nonsense", None, "GB18030"),
        ("GBK", None, "GBK", None),
        ("GBK", "ISO-8859-1", "gb2312", None),  # what is said wins
        ("UTF-8", None, "utf8", None),
    ],
)
def test_the_encoding_of_a_shapefile(
    package: Path,
    shapefile: Callable[..., Path],
    encoding: str,
    page: str | None,
    said: str | None,
    note: str | None,
) -> None:
    raw = read_area(package, layers={"buildings": shapefile(encoding, page)}, encoding=said)
    assert raw.frames["buildings"]["id"].tolist() == ["一号楼", "二号楼", "三号楼", "四号楼"]
    assert raw.frames["buildings"]["households"].tolist() == [10, 20, 30, 40]
    found = [finding.values["encoding"] for finding in raw.findings if finding.code == "encoding_detected"]
    assert found == ([note] if note else [])


def test_the_wrong_encoding_is_refused(package: Path, shapefile: Callable[..., Path]) -> None:
    error = fault(package, layers={"buildings": shapefile("GBK", "GBK")}, encoding="utf-8")
    assert refusal(error) == {("encoding_wrong", "buildings", "")}
    error = fault(package, layers={"buildings": shapefile("GBK", "GBK")}, encoding="GBKK")
    assert refusal(error) == {("encoding_unknown", "", "")}


def test_a_name_that_a_shapefile_cut_short(package: Path, tmp_path: Path) -> None:
    """常住人口 has twelve bytes in UTF-8: ten are left, the last sign broken."""
    path = tmp_path / "b.shp"
    buildings().rename(columns={"residents": "abcdefghij"}).to_file(path)
    table = path.with_suffix(".dbf")
    table.write_bytes(table.read_bytes().replace(b"abcdefghij", "常住人口".encode()[:10]))
    area = check_area(read_area(package, layers={"buildings": path}))
    assert area.buildings["residents"].tolist() == [25, 50, 75, 100]


def test_names_that_a_shapefile_cut_to_the_same_are_both_there(tmp_path: Path) -> None:
    path = tmp_path / "社区.shp"
    shapes = gpd.GeoDataFrame(
        {"社区编号": ["C1"], "社区编码": ["420503001001"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4490
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GDAL says that it cuts the names
        shapes.to_file(path, encoding="UTF-8")
    (told,) = [f for f in read_area(layers={"community": path}).findings if f.column == "id"]
    assert told.code == "column_ambiguous"
    assert told.values["columns"] == "社区编, 社区编2"
    raw = read_area(layers={"community": path}, columns={"community.id": "社区编"})
    assert raw.frames["community"][["id", "code"]].to_numpy().tolist() == [["C1", "420503001001"]]


def test_a_text_that_a_shapefile_cut_short(package: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.shp"
    buildings(use=["住宅楼aa", "b" * 11, "c", "d"]).to_file(path)  # eleven bytes wide
    table = path.with_suffix(".dbf")
    table.write_bytes(table.read_bytes().replace("住宅楼aa".encode(), "住宅楼宅".encode()[:11]))
    frame = read_area(package, layers={"buildings": path}).frames["buildings"]
    assert frame["use"].tolist() == ["住宅楼", "b" * 11, "c", "d"]


def test_a_zipped_shapefile_in_gbk(package: Path, shapefile: Callable[..., Path], tmp_path: Path) -> None:
    shapefile("GBK", None, "b")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for suffix in (".shp", ".shx", ".dbf", ".prj"):
            archive.write(tmp_path / f"b{suffix}", f"folder/b{suffix}")
    raw = read_area(package, layers={"buildings": tmp_path / "b.zip"})
    assert raw.frames["buildings"]["id"].tolist()[0] == "一号楼"
    assert the(raw.findings, "encoding_detected").values["encoding"] == "GB18030"


def test_geojson_in_gbk(package: Path, tmp_path: Path) -> None:
    text = (
        buildings()
        .rename(columns={"households": "户数"})
        .assign(用途="住宅")
        .drop(columns="use")
        .to_crs(4326)
        .to_json()
    )
    path = tmp_path / "b.geojson"
    path.write_bytes(json.dumps(json.loads(text), ensure_ascii=False).encode("gbk"))
    raw = read_area(package, layers={"buildings": path})
    assert raw.frames["buildings"]["use"].tolist() == ["住宅"] * 4
    assert check_area(raw).buildings["households"].sum() == 100


# --- coordinate reference systems ---


@pytest.mark.parametrize(
    ("source", "metric"),
    [(4547, 4547), (4490, 4547), (4526, 4526), (4508, 4508), (4326, 32650), (32650, 32650), (3857, 32650)],
)
def test_every_crs_comes_through(tmp_path: Path, source: int, metric: int) -> None:
    layers = {"community": community(), "streets": streets(), "buildings": buildings()}
    if source == 4508:  # the 6-degree belt about 111 degrees: move the place there
        layers = {
            name: one.set_crs(4508, allow_override=True)
            for name, one in layers.items()
        }  # fmt: skip
    moved = {name: one.to_crs(source) for name, one in layers.items()}
    area = check_area(read_area(write(tmp_path / "a.gpkg", **moved)))
    assert area.source_crs.to_epsg() == source
    assert area.crs.to_epsg() == metric
    assert area.buildings.geometry.area.tolist() == pytest.approx([800] * 4, rel=2e-3)
    assert (area.buildings["community"] == 0).all()


def test_a_belt_as_esri_words_it(tmp_path: Path) -> None:
    for name, one in (("community", community()), ("streets", streets()), ("buildings", buildings())):
        one.to_file(tmp_path / f"{name}.shp", encoding="UTF-8")
        prj = (tmp_path / f"{name}.prj").read_text()
        assert "D_China_2000" in prj or "China_2000" in prj
    area = check_area(read_area(tmp_path))
    assert area.communities.geometry.area.sum() == pytest.approx(120_000)
    assert area.findings == ()


def test_a_shapefile_without_prj_is_refused(package: Path, shapefile: Callable[..., Path]) -> None:
    path = shapefile("UTF-8", "UTF-8")
    path.with_suffix(".prj").unlink()
    error = fault(package, layers={"buildings": path})
    assert refusal(error) == {("crs_missing", "buildings", "")}
    assert ".prj" in str(error)
    community().to_file(path.with_name("c.shp"))
    path.with_name("c.prj").unlink()
    error = fault(package, layers={"community": path.with_name("c.shp")})
    assert ("crs_missing", "community", "") in refusal(error)


def test_an_undefined_crs_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg", community=community(), streets=streets(), buildings=buildings())
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("drop trigger if exists fk_gc_srs")
        for table in ("gpkg_geometry_columns", "gpkg_contents"):
            base.execute(f"update {table} set srs_id = -1")  # noqa: S608 - a name of our own
    assert refusal(fault(path)) == {("crs_missing", "community", "")}


def test_geojson_is_in_degrees_unless_it_says_otherwise(package: Path, tmp_path: Path) -> None:
    plain = tmp_path / "b.geojson"
    parsed = json.loads(buildings().to_crs(4326).to_json())
    parsed.pop("crs", None)
    plain.write_text(json.dumps(parsed))
    assert check_area(read_area(package, layers={"buildings": plain})).buildings["community"].eq(0).all()
    legacy = tmp_path / "old.geojson"
    parsed = json.loads(buildings().to_json()) | {
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4547"}}
    }
    legacy.write_text(json.dumps(parsed))
    assert check_area(read_area(package, layers={"buildings": legacy})).buildings["community"].eq(0).all()


def test_swapped_axes_are_hinted_at(tmp_path: Path) -> None:
    def swap(one: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        one = one.to_crs(4326)
        return one.set_geometry(shapely.transform(one.geometry.to_numpy(), lambda xy: xy[:, ::-1]), crs=4326)

    path = write(
        tmp_path / "a.gpkg", community=swap(community()), streets=swap(streets()), buildings=swap(buildings())
    )
    assert {(code, layer) for code, layer, _ in refusal(fault(path))} == {
        ("out_of_range_swapped", layer) for layer in ("community", "streets", "buildings")
    }


# --- geometry that GDAL changes on reading ---


def circle(x: float, y: float) -> bytes:
    """A round building as a GeoPackage holds it: a curve polygon of one circular string."""
    points = [(x, y), (x + 10, y + 10), (x + 20, y), (x + 10, y - 10), (x, y)]
    string = struct.pack("<BII", 1, 8, len(points)) + b"".join(struct.pack("<dd", *point) for point in points)
    return b"GP\0\1" + struct.pack("<i", 4547) + struct.pack("<BII", 1, 10, 1) + string


def test_curves_are_straightened_and_told(package: Path) -> None:
    with closing(sqlite3.connect(package)) as base, base:
        for (trigger,) in base.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            base.execute(f'drop trigger "{trigger}"')
        base.execute("pragma writable_schema = 1")
        base.execute(
            "update sqlite_master set sql = replace(sql, '\"geom\" POLYGON', '\"geom\" CURVEPOLYGON')"
        )
        base.execute(
            "update gpkg_geometry_columns set geometry_type_name = 'CURVEPOLYGON' "
            "where geometry_type_name = 'POLYGON'"
        )
        base.execute("update buildings set geom = ? where id = 'B1'", (circle(X + 100, Y + 100),))
    raw = read_area(package)
    assert the(raw.findings, "curves_straightened").layer == "buildings"
    area = check_area(raw)
    assert area.buildings.geometry.area.iloc[0] == pytest.approx(314.16, rel=0.01)


def test_measures_are_dropped_and_told(package: Path) -> None:
    measured = struct.pack("<BII", 1, 2002, 2) + struct.pack("<6d", X, Y + 50, 0.0, X + 400, Y + 50, 400.0)
    with closing(sqlite3.connect(package)) as base, base:
        for (trigger,) in base.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            base.execute(f'drop trigger "{trigger}"')
        base.execute("update streets set geom = ?", (b"GP\0\1" + struct.pack("<i", 4547) + measured,))
        base.execute("update gpkg_geometry_columns set m = 1 where table_name = 'streets'")
    raw = read_area(package)
    assert the(raw.findings, "measures_dropped").layer == "streets"
    area = check_area(raw)
    assert area.streets.geometry.length.tolist() == [400, 400]


# --- files that are not what they seem ---


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.gpkg", b"id,households\n1,2\n", "file_unreadable"),
        ("a.gpkg", b'{"type": "FeatureCollection", "features": []}', "file_unreadable"),
        ("a.gpkg", b"SQLite format 3\0 and then nothing of the kind", "file_unreadable"),
        ("a.gpkg", b"", "file_empty"),
        ("a.geojson", b"PK\x03\x04", "file_unreadable"),
        ("a.geojson", b'{"type": "FeatureColl', "file_unreadable"),
        ("a.geojson", b'{"households": 3}', "file_unreadable"),
        ("a.geojson", b"  \n", "file_empty"),
        ("a.shp", b"SQLite format 3\0", "file_unreadable"),
        ("a.zip", b"no archive", "file_unreadable"),
        ("a.geojson", b'{"type": "FeatureCollection", "features": []}', "layers_unknown"),
        ("a.csv", b"PK\x03\x04\0\0", "file_unreadable"),
        ("a.docx", b"PK\x03\x04", "file_kind_unknown"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_area(path)
    assert [finding.code for finding in caught.value.findings] == [code]
    assert caught.value.findings[0].file == str(path)


def test_files_that_are_not_there_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_area(tmp_path / "a.gpkg", layers={"streets": tmp_path / "s.shp", "cases": tmp_path / "c.csv"})
    assert refusal(caught.value) == {
        ("file_missing", "streets", ""),
        ("file_missing", "cases", ""),
        ("file_missing", "", ""),
    }
    with pytest.raises(InputError) as caught:
        read_area()
    assert refusal(caught.value) == {("file_not_given", "", "")}


def test_a_shapefile_without_its_table_is_refused(package: Path, shapefile: Callable[..., Path]) -> None:
    path = shapefile("UTF-8", None)
    path.with_suffix(".dbf").unlink()
    error = fault(package, layers={"buildings": path})
    assert the(error.findings, "file_incomplete").values == {"part": ".dbf"}


def test_a_damaged_geopackage_is_refused(package: Path) -> None:
    content = bytearray(package.read_bytes())
    content[1000:] = b"\xff" * (len(content) - 1000)
    package.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_area(package)
    assert codes(caught.value.findings) == {"file_unreadable"}


def test_a_missing_layer_says_what_is_there(tmp_path: Path) -> None:
    error = fault(write(tmp_path / "a.gpkg", community=community(), 房子=buildings()))
    assert ("layer_missing", "buildings", "") in refusal(error)
    assert (
        the(tuple(f for f in error.findings if f.layer == "buildings"), "layer_missing").values["found"]
        == "community"
    )


def test_two_layers_for_one_are_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.gpkg", community=community(), streets=streets(), 建筑=buildings(), 房屋=buildings()
    )
    error = fault(path)
    assert refusal(error) == {("layer_ambiguous", "buildings", "")}


def test_personal_ids_of_a_table_are_not_said(package: Path, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id,households\n13800001234,1\n13800001234,2\n")
    error = fault(package, layers={"buildings": tmp_path / "b.csv"})
    assert "13800001234" not in str(error)
    assert error.findings[0].rows == ("#1", "#2")
