"""Which language and which form an answer has: the query, then what the browser asks for, then Chinese."""

from __future__ import annotations

from starlette.requests import Request

from partition.texts import LANGUAGES, Language


def language_of(request: Request) -> Language:
    """The language of `?lang=`, else of Accept-Language, else Chinese."""
    asked = request.query_params.get("lang")
    for language in LANGUAGES:
        if asked == language:
            return language
    weights = _weights(request.headers.get("accept-language", ""))
    return max(LANGUAGES, key=lambda language: (weights.get(language, 0.0), language == "zh"))


def wants_html(request: Request) -> bool:
    """Whether the answer should be a page: `?f=html`, or a browser that asks for one."""
    asked = request.query_params.get("f")
    if asked is not None:
        return asked == "html"
    weights = _weights(request.headers.get("accept", ""))
    pages = weights.get("text/html", 0.0)
    data = max(weights.get(kind, 0.0) for kind in ("application/json", "application/geo+json"))
    return pages > 0 and pages >= data


def _weights(header: str) -> dict[str, float]:
    """Quality by name of an Accept header; of `zh-CN` also by `zh`."""
    weights: dict[str, float] = {}
    for part in header.split(","):
        name, _, parameters = part.strip().lower().partition(";")
        quality = 1.0
        for parameter in parameters.split(";"):
            key, _, value = parameter.strip().partition("=")
            if key == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        for alias in (name.strip(), name.strip().partition("-")[0]):
            if alias:
                weights[alias] = max(weights.get(alias, 0.0), quality)
    return weights
