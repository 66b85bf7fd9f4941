"""Our own base map: ground, water, buildings, streets with casing, names; no tiles from anywhere."""

from __future__ import annotations

from typing import Any, ClassVar

import geopandas as gpd
import numpy as np
import shapely

from layers import palette
from layers.coordinates import Ring, lines, polygons
from layers.element import Part
from layers.view import CommunityView

# Kind of ground by words found in `use`; the first that fits. Values come from files, so both languages.
_USES = (
    ("residential", "resid apart house dormitory terrace 住 居 宅 公寓"),
    ("commercial", "commerc retail office shop mall hotel industr mixed market 商 办公 写字 厂 市场"),
    (
        "public",
        "public school clinic hospital civic kinder govern service elderly police 公共 学 幼儿 医 政 警",
    ),
)


def use_group(use: object) -> str:
    """The kind of ground a building's use belongs to: residential, commercial, public or other."""
    text = str(use).lower() if use is not None else ""
    for group, words in _USES:
        if any(word in text for word in words.split()):
            return group
    return "other"


def street_names(streets: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """One entry a name and class, walls left out: the lines to set it along, longest first; EPSG:4326."""
    if "name" not in streets or streets.empty:
        return []
    named = streets[
        (streets["class"] != "wall")
        & streets["name"].notna()
        & (streets["name"].astype(str).str.strip() != "")
    ]
    entries = []
    for (name, kind), rows in named.groupby([named["name"].astype(str).str.strip(), "class"], sort=True):
        merged = shapely.line_merge(shapely.union_all(rows.geometry.to_numpy()))
        entries.append({"name": name, "class": kind, "lines": lines([merged]), "length": merged.length})
    entries.sort(key=lambda entry: (-entry["length"], entry["name"], entry["class"]))
    return [{key: entry[key] for key in ("name", "class", "lines")} for entry in entries]


class BaseMap(Part):
    """Ground, water, buildings, streets, their names, and the world outside the community dimmed."""

    scripts: ClassVar[tuple[str, ...]] = ("base_map.js",)

    def __init__(self, view: CommunityView) -> None:
        super().__init__("base_map", _data(view))


def _data(view: CommunityView) -> dict[str, Any]:
    streets = view.streets
    tunnel = _flags(streets, "tunnel")
    bridge = _flags(streets, "bridge") & ~tunnel
    ground: dict[str, list[Ring]] = {}
    bridges: dict[str, list[Ring]] = {}
    tunnels: dict[str, list[Ring]] = {}
    for kind in sorted(set(streets["class"])):
        of_kind = (streets["class"] == kind).to_numpy()
        for where, chosen in ((ground, ~tunnel & ~bridge), (bridges, bridge), (tunnels, tunnel)):
            found = streets.geometry[of_kind & chosen]
            if len(found):
                where[kind] = lines(found)
    groups = view.buildings["use"].map(use_group) if "use" in view.buildings else None
    buildings = {}
    for group in palette.BUILDINGS:
        chosen = view.buildings.geometry if groups is None else view.buildings.geometry[groups == group]
        if len(chosen) and (groups is not None or group == "residential"):
            buildings[group] = polygons(chosen)
    return {
        "community": polygons(view.community.geometry),
        "bounds": np.round(view.community.total_bounds, 6).tolist(),
        "streets": ground,
        "bridges": bridges,
        "tunnels": tunnels,
        "names": street_names(streets),
        "buildings": buildings,
        "colours": {"ground": palette.GROUND, "water": palette.WATER, "buildings": palette.BUILDINGS},
    }


def _flags(streets: gpd.GeoDataFrame, column: str) -> np.ndarray:
    if column not in streets:
        return np.zeros(len(streets), dtype=bool)
    flags: np.ndarray = streets[column].fillna(False).astype(bool).to_numpy()
    return flags
