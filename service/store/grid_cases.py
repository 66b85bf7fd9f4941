"""In which grid a case counts: the one rule for maps, cards, rates, statistics and the centre's figures.

A case counts in its own grid where the principal may see that. Else it is seen at its place only, which
stands for several buildings. Where grids are so small that they share places, nobody who sees places can say
in which of them a case is: such grids count together, as one unit. Which do follows from the places that
cases get now, so from buildings and grids, never from the cases. A place counts in the unit that holds the
most of its buildings (of several the first): all of them, unless it is from before a redraw and crosses the
borders of today. Such cases are counted apart, too (`crossing`), so that nobody calls a rise what is only
that; statistics join the grids that such places cross as well. A place never counts in a grid of the
principal's own, whose cases the principal knows exactly: such grids are units by themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from service.access import Access, Principal, Role, access
from service.registry import COLLECTIONS
from service.store.items import version_sql
from service.store.place_grids import PlaceGrids, Spot, read_place_grids


@dataclass(frozen=True)
class Grids:
    """Grids in force that a principal may see: codes in ascending order, their communities and shapes."""

    codes: tuple[str, ...]
    communities: npt.NDArray[np.object_]
    shapes: npt.NDArray[np.object_]

    def at(
        self, communities: Sequence[str], points: npt.NDArray[np.float64], own: Collection[str] = ()
    ) -> list[str | None]:
        """The grid nearest to each point (degrees, n × 2), of the community beside it; not one of `own`.

        None: the community has no other grid.
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


@dataclass(frozen=True)
class Units:
    """What the cases of communities are counted by, for one principal: grids, or several grids together.

    grids: the codes of each unit by its first code, both ascending. A unit is called by its first code.
    homes: by community and place (degrees) the units of its buildings, the one with the most first.
    """

    grids: Mapping[str, tuple[str, ...]]
    own: frozenset[str] = frozenset()
    homes: Mapping[str, Mapping[Spot, tuple[str, ...]]] = field(default_factory=dict)

    def of(self, grid: str) -> str:
        """The unit of a grid; the grid itself where it is not known."""
        return self._first.get(grid, grid)

    def together(self, grid: str) -> tuple[str, ...]:
        """All grids of the unit of a grid."""
        return self.grids.get(self.of(grid), (grid,))

    def at(
        self,
        communities: Sequence[str],
        points: npt.NDArray[np.float64],
        shapes: Callable[[Sequence[str]], Grids],
    ) -> list[str | None]:
        """The unit in which cases at places (degrees, n × 2) of the communities beside them count.

        shapes: gives the grids of communities; asked only where a place is not known, which counts in the
        unit of the nearest grid. None: the community has no grid but those of the principal's own.
        """
        found: list[str | None] = [
            next(iter(self.homes.get(community, {}).get((x, y), ())), None)
            for community, (x, y) in zip(communities, points.tolist(), strict=True)
        ]
        lacking = [row for row, unit in enumerate(found) if unit is None]
        if lacking:
            theirs = [communities[row] for row in lacking]
            near = shapes(sorted(set(theirs))).at(theirs, points[lacking], self.own)
            for row, grid in zip(lacking, near, strict=True):
                found[row] = None if grid is None else self.of(grid)
        return found

    def crossing(self, community: str, place: Spot) -> tuple[str, ...]:
        """The units whose borders a place crosses; none: it lies in one."""
        units = self.homes.get(community, {}).get(place, ())
        return units if len(units) > 1 else ()

    @cached_property
    def _first(self) -> Mapping[str, str]:
        return {code: unit for unit, codes in self.grids.items() for code in codes}


def join_grids(
    grids: Mapping[str, str],
    places: Mapping[str, PlaceGrids],
    own: Collection[str] = (),
    used: Iterable[tuple[str, Spot]] = (),
) -> Units:
    """The units of grids (code: community), from the grids of each community's places.

    used: places by community that join grids, too, whenever they were made.
    """
    above = {code: code for code in grids if code not in own}

    def top(code: str) -> str:
        while above[code] != code:
            above[code] = above[above[code]]
            code = above[code]
        return code

    joining = [counts for told in places.values() for counts in told.present.values()]
    joining += [places[community].all.get(spot, {}) for community, spot in used if community in places]
    for counts in joining:
        tops = sorted({top(code) for code in counts if code in above})
        for other in tops[1:]:
            above[other] = tops[0]  # the lowest code stays on top
    units: dict[str, list[str]] = {}
    for code in sorted(grids):
        units.setdefault(top(code) if code in above else code, []).append(code)
    unit_of = {code: top(code) for code in above}
    homes = {community: _homes(told, unit_of) for community, told in places.items()}
    return Units({unit: tuple(codes) for unit, codes in units.items()}, frozenset(own), homes)


def _homes(told: PlaceGrids, unit_of: Mapping[str, str]) -> dict[Spot, tuple[str, ...]]:
    """The units of each place's buildings, the one with the most first."""
    found = {}
    for spot, counts in told.all.items():
        sums: Counter[str] = Counter()
        for code, count in counts.items():
            if code in unit_of:
                sums[unit_of[code]] += count
        if sums:
            found[spot] = tuple(sorted(sums, key=lambda unit: (-sums[unit], unit)))
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


def select_units(
    connection: Connection,
    principal: Principal,
    divisions: Sequence[str],
    used: Iterable[tuple[str, Spot]] = (),
) -> Units:
    """The units of communities that the principal may see. used: as in `join_grids`."""
    allowed = access(principal, COLLECTIONS["grids"])
    if allowed is None:
        return Units({})
    rows = connection.execute(
        text(f"""
            select t.code, t.division_code from grids t
            where {allowed.predicate} and t.division_code = any(cast(:divisions as text[]))
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "divisions": list(divisions)},
    )
    grids: dict[str, str] = {row.code: row.division_code for row in rows}
    places: Mapping[str, PlaceGrids] = {}
    if not principal.reaches(Role.CENTRE):
        version = connection.execute(text(version_sql("true")), {"sources": ["buildings"]}).scalar_one()
        places = read_place_grids(connection, sorted(set(grids.values())), int(version))
    return join_grids(grids, places, principal.grids & grids.keys(), used)


def find_units(
    connection: Connection,
    principal: Principal,
    units: Units,
    seen: Sequence[tuple[str, str | None, float | None, float | None]],
) -> list[str | None]:
    """The unit in which cases count, by community, own grid, and place (degrees); None: in none."""
    found = [None if own is None else units.of(own) for _, own, _, _ in seen]
    placed = [row for row, (_, own, x, _) in enumerate(seen) if own is None and x is not None]
    if placed:
        points = np.array([seen[row][2:] for row in placed], dtype=float)
        near = units.at(
            [seen[row][0] for row in placed],
            points,
            lambda communities: select_grids(connection, principal, communities),
        )
        for row, unit in zip(placed, near, strict=True):
            found[row] = unit
    return found


def select_grids(connection: Connection, principal: Principal, divisions: Iterable[str]) -> Grids:
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
