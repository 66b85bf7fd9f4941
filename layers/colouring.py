"""Colours of grids: neighbours differ, no colour more than needed, and a grid keeps the colour it had."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import shapely

_NEAR_M = 0.5  # borders of neighbours may differ by rounding
_SHARED_M = 2.0  # touching at a corner is no border
_MOST_STEPS = 20_000  # of a search before the integer program is asked
_MOST_NODES = 2_000  # of the integer program's own search
_MOST_BARE = 100  # new nodes among which the fewest changes are searched

Graph = Sequence[set[int]]


@dataclass(frozen=True)
class Colouring:
    """A colour number from 0 for each node such that neighbours differ.

    fewest: a number of colours that is surely needed. Where it is `count`, no colouring has fewer; it is less
    only where neither the search nor the integer program could decide within their limits.
    """

    colours: tuple[int, ...]
    fewest: int

    @property
    def count(self) -> int:
        """How many colours are used."""
        return len(set(self.colours))


def neighbours(polygons: gpd.GeoSeries) -> list[set[int]]:
    """For each polygon (metric CRS) the positions of those that share a length of border with it."""
    geometries = polygons.to_numpy()
    found: list[set[int]] = [set() for _ in geometries]
    pairs = shapely.STRtree(geometries).query(geometries, predicate="dwithin", distance=_NEAR_M)
    ones, others = pairs[:, pairs[0] < pairs[1]]
    near = shapely.buffer(geometries, _NEAR_M)
    shared = shapely.length(shapely.intersection(shapely.boundary(geometries)[ones], near[others]))
    beside = shared > _SHARED_M + 2 * _NEAR_M
    for a, b in zip(ones[beside].tolist(), others[beside].tolist(), strict=True):
        found[a].add(b)
        found[b].add(a)
    return found


def colour(adjacent: Graph, before: Sequence[int | None] | None = None) -> Colouring:
    """The nodes coloured with as few colours as there can be.

    `before` holds the colours that nodes had (None: a new one). As many keep theirs as can without a colour
    more; beyond the search's limits, all that are not near a change. Numbers are then those of `before`, else
    they count from 0.

    Whether k colours do is decided for k = 1, 2, 3 …: nodes with fewer than k neighbours are set aside one
    after the other, since a colour is always left for them; what remains is searched by DSATUR (Brélaz 1979:
    the node that sees most colours next) with steps back, and where that takes too long, by an integer
    program. Of the colours that a node may have, the least used comes first, so that the map is balanced.
    """
    if not adjacent:
        return Colouring((), 0)
    fewest, found, most = 0, None, 0
    while found is None:
        most += 1
        found, decided = _colour_with(adjacent, range(most), {})
        if found is None and decided:
            fewest = most
    fewest += 1
    if before is not None and any(old is not None for old in before):
        found = _keep(adjacent, found, before, most)
    return Colouring(tuple(found), min(fewest, most))


def _keep(adjacent: Graph, found: list[int], before: Sequence[int | None], most: int) -> list[int]:
    """A colouring with `most` colours in which nodes away from the changes have the colour of `before`."""
    used = Counter(old for old in before if old is not None)
    allowed = sorted(used, key=lambda old: (-used[old], old))[:most]
    allowed += [number for number in range(most + len(used)) if number not in used][: most - len(allowed)]
    wanted = {node: old for node, old in enumerate(before) if old is not None and old in allowed}
    for most_changed in range(len(adjacent) + 1):
        mended, decided = _mend(adjacent, wanted, allowed, most_changed)
        if mended is not None:
            return mended
        if not decided:
            break
    for node in sorted(wanted, key=lambda n: (-sum(wanted.get(m) == wanted[n] for m in adjacent[n]), n)):
        if any(wanted.get(near) == wanted[node] for near in adjacent[node]):
            del wanted[node]
    loose = set(range(len(adjacent))) - wanted.keys()
    while True:
        fixed = {node: old for node, old in wanted.items() if node not in loose}
        if not fixed:
            return _renumbered(found, before, allowed)
        kept, _ = _colour_with(adjacent, allowed, fixed)
        if kept is not None:
            break
        loose |= {near for node in loose for near in adjacent[node]}
    for node in sorted(loose & wanted.keys()):
        if all(kept[near] != wanted[node] for near in adjacent[node]):
            kept[node] = wanted[node]
    return kept


def _mend(
    adjacent: Graph, wanted: Mapping[int, int], allowed: Sequence[int], most_changed: int
) -> tuple[list[int] | None, bool]:
    """A colouring in which at most so many nodes of `wanted` have another colour than there.

    Of two neighbours of one colour, one must change, to one of the other colours: a tree of few branches
    where few changes are enough. The second value is whether the answer is certain.
    """
    colours = [wanted.get(node, -1) for node in range(len(adjacent))]
    bare = [node for node in range(len(adjacent)) if node not in wanted]
    if len(bare) > _MOST_BARE:
        return None, False
    clashing = [n for n in sorted(wanted) if any(wanted.get(m) == wanted[n] for m in adjacent[n])]
    steps = 0

    def clashes(node: int, number: int) -> int:
        return sum(colours[near] == number for near in adjacent[node])

    def descend(touched: list[int], left: int) -> bool:
        nonlocal steps
        steps += 1
        if steps > _MOST_STEPS:
            return False
        at = next((node for node in bare if colours[node] < 0), None)
        if at is not None:
            for number in sorted(allowed, key=lambda c: (clashes(at, c), c)):
                colours[at] = number
                if descend([*touched, at], left):
                    return True
            colours[at] = -1
            return False
        pair = next(
            (
                (node, near)
                for node in touched
                for near in sorted(adjacent[node])
                if colours[node] == colours[near]
            ),
            None,
        )
        if pair is None:
            return True
        if not left:
            return False
        for node in pair:
            old = colours[node]
            if node in bare or old != wanted[node]:
                continue  # coloured on the way here, where its other colours are tried too
            for number in sorted(allowed, key=lambda c: (clashes(node, c), c)):
                if number != old:
                    colours[node] = number
                    if descend([*touched, node], left - 1):
                        return True
            colours[node] = old
        return False

    if descend(clashing, most_changed):
        return colours, True
    return None, steps <= _MOST_STEPS


def _renumbered(found: list[int], before: Sequence[int | None], allowed: Sequence[int]) -> list[int]:
    """The colouring with the colours' numbers exchanged so that most nodes have that of `before`."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    same = np.zeros((max(found) + 1, len(allowed)))
    for new, old in zip(found, before, strict=True):
        if old in allowed:
            same[new, allowed.index(old)] += 1
    rows, columns = linear_sum_assignment(-same)
    number = {int(row): allowed[int(column)] for row, column in zip(rows, columns, strict=True)}
    return [number[new] for new in found]


def _colour_with(
    adjacent: Graph, allowed: Sequence[int], fixed: Mapping[int, int]
) -> tuple[list[int] | None, bool]:
    """A colouring with the colours `allowed` in which the nodes of `fixed` have theirs.

    None if there is none, or none was found; the second value is whether that is certain.
    """
    degree = {node: len(near) for node, near in enumerate(adjacent) if node not in fixed}
    waiting = sorted((node for node in degree if degree[node] < len(allowed)), reverse=True)
    aside: list[int] = []
    while waiting:
        node = waiting.pop()
        if node not in degree:
            continue
        del degree[node]
        aside.append(node)
        for near in sorted(adjacent[node]):
            if near in degree:
                degree[near] -= 1
                if degree[near] < len(allowed):
                    waiting.append(near)
    colours = [fixed.get(node, -1) for node in range(len(adjacent))]
    used = Counter(fixed.values())
    for part in _parts(adjacent, degree):
        part_colours, decided = _search(adjacent, part, allowed, colours, used)
        if part_colours is None and not decided:
            part_colours, decided = _program(adjacent, part, allowed, colours)
        if part_colours is None:
            return None, decided
        for node, number in part_colours.items():
            colours[node] = number
            used[number] += 1
    for node in reversed(aside):
        taken = {colours[near] for near in adjacent[node]}
        colours[node] = min((c for c in allowed if c not in taken), key=lambda c: (used[c], c))
        used[colours[node]] += 1
    return colours, True


def _parts(adjacent: Graph, nodes: Iterable[int]) -> list[list[int]]:
    """The connected parts of the graph among `nodes`."""
    left, found = set(nodes), []
    for first in sorted(left):
        if first not in left:
            continue
        left.discard(first)
        part, waiting = [], [first]
        while waiting:
            node = waiting.pop()
            part.append(node)
            for near in sorted(adjacent[node] & left):
                left.discard(near)
                waiting.append(near)
        found.append(sorted(part))
    return found


def _search(
    adjacent: Graph, part: list[int], allowed: Sequence[int], colours: list[int], used: Mapping[int, int]
) -> tuple[dict[int, int] | None, bool]:
    """DSATUR with steps back on a part, the colours around it standing; and whether the answer is certain."""
    inside = set(part)
    near_of = {node: sorted(adjacent[node] & inside) for node in part}
    # seen[node][c]: how many of the node's neighbours have the colour c
    seen = {node: Counter(colours[m] for m in adjacent[node] if colours[m] >= 0) for node in part}
    free_choice = not any(seen.values())  # then all colours not yet used are alike
    made: dict[int, int] = {}
    balance = Counter(dict(used))
    heap = [(-len(seen[node]), -len(near_of[node]), node) for node in part]
    heapq.heapify(heap)
    stack: list[tuple[int, list[int]]] = []
    steps = 0

    def choices(node: int) -> list[int]:
        options = sorted((c for c in allowed if not seen[node][c]), key=lambda c: (balance[c], c))
        if not free_choice:
            return options
        known = set(made.values())
        fresh = [c for c in options if c not in known]
        return [c for c in options if c in known or c == fresh[0]] if fresh else options

    def told(node: int, number: int, by: int) -> None:
        for near in near_of[node]:
            seen[near][number] += by
            if not seen[near][number]:
                del seen[near][number]
            if near not in made:
                heapq.heappush(heap, (-len(seen[near]), -len(near_of[near]), near))

    while len(made) < len(part):
        while True:  # entries of the heap may be old
            saturation, size, node = heapq.heappop(heap)
            if node not in made and -saturation == len(seen[node]):
                break
        options = choices(node)
        while not options:
            heapq.heappush(heap, (-len(seen[node]), size, node))
            if not stack:
                return None, True
            node, options = stack.pop()
            size = -len(near_of[node])
            number = made.pop(node)
            balance[number] -= 1
            told(node, number, -1)
        steps += 1
        if steps > _MOST_STEPS:
            return None, False
        number = options.pop(0)
        made[node] = number
        balance[number] += 1
        stack.append((node, options))
        told(node, number, 1)
    return made, True


def _program(
    adjacent: Graph, part: list[int], allowed: Sequence[int], colours: list[int]
) -> tuple[dict[int, int] | None, bool]:
    """The same question as an integer program: a variable for each node and colour, a row for each clique."""
    import highspy
    import numpy as np

    place = {node: at for at, node in enumerate(part)}
    inside, many = set(part), len(allowed)
    upper = np.ones((len(part), many))
    for node in part:
        for near in adjacent[node]:
            if near not in inside and colours[near] >= 0:
                upper[place[node], list(allowed).index(colours[near])] = 0.0
    cliques = _cliques(adjacent, part)
    if cliques and (upper > 0).all():  # one clique may have any colours
        largest = max(cliques, key=len)
        for number, node in enumerate(largest):
            upper[place[node], :] = 0.0
            upper[place[node], number % many] = 1.0
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in (("output_flag", False), ("threads", 1), ("mip_max_nodes", _MOST_NODES)):
        solver.setOptionValue(name, value)
    solver.addVars(len(part) * many, np.zeros(len(part) * many), upper.ravel())
    solver.changeColsIntegrality(
        len(part) * many,
        np.arange(len(part) * many, dtype=np.int32),
        np.full(len(part) * many, highspy.HighsVarType.kInteger),
    )
    for at in range(len(part)):
        solver.addRow(1.0, 1.0, many, np.arange(at * many, (at + 1) * many, dtype=np.int32), np.ones(many))
    for clique in cliques:
        for number in range(many):
            columns = np.array([place[node] * many + number for node in clique], dtype=np.int32)
            solver.addRow(-highspy.kHighsInf, 1.0, len(clique), columns, np.ones(len(clique)))
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return None, True
    if status != highspy.HighsModelStatus.kOptimal:
        return None, False
    chosen = np.asarray(solver.getSolution().col_value).reshape(len(part), many).argmax(axis=1)
    made = {node: allowed[int(chosen[at])] for node, at in place.items()}
    right = all(made[node] != made[near] for node in part for near in adjacent[node] & inside)
    return (made, True) if right else (None, False)


def _cliques(adjacent: Graph, part: list[int]) -> list[list[int]]:
    """Cliques that hold every edge of the part: each edge widened, in order, by what sees all of it."""
    inside = set(part)
    covered: set[tuple[int, int]] = set()
    found: list[list[int]] = []
    for a in part:
        for b in sorted(adjacent[a] & inside):
            if a > b or (a, b) in covered:
                continue
            clique, common = [a, b], adjacent[a] & adjacent[b] & inside
            while common:
                node = min(common)
                clique.append(node)
                common = common & adjacent[node]
            clique.sort()
            covered |= {(x, y) for at, x in enumerate(clique) for y in clique[at + 1 :]}
            found.append(clique)
    return found
