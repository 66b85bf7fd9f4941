"""Who may see what: one function from a principal and a collection to the rows and columns that leave.

Items, item, counts, locate and maps all pass through `access`. PostgreSQL's row policies are the second
fence, told of the principal in every transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

from service.privacy.disclosure import GroupRule, rules
from service.registry import COLLECTIONS, Collection, Column
from service.vocabulary import vocabulary


class Role(StrEnum):
    """What a principal is to the service."""

    PUBLIC = "public"
    CONSUMER = "consumer"
    GRID_WORKER = "grid_worker"
    PLANNER = "planner"
    PRIVACY_OFFICER = "privacy_officer"
    ADMIN = "admin"
    CENTRE = "centre"


# A grid worker is a consumer who, in his own grids, sees what the centre sees. Administration of the service
# and of privacy is no reason to see the cases of a home.
STANDING: Mapping[Role, int] = {
    Role.PUBLIC: 0,
    Role.CONSUMER: 1,
    Role.GRID_WORKER: 1,
    Role.PLANNER: 2,
    Role.PRIVACY_OFFICER: 2,
    Role.ADMIN: 2,
    Role.CENTRE: 3,
}


@dataclass(frozen=True)
class Principal:
    """Who asks: a role, the divisions whose code begins with one of `scope` ("": all of them; none: none), a
    worker's own grids, and a name.

    holder: whose share of requests, downloads and listeners it is; "": of that role and name. It says nothing
    of what may be seen, so principals that differ in it alone are equal.
    """

    role: Role = Role.PUBLIC
    scope: tuple[str, ...] = ("",)
    grids: frozenset[str] = field(default_factory=frozenset)
    subject: str = ""
    holder: str = field(default="", compare=False)

    def reaches(self, least: str) -> bool:
        """Whether the principal's role stands at least as high as `least`."""
        return STANDING[self.role] >= STANDING[Role(least)]


PUBLIC = Principal()

# of a case whose category is not withheld, in whatever width its letters are written
_OPEN = "normalize(t.category, NFKC) !~* :sensitive"


@dataclass(frozen=True, eq=False)
class Access:
    """What a principal may see of a collection: SQL over the alias `t`, with bound parameters.

    predicate: which rows; always: which of all times. columns: which, in order, each with the SQL that yields
    it for this principal. geometry: the geometry as this principal sees it. Filters must run on these, never
    on the table's own. indexed: the stored geometries of which `geometry` is one, whichever row it is. asked:
    columns that are shown only where `properties` names them.
    """

    predicate: str
    always: str
    parameters: Mapping[str, Any]
    columns: tuple[tuple[Column, str], ...]
    geometry: str
    indexed: tuple[str, ...]
    asked: tuple[tuple[Column, str], ...] = ()

    @property
    def known(self) -> tuple[tuple[Column, str], ...]:
        """All columns that a filter, an order or `properties` may name."""
        return self.columns + self.asked

    @cached_property
    def fingerprint(self) -> str:
        """Equal for those who see the same, different for all others: a part of tags and of caches' keys."""
        told = [self.predicate, self.geometry, [(column.name, sql) for column, sql in self.known]]
        text = json.dumps([told, sorted(self.parameters.items())], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def withholds(self) -> bool:
        """Whether cases of sensitive categories are left out by their category's words."""
        return _OPEN in self.predicate

    def knowing(self, shown: Sequence[str], withheld: Sequence[str]) -> Access:
        """The same rows, where it is known of some categories whether a sensitive word is in them.

        Its fingerprint is another one: it is for statements, not for tags.
        """
        known = (
            "(t.category = any(cast(:known_shown as text[])) or "
            f"(t.category <> all(cast(:known_withheld as text[])) and {_OPEN}))"
        )
        return replace(
            self,
            predicate=self.predicate.replace(_OPEN, known),
            always=self.always.replace(_OPEN, known),
            parameters={**self.parameters, "known_shown": list(shown), "known_withheld": list(withheld)},
        )


@lru_cache(maxsize=4096)
def access(principal: Principal, collection: Collection) -> Access | None:
    """What `principal` may see of `collection`; None if it may not know that the collection exists."""
    if not principal.reaches(collection.least):
        return None
    clauses = [collection.rows]
    parameters: dict[str, Any] = {}
    if collection.divided and "" not in principal.scope:
        clauses.append("t.division_code ^@ any(cast(:scope as text[]))")
        parameters["scope"] = list(principal.scope)
    if collection.divided and not principal.reaches(Role.PLANNER):
        # "is true" keeps it a question of the row, asked by index or by hash: a join would be reckoned anew
        clauses.append(
            "(exists (select from published_divisions p where p.division_code = t.division_code)) is true"
        )
    geometry = collection.geometry
    indexed: tuple[str, ...] = (geometry,)
    own = "true" if principal.reaches(Role.CENTRE) else "false"
    if collection.sensitivity == "cases" and own == "false":
        if principal.role is Role.GRID_WORKER and principal.grids:
            own = "coalesce(t.grid_code = any(:own_grids), false)"
            parameters["own_grids"] = sorted(principal.grids)
            geometry = f"case when {own} then {collection.geometry} else {collection.place} end"
            indexed = (collection.geometry, collection.place)
        else:
            geometry, indexed = collection.place, (collection.place,)
        clauses.append(f"({own} or ({collection.place} is not null and {_OPEN}))")
        parameters["sensitive"] = rules().sensitive_pattern
    known = [
        (column, sql)
        for column in collection.columns
        if principal.reaches(column.least) and (sql := _column_sql(principal, column, own))
    ]
    if any(":floor_households" in sql for _, sql in known):
        parameters["floor_households"] = rules().floor.households
    if any(":category_names" in sql for _, sql in known):
        parameters["category_names"] = vocabulary().as_json
    current = [collection.current] if collection.current != "true" else []
    return Access(
        predicate=" and ".join([*clauses, *current]),
        always=" and ".join(clauses),
        parameters=parameters,
        columns=tuple(pair for pair in known if not pair[0].asked),
        geometry=geometry,
        indexed=indexed,
        asked=tuple(pair for pair in known if pair[0].asked),
    )


def _column_sql(principal: Principal, column: Column, own: str) -> str:
    if column.guarded and not principal.reaches(column.whole):
        return column.guarded
    if column.own_rows and own != "true":
        return "" if own == "false" else f"case when {own} then {column.sql} end"
    return column.sql


def may_see_group(principal: Principal, rule: GroupRule) -> bool:
    """Whether the principal may see cleared figures of the group at all."""
    return principal.reaches(rule.least_role)


def may_see_exact(principal: Principal, rule: GroupRule, grid: str) -> bool:
    """Whether the principal may see the group's exact count in `grid`; each such view goes into the audit."""
    if rule.grade == "restricted":
        return False
    return principal.role is Role.CENTRE or (principal.role is Role.GRID_WORKER and grid in principal.grids)


@lru_cache(maxsize=4096)
def may_know_versions(principal: Principal, collection: Collection) -> bool:
    """Whether the principal may know how often the collection changed: every row and column of it is seen."""
    if not principal.reaches(collection.least):
        return False
    if collection.sensitivity == "cases" and not principal.reaches(Role.CENTRE):
        return False
    if collection.divided and not ("" in principal.scope and principal.reaches(Role.PLANNER)):
        return False
    return all(
        principal.reaches(column.least) and (not column.guarded or principal.reaches(column.whole))
        for column in collection.columns
    )


def may_know_row_versions(
    principal: Principal, collection: Collection, properties: Mapping[str, Any]
) -> bool:
    """Whether the principal may know how often a feature changed: it may change the feature itself."""
    if collection.sensitivity == "cases" and not principal.reaches(Role.CENTRE):
        return properties.get("grid") in principal.grids
    return may_write(principal, collection)


def may_read_audit(principal: Principal) -> bool:
    """Whether the principal may read the audit, as far as its scope reaches."""
    return principal.role in (Role.PRIVACY_OFFICER, Role.ADMIN)


def may_see_phone(principal: Principal) -> bool:
    """Whether the work phones of staff are shown; who is responsible for a grid, everybody may know."""
    return principal.reaches(Role.CONSUMER)


def may_write(principal: Principal, collection: Collection) -> bool:
    """Whether the principal may add, change or remove features of the collection at all.

    Which of them, scope and row policies say. Geometry of grids changes only by publishing a plan.
    """
    if not collection.writable or not principal.reaches(collection.least):
        return False
    if collection.sensitivity == "cases":
        return principal.role in (Role.CENTRE, Role.GRID_WORKER)
    return principal.role in (Role.PLANNER, Role.ADMIN)


def may_plan(principal: Principal) -> bool:
    """Whether the principal may make, edit and decide on plans; of which divisions, scope says."""
    return principal.role in (Role.PLANNER, Role.ADMIN)


def plans_seen(principal: Principal) -> tuple[str, dict[str, Any]]:
    """Which plans the principal sees, as a predicate over the alias `t` of `plans`, with its parameters.

    Published ones are public; others are for those who plan, decide and answer for the division.
    """
    clauses, parameters = [], {}
    if not principal.reaches(Role.PLANNER):
        clauses.append("t.status = 'published'")
    if "" not in principal.scope:
        clauses.append("t.division_code ^@ any(cast(:scope as text[]))")
        parameters["scope"] = list(principal.scope)
    return " and ".join(clauses) or "true", parameters


def visible_collections(
    principal: Principal, collections: Iterable[Collection] = tuple(COLLECTIONS.values())
) -> tuple[Collection, ...]:
    """Those of the collections that the principal may know of, in their order."""
    return tuple(collection for collection in collections if principal.reaches(collection.least))
