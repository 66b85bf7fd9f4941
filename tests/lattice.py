"""Generated towns: a bent lattice of streets with buildings in its blocks, as an `Area` in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pyproj
import shapely
import shapely.ops

from partition.area import Area

CRS = pyproj.CRS("EPSG:4547")
CLASSES = ("local", "lane", "secondary", "path", "arterial")


@dataclass(frozen=True)
class Town:
    """What a generated town is like. Lengths in metres."""

    columns: int = 4
    rows: int = 4
    block_m: float = 90.0
    bend_m: float = 12.0
    most_households: int = 60
    gap_share: float = 0.1  # of streets are missing between two corners
    river: bool = False
    bridges: int = 1
    wall: bool = False
    gates: int = 1
    communities: int = 1
    careless: bool = False  # houses stand across streets and into each other, ends stop short, ids repeat
    dual: bool = False  # the first street across is a dual carriageway
    people: tuple[float, float] = (2.5, 2.5)  # residents of a household, least and most
    classes: tuple[str, ...] = ()  # of the communities, one after the other
    estates: tuple[tuple[int, int, int, int], ...] = ()  # compounds: first column and row, columns, rows
    zones: tuple[tuple[int, int, int, int], ...] = ()  # of schools, the same
    complex_zone: tuple[int, int, int, int] | None = None  # where a household counts for `complexity`
    complexity: float = 1.0
    most_shops: int = 0  # of a building
    groups: tuple[int, int] | None = None  # village groups: blocks across and down of each
    seed: int = 0


def make_town(town: Town) -> Area:
    """The area of a town: the same town gives the same area."""
    rng = np.random.default_rng(town.seed)
    corners = _corners(town, rng)
    width, height = town.columns * town.block_m, town.rows * town.block_m
    streets, classes = _streets(town, corners, rng)
    if town.river:
        y = height / 2 + 7.0
        streets, classes = _crossed(
            streets, classes, shapely.LineString([(-50, y), (width + 50, y)]), town.bridges
        )
        streets.append(shapely.LineString([(-50, y), (width / 3, y + 3), (width + 50, y)]))
        classes.append("water")
    if town.wall:
        x = width / 2 + 9.0
        streets, classes = _crossed(
            streets, classes, shapely.LineString([(x, -50), (x, height + 50)]), town.gates
        )
        streets.append(shapely.LineString([(x, -50), (x, height + 50)]))
        classes.append("wall")
    if town.dual:
        y = height / 2 - 20
        for side in (-9.0, 9.0):
            streets.append(
                shapely.LineString([(-20, y + side), (width / 2, y + side + 6), (width + 20, y + side)])
            )
            classes.append("arterial")
    if town.careless:
        streets = [_shortened(street, rng.uniform(0, 8)) for street in streets]
    lines = shapely.union_all(streets)
    footprints = _footprints(town, lines, width, height, rng)
    if town.communities > 1:
        edges = np.linspace(0, width, town.communities + 1)
        shapes = [shapely.box(a, 0, b, height) for a, b in pairwise(edges)]
    else:
        shapes = [shapely.box(0, 0, width, height)]
    households = rng.integers(0, town.most_households + 1, len(footprints))
    ids = [f"B{i:04d}" for i in range(len(footprints))]
    if town.careless and len(ids) > 6:
        ids[3], households[3] = ids[0], 0  # next door
    area = make_area(shapes, streets, classes, footprints, households, ids)
    return _furnished(town, area, corners) if _is_furnished(town) else area


def _is_furnished(town: Town) -> bool:
    plain = Town(seed=town.seed)
    kinds = ("people", "classes", "estates", "zones", "complex_zone", "most_shops", "groups")
    return any(getattr(town, kind) != getattr(plain, kind) for kind in kinds)


def _furnished(town: Town, area: Area, corners: np.ndarray) -> Area:
    """The area with residents, shops, classes, compounds, zones and village groups as the town has them."""
    rng = np.random.default_rng(town.seed + 1)
    buildings = area.buildings
    size = rng.uniform(*town.people, len(buildings))
    points = shapely.get_coordinates(shapely.point_on_surface(buildings.geometry.to_numpy()))
    column, row = (points // town.block_m).astype(int).T
    columns = {"residents": (buildings["households"] * size).round()}
    if town.most_shops:
        columns["shops"] = rng.integers(0, town.most_shops + 1, len(buildings)).astype(float)
    if town.groups:
        across, down = town.groups
        columns["village_group"] = [f"G{r // down}{c // across}" for c, r in zip(column, row, strict=True)]
    communities = area.communities
    if town.classes:
        communities = communities.assign(**{"class": list(town.classes)})
    zones = [*town.zones, *([town.complex_zone] if town.complex_zone else [])]
    kinds = ["school"] * len(town.zones) + ["complex"] * (len(zones) - len(town.zones))
    return replace(
        area,
        communities=communities,
        buildings=buildings.assign(**columns),
        compounds=gpd.GeoDataFrame(
            {"id": [f"E{i + 1}" for i in range(len(town.estates))], "name": ""},
            geometry=_plots(corners, town.estates),
            crs=CRS,
        ),
        zones=gpd.GeoDataFrame(
            {
                "id": [f"Z{i + 1}" for i in range(len(zones))],
                "name": "",
                "kind": kinds,
                "complexity": [town.complexity if kind == "complex" else 1.0 for kind in kinds],
            },
            geometry=_plots(corners, zones),
            crs=CRS,
        ),
    )


def _plots(corners: np.ndarray, plots: Sequence[tuple[int, int, int, int]]) -> list[shapely.Polygon]:
    """Blocks of the lattice as polygons, along its streets."""
    found = []
    for column, row, across, down in plots:
        south = [corners[row, c] for c in range(column, column + across + 1)]
        east = [corners[r, column + across] for r in range(row + 1, row + down + 1)]
        north = [corners[row + down, c] for c in range(column + across - 1, column - 1, -1)]
        west = [corners[r, column] for r in range(row + down - 1, row, -1)]
        found.append(shapely.Polygon([*south, *east, *north, *west]))
    return found


def _shortened(street: shapely.LineString, metres: float) -> shapely.LineString:
    return shapely.ops.substring(street, 0, street.length - metres)


def make_area(shapes, streets, classes, footprints, households, ids=None) -> Area:
    """An area of given shapes; every row is as `frames.check_area` would leave it."""
    ids = [f"B{i:04d}" for i in range(len(footprints))] if ids is None else ids
    communities = gpd.GeoDataFrame(
        {"id": [f"C{i + 1}" for i in range(len(shapes))], "name": "", "code": "", "class": ""},
        geometry=shapes,
        crs=CRS,
    )
    street_frame = gpd.GeoDataFrame(
        {"class": classes, "bridge": False, "tunnel": False, "layer": 0, "oneway": False, "name": ""},
        geometry=list(streets),
        crs=CRS,
    )
    points = (
        shapely.point_on_surface(np.array(footprints, dtype=object))
        if len(footprints)
        else np.empty(0, object)
    )
    community = np.full(len(points), -1, dtype=np.int64)
    for number, shape in reversed(list(enumerate(shapes))):
        community[shapely.intersects(shape, points)] = number
    _, first, atom = np.unique(np.array(ids, dtype=str), return_index=True, return_inverse=True)
    community = community[first[atom.reshape(-1)]]  # a building belongs where its first row lies
    buildings = gpd.GeoDataFrame(
        {
            "row": np.arange(len(footprints)),
            "id": ids,
            "households": np.asarray(households, dtype=np.int64),
            "unknown": False,
            "estimated": False,
            "residents": np.asarray(households) * 2.5,
            "use": "",
            "floors": np.nan,
            "shops": np.nan,
            "complexity": 1.0,
            "village_group": "",
            "community": community,
            "atom": atom.reshape(-1),
        },
        geometry=list(footprints),
        crs=CRS,
    )
    compounds = gpd.GeoDataFrame({"id": [], "name": []}, geometry=[], crs=CRS)
    return Area(
        CRS, CRS, communities, street_frame, buildings, compounds, buildings[["id", "households", "geometry"]]
    )


def _corners(town: Town, rng: np.random.Generator):
    x, y = np.meshgrid(np.arange(town.columns + 1), np.arange(town.rows + 1))
    grid = np.stack([x, y], axis=-1) * town.block_m
    bend = rng.uniform(-town.bend_m, town.bend_m, grid.shape)
    bend[0, :, 1] = bend[-1, :, 1] = bend[:, 0, 0] = bend[:, -1, 0] = 0
    return (grid + bend).round(2)


def _streets(town: Town, corners, rng: np.random.Generator):
    streets, classes = [], []
    of_row = rng.choice(CLASSES, town.rows + 1)
    of_column = rng.choice(CLASSES, town.columns + 1)
    for r in range(town.rows + 1):
        for c in range(town.columns):
            if rng.random() >= town.gap_share:
                streets.append(shapely.LineString([corners[r, c], corners[r, c + 1]]))
                classes.append(str(of_row[r]))
    for c in range(town.columns + 1):
        for r in range(town.rows):
            if rng.random() >= town.gap_share:
                streets.append(shapely.LineString([corners[r, c], corners[r + 1, c]]))
                classes.append(str(of_column[c]))
    return streets, classes


def _crossed(streets, classes, line, passages: int):
    """Cut the streets away at a line, but for the first few that cross it."""
    kept, kinds, left = [], [], passages
    for street, kind in zip(streets, classes, strict=True):
        if street.crosses(line):
            if left:
                left -= 1
            else:
                for part in shapely.get_parts(street.difference(line.buffer(8))):
                    kept.append(part)
                    kinds.append(kind)
                continue
        kept.append(street)
        kinds.append(kind)
    return kept, kinds


def _footprints(town: Town, lines, width: float, height: float, rng: np.random.Generator):
    found = []
    for x in np.arange(12, width - 12, 28):
        for y in np.arange(12, height - 12, 28):
            w, h = rng.uniform(8, 34 if town.careless else 16, 2)
            box = shapely.box(x, y, x + w, y + h)
            if (town.careless or box.distance(lines) > 2) and x + w < width - 2 and y + h < height - 2:
                found.append(box)
    return found
