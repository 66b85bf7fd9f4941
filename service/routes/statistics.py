"""Statistics of a division's cases: what of a view is more than chance."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy import Connection

from service.centre.figures import View
from service.centre.reach import Footing
from service.centre.statistic_question import PARAMETERS, read_ask, read_method
from service.centre.statistics import draw_statistic
from service.routes.viewing import Make, answer_in_turn, answer_view, find_asking, path_of
from service.web.schemas import CaseViewQuery

router = APIRouter(tags=["centre"])


class StatisticQuery(CaseViewQuery):
    """A statistic of a view; `service.centre.statistic_question` reads its parameters."""

    units: str | None = Field(
        None, description="What is compared: `cells` (squares), `grids`, or for the centre `buildings`."
    )
    cell: str | None = Field(None, description="Side of a square in metres, 50 to 500; default 100.")
    seed: str | None = Field(None, description="Another one draws another chance; default 0.")
    runs: str | None = Field(None, description="scan, recent: Monte Carlo runs, 99 to 1999; default 999.")
    share: str | None = Field(
        None,
        description="scan, recent: the most of what is expected in one circle, up to 0.5; default 0.25.",
    )
    radius: str | None = Field(None, description="scan, recent: the largest radius in metres; default: any.")
    side: str | None = Field(None, description="scan: `high`, `low` or `both`.")
    longest: str | None = Field(None, description="recent: the longest rise looked for in days, 1 to 30.")
    at: str | None = Field(
        None,
        description="compare: date or time of the measure; default: the last new borders, else half-way.",
    )
    areas: str | None = Field(
        None,
        description="compare: codes of the grids where the measure was taken, with commas; all others are "
        "control areas.",
    )


@router.get("/centre/{division}/statistics/{method}", summary="Statistics of cases", response_class=Response)
def show_statistic(
    request: Request, division: str, method: str, query: Annotated[StatisticQuery, Query()]
) -> Response:
    """What of a view is more than chance: `gi`, `moran` (hot spots), `rates` (smoothed), `scan` (clusters),
    `recent` (clusters of the last days), `compare` (before and after). Every answer says its method, a caveat
    and a plain verdict. Of the cases that the asking role may see.
    """
    known = read_method(method)
    asking = find_asking(request, division, others=PARAMETERS[known])
    ask = read_ask(known, request.query_params.multi_items(), asking.principal)
    footing: Footing = request.app.state.footing

    def make(connection: Connection, view: View) -> dict[str, Any]:
        return draw_statistic(connection, asking.principal, asking.cases, view, ask, path_of(view.division))

    def answer(making: Make[View]) -> Response:
        return answer_view(asking, "statistics", making, extra=(ask,))

    return answer_in_turn(asking.context, answer, make, footing)
