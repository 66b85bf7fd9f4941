"""What profiles may ask for of an area's files: zones, shops, complexity, village groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from partition.errors import InputError
from partition.intake.frames import check_area
from tests.frames import box, buildings, codes, frame, raw, refusal, the


def test_an_area_without_them_has_none() -> None:
    area = check_area(raw())
    assert len(area.zones) == 0
    assert area.zones.crs == area.crs
    assert area.buildings["shops"].isna().all()
    assert (area.buildings["complexity"] == 1).all()
    assert (area.buildings["village_group"] == "").all()
    assert area.missing == "zero"
    assert check_area(raw(), missing="estimate").missing == "estimate"


def test_columns_of_buildings_are_read() -> None:
    given = buildings(
        shops=["3", None, "１２", 0], complexity=[1.5, None, "2", 1], village_group=[1, "二组", None, 1]
    )
    found = check_area(raw(buildings=given)).buildings.set_index("id")
    np.testing.assert_array_equal(found["shops"], [3, np.nan, 12, 0])
    assert found["complexity"].tolist() == [1.5, 1.0, 2.0, 1.0]
    assert found["village_group"].tolist() == ["1", "二组", "", "1"]


def test_shops_of_one_building_in_several_rows_count_once() -> None:
    given = buildings(id=["B1", "B1", "B2", "B2"], shops=[4, 4, 1, 2])
    found = check_area(raw(buildings=given)).buildings
    assert found.groupby("id")["shops"].sum().to_dict() == {"B1": 4, "B2": 3}


@pytest.mark.parametrize("value", [0, -1, 11, "hard", float("inf")])
def test_a_complexity_that_cannot_be_is_refused(value: object) -> None:
    with pytest.raises(InputError) as told:
        check_area(raw(buildings=buildings(complexity=[1, value, None, 2])))
    assert refusal(told.value) == {("complexity_wrong", "buildings", "complexity")}
    assert told.value.findings[0].rows == ("B2",)
    zone = frame([box(0, 0, 50, 50)], id=["Z"], complexity=[value])
    with pytest.raises(InputError) as told:
        check_area(raw(zones=zone))
    assert refusal(told.value) == {("complexity_wrong", "zones", "complexity")}


def test_shops_that_are_no_number_are_refused() -> None:
    with pytest.raises(InputError) as told:
        check_area(raw(buildings=buildings(shops=[1, "some", -2, 3])))
    assert refusal(told.value) == {
        ("number_text", "buildings", "shops"),
        ("number_negative", "buildings", "shops"),
    }


def test_zones_are_read_and_parts_with_one_id_are_one() -> None:
    zones = frame(
        [box(0, 0, 50, 50), box(60, 0, 80, 50), box(100, 100, 150, 150)],
        id=["Z2", "Z2", "Z1"], name=["小学", None, None], kind=["school", None, None],
        complexity=[None, None, 1.5],
    )  # fmt: skip
    area = check_area(raw(zones=zones))
    assert area.zones["id"].tolist() == ["Z1", "Z2"]
    assert area.zones["kind"].tolist() == ["other", "school"]
    assert area.zones["complexity"].tolist() == [1.5, 1.0]
    assert area.zones.geometry.area.round(3).tolist() == [2500.0, 3500.0]
    assert the(area.findings, "zone_repeated").rows == ("Z2",)


def test_zones_that_are_no_polygons_are_left_out() -> None:
    zones = frame([box(0, 0, 50, 50).centroid, box(0, 0, 50, 50)], id=["P", "Z"])
    area = check_area(raw(zones=zones))
    assert area.zones["id"].tolist() == ["Z"]
    assert "left_out_not_polygon" in codes(area.findings)


@pytest.mark.parametrize("column", ["households", "residents", "shops", "floors", "complexity"])
def test_a_count_of_a_group_stands_for_no_other_figure(column: str) -> None:
    given = raw(buildings=buildings(**{column: [1, 2, 3, 4]}))
    named = replace(given, originals={"buildings": {column: "独居老人数"}})
    with pytest.raises(InputError) as caught:
        check_area(named)
    assert refusal(caught.value) == {("group_count", "buildings", "独居老人数")}
    check_area(replace(given, originals={"buildings": {column: "数"}}))


def test_a_zone_out_of_range_is_told_whatever_layers_are_missing() -> None:
    far = frame([box(-1.2e7, 0, -1.19e7, 100)], id=["Z1"], kind=["school"])
    with pytest.raises(InputError) as told:
        check_area(raw(zones=far))
    assert {(finding.code.split("_")[0], finding.layer) for finding in told.value.findings} == {
        ("out", "zones")
    }
