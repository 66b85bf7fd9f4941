"""Old borders are led round buildings that stand across them today."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import LineString, box

from partition.area import Area
from partition.changes.former import Former, recall_plan
from partition.changes.redraw import redraw_area
from partition.geometry.metrics import cut_buildings, inner_borders
from partition.wishes.policy import Profile, Size
from tests.asserts import assert_valid_plan
from tests.lattice import make_area

RULES = Profile("test", Size("households", 100, 200, 400))
HOUSES = [box(x, 70, x + 20, 90) for x in (40, 140, 240)]
GRIDS = gpd.GeoDataFrame(
    {"code": ["C1-001", "C1-002", "C1-003"]},
    geometry=[box(0, 0, 100, 100), box(100, 0, 200, 100), box(200, 0, 300, 100)],
)


def today(*new: tuple[shapely.Polygon, int]) -> Area:
    """Three grids with a house of 150 households each, parted by streets; and new buildings."""
    streets = [LineString([(x, -5), (x, 105)]) for x in (100, 200)]
    houses, households = [*HOUSES, *(shape for shape, _ in new)], [150] * 3 + [count for _, count in new]
    return make_area([box(0, 0, 300, 100)], streets, ["local"] * 2, houses, households)


def recalled(area: Area) -> Former:
    mapping = {f"B{number:04d}": (GRIDS["code"][number],) for number in range(3)}
    return recall_plan(area, RULES, GRIDS.set_crs(area.crs), mapping)


def polygons(frame: gpd.GeoDataFrame) -> dict[str, shapely.Polygon]:
    return dict(zip(frame["code"], frame.geometry, strict=True))


def test_a_new_building_across_a_border_lies_whole_in_the_grid_that_holds_most_of_it() -> None:
    new = box(95, 40, 115, 60)
    area = today((new, 30))
    former = recalled(area)
    assert former.before.tolist() == ["C1-001", "C1-002", "C1-003", "C1-002"]
    assert former.led_round == {"C1-001", "C1-002"}
    shapes = polygons(former.grids)
    assert shapes["C1-002"].covers(new)
    assert shapes["C1-002"].area == pytest.approx(100 * 100 + 5 * 20)
    assert shapes["C1-001"].area == pytest.approx(100 * 100 - 5 * 20)
    assert shapely.coverage_is_valid(former.grids.geometry.to_numpy())
    (told,) = [finding for finding in former.findings if finding.code == "redraw_led_round"]
    assert told.rows == ("B0003",)
    assert "C1-001, C1-002" in told.text("zh")
    made = redraw_area(area, former, RULES)
    assert_valid_plan(area, made.split)
    borders = inner_borders(made.split.grids.geometry.to_numpy())
    assert not len(cut_buildings(borders, area.buildings.geometry.to_numpy(), 0.0))
    assert made.kept == {"C1-003"}
    boards = made.register.grids.set_index("code")["board"].to_dict()
    assert boards == {"C1-001": "renew", "C1-002": "renew"}
    assert made.register.moved_households == 0


def test_a_new_building_that_joins_an_old_one_goes_with_it() -> None:
    area = today((box(50, 75, 130, 85), 10))  # most of it is in 001 too, but so is the house
    assert recalled(area).before.tolist() == ["C1-001", "C1-002", "C1-003", "C1-001"]
    area = today(
        (box(30, 10, 110, 20), 10), (box(105, 15, 150, 80), 10)
    )  # the second holds on to a house of 002
    former = recalled(area)
    assert former.before.tolist() == ["C1-001", "C1-002", "C1-003", "C1-002", "C1-002"]
    assert polygons(former.grids)["C1-002"].covers(box(30, 10, 110, 20))


def test_an_old_house_that_is_joined_to_one_beyond_the_border_is_told_as_moved() -> None:
    area = today((box(50, 75, 150, 85), 10))  # joins the houses of 001 and 002
    buildings = area.buildings.copy()
    buildings.loc[1, "households"] = 160
    area = replace(area, buildings=buildings)
    former = recalled(area)
    assert former.before.tolist() == ["C1-002", "C1-002", "C1-003", "C1-002"]
    assert former.was.tolist()[:3] == ["C1-001", "C1-002", "C1-003"]
    made = redraw_area(area, former, RULES)
    assert_valid_plan(area, made.split)
    flows = made.register.flows.set_index(["old_code", "new_code"])["households"]
    assert flows["C1-001", "C1-002"] == 150


def test_what_is_cut_off_and_holds_nothing_goes_to_the_neighbour() -> None:
    # from 002 into 001 and down to the community's border: a corner of 001 is cut off
    new = shapely.union_all([box(70, 10, 180, 20), box(70, 0, 80, 10)])
    former = recalled(today((new, 10)))
    shapes = polygons(former.grids)
    assert shapes["C1-001"].geom_type == "Polygon"
    assert shapes["C1-002"].covers(box(80.5, 0, 99.5, 9.5))


def test_no_border_moves_where_nothing_stands_across() -> None:
    former = recalled(today((box(80, 40, 99.98, 60), 30), (box(10, 10, 30, 20), 5)))
    assert former.led_round == frozenset()
    assert (former.grids.geometry.to_wkb() == GRIDS.geometry.to_wkb()).all()


def test_codes_that_the_plan_names_are_known_though_no_grid_bears_them() -> None:
    area = today()
    gone = {"LOST": ("C1-017",)} | {f"B{n:04d}": (GRIDS["code"][n],) for n in range(3)}
    former = recall_plan(area, RULES, GRIDS.set_crs(area.crs), gone)
    assert former.codes == {"C1-001", "C1-002", "C1-003", "C1-017"}
    assert pd.Series(np.asarray(former.before)).isin(former.codes).all()
