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
