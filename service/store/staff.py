"""Staff: which grid in force each person answers for, which roles are vacant, how fresh the data are."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

from sqlalchemy import Connection, RowMapping, text

from service.access import Principal, Role, access
from service.registry import COLLECTIONS

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


# --- who answers for what ---


@dataclass(frozen=True)
class Slot:
    """A role that each grid or community is to have. roles: the words for it in the data."""

    tier: str
    key: str
    zh: str
    en: str
    count: int
    roles: frozenset[str]


@lru_cache(maxsize=1)
def slots() -> tuple[Slot, ...]:
    """What `service/staff.toml` asks for."""
    text_ = (files("service") / "staff.toml").read_text(encoding="utf-8")
    return tuple(
        Slot(**{**entry, "roles": frozenset(role.casefold() for role in entry["roles"])})
        for entry in tomllib.loads(text_)["slot"]
    )


@dataclass(frozen=True)
class Person:
    """A member of staff; the phone is that of the work."""

    role: str
    name: str
    phone: str


@dataclass(frozen=True)
class Post:
    """A grid, or a community, and who answers for it."""

    tier: str
    code: str
    division: str
    name: str
    people: tuple[Person, ...] = ()

    def filled(self, slot: Slot) -> list[Person]:
        """Those who hold the slot."""
        return [person for person in self.people if person.role.casefold() in slot.roles]

    def vacancies(self, slot: Slot) -> int:
        """How many are missing."""
        return max(slot.count - len(self.filled(slot)), 0)


def select_posts(connection: Connection, principal: Principal, division: str) -> list[Post]:
    """The grids in force and their communities that the principal sees, each with its people, by code."""
    grids, communities = (access(principal, COLLECTIONS[name]) for name in ("grids", "communities"))
    if grids is None or communities is None:
        return []
    values = {"division": division}
    found = [
        Post("grid", row.code, row.division_code, row.name)
        for row in connection.execute(
            text(f"""
                select t.code, t.division_code, t.name from grids t
                where {grids.predicate} and t.division_code ^@ :division order by t.code
            """),  # noqa: S608  # identifiers come from the registry only
            {**grids.parameters, **values},
        )
    ]
    found += [
        Post("community", row.code, row.code, row.name)
        for row in connection.execute(
            text(f"""
                select t.code, t.name from divisions t
                where {communities.predicate} and t.code ^@ :division order by t.code
            """),  # noqa: S608  # identifiers come from the registry only
            {**communities.parameters, **values},
        )
    ]
    people: dict[tuple[str, str], list[Person]] = {}
    for row in connection.execute(_PEOPLE, values):
        tier = "grid" if row.grid_code is not None else "community"
        place = row.grid_code if row.grid_code is not None else row.division_code
        people.setdefault((tier, place), []).append(Person(row.role, row.name, row.phone))
    return [replace(post, people=tuple(people.get((post.tier, post.code), ()))) for post in found]


_PEOPLE = text("""
    select division_code, grid_code, role, name, phone from grid_staff
    where division_code ^@ :division and (grid_code is not null or assigned in ('', division_code))
    order by role, name
""")


def select_freshness(connection: Connection, principal: Principal, division: str) -> list[RowMapping]:
    """When what is known of each grid last changed: by grid in force, and layer. Cases for the centre only,
    to which alone their own grids are shown. To the day, for those from whom columns are hidden: a moment
    would tell of each change in these.
    """
    grids = access(principal, COLLECTIONS["grids"])
    if grids is None:
        return []
    told = "max({})" if principal.reaches(Role.PLANNER) else "date_trunc('day', max({}), 'UTC')"
    buildings, staff = told.format("b.updated_at"), told.format("s.updated_at")
    cases = "null::timestamptz"
    if principal.reaches(Role.CENTRE):
        cases = "(select max(c.updated_at) from cases c where c.grid_code = t.code)"
    return list(
        connection.execute(
            text(f"""
                select t.code, t.division_code, t.valid_from as grid,
                       (select {buildings} from buildings b
                        where b.division_code = t.division_code and b.grid_code = t.code) as buildings,
                       (select max(f.updated_at) from facilities f
                        where f.geom && t.geom and st_covers(t.geom, f.geom)) as facilities,
                       (select {staff} from grid_staff s
                        where s.division_code = t.division_code and s.grid_code = t.code) as staff,
                       {cases} as cases
                from grids t where {grids.predicate} and t.division_code ^@ :division order by t.code
            """),  # noqa: S608  # identifiers come from the registry only
            {**grids.parameters, "division": division},
        ).mappings()
    )
