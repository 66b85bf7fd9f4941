"""All tables, their guards and row policies.

Plain SQL in the two files beside this one, frozen: the tables of `service.models` go on changing.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    *("audit", "cases", "grid_staff", "grid_lineage", "grids"),
    *("plan_grids", "plan_buildings", "plan_assignments", "plan_units", "plans"),
    *("facilities", "population_groups", "buildings", "zones", "compounds", "streets", "divisions"),
)
FUNCTIONS = (
    *("wangge_touch", "wangge_forget_metric", "wangge_forget_place", "wangge_append_only"),
    *("wangge_never_reissue", "wangge_frozen", "wangge_plan_steps"),
    *("wangge_role", "wangge_scopes", "wangge_grids"),
)


def upgrade() -> None:
    """Make the tables, then guard them."""
    for part in ("0001_tables.sql", "0001_guards.sql"):
        _run(Path(__file__).with_name(part).read_text(encoding="utf-8"))


def downgrade() -> None:
    """Remove everything with its data."""
    _run(f"drop table {', '.join(TABLES)}")
    _run(f"drop function {', '.join(f'{name}()' for name in FUNCTIONS)}")
    _run("revoke select on alembic_version from wangge_app")
    _run("revoke usage on schema public from wangge_app")


def _run(sql: str) -> None:
    # the driver itself: neither colons nor percent signs are placeholders here
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(sql)
