"""A stored draft in the planner's hand: rebuilt from its units, edited, and drawn and judged anew.

What an edit needs of a community (its units, what runs between them, the ranges) is made once and kept in the
process; the state of the draft itself is read from the store every time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from service.store.errors import NotFoundError, PlanRefusedError, StoreError
from service.store.revisions import Revision, State

if TYPE_CHECKING:
    import geopandas as gpd
    from sqlalchemy import Connection, RowMapping

    from partition.area import Area
    from partition.arrays import Numbers
    from partition.changes.edits import Draft
    from partition.findings import Finding
    from partition.geometry.units import Units
    from partition.solver.problem import Problem
    from partition.wishes.rules import Profile

BENCHES_KEPT = 6
REBALANCE = 100_000  # proposals of one request


@dataclass(frozen=True)
class Bench:
    """What every edit of a plan works on. kinds: of grids that are not basic, by code."""

    area: Area
    profile: Profile
    units: Units
    problem: Problem
    measures: tuple[str, ...]
    prefix: str
    kinds: Mapping[str, str]
    issued: frozenset[str]


class Benches:
    """Those used last, by plan and by what the community's data were."""

    def __init__(self, kept: int = BENCHES_KEPT) -> None:
        self.kept = kept
        self._found: OrderedDict[tuple[int, str], Bench] = OrderedDict()
        self._lock = Lock()

    def find(self, key: tuple[int, str]) -> Bench | None:
        """The bench of that key, if it is kept."""
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def keep(self, key: tuple[int, str], bench: Bench) -> Bench:
        """Keep the bench for the edits that follow."""
        with self._lock:
            self._found[key] = bench
            while len(self._found) > self.kept:
                self._found.popitem(last=False)
        return bench


def profile_of(policy: Mapping[str, Any]) -> Profile:
    """The profile that a plan was made by, from how the plan keeps it."""
    from partition.wishes.rules import Profile, Size, TierRule, ZoneRule

    made = dict(policy)
    for name in ("size", "second", "rural"):
        if made.get(name) is not None:
            made[name] = Size(**made[name])
    made["tiers"] = tuple(TierRule(**tier) for tier in made.get("tiers", ()))
    made["wishes"] = tuple(made.get("wishes", ()))
    if made.get("zones") is not None:
        made["zones"] = ZoneRule(**{name: tuple(value) for name, value in made["zones"].items()})
    return Profile(**made)


def read_bench(connection: Connection, plan: RowMapping) -> Callable[[], Bench]:
    """What makes the plan's bench, of what is read now; the work itself needs no transaction."""
    import pyproj
    from sqlalchemy import select

    from partition.codes import code_prefix
    from service import models
    from service.store.communities import read_area
    from service.store.geometry import read_metric
    from service.store.plans import issued_codes

    division = plan["division_code"]
    area = read_area(connection, division)
    u, g = models.plan_units, models.plan_grids.c
    rows = connection.execute(select(u).where(u.c.plan_id == plan["id"]).order_by(u.c.unit)).mappings().all()
    if not rows:
        raise StoreError("plan-without-units", plan=plan["id"])
    crs = pyproj.CRS.from_user_input(area.crs)
    shapes = read_metric([row["metric_wkb"] for row in rows], [row["geom"].data for row in rows], crs)
    grids = connection.execute(select(g.code, g.kind).where(g.plan_id == plan["id"]))
    kinds = {row.code: row.kind for row in grids if row.kind != "basic"}
    issued = frozenset(issued_codes(connection, division))
    community = area.communities.iloc[0]
    prefix = code_prefix(community["id"], community["code"])
    profile = profile_of(plan["policy"])
    return lambda: _make_bench(area, profile, shapes, prefix, kinds, issued)


def _make_bench(
    area: Area,
    profile: Profile,
    shapes: gpd.GeoSeries,
    prefix: str,
    kinds: Mapping[str, str],
    issued: frozenset[str],
) -> Bench:
    import geopandas as gpd
    import numpy as np
    import shapely

    from partition.clock import Clock
    from partition.division import Ground
    from partition.geometry.blocks import Blocks, find_borders
    from partition.geometry.grids import match_edges
    from partition.geometry.units import Units
    from partition.geometry.wholes import find_wishes
    from partition.wishes.loads import name_measure, weigh_area

    weighed, _ = weigh_area(area, profile)
    ground = Ground(weighed, 0, profile, Clock())
    frame = gpd.GeoDataFrame(geometry=list(shapes), crs=area.crs)
    faces = match_edges(frame, area.communities).geometry.to_numpy()
    place = _units_of_buildings(faces, area)
    households = area.buildings["households"].to_numpy()
    units = Units(
        Blocks(faces, find_borders(faces, ground.linework)),
        np.arange(len(faces)),
        np.bincount(place, weights=households, minlength=len(faces)).astype(np.int64),
        shapely.area(faces).round(3),
        place,
    )
    wishes = find_wishes(units, weighed, ground.buildings, profile)
    measures = tuple(name_measure(weighed.buildings, size) for size in ground.sizes)
    return Bench(weighed, profile, units, ground.problem(units, wishes), measures, prefix, kinds, issued)


def _units_of_buildings(faces: Any, area: Area) -> Numbers:
    """The unit of each row of buildings: all rows of one building are in that of its largest."""
    import numpy as np
    import pandas as pd
    import shapely

    from partition.intake.inner import inner_points

    footprints = area.buildings.geometry.to_numpy()
    row, unit = shapely.STRtree(faces).query_nearest(inner_points(footprints))
    order = np.lexsort((unit, row))
    first = np.unique(row[order], return_index=True)[1]
    place = unit[order][first].astype(np.int64)
    atom = area.buildings["atom"].to_numpy()
    largest = pd.Series(shapely.area(footprints)).groupby(atom).idxmax()
    rows: Numbers = largest.to_numpy()[np.searchsorted(largest.index.to_numpy(), atom)]
    found: Numbers = place[rows]
    return found


def open_state(bench: Bench, first: State, state: State) -> Draft:
    """The draft as it was left, which began as `first`."""
    import numpy as np

    from partition.changes.edits import open_draft

    draft = open_draft(
        bench.problem,
        np.array(first.labels, dtype=np.int64),
        first.codes,
        prefix=bench.prefix,
        issued=bench.issued,
        measures=bench.measures,
    )
    labels = np.array(state.labels, dtype=np.int64)
    labels.flags.writeable = False
    held = np.zeros(len(labels), dtype=np.bool_)
    held[list(state.held)] = True
    held.flags.writeable = False
    return replace(draft, labels=labels, codes=state.codes, held=held, locked=frozenset(state.locked))


def state_of(draft: Draft) -> State:
    """What is kept of a draft."""
    import numpy as np

    return State(
        draft.codes,
        tuple(draft.labels.tolist()),
        tuple(np.flatnonzero(draft.held).tolist()),
        tuple(sorted(draft.locked)),
    )


# --- edits ---


@dataclass(frozen=True)
class Edit:
    """One edit: move (units, grid), merge (grids), split (grid, perhaps units), swap (units, others), lock
    and unlock (grids), rebalance (perhaps most_moved).
    """

    operation: str
    units: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    grid: str = ""
    grids: tuple[str, ...] = ()
    most_moved: float | None = None
    seed: int = 0

    def document(self) -> dict[str, Any]:
        """As the revision keeps it: what was given."""
        told: dict[str, Any] = {"operation": self.operation}
        for name in ("units", "others", "grids"):
            if getattr(self, name):
                told[name] = list(getattr(self, name))
        if self.grid:
            told["grid"] = self.grid
        if self.operation == "rebalance":
            told |= {"most_moved": self.most_moved, "seed": self.seed}
        return told


def edit_draft(bench: Bench, draft: Draft, edit: Edit) -> Draft:
    """The draft after the edit. Raises PlanRefusedError with what stands against it."""
    from partition.changes import edits
    from partition.errors import CodeError, EditError

    try:
        if edit.operation == "move":
            return edits.move_units(draft, edit.units, edit.grid)
        if edit.operation == "merge":
            return edits.merge_grids(draft, edit.grids)
        if edit.operation == "split":
            return edits.split_grid(draft, edit.grid, edit.units or None, seed=edit.seed)
        if edit.operation == "swap":
            return edits.swap_units(draft, edit.units, edit.others)
        if edit.operation == "lock":
            return edits.lock_grids(draft, edit.grids)
        if edit.operation == "unlock":
            return edits.unlock_grids(draft, edit.grids)
        return _rebalance(bench, draft, edit)
    except (EditError, CodeError) as error:
        raise PlanRefusedError("edit-refused", error.findings) from None


def _rebalance(bench: Bench, draft: Draft, edit: Edit) -> Draft:
    """Grids that stand apart from any range stay, as if they were locked."""
    from partition.changes import edits

    apart = {code for code in _kinds(bench, draft) if code in draft.codes}
    closed = replace(draft, locked=draft.locked | apart)
    made = edits.rebalance(closed, most_moved=edit.most_moved, limit=REBALANCE, seed=edit.seed)
    return replace(made, locked=draft.locked)


def _kinds(bench: Bench, draft: Draft) -> dict[str, str]:
    """Grids that are not basic: as long as they hold just the units with which the draft began."""
    import numpy as np

    assert draft.problem.previous is not None  # noqa: S101 - a draft has one
    kept = {}
    for code, kind in bench.kinds.items():
        if code in draft.codes:
            place = draft.codes.index(code)
            if np.array_equal(draft.labels == place, draft.problem.previous == place):
                kept[code] = kind
    return kept


def violations_of(bench: Bench, draft: Draft) -> tuple[Finding, ...]:
    """What the draft violates; grids that stand apart have no range."""
    apart = _kinds(bench, draft)
    return tuple(
        finding
        for finding in draft.violations
        if not (finding.code in ("draft_above", "draft_below") and set(finding.rows) <= set(apart))
        and not (bench.profile.soft and finding.code != "fragment")
    )


def figures_of(bench: Bench, draft: Draft) -> dict[str, Any]:
    """The figures of a draft and of each of its grids, and what it violates in both languages."""
    import numpy as np

    figures = draft.figures
    lines = [
        {
            "code": draft.codes[place],
            "households": int(figures.households[place]),
            "held": {
                name: round(float(held), 3)
                for name, held in zip(draft.measures, figures.held[place], strict=True)
            },
            "units": int(figures.units[place]),
            "area_m2": round(float(figures.area_m2[place]), 1),
            "perimeter_m": round(float(figures.perimeter_m[place]), 1),
            "polsby_popper": round(float(figures.polsby_popper[place]), 4),
            "pieces": int(figures.pieces[place]),
            "locked": draft.codes[place] in draft.locked,
        }
        for place in np.flatnonzero(figures.units > 0).tolist()
    ]
    return {
        "grids": sorted(lines, key=lambda line: str(line["code"])),
        "border_cost": round(figures.cost, 2),
        "households_moved": figures.moved,
        "violations": [finding.to_dict() for finding in violations_of(bench, draft)],
    }


def draw_draft(bench: Bench, draft: Draft, operation: Mapping[str, Any], base: int) -> Revision:
    """The draft's grids on paper, judged: what the store keeps of the edit."""
    import geopandas as gpd
    import numpy as np

    from partition.geometry.grids import grid_frame, match_edges, total_by_grid
    from partition.geometry.outlines import draw_outlines
    from partition.reasons.judgement import judge_plan
    from partition.report import Report
    from partition.wishes.loads import unweigh

    area, units = bench.area, bench.units
    used, label = np.unique(draft.labels, return_inverse=True)
    label = label.reshape(-1)
    codes = [draft.codes[place] for place in used.tolist()]
    polygons = draw_outlines(units, label, len(used), area.buildings.geometry.to_numpy())
    buildings = area.buildings.assign(grid=np.array(codes, dtype=object)[label[units.building_unit]])
    kinds = _kinds(bench, draft)
    frame = gpd.GeoDataFrame(
        {
            "code": codes,
            "community": area.communities["id"].iloc[0],
            "kind": [kinds.get(code, "basic") for code in codes],
        },
        geometry=list(polygons),
        crs=area.crs,
    ).sort_values("code", ignore_index=True)
    frame = match_edges(frame, area.communities)
    frame = frame.join(total_by_grid(buildings, frame["code"].to_list()), on="code")
    frame["area_m2"] = frame.geometry.area.round(2)
    frame = grid_frame(frame)
    judgement = judge_plan(area, frame, buildings, bench.profile)
    report = Report(bench.profile, judgement, area.findings).to_dict()
    return Revision(
        operation,
        base,
        state_of(draft),
        figures_of(bench, draft),
        report,
        judgement.name_bounds(frame),
        unweigh(buildings),
    )


def find_state(state: State | None, plan: int) -> State:
    """The state; NotFoundError where there is none."""
    if state is None:
        raise NotFoundError("plan-unknown", plan=plan)
    return state
