"""The faults that mutation testing makes, and the tests it chooses for them."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path

import pytest

from tests.mutation.__main__ import ROOT, draw_mutants, learn_reach, share_cache, try_mutants, wilson
from tests.mutation.choice import Choice
from tests.mutation.mutants import find_mutants
from tests.mutation.tree import find_imports

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


def late(row: int, flat: bool = True, *, threads: int = 1) -> None:
    assert row is not None
    lay(2).reshape(-1)
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
        (21, "constant", "False"),
        (23, "deletion", "pass"),
        (23, "constant", "3"),
    }
    assert {m.row for m in mutants if not m.traced} == {3, 7, 8, 21}
    assert {m.row for m in mutants if m.kernel} == {7, 8}


@pytest.fixture
def choice(tmp_path: Path) -> Choice:
    """Three rooms, one above the other, two of them in a wing, and what three tests run of them."""
    wing = tmp_path / "partition" / "wing"
    wing.mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (wing / "room.py").write_text(SOURCE)
    (wing / "hall.py").write_text(
        "from partition.wing.room import usual\n\n\ndef hall():\n    usual([], 1)\n"
    )
    (tmp_path / "partition" / "park.py").write_text("def walk():\n    return kernel + LIMIT_M\n")
    (tmp_path / "partition" / "house.py").write_text("from partition.wing import hall\n")
    (tmp_path / "tests" / "test_street.py").write_text("from partition.wing import room\n")
    table = {
        "tests/test_room.py::test_a": (9.0, [("wing.room", 13), ("wing.room", 18)]),
        "tests/test_street.py::test_b": (2.0, [("wing.room", 18), ("wing.hall", 5)]),
        "tests/test_street.py::test_c": (1.0, [("wing.hall", 5), ("room", 14)]),
        "tests/test_park.py::test_d": (0.5, [("park", 2)]),  # another word of the same letters
    }
    return Choice(tmp_path, table)


def test_tests_are_those_that_run_the_line_own_and_quick_ones_first(choice: Choice) -> None:
    by_row = {m.row: m for m in find_mutants("wing.room", SOURCE.encode())}
    assert choice.tests(by_row[18], 60) == ["tests/test_room.py::test_a", "tests/test_street.py::test_b"]
    assert choice.tests(by_row[18], 10) == ["tests/test_room.py::test_a"]
    assert choice.tests(by_row[14], 60) == ["tests/test_room.py::test_a"]
    # a kernel's: who calls it, and who has its module at hand; a constant's: the same, by the kernel
    whole = ["tests/test_street.py::test_c", "tests/test_room.py::test_a", "tests/test_street.py::test_b"]
    assert choice.tests(by_row[8], 60) == whole
    assert choice.tests(by_row[3], 60) == whole
    assert choice.tests(by_row[17], 60) == [  # no test runs it here: those that name the room
        "tests/test_street.py::test_c",
        "tests/test_street.py::test_b",
    ]


def test_compiled_kernels_are_stale_where_they_may_hold_the_fault(choice: Choice) -> None:
    by_row = {m.row: m for m in find_mutants("wing.room", SOURCE.encode())}
    assert choice.stale(by_row[18]) == []
    assert choice.stale(by_row[3]) == choice.stale(by_row[8]) == ["wing.room"]
    choice.kernels |= {"wing.hall", "house"}
    assert choice.stale(by_row[8]) == ["house", "wing.hall", "wing.room"]


def test_every_way_of_importing_a_module_is_seen() -> None:
    text = """
import partition.texts
from partition import texts as words, area
from partition.wing.room import usual
def late():
    from partition.wing import hall
    from .partition import tower
    import shapely.partition, partitions.street
"""
    assert find_imports(text) & {"texts", "area", "wing.room", "wing.hall", "tower", "street"} == {
        "texts",
        "area",
        "wing.room",
        "wing.hall",
    }


STEP = """from numba import njit

@njit(cache=True)
def step(a: int) -> int:
    return -a
"""
WALK = """from numba import njit
from partition.low.seed import step

@njit(cache=True)
def walk(a: int) -> int:
    return step(a) + step(a)

def usual(a: int) -> int:
    return min(walk(a), 9)
"""
TEST = """from partition.high.seed import usual

def test_usual() -> None:
    assert usual(-1) == 2
"""


@pytest.mark.long
def test_faults_are_found_through_compiled_kernels_of_other_wings_and_only_where_they_show(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "copy"
    for wing, text in {"low": STEP, "high": WALK}.items():
        (copy / "partition" / wing).mkdir(parents=True)
        (copy / "partition" / wing / "__init__.py").touch()
        (copy / "partition" / wing / "seed.py").write_text(text)
    (copy / "partition" / "__init__.py").touch()
    shutil.copytree(ROOT / "tests" / "mutation", copy / "tests" / "mutation")
    shutil.copy2(ROOT / "tests" / "draws.py", copy / "tests")
    (copy / "tests" / "test_usual.py").write_text(TEST)

    cache = share_cache(tmp_path / "cache", [copy])
    choice = Choice(copy, learn_reach([copy], cache, ["tests"], tmp_path / "reach.json"))
    kept = {file.name.split("-")[0] for file in cache.rglob("*.nbi")}
    assert kept == {"seed.step", "seed.walk"}
    options = Namespace(module=[], sample=0, seed=0, again=None, minutes=9, budget=60, out=None)
    drawn = [one for one in draw_mutants(copy, options) if one[0].kind in ("unary", "constant")]
    tried = try_mutants(drawn, choice, [copy], cache, options)
    assert {(t.mutant.module, t.mutant.row, t.mutant.text): (t.verdict, t.tests) for t in tried} == {
        ("low.seed", 5, ""): ("killed", 1),
        ("high.seed", 9, "10"): ("survived", 1),
    }


def test_interval_of_a_share() -> None:
    low, high = wilson(80, 100)
    assert low == pytest.approx(0.7112, abs=1e-4)
    assert high == pytest.approx(0.8666, abs=1e-4)
