"""Which problems each operation may answer with, by status and code: what OpenAPI says, and docs/api.md.

The codes are those of `service/texts.toml`. tests/service/api.py holds every refusal that a test meets
against this table, and tests/service/test_openapi.py whatever the code raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

Codes = Mapping[int, frozenset[str]]


@dataclass(frozen=True)
class Rule:
    """Of operations (`METHOD /path`) that match, the codes by status."""

    operations: str
    codes: str

    @property
    def by_status(self) -> Codes:
        """Each status with its codes."""
        found = {}
        for part in self.codes.split(";"):
            status, *codes = part.split()
            found[int(status)] = frozenset(codes)
        return found


_ITEMS = r"/collections/[^/]+/items(/.+)?"
_TILE = r"(/collections/[^/]+)?/tiles/[^/]+/[^/]+/[^/]+/[^/]+"
_CENTRE = r"/centre/[^/]+(/.+)?"
_WRITTEN = rf"(POST|PUT|PATCH) {_ITEMS}|POST /cases/.+/steps"

RULES = (
    # of whatever is asked
    Rule(".* .*", "400 parameter-unknown parameter-value; 413 write-large; 421 host; 500 unexpected"),
    Rule(
        r"\w+ (?!/(healthz|static|guide)).*",
        "400 parameter-missing parameter-repeated; 401 token-invalid token-expired token-role;"
        " 429 rate rate-keys; 503 busy database-away operation",
    ),
    Rule(
        r"\w+ (?!/(healthz|readyz|static|guide|login|logout|session)).*",
        "400 question-uncomputable; 404 no-page; 422 question-slow",
    ),
    Rule("(POST|PUT|PATCH|DELETE) .*", "403 csrf foreign-page"),
    Rule("(POST|PUT|PATCH) .*", "400 request"),
    Rule("GET /readyz", "503 not-ready"),
    Rule("GET /metrics", "403 forbidden"),
    Rule("(GET|POST) /login", "403 link-spent"),
    Rule("GET /static/.*", "404 asset"),
    Rule("GET /guide/.*", "404 guide"),
    # collections
    Rule(r"\w+ /collections/.+", "404 collection"),
    Rule(
        rf"GET ({_ITEMS}|/collections/[^/]+/export|{_TILE})",
        "400 crs crs-outside datetime datetime-order property-unknown",
    ),
    Rule(
        rf"GET (/collections/[^/]+/(items|export)|{_TILE})",
        "400 bbox-numbers bbox-order bbox-range filter filter-brackets filter-deep filter-function"
        " filter-geometry filter-long filter-property filter-vertices property-value",
    ),
    Rule("GET /collections/[^/]+/(items|export)", "400 sort-property"),
    Rule("GET /collections/[^/]+/items", "400 cursor whole-number"),
    Rule("GET /collections/[^/]+/items/.+", "404 item"),
    Rule(
        "GET /collections/[^/]+/export",
        "400 export-crs export-option; 416 range; 422 export-large export-unfit; 429 export-many;"
        " 503 export-busy export-public; 507 export-full",
    ),
    Rule(r"GET (/collections/[^/]+)?/(tiles|tileMatrixSets)/.+", "404 tile-matrix-set"),
    Rule(f"GET {_TILE}", "404 collection tile"),
    # writing features, and the steps of cases
    Rule(f"{_WRITTEN}|DELETE {_ITEMS}", "403 forbidden write-forbidden; 404 collection; 409 write-busy"),
    Rule(f"(POST|PUT|PATCH|DELETE) {_ITEMS}", "405 write-methods"),
    Rule(
        _WRITTEN,
        "400 write-json write-character write-choice write-identity write-kind write-long write-missing"
        " write-range write-readonly write-unknown write-cut write-refused; 409 write-taken;"
        " 415 write-coding write-media",
    ),
    Rule(
        f"(POST|PUT|PATCH) {_ITEMS}",
        "400 crs write-degrees write-feature write-geometry write-invalid write-no-geometry write-nowhere"
        " write-outside write-shape; 413 write-vertices",
    ),
    Rule(f"(PUT|PATCH) {_ITEMS}", "400 write-part; 409 write-fixed-geometry write-fixed-grids"),
    Rule(f"PATCH {_ITEMS}", "400 write-patch"),
    Rule(
        f"(PUT|PATCH|DELETE) {_ITEMS}|POST /cases/.+/steps",
        "404 item; 412 write-stale; 428 write-unlocked",
    ),
    Rule(
        "POST (/collections/[^/]+/items|/processes/[^/]+/execution)",
        "400 repeat-key; 409 repeat-underway; 422 repeat-other",
    ),
    Rule("POST /collections/[^/]+/items", "400 case-batch case-of-batch; 403 case-number; 413 case-batch"),
    Rule(
        f"(PUT|PATCH) {_ITEMS}|POST /cases/.+/steps",
        "403 case-due case-step-role; 409 case-closed case-step case-tier",
    ),
    Rule("POST /cases/.+/steps", "400 case-no-step case-step-body"),
    Rule("GET /cases/.+/steps", "403 forbidden; 404 collection item"),
    Rule("GET /cases/overdue", "400 cursor whole-number number-range; 403 forbidden; 404 collection"),
    Rule("GET /events", "400 events-place; 429 events-many; 503 events-full events-public"),
    # plans and runs
    Rule(r"\w+ /(plans|processes|jobs).*", "400 number-range text-value write-character write-identity"),
    Rule("(POST|DELETE) /(plans|processes|jobs).*", "403 forbidden"),
    Rule(r"\w+ /plans.*", "404 plan plan-unknown"),
    Rule("POST /plans", "409 plan-closed plan-outdated"),
    Rule("POST /plans/[^/]+/notes", "409 plan-closed"),
    Rule(
        "POST /plans/[^/]+/status",
        "409 plan-closed plan-outdated plan-own plan-step publish-busy publish-superseded;"
        " 412 plan-changed; 422 publish-refused",
    ),
    Rule(
        "POST /plans/[^/]+/edits",
        "400 edit-without; 409 plan-closed plan-not-draft plan-nothing-undone plan-outdated plan-revised;"
        " 422 edit-refused plan-without-units",
    ),
    Rule(r"\w+ /processes/.+", "404 process"),
    Rule(
        "POST /processes/[^/]+/execution",
        "400 profile tier-form tier-name; 404 division plan plan-unknown; 409 plan-unpublished",
    ),
    Rule(r"\w+ /jobs/.+", "404 job"),
    Rule("GET /jobs/[^/]+/results", "404 job-no-result; 409 job-ended"),
    Rule("DELETE /jobs/[^/]+", "409 job-ended"),
    # where, and what is near
    Rule("(GET|POST) /(locate|nearby)", "400 degrees; 404 collection"),
    Rule("GET /locate", "404 grid-there"),
    Rule(
        "POST /locate",
        "400 points-form points-most write-json write-character write-cut write-degrees write-feature"
        " write-geometry write-kind write-shape; 415 write-coding write-media",
    ),
    Rule("GET /nearby", "400 number-range write-character write-identity"),
    Rule("GET /(staff|freshness|grids/.+)", "400 number-range write-character write-identity"),
    Rule("GET /grids/.+", "404 grid-code"),
    # the centre, maps and figures
    Rule(f"GET {_CENTRE}", "404 collection community"),
    Rule(
        f"GET {_CENTRE}",
        "400 centre-many centre-times centre-wide datetime datetime-order number-range whole-number",
    ),
    Rule(f"GET {_CENTRE}/base", "400 bbox-numbers bbox-order bbox-range"),
    Rule(
        f"GET {_CENTRE}/statistics/[^/]+",
        "400 statistics-area statistics-controls statistics-at; 404 statistic;"
        " 413 statistics-large statistics-work; 429 turn-many",
    ),
    Rule(
        f"GET {_CENTRE}/(reach|siting)",
        "400 reach-minutes write-character write-identity; 413 reach-large; 429 turn-many",
    ),
    Rule(f"GET {_CENTRE}/grids/[^/]+/card", "404 grid-code"),
    Rule(
        f"GET {_CENTRE}/compare",
        "400 compare-communities compare-empty compare-kinds; 404 plan plan-unknown",
    ),
    Rule("GET /(maps/.+|figures.*)", "404 community"),
    Rule("GET /figures.*", "400 datetime datetime-order number-range; 404 figures-category"),
    Rule(
        "POST /figures/area",
        "400 figures-area property-unknown property-value filter filter-brackets filter-deep filter-function"
        " filter-geometry filter-long filter-property filter-vertices write-json write-character write-cut"
        " write-degrees write-geometry write-invalid write-kind write-shape write-unknown;"
        " 413 figures-area-large write-vertices; 415 write-coding write-media",
    ),
    Rule("GET /audit", "400 datetime datetime-order number-range whole-number; 403 forbidden"),
)


@cache
def problems_of(operation: str) -> Codes:
    """The codes of an operation by status. operation: method, a space, and the path or its template."""
    found: dict[int, frozenset[str]] = {}
    for rule in RULES:
        if re.fullmatch(rule.operations, operation):
            for status, codes in rule.by_status.items():
                found[status] = found.get(status, frozenset()) | codes
    return dict(sorted(found.items()))


@cache
def all_problems() -> Codes:
    """Every code that any operation has, by status."""
    found: dict[int, frozenset[str]] = {}
    for rule in RULES:
        for status, codes in rule.by_status.items():
            found[status] = found.get(status, frozenset()) | codes
    return dict(sorted(found.items()))
