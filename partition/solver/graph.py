"""The units and what lies between them, as arrays that the solver walks on. Knows no geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.arrays import Lengths, Numbers


@dataclass(frozen=True)
class Graph:
    """Rook adjacency of n units as symmetric CSR (`indptr`, `indices`), a row's neighbours in ascending
    order.

    By arc: `length` of the shared border (m), `cost` of putting a grid border there instead of leaving it
    inside a grid (weighted m, may be negative), `walk`: whether one can walk across. By unit: `households`,
    `area` (m²), `outer` (m of border with the outside). `links` are pairs joined though they do not touch:
    islands of a community.
    """

    households: Numbers
    area: Lengths
    outer: Lengths
    indptr: Numbers
    indices: Numbers
    length: Lengths
    cost: Lengths
    walk: npt.NDArray[np.bool_]
    links: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.households)

    def rows(self) -> Numbers:
        """The unit each arc starts from."""
        rows: Numbers = np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.indptr))
        return rows

    def components(self, without: npt.NDArray[np.bool_] | None = None) -> Numbers:
        """The walkable component of each unit, from 0; units marked in `without` are taken out (-1)."""
        rows, cols = self.rows()[self.walk], self.indices[self.walk]
        if without is not None:
            kept = ~without[rows] & ~without[cols]
            rows, cols = rows[kept], cols[kept]
        links = coo_array((np.ones(len(rows), dtype=np.int8), (rows, cols)), shape=(len(self), len(self)))
        _, found = connected_components(links, directed=False)
        label: Numbers = np.asarray(found, dtype=np.int64)
        if without is not None:
            label[~without] = np.unique(label[~without], return_inverse=True)[1].reshape(-1)
            label[without] = -1
        return label

    def subset(self, members: Numbers) -> Graph:
        """The graph of some units only; borders with the others count as outer."""
        position = np.full(len(self), -1, dtype=np.int64)
        position[members] = np.arange(len(members))
        rows = self.rows()
        inside = (position[rows] >= 0) & (position[self.indices] >= 0)
        leaving = (position[rows] >= 0) & (position[self.indices] < 0)
        outer = self.outer + np.bincount(rows[leaving], weights=self.length[leaving], minlength=len(self))
        return from_arcs(
            self.households[members],
            self.area[members],
            outer[members],
            position[rows[inside]],
            position[self.indices[inside]],
            self.length[inside],
            self.cost[inside],
            self.walk[inside],
        )


def from_arcs(
    households: Numbers,
    area: Lengths,
    outer: Lengths,
    rows: Numbers,
    cols: Numbers,
    length: Lengths,
    cost: Lengths,
    walk: npt.NDArray[np.bool_],
) -> Graph:
    """The graph of arcs given in any order, each in both directions and once only."""
    order = np.lexsort((cols, rows))
    indptr = np.zeros(len(households) + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=len(households)), out=indptr[1:])
    return Graph(households, area, outer, indptr, cols[order], length[order], cost[order], walk[order])
