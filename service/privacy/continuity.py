"""What stays the same in published figures while little changes on the ground. Pure.

Two publications that differ by one building would tell that building: a grid that was below k and is not
any more, a band that is the next one. So an area whose people differ by too few from those of an area that
figures were published of before (its basis) repeats the figure of that basis. Too few is what the rules of
the group would not let be published by itself; the basis stays the same until the difference may be told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from service.privacy.disclosure import Cell, Figure, GroupRule, merge_upward, rank

# people of one group and households, by building
Members = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Basis:
    """An area as it was when its figure was first published.

    kind: `grid` decides whether grids are joined, `area` what is told of a grid or of joined ones.
    """

    members: Members
    count: int
    kind: Literal["grid", "area"]


@dataclass(frozen=True)
class Frozen:
    """Figures of one group as they are published.

    cells: areas with the counts that may be told of in bands. counts: of each grid as it is, for those with
    the right to it. bases: those that were not there before.
    """

    cells: tuple[Cell, ...]
    counts: Mapping[str, int]
    bases: tuple[Basis, ...]


def freeze(
    grids: Mapping[str, Members],
    households: Mapping[str, int],
    neighbours: Mapping[str, Collection[str]],
    rule: GroupRule,
    bases: Iterable[Basis],
) -> Frozen:
    """The figures of a group for a publication of `grids`, whose households the public knows."""
    before = tuple(bases)
    of_grids = _Known((basis for basis in before if basis.kind == "grid"), rule)
    of_areas = _Known((basis for basis in before if basis.kind == "area"), rule)
    added: list[Basis] = []

    def told(known: _Known, members: Members, kind: Literal["grid", "area"], least: int = 0) -> int:
        basis = known.nearest(members)
        if basis is None:
            basis = Basis(members, max(least, sum(people for people, _ in members.values())), kind)
            added.append(basis)
        return basis.count

    figures = {
        code: Figure(told(of_grids, members, "grid"), households[code]) for code, members in grids.items()
    }
    cells = []
    for cell in merge_upward(figures, neighbours, rule):
        if cell.count is None:
            cells.append(cell)
            continue
        together = {one: of for code in cell.codes for one, of in grids[code].items()}
        count = told(of_areas, together, "area", rule.k)
        cells.append(Cell(cell.codes, count, rank(count, rule)))
    counts = {code: sum(people for people, _ in members.values()) for code, members in grids.items()}
    return Frozen(tuple(cells), counts, tuple(added))


def difference(one: Members, other: Members) -> Figure:
    """The people by whom two areas differ, and the households of the buildings where they do."""
    people = households = 0
    for building in one.keys() | other.keys():
        (count, homes), (before, before_homes) = one.get(building, (0, 0)), other.get(building, (0, 0))
        if count != before:
            people += abs(count - before)
            households += max(homes, before_homes)
    return Figure(people, households)


class _Known:
    """The bases of a group in a community, by the buildings in them."""

    def __init__(self, bases: Iterable[Basis], rule: GroupRule) -> None:
        self._rule = rule
        self._all = tuple(bases)
        self._with: dict[str, list[int]] = {}
        for place, basis in enumerate(self._all):
            for building in basis.members:
                self._with.setdefault(building, []).append(place)

    def nearest(self, members: Members) -> Basis | None:
        """The basis from which the area may not be told apart.

        Of several the one with which it has the largest share of buildings in common (Jaccard's), for that is
        the area that it was; then that of the fewest people apart; then the oldest.
        """
        found: list[tuple[float, int, int]] = []
        for place in sorted({place for building in members for place in self._with.get(building, ())}):
            other = self._all[place].members
            apart = difference(members, other)
            if not self._rule.safe(apart.count, apart.households):
                share = len(members.keys() & other.keys()) / len(members.keys() | other.keys())
                found.append((-share, apart.count, place))
        return self._all[min(found)[2]] if found else None
