"""What every part of our pages is: a folium element with a template file and data; every text escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import jinja2
from branca.element import Element, Figure
from folium.elements import JSCSSMixin

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Verbatim(Element):
    """Text that stands in the page as it is.

    branca takes the text of its own elements for a Jinja template; names from files must never be one.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._name = "Verbatim"
        self.text = text

    def render(self, **kwargs: Any) -> str:
        """The text."""
        return self.text


class Part(JSCSSMixin):
    """A part of a page.

    `template` names a file in `layers/templates` with the macros `header(part)`, `html(part)` and
    `script(part)`, each optional; `scripts` are assets the part needs.
    `data` lies in the page as a JSON block, which a browser does not run, under the id `<name>-data`.
    """

    template: ClassVar[str] = "part.html"
    scripts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str, data: Any = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # branca
        self._name = name
        self.data = data
        self.default_js = [(script, script) for script in self.scripts]

    def render(self, **kwargs: Any) -> str:
        """Add the part's texts to the header, body and script of the page; stands nowhere itself."""
        figure = self.get_root()
        if not isinstance(figure, Figure):
            raise TypeError("a part is rendered within a figure")
        macros = _TEMPLATES.get_template(self.template).module
        for place in ("header", "html", "script"):
            macro = getattr(macros, place, None)
            if macro is not None:
                getattr(figure, place).add_child(Verbatim(str(macro(self))), name=self.get_name())
        # the links to scripts and styles, and the children; our own macros are already in
        super().render(**kwargs)  # type: ignore[no-untyped-call]  # branca
        return ""
