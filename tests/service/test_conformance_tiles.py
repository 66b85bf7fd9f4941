"""Black-box conformance to OGC API – Tiles, run against the service as each role."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.access import Role

from .api import Served
from .test_conformance import STANDARD, conform

pytestmark = [
    pytest.mark.database,
    pytest.mark.skipif(not STANDARD.is_dir(), reason="the conformance tests are not beside the checkout"),
]


@pytest.mark.parametrize(
    ("role", "collection"),
    [(Role.PUBLIC, "grids"), (Role.CONSUMER, "streets"), (Role.CENTRE, "cases")],
)
def test_each_role_is_answered_as_the_standard_has_it(
    served: Served, tmp_path: Path, role: Role, collection: str
) -> None:
    rows = conform(served, role, tmp_path, "--collection", collection, "--classes", "tiles")["rows"]
    assert [row for row in rows if row[2] != "PASS"] == []
    assert len(rows) == 7
