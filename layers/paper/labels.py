"""Where words and signs go, so that none covers another: grids' numbers, facilities' signs, street names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import shapely

from layers.facility_map import KINDS
from layers.paper.ground import AREA_BORDER, LINES, Ground, line_width
from layers.paper.pen import INK, MIDDLE, POINT, QUIET, Pen
from layers.paper.scale import Plot

Box = tuple[float, float, float, float]

_CELL = 8.0  # mm
_CHINESE = re.compile(r"[㐀-鿿豈-﫿가-힯]")
_NAME_SIZE = {"arterial": 8.5, "secondary": 8.0, "water": 8.0}
_NAME_ORDER = ("arterial", "secondary", "water", "local", "lane", "rail", "path")


class Taken:
    """The boxes (mm) that are taken already."""

    def __init__(self, within: Box) -> None:
        self._within = within
        self._cells: dict[tuple[int, int], list[Box]] = {}

    def free(self, boxes: Iterable[Box]) -> bool:
        """Whether all of these lie on the sheet and none is taken."""
        west, south, east, north = self._within
        return all(
            west <= box[0] and south <= box[1] and box[2] <= east and box[3] <= north and not self._hit(box)
            for box in boxes
        )

    def _hit(self, box: Box) -> bool:
        return any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
            for cell in _cells(box)
            for other in self._cells.get(cell, ())
        )

    def add(self, boxes: Iterable[Box]) -> None:
        """Take these."""
        for box in boxes:
            for cell in _cells(box):
                self._cells.setdefault(cell, []).append(box)


def _cells(box: Box) -> list[tuple[int, int]]:
    columns = range(math.floor(box[0] / _CELL), math.floor(box[2] / _CELL) + 1)
    rows = range(math.floor(box[1] / _CELL), math.floor(box[3] / _CELL) + 1)
    return [(column, row) for column in columns for row in rows]


def box_about(x: float, y: float, width: float, height: float) -> Box:
    """The box of a size about its middle."""
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


# --- numbers of grids ---


@dataclass(frozen=True)
class Label:
    """A grid's number and the line under it, if there is room; x, y: its middle. foot: where a line leads."""

    words: str
    under: str
    size: float
    x: float
    y: float
    foot: tuple[float, float] | None = None


def place_labels(
    pen: Pen,
    plot: Plot,
    grids: Sequence[tuple[str, str, shapely.Point, float, shapely.Geometry]],
    taken: Taken,
    *,
    sizes: tuple[float, float],
) -> list[Label]:
    """A place for each grid's number: words, words under them, centre, radius (metres) and polygon.

    Within the largest circle where the words fit at one of the `sizes` (points: largest, smallest), else
    beside the grid with a line that leads there.
    """
    labels, homeless = [], []
    most, least = sizes
    for words, under, centre, radius, shape in grids:
        at = plot.place(centre)
        reach = radius * 1000 / plot.ratio
        label = None
        for size in np.arange(most, least - 0.01, -0.5):
            for line in (under, "") if under else ("",):
                width, height = _extent(pen, words, line, size)
                if math.hypot(width, height) / 2 <= reach * 1.05:
                    label = Label(words, line, float(size), at.x, at.y)
                    break
            if label is not None and (label.under or not under or size <= most * 0.7):
                break
        if label is None or not taken.free([_box(pen, label)]):
            homeless.append((words, at, plot.place(shape), reach))
            continue
        taken.add([_box(pen, label)])
        labels.append(label)
    return labels + _place_beside(pen, homeless, taken, least)


def _extent(pen: Pen, words: str, under: str, size: float) -> tuple[float, float]:
    width, height = pen.width(words, size), size * POINT
    if under:
        width, height = max(width, pen.width(under, size * 0.55)), height + size * 0.72 * POINT
    return width, height


def _box(pen: Pen, label: Label) -> Box:
    width, height = _extent(pen, label.words, label.under, label.size)
    return box_about(label.x, label.y, width + 0.8, height + 0.6)


def _place_beside(
    pen: Pen,
    homeless: Sequence[tuple[str, shapely.Point, shapely.Geometry, float]],
    taken: Taken,
    size: float,
) -> list[Label]:
    labels = []
    for words, at, shape, reach in homeless:
        width, height = _extent(pen, words, "", size)
        chosen = None
        shapely.prepare(shape)
        # in a crowd a line may cross what is written, rather than that a number has no place
        for crossing, (distance, angle) in product((False, True), _around(reach + 3.0)):
            x, y = float(at.x + distance * math.cos(angle)), float(at.y + distance * math.sin(angle))
            box = box_about(x, y, width + 1.2, height + 1.0)
            track = () if crossing else _along(_between(at.x, at.y, box))
            if taken.free([box, *track]) and not shape.intersects(shapely.box(*box)):
                chosen = Label(words, "", size, x, y, (at.x, at.y))
                break
        if chosen is None:  # better on top of something than nowhere
            chosen = Label(words, "", size * 0.8, at.x, at.y)
        box = _box(pen, chosen)
        taken.add([box, *(_along(_between(at.x, at.y, box)) if chosen.foot else ())])
        labels.append(chosen)
    return labels


def _around(least: float) -> list[tuple[float, float]]:
    """Distances (mm) and angles (radians) to try about a place, near ones first."""
    return [
        (float(distance), math.radians(angle))
        for distance in np.arange(least, least + 60.0, 1.5)
        for angle in range(0, 360, 15)
    ]


def _between(x: float, y: float, box: Box) -> tuple[float, float, float, float]:
    """From (x, y) to where the box begins."""
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    dx, dy = middle_x - x, middle_y - y
    shares = [
        1 - half / abs(step)
        for step, half in ((dx, (box[2] - box[0]) / 2), (dy, (box[3] - box[1]) / 2))
        if abs(step) > half
    ]
    share = max(shares, default=0.0)
    return (x, y, x + share * dx, y + share * dy)


def _along(track: tuple[float, float, float, float]) -> list[Box]:
    x, y, to_x, to_y = track
    steps = max(int(math.hypot(to_x - x, to_y - y) / 0.8), 1)
    return [
        box_about(x + (to_x - x) * step / steps, y + (to_y - y) * step / steps, 0.5, 0.5)
        for step in range(steps)  # the end touches its own label
    ]


def draw_labels(pen: Pen, labels: Iterable[Label], *, colour: str = INK) -> None:
    """The numbers, with their lines."""
    for label in labels:
        if label.foot:
            width, height = _extent(pen, label.words, label.under, label.size)
            x, y, to_x, to_y = _between(*label.foot, box_about(label.x, label.y, width + 1.0, height + 0.8))
            track = [shapely.LineString([(x, y), (to_x, to_y)])]
            pen.lines(track, "#ffffff", 0.8)
            pen.lines(track, colour, 0.25)
            pen.disc(x, y, 0.55, fill=colour, edge="#ffffff", line=0.2)
        height = label.size * POINT
        base = label.y - MIDDLE * height + (0.36 * height if label.under else 0)
        pen.text(label.x, base, label.words, label.size, align=0.5, bold=True, halo=0.45, colour=colour)
        if label.under:
            low = base - label.size * 0.66 * POINT
            pen.text(label.x, low, label.under, label.size * 0.55, align=0.5, halo=0.35, colour=colour)


# --- names of areas ---


@dataclass(frozen=True)
class Tag:
    """The name of an area in a frame of its own about (x, y)."""

    words: str
    size: float
    x: float
    y: float


def place_tags(
    pen: Pen,
    plot: Plot,
    areas: Sequence[tuple[str, shapely.Geometry]],
    taken: Taken,
    *,
    sizes: tuple[float, float],
) -> list[Tag]:
    """A place for each area's name (words, polygon in metres) as near its middle as nothing else stands.

    The whole name lies in the area, at the largest of the `sizes` (points: largest, smallest) that has room;
    failing that its middle does. What has no room at all has no tag.
    """
    most, least = sizes
    tags = []
    for words, shape in areas:
        drawn = plot.place(shape)
        middle = drawn.centroid if drawn.contains(drawn.centroid) else drawn.representative_point()
        west, south, east, north = drawn.bounds
        spots = [
            (middle.x, middle.y),
            *product(np.arange(west, east, 3.0).tolist(), np.arange(south, north, 3.0).tolist()),
        ]
        shapely.prepare(drawn)
        held = zip(spots, shapely.contains(drawn, shapely.points(spots)).tolist(), strict=True)
        near = sorted((math.hypot(x - middle.x, y - middle.y), x, y) for (x, y), inside in held if inside)
        tag = None
        for size, whole in [*((size, True) for size in np.arange(most, least - 0.01, -1.0)), (least, False)]:
            width, height = tag_extent(pen, words, float(size))
            for _, x, y in near:
                box = box_about(x, y, width + 0.8, height + 0.8)
                if taken.free([box]) and (not whole or drawn.contains(shapely.box(*box))):
                    tag = Tag(words, float(size), x, y)
                    taken.add([box])
                    break
            if tag is not None:
                tags.append(tag)
                break
    return tags


def tag_extent(pen: Pen, words: str, size: float) -> tuple[float, float]:
    """Width and height of the frame about an area's name."""
    return pen.width(words, size) + 0.6 * size * POINT, size * POINT * 1.45


def draw_tags(pen: Pen, tags: Iterable[Tag]) -> None:
    """The names of areas, in the colour of their borders."""
    for tag in tags:
        width, height = tag_extent(pen, tag.words, tag.size)
        pen.box(
            tag.x - width / 2,
            tag.y - height / 2,
            width,
            height,
            fill="#ffffff",
            edge=AREA_BORDER,
            line=0.35,
            round_=0.9,
        )
        base = tag.y - MIDDLE * tag.size * POINT
        pen.text(tag.x, base, tag.words, tag.size, align=0.5, bold=True, colour=AREA_BORDER)


# --- facilities ---


@dataclass(frozen=True)
class Sign:
    """A facility's sign at (x, y), for one that stands at `foot`; `dot`: there was no room for more."""

    kind: str
    x: float
    y: float
    foot: tuple[float, float]
    dot: bool = False


def place_signs(places: Sequence[tuple[str, shapely.Point]], taken: Taken, *, size: float) -> list[Sign]:
    """A place for each facility's sign (kind, point in mm): at its point, a little beside it, or a dot."""
    order = {key: position for position, key in enumerate(KINDS)}
    signs = []
    rings = [(0.0, 0.0)] + [
        (reach * size * math.cos(math.radians(angle)), reach * size * math.sin(math.radians(angle)))
        for reach in (0.65, 1.1, 1.6)
        for angle in range(0, 360, 45)
    ]
    for kind, at in sorted(places, key=lambda place: (order[place[0]], place[1].x, place[1].y)):
        for dx, dy in rings:
            box = box_about(at.x + dx, at.y + dy, size + 0.3, size + 0.3)
            if taken.free([box]):
                taken.add([box])
                signs.append(Sign(kind, at.x + dx, at.y + dy, (at.x, at.y)))
                break
        else:
            signs.append(Sign(kind, at.x, at.y, (at.x, at.y), dot=True))
    return signs


def draw_signs(pen: Pen, signs: Iterable[Sign], *, size: float) -> None:
    """The signs; one that stands beside its place is tied to it."""
    for sign in signs:
        colour = KINDS[sign.kind].colour
        if sign.dot:
            pen.disc(sign.x, sign.y, 0.8, fill=colour, edge="#ffffff", line=0.25)
            continue
        if (sign.x, sign.y) != sign.foot:
            pen.lines([shapely.LineString([sign.foot, (sign.x, sign.y)])], colour, 0.3)
            pen.disc(*sign.foot, 0.5, fill=colour)
        draw_sign(pen, sign.x, sign.y, sign.kind, size)


def draw_sign(pen: Pen, x: float, y: float, kind: str, size: float) -> None:
    """One facility's sign about (x, y)."""
    pen.disc(x, y, size / 2, fill=KINDS[kind].colour, edge="#ffffff", line=0.3)
    pen.icon(x, y, KINDS[kind].icon, size * 0.55, "#ffffff")


# --- names of streets ---


def draw_street_names(pen: Pen, ground: Ground, plot: Plot, taken: Taken, *, larger: float = 1.0) -> int:
    """Names along their streets wherever these are long and straight enough and nothing is in the way.

    Returns how many. The same name comes again after 120 mm.
    """
    streets = ground.streets[
        shapely.intersects(ground.streets.geometry.to_numpy(), shapely.box(*plot.ground()))
    ]
    entries = street_lines(streets)
    entries.sort(key=lambda entry: (_NAME_ORDER.index(entry[1]), -entry[2].length, entry[0]))
    drawn = 0
    for name, kind, line in entries:
        size = _NAME_SIZE.get(kind, 7.0) * larger
        inside = plot.place(shapely.clip_by_rect(line, *plot.ground(-1.0)))
        letters = list(name) if _CHINESE.search(name) else [name]
        spread = 1.25 if len(letters) > 1 else 1.0
        widths = [pen.width(letter, size) * spread for letter in letters]
        tracks = [part for part in shapely.get_parts(inside) if part.geom_type == "LineString"]
        tracks.sort(key=lambda part: (-part.length, part.coords[0]))
        middles: list[tuple[float, float]] = []
        for track in tracks:
            for glyphs, middle in _runs(track, widths, size, chinese=len(letters) > 1):
                if any(math.dist(middle, other) < 120 for other in middles):
                    continue
                boxes = _boxes(glyphs, widths, size)
                if not taken.free(boxes):
                    continue
                taken.add(boxes)
                middles.append(middle)
                drawn += 1
                _draw_glyphs(pen, letters, glyphs, size, kind, line_width(kind, plot.ratio))
    return drawn


def street_lines(streets: object) -> list[tuple[str, str, shapely.Geometry]]:
    """Name, class and merged lines of the streets that have a name, in the streets' own CRS."""
    import geopandas as gpd

    frame = streets if isinstance(streets, gpd.GeoDataFrame) else gpd.GeoDataFrame()
    found: list[tuple[str, str, shapely.Geometry]] = []
    if frame.empty or "name" not in frame:
        return found
    names = frame["name"].fillna("").astype(str).str.strip()
    named = frame[(names != "") & frame["class"].isin(_NAME_ORDER)]
    for (name, kind), rows in named.groupby([names[named.index], "class"], sort=True):
        found.append((str(name), str(kind), shapely.line_merge(shapely.union_all(rows.geometry.to_numpy()))))
    return found


Glyph = tuple[float, float, float]  # x, y, angle in degrees


def _runs(
    track: shapely.LineString, widths: list[float], size: float, *, chinese: bool
) -> Iterable[tuple[list[Glyph], tuple[float, float]]]:
    """Places for the name on the track, from its middle outwards: each letter's, and the name's middle."""
    length = sum(widths)
    room = track.length - length
    if room < 3.0:
        return
    steps = int(room / 4.0)
    for step in range(steps + 1):
        offset = room / 2 + (1 if step % 2 else -1) * math.ceil(step / 2) * 4.0
        if not 1.0 <= offset <= room - 1.0:
            continue
        glyphs = _set(track, offset, widths, chinese=chinese)
        if glyphs:
            middle = track.interpolate(offset + length / 2)
            yield glyphs, (middle.x, middle.y)


def _set(track: shapely.LineString, offset: float, widths: list[float], *, chinese: bool) -> list[Glyph]:
    """Each letter's middle and angle; none where the track is too crooked. Chinese stands upright."""
    ends = [offset]
    for width in widths:
        ends.append(ends[-1] + width)
    points = shapely.get_coordinates(shapely.line_interpolate_point(track, ends))
    middles = shapely.get_coordinates(
        shapely.line_interpolate_point(track, [(a + b) / 2 for a, b in pairwise(ends)])
    )
    chord = points[-1] - points[0]
    if np.hypot(*chord) < (ends[-1] - ends[0]) * 0.97:
        return []
    bearing = math.degrees(math.atan2(chord[1], chord[0]))
    steep = chinese and abs(abs(bearing) - 90) < 42
    backwards = bearing > 0 if steep else abs(bearing) > 90
    glyphs = []
    for number in range(len(widths)):
        at = len(widths) - 1 - number if backwards else number
        step = points[at + 1] - points[at]
        angle = math.degrees(math.atan2(step[1], step[0]))
        if abs((angle - bearing + 540) % 360 - 180) > 20:
            return []
        angle += 180 if backwards else 0
        angle += 90 if steep else 0
        glyphs.append((float(middles[at][0]), float(middles[at][1]), (angle + 180) % 360 - 180))
    return glyphs


def _boxes(glyphs: list[Glyph], widths: list[float], size: float) -> list[Box]:
    side = size * POINT * 1.15
    if len(glyphs) > 1:
        return [box_about(x, y, side, side) for x, y, _ in glyphs]
    (x, y, angle), width = glyphs[0], widths[0]
    turn = math.radians(angle)
    steps = np.linspace(-width / 2, width / 2, max(int(width / side) + 1, 2))
    return [box_about(x + step * math.cos(turn), y + step * math.sin(turn), side, side) for step in steps]


def _draw_glyphs(
    pen: Pen, letters: list[str], glyphs: list[Glyph], size: float, kind: str, width: float
) -> None:
    # words as long as a letter's place come in the order in which they are read
    colour = "#2f6d8e" if kind == "water" else (QUIET if kind in ("lane", "path") else "#4a4336")
    halo = 0.3 if width < size * POINT * 1.1 or not LINES[kind].casing else 0.0
    base = MIDDLE * size * POINT
    for letter, (x, y, angle) in zip(letters, glyphs, strict=True):
        turn = math.radians(angle)
        pen.text(
            x + base * math.sin(turn),
            y - base * math.cos(turn),
            letter,
            size,
            align=0.5,
            angle=angle,
            colour=colour,
            halo=halo,
        )
