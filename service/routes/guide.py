"""The guide in the browser: what a map's method means can be read where there is no internet."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from service.faults import UnknownError
from service.web import guide
from service.web.context import InContext
from service.web.pages import page

router = APIRouter(include_in_schema=False)


@router.get("/guide")
def show_guide(context: InContext) -> Response:
    """The first page, in the language asked for."""
    kept = f"?lang={context.lang}" if "lang" in context.request.query_params else ""
    return RedirectResponse(f"/guide/{guide.other_language('README.md', context.lang)}{kept}", 303)


@router.get("/guide/{name:path}")
def show_page(context: InContext, name: str) -> Response:
    """A page of the guide, or a picture on one."""
    picture = guide.picture(name)
    if picture is not None:
        return Response(picture[0], media_type=picture[1], headers={"Cache-Control": "public, max-age=3600"})
    if "lang" in context.request.query_params:
        wanted = guide.other_language(name, context.lang)
        if wanted != name and guide.page(wanted) is not None:
            return RedirectResponse(f"/guide/{wanted}?lang={context.lang}", 303)
    found = guide.page(name)
    if found is None:
        raise UnknownError("guide", name=name[:60])
    title, body = found
    return page(context, "guide.html", title=title, body=body)
