"""What keeps: four eyes, answers that can be asked for again, imports on record; events that tell less."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns, tables and guards."""
    _run(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Remove them with what they hold; events are made again as they were."""
    guards = Path(__file__).with_name("0002_guards.sql").read_text(encoding="utf-8")
    before = re.search(r"create (function wangge_case_events\(\).*?\nend \$\$;)", guards, re.DOTALL)
    assert before is not None  # noqa: S101  # it stands in the file beside this one
    _run(f"create or replace {before[1]}")
    _run("drop trigger tr_plans_four_eyes on plans")
    _run("drop function wangge_four_eyes(), wangge_purge_answers(interval, text)")
    _run("drop function wangge_rename_plan_grids(bigint, text[], text[])")
    _run(
        "drop function wangge_plan_begun(), wangge_plan_kept(), wangge_drafts_only() cascade"
    )  # their triggers
    _run("alter table sessions drop column key_id, drop column holder")
    _run("drop table answers, case_imports")
    _run("alter table cases drop column import_id")
    for column in ("audience", "categories", "grids", "category", "was_category", "was_grid"):
        _run(f"alter table events drop column {column}")
    _run("alter table events alter column at set default clock_timestamp()")


def _run(sql: str) -> None:
    # the driver itself: neither colons nor percent signs are placeholders here
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(sql)
