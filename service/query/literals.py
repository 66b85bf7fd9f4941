"""Dates, times and geometries that a client wrote out, read and checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from service.faults import MalformedError

VERTICES_MOST = 10_000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII)


def read_date(value: object) -> date:
    """A day of RFC 3339, `2026-05-01`. Raises MalformedError."""
    text = str(value)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise MalformedError("filter", reason=f"DATE('{text[:40]}')")


def read_timestamp(value: object) -> datetime:
    """An instant of RFC 3339 with its offset, in UTC. Raises MalformedError."""
    text = str(value)
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise MalformedError("filter", reason=f"TIMESTAMP('{text[:40]}')")


def read_geometry(node: Mapping[str, Any], project: Callable[[Any], Any] | None) -> bytes:
    """A GeoJSON geometry or a `bbox` as WKB in degrees east and north.

    project: turns a geometry of shapely from the coordinates' own CRS to these; None: they are already.
    Raises MalformedError if it is no geometry, is too large, or lies outside of the globe.
    """
    import shapely
    from shapely.errors import ShapelyError

    try:
        geometry = _boxed(node["bbox"]) if "bbox" in node else _shaped(node)
        if project is not None:
            geometry = project(geometry)
        west, south, east, north = geometry.bounds
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise MalformedError("filter-geometry", value=str(node)[:60]) from None
    if geometry.is_empty or not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise MalformedError("filter-geometry", value=str(node)[:60])
    return bytes(shapely.to_wkb(geometry))


def _shaped(node: Mapping[str, Any]) -> Any:
    import shapely
    from shapely.geometry import shape

    for count, number in enumerate(_numbers(node)):
        if count >= 2 * VERTICES_MOST:
            raise MalformedError("filter-vertices", most=VERTICES_MOST)
        if not math.isfinite(number):
            raise ValueError(number)
    return shapely.force_2d(shape(dict(node)))


def _numbers(node: Any) -> Iterator[float]:
    stack = [node.get("coordinates", node.get("geometries"))]
    while stack:
        one = stack.pop()
        if isinstance(one, bool) or one is None or isinstance(one, str):
            raise ValueError(one)
        if isinstance(one, int | float):
            yield float(one)
        elif isinstance(one, Mapping):
            stack.append(one.get("coordinates", one.get("geometries")))
        else:
            stack.extend(one)


def _boxed(values: Any) -> Any:
    import shapely

    numbers = [float(value) for value in values]
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    west, south, east, north = numbers
    if not all(map(math.isfinite, numbers)) or south > north:
        raise ValueError(numbers)
    if west <= east:
        return shapely.box(west, south, east, north)
    return shapely.union_all(
        [shapely.box(west, south, 180.0, north), shapely.box(-180.0, south, east, north)]
    )
