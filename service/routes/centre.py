"""The command centre's page of a division, and what it asks for: figures, surface, ground."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from service.access import Access, Principal, access
from service.centre.answer import items_query, write_figures
from service.centre.base import draw_buildings, draw_ground
from service.centre.figures import View, count_cases
from service.centre.page import Pages
from service.centre.place import Division, find_division, list_divisions
from service.centre.surface import FRAMES_MOST, Grounds, draw_surface
from service.faults import MalformedError, UnknownError
from service.links import GEOJSON, HTML, JSON, link
from service.query.box import read_box, short
from service.query.question import read_whole
from service.registry import COLLECTIONS
from service.routes.collections import answer_json
from service.routes.maps import policy_for
from service.routes.viewing import answer_kept, answer_view, find_asking, make_once, path_of, seen_as
from service.store import centre as store
from service.store.area_cases import Area, find_areas
from service.store.open_cases import count_open_cases
from service.web.context import Context, InContext
from service.web.pages import answer_or_page
from service.web.schemas import AreaViewQuery, BaseQuery, PageQuery, SurfaceQuery, ViewQuery

router = APIRouter(tags=["centre"])

AREAS_NAMED = 20  # in an error

# what stands in the page's own address besides the filters, for its scripts
OF_THE_PAGE = frozenset(
    {"theme", "at", "area", "grid", "small", "list", "wall", "frames", "method", "group", "kind"}
    # finer parameters of a statistic
    | {"cell", "seed", "runs", "share", "radius", "side", "longest", "since", "areas"}
)


@router.get("/centre", summary="Divisions of the command centre", response_class=Response)
def list_centres(context: InContext, query: Annotated[PageQuery, Query()]) -> Response:
    """Street offices of several communities, then communities: those whose page the asking role may open. The
    page tells besides how many open cases the role sees in each.
    """
    cases = access(context.principal, COLLECTIONS["cases"])
    counted: dict[str, int] = {}
    with context.reading() as connection:
        found = list_divisions(connection, context.principal)
        if context.html and cases is not None:
            counted = _open_cases(context, connection, cases)
    told = [
        {
            "division": one.code,
            "name": dict(one.name),
            "communities": list(one.codes),
            "synthetic": one.synthetic,
            "links": [link(context.href(path_of(one)), "item", HTML)],
        }
        for one in found
    ]
    answer = answer_json({"divisions": told, "links": [link(context.href("/centre"), "self", JSON)]})

    def counted_in(communities: list[str]) -> int:
        return sum(counted.get(code, 0) for code in communities)

    return answer_or_page(context, answer, "centres.html", counted_in=counted_in, counts=cases is not None)


def _open_cases(context: Context, connection: Connection, cases: Access) -> dict[str, int]:
    """Open cases by community, counted through all that the role sees only when something has changed."""
    version = store.select_version(connection)
    counted = make_once(
        context, ("open", cases.fingerprint), version, lambda: count_open_cases(connection, cases)
    )
    found: dict[str, int] = json.loads(counted.content)
    return found


@router.get("/centre/{division}", summary="The command centre's page", response_class=HTMLResponse)
def show_centre(request: Request, division: str, query: Annotated[ViewQuery, Query()]) -> Response:
    """A map that fills the screen with figures, lists and filters, of a community or of all communities whose
    codes begin so. Exact figures of groups are put on record.
    """
    asking = find_asking(request, division, others=OF_THE_PAGE)
    context = asking.context
    pages: Pages = request.app.state.pages
    with context.recording() as connection:
        found = find_division(connection, context.principal, division)
        html = pages.page(connection, context.principal, found, path_of(found), context.lang)
    headers = {"Content-Security-Policy": policy_for(html), "Vary": "Accept-Language, Cookie"}
    return HTMLResponse(html, headers=headers)


@router.get("/centre/{division}/cases", summary="Figures of cases", response_class=Response)
def show_cases(request: Request, division: str, query: Annotated[AreaViewQuery, Query()]) -> Response:
    """How many cases, where, of what kind and when, compared with the time before; newest and overdue ones;
    a summary in two sentences. Of the cases that the asking role may see; with `area` of those in its grids.
    """
    asking = find_asking(request, division, others=frozenset({"area"}))
    wanted = query.area or ""

    def make(connection: Connection, view: View) -> dict[str, Any]:
        area = _find_area(connection, asking.principal, view.division, wanted) if wanted else None
        figures = count_cases(connection, asking.principal, asking.cases, replace(view, area=area))
        pairs = [*view.filters.pairs(), *([("area", wanted)] if wanted else [])]
        path, query = f"{path_of(view.division)}/cases", urlencode(pairs, safe=",/:")
        links = [link(f"{path}?{query}" if query else path, "self", JSON)]
        same = items_query(figures)
        if same is not None:
            href = asking.context.href("/collections/cases/items", **same)
            links.append(link(asking.context.inside(href), "items", GEOJSON))
        return write_figures(figures) | {"links": links}

    return answer_view(asking, "cases", make, extra=(wanted,))


def _find_area(connection: Connection, principal: Principal, division: Division, wanted: str) -> Area:
    """The area of the division in force. MalformedError, which names those there are."""
    found = find_areas(connection, principal, division.codes)
    if wanted not in found:
        choice = [*list(found)[:AREAS_NAMED], *(["…"] if len(found) > AREAS_NAMED else [])]
        raise MalformedError(
            "parameter-value", name="area", value=short(wanted), choice=", ".join(choice) or "—"
        )
    return found[wanted]


@router.get("/centre/{division}/surface", summary="Density of cases", response_class=Response)
def show_surface(request: Request, division: str, query: Annotated[SurfaceQuery, Query()]) -> Response:
    """Cases per km² and 30 days on square cells, corrected at the border; with `previous` the difference to
    the time before, with `frames` steps in time. Of the cases that the asking role may see.
    """
    asking = find_asking(request, division, others=frozenset({"frames"}))
    told = dict(request.query_params)
    frames = read_whole(told, "frames", 0, least=2, most=FRAMES_MOST)
    grounds: Grounds = request.app.state.grounds

    def make(connection: Connection, view: View) -> dict[str, Any]:
        return draw_surface(connection, asking.principal, asking.cases, view, grounds, frames)

    return answer_view(asking, "surface", make, extra=(frames,))


@router.get("/centre/{division}/base", summary="The ground of the map", response_class=Response)
def show_base(context: InContext, division: str, query: Annotated[BaseQuery, Query()]) -> Response:
    """Streets, water and names for drawing; with `bbox` instead the buildings in it."""
    box = None if query.bbox is None else read_box(query.bbox)
    principal = context.principal
    allowed = access(principal, COLLECTIONS["streets"])
    if allowed is None:
        raise UnknownError("collection", name="streets")
    sources = ("buildings", "divisions", "grids") if box else ("divisions", "grids", "streets")
    with context.recording() as connection:
        version = store.select_version(connection, sources)
        found = find_division(connection, principal, division)
        key = ("base", *seen_as(principal), found, box)

        def make() -> dict[str, Any]:
            if box is None:
                return draw_ground(connection, principal, found)
            return draw_buildings(connection, principal, found, box)

        return answer_kept(context, key, version, make, allowed, cases=False)
