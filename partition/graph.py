"""The units and what lies between them, as arrays that the solver walks on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partition.arrays import Lengths, Numbers
from partition.blocks import total
from partition.linework import BORDER_CLASSES
from partition.units import Units

WALKABLE_M = 1.0  # two units with less than this of border that can be walked across are no neighbours


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


def build_graph(
    units: Units,
    border_cost: Mapping[str, float],
    crossing_cost: Mapping[str, float],
    same_compound: Numbers | None = None,
    compound_cost: float = 0.0,
) -> Graph:
    """The graph of a community's units. Costs per metre by class; `same_compound` gives each unit's compound
    (-1 none), and every metre of border between two units of one compound costs `compound_cost` more.
    """
    borders, count = units.blocks.borders, len(units)
    a, b = units.unit[borders.a], units.unit[borders.b]
    between = a != b
    a, b = np.minimum(a, b)[between], np.maximum(a, b)[between]
    price = np.array([border_cost[name] - crossing_cost.get(name, 0.0) for name in BORDER_CLASSES])
    length = borders.length[between].round(3)  # so that rounding of coordinates does not change plans
    cost = length * price[borders.kind[between]]
    if same_compound is not None:
        within = (same_compound[a] == same_compound[b]) & (same_compound[a] >= 0)
        cost = cost + np.where(within, compound_cost * length, 0.0)
    open_length = np.where(borders.severed[between], 0.0, length)
    keys, pair = np.unique(a * count + b, return_inverse=True)
    pair = pair.reshape(-1)
    one, other = keys // max(count, 1), keys % max(count, 1)
    lengths = np.bincount(pair, weights=length, minlength=len(keys))
    costs = np.bincount(pair, weights=cost, minlength=len(keys))
    walk = np.bincount(pair, weights=open_length, minlength=len(keys)) >= WALKABLE_M
    return from_arcs(
        units.households,
        units.area_m2,
        total(units.unit, borders.outer, count),
        np.concatenate([one, other]),
        np.concatenate([other, one]),
        np.tile(lengths, 2),
        np.tile(costs, 2),
        np.tile(walk, 2),
    )


def link_islands(graph: Graph, parts: Numbers, outlines: npt.NDArray[np.object_], lower: float) -> Graph:
    """Join small islands and exclaves of a community to the nearest unit of another part, so that a grid may
    span them.

    `parts` is the polygon of the community each unit lies in, `outlines` each unit's geometry. A component of
    the walkable graph is joined when it is the whole of a part and holds fewer than `lower` households.
    """
    links: list[tuple[int, int]] = []
    component = graph.components()
    for number in range(int(component.max()) + 1 if len(graph) else 0):
        members = np.flatnonzero(component == number)
        part = parts[members[0]]
        whole = len(members) == int((parts == part).sum())
        others = np.flatnonzero(parts != part)
        if whole and len(others) and graph.households[members].sum() < lower:
            distance = shapely.distance(outlines[members][:, None], outlines[others][None, :]).round(3)
            i, j = np.unravel_index(int(np.argmin(distance)), distance.shape)
            links.append((int(members[i]), int(others[j])))
    if not links:
        return graph
    a, b = np.array(links, dtype=np.int64).T
    rows, extra = graph.rows(), np.zeros(2 * len(links))
    joined = from_arcs(
        graph.households,
        graph.area,
        graph.outer,
        np.concatenate([rows, a, b]),
        np.concatenate([graph.indices, b, a]),
        np.concatenate([graph.length, extra]),
        np.concatenate([graph.cost, extra]),
        np.concatenate([graph.walk, np.ones(2 * len(links), dtype=bool)]),
    )
    return replace(joined, links=tuple(sorted(links)))
