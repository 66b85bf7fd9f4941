"""Households of buildings whose figures are missing, and of those of several rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shapely import box

from partition.intake.households import (
    estimate_households,
    is_residential,
    join_column,
    join_figures,
    tell_buildings,
)

NAN = math.nan


def rows(*given: tuple[Any, ...]) -> pd.DataFrame:
    """atom, community, households, unknown, use, floors."""
    return pd.DataFrame(given, columns=["atom", "community", "households", "unknown", "use", "floors"])


def test_the_floor_area_of_a_household_is_that_of_known_homes_nearby() -> None:
    table = rows(
        (0, 0, 10, False, "residential", 5),  # 1,000 m²
        (1, 0, 10, False, "", 5),
        (2, 0, 20, False, "住宅", 10),  # 2,000 m²: 100 m² a household
        (3, 0, 1, False, "shop", 50),  # nobody lives there
        (4, 0, 0, False, "house", 9),  # empty: tells nothing
        (5, 0, 0, True, "yes", 3),  # 600 m²
        (6, 0, 0, True, "office", 30),
        (7, 0, 0, True, "apartments", NAN),  # as many floors as the homes have in the middle
        (8, 1, 9, False, "house", 1),
        (9, 1, 9, False, "house", 1),
        (10, 1, 0, True, "house", 2),  # two known are too few: 95 m² each
        (11, 2, 4, False, "house", 1),
    )
    found, basis = estimate_households(table, np.full(12, 200.0))
    # floors of homes: 5, 5, 10, 9, 3, 1, 1, 2, 1 have 3 in the middle
    assert found == pytest.approx([NAN] * 5 + [6, NAN, 6, NAN, NAN, 4, NAN], nan_ok=True)
    assert basis == "100, 95"
    nothing, none = estimate_households(table[:5], np.full(5, 200.0))
    assert (np.isnan(nothing).all(), none) == (True, "")
    empty, none = estimate_households(table[:0], np.empty(0))
    assert (len(empty), none) == (0, "")


def test_a_building_of_several_rows_is_estimated_once_and_whole() -> None:
    table = rows(
        (0, 0, 0, True, "house", 2),
        (1, 0, 7, False, "house", 2),
        (0, 0, 0, True, "", 1),
        (2, 0, 0, True, "house", NAN),
        (2, 0, 3, False, "house", 1),  # one row of it is known
        (3, 0, 0, True, "garage", 0),
        (3, 0, 0, True, "flat", 0),  # in part a home
    )
    found, basis = estimate_households(table, np.array([380.0, 100, 190, 100, 100, 95, 95]))
    assert found == pytest.approx([10, NAN, 0, NAN, NAN, 3, 0], nan_ok=True)
    assert basis == "95"
    bare, _ = estimate_households(rows((0, 0, 0, True, "", NAN)), np.array([190.0]))
    assert bare.tolist() == [2]  # one floor, where no home has any


@pytest.mark.parametrize(
    ("use", "lived_in"),
    [
        ("", None), (" Yes ", None), ("未知", None), ("Residential", True), ("flats", True), ("民房", True),
        ("宿舍楼", True), ("居民楼", True), ("非住宅", False), ("非居住", False), ("居委会", False),
        ("non-residential", False), ("school", False), ("商铺", False),
    ],
)  # fmt: skip
def test_uses_that_are_homes(use: str, lived_in: bool | None) -> None:
    assert is_residential(use) is lived_in


def test_rows_of_one_building_agree_or_are_added_up() -> None:
    building = np.array([0, 1, 0, 2, 1, 3, 3])
    values = np.array([5.0, 4.0, 5.0, 9.0, 6.0, NAN, NAN])
    found, summed = join_column(building, values, np.ones(7, dtype=bool))
    assert found == pytest.approx([5, 4, 0, 9, 6, NAN, NAN], nan_ok=True)
    assert summed == {1}
    # what an unusable row holds goes to the first that can be used
    found, summed = join_column(np.array([0, 0, 0]), np.array([2.0, NAN, 3.0]), np.array([True, True, False]))
    assert (found.tolist(), summed) == ([5.0, 0.0, 0.0], {0})
    found, summed = join_column(np.array([0, 0]), np.array([2.0, 3.0]), np.array([False, False]))
    assert (found.tolist(), summed) == ([2.0, 3.0], {0})
    found, summed = join_column(np.array([0, 0]), np.array([NAN, 3.0]), np.array([True, True]))
    assert (found.tolist(), summed) == ([3.0, 0.0], set())
    table = pd.DataFrame(
        {"building": building, "id": list("abacbdd"), "usable": True, "households": values,
         "residents": [1, 1, 1, 1, 1, 2, 3], "shops": NAN}
    )  # fmt: skip
    joined = join_figures(table)
    assert (joined.agreeing, joined.summed) == (("a",), ("b", "d"))
    assert joined.unknown.tolist() == [False] * 5 + [True, True]
    assert joined.residents.tolist() == [1, 1, 0, 1, 0, 2, 3]


def test_one_number_in_two_communities_is_two_buildings_unless_they_stand_together() -> None:
    def told(ids: str, community: list[int], x: list[float], usable: list[int] | None = None) -> list[int]:
        shapes = np.array([box(at, 0, at + 10, 10) for at in x], dtype=object)
        use = np.ones(len(x), dtype=bool) if usable is None else np.array(usable, dtype=bool)
        found = tell_buildings(np.array(list(ids), dtype=object), np.array(community), shapes, use)
        return np.unique(found, return_inverse=True)[1].tolist()

    assert told("aab", [0, 0, 1], [0, 500, 900]) == [0, 0, 1]
    assert told("aa", [0, 1], [0, 13]) == [0, 0]  # 3 m apart
    assert told("aa", [0, 1], [0, 13.1]) == [0, 1]
    assert told("aaa", [0, 1, 1], [0, 500, 12]) == [0, 0, 0]  # one of the second place stands by the first
    assert told("aaab", [0, 1, 2, 0], [0, 500, 512, 900]) == [1, 2, 2, 0]
    assert told("abab", [0, 0, 1, 1], [0, 5, 500, 8]) == [1, 0, 2, 0]
    assert told("aaa", [0, 1, 1], [0, 500, 900], [1, 1, 0]) == [1, 2, 0]
