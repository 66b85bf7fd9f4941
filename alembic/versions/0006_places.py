"""Places of cases lie in grids: which buildings each stands for is written down."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both; the places of cases that there are follow when all migrations are done (`alembic/env.py`)."""
    _run(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Remove them; cases stay where they are shown, and those without a place stay without.

    Which of these were withheld is forgotten: an upgrade would give them places anew. Restore a backup
    instead.
    """
    guards = Path(__file__).with_name("0001_guards.sql").read_text(encoding="utf-8")
    before = re.search(r"create (function wangge_forget_place\(\).*?\nend \$\$;)", guards, re.DOTALL)
    assert before is not None  # noqa: S101  # it stands in the file beside this one
    _run(f"create or replace {before[1]}")
    _run("drop table case_places")
    _run("alter table cases drop column place_era")


def _run(sql: str) -> None:
    # the driver itself: neither colons nor percent signs are placeholders here
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(sql)
