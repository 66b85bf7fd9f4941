"""Schemas of a collection's features: what is returned and taken, what can be asked for, what sorts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.access import may_write
from service.links import SCHEMA
from service.routes.collections import answer_json, path_of
from service.web.context import Context, InContext, find_collection
from service.web.feature_schema import Purpose, describe_features
from service.web.schemas import SchemaQuery

router = APIRouter(tags=["schemas"])


def _answer(context: Context, name: str, purpose: Purpose) -> Response:
    collection, allowed = find_collection(context, name)
    address = context.href(f"{path_of(collection)}/{purpose}")
    writing = may_write(context.principal, collection)
    body = describe_features(collection, allowed, context.lang, address, purpose, writing=writing)
    return answer_json(body, SCHEMA)


@router.get("/collections/{name}/schema", summary="Schema of the features", response_class=Response)
def show_schema(context: InContext, name: str, query: Annotated[SchemaQuery, Query()]) -> Response:
    """JSON Schema of what is returned, with units; what cannot be written is read-only."""
    return _answer(context, name, "schema")


@router.get("/collections/{name}/queryables", summary="What can be asked for", response_class=Response)
def show_queryables(context: InContext, name: str, query: Annotated[SchemaQuery, Query()]) -> Response:
    """JSON Schema of the properties that filters may name; all but the geometry also as `name=value`."""
    return _answer(context, name, "queryables")


@router.get("/collections/{name}/sortables", summary="What sorts", response_class=Response)
def show_sortables(context: InContext, name: str, query: Annotated[SchemaQuery, Query()]) -> Response:
    """JSON Schema of the properties that `sortby` may name."""
    return _answer(context, name, "sortables")
