"""Cases: in which grid they are."""

from __future__ import annotations

from sqlalchemy import Connection, text

# A case at a known building is in the building's grid, also where the building crosses a border.
_LOCATE = text("""
    update cases c set grid_code = n.grid_code
    from (
        select k.id, coalesce(
            (select b.grid_code from buildings b
             where b.division_code = k.division_code and b.building_id = k.building_id and b.part = 0),
            (select g.code from grids g
             where g.valid_to is null and g.division_code = k.division_code and g.geom && k.geom
               and st_covers(g.geom, k.geom)
             order by g.code limit 1)
        ) as grid_code
        from cases k where k.division_code = :division
    ) n
    where c.id = n.id and c.grid_code is distinct from n.grid_code
""")


def locate_cases(connection: Connection, division: str) -> int:
    """Give every case of the division the code of its grid in force; returns how many changed."""
    return connection.execute(_LOCATE, {"division": division}).rowcount
