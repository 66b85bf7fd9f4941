"""Blocks become units: slivers and small empty faces join a neighbour, oversize blocks are cut between
buildings.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from partition.arrays import Geometries, Lengths, Numbers
from partition.geometry.blocks import Blocks, Borders, build_blocks, total
from partition.geometry.linework import BORDER_CLASSES, SAME_M, Linework, cluster_footprints, detour
from partition.geometry.medians import part_medians
from partition.geometry.ridges import ridges_between
from partition.geometry.tails import part_tails
from partition.intake.inner import inner_points

SMALL_M2 = 1500.0  # an empty face smaller than this is no unit of its own
THIN_M = 12.0  # nor is one narrower than this, such as the strip between two carriageways
ALONG = 0.5  # a neighbour lies along a face on this share of its longest side, or more
SPACING_M = 2.0  # of the points on footprints between which a cut runs
SHRINK_M = 0.3  # footprints that touch are parted by this before they are cut apart


@dataclass(frozen=True)
class Units:
    """What gets assigned. `unit` gives each face's unit; households and area (m²) are by unit;
    `building_unit` is by row of the community's buildings, -1 for none.
    """

    blocks: Blocks
    unit: Numbers
    households: Numbers
    area_m2: Lengths
    building_unit: Numbers

    def __len__(self) -> int:
        return len(self.households)


def build_units(
    linework: Linework,
    community: shapely.Geometry,
    buildings: gpd.GeoDataFrame,
    border_cost: Mapping[str, float],
    cut_above: float,
    *,
    fill: Callable[[Units], Lengths] | None = None,
    settled: npt.NDArray[np.bool_] | None = None,
) -> Units:
    """Make the units of one community.

    Faces between barriers first; blocks with more households than `cut_above` are then cut between their
    buildings (no building is cut), all others stay as they are. Rows with one `atom` end in one unit. fill:
    tells what of each unit is held against `cut_above` instead of its households. settled: the rows of
    `buildings` that are worth a unit of their own, instead of those with households.
    """
    settled = buildings["households"].to_numpy() > 0 if settled is None else settled
    linework = _with_middles(linework, community, buildings)
    units = _join_faces(build_blocks(linework, community), linework, buildings, settled, border_cost)
    large = np.flatnonzero((units.households if fill is None else fill(units)) > cut_above)
    return _cut(units, large, linework, community, buildings, settled, border_cost)


def build_labelled_units(
    linework: Linework,
    community: shapely.Geometry,
    buildings: gpd.GeoDataFrame,
    label: Numbers,
    border_cost: Mapping[str, float],
) -> Units:
    """Make units for a plan given by building: blocks whose buildings bear several labels are cut between
    them.

    `label` is by row of `buildings`, -1 for none.
    """
    settled = label >= 0
    linework = _with_middles(linework, community, buildings)
    units = _join_faces(build_blocks(linework, community), linework, buildings, settled, border_cost)
    lowest = np.full(len(units), np.iinfo(np.int64).max)
    highest = np.full(len(units), -1)
    placed = settled & (units.building_unit >= 0)
    np.minimum.at(lowest, units.building_unit[placed], label[placed])
    np.maximum.at(highest, units.building_unit[placed], label[placed])
    return _cut(units, np.flatnonzero(highest > lowest), linework, community, buildings, settled, border_cost)


def _cut(
    units: Units,
    which: Numbers,
    linework: Linework,
    community: shapely.Geometry,
    buildings: gpd.GeoDataFrame,
    settled: npt.NDArray[np.bool_],
    border_cost: Mapping[str, float],
) -> Units:
    if not len(which):
        return units
    faces = _rows_by_unit(units.unit, len(units))
    rows = _rows_by_unit(units.building_unit, len(units))
    footprints = buildings.geometry.to_numpy()
    cuts = [
        cut_between_buildings(shapely.coverage_union_all(units.blocks.faces[faces[i]]), footprints[rows[i]])
        for i in which
    ]
    finer = linework.with_lines(np.concatenate(cuts))
    return _join_faces(build_blocks(finer, community), finer, buildings, settled, border_cost)


def _with_middles(linework: Linework, community: shapely.Geometry, buildings: gpd.GeoDataFrame) -> Linework:
    blocks, footprints = build_blocks(linework, community), buildings.geometry.to_numpy()
    return part_tails(blocks.faces, part_medians(blocks, linework, footprints), footprints)


def _rows_by_unit(unit: Numbers, count: int) -> list[Numbers]:
    """The rows of each unit, ascending."""
    order = np.argsort(unit, kind="stable")
    return np.split(order, np.searchsorted(unit[order], np.arange(count + 1)))[1:-1]


def cut_between_buildings(block: shapely.Geometry, footprints: Geometries) -> Geometries:
    """Lines that part the block halfway between its footprints (metres); none of them enters a footprint.

    They run halfway between points along the footprints (Fleischmann et al. 2020, morphological
    tessellation).
    """
    obstacles, _ = cluster_footprints(footprints)
    clipped = shapely.intersection(obstacles, block)
    if len(clipped) < 2:
        return np.empty(0, dtype=object)
    shrunk = shapely.buffer(clipped, -SHRINK_M, join_style="mitre")
    shrunk = np.where(shapely.is_empty(shrunk), clipped, shrunk)
    points, owner = shapely.get_coordinates(shapely.segmentize(shrunk, SPACING_M), return_index=True)
    lines = ridges_between(points, owner, block)
    lines, _, _ = detour(lines, np.zeros(len(lines), dtype=np.int64), obstacles, SAME_M)
    return lines


def _join_faces(
    blocks: Blocks,
    linework: Linework,
    buildings: gpd.GeoDataFrame,
    settled: npt.NDArray[np.bool_],
    border_cost: Mapping[str, float],
) -> Units:
    """Join faces that are no units of their own to a neighbour, the one with the costliest border between
    them.

    A face with a building marked in `settled` is a unit of its own, however small. The faces in an area that
    stands apart are one unit, as far as they touch, and the largest one is kept.
    """
    faces, borders = blocks.faces, blocks.borders
    face_of = _locate(faces, buildings)
    households = np.zeros(len(faces), dtype=np.int64)
    placed = face_of >= 0
    np.add.at(households, face_of[placed], buildings["households"].to_numpy()[placed])
    kept = np.zeros(len(faces), dtype=bool)
    kept[face_of[placed & settled]] = True
    kept[largest_within(faces, linework.apart)] = True
    join = _Joining(faces, borders, kept, border_cost)
    area = _area_of(faces, linework.apart)
    join.unite_areas(area, borders)
    join.share_medians(_within(faces, linework.medians) & (area < 0))
    join.share_tails(_within(faces, linework.tails) & (area < 0))
    join.unite_atoms(face_of[placed], buildings["atom"].to_numpy()[placed])
    join.absorb_small()
    return _number_units(blocks, join.roots(), households, face_of, buildings["atom"].to_numpy())


def _locate(faces: Geometries, buildings: gpd.GeoDataFrame) -> Numbers:
    """The face of each building; a row outside all of them goes with its building, or to the nearest face."""
    points = inner_points(buildings.geometry.to_numpy())
    found = np.full(len(points), -1, dtype=np.int64)
    building, face = shapely.STRtree(faces).query(points, predicate="intersects")
    order = np.lexsort((-face, building))  # on a border: the face with the lower number
    found[building[order]] = face[order]
    atoms = buildings["atom"].to_numpy()
    for lost in np.flatnonzero(found < 0).tolist():
        known = found[(atoms == atoms[lost]) & (found >= 0)]
        found[lost] = known[0] if len(known) else np.argmin(shapely.distance(faces, points[lost]))
    return found


def _within(faces: Geometries, areas: Geometries) -> npt.NDArray[np.bool_]:
    """Which faces lie in one of the areas."""
    found = np.zeros(len(faces), dtype=bool)
    if len(areas):
        found[shapely.STRtree(areas).query(shapely.point_on_surface(faces), predicate="intersects")[0]] = True
    return found


def _area_of(faces: Geometries, areas: Geometries) -> Numbers:
    """The area that each face lies in, -1 for none."""
    found = np.full(len(faces), -1, dtype=np.int64)
    if len(areas):
        face, area = shapely.STRtree(areas).query(shapely.point_on_surface(faces), predicate="intersects")
        order = np.lexsort((-area, face))
        found[face[order]] = area[order]
    return found


def largest_within(faces: Geometries, areas: Geometries) -> Numbers:
    """The largest face that lies in each of the areas, where there is one."""
    if not len(areas):
        return np.empty(0, dtype=np.int64)
    face, area = shapely.STRtree(areas).query(shapely.point_on_surface(faces), predicate="intersects")
    order = np.lexsort((face, -shapely.area(faces[face]).round(3), area))
    first = np.unique(area[order], return_index=True)[1]
    return np.asarray(face[order][first], dtype=np.int64)


class _Joining:
    """Union of faces with the borders between the unions kept up to date."""

    def __init__(
        self, faces: Geometries, borders: Borders, kept: npt.NDArray[np.bool_], cost: Mapping[str, float]
    ) -> None:
        self.parent = list(range(len(faces)))
        self.beside: dict[int, int] = {}
        self.area = shapely.area(faces).round(3).tolist()
        self.kept = kept.tolist()
        self.outer = borders.outer.tolist()
        weight = np.array([cost[name] for name in BORDER_CLASSES])[borders.kind] * borders.length.round(3)
        # neighbour -> [cost of the border, its length, length that can be walked across]
        self.near: list[dict[int, list[float]]] = [defaultdict(lambda: [0.0, 0.0, 0.0]) for _ in faces]
        for a, b, w, length, severed in zip(
            borders.a.tolist(),
            borders.b.tolist(),
            weight.tolist(),
            borders.length.tolist(),
            borders.severed.tolist(),
            strict=True,
        ):
            for one, other in ((a, b), (b, a)):
                entry = self.near[one][other]
                entry[0] += w
                entry[1] += length
                entry[2] += 0.0 if severed else length

    def root(self, face: int) -> int:
        while self.parent[face] != face:
            self.parent[face] = self.parent[self.parent[face]]
            face = self.parent[face]
        return face

    def roots(self) -> Numbers:
        return np.array([self.root(face) for face in range(len(self.parent))], dtype=np.int64)

    def unite(self, a: int, b: int) -> int:
        a, b = self.root(a), self.root(b)
        if a == b:
            return a
        if len(self.near[a]) < len(self.near[b]):
            a, b = b, a
        self.parent[b] = a
        self.area[a] += self.area[b]
        self.kept[a] = self.kept[a] or self.kept[b]
        self.outer[a] += self.outer[b]
        for other, entry in self.near[b].items():
            del self.near[other][b]
            if other != a:
                for mine in (self.near[a][other], self.near[other][a]):
                    for i in range(3):
                        mine[i] += entry[i]
        self.near[b].clear()
        return a

    def share_medians(self, median: npt.NDArray[np.bool_]) -> None:
        """Each piece of a median joins the block beside it, the one with the costliest border between."""
        for face in np.flatnonzero(median).tolist():
            beside = [
                (entry[2] > 1.0, entry[0], -other)
                for other, entry in self.near[face].items()
                if not median[other]
            ]
            if beside:
                self.beside[face] = -max(beside)[2]
        for face, block in sorted(self.beside.items()):
            self.unite(face, block)

    def share_tails(self, tail: npt.NDArray[np.bool_]) -> None:
        """Each tail joins what it lies along."""
        for face in np.flatnonzero(tail).tolist():
            here = self.root(face)
            if self.near[here] and not self.kept[here]:
                self.unite(here, self._beside_most(here))

    def _beside_most(self, face: int) -> int:
        """The neighbour with the costliest border of those that lie along the face, not only at its end. A
        border that nobody can walk across is joined over only when there is no other.
        """
        near = self.near[face]
        longest = max(entry[1] for entry in near.values())
        along = {other: entry for other, entry in near.items() if entry[1] >= ALONG * longest}
        walkable = {other: entry for other, entry in near.items() if entry[2] > 1.0}
        choice = {other: entry for other, entry in along.items() if other in walkable} or walkable or near
        return max(choice.items(), key=lambda item: (item[1][0], -item[0]))[0]

    def unite_areas(self, area: Numbers, borders: Borders) -> None:
        """Faces in one area that touch are one."""
        inner = (area[borders.a] == area[borders.b]) & (area[borders.a] >= 0)
        for a, b in np.unique(np.stack([borders.a[inner], borders.b[inner]], axis=1), axis=0).tolist():
            self.unite(a, b)

    def unite_atoms(self, face_of: Numbers, atoms: Numbers) -> None:
        """Rows of one building come into one unit; where they lie apart, the fewest faces between them come
        too.
        """
        by_atom: dict[int, list[int]] = defaultdict(list)
        for face, atom in zip(face_of.tolist(), atoms.tolist(), strict=True):
            by_atom[atom].append(face)
        for _, members in sorted(by_atom.items()):
            first = members[0]
            for face in members[1:]:
                for step in self._way(self.root(first), self.root(face)):
                    self.unite(first, step)

    def _way(self, start: int, goal: int) -> list[int]:
        before = {start: start}
        queue = deque([start])
        while queue and goal not in before:
            here = queue.popleft()
            for there in sorted(self.near[here]):
                if there not in before and self.near[here][there][2] > 0:
                    before[there] = here
                    queue.append(there)
        if goal not in before:
            return [goal]
        way = [goal]
        while way[-1] != start:
            way.append(before[way[-1]])
        return way

    def absorb_small(self) -> None:
        heap = [(self.area[f], f) for f in range(len(self.parent)) if self.parent[f] == f]
        heapq.heapify(heap)
        while heap:
            area, face = heapq.heappop(heap)
            if (
                self.parent[face] != face
                or self.area[face] != area
                or not self._is_small(face)
                or not self.near[face]
            ):
                continue
            merged = self.unite(face, self._beside_most(face))
            heapq.heappush(heap, (self.area[merged], merged))

    def _is_small(self, face: int) -> bool:
        if self.kept[face]:
            return False
        perimeter = self.outer[face] + sum(entry[1] for entry in self.near[face].values())
        if self.area[face] < SMALL_M2 or 2 * self.area[face] / max(perimeter, 1e-9) < THIN_M:
            return True
        return all(
            entry[2] < 1.0 for entry in self.near[face].values()
        )  # nobody lives there and none can reach it


def _number_units(
    blocks: Blocks, roots: Numbers, households: Numbers, face_of: Numbers, atoms: Numbers
) -> Units:
    """Number units by their first building, then by area: an order that moving or turning the input leaves
    alone.
    """
    _, unit = np.unique(roots, return_inverse=True)
    unit = unit.reshape(-1).astype(np.int64)
    count = int(unit.max()) + 1 if len(unit) else 0
    area = np.bincount(unit, weights=shapely.area(blocks.faces), minlength=count)
    first = np.full(count, np.iinfo(np.int64).max)
    placed = face_of >= 0
    np.minimum.at(first, unit[face_of[placed]], atoms[placed])
    rank = np.empty(count, dtype=np.int64)
    rank[np.lexsort((area.round(3), first))] = np.arange(count)
    unit = rank[unit]
    return Units(
        blocks=blocks,
        unit=unit,
        households=np.bincount(unit, weights=households, minlength=count).astype(np.int64),
        area_m2=total(unit, shapely.area(blocks.faces).round(3), count),
        building_unit=np.where(placed, unit[face_of], -1),
    )
