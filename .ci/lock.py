"""Renew `requirements.lock`: exact versions of everything that pyproject.toml and its extras need.

Usage: python .ci/lock.py [PYTHON ...]

Resolves for CPython 3.11.0 with the newest versions, then checks that the same versions resolve for every
other PYTHON given (default: all that are found), and adds what only those need. The file holds names and
versions and nothing else; it is used as a constraint file, so that a line nobody needs does no harm.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
BASE = "3.11"
OLDEST = "3.11.0"  # some packages leave out the first patch releases, of which Debian 12 has one
OTHERS = ("3.12", "3.13", "3.14")
TOOLS = ("pip", "hatchling", "editables")  # what the set-up itself runs
HEADER = """\
# Every package of the product and its extras, and of its set-up. Renewed by `make lock`.
"""


def requirements() -> list[str]:
    """What pyproject.toml asks for, extras included, and the tools of the set-up."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        asked += extra
    return [line for line in asked if not re.match(rf"{project['name']}\b", line)] + list(TOOLS)


def canonical(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(python: str, pins: dict[str, str], *, as_version: str | None = None) -> dict[str, str]:
    """Versions by name that `python` would install, held to `pins`; as if it were of `as_version`."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        subprocess.run([python, "-m", "venv", str(work / "venv")], check=True)
        pip = [str(work / "venv" / "bin" / "python"), "-m", "pip"]
        subprocess.run([*pip, "install", "--quiet", "--upgrade", "pip"], check=True)
        (work / "asked").write_text("\n".join(requirements()), encoding="utf-8")
        (work / "pins").write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        options = ["--quiet", "--dry-run", "--ignore-installed", "--only-binary", ":all:"]
        if as_version:
            options += ["--target", str(work / "nowhere"), "--python-version", as_version]
        subprocess.run(
            [
                *(*pip, "install", *options, "--report", str(work / "report")),
                *("-r", str(work / "asked"), "-c", str(work / "pins")),
            ],
            check=True,
        )
        report = json.loads((work / "report").read_text())
    found = (item["metadata"] for item in report["install"])
    return {canonical(metadata["name"]): metadata["version"] for metadata in found}


def version(python: str) -> str:
    """Major and minor version of `python`, "" if it does not run."""
    said = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip()


def interpreters(given: list[str]) -> dict[str, str]:
    """Interpreters by version: the given ones, else those on PATH."""
    names = given or [found for wanted in (BASE, *OTHERS) if (found := shutil.which(f"python{wanted}"))]
    return {found: name for name in names if (found := version(name))}


def main() -> int:
    """Write the lock file; 1 if Python 3.11 is missing, an exception of pip's if versions clash."""
    pythons = interpreters(sys.argv[1:])
    if BASE not in pythons:
        print(f"lock: needs Python {BASE}", file=sys.stderr)
        return 1
    pins = resolve(pythons.pop(BASE), {}, as_version=OLDEST)
    for found, python in pythons.items():
        more = resolve(python, pins)
        print(
            f"lock: Python {found} takes the same versions, and {sorted(set(more) - set(pins)) or 'no'} more"
        )
        pins |= more
    lines = [f"{name}=={pins[name]}\n" for name in sorted(pins)]
    LOCK.write_text(HEADER + "".join(lines), encoding="utf-8")
    print(f"lock: {len(lines)} packages in {LOCK.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
