"""A small made-up town: streets in a lattice, buildings in every block, everything a community can have."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from shapely.geometry import LineString, Point, box

from partition.area import Area
from service.intake.layers import Layers, check_layers

CRS = pyproj.CRS.from_epsg(4548)  # CGCS2000, 3 degrees, 117° E
WEST, SOUTH = 500_000.0, 3_400_000.0
BLOCK_M = 60.0
CODE = "990101001001"  # no county has this code


def make_town(
    columns: int = 6,
    rows: int = 4,
    *,
    code: str = CODE,
    name: str = "测试社区",
    east_m: float = 0.0,
    households: int = 18,
) -> Area:
    """A town of `columns` × `rows` blocks of 60 m with four buildings each, in metres.

    The first building of every third block has two rows (one building in two parts).
    """
    west = WEST + east_m
    east, north = west + columns * BLOCK_M, SOUTH + rows * BLOCK_M
    lines = [
        LineString([(west + i * BLOCK_M, SOUTH), (west + i * BLOCK_M, north)]) for i in range(1, columns)
    ]
    lines += [LineString([(west, SOUTH + j * BLOCK_M), (east, SOUTH + j * BLOCK_M)]) for j in range(1, rows)]
    streets = gpd.GeoDataFrame(
        {
            "class": ["secondary" if i % 2 else "local" for i in range(len(lines))],
            "bridge": False,
            "tunnel": False,
            "layer": 0,
            "oneway": False,
            "name": [f"{i + 1}号路" for i in range(len(lines))],
        },
        geometry=lines,
        crs=CRS,
    )
    shapes, ids, counts = [], [], []
    for j in range(rows):
        for i in range(columns):
            x, y = west + i * BLOCK_M, SOUTH + j * BLOCK_M
            block = j * columns + i
            for k, (dx, dy) in enumerate([(8, 8), (36, 8), (8, 36), (36, 36)]):
                ids.append(f"{code[-3:]}-{block:02d}-{k}")
                shapes.append(box(x + dx, y + dy, x + dx + 14, y + dy + 12))
                counts.append(households + (block + k) % 3)
            if block % 3 == 0:
                ids.append(f"{code[-3:]}-{block:02d}-0")
                shapes.append(box(x + 24, y + 8, x + 28, y + 12))
                counts.append(0)
    count = len(ids)
    unknown = np.array([i % 17 == 5 for i in range(count)])
    buildings = gpd.GeoDataFrame(
        {
            "row": np.arange(count),
            "id": ids,
            "households": np.where(unknown, 0, counts).astype(np.int64),
            "unknown": unknown,
            "estimated": False,
            "residents": np.where(unknown, np.nan, np.array(counts) * 2.5),
            "use": ["residential" if i % 5 else "school" for i in range(count)],
            "floors": np.where(np.arange(count) % 7 == 0, np.nan, 6.0),
            "shops": np.where(np.arange(count) % 3 == 0, 2.0, np.nan),
            "complexity": np.where(np.arange(count) % 4 == 0, 1.5, 1.0),
            "village_group": np.where(np.arange(count) % 2 == 0, "一组", ""),
            "community": np.zeros(count, dtype=np.int64),
            "atom": pd.factorize(pd.Series(ids))[0].astype(np.int64),
        },
        geometry=shapes,
        crs=CRS,
    )
    communities = gpd.GeoDataFrame(
        {"id": ["c1"], "name": [name], "code": [code], "class": ["urban"]},
        geometry=[box(west, SOUTH, east, north)],
        crs=CRS,
    )
    compounds = gpd.GeoDataFrame(
        {"id": ["e1"], "name": ["一号小区"]},
        geometry=[box(west, SOUTH, west + 2 * BLOCK_M, SOUTH + BLOCK_M)],
        crs=CRS,
    )
    original = buildings[["id", "households", "residents", "use", "floors", "geometry"]]
    zones = gpd.GeoDataFrame(
        {"id": ["z1"], "name": ["小学"], "kind": ["school"], "complexity": [1.0]},
        geometry=[box(east - 2 * BLOCK_M, SOUTH, east - BLOCK_M, SOUTH + BLOCK_M)],
        crs=CRS,
    )
    return Area(CRS, CRS, communities, streets, buildings, compounds, original, zones=zones)


def make_layers(area: Area, *, cases: int = 60) -> Layers:
    """Facilities, cases, counts of people and staff of a town."""
    west, south, east, north = area.communities.total_bounds
    spread = np.linspace(0.05, 0.95, cases)
    ids = area.buildings["id"].drop_duplicates().tolist()
    return check_layers(
        {
            "facilities": gpd.GeoDataFrame(
                {"id": ["f1", "f2"], "kind": ["clinic", "camera"], "name": ["卫生站", ""]},
                geometry=[Point(west + 30, south + 30), Point(east - 5, north - 5)],
                crs=area.crs,
            ),
            "cases": gpd.GeoDataFrame(
                {
                    "id": [f"k{i}" for i in range(cases)],
                    "category": ["rubbish" if i % 3 else "dispute" for i in range(cases)],
                    "time": pd.date_range("2026-01-01", periods=cases, freq="7h").strftime("%Y-%m-%d %H:%M"),
                    "status": ["closed" if i % 2 else "discovered" for i in range(cases)],
                    "tier": "grid",
                    "building": [ids[i] if i % 4 == 0 else "" for i in range(cases)],
                },
                geometry=[
                    Point(west + (east - west) * s, south + (north - south) * ((s * 7) % 1)) for s in spread
                ],
                crs=area.crs,
            ),
            "population_groups": pd.DataFrame(
                {
                    "building": ids[:40],
                    "category": ["elderly_alone", "独居老人"] * 20,
                    "count": [i % 4 for i in range(40)],
                }
            ),
            "staff": pd.DataFrame(
                {
                    "grid": ["1", "2", "003"],
                    "role": "网格员",
                    "name": ["甲", "乙", "丙"],
                    "phone": "0000-0000000",
                }
            ),
        },
        area,
    )


def shapes_of(frame: gpd.GeoDataFrame) -> list[str]:
    """Geometries as text, for comparison to the last bit."""
    return list(shapely.to_wkb(frame.geometry.to_numpy(), hex=True))
