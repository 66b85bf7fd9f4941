"""A plan made before, laid on the area of today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Flags, Geometries
from partition.changes.encroachment import clear_borders
from partition.changes.rebuild import grids_from_polygons, rebuild_grids
from partition.codes import codes_of_buildings
from partition.findings import Finding, name_rows
from partition.geometry.grids import match_edges
from partition.geometry.metrics import TRACE_M2, measure_cover
from partition.intake.inner import inner_points
from partition.wishes.rules import Profile

SAME_M2 = 0.5  # a polygon that was drawn anew is the old one if they differ by no more
OUTER = 1 / 3  # of the border of new ground that must be the community's; else it is a hole in the old plan


@dataclass(frozen=True)
class Former:
    """A plan made before, laid on today's area. grids: code, community, geometry, a coverage of the
    communities. before: for each row of the area's buildings the code of its grid, that of the polygon that
    holds it for a new one; "" outside. fresh: rows that the plan did not know. demolished: id and code of
    each building that is no more. redrawn: communities whose polygons were drawn anew from the buildings.
    was: as `before`, but of buildings that overlap one across a border the grid they were in until then, and
    of those that lie in no community any more the grid that they left. led_round: codes of grids whose border
    was led round a building across it. fitted: those of grids whose border follows one of the community that
    was moved, or was drawn anew. codes: every code that the plan names, of grids that are no more too.
    """

    grids: gpd.GeoDataFrame
    before: Geometries
    fresh: Flags
    demolished: tuple[tuple[str, str], ...]
    redrawn: tuple[str, ...]
    findings: tuple[Finding, ...]
    was: Geometries
    led_round: frozenset[str] = frozenset()
    fitted: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()

    @property
    def reshaped(self) -> frozenset[str]:
        """Codes of grids whose border is not that of the plan, before anything is redrawn."""
        return self.led_round | self.fitted


def recall_plan(
    area: Area,
    profile: Profile,
    polygons: gpd.GeoDataFrame | None,
    mapping: Mapping[str, Sequence[str]] | None,
) -> Former:
    """Lay an old plan on the area of today.

    polygons: code, geometry in `area.crs`. mapping: building id → its codes; either may be None. Buildings
    are matched by id (see `codes.codes_of_buildings`); a new one belongs to the polygon that holds it. Where
    the community's own border moved, the polygons are cut along it, and ground that it gained goes to one
    beside it. Where the polygons do not cover a community otherwise, or contradict the mapping, they are
    drawn anew from the buildings. Borders that a building stands across today are led round it.
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
    grids, told, fitted = _fit_borders(area, grids)
    if fitted:
        buildings = grids_from_polygons(area, grids[["code", "geometry"]])[1]
        findings += told
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
        fitted |= _differing(grids[away], anew[afresh])
        grids = pd.concat([grids[~away], anew[afresh]], ignore_index=True)
        where = np.isin(communities[area.buildings["community"].to_numpy()], list(wrong)) & inside
        codes = np.where(where, rebuilt["grid"].to_numpy(), codes)
        findings += [finding for finding in changed if finding.code != "grid_added"]
        rows = tuple(sorted(map(str, wrong)))
        findings.append(Finding("redraw_drawn_anew", "repaired", "grids", rows=rows))
    return Former(
        grids[["code", "community", "geometry"]],
        np.where(inside, codes, ""),
        fresh,
        demolished,
        tuple(sorted(map(str, wrong))),
        tuple(findings),
        np.where(inside, codes, said),
        fitted=frozenset(fitted),
    )


def _fit_borders(area: Area, grids: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, list[Finding], set[str]]:
    """Cut the polygons along borders of communities that were moved, and give ground that a community gained
    to the grid with the longest border beside it; the others stay as they are.

    Returns the grids, what is told, and the codes of grids that changed or are gone. Where the polygons of a
    community overlap, or have holes of their own, they stay as they are.
    """
    shapes = grids.geometry.to_numpy().copy()
    inside = area.buildings["community"].to_numpy() >= 0
    homes = inner_points(area.buildings.geometry.to_numpy()[inside])
    codes = grids["code"].to_numpy()
    told: list[Finding] = []
    changed: set[str] = set()
    for community, ground in zip(area.communities["id"], area.communities.geometry, strict=True):
        own = np.flatnonzero(grids["community"].to_numpy() == community)
        cover = measure_cover(shapes[own], ground)
        if cover.overlaps or not len(own) or not (cover.gaps or cover.outside_m2):
            continue
        fitted = _fit(shapes[own], ground, homes)
        if fitted is None:
            continue
        different = np.array([old is not new for old, new in zip(shapes[own], fitted, strict=True)])
        shapes[own] = fitted
        changed |= set(codes[own[different]])
        values = {"grids": name_rows(sorted(set(codes[own[different]])))}
        told.append(Finding("redraw_fitted", "noted", "grids", rows=(str(community),), values=values))
        ended = tuple(sorted(set(codes[own[shapely.is_empty(fitted)]])))
        if ended:
            values = {"community": str(community)}
            told.append(Finding("redraw_ended", "noted", "grids", rows=ended, values=values))
    if not told:
        return grids, [], set()
    grids = grids.set_geometry(gpd.GeoSeries(list(shapes), index=grids.index, crs=grids.crs))
    grids = grids[~shapely.is_empty(shapes)].reset_index(drop=True)
    return match_edges(grids, area.communities), told, changed


def _fit(shapes: Geometries, ground: shapely.Geometry, homes: Geometries) -> Geometries | None:
    """The polygons as a coverage of the ground; those that lie in it and gain nothing are the same objects.
    A polygon of which only ground without any of the `homes` is left ends.
    """
    fitted, tree = shapes.copy(), shapely.STRtree(homes)
    for place in np.flatnonzero(shapely.area(shapely.difference(shapes, ground)) > TRACE_M2).tolist():
        left = _surface(shapely.intersection(shapes[place], ground))
        fitted[place] = left if len(tree.query(left, predicate="intersects")) else shapely.Polygon()
    gaps = shapely.get_parts(shapely.difference(ground, shapely.union_all(fitted)))
    gaps = gaps[shapely.area(gaps) > TRACE_M2]
    kept = shapely.union_all(shapes)
    for gap in gaps.tolist():
        line = shapely.boundary(gap)
        outer = shapely.length(shapely.intersection(line, shapely.boundary(ground)))
        outer += np.inf if shapely.intersects(kept, shapely.point_on_surface(gap)) else 0.0
        beside = shapely.length(shapely.intersection(line, shapely.boundary(fitted)))
        if outer < OUTER * shapely.length(line) or not beside.any():
            return None
        place = int(beside.argmax())
        fitted[place] = _surface(shapely.union(fitted[place], gap))
    return fitted


def _surface(shape: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a shape, without points and lines where it only touched."""
    parts = shapely.get_parts(shape)
    parts = parts[shapely.area(parts) > TRACE_M2]
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)


def _differing(before: gpd.GeoDataFrame, now: gpd.GeoDataFrame) -> set[str]:
    """Codes whose polygon is another."""
    old, new = (dict(zip(frame["code"], frame.geometry, strict=True)) for frame in (before, now))
    return {
        code
        for code in {*old, *new}
        if code not in old
        or code not in new
        or shapely.area(shapely.symmetric_difference(old[code], new[code])) > SAME_M2
    }
