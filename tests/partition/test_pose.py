"""A community in its pose, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from partition.area import Area
from partition.geometry.pose import take_pose
from partition.intake.inner import inner_points
from partition.parcels import cut_parcels
from tests.lattice import Town, make_area, make_town

TOWN = Town(columns=5, rows=4, river=True, careless=True, estates=((0, 0, 2, 1),), seed=3)
TURN = np.array([[np.cos(2.0), np.sin(2.0)], [-np.sin(2.0), np.cos(2.0)]])


def moved(area: Area) -> Area:
    layers = {
        name: getattr(area, name).set_geometry(
            shapely.transform(getattr(area, name).geometry.to_numpy(), lambda xy: xy @ TURN + (5e5, 3.4e6)),
            crs=area.crs,
        )
        for name in ("communities", "streets", "buildings", "compounds")
    }
    return replace(area, **layers)


def test_what_goes_into_its_pose_comes_back_to_the_last_digit() -> None:
    parcel = next(cut_parcels(moved(make_town(TOWN))))
    posed, pose = take_pose(parcel)
    there = pose.back(posed.buildings.geometry.to_numpy())[pose.row]
    own = parcel.buildings.geometry.to_numpy()
    assert all(
        set(map(tuple, shapely.get_coordinates(shape).tolist()))
        >= set(map(tuple, shapely.get_coordinates(before).tolist()))
        for shape, before in zip(there, own, strict=True)
    )
    assert (shapely.hausdorff_distance(there, own) < 2e-5).all()
    assert posed.buildings["id"].to_numpy()[pose.row].tolist() == parcel.buildings["id"].to_list()


def test_the_pose_is_the_same_wherever_the_town_lies() -> None:
    one, other = (take_pose(next(cut_parcels(area)))[0] for area in (make_town(TOWN), moved(make_town(TOWN))))
    for layer in ("communities", "streets", "buildings", "compounds"):
        shapes = [getattr(posed, layer).geometry.to_numpy() for posed in (one, other)]
        assert shapely.equals_exact(*shapes, tolerance=2e-5).all()
    assert one.buildings["id"].to_list() == other.buildings["id"].to_list()


def test_new_points_on_the_border_come_back_onto_the_border() -> None:
    community = shapely.Polygon([(0, 0), (300, 1.7), (301.3, 200), (-3.1, 190.9)])
    houses = [shapely.box(20, 20, 32, 30), shapely.box(251.3, 150.1, 260, 160)]
    area = make_area([community], [], [], houses, [1, 1])
    posed, pose = take_pose(next(cut_parcels(moved(area))))
    edge = posed.communities.geometry.iloc[0].exterior
    new = shapely.line_interpolate_point(edge, np.linspace(1.0, edge.length - 1.0, 97))
    border = moved(area).communities.geometry.iloc[0].exterior
    assert shapely.distance(pose.back(new), border).max() < 1e-8
    inside = pose.back(shapely.points([(5.0, 5.0), (60.0, 12.0)]))
    assert abs(shapely.distance(*inside) - np.hypot(55.0, 7.0)) < 1e-8


def test_a_street_that_ends_on_another_still_does() -> None:
    """Its end becomes a vertex of the other, so that both are moved alike."""
    ends = np.column_stack([np.linspace(10, 290, 40), np.linspace(10, 290, 40) * 0.37 + 5])
    streets = [shapely.LineString([(0, 5), (300, 116)])]
    streets += [shapely.LineString([end, end + np.array([3.3, -40.0])]) for end in ends]
    houses = [shapely.box(20, 20, 32, 30), shapely.box(251.3, 150.1, 260, 160)]
    area = make_area([shapely.box(0, -50, 300, 200)], streets, ["lane"] * 41, houses, [1, 1])
    posed, _ = take_pose(next(cut_parcels(moved(area))))
    lines = posed.streets.geometry.to_numpy()
    long = lines[np.argmax(shapely.length(lines))]
    others = lines[lines != long]
    assert len(shapely.get_coordinates(long)) == 42
    assert (shapely.distance(others, long) == 0).all()


def test_buildings_without_id_are_numbered_by_where_they_lie() -> None:
    area = make_town(Town(columns=4, rows=3, seed=5))
    found = []
    for order in (np.arange(len(area.buildings)), np.random.default_rng(1).permutation(len(area.buildings))):
        rows = area.buildings.iloc[order].reset_index(drop=True)
        rows = rows.assign(id=[f"#{n}" for n in range(1, len(rows) + 1)], atom=np.arange(len(rows)))
        posed = take_pose(next(cut_parcels(replace(area, buildings=rows))))[0].buildings
        assert posed["atom"].to_list() == list(range(len(rows)))
        found.append(
            order[posed["row"].map(dict(zip(rows["row"], range(len(rows)), strict=True))).to_numpy()]
        )
    assert found[0].tolist() == found[1].tolist()


def test_inner_points_turn_with_the_shape() -> None:
    shapes = np.array(
        [
            shapely.box(0, 0, 3, 7),
            shapely.Polygon([(0, 0), (9, 0), (9, 8), (8, 8), (8, 1), (1, 1), (1, 5), (0, 5)]),
        ]
    )
    turned = shapely.transform(shapes, lambda xy: xy @ TURN + (5e5, 3.4e6))
    one, other = inner_points(shapes), inner_points(turned)
    assert shapely.contains(shapes, one).all()
    assert shapely.contains(turned, other).all()
    back = shapely.transform(one, lambda xy: xy @ TURN + (5e5, 3.4e6))
    assert shapely.distance(back, other).max() < 1e-6
