"""A planner's files as frames with standard names, ready for `partition.intake.frames.check_area`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from data import aliases
from data.encoding import find_codec
from data.files import FILE_KINDS, TABLES, Source, list_layers, read_layer
from partition.errors import InputError
from partition.findings import Finding, Level
from partition.intake.columns import read_ids, read_numbers, read_texts
from partition.intake.frames import RawFrames
from partition.intake.personal import holds_personal_number

LONLAT = pyproj.CRS.from_epsg(4326)
# layers that are nothing without geometry
SHAPED = ("community", "streets", "buildings", "compounds", "zones", "facilities")
# columns that nothing is made from: which of two is meant need not be known
UNUSED = frozenset({("streets", "id"), ("streets", "name"), ("buildings", "name")})
# layers of points, which may come as a table with coordinates
POINTS = ("facilities", "cases")
# columns that stay text though digits stand in them
TEXT = frozenset(
    {
        "id",
        "code",
        "name",
        "building",
        "grid",
        "phone",
        "community",
        "category",
        "kind",
        "condition",
        "time",
        "due",
        "village_group",
    }
)


@dataclass(frozen=True)
class RawArea(RawFrames):
    """The layers that were read, by standard name; see `RawFrames`. What was not given is not in `frames`."""

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What reading had to say, refusals apart."""
        return tuple(finding for finding in self.findings if finding.level != "refused")

    def layer(self, name: str) -> pd.DataFrame | None:
        """A layer's frame, or None where it was not given."""
        return self.frames.get(name)


def read_area(
    path: Path | None = None,
    *,
    layers: Mapping[str, Path | Sequence[Path]] | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> RawArea:
    """Read an area from one file with several layers, from a folder of files, or from a file for each layer.

    layers: files by layer; they come before those of `path`. A table without geometry (CSV) is joined by id
    to the layer's shapes; several files may be named for one layer to that end. A path may end in
    `|layername=NAME`.
    columns: the file's column for a standard name, or for `layer.name`. encoding: of Shapefiles and tables.
    All layers are moved to the CRS of the community layer. Raises InputError where a file cannot be read at
    all; what else is wrong goes into `findings`, for `check_area` to raise together with its own.
    """
    reading = _Reading(columns or {}, encoding)
    reading.gather(path, layers or {})
    reading.check_map()
    return reading.area()


@dataclass
class _Part:
    """A layer from one file."""

    frame: pd.DataFrame
    file: str
    originals: dict[str, str]


@dataclass
class _Reading:
    chosen: Mapping[str, str]
    encoding: str | None
    parts: dict[str, list[_Part]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    hints: dict[tuple[str, str], str] = field(default_factory=dict)

    def find(
        self, code: str, level: Level, layer: str = "", file: str = "", column: str = "", **values: Any
    ) -> None:
        rows = tuple(values.pop("rows", ()))
        self.findings.append(Finding(code, level, layer, column, rows, values, file))

    # --- files ---

    def gather(self, path: Path | None, layers: Mapping[str, Path | Sequence[Path]]) -> None:
        """Read every layer of every file. All files that cannot be read are told together."""
        faults: list[Finding] = []
        wanted: list[tuple[Source, str | None]] = []
        for layer, given in layers.items():
            several = [given] if isinstance(given, str | Path) else given
            wanted += [(Source.of(Path(one), self.encoding), layer) for one in several]
        if path is not None:
            folder = path.is_dir() and path.suffix.lower() != ".gdb"
            wanted += [
                (Source.of(one, self.encoding), None) for one in (_files_in(path) if folder else [path])
            ]
        if self.encoding is not None and find_codec(self.encoding) is None:
            raise InputError([Finding("encoding_unknown", "refused", values={"encoding": self.encoding})])
        if not wanted:
            faults.append(Finding("file_not_given", "refused"))
        for source, named in wanted:
            try:
                self.read_file(source, named)
            except InputError as error:
                faults += [replace(finding, layer=finding.layer or named or "") for finding in error.findings]
        if faults:
            raise InputError(faults)

    def read_file(self, source: Source, layer: str | None) -> None:
        names = list_layers(source)
        if layer is not None:
            self.read(source, layer, _choose(source, layer, names))
            return
        found = aliases.find_layers(names)
        if not found and names:
            read_layer(source, names[0])  # a damaged file is told as such
            raise source.fault("layers_unknown", layers=", ".join(names))
        taken = {name for some in found.values() for name in some}
        spare = [name for name in names if name not in taken]
        if spare:
            self.find("layer_ignored", "noted", file=str(source.path), layers=", ".join(spare))
        for standard, some in found.items():
            explicit = self.parts.get(standard)
            if explicit and any("geometry" in part.frame for part in explicit):
                self.find("layer_replaced", "noted", standard, explicit[0].file, other=str(source.path))
            elif len(some) > 1:
                self.find("layer_ambiguous", "refused", standard, str(source.path), layers=", ".join(some))
            else:
                self.read(source, standard, some[0])

    def read(self, source: Source, layer: str, name: str) -> None:
        """Read one layer and give its columns and values their standard names."""
        content = read_layer(source, name)
        file = str(source.path)
        self.findings += [replace(finding, layer=layer) for finding in content.findings]
        frame, originals = self.named(content.frame, layer, file)
        if source.is_table:
            frame = self.placed(_numbered(frame)) if layer in POINTS else _numbered(frame)
        self.parts.setdefault(layer, []).append(_Part(self.valued(frame, layer), file, originals))

    # --- names and values ---

    def named(self, frame: pd.DataFrame, layer: str, file: str) -> tuple[pd.DataFrame, dict[str, str]]:
        """The frame with standard column names, and the file's own name of each column that was renamed."""
        frame = frame.rename(columns=str)
        columns = list(frame.columns)
        chosen = {}
        for key, column in self.chosen.items():
            name, of = _key(key)
            if name in aliases.standard_columns(layer) and of in ("", layer) and column in columns:
                chosen[name] = column
                self.used.add(key)
        cut = file.lower().endswith((".shp", ".zip"))
        naming = aliases.name_columns(layer, columns, chosen, cut=cut)
        if len(frame) > 1:  # ArcGIS gives every table a column Id, often of zeros only: that cannot be meant
            idle = [c for c in naming.ambiguous.get("id", ()) if frame[c].nunique(dropna=False) == 1]
            if idle:
                free = [column for column in columns if column not in idle]
                naming = aliases.name_columns(layer, free, chosen, cut=cut)
        for standard, some in naming.ambiguous.items():
            if (layer, standard) not in UNUSED:
                self.find(
                    "column_ambiguous",
                    "refused",
                    layer,
                    file,
                    standard,
                    columns=", ".join(some),
                    needed=standard,
                )
        renamed = {column: standard for column, standard in naming.columns.items() if column != standard}
        # a column with the standard name, while the person says that another is meant, steps aside
        aside = {
            c: f"{c} ({i})" for i, c in enumerate(columns, 1) if c in renamed.values() and c not in renamed
        }
        frame = frame.rename(columns={**aside, **renamed})
        for needed in aliases.NEEDED.get(layer, {}):
            if needed not in frame and needed not in naming.ambiguous:
                hint = aliases.suggest_column(layer, needed, frame, set(naming.columns.values()))
                if hint:
                    self.hints[layer, needed] = hint
        return frame, {new: old for old, new in {**aside, **renamed}.items()}

    def valued(self, frame: pd.DataFrame, layer: str) -> pd.DataFrame:
        """The frame with standard words in its columns."""
        if "class" in frame:
            frame = frame.assign(**{"class": aliases.standard_values(layer, "class", frame["class"])})
        if "kind" in frame and layer == "zones":
            frame = frame.assign(kind=aliases.standard_values(layer, "kind", frame["kind"]))
        if "condition" in frame and layer == "facilities":
            frame = frame.assign(condition=aliases.standard_values(layer, "condition", frame["condition"]))
        return self.classed(frame) if layer == "streets" else frame

    def classed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Streets with the class of OSM's columns where they have none; what bounds nothing is left out."""
        found = aliases.osm_classes(frame)
        if found is None:
            return frame
        classes, words = found
        own = pd.Series(
            read_texts(frame["class"]) if "class" in frame else [""] * len(frame), index=frame.index
        )
        nothing = (own == "") & (classes == "") & (words != "")
        if nothing.any():
            rows = pd.Series(_labels(frame), index=frame.index)
            some = ", ".join(
                word for word in sorted(set(words[nothing]))[:8] if not holds_personal_number(word)
            )
            self.find(
                "street_not_barrier", "noted", "streets", column="class", rows=rows[nothing], words=some
            )
        return frame.assign(**{"class": own.where(own != "", classes)})[~nothing].reset_index(drop=True)

    def placed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A table with longitude and latitude, or x and y, as points; x and y are in the community's CRS."""
        place = aliases.find_place(list(frame.columns))
        if place is None:
            return frame
        first, second, degrees = place
        x, y = (read_numbers(frame[column])[0] for column in (first, second))
        points = [
            shapely.Point(a, b) if np.isfinite(a) and np.isfinite(b) else None
            for a, b in zip(x, y, strict=True)
        ]
        rest = frame.drop(columns=[first, second])
        found: pd.DataFrame = gpd.GeoDataFrame(rest, geometry=points, crs=LONLAT if degrees else None)
        return found

    def check_map(self) -> None:
        """Every --map names a standard column, and a column that is there."""
        for key, column in self.chosen.items():
            name, layer = _key(key)
            known = sorted(
                {c for one in aliases.LAYERS if layer in ("", one) for c in aliases.standard_columns(one)}
            )
            if name not in known:
                self.find(
                    "map_name",
                    "refused",
                    layer,
                    name=key,
                    known=", ".join(known) or ", ".join(aliases.LAYERS),
                )
            elif key not in self.used:
                some = [
                    one for one in self.parts if layer in ("", one) and name in aliases.standard_columns(one)
                ]
                there = dict.fromkeys(
                    part.originals.get(str(c), str(c))
                    for one in some
                    for part in self.parts[one]
                    for c in part.frame.columns
                )
                shown = ", ".join(c for c in there if c != "geometry") or "-"
                self.find("map_column", "refused", layer, name=key, wanted=column, columns=shown)

    # --- one frame a layer, one CRS ---

    def area(self) -> RawArea:
        joined = {layer: self.joined(layer, parts) for layer, parts in self.parts.items()}
        home = joined.get("community")
        crs = home.frame.crs if home is not None and isinstance(home.frame, gpd.GeoDataFrame) else None
        frames = {layer: self.moved(layer, joined[layer], crs) for layer in aliases.LAYERS if layer in joined}
        return RawArea(
            frames=frames,
            crs=crs,
            files={layer: part.file for layer, part in joined.items()},
            originals={layer: part.originals for layer, part in joined.items()},
            hints=self.hints,
            findings=tuple(self.findings),
        )

    def joined(self, layer: str, parts: list[_Part]) -> _Part:
        """The part with shapes, and the columns of the tables joined to it by id."""
        shaped = [part for part in parts if "geometry" in part.frame]
        base = shaped[0] if shaped else parts[0]
        for part in parts:
            if part is not base and "geometry" not in part.frame:
                base = self.join(layer, base, part)
            elif part is not base:
                self.find("layer_replaced", "noted", layer, base.file, other=part.file)
        return base

    def join(self, layer: str, base: _Part, table: _Part) -> _Part:
        if "id" not in base.frame or "id" not in table.frame:
            missing = base if "id" not in base.frame else table
            names = ", ".join(
                missing.originals.get(str(c), str(c)) for c in missing.frame.columns if c != "geometry"
            )
            self.find("column_missing", "refused", layer, missing.file, "id", columns=names, needed="id")
            return base
        keys = pd.Series(read_texts(table.frame["id"]))
        labels = pd.Series(_labels(table.frame))
        twice = keys.duplicated(keep=False) & (keys != "")
        if twice.any():
            self.find(
                "table_id_repeated", "refused", layer, table.file, "id", rows=dict.fromkeys(labels[twice])
            )
            return base
        own = pd.Series(read_texts(base.frame["id"]), index=base.frame.index)
        position = pd.Series(np.arange(len(keys)), index=keys)[lambda s: s.index != ""]
        at = own.map(position)
        frame = base.frame.copy()
        brought = [str(column) for column in table.frame.columns if column != "id"]
        for column in brought:
            values = table.frame[column].reindex(at.fillna(-1).astype(int)).set_axis(own.index)
            frame[column] = values if column not in frame else values.where(values.notna(), frame[column])
        strange = labels[(keys != "") & ~keys.isin(own)]
        if len(strange):
            title = Path(table.file).name
            self.find("table_unmatched", "noted", layer, table.file, rows=strange, table=title)
        shown = ", ".join(table.originals.get(c, c) for c in brought)
        found = int(at.notna().sum())
        self.find(
            "columns_joined",
            "noted",
            layer,
            base.file,
            table=Path(table.file).name,
            columns=shown,
            matched=found,
        )
        if "households" in brought:
            self.hints.pop((layer, "households"), None)
        return _Part(
            frame, base.file, {**{k: v for k, v in table.originals.items() if k != "id"}, **base.originals}
        )

    def moved(self, layer: str, part: _Part, crs: pyproj.CRS | None) -> pd.DataFrame:
        """The layer in the community's CRS."""
        frame: Any = part.frame
        if not isinstance(frame, gpd.GeoDataFrame) or crs is None or layer == "community" or frame.crs == crs:
            moved = frame
        elif frame.crs is not None:
            self.find("reprojected", "noted", layer, part.file, source=frame.crs.name, target=crs.name)
            moved = frame.to_crs(crs)
        elif part.file.lower().endswith(TABLES):
            moved = frame.set_crs(crs)
        else:
            if layer in SHAPED:
                self.find("crs_missing", "refused", layer, part.file)
            moved = frame
        result: pd.DataFrame = moved
        return result


# --- names of files, keys of --map, numbers in tables ---


def _choose(source: Source, layer: str, names: list[str]) -> str:
    """The layer of a file named for one of ours: as its path says, its only one, or the one so called."""
    if source.layer is not None:
        if source.layer not in names:
            raise source.fault("layer_not_there", wanted=source.layer, layers=", ".join(names))
        return source.layer
    if len(names) == 1:
        return names[0]
    found = aliases.find_layers(names).get(layer, [])
    if len(found) != 1:
        raise source.fault("layer_choice", layer=layer, layers=", ".join(names) or "-")
    return found[0]


def _files_in(folder: Path) -> list[Path]:
    """The files of a folder that can be read, in order."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in FILE_KINDS and not path.name.startswith(".")
    )


def _key(key: str) -> tuple[str, str]:
    """The standard column and the layer ("" for any) of a key of --map."""
    layer, dot, name = key.partition(".")
    return (name, layer) if dot else (key, "")


def _labels(frame: pd.DataFrame) -> list[str]:
    """What rows are called in a finding: their ids, unless persons' numbers stand among these."""
    ids = read_ids(frame["id"] if "id" in frame else [None] * len(frame))[0]
    personal = any(holds_personal_number(name) for name in ids)
    return [f"#{number}" for number in range(1, len(ids) + 1)] if personal else ids


_PLAIN = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,12})?")


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of text with its columns of plain numbers as numbers; ids, codes and the like stay text."""
    frame = frame.copy()
    for column in frame.columns:
        filled = [value for value in read_texts(frame[column]) if value]
        if column not in TEXT and filled and all(_PLAIN.fullmatch(value) for value in filled):
            frame[column] = pd.to_numeric(frame[column])
    return frame
