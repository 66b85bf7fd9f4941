"""Solve an instance of the solver's bench: `python -m partition.solve INSTANCE.npz LABELS.npy`."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path

import numpy as np

from partition.errors import PartitionError
from partition.instance import Instance, read_instance
from partition.refine import Refined, refine_plan
from partition.seed import seed_plan

EFFORT = 3_000  # proposals by unit
LEAST = 40_000_000  # proposals in all where units are few
PROVEN_UP_TO = 350, 7  # units, and units a grid; the exact solver is asked where there are no more


def solve(
    instance: Instance,
    *,
    seed: int = 0,
    effort: int | None = None,
    seconds: float = math.inf,
    threads: int = 1,
    balance: float = 0.0,
) -> Refined:
    """The best plan found. `effort` is counted in proposals by unit (default: 3,000, more where units are
    few), `balance` is the weight of the deviation from the target (weighted m for a grid at twice its
    target). Same arguments, same labels, whatever `threads`, unless `seconds` are too few.
    """
    problem, start = instance.problem(balance), time.perf_counter()
    first = seed_plan(problem, instance.grids, seed=seed, threads=threads)
    steps = effort * len(problem) if effort is not None else max(EFFORT * len(problem), LEAST)
    left = seconds - (time.perf_counter() - start)
    return refine_plan(problem, first, steps=steps, seed=seed, threads=threads, seconds=max(left, 0.01))


def main() -> int:
    """Read the instance, write one label a unit; status 2 if the instance is not fit to be solved."""
    parser = argparse.ArgumentParser(prog="python -m partition.solve", description=__doc__)
    parser.add_argument("instance", type=Path, metavar="INSTANCE.npz")
    parser.add_argument("labels", type=Path, metavar="LABELS.npy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--effort", type=int, help=f"proposals by unit (default {EFFORT}, more for few units)"
    )
    parser.add_argument("--time-limit", type=float, default=math.inf, metavar="S", help="seconds in all")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--balance", type=float, default=0.0, metavar="M",
        help="weighted metres for a grid at twice its target (default 0: the range alone)",
    )  # fmt: skip
    parser.add_argument("--certificate", type=Path, metavar="FILE.json", help="write the proof of the bound")
    given = parser.parse_args()
    start = time.perf_counter()
    try:
        instance = read_instance(given.instance)
    except PartitionError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a command
        return 2
    done = solve(
        instance, seed=given.seed, effort=given.effort, threads=given.threads, balance=given.balance,
        seconds=given.time_limit - (time.perf_counter() - start),
    )  # fmt: skip
    labels, hurried = done.labels, done.hurried
    small = len(labels) <= min(PROVEN_UP_TO[0], PROVEN_UP_TO[1] * instance.grids)
    if given.certificate is not None or small:
        from partition.bound import prove

        left = given.time_limit - (time.perf_counter() - start)
        bound = prove(
            instance.problem(given.balance), labels, k=instance.grids, threads=given.threads,
            time_limit=None if math.isinf(left) else max(left, 0.1),
        )  # fmt: skip
        labels = labels if bound.labels is None else bound.labels
        hurried = hurried or bound.status == "stopped"
        _tell(f"{bound.status}: at most {100 * bound.gap:.2f} % above the best possible")
        if given.certificate is not None:
            bound.certificate.write(given.certificate)
    with given.labels.open("wb") as file:
        np.save(file, labels)
    if done.outside:
        _tell(f"{done.outside:.0f} households are outside the range")
    if hurried:
        _tell("stopped by the clock: this result will not repeat")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main())
