"""Which units touch, what runs between them, and which islands are joined: from units to their graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import shapely

from partition.arrays import Numbers
from partition.geometry.blocks import total
from partition.geometry.linework import BORDER_CLASSES
from partition.geometry.units import Units
from partition.solver.graph import Graph, from_arcs

WALKABLE_M = 1.0  # two units with less than this of border that can be walked across are no neighbours


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
    length = borders.length[between]
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
    # centimetres and square metres, so that the last digits of coordinates do not change plans
    lengths, costs = lengths.round(2), costs.round(2)
    return from_arcs(
        units.households,
        np.maximum(units.area_m2.round(), 1.0),
        total(units.unit, borders.outer, count).round(2),
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
