"""Reasons for grids out of range: proven where they can be, by each measure."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from partition.reasons.explanation import explain
from partition.solver.balance import Balance
from partition.solver.constraints import Allowed, Shares, numbers, out_of_range
from partition.solver.plan import make_plan
from partition.solver.problem import Problem
from partition.wishes.rules import Size
from tests.partition.test_plan import lattice


@pytest.mark.parametrize(
    ("households", "grids", "cause"),
    [
        ([10] * 9, None, "too_few"),
        ([50] * 9, None, "no_number"),  # 450: one grid is too many, two are too small each
        ([100] * 9, 20, None),
        ([100] * 9, 2, "wanted_number"),
    ],
)
def test_reasons_are_proven_where_they_can_be(
    households: list[int], grids: int | None, cause: str | None
) -> None:
    graph = lattice(3, 3, households)
    balance = Balance(250, 300, 400)
    problem = Problem.of_households(graph, balance)
    plan = make_plan(problem, grids=grids, effort=1000, seed=0)
    reasons = out_of_range(problem, plan.assignment, fixed=grids is not None)
    assert {r.cause for r in reasons.values()} == ({cause} if cause else {"wanted_number"})


def test_households_cut_off_are_named_as_such() -> None:
    graph = lattice(4, 1, [150, 150, 50, 40])
    rows = graph.rows()
    river = ((rows == 1) & (graph.indices == 2)) | ((rows == 2) & (graph.indices == 1))
    graph.walk[river] = False
    balance = Balance(200, 300, 400)
    problem = Problem.of_households(graph, balance)
    plan = make_plan(problem, grids=None, effort=1000, seed=0)
    assert plan.assignment.tolist() == [0, 0, 1, 1]
    reasons = out_of_range(problem, plan.assignment, fixed=False)
    assert {g: r.cause for g, r in reasons.items()} == {1: "cut_off"}


@pytest.mark.parametrize(
    ("loads", "cause"),
    [([150, 160, 140], "indivisible"), ([150, 250, 50], "unproven"), ([40] * 13, "unproven")],
)
def test_a_few_buildings_that_cannot_be_grouped_are_proven(loads: list[int], cause: str) -> None:
    problem = Problem.of_households(lattice(len(loads), 1, loads), Balance(200, 300, 400))
    one = np.zeros(len(loads), dtype=np.int64)
    for finest, expected in ((True, cause), (False, "unproven")):
        (reason,) = out_of_range(problem, one, fixed=False, finest=finest).values()
        assert reason.cause == expected


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_found_where_there_are_some(seed: int) -> None:
    rng = np.random.default_rng(seed)
    loads = rng.integers(20, 200, 6)
    problem = Problem.of_households(lattice(6, 1, loads), Balance(150, 180, 210))
    possible = any(
        ((held >= 150) & (held <= 210))[held > 0].all()
        for labels in itertools.product(range(6), repeat=6)
        for held in [np.bincount(labels, weights=loads)]
    )
    everything = np.zeros(6, dtype=np.int64)
    causes = {r.cause for r in out_of_range(problem, everything, fixed=False, finest=True).values()}
    assert causes <= {"unproven", "no_number", "indivisible", "too_few"}
    assert ("unproven" in causes) == (possible and loads.sum() > 210)


def two_measures(loads: list[tuple[float, float]], *ranges: Balance) -> Problem:
    """Units in a row, measured twice."""
    households = [int(one) for one, _ in loads]
    return Problem(lattice(len(loads), 1, households), np.array(loads, dtype=np.float64), ranges)


def test_two_ranges_that_no_number_of_grids_suits_are_proven() -> None:
    homes, people = Balance(200, 250, 300), Balance(800, 900, 1000)
    problem = two_measures([(100, 800)] * 6, homes, people)
    thirds = np.arange(6) // 2
    reasons = out_of_range(problem, thirds, fixed=False)
    assert {(why.cause, why.measure, why.amount) for why in reasons.values()} == {("two_ranges", 1, 4800.0)}
    assert all(why.proven for why in reasons.values())
    assert {why.allowed for why in reasons.values()} == {Allowed((600.0, 4800.0), ((2, 3), (5, 6)))}


def test_two_ranges_are_the_cause_beside_a_building_above_the_bound_too() -> None:
    homes, people = Balance(200, 250, 300), Balance(800, 900, 1000)
    problem = two_measures([(100, 800)] * 6 + [(400, 900)], homes, people)
    plan = np.array([0, 0, 1, 1, 2, 2, 3])
    reasons = out_of_range(problem, plan, fixed=False)
    assert {grid: why.cause for grid, why in reasons.items()} == {
        0: "pocket_ranges",
        1: "pocket_ranges",
        2: "pocket_ranges",
        3: "building",
    }
    assert reasons[0].allowed == Allowed((600.0, 4800.0), ((2, 3), (5, 6)))
    assert reasons[0].is_pocket
    # what one of the ranges alone forbids is told in that measure
    few = two_measures([(250, 300), (400, 900)], homes, people)
    reason = out_of_range(few, np.array([0, 1]), fixed=False)[0]
    assert (reason.cause, reason.measure, reason.amount) == ("pocket", 1, 300.0)
    assert reason.is_pocket


def test_a_building_is_told_in_the_measure_that_it_exceeds() -> None:
    """323 households are 23 too many; 678 residents are 122 too few, which no building is to blame for."""
    problem = two_measures([(323, 678), (250, 900)], Balance(200, 250, 300), Balance(800, 900, 1000))
    reason = out_of_range(problem, np.array([0, 1]), fixed=False)[0]
    assert (reason.cause, reason.measure, reason.amount) == ("building", 0, 323.0)


def test_the_range_that_is_broken_is_named() -> None:
    homes, people = Balance(200, 250, 300), Balance(800, 900, 1000)
    problem = two_measures([(250, 1200), (120, 450), (130, 450)], homes, people)
    reasons = out_of_range(problem, np.array([0, 1, 1]), fixed=False)
    assert {grid: (why.cause, why.unit, why.measure, why.amount) for grid, why in reasons.items()} == {
        0: ("building", 0, 1, 1200.0)
    }


def test_what_stays_whole_by_the_rule_is_the_proven_reason() -> None:
    problem = Problem.of_households(lattice(3, 1, [150, 160, 140]), Balance(200, 300, 400))
    one = np.zeros(3, dtype=np.int64)
    whole = np.array([True, False, False])
    (reason,) = out_of_range(problem, one, fixed=False, finest=True, united=whole).values()
    assert reason.cause == "whole"


def test_what_a_zone_cuts_off_is_told_from_what_water_does() -> None:
    graph = lattice(2, 1, [50, 500])
    graph.walk[:] = False
    problem = Problem.of_households(graph, Balance(200, 300, 600))
    assignment = np.array([0, 1])
    for around, cause in (([0, 0], "zone"), ([0, 1], "cut_off")):
        (reason,) = out_of_range(problem, assignment, fixed=False, around=np.array(around)).values()
        assert (reason.cause, reason.amount) == (cause, 50.0)


@pytest.mark.parametrize(
    ("amounts", "found"),
    [([600.0, 1800.0], (2, 2)), ([600.0, 3600.0], None), ([150.0, 900.0], None), ([900.0, 3000.0], (3, 3))],
)
def test_numbers_of_grids_that_suit_both_ranges(amounts: list[float], found: tuple[int, int] | None) -> None:
    ranges = (Balance(200, 250, 300), Balance(800, 900, 1000))
    assert numbers(np.array(amounts), ranges) == found
    shares = [k for k in range(1, 20)
              if all(b.lower <= a / k <= b.upper for a, b in zip(amounts, ranges, strict=True))]  # fmt: skip
    assert shares == ([] if found is None else list(range(found[0], found[1] + 1)))


def test_what_cannot_be_proven_tells_how_narrow_the_ranges_are() -> None:
    """Thirteen units of 40 in two grids, of 120 and of 400, where 200 to 400 are asked for."""
    problem = Problem.of_households(lattice(13, 1, [40] * 13), Balance(200, 300, 400))
    (reason,) = out_of_range(problem, np.array([0] * 3 + [1] * 10), fixed=False, finest=True).values()
    assert reason.cause == "unproven"
    assert reason.division == Shares(grids=2, least=120.0, greatest=400.0, fewest=2, most=2)
    finding = explain(
        reason,
        code="001",
        households=120,
        held=[120.0],
        sizes=[Size("households", 200, 300, 400)],
        measures=["households"],
        community="C1",
    )
    assert finding.code == "size_narrow"
    assert finding.values["proven"] is False
    assert "only with 2 grids; they are in 2 of 260 on average, from 120 to 400" in finding.text("en")
    assert "只有分成 2 个网格才可能全部达标" in finding.text("zh")
