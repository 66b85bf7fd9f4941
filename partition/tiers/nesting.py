"""One tier from another: grids grouped to larger ones, or each divided into smaller ones. The engine is the
same: what is assigned is a grid, or the buildings of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import geopandas as gpd
import numpy as np
import shapely

from partition.area import Area
from partition.arrays import Geometries, Lengths, Numbers
from partition.city.crew import Crew
from partition.city.outcome import Failure
from partition.clock import Clock
from partition.division import Ground, divide_community
from partition.geometry.blocks import segments, undirected
from partition.geometry.grids import dissolve
from partition.geometry.linework import NODE_M
from partition.geometry.neighbours import build_neighbours
from partition.geometry.outlines import draw_outlines
from partition.geometry.pose import take_pose
from partition.parcels import buildings_by_community, cut_parcels
from partition.proof.settling import settle
from partition.solver.balance import Balance
from partition.solver.constraints import Reason, out_of_range
from partition.solver.layout import Search
from partition.solver.plan import make_plan
from partition.solver.problem import Problem, Weights
from partition.wishes.policy import Profile
from partition.wishes.rules import Size

BY_COUNT = 1 / 3  # a tier given by its number alone may miss its mean by this share
SLIVER_M = 1e-3  # what is thinner lies between borders that differ by rounding
INNER_WISHES = ("complex_smaller", "estates_whole", "soft")  # that hold within a grid as well


@dataclass(frozen=True)
class Range:
    """What is wanted of one grid's children, or of one community's larger grids: their range, and their
    number where it is asked for.
    """

    size: Size
    number: int | None = None

    @classmethod
    def of_number(cls, size: Size, load: float, number: int) -> Range:
        """The range that follows from a number: about the mean; nothing is in range of nothing."""
        mean = max(load / number, 1e-9)
        lower = mean * (1 - BY_COUNT) if load > 0 else 0.0
        return cls(replace(size, lower=lower, target=mean, upper=mean * (1 + BY_COUNT)), number)


@dataclass(frozen=True)
class Nest:
    """One tier made from another. child: for each grid of the smaller tier, its grid of the larger.

    polygons: of the tier that is new. reasons: why its grids are out of range, by their number. building: for
    each row of the area's buildings the grid of the new tier, -1 for none. failures: what broke the division
    of a grid, by the number of the only child that it then has.
    """

    child: Numbers
    polygons: Geometries
    reasons: dict[int, Reason]
    building: Numbers
    failures: dict[int, Failure] = field(default_factory=dict)


def group_grids(
    area: Area,
    polygons: Geometries,
    community: Numbers,
    load: Lengths,
    building: Numbers,
    wanted: Mapping[int, Range],
    profile: Profile,
    *,
    seed: int,
    effort: int,
) -> Nest:
    """Group the grids of each community to larger ones.

    polygons: of the grids (sharing their vertices); community: of each grid; load: what is measured of it;
    building: the grid of each building; wanted: by number of the community.
    """
    parent = np.full(len(polygons), -1, dtype=np.int64)
    reasons: dict[int, Reason] = {}
    made = 0
    order = _by_first_buildings(building, area.buildings["atom"].to_numpy(), load)
    for number in np.unique(community).tolist():
        own = order[community[order] == number]
        want = wanted[number]
        balance = Balance.of(want.size)
        graph = build_neighbours(
            polygons[own],
            np.round(load[own]).astype(np.int64),
            area.streets,
            profile.border_cost,
            profile.crossing_cost,
            parts=_parts(polygons[own], area.communities.geometry.iloc[number]),
            lower=balance.lower,
        )
        weights = Weights().balanced(profile.balance)
        problem = Problem(graph, load[own][:, None].astype(np.float64), (balance,), weights)
        count = None if want.number is None else min(want.number, len(own))
        plan = make_plan(problem, grids=count, effort=effort, seed=seed)
        fixed = want.number is not None
        why = out_of_range(problem, plan.assignment, fixed=fixed, finest=True, asked=want.number)
        label = plan.assignment
        if not _all_proven(why):
            found, why = settle_reasons(problem, why, count)
            label = label if found is None else found
        reasons |= {made + group: reason for group, reason in why.items()}
        parent[own] = made + label
        made += int(label.max()) + 1
    merged = dissolve(polygons, parent, made)
    return Nest(parent, merged, reasons, np.where(building >= 0, parent[building], -1))


def _by_first_buildings(building: Numbers, atoms: Numbers, load: Lengths) -> Numbers:
    """The grids in order of their first buildings: codes follow the map, and change where it is turned."""
    first = np.full(len(load), np.iinfo(np.int64).max)
    np.minimum.at(first, building[building >= 0], atoms[building >= 0])
    return np.lexsort((load, first))


def divide_grids(
    area: Area,
    polygons: Geometries,
    community: Numbers,
    building: Numbers,
    wanted: Sequence[Range],
    profile: Profile,
    *,
    seed: int,
    effort: int,
    crew: Crew,
    progress: Callable[[float], None],
) -> Nest:
    """Divide each grid into smaller ones, as a community is divided: every grid is one to its children.

    wanted: by grid.
    """
    inner = _grids_as_communities(area, polygons, community, building)
    rows = buildings_by_community(inner)
    items = zip(cut_parcels(inner), wanted, strict=True)
    pieces: dict[int, Piece] = {}
    progress(0.0)
    for number, outcome in crew.run(partial(divide_parcel, profile, seed, effort), items):
        if outcome.failure is None:
            pieces[number] = outcome.value
        else:  # one grid that breaks does not stop the others: it stays whole
            whole = np.zeros(len(rows[number]), dtype=np.int64)
            pieces[number] = Piece(polygons[number : number + 1], whole, {}, outcome.failure)
        progress(len(pieces) / len(polygons))
    label = np.full(len(area.buildings), -1, dtype=np.int64)
    reasons: dict[int, Reason] = {}
    failures: dict[int, Failure] = {}
    made = 0
    for number in range(len(polygons)):
        piece = pieces[number]
        label[rows[number]] = np.where(piece.building >= 0, made + piece.building, -1)
        reasons |= {made + grid: reason for grid, reason in piece.reasons.items()}
        if piece.failure is not None:
            failures[made] = piece.failure
        made += len(piece.polygons)
    sizes = np.array([len(pieces[number].polygons) for number in range(len(polygons))])
    return Nest(
        np.repeat(np.arange(len(polygons)), sizes),
        np.concatenate([pieces[number].polygons for number in range(len(polygons))]),
        reasons,
        label,
        failures,
    )


@dataclass(frozen=True)
class Piece:
    """The children of one grid. building: the child of each building of the grid, -1 for none."""

    polygons: Geometries
    building: Numbers
    reasons: dict[int, Reason]
    failure: Failure | None = None


def divide_parcel(profile: Profile, seed: int, effort: int, item: tuple[Area, Range]) -> Piece:
    """Divide one grid, which stands as the community of a parcel."""
    parcel, want = item
    rules = replace(
        profile,
        size=want.size,
        second=None,
        rural=None,
        tiers=(),
        village_whole=None,
        zones=None,
        wishes=tuple(wish for wish in profile.wishes if wish in INNER_WISHES),
    )
    parcel, pose = take_pose(parcel)
    done = divide_community(parcel, 0, rules, seed=seed, grids=want.number, effort=effort, clock=Clock())
    label, reasons = done.plan.assignment, done.reasons
    if not _all_proven(reasons):
        finest = Ground(parcel, 0, rules, Clock()).divide(
            0.0, Search(want.number, effort, seed, threads=1, finest=True)
        )
        found, reasons = settle_reasons(finest.problem, reasons, want.number)
        if found is not None:
            done, label = finest, found
    units = done.units
    footprints = parcel.buildings.geometry.to_numpy()
    outlines = draw_outlines(units, label[units.unit], int(label.max()) + 1, footprints)
    polygons = pose.back(outlines)
    unit = units.building_unit
    return Piece(polygons, np.where(unit >= 0, label[unit], -1)[pose.row], reasons)


def _all_proven(reasons: Mapping[int, Reason]) -> bool:
    return all(reason.proven for reason in reasons.values())


def settle_reasons(
    problem: Problem, reasons: dict[int, Reason], number: int | None
) -> tuple[Numbers | None, dict[int, Reason]]:
    """Grids out of range for no known reason, settled: a plan in range, or the proof that there is none.

    problem: of units that cannot be cut further.
    """
    settled = settle(problem, number)
    if settled.labels is not None:
        return settled.labels, out_of_range(problem, settled.labels, fixed=number is not None, finest=True)
    if settled.proven:
        whole = Reason("indivisible", float(problem.load[:, 0].sum()))
        reasons = {grid: reason if reason.proven else whole for grid, reason in reasons.items()}
    return None, reasons


def share_number(number: int, load: Lengths, room: Numbers) -> Numbers:
    """Share a number of grids among parents, so that they come out as even as can be: at least one each, the
    next one always to the parent of the highest load²/k(k+1) (Huntington 1928), and never more than `room`.
    """
    share = np.minimum(np.ones(len(load), dtype=np.int64), np.maximum(room, 1))
    while share.sum() < number and (share < room).any():
        claim = np.where(share < room, (load + 1e-9) ** 2 / (share * (share + 1.0)), -1.0)
        share[int(np.argmax(claim))] += 1
    return share


def knit(polygons: Geometries, community: shapely.Geometry) -> Geometries:
    """The polygons as an exact coverage of their community (metres): all borders are noded once together.

    Grids that were divided one by one have vertices of their own on the borders they share, and differ there
    by rounding. No border moves by more than NODE_M and what they differed by.
    """
    edges = shapely.unary_union(shapely.boundary(np.append(polygons, community)), grid_size=NODE_M)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(edges)))
    points = shapely.point_on_surface(faces)
    faces = faces[shapely.intersects(community, points) & (shapely.area(faces) > 0)]
    points = shapely.point_on_surface(faces)
    label = np.full(len(faces), -1, dtype=np.int64)
    face, polygon = shapely.STRtree(polygons).query(points, predicate="intersects")
    order = np.lexsort((-polygon, face))
    label[face[order]] = polygon[order]
    label[shapely.area(faces) < SLIVER_M * shapely.length(faces)] = -1
    claim_slivers(faces, label)
    return dissolve(faces, label, len(polygons))


def claim_slivers(faces: Geometries, label: Numbers) -> None:
    """Faces without a label go to the neighbour with the longest border."""
    start, end, owner = segments(faces)
    start, end = undirected(start, end)
    order = np.lexsort((end[:, 1], end[:, 0], start[:, 1], start[:, 0]))
    start, end, owner = start[order], end[order], owner[order]
    same = np.flatnonzero((start[:-1] == start[1:]).all(axis=1) & (end[:-1] == end[1:]).all(axis=1))
    one, other = np.concatenate([owner[[same, same + 1]], owner[[same + 1, same]]], axis=1)
    length = np.tile(np.hypot(*(end[same] - start[same]).T), 2)
    while True:
        beside = (label[one] < 0) & (label[other] >= 0)
        if not beside.any():
            label[label < 0] = 0
            return
        count = int(label.max()) + 1
        key, pair = np.unique(one[beside] * count + label[other[beside]], return_inverse=True)
        border = np.bincount(pair.reshape(-1), weights=length[beside]).round(9)
        face, wanted = key // count, key % count
        order = np.lexsort((-wanted, border, face))  # a face's longest border comes last
        label[face[order]] = wanted[order]


def _grids_as_communities(area: Area, polygons: Geometries, community: Numbers, building: Numbers) -> Area:
    names = np.array([f"{number}" for number in range(len(polygons))], dtype=object)
    classes = area.communities["class"].to_numpy()[community]
    frame = gpd.GeoDataFrame(
        {"id": names, "name": "", "code": "", "class": classes}, geometry=list(polygons), crs=area.crs
    )
    return replace(area, communities=frame, buildings=area.buildings.assign(community=building))


def _parts(polygons: Geometries, community: shapely.Geometry) -> Numbers:
    """The part of the community that each polygon lies in."""
    islands = shapely.get_parts(community)
    found = np.zeros(len(polygons), dtype=np.int64)
    if len(islands) > 1:
        point, on = shapely.STRtree(islands).query(shapely.point_on_surface(polygons), predicate="intersects")
        found[point] = on
    return found
