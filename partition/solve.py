"""Solve an instance of the solver's bench: `python -m partition.solve INSTANCE.npz LABELS.npy`."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from partition.arrays import Numbers
from partition.errors import PartitionError
from partition.proof.instance import Instance, read_instance
from partition.solver.balance import Balance
from partition.solver.evenness import settle_evenly
from partition.solver.ground import SLACK, make_ground, measure
from partition.solver.joining import Seen, join_plans, total_off
from partition.solver.problem import Problem
from partition.solver.refine import HOT_M, Refined, refine_plan
from partition.solver.seed import seed_plan

# units up to which; proposals by unit of one search; such searches by default; temperature (weighted m) below
# which their grids are kept for joining
RUNS = (500, 2_500, 128, 40.0), (5_000, 2_500, 32, 40.0), (50_000, 1_000, 4, 20.0), (math.inf, 3_000, 1, 0.0)
FIRM = 10.0  # see `refine_plan`: among many even grids hardly one can be had more or less at the end
SEARCHING = 0.7  # of the time there is, if it is limited; the rest is for joining
PROVEN_UP_TO = 350, 7  # units, and units a grid; the exact solver is asked where there are no more
WEIGHTS = 8  # of the deviation that are tried to keep to a mean deviation
FIRST_M, LEAST_M, STEP = 2_000.0, 50.0, 4.0  # the first of them, the least (weighted m), and how they grow


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

    Where units are not too many, many short searches end in different plans, and the set partition puts
    the best grids that any of them met together: that betters a plan more than a longer search does.
    """
    start, seen = time.perf_counter(), Seen(instance.problem(balance))
    found = _search(instance, balance, seen, seed, effort, seconds, threads)
    if len(found) == 1:
        return found[0]
    return join_plans(seen.problem, found, seen, seconds=seconds - (time.perf_counter() - start))


def solve_within(
    instance: Instance,
    mean: float,
    *,
    seed: int = 0,
    effort: int | None = None,
    seconds: float = math.inf,
    threads: int = 1,
    balance: float = 0.0,
) -> tuple[Refined, float]:
    """The best plan found whose grids are no further than `mean` from their target in the mean (else the
    nearest to that), and what any such plan costs at least (weighted m; infinite: there is none). The rest as
    in `solve`.

    The weight of the deviation is moved until the best plan just keeps to the mean, `effort` for each weight;
    then the set partition puts the best grids of all these searches together, within the mean. Where there
    are few possible grids, they are listed and the best plan is proven.
    """
    start, problem = time.perf_counter(), instance.problem(balance)
    ground, most_off = make_ground(problem), mean * instance.grids + SLACK

    def left() -> float:
        return seconds - (time.perf_counter() - start)

    seen, found, hurried = Seen(problem), [], False
    weight, low, high = max(balance, FIRST_M), max(balance, LEAST_M), math.inf
    for turn in range(WEIGHTS):
        plans = _search(instance, weight, seen, seed, effort, left() / (WEIGHTS + 1 - turn), threads)
        best = join_plans(instance.problem(weight), plans)
        for plan in [best, *plans]:
            _, outside, value = measure(ground, plan.labels, int(plan.labels.max()) + 1)
            found.append(Refined(plan.labels, outside, value, plan.hurried))
        if total_off(problem, best.labels) <= most_off:
            high = weight
        else:
            low = weight
        weight = low * STEP if math.isinf(high) else math.sqrt(low * high)
        if high <= low:
            break
    done = join_plans(problem, found, seen, seconds=left(), most_off=most_off)
    hurried = done.hurried or any(plan.hurried for plan in found)
    if hurried or not _is_small(instance) or left() <= 0:
        return replace(done, hurried=hurried), -math.inf
    known = done.labels if done.outside == 0 and total_off(problem, done.labels) <= most_off else None
    settled = settle_evenly(problem, instance.grids, most_off, known, threads=threads)
    labels = done.labels if settled.labels is None else settled.labels
    _, outside, value = measure(ground, labels, int(labels.max()) + 1)
    return Refined(labels, outside, value), settled.least


def _search(
    instance: Instance,
    balance: float,
    seen: Seen,
    seed: int,
    effort: int | None,
    seconds: float,
    threads: int,
) -> list[Refined]:
    """Several searches side by side, each from another first plan; the grids they met are `seen` then."""
    start, problem, n = time.perf_counter(), instance.problem(balance), len(instance.graph)
    heat = 1.0 + _unevenness(problem)
    _, each, usual, keep_below = next(row for row in RUNS if n <= row[0])
    steps = (each * usual if effort is None else effort) * n
    runs = max(round(steps / (each * n)), 1) if usual > 1 else 1
    inner = threads if runs == 1 else 1

    def search(run: int) -> tuple[Refined, list[Numbers]]:
        kept: list[Numbers] = []

        def watch(labels: Numbers, hot_m: float) -> None:
            if hot_m < keep_below * heat:
                kept.append(labels)

        first = seed_plan(problem, instance.grids, seed=seed + run, threads=inner)
        left = (seconds - (time.perf_counter() - start)) * SEARCHING * min(1.0, threads / (runs - run))
        done = refine_plan(
            problem, first, steps=steps // runs, seed=seed + run, threads=inner, hot_m=HOT_M * heat,
            firm=FIRM, seconds=max(left, 0.01), watch=watch if runs > 1 else None,
        )  # fmt: skip
        return done, kept

    found = []
    with ThreadPoolExecutor(min(threads, runs)) as pool:
        for done, kept in pool.map(search, range(runs)):  # in their order, whichever ends first
            found.append(done)
            for labels in kept:
                seen.add(labels)
    return found


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
    parser.add_argument(
        "--effort", type=int, help="proposals by unit (default: 3,000 to 320,000); more is more searches"
    )
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
    parser.add_argument(
        "--range", type=float, nargs=2, metavar=("LOWER", "UPPER"), help="in place of the file's range",
    )  # fmt: skip
    parser.add_argument(
        "--mean-within", type=float, default=math.inf, metavar="D",
        help="least border cost with grids no further than this from their target in the mean; takes as "
        "long as 8 plans without",
    )  # fmt: skip
    parser.add_argument("--certificate", type=Path, metavar="FILE.json", help="write the proof of the bound")
    given = parser.parse_args()
    if given.certificate is not None and not math.isinf(given.mean_within):
        parser.error("a certificate knows no mean deviation: --certificate does not go with --mean-within")
    start = time.perf_counter()
    try:
        instance = read_instance(given.instance)
        target = instance.balance.target
        if given.range is not None:
            instance = replace(instance, balance=_widened(given.range, target, parser))
        lower, upper = max(given.lower, target - given.within), min(given.upper, target + given.within)
        instance = instance.narrowed(lower, upper)
    except PartitionError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a command
        return 2
    options = {"seed": given.seed, "effort": given.effort, "threads": given.threads, "balance": given.balance}
    left = given.time_limit - (time.perf_counter() - start)
    told: list[str] = []
    if not math.isinf(given.mean_within):
        done, least = solve_within(instance, given.mean_within, seconds=left, **options)
        off = total_off(instance.problem(), done.labels) / instance.grids
        if off > given.mean_within + SLACK or done.outside:
            told = [f"the grids are {off:.2f} off their target in the mean, not within {given.mean_within:g}"]
        if math.isinf(least) and least > 0:
            told += ["proven: no plan in range is as even as that"]
        elif least > 0:
            told += [f"proven: any plan as even as that costs {math.floor(least)} at least"]
    else:
        done = solve(instance, seconds=left, **options)
        if given.certificate is not None or _is_small(instance):
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


def _is_small(instance: Instance) -> bool:
    return len(instance.graph) <= min(PROVEN_UP_TO[0], PROVEN_UP_TO[1] * instance.grids)


def _widened(bounds: list[float], target: float, parser: argparse.ArgumentParser) -> Balance:
    lower, upper = bounds
    if not (0 <= lower <= target <= upper and math.isfinite(upper)):
        parser.error(f"--range: the target {target:g} must lie between LOWER and UPPER, LOWER not below 0")
    return Balance(lower, target, upper)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main())
