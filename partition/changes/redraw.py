"""An existing plan redrawn for an area that changed (动态调整): all in range again, few households moved, the
rest as it was to the last vertex.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.changes.adjustment import Adjusted, adjust_plan, pieces
from partition.changes.former import Former
from partition.changes.lineage import Register, keep_codes, trace_changes
from partition.clock import Clock
from partition.codes import code_prefix, issue_codes
from partition.division import Ground
from partition.errors import InputError
from partition.findings import Finding
from partition.geometry.blocks import Blocks, find_borders, segments
from partition.geometry.grids import dissolve, grid_frame, match_edges, total_by_grid, unit_frame
from partition.geometry.linework import CLASS_NUMBER, Linework
from partition.geometry.outlines import draw_outlines
from partition.geometry.units import Units, build_units
from partition.geometry.wholes import find_wishes
from partition.intake.inner import inner_points
from partition.parcels import buildings_by_community, cut_parcels
from partition.reasons.causes import prove_causes
from partition.reasons.explanation import explain, plain
from partition.reasons.judgement import judge_plan
from partition.report import Report
from partition.solver.atoms import contract, unite
from partition.solver.constraints import Reason, beyond, out_of_range
from partition.solver.layout import BASIC, DEDICATED
from partition.solver.problem import Problem
from partition.split import Progress, Split
from partition.tiers.nesting import knit
from partition.wishes.loads import name_measure, total_loads, unweigh, weigh_area
from partition.wishes.rules import Profile

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
    in range and in one piece stays as it is. Raises InputError where a locked code is none of the plan's.
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
    demolished = [code for _, code in former.demolished]
    taken = known | former.codes | set(issued) | set(demolished)
    rows = buildings_by_community(area)
    order = _Order(profile, frozenset(locked), seed)
    done: list[_Parcel] = []
    tell("divide", 0.0)
    for number, parcel in enumerate(cut_parcels(weighed)):
        left = None if cap is None else max(cap - sum(one.moved for one in done), 0.0)
        task = _Task(parcel, former, rows[number], order, left, clock)
        with clock.step("plan"):
            one = _redraw_parcel(task, taken)
        taken |= set(one.grids["code"])
        done.append(one)
        tell("divide", (number + 1) / len(rows))
    tell("grids", 0.0)
    with clock.step("grids"):
        grid = np.full(len(area.buildings), "", dtype=object)
        for own_rows, one in zip(rows, done, strict=True):
            grid[own_rows] = one.grid
        buildings = area.buildings.assign(grid=grid)
        frame = pd.concat([one.grids for one in done], ignore_index=True)
        touched = former.reshaped.union(*(one.touched for one in done))
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
    } - former.reshaped
    listed = buildings.assign(before=np.where(former.fresh, "", former.was))
    codes = set(frame["code"])
    register = trace_changes(
        listed, demolished, touched & codes, staff, grids_before=known | former.codes, grids_now=codes
    )
    tell("judge", 0.0)
    with clock.step("judge"):
        reasons = {code: why for one in done for code, why in one.reasons.items()}
        homed = weighed.buildings.assign(grid=grid)
        judgement = judge_plan(weighed, frame, homed, profile, reasons)
        judgement = prove_causes(weighed, frame, homed, profile, judgement)
    tell("judge", 1.0)
    changes = tuple(finding for one in done for finding in one.findings)
    findings = (*area.findings, *profile.findings(), *notes, *former.findings, *changes)
    report = Report(profile, judgement, findings, clock.seconds, seed, None)
    frame = judgement.name_bounds(frame)
    return Redraw(Split(frame, unweigh(buildings), units, report, profile, seed), register, frozenset(kept))


def drop_marks(
    grids: gpd.GeoDataFrame, before: gpd.GeoDataFrame, touched: Collection[str]
) -> gpd.GeoDataFrame:
    """The grids without vertices that only mark where the border of a unit ended: those of no polygon of
    before, between two others on one line. Only polygons of the `touched` codes are looked at.
    """
    polygons = grids.geometry.to_numpy().copy()
    which = np.flatnonzero(np.isin(grids["code"], list(touched)))
    if not len(which):  # all of them ended
        return grids
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
    rings = shapely.get_rings(polygons[which])
    marks -= set[tuple[float, ...]]().union(*(_bends(ring, marks) for ring in rings))
    for number in which.tolist():
        parts = []
        for part in shapely.get_parts(polygons[number]):
            rings = [_without(ring, marks) for ring in shapely.get_rings(part)]
            parts.append(shapely.polygons(rings[0], rings[1:] or None))
        polygons[number] = parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
    return grids.set_geometry(gpd.GeoSeries(list(polygons), index=grids.index, crs=grids.crs))


def _bends(ring: shapely.Geometry, marks: Collection[tuple[float, ...]]) -> set[tuple[float, ...]]:
    """The points in `marks` without which the ring would run elsewhere: each lies between two others on one
    line, but where they lie close together a border can turn along them.
    """
    points = shapely.get_coordinates(ring)[:-1]
    fixed = np.flatnonzero([tuple(point) not in marks for point in points.tolist()])
    if not len(fixed):
        return set()
    points = np.roll(points, -fixed[0], axis=0)
    ends = np.append(fixed - fixed[0], len(points))
    points = np.vstack([points, points[:1]])
    found: set[tuple[float, ...]] = set()
    runs = list(pairwise(ends.tolist()))
    while runs:
        first, last = runs.pop()
        if last - first < 2:
            continue
        arm, chord = points[first + 1 : last] - points[first], points[last] - points[first]
        along = np.clip(arm @ chord / max(float(chord @ chord), ON_LINE_M**2), 0.0, 1.0)
        off = np.hypot(*(arm - along[:, None] * chord).T)
        if off.max() > ON_LINE_M:
            middle = first + 1 + int(off.argmax())
            found.add(tuple(points[middle].tolist()))
            runs += [(first, middle), (middle, last)]
    return found


def _without(ring: shapely.Geometry, marks: Collection[tuple[float, ...]]) -> shapely.Geometry:
    """The ring without the vertices in `marks`."""
    points = shapely.get_coordinates(ring)[:-1]
    kept = points[[tuple(point) not in marks for point in points.tolist()]]
    return ring if len(kept) in (len(points), 0, 1, 2) else shapely.linearrings(np.vstack([kept, kept[:1]]))


# --- one community ---


class _Task:
    """One community to be redrawn: what lies there today (`ground`), its grids of before (`own`), and of each
    of its buildings the grid of before (`label`, its place in `own`; -1 for none).
    """

    def __init__(
        self, parcel: Area, former: Former, rows: Numbers, order: _Order, cap: float | None, clock: Clock
    ) -> None:
        self.parcel, self.cap, self.order = parcel, cap, order
        self.id = str(parcel.communities["id"].iloc[0])
        self.own = former.grids[former.grids["community"] == parcel.communities["id"].iloc[0]]
        self.codes: Geometries = np.asarray(self.own["code"].to_numpy(), dtype=object)
        self.shapes: Geometries = np.asarray(self.own.geometry.to_numpy(), dtype=object)
        self.before: Geometries = former.before[rows]
        place = {code: number for number, code in enumerate(self.codes)}
        self.label: Numbers = np.array([place.get(code, -1) for code in self.before], dtype=np.int64)
        self.ground = Ground(parcel, 0, order.profile, clock)
        zone = self.ground.zones.of_points(inner_points(self.shapes))
        self.kinds: Geometries = np.where(zone >= 0, DEDICATED, BASIC).astype(object)
        self.locked: Flags = np.isin(self.codes, list(order.locked))
        self.still: Flags = self.locked | (zone >= 0)  # what stands apart has no range

    def held(self) -> Lengths:
        """What each grid of before holds today, one column for each size."""
        ground = self.ground
        return total_loads(ground.buildings, ground.sizes, self.label, shapely.area(self.shapes))

    def out_of_range(self) -> Flags:
        """Which grids of before are out of range today, whether they may change or not."""
        if self.ground.is_village():
            return np.zeros(len(self.own), dtype=np.bool_)
        held = self.held()
        whole = held.sum(axis=0).tolist()
        ranges = [
            self.ground.balance(size, sum_) for size, sum_ in zip(self.ground.sizes, whole, strict=True)
        ]
        return np.asarray((beyond(held, ranges) > 0).any(axis=1) & (self.kinds == BASIC), dtype=np.bool_)

    def in_pieces(self) -> Flags:
        """Which grids of before have several pieces on one part of the community."""
        parts, grid = shapely.get_parts(self.shapes, return_index=True)
        islands = shapely.STRtree(shapely.get_parts(self.ground.polygon))
        part, island = islands.query(shapely.point_on_surface(parts), predicate="intersects")
        pairs, times = np.unique(np.column_stack([grid[part], island]), axis=0, return_counts=True)
        found = np.zeros(len(self.own), dtype=np.bool_)
        found[pairs[times > 1, 0]] = True
        return found


@dataclass(frozen=True)
class _Order:
    """What is asked of every community."""

    profile: Profile
    locked: frozenset[str]
    seed: int


@dataclass(frozen=True)
class _Parcel:
    """One community redrawn. grids: code, community, kind, geometry. grid: the code of each building.
    touched: codes of grids whose border changed, or that ended.
    """

    grids: gpd.GeoDataFrame
    units: gpd.GeoDataFrame
    grid: Geometries
    touched: frozenset[str] = frozenset()
    reasons: Mapping[str, Finding] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    moved: int = 0


@dataclass(frozen=True)
class _Laid:
    """Units that nest in the grids of before: `home` is each unit's grid. `problem` has one unit for each
    `atom` (-1: units of grids that stay). finest: nothing can be cut further.
    """

    units: Units
    home: Numbers
    atom: Numbers
    problem: Problem
    finest: bool

    def home_of_atoms(self) -> Numbers:
        """The grid of before of each unit of the problem."""
        assert self.problem.previous is not None  # noqa: S101 - `_state` gives it
        return self.problem.previous


def _redraw_parcel(task: _Task, taken: Collection[str]) -> _Parcel:
    """Units are made only round grids out of range; of the whole community where that does not suffice."""
    out = (task.out_of_range() | task.in_pieces()) & ~task.still
    if not out.any():
        return _as_before(task)
    everywhere = len(task.own)
    best: tuple[_Laid, Adjusted] | None = None
    for reach, finer in ((REACH, FINE), (everywhere, FINE), (everywhere, 0.0)):
        laid = _lay_units(task, _around(task, out, reach), finer)
        adjusted = adjust_plan(laid.problem, before=everywhere, most_moved=task.cap, seed=task.order.seed)
        if best is None or adjusted.outside < best[1].outside - TRACE:
            best = laid, adjusted
        elif laid.finest and adjusted.outside < best[1].outside + TRACE:
            best = laid, adjusted  # proves more
        if adjusted.outside <= TRACE:
            break
    assert best is not None  # noqa: S101 - the loop runs at least once
    return _on_paper(task, *best, taken)


def _as_before(task: _Task) -> _Parcel:
    there = task.label >= 0
    households = np.bincount(
        task.label[there],
        weights=task.parcel.buildings["households"].to_numpy()[there],
        minlength=len(task.own),
    )
    units = gpd.GeoDataFrame(
        {
            "unit": np.arange(len(task.own)),
            "grid": task.codes,
            "households": households.astype(np.int64),
            "area_m2": shapely.area(task.shapes),
        },
        geometry=list(task.shapes),
        crs=task.parcel.crs,
    )
    frame = task.own[["code", "community", "geometry"]].reset_index(drop=True).assign(kind=task.kinds)
    return _Parcel(frame, units, task.before, reasons=_told_locked(task))


def _around(task: _Task, out: Flags, reach: int) -> Flags:
    """The grids at most `reach` borders away from one out of range, but for those that stay."""
    a, b = shapely.STRtree(task.shapes).query(task.shapes, predicate="intersects")
    near = out.copy()
    for _ in range(min(reach, len(near))):
        near[b[near[a]]] = True
    return np.asarray(near & ~task.still, dtype=np.bool_)


def _lay_units(task: _Task, near: Flags, finer: float) -> _Laid:
    """Units that nest in the grids of before, so that these can be drawn again exactly: those of `near` are
    cut into blocks and parts of blocks, others are one unit each.
    """
    ground, label = task.ground, task.label
    tree = shapely.STRtree(ground.linework.lines)
    shapes: list[Geometries] = []
    building_unit = np.full(len(label), -1, dtype=np.int64)
    made = 0
    for grid, polygon in enumerate(task.shapes):
        rows = np.flatnonzero(label == grid)
        if near[grid]:
            part = _units_within(ground, _clipped(ground.linework, tree, polygon), polygon, rows, finer)
            # one polygon for each unit; slivers along the old border, which no block has, join one of them
            shapes.append(knit(dissolve(part.blocks.faces, part.unit, len(part)), polygon))
            building_unit[rows] = np.where(part.building_unit >= 0, part.building_unit + made, -1)
        else:
            shapes.append(np.array([polygon], dtype=object))
            building_unit[rows] = made
        made += len(shapes[-1])
    together = gpd.GeoDataFrame(geometry=list(np.concatenate(shapes)), crs=task.parcel.crs)
    whole = match_edges(together, task.own).geometry.to_numpy()
    placed = building_unit >= 0
    households = ground.buildings["households"].to_numpy()[placed]
    units = Units(
        Blocks(whole, find_borders(whole, ground.linework)),
        np.arange(made),
        np.bincount(building_unit[placed], weights=households, minlength=made).astype(np.int64),
        shapely.area(whole).round(3),
        building_unit,
    )
    home = np.repeat(np.arange(len(shapes)), [len(some) for some in shapes])
    return _state(task, units, home, finest=finer == 0.0)


def _units_within(
    ground: Ground, linework: Linework, polygon: shapely.Geometry, rows: Numbers, finer: float
) -> Units:
    """The units of one grid of before."""
    own = ground.buildings.iloc[rows]

    def fill(units: Units) -> Lengths:
        load = total_loads(own, ground.sizes, units.building_unit, units.area_m2)
        return np.asarray((load / [size.target for size in ground.sizes]).max(axis=1), dtype=np.float64)

    cost, settled = ground.profile.border_cost, ground.settled()[rows]
    return build_units(linework, polygon, own, cost, finer, fill=fill, settled=settled)


def _state(task: _Task, units: Units, home: Numbers, *, finest: bool) -> _Laid:
    """The problem of all units but those of grids that stay. What the rule keeps whole is one unit, as far as
    it was in one grid before.
    """
    ground = task.ground
    wishes = find_wishes(units, ground.area, ground.buildings, ground.profile)
    problem = replace(ground.problem(units, wishes), previous=home)
    members = np.flatnonzero(~task.still[home])
    hard = unite(problem, [wish for wish in wishes if wish.hard], ground.upper).group
    whole = pieces(problem.graph, hard * len(task.own) + home)
    atom = np.full(len(home), -1, dtype=np.int64)
    atom[members] = np.unique(whole[members], return_inverse=True)[1].reshape(-1)
    return _Laid(units, home, atom, contract(problem.subset(members), atom[members]), finest)


def _clipped(linework: Linework, tree: shapely.STRtree, polygon: shapely.Geometry) -> Linework:
    """The lines that concern a polygon."""
    lines = np.sort(tree.query(polygon, predicate="intersects"))
    return replace(linework, lines=linework.lines[lines], classes=linework.classes[lines])


def _on_paper(task: _Task, laid: _Laid, adjusted: Adjusted, taken: Collection[str]) -> _Parcel:
    """Polygons and codes of the adjusted plan. A grid that kept its units keeps its polygon."""
    units, community = laid.units, task.parcel.communities.iloc[0]
    label, adjusted = _carry_on(task, laid, adjusted)
    used = np.unique(label)
    old, fresh = used[used < len(task.own)].tolist(), used[used >= len(task.own)].tolist()
    prefix = code_prefix(community["id"], community["code"])
    issued = issue_codes(prefix, len(fresh), [*taken, *task.codes])
    code_of = {grid: str(task.codes[grid]) for grid in old} | dict(zip(fresh, issued, strict=True))
    moved = label != laid.home
    touched = np.union1d(label[moved], laid.home[moved])
    kept = ~np.isin(used, touched)
    polygons = _outlines(task, units, np.searchsorted(used, label), kept, laid.home, touched)
    polygons[kept] = task.shapes[used[kept]]
    codes = np.array([code_of[grid] for grid in used.tolist()], dtype=object)
    kinds = [task.kinds[grid] if grid < len(task.own) else BASIC for grid in used.tolist()]
    frame = gpd.GeoDataFrame(
        {"code": codes, "community": community["id"], "kind": kinds},
        geometry=list(polygons),
        crs=task.parcel.crs,
    ).sort_values("code")
    of_unit = codes[np.searchsorted(used, label)]
    at = units.building_unit
    names = {code_of[grid] if grid in code_of else str(task.codes[grid]) for grid in touched.tolist()}
    return _Parcel(
        grids=frame,
        units=unit_frame(units, of_unit.tolist(), task.parcel.crs),
        grid=np.where(at >= 0, of_unit[at], ""),
        touched=frozenset(names),
        reasons={**_told_locked(task), **_told_rest(task, laid, adjusted, code_of)},
        findings=_told_number(task, set(codes)),
        moved=adjusted.moved,
    )


def _carry_on(task: _Task, laid: _Laid, adjusted: Adjusted) -> tuple[Numbers, Adjusted]:
    """The grid of each unit, and the adjusted plan, numbered so that grid g carries on grid g of before.

    A code goes with most of its grid's households, unless more households get another code by that than had
    to move: then each grid keeps its own.
    """
    label, before = laid.home.copy(), len(task.own)
    label[laid.atom >= 0] = adjusted.labels[laid.atom[laid.atom >= 0]]
    households = laid.units.households
    own = np.arange(max(int(label.max()) + 1, before))
    own[before:] = -1
    carried = np.full(len(own), -1, dtype=np.int64)
    for new, old in keep_codes(laid.home, label, households.astype(np.float64)).items():
        carried[new] = old
    by_own, by_most = (int(households[one[label] != laid.home].sum()) for one in (own, carried))
    carried = carried if by_most <= by_own else own
    fresh = np.setdiff1d(label, np.flatnonzero(carried >= 0))
    carried[fresh] = before + np.arange(len(fresh))
    return carried[label], replace(adjusted, labels=carried[adjusted.labels], moved=min(by_most, by_own))


def _outlines(
    task: _Task, units: Units, label: Numbers, kept: Flags, home: Numbers, touched: Numbers
) -> Geometries:
    """The polygons of the grids; borders that were there before are not straightened again, and those of
    `kept` grids keep every turn.
    """
    borders, of_face = units.blocks.borders, units.unit
    a, b = of_face[borders.a], of_face[borders.b]
    new = (home[a] == home[b]) & np.isin(home[a], touched)
    still = replace(borders, kind=np.where(new, borders.kind, CLASS_NUMBER["wall"]))
    drawn = replace(units, blocks=replace(units.blocks, borders=still))
    footprints = task.parcel.buildings.geometry.to_numpy()
    return draw_outlines(drawn, label[of_face], len(kept), footprints, settled=kept)


# --- what is told ---


def _told_locked(task: _Task) -> dict[str, Finding]:
    """Locked grids out of range are so because they are locked."""
    held, sizes = task.held(), task.ground.sizes
    measures = [name_measure(task.parcel.buildings, size) for size in sizes]
    found = {}
    for grid in np.flatnonzero(task.out_of_range() & task.locked).tolist():
        reason = Reason("locked", float(held[grid, 0]))
        code = str(task.codes[grid])
        found[code] = explain(
            reason,
            code=code,
            households=_households(task, task.label == grid),
            held=held[grid].tolist(),
            sizes=sizes,
            measures=measures,
            community=task.id,
        )
    return found


def _households(task: _Task, rows: Flags) -> int:
    return int(task.parcel.buildings["households"].to_numpy()[rows].sum())


def _told_rest(
    task: _Task, laid: _Laid, adjusted: Adjusted, code_of: Mapping[int, str]
) -> dict[str, Finding]:
    """Why grids are still out of range: no more households may move, or what `constraints` can prove."""
    problem, labels = laid.problem, adjusted.labels
    if adjusted.outside <= TRACE:
        return {}
    used, compact = np.unique(labels, return_inverse=True)
    reasons = out_of_range(problem, compact.reshape(-1), fixed=False, finest=laid.finest)
    capped = _capped(task, laid, adjusted)
    held = np.stack([np.bincount(labels, weights=load) for load in problem.load.T], axis=1)
    sizes = task.ground.sizes
    measures = [name_measure(task.parcel.buildings, size) for size in sizes]
    ids = task.parcel.buildings["id"].to_numpy().astype(str)
    of_building = np.where(laid.units.building_unit >= 0, laid.atom[laid.units.building_unit], -1)
    found = {}
    for place, reason in reasons.items():
        grid = int(used[place])
        code = code_of[grid]
        if grid in capped:
            found[code] = replace(capped[grid], rows=(code,))
            continue
        found[code] = explain(
            reason,
            code=code,
            households=int(problem.graph.households[labels == grid].sum()),
            held=held[grid].tolist(),
            sizes=sizes,
            measures=measures,
            community=task.id,
            buildings=ids[of_building == reason.unit].tolist() if reason.unit >= 0 else (),
        )
    return found


def _capped(task: _Task, laid: _Laid, adjusted: Adjusted) -> dict[int, Finding]:
    """Grids that would be in range if more households might move. It is proven where even those who must
    leave overfull grids are more than may move (and every household counts for one).
    """
    if task.cap is None:
        return {}
    problem, balance = laid.problem, laid.problem.ranges[0]
    free = adjust_plan(problem, before=len(task.own), seed=task.order.seed)
    bounded = np.minimum(problem.load[:, 0], balance.upper)  # a unit above the bound cannot be mended
    over = np.maximum(np.bincount(laid.home_of_atoms(), weights=bounded) - balance.upper, 0).sum()
    measure = name_measure(task.parcel.buildings, task.ground.sizes[0])
    values = {
        "measure": measure,
        "most": int(task.cap),
        "needed": free.moved,
        "lower": plain(balance.lower),
        "upper": plain(balance.upper),
        "community": task.id,
        "proven": bool(measure == "households" and over > task.cap),
    }
    size = int(max(adjusted.labels.max(), free.labels.max())) + 1
    now, then = (
        np.stack([np.bincount(one.labels, weights=load, minlength=size) for load in problem.load.T], axis=1)
        for one in (adjusted, free)
    )
    gone = np.bincount(free.labels, minlength=size) == 0
    worse = (beyond(now.astype(np.float64), problem.ranges) > 0).any(axis=1)
    mended = gone | ~(beyond(then.astype(np.float64), problem.ranges) > 0).any(axis=1)
    return {
        grid: Finding(
            "size_capped", "violated", "grids",
            values={
                **values,
                "households": int(problem.graph.households[adjusted.labels == grid].sum()),
                "held": plain(float(now[grid, 0])),
            },
        )
        for grid in np.flatnonzero(worse & mended).tolist()
    }  # fmt: skip


def _told_number(task: _Task, codes: set[str]) -> tuple[Finding, ...]:
    """Grids that began or ended."""
    found = []
    begun, ended = tuple(sorted(codes - set(task.codes))), tuple(sorted(set(task.codes) - codes))
    for code, rows in (("redraw_begun", begun), ("redraw_ended", ended)):
        if rows:
            found.append(Finding(code, "noted", "grids", rows=rows, values={"community": task.id}))
    return tuple(found)


def most_allowed(text: str) -> float:
    """How many households may move, from "120" (households) or "5%" (of all: a number below 1).

    Raises ValueError for anything else.
    """
    text = text.strip().replace("％", "%")
    share = text.endswith("%")
    number = float(text.removesuffix("%"))
    if not (np.isfinite(number) and 0 <= number <= (100 if share else number)):
        raise ValueError(text)
    return min(number / 100, np.nextafter(1.0, 0.0)) if share else number
