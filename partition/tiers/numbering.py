"""The codes and names of tiers: numbers in reading order within each parent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import shapely

from partition.area import Area
from partition.arrays import Numbers
from partition.codes import code_prefix, issue_below, reading_order
from partition.tiers.levels import GRID, Level, ordinal

GRID_DIGITS, CHILD_DIGITS = 3, 2  # of a grid's own number in its code, and of a child's below it


def number_levels(
    area: Area, tiers: Sequence[Level], kept: list[str] | None, renumber: bool, issued: Collection[str]
) -> None:
    """Number every tier in reading order within its parent, from the largest on; rows are put in that
    order.

    kept: the codes that the basic grids keep.
    """
    heads = [
        code_prefix(one, code)
        for one, code in zip(area.communities["id"], area.communities["code"], strict=True)
    ]
    basic = next(depth for depth, tier in enumerate(tiers) if tier.basic)
    left = GRID_DIGITS  # of the grid's own number: each numbered tier above takes one
    for depth, tier in enumerate(tiers):
        order = _order(tier, kept if tier.basic else None)
        _reorder(tier, order, tiers[depth + 1] if depth + 1 < len(tiers) else None)
        larger = tiers[depth - 1] if depth else None
        stems = (
            [heads[c] for c in tier.community] if larger is None else [larger.stem[p] for p in tier.parents]
        )
        if depth < basic:
            tier.numbered = tier.numbered and renumber and left > 1
            digits, left = 1, left - tier.numbered
        else:
            digits = left if depth == basic else CHILD_DIGITS
        if tier.basic and kept is not None:
            tier.code = [kept[row] for row in order.tolist()]
        elif tier.numbered:
            tier.code = _issue(stems, digits, tier, issued)
        else:
            tier.code = [""] * len(stems)
        tier.rows = order.tolist()
        tier.stem = [code or stem for code, stem in zip(tier.code, stems, strict=True)]
        tier.words = _words(tier, larger, above=depth < basic)


def _order(tier: Level, kept: list[str] | None) -> Numbers:
    """The rows in order: by parent (which is in order already), then as a person reads, or by their codes."""
    group = tier.community if tier.parent is None else tier.parent
    place = np.zeros(len(group), dtype=np.int64)
    if kept is not None:
        place[np.argsort(np.array(kept, dtype=str), kind="stable")] = np.arange(len(kept))
    else:
        middle = shapely.get_coordinates(shapely.point_on_surface(tier.polygons))
        for number in np.unique(group):
            own = np.flatnonzero(group == number)
            order = reading_order(middle[own, 0], middle[own, 1], shapely.area(tier.polygons[own]))
            place[own[order]] = np.arange(len(own))
    return np.lexsort((place, group, tier.community)).astype(np.int64)


def _reorder(tier: Level, order: Numbers, smaller: Level | None) -> None:
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    tier.polygons, tier.community = tier.polygons[order], tier.community[order]
    tier.parent = None if tier.parent is None else tier.parent[order]
    tier.ranges = [tier.ranges[row] for row in order.tolist()]
    tier.exempt = tier.exempt[order]
    tier.reasons = {int(rank[row]): reason for row, reason in tier.reasons.items()}
    tier.failures = {int(rank[row]): failure for row, failure in tier.failures.items()}
    tier.building = np.where(tier.building >= 0, rank[tier.building], -1)
    if smaller is not None:
        smaller.parent = rank[smaller.parents]


def _issue(stems: list[str], digits: int, tier: Level, issued: Collection[str]) -> list[str]:
    """A code for each grid: the next number under its stem."""
    codes: list[str] = []
    for stem, count in Counter(stems).items():
        codes += issue_below(stem, count, digits, issued, tier.name)
    return codes


def _words(tier: Level, larger: Level | None, *, above: bool) -> dict[str, list[str]]:
    """What the grids are called, by language: larger ones by their number in the community, basic ones by
    their code, smaller ones by their number in their parent.
    """
    if tier.basic:
        last = [code[-GRID_DIGITS:] for code in tier.code]
        return {"zh": [f"{n}{GRID['zh']}" for n in last], "en": [f"{GRID['en']} {n}" for n in last]}
    if above or larger is None:
        place = _count_up(tier.community)
        return {
            "zh": [ordinal(n, tier.name["zh"]) for n in place],
            "en": [f"{tier.name['en']} {n}" for n in place],
        }
    numbers = list(zip(tier.parents.tolist(), _count_up(tier.parents), strict=True))
    return {
        "zh": [larger.words["zh"][p] + ordinal(n, tier.name["zh"]) for p, n in numbers],
        "en": [f"{larger.words['en'][p]}, {tier.name['en']} {n}" for p, n in numbers],
    }


def _count_up(group: Numbers) -> list[int]:
    """1, 2, 3 … within each group; rows of a group stand together."""
    first = np.concatenate([[True], group[1:] != group[:-1]])
    starts = np.flatnonzero(first)
    count: list[int] = (np.arange(len(group)) - starts[np.cumsum(first) - 1] + 1).tolist()
    return count
