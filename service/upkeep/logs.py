"""The log: a JSON object a line, or lines for a person, each with its request's id, and without secrets.

What is logged on purpose holds none; the cleaning is for what others' exceptions and warnings may hold.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote, unquote

from service.models.base import IDENTITY_NUMBER

Form = Literal["json", "text"]

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_SECRETS = re.compile(
    r"""wg_[\w-]{8,}                                      # an API key
    | eyJ[\w-]{8,}\.[\w-]+\.[\w-]*                        # a JWT
    | (?i:(?<=bearer[ ]))[^\s"',}]+
    | (?i:(?<=token=)|(?<=csrf=)|(?<=password=)|(?<=wangge_session=))[^\s&;"']+
    | (?<=://)[^/@\s]+(?=@)                               # user and password of an address
    """,
    re.VERBOSE,
)
# one of these stands in every text that holds such a secret: most hold none, and are not searched
_MARKS = ("wg_", "eyj", "bearer ", "token=", "csrf=", "password=", "wangge_session=", "://")
# PostgreSQL tells values of rows here
_VALUES = re.compile(r"^(DETAIL|CONTEXT|HINT):.*$", re.MULTILINE)
_IDENTITY = re.compile(IDENTITY_NUMBER)
_write = json.JSONEncoder(ensure_ascii=False, default=str).encode


def clean(text: str) -> str:
    """The text without secrets, values of rows and identity numbers."""
    folded = text.casefold()
    if any(mark in folded for mark in _MARKS):
        text = _SECRETS.sub("***", text)
    text = _VALUES.sub(r"\1: ***", text)
    return _IDENTITY.sub(r"\1***\5", text)


def clean_path(path: str) -> str:
    """A path as it was sent, without what its escapes hide."""
    if "%" not in path:
        return clean(path)
    plain = unquote(path)
    cleaned = clean(plain)
    return path if cleaned == plain else quote(cleaned, safe="/*?=&")


def request_id(brought: str | None) -> str:
    """The id of a request: the one that it brought, if that is fit to stand in a log, else a new one."""
    if brought is not None and _WELL_FORMED.fullmatch(brought) and clean(brought) == brought:
        return brought
    return secrets.token_hex(8)


class JsonLines(logging.Formatter):
    """A JSON object a line: at, level, logger, message, request, and what the call gave as `facts`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`."""
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        if request := REQUEST_ID.get():
            told["request"] = request
        facts: dict[str, Any] = getattr(record, "facts", {})
        told |= {name: clean(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
        if record.exc_info:
            told["exception"] = clean(self.formatException(record.exc_info))
        return _write(told)


class TextLines(logging.Formatter):
    """A line for a person, its exception below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`."""
        request = REQUEST_ID.get()
        return clean(super().format(record)) + (f" [{request}]" if request else "")


def _tell_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("service").critical("ended by an error", exc_info=(kind, error, trace))


def begin_logging(form: Form | None, level: str = "info", *, requests: bool = True) -> None:
    """Log to standard error: ours from `level` on, others' from warnings on. No form: as who reads needs it.

    requests: whether each request is logged, and that the server is warm.
    """
    if form is None:
        form = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(True)
    sys.excepthook = _tell_end
    logging.getLogger("service").setLevel(level.upper())
    for name in ("service.access_log", "service.upkeep.warming"):
        logging.getLogger(name).setLevel(logging.INFO if requests else logging.WARNING)
