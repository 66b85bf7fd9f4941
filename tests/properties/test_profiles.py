"""What always holds of every profile, on generated towns with all that a profile may ask for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partition.area import Area
from partition.clock import Clock
from partition.division import Ground
from partition.solver.atoms import Wish, contract, unite
from partition.split import split_area
from partition.wishes.loads import weigh_area
from partition.wishes.policy import Profile, ZoneRule, load_profile, profile_names
from tests.asserts import assert_reasoned, assert_valid_plan
from tests.lattice import Town, make_town

EFFORT = 200

plots = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(1, 2), st.integers(1, 2))
towns = st.builds(
    Town,
    columns=st.just(5),
    rows=st.just(4),
    bend_m=st.sampled_from([0.0, 14.0]),
    most_households=st.sampled_from([6, 30, 80]),
    gap_share=st.sampled_from([0.0, 0.2, 1.0]),
    river=st.booleans(),
    bridges=st.integers(0, 2),
    wall=st.booleans(),
    gates=st.integers(0, 2),
    careless=st.booleans(),
    people=st.sampled_from([(2.5, 2.5), (3.2, 4.0)]),
    classes=st.sampled_from([("urban",), ("rural",)]),
    estates=st.lists(plots, max_size=3).map(tuple),
    zones=st.lists(plots, max_size=2).map(tuple),
    complex_zone=st.none() | plots,
    complexity=st.sampled_from([0.5, 2.0]),
    most_shops=st.sampled_from([0, 30]),
    groups=st.none() | st.just((2, 1)),
    seed=st.integers(0, 10_000),
)
WISHES = ("complex_smaller", "estates_whole", "village_groups")
profiles = st.builds(
    lambda name, wishes, zones: replace(
        load_profile(name), wishes=tuple(sorted({*load_profile(name).wishes, *wishes})), zones=zones
    ),
    st.sampled_from(profile_names()),
    st.sets(st.sampled_from(WISHES)),
    st.none() | st.just(ZoneRule()) | st.just(ZoneRule(kinds=("park",), compounds=("E1",))),
)
quick = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def holds(town: Town, profile: Profile) -> None:
    area = make_town(town)
    made = split_area(area, profile, effort=EFFORT)
    assert_valid_plan(area, made)
    assert_reasoned(made)
    figures = made.report.judgement.figures
    assert figures["gaps"] == figures["overlaps"] == figures["buildings_cut"] == 0
    dedicated = made.grids["kind"].to_numpy() == "dedicated"
    assert figures["dedicated"] == dedicated.sum()
    if profile.zones is None:
        assert not dedicated.any()
    for finding in (*made.report.violations, *made.report.findings):
        for lang in ("zh", "en"):
            assert finding.text(lang)
    told = {finding.rows[0] for finding in made.report.violations if finding.code.startswith("size_")}
    lines = made.report.judgement.grids
    assert told == {line["code"] for line in lines if not line["in_range"]}
    assert not told & {line["code"] for line in lines if line["exempt"]}
    assert_conserved(area, made.report.judgement.grids, profile)


def assert_conserved(area: Area, lines: list[dict[str, object]], profile: Profile) -> None:
    """What grids hold adds up to what buildings weigh."""
    weighed, _ = weigh_area(area, profile)
    kind = str(area.communities["class"].iloc[0])
    for size in profile.sizes_for(kind):
        held = sum(line["held"][size.measure] for line in lines)  # type: ignore[index]
        assert held == pytest.approx(float(weighed.buildings[f"load_{size.measure}"].sum()), abs=0.1)


@quick
@given(towns, profiles)
def test_every_profile_keeps_the_promises(town: Town, profile: Profile) -> None:
    holds(town, profile)


@pytest.mark.long
@settings(quick, max_examples=300)
@given(towns, profiles)
def test_every_profile_keeps_the_promises_deep(town: Town, profile: Profile) -> None:
    holds(town, profile)


@settings(quick, max_examples=25)
@given(towns, st.integers(0, 1000))
def test_contracting_conserves_and_expanding_keeps_wholes(town: Town, seed: int) -> None:
    profile = load_profile("luoyang")
    area, _ = weigh_area(make_town(town), profile)
    ground = Ground(area, 0, profile, Clock())
    problem = ground.problem(ground.units(1.0))
    rng = np.random.default_rng(seed)
    wishes = [
        Wish(str(i), np.sort(rng.choice(len(problem), min(3, len(problem)), replace=False))) for i in range(6)
    ]
    atoms = unite(problem, wishes, ground.upper)
    small = contract(problem, atoms.group)
    assert len(small) == len(set(atoms.group.tolist()))
    assert np.allclose(small.load.sum(axis=0), problem.load.sum(axis=0))
    assert small.graph.households.sum() == problem.graph.households.sum()
    assert small.graph.area.sum() == pytest.approx(problem.graph.area.sum())
    inner = atoms.group[problem.graph.rows()] == atoms.group[problem.graph.indices]
    assert small.graph.length.sum() == pytest.approx(problem.graph.length[~inner].sum())
    assert small.graph.cost.sum() == pytest.approx(problem.graph.cost[~inner].sum())
    assert (small.load[atoms.united()] <= ground.upper).all()
    labels = rng.integers(0, 3, len(small))
    expanded = labels[atoms.group]
    for wish, hindrance in zip(wishes, atoms.hindrances, strict=True):
        if not hindrance:
            assert len(set(expanded[wish.units].tolist())) == 1
        elif hindrance == "large":
            assert (problem.load[wish.units].sum(axis=0) > ground.upper).any()
    for part in range(len(small)):
        assert problem.graph.components(without=atoms.group != part).max() == 0, "an atom hangs together"
    whole = shapely.area(
        area.communities.geometry.iloc[0]
    )  # the area of each unit is told to the square metre
    assert small.graph.area.sum() == pytest.approx(whole, abs=0.5 * len(problem))
