"""The API's own description, held against the service by schemathesis: no fault of ours, for any role.

schemathesis is used as a library; its plugin would slow every worker of the tests down.
"""

from __future__ import annotations

import json
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

from service.access import Role

if TYPE_CHECKING:
    from schemathesis.schemas import APIOperation, BaseSchema

    from .api import Served

pytestmark = pytest.mark.database

CHECKS = [
    checks.not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def document(served: Served, role: Role) -> tuple[dict[str, Any], dict[str, str]]:
    """The description that the role gets, and the headers that make a request its own."""
    client = served.client(role)
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    found: dict[str, Any] = client.get("/api").json()
    return found, {"cookie": cookie} if cookie else {}


@pytest.mark.parametrize("role", Role)
def test_the_description_is_openapi_3_0(served: Served, role: Role) -> None:
    found, _ = document(served, role)
    assert list(OpenAPIV30SpecValidator(found).iter_errors()) == []


def attack(served: Served, role: Role, examples: int) -> int:
    """Ask every reading operation what its description allows, and what it does not; returns how often."""
    found, headers = document(served, role)
    # what streams or changes has tests of its own; here everything is read
    found["paths"] = {
        path: {"get": methods["get"]} for path, methods in found["paths"].items() if "get" in methods
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
    assert attack(served, role, 40) > 1000
