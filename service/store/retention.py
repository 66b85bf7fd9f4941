"""What is past its time is removed, and the audit says what; as the owner, for the service removes little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy import Connection, text

from service.access import Principal, Role
from service.privacy.retention import Retention
from service.store import audit

_CLOSED = """
    c.status = 'closed' and coalesce(
        (select max(s.at) from case_steps s where s.case_row = c.id and s.to_status = 'closed'), c.time
    ) < now() - make_interval(days => :days)
"""
# the place that the case was shown at, else an inner point of its grid, else of its community
_COARSE = """
    coalesce(c.place,
             (select st_pointonsurface(g.geom) from grids g
              where g.code = c.grid_code and g.valid_to is null),
             (select st_pointonsurface(d.geom) from divisions d where d.code = c.division_code))
"""
# by name of the period: the table with its alias, and which of its rows are past it
_PAST: Mapping[str, tuple[str, str]] = {
    "cases": ("cases c", _CLOSED),
    "case_points": (
        "cases c",
        f"{_CLOSED} and (c.building_id is not null or not st_equals(c.geom, {_COARSE}))",
    ),
    # after the cases: the last of them takes its import along
    "case_imports": (
        "case_imports i",
        "i.at < now() - make_interval(days => :days)"
        " and not exists (select from cases c where c.import_id = i.id)",
    ),
    "events": ("events e", "e.at < now() - make_interval(days => :days)"),
    "answers": ("answers n", "n.at < now() - make_interval(days => :days)"),
    "sessions": (
        "sessions s",
        "least(s.expires_at, coalesce(s.ended_at, s.expires_at)) < now() - make_interval(days => :days)",
    ),
    "login_links": (
        "login_links l",
        "least(l.expires_at, coalesce(l.used_at, l.expires_at)) < now() - make_interval(days => :days)",
    ),
    "api_keys": (
        "api_keys k",
        "least(k.expires_at, coalesce(k.revoked_at, k.expires_at)) < now() - make_interval(days => :days)",
    ),
    "runs": ("runs r", "r.finished_at < now() - make_interval(days => :days)"),
    "drafts": (
        "plans p",
        "p.status in ('draft', 'archived') and p.published_at is null"
        " and p.updated_at < now() - make_interval(days => :days)"
        " and not exists (select from plans q where q.base_plan_id = p.id)",
    ),
    "bases": (
        "figure_bases b",
        "b.frozen_at < now() - make_interval(days => :days) and not exists (select from published_figures f"
        " where f.division_code = b.division_code and f.category = b.category)",
    ),
    "audit": ("audit a", "a.at < now() - make_interval(days => :days)"),
}


def count_past(connection: Connection, retention: Retention) -> dict[str, int]:
    """How many rows are past each period; nothing is changed."""
    return {
        name: int(
            connection.execute(
                text(f"select count(*) from {table} where {past}"),  # noqa: S608 - the texts above
                {"days": days},
            ).scalar_one()
        )
        for name, (table, past, days) in _wanted(retention).items()
    }


def purge(connection: Connection, retention: Retention, author: str) -> dict[str, int]:
    """Remove what is past its period, within the caller's transaction; returns how many rows of each kind.

    A line of the audit says so, with the periods.
    """
    done: dict[str, int] = {}
    for name, (table, past, days) in _wanted(retention).items():
        if name == "case_points":
            done[name] = _coarsen(connection, past, days)
        else:
            done[name] = connection.execute(
                text(f"delete from {table} where {past}"),  # noqa: S608 - the texts above
                {"days": days},
            ).rowcount
    audit.record(
        connection,
        Principal(Role.ADMIN, subject=author),
        "purge",
        details={"removed": done, "days": asdict(retention)},
    )
    return done


def _wanted(retention: Retention) -> dict[str, tuple[str, str, int]]:
    periods = asdict(retention)
    return {name: (table, past, periods[name]) for name, (table, past) in _PAST.items() if periods[name]}


def _coarsen(connection: Connection, past: str, days: int) -> int:
    """Put closed cases at their places, for good."""
    return connection.execute(
        text(f"""
            with past as (select c.id, {_COARSE} as coarse from cases c where {past})
            update cases t set geom = p.coarse, building_id = null from past p where p.id = t.id
        """),  # noqa: S608 - the texts above
        {"days": days},
    ).rowcount
