"""Tables of figures in the pages of `docs/`, between marks, so that a command can renew them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
ENDINGS = {"en": ".md", "zh": ".zh-CN.md"}
Words = Mapping[str, str]  # by language


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, named: int = 1) -> str:
    """A table in Markdown; all but the first `named` columns are figures."""
    ruler = ["---"] * named + ["---:"] * (len(head) - named)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ruler, *rows))


def renew(page: str, part: str, text: Words) -> None:
    """Put `text` in each language between `<!-- part -->` and `<!-- /part -->` of the page. `LookupError` if
    the page has no such marks.
    """
    for language, ending in ENDINGS.items():
        path = DOCS / f"{page}{ending}"
        before = path.read_text(encoding="utf-8")
        marks = re.compile(rf"(<!-- {re.escape(part)} -->\n).*?(<!-- /{re.escape(part)} -->)", re.DOTALL)
        after, found = marks.subn(lambda m, text=text[language]: f"{m[1]}\n{text}\n\n{m[2]}", before)
        if found != 1:
            raise LookupError(f"{path.name} has {found} places for {part}")
        path.write_text(after, encoding="utf-8")
