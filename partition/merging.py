"""Merging communities: the engine one tier up. Units are communities; a merged one is in range, in one piece,
within one street office, and its households reach its service station on foot.

All groups of neighbouring communities in range are listed, each with its best station, and the cheapest
that make up the whole are chosen (set partition); where there are too many, those that the engine has seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Lengths, Numbers
from partition.balance import Balance
from partition.constraints import Reason, beyond, out_of_range
from partition.enumeration import TooManySetsError, list_sets
from partition.errors import InputError
from partition.findings import Finding
from partition.graph import Graph
from partition.grids import dissolve
from partition.loads import total_loads, weigh_area
from partition.master import Master, choose_sets
from partition.metrics import polsby_popper, variation
from partition.neighbours import build_neighbours
from partition.plan import EFFORT, make_plan
from partition.pool import Pool
from partition.problem import Problem
from partition.rules import BORDER_COST, CROSSING_COST, Measure, Profile, Size
from partition.stations import Reach, Stations, find_stations, measure_reach
from partition.walking import QUARTER_M, build_network, minutes, walk_distances

OFFICE_DIGITS = 9  # of a community's code name its street office (街道、乡镇)
BY_COUNT = 0.5  # without a range, a merged community may miss the mean by this share
MOST_GROUPS = 60_000  # listed at most
TRIES = 8  # plans of the engine whose groups stand in where there are more
REACH_M = 1000.0  # metres of border that a household beyond the walk is worth: it comes before all borders
RANGE_M = 1e6  # metres of border that a whole target beyond the range is worth
SMALL_M = 1e-6


@dataclass(frozen=True)
class Merger:
    """Communities merged; frames in the area's metric CRS.

    communities: id, name, code, class (those of the community that stays), merged (number), households,
    residents, area_m2, station, walk_m (mean walk to it), farthest_m, unreached (households beyond the
    limit), geometry. lineage: a row for each old community: old_id, old_code, old_name, new_id, new_code,
    new_name, fate ("kept" or "dissolved"), households, residents, area_m2. The code that stays is that of the
    community with most households; the others are never given again. stations: id, name, kind, community
    (new id), chosen, geometry. walks: a row for each home: id, households, community (new id), station,
    walk_m, minutes, reason ("" within the limit; else "nowhere": no station at all is within it, "no_way": no
    way leads to its own, "grouping": the community it would reach one in is merged elsewhere).
    """

    communities: gpd.GeoDataFrame
    lineage: pd.DataFrame
    stations: gpd.GeoDataFrame
    walks: pd.DataFrame
    figures: dict[str, Any]
    violations: tuple[Finding, ...]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whatever is out of range or out of reach has a proven reason."""
        return all(finding.values.get("proven", True) for finding in self.violations)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, ready for JSON."""
        table = self.communities.drop(columns="geometry")
        return {
            "figures": self.figures,
            "communities": [
                {key: None if pd.isna(value) else value for key, value in row.items()}
                for row in table.to_dict("records")
            ],
            "lineage": self.lineage.to_dict("records"),
            "violations": [finding.to_dict() for finding in self.violations],
            "findings": [finding.to_dict() for finding in self.findings],
        }


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
    plan = make_plan(problem, grids=into, effort=EFFORT if effort is None else effort, seed=seed)
    groups, complete = list_groups(problem, plan.assignment, plan.grids, seed, effort)
    chosen = choose_groups(problem, groups, plan.grids, reach, stations)
    tell("merge", 1.0)
    finish = _Finish(area, problem, chosen, reach, stations, complete)
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


def list_groups(
    problem: Problem, labels: Numbers, number: int, seed: int, effort: int | None
) -> tuple[Pool, bool]:
    """Every group of neighbours in range, and the groups of the plan; whether they are complete."""
    known = Pool.of_plan(problem, labels)
    try:
        found = list_sets(problem, most=MOST_GROUPS)
    except TooManySetsError:
        for again in range(1, TRIES):
            plan = make_plan(problem, grids=number, effort=effort or EFFORT, seed=seed + again)
            known = known.merged(Pool.of_plan(problem, plan.assignment))
        return known, False
    start, members, _ = found.pick([np.arange(len(block)) for block in found.blocks])
    return (Pool.of_sets(problem, start, members).merged(known) if len(found) else known), True


@dataclass(frozen=True)
class Chosen:
    """The groups chosen: label and station by community. gap: how far at most its value is above the best
    (share). least: households that no choice of these groups brings within the walk, at least; outside: what
    no choice brings into range, at least (in targets).
    """

    label: Numbers
    station: Numbers
    gap: float
    least: float
    outside: float


def choose_groups(problem: Problem, groups: Pool, number: int, reach: Reach, stations: Stations) -> Chosen:
    """The groups of least cost that make up all communities: households beyond the walk come first, then what
    is out of range, then borders, deviation and shape.
    """
    starts, members = groups.start, groups.members
    unreached = np.zeros(len(groups))
    walk = np.zeros(len(groups))
    station = np.zeros(len(groups), dtype=np.int64)
    own = [np.flatnonzero(stations.community == c) for c in range(len(problem))]
    for group in range(len(groups)):
        units = members[starts[group] : starts[group + 1]]
        there = np.concatenate([own[unit] for unit in units.tolist()])
        far = reach.beyond[np.ix_(units, there)].sum(axis=0)
        metres = reach.walk[np.ix_(units, there)].sum(axis=0)
        best = np.lexsort((there, metres, far))[0]
        station[group], unreached[group], walk[group] = there[best], far[best], metres[best]
    held = np.add.reduceat(problem.load[members], starts[:-1], axis=0)
    singles = np.diff(starts) == 1  # a community above the bound by itself cannot be helped
    target = np.array([balance.target for balance in problem.ranges])
    outside = (beyond(held, problem.ranges) / target).sum(axis=1)
    outside = np.where(singles & problem.oversize()[members[starts[:-1]]], 0.0, outside)
    cost = groups.cost + REACH_M * unreached + RANGE_M * outside
    chosen = choose_sets(len(problem), number, starts, members, cost)
    assert chosen is not None  # noqa: S101 - the engine's plan is among the groups
    label = groups.labels(chosen, len(problem))
    value = float(cost[chosen].sum())
    bound = _bound(problem, groups, number, cost)
    least = math.ceil(_bound(problem, groups, number, unreached) - SMALL_M)
    gap = max(value - bound, 0.0) / max(abs(value), 1.0)
    return Chosen(label, station[chosen][label], gap, float(least), _bound(problem, groups, number, outside))


def _bound(problem: Problem, groups: Pool, number: int, cost: Lengths) -> float:
    """What no choice of the groups can cost less than: the optimum of the relaxation."""
    master = Master(len(problem), number, penalty=float(np.abs(cost).sum()) + 1.0)
    master.add(groups.start, groups.members, cost)
    return master.solve().value


# --- what comes out ---


class _Finish:
    """Frames, figures and reasons of a choice."""

    def __init__(
        self,
        area: Area,
        problem: Problem,
        chosen: Chosen,
        reach: Reach,
        stations: Stations,
        complete: bool,
    ) -> None:
        self.area, self.problem, self.chosen = area, problem, chosen
        self.reach, self.stations, self.complete = reach, stations, complete
        old = area.communities
        self.households = problem.graph.households
        self.ground = np.asarray(shapely.area(old.geometry.to_numpy()))
        inside = area.buildings["community"] >= 0
        self.residents = (
            area.buildings[inside]
            .groupby("community")["residents"]
            .sum(min_count=1)
            .reindex(range(len(old)))
            .to_numpy(dtype=np.float64)
        )
        label = chosen.label
        # the code that stays: of the community with most households, then residents, then the lower code
        rank = np.lexsort((np.arange(len(old)), -np.nan_to_num(self.residents), -self.households, label))
        self.keeper = rank[np.unique(label[rank], return_index=True)[1]]
        # new communities in the order of those that stay
        order = np.argsort(np.argsort(self.keeper))
        self.label = order[label]
        self.keeper = np.sort(self.keeper)
        self.station = np.zeros(len(self.keeper), dtype=np.int64)
        self.station[self.label] = chosen.station

    def walks(self, network: Any) -> pd.DataFrame:
        """The walk of every home to its station, with the reason where it is too long."""
        buildings = self.area.buildings.iloc[self.reach.home]
        place = self.label[buildings["community"].to_numpy()]
        metres = np.full(len(buildings), np.inf)
        for number, station in enumerate(self.station.tolist()):
            own = np.flatnonzero(place == number)
            doors = _pick(self.reach.doors, own)
            metres[own] = walk_distances(network, _pick(self.reach.places, np.array([station])), doors)[0]
        far = metres > self.reach.limit_m
        reason = np.where(
            ~far,
            "",
            np.where(
                np.isinf(metres),
                "no_way",
                np.where(self.reach.nearest > self.reach.limit_m, "nowhere", "grouping"),
            ),
        )
        ids = self.stations.frame["id"].to_numpy().astype(str)
        return pd.DataFrame(
            {
                "id": buildings["id"].to_numpy().astype(str),
                "households": buildings["households"].to_numpy(),
                "community": self.ids()[place],
                "station": ids[self.station[place]],
                "walk_m": metres.round(1),
                "minutes": np.round(minutes(metres), 1),
                "reason": reason,
            }
        )

    def ids(self) -> np.ndarray[Any, Any]:
        return np.array(self.area.communities["id"].astype(str), dtype=object)[self.keeper]

    def merger(self, walks: pd.DataFrame, into: int, notes: tuple[Finding, ...]) -> Merger:
        communities = self.communities(walks)
        lineage = self.lineage()
        violations = [*self.size_faults(), *self.reach_faults(walks)]
        if len(communities) != into:
            values = {"into": into, "made": len(communities)}
            violations.append(Finding("merge_more", "violated", "community", values=values))
        proposed = self.stations.frame["kind"].to_numpy() == ""
        findings = list(notes)
        if proposed.any():
            bare = np.unique(self.stations.community[proposed])
            names = tuple(self.area.communities["id"].to_numpy()[bare].astype(str))
            findings.append(Finding("station_proposed", "noted", "facilities", rows=names))
        stations = self.stations.frame.assign(
            community=self.ids()[self.label[self.stations.community]],
            chosen=np.isin(np.arange(len(self.stations)), self.station),
        )
        stations = stations[~proposed | stations["chosen"]].reset_index(drop=True)
        stations = stations[["id", "name", "kind", "community", "chosen", "geometry"]]
        figures = self.figures(communities, walks, lineage, into)
        return Merger(communities, lineage, stations, walks, figures, tuple(violations), tuple(findings))

    def communities(self, walks: pd.DataFrame) -> gpd.GeoDataFrame:
        old = self.area.communities
        count = len(self.keeper)
        kept = old.iloc[self.keeper].reset_index(drop=True)
        within = walks[walks["reason"] == ""]
        reached = within.groupby("community")
        homes = reached["households"].sum().reindex(kept["id"]).fillna(0).to_numpy()
        metres = (within["walk_m"] * within["households"]).groupby(within["community"]).sum()
        unreached = walks[walks["reason"] != ""].groupby("community")["households"].sum()
        known = np.bincount(self.label, weights=~np.isnan(self.residents), minlength=count) > 0
        residents = np.bincount(self.label, weights=np.nan_to_num(self.residents), minlength=count)
        return gpd.GeoDataFrame(
            {
                "id": kept["id"],
                "name": kept["name"],
                "code": kept["code"],
                "class": kept["class"],
                "merged": np.bincount(self.label, minlength=count),
                "households": np.bincount(self.label, weights=self.households, minlength=count).astype(
                    np.int64
                ),
                "residents": np.where(known, residents, np.nan),
                "area_m2": np.bincount(self.label, weights=self.ground, minlength=count).round(2),
                "station": self.stations.frame["id"].to_numpy()[self.station],
                "walk_m": (metres.reindex(kept["id"]).fillna(0).to_numpy() / np.maximum(homes, 1)).round(1),
                "farthest_m": reached["walk_m"].max().reindex(kept["id"]).to_numpy(),
                "unreached": unreached.reindex(kept["id"]).fillna(0).to_numpy().astype(np.int64),
            },
            geometry=list(dissolve(old.geometry.to_numpy(), self.label, count)),
            crs=self.area.crs,
        )

    def lineage(self) -> pd.DataFrame:
        old = self.area.communities
        new = self.keeper[self.label]
        return pd.DataFrame(
            {
                "old_id": old["id"].to_numpy(),
                "old_code": old["code"].to_numpy(),
                "old_name": old["name"].to_numpy(),
                "new_id": old["id"].to_numpy()[new],
                "new_code": old["code"].to_numpy()[new],
                "new_name": old["name"].to_numpy()[new],
                "fate": np.where(new == np.arange(len(old)), "kept", "dissolved"),
                "households": self.households,
                "residents": self.residents,
                "area_m2": self.ground.round(2),
            }
        )

    def size_faults(self) -> list[Finding]:
        """Merged communities out of a range, each with the reason."""
        problem = self.problem
        reasons = out_of_range(problem, self.label, fixed=True, finest=True)
        load = np.zeros((len(self.keeper), problem.load.shape[1]))
        np.add.at(load, self.label, problem.load)
        faults = []
        for number, reason in sorted(reasons.items()):
            cause = "alone" if reason.cause == "building" else str(reason.cause)
            if not reason.proven and self.complete and self.chosen.outside > SMALL_M:
                cause = "grouping"
            faults.append(self.size_fault(number, cause, reason, load))
        return faults

    def size_fault(self, number: int, cause: str, reason: Reason, load: Lengths) -> Finding:
        known = ("alone", "too_few", "cut_off", "wanted_number", "grouping")
        balance = self.problem.ranges[reason.measure]
        values = {
            "share": float(load[number, reason.measure] / balance.target),
            "lower": balance.lower / balance.target,
            "upper": balance.upper / balance.target,
            "proven": cause in known,
        }
        code = f"merge_{cause}" if cause in known else "merge_unproven"
        return Finding(code, "violated", "community", rows=(str(self.ids()[number]),), values=values)

    def reach_faults(self, walks: pd.DataFrame) -> list[Finding]:
        """Households that cannot reach their station, by new community and reason."""
        far = walks[walks["reason"] != ""]
        lost = int(far["households"].sum())
        avoidable = lost - self.chosen.least
        faults = []
        for (community, reason), homes in far.groupby(["community", "reason"], sort=True):
            values = {
                "community": community,
                "households": int(homes["households"].sum()),
                "minutes": round(float(minutes(self.reach.limit_m)), 1),
                "limit_m": self.reach.limit_m,
                "least": int(self.chosen.least),
                "proven": reason != "grouping" or (self.complete and avoidable <= SMALL_M),
            }
            code = f"reach_{reason}" if values["proven"] else "reach_unproven"
            faults.append(Finding(code, "violated", "buildings", rows=tuple(homes["id"]), values=values))
        return faults

    def figures(
        self, communities: gpd.GeoDataFrame, walks: pd.DataFrame, lineage: pd.DataFrame, into: int
    ) -> dict[str, Any]:
        homes = int(walks["households"].sum())
        near = walks[walks["reason"] == ""]
        reached = int(near["households"].sum())
        residents = communities["residents"].sum(min_count=1)
        in_range = beyond(
            np.stack(
                [
                    np.bincount(self.label, weights=column, minlength=len(self.keeper))
                    for column in self.problem.load.T
                ],
                axis=1,
            ),
            self.problem.ranges,
        )
        return {
            "communities_before": len(lineage),
            "communities": len(communities),
            "asked": into,
            "households": int(communities["households"].sum()),
            "residents": None if np.isnan(residents) else round(float(residents)),
            "variation": round(variation(communities["households"].to_numpy()), 4),
            "share_in_range": round(float((in_range.sum(axis=1) == 0).mean()), 4),
            "polsby_popper": round(float(polsby_popper(communities.geometry.to_numpy()).mean()), 4),
            "limit_m": self.reach.limit_m,
            "share_within_walk": round(reached / homes, 6) if homes else 1.0,
            "unreached": homes - reached,
            "mean_walk_m": round(float((near["walk_m"] * near["households"]).sum() / max(reached, 1)), 1),
            "farthest_m": float(near["walk_m"].max()) if len(near) else 0.0,
            "kept": int((lineage["fate"] == "kept").sum()),
            "dissolved": int((lineage["fate"] == "dissolved").sum()),
            "groups_complete": self.complete,
            "gap": round(self.chosen.gap, 6) if self.complete else None,
        }


def _pick(access: Any, which: Numbers) -> Any:
    return type(access)(access.edge[which], access.along[which], access.away[which])
