"""One question to a collection: what a request's parameters ask, read once, compiled to SQL.

Items, counts, tiles and exports all take a `Question`. A property that the principal may not see is unknown
here: in a filter, an equality, a sort order or a selection.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Collection as Names
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, cast

from service.access import Access
from service.faults import MalformedError
from service.privacy.seals import Seals
from service.query.box import Box, read_box, read_number, short, within
from service.query.condition import Condition, all_of
from service.query.cql2 import compile_cql2
from service.query.crs import CRS84, Crs, read_crs
from service.query.fields import Field, fields_of
from service.query.span import Span, meets, read_instant, read_span
from service.registry import Collection, Column

LIMIT = 100
LIMIT_MOST = 10_000
OFFSET_MOST = 10**9
LANGUAGES = ("cql2-text", "cql2-json")

# what narrows down the rows; a property of one of these names cannot be asked for by `name=value`
NARROWING = frozenset({"bbox", "bbox-crs", "datetime", "filter", "filter-lang", "filter-crs"})
PAGING = frozenset({"limit", "offset", "cursor", "sortby", "count"})
SHAPING = frozenset({"crs", "properties"})
GENERAL = frozenset({"f", "lang"})
PARAMETERS = NARROWING | PAGING | SHAPING | GENERAL

Value = str | int | float | bool | date | datetime


@dataclass(frozen=True)
class Order:
    """One property of a sort order."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class Question:
    """What is asked of a collection. limit, offset, cursor: of one page; `cursor` is the sealed place of the
    last row before it (`open_place`). count: of all that match, too.
    """

    box: Box | None = None
    span: Span | None = None
    filter: Condition | None = None
    equal: tuple[tuple[str, Value], ...] = ()
    sort: tuple[Order, ...] = ()
    properties: tuple[str, ...] | None = None
    limit: int = LIMIT
    offset: int = 0
    cursor: str | None = None
    crs: Crs = CRS84
    count: bool = False

    @property
    def narrowed(self) -> bool:
        """Whether less is asked for than all."""
        return not (self.box is None and self.span is None and self.filter is None and not self.equal)


def read_question(
    parameters: Mapping[str, str],
    collection: Collection,
    access: Access,
    *,
    known: Names[str] = PARAMETERS,
) -> Question:
    """What `parameters` ask of the collection. known: those there are besides the names of properties.

    Raises MalformedError for the first that is unknown, or whose value cannot be understood.
    """
    fields = fields_of(collection, access)
    equal: list[tuple[str, Value]] = []
    for name, value in parameters.items():
        if "\x00" in value:
            raise MalformedError("parameter-value", name=name, value="U+0000", choice="UTF-8")
        if name in known:
            continue
        field = None if name in PARAMETERS else fields.get(name)
        if field is None or field.kind == "geometry" or "filter" not in known:
            raise MalformedError("parameter-unknown", name=short(name))
        equal.append((name, read_value(name, value, field)))
    given = {name: value for name, value in parameters.items() if name in known}
    return Question(
        box=_read_box(given),
        span=None if "datetime" not in given else read_span(given["datetime"]),
        filter=_read_filter(given, fields),
        equal=tuple(equal),
        sort=_read_sort(given.get("sortby"), fields),
        properties=_read_properties(given.get("properties"), fields),
        limit=read_whole(given, "limit", LIMIT, least=1, most=LIMIT_MOST, clip=True),
        offset=read_whole(given, "offset", 0, most=OFFSET_MOST),
        cursor=given.get("cursor"),
        crs=CRS84 if "crs" not in given else read_crs("crs", given["crs"]),
        count=_read_choice(given, "count", {"true": True, "false": False}, False),
    )


def condition(question: Question, collection: Collection, access: Access, *, prefix: str = "q_") -> Condition:
    """The rows asked about, of those that the principal may see; its place in the pages apart."""
    fields = fields_of(collection, access)
    parts = [Condition(access.always if question.span else access.predicate, access.parameters)]
    for place, (name, value) in enumerate(question.equal):
        bound = f"{prefix}equal{place}"
        parts.append(Condition(f"({fields[name].sql}) = :{bound}", {bound: value}))
    if question.span is not None and collection.begins:
        parts.append(meets(question.span, collection.begins, collection.ends, prefix))
    if question.box is not None:
        parts.append(within(question.box, access.geometry, access.indexed, prefix))
    if question.filter is not None:
        parts.append(question.filter)
    return all_of(*parts)


def order_by(question: Question, collection: Collection, access: Access) -> str:
    """SQL of the sort order, total because of the surrogate key; null is larger than any value."""
    fields = fields_of(collection, access)
    keys = [f"{fields[order.name].sql}{' desc' if order.descending else ''}" for order in question.sort]
    return ", ".join([*keys, "t.id"])


def place_of(question: Question, collection: Collection, access: Access) -> str:
    """SQL of a row's place in the sort order, as JSON; what `seal_place` seals."""
    fields = fields_of(collection, access)
    return f"json_build_array({', '.join([*(fields[order.name].sql for order in question.sort), 't.id'])})"


def after(
    question: Question,
    collection: Collection,
    access: Access,
    place: tuple[Value | None, ...] | None,
    *,
    prefix: str = "q_",
) -> Condition:
    """The rows beyond the place (`open_place`), in the sort order; all of them where it is None."""
    if place is None:
        return all_of()
    fields = fields_of(collection, access)
    *values, row = place
    bound: dict[str, object] = {
        f"{prefix}after{number}": value for number, value in enumerate(values) if value is not None
    }
    bound[f"{prefix}after"] = row
    reached: list[str] = []  # equal so far
    ways: list[str] = []
    for number, (order, value) in enumerate(zip(question.sort, values, strict=True)):
        sql, name = f"({fields[order.name].sql})", f":{prefix}after{number}"
        required = collection.column(order.name).required
        beyond = _beyond(sql, name, descending=order.descending, null=value is None, required=required)
        if beyond:
            ways.append(" and ".join([*reached, beyond]))
        reached.append(f"{sql} is null" if value is None else f"{sql} = {name}")
    ways.append(" and ".join([*reached, f"t.id > :{prefix}after"]))
    sql = " or ".join(f"({way})" for way in ways)
    if question.sort and values[0] is not None:
        first, column = question.sort[0], collection.column(question.sort[0].name)
        if first.descending or column.required:  # a bound that an index can use
            sign = "<=" if first.descending else ">="
            sql = f"({fields[first.name].sql}) {sign} :{prefix}after0 and ({sql})"
    return Condition(sql, bound)


def _beyond(sql: str, name: str, *, descending: bool, null: bool, required: bool) -> str:
    if null:
        return f"{sql} is not null" if descending else ""
    if descending:
        return f"{sql} < {name}"
    return f"{sql} > {name}" if required else f"({sql} > {name} or {sql} is null)"


def selected(question: Question, access: Access) -> tuple[tuple[Column, str], ...]:
    """The columns asked for, with their SQL, in the order of the registry."""
    if question.properties is None:
        return access.columns
    return tuple(pair for pair in access.known if pair[0].name in question.properties)


# --- cursors ---


def seal_place(seals: Seals, collection: Collection, question: Question, place: list[Value | None]) -> str:
    """The cursor of a page's last row, from what `place_of` yielded.

    The surrogate key counts hidden rows too, so nobody may read it, nor how many digits it has.
    """
    *values, row = place
    content = struct.pack(">q", row)
    if values:
        content += json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return seals.seal("cursor", content, collection.name, _order_text(question))


def open_place(
    seals: Seals, collection: Collection, access: Access, question: Question
) -> tuple[Value | None, ...] | None:
    """The place that the cursor names: a value for each of the sort order, and the surrogate key.

    MalformedError: it was not sealed here for that collection and order.
    """
    if question.cursor is None:
        return None
    content = seals.open("cursor", question.cursor, collection.name, _order_text(question))
    if content is None:
        raise MalformedError("cursor", value=short(question.cursor))
    fields = fields_of(collection, access)
    try:
        values = json.loads(content[8:]) if question.sort else []
        read = [
            None if value is None else _read_bound(value, fields[order.name])
            for order, value in zip(question.sort, values, strict=True)
        ]
    except ValueError:  # a column of an added collection may have become another since
        raise MalformedError("cursor", value=short(question.cursor)) from None
    return (*read, struct.unpack(">q", content[:8])[0])


def _order_text(question: Question) -> str:
    return ",".join(f"{'-' if order.descending else ''}{order.name}" for order in question.sort)


def _read_bound(value: object, field: Field) -> Value:
    """A value that PostgreSQL wrote as JSON, as the kind that it was. ValueError if it is none."""
    if field.kind in ("date-time", "date") and isinstance(value, str):
        return (datetime if field.kind == "date-time" else date).fromisoformat(value)
    kinds: Mapping[str, tuple[type, ...]] = {
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
    }
    if not isinstance(value, kinds.get(field.kind, ())) or (
        isinstance(value, bool) and field.kind != "boolean"
    ):
        raise ValueError
    if isinstance(value, str) and "\x00" in value:
        raise ValueError
    return cast(Value, value)


# --- parameters ---


def read_whole(
    given: Mapping[str, str], name: str, default: int, *, least: int = 0, most: int, clip: bool = False
) -> int:
    """A whole number from `least` to `most`; `clip`: more is taken as `most`."""
    if name not in given:
        return default
    text = given[name]
    whole = int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else -1
    if clip:
        whole = min(whole, most)
    if not least <= whole <= most:
        raise MalformedError("whole-number", name=name, value=short(text), least=least, most=most)
    return whole


def read_value(name: str, text: str, field: Field) -> Value:
    """The value that a property is to equal. Raises MalformedError if it is not of the property's kind."""
    value: Value | None = None
    match field.kind:
        case "string":
            value = text
        case "integer":
            value = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) else None
        case "number":
            value = read_number(text)
        case "boolean":
            value = {"true": True, "false": False}.get(text)
        case "date-time":
            instants = read_instant(text)
            value = None if instants is None else instants[0]
        case "date":
            instants = read_instant(text)
            value = None if instants is None or "T" in text.upper() else instants[0].date()
    if value is None:
        raise MalformedError("property-value", name=name, value=short(text), kind=field.kind)
    return value


def _read_choice(given: Mapping[str, str], name: str, choices: Mapping[str, bool], default: bool) -> bool:
    if name not in given:
        return default
    if given[name] not in choices:
        raise MalformedError(
            "parameter-value", name=name, value=short(given[name]), choice=", ".join(choices)
        )
    return choices[given[name]]


def _read_box(given: Mapping[str, str]) -> Box | None:
    crs = CRS84 if "bbox-crs" not in given else read_crs("bbox-crs", given["bbox-crs"])
    return None if "bbox" not in given else read_box(given["bbox"], crs)


def _read_filter(given: Mapping[str, str], fields: Mapping[str, Field]) -> Condition | None:
    language = given.get("filter-lang")
    if language is not None and language not in LANGUAGES:
        raise MalformedError(
            "parameter-value", name="filter-lang", value=short(language), choice=", ".join(LANGUAGES)
        )
    crs = CRS84 if "filter-crs" not in given else read_crs("filter-crs", given["filter-crs"])
    if "filter" not in given:
        return None
    text = given["filter"]
    return compile_cql2(
        text,
        cast(Literal["cql2-text", "cql2-json"], language or "cql2-text"),
        fields,
        project=None if crs is CRS84 else crs.project,
    )


def _read_sort(text: str | None, fields: Mapping[str, Field]) -> tuple[Order, ...]:
    if text is None:
        return ()
    orders: list[Order] = []
    for part in text.split(","):
        name = part[1:] if part[:1] in ("+", " ", "-") else part  # a plus in a query is a space
        field = fields.get(name)
        if field is None or field.kind == "geometry" or name in [order.name for order in orders]:
            raise MalformedError("sort-property", value=short(part))
        orders.append(Order(name, part.startswith("-")))
    return tuple(orders)


def _read_properties(text: str | None, fields: Mapping[str, Field]) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(text.split(","))) if text else ()
    for name in names:
        if name not in fields or fields[name].kind == "geometry":
            raise MalformedError("property-unknown", value=short(name))
    return names
