"""What the service conforms to: only what its tests prove."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.links import HTML, JSON, link
from service.routes.collections import answer_json
from service.web.context import InContext
from service.web.pages import page
from service.web.schemas import PageQuery

router = APIRouter(tags=["service"])

_FEATURES = "http://www.opengis.net/spec/ogcapi-features-"
_TILES = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/"
_TMS = "http://www.opengis.net/spec/tms/2.0/conf/"
_CQL2 = "http://www.opengis.net/spec/cql2/1.0/conf/"

CONFORMS = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/landing-page",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/oas30",
    f"{_FEATURES}1/1.0/conf/core",
    f"{_FEATURES}1/1.0/conf/geojson",
    f"{_FEATURES}1/1.0/conf/html",
    f"{_FEATURES}1/1.0/conf/oas30",
    f"{_FEATURES}2/1.0/conf/crs",
    f"{_FEATURES}3/1.0/conf/queryables",
    f"{_FEATURES}3/1.0/conf/queryables-query-parameters",
    f"{_FEATURES}3/1.0/conf/filter",
    f"{_FEATURES}3/1.0/conf/features-filter",
    *(f"{_FEATURES}4/1.0/conf/{name}" for name in ("create-replace-delete", "update", "features")),
    f"{_FEATURES}4/1.0/conf/optimistic-locking-etags",
    f"{_FEATURES}5/1.0/conf/schemas",
    f"{_FEATURES}5/1.0/conf/core-roles-features",
    f"{_FEATURES}5/1.0/conf/returnables-and-receivables",
    f"{_FEATURES}5/1.0/conf/queryables",
    f"{_FEATURES}5/1.0/conf/sortables",
    *(f"{_TILES}{name}" for name in ("core", "tileset", "tilesets-list", "dataset-tilesets")),
    *(f"{_TILES}{name}" for name in ("geodata-tilesets", "collections-selection", "datetime")),
    *(f"{_TILES}{name}" for name in ("mvt", "oas30")),
    *(f"{_TMS}{name}" for name in ("tilematrixset", "json-tilematrixset", "tilematrixsetlimits")),
    *(f"{_TMS}{name}" for name in ("json-tilematrixsetlimits", "tilesetmetadata", "json-tilesetmetadata")),
    f"{_CQL2}cql2-text",
    f"{_CQL2}cql2-json",
    f"{_CQL2}basic-cql2",
    f"{_CQL2}advanced-comparison-operators",
    f"{_CQL2}case-insensitive-comparison",
    f"{_CQL2}accent-insensitive-comparison",
    f"{_CQL2}basic-spatial-functions",
    f"{_CQL2}basic-spatial-functions-plus",
    f"{_CQL2}spatial-functions",
    f"{_CQL2}temporal-functions",
    f"{_CQL2}property-property",
    f"{_CQL2}arithmetic",
)


@router.get("/conformance", summary="Standards kept", response_class=Response)
def show_conformance(context: InContext, query: Annotated[PageQuery, Query()]) -> Response:
    """Conformance classes of the OGC API standards and of CQL2."""
    if context.html:
        return page(context, "conformance.html", classes=CONFORMS)
    links = [
        link(context.href("/conformance", f="json"), "self", JSON),
        link(context.href("/conformance", f="html"), "alternate", HTML),
    ]
    return answer_json({"conformsTo": list(CONFORMS), "links": links})
