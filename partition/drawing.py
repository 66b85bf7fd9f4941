"""The work that is done for each community: it is divided, its grids drawn, numbered and judged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import geopandas as gpd
import numpy as np
import shapely

from partition.alternatives import vary_division
from partition.area import Area
from partition.arrays import Geometries
from partition.clock import Clock
from partition.codes import code_prefix, issue_codes, reading_order
from partition.division import Division, divide_community
from partition.findings import Finding
from partition.geometry.grids import unit_frame, without_passed
from partition.geometry.outlines import draw_outlines
from partition.geometry.pose import Pose, take_pose
from partition.proof.optimality import Optimality, weigh_up
from partition.reasons.explanation import Wholes, explain, explain_wholes
from partition.reasons.judgement import CommunityJudgement, judge_community
from partition.wishes.loads import name_measure
from partition.wishes.policy import Profile


@dataclass(frozen=True)
class Order:
    """What every community is divided by. threads: that one division may use for itself. plans: how many
    to choose from. prove: also how far the first is from the best possible.
    """

    profile: Profile
    seed: int
    grids: int | None
    effort: int
    threads: int
    plans: int
    prove: bool


@dataclass(frozen=True)
class Drawn:
    """One community on paper.

    grids: code, community, kind, geometry. units: as in `split.Split`. reasons: why grids are out of range,
    by code. wholes: why compounds, village groups and zones are not whole. grid: the code of each building of
    the parcel. findings: what was done to its streets. clock: by step. optimality: of the plan, where it was
    asked for.
    """

    grids: gpd.GeoDataFrame
    units: gpd.GeoDataFrame
    reasons: dict[str, Finding]
    grid: Geometries
    findings: tuple[Finding, ...]
    clock: Clock
    optimality: Optimality | None = None
    wholes: Wholes = field(default_factory=dict)


def draw_parcel(order: Order, item: tuple[Area, Collection[str]]) -> tuple[Drawn, ...]:
    """Divide a parcel's community and draw its grids, the best plan first, then the alternatives to it.

    The item: the parcel, and its codes ever issued.
    """
    parcel, issued = item
    clock = Clock()
    with clock.step("blocks"):
        posed, pose = take_pose(parcel)
    division = divide_community(
        posed,
        0,
        order.profile,
        seed=order.seed,
        grids=order.grids,
        effort=order.effort,
        clock=clock,
        threads=order.threads,
    )
    divisions: tuple[Division, ...] = (division,)
    if order.plans > 1:
        with clock.step("plan"):
            divisions = vary_division(
                posed,
                order.profile,
                division,
                order.plans,
                effort=order.effort,
                seed=order.seed,
                threads=order.threads,
            )
    with clock.step("grids"):
        first, *rest = (draw_community(posed, pose, one, issued, clock) for one in divisions)
    if order.prove:
        with clock.step("prove"):
            found = weigh_up(division, str(parcel.communities["id"].iloc[0]), threads=order.threads)
        first = replace(first, optimality=found)
    return first, *rest


def judge_parcel(
    profile: Profile, item: tuple[Area, gpd.GeoDataFrame, dict[str, Finding], Wholes]
) -> tuple[CommunityJudgement, Clock]:
    """Judge the grids of a parcel's community. The item: the parcel, its buildings with `grid`; its grids
    with their figures; the reasons for grids out of range, and for what is not whole. Also returns the clock
    that was kept.
    """
    parcel, grids, reasons, wholes = item
    clock = Clock()
    with clock.step("judge"):
        found = judge_community(parcel, grids, profile, reasons, wholes)
    return found, clock


def draw_community(
    parcel: Area, pose: Pose, division: Division, issued: Collection[str], clock: Clock
) -> Drawn:
    """Give the grids of a parcel's community their polygons and codes. The parcel is in its pose (see
    `take_pose`), what is drawn is where it belongs.
    """
    community = parcel.communities.iloc[0]
    units, plan = division.units, division.plan
    footprints = parcel.buildings.geometry.to_numpy()
    outlines = draw_outlines(units, plan.assignment[units.unit], plan.grids, footprints)
    polygons = without_passed(pose.back(outlines), pose.border)
    middle = shapely.get_coordinates(shapely.point_on_surface(polygons))
    order = reading_order(middle[:, 0], middle[:, 1], shapely.area(polygons))
    codes = np.empty(plan.grids, dtype=object)
    codes[order] = issue_codes(code_prefix(community["id"], community["code"]), plan.grids, issued)
    unit = units.building_unit
    kinds = np.array(division.kinds, dtype=object)
    pieces = unit_frame(units, codes[plan.assignment].tolist(), parcel.crs)
    return Drawn(
        grids=gpd.GeoDataFrame(
            {"code": codes[order], "community": community["id"], "kind": kinds[order]},
            geometry=list(polygons[order]),
            crs=parcel.crs,
        ),
        units=pieces.set_geometry(pose.back(pieces.geometry.to_numpy()), crs=parcel.crs),
        reasons=_reasons(parcel, division, codes),
        grid=np.where(unit >= 0, codes[plan.assignment[unit]], "")[pose.row],
        findings=division.findings,
        clock=clock,
        wholes=explain_wholes(division.partings, division.mixed, division.sizes, _measures(parcel, division)),
    )


def _measures(parcel: Area, division: Division) -> list[str]:
    return [name_measure(parcel.buildings, size) for size in division.sizes]


def _reasons(parcel: Area, division: Division, codes: Geometries) -> dict[str, Finding]:
    """Why grids are out of range, by code."""
    households, held = division.plan.households(division.graph), division.held()
    ids = parcel.buildings["id"].to_numpy().astype(str)
    measures = _measures(parcel, division)
    return {
        codes[grid]: explain(
            why,
            code=codes[grid],
            households=int(households[grid]),
            held=held[grid].tolist(),
            sizes=division.sizes,
            measures=measures,
            community=str(parcel.communities["id"].iloc[0]),
            buildings=ids[division.units.building_unit == why.unit].tolist() if why.unit >= 0 else (),
        )
        for grid, why in division.reasons.items()
    }
