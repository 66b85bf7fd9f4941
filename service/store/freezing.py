"""Figures of groups, frozen when a plan comes into force: the only place where counts of people are read.

Whoever shows a figure of a group reads `published_figures`. A row is an area: `shown` holds what may be told
of it (`rank`, and `lower` and `upper` of its band; rank 0: withheld), nothing where the row is for the exact
roles alone; `count` is what these see.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely
from shapely import STRtree
from sqlalchemy import Connection, delete, insert, text

from service import models
from service.db import EVERYWHERE
from service.privacy.continuity import Basis, Members, freeze
from service.privacy.disclosure import Cell, GroupRule, rules


@dataclass(frozen=True)
class Frozen:
    """The published figures of a group in a community.

    cells: areas with the lower bound of their band (None: withheld). counts: by grid, for exact roles only.
    """

    rule: GroupRule
    frozen_at: datetime
    cells: tuple[Cell, ...]
    uppers: Mapping[tuple[str, ...], int | None]
    counts: Mapping[str, int]


@contextmanager
def uncleared(connection: Connection) -> Iterator[None]:
    """Let the service read what only disclosure control may see, then be again who it was."""
    names = ("wangge.role", "wangge.scope", "wangge.grids")
    before = connection.execute(
        text(f"select {', '.join(f'''coalesce(current_setting('{name}', true), '')''' for name in names)}")
    ).one()
    _tell(connection, names, ("disclosure", EVERYWHERE, ""))
    yield
    _tell(connection, names, tuple(before))


def _tell(connection: Connection, names: tuple[str, ...], values: tuple[str, ...]) -> None:
    for name, value in zip(names, values, strict=True):
        connection.execute(text("select set_config(:name, :value, true)"), {"name": name, "value": value})


# --- at publication ---


def freeze_figures(connection: Connection, division: str, plan: int) -> None:
    """Freeze the figures of the plan that just came into force, and take those of plans before it away."""
    with uncleared(connection):
        published = models.published_figures
        connection.execute(delete(published).where(published.c.division_code == division))
        counts = _read_counts(connection, division)
        if not counts:
            return
        households, neighbours = _read_grids(connection, division)
        buildings = _read_buildings(connection, division)
        for rule in rules().groups.values():
            if rule.name in counts and households:
                members = {code: _members(buildings.get(code, {}), counts[rule.name]) for code in households}
                _freeze_group(connection, division, plan, rule, members, households, neighbours)


def _freeze_group(
    connection: Connection,
    division: str,
    plan: int,
    rule: GroupRule,
    members: Mapping[str, Members],
    households: Mapping[str, int],
    neighbours: Mapping[str, set[str]],
) -> None:
    bases = _read_bases(connection, division, rule.name)
    frozen = freeze(members, households, neighbours, rule, bases)
    rows = []
    for cell in frozen.cells:
        held = {one: of for code in cell.codes for one, of in members[code].items()}
        count = sum(frozen.counts[code] for code in cell.codes)
        rows.append(_row(division, plan, rule, cell.codes, count, _shown(cell, rule), held))
    if rule.grade != "restricted":
        alone = {cell.codes[0] for cell in frozen.cells if len(cell.codes) == 1}
        rows += [
            _row(division, plan, rule, (code,), frozen.counts[code], {}, members[code])
            for code in sorted(members.keys() - alone)
        ]
    connection.execute(insert(models.published_figures), rows)
    if frozen.bases:
        connection.execute(
            insert(models.figure_bases),
            [
                {
                    "division_code": division,
                    "category": rule.name,
                    "kind": basis.kind,
                    "count": basis.count,
                    "members": {one: list(of) for one, of in basis.members.items()},
                }
                for basis in frozen.bases
            ],
        )


def _row(
    division: str,
    plan: int,
    rule: GroupRule,
    grids: tuple[str, ...],
    count: int,
    shown: Mapping[str, int | None],
    members: Members,
) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps(sorted(members.items())).encode()).hexdigest()
    return {
        "division_code": division,
        "plan_id": plan,
        "category": rule.name,
        "grids": list(grids),
        "count": count,
        "shown": dict(shown),
        "members_digest": digest,
    }


def _shown(cell: Cell, rule: GroupRule) -> dict[str, int | None]:
    if cell.count is None:
        return {"rank": 0}
    upper = rule.bands[cell.rank] - 1 if cell.rank < len(rule.bands) else None
    return {"rank": cell.rank, "lower": rule.bands[cell.rank - 1], "upper": upper}


def _members(buildings: Mapping[str, int], counts: Mapping[str, int]) -> Members:
    return {building: (counts.get(building, 0), households) for building, households in buildings.items()}


def _read_counts(connection: Connection, division: str) -> dict[str, dict[str, int]]:
    """People by group and building. Nothing of it may leave uncleared."""
    counts: dict[str, dict[str, int]] = {}
    for row in connection.execute(
        text("select category, building_id, count from population_groups where division_code = :division"),
        {"division": division},
    ):
        counts.setdefault(row[0], {})[row[1]] = int(row[2])
    return counts


def _read_buildings(connection: Connection, division: str) -> dict[str, dict[str, int]]:
    """Households by grid and building."""
    found: dict[str, dict[str, int]] = {}
    for code, building, households in connection.execute(
        text("""
            select grid_code, building_id, sum(households) from buildings
            where division_code = :division and grid_code is not null group by 1, 2
        """),
        {"division": division},
    ):
        found.setdefault(code, {})[building] = int(households)
    return found


def _read_grids(connection: Connection, division: str) -> tuple[dict[str, int], dict[str, set[str]]]:
    """Households of the grids in force, and which of them share a border."""
    rows = connection.execute(
        text("""
            select code, households, st_asbinary(geom) from grids
            where division_code = :division and valid_to is null order by code
        """),
        {"division": division},
    ).all()
    codes = [row[0] for row in rows]
    shapes = shapely.from_wkb([bytes(row[2]) for row in rows])
    beside: dict[str, set[str]] = {code: set() for code in codes}
    ones, others = STRtree(shapes).query(shapes, predicate="intersects")
    shared = shapely.length(shapely.intersection(shapes[ones], shapes[others]))
    for one, other, length in zip(ones, others, shared, strict=True):
        if one != other and length > 0:
            beside[codes[one]].add(codes[other])
    return {row[0]: int(row[1]) for row in rows}, beside


def _read_bases(connection: Connection, division: str, category: str) -> list[Basis]:
    rows = connection.execute(
        text("""
            select members, count, kind from figure_bases
            where division_code = :division and category = :category order by id
        """),
        {"division": division, "category": category},
    )
    return [Basis({one: (of[0], of[1]) for one, of in row[0].items()}, row[1], row[2]) for row in rows]


# --- for readers ---


def read_frozen(connection: Connection, divisions: Sequence[str]) -> dict[str, tuple[Frozen, ...]]:
    """The published figures of communities by code, and by group in the order of the rules; communities
    without any are left out. To be read `uncleared`.
    """
    by_division: dict[str, dict[str, list[Any]]] = {}
    for row in connection.execute(
        text("""
            select f.division_code, f.category, f.grids, f.count, f.shown, f.frozen_at
            from published_figures f
            join plans p on p.id = f.plan_id and p.status = 'published'
            where f.division_code = any(cast(:divisions as text[]))
            order by f.division_code, f.category, f.grids
        """),
        {"divisions": list(divisions)},
    ):
        by_division.setdefault(row.division_code, {}).setdefault(row.category, []).append(row)
    return {code: _frozen(by_group) for code, by_group in by_division.items()}


def _frozen(by_group: Mapping[str, list[Any]]) -> tuple[Frozen, ...]:
    found = []
    for rule in rules().groups.values():
        rows = by_group.get(rule.name)
        if rows:
            cells = [
                Cell(tuple(row.grids), row.shown.get("lower"), row.shown["rank"]) for row in rows if row.shown
            ]
            uppers = {tuple(row.grids): row.shown.get("upper") for row in rows if row.shown}
            counts = {row.grids[0]: row.count for row in rows if len(row.grids) == 1}
            if rule.grade == "restricted":
                counts = {}
            found.append(Frozen(rule, rows[0].frozen_at, tuple(cells), uppers, counts))
    return tuple(found)
