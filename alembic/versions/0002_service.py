"""What the service needs beyond reading: accounts, plans as resources, jobs, events, further collections."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    *("case_steps", "events", "secrets", "figure_bases", "published_figures"),
    *("runs", "plan_notes", "plan_revisions"),
    *("collection_versions", "added_collections", "sessions", "login_links", "api_keys"),
    "published_divisions",
)
CHANGING = (
    *("divisions", "streets", "compounds", "zones", "buildings", "facilities", "grids", "cases"),
    "added_collections",
)


# the reading policies as the first migration made them
POLICIES = """
do $$
declare
    name text;
begin
    foreach name in array array['divisions', 'streets', 'compounds', 'zones', 'buildings', 'facilities',
        'grids', 'grid_lineage', 'grid_staff']
    loop
        execute format($p$alter policy reading on %I using (
            (select wangge_role()) in ('public', 'consumer', 'planner', 'centre', 'grid_worker',
                'privacy_officer', 'admin', 'disclosure')
            and division_code ^@ any ((select wangge_scopes())::text[]))$p$, name);
    end loop;
end $$;
alter policy reading on cases using (
    division_code ^@ any ((select wangge_scopes())::text[])
    and ((select wangge_role()) in ('centre', 'disclosure')
         or ((select wangge_role()) = 'grid_worker' and grid_code = any ((select wangge_grids())::text[]))
         or ((select wangge_role()) in ('public', 'consumer', 'planner', 'grid_worker', 'privacy_officer',
                 'admin') and place is not null)));
"""

AUDIT = """
drop trigger tr_audit_kept on audit;
drop trigger tr_audit_append_only on audit;
drop function wangge_audit_kept();
create trigger tr_audit_append_only before update or delete or truncate on audit
    for each statement execute function wangge_append_only();
"""


def upgrade() -> None:
    """Make the tables, then guard them."""
    for part in ("0002_service.sql", "0002_guards.sql"):
        _run(Path(__file__).with_name(part).read_text(encoding="utf-8"))


def downgrade() -> None:
    """Remove them with their data."""
    for name in CHANGING:
        _run(f"drop trigger tr_{name}_changed on {name}")
    _run(AUDIT)
    _run("drop schema layers cascade")
    _run(POLICIES)
    for event in ("insert", "update", "delete"):
        _run(f"drop trigger tr_grids_published_{event} on grids")
    for event in ("insert", "update"):
        _run(f"drop trigger tr_cases_events_{event} on cases")
    _run("drop trigger tr_plans_published on plans")
    _run("drop policy relocating on cases")
    _run(f"drop table {', '.join(TABLES)}")
    _run("drop function wangge_changed(), wangge_published(), wangge_is(text[]), wangge_everywhere()")
    _run("drop function wangge_plan_published(), wangge_case_events(), wangge_events_told()")
    _run("drop function wangge_purge_events(interval)")
    _run("alter table plans drop column revision, drop column locked")


def _run(sql: str) -> None:
    # the driver itself: neither colons nor percent signs are placeholders here
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(sql)
