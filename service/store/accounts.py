"""API keys, login links and sessions. Of a secret only its SHA-256 is kept: each is 256 random bits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, select, update

from service import db, models
from service.access import Principal, Role
from service.store.errors import NotFoundError
from service.store.reading import WHO, read_row

GATE = "gate"  # the row policies' name for the service at its own door
_GATE = {"who_role": GATE, "who_scope": db.EVERYWHERE, "who_grids": "", "who_subject": ""}
# asked at each request: one statement each. Once a minute is enough to tell which keys are in use.
_KEY = f"""
    select k.role, k.scope, k.grids, k.subject, k.id, k.expires_at, k.unnoted from {WHO} cross join lateral (
        select a.*, coalesce(a.used_at < now() - interval '1 minute', true) as unnoted from api_keys a
        where who.told is not null and a.digest = :digest and a.revoked_at is null and a.expires_at > now()
    ) k
"""  # noqa: S608  # no value is in it
# a session that a key began ends with the key
_SESSION = f"""
    select s.role, s.scope, s.grids, s.subject, s.holder from {WHO} cross join lateral (
        select a.* from sessions a left join api_keys k on k.id = a.key_id
        where who.told is not null and a.digest = :digest and a.ended_at is null and a.expires_at > now()
          and (a.key_id is null or (k.revoked_at is null and k.expires_at > now()))
    ) s
"""  # noqa: S608


@dataclass(frozen=True)
class Admission:
    """Who a secret lets in, and until when; key: the number of the API key that it is."""

    principal: Principal
    until: datetime
    key: int | None = None


@dataclass(frozen=True)
class Key:
    """What may be known of an API key; `hint` is how it begins."""

    number: int
    hint: str
    name: str
    principal: Principal
    issued_by: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None

    def state(self, now: datetime) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if now < self.expires_at else "expired"


def digest(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


# --- API keys ---


def add_key(
    connection: Connection,
    secret: str,
    principal: Principal,
    *,
    hint: str,
    name: str,
    issued_by: str,
    expires_at: datetime,
) -> int:
    """Keep a new key; returns its number."""
    return int(
        connection.execute(
            insert(models.api_keys)
            .values(
                digest=digest(secret),
                hint=hint,
                name=name,
                issued_by=issued_by,
                expires_at=expires_at,
                **_columns(principal),
            )
            .returning(models.api_keys.c.id)
        ).scalar_one()
    )


def read_key(engine: Engine, secret: str) -> Admission | None:
    """Who a valid key stands for; None if it is unknown, expired or revoked. Notes that it was used."""
    row = read_row(engine, _KEY, {**_GATE, "digest": digest(secret)}, by_key=True)
    if row is None:
        return None
    role, scope, grids, subject, number, until, unnoted = row
    if unnoted:
        with db.transaction(engine, role=GATE, scope=[db.EVERYWHERE]) as connection:
            keys = models.api_keys
            connection.execute(update(keys).where(keys.c.id == number).values(used_at=func.now()))
    # keys of one name and role are one holder's (`wangge token create` asks); a key without a name is its own
    holder = f"key {role} {subject}" if subject else f"key {number}"
    return Admission(_principal(role, scope, grids, subject, holder), until, number)


def named_keys(connection: Connection, name: str) -> list[int]:
    """Numbers of the keys of that name that let somebody in now."""
    keys = models.api_keys.c
    valid = keys.revoked_at.is_(None), keys.expires_at > func.now()
    return list(connection.scalars(select(keys.id).where(keys.subject == name, *valid).order_by(keys.id)))


def list_keys(connection: Connection) -> list[Key]:
    """All keys, the newest first."""
    rows = connection.execute(select(models.api_keys).order_by(models.api_keys.c.id.desc()))
    return [
        Key(
            row.id,
            row.hint,
            row.name,
            _principal(row.role, row.scope, row.grids, row.subject),
            row.issued_by,
            row.issued_at,
            row.expires_at,
            row.revoked_at,
            row.used_at,
        )
        for row in rows
    ]


def revoke_key(connection: Connection, number: int) -> None:
    """End a key. NotFoundError if there is none of that number, or it was ended before."""
    keys = models.api_keys
    done = connection.execute(
        update(keys).where(keys.c.id == number, keys.c.revoked_at.is_(None)).values(revoked_at=func.now())
    )
    if done.rowcount == 0:
        raise NotFoundError("token-unknown", number=number)


def has_keys(connection: Connection) -> bool:
    """Whether any key lets somebody in now."""
    keys = models.api_keys
    valid = select(keys.c.id).where(keys.c.revoked_at.is_(None), keys.c.expires_at > func.now())
    return connection.execute(valid.limit(1)).one_or_none() is not None


# --- login links and sessions ---


def add_link(connection: Connection, secret: str, principal: Principal, expires_at: datetime) -> None:
    """Keep a link that lets one browser in, once."""
    connection.execute(
        insert(models.login_links).values(digest=digest(secret), expires_at=expires_at, **_columns(principal))
    )


def spend_link(connection: Connection, secret: str) -> Principal | None:
    """Who the link stands for, and the link is spent; None if it is unknown, spent or too old."""
    links = models.login_links
    row = connection.execute(
        update(links)
        .where(links.c.digest == digest(secret), links.c.used_at.is_(None), links.c.expires_at > func.now())
        .values(used_at=func.now())
        .returning(links)
    ).one_or_none()
    return None if row is None else _principal(row.role, row.scope, row.grids, row.subject)


def add_session(
    connection: Connection,
    secret: str,
    principal: Principal,
    expires_at: datetime,
    key: int | None = None,
) -> None:
    """Begin a browser's session; key: the number of the API key that it ends with."""
    connection.execute(
        insert(models.sessions).values(
            digest=digest(secret),
            expires_at=expires_at,
            key_id=key,
            holder=principal.holder,
            **_columns(principal),
        )
    )


def read_session(engine: Engine, secret: str) -> Principal | None:
    """Whose session it is; None if it is unknown, too old or ended, or the key that began it is."""
    row = read_row(engine, _SESSION, {**_GATE, "digest": digest(secret)}, by_key=True)
    return None if row is None else _principal(*row)


def end_session(connection: Connection, secret: str) -> None:
    """Let a session, and every copy of its cookie, be worth nothing from now on."""
    _end(connection, models.sessions, digest(secret))


def _end(connection: Connection, table: Table, of: bytes) -> None:
    connection.execute(
        update(table).where(table.c.digest == of, table.c.ended_at.is_(None)).values(ended_at=func.now())
    )


def _columns(principal: Principal) -> Mapping[str, Any]:
    return {
        "role": principal.role.value,
        "scope": list(principal.scope),
        "grids": sorted(principal.grids),
        "subject": principal.subject,
    }


def _principal(
    role: str, scope: Sequence[str], grids: Sequence[str], subject: str, holder: str = ""
) -> Principal:
    return Principal(Role(role), tuple(scope), frozenset(grids), subject, holder)
