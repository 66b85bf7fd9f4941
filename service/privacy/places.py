"""Places that stand for several addresses, to which cases are moved before they are shown widely. Pure."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Points = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.str_]

TRIED = 16  # of the nearest places that one may be joined with, so many are compared

_GOLDEN = 0.6180339887498949  # multiples of it fall evenly and in no order


def find_places(buildings: Points, least: int) -> Points:
    """The place that each building belongs to; both of shape (n, 2), one point an address, any metric unit.

    The buildings are halved along the longer side of their extent as long as each half holds at least `least`
    of them (k-anonymity after Mondrian: LeFevre, DeWitt, Ramakrishnan 2006); the place is the mean of its
    buildings. With fewer than `least` buildings there is no place: NaN. The order of rows changes nothing.
    """
    places = np.full(buildings.shape, np.nan)
    for rows in _halve(buildings, least):
        places[rows] = buildings[rows].mean(axis=0)
    return places


def _halve(buildings: Points, least: int) -> list[Numbers]:
    """The rows of each place."""
    if len(buildings) < least:
        return []
    waiting, done = [np.lexsort((buildings[:, 1], buildings[:, 0]))], []
    while waiting:
        rows = waiting.pop()
        if len(rows) < 2 * least:
            done.append(rows)
            continue
        extent = np.ptp(buildings[rows], axis=0)
        axis = int(extent[1] > extent[0])
        ordered = rows[np.lexsort((buildings[rows, 1 - axis], buildings[rows, axis]))]
        half = len(ordered) // 2
        waiting += [ordered[:half], ordered[half:]]
    return done


# --- places that tell those who see all cases of a grid no more than others ---


def divide_grids(buildings: Points, grids: Codes, least: int) -> Numbers:
    """The number of each building's place, −1 for none: one that lies in the building's grid.

    grids: the code of each building's grid, empty for none. Whoever sees every case of a grid knows of all
    others that they are not in it, so a place across a border would stand for fewer buildings to him. Grids
    of fewer than `least` buildings share places with others by the rules of `join_places`.
    """
    numbers = np.full(len(buildings), -1, dtype=np.int64)
    count = 0
    for code in np.unique(grids).tolist():
        rows = np.flatnonzero(grids == code)
        if not code:
            continue
        for mine in _halve(buildings[rows], least) or [np.arange(len(rows))]:
            numbers[rows[mine]] = count
            count += 1
    return join_places(buildings, numbers, grids, least)


def join_places(
    buildings: Points,
    numbers: Numbers,
    grids: Codes,
    least: int,
    been: Sequence[Collection[str]] | None = None,
) -> Numbers:
    """Whole places joined where they do not hold, by the number of each building's place; −1: no place.

    A place holds if it stands for `least` buildings, also without the buildings of any one grid or any two,
    unless these are all of its buildings. Only whole places are joined: who saw a case at the old place
    learns nothing from the new one. `been`: all grids that each building was in since it had its place; what
    a worker saw then, he may still know (of these, any one). Rows of number −1 stay without, and so do places
    that nothing makes hold. The order of rows changes nothing.
    """
    return _Joining(buildings, numbers, grids, least, been).run()


@dataclass
class _Place:
    """Its rows, and numbers of buildings by the grid that they are in now, and by any that they were in."""

    rows: list[int]
    now: Counter[str]
    ever: Counter[str]

    def __or__(self, other: _Place) -> _Place:
        return _Place(self.rows + other.rows, self.now + other.now, self.ever + other.ever)


class _Joining:
    def __init__(
        self,
        buildings: Points,
        numbers: Numbers,
        grids: Codes,
        least: int,
        been: Sequence[Collection[str]] | None,
    ) -> None:
        self._buildings, self._least = buildings, least
        found: dict[int, _Place] = {}
        for row in np.lexsort((grids, buildings[:, 1], buildings[:, 0])).tolist():
            if numbers[row] < 0:
                continue
            code = str(grids[row])
            codes = {code} if been is None else {code, *been[row]}
            place = found.setdefault(int(numbers[row]), _Place([], Counter(), Counter()))
            place.rows.append(row)
            place.now[code] += 1
            place.ever.update(codes)
        self._places: list[_Place | None] = list(found.values())
        self._middles = np.array([buildings[place.rows].mean(axis=0) for place in found.values()])

    def run(self) -> Numbers:
        places = self._places
        lacking = [0 if place is None else self._lacks(place) for place in places]
        waiting = [(len(place.rows), one) for one, place in enumerate(places) if place and lacking[one]]
        heapq.heapify(waiting)
        while waiting:
            size, one = heapq.heappop(waiting)
            place = places[one]
            if place is None or len(place.rows) != size:
                continue  # joined meanwhile
            other = self._partner(one, place, lacking[one])
            if other is None:
                continue
            joined = place | (places[other] or place)
            places[one], places[other] = joined, None
            # sums of doubles in one order, whatever came first
            joined.rows.sort(key=lambda row: (self._buildings[row, 0], self._buildings[row, 1]))
            self._middles[one] = self._buildings[joined.rows].mean(axis=0)
            lacking[one] = self._lacks(joined)
            if lacking[one]:
                heapq.heappush(waiting, (len(joined.rows), one))
        numbers = np.full(len(self._buildings), -1, dtype=np.int64)
        for one, held in enumerate(places):
            if held is not None and not lacking[one]:
                numbers[held.rows] = one
        return numbers

    def _lacks(self, place: _Place) -> int:
        """How far from holding the place is; 0: it holds."""
        least, total = self._least, len(place.rows)
        counts = [count for told in (place.now, place.ever) for code, count in told.items() if code]
        if total < least:
            return 2 * (least - total + max(counts, default=0)) + least - total
        one = max((count for count in counts if count < total), default=0)
        two = sum(sorted((count for code, count in place.now.items() if code), reverse=True)[:2])
        # whose grids hold all of it see its cases anyway
        return 2 * max(0, least - total + one) + (max(0, least - total + two) if two < total else 0)

    def _partner(self, one: int, place: _Place, lacking: int) -> int | None:
        """The place to join, of those near with which less is lacking: near, and small for what it brings."""
        far = ((self._middles - self._middles[one]) ** 2).sum(axis=1)
        found: list[tuple[float, int]] = []
        for other in np.argsort(far, kind="stable").tolist():
            held = self._places[other]
            if other == one or held is None:
                continue
            brought = lacking - self._lacks(place | held)
            if brought > 0:
                found.append((float(far[other]) * (len(held.rows) / brought) ** 2, other))
                if len(found) == TRIED:
                    break
        return min(found, default=(0.0, None))[1]


# --- cases at places ---


class Places:
    """The places of a community's buildings, for many cases. Safe to share between threads.

    buildings: a point each, shape (n, 2), any metric unit; places: theirs, NaN for none. grids: the code of
    each building's grid (empty: none). former: places at which there are cases from other times, and the row
    of a building of each, as often as it has buildings.
    """

    def __init__(
        self,
        buildings: Points,
        places: Points,
        grids: Codes | None = None,
        former: tuple[Points, Numbers] | None = None,
    ) -> None:
        order = np.lexsort((buildings[:, 1], buildings[:, 0]))
        rows = order[~np.isnan(places[order, 0])]
        self._places = places[rows]
        self._tree = cKDTree(buildings[rows]) if len(rows) else None
        self._grids: dict[str, int] = {}
        self._apart: cKDTree | None = None
        if grids is not None and len(rows):
            codes, number = np.unique(grids[rows], return_inverse=True)
            self._grids = {code: one for one, code in enumerate(codes.tolist()) if code}
            self._apart = cKDTree(_storeys(buildings[rows], number.ravel()))
        if former is None or not len(former[1]):
            self._of, self._homes = self._places, buildings[rows]
        else:
            homes = buildings[former[1]]
            sorted_ = np.lexsort((homes[:, 1], homes[:, 0]))
            self._of = np.concatenate([self._places, former[0][sorted_]])
            self._homes = np.concatenate([buildings[rows], homes[sorted_]])
        self._known: tuple[Points, Numbers, Numbers] | None = None

    def of(self, cases: Points, grids: Sequence[str | None] | None = None) -> Points:
        """The place of each case, shape (m, 2): that of the building nearest to it; NaN if there is none.

        grids: the code of each case's grid: the building is the nearest of that grid's.
        """
        found: Points = np.full(cases.shape, np.nan)
        if self._tree is None or not len(cases):
            return found
        if grids is None:
            _, nearest = self._tree.query(cases)
            found[:] = self._places[nearest]
        elif self._apart is not None:
            number = np.array([-1 if code is None else self._grids.get(code, -1) for code in grids])
            mine = np.flatnonzero(number >= 0)
            _, nearest = self._apart.query(_storeys(cases[mine], number[mine]))
            found[mine] = self._places[nearest]
        return found

    def deal(
        self, places: Points, counts: Numbers, steps: Numbers | None = None
    ) -> tuple[Points, Numbers, Numbers]:
        """Cases that lie at places, by number, dealt out among the buildings of each: points, numbers, steps.

        Step after step (0, 1, …, and those below 0 last) a place's cases go round its buildings, each step
        on from where the one before ended: so the steps together are what all their cases dealt at once
        are, and cases that come one a day do not pile up on one building. Which building gets how many
        depends on the numbers alone. Without buildings enough for places the cases stay where they are.
        """
        steps = np.zeros(len(counts), dtype=np.int64) if steps is None else steps
        if not len(self._of) or not len(places):
            return places, counts, steps
        known, member, turn = self._hands()
        _, nearest = cKDTree(known).query(places)
        told, column = np.unique(steps, return_inverse=True)
        late = np.argsort(told < 0, kind="stable")  # the time before is dealt out after the time asked about
        rank = np.empty(len(told), dtype=np.int64)
        rank[late] = np.arange(len(told))
        cases = np.zeros((len(known), len(told)), dtype=np.int64)
        np.add.at(cases, (nearest, rank[column.ravel()]), counts)
        until = np.cumsum(cases, axis=1)[member]
        sizes = np.bincount(member, minlength=len(known))[member, None]
        had = until // sizes + (turn[:, None] < until % sizes)
        dealt = np.diff(had, axis=1, prepend=0)
        hand, at = np.nonzero(dealt)
        return self._homes[hand], dealt[hand, at], told[late][at]

    def spread(self, cases: Points) -> Points:
        """Cases at their places, shape (m, 2), dealt out in turn among the buildings of each place.

        For surfaces: a hundred cases on one point would look like a hot spot in its middle. Which building
        a case gets depends on its turn alone, so no more is told than the place. Numbers are those of `deal`.
        """
        if not len(self._of):
            return cases
        known, member, turn = self._hands()
        _, place = cKDTree(known).query(cases)
        dealt = np.empty_like(cases)
        for number in np.unique(place).tolist():
            hands = np.flatnonzero(place == number)
            rows = np.flatnonzero(member == number)
            mine = self._homes[rows[np.argsort(turn[rows])]]
            dealt[hands] = mine[np.arange(len(hands)) % len(mine)]
        return dealt

    def _hands(self) -> tuple[Points, Numbers, Numbers]:
        """The places, and of each building of one which place it is and whose turn there."""
        if self._known is None:
            known, member = np.unique(self._of, axis=0, return_inverse=True)
            self._known = (known, member.ravel(), _turns(member.ravel()))
        return self._known


def _storeys(points: Points, number: Numbers) -> Points:
    """The points, those of one number so far above others that what is nearest has the same number."""
    return np.column_stack([points, number * 1e8])


def _turns(member: Numbers) -> Numbers:
    """Whose turn it is in each place, by building: spread over the place, and from another one in each.

    Were it by coordinates alone, what remains of a few cases would always lie at the same side of its place.
    """
    turn = np.empty(len(member), dtype=np.int64)
    order = np.argsort(member, kind="stable")
    ends = np.searchsorted(member[order], np.arange(int(member.max(initial=-1)) + 2))
    for place, (first, last) in enumerate(pairwise(ends.tolist())):
        size = last - first
        begin = int((place + 1) * _GOLDEN % 1.0 * size)
        turn[order[first:last][(_falls(size) + begin) % size]] = np.arange(size)
    return turn


@lru_cache(maxsize=256)
def _falls(size: int) -> Numbers:
    """0 … size − 1 in the order of their bits turned round: 0, 4, 2, 6, 1, 5, 3, 7 (van der Corput)."""
    bits = max(1, (size - 1).bit_length())
    falls = [int(f"{number:0{bits}b}"[::-1], 2) for number in range(2**bits)]
    return np.array([number for number in falls if number < size])
