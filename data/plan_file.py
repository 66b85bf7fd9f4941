"""The plan as files: a GeoPackage of grids and buildings, and a report. A file is replaced only when the new
one is whole.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyogrio
import pyproj

from partition.area import Area
from partition.errors import InputError
from partition.findings import Finding
from partition.grids import GRID_COLUMNS


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does
    not.

    Raises InputError where the folder cannot be written.
    """
    check_writable(path)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    part = Path(name)
    part.unlink()  # GDAL wants to make the file itself
    try:
        yield part
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_writable(path: Path, inputs: tuple[Path, ...] = ()) -> None:
    """Raise InputError where `path` cannot be written, or where it is one of the inputs."""
    folder = path.parent
    fault = ""
    if not folder.is_dir():
        fault = "output_no_folder"
    elif path.is_dir():
        fault = "output_is_folder"
    elif not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        fault = "output_unwritable"
    elif path.exists() and any(given.exists() and given.samefile(path) for given in inputs):
        fault = "output_is_input"
    if fault:
        raise InputError([Finding(fault, "refused", values={"path": str(path), "folder": str(folder)})])


def write_plan(path: Path, area: Area, grids: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame) -> None:
    """Write layers `grids` and `buildings` in the CRS of the input. Buildings are the rows that came in, plus
    `grid`.
    """
    out_grids = grids[GRID_COLUMNS].to_crs(area.source_crs)
    out_grids["residents"] = out_grids["residents"].round().astype("Int64")
    with replacing(path) as part:
        pyogrio.write_dataframe(out_grids, part, layer="grids", driver="GPKG")
        pyogrio.write_dataframe(
            plan_buildings(area, buildings), part, layer="buildings", driver="GPKG", append=True
        )


def plan_buildings(area: Area, buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The input's rows of buildings, in their order and CRS, with the code of each one's grid ("" for
    none).
    """
    rows = area.original_buildings.reset_index(drop=True)
    grid = np.full(len(rows), "", dtype=object)
    grid[buildings["row"].to_numpy()] = buildings["grid"].to_numpy()
    return rows.drop(columns="grid", errors="ignore").assign(grid=grid)


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON with sorted keys."""
    with replacing(path) as part:
        part.write_text(
            json.dumps(report, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def read_plan(path: Path, crs: pyproj.CRS) -> tuple[gpd.GeoDataFrame | None, dict[str, str] | None]:
    """Read a plan made anywhere: polygons (`code`, geometry in `crs`; None without), and building id → code
    (None without).

    A GeoPackage or other vector file with a layer of polygons that have a code, a layer of buildings with a
    column `grid`, or both; or a CSV with `id` and `grid`. Raises InputError where neither is found.
    """
    if not path.is_file():
        raise InputError([Finding("plan_missing", "refused", file=str(path))])
    if path.suffix.lower() == ".csv":
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
        return None, _mapping(table, path)
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(path)]
    except pyogrio.errors.DataSourceError:
        raise InputError([Finding("plan_unreadable", "refused", file=str(path))]) from None
    polygons: gpd.GeoDataFrame | None = None
    mapping: dict[str, str] | None = None
    for name in sorted(names, key=lambda n: (n not in ("grids", "buildings"), n)):
        frame = pyogrio.read_dataframe(path, layer=name)
        columns = {str(column).lower(): column for column in frame.columns}
        grid, code, key = (_first(columns, some) for some in (GRID_NAMES, CODE_NAMES, KEY_NAMES))
        if mapping is None and grid and key and name != "grids":
            mapping = _mapping(frame.rename(columns={grid: "grid", key: "id"}), path)
        elif (
            polygons is None
            and code
            and "geometry" in frame
            and frame.geom_type.isin(["Polygon", "MultiPolygon"]).all()
        ):
            if frame.crs is None:
                raise InputError([Finding("plan_without_crs", "refused", layer=name, file=str(path))])
            polygons = frame.rename(columns={code: "code"})[["code", "geometry"]].to_crs(crs)
            polygons["code"] = polygons["code"].astype(str)
    if polygons is None and mapping is None:
        raise InputError([Finding("plan_empty", "refused", file=str(path))])
    return polygons, mapping


GRID_NAMES = ("grid", "grid_code", "网格", "网格编码", "网格编号")
CODE_NAMES = ("code", *GRID_NAMES)
KEY_NAMES = ("id", "building", "building_id", "楼号", "楼栋号", "楼栋编号", "建筑编号")


def _first(columns: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((columns[name] for name in names if name in columns), None)


def _mapping(table: pd.DataFrame, path: Path) -> dict[str, str]:
    columns = {str(column).lower(): column for column in table.columns}
    grid, key = _first(columns, GRID_NAMES), _first(columns, KEY_NAMES)
    if grid is None or key is None:
        raise InputError([Finding("plan_empty", "refused", file=str(path))])
    ids = table[key].astype(str)
    codes = table[grid].fillna("").astype(str).str.strip()
    double = table.assign(_i=ids, _c=codes).groupby("_i")["_c"].nunique()
    if (double > 1).any():
        rows = tuple(double.index[double > 1].astype(str))
        raise InputError(
            [Finding("plan_building_twice", "refused", column="grid", rows=rows, file=str(path))]
        )
    return dict(zip(ids, codes, strict=True))


def codes_of(area: Area, mapping: Mapping[str, str]) -> tuple[npt.NDArray[np.object_], tuple[str, ...]]:
    """The code of each row of `area.buildings`, "" where the plan does not name it; and the plan's unknown
    ids.
    """
    ids = area.buildings["id"].astype(str)
    unknown = tuple(sorted(set(mapping) - set(ids)))
    return ids.map(mapping).fillna("").to_numpy(dtype=object), unknown
