"""The set-up: one line for administrators, the same wherever it is said, and the targets of README."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from service.postgres.cluster_files import ADMIN_LINE

ROOT = Path(__file__).resolve().parent.parent
SETUP = ROOT / ".ci" / "setup"
TARGETS = [
    "demo",
    "test",
    "test-long",
    "check",
    "golden",
    "bench",
    "load",
    "serve",
    "migrate",
    "lock",
    "clean",
    "help",
]


def test_one_line_for_administrators() -> None:
    (line,) = re.findall(r"^admin_line='(.*)'$", SETUP.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert line == ADMIN_LINE
    for package in ("python3-venv", "postgresql-postgis", "fonts-wqy-microhei", "chromium", "libatomic1"):
        assert package in ADMIN_LINE.split("apt-get install")[1].split()
    # before Debian's packages would make a cluster of their own
    assert ADMIN_LINE.index("create_main_cluster = false") < ADMIN_LINE.index("apt-get install")
    assert subprocess.run(["sh", "-n", "-c", ADMIN_LINE], check=False).returncode == 0  # noqa: S603, S607


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_says_the_same_line(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if "apt-get" in line] == [ADMIN_LINE]


@pytest.mark.parametrize("script", [".ci/setup", ".ci/run"])
def test_scripts_parse(script: str) -> None:
    shell = (ROOT / script).read_text(encoding="utf-8").splitlines()[0].rpartition("/")[2].split()[-1]
    done = subprocess.run([shell, "-n", ROOT / script], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_target_is_there_and_explained(target: str) -> None:
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    assert re.search(rf"^{target} .*[\u4e00-\u9fff]", told.stdout, flags=re.MULTILINE)
    planned = subprocess.run(  # noqa: S603
        ["make", "--dry-run", target],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert planned.returncode == 0, planned.stderr


def test_set_up_refuses_what_it_does_not_know() -> None:
    done = subprocess.run([SETUP, "nonsense"], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 2
    assert "usage" in done.stderr
