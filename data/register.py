"""A redrawn plan as files: the plan with the change register (变更表) in it, and the register as a table for
the office.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from data.files import Source, list_layers, read_layer
from data.plan_file import PlanFile, replacing, write_plan
from partition.area import Area
from partition.changes.lineage import FLOW_COLUMNS, Register
from partition.changes.redraw import Redraw
from partition.intake.columns import read_texts
from partition.texts import LANGUAGES, catalogue

CHANGES = "changes"  # layer: the flows of every redraw so far, by `edition`
CHANGED_GRIDS = "changed_grids"  # layer: the grids of the last redraw
CODES = "codes"  # layer: every code ever given, and whether a grid bears it
GRIDS_WITH_STAFF = ("staff", "网格员", "网格长")  # columns of a plan's grids that name who answers for them


def write_redraw(
    path: Path,
    area: Area,
    redraw: Redraw,
    given: PlanFile,
    history: pd.DataFrame,
    issued: Collection[str] = (),
) -> None:
    """Write the plan as `write_plan` does, with three tables: `changes`, the register of every redraw so far
    (`edition` counts them), `changed_grids`, and `codes`: those of the plan, and all that were `issued`
    before. Vertices that were in the given plan's file are written as they stand there, to the last digit.
    """
    grids = redraw.split.grids
    moved = grids.to_crs(area.source_crs)
    if given.drawn is not None and given.drawn.crs == area.source_crs:
        moved = keep_vertices(moved, grids, given.drawn)
    edition = int(history["edition"].max()) + 1 if len(history) else 1
    flows = redraw.register.flows.assign(edition=edition)
    changes = pd.concat([history, flows], ignore_index=True)[["edition", *FLOW_COLUMNS]]
    ever = sorted(({*issued} | {*grids["code"]}) - {""})
    codes = pd.DataFrame({"code": ever, "in_force": np.isin(ever, grids["code"].to_list())})
    tables = ((CHANGES, changes), (CHANGED_GRIDS, redraw.register.grids), (CODES, codes))
    with replacing(path) as part:
        write_plan(part, area, moved, redraw.split.buildings)
        for layer, table in tables:
            pyogrio.write_dataframe(table, part, layer=layer, driver="GPKG", append=True)


def keep_vertices(
    moved: gpd.GeoDataFrame, metric: gpd.GeoDataFrame, drawn: gpd.GeoSeries
) -> gpd.GeoDataFrame:
    """`moved` is `metric` in the CRS of `drawn`: vertices that come from `drawn` get the very coordinates
    they have there, instead of those of the way to metres and back.
    """
    shapes = drawn[drawn.notna()]
    there = shapely.get_coordinates(shapes.to_numpy())
    seen = pd.MultiIndex.from_arrays(shapely.get_coordinates(shapes.to_crs(metric.crs).to_numpy()).T)
    first = ~seen.duplicated()
    place = pd.Series(np.flatnonzero(first), index=seen[first])
    points = pd.MultiIndex.from_arrays(shapely.get_coordinates(metric.geometry.to_numpy()).T)
    found = place.reindex(points).to_numpy()
    coords = shapely.get_coordinates(moved.geometry.to_numpy())
    known = ~np.isnan(found)
    coords[known] = there[found[known].astype(np.int64)]
    polygons = shapely.set_coordinates(moved.geometry.to_numpy().copy(), coords)
    return moved.set_geometry(gpd.GeoSeries(list(polygons), index=moved.index, crs=moved.crs))


def write_register(path: Path, register: Register) -> None:
    """Write the register as CSV (UTF-8 with a mark, so that spreadsheets read it), headings and words in
    Chinese and English.
    """
    texts = catalogue("partition")

    def both(key: str) -> str:
        return " ".join(texts.say(key, lang) for lang in LANGUAGES)

    with replacing(path) as part, part.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow([both(f"register.{column}") for column in FLOW_COLUMNS])
        for row in register.flows.to_dict("records"):
            boards = [word.rsplit(" ", 1) for word in str(row["boards"]).split("; ") if word]
            table.writerow(
                [
                    row["old_code"],
                    row["new_code"],
                    both(f"change.{row['change']}"),
                    row["buildings"],
                    row["households"],
                    row["staff"],
                    "; ".join(f"{code} {both(f'board.{what}')}" for code, what in boards),
                ]
            )


def read_history(path: Path) -> pd.DataFrame:
    """The register of the redraws that a plan file has seen: edition and the columns of a register's flows.
    Empty where it has seen none.
    """
    source = Source.of(path)
    if CHANGES not in list_layers(source):
        return pd.DataFrame(columns=["edition", *FLOW_COLUMNS])
    frame = read_layer(source, CHANGES).frame
    table = pd.DataFrame({column: read_texts(frame[column]) for column in FLOW_COLUMNS})
    numbers = {column: frame[column].astype("int64").to_numpy() for column in ("buildings", "households")}
    return table.assign(edition=frame["edition"].astype("int64").to_numpy(), **numbers)


def read_codes(path: Path) -> set[str]:
    """Every code that a plan file remembers: of its grids, of its redraws, and of grids that ended."""
    source = Source.of(path)
    told = {CHANGES: ("old_code", "new_code"), CHANGED_GRIDS: ("code",), CODES: ("code",), "grids": ("code",)}
    found: set[str] = set()
    for layer in set(list_layers(source)) & set(told):
        frame = read_layer(source, layer).frame
        for column in set(told[layer]) & set(map(str, frame.columns)):
            found |= set(read_texts(frame[column]))
    return found - {""}


def staff_of_grids(path: Path) -> pd.DataFrame | None:
    """Who answers for the grids by the columns of a plan's grids (`GRIDS_WITH_STAFF`): grid, name, role."""
    source = Source.of(path)
    if "grids" not in list_layers(source):
        return None
    frame = read_layer(source, "grids").frame
    told = [
        pd.DataFrame(
            {
                "grid": read_texts(frame["code"]),
                "name": read_texts(frame[column]),
                "role": "" if column == "staff" else column,
            }
        )
        for column in GRIDS_WITH_STAFF
        if column in frame.columns and "code" in frame.columns
    ]
    return pd.concat(told, ignore_index=True) if told else None
