"""A surface on square cells, compact enough to send as it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

UNIT = "cases/km²/month"
DAYS_A_MONTH = 30.0
_DIGITS = 3


@dataclass(frozen=True)
class Lattice:
    """Cases per km² and 30 days (or the change of that) on square cells whose sides run north and east.

    crs: a Mercator projection true to scale at the middle of the area (PROJ text), so that the cells are
    squares in metres and at the same time upright rectangles of even size on a web map: a picture of
    `columns` × `rows` pixels stretched over `bounds` lies right. origin: x, y of the north-west corner, in
    metres of `crs`. values: rows × columns, first row northernmost; nan where a cell lies outside the area
    or rests on fewer than `min_cases` cases. near: cases within the bandwidth of the cell's middle, rows ×
    columns (of both periods together for a change). bounds: west, south, east, north of the whole lattice in
    EPSG:4326. breaks: upper bounds of the classes, ascending, in `unit`; for a change the first class begins
    at minus the last bound. cases: those counted within the area in `days` days (a change: of the later
    period).
    """

    crs: str
    origin: tuple[float, float]
    cell_m: float
    columns: int
    rows: int
    values: Floats
    near: Counts
    bounds: tuple[float, float, float, float]
    breaks: tuple[float, ...]
    bandwidth_m: float
    cases: int
    days: float
    min_cases: int
    unit: str = UNIT

    @property
    def few(self) -> bool:
        """Whether no cell may be shown: too few cases for a density."""
        return bool(np.isnan(self.values).all())

    def as_json(self) -> dict[str, Any]:
        """The lattice as plain lists and numbers: `values` row by row, to three digits, null for nan."""
        return {
            "crs": self.crs,
            "origin": list(self.origin),
            "cell_m": self.cell_m,
            "columns": self.columns,
            "rows": self.rows,
            "values": short_numbers(self.values),
            "bounds": list(self.bounds),
            "breaks": list(self.breaks),
            "unit": self.unit,
            "bandwidth_m": self.bandwidth_m,
            "cases": self.cases,
            "days": self.days,
            "min_cases": self.min_cases,
        }


def short_numbers(values: Floats) -> list[float | int | None]:
    """The numbers row by row, to three digits (whole ones as integers), None for nan."""
    flat = values.ravel()
    shown = np.isfinite(flat) & (flat != 0)
    rounded = np.where(np.isfinite(flat), flat, 0.0)
    power = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.abs(flat[shown]))))
    rounded[shown] = np.rint(flat[shown] * power) / power
    return [
        None if math.isnan(was) else int(now) if now.is_integer() else now
        for was, now in zip(flat.tolist(), rounded.tolist(), strict=True)
    ]
