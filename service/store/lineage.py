"""The lineage of a grid's code: what it was made of, and what became of it, through all publications."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, text

from service.access import Principal, access
from service.registry import COLLECTIONS

STEPS_MOST = 2000


@dataclass(frozen=True)
class Lineage:
    """versions: of the code, oldest first. before, after: steps from grid to grid, by time."""

    versions: list[RowMapping]
    before: list[RowMapping]
    after: list[RowMapping]


def select_lineage(connection: Connection, principal: Principal, code: str) -> Lineage | None:
    """The lineage of a code; None if the principal sees no grid of that code, in force or not."""
    grids = access(principal, COLLECTIONS["grids"])
    if grids is None:
        return None
    versions = connection.execute(
        text(f"""
            select t.division_code, t.plan_id, t.valid_from, t.valid_to from grids t
            where {grids.always} and t.code = :code order by t.valid_from
        """),  # noqa: S608  # identifiers come from the registry only
        {**grids.parameters, "code": code},
    )
    found = list(versions.mappings())
    if not found:
        return None
    values = {"code": code, "division": found[0]["division_code"], "most": STEPS_MOST}
    before, after = (list(connection.execute(query, values).mappings()) for query in (_BEFORE, _AFTER))
    return Lineage(found, before, after)


_STEP = "l.old_code, l.new_code, l.kind, l.at, l.plan_id, l.buildings, l.households"
_BEFORE = text(f"""
    with recursive step as (
        select {_STEP} from grid_lineage l where l.division_code = :division and l.new_code = :code
        union
        select {_STEP} from grid_lineage l
        join step s on l.new_code = s.old_code and l.at < s.at
        where l.division_code = :division
    )
    select * from step order by at, old_code, new_code limit :most
""")  # noqa: S608 - fixed text
_AFTER = text(f"""
    with recursive step as (
        select {_STEP} from grid_lineage l where l.division_code = :division and l.old_code = :code
        union
        select {_STEP} from grid_lineage l
        join step s on l.old_code = s.new_code and l.at > s.at
        where l.division_code = :division
    )
    select * from step order by at, old_code, new_code limit :most
""")  # noqa: S608 - fixed text
