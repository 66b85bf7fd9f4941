"""The examples of a property do not depend on what else is loaded."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

RARE = 918_273_645_546


def test_numbers_in_the_projects_modules_are_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "streets.py"
    file.write_text(f"WIDTH_MM = {RARE}\n")
    spec = spec_from_file_location("streets", file)
    assert spec
    monkeypatch.setitem(sys.modules, "streets", module_from_spec(spec))
    drawn: set[int] = set()

    @settings(max_examples=800, deadline=None, derandomize=True, database=None)
    @given(st.integers())
    def draw(number: int) -> None:
        drawn.add(number)

    draw()
    assert len(drawn) > 200
    assert RARE not in drawn
