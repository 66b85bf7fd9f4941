"""Alternatives are good, and differ by the promised share."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from shapely import LineString, box

from partition import alternatives
from partition.alternatives import (
    AVOIDED,
    DIFFERENT,
    TRIES,
    WORSE,
    find_alternatives,
    share_elsewhere,
)
from partition.changes.adjustment import pieces
from partition.solver.balance import Balance
from partition.solver.plan import make_plan
from partition.solver.problem import Problem
from partition.split import split_area, split_plans
from partition.wishes.policy import Profile, Size
from tests.asserts import assert_valid_plan
from tests.lattice import Town, make_area, make_town
from tests.unit_lattice import lattice


@pytest.mark.parametrize("seed", range(3))
def test_alternatives_are_good_and_differ(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = Problem.of_households(lattice(10, 8, rng.integers(5, 40, 80)), Balance(120, 180, 240))
    found = find_alternatives(problem, 3, effort=1500, seed=seed)
    best = found[0].plan
    assert len(found) == 3
    for one in found:
        assert one.plan.outside <= best.outside
        assert one.plan.value <= best.value + WORSE * abs(best.value)
        labels = one.plan.assignment
        assert pieces(problem.graph, labels).max() + 1 == one.plan.grids
        held = np.bincount(labels, weights=problem.graph.households)
        assert held.min() >= 120
        assert held.max() <= 240
    for (i, one), (j, other) in combinations(enumerate(found), 2):
        share = share_elsewhere(problem.graph.households, one.plan.assignment, other.plan.assignment)
        assert share >= DIFFERENT
        assert share == pytest.approx(found[max(i, j)].differs[min(i, j)])


def test_the_share_elsewhere_is_that_of_the_best_renaming() -> None:
    households = np.array([10, 20, 30, 40])
    assert share_elsewhere(households, np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])) == 0.0
    assert share_elsewhere(households, np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])) == pytest.approx(0.2)
    assert share_elsewhere(households, np.zeros(4, int), np.arange(4)) == pytest.approx(0.6)


def test_where_nothing_else_is_as_good_there_are_fewer() -> None:
    problem = Problem.of_households(lattice(4, 1, 100), Balance(150, 200, 250))
    assert len(find_alternatives(problem, 3, effort=200)) == 1


def test_a_variant_of_a_town_is_a_whole_plan() -> None:
    area = make_town(Town(columns=5, rows=5, seed=3))
    rules = Profile("test", Size("households", 200, 300, 400))
    plans = split_plans(area, rules, 2, effort=1000)
    for split in plans:
        assert_valid_plan(area, split)
        assert split.report.judgement.figures["share_in_range"] == 1.0
    assert plans[0].buildings["grid"].to_list() == (
        split_area(area, rules, effort=1000).buildings["grid"].to_list()
    )
    households = area.buildings["households"].to_numpy()
    label = [np.unique(split.buildings["grid"], return_inverse=True)[1] for split in plans]
    assert min(share_elsewhere(households, *pair) for pair in combinations(label, 2)) >= DIFFERENT


def test_a_variant_that_is_not_there_is_the_best_plan_with_a_note() -> None:
    """Four buildings on two sides of a street: nothing else is as good."""
    houses = [box(x, y, x + 20, y + 20) for x in (20, 160) for y in (20, 160)]
    area = make_area(
        [box(0, 0, 200, 200)], [LineString([(100, -5), (100, 205)])], ["local"], houses, [50] * 4
    )
    rules = Profile("test", Size("households", 90, 100, 110))
    plans = split_plans(area, rules, 3, effort=200)
    assert len(plans) == 3
    for split in plans:
        assert split.buildings["grid"].to_list() == plans[0].buildings["grid"].to_list()
        (note,) = [finding for finding in split.report.findings if finding.code == "alternatives_fewer"]
        assert note.rows == ("C1",)
        assert (note.values["wanted"], note.values["made"]) == (3, 1)
    alone = split_area(area, rules, effort=200)
    assert "alternatives_fewer" not in {finding.code for finding in alone.report.findings}


@pytest.mark.parametrize("seed", range(2))
def test_one_more_alternative_costs_one_more_search(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches are counted: each further alternative takes no more than `TRIES`, once a level was found."""
    rng = np.random.default_rng(seed)
    problem = Problem.of_households(lattice(10, 8, rng.integers(5, 40, 80)), Balance(120, 180, 240))
    best = make_plan(problem, effort=500)
    searches = []
    monkeypatch.setattr(
        alternatives, "make_plan", lambda *args, **more: searches.append(1) or make_plan(*args, **more)
    )
    for count in (2, 3, 4, 5):
        del searches[:]
        found = find_alternatives(problem, count, best=best, effort=500, seed=seed)
        assert len(found) == count
        assert len(searches) <= TRIES * (count - 1 + len(AVOIDED))
