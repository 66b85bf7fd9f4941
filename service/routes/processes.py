"""What can be run, and the asking for a run, in the style of OGC API – Processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, RowMapping

from partition.errors import InputError, ProfileError
from partition.texts import Language, catalogue
from service.faults import MalformedError, UnknownError
from service.jobs.queue import enqueue
from service.links import JSON, OGC_REL, link
from service.routes.plans import PLAN_MOST, answer, check_planner, whole
from service.store import runs
from service.store.communities import has_division
from service.store.errors import ConflictError
from service.store.plans import get_plan, published_plan
from service.web.context import Context, InContext
from service.web.repeats import HEADER, answer_once, plain
from service.web.schemas import HealthQuery, Words

router = APIRouter(tags=["processes"])

VERSION = "1.0.0"
SEED_MOST = 2**53
EFFORT_MOST = 1_000_000
TIERS_MOST, TIER_LETTERS = 8, 100
# as the command line takes them; `partition.tiers.levels.read_ask` reads them
_TIER = r"^(.*=)?([1-9][0-9]*|[0-9.]+-[0-9.]+(-[0-9.]+)?)$"

_INTEGER: dict[str, Any] = {"type": "integer", "minimum": 0}
_SHARED: dict[str, dict[str, Any]] = {
    "division": {"type": "string", "description": "Code of the community."},
    "profile": {"type": "string", "description": "One of the profiles that come with Wangge."},
    "seed": {**_INTEGER, "maximum": SEED_MOST, "default": 0},
    "reason": {"type": "string", "maxLength": 2000, "description": "Why the plan is made."},
}
INPUTS: Mapping[str, dict[str, dict[str, Any]]] = {
    "partition": {
        **_SHARED,
        "grids": {"type": "integer", "minimum": 1, "maximum": 999, "description": "How many grids."},
        "effort": {
            **_INTEGER,
            "minimum": 1,
            "maximum": EFFORT_MOST,
            "description": "Proposals by unit: more takes longer.",
        },
        "tiers": {
            "type": "array",
            "maxItems": TIERS_MOST,
            "items": {"type": "string", "maxLength": TIER_LETTERS, "pattern": _TIER},
            "examples": [["3", "60-80-110"], ["片区=4", "微网格=148"]],
            "description": "Tiers above and below the grids besides the profile's: how many grids one is to "
            "have (`4`), or their size in the profile's measure (`60-80-110`: lower, target, upper; or "
            "`60-110`). With a name (`片区=4`) the profile's tier of that name is meant, or a new one; "
            "without, the profile's on that side of the grids, or a new one.",
        },
        "base_plan": {
            **_INTEGER,
            "minimum": 1,
            "description": "A plan of the community whose profile is taken where none is named.",
        },
    },
    "redraw": {
        **_SHARED,
        "base_plan": {**_INTEGER, "minimum": 1, "description": "The plan; default: the published one."},
        "locked": {"type": "array", "items": {"type": "string"}, "description": "Grids that stay."},
        "most_moved": {
            "type": "number",
            "minimum": 0,
            "description": "No more households than these change grid; below 1 a share of all.",
        },
    },
}


_PLAN: dict[str, Any] = {"type": "integer", "description": "Number of the draft made."}
_TIERS: dict[str, Any] = {
    "type": "array",
    "description": "The plan's tiers, the largest first; not there if it has none.",
    "items": {
        "type": "object",
        "required": ["level", "name", "grids"],
        "properties": {
            "level": {"type": "integer", "description": "0: the grids; below 0: above them; else below."},
            "name": {"type": "object", "description": "By language."},
            "grids": {"type": "integer", "description": "How many it has."},
            "measure": {"type": "string", "description": "What is counted in them."},
            "least": {"type": "number"},
            "mean": {"type": "number"},
            "greatest": {"type": "number"},
            "variation": {"type": "number", "description": "Coefficient of variation."},
            "share_in_range": {"type": "number", "minimum": 0, "maximum": 1},
        },
    },
}
# what a result has, by process
OUTPUTS: Mapping[str, dict[str, dict[str, Any]]] = {
    "partition": {"plan": _PLAN, "tiers": _TIERS},
    "redraw": {"plan": _PLAN},
}


class Inputs(BaseModel):
    """Inputs of either process."""

    model_config = ConfigDict(extra="forbid")

    division: Words = Field(min_length=1, max_length=64)
    profile: Words | None = Field(None, min_length=1, max_length=100)
    seed: int = Field(0, ge=0, le=SEED_MOST)
    reason: Words = Field("", max_length=2000)
    grids: int | None = Field(None, ge=1, le=999)
    effort: int | None = Field(None, ge=1, le=EFFORT_MOST)
    tiers: list[Annotated[Words, Field(max_length=TIER_LETTERS)]] | None = Field(None, max_length=TIERS_MOST)
    base_plan: int | None = Field(None, ge=1, le=PLAN_MOST)
    locked: list[Words] | None = Field(None, max_length=999)
    most_moved: float | None = Field(None, ge=0, le=1e9)


class Execution(BaseModel):
    """An execution request; runs are always asynchronous and results always documents."""

    model_config = ConfigDict(extra="forbid")

    inputs: Inputs
    mode: Literal["async", "auto"] | None = None
    response: Literal["document"] | None = None
    outputs: dict[str, Any] | None = None


class ProcessesQuery(HealthQuery):
    """How many processes."""

    limit: str = Field("10", description="How many at most.")


@router.get("/processes", summary="What can be run", response_class=Response)
def list_processes(context: InContext, query: Annotated[ProcessesQuery, Query()]) -> Response:
    """Only planners and administrators can ask for runs."""
    limit = whole("limit", query.limit, 1, 10_000)
    return answer(
        {
            "processes": [summarise(context, name) for name in list(INPUTS)[:limit]],
            "links": [link(context.href("/processes"), "self", JSON)],
        }
    )


@router.get("/processes/{name}", summary="A process and its inputs", response_class=Response)
def show_process(context: InContext, name: str, query: Annotated[HealthQuery, Query()]) -> Response:
    """Inputs and outputs, each with its schema."""
    told = summarise(context, find_process(name))
    told["inputs"] = {
        key: {"title": key, "schema": schema, "minOccurs": 1 if key == "division" else 0}
        for key, schema in INPUTS[name].items()
    }
    told["outputs"] = {key: {"title": key, "schema": schema} for key, schema in OUTPUTS[name].items()}
    return answer(told)


@router.post(
    "/processes/{name}/execution",
    summary="Ask for a run",
    response_class=Response,
    openapi_extra={"parameters": [HEADER]},
)
def execute(context: InContext, name: str, body: Execution) -> Response:
    """Always asynchronous: 201 with the job's address."""
    process = find_process(name)
    check_planner(context)
    given = body.inputs.model_dump(exclude_none=True)
    for key in given:
        if key not in INPUTS[process]:
            raise MalformedError("parameter-unknown", name=f"inputs.{key}")
    if "profile" in given:
        check_profile(given["profile"], context.lang)
    check_tiers(given.get("tiers", ()), context.lang)
    sent = plain([name, given])

    def ask(connection: Connection) -> Response:
        division = given.pop("division")
        if not has_division(connection, division):
            raise UnknownError("division", code=division)
        base = given.get("base_plan")
        if base is None and (process == "redraw" or "profile" not in given):
            base = published_plan(connection, division)
            if base is None and process == "redraw":
                raise ConflictError("plan-unpublished", division=division)
        if base is not None:
            if get_plan(connection, base)["division_code"] != division:
                raise UnknownError("plan", plan=base)
            given["base_plan"] = base
        if "base_plan" not in given:
            given.setdefault("profile", "yichang")
        run = runs.add_run(connection, division, process, given, requester=context.principal.subject)
        runs.note_job(connection, run["id"], enqueue(connection, run["id"], division))
        told = describe_run(context, run)
        made = answer(told, status=201, location=context.href(f"/jobs/{run['key']}"))
        made.headers["Preference-Applied"] = "respond-async"
        return made

    return answer_once(context, sent, ask)


def find_process(name: str) -> str:
    """The name, if it is a process's. Raises UnknownError."""
    if name not in INPUTS:
        raise UnknownError("process", name=name[:60])
    return name


def check_profile(name: str, lang: Language) -> None:
    """Raise MalformedError unless the profile is one that comes with Wangge; files of the server are none."""
    from partition.wishes.policy import load_profile, profile_names

    if name not in profile_names():
        raise MalformedError(
            "parameter-value", name="inputs.profile", value=name, choice=", ".join(profile_names())
        )
    try:
        load_profile(name)
    except ProfileError as error:
        reason = "; ".join(finding.text(lang) for finding in error.findings)
        raise MalformedError("profile", reason=reason) from None


def check_tiers(given: Sequence[str], lang: Language) -> None:
    """Raise MalformedError unless each is a tier as `wangge plan --tier` takes it, none asked for twice."""
    from partition.tiers.levels import read_ask, refuse_repeated

    asks = []
    for entry in given:
        ask = read_ask(entry)
        if ask is None:
            raise MalformedError("tier-form", value=entry[:60])
        asks.append(ask)
    try:
        refuse_repeated(asks)
    except InputError as error:
        raise MalformedError(
            "tier-name", reason="; ".join(finding.text(lang) for finding in error.findings)
        ) from None


def summarise(context: Context, name: str) -> dict[str, Any]:
    """A process as lists show it."""
    say = catalogue("service").say
    return {
        "id": name,
        "version": VERSION,
        "title": say(f"process.{name}", context.lang),
        "description": say(f"process.{name}.about", context.lang),
        "jobControlOptions": ["async-execute", "dismiss"],
        "outputTransmission": ["value"],
        "links": [
            link(context.href(f"/processes/{name}"), "self", JSON),
            link(context.href(f"/processes/{name}/execution"), f"{OGC_REL}execute", JSON),
        ],
    }


def describe_run(context: Context, run: RowMapping) -> dict[str, Any]:
    """A run as OGC API – Processes tells a job's status, and besides its division, inputs and requester."""
    say = catalogue("service").say
    status, result, lang = run["status"], run["result"] or {}, context.lang
    words: dict[str, object] = {}
    if status == "running":
        key = f"step.{run['message']}"
        words["step"] = say(key, lang) if key in catalogue("service") else run["message"]
    elif status == "successful":
        words["plan"] = result["plan"]
    elif status == "failed":
        words["reason"] = result["reason"][lang]
    path = f"/jobs/{run['key']}"
    told = {
        "jobID": run["key"],
        "type": "process",
        "processID": run["process"],
        "status": status,
        "message": say(f"job-{status}", lang, **words),
        "progress": run["progress"],
        "created": run["created_at"],
        "started": run["started_at"],
        "finished": run["finished_at"],
        "updated": run["updated_at"],
        "division": run["division_code"],
        "inputs": run["inputs"],
        "requester": run["requester"],
        "links": [link(context.href(path), "self", JSON)],
    }
    told = {name: value for name, value in told.items() if value is not None}
    if status == "successful":
        told["links"].append(link(context.href(f"{path}/results"), f"{OGC_REL}results", JSON))
        told["links"].append(link(context.href(f"/plans/{result['plan']}"), "related", JSON))
    return told
