"""Colours of grids: neighbours differ, as few colours as needed."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import shapely

_NEAR_M = 0.5  # borders of neighbours may differ by rounding
_SHARED_M = 2.0  # touching at a corner is no border
_MOST_STEPS = 50_000


def neighbours(polygons: gpd.GeoSeries) -> list[set[int]]:
    """For each polygon (metric CRS) the positions of those that share a length of border with it."""
    geometries = polygons.to_numpy()
    tree = shapely.STRtree(geometries)
    found: list[set[int]] = [set() for _ in geometries]
    for a, b in tree.query(geometries, predicate="dwithin", distance=_NEAR_M).T.tolist():
        if a < b:
            shared = shapely.intersection(geometries[a].boundary, geometries[b].buffer(_NEAR_M))
            if shared.length > _SHARED_M + 2 * _NEAR_M:
                found[a].add(b)
                found[b].add(a)
    return found


def colour(adjacent: Sequence[set[int]]) -> list[int]:
    """A colour number from 0 for each node such that neighbours differ.

    DSATUR (Brélaz 1979): the node that sees most colours is coloured next; with backtracking for 2, 3 and 4
    colours (a planar map needs no more), plain where that takes too long. Within a node's allowed colours the
    least used comes first, so that the map is balanced.
    """
    for most in (2, 3, 4):
        found = _colour_with(adjacent, most)
        if found is not None:
            return found
    plain = _colour_with(adjacent, max((len(near) for near in adjacent), default=0) + 1)
    assert plain is not None  # noqa: S101 (degree + 1 colours always suffice, without a step back)
    return plain


def _colour_with(adjacent: Sequence[set[int]], most: int) -> list[int] | None:
    colours = [-1] * len(adjacent)
    used = [0] * most
    steps = 0

    def allowed(node: int) -> list[int]:
        taken = {colours[near] for near in adjacent[node]}
        highest = max(colours, default=-1) + 1  # a first use of a further colour is the same as any other's
        free = [c for c in range(min(most, highest + 1)) if c not in taken]
        return sorted(free, key=lambda c: (used[c] if most <= 4 else 0, c))

    stack: list[tuple[int, list[int]]] = []
    while True:
        waiting = [node for node, c in enumerate(colours) if c < 0]
        if not waiting:
            return colours
        node = max(
            waiting,
            key=lambda n: (
                len({colours[near] for near in adjacent[n]} - {-1}),
                len(adjacent[n]),
                -n,
            ),
        )
        choices = allowed(node)
        while not choices:
            if not stack:
                return None
            node, choices = stack.pop()
            used[colours[node]] -= 1
            colours[node] = -1
        steps += 1
        if steps > _MOST_STEPS:
            return None
        colours[node] = choices.pop(0)
        used[colours[node]] += 1
        stack.append((node, choices))
