"""Facilities, cases, counts and staff at the border: what is refused, repaired and noted."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import LineString, Point, box

from partition.area import Area
from partition.errors import InputError
from service.intake.layers import Layers, check_layers

from .towns import make_town


@pytest.fixture(scope="module")
def area() -> Area:
    return make_town()


def refused(area: Area, **layers: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Codes of what is refused, each with its rows."""
    with pytest.raises(InputError) as caught:
        check_layers(layers, area, files={name: f"{name}.gpkg" for name in layers})
    for finding in caught.value.findings:
        assert f"{finding.layer}.gpkg" in finding.text("en")
        assert finding.text("zh") != finding.text("en")
    return {finding.code: finding.rows for finding in caught.value.findings}


def found(layers: Layers) -> dict[str, tuple[str, ...]]:
    """Codes of what was repaired or noted, each with its rows."""
    return {finding.code: finding.rows for finding in layers.findings}


def test_counts_are_refused_by_row(area: Area) -> None:
    ids = area.buildings["id"]
    frame = pd.DataFrame(
        {
            "building": [ids[0], ids[1], "B-404", ids[2], ids[3]],
            "category": ["elderly_alone", "believers", "disabled", "disabled", "disabled"],
            "count": [1, 2, 3, -1, 1.5],
        }
    )
    assert refused(area, population_groups=frame) == {
        "intake_group_unknown": ("#2",),
        "intake_building_unknown": ("#3",),
        "intake_count_wrong": ("#4", "#5"),
    }


def test_repeated_counts_are_added_and_labels_understood(area: Area) -> None:
    first = area.buildings["id"][0]
    frame = pd.DataFrame(
        {"building": [first, first], "category": ["独居老人", "elderly_alone"], "count": ["2", 3.0]}
    )
    layers = check_layers({"population_groups": frame}, area)
    assert layers.population_groups is not None
    assert layers.population_groups.to_dict("records") == [
        {"division": 0, "building": first, "category": "elderly_alone", "count": 5}
    ]
    assert found(layers) == {"intake_group_repeated": ("#1", "#2")}


def test_counts_of_buildings_outside_every_community_are_noted(area: Area) -> None:
    buildings = area.buildings.assign(
        community=area.buildings["community"].where(area.buildings.index > 0, -1)
    )
    outside = Area(area.crs, area.crs, area.communities, area.streets, buildings, area.compounds, buildings)
    frame = pd.DataFrame({"building": [buildings["id"][0]], "category": "disabled", "count": 1})
    layers = check_layers({"population_groups": frame}, outside)
    assert layers.population_groups is not None
    assert layers.population_groups.empty
    assert found(layers) == {"intake_building_outside": ("#1",)}


def test_conditions_of_facilities_are_ours_or_not_known(area: Area) -> None:
    spot = area.buildings.geometry.iloc[0].representative_point()
    frame = gpd.GeoDataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "kind": "lamp",
            "condition": ["Damaged", None, "wobbly", "13800138000"],
        },
        geometry=[spot] * 4,
        crs=area.crs,
    )
    layers = check_layers({"facilities": frame}, area)
    assert layers.facilities is not None
    assert layers.facilities["condition"].tolist() == ["damaged", "", "", ""]
    assert found(layers)["intake_condition_unknown"] == ("c", "d")
    (told,) = [one for one in layers.findings if one.code == "intake_condition_unknown"]
    assert "wobbly" in told.text("zh")
    assert "13800138000" not in told.text("zh")
    bare = check_layers({"facilities": frame.drop(columns="condition")}, area)
    assert bare.facilities is not None
    assert set(bare.facilities["condition"]) == {""}


def test_facilities_become_points_in_metres(area: Area) -> None:
    west, south, *_ = area.communities.total_bounds
    frame = gpd.GeoDataFrame(
        {"id": ["f1", "f2", "f3", None, None], "kind": ["clinic", "lamp", "", "bin", "bin"]},
        geometry=[
            box(west, south, west + 10, south + 10),
            Point(west + 1, south + 1, 5.0),
            None,
            Point(west + 2, south),
            Point(west + 2, south),
        ],
        crs=area.crs,
    ).to_crs(4490)
    layers = check_layers({"facilities": frame}, area)
    assert layers.facilities is not None
    assert layers.facilities.crs == area.crs
    assert set(layers.facilities.geom_type) == {"Point"}
    assert not layers.facilities.has_z.any()
    assert layers.facilities["id"].is_unique
    assert len(layers.facilities) == 4
    assert found(layers) == {
        "intake_id_made": ("#4", "#5"),
        "intake_point_missing": ("f3",),
        "intake_point_made": ("f1",),
    }
    again = check_layers({"facilities": frame}, area)
    assert again.facilities is not None
    assert list(again.facilities["id"]) == list(layers.facilities["id"])


def test_facilities_are_refused_by_id(area: Area) -> None:
    twice = gpd.GeoDataFrame(
        {"id": ["f1", "f1"], "kind": "lamp", "name": ["", "990101199001011234"]},
        geometry=[Point(0, 0), LineString([(0, 0), (1, 1)])],
        crs=area.crs,
    )
    assert refused(area, facilities=twice) == {
        "intake_id_repeated": ("f1",),
        "intake_identity_number": ("f1",),
    }
    assert refused(area, facilities=twice[["id", "geometry"]]) == {"intake_column_missing": ()}


def test_staff_need_a_community_that_is_known(area: Area) -> None:
    two = area.communities.loc[[0, 0]].reset_index(drop=True)
    two["id"], two["code"], two["name"] = ["c1", "c2"], ["990101001001", ""], ["甲", "乙"]
    both = Area(
        area.crs, area.crs, two, area.streets, area.buildings, area.compounds, area.original_buildings
    )
    frame = pd.DataFrame(
        {
            "grid": ["990101001001004", "c2-001", "3", 7.0, "1"],
            "community": ["", "", "乙", "c1", ""],
            "role": "网格员",
            "name": list("甲乙丙丁戊"),
        }
    )
    assert refused(both, staff=frame) == {"intake_staff_nowhere": ("#5",)}
    layers = check_layers({"staff": frame.iloc[:4]}, both)
    assert layers.staff is not None
    assert list(layers.staff["division"]) == [0, 1, 1, 0]
    assert list(layers.staff["assigned"]) == ["990101001001004", "c2-001", "3", "7"]


def test_times_without_a_zone_are_chinas(area: Area) -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "b"],
            "category": "rubbish",
            "time": ["2026-05-01 08:30", "2026-05-01T08:30:00Z"],
            "status": ["已结案", "Open"],
            "building": area.buildings["id"][0],
        }
    )
    cases = check_layers({"cases": frame}, area).cases
    assert cases is not None
    assert [moment.isoformat() for moment in cases["time"]] == [
        "2026-05-01T00:30:00+00:00",
        "2026-05-01T08:30:00+00:00",
    ]
    assert list(cases["status"]) == ["closed", "discovered"]
    assert cases.geometry.iloc[0].within(area.buildings.geometry.iloc[0])


def test_an_id_that_buildings_of_two_communities_bear_does_not_tell_which(area: Area) -> None:
    buildings = area.buildings.assign(id=area.buildings["id"].where(area.buildings["atom"] != 1, "1号楼"))
    buildings["id"] = buildings["id"].where(buildings["atom"] != 2, "1号楼")
    shared = Area(area.crs, area.crs, area.communities, area.streets, buildings, area.compounds, buildings)
    counts = pd.DataFrame({"building": ["1号楼"], "category": "disabled", "count": 1})
    assert refused(shared, population_groups=counts) == {"intake_building_shared": ("#1",)}
    case = {"id": ["K1"], "category": ["noise"], "time": ["2026-01-01"], "building": ["1号楼"]}
    assert refused(shared, cases=pd.DataFrame(case)) == {"intake_case_nowhere": ("K1",)}
