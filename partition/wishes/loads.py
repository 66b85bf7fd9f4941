"""What the ranges measure: the weight of each building by each measure of a profile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from partition.area import Area
from partition.arrays import Flags, Lengths, Numbers
from partition.errors import ProfileError
from partition.findings import Finding
from partition.intake.columns import read_numbers
from partition.intake.groups import is_group_count
from partition.intake.households import LEAST_KNOWN, join_column
from partition.intake.inner import inner_points
from partition.wishes.rules import Measure, Profile, Size
from partition.wishes.workload import parse_expression

# people of a household where nothing near tells it (China's census of 2020)
HOUSEHOLD_SIZE = 2.62
# columns of an area that an expression may use besides those of the file: name -> what it is
STANDARD = ("households", "residents", "shops", "floors", "area_m2", "floor_area_m2")


MOST_WEIGHT = 1e9  # of a building: a larger one is a slip of the pen
PREFIX = "load_"  # of the columns of a weighed area's buildings, before the measure
FACTOR = "load_factor"  # how much a household counts for


def weigh_area(
    area: Area, profile: Profile, *, allowed: Collection[str] = ()
) -> tuple[Area, tuple[Finding, ...]]:
    """The area with the weight of each building by each measure of the profile, and what was reckoned where
    figures were missing.

    The weights are columns `load_<measure>`, times how much a household counts for, `load_factor`. Ground
    ("area") is no building's and has no column.
    allowed: counts of population groups that the caller may see and put into a workload; none of them on
    files alone. Raises ProfileError where a column is missing, may not be used, or holds what is no weight.
    """
    weighing = _Weighing(area, profile, frozenset(allowed))
    weights = {f"{PREFIX}{measure}": weight for measure, weight in weighing.weights().items()}
    weights[FACTOR] = weighing.factor
    return replace(area, buildings=area.buildings.assign(**weights)), tuple(weighing.notes)


def unweigh(buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The buildings without their weights."""
    return buildings.drop(columns=[column for column in buildings if str(column).startswith(PREFIX)])


def is_weighed(area: Area, profile: Profile) -> bool:
    """Whether `weigh_area` has been here."""
    return FACTOR in area.buildings and all(
        f"{PREFIX}{m}" in area.buildings for m in measures_of(profile, area.communities["class"]) - {"area"}
    )


def name_measure(buildings: gpd.GeoDataFrame, size: Size) -> str:
    """What a size measures, for people: the key of a text `measure.<name>`."""
    weighted = size.measure != "area" and bool((buildings[FACTOR] != 1).any())
    return f"{size.measure}_weighted" if weighted else size.measure


def total_loads(
    buildings: gpd.GeoDataFrame, sizes: Sequence[Size], place: Numbers, ground_m2: Lengths
) -> Lengths:
    """What each of len(ground_m2) places holds, one column for each size.

    buildings: of a weighed area. place: of each of their rows, -1 for none. ground_m2: of each place.
    """
    there = place >= 0
    columns = []
    for size in sizes:
        if size.measure == "area":
            columns.append(ground_m2)
        else:
            weight = buildings[f"{PREFIX}{size.measure}"].to_numpy(dtype=np.float64)[there]
            columns.append(np.bincount(place[there], weights=weight, minlength=len(ground_m2)).astype(float))
    return np.stack(columns, axis=1).astype(np.float64)


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

    def weights(self) -> dict[Measure, Lengths]:
        """By measure, the weight of each row of the buildings."""
        measures = measures_of(self.profile, set(self.area.communities["class"]))
        found: dict[Measure, Lengths] = {}
        if "households" in measures:
            found["households"] = self.figures("households")
        if "residents" in measures:
            found["residents"] = self.residents
        if "workload" in measures:
            found["workload"] = self.workload()
        if self.faults:
            raise ProfileError(self.faults)
        return {measure: weight * self.factor for measure, weight in found.items()}

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

    @cached_property
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
            points = inner_points(self.buildings.geometry.to_numpy())
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
        wrong = ~((weight >= 0) & (weight <= MOST_WEIGHT))[atom] & first
        if wrong.any():
            rows = self.ids[wrong].tolist()
            self.fault("workload_no_weight", rows, text=expression.text, most=MOST_WEIGHT)
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
        joined, _ = join_column(self.buildings["atom"].to_numpy(), numbers, np.ones(len(numbers), dtype=bool))
        return self.sum_up(np.nan_to_num(joined))
