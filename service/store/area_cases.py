"""The cases of an area that grids make up, as one principal may count them.

A case is an area's where it counts (`service.store.grid_cases`) in one of its grids. Grids that count
together are never parted: where some of them lie in the area, the cases of all are among its own. So its
figures are sums of what is told of grids anyway, and tell nothing of where within them a case is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from partition.texts import LANGUAGES
from service.access import Access, Principal, Role
from service.query.condition import Condition
from service.store.categories import informed
from service.store.grid_cases import Units, find_units, own_sql
from service.store.tiers import select_areas


@dataclass(frozen=True)
class Area:
    """An area in force: its id as in the collection `tiers`, community, name by language, codes of its grids.

    A name is kept as pairs of language and words, so that areas can be compared.
    """

    id: str
    community: str
    names: tuple[tuple[str, str], ...]
    grids: tuple[str, ...]

    @property
    def name(self) -> Mapping[str, str]:
        """What it is called."""
        return dict(self.names)

    def holds(self, codes: Collection[str]) -> bool:
        """Whether one of these grids lies in it."""
        return not set(self.grids).isdisjoint(codes)


def find_areas(connection: Connection, principal: Principal, divisions: Sequence[str]) -> dict[str, Area]:
    """The areas in force of communities as the principal may see them, by id, the largest first."""
    found = {}
    for row in select_areas(connection, principal, divisions):
        name = f"{row['community']}:{row['key']}"
        names = tuple((lang, str(row[f"name_{lang}"])) for lang in LANGUAGES)
        found[name] = Area(name, row["community"], names, tuple(row["grids"]))
    return found


def of_area(
    connection: Connection, principal: Principal, cases: Access, units: Units, area: Area
) -> Condition:
    """That a case is the area's. units: of its community, and perhaps of others."""
    own = own_sql(cases)
    grids = sorted({code for grid in area.grids for code in units.together(grid)})
    parameters: dict[str, object] = {"a_community": area.community, "a_grids": grids}
    where = f"({own}) = any(cast(:a_grids as text[]))"
    if not principal.reaches(Role.CENTRE):
        xs, ys = _places(connection, principal, cases, units, area)
        x, y = f"st_x({cases.geometry})", f"st_y({cases.geometry})"
        spots = "select * from unnest(cast(:a_xs as float8[]), cast(:a_ys as float8[]))"
        where += f" or ({own}) is null and ({x}, {y}) in ({spots})"
        parameters |= {"a_xs": xs, "a_ys": ys}
    return Condition(f"t.division_code = :a_community and ({where})", parameters)


def _places(
    connection: Connection, principal: Principal, cases: Access, units: Units, area: Area
) -> tuple[list[float], list[float]]:
    """The places (longitudes, latitudes) at which cases are shown that are the area's."""
    cases = informed(connection, cases)
    rows = connection.execute(
        text(f"""
            select distinct st_x({cases.geometry}) as x, st_y({cases.geometry}) as y from cases t
            where {cases.predicate} and t.division_code = :community and ({own_sql(cases)}) is null
        """),  # noqa: S608  # identifiers come from the registry only
        {**cases.parameters, "community": area.community},
    ).all()
    seen = [(area.community, None, row.x, row.y) for row in rows if row.x is not None]
    mine = {units.of(grid) for grid in area.grids}
    counted = zip(seen, find_units(connection, principal, units, seen), strict=True)
    spots = sorted((x, y) for (_, _, x, y), unit in counted if unit in mine)
    return [x for x, _ in spots], [y for _, y in spots]
