"""One file that somebody brings, opened as what its name says: its layers and their rows."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from data import encoding as encodings
from partition.errors import InputError
from partition.findings import Finding
from partition.intake.crs import is_usable

TABLES = (".csv", ".tsv", ".txt")
FILE_KINDS = (".gpkg", ".geojson", ".json", ".shp", ".zip", ".fgb", *TABLES)
SHAPEFILE_PARTS = (".shx", ".dbf")
# layers that programs keep for themselves
INTERNAL = ("layer_styles", "qgis_projects")
UNREADABLE = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError)


@dataclass(frozen=True)
class Source:
    """A file, and the layer wanted of it where the path says so (`area.gpkg|layername=建筑`)."""

    path: Path
    layer: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, path: Path, encoding: str | None = None) -> Source:
        text, mark, layer = str(path).partition("|layername=")
        return cls(Path(text), layer if mark else None, encoding)

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    @property
    def is_table(self) -> bool:
        return self.suffix in TABLES

    def fault(self, code: str, **values: object) -> InputError:
        return InputError([Finding(code, "refused", values=values, file=str(self.path))])


@dataclass(frozen=True)
class Content:
    """Rows of one layer as they stand in the file, with `geometry` if any. Findings have no layer yet."""

    frame: pd.DataFrame
    findings: tuple[Finding, ...] = ()


def list_layers(source: Source) -> list[str]:
    """The names of a file's layers; a table has one, named after the file. Raises InputError."""
    _check_kind(source)
    if source.is_table:
        return [source.path.stem]
    if source.suffix in (".geojson", ".json", ".shp"):
        return [source.path.stem]
    if source.suffix == ".zip":
        return [Path(member).stem for member in _members(source)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what GDAL has to say is told when the layer is read
        try:
            names = [str(name) for name, _ in pyogrio.list_layers(source.path)]
        except UNREADABLE:
            raise source.fault("file_unreadable") from None
    return [name for name in names if name not in INTERNAL]


def read_layer(source: Source, layer: str) -> Content:
    """The rows of one layer. Raises InputError where the file cannot be read as what its name says."""
    if source.is_table:
        return _read_table(source)
    if source.suffix in (".geojson", ".json"):
        return _read_json(source)
    if source.suffix == ".shp":
        return _read_shapefile(source, str(source.path), None)
    if source.suffix == ".zip":
        member = next(m for m in _members(source) if Path(m).stem == layer)
        return _read_shapefile(source, f"/vsizip/{source.path.absolute()}/{member}", member)
    return _read(source, str(source.path), layer=layer)


def _check_kind(source: Source) -> None:
    """The file is there, and begins as a file of its name does (GDAL alone would open it as what it is)."""
    path = source.path
    if path.is_dir() and source.suffix == ".gdb":
        return
    if not path.exists():
        raise source.fault("file_missing")
    if not path.is_file():
        raise source.fault("file_kind_unknown")
    with path.open("rb") as opened:
        head = opened.read(4096)
    if not head.strip(b"\0 \r\n\t\xef\xbb\xbf"):
        raise source.fault("file_empty")
    fits = {
        ".gpkg": head.startswith(b"SQLite format 3\0"),
        ".shp": head.startswith(b"\x00\x00\x27\x0a"),
        ".zip": zipfile.is_zipfile(path),
        ".geojson": head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"),
        ".json": head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"),
        ".fgb": head.startswith(b"fgb"),
        ".csv": b"\0" not in head,
        ".tsv": b"\0" not in head,
        ".txt": b"\0" not in head,
    }
    if source.suffix not in fits:
        raise source.fault("file_kind_unknown")
    if not fits[source.suffix]:
        raise source.fault("file_unreadable")
    if source.suffix == ".shp":
        for part in SHAPEFILE_PARTS:
            if encodings.companion(path, None, part) is None:
                raise source.fault("file_incomplete", part=part)


def _members(source: Source) -> list[str]:
    """The Shapefiles in an archive."""
    with zipfile.ZipFile(source.path) as archive:
        members = [
            name for name in archive.namelist() if name.lower().endswith(".shp") and "__MACOSX" not in name
        ]
    if not members:
        raise source.fault("file_unreadable")
    return sorted(members)


def _read(
    source: Source, what: str | io.BytesIO, *, layer: str | None = None, encoding: str | None = None
) -> Content:
    """Read by GDAL. Open rings are closed, curves come as lines, M values go; the latter two are told."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            frame = pyogrio.read_dataframe(what, layer=layer, encoding=encoding, on_invalid="fix")
            if isinstance(what, io.BytesIO):
                what.seek(0)
            kind = str(pyogrio.read_info(what, layer=layer, encoding=encoding)["geometry_type"] or "")
        except UnicodeDecodeError:
            raise source.fault("encoding_wrong", encoding=encoding or "UTF-8") from None
        except UNREADABLE:
            raise source.fault("file_unreadable") from None
    notes = []
    if any("Measured" in word for word in (kind, *(str(warning.message) for warning in said))):
        notes.append(Finding("measures_dropped", "repaired", file=str(source.path)))
    if (
        source.suffix in (".gpkg", ".gdb")
        and isinstance(frame, gpd.GeoDataFrame)
        and _has_curves(source, layer)
    ):
        notes.append(Finding("curves_straightened", "repaired", file=str(source.path)))
    if isinstance(frame, gpd.GeoDataFrame):
        if frame.geometry.name != "geometry":
            frame = frame.rename_geometry("geometry")
        if frame.crs is not None and not is_usable(frame.crs):
            frame = frame.set_crs(None, allow_override=True)
    return Content(frame, tuple(notes))


def _has_curves(source: Source, layer: str | None) -> bool:
    """Whether the file holds curves: they reach us as lines, so that only the file itself can tell."""
    name = str(layer).replace('"', '\\"')
    query = f'SELECT DISTINCT OGR_GEOMETRY FROM "{name}"'  # noqa: S608 - a layer of this very file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            kinds = pyogrio.read_dataframe(source.path, sql=query, sql_dialect="OGRSQL", read_geometry=False)
        except UNREADABLE:
            return False
    words = ("CURVE", "CIRCULAR", "SURFACE")
    return any(word in str(kind) for kind in kinds["OGR_GEOMETRY"] for word in words)


def _read_json(source: Source) -> Content:
    content = source.path.read_bytes()
    said = encodings.find_codec(source.encoding) if source.encoding else None
    notes: tuple[Finding, ...] = ()
    codec = said if said and not encodings.fits([content], "utf-8") else encodings.detect_encoding(content)
    if codec != "UTF-8":
        try:
            content = content.decode(codec).encode()
        except UnicodeDecodeError:
            raise source.fault("encoding_wrong", encoding=codec) from None
        if not said:
            notes = (
                Finding("encoding_detected", "noted", values={"encoding": codec}, file=str(source.path)),
            )
    try:
        parsed = json.loads(content.decode("utf-8-sig"))
    except (json.JSONDecodeError, RecursionError):
        raise source.fault("file_unreadable") from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("type"), str):
        raise source.fault("file_unreadable")
    read = _read(source, io.BytesIO(content))
    return Content(read.frame, (*notes, *read.findings))


def _read_shapefile(source: Source, what: str, member: str | None) -> Content:
    """A Shapefile in the encoding that is said, else its .cpg's, else the one its bytes are in."""
    table = encodings.companion(source.path, member, ".dbf") or b""
    texts = encodings.table_texts(table)
    said = encodings.find_codec(source.encoding) if source.encoding else None
    page = encodings.companion(source.path, member, ".cpg")
    paged = encodings.find_codec(page.decode("ascii", "replace")) if page else None
    notes: tuple[Finding, ...] = ()
    if said:
        if not encodings.fits(texts, said):
            raise source.fault("encoding_wrong", encoding=source.encoding)
        codec = said
    elif paged and encodings.fits(texts, paged):
        codec = paged
    else:
        codec = "UTF-8" if encodings.fits(texts, "utf-8") else encodings.CHINESE
        if not all(text.isascii() for text in texts):
            notes = (
                Finding("encoding_detected", "noted", values={"encoding": codec}, file=str(source.path)),
            )
    mended = encodings.mend_table(table, codec)
    if mended == table:
        read = _read(source, what, encoding=codec)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for part in (".shp", ".shx", ".prj"):
                content = encodings.companion(source.path, member, part)
                if content is not None:
                    Path(folder, f"mended{part}").write_bytes(content)
            Path(folder, "mended.dbf").write_bytes(mended)
            read = _read(source, str(Path(folder, "mended.shp")), encoding=codec)
    return Content(read.frame, (*notes, *read.findings))


def _read_table(source: Source) -> Content:
    """A table of text, with commas, semicolons or tabs between. All columns are text."""
    content = source.path.read_bytes()
    said = encodings.find_codec(source.encoding) if source.encoding else None
    utf8 = encodings.fits([content], "utf-8")
    codec = said or ("utf-8" if utf8 else encodings.CHINESE)
    try:
        text = content.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise source.fault("encoding_wrong", encoding=source.encoding or codec) from None
    notes: tuple[Finding, ...] = ()
    if not said and not utf8:
        notes = (Finding("encoding_detected", "noted", values={"encoding": codec}, file=str(source.path)),)
    first = text.split("\n", 1)[0]
    mark = max(",;\t，", key=first.count)
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=mark,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            skipinitialspace=True,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        raise source.fault("file_unreadable") from None
    frame.columns = [str(column).strip() for column in frame.columns]
    return Content(frame, notes)
