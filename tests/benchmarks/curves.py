"""The curve that `--balance` moves along, and the least border cost found at each balance, by area."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
LONGER = 4  # times the usual effort
SEEDS = 2
THREADS = 4
REAL = Path(__file__).parents[3] / "shared" / "data"

Part = tuple[Problem, Numbers]  # of one community: its units, and the grid of each


@dataclass(frozen=True)
class Point:
    """One plan: coefficient of variation of households, border cost (weighted m), mean Polsby-Popper."""

    balance: float
    variation: float
    cost_m: float
    polsby_popper: float


@dataclass(frozen=True)
class Curve:
    """What `--balance` gives in one area, and the least border cost found at each balance. parts: the
    communities with the plan that has no `--balance`.
    """

    area: str
    parts: tuple[Part, ...]
    points: tuple[Point, ...]
    least: tuple[Point, ...]

    @property
    def usual(self) -> Point:
        """The plan without `--balance`."""
        return next(point for point in self.points if point.balance == 1.0)

    def least_at(self, limit: float) -> float:
        """The least border cost found with a variation of at most `limit`, our own plans included."""
        near = (p.cost_m for p in (*self.least, *self.points) if p.variation <= limit + 1e-9)
        return min(near, default=math.nan)


def areas() -> dict[str, Area]:
    """The sample, the real areas where they are at hand, and generated towns."""
    found = {"sample": check_area(read_area(sample_path()))}
    found |= {file.stem: check_area(read_area(file)) for file in sorted(REAL.glob("*.gpkg"))}
    for seed in (0, 1, 2):
        town = Town(columns=10, rows=10, most_households=40, bend_m=10, seed=seed)
        found[f"town {seed}"] = make_town(town)
    found["river town"] = make_town(
        Town(columns=12, rows=12, most_households=60, bend_m=12, river=True, bridges=2, seed=5)
    )
    return found


def divide(area: Area, balance: float, grids: Sequence[int | None]) -> tuple[Part, ...]:
    """Every community divided as `wangge partition --balance` does it, into so many grids each."""
    profile, made = load_profile("yichang").with_balance(balance), []
    for number, wanted in enumerate(grids):
        division = divide_community(
            area, number, profile, seed=0, grids=wanted, effort=EFFORT, clock=Clock(), threads=1
        )
        made.append((division.problem, division.plan.assignment))
    return tuple(made)


def count_grids(parts: Sequence[Part]) -> list[int]:
    """How many grids each community has."""
    return [int(labels.max()) + 1 for _, labels in parts]


def judge(parts: Sequence[Part], balance: float) -> Point:
    """Figures over the grids of all communities of an area."""
    held, shape, cost = [], [], 0.0
    for problem, labels in parts:
        graph, rows = problem.graph, problem.graph.rows()
        cut = labels[rows] != labels[graph.indices]
        cost += float(graph.cost[cut].sum()) / 2
        around = np.bincount(labels, weights=graph.outer) + np.bincount(
            labels[rows[cut]], weights=graph.length[cut], minlength=int(labels.max()) + 1
        )
        shape.append(4 * math.pi * np.bincount(labels, weights=graph.area) / around**2)
        held.append(np.bincount(labels, weights=graph.households))
    return Point(balance, variation(np.concatenate(held)), cost, float(np.concatenate(shape).mean()))


def search_least(parts: Sequence[Part]) -> Iterator[Point]:
    """The plans of least border cost found, by balance: none of them is worse than another in both."""
    found = []
    for balance in SEARCHED:
        for seed in range(SEEDS):
            weights = Weights(deviation_m=Weights().deviation_m * balance, compactness_m=0.0)
            plans = []
            for (problem, _), grids in zip(parts, count_grids(parts), strict=True):
                weighed = replace(problem, weights=weights)
                plan = make_plan(weighed, grids=grids, effort=EFFORT * LONGER, seed=seed, threads=THREADS)
                plans.append((problem, plan.assignment))
            found.append(judge(plans, balance))
    least = math.inf
    for point in sorted(found, key=lambda point: (point.variation, point.cost_m)):
        if point.cost_m < least:
            least = point.cost_m
            yield point


def draw_curve(name: str, area: Area) -> Curve:
    """The curve of one area: the same number of grids at each balance."""
    parts = divide(area, 1.0, [None] * len(area.communities))
    grids = count_grids(parts)
    points = tuple(
        judge(parts if balance == 1.0 else divide(area, balance, grids), balance) for balance in BALANCES
    )
    return Curve(name, parts, points, tuple(search_least(parts)))
