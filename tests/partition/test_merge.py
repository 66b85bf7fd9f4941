"""Groups of communities: what is listed, what is chosen, and what nothing can undercut."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from shapely import LineString, box

from partition.area import Area
from partition.errors import InputError
from partition.geometry.walking import build_network
from partition.merging import merge
from partition.merging.merge import (
    TRIES,
    _bound,
    _usual_size,
    _within_offices,
    choose_groups,
    list_groups,
    make_problem,
    merge_communities,
)
from partition.merging.stations import Reach, Stations, find_stations, measure_reach
from partition.solver.balance import Balance
from partition.solver.plan import EFFORT, Plan, make_plan
from partition.solver.pool import Pool
from partition.solver.problem import Problem, Weights
from partition.wishes.rules import Size
from tests.lattice import make_area
from tests.unit_lattice import lattice

BORDER = Weights(deviation_m=0.0, compactness_m=0.0)


def row(households: list[int], lower: float = 0.0, upper: float = 1000.0) -> Problem:
    """Communities in a row, with streets of uneven cost between them."""
    graph = lattice(len(households), 1, households)
    one = np.minimum(graph.rows(), graph.indices)
    graph.cost[:] = np.array([40.0, 10.0, 70.0, 20.0, 60.0])[one]
    return Problem.of_households(graph, Balance(lower, max(lower, 1.0), upper), BORDER)


def town(residents: list[float]) -> Area:
    """Communities of 20, 30, 40 … households in a row along a street."""
    many = len(residents)
    shapes = [box(100 * n, 0, 100 * n + 100, 100) for n in range(many)]
    houses = [box(100 * n + 20, 20, 100 * n + 50, 60) for n in range(many)]
    street = LineString([(0, 0), (100 * many, 0)])
    area = make_area(shapes, [street], ["lane"], houses, [20 + 10 * n for n in range(many)])
    return replace(area, buildings=area.buildings.assign(residents=residents))


def cuts(problem: Problem, number: int) -> list[np.ndarray]:
    n = len(problem)
    return [
        np.repeat(np.arange(number), np.diff([0, *inner, n]))
        for inner in combinations(range(1, n), number - 1)
    ]


def reaching(
    problem: Problem, beyond: dict[tuple[int, int], float], walk: float = 100.0
) -> tuple[Reach, Stations]:
    """One station in each community; so many households of a community beyond the walk to a station."""
    n = len(problem)
    far = np.zeros((n, n))
    for (community, station), households in beyond.items():
        far[community, station] = households
    metres = walk * (1.0 + np.abs(np.subtract.outer(np.arange(n), np.arange(n))))
    area = town([1.0] * n)
    stations = replace(find_stations(area, None), community=np.arange(n))
    reach = replace(
        measure_reach(area, build_network(area.streets), stations, 1200.0), beyond=far, walk=metres
    )
    return reach, stations


def test_every_group_in_range_is_listed_and_the_cheapest_that_make_up_all_are_chosen() -> None:
    problem = row([30, 40, 50, 60, 30, 20], 50.0, 130.0)
    plan = np.array([0, 0, 1, 1, 2, 2])
    groups, complete = list_groups(problem, plan, 3, 0, 100)
    spans = {
        tuple(groups.members[a:b].tolist()) for a, b in zip(groups.start[:-1], groups.start[1:], strict=True)
    }
    loads = [30, 40, 50, 60, 30, 20]
    fits = {tuple(range(a, b)) for a in range(6) for b in range(a + 1, 7) if 50 <= sum(loads[a:b]) <= 130}
    assert complete
    assert spans == fits
    first = np.flatnonzero(np.isin(groups.hash, Pool.of_plan(problem, plan).hash))
    reach, stations = reaching(problem, {})
    chosen = choose_groups(problem, groups, first, reach, stations)
    fine = [
        c for c in cuts(problem, 3) if (b := np.bincount(c, weights=loads)).min() >= 50 and b.max() <= 130
    ]
    best = min(Pool.of_plan(problem, c).cost.sum() for c in fine)
    assert Pool.of_plan(problem, chosen.label).cost.sum() == pytest.approx(best)


def test_households_beyond_the_walk_come_before_borders() -> None:
    problem = row([30, 40, 50, 60])
    plan = np.array([0, 0, 1, 1])
    groups, _ = list_groups(problem, plan, 2, 0, 100)
    first = np.flatnonzero(np.isin(groups.hash, Pool.of_plan(problem, plan).hash))
    near, stations = reaching(problem, {})
    free = choose_groups(problem, groups, first, near, stations)
    assert free.label[0] == free.label[1] != free.label[2] == free.label[3]  # the cheapest border
    # nobody of 0 reaches 1, nor the other way round: they part, though that border costs more
    far, _ = reaching(problem, {(0, s): 9.0 for s in (1, 2, 3)} | {(c, 0): 9.0 for c in (1, 2, 3)})
    apart = choose_groups(problem, groups, first, far, stations)
    assert apart.label[0] != apart.label[1] == apart.label[2] == apart.label[3]
    # of equal reach the station of the shortest walks: the middle of three
    assert apart.station.tolist() == [0, 2, 2, 2]


def test_the_relaxation_bounds_the_choice() -> None:
    problem = row([30, 40, 50, 60])
    pool, _ = list_groups(problem, np.array([0, 0, 1, 1]), 2, 0, 100)
    best = min(Pool.of_plan(problem, c).cost.sum() for c in cuts(problem, 2))
    assert _bound(problem, pool, 2, pool.cost) == pytest.approx(best)
    assert _bound(problem, pool, 1, pool.cost) == pytest.approx(
        Pool.of_plan(problem, np.zeros(4, int)).cost.sum()
    )
    # of pairs that overlap in the middle one unit stays uncovered: three times the dearest and one
    two = pool.take(np.flatnonzero(np.diff(pool.start) == 2)[:1])
    assert _bound(problem, two, 1, np.array([5.0])) == pytest.approx(5.0 + 2 * 16.0)


def test_where_too_many_groups_are_listed_those_seen_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = row([30, 40, 50, 60, 30, 20], 50.0, 130.0)
    monkeypatch.setattr(merge, "MOST_GROUPS", 2)
    groups, complete = list_groups(problem, np.array([0, 0, 1, 1, 2, 2]), 3, 0, 100)
    assert not complete
    assert len(groups) >= 3
    whole, complete = list_groups(row([1, 1, 1]), np.zeros(3, dtype=np.int64), 1, 0, 100)
    assert complete
    assert len(whole) == 1


def test_plans_that_stand_in_are_searched_for_as_long_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int | None, int, int]] = []

    def search(problem: Problem, *, grids: int | None, effort: int, seed: int) -> Plan:
        asked.append((grids, effort, seed))
        return make_plan(problem, grids=grids, effort=min(effort, 50), seed=seed)

    monkeypatch.setattr(merge, "MOST_GROUPS", 2)
    monkeypatch.setattr(merge, "make_plan", search)
    for given, effort in ((None, EFFORT), (40, 40)):
        asked.clear()
        merge_communities(town([30.0, 40, 50, 60, 30, 20]), 3, effort=given, seed=5)
        assert asked == [(3, effort, 5 + again) for again in range(TRIES)]


def test_nobody_walks_from_one_street_office_to_another() -> None:
    graph = lattice(4, 1, 10)
    codes = np.array(["110101001001", "110101001002", "110101002001", ""])
    walk = _within_offices(graph, codes).walk
    ways = set(zip(graph.rows()[walk].tolist(), graph.indices[walk].tolist(), strict=True))
    assert ways == {(0, 1), (1, 0), (2, 3), (3, 2)}  # what has no code may go with any
    severed = replace(graph, walk=np.zeros(6, dtype=bool))
    assert not _within_offices(severed, codes).walk.any()


def test_the_usual_range_is_half_about_the_mean_of_residents_or_households() -> None:
    size = _usual_size(town([50.0, 70.0, 80.0]), 2)
    assert (size.measure, size.lower, size.target, size.upper) == ("residents", 50, 100, 150)
    for unknown in ([50.0, np.nan, 80.0], [0.0, 0.0, 0.0]):
        size = _usual_size(town(unknown), 3)
        assert (size.measure, size.lower, size.target, size.upper) == ("households", 15, 30, 45)
    assert _usual_size(town([0.0, 0.0, 1.0]), 3).target == 1


def test_ranges_of_several_measures_weigh_alike() -> None:
    sizes = (Size("households", 10, 30, 60), Size("area", 5_000, 15_000, 40_000))
    problem, notes = make_problem(town([50.0, 70.0, 80.0]), 3, sizes)
    assert notes == ()
    assert [b.target for b in problem.ranges] == pytest.approx([30, 30])
    assert (problem.ranges[1].lower, problem.ranges[1].upper) == pytest.approx((10, 80))
    assert problem.load[:, 0].tolist() == [20, 30, 40]
    assert problem.load[:, 1].tolist() == pytest.approx([20, 20, 20])
    assert problem.graph.households.tolist() == [20, 30, 40]


@pytest.mark.parametrize("into", [0, 4])
def test_a_number_that_cannot_be_is_refused(into: int) -> None:
    with pytest.raises(InputError) as caught:
        merge_communities(town([1.0, 1.0, 1.0]), into)
    assert [finding.code for finding in caught.value.findings] == ["merge_number"]


def test_as_many_as_there_are_and_one_alone() -> None:
    area = town([50.0, 70.0, 80.0])
    steps: list[tuple[str, float]] = []
    same = merge_communities(area, 3, effort=50, progress=lambda step, share: steps.append((step, share)))
    assert len(same.communities) == 3
    assert [steps[0], steps[1], steps[2]] == [("walks", 0.0), ("merge", 0.0), ("merge", 1.0)]
    one = merge_communities(area, 1, effort=50)
    assert one.communities["households"].tolist() == [90]
