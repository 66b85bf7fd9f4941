"""What buildings weigh by the measures of a profile, and what is said where figures are missing."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
from shapely import box

from partition.area import Area
from partition.errors import ProfileError
from partition.findings import Finding
from partition.wishes.loads import is_weighed, measures_of, name_measure, total_loads, unweigh, weigh_area
from partition.wishes.rules import Profile, Size
from tests.lattice import CRS, make_area

HOUSEHOLDS = Size("households", 1, 2, 3)
PEOPLE = Size("residents", 1, 2, 3)
WORK = Size("workload", 1, 2, 3)
NAN = np.nan


def town(
    households: list[int], *, ids: list[str] | None = None, communities: int = 1, **columns: object
) -> Area:
    """Houses of 10 m by 20 m in a row, shared out to communities as evenly as can be."""
    count = len(households)
    width = 100 * count / communities
    shapes = [box(width * n, 0, width * n + width, 50) for n in range(communities)]
    houses = [box(100 * n + 40, 10, 100 * n + 50, 30) for n in range(count)]
    area = make_area(shapes, [], [], houses, households, ids)
    return replace(area, buildings=area.buildings.assign(**columns))


def weighed(area: Area, size: Size, **rules: object) -> tuple[list[float], list[Finding]]:
    """The weight of each building by the size's measure, and the notes."""
    found, notes = weigh_area(area, Profile("test", size, **rules))  # type: ignore[arg-type]
    return found.buildings[f"load_{size.measure}"].round(6).to_list(), list(notes)


def refused(area: Area, size: Size, **rules: object) -> list[tuple[str, tuple[str, ...]]]:
    with pytest.raises(ProfileError) as caught:
        weighed(area, size, **rules)
    assert all(fault.file == "" and fault.layer == "buildings" for fault in caught.value.findings)
    return [(fault.code, fault.rows) for fault in caught.value.findings]


def told(notes: list[Finding]) -> list[tuple[str, tuple[str, ...]]]:
    assert all(note.level == "noted" and note.values["profile"] == "test" for note in notes)
    return [(note.code, note.rows) for note in notes]


# --- residents ---


def test_residents_that_are_known_count_as_they_are() -> None:
    area = town([10, 0, 5], residents=[25.0, NAN, 11.0])
    assert weighed(area, PEOPLE) == ([25, 0, 11], [])


def test_missing_residents_are_estimated_by_the_households_of_the_community() -> None:
    people = [20.0, 40.0, 60.0, NAN, NAN, 8.0, 1.0, NAN]
    area = town([10, 10, 20, 5, 0, 4, 1, 10], residents=people, communities=2)
    area = replace(area, missing="estimate")
    # 120 people in 40 households; in the second community only two are known, so 2.62 of a household
    found, notes = weighed(area, PEOPLE)
    assert found == [20, 40, 60, 15, 0, 8, 1, 26.2]
    assert told(notes) == [("residents_estimated", ("B0003", "B0007"))]
    assert notes[0].values["residents"] == 41
    assert notes[0].values["basis"] == "2.62, 3"


def test_missing_residents_are_refused_where_nothing_may_be_estimated() -> None:
    area = town([10, 5, 5], residents=[25.0, NAN, NAN], ids=["A", "B", "B"])
    assert refused(replace(area, missing="refuse"), PEOPLE) == [("residents_missing", ("B",))]


def test_missing_residents_count_for_none_where_others_of_the_community_are_known() -> None:
    area = replace(town([10, 5], residents=[25.0, NAN]), missing="zero")
    found, notes = weighed(area, PEOPLE)
    assert (found, told(notes)) == ([25, 0], [("residents_zero", ("B0001",))])
    bare = town([10, 5, 7, 0], residents=[25.0, NAN, NAN, 3.0], communities=2)
    assert refused(replace(bare, missing="zero"), PEOPLE) == [("residents_unknown", ("C2",))]


def test_what_lies_in_no_community_misses_nothing() -> None:
    area = town([10, 5], residents=[25.0, NAN])
    outside = replace(area, missing="refuse", buildings=area.buildings.assign(community=[0, -1]))
    assert weighed(outside, PEOPLE) == ([25, 0], [])


# --- what is complex counts for more ---


def zones(*rows: tuple[float, float, float]) -> gpd.GeoDataFrame:
    """Zones from x to x, each with its complexity."""
    return gpd.GeoDataFrame(
        {"id": [f"Z{n}" for n in range(len(rows))], "complexity": [by for _, _, by in rows]},
        geometry=[box(a, 0, b, 50) for a, b, _ in rows],
        crs=CRS,
    )


def test_complexity_of_buildings_and_zones_multiplies() -> None:
    area = replace(
        town([10, 10, 10], complexity=[1.0, 1.5, 1.0]), zones=zones((0, 200, 2.0), (100, 200, 3.0))
    )
    found, notes = weighed(area, HOUSEHOLDS, wishes=("complex_smaller",))
    assert found == [20, 90, 10]
    assert told(notes) == [("complexity_counted", ("B0000", "B0001"))]
    assert notes[0].values["most"] == 9
    assert weighed(area, HOUSEHOLDS) == ([10, 10, 10], [])


def test_where_nothing_is_complex_nothing_is_said() -> None:
    area = town([10, 20])
    assert weighed(area, HOUSEHOLDS, wishes=("complex_smaller",)) == ([10, 20], [])
    made, _ = weigh_area(area, Profile("test", HOUSEHOLDS, wishes=("complex_smaller",)))
    assert name_measure(made.buildings, HOUSEHOLDS) == "households"
    complex_ = replace(area, buildings=area.buildings.assign(complexity=[1.0, 0.5]))
    made, _ = weigh_area(complex_, Profile("test", HOUSEHOLDS, wishes=("complex_smaller",)))
    assert name_measure(made.buildings, HOUSEHOLDS) == "households_weighted"
    assert name_measure(made.buildings, Size("area", 1, 2, 3)) == "area"


# --- workload ---


def test_workload_counts_a_building_of_several_rows_once() -> None:
    area = town([10, 4, 7], ids=["A", "B", "A"], shops=[2.0, NAN, 1.0], floors=[3.0, NAN, 6.0])
    assert weighed(area, WORK, workload="households + shops")[0] == [10 + 7 + 3, 4, 0]
    assert weighed(area, WORK, workload="floors")[0] == [6, 0, 0]
    assert weighed(area, WORK, workload="area_m2")[0] == [400, 200, 0]
    # an unknown number of floors is one
    assert weighed(area, WORK, workload="floor_area_m2")[0] == [200 * 3 + 200 * 6, 200, 0]


def test_residents_in_a_workload_are_those_of_the_measure() -> None:
    area = replace(town([10, 5], residents=[25.0, NAN]), missing="zero")
    found, notes = weighed(area, WORK, workload="2 * residents")
    assert (found, told(notes)) == ([50, 0], [("residents_zero", ("B0001",))])


def test_shops_that_no_row_tells_are_noted() -> None:
    found, notes = weighed(town([10, 5]), WORK, workload="households + shops")
    assert (found, told(notes)) == ([10, 5], [("workload_without_shops", ())])
    assert weighed(town([10, 5], shops=[NAN, 2.0]), WORK, workload="shops") == ([0, 2], [])


def with_column(area: Area, **columns: list[object]) -> Area:
    """The area whose file had further columns."""
    return replace(area, original_buildings=area.original_buildings.assign(**columns))


def test_columns_of_the_file_are_read_under_their_own_names() -> None:
    area = with_column(town([1, 1, 1], ids=["A", "B", "A"]), lifts=["2", None, "2"], 摊位=[1, 2, 4])
    found, notes = weighed(area, WORK, workload="10 * lifts")
    # rows of one building that agree are told twice, others add up
    assert (found, told(notes)) == ([20, 0, 0], [("workload_zero", ("B",))])
    assert weighed(area, WORK, workload="摊位") == ([5, 2, 0], [])


def test_what_cannot_be_weighed_is_refused() -> None:
    area = with_column(town([10, 0]), lifts=["2", "many"], 残疾人数=[1, 2])
    assert refused(area, WORK, workload="lifts") == [("workload_not_number", ("B0001",))]
    assert refused(area, WORK, workload="gates") == [("workload_column_missing", ())]
    assert refused(area, WORK, workload="geometry") == [("workload_column_missing", ())]
    assert refused(area, WORK, workload="残疾人数") == [("workload_group_count", ())]
    assert refused(area, WORK, workload="households - 1") == [("workload_no_weight", ("B0001",))]
    assert refused(area, WORK, workload="1 / households") == [("workload_no_weight", ("B0001",))]
    assert refused(area, WORK, workload="households * 1e9") == [("workload_no_weight", ("B0000",))]
    both = refused(area, WORK, workload="lifts + gates")
    assert [code for code, _ in both] == ["workload_not_number", "workload_column_missing"]
    assert weighed(area, WORK, workload="households - 0") == ([10, 0], [])


def test_the_columns_that_are_known_are_listed_without_those_of_groups() -> None:
    area = with_column(town([10]), lifts=["2"], 残疾人数=[1])
    with pytest.raises(ProfileError) as caught:
        weighed(area, WORK, workload="gates")
    known = caught.value.findings[0].values["known"].split(", ")
    assert {"households", "shops", "floor_area_m2", "lifts", "id"} <= set(known)
    assert not {"残疾人数", "geometry"} & set(known)
    assert len(known) == len(set(known))


def test_counts_of_groups_that_the_caller_may_see_are_weighed() -> None:
    area = with_column(town([10, 5]), 残疾人数=[1, 2])
    made, _ = weigh_area(area, Profile("test", WORK, workload="残疾人数"), allowed=("残疾人数",))
    assert made.buildings["load_workload"].to_list() == [1, 2]


# --- what places hold ---


def test_places_hold_the_sum_of_their_buildings_and_their_own_ground() -> None:
    made, _ = weigh_area(town([10, 20, 30, 40]), Profile("test", HOUSEHOLDS))
    place = np.array([1, -1, 1, 0])
    sizes = (HOUSEHOLDS, Size("area", 1, 2, 3))
    held = total_loads(made.buildings, sizes, place, np.array([7.0, 8.0, 9.0]))
    assert held.tolist() == [[40, 7], [40, 8], [0, 9]]


def test_an_area_is_weighed_for_the_measures_of_its_communities_only() -> None:
    rules = Profile("test", HOUSEHOLDS, second=Size("area", 1, 2, 3), rural=PEOPLE)
    assert measures_of(rules, ["urban"]) == {"households", "area"}
    assert measures_of(rules, ["rural", ""]) == {"households", "residents", "area"}
    area = town([10, 5])
    assert not is_weighed(area, rules)
    made, _ = weigh_area(area, rules)
    assert is_weighed(made, rules)
    assert "load_residents" not in made.buildings
    assert not is_weighed(replace(made, communities=made.communities.assign(**{"class": "rural"})), rules)
    assert unweigh(made.buildings).columns.to_list() == area.buildings.columns.to_list()
