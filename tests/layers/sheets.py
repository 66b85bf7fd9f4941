"""PDF sheets read back: words, lines and codes as a reader or a scanner finds them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as raw
import zxingcpp

MM = 25.4 / 72


@dataclass(frozen=True)
class Drawn:
    """A path on a page: its points in mm, the colours (hex) of fill and line, the line's width in mm."""

    points: np.ndarray
    fill: str
    line: str
    width: float


def words(pdf: pdfium.PdfDocument, page: int) -> str:
    """The text of a page."""
    return str(pdf[page].get_textpage().get_text_bounded())


def size_mm(pdf: pdfium.PdfDocument, page: int) -> tuple[int, int]:
    """Width and height of a page."""
    width, height = pdf[page].get_size()
    return round(width * MM), round(height * MM)


def codes(pdf: pdfium.PdfDocument, page: int) -> list[str]:
    """What the codes on a page say, photographed at 120 dots an inch."""
    picture = pdf[page].render(scale=120 / 72).to_numpy()
    return [found.text for found in zxingcpp.read_barcodes(np.ascontiguousarray(picture))]


def paths(pdf: pdfium.PdfDocument, page: int) -> Iterator[Drawn]:
    """Every path on a page."""
    for item in pdf[page].get_objects(filter=[raw.FPDF_PAGEOBJ_PATH]):
        width, x, y = ctypes.c_float(), ctypes.c_float(), ctypes.c_float()
        raw.FPDFPageObj_GetStrokeWidth(item.raw, width)
        mode, stroked = ctypes.c_int(), ctypes.c_int()
        raw.FPDFPath_GetDrawMode(item.raw, mode, stroked)
        found = []
        for number in range(raw.FPDFPath_CountSegments(item.raw)):
            raw.FPDFPathSegment_GetPoint(raw.FPDFPath_GetPathSegment(item.raw, number), x, y)
            found.append((x.value * MM, y.value * MM))
        yield Drawn(
            np.array(found),
            _colour(item.raw, raw.FPDFPageObj_GetFillColor) if mode.value else "",
            _colour(item.raw, raw.FPDFPageObj_GetStrokeColor) if stroked.value else "",
            width.value * MM,
        )


def _colour(item: object, read: object) -> str:
    parts = [ctypes.c_uint() for _ in range(4)]
    read(item, *parts)  # type: ignore[operator]
    return "#" + "".join(f"{part.value:02x}" for part in parts[:3])


def fonts(pdf: pdfium.PdfDocument, page: int) -> dict[str, bool]:
    """The fonts of a page's text by name, and whether they are in the file."""
    found = {}
    for item in pdf[page].get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT]):
        font = raw.FPDFTextObj_GetFont(item.raw)
        name = ctypes.create_string_buffer(200)
        raw.FPDFFont_GetBaseFontName(font, name, 200)
        found[name.value.decode()] = bool(raw.FPDFFont_GetIsEmbedded(font))
    return found


def open_pdf(path: Path) -> pdfium.PdfDocument:
    """The file, read into memory."""
    return pdfium.PdfDocument(path.read_bytes())
