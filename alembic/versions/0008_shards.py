"""Writers count their changes without waiting for each other."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give each transaction a shard of its own."""
    _run(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Back to shards by backend."""
    guards = Path(__file__).with_name("0002_guards.sql").read_text(encoding="utf-8")
    before = re.search(r"create (function wangge_changed\(\).*?\nend \$\$;)", guards, re.DOTALL)
    assert before is not None  # noqa: S101  # it stands in the file beside this one
    _run(f"create or replace {before[1]}")


def _run(sql: str) -> None:
    # the driver itself: neither colons nor percent signs are placeholders here
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(sql)
