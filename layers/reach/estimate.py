"""Households by building, estimated from what everybody sees: a grid's total, uses and footprints."""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd
import numpy as np

from layers.base_map import use_group
from partition.arrays import Flags, Lengths


def estimate_households(buildings: gpd.GeoDataFrame, totals: Mapping[str, float]) -> Lengths:
    """The households of each grid spread over its homes by floor area; NaN where the grid's are not told.

    buildings: grid, use, geometry (polygons in metres) and, where known, floors (NaN: unknown, taken for the
    median of those known). totals: households by grid, where their number may be told. Homes are buildings of
    residential or mixed use, or all of a grid that has none. Nothing goes in but what the reader is shown, so
    that what comes out tells no more.
    """
    grid = buildings["grid"].fillna("").astype(str).to_numpy()
    floors = _floors(buildings)
    size = buildings.geometry.area.to_numpy(dtype=np.float64) * floors
    home: Flags = np.array([_lived_in(use) for use in buildings["use"]], dtype=bool)
    found: Lengths = np.full(len(buildings), np.nan)
    for code, total in totals.items():
        own = np.flatnonzero(grid == code)
        lived = own[home[own]] if home[own].any() else own
        found[own] = 0.0
        area = size[lived].sum()
        if area > 0:
            found[lived] = total * size[lived] / area
    return found


def _lived_in(use: object) -> bool:
    text = "" if use is None else str(use).lower()
    return use_group(text) == "residential" or "mixed" in text


def _floors(buildings: gpd.GeoDataFrame) -> Lengths:
    if "floors" not in buildings:
        return np.ones(len(buildings))
    floors = buildings["floors"].astype(float)
    middle = floors.median()
    filled: Lengths = floors.fillna(1.0 if np.isnan(middle) else middle).clip(lower=1.0).to_numpy()
    return filled
