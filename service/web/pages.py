"""The pages that are not maps: templates in the language asked for, styled by the maps' style sheet."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from partition.texts import Language, catalogue
from service.identity.accounts import COOKIE, csrf_of

if TYPE_CHECKING:
    from service.web.context import Context


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("service.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(context: Context, name: str, /, **values: Any) -> HTMLResponse:
    """The template `name` as an answer to the request."""
    values["role"] = context.principal.role.value
    values["csrf"] = csrf_of(context.request.cookies.get(COOKIE, ""))
    return _page(context.request, name, context.lang, 200, values)


def problem_page(request: Request, status: int, title: str, reason: str, lang: Language) -> Response:
    """A page that says what went wrong and where to go."""
    # a mistyped filter: the page without any is one step away
    plain = ""
    if status == 400 and request.url.path.startswith("/centre/") and request.url.query:
        plain = f"{request.url.path}?lang={lang}"
    values = {"title": title, "reason": reason, "role": None, "plain": plain}
    return _page(request, "problem.html", lang, status, values)


def _page(request: Request, name: str, lang: Language, status: int, values: dict[str, Any]) -> HTMLResponse:
    def say(key: str, **placeholders: object) -> str:
        return catalogue("service").say(key, lang, **placeholders)

    kept = [(key, value) for key, value in request.query_params.multi_items() if key not in ("lang", "token")]
    path = "/" + request.url.path.lstrip("/")  # two slashes would begin another host's address
    languages = [
        (code, label, f"{path}?{urlencode([*kept, ('lang', code)])}")
        for code, label in (("zh", "中文"), ("en", "English"))
    ]
    # a language that was chosen stays chosen on the way through the pages
    keep = f"?lang={lang}" if "lang" in request.query_params else ""
    text = (
        _templates().get_template(name).render(say=say, lang=lang, keep=keep, languages=languages, **values)
    )
    return HTMLResponse(text, status_code=status, headers={"Vary": "Accept, Accept-Language, Cookie"})
