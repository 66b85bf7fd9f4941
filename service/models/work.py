"""Staff and cases."""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, Text, UniqueConstraint, text

from service.models.base import (
    CASE_STATUSES,
    POINT,
    SRID,
    ledger,
    members,
    moment,
    no_identity,
    number,
    one_of,
    shape,
    table,
    words,
)

# `assigned` is the grid as the input named it: a code, or its place in the order of codes ("1", "012").
grid_staff = table(
    "grid_staff",
    words("assigned"),
    words("role", None),
    words("name", None),
    words("phone"),
    Column("grid_code", Text),
    UniqueConstraint("division_code", "assigned", "role", "name"),
    Index(None, "division_code", "grid_code"),
    *no_identity("role", "name", "phone"),
)

# `place` is the point shown to those without the right to the case's own: that of at least 8 buildings around
# it, as `case_places` tells by `place_era` (`privacy/places.py` finds them, `store/places.py` writes them).
# With an era and no place: it had one that does not hold any longer, and gets no other.
cases = table(
    "cases",
    words("case_id", None),
    words("category", None),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True)),
    words("status", "discovered"),
    words("tier"),
    Column("building_id", Text),
    Column("grid_code", Text),
    Column("import_id", BigInteger),  # of `case_imports`; without a foreign key, which is asked row by row
    Column("place", Geometry("POINT", srid=SRID, dimension=2, spatial_index=False)),
    Column("place_era", Integer),
    *shape("cases", POINT),
    Index("ix_cases_place", "place", postgresql_using="gist"),
    UniqueConstraint("division_code", "case_id"),
    Index(None, "division_code", "time"),
    Index(None, "grid_code", "time"),
    Index(None, "time"),
    Index(None, "import_id", postgresql_where=text("import_id is not null")),
    one_of("status", CASE_STATUSES),
    *no_identity("case_id", "category"),
)

# Which buildings the places stand for that were made at one time (`era`, counted in the community): `place`
# is theirs, `geom` the point that the building had, `grids` all that it was in since. Of eras of which there
# are cases, and the present one.
case_places = table(
    "case_places",
    number("era"),
    words("building_id", None),
    members("grids"),
    Column("place", Geometry("POINT", srid=SRID, dimension=2, spatial_index=False), nullable=False),
    Column("geom", Geometry("POINT", srid=SRID, dimension=2, spatial_index=False), nullable=False),
    UniqueConstraint("division_code", "era", "building_id"),
)

# Every step of a case: allowed ones only, by whom, when.
case_steps = table(
    "case_steps",
    Column("case_row", BigInteger, ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    words("from_status"),
    words("to_status", None),
    words("from_tier"),
    words("to_tier"),
    words("actor"),
    words("note"),
    moment("at", now=True),
    Index(None, "case_row", "at"),
    one_of("to_status", CASE_STATUSES),
    *no_identity("note"),
)

# Who brought many cases at once, and when: their first step, which `case_steps` does not hold. Kept as long
# as any of the cases.
case_imports = ledger("case_imports", words("actor"), moment("at", now=True))

# What happened, in the order of commits as far as `xid` tells; holds keys only, so that a reader is told of
# a row what the access function lets it see, at that time. Kept for a day.
# audience: who is told of it: "centre", "open" (who sees what is shown to everybody), "known" (to those with
# a key); grids: whose own workers are. Many cases at once are one event, but as many as one of these see: so
# nobody hears from it how much there is that they do not see. category: of the case, if it had a place;
# was_category, was_grid: before it changed, for what was not shown before is new. categories: of many.
events = table(
    "events",
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("statement_timestamp()")),
    Column("xid", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),
    words("kind", None),
    words("collection", None),
    Column("row_id", BigInteger),
    words("feature"),
    words("grid_code"),
    members("audience"),
    members("categories"),
    members("grids"),
    Column("category", Text),
    Column("was_category", Text),
    Column("was_grid", Text),
    Index(None, "xid", "id"),
    Index(None, "at"),
    of_division=False,
)
