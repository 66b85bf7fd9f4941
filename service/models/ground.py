"""What stands on the ground, from divisions to facilities; counts of people."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Double, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from service.models.base import (
    DIVISION_CLASSES,
    FACILITY_CONDITIONS,
    LINE,
    POINT,
    STREET_CLASSES,
    SURFACE,
    flag,
    no_identity,
    not_negative,
    number,
    one_of,
    shape,
    table,
    words,
)

divisions = table(
    "divisions",
    words("code", None),
    words("community_id", None),
    words("tier", "community"),
    Column("parent", Text),
    words("name"),
    words("class"),
    flag("local"),
    flag("synthetic"),
    words("attribution"),
    words("source_crs", None),
    words("metric_crs", None),
    # what the check of its files repaired and noted, as `Finding`s
    Column("findings", JSONB, nullable=False, server_default=text("'[]'")),
    *shape("divisions", SURFACE, metric=True),
    UniqueConstraint("code"),
    CheckConstraint("code <> '' and code = division_code", "code_is_division_code"),
    one_of("class", DIVISION_CLASSES),
    *no_identity("code", "community_id", "name"),
    of_division=False,
)

streets = table(
    "streets",
    number("ordinal"),
    words("name"),
    words("class", None),
    flag("bridge"),
    flag("tunnel"),
    Column("layer", Integer, nullable=False, server_default=text("0")),
    flag("oneway"),
    *shape("streets", LINE, metric=True),
    UniqueConstraint("division_code", "ordinal"),
    one_of("class", STREET_CLASSES),
)

compounds = table(
    "compounds",
    number("ordinal"),
    words("compound_id"),
    words("name"),
    *shape("compounds", SURFACE, metric=True),
    UniqueConstraint("division_code", "ordinal"),
    *no_identity("compound_id", "name"),
)

zones = table(
    "zones",
    number("ordinal"),
    words("zone_id"),
    words("name"),
    words("kind", "other"),
    Column("complexity", Double, nullable=False, server_default=text("1")),
    *shape("zones", SURFACE, metric=True),
    UniqueConstraint("division_code", "ordinal"),
    CheckConstraint("complexity > 0 and complexity < 'Infinity'", "complexity_counts"),
    *no_identity("zone_id", "name"),
)

# One row an input row; rows with one building_id are one building, whose households stand in them once.
buildings = table(
    "buildings",
    words("building_id", None),
    Column("part", Integer, nullable=False, server_default=text("0")),
    number("ordinal"),
    Column("households", Integer, nullable=False, server_default=text("0")),
    flag("households_unknown"),
    flag("estimated"),
    Column("residents", Double),
    words("use"),
    Column("floors", Double),
    Column("shops", Double),
    Column("complexity", Double, nullable=False, server_default=text("1")),
    words("village_group"),
    Column("grid_code", Text),
    *shape("buildings", SURFACE, metric=True),
    UniqueConstraint("division_code", "building_id", "part"),
    Index(None, "division_code", "grid_code"),
    *not_negative("households", "part"),
    CheckConstraint("residents >= 0 and residents < 'Infinity'", "residents_not_negative"),
    CheckConstraint("shops >= 0 and shops < 'Infinity'", "shops_not_negative"),
    CheckConstraint("complexity > 0 and complexity < 'Infinity'", "complexity_counts"),
    CheckConstraint("building_id <> ''", "building_id_given"),
    CheckConstraint("not (households_unknown and households > 0 and not estimated)", "unknown_adds_nothing"),
    *no_identity("building_id", "village_group"),
)

population_groups = table(
    "population_groups",
    words("building_id", None),
    words("category", None),
    number("count"),
    UniqueConstraint("division_code", "building_id", "category"),
    *not_negative("count"),
    CheckConstraint("category ~ '^[a-z][a-z_]{1,39}$'", "category_is_key"),
    *no_identity("building_id"),
)

facilities = table(
    "facilities",
    words("facility_id", None),
    words("kind", None),
    words("name"),
    words("condition"),
    *shape("facilities", POINT),
    UniqueConstraint("division_code", "facility_id"),
    Index(None, "division_code", "kind"),
    one_of("condition", FACILITY_CONDITIONS),
    *no_identity("facility_id", "name"),
)
