"""Merging communities: the engine one tier up. Units are communities; a merged one is in range, in one piece,
within one street office, and its households reach its service station on foot.

All groups of neighbouring communities in range are listed, each with its best station, and the cheapest
that make up the whole are chosen (set partition); where there are too many, those that the engine has seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from partition.area import Area
from partition.arrays import Lengths, Numbers
from partition.errors import InputError
from partition.findings import Finding
from partition.geometry.neighbours import build_neighbours
from partition.geometry.walking import QUARTER_M, build_network
from partition.merging.stations import Reach, Stations, find_stations, measure_reach
from partition.merging.successors import SMALL, Chosen, Merger, Successors
from partition.solver.balance import Balance
from partition.solver.constraints import beyond
from partition.solver.enumeration import TooManySetsError, list_sets
from partition.solver.graph import Graph
from partition.solver.master import Master, choose_sets
from partition.solver.plan import EFFORT, make_plan
from partition.solver.pool import Pool
from partition.solver.problem import Problem
from partition.wishes.loads import total_loads, weigh_area
from partition.wishes.rules import BORDER_COST, CROSSING_COST, Measure, Profile, Size

OFFICE_DIGITS = 9  # of a community's code name its street office (街道、乡镇)
BY_COUNT = 0.5  # without a range, a merged community may miss the mean by this share
MOST_GROUPS = 60_000  # listed at most
TRIES = 8  # plans of the engine whose groups stand in where there are more
REACH_M = 1000.0  # metres of border that a household beyond the walk is worth: it comes before all borders
RANGE_M = 1e6  # metres of border that a whole target beyond the range is worth


def merge_communities(
    area: Area,
    into: int,
    *,
    sizes: tuple[Size, ...] = (),
    facilities: gpd.GeoDataFrame | None = None,
    limit_m: float = QUARTER_M,
    seed: int = 0,
    effort: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Merger:
    """Merge the communities of an area into so many.

    sizes: the ranges that hold at once; without any, residents (households where they are unknown) within
    BY_COUNT of the mean. facilities: in the area's CRS, see `stations.find_stations`. limit_m: the walk to
    the station. Raises InputError where `into` is more than there are.
    """
    tell = progress or (lambda step, share: None)
    count = len(area.communities)
    if not 1 <= into <= count:
        raise InputError([Finding("merge_number", "refused", values={"into": into, "count": count})])
    tell("walks", 0.0)
    stations = find_stations(area, facilities)
    network = build_network(area.streets)
    reach = measure_reach(area, network, stations, limit_m)
    tell("merge", 0.0)
    problem, notes = make_problem(area, into, sizes)
    effort = EFFORT if effort is None else effort
    plan = make_plan(problem, grids=into, effort=effort, seed=seed)
    groups, complete = list_groups(problem, plan.assignment, plan.grids, seed, effort)
    first = np.flatnonzero(np.isin(groups.hash, Pool.of_plan(problem, plan.assignment).hash))
    chosen = choose_groups(problem, groups, first, reach, stations)
    tell("merge", 1.0)
    finish = Successors(area, problem, chosen, reach, stations, complete, sizes or (_usual_size(area, into),))
    walks = finish.walks(network)
    return finish.merger(walks, into, notes)


# --- the problem ---


def make_problem(area: Area, into: int, sizes: tuple[Size, ...]) -> tuple[Problem, tuple[Finding, ...]]:
    """Communities as units: their graph, what the ranges measure, and what was reckoned to that end.

    Loads are put in shares of the target, so that ranges of several measures weigh alike.
    """
    polygons = area.communities.geometry.to_numpy()
    ground = np.asarray(shapely.area(polygons))
    place = area.buildings["community"].to_numpy(dtype=np.int64)
    wanted = sizes or (_usual_size(area, into),)
    columns: list[Lengths] = []
    notes: list[Finding] = []
    for size in wanted:
        weighed, told = weigh_area(area, Profile("merge", size))
        columns.append(total_loads(weighed.buildings, (size,), place, ground)[:, 0])
        notes += told
    inside = place >= 0
    households = np.bincount(
        place[inside], weights=area.buildings["households"].to_numpy()[inside], minlength=len(polygons)
    ).astype(np.int64)
    graph = build_neighbours(polygons, households, area.streets, BORDER_COST, CROSSING_COST)
    graph = _within_offices(graph, area.communities["code"].to_numpy().astype(str))
    mean = max(float(households.sum()) / into, 1.0)  # a target counts as the mean's households
    scale = [mean / size.target for size in wanted]
    ranges = tuple(
        Balance(size.lower * by, size.target * by, size.upper * by)
        for size, by in zip(wanted, scale, strict=True)
    )
    load = np.stack([column * by for column, by in zip(columns, scale, strict=True)], axis=1)
    return Problem(graph, load, ranges), tuple(notes)


def _usual_size(area: Area, into: int) -> Size:
    inside = area.buildings["community"] >= 0
    residents = area.buildings["residents"][inside]
    known = residents.notna().all() and residents.sum() > 0
    total = float((residents if known else area.buildings["households"][inside]).sum())
    mean = max(total / into, 1.0)
    measure: Measure = "residents" if known else "households"
    return Size(measure, mean * (1 - BY_COUNT), mean, mean * (1 + BY_COUNT))


def _within_offices(graph: Graph, codes: np.ndarray[Any, Any]) -> Graph:
    """The graph without ways from one street office to another."""
    office = np.array([code[:OFFICE_DIGITS] for code in codes])
    rows = graph.rows()
    same = (office[rows] == office[graph.indices]) | (codes[rows] == "") | (codes[graph.indices] == "")
    return replace(graph, walk=graph.walk & same)


# --- the groups ---


def list_groups(problem: Problem, labels: Numbers, number: int, seed: int, effort: int) -> tuple[Pool, bool]:
    """Every group of neighbours in range, and the groups of the plan; whether they are complete."""
    known = Pool.of_plan(problem, labels)
    if len(known) == int(problem.graph.components().max()) + 1:
        return known, True  # all that hang together are one: there is no other choice
    try:
        found = list_sets(problem, most=MOST_GROUPS)
    except TooManySetsError:
        for again in range(1, TRIES):
            plan = make_plan(problem, grids=number, effort=effort, seed=seed + again)
            known = known.merged(Pool.of_plan(problem, plan.assignment))
        return known, False
    start, members, _ = found.pick([np.arange(len(block)) for block in found.blocks])
    return (Pool.of_sets(problem, start, members).merged(known) if len(found) else known), True


def choose_groups(problem: Problem, groups: Pool, first: Numbers, reach: Reach, stations: Stations) -> Chosen:
    """The groups of least cost that make up all communities: households beyond the walk come first, then what
    is out of range, then borders, deviation and shape.

    first: the places of groups that do make up all communities; so many are chosen.
    """
    number = len(first)
    starts, members = groups.start, groups.members
    unreached = np.zeros(len(groups))
    station = np.zeros(len(groups), dtype=np.int64)
    own = [np.flatnonzero(stations.community == c) for c in range(len(problem))]
    for group in range(len(groups)):
        units = members[starts[group] : starts[group + 1]]
        there = np.concatenate([own[unit] for unit in units.tolist()])
        far = reach.beyond[np.ix_(units, there)].sum(axis=0)
        metres = reach.walk[np.ix_(units, there)].sum(axis=0)
        best = np.lexsort((there, metres, far))[0]
        station[group], unreached[group] = there[best], far[best]
    held = np.add.reduceat(problem.load[members], starts[:-1], axis=0)
    singles = np.diff(starts) == 1  # a community above the bound by itself cannot be helped
    target = np.array([balance.target for balance in problem.ranges])
    outside = (beyond(held, problem.ranges) / target).sum(axis=1)
    outside = np.where(singles & problem.oversize()[members[starts[:-1]]], 0.0, outside)
    cost = groups.cost + REACH_M * unreached + RANGE_M * outside
    chosen = choose_sets(len(problem), number, starts, members, cost, first=first)
    assert chosen is not None  # noqa: S101 - there is a first choice
    label = groups.labels(chosen, len(problem))

    def least(amount: Lengths) -> float:
        """What no choice goes below; where the choice has nothing, there is nothing to prove."""
        return _bound(problem, groups, number, amount) if amount[chosen].any() else 0.0

    value = float(cost[chosen].sum())
    gap = max(value - _bound(problem, groups, number, cost), 0.0) / max(abs(value), 1.0)
    unavoidable = float(math.ceil(least(unreached) - SMALL))
    return Chosen(label, station[chosen][label], gap, unavoidable, least(outside))


def _bound(problem: Problem, groups: Pool, number: int, cost: Lengths) -> float:
    """What no choice of the groups can cost less than: the optimum of the relaxation, in which a community
    may also stay uncovered at a price above all groups'.
    """
    master = Master(len(problem), number, penalty=3 * float(np.abs(cost).max()) + 1.0)
    master.add(groups.start, groups.members, cost)
    return master.solve().value
