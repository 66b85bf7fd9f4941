"""A community's ground in metres, made once for all its sheets, and drawn as the base of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import geopandas as gpd
import numpy as np
import pyproj
import shapely

from layers import palette
from layers.base_map import use_group
from layers.colouring import colour, neighbours
from layers.facility_map import KINDS, kind_of
from layers.grid_map import label_points
from layers.paper.pen import Pen, mixed
from layers.paper.scale import Plot, local_crs
from layers.view import CommunityView
from partition.texts import Language

GRID_BORDER = "#34566a"
COMMUNITY_BORDER = "#17384a"
# between areas of grids: another colour, and dashes for paper without colours
AREA_BORDER, AREA_DASH, AREA_WIDTH = "#8a2c6a", (4.2, 1.1, 0.9, 1.1), 0.8
TUNNEL, TUNNEL_DASH = "#b9b09c", (1.4, 1.0)
PAPER = "#fbfaf6"  # ground outside the community
# ink is heavier than light; and blue comes last, since printed it looks like the water beside it
TINTS = tuple(mixed(palette.GRIDS[number], "#ffffff", 0.18) for number in (0, 1, 2, 4, 3))
NEAR_M = 15.0  # a street along the community's border is drawn as one within


@dataclass(frozen=True)
class Line:
    """How a class of streets is drawn: its width on the ground, its least and most on paper (mm)."""

    metres: float
    least: float
    most: float
    colour: str
    casing: str = ""
    dash: tuple[float, ...] = ()


LINES: Mapping[str, Line] = {
    "water": Line(16, 0.9, 9.0, palette.WATER),
    "path": Line(1.4, 0.3, 0.5, "#8d8672", dash=(1.1, 0.9)),
    "lane": Line(4, 0.45, 1.8, "#ffffff", "#a9a08d"),
    "local": Line(7.5, 0.7, 3.2, "#ffffff", "#a0967f"),
    "secondary": Line(12, 0.95, 4.2, "#fffdf3", "#94886c"),
    "arterial": Line(19, 1.3, 5.4, "#fbe7b4", "#a98d4c"),
    "rail": Line(3.2, 0.9, 1.1, "#5f656c"),
    "wall": Line(0.7, 0.3, 0.4, "#86796a", dash=(1.6, 0.5, 0.3, 0.5)),
}
_ABOVE = tuple(LINES)  # from below


@dataclass(frozen=True)
class PaperArea:
    """An area that grids make up: its name by language, their codes, and its polygon in metres."""

    name: Mapping[str, str]
    grids: tuple[str, ...]
    shape: shapely.Geometry

    def called(self, lang: Language) -> str:
        """Its name as a line of its own begins."""
        name = self.name[lang]
        return name[:1].upper() + name[1:]


@dataclass(frozen=True)
class Ground:
    """A view's frames in metres about the community, and what follows from its grids.

    grids: by code, with `label` (what is printed in them) and `colour`. centres, radii: of the largest
    circle in each. facilities: with `known` (key of layers.facility_map.KINDS, or ""). areas: what the grids
    make up; area_borders: the lines between them, in metres.
    """

    view: CommunityView
    crs: pyproj.CRS
    community: gpd.GeoDataFrame
    grids: gpd.GeoDataFrame
    streets: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame
    centres: gpd.GeoSeries
    radii: tuple[float, ...]
    areas: tuple[PaperArea, ...] = ()
    area_borders: tuple[shapely.Geometry, ...] = ()

    def area_of(self, code: str) -> PaperArea | None:
        """The area that a grid lies in."""
        return next((area for area in self.areas if code in area.grids), None)


def make_ground(view: CommunityView) -> Ground:
    """The view in metres. Its grids may not be none."""
    west, south, east, north = view.community.total_bounds
    crs = local_crs((west + east) / 2, (south + north) / 2)
    grids = view.grids.sort_values("code").reset_index(drop=True).to_crs(crs)
    numbers = colour(neighbours(grids.geometry)).colours
    code = str(view.community["code"].iloc[0] or "")
    grids["label"] = [grid_label(str(full), code) for full in grids["code"]]
    grids["colour"] = [TINTS[number % len(TINTS)] for number in numbers]
    centres, radii = _middles(grids.geometry)
    facilities = _ordered(view.facilities).to_crs(crs)
    facilities["known"] = [kind_of(value) for value in facilities["kind"]]
    areas = _areas(view, grids)
    return Ground(
        view=view,
        crs=crs,
        community=view.community.to_crs(crs),
        grids=grids,
        streets=_ordered(view.streets).to_crs(crs),
        buildings=_ordered(view.buildings).to_crs(crs),
        facilities=facilities,
        centres=centres,
        radii=tuple(radii),
        areas=areas,
        area_borders=_between(areas),
    )


def _areas(view: CommunityView, grids: gpd.GeoDataFrame) -> tuple[PaperArea, ...]:
    shapes = dict(zip(grids["code"], grids.geometry, strict=True))
    found = []
    for name, codes in view.areas:
        inside = tuple(code for code in codes if code in shapes)
        if inside:
            found.append(PaperArea(name, inside, shapely.union_all([shapes[code] for code in inside])))
    return tuple(found)


def _between(areas: tuple[PaperArea, ...]) -> tuple[shapely.Geometry, ...]:
    """Where areas meet; the rest of their outlines is the community's border."""
    edges = [area.shape.boundary for area in areas]
    met = [shapely.intersection(one, other) for one, other in combinations(edges, 2)]
    return tuple(
        part
        for line in met
        for part in shapely.get_parts(_merged(line))
        if part.geom_type == "LineString" and part.length > 0
    )


def _merged(line: shapely.Geometry) -> shapely.Geometry:
    lines = [part for part in shapely.get_parts(line) if part.geom_type == "LineString"]
    return shapely.line_merge(shapely.MultiLineString(lines))


def _ordered(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The rows in an order of their own, so that the same rows make the same file."""
    plain = frame.drop(columns=frame.geometry.name).astype(str).to_numpy().tolist()
    keys = list(zip(shapely.to_wkb(frame.geometry.to_numpy()), plain, strict=True))
    return frame.iloc[sorted(range(len(frame)), key=keys.__getitem__)].reset_index(drop=True)


def _middles(shapes: gpd.GeoSeries) -> tuple[gpd.GeoSeries, list[float]]:
    """Where labels sit, and the radius that is free about them: of long grids the middle, not an end."""
    centres, radii = label_points(shapes)
    middles = shapes.centroid
    free = [
        shape.exterior.distance(middle) if shape.geom_type == "Polygon" and shape.contains(middle) else 0.0
        for shape, middle in zip(shapes, middles, strict=True)
    ]
    chosen = np.asarray(free) >= 0.85 * np.asarray(radii)
    found = [float(a if use else b) for a, b, use in zip(free, radii, chosen, strict=True)]
    return gpd.GeoSeries(np.where(chosen, middles, centres), crs=shapes.crs), found


def grid_label(code: str, community: str) -> str:
    """What stands for a grid within its community: the code after the community's, else its last three."""
    if community and code.startswith(community) and len(code) > len(community):
        rest = code[len(community) :].lstrip("-")
        if 0 < len(rest) <= 6:
            return rest
    return code[-3:]


def line_width(kind: str, ratio: int) -> float:
    """The width of a street of a class on paper, in mm."""
    line = LINES[kind]
    return min(max(line.metres * 1000 / ratio, line.least), line.most)


def draw_ground(pen: Pen, ground: Ground, plot: Plot, *, fills: Mapping[str, str]) -> None:
    """Ground, grids in the colours of `fills` (by code), water, buildings, streets; no borders, no names."""
    pen.box(plot.left, plot.bottom, plot.width, plot.height, fill=PAPER)
    pen.fill(plot.seen(ground.community.geometry.to_numpy()), palette.GROUND)
    shapes = plot.seen(ground.grids.geometry.to_numpy())
    colours = [fills.get(code, palette.GROUND) for code in ground.grids["code"]]
    for shape, tint in zip(shapes, colours, strict=True):
        pen.fill([shape], tint)
    inside = shapely.union_all(ground.community.geometry.to_numpy()).buffer(NEAR_M)
    streets = _streets(ground, plot)
    _draw_lines(pen, streets, ("water",), plot, inside)
    _draw_buildings(pen, ground, plot, colours)
    _draw_lines(pen, streets, tuple(kind for kind in _ABOVE if kind not in ("water", "rail")), plot, inside)
    _draw_lines(pen, streets, ("rail",), plot, inside)


def draw_borders(pen: Pen, ground: Ground, plot: Plot, *, width: float = 0.45, areas: bool = False) -> None:
    """Borders of the grids, where asked for of their areas, and of the community above them."""
    rings = plot.seen(ground.grids.geometry.boundary.to_numpy())
    pen.lines(rings, "#ffffff", width + 0.75)
    pen.lines(rings, GRID_BORDER, width)
    if areas:
        between = plot.seen(np.array(ground.area_borders, dtype=object))
        pen.lines(between, "#ffffff", AREA_WIDTH + 1.1)
        pen.lines(between, AREA_BORDER, AREA_WIDTH, dash=AREA_DASH)
    draw_community_border(pen, ground, plot)


def draw_community_border(pen: Pen, ground: Ground, plot: Plot) -> None:
    """The border of the community, over a wide white line."""
    rings = plot.seen(ground.community.geometry.boundary.to_numpy())
    pen.lines(rings, "#ffffff", 2.2)
    pen.lines(rings, COMMUNITY_BORDER, 1.0)


# --- the parts ---


def _draw_buildings(pen: Pen, ground: Ground, plot: Plot, colours: list[str]) -> None:
    shapes = ground.buildings.geometry.to_numpy()
    if not len(shapes):
        return
    west, south, east, north = plot.ground(6.0)
    box = shapely.box(west, south, east, north)
    seen = np.flatnonzero(shapely.intersects(shapes, box))
    inner = shapely.point_on_surface(shapes[seen])
    tree = shapely.STRtree(ground.grids.geometry.to_numpy())
    owner = np.full(len(seen), -1)
    found, grid = tree.query(inner, predicate="intersects")
    owner[found[::-1]] = grid[::-1]  # the first of two, on a border
    uses = ground.buildings["use"].to_numpy() if "use" in ground.buildings else [None] * len(shapes)
    tinted: dict[tuple[str, str], list[shapely.Geometry]] = {}
    for position, at in zip(seen, owner, strict=True):
        own = palette.BUILDINGS[use_group(uses[position])]
        under = colours[at] if at >= 0 else palette.GROUND
        tinted.setdefault((mixed(under, own, 0.62), mixed(under, "#4d4a42", 0.45)), []).append(
            shapes[position]
        )
    for (tint, edge), group in sorted(tinted.items()):
        pen.fill(
            plot.seen(np.asarray(group, dtype=object)), mixed(tint, "#5b574d", 0.10), edge=edge, width=0.12
        )


def _streets(ground: Ground, plot: Plot) -> gpd.GeoDataFrame:
    box = shapely.box(*plot.ground(8.0))
    return ground.streets[shapely.intersects(ground.streets.geometry.to_numpy(), box)]


def _draw_lines(
    pen: Pen, streets: gpd.GeoDataFrame, kinds: tuple[str, ...], plot: Plot, inside: shapely.Geometry
) -> None:
    tunnel = _flags(streets, "tunnel")
    bridge = _flags(streets, "bridge") & ~tunnel
    box = plot.ground(8.0)
    shapely.prepare(inside)
    for level in (tunnel, ~tunnel & ~bridge, bridge):
        drawn = []
        for kind in kinds:
            chosen = streets.geometry[(streets["class"] == kind).to_numpy() & level].to_numpy()
            if not len(chosen):
                continue
            merged = shapely.clip_by_rect(shapely.line_merge(shapely.union_all(chosen)), *box)
            within = plot.place(shapely.intersection(merged, inside))
            without = plot.place(shapely.difference(merged, inside))
            drawn.append((kind, within, without))
        for pale in (True, False):  # what lies outside the community first, and paler
            for kind, within, without in drawn:
                if level is not tunnel:
                    _draw_casing(pen, kind, without if pale else within, plot.ratio, pale, level is bridge)
            for kind, within, without in drawn:
                _draw_core(pen, kind, without if pale else within, plot.ratio, pale, level is tunnel)


def _draw_casing(pen: Pen, kind: str, line: shapely.Geometry, ratio: int, pale: bool, bridge: bool) -> None:
    style = LINES[kind]
    if line.is_empty or not (style.casing or bridge) or kind in ("water", "wall"):
        return
    colour = "#6f6754" if bridge else style.casing
    width = line_width(kind, ratio)
    pen.lines(
        [line],
        mixed(colour, PAPER, 0.6) if pale else colour,
        width + min(0.22 + 0.1 * width, 0.5),
        butt=bridge,
    )


def _draw_core(pen: Pen, kind: str, line: shapely.Geometry, ratio: int, pale: bool, tunnel: bool) -> None:
    if line.is_empty:
        return
    style, width = LINES[kind], line_width(kind, ratio)
    colour = mixed(style.colour, PAPER, 0.55) if pale else style.colour
    if tunnel and kind != "wall":
        pen.lines([line], TUNNEL if kind != "water" else colour, min(width, 0.5), dash=TUNNEL_DASH)
        return
    pen.lines([line], colour, width, dash=style.dash)
    if kind == "rail":
        pen.lines([line], "#ffffff", width - 0.45, dash=(2.2, 2.2))


def _flags(streets: gpd.GeoDataFrame, column: str) -> np.ndarray:
    if column not in streets:
        return np.zeros(len(streets), dtype=bool)
    flags: np.ndarray = streets[column].fillna(False).astype(bool).to_numpy()
    return flags


def known_kind(key: str) -> bool:
    """Whether facilities of a kind are drawn: not street furniture, shops and the like."""
    return key in KINDS and not KINDS[key].minor and KINDS[key].group != "other"
