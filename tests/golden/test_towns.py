"""Plans of generated towns as readable text: what the sample has not (water, walls, zones, two ranges, tiers,
several communities, a plan of before). `make golden` renews it; read the difference like code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from partition.area import Area
from partition.changes.former import recall_plan
from partition.changes.redraw import redraw_area
from partition.split import Split, split_area
from partition.tiers.levels import Ask
from partition.tiers.tower import nest_tiers
from partition.wishes.policy import Profile, Size, load_profile
from tests.asserts import assert_valid_plan
from tests.golden.parts import compare_part
from tests.lattice import Town, make_town

GOLDEN = Path(__file__).with_name("towns.txt")
EFFORT = 200
SMALL = Profile("small", Size("households", 120, 170, 220))
TOWNS = {
    "yichang": Town(columns=4, rows=4, most_households=50, river=True, dual=True, seed=1),
    "yantai": Town(columns=4, rows=4, wall=True, careless=True, communities=2, seed=2),
    "luoyang": Town(columns=4, rows=4, people=(2.6, 3.4), estates=((0, 0, 2, 1),), seed=3),
    "xiqing": Town(columns=4, rows=4, most_shops=12, zones=((1, 1, 1, 1),), complex_zone=(2, 2, 2, 1),
                   complexity=1.4, seed=4),
    "baise": Town(columns=4, rows=4, most_households=20, groups=(2, 1), classes=("rural",), seed=5),
    "guangde": Town(columns=4, rows=4, classes=("urban", "rural"), communities=2, seed=6),
}  # fmt: skip


def figure(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {figure(value[key])}" for key in sorted(value)) + "}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def story(made: Split) -> Iterator[str]:
    """Units, figures, a line for each grid with its bounds, and all findings."""
    units = made.units
    around = units.geometry.length.sum()
    yield f"units: {len(units)}, {units['households'].sum()} households, {around:.1f} m around"
    judged = made.report.judgement
    for of in (judged.figures, *judged.communities):
        yield ", ".join(f"{key} {figure(of[key])}" for key in sorted(of))
    for line, grid in zip(judged.grids, made.grids.itertuples(), strict=True):
        own = made.buildings["grid"] == grid.code
        yield " ".join(figure(line[key]) for key in sorted(line) if not key.startswith("bounds"))
        yield f"  {grid.bounds_zh} {grid.bounds_en}"
        yield f"  {own.sum()} rows, {shapely.get_num_coordinates(grid.geometry)} vertices"
    for finding in (*made.report.findings, *made.report.violations):
        yield f"{finding.level}: {finding.text('zh')} {finding.text('en')}"


def tiers(area: Area, made: Split, profile: Profile) -> Iterator[str]:
    asks = [Ask(number=2), Ask(name="院落", number=14)]
    nested = nest_tiers(area, made.grids, made.buildings, profile, asks, effort=EFFORT)
    for row in nested.frame.drop(columns="geometry").itertuples(index=False):
        yield " ".join(figure(value) for value in row)
    for line in (*nested.figures, *nested.imbalance):
        yield figure(line)
    for finding in nested.violations:
        yield finding.text("zh")


def redrawn(area: Area, made: Split, profile: Profile) -> Iterator[str]:
    rng = np.random.default_rng(7)
    buildings = area.buildings.copy()
    buildings.loc[rng.choice(len(buildings), 4, replace=False), "households"] += 70
    today = replace(area, buildings=buildings.drop(index=[5]).reset_index(drop=True))
    told = made.buildings[made.buildings["grid"] != ""].groupby("id")["grid"]
    mapping = {str(name): tuple(codes.unique()) for name, codes in told}
    former = recall_plan(today, profile, made.grids[["code", "geometry"]], mapping)
    lock = [str(made.grids["code"].iloc[0])]
    for options in ({}, {"locked": lock}, {"most_moved": 0.02}):
        new = redraw_area(today, former, profile, staff={lock[0]: "Li"}, **options)  # type: ignore[arg-type]
        yield f"redrawn {options}: kept {sorted(new.kept)}"
        for frame in (new.register.flows, new.register.grids):
            for row in frame.itertuples(index=False):
                yield "  " + " ".join(str(value) for value in row)
        for finding in (*new.split.report.findings, *new.split.report.violations):
            yield f"  {finding.text('zh')}"


@pytest.mark.parametrize("name", sorted(TOWNS))
def test_the_plans_of_towns(name: str, request: pytest.FixtureRequest) -> None:
    area, profile = make_town(TOWNS[name]), load_profile(name)
    made = split_area(area, profile, effort=EFFORT)
    assert_valid_plan(area, made)
    compare_part(GOLDEN, name, list(story(made)), request.config.getoption("--renew-golden"))


@pytest.mark.parametrize("name", ["tiers", "redraw"])
def test_what_follows_a_plan(name: str, request: pytest.FixtureRequest) -> None:
    area = make_town(Town(columns=5, rows=4, communities=1 + (name == "tiers"), river=True, seed=9))
    made = split_area(area, SMALL, effort=EFFORT)
    lines = [*story(made), *(tiers if name == "tiers" else redrawn)(area, made, SMALL)]
    compare_part(GOLDEN, name, lines, request.config.getoption("--renew-golden"))
