"""Holding the grids of one community against the sizes and wholes of its rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from partition.area import Area
from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.findings import Finding
from partition.geometry.metrics import variation
from partition.geometry.zones import Zones, find_zones
from partition.intake.inner import inner_points
from partition.parcels import cut_parcels
from partition.reasons.explanation import Wholes, Why, explain, note_size, plain
from partition.solver.balance import Balance
from partition.solver.constraints import Reason, beyond
from partition.wishes.loads import is_weighed, name_measure, total_loads, weigh_area
from partition.wishes.rules import Profile, Size

MOSTLY = 0.5  # a grid is a zone's when it holds this share of it, and no building from elsewhere
PURE = 0.05  # a zone that lies in other grids with more than this share of its ground is mixed with them


@dataclass(frozen=True)
class Sizes:
    """What is found of the sizes in one community.

    lines: for each grid kind, exempt (from the range), held (by measure), deviation (from the first target,
    None where exempt) and in_range. targets: by measure. findings: in the grids' order.
    """

    lines: list[dict[str, Any]]
    targets: Mapping[str, float]
    findings: tuple[Finding, ...]


def judge_sizes(
    parcel: Area,
    grids: gpd.GeoDataFrame,
    profile: Profile,
    reasons: Mapping[str, Finding],
    wholes: Wholes | None = None,
) -> Sizes:
    """Judge the grids of a parcel's community by every size that holds there.

    grids: code, households, geometry; `kind` if it is known, else a grid that is a zone which stands apart is
    known by its ground. parcel.buildings has `grid`. reasons: for grids out of range, by code. wholes: why
    zones and village groups are not whole.
    """
    parcel = parcel if is_weighed(parcel, profile) else weigh_area(parcel, profile)[0]
    return _Judging(parcel, grids, profile, reasons, wholes or {}).sizes()


class _Judging:
    def __init__(
        self,
        parcel: Area,
        grids: gpd.GeoDataFrame,
        profile: Profile,
        reasons: Mapping[str, Finding],
        wholes: Wholes,
    ) -> None:
        self.parcel, self.grids, self.profile = parcel, grids, profile
        self.reasons, self.wholes = reasons, wholes
        self.buildings = parcel.buildings
        self.community = parcel.communities.iloc[0]
        self.sizes_ = profile.sizes_for(str(self.community["class"]))
        self.ranges = [Balance.of(size) for size in self.sizes_]
        self.codes = grids["code"].to_numpy().astype(str)
        self.place = place_in(self.buildings["grid"].to_numpy().astype(str), self.codes)
        self.held = total_loads(
            self.buildings, self.sizes_, self.place, shapely.area(grids.geometry.to_numpy())
        )
        self.measures = [name_measure(self.buildings, size) for size in self.sizes_]
        self.zones = find_zones(parcel, 0, profile)

    def sizes(self) -> Sizes:
        dedicated = self.dedicated()
        village = self.is_village()
        exempt = np.full(len(self.codes), village and len(self.codes) == 1) | dedicated
        out = (beyond(self.held, self.ranges) > 0).any(axis=1) & ~exempt
        lines = [
            {
                "kind": "dedicated" if dedicated[g] else "basic",
                "exempt": bool(exempt[g]),
                "held": {s.measure: plain(h) for s, h in zip(self.sizes_, self.held[g], strict=True)},
                "deviation": None if exempt[g] else round(self.held[g, 0] / self.sizes_[0].target - 1, 4),
                "in_range": not out[g],
            }
            for g in range(len(self.codes))
        ]
        findings = [self.out_of_range(g) for g in np.flatnonzero(out).tolist()]
        if dedicated.any():
            values = {"profile": self.profile.name, "community": self.community["id"]}
            rows = tuple(self.codes[dedicated].tolist())
            findings.append(Finding("zones_apart", "noted", "grids", rows=rows, values=values))
        findings += [*self.mixed_zones(dedicated), *self.village(village), *self.village_groups()]
        targets = {str(size.measure): size.target for size in self.sizes_}
        return Sizes(lines, targets, tuple(findings))

    # --- the range ---

    def out_of_range(self, grid: int) -> Finding:
        code, households = self.codes[grid], int(self.grids["households"].iloc[grid])
        if self.profile.soft:
            return note_size(
                code, households, self.held[grid].tolist(), self.sizes_, self.measures, self.profile.name
            )
        if code in self.reasons:
            return self.reasons[code]
        reason, alone = self.by_building(grid)
        return explain(
            reason,
            code=code,
            households=households,
            held=self.held[grid].tolist(),
            sizes=self.sizes_,
            measures=self.measures,
            community=str(self.community["id"]),
            buildings=alone,
        )

    def by_building(self, grid: int) -> tuple[Reason, tuple[str, ...]]:
        """The reason that buildings alone can prove: one exceeds a bound, and no other counts at all."""
        own = self.buildings[self.place == grid]
        atoms, atom = np.unique(own["atom"].to_numpy(), return_inverse=True)
        measured = [by for by, size in enumerate(self.sizes_) if size.measure != "area"]
        sizes = [self.sizes_[by] for by in measured]
        if measured and len(atoms):
            load = total_loads(own, sizes, atom.reshape(-1), np.zeros(len(atoms)))
            counted = np.flatnonzero((load > 0).any(axis=1))
            for column, by in enumerate(measured):
                if len(counted) == 1 and load[counted[0], column] > self.sizes_[by].upper:
                    name = str(own["id"].iloc[int(np.flatnonzero(atom.reshape(-1) == counted[0])[0])])
                    return Reason("building", float(load[counted[0], column]), measure=by), (name,)
        wrong = beyond(self.held[grid : grid + 1], self.ranges)[0]
        by = int(np.argmax(wrong / [size.target for size in self.sizes_]))
        return Reason("unproven", float(self.held[grid, by]), measure=by), ()

    # --- zones ---

    def dedicated(self) -> Flags:
        """The grids that are zones which stand apart."""
        if "kind" in self.grids:
            return np.asarray(self.grids["kind"] == "dedicated", dtype=bool)
        return find_dedicated(self.grids, self.zones, self.buildings, self.place)

    def mixed_zones(self, dedicated: Flags) -> list[Finding]:
        """Zones that should stand apart, and share grids with others."""
        if not len(self.zones):
            return []
        grid, zone, shared = _share_ground(self.grids, self.zones.shapes)
        ground = np.bincount(zone, weights=np.where(dedicated[grid], 0.0, shared), minlength=len(self.zones))
        inside = self.zones.of_points(inner_points(self.buildings.geometry.to_numpy()))
        placed = (inside >= 0) & (self.place >= 0)
        astray = placed & ~dedicated[np.maximum(self.place, 0)]
        mixed = ground > PURE * shapely.area(self.zones.shapes)
        mixed[inside[astray]] = True
        found = []
        for number in np.flatnonzero(mixed).tolist():
            with_it = {*grid[(zone == number) & ~dedicated[grid] & (shared > 1.0)].tolist()}
            with_it |= set(self.place[astray & (inside == number)].tolist())
            codes = ", ".join(sorted(self.codes[sorted(with_it)]))
            name = self.zones.ids[number]
            found.append(
                tell_why(
                    Finding("zone_mixed", "violated", "zones", rows=(name,), values={"grids": codes}),
                    self.wholes.get(("zone", name)),
                )
            )
        return found

    # --- villages and their groups ---

    def is_village(self) -> bool:
        least = self.profile.village_whole
        rural = self.community["class"] == "rural"
        return least is not None and rural and int(self.buildings["households"].sum()) < least

    def village(self, small: bool) -> list[Finding]:
        if not small:
            return []
        values = {
            "households": int(self.buildings["households"].sum()),
            "least": self.profile.village_whole,
            "profile": self.profile.name,
            "grids": len(self.codes),
        }
        rows = (str(self.community["id"]),)
        if len(self.codes) == 1:
            return [Finding("village_whole", "noted", "community", rows=rows, values=values)]
        return [Finding("village_split", "violated", "community", rows=rows, values=values)]

    def village_groups(self) -> list[Finding]:
        """Village groups that the rule keeps whole, and that lie in several grids."""
        if "village_groups" not in self.profile.wishes:
            return []
        names = self.buildings["village_group"].to_numpy().astype(str)
        found = []
        for name in np.unique(names[(names != "") & (self.place >= 0)]).tolist():
            rows = np.flatnonzero((names == name) & (self.place >= 0))
            share = share_of(
                "village_group", self.buildings.iloc[rows], self.codes[self.place[rows]].tolist(), self.sizes_
            )
            if len(share.codes) > 1:
                share = replace(share, why=self.wholes.get(("village_group", name)))
                found.append(share.finding(name))
        return found


def mark_kinds(
    area: Area, grids: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame, profile: Profile
) -> gpd.GeoDataFrame:
    """The grids of a plan that was drawn elsewhere with their `kind`, known by their ground; frames as in
    `judgement.judge_plan`.
    """
    kinds = np.full(len(grids), "basic", dtype=object)
    if profile.zones is not None:
        for number, parcel in enumerate(cut_parcels(replace(area, buildings=buildings))):
            rows = np.flatnonzero(grids["community"].to_numpy() == area.communities["id"].iloc[number])
            own = grids.iloc[rows]
            place = place_in(
                parcel.buildings["grid"].to_numpy().astype(str), own["code"].to_numpy().astype(str)
            )
            zones = find_zones(parcel, 0, profile)
            kinds[rows[find_dedicated(own, zones, parcel.buildings, place)]] = "dedicated"
    return grids.assign(kind=kinds)


def find_dedicated(
    grids: gpd.GeoDataFrame, zones: Zones, buildings: gpd.GeoDataFrame, place: Numbers
) -> Flags:
    """The grids that hold most of a zone (or of a piece of it), and no building from elsewhere that is lived
    in. place: of each building among the grids, -1 for none.
    """
    found = np.zeros(len(grids), dtype=bool)
    if len(zones):
        parts = shapely.get_parts(zones.shapes)
        grid, part, shared = _share_ground(grids, parts)
        found[grid[shared > MOSTLY * shapely.area(parts)[part]]] = True
        found[place[zones.are_outside(buildings) & (place >= 0)]] = False
    return found


def _share_ground(grids: gpd.GeoDataFrame, zones: Geometries) -> tuple[Numbers, Numbers, Lengths]:
    """Pairs of grids and zones that share ground, and its m²."""
    shapes = grids.geometry.to_numpy()
    zone, grid = shapely.STRtree(shapes).query(zones, predicate="intersects")
    return grid, zone, shapely.area(shapely.intersection(shapes[grid], zones[zone]))


@dataclass(frozen=True)
class Share:
    """What one community holds of something that should be whole: the codes of its grids, and its load.

    what: "compound" or "village_group". load: by measure (a key of a text), with the upper bound of a grid
    and the load if no building held more than that bound. parted: whether it lies in several communities,
    undivided in each. why: it is divided, where that is known.
    """

    what: str
    codes: frozenset[str]
    load: Mapping[str, tuple[float, float, float]]
    parted: bool = False
    why: Why | None = None

    def joined(self, other: Share) -> Share:
        """Both together, as of a compound that lies in two communities."""
        load = dict(self.load)
        for measure, (held, upper, bounded) in other.load.items():
            before, bound, less = load.get(measure, (0.0, upper, 0.0))
            load[measure] = (before + held, max(bound, upper), less + bounded)
        sides = [share for share in (self, other) if share.codes]
        parted = len(sides) > 1 and all(len(share.codes) == 1 or share.parted for share in sides)
        return Share(self.what, self.codes | other.codes, load, parted, self.why or other.why)

    def finding(self, name: str) -> Finding:
        """That it lies in several grids, with the proof where it holds more than a grid may."""
        layer = "compounds" if self.what == "compound" else "buildings"
        values: dict[str, Any] = {"grids": ", ".join(sorted(self.codes))}
        if self.parted:
            return Finding(f"{self.what}_split_border", "violated", layer, rows=(name,), values=values)
        for measure, (held, upper, bounded) in self.load.items():
            if held > upper:
                values |= {"held": plain(held), "measure": measure, "upper": plain(upper)}
                # a building above the bound has a grid to itself
                values["least"] = math.ceil(bounded / upper)
                return Finding(f"{self.what}_split_large", "violated", layer, rows=(name,), values=values)
        return tell_why(
            Finding(f"{self.what}_split", "violated", layer, rows=(name,), values=values), self.why
        )


def tell_why(finding: Finding, why: Why | None) -> Finding:
    """The finding with its reason, where there is one."""
    if why is None:
        return finding
    return replace(finding, code=f"{finding.code}_{why.code}", values={**finding.values, **why.values})


def shares_of_compounds(parcel: Area, profile: Profile, wholes: Wholes | None = None) -> dict[str, Share]:
    """By compound, the grids that hold its buildings (by their inner points) in a weighed parcel. wholes: why
    compounds are divided.
    """
    buildings, shapes = parcel.buildings, parcel.compounds.geometry.to_numpy()
    if not len(shapes) or not len(buildings):
        return {}
    points = inner_points(buildings.geometry.to_numpy())
    point, compound = shapely.STRtree(shapes).query(points, predicate="intersects")
    sizes = profile.sizes_for(str(parcel.communities["class"].iloc[0]))
    codes = buildings["grid"].to_numpy().astype(str)
    found = {}
    for number in np.unique(compound).tolist():
        rows = np.sort(point[compound == number])
        rows = rows[codes[rows] != ""]
        name = str(parcel.compounds["id"].iloc[number])
        share = share_of("compound", buildings.iloc[rows], codes[rows].tolist(), sizes)
        found[name] = replace(share, why=(wholes or {}).get(("compound", name)))
    return found


def share_of(what: str, own: gpd.GeoDataFrame, codes: Sequence[str], sizes: Sequence[Size]) -> Share:
    """What some buildings hold; ground is not counted."""
    measured = [size for size in sizes if size.measure != "area"]
    load: dict[str, tuple[float, float, float]] = {}
    if measured and len(own):
        atom = np.unique(own["atom"].to_numpy(), return_inverse=True)[1].reshape(-1)
        each = total_loads(own, measured, atom, np.zeros(int(atom.max()) + 1))
        for size, of_atoms in zip(measured, each.T, strict=True):
            bounded = np.minimum(of_atoms, size.upper).sum()
            load[name_measure(own, size)] = (float(of_atoms.sum()), size.upper, float(bounded))
    return Share(what, frozenset(codes), load)


def place_in(codes: npt.NDArray[np.str_], known: npt.NDArray[np.str_]) -> Numbers:
    """The place of each code among the known ones, -1 where it is none of them."""
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known[order], codes)
    there = at < len(known)
    there[there] = known[order][at[there]] == codes[there]
    found = np.full(len(codes), -1, dtype=np.int64)
    found[there] = order[at[there]]
    return found


def sum_figures(lines: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Figures of all grids that are not exempt; `targets` of each line's community, by measure.

    By measure: the coefficient of variation of what grids hold, and the mean and greatest deviation from
    their target. Besides: share_in_range, mean_deviation and max_deviation (from the first target), and how
    many are dedicated.
    """
    counted = [(line, goal) for line, goal in zip(lines, targets, strict=True) if not line["exempt"]]
    measures: dict[str, dict[str, float]] = {}
    for measure in dict.fromkeys(name for _, goal in counted for name in goal):
        pairs = [(line["held"][measure], goal[measure]) for line, goal in counted if measure in goal]
        held, goals = np.array(pairs, dtype=np.float64).T
        off = np.abs(held / goals - 1)
        measures[measure] = {
            "variation": round(variation(held), 4),
            "mean_deviation": round(float(off.mean()), 4),
            "max_deviation": round(float(off.max()), 4),
        }
    off = np.array([abs(line["deviation"]) for line, _ in counted])
    return {
        "share_in_range": round(float(np.mean([line["in_range"] for line, _ in counted])), 4)
        if counted
        else 1.0,
        "mean_deviation": round(float(off.mean()), 4) if len(off) else 0.0,
        "max_deviation": round(float(off.max()), 4) if len(off) else 0.0,
        "measures": measures,
        "dedicated": sum(line["kind"] == "dedicated" for line in lines),
    }
