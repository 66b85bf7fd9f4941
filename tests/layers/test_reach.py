"""Walks to facilities, shares of households and isochrones: by hand, and as rules over generated towns."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, Polygon, box

from layers.reach.ground import Ground, lay_ground, walk_to_facilities
from layers.reach.isochrones import draw_isochrones
from layers.reach.shares import find_unreached, measure_shares, reach_limits
from layers.reach.words import percent, say_reach
from partition.area import Area
from tests.draws import draw_alike
from tests.lattice import CRS, Town, make_town

X, Y = 500_000.0, 3_400_000.0


def streets(*ways: tuple[Any, ...]) -> gpd.GeoDataFrame:
    """Ways, each: points (metres from a corner), class, and what else is true of it."""
    rows = [
        {
            "class": way[1] if len(way) > 1 else "local",
            "bridge": False,
            "tunnel": False,
            "layer": 0,
            "geometry": LineString([(X + x, Y + y) for x, y in way[0]]),
        }
        | (way[2] if len(way) > 2 else {})
        for way in ways
    ]
    return gpd.GeoDataFrame(rows, crs=CRS)


def homes(*rows: tuple[str, float, float, float, str]) -> gpd.GeoDataFrame:
    """id, x, y, households, grid."""
    return gpd.GeoDataFrame(
        {
            "id": [row[0] for row in rows],
            "households": [row[3] for row in rows],
            "grid": [row[4] for row in rows],
        },
        geometry=[box(X + x - 2, Y + y - 2, X + x + 2, Y + y + 2) for _, x, y, *_ in rows],
        crs=CRS,
    )


def facilities(*places: tuple[float, float], condition: str = "good") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"kind": "clinic", "condition": condition},
        geometry=[Point(X + x, Y + y) for x, y in places],
        crs=CRS,
        index=range(5, 5 + len(places)),
    )


STREET = streets(([(0, 0), (3000, 0)],), ([(2000, 500), (2500, 500)],))
ROW = homes(
    ("A", 100, 10, 30, "g1"),
    ("B", 800, -10, 20, "g1"),
    ("C", 1190, 30, 50, "g2"),
    ("D", 1300, 10, 7, "g2"),
    ("E", 2100, 510, 3, ""),
    ("F", 2900, 10, float("nan"), "g2"),
)


def test_shares_by_hand() -> None:
    ground = lay_ground(STREET, ROW, crs=CRS)
    walks = walk_to_facilities(ground, facilities((0, 0)))
    # along the street from its end, and the straight leg; E stands by a way that leads nowhere
    assert walks.metres.round(3).tolist() == [110, 810, 1220, 1310, np.inf, 2910]
    whole, (one, two) = measure_shares(ground, walks, minutes=(5, 11, 16))
    assert (one.grid, one.households, one.within) == ("g1", 50, (30, 50, 50))
    assert one.shares == (0.6, 1.0, 1.0)
    assert (two.households, two.within, two.beyond, two.cut_off) == (57, (0, 0, 50), 7, 0)
    assert two.buildings_unknown == 1
    assert (whole.households, whole.within, whole.beyond, whole.cut_off) == (110, (30, 50, 100), 7, 3)
    assert find_unreached(ground, walks, 1280) == ["D", "E", "F"]
    # a faster walk reaches more
    assert measure_shares(ground, walks, minutes=(5,), metres_per_minute=262)[0].within == (107,)


def test_limits_hold_to_the_metre() -> None:
    ground = lay_ground(STREET, ROW.iloc[:1], crs=CRS)
    walks = walk_to_facilities(ground, facilities((0, 0)))
    assert measure_shares(ground, walks, minutes=(1.374, 1.376))[0].within == (0, 30)


def test_nobody_reaches_what_is_missing_or_out_of_use() -> None:
    ground = lay_ground(STREET, ROW, crs=CRS)
    for condition, served in (("good", 100), ("damaged", 100), ("", 100), ("missing", 0), ("disused", 0)):
        walks = walk_to_facilities(ground, facilities((0, 0), condition=condition))
        whole, _ = measure_shares(ground, walks, minutes=(16,))
        assert whole.within == (served,)
    assert whole.cut_off == whole.households


def test_the_river_is_crossed_on_the_bridge_only() -> None:
    river = ([(-50, 50), (900, 50)], "water")
    banks = (([(0, 0), (800, 0)],), ([(0, 100), (800, 100)],))
    home, clinic = homes(("A", 10, 90, 40, "g")), facilities((10, 10))
    for ways, metres in (
        ((*banks, river), np.inf),
        ((*banks, river, ([(400, 0), (400, 100)], "local", {"bridge": True})), 10 + 390 + 100 + 390 + 10),
        ((*banks, river, ([(400, 0), (400, 100)], "path", {"tunnel": True})), 10 + 390 + 100 + 390 + 10),
    ):
        ground = lay_ground(streets(*ways), home, crs=CRS)
        assert walk_to_facilities(ground, clinic).metres.round(3).tolist() == [metres]


def test_nothing_at_all() -> None:
    nothing = STREET.iloc[:0]
    ground = lay_ground(nothing, ROW, crs=CRS)
    walks = walk_to_facilities(ground, facilities((0, 0)))
    assert np.isinf(walks.metres).all()
    area = gpd.GeoSeries([box(X, Y - 50, X + 400, Y + 50)], crs=CRS)
    assert draw_isochrones(ground, walks, area).geometry.is_empty.all()
    ground = lay_ground(STREET, ROW.iloc[:0], crs=CRS)
    walks = walk_to_facilities(ground, facilities())
    whole, grids = measure_shares(ground, walks)
    assert (whole.shares, grids) == (None, ())
    assert draw_isochrones(ground, walks, area).geometry.is_empty.all()


@pytest.mark.parametrize("minutes", [(), (5, 5), (10, 5), (0, 5), (-1,)])
def test_minutes_ascend_from_nought(minutes: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        reach_limits(minutes)
    with pytest.raises(ValueError, match="pace"):
        reach_limits((5,), 0)


# --- isochrones ---


def test_on_a_straight_street_the_isochrone_narrows_to_its_end() -> None:
    """Whoever lives off the street has so much less of it: the border runs at 45 degrees."""
    ground = lay_ground(streets(([(0, 0), (2000, 0)],)), ROW.iloc[:0], crs=CRS)
    walks = walk_to_facilities(ground, facilities((0, 0)))
    area = gpd.GeoSeries([box(X, Y - 100, X + 1500, Y + 100)], crs=CRS)
    found = draw_isochrones(ground, walks, area, minutes=(5, 10), cell_m=5.0).to_crs(CRS)
    for minutes, shape in zip((5, 10), found.geometry, strict=True):
        reach = 80 * minutes
        expected = Polygon(
            [
                (X + x, Y + y)
                for x, y in ((0, -100), (reach - 100, -100), (reach, 0), (reach - 100, 100), (0, 100))
            ]
        )
        assert shape.symmetric_difference(expected).area < 0.005 * expected.area
    assert found["area_m2"].tolist() == pytest.approx([60_000 + 10_000, 140_000 + 10_000], rel=0.005)


def test_isochrones_have_parts_where_a_wall_parts_them_and_holes() -> None:
    """Two clinics far apart make two parts; a walled yard without a gate is a hole."""
    around = [(200, 100), (300, 100), (300, 200), (200, 200), (200, 100)]
    ways = streets(
        ([(0, 0), (3000, 0)],),
        ([(100, 0), (100, 300), (400, 300), (400, 0)],),
        ([(250, 120), (250, 180), (280, 180), (280, 120), (220, 120), (220, 130)],),
        (around, "wall"),
    )
    ground = lay_ground(ways, ROW.iloc[:0], crs=CRS)
    walks = walk_to_facilities(ground, facilities((250, 0), (2500, 0)))
    area = gpd.GeoSeries([box(X, Y - 60, X + 3000, Y + 400)], crs=CRS)
    (shape,) = draw_isochrones(ground, walks, area, minutes=(10,), cell_m=5.0).to_crs(CRS).geometry
    assert len(shape.geoms) == 2
    first = min(shape.geoms, key=lambda part: part.bounds[0])
    assert len(first.interiors) == 1
    yard = Polygon([(X + x, Y + y) for x, y in around])
    hole = Polygon(first.interiors[0])
    assert hole.symmetric_difference(yard).area < 0.15 * yard.area


def ground_of(area: Area, crs: Any = None) -> tuple[Ground, gpd.GeoDataFrame]:
    """The ground of a generated town, and two clinics in it."""
    grid = (area.buildings.geometry.centroid.x // 200).astype(int).astype(str)
    buildings = area.buildings.assign(
        grid=grid, households=area.buildings["households"].astype(float).where(area.buildings.index % 9 > 0)
    )
    spots = area.buildings.geometry.iloc[[3, len(area.buildings) // 2]].centroid
    clinics = gpd.GeoDataFrame({"kind": ["clinic"] * 2}, geometry=list(spots), crs=area.crs)
    ways = area.streets
    if crs is not None:
        buildings, ways, clinics = buildings.to_crs(crs), ways.to_crs(crs), clinics.to_crs(crs)
    return lay_ground(ways, buildings, crs=CRS), clinics


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), wall=st.booleans(), bridges=st.integers(0, 2))
def test_what_always_holds_of_reach(seed: int, wall: bool, bridges: int) -> None:
    area = make_town(
        Town(columns=5, rows=5, river=True, wall=wall, bridges=bridges, seed=seed, careless=seed % 3 == 0)
    )
    ground, clinics = ground_of(area)
    walks = walk_to_facilities(ground, clinics)
    minutes = (1.5, 3.0, 6.0)
    whole, grids = measure_shares(ground, walks, minutes=minutes)
    assert list(whole.within) == sorted(whole.within)
    assert whole.within[-1] + whole.beyond + whole.cut_off == whole.households == ground.households.sum()
    assert sum(share.households for share in grids) == whole.households
    assert np.sum([share.within for share in grids], axis=0).tolist() == list(whole.within)
    found = draw_isochrones(ground, walks, area.communities.geometry, minutes=minutes, cell_m=6.0)
    shapes = found.to_crs(CRS).geometry.to_numpy()
    assert shapely.is_valid(shapes).all()
    border = area.communities.union_all()
    for inner, outer in pairwise(shapes):
        assert shapely.difference(inner, outer).area < 1e-3
    assert shapely.difference(shapes[-1], border).area < 1e-3
    # a home in the polygon is a home that counts
    points = ground.homes.geometry.to_numpy()
    inside = shapely.intersects(border, points)
    for limit, shape in zip(reach_limits(minutes), shapes, strict=True):
        assert (shapely.intersects(shape, points) == (walks.metres <= limit))[inside].all()


def test_neither_the_order_of_rows_nor_the_crs_matters() -> None:
    area = make_town(Town(columns=5, rows=4, river=True, bridges=2, seed=7))
    rng = np.random.default_rng(3)
    mixed = Area(
        area.crs,
        area.crs,
        area.communities,
        area.streets.sample(frac=1, random_state=rng.integers(99)).reset_index(drop=True),
        area.buildings,
        area.compounds,
        area.buildings,
    )
    ground, clinics = ground_of(area)
    walks = walk_to_facilities(ground, clinics)
    shape = draw_isochrones(ground, walks, area.communities.geometry)
    shares = measure_shares(ground, walks, minutes=(2, 4))
    turned, others = ground_of(mixed)
    again = walk_to_facilities(turned, others.iloc[::-1])
    assert again.metres.tolist() == walks.metres.tolist()
    assert measure_shares(turned, again, minutes=(2, 4)) == shares
    assert draw_isochrones(turned, again, area.communities.geometry).to_json() == shape.to_json()
    abroad, clinics = ground_of(area, 4326)
    there = walk_to_facilities(abroad, clinics)
    np.testing.assert_allclose(there.metres, walks.metres, atol=1e-3)
    moved = draw_isochrones(abroad, there, area.communities.geometry.to_crs(3857))
    for one, other in zip(moved.to_crs(CRS).geometry, shape.to_crs(CRS).geometry, strict=True):
        assert one.symmetric_difference(other).area < 1e-3 * other.area + 1


# --- words ---


def test_percents_are_whole_and_never_all_or_nothing_by_rounding() -> None:
    assert [percent(share) for share in (0, 0.001, 0.486, 0.999, 1)] == ["0%", "<1%", "49%", ">99%", "100%"]


def test_reach_is_said_in_a_sentence_or_two() -> None:
    told = say_reach("service_station", (5, 10, 15), (0.48, 0.896, 1.0), unknown=3)
    assert told["zh"] == (
        "步行5分钟内48%、10分钟内90%的住户可达最近的党群服务站。15分钟内全部住户可达。"
        "3 栋楼户数不详，未计入。"
    )
    assert told["en"] == (
        "Households on foot to the nearest service station: 48% within 5 minutes and 90% within 10 minutes. "
        "All of them are there within 15 minutes. 3 buildings whose households are unknown are not counted."
    )
    told = say_reach("clinic", (5,), (0.5,), beyond=0.4, cut_off=0.1)
    assert "40%的住户步行超过5分钟" in told["zh"]
    assert "10% have no way there at all" in told["en"]
    assert "没有" in say_reach("clinic", (5,), (0.0,), facilities=0)["zh"]
    assert "Households are not known" in say_reach("clinic", (5,), None)["en"]
    assert "<b>" in say_reach("<b>", (5,), (0.5,))["en"]  # text: whoever shows it does not make it markup


draw_alike()
