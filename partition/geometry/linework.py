"""Barriers become clean linework: what bounds, what severs, near misses closed, detours round buildings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import geopandas as gpd
import numpy as np
import shapely

from partition.arrays import Geometries, Numbers

# What can run along a border; the position in the tuple is the class number in every array.
# outline: of a zone or a compound, where no line of its own is drawn.
BORDER_CLASSES = (
    "none", "path", "lane", "local", "wall", "secondary", "arterial", "water", "rail", "outline"
)  # fmt: skip
CLASS_NUMBER = {name: number for number, name in enumerate(BORDER_CLASSES)}
SEVERING = ("water", "rail", "wall")
WALKABLE = ("path", "lane", "local", "secondary", "arterial")

NEAR_MISS_M = 5.0  # a street that stops this close to another is taken to meet it
CROSSED_M = 0.5  # a line inside a footprint for more than this crosses the building
SAME_M = 0.01  # two things this close lie on the same line
NODE_M = 1e-7  # lines are noded on a lattice this fine: a line that ends on another surely meets it
OVERSHOOT_M = 1e-4  # a join is drawn this much too long, so that noding surely meets the line
GATE_M = 1.5  # how far from a crossing both its sides are looked at


@dataclass(frozen=True)
class Linework:
    """Lines in metres with the class number of each.

    `crossings` are points at which a way crosses a severing line; `unmarked` of them lead over water or rail
    without being marked as bridges. `medians` are the areas between carriageways whose middle lines are among
    the lines, `tails` the thin ends of blocks whose necks are. The largest face in each of the areas `apart`
    is a unit, however small.
    """

    lines: Geometries
    classes: Numbers
    crossings: Geometries
    near_misses: int = 0
    detours: int = 0
    unmarked: int = 0
    medians: Geometries = field(default_factory=lambda: np.empty(0, dtype=object))
    tails: Geometries = field(default_factory=lambda: np.empty(0, dtype=object))
    apart: Geometries = field(default_factory=lambda: np.empty(0, dtype=object))

    def with_lines(
        self,
        lines: Geometries,
        classes: Numbers | None = None,
        *,
        medians: Geometries | None = None,
        tails: Geometries | None = None,
    ) -> Linework:
        """The linework with further lines, of no class unless `classes` are given."""
        classes = np.zeros(len(lines), dtype=np.int64) if classes is None else classes
        return replace(
            self,
            lines=np.concatenate([self.lines, lines]),
            classes=np.concatenate([self.classes, classes]),
            medians=self.medians if medians is None else np.concatenate([self.medians, medians]),
            tails=self.tails if tails is None else np.concatenate([self.tails, tails]),
        )


def build_linework(
    streets: gpd.GeoDataFrame, community: shapely.Geometry, footprints: Geometries
) -> Linework:
    """Make the linework that divides one community.

    streets: the frame of `Area.streets`; community: its polygon; footprints: disjoint obstacles (see
    `cluster_footprints`). A tunnel bounds nothing (it is under the ground), but a way in a tunnel crosses
    what lies above it. Lines are cut away inside the footprints that they cross and led round them.
    """
    near = streets.iloc[np.sort(streets.sindex.query(community.buffer(NEAR_MISS_M), predicate="intersects"))]
    geometries = near.geometry.to_numpy()
    names = near["class"].to_numpy()
    tunnel = near["tunnel"].to_numpy(dtype=bool)
    numbers = np.array([CLASS_NUMBER[name] for name in names], dtype=np.int64)
    walkable = np.isin(names, WALKABLE) & ~(tunnel & (names == "arterial"))
    severing = np.isin(names, SEVERING) & ~tunnel
    crossings = find_crossings(geometries[severing], geometries[walkable])

    lines, classes = geometries[~tunnel], numbers[~tunnel]
    wkb = list(shapely.to_wkb(shapely.normalize(lines)))
    order = np.array(sorted(range(len(wkb)), key=lambda i: (wkb[i], classes[i])), dtype=np.int64)
    lines, classes = lines[order], classes[order]
    joins = close_near_misses(lines, community, footprints)
    lines = np.concatenate([lines, joins])
    classes = np.concatenate([classes, np.zeros(len(joins), dtype=np.int64)])
    lines, classes, detours = detour(lines, classes, footprints)
    unmarked = count_unmarked(near, crossings[shapely.intersects(community, crossings)])
    return Linework(lines, classes, crossings, near_misses=len(joins), detours=detours, unmarked=unmarked)


def count_unmarked(streets: gpd.GeoDataFrame, crossings: Geometries) -> int:
    """How many of the crossings lead over water or rail though nothing there is marked as bridge or tunnel.

    They are bridges and level crossings most often, and count as such; but a way drawn through a river by
    mistake looks the same, so they are worth a look.
    """
    if not len(crossings):
        return 0
    point, line = shapely.STRtree(streets.geometry.to_numpy()).query(crossings, "dwithin", 0.01)
    raised = (streets["bridge"] | streets["tunnel"]).to_numpy(dtype=bool)[line]
    over = np.isin(streets["class"].to_numpy()[line], ("water", "rail"))
    wet = np.bincount(point[over], minlength=len(crossings)) > 0
    marked = np.bincount(point[raised], minlength=len(crossings)) > 0
    return int((wet & ~marked).sum())


def find_crossings(severing: Geometries, ways: Geometries) -> Geometries:
    """The points at which ways lead from one side of a severing line to its other side: bridges, gates, level
    crossings. A way that only touches the line (a lane ending at a wall) does not lead through."""
    if not len(severing) or not len(ways):
        return np.empty(0, dtype=object)
    tree = shapely.STRtree(ways)
    s, w = tree.query(severing, predicate="intersects")
    if not len(s):
        return np.empty(0, dtype=object)
    meeting = shapely.get_parts(shapely.intersection(severing[s], ways[w], grid_size=None))
    points = np.unique(shapely.get_coordinates(shapely.point_on_surface(meeting)).round(3), axis=0)
    places: Geometries = np.asarray(shapely.points(points))
    severing_tree = shapely.STRtree(severing)
    passable = [
        _leads_through(
            p, severing[severing_tree.query(p, "dwithin", 0.01)], ways[tree.query(p, "dwithin", 0.01)]
        )
        for p in places
    ]
    return np.asarray(places[np.array(passable, dtype=bool)])


def _leads_through(point: shapely.Point, severing: Geometries, ways: Geometries) -> bool:
    disc = point.buffer(GATE_M, quad_segs=8)
    wall = shapely.intersection(shapely.union_all(severing), disc)
    halves = shapely.get_parts(
        shapely.polygonize(shapely.get_parts(shapely.union_all([wall, disc.boundary])))
    )
    if len(halves) < 2:  # the severing line ends here: one walks round its end
        return True
    inside = shapely.intersection(shapely.union_all(ways), disc)
    touched = shapely.length(shapely.intersection(halves, inside)) > GATE_M / 3
    return int(touched.sum()) >= 2


def node_lines(lines: Geometries, community: shapely.Geometry) -> Geometries:
    """The lines and the community's border, cut wherever they meet; coordinates move by NODE_M at most."""
    together = np.append(lines, shapely.boundary(community))
    return np.asarray(shapely.get_parts(shapely.unary_union(together, grid_size=NODE_M)))


def close_near_misses(lines: Geometries, community: shapely.Geometry, footprints: Geometries) -> Geometries:
    """Short lines that join dangling ends to what they nearly reach; none of them crosses a footprint."""
    if not len(lines):
        return np.empty(0, dtype=object)
    edges = node_lines(lines, community)
    ends = np.concatenate([shapely.get_coordinates(shapely.get_point(edges, i)) for i in (0, -1)])
    owner = np.tile(np.arange(len(edges)), 2)
    _, node, degree = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
    node = node.reshape(-1)
    dangling = np.flatnonzero(degree[node] == 1)
    if not len(dangling):
        return np.empty(0, dtype=object)
    tips = shapely.points(ends[dangling])
    t, e = shapely.STRtree(edges).query(tips, predicate="dwithin", distance=NEAR_MISS_M)
    # a stub shorter than the tolerance is near the edges it comes from, and has not missed them
    other = node[(dangling[t] + len(edges)) % (2 * len(edges))]
    met = (node[e] == other) | (node[e + len(edges)] == other)
    stub = shapely.length(edges[owner[dangling[t]]]) < 2 * NEAR_MISS_M
    foreign = (e != owner[dangling[t]]) & ~(met & stub)
    t, e = t[foreign], e[foreign]
    joins = shapely.shortest_line(tips[t], edges[e])
    order = np.lexsort((shapely.length(joins).round(6), t))
    _, best = np.unique(t[order], return_index=True)
    joins = joins[order][best]
    joins = joins[shapely.length(joins) > 0]
    blocked, _ = shapely.STRtree(footprints).query(joins, predicate="crosses")
    joins = np.delete(joins, np.unique(blocked))
    # drawn a little further, so that noding surely meets the line
    coords = shapely.get_coordinates(joins).reshape(-1, 2, 2)
    if not len(coords):
        return np.empty(0, dtype=object)
    direction = coords[:, 1] - coords[:, 0]
    coords[:, 1] += direction / np.linalg.norm(direction, axis=1, keepdims=True) * OVERSHOOT_M
    return np.asarray(shapely.linestrings(coords))


def cluster_footprints(geometries: Geometries) -> tuple[Geometries, Numbers]:
    """Obstacles: footprints with their courtyards, those that overlap united.

    Returns the obstacles and for each geometry the obstacle it belongs to. Footprints that only touch stay
    apart.
    """
    if not len(geometries):
        return np.empty(0, dtype=object), np.empty(0, dtype=np.int64)
    filled = fill_holes(geometries)
    a, b = shapely.STRtree(filled).query(filled, predicate="intersects")
    pair = a < b
    a, b = a[pair], b[pair]
    overlap = shapely.area(shapely.intersection(filled[a], filled[b])) > SAME_M
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(overlap.sum()), (a[overlap], b[overlap])), shape=(len(filled), len(filled)))
    count, member = connected_components(links, directed=False)
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(count + 1))
    sizes = np.diff(starts)
    united = np.empty(count, dtype=object)
    single = sizes == 1
    united[single] = filled[order[starts[:-1][single]]]
    for c in np.flatnonzero(~single):
        united[c] = fill_holes(np.array([shapely.union_all(filled[order[starts[c] : starts[c + 1]]])]))[0]
    return united, member.astype(np.int64)


def fill_holes(polygons: Geometries) -> Geometries:
    """The polygons (or multipolygons) without their holes."""
    parts, owner = shapely.get_parts(polygons, return_index=True)
    shells = shapely.polygons(shapely.get_exterior_ring(parts))
    if len(parts) == len(polygons):
        return np.asarray(shells)
    return np.array([shapely.union_all(shells[owner == i]) for i in range(len(polygons))], dtype=object)


def detour(
    lines: Geometries, classes: Numbers, footprints: Geometries, tolerance_m: float = CROSSED_M
) -> tuple[Geometries, Numbers, int]:
    """Lead lines round the footprints that they cross: the part inside gives way to the outline. A line that
    is inside for less than the tolerance is left alone.

    Returns lines, their classes (0 for outlines) and how many footprints were gone round.
    """
    line, foot = shapely.STRtree(footprints).query(lines, predicate="intersects")
    inside = shapely.length(shapely.intersection(lines[line], footprints[foot]))
    along = shapely.length(shapely.intersection(lines[line], shapely.boundary(footprints[foot])))
    crossed = inside - along > tolerance_m
    line, foot = line[crossed], foot[crossed]
    if not len(line):
        return lines, classes, 0
    kept = lines.copy()
    for i in np.unique(line):
        kept[i] = shapely.difference(lines[i], shapely.union_all(footprints[foot[line == i]]))
    parts, owner = shapely.get_parts(kept, return_index=True)
    alive = ~shapely.is_empty(parts) & (shapely.get_dimensions(parts) == 1)
    around = np.unique(foot)
    outlines, _ = shapely.get_rings(footprints[around], return_index=True)
    outlines = np.asarray(
        [shapely.linestrings(shapely.get_coordinates(ring)) for ring in outlines], dtype=object
    )
    return (
        np.concatenate([parts[alive], outlines]),
        np.concatenate([classes[owner[alive]], np.zeros(len(outlines), dtype=np.int64)]),
        len(around),
    )
