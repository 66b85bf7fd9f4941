"""What can go wrong in a request; the one place that knows status codes. Answers are problem+json."""

from __future__ import annotations

import logging
import re

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DataError, OperationalError, TimeoutError
from starlette.exceptions import HTTPException

from partition.texts import catalogue
from service.exports.faults import FullDiskError, LargeError, RangeError, UnfitError
from service.faults import (
    BusyError,
    FixedError,
    ForbiddenError,
    ForeignPageError,
    ForgedError,
    LinkSpentError,
    MalformedError,
    MediaError,
    NoMethodError,
    NotAllowedInError,
    RateError,
    RepeatedError,
    ServiceError,
    StaleError,
    TakenError,
    TooLargeError,
    UnderwayError,
    UnknownError,
    UnlockedError,
    WrongHostError,
)
from service.operating import OperatingError
from service.store.errors import (
    ConflictError,
    NotFoundError,
    OutdatedError,
    PlanRefusedError,
    StoreError,
)
from service.web.headers import HEADERS
from service.web.languages import language_of, wants_html

logger = logging.getLogger(__name__)

PROBLEM = "application/problem+json"


STATUS: dict[type[ServiceError], int] = {
    MalformedError: 400,
    UnknownError: 404,
    LinkSpentError: 403,
    NotAllowedInError: 401,
    ForbiddenError: 403,
    ForgedError: 403,
    ForeignPageError: 403,
    WrongHostError: 421,
    NoMethodError: 405,
    TakenError: 409,
    FixedError: 409,
    UnderwayError: 409,
    StaleError: 412,
    TooLargeError: 413,
    MediaError: 415,
    RangeError: 416,
    UnlockedError: 428,
    RateError: 429,
    BusyError: 503,
    RepeatedError: 422,
    UnfitError: 422,
    LargeError: 422,
    FullDiskError: 507,
}
RETRY_S = 20
# problems that a standard gives a name to (OGC API – Processes Part 1, 7.11 to 7.13), by their key
_PROCESSES = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
TYPES = {
    "process": f"{_PROCESSES}no-such-process",
    "job": f"{_PROCESSES}no-such-job",
    "job-no-result": f"{_PROCESSES}result-not-ready",
}


STORE_STATUS: tuple[tuple[type[StoreError], int], ...] = (
    (NotFoundError, 404),
    (OutdatedError, 412),
    (ConflictError, 409),
    (PlanRefusedError, 422),
    (StoreError, 422),
)


def add_handlers(app: FastAPI) -> None:
    """Turn every error of `app` into an answer with its reason and without internals."""

    @app.exception_handler(ServiceError)
    def explain(request: Request, error: ServiceError) -> Response:
        answer = problem(request, STATUS[type(error)], error)
        if isinstance(error, BusyError):
            answer.headers["Retry-After"] = str(RETRY_S)
        return answer

    @app.exception_handler(NotAllowedInError)
    def ask_who(request: Request, error: NotAllowedInError) -> Response:
        answer = problem(request, 401, error)
        answer.headers["WWW-Authenticate"] = 'Bearer realm="wangge"'
        return answer

    @app.exception_handler(NoMethodError)
    def name_methods(request: Request, error: NoMethodError) -> Response:
        answer = problem(request, 405, error)
        answer.headers["Allow"] = ", ".join(("GET", "HEAD", *error.methods, "OPTIONS"))
        return answer

    @app.exception_handler(RangeError)
    def name_size(request: Request, error: RangeError) -> Response:
        answer = problem(request, 416, error)
        answer.headers["Content-Range"] = f"bytes */{error.size}"
        return answer

    @app.exception_handler(RateError)
    def name_wait(request: Request, error: RateError) -> Response:
        answer = problem(request, 429, error)
        answer.headers["Retry-After"] = str(error.after)
        return answer

    @app.exception_handler(StoreError)
    def explain_store(request: Request, error: StoreError) -> Response:
        more: dict[str, object] = {}
        if isinstance(error, PlanRefusedError):
            more["findings"] = [finding.to_dict() for finding in error.findings]
        if "revision" in error.values:
            more["revision"] = error.values["revision"]
        status = next(status for kind, status in STORE_STATUS if isinstance(error, kind))
        return problem(request, status, error, **more)

    @app.exception_handler(OperatingError)
    def explain_operation(request: Request, error: OperatingError) -> Response:
        logger.error("operation", exc_info=error)
        return problem(request, 503, ServiceError("operation"))

    @app.exception_handler(RequestValidationError)
    def explain_parameters(request: Request, error: RequestValidationError) -> Response:
        return problem(request, 400, _parameter_error(error))

    @app.exception_handler(HTTPException)
    def explain_route(request: Request, error: HTTPException) -> Response:
        key = {404: "no-page", 405: "no-method"}.get(error.status_code, "request")
        answer = problem(request, error.status_code, ServiceError(key, path=request.url.path))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(psycopg.errors.DataError)
    @app.exception_handler(DataError)  # the same, as SQLAlchemy tells it
    def explain_uncomputable(request: Request, error: Exception) -> Response:
        return problem(request, 400, MalformedError("question-uncomputable"))

    @app.exception_handler(psycopg.OperationalError)
    @app.exception_handler(OperationalError)
    @app.exception_handler(TimeoutError)  # no connection became free
    def explain_database(request: Request, error: Exception) -> Response:
        cause = error.orig if isinstance(error, OperationalError) else error
        if isinstance(cause, psycopg.errors.QueryCanceled):
            return problem(request, 422, ServiceError("question-slow"))
        waits = isinstance(cause, psycopg.errors.LockNotAvailable | TimeoutError)
        logger.error("busy" if waits else "database", exc_info=error)
        answer = problem(request, 503, BusyError("busy") if waits else ServiceError("database-away"))
        answer.headers["Retry-After"] = "2"
        return answer

    @app.exception_handler(Exception)
    def hide(request: Request, error: Exception) -> Response:
        # Starlette answers this outside of every middleware, so the guard adds nothing to it; then it raises
        # the error again, and the server logs it whole
        answer = problem(request, 500, ServiceError("unexpected"))
        answer.headers.update(HEADERS)
        return answer


def problem(request: Request, status: int, error: ServiceError | OperatingError, **more: object) -> Response:
    """The answer to a request that failed: a page for a browser, problem+json for the rest.

    more: further members of the problem.
    """
    lang = language_of(request)
    texts = catalogue("service")
    title = texts.say(f"status.{status}" if f"status.{status}" in texts else "status.request", lang)
    if wants_html(request):
        from service.web.pages import problem_page

        return problem_page(request, status, title, error, lang)
    body = {
        "type": TYPES.get(error.key, "about:blank"),
        "title": title,
        "status": status,
        "detail": error.text(lang),
        "code": error.key,
        **more,
    }
    return JSONResponse(body, status_code=status, media_type=PROBLEM)


def _parameter_error(error: RequestValidationError) -> ServiceError:
    """The first fault that the parameters' model found, in our words."""
    fault = error.errors()[0]
    name = str(fault["loc"][-1]) if len(fault["loc"]) > 1 else ""
    if fault["type"] == "extra_forbidden":
        return MalformedError("parameter-unknown", name=name)
    if fault["type"] == "missing":
        return MalformedError("parameter-missing", name=name)
    # only parameters with a choice of values are judged by the model; the others say themselves what is wrong
    choice = ", ".join(re.findall(r"'([^']*)'", fault["msg"]))
    return MalformedError("parameter-value", name=name, value=_shown(fault.get("input")), choice=choice)


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:60] + "…"
