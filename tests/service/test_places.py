"""The places to which cases are moved stand for enough addresses. No database."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.privacy.places import Places, divide_grids, find_places, join_places

coordinates = st.floats(-1000, 1000).map(lambda value: round(value, 2))


def points(least: int, most: int) -> st.SearchStrategy[np.ndarray]:
    return st.integers(least, most).flatmap(lambda n: arrays(float, (n, 2), elements=coordinates))


def made(buildings: np.ndarray) -> Places:
    return Places(buildings, find_places(buildings, 8))


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
    assert np.isnan(made(buildings).of(cases)).all()
    np.testing.assert_array_equal(made(buildings).spread(cases), cases)


@given(points(8, 60), points(1, 20), st.randoms(use_true_random=False))
def test_a_case_is_moved_to_a_place_whatever_the_order(
    buildings: np.ndarray, cases: np.ndarray, random: object
) -> None:
    buildings = np.unique(buildings, axis=0)
    order = list(range(len(buildings)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = made(buildings).of(cases)
    np.testing.assert_allclose(made(buildings[order]).of(cases), moved)
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
    moved = made(buildings).of(cases)
    dealt = made(buildings).spread(moved)
    assert {tuple(row) for row in dealt} <= {tuple(row) for row in buildings}
    places = find_places(buildings, 8)
    by_building = {tuple(row): place for row, place in zip(buildings, places, strict=True)}
    np.testing.assert_allclose([by_building[tuple(row)] for row in dealt], moved, atol=1e-9)
    # the same places give the same points, wherever the cases truly were
    np.testing.assert_array_equal(made(buildings).spread(moved + 1e-9), dealt)
    for place in np.unique(np.round(moved, 6), axis=0):
        _, counts = np.unique(dealt[np.abs(moved - place).max(axis=1) < 1e-5], axis=0, return_counts=True)
        assert counts.max() - counts.min() <= 1


# --- in grids ---


@st.composite
def towns(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray]]:
    """Buildings, and their grids at three times, large and small ones; some buildings are in none."""
    buildings = np.unique(draw(points(8, 90)), axis=0)
    random = draw(st.randoms(use_true_random=False))
    times = []
    for _ in range(3):
        cuts = sorted(random.uniform(-1000, 1000) for _ in range(random.randrange(7)))
        grids = np.array(
            [f"g{number}" for number in np.searchsorted(cuts, buildings[:, random.randrange(2)])]
        )
        for row in range(len(buildings)):
            if random.random() < 0.05:
                grids[row] = ""
        times.append(grids)
    return buildings, times


def check(numbers: np.ndarray, grids: np.ndarray, been: list[set[str]] | None = None) -> None:
    """Who sees all cases of a grid, or two, finds each that he does not see in eight buildings or more."""
    for number in set(numbers.tolist()) - {-1}:
        mine = np.flatnonzero(numbers == number)
        assert len(mine) >= 8
        codes = set(grids[mine]) - {""}
        for known in chain(combinations(codes, 1), combinations(codes, 2)):
            left = (~np.isin(grids[mine], known)).sum()
            assert left == 0 or left >= 8  # nothing left: no case there is another grid's
        for known in set().union(*(been[row] for row in mine)) if been else ():
            left = sum(known not in been[row] for row in mine) if been else 0
            assert left == 0 or left >= 8


@given(towns())
def test_places_lie_in_grids_or_hold_without_any_one(town: tuple[np.ndarray, list[np.ndarray]]) -> None:
    buildings, (grids, *_) = town
    numbers = divide_grids(buildings, grids, 8)
    assert (numbers[grids == ""] == -1).all()
    check(numbers, grids)
    sizes = [(grids == code).sum() for code in set(grids) - {""}]
    if all(size >= 8 for size in sizes) or sum(size >= 8 for size in sizes) > 2:
        assert (numbers[grids != ""] >= 0).all()  # nobody's cases are hidden for want of neighbours
    if all(size >= 8 for size in sizes):
        assert all(len(set(grids[numbers == number])) == 1 for number in set(numbers.tolist()) - {-1})


@given(towns(), st.randoms(use_true_random=False))
def test_after_a_redraw_whole_places_are_joined_until_they_hold(
    town: tuple[np.ndarray, list[np.ndarray]], random: object
) -> None:
    buildings, times = town
    numbers = divide_grids(buildings, times[0], 8)
    been: list[set[str]] = [{code} - {""} for code in times[0]]
    for grids in times[1:]:
        been = [codes | ({code} - {""}) for codes, code in zip(been, grids, strict=True)]
        joined = join_places(buildings, numbers, grids, 8, been)
        for number in set(numbers.tolist()) - {-1}:  # both dates together tell no more than the first
            assert len(set(joined[numbers == number])) == 1
        assert (joined[numbers == -1] == -1).all()
        check(joined, grids, been)
        order = list(range(len(buildings)))
        random.shuffle(order)  # type: ignore[attr-defined]
        again = join_places(buildings[order], numbers[order], grids[order], 8, [been[row] for row in order])
        assert _sets(again) == _sets(joined[order])
        numbers = joined


def _sets(numbers: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(np.flatnonzero(numbers == number)) for number in set(numbers.tolist())}


def test_a_redraw_of_everything_leaves_every_case_at_a_place_that_is_not_much_larger() -> None:
    x, y = (axis.ravel() * 30.0 for axis in np.meshgrid(np.arange(32), np.arange(24)))
    buildings = np.column_stack([x, y])
    before = np.array([f"{int(a // 240)}-{int(b // 240)}" for a, b in buildings])
    numbers = divide_grids(buildings, before, 8)
    assert np.unique(numbers, return_counts=True)[1].max() <= 15
    assert (join_places(buildings, numbers, before, 8) == numbers).all()
    after = np.array([f"{int((a + 100) // 280)}+{int((b + 130) // 280)}" for a, b in buildings])
    joined = join_places(buildings, numbers, after, 8)
    assert (joined >= 0).all()
    check(joined, after)
    assert np.bincount(joined)[joined].mean() < 40


def test_a_case_is_at_a_place_of_its_grid_though_the_next_building_is_another_s() -> None:
    buildings = np.array([(x, y) for y in range(4) for x in range(4)], dtype=float)
    grids = np.where(buildings[:, 0] < 2, "west", "east")
    numbers = divide_grids(buildings, grids, 8)
    middles = np.array([buildings[numbers == number].mean(axis=0) for number in numbers])
    places = Places(buildings, middles, grids)
    found = places.of(np.array([(1.9, 0.0)] * 3), ["west", "east", None])
    np.testing.assert_allclose(found, [(0.5, 1.5), (2.5, 1.5), (np.nan, np.nan)])


def test_cases_at_a_former_place_are_dealt_out_among_its_buildings() -> None:
    buildings = np.array([(x, y) for y in range(4) for x in range(8)], dtype=float)
    former = (np.array([[3.5, 1.5]] * 32), np.arange(32))
    places = Places(buildings, find_places(buildings, 8), None, former)
    at = np.array([[3.5, 1.5]])
    dealt, counts, _ = places.deal(at, np.array([64]))
    assert (len(dealt), set(counts.tolist())) == (32, {2})
    assert len(np.unique(places.spread(np.repeat(at, 32, axis=0)), axis=0)) == 32
