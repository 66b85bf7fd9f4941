"""CQL2 (OGC 21-065r2), text or JSON, compiled to SQL with bound parameters.

`cql2` parses to the JSON tree; the SQL is ours: properties come from the fields that the principal may see,
functions from the tables below, every literal is a parameter. Comparison with null is unknown, as in SQL.
Integers beyond 2^53 lose digits (the parser reads numbers as doubles).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from service.faults import MalformedError
from service.query.condition import Condition
from service.query.fields import Field
from service.query.literals import read_date, read_geometry, read_timestamp

Language = Literal["cql2-text", "cql2-json"]
Project = Callable[[Any], Any]  # a geometry of shapely, to degrees east and north

LENGTH_MOST = 8_000
DEPTH_MOST = 100
# the parser's time doubles with each open bracket of a text that fails later; JSON has no such limit
BRACKETS_MOST = 12

_COMPARISONS = {"=": "=", "<>": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_ARITHMETIC = ("+", "-", "*", "/", "%", "div", "^")
_NUMBERS = ("integer", "number")
_SPATIAL = {
    "s_intersects": "st_intersects",
    "s_equals": "st_equals",
    "s_disjoint": "st_disjoint",
    "s_touches": "st_touches",
    "s_within": "st_within",
    "s_overlaps": "st_overlaps",
    "s_crosses": "st_crosses",
    "s_contains": "st_contains",
}
# Allen's relations of the times (a, b) and (c, d)
_TEMPORAL = {
    "t_after": "{a} > {d}",
    "t_before": "{b} < {c}",
    "t_contains": "{a} < {c} and {b} > {d}",
    "t_disjoint": "({b} < {c} or {a} > {d})",
    "t_during": "{a} > {c} and {b} < {d}",
    "t_equals": "{a} = {c} and {b} = {d}",
    "t_finishedby": "{a} < {c} and {b} = {d}",
    "t_finishes": "{a} > {c} and {b} = {d}",
    "t_intersects": "{a} <= {d} and {b} >= {c}",
    "t_meets": "{b} = {c}",
    "t_metby": "{a} = {d}",
    "t_overlappedby": "{a} > {c} and {a} < {d} and {b} > {d}",
    "t_overlaps": "{a} < {c} and {b} > {c} and {b} < {d}",
    "t_startedby": "{a} = {c} and {b} > {d}",
    "t_starts": "{a} = {c} and {b} < {d}",
}


def compile_cql2(
    filter_text: str,
    language: Language,
    fields: Mapping[str, Field],
    *,
    project: Project | None = None,
    prefix: str = "cql_",
) -> Condition:
    """The predicate that a filter asks for, over what `fields` yield.

    project: from the coordinates of the filter's geometries, in their authority's axis order, to degrees east
    and north; None: they are in CRS84. Raises MalformedError for whatever cannot be understood, for an
    unknown property or function, and for operands whose kinds do not fit.
    """
    compiler = _Compiler(fields, project, prefix)
    sql = compiler.predicate(_parse(filter_text, language), 0)
    return Condition(sql, compiler.parameters)


def _parse(text: str, language: Language) -> Any:
    import cql2

    if len(text) > LENGTH_MOST:
        raise MalformedError("filter-long", most=LENGTH_MOST)
    if "\x00" in text:
        raise _malformed("U+0000")
    try:
        if language == "cql2-json":
            return cql2.parse_json(json.dumps(json.loads(text))).to_json()
        _check_brackets(text)
        return cql2.parse_text(text).to_json()
    except (cql2.ParseError, cql2.ValidationError) as error:
        raise _malformed(_first_lines(str(error))) from None
    except json.JSONDecodeError as error:
        raise _malformed(f"JSON: {error}") from None
    except (RecursionError, ValueError, UnicodeError):
        raise MalformedError("filter-deep", most=DEPTH_MOST) from None


def _check_brackets(text: str) -> None:
    """Refuse a text whose parsing could take for ever: too deep, or not closed."""
    depth = 0
    for character in re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"", "", text):
        depth += (character == "(") - (character == ")")
        if depth > BRACKETS_MOST:
            raise MalformedError("filter-brackets", most=BRACKETS_MOST)
        if depth < 0:
            break
    if depth != 0:
        raise _malformed("( )")
    if len(re.findall(r"\bnot\b", text, re.IGNORECASE)) > DEPTH_MOST or re.search(r"(-\s*){20}", text):
        raise MalformedError("filter-deep", most=DEPTH_MOST)


def _first_lines(message: str) -> str:
    """The parser's own words: where, and what it expected; no more than fits a line."""
    found = re.search(r"-->\s*\d+:(\d+)", message)
    expected = re.search(r"^\s*= (.*)", message, re.MULTILINE)
    place = f"column {found[1]}: " if found else ""
    return place + (expected[1] if expected else message)[:200]


def _malformed(reason: str) -> MalformedError:
    return MalformedError("filter", reason=reason)


@dataclass(frozen=True)
class _Term:
    sql: str
    kind: str  # of Field, or "null"; a literal date is "date", a literal timestamp "date-time"


class _Compiler:
    def __init__(self, fields: Mapping[str, Field], project: Project | None, prefix: str) -> None:
        self.fields = fields
        self.project = project
        self.prefix = prefix
        self.parameters: dict[str, object] = {}

    # --- predicates ---

    def predicate(self, node: Any, depth: int) -> str:
        term = self.term(node, depth)
        if term.kind not in ("boolean", "null"):
            raise _malformed(f"{_shown(node)}: boolean")
        return term.sql

    def term(self, node: Any, depth: int) -> _Term:
        """SQL of any expression, and its kind."""
        if depth > DEPTH_MOST:
            raise MalformedError("filter-deep", most=DEPTH_MOST)
        if isinstance(node, bool):
            return _Term("true" if node else "false", "boolean")
        if node is None:
            return _Term("null", "null")
        if isinstance(node, int | float):
            return self.number(node)
        if isinstance(node, str):
            return _Term(f"cast({self.bind(node)} as text)", "string")
        if isinstance(node, Mapping):
            return self.composed(node, depth)
        raise _malformed(_shown(node))

    def composed(self, node: Mapping[str, Any], depth: int) -> _Term:
        if "property" in node:
            field = self.fields.get(str(node["property"]))
            if field is None:
                raise MalformedError("filter-property", name=_shown(node["property"]))
            return _Term(field.sql, field.kind)
        if "op" in node:
            arguments = node.get("args")
            if not isinstance(arguments, Sequence) or isinstance(arguments, str):
                raise _malformed(_shown(node))
            return self.operation(str(node["op"]).lower(), arguments, depth + 1)
        if "date" in node:
            return _Term(f"cast({self.bind(read_date(node['date']))} as date)", "date")
        if "timestamp" in node:
            moment = self.bind(read_timestamp(node["timestamp"]))
            return _Term(f"cast({moment} as timestamptz)", "date-time")
        if "bbox" in node or "type" in node:
            geometry = read_geometry(node, self.project)
            return _Term(f"st_geomfromwkb(cast({self.bind(geometry)} as bytea), 4326)", "geometry")
        raise _malformed(_shown(node))

    def operation(self, op: str, arguments: Sequence[Any], depth: int) -> _Term:
        if op in ("and", "or"):
            if not arguments:
                raise _malformed(op)
            parts = [f"({self.predicate(argument, depth)})" for argument in arguments]
            return _Term(f"({f' {op} '.join(parts)})", "boolean")
        if op in _SPATIAL:
            return self.spatial(op, arguments, depth)
        if op in _TEMPORAL:
            return self.temporal(op, arguments, depth)
        if op in _ARITHMETIC:
            return self.arithmetic(op, arguments, depth)
        if op in ("not", "isnull", "casei", "accenti"):
            [argument] = self.exactly(1, op, arguments)
            if op == "not":
                return _Term(f"(not {self.predicate(argument, depth)})", "boolean")
            if op == "isnull":
                return _Term(f"({self.term(argument, depth).sql} is null)", "boolean")
            return self.folded(op, argument, depth)
        if op == "like":
            value, pattern = self.exactly(2, op, arguments)
            return self.like(value, pattern, depth)
        if op == "in":
            value, choices = self.exactly(2, op, arguments)
            return self.one_of(value, choices, depth)
        if op == "between":
            value, least, most = self.exactly(3, op, arguments)
            return self.between(value, least, most, depth)
        if op in _COMPARISONS:
            left, right = (self.term(one, depth) for one in self.exactly(2, op, arguments))
            return _Term(self.comparison(op, left, right), "boolean")
        raise MalformedError("filter-function", name=op[:60])

    @staticmethod
    def exactly(number: int, op: str, arguments: Sequence[Any]) -> Sequence[Any]:
        if len(arguments) != number:
            raise _malformed(f"{op}: {number}")
        return arguments

    def comparison(self, op: str, left: _Term, right: _Term) -> str:
        kind = _common(left, right, op)
        if kind == "geometry":
            raise _malformed(f"{op}: geometry")
        # strings are ordered by code points, whatever the database's own order
        order = ' collate "C"' if kind == "string" else ""
        return f"({left.sql} {_COMPARISONS[op]} {right.sql}{order})"

    def like(self, value: Any, pattern: Any, depth: int) -> _Term:
        left, right = self.term(value, depth), self.term(pattern, depth)
        literal = pattern
        while isinstance(literal, Mapping) and literal.get("op") in ("casei", "accenti"):
            literal = literal["args"][0]
        if left.kind != "string" or right.kind != "string" or not isinstance(literal, str):
            raise _malformed("LIKE")
        if re.search(r"(?<!\\)(?:\\\\)*\\$", literal):
            raise _malformed("LIKE: \\")
        return _Term(f"({left.sql} like {right.sql} escape '\\')", "boolean")

    def one_of(self, value: Any, choices: Any, depth: int) -> _Term:
        if not isinstance(choices, Sequence) or isinstance(choices, str) or not choices:
            raise _malformed("IN")
        left = self.term(value, depth)
        equal = [self.comparison("=", left, self.term(choice, depth)) for choice in choices]
        return _Term(f"({' or '.join(equal)})", "boolean")

    def between(self, value: Any, least: Any, most: Any, depth: int) -> _Term:
        middle, low, high = (self.term(one, depth) for one in (value, least, most))
        return _Term(
            f"({self.comparison('>=', middle, low)} and {self.comparison('<=', middle, high)})", "boolean"
        )

    # --- values ---

    def bind(self, value: object) -> str:
        name = f"{self.prefix}{len(self.parameters)}"
        self.parameters[name] = value
        return f":{name}"

    def number(self, value: float) -> _Term:
        if not math.isfinite(value):
            raise _malformed("number")
        if float(value).is_integer() and abs(value) < 2**53:
            return _Term(f"cast({self.bind(int(value))} as bigint)", "integer")
        return _Term(f"cast({self.bind(float(value))} as double precision)", "number")

    def arithmetic(self, op: str, arguments: Sequence[Any], depth: int) -> _Term:
        if op == "-" and len(arguments) == 1:
            arguments = [0, *arguments]
        left, right = (self.term(one, depth) for one in self.exactly(2, op, arguments))
        if left.kind not in _NUMBERS or right.kind not in _NUMBERS:
            raise _malformed(f"{op}: {left.kind}, {right.kind}")
        # exact, and without the limits of integers; by zero is unknown
        a, b = (f"cast({term.sql} as numeric)" for term in (left, right))
        sql = {
            "/": f"({a} / nullif({b}, 0))",
            "%": f"mod({a}, nullif({b}, 0))",
            "div": f"div({a}, nullif({b}, 0))",
            "^": f"(cast({left.sql} as double precision) ^ cast({right.sql} as double precision))",
        }.get(op, f"({a} {op} {b})")
        return _Term(sql, "number")

    def folded(self, op: str, argument: Any, depth: int) -> _Term:
        inner = self.term(argument, depth)
        if inner.kind != "string":
            raise _malformed(f"{op}: {inner.kind}")
        if op == "casei":
            return _Term(f"lower({inner.sql})", "string")
        # letters without their combining marks
        bare = f"regexp_replace(normalize({inner.sql}, nfd), '[\u0300-\u036f]', '', 'g')"
        return _Term(bare, "string")

    # --- space and time ---

    def spatial(self, op: str, arguments: Sequence[Any], depth: int) -> _Term:
        left, right = (self.term(one, depth) for one in self.exactly(2, op, arguments))
        if left.kind != "geometry" or right.kind != "geometry":
            raise _malformed(f"{op}: {left.kind}, {right.kind}")
        test = f"{_SPATIAL[op]}({left.sql}, {right.sql})"
        # boxes first: row policies let the spatial index serve for nothing else
        return _Term(test if op == "s_disjoint" else f"({left.sql} && {right.sql} and {test})", "boolean")

    def temporal(self, op: str, arguments: Sequence[Any], depth: int) -> _Term:
        (a, b), (c, d) = (self.time(one, depth) for one in self.exactly(2, op, arguments))
        return _Term(f"({_TEMPORAL[op].format(a=a, b=b, c=c, d=d)})", "boolean")

    def time(self, node: Any, depth: int) -> tuple[str, str]:
        """Begin and end; a date is its whole day (UTC)."""
        if isinstance(node, Mapping) and "interval" in node:
            ends = node["interval"]
            if not isinstance(ends, Sequence) or len(ends) != 2:
                raise _malformed("INTERVAL")
            begin, end = (self.end_of_interval(one, depth) for one in ends)
            first = begin[0] if begin else "cast('-infinity' as timestamptz)"
            last = end[1] if end else "cast('infinity' as timestamptz)"
            return first, last
        return self.instant(self.term(node, depth))

    def end_of_interval(self, node: Any, depth: int) -> tuple[str, str] | None:
        if node == "..":
            return None
        if isinstance(node, str):
            node = {"date": node} if re.fullmatch(r"\d{4}-\d\d-\d\d", node) else {"timestamp": node}
        return self.instant(self.term(node, depth))

    @staticmethod
    def instant(term: _Term) -> tuple[str, str]:
        if term.kind == "date":
            begin = f"(cast({term.sql} as timestamp) at time zone 'UTC')"
            return begin, f"({begin} + interval '1 day' - interval '1 microsecond')"
        if term.kind == "date-time":
            return term.sql, term.sql
        raise _malformed(f"{term.kind}: date, timestamp")


def _common(left: _Term, right: _Term, op: str) -> str:
    kinds = {left.kind, right.kind} - {"null"}
    if len(kinds) <= 1:
        return next(iter(kinds), "null")
    if kinds <= set(_NUMBERS):
        return "number"
    raise _malformed(f"{op}: {left.kind}, {right.kind}")


def _shown(node: object) -> str:
    if isinstance(node, date | datetime):
        return node.isoformat()
    text = node if isinstance(node, str) else json.dumps(node, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:60] + "…"
