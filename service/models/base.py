"""What all tables share: names of constraints, common columns, checks."""

from __future__ import annotations

from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.schema import SchemaItem

SRID = 4326
PLAN_STATUSES = ("draft", "submitted", "approved", "published", "archived")
CASE_STATUSES = ("discovered", "filed", "dispatched", "handled", "verified", "closed", "returned")
GRID_KINDS = ("basic", "dedicated")  # 基础网格, 专属网格
LINEAGE_KINDS = ("split", "merged", "redrawn")
DIVISION_CLASSES = ("", "urban", "rural")
RUN_STATUSES = ("accepted", "running", "successful", "failed", "dismissed")
ROLES = ("public", "consumer", "grid_worker", "planner", "privacy_officer", "admin", "centre")
FACILITY_CONDITIONS = ("", "good", "damaged", "blocked", "missing", "disused")  # "": not known
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


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """The column holds one of `values`."""
    return CheckConstraint(f"{column} in ({', '.join(repr(value) for value in values)})", f"{column}_known")


def not_negative(*columns: str) -> list[CheckConstraint]:
    """None of the columns is below zero."""
    return [CheckConstraint(f"{column} >= 0", f"{column}_not_negative") for column in columns]


def no_identity(*columns: str) -> list[CheckConstraint]:
    """None of the columns holds an identity number."""
    return [
        CheckConstraint(f"{column} !~ '{IDENTITY_NUMBER}'", f"{column}_no_identity") for column in columns
    ]


def shape(table: str, kinds: tuple[str, ...], *, metric: bool = False) -> list[SchemaItem]:
    """A geometry `geom` of the `kinds`, valid and indexed; with `metric` also its exact metric form."""
    items: list[SchemaItem] = [
        Column("geom", Geometry("GEOMETRY", srid=SRID, dimension=2, spatial_index=False), nullable=False),
        CheckConstraint(f"geometrytype(geom) in ({', '.join(repr(kind) for kind in kinds)})", "geom_type"),
        CheckConstraint("st_isvalid(geom)", "geom_valid"),
        CheckConstraint("not st_isempty(geom)", "geom_not_empty"),
        CheckConstraint(f"st_srid(geom) = {SRID}", "geom_srid"),
        Index(f"ix_{table}_geom", "geom", postgresql_using="gist"),
    ]
    if metric:
        items.append(Column("metric_wkb", LargeBinary))
    return items


def words(name: str, default: str | None = "") -> Column[str]:
    """A text that is never null; `default` None: always to be given."""
    return Column(name, Text, nullable=False, server_default=None if default is None else text(repr(default)))


def flag(name: str) -> Column[bool]:
    """False unless set."""
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def number(name: str) -> Column[int]:
    """A whole number, always to be given."""
    return Column(name, Integer, nullable=False)


def identity() -> list[SchemaItem]:
    """Surrogate key, version and time of the last change: what every row has."""
    return [
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("version", Integer, nullable=False, server_default=text("1")),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ]


def ledger(name: str, *items: SchemaItem) -> Table:
    """A table whose rows are about the service, not about a division."""
    return Table(name, metadata, *identity(), *items)


def table(name: str, *items: SchemaItem, of_division: bool = True) -> Table:
    """A table with the columns that all have; rows of a division go with it."""
    division: list[SchemaItem] = (
        [ForeignKey("divisions.code", onupdate="CASCADE", ondelete="CASCADE")] if of_division else []
    )
    return Table(
        name,
        metadata,
        *identity(),
        Column("division_code", Text, *division, nullable=False),
        *items,
    )


def moment(name: str, *, required: bool = False, now: bool = False) -> Column[Any]:
    """A time; `now`: that of its transaction unless given."""
    default = func.now() if now else None
    return Column(name, DateTime(timezone=True), nullable=not (required or now), server_default=default)


def members(name: str) -> Column[Any]:
    """A list of short texts, empty unless given."""
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def document(name: str, default: str | None = "{}") -> Column[Any]:
    """JSON; `default` None: null unless given."""
    if default is None:
        return Column(name, JSONB)
    return Column(name, JSONB, nullable=False, server_default=text(repr(default)))
