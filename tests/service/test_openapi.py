"""The API's description speaks Chinese and English, of everything it describes."""

from __future__ import annotations

import re
from typing import Any

from service.access import Role
from service.web.openapi import PREFIX, chinese

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
