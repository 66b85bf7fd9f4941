"""What comes of a merger: the communities that stay, where each code went, who walks where, and why what is
not as wanted is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Lengths, Numbers
from partition.findings import Finding
from partition.geometry.grids import dissolve
from partition.geometry.metrics import polsby_popper, variation
from partition.geometry.walking import Network, minutes, walk_distances
from partition.merging.stations import Reach, Stations
from partition.solver.constraints import Reason, beyond, out_of_range
from partition.solver.problem import Problem
from partition.wishes.rules import Size

SMALL = 1e-6  # of a sum, a share: rounding
KNOWN = ("alone", "too_few", "cut_off", "wanted_number", "grouping")  # why one is out of range, proven


@dataclass(frozen=True)
class Merger:
    """Communities merged; frames in the area's metric CRS.

    communities: id, name, code, class (those of the community that stays), merged (number), households,
    residents, area_m2, station, walk_m (mean walk to it), farthest_m, unreached (households beyond the
    limit), geometry. lineage: a row for each old community: old_id, old_code, old_name, new_id, new_code,
    new_name, fate ("kept" or "dissolved"), households, residents, area_m2. The code that stays is that of the
    community with most households; the others are never given again. stations: id, name, kind, community
    (new id), chosen, geometry. walks: a row for each home: id, households, community (new id), station,
    walk_m, minutes, reason ("" within the limit; else "nowhere": no station at all is within it, "no_way": no
    way leads to its own, "grouping": the community it would reach one in is merged elsewhere).
    """

    communities: gpd.GeoDataFrame
    lineage: pd.DataFrame
    stations: gpd.GeoDataFrame
    walks: pd.DataFrame
    figures: dict[str, Any]
    violations: tuple[Finding, ...]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whatever is out of range or out of reach has a proven reason."""
        return all(finding.values.get("proven", True) for finding in self.violations)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, ready for JSON."""
        return {
            "figures": self.figures,
            "communities": _plain_rows(self.communities.drop(columns="geometry")),
            "lineage": _plain_rows(self.lineage),
            "violations": [finding.to_dict() for finding in self.violations],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def _plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table; None where nothing is known, since JSON has no NaN."""
    return [
        {str(key): None if pd.isna(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


@dataclass(frozen=True)
class Chosen:
    """The groups chosen: label and station by community. gap: how far at most its value is above the best
    (share). least: households that no choice of these groups brings within the walk, at least; outside: what
    no choice brings into range, at least (in targets).
    """

    label: Numbers
    station: Numbers
    gap: float
    least: float
    outside: float


class Successors:
    """Frames, figures and reasons of a choice."""

    def __init__(
        self,
        area: Area,
        problem: Problem,
        chosen: Chosen,
        reach: Reach,
        stations: Stations,
        complete: bool,
        sizes: tuple[Size, ...],
    ) -> None:
        self.sizes = sizes
        self.area, self.problem, self.chosen = area, problem, chosen
        self.reach, self.stations, self.complete = reach, stations, complete
        old = area.communities
        self.households = problem.graph.households
        self.ground = np.asarray(shapely.area(old.geometry.to_numpy()))
        inside = area.buildings["community"] >= 0
        self.residents = (
            area.buildings[inside]
            .groupby("community")["residents"]
            .sum(min_count=1)
            .reindex(range(len(old)))
            .to_numpy(dtype=np.float64)
        )
        label = chosen.label
        # the code that stays: of the community with most households, then residents, then the lower code
        rank = np.lexsort((np.arange(len(old)), -np.nan_to_num(self.residents), -self.households, label))
        self.keeper = rank[np.unique(label[rank], return_index=True)[1]]
        # new communities in the order of those that stay
        order = np.argsort(np.argsort(self.keeper))
        self.label = order[label]
        self.keeper = np.sort(self.keeper)
        self.station = np.zeros(len(self.keeper), dtype=np.int64)
        self.station[self.label] = chosen.station

    def walks(self, network: Network) -> pd.DataFrame:
        """The walk of every home to its station, with the reason where it is too long."""
        buildings = self.area.buildings.iloc[self.reach.home]
        place = self.label[buildings["community"].to_numpy()]
        metres = np.full(len(buildings), np.inf)
        for number, station in enumerate(self.station.tolist()):
            own = np.flatnonzero(place == number)
            doors = self.reach.doors.take(own)
            metres[own] = walk_distances(network, self.reach.places.take(np.array([station])), doors)[0]
        far = metres > self.reach.limit_m
        reason = np.where(
            ~far,
            "",
            np.where(
                np.isinf(metres),
                "no_way",
                np.where(self.reach.nearest > self.reach.limit_m, "nowhere", "grouping"),
            ),
        )
        ids = self.stations.frame["id"].to_numpy().astype(str)
        return pd.DataFrame(
            {
                "id": buildings["id"].to_numpy().astype(str),
                "households": buildings["households"].to_numpy(),
                "community": self.ids()[place],
                "station": ids[self.station[place]],
                "walk_m": metres.round(1),
                "minutes": np.round(minutes(metres), 1),
                "reason": reason,
            }
        )

    def ids(self) -> np.ndarray[Any, Any]:
        return np.array(self.area.communities["id"].astype(str), dtype=object)[self.keeper]

    def merger(self, walks: pd.DataFrame, into: int, notes: tuple[Finding, ...]) -> Merger:
        communities = self.communities(walks)
        lineage = self.lineage()
        violations = [*self.size_faults(into), *self.reach_faults(walks)]
        if len(communities) != into:
            values = {"into": into, "made": len(communities)}
            violations.append(Finding("merge_more", "violated", "community", values=values))
        proposed = self.stations.frame["kind"].to_numpy() == ""
        findings = list(notes)
        if proposed.any():
            bare = np.unique(self.stations.community[proposed])
            names = tuple(self.area.communities["id"].to_numpy()[bare].astype(str))
            findings.append(Finding("station_proposed", "noted", "facilities", rows=names))
        stations = self.stations.frame.assign(
            community=self.ids()[self.label[self.stations.community]],
            chosen=np.isin(np.arange(len(self.stations)), self.station),
        )
        stations = stations[~proposed | stations["chosen"]].reset_index(drop=True)
        stations = stations[["id", "name", "kind", "community", "chosen", "geometry"]]
        figures = self.figures(communities, walks, lineage, into)
        return Merger(communities, lineage, stations, walks, figures, tuple(violations), tuple(findings))

    def communities(self, walks: pd.DataFrame) -> gpd.GeoDataFrame:
        old = self.area.communities
        count = len(self.keeper)
        kept = old.iloc[self.keeper].reset_index(drop=True)
        within = walks[walks["reason"] == ""]
        reached = within.groupby("community")
        homes = reached["households"].sum().reindex(kept["id"]).fillna(0).to_numpy()
        metres = (within["walk_m"] * within["households"]).groupby(within["community"]).sum()
        unreached = walks[walks["reason"] != ""].groupby("community")["households"].sum()
        known = np.bincount(self.label, weights=~np.isnan(self.residents), minlength=count) > 0
        residents = np.bincount(self.label, weights=np.nan_to_num(self.residents), minlength=count)
        return gpd.GeoDataFrame(
            {
                "id": kept["id"],
                "name": kept["name"],
                "code": kept["code"],
                "class": kept["class"],
                "merged": np.bincount(self.label, minlength=count),
                "households": np.bincount(self.label, weights=self.households, minlength=count).astype(
                    np.int64
                ),
                "residents": np.where(known, residents, np.nan),
                "area_m2": np.bincount(self.label, weights=self.ground, minlength=count).round(2),
                "station": self.stations.frame["id"].to_numpy()[self.station],
                "walk_m": (metres.reindex(kept["id"]).fillna(0).to_numpy() / np.maximum(homes, 1)).round(1),
                "farthest_m": reached["walk_m"].max().reindex(kept["id"]).to_numpy(),
                "unreached": unreached.reindex(kept["id"]).fillna(0).to_numpy().astype(np.int64),
            },
            geometry=list(dissolve(old.geometry.to_numpy(), self.label, count)),
            crs=self.area.crs,
        )

    def lineage(self) -> pd.DataFrame:
        old = self.area.communities
        new = self.keeper[self.label]
        return pd.DataFrame(
            {
                "old_id": old["id"].to_numpy(),
                "old_code": old["code"].to_numpy(),
                "old_name": old["name"].to_numpy(),
                "new_id": old["id"].to_numpy()[new],
                "new_code": old["code"].to_numpy()[new],
                "new_name": old["name"].to_numpy()[new],
                "fate": np.where(new == np.arange(len(old)), "kept", "dissolved"),
                "households": self.households,
                "residents": self.residents,
                "area_m2": self.ground.round(2),
            }
        )

    def size_faults(self, into: int) -> list[Finding]:
        """Merged communities out of a range, each with the reason. into: so many were asked for."""
        problem = self.problem
        reasons = out_of_range(problem, self.label, fixed=True, finest=True, asked=into)
        load = np.zeros((len(self.keeper), problem.load.shape[1]))
        np.add.at(load, self.label, problem.load)
        faults = []
        for number, reason in sorted(reasons.items()):
            cause = "alone" if reason.cause == "building" else str(reason.cause)
            none = self.complete and self.chosen.outside > SMALL  # no choice puts all in range
            if cause not in KNOWN and (reason.proven or none):
                cause = "grouping"
            faults.append(self.size_fault(number, cause, reason, load))
        return faults

    def size_fault(self, number: int, cause: str, reason: Reason, load: Lengths) -> Finding:
        size = self.sizes[reason.measure]
        share = float(load[number, reason.measure] / self.problem.ranges[reason.measure].target)
        values = {
            "measure": size.measure,
            "held": round(share * size.target, 1),
            "lower": round(size.lower, 1),
            "upper": round(size.upper, 1),
            "proven": cause in KNOWN,
        }
        code = f"merge_{cause}" if cause in KNOWN else "merge_unproven"
        return Finding(code, "violated", "community", rows=(str(self.ids()[number]),), values=values)

    def reach_faults(self, walks: pd.DataFrame) -> list[Finding]:
        """Households that cannot reach their station, by new community and reason."""
        far = walks[walks["reason"] != ""]
        lost = int(far["households"].sum())
        avoidable = lost - self.chosen.least
        faults = []
        for (community, reason), homes in far.groupby(["community", "reason"], sort=True):
            values = {
                "community": community,
                "households": int(homes["households"].sum()),
                "minutes": round(float(minutes(self.reach.limit_m)), 1),
                "limit_m": self.reach.limit_m,
                "least": int(self.chosen.least),
                "proven": reason != "grouping" or (self.complete and avoidable <= SMALL),
            }
            code = f"reach_{reason}" if values["proven"] else "reach_unproven"
            faults.append(Finding(code, "violated", "buildings", rows=tuple(homes["id"]), values=values))
        return faults

    def figures(
        self, communities: gpd.GeoDataFrame, walks: pd.DataFrame, lineage: pd.DataFrame, into: int
    ) -> dict[str, Any]:
        homes = int(walks["households"].sum())
        near = walks[walks["reason"] == ""]
        reached = int(near["households"].sum())
        residents = communities["residents"].sum(min_count=1)
        in_range = beyond(
            np.stack(
                [
                    np.bincount(self.label, weights=column, minlength=len(self.keeper))
                    for column in self.problem.load.T
                ],
                axis=1,
            ),
            self.problem.ranges,
        )
        return {
            "communities_before": len(lineage),
            "communities": len(communities),
            "asked": into,
            "households": int(communities["households"].sum()),
            "residents": None if np.isnan(residents) else round(float(residents)),
            "variation": round(variation(communities["households"].to_numpy()), 4),
            "share_in_range": round(float((in_range.sum(axis=1) == 0).mean()), 4),
            "polsby_popper": round(float(polsby_popper(communities.geometry.to_numpy()).mean()), 4),
            "limit_m": self.reach.limit_m,
            "share_within_walk": round(reached / homes, 6) if homes else 1.0,
            "unreached": homes - reached,
            "mean_walk_m": round(float((near["walk_m"] * near["households"]).sum() / max(reached, 1)), 1),
            "farthest_m": float(near["walk_m"].max()) if len(near) else 0.0,
            "kept": int((lineage["fate"] == "kept").sum()),
            "dissolved": int((lineage["fate"] == "dissolved").sum()),
            "groups_complete": self.complete,
            "gap": round(self.chosen.gap, 6) if self.complete else None,
        }
