"""Staff: which grid in force each person answers for."""

from __future__ import annotations

from sqlalchemy import Connection, text

_FOLLOW = text("""
    update grid_staff s set grid_code = n.new_code
    from (
        select distinct on (l.old_code) l.old_code, l.new_code
        from grid_lineage l
        where l.division_code = :division and l.plan_id = :plan
        order by l.old_code, l.households desc, l.buildings desc, l.new_code
    ) n
    where s.division_code = :division and s.grid_code = n.old_code
      and not exists (select from grids g where g.code = s.grid_code and g.valid_to is null)
""")

# `assigned` is a code, or a number: that grid's place in the order of codes
_ASSIGN = text("""
    update grid_staff s set grid_code = n.code
    from (
        select code, row_number() over (order by code) as place
        from grids where division_code = :division and valid_to is null
    ) n
    where s.division_code = :division and s.grid_code is null
      and (s.assigned = n.code
           or (s.assigned ~ '^[0-9]{1,6}$' and cast(s.assigned as integer) = n.place
               and not exists (select from grids g where g.code = s.assigned)))
""")


def assign_staff(connection: Connection, division: str) -> int:
    """Give staff without a grid the one in force that the input named; returns how many."""
    return connection.execute(_ASSIGN, {"division": division}).rowcount


def follow_lineage(connection: Connection, division: str, plan: int) -> int:
    """Move staff of grids that `plan` closed to the new grid that took most of the old one's households."""
    return connection.execute(_FOLLOW, {"division": division, "plan": plan}).rowcount
