"""Holding a plan against its area: what it promises, and what it achieves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from partition.area import Area
from partition.balance import Balance
from partition.codes import code_prefix
from partition.findings import Finding
from partition.linework import SAME_M
from partition.metrics import (
    cut_buildings,
    measure_cover,
    measure_streets,
    polsby_popper,
    split_compounds,
    variation,
)
from partition.policy import Profile

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


def judge_plan(
    area: Area,
    grids: gpd.GeoDataFrame,
    buildings: gpd.GeoDataFrame,
    profile: Profile,
    reasons: Mapping[str, Finding] | None = None,
) -> Judgement:
    """Judge a plan. All frames in `area.crs`.

    grids: code, community, households, residents, buildings, buildings_unknown, geometry. buildings:
    `area.buildings` with `grid`. reasons: for grids out of range, the finding that explains it; others are
    called unproven.
    """
    violations: list[Finding] = []
    by_community: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    border: dict[str, float] = {}
    inside: dict[str, float] = {}
    for number, community in enumerate(area.communities.itertuples()):
        own = grids[grids["community"] == community.id]
        polygons = own.geometry.to_numpy()
        balance = Balance.of(profile.size_for(area.communities["class"].iloc[number]))
        streetwise = measure_streets(polygons, community.geometry, area.streets)
        violations += _cover_faults(own, community)
        violations += _fragments(own, community)
        violations += _cut_faults(area, own, number)
        lines += _grid_lines(own, balance)
        violations += _size_faults(own, balance, reasons or {}, buildings)
        held = own["households"].to_numpy()
        by_community.append(
            {
                "id": community.id,
                "name": community.name,
                "code": community.code,
                "grids": len(own),
                "households": int(held.sum()),
                "residents": _number(own["residents"].sum(min_count=1)),
                "buildings": int(own["buildings"].sum()),
                "buildings_unknown": int(own["buildings_unknown"].sum()),
                "area_m2": round(float(community.geometry.area), 1),
                "variation": round(variation(held), 4),
                "border_m": streetwise.border_m,
                "inside_m": streetwise.inside_m,
                "along_streets": round(streetwise.along_share, 4),
            }
        )
        for total, part in ((border, streetwise.border_m), (inside, streetwise.inside_m)):
            for name, metres in part.items():
                total[name] = round(total.get(name, 0.0) + metres, 1)
    violations += _code_faults(grids, area.communities) + _homeless(buildings)
    compounds = split_compounds(
        area.compounds.geometry.to_numpy(),
        shapely.point_on_surface(buildings.geometry.to_numpy()),
        buildings["grid"].to_numpy(),
    )
    violations += [
        Finding(
            "compound_split",
            "violated",
            "compounds",
            rows=(str(area.compounds["id"].iloc[c]),),
            values={"grids": ", ".join(codes)},
        )
        for c, codes in compounds.items()
    ]
    held = grids["households"].to_numpy()
    total_border = sum(border.values())
    figures = {
        "grids": len(grids),
        "households": int(held.sum()),
        "share_in_range": round(float(np.mean([line["in_range"] for line in lines])), 4) if lines else 1.0,
        "mean_deviation": round(float(np.mean([abs(line["deviation"]) for line in lines])), 4)
        if lines
        else 0.0,
        "max_deviation": round(float(max((abs(line["deviation"]) for line in lines), default=0.0)), 4),
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
        "split_compounds": len(compounds),
    }
    return Judgement(figures, by_community, lines, tuple(violations))


def _number(value: float) -> int | None:
    return None if value is None or math.isnan(value) else round(float(value))


def _grid_lines(grids: gpd.GeoDataFrame, balance: Balance) -> list[dict[str, Any]]:
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
            "deviation": round(row.households / balance.target - 1, 4),
            "in_range": bool(balance.lower <= row.households <= balance.upper),
            "polsby_popper": round(float(pp), 4),
        }
        for row, pp in zip(grids.itertuples(), roundness, strict=True)
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


def _cut_faults(area: Area, grids: gpd.GeoDataFrame, community: int) -> list[Finding]:
    """Buildings that a border between grids cuts though neither a barrier nor the community's border crosses
    them.
    """
    own = area.buildings[area.buildings["community"] == community]
    footprints = own.geometry.to_numpy()
    borders = shapely.get_parts(shapely.union_all(shapely.boundary(grids.geometry.to_numpy())))
    cut = cut_buildings(borders, footprints)
    if not len(cut):
        return []
    edge = np.append(area.streets.geometry.to_numpy(), area.communities.geometry.iloc[community].boundary)
    line, foot = shapely.STRtree(footprints[cut]).query(edge, predicate="intersects")
    excused = np.unique(
        foot[shapely.length(shapely.intersection(edge[line], footprints[cut][foot])) > SAME_M]
    )
    cut = np.delete(cut, excused)
    if not len(cut):
        return []
    return [Finding("building_cut", "violated", "grids", rows=tuple(own["id"].iloc[cut].astype(str)))]


def _size_faults(
    grids: gpd.GeoDataFrame, balance: Balance, reasons: Mapping[str, Finding], buildings: gpd.GeoDataFrame
) -> list[Finding]:
    faults = []
    for row in grids.itertuples():
        if balance.lower <= row.households <= balance.upper:
            continue
        faults.append(
            reasons.get(row.code) or _size_fault(row, balance, buildings[buildings["grid"] == row.code])
        )
    return faults


def _size_fault(row: Any, balance: Balance, own: gpd.GeoDataFrame) -> Finding:
    """The reason that the buildings alone can prove: one of them exceeds the bound, and nobody else lives
    there.
    """
    alone = own.groupby("atom")["households"].sum()
    values = {"households": int(row.households), "lower": balance.lower, "upper": balance.upper}
    if len(alone) and alone.max() > balance.upper and alone.max() == row.households:
        building = str(own.loc[own["atom"] == alone.idxmax(), "id"].iloc[0])
        return Finding(
            "size_building",
            "violated",
            "grids",
            rows=(row.code,),
            values={**values, "building": building, "alone": int(alone.max()), "proven": True},
        )
    return Finding("size_unproven", "violated", "grids", rows=(row.code,), values={**values, "proven": False})


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
