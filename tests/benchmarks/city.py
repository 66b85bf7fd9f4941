"""A synthetic city for the benchmarks: communities side by side, each with streets, houses and compounds.

Drawn on squared paper and bent as one, so that neighbours share their borders and no house stands in a
street. All arrays: a million buildings are drawn in seconds. The same figures give the same city.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely

CRS = "EPSG:4547"
ORIGIN = np.array([520_000.0, 3_390_000.0])
BLOCK_M = 84.0
BLOCKS = 5  # along each side of a community
HOUSES = (4, 3)  # plots of a block along and across, of which some stay empty
EMPTY_PLOTS = 0.17
STEP_M = 21.0  # between the vertices of a street
MARGIN_M = 9.0  # from the middle of a street to the plots
CARRIAGEWAY_M = 8.0  # from the middle of a dual carriageway to either lane
FORMS = (  # outlines of houses on a plot of 1 by 1: a slab, an angle, three wings round a yard, a tower
    np.array([(0.05, 0.1), (0.95, 0.1), (0.95, 0.75), (0.05, 0.75)]),
    np.array([(0.1, 0.1), (0.9, 0.1), (0.9, 0.5), (0.45, 0.5), (0.45, 0.9), (0.1, 0.9)]),
    np.array(
        [(0.0, 0.05), (1.0, 0.05), (1.0, 0.9), (0.7, 0.9), (0.7, 0.4), (0.3, 0.4), (0.3, 0.9), (0.0, 0.9)]
    ),
    np.array([(0.3, 0.2), (0.7, 0.2), (0.8, 0.5), (0.7, 0.8), (0.3, 0.8), (0.2, 0.5)]),
)
HOMES = ((6, 30), (2, 12), (1, 16), (20, 70))  # fewest and most households of each form, before thinning

Frames = dict[str, gpd.GeoDataFrame]


@dataclass(frozen=True)
class City:
    """How many communities, and the seed of chance."""

    communities: int
    seed: int = 0

    @property
    def columns(self) -> int:
        return int(np.ceil(np.sqrt(self.communities)))

    @property
    def rows(self) -> int:
        return -(-self.communities // self.columns)


def draw_city(city: City) -> Frames:
    """The layers `community`, `streets`, `buildings` and `compounds`, as files would hold them.

    About 249 buildings and 2,700 households a community of 420 m by 420 m, in EPSG:4547. Every third border
    between communities is a dual carriageway, every seventh a river.
    """
    rng = np.random.default_rng(city.seed)
    bend = _Bend(city, rng)
    communities = _communities(city, bend)
    return {
        "community": communities,
        "streets": _streets(city, bend, rng),
        **_blocks(city, bend, rng),
    }


def write_city(city: City, path: Path) -> None:
    """Write the city as a GeoPackage."""
    path.unlink(missing_ok=True)
    for name, frame in draw_city(city).items():
        pyogrio.write_dataframe(frame, path, layer=name, driver="GPKG", append=path.exists())


class _Bend:
    """Squared paper (metres) → ground: corners of blocks are shifted, and long waves bend the whole."""

    def __init__(self, city: City, rng: np.random.Generator) -> None:
        self.shift = rng.uniform(-11, 11, (city.columns * BLOCKS + 1, city.rows * BLOCKS + 1, 2))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        cell = points / BLOCK_M
        last = np.array(self.shift.shape[:2]) - 2
        at = np.clip(np.floor(cell).astype(np.int64), 0, last)
        u, v = np.clip(cell - at, 0, 1).T
        i, j = at.T
        shift = (
            ((1 - u) * (1 - v))[:, None] * self.shift[i, j]
            + (u * (1 - v))[:, None] * self.shift[i + 1, j]
            + ((1 - u) * v)[:, None] * self.shift[i, j + 1]
            + (u * v)[:, None] * self.shift[i + 1, j + 1]
        )
        x, y = points.T
        wave = np.column_stack(
            [25 * np.sin(y / 310) + 9 * np.sin(x / 140 + y / 90), 25 * np.sin(x / 350) + 8 * np.sin(y / 120)]
        )
        return (ORIGIN + points + shift + wave).round(3)


def _lines(paper: np.ndarray, bend: _Bend) -> np.ndarray:
    """Lines from pairs of points (n, 2, 2), with vertices between so that they bend."""
    steps = round(BLOCK_M / STEP_M)
    share = np.linspace(0, 1, steps + 1)[None, :, None]
    dense = paper[:, :1] * (1 - share) + paper[:, 1:] * share
    ground = bend(dense.reshape(-1, 2)).reshape(len(paper), steps + 1, 2)
    return np.asarray(shapely.linestrings(ground))


def _communities(city: City, bend: _Bend) -> gpd.GeoDataFrame:
    number = np.arange(city.communities)
    side = BLOCKS * BLOCK_M
    west, south = (number % city.columns) * side, (number // city.columns) * side
    along = np.arange(0, side, STEP_M)
    nothing, full = np.zeros_like(along), np.full_like(along, side)
    ring = np.concatenate(
        [
            np.column_stack(pair)
            for pair in ((along, nothing), (full, along), (side - along, full), (nothing, side - along))
        ]
    )
    paper = np.stack([west, south], axis=1)[:, None] + ring[None]
    ground = bend(paper.reshape(-1, 2)).reshape(len(number), -1, 2)
    codes = [f"9999{n // 1_000_000 + 1:02d}{n // 1000 % 1000:03d}{n % 1000:03d}" for n in number + 1]
    return gpd.GeoDataFrame(
        {"id": codes, "code": codes, "name": [f"合成社区{n + 1}" for n in number]},
        geometry=list(shapely.polygons(ground)),
        crs=CRS,
    )


def _streets(city: City, bend: _Bend, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Every edge of the lattice is a street, but for some within communities; paths lead into some blocks."""
    size = np.array([city.columns, city.rows]) * BLOCKS
    lines, classes, names = [], [], []

    def add(paper: np.ndarray, class_: np.ndarray, name: np.ndarray) -> None:
        lines.append(_lines(paper, bend))
        classes.append(class_)
        names.append(name)

    for axis in (0, 1):
        shape = size + np.array([1, 0] if axis == 0 else [0, 1])
        i, j = (part.ravel() for part in np.indices(tuple(shape)))
        at = i if axis == 0 else j
        step = np.array([0, 1] if axis == 0 else [1, 0])
        start = np.column_stack([i, j]) * BLOCK_M
        paper = np.stack([start, start + step * BLOCK_M], axis=1)
        border, line = at % BLOCKS == 0, at // BLOCKS
        class_ = np.where(at % 2 == 1, "local", "lane").astype(object)
        class_[border] = "secondary"
        river = border & (line % 7 == 3) & (axis == 0)
        dual = border & (line % 3 == 1) & ~river
        class_[river] = "water"
        name = np.array([f"{'纬经'[axis == 0]}{a}路" for a in at], dtype=object)
        name[river] = np.array([f"第{a}河" for a in at[river]], dtype=object)
        kept = border | (rng.random(len(at)) > 0.14)
        single = kept & ~dual
        add(paper[single], class_[single], name[single])
        off = step[::-1] * CARRIAGEWAY_M
        for side in (-1, 1):
            add(paper[dual] + side * off, np.full(dual.sum(), "arterial", dtype=object), name[dual])
    i, j = (part.ravel() for part in np.indices(tuple(size)))
    some = rng.random(len(i)) < 0.3
    foot = (np.column_stack([i, j])[some] + np.array([0.5, 0.0])) * BLOCK_M
    blind = np.stack([foot, foot + np.array([0.0, 0.55 * BLOCK_M])], axis=1)
    add(blind, np.full(len(blind), "path", dtype=object), np.full(len(blind), "", dtype=object))
    kind = np.concatenate(classes)
    return gpd.GeoDataFrame(
        {"class": kind, "name": np.concatenate(names)}, geometry=list(np.concatenate(lines)), crs=CRS
    )


def _blocks(city: City, bend: _Bend, rng: np.random.Generator) -> Frames:
    """Houses on the plots of each block; some blocks are compounds."""
    blocks = np.arange(city.columns * BLOCKS * city.rows * BLOCKS)
    i, j = blocks % (city.columns * BLOCKS), blocks // (city.columns * BLOCKS)
    there = (i // BLOCKS) + (j // BLOCKS) * city.columns < city.communities
    i, j = i[there], j[there]
    across, down = HOUSES
    room = BLOCK_M - 2 * MARGIN_M
    plot = np.array([room / across, room / down])
    corner = np.column_stack([i, j]) * BLOCK_M + MARGIN_M
    a, b = (part.ravel() for part in np.indices(HOUSES))
    place = (corner[:, None] + (np.column_stack([a, b]) * plot)[None]).reshape(-1, 2)
    block = np.repeat(np.arange(len(i)), across * down)
    # the blind lane of a block keeps its middle free
    middle = np.abs(place[:, 0] + plot[0] - corner[block, 0] - room / 2) < 1
    built = rng.random(len(place)) >= EMPTY_PLOTS
    place, block, middle = place[built], block[built], middle[built]
    form = (rng.integers(0, len(FORMS), len(i))[block] + (rng.random(len(place)) < 0.15)) % len(FORMS)
    size = plot * np.where(middle, 0.86, 0.97)[:, None]
    shapes = np.empty(len(place), dtype=object)
    households = np.zeros(len(place), dtype=np.int64)
    for number, outline in enumerate(FORMS):
        which = np.flatnonzero(form == number)
        paper = place[which, None] + outline[None] * size[which, None]
        ground = bend(paper.reshape(-1, 2)).reshape(len(which), -1, 2)
        shapes[which] = shapely.polygons(ground)
        least, most = HOMES[number]
        households[which] = rng.integers(least, most + 1, len(which))
    shop = rng.random(len(place)) < 0.12
    households = np.where(shop, 0, (households * 0.62).round()).astype(np.int64)
    order = np.argsort(rng.random(len(place)))  # files come in no order of place
    buildings = gpd.GeoDataFrame(
        {
            "id": [f"B{n:08d}" for n in range(len(place))],
            "households": households[order],
            "residents": (households[order] * 2.6).round().astype(np.int64),
            "floors": np.where(form == 3, 18, 6)[order],
            "use": np.where(shop, "商业", "住宅")[order],
        },
        geometry=list(shapes[order]),
        crs=CRS,
    )
    walled = np.flatnonzero(rng.random(len(i)) < 0.06)
    inner = corner[walled] - 3.0
    ring = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * (room + 6.0)
    ground = bend((inner[:, None] + ring[None]).reshape(-1, 2)).reshape(len(walled), -1, 2)
    compounds = gpd.GeoDataFrame(
        {
            "id": [f"K{n:06d}" for n in range(len(walled))],
            "name": [f"合成小区{n}" for n in range(len(walled))],
        },
        geometry=list(shapely.polygons(ground)),
        crs=CRS,
    )
    return {"buildings": buildings, "compounds": compounds}
