"""What stands in a column, value by value."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from partition.intake.columns import read_flags, read_ids, read_numbers, read_texts


@pytest.mark.parametrize(
    ("value", "number", "bad"),
    [
        (3, 3.0, False),
        (np.int32(-4), -4.0, False),
        (2.5, 2.5, False),
        (np.float32(0.5), 0.5, False),
        (math.inf, None, True),
        (-math.inf, None, True),
        (math.nan, None, False),
        (None, None, False),
        (pd.NA, None, False),
        (True, None, True),
        (np.bool_(False), None, True),
        ("12", 12.0, False),
        (" -1.5e2 ", -150.0, False),
        ("5.", 5.0, False),
        (".25", 0.25, False),
        ("１２．５", 12.5, False),
        ("1,234", 1234.0, False),
        ("1,234,567.5", 1_234_567.5, False),
        ("1,23", None, True),
        ("12,3456", None, True),
        (",123", None, True),
        ("1e999", None, True),
        ("-1e999", None, True),
        ("inf", None, True),
        ("", None, False),
        ("NaN", None, False),
        ("NULL", None, False),
        ("None", None, False),
        ("about 12", None, True),
        ("1.2.3", None, True),
    ],
)
def test_a_number_is_read_or_told(value: object, number: float | None, bad: bool) -> None:
    found, wrong = read_numbers([7, value])
    assert (found[0], wrong.tolist()) == (7.0, [False, bad])
    assert found[1:] == pytest.approx([math.nan if number is None else number], nan_ok=True)


def test_a_column_of_numbers_is_read_at_once_and_left_as_it_is() -> None:
    given = pd.Series([1.5, math.inf, math.nan, -math.inf])
    found, wrong = read_numbers(given)
    assert found == pytest.approx([1.5, math.nan, math.nan, math.nan], nan_ok=True)
    assert wrong.tolist() == [False, True, False, True]
    assert given.to_list()[1] == math.inf
    whole, none = read_numbers(pd.Series([1, 2, None], dtype="Int64"))
    assert whole == pytest.approx([1, 2, math.nan], nan_ok=True)
    assert none.tolist() == [False, False, False]
    flags = read_numbers(pd.Series([True, False]))
    assert flags[1].tolist() == [True, True]


def test_yes_and_no_as_people_and_maps_write_them() -> None:
    yes = [
        True,
        np.bool_(True),
        1,
        2,
        -1,
        0.5,
        "yes",
        "T",
        "是",
        "有",
        "-1",
        "1",
        "viaduct",
        "2",
        "reversible",
    ]
    no = [False, np.bool_(False), 0, 0.0, "0", "00", "no", "F", "否", "", None, math.nan, " No ", "无"]
    assert read_flags([*yes, *no]).tolist() == [True] * len(yes) + [False] * len(no)


def test_texts_and_ids() -> None:
    values = [" a ", None, pd.NaT, 12.0, 12.5, np.float64(3), math.nan, 7, True, np.bool_(False)]
    texts = ["a", "", "", "12", "12.5", "3", "", "7", "True", "False"]
    assert read_texts(values) == read_texts(pd.Series(values, dtype=object)) == texts
    ids, missing = read_ids(["x", " ", None, 4.0])
    assert ids == ["x", "#2", "#3", "4"]
    assert missing.tolist() == [False, True, True, False]
