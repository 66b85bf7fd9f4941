"""A plan made before, laid on the area of today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd

from partition.area import Area
from partition.arrays import Flags, Geometries
from partition.changes.encroachment import clear_borders
from partition.changes.rebuild import grids_from_polygons, rebuild_grids
from partition.codes import codes_of_buildings
from partition.findings import Finding, name_rows
from partition.geometry.metrics import measure_cover
from partition.wishes.rules import Profile


@dataclass(frozen=True)
class Former:
    """A plan made before, laid on today's area. grids: code, community, geometry, a coverage of the
    communities. before: for each row of the area's buildings the code of its grid, that of the polygon that
    holds it for a new one; "" outside. fresh: rows that the plan did not know. demolished: id and code of
    each building that is no more. redrawn: communities whose polygons were drawn anew from the buildings.
    was: as `before`, but of buildings that overlap one across a border the grid they were in until then.
    led_round: codes of grids whose border was led round a building across it. codes: every code that the plan
    names, of grids that are no more too.
    """

    grids: gpd.GeoDataFrame
    before: Geometries
    fresh: Flags
    demolished: tuple[tuple[str, str], ...]
    redrawn: tuple[str, ...]
    findings: tuple[Finding, ...]
    was: Geometries
    led_round: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()


def recall_plan(
    area: Area,
    profile: Profile,
    polygons: gpd.GeoDataFrame | None,
    mapping: Mapping[str, Sequence[str]] | None,
) -> Former:
    """Lay an old plan on the area of today.

    polygons: code, geometry in `area.crs`. mapping: building id → its codes; either may be None. Buildings
    are matched by id (see `codes.codes_of_buildings`); a new one belongs to the polygon that holds it. Where
    the polygons do not cover a community exactly, or contradict the mapping, they are drawn anew from the
    buildings. Borders that a building stands across today are led round it.
    """
    laid = _lay(area, profile, polygons, mapping)
    cleared = clear_borders(area, laid.grids, laid.before, laid.fresh)
    named = {code for codes in (mapping or {}).values() for code in codes}
    named |= set(laid.grids["code"]) | (set() if polygons is None else set(polygons["code"]))
    findings = laid.findings
    if len(cleared.across):
        rows = tuple(dict.fromkeys(area.buildings["id"].astype(str).to_numpy()[cleared.across]))
        values = {"grids": name_rows(sorted(cleared.moved))}
        findings += (Finding("redraw_led_round", "repaired", "buildings", rows=rows, values=values),)
    return replace(
        laid,
        grids=cleared.grids,
        before=cleared.codes,
        led_round=cleared.moved,
        codes=frozenset(named - {""}),
        findings=findings,
    )


def _lay(
    area: Area,
    profile: Profile,
    polygons: gpd.GeoDataFrame | None,
    mapping: Mapping[str, Sequence[str]] | None,
) -> Former:
    """The plan as it is given."""
    inside = area.buildings["community"].to_numpy() >= 0
    ids = area.buildings["id"].astype(str)
    said = np.full(len(ids), "", dtype=object)
    fresh = np.zeros(len(ids), dtype=bool)
    demolished: tuple[tuple[str, str], ...] = ()
    if mapping is not None:
        said, demolished = codes_of_buildings(area, mapping)
        fresh = inside & (said == "")
    findings: list[Finding] = []
    if demolished:
        rows = tuple(name for name, _ in demolished)
        findings.append(Finding("redraw_demolished", "noted", "buildings", rows=rows))
    if fresh.any():
        findings.append(Finding("redraw_built", "noted", "buildings", rows=tuple(ids[fresh])))
    if polygons is None:
        grids, buildings, changed = rebuild_grids(area, said, profile)
        notes = tuple(finding for finding in changed if finding.code != "grid_added")
        codes = buildings["grid"].to_numpy()
        return Former(grids, codes, fresh, demolished, (), (*findings, *notes), codes)
    grids, buildings = grids_from_polygons(area, polygons)
    held = buildings["grid"].to_numpy()
    codes = np.where(said != "", said, held)
    communities = area.communities["id"].to_numpy()
    contradicted = inside & (codes != held)
    wrong = set(communities[area.buildings["community"].to_numpy()[contradicted]])
    for community, shape in zip(communities, area.communities.geometry, strict=True):
        cover = measure_cover(grids.geometry.to_numpy()[grids["community"] == community], shape)
        if cover.gaps or cover.overlaps or cover.outside_m2:
            wrong.add(community)
    if wrong:
        anew, rebuilt, changed = rebuild_grids(area, codes, profile)
        away = np.isin(grids["community"].to_numpy(), list(wrong))
        afresh = np.isin(anew["community"].to_numpy(), list(wrong))
        grids = pd.concat([grids[~away], anew[afresh]], ignore_index=True)
        where = np.isin(communities[area.buildings["community"].to_numpy()], list(wrong)) & inside
        codes = np.where(where, rebuilt["grid"].to_numpy(), codes)
        findings += [finding for finding in changed if finding.code != "grid_added"]
        rows = tuple(sorted(map(str, wrong)))
        findings.append(Finding("redraw_drawn_anew", "repaired", "grids", rows=rows))
    codes = np.where(inside, codes, "")
    return Former(
        grids[["code", "community", "geometry"]],
        codes,
        fresh,
        demolished,
        tuple(sorted(map(str, wrong))),
        tuple(findings),
        codes,
    )
