"""Points that a client sends to be located: CSV, JSON or GeoJSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from service.faults import MalformedError
from service.links import GEOJSON, JSON
from service.web.bodies import read_json

CSV = "text/csv"
POINT_MEDIA = (JSON, GEOJSON, CSV)
POINTS_MOST = 100_000
BODY_MOST = 32_000_000


@dataclass(frozen=True)
class Points:
    """ids as they were sent (row numbers from 1 where none were), and degrees."""

    ids: Sequence[Any]
    lons: Sequence[float]
    lats: Sequence[float]


def read_points(body: bytes, media: str) -> Points:
    """The points of a body. Raises MalformedError with the first fault."""
    try:
        found = _of_csv(body.decode("utf-8-sig")) if media == CSV else _of_json(read_json(body))
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedError("points-form", reason=type(error).__name__) from None
    if len(found) > POINTS_MOST:
        raise MalformedError("points-most", most=POINTS_MOST, number=len(found))
    ids, lons, lats = [], [], []
    for place, (key, lon, lat) in enumerate(found, 1):
        ids.append(place if key is None else key)
        lons.append(_degrees(lon, 180.0, place))
        lats.append(_degrees(lat, 90.0, place))
    return Points(ids, lons, lats)


def _of_csv(text: str) -> list[tuple[Any, Any, Any]]:
    reader = csv.DictReader(io.StringIO(text))
    names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
    if "lon" not in names or "lat" not in names:
        raise MalformedError("points-form", reason="lon, lat")
    key = names.get("id")
    return [(row.get(key) if key else None, row[names["lon"]], row[names["lat"]]) for row in reader]


def _of_json(told: Any) -> list[tuple[Any, Any, Any]]:
    if isinstance(told, dict) and told.get("type") == "FeatureCollection":
        told = told.get("features")
    elif isinstance(told, dict):
        told = told.get("points")
    if not isinstance(told, list):
        raise MalformedError("points-form", reason="[]")
    return [_of_entry(entry, place) for place, entry in enumerate(told, 1)]


def _of_entry(entry: Any, place: int) -> tuple[Any, Any, Any]:
    if isinstance(entry, list) and len(entry) in (2, 3):
        return None, entry[0], entry[1]
    if isinstance(entry, dict) and entry.get("type") == "Feature":
        geometry = entry.get("geometry")
        if isinstance(geometry, dict) and geometry.get("type") == "Point":
            at = geometry.get("coordinates")
            if isinstance(at, list) and len(at) in (2, 3):
                return _key(entry.get("id")), at[0], at[1]
    elif isinstance(entry, dict) and {"lon", "lat"} <= entry.keys():
        return _key(entry.get("id")), entry["lon"], entry["lat"]
    raise MalformedError("points-form", reason=f"#{place}")


def _key(value: Any) -> Any:
    return value if isinstance(value, (str, int)) and not isinstance(value, bool) else None


def _degrees(value: Any, most: float, place: int) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError):
        raise MalformedError("points-form", reason=f"#{place}") from None
    if not math.isfinite(number) or abs(number) > most:
        raise MalformedError("points-form", reason=f"#{place}")
    return number


def write_csv(points: Points, codes: Iterable[str | None]) -> str:
    """The points with their grids, one a line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "lon", "lat", "grid"])
    for key, lon, lat, code in zip(points.ids, points.lons, points.lats, codes, strict=True):
        writer.writerow([_harmless(key), repr(lon), repr(lat), code or ""])
    return out.getvalue()


def _harmless(key: Any) -> Any:
    """An id that no spreadsheet takes for a formula."""
    return f"'{key}" if isinstance(key, str) and key[:1] in ("=", "+", "-", "@", "\t", "\r") else key
