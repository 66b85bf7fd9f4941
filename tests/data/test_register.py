"""What a redrawn plan's file remembers."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
from shapely import LineString, box

from data.plan_file import PlanFile
from data.register import read_codes, read_history, write_redraw
from partition.area import Area
from partition.changes.former import recall_plan
from partition.changes.lineage import FLOW_COLUMNS
from partition.changes.redraw import Redraw, redraw_area
from partition.wishes.policy import Profile, Size
from tests.lattice import make_area

RULES = Profile("test", Size("households", 100, 200, 400))


def park(households: tuple[int, ...]) -> Area:
    """Houses west of a street, and a park east of it without any."""
    houses = [box(x, 40, x + 10, 60) for x in range(5, 95, 90 // len(households))][: len(households)]
    return make_area(
        [box(0, 0, 200, 100)], [LineString([(100, -5), (100, 105)])], ["local"], houses, list(households)
    )


def redrawn(area: Area, polygons: gpd.GeoDataFrame, issued: set[str]) -> tuple[Redraw, set[str]]:
    former = recall_plan(area, RULES, polygons, None)
    return redraw_area(area, former, RULES, issued=issued), issued | former.codes


def test_the_code_of_a_grid_that_ended_without_a_building_is_not_given_again(tmp_path: Path) -> None:
    area = park((100, 100))
    polygons = gpd.GeoDataFrame(
        {"code": ["C1-001", "C1-002"]},
        geometry=[box(0, 0, 100, 100), box(100, 0, 200, 100)],
        crs=area.crs,
    )
    made, issued = redrawn(area, polygons, set())
    assert made.split.grids["code"].to_list() == ["C1-001"]
    assert not len(made.register.flows[made.register.flows["old_code"] == "C1-002"])
    first = tmp_path / "first.gpkg"
    write_redraw(
        first,
        area,
        made,
        PlanFile(polygons, None, ()),
        pd.DataFrame(columns=["edition", *FLOW_COLUMNS]),
        issued,
    )
    assert read_codes(first) == {"C1-001", "C1-002"}
    table = pyogrio.read_dataframe(first, layer="codes").set_index("code")["in_force"]
    assert table.to_dict() == {"C1-001": True, "C1-002": False}
    # nothing happens for a year, so that the list of what changed last is empty
    made, issued = redrawn(area, made.split.grids[["code", "geometry"]], read_codes(first))
    second = tmp_path / "second.gpkg"
    write_redraw(second, area, made, PlanFile(polygons, None, ()), read_history(first), issued)
    assert not len(pyogrio.read_dataframe(second, layer="changed_grids"))
    assert read_codes(second) == {"C1-001", "C1-002"}
    # then the houses are too many for one grid
    grown = park((250, 250))
    made, _ = redrawn(grown, made.split.grids[["code", "geometry"]], read_codes(second))
    assert made.split.grids["code"].to_list() == ["C1-001", "C1-003"]


@pytest.mark.parametrize("layer", ["grids", "changes", "changed_grids", "codes"])
def test_every_table_of_a_plan_that_names_codes_is_read(tmp_path: Path, layer: str) -> None:
    frame = gpd.GeoDataFrame(
        {"code": ["A-001"], "old_code": ["A-001"], "new_code": [""]}, geometry=[box(0, 0, 1, 1)], crs=3857
    )
    pyogrio.write_dataframe(frame, tmp_path / "plan.gpkg", layer=layer)
    assert read_codes(tmp_path / "plan.gpkg") == {"A-001"}
