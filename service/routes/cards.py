"""The card of a grid: everything that the asking role may know of it, in one answer."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.centre.cards import Card, draw_card, link_titles
from service.links import GEOJSON, HTML, JSON, link
from service.routes.collections import answer_json
from service.routes.figures import NOT_KEPT
from service.web.context import Context, InContext
from service.web.schemas import HealthQuery

router = APIRouter(tags=["centre"])


@router.get("/centre/{division}/grids/{code}/card", summary="A grid's card", response_class=Response)
def show_card(
    context: InContext, division: str, code: str, query: Annotated[HealthQuery, Query()]
) -> Response:
    """The four bounds, figures, posts and vacancies, facilities by type, published figures of groups, cases
    by month, and when each layer last changed; texts in Chinese and English.

    Exact figures of groups are for the command centre and, in own grids, for the grid worker, and go on
    record.
    """
    with context.recording() as connection:
        card = draw_card(connection, context.principal, division, code)
    answer = answer_json({**card.told, "community": card.division, "links": _links(context, division, card)})
    answer.headers.update(NOT_KEPT)
    return answer


def _links(context: Context, division: str, card: Card) -> list[dict[str, Any]]:
    items = "/collections/{}/items".format
    box = ",".join(f"{number:.7f}" for number in card.box)
    cases = {"grid": card.code} if card.own_cases else {"community": card.division, "bbox": box}
    path = f"/centre/{quote(division, safe='')}"
    told: list[dict[str, Any]] = [
        link(context.href(f"{path}/grids/{quote(card.code, safe='')}/card"), "self", JSON),
        link(context.href(path, grid=card.code), "alternate", HTML),
    ]
    for name, address, kind in (
        ("grid", context.href(f"{items('grids')}/{quote(card.code, safe='')}"), GEOJSON),
        ("buildings", context.href(items("buildings"), community=card.division, grid=card.code), GEOJSON),
        ("facilities", context.href(items("facilities"), community=card.division, bbox=box), GEOJSON),
        ("cases", context.href(items("cases"), **cases), GEOJSON),
        ("lineage", context.href(f"/grids/{quote(card.code, safe='')}/lineage"), JSON),
    ):
        if name != "cases" or card.told["cases"] is not None:
            told.append(link(address, name, kind) | {"title": link_titles(name)})
    return told
