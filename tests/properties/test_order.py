"""The order of the rows of the input changes nothing, on generated towns under every profile."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partition.area import Area
from partition.intake.frames import RawFrames, check_area
from partition.split import Split, split_area
from partition.tiers.levels import Ask
from partition.tiers.tower import Tiers, tier_split
from partition.wishes.policy import Profile, load_profile, profile_names
from tests.lattice import CRS, Town, make_town

EFFORT = 200
LAYERS = ("communities", "streets", "buildings", "compounds", "zones")

plots = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(1, 2), st.integers(1, 2))
towns = st.builds(
    Town,
    columns=st.integers(5, 6),
    rows=st.integers(4, 5),
    most_households=st.sampled_from([10, 30, 80]),
    gap_share=st.sampled_from([0.0, 0.2]),
    river=st.booleans(),
    wall=st.booleans(),
    dual=st.booleans(),
    people=st.just((2.5, 3.5)),
    classes=st.sampled_from([("urban",), ("rural",)]),
    estates=st.lists(plots, max_size=2).map(tuple),
    zones=st.lists(plots, max_size=1).map(tuple),
    most_shops=st.just(20),
    groups=st.none() | st.just((2, 1)),
    seed=st.integers(0, 10_000),
)
profiles = st.sampled_from(profile_names()).map(load_profile)
quick = settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def checked(area: Area, rng: np.random.Generator | None) -> Area:
    """The area as it is read from files whose rows stand in any order."""
    names = {"communities": "community"}
    layers: dict[str, pd.DataFrame] = {}
    for layer in LAYERS:
        frame = getattr(area, layer)
        if layer == "buildings":
            columns = ["id", "households", "residents", "shops", "village_group", "use", "geometry"]
            frame = frame[columns]
        if len(frame):
            order = np.arange(len(frame)) if rng is None else rng.permutation(len(frame))
            layers[names.get(layer, layer)] = frame.iloc[order].reset_index(drop=True)
    return check_area(RawFrames(layers, CRS, {name: f"{name}.gpkg" for name in layers}))


def together(split: Split, column: str = "grid") -> set[frozenset[str]]:
    """The ids of the buildings of each grid."""
    rows = split.buildings.groupby(column)["id"]
    return {frozenset(ids) for _, ids in rows}


def figures(split: Split) -> list[tuple[object, ...]]:
    """What is said of the grids, without codes and coordinates."""
    keys = ("households", "residents", "buildings", "kind", "in_range", "exempt")
    return sorted(tuple(line[key] for key in keys) for line in split.report.judgement.grids)


def assert_alike(one: Split, other: Split) -> None:
    assert together(one) == together(other)
    assert figures(one) == figures(other)
    violations = [sorted(told.code for told in split.report.violations) for split in (one, other)]
    assert violations[0] == violations[1]


def assert_tiers_alike(one: Tiers, other: Tiers) -> None:
    for column in [name for name in one.buildings if name == "grid" or name.startswith("tier_")]:
        sets = [{frozenset(i) for _, i in made.buildings.groupby(column)["id"]} for made in (one, other)]
        assert sets[0] == sets[1], column


@quick
@given(towns, profiles, st.integers(0, 1000))
def test_rows_in_any_order(town: Town, profile: Profile, seed: int) -> None:
    area = make_town(town)
    one, other = (
        split_area(checked(area, rng), profile, effort=EFFORT) for rng in (None, np.random.default_rng(seed))
    )
    assert_alike(one, other)
    assert one.grids["code"].to_list() == other.grids["code"].to_list()


@pytest.mark.long
@settings(quick, max_examples=30)
@given(towns, profiles, st.integers(0, 1000))
def test_rows_in_any_order_with_tiers_deep(town: Town, profile: Profile, seed: int) -> None:
    area = make_town(town)
    made = []
    for rng in (None, np.random.default_rng(seed)):
        today = checked(area, rng)
        split = split_area(today, profile, effort=EFFORT)
        made.append(tier_split(today, split, [Ask(number=2), Ask(number=40)]))
    assert_alike(made[0][0], made[1][0])
    assert_tiers_alike(made[0][1], made[1][1])
