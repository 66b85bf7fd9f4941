"""How far the solver's plans are from the best possible, proven in a minute each: a table of docs/bench.md.

    python -m tests.benchmarks.gaps INSTANCE.npz … [--time-limit 60] [--threads 4]

One instance after the other; each certificate of a graph small enough for it is confirmed by
tests/certificate_checker.py. Wall and processor seconds are those of the whole command, start included.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks.pages import renew, table

ROOT = Path(__file__).parents[2]
CHECKED_UP_TO = 350, 7  # units, and units a grid: the checker lists every possible grid
TOLD = re.compile(r"^(\w+): .*at most ([\d.]+) % above", re.MULTILINE)
HEAD = {
    "en": ["", "units", "grids", "proven: at most … % above the best", "", "checked", "s", "processor s"],
    "zh": ["", "单元", "网格", "已证明：最多高于最优 %", "", "独立核验", "秒", "处理器秒"],
}
STATUS = {
    "en": {
        "optimal": "the best",
        "gap": "a bound",
        "stopped": "a bound, out of time",
        "outside": "the best of those out of range",
        "nothing": "nothing",
    },
    "zh": {
        "optimal": "最优",
        "gap": "下界",
        "stopped": "下界（时间用尽）",
        "outside": "无法全部达标，其中最优",
        "nothing": "未证明",
    },
}


@dataclass(frozen=True)
class Proof:
    """What one run of the command proved, in which time. gap: per cent, of the plan's cost; NaN if
    nothing was proven.
    """

    name: str
    units: int
    grids: int
    status: str
    gap: float
    confirmed: bool | None
    seconds: float
    cpu_seconds: float

    def cells(self, language: str) -> list[str]:
        return [
            self.name,
            f"{self.units:,}",
            f"{self.grids:,}",
            "–" if math.isnan(self.gap) else f"{self.gap:.2f}",
            STATUS[language][self.status],
            {None: "–", True: "✓", False: "✗"}[self.confirmed],
            f"{self.seconds:.1f}",
            f"{self.cpu_seconds:.1f}",
        ]


def prove(instance: Path, seconds: float, threads: int) -> Proof:
    """Solve an instance by the command and read what it says. `RuntimeError` with its words if it fails."""
    with np.load(instance, allow_pickle=False) as data:
        units, grids = len(data["hh"]), int(data["k"])
    with tempfile.TemporaryDirectory(prefix="wangge-gaps-") as folder:
        labels, certificate = Path(folder) / "labels.npy", Path(folder) / "proof.json"
        command = [sys.executable, "-m", "partition.solve", str(instance), str(labels), "--time-limit",
                   str(seconds), "--threads", str(threads), "--certificate", str(certificate)]  # fmt: skip
        before, began = os.times(), time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        wall, after = time.perf_counter() - began, os.times()
        told = TOLD.findall(done.stderr)
        if done.returncode:
            raise RuntimeError(f"{instance}: {done.stderr}")
        status, gap = told[-1] if told else ("nothing", "nan")
        infeasible = done.stderr.startswith("infeasible")
        small = units <= min(CHECKED_UP_TO[0], CHECKED_UP_TO[1] * grids)
        return Proof(
            name=instance.stem,
            units=units,
            grids=grids,
            status="outside" if infeasible and status == "optimal" else status,
            gap=float(gap),
            confirmed=confirm(instance, labels, certificate) if small else None,
            seconds=wall,
            cpu_seconds=after.children_user
            + after.children_system
            - before.children_user
            - before.children_system,
        )


def confirm(instance: Path, labels: Path, certificate: Path) -> bool:
    """Whether the checker confirms the certificate. Where no plan is in range, that is what it confirms: how
    good the best of the others is would take listing grids of any size.
    """
    command = [sys.executable, ROOT / "tests" / "certificate_checker.py", instance, labels, certificate]
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0  # noqa: S603


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gaps", description=__doc__)
    parser.add_argument("instances", type=Path, nargs="+", metavar="INSTANCE.npz")
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="S")
    parser.add_argument("--threads", type=int, default=4)
    given = parser.parse_args()
    proofs: list[Proof] = []
    for instance in given.instances:
        proofs.append(prove(instance.absolute(), given.time_limit, given.threads))
        print(*proofs[-1].cells("en"), sep="  ", flush=True)  # noqa: T201 - this is a command
    renew(
        "bench",
        "gaps",
        {language: table(HEAD[language], [proof.cells(language) for proof in proofs]) for language in HEAD},
    )


if __name__ == "__main__":
    main()
