"""The two heat maps: density of cases, and population groups by area of publication."""

from __future__ import annotations

from typing import Any, ClassVar

import geopandas as gpd
import numpy as np
import shapely

from layers import palette
from layers.coordinates import points, polygons
from layers.element import Part
from layers.grid_map import label_points
from layers.group_bands import codes_of, group_bands, reason_of
from layers.utm import utm_crs
from layers.view import GroupSurface, Surface
from partition.texts import LANGUAGES


class CaseHeat(Part):
    """The density of cases as coloured cells, with a legend in cases per km² and 30 days."""

    scripts: ClassVar[tuple[str, ...]] = ("heat_map.js",)

    def __init__(self, surface: Surface) -> None:
        super().__init__("case_heat", _cases(surface))


class GroupHeat(Part):
    """One population group: areas by band, withheld ones hatched."""

    scripts: ClassVar[tuple[str, ...]] = ("heat_map.js",)

    def __init__(self, surface: GroupSurface) -> None:
        super().__init__("group_heat", _group(surface))


def _cases(surface: Surface) -> dict[str, Any]:
    classes = len(surface.breaks) + 1
    colours = palette.ramp(palette.DENSITY, classes)
    values = surface.cells["value"].to_numpy(dtype=float)
    # a class's cells become one shape: no seams between cells, and no finer value in the page than is shown
    rank = np.searchsorted(np.asarray(surface.breaks), values, side="right")
    layers = []
    for index in range(classes):
        cells = surface.cells.geometry.to_numpy()[rank == index]
        # they share their corners to the last digit; what lies on a straight line is left out
        merged = shapely.simplify(shapely.coverage_union_all(cells), 1e-9) if len(cells) else None
        layers.append(
            {
                "lower": 0.0 if index == 0 else surface.breaks[index - 1],
                "upper": None if index == classes - 1 else surface.breaks[index],
                "colour": colours[index],
                "rings": polygons([merged]) if merged is not None else [],
            }
        )
    return {
        "classes": layers,
        "bandwidth_m": round(surface.bandwidth_m),
        "cell_m": round(surface.cell_m),
        "cases": surface.cases,
        "days": surface.days,
        "min_cases": surface.min_cases,
        "empty": not len(surface.cells),
    }


def _group(surface: GroupSurface) -> dict[str, Any]:
    cells = surface.cells.sort_values(["rank", "grids"]).reset_index(drop=True)
    bands = group_bands(surface)
    colours = {band["rank"]: band["colour"] for band in bands}
    in_metres: gpd.GeoSeries = cells.geometry.to_crs(utm_crs(cells)) if len(cells) else cells.geometry
    centres, radii = label_points(in_metres)
    where = points(centres.to_crs(4326)) if len(cells) else []
    return {
        "group": surface.group,
        "label": dict(surface.label),
        "note": dict(surface.note),
        "bands": bands,
        "cells": [
            {
                "label": {lang: str(row[f"label_{lang}"]) for lang in LANGUAGES},
                "why": reason_of(row) if int(row["rank"]) == 0 else None,
                "rank": int(row["rank"]),
                "colour": colours.get(int(row["rank"])),
                "grids": str(row["grids"]),
                "codes": str(row["codes"]).split() if "codes" in row else None,
                "together": len(codes_of(row["grids"])),
                "centre": where[position],
                "radius": round(radii[position], 1),
                "rings": polygons([row["geometry"]]),
            }
            for position, row in enumerate(cells.to_dict("records"))
        ],
    }
