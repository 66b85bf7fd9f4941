"""Who reaches a kind of facility on foot, and where one more would help most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from service.access import Principal, access
from service.centre.place import Division, find_division
from service.centre.reach import (
    ADD_MOST,
    AIMS,
    PACES,
    PLACES,
    Footing,
    Question,
    Wish,
    draw_reach,
    draw_siting,
    read_minutes,
)
from service.faults import MalformedError, UnknownError
from service.query.box import read_number
from service.query.question import read_whole
from service.registry import COLLECTIONS
from service.routes.viewing import Make, answer_in_turn, answer_kept, path_of, seen_as
from service.store import centre as store
from service.store import walks
from service.web.context import Context, InContext
from service.web.schemas import Words

router = APIRouter(tags=["centre"])


class ReachQuery(BaseModel):
    """A kind of facility, and how far people walk to it."""

    model_config = ConfigDict(extra="forbid")

    kind: Words = Field(description="Kind of facility, as in the data or one of ours.", max_length=100)
    minutes: str = Field("5,10,15", description="Minutes of walk, ascending, at most four up to 60.")
    pace: str = Field("80", description="Metres walked in a minute, 30 to 130.")
    f: Literal["json"] | None = Field(None, description="JSON is the only form.")
    lang: Literal["zh", "en"] | None = Field(None, description="Language of error texts; answers have both.")


class SitingQuery(ReachQuery):
    """What is to be gained by more of them."""

    minutes: str = Field(
        "",
        description="Minutes of walk that count as within reach, up to 60; default: the longest of 15, 10 "
        "and 5 within which not everybody reaches one.",
    )
    add: str = Field("1", description="How many more, at most 5.")
    aim: str = Field(
        "coverage",
        description="`coverage`: most households within reach; `walk`: the shortest walks; `farthest`: the "
        "shortest longest walk.",
    )
    places: str = Field(
        "both", description="Where they may stand: `buildings` of a fitting use, street `corners`, or `both`."
    )


@router.get("/centre/{division}/reach", summary="Reach on foot", response_class=Response)
def show_reach(context: InContext, division: str, query: Annotated[ReachQuery, Query()]) -> Response:
    """The share of households within so many minutes' walk of the nearest facility of a kind, in all and by
    grid, with isochrones. Exact for roles that see the households of buildings, else estimated from what the
    role sees.
    """
    question = Question(_kind(query.kind), read_minutes(query.minutes), _pace(query.pace))
    return _answer(context, division, ("reach", question), partial(draw_reach, question))


@router.get("/centre/{division}/siting", summary="Sites for more facilities", response_class=Response)
def show_siting(context: InContext, division: str, query: Annotated[SitingQuery, Query()]) -> Response:
    """Where one more facility of a kind, or a few, would help most: sites, gains, before and after."""
    given = "minutes" in query.model_fields_set
    minutes = read_minutes(query.minutes, 1) if given else ()
    question = Question(_kind(query.kind), minutes, _pace(query.pace))
    wish = Wish(
        read_whole({"add": query.add}, "add", 1, least=1, most=ADD_MOST),
        _one_of("aim", query.aim, AIMS),
        _one_of("places", query.places, PLACES),
    )
    return _answer(context, division, ("siting", question, wish), partial(draw_siting, question, wish))


def _answer(
    context: Context,
    code: str,
    asked: tuple[object, ...],
    draw: Callable[[Connection, Principal, Division, Footing, str], Mapping[str, Any]],
) -> Response:
    principal = context.principal
    allowed = access(principal, COLLECTIONS["buildings"])
    if allowed is None:
        raise UnknownError("collection", name="buildings")
    footing: Footing = context.request.app.state.footing

    def answer(make: Make[Division]) -> Response:
        with context.recording() as connection:
            version = store.select_version(connection, walks.SOURCES)
            division = find_division(connection, principal, code)
            key = (*asked, *seen_as(principal), division)
            return answer_kept(
                context, key, version, lambda: make(connection, division), allowed, cases=False
            )

    def make(connection: Connection, division: Division) -> Mapping[str, Any]:
        return draw(connection, principal, division, footing, path_of(division))

    return answer_in_turn(context, answer, make, footing)


def _kind(value: str) -> str:
    if not value.strip():
        raise MalformedError("parameter-missing", name="kind")
    return value.strip()


def _pace(value: str) -> float:
    pace = read_number(value)
    if pace is None or not PACES[0] <= pace <= PACES[1]:
        raise MalformedError(
            "number-range", name="pace", value=value[:60], lower=int(PACES[0]), upper=int(PACES[1])
        )
    return pace


def _one_of(name: str, value: str, choice: tuple[str, ...]) -> str:
    if value not in choice:
        raise MalformedError("parameter-value", name=name, value=value[:60], choice=", ".join(choice))
    return value
