"""Cases: made, located in their grid, taken step by step, never removed.

Who adds or moves cases holds the community's cases in common, a publication holds them alone while it locates
them anew, so that no case is left in a grid that was closed while it came.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from service import casework
from service.access import Access, Principal, Role
from service.faults import FixedError, ForbiddenError, MalformedError, TakenError
from service.query.draft import Draft
from service.registry import Collection
from service.store import features
from service.store.features import Found, Written, refusing
from service.store.items import version_sql
from service.store.places import places_of

# the first key of advisory locks on a community's cases
_SPACE = 0x7768

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
    where c.id = n.id and c.division_code = :division and c.grid_code is distinct from n.grid_code
""")
_DIVISIONS = text("""
    select (
        select d.code from divisions d
        where d.tier = 'community' and d.geom && p.point and st_covers(d.geom, p.point)
          and (n.named is null or d.code = n.named)
        order by d.code limit 1
    ) as code
    from unnest(cast(:xs as float8[]), cast(:ys as float8[]), cast(:named as text[]))
        with ordinality as n(x, y, named, place)
    cross join lateral (select st_setsrid(st_makepoint(n.x, n.y), 4326) as point) p
    order by n.place
""")
_SHARE = text("""
    select count(pg_advisory_xact_lock_shared(:space, hashtext(c.code)))
    from (select code from unnest(cast(:codes as text[])) as u(code) order by code) c
""")
_PLACED = ["buildings"]  # collections that places are made of
# not in the statement that waits for the lock, which sees what was before it
_VERSION = text(version_sql("true"))
_GRIDS = text(f"""
    select ({version_sql("true")}) as version, coalesce(
        (select b.grid_code from buildings b
         where b.division_code = n.division and b.building_id = n.building and b.part = 0),
        (select g.code from grids g
         where g.valid_to is null and g.division_code = n.division and g.geom && p.point
           and st_covers(g.geom, p.point)
         order by g.code limit 1)) as code
    from unnest(cast(:divisions as text[]), cast(:buildings as text[]), cast(:xs as float8[]),
                cast(:ys as float8[])) with ordinality as n(division, building, x, y, row)
    cross join lateral (select st_setsrid(st_makepoint(n.x, n.y), 4326) as point) p
    order by n.row
""")  # noqa: S608  # nothing of a caller's is in it
_ADD = text("""
    insert into cases
        (division_code, case_id, category, time, due_at, tier, building_id, grid_code, place, place_era, geom)
    select n.division, n.case_id, n.category, n.time, n.due, n.tier, n.building, n.grid,
        st_setsrid(st_makepoint(n.px, n.py), 4326), n.era, st_setsrid(st_makepoint(n.x, n.y), 4326)
    from unnest(cast(:divisions as text[]), cast(:case_ids as text[]), cast(:categories as text[]),
                cast(:times as timestamptz[]), cast(:dues as timestamptz[]), cast(:tiers as text[]),
                cast(:buildings as text[]), cast(:grids as text[]), cast(:xs as float8[]),
                cast(:ys as float8[]), cast(:pxs as float8[]), cast(:pys as float8[]),
                cast(:eras as integer[])) with ordinality
        as n(division, case_id, category, time, due, tier, building, grid, x, y, px, py, era, row)
    order by n.row
    returning id, version, division_code, case_id
""")
_BEGIN = text("""
    insert into case_steps (division_code, case_row, to_status, to_tier, actor)
    select n.division, n.row, :status, n.tier, :actor
    from unnest(cast(:divisions as text[]), cast(:rows as bigint[]), cast(:tiers as text[]))
        as n(division, row, tier)
""")
_STEP = text("""
    insert into case_steps (division_code, case_row, from_status, to_status, from_tier, to_tier, actor, note)
    values (:division, :row, :from_status, :to_status, :from_tier, :to_tier, :actor, :note)
""")
_HOME = text("select building_id from cases where id = :row")
# A place that the new point kept stays, if it may (`_STRAY` in store/places.py); who had none left gets none.
_MOVE = text("""
    update cases c
    set grid_code = :grid,
        place = case
            when c.place is null and c.place_era is null then st_setsrid(st_makepoint(:px, :py), 4326)
            when (
                select count(distinct b.grid_code) > 2 or bool_or(b.grid_code = :grid) from case_places p
                join buildings b on b.division_code = p.division_code and b.building_id = p.building_id
                    and b.part = 0
                where p.division_code = c.division_code and p.era = c.place_era and p.place = c.place
            ) then c.place end,
        place_era = case
            when c.place is null and c.place_era is null then cast(:era as integer) else c.place_era end
    where c.id = :row returning c.version
""")


@dataclass(frozen=True)
class NewCase:
    """A case to be made: degrees, times in UTC; community, where the client named it."""

    case_id: str
    category: str
    time: datetime
    due: datetime
    tier: str
    building: str | None
    lon: float
    lat: float
    community: str | None = None


@dataclass(frozen=True)
class Located:
    """Of each case its grid's code, the place where others see it (degrees; NaN: none), and its era."""

    grids: Sequence[str | None]
    places: Any
    eras: Sequence[int | None]


@dataclass(frozen=True)
class Step:
    """What happened to a case, and when."""

    at: datetime
    from_status: str
    to_status: str
    from_tier: str
    to_tier: str
    actor: str
    note: str


def locate_cases(connection: Connection, division: str) -> int:
    """Give every case of the division the code of its grid in force; returns how many changed."""
    connection.execute(
        text("select pg_advisory_xact_lock(:space, hashtext(:code))"), {"space": _SPACE, "code": division}
    )
    return connection.execute(_LOCATE, {"division": division}).rowcount


# --- made ---


def read_case(draft: Draft, now: datetime) -> NewCase:
    """A new case from what a client sent. Raises MalformedError."""
    sent = {name: value for name, value in draft.values.items() if value is not None}
    if draft.shape is None:
        raise MalformedError("write-no-geometry")
    category = sent.get("category", "").strip()
    if not category:
        raise MalformedError("write-missing", name="category")
    if sent.get("status", casework.FIRST) != casework.FIRST:
        raise MalformedError("write-choice", name="status", value=sent["status"], choice=casework.FIRST)
    tier = sent.get("tier", "")
    if tier not in ("", *casework.TIERS):
        raise MalformedError("write-choice", name="tier", value=tier[:60], choice=", ".join(casework.TIERS))
    if "grid" in sent:
        raise MalformedError("write-readonly", name="grid")
    time = sent.get("time", now)
    return NewCase(
        case_id=sent.get("case_id", "").strip() or f"{now:%Y%m%d}-{secrets.token_hex(6)}",
        category=category,
        time=time,
        due=sent.get("due") or casework.due_at(category, time),
        tier=tier,
        building=sent.get("building_id") or None,
        lon=draft.shape.x,
        lat=draft.shape.y,
        community=sent.get("community"),
    )


def add_cases(
    connection: Connection, principal: Principal, collection: Collection, cases: Sequence[NewCase]
) -> list[Written]:
    """Make the cases, all or none, each in the grid in force around it; in the order given.

    MalformedError: a point in no community; ForbiddenError: one that is not the principal's; TakenError.
    """
    _check_ids(collection, cases)
    xs, ys = [case.lon for case in cases], [case.lat for case in cases]
    named = [case.community for case in cases]
    for community in set(named) - {None}:
        if not any(str(community).startswith(prefix) for prefix in principal.scope):
            raise ForbiddenError("write-forbidden")
    found = connection.scalars(_DIVISIONS, {"xs": xs, "ys": ys, "named": named}).all()
    for division, case in zip(found, cases, strict=True):
        if division is None:
            if case.community is not None:
                raise MalformedError("write-outside", community=case.community[:60])
            if "" in principal.scope:
                raise MalformedError("write-nowhere")
            raise ForbiddenError("write-forbidden")
    divisions = [str(division) for division in found]
    buildings = [case.building for case in cases]
    points = np.column_stack((xs, ys))
    share(connection, collection, divisions)
    located = _locate(connection, divisions, buildings, points)
    with refusing(collection, cases[0].case_id if len(cases) == 1 else "…"):
        rows = connection.execute(
            _ADD,
            {
                "divisions": divisions,
                "case_ids": [case.case_id for case in cases],
                "categories": [case.category for case in cases],
                "times": [case.time for case in cases],
                "dues": [case.due for case in cases],
                "tiers": [case.tier for case in cases],
                "buildings": buildings,
                "grids": located.grids,
                "xs": xs,
                "ys": ys,
                "pxs": [None if np.isnan(x) else x for x in located.places[:, 0].tolist()],
                "pys": [None if np.isnan(y) else y for y in located.places[:, 1].tolist()],
                "eras": located.eras,
            },
        ).all()
        made = {(row.division_code, row.case_id): row for row in rows}
        ordered = [made[division, case.case_id] for division, case in zip(divisions, cases, strict=True)]
        connection.execute(
            _BEGIN,
            {
                "divisions": divisions,
                "rows": [row.id for row in ordered],
                "tiers": [case.tier for case in cases],
                "status": casework.FIRST,
                "actor": principal.subject,
            },
        )
    return [Written(f"{row.division_code}:{row.case_id}", row.id, row.version) for row in ordered]


def _check_ids(collection: Collection, cases: Iterable[NewCase]) -> None:
    seen: set[tuple[str | None, str]] = set()
    for case in cases:
        if (case.community, case.case_id) in seen:
            raise TakenError("write-taken", name=collection.name, value=case.case_id[:60])
        seen.add((case.community, case.case_id))


def share(connection: Connection, collection: Collection, divisions: Sequence[str]) -> None:
    """Keep publications from the communities until the transaction ends."""
    with refusing(collection):
        connection.execute(
            _SHARE, {"space": _SPACE, "codes": np.unique(np.asarray(divisions, dtype=str)).tolist()}
        )


def _locate(
    connection: Connection, divisions: Sequence[str], buildings: Sequence[str | None], points: Any
) -> Located:
    """Where cases are, and are shown: in their building's grid, else in that around their point."""
    asked = {
        "sources": _PLACED,
        "divisions": list(divisions),
        "buildings": list(buildings),
        "xs": points[:, 0].tolist(),
        "ys": points[:, 1].tolist(),
    }
    rows = connection.execute(_GRIDS, asked).all()
    return _place(connection, divisions, points, [row.code for row in rows], rows[0].version)


def place_in_grids(
    connection: Connection, divisions: Sequence[str], points: Any, grids: Sequence[str | None]
) -> Located:
    """Where cases in these grids are shown. Publications are kept away (`share`)."""
    version = int(connection.scalar(_VERSION, {"sources": _PLACED}) or 0)
    return _place(connection, divisions, points, grids, version)


def _place(
    connection: Connection,
    divisions: Sequence[str],
    points: Any,
    grids: Sequence[str | None],
    version: int,
) -> Located:
    codes, owners = np.unique(np.asarray(divisions, dtype=str), return_inverse=True)
    places = np.full(points.shape, np.nan)
    eras = np.zeros(len(points), dtype=np.int64)
    ordered = np.argsort(owners, kind="stable")
    ends = np.searchsorted(owners[ordered], np.arange(len(codes) + 1))
    kept = places_of(connection, codes.tolist(), version)
    for (_, of), first, last in zip(kept, ends[:-1], ends[1:], strict=True):
        mine = ordered[first:last]
        places[mine] = of.of(points[mine], [grids[row] for row in mine.tolist()])
        eras[mine] = of.era
    nowhere = np.isnan(places[:, 0]).tolist()
    return Located(
        grids, places, [None if none else era for era, none in zip(eras.tolist(), nowhere, strict=True)]
    )


# --- changed ---


def change_case(
    connection: Connection,
    principal: Principal,
    collection: Collection,
    access: Access,
    found: Found,
    draft: Draft,
    *,
    whole: bool,
    note: str = "",
) -> Written:
    """Set what the draft holds, by the allowed steps, and write these down.

    MalformedError, FixedError, ForbiddenError.
    """
    own = principal.role is Role.CENTRE or found.values.get("grid") in principal.grids
    if not own:
        raise ForbiddenError("write-forbidden")
    sent = dict(draft.values)
    status, tier = found.values["status"], found.values["tier"]
    after = sent.get("status", None if whole else status)
    if not after:
        raise MalformedError("write-missing", name="status")
    if ("category" in sent or whole) and not sent.get("category"):
        raise MalformedError("write-missing", name="category")
    higher = sent.get("tier", "" if whole else tier) or ""
    if after != status:
        casework.check_step(principal, status, after)
    casework.check_tier(principal, status, tier, higher)
    if "due" in sent or whole:
        now = found.values.get("due")
        told = None if now is None else datetime.fromisoformat(now).astimezone(UTC)
        if sent.get("due") != told and principal.role is not Role.CENTRE:
            raise ForbiddenError("case-due")
    if status == casework.LAST and after == status and _changes(found, sent):
        raise FixedError("case-closed")
    moved = draft.shape is not None and draft.shape.wkb != found.wkb
    if moved:
        share(connection, collection, [found.division])
    written = features.change_feature(connection, collection, access, found, draft, whole=whole)
    if moved and draft.shape is not None:
        version = _move(connection, collection, found, np.array([[draft.shape.x, draft.shape.y]]))
        written = Written(written.key, written.row, version or written.version)
    if (after, higher) != (status, tier):
        with refusing(collection):
            connection.execute(
                _STEP,
                {
                    "division": found.division,
                    "row": found.row,
                    "from_status": status,
                    "to_status": after,
                    "from_tier": tier,
                    "to_tier": higher,
                    "actor": principal.subject,
                    "note": note,
                },
            )
    return written


def _move(connection: Connection, collection: Collection, found: Found, point: Any) -> int | None:
    """Find the grid and the place of a case whose point is another now; its version."""
    home = connection.scalar(_HOME, {"row": found.row})
    located = _locate(connection, [found.division], [home], point)
    x, y = (None if np.isnan(one) else one for one in located.places[0].tolist())
    values = {"row": found.row, "px": x, "py": y, "era": located.eras[0], "grid": located.grids[0]}
    with refusing(collection):
        version: int | None = connection.scalar(_MOVE, values)
    return version


def _changes(found: Found, sent: dict[str, Any]) -> bool:
    return any(sent[name] != found.values.get(name) for name in ("category", "tier") if name in sent)


def list_steps(connection: Connection, row: int) -> list[Step]:
    """What happened to the case, in order. The first step of many brought at once is their import."""
    rows = connection.execute(
        text("""
            select at, from_status, to_status, from_tier, to_tier, actor, note from case_steps
            where case_row = :row order by at, id
        """),
        {"row": row},
    )
    steps = [Step(*row) for row in rows]
    begun = connection.execute(
        text("""
            select i.at, i.actor, c.status, c.tier from cases c join case_imports i on i.id = c.import_id
            where c.id = :row
        """),
        {"row": row},
    ).first()
    if begun is None:
        return steps
    status, tier = (steps[0].from_status, steps[0].from_tier) if steps else (begun.status, begun.tier)
    return [Step(begun.at, "", status, "", tier, begun.actor, ""), *steps]
