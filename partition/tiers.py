"""Tiers: grids nested in larger grids and divided into smaller ones, each named and sized by its own rule.

A tier above is made by grouping the tier below it, a tier below by dividing each grid, so that no child ever
crosses its parent. Polygons are taken from the finest tier and dissolved upwards: all tiers share their
vertices, and children make up their parent exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from partition.area import Area
from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.codes import code_prefix, issue_below, reading_order
from partition.constraints import Reason
from partition.crew import Alone, Crew
from partition.findings import Finding, name_rows
from partition.grids import dissolve, match_edges, total_by_grid
from partition.loads import total_loads, weigh_area
from partition.metrics import variation
from partition.nesting import Nest, Range, divide_grids, group_grids, knit, share_number
from partition.plan import EFFORT
from partition.rules import Measure, Profile, Size, TierRule
from partition.split import Split

GRID = {"zh": "网格", "en": "grid"}
AREA = {"zh": "片区", "en": "area"}
SMALL = {"zh": "微网格", "en": "small grid"}
GRID_DIGITS, CHILD_DIGITS = 3, 2  # of a grid's own number in its code, and of a child's below it
UNITS = {
    "households": {"zh": "户", "en": "households"},
    "residents": {"zh": "人", "en": "residents"},
    "area": {"zh": "平方米", "en": "m²"},
    "workload": {"zh": "工作量", "en": "workload"},
}
BASIC = "basic"  # the kind of a grid that does not stand apart
FAR = 0.25  # beyond its range by more than this share of the target, a grid is called far from it
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
class Ask:
    """A tier asked for by hand: its number of grids (in each community; the range is the mean and a third
    either way), or its size in the profile's measure. `name`, where given, is one of the profile's tiers or a
    new one.
    """

    name: str = ""
    number: int | None = None
    size: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Wish:
    """A tier to be made. number: of its grids in each community, None where the range decides. by_number: the
    range follows from the number.
    """

    rule: TierRule
    number: int | None = None
    by_number: bool = False


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

    def to_dict(self) -> dict[str, Any]:
        """Figures by tier, and the imbalance report, as plain data."""
        return {
            "tiers": self.figures,
            "imbalance": self.imbalance,
            "tier_violations": [finding.to_dict() for finding in self.violations],
        }


@dataclass
class _Tier:
    """One tier on its way. parent: of each grid, in the next larger tier; building: the grid of each row of
    the area's buildings, -1 for none; ranges: wanted by grid; exempt: grids that stand apart (schools, malls,
    parks) are not measured, nor divided.
    """

    name: Mapping[str, str]
    size: Size
    numbered: bool
    polygons: Geometries
    building: Numbers
    community: Numbers
    parent: Numbers | None = None
    reasons: dict[int, Reason] = field(default_factory=dict)
    ranges: list[Range] = field(default_factory=list)
    exempt: Flags = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    basic: bool = False
    rows: list[int] = field(default_factory=list)
    asked: dict[int, tuple[int, int]] = field(default_factory=dict)  # community -> number asked for, made
    code: list[str] = field(default_factory=list)
    stem: list[str] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)

    @property
    def parents(self) -> Numbers:
        """`parent` of a tier that has one."""
        assert self.parent is not None  # noqa: S101 - all but the first tier have one
        return self.parent


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
    tiers = [base]
    for done, wish in enumerate(reversed(above)):
        tell("tiers_above", done / len(above))
        tiers.insert(0, _tier_above(area, tiers[0], wish, scales, profile, seed, effort))
    for wish in below:
        tell("tiers_below", 0.0)
        tiers.append(_tier_below(area, tiers[-1], wish, scales, profile, seed, effort, crew, tell))
    _share_vertices(area, tiers)
    keep = not renumber or not any(tier.numbered for tier in tiers[: tiers.index(base)])
    _name_grids(area, tiers, grids["code"].to_list() if keep else None, renumber, issued)
    return _finish(area, tiers, grids, buildings, scales)


def tier_split(
    area: Area,
    split: Split,
    asks: Sequence[Ask] = (),
    *,
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
    buildings = made.buildings
    return replace(split, grids=made.grids, buildings=buildings, units=units, report=told), made


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


# --- what is wanted ---


def resolve_tiers(
    profile: Profile, asks: Sequence[Ask], total: Callable[[Size], float], grids: float
) -> tuple[list[Wish], list[Wish]]:
    """The tiers above and below the grids, each from large to small: the profile's, changed and completed by
    what is asked for.

    total: what a mean community holds, in the measure of a size; grids: of a mean community.
    """
    above = [Wish(rule) for rule in profile.tiers if rule.above]
    below = [Wish(rule) for rule in profile.tiers if not rule.above]
    measure, whole = profile.size.measure, total(profile.size)
    for ask in asks:
        for wishes in (above, below):
            for place, wish in enumerate(wishes):
                if ask.name and ask.name.casefold() in {word.casefold() for word in wish.rule.name.values()}:
                    wishes[place] = _amended(wish, ask)
                    break
            else:
                continue
            break
        else:
            number = float(ask.number) if ask.number is not None else whole / (ask.size or (1.0,) * 3)[1]
            up = number < grids
            lower, target, upper = ask.size or (0.0, whole / max(number, 1.0), 0.0)
            name = {"zh": ask.name, "en": ask.name} if ask.name else dict(AREA if up else SMALL)
            rule = TierRule(name, measure, lower, target, upper, numbered=not up, above=up)
            (above if up else below).append(Wish(rule, ask.number, by_number=ask.size is None))

    def share(wish: Wish) -> float:
        return -wish.rule.target / max(total(wish.rule.size), 1e-9)

    above.sort(key=share)
    below.sort(key=share)
    return _distinct(above, 0), _distinct(below, len(above) + 1)


def _amended(wish: Wish, ask: Ask) -> Wish:
    if ask.size is None:
        return replace(wish, number=ask.number, by_number=True)
    lower, target, upper = ask.size
    return replace(wish, rule=replace(wish.rule, lower=lower, target=target, upper=upper), number=ask.number)


def _distinct(wishes: list[Wish], before: int) -> list[Wish]:
    """Tiers of one name get the number of the tier."""
    names = [wish.rule.name["zh"] for wish in wishes]
    made = []
    for place, wish in enumerate(wishes):
        name = wish.rule.name
        if names.count(name["zh"]) > 1:
            tier = before + place + 1
            name = {"zh": f"{tier}级{name['zh']}", "en": f"{name['en']} of tier {tier}"}
        made.append(replace(wish, rule=replace(wish.rule, name=name)))
    return made


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

    def loads(self, tier: _Tier, size: Size) -> Lengths:
        """What each grid of a tier holds."""
        ground = np.asarray(shapely.area(tier.polygons))
        return np.asarray(total_loads(self.area(size).buildings, (size,), tier.building, ground)[:, 0])


# --- the tiers ---


def _base_tier(area: Area, grids: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame, profile: Profile) -> _Tier:
    rows = {code: row for row, code in enumerate(grids["code"])}
    homes = {home: number for number, home in enumerate(area.communities["id"])}
    community = grids["community"].map(homes).to_numpy(dtype=np.int64)
    classes = area.communities["class"].to_numpy()
    return _Tier(
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


def _tier_above(
    area: Area, tier: _Tier, wish: Wish, scales: _Scales, profile: Profile, seed: int, effort: int
) -> _Tier:
    load = scales.loads(tier, wish.rule.size)
    totals = np.bincount(tier.community, weights=load)
    wanted = {
        number: Range.of_number(wish.rule.size, totals[number], wish.number or 1)
        if wish.by_number
        else Range(wish.rule.size, wish.number)
        for number in np.unique(tier.community).tolist()
    }
    nest = group_grids(
        area,
        tier.polygons,
        tier.community,
        load,
        tier.building,
        wanted,
        profile,
        seed=seed,
        effort=effort,
    )
    tier.parent = nest.child
    community = np.zeros(len(nest.polygons), dtype=np.int64)
    community[nest.child] = tier.community
    return _new_tier(wish, nest, community, [wanted[number] for number in community.tolist()], None)


def _tier_below(
    area: Area,
    tier: _Tier,
    wish: Wish,
    scales: _Scales,
    profile: Profile,
    seed: int,
    effort: int,
    crew: Crew,
    tell: Callable[[str, float], None],
) -> _Tier:
    load = scales.loads(tier, wish.rule.size)
    wanted = [Range(wish.rule.size)] * len(load)
    if wish.number is not None:
        for number in np.unique(tier.community).tolist():
            own = np.flatnonzero((tier.community == number) & ~tier.exempt)
            held = pd.Series(tier.building).where(area.buildings["households"] > 0).value_counts()
            room = np.maximum(held.reindex(own).fillna(0).to_numpy(dtype=np.int64), 1)
            shares = share_number(
                wish.number - int((tier.exempt & (tier.community == number)).sum()), load[own], room
            )
            of_mean = Range.of_number(wish.rule.size, float(load[own].sum()), wish.number)
            size = of_mean.size if wish.by_number else wish.rule.size
            for grid, share in zip(own.tolist(), shares.tolist(), strict=True):
                wanted[grid] = Range(size, share)
    for grid in np.flatnonzero(tier.exempt).tolist():
        wanted[grid] = Range(wanted[grid].size, 1)
    nest = divide_grids(
        scales.area(wish.rule.size),
        tier.polygons,
        tier.community,
        tier.building,
        wanted,
        profile,
        seed=seed,
        effort=effort,
        crew=crew,
        progress=lambda share: tell("tiers_below", share),
    )
    ranges = [wanted[parent] for parent in nest.child.tolist()]
    made = _new_tier(wish, nest, tier.community[nest.child], ranges, nest.child)
    made.exempt = tier.exempt[nest.child]
    return made


def _new_tier(
    wish: Wish, nest: Nest, community: Numbers, ranges: list[Range], parent: Numbers | None
) -> _Tier:
    asked = {}
    if wish.number is not None:
        for number in np.unique(community).tolist():
            made = int((community == number).sum())
            if made != wish.number:
                asked[number] = (wish.number, made)
    return _Tier(
        name=wish.rule.name,
        size=wish.rule.size,
        numbered=wish.rule.numbered,
        polygons=nest.polygons,
        building=nest.building,
        community=community,
        parent=parent,
        reasons=nest.reasons,
        ranges=ranges,
        exempt=np.zeros(len(community), dtype=np.bool_),
        asked=asked,
    )


def _share_vertices(area: Area, tiers: list[_Tier]) -> None:
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


# --- codes and names ---


def _name_grids(
    area: Area, tiers: list[_Tier], kept: list[str] | None, renumber: bool, issued: Collection[str]
) -> None:
    """Number every tier in reading order within its parent, from the largest on; rows are put in that
    order.

    kept: the codes that the basic grids keep.
    """
    heads = [
        code_prefix(one, code)
        for one, code in zip(area.communities["id"], area.communities["code"], strict=True)
    ]
    basic = next(depth for depth, tier in enumerate(tiers) if tier.basic)
    left = GRID_DIGITS  # of the grid's own number: each numbered tier above takes one
    for depth, tier in enumerate(tiers):
        order = _order(tier, kept if tier.basic else None)
        _reorder(tier, order, tiers[depth + 1] if depth + 1 < len(tiers) else None)
        larger = tiers[depth - 1] if depth else None
        stems = (
            [heads[c] for c in tier.community] if larger is None else [larger.stem[p] for p in tier.parents]
        )
        if depth < basic:
            tier.numbered = tier.numbered and renumber and left > 1
            digits, left = 1, left - tier.numbered
        else:
            digits = left if depth == basic else CHILD_DIGITS
        if tier.basic and kept is not None:
            tier.code = [kept[row] for row in order.tolist()]
        elif tier.numbered:
            tier.code = _issue(stems, digits, tier, issued)
        else:
            tier.code = [""] * len(stems)
        tier.rows = order.tolist()
        tier.stem = [code or stem for code, stem in zip(tier.code, stems, strict=True)]
        tier.words = _words(tier, larger, above=depth < basic)


def _order(tier: _Tier, kept: list[str] | None) -> Numbers:
    """The rows in order: by parent (which is in order already), then as a person reads, or by their codes."""
    group = tier.community if tier.parent is None else tier.parent
    place = np.zeros(len(group), dtype=np.int64)
    if kept is not None:
        place[np.argsort(np.array(kept, dtype=str), kind="stable")] = np.arange(len(kept))
    else:
        middle = shapely.get_coordinates(shapely.point_on_surface(tier.polygons))
        for number in np.unique(group):
            own = np.flatnonzero(group == number)
            order = reading_order(middle[own, 0], middle[own, 1], shapely.area(tier.polygons[own]))
            place[own[order]] = np.arange(len(own))
    return np.lexsort((place, group, tier.community)).astype(np.int64)


def _reorder(tier: _Tier, order: Numbers, smaller: _Tier | None) -> None:
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    tier.polygons, tier.community = tier.polygons[order], tier.community[order]
    tier.parent = None if tier.parent is None else tier.parent[order]
    tier.ranges = [tier.ranges[row] for row in order.tolist()]
    tier.exempt = tier.exempt[order]
    tier.reasons = {int(rank[row]): reason for row, reason in tier.reasons.items()}
    tier.building = np.where(tier.building >= 0, rank[tier.building], -1)
    if smaller is not None:
        smaller.parent = rank[smaller.parents]


def _issue(stems: list[str], digits: int, tier: _Tier, issued: Collection[str]) -> list[str]:
    """A code for each grid: the next number under its stem."""
    codes: list[str] = []
    for stem in dict.fromkeys(stems):
        codes += issue_below(stem, stems.count(stem), digits, issued, tier.name)
    return codes


def _words(tier: _Tier, larger: _Tier | None, *, above: bool) -> dict[str, list[str]]:
    """What the grids are called, by language: larger ones by their number in the community, basic ones by
    their code, smaller ones by their number in their parent.
    """
    if tier.basic:
        last = [code[-GRID_DIGITS:] for code in tier.code]
        return {"zh": [f"{n}{GRID['zh']}" for n in last], "en": [f"{GRID['en']} {n}" for n in last]}
    if above or larger is None:
        place = _count_up(tier.community)
        return {
            "zh": [f"第{n}{tier.name['zh']}" for n in place],
            "en": [f"{tier.name['en']} {n}" for n in place],
        }
    numbers = list(zip(tier.parents.tolist(), _count_up(tier.parents), strict=True))
    return {
        "zh": [f"{larger.words['zh'][p]}第{n}{tier.name['zh']}" for p, n in numbers],
        "en": [f"{larger.words['en'][p]}, {tier.name['en']} {n}" for p, n in numbers],
    }


def _count_up(group: Numbers) -> list[int]:
    """1, 2, 3 … within each group; rows of a group stand together."""
    first = np.concatenate([[True], group[1:] != group[:-1]])
    starts = np.flatnonzero(first)
    count: list[int] = (np.arange(len(group)) - starts[np.cumsum(first) - 1] + 1).tolist()
    return count


# --- what comes out ---


def _finish(
    area: Area, tiers: list[_Tier], drawn: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame, scales: _Scales
) -> Tiers:
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
        figures.append(_figures(depth, tier, frame))
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
        violations += _size_faults(area, tier, larger, frame)
        violations += _miscounts(tier, homes)
        imbalance += _imbalance(depth, tier, frame)
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


def _parents(tier: _Tier, larger: _Tier | None) -> list[str]:
    if larger is None:
        return [""] * len(tier.polygons)
    return [larger.code[p] or larger.words["zh"][p] for p in tier.parents]


def _figures(depth: int, tier: _Tier, frame: gpd.GeoDataFrame) -> dict[str, Any]:
    measured = frame["measured"].to_numpy()
    return {
        "tier": depth + 1,
        "name": dict(tier.name),
        "numbered": tier.numbered,
        "grids": len(frame),
        "measure": tier.size.measure,
        "least": float(measured.min()),
        "mean": round(float(measured.mean()), 1),
        "greatest": float(measured.max()),
        "variation": round(variation(measured), 4),
        "share_in_range": round(float(frame["in_range"].mean()), 4),
    }


def _beyond(frame: gpd.GeoDataFrame) -> Lengths:
    """How far each grid is from its range, as a share of its target."""
    off = np.maximum(frame["lower"] - frame["measured"], frame["measured"] - frame["upper"])
    return np.asarray(np.maximum(off, 0.0) / np.maximum(frame["target"], 1e-9))


def _imbalance(depth: int, tier: _Tier, frame: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    beyond = _beyond(frame)
    return [
        {
            "tier": depth + 1,
            "tier_name": dict(tier.name),
            "code": frame["code"].iloc[row],
            "name": {"zh": frame["name"].iloc[row], "en": frame["name_en"].iloc[row]},
            "community": frame["community"].iloc[row],
            "measure": tier.size.measure,
            "measured": float(frame["measured"].iloc[row]),
            "lower": float(frame["lower"].iloc[row]),
            "upper": float(frame["upper"].iloc[row]),
            "beyond": round(float(beyond[row]), 4),
            "far": bool(beyond[row] > FAR),
            "reason": tier.reasons[row].cause if row in tier.reasons else "unproven",
        }
        for row in np.flatnonzero(~frame["in_range"].to_numpy()).tolist()
    ]


def _size_faults(area: Area, tier: _Tier, larger: _Tier | None, frame: gpd.GeoDataFrame) -> list[Finding]:
    """One finding for each grid out of its tier's range, with the reason."""
    faults = []
    ids = area.buildings["id"].to_numpy().astype(str)
    heavy = area.buildings["households"].to_numpy() > 0
    for row in np.flatnonzero(~frame["in_range"].to_numpy()).tolist():
        reason = tier.reasons.get(row, Reason("unproven", 0))
        alone = ""
        if reason.cause == "building":
            alone = name_rows(tuple(dict.fromkeys(ids[(tier.building == row) & heavy])))
        within = larger if larger is not None and tier.parent is not None else None
        values = {
            "tier_zh": tier.name["zh"],
            "tier_en": tier.name["en"],
            "name_zh": frame["name"].iloc[row],
            "name_en": frame["name_en"].iloc[row],
            "parent_zh": within.words["zh"][tier.parents[row]] if within else frame["community"].iloc[row],
            "parent_en": within.words["en"][tier.parents[row]] if within else frame["community"].iloc[row],
            "unit_zh": UNITS[tier.size.measure]["zh"],
            "unit_en": UNITS[tier.size.measure]["en"],
            "measured": float(frame["measured"].iloc[row]),
            "lower": float(frame["lower"].iloc[row]),
            "upper": float(frame["upper"].iloc[row]),
            "alone": float(reason.amount),
            "building": alone,
            "proven": reason.proven,
        }
        code = f"tier_{reason.cause}"
        label = frame["code"].iloc[row] or frame["name"].iloc[row]
        faults.append(Finding(code, "violated", "tiers", rows=(label,), values=values))
    return faults


def _miscounts(tier: _Tier, homes: Geometries) -> list[Finding]:
    """Communities in which a tier did not get the number of grids asked for."""
    found = []
    for number, (wanted, made) in sorted(tier.asked.items()):
        code = "tier_fewer" if made < wanted else "tier_more"
        values = {"tier_zh": tier.name["zh"], "tier_en": tier.name["en"], "wanted": wanted, "made": made}
        found.append(Finding(code, "violated", "tiers", rows=(str(homes[number]),), values=values))
    return found
