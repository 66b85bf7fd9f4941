"""Requests that may be repeated: with an `Idempotency-Key`, a request is done once, however often it comes.

As the IETF's HTTP API working group drafts it (draft-ietf-httpapi-idempotency-key-header): the key is the
client's, best a UUID; the same key with something else is refused, and so is a request that comes again while
it is under way. Without the header nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection

from service.faults import MalformedError
from service.query.box import short
from service.store.answers import Answer, find_answer, keep_answer
from service.web.context import Context

KEY_MOST = 200
HEADER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The client's own, best a UUID: the same request again is answered, not done again.",
    "schema": {"type": "string", "maxLength": KEY_MOST, "pattern": "^[!-~]+$"},
}
_KEPT = ("location", "etag", "content-type", "preference-applied")
# what else makes two requests with the same body different
_MEANT = ("content-type", "content-crs")


def read_key(request: Request) -> str | None:
    """The key; quoted, as a string of structured fields is, or bare. Raises MalformedError."""
    told = request.headers.get("idempotency-key")
    if told is None:
        return None
    key = told[1:-1] if re.fullmatch(r'"[^"]*"', told) else told
    if not re.fullmatch(rf"[!-~]{{1,{KEY_MOST}}}", key) or '"' in key:
        raise MalformedError("repeat-key", value=short(told), most=KEY_MOST)
    return key


def answer_once(context: Context, sent: bytes, do: Callable[[Connection], Response]) -> Response:
    """What `do` answers, in a transaction of writing; where that was done before, what was answered then.

    UnderwayError, RepeatedError: see `find_answer`.
    """
    request = context.request
    key = read_key(request)
    with context.writing() as connection:
        if key is None:
            return do(connection)
        principal = context.principal
        who = _digest(
            context.holder,
            *(principal.role.value, *principal.scope, "", *sorted(principal.grids)),
            *(request.method, request.url.path),
        )
        asked = _digest(*(request.headers.get(name, "") for name in _MEANT), sent)
        before = find_answer(connection, who, key, asked)
        if before is not None:
            return Response(before.body, before.status, dict(before.headers))
        answer = do(connection)
        headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
        body = bytes(answer.body).decode("utf-8")
        keep_answer(connection, who, key, asked, Answer(answer.status_code, headers, body))
        return answer


def _digest(*parts: str | bytes) -> bytes:
    made = hashlib.sha256()
    for part in parts:
        told = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        made.update(len(told).to_bytes(8, "big") + told)
    return made.digest()


def plain(content: Any) -> bytes:
    """What was sent, once it was read: equal for equal content."""
    return json.dumps(content, sort_keys=True, ensure_ascii=True).encode()
