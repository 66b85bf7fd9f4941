"""Moving or turning the input, and its rows in another order, change coordinates and codes, nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.sample import path as sample_path
from data.vector import read_area
from partition.area import Area
from partition.geometry.blocks import match_segments
from partition.intake.frames import check_area
from partition.split import Split, split_area
from partition.tiers.levels import Ask
from partition.tiers.tower import tier_split
from partition.wishes.policy import Profile, load_profile
from tests.asserts import assert_valid_plan
from tests.lattice import Town, make_town
from tests.properties.test_order import (
    EFFORT,
    LAYERS,
    assert_alike,
    assert_tiers_alike,
    checked,
    profiles,
    quick,
    towns,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"
MIDDLE = (500_000.0, 3_400_000.0)  # of the belt: there the plane is true, and the check leaves it as it is
STEPS = st.sampled_from([(0.0, 0.0), (12_345.678, -678.9), (-20_000.0, 400_000.0)])
ANGLES = st.sampled_from([90.0, 180.0, 45.0]) | st.floats(0.0, 360.0)
awkward = st.builds(  # straight lattices, where all is alike, and towns drawn without care
    lambda town, bend, careless, halves: replace(
        town, bend_m=bend, careless=careless, communities=halves, classes=town.classes * halves
    ),
    towns,
    st.sampled_from([0.0, 6.0, 14.0]),
    st.booleans(),
    st.sampled_from([1, 2]),
)


def turned(area: Area, degrees: float, step: tuple[float, float] = (0.0, 0.0)) -> Area:
    """The area turned round its middle (anticlockwise), and moved."""
    angle, middle = np.radians(degrees), area.communities.total_bounds.reshape(2, 2).mean(axis=0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def place(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        shapes = shapely.transform(
            frame.geometry.to_numpy(), lambda xy: (xy - middle) @ turn + middle + np.array(step)
        )
        return frame.set_geometry(gpd.GeoSeries(list(shapes), index=frame.index, crs=frame.crs))

    return replace(area, **{layer: place(getattr(area, layer)) for layer in LAYERS})


def members(split: Split) -> dict[str, frozenset[str]]:
    """The ids of the buildings of each grid, by code."""
    return {code: frozenset(ids) for code, ids in split.buildings.groupby("grid")["id"]}


def borders(split: Split) -> dict[frozenset[frozenset[str]], float]:
    """How long the border between each two grids is (metres); grids are called by their buildings."""
    of = members(split)
    names = [of.get(code, frozenset({code[-3:]})) for code in split.grids["code"]]
    one, other, start, end, _ = match_segments(split.grids.geometry.to_numpy())
    found: dict[frozenset[frozenset[str]], float] = {}
    for a, b, metres in zip(one.tolist(), other.tolist(), np.hypot(*(end - start).T).tolist(), strict=True):
        pair = frozenset({names[a], names[b]})
        found[pair] = found.get(pair, 0.0) + metres
    return found


def assert_turned(one: Split, other: Split) -> None:
    """The same grids, though called by other codes, of the same shape, with the same neighbours."""
    assert_alike(one, other)
    areas = [
        {
            of.get(code): area
            for code, area in zip(split.grids["code"], split.grids.geometry.area, strict=True)
        }
        for split, of in ((one, members(one)), (other, members(other)))
    ]
    assert areas[0].keys() == areas[1].keys()
    assert all(abs(areas[0][grid] - areas[1][grid]) < 0.1 for grid in areas[0])
    lengths = borders(one), borders(other)
    assert lengths[0].keys() == lengths[1].keys()
    assert all(abs(lengths[0][pair] - lengths[1][pair]) < 0.1 for pair in lengths[0])


def holds(town: Town, profile: Profile, degrees: float, step: tuple[float, float], seed: int) -> None:
    area = turned(make_town(town), 0.0, MIDDLE)
    there = checked(turned(area, degrees, step), np.random.default_rng(seed))
    one, other = (split_area(a, profile, effort=EFFORT) for a in (checked(area, None), there))
    assert_turned(one, other)
    assert_valid_plan(there, other)


@quick
@given(towns, profiles, ANGLES, STEPS, st.integers(0, 1000))
def test_a_town_turned_and_moved(
    town: Town, profile: Profile, degrees: float, step: tuple[float, float], seed: int
) -> None:
    holds(town, profile, degrees, step, seed)


@pytest.mark.long
@settings(quick, max_examples=60)
@given(awkward, profiles, ANGLES, STEPS, st.integers(0, 1000))
def test_a_town_turned_and_moved_deep(
    town: Town, profile: Profile, degrees: float, step: tuple[float, float], seed: int
) -> None:
    holds(town, profile, degrees, step, seed)


@pytest.mark.parametrize("degrees", [37.0, 90.0])
def test_a_straight_lattice_turned(degrees: float) -> None:
    """Where everything is alike, every tie of the geometry is there."""
    town = Town(columns=5, rows=4, bend_m=0.0, most_households=80, gap_share=0.2, dual=True, seed=11)
    holds(town, load_profile("yichang"), degrees, (1_000.0, 0.5), 1)


def test_the_sample_turned() -> None:
    area = check_area(read_area(sample_path()))
    profile = load_profile("yichang")
    one, other = (split_area(a, profile, effort=EFFORT) for a in (area, turned(area, 37.0, (100.0, -50.0))))
    assert_turned(one, other)


@pytest.mark.long
@settings(quick, max_examples=10)
@given(towns, ANGLES, STEPS)
@example(Town(columns=6, rows=4, most_households=10, river=True, dual=True, seed=1), 1.0, (0.0, 0.0))
def test_tiers_of_a_town_turned_deep(town: Town, degrees: float, step: tuple[float, float]) -> None:
    profile = load_profile("yichang")
    made = []
    for area in (make_town(town), turned(make_town(town), degrees, step)):
        made.append(
            tier_split(area, split_area(area, profile, effort=EFFORT), [Ask(number=2), Ask(number=40)])
        )
    assert_turned(made[0][0], made[1][0])
    assert_tiers_alike(made[0][1], made[1][1])


@pytest.mark.long
@pytest.mark.parametrize("name", ["monaco", "seoul_gongdeok"])
def test_real_areas_turned(name: str) -> None:
    file = SHARED / f"{name}.gpkg"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    area = check_area(read_area(file))
    profile = load_profile("yichang")
    one, other = (split_area(a, profile, effort=EFFORT) for a in (area, turned(area, 61.8, (345.6, 78.9))))
    assert_turned(one, other)
