"""One community divided into grids: finer where it has to be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import shapely

from partition.area import Area
from partition.arrays import Flags, Lengths, Numbers
from partition.clock import Clock
from partition.findings import Finding
from partition.geometry.adjacency import build_graph, link_islands
from partition.geometry.grids import dissolve
from partition.geometry.linework import Linework, build_linework, cluster_footprints
from partition.geometry.units import Units, build_units
from partition.geometry.wholes import crowded_compounds, find_wishes, mark_units, mixes_groups
from partition.geometry.zones import Mixing, Zones, find_zones, with_outlines
from partition.solver.atoms import Hindrance, Wish
from partition.solver.balance import Balance
from partition.solver.constraints import Reason
from partition.solver.graph import Graph
from partition.solver.layout import Kind, Layout, Search, lay_out
from partition.solver.partings import Parting
from partition.solver.plan import Plan
from partition.solver.problem import Problem, Weights
from partition.wishes.loads import PREFIX, is_weighed, total_loads, weigh_area
from partition.wishes.rules import Profile, Size

LONGER = 10  # times the effort, where grids are out of range and nothing shows why
WHOLE_COST = 1.0  # for each metre of border between two units that should stay together, besides the street's


@dataclass(frozen=True)
class Division:
    """One community divided: its units, their graph and loads, the plan, and why grids are out of range.

    sizes: the ranges that hold here, one for each column of `problem.load`. kinds: of each grid. hindered:
    what the rule keeps whole and could not be kept so, with why. atom: units of one number were kept
    together. partings: why compounds and village groups lie in several grids. mixed: why zones are not grids
    of their own ground alone.
    """

    units: Units
    problem: Problem
    sizes: tuple[Size, ...]
    plan: Plan
    kinds: tuple[Kind, ...]
    reasons: dict[int, Reason]
    hindered: tuple[tuple[str, Hindrance], ...] = ()
    atom: Numbers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    findings: tuple[Finding, ...] = ()
    partings: tuple[Parting, ...] = ()
    mixed: tuple[Mixing, ...] = ()

    @property
    def graph(self) -> Graph:
        return self.problem.graph

    @property
    def balance(self) -> Balance:
        """The first of the ranges."""
        return Balance.of(self.sizes[0])

    def held(self) -> Lengths:
        """What each grid holds, one column for each of the sizes."""
        held = np.zeros((self.plan.grids, len(self.sizes)))
        np.add.at(held, self.plan.assignment, self.problem.load)
        return held


def divide_community(
    area: Area,
    number: int,
    profile: Profile,
    *,
    seed: int,
    grids: int | None,
    effort: int,
    clock: Clock,
    threads: int = 1,
) -> Division:
    """Divide one community. Blocks are cut finer only where grids cannot be brought into range otherwise, and
    the effort is `LONGER` times as much only where nothing shows why they cannot.
    """
    area = area if is_weighed(area, profile) else weigh_area(area, profile)[0]
    ground = Ground(area, number, profile, clock)
    if grids is None and ground.is_village():
        return ground.one_grid()
    best: Division | None = None
    tries = [*((cut_above, effort) for cut_above in ground.finenesses()), (0.0, LONGER * effort)]
    for cut_above, proposals in tries:
        search = Search(grids, proposals, seed, threads, finest=cut_above == 0)
        division = ground.divide(cut_above, search)
        if best is None or _merit(division, grids) < _merit(best, grids):
            best = division
        enough_units = grids is None or division.plan.grids >= grids
        if enough_units and all(why.proven and not why.is_pocket for why in division.reasons.values()):
            break
        if cut_above == 0 and all(why.proven for why in best.reasons.values()):
            break
    assert best is not None  # noqa: S101 - the loop runs at least once
    return replace(best, findings=ground.findings(best))


def _merit(division: Division, wanted: int | None) -> tuple[int, bool, float, float]:
    """Less is better: first the number of grids that was asked for, then that all out of range are proven to
    be so, then the households beyond the range, then the cost.
    """
    missed = 0 if wanted is None else abs(division.plan.grids - wanted)
    unproven = any(not reason.proven for reason in division.reasons.values())
    return missed, unproven, round(division.plan.outside, 6), division.plan.value


class Ground:
    """What is there before units are made: streets, zones that stand apart, sizes."""

    def __init__(self, area: Area, number: int, profile: Profile, clock: Clock) -> None:
        self.area, self.profile, self.clock = area, profile, clock
        self.id = str(area.communities["id"].iloc[number])
        self.kind = str(area.communities["class"].iloc[number])
        self.polygon = area.communities.geometry.iloc[number]
        self.buildings = area.buildings[area.buildings["community"] == number]
        self.sizes = profile.sizes_for(self.kind)
        self.upper = np.array([size.upper for size in self.sizes])
        with clock.step("blocks"):
            self.zones = Zones.nowhere() if self.is_village() else find_zones(area, number, profile)
            self.footprints, _ = cluster_footprints(self.buildings.geometry.to_numpy())
            self.walled = np.empty(0, dtype=np.int64)  # the compounds whose outlines bound blocks
            self.linework = self.lines()

    def lines(self) -> Linework:
        """What bounds blocks: streets, the outlines of zones that stand apart and of some compounds."""
        walls = self.area.compounds.geometry.to_numpy()[self.walled]
        streets = with_outlines(self.area.streets, np.concatenate([self.zones.shapes, walls]))
        linework = build_linework(streets, self.polygon, self.footprints)
        return replace(linework, apart=self.zones.shapes)

    def is_village(self) -> bool:
        """Whether the rule makes the whole community one grid: a village with few households."""
        least = self.profile.village_whole
        return least is not None and self.kind == "rural" and self.buildings["households"].sum() < least

    def finenesses(self) -> tuple[float, ...]:
        """What a block may hold before it is cut, as a share of the upper bound: each finer than the last."""
        return (1.0, min(size.target / 2 / size.upper for size in self.sizes), 0.0)

    def loads(self, units: Units) -> Lengths:
        return total_loads(self.buildings, self.sizes, units.building_unit, units.area_m2)

    def units(self, cut_above: float) -> Units:
        """The units; a compound that could be whole but for what else is in its blocks gets its walls."""
        units = self.cut(cut_above)
        crowded = crowded_compounds(units, self.area, self.buildings, self.sizes, self.loads(units))
        if not np.isin(crowded, self.walled).all():
            self.walled = np.union1d(self.walled, crowded)
            self.linework = self.lines()
            units = self.cut(cut_above)
        return units

    def cut(self, cut_above: float) -> Units:
        """The blocks, those that hold more than this share of an upper bound cut between buildings."""

        def fill(units: Units) -> Lengths:
            filled: Lengths = (self.loads(units) / self.upper).max(axis=1)
            filled[mixes_groups(units, self.buildings, self.profile)] = np.inf
            filled[self.zones.of_units(units, self.buildings) >= 0] = 0.0
            return filled

        return build_units(
            self.linework,
            self.polygon,
            self.buildings,
            self.profile.border_cost,
            cut_above,
            fill=fill,
            settled=self.settled(),
        )

    def settled(self) -> Flags:
        """The buildings that count for something."""
        counted = self.buildings["households"].to_numpy() > 0
        for size in self.sizes:
            if size.measure != "area":
                counted = counted | (self.buildings[f"{PREFIX}{size.measure}"].to_numpy() > 0)
        return np.asarray(counted, dtype=np.bool_)

    def problem(self, units: Units, wishes: tuple[Wish, ...] = ()) -> Problem:
        """Units with their loads; every metre of border between two that should stay together costs more."""
        graph = build_graph(
            units,
            self.profile.border_cost,
            self.profile.crossing_cost,
            mark_units(wishes, len(units)),
            WHOLE_COST,
        )
        load = self.loads(units)
        graph = self.with_islands(graph, units, load)
        ranges = tuple(
            self.balance(size, float(sum_)) for size, sum_ in zip(self.sizes, load.sum(axis=0), strict=True)
        )
        return Problem(graph, load, ranges, Weights().balanced(self.profile.balance))

    def balance(self, size: Size, whole: float) -> Balance:
        """The range of a size; where sizes are a guide, all that the community holds is in range."""
        if self.profile.soft:
            return Balance(0.0, size.target, max(whole, size.upper))
        return Balance.of(size)

    def divide(self, cut_above: float, search: Search) -> Division:
        with self.clock.step("units"):
            units = self.units(cut_above)
            wishes = find_wishes(units, self.area, self.buildings, self.profile)
            zone = self.zones.of_units(units, self.buildings)
        with self.clock.step("graph"):
            problem = self.problem(units, wishes)
        with self.clock.step("plan"):
            built = np.isin(np.arange(len(units)), units.building_unit)
            layout = lay_out(problem, self.upper, wishes, zone, built, search)
        return self.division(units, problem, layout)

    def one_grid(self) -> Division:
        """All in one grid, in range by the rule."""
        with self.clock.step("units"):
            units = self.units(np.inf)
        with self.clock.step("graph"):
            problem = self.problem(units)
        plan = Plan(np.zeros(len(units), dtype=np.int64), 1, 0.0, 0.0)
        division = self.division(units, problem, Layout(plan, ("basic",), {}, (), np.arange(len(units))))
        return replace(division, findings=self.findings(division))

    def division(self, units: Units, problem: Problem, layout: Layout) -> Division:
        return Division(
            units,
            problem,
            self.sizes,
            layout.plan,
            layout.kinds,
            layout.reasons,
            layout.hindered,
            layout.atom,
            partings=layout.partings,
            mixed=self.zones.mixings(units, self.buildings),
        )

    def with_islands(self, graph: Graph, units: Units, load: Lengths) -> Graph:
        islands = shapely.get_parts(self.polygon)
        if len(islands) == 1:
            return graph
        outlines = dissolve(units.blocks.faces, units.unit, len(units))
        point, on = shapely.STRtree(islands).query(shapely.point_on_surface(outlines), predicate="intersects")
        parts = np.zeros(len(units), dtype=np.int64)
        parts[point] = on
        weight = load[:, 0].round().astype(np.int64)
        linked = link_islands(replace(graph, households=weight), parts, outlines, self.sizes[0].lower)
        return replace(linked, households=graph.households)

    def findings(self, division: Division) -> tuple[Finding, ...]:
        """What was done to the streets so that they bound blocks, and zones that are no grids."""
        done = (
            ("near_misses_closed", "streets", self.linework.near_misses),
            ("detours", "buildings", self.linework.detours),
        )
        found = [
            Finding(code, "repaired", layer, values={"number": number, "community": self.id})
            for code, layer, number in done
            if number
        ]
        if self.linework.unmarked:
            values = {"number": self.linework.unmarked, "community": self.id}
            found.append(Finding("crossings_unmarked", "noted", "streets", values=values))
        there = np.unique(self.zones.of_units(division.units, self.buildings))
        lost = tuple(np.array(self.zones.ids, dtype=object)[np.setdiff1d(np.arange(len(self.zones)), there)])
        if lost:
            found.append(Finding("zone_lost", "noted", "zones", rows=lost, values={"community": self.id}))
        for hindrance in ("shared", "apart"):
            names = tuple(name for name, why in division.hindered if why == hindrance)
            if names:
                found.append(Finding(f"whole_{hindrance}", "noted", rows=names))
        return tuple(found)
