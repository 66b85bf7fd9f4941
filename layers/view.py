"""What a community's map shows, already cleared by disclosure control. The service fills it; layers draw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import geopandas as gpd


@dataclass(frozen=True)
class Surface:
    """A density surface as square cells with a floor, in EPSG:4326.

    cells: value (float, in `unit`), geometry. breaks: upper bounds of the classes, ascending, in `unit`.
    unit and title are keys of `layers/texts.toml`.
    """

    cells: gpd.GeoDataFrame
    breaks: tuple[float, ...]
    bandwidth_m: float
    cell_m: float
    cases: int
    days: int


@dataclass(frozen=True)
class GroupSurface:
    """One population group by area of publication (a grid, merged grids or the community), in EPSG:4326.

    cells: label_zh, label_en (the band or count as it may be shown), rank (int, 0 = withheld or none, for the
    colour), grids (str: the codes it covers), geometry.
    """

    group: str
    label: Mapping[str, str]
    note: Mapping[str, str]
    cells: gpd.GeoDataFrame


@dataclass(frozen=True)
class CommunityView:
    """Frames in EPSG:4326.

    community: code, name, geometry (one row). grids: code, households, residents, buildings, area_m2,
    staff (list of {role, name, phone}), groups (list of {label_zh, label_en, value_zh, value_en}),
    cases_30d (int or None), geometry. streets: class, name, bridge, tunnel, geometry. buildings: use, geometry
    (no figures). facilities: kind, name, geometry (points).
    """

    community: gpd.GeoDataFrame
    grids: gpd.GeoDataFrame
    streets: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame
    cases: Surface | None = None
    groups: tuple[GroupSurface, ...] = ()
    role: str = "public"
    synthetic: bool = False
    attribution: Mapping[str, str] = field(default_factory=dict)
