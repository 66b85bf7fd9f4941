"""Every peer of the solver's bench beside a plan of ours that is no worse in all four: for docs/bench.md.

    python -m tests.benchmarks.domination RESULTS.json … --instances DIR [--out FILE.md]

RESULTS.json are figures of the peers as the bench writes them, DIR holds its instances. A peer is asked about
if it made as many grids as wanted and at least 90 % of them are in range. Ours is a plan of
`python -m partition.solve` with few options; the figures of both (greatest and mean deviation from the
target, border cost, fragments) are recomputed from the labels by the bench's own `core.py`.

First come plans that any peer may be held against, by `--balance`. Where none will do, the question is put
outright: the least border cost with no grid further off than the peer's, and no more in the mean. Where it is
proven that this costs more than the peer's plan, no plan of connected grids is as good in all four.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

BENCH = Path(__file__).parents[3] / "shared" / "solver"
IN_RANGE = 90.0  # per cent of a peer's grids at least
BALANCES = (0, 1_000, 2_000, 3_000, 5_000, 10_000, 30_000)
LONGER = ("--effort=320000", "--seed=1")  # asked again, where it is not proven


@dataclass(frozen=True)
class Figures:
    """Greatest and mean deviation from the target, border cost, pieces beyond one a grid."""

    greatest: float
    mean: float
    cut: float
    fragments: int

    @classmethod
    def of(cls, metrics: dict[str, Any]) -> Figures:
        return cls(metrics["max_dev"], metrics["mean_dev"], metrics["cut"], metrics["fragments"])

    def covers(self, other: Figures) -> bool:
        """No worse in all four."""
        pairs = zip(self.row(), other.row(), strict=True)
        return all(own <= theirs for own, theirs in pairs)

    def row(self) -> tuple[float, float, float, int]:
        return self.greatest, self.mean, self.cut, self.fragments

    def __str__(self) -> str:
        return f"{self.greatest:g} / {self.mean:g} / {self.cut:,.0f} / {self.fragments}"


@dataclass(frozen=True)
class Point:
    """A plan of ours, and what any plan within these options costs at `least`, as far as proven."""

    options: tuple[str, ...]
    figures: Figures
    least: float


class Contest:
    """One instance: plans of ours are made when they are wanted, each once."""

    def __init__(self, core: ModuleType, path: Path) -> None:
        self.core, self.path = core, path
        self.instance = core.load(path)
        self.points: dict[tuple[str, ...], Point] = {}

    def point(self, options: tuple[str, ...]) -> Point | None:
        """The plan with these options; None if it has not as many grids as wanted."""
        if options not in self.points:
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "labels.npy"
                done = subprocess.run(  # noqa: S603 - our own command
                    [sys.executable, "-m", "partition.solve", self.path, out, *options],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
                metrics = self.core.metrics(self.instance, np.load(out))
            if metrics["grids"] != metrics["k"]:
                return None
            self.points[options] = Point(options, Figures.of(metrics), _least(done.stderr))
        return self.points[options]

    def answer(self, peer: Figures) -> Point:
        """A plan that covers the peer's, one of the usual if any does; else the one that comes nearest."""
        for balance in BALANCES:  # borders cost more with each
            usual = self.point((f"--balance={balance}",) if balance else ())
            if usual is not None and usual.figures.covers(peer):
                return usual
        asked = self._question(peer)
        found = [point for point in (self.point(asked), self._longer(asked, peer)) if point is not None]
        if not found:
            raise SystemExit(f"{self.path}: no plan of {self.instance.k} grids")
        return max(found, key=lambda point: (point.figures.covers(peer), point.least, -point.figures.cut))

    def _question(self, peer: Figures) -> tuple[str, ...]:
        target, far = self.instance.target, peer.greatest
        within = f"--within={far:g}"
        if far > min(target - self.instance.lo, self.instance.hi - target):
            lower, upper = max(target - far, 0.0), target + far
            return "--range", f"{lower:g}", f"{upper:g}", f"--mean-within={peer.mean:g}"
        return within, f"--mean-within={peer.mean:g}"

    def _longer(self, asked: tuple[str, ...], peer: Figures) -> Point | None:
        first = self.points.get(asked)
        if first is not None and (first.least > peer.cut or first.figures.covers(peer)):
            return first
        return self.point((*asked, *LONGER))


def _least(told: str) -> float:
    """What the command says is proven of any plan within its options; 0 where nothing is."""
    if "proven: no plan in range is as even" in told:
        return math.inf
    found = re.search(r"proven: any plan as even as that costs (\d+) at least", told)
    return float(found.group(1)) if found else 0.0


def peers_of(results: list[dict[str, Any]]) -> Iterator[tuple[str, str, Figures]]:
    """Instance, peer and figures, the small instances first."""
    merged: dict[str, dict[str, Any]] = {}
    units: dict[str, int] = {}
    for result in results:
        for name, entry in result.items():
            units[name] = entry["n"]
            merged.setdefault(name, {}).update(entry["peers"])
    for name in sorted(merged, key=lambda name: (units[name], name)):
        for peer, metrics in merged[name].items():
            whole = metrics.get("valid") and metrics["grids"] == metrics["k"]
            if whole and metrics["in_range_pct"] >= IN_RANGE:
                yield name, peer, Figures.of(metrics)


def _load_core(bench: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_core", bench / "core.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{bench}: no core.py of the bench")
    core = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(core)
    return core


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS.json")
    parser.add_argument("--instances", type=Path, required=True, metavar="DIR")
    parser.add_argument("--bench", type=Path, default=BENCH, metavar="DIR", help="where core.py is")
    parser.add_argument("--only", help="instances, by comma")
    parser.add_argument("--out", type=Path, metavar="FILE.md")
    given = parser.parse_args()
    core, only = _load_core(given.bench), given.only.split(",") if given.only else None
    contests: dict[str, Contest] = {}
    lines = [
        "| instance | peer | its greatest / mean deviation / cut / fragments | ours | options of ours |",
        "|---|---|---|---|---|",
    ]
    print(*lines, sep="\n")  # noqa: T201
    for name, peer, figures in peers_of([json.loads(path.read_text()) for path in given.results]):
        path = given.instances / f"{name}.npz"
        if not path.exists() or (only is not None and name not in only):
            continue
        contest = contests.setdefault(name, Contest(core, path))
        ours = contest.answer(figures)
        if not ours.figures.covers(figures):
            proven = f"proven: connected grids as even cost {ours.least:,.0f} at least"
            verdict = f"{ours.figures} — {proven if ours.least > figures.cut else 'open'}"
        else:
            verdict = str(ours.figures)
        options = f"`{' '.join(ours.options)}`" if ours.options else "(none)"
        lines.append(f"| {name} | {peer} | {figures} | {verdict} | {options} |")
        print(lines[-1], flush=True)  # noqa: T201
        if given.out is not None:
            given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
