"""The front door: what there is and where."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.access import Role, access, visible_collections
from service.centre.place import list_divisions
from service.links import HTML, JSON, OGC_REL, OPENAPI, link
from service.registry import COLLECTIONS
from service.routes.collections import answer_json
from service.store import figures
from service.web.context import Context, InContext
from service.web.pages import page
from service.web.schemas import PageQuery

router = APIRouter(tags=["service"])


def _places(context: Context) -> list[tuple[str, str]]:
    """The lists that the asking role has a use for: where each is, and its title's key."""
    cases = access(context.principal, COLLECTIONS["cases"])
    found = [("/centre", "centres.title"), ("/plans", "plans.title"), ("/staff", "staff.title")]
    if cases is not None and any(column.name == "due" for column, _ in cases.columns):
        found.append(("/cases/overdue", "overdue.title"))
    if context.principal.reaches(Role.PLANNER):
        found.append(("/jobs", "jobs.title"))
    return found


@router.get("/", summary="Where everything is", response_class=Response)
def show_landing(context: InContext, query: Annotated[PageQuery, Query()]) -> Response:
    """Links to all resources; for a browser the communities with their maps."""
    from partition.texts import catalogue

    if context.html:
        with context.reading() as connection:
            communities = figures.select_communities(connection, context.principal)
            example = figures.select_example(connection, context.principal)
            offices = [
                one for one in list_divisions(connection, context.principal) if len(one.communities) > 1
            ]
        collections = visible_collections(context.principal, context.catalogues.current().all())
        return page(
            context,
            "landing.html",
            communities=communities,
            collections=collections,
            example=example,
            offices=offices,
            places=_places(context),
        )
    say = catalogue("service").say
    places = (
        ("/?f=json", "self", JSON),
        ("/?f=html", "alternate", HTML),
        ("/api", "service-desc", OPENAPI),
        ("/api.html", "service-doc", HTML),
        ("/conformance", "conformance", JSON),
        ("/collections", "data", JSON),
        ("/tiles", f"{OGC_REL}tilesets-vector", JSON),
        ("/tileMatrixSets", f"{OGC_REL}tiling-schemes", JSON),
        ("/processes", f"{OGC_REL}processes", JSON),
        ("/jobs", f"{OGC_REL}job-list", JSON),
        ("/centre", "related", JSON),
    )
    return answer_json(
        {
            "title": say("page.name", context.lang),
            "description": say("landing.lead", context.lang),
            "links": [link(context.href(path), rel, kind) for path, rel, kind in places],
        }
    )
