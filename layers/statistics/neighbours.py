"""Who is whose neighbour: areas that touch (libpysal), or places near each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layers.statistics.errors import need_extra
from layers.statistics.statement import Both, both

if TYPE_CHECKING:
    import geopandas as gpd

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neighbours:
    """Neighbours of unit i are `indices[starts[i] : starts[i + 1]]`; nobody is their own.

    words: how it was made.
    """

    starts: Whole
    indices: Whole
    words: Both

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> Whole:
        """How many neighbours each unit has; an island has none."""
        return np.diff(self.starts)

    def take(self, order: npt.NDArray[np.intp]) -> Neighbours:
        """The units of `order` alone, in that order; who is not among them is nobody's neighbour."""
        new = np.full(len(self), -1, dtype=np.int64)
        new[order] = np.arange(len(order))
        rows = [np.sort(new[self.indices[self.starts[k] : self.starts[k + 1]]]) for k in order]
        rows = [row[row >= 0] for row in rows]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        indices = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
        return Neighbours(starts, indices, self.words)

    def graph(self) -> Any:
        """The same as a `libpysal.graph.Graph` of equal weights, as esda wants it."""
        with need_extra():
            from libpysal.graph import Graph
        counts, n = self.counts, len(self)
        alone = np.flatnonzero(counts == 0)
        focal = np.concatenate([np.repeat(np.arange(n), counts), alone])
        other = np.concatenate([self.indices, alone])
        weight = np.concatenate([np.ones(len(self.indices)), np.zeros(len(alone))])
        return Graph.from_arrays(focal, other, weight)


def touching(areas: gpd.GeoSeries, *, rook: bool = False) -> Neighbours:
    """Areas that share a border (`rook`), or a border or a corner (queen). Vertices must be shared."""
    with need_extra():
        from libpysal.graph import Graph
    if len(areas) < 2:
        return _of_pairs(np.zeros((0, 2), dtype=np.int64), len(areas), _contiguity(rook))
    graph = Graph.build_contiguity(areas.reset_index(drop=True), rook=rook)
    return _of_graph(graph, len(areas), _contiguity(rook))


def touching_cells(columns: Whole, rows: Whole, *, rook: bool = False) -> Neighbours:
    """Squares of a lattice by column and row. Raises ValueError where two squares are the same."""
    number = {(int(c), int(r)): k for k, (c, r) in enumerate(zip(columns, rows, strict=True))}
    if len(number) != len(columns):
        raise ValueError("two cells are the same square")
    steps = [(0, 1), (0, -1), (1, 0), (-1, 0)]
    if not rook:
        steps += [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    pairs = [
        (k, number[at])
        for (c, r), k in number.items()
        for dc, dr in steps
        if (at := (c + dc, r + dr)) in number
    ]
    return _of_pairs(np.array(pairs, dtype=np.int64).reshape(-1, 2), len(columns), _contiguity(rook))


def within(places: Floats, distance_m: float) -> Neighbours:
    """Places at most `distance_m` metres apart. Raises ValueError for a distance that is not positive."""
    if distance_m <= 0:
        raise ValueError("the distance must be positive")
    words = both("statistics.neighbours_band", metres=f"{distance_m:g}")
    if len(places) < 2:
        return _of_pairs(np.zeros((0, 2), dtype=np.int64), len(places), words)
    from scipy.spatial import KDTree

    # libpysal's band leaves out places at the same point, which buildings' entrances may share
    pairs = KDTree(places).query_pairs(distance_m, output_type="ndarray").astype(np.int64)
    return _of_pairs(np.concatenate([pairs, pairs[:, ::-1]]), len(places), words)


def nearest(places: Floats, k: int = 8) -> Neighbours:
    """The `k` nearest places of each; of two equally far the western, then the southern one.

    Raises ValueError for fewer than `k` + 1 places or a `k` below 1.
    """
    if k < 1 or len(places) <= k:
        raise ValueError("there must be more places than neighbours wanted, and at least one wanted")
    # libpysal takes no two places that are the same, and leaves to the order of rows who wins a tie
    order = np.lexsort((places[:, 1], places[:, 0]))
    pairs = np.empty((len(places), k, 2), dtype=np.int64)
    for unit in order:
        squared = ((places[order] - places[unit]) ** 2).sum(axis=1)
        squared[order == unit] = np.inf
        pairs[unit, :, 0] = unit
        pairs[unit, :, 1] = order[np.argsort(squared, kind="stable")[:k]]
    return _of_pairs(pairs.reshape(-1, 2), len(places), both("statistics.neighbours_nearest", k=k))


def _contiguity(rook: bool) -> Both:
    return both("statistics.neighbours_rook" if rook else "statistics.neighbours_queen")


def _of_graph(graph: Any, n: int, words: Both) -> Neighbours:
    adjacency = graph.adjacency
    focal = adjacency.index.get_level_values(0).to_numpy(dtype=np.int64)
    other = adjacency.index.get_level_values(1).to_numpy(dtype=np.int64)
    return _of_pairs(np.column_stack([focal, other]), n, words)


def _of_pairs(pairs: Whole, n: int, words: Both) -> Neighbours:
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0) if len(pairs) else pairs
    starts = np.concatenate([[0], np.cumsum(np.bincount(pairs[:, 0], minlength=n))]).astype(np.int64)
    return Neighbours(starts, pairs[:, 1].copy(), words)
