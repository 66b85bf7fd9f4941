"""The guide, for where there is no internet: the pages of `docs/` and `notebooks/`, as they are written."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_PAGE = re.compile(r"(?:README(?:\.zh-CN)?|docs/[a-z]+(?:\.zh-CN)?)\.md|notebooks/\w+\.ipynb", re.A)
_PICTURE = re.compile(r"docs/images/[\w.-]+\.(?:png|jpg|svg)", re.A)
_MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".svg": "image/svg+xml"}
_KEPT = 64  # there are about forty pages


@cache
def home() -> Path:
    """Where the pages lie: beside the packages in a checkout, within them in an installed wheel."""
    inside = Path(__file__).parents[1] / "guide"
    return inside if inside.is_dir() else Path(__file__).parents[2]


def picture(name: str) -> tuple[bytes, str] | None:
    """A picture of a page, with its media type; None if there is none of that name."""
    path = home() / name
    if not _PICTURE.fullmatch(name) or not path.is_file():
        return None
    return path.read_bytes(), _MEDIA[path.suffix]


def other_language(name: str, lang: str) -> str:
    """The same page in `lang`; the page itself where it is in it, or in both."""
    if not name.endswith(".md"):
        return name
    bare = name.removesuffix(".md").removesuffix(".zh-CN")
    return f"{bare}.zh-CN.md" if lang == "zh" else f"{bare}.md"


@lru_cache(maxsize=_KEPT)
def page(name: str) -> tuple[str, str] | None:
    """Title and body of a page as HTML; None if there is none of that name."""
    path = home() / name
    if not _PAGE.fullmatch(name) or not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    body = _notebook(json.loads(text)) if name.endswith(".ipynb") else _markdown().render(text)
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", body)
    return re.sub(r"<[^>]+>", "", heading[1]) if heading else name, body


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

    def name_headings(state: StateCore) -> None:
        """Links within pages lead to headings by the names that GitHub gives them."""
        for heading, inline in zip(state.tokens, state.tokens[1:], strict=False):
            if heading.type == "heading_open":
                heading.attrSet("id", _slug(inline.content))

    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.core.ruler.push("name_headings", name_headings)
    return made


def _slug(text: str) -> str:
    kept = [one for one in text.lower() if one in " -_" or unicodedata.category(one)[0] in "LMN"]
    return "".join(kept).replace(" ", "-")


# --- notebooks ---


def _notebook(notebook: dict[str, Any]) -> str:
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(_markdown().render(source))
        else:
            parts.append(f'<pre class="code"><code>{escape(source)}</code></pre>')
            parts += [_output(output) for output in cell.get("outputs", ())]
    return "\n".join(parts)


def _output(output: dict[str, Any]) -> str:
    """A picture if it has one, else its text; its markup is not taken over."""
    data = output.get("data", {"text/plain": output.get("text", "")})
    for media in ("image/svg+xml", "image/png"):
        if media in data:
            told = "".join(data[media])
            coded = told if media == "image/png" else base64.b64encode(told.encode()).decode()
            return f'<p><img alt="" src="data:{media};base64,{"".join(coded.split())}"></p>'
    text = "".join(data.get("text/plain", ""))
    return f"<pre>{escape(text)}</pre>" if text.strip() else ""
