"""The fields that a principal may name in a question: those of the columns that the principal may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from service.access import Access
from service.registry import Collection, Kind

FieldKind = Kind | Literal["geometry"]


@dataclass(frozen=True)
class Field:
    """SQL over the table's alias `t` that yields what the principal sees, and its kind."""

    sql: str
    kind: FieldKind


@lru_cache(maxsize=4096)
def fields_of(collection: Collection, access: Access) -> Mapping[str, Field]:
    """Fields by public name, in the order of the registry; the geometry is the last one."""
    fields = {column.name: Field(sql, column.kind) for column, sql in access.known}
    return fields | {collection.geometry_name: Field(access.geometry, "geometry")}
