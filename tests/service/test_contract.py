"""The API's own description, held against the service by schemathesis: no fault of ours, for any role.

schemathesis is used as a library; its plugin would slow every worker of the tests down.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV30SpecValidator
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service import db
from service.access import Role

from .api import Served, fill, serve
from .towns import CODE

if TYPE_CHECKING:
    from schemathesis.schemas import APIOperation, BaseSchema

pytestmark = pytest.mark.database

CHECKS = [
    checks.not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


READING, CHANGING = ("get",), ("post", "put", "patch", "delete")


def document(served: Served, role: Role) -> tuple[dict[str, Any], dict[str, str]]:
    """The description that the role gets, and the headers that make a request its own."""
    client = served.client(role)
    headers = {}
    if cookie := "; ".join(f"{name}={value}" for name, value in client.cookies.items()):
        headers = {"cookie": cookie, "x-csrf-token": client.headers["x-csrf-token"]}
    found: dict[str, Any] = client.get("/api").json()
    return found, headers


def name_what_is_there(served: Served, found: dict[str, Any]) -> None:
    """Let half of the addresses asked be of what there is: a key drawn at random is nobody's."""
    (grid,) = served.rows("select min(code) from grids where valid_to is null")[0]
    (facility,) = served.rows("select min(facility_id) from facilities where division_code = :c", c=CODE)[0]
    keys = {"grids": grid, "cases": f"{CODE}:k1", "communities": CODE, "facilities": f"{CODE}:{facility}"}
    keys |= {"buildings": f"{CODE}:001-00-0"}
    plans = [str(plan) for (plan,) in served.rows("select id from plans order by id limit 3")]
    there = {
        "community": [CODE],
        "division": [CODE, CODE[:6]],
        "plan": plans,
        "code": [grid],
        "name": ["partition"],
    }
    for path, methods in found["paths"].items():
        names = {**there, "key": [keys.get(path.split("/")[2], f"{CODE}:1") if path.count("/") > 1 else ""]}
        if path.startswith("/cases"):
            names["key"] = [keys["cases"]]
        for operation in methods.values():
            for one in operation.get("parameters", []):
                if one.get("in") == "path" and one["name"] in names:
                    one["schema"] = {"type": "string", "enum": [*names[one["name"]], "zebra"]}


@pytest.mark.parametrize("role", Role)
def test_the_description_is_openapi_3_0(served: Served, role: Role) -> None:
    found, _ = document(served, role)
    assert list(OpenAPIV30SpecValidator(found).iter_errors()) == []


def attack(served: Served, role: Role, examples: int, methods: tuple[str, ...] = READING) -> int:
    """Ask every operation what its description allows, and what it does not; returns how often."""
    found, headers = document(served, role)
    name_what_is_there(served, found)
    found["paths"] = {
        path: {method: told[method] for method in methods if method in told}
        for path, told in found["paths"].items()
        if set(methods) & set(told)
    }
    schema: BaseSchema = schemathesis.openapi.from_dict(json.loads(json.dumps(found)))
    schema.config.base_url = served.address
    asked = 0

    def ask(operation: APIOperation[Any, Any, Any]) -> None:
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def run(case: Any) -> None:
                nonlocal asked
                asked += 1
                case.call_and_validate(headers=headers, checks=CHECKS, timeout=30)

            try:
                run()
            except Unsatisfiable:  # nothing wrong can be said of an operation that takes anything
                assert mode is schemathesis.GenerationMode.NEGATIVE, operation.label

    for result in schema.get_all_operations():
        ask(result.ok())
    return asked


def test_what_the_public_may_ask_is_answered_as_described(served: Served) -> None:
    assert attack(served, Role.PUBLIC, 3) > 100


@pytest.mark.long
@pytest.mark.parametrize("role", Role)
def test_whatever_a_role_may_ask_is_answered_as_described(served: Served, role: Role) -> None:
    asked = attack(served, role, 40)
    sys.stdout.write(f"\n{role}: {asked} requests that read\n")
    assert asked > 1000


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """A town that may be changed."""
    with serve(module_database, fill(module_database)) as running:
        yield running


@pytest.mark.long
@pytest.mark.parametrize("role", Role)
def test_whatever_a_role_may_change_is_answered_as_described(town: Served, role: Role) -> None:
    asked = attack(town, role, 25, CHANGING)
    sys.stdout.write(f"\n{role}: {asked} requests that change\n")
    assert asked > 100
