"""Plans as resources: what was proposed, by whom and why, and how far it came."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, RowMapping

from service.access import Role, may_plan
from service.faults import ForbiddenError, MalformedError, UnknownError
from service.links import GEOJSON, JSON, link
from service.privacy.disclosure import rules
from service.store import notes, plans, revisions
from service.store.errors import NotFoundError
from service.store.names import select_names
from service.web.context import Context, InContext
from service.web.pages import answer_or_page
from service.web.schemas import HealthQuery, PageQuery, Words

router = APIRouter(tags=["plans"])

Status = Literal["draft", "submitted", "approved", "published", "archived"]
PLAN_MOST = 2**63 - 1
# as pages name them (`edit.<operation>`)
EDITS = ("move", "merge", "split", "swap", "lock", "unlock", "rebalance", "undo")


class PlansQuery(PageQuery):
    """Which plans."""

    division: Words = Field("", description="Prefix of division codes.", max_length=64)
    status: Status | None = Field(None, description="Step of a plan's life.")
    author: Words | None = Field(None, description="Who made it.", max_length=200)
    profile: Words | None = Field(None, description="Profile it was made by.", max_length=200)
    limit: str = Field("50", description="Plans a page, at most 500.")
    offset: str = Field("0", description="Plans to skip.")


class Copy(BaseModel):
    """A new draft, begun as what another plan is."""

    model_config = ConfigDict(extra="forbid")

    plan: int = Field(ge=1, le=PLAN_MOST, description="The plan to begin with.")
    reason: Words = Field("", max_length=2000, description="Why it is made.")


class Step(BaseModel):
    """A step of a plan's life."""

    model_config = ConfigDict(extra="forbid")

    status: Status = Field(description="The status that the plan gets.")
    reason: Words = Field("", max_length=2000, description="Why.")
    over: int | None = Field(
        None, ge=1, le=PLAN_MOST, description="When publishing: the plan in force that is knowingly replaced."
    )


class Comment(BaseModel):
    """A comment on a plan."""

    model_config = ConfigDict(extra="forbid")

    text: Words = Field(min_length=1, max_length=2000)


@router.get("/plans", summary="Plans", response_class=Response)
def list_plans(context: InContext, query: Annotated[PlansQuery, Query()]) -> Response:
    """The plans that the asking role may see, newest first: published ones everybody, others planners, the
    centre, privacy officers and administrators within their divisions.
    """
    limit, offset = whole("limit", query.limit, 1, 500), whole("offset", query.offset, 0, 10**9)
    wanted = plans.PlanFilter(query.division, query.status, query.author, query.profile)
    with context.reading() as connection:
        rows, matched = plans.select_plans(connection, context.principal, wanted, limit=limit, offset=offset)
        names = names_of(context, connection)
    asked = query.model_dump(exclude_none=True, exclude={"limit", "offset", "lang"})
    links = [link(context.href("/plans", **asked, limit=limit, offset=offset), "self", JSON)]
    if offset + len(rows) < matched:
        links.append(link(context.href("/plans", **asked, limit=limit, offset=offset + limit), "next", JSON))
    listed = answer(
        {
            "plans": [describe(context, row) for row in rows],
            "numberMatched": matched,
            "numberReturned": len(rows),
            "links": links,
        }
    )
    return answer_or_page(
        context,
        listed,
        "plans.html",
        names=names,
        statuses=get_args(Status) if context.principal.reaches(Role.PLANNER) else (),
        status=query.status,
        asked={"division": query.division, "author": query.author, "profile": query.profile},
        following=following_of(context, links),
    )


@router.post("/plans", summary="Begin a draft with what another plan is", response_class=Response)
def add_plan(context: InContext, body: Copy) -> Response:
    """The copy is a draft made on what is published now; new plans from nothing are made by the process
    `partition`.
    """
    check_planner(context)
    with context.writing() as connection:
        find_plan(context, connection, body.plan)
        made = plans.copy_plan(connection, body.plan, author=context.principal.subject, reason=body.reason)
        row = find_plan(context, connection, made)
        told = describe(context, row)
    return answer(told, row, status=201, location=context.href(f"/plans/{made}"))


@router.get("/plans/{plan}", summary="A plan", response_class=Response)
def show_plan(context: InContext, plan: str, query: Annotated[PageQuery, Query()]) -> Response:
    """With figures, and for those who see drafts too the report, the notes and the locked grids."""
    with context.reading() as connection:
        row = find_plan(context, connection, plan_number(plan))
        names = names_of(context, connection)
        told = describe(context, row)
        if context.principal.reaches(Role.PLANNER):
            told |= {
                "report": row["report"],
                "locked": list(row["locked"]),
                "notes": [dict(note) for note in notes.select_notes(connection, row["id"])],
            }
    # its version counts changes of what others are not told, who change no plan either
    listed = answer(told, row if context.principal.reaches(Role.PLANNER) else None)
    return answer_or_page(context, listed, "plan.html", names=names)


@router.get("/plans/{plan}/grids", summary="A plan's grids", response_class=Response)
def show_grids(context: InContext, plan: str, query: Annotated[HealthQuery, Query()]) -> Response:
    """GeoJSON. The grids of a published plan are also the collection `grids`."""
    return _features(context, plan_number(plan), "grids")


@router.get("/plans/{plan}/units", summary="A plan's units", response_class=Response)
def show_units(context: InContext, plan: str, query: Annotated[HealthQuery, Query()]) -> Response:
    """GeoJSON: what edits move from grid to grid."""
    return _features(context, plan_number(plan), "units")


@router.get("/plans/{plan}/tiers", summary="A plan's areas and small grids", response_class=Response)
def show_tiers(context: InContext, plan: str, query: Annotated[HealthQuery, Query()]) -> Response:
    """GeoJSON: what the grids make up and what they are divided into, as far as edits left it true. Those of
    a published plan are also the collection `tiers`.
    """
    return _features(context, plan_number(plan), "tiers")


def _features(context: Context, plan: int, layer: plans.PlanLayer) -> Response:
    with context.reading() as connection:
        row = find_plan(context, connection, plan)
        if not context.principal.reaches(Role.PLANNER):
            raise UnknownError("plan", plan=plan)
        features = plans.select_plan_features(connection, plan, layer)
    links = [link(context.href(f"/plans/{plan}/{layer}"), "self", GEOJSON)]
    body = b'{"type":"FeatureCollection","revision":%d,"links":%s,"features":[%s]}' % (
        row["revision"],
        json.dumps(links).encode(),
        features,
    )
    return Response(body, media_type=GEOJSON, headers={"ETag": tag(row)})


@router.get("/plans/{plan}/notes", summary="Steps and comments", response_class=Response)
def list_notes(context: InContext, plan: str, query: Annotated[HealthQuery, Query()]) -> Response:
    """Oldest first; a comment is a note whose two statuses are the same."""
    number = plan_number(plan)
    with context.reading() as connection:
        find_plan(context, connection, number)
        if not context.principal.reaches(Role.PLANNER):
            raise UnknownError("plan", plan=number)
        found = [dict(note) for note in notes.select_notes(connection, number)]
    return answer({"notes": found, "links": [link(context.href(f"/plans/{number}/notes"), "self", JSON)]})


@router.post("/plans/{plan}/notes", summary="Comment on a plan", response_class=Response)
def add_comment(context: InContext, plan: str, body: Comment) -> Response:
    """Comments stay for ever."""
    check_planner(context)
    number = plan_number(plan)
    with context.writing() as connection:
        row = find_plan(context, connection, number)
        notes.add_note(connection, context.principal, row, body.text)
        told = dict(notes.select_notes(connection, number)[-1])
    return answer(told, status=201, location=context.href(f"/plans/{number}/notes"))


@router.post("/plans/{plan}/status", summary="Take a plan one step further", response_class=Response)
def take_step(
    context: InContext,
    plan: str,
    body: Step,
    if_match: Annotated[str | None, Header(description="The plan's ETag; 412 if it changed.")] = None,
) -> Response:
    """draft → submitted → approved → published; back to draft, or archived, until then.

    Whoever approves a plan neither made, edited nor submitted it. A publication is one transaction: it
    checks that the grids cover the community, hang together and hold every building, closes the grids in
    force, opens the plan's, writes their lineage, and finds the grid of all buildings, cases and staff anew.
    """
    check_planner(context)
    number = plan_number(plan)
    with context.writing() as connection:
        find_plan(context, connection, number)
        version, changed_at = version_of(if_match)
        done = notes.take_step(
            connection,
            context.principal,
            number,
            body.status,
            note=body.reason,
            version=version,
            changed_at=changed_at,
            over=body.over,
        )
        row = find_plan(context, connection, number)
        told = describe(context, row)
        if done is not None:
            told["publication"] = {
                "opened": list(done.opened),
                "closed": list(done.closed),
                "kept": list(done.kept),
                "households_moved": done.households_moved,
            }
    return answer(told, row)


@router.get("/plans/{plan}/revisions", summary="Every edit of a plan", response_class=Response)
def list_revisions(context: InContext, plan: str, query: Annotated[PageQuery, Query()]) -> Response:
    """Oldest first, each with the figures and violations that it led to."""
    number = plan_number(plan)
    with context.reading() as connection:
        row = find_plan(context, connection, number)
        if not context.principal.reaches(Role.PLANNER):
            raise UnknownError("plan", plan=number)
        found = [dict(one) for one in revisions.select_revisions(connection, number)]
    links = [link(context.href(f"/plans/{number}/revisions"), "self", JSON)]
    listed = answer({"revision": row["revision"], "revisions": found, "links": links}, row)
    return answer_or_page(context, listed, "revisions.html", plan=number, edits=EDITS)


# --- what these routes share with those of edits, jobs and staff ---


def names_of(context: Context, connection: Connection) -> dict[str, str]:
    """What the communities are called that the principal may know of, by code, where the answer is a page."""
    return dict(select_names(connection, context.principal)) if context.html else {}


def following_of(context: Context, links: list[dict[str, str]]) -> str:
    """The address of the next page in the service, if there is one."""
    return next((context.inside(one["href"]) for one in links if one["rel"] == "next"), "")


def check_planner(context: Context) -> None:
    """Raise ForbiddenError unless the principal may make and change plans."""
    if not may_plan(context.principal):
        raise ForbiddenError("forbidden")


def plan_number(text: str) -> int:
    """A plan's number in a path. Raises UnknownError if it is none."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise UnknownError("plan", plan=text[:20])
    return int(text)


def find_plan(context: Context, connection: Connection, plan: int) -> RowMapping:
    """The plan as the principal sees it. Raises UnknownError."""
    try:
        found = plans.select_plan(connection, context.principal, plan)
    except NotFoundError:
        found = None
    if found is None:
        raise UnknownError("plan", plan=plan)
    return found


def whole(name: str, text: str, lower: int, upper: int) -> int:
    """A whole number of a parameter. Raises MalformedError."""
    if text.isascii() and text.isdigit() and len(text) <= 18 and lower <= int(text) <= upper:
        return int(text)
    raise MalformedError("number-range", name=name, value=text[:60], lower=lower, upper=upper)


def tag(row: RowMapping) -> str:
    """The ETag of a plan: its version, and when it came to be, which no other time line has."""
    return f'"{row["version"]}-{notes.changed_of(row):x}"'


def version_of(if_match: str | None) -> tuple[int | None, int | None]:
    """Version and time of change (`tag`) that If-Match names, each None where it does not.

    The version alone is enough, as the plan's document tells it. Raises MalformedError.
    """
    if if_match is None or if_match.strip() == "*":
        return None, None
    found = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})(?:-([0-9a-f]{1,15}))?"?', if_match.strip())
    if found is None:
        raise MalformedError("text-value", name="If-Match", value=if_match[:60], wanted='"7"')
    return int(found[1]), None if found[2] is None else int(found[2], 16)


def describe(context: Context, row: RowMapping) -> dict[str, Any]:
    """A plan for a reader: those who see drafts see all, others what maps show of grids in force."""
    official = context.principal.reaches(Role.PLANNER)
    path = f"/plans/{row['id']}"
    told: dict[str, Any] = {
        "id": row["id"],
        "division": row["division_code"],
        "status": row["status"],
        "profile": row["profile"],
        "published": row["published_at"],
        "figures": row["figures"] if official or _may_be_told(row) else {},
        "links": [link(context.href(path), "self", JSON)],
    }
    if official:
        told |= {
            "version": row["version"],
            "revision": row["revision"],
            "seed": row["seed"],
            "policy": row["policy"],
            "base_plan": row["base_plan_id"],
            "author": row["author"],
            "reason": row["reason"],
            "created": row["created_at"],
            "changed": row["updated_at"],
            "archived": row["archived_at"],
        }
        told["links"] += [
            link(context.href(f"{path}/{name}"), name, GEOJSON if name in ("grids", "units") else JSON)
            for name in ("grids", "units", "notes", "revisions")
        ]
    return told


def _may_be_told(row: RowMapping) -> bool:
    """Whether totals say nothing about a handful of households."""
    least = row["least_households"]
    return least is not None and least >= rules().floor.households


def answer(
    body: dict[str, Any], row: RowMapping | None = None, *, status: int = 200, location: str | None = None
) -> Response:
    """JSON, with the plan's ETag."""
    headers = {} if row is None else {"ETag": tag(row)}
    if location is not None:
        headers["Location"] = location
    text = json.dumps(body, ensure_ascii=False, default=_plain, allow_nan=False)
    return Response(text, status_code=status, media_type=JSON, headers=headers)


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(type(value).__name__)
