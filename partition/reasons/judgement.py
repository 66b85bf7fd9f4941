"""Holding a plan against its area: what it promises, and what it achieves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from partition.area import Area
from partition.arrays import Numbers
from partition.codes import code_prefix
from partition.findings import Finding
from partition.geometry.abuttals import Abuttals, find_abuttals
from partition.geometry.linework import SAME_M
from partition.geometry.metrics import (
    cut_buildings,
    measure_cover,
    measure_streets,
    polsby_popper,
    variation,
)
from partition.parcels import cut_parcels
from partition.reasons.explanation import Wholes
from partition.reasons.sizes import Share, Sizes, judge_sizes, shares_of_compounds, sum_figures
from partition.texts import LANGUAGES
from partition.wishes.loads import is_weighed, weigh_area
from partition.wishes.policy import Profile

# A plan that breaks one of these is not valid; everything else that is found is a wish that is not met.
PROMISES = frozenset(
    {
        "gap",
        "overlap",
        "outside",
        "fragment",
        "building_cut",
        "building_without_grid",
        "code_repeated",
        "code_malformed",
        "code_foreign",
        "community_failed",
        "community_lost",
    }
)


@dataclass(frozen=True)
class Judgement:
    """Figures of the whole plan, by community and by grid, and what is violated."""

    figures: dict[str, Any]
    communities: list[dict[str, Any]]
    grids: list[dict[str, Any]]
    violations: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Every promise is kept, and every grid is in range or has a proven reason."""
        return not any(v.code in PROMISES or v.values.get("proven") is False for v in self.violations)

    def name_bounds(self, grids: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        """The grids with their four bounds (四至), in a column for each language, before the geometry."""
        told = {line["code"]: line["bounds"] for line in self.grids}
        words = {
            f"bounds_{lang}": [told.get(code, {}).get(lang, "") for code in grids["code"]]
            for lang in LANGUAGES
        }
        named = grids.assign(**words)
        return named[[*named.columns.drop("geometry"), "geometry"]]


@dataclass(frozen=True)
class CommunityJudgement:
    """What is found in one community: its line and those of its grids, what is violated, and the codes of the
    grids that hold buildings of each compound.
    """

    line: dict[str, Any]
    grids: list[dict[str, Any]]
    violations: tuple[Finding, ...]
    compounds: dict[str, Share]
    targets: Mapping[str, float]


def judge_plan(
    area: Area,
    grids: gpd.GeoDataFrame,
    buildings: gpd.GeoDataFrame,
    profile: Profile,
    reasons: Mapping[str, Finding] | None = None,
    wholes: Wholes | None = None,
) -> Judgement:
    """Judge a plan. All frames in `area.crs`.

    grids: code, community, households, residents, buildings, buildings_unknown, geometry, and `kind` where it
    is known. buildings: `area.buildings` with `grid`. reasons: for grids out of range, the finding that
    explains it; others are called unproven. wholes: why compounds, village groups and zones are not whole.
    """
    found = []
    own = grids_by_community(area, grids)
    weighed = replace(area, buildings=buildings)
    notes: tuple[Finding, ...] = ()
    if not is_weighed(weighed, profile):
        weighed, notes = weigh_area(weighed, profile)
    for number, parcel in enumerate(cut_parcels(weighed)):
        found.append(judge_community(parcel, grids.iloc[own[number]], profile, reasons, wholes))
    judgement = sum_judgements(area, grids, buildings, found)
    return replace(judgement, violations=judgement.violations + notes)


def grids_by_community(area: Area, grids: gpd.GeoDataFrame) -> list[Numbers]:
    """The rows of the grids of each community, ascending."""
    rows = grids.groupby("community", sort=False).indices
    none = np.empty(0, dtype=np.int64)
    return [np.sort(rows.get(community, none)) for community in area.communities["id"]]


def judge_community(
    parcel: Area,
    grids: gpd.GeoDataFrame,
    profile: Profile,
    reasons: Mapping[str, Finding] | None = None,
    wholes: Wholes | None = None,
) -> CommunityJudgement:
    """Judge the grids of one community (see `parcels.cut_parcels`); `parcel.buildings` has `grid`."""
    community = next(parcel.communities.itertuples())
    sizes = judge_sizes(parcel, grids, profile, reasons or {}, wholes)
    bounds = find_abuttals(grids, parcel)
    streetwise = measure_streets(grids.geometry.to_numpy(), community.geometry, parcel.streets)
    held = grids["households"].to_numpy()
    basic = np.array([line["kind"] == "basic" for line in sizes.lines], dtype=bool)
    return CommunityJudgement(
        line={
            "id": community.id,
            "name": community.name,
            "code": community.code,
            "grids": len(grids),
            "households": int(held.sum()),
            "residents": _number(grids["residents"].sum(min_count=1)),
            "buildings": int(grids["buildings"].sum()),
            "buildings_unknown": int(grids["buildings_unknown"].sum()),
            "area_m2": round(float(community.geometry.area), 1),
            "variation": round(variation(held[basic]), 4),
            "border_m": streetwise.border_m,
            "inside_m": streetwise.inside_m,
            "along_streets": round(streetwise.along_share, 4),
        },
        grids=_grid_lines(grids, sizes, bounds),
        violations=(
            *_cover_faults(grids, community),
            *_fragments(grids, community),
            *_cut_faults(parcel, grids),
            *sizes.findings,
        ),
        compounds=shares_of_compounds(parcel, profile, wholes),
        targets=sizes.targets,
    )


def sum_judgements(
    area: Area,
    grids: gpd.GeoDataFrame,
    buildings: gpd.GeoDataFrame,
    found: Sequence[CommunityJudgement],
) -> Judgement:
    """The judgement of a plan from those of its communities, in order; frames as in `judge_plan`."""
    lines = [line for one in found for line in one.grids]
    border: dict[str, float] = {}
    inside: dict[str, float] = {}
    for one in found:
        for total, part in ((border, one.line["border_m"]), (inside, one.line["inside_m"])):
            for name, metres in part.items():
                total[name] = round(total.get(name, 0.0) + metres, 1)
    violations = [violation for one in found for violation in one.violations]
    violations += _code_faults(grids, area.communities) + _homeless(buildings)
    split = _split_compounds(area, found)
    violations += split
    # of the grids that were judged: a community whose judgement broke has none
    held = np.array([line["households"] for line in lines if line["kind"] == "basic"], dtype=np.float64)
    total_border = sum(border.values())
    figures = {
        "grids": len(grids),
        "households": int(grids["households"].sum()),
        **sum_figures(lines, [one.targets for one in found for _ in one.grids]),
        "variation": round(variation(held), 4),
        "polsby_popper": round(float(np.mean([line["polsby_popper"] for line in lines])), 4)
        if lines
        else 0.0,
        "border_m": border,
        "inside_m": inside,
        "along_streets": round(1 - border.get("none", 0.0) / total_border, 4) if total_border else 1.0,
        "fragments": sum(v.code == "fragment" for v in violations),
        "gaps": sum(v.code == "gap" for v in violations),
        "overlaps": sum(v.code == "overlap" for v in violations),
        "buildings_cut": sum(len(v.rows) for v in violations if v.code == "building_cut"),
        "split_compounds": len(split),
        "split_groups": sum(v.code.startswith("village_group_split") for v in violations),
        "mixed_zones": sum(v.code == "zone_mixed" for v in violations),
    }
    return Judgement(figures, [one.line for one in found], lines, tuple(violations))


def _split_compounds(area: Area, found: Sequence[CommunityJudgement]) -> list[Finding]:
    """Compounds whose buildings lie in more than one grid, be it of two communities."""
    whole: dict[str, Share] = {}
    for one in found:
        for compound, share in one.compounds.items():
            whole[compound] = share if compound not in whole else whole[compound].joined(share)
    return [
        whole[compound].finding(compound)
        for compound in area.compounds["id"].astype(str)
        if compound in whole and len(whole[compound].codes) > 1
    ]


def _number(value: float) -> int | None:
    return None if value is None or math.isnan(value) else round(float(value))


def _grid_lines(grids: gpd.GeoDataFrame, sizes: Sizes, bounds: Sequence[Abuttals]) -> list[dict[str, Any]]:
    roundness = polsby_popper(grids.geometry.to_numpy())
    return [
        {
            "code": row.code,
            "community": row.community,
            "households": int(row.households),
            "residents": _number(row.residents),
            "buildings": int(row.buildings),
            "buildings_unknown": int(row.buildings_unknown),
            "area_m2": round(float(row.geometry.area), 1),
            **size,
            "polsby_popper": round(float(pp), 4),
            "bounds": {lang: told.text(lang) for lang in LANGUAGES},
        }
        for row, size, pp, told in zip(grids.itertuples(), sizes.lines, roundness, bounds, strict=True)
    ]


def _cover_faults(grids: gpd.GeoDataFrame, community: Any) -> list[Finding]:
    cover = measure_cover(grids.geometry.to_numpy(), community.geometry)
    codes = grids["code"].to_list()
    faults = []
    if cover.gaps:
        faults.append(
            Finding(
                "gap",
                "violated",
                "grids",
                rows=(community.id,),
                values={"gaps": cover.gaps, "area_m2": round(cover.gaps_m2, 2)},
            )
        )
    if cover.overlaps:
        pairs = tuple(f"{codes[a]}/{codes[b]}" for a, b in cover.overlaps)
        faults.append(
            Finding(
                "overlap", "violated", "grids", rows=pairs, values={"area_m2": round(cover.overlaps_m2, 2)}
            )
        )
    if cover.outside_m2:
        faults.append(
            Finding(
                "outside",
                "violated",
                "grids",
                rows=(community.id,),
                values={"area_m2": round(cover.outside_m2, 2)},
            )
        )
    return faults


def _fragments(grids: gpd.GeoDataFrame, community: Any) -> list[Finding]:
    """Grids in pieces. Pieces that lie in different parts of the community (islands, exclaves) are only
    noted.
    """
    islands = shapely.get_parts(community.geometry)
    faults = []
    for code, polygon in zip(grids["code"], grids.geometry, strict=True):
        pieces = shapely.get_parts(polygon)
        if len(pieces) < 2:
            continue
        _, on = shapely.STRtree(islands).query(shapely.point_on_surface(pieces), predicate="intersects")
        exempt = len(set(on.tolist())) == len(pieces)
        values = {"pieces": len(pieces), "community": community.id}
        if exempt:
            faults.append(Finding("grid_on_islands", "noted", "grids", rows=(code,), values=values))
        else:
            faults.append(Finding("fragment", "violated", "grids", rows=(code,), values=values))
    return faults


def _cut_faults(parcel: Area, grids: gpd.GeoDataFrame) -> list[Finding]:
    """Buildings that a border between grids cuts though neither a barrier nor the community's border crosses
    them.
    """
    footprints = parcel.buildings.geometry.to_numpy()
    borders = shapely.get_parts(shapely.union_all(shapely.boundary(grids.geometry.to_numpy())))
    cut = cut_buildings(borders, footprints)
    if not len(cut):
        return []
    edge = np.append(parcel.streets.geometry.to_numpy(), parcel.communities.geometry.iloc[0].boundary)
    line, foot = shapely.STRtree(footprints[cut]).query(edge, predicate="intersects")
    excused = np.unique(
        foot[shapely.length(shapely.intersection(edge[line], footprints[cut][foot])) > SAME_M]
    )
    cut = np.delete(cut, excused)
    if not len(cut):
        return []
    ids = parcel.buildings["id"].iloc[cut].astype(str)
    return [Finding("building_cut", "violated", "grids", rows=tuple(ids))]


def _code_faults(grids: gpd.GeoDataFrame, communities: gpd.GeoDataFrame) -> list[Finding]:
    """Codes that are no codes, that occur twice, or that belong to another community."""
    codes = grids["code"].astype(str)
    faults = []
    repeated = sorted(set(codes[codes.duplicated()]))
    if repeated:
        faults.append(Finding("code_repeated", "violated", "grids", "code", rows=tuple(repeated)))
    formed = codes.str.fullmatch(r"(?a:\d{15}|.+-\d{3})").to_numpy(dtype=bool)
    malformed = sorted({code or '""' for code in codes[~formed]})
    if malformed:
        faults.append(Finding("code_malformed", "violated", "grids", "code", rows=tuple(malformed)))
    official = communities.set_index("id")["code"]
    foreign = sorted(
        {
            code
            for code, home, fine in zip(codes, grids["community"], formed, strict=True)
            if fine and not _is_own(code, home, official[home])
        }
    )
    if foreign:
        faults.append(Finding("code_foreign", "violated", "grids", "code", rows=tuple(foreign)))
    return faults


def _is_own(code: str, community_id: str, community_code: str) -> bool:
    """Whether a well-formed code may be one of the community's; one without a code may still get official
    ones.
    """
    return code[:-3] == code_prefix(community_id, community_code) or (
        not community_code and re.fullmatch(r"[0-9]{15}", code) is not None
    )


def _homeless(buildings: gpd.GeoDataFrame) -> list[Finding]:
    lost = buildings[(buildings["community"] >= 0) & (buildings["grid"] == "")]
    if not len(lost):
        return []
    return [
        Finding("building_without_grid", "violated", "buildings", "grid", rows=tuple(lost["id"].astype(str)))
    ]
