"""Jobs: runs that were asked for, how far they are, and what they made."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy import Connection, RowMapping

from service.access import Role
from service.faults import UnknownError
from service.jobs.queue import withdraw
from service.links import JSON, link
from service.routes.plans import answer, check_planner, following_of, names_of, whole
from service.routes.processes import describe_run
from service.store import runs
from service.store.errors import ConflictError
from service.web.context import Context, InContext
from service.web.pages import answer_or_page
from service.web.schemas import HealthQuery, PageQuery

router = APIRouter(tags=["processes"])


JobStatus = Literal["accepted", "running", "successful", "failed", "dismissed"]


class JobsQuery(PageQuery):
    """Which jobs."""

    status: JobStatus | None = Field(None, description="Where they are.")
    processID: Literal["partition", "redraw"] | None = Field(None, description="What they run.")  # noqa: N815
    limit: str = Field("50", description="Jobs a page, at most 500.")
    offset: str = Field("0", description="Jobs to skip.")


@router.get("/jobs", summary="Jobs", response_class=Response)
def list_jobs(context: InContext, query: Annotated[JobsQuery, Query()]) -> Response:
    """Newest first; those of the divisions for which the asking role answers."""
    limit, offset = whole("limit", query.limit, 1, 500), whole("offset", query.offset, 0, 10**9)
    with context.reading() as connection:
        found: list[RowMapping] = []
        matched = 0
        if context.principal.reaches(Role.PLANNER):
            found, matched = runs.select_runs(
                connection, status=query.status, process=query.processID, limit=limit, offset=offset
            )
        names = names_of(context, connection)
    asked = query.model_dump(exclude_none=True, exclude={"limit", "offset", "lang"})
    links = [link(context.href("/jobs", **asked, limit=limit, offset=offset), "self", JSON)]
    if offset + len(found) < matched:
        links.append(link(context.href("/jobs", **asked, limit=limit, offset=offset + limit), "next", JSON))
    listed = answer(
        {"jobs": [describe_run(context, run) for run in found], "numberMatched": matched, "links": links}
    )
    return answer_or_page(
        context,
        listed,
        "jobs.html",
        names=names,
        statuses=get_args(JobStatus) if context.principal.reaches(Role.PLANNER) else (),
        status=query.status,
        asked={"processID": query.processID},
        following=following_of(context, links),
    )


@router.get("/jobs/{job}", summary="How far a job is", response_class=Response)
def show_job(context: InContext, job: str, query: Annotated[HealthQuery, Query()]) -> Response:
    """Status, progress in percent, and a message in the asked language."""
    with context.reading() as connection:
        return answer(describe_run(context, _find(context, connection, job)))


@router.get("/jobs/{job}/results", summary="What a job made", response_class=Response)
def show_results(context: InContext, job: str, query: Annotated[HealthQuery, Query()]) -> Response:
    """The number of the plan, and its tiers if it was divided into any; 404 as long as there is none, 409
    where there will never be one.
    """
    with context.reading() as connection:
        run = _find(context, connection, job)
    if run["status"] == "successful":
        plan = run["result"]["plan"]
        made = answer(dict(run["result"]))  # outputs and nothing else
        made.headers["Link"] = f'<{context.href(f"/plans/{plan}")}>; rel="related"; type="{JSON}"'
        return made
    if run["status"] in runs.ENDED:
        reason = describe_run(context, run)["message"]
        raise ConflictError("job-ended", job=job, reason=reason)
    raise UnknownError("job-no-result", job=job, status=run["status"])


@router.delete("/jobs/{job}", summary="Dismiss a job", response_class=Response)
def dismiss_job(context: InContext, job: str) -> Response:
    """A job that waits never begins, one that runs stops within seconds; one that ended stays as it is."""
    check_planner(context)
    with context.writing() as connection:
        run = _find(context, connection, job, lock=True)
        if runs.dismiss(connection, run["id"]) and run["job_id"] is not None:
            withdraw(connection, run["job_id"])
        told = describe_run(context, _find(context, connection, job))
    return answer(told)


def _find(context: Context, connection: Connection, job: str, *, lock: bool = False) -> RowMapping:
    found = None
    if "\x00" not in job and context.principal.reaches(Role.PLANNER):
        found = runs.find_run(connection, job, lock=lock)
    if found is None:
        raise UnknownError("job", job=job[:60])
    return found
