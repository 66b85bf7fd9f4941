"""One community divided into grids: finer where it has to be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import shapely

from partition.adjacency import build_graph, link_islands
from partition.area import Area
from partition.arrays import Numbers
from partition.balance import Balance
from partition.clock import Clock
from partition.constraints import Reason, out_of_range
from partition.findings import Finding
from partition.graph import Graph
from partition.grids import dissolve
from partition.linework import Linework, build_linework, cluster_footprints
from partition.plan import Plan, make_plan
from partition.policy import Profile
from partition.problem import Problem
from partition.units import Units, build_units

COMPOUND_COST = 1.0  # for each metre of border between two units of one compound, on top of the street's cost


@dataclass(frozen=True)
class Division:
    """One community divided: its units, their graph, the plan, and why grids are out of range."""

    units: Units
    graph: Graph
    balance: Balance
    plan: Plan
    reasons: dict[int, Reason]
    findings: tuple[Finding, ...] = ()


def divide_community(
    area: Area, number: int, profile: Profile, *, seed: int, grids: int | None, effort: int, clock: Clock
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
            plan = make_plan(Problem.of_households(graph, balance), grids=grids, effort=effort, seed=seed)
            reasons = out_of_range(
                graph, plan.assignment, balance, fixed=grids is not None, finest=cut_above == 0
            )
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
