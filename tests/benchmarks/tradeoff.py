"""What equal grids cost in borders: the curve that `--balance` moves along, for docs/tradeoff.md.

    python -m tests.benchmarks.tradeoff --out docs/tradeoff.csv --picture docs/images/tradeoff.svg

Each community is divided once as `wangge partition` does it; then its units are put into as many grids again,
with the weight of equal sizes from nothing to thirty times the usual one. Beside each point stands the least
border cost found at that balance by a search that heeds nothing else: no compactness, LONGER times the
effort, several weights and seeds.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.sample import path as sample_path
from data.vector import read_area
from partition.area import Area
from partition.arrays import Numbers
from partition.clock import Clock
from partition.division import divide_community
from partition.geometry.metrics import variation
from partition.intake.frames import check_area
from partition.solver.plan import EFFORT, make_plan
from partition.solver.problem import Problem, Weights
from partition.wishes.policy import load_profile
from tests.lattice import Town, make_town

BALANCES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
SEARCHED = (0.0, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
LONGER = 4
SEEDS = 2
REAL = Path(__file__).parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Point:
    """One plan: coefficient of variation of households, border cost (weighted m), mean Polsby-Popper."""

    balance: float
    variation: float
    cost_m: float
    polsby_popper: float


def areas() -> dict[str, Area]:
    """The sample, Monaco where it is at hand, and generated towns."""
    found = {"sample": check_area(read_area(sample_path()))}
    if (REAL / "monaco.gpkg").exists():
        found["monaco"] = check_area(read_area(REAL / "monaco.gpkg"))
    for seed in (0, 1):
        found[f"town {seed}"] = make_town(Town(columns=10, rows=10, most_households=40, bend_m=10, seed=seed))
    found["town with a river"] = make_town(
        Town(columns=10, rows=10, most_households=50, bend_m=12, river=True, bridges=2, seed=5)
    )
    return found


def problems(area: Area) -> list[tuple[Problem, int]]:
    """The units of each community as `wangge partition` makes them, and its number of grids."""
    profile, made = load_profile("yichang"), []
    for number in range(len(area.communities)):
        division = divide_community(
            area, number, profile, seed=0, grids=None, effort=EFFORT, clock=Clock(), threads=1
        )
        made.append((division.problem, division.plan.grids))
    return made


def solve(parts: list[tuple[Problem, int]], weights: Weights, effort: int, seed: int) -> list[Numbers]:
    return [
        make_plan(replace(problem, weights=weights), grids=grids, effort=effort, seed=seed).assignment
        for problem, grids in parts
    ]


def judge(parts: list[tuple[Problem, int]], plans: list[Numbers], balance: float) -> Point:
    """Figures over the grids of all communities of an area."""
    held, shape, cost = [], [], 0.0
    for (problem, _), labels in zip(parts, plans, strict=True):
        graph, rows = problem.graph, problem.graph.rows()
        cut = labels[rows] != labels[graph.indices]
        cost += float(graph.cost[cut].sum()) / 2
        around = np.bincount(labels, weights=graph.outer) + np.bincount(
            labels[rows[cut]], weights=graph.length[cut], minlength=int(labels.max()) + 1
        )
        shape.append(4 * math.pi * np.bincount(labels, weights=graph.area) / around**2)
        held.append(np.bincount(labels, weights=graph.households))
    return Point(balance, variation(np.concatenate(held)), cost, float(np.concatenate(shape).mean()))


def frontier(parts: list[tuple[Problem, int]]) -> list[Point]:
    """The plans of least border cost found, by balance: none of them is worse than another in both."""
    found = []
    for balance in SEARCHED:
        for seed in range(SEEDS):
            weights = Weights(deviation_m=Weights().deviation_m * balance, compactness_m=0.0)
            found.append(judge(parts, solve(parts, weights, EFFORT * LONGER, seed), balance))
    found.sort(key=lambda point: (point.variation, point.cost_m))
    best: list[Point] = []
    for point in found:
        if not best or point.cost_m < best[-1].cost_m:
            best.append(point)
    return best


def least_at(best: list[Point], limit: float) -> float:
    """The least border cost found with a variation of at most `limit`; NaN where none is that even."""
    return min((point.cost_m for point in best if point.variation <= limit + 1e-9), default=math.nan)


def curves() -> Iterator[tuple[str, list[Point], list[Point]]]:
    """By area: the points that `--balance` gives, and the frontier."""
    for name, area in areas().items():
        parts = problems(area)
        points = []
        for balance in BALANCES:
            weights = Weights(deviation_m=Weights().deviation_m * balance)
            points.append(judge(parts, solve(parts, weights, EFFORT, 0), balance))
        yield name, points, frontier(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the table, CSV")
    parser.add_argument("--picture", type=Path, help="the curves, SVG (needs matplotlib, extra `bench`)")
    given = parser.parse_args()
    drawn = []
    with given.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(
            ["area", "balance", "variation", "polsby_popper", "border_cost_m", "least_found_m", "ratio"]
        )
        for name, points, best in curves():
            drawn.append((name, points, best))
            for point in points:
                least = min(least_at(best, point.variation), point.cost_m)
                table.writerow(
                    [
                        name,
                        f"{point.balance:g}",
                        f"{point.variation:.3f}",
                        f"{point.polsby_popper:.3f}",
                        f"{point.cost_m:.0f}",
                        f"{least:.0f}",
                        f"{point.cost_m / least:.3f}",
                    ]
                )
            file.flush()
    if given.picture:
        draw(drawn, given.picture)


def draw(curves: list[tuple[str, list[Point], list[Point]]], path: Path) -> None:
    """Balance against border cost, one curve an area; the usual weight is marked."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "wangge"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.5))
    for name, points, best in curves:
        usual = next(point for point in points if point.balance == 1.0)
        (line,) = axes.plot(
            [p.variation for p in points],
            [p.cost_m / usual.cost_m for p in points],
            marker=".",
            label=name,
        )
        axes.plot(
            [p.variation for p in best],
            [p.cost_m / usual.cost_m for p in best],
            color=line.get_color(),
            linestyle=":",
            linewidth=1,
        )
        axes.plot([usual.variation], [1.0], marker="o", color=line.get_color())
    axes.set_xlabel("coefficient of variation of households")
    axes.set_ylabel("border cost, by that of --balance 1")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
