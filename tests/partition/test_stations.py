"""Service stations: which facilities are some, where one is proposed, and who reaches them."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from shapely import LineString, Point, box

from partition.area import Area
from partition.geometry.walking import build_network
from partition.merging.stations import find_stations, measure_reach
from tests.lattice import CRS, make_area


def street(houses: list[tuple[float, int]], communities: int = 2) -> Area:
    """Communities of 1 km each in a row on one street; houses 20 m square beside it, at x with households."""
    shapes = [box(1000 * n, 0, 1000 * n + 1000, 200) for n in range(communities)]
    feet = [box(x - 10, 10, x + 10, 30) for x, _ in houses]
    way = LineString([(0, 0), (1000 * communities, 0)])
    return make_area(shapes, [way], ["local"], feet, [held for _, held in houses])


def facilities(*rows: tuple[str, float, float], **columns: list[object]) -> gpd.GeoDataFrame:
    kinds = [kind for kind, _, _ in rows]
    return gpd.GeoDataFrame({"kind": kinds, **columns}, geometry=[Point(x, y) for _, x, y in rows], crs=CRS)


def test_facilities_of_certain_kinds_are_stations_in_the_order_of_communities() -> None:
    area = street([(100, 5), (1900, 5)])
    found = find_stations(
        area,
        facilities(
            ("school", 300, 50),
            ("党群服务中心", 1500, 50),
            ("service_station", 900, 50),
            ("社区服务站", 100, 50),
            ("居委会", 5000, 50),  # outside
            id=["a", "b", "c", "d", "e"],
            name=["校", "乙", None, "甲", "外"],
        ),
    )
    assert found.frame["id"].to_list() == ["c", "d", "b"]
    assert found.frame["name"].to_list() == ["", "甲", "乙"]
    assert found.frame["kind"].to_list() == ["service_station", "社区服务站", "党群服务中心"]
    assert [(point.x, point.y) for point in found.frame.geometry] == [(900, 50), (100, 50), (1500, 50)]
    assert found.community.tolist() == [0, 0, 1]
    assert len(found) == 3


def test_a_station_on_the_border_is_the_first_communitys_and_without_id_the_west_comes_first() -> None:
    area = street([(100, 5), (1900, 5)])
    found = find_stations(area, facilities(("居委会", 1000, 90), ("居委会", 400, 90), ("居委会", 1001, 90)))
    assert [(point.x, home) for point, home in zip(found.frame.geometry, found.community, strict=True)] == [
        (400, 0),
        (1000, 0),
        (1001, 1),
    ]
    assert found.frame["id"].to_list() == found.frame["name"].to_list() == ["", "", ""]


def test_where_there_is_none_one_is_proposed_in_the_middle_and_others_far_from_it() -> None:
    at = [(50, 10), (240, 10), (300, 1), (500, 10), (700, 10), (950, 10), (350, 10), (820, 0)]
    area = street([*at, (1500, 10)])
    found = find_stations(area, facilities(("居委会", 1500, 90)))
    own = found.frame[found.community == 0]
    # 500 is nearest to the middle of all; then 50 and 950 are farthest, then 300 and 700, 200 m from any
    assert own["id"].to_list() == [f"C1/{place}" for place in range(1, 6)]
    assert [point.x for point in own.geometry] == [500, 50, 950, 300, 700]
    assert own["kind"].to_list() == own["name"].to_list() == [""] * 5
    assert len(found) == 6


def test_a_house_without_households_is_no_place_unless_there_is_no_other() -> None:
    found = find_stations(street([(100, 0), (400, 3), (1300, 0), (1700, 0)]), None)
    assert [(point.x, home) for point, home in zip(found.frame.geometry, found.community, strict=True)] == [
        (400, 0),
        (1300, 1),
        (1700, 1),
    ]


def test_a_single_household_is_one() -> None:
    found = find_stations(street([(100, 0), (400, 1), (700, 0)], communities=1), None)
    assert [point.x for point in found.frame.geometry] == [400]


def test_a_community_without_houses_gets_a_place_on_its_ground() -> None:
    area = street([(100, 5)])
    found = find_stations(area, facilities().iloc[:0])
    assert found.community.tolist() == [0, 1]
    assert found.frame["id"].to_list() == ["C1/1", "C2/1"]
    assert area.communities.geometry.iloc[1].contains(found.frame.geometry.iloc[1])


def test_reach_counts_the_households_and_their_metres_by_community() -> None:
    area = street([(100, 5), (400, 7), (900, 0), (1200, 11), (1900, 3)])
    stations = find_stations(area, facilities(("居委会", 300, 0), ("居委会", 1100, 0), id=["a", "b"]))
    reach = measure_reach(area, build_network(area.streets), stations, 820.0)
    assert reach.home.tolist() == [0, 1, 3, 4]  # nobody lives in the third
    # each house is 20 m off the street
    assert reach.nearest.tolist() == pytest.approx([220, 120, 120, 820])
    assert reach.beyond.tolist() == [[0, 5], [11 + 3, 0]]
    assert reach.walk[0].tolist() == pytest.approx([5 * 220 + 7 * 120, 7 * 720])
    assert reach.walk[1].tolist() == pytest.approx([0, 11 * 120 + 3 * 820])
    assert reach.limit_m == 820


def test_more_stations_than_are_walked_from_at_once_are_all_measured() -> None:
    area = street([(500, 4)], communities=1)
    some = facilities(*(("居委会", 10.0 * n, 0) for n in range(70)), id=[f"{n:02d}" for n in range(70)])
    reach = measure_reach(area, build_network(area.streets), find_stations(area, some), 2000.0)
    assert reach.walk[0].tolist() == pytest.approx([4 * (abs(500 - 10 * n) + 20) for n in range(70)])
    assert not reach.beyond.any()


def test_where_no_way_leads_nobody_reaches_anything() -> None:
    area = street([(100, 5)], communities=1)
    bare = build_network(area.streets.iloc[:0])
    stations = find_stations(area, facilities(("居委会", 300, 0)))
    reach = measure_reach(area, bare, stations, 1200.0)
    assert np.isinf(reach.nearest).all()
    assert reach.beyond.tolist() == [[5]]
    assert reach.walk.tolist() == [[0]]
