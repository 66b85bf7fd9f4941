"""Runs tests against mutants, one after the other, each in a fork of a process that has loaded the libraries.

`python -m tests.mutation.slot CACHE` in a private copy of the tree: reads one JSON a line from the standard
input, `{"module", "source", "stale", "tests", "seconds"}`, and answers one a line, `{"verdict", "by"}`, `by`
being the tests that failed: the first one, or all if there is no fault in the source.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.reach import run_tests, settle_hypothesis
from tests.mutation.tree import kernel_folders, module_files

LOADED = ("geopandas", "highspy", "numba", "numpy", "pandas", "pyogrio", "pyproj", "scipy.optimize")
LOADED += ("scipy.sparse.csgraph", "scipy.spatial", "scipy.cluster.vq", "shapely", "hypothesis.strategies")


class _Failures:
    """Remembers the tests that failed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid not in self.names:
            self.names.append(report.nodeid)


def main() -> None:
    """Serve until the input ends."""
    for name in LOADED:
        with contextlib.suppress(ImportError):
            __import__(name)
    settle_hypothesis()
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    for number, line in enumerate(sys.stdin):
        answers.write(json.dumps(_try_mutant(json.loads(line), Path(sys.argv[1]), number)) + "\n")
        answers.flush()


def _try_mutant(task: dict[str, Any], cache: Path, number: int) -> dict[str, str]:
    file = module_files(Path.cwd())[task["module"]]
    original, stat = file.read_bytes(), file.stat()
    with tempfile.TemporaryDirectory() as scratch:
        private = Path(scratch) / "numba"
        for package, own in kernel_folders(Path.cwd()).items():
            ignored = _ignored(package, task["stale"])
            shutil.copytree(cache / own, private / own, copy_function=os.link, ignore=ignored)
        stamp = None if task["stale"] else _stamp(file)
        try:
            file.write_text(task["source"], encoding="utf-8")
            os.utime(file, (stat.st_atime, stat.st_mtime + 10 + number))  # else its old bytecode would do
            control = task["source"].encode() == original
            return _run_tests(task["tests"], task["seconds"], private, file, stamp, control)
        finally:
            file.write_bytes(original)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _stamp(file: Path) -> Any:
    from numba.core import caching

    return caching._hash_source_file(str(file), file.stat().st_mtime, file.stat().st_size)


def _ignored(package: str, stale: list[str]) -> Any:
    """Compiled kernels hold the code of those they call: of stale modules, nothing is taken from the cache.

    Numba's files of a module begin with the last part of its name, in the folder of its package.
    """
    parts = [f"partition.{module}".rpartition(".") for module in stale]
    begins = tuple(f"{name}." for of, _, name in parts if of == package)

    def ignore(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if begins and name.startswith(begins)}

    return ignore


def _run_tests(
    tests: list[str], seconds: float, cache: Path, file: Path, stamp: Any, control: bool
) -> dict[str, str]:
    out = cache.parent / "failures"
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setsid()
            os.environ |= {"NUMBA_CACHE_DIR": str(cache), "TMPDIR": str(cache.parent)}
            tempfile.tempdir = str(cache.parent)
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
            _point_numba(str(cache), str(file), stamp)
            failures = _Failures()
            code = run_tests([*tests, *([] if control else ["-x"])], failures)
            out.write_text("\n".join(failures.names))
        finally:
            os._exit(code)
    late = time.monotonic() + 4 * seconds
    while True:
        gone, status = os.waitpid(child, os.WNOHANG)
        if gone:
            break
        if time.monotonic() > late:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if os.WIFSIGNALED(status):
        return {"verdict": "killed", "by": f"signal {os.WTERMSIG(status)}"}
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return {"verdict": "survived", "by": ""}
    if code in (1, 2):  # a test failed, or a test's module could not be loaded
        return {"verdict": "killed", "by": out.read_text() or "collection"}
    return {"verdict": "failed", "by": f"pytest ended with {code}"}


def _point_numba(cache: str, file: str, stamp: Any) -> None:
    """Use the private cache; with `stamp`, that of the file before the fault, its own kernels too."""
    from numba.core import caching, config

    config.CACHE_DIR = cache
    if stamp is None:
        return
    mixin = caching._SourceFileBackedLocatorMixin
    usual = mixin.get_source_stamp

    def get_source_stamp(self: Any) -> Any:
        return stamp if self._py_file == file else usual(self)

    mixin.get_source_stamp = get_source_stamp


if __name__ == "__main__":
    main()
