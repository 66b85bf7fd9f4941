"""An existing plan redrawn for an area that changed (动态调整): all in range again, few households moved, the
rest as it was to the last vertex.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.adjacency import build_graph
from partition.adjustment import Adjusted, adjust_plan
from partition.area import Area
from partition.arrays import Flags, Geometries, Numbers
from partition.balance import Balance
from partition.blocks import Blocks, find_borders, segments
from partition.clock import Clock
from partition.codes import code_prefix, issue_codes
from partition.errors import InputError
from partition.findings import Finding
from partition.former import Former
from partition.grids import dissolve, grid_frame, match_edges, total_by_grid, unit_frame
from partition.judgement import judge_plan
from partition.lineage import Register, keep_codes, trace_changes
from partition.linework import Linework, build_linework, cluster_footprints
from partition.loads import total_loads, weigh_area
from partition.parcels import buildings_by_community, cut_parcels
from partition.problem import Problem
from partition.report import Report
from partition.rules import Profile
from partition.split import Progress, Split
from partition.units import Units, build_units

FINE = 1 / 8  # blocks that hold more than this part of the target are cut between their buildings
REACH = 4  # grids this many borders away from one out of range are cut into units
TRACE = 1e-6
ON_LINE_M = 1e-5  # a point this near a line lies on it


@dataclass(frozen=True)
class Redraw:
    """The new plan, and the register of what changed. kept: codes of grids whose polygon is that of before,
    to the last vertex.
    """

    split: Split
    register: Register
    kept: frozenset[str]


def redraw_area(
    area: Area,
    former: Former,
    profile: Profile,
    *,
    locked: Collection[str] = (),
    most_moved: float | None = None,
    issued: Collection[str] = (),
    staff: Mapping[str, str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Redraw:
    """Bring an old plan into range again, with the fewest households moved.

    locked: codes of grids that do not change at all. most_moved: no more households than this change grid;
    below 1 it is a share of all households. issued: codes that were given before, besides those of the plan;
    none is given again. staff: who answers for each grid, for the register. A community whose grids are all
    in range stays as it is. Raises InputError where a locked code is none of the plan's.
    """
    tell = progress or (lambda step, share: None)
    clock = Clock()
    known = set(former.grids["code"])
    lost = tuple(code for code in dict.fromkeys(locked) if code not in known)
    if lost:
        raise InputError([Finding("lock_unknown", "refused", "grids", "code", rows=lost)])
    weighed, notes = weigh_area(area, profile)
    cap = None
    if most_moved is not None:
        everyone = int(area.buildings.loc[area.buildings["community"] >= 0, "households"].sum())
        cap = most_moved * everyone if most_moved < 1 else most_moved
    taken = known | set(issued) | set(former.demolished.values())
    rows = buildings_by_community(area)
    done: list[_Parcel] = []
    moved = 0
    tell("divide", 0.0)
    for number, parcel in enumerate(cut_parcels(weighed)):
        own = former.grids[former.grids["community"] == parcel.communities["id"].iloc[0]]
        left = None if cap is None else max(cap - moved, 0.0)
        task = _Task(parcel, own, former.before[rows[number]], profile, frozenset(locked), left, seed)
        with clock.step("plan"):
            one = _redraw_parcel(task, taken)
        moved += one.moved
        taken |= set(one.codes)
        done.append(one)
        tell("divide", (number + 1) / len(rows))
    tell("grids", 0.0)
    with clock.step("grids"):
        grid = np.full(len(area.buildings), "", dtype=object)
        for own_rows, one in zip(rows, done, strict=True):
            grid[own_rows] = one.grid
        buildings = area.buildings.assign(grid=grid)
        frame = pd.concat([one.grids for one in done], ignore_index=True)
        touched = frozenset[str]().union(*(one.touched for one in done))
        if touched:
            frame = match_edges(drop_marks(frame, former.grids, touched), former.grids)
        totals = total_by_grid(buildings[buildings["grid"] != ""], frame["code"].to_list())
        frame = frame.join(totals, on="code")
        frame["area_m2"] = frame.geometry.area.round(2)
        frame = grid_frame(frame)
        units = pd.concat([one.units for one in done], ignore_index=True)
        units["unit"] = np.arange(len(units))
    shapes = dict(zip(former.grids["code"], former.grids.geometry, strict=True))
    kept = {
        code
        for code, shape in zip(frame["code"], frame.geometry, strict=True)
        if code in shapes and shapely.equals_exact(shape, shapes[code], 0.0)
    }
    listed = buildings.assign(before=np.where(former.fresh, "", former.before))
    register = trace_changes(listed, former.demolished, touched, staff)
    tell("judge", 0.0)
    with clock.step("judge"):
        reasons = {code: why for one in done for code, why in one.reasons.items()}
        judgement = judge_plan(weighed, frame, weighed.buildings.assign(grid=grid), profile, reasons)
    tell("judge", 1.0)
    changes = tuple(finding for one in done for finding in one.findings)
    findings = (*area.findings, *profile.findings(), *notes, *former.findings, *changes)
    report = Report(profile, judgement, findings, clock.seconds, seed, None)
    frame = judgement.name_bounds(frame)
    return Redraw(Split(frame, buildings, units, report, profile, seed), register, frozenset(kept))


def drop_marks(
    grids: gpd.GeoDataFrame, before: gpd.GeoDataFrame, touched: Collection[str]
) -> gpd.GeoDataFrame:
    """The grids without vertices that only mark where the border of a unit ended: those of no polygon of
    before, between two others on one line. Only polygons of the `touched` codes are looked at.
    """
    polygons = grids.geometry.to_numpy().copy()
    which = np.flatnonzero(np.isin(grids["code"], list(touched)))
    start, end, _ = segments(polygons[which])
    points, place = np.unique(np.vstack([start, end]), axis=0, return_inverse=True)
    a, b = place.reshape(2, -1)
    pairs = np.unique(np.concatenate([np.stack([a, b], axis=1), np.stack([b, a], axis=1)]), axis=0)
    beside = np.split(pairs[:, 1], np.flatnonzero(np.diff(pairs[:, 0])) + 1)
    two = np.array([len(others) == 2 for others in beside])
    old = {tuple(point) for point in shapely.get_coordinates(before.geometry.to_numpy()).tolist()}
    mark = two & ~np.array([tuple(point) in old for point in points.tolist()])
    ends = points[np.array([others[:2] if len(others) > 1 else (0, 0) for others in beside])]
    chord, arm = ends[:, 1] - ends[:, 0], points - ends[:, 0]
    off = np.abs(chord[:, 0] * arm[:, 1] - chord[:, 1] * arm[:, 0])
    mark &= off <= ON_LINE_M * np.maximum(np.hypot(*chord.T), ON_LINE_M)
    marks = {tuple(point) for point in points[mark].tolist()}
    for number in which.tolist():
        parts = []
        for part in shapely.get_parts(polygons[number]):
            rings = [_without(ring, marks) for ring in shapely.get_rings(part)]
            parts.append(shapely.polygons(rings[0], rings[1:] or None))
        polygons[number] = parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
    return grids.set_geometry(gpd.GeoSeries(list(polygons), index=grids.index, crs=grids.crs))


def _without(ring: shapely.Geometry, marks: Collection[tuple[float, ...]]) -> shapely.Geometry:
    """The ring without the vertices in `marks`."""
    points = shapely.get_coordinates(ring)[:-1]
    kept = points[[tuple(point) not in marks for point in points.tolist()]]
    return ring if len(kept) in (len(points), 0, 1, 2) else shapely.linearrings(np.vstack([kept, kept[:1]]))


# --- one community ---


@dataclass(frozen=True)
class _Task:
    """A parcel with its grids of before (`own`), the code of each of its buildings, and what is asked."""

    parcel: Area
    own: gpd.GeoDataFrame
    before: Geometries
    profile: Profile
    locked: frozenset[str]
    cap: float | None
    seed: int

    @property
    def ranges(self) -> tuple[Balance, ...]:
        return tuple(
            Balance.of(size) for size in self.profile.sizes_for(self.parcel.communities["class"].iloc[0])
        )

    @property
    def codes(self) -> Geometries:
        return np.asarray(self.own["code"].to_numpy(), dtype=object)

    def label(self) -> Numbers:
        """The grid of before of each building, by its place in `own`; -1 for none."""
        place = {code: number for number, code in enumerate(self.codes)}
        return np.array([place.get(code, -1) for code in self.before], dtype=np.int64)


@dataclass(frozen=True)
class _Parcel:
    """One community redrawn. grids: code, community, geometry. grid: the code of each building. touched:
    codes of grids whose border changed, or that ended."""

    grids: gpd.GeoDataFrame
    units: gpd.GeoDataFrame
    grid: Geometries
    touched: frozenset[str]
    codes: tuple[str, ...]
    reasons: dict[str, Finding]
    findings: tuple[Finding, ...]
    moved: int


@dataclass(frozen=True)
class _Laid:
    """Units that nest in the grids of before: `home` is each unit's grid, `members` those that may move, the
    units of `problem` in its order."""

    units: Units
    home: Numbers
    members: Numbers
    problem: Problem


def _redraw_parcel(task: _Task, taken: Collection[str]) -> _Parcel:
    """Units are made only round grids out of range; of the whole community where that does not suffice."""
    out = _out_of_range(task)
    if not out.any():
        return _as_before(task)
    best: tuple[_Laid, Adjusted] | None = None
    for reach, finer in ((REACH, FINE), (len(task.own), FINE), (len(task.own), 0.0)):
        laid = _lay_units(task, _around(task, out, reach), finer)
        adjusted = adjust_plan(laid.problem, before=len(task.own), most_moved=task.cap, seed=task.seed)
        if best is None or adjusted.outside < best[1].outside - TRACE:
            best = laid, adjusted
        if adjusted.outside <= TRACE:
            break
    assert best is not None  # noqa: S101 - the loop runs at least once
    return _on_paper(task, *best, taken)


def _out_of_range(task: _Task) -> Flags:
    """Which grids of before are out of range today; locked ones are not looked at."""
    sizes = task.profile.sizes_for(task.parcel.communities["class"].iloc[0])
    ground = shapely.area(task.own.geometry.to_numpy())
    held = total_loads(task.parcel.buildings, sizes, task.label(), ground)
    ranges = task.ranges
    out = (held > [balance.upper for balance in ranges]) | (held < [balance.lower for balance in ranges])
    return np.asarray(out.any(axis=1) & ~np.isin(task.codes, list(task.locked)), dtype=np.bool_)


def _as_before(task: _Task) -> _Parcel:
    polygons = task.own.geometry.to_numpy()
    sizes = np.bincount(task.label()[task.label() >= 0], minlength=len(task.own))
    held = np.bincount(
        task.label()[task.label() >= 0],
        weights=task.parcel.buildings["households"].to_numpy()[task.label() >= 0],
        minlength=len(sizes),
    )
    units = gpd.GeoDataFrame(
        {
            "unit": np.arange(len(polygons)),
            "grid": task.codes,
            "households": held.astype(np.int64),
            "area_m2": shapely.area(polygons),
        },
        geometry=list(polygons),
        crs=task.parcel.crs,
    )
    frame = task.own.reset_index(drop=True)
    codes = tuple(map(str, task.codes))
    return _Parcel(frame, units, task.before, frozenset(), codes, _told_locked(task), (), 0)


def _around(task: _Task, out: Flags, reach: int) -> Flags:
    """The grids at most `reach` borders away from one out of range, locked ones apart."""
    polygons = task.own.geometry.to_numpy()
    a, b = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    near = out.copy()
    for _ in range(min(reach, len(polygons))):
        near[b[near[a]]] = True
    return np.asarray(near & ~np.isin(task.codes, list(task.locked)), dtype=np.bool_)


def _lay_units(task: _Task, near: Flags, finer: float) -> _Laid:
    """Units that nest in the grids of before, so that these can be drawn again exactly: those of `near` are
    cut into blocks and parts of blocks, others are one unit each.
    """
    parcel, label = task.parcel, task.label()
    community = parcel.communities.geometry.iloc[0]
    footprints, _ = cluster_footprints(parcel.buildings.geometry.to_numpy())
    linework = build_linework(parcel.streets, community, footprints)
    tree = shapely.STRtree(linework.lines)
    faces: list[Geometries] = []
    face_unit: list[Numbers] = []
    home: list[Numbers] = []
    building_unit = np.full(len(label), -1, dtype=np.int64)
    made = 0
    for grid, polygon in enumerate(task.own.geometry):
        rows = np.flatnonzero(label == grid)
        if near[grid]:
            inside = _clipped(linework, tree, polygon)
            above = finer * task.ranges[0].target
            own = parcel.buildings.iloc[rows]
            part = build_units(inside, polygon, own, task.profile.border_cost, above)
            faces.append(part.blocks.faces)
            face_unit.append(part.unit + made)
            building_unit[rows] = np.where(part.building_unit >= 0, part.building_unit + made, -1)
            count = len(part)
        else:
            faces.append(np.array([polygon], dtype=object))
            face_unit.append(np.array([made]))
            building_unit[rows] = made
            count = 1
        home.append(np.full(count, grid))
        made += count
    unit = np.concatenate(face_unit).astype(np.int64)
    together = gpd.GeoDataFrame(geometry=list(np.concatenate(faces)), crs=parcel.crs)
    whole = match_edges(together, task.own).geometry.to_numpy()
    placed = building_unit >= 0
    households = np.bincount(
        building_unit[placed], weights=parcel.buildings["households"].to_numpy()[placed], minlength=made
    )
    area_m2 = np.bincount(unit, weights=shapely.area(whole).round(3), minlength=made)
    units = Units(
        Blocks(whole, find_borders(whole, linework)),
        unit,
        households.astype(np.int64),
        area_m2.astype(np.float64),
        building_unit,
    )
    return _state(task, units, np.concatenate(home).astype(np.int64))


def _clipped(linework: Linework, tree: shapely.STRtree, polygon: shapely.Geometry) -> Linework:
    """The lines that concern a polygon."""
    lines = np.sort(tree.query(polygon, predicate="intersects"))
    return replace(linework, lines=linework.lines[lines], classes=linework.classes[lines])


def _state(task: _Task, units: Units, home: Numbers) -> _Laid:
    """The problem of all units but those of locked grids."""
    profile = task.profile
    graph = build_graph(units, profile.border_cost, profile.crossing_cost)
    sizes = profile.sizes_for(task.parcel.communities["class"].iloc[0])
    load = total_loads(task.parcel.buildings, sizes, units.building_unit, units.area_m2)
    members = np.flatnonzero(~np.isin(task.codes[home], list(task.locked)))
    return _Laid(units, home, members, Problem(graph, load, task.ranges, previous=home).subset(members))


def _on_paper(task: _Task, laid: _Laid, adjusted: Adjusted, taken: Collection[str]) -> _Parcel:
    """Polygons and codes of the adjusted plan. A grid that kept its units keeps its polygon."""
    units, community = laid.units, task.parcel.communities.iloc[0]
    label = laid.home.copy()
    label[laid.members] = adjusted.labels
    used = np.unique(label)
    carried = keep_codes(laid.home, label, units.households.astype(np.float64))
    fresh = [grid for grid in used.tolist() if grid not in carried]
    prefix = code_prefix(community["id"], community["code"])
    issued = issue_codes(prefix, len(fresh), [*taken, *task.codes])
    code_of = {grid: str(task.codes[old]) for grid, old in carried.items()}
    code_of |= dict(zip(fresh, issued, strict=True))
    moved = label != laid.home
    touched = np.union1d(label[moved], laid.home[moved])
    polygons = dissolve(units.blocks.faces, np.searchsorted(used, label)[units.unit], len(used))
    kept = ~np.isin(used, touched)
    polygons[kept] = task.own.geometry.to_numpy()[used[kept]]
    codes = np.array([code_of[grid] for grid in used.tolist()], dtype=object)
    frame = gpd.GeoDataFrame(
        {"code": codes, "community": community["id"]}, geometry=list(polygons), crs=task.parcel.crs
    ).sort_values("code", ignore_index=True)
    of_unit = codes[np.searchsorted(used, label)]
    at = units.building_unit
    names = {code_of[grid] for grid in touched.tolist() if grid in code_of}
    names |= set(task.codes[touched[touched < len(task.own)]])
    return _Parcel(
        grids=frame,
        units=unit_frame(units, of_unit.tolist(), task.parcel.crs),
        grid=np.where(at >= 0, of_unit[at], ""),
        touched=frozenset(names),
        codes=tuple(codes.tolist()),
        reasons=_told_locked(task) | _told_capped(task, laid, adjusted, code_of),
        findings=_told_number(task, adjusted, code_of),
        moved=adjusted.moved,
    )


# --- what is told ---


def _values(held: float, balance: Balance, community: str) -> dict[str, object]:
    return {"households": round(held), "lower": balance.lower, "upper": balance.upper, "community": community}


def _told_locked(task: _Task) -> dict[str, Finding]:
    """Locked grids out of range are so because they are locked."""
    found = {}
    everything = replace(task, locked=frozenset())
    held = np.bincount(
        task.label()[task.label() >= 0],
        weights=task.parcel.buildings["households"].to_numpy()[task.label() >= 0],
        minlength=len(task.own),
    )
    community = str(task.parcel.communities["id"].iloc[0])
    for grid in np.flatnonzero(_out_of_range(everything)).tolist():
        code = str(task.codes[grid])
        if code in task.locked:
            values = _values(held[grid], task.ranges[0], community) | {"proven": True}
            found[code] = Finding("size_locked", "violated", "grids", rows=(code,), values=values)
    return found


def _told_capped(
    task: _Task, laid: _Laid, adjusted: Adjusted, code_of: Mapping[int, str]
) -> dict[str, Finding]:
    """Grids that more moved households would bring into range. It is proven where even those who must leave
    overfull grids, or join small ones, are more than may move.
    """
    if task.cap is None or adjusted.outside <= TRACE:
        return {}
    free = adjust_plan(laid.problem, before=len(task.own), seed=task.seed)
    balance = task.ranges[0]
    before = np.bincount(laid.home[laid.members], weights=laid.problem.load[:, 0])
    must = max(np.maximum(before - balance.upper, 0).sum(), np.maximum(balance.lower - before, 0).sum())
    held = np.bincount(adjusted.labels, weights=laid.problem.load[:, 0])
    free_held = np.bincount(free.labels, weights=laid.problem.load[:, 0], minlength=len(held))
    community = str(task.parcel.communities["id"].iloc[0])
    found = {}
    for grid in np.unique(adjusted.labels).tolist():
        fits = balance.lower <= held[grid] <= balance.upper
        better = balance.lower <= free_held[grid] <= balance.upper or free_held[grid] == 0
        if not fits and better:
            values = _values(held[grid], balance, community)
            values |= {"most": round(task.cap), "needed": free.moved, "proven": bool(must > task.cap)}
            code = code_of[grid]
            found[code] = Finding("size_capped", "violated", "grids", rows=(code,), values=values)
    return found


def _told_number(task: _Task, adjusted: Adjusted, code_of: Mapping[int, str]) -> tuple[Finding, ...]:
    """Grids that began or ended."""
    community = str(task.parcel.communities["id"].iloc[0])
    found = []
    begun = tuple(sorted(set(code_of.values()) - set(task.codes)))
    ended = tuple(sorted(set(task.codes) - set(code_of.values())))
    for code, rows in (("redraw_begun", begun), ("redraw_ended", ended)):
        if rows:
            found.append(Finding(code, "noted", "grids", rows=rows, values={"community": community}))
    return tuple(found)


def most_allowed(text: str) -> float:
    """How many households may move, from "120" (households) or "5%" (of all: a number below 1).

    Raises ValueError for anything else.
    """
    text = text.strip().replace("％", "%")
    share = text.endswith("%")
    number = float(text.removesuffix("%"))
    if not 0 <= number <= (100 if share else np.inf):
        raise ValueError(text)
    return min(number / 100, np.nextafter(1.0, 0.0)) if share else number
