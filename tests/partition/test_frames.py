"""The check at the border: what is refused, mended and noted, and that no row gets lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from partition.area import Area
from partition.errors import InputError
from partition.findings import Finding
from partition.intake.frames import RawFrames, check_area
from tests.frames import CRS, X, Y, box, buildings, codes, community, frame, line, raw, refusal, streets, the


def refused(frames: RawFrames, **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        check_area(frames, **options)
    return caught.value


def every_row_accounted(area: Area, rows: int) -> None:
    told = {row for finding in area.findings for row in finding.rows}
    ids = area.original_buildings["id"].astype(str)
    for row in range(rows):
        assert row in set(area.buildings["row"]) or ids[row] in told or f"#{row + 1}" in told


# --- the good path ---


def test_a_good_area_passes_without_findings() -> None:
    area = check_area(raw())
    assert area.findings == ()
    assert area.crs == area.source_crs == area.communities.crs
    assert list(area.communities["id"]) == ["C1"]
    assert list(area.communities["code"]) == ["429999001001"]
    assert list(area.buildings["id"]) == ["B1", "B2", "B3", "B4"]
    assert list(area.buildings["households"]) == [10, 20, 30, 40]
    assert area.buildings["households"].dtype == np.int64
    assert list(area.buildings["residents"]) == [25.0, 50.0, 75.0, 100.0]
    assert list(area.buildings["community"]) == [0, 0, 0, 0]
    assert list(area.buildings["atom"]) == [0, 1, 2, 3]
    assert not area.buildings["unknown"].any()
    assert list(area.streets["class"]) == ["arterial", "lane"]
    assert list(area.streets["name"]) == ["大道", ""]
    assert len(area.compounds) == 0


def test_geographic_input_is_worked_on_in_metres() -> None:
    frames = {name: one.to_crs("EPSG:4490") for name, one in raw().frames.items()}
    area = check_area(RawFrames(frames, frames["community"].crs))
    assert area.crs.to_epsg() == 4547
    assert area.source_crs.to_epsg() == 4490
    assert area.communities.geometry.area.iloc[0] == pytest.approx(400 * 300, rel=1e-6)
    assert area.original_buildings.crs.to_epsg() == 4490


def test_figures_may_come_as_floats_or_text() -> None:
    frames = raw(
        buildings=buildings(households=["12", "12.0", "１３", " 14 "], residents=[1.0, np.nan, 3, 4])
    )
    area = check_area(frames)
    assert list(area.buildings["households"]) == [12, 12, 13, 14]
    assert np.isnan(area.buildings["residents"].iloc[1])
    assert area.findings == ()


def test_population_stands_for_residents() -> None:
    frames = buildings().rename(columns={"residents": "population"})
    assert list(check_area(raw(buildings=frames)).buildings["residents"]) == [25, 50, 75, 100]


def test_the_order_of_rows_does_not_matter() -> None:
    towns = frame([box(0, 0, 200, 300), box(200, 0, 400, 300)], id=["C2", "C1"])
    twice = buildings(id=["B1", "B1", None, "B4"], households=[10, 20, 30, np.nan])
    compounds = frame([box(0, 0, 100, 100), box(200, 0, 300, 100)], id=["E1", "E2"], name=["甲", "乙"])
    layers = {"community": towns, "streets": streets(), "buildings": twice, "compounds": compounds}
    first = check_area(raw(**layers))
    turned = {name: one.iloc[::-1].reset_index(drop=True) for name, one in layers.items()}
    second = check_area(raw(**turned))
    for name in ("communities", "streets", "buildings", "compounds"):
        one, other = getattr(first, name), getattr(second, name)
        if name == "buildings":  # the row, and the name made of it, follow the input
            one, other = (f.drop(columns=["row", "id"]) for f in (one, other))
        assert_geodataframe_equal(one, other)
    assert codes(first.findings) == codes(second.findings)


# --- refused ---


@pytest.mark.parametrize("layer", ["community", "streets", "buildings"])
def test_a_missing_layer_is_refused(layer: str) -> None:
    assert ("layer_missing", layer, "") in refusal(refused(raw(**{layer: None})))


@pytest.mark.parametrize(
    ("layer", "column"), [("community", "id"), ("buildings", "id"), ("buildings", "households")]
)
def test_a_missing_column_is_refused(layer: str, column: str) -> None:
    spoilt = raw().frames[layer].drop(columns=[column, *(["code"] if layer == "community" else [])])
    error = refused(raw(**{layer: spoilt}))
    assert refusal(error) == {("column_missing", layer, column)}
    assert f"--map {layer}.{column}=" in error.findings[0].text("zh")


def test_a_community_without_id_goes_by_its_code() -> None:
    area = check_area(raw(community=community().drop(columns="id")))
    assert list(area.communities["id"]) == ["429999001001"]
    assert codes(area.findings) == {"id_from_code"}


def test_no_crs_is_refused() -> None:
    frames = {name: one.set_crs(None, allow_override=True) for name, one in raw().frames.items()}
    assert refusal(refused(RawFrames(frames, None))) == {("crs_missing", "community", "")}


@pytest.mark.parametrize(
    ("crs", "shape", "hint"),
    [
        ("EPSG:4326", shapely.box(31, 114, 31.01, 114.01), "_swapped"),
        (
            "EPSG:4490",
            shapely.box(39.4, 75.9, 39.41, 75.91),
            "_swapped",
        ),  # Kashgar: possible, but not in China
        ("EPSG:4326", shapely.box(530_000, 3_395_000, 530_100, 3_395_100), "_metres"),
        ("EPSG:4547", shapely.box(114, 31, 114.01, 31.01), "_degrees"),
        ("EPSG:4547", shapely.box(3_395_000, 530_000, 3_395_100, 530_100), "_swapped"),
        (
            "EPSG:4547",
            shapely.box(38_530_000, 3_395_000, 38_530_100, 3_395_100),
            "",
        ),  # with the belt's number
        ("EPSG:4326", shapely.box(200, 10, 201, 11), ""),
    ],
)
def test_coordinates_out_of_range_are_refused(crs: str, shape: shapely.Polygon, hint: str) -> None:
    error = refused(raw(community=frame([shape], crs, id=["C1"]), streets=None, buildings=None))
    assert (f"out_of_range{hint}", "community", "") in refusal(error)
    finding = the(error.findings, f"out_of_range{hint}")
    assert finding.rows == ("C1",)


def test_one_row_out_of_range_is_named() -> None:
    frames = {name: one.to_crs("EPSG:4326") for name, one in raw().frames.items()}
    shapes = frames["buildings"].geometry.to_numpy().copy()
    shapes[2] = shapely.box(31, 114, 31.001, 114.001)
    frames["buildings"] = frames["buildings"].set_geometry(gpd.GeoSeries(list(shapes), crs="EPSG:4326"))
    error = refused(RawFrames(frames, frames["community"].crs))
    assert the(error.findings, "out_of_range_swapped").rows == ("B3",)


@pytest.mark.parametrize("shape", [shapely.Point(X + 10, Y + 10), line((0, 0), (9, 9))])
def test_buildings_that_are_no_polygons_are_refused(shape: shapely.Geometry) -> None:
    spoilt = buildings()
    spoilt.loc[1, "geometry"] = shape
    error = refused(raw(buildings=spoilt))
    assert refusal(error) == {("not_polygon", "buildings", "")}
    assert error.findings[0].rows == ("B2",)


@pytest.mark.parametrize(
    ("values", "code", "rows"),
    [
        ([10, -1, 30, 40], "number_negative", ("B2",)),
        ([10.5, 20, 30, 40.25], "number_fractional", ("B1", "B4")),
        (["10", "二十", "30", "40户"], "number_text", ("B2", "B4")),
        ([10, 20, 30, 10_000_000], "number_large", ("B4",)),
        ([True, False, True, True], "number_text", ("B1", "B2", "B3", "B4")),
        ([10, np.inf, 30, 40], "number_text", ("B2",)),
    ],
)
def test_wrong_households_are_refused(values: list[object], code: str, rows: tuple[str, ...]) -> None:
    error = refused(raw(buildings=buildings(households=values)))
    assert refusal(error) == {(code, "buildings", "households")}
    assert error.findings[0].rows == rows


def test_all_faults_are_told_together() -> None:
    spoilt = buildings(households=[-1, "x", 1.5, 4], residents=["?", -2, 3, 4])
    spoilt.loc[3, "geometry"] = shapely.Point(X, Y)
    spoilt["姓名"] = ["张三", None, None, None]
    error = refused(raw(buildings=spoilt, community=community(code=["42999"]), streets=None))
    assert refusal(error) == {
        ("layer_missing", "streets", ""),
        ("community_code_malformed", "community", "code"),
        ("number_negative", "buildings", "households"),
        ("number_text", "buildings", "households"),
        ("number_fractional", "buildings", "households"),
        ("number_text", "buildings", "residents"),
        ("number_negative", "buildings", "residents"),
        ("not_polygon", "buildings", ""),
        ("personal_refused", "buildings", "姓名"),
    }
    assert "张三" not in str(error)
    assert all(
        finding.file == f"{finding.layer}.gpkg" for finding in error.findings if finding.layer != "streets"
    )


def test_communities_that_overlap_are_refused() -> None:
    towns = frame([box(0, 0, 220, 300), box(200, 0, 400, 300)], id=["C1", "C2"])
    error = refused(raw(community=towns))
    assert refusal(error) == {("communities_overlap", "community", "")}
    assert error.findings[0].rows == ("C1", "C2")
    assert error.findings[0].values["area_m2"] == pytest.approx(6000)


@pytest.mark.parametrize(
    "code", ["42999900100", "4299990010011", "42999900100X", "429999-001001", "４２９９９９００１００１"]
)
def test_a_malformed_code_is_refused(code: str) -> None:
    error = refused(raw(community=community(code=[code])))
    assert refusal(error) == {("community_code_malformed", "community", "code")}
    assert error.findings[0].rows == ("C1",)


@pytest.mark.parametrize("code", [429999001001, 429999001001.0, "429999001001 "])
def test_a_code_may_come_as_a_number(code: object) -> None:
    assert list(check_area(raw(community=community(code=[code]))).communities["code"]) == ["429999001001"]


def test_two_communities_do_not_share_a_code() -> None:
    towns = frame([box(0, 0, 200, 300), box(200, 0, 400, 300)], id=["C1", "C2"], code=["429999001001"] * 2)
    error = refused(raw(community=towns))
    assert refusal(error) == {("community_code_repeated", "community", "code")}
    assert error.findings[0].rows == ("C1", "C2")


def test_missing_households_are_refused_on_demand() -> None:
    frames = raw(buildings=buildings(households=[10, None, 30, None]))
    error = refused(frames, missing="refuse")
    assert refusal(error) == {("households_missing", "buildings", "households")}
    assert error.findings[0].rows == ("B2", "B4")


def test_ids_that_are_all_the_same_are_refused() -> None:
    error = refused(raw(buildings=buildings(id=[0, 0, 0, 0])))
    assert refusal(error) == {("ids_all_same", "buildings", "id")}


def test_an_empty_community_layer_is_refused() -> None:
    assert ("layer_empty", "community", "") in refusal(refused(raw(community=community().iloc[:0])))


# --- mended ---


def test_self_crossing_polygons_are_made_valid() -> None:
    spoilt = buildings()
    bow = shapely.Polygon([(X + 20, Y + 20), (X + 60, Y + 40), (X + 60, Y + 20), (X + 20, Y + 40)])
    spoilt.loc[0, "geometry"] = bow
    area = check_area(raw(buildings=spoilt))
    assert the(area.findings, "geometry_mended").rows == ("B1",)
    assert area.buildings.geometry.is_valid.all()
    assert area.buildings.geometry.iloc[0].geom_type == "MultiPolygon"
    assert area.buildings.geometry.iloc[0].area == pytest.approx(400)


def test_buildings_without_geometry_are_left_out_with_their_households() -> None:
    spoilt = buildings()
    spoilt.loc[1, "geometry"] = None
    spoilt.loc[2, "geometry"] = shapely.Polygon([(X, Y), (X + 9, Y), (X, Y)])
    area = check_area(raw(buildings=spoilt))
    empty, flat = (the(area.findings, f"building_left_out_{code}") for code in ("empty", "no_area"))
    assert (empty.rows, empty.values["households"]) == (("B2",), 20)
    assert (flat.rows, flat.values["households"]) == (("B3",), 30)
    assert list(area.buildings["id"]) == ["B1", "B4"]
    every_row_accounted(area, 4)


def test_z_is_dropped() -> None:
    high = buildings()
    high["geometry"] = shapely.force_3d(high.geometry.to_numpy(), 5.0)
    roads = streets()
    roads["geometry"] = shapely.force_3d(roads.geometry.to_numpy(), 5.0)
    area = check_area(raw(buildings=high, streets=roads))
    assert {f.layer for f in area.findings if f.code == "geometry_flattened"} == {"buildings", "streets"}
    assert not area.buildings.geometry.has_z.any()
    assert not area.streets.geometry.has_z.any()


def test_streets_of_several_parts_are_taken_apart() -> None:
    several = shapely.MultiLineString([line((0, 0), (9, 0)), line((20, 0), (29, 0))])
    area = check_area(
        raw(streets=frame([several, line((0, 50), (9, 50))], id=["s1", "s2"], **{"class": ["lane"] * 2}))
    )
    assert the(area.findings, "streets_exploded").rows == ("s1",)
    assert len(area.streets) == 3
    assert set(area.streets.geom_type) == {"LineString"}


def test_buildings_of_several_parts_stay_whole() -> None:
    twin = buildings()
    twin.loc[0, "geometry"] = shapely.MultiPolygon([box(20, 20, 40, 40), box(50, 20, 60, 40)])
    area = check_area(raw(buildings=twin))
    assert area.findings == ()
    assert area.buildings.geometry.iloc[0].geom_type == "MultiPolygon"


def test_a_rivers_surface_is_taken_by_its_outline() -> None:
    area = check_area(raw(streets=frame([box(0, 100, 400, 130)], id=["w1"], **{"class": ["water"]})))
    assert the(area.findings, "streets_outlined").rows == ("w1",)
    assert area.streets.geometry.iloc[0].length == pytest.approx(860)


def test_what_is_no_line_is_left_out_of_the_streets() -> None:
    shapes = [line((0, 0), (9, 9)), shapely.Point(X, Y), None, line((5, 5), (5, 5))]
    area = check_area(raw(streets=frame(shapes, id=list("abcd"), **{"class": ["lane"] * 4})))
    assert the(area.findings, "left_out_not_line").rows == ("b", "d")
    assert the(area.findings, "left_out_empty").rows == ("c",)
    assert len(area.streets) == 1


def test_rows_of_one_building_that_agree_count_once() -> None:
    twice = buildings(id=["B1", "B1", "B3", "B4"], households=[20, 20, 30, 40], residents=[50, 50, 75, 100])
    area = check_area(raw(buildings=twice))
    assert the(area.findings, "building_repeated").rows == ("B1",)
    assert "building_summed" not in codes(area.findings)
    assert area.buildings["households"].sum() == 90
    assert area.buildings["residents"].sum() == 225
    assert list(area.buildings["atom"]) == [0, 0, 1, 2]


def test_rows_of_one_building_that_differ_are_added_up() -> None:
    twice = buildings(id=["B1", "B1", "B3", "B4"])
    area = check_area(raw(buildings=twice))
    assert the(area.findings, "building_summed").rows == ("B1",)
    assert area.buildings.loc[area.buildings["atom"] == 0, "households"].sum() == 30
    assert the(area.findings, "building_parts_apart").rows == ("B1",)


def test_a_row_that_lacks_its_figure_takes_the_other_rows() -> None:
    twice = buildings(id=["B1", "B1", "B3", "B4"], households=[np.nan, 20, 30, 40])
    area = check_area(raw(buildings=twice))
    assert area.buildings["households"].sum() == 90
    assert not area.buildings["unknown"].any()


def test_the_figure_of_a_row_without_geometry_goes_to_its_building() -> None:
    twice = buildings(id=["B1", "B1", "B3", "B4"], households=[7, 20, 30, 40])
    twice.loc[1, "geometry"] = None
    area = check_area(raw(buildings=twice))
    assert area.buildings["households"].sum() == 97
    left_out = the(area.findings, "building_left_out_empty")
    assert left_out.values["households"] == 0
    every_row_accounted(area, 4)


def two_communities(**changes: object) -> RawFrames:
    """Two communities side by side; the buildings in the west are 1 and 2, those in the east 1 and 3."""
    homes = community().iloc[[0, 0]].reset_index(drop=True)
    homes["id"], homes["code"] = ["C1", "C2"], ["429999001001", "429999001002"]
    homes["geometry"] = [box(0, 0, 200, 300), box(200, 0, 400, 300)]
    return raw(community=homes, buildings=buildings(**{"id": ["1", "1", "2", "3"]} | changes))


def test_one_id_in_two_communities_is_two_buildings() -> None:
    area = check_area(two_communities())
    assert the(area.findings, "building_id_shared").rows == ("1",)
    assert not codes(area.findings) & {"building_summed", "building_in_several", "building_parts_apart"}
    assert area.buildings.groupby("community")["households"].sum().to_list() == [40, 60]
    assert area.buildings["atom"].nunique() == 4
    agreeing = check_area(two_communities(households=[10, 10, 30, 40], residents=[25, 25, 75, 100]))
    assert agreeing.buildings["households"].sum() == 90


def test_one_id_on_both_sides_of_a_border_is_one_building_where_its_rows_touch() -> None:
    given = two_communities(households=[10, 10, 30, 40], residents=[25, 25, 75, 100])
    rows = given.frames["buildings"]
    rows.loc[0, "geometry"] = box(170, 20, 200, 40)
    rows.loc[1, "geometry"] = box(200, 20, 210, 40)
    area = check_area(given)
    assert the(area.findings, "building_repeated").rows == ("1",)
    assert the(area.findings, "building_in_several").rows == ("1",)
    assert area.buildings.loc[area.buildings["id"] == "1", "community"].to_list() == [0, 0]
    assert area.buildings["households"].sum() == 80


def test_a_row_without_shape_goes_to_no_building_where_its_id_is_several() -> None:
    given = two_communities(id=["1", "1", "1", "3"])
    given.frames["buildings"].loc[2, "geometry"] = None
    area = check_area(given)
    assert the(area.findings, "building_left_out_empty").values["households"] == 30
    assert area.buildings["households"].sum() == 70


def test_a_table_joined_by_ids_of_several_buildings_is_refused() -> None:
    joined = Finding(
        "columns_joined", "noted", "buildings", values={"table": "t.csv", "columns": "h", "matched": 4}
    )
    with pytest.raises(InputError) as caught:
        check_area(replace(two_communities(), findings=(joined,)))
    assert refusal(caught.value) == {("building_id_shared_table", "buildings", "id")}


def test_a_missing_id_is_the_rows_number() -> None:
    area = check_area(raw(buildings=buildings(id=["B1", None, "", 4.0])))
    assert the(area.findings, "id_missing").rows == ("#2", "#3")
    assert set(area.buildings["id"]) == {"B1", "#2", "#3", "4"}
    assert list(area.original_buildings["id"]) == ["B1", "#2", "#3", "4"]


def test_slivers_between_communities_are_cleaned() -> None:
    towns = frame(
        [box(0, 0, 200.5, 300), box(200, 0, 300, 300), box(301, 0, 400, 300)], id=["C1", "C2", "C3"]
    )
    towns = pd.concat([towns, frame([box(0, 300, 400, 320)], id=["C4"])], ignore_index=True)
    towns = pd.concat([towns, frame([box(0, -20, 400, 0)], id=["C5"])], ignore_index=True)
    area = check_area(raw(community=towns))
    finding = the(area.findings, "coverage_cleaned")
    assert finding.values["overlap_m2"] == pytest.approx(150)
    assert finding.values["gap_m2"] == pytest.approx(300)
    shapes = area.communities.geometry.to_numpy()
    assert shapely.coverage_is_valid(shapes, gap_width=1.0)
    assert shapely.union_all(shapes).area == pytest.approx(400 * 340)


def test_communities_that_meet_are_left_as_they_are() -> None:
    towns = frame([box(0, 0, 200, 300), box(200, 0, 400, 300)], id=["C1", "C2"])
    area = check_area(raw(community=towns))
    assert "coverage_cleaned" not in codes(area.findings)
    assert [a.equals(b) for a, b in zip(area.communities.geometry, towns.geometry, strict=True)] == [
        True,
        True,
    ]


def test_rows_of_one_community_are_merged() -> None:
    parts = frame([box(0, 0, 200, 300), box(200, 0, 400, 300)], id=["C1", "C1"], name=["甲社区", None])
    area = check_area(raw(community=parts))
    assert the(area.findings, "community_repeated").rows == ("C1",)
    assert len(area.communities) == 1
    assert area.communities.geometry.iloc[0].area == pytest.approx(120_000)


def test_overlapping_buildings_are_noted_and_left() -> None:
    pair = buildings()
    pair.loc[1, "geometry"] = box(50, 20, 90, 40)
    area = check_area(raw(buildings=pair))
    finding = the(area.findings, "buildings_overlap")
    assert finding.rows == ("B1", "B2")
    assert finding.values["area_m2"] == pytest.approx(200)
    assert area.buildings.geometry.iloc[0].equals(pair.geometry.iloc[0])


def test_missing_households_count_as_zero() -> None:
    area = check_area(raw(buildings=buildings(households=[10, None, "", 40])))
    finding = the(area.findings, "households_zero")
    assert (finding.level, finding.rows) == ("repaired", ("B2", "B3"))
    assert list(area.buildings["households"]) == [10, 0, 0, 40]
    assert list(area.buildings["unknown"]) == [False, True, True, False]
    assert not area.buildings["estimated"].any()


def test_missing_households_are_estimated_from_floor_area() -> None:
    spoilt = buildings(
        households=[None, 20, None, 40], use=["住宅", "住宅", "商业", ""], floors=[6, 6, 6, None]
    )
    area = check_area(raw(buildings=spoilt), missing="estimate")
    # 800 m² by 6 floors at 95 m² a household: too few known buildings to tell better
    assert list(area.buildings["households"]) == [51, 20, 0, 40]
    assert list(area.buildings["estimated"]) == [True, False, False, False]
    assert list(area.buildings["unknown"]) == [True, False, True, False]
    assert the(area.findings, "households_estimated").values["households"] == 51
    assert the(area.findings, "households_not_residential").rows == ("B3",)


def test_the_estimate_learns_from_the_communitys_own_buildings() -> None:
    area = check_area(raw(buildings=buildings(households=[48, 48, 48, None])), missing="estimate")
    assert list(area.buildings["households"]) == [48, 48, 48, 48]
    assert the(area.findings, "households_estimated").values["basis"] == "100"


# --- accepted with a note ---


def test_odd_communities_are_noted() -> None:
    ring = box(0, 0, 400, 300).difference(box(100, 100, 110, 110))
    apart = shapely.MultiPolygon([box(500, 0, 600, 100), box(700, 0, 800, 100)])
    towns = frame([ring, apart], id=["C1", "C2"])
    area = check_area(raw(community=towns))
    assert the(area.findings, "community_with_holes").rows == ("C1",)
    assert the(area.findings, "community_multipart").rows == ("C2",)
    assert the(area.findings, "community_without_buildings").rows == ("C2",)
    assert the(area.findings, "community_without_streets").rows == ("C2",)


def test_no_streets_and_no_buildings_are_accepted() -> None:
    area = check_area(raw(streets=streets().iloc[:0], buildings=buildings().iloc[:0]))
    assert codes(area.findings) == {"community_without_streets", "community_without_buildings"}
    assert len(area.streets) == len(area.buildings) == 0


def test_buildings_outside_are_listed() -> None:
    spoilt = buildings()
    spoilt.loc[3, "geometry"] = box(900, 0, 950, 50)
    area = check_area(raw(buildings=spoilt))
    finding = the(area.findings, "building_outside")
    assert (finding.level, finding.rows, finding.values["households"]) == ("noted", ("B4",), 40)
    assert list(area.buildings["community"]) == [0, 0, 0, -1]


def test_a_building_on_the_border_belongs_to_the_first_community() -> None:
    towns = frame([box(200, 0, 400, 300), box(0, 0, 200, 300)], id=["C2", "C1"])
    on = buildings()
    on.loc[0, "geometry"] = box(190, 20, 210, 40)
    area = check_area(raw(community=towns, buildings=on))
    assert list(area.communities["id"]) == ["C1", "C2"]
    assert shapely.point_on_surface(area.buildings.geometry.iloc[0]).x == X + 200
    assert list(area.buildings["community"]) == [0, 1, 0, 1]


def test_parts_of_a_building_follow_the_largest() -> None:
    towns = frame([box(0, 0, 200, 300), box(200, 0, 400, 300)], id=["C1", "C2"])
    parts = buildings(id=["B1", "B1", "B3", "B4"], households=[10, 10, 30, 40])
    parts.loc[0, "geometry"] = box(180, 20, 199, 40)
    parts.loc[1, "geometry"] = box(201, 20, 260, 40)
    area = check_area(raw(community=towns, buildings=parts))
    assert list(area.buildings["community"]) == [1, 1, 0, 1]
    assert the(area.findings, "building_in_several").rows == ("B1",)


def test_streets_without_class_are_lanes() -> None:
    area = check_area(raw(streets=streets(id=["s1", "s2"], **{"class": [None, "马路"]})))
    assert the(area.findings, "street_class_missing").rows == ("s1",)
    assert the(area.findings, "street_class_unknown").values["words"] == "马路"
    assert list(area.streets["class"]) == ["lane", "lane"]
    assert codes(check_area(raw(streets=streets().drop(columns="class"))).findings) == {
        "street_class_missing"
    }


def test_words_for_yes_and_no() -> None:
    roads = streets(
        bridge=["yes", "no"], tunnel=[None, "building_passage"], oneway=["-1", "0"], layer=["1", "x"]
    )
    area = check_area(raw(streets=roads))
    assert list(area.streets["bridge"]) == [True, False]
    assert list(area.streets["tunnel"]) == [False, True]
    assert list(area.streets["oneway"]) == [True, False]
    assert list(area.streets["layer"]) == [1, 0]
    assert codes(area.findings) == {"value_unread"}


def test_original_buildings_keep_the_files_names() -> None:
    frames = raw(buildings=buildings(note=["a", "b", "c", "d"]))
    names = {"buildings": {"households": "户数", "id": "楼号"}}
    area = check_area(RawFrames(frames.frames, frames.crs, frames.files, names))
    assert list(area.original_buildings["户数"]) == [10, 20, 30, 40]
    assert list(area.original_buildings["note"]) == list("abcd")
    assert list(area.original_buildings["id"]) == ["B1", "B2", "B3", "B4"]
    assert area.original_buildings.crs == CRS
    assert list(area.buildings["row"]) == [0, 1, 2, 3]


def test_compounds_are_mended_like_buildings() -> None:
    shapes = [box(0, 0, 50, 50), box(50, 0, 90, 50), None, shapely.Point(X, Y)]
    estates = frame(shapes, id=["E1", "E1", "E2", "E3"], name=["花园", "花园", "东苑", "西苑"])
    area = check_area(raw(compounds=estates))
    assert list(area.compounds["id"]) == ["E1"]
    assert area.compounds.geometry.iloc[0].area == pytest.approx(4500)
    assert the(area.findings, "left_out_empty").rows == ("E2",)
    assert the(area.findings, "left_out_not_polygon").rows == ("E3",)


def test_no_building_at_all_is_no_fault_and_the_layer_stays() -> None:
    area = check_area(raw(buildings=pd.DataFrame({"id": []})))
    assert len(area.buildings) == 0
    assert list(area.original_buildings.columns) == ["id", "geometry"]
    assert len(area.original_buildings) == 0
