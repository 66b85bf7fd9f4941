"""CQL2 as SQL: the counts of the standard's own test data, and what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from service import db
from service.faults import MalformedError
from service.plans.publishing import read_layer_of
from service.query.cql2 import BRACKETS_MOST, compile_cql2
from service.query.fields import Field
from service.store.added import Declaration, add_collection, read_collections

STANDARD = Path(__file__).parents[3] / "shared" / "ogc"
FIELDS = {
    "name": Field("t.name", "string"),
    "count": Field("t.count", "integer"),
    "share": Field("t.share", "number"),
    "open": Field("t.open", "boolean"),
    "day": Field("t.day", "date"),
    "at": Field("t.at", "date-time"),
    "geom": Field("t.geom", "geometry"),
}

# The file says 2, 2 and 2; the data hold Chengdu, Chicago and Chișinău
# (https://github.com/opengeospatial/ogcapi-features/issues/1011).
ERRATA = {
    "ACCENTI(name) LIKE accenti('Ch%')": 3,
    "ACCENTI(CASEI(name)) LIKE accenti(casei('Chiș%'))": 1,
    "ACCENTI(CASEI(name)) LIKE accenti(casei('cHis%'))": 1,
}

needs_standard = pytest.mark.skipif(
    not STANDARD.is_dir(), reason="the standard's test data is not beside the checkout"
)


def vectors() -> list[dict[str, Any]]:
    file = STANDARD / "cql2_vectors.json"
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return found


@pytest.fixture(scope="module")
def natural_earth(module_database: db.Database) -> Iterator[tuple[Connection, dict[str, Any]]]:
    """The data set published as collections, and a connection of the public's."""
    with module_database.owner.begin() as connection:
        for name in sorted({vector["collection"] for vector in vectors()}):
            layer, geometry = read_layer_of(Path(f"{STANDARD / 'ne110m4cql2.gpkg'}|layername={name}"))
            add_collection(connection, layer, Declaration(name, "open", geometry_name=geometry))
        collections = {one.name: one for one in read_collections(connection)}
    with db.transaction(module_database.app, role="public", scope=[db.EVERYWHERE]) as connection:
        yield connection, collections


@needs_standard
@pytest.mark.database
@pytest.mark.parametrize("vector", vectors(), ids=lambda one: one["filter"][:60])
def test_the_standards_filters_count_as_expected(
    natural_earth: tuple[Connection, dict[str, Any]], vector: dict[str, Any]
) -> None:
    connection, collections = natural_earth
    collection = collections[vector["collection"]]
    fields = {column.name: Field(column.sql, column.kind) for column in collection.columns}
    fields[collection.geometry_name] = Field("t.geom", "geometry")
    asked = compile_cql2(vector["filter"], "cql2-text", fields)
    expected = ERRATA.get(vector["filter"], vector["expected"])
    counted = text(f"select count(*) from {collection.table} t where {asked.sql}")  # noqa: S608
    assert connection.scalar(counted, dict(asked.parameters)) == expected


@pytest.mark.parametrize(
    ("wrong", "about"),
    [
        ("secret = 1", "secret"),
        ("pg_sleep(10) = 1", "pg_sleep"),
        ("name = 1", "string"),
        ("count LIKE 'a%'", "LIKE"),
        ("name LIKE 'a\\'", "LIKE"),
        ("name", "boolean"),
        ("count + name = 2", "string"),
        ("geom = geom", "geometry"),
        ("S_INTERSECTS(geom, name)", "string"),
        ("S_INTERSECTS(geom, POINT(200 10))", "POINT|geometry|globe"),
        ("S_INTERSECTS(geom, BBOX(0, 10, 1, 5))", "bbox"),
        ("T_AFTER(at, name)", "string"),
        ("at > TIMESTAMP('yesterday')", "TIMESTAMP"),
        ("day = DATE('2026-02-30')", "DATE"),
        ("count > 1e400", "number"),
        ("count =", "column 8: expected"),
        ("((count = 1)", r"\( \)"),
        ("name = 'a\x00'", "U\\+0000"),
        ("(" * (BRACKETS_MOST + 1) + "count = 1" + ")" * (BRACKETS_MOST + 1), "brackets"),
        ("NOT " * 5000 + "open", "levels|longer"),
        ("count = " + "-" * 3000 + "1", "levels"),
        ("count = 1 OR " * 2000 + "open", "longer"),
        ("count = " + "1+" * 3000 + "1", "levels|longer"),
    ],
)
def test_what_cannot_be_understood_is_told(wrong: str, about: str) -> None:
    with pytest.raises(MalformedError, match=about):
        compile_cql2(wrong, "cql2-text", FIELDS)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "[]",
        "{",
        '{"op":"and","args":[]}',
        '{"op":"=","args":[{"property":"count"}]}',
        '{"op":"in","args":[{"property":"count"},[]]}',
        '{"op":"s_intersects","args":[{"property":"geom"},{"type":"Point","coordinates":[]}]}',
        '{"op":"s_intersects","args":[{"property":"geom"},{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}]}',
        '{"op":"=","args":[{"property":"count"},1e999]}',
        '{"op":"not","args":' * 90 + "true" + "}" * 90,
        '{"op":"s_intersects","args":[{"property":"geom"},{"type":"LineString","coordinates":['
        + ",".join("[0,0]" for _ in range(10_001))
        + "]}]}",
    ],
)
def test_wrong_json_is_told(wrong: str) -> None:
    with pytest.raises(MalformedError):
        compile_cql2(wrong, "cql2-json", FIELDS)


def test_values_never_stand_in_the_sql() -> None:
    asked = compile_cql2(
        "name = 'x'') or true --' AND count IN (77, 78) AND at > TIMESTAMP('2026-05-01T00:00:00+08:00')",
        "cql2-text",
        FIELDS,
    )
    assert "or true" not in asked.sql
    assert "77" not in asked.sql
    assert set(map(str, asked.parameters.values())) == {
        "x') or true --",
        "77",
        "78",
        "2026-04-30 16:00:00+00:00",
    }


WORDS = """
    ( ) , = <> < AND OR NOT IN LIKE BETWEEN IS NULL name count open at geom 'x' 1 -1 2.5 POINT(1 2) BBOX
    S_INTERSECTS CASEI DATE('2026-01-01') INTERVAL('..','2026-01-01') T_AFTER + * div ^ true"""


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS.split()), max_size=40).map(" ".join) | st.text(max_size=80))
def test_any_text_is_compiled_or_refused(anything: str) -> None:
    with suppress(MalformedError):
        assert compile_cql2(anything, "cql2-text", FIELDS).sql


def test_the_parser_stays_within_its_stack_in_a_thread() -> None:
    """Deep filters end the process if they reach the parser; here they must not."""
    told: list[str] = []

    def ask() -> None:
        for deep in ("(" * 3900 + "open" + ")" * 3900, "NOT " * 1900 + "open", "count=" + "- " * 3900 + "1"):
            try:
                compile_cql2(deep, "cql2-text", FIELDS)
            except MalformedError as error:
                told.append(error.key)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert told == ["filter-brackets", "filter-deep", "filter-deep"]
