"""A city in the service's own tables: so many communities, grids, buildings and cases, the same at each run.

Communities of 1,000 × 800 m lie in rows; each has twenty grids of 200 m, each grid forty buildings, a third
of them with six corners, all a little askew, so that coordinates have all their digits. Rows come by COPY, as
the owner, through the schema's own checks and triggers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from service.store.merge import copy_into
from service.store.places import place_cases, places_of

CRS = "EPSG:4546"  # CGCS2000, 3-degree belt at 111° E: metres
WEST, SOUTH = 530_000.0, 3_400_000.0
GRID_M = 200.0
COLUMNS, ROWS = 5, 4  # grids of a community
HOUSES = (8, 5)  # buildings of a grid, east by north
BUILDINGS = HOUSES[0] * HOUSES[1]
GRIDS = COLUMNS * ROWS
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
CATEGORIES = ("市容环境", "垃圾清运", "占道经营", "路灯损坏", "邻里纠纷", "消防隐患")
STATUSES = ("closed", "closed", "closed", "handled", "dispatched", "discovered")
CASES_AT_ONCE = 100_000

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """How much there is, and where; degrees."""

    communities: int
    buildings: int
    grids: int
    cases: int
    west: float
    south: float
    east: float
    north: float


def across(communities: int) -> int:
    """How many communities lie side by side: the city is about two and a half times as wide as high."""
    return max(1, round((communities * 2) ** 0.5))


def code_of(community: int) -> str:
    """Twelve digits of a county that there is not."""
    return f"9901{community // 900 + 1:05d}{community % 900 + 100:03d}"


def fill(engine: Engine, communities: int, cases: int) -> Ground:
    """Make the city in an empty, migrated database."""
    rng = np.random.default_rng(1)
    origins = np.array(
        [
            (
                WEST + GRID_M * COLUMNS * (i % across(communities)),
                SOUTH + GRID_M * ROWS * (i // across(communities)),
            )
            for i in range(communities)
        ]
    )
    codes = [code_of(i) for i in range(communities)]
    with engine.begin() as connection:
        _communities(connection, origins, codes)
        _grids(connection, origins, codes)
        centres = _buildings(connection, origins, codes, rng)
        _cases(connection, codes, centres, cases, rng)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum (freeze, analyze)"))
        extent = connection.execute(
            text("""
                select st_xmin(e), st_ymin(e), st_xmax(e), st_ymax(e)
                from (select st_extent(geom) as e from grids) x
            """)
        ).one()
    return Ground(communities, communities * GRIDS * BUILDINGS, communities * GRIDS, cases, *extent)


def _copy(connection: Connection, table: str, **columns: Any) -> None:
    copy_into(connection, sql.Identifier(table), columns)


def _stored(shapes: Any) -> list[str]:
    """EWKB in degrees of shapes in metres."""
    turned = shapely.transform(shapes, _degrees)
    return list(shapely.to_wkb(shapely.set_srid(turned, 4326), hex=True, include_srid=True))


def to_degrees(metres: Any) -> list[tuple[float, float]]:
    """Degrees of points that lie so many metres east and north of the city's corner."""
    return [(x, y) for x, y in _degrees(np.add(metres, (WEST, SOUTH))).tolist()]


def _degrees(points: Numbers) -> Numbers:
    to = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    return np.column_stack(to.transform(points[:, 0], points[:, 1]))


def _communities(connection: Connection, origins: Numbers, codes: list[str]) -> None:
    x, y = origins.T
    shapes = shapely.box(x, y, x + COLUMNS * GRID_M, y + ROWS * GRID_M)
    many = len(codes)
    _copy(
        connection,
        "divisions",
        division_code=codes,
        code=codes,
        community_id=codes,
        name=[f"第{i + 1}社区" for i in range(many)],
        source_crs=[CRS] * many,
        metric_crs=[CRS] * many,
        synthetic=[True] * many,
        attribution=["Wangge"] * many,
        geom=_stored(shapes),
        metric_wkb=[bytes(one) for one in shapely.to_wkb(shapes)],
    )


def _grids(connection: Connection, origins: Numbers, codes: list[str]) -> None:
    place = np.arange(GRIDS)
    x = (origins[:, :1] + GRID_M * (place % COLUMNS)).ravel()
    y = (origins[:, 1:] + GRID_M * (place // COLUMNS)).ravel()
    many = len(x)
    _copy(
        connection,
        "grids",
        division_code=np.repeat(codes, GRIDS).tolist(),
        code=[f"{code}{i + 1:03d}" for code in codes for i in range(GRIDS)],
        households=[300] * many,
        residents=[780.0] * many,
        buildings=[BUILDINGS] * many,
        area_m2=[GRID_M * GRID_M] * many,
        bounds_zh=["东至解放路，南至沿江大道，西至桃花巷，北至人民路"] * many,
        bounds_en=["east to Jiefang Road, south to Yanjiang Avenue, west to Taohua Lane"] * many,
        valid_from=[BEGIN] * many,
        geom=_stored(shapely.box(x, y, x + GRID_M, y + GRID_M)),
    )


def _buildings(
    connection: Connection, origins: Numbers, codes: list[str], rng: np.random.Generator
) -> Numbers:
    """Returns a point of each building in degrees, of shape (communities, buildings, 2)."""
    place, house = np.arange(GRIDS), np.arange(BUILDINGS)
    wide, high = GRID_M / HOUSES[0], GRID_M / HOUSES[1]
    dx = (GRID_M * (place % COLUMNS))[:, None] + wide * (house % HOUSES[0]) + wide / 2
    dy = (GRID_M * (place // COLUMNS))[:, None] + high * (house // HOUSES[0]) + high / 2
    centres = origins[:, None, :] + np.stack([dx.ravel(), dy.ravel()], axis=1)
    flat = centres.reshape(-1, 2)
    many = len(flat)
    half = rng.uniform((6, 6), (10, 15), (many, 2))
    slab = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    angle = np.array([(-1, -1), (1, -1), (1, 0), (0, 0), (0, 1), (-1, 1)])
    shapes = np.empty(many, dtype=object)
    for kind, mine in ((slab, np.arange(many) % 3 != 0), (angle, np.arange(many) % 3 == 0)):
        corners = kind[None] * half[mine][:, None, :]
        turn = rng.uniform(-0.15, 0.15, mine.sum())[:, None]
        x, y = corners[..., 0], corners[..., 1]
        turned = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=2)
        shapes[mine] = shapely.polygons(turned + flat[mine][:, None, :])
    each = GRIDS * BUILDINGS
    _copy(
        connection,
        "buildings",
        division_code=np.repeat(codes, each).tolist(),
        building_id=[f"B{i:06d}" for i in range(many)],
        ordinal=(np.arange(many) % each).tolist(),
        households=rng.integers(4, 12, many).tolist(),
        residents=rng.integers(10, 30, many).astype(float).tolist(),
        use=["school" if i % 50 == 0 else "residential" for i in range(many)],
        floors=rng.integers(2, 12, many).astype(float).tolist(),
        grid_code=[f"{code}{i + 1:03d}" for code in codes for i in range(GRIDS) for _ in range(BUILDINGS)],
        geom=_stored(shapes),
        metric_wkb=[bytes(one) for one in shapely.to_wkb(shapes)],
    )
    return _degrees(flat).reshape(len(codes), each, 2)


def _cases(
    connection: Connection, codes: list[str], centres: Numbers, cases: int, rng: np.random.Generator
) -> None:
    """Cases beside a building, at any community and time in turn."""
    for code in codes:
        place_cases(connection, code)
    for first in range(0, cases, CASES_AT_ONCE):
        number = np.arange(first, min(first + CASES_AT_ONCE, cases))
        community = rng.integers(0, len(codes), len(number))
        house = rng.integers(0, centres.shape[1], len(number))
        points = centres[community, house] + rng.uniform(-0.0001, 0.0001, (len(number), 2))
        grids = [
            f"{codes[one]}{place // BUILDINGS + 1:03d}" for one, place in zip(community, house, strict=True)
        ]
        at, eras = np.empty_like(points), np.zeros(len(points), dtype=np.int64)
        held = np.unique(community).tolist()
        for one, (_, kept) in zip(held, places_of(connection, [codes[one] for one in held], -1), strict=True):
            mine = np.flatnonzero(community == one)
            at[mine], eras[mine] = kept.of(points[mine], [grids[row] for row in mine]), kept.era
        seconds = rng.integers(0, 600 * 86400, len(number))
        times = [BEGIN + timedelta(seconds=int(one)) for one in seconds]
        _copy(
            connection,
            "cases",
            division_code=[codes[one] for one in community],
            case_id=[f"K{one:07d}" for one in number],
            category=[CATEGORIES[one % len(CATEGORIES)] for one in number],
            time=times,
            due_at=[one + timedelta(days=3) for one in times],
            status=[STATUSES[one % len(STATUSES)] for one in number],
            tier=["grid"] * len(number),
            grid_code=grids,
            geom=_points(points),
            place=_points(at),
            place_era=eras.tolist(),
        )


def _points(points: Numbers) -> list[str]:
    return list(shapely.to_wkb(shapely.set_srid(shapely.points(points), 4326), hex=True, include_srid=True))
