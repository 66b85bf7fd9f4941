"""The pages say what is there: links lead somewhere, and commands, their options and targets exist."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from service.commands import register

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MANUALS = [page for page in PAGES if page.parent.name == "docs" or page.name.startswith("README")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def code_of(text: str) -> list[str]:
    """What stands in code: lines of blocks (fenced or indented), and pieces of lines."""
    lines, fenced = [], False
    for line in text.splitlines():
        if line.startswith("```") or line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(line.strip())
        else:
            lines += CODE.findall(line)
    return lines


def named(text: str, program: str) -> list[list[str]]:
    """The words after each `program` in code, up to a comment or the next command."""
    found = []
    for line in code_of(text):
        for match in re.finditer(rf"(?:^|&& |\. )\s*{program}(?= |$)(.*)", line):
            words = re.split(r"\s#|&&|\|", match[1])[0].replace("…", " ")
            found.append(shlex.split(words))
    return found


@pytest.fixture(scope="module")
def commands() -> TyperGroup:
    fresh = typer.Typer()
    register(fresh)
    group = typer.main.get_command(fresh)
    assert isinstance(group, TyperGroup)
    return group


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), f"{page.name}: {target}"
        assert not heading or heading in headings(aim), f"{page.name}: {target}"


def headings(page: Path) -> set[str]:
    """The names by which a page's headings are linked to."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_each_page_has_its_other_language(page: Path) -> None:
    stem = page.name.removesuffix(".md").removesuffix(".zh-CN")
    other = f"{stem}.md" if page.name.endswith(".zh-CN.md") else f"{stem}.zh-CN.md"
    first = page.read_text(encoding="utf-8").split("\n## ")[0]
    assert f"({other})" in first


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path, commands: TyperGroup) -> None:
    for words in named(page.read_text(encoding="utf-8"), "wangge"):
        command: Any = commands
        known = {"--help"}
        while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
            assert words[0] in command.commands, f"{page.name}: wangge {' '.join(words)}"
            command = command.commands[words.pop(0)]
        known |= {
            name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in known, f"{page.name}: wangge {command.name} {word}"


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: page.name)
def test_targets_of_make_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    for words in named(page.read_text(encoding="utf-8"), "make"):
        assert words, page.name
        assert words[0] in targets, f"{page.name}: make {words[0]}"


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: page.name)
def test_modules_exist(page: Path) -> None:
    for line in code_of(page.read_text(encoding="utf-8")):
        for module in re.findall(r"python -m ([\w.]+)", line):
            assert find_spec(module) is not None, f"{page.name}: {module}"
        for script in re.findall(r"python (tests/[\w/]+\.py)", line):
            assert (ROOT / script).exists(), f"{page.name}: {script}"


def test_something_is_looked_at() -> None:
    """What the tests above look for is found where it is known to stand."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert ["partition", "area.gpkg", "--out", "plan.gpkg", "--report", "report.json"] in named(
        text, "wangge"
    )
    assert ["demo"] in named(text, "make")
    assert "docs/input.md" in LINK.findall(text)
