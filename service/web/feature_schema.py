"""What the properties of features are, as JSON Schema after OGC API – Features Part 5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from partition.texts import Language
from service.access import Access
from service.registry import UNITS_UCUM, Collection, Column, Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Purpose = Literal["schema", "queryables", "sortables"]
TYPES: Mapping[Kind, Mapping[str, str]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date-time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}


def describe_features(
    collection: Collection,
    access: Access,
    lang: Language,
    address: str,
    purpose: Purpose,
    *,
    writing: bool = False,
) -> dict[str, Any]:
    """The schema that stands at `address`, of what the principal may see. writing: that it may write, too."""
    properties: dict[str, dict[str, Any]] = {}
    names = [column.name for column, _ in access.known]
    if purpose == "schema" and "id" not in names:
        properties["id"] = {"type": "string", "readOnly": True, "x-ogc-role": "id"}
    for column, _ in access.known:
        properties[column.name] = describe_column(column, lang)
        if purpose == "schema" and not (writing and collection.writable and column.writable):
            properties[column.name]["readOnly"] = True
    if purpose != "sortables":
        shape: dict[str, Any] = {"format": f"geometry-{collection.shape}", "x-ogc-role": "primary-geometry"}
        properties[collection.geometry_name] = shape
    for place, one in enumerate(properties.values(), start=1):
        one["x-ogc-propertySeq"] = place
    return {
        "$schema": DIALECT,
        "$id": address,
        "type": "object",
        "title": getattr(collection, lang),
        "description": getattr(collection, f"about_{lang}"),
        "properties": properties,
        "additionalProperties": False,
    }


def describe_column(column: Column, lang: Language) -> dict[str, Any]:
    """One property: kind, title, unit, values."""
    body: dict[str, Any] = {**TYPES[column.kind], "title": getattr(column, lang) or column.name}
    if column.choices:
        body["enum"] = list(column.choices)
    if column.unit:
        body["x-ogc-unit"] = UNITS_UCUM.get(column.unit, column.unit)
    if column.part:
        body["x-ogc-role"] = column.part
    return body
