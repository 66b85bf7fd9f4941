"""Boxes that features are asked for in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from service.faults import MalformedError
from service.query.condition import Condition
from service.query.crs import CRS84, MERCATOR, MERCATOR_M, Crs, mercator_degrees

MARGIN = 2e-5  # degrees; boxes in indexes are rounded outward to single precision, by less than that
STEPS = 32  # corners along each side of a box in a belt, where a straight side is no parallel


@dataclass(frozen=True)
class Box:
    """West, south, east, north in degrees (CRS84); west > east crosses the antimeridian.

    outline: WKB of the box in degrees, where its sides are neither meridians nor parallels.
    """

    west: float
    south: float
    east: float
    north: float
    outline: bytes | None = None

    def envelopes(self) -> tuple[tuple[float, float, float, float], ...]:
        """One, or two where the antimeridian lies inside."""
        if self.west <= self.east:
            return ((self.west, self.south, self.east, self.north),)
        return ((self.west, self.south, 180.0, self.north), (-180.0, self.south, self.east, self.north))


def read_box(value: str, crs: Crs = CRS84) -> Box:
    """Four numbers, or six with heights, which are ignored because every geometry is flat.

    In the order of axes that the authority of `crs` prescribes. Raises MalformedError.
    """
    parts = value.split(",")
    numbers = [number for number in map(read_number, parts) if number is not None]
    if len(numbers) != len(parts) or len(numbers) not in (4, 6):
        raise MalformedError("bbox-numbers", value=short(value))
    half = len(numbers) // 2
    if half == 3 and numbers[2] > numbers[5]:
        raise MalformedError("bbox-order", value=short(value))
    one, two = numbers[0], numbers[1]
    three, four = numbers[half], numbers[half + 1]
    west, south, east, north = (two, one, four, three) if crs.flipped else (one, two, three, four)
    if crs.metric:
        return _metric(west, south, east, north, crs, value)
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90):
        raise MalformedError("bbox-range", value=short(value))
    if south > north:
        raise MalformedError("bbox-order", value=short(value))
    return Box(west, south, east, north)


def _metric(west: float, south: float, east: float, north: float, crs: Crs, value: str) -> Box:
    if south > north or west > east:
        raise MalformedError("bbox-order", value=short(value))
    if crs is MERCATOR:
        left, bottom = mercator_degrees(max(west, -MERCATOR_M), south)
        right, top = mercator_degrees(min(east, MERCATOR_M), north)
        return Box(min(left, 180.0), bottom, max(right, -180.0), top)
    import numpy as np
    import shapely

    along = np.linspace(0.0, 1.0, STEPS + 1)[:-1]
    x = west + (east - west) * np.concatenate([along, np.ones(STEPS), 1 - along, np.zeros(STEPS)])
    y = south + (north - south) * np.concatenate([np.zeros(STEPS), along, np.ones(STEPS), 1 - along])
    ring = np.column_stack((y, x) if crs.flipped else (x, y))
    shape = crs.project(shapely.polygons(np.vstack((ring, ring[:1]))))
    if not shape.is_valid:
        raise MalformedError("crs-outside", crs=crs.uri)
    left, bottom, right, top = (float(bound) for bound in shape.bounds)
    return Box(left, bottom, right, top, shapely.to_wkb(shape))


def within(box: Box, geometry: str, indexed: tuple[str, ...], prefix: str) -> Condition:
    """That the geometry (SQL) meets the box. indexed: stored geometries of which it is always one.

    `&&` stands beside, for it alone is leakproof and reaches the index before the row policies are asked.
    What lies well inside (`@`) needs no exact test: a tenth of its cost. `_st_intersects` is `st_intersects`
    without its estimate, which the planner would multiply with that of `&&` for the same fact.
    """
    parts: list[tuple[str, str, dict[str, object]]] = []
    if box.outline is not None:
        parts.append(("st_geomfromwkb(:{0}outline, 4326)", "", {f"{prefix}outline": box.outline}))
    else:
        for n, (west, south, east, north) in enumerate(box.envelopes()):
            corners = {"w": west, "s": south, "e": east, "n": north}
            outer = ", ".join(f":{{0}}{side}{n}" for side in corners)
            inner = ", ".join(f":{{0}}i{side}{n}" for side in corners)
            values: dict[str, object] = {f"{prefix}{side}{n}": value for side, value in corners.items()}
            if east - west > 3 * MARGIN and north - south > 3 * MARGIN:
                kept = (west + MARGIN, south + MARGIN, east - MARGIN, north - MARGIN)
                values |= {f"{prefix}i{side}{n}": value for side, value in zip(corners, kept, strict=True)}
                parts.append((f"st_makeenvelope({outer}, 4326)", f"st_makeenvelope({inner}, 4326)", values))
            else:
                parts.append((f"st_makeenvelope({outer}, 4326)", "", values))
    clauses: list[str] = []
    parameters: dict[str, object] = {}
    for shape, core, values in parts:
        area, inside = shape.format(prefix), core.format(prefix)
        near = " or ".join(f"{column} && {area}" for column in indexed)
        meets = f"_st_intersects({geometry}, {area})"
        if inside:
            meets = f"({geometry} @ {inside} or {meets})"
        clauses.append(f"(({near}) and {meets})")
        parameters |= values
    return Condition(f"({' or '.join(clauses)})", parameters)


def read_number(text: str) -> float | None:
    """A finite decimal number; None for any other text."""
    if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", text, re.ASCII):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def short(value: object) -> str:
    """A value as an error quotes it."""
    text = str(value)
    return text if len(text) <= 60 else text[:60] + "…"
