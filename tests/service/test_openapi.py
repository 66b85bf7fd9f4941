"""The API's description speaks Chinese and English, of everything it describes."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from partition.texts import catalogue
from service.access import Role
from service.web.errors import STATUS, STORE_STATUS
from service.web.openapi import PREFIX, chinese
from service.web.problems import all_problems, problems_of

from .api import Served

HAN = re.compile("[一-鿿]")


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_and_parameter_is_told_in_both_languages(served: Served) -> None:
    admin = served.client(Role.ADMIN)
    documents = {lang: admin.get("/api", params={"lang": lang, "f": "json"}).json() for lang in ("zh", "en")}
    zh, en = (operations(documents[lang]) for lang in ("zh", "en"))
    assert zh.keys() == en.keys()
    for name, operation in zh.items():
        assert HAN.search(operation["description"]), name
        assert not HAN.search(en[name]["description"]), name
        for one in operation.get("parameters", []):
            if "description" in one:
                assert HAN.search(one["description"]), (name, one)
            assert "description" not in one.get("schema", {}), (name, one)
    for lang, speaks in (("zh", True), ("en", False)):
        for name, one in documents[lang]["components"]["parameters"].items():
            assert bool(HAN.search(one["description"])) is speaks, name


def test_nothing_is_told_in_chinese_that_is_not_there(served: Served) -> None:
    document = served.client(Role.ADMIN).get("/api").json()
    there = {re.sub(r"^(\w+ )/collections/\w+", rf"\1{PREFIX}", name) for name in operations(document)}
    # the collections of this town can be written by an administrator in part only
    changing = {f"{method} {PREFIX}/items" for method in ("POST",)}
    changing |= {f"{method} {PREFIX}/items/{{key}}" for method in ("PUT", "PATCH", "DELETE")}
    assert set(chinese()["operations"]) - changing == there - changing


def test_the_page_of_the_api_is_in_the_asked_language(served: Served) -> None:
    client = served.client()
    zh = client.get("/api.html", params={"lang": "zh"}).text
    assert "某点所在的网格" in zh
    assert "The published grid at a point" not in zh
    en = client.get("/api.html", params={"lang": "en"}).text
    assert "The published grid at a point" in en
    assert "某点所在的网格" not in en


# --- problems ---

ROOT = Path(__file__).parents[2]
STATUSES = {**{one.__name__: status for one, status in STATUS.items()}}
STATUSES |= {one.__name__: status for one, status in STORE_STATUS}
# what only the command line meets, and what is told of without being an answer
ELSEWHERE = {
    "collection-exists",
    "collection-unknown",
    "community-none",
    "community-unknown",
    "token-unknown",
}


def raised() -> set[tuple[int, str]]:
    """Status and code of every problem that the service's code names, wherever an error is made."""
    found = set()
    for path in (ROOT / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in STATUSES:
                for one in node.args[:1]:
                    if isinstance(one, ast.Constant) and isinstance(one.value, str):
                        found.add((STATUSES[node.func.id], one.value))
    return {(status, code) for status, code in found if code not in ELSEWHERE}


def test_every_problem_that_the_code_names_is_some_operations() -> None:
    told = {(status, code) for status, codes in all_problems().items() for code in codes}
    assert len(raised()) > 100
    assert raised() - told == set()
    texts = catalogue("service")
    # what the store refuses stands there by its bare name
    assert [code for _, code in told if f"error.{code}" not in texts and code not in texts] == []


def test_every_operation_names_its_problems(served: Served) -> None:
    document = served.client(Role.ADMIN).get("/api?lang=en").json()
    for name, operation in operations(document).items():
        told = {}
        for status, answer in operation["responses"].items():
            if status != "default" and answer.get("$ref", "").startswith("#/components/responses/problem"):
                response = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
                schema = response["content"]["application/problem+json"]["schema"]
                told[int(status)] = frozenset(schema["allOf"][1]["properties"]["code"]["x-extensible-enum"])
        assert told == problems_of(name), name
        assert {400, 500} <= told.keys()
    made = operations(document)["GET /collections/cases/export"]["responses"]
    assert {"200", "206", "304", "416", "507"} <= made.keys()


def test_only_the_centre_is_told_of_numbers_of_cases() -> None:
    assert "case-number" in problems_of("POST /collections/cases/items")[403]
    assert "case-number" not in problems_of("PATCH /collections/cases/items/{key}")[403]


@pytest.mark.parametrize("name", ["api.md", "api.zh-CN.md"])
def test_the_guide_names_every_problem_by_its_status(name: str) -> None:
    """The table of docs/api.md: a line a status, its codes in the last cell."""
    told = {}
    for line in (ROOT / "docs" / name).read_text().splitlines():
        if found := re.match(r"\| (\d{3}) \|", line):
            told[int(found[1])] = frozenset(re.findall(r"`([a-z-]+)`", line.rpartition(" | ")[2]))
    assert told == all_problems()
