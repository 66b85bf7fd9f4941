"""An area as the partition works on it: checked frames in metres. `frames.check_area` makes it; nobody else
does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import geopandas as gpd
import pandas as pd
import pyproj

from partition.findings import Finding

STREET_CLASSES = ("arterial", "secondary", "local", "lane", "path", "water", "rail", "wall")

# what is done about figures that are missing
Missing = Literal["refuse", "zero", "estimate"]


def no_zones() -> gpd.GeoDataFrame:
    """The layer of zones where there is none."""
    return gpd.GeoDataFrame({"id": [], "name": [], "kind": [], "complexity": []}, geometry=[])


@dataclass(frozen=True)
class Area:
    """Checked frames, all in `crs` (projected, metres), with a fresh RangeIndex each, in an order that does
    not depend on the order of the input rows.

    communities: id (str, unique), name (str, may be ""), code (12 digits or ""), class ("urban" | "rural" |
        ""), geometry (valid Polygon or MultiPolygon; pairwise disjoint interiors, edge-matched as a
        coverage). streets: class (one of STREET_CLASSES), bridge (bool), tunnel (bool), layer (int), oneway
        (bool), name (str), geometry (LineString, single part, 2D, not empty). buildings: row (int: position
        of the row in the input layer), id (str), households (int64, 0 where unknown and not estimated),
        unknown (bool: households were missing), estimated (bool: and were reckoned from floor area),
        residents (float64, NaN where unknown), use (str), floors
        (float64, NaN where unknown), shops (float64, NaN where unknown), complexity (float64 > 0: how much a
        household here counts for, 1 where nothing is said), village_group (str, "" for none), community (int:
        index into `communities`, -1 outside all), atom (int: rows with one id are one building and share
        their atom, unless they lie apart in different communities, so that an id is one building's
        within its community; numbered in the order of this frame), geometry (valid Polygon or MultiPolygon;
        overlaps are left as they are and reported). Rows that share an atom carry their households, residents
        and shops once: the sum over an atom's rows is the building's figure. compounds: id (str), name (str),
        geometry (valid Polygon or MultiPolygon). May be empty. zones: id (str), name (str), kind (str;
        "other" where nothing is said), complexity (float64 > 0), geometry (as of compounds). May be empty.
        original_buildings: the input's building rows as they came, in input order and CRS, without personal
        columns (buildings.row points into it). findings: every repair and note made on the way here. missing:
        what was done about missing households, and is done about other figures once a profile needs them.
    """

    crs: pyproj.CRS
    source_crs: pyproj.CRS
    communities: gpd.GeoDataFrame
    streets: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    compounds: gpd.GeoDataFrame
    original_buildings: gpd.GeoDataFrame
    findings: tuple[Finding, ...] = ()
    zones: gpd.GeoDataFrame = field(default_factory=no_zones)
    missing: Missing = "zero"


def call_buildings(area: Area) -> list[str]:
    """What each row of `buildings` is called: by its name in the input where it has one, else by its id."""
    if "called" in area.buildings:  # in a parcel, which leaves the rows of the input behind
        return list(area.buildings["called"])
    ids = area.buildings["id"].astype(str)
    if "name" not in area.original_buildings or not len(ids):
        return list(ids)
    given = area.original_buildings["name"].to_numpy()[area.buildings["row"].to_numpy()]
    names = pd.Series(given, index=ids.index, dtype=object)
    texts = names.where(names.notna(), "").astype(str).str.strip()
    return list(texts.where(texts != "", ids))
