"""What stands in a column, as values: ids, numbers, yes and no; and the rows that cannot be read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]

YES = frozenset({"1", "y", "yes", "t", "true", "是", "有", "-1", "reversible", "alternating"})
NO = frozenset({"", "0", "n", "no", "f", "false", "否", "无"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def read_texts(values: Iterable[object]) -> list[str]:
    """Each value as stripped text: "" where missing, whole numbers without a fraction (12.0 is "12")."""
    if isinstance(values, pd.Series):  # which is slow to walk over
        values = values.to_numpy(dtype=object)
    return [_text(value) for value in values]


def _text(value: object) -> str:
    if type(value) is str:  # as most are
        return value.strip()
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (float, np.floating)):
        if np.isnan(value):
            return ""
        return str(int(value)) if float(value).is_integer() else str(value)
    return str(value).strip()


def read_ids(values: Iterable[object]) -> tuple[list[str], Flags]:
    """Each value as an id (`#n`, the row's number from 1, where there is none), and which rows have none."""
    texts = read_texts(values)
    missing = np.array([not text for text in texts], dtype=bool)
    return [text or f"#{number}" for number, text in enumerate(texts, 1)], missing


def read_numbers(values: Iterable[object]) -> tuple[Numbers, Flags]:
    """Each value as a number, NaN where missing; and which rows hold something that is no finite number.

    Numbers may come as text, full-width digits and thousands commas included.
    """
    if isinstance(values, pd.Series) and values.dtype.kind in "iuf":
        whole = values.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
        infinite: Flags = np.isinf(whole)
        whole[infinite] = np.nan
        return whole, infinite
    numbers, bad = [], []
    for value in values:
        number, fault = _number(value)
        numbers.append(number)
        bad.append(fault)
    return np.array(numbers, dtype=np.float64), np.array(bad, dtype=bool)


def _number(value: object) -> tuple[float, bool]:
    if isinstance(value, (bool, np.bool_)):
        return np.nan, True
    if isinstance(value, (int, float, np.integer, np.floating)):
        number = float(value)
        return (np.nan, True) if np.isinf(number) else (number, False)
    text = unicodedata.normalize("NFKC", _text(value)).strip()
    if text.lower() in {"", "nan", "null", "none"}:
        return np.nan, False
    plain = re.sub(r"(?<=\d),(?=\d{3}(\D|$))", "", text)
    if _NUMBER.fullmatch(plain):
        number = float(plain)
        return (np.nan, True) if np.isinf(number) else (number, False)
    return np.nan, True


def read_flags(values: Iterable[object]) -> Flags:
    """Yes or no: OSM's kinds of bridge and tunnel (viaduct, building_passage …) are yes."""
    found = []
    for value in values:
        text = _text(value).lower()
        number, fault = _number(value)
        found.append(
            number != 0 if not fault and not np.isnan(number) and text not in YES else text not in NO
        )
    return np.array(found, dtype=bool)
