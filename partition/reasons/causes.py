"""Why grids of a plan that was drawn elsewhere are out of range: what can be proven of any plan there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

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
from partition.parcels import cut_parcels
from partition.reasons.explanation import explain
from partition.reasons.judgement import Judgement, grids_by_community
from partition.solver.constraints import Reason, out_of_range
from partition.wishes.loads import name_measure, weigh_area
from partition.wishes.policy import Profile


def prove_causes(
    area: Area, grids: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame, profile: Profile, judgement: Judgement
) -> Judgement:
    """The judgement with a proven reason for each grid out of range that has one: buildings that exceed the
    range, parts that are cut off, a community with too few households, no number of grids that suits.

    grids, buildings: as in `judge_plan`, with `kind`. What only holds for the number of grids that was asked
    for, or for what a rule keeps whole, is not looked for.
    """
    wanted = {v.rows[0] for v in judgement.violations if v.code == "size_unproven"}
    if not wanted:
        return judgement
    weighed, _ = weigh_area(replace(area, buildings=buildings), profile)
    own = grids_by_community(area, grids)
    found: dict[str, Finding] = {}
    for parcel, rows in zip(cut_parcels(weighed), own, strict=True):
        if wanted & set(grids["code"].iloc[rows]):
            found |= _causes(parcel, grids.iloc[rows], profile, wanted)
    told = tuple(found.get(v.rows[0], v) if v.code == "size_unproven" else v for v in judgement.violations)
    return replace(judgement, violations=told)


def _causes(
    parcel: Area, grids: gpd.GeoDataFrame, profile: Profile, wanted: Collection[str]
) -> dict[str, Finding]:
    """The reasons in one community, by code, those that are proven."""
    ground = Ground(parcel, 0, profile, Clock())
    units = ground.units(0.0)
    problem = ground.problem(units)
    label = _grid_of_units(units, parcel, grids)
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
