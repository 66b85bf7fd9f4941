"""The life of a plan: draft, submitted, approved, published, archived; who took each step, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, text, update

from service import models
from service.access import Principal
from service.store.errors import ConflictError, NotFoundError, OutdatedError
from service.store.grids import Publication, publish_plan

# Steps that the service takes. The database permits some more to its owner, who publishes drafts of his own.
STEPS: Mapping[str, tuple[str, ...]] = {
    "draft": ("submitted", "archived"),
    "submitted": ("draft", "approved", "archived"),
    "approved": ("draft", "published", "archived"),
    "published": (),
    "archived": (),
}


def lock_plan(
    connection: Connection, plan: int, version: int | None = None, changed_at: int | None = None
) -> RowMapping:
    """The plan's row, which nobody else changes until the transaction ends.

    changed_at: microseconds (Unix time) of the last change at that version, for after a restore there is
    another row of the same version. Raises NotFoundError, or OutdatedError where it is no longer that one.
    """
    found = (
        connection.execute(select(models.plans).where(models.plans.c.id == plan).with_for_update())
        .mappings()
        .first()
    )
    if found is None:
        raise NotFoundError("plan-unknown", plan=plan)
    if version not in (None, found["version"]) or changed_at not in (None, changed_of(found)):
        raise OutdatedError("plan-changed", plan=plan, version=found["version"])
    return found


def changed_of(row: RowMapping) -> int:
    """Microseconds (Unix time) of a row's last change."""
    changed_at: datetime = row["updated_at"]
    return round(changed_at.timestamp() * 1_000_000)


def take_step(
    connection: Connection,
    principal: Principal,
    plan: int,
    to: str,
    *,
    note: str = "",
    version: int | None = None,
    changed_at: int | None = None,
    over: int | None = None,
) -> Publication | None:
    """Take the plan one step further, with a note of who and why; returns what a publication did.

    A plan is approved by somebody else than whoever made, edited or submitted it. Only approved plans are
    published. Raises ConflictError, OutdatedError, NotFoundError or PlanRefusedError.
    """
    row = lock_plan(connection, plan, version, changed_at)
    before = row["status"]
    if to not in STEPS[before]:
        raise ConflictError("plan-step", plan=plan, before=before, after=to)
    if to == "approved" and principal.subject in {"", *_makers(connection, row)}:
        raise ConflictError("plan-own", plan=plan)
    add_note(connection, principal, row, note, to=to)
    if to == "published":
        return publish_plan(connection, plan, over=over, author=principal.subject, principal=principal)
    changed = {"status": to}
    if to == "archived":
        changed["archived_at"] = text("clock_timestamp()")  # type: ignore[assignment]
    connection.execute(update(models.plans).where(models.plans.c.id == plan).values(**changed))
    return None


def _makers(connection: Connection, row: RowMapping) -> set[str]:
    """Who made, edited or submitted the plan."""
    notes, revisions = models.plan_notes.c, models.plan_revisions.c
    submitted = select(notes.author).where(
        notes.plan_id == row["id"], notes.to_status == "submitted", notes.from_status == "draft"
    )
    edited = select(revisions.author).where(revisions.plan_id == row["id"])
    return {row["author"], *connection.scalars(submitted.union(edited))}


def add_note(
    connection: Connection, principal: Principal, row: RowMapping, note: str, *, to: str | None = None
) -> None:
    """Keep a comment on the plan, or with `to` the reason of a step."""
    connection.execute(
        insert(models.plan_notes).values(
            division_code=row["division_code"],
            plan_id=row["id"],
            from_status=row["status"],
            to_status=to or row["status"],
            author=principal.subject,
            text=note,
        )
    )


def select_notes(connection: Connection, plan: int) -> list[RowMapping]:
    """Steps and comments, oldest first."""
    notes = models.plan_notes.c
    return list(
        connection.execute(
            select(notes.id, notes.from_status, notes.to_status, notes.author, notes.text, notes.at)
            .where(notes.plan_id == plan)
            .order_by(notes.at, notes.id)
        ).mappings()
    )
