"""The pages that are not maps: templates in the language asked for, styled by the maps' style sheet."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from partition.texts import Language, catalogue
from service.centre.question import BEIJING
from service.centre.summary import labels_of
from service.identity.accounts import COOKIE, csrf_of

if TYPE_CHECKING:
    from service.faults import ServiceError
    from service.operating import OperatingError
    from service.web.context import Context


NEXT_MOST = 4_000  # letters of the address to which a login leads back
VARIES = "Accept, Accept-Language, Authorization, Cookie"


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("service.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["beijing"] = beijing
    return made


def beijing(instant: str | datetime | None) -> str:
    """An instant of RFC 3339 by Beijing's clock, to the minute; nothing for none."""
    if not instant:
        return ""
    told = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return f"{told.astimezone(BEIJING):%Y-%m-%d %H:%M}"


def answer_or_page(context: Context, answer: Response, template: str, /, **values: Any) -> Response:
    """The JSON answer, for a browser as a page that is made of its body (`told`) and of `values`.

    Whoever asks for no page gets the answer itself, byte for byte. Both say what they vary with.
    """
    if context.html:
        told = json.loads(bytes(answer.body))
        path, asked = context.request.url.path, dict(context.request.query_params)
        values |= {"told": told, "here": path, "as_json": f"{path}?{urlencode({**asked, 'f': 'json'})}"}

        def hrefs(links: list[dict[str, str]], rel: str) -> list[str]:
            """Where links of the kind lead, in the service."""
            return [context.inside(one["href"]) for one in links if one["rel"] == rel]

        answer = page(context, template, hrefs=hrefs, **values)
    answer.headers["Vary"] = VARIES
    return answer


def page(context: Context, name: str, /, **values: Any) -> HTMLResponse:
    """The template `name` as an answer to the request."""
    values["role"] = context.principal.role.value
    values["csrf"] = csrf_of(context.request.cookies.get(COOKIE, ""))
    return _page(context.request, name, context.lang, 200, values)


def problem_page(
    request: Request, status: int, title: str, error: ServiceError | OperatingError, lang: Language
) -> Response:
    """A page that says what went wrong and where to go."""
    path, query = request.url.path, request.url.query
    values: dict[str, Any] = {"title": title, "reason": error.text(lang), "role": None}
    values |= {"plain": "", "login": ""}
    if status == 400 and path.startswith("/centre/") and query:
        # a mistyped filter: the page without any is one step away
        values["plain"] = f"{path}?lang={lang}"
        if error.key == "parameter-unknown":
            # somebody's link whom more is shown; the same is said of what nobody may ask
            values["title"] = catalogue("service").say("page.filter_of_others", lang)
            values["reason"] = catalogue("service").say("page.filter_why", lang, **error.values)
            values["login"] = _login(f"{path}?{query}", lang)
    return _page(request, "problem.html", lang, status, values)


def _login(back: str, lang: Language) -> str:
    """Where one logs in, and comes back from; a way that is too long to be kept is not."""
    asked = {"lang": lang} | ({"next": back} if len(back) <= NEXT_MOST else {})
    return f"/login?{urlencode(asked)}"


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

    def to(path: str, **asked: object) -> str:
        """An address of ours with what is asked there, in the language that was chosen."""
        query = {name: value for name, value in asked.items() if value not in (None, "")}
        if keep and "lang=" not in path.partition("?")[2]:
            query["lang"] = lang
        return path + (("&" if "?" in path else "?") + urlencode(query) if query else "")

    def label(group: str, value: str) -> str:
        """A value of the data in words."""
        return labels_of(group, value)[lang]

    text = (
        _templates()
        .get_template(name)
        .render(
            say=say, lang=lang, keep=keep, to=to, label=label, labels=labels_of, languages=languages, **values
        )
    )
    return HTMLResponse(text, status_code=status, headers={"Vary": "Accept, Accept-Language, Cookie"})
