"""The API as an OpenAPI 3.0 document: what the asking role may know of, collection by collection.

FastAPI describes the routes in OpenAPI 3.1; that is brought to 3.0, and the paths of collections are written
out for each, with the properties, coordinate systems and methods that it has for the principal.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from partition.texts import Language, catalogue
from service.access import Access, Principal, may_write
from service.exports.formats import FORMATS
from service.exports.options import CHOICES
from service.links import GEOJSON, HTML, JSON, MVT, OPENAPI, SCHEMA
from service.query.crs import CRS84, Crs
from service.query.question import (
    GENERAL,
    LANGUAGES,
    LIMIT,
    LIMIT_MOST,
    NARROWING,
    OFFSET_MOST,
    PARAMETERS,
    SHAPING,
)
from service.registry import Collection
from service.tiles.matrices import LEVELS
from service.tiles.matrices import NAME as WEB_MERCATOR_QUAD
from service.web.feature_schema import TYPES, describe_column
from service.web.problems import problems_of

VERSION = "3.0.3"
PROBLEM = "application/problem+json"
CHANGING = ("post", "put", "patch", "delete")
PREFIX = "/collections/{name}"

# what a path answers with, where its route does not say
CONTENT: Mapping[str, tuple[tuple[str, str], ...]] = {
    "/": ((JSON, "landingPage"), (HTML, "html")),
    "/conformance": ((JSON, "conformance"), (HTML, "html")),
    "/centre": ((JSON, "object"), (HTML, "html")),
    "/plans": ((JSON, "object"), (HTML, "html")),
    "/plans/{plan}": ((JSON, "object"), (HTML, "html")),
    "/plans/{plan}/revisions": ((JSON, "object"), (HTML, "html")),
    "/jobs": ((JSON, "object"), (HTML, "html")),
    "/staff": ((JSON, "object"), (HTML, "html")),
    "/cases/overdue": ((GEOJSON, "featureCollection"), (HTML, "html")),
    "/collections": ((JSON, "collections"), (HTML, "html")),
    PREFIX: ((JSON, "collection"), (HTML, "html")),
    f"{PREFIX}/items": ((GEOJSON, "featureCollection"), (HTML, "html")),
    f"{PREFIX}/items/{{key}}": ((GEOJSON, "feature"), (HTML, "html")),
    f"{PREFIX}/export": tuple(
        (one.media, "featureCollection" if one.media == GEOJSON else "file") for one in FORMATS.values()
    ),
    f"{PREFIX}/schema": ((SCHEMA, "schema"),),
    f"{PREFIX}/queryables": ((SCHEMA, "schema"),),
    f"{PREFIX}/sortables": ((SCHEMA, "schema"),),
    "/tileMatrixSets": ((JSON, "object"),),
    "/tileMatrixSets/{matrices}": ((JSON, "object"),),
    "/tiles": ((JSON, "object"),),
    "/tiles/{matrices}": ((JSON, "object"),),
    "/tiles/{matrices}/{level}/{row}/{column}": ((MVT, "tile"),),
    f"{PREFIX}/tiles": ((JSON, "object"),),
    f"{PREFIX}/tiles/{{matrices}}": ((JSON, "object"),),
    f"{PREFIX}/tiles/{{matrices}}/{{level}}/{{row}}/{{column}}": ((MVT, "tile"),),
    "/locate": ((GEOJSON, "feature"),),
    "/maps/{community}": ((HTML, "html"),),
    "/healthz": ((JSON, "health"),),
    "/readyz": ((JSON, "health"),),
    "/api": ((OPENAPI, "object"), (HTML, "html")),
    "/api.html": ((HTML, "html"),),
}


def describe_api(
    app: FastAPI,
    base: str,
    lang: Language,
    principal: Principal,
    collections: Iterable[tuple[Collection, Access, tuple[Crs, ...]]],
) -> dict[str, Any]:
    """The document. collections: all that the principal may know of, with the systems they are offered in."""
    told = get_openapi(
        title=app.title, version=app.version, description=app.summary, routes=app.state.routes, tags=None
    )
    found = as_openapi_30(told)
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {**found.get("components", {}).get("schemas", {}), **_schemas()}
    schemas = {name: one for name, one in schemas.items() if "ValidationError" not in name}
    known = list(collections)
    refusals = Refusals(lang)
    for template, operations in found["paths"].items():
        shown = template.replace(":path}", "}")
        described = {
            method: _operation(shown, method, operation, lang, refusals)
            for method, operation in operations.items()
        }
        if not shown.startswith(PREFIX):
            paths[shown] = described
            continue
        for collection, allowed, systems in known:
            own = _of_collection(shown, described, principal, collection, allowed, systems, lang)
            if own:
                paths[shown.replace("{name}", collection.name, 1)] = own
    for collection, allowed, _ in known:
        schemas |= _feature_schemas(collection, allowed, lang)
    return {
        "openapi": VERSION,
        "info": {
            "title": app.title,
            "description": app.summary,
            "version": app.version,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": _parameters(lang),
            "responses": refusals.responses,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a JWT."},
                "session": {"type": "apiKey", "in": "cookie", "name": "wangge_session"},
            },
        },
        "security": [{}, {"bearer": []}, {"session": []}],
    }


class Refusals:
    """The answers with problems that operations have, each written once."""

    def __init__(self, lang: Language) -> None:
        self._lang = lang
        self._names: dict[tuple[int, frozenset[str]], str] = {}
        self.responses: dict[str, Any] = {
            "problem": {
                "description": "Why the request cannot be answered, and what mends it.",
                "content": {PROBLEM: {"schema": _ref("problem")}, HTML: {"schema": _ref("html")}},
            }
        }

    def of(self, method: str, path: str) -> dict[str, dict[str, str]]:
        """References to those of an operation, by status."""
        told = problems_of(f"{method.upper()} {path}")
        return {str(status): {"$ref": self._ref(status, codes)} for status, codes in told.items()}

    def _ref(self, status: int, codes: frozenset[str]) -> str:
        if (status, codes) not in self._names:
            name = f"problem{status}-{sum(one == status for one, _ in self._names) + 1}"
            self._names[status, codes] = name
            texts = catalogue("service")
            key = f"status.{status}" if f"status.{status}" in texts else "status.request"
            # no enum: a client made from it would break at the next code that is added
            code = {"properties": {"code": {"type": "string", "x-extensible-enum": sorted(codes)}}}
            self.responses[name] = {
                "description": f"{texts.say(key, self._lang)}: {', '.join(sorted(codes))}",
                "content": {
                    PROBLEM: {"schema": {"allOf": [_ref("problem"), code]}},
                    HTML: {"schema": _ref("html")},
                },
            }
        return f"#/components/responses/{self._names[status, codes]}"


def as_openapi_30(node: Any) -> Any:
    """A document of OpenAPI 3.1 in the words of 3.0, as far as FastAPI uses what differs."""
    if isinstance(node, list):
        return [as_openapi_30(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: as_openapi_30(one) for name, one in node.items()}
    for several in ("anyOf", "oneOf"):
        options = made.get(several)
        if isinstance(options, list) and {"type": "null"} in options:
            left = [one for one in options if one != {"type": "null"}]
            del made[several]
            made["nullable"] = True
            made |= left[0] if len(left) == 1 and "$ref" not in left[0] else {several: left}
    if "const" in made and isinstance(made.get("type"), str):
        made["enum"] = [made.pop("const")]
    if isinstance(made.get("examples"), list):
        made["example"] = made.pop("examples")[0]
    for limit, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(limit), (int, float)) and not isinstance(made.get(limit), bool):
            made |= {bound: made[limit], limit: True}
    if "contentMediaType" in made:
        del made["contentMediaType"]
        made["format"] = "binary"
    made.pop("propertyNames", None)
    return made


@cache
def chinese() -> Mapping[str, Mapping[str, Any]]:
    """What routes and parameters say of themselves, in Chinese: `operations` by method and path, `parameters`
    by name.
    """
    return tomllib.loads(files("service.web").joinpath("openapi.zh.toml").read_text(encoding="utf-8"))


def _operation(
    path: str, method: str, operation: Mapping[str, Any], lang: Language, refusals: Refusals
) -> dict[str, Any]:
    made = deepcopy(dict(operation))
    words = chinese()["operations"].get(f"{method.upper()} {path}", {}) if lang == "zh" else {}
    if words:
        made |= {"summary": words["summary"], "description": words["about"]}
    names = {**chinese()["parameters"], **words.get("parameters", {})} if lang == "zh" else {}
    responses = made.get("responses", {})
    responses.pop("422", None)
    for answer in responses.values():
        for kind, content in list(answer.get("content", {}).items()):
            if not content.get("schema") and kind == JSON:
                content["schema"] = {}
    if method == "get" and path in CONTENT:
        responses["200"] = {
            "description": responses.get("200", {}).get("description", "Successful Response"),
            "content": {kind: {"schema": _ref(name)} for kind, name in CONTENT[path]},
        }
    if (told := ANSWERED.get(f"{method.upper()} {path}")) is not None:
        status, *kinds = told
        responses.pop("200", None)
        content = {kind: {"schema": {} if kind == JSON else {"type": "string"}} for kind in kinds}
        responses[status] = {"description": "Successful Response", "content": content}
    if path.endswith("/{column}"):
        responses["204"] = {"description": "Nothing lies in the tile."}
        responses["304"] = {"description": "What the client has, by If-None-Match, is the same."}
        for one in made.get("parameters", []):
            if one.get("name") in ("level", "row", "column"):
                one["schema"] = {"type": "integer", "minimum": 0, "maximum": MOST.get(one["name"], 2**24 - 1)}
        made["parameters"] = [*made.get("parameters", []), *_TILE_PARAMETERS]
    for one in made.get("parameters", []):
        if one.get("name") == "matrices":
            one["schema"] = {"type": "string", "enum": [WEB_MERCATOR_QUAD]}
        if one.get("name") in names:
            one["description"] = names[one["name"]]
            one.get("schema", {}).pop("description", None)
    responses.update(refusals.of(method, path))
    responses.setdefault("default", {"$ref": "#/components/responses/problem"})
    made["responses"] = responses
    return made


def _of_collection(
    path: str,
    operations: Mapping[str, dict[str, Any]],
    principal: Principal,
    collection: Collection,
    allowed: Access,
    systems: tuple[Crs, ...],
    lang: Language,
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for method, operation in operations.items():
        if method in CHANGING and not (
            method.upper() in collection.methods and may_write(principal, collection)
        ):
            continue
        own = deepcopy(operation)
        own["operationId"] = f"{own.get('operationId', path)}_{collection.name}"
        own["summary"] = f"{getattr(collection, lang)}: {own.get('summary', '')}"
        parameters = [one for one in own.get("parameters", []) if one.get("name") != "name"]
        if path.endswith("/{column}"):
            names = sorted(NARROWING - {"bbox", "bbox-crs"} | {"properties"})
            parameters += [_asked(name, allowed, systems, lang) for name in names]
            parameters += _property_parameters(allowed, lang)
        if method == "get" and path in (f"{PREFIX}/items", f"{PREFIX}/items/{{key}}"):
            one = path.endswith("{key}")
            names = ["crs", "properties", "datetime"] if one else sorted(PARAMETERS - GENERAL)
            parameters += [_asked(name, allowed, systems, lang) for name in names]
            parameters += [{"$ref": f"#/components/parameters/{name}"} for name in ("f", "lang")]
            if not one:
                parameters += _property_parameters(allowed, lang)
            kind = "Feature" if one else "FeatureCollection"
            own["responses"]["200"]["content"][GEOJSON]["schema"] = _ref(f"{collection.name}{kind}")
            own["responses"]["200"]["headers"] = _HEADERS
            own["responses"]["304"] = {"description": "What the client has, by If-None-Match, is the same."}
        if path == f"{PREFIX}/export":
            names = sorted(NARROWING | SHAPING | {"sortby"})
            parameters += [_asked(name, allowed, systems, lang) for name in names]
            parameters += [_export_form(lang), {"$ref": "#/components/parameters/lang"}]
            parameters += [_choice(name, values, lang) for name, values in CHOICES.items()]
            parameters += [one for one in _property_parameters(allowed, lang) if one["name"] not in CHOICES]
            own["responses"]["200"]["content"][GEOJSON]["schema"] = _ref(
                f"{collection.name}FeatureCollection"
            )
            own["responses"]["200"]["headers"] = _HEADERS | _EXPORT_HEADERS
            own["responses"]["206"] = {
                "description": "The part that `Range` asks for.",
                "content": {one.media: {"schema": _ref("file")} for one in FORMATS.values()},
                "headers": _HEADERS | _EXPORT_HEADERS | _PART_HEADERS,
            }
            own["responses"]["304"] = {"description": "What the client has, by If-None-Match, is the same."}
        if parameters:
            own["parameters"] = parameters
        else:
            own.pop("parameters", None)
        made[method] = own
    return made


# what asks with a body, or changes something: with which status it is answered, and in which media
ANSWERED: Mapping[str, tuple[str, ...]] = {
    "POST /collections/{name}/items": ("201", JSON),
    "POST /plans": ("201", JSON),
    "POST /plans/{plan}/notes": ("201", JSON),
    "POST /plans/{plan}/status": ("200", JSON),
    "POST /plans/{plan}/edits": ("200", JSON),
    "POST /processes/{name}/execution": ("201", JSON),
    "DELETE /jobs/{job}": ("200", JSON),
    "POST /locate": ("200", JSON, "text/csv"),
    "POST /figures/area": ("200", JSON),
}
MOST = {"level": LEVELS - 1}
_TILE_PARAMETERS: list[dict[str, Any]] = [
    {"name": "f", "in": "query", "description": "MVT is the only form.",
     "schema": {"type": "string", "enum": ["mvt"]}},
    {"$ref": "#/components/parameters/lang"},
]  # fmt: skip

_HEADERS = {
    "Content-Crs": {"description": "The coordinate system of the answer.", "schema": {"type": "string"}},
    "ETag": {"description": "What If-None-Match takes.", "schema": {"type": "string"}},
}


def _export_form(lang: Language) -> dict[str, Any]:
    schema = {"type": "string", "enum": list(FORMATS), "default": "geojson"}
    return {"name": "f", "in": "query", "description": _about("f", lang), "schema": schema}


_EXPORT_HEADERS = {
    "Content-Disposition": {"description": "The file's name.", "schema": {"type": "string"}},
    "OGC-NumberMatched": {
        "description": "How many features the file holds.",
        "schema": {"type": "integer", "minimum": 0},
    },
}


_PART_HEADERS = {
    "Content-Range": {"description": "Which part of how many bytes.", "schema": {"type": "string"}}
}


def _choice(name: str, values: tuple[str, ...], lang: Language) -> dict[str, Any]:
    schema = {"type": "string", "enum": list(values)}
    return {"name": name, "in": "query", "description": _about(name, lang), "schema": schema}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _asked(name: str, allowed: Access, systems: tuple[Crs, ...], lang: Language) -> dict[str, Any]:
    """A parameter: one that all collections share, or that this collection's own bounds."""
    uris = [crs.uri for crs in systems]
    about = _about(name, lang)
    if name in ("crs", "bbox-crs", "filter-crs"):
        schema: dict[str, Any] = {"type": "string", "format": "uri", "enum": uris, "default": CRS84.uri}
        return {"name": name, "in": "query", "description": about, "schema": schema}
    if name in ("properties", "sortby"):
        columns = [column.name for column, _ in allowed.known]
        values = columns if name == "properties" else [sign + one for one in columns for sign in ("", "-")]
        return {
            "name": name,
            "in": "query",
            "description": about,
            "style": "form",
            "explode": False,
            "schema": {
                "type": "array",
                "items": {"type": "string", "enum": values},
                "uniqueItems": True,
                "minItems": 1,
            },
        }
    return {"$ref": f"#/components/parameters/{name}"}


def _property_parameters(allowed: Access, lang: Language) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "in": "query",
            "description": getattr(column, lang) or column.name,
            "schema": dict(TYPES[column.kind]),
        }
        for column, _ in allowed.known
        if column.name not in PARAMETERS
    ]


def _about(name: str, lang: Language) -> str:
    return str(chinese()["parameters"][name]) if lang == "zh" else _ABOUT[name]


_ABOUT: Mapping[str, str] = {
    "bbox": "Four numbers, or six with heights, in the order of axes of `bbox-crs`; default: degrees east "
    "and north (CRS84). West greater than east crosses the antimeridian.",
    "bbox-crs": "Coordinate system of `bbox`.",
    "count": "Whether to count all that match (`numberMatched`). Without it they are counted where that "
    "costs nothing: where the page reaches the end.",
    "crs": "Coordinate system of the answer.",
    "cursor": "Where the page begins; part of the link `next`.",
    "datetime": "RFC 3339 instant or date, or interval begin/end with .. for open. Grids: all versions in "
    "force at that time; without it those in force now.",
    "encoding": "Shapefile: UTF-8 (default) or GBK. CSV: UTF-8 (default) or UTF-8-BOM, as Excel wants it.",
    "fit": "Shapefile: whether values that it cannot hold are refused (default), or cut and noted.",
    "geometry": "CSV: the geometry as WKT, as the coordinates of a point (default for points), or none.",
    "filter": "CQL2, as text or JSON (`filter-lang`).",
    "filter-crs": "Coordinate system of geometries in `filter`.",
    "filter-lang": "Language of `filter`.",
    "limit": f"Features a page; more than {LIMIT_MOST} are never on one page.",
    "offset": "Features to skip. Follow the link `next` instead: it neither skips nor repeats a row.",
    "properties": "Properties wanted; all by default.",
    "sortby": "Properties to sort by, in turn; `-` before a name: descending. Null is larger than any value.",
    "f": "Form of the answer; default: what Accept asks for.",
    "lang": "Language; default: what Accept-Language asks for.",
}


def _parameters(lang: Language) -> dict[str, Any]:
    number = {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
    schemas: dict[str, dict[str, Any]] = {
        "bbox": number,
        "count": {"type": "boolean", "default": False},
        "cursor": {"type": "string"},
        "datetime": {"type": "string"},
        "filter": {"type": "string"},
        "filter-lang": {"type": "string", "enum": list(LANGUAGES), "default": LANGUAGES[0]},
        "limit": {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST, "default": LIMIT},
        "offset": {"type": "integer", "minimum": 0, "maximum": OFFSET_MOST, "default": 0},
    }
    made: dict[str, dict[str, Any]] = {
        name: {"name": name, "in": "query", "description": _about(name, lang), "schema": schema}
        for name, schema in schemas.items()
    }
    made["bbox"] |= {"style": "form", "explode": False}
    made["f"] = {
        "name": "f",
        "in": "query",
        "description": _about("f", lang),
        "schema": {"type": "string", "enum": ["json", "geojson", "html"]},
    }
    made["lang"] = {
        "name": "lang",
        "in": "query",
        "description": _about("lang", lang),
        "schema": {"type": "string", "enum": ["zh", "en"]},
    }
    return made


def _feature_schemas(collection: Collection, allowed: Access, lang: Language) -> dict[str, Any]:
    properties = {
        column.name: {**describe_column(column, lang), "nullable": True} for column, _ in allowed.known
    }
    for one in properties.values():
        if "enum" in one:
            one["enum"] = [*one["enum"], None]
    feature = {
        "allOf": [
            _ref("feature"),
            {"type": "object", "properties": {"properties": {"type": "object", "properties": properties}}},
        ]
    }
    several = {
        "allOf": [
            _ref("featureCollection"),
            {
                "type": "object",
                "properties": {"features": {"type": "array", "items": _ref(f"{collection.name}Feature")}},
            },
        ]
    }
    return {f"{collection.name}Feature": feature, f"{collection.name}FeatureCollection": several}


def _schemas() -> dict[str, Any]:
    links = {"type": "array", "items": _ref("link")}
    text = {"type": "string"}

    def record(required: list[str], **properties: Any) -> dict[str, Any]:
        return {"type": "object", "required": required, "properties": properties}

    return {
        "html": text,
        "object": {"type": "object"},
        "tile": {"type": "string", "format": "binary"},
        "file": {"type": "string", "format": "binary"},
        "health": record(["status"], status=text),
        "link": record(["href", "rel"], href=text, rel=text, type=text, title=text, hreflang=text),
        "landingPage": record(["links"], title=text, description=text, links=links),
        "conformance": record(["conformsTo"], conformsTo={"type": "array", "items": text}, links=links),
        "collections": record(
            ["links", "collections"], links=links, collections={"type": "array", "items": _ref("collection")}
        ),
        "collection": record(
            ["id", "links"],
            id=text,
            title=text,
            description=text,
            attribution=text,
            license=text,
            rights=text,
            extent={"type": "object"},
            itemType=text,
            crs={"type": "array", "items": text},
            storageCrs=text,
            links=links,
        ),
        "schema": {"type": "object", "required": ["$schema", "$id", "type", "properties"]},
        "geometry": {
            "type": "object",
            "nullable": True,
            "required": ["type"],
            "properties": {"type": text, "coordinates": {"type": "array", "items": {}}},
        },
        "feature": record(
            ["type", "geometry", "properties"],
            type={"type": "string", "enum": ["Feature"]},
            id=text,
            geometry=_ref("geometry"),
            properties={"type": "object", "nullable": True},
            links=links,
        ),
        "featureCollection": record(
            ["type", "features"],
            type={"type": "string", "enum": ["FeatureCollection"]},
            features={"type": "array", "items": _ref("feature")},
            numberMatched={"type": "integer", "minimum": 0},
            numberReturned={"type": "integer", "minimum": 0},
            timeStamp={"type": "string", "format": "date-time"},
            links=links,
        ),
        "problem": record(
            ["title", "status", "detail"],
            type=text,
            title=text,
            status={"type": "integer"},
            detail=text,
            code=text,
        ),
    }
