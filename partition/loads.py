"""What the ranges measure: the weight of each building by each measure of a profile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from partition.area import Area
from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.columns import read_numbers
from partition.errors import ProfileError
from partition.findings import Finding
from partition.groups import is_group_count
from partition.households import LEAST_KNOWN, join_column
from partition.rules import Measure, Profile, Size
from partition.workload import parse_expression

# people of a household where nothing near tells it (China's census of 2020)
HOUSEHOLD_SIZE = 2.62
# columns of an area that an expression may use besides those of the file: name -> what it is
STANDARD = ("households", "residents", "shops", "floors", "area_m2", "floor_area_m2")


@dataclass(frozen=True)
class Loads:
    """The weight of each row of the area's buildings, by measure. Ground ("area") is no building's.

    factor: how much a household in each row counts for. findings: what was reckoned where figures were
    missing, and what counts for more.
    """

    by_measure: Mapping[Measure, Lengths]
    factor: Lengths
    findings: tuple[Finding, ...] = field(default=())

    def of_rows(self, rows: Numbers) -> Loads:
        """The weights of some rows only."""
        some = {measure: weight[rows] for measure, weight in self.by_measure.items()}
        return Loads(some, self.factor[rows], self.findings)

    def total(self, sizes: Sequence[Size], place: npt.NDArray[np.integer[Any]], area_m2: Lengths) -> Lengths:
        """What each of len(area_m2) places holds, one column for each size; `place` is by row, -1: none."""
        columns = [
            area_m2
            if size.measure == "area"
            else np.bincount(
                place[place >= 0],
                weights=self.by_measure[size.measure][place >= 0],
                minlength=len(area_m2),
            )
            for size in sizes
        ]
        return np.stack(columns, axis=1).astype(np.float64)


def weigh_buildings(area: Area, profile: Profile, *, allowed: Collection[str] = ()) -> Loads:
    """Weigh every building of the area by the profile's measures.

    allowed: counts of population groups that the caller may see and put into a workload; none of them on
    files alone. Raises ProfileError where a column is missing, may not be used, or holds what is no weight.
    """
    return _Weighing(area, profile, frozenset(allowed)).loads()


def measures_of(profile: Profile, classes: Iterable[str]) -> frozenset[Measure]:
    """What the profile measures in communities of these classes."""
    return frozenset(size.measure for kind in classes for size in profile.sizes_for(kind))


class _Weighing:
    """One weighing of one area: gathers faults and notes."""

    def __init__(self, area: Area, profile: Profile, allowed: frozenset[str]) -> None:
        self.area, self.profile, self.allowed = area, profile, allowed
        self.buildings = area.buildings
        self.ids = area.buildings["id"].to_numpy().astype(str)
        self.faults: list[Finding] = []
        self.notes: list[Finding] = []

    def loads(self) -> Loads:
        measures = measures_of(self.profile, set(self.area.communities["class"]))
        factor = self.factor()
        weights: dict[Measure, Lengths] = {}
        for measure in sorted(measures):
            if measure == "households":
                weights[measure] = self.figures("households") * factor
            elif measure == "residents":
                weights[measure] = self.residents * factor
            elif measure == "workload":
                weights[measure] = self.workload() * factor
        if self.faults:
            raise ProfileError(self.faults)
        return Loads(weights, factor, tuple(self.notes))

    def figures(self, column: str) -> Lengths:
        """A column of the buildings, NaN where missing."""
        return np.asarray(self.buildings[column], dtype=np.float64)

    def fault(self, code: str, rows: Iterable[str] = (), **values: Any) -> None:
        values = {"profile": self.profile.name, "key": "workload", **values}
        self.faults.append(Finding(code, "refused", "buildings", "", tuple(rows), values, self.profile.file))

    def note(self, code: str, flags: Flags, **values: Any) -> None:
        values = {"profile": self.profile.name, **values}
        rows = tuple(dict.fromkeys(self.ids[flags].tolist()))
        self.notes.append(Finding(code, "noted", "buildings", rows=rows, values=values))

    # --- what is complex counts for more ---

    def factor(self) -> Lengths:
        ones = np.ones(len(self.buildings))
        if "complex_smaller" not in self.profile.wishes:
            return ones
        factor = self.figures("complexity") * self.zone_factor()
        if (factor == 1).all():
            return ones
        self.note("complexity_counted", factor != 1, most=float(factor.max()))
        return factor

    def zone_factor(self) -> Lengths:
        """The complexity of the zones that hold each building's inner point, multiplied."""
        factor = np.ones(len(self.buildings))
        zones = self.area.zones
        if len(zones) and len(factor):
            points = inner_points(self.buildings)
            point, zone = shapely.STRtree(zones.geometry.to_numpy()).query(points, predicate="intersects")
            order = np.lexsort((zone, point))
            np.multiply.at(factor, point[order], zones["complexity"].to_numpy(dtype=np.float64)[zone[order]])
        return factor

    # --- residents, missing ones by the rule that held for households ---

    @cached_property
    def residents(self) -> Lengths:
        frame = self.buildings
        found, households = self.figures("residents"), self.figures("households")
        inside = frame["community"].to_numpy() >= 0
        unknown = np.isnan(found) & (households > 0) & inside
        found = np.nan_to_num(found)
        if not unknown.any():
            return found
        if self.area.missing == "refuse":
            self.fault("residents_missing", dict.fromkeys(self.ids[unknown].tolist()))
        elif self.area.missing == "estimate":
            estimate, basis = self.estimated(unknown)
            found = np.where(unknown, estimate, found)
            self.note(
                "residents_estimated", unknown, residents=round(float(estimate[unknown].sum())), basis=basis
            )
        else:
            known = frame["residents"].notna().to_numpy() & (households > 0)
            community = frame["community"].to_numpy()
            bare = np.setdiff1d(community[unknown], community[known])
            if len(bare):
                names = self.area.communities["id"].to_numpy()[bare].astype(str)
                self.fault("residents_unknown", names.tolist())
            else:
                self.note("residents_zero", unknown)
        return found

    def estimated(self, unknown: Flags) -> tuple[Lengths, str]:
        """Residents by the size of a known household of the same community, and the sizes reckoned with."""
        frame = self.buildings
        community = frame["community"].to_numpy()
        residents, households = self.figures("residents"), self.figures("households")
        known = ~np.isnan(residents) & (households > 0) & (community >= 0)
        count = len(self.area.communities)
        buildings = np.bincount(community[known], minlength=count)
        homes = np.bincount(community[known], weights=households[known], minlength=count)
        people = np.bincount(community[known], weights=residents[known], minlength=count)
        size = np.where(buildings >= LEAST_KNOWN, people / np.maximum(homes, 1), HOUSEHOLD_SIZE)
        basis = dict.fromkeys(np.unique(size[community[unknown]]).round(2).tolist())
        return households * size[community], ", ".join(f"{value:g}" for value in basis)

    # --- workload, of buildings: rows that share an atom are one ---

    def workload(self) -> Lengths:
        """The weight of each building on its first row, 0 on its others."""
        expression = parse_expression(self.profile.workload)
        columns = {name: self.column(name) for name in expression.columns}
        atom = self.buildings["atom"].to_numpy()
        first = ~self.buildings["atom"].duplicated().to_numpy()
        if self.faults:
            return np.zeros(len(atom))
        weight = expression.weigh(columns, int(atom.max(initial=-1)) + 1)
        wrong = (~np.isfinite(weight) | (weight < 0))[atom] & first
        if wrong.any():
            self.fault("workload_no_weight", self.ids[wrong].tolist(), text=expression.text)
        return np.where(first, weight[atom], 0.0)

    def column(self, name: str) -> Lengths:
        """A column that the expression names, by building: one of ours, else one of the file's."""
        frame = self.buildings
        if name == "residents":
            return self.sum_up(self.residents)
        if name == "floors":
            return np.nan_to_num(np.asarray(frame.groupby("atom")["floors"].max(), dtype=np.float64))
        if name in ("area_m2", "floor_area_m2"):
            ground = shapely.area(frame.geometry.to_numpy())
            return self.sum_up(
                ground if name == "area_m2" else ground * np.nan_to_num(self.figures("floors"), nan=1.0)
            )
        if name == "shops" and frame["shops"].isna().all():
            self.note("workload_without_shops", np.zeros(len(frame), dtype=bool))
        if name in ("households", "shops"):
            return self.sum_up(np.nan_to_num(self.figures(name)))
        return self.foreign(name)

    def sum_up(self, values: Lengths) -> Lengths:
        return np.asarray(np.bincount(self.buildings["atom"], weights=values), dtype=np.float64)

    def foreign(self, name: str) -> Lengths:
        """A column of the file under its own name. Rows of one building count once where they agree."""
        nothing = self.sum_up(np.zeros(len(self.buildings)))
        original = self.area.original_buildings
        if is_group_count(name) and name not in self.allowed:
            self.fault("workload_group_count", column=name)
            return nothing
        if name not in original.columns or name == "geometry":
            there = [str(c) for c in original.columns if c != "geometry" and not is_group_count(str(c))]
            known = ", ".join(dict.fromkeys([*STANDARD, *there]))
            self.fault("workload_column_missing", column=name, known=known)
            return nothing
        numbers, bad = read_numbers(original[name].iloc[self.buildings["row"].to_numpy()])
        if bad.any():
            self.fault("workload_not_number", dict.fromkeys(self.ids[bad].tolist()), column=name)
            return nothing
        unknown = np.isnan(numbers)
        if unknown.any():
            self.note("workload_zero", unknown, column=name)
        joined, _ = join_column(self.ids.astype(object), numbers, np.ones(len(numbers), dtype=bool))
        return self.sum_up(np.nan_to_num(joined))


def inner_points(frame: gpd.GeoDataFrame) -> Geometries:
    """A point within each shape."""
    return np.asarray(shapely.point_on_surface(frame.geometry.to_numpy()))
