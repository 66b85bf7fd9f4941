"""A small area as raw frames in metres (EPSG:4547), for tests that spoil one thing at a time."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import pandas as pd
import shapely

from partition.errors import InputError
from partition.findings import Finding
from partition.intake.frames import RawFrames

CRS = "EPSG:4547"
# the south-west corner of the area: a place in Hubei
X, Y = 530_000.0, 3_395_000.0


def box(x0: float, y0: float, x1: float, y1: float) -> shapely.Polygon:
    """A rectangle, in metres from the corner of the area."""
    return shapely.box(X + x0, Y + y0, X + x1, Y + y1)


def line(*points: tuple[float, float]) -> shapely.LineString:
    """A line, in metres from the corner of the area."""
    return shapely.LineString([(X + x, Y + y) for x, y in points])


def frame(geometry: list[Any], crs: str | None = CRS, **columns: Any) -> gpd.GeoDataFrame:
    """A layer of these columns."""
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=crs)


def community(**changes: Any) -> gpd.GeoDataFrame:
    columns: dict[str, Any] = {"id": ["C1"], "name": ["甲社区"], "code": ["429999001001"]} | changes
    return frame([box(0, 0, 400, 300)], **columns)


def streets(**changes: Any) -> gpd.GeoDataFrame:
    columns: dict[str, Any] = {"class": ["arterial", "lane"], "name": ["大道", None]} | changes
    return frame([line((200, -10), (200, 310)), line((0, 150), (400, 150))], **columns)


def buildings(**changes: Any) -> gpd.GeoDataFrame:
    columns: dict[str, Any] = {
        "id": ["B1", "B2", "B3", "B4"],
        "households": [10, 20, 30, 40],
        "residents": [25, 50, 75, 100],
        "use": ["住宅"] * 4,
        "floors": [6, 6, 6, 6],
    } | changes
    shapes = [box(20, 20, 60, 40), box(220, 20, 260, 40), box(20, 200, 60, 220), box(220, 200, 260, 220)]
    return frame(shapes, **columns)


def raw(**layers: pd.DataFrame) -> RawFrames:
    """The area with some layers replaced (None: left out)."""
    frames = {"community": community(), "streets": streets(), "buildings": buildings()} | layers
    frames = {name: one for name, one in frames.items() if one is not None}
    home = frames.get("community")
    return RawFrames(frames, None if home is None else home.crs, {name: f"{name}.gpkg" for name in frames})


def codes(findings: tuple[Finding, ...], level: str | None = None) -> set[str]:
    """The codes of findings, of one level."""
    return {finding.code for finding in findings if level in (None, finding.level)}


def the(findings: tuple[Finding, ...], code: str) -> Finding:
    """The one finding of this code; both its sentences can be said."""
    found = [finding for finding in findings if finding.code == code]
    assert len(found) == 1, [finding.code for finding in findings]
    assert found[0].text("zh") != found[0].text("en")
    return found[0]


def refusal(error: InputError) -> set[tuple[str, str, str]]:
    """What was refused: code, layer, column."""
    assert all(finding.level == "refused" for finding in error.findings)
    return {(finding.code, finding.layer, finding.column) for finding in error.findings}
