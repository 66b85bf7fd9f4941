"""The process that writes files with GDAL: `python -m service.exports.writer`.

GDAL has threads and locks of its own and may be stopped at any moment only as a process. What it is given and
what it answers is marshalled: plain values between two processes of one installation. A job is its
description, batches of rows, and an empty batch; the answer is how it went. When its parent is gone in
mid-job, the process removes what it wrote, and ends; so it does when nobody wants anything for long.
"""

from __future__ import annotations

import errno
import marshal
import os
import select
import shutil
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from service.exports.names import cut, unlike

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Column = list[Any]
Answer = dict[str, Any]

IDLE_S = 120
LENGTH = struct.Struct("<Q")
ROWS = 10_000
TEXT_BYTES = 254  # of a Shapefile
NAME_BYTES = 10
UTC_FLAG = 100  # how GDAL marks a time as UTC
LARGEST = 999_999_999_999_999_999  # that a Shapefile's column of eighteen digits holds
# kinds of geometry by their number in WKB, less thousands (Z, M): the layer of a Shapefile that takes them
FAMILIES: Mapping[int, str] = {1: "point", 2: "line", 3: "polygon", 4: "multipoint", 5: "line", 6: "polygon"}
SHAPEFILES: Mapping[str, str] = {
    "point": "Point",
    "line": "LineString",
    "polygon": "Polygon",
    "multipoint": "MultiPoint",
}
# the geometry type of a layer by the collection's shape; where single and several occur, all are several
TYPES: Mapping[str, tuple[str, bool]] = {
    "point": ("Point", False),
    "multipoint": ("MultiPoint", False),
    "linestring": ("LineString", False),
    "multilinestring": ("MultiLineString", False),
    "polygon": ("Polygon", False),
    "multipolygon": ("MultiPolygon", False),
    "point-or-multipoint": ("MultiPoint", True),
    "linestring-or-multilinestring": ("MultiLineString", True),
    "polygon-or-multipolygon": ("MultiPolygon", True),
    "any": ("Unknown", False),
}


class FullError(Exception):
    """The disk is full."""


@dataclass
class Job:
    """What is to be written. folder: a private one, for this job alone. reserve: bytes of the disk that stay
    free. names, kinds: of the columns. titles: of each column its name, titles and unit, for the note.
    """

    folder: str
    driver: str
    layer: str
    shape: str
    srid: int
    geometry_name: str
    names: list[str]
    kinds: list[str]
    titles: list[tuple[str, str, str, str]]
    encoding: str = "UTF-8"
    cut: bool = False
    packed: bool = True
    ordered: bool = False
    reserve: int = 0

    @property
    def path(self) -> Path:
        """The folder, in which everything is written."""
        return Path(self.folder)

    def check_space(self, more: int = 0) -> None:
        """Raise FullError where less than the reserve would be left."""
        room = os.statvfs(self.folder)
        if room.f_bavail * room.f_frsize <= self.reserve + more:
            raise FullError


@dataclass
class Unfit:
    """Values of a column that a Shapefile cannot hold: how many are too long, how many have characters that
    the encoding lacks, how many numbers are too large.
    """

    long: int = 0
    lacking: int = 0
    large: int = 0

    def __bool__(self) -> bool:
        return bool(self.long or self.lacking or self.large)


# --- one format each ---


class Single:
    """A file of one layer, written batch by batch."""

    suffix = ".gpkg"

    def __init__(self, job: Job) -> None:
        self.job = job
        self.file = job.path / f"{job.layer}{self.suffix}"
        self.kind, self.promoted = TYPES[job.shape]
        self.written = 0
        self.begun = False
        fid, geometry = unlike(["fid", job.geometry_name], job.names)
        self.fields = unlike(job.names, [fid, geometry])
        self.times = [name for name, kind in zip(self.fields, job.kinds, strict=True) if kind == "date-time"]
        self.options = {"FID": fid, "GEOMETRY_NAME": geometry, "SPATIAL_INDEX": "YES"}

    def write(self, columns: list[Column]) -> None:
        """Write some rows."""
        self._append(self.file, columns)

    def finish(self) -> Path:
        """The file, when everything is in it."""
        if not self.begun:
            self._append(self.file, [[] for _ in range(len(self.fields) + 1)])
        self.check(self.file, self.written)
        return self.file

    def _append(self, path: Path, columns: list[Column]) -> None:
        from pyogrio import raw

        arrays, masks = arrays_of(columns[:-1], self.job.kinds)
        raw.write(
            path,
            geometry=geometries_of(columns[-1]),
            field_data=arrays,
            fields=self.fields,
            field_mask=masks,
            layer=self.job.layer,
            driver="GPKG",
            geometry_type=self.kind,
            promote_to_multi=self.promoted,
            crs=f"EPSG:{self.job.srid}",
            append=self.begun,
            layer_options=None if self.begun else self.options,
            gdal_tz_offsets=zones_of(self.times, len(columns[-1])),
        )
        self.begun = True
        self.written += len(columns[-1])

    @staticmethod
    def check(path: Path, count: int) -> None:
        """Raise FullError where fewer rows arrived on the disk than were written."""
        import pyogrio

        if pyogrio.read_info(path, force_feature_count=True)["features"] != count:
            raise FullError


class Indexed(Single):
    """A FlatGeobuf: its index stands before the rows, so these lie in another file first."""

    suffix = ".fgb"

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.draft = job.path / "draft.gpkg"
        self.options["SPATIAL_INDEX"] = "NO"
        self.shapeless = False

    def write(self, columns: list[Column]) -> None:
        self.shapeless = self.shapeless or None in columns[-1]
        self._append(self.draft, columns)

    def finish(self) -> Path:
        from pyogrio import raw

        if not self.begun:
            self._append(self.draft, [[] for _ in range(len(self.fields) + 1)])
        self.check(self.draft, self.written)
        self.job.check_space(self.draft.stat().st_size)
        # an index goes by place; where there is none, or another order was asked for, there is no index
        options = {
            "SPATIAL_INDEX": "NO" if self.shapeless or self.job.ordered or not self.written else "YES",
            "TEMPORARY_DIR": self.job.folder,
        }
        with raw.open_arrow(self.draft, use_pyarrow=False, batch_size=ROWS) as (about, stream):
            raw.write_arrow(
                stream,
                self.file,
                layer=self.job.layer,
                driver="FlatGeobuf",
                geometry_name=about["geometry_name"],
                geometry_type=self.kind,
                crs=f"EPSG:{self.job.srid}",
                layer_options=options,
            )
        self.draft.unlink()
        self.check(self.file, self.written)
        return self.file


class Shapefiles:
    """A Shapefile for each kind of geometry, with its encoding, in a ZIP with a note about the columns."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.codec = "gbk" if job.encoding == "GBK" else "utf-8"
        self.fields = unlike(job.names, most=NAME_BYTES, encoding=self.codec)
        self.kinds = [{"boolean": "integer", "date-time": "time-text"}.get(one, one) for one in job.kinds]
        self.unfit = [Unfit() for _ in job.names]
        self.counts: dict[str, int] = {}

    @property
    def written(self) -> int:
        """How many rows there are in all files."""
        return sum(self.counts.values())

    def write(self, columns: list[Column]) -> None:
        """Write some rows; once a value was met that does not fit and is to be refused, only look on."""
        told = [
            self._fitted(values, kind, unfit)
            for values, kind, unfit in zip(columns[:-1], self.kinds, self.unfit, strict=True)
        ]
        if any(self.unfit) and not self.job.cut:
            return
        shapes = columns[-1]
        families = [self._family(shape) for shape in shapes]
        for family in dict.fromkeys(families):
            places = [place for place, one in enumerate(families) if one == family]
            some = (
                [[values[place] for place in places] for values in (*told, shapes)]
                if len(places) < len(shapes)
                else [*told, shapes]
            )
            self._append(family, some)

    def finish(self) -> Path:
        """The ZIP, or the folder where none is wanted."""
        if not self.counts:
            self._append(self._only(), [[] for _ in range(len(self.fields) + 1)])
        for family, count in self.counts.items():
            stem = self._stem(family)
            Single.check(stem.with_suffix(".shp"), count)
            stem.with_suffix(".cpg").write_text(self.job.encoding, encoding="ascii")
        note = self.job.path / f"{self.job.layer}.txt"
        note.write_text(self._note(), encoding="utf-8-sig", newline="\r\n")
        return self._pack() if self.job.packed else self.job.path

    def _pack(self) -> Path:
        made = self.job.path / f"{self.job.layer}.zip"
        parts = sorted(self.job.path.iterdir())
        now = datetime.now(UTC)
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for part in parts:
                self.job.check_space()
                # the same rows on the same day make the same file
                entry = zipfile.ZipInfo(part.name, (now.year, now.month, now.day, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                with part.open("rb") as source, archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                part.unlink()
        return made

    def _append(self, family: str, columns: list[Column]) -> None:
        from pyogrio import raw

        begun = family in self.counts
        arrays, masks = arrays_of(columns[:-1], self.kinds)
        raw.write(
            self._stem(family).with_suffix(".shp"),
            geometry=geometries_of(columns[-1]),
            field_data=arrays,
            fields=self.fields,
            field_mask=masks,
            driver="ESRI Shapefile",
            geometry_type=SHAPEFILES[family],
            promote_to_multi=False,
            crs=f"EPSG:{self.job.srid}",
            encoding=self.job.encoding,
            append=begun,
            layer_options=None if begun else {"2GB_LIMIT": "YES"},
        )
        self.counts[family] = self.counts.get(family, 0) + len(columns[-1])

    def _stem(self, family: str) -> Path:
        several = f"_{family}" if self.job.shape == "any" else ""
        return self.job.path / f"{self.job.layer}{several}.shp"

    def _family(self, shape: bytes | None) -> str:
        """Which of the files a geometry goes into; one without a geometry goes with the first."""
        if shape is None:
            return next(iter(self.counts), "point" if self.job.shape == "any" else self._only())
        number = int.from_bytes(shape[1:5], "little" if shape[0] else "big") & 0xFFFF
        family = FAMILIES.get(number % 1000, "polygon")
        if self.job.shape == "point-or-multipoint":
            return "multipoint"
        return family

    def _only(self) -> str:
        if self.job.shape in ("multipoint", "point-or-multipoint"):
            return "multipoint"
        return next((one for one in ("point", "line", "polygon") if one in self.job.shape), "polygon")

    def _fitted(self, values: Column, kind: str, unfit: Unfit) -> Column:
        """The values as a Shapefile holds them; those that do not fit are counted, and cut."""
        if kind == "time-text":
            return [None if one is None else iso_of(one) for one in values]
        if kind == "integer":
            large = [one is not None and abs(one) > LARGEST for one in values]
            if any(large):
                unfit.large += sum(large)
                return [None if too else one for one, too in zip(values, large, strict=True)]
            return values
        if kind != "string":
            return values
        return [
            one if one is None or (len(one) < 64 and one.isascii()) else self._cut(one, unfit)
            for one in values
        ]

    def _cut(self, text: str, unfit: Unfit) -> str:
        try:
            size = len(text.encode(self.codec))
        except UnicodeEncodeError:
            unfit.lacking += 1
            text = text.encode(self.codec, "replace").decode(self.codec)
            size = len(text.encode(self.codec))
        if size > TEXT_BYTES:
            unfit.long += 1
            text = cut(text, TEXT_BYTES, self.codec)
        return text

    def _note(self) -> str:
        lines = [
            f"{self.job.layer}: {self.written} 条要素 features; EPSG:{self.job.srid}; {self.job.encoding}",
            "列名限 10 字节。Column names have at most 10 bytes.",
            "",
        ]
        for short, (name, zh, en, unit), unfit in zip(self.fields, self.job.titles, self.unfit, strict=True):
            lines.append(f"{short} = {name}: {zh or name} / {en or name}" + (f" ({unit})" if unit else ""))
            if unfit.long:
                lines.append(
                    f"    {unfit.long} 个值超过 254 字节，已截断 values were longer than 254 bytes: cut"
                )
            if unfit.lacking:
                lines.append(
                    f"    {unfit.lacking} 个值含 {self.job.encoding} 没有的字符，以 ? 代替 "
                    f"values had characters that {self.job.encoding} lacks: ? stands for these"
                )
            if unfit.large:
                lines.append(f"    {unfit.large} 个数过大，已留空 numbers were too large and are left out")
        return "\n".join(lines) + "\n"


WRITERS: Mapping[str, Callable[[Job], Single | Shapefiles]] = {
    "GPKG": Single,
    "FlatGeobuf": Indexed,
    "ESRI Shapefile": Shapefiles,
}


# --- values ---


def arrays_of(columns: list[Column], kinds: list[str]) -> tuple[list[Any], list[Any]]:
    """The columns as arrays of their kinds, and which of their values are null."""
    import numpy as np

    made: list[Any] = []
    masks: list[Any] = []
    for values, kind in zip(columns, kinds, strict=True):
        if kind in ("string", "time-text"):
            made.append(np.array(values, dtype=object))
            masks.append(None)
            continue
        null = np.array([one is None for one in values], dtype=bool)
        filled = [0 if one is None else one for one in values] if null.any() else values
        match kind:
            case "integer":
                array: npt.NDArray[np.generic] = np.array(filled, dtype=np.int64)
            case "number":
                array = np.array(filled, dtype=np.float64)
                null |= ~np.isfinite(array.astype(np.float64))
            case "boolean":
                array = np.array(filled, dtype=bool)
            case "date":
                array = np.array(filled, dtype=np.int64).astype("datetime64[D]")
            case _:
                array = np.array(filled, dtype=np.int64).astype("datetime64[ms]")
        made.append(array)
        masks.append(null if null.any() else None)
    return made, masks


def zones_of(names: list[str], count: int) -> dict[str, Any]:
    """Of each column of times, that all of them are UTC."""
    import numpy as np

    return {name: np.full(count, UTC_FLAG) for name in names}


def geometries_of(values: Column) -> Any:
    """The geometries as an array of WKB."""
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def iso_of(milliseconds: int) -> str:
    """A time as text of ISO 8601, UTC."""
    whole = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return whole.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds").replace(
        "+00:00", "Z"
    )


# --- the process ---


def send(stream: BinaryIO, value: Any) -> None:
    """Write a value that `receive` reads."""
    data = marshal.dumps(value)
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next value. EOFError: the other side is gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (size,) = LENGTH.unpack(head)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return marshal.loads(data)  # noqa: S302 - of the process that started this one


def write(job: Job, batches: Iterator[Sequence[tuple[Any, ...]]]) -> Answer:
    """Write the rows of all batches, and answer with the file, or with why there is none."""
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

    pyogrio.set_gdal_config_options(
        {
            # the same rows on the same day make the same file
            "OGR_CURRENT_DATE": f"{datetime.now(UTC):%Y-%m-%d}T00:00:00.000Z",
            # what breaks off is thrown away, so nothing needs to outlive it
            "OGR_SQLITE_SYNCHRONOUS": "OFF",
            "OGR_SQLITE_JOURNAL": "MEMORY",
        }
    )
    writer = WRITERS[job.driver](job)
    held: list[tuple[Any, ...]] = []
    try:
        for batch in batches:
            held += batch
            if len(held) >= ROWS:
                job.check_space()
                writer.write(_columns(held))
                held = []
        job.check_space()
        if held:
            writer.write(_columns(held))
        if isinstance(writer, Shapefiles) and any(writer.unfit) and not job.cut:
            told = zip(job.names, writer.unfit, strict=True)
            return {"fault": "unfit", "columns": [(n, u.long, u.lacking, u.large) for n, u in told if u]}
        made = writer.finish()
        job.check_space()
        return {"file": str(made), "features": writer.written}
    except FullError:
        return {"fault": "full"}
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return {"fault": "full"}
        return {"fault": "failed", "reason": str(error)}
    except (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError) as error:
        return {"fault": _why(job, str(error)), "reason": str(error)}


def _why(job: Job, reason: str) -> str:
    """What made GDAL fail: it gives its reason as text, and after a full disk often another one."""
    room = os.statvfs(job.folder)
    if "2GB" in reason:
        return "large"
    if (
        "full" in reason.lower()
        or "space" in reason.lower()
        or room.f_bavail * room.f_frsize < max(job.reserve, 1 << 20)
    ):
        return "full"
    return "failed"


def _columns(rows: list[tuple[Any, ...]]) -> list[Column]:
    return [list(column) for column in zip(*rows, strict=True)]


def _serve(source: BinaryIO, target: BinaryIO) -> None:
    while select.select([source], [], [], IDLE_S)[0]:
        try:
            job = Job(**receive(source))
        except EOFError:
            return

        ended = False

        def batches() -> Iterator[Any]:
            nonlocal ended
            while batch := receive(source):
                yield batch
            ended = True

        try:
            answer = write(job, batches())
        except EOFError:
            shutil.rmtree(job.folder, ignore_errors=True)
            return
        if not ended and answer.get("fault") is None:
            return
        send(target, answer)
        if not ended:
            return  # the rest of the job is on its way, and nobody wants it


def main() -> None:
    """Serve the parent on standard input and output until either ends."""
    # GDAL may print; what it prints must not come between the answers
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    source = os.fdopen(os.dup(0), "rb")
    try:
        _serve(source, target)
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    main()
