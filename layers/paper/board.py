"""The A4 sign board of one grid (公示牌), to be read from two metres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import geopandas as gpd
import shapely

from layers import palette
from layers.facility_map import GROUPS, KINDS
from layers.grid_map import label_points
from layers.paper.furniture import (
    ACCENT,
    HEAD,
    footer,
    neat_line,
    north_arrow,
    scale_bar,
    seen_points,
    synthetic_mark,
)
from layers.paper.grid_sheet import community_name
from layers.paper.ground import COMMUNITY_BORDER, Ground, draw_borders, draw_ground, known_kind
from layers.paper.imprint import Duty, Imprint, plain_number
from layers.paper.labels import (
    Box,
    Taken,
    draw_labels,
    draw_sign,
    draw_signs,
    draw_street_names,
    place_labels,
    place_signs,
)
from layers.paper.pen import INK, MIDDLE, MM, POINT, QUIET, Pen, mixed
from layers.paper.scale import Plot, plot_of

A4 = (210.0, 297.0)
MARGIN = 10.0
HEAD_HEIGHT = 40.0
OTHER = "#f0eee8"
SIGN = 5.2
LOCATOR = 40.0
CODE = 35.0  # mm, the side of the square code with its quiet zone
LEGIBLE = 20.0  # points: 7 mm high characters, read at 2 m
ROWS = 5  # people whose rows are as high as can be; up to twice as many have lower ones
# of the four bounds: at most so many lines, in letters of so many half points down to so many
_LINES = ((2, 38, 30), (3, 38, 24), (4, 26, 20), (5, 20, 16))


def draw_board(pen: Pen, ground: Ground, code: str, imprint: Imprint, page: int) -> None:
    """The board of the grid `code` on one page."""
    width, height = A4
    pen.canvas.setPageSize((width * MM, height * MM))
    place = list(ground.grids["code"]).index(code)
    row = ground.grids.iloc[place].to_dict()
    duties = [*imprint.of_grid(row), *imprint.of_community(ground.view)]
    _draw_head(pen, ground, row, imprint)
    top = height - MARGIN - HEAD_HEIGHT - 3.0
    top = _draw_bounds(pen, row, top, imprint)
    address = imprint.page_address(str(ground.view.community["code"].iloc[0] or ""), code)
    # from below: footer, hotline with facilities and code, staff; the map takes what is left
    low = MARGIN + 6.5
    foot = _draw_foot(pen, ground, place, low, imprint, address)
    people = _staff_height(duties)
    window = (MARGIN + 1.1, foot + people + 6.0, width - 2 * MARGIN - 2.2, top - foot - people - 8.0)
    _draw_map(pen, ground, place, window, imprint)
    _draw_staff(pen, duties, foot + people + 2.0, imprint)
    footer(pen, ground.view, imprint, (MARGIN, MARGIN, width - 2 * MARGIN), page, size=7.5)


def _draw_head(pen: Pen, ground: Ground, row: Mapping[str, Any], imprint: Imprint) -> None:
    width, height = A4
    low = height - MARGIN - HEAD_HEIGHT
    pen.box(MARGIN, low, width - 2 * MARGIN, HEAD_HEIGHT, fill=HEAD, round_=2.0)
    left, right = MARGIN + 6.0, width - MARGIN - 6.0
    title, high = imprint.say("paper.board"), low + HEAD_HEIGHT - 11.5
    pen.text(right, high, title, 19.0, align=1.0, colour="#cfe3ea", bold=True)
    end = right - pen.width(title, 19.0) - 5.0
    if ground.view.synthetic:
        end = synthetic_mark(pen, end, high - 0.9, imprint, size=12.0) - 5.0
    area = ground.area_of(str(row["code"]))
    place = [community_name(ground)] + ([area.called(imprint.lang)] if area else [])
    words, size = pen.fit(" · ".join(place), 21.0, end - left, 12.0)
    pen.text(left, high, words, size, colour="#ffffff", bold=True)
    label = imprint.say("paper.board_number", number=row["label"])
    name = str(row.get("name") or "").strip()
    words, size = pen.fit(label, 50.0, right - left - (56.0 if name else 4.0), 30.0)
    pen.text(left, low + 8.4, words, size, colour="#ffffff", bold=True)
    end = left + pen.width(words, size) + 6.0
    code = imprint.say("paper.board_code", code=row["code"])
    if name:
        words, size = pen.fit(name, 24.0, right - end, 12.0)
        pen.text(right, low + 17.6, words, size, align=1.0, colour="#ffffff", bold=True)
    words, size = pen.fit(code, 14.0, right - end, 9.0)
    pen.text(right, low + 7.8, words, size, align=1.0, colour="#cfe3ea")


def _draw_bounds(pen: Pen, row: Mapping[str, Any], top: float, imprint: Imprint) -> float:
    """The four bounds in words as large as there is room for; returns where they end."""
    width = A4[0] - 2 * MARGIN
    words = str(row.get(f"bounds_{imprint.lang}") or "").strip()
    if words:
        label = imprint.say("card.bounds")
        room = pen.width(label, 16.0) + 7.0
        inner = width - room - 4.0
        sizes = [(half / 2, most) for most, large, least in _LINES for half in range(large, least - 1, -1)]
        size = next((s for s, most in sizes if len(pen.wrap(words, s, inner)) <= most), 8.0)
        lines = min(len(pen.wrap(words, size, inner)), _LINES[-1][0])
        height = lines * size * POINT * 1.35 + 2.0
        pen.box(MARGIN, top - height - 1.0, width, height + 1.0, fill="#eef3f5", round_=1.5)
        pen.text(MARGIN + 3.0, top - 1.0 - size * POINT * 0.9, label, 16.0, colour=HEAD, bold=True)
        pen.paragraph(MARGIN + room, top - 1.0, words, size, inner, most=_LINES[-1][0])
        top -= height + 3.0
    facts = _facts(row, imprint)
    if facts:
        pen.text(MARGIN + 3.0, top - 5.0, facts, 13.0, colour=QUIET)
        top -= 7.5
    return top


def _facts(row: Mapping[str, Any], imprint: Imprint) -> str:
    told = []
    for key in ("households", "residents", "buildings"):
        number = plain_number(row.get(key))
        if number != "—":
            told.append(imprint.say(f"paper.fact_{key}", count=number))
    area = row.get("area_m2")
    if area is not None and area == area:
        told.append(imprint.say("paper.fact_area", area=f"{float(area) / 1e4:.1f}"))
    return "　".join(told)


# --- the map ---


def _draw_map(
    pen: Pen, ground: Ground, place: int, window: tuple[float, float, float, float], imprint: Imprint
) -> None:
    grids = ground.grids
    code, shape = grids["code"].iloc[place], grids.geometry.iloc[place]
    plot = plot_of(shape.bounds, window, margin_mm=8.0)
    left, bottom, width, height = window
    west, south, east, north = plot.ground()
    box = shapely.box(west, south, east, north)
    taken = Taken((left + 0.6, bottom + 0.6, left + width - 0.6, bottom + height - 0.6))
    corner = _free_corner(plot, plot.place(shape), 62.0, 15.0)
    taken.add([corner])
    chosen = [(str(grids["label"].iloc[place]), "", ground.centres.iloc[place], ground.radii[place], shape)]
    labels = place_labels(pen, plot, chosen, taken, sizes=(34.0, 16.0))
    others = []
    for number, other in enumerate(grids.geometry):
        if number == place or not other.intersects(box):
            continue
        seen = shapely.clip_by_rect(other, west, south, east, north)
        if seen.area > 0:
            centres, radii = label_points(gpd.GeoSeries([seen], crs=ground.crs))
            if radii[0] * 1000 / plot.ratio > 5.5:
                others.append((str(grids["label"].iloc[number]), "", centres.iloc[0], radii[0], other))
    near = [
        label for label in place_labels(pen, plot, others, taken, sizes=(13.0, 11.0)) if label.foot is None
    ]
    facilities = ground.facilities
    shown = facilities[[known_kind(kind) for kind in facilities["known"]]] if len(facilities) else facilities
    places = shown[seen_points(plot, shown.geometry.to_numpy())] if len(shown) else shown
    signs = place_signs(
        list(zip(places["known"], plot.place(places.geometry.to_numpy()), strict=True)), taken, size=SIGN
    )
    fills = dict.fromkeys(grids["code"], OTHER) | {code: mixed(palette.GRIDS[0], "#ffffff", 0.25)}
    with pen.window(*window):
        draw_ground(pen, ground, plot, fills=fills)
        draw_borders(pen, ground, plot, width=0.35)
        ring = [plot.place(shape.boundary)]
        pen.lines(ring, "#ffffff", 2.6)
        pen.lines(ring, ACCENT, 1.4)
        draw_street_names(pen, ground, plot, taken, larger=1.45)
        draw_signs(pen, signs, size=SIGN)
        draw_labels(pen, near, colour=QUIET)
        draw_labels(pen, labels, colour=ACCENT)
        _draw_scale(pen, plot, corner, imprint)
    neat_line(pen, plot)


def _free_corner(plot: Plot, shape: shapely.Geometry, width: float, height: float) -> Box:
    """The corner of the map in which a box covers least of the grid; below rather than above."""
    west, south = plot.left + 1.5, plot.bottom + 1.5
    east, north = plot.left + plot.width - 1.5 - width, plot.bottom + plot.height - 1.5 - height
    boxes = [(x, y, x + width, y + height) for y in (south, north) for x in (west, east)]
    return min(boxes, key=lambda box: round(shape.intersection(shapely.box(*box)).area, 1))


def _draw_scale(pen: Pen, plot: Plot, box: Box, imprint: Imprint) -> None:
    """North, ratio and bar."""
    left, low, right, high = box
    room, height = right - left, high - low
    pen.box(left, low, room, height, fill="#ffffff", edge="#c3c9cc", line=0.2, round_=1.0)
    north_arrow(pen, left + 6.0, low + height / 2 - 0.4, 12.0, imprint)
    words = imprint.say("paper.ratio", ratio=f"{plot.ratio:,}")
    pen.text(left + 13.0, high - 5.2, words, 10.0, bold=True)
    scale_bar(pen, left + 14.0, low + 2.2, room - 24.0, plot.ratio, size=7.5)


def _draw_locator(pen: Pen, ground: Ground, place: int, box: Box, imprint: Imprint) -> None:
    """Where in the community the grid lies."""
    left, low, right, high = box
    west, south, east, north = ground.community.total_bounds
    scale = min((right - left) / (east - west), (high - low - 5.0) / (north - south))
    middle = [(left + right) / 2, (low + 5.0 + high) / 2]
    at = [(west + east) / 2, (south + north) / 2]

    def small(geometries: Any) -> Any:
        return shapely.transform(geometries, lambda points: (points - at) * scale + middle)

    shapes = small(ground.grids.geometry.to_numpy())
    pen.fill(shapes, "#e8ecee", edge="#9aa6ac", width=0.15)
    pen.fill([shapes[place]], ACCENT)
    pen.lines(small(ground.community.geometry.boundary.to_numpy()), COMMUNITY_BORDER, 0.5)
    words, size = pen.fit(imprint.say("paper.locator"), 10.5, right - left, 7.0)
    pen.text(middle[0], low + 0.9, words, size, align=0.5, colour=QUIET)


# --- people ---


def _staff_height(duties: Sequence[Duty]) -> float:
    return 11.5 * min(max(len(duties), 1), ROWS) + 1.5


def _draw_staff(pen: Pen, duties: Sequence[Duty], top: float, imprint: Imprint) -> None:
    left, width = MARGIN, A4[0] - 2 * MARGIN
    if not duties:
        pen.text(left + 3.0, top - 8.0, imprint.say("card.no_staff"), LEGIBLE, colour=QUIET)
        return
    rows = min(len(duties), 2 * ROWS)
    step = 11.5 * min(rows, ROWS) / rows
    large = LEGIBLE * step / 11.5
    shown = list(duties if len(duties) <= rows else duties[: rows - 1])
    for number, duty in enumerate(shown):
        low = top - (number + 1) * step
        if number % 2 == 0:
            pen.box(left, low, width, step, fill="#f4f6f7", round_=1.0)
        at = low + 0.5 * step - MIDDLE * large * POINT
        words, size = pen.fit(duty.role[imprint.lang], large - 1, 52.0, 8.0)
        pen.text(left + 3.0, at, words, size, colour=HEAD)
        if duty.name:
            words, size = pen.fit(duty.name, large + 2, 56.0, 8.0)
            pen.text(left + 59.0, at, words, size, bold=True)
        else:
            pen.text(left + 59.0, at, imprint.say("card.vacant"), large + 2, colour=ACCENT)
        if duty.phone:
            words, size = pen.fit(duty.phone, large + 2, 68.0, 8.0)
            pen.text(left + width - 3.0, at, words, size, align=1.0, bold=True)
    if len(shown) < len(duties):
        at = top - rows * step + 0.5 * step - MIDDLE * large * POINT
        more = imprint.say("paper.more_people", count=len(duties) - len(shown))
        pen.text(left + 3.0, at, more, large, colour=QUIET)


# --- below ---


def _draw_foot(pen: Pen, ground: Ground, place: int, low: float, imprint: Imprint, address: str) -> float:
    """Hotline, facilities, where the grid lies and the square code; returns where they begin."""
    left, width = MARGIN, A4[0] - 2 * MARGIN
    height = CODE + 6.0
    end = left + width
    pen.rule(left, low + height + 1.0, width, colour=HEAD, width=0.4)
    if address:
        end -= CODE
        _draw_code(pen, address, end, low + 4.9, CODE)
        words, size = pen.fit(imprint.say("paper.scan"), 10.5, CODE, 7.0)
        pen.text(end + CODE / 2, low + 0.9, words, size, align=0.5, colour=QUIET)
        end -= 4.0
    _draw_locator(pen, ground, place, (end - LOCATOR, low, end, low + height - 1.0), imprint)
    end -= LOCATOR + 4.0
    top = low + height - 1.0
    if imprint.hotline:
        words = imprint.say("paper.hotline")
        pen.text(left + 3.0, top - 7.5, words, 16.0, colour=HEAD)
        at = left + 3.0 + pen.width(words, 16.0) + 4.0
        number, size = pen.fit(imprint.hotline, 27.0, end - at, 14.0)
        pen.text(at, top - 8.4, number, size, colour=ACCENT, bold=True)
        top -= 12.5
    _draw_facilities(pen, ground, place, (left + 3.0, top, end - left - 3.0, low), imprint)
    return low + height + 1.0


def _draw_facilities(pen: Pen, ground: Ground, place: int, box: Box, imprint: Imprint) -> None:
    """Facilities in the grid, then the nearest of other kinds with how far they are from its middle."""
    left, top, width, low = box
    columns = 2 if width > 90.0 else 1
    step, field = 7.2, width / columns
    most = columns * int((top - low) / step)
    entries = facility_lines(ground, place, imprint)[:most]
    for number, (kind, words, near) in enumerate(entries):
        x, y = left + number % columns * field, top - (number // columns + 0.5) * step
        draw_sign(pen, x + 2.6, y, kind, 5.2)
        room = field - 10.0 - (pen.width(near, 10.0) + 2.0 if near else 0.0)
        fitted, size = pen.fit(words, 12.0, room, 8.5)
        if fitted != words:
            fitted, size = pen.fit(imprint.say(f"kind.{kind}"), 12.0, room, 8.5)
        pen.text(x + 7.0, y - MIDDLE * size * POINT, fitted, size, colour=INK)
        if near:
            at = x + 7.0 + pen.width(fitted, size) + 2.0
            pen.text(at, y - MIDDLE * 10.0 * POINT, near, 10.0, colour=QUIET)


def facility_lines(ground: Ground, place: int, imprint: Imprint) -> list[tuple[str, str, str]]:
    """Kind, words and, for one outside the grid, its distance as the crow flies."""
    facilities = ground.facilities
    if not len(facilities):
        return []
    known = facilities[[known_kind(kind) for kind in facilities["known"]]]
    inside = known.geometry.intersects(ground.grids.geometry.iloc[place])
    entries, there = [], known[inside]
    for kind in [kind for kind in KINDS if (there["known"] == kind).any()]:
        names = [str(name or "").strip() for name in there["name"][there["known"] == kind]]
        words = imprint.say(f"kind.{kind}")
        if len(names) > 1:
            words = imprint.say("paper.times", what=words, count=len(names))
        entries.append((kind, names[0] if len(names) == 1 and names[0] else words, ""))
    other = known[~inside & ~known["known"].isin(set(there["known"]))]
    if len(other):
        metres = other.geometry.distance(ground.centres.iloc[place])
        # what a resident looks for: services and safety before bus stops and the like
        ranks = {group: rank for rank, group in enumerate(GROUPS)}
        order = other.assign(_m=metres, _rank=[ranks[KINDS[kind].group] for kind in other["known"]])
        order = order.sort_values(["_rank", "_m", "known"]).drop_duplicates("known")
        for row in order.sort_values(["_rank", "_m", "known"]).to_dict("records"):
            words = str(row["name"] or "").strip() or imprint.say(f"kind.{row['known']}")
            about = max(round(row["_m"], -1), 10)
            entries.append((row["known"], words, imprint.say("paper.metres", metres=f"{about:,.0f}")))
    return entries


def _draw_code(pen: Pen, address: str, x: float, y: float, side: float) -> None:
    """A QR code whose quiet zone is within `side`; it can be read with a quarter of it spoilt."""
    from reportlab.graphics.barcode.qr import QrCodeWidget

    code = QrCodeWidget(address, barLevel="Q").qr
    code.make()
    dark = [[bool(module) for module in row] for row in code.modules]
    field = side / (len(dark) + 8)  # four modules of quiet on each side
    runs = []
    for number, row in enumerate(dark):
        top = y + side - (4 + number) * field
        at = 0
        for is_dark, run in groupby(row):
            length = len(list(run))
            if is_dark:
                left = x + (4 + at) * field
                runs.append(shapely.box(left, top - field, left + length * field, top))
            at += length
    pen.box(x, y, side, side, fill="#ffffff")
    pen.fill(runs, "#000000")
