"""Which test runs which line of `partition/`: learnt once, by tracing, with nothing mutated.

`python -m tests.mutation.reach OUT.json TEST_FILE…` in a private copy of the tree.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.draws import draw_alike
from tests.mutation.tree import module_files

Lines = set[tuple[str, int]]


class Reach:
    """A pytest plugin: `seconds` (processor time) and `lines` of each test that passed.

    What a fixture of a wider scope runs belongs to every test that uses the fixture.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.lines: dict[str, list[tuple[str, int]]] = {}
        self.fixtures: dict[Any, Lines] = {}
        self.seen: Lines = set()
        self.names = {str(file): module for module, file in module_files(Path.cwd()).items()}
        self.passed: set[str] = set()

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        """Lines of `partition/` only; frames of anything else run untraced."""
        name = self.names.get(frame.f_code.co_filename)
        if name is None:
            return None
        seen = self.seen

        def line(frame: FrameType, event: str, argument: object) -> Any:
            if event == "line":
                seen.add((name, frame.f_lineno))
            return line

        return line

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """Keep what a fixture runs apart."""
        outer, self.seen = self.seen, set()
        try:
            return (yield)
        finally:
            self.fixtures[fixturedef] = self.seen
            self.seen = outer

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace one test with its fixtures."""
        self.seen = set()
        begun = time.process_time()
        threading.settrace(self.trace)
        sys.settrace(self.trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            if item.nodeid in self.passed:
                used = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009
                lines = self.seen.union(*(self.fixtures.get(f[-1], set()) for f in used))
                self.lines[item.nodeid] = sorted(lines)
                self.seconds[item.nodeid] = time.process_time() - begun

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tests that do not pass without a fault cannot find one."""
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)


def settle_hypothesis() -> None:
    """The same examples in each run, no shrinking of what is found, no complaint that tracing is slow."""
    import hypothesis

    draw_alike()
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutation")


def run_tests(tests: list[str], plugin: object) -> int:
    """Pytest in this process, whatever is loaded already."""
    ignored = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
    return int(pytest.main([*tests, "-m", "not long", "-p", "no:xdist", *ignored], plugins=[plugin]))


def main() -> None:
    """Write `{test: [seconds, [[module, line], …]]}` of the files named."""
    settle_hypothesis()
    reach = Reach()
    run_tests(sys.argv[2:], reach)
    table = {test: [reach.seconds[test], reach.lines[test]] for test in reach.lines}
    Path(sys.argv[1]).write_text(json.dumps(table))


if __name__ == "__main__":
    main()
