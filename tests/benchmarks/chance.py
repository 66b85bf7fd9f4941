"""How often each statistic sees something where there is nothing: `python -m tests.benchmarks.chance [MAPS]`.

`python -m tests.benchmarks.chance speed` tells the processor seconds of one question instead.

Every experiment makes maps by chance alone and counts those on which the statistic, at a level of 5 %, finds
at least one cluster, hot spot, changed area or difference: under pure chance the false-discovery rate, too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from layers.statistics.comparison import compare
from layers.statistics.hot_spots import Method, hot_spots
from layers.statistics.neighbours import touching_cells
from layers.statistics.rates import smoothed_rates
from layers.statistics.recent import scan_recent
from layers.statistics.scan import scan_circles
from layers.statistics.units import Floats, Units

RUNS = 199


def lattice(columns: int, rows: int, step: float = 100.0) -> Floats:
    """Middles of square cells, n × 2, row by row."""
    x, y = np.meshgrid(np.arange(columns) * step, np.arange(rows) * step)
    return np.column_stack([x.ravel(), y.ravel()])


def circles(maps: int) -> int:
    """Circular scan of 100 cells with 5 to 199 households each, about 300 cases."""
    rng, found = np.random.default_rng(20261122), 0
    for seed in range(maps):
        people = rng.integers(5, 200, 100).astype(np.float64)
        units = Units(lattice(10, 10), rng.poisson(people * 0.03), people)
        found += bool(scan_circles(units, runs=RUNS, seed=seed).found)
    return found


def days_dealt_again(maps: int) -> int:
    """Scan of the last 7 of 42 days by permutation, in 64 cells and on days that differ for good."""
    rng, found = np.random.default_rng(11), 0
    for seed in range(maps):
        risk = rng.integers(5, 200, 64) * rng.gamma(2, 0.5, 64)
        by_day = rng.poisson(0.004 * np.outer(risk, rng.gamma(4, 0.25, 42)))
        found += bool(scan_recent(lattice(8, 8), by_day, runs=RUNS, seed=seed).found)
    return found


def days_alike(maps: int) -> int:
    """Scan of the last 7 of 42 days against a denominator, in 64 cells."""
    rng, found = np.random.default_rng(12), 0
    for seed in range(maps):
        people = rng.integers(5, 200, 64).astype(np.float64)
        by_day = rng.poisson(0.004 * people[:, None] * np.ones(42))
        found += bool(scan_recent(lattice(8, 8), by_day, exposure=people, runs=RUNS, seed=seed).found)
    return found


def _spots(maps: int, method: Method, seed: int, mean: float, people: bool) -> int:
    rng, found = np.random.default_rng(seed), 0
    rows, columns = np.divmod(np.arange(144), 12)
    near = touching_cells(columns, rows)
    for number in range(maps):
        at_risk = rng.integers(5, 200, 144).astype(np.float64) if people else None
        counts = rng.poisson(mean if at_risk is None else mean * at_risk / 100, 144)
        spots = hot_spots(Units(lattice(12, 12), counts, at_risk), near, method=method, seed=number)
        found += bool(spots.units["kind"].isin(["hot", "cold", "high", "low"]).any())
    return found


def gi(maps: int) -> int:
    """Gi* of 144 cells, 3 cases each on average."""
    return _spots(maps, "gi", 1, 3.0, people=False)


def gi_sparse(maps: int) -> int:
    """Gi* of 144 cells, one case in five of them: nearly all are ties."""
    return _spots(maps, "gi", 2, 0.2, people=False)


def gi_rates(maps: int) -> int:
    """Gi* of rates in 144 cells with 5 to 199 households."""
    return _spots(maps, "gi", 3, 3.0, people=True)


def moran(maps: int) -> int:
    """Local Moran of 144 cells, 3 cases each on average."""
    return _spots(maps, "moran", 4, 3.0, people=False)


def moran_rates(maps: int) -> int:
    """Local Moran of rates in 144 cells with 5 to 199 households."""
    return _spots(maps, "moran", 5, 3.0, people=True)


def rates(maps: int) -> int:
    """Whether 40 grids of 100 to 400 households, 6 cases for 100 on average, are said to differ."""
    rng, found = np.random.default_rng(60), 0
    for _ in range(maps):
        people = rng.integers(100, 400, 40).astype(np.float64)
        found += smoothed_rates(Units(lattice(8, 5), rng.poisson(people * 0.06), people)).p <= 0.05
    return found


def _changes(maps: int, seed: int, *, controls: bool, unrest: float) -> int:
    """`unrest`: variance of the areas' own ups and downs, as a part of 1."""
    rng, found = np.random.default_rng(seed), 0
    flags = np.arange(40) >= 10
    for _ in range(maps):
        level = rng.gamma(4, 8, 40)
        own = rng.gamma(1 / unrest, unrest, (2, 40)) if unrest else np.ones((2, 40))
        before, after = rng.poisson(level * own[0]), rng.poisson(level * own[1] * (1.5 if controls else 1.0))
        result = compare(before, after, days=(30, 30), controls=flags if controls else None)
        found += bool(result.areas["kind"].isin(["more", "fewer"]).any())
    return found


def change(maps: int) -> int:
    """40 areas before and after, nothing changed."""
    return _changes(maps, 7, controls=False, unrest=0.0)


def change_against_controls(maps: int) -> int:
    """10 areas against 30 control areas, all of them half as high again after."""
    return _changes(maps, 8, controls=True, unrest=0.0)


def change_of_restless_areas(maps: int) -> int:
    """The same where each area goes up and down by itself (by 20 %): what the dispersion is for."""
    return _changes(maps, 9, controls=True, unrest=0.04)


EXPERIMENTS: tuple[Callable[[int], int], ...] = (
    *(circles, days_dealt_again, days_alike, gi, gi_sparse, gi_rates, moran, moran_rates, rates),
    *(change, change_against_controls, change_of_restless_areas),
)


def show_speed() -> None:
    """Print processor seconds of one question by number of cells, compiled before."""
    rng = np.random.default_rng(0)
    for side in (10, 20, 32, 50):
        cells = side * side
        units = Units(lattice(side, side), rng.poisson(3, cells))
        by_day = rng.poisson(0.1, (cells, 30))
        rows, columns = np.divmod(np.arange(cells), side)
        near = touching_cells(columns, rows)
        questions: dict[str, Callable[[], object]] = {
            "gi": lambda units=units, near=near: hot_spots(units, near),  # type: ignore[misc]
            "scan, 999 runs": lambda units=units: scan_circles(units),  # type: ignore[misc]
        }
        if side < 50:
            questions["recent, 7 days, 999 runs"] = lambda units=units, by_day=by_day: scan_recent(  # type: ignore[misc]
                units.places, by_day, longest=7
            )
        for name, question in questions.items():
            if side == 10:
                question()
            began = time.process_time()
            question()
            print(f"{cells:5} cells  {name:25} {time.process_time() - began:6.2f} s", flush=True)  # noqa: T201


def main() -> int:
    """Print the share of maps with a finding, for each experiment."""
    if sys.argv[1:] == ["speed"]:
        show_speed()
        return 0
    maps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for experiment in EXPERIMENTS:
        found = experiment(maps)
        words = (experiment.__doc__ or "").split("\n")[0]
        print(f"{experiment.__name__:26} {found:5} of {maps} = {found / maps:.1%}  {words}", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
