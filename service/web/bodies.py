"""What a client sends to be written: features and merge patches, bounded, read and checked.

Every fault names the property, and is found here as far as the database need not be asked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection as Several
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request

from service.faults import MalformedError, MediaError, TooLargeError
from service.links import GEOJSON, JSON
from service.models.base import IDENTITY_NUMBER
from service.query.box import short
from service.query.crs import CRS84, Crs, read_crs
from service.query.draft import Draft
from service.query.literals import VERTICES_MOST, read_date, read_timestamp
from service.registry import Collection, Column

if TYPE_CHECKING:
    from shapely import Geometry

FEATURE_MEDIA = (GEOJSON, JSON)
PATCH_MEDIA = ("application/merge-patch+json",)
BODY_MOST = 2_000_000
TEXT_MOST = 4_000
INTEGER_MOST = 2**31 - 1
WHOLE_MOST = 2**53 - 1  # what JSON's numbers carry exactly

_IDENTITY = re.compile(IDENTITY_NUMBER)
# what the feature's own members are called; a client that copies a feature sends them along
_MEMBERS = {"type", "id", "geometry", "properties", "links", "bbox"}
# figures that are counts or sizes
_NOT_NEGATIVE = {"households", "residents", "floors"}


# --- bytes ---


async def read_body(request: Request, media: Several[str], most: int = BODY_MOST) -> bytes:
    """The body, if it is of a known media type and not too large. Raises MediaError, TooLargeError."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in media:
        raise MediaError("write-media", given=short(given), known=", ".join(media))
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise MediaError("write-coding", given=short(coding))
    refusal = TooLargeError("write-large", most_kb=most // 1000)
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > most:
        raise refusal
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise refusal
            parts.append(part)
    except ClientDisconnect:
        raise MalformedError("write-cut") from None
    return b"".join(parts)


def read_json(body: bytes) -> Any:
    """The body as JSON of finite numbers. Raises MalformedError."""
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        if b"\\ud" in body.lower():  # half of a pair is no character
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        return found
    except json.JSONDecodeError as error:
        reason = f"{error.msg}, {error.lineno}:{error.colno}"
    except RecursionError:
        reason = "nesting"
    except UnicodeError:
        reason = "UTF-8"
    except ValueError:
        reason = "number"
    raise MalformedError("write-json", reason=reason)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def body_crs(request: Request) -> Crs:
    """The system that coordinates of the body are in: `Content-Crs`, by default degrees east and north."""
    told = request.headers.get("content-crs")
    return (
        CRS84 if told is None else read_crs("Content-Crs", told.strip().removeprefix("<").removesuffix(">"))
    )


# --- features ---


def read_feature(node: Any, collection: Collection, known: Several[Column], crs: Crs) -> Draft:
    """A whole feature. Raises MalformedError, TooLargeError."""
    if not isinstance(node, dict) or node.get("type") != "Feature":
        raise MalformedError("write-feature")
    properties = node.get("properties")
    if properties is not None and not isinstance(properties, dict):
        raise MalformedError("write-feature")
    geometry = node.get("geometry")
    shape = None if geometry is None else read_shape(geometry, collection, crs)
    return Draft(read_values(properties or {}, known), shape)


def read_patch(node: Any, collection: Collection, known: Several[Column], crs: Crs) -> Draft:
    """What a merge patch (RFC 7396) sets. Raises MalformedError, TooLargeError."""
    if not isinstance(node, dict) or not set(node) <= _MEMBERS:
        raise MalformedError("write-patch")
    properties = node.get("properties", {})
    if properties is None:
        properties = {column.name: None for column in known if column.writable}
    if not isinstance(properties, dict):
        raise MalformedError("write-patch")
    if "geometry" in node and node["geometry"] is None:
        raise MalformedError("write-no-geometry")
    shape = read_shape(node["geometry"], collection, crs) if "geometry" in node else None
    return Draft(read_values(properties, known), shape)


def read_values(properties: Mapping[str, Any], known: Several[Column]) -> dict[str, Any]:
    """Values by public name, each of its column's kind, None where null. Raises MalformedError."""
    columns = {column.name: column for column in known}
    values = {}
    for name, value in properties.items():
        column = columns.get(name)
        if column is None:
            raise MalformedError("write-unknown", name=short(name), known=", ".join(columns))
        values[name] = None if value is None else read_value(column, value)
    return values


def read_value(column: Column, value: Any) -> Any:
    """A value of the column's kind. Raises MalformedError."""
    refusal = MalformedError("write-kind", name=column.name, value=_shown(value), kind=column.kind)
    if column.kind == "boolean":
        if not isinstance(value, bool):
            raise refusal
        return value
    if column.kind in ("integer", "number"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refusal
        return _read_number(column, value, refusal)
    if not isinstance(value, str):
        raise refusal
    if column.kind in ("date", "date-time"):
        try:
            return read_date(value) if column.kind == "date" else read_timestamp(value)
        except MalformedError:
            raise refusal from None
    return read_text(column, value)


def _read_number(column: Column, value: float, refusal: MalformedError) -> float:
    outside = MalformedError("write-range", name=column.name, value=_shown(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise outside
    if column.kind == "integer":
        if value != int(value):
            raise refusal
        value = int(value)
        if abs(value) > (WHOLE_MOST if column.sql.startswith("t.c") else INTEGER_MOST):
            raise outside
    elif abs(value) > 1e300:
        raise outside
    if column.name in _NOT_NEGATIVE and value < 0:
        raise outside
    return value if column.kind == "integer" else float(value)


def read_text(column: Column, value: str) -> str:
    """A text that can be stored and says nobody's identity number. Raises MalformedError."""
    if len(value) > TEXT_MOST:
        raise MalformedError("write-long", name=column.name, most=TEXT_MOST)
    if "\x00" in value:
        raise MalformedError("write-character", name=column.name)
    if _IDENTITY.search(value):
        raise MalformedError("write-identity", name=column.name)
    if column.choices and value not in column.choices:
        choice = ", ".join(one or '""' for one in column.choices)
        raise MalformedError("write-choice", name=column.name, value=short(value), choice=choice)
    return value


def _shown(value: Any) -> str:
    try:
        return short(json.dumps(value, ensure_ascii=True))
    except (ValueError, RecursionError):
        return "…"


# --- geometries ---


def read_shape(node: Any, collection: Collection, crs: Crs) -> Geometry:
    """A GeoJSON geometry of the collection's kind, valid, in degrees east and north, without heights.

    Raises MalformedError, TooLargeError.
    """
    import shapely

    if not isinstance(node, dict) or not isinstance(node.get("type"), str):
        raise MalformedError("write-geometry", reason=_shown(node))
    kinds = shapes_of(collection)
    given = short(node["type"])
    if kinds and node["type"].lower() not in kinds:
        raise MalformedError("write-shape", known=", ".join(kinds), given=given)
    shape = _read_point(node) if node["type"] == "Point" else _read_other(node)
    if shapely.get_num_coordinates(shape) > VERTICES_MOST:
        raise TooLargeError("write-vertices", most=VERTICES_MOST)
    if shape.is_empty:
        raise MalformedError("write-geometry", reason=given)
    if crs is not CRS84:
        shape = crs.project(shape)
    west, south, east, north = shape.bounds
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise MalformedError("write-degrees")
    if not shape.is_valid:
        raise MalformedError("write-invalid", reason=shapely.is_valid_reason(shape))
    return shape if shape.geom_type == "Point" else shapely.orient_polygons(shape)


@lru_cache(maxsize=256)
def shapes_of(collection: Collection) -> tuple[str, ...]:
    """The kinds of geometry that the collection takes, in small letters; none: every kind."""
    return () if collection.shape == "any" else tuple(collection.shape.split("-or-"))


def _read_point(node: Mapping[str, Any]) -> Geometry:
    import shapely

    place = node.get("coordinates")
    if (
        not isinstance(place, list)
        or not 2 <= len(place) <= 4
        or any(isinstance(one, bool) or not isinstance(one, int | float) for one in place)
    ):
        raise MalformedError("write-geometry", reason=_shown(place))
    try:
        return shapely.Point(float(place[0]), float(place[1]))
    except OverflowError:
        raise MalformedError("write-degrees") from None


def _read_other(node: Mapping[str, Any]) -> Geometry:
    import shapely

    # a reader in C; what it takes for an error it says in its own words
    try:
        text = json.dumps(node)
        if text.count(",") > 8 * VERTICES_MOST:
            raise TooLargeError("write-vertices", most=VERTICES_MOST)
        shape = shapely.force_2d(shapely.from_geojson(text))
    except (shapely.errors.ShapelyError, ValueError, RecursionError) as error:
        raise MalformedError("write-geometry", reason=short(str(error).partition("\n")[0])) from None
    if shape is None or not shapely.is_geometry(shape):
        raise MalformedError("write-geometry", reason=_shown(node))
    return shape
