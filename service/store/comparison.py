"""Two plans of a community, building by building."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text


def select_homes(connection: Connection, left: int, right: int) -> Sequence[Any]:
    """The buildings that both plans hold, by id: building_id, old and new (codes of their grids), households
    as of the right plan.
    """
    return connection.execute(
        text("""
            select o.building_id, o.grid_code as old, n.grid_code as new, n.households
            from plan_buildings o
            join plan_buildings n on n.building_id = o.building_id and n.division_code = o.division_code
            where o.plan_id = :left and n.plan_id = :right
            order by o.building_id collate "C"
        """),
        {"left": left, "right": right},
    ).all()
