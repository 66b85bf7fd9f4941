"""The whole way from an area to its grids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Geometries, Numbers
from partition.clock import Clock
from partition.codes import code_prefix, issue_codes, reading_order
from partition.division import Division, divide_community
from partition.findings import Finding, name_rows
from partition.grids import GRID_COLUMNS, dissolve, match_edges, total_by_grid, unit_frame
from partition.judgement import judge_plan
from partition.plan import EFFORT
from partition.policy import Profile
from partition.report import Report

Progress = Callable[[str, float], None]


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
    clock = Clock()
    tell = progress or (lambda step, share: None)
    divisions: list[Division] = []
    for number in range(len(area.communities)):
        tell("divide", number / len(area.communities))
        divisions.append(
            divide_community(area, number, profile, seed=seed, grids=grids, effort=effort, clock=clock)
        )
    tell("grids", 0.0)
    with clock.step("grids"):
        known = [(issued or {}).get(community, ()) for community in area.communities["id"]]
        drawn = [draw_community(area, n, divisions[n], known[n]) for n in range(len(divisions))]
        grid = np.full(len(area.buildings), "", dtype=object)
        for one in drawn:
            grid[one.rows] = one.grid
        buildings = area.buildings.assign(grid=grid)
        frame = _join_grids(area, drawn, buildings)
        units = pd.concat([one.units for one in drawn], ignore_index=True)
        units["unit"] = np.arange(len(units))
        reasons = {code: why for one in drawn for code, why in one.reasons.items()}
    tell("judge", 0.0)
    with clock.step("judge"):
        judgement = judge_plan(area, frame, buildings, profile, reasons)
        judgement = replace(judgement, violations=judgement.violations + _miscounts(area, divisions, grids))
    tell("judge", 1.0)
    repairs = tuple(finding for division in divisions for finding in division.findings)
    findings = area.findings + profile.findings() + repairs
    report = Report(profile, judgement, findings, clock.seconds, seed, effort)
    return Split(frame, buildings, units, report, profile, seed)


@dataclass(frozen=True)
class Drawn:
    """One community on paper.

    grids: code, community, geometry. units: as in `Split`. reasons: why grids are out of range, by code.
    grid: the code of the buildings at `rows` of the area's.
    """

    grids: gpd.GeoDataFrame
    units: gpd.GeoDataFrame
    reasons: dict[str, Finding]
    rows: Numbers
    grid: Geometries


def draw_community(area: Area, number: int, division: Division, issued: Collection[str]) -> Drawn:
    """Give the grids of one community their polygons and codes."""
    community = area.communities.iloc[number]
    units, plan = division.units, division.plan
    polygons = dissolve(units.blocks.faces, plan.assignment[units.unit], plan.grids)
    middle = shapely.get_coordinates(shapely.point_on_surface(polygons))
    order = reading_order(middle[:, 0], middle[:, 1], shapely.area(polygons))
    codes = np.empty(plan.grids, dtype=object)
    codes[order] = issue_codes(code_prefix(community["id"], community["code"]), plan.grids, issued)
    rows = np.flatnonzero(area.buildings["community"].to_numpy() == number)
    unit = units.building_unit
    ids = area.buildings["id"].to_numpy()[rows]
    held = plan.households(division.graph)
    return Drawn(
        grids=gpd.GeoDataFrame(
            {"code": codes[order], "community": community["id"]}, geometry=list(polygons[order]), crs=area.crs
        ),
        units=unit_frame(units, codes[plan.assignment].tolist(), area.crs),
        reasons={
            codes[g]: explain(codes[g], int(held[g]), division, g, community["id"], ids[unit == why.unit])
            for g, why in division.reasons.items()
        },
        rows=rows,
        grid=np.where(unit >= 0, codes[plan.assignment[unit]], ""),
    )


def explain(
    code: str, held: int, division: Division, grid: int, community: str, alone: Collection[str]
) -> Finding:
    """The finding that says why a grid is out of range; `alone`: the buildings of the unit to blame."""
    reason = division.reasons[grid]
    cause = "buildings" if reason.cause == "building" and len(alone) > 1 else reason.cause
    values = {
        "households": held,
        "lower": division.balance.lower,
        "upper": division.balance.upper,
        "alone": reason.households,
        "building": name_rows(tuple(map(str, alone))),
        "community": community,
        "proven": reason.proven,
    }
    return Finding(f"size_{cause}", "violated", "grids", rows=(code,), values=values)


def _join_grids(area: Area, drawn: list[Drawn], buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    frame = match_edges(pd.concat([one.grids for one in drawn], ignore_index=True), area.communities)
    frame = frame.join(total_by_grid(buildings[buildings["grid"] != ""], frame["code"].to_list()), on="code")
    frame["area_m2"] = frame.geometry.area.round(2)
    return frame[GRID_COLUMNS]


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
