"""Tiers above and below the grids: of a plan, and in force."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and their guards."""
    _run(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Remove them with what they hold."""
    keeping = Path(__file__).with_name("0005_keeping.sql").read_text(encoding="utf-8")
    before = re.search(r"create (function wangge_rename_plan_grids\(.*?\nend \$\$;)", keeping, re.DOTALL)
    assert before is not None  # noqa: S101  # it stands in the file beside this one
    _run(f"create or replace {before[1]}")
    _run("drop table tiers, plan_tiers")
    _run("drop function wangge_tier_frozen()")


def _run(sql: str) -> None:
    # the driver itself: neither colons nor percent signs are placeholders here
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(sql)
