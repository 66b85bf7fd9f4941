"""In which grid a case counts: the one rule for maps, rates and the centre's figures.

A case counts in its own grid where the principal may see that. Else it is seen at its place only, and counts
in the grid of its community that lies there or nearest to it (of several the lowest code); never in a grid
of the principal's own, whose cases the principal knows exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from service.access import Access, Principal, Role, access
from service.registry import COLLECTIONS


@dataclass(frozen=True)
class Grids:
    """Grids in force that a principal may see: codes in ascending order, their communities and shapes."""

    codes: tuple[str, ...]
    communities: npt.NDArray[np.object_]
    shapes: npt.NDArray[np.object_]

    def at(
        self, communities: Sequence[str], points: npt.NDArray[np.float64], own: Collection[str] = ()
    ) -> list[str | None]:
        """The grid of each point (degrees, n × 2), which lies in the community beside it.

        None: the community has no grid but those of `own`.
        """
        import shapely

        found: list[str | None] = [None] * len(points)
        if not len(points):
            return found
        theirs = np.array([code not in own for code in self.codes], dtype=bool)
        grids_of = members(self.communities)
        for community, cases in members(communities).items():
            grids = grids_of.get(community, np.zeros(0, dtype=np.int64))
            grids = grids[theirs[grids]]
            if not len(grids):
                continue
            tree = shapely.STRtree(self.shapes[grids])
            case, near = tree.query_nearest(shapely.points(points[cases]))
            order = np.lexsort((-near, case))  # the lowest code comes last, and stays
            nearest = np.zeros(len(cases), dtype=np.int64)
            nearest[case[order]] = near[order]
            for row, grid in zip(cases.tolist(), grids[nearest].tolist(), strict=True):
                found[row] = self.codes[grid]
        return found


def members(names: Sequence[str] | npt.NDArray[np.object_]) -> dict[str, npt.NDArray[np.int64]]:
    """The rows of each name, ascending."""
    if not len(names):
        return {}
    known, which = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    order = np.argsort(which, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(which))[:-1])
    return dict(zip(known.tolist(), parts, strict=True))


def own_sql(cases: Access) -> str:
    """SQL of the case's own grid, null where the principal may not see it."""
    return next((sql for column, sql in cases.columns if column.name == "grid"), "null::text")


def place_sql(principal: Principal, cases: Access) -> str:
    """SQL of the point at which the case counts where its own grid may not be seen; else null.

    Whoever sees all points sees all grids: what then has none lies in none.
    """
    if principal.reaches(Role.CENTRE):
        return "null::geometry"
    return f"case when {own_sql(cases)} is null then {cases.geometry} end"


def find_grids(
    connection: Connection,
    principal: Principal,
    seen: Sequence[tuple[str, str | None, float | None, float | None]],
) -> list[str | None]:
    """The grid in which cases count, by community, own grid, and place (degrees); None: in none."""
    found = [own for _, own, _, _ in seen]
    placed = [row for row, (_, own, x, _) in enumerate(seen) if own is None and x is not None]
    if placed:
        communities = [seen[row][0] for row in placed]
        grids = select_grids(connection, principal, sorted(set(communities)))
        points = np.array([seen[row][2:] for row in placed], dtype=float)
        for row, code in zip(placed, grids.at(communities, points, principal.grids), strict=True):
            found[row] = code
    return found


def select_grids(connection: Connection, principal: Principal, divisions: Sequence[str]) -> Grids:
    """The grids in force of the communities."""
    import shapely

    allowed = access(principal, COLLECTIONS["grids"])
    rows: Sequence[Any] = ()
    if allowed is not None:
        rows = connection.execute(
            text(f"""
                select t.code, t.division_code, st_asbinary(t.geom) as shape from grids t
                where {allowed.predicate} and t.division_code = any(cast(:divisions as text[]))
                order by t.code
            """),  # noqa: S608  # identifiers come from the registry only
            {**allowed.parameters, "divisions": list(divisions)},
        ).all()
    return Grids(
        tuple(row.code for row in rows),
        np.array([row.division_code for row in rows], dtype=object),
        shapely.from_wkb(np.array([bytes(row.shape) for row in rows], dtype=object)),
    )
