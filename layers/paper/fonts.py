"""The fonts of a sheet: one with Chinese, found on this machine, and the icons of the maps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from layers.assets import read
from layers.errors import LayersError

PACKAGE = "fonts-wqy-microhei"
PROBE = "网格公示牌四至"  # what a font must be able to write

# In the order of preference; outlines must be TrueType's, which most fonts of Noto's and Adobe's are not.
_NAMES = (
    *("wqy-microhei.ttc", "wqy-zenhei.ttc", "msyh.ttc", "msyh.ttf", "simhei.ttf", "Deng.ttf", "simsun.ttc"),
    *("DroidSansFallbackFull.ttf", "DroidSansFallback.ttf", "NotoSansSC-Regular.ttf", "NotoSansSC[wght].ttf"),
    *("STHeiti Medium.ttc", "STHeiti Light.ttc", "Arial Unicode.ttf", "uming.ttc", "ukai.ttc"),
)
_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)


class NoFont(LayersError, LookupError):  # noqa: N818 (named after what is the matter)
    """No font that can write Chinese was found."""

    def __init__(self, wanted: str = "") -> None:
        self.wanted = wanted
        super().__init__(f"cannot write Chinese with {wanted}" if wanted else None)


@dataclass(frozen=True)
class Faces:
    """Names under which reportlab knows the fonts, and the characters that the first one has."""

    text: str
    icons: str
    known: frozenset[int]

    def lacking(self, words: str) -> set[str]:
        """The characters of `words` that would be printed as an empty box."""
        return {letter for letter in words if ord(letter) not in self.known and not letter.isspace()}


def find_font(wanted: Path | None = None, folders: Iterable[Path] = _FOLDERS) -> Path:
    """The file of a font that can write Chinese: `wanted`, else the best of those in `folders`.

    Raises NoFont.
    """
    if wanted is not None:
        if wanted.is_file() and _writes_chinese(wanted):
            return wanted
        raise NoFont(str(wanted))
    found: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            for path in sorted(folder.rglob("*.tt?")):
                found.setdefault(path.name, path)
    for name in _NAMES:
        if name in found and _writes_chinese(found[name]):
            return found[name]
    raise NoFont


@cache
def _writes_chinese(path: Path) -> bool:
    from reportlab.pdfbase.ttfonts import TTFError, TTFontFile

    try:
        font = TTFontFile(str(path))
    except (TTFError, OSError):
        return False
    return all(ord(letter) in font.charToGlyph for letter in PROBE)


@cache
def faces(font: Path) -> Faces:
    """Make the font and the icons known to reportlab. Raises NoFont if `font` cannot be read."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    name = f"wangge-text-{font}"
    try:
        text = TTFont(name, str(font))  # the first of a collection
    except (TTFError, OSError) as error:
        raise NoFont(str(font)) from error
    pdfmetrics.registerFont(text)
    solid, _ = read("font-awesome/webfonts/fa-solid-900.ttf")
    pdfmetrics.registerFont(TTFont("wangge-icons", BytesIO(solid)))
    return Faces(name, "wangge-icons", frozenset(text.face.charToGlyph))


@cache
def _glyphs() -> dict[str, str]:
    style = read("font-awesome/css/all.min.css")[0].decode()
    found: dict[str, str] = {}
    for names, code in re.findall(r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}', style):
        for name in re.findall(r"\.fa-([\w-]+):before", names):
            found.setdefault(name, chr(int(code, 16)))
    return found


def glyph(icon: str) -> str:
    """The character of a solid Font Awesome icon. KeyError if there is none of that name."""
    return _glyphs()[icon]
