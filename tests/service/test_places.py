"""The places to which cases are moved stand for enough addresses. No database."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.privacy.places import find_places, move_to_places, spread

coordinates = st.floats(-1000, 1000).map(lambda value: round(value, 2))


def points(least: int, most: int) -> st.SearchStrategy[np.ndarray]:
    return st.integers(least, most).flatmap(lambda n: arrays(float, (n, 2), elements=coordinates))


@given(points(8, 80))
def test_each_place_stands_for_at_least_eight_buildings_and_few_more(buildings: np.ndarray) -> None:
    places = find_places(buildings, 8)
    _, counts = np.unique(np.round(places, 6), axis=0, return_counts=True)
    assert counts.min() >= 8
    distinct = len(np.unique(buildings, axis=0))
    if distinct == len(buildings) >= 16:
        assert len(counts) > 1


@given(points(0, 7), points(1, 5))
def test_fewer_buildings_make_no_place(buildings: np.ndarray, cases: np.ndarray) -> None:
    assert np.isnan(find_places(buildings, 8)).all()
    assert np.isnan(move_to_places(cases, buildings, 8)).all()


@given(points(8, 60), points(1, 20), st.randoms(use_true_random=False))
def test_a_case_is_moved_to_a_place_whatever_the_order(
    buildings: np.ndarray, cases: np.ndarray, random: object
) -> None:
    buildings = np.unique(buildings, axis=0)
    order = list(range(len(buildings)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = move_to_places(cases, buildings, 8)
    np.testing.assert_allclose(move_to_places(cases, buildings[order], 8), moved)
    if len(buildings) >= 8:
        places = find_places(buildings, 8)
        assert all((np.abs(places - one).sum(axis=1) < 1e-6).sum() >= 8 for one in moved)


@given(points(8, 60), points(1, 40))
def test_spread_cases_stay_within_their_place_and_tell_no_more(
    buildings: np.ndarray, cases: np.ndarray
) -> None:
    buildings = np.unique(buildings, axis=0)
    if len(buildings) < 8:
        return
    moved = move_to_places(cases, buildings, 8)
    dealt = spread(moved, buildings, 8)
    assert {tuple(row) for row in dealt} <= {tuple(row) for row in buildings}
    places = find_places(buildings, 8)
    by_building = {tuple(row): place for row, place in zip(buildings, places, strict=True)}
    np.testing.assert_allclose([by_building[tuple(row)] for row in dealt], moved, atol=1e-9)
    # the same places give the same points, wherever the cases truly were
    np.testing.assert_array_equal(spread(moved + 1e-9, buildings, 8), dealt)
    for place in np.unique(np.round(moved, 6), axis=0):
        _, counts = np.unique(dealt[np.abs(moved - place).max(axis=1) < 1e-5], axis=0, return_counts=True)
        assert counts.max() - counts.min() <= 1
