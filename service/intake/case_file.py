"""A file of cases, read and checked by whole columns: for hundreds of thousands at once.

The names are those of the API (`case_id`, `category`, …) or what a file calls them (事件编号, 类别, …). Every
fault is found and named by its rows before anything is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from service import casework
from service.models import CASE_STATUSES, IDENTITY_NUMBER

if TYPE_CHECKING:
    import pandas as pd

    from partition.findings import Finding

NEEDED = ("id", "category", "time")
COMMUNITY = ("community", "社区编码", "社区编号", "社区")
API_NAMES = {"id": "case_id", "building": "building_id"}
DEGREES = (180.0, 90.0)

Points = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class CaseFile:
    """Checked columns, a value a row. times, dues: UTC. communities: "" where the file names none. points:
    degrees. Findings are notes.
    """

    path: str
    ids: Sequence[str]
    categories: Sequence[str]
    times: Times
    dues: Times
    statuses: Sequence[str]
    tiers: Sequence[str]
    buildings: Sequence[str]
    communities: Sequence[str]
    points: Points
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


def read_cases(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
    drop_personal: bool = False,
) -> CaseFile:
    """The cases of a CSV, GeoJSON, GeoPackage or Shapefile. columns: our name → the file's.

    Raises InputError with everything that is wrong.
    """
    import geopandas as gpd

    from data.aliases import find_layers, name_columns
    from data.files import Source, list_layers, read_layer
    from partition.errors import InputError
    from partition.findings import Finding

    source = Source.of(path, encoding)
    layers = list_layers(source)
    found = [source.layer] if source.layer else find_layers(layers).get("cases", layers)
    if len(found) != 1 or found[0] not in layers:
        values = {"layers": ", ".join(layers)}
        raise InputError([Finding("layer_choice", "refused", "cases", values=values, file=str(source.path))])
    content = read_layer(source, found[0])
    frame = content.frame
    check = _Check(str(source.path), list(content.findings))
    frame = check.personal(frame, drop_personal)
    names = [str(name) for name in frame.columns]
    chosen = {ours: name for ours, name in API_NAMES.items() if name in names}
    chosen |= dict(columns or {})
    named = name_columns("cases", names, chosen, cut=source.suffix in (".shp", ".zip"))
    check.named(named.columns, named.ambiguous, names)
    community = next((name for name in names if name.lower() in COMMUNITY), None)
    frame = frame.rename(columns={**named.columns, **({community: "community"} if community else {})})
    is_layer = isinstance(frame, gpd.GeoDataFrame) and frame.active_geometry_name is not None
    return check.cases(frame, check.points_of(frame) if is_layer else check.points_in(frame, names))


class _Check:
    """What is wrong with one file, gathered column by column."""

    def __init__(self, file: str, findings: list[Finding]) -> None:
        self.file, self.findings = file, findings

    def find(
        self, code: str, wrong: Any = None, column: str = "", *, level: Any = "refused", **values: object
    ) -> None:
        """Note a fault of the rows where `wrong` is true; None: of the file as a whole."""
        from partition.findings import Finding

        rows = () if wrong is None else tuple(f"#{row + 1}" for row in np.flatnonzero(wrong).tolist())
        if wrong is None or rows:
            self.findings.append(Finding(code, level, "cases", column, rows, values, self.file))

    def refuse(self) -> None:
        """Raise InputError if anything is wrong so far."""
        from partition.errors import InputError

        refused = [finding for finding in self.findings if finding.level == "refused"]
        if refused:
            raise InputError(refused)

    # --- columns ---

    def personal(self, frame: pd.DataFrame, drop: bool) -> pd.DataFrame:
        """The frame without personal columns, which are refused unless they are to be dropped."""
        from partition.intake.personal import find_personal

        found = find_personal(frame, "cases")
        if not drop:
            for name, rows in found.items():
                self.find("personal_refused", rows, name, count=int(rows.sum()))
            self.refuse()
        return frame.drop(columns=list(found))

    def named(
        self, columns: Mapping[str, str], ambiguous: Mapping[str, Sequence[str]], names: Sequence[str]
    ) -> None:
        """Refuse a file that lacks a column, or has one twice."""
        for standard, several in ambiguous.items():
            self.find("column_ambiguous", columns=", ".join(several), needed=standard, layer="cases")
        for standard in NEEDED:
            if standard not in columns.values() and standard not in ambiguous:
                self.find("intake_column_missing", None, standard, columns=", ".join(names))
        self.refuse()

    def cases(self, frame: pd.DataFrame, points: Points) -> CaseFile:
        """All that is wrong with the rows, else the cases."""
        ids, categories = _texts(frame, "id"), _texts(frame, "category")
        for name, texts in (("id", ids), ("category", categories)):
            self.find("intake_value_missing", _is(texts, ""), name)
        self.find("intake_identity_number", _each(ids, lambda text: bool(_IDENTITY.search(text))), "id")
        self.find(
            "intake_identity_number", _each(categories, lambda text: bool(_IDENTITY.search(text))), "category"
        )
        statuses = self.words(frame, "status", self.status, ", ".join(CASE_STATUSES))
        tiers = self.words(frame, "tier", self.tier, ", ".join(casework.TIERS))
        times = self.times(frame, "time", needed=True)
        dues = self.times(frame, "due", needed=False)
        open_ = np.isnat(dues) & ~np.isnat(times)
        if open_.any():
            hours = {category: casework.hours_for(category) for category in set(categories)}
            spans = np.array([hours[category] for category in categories], dtype="timedelta64[h]")
            dues = np.where(open_, times + spans.astype("timedelta64[us]"), dues)
        outside = ~(np.abs(points) <= DEGREES).all(axis=1)  # not a number: nowhere
        self.find("case_point_wrong", outside)
        communities = _texts(frame, "community")
        self.repeated(ids, communities)
        buildings = _texts(frame, "building")
        for name, texts in (("id", ids), ("category", categories), ("building", buildings)):
            if "\x00" in "\x01".join(texts):
                self.find("case_character", _each(texts, lambda text: "\x00" in text), name)
        self.refuse()
        notes = tuple(self.findings)
        told = (ids, categories, times, dues, statuses, tiers, buildings, communities, points)
        return CaseFile(self.file, *told, notes)

    def words(self, frame: pd.DataFrame, column: str, read: Any, known: str) -> list[str]:
        """Each value by what it means; refused where that is nothing known."""
        texts = _texts(frame, column)
        meant = {text: read(text) for text in set(texts)}
        unknown = sorted(text for text, meaning in meant.items() if meaning is None)
        if unknown:
            wrong = _each(texts, lambda text: meant[text] is None)
            self.find("case_word_unknown", wrong, column, words=", ".join(unknown[:5]), known=known)
        return [meant[text] or "" for text in texts]

    @staticmethod
    def status(text: str) -> str | None:
        """The status that a word means."""
        from service.intake.layers import STATUS_WORDS

        return STATUS_WORDS.get(text.lower())

    @staticmethod
    def tier(text: str) -> str | None:
        """The tier, if it is one."""
        return text if text in ("", *casework.TIERS) else None

    def times(self, frame: pd.DataFrame, column: str, *, needed: bool) -> Times:
        """Times in UTC; those without a zone are China's."""
        import pandas as pd

        from service.intake.layers import CHINA

        if column not in frame.columns:
            return np.full(len(frame), "NaT", dtype="datetime64[us]")
        values = frame[column]
        if not isinstance(values.dtype, pd.DatetimeTZDtype) and values.dtype.kind != "M":
            values = pd.Series(_texts(frame, column), index=frame.index, dtype=object)
            empty = np.array(_is(values, ""), dtype=bool)
            zoned = np.fromiter((bool(_ZONE.search(text)) for text in values), dtype=bool, count=len(values))
            read = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
            local = read[~zoned].dt.tz_localize(None).dt.tz_localize(CHINA)
            read = read.where(zoned, local.dt.tz_convert("UTC").reindex(read.index))
        else:
            empty = values.isna().to_numpy()
            read = values.dt.tz_localize(CHINA) if values.dt.tz is None else values
            read = read.dt.tz_convert("UTC")
        wrong = read.isna().to_numpy() & (~empty | needed)
        self.find("intake_time_wrong", wrong, column)
        found: Times = read.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        return found

    def repeated(self, ids: Sequence[str], communities: Sequence[str]) -> None:
        """Refuse a file that has one case twice; the ids of communities are their own."""
        keys = ids if not any(communities) else list(zip(communities, ids, strict=True))
        if len(set(keys)) < len(keys):
            seen: dict[Any, int] = {}
            for key in keys:
                seen[key] = seen.get(key, 0) + 1
            self.find("intake_id_repeated", _each(keys, lambda key: seen[key] > 1), "id")

    # --- places ---

    def points_of(self, frame: Any) -> Points:
        """Points of a layer, in degrees; of what is no point, one within."""
        import shapely

        shapes = frame.geometry
        if shapes.crs is None:
            self.find("intake_crs_missing")
            self.refuse()
        if not shapes.crs.equals("EPSG:4326"):
            shapes = shapes.to_crs("EPSG:4326")
        there = shapes.to_numpy()
        given = ~(shapely.is_missing(there) | shapely.is_empty(there))
        wide = given & (shapely.get_type_id(there) != 0)
        if wide.any():
            there = there.copy()
            there[wide] = shapely.point_on_surface(there[wide])
            self.find("intake_point_made", wide, level="repaired")
        points: Points = np.column_stack((shapely.get_x(there), shapely.get_y(there)))
        return points

    def points_in(self, frame: pd.DataFrame, names: Sequence[str]) -> Points:
        """Points of a table: its columns of longitude and latitude."""
        import pandas as pd

        from data.aliases import find_place

        place = find_place(names)
        if place is None or not place[2]:
            self.find("intake_column_missing", None, "lon, lat", columns=", ".join(names))
            self.refuse()
            raise AssertionError
        columns = [pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64) for name in place[:2]]
        points: Points = np.column_stack(columns)
        return points


_IDENTITY = re.compile(IDENTITY_NUMBER)
_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$(?<!^\d{4}-\d\d-\d\d)(?<!^\d{4}-\d\d)")


def _texts(frame: pd.DataFrame, column: str) -> list[str]:
    """The column as trimmed text, "" where empty or absent; 12.0 is "12"."""
    if column not in frame.columns:
        return [""] * len(frame)
    return [_text(value) for value in frame[column].tolist()]


def _text(value: object) -> str:
    if type(value) is str:
        return value.strip()
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _is(values: Any, text: str) -> list[bool]:
    return [value == text for value in values]


def _each(values: Sequence[Any], holds: Any) -> list[bool]:
    return [holds(value) for value in values]
