"""Drawing on a page in millimetres from its lower left corner; sizes of text are in points."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from layers.paper.fonts import Faces, glyph

MM = 72 / 25.4  # points a millimetre
POINT = 25.4 / 72  # millimetres a point
INK = "#1c2b33"
QUIET = "#56656d"
MIDDLE = 0.36  # of the size: from the baseline to the middle of a capital or a Chinese character

_PARTS = re.compile(
    r"[⺀-鿿가-힯豈-﫿︰-﹏＀-￯、。「」『』《》]|[^\s⺀-鿿가-힯豈-﫿︰-﹏＀-￯、。「」『』《》]+|\s+"
)
_NOT_FIRST = set("，。；：、）」』》！？,.;:)]}!?%")

Numbers = npt.NDArray[np.float64]


class Pen:
    """Writes and draws on the pages of a reportlab canvas. Notes the characters that its font lacks."""

    def __init__(self, canvas: Any, faces: Faces) -> None:
        self.canvas = canvas
        self.faces = faces
        self.lacking: set[str] = set()

    # --- text ---

    def width(self, words: str, size: float) -> float:
        """How long the words are, in mm."""
        from reportlab.pdfbase.pdfmetrics import stringWidth

        return float(stringWidth(words, self.faces.text, size)) * POINT

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float,
        *,
        colour: str = INK,
        align: float = 0.0,
        bold: bool = False,
        halo: float = 0.0,
        angle: float = 0.0,
    ) -> None:
        """Words with their baseline at `y`; `align` is the share of them left of `x` (0, 0.5, 1).

        bold: thickened, since the fonts at hand have one weight. halo: mm of white around the letters.
        angle: degrees, turned about (x, y).
        """
        if not words:
            return
        self.lacking |= self.faces.lacking(words)
        shift = -align * self.width(words, size)
        turn = math.radians(angle)
        cos, sin = math.cos(turn), math.sin(turn)
        if halo:
            self._write(x + shift * cos, y + shift * sin, words, size, cos, sin, "#ffffff", 2 * halo)
        thick = size * POINT * 0.028 if bold else 0.0
        self._write(x + shift * cos, y + shift * sin, words, size, cos, sin, colour, thick)

    def _write(
        self,
        x: float,
        y: float,
        words: str,
        size: float,
        cos: float,
        sin: float,
        colour: str,
        thick: float,
        face: str = "",
    ) -> None:
        canvas = self.canvas
        canvas.setFillColor(_colour(colour))
        line = canvas.beginText()
        line.setFont(face or self.faces.text, size)
        line.setTextRenderMode(2 if thick else 0)
        if thick:
            canvas.setStrokeColor(_colour(colour))
            canvas.setLineWidth(thick * MM)
            canvas.setLineJoin(1)
            canvas.setDash()
        line.setTextTransform(cos, sin, -sin, cos, x * MM, y * MM)
        line.textOut(words)
        if thick:
            line.setTextRenderMode(0)  # it outlives the text
        canvas.drawText(line)

    def fit(self, words: str, size: float, room: float, least: float) -> tuple[str, float]:
        """The words and the size, at least `least`, at which they fit into `room` mm; cut if they cannot."""
        length = self.width(words, size)
        if length <= room:
            return words, size
        size = max(least, size * room / length)
        if self.width(words, size) <= room + 1e-6:
            return words, size
        while words and self.width(words + "…", size) > room:
            words = words[:-1]
        return words.rstrip() + "…", size

    def wrap(self, words: str, size: float, room: float) -> list[str]:
        """Lines of at most `room` mm: broken between Chinese characters and at spaces of other writing."""
        lines, line = [], ""
        for part in self._parts(words, size, room):
            if line and self.width(line + part.rstrip(), size) > room and part[0] not in _NOT_FIRST:
                lines.append(line.rstrip())
                line = part.lstrip()
            else:
                line += part if line else part.lstrip()
        return [*lines, line.rstrip()] if line.strip() else lines

    def _parts(self, words: str, size: float, room: float) -> Iterator[str]:
        for part in _PARTS.findall(words):
            if self.width(part, size) <= room:
                yield part
            else:  # a word longer than a line
                yield from part

    def paragraph(
        self,
        x: float,
        top: float,
        words: str,
        size: float,
        room: float,
        *,
        most: int = 99,
        colour: str = INK,
        leading: float = 1.35,
        bold: bool = False,
    ) -> float:
        """Words in lines below `top`, at most so many, the last one cut; returns where they end."""
        lines = self.wrap(words, size, room)
        if len(lines) > most:
            last, _ = self.fit("".join(lines[most - 1 :]), size, room, size)
            lines = [*lines[: most - 1], last]
        step = size * POINT * leading
        for number, line in enumerate(lines):
            self.text(x, top - size * POINT * 0.9 - number * step, line, size, colour=colour, bold=bold)
        return top - len(lines) * step

    def icon(self, x: float, y: float, name: str, size: float, colour: str) -> None:
        """A Font Awesome icon, `size` mm high, about (x, y)."""
        from reportlab.pdfbase.pdfmetrics import stringWidth

        sign = glyph(name)
        points = size * MM
        wide = float(stringWidth(sign, self.faces.icons, points)) * POINT
        if wide > size * 1.15:
            points *= size * 1.15 / wide
            wide = size * 1.15
        # their box reaches from 0.125 em below the baseline to 0.875 em above it
        y -= 0.375 * points * POINT
        self._write(x - wide / 2, y, sign, points, 1.0, 0.0, colour, 0.0, self.faces.icons)

    # --- shapes ---

    def lines(
        self,
        lines: Iterable[BaseGeometry],
        colour: str,
        width: float,
        *,
        dash: Sequence[float] = (),
        butt: bool = False,
    ) -> None:
        """Lines and rings, in mm."""
        tracks = [shapely.get_coordinates(part) for part in _strings(lines)]
        if not tracks:
            return
        canvas = self.canvas
        canvas.setStrokeColor(_colour(colour))
        canvas.setLineWidth(width * MM)
        canvas.setLineCap(0 if butt or dash else 1)
        canvas.setLineJoin(1)
        canvas.setDash([length * MM for length in dash])
        path = canvas.beginPath()
        for track in tracks:
            closed = len(track) > 3 and bool((track[0] == track[-1]).all())
            _trace(path, track, closed)
        canvas.drawPath(path, stroke=1, fill=0)

    def fill(
        self, polygons: Iterable[BaseGeometry], colour: str, *, edge: str = "", width: float = 0.0
    ) -> None:
        """Polygons in mm, with an edge if one is asked for."""
        canvas = self.canvas
        path = canvas.beginPath()
        any_ = False
        for part in shapely.get_parts(np.asarray(list(polygons), dtype=object)):
            if part is None or part.is_empty or part.geom_type != "Polygon":
                continue
            any_ = True
            for ring in (part.exterior, *part.interiors):
                _trace(path, shapely.get_coordinates(ring), True)
        if not any_:
            return
        canvas.setFillColor(_colour(colour))
        if edge:
            canvas.setStrokeColor(_colour(edge))
            canvas.setLineWidth(width * MM)
            canvas.setLineJoin(1)
            canvas.setDash()
        canvas.drawPath(path, stroke=int(bool(edge)), fill=1, fillMode=0)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = "",
        edge: str = "",
        line: float = 0.25,
        round_: float = 0.0,
    ) -> None:
        """A rectangle from its lower left corner, with round corners if asked for."""
        canvas = self.canvas
        if fill:
            canvas.setFillColor(_colour(fill))
        if edge:
            canvas.setStrokeColor(_colour(edge))
            canvas.setLineWidth(line * MM)
            canvas.setLineJoin(0)
            canvas.setDash()
        shape = [value * MM for value in (x, y, width, height)]
        if round_:
            canvas.roundRect(*shape, round_ * MM, stroke=int(bool(edge)), fill=int(bool(fill)))
        else:
            canvas.rect(*shape, stroke=int(bool(edge)), fill=int(bool(fill)))

    def disc(
        self, x: float, y: float, radius: float, *, fill: str, edge: str = "", line: float = 0.25
    ) -> None:
        """A circle."""
        canvas = self.canvas
        canvas.setFillColor(_colour(fill))
        if edge:
            canvas.setStrokeColor(_colour(edge))
            canvas.setLineWidth(line * MM)
            canvas.setDash()
        canvas.circle(x * MM, y * MM, radius * MM, stroke=int(bool(edge)), fill=1)

    def rule(self, x: float, y: float, length: float, *, colour: str = "#c3c9cc", width: float = 0.2) -> None:
        """A level line to the right of (x, y)."""
        self.lines([shapely.LineString([(x, y), (x + length, y)])], colour, width, butt=True)

    @contextmanager
    def window(self, x: float, y: float, width: float, height: float) -> Iterator[None]:
        """Nothing is drawn outside this rectangle."""
        canvas = self.canvas
        canvas.saveState()
        path = canvas.beginPath()
        path.rect(x * MM, y * MM, width * MM, height * MM)
        canvas.clipPath(path, stroke=0, fill=0)
        yield
        canvas.restoreState()


def _colour(text: str) -> Any:
    from reportlab.lib.colors import HexColor

    return HexColor(text)


def mixed(colour: str, other: str, share: float) -> str:
    """`colour` with `share` of `other` in it. Papers and printers differ in what they do to transparency."""
    pairs = zip(*(bytes.fromhex(text[1:]) for text in (colour, other)), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _strings(lines: Iterable[BaseGeometry]) -> Iterator[BaseGeometry]:
    for part in shapely.get_parts(np.asarray(list(lines), dtype=object)):
        if part is None or part.is_empty:
            continue
        if part.geom_type in ("LineString", "LinearRing"):
            yield part
        elif part.geom_type == "Polygon":
            yield part.exterior
            yield from part.interiors


def _trace(path: Any, track: Numbers, closed: bool) -> None:
    points = (track * MM).round(3).tolist()
    path.moveTo(*points[0])
    for point in points[1 : -1 if closed else None]:
        path.lineTo(*point)
    if closed:
        path.close()
