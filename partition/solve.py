"""Solve an instance of the solver's bench: `python -m partition.solve INSTANCE.npz LABELS.npy`."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from partition.errors import PartitionError
from partition.proof.instance import Instance, read_instance
from partition.solver.joining import join_plans
from partition.solver.problem import Problem
from partition.solver.refine import HOT_M, Refined, refine_plan
from partition.solver.seed import seed_plan

# units up to which, searches side by side, proposals by unit in all of them together
RUNS = (5_000, 8, 80_000), (50_000, 4, 4_000), (math.inf, 1, 3_000)
SEARCHING = 0.7  # of the time there is, if it is limited; the rest is for joining
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
    """The best plan found. `effort` is counted in proposals by unit (default: see `RUNS`),
    `balance` is the weight of the deviation from the target (weighted m for a grid at twice its
    target). Same arguments, same labels, whatever `threads`, unless `seconds` are too few.

    Where units are not too many, several searches side by side end in different plans, and the set partition
    puts the best grids of all of them together: so good parts are not lost with the plan that they are in.
    """
    problem, n, start = instance.problem(balance), len(instance.graph), time.perf_counter()
    hot = HOT_M * (1.0 + _unevenness(problem))
    _, runs, usual = next(row for row in RUNS if n <= row[0])
    steps = (usual if effort is None else effort) * n
    inner = threads if runs == 1 else 1

    def search(run: int) -> Refined:
        first = seed_plan(problem, instance.grids, seed=seed + run, threads=inner)
        left = (seconds - (time.perf_counter() - start)) * SEARCHING * min(1.0, threads / (runs - run))
        return refine_plan(
            problem, first, steps=steps // runs, seed=seed + run, threads=inner, hot_m=hot,
            seconds=max(left, 0.01),
        )  # fmt: skip

    with ThreadPoolExecutor(min(threads, runs)) as pool:
        found = list(pool.map(search, range(runs)))
    if runs == 1:
        return found[0]
    return join_plans(problem, found, seconds=seconds - (time.perf_counter() - start))


def _unevenness(problem: Problem) -> float:
    """What a usual unit costs by changing the sizes of two grids at their targets, for each weighted metre of
    a usual border: so much hotter must the search begin.
    """
    load, target = problem.load[:, 0], problem.ranges[0].target
    border = float(np.abs(problem.graph.cost).mean()) if len(problem.graph.cost) else 0.0
    usual = float(np.median(load[load > 0])) if (load > 0).any() else 0.0
    return 2.0 * problem.weights.deviation_m * (usual / target) ** 2 / border if border > 0 else 0.0


def main() -> int:
    """Read the instance, write one label a unit; status 2 if the instance is not fit to be solved."""
    parser = argparse.ArgumentParser(prog="python -m partition.solve", description=__doc__)
    parser.add_argument("instance", type=Path, metavar="INSTANCE.npz")
    parser.add_argument("labels", type=Path, metavar="LABELS.npy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effort", type=int, help="proposals by unit (default: 3,000 to 80,000)")
    parser.add_argument("--time-limit", type=float, default=math.inf, metavar="S", help="seconds in all")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--balance", type=float, default=0.0, metavar="M",
        help="weighted metres for a grid at twice its target (default 0: the range alone)",
    )  # fmt: skip
    parser.add_argument(
        "--within", type=float, default=math.inf, metavar="D",
        help="no grid further than this from its target, besides the file's range",
    )  # fmt: skip
    parser.add_argument("--lower", type=float, default=0.0, help="a lower bound above the file's")
    parser.add_argument("--upper", type=float, default=math.inf, help="an upper bound below the file's")
    parser.add_argument("--certificate", type=Path, metavar="FILE.json", help="write the proof of the bound")
    given = parser.parse_args()
    start = time.perf_counter()
    try:
        instance = read_instance(given.instance)
        target = instance.balance.target
        lower, upper = max(given.lower, target - given.within), min(given.upper, target + given.within)
        instance = instance.narrowed(lower, upper)
    except PartitionError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a command
        return 2
    done = solve(
        instance, seed=given.seed, effort=given.effort, threads=given.threads, balance=given.balance,
        seconds=given.time_limit - (time.perf_counter() - start),
    )  # fmt: skip
    small = len(done.labels) <= min(PROVEN_UP_TO[0], PROVEN_UP_TO[1] * instance.grids)
    if given.certificate is not None or small:
        from partition.proof.proving import prove_plan

        left = given.time_limit - (time.perf_counter() - start)
        done, told = prove_plan(
            instance.problem(given.balance), done, instance.grids,
            seconds=left, threads=given.threads, certificate=given.certificate,
        )  # fmt: skip
        for line in told:
            _tell(line)
    with given.labels.open("wb") as file:
        np.save(file, done.labels)
    if done.outside:
        _tell(f"{done.outside:.0f} households are outside the range")
    if done.hurried:
        _tell("stopped by the clock: this result will not repeat")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main())
