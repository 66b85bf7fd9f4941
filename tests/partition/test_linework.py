from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import LineString, Point, box

from partition.geometry.blocks import build_blocks
from partition.geometry.linework import BORDER_CLASSES, build_linework, cluster_footprints, find_crossings
from tests.lattice import CRS

SQUARE = box(0, 0, 200, 200)


def streets(*rows: tuple[str, LineString], **flags: list[bool]) -> gpd.GeoDataFrame:
    count = len(rows)
    frame = {
        "class": [kind for kind, _ in rows],
        "bridge": False,
        "tunnel": False,
        "layer": 0,
        "oneway": False,
        "name": "",
    }
    return gpd.GeoDataFrame(
        frame | {k: v for k, v in flags.items() if len(v) == count}, geometry=[g for _, g in rows], crs=CRS
    )


def divide(frame: gpd.GeoDataFrame, footprints=()):
    obstacles, _ = cluster_footprints(np.array(list(footprints), dtype=object))
    linework = build_linework(frame, SQUARE, obstacles)
    return build_blocks(linework, SQUARE), linework


def test_a_street_across_makes_two_blocks_that_cover_the_community() -> None:
    blocks, _ = divide(streets(("local", LineString([(-5, 100), (205, 100)]))))
    assert shapely.area(blocks.faces).round(6).tolist() == [20_000, 20_000]
    assert blocks.borders.length.sum() == pytest.approx(200)
    assert BORDER_CLASSES[blocks.borders.kind[0]] == "local"
    assert blocks.borders.outer.tolist() == pytest.approx([400, 400])


def test_a_dangling_street_bounds_nothing() -> None:
    blocks, _ = divide(streets(("local", LineString([(0, 100), (150, 100)]))))
    assert len(blocks.faces) == 1


@pytest.mark.parametrize(("stop", "faces"), [(196, 2), (190, 1)])
def test_a_near_miss_is_closed_within_the_tolerance_only(stop: float, faces: int) -> None:
    blocks, linework = divide(streets(("local", LineString([(0, 100), (stop, 100)]))))
    assert len(blocks.faces) == faces
    assert linework.near_misses == faces - 1


def test_a_near_miss_is_not_closed_through_a_building() -> None:
    blocks, _ = divide(streets(("local", LineString([(0, 100), (196, 100)]))), [box(197, 90, 199, 110)])
    assert len(blocks.faces) == 1


def test_a_tunnel_bounds_nothing() -> None:
    frame = streets(("arterial", LineString([(-5, 100), (205, 100)])), tunnel=[True])
    assert len(divide(frame)[0].faces) == 1


def test_a_line_through_a_building_goes_round_it() -> None:
    house = box(90, 80, 120, 110)
    blocks, linework = divide(streets(("local", LineString([(-5, 100), (205, 100)]))), [house])
    assert linework.detours == 1
    inside = [shapely.area(shapely.intersection(face, house)) for face in blocks.faces]
    assert sorted(np.round(inside, 6)) == [0, 0, house.area]


def test_holes_of_footprints_are_filled_and_overlapping_footprints_united() -> None:
    yard = box(0, 0, 30, 30).difference(box(10, 10, 20, 20))
    obstacles, member = cluster_footprints(
        np.array([yard, box(25, 25, 40, 40), box(40, 25, 50, 40)], dtype=object)
    )
    assert len(obstacles) == 2
    assert member[0] == member[1] != member[2], "footprints that only touch stay apart"
    assert obstacles[member[0]].area == pytest.approx(900 + 225 - 25)


@pytest.mark.parametrize(
    ("way", "leads_through"),
    [
        (LineString([(50, 0), (50, 100)]), True),
        (LineString([(50, 0), (50, 50)]), False),
        (LineString([(0, 40), (100, 40)]), False),
    ],
)
def test_only_a_way_that_leads_through_is_a_crossing(way: LineString, leads_through: bool) -> None:
    river = LineString([(0, 50), (100, 50)])
    found = find_crossings(np.array([river], dtype=object), np.array([way], dtype=object))
    assert [p.equals_exact(Point(50, 50), 0.01) for p in found] == ([True] if leads_through else [])


def test_two_ways_that_meet_at_a_gate_lead_through() -> None:
    wall = LineString([(0, 50), (100, 50)])
    ways = [LineString([(50, 0), (50, 50)]), LineString([(50, 50), (60, 100)])]
    assert len(find_crossings(np.array([wall], dtype=object), np.array(ways, dtype=object))) == 1


def test_a_river_severs_unless_a_bridge_crosses_it() -> None:
    river = ("water", LineString([(-5, 100), (205, 100)]))
    blocks, _ = divide(streets(river))
    assert blocks.borders.severed.all()
    blocks, _ = divide(streets(river, ("path", LineString([(60, 60), (60, 140)]))))
    assert not blocks.borders.severed.any()
    under = streets(river, ("path", LineString([(60, 60), (60, 140)])), tunnel=[False, True])
    assert not divide(under)[0].borders.severed.any(), "an underpass is a crossing though it bounds nothing"


def test_a_crossing_that_is_not_marked_as_a_bridge_is_counted() -> None:
    river = ("water", LineString([(-5, 100), (205, 100)]))
    ways = [("path", LineString([(x, 60), (x, 140)])) for x in (60, 120, 180)]
    assert divide(streets(river, *ways))[1].unmarked == 3
    assert divide(streets(river, *ways, bridge=[False, True, False, False]))[1].unmarked == 2
    assert divide(streets(river, *ways, bridge=[False, True, True, True]))[1].unmarked == 0
    wall = ("wall", LineString([(-5, 100), (205, 100)]))
    assert divide(streets(wall, *ways))[1].unmarked == 0, "a gate is no bridge"


def test_the_strongest_of_two_lines_names_the_border() -> None:
    line = LineString([(-5, 100), (205, 100)])
    blocks, _ = divide(streets(("path", line), ("arterial", line)))
    assert {BORDER_CLASSES[k] for k in blocks.borders.kind} == {"arterial"}


def test_the_order_of_streets_does_not_matter() -> None:
    rows = [("local", LineString([(-5, y), (205, y + 7)])) for y in (40, 90, 150)]
    rows += [("lane", LineString([(x, -5), (x + 3, 205)])) for x in (33, 120)]
    one, other = divide(streets(*rows))[0], divide(streets(*rows[::-1]))[0]
    assert shapely.equals_exact(one.faces, other.faces).all()


def test_lines_that_end_on_a_slanted_line_meet_it_whatever_the_rounding() -> None:
    avenue = LineString([(-5, 3), (205, 117.3)])
    lanes = [LineString([avenue.interpolate(d), (5 + d * 0.9, 205)]) for d in np.linspace(11.3, 200.7, 12)]
    blocks, linework = divide(streets(("arterial", avenue), *(("lane", lane) for lane in lanes)))
    assert len(blocks.faces) == len(lanes) + 2
    assert linework.near_misses == 0
    assert shapely.area(blocks.faces).sum() == pytest.approx(SQUARE.area, abs=1e-3)


def test_lines_on_top_of_each_other_but_for_rounding_leave_no_sliver() -> None:
    lines = [LineString([(-5, 3), (71 + k * 1e-10, 43), (205, 117.3 + k * 1e-10)]) for k in range(4)]
    blocks, _ = divide(streets(*(("local", line) for line in lines)))
    assert len(blocks.faces) == 2
