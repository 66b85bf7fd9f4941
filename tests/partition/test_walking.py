"""Walks over streets, against distances reckoned by hand."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import LineString, Point

from partition.geometry.walking import (
    QUARTER_M,
    Network,
    build_network,
    find_access,
    minutes,
    walk_distances,
    walk_to_nearest,
)
from tests.lattice import CRS, Town, make_town


def network(*ways: tuple[object, ...]) -> Network:
    """The network of ways, each: points, class, and what else is true of it (bridge, tunnel, layer)."""
    rows = [
        {"class": "local", "bridge": False, "tunnel": False, "layer": 0, "geometry": LineString(points)}
        | more
        for points, more in ((way[0], way[1] if len(way) > 1 else {}) for way in ways)
    ]
    return build_network(gpd.GeoDataFrame(rows, crs=CRS))


def walk(net: Network, start: tuple[float, float], *goals: tuple[float, float]) -> list[float]:
    doors = [find_access(net, np.array([Point(p) for p in some])) for some in ((start,), goals)]
    return [float(m) for m in walk_distances(net, *doors)[0].round(5)]


def test_a_quarter_of_an_hour_is_1200_metres() -> None:
    assert QUARTER_M == 1200.0


def test_the_walk_goes_round_the_block_from_door_to_door() -> None:
    net = network(([(0, 0), (100, 0)],), ([(100, 0), (100, 80)],), ([(-50, 40), (-50, 41)],))
    # 5 to the street, 90 along it, 70 up the other, 3 to the door
    assert walk(net, (10, 5), (103, 70)) == [5 + 90 + 70 + 3]
    assert walk(net, (10, 5), (30, -4), (10, 5)) == [5 + 20 + 4, 10]


def test_streets_that_cross_meet_though_they_share_no_vertex() -> None:
    net = network(([(0, 0), (200, 0)],), ([(100, -100), (100, 100)],))
    assert walk(net, (20, 0), (100, 60)) == [80 + 60]


def test_a_way_that_crosses_itself_and_one_drawn_twice() -> None:
    loop = [(0, 0), (100, 0), (100, 50), (50, 50), (50, -50)]
    net = network((loop,), (loop,), ([(50, 10), (50, 50)],))
    assert walk(net, (0, 0), (50, -50)) == [50 + 50]
    assert walk(net, (0, 0), (50, 50)) == [50 + 50]


def test_a_bridge_passes_over_the_street_and_comes_down_at_its_ends() -> None:
    ground = ([(0, 0), (200, 0)],)
    over = ([(100, -60), (100, 60)], {"bridge": True, "layer": 1})
    ramp = ([(100, 60), (200, 60), (200, 0)],)
    far = ([(100, -60), (100, -160)],)
    net = network(ground, over, ramp, far)
    # not down at (100, 0): along the street to its end, up the ramp and over
    assert walk(net, (100, 0), (100, -100)) == [100 + 60 + 100 + 120 + 40]


def test_a_bridge_that_ends_on_the_middle_of_a_street_meets_it() -> None:
    net = network(
        ([(0, 0), (300, 0)],), ([(130, 0), (130, 90)], {"bridge": True}), ([(130, 90), (130, 290)],)
    )
    assert walk(net, (30, 0), (130, 190)) == [100 + 90 + 100]


def test_nobody_walks_through_an_arterial_tunnel_but_through_an_underpass() -> None:
    ways = ([(0, 0), (0, 100)],), ([(300, 0), (300, 100)],)
    tunnel = [(0, 50), (300, 50)]
    assert walk(network(*ways, (tunnel, {"class": "arterial", "tunnel": True})), (0, 10), (300, 10)) == [
        np.inf
    ]
    assert walk(network(*ways, (tunnel, {"class": "path", "tunnel": True})), (0, 10), (300, 10)) == [380]


def test_an_end_that_nearly_reaches_a_street_is_joined_to_it() -> None:
    net = network(([(0, 0), (200, 0)],), ([(100, 4), (100, 104)],))
    assert walk(net, (40, 0), (100, 54)) == [60 + 4 + 50]
    apart = network(([(0, 0), (200, 0)],), ([(100, 6), (100, 106)],))
    assert walk(apart, (40, 0), (100, 106)) == [np.inf]


def test_an_end_that_misses_the_chord_by_rounding_meets_the_street() -> None:
    net = network(([(0, 0), (200, 0)],), ([(100, 0.004), (100, 100)],), ([(50, -0.004), (50, -100)],))
    assert walk(net, (0, 0), (100, 50)) == [pytest.approx(150, abs=0.01)]
    assert walk(net, (100, 50), (50, -50)) == [pytest.approx(150, abs=0.02)]


def test_a_door_behind_a_wall_opens_on_the_other_side() -> None:
    ways = ([(0, 0), (200, 0)],), ([(0, 60), (200, 60)],), ([(0, 0), (0, 60)],)
    wall = ([(-10, 10), (210, 10)], {"class": "wall"})
    # the street at y = 0 is 20 m off, but behind the wall; the one at y = 60 is 40 m off
    assert walk(network(*ways, wall), (100, 20), (0, 0)) == [40 + 100 + 60]
    assert walk(network(*ways), (100, 20), (0, 0)) == [20 + 100]


def test_a_scrap_of_a_way_that_leads_nowhere_has_no_door() -> None:
    net = network(([(0, 0), (300, 0)],), ([(100, 20), (120, 20)],))
    assert walk(net, (110, 22), (210, 0)) == [22 + 100]


def test_the_nearest_source_is_found_with_its_distance() -> None:
    net = network(([(0, 0), (1000, 0)],), ([(0, 500), (10, 500)],))
    sources = find_access(net, np.array([Point(100, 3), Point(700, 0)]))
    targets = find_access(net, np.array([Point(0, 0), Point(420, 0), Point(690, 0), Point(1000, 10)]))
    metres, which = walk_to_nearest(net, sources, targets)
    assert which.tolist() == [0, 1, 1, 1]
    assert metres.round(6).tolist() == [103, 280, 10, 310]
    metres, which = walk_to_nearest(net, sources, targets, limit_m=200)
    assert which.tolist() == [0, -1, 1, -1]
    assert metres.round(6).tolist() == [103, np.inf, 10, np.inf]


def test_no_ways_at_all() -> None:
    net = build_network(make_town(Town(columns=1, rows=1)).streets.iloc[:0])
    doors = find_access(net, np.array([Point(0, 0)]))
    assert walk_distances(net, doors, doors).tolist() == [[np.inf]]
    assert walk_to_nearest(net, doors, doors)[1].tolist() == [-1]


@pytest.mark.parametrize("seed", [0, 1])
def test_walks_over_a_town_keep_the_rules_of_distance(seed: int) -> None:
    area = make_town(Town(columns=6, rows=6, river=True, wall=True, bridges=2, seed=seed))
    net = build_network(area.streets)
    points = shapely.point_on_surface(area.buildings.geometry.to_numpy())[::5]
    doors = find_access(net, points)
    metres = walk_distances(net, doors, doors)
    assert np.isfinite(metres).mean() > 0.5
    off = ~np.eye(len(points), dtype=bool)
    np.testing.assert_allclose(metres, metres.T)
    crow = shapely.distance(points[:, None], points[None, :])
    assert (metres[off] >= crow[off] - 1e-6).all()
    for via in range(0, len(points), 7):
        through = metres[:, via][:, None] + metres[via][None, :] - 2 * doors.away[via]
        assert (metres <= through + 1e-6).all()
    nearest, which = walk_to_nearest(net, find_access(net, points[:3]), doors)
    np.testing.assert_allclose(nearest, metres[:3].min(axis=0))
    found = which >= 0
    np.testing.assert_allclose(metres[which[found], np.flatnonzero(found)], nearest[found])


def test_places_a_centimetre_apart_are_one_and_others_are_not() -> None:
    near = network(([(0, 0), (100, 0)],), ([(100.008, 0), (200, 0)],))
    assert len(near) == 3
    assert walk(near, (0, 0), (200, 0)) == [pytest.approx(200, abs=0.02)]
    # 15 mm apart, they are two places joined by the gap
    apart = network(([(0, 0), (100, 0)],), ([(100.015, 0), (200, 0)],))
    assert len(apart) == 4
    assert walk(apart, (0, 0), (200, 0)) == [pytest.approx(200, abs=0.001)]


def test_edges_are_there_once_and_between_the_places_where_ways_meet() -> None:
    net = network(([(0, 0), (200, 0)],), ([(100, -100), (100, 100)],), ([(200, 0), (100, 0)],))
    assert sorted(map(tuple, net.nodes.tolist())) == [(0, 0), (100, -100), (100, 0), (100, 100), (200, 0)]
    assert net.length.tolist() == [100] * 4
    assert (net.start < net.end).all()
    assert set(net.component.tolist()) == {0}
    assert net.open.all()
    assert len(net.barriers) == 0


def test_no_door_opens_on_a_bridge_or_on_the_joint_at_its_end() -> None:
    net = network(([(0, 0), (200, 0)],), ([(200, 0), (300, 0)], {"bridge": True}), ([(300, 0), (500, 0)],))
    doors = find_access(net, np.array([Point(250, 10), Point(240, 10)]))
    assert doors.away.tolist() == pytest.approx([np.hypot(50, 10), np.hypot(40, 10)])
    assert walk(net, (100, 0), (400, 0)) == [pytest.approx(300, abs=1e-4)]
    # where there is nothing but a bridge, doors open there
    assert walk(network(([(0, 0), (300, 0)], {"bridge": True})), (100, 10), (200, 0)) == [110]


@pytest.mark.parametrize(
    ("more", "crosses"),
    [
        ({}, True),
        ({"bridge": True}, False),
        ({"tunnel": True}, False),
        ({"layer": 1}, False),
        ({"bridge": True, "layer": -1}, False),
        ({"class": "path"}, True),
        ({"class": "wall"}, False),
        ({"class": "water"}, False),
    ],
)
def test_what_crosses_a_street_meets_it_on_its_level_only(more: dict[str, object], crosses: bool) -> None:
    net = network(
        ([(0, 0), (200, 0)],), ([(100, -100), (100, 0.5), (100, 100)], more), ([(100, 100), (300, 100)],)
    )
    assert (walk(net, (0, 0), (300, 100)) == [100 + 100 + 200]) == crosses


def test_lines_that_sever_are_barriers_unless_they_lie_in_a_tunnel() -> None:
    net = network(
        ([(0, 0), (200, 0)],),
        ([(0, 50), (200, 50)], {"class": "rail"}),
        ([(0, 60), (200, 60)], {"class": "water"}),
        ([(0, 70), (200, 70)], {"class": "wall"}),
        ([(0, 80), (200, 80)], {"class": "rail", "tunnel": True}),
    )
    assert sorted(shapely.get_coordinates(net.barriers)[::2, 1].tolist()) == [50, 60, 70]
    assert walk(net, (0, 0), (200, 0)) == [200]


def test_a_door_behind_walls_on_every_side_opens_on_the_nearest_way() -> None:
    ways = ([(0, 0), (200, 0)],), ([(0, 60), (200, 60)],), ([(0, 0), (0, 60)],)
    walls = (([(-10, y), (210, y)], {"class": "wall"}) for y in (10, 50))
    assert walk(network(*ways, *walls), (100, 20), (0, 0)) == [20 + 100]
    # four times as far as the nearest way is too far
    far = ([(0, 0), (200, 0)],), ([(0, 105), (200, 105)],), ([(0, 0), (0, 105)],)
    wall = ([(-10, 10), (210, 10)], {"class": "wall"})
    assert walk(network(*far, wall), (100, 20), (0, 0)) == [20 + 100]
    near = ([(0, 0), (200, 0)],), ([(0, 95), (200, 95)],), ([(0, 0), (0, 95)],)
    assert walk(network(*near, wall), (100, 20), (0, 0)) == [75 + 100 + 95]


def test_a_wall_along_the_way_parts_no_door_on_it() -> None:
    net = network(([(0, 0), (200, 0)],), ([(0, 60), (200, 60)],), ([(0, 0), (200, 0)], {"class": "wall"}))
    assert find_access(net, np.array([Point(100, 20)])).away.tolist() == [20]


def test_ways_of_a_hundred_metres_have_doors_and_shorter_scraps_have_none() -> None:
    long, scrap = ([(0, 0), (300, 0)],), [(100, 20), (199.9, 20)]
    assert find_access(network(long, (scrap,)), np.array([Point(110, 22)])).away.tolist() == [22]
    assert find_access(
        network(long, ([(100, 20), (200, 20)],)), np.array([Point(110, 22)])
    ).away.tolist() == [2]
    # several short pieces that hang together are long enough; alone, a scrap is better than nothing
    bent = [(100, 20), (140, 20), (140, 50), (180, 50)]
    assert find_access(network(long, (bent,)), np.array([Point(110, 22)])).away.tolist() == [2]
    assert find_access(network((scrap,)), np.array([Point(110, 22)])).away[0] == pytest.approx(2)


def test_of_two_ways_equally_near_the_first_is_taken() -> None:
    net = network(([(0, 0), (200, 0)],), ([(0, 40), (200, 40)],), ([(0, 0), (0, 40)],))
    doors = find_access(net, np.array([Point(100, 20)]))
    assert net.nodes[net.start[doors.edge[0]]].tolist() == [0, 0]
    assert (doors.along[0], doors.away[0]) == (100, 20)


def test_limits_hold_to_the_metre() -> None:
    net = network(([(0, 0), (1000, 0)],), ([(1000, 0), (1000, 500)],))
    start = find_access(net, np.array([Point(0, 10)]))
    goals = find_access(net, np.array([Point(500, 10), Point(1000, 500), Point(501, 10)]))
    assert walk_distances(net, start, goals, limit_m=520.0).tolist() == [[520, np.inf, np.inf]]
    assert walk_to_nearest(net, start, goals, limit_m=520.0)[0].tolist() == [520, np.inf, np.inf]
    assert walk_distances(net, start, goals, limit_m=1510.0).tolist() == [[520, 1510, 521]]


def test_two_doors_on_one_way_may_be_nearer_round_the_corner() -> None:
    # a way that winds for 900 m between two places 100 m apart, which a street joins
    winding = ([(0, 0), (0, 400), (100, 400), (100, 0)],)
    net = network(winding, ([(0, 0), (100, 0)],))
    assert walk(net, (0, 50), (100, 50)) == [200]
    sources = find_access(net, np.array([Point(0, 300), Point(0, 20)]))
    metres, which = walk_to_nearest(net, sources, find_access(net, np.array([Point(0, 100), Point(0, 290)])))
    assert (metres.tolist(), which.tolist()) == ([80, 10], [1, 0])


def test_more_sources_than_are_walked_from_at_once() -> None:
    net = network(([(0, 0), (2000, 0)],))
    sources = find_access(net, np.array([Point(10 * n, 0) for n in range(130)]))
    goal = find_access(net, np.array([Point(2000, 0)]))
    assert walk_distances(net, sources, goal)[:, 0].tolist() == pytest.approx(
        [2000 - 10 * n for n in range(130)]
    )


def test_minutes_at_the_usual_pace() -> None:
    assert minutes(1200.0) == 15.0
    assert minutes(np.array([80.0, 0.0])).tolist() == [1.0, 0.0]


def test_behind_a_wall_the_nearest_free_way_is_taken_up_to_a_limit() -> None:
    """Doors 20 m and 200 m off a walled street; the free streets lie 65 m and 250 m beyond them."""
    for away, beyond, taken in (
        (20.0, 65.0, 65.0),
        (20.0, 85.0, 20.0),
        (200.0, 250.0, 250.0),
        (200.0, 310.0, 200.0),
    ):
        wall = ([(-900, 5), (900, 5)], {"class": "wall"})
        net = network(([(-900, 0), (900, 0)],), wall, ([(-900, away + beyond), (900, away + beyond)],))
        (door,) = find_access(net, np.array([Point(0, away)])).away
        assert door == taken


def test_many_doors_are_answered_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    area = make_town(Town(columns=5, rows=5, river=True, wall=True, bridges=0, seed=3))
    net = build_network(area.streets)
    points = shapely.point_on_surface(area.buildings.geometry.to_numpy())
    every = find_access(net, points)
    one = [find_access(net, points[i : i + 1]) for i in range(len(points))]
    assert every.edge.tolist() == [int(access.edge[0]) for access in one]
    monkeypatch.setattr("partition.geometry.walking.PARTED_AT_ONCE", 2)
    assert find_access(net, points).edge.tolist() == every.edge.tolist()
