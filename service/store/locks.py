"""Who may change a division's data: one loading or publishing transaction at a time."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, text

from service.store.errors import ConflictError

# the first key of our advisory locks; procrastinate and others have theirs
_SPACE = 0x7767


def lock_divisions(connection: Connection, codes: Iterable[str]) -> None:
    """Wait until nobody else changes the divisions, and keep them until the transaction ends."""
    for code in sorted(codes):
        connection.execute(
            text("select pg_advisory_xact_lock(:space, hashtext(:code))"), {"space": _SPACE, "code": code}
        )


def claim_division(connection: Connection, code: str) -> None:
    """Keep the division until the transaction ends; ConflictError if somebody else has it."""
    if not connection.scalar(
        text("select pg_try_advisory_xact_lock(:space, hashtext(:code))"), {"space": _SPACE, "code": code}
    ):
        raise ConflictError("publish-busy", division=code)
