"""What every sheet has: neat line, title, north arrow, scale, footer, legend, and the mark of a draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from layers import palette
from layers.base_map import use_group
from layers.facility_map import KINDS
from layers.paper.ground import (
    AREA_BORDER,
    AREA_DASH,
    AREA_WIDTH,
    COMMUNITY_BORDER,
    GRID_BORDER,
    LINES,
    TUNNEL,
    TUNNEL_DASH,
    Ground,
)
from layers.paper.imprint import Imprint, version_words
from layers.paper.labels import draw_sign
from layers.paper.pen import INK, MM, POINT, QUIET, Pen, mixed
from layers.paper.scale import Plot, bar_step
from layers.view import CommunityView

ACCENT = "#b3391f"
HEAD = "#14485c"


def neat_line(pen: Pen, plot: Plot) -> None:
    """A fine line at the map's edge and a strong one around it; what reached beyond the map is covered."""
    pen.box(plot.left, plot.bottom, plot.width, plot.height, edge=INK, line=0.2)
    gap = 1.1
    pen.box(
        plot.left - gap, plot.bottom - gap, plot.width + 2 * gap, plot.height + 2 * gap, edge=INK, line=0.7
    )


def north_arrow(pen: Pen, x: float, y: float, height: float, imprint: Imprint) -> None:
    """An arrow up, since every map has north above, with its middle at (x, y)."""
    half, low, high = height * 0.2, y - height * 0.5, y + height * 0.28
    notch = low + height * 0.16
    pen.fill([shapely.Polygon([(x, high), (x, notch), (x - half, low)])], INK)
    pen.fill([shapely.Polygon([(x, high), (x, notch), (x + half, low)])], "#ffffff", edge=INK, width=0.25)
    size = height * 0.24 / POINT
    pen.text(x, high + height * 0.05, imprint.say("map.north"), size, align=0.5, bold=True)


def scale_bar(pen: Pen, x: float, y: float, room: float, ratio: int, *, size: float = 8.0) -> float:
    """Four fields of round length to the right of (x, y), and their metres; returns their length in mm."""
    step = bar_step(ratio, room)
    field = step * 1000 / ratio
    high = 1.5
    for number in range(4):
        pen.box(
            x + number * field,
            y,
            field,
            high,
            fill=INK if number % 2 == 0 else "#ffffff",
            edge=INK,
            line=0.2,
        )
    for number in (0, 2, 4):
        words = f"{number * step:,}" + (" m" if number == 4 else "")
        shift = 0.5 if number < 4 else pen.width(f"{4 * step:,}", size) / 2 / pen.width(words, size)
        pen.text(x + number * field, y + high + 0.9, words, size, align=shift)
    return 4 * field


def footer(
    pen: Pen,
    view: CommunityView,
    imprint: Imprint,
    box: tuple[float, float, float],
    page: int,
    *,
    size: float,
) -> None:
    """Author, day, version and source on a line at (x, y) of a width, page number to the right.

    That a sheet is internal comes first: where the line is too long, its end is left out.
    """
    x, y, width = box
    about = []
    if view.role not in ("public", "consumer"):
        about.append(imprint.say("paper.internal", role=imprint.say(f"role.{view.role}")))
    if imprint.author:
        about.append(imprint.say("paper.author", author=imprint.author))
    about += [imprint.say("paper.date", date=imprint.date), version_words(view, imprint)]
    source = view.attribution.get(imprint.lang, "")
    if source:
        about.append(imprint.say("paper.source", source=source))
    right = imprint.say("paper.page", page=page)
    room = width - pen.width(right, size) - 4
    words, fitted = pen.fit("　".join(part for part in about if part), size, room, size * 0.75)
    pen.text(x, y, words, fitted, colour=QUIET)
    pen.text(x + width, y, right, size, align=1.0, colour=QUIET)


def synthetic_mark(pen: Pen, x: float, y: float, imprint: Imprint, *, size: float) -> float:
    """A framed notice ending at `x` on the right; returns where it begins."""
    words = imprint.say("map.synthetic")
    width, height = pen.width(words, size) + 3.2, size * POINT * 1.55
    pen.box(x - width, y, width, height, fill="#fff4ef", edge=ACCENT, line=0.4, round_=0.8)
    pen.text(x - width / 2, y + height * 0.3, words, size, align=0.5, colour=ACCENT, bold=True)
    return x - width


def draft_mark(pen: Pen, width: float, height: float, imprint: Imprint) -> None:
    """The word for a draft in outline across the whole page."""
    words = imprint.say("paper.draft")
    size = 0.6 * min(width, height) / pen.width(words, 100.0) * 100.0
    canvas = pen.canvas
    canvas.saveState()
    canvas.setStrokeColorRGB(0.72, 0.13, 0.08)
    canvas.setLineWidth(0.35 * MM)
    canvas.setDash()
    canvas.translate(width / 2 * MM, height / 2 * MM)
    canvas.rotate(35)
    line = canvas.beginText()
    line.setFont(pen.faces.text, size)
    line.setTextRenderMode(1)
    line.setTextOrigin(-pen.width(words, size) / 2 * MM, -0.36 * size)
    line.textOut(words)
    line.setTextRenderMode(0)
    canvas.drawText(line)
    canvas.restoreState()


# --- the legend ---


@dataclass(frozen=True)
class Entry:
    """A line of the legend: what is drawn for it, and its words."""

    symbol: str
    words: str


def legend_entries(ground: Ground, plot: Plot, imprint: Imprint) -> list[Entry]:
    """What is on a plot, and nothing else: borders, streets by class, buildings by use."""
    entries = [
        Entry("border-grid", imprint.say("legend.grid_border")),
        *([Entry("border-area", imprint.say("legend.area_border"))] if ground.area_borders else []),
        Entry("border-community", imprint.say("legend.community_border")),
    ]
    box = shapely.box(*plot.ground())
    seen = set(ground.streets["class"][shapely.intersects(ground.streets.geometry.to_numpy(), box)])
    for kind in ("arterial", "secondary", "local", "lane", "path", "water", "rail", "wall"):
        if kind in seen:
            entries.append(Entry(f"line-{kind}", imprint.say(f"paper.line_{kind}")))
    if "tunnel" in ground.streets and len(seen):
        dug = ground.streets[ground.streets["tunnel"].fillna(False).astype(bool)]
        if len(dug) and shapely.intersects(dug.geometry.to_numpy(), box).any():
            entries.append(Entry("line-tunnel", imprint.say("paper.line_tunnel")))
    if len(ground.buildings):
        there = ground.buildings[shapely.intersects(ground.buildings.geometry.to_numpy(), box)]
        groups = set(there["use"].map(use_group)) if "use" in there else set()
        entries += [
            Entry(f"building-{group}", imprint.say(f"paper.building_{group}"))
            for group in palette.BUILDINGS
            if group in groups
        ]
    return entries


def facility_entries(kinds: set[str], imprint: Imprint) -> list[Entry]:
    """The kinds of facilities on a sheet, in the order of the maps."""
    return [Entry(f"facility-{kind}", imprint.say(f"kind.{kind}")) for kind in KINDS if kind in kinds]


def draw_legend(
    pen: Pen, x: float, top: float, width: float, entries: Sequence[Entry], *, columns: int, step: float
) -> float:
    """The entries in columns below `top`, read down, a line every `step` mm; returns where they end."""
    rows, size = -(-len(entries) // columns), min(8.5, step / 1.75 / POINT)
    field = width / columns
    for number, entry in enumerate(entries):
        left, middle = x + number // rows * field, top - (number % rows + 0.5) * step
        _draw_symbol(pen, left, middle, entry.symbol)
        words, fitted = pen.fit(entry.words, size, field - 12.0, size * 0.8)
        pen.text(left + 10.5, middle - 0.36 * fitted * POINT, words, fitted)
    return top - rows * step


def _draw_symbol(pen: Pen, x: float, y: float, symbol: str) -> None:
    group, _, kind = symbol.partition("-")
    track = [shapely.LineString([(x, y), (x + 8.5, y)])]
    if group == "border":
        width, colour = {
            "grid": (0.45, GRID_BORDER),
            "area": (AREA_WIDTH, AREA_BORDER),
            "community": (1.0, COMMUNITY_BORDER),
        }[kind]
        pen.lines(track, colour, width, dash=AREA_DASH if kind == "area" else (), butt=True)
    elif symbol == "line-tunnel":
        pen.lines(track, TUNNEL, 0.5, dash=TUNNEL_DASH)
    elif group == "line":
        line = LINES[kind]
        width = (
            min(max(line.least, 0.4 + line.metres * 0.09), 2.0)
            if kind not in ("rail", "wall", "path")
            else line.most
        )
        if line.casing:
            pen.lines(track, line.casing, width + 0.6, butt=True)
        pen.lines(track, line.colour, width, dash=line.dash, butt=True)
        if kind == "rail":
            pen.lines(track, "#ffffff", width - 0.45, dash=(2.2, 2.2))
    elif group == "building":
        tint = mixed(palette.BUILDINGS[kind], "#5b574d", 0.10)
        pen.box(x + 1.2, y - 1.3, 6.1, 2.6, fill=tint, edge=mixed(tint, "#4d4a42", 0.5), line=0.15)
    elif group == "facility":
        draw_sign(pen, x + 4.25, y, kind, 3.9)


def seen_points(plot: Plot, points: np.ndarray) -> np.ndarray:
    """Which points (metres) lie within the plot."""
    west, south, east, north = plot.ground()
    x, y = shapely.get_x(points), shapely.get_y(points)
    inside: np.ndarray = (west <= x) & (x <= east) & (south <= y) & (y <= north)
    return inside
