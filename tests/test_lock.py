"""The lock file: everything is pinned, and nothing in it says where packages come from."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = tuple(PROJECT["project"]["optional-dependencies"])


@pytest.fixture(scope="module")
def lines() -> list[str]:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def pins(lines: list[str]) -> dict[str, Version]:
    pairs = (line.split("==") for line in lines)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_only_names_and_exact_versions(lines: list[str]) -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for sign in ("://", "@", "--", "file:", "\\"):
        assert sign not in text
    for line in lines:
        requirement = Requirement(line)
        assert requirement.url is None
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        assert "*" not in specifier.version
    names = [canonicalize_name(line.split("==")[0]) for line in lines]
    assert names == sorted(set(names))


def test_all_that_pyproject_asks_for_is_pinned(pins: dict[str, Version]) -> None:
    project = PROJECT["project"]
    asked = [*project["dependencies"], *PROJECT["build-system"]["requires"], "pip", "editables"]
    for extra in EXTRAS:
        asked += project["optional-dependencies"][extra]
    checked = 0
    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        if name == project["name"]:
            assert set(requirement.extras) <= set(EXTRAS)
            continue
        assert name in pins, f"{requirement} is not in requirements.lock: run make lock"
        assert pins[name] in requirement.specifier, f"{requirement}: run make lock"
        checked += 1
    assert checked > 30


def test_all_that_those_ask_for_is_pinned(pins: dict[str, Version]) -> None:
    """Follow the requirements of what is installed here, whichever extras that is."""
    missing, seen = set(), set()
    queue = [(PROJECT["project"]["name"], frozenset(EXTRAS))]
    while queue:
        name, extras = queue.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found = requires(name) or []
        except PackageNotFoundError:
            continue  # of an extra that is not installed; the test above has its name
        for requirement in map(Requirement, found):
            marker = requirement.marker
            if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
                continue
            wanted = canonicalize_name(requirement.name)
            if (
                wanted != PROJECT["project"]["name"]
                and pins.get(wanted, Version("0")) not in requirement.specifier
            ):
                missing.add(f"{name} needs {requirement}")
            queue.append((wanted, frozenset(requirement.extras)))
    assert not missing
    assert len(seen) > 60


def test_pins_run_on_the_oldest_python_promised(pins: dict[str, Version]) -> None:
    # Debian 12 has 3.11.2, which some packages leave out
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    refusing, seen = [], 0
    for distribution in distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        if str(pins.get(name)) == distribution.version:
            seen += 1
            if "3.11.0" not in SpecifierSet(distribution.metadata.get("Requires-Python") or ""):
                refusing.append(name)
    assert not refusing
    assert seen > 60


def test_what_only_the_bench_needs_is_not_in_the_core() -> None:
    core = {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
    assert core.isdisjoint({"momepy", "scikit-learn", "libpysal", "pytest", "ipykernel", "playwright"})
