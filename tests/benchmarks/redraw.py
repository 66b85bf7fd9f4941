"""How long a redraw and the edits of 2,000 units take, and how many households move; on small lattices beside
the proven minimum. Run `python -m tests.benchmarks.redraw`. Processor seconds, compiled code warm.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from partition.changes.adjustment import adjust_plan
from partition.changes.edits import (
    Draft,
    lock_grids,
    merge_grids,
    move_units,
    open_draft,
    rebalance,
    split_grid,
    swap_units,
    unlock_grids,
)
from partition.solver.balance import Balance
from partition.solver.plan import make_plan
from partition.solver.problem import Problem
from tests.benchmarks.fewest import fewest_moved
from tests.unit_lattice import lattice

BALANCE = Balance(200, 300, 400)


def main() -> None:
    rng = np.random.default_rng(1)
    graph = lattice(50, 40, rng.integers(0, 61, 2000))
    cost = graph.length * rng.choice([0.2, 0.5, 1.0, 3.0], 2000)[np.minimum(graph.rows(), graph.indices)]
    problem = Problem.of_households(replace(graph, cost=cost), BALANCE)
    plan = make_plan(problem, effort=3000)
    problem = replace(problem, previous=plan.assignment)
    adjust_plan(grow(problem, 0, "a block"))
    say("change", "out of range before / after", "moved", "least that must leave or join", "grids", "CPU s")
    for kind in ("a block", "1 % of units", "5 % of units", "all by a quarter"):
        for seed in range(1, 4):
            today = grow(problem, seed, kind)
            start = time.process_time()
            found = adjust_plan(today)
            seconds = time.process_time() - start
            held = np.bincount(plan.assignment, weights=today.graph.households)
            must = max(np.maximum(held - 400, 0).sum(), np.maximum(200 - held, 0).sum())
            out = int(((held > 400) | (held < 200)).sum())
            grids = len(np.unique(found.labels)) - plan.grids
            say(kind, f"{out} / {found.outside:g}", found.moved, int(must), f"{grids:+d}", f"{seconds:.2f}")
    edits(problem, plan.grids)
    minima()


def minima(cases: int = 12) -> None:
    """Households moved beside the fewest that must, on lattices of 30 units."""
    ratios = []
    say("small case", "moved", "proven minimum", "ratio", "CPU s")
    for seed in range(cases):
        rng = np.random.default_rng(seed)
        graph = lattice(6, 5, rng.integers(5, 40, 30))
        problem = Problem.of_households(graph, Balance(80, 110, 140))
        problem = replace(problem, previous=make_plan(problem, effort=2000).assignment)
        households = graph.households.copy()
        households[rng.choice(30, 3, replace=False)] += rng.integers(20, 90, 3)
        today = Problem.of_households(replace(graph, households=households), problem.ranges[0])
        today = replace(today, previous=problem.previous)
        start = time.process_time()
        found = adjust_plan(today, seed=seed)
        seconds = time.process_time() - start
        # `spare` moves more than the fewest for better borders: what is proven is about the fewest
        known = adjust_plan(today, seed=seed, spare=0.0)
        least, proven = fewest_moved(today, known.moved) if known.outside == 0 else (0.0, False)
        ratio = found.moved / least if least else float(found.moved > 0) + 1.0
        if proven:
            ratios.append(ratio)
        say(
            seed,
            found.moved,
            f"{least:.0f}" if proven else f"{least:.0f}, not proven",
            f"{ratio:.2f}",
            f"{seconds:.2f}",
        )
    if ratios:
        say("proven", len(ratios), "mean, greatest", f"{np.mean(ratios):.3f}", f"{max(ratios):.3f}")


def grow(problem: Problem, seed: int, kind: str) -> Problem:
    rng = np.random.default_rng(seed)
    households = problem.graph.households.astype(float)
    if kind == "all by a quarter":
        households *= rng.lognormal(0, 0.25, len(households))
    else:
        share = {"a block": 1, "1 % of units": 20, "5 % of units": 100}[kind]
        households[rng.choice(len(households), share, replace=False)] += {1: 150, 20: 120, 100: 40}[share]
    graph = replace(problem.graph, households=np.rint(households).astype(np.int64))
    return replace(Problem.of_households(graph, problem.ranges[0]), previous=problem.previous)


def edits(problem: Problem, grids: int) -> None:
    codes = [f"C-{number:03d}" for number in range(1, grids + 1)]
    draft = open_draft(problem, problem.previous, codes, prefix="C-")
    unit = int(draft.units_of(codes[7])[0])
    beside = int(next(v for v in problem.graph.indices[problem.graph.indptr[unit] :] if draft.labels[v] != 7))
    other = codes[int(draft.labels[beside])]
    asked: dict[str, Callable[[], Draft]] = {
        "move a unit": lambda: move_units(draft, [beside], codes[7]),
        "swap two units": lambda: swap_units(draft, [unit], [beside]),
        "lock a grid": lambda: lock_grids(draft, [codes[7]]),
        "unlock a grid": lambda: unlock_grids(lock_grids(draft, [codes[7]]), [codes[7]]),
        "merge two grids": lambda: merge_grids(draft, [codes[7], other]),
        "split a grid": lambda: split_grid(draft, codes[7]),
        "rebalance after a merger": lambda: rebalance(merge_grids(draft, [codes[7], other])),
        "rebalance after a split": lambda: rebalance(split_grid(draft, codes[7])),
    }
    say("edit", "CPU ms, with figures and violations")
    for name, edit in asked.items():
        edit()
        draft = replace(draft)  # without the figures that the run before left in it
        start = time.process_time()
        made = edit()
        _ = made.figures, made.violations
        say(name, f"{1000 * (time.process_time() - start):.1f}")


def say(*cells: object) -> None:
    sys.stdout.write("  ".join(f"{cell!s:>26}" for cell in cells) + "\n")


if __name__ == "__main__":
    main()
