"""Plans, and the grids that they brought into force."""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.sql.schema import SchemaItem

from service.models.base import (
    GRID_KINDS,
    LINEAGE_KINDS,
    PLAN_STATUSES,
    RUN_STATUSES,
    SRID,
    SURFACE,
    document,
    members,
    moment,
    no_identity,
    not_negative,
    number,
    one_of,
    shape,
    table,
    words,
)

plans = table(
    "plans",
    words("status", "draft"),
    words("profile", None),
    Column("policy", JSONB, nullable=False, server_default=text("'{}'")),
    Column("seed", BigInteger, nullable=False),
    Column("figures", JSONB, nullable=False, server_default=text("'{}'")),
    Column("report", JSONB, nullable=False, server_default=text("'{}'")),
    Column("base_plan_id", BigInteger, ForeignKey("plans.id", ondelete="SET NULL")),
    words("author"),
    words("reason"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("published_at", DateTime(timezone=True)),
    Column("archived_at", DateTime(timezone=True)),
    # counts the edits of a draft; an edit names the revision that it was made on
    Column("revision", Integer, nullable=False, server_default=text("0")),
    members("locked"),
    one_of("status", PLAN_STATUSES),
    Index("uq_plans_published", "division_code", unique=True, postgresql_where=text("status = 'published'")),
    Index(None, "division_code", "status"),
    CheckConstraint("status <> 'published' or published_at is not null", "published_has_time"),
)


def _of_plan() -> Column[int]:
    return Column("plan_id", BigInteger, ForeignKey("plans.id", ondelete="CASCADE"), nullable=False)


plan_units = table(
    "plan_units",
    _of_plan(),
    number("unit"),
    number("households"),
    *shape("plan_units", SURFACE, metric=True),
    UniqueConstraint("plan_id", "unit"),
    *not_negative("households"),
)

plan_assignments = table(
    "plan_assignments",
    _of_plan(),
    number("unit"),
    words("grid_code", None),
    UniqueConstraint("plan_id", "unit"),
    CheckConstraint("grid_code <> ''", "grid_code_given"),
)

# Which building is in which grid of a plan; kept for archived plans too, so that lineage can be told.
plan_buildings = table(
    "plan_buildings",
    _of_plan(),
    words("building_id", None),
    words("grid_code", None),
    number("households"),
    UniqueConstraint("plan_id", "building_id"),
    Index(None, "plan_id", "grid_code"),
    *not_negative("households"),
    CheckConstraint("grid_code <> ''", "grid_code_given"),
)


def _figures() -> list[SchemaItem]:
    return [
        words("kind", "basic"),
        one_of("kind", GRID_KINDS),
        number("households"),
        Column("residents", Double),
        number("buildings"),
        Column("buildings_unknown", Integer, nullable=False, server_default=text("0")),
        Column("area_m2", Double, nullable=False),
        words("bounds_zh"),
        words("bounds_en"),
        *not_negative("households", "residents", "buildings", "buildings_unknown", "area_m2"),
    ]


plan_grids = table(
    "plan_grids",
    _of_plan(),
    words("code", None),
    *_figures(),
    *shape("plan_grids", SURFACE, metric=True),
    UniqueConstraint("plan_id", "code"),
    CheckConstraint("code <> ''", "code_given"),
)

# A row is one version of a grid, its figures those of the day it came into force; valid_to null: in force.
grids = table(
    "grids",
    words("code", None),
    words("tier", "grid"),
    Column("parent", Text),
    words("name"),
    Column("plan_id", BigInteger, ForeignKey("plans.id", ondelete="RESTRICT")),
    *_figures(),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_to", DateTime(timezone=True)),
    *shape("grids", SURFACE),
    Index("uq_grids_in_force", "code", unique=True, postgresql_where=text("valid_to is null")),
    Index("ix_grids_division_code_in_force", "division_code", postgresql_where=text("valid_to is null")),
    UniqueConstraint("code", "valid_from"),
    CheckConstraint("valid_to > valid_from", "valid_to_after_from"),
    CheckConstraint("code <> ''", "code_given"),
    ExcludeConstraint(
        ("code", "="),
        (text("tstzrange(valid_from, valid_to)"), "&&"),
        name="ex_grids_one_at_a_time",
        using="gist",
    ),
)


def _sums() -> list[SchemaItem]:
    return [
        Column("residents", Double),
        *not_negative("households", "residents", "buildings", "buildings_unknown", "area_m2"),
    ]


def _level() -> list[SchemaItem]:
    """level: below 0 above the grids (-1: the next), above 0 below them. place: its number within what holds
    it, of all levels below the grid ("2.1"). code: "" where the tier bears no numbers.
    """
    return [
        number("level"),
        words("place", None),
        words("tier_zh", None),
        words("tier_en", None),
        words("name_zh"),
        words("name_en"),
        words("code"),
        CheckConstraint("level <> 0", "level_not_of_grids"),
    ]


# Tiers of a plan. Above the grids: which grids one is made of, now (`members`) and as the plan was made
# (`at_first`); below: the shape of one, the grid that it divides, names and code as far as they go beyond
# those of that grid. kept: it has members, or its grid is still the one that was divided.
plan_tiers = table(
    "plan_tiers",
    _of_plan(),
    *_level(),
    words("grid"),
    members("members"),
    members("at_first"),
    Column("kept", Boolean, nullable=False, server_default=text("true")),
    Column("households", Integer),
    Column("buildings", Integer),
    Column("buildings_unknown", Integer),
    Column("area_m2", Double),
    *_sums(),
    Column("geom", Geometry("GEOMETRY", srid=SRID, dimension=2, spatial_index=False)),
    Column("metric_wkb", LargeBinary),
    UniqueConstraint("plan_id", "level", "grid", "place"),
    CheckConstraint(
        "(level > 0) = (grid <> ''"
        " and num_nulls(geom, households, buildings, buildings_unknown, area_m2) = 0)",
        "whole_below",
    ),
    CheckConstraint(f"geometrytype(geom) in ({', '.join(map(repr, SURFACE))})", "geom_type"),
    CheckConstraint("st_isvalid(geom)", "geom_valid"),
    CheckConstraint("not st_isempty(geom)", "geom_not_empty"),
    CheckConstraint(f"st_srid(geom) = {SRID}", "geom_srid"),
)

# Tiers in force and that were, each row a version, opened and closed with the grids of their plan. parent:
# the key of what holds it, a grid's code, or "". grids: those that it is made of, or the one it divides.
tiers = table(
    "tiers",
    Column("plan_id", BigInteger, ForeignKey("plans.id", ondelete="RESTRICT"), nullable=False),
    words("key", None),
    *_level(),
    words("parent"),
    members("grids"),
    number("households"),
    number("buildings"),
    number("buildings_unknown"),
    Column("area_m2", Double, nullable=False),
    *_sums(),
    # of the grids that it is made of: who does not see one of them does not see their sum
    number("least_households"),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_to", DateTime(timezone=True)),
    *shape("tiers", SURFACE),
    Index(
        "uq_tiers_in_force", "division_code", "key", unique=True, postgresql_where=text("valid_to is null")
    ),
    CheckConstraint("valid_to > valid_from", "valid_to_after_from"),
    CheckConstraint("key <> ''", "key_given"),
    ExcludeConstraint(
        ("division_code", "="),
        ("key", "="),
        (text("tstzrange(valid_from, valid_to)"), "&&"),
        name="ex_tiers_one_at_a_time",
        using="gist",
    ),
)

grid_lineage = table(
    "grid_lineage",
    words("old_code", None),
    words("new_code", None),
    words("kind", None),
    number("buildings"),
    number("households"),
    Column("plan_id", BigInteger, ForeignKey("plans.id", ondelete="RESTRICT"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("plan_id", "old_code", "new_code"),
    Index(None, "old_code"),
    Index(None, "new_code"),
    one_of("kind", LINEAGE_KINDS),
    CheckConstraint("old_code <> new_code", "code_changed"),
    *not_negative("buildings", "households"),
)

# What a draft was after each edit; 0 is how it was made. Undo makes an earlier one the newest.
plan_revisions = table(
    "plan_revisions",
    _of_plan(),
    number("revision"),
    document("operation"),
    document("assignment"),
    members("locked"),
    document("figures"),
    words("author"),
    moment("at", now=True),
    UniqueConstraint("plan_id", "revision"),
    *not_negative("revision"),
)

# Steps of a plan's life with their reasons, and comments (no step: from_status equals to_status).
plan_notes = table(
    "plan_notes",
    _of_plan(),
    words("from_status", None),
    words("to_status", None),
    words("author"),
    words("text"),
    moment("at", now=True),
    Index(None, "plan_id", "at"),
    one_of("from_status", PLAN_STATUSES),
    one_of("to_status", PLAN_STATUSES),
    *no_identity("text"),
)

# A partition run asked for through the service: what its client sees of the queue's job.
runs = table(
    "runs",
    words("key", None),
    words("process", None),
    words("status", "accepted"),
    document("inputs"),
    document("result", None),
    Column("progress", Integer, nullable=False, server_default=text("0")),
    words("message"),
    words("requester"),
    moment("created_at", now=True),
    moment("started_at"),
    moment("finished_at"),
    Column("job_id", BigInteger),
    UniqueConstraint("key"),
    Index(None, "division_code", "created_at"),
    one_of("status", RUN_STATUSES),
    CheckConstraint("progress between 0 and 100", "progress_percent"),
)

# Figures of groups as they left disclosure control on the day of a publication: areas of one or more grids
# of the plan. `count` is what the exact roles see, `shown` what everybody else does.
published_figures = table(
    "published_figures",
    _of_plan(),
    words("category", None),
    members("grids"),
    Column("count", Integer),
    document("shown"),
    words("members_digest", None),
    moment("frozen_at", now=True),
    UniqueConstraint("plan_id", "category", "grids"),
    CheckConstraint("category ~ '^[a-z][a-z_]{1,39}$'", "category_is_key"),
)

# of what: a grid, by whose figure it is joined with others or not, or an area that a figure was told of
BASIS_KINDS = ("grid", "area")

# What an area that figures were published of was on that day: people and households by building. A later
# area that differs from it by too few people repeats its figure. For disclosure control alone, of no plan.
figure_bases = table(
    "figure_bases",
    words("category", None),
    words("kind", None),
    one_of("kind", BASIS_KINDS),
    number("count"),
    document("members"),
    moment("frozen_at", now=True),
    Index(None, "division_code", "category"),
    CheckConstraint("category ~ '^[a-z][a-z_]{1,39}$'", "category_is_key"),
    *not_negative("count"),
)
