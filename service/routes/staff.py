"""Who answers for what, which roles are vacant, how fresh the data are, and what became of a grid."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from service.access import Role, may_see_phone
from service.faults import UnknownError
from service.links import JSON, link
from service.routes.plans import answer, names_of
from service.store.lineage import select_lineage
from service.store.staff import Person, Post, Slot, select_freshness, select_posts, slots
from service.web.context import Context, InContext
from service.web.pages import answer_or_page
from service.web.schemas import HealthQuery, PageQuery, Words

router = APIRouter(tags=["grids"])


class DivisionQuery(HealthQuery):
    """Of which divisions."""

    division: Words = Field("", description="Prefix of division codes.", max_length=64)


class StaffQuery(PageQuery):
    """Which posts."""

    division: Words = Field("", description="Prefix of division codes.", max_length=64)
    vacant: Literal["true", "false"] = Field("false", description="Only where somebody is missing.")


@router.get("/staff", summary="Staff by grid and community, and vacancies", response_class=Response)
def list_staff(context: InContext, query: Annotated[StaffQuery, Query()]) -> Response:
    """Who is responsible is public; their work phone is for signed-in users."""
    with context.reading() as connection:
        posts = select_posts(connection, context.principal, query.division)
        names = names_of(context, connection)
    told = [_describe(context, post) for post in posts]
    vacancies = sum(post["vacancies"] for post in told)
    if query.vacant == "true":
        told = [post for post in told if post["vacancies"]]
    asked = query.model_dump(exclude={"lang"})
    links = [link(context.href("/staff", **asked), "self", JSON)]
    listed = answer({"posts": told, "vacancies": vacancies, "links": links})
    return answer_or_page(
        context,
        listed,
        "staff.html",
        names=names,
        division=query.division,
        vacant=query.vacant == "true",
        kept={"f": query.f, "lang": query.lang},
    )


def _describe(context: Context, post: Post) -> dict[str, Any]:
    wanted = [slot for slot in slots() if slot.tier == post.tier]
    held = {id(person) for slot in wanted for person in post.filled(slot)}
    return {
        "tier": post.tier,
        "code": post.code,
        "division": post.division,
        "name": post.name,
        "vacancies": sum(post.vacancies(slot) for slot in wanted),
        "slots": [_slot(context, post, slot) for slot in wanted],
        "others": [_person(context, person) for person in post.people if id(person) not in held],
    }


def _slot(context: Context, post: Post, slot: Slot) -> dict[str, Any]:
    return {
        "key": slot.key,
        "title": slot.zh if context.lang == "zh" else slot.en,
        "count": slot.count,
        "vacancies": post.vacancies(slot),
        "people": [_person(context, person) for person in post.filled(slot)],
    }


def _person(context: Context, person: Person) -> dict[str, str]:
    told = {"role": person.role, "name": person.name}
    return told | ({"phone": person.phone} if may_see_phone(context.principal) else {})


@router.get("/freshness", summary="When each grid's data last changed", response_class=Response)
def list_freshness(context: InContext, query: Annotated[DivisionQuery, Query()]) -> Response:
    """By grid in force and layer; null: nothing is there."""
    with context.reading() as connection:
        rows = select_freshness(connection, context.principal, query.division)
    names = ["grid", "buildings", "facilities", "staff"]
    if context.principal.reaches(Role.CENTRE):
        names.append("cases")
    grids = [
        {
            "code": row["code"],
            "division": row["division_code"],
            "layers": {name: row[name] for name in names},
            "latest": max(row[name] for name in names if row[name] is not None),
        }
        for row in rows
    ]
    links = [link(context.href("/freshness", division=query.division), "self", JSON)]
    return answer({"grids": grids, "links": links})


@router.get("/grids/{code}/lineage", summary="What became of a grid", response_class=Response)
def show_lineage(context: InContext, code: str, query: Annotated[HealthQuery, Query()]) -> Response:
    """The versions of a code, the steps that led to it and those that followed, from grid to grid.

    How many buildings and households took each step is for those who see drafts of plans.
    """
    if "\x00" in code:
        raise UnknownError("grid-code", code=code.replace("\x00", "%00")[:60])
    with context.reading() as connection:
        found = select_lineage(connection, context.principal, code)
    if found is None:
        raise UnknownError("grid-code", code=code[:60])
    return answer(
        {
            "code": code,
            "division": found.versions[0]["division_code"],
            "in_force": found.versions[-1]["valid_to"] is None,
            "versions": [
                {name: version[name] for name in ("valid_from", "valid_to", "plan_id")}
                for version in found.versions
            ],
            "before": [_step(context, step) for step in found.before],
            "after": [_step(context, step) for step in found.after],
            "links": [link(context.href(f"/grids/{code}/lineage"), "self", JSON)],
        }
    )


def _step(context: Context, step: Any) -> dict[str, Any]:
    names = ["old_code", "new_code", "kind", "at", "plan_id"]
    if context.principal.reaches(Role.PLANNER):
        names += ["buildings", "households"]
    return {name: step[name] for name in names}
