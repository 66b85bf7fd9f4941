"""The tables. One `MetaData`, one engine: PostGIS.

Every table has `id`, `version` (the ETag; a trigger adds one at each update), `updated_at` and
`division_code` (the community's code, by whose prefix access is scoped). Every geometry is `geom` in
EPSG:4326, two-dimensional and valid; areas are square metres. `metric_wkb` beside it is the same geometry
exactly as the partition checked it, in the community's `metric_crs`: a plan made from the database is then
the plan made from the file. A trigger empties it when `geom` alone is changed.

No table has a place for a resident: people are counted by building and category (`population_groups`),
categories are short keys, and names and ids that hold an identity number are refused. The only names of
people are those of staff, with their work phone.

Triggers, row policies and grants stand in the migrations.
"""

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
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.sql.schema import SchemaItem

SRID = 4326
PLAN_STATUSES = ("draft", "submitted", "approved", "published", "archived")
CASE_STATUSES = ("discovered", "filed", "dispatched", "handled", "verified", "closed", "returned")
GRID_KINDS = ("basic", "dedicated")  # 基础网格, 专属网格
LINEAGE_KINDS = ("split", "merged", "redrawn")
DIVISION_CLASSES = ("", "urban", "rural")
STREET_CLASSES = ("arterial", "secondary", "local", "lane", "path", "water", "rail", "wall")

POINT = ("POINT",)
LINE = ("LINESTRING",)
SURFACE = ("POLYGON", "MULTIPOLYGON")

# eighteen characters with a birth date in the middle
IDENTITY_NUMBER = r"(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} in ({', '.join(repr(value) for value in values)})", f"{column}_known")


def _not_negative(*columns: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"{column} >= 0", f"{column}_not_negative") for column in columns]


def _no_identity(*columns: str) -> list[CheckConstraint]:
    return [
        CheckConstraint(f"{column} !~ '{IDENTITY_NUMBER}'", f"{column}_no_identity") for column in columns
    ]


def _geometry(table: str, kinds: tuple[str, ...], *, metric: bool = False) -> list[SchemaItem]:
    shape: list[SchemaItem] = [
        Column("geom", Geometry("GEOMETRY", srid=SRID, dimension=2, spatial_index=False), nullable=False),
        CheckConstraint(f"geometrytype(geom) in ({', '.join(repr(kind) for kind in kinds)})", "geom_type"),
        CheckConstraint("st_isvalid(geom)", "geom_valid"),
        CheckConstraint("not st_isempty(geom)", "geom_not_empty"),
        CheckConstraint(f"st_srid(geom) = {SRID}", "geom_srid"),
        Index(f"ix_{table}_geom", "geom", postgresql_using="gist"),
    ]
    if metric:
        shape.append(Column("metric_wkb", LargeBinary))
    return shape


def _text(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=None if default is None else text(repr(default)))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _table(name: str, *items: SchemaItem, of_division: bool = True) -> Table:
    """A table with the columns that all have; rows of a division go with it."""
    division: list[SchemaItem] = (
        [ForeignKey("divisions.code", onupdate="CASCADE", ondelete="CASCADE")] if of_division else []
    )
    return Table(
        name,
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("version", Integer, nullable=False, server_default=text("1")),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("division_code", Text, *division, nullable=False),
        *items,
    )


divisions = _table(
    "divisions",
    _text("code", None),
    _text("community_id", None),
    _text("tier", "community"),
    Column("parent", Text),
    _text("name"),
    _text("class"),
    _flag("local"),
    _flag("synthetic"),
    _text("attribution"),
    _text("source_crs", None),
    _text("metric_crs", None),
    # what the check of its files repaired and noted, as `Finding`s
    Column("findings", JSONB, nullable=False, server_default=text("'[]'")),
    *_geometry("divisions", SURFACE, metric=True),
    UniqueConstraint("code"),
    CheckConstraint("code <> '' and code = division_code", "code_is_division_code"),
    _one_of("class", DIVISION_CLASSES),
    *_no_identity("code", "community_id", "name"),
    of_division=False,
)

streets = _table(
    "streets",
    _number("ordinal"),
    _text("name"),
    _text("class", None),
    _flag("bridge"),
    _flag("tunnel"),
    Column("layer", Integer, nullable=False, server_default=text("0")),
    _flag("oneway"),
    *_geometry("streets", LINE, metric=True),
    UniqueConstraint("division_code", "ordinal"),
    _one_of("class", STREET_CLASSES),
)

compounds = _table(
    "compounds",
    _number("ordinal"),
    _text("compound_id"),
    _text("name"),
    *_geometry("compounds", SURFACE, metric=True),
    UniqueConstraint("division_code", "ordinal"),
    *_no_identity("compound_id", "name"),
)

zones = _table(
    "zones",
    _number("ordinal"),
    _text("zone_id"),
    _text("name"),
    _text("kind", "other"),
    Column("complexity", Double, nullable=False, server_default=text("1")),
    *_geometry("zones", SURFACE, metric=True),
    UniqueConstraint("division_code", "ordinal"),
    CheckConstraint("complexity > 0 and complexity < 'Infinity'", "complexity_counts"),
    *_no_identity("zone_id", "name"),
)

# One row an input row; rows with one building_id are one building, whose households stand in them once.
buildings = _table(
    "buildings",
    _text("building_id", None),
    Column("part", Integer, nullable=False, server_default=text("0")),
    _number("ordinal"),
    Column("households", Integer, nullable=False, server_default=text("0")),
    _flag("households_unknown"),
    _flag("estimated"),
    Column("residents", Double),
    _text("use"),
    Column("floors", Double),
    Column("shops", Double),
    Column("complexity", Double, nullable=False, server_default=text("1")),
    _text("village_group"),
    Column("grid_code", Text),
    *_geometry("buildings", SURFACE, metric=True),
    UniqueConstraint("division_code", "building_id", "part"),
    Index(None, "division_code", "grid_code"),
    *_not_negative("households", "part"),
    CheckConstraint("residents >= 0 and residents < 'Infinity'", "residents_not_negative"),
    CheckConstraint("shops >= 0 and shops < 'Infinity'", "shops_not_negative"),
    CheckConstraint("complexity > 0 and complexity < 'Infinity'", "complexity_counts"),
    CheckConstraint("building_id <> ''", "building_id_given"),
    CheckConstraint("not (households_unknown and households > 0 and not estimated)", "unknown_adds_nothing"),
    *_no_identity("building_id", "village_group"),
)

population_groups = _table(
    "population_groups",
    _text("building_id", None),
    _text("category", None),
    _number("count"),
    UniqueConstraint("division_code", "building_id", "category"),
    *_not_negative("count"),
    CheckConstraint("category ~ '^[a-z][a-z_]{1,39}$'", "category_is_key"),
    *_no_identity("building_id"),
)

facilities = _table(
    "facilities",
    _text("facility_id", None),
    _text("kind", None),
    _text("name"),
    *_geometry("facilities", POINT),
    UniqueConstraint("division_code", "facility_id"),
    Index(None, "division_code", "kind"),
    *_no_identity("facility_id", "name"),
)

plans = _table(
    "plans",
    _text("status", "draft"),
    _text("profile", None),
    Column("policy", JSONB, nullable=False, server_default=text("'{}'")),
    Column("seed", BigInteger, nullable=False),
    Column("figures", JSONB, nullable=False, server_default=text("'{}'")),
    Column("report", JSONB, nullable=False, server_default=text("'{}'")),
    Column("base_plan_id", BigInteger, ForeignKey("plans.id", ondelete="SET NULL")),
    _text("author"),
    _text("reason"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("published_at", DateTime(timezone=True)),
    Column("archived_at", DateTime(timezone=True)),
    _one_of("status", PLAN_STATUSES),
    Index("uq_plans_published", "division_code", unique=True, postgresql_where=text("status = 'published'")),
    Index(None, "division_code", "status"),
    CheckConstraint("status <> 'published' or published_at is not null", "published_has_time"),
)


def _of_plan() -> Column[int]:
    return Column("plan_id", BigInteger, ForeignKey("plans.id", ondelete="CASCADE"), nullable=False)


plan_units = _table(
    "plan_units",
    _of_plan(),
    _number("unit"),
    _number("households"),
    *_geometry("plan_units", SURFACE, metric=True),
    UniqueConstraint("plan_id", "unit"),
    *_not_negative("households"),
)

plan_assignments = _table(
    "plan_assignments",
    _of_plan(),
    _number("unit"),
    _text("grid_code", None),
    UniqueConstraint("plan_id", "unit"),
    CheckConstraint("grid_code <> ''", "grid_code_given"),
)

# Which building is in which grid of a plan; kept for archived plans too, so that lineage can be told.
plan_buildings = _table(
    "plan_buildings",
    _of_plan(),
    _text("building_id", None),
    _text("grid_code", None),
    _number("households"),
    UniqueConstraint("plan_id", "building_id"),
    Index(None, "plan_id", "grid_code"),
    *_not_negative("households"),
    CheckConstraint("grid_code <> ''", "grid_code_given"),
)


def _figures() -> list[SchemaItem]:
    return [
        _text("kind", "basic"),
        _one_of("kind", GRID_KINDS),
        _number("households"),
        Column("residents", Double),
        _number("buildings"),
        Column("buildings_unknown", Integer, nullable=False, server_default=text("0")),
        Column("area_m2", Double, nullable=False),
        _text("bounds_zh"),
        _text("bounds_en"),
        *_not_negative("households", "residents", "buildings", "buildings_unknown", "area_m2"),
    ]


plan_grids = _table(
    "plan_grids",
    _of_plan(),
    _text("code", None),
    *_figures(),
    *_geometry("plan_grids", SURFACE, metric=True),
    UniqueConstraint("plan_id", "code"),
    CheckConstraint("code <> ''", "code_given"),
)

# A row is one version of a grid, its figures those of the day it came into force; valid_to null: in force.
grids = _table(
    "grids",
    _text("code", None),
    _text("tier", "grid"),
    Column("parent", Text),
    _text("name"),
    Column("plan_id", BigInteger, ForeignKey("plans.id", ondelete="RESTRICT")),
    *_figures(),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_to", DateTime(timezone=True)),
    *_geometry("grids", SURFACE),
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

grid_lineage = _table(
    "grid_lineage",
    _text("old_code", None),
    _text("new_code", None),
    _text("kind", None),
    _number("buildings"),
    _number("households"),
    Column("plan_id", BigInteger, ForeignKey("plans.id", ondelete="RESTRICT"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("plan_id", "old_code", "new_code"),
    Index(None, "old_code"),
    Index(None, "new_code"),
    _one_of("kind", LINEAGE_KINDS),
    CheckConstraint("old_code <> new_code", "code_changed"),
    *_not_negative("buildings", "households"),
)

# `assigned` is the grid as the input named it: a code, or its place in the order of codes ("1", "012").
grid_staff = _table(
    "grid_staff",
    _text("assigned"),
    _text("role", None),
    _text("name", None),
    _text("phone"),
    Column("grid_code", Text),
    UniqueConstraint("division_code", "assigned", "role", "name"),
    Index(None, "division_code", "grid_code"),
    *_no_identity("role", "name", "phone"),
)

# `place` is the point shown to those without the right to the case's own: that of at least 8 buildings around
# it (`service/places.py` finds them, `store/places.py` writes them when cases or buildings were loaded).
cases = _table(
    "cases",
    _text("case_id", None),
    _text("category", None),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True)),
    _text("status", "discovered"),
    _text("tier"),
    Column("building_id", Text),
    Column("grid_code", Text),
    Column("place", Geometry("POINT", srid=SRID, dimension=2, spatial_index=False)),
    *_geometry("cases", POINT),
    Index("ix_cases_place", "place", postgresql_using="gist"),
    UniqueConstraint("division_code", "case_id"),
    Index(None, "division_code", "time"),
    Index(None, "grid_code", "time"),
    Index(None, "time"),
    _one_of("status", CASE_STATUSES),
    *_no_identity("case_id", "category"),
)

# Append-only: a trigger refuses update, delete and truncate even to the owner.
audit = _table(
    "audit",
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    _text("principal"),
    _text("role"),
    _text("action", None),
    _text("group_code"),
    _text("place"),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Index(None, "division_code", "at"),
    of_division=False,
)
