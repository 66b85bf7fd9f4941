"""Revisions of a draft: each keeps what the edit was, and the state that it left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, text, update

from service import models
from service.store.errors import ConflictError
from service.store.merge import copy_rows
from service.store.notes import lock_plan
from service.store.plans import copy_grids
from service.store.tiers import Moved, follow_grids

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True)
class State:
    """A draft after an edit. codes: of all grids since it began; labels: each unit's place in them; held:
    units that an edit placed; locked: codes.
    """

    codes: tuple[str, ...]
    labels: tuple[int, ...]
    held: tuple[int, ...] = ()
    locked: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return {"codes": list(self.codes), "labels": list(self.labels), "held": list(self.held)}


@dataclass(frozen=True)
class Revision:
    """An edit about to be kept: `operation` on `base`, what it led to, and the plan as it then is.

    grids, buildings: as in `Split`. figures, report: of the plan; told: of the revision.
    """

    operation: Mapping[str, Any]
    base: int
    state: State
    told: Mapping[str, Any]
    report: Mapping[str, Any]
    grids: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame


def select_state(connection: Connection, plan: int, revision: int) -> State | None:
    """What the plan was after a revision; None if there is no such."""
    r = models.plan_revisions.c
    row = connection.execute(
        select(r.assignment, r.locked).where(r.plan_id == plan, r.revision == revision)
    ).first()
    if row is not None:
        kept = row.assignment
        return State(tuple(kept["codes"]), tuple(kept["labels"]), tuple(kept["held"]), tuple(row.locked))
    return _first_state(connection, plan) if revision == 0 else None


def _first_state(connection: Connection, plan: int) -> State:
    """The state of a plan that was never edited."""
    a = models.plan_assignments.c
    rows = connection.execute(select(a.unit, a.grid_code).where(a.plan_id == plan).order_by(a.unit)).all()
    codes = tuple(sorted({row.grid_code for row in rows}))
    place = {code: number for number, code in enumerate(codes)}
    locked = connection.scalar(select(models.plans.c.locked).where(models.plans.c.id == plan)) or ()
    return State(codes, tuple(place[row.grid_code] for row in rows), (), tuple(locked))


def select_revisions(connection: Connection, plan: int) -> list[RowMapping]:
    """Every revision without its assignment, oldest first."""
    r = models.plan_revisions.c
    return list(
        connection.execute(
            select(r.revision, r.operation, r.locked, r.figures, r.author, r.at)
            .where(r.plan_id == plan)
            .order_by(r.revision)
        ).mappings()
    )


def undone_to(connection: Connection, plan: int, revision: int) -> int | None:
    """The revision whose state comes back when the newest edit is undone; None if there is none left."""
    r = models.plan_revisions.c
    undos = {
        row.revision: int(row.operation["to"])
        for row in connection.execute(
            select(r.revision, r.operation).where(
                r.plan_id == plan, r.operation["operation"].as_string() == "undo"
            )
        )
    }
    while revision in undos:
        revision = undos[revision]
    return revision - 1 if revision > 0 else None


def keep_revision(connection: Connection, plan: int, first: State, made: Revision, *, author: str) -> int:
    """Keep an edit and let the plan be what it led to; returns the new revision.

    Raises ConflictError where another edit came first, or the plan is no draft any more.
    """
    row = lock_plan(connection, plan)
    check_editable(row, made.base)
    if made.base == 0:
        _add(connection, row, 0, {"operation": "begin"}, first, {}, row["author"])
    revision = made.base + 1
    _add(connection, row, revision, made.operation, made.state, made.told, author)
    _rewrite(connection, row["division_code"], plan, made)
    follow_grids(connection, plan, _moved(connection, plan, first, made.state), made.grids)
    connection.execute(
        update(models.plans)
        .where(models.plans.c.id == plan)
        .values(
            revision=revision,
            locked=list(made.state.locked),
            figures=made.report.get("figures", {}),
            report=dict(made.report),
        )
    )
    return revision


def _moved(connection: Connection, plan: int, first: State, state: State) -> list[Moved]:
    """What every unit brought from the grid in which the plan began to the one that it is in now."""
    u = models.plan_units.c
    rows = connection.execute(select(u.households).where(u.plan_id == plan).order_by(u.unit)).scalars()
    return [
        Moved(first.codes[before], state.codes[after], households)
        for before, after, households in zip(first.labels, state.labels, rows, strict=True)
    ]


def check_editable(row: RowMapping, base: int) -> None:
    """Raise ConflictError unless the plan is a draft whose newest revision is `base`."""
    if row["status"] != "draft":
        raise ConflictError("plan-not-draft", plan=row["id"], status=row["status"])
    if row["revision"] != base:
        raise ConflictError("plan-revised", plan=row["id"], revision=row["revision"], base=base)


def _add(
    connection: Connection,
    row: RowMapping,
    revision: int,
    operation: Mapping[str, Any],
    state: State,
    told: Mapping[str, Any],
    author: str,
) -> None:
    connection.execute(
        insert(models.plan_revisions).values(
            division_code=row["division_code"],
            plan_id=row["id"],
            revision=revision,
            operation=dict(operation),
            assignment=state.document(),
            locked=list(state.locked),
            figures=dict(told),
            author=author,
        )
    )


def _rewrite(connection: Connection, division: str, plan: int, made: Revision) -> None:
    """Units, buildings and grids of the plan as the edit left them."""
    grid_of_unit = [made.state.codes[label] for label in made.state.labels]
    units = list(range(len(grid_of_unit)))
    connection.execute(_RECODE, {"units": units, "codes": grid_of_unit, "plan": plan})
    atoms = made.buildings[made.buildings["grid"] != ""].groupby("id", sort=False)
    found = atoms.agg(grid=("grid", "first"), households=("households", "sum"))
    b = models.plan_buildings
    connection.execute(delete(b).where(b.c.plan_id == plan))
    copy_rows(
        connection,
        b,
        {
            "division_code": [division] * len(found),
            "plan_id": [plan] * len(found),
            "building_id": found.index.tolist(),
            "grid_code": found["grid"].tolist(),
            "households": found["households"].tolist(),
        },
    )
    connection.execute(delete(models.plan_grids).where(models.plan_grids.c.plan_id == plan))
    copy_grids(connection, division, plan, made.grids)


_RECODE = text("""
    update plan_assignments a set grid_code = w.code
    from unnest(cast(:units as integer[]), cast(:codes as text[])) as w (unit, code)
    where a.plan_id = :plan and a.unit = w.unit and a.grid_code <> w.code
""")
