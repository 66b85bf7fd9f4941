"""`python -m tests.mutation [--module NAME …] [--sample N] [--seed N] [--jobs N]`: how many faults are found.

Mutants are drawn at random from all of `partition/`, as many of each module as it has share of all possible
ones. Each is put into a private copy of the tree (with the numba cache of whatever the fault cannot touch),
and the tests that reach it run until one fails. A run that takes far longer than it should counts as found.
What survived is printed as a diff; those listed in `equivalent.toml` change nothing that can be seen.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.mutation.choice import Choice
from tests.mutation.mutants import Mutant, find_mutants
from tests.mutation.tree import digest, kernel_folders, module_files

ROOT = Path(__file__).parents[2]
SEARCHED = ("tests/partition", "tests/properties", "tests/golden", "tests/data/test_vector.py")
COPIED = ("data", "layers", "partition", "service", "tests")
CONSOLE = Console(soft_wrap=True)


@dataclass
class Tried:
    """A mutant and what became of it: killed, survived, equivalent, or failed (the tool's own trouble)."""

    mutant: Mutant
    verdict: str
    by: str
    tests: int
    diff: str


def main() -> int:
    """Measure, print, and say by the status whether the share wanted was reached."""
    options = read_options()
    with tempfile.TemporaryDirectory(prefix="mutation-") as scratch:
        work = options.work.resolve() if options.work else Path(scratch)
        copies = [copy_tree(work / f"copy{i}") for i in range(options.jobs)]
        cache = share_cache(work / "numba", copies)
        table = learn_reach(copies, cache, options.tests, work / "reach.json")
        choice = Choice(copies[0], table)
        drawn = draw_mutants(copies[0], options)
        CONSOLE.print(f"{len(drawn)} mutants, {len(table)} tests, {options.jobs} at once")
        tried = try_mutants(drawn, choice, copies, cache, options)
    print_report(tried, options.survivors)
    good, counted = tally(tried)
    return 0 if counted and good / counted >= options.least else 1


def read_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "--module", action="append", default=[], help="only this one, as partition.solver.seed"
    )
    parser.add_argument("--sample", type=int, default=400, help="mutants in all, 0 for all there are")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tried at once")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no mutant later than this")
    parser.add_argument("--budget", type=float, default=60.0, help="processor seconds of tests for a mutant")
    parser.add_argument("--tests", nargs="*", default=list(SEARCHED), help="where tests are taken from")
    parser.add_argument("--least", type=float, default=0.8, help="share that must be found")
    parser.add_argument("--work", type=Path, help="folder that keeps the copies and what was learnt")
    parser.add_argument("--out", type=Path, help="a line of JSON for each mutant, as it is tried")
    parser.add_argument("--again", type=Path, help="try those that survived in this --out of before")
    parser.add_argument(
        "--survivors", action="store_true", help="print diffs of those listed as equivalent too"
    )
    return parser.parse_args()


def copy_tree(to: Path) -> Path:
    """A private copy of the working tree, times kept."""
    shutil.rmtree(to, ignore_errors=True)
    for folder in COPIED:
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "requirements.lock", "README.md"):
        shutil.copy2(ROOT / file, to / file)
    return to


def share_cache(cache: Path, copies: list[Path]) -> Path:
    """One folder of compiled kernels for all copies; emptied if they are not those of this source."""
    sources, stamp = digest(list(module_files(copies[0]).values())), cache / "sources"
    if not stamp.exists() or stamp.read_text() != sources:
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        stamp.write_text(sources)
    for copy in copies:
        for package, own in kernel_folders(copy).items():
            (cache / package).mkdir(exist_ok=True)
            if not (cache / own).exists():
                (cache / own).symlink_to(package)
    return cache


def environment(copy: Path, cache: Path) -> dict[str, str]:
    """Everything below imports from the copy."""
    return os.environ | {"PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": str(cache), "PYTHONHASHSEED": "0"}


def learn_reach(copies: list[Path], cache: Path, tests: list[str], kept: Path) -> dict[str, Any]:
    """Seconds and lines of each test, from `kept` where nothing changed. Fills the numba cache for all."""
    root = copies[0]
    files = [file for test in tests for file in (sorted((root / test).rglob("test_*.py")) or [root / test])]
    common = [*module_files(root).values(), *sorted((root / "tests").glob("*.py"))]
    digests = {file.relative_to(root).as_posix(): digest([*common, file]) for file in files}
    known: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    tables = {name: known[name] for name in digests if known.get(name, {}).get("digest") == digests[name]}
    missing = [name for name in digests if name not in tables]
    free: SimpleQueue[Path] = SimpleQueue()
    for copy in copies:
        free.put(copy)
    lock = Lock()

    def learn(name: str) -> None:
        copy = free.get()
        out = copy / "reach.json"
        command = [sys.executable, "-m", "tests.mutation.reach", str(out), name]
        try:
            subprocess.run(  # noqa: S603 (our own module)
                command,
                cwd=copy,
                env=environment(copy, cache),
                stdout=subprocess.DEVNULL,
                check=True,
            )
            with lock:
                tables[name] = {"digest": digests[name], "tests": json.loads(out.read_text())}
                kept.write_text(json.dumps(tables))
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        list(track(pool.map(learn, missing), "which test runs which line", len(missing), console=CONSOLE))
    return {test: reached for name in digests for test, reached in tables[name]["tests"].items()}


def draw_mutants(root: Path, options: argparse.Namespace) -> list[tuple[Mutant, bytes]]:
    """A sample stratified by module, with each module's text."""
    modules = [name.removeprefix("partition.") for name in options.module]
    files = module_files(root)
    modules = modules or list(files)
    sources = {module: files[module].read_bytes() for module in modules}
    found = {module: find_mutants(module, source) for module, source in sources.items()}
    if options.again:
        lines = [json.loads(line) for line in options.again.read_text().splitlines()]
        wanted = {(x["module"], x["key"]) for x in lines if x["verdict"] != "killed"}
        drawn = [
            m for module in modules for m in found[module] if (module, key(m, sources[module])) in wanted
        ]
    else:
        total = sum(map(len, found.values()))
        size = min(options.sample or total, total)
        shares = {module: size * len(of) / total for module, of in found.items()}
        counts = {module: math.floor(share) for module, share in shares.items()}
        rest = sorted(shares, key=lambda m: (counts[m] - shares[m], m))[: size - sum(counts.values())]
        drawn = []
        for module in modules:
            draw = random.Random(f"{options.seed} {module}")  # noqa: S311 (a sample, no secret)
            drawn += draw.sample(found[module], counts[module] + (module in rest))
        random.Random(options.seed).shuffle(drawn)  # noqa: S311 (so that a part of the run is a sample too)
    return [(mutant, sources[mutant.module]) for mutant in drawn]


def key(mutant: Mutant, source: bytes) -> str:
    """What tells a mutant from others, whatever is added above it: its line with the fault marked."""
    begin = source.rfind(b"\n", 0, mutant.start) + 1
    end = source.find(b"\n", mutant.end)
    parts = source[begin : mutant.start], source[mutant.start : mutant.end], source[mutant.end : end]
    before, old, after = (part.decode() for part in parts)
    return f"{before}[{old} → {mutant.text.rstrip()}]{after}".strip()


def try_mutants(
    drawn: list[tuple[Mutant, bytes]],
    choice: Choice,
    copies: list[Path],
    cache: Path,
    options: argparse.Namespace,
) -> list[Tried]:
    """What becomes of each, in the order drawn, which is a random one: a run cut short is a sample too."""
    equivalent = load_equivalent()
    free: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
    slots = [start_slot(copy, cache) for copy in copies]
    for slot in slots:
        free.put(slot)
    lock, end = Lock(), time.monotonic() + 60 * options.minutes

    def ask(task: dict[str, Any]) -> dict[str, str]:
        slot = free.get()
        assert slot.stdin
        assert slot.stdout
        slot.stdin.write(json.dumps(task) + "\n")
        slot.stdin.flush()
        answer: dict[str, str] = json.loads(slot.stdout.readline())
        free.put(slot)
        return answer

    def try_one(item: tuple[Mutant, bytes]) -> Tried | None:
        if time.monotonic() > end:
            return None
        mutant, source = item
        tests = choice.tests(mutant, options.budget)
        changed = mutant.applied(source).decode()
        answer = {"verdict": "survived", "by": "no test reaches it"}
        if tests:
            stale = choice.stale(mutant)
            seconds = 30 + 4 * sum(choice.seconds[test] for test in tests) + (90 if stale else 0)
            task = {"module": mutant.module, "source": changed, "stale": stale}
            answer = ask(task | {"tests": tests, "seconds": seconds})
        marked = key(mutant, source)
        if answer["verdict"] == "survived" and (mutant.module, marked) in equivalent:
            answer["verdict"] = "equivalent"
        diff = unified_diff(source.decode().splitlines(), changed.splitlines(), n=2, lineterm="")
        shown = "\n".join(line for line in list(diff)[2:] if not line.startswith("@@"))
        tried = Tried(mutant, answer["verdict"], answer["by"], len(tests), shown)
        if options.out:
            record = {"module": mutant.module, "row": mutant.row, "kind": mutant.kind, "key": marked}
            record |= {"verdict": tried.verdict, "by": tried.by, "tests": tried.tests, "name": mutant.name}
            with lock, options.out.open("a") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        return tried

    with ThreadPoolExecutor(len(copies)) as pool:
        ends = track(pool.map(try_one, drawn), "mutants", len(drawn), console=CONSOLE)
        tried = [one for one in ends if one]
    killers = sorted({t.by for t in tried if t.verdict == "killed" and t.by in choice.seconds})
    if killers:  # they must pass without a fault in the same set-up, or their kills are none
        seconds = 120 + 8 * sum(choice.seconds[test] for test in killers)
        mutant, source = drawn[0]
        task = {"module": mutant.module, "source": source.decode(), "stale": [], "tests": killers}
        answer = ask(task | {"seconds": seconds})
        for t in tried:
            if answer["verdict"] != "survived" and t.by in answer["by"].splitlines():
                t.verdict = "failed"
    for slot in slots:
        slot.communicate()
    return tried


def start_slot(copy: Path, cache: Path) -> subprocess.Popen[str]:
    """A process that tries mutants in its copy."""
    command = [sys.executable, "-m", "tests.mutation.slot", str(cache)]
    pipe = subprocess.PIPE
    return subprocess.Popen(  # noqa: S603 (our own module)
        command, cwd=copy, env=environment(copy, cache), stdin=pipe, stdout=pipe, text=True
    )


def load_equivalent() -> set[tuple[str, str]]:
    """Mutants that change nothing that can be seen, each with its reason, from `equivalent.toml`."""
    with (Path(__file__).parent / "equivalent.toml").open("rb") as file:
        read = tomllib.load(file)
    return {(module, item["mutant"]) for module, items in read.items() for item in items if item["why"]}


def tally(tried: list[Tried]) -> tuple[int, int]:
    """How many were found, of how many that can be."""
    counted = [t for t in tried if t.verdict in ("killed", "survived")]
    return sum(t.verdict == "killed" for t in counted), len(counted)


def wilson(good: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    z = 1.96
    middle = (good + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * math.sqrt(good * (of - good) / of + z * z / 4)
    return middle - half, middle + half


def print_report(tried: list[Tried], all_diffs: bool) -> None:
    """Survivors as diffs, then the figures of each module and of all."""
    for t in tried:
        if t.verdict in ("survived", "failed") or (all_diffs and t.verdict == "equivalent"):
            file = f"partition/{t.mutant.module.replace('.', '/')}.py"
            CONSOLE.print(f"{file}:{t.mutant.row} {t.verdict} ({t.tests} tests) {t.by}")
            CONSOLE.print(t.diff + "\n", markup=False, highlight=False)
    modules: dict[str, list[Tried]] = defaultdict(list)
    for t in tried:
        modules[t.mutant.module].append(t)
    table = Table("module", "mutants", "killed", "equivalent", "survived", "failed", "share")
    for name, of in [*sorted(modules.items()), ("in all", tried)]:
        count = {v: sum(t.verdict == v for t in of) for v in ("killed", "equivalent", "survived", "failed")}
        good, counted = tally(of)
        share = f"{good / counted:.0%}" if counted else ""
        table.add_row(name, str(len(of)), *(str(n) for n in count.values()), share)
    CONSOLE.print(table)
    good, counted = tally(tried)
    if counted:
        low, high = wilson(good, counted)
        CONSOLE.print(f"killed: {good} of {counted}, {good / counted:.1%} (95 %: {low:.1%} to {high:.1%})")


if __name__ == "__main__":
    sys.exit(main())
