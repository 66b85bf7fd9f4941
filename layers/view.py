"""What a community's map shows, cleared by disclosure control. The service fills it; layers draw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import geopandas as gpd


@dataclass(frozen=True)
class Surface:
    """A density surface as square cells with a floor, in EPSG:4326.

    cells: value (float, in `unit`), geometry. breaks: bounds between the classes, ascending, in `unit`; a
    value on one belongs to the class that begins there, and the last class has no upper bound.
    days: length of the time that the cases cover. min_cases: a cell whose estimate rests on fewer cases is
    not among the cells. `layers.density.case_surface` makes it.
    """

    cells: gpd.GeoDataFrame
    breaks: tuple[float, ...]
    bandwidth_m: float
    cell_m: float
    cases: int
    days: int
    min_cases: int = 3


@dataclass(frozen=True)
class GroupSurface:
    """One population group by area of publication (a grid, merged grids or the community), in EPSG:4326.

    cells: label_zh, label_en (the band or count as it may be shown), rank (int, 0 = withheld or none, for the
    colour), grids (str: the codes it covers), geometry. One label has one rank; rank 0 is drawn hatched.
    Optional columns why_zh, why_en say of a withheld area why it is; without them its label does; codes (str)
    are the whole codes of the grids, where `grids` are short.
    bands: the label of every rank, from 1 on, whether an area has it or not: with them a band has the same
    colour in every community and at all times.
    """

    group: str
    label: Mapping[str, str]
    note: Mapping[str, str]
    cells: gpd.GeoDataFrame
    bands: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class CommunityView:
    """Frames in EPSG:4326.

    community: code, name, geometry (one row). grids: code, households, residents, buildings, area_m2,
    staff (list of {role, name, phone}), groups (list of {label_zh, label_en, value_zh, value_en}),
    cases_30d (int or None), geometry. streets: class, name, bridge, tunnel, geometry. buildings: use,
    geometry (no figures). facilities: kind, name, geometry (points),
    and condition where it is known.

    Optional columns of grids: bounds_zh, bounds_en (the four bounds in words), buildings_unknown (int:
    buildings whose households are not known), ranged (bool: size_range is one for the grid; it is for all
    without this column), cases_about (bool: cases_30d is shown as approximate), cases_together (codes of the
    grids whose cases count together with its own, itself among them; none: it counts alone), recent (list of
    {date, category_zh, category_en, status_zh, status_en}, newest first; only what the role may see), colour
    (int from 0; without it colours are made that tell neighbours apart), posts, facilities, months,
    freshness (what `layers.cards` describes besides).
    A member of staff with an empty name is shown as a vacancy; staff may carry role_zh, role_en beside role.
    cases is None where the role may not see cases, or none were loaded; a Surface without cells is shown as
    "too few cases". version and published (ISO date) name the published plan; size_range are its bounds of
    households, size_words all its ranges by language, in_range the share of grids within them (0 to 1).
    areas: what the grids make up, in order: name by language, and codes of its grids.
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
    version: str = ""
    published: str = ""
    size_range: tuple[int, int] | None = None
    size_words: Mapping[str, str] = field(default_factory=dict)
    in_range: float | None = None
    areas: tuple[tuple[Mapping[str, str], tuple[str, ...]], ...] = ()
