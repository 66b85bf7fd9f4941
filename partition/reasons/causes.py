"""Why grids of a plan that was drawn elsewhere are out of range: what can be proven of any plan there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Numbers
from partition.clock import Clock
from partition.division import Ground
from partition.findings import Finding
from partition.geometry.units import Units
from partition.geometry.wholes import find_wishes
from partition.geometry.zones import Mixing
from partition.parcels import cut_parcels
from partition.reasons.explanation import Why, explain, explain_wholes
from partition.reasons.judgement import Judgement, grids_by_community
from partition.reasons.sizes import tell_why
from partition.solver.constraints import Reason, out_of_range
from partition.solver.partings import find_partings
from partition.solver.problem import Problem
from partition.wishes.loads import name_measure, weigh_area
from partition.wishes.policy import Profile

# violations that may be without a reason, and what is not whole there
PARTED = {"compound_split": "compound", "village_group_split": "village_group", "zone_mixed": "zone"}


def prove_causes(
    area: Area, grids: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame, profile: Profile, judgement: Judgement
) -> Judgement:
    """The judgement with a proven reason for each grid out of range that has one: buildings that exceed the
    range, parts that are cut off, a community with too few households, no number of grids that suits. And why
    compounds, village groups and zones are not whole: what hinders it in any plan, else that nothing does.

    grids, buildings: as in `judge_plan`, with `kind`. What only holds for the number of grids that was asked
    for, or for what a rule keeps whole, is not looked for.
    """
    wanted = {v.rows[0] for v in judgement.violations if v.code == "size_unproven"}
    parted = {(PARTED[v.code], v.rows[0]) for v in judgement.violations if v.code in PARTED}
    if not wanted and not parted:
        return judgement
    weighed, _ = weigh_area(replace(area, buildings=buildings), profile)
    own = grids_by_community(area, grids)
    found: dict[str, Finding] = {}
    why: dict[tuple[str, str], Why] = {}
    for parcel, rows in zip(cut_parcels(weighed), own, strict=True):
        own_grids = grids.iloc[rows]
        if len(rows) and (parted or wanted & set(own_grids["code"])):
            finest = _Finest.of(parcel, own_grids, profile)
            found |= _causes(finest, parcel, own_grids, wanted)
            why |= _wholes(finest, parcel, own_grids, profile)

    def tell(violation: Finding) -> Finding:
        if violation.code == "size_unproven":
            return found.get(violation.rows[0], violation)
        if violation.code in PARTED:
            return tell_why(violation, why.get((PARTED[violation.code], violation.rows[0])))
        return violation

    return replace(judgement, violations=tuple(tell(violation) for violation in judgement.violations))


@dataclass(frozen=True)
class _Finest:
    """One community in units that cannot be cut further; label: the grid (its place) of each."""

    ground: Ground
    units: Units
    problem: Problem
    label: Numbers

    @classmethod
    def of(cls, parcel: Area, grids: gpd.GeoDataFrame, profile: Profile) -> _Finest:
        ground = Ground(parcel, 0, profile, Clock())
        units = ground.units(0.0)
        return cls(ground, units, ground.problem(units), _grid_of_units(units, parcel, grids))


def _wholes(
    finest: _Finest, parcel: Area, grids: gpd.GeoDataFrame, profile: Profile
) -> dict[tuple[str, str], Why]:
    """Why what lies in several grids of one community does."""
    ground, units = finest.ground, finest.units
    dedicated = (grids["kind"] == "dedicated").to_numpy()[finest.label]
    wishes = find_wishes(units, ground.area, ground.buildings, profile)
    partings = find_partings(finest.problem, wishes, finest.label, dedicated, ground.upper)
    mixed = {one.zone: one for one in ground.zones.mixings(units, ground.buildings)}
    mixings = [mixed.get(name, Mixing(name, "drawn")) for name in ground.zones.ids]
    measures = [name_measure(parcel.buildings, size) for size in ground.sizes]
    return explain_wholes(partings, mixings, ground.sizes, measures)


def _causes(
    finest: _Finest, parcel: Area, grids: gpd.GeoDataFrame, wanted: Collection[str]
) -> dict[str, Finding]:
    """The reasons in one community, by code, those that are proven."""
    ground, units, problem, label = finest.ground, finest.units, finest.problem, finest.label
    basic = np.flatnonzero((grids["kind"] == "basic").to_numpy()[label])
    used, assignment = np.unique(label[basic], return_inverse=True)
    reasons = out_of_range(
        problem.subset(basic),
        assignment.reshape(-1),
        fixed=False,
        finest=True,
        around=problem.graph.components()[basic],
    )
    codes = grids["code"].to_numpy()[used]
    households = grids["households"].to_numpy()[used]
    held = np.zeros((len(used), len(problem.ranges)))
    np.add.at(held, assignment.reshape(-1), problem.load[basic])
    measures = [name_measure(parcel.buildings, size) for size in ground.sizes]
    ids = parcel.buildings["id"].to_numpy().astype(str)

    def told(grid: int, why: Reason) -> Finding:
        unit = int(basic[why.unit]) if why.unit >= 0 else -1
        return explain(
            why,
            code=codes[grid],
            households=int(households[grid]),
            held=held[grid].tolist(),
            sizes=ground.sizes,
            measures=measures,
            community=ground.id,
            buildings=ids[units.building_unit == unit].tolist() if unit >= 0 else (),
        )

    return {
        codes[grid]: told(grid, why) for grid, why in reasons.items() if why.proven and codes[grid] in wanted
    }


def _grid_of_units(units: Units, parcel: Area, grids: gpd.GeoDataFrame) -> Numbers:
    """The grid (its place) that holds most of each unit's households, then most of its buildings, or without
    any building its inner point.
    """
    place = pd.Index(grids["code"]).get_indexer(parcel.buildings["grid"])
    votes = np.zeros((len(units), len(grids)))
    there = (place >= 0) & (units.building_unit >= 0)
    weight = parcel.buildings["households"].to_numpy()[there] + 1e-6
    np.add.at(votes, (units.building_unit[there], place[there]), weight)
    found = np.asarray(votes.argmax(axis=1), dtype=np.int64)
    empty = np.flatnonzero(~votes.any(axis=1))
    if len(empty):
        faces = units.blocks.faces
        first = np.array([int(np.flatnonzero(units.unit == unit)[0]) for unit in empty])
        point, grid = shapely.STRtree(grids.geometry.to_numpy()).query_nearest(
            shapely.point_on_surface(faces[first]), all_matches=False
        )
        found[empty[point]] = grid
    return found
