"""A community in its pose, and back."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely

from partition.area import Area
from partition.geometry.pose import (
    Pose,
    _bearings,
    _meetings,
    _middles,
    _number_anew,
    _order,
    _settle,
    _turn,
    take_pose,
)
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


# --- where a pose looks from, and which way ---


def houses(*places: tuple[float, float, float], ids: list[str] | None = None) -> Area:
    """Squares about places (x, y, side) in a community about (50, 30)."""
    shapes = [shapely.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for x, y, side in places]
    ids = [f"#{number}" for number in range(1, len(shapes) + 1)] if ids is None else ids
    area = make_area([shapely.box(0, 0, 100, 60)], [], [], shapes, [1] * len(shapes), ids)
    return replace(area, buildings=area.buildings.assign(atom=np.arange(len(shapes))))


@pytest.mark.parametrize(
    ("places", "ids", "origin", "towards"),
    [
        # the first that has an id, not the largest; towards the farthest from it
        ([(10, 10, 9), (20, 10, 4), (90, 50, 5)], ["#1", "a", "b"], (20, 10), (90, 50)),
        ([(10, 10, 9), (80, 10, 4), (90, 50, 5)], ["#1", "a", "b"], (80, 10), (10, 10)),
        # without ids the largest, the first of those as large
        ([(10, 10, 4), (20, 10, 6), (90, 50, 5)], None, (20, 10), (90, 50)),
        ([(10, 10, 6), (20, 10, 6.0005), (90, 50, 5)], None, (10, 10), (90, 50)),
        ([(10, 10, 6), (20, 10, 6.002), (90, 50, 5)], None, (20, 10), (90, 50)),
        # of those as far the first
        ([(50, 30, 6), (90, 30, 5), (10.005, 30, 5)], None, (50, 30), (90, 30)),
        ([(50, 30, 6), (89.995, 30, 5), (10, 30, 5)], None, (50, 30), (90, 30)),
        ([(50, 30, 6), (89.98, 30, 5), (10, 30, 5)], None, (50, 30), (10, 30)),
        # a single one towards the middle of the community, which may be the farthest of all
        ([(20, 30, 5)], None, (20, 30), (50, 30)),
        ([(20, 30, 5), (21, 31, 4)], None, (20, 30), (50, 30)),
        ([(51.1, 30, 5)], None, (51.1, 30), (50, 30)),
        # which is the middle, or too near to it to tell
        ([(50.9, 30, 5)], None, (50.9, 30), (99, 30)),
        ([], None, (50, 30), (99, 30)),
    ],
)
def test_where_a_pose_looks_from_and_which_way(places, ids, origin, towards) -> None:
    start, ahead = _bearings(houses(*places, ids=ids))
    way = np.subtract(towards, origin)
    assert start == pytest.approx(np.array(origin))
    assert ahead == pytest.approx(way / np.hypot(*way))


def test_the_middle_of_a_building_of_several_rows_is_that_of_its_ground() -> None:
    area = houses((10, 10, 2), (30, 10, 4), (50, 50, 2))
    rows = area.buildings.assign(atom=[7, 7, 3])
    middle, size = _middles(rows, np.array([1.0, 2.0]))
    assert size == pytest.approx(np.array([4.0, 20.0]))
    assert middle == pytest.approx(np.array([(49.0, 48.0), ((10 * 4 + 30 * 16) / 20 - 1, 8.0)]))


def test_buildings_without_id_come_first_by_their_middles_and_others_as_they_were() -> None:
    area = houses((30, 9, 2), (30, 5, 2), (10, 50, 2), (5, 5, 2), ids=["#1", "#2", "b", "a"])
    assert _number_anew(area.buildings)["atom"].to_list() == [1, 0, 2, 3]
    assert len(_number_anew(area.buildings.iloc[:0])) == 0


def test_a_parcel_of_several_communities_is_its_first() -> None:
    halves = [shapely.box(0, 0, 50, 60), shapely.box(50, 0, 100, 60)]
    area = make_area(halves, [], [], [shapely.box(10, 10, 20, 20), shapely.box(30, 30, 40, 45)], [1, 1])
    assert take_pose(area)[0].communities["id"].to_list() == ["C1"]


def test_rows_are_ordered_by_columns_and_then_by_shape_wherever_they_stood() -> None:
    shapes = [shapely.Point(x, 0) for x in (3, 1, 2, 0)]
    frame = gpd.GeoDataFrame({"kind": [1, 1, 0, 1]}, geometry=shapes, index=[7, 5, 5, 0])
    order = _order(frame, ["kind"])
    assert order[0] == 2
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    again = _order(frame.iloc[::-1], ["kind"])
    assert (3 - again).tolist() == order.tolist()


# --- the way back ---


def test_vertices_of_the_input_return_to_where_they_were_and_others_are_turned() -> None:
    ahead = np.array([0.6, 0.8])
    known = np.array([0 + 0j, 0 + 5j, 3 - 2j, 90 + 1j])
    place = np.array([(1000.0, 1), (2000, 2), (3000, 3), (4000, 4)])
    border = shapely.LineString([(500, -1000), (500, 1000)])
    pose = Pose(np.array([10.0, 20.0]), ahead, known, place, border, np.arange(0))

    def back(*points: complex) -> list[list[float]]:
        shapes = np.array([shapely.Point(point.real, point.imag) for point in points])
        return shapely.get_coordinates(pose.back(shapes)).tolist()

    assert back(*known) == place.tolist()
    assert back(*known[::-1], 3 - 2j) == [*place[::-1].tolist(), place[2].tolist()]
    assert back(5e-10 + 0j, 3 - 2.0000000005j) == [place[0].tolist(), place[2].tolist()]
    for point in (91 + 0j, -1 - 1j, 3 + 0j, 2e-9 + 0j, 3 - 2.000000002j, 90 + 1.001j):
        x, y = 10 + 0.6 * point.real - 0.8 * point.imag, 20 + 0.8 * point.real + 0.6 * point.imag
        assert np.ravel(back(point)) == pytest.approx([x, y], abs=1e-11)
    # what is new and beside the border is put on it, what is farther stays
    for off, x in ((3e-5, 500.0), (-3e-5, 500.0), (6e-5, 500 + 6e-5), (0.0, 500.0)):
        there = _turn(np.array([(500 + off - 10, 7.0 - 20)]), ahead)[0]
        assert np.ravel(back(complex(*there))) == pytest.approx([x, 7.0], abs=1e-9)


# --- on the lattice ---


def test_vertices_on_the_lines_of_others_are_found_in_their_order() -> None:
    long = [(0.0, 0.0), (30.0, 40.0), (60.0, 0.0)]
    others = [(18.0, 24.0), (1.0, 90.0), (6.0, 8.0), (45.0, 20.0), (2.0, 91.0), (30.0, 41.0)]
    row, vertex = _meetings(np.array(long + others), np.array([3, 5, 7, 9]))
    assert row.tolist() == [0, 0, 1]
    assert vertex.tolist() == [[6, 8], [18, 24], [45, 20]]


@pytest.mark.parametrize(
    ("off", "along", "meets"),
    [
        (2.9e-5, 5.0, True), (3.1e-5, 5.0, False), (-2.9e-5, 5.0, True),
        (0.0, 3.5e-5, True), (0.0, 2.9e-5, False), (0.0, 20 - 3.5e-5, True), (0.0, 20 - 2.9e-5, False),
        (0.0, 19.5, True), (0.0, 0.5, True), (0.0, 20 + 1e-7, False), (0.0, -1e-7, False),
    ],
)  # fmt: skip
def test_a_vertex_is_on_a_line_within_0_03_mm_but_not_at_its_end(
    off: float, along: float, meets: bool
) -> None:
    points = np.array([(0.0, 0.0), (20.0, 0.0), (along, off), (along + 0.1, 7.0)])
    for turned in (points, points[:, ::-1]):
        row, vertex = _meetings(turned, np.array([2, 4]))
        assert row.tolist() == [0] * meets
        assert vertex.tolist() == [turned[2].tolist()] * meets


def test_shapes_are_put_on_the_lattice_kind_by_kind_and_stay_joined() -> None:
    square = shapely.box(0.1234567, 0, 10.0000012, 10)
    two = shapely.MultiPolygon([shapely.box(20, 0, 30, 10), shapely.box(40.0000049, 0, 50, 10)])
    sliver = shapely.Polygon([(60, 0), (70, 0), (70, 4e-6)])
    street = shapely.LineString([(5.0, -5.0), (5.0, 0.0)])
    touching = shapely.LineString([(45.0000012, 10.0), (45.0, 20.0)])
    nothing = np.empty(0, dtype=object)
    shapes = np.array([square, two, sliver], dtype=object)
    polygons, none, lines = _settle([shapes, nothing, np.array([street, touching], dtype=object)])
    assert shapely.get_type_id(polygons).tolist() == [3, 6, 3]
    assert len(none) == 0
    assert polygons[2].equals_exact(sliver)
    assert (
        polygons[0].normalize()
        == shapely.Polygon([(0.12346, 0), (5, 0), (10, 0), (10, 10), (0.12346, 10)]).normalize()
    )
    first, second = polygons[1].geoms
    assert first == shapely.box(20, 0, 30, 10)
    assert (45.0, 10.0) in second.exterior.coords
    assert second.bounds == (40.0, 0, 50, 10)
    assert [list(line.coords) for line in lines] == [[(5, -5), (5, 0)], [(45, 10), (45, 20)]]
    # what would no longer be valid stays as it is too: a neck that closes
    neck = shapely.Polygon([(0, 0), (10, 0), (5, 3e-6), (10, 9), (0, 9), (5, -0.0 + 4e-6)])
    (kept,) = _settle([np.array([neck], dtype=object)])
    assert neck.is_valid
    assert kept[0].equals_exact(neck)
