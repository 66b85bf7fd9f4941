"""Cases at places are dealt out among their buildings: evenly, by day as at once. No database."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from .test_places import made, points


@given(points(8, 60), points(1, 40), st.lists(st.integers(-1, 6), min_size=40, max_size=40))
def test_the_steps_together_are_the_whole(buildings: np.ndarray, cases: np.ndarray, days: list[int]) -> None:
    """Frames of an animation add up to the surface of all their days, whatever came before."""
    buildings = np.unique(buildings, axis=0)
    if len(buildings) < 8:
        return
    kept = made(buildings)
    moved, steps = kept.of(cases), np.array(days[: len(cases)])
    numbers = np.arange(1, len(cases) + 1) % 4

    def by_building(chosen: np.ndarray, by_step: np.ndarray) -> dict[tuple[float, ...], int]:
        found: dict[tuple[float, ...], int] = {}
        told, dealt, at = kept.deal(moved[chosen], numbers[chosen], by_step[chosen])
        for building, number, step in zip(told, dealt, at, strict=True):
            assert number > 0
            if step >= 0:
                found[tuple(building)] = found.get(tuple(building), 0) + int(number)
        return found

    now = steps >= 0
    whole = by_building(now, np.zeros_like(steps))
    assert by_building(np.ones_like(now), steps) == whole
    assert sum(whole.values()) == numbers[now].sum()
    # and single cases in turn are the same
    singles = np.repeat(moved[now], numbers[now], axis=0)
    found, counts = np.unique(kept.spread(singles), axis=0, return_counts=True)
    assert {tuple(one): int(count) for one, count in zip(found, counts, strict=True)} == whole


def test_one_case_a_day_goes_round_the_whole_place() -> None:
    rng = np.random.default_rng(2)
    buildings = rng.uniform(0, 1000, (96, 2))
    kept = made(buildings)
    places = np.unique(kept.of(buildings), axis=0)
    assert len(places) == 8  # of twelve buildings each
    days = np.arange(12)
    told, numbers, steps = kept.deal(np.repeat(places, 12, axis=0), np.ones(96, dtype=int), np.tile(days, 8))
    assert (numbers == 1).all()
    assert len(np.unique(told, axis=0)) == 96
    # a few cases lie on no one side of their place, and not on the same side of all
    few = steps < 3
    shift = told[few] - kept.of(told[few])
    assert np.abs(shift.reshape(-1, 2).mean(axis=0)).max() < 25
    first = (told - kept.of(told))[steps == 0, 0]
    assert {True, False} == set((first > 0).tolist())
