"""Exports to files of one's own: a file is there when it is whole, or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from data.plan_file import check_writable, replacing
from service.exports import texts
from service.exports.formats import FORMATS, Encoding, Fit, Format
from service.exports.workshop import Making, Workshop
from service.operating import OperatingError
from service.store.exports import Place, Rows

# by the suffix that a person gives a file
SUFFIXES = {
    ".geojson": "geojson",
    ".json": "geojson",
    ".gpkg": "gpkg",
    ".shp": "shp",
    ".zip": "shp",
    ".csv": "csv",
    ".fgb": "fgb",
}


def format_of(path: Path) -> Format:
    """The format that the file's suffix names. OperatingError: none; InputError: it cannot be written."""
    name = SUFFIXES.get(path.suffix.lower())
    if name is None:
        raise OperatingError("export.format", path=path, choice=", ".join(SUFFIXES))
    check_writable(path)
    return FORMATS[name]


def write_rows(
    path: Path,
    rows: Rows,
    *,
    encoding: Encoding,
    place: Place,
    fit: Fit,
    tell: Callable[[int], None],
) -> None:
    """Write all rows, which are open, to the file; `tell` is told how many are done.

    Raises what `Making.make` raises, and OSError.
    """
    chosen = format_of(path)
    if chosen.streamed:
        parts = texts.csv(rows, encoding, place) if chosen.name == "csv" else texts.geojson(rows)
        with replacing(path) as part, part.open("wb") as file:
            for text in parts:
                file.write(text)
                tell(rows.fetched)
        return
    packed = path.suffix.lower() != ".shp"
    # on the same disk, so that what is whole takes its place at once
    with tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=path.parent) as folder:
        workshop = Workshop(Path(folder), reserve=0)
        try:
            making = Making(workshop, rows, chosen, encoding=encoding, fit=fit, packed=packed)
            with workshop.room() as room:
                made = making.make(room, tell)
                if packed:
                    with replacing(path) as part:
                        made.replace(part)
                else:
                    _name_parts(made, rows.collection.name, path.stem)
                    place_parts(made, path)
        finally:
            workshop.close()


def place_parts(folder: Path, path: Path) -> None:
    """Move the parts of a Shapefile to where `path` lies; .shp is the last."""
    for part in sorted(folder.iterdir(), key=lambda part: (part.suffix == ".shp", part.name)):
        part.replace(path.parent / part.name)


def _name_parts(folder: Path, old: str, new: str) -> None:
    """Give the parts of a Shapefile the name that was asked for."""
    for part in list(folder.iterdir()):
        part.rename(folder / (new + part.name.removeprefix(old)))
