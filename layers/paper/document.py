"""A PDF of sheets: maps, boards and overviews one after the other, with bookmarks by tier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from layers.paper.board import A4, draw_board
from layers.paper.fonts import faces
from layers.paper.furniture import draft_mark
from layers.paper.grid_sheet import draw_grid_sheet
from layers.paper.ground import make_ground
from layers.paper.imprint import Imprint
from layers.paper.overview import Office, draw_overview
from layers.paper.pen import MM, Pen
from layers.view import CommunityView

Sheet = Literal["map", "boards"]
SHEETS: tuple[Sheet, ...] = ("map", "boards")


class Document:
    """Sheets in one PDF file. The same sheets give the same bytes.

    Nothing is on disk before `close`. Raises NoFont.
    """

    def __init__(self, file: Path, font: Path, imprint: Imprint, *, title: str) -> None:
        from reportlab.pdfgen.canvas import Canvas

        known = faces(font)
        self._canvas = Canvas(
            str(file),
            initialFontName=known.text,  # else one that is in no file stands on every page
            pageCompression=1,
            invariant=1,
            pdfVersion=(1, 5),
            lang="zh-CN" if imprint.lang == "zh" else imprint.lang,
        )
        self._canvas.setTitle(title)
        self._canvas.setAuthor(imprint.author)
        self._canvas.setCreator("wangge")
        self._canvas.setSubject(imprint.date)
        day = imprint.date.replace("-", "")
        self._canvas.setDateFormatter(lambda *_: f"D:{day}000000Z")
        self._canvas.setPageSize((A4[0] * MM, A4[1] * MM))
        self._pen = Pen(self._canvas, known)
        self._imprint = imprint
        self._level = 0
        self.pages = 0

    @property
    def lacking(self) -> str:
        """The characters that the font could not write."""
        return "".join(sorted(self._pen.lacking))

    def overview(self, office: Office) -> None:
        """The map of several communities; those that follow stand below it in the bookmarks."""
        self._mark(office.name or office.code, 0)
        self._level = 1
        draw_overview(self._pen, office, self._imprint, self.pages + 1, self._close_page)

    def community(
        self,
        view: CommunityView,
        sheets: Iterable[Sheet] = SHEETS,
        grids: Iterable[str] | None = None,
        imprint: Imprint | None = None,
    ) -> None:
        """The map of a community and the boards of its grids, or of `grids` only, area by area.

        imprint: the community's own, in place of the document's. A map is left out where `grids` are named.
        ValueError where the view has no grids, KeyError if it has none of such a code.
        """
        if view.grids.empty:
            raise ValueError("a community without grids")
        wanted, ground = tuple(sheets), make_ground(view)
        codes = list(ground.grids["code"]) if grids is None else sorted(grids)
        unknown = set(codes) - set(ground.grids["code"])
        if unknown:
            raise KeyError(min(unknown))
        own = imprint or self._imprint
        self._mark(str(view.community["name"].iloc[0] or view.community["code"].iloc[0]), self._level)
        if "map" in wanted:
            draw_grid_sheet(self._pen, ground, own, self.pages + 1, self._close_page)
        if "boards" in wanted:
            labels = dict(zip(ground.grids["code"], ground.grids["label"], strict=True))
            for name, inside in _by_area(view, codes):
                if name:
                    self._mark(name[own.lang], self._level + 1)
                for code in inside:
                    level = self._level + (2 if name else 1)
                    self._mark(own.say("paper.board_number", number=labels[code]), level)
                    draw_board(self._pen, ground, code, own, self.pages + 1)
                    self._close_page(own)

    def _close_page(self, imprint: Imprint) -> None:
        if imprint.draft:
            width, height = self._canvas._pagesize
            draft_mark(self._pen, width / MM, height / MM, imprint)
        self._canvas.showPage()
        self.pages += 1

    def _mark(self, words: str, level: int) -> None:
        key = f"p{self.pages + 1}-{level}"
        self._canvas.bookmarkPage(key)
        self._canvas.addOutlineEntry(words, key, level=level, closed=level > 0)

    def close(self) -> None:
        """Write the file."""
        if self.pages == 0:
            raise ValueError("a document without pages")
        from reportlab import rl_config

        self._canvas.showOutline()
        before, rl_config.useA85 = rl_config.useA85, 0  # bytes as they are; as text they are a quarter more
        try:
            self._canvas.save()
        finally:
            rl_config.useA85 = before


def _by_area(view: CommunityView, codes: list[str]) -> list[tuple[Mapping[str, str], list[str]]]:
    """The codes by the area that they lie in, with its name; those in none stand last, without one."""
    found = [(name, [code for code in codes if code in set(inside)]) for name, inside in view.areas]
    known = {code for _, inside in found for code in inside}
    return [(name, inside) for name, inside in found if inside] + [
        ({}, [code for code in codes if code not in known])
    ]
