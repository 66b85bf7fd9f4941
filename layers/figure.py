"""A folium page that asks nobody for anything: every script and style comes from the installed packages."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from html.parser import HTMLParser
from typing import Any, Literal

from branca.element import Element, Figure
from jinja2 import Template

from layers.assets import Dropped, asset_of, dropped, read, style_inlined
from layers.errors import OutsideRequest, UnknownAsset

Assets = Literal["inline", "static"]

_SCRIPT = re.compile(r"<script\b[^>]*?\bsrc\s*=\s*([\"'])(.*?)\1[^>]*>\s*</script>", re.I | re.S)
_STYLE = re.compile(r"<link\b(?=[^>]*\bstylesheet\b)[^>]*?\bhref\s*=\s*([\"'])(.*?)\1[^>]*>", re.I | re.S)

_LOADING = {
    "src",
    "srcset",
    "href",
    "xlink:href",
    "poster",
    "data",
    "action",
    "formaction",
    "background",
    "manifest",
    "ping",
}
_ELSEWHERE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//", re.I)
_SCHEME = re.compile(r"^\s*([a-z][a-z0-9+.-]*):", re.I)
_HARMLESS_SCHEMES = {"data", "tel", "mailto"}
_IN_STYLE = re.compile(r"(?:url\(|@import)\s*['\"]?\s*((?:[a-z][a-z0-9+.-]*:)?//[^'\")\s;]*)", re.I)
_IN_SCRIPT = re.compile(r"[\"'`]((?:(?:https?|wss?):)?//[\w\[{$][^\"'`\s]*)", re.I)
_NAMESPACES = re.compile(r"^http://www\.w3\.org/(?:2000/svg|1999/xhtml|1999/xlink)$")


class OfflineFigure(Figure):
    """The root of a folium page without requests to other hosts.

    `assets="inline"` writes scripts and styles into the page (a file that stands alone), `"static"` points to
    `/static/<name>`. `render` raises UnknownAsset on a script or style that no installed package holds, and
    OutsideRequest if the finished page would still ask another host. What folium puts into every map and a
    page does not need is left out (`layers.assets.DROPPED`); a page that does need it is an UnknownAsset too.
    A content security policy in the page lets the browser enforce the same: only the scripts written here run
    (by their hashes).
    """

    _template = Template(
        '<!DOCTYPE html>\n<html lang="{{ this.lang }}">\n<head>\n<meta charset="utf-8">\n'
        "<!--policy-->\n<title>{{ this.title|e }}</title>\n{{ this.header.render(**kwargs) }}\n</head>\n"
        "<body>\n{{ this.html.render(**kwargs) }}\n"
        "<script>\n{{ this.script.render(**kwargs) }}\n</script>\n</body>\n</html>\n"
    )

    def __init__(
        self, *, title: str, lang: str = "zh", assets: Assets = "inline", static: str = "/static/"
    ) -> None:
        super().__init__(title=title)
        self.header = Element()
        self.header._parent = self
        self.lang = "zh-CN" if lang == "zh" else lang
        self.assets = assets
        self.static = static

    def render(self, **kwargs: Any) -> str:
        """The finished page."""
        _number(self)
        page = super().render(**kwargs).replace("\r\n", "\n")
        ours: list[str] = []  # scripts of the wheels: locked files, which may name hosts in their comments
        left_out: dict[str, Dropped] = {}

        def kept(address: str) -> bool:
            known = dropped(address)
            if known is not None:
                left_out[address] = known
            return known is None

        page = _STYLE.sub(lambda match: self._style(asset_of(match[2])) if kept(match[2]) else "", page)
        page = _SCRIPT.sub(
            lambda match: self._script(asset_of(match[2]), ours) if kept(match[2]) else "", page
        )
        reader = _Reader(page)
        own = [script for script in reader.scripts if script not in ours]
        for address, known in left_out.items():
            if known.needed_by and any(known.needed_by in script for script in own):
                raise UnknownAsset(address, f"this page uses {known.needed_by}; {known.reason}")
        outside = reader.outside(trusted=set(ours))
        if outside:
            raise OutsideRequest(outside)
        return page.replace("<!--policy-->", _policy(reader.scripts, self.assets), 1)

    def _style(self, name: str) -> str:
        if self.assets == "static":
            return f'<link rel="stylesheet" href="{escape(self.static + name)}">'
        return f"<style>{style_inlined(name)}</style>"

    def _script(self, name: str, ours: list[str]) -> str:
        if self.assets == "static":
            return f'<script src="{escape(self.static + name)}"></script>'
        code = read(name)[0].decode().replace("\r\n", "\n").replace("</script", "<\\/script")
        code = re.sub(r"^//# sourceMappingURL=.*$", "", code, flags=re.M)
        if "/" in name:
            ours.append(code)
        return f"<script>{code}</script>"


def _number(root: Element) -> None:
    """Number the elements of the tree in order, so that the same view gives the same page."""
    waiting, count = [root], 0
    while waiting:
        element = waiting.pop()
        element._id = format(count, "04x")
        count += 1
        waiting.extend(reversed(element._children.values()))


def _policy(scripts: list[str], assets: Assets) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    rules = (
        "default-src 'none'",
        f"script-src 'self' {hashes}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        # a page of the server may ask that server; one that stands alone has nobody to ask
        *(("connect-src 'self'",) if assets == "static" else ()),
        "base-uri 'none'",
        "form-action 'none'",
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{escape("; ".join(rules))}">'


class _Reader(HTMLParser):
    """Reads a page as a browser would and keeps what could ask another host."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[str] = []
        self._asked: list[str] = []
        self._inside: str | None = None
        self._text: list[str] = []
        self.feed(page)
        self.close()

    def outside(self, *, trusted: set[str]) -> list[str]:
        """Every address of another host that the page would ask; `trusted` are scripts not to look into."""
        asked = list(self._asked)
        for script in self.scripts:
            if script not in trusted:
                asked += [found for found in _IN_SCRIPT.findall(script) if not _NAMESPACES.match(found)]
        return asked

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        for name, value in values.items():
            if name in _LOADING:
                parts = value.split(",") if name == "srcset" and not value.startswith("data:") else [value]
                for part in parts:
                    scheme = _SCHEME.match(part)
                    if _ELSEWHERE.match(part) or (scheme and scheme[1].lower() not in _HARMLESS_SCHEMES):
                        self._asked.append(part.strip())
            elif name == "style":
                self._asked += _IN_STYLE.findall(value)
        if tag == "style":
            self._inside = "style"
        elif tag == "script" and "src" not in values:
            self._inside = "data" if values.get("type", "").endswith("json") else "script"
        self._text = []

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("script", "style") or not self._inside:
            return
        text = "".join(self._text)
        if self._inside == "style":
            self._asked += _IN_STYLE.findall(text)
        elif self._inside == "script":
            self.scripts.append(text)
        self._inside = None
