"""Figures of people: of groups as they were published, rates of cases, and sums in an area that is drawn."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from service.faults import MalformedError, TooLargeError, UnknownError
from service.links import JSON, link
from service.privacy.disclosure import band_label, rules
from service.query.crs import CRS84
from service.query.question import LANGUAGES, Question, read_question
from service.query.span import read_span
from service.routes.collections import answer_json, write_instant
from service.store import areas, audit, figures
from service.store.figures import Group
from service.web.bodies import read_body, read_json, read_shape
from service.web.context import Context, InContext, find_collection, find_context
from service.web.schemas import FiguresQuery, RatesQuery

router = APIRouter(tags=["figures"])

BODY_MOST = 1_000_000
MEMBERS = ("geometry", "filter", "filter-lang")
NOT_KEPT = {"Cache-Control": "private, no-store", "Vary": "Accept-Language, Authorization, Cookie"}

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "geometry": {"$ref": "#/components/schemas/geometry"},
                    "filter": {"description": "CQL2 over the properties of buildings."},
                    "filter-lang": {"type": "string", "enum": list(LANGUAGES)},
                },
            }
        }
    },
}


@router.get("/figures", summary="Figures of groups", response_class=Response)
def show_figures(context: InContext, query: Annotated[FiguresQuery, Query()]) -> Response:
    """Published figures of population groups in a community, by grid or by joined grids.

    In bands; exact counts are for the command centre and, in own grids, for the grid worker, and go on
    record.
    """
    check_division(context, query.division)
    with context.recording() as connection:
        found = figures.select_groups(connection, context.principal, query.division)
        if query.category is not None:
            found = [group for group in found if group.rule.name == query.category]
            if not found:
                raise UnknownError("figures-category", value=query.category[:60])
        for group in found:
            if group.counts:
                audit.record_view(
                    connection,
                    context.principal,
                    query.division,
                    group.rule.name,
                    sorted(group.counts),
                    "/figures",
                )
    body = {
        "division": query.division,
        "groups": [_describe(group, context) for group in found],
        "links": [
            link(context.href("/figures", division=query.division, category=query.category), "self", JSON)
        ],
    }
    answer = answer_json(body)
    answer.headers.update(NOT_KEPT)
    return answer


def check_division(context: Context, division: str) -> None:
    """Raise UnknownError unless the principal may know of the community."""
    with context.reading() as connection:
        if division not in {one.code for one in figures.select_communities(connection, context.principal)}:
            raise UnknownError("community", code=division[:60])


def _describe(group: Group, context: Context) -> dict[str, Any]:
    rule = group.rule
    areas_of: list[dict[str, Any]] = []
    for area in group.areas:
        if all(code in group.counts for code in area.codes):
            continue  # told exactly below
        mixed = any(code in group.counts for code in area.codes)
        told: dict[str, Any] = {"grids": list(area.codes)}
        if mixed:
            # a band beside the exact count of a part of its area would tell of the rest
            told |= {"withheld": True, "lower": None, "upper": None, "label": None}
        else:
            told |= {
                "withheld": area.count is None,
                "lower": area.count,
                "upper": group.uppers.get(area.codes),
                "label": band_label(area.count, rule, context.lang),
            }
        areas_of.append(told)
    return {
        "category": rule.name,
        "label": rule.label[context.lang],
        "class": rule.grade,
        "unit": "{person}",
        "k": rule.k,
        "households_least": rule.households,
        "frozen_at": write_instant(group.frozen_at),
        "areas": areas_of,
        "counts": [{"grid": code, "count": count} for code, count in sorted(group.counts.items())],
    }


@router.get("/figures/rates", summary="Rates of cases", response_class=Response)
def show_rates(context: InContext, query: Annotated[RatesQuery, Query()]) -> Response:
    """Cases for every 1,000 households by grid, of the cases that the asking role may see.

    Small grids whose cases that role cannot tell apart count together, as one entry with all their codes.
    Hidden on fewer than 10 cases or 20 households, marked unstable on fewer than 20 cases.
    """
    check_division(context, query.division)
    span = None if query.datetime is None else read_span(query.datetime)
    with context.reading() as connection:
        rates = figures.select_rates(connection, context.principal, query.division, span)
    floor = rules().floor
    body = {
        "division": query.division,
        "unit": "{case}/(1000.{household})",
        "cases_hidden_below": floor.rate_hidden,
        "cases_unstable_below": floor.rate_unstable,
        "households_least": floor.households,
        "rates": [
            {
                "grid": codes[0],
                "grids": list(codes),
                "rate": None if one.value is None else round(one.value, 2),
                "cases": one.cases,
                "households": one.households if one.value is not None else None,
                "unstable": one.unstable,
            }
            for codes, one in rates.items()
        ],
        "links": [
            link(
                context.href("/figures/rates", division=query.division, datetime=query.datetime), "self", JSON
            )
        ],
    }
    answer = answer_json(body)
    answer.headers.update(NOT_KEPT)
    return answer


@router.post(
    "/figures/area",
    summary="Households in an area",
    response_class=Response,
    openapi_extra={"requestBody": _BODY},
)
async def sum_area(request: Request) -> Response:
    """Buildings, households and residents in a polygon, or of the buildings that a filter finds, or both.

    For roles that see the figures of buildings they are exact; for others with noise, to the nearest ten, and
    withheld below 20 households or 8 buildings. Asking again gives the same answer.
    """
    context = await run_in_threadpool(find_context, request)
    body = await read_body(request, (JSON,), BODY_MOST)
    return await run_in_threadpool(_sum_area, context, body)


def _sum_area(context: Context, body: bytes) -> Response:
    import shapely

    told = read_json(body)
    if not isinstance(told, dict) or not told.keys() & {"geometry", "filter"}:
        raise MalformedError("figures-area")
    for name in told:
        if name not in MEMBERS:
            raise MalformedError("parameter-unknown", name=str(name)[:60])
    collection, allowed = find_collection(context, "buildings")
    area = None
    if "geometry" in told:
        area = shapely.to_wkb(read_shape(told["geometry"], collection, CRS84))
    question = Question()
    if "filter" in told:
        language = told.get("filter-lang", "cql2-text" if isinstance(told["filter"], str) else "cql2-json")
        written = told["filter"] if isinstance(told["filter"], str) else json.dumps(told["filter"])
        question = read_question({"filter": written, "filter-lang": str(language)}, collection, allowed)
    with context.reading() as connection:
        sums = areas.sum_buildings(connection, context.principal, question, area)
    if sums.truncated:
        raise TooLargeError("figures-area-large", most=areas.BUILDINGS_MOST)
    floor = rules().floor
    answer = answer_json(
        {
            "buildings": sums.buildings,
            "households": sums.households,
            "residents": sums.residents,
            "exact": sums.exact,
            "households_least": 0 if sums.exact else floor.households,
            "buildings_least": 0 if sums.exact else floor.addresses,
        }
    )
    answer.headers.update(NOT_KEPT)
    return answer
