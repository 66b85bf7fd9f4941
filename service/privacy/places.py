"""Places that stand for several addresses, to which cases are moved before they are shown widely. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Points = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_GOLDEN = 0.6180339887498949  # multiples of it fall evenly and in no order


def find_places(buildings: Points, least: int) -> Points:
    """The place that each building belongs to; both of shape (n, 2), one point an address, any metric unit.

    The buildings are halved along the longer side of their extent as long as each half holds at least `least`
    of them (k-anonymity after Mondrian: LeFevre, DeWitt, Ramakrishnan 2006); the place is the mean of its
    buildings. With fewer than `least` buildings there is no place: NaN. The order of rows changes nothing.
    """
    places = np.full(buildings.shape, np.nan)
    if len(buildings) < least:
        return places
    waiting = [np.lexsort((buildings[:, 1], buildings[:, 0]))]
    while waiting:
        rows = waiting.pop()
        if len(rows) < 2 * least:
            places[rows] = buildings[rows].mean(axis=0)
            continue
        extent = np.ptp(buildings[rows], axis=0)
        axis = int(extent[1] > extent[0])
        ordered = rows[np.lexsort((buildings[rows, 1 - axis], buildings[rows, axis]))]
        half = len(ordered) // 2
        waiting += [ordered[:half], ordered[half:]]
    return places


class Places:
    """The places of a community's buildings, found once for many cases. Safe to share between threads."""

    def __init__(self, buildings: Points, least: int) -> None:
        order = np.lexsort((buildings[:, 1], buildings[:, 0]))
        ordered = buildings[order]
        self._places = find_places(ordered, least)
        self._tree = cKDTree(ordered) if len(buildings) >= least else None
        self._known: tuple[Points, Numbers, Numbers] | None = None

    def of(self, cases: Points) -> Points:
        """The place of each case, shape (m, 2): that of the building nearest to it; NaN if there is none."""
        if self._tree is None or not len(cases):
            return np.full(cases.shape, np.nan)
        _, nearest = self._tree.query(cases)
        found: Points = self._places[nearest]
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
        if self._tree is None or not len(places):
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
        return np.asarray(self._tree.data)[hand], dealt[hand, at], told[late][at]

    def _hands(self) -> tuple[Points, Numbers, Numbers]:
        """The places, and of each building its place and its turn there."""
        if self._known is None:
            known, member = np.unique(self._places, axis=0, return_inverse=True)
            self._known = (known, member.ravel(), _turns(member.ravel()))
        return self._known


def _turns(member: Numbers) -> Numbers:
    """Whose turn it is in each place, by building: spread over the place, and from another one in each.

    Were it by coordinates alone, what remains of a few cases would always lie at the same side of its place.
    """
    turn = np.empty(len(member), dtype=np.int64)
    for place in range(int(member.max(initial=-1)) + 1):
        mine = np.flatnonzero(member == place)
        size, bits = len(mine), max(1, (len(mine) - 1).bit_length())
        # bits turned round: 0, 4, 2, 6, 1, 5, 3, 7 (van der Corput)
        falls = [int(f"{number:0{bits}b}"[::-1], 2) for number in range(2**bits)]
        order = np.array([number for number in falls if number < size])
        first = int((place + 1) * _GOLDEN % 1.0 * size)
        turn[mine[(order + first) % size]] = np.arange(size)
    return turn


def move_to_places(cases: Points, buildings: Points, least: int) -> Points:
    """The place of each case, shape (m, 2): that of the building nearest to it; NaN where there is none."""
    return Places(buildings, least).of(cases)


def spread(cases: Points, buildings: Points, least: int) -> Points:
    """Cases at their places, shape (m, 2), dealt out in turn among the buildings of each place.

    For surfaces: a hundred cases on one point would look like a hot spot in its middle. Which building a case
    gets depends on its turn alone, so no more is told than the place. The numbers are those of `Places.deal`.
    """
    order = np.lexsort((buildings[:, 1], buildings[:, 0]))
    ordered = buildings[order]
    known, member = np.unique(find_places(ordered, least), axis=0, return_inverse=True)
    turn = _turns(member.ravel())
    _, place = cKDTree(known).query(cases)
    dealt = np.empty_like(cases)
    for number in range(len(known)):
        hands = np.flatnonzero(place == number)
        rows = np.flatnonzero(member.ravel() == number)
        mine = ordered[rows[np.argsort(turn[rows])]]
        dealt[hands] = mine[np.arange(len(hands)) % len(mine)]
    return dealt
