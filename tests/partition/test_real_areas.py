"""The two real areas beside the checkout: what a plan of them must reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.vector import read_area
from partition.intake.frames import check_area
from partition.split import Split, split_area
from partition.wishes.policy import load_profile
from tests.asserts import assert_valid_plan

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real areas are not beside this checkout")


@pytest.fixture(scope="module", params=["monaco", "seoul_gongdeok"])
def made(request: pytest.FixtureRequest) -> tuple[str, Split]:
    area = check_area(read_area(DATA / f"{request.param}.gpkg"))
    split = split_area(area, load_profile("yichang"))
    assert_valid_plan(area, split)
    return request.param, split


def test_every_grid_is_in_range_but_for_single_large_buildings(made: tuple[str, Split]) -> None:
    name, split = made
    outside = split.grids[~split.grids["households"].between(200, 400)]
    assert len(outside) == {"monaco": 0, "seoul_gongdeok": 2}[name]
    alone = split.buildings.groupby("grid")["households"].max()
    assert (alone[outside["code"]] == outside["households"].to_numpy()).all()
    violated = split.report.violations
    assert {v.code for v in violated} <= {"size_building", "compound_split_large"}
    # only estates that no grid can hold are said to be too large, and they need the grids that they have
    large = [v.values for v in violated if v.code == "compound_split_large"]
    assert len(large) == {"monaco": 0, "seoul_gongdeok": 7}[name]
    assert all(values["held"] > values["upper"] == 400 for values in large)
    assert all(2 <= values["least"] <= len(values["grids"].split(", ")) for values in large)
    assert split.report.sound


def test_borders_run_along_streets_and_grids_are_compact(made: tuple[str, Split]) -> None:
    name, split = made
    figures = split.report.judgement.figures
    assert figures["along_streets"] >= {"monaco": 0.8, "seoul_gongdeok": 0.6}[name]
    assert figures["polsby_popper"] >= 0.40
    assert figures["gaps"] == figures["overlaps"] == figures["fragments"] == figures["buildings_cut"] == 0
