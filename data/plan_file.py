"""The plan as files: a GeoPackage of grids and buildings, and a report. A file is replaced only when the new
one is whole.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyogrio
import pyproj

from data.aliases import name_columns, plain
from data.files import Source, list_layers, read_layer
from partition.area import Area
from partition.codes import codes_of_buildings
from partition.errors import InputError
from partition.findings import Finding
from partition.geometry.grids import BOUND_COLUMNS, GRID_COLUMNS
from partition.intake.columns import read_texts
from partition.intake.repair import repair_polygons

if TYPE_CHECKING:
    from partition.merging.successors import Merger

TIER_COLUMN = re.compile("tier_[0-9]+")  # of buildings: the grid of that tier that each lies in


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does
    not.

    Raises InputError where the folder cannot be written.
    """
    check_writable(path)
    part = _draft(path)
    part.unlink()  # GDAL wants to make the file itself
    try:
        yield part
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    """An empty file beside `path`, under a name that nobody has."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    return Path(name)


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
    elif (path.exists() and not (path.is_file() and os.access(path, os.W_OK))) or not _can_hold(path):
        fault = "output_unwritable"
    elif path.exists() and any(given.exists() and given.samefile(path) for given in inputs):
        fault = "output_is_input"
    if fault:
        raise InputError([Finding(fault, "refused", values={"path": str(path), "folder": str(folder)})])


def _can_hold(path: Path) -> bool:
    """Whether a file can be made beside `path`: rights alone do not tell (read-only disks, long names)."""
    try:
        _draft(path).unlink()
    except OSError:
        return False
    return True


def check_outputs(plan: Path | None, report: Path | None, inputs: tuple[Path, ...]) -> None:
    """Raise InputError where a plan (a GeoPackage) and its report cannot be written to these files."""
    for path in (plan, report):
        if path is not None:
            check_writable(path, inputs)
    if plan is not None and plan.suffix.lower() != ".gpkg":
        raise InputError([Finding("output_kind", "refused", values={"path": str(plan)})])
    if plan is not None and report is not None and plan.resolve() == report.resolve():
        raise InputError([Finding("output_twice", "refused", values={"path": str(plan)})])


def write_plan(
    path: Path,
    area: Area,
    grids: gpd.GeoDataFrame,
    buildings: gpd.GeoDataFrame,
    tiers: gpd.GeoDataFrame | None = None,
) -> None:
    """Write layers `grids` and `buildings` in the CRS of the input, and `tiers` where there are some
    (`partition.tiers.tower.Tiers.frame`). Buildings are the rows that came in, plus `grid`, and with tiers a
    column `tier_<n>` for each of them.
    """
    told = [column for column in BOUND_COLUMNS if column in grids]
    out_grids = grids[[*GRID_COLUMNS[:-1], *told, "geometry"]].to_crs(area.source_crs)
    out_grids["residents"] = out_grids["residents"].round().astype("Int64")
    rows = plan_buildings(area, buildings)
    taken = {_folded(column) for column in rows.columns}
    # a column of the input may bear the name that GeoPackage gives its own
    own = {
        "FID": next(name for name in ("fid", "ogc_fid", "plan_fid") if name not in taken),
        "GEOMETRY_NAME": "geometry" if "geom" in taken else "geom",
    }
    with replacing(path) as part:
        pyogrio.write_dataframe(out_grids, part, layer="grids", driver="GPKG")
        if tiers is not None:
            nested = tiers.to_crs(area.source_crs)
            nested["residents"] = nested["residents"].round().astype("Int64")
            pyogrio.write_dataframe(nested, part, layer="tiers", driver="GPKG", append=True)
        pyogrio.write_dataframe(rows, part, layer="buildings", driver="GPKG", append=True, layer_options=own)


def write_merger(path: Path, area: Area, made: Merger) -> None:
    """Write what a merger of communities made, in the CRS of the input: layers `community`, `stations`, and
    tables `lineage` and `walks` (see `partition.merging.successors.Merger`).
    """
    communities = made.communities.to_crs(area.source_crs)
    communities["residents"] = communities["residents"].round().astype("Int64")
    lineage = made.lineage.assign(residents=made.lineage["residents"].round().astype("Int64"))
    walks = made.walks.assign(
        walk_m=made.walks["walk_m"].replace(np.inf, np.nan),
        minutes=made.walks["minutes"].replace(np.inf, np.nan),
    )
    # the tables' own `id` is text: GeoPackage's key gets a name that no column bears
    key = {"FID": "fid"}
    with replacing(path) as part:
        pyogrio.write_dataframe(communities, part, layer="community", driver="GPKG", layer_options=key)
        stations = made.stations.to_crs(area.source_crs)
        for layer, frame in (("stations", stations), ("lineage", lineage), ("walks", walks)):
            pyogrio.write_dataframe(frame, part, layer=layer, driver="GPKG", append=True, layer_options=key)


def plan_buildings(area: Area, buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The input's rows of buildings, in their order and CRS, with the code of each one's grid ("" for
    none). Where households were estimated, `households_estimated` holds them.

    Names that differ by case only are one name to GeoPackage: the second gets a number.
    """
    rows = area.original_buildings.reset_index(drop=True)
    own = [name for name in buildings.columns if name == "grid" or TIER_COLUMN.fullmatch(str(name))]
    rows = rows.drop(columns=[column for column in rows.columns if _folded(column) in own])
    placed = {name: np.full(len(rows), "", dtype=object) for name in own}
    for name in own:
        placed[name][buildings["row"].to_numpy()] = buildings[name].to_numpy()
    seen = {"id", "geometry"}
    names = {}
    for column in rows.columns:
        name, number = str(column), 1
        while _folded(name) in seen and column not in ("id", "geometry"):
            number += 1
            name = f"{column} ({number})"
        seen.add(_folded(name))
        names[column] = name
    rows = rows.rename(columns=names).assign(**placed)
    estimated = buildings[buildings["estimated"]]
    if len(estimated):
        figures = pd.Series(estimated["households"].to_numpy(), index=estimated["row"], dtype="Int64")
        rows["households_estimated"] = figures.reindex(rows.index)
    return rows


def _folded(name: object) -> str:
    """A column's name as SQLite compares names."""
    return re.sub("[A-Z]", lambda letter: letter.group().lower(), str(name))


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON with sorted keys."""
    with replacing(path) as part:
        part.write_text(
            json.dumps(report, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


@dataclass(frozen=True)
class PlanFile:
    """A plan made anywhere: polygons (`code`, geometry, valid; None without), building id → its codes
    (more than one only where several buildings bear the id; None without), and what reading had to say.
    """

    polygons: gpd.GeoDataFrame | None
    mapping: dict[str, tuple[str, ...]] | None
    findings: tuple[Finding, ...]
    drawn: gpd.GeoSeries | None = None  # the polygons in the file's own CRS, every row


def read_plan(
    path: Path,
    crs: pyproj.CRS,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> PlanFile:
    """Read a plan: a file with a layer of polygons that have a code, a layer or table of buildings with a
    column `grid`, or both.

    crs: in which the polygons are wanted. columns, encoding: as in `data.vector.read_area`. Raises InputError
    where neither is found.
    """
    source = Source.of(path, encoding)
    names = list_layers(source)
    chosen = {key.removeprefix("buildings."): column for key, column in (columns or {}).items()}
    polygons: gpd.GeoDataFrame | None = None
    mapping: dict[str, tuple[str, ...]] | None = None
    drawn: gpd.GeoSeries | None = None
    findings: list[Finding] = []
    for name in sorted(names, key=lambda n: (n not in ("grids", "buildings"), n)):
        content = read_layer(source, name)
        frame = content.frame
        there = {plain(str(column)): str(column) for column in reversed(frame.columns)}
        grid, code = _first(there, GRID_NAMES), _first(there, CODE_NAMES)
        key = _key(frame, chosen)
        if mapping is None and grid is not None and key is not None and name != "grids":
            mapping = _mapping(read_texts(frame[key]), read_texts(frame[grid]))
        elif polygons is None and code is not None and _holds_polygons(frame):
            polygons, mended = _polygons(frame, code, name, crs, path)
            drawn, findings = frame.geometry, findings + mended
        else:
            continue
        findings += [
            replace(finding, layer=name if len(names) > 1 else "", file=str(path))
            for finding in content.findings
        ]
    if polygons is None and mapping is None:
        raise InputError([Finding("plan_empty", "refused", file=str(path))])
    return PlanFile(polygons, mapping, tuple(findings), drawn)


GRID_NAMES = ("grid", "grid_code", "网格", "网格编码", "网格编号", "网格号", "所属网格")
CODE_NAMES = ("code", *GRID_NAMES)


def _first(columns: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((columns[plain(name)] for name in names if plain(name) in columns), None)


def _key(frame: pd.DataFrame, chosen: Mapping[str, str]) -> str | None:
    """The column of building ids: the plan's own `id`, else what is chosen or understood as such."""
    columns = [str(column) for column in frame.columns if column != "geometry"]
    if "id" in columns:
        return "id"
    said = {"id": chosen["id"]} if chosen.get("id") in columns else {}
    naming = name_columns("buildings", columns, said)
    return next((column for column, standard in naming.columns.items() if standard == "id"), None)


def _holds_polygons(frame: pd.DataFrame) -> bool:
    if not isinstance(frame, gpd.GeoDataFrame):
        return False
    kinds = frame.geom_type.dropna()
    return len(kinds) > 0 and bool(kinds.isin(["Polygon", "MultiPolygon"]).all())


def _polygons(
    frame: gpd.GeoDataFrame, code: str, layer: str, crs: pyproj.CRS, path: Path
) -> tuple[gpd.GeoDataFrame, list[Finding]]:
    """The polygons with their codes in `crs`, those that cross themselves mended, empty ones left out."""
    if frame.crs is None:
        raise InputError([Finding("plan_without_crs", "refused", layer=layer, file=str(path))])
    shapes = np.empty(len(frame), dtype=object)
    shapes[:] = frame.geometry.to_crs(crs).to_numpy()
    done = repair_polygons(shapes)
    codes = np.array(read_texts(frame[code]), dtype=object)
    told = (
        ("left_out_empty", done.empty),
        ("left_out_no_area", done.vanished),
        ("geometry_mended", done.mended),
    )
    findings = [
        Finding(said, "repaired", layer, rows=tuple(codes[rows]), file=str(path))
        for said, rows in told
        if rows.any()
    ]
    kept = gpd.GeoDataFrame({"code": codes[done.usable]}, geometry=list(done.shapes[done.usable]), crs=crs)
    return kept, findings


def _mapping(ids: list[str], codes: list[str]) -> dict[str, tuple[str, ...]]:
    """Building id → its distinct codes. Rows without id say nothing, rows without code that there is none."""
    found: dict[str, dict[str, None]] = {}
    for name, code in zip(ids, codes, strict=True):
        if name:
            found.setdefault(name, {}).update({code: None} if code else {})
    return {name: tuple(said) for name, said in found.items()}


def codes_of(
    area: Area, mapping: Mapping[str, Sequence[str]]
) -> tuple[npt.NDArray[np.object_], tuple[str, ...]]:
    """The code of each row of `area.buildings`, "" where the plan does not name it; and the plan's unknown
    ids. Raises InputError as `partition.codes.codes_of_buildings` does.
    """
    found, left = codes_of_buildings(area, mapping)
    without_shape = set(read_texts(area.original_buildings["id"]))
    return found, tuple(dict.fromkeys(name for name, _ in left if name not in without_shape))
