"""Further collections, and how often each collection changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Table, Text, UniqueConstraint, text

from service.models.base import ROLES, document, flag, ledger, metadata, one_of, words

SENSITIVITIES = ("open", "internal", "restricted")

# Layers that `wangge collection add` published: each is a table of the schema `layers`.
added_collections = ledger(
    "added_collections",
    words("name", None),
    words("table_name", None),
    words("title_zh"),
    words("title_en"),
    words("about_zh"),
    words("about_en"),
    words("attribution"),
    words("licence"),
    words("sensitivity", None),
    words("least", None),
    words("geometry_kind", None),
    words("geometry_name", "geom"),
    document("columns", "[]"),
    flag("writable"),
    UniqueConstraint("name"),
    UniqueConstraint("table_name"),
    one_of("sensitivity", SENSITIVITIES),
    one_of("least", ROLES),
    CheckConstraint("name ~ '^[A-Za-z][A-Za-z0-9_.-]{0,62}$'", "name_is_key"),
)

# Statement triggers add one to a shard of the collection that the writing transaction alone holds. The sum
# over the shards is the version of the state that a snapshot sees; so no writer waits for another.
collection_versions = Table(
    "collection_versions",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
)

# Divisions with grids in force; triggers on `grids` keep it. Whatever the public reads is bounded by it.
published_divisions = Table(
    "published_divisions",
    metadata,
    Column("division_code", Text, primary_key=True),
)
