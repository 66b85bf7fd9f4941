"""One border for one road, however many lines it is drawn with."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import LineString, Point, box

from partition.area import Area
from partition.geometry.grids import dissolve
from partition.geometry.linework import build_linework, cluster_footprints
from partition.geometry.metrics import inner_borders, sample_lines
from partition.geometry.units import Units, build_units
from partition.wishes.policy import BORDER_COST
from tests.lattice import make_area

HOUSES = [box(x, y, x + 20, y + 20) for x in range(40, 600, 80) for y in (40, 340)]


def units_of(area: Area) -> Units:
    polygon = area.communities.geometry.iloc[0]
    footprints, _ = cluster_footprints(area.buildings.geometry.to_numpy())
    return build_units(
        build_linework(area.streets, polygon, footprints), polygon, area.buildings, BORDER_COST, 400
    )


def town(*streets: tuple[str, LineString]) -> Area:
    lines, classes = [line for _, line in streets], [kind for kind, _ in streets]
    return make_area([box(0, 0, 640, 400)], lines, classes, HOUSES, [50] * len(HOUSES))


def banks(area: Area) -> np.ndarray:
    """The town's north and south as two polygons."""
    units = units_of(area)
    middle = shapely.get_coordinates(shapely.centroid(dissolve(units.blocks.faces, units.unit, len(units))))
    return dissolve(units.blocks.faces, (middle[:, 1] > 200).astype(int)[units.unit], 2)


def carriageways(apart: float, kind: str = "arterial") -> list[tuple[str, LineString]]:
    return [(kind, LineString([(-5, 200 + side), (645, 200 + side)])) for side in (-apart / 2, apart / 2)]


def off_middle(border, middle: LineString) -> float:
    """The share of a border that is more than a metre off the middle of the road."""
    points, share = sample_lines(inner_borders(border))
    return float(share[shapely.distance(points, middle) > 1.0].sum() / share.sum())


MIDDLE = LineString([(0, 200), (640, 200)])


@pytest.mark.parametrize("apart", [6.0, 12.0, 20.0, 30.0])
@pytest.mark.parametrize("every", [640, 160, 80])
def test_the_border_runs_between_the_carriageways_all_the_way(apart: float, every: int) -> None:
    side_streets = [
        ("local", LineString([(x, bank), (x, 200 + side * apart / 2)]))
        for x in range(every, 640, every)
        for side, bank in ((-1, -5), (1, 405))
    ]
    border = banks(town(*carriageways(apart), *side_streets))
    assert off_middle(border, MIDDLE) < 0.03
    assert shapely.area(border) == pytest.approx([640 * 200] * 2, rel=0.01)


def test_streets_and_zebra_crossings_over_the_median_do_not_move_the_border() -> None:
    over = [("local", LineString([(x, -5), (x, 405)])) for x in (150, 420)]
    zebras = [("path", LineString([(x, 180), (x, 220)])) for x in (60, 80, 240, 262, 500, 560)]
    border = banks(town(*carriageways(16), *over, *zebras))
    assert off_middle(border, MIDDLE) < 0.05


def test_a_pavement_drawn_beside_a_street_is_no_second_carriageway() -> None:
    pavement = ("path", LineString([(-5, 208), (645, 208)]))
    street = ("arterial", LineString([(-5, 200), (645, 200)]))
    assert off_middle(banks(town(street, pavement)), MIDDLE) == 0.0
    blocks = [("local", LineString([(x, 208), (x, 405)])) for x in (160, 320, 480)]
    units = units_of(town(street, pavement, *blocks))
    assert sorted(units.area_m2.tolist()) == pytest.approx([160 * 200] * 4 + [640 * 200], rel=0.01)


def test_half_a_road_inside_the_border_of_the_community_is_shared_by_the_blocks_along_it() -> None:
    side_streets = [("local", LineString([(x, 12), (x, 405)])) for x in (160, 320, 480)]
    units = units_of(town(("arterial", LineString([(-5, 12), (645, 12)])), *side_streets))
    assert sorted(units.area_m2.tolist()) == pytest.approx([160 * 400] * 4, rel=0.01)


def test_the_island_of_a_roundabout_is_shared_by_the_blocks_around_it() -> None:
    ring = Point(320, 200).buffer(18)
    arms = [LineString([(320, -5), (320, 182)]), LineString([(320, 218), (320, 405)])]
    arms += [LineString([(-5, 200), (302, 200)]), LineString([(338, 200), (645, 200)])]
    area = town(("secondary", LineString(ring.exterior)), *(("secondary", arm) for arm in arms))
    units = units_of(area)
    assert sorted(units.area_m2.tolist()) == pytest.approx([320 * 200] * 4, rel=0.01)
    border = inner_borders(dissolve(units.blocks.faces, units.unit, len(units)))
    assert shapely.length(shapely.intersection(shapely.union_all(border), ring)) == pytest.approx(
        72, rel=0.15
    )


def test_the_triangle_at_a_slip_road_is_no_grid_of_its_own() -> None:
    main = ("arterial", LineString([(-5, 200), (645, 200)]))
    side = ("local", LineString([(320, 200), (320, 405)]))
    slip = ("local", LineString([(290, 200), (320, 240)]))
    units = units_of(town(main, side, slip))
    assert len(units) == 3
    assert units.area_m2.min() > 60_000
