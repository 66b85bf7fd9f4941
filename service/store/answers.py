"""Answers kept for a day, so that a request repeated after a lost answer is answered again, not done again.

An answer is stored in the transaction of what it is about: after it there are both, or neither. The row
policies show each the answers to its own requests only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, insert, select, text

from service import models
from service.faults import RepeatedError, UnderwayError

KEPT = timedelta(days=1)
# the first key of advisory locks on answers
_SPACE = 0x7770

_TELL = text("select set_config('wangge.answers', :who, true)")
_LOCK = text("select pg_try_advisory_xact_lock(:space, hashtext(:name))")
_PURGE = text("select wangge_purge_answers(:kept, :key)")


@dataclass(frozen=True)
class Answer:
    """What was answered; body: text of UTF-8."""

    status: int
    headers: Mapping[str, str]
    body: str


def find_answer(connection: Connection, who: bytes, key: str, asked: bytes) -> Answer | None:
    """The answer to this request where it was done before; else nobody else does it meanwhile.

    who: a digest of who asks and where; asked: of what is sent. UnderwayError: it is being done now;
    RepeatedError: the key was used for another one.
    """
    connection.execute(_TELL, {"who": who.hex()})
    name = f"{who.hex()} {key}"
    if not connection.scalar(_LOCK, {"space": _SPACE, "name": name}):
        raise UnderwayError("repeat-underway")
    kept = models.answers.c
    found = connection.execute(
        select(kept.asked, kept.status, kept.headers, kept.body).where(
            kept.who == who, kept.key == key, kept.at > text("now() - cast(:kept as interval)")
        ),
        {"kept": KEPT},
    ).first()
    if found is None:
        return None
    if bytes(found.asked) != asked:
        raise RepeatedError("repeat-other")
    return Answer(found.status, found.headers, found.body)


def keep_answer(connection: Connection, who: bytes, key: str, asked: bytes, answer: Answer) -> None:
    """Keep it, in the place of one of before; and forget others that are past their time."""
    connection.execute(_PURGE, {"kept": KEPT, "key": key})
    connection.execute(
        insert(models.answers).values(
            who=who,
            key=key,
            asked=asked,
            status=answer.status,
            headers=dict(answer.headers),
            body=answer.body,
        )
    )
