"""Tiers: grids nested in larger grids and divided into smaller ones, each named and sized by its own rule.

A tier above is made by grouping the tier below it, a tier below by dividing each grid, so that no child ever
crosses its parent. Polygons are taken from the finest tier and dissolved upwards: all tiers share their
vertices, and children make up their parent exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Lengths, Numbers
from partition.city.crew import Alone, Crew
from partition.findings import Finding
from partition.geometry.grids import dissolve, match_edges, total_by_grid
from partition.solver.plan import EFFORT
from partition.split import Split
from partition.tiers.imbalance import find_failures, find_miscounts, find_size_faults, list_imbalance, sum_up
from partition.tiers.levels import GRID, Ask, Level, Wish, resolve_tiers
from partition.tiers.nesting import Nest, Range, divide_grids, group_grids, knit, share_number
from partition.tiers.numbering import number_levels
from partition.wishes.loads import total_loads, weigh_area
from partition.wishes.rules import Measure, Profile, Size

BASIC = "basic"  # the kind of a grid that does not stand apart
TIER_COLUMNS = [
    "tier",
    "tier_name",
    "tier_name_en",
    "code",
    "name",
    "name_en",
    "parent",
    "community",
    "households",
    "residents",
    "buildings",
    "buildings_unknown",
    "area_m2",
    "lower",
    "target",
    "upper",
    "measured",
    "in_range",
    "geometry",
]


@dataclass(frozen=True)
class Tiers:
    """A plan with its tiers; frames in the area's metric CRS.

    frame: a row for each grid of each tier (`TIER_COLUMNS`), the largest tier first, children in reading
    order within their parent. `parent` is the parent's code, or its name where it bears none; "" in the
    first tier. grids, buildings: as in `Split`, with the vertices of the finest tier, and the codes that
    follow from numbered tiers above. buildings have a column `tier_<n>` for each tier but the basic one, with
    the code (else the name) of their grid in it. violations: grids out of their tier's range, with reasons,
    and tiers whose number could not be made. renamed: the code of each basic grid now, by the code it had.
    """

    frame: gpd.GeoDataFrame
    grids: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    violations: tuple[Finding, ...]
    figures: list[dict[str, Any]]
    imbalance: list[dict[str, Any]]
    renamed: dict[str, str]

    @property
    def sound(self) -> bool:
        """Every grid of every tier is in range or has a proven reason."""
        return all(finding.values.get("proven", True) for finding in self.violations)

    def told(self) -> list[dict[str, Any]]:
        """Figures by tier, the largest first. level: 0 are the grids, -1 what they make up, 1 what divides
        them, and so on.
        """
        basic = int(self.frame.loc[self.frame["code"].isin(set(self.grids["code"])), "tier"].iloc[0])
        return [
            {"level": line["tier"] - basic, **{name: line[name] for name in line if name != "tier"}}
            for line in self.figures
        ]

    def to_dict(self) -> dict[str, Any]:
        """Figures by tier, and the imbalance report, as plain data."""
        return {
            "tiers": self.figures,
            "imbalance": self.imbalance,
            "tier_violations": [finding.to_dict() for finding in self.violations],
        }


def nest_tiers(
    area: Area,
    grids: gpd.GeoDataFrame,
    buildings: gpd.GeoDataFrame,
    profile: Profile,
    asks: Sequence[Ask] = (),
    *,
    seed: int = 0,
    effort: int | None = None,
    renumber: bool = True,
    issued: Collection[str] = (),
    progress: Callable[[str, float], None] | None = None,
    crew: Crew | None = None,
) -> Tiers:
    """Make the profile's tiers, and those asked for, above and below the grids of a plan.

    grids, buildings: as in `Split`; the grids cover their communities without gap or overlap. renumber:
    grids may get new codes (they begin with the code of a numbered tier above); a plan in force keeps its
    codes, and tiers above it bear names only. issued: codes that are never given again. crew: who divides the
    grids, this process alone if not given.
    """
    effort = EFFORT if effort is None else effort
    tell = progress or (lambda step, share: None)
    crew = crew or Alone(fence=False)
    grids = grids if "kind" in grids else grids.assign(kind=BASIC)
    scales = _Scales(area, profile)
    base = _base_tier(area, grids, buildings, profile)
    communities = len(np.unique(base.community))

    def total(size: Size) -> float:
        return float(scales.loads(base, size).sum()) / communities

    above, below = resolve_tiers(profile, asks, total, len(base.polygons) / communities)
    making = _Making(area, profile, scales, seed, effort, crew, tell)
    tiers = [base]
    for done, wish in enumerate(reversed(above)):
        tell("tiers_above", done / len(above))
        tiers.insert(0, making.above(tiers[0], wish))
    for wish in below:
        tell("tiers_below", 0.0)
        tiers.append(making.below(tiers[-1], wish))
    _share_vertices(area, tiers)
    keep = not renumber or not any(tier.numbered for tier in tiers[: tiers.index(base)])
    number_levels(area, tiers, grids["code"].to_list() if keep else None, renumber, issued)
    return _finish(area, tiers, grids, buildings, scales, soft=profile.soft)


def tier_split(
    area: Area,
    split: Split,
    asks: Sequence[Ask] = (),
    *,
    renumber: bool = True,
    progress: Callable[[str, float], None] | None = None,
    crew: Crew | None = None,
) -> tuple[Split, Tiers]:
    """The tiers of a plan just made (see `nest_tiers`), and the plan with the vertices and codes that follow
    from them.
    """
    report = split.report
    made = nest_tiers(
        area,
        split.grids,
        split.buildings,
        split.profile,
        asks,
        seed=split.seed,
        effort=report.effort,
        renumber=renumber,
        progress=progress,
        crew=crew,
    )
    renamed = made.renamed
    units = split.units.assign(grid=[renamed.get(code, code) for code in split.units["grid"]])
    judgement = replace(
        report.judgement,
        grids=sorted(
            ({**line, "code": renamed[line["code"]]} for line in report.judgement.grids),
            key=lambda line: str(line["code"]),
        ),
        violations=tuple(_renamed(finding, renamed) for finding in report.judgement.violations),
    )
    findings = tuple(finding for finding in report.findings if finding.code != "tiers_besides")
    told = replace(report, judgement=judgement, findings=findings)
    return replace(split, grids=made.grids, buildings=made.buildings, units=units, report=told), made


def _renamed(finding: Finding, renamed: Mapping[str, str]) -> Finding:
    """The finding with the new codes of grids, in its rows and in lists of codes among its values."""
    if all(old == new for old, new in renamed.items()):
        return finding
    values = dict(finding.values)
    if isinstance(values.get("grids"), str):
        values["grids"] = ", ".join(renamed.get(code, code) for code in values["grids"].split(", "))
    rows = finding.rows
    if finding.layer == "grids":
        rows = tuple("/".join(renamed.get(code, code) for code in row.split("/")) for row in rows)
    return replace(finding, rows=rows, values=values)


# --- the tiers ---


class _Scales:
    """What is measured of grids: households, residents, m², or workload of their buildings."""

    def __init__(self, area: Area, profile: Profile) -> None:
        self._area, self._profile = area, profile
        self._weighed: dict[Measure, Area] = {}

    def area(self, size: Size) -> Area:
        """The area with what the size measures of its buildings."""
        if size.measure not in self._weighed:
            rules = replace(self._profile, size=size, second=None, rural=None)
            self._weighed[size.measure], _ = weigh_area(self._area, rules)
        return self._weighed[size.measure]

    def loads(self, tier: Level, size: Size) -> Lengths:
        """What each grid of a tier holds."""
        ground = np.asarray(shapely.area(tier.polygons))
        return np.asarray(total_loads(self.area(size).buildings, (size,), tier.building, ground)[:, 0])


def _base_tier(area: Area, grids: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame, profile: Profile) -> Level:
    rows = {code: row for row, code in enumerate(grids["code"])}
    homes = {home: number for number, home in enumerate(area.communities["id"])}
    community = grids["community"].map(homes).to_numpy(dtype=np.int64)
    classes = area.communities["class"].to_numpy()
    return Level(
        name=GRID,
        size=profile.size,
        numbered=True,
        polygons=grids.geometry.to_numpy(),
        building=np.array([rows.get(code, -1) for code in buildings["grid"]], dtype=np.int64),
        community=community,
        ranges=[Range(profile.size_for(classes[number])) for number in community],
        exempt=np.array([kind != BASIC for kind in grids["kind"]], dtype=np.bool_),
        basic=True,
    )


@dataclass(frozen=True)
class _Making:
    """With what tiers are made."""

    area: Area
    profile: Profile
    scales: _Scales
    seed: int
    effort: int
    crew: Crew
    tell: Callable[[str, float], None]

    def above(self, tier: Level, wish: Wish) -> Level:
        """The tier above: grids of each community grouped."""
        load = self.scales.loads(tier, wish.rule.size)
        totals = np.bincount(tier.community, weights=load)
        wanted = {
            number: Range(wish.rule.size)
            if wish.number is None
            else Range.of_number(wish.rule.size, totals[number], wish.number)
            for number in np.unique(tier.community).tolist()
        }
        nest = group_grids(
            self.area,
            tier.polygons,
            tier.community,
            load,
            tier.building,
            wanted,
            self.profile,
            seed=self.seed,
            effort=self.effort,
        )
        tier.parent = nest.child
        community = np.zeros(len(nest.polygons), dtype=np.int64)
        community[nest.child] = tier.community
        return _new_tier(wish, nest, community, [wanted[number] for number in community.tolist()], None)

    def below(self, tier: Level, wish: Wish) -> Level:
        """The tier below: each grid divided."""
        wanted = self.ranges_below(tier, wish)
        nest = divide_grids(
            self.scales.area(wish.rule.size),
            tier.polygons,
            tier.community,
            tier.building,
            wanted,
            self.profile,
            seed=self.seed,
            effort=self.effort,
            crew=self.crew,
            progress=lambda share: self.tell("tiers_below", share),
        )
        ranges = [wanted[parent] for parent in nest.child.tolist()]
        made = _new_tier(wish, nest, tier.community[nest.child], ranges, nest.child)
        made.exempt = tier.exempt[nest.child]
        return made

    def ranges_below(self, tier: Level, wish: Wish) -> list[Range]:
        """What is wanted of the children of each grid; a number is shared out in each community."""
        load = self.scales.loads(tier, wish.rule.size)
        wanted = [Range(wish.rule.size)] * len(load)
        if wish.number is not None:
            lived = (tier.building >= 0) & (self.area.buildings["households"].to_numpy() > 0)
            room = np.maximum(np.bincount(tier.building[lived], minlength=len(load)), 1)
            for number in np.unique(tier.community).tolist():
                here = tier.community == number
                own = np.flatnonzero(here & ~tier.exempt)
                left = wish.number - int((here & tier.exempt).sum())
                size = Range.of_number(wish.rule.size, float(load[own].sum()), wish.number).size
                for grid, share in zip(own.tolist(), share_number(left, load[own], room[own]), strict=True):
                    wanted[grid] = Range(size, int(share))
        for grid in np.flatnonzero(tier.exempt).tolist():
            wanted[grid] = Range(wanted[grid].size, 1)
        return wanted


def _new_tier(
    wish: Wish, nest: Nest, community: Numbers, ranges: list[Range], parent: Numbers | None
) -> Level:
    asked = {}
    if wish.number is not None:
        for number in np.unique(community).tolist():
            made = int((community == number).sum())
            if made != wish.number:
                asked[number] = (wish.number, made)
    return Level(
        name=wish.rule.name,
        size=wish.rule.size,
        numbered=wish.rule.numbered,
        polygons=nest.polygons,
        building=nest.building,
        community=community,
        parent=parent,
        reasons=nest.reasons,
        failures=nest.failures,
        ranges=ranges,
        exempt=np.zeros(len(community), dtype=np.bool_),
        asked=asked,
    )


def _share_vertices(area: Area, tiers: list[Level]) -> None:
    """Polygons of all tiers from those of the finest, so that they share every vertex."""
    finest = tiers[-1]
    if not finest.basic:
        for number in np.unique(finest.community).tolist():
            own = finest.community == number
            finest.polygons[own] = knit(finest.polygons[own], area.communities.geometry.iloc[number])
    if not finest.basic and len(area.communities) > 1:
        frame = gpd.GeoDataFrame(geometry=list(finest.polygons), crs=area.crs)
        finest.polygons = match_edges(frame, area.communities).geometry.to_numpy()
    for larger, smaller in zip(tiers[-2::-1], tiers[:0:-1], strict=True):
        larger.polygons = dissolve(smaller.polygons, smaller.parents, len(larger.polygons))


# --- what comes out ---


def _finish(
    area: Area,
    tiers: list[Level],
    drawn: gpd.GeoDataFrame,
    buildings: gpd.GeoDataFrame,
    scales: _Scales,
    *,
    soft: bool,
) -> Tiers:
    """Frames, figures and findings. soft: sizes are a guide, so that a grid out of range violates nothing."""
    homes = area.communities["id"].to_numpy()
    frames: list[gpd.GeoDataFrame] = []
    violations: list[Finding] = []
    figures: list[dict[str, Any]] = []
    imbalance: list[dict[str, Any]] = []
    given = buildings
    for depth, tier in enumerate(tiers):
        larger = tiers[depth - 1] if depth else None
        rows = np.array([f"{row}" for row in range(len(tier.polygons))], dtype=object)
        label = np.where(tier.building >= 0, rows[tier.building], "")
        held = given.assign(grid=label)
        totals = total_by_grid(held[held["grid"] != ""], rows.tolist())
        measured = scales.loads(tier, tier.size)
        lower, target, upper = (
            np.array([getattr(want.size, bound) for want in tier.ranges])
            for bound in ("lower", "target", "upper")
        )
        table = totals.reset_index(drop=True).assign(
            tier=depth + 1,
            tier_name=tier.name["zh"],
            tier_name_en=tier.name["en"],
            code=tier.code,
            name=tier.words["zh"],
            name_en=tier.words["en"],
            parent=_parents(tier, larger),
            community=homes[tier.community],
            area_m2=shapely.area(tier.polygons).round(2),
            lower=lower.round(1),
            target=target.round(1),
            upper=upper.round(1),
            measured=measured.round(1),
            in_range=tier.exempt | ((measured >= lower) & (measured <= upper)),
        )
        frame = gpd.GeoDataFrame(table, geometry=list(tier.polygons), crs=area.crs)[TIER_COLUMNS]
        frames.append(frame)
        figures.append(sum_up(depth, tier, frame))
        if tier.basic:
            named = np.array(tier.code, dtype=object)
            buildings = buildings.assign(grid=np.where(tier.building >= 0, named[tier.building], ""))
            grids = drawn.iloc[tier.rows].reset_index(drop=True)
            renamed = dict(zip(grids["code"], tier.code, strict=True))
            grids = grids.assign(code=tier.code, area_m2=frame["area_m2"]).set_geometry(frame.geometry)
            grids = grids.sort_values("code", ignore_index=True)
            continue  # the judgement of the plan speaks of these
        names = np.array(
            [code or name for code, name in zip(tier.code, frame["name"], strict=True)], dtype=object
        )
        column = np.where(tier.building >= 0, names[tier.building], "")
        buildings = buildings.assign(**{f"tier_{depth + 1}": column})
        smaller = tiers[depth + 1] if not any(one.basic for one in tiers[: depth + 1]) else None
        violations += [] if soft else find_size_faults(area, tier, larger, frame, smaller)
        violations += [*find_miscounts(tier, homes), *find_failures(tier, frame)]
        imbalance += list_imbalance(depth, tier, frame)
    imbalance.sort(key=lambda line: (-line["beyond"], line["tier"], line["code"], line["name"]["zh"]))
    return Tiers(
        gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=area.crs),
        grids,
        buildings,
        tuple(violations),
        figures,
        imbalance,
        renamed,
    )


def _parents(tier: Level, larger: Level | None) -> list[str]:
    if larger is None:
        return [""] * len(tier.polygons)
    return [larger.code[p] or larger.words["zh"][p] for p in tier.parents]
