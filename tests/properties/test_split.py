"""What always holds, on generated towns."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partition.area import Area
from partition.split import split_area
from partition.wishes.policy import Profile, Size
from tests.asserts import assert_valid_plan
from tests.lattice import Town, make_town

PROFILE = Profile("test", Size("households", 150, 220, 300))
EFFORT = 300

towns = st.builds(
    Town,
    columns=st.integers(1, 5),
    rows=st.integers(1, 4),
    bend_m=st.sampled_from([0.0, 6.0, 14.0]),
    most_households=st.sampled_from([0, 4, 30, 80, 400]),
    gap_share=st.sampled_from([0.0, 0.1, 0.4, 1.0]),
    river=st.booleans(),
    bridges=st.integers(0, 2),
    wall=st.booleans(),
    gates=st.integers(0, 2),
    communities=st.integers(1, 3),
    careless=st.booleans(),
    dual=st.booleans(),
    seed=st.integers(0, 10_000),
)
quick = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
deep = settings(quick, max_examples=2000)


def holds(town: Town) -> None:
    area = make_town(town)
    split = split_area(area, PROFILE, effort=EFFORT)
    assert_valid_plan(area, split)
    assert split.report.judgement.figures["gaps"] == split.report.judgement.figures["fragments"] == 0
    for violation in split.report.violations:
        for lang in ("zh", "en"):
            assert violation.text(lang)
    tidy = not (town.careless or town.dual) and town.communities == 1 and min(town.columns, town.rows) > 1
    if tidy and town.river and not town.bridges:
        assert_no_grid_spans(split.grids, split.buildings, area, "water")


def assert_no_grid_spans(grids: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame, area: Area, kind: str) -> None:
    """No grid has households on both sides of a line that nobody can cross."""
    line = area.streets[area.streets["class"] == kind].geometry.iloc[0]
    sides = shapely.get_parts(
        shapely.polygonize(
            shapely.get_parts(shapely.union_all([line, area.communities.geometry.iloc[0].boundary]))
        )
    )
    points = shapely.point_on_surface(buildings.geometry.to_numpy())
    side = np.array([int(np.flatnonzero(shapely.intersects(sides, point))[0]) for point in points])
    lived = buildings["households"].to_numpy() > 0
    for code in grids["code"]:
        assert len(set(side[lived & (buildings["grid"] == code).to_numpy()])) <= 1


@quick
@given(towns)
def test_every_plan_keeps_its_promises(town: Town) -> None:
    holds(town)


@pytest.mark.long
@deep
@given(towns)
def test_every_plan_keeps_its_promises_deep(town: Town) -> None:
    holds(town)


@settings(quick, max_examples=12)
@given(towns, st.integers(0, 1000))
def test_the_same_input_and_seed_give_the_same_plan(town: Town, seed: int) -> None:
    area = make_town(town)
    first = split_area(area, PROFILE, seed=seed, effort=EFFORT)
    second = split_area(make_town(town), PROFILE, seed=seed, effort=EFFORT)
    assert first.buildings["grid"].to_list() == second.buildings["grid"].to_list()
    assert shapely.equals_exact(first.grids.geometry.to_numpy(), second.grids.geometry.to_numpy()).all()


@settings(quick, max_examples=12)
@given(towns, st.sampled_from([(500.0, -300.0), (12_345.0, 678.0)]))
def test_moving_a_town_moves_its_plan(town: Town, step: tuple[float, float]) -> None:
    area = make_town(town)

    def moved(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        return frame.set_geometry(frame.geometry.translate(*step))

    there = replace(
        area,
        communities=moved(area.communities),
        streets=moved(area.streets),
        buildings=moved(area.buildings),
    )
    one, other = (split_area(a, PROFILE, effort=EFFORT) for a in (area, there))
    assert_valid_plan(there, other)
    assert one.grids["households"].to_list() == other.grids["households"].to_list()
    assert one.buildings["grid"].to_list() == other.buildings["grid"].to_list()
