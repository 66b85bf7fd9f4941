"""Who may come in, and what they looked at."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.schema import SchemaItem

from service.models.base import ROLES, document, ledger, members, moment, number, one_of, table, words

# Append-only: a trigger refuses update, delete and truncate even to the owner.
audit = table(
    "audit",
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    words("principal"),
    words("role"),
    words("action", None),
    words("group_code"),
    words("place"),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Index(None, "division_code", "at"),
    of_division=False,
)


def _principal() -> list[SchemaItem]:
    return [
        words("role", None),
        members("scope"),
        members("grids"),
        words("subject"),
        one_of("role", ROLES),
    ]


# API keys: shown once, kept as a digest (SHA-256 of 256 random bits).
api_keys = ledger(
    "api_keys",
    Column("digest", LargeBinary, nullable=False),
    words("hint", None),
    words("name", None),
    *_principal(),
    words("issued_by"),
    moment("issued_at", now=True),
    moment("expires_at", required=True),
    moment("revoked_at"),
    moment("used_at"),
    UniqueConstraint("digest"),
)

# One-time links that let a browser in.
login_links = ledger(
    "login_links",
    Column("digest", LargeBinary, nullable=False),
    *_principal(),
    moment("expires_at", required=True),
    moment("used_at"),
    UniqueConstraint("digest"),
)

# Browser sessions. key_id: the key that began it, with which it ends; holder: see `service.access.Principal`.
sessions = ledger(
    "sessions",
    Column("digest", LargeBinary, nullable=False),
    *_principal(),
    moment("begun_at", now=True),
    moment("expires_at", required=True),
    moment("ended_at"),
    Column("key_id", BigInteger, ForeignKey("api_keys.id", ondelete="CASCADE")),
    words("holder"),
    UniqueConstraint("digest"),
    Index(None, "expires_at"),
)

# Random bits of this installation that never leave it: what noise is made from.
secrets = ledger(
    "secrets",
    words("name", None),
    Column("bits", LargeBinary, nullable=False),
    UniqueConstraint("name"),
)

# Answers to requests that carried an `Idempotency-Key`, so that the same request again is answered, not done
# again. who: a digest of who asked and where; asked: of what was sent. Kept for a day.
answers = ledger(
    "answers",
    Column("who", LargeBinary, nullable=False),
    words("key", None),
    Column("asked", LargeBinary, nullable=False),
    number("status"),
    document("headers"),
    words("body"),
    moment("at", now=True),
    UniqueConstraint("who", "key"),
    Index(None, "at"),
)
