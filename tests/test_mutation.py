"""The faults that mutation testing makes, and the tests it chooses for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.__main__ import wilson
from tests.mutation.choice import Choice
from tests.mutation.mutants import find_mutants

SOURCE = '''"""Docstrings with 1 < 2 stay."""

LIMIT_M = 5


@njit(cache=True)
def kernel(a: int = 1) -> int:
    return a * LIMIT_M


def usual(边: list[int], top: float) -> bool:
    """No 3 here."""
    if (
        not 边
        or top >= 2.5
    ):
        raise ValueError(f"{top} > 1")
    return all(kernel(b) is not None for b in 边 if b)
'''


def test_each_fault_changes_one_place_and_no_line_number() -> None:
    source = SOURCE.encode()
    mutants = find_mutants("room", source)
    changed = [mutant.applied(source).decode() for mutant in mutants]
    assert len(set(changed)) == len(mutants)
    for mutant, text in zip(mutants, changed, strict=True):
        compile(text, mutant.kind, "exec")
        assert text.count("\n") == SOURCE.count("\n")
        pairs = zip(SOURCE.splitlines(), text.splitlines(), strict=True)
        rows = [row for row, (old, new) in enumerate(pairs, 1) if old != new]
        assert mutant.row == rows[0]
        assert set(rows) <= set(range(mutant.lines[0], mutant.lines[1] + 1))
    said = {(m.row, m.kind, m.text.strip("()\n")) for m in mutants}
    assert said == {
        (3, "constant", "6"),
        (7, "constant", "2"),
        (8, "arithmetic", "+"),
        (14, "branch", "True"),
        (14, "branch", "False"),
        (14, "unary", ""),
        (15, "boolean", "and"),
        (15, "comparison", ">"),
        (15, "comparison", "<"),
        (15, "constant", "5.0"),
        (17, "deletion", "pass"),
        (18, "return", "None"),
        (18, "call", "any"),
        (18, "comparison", "is"),
        (18, "branch", "True"),
    }
    assert {m.row for m in mutants if not m.traced} == {3, 7, 8}
    assert {m.row for m in mutants if m.kernel} == {7, 8}


@pytest.fixture
def choice(tmp_path: Path) -> Choice:
    """Two rooms, one above the other, and what two tests run of them."""
    (tmp_path / "partition").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "partition" / "room.py").write_text(SOURCE)
    above = "from partition.room import usual\n\n\ndef hall() -> bool:\n    return usual([], 1.0)\n"
    (tmp_path / "partition" / "house.py").write_text(above)
    (tmp_path / "tests" / "test_street.py").write_text("from partition.room import usual\n")
    table = {
        "tests/test_room.py::test_a": (9.0, [("room", 13), ("room", 18)]),
        "tests/test_street.py::test_b": (2.0, [("room", 18), ("house", 5)]),
        "tests/test_street.py::test_c": (1.0, [("house", 5)]),
    }
    return Choice(tmp_path, table)


def test_tests_are_those_that_run_the_line_own_and_quick_ones_first(choice: Choice) -> None:
    by_row = {m.row: m for m in find_mutants("room", SOURCE.encode())}
    assert choice.tests(by_row[18], 60) == ["tests/test_room.py::test_a", "tests/test_street.py::test_b"]
    assert choice.tests(by_row[18], 10) == ["tests/test_room.py::test_a"]
    assert choice.tests(by_row[14], 60) == ["tests/test_room.py::test_a"]
    assert choice.tests(by_row[8], 60) == choice.tests(by_row[18], 60)  # a kernel's: who calls it
    assert choice.tests(by_row[3], 60) == choice.tests(by_row[18], 60)  # a constant's: who calls the kernel
    assert choice.tests(by_row[17], 60) == [  # no test runs it here: those that name the room
        "tests/test_street.py::test_c",
        "tests/test_street.py::test_b",
    ]


def test_compiled_kernels_are_stale_where_they_may_hold_the_fault(choice: Choice) -> None:
    by_row = {m.row: m for m in find_mutants("room", SOURCE.encode())}
    assert choice.stale(by_row[18]) == []
    assert choice.stale(by_row[3]) == choice.stale(by_row[8]) == ["room"]
    choice.kernels.add("house")
    assert choice.stale(by_row[8]) == ["house", "room"]


def test_interval_of_a_share() -> None:
    low, high = wilson(80, 100)
    assert low == pytest.approx(0.7112, abs=1e-4)
    assert high == pytest.approx(0.8666, abs=1e-4)
