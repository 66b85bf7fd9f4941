"""Places that stand for several addresses, to which cases are moved before they are shown widely. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Points = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


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
        self._known: tuple[Points, Numbers] | None = None

    def of(self, cases: Points) -> Points:
        """The place of each case, shape (m, 2): that of the building nearest to it; NaN if there is none."""
        if self._tree is None or not len(cases):
            return np.full(cases.shape, np.nan)
        _, nearest = self._tree.query(cases)
        found: Points = self._places[nearest]
        return found

    def deal(self, places: Points, counts: Numbers) -> tuple[Points, Numbers]:
        """Cases that lie at places, by number, dealt out evenly among the buildings of each: points, numbers.

        As `spread` does it for single cases: which building gets how many depends on the numbers alone.
        Without buildings enough for places the cases stay where they are.
        """
        if self._tree is None or not len(places):
            return places, counts
        if self._known is None:
            known, member = np.unique(self._places, axis=0, return_inverse=True)
            self._known = (known, member.ravel())
        known, member = self._known
        _, nearest = cKDTree(known).query(places)
        cases = np.bincount(nearest, counts, minlength=len(known)).astype(np.int64)
        sizes = np.bincount(member, minlength=len(known))
        first = np.cumsum(sizes) - sizes
        turn = np.empty(len(member), dtype=np.int64)
        turn[np.argsort(member, kind="stable")] = np.arange(len(member))
        turn -= first[member]
        dealt = cases[member] // sizes[member] + (turn < cases[member] % sizes[member])
        hands = np.flatnonzero(dealt)
        return np.asarray(self._tree.data)[hands], dealt[hands]


def move_to_places(cases: Points, buildings: Points, least: int) -> Points:
    """The place of each case, shape (m, 2): that of the building nearest to it; NaN where there is none."""
    return Places(buildings, least).of(cases)


def spread(cases: Points, buildings: Points, least: int) -> Points:
    """Cases at their places, shape (m, 2), dealt out in turn among the buildings of each place.

    For surfaces: a hundred cases on one point would look like a hot spot in its middle. Which building a case
    gets depends on its turn alone, so no more is told than the place.
    """
    order = np.lexsort((buildings[:, 1], buildings[:, 0]))
    ordered = buildings[order]
    known, member = np.unique(find_places(ordered, least), axis=0, return_inverse=True)
    _, place = cKDTree(known).query(cases)
    dealt = np.empty_like(cases)
    for number in range(len(known)):
        hands = np.flatnonzero(place == number)
        mine = ordered[member.ravel() == number]
        dealt[hands] = mine[np.arange(len(hands)) % len(mine)]
    return dealt
