"""Edits of a draft, each made on the newest revision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from service.faults import MalformedError
from service.links import JSON, link
from service.plans.drafts import (
    Bench,
    Benches,
    Edit,
    draw_draft,
    edit_draft,
    figures_of,
    find_state,
    open_state,
    read_bench,
)
from service.routes.plans import answer, check_planner, find_plan, plan_number
from service.store import revisions
from service.store.communities import fingerprint
from service.store.errors import ConflictError
from service.store.revisions import Revision, State, check_editable
from service.store.tiers import Standing, select_standing
from service.web.context import Context, InContext
from service.web.schemas import Words

router = APIRouter(tags=["plans"])

NEEDS = {
    "move": ("units", "grid"),
    "merge": ("grids",),
    "split": ("grid",),
    "swap": ("units", "others"),
    "lock": ("grids",),
    "unlock": ("grids",),
}


class EditBody(BaseModel):
    """One edit. move: units, grid. merge, lock, unlock: grids. split: grid, perhaps the units that part from
    it. swap: units, others. rebalance: perhaps most_moved. undo: nothing.
    """

    model_config = ConfigDict(extra="forbid")

    operation: Literal["move", "merge", "split", "swap", "lock", "unlock", "rebalance", "undo"]
    revision: int = Field(ge=0, le=2**31 - 2, description="The revision that the edit is made on.")
    units: list[int] = Field(default_factory=list, max_length=100_000)
    others: list[int] = Field(default_factory=list, max_length=100_000)
    grid: Words = Field("", max_length=100)
    grids: list[Words] = Field(default_factory=list, max_length=1000)
    most_moved: float | None = Field(
        None, ge=0, le=1e9, description="rebalance: no more households than these change grid."
    )
    seed: int = Field(0, ge=0, le=2**53)


@router.post("/plans/{plan}/edits", summary="Edit a draft", response_class=Response)
def edit_plan(context: InContext, plan: str, body: EditBody) -> Response:
    """Answers with the new revision, its figures, what it violates, and how its tiers stand: areas follow
    their grids, small grids go with a grid that changed and come back with it. 409 with the newest revision
    where the edit was made on another; 422 where a lock, or what it names, stands against it.
    """
    check_planner(context)
    for name in NEEDS.get(body.operation, ()):
        if not getattr(body, name):
            raise MalformedError("edit-without", operation=body.operation, name=name)
    number = plan_number(plan)
    asked = Edit(
        body.operation,
        tuple(body.units),
        tuple(body.others),
        body.grid,
        tuple(body.grids),
        body.most_moved,
        body.seed,
    )
    ground = _read(context, number, body.revision)
    operation = asked.document()
    if body.operation != "undo":
        draft = edit_draft(ground.bench, open_state(ground.bench, ground.first, ground.state), asked)
    elif ground.undone is None:
        raise ConflictError("plan-nothing-undone", plan=number)
    else:
        operation["to"], state = ground.undone
        draft = open_state(ground.bench, ground.first, state)
    made = draw_draft(ground.bench, draft, operation, body.revision)
    revision, standing = _keep(context, number, ground, made)
    told = {
        "plan": number,
        "revision": revision,
        "operation": operation,
        **figures_of(ground.bench, draft),
        "figures": made.report.get("figures", {}),
        **({} if standing is None else {"tiers": standing.document()}),
        "links": [
            link(context.href(f"/plans/{number}"), "up", JSON),
            link(context.href(f"/plans/{number}/revisions"), "collection", JSON),
        ],
    }
    return answer(told)


@dataclass(frozen=True)
class _Ground:
    """What an edit begins with. data: what the community's data were; undone: what an undo leads to."""

    bench: Bench
    data: str
    first: State
    state: State
    undone: tuple[int, State] | None


def _read(context: Context, plan: int, base: int) -> _Ground:
    """The plan as it is at its newest revision `base`; ConflictError where that is another."""
    benches: Benches = context.request.app.state.benches
    with context.reading() as connection:
        row = find_plan(context, connection, plan)
        check_editable(row, base)
        data = fingerprint(connection, row["division_code"])
        first = find_state(revisions.select_state(connection, plan, 0), plan)
        state = find_state(revisions.select_state(connection, plan, base), plan)
        to = revisions.undone_to(connection, plan, base)
        undone = None
        if to is not None:
            undone = to, find_state(revisions.select_state(connection, plan, to), plan)
        bench = benches.find((plan, data))
        make = read_bench(connection, row) if bench is None else None
    if make is not None:
        bench = benches.keep((plan, data), make())
    assert bench is not None  # noqa: S101 - kept, or made just now
    return _Ground(bench, data, first, state, undone)


def _keep(context: Context, plan: int, ground: _Ground, made: Revision) -> tuple[int, Standing | None]:
    """Keep the revision, and tell what became of the plan's tiers; ConflictError where another came first, or
    the community's data changed.
    """
    with context.writing() as connection:
        row = find_plan(context, connection, plan)
        if fingerprint(connection, row["division_code"]) != ground.data:
            raise ConflictError("plan-outdated", division=row["division_code"])
        author = context.principal.subject
        revision = revisions.keep_revision(connection, plan, ground.first, made, author=author)
        return revision, select_standing(connection, plan)
