"""The whole way from an area to its grids."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Numbers
from partition.balance import Balance
from partition.codes import code_prefix, issue_codes, reading_order
from partition.constraints import Reason, out_of_range
from partition.findings import Finding, name_rows
from partition.graph import Graph, build_graph, link_islands
from partition.grids import GRID_COLUMNS, dissolve, match_edges, total_by_grid, unit_frame
from partition.judgement import Judgement, judge_plan
from partition.linework import Linework, build_linework, cluster_footprints
from partition.plan import EFFORT, Plan, make_plan
from partition.policy import Profile
from partition.refine import Weights
from partition.units import Units, build_units

Progress = Callable[[str, float], None]

COMPOUND_COST = 1.0  # for each metre of border between two units of one compound, on top of the street's cost


@dataclass(frozen=True)
class Split:
    """Grids, the building → grid mapping, the units, and how good they are; frames in the area's metric CRS.

    grids: code, community, households, residents, buildings, buildings_unknown, area_m2, geometry. buildings:
    those of the area with `grid` ("" outside every community). units: unit, grid, households, area_m2,
    geometry.
    """

    grids: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    units: gpd.GeoDataFrame
    report: Report
    profile: Profile
    seed: int


@dataclass(frozen=True)
class Report:
    """What a plan achieves, what it does not, and what was done to the input."""

    profile: Profile
    seed: int
    effort: int
    judgement: Judgement
    findings: tuple[Finding, ...]
    seconds: dict[str, float]

    @property
    def violations(self) -> tuple[Finding, ...]:
        return self.judgement.violations

    @property
    def sound(self) -> bool:
        """Whether every promise is kept and every grid out of range has a proven reason."""
        return self.judgement.sound

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, ready for JSON."""
        size = self.profile.size
        return {
            "profile": self.profile.name,
            "size": {
                "measure": size.measure,
                "lower": size.lower,
                "target": size.target,
                "upper": size.upper,
            },
            "seed": self.seed,
            "effort": self.effort,
            "figures": self.judgement.figures,
            "communities": self.judgement.communities,
            "grids": self.judgement.grids,
            "violations": [finding.to_dict() for finding in self.violations],
            "findings": [finding.to_dict() for finding in self.findings],
            "seconds": {step: round(seconds, 3) for step, seconds in self.seconds.items()},
        }


@dataclass(frozen=True)
class Division:
    """One community divided: its units, their graph, the plan, and why grids are out of range."""

    units: Units
    graph: Graph
    balance: Balance
    plan: Plan
    reasons: dict[int, Reason]
    findings: tuple[Finding, ...] = ()


def split_area(
    area: Area,
    profile: Profile,
    *,
    seed: int = 0,
    grids: int | None = None,
    effort: int | None = None,
    issued: Mapping[str, Collection[str]] | None = None,
    progress: Progress | None = None,
) -> Split:
    """Divide every community of the area into grids.

    grids: the number of grids of each community, instead of the number that suits its households. effort:
    proposals by unit. issued: codes ever issued, by community id; none of them is given again. progress:
    called with the step and the share done. The result depends on the area's content, the profile, seed,
    grids and effort alone.
    """
    effort = EFFORT if effort is None else effort
    clock = _Clock()
    tell = progress or (lambda step, share: None)
    divisions: list[Division] = []
    for number in range(len(area.communities)):
        tell("divide", number / len(area.communities))
        divisions.append(
            divide_community(area, number, profile, seed=seed, grids=grids, effort=effort, clock=clock)
        )
    tell("grids", 0.0)
    with clock.step("grids"):
        frame, buildings, units, reasons = _draw(area, divisions, issued or {})
    tell("judge", 0.0)
    with clock.step("judge"):
        judgement = judge_plan(area, frame, buildings, profile, reasons)
        judgement = replace(judgement, violations=judgement.violations + _miscounts(area, divisions, grids))
    tell("judge", 1.0)
    repairs = tuple(finding for division in divisions for finding in division.findings)
    findings = area.findings + profile.findings() + repairs
    report = Report(profile, seed, effort, judgement, findings, clock.seconds)
    return Split(frame, buildings, units, report, profile, seed)


def divide_community(
    area: Area, number: int, profile: Profile, *, seed: int, grids: int | None, effort: int, clock: _Clock
) -> Division:
    """Divide one community. Blocks are cut finer only where grids cannot be brought into range otherwise."""
    polygon = area.communities.geometry.iloc[number]
    buildings = area.buildings[area.buildings["community"] == number]
    balance = Balance.of(profile.size_for(area.communities["class"].iloc[number]))
    with clock.step("blocks"):
        footprints, _ = cluster_footprints(buildings.geometry.to_numpy())
        linework = build_linework(area.streets, polygon, footprints)
    best: Division | None = None
    for cut_above in (balance.upper, balance.target / 2, 0.0):
        with clock.step("units"):
            units = build_units(linework, polygon, buildings, profile.border_cost, cut_above)
            compound = _compound_of(units, area.compounds)
        with clock.step("graph"):
            graph = build_graph(units, profile.border_cost, profile.crossing_cost, compound, COMPOUND_COST)
            graph = _with_islands(graph, units, polygon, balance)
        with clock.step("plan"):
            plan = make_plan(graph, balance, Weights(), grids=grids, effort=effort, seed=seed)
            reasons = out_of_range(graph, plan.assignment, balance, fixed=grids is not None)
        enough_units = grids is None or plan.grids >= grids
        division = Division(units, graph, balance, plan, reasons)
        if best is None or _merit(division, grids) < _merit(best, grids):
            best = division
        if enough_units and all(reason.proven and reason.cause != "pocket" for reason in reasons.values()):
            break
    assert best is not None  # noqa: S101 - the loop runs at least once
    return replace(best, findings=_repairs(linework, str(area.communities["id"].iloc[number])))


def _repairs(linework: Linework, community: str) -> tuple[Finding, ...]:
    """What was done to the streets so that they bound blocks."""
    done = (
        ("near_misses_closed", "streets", linework.near_misses),
        ("detours", "buildings", linework.detours),
    )
    return tuple(
        Finding(code, "repaired", layer, values={"number": number, "community": community})
        for code, layer, number in done
        if number
    )


def _merit(division: Division, wanted: int | None) -> tuple[int, int, float, float]:
    """Less is better: first the number of grids that was asked for, then the range, then the cost."""
    missed = 0 if wanted is None else abs(division.plan.grids - wanted)
    unproven = sum(not reason.proven for reason in division.reasons.values())
    return missed, unproven, division.plan.outside, division.plan.value


def _miscounts(area: Area, divisions: list[Division], wanted: int | None) -> tuple[Finding, ...]:
    """Communities that did not get the number of grids asked for, since their pieces are too few or apart."""
    found = []
    for community, division in zip(area.communities["id"], divisions, strict=True):
        made = division.plan.grids
        if wanted is not None and made != wanted:
            code = "grids_fewer" if made < wanted else "grids_more"
            values = {"wanted": wanted, "made": made}
            found.append(Finding(code, "violated", "grids", rows=(community,), values=values))
    return tuple(found)


def _compound_of(units: Units, compounds: gpd.GeoDataFrame) -> Numbers:
    """The compound that holds the middle of each unit's largest face, -1 for none."""
    found = np.full(len(units), -1, dtype=np.int64)
    if not len(compounds):
        return found
    order = np.lexsort((np.arange(len(units.unit)), -shapely.area(units.blocks.faces), units.unit))
    _, first = np.unique(units.unit[order], return_index=True)
    points = shapely.point_on_surface(units.blocks.faces[order[first]])
    point, compound = shapely.STRtree(compounds.geometry.to_numpy()).query(points, predicate="intersects")
    order = np.lexsort((-compound, point))
    found[point[order]] = compound[order]
    return found


def _with_islands(graph: Graph, units: Units, polygon: shapely.Geometry, balance: Balance) -> Graph:
    islands = shapely.get_parts(polygon)
    if len(islands) == 1:
        return graph
    outlines = dissolve(units.blocks.faces, units.unit, len(units))
    point, on = shapely.STRtree(islands).query(shapely.point_on_surface(outlines), predicate="intersects")
    parts = np.zeros(len(units), dtype=np.int64)
    parts[point] = on
    return link_islands(graph, parts, outlines, balance.lower)


def _draw(
    area: Area, divisions: list[Division], issued: Mapping[str, Collection[str]]
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame, dict[str, Finding]]:
    """Polygons, codes and figures of all grids."""
    buildings = area.buildings.assign(grid="")
    drawn: list[gpd.GeoDataFrame] = []
    units: list[gpd.GeoDataFrame] = []
    reasons: dict[str, Finding] = {}
    for number, (division, community) in enumerate(
        zip(divisions, area.communities.itertuples(), strict=True)
    ):
        label = division.plan.assignment[division.units.unit]
        polygons = dissolve(division.units.blocks.faces, label, division.plan.grids)
        middle = shapely.get_coordinates(shapely.point_on_surface(polygons))
        order = reading_order(middle[:, 0], middle[:, 1], shapely.area(polygons))
        prefix = code_prefix(community.id, community.code)
        codes = np.empty(len(order), dtype=object)
        codes[order] = issue_codes(prefix, len(order), issued.get(community.id, ()))
        own = np.flatnonzero(area.buildings["community"].to_numpy() == number)
        unit = division.units.building_unit
        grid = np.where(unit >= 0, codes[division.plan.assignment[unit]], "")
        buildings.iloc[own, buildings.columns.get_loc("grid")] = grid
        drawn.append(
            gpd.GeoDataFrame(
                {"code": codes[order], "community": community.id},
                geometry=list(polygons[order]),
                crs=area.crs,
            )
        )
        units.append(unit_frame(division.units, codes[division.plan.assignment].tolist(), area.crs))
        ids = area.buildings["id"].to_numpy()[own]
        for g, reason in division.reasons.items():
            held = int(division.plan.households(division.graph)[g])
            alone = ids[unit == reason.unit] if reason.unit >= 0 else []
            reasons[codes[g]] = explain(codes[g], held, reason, division.balance, community.id, alone)
    frame = match_edges(pd.concat(drawn, ignore_index=True), area.communities) if drawn else _no_grids(area)
    frame = frame.join(total_by_grid(buildings[buildings["grid"] != ""], frame["code"].to_list()), on="code")
    frame["area_m2"] = frame.geometry.area.round(2)
    all_units = pd.concat(units, ignore_index=True) if units else gpd.GeoDataFrame(geometry=[], crs=area.crs)
    all_units["unit"] = np.arange(len(all_units))
    return frame[GRID_COLUMNS], buildings, all_units, reasons


def explain(
    code: str, held: int, reason: Reason, balance: Balance, community: str, buildings: Collection[str]
) -> Finding:
    """The finding that says why a grid is out of range."""
    cause = "buildings" if reason.cause == "building" and len(buildings) > 1 else reason.cause
    values = {
        "households": held,
        "lower": balance.lower,
        "upper": balance.upper,
        "alone": reason.households,
        "building": name_rows(tuple(map(str, buildings))),
        "community": community,
        "proven": reason.proven,
    }
    return Finding(f"size_{cause}", "violated", "grids", rows=(code,), values=values)


def _no_grids(area: Area) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"code": [], "community": []}, geometry=[], crs=area.crs)


@dataclass
class _Clock:
    """Seconds spent by step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
