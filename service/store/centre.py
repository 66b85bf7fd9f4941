"""What the centre counts: sums over the cases that a principal may see, in one pass, and lists of them.

Every statement runs on what `access` yields; filters come as conditions over its columns.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from service.access import Access, Principal, Role, access
from service.query.box import Box, within
from service.query.condition import Condition, all_of
from service.query.question import Question
from service.registry import COLLECTIONS
from service.store.categories import informed
from service.store.grid_cases import Units, find_units, own_sql, place_sql
from service.store.items import columns_sql, feature_sql, version_sql
from service.store.timelines import TIMELINE

# collections on which an answer about cases depends: where they are counted and spread, and who sees them
SOURCES = ("buildings", "cases", "divisions", "grids")
LISTED = 50
# rows that are equal in time come by their ids, which everybody sees
KEY = f'{COLLECTIONS["cases"].key} collate "C"'
# sums by several keys at once need no disk
_MEMORY = "128MB"

Pair = tuple[int, int]


@dataclass(frozen=True)
class Community:
    """A community of the division: code, name, whether its data are made up, and where they come from."""

    code: str
    name: str
    synthetic: bool
    attribution: str


@dataclass(frozen=True)
class Reach:
    """Times of the oldest and of the newest case, whatever the filters; None: there is none."""

    oldest: datetime | None
    newest: datetime | None


@dataclass
class Tallies:
    """Numbers of cases, each a pair: in the time asked about, and in the time before.

    hours: by hours since 1970 in UTC. grids: by unit (`service.store.grid_cases`); None: in none. crossing:
    by unit, cases of both times at places from before a redraw that cross its borders.
    """

    total: Pair = (0, 0)
    hours: dict[int, Pair] = field(default_factory=dict)
    categories: dict[str, Pair] = field(default_factory=dict)
    statuses: dict[str, Pair] = field(default_factory=dict)
    tiers: dict[str, Pair] = field(default_factory=dict)
    grids: dict[str | None, Pair] = field(default_factory=dict)
    crossing: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class GridRow:
    """A grid in force, with its figures as the principal may see them.

    Where it stands for several that count together, `grids` are their codes, `code` is the first of these,
    and figures are sums; one that is not known makes them so.
    """

    code: str
    community: str
    name: str
    households: int | None
    residents: float | None
    grids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "grids", self.grids or (self.code,))


def join_rows(rows: Sequence[GridRow], units: Units) -> list[GridRow]:
    """The rows of what counts together, by first code."""
    known = {row.code: row for row in rows}
    found = []
    for first, codes in units.grids.items():
        mine = [known[code] for code in codes if code in known]
        if not mine:
            continue
        households = [row.households for row in mine]
        residents = [row.residents for row in mine]
        found.append(
            GridRow(
                first,
                mine[0].community,
                mine[0].name if len(mine) == 1 else "",
                None if None in households else sum(one for one in households if one is not None),
                None if None in residents else sum(one for one in residents if one is not None),
                codes,
            )
        )
    return found


@dataclass(frozen=True)
class Overdue:
    """Open cases whose time is up: how many, and the first of them as features, the longest overdue first.

    undated: open cases of which nobody wrote down until when they are to be closed.
    """

    total: int
    undated: int
    first: list[Any]


@dataclass(frozen=True)
class Points:
    """Cases by where they are shown: longitude and latitude (n × 2), and number of each.

    moved: whether that is a place of several buildings; of those also the community. step: in which part of
    the time asked about, −1: in the time before.
    """

    places: npt.NDArray[np.float64]
    communities: npt.NDArray[np.object_]
    counts: npt.NDArray[np.int64]
    moved: npt.NDArray[np.bool_]
    steps: npt.NDArray[np.int64]


def select_division(connection: Connection, principal: Principal, division: str) -> list[Community]:
    """The communities whose code begins with `division` that the principal may see, by code."""
    allowed = access(principal, COLLECTIONS["communities"])
    if allowed is None:
        return []
    rows = connection.execute(
        text(f"""
            select t.code, t.name, t.synthetic, t.attribution from divisions t
            where {allowed.predicate} and t.code ^@ :division order by t.code
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "division": division},
    )
    return [Community(row.code, row.name, row.synthetic, row.attribution or "") for row in rows]


def select_version(connection: Connection, sources: Sequence[str] = SOURCES) -> int:
    """The version of all that an answer depends on, in the snapshot of the transaction."""
    return int(connection.execute(text(version_sql("true")), {"sources": list(sources)}).scalar_one())


def select_reach(connection: Connection, cases: Access, divisions: Sequence[str]) -> Reach:
    """The first and the last case of the communities."""

    def end(order: str) -> str:
        return f"""
            (select t.time from cases t where t.division_code = d.code and {cases.predicate}
             order by t.time {order} limit 1)
        """  # noqa: S608  # identifiers come from the registry only

    row = connection.execute(
        text(f"""
            select min({end("")}) as oldest, max({end("desc")}) as newest
            from unnest(cast(:divisions as text[])) as d(code)
        """),  # noqa: S608
        {**cases.parameters, "divisions": list(divisions)},
    ).one()
    return Reach(row.oldest, row.newest)


def select_categories(connection: Connection, cases: Access, divisions: Sequence[str]) -> list[str]:
    """All categories of cases in the communities."""
    cases = informed(connection, cases)
    return list(
        connection.scalars(
            text(f"""
                select t.category from cases t
                where {cases.predicate} and t.division_code = any(cast(:divisions as text[]))
                group by t.category order by t.category collate "C"
            """),  # noqa: S608  # identifiers come from the registry only
            {**cases.parameters, "divisions": list(divisions)},
        )
    )


def select_tallies(
    connection: Connection,
    principal: Principal,
    cases: Access,
    divisions: Sequence[str],
    asked: Condition,
    times: tuple[datetime, datetime, datetime],
    units: Units,
) -> Tallies:
    """The cases that `asked` finds, counted. times: when the time before begins, it ends, the other ends.

    units: of the communities, as `select_units` has them.
    """
    tier = next((sql for column, sql in cases.columns if column.name == "tier"), "null::text")
    place = place_sql(principal, cases)
    where = _within(informed(connection, cases), divisions, asked)
    remembering(connection)
    rows = connection.execute(
        text(f"""
            select grouping(hour, category, own) as kind, (date_part('epoch', hour) / 3600)::int as hour,
                   category, status, tier, own, community, x, y,
                   count(*) filter (where current) as now, count(*) filter (where not current) as before
            from (
                select t.time >= :begin as current,
                       date_bin('1 hour', t.time, timestamptz '4713-01-02 BC +00') as hour,
                       t.category, t.status, {tier} as tier, {own_sql(cases)} as own,
                       st_x({place}) as x, st_y({place}) as y, t.division_code as community
                from cases t where {where.sql} and t.time >= :earlier and t.time < :end
            ) c
            group by grouping sets ((hour), (category, status, tier), (own, community, x, y))
        """),  # noqa: S608  # identifiers come from the registry only
        {**where.parameters, "earlier": times[0], "begin": times[1], "end": times[2]},
    ).all()
    found = Tallies()
    sums: dict[str, Counter[Any]] = {name: Counter() for name in ("category", "status", "tier", "grid")}
    before: dict[str, Counter[Any]] = {name: Counter() for name in sums}
    lying = [row for row in rows if row.kind == 0b110]
    seen = [(row.community, row.own, row.x, row.y) for row in lying]
    codes = find_units(connection, principal, units, seen)
    for code, row in zip(codes, lying, strict=True):
        sums["grid"][code] += row.now
        before["grid"][code] += row.before
        if row.own is None and row.x is not None:
            for unit in units.crossing(row.community, (row.x, row.y)):
                found.crossing[unit] = found.crossing.get(unit, 0) + row.now + row.before
    for row in rows:
        if row.kind == 0b011:
            found.hours[row.hour] = (row.now, row.before)
        elif row.kind == 0b101:
            for name in ("category", "status", "tier"):
                key = getattr(row, name)
                sums[name][key] += row.now
                before[name][key] += row.before
    found.total = (
        sum(pair[0] for pair in found.hours.values()),
        sum(pair[1] for pair in found.hours.values()),
    )
    found.categories = _paired(sums["category"], before["category"])
    found.statuses = _paired(sums["status"], before["status"])
    found.tiers = _paired(sums["tier"], before["tier"])
    found.grids = _paired(sums["grid"], before["grid"])
    return found


def count_cases(
    connection: Connection,
    cases: Access,
    divisions: Sequence[str],
    asked: Condition,
    times: tuple[datetime, datetime],
) -> int:
    """How many cases `asked` finds from one time until another."""
    where = _within(informed(connection, cases), divisions, asked)
    found = connection.execute(
        text(f"select count(*) from cases t where {where.sql} and t.time >= :begin and t.time < :end"),  # noqa: S608
        {**where.parameters, "begin": times[0], "end": times[1]},
    )
    return int(found.scalar_one())


def _paired(sums: Counter[Any], before: Counter[Any]) -> dict[Any, Pair]:
    return {key: (sums[key], before[key]) for key in sums.keys() | before.keys()}


def remembering(connection: Connection) -> None:
    """Let the transaction's sums and sorts take the memory that keeps them off the disk."""
    connection.execute(text("select set_config('work_mem', :memory, true)"), {"memory": _MEMORY})


def _within(cases: Access, divisions: Sequence[str], asked: Condition) -> Condition:
    return all_of(
        Condition(cases.predicate, cases.parameters),
        Condition("t.division_code = any(cast(:divisions as text[]))", {"divisions": list(divisions)}),
        asked,
    )


def select_grid_rows(connection: Connection, principal: Principal, divisions: Sequence[str]) -> list[GridRow]:
    """The grids in force of the communities, by code."""
    allowed = access(principal, COLLECTIONS["grids"])
    if allowed is None:
        return []
    told = {column.name: sql for column, sql in allowed.columns}
    rows = connection.execute(
        text(f"""
            select t.code, t.division_code as community, t.name, {told["households"]} as households,
                   {told["residents"]} as residents
            from grids t
            where {allowed.predicate} and t.division_code = any(cast(:divisions as text[])) order by t.code
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "divisions": list(divisions)},
    )
    return [GridRow(*row) for row in rows]


def select_newest(
    connection: Connection,
    cases: Access,
    divisions: Sequence[str],
    asked: Condition,
    times: tuple[datetime, datetime],
) -> list[Any]:
    """The newest cases of the time asked about as GeoJSON features, the newest first."""
    # a few of each community first: an index finds them, whatever the time's length
    within = all_of(Condition(cases.predicate, cases.parameters), asked)
    return _features(
        connection,
        cases,
        f"""
            select n.* from unnest(cast(:divisions as text[])) as d(code) cross join lateral (
                select t.* from cases t
                where t.division_code = d.code and t.time >= :begin and t.time < :end and {within.sql}
                order by t.time desc, {KEY} limit {LISTED}
            ) n
        """,  # noqa: S608  # identifiers come from the registry only
        "t.time desc",
        {**within.parameters, "divisions": list(divisions), "begin": times[0], "end": times[1]},
    )


def select_overdue(
    connection: Connection, cases: Access, divisions: Sequence[str], asked: Condition, now: datetime
) -> Overdue | None:
    """What is overdue of all that `asked` finds, whenever reported; None: limits are not for the reader."""
    due = next((sql for column, sql in cases.columns if column.name == "due"), None)
    if due is None:
        return None
    where = all_of(_within(cases, divisions, asked), Condition("t.status <> 'closed'"))
    parameters = {**where.parameters, "now": now}
    row = connection.execute(
        text(f"""
            select count(*) filter (where {due} < :now) as late,
                   count(*) filter (where {due} is null) as undated
            from cases t where {where.sql}
        """),  # noqa: S608  # identifiers come from the registry only
        parameters,
    ).one()
    late = f"""
        select t.* from cases t where {where.sql} and {due} < :now order by {due}, {KEY} limit {LISTED}
    """  # noqa: S608
    first = _features(connection, cases, late, due, parameters) if row.late else []
    return Overdue(row.late, row.undated, first)


def _features(connection: Connection, cases: Access, rows: str, order: str, parameters: Any) -> list[Any]:
    collection = COLLECTIONS["cases"]
    found = connection.scalars(
        text(f"""
            select {feature_sql(collection, cases, Question())} from ({rows}) t
            cross join lateral (select {columns_sql(cases.columns)}) r
            order by {order}, {KEY} limit {LISTED}
        """),  # noqa: S608  # identifiers come from the registry only
        dict(parameters),
    )
    return [json.loads(feature) for feature in found]


def select_places(
    connection: Connection,
    principal: Principal,
    cases: Access,
    divisions: Sequence[str],
    times: tuple[datetime, datetime],
) -> list[tuple[str, tuple[float, float]]]:
    """The places (degrees) of cases from one time until another that are shown at places, by community."""
    if principal.reaches(Role.CENTRE):
        return []
    where = _within(informed(connection, cases), divisions, Condition("true"))
    rows = connection.execute(
        text(f"""
            select community, st_x(place) as x, st_y(place) as y from (
                select distinct t.division_code as community, {place_sql(principal, cases)} as place
                from cases t where {where.sql} and t.time >= :begin and t.time < :end
            ) p where place is not null
        """),  # noqa: S608  # identifiers come from the registry only
        {**where.parameters, "begin": times[0], "end": times[1]},
    )
    return [(row.community, (row.x, row.y)) for row in rows]


def select_points(
    connection: Connection,
    principal: Principal,
    cases: Access,
    divisions: Sequence[str],
    asked: Condition,
    times: tuple[datetime, datetime, datetime],
    steps: int = 1,
) -> Points:
    """Where the cases that `asked` finds are shown. times: as in `select_tallies`; steps: equal parts.

    Cases at places are counted by place; single points come one by one.
    """
    where = _within(informed(connection, cases), divisions, asked)
    length = (times[2] - times[1]) / steps
    part = (
        "least(floor(date_part('epoch', t.time - :begin) / :length)::int, :steps - 1)" if steps > 1 else "0"
    )
    step = f"case when t.time < :begin then -1 else {part} end"
    moved = "false" if principal.reaches(Role.CENTRE) else f"{own_sql(cases)} is null"
    rows = f"""
        select st_x({cases.geometry}) as x, st_y({cases.geometry}) as y, t.division_code as community,
               {moved} as moved, {step} as step
        from cases t where {where.sql} and t.time >= :earlier and t.time < :end
    """  # noqa: S608  # identifiers come from the registry only
    counted = f"select *, 1::bigint as number from ({rows}) c"  # noqa: S608
    if moved != "false":
        counted = f"""
            select x, y, community, moved, step, count(*) as number from ({rows}) c
            group by x, y, community, moved, step
        """  # noqa: S608
    remembering(connection)
    found = connection.execute(
        text(f"""
            select string_agg(float8send(x) || float8send(y), '') as points,
                   string_agg(int8send(number), '') as numbers, string_agg(int4send(step), '') as steps,
                   string_agg(boolsend(moved), '') as moved,
                   string_agg(int4send(case when moved then
                       array_position(cast(:divisions as text[]), community) else 1 end), '') as owners
            from ({counted}) c
        """),  # noqa: S608
        {
            **where.parameters,
            "earlier": times[0],
            "begin": times[1],
            "end": times[2],
            "length": length.total_seconds(),
            "steps": steps,
        },
    ).one()
    owners = np.frombuffer(bytes(found.owners or b""), dtype=">i4").astype(np.int64) - 1
    return Points(
        places=np.frombuffer(bytes(found.points or b""), dtype=">f8").astype(float).reshape(-1, 2),
        communities=np.array(divisions, dtype=object)[owners],
        counts=np.frombuffer(bytes(found.numbers or b""), dtype=">i8").astype(np.int64),
        moved=np.frombuffer(bytes(found.moved or b""), dtype=bool),
        steps=np.frombuffer(bytes(found.steps or b""), dtype=">i4").astype(np.int64),
    )


def select_outlines(connection: Connection, principal: Principal, divisions: Sequence[str]) -> list[bytes]:
    """The communities' polygons as WKB in degrees, by code."""
    allowed = access(principal, COLLECTIONS["communities"])
    if allowed is None:
        return []
    rows = connection.scalars(
        text(f"""
            select st_asbinary({allowed.geometry}) from divisions t
            where {allowed.predicate} and t.code = any(cast(:divisions as text[])) order by t.code
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "divisions": list(divisions)},
    )
    return [bytes(row) for row in rows]


# --- the page and its ground ---

_STATE = ("divisions", "grids", "tiers", "plans", "facilities", "published_figures", "grid_staff")


def select_state(connection: Connection, divisions: Sequence[str]) -> str:
    """What changes whenever anything that the page itself holds does; opaque, equal for equal data."""
    parts = " union all ".join(
        f"select '{table}', count(*), coalesce(max(updated_at)::text, ''), coalesce(sum(version), 0)"  # noqa: S608
        f" from {table} where division_code = any(cast(:divisions as text[]))"
        for table in _STATE
    )
    parts += f" union all select 'time line', 0, '', ({TIMELINE})"  # rows taken out leave no trace
    rows = connection.execute(text(parts), {"divisions": list(divisions)})
    return ";".join(":".join(map(str, row)) for row in rows)


@dataclass(frozen=True)
class Street:
    """A line of the ground: its class, name, whether on a bridge or in a tunnel, and WKB in degrees."""

    kind: str
    name: str
    bridge: bool
    tunnel: bool
    wkb: bytes


def select_streets(connection: Connection, principal: Principal, divisions: Sequence[str]) -> list[Street]:
    """Streets, water, railways and walls of the communities, in one order."""
    allowed = access(principal, COLLECTIONS["streets"])
    if allowed is None:
        return []
    rows = connection.execute(
        text(f"""
            select t.class, t.name, t.bridge, t.tunnel, st_asbinary({allowed.geometry}) from streets t
            where {allowed.predicate} and t.division_code = any(cast(:divisions as text[]))
            order by t.division_code, t.ordinal
        """),  # noqa: S608  # identifiers come from the registry only
        {**allowed.parameters, "divisions": list(divisions)},
    )
    return [Street(row[0], row[1] or "", bool(row[2]), bool(row[3]), bytes(row[4])) for row in rows]


def select_footprints(
    connection: Connection, principal: Principal, divisions: Sequence[str], box: Box, most: int
) -> tuple[list[tuple[str, bytes]], bool]:
    """Use and WKB (degrees) of the buildings in a box, the largest first; whether there are more of them."""
    allowed = access(principal, COLLECTIONS["buildings"])
    if allowed is None:
        return [], False
    where = all_of(
        Condition(allowed.predicate, allowed.parameters),
        within(box, allowed.geometry, allowed.indexed, "b_"),
    )
    rows = connection.execute(
        text(f"""
            select t.use, st_asbinary({allowed.geometry}) from buildings t
            where {where.sql} and t.division_code = any(cast(:divisions as text[]))
            order by st_area({allowed.geometry}) desc, {COLLECTIONS["buildings"].key} collate "C" limit :most
        """),  # noqa: S608  # identifiers come from the registry only
        {**where.parameters, "divisions": list(divisions), "most": most + 1},
    ).all()
    return [(row[0] or "", bytes(row[1])) for row in rows[:most]], len(rows) > most
