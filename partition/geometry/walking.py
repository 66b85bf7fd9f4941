"""Walking over the streets: the network of ways, and how far one walks from door to door.

Ways are all streets, lanes and paths, in both directions, whatever the traffic's; not arterials in a tunnel.
Two ways meet where they cross on one level, and where one of them ends on the other, whatever their levels (a
bridge comes down to the ground). They do not meet where a bridge or a tunnel passes over or under.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import numpy as np
import shapely
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from partition.arrays import Flags, Geometries, Lengths, Numbers
from partition.geometry.linework import NEAR_MISS_M, SEVERING, WALKABLE

# 80 m a minute (4.8 km/h) is the pace at which a 15-minute living circle (一刻钟生活圈) is 1,200 m
WALK_M_PER_MINUTE = 80.0
QUARTER_M = 15 * WALK_M_PER_MINUTE
SAME_PLACE_M = 0.01  # places on one level this close are one
LEVEL_APART_M = 1e6  # so far apart lie two levels when places are compared
SCRAP_M = 100.0  # ways that hang together for less than this lead nowhere: no door opens on them
AROUND = 4.0  # a door behind a wall looks for a way this many times as far as the nearest,
FARTHER_M = 100.0  # but at most so much farther
NEARER = 1.5  # where it looks first
PARTED_AT_ONCE = 256  # such doors looked at together, for the sake of memory
MOST_SOURCES = 64  # walked from at once, for the sake of memory
STEP_M = 1e-6  # two places that are one though on two levels lie this far apart: graphs drop edges of 0


@dataclass(frozen=True)
class Network:
    """Ways in metres: straight edges between nodes.

    nodes (n, 2): x, y. start, end (m,): the nodes of each edge; length (m,): metres. component (n,): which
    nodes hang together. open (m,): edges on which doors open. barriers: lines that no way from a door
    crosses (water, rail, walls).
    """

    nodes: Lengths
    start: Numbers
    end: Numbers
    length: Lengths
    component: Numbers
    open: Flags
    barriers: Geometries

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def doorways(self) -> tuple[Numbers, shapely.STRtree]:
        """The edges on which doors open, and a search tree of their lines; made once for many questions."""
        edges = np.flatnonzero(self.open).astype(np.int64)
        ends = np.stack([self.nodes[self.start[edges]], self.nodes[self.end[edges]]], axis=1)
        return edges, shapely.STRtree(shapely.linestrings(ends) if len(edges) else [])

    @cached_property
    def hedges(self) -> shapely.STRtree:
        """A search tree of the barriers."""
        return shapely.STRtree(self.barriers)


@dataclass(frozen=True)
class Access:
    """Where points get on the network: the edge (-1 where there is no way at all), metres along it from its
    start, and metres from the point to there.
    """

    edge: Numbers
    along: Lengths
    away: Lengths

    def __len__(self) -> int:
        return len(self.edge)

    def take(self, which: Numbers | slice) -> Access:
        """The access of some of the points."""
        return Access(self.edge[which], self.along[which], self.away[which])


def minutes(metres: Lengths | float) -> Lengths | float:
    """How long the walk takes at `WALK_M_PER_MINUTE`."""
    return metres / WALK_M_PER_MINUTE


# --- the network ---


def build_network(streets: gpd.GeoDataFrame) -> Network:
    """The network of the ways in `streets` (class, bridge, tunnel, layer, geometry; metres).

    An end that stops within NEAR_MISS_M of another way on its level, and meets none, is joined to it, as in
    the partition's linework.
    """
    names = streets["class"].to_numpy()
    tunnel = streets["tunnel"].to_numpy(dtype=bool)
    walkable = np.isin(names, WALKABLE) & ~(tunnel & (names == "arterial"))
    severing = np.isin(names, SEVERING) & ~tunnel
    lines = streets.geometry.to_numpy()
    layer = streets["layer"].to_numpy(dtype=np.int64)
    level = np.where(layer != 0, layer, streets["bridge"].to_numpy(dtype=np.int64) - tunnel.astype(np.int64))
    pieces = _Pieces.of(lines[walkable], level[walkable])
    return _joined(pieces, lines[severing])


@dataclass(frozen=True)
class _Pieces:
    """The straight pieces of the ways. tip (k, 2): the ends of whole ways; tip_way, tip_level: whose."""

    start: Lengths
    end: Lengths
    level: Numbers
    way: Numbers
    tip: Lengths
    tip_way: Numbers
    tip_level: Numbers

    @classmethod
    def of(cls, ways: Geometries, level: Numbers) -> _Pieces:
        points, way = shapely.get_coordinates(ways, return_index=True)
        inner = np.flatnonzero((way[:-1] == way[1:]) & (points[:-1] != points[1:]).any(axis=1))
        own = way[inner].astype(np.int64)
        tip = np.concatenate([shapely.get_coordinates(shapely.get_point(ways, place)) for place in (0, -1)])
        both = np.tile(np.arange(len(ways), dtype=np.int64), 2)
        return cls(points[inner], points[inner + 1], level[own], own, tip, both, np.tile(level, 2))

    def lines(self) -> Geometries:
        return np.asarray(shapely.linestrings(np.stack([self.start, self.end], axis=1)))


def _joined(pieces: _Pieces, barriers: Geometries) -> Network:
    """Cut the pieces wherever ways meet, and number the places where they do."""
    lines = pieces.lines()
    tree = shapely.STRtree(lines)
    length = np.hypot(*(pieces.end - pieces.start).T)
    every = np.arange(len(lines))
    tip, touched = _touch(pieces, lines, tree)
    # cuts: piece, metres along it, place; every piece is cut at its own ends
    cuts = [
        (every, np.zeros(len(lines)), pieces.start),
        (every, length, pieces.end),
        *_cross(pieces, lines, tree),
        touched,
    ]
    piece = np.concatenate([cut[0] for cut in cuts]).astype(np.int64)
    along = np.concatenate([cut[1] for cut in cuts])
    place = np.concatenate([*(cut[2] for cut in cuts), pieces.tip[tip]])
    level = np.concatenate([pieces.level[piece], pieces.tip_level[tip]])
    node, nodes = _number_places(place, level)
    order = np.lexsort((along, piece))
    one, other = order[:-1], order[1:]
    kept = (piece[one] == piece[other]) & (node[one] != node[other])
    one, other = one[kept], other[kept]
    hung = np.arange(len(piece), len(node))  # the ends that touch, each with the cut that it makes
    onto = hung - len(tip)
    gap = np.maximum(np.hypot(*(place[hung] - place[onto]).T), STEP_M)
    return _network(
        nodes,
        np.concatenate([node[one], node[hung]]),
        np.concatenate([node[other], node[onto]]),
        np.concatenate([along[other] - along[one], gap]),
        np.concatenate([level[one] == 0, np.zeros(len(tip), dtype=bool)]),
        barriers,
    )


Cuts = tuple[Numbers, Lengths, Lengths]


def _cross(pieces: _Pieces, lines: Geometries, tree: shapely.STRtree) -> list[Cuts]:
    """Cuts where pieces on one level cross, or lie on each other."""
    a, b = tree.query(lines, predicate="intersects")
    once = (a < b) & (pieces.level[a] == pieces.level[b])
    a, b = a[once], b[once]
    place, pair = shapely.get_coordinates(shapely.intersection(lines[a], lines[b]), return_index=True)
    points = shapely.points(place)
    return [(side[pair], shapely.line_locate_point(lines[side[pair]], points), place) for side in (a, b)]


def _touch(pieces: _Pieces, lines: Geometries, tree: shapely.STRtree) -> tuple[Numbers, Cuts]:
    """The ends of ways that lie on another way (within SAME_PLACE_M: an end moved to another CRS
    may miss the chord that it lay on), or stop just short of one on their level, and the cuts that they make.
    """
    points = shapely.points(pieces.tip)
    tip, piece = tree.query(points, predicate="dwithin", distance=NEAR_MISS_M)
    gap = shapely.distance(points[tip], lines[piece])
    order = np.lexsort((piece, gap.round(6), tip))
    tip, piece, gap = tip[order], piece[order], gap[order]
    own = pieces.way[piece] == pieces.tip_way[tip]
    level = pieces.level[piece] == pieces.tip_level[tip]
    meets = gap <= SAME_PLACE_M
    met = np.zeros(len(points), dtype=bool)
    met[tip[meets & ~own]] = True
    near = np.flatnonzero(~met[tip] & ~own & level)  # an end that meets nothing reaches the nearest way
    near = near[np.unique(tip[near], return_index=True)[1]]
    chosen = np.concatenate([np.flatnonzero(meets & ~own), near])
    tip, piece = tip[chosen], piece[chosen]
    along = shapely.line_locate_point(lines[piece], points[tip])
    place = shapely.get_coordinates(shapely.line_interpolate_point(lines[piece], along))
    return tip, (piece, along, place)


def _number_places(place: Lengths, level: Numbers) -> tuple[Numbers, Lengths]:
    """The node at each place, and where the nodes are. Places within SAME_PLACE_M on one level are one."""
    distinct, number = np.unique(np.column_stack([place, level * LEVEL_APART_M]), axis=0, return_inverse=True)
    if not len(distinct):
        return np.empty(0, dtype=np.int64), np.empty((0, 2))
    pairs = cKDTree(distinct).query_pairs(SAME_PLACE_M, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(distinct),) * 2)
    _, cluster = connected_components(links, directed=False)
    first = np.unique(cluster, return_index=True)[1]
    return cluster[number.reshape(-1)].astype(np.int64), distinct[first, :2]


def _network(
    nodes: Lengths, start: Numbers, end: Numbers, length: Lengths, ground: Flags, barriers: Geometries
) -> Network:
    """The network of these edges, each pair of nodes joined once, by the shortest."""
    a, b = np.minimum(start, end), np.maximum(start, end)
    order = np.lexsort((length, b, a))
    a, b, length, ground = a[order], b[order], length[order], ground[order]
    first = np.ones(len(a), dtype=bool)
    first[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    first &= a != b
    a, b, length, ground = a[first], b[first], length[first], ground[first]
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(nodes), len(nodes)))
    _, component = connected_components(links, directed=False)
    extent = np.bincount(component[a], weights=length, minlength=len(nodes) + 1)
    doors = ground & (extent[component[a]] >= SCRAP_M)
    if not doors.any():
        doors = ground if ground.any() else np.ones(len(a), dtype=bool)
    return Network(nodes, a, b, length, component.astype(np.int64), doors, barriers)


# --- doors ---


def find_access(network: Network, points: Geometries) -> Access:
    """Where each point gets on the network: the nearest way on the ground, and of those the nearest that no
    barrier parts from it.

    Where barriers part all ways nearby (within AROUND times the nearest, and FARTHER_M of it) the nearest
    counts. The way is straight, through gardens and yards.
    """
    edges, tree = network.doorways
    edge = np.full(len(points), -1, dtype=np.int64)
    if not len(edges) or not len(points):
        return Access(edge, np.zeros(len(points)), np.full(len(points), np.inf))
    lines, barriers = tree.geometries, network.hedges
    found = tree.query_nearest(points)
    nearest = np.full(len(points), len(edges), dtype=np.int64)
    np.minimum.at(nearest, found[0], found[1])  # of several, the one with the lower number
    parted = _parted(points, lines[nearest], barriers)
    apart = shapely.distance(points[parted], lines[nearest[parted]])
    for factor in (NEARER, AROUND):
        reach = np.minimum(factor * apart, apart + FARTHER_M)
        found = np.full(len(parted), -1, dtype=np.int64)
        for begin in range(0, len(parted), PARTED_AT_ONCE):
            some = slice(begin, begin + PARTED_AT_ONCE)
            found[some] = _nearest_free(points[parted[some]], reach[some], tree, barriers)
        free = found >= 0
        nearest[parted[free]] = found[free]
        parted, apart = parted[~free], apart[~free]
    return Access(
        edges[nearest],
        shapely.line_locate_point(lines[nearest], points),
        shapely.distance(lines[nearest], points),
    )


def _nearest_free(
    points: Geometries, reach: Lengths, tree: shapely.STRtree, barriers: shapely.STRtree
) -> Numbers:
    """The nearest line within `reach` metres that no barrier parts from each point, -1 for none."""
    lines = tree.geometries
    point, line = tree.query(points, predicate="dwithin", distance=reach)
    order = np.lexsort((line, shapely.distance(points[point], lines[line]).round(6), point))
    point, line = point[order], line[order]
    free = np.ones(len(point), dtype=bool)
    free[_parted(points[point], lines[line], barriers)] = False
    found = np.full(len(points), -1, dtype=np.int64)
    own, first = np.unique(point[free], return_index=True)
    found[own] = line[free][first]
    return found


def _parted(points: Geometries, lines: Geometries, barriers: shapely.STRtree) -> Numbers:
    """Which points a barrier parts from their line."""
    ways = shapely.shortest_line(points, lines)
    hit, barrier = barriers.query(ways, predicate="intersects")
    # a barrier along the way itself parts nothing: the door is on its near side
    ends = shapely.get_point(ways[hit], -1)
    beyond = shapely.distance(barriers.geometries[barrier], ends) > SAME_PLACE_M
    return np.unique(hit[beyond]).astype(np.int64)


# --- distances ---


def walk_distances(network: Network, sources: Access, targets: Access, *, limit_m: float = np.inf) -> Lengths:
    """Metres from each source to each target, shape (sources, targets), from door to door; inf beyond the
    limit, and where no way leads.
    """
    result = np.full((len(sources), len(targets)), np.inf)
    inner = np.flatnonzero(targets.edge >= 0)
    start, end = network.start[targets.edge[inner]], network.end[targets.edge[inner]]
    rest = network.length[targets.edge[inner]] - targets.along[inner]
    usable = np.flatnonzero(sources.edge >= 0)
    for begin in range(0, len(usable), MOST_SOURCES):
        some = usable[begin : begin + MOST_SOURCES]
        matrix = _with_doors(network, sources, some)
        far = dijkstra(matrix, indices=len(network) + np.arange(len(some)), limit=limit_m)
        reach = np.minimum(far[:, start] + targets.along[inner], far[:, end] + rest)
        same = sources.edge[some][:, None] == targets.edge[inner][None, :]
        straight = np.abs(sources.along[some][:, None] - targets.along[inner][None, :])
        reach = np.where(same, np.minimum(reach, straight + sources.away[some][:, None]), reach)
        result[np.ix_(some, inner)] = reach + targets.away[inner]
    return np.where(result <= limit_m, result, np.inf)


def walk_to_nearest(
    network: Network, sources: Access, targets: Access, *, limit_m: float = np.inf
) -> tuple[Lengths, Numbers]:
    """Metres from each target to the source that is nearest on foot, and which source that is (-1 for none
    within the limit).
    """
    metres = np.full(len(targets), np.inf)
    which = np.full(len(targets), -1, dtype=np.int64)
    usable = np.flatnonzero(sources.edge >= 0)
    inner = np.flatnonzero(targets.edge >= 0)
    if not len(usable) or not len(inner):
        return metres, which
    matrix = _with_doors(network, sources, usable)
    far, _, origin = dijkstra(
        matrix,
        indices=len(network) + np.arange(len(usable)),
        min_only=True,
        return_predecessors=True,
        limit=limit_m,
    )
    edge = targets.edge[inner]
    for node, on in (
        (network.start[edge], targets.along[inner]),
        (network.end[edge], network.length[edge] - targets.along[inner]),
    ):
        reach = far[node] + on + targets.away[inner]
        better = reach < metres[inner]
        metres[inner[better]] = reach[better]
        which[inner[better]] = usable[origin[node[better]] - len(network)]
    by_edge: dict[int, list[int]] = {}
    for source in usable.tolist():
        by_edge.setdefault(int(sources.edge[source]), []).append(source)
    for target in inner[np.isin(edge, list(by_edge))].tolist():
        for source in by_edge[int(targets.edge[target])]:
            straight = abs(sources.along[source] - targets.along[target])
            straight += sources.away[source] + targets.away[target]
            if straight < metres[target]:
                metres[target], which[target] = straight, source
    beyond = metres > limit_m
    metres[beyond], which[beyond] = np.inf, -1
    return metres, which


def _with_doors(network: Network, sources: Access, some: Numbers) -> csr_array:
    """The network as a matrix, with a node for each source's door: ways lead out of it only."""
    count = len(network) + len(some)
    door = len(network) + np.arange(len(some))
    edge = sources.edge[some]
    to_start = sources.away[some] + sources.along[some]
    to_end = sources.away[some] + network.length[edge] - sources.along[some]
    rows = np.concatenate([network.start, network.end, door, door])
    cols = np.concatenate([network.end, network.start, network.start[edge], network.end[edge]])
    metres = np.concatenate(
        [network.length, network.length, np.maximum(to_start, STEP_M), np.maximum(to_end, STEP_M)]
    )
    return csr_array(coo_array((metres, (rows, cols)), shape=(count, count)))
